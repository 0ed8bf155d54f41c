"""Starts `vp-simulator`, the Vipps MobilePay servers on loopback, steers it, and ends it for certain.

    from vp_simulator import Simulator

    with Simulator("--tls", "--passenger", "manual") as servers:
        meter.ride(servers.url, servers.ca_file, reference="ride-0001")
        servers.approve("ride-0001")
        servers.check("ride-0001", captured_exactly_once=True, captured=24900)

With pytest, a line `pytest_plugins = ["vp_simulator"]` in conftest.py gives each test that asks for the fixture
`vp_simulator` servers of its own; `@pytest.mark.vp_simulator("--tls")` starts them with arguments.

The program is looked for as the argument `program`, in VPMETER_SIMULATOR, on the PATH, and where this repository builds
it, the newest. Standard library only.
"""

import http.client
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

__all__ = ["ControlError", "Crashed", "Simulator", "StartError", "find_program"]

# Real seconds. A start takes some milliseconds; a machine under load may need much longer.
START_LIMIT_S = 30
STOP_LIMIT_S = 10
ANSWER_LIMIT_S = 60
# The simulator closes a connection that has been idle for a minute; ours is given up long before.
IDLE_LIMIT_S = 20


class StartError(Exception):
    """The simulator is not there, or did not start; the text says why, in its own words where it had any."""


class ControlError(Exception):
    """The control API refused a call."""

    def __init__(self, call, status, reason):
        super().__init__(f"{call}: {status} {reason}")
        self.status, self.reason = status, reason


class Crashed(Exception):
    """The simulator has ended itself; the text is the last that it said."""


def find_program(program=None):
    """The path of `vp-simulator`."""
    asked = program or os.environ.get("VPMETER_SIMULATOR")
    if asked:
        if not os.path.isfile(asked):
            raise StartError(f"there is no {asked}")
        return os.path.abspath(asked)
    found = shutil.which("vp-simulator")
    if found:
        return found
    target = Path(__file__).resolve().parents[1] / "simulator" / "target"
    built = [path for path in target.glob("*/vp-simulator") if path.is_file()]
    if built:
        return str(max(built, key=lambda path: path.stat().st_mtime))
    raise StartError("vp-simulator is neither in VPMETER_SIMULATOR nor on the PATH nor built: run `make simulator`")


