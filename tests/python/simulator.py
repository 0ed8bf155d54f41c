"""The Python class that starts, steers and ends the simulator: it does what it says, and nothing outlives a test."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"
sys.path.insert(0, str(PYTHON))
sys.dont_write_bytecode = True

from vp_simulator import ControlError, Crashed, Simulator, StartError  # noqa: E402

KEYS = {"client_id": "sim-client-id", "client_secret": "sim-client-secret",
        "Ocp-Apim-Subscription-Key": "sim-subscription-key", "Merchant-Serial-Number": "123456"}


def call(simulator, method, path, body=None, **headers):
    """One request to the servers: (status, answer)."""
    wire = http.client.HTTPConnection(simulator.url.rpartition("/")[2], timeout=20)
    try:
        wire.request(method, path, json.dumps(body) if body else None, {**KEYS, "Content-Type": "application/json", **headers})
        answer = wire.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        wire.close()


class Servers:
    """A client in two functions."""

    def __init__(self, simulator):
        self.simulator = simulator
        _, token = call(simulator, "POST", "/accesstoken/get")
        self.bearer = {"Authorization": f"Bearer {token['access_token']}"}

    def create(self, reference):
        return self.post("", reference, {
            "amount": {"value": 24900, "currency": "NOK"}, "paymentMethod": {"type": "WALLET"}, "reference": reference,
            "customer": {"phoneNumber": "4791234567"}, "userFlow": "PUSH_MESSAGE"})

    def post(self, tail, reference, body=None):
        path = f"/epayment/v1/payments/{reference}/{tail}" if tail else "/epayment/v1/payments"
        return call(self.simulator, "POST", path, body, **self.bearer, **{"Idempotency-Key": f"{tail}-{reference}"})

    def state(self, reference):
        return call(self.simulator, "GET", f"/epayment/v1/payments/{reference}", **self.bearer)[1]["state"]


def said(simulator, text, limit_s=20):
    """Waits for what the simulator says on stderr, which it does beside its work."""
    end = time.monotonic() + limit_s
    while text not in simulator.errors():
        if time.monotonic() > end:
            raise AssertionError(f"{text!r} is not in {simulator.errors()!r}")
        time.sleep(0.01)


def gone(pid, limit_s=20):
    """Waits for a process that is not our child."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


class StartAndStop(unittest.TestCase):
    def test_nothing_is_left_behind(self):
        with Simulator("--tls") as simulator:
            folder = os.path.dirname(simulator.ca_file)
            self.assertTrue(simulator.url.startswith("https://127.0.0.1:"))
            self.assertEqual(simulator.pid, simulator.process.pid)
            self.assertTrue(os.path.isfile(simulator.ca_file))
        self.assertEqual(simulator.process.returncode, 0)
        self.assertFalse(os.path.exists(folder))
        simulator.stop()

    def test_it_ends_with_a_test_that_crashes(self):
        program = ("import os, sys; from vp_simulator import Simulator; s = Simulator('--tls'); "
                   "print(s.pid, s.ca_file, flush=True); os.kill(os.getpid(), 9)")
        done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(PYTHON)},
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        pid, ca_file = done.stdout.split()
        self.assertTrue(gone(pid), f"{pid} runs on")
        self.assertFalse(os.path.exists(os.path.dirname(ca_file)))

    def test_one_that_does_not_listen_any_more_is_ended_all_the_same(self):
        simulator = Simulator()
        simulator.process.send_signal(signal.SIGSTOP)
        import vp_simulator
        self.addCleanup(setattr, vp_simulator, "STOP_LIMIT_S", vp_simulator.STOP_LIMIT_S)
        vp_simulator.STOP_LIMIT_S = 0.2
        simulator.stop()
        self.assertEqual(simulator.process.returncode, -signal.SIGKILL)

    def test_a_crash_is_told_once(self):
        with self.assertRaisesRegex(Crashed, "token POST"), Simulator("--verbose") as simulator:
            Servers(simulator)
            said(simulator, "token POST")
            simulator.process.send_signal(signal.SIGABRT)
            simulator.process.wait(20)
        simulator.stop()

    def test_why_it_did_not_start(self):
        with self.assertRaisesRegex(StartError, r"exit code 2: .*--passenger"):
            Simulator("--passenger", "sleep")
        with self.assertRaisesRegex(StartError, "there is no /nowhere"):
            Simulator(program="/nowhere")
        with tempfile.NamedTemporaryFile() as file, self.assertRaisesRegex(StartError, "(?i)permission"):
            Simulator(program=file.name)


