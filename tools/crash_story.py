"""What was done to the rides of one journal, written down so that it can be done again in the same way."""
import json
import os
import struct
import time
from dataclasses import asdict

from crash_plan import Kind

# Rules that never fire: how many requests have come whole, and how many heads. A rule with "refuse" sees the head alone.
COUNTERS = [{"operation": "*", "nth": 10**9, "action": "stall_before"}, {"operation": "*", "nth": 10**9, "action": "refuse"}]


class Servers:
    """A simulator that is steered, and notes how: `acts` is the story since the last reset."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.url, self.control, self.ca_file = simulator.url, simulator.control, simulator.ca_file
        self.fired, self.ledger, self.requests = simulator.fired, simulator.ledger, simulator.requests
        self.stop = simulator.stop
        self.acts = []
        self.began = 0.0
        # Of the rules that count, and of the rules that were set last.
        self.counters, self.rules = [], []

    def note(self, act, **more):
        done = {"do": act, "at_ms": round((time.monotonic() - self.began) * 1000), **more}
        self.acts.append(done)
        return done

    def reset(self):
        self.acts, self.began = [], time.monotonic()
        self.note("reset")
        self.simulator.reset()
        self.counters = self.simulator.faults(*COUNTERS)

    def passenger(self, rule, reference=None):
        self.note("passenger", rule=rule, reference=reference)
        self.simulator.passenger(rule, reference=reference)

    def switches(self, values):
        self.note("switches", values=values)
        self.simulator.switches(values)

    def faults(self, *rules):
        self.note("faults", rules=list(rules))
        self.rules = self.simulator.faults(*rules)
        return self.rules

    def clear_faults(self):
        self.note("clear_faults")
        self.simulator.clear_faults()
        self.counters = self.simulator.faults(*COUNTERS)

    def advance(self, ms):
        self.note("advance", ms=ms)
        self.simulator.advance(ms)

    def quiet(self):
        """Nothing of a killed meter is under way any more: what it sent last has acted, or never will."""
        self.note("quiet")
        self.simulator.wait_until_quiet()

    def counted(self):
        """Requests and heads since the last change of rules."""
        seen = {rule["id"]: rule["seen"] for rule in self.simulator.ask("GET", "faults")}
        return [seen[rule] for rule in self.counters]

    def close_the_door(self, heads):
        """After so many heads each request is refused; the rule."""
        return self.simulator.faults({"operation": "*", "nth": heads + 1, "times": 0, "action": "refuse"})[0]

    def open_the_door(self, rule):
        self.simulator.ask("DELETE", f"faults/{rule}")


def place_in(path):
    """(changes, moves of time since) of a meter that has been killed."""
    if not os.path.exists(path) or os.path.getsize(path) < 16:
        return 0, 0
    with open(path, "rb") as f:
        return struct.unpack("=QQ", f.read(16))


def written_kind(kind):
    return {name: asdict(kind)[name] for name in ("name", "title", "then", "receipt", "tls")}


def read_kind(written):
    return Kind(steps=(), requests=(), **written)


def write(folder, name, story):
    """The path of the file."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name.replace("/", "-").replace(" ", "-").replace(",", "") + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(story, f, indent=1)
        f.write("\n")
    return path


def read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


# Of a line of the meter: what was said, without the time.
TOLD = ["kind", "call", "ref", "code", "state", "verdict", "next", "owed", "closed", "captured", "refunded"]


def first_difference(one, other):
    """Where two logs begin to say another thing: (number, line, line), or None."""
    brief = [[{name: line[name] for name in TOLD if name in line} for line in lines] for lines in (one, other)]
    for number in range(max(map(len, brief))):
        pair = [lines[number] if number < len(lines) else None for lines in brief]
        if pair[0] != pair[1]:
            return number + 1, *pair
    return None
