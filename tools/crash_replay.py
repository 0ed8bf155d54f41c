"""Does again what a story tells, whatever else the machine does."""
import os
import signal

from crash_bench import Bench, Broken
from crash_judge import read_log
from crash_story import first_difference, place_in, read, read_kind


def replay(options, folder):
    """The exit code: 1 if anything is red, 2 if a ride went another way than in the story, else 0."""
    story = read(options.replay)
    options.store, options.transport = story["store"], story["transport"]
    bench = Bench(options, os.path.join(folder, "replay"))
    codes = []
    try:
        for number in range(options.times):
            codes.append(Player(bench, story, number).play())
    finally:
        bench.close()
    red, other = codes.count(1), codes.count(2)
    print(f"replayed {len(codes)} times: {red} red, {other} went another way, {codes.count(0)} with nothing amiss")
    return 1 if red else 2 if other else 0


class Player:
    """One replay of a story."""

    def __init__(self, bench, story, number):
        self.bench, self.story = bench, story
        self.place = bench.place(f"story-{number}")
        secure = any(act["do"] == "run" and act["kind"]["tls"] for act in story["acts"])
        self.sim = bench.simulator(secure)
        self.deviations = []

    def play(self):
        for number, act in enumerate(self.story["acts"]):
            more = {name: value for name, value in act.items() if name not in ("do", "at_ms")}
            if act["do"] == "run":
                self.run(number, **more)
            elif act["do"] == "faults":
                self.sim.faults(*more["rules"])
            else:
                getattr(self.sim, act["do"])(**more)
        lines = read_log(f"{self.place}/log")
        judged = self.bench.judge(self.sim, self.place, self.story["rides"], self.story["name"])
        return self.say(lines, judged)

    def run(self, number, reference, kind, steps, late, random, ended, gate=None, place=None):
        """A meter, and its kill at the same place."""
        bench, sim = self.bench, self.sim
        args = (sim, self.place, reference, read_kind(kind), steps)
        try:
            if ended != -signal.SIGKILL:
                bench.start(*args, late=late, random=random)
                bench.finish(self.place)
            elif gate is not None:
                bench.start(*args, late=late, random=random, gate=sim.rules[gate])
                if not bench.kill_when_fired(sim, sim.rules[gate], self.place):
                    self.deviations.append(f"act {number}: the meter of {reference} ended before the rule fired")
            else:
                self.stopped(number, reference, args, place, random)
        except Broken as error:
            self.deviations.append(f"act {number}: {error}")

    def stopped(self, number, reference, args, place, random):
        requests, heads = self.sim.counted()
        door = self.sim.close_the_door(place["heads"])
        stop = f"{place['changes']}:{place['moves']}:{self.sim.counters[0]}:{requests + place['requests']}"
        self.bench.start(*args, random=random, stop=stop)
        code = self.bench.await_end()
        self.sim.open_the_door(door)
        # One that ends by itself after as many changes would have made no other.
        changes, _ = place_in(f"{self.place}/place")
        if code != -signal.SIGKILL and (code, changes) != (0, place["changes"]):
            self.deviations.append(f"act {number}: the meter of {reference} was not killed where it was: it ended with {code}")

    def say(self, lines, judged):
        red = False
        for reference, outcome in judged.items():
            for zero, detail in outcome.found.items():
                red = True
                print(f"red      {reference}: {zero}: {detail}")
        for reference, before in self.story["red"].items():
            for zero, detail in before.items():
                if zero not in judged[reference].found:
                    print(f"mended   {reference}: {zero}: {detail}")
        for text in self.deviations:
            print(f"another  {text}")
        for reference, before in self.story["lines"].items():
            difference = first_difference(*([x for x in log if x["ref"] == reference] for log in (before, lines)))
            if difference:
                print(f"lines    {reference}: line {difference[0]} was {difference[1]}, is {difference[2]}")
            else:
                print(f"lines    {reference}: all as they were")
        return 1 if red else 2 if self.deviations else 0