class Steering(unittest.TestCase):
    def setUp(self):
        self.simulator = Simulator("--passenger", "manual", "--check-answers", "crash")
        self.addCleanup(self.simulator.stop)
        self.servers = Servers(self.simulator)

    def test_a_ride_by_hand(self):
        sim, servers = self.simulator, self.servers
        self.assertEqual(servers.create("ride-0001")[0], 201)
        sim.approve("ride-0001")
        sim.portal_capture("ride-0001", 20000)
        sim.portal_refund("ride-0001", 500)
        sim.portal_cancel("ride-0001")
        page = sim.ledger("ride-0001")
        self.assertEqual([page[name] for name in ("captured", "refunded", "cancelled")], [20000, 500, 4900])
        self.assertEqual([p["reference"] for p in sim.ledger()], ["ride-0001"])
        self.assertIsNone(sim.ledger("ride-0002"))
        sim.check("ride-0001", captured_exactly_once=True, captured=20000)
        with self.assertRaisesRegex(AssertionError, "captured"):
            sim.check(captured=24900)
        with self.assertRaisesRegex(ControlError, "404"):
            sim.check("ride-0002", captured=0)
        self.assertEqual([r["operation"] for r in sim.requests()], ["token", "create"])
        self.assertEqual(len(sim.requests("create", "ride-0001")), 1)
        sim.snapshot("done")
        sim.reset()
        sim.restore("done")
        sim.check("ride-0001", captured=20000)
        sim.reset()
        self.assertEqual((sim.ledger(), sim.requests()), ([], []))

    def test_passengers(self):
        sim, servers = self.simulator, self.servers
        sim.passenger("decline", phone="4791234567")
        sim.passenger("approve", reference="ride-0002")
        for reference in ("ride-0001", "ride-0002", "ride-0003"):
            servers.create(reference)
            sim.passenger("manual")
        self.assertEqual([servers.state(f"ride-000{n}") for n in (1, 2, 3)], ["ABORTED", "AUTHORIZED", "ABORTED"])
        with self.assertRaisesRegex(ControlError, "409"):
            sim.decline("ride-0002")

    def test_time_faults_and_switches(self):
        sim, servers = self.simulator, self.servers
        sim.freeze()
        before = sim.now()
        servers.create("ride-0001")
        sim.advance(600_000)
        self.assertEqual((sim.now() - before, servers.state("ride-0001")), (600_000, "EXPIRED"))
        first, second = sim.faults({"operation": "get", "action": "status", "status": 503},
                                   {"operation": "capture", "action": "reset_after"})
        self.assertEqual(call(sim, "GET", "/epayment/v1/payments/ride-0001", **servers.bearer)[0], 503)
        self.assertEqual(sim.fired(), {first: 1, second: 0})
        sim.clear_faults()
        self.assertEqual(sim.fired(), {})
        sim.switches({"profile": "missing"})
        self.assertNotIn("profile", call(sim, "GET", "/epayment/v1/payments/ride-0001", **servers.bearer)[1])
        sim.revoke_tokens()
        self.assertEqual(servers.create("ride-0002")[0], 401)

    def test_the_portal(self):
        sim, servers = self.simulator, self.servers
        for reference in ("ride-0001", "ride-0002"):
            servers.create(reference)
        sim.approve("ride-0001")
        sim.portal_capture("ride-0001", 20000, key="portal-1")
        sim.portal_refund("ride-0001", 500, key="portal-2")
        sim.portal_cancel("ride-0001")
        events = call(sim, "GET", "/epayment/v1/payments/ride-0001/events", **servers.bearer)[1]
        self.assertEqual([(e["name"], e.get("idempotencyKey")) for e in events[2:]],
                         [("CAPTURED", "portal-1"), ("REFUNDED", "portal-2"), ("CANCELLED", None)])
        sim.portal_cancel("ride-0002")
        self.assertEqual(servers.state("ride-0002"), "TERMINATED")
        with self.assertRaisesRegex(ControlError, "409.*6050"):
            sim.portal_cancel("ride-0002")

    def test_late(self):
        sim, servers = self.simulator, self.servers
        sim.freeze()
        servers.create("ride-0001")
        sim.approve("ride-0001")
        sim.faults({"operation": "capture", "action": "late", "ms": 600_000, "answer": "504"})
        part = {"modificationAmount": {"value": 500, "currency": "NOK"}}
        sim.switches({"while-running": "409-plain"})
        self.assertEqual([servers.post("capture", "ride-0001", part)[0] for _ in range(2)], [504, 409])
        self.assertEqual([(one["operation"], one["due_at"] - sim.now()) for one in sim.late()], [("capture", 600_000)])
        sim.check("ride-0001", captured=0)
        sim.advance(600_000)
        sim.check("ride-0001", captured=500, captured_exactly_once=True)
        self.assertEqual(sim.late(), [])

    def test_what_is_under_way(self):
        for arguments in [], ["--tls"]:
            with Simulator(*arguments) as simulator:
                self.assertEqual(simulator.under_way(), 0)
        with Simulator("--passenger", "approve") as simulator:
            servers = Servers(simulator)
            simulator.faults({"operation": "create", "action": "delay", "ms": 200})
            wire = http.client.HTTPConnection(simulator.url.rpartition("/")[2])
            wire.request("POST", "/epayment/v1/payments", json.dumps({
                "amount": {"value": 24900, "currency": "NOK"}, "paymentMethod": {"type": "WALLET"},
                "reference": "ride-0001", "customer": {"phoneNumber": "4791234567"}, "userFlow": "PUSH_MESSAGE",
            }), {**KEYS, **servers.bearer, "Content-Type": "application/json", "Idempotency-Key": "key-0001"})
            wire.close()
            self.assertRaises(TimeoutError, simulator.wait_until_quiet, 0)
            simulator.wait_until_quiet()
            self.assertEqual(simulator.ledger("ride-0001")["state"], "AUTHORIZED")

    def test_webhooks(self):
        path, wanted = "/webhooks/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["epayments.payment.created.v1"]}
        self.assertEqual(call(self.simulator, "POST", path, wanted, **self.servers.bearer)[0], 201)
        self.simulator.webhook_rule("duplicate", event="CREATED")
        self.servers.create("ride-0001")
        seen = self.simulator.webhooks()
        self.assertEqual([d["reference"] for d in seen["deliveries"]], ["ride-0001"])
        self.assertEqual((len(seen["registrations"]), len(seen["rules"])), (1, 1))

    def test_refusals_name_the_field(self):
        for wrong, field in [(lambda: self.simulator.passenger("sleep"), "rule"),
                             (lambda: self.simulator.faults({"operation": "x", "action": "refuse"}), "operation"),
                             (lambda: self.simulator.switches({"profile": "x"}), "profile")]:
            with self.assertRaisesRegex(ControlError, field) as raised:
                wrong()
            self.assertEqual(raised.exception.status, 400)

    def test_a_line_for_each_request_if_wanted(self):
        with Simulator("--verbose") as simulator:
            Servers(simulator)
            said(simulator, "token POST /accesstoken/get -> 200")
        self.assertRegex(simulator.errors(), "token POST /accesstoken/get -> 200")


