"""The processes of the crash matrix: a simulator for each worker, and a meter for as long as it lives."""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))

import crash_plan  # noqa: E402
from crash_judge import NEEDLESS, OFFICE_END, Judge, read_log, settle_times, where  # noqa: E402
from crash_plan import AGAIN, GOES_ON, LEAVES, SETTLES, TWICE  # noqa: E402
from crash_story import Servers, place_in, read_kind, written_kind  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

# Real time after which something hangs, seconds.
PATIENCE = 60
REQUEST_MS = 300
# Handshakes with a simulator that was built for a quick start take their time.
TLS_REQUEST_MS = 2000
# For requests that the servers carry out late: the limit of a request; how much real time, in milliseconds, half a
# second of moved time takes.
LATE_REQUEST_MS = 150
LATE_DRAG_MS = 3
# The times of the law, on the clocks of the meter and of the servers: a create in doubt is watched until a read that was
# sent ten minutes and a margin of two after its last byte; a capture in doubt has a new key after ten minutes of quiet
# at the earliest; and within a day every key has ended. A restart counts as a try.
IN_DOUBT_MS = 13 * 60_000
KEY_ENDS_MS = 24 * 3_600_000
SETTLE = "settle:180000"
# One call as soon as the meter is back, then three, each after one of these times.
THE_END = [SETTLE, f"wait:{IN_DOUBT_MS}", SETTLE, f"wait:{IN_DOUBT_MS}", SETTLE, "known", f"wait:{KEY_ENDS_MS}", SETTLE,
           "known"]