class Simulator:
    """A running simulator on free ports: a process of its own, which ends with `stop`, with the `with` block, or when
    this process ends, however that happens. May be shared by threads.

    With the arguments "--check-answers", "crash" it ends itself where one of its answers is not as its documents describe
    it; `stop`, and the end of the `with` block, raise Crashed then."""

    def __init__(self, *arguments, program=None, env=None):
        """`arguments` are the program's own; `env` replaces the environment."""
        command = [find_program(program), "--port", "0", "--exit-with-parent", *map(str, arguments)]
        self._errors = tempfile.TemporaryFile()
        self._lock = threading.Lock()
        self._wire, self._used = None, 0.0
        try:
            # In a session of its own: the ctrl-C that ends a test run must not end the servers under the clean-up.
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                                            env=env, start_new_session=True)
        except OSError as error:
            self._errors.close()
            raise StartError(f"{command[0]}: {error}") from None
        try:
            ready = self._ready_line()
        except BaseException:
            self.stop()
            raise
        #: Of the servers, such as https://127.0.0.1:4010.
        self.url = ready["url"]
        #: Of the control API.
        self.control = ready["control"]
        #: The throw-away certificate authority; None without --tls.
        self.ca_file = ready["ca_file"]
        #: The page with the passenger's phone, for a browser.
        self.phone = ready["phone"]
        self.pid = ready["pid"]

    def _ready_line(self):
        out, line = self.process.stdout, b""
        deadline = time.monotonic() + START_LIMIT_S
        while not line.endswith(b"\n"):
            if not select.select([out], [], [], max(0, deadline - time.monotonic()))[0]:
                raise StartError(f"the simulator was not ready after {START_LIMIT_S} s: {self.errors()}")
            piece = os.read(out.fileno(), 4096)
            if not piece:
                code = self.process.wait(STOP_LIMIT_S)
                raise StartError(f"the simulator did not start, exit code {code}: {self.errors()}")
            line += piece
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def __del__(self):
        if hasattr(self, "process"):
            self.stop()

    def stop(self):
        """Ends it; in good order, so that it removes what it made, and by force if that takes long. May be repeated."""
        with self._lock:
            self._hang_up()
        try:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._said, repeated = self.errors(), self._errors.closed
        self._errors.close()
        if self.process.returncode == -signal.SIGABRT and not repeated:
            raise Crashed(self._said)

    def errors(self):
        """What it has written to stderr so far: with --verbose, a line for each request."""
        if self._errors.closed:
            return self._said
        end = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), end, 0).decode("utf-8", "replace").strip()

    # ---- The control API ----

    def _hang_up(self):
        if self._wire:
            self._wire.close()
            self._wire = None

    def ask(self, method, path, body=None):
        """One call of the control API, such as `ask("GET", "clock")`; its answer. ControlError where it refuses."""
        data = None if body is None else json.dumps(body)
        with self._lock:
            if time.monotonic() - self._used > IDLE_LIMIT_S:
                self._hang_up()
            if self._wire is None:
                address = self.control.rpartition("/")[2]
                self._wire = http.client.HTTPConnection(address, timeout=ANSWER_LIMIT_S)
            try:
                self._wire.request(method, f"/_sim/{path}", data, {"Content-Type": "application/json"})
                answer = self._wire.getresponse()
                status, value = answer.status, json.loads(answer.read())
            except BaseException:
                self._hang_up()
                raise
            self._used = time.monotonic()
        if status != 200:
            raise ControlError(f"{method} {path}", status, value.get("error", value))
        return value

    def _act(self, reference, what, amount=None, key=None):
        body = {"amount": amount, "idempotency_key": key}
        return self.ask("POST", f"payments/{reference}/{what}", {k: v for k, v in body.items() if v is not None} or None)

    def ledger(self, reference=None):
        """All payments, or one of them; None if the servers do not know it."""
        if reference is None:
            return self.ask("GET", "ledger")["payments"]
        try:
            return self.ask("GET", f"ledger/{reference}")
        except ControlError as error:
            if error.status == 404:
                return None
            raise

    def check(self, reference=None, **checks):
        """AssertionError unless all of this is true of the books, of one payment or of all: captured_exactly_once=True,
        captured=24900 and whatever else the simulator's README names."""
        about = {} if reference is None else {"reference": reference}
        try:
            return self.ask("POST", "assert", {**about, **checks})
        except ControlError as error:
            if error.status != 409:
                raise
            raise AssertionError(str(error)) from None

    def requests(self, operation=None, reference=None):
        """What was asked for, oldest first; of one operation, of one payment, or all."""
        return [r for r in self.ask("GET", "requests")
                if operation in (None, r["operation"]) and reference in (None, r["reference"])]

    def passenger(self, rule, phone=None, reference=None):
        """What passengers do from now on: all, the one with this number, or the one of this payment."""
        whose = {"phone": phone, "reference": reference}
        return self.ask("POST", "passenger", {"rule": rule, **{k: v for k, v in whose.items() if v is not None}})

    def approve(self, reference):
        """The passenger approves now."""
        return self._act(reference, "approve")

    def decline(self, reference):
        """The passenger declines now."""
        return self._act(reference, "decline")

    def portal_capture(self, reference, amount, key=None):
        """Somebody captures in the merchant's portal, with its events and webhooks; they have a key of the portal's own
        where one is given. Amounts in minor units."""
        return self._act(reference, "capture", amount, key)

    def portal_refund(self, reference, amount, key=None):
        """Somebody refunds in the portal, likewise."""
        return self._act(reference, "refund", amount, key)

    def portal_cancel(self, reference, key=None):
        """Somebody cancels in the portal: all that is not captured, or the request before it is approved."""
        return self._act(reference, "cancel", key=key)

    def under_way(self):
        """How many connections to the servers are open, those of ended clients whose request a fault delays among them. At 0
        nothing of an ended client can act any more: this comes after all that it has sent. Living clients count too."""
        address = self.url.rpartition("/")[2]
        if self.ca_file:
            context = ssl.create_default_context(cafile=self.ca_file)
            wire = http.client.HTTPSConnection(address, timeout=ANSWER_LIMIT_S, context=context)
        else:
            wire = http.client.HTTPConnection(address, timeout=ANSWER_LIMIT_S)
        try:
            wire.request("GET", "/_sim/under-way")
            return json.loads(wire.getresponse().read())["under_way"]
        finally:
            wire.close()

    def wait_until_quiet(self, limit_s=ANSWER_LIMIT_S):
        """Waits until nothing is under way; TimeoutError after so many seconds. For when clients have ended: a clock that is
        moved before then makes what they sent last act later than it did."""
        deadline = time.monotonic() + limit_s
        while self.under_way():
            if time.monotonic() > deadline:
                raise TimeoutError(f"something is still under way after {limit_s} s")
            time.sleep(0.001)

    def now(self):
        """The simulator's time, in milliseconds since 1970."""
        return self.ask("GET", "clock")["now"]

    def advance(self, ms):
        """The simulator's clock goes forward at once."""
        return self.ask("POST", "clock", {"advance_ms": ms})

    def freeze(self, frozen=True):
        """The simulator's clock stands still, or goes on."""
        return self.ask("POST", "clock", {"freeze": frozen})

    def snapshot(self, name):
        """Keeps the whole state under a name."""
        return self.ask("POST", f"snapshots/{name}")

    def restore(self, name):
        """Back to a snapshot."""
        return self.ask("POST", f"snapshots/{name}/restore")

    def switches(self, values):
        """How the simulator reads what the sources leave open: `switches({"unknown-fields": "ignore"})`."""
        return self.ask("POST", "switches", values)

    def faults(self, *rules):
        """More fault rules, as the simulator's README has them; their ids."""
        return self.ask("POST", "faults", list(rules))["ids"]

    def late(self):
        """What the servers have taken and not yet carried out, the next one first."""
        return self.ask("GET", "late")

    def fired(self):
        """How often each fault rule has fired, by id."""
        return {rule["id"]: rule["fired"] for rule in self.ask("GET", "faults")}

    def clear_faults(self):
        return self.ask("DELETE", "faults")

    def webhooks(self):
        """Registrations, and each delivery with its attempts."""
        return self.ask("GET", "webhooks")

    def webhook_rule(self, action, **more):
        """A trick with deliveries: duplicate, delay, overtaken, wrong_secret, wrong_host."""
        return self.ask("POST", "webhooks/rules", {"action": action, **more})

    def revoke_tokens(self):
        """Every access token that is out becomes invalid."""
        return self.ask("POST", "tokens/revoke")

    def reset(self):
        """Back to the command line: payments, rules, switches, time."""
        return self.ask("POST", "reset")


# pytest is not needed; where it runs, it is loaded already.
if "pytest" in sys.modules:
    import pytest

    def pytest_configure(config):
        config.addinivalue_line("markers", "vp_simulator(*arguments): arguments of the simulator of this test")

    @pytest.fixture
    def vp_simulator(request):
        """Servers of this test's own."""
        marker = request.node.get_closest_marker("vp_simulator")
        with Simulator(*(marker.args if marker else ())) as simulator:
            yield simulator
