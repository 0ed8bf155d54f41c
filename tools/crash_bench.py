"""The processes of the crash matrix: a simulator for each worker, and a meter for as long as it lives."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))

import crash_plan  # noqa: E402
from crash_judge import NEEDLESS, OFFICE_END, Judge, read_log, settle_times, where  # noqa: E402
from crash_plan import AGAIN, GOES_ON, LEAVES, SETTLES, TWICE  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

# Real time after which something hangs, seconds.
PATIENCE = 60
REQUEST_MS = 300
# Handshakes with a simulator that was built for a quick start take their time.
TLS_REQUEST_MS = 2000
# For requests that the servers carry out late: the limit of a request; how much real time, in milliseconds, half a
# second of moved time takes; and when even the latest is done, seconds.
LATE_REQUEST_MS = 150
LATE_DRAG_MS = 3
ALL_DONE_S = 0.25
THE_END = ["settle:180000"] * 3


class Broken(Exception):
    """The bench itself, or the meter program, did something unexpected."""


class Bench:
    """One worker: one simulator, one ride at a time."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        os.mkdir(folder)
        self.plain = None
        self.secure = None
        self.meter = None
        # Where the lines of the present meter begin.
        self.log_from = 0
        self.simulator(False)

    def simulator(self, tls):
        if tls:
            self.secure = self.secure or Simulator("--tls", "--check-answers", "crash", program=self.options.simulator)
            return self.secure
        self.plain = self.plain or Simulator("--check-answers", "crash", program=self.options.simulator)
        return self.plain

    def close(self):
        if self.meter is not None and self.meter.poll() is None:
            self.meter.kill()
            self.meter.wait()
        for simulator in (self.plain, self.secure):
            if simulator is not None:
                simulator.stop()

    # ---- The meter ----

    def start(self, sim, place, reference, kind, steps, gate=0, late=False):
        request_ms = TLS_REQUEST_MS if kind.tls else LATE_REQUEST_MS if late else REQUEST_MS
        command = [self.options.meter, f"url={sim.url}", f"control={sim.control}", f"journal={place}/journal",
                   f"log={place}/log", f"ref={reference}", f"then={kind.then}", f"receipt={kind.receipt}",
                   f"request_ms={request_ms}", f"gate={gate}", f"drag={LATE_DRAG_MS if late else 0}"]
        if sim.ca_file:
            command.append(f"ca={sim.ca_file}")
        if self.options.store:
            command.append(f"store={self.options.store}")
        if self.options.transport:
            command.append(f"transport={self.options.transport}")
        env = {"LD_LIBRARY_PATH": self.options.lib}
        self.log_from = os.path.getsize(f"{place}/log") if os.path.exists(f"{place}/log") else 0
        with open(f"{place}/stderr", "ab") as errors:
            self.meter = subprocess.Popen(command + ["--"] + steps, env=env, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=errors)

    def finish(self, place):
        """Waits for the meter; it must come to its own end."""
        try:
            code = self.meter.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.meter.kill()
            self.meter.wait()
            raise Broken("the meter hangs") from None
        if code != 0:
            with open(f"{place}/stderr", encoding="utf-8", errors="replace") as f:
                raise Broken(f"the meter ended with {code}: {f.read()[-300:]}")

    def kill(self):
        """True if the process was alive to be killed."""
        self.meter.send_signal(signal.SIGKILL)
        return self.meter.wait() == -signal.SIGKILL

    def kill_when_fired(self, sim, rule, place):
        """SIGKILL when the simulator says that the rule has fired; False if the meter ended before."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            over = self.meter.poll() is not None
            if sim.fired()[rule] > 0:
                # The meter stands still by now, or is in the middle of the request.
                return self.kill()
            if over:
                self.finish(place)
                return False
            time.sleep(0.001)
        raise Broken("the meter hangs")

    def remaining(self, place, steps):
        """The steps that are left after a kill: from the call that was interrupted."""
        begun = [line["step"] for line in read_log(f"{place}/log", self.log_from) if line["kind"] == "begin"]
        return steps[begun[-1] if begun else 0:]

    # ---- One cell ----

    def cell(self, cell):
        """What became of one cell: (how often its fault fired, kills, kills wanted, zeros that are not, the end)."""
        kind = cell.kind
        sim = self.simulator(kind.tls)
        reference = f"cell-{cell.number:05}"
        place = self.place(reference)
        sim.reset()
        sim.passenger(kind.passenger)
        if kind.switches:
            sim.switches(kind.switches)
        rules = sim.faults(*kind.prelude, cell.rule)
        steps = list(kind.steps)
        late = cell.fault.late
        fired = kills = 0
        if cell.fate == GOES_ON:
            self.start(sim, place, reference, kind, steps, late=late)
            self.finish(place)
        else:
            self.start(sim, place, reference, kind, steps, gate=rules[-1], late=late)
            kills += self.kill_when_fired(sim, rules[-1], place)
            settles = cell.fate == SETTLES
            if cell.fate == TWICE:
                fired += sim.fired()[rules[-1]]
                sim.clear_faults()
                rules = sim.faults(*cell.rules_of_restart)
                steps = self.after_kill(place, steps, cell.settles_first)
                self.start(sim, place, reference, kind, steps, gate=rules[0], late=late)
                kills += self.kill_when_fired(sim, rules[0], place)
                settles = not cell.settles_first
                # Only a fault that goes on is the cell's own.
                rules = rules[1:]
            self.start(sim, place, reference, kind, self.after_kill(place, steps, settles), late=late)
            self.finish(place)
        fired += sum(sim.fired()[rule] for rule in rules[-1:])
        if late:
            time.sleep(ALL_DONE_S)
        self.come_to_rest(sim, place, [reference], kind)
        lines = read_log(f"{place}/log")
        judge = Judge(kind, lines, self.book(sim, place, reference), settle_times(lines))
        found, end = judge.judge(), judge.end()
        if end == OFFICE_END and not cell.fault.for_good:
            found[NEEDLESS] = "it asks for the office"
        self.drop(place, found)
        wanted = {GOES_ON: 0, SETTLES: 1, AGAIN: 1}.get(cell.fate, 2)
        return fired, kills, wanted, found, end

    def after_kill(self, place, steps, settles):
        """What the restarted meter does: the same call again, or vp_settle and then only what waits for the driver."""
        rest = self.remaining(place, steps)
        if not settles or rest[:1] == ["settle:60000"]:
            return rest
        return ["settle:60000", "decided"] + rest

    def come_to_rest(self, sim, place, references, kind):
        """The faults end, and the passengers' time; three calls of vp_settle by a new process."""
        sim.clear_faults()
        sim.switches({"adjust-aggregate": "updated"})
        sim.advance(700_000)
        self.start(sim, place, references[0], kind, THE_END + [f"known:{r}" for r in references])
        self.finish(place)

    def place(self, name):
        place = os.path.join(self.folder, name)
        os.mkdir(place)
        return place

    def book(self, sim, place, reference):
        """The simulator's page of a payment, kept beside the log."""
        book = sim.ledger(reference)
        if self.options.keep:
            with open(f"{place}/{reference}.json", "w", encoding="utf-8") as f:
                json.dump(book, f, indent=1)
        return book

    def drop(self, place, found):
        if not found and not self.options.keep:
            shutil.rmtree(place)

    # ---- Random kills ----

    def measure(self):
        """How long each kind takes, in real seconds."""
        taken = {}
        sim = self.simulator(False)
        for kind in crash_plan.KINDS:
            if kind.tls:
                continue
            place = self.place(f"measure-{kind.name}")
            sim.reset()
            sim.passenger(kind.passenger)
            sim.faults({"operation": "*", "times": 0, "action": "delay_after", "ms": 3})
            start = time.monotonic()
            self.start(sim, place, f"measure-{kind.name}", kind, list(kind.steps))
            self.finish(place)
            taken[kind.name] = time.monotonic() - start
            shutil.rmtree(place)
        return taken

    def shift(self, number, plan, taken):
        """The rides of a shift on one journal: (ride, where its kills hit, zeros that are not, the end) of each."""
        switches, rides = plan
        sim = self.simulator(False)
        place = self.place(f"shift-{number:05}")
        sim.reset()
        kills = {}
        fired = 0
        for ride in rides:
            sim.clear_faults()
            sim.switches({**switches, **ride.kind.switches})
            sim.passenger(ride.passenger, reference=ride.reference)
            rules = sim.faults(*ride.faults, ride.pace)
            kills[ride.reference] = self.random_ride(sim, place, ride, taken)
            count = sim.fired()
            fired += sum(count[rule] for rule in rules[:-1])
        self.come_to_rest(sim, place, [ride.reference for ride in rides], rides[0].kind)
        lines = read_log(f"{place}/log")
        settles = settle_times(lines)
        out = []
        for ride in rides:
            own = [line for line in lines if own_line(line, ride.reference)]
            judge = Judge(ride.kind, own, self.book(sim, place, ride.reference), settles)
            out.append((ride, kills[ride.reference], judge.judge(), judge.end()))
        self.drop(place, any(found for _, _, found, _ in out))
        return out, fired

    def random_ride(self, sim, place, ride, taken):
        """Where the kills of this ride hit."""
        name = ride.kind.name
        steps = list(ride.kind.steps)
        hits = []
        for kill in ride.kills:
            self.start(sim, place, ride.reference, ride.kind, steps)
            try:
                self.meter.wait(kill.at * taken[name])
            except subprocess.TimeoutExpired:
                pass
            # The busier the machine, the longer a ride takes: five kills in six shall find a living process.
            if not self.kill():
                taken[name] *= 0.9
                self.finish(place)
                return hits
            taken[name] *= 1.02
            hits.append(where([x for x in read_log(f"{place}/log") if own_line(x, ride.reference)]))
            if kill.then == LEAVES:
                return hits
            steps = self.after_kill(place, steps, kill.then == SETTLES)
        self.start(sim, place, ride.reference, ride.kind, steps)
        self.finish(place)
        return hits


def own_line(line, reference):
    """A line of this payment, or of a vp_settle, which is everybody's."""
    return line["ref"] == reference or line["call"] == "settle" and line["kind"] in ("begin", "result")