# Zeros that are not, with what happened; how the ride ended; and whether only the end of the longest time settled it.
Judged = collections.namedtuple("Judged", "found end slow")


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
        # What was done with the present meter, and of whatever was red all that was done.
        self.run = {}
        self.stories = []
        # Where the lines of the present meter begin.
        self.log_from = 0
        self.simulator(False)

    def simulator(self, tls):
        if tls:
            self.secure = self.secure or self.servers("--tls")
            return self.secure
        self.plain = self.plain or self.servers()
        return self.plain

    def servers(self, *arguments):
        return Servers(Simulator(*arguments, "--check-answers", "crash", program=self.options.simulator))

    def close(self):
        if self.meter is not None and self.meter.poll() is None:
            self.meter.kill()
            self.meter.wait()
        for simulator in (self.plain, self.secure):
            if simulator is not None:
                simulator.stop()

    # ---- The meter ----

    def start(self, sim, place, reference, kind, steps, gate=0, late=False, random=None, stop=None):
        if random is None:
            random = zlib.crc32(f"{self.options.seed}/{reference}/{len(sim.acts)}".encode())
        self.run = sim.note("run", reference=reference, kind=written_kind(kind), steps=list(steps), late=late, random=random)
        if gate:
            self.run["gate"] = sim.rules.index(gate)
        if os.path.exists(f"{place}/place"):
            os.unlink(f"{place}/place")
        request_ms = TLS_REQUEST_MS if kind.tls else LATE_REQUEST_MS if late else REQUEST_MS
        command = [self.options.meter, f"url={sim.url}", f"control={sim.control}", f"journal={place}/journal",
                   f"log={place}/log", f"ref={reference}", f"then={kind.then}", f"receipt={kind.receipt}",
                   f"request_ms={request_ms}", f"gate={gate}", f"drag={LATE_DRAG_MS if late else 0}",
                   f"place={place}/place", f"random={random}"]
        if stop:
            command.append(f"stop={stop}")
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

    def await_end(self):
        """Waits for the meter; how it ended."""
        try:
            self.run["ended"] = self.meter.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.meter.kill()
            self.meter.wait()
            raise Broken("the meter hangs") from None
        return self.run["ended"]

    def finish(self, place):
        """It must come to its own end."""
        code = self.await_end()
        if code != 0:
            with open(f"{place}/stderr", encoding="utf-8", errors="replace") as f:
                raise Broken(f"the meter ended with {code}: {f.read()[-300:]}")

    def kill(self):
        """True if the process was alive to be killed."""
        self.meter.send_signal(signal.SIGKILL)
        self.run["ended"] = self.meter.wait()
        return self.run["ended"] == -signal.SIGKILL

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
        """What became of one cell: (how often its fault fired, kills, kills wanted, Judged)."""
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
            self.rest_unless(late, sim)
            settles = cell.fate == SETTLES
            if cell.fate == TWICE:
                fired += sim.fired()[rules[-1]]
                sim.clear_faults()
                rules = sim.faults(*cell.rules_of_restart)
                steps = self.after_kill(place, steps, cell.settles_first)
                self.start(sim, place, reference, kind, steps, gate=rules[0], late=late)
                kills += self.kill_when_fired(sim, rules[0], place)
                self.rest_unless(late, sim)
                settles = not cell.settles_first
                # Only a fault that goes on is the cell's own.
                rules = rules[1:]
            self.start(sim, place, reference, kind, self.after_kill(place, steps, settles), late=late)
            self.finish(place)
        fired += sum(sim.fired()[rule] for rule in rules[-1:])
        self.come_to_rest(sim, place, [reference], kind)
        judged = self.judge(sim, place, [{"reference": reference, "kind": written_kind(kind),
                                          "single": not cell.fault.for_good}], cell.name)
        wanted = {GOES_ON: 0, SETTLES: 1, AGAIN: 1}.get(cell.fate, 2)
        return fired, kills, wanted, judged[reference]

    def rest_unless(self, late, sim):
        """What a killed meter has sent acts before time is moved: a delay is in real milliseconds. Where the servers are
        late on purpose, the next meter lives when they act."""
        if not late:
            sim.quiet()

    def after_kill(self, place, steps, settles):
        """What the restarted meter does: the same call again, or vp_settle and then only what waits for the driver."""
        rest = self.remaining(place, steps)
        if not settles or rest[:1] == ["settle:60000"]:
            return rest
        return ["settle:60000", "decided"] + rest

    def come_to_rest(self, sim, place, references, kind):
        """The faults end, and the passengers' time, and the times of the law; calls of vp_settle by a new process."""
        sim.quiet()
        sim.clear_faults()
        sim.switches({"adjust-aggregate": "updated"})
        sim.advance(700_000)
        known = [f"known:{r}" for r in references]
        self.start(sim, place, references[0], kind, [x for step in THE_END for x in (known if step == "known" else [step])])
        self.finish(place)

    def judge(self, sim, place, rides, name):
        """What became of each ride, by reference; a story of all that was done if something is not as it must be."""
        lines = read_log(f"{place}/log")
        settles = settle_times(lines)
        judged = {}
        for ride in rides:
            reference = ride["reference"]
            own = [line for line in lines if own_line(line, reference)]
            judge = Judge(read_kind(ride["kind"]), own, self.book(sim, place, reference), settles)
            found, end = judge.judge(), judge.end()
            if end == OFFICE_END and ride["single"]:
                found[NEEDLESS] = "it asks for the office"
            judged[reference] = Judged(found, end, judge.slow())
        red = {reference: outcome.found for reference, outcome in judged.items() if outcome.found}
        if red:
            self.stories.append({"name": name, "red": red, "store": self.options.store,
                                 "transport": self.options.transport, "acts": sim.acts, "rides": rides,
                                 "lines": {r: [x for x in lines if own_line(x, r)] for r in red},
                                 "requests": {r: sim.requests(reference=r) for r in red}})
        self.drop(place, red)
        return judged

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
        """The rides of a shift on one journal: (ride, where its kills hit, Judged) of each."""
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
        judged = self.judge(sim, place, [{"reference": ride.reference, "kind": written_kind(ride.kind), "single": False}
                                         for ride in rides], f"shift-{number:05}")
        return [(ride, kills[ride.reference], judged[ride.reference]) for ride in rides], fired

    def random_ride(self, sim, place, ride, taken):
        """Where the kills of this ride hit."""
        name = ride.kind.name
        steps = list(ride.kind.steps)
        hits = []
        for kill in ride.kills:
            before = sim.counted()
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
            sim.quiet()
            changes, moves = place_in(f"{place}/place")
            requests, heads = (now - then for now, then in zip(sim.counted(), before))
            self.run["place"] = {"changes": changes, "moves": moves, "requests": requests, "heads": heads}
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