class ThePytestFixture(unittest.TestCase):
    TESTS = '''
import pytest

def test_servers_of_its_own(vp_simulator):
    assert vp_simulator.url.startswith("http://") and vp_simulator.ledger() == []

@pytest.mark.vp_simulator("--tls", "--passenger", "manual")
def test_with_arguments(vp_simulator):
    assert vp_simulator.url.startswith("https://")
    with open("seen", "w") as seen:
        seen.write(f"{vp_simulator.pid}")
'''

    def test_in_pytest(self):
        venv = ROOT / "build" / "venv-schema"
        made = subprocess.run(["sh", ROOT / "tools/venv.sh", sys.executable, ROOT / "tests/schema/requirements.txt", venv],
                              capture_output=True, text=True)
        if made.returncode != 0:
            self.skipTest(f"pytest cannot be installed: {made.stderr.strip()[-200:]}")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "conftest.py").write_text('pytest_plugins = ["vp_simulator"]\n')
            (Path(folder) / "test_it.py").write_text(self.TESTS)
            done = subprocess.run([venv / "bin/python", "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"],
                                  cwd=folder, env={**os.environ, "PYTHONPATH": str(PYTHON)},
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, "2 passed")
            self.assertTrue(gone((Path(folder) / "seen").read_text()))

    def test_not_loaded_without_need(self):
        done = subprocess.run([sys.executable, "-c", "import sys, vp_simulator; sys.exit('pytest' in sys.modules)"],
                              env={**os.environ, "PYTHONPATH": str(PYTHON)})
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
