"""The summary and the table of the crash matrix."""
from collections import Counter, defaultdict

from crash_judge import ENDS, PLACES, ZEROS
from crash_plan import FATES, FAULTS, KIND, WEIGHTS

LETTER = {"paid": "p", "refunded": "b", "other": "o", "release": "r", "office": "d", "held": "h"}
MEANING = {
    "paid": "captured, and reported paid",
    "refunded": "captured, and all of it refunded",
    "other": "no money is reserved and none was taken: another payment",
    "release": "approved, and the whole released",
    "office": "reported as waiting for a decision of the office",
    "held": "approved, reported as waiting for the driver",
}
ABOUT = """\
Made by `make crash-matrix`; do not edit. The real library runs in a process of its own, with its journal on
a real disk, against the simulator. Each request of each kind of ride meets each fault, in four ways: the
process goes on; it is killed with SIGKILL while the request is in flight, and the restarted program calls
`vp_settle`; the same, and it makes the same call again; it is killed, restarted, and killed again in the
middle of its next request. Then rides are killed at random moments, ten on a journal. What must be zero is
counted from the simulator's books and from what the program was told before it died, without the library's
help.

Between a kill and the next step nothing that the dead process has sent may still be on its way, or a moved clock
makes it act later than it did: the simulator is asked until nothing is under way. Only where a fault makes the
servers act late on purpose does the next process live when they act.

At the end the faults end and the passengers' time is over. A new process calls `vp_settle`, and then three times
more, each after the clocks of the meter and of the servers were moved past a time of the rules: twice thirteen
minutes, in which a create in doubt is watched and a capture in doubt keeps its key, and a day, in which every key
has ended. A ride is judged after that, and a ride that only the day has settled is counted.

SIGKILL leaves what the kernel has: this is no proof of the syncs. Those have tests of their own.

## A red ride, done again

Of whatever is red all that was done to its journal is written to `target/crash-stories/` (`--stories DIR`), and the
command that does it again is printed: `tools/crash_matrix.py --replay FILE`. The file is JSON: seed and command; the
zeros that are not; each act in order, with its real time (fault rules, switches, passengers, moved clocks, each
process with its steps and how it ended, and where it was killed); the lines that the process was told; the requests
that the servers got. A kill at a random moment is placed by what the process had done, not by a clock: after so many
changes of files (writes, syncs, renames) and so many requests, before the next of either. What is random in the
library follows from a number in the file. So it dies at the same place however busy the machine is. `--times N`
repeats it; where milliseconds decide, such as an approval just when the meter asks, one of them may go another way,
and so may a library that has been mended: that is said. The exit code is 1 for red, 2 for another way without red, 0
for nothing amiss. `--lib DIR` takes another library.
"""
# Longest list of violations that is printed.
SHOWN = 20


def command(options):
    words = ["tools/crash_matrix.py"] + (["--thin"] if options.thin else [])
    words += [f"--only '{options.only}'"] if options.only else []
    words += [f"--shift {options.shift}"] if options.shift is not None else []
    return " ".join(words + [f"--seed {options.seed}", f"--random {options.random}", f"--workers {options.workers}"])


def totals(results):
    cells = results.cells.values()
    return [
        ("cells", len(cells)),
        ("faults fired in the cells", sum(fired for _, fired, _, _ in cells)),
        ("SIGKILLs in the cells", sum(kills for _, _, kills, _ in cells)),
        ("rides with kills at random times", len(results.rides)),
        ("of them hit before their end", sum(bool(hits) for _, hits, _ in results.rides)),
        ("SIGKILLs in those", sum(len(hits) for _, hits, _ in results.rides)),
        ("faults fired in those", results.random_faults),
        ("rides in all", len(cells) + len(results.rides)),
        ("settled by the last call alone, a day later", results.slow),
    ]


def by_end(ends):
    count = Counter(ends)
    return ", ".join(f"{count[end]} {end}" for end in ENDS if count[end]) or "none"


def say(results, options, seconds):
    for name, number in totals(results):
        print(f"{number:8} {name}")
    print("cells ended:", by_end(end for _, _, _, end in results.cells.values()))
    print("random rides ended:", by_end(end for _, _, end in results.rides))
    for name in ZEROS:
        found = results.violations.get(name, [])
        print(f"{len(found):8} {name}")
        for where, what in found[:SHOWN]:
            print(f"           {where}: {what}")
        if len(found) > SHOWN:
            print(f"           and {len(found) - SHOWN} more")
    for failure in results.failures[:SHOWN]:
        print(f"FAILED   {failure}")
    if len(results.failures) > SHOWN:
        print(f"FAILED   and {len(results.failures) - SHOWN} more")
    for path in results.stories:
        print(f"replay   tools/crash_matrix.py --replay {path}")
    good = not results.failures and not any(results.violations.values())
    print(f"{'passed' if good else 'FAILED'}, {seconds:.0f} s: {command(options)}")


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows]


def matrix(results):
    grid = defaultdict(dict)
    for number in sorted(results.cells):
        cell, fired, _, end = results.cells[number]
        grid[cell.row].setdefault(cell.fault.name, []).append((FATES.index(cell.fate), fired, end))
    rows = []
    for (request, kind), columns in grid.items():
        row = [request, kind]
        for fault in FAULTS:
            fates = sorted(columns.get(fault.name, []))
            row.append(f"{''.join(LETTER[end] for _, _, end in fates)} {sum(fired for _, fired, _ in fates)}")
        rows.append(row)
    return table(["request", "ride"] + [fault.name for fault in FAULTS], rows)


def random_rides(results):
    ends, kills, rides = defaultdict(list), Counter(), Counter()
    for ride, hits, end in results.rides:
        name = ride.kind.name
        ends[name].append(end)
        kills[name] += len(hits)
        rides[name] += 1
    rows = [[KIND[name].title, str(rides[name]), str(kills[name]), by_end(ends[name])] for name in WEIGHTS]
    return table(["ride", "rides", "SIGKILLs", "ended"], rows)


def places(results):
    count = Counter(place for _, hits, _ in results.rides for place in hits)
    return table(["how far the ride was", "SIGKILLs"], [[place, str(count[place])] for place in PLACES])


def write(path, results, options, seconds):
    lines = [
        "# The crash matrix",
        "",
        *ABOUT.splitlines(),
        "",
        "## What must be zero",
        "",
    ]
    lines += table(["", "number"], [[name, str(len(results.violations.get(name, [])))] for name in ZEROS])
    lines += ["", "## Totals", ""]
    lines += table(["", "number"], [[name, str(number)] for name, number in totals(results)])
    lines += ["", f"Cells whose fault never fired, or whose kill found no process: {len(results.failures)}.", "",
              f"`{command(options)}`, {seconds:.0f} seconds.", "", "## The cells", "",
              "In each: one letter for each of the four ways (" + "; ".join(FATES) + "), and how",
              "often the fault fired in them. The letters say how the ride ended, by the books:", ""]
    lines += table(["", "", ""], [[LETTER[end], end, MEANING[end]] for end in ENDS])
    lines += ["", "*For good* is until the faults end. *Later* is a `Retry-After` of 20 seconds. *Act late* is after",
              "the client has given up the request, or is dead. A number after a request means the second one of its",
              "kind in the ride.", ""]
    lines += matrix(results)
    lines += ["", "## Rides killed at random", "",
              "Half of them have a fault waiting besides. Some are left as they are after a kill, and the next ride",
              "begins. What the servers' documents leave open is another thing on each journal.", ""]
    lines += random_rides(results)
    lines += [""] + places(results)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
