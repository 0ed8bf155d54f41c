#!/usr/bin/env python3
"""Kills the library in every moment of a ride that matters, and asks the simulator's books what came of it.

Every request of every kind of ride meets every fault, and the process goes on, or is killed with SIGKILL while the
request is in flight and restarted, or killed twice. Then rides are killed at random moments. What must be zero is
counted without the library's help. `make crash-matrix`; `make test-crash` runs a part of it.
"""
import argparse
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import crash_plan  # noqa: E402
import crash_replay  # noqa: E402
import crash_story  # noqa: E402
import crash_table  # noqa: E402
from crash_bench import Bench, Broken  # noqa: E402
from vp_simulator import ControlError  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Results:
    """What the workers found."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cells = {}
        self.rides = []
        self.random_faults = 0
        self.slow = 0
        self.stories = []
        # zero -> what happened, each as (where, what)
        self.violations = defaultdict(list)
        # What went wrong with the matrix itself.
        self.failures = []

    def cell(self, cell, outcome):
        fired, kills, wanted, judged = outcome
        with self.lock:
            self.cells[cell.number] = (cell, fired, kills, judged.end)
            if fired == 0:
                self.failures.append(f"{cell.name}: the fault never fired")
            elif kills < wanted:
                self.failures.append(f"{cell.name}: {kills} of {wanted} kills found a living process")
            self.note(cell.name, judged)

    def shift(self, outcome, fired):
        with self.lock:
            self.random_faults += fired
            for ride, kills, judged in outcome:
                self.rides.append((ride, kills, judged.end))
                self.note(f"{ride.reference} ({ride.kind.name})", judged)

    def note(self, where, judged):
        self.slow += judged.slow
        for zero, detail in judged.found.items():
            self.violations[zero].append((where, detail))

    def tell(self, options, stories):
        """Writes what was done to what is red."""
        seed = {"seed": options.seed, "command": crash_table.command(options)}
        with self.lock:
            self.stories += [crash_story.write(options.stories, s["name"], {**seed, **s}) for s in stories]

    def fail(self, where, error):
        with self.lock:
            self.failures.append(f"{where}: {error}")


def work(options, folder, jobs, results, barrier):
    bench = Bench(options, folder)
    job = None
    try:
        # All at once, so that the machine is as busy as it is going to be.
        barrier.wait()
        taken = bench.measure()
        while True:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                return
            try:
                if isinstance(job, crash_plan.Cell):
                    results.cell(job, bench.cell(job))
                else:
                    results.shift(*bench.shift(job, crash_plan.shift(options.seed, job), taken))
            except (Broken, ControlError, TimeoutError) as error:
                results.fail(job.name if isinstance(job, crash_plan.Cell) else f"shift {job}", error)
    except Exception as error:  # pylint: disable=broad-except
        # Whatever it is, the matrix has not been run: it must not look as if it had.
        results.fail(f"a worker, at {job}", f"{type(error).__name__}: {error}")
    finally:
        results.tell(options, bench.stories)
        bench.close()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--thin", action="store_true", help="each request meets each fault twice; fewer random rides")
    parser.add_argument("--seed", default="1", help="of the random rides (1)")
    parser.add_argument("--random", type=int, help="how many random rides (2600; thinned 150)")
    parser.add_argument("--shift", type=int, metavar="N", help="only the random rides whose name begins with shift-N")
    parser.add_argument("--workers", type=int, default=3, help="each has a simulator of its own (3)")
    parser.add_argument("--only", metavar="PATTERN", help="only cells whose name has this in it, and no random rides")
    parser.add_argument("--store", choices=["c"], help="the journal in a block of memory, through the store hooks")
    parser.add_argument("--transport", choices=["c"], help="through the transport hook: sockets of the meter, no TLS")
    parser.add_argument("--keep", action="store_true", help="keep journals and logs, and say where they are")
    parser.add_argument("--list", action="store_true", help="name the cells and end")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="where crash_meter is")
    parser.add_argument("--lib", help="where libvpmeter.so is (as --build)")
    parser.add_argument("--simulator", default=os.path.join(ROOT, "simulator", "target", "debug", "vp-simulator"))
    parser.add_argument("--stories", metavar="DIR", default=os.path.join(ROOT, "target", "crash-stories"),
                        help="where what was done to each red ride is written (target/crash-stories)")
    parser.add_argument("--replay", metavar="FILE", help="do again what such a file tells, each kill at its place, and judge "
                        "it again; ends with 1 if it is red, with 2 if it went another way, with 0 if nothing is amiss")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="replay it so often (1)")
    parser.add_argument("--doc", metavar="PATH", help="write the table there")
    options = parser.parse_args()
    if options.random is None:
        options.random = 0 if options.only else 150 if options.thin else 2600
    return options


def copy_programs(options, folder):
    """A build in the same tree must not change them under a running process."""
    library = os.path.join(options.lib or options.build, "libvpmeter.so")
    options.lib = folder
    shutil.copy(library, os.path.join(folder, os.path.basename(library) + ".0"))
    options.meter = shutil.copy(os.path.join(options.build, "crash_meter"), folder)
    options.simulator = shutil.copy(options.simulator, folder)


def interrupt(number, frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    options = arguments()
    cells = [c for c in crash_plan.cells(options.thin) if not options.only or options.only in c.name]
    if options.shift is not None:
        cells = []
    if options.transport:
        cells = [c for c in cells if not c.kind.tls]
    if options.list:
        print("\n".join(c.name for c in cells))
        return 0
    folder = tempfile.mkdtemp(prefix="vpmeter-crash-")
    try:
        copy_programs(options, folder)
        if options.replay:
            return crash_replay.replay(options, folder)
        return run(options, cells, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(options, cells, folder):
    started = time.monotonic()
    shifts = list(range(-(-options.random // crash_plan.RIDES_IN_A_SHIFT)))
    if options.shift is not None:
        shifts = [options.shift]
    rides = len(shifts) * crash_plan.RIDES_IN_A_SHIFT
    print(f"crash matrix: {len(cells)} cells, {rides} random rides, seed {options.seed}, {options.workers} workers",
          flush=True)
    jobs = queue.Queue()
    for job in cells + shifts:
        jobs.put(job)
    results = Results()
    barrier = threading.Barrier(options.workers)
    threads = [threading.Thread(target=work, args=(options, f"{folder}/{number}", jobs, results, barrier))
               for number in range(options.workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        # The workers end after the job that they have in hand, and stop what they started.
        while not jobs.empty():
            jobs.get_nowait()
        results.fail("the matrix", "was interrupted")
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - started
    if not jobs.empty():
        results.fail("the matrix", f"{jobs.qsize()} jobs were not done")
    crash_table.say(results, options, seconds)
    if options.keep:
        print(f"journals and logs: {folder}")
    if options.doc:
        crash_table.write(options.doc, results, options, seconds)
    return 1 if results.failures or any(results.violations.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
