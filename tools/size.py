#!/usr/bin/env python3
"""What the library costs: stripped sizes, and the memory of examples-c/minimal.c after its ride over TLS.

Prints a table and says whether the goals are met; a goal that is missed is no error. Standard library and binutils only.
"""

import argparse
import glob
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))
sys.dont_write_bytecode = True

from vp_simulator import Simulator  # noqa: E402

LIBRARY_GOAL = 1_900_000  # bytes, stripped, with TLS
MEMORY_GOAL = 6 * 1024  # KiB, resident
TIME_LIMIT_S = 30


def stripped_size(path, scratch):
    copy = os.path.join(scratch, "stripped")
    subprocess.run(["strip", "--strip-all", "-o", copy, path], check=True)
    return os.path.getsize(copy)


def link_static(build):
    """The program of the README's second line: everything but the system's libraries inside."""
    program = os.path.join(build, "minimal-static")
    with open(os.path.join(build, "vpmeter.pc"), encoding="utf-8") as package:
        private = next(line for line in package if line.startswith("Libs.private:"))
    compiler = shlex.split(os.environ.get("CC", "cc"))
    archive = os.path.join(build, "libvpmeter.a")
    source = ["-std=c99", "-O2", f"-I{build}/include", "examples-c/minimal.c"]
    libraries = private.split(":", 1)[1].split()
    subprocess.run([*compiler, *source, archive, *libraries, "-o", program], check=True)
    return program


def captured(simulator, reference):
    payment = simulator.ledger(reference)
    return payment is not None and payment["captured"] > 0


def memory(pid):
    """Resident memory of a process in KiB. `status` may be some pages late, `smaps_rollup` counts them."""
    figures = {}
    for name in ("status", "smaps_rollup"):
        with open(f"/proc/{pid}/{name}", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if len(words) == 3 and words[2] == "kB":
                    figures[words[0].rstrip(":")] = int(words[1])
    figures["highest"] = max(figures["VmHWM"], figures["Rss"])
    return figures


def ride(program, reference, simulator, scratch):
    """Runs a ride. Its output is a pipe that is full already, so that it stands still at its end and can be looked at."""
    environment = {
        "VPMETER_URL": simulator.url,
        "VPMETER_CA_FILE": simulator.ca_file,
        "VPMETER_CLIENT_ID": "sim-client-id",
        "VPMETER_CLIENT_SECRET": "sim-client-secret",
        "VPMETER_SUBSCRIPTION_KEY": "sim-subscription-key",
        "VPMETER_MSN": "123456",
        "VPMETER_JOURNAL_DIR": os.path.join(scratch, reference),
    }
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"\n" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    process = subprocess.Popen([program, "24900", "91234567", reference], env=environment, stdout=writing)
    os.close(writing)
    try:
        deadline = time.monotonic() + TIME_LIMIT_S
        while process.poll() is None and time.monotonic() < deadline and not captured(simulator, reference):
            time.sleep(0.1)
        time.sleep(0.5)  # the proof, the tombstone, the close
        figures = memory(process.pid) if process.poll() is None else None
        with os.fdopen(reading, "rb") as output:
            said = output.read().decode("utf-8", "replace").strip()
        if process.wait(5) != 0 or figures is None:
            raise RuntimeError(f"{program}: no paid ride: {said}")
        return figures
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def table(rows):
    width = max(len(name) for name, _, _ in rows)
    for name, figure, goal in rows:
        print(f"  {name.ljust(width)}  {figure:>12}  {goal}".rstrip())


def against(figure, goal, unit):
    return f"goal: under {goal:,} {unit}: {'met' if figure < goal else 'MISSED'}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", required=True, help="where the libraries and minimal are")
    arguments.add_argument("--small", help="where the library without TLS is")
    arguments.add_argument("--simulator", required=True, help="the simulator's program")
    arguments = arguments.parse_args()
    build = arguments.build
    scratch = tempfile.mkdtemp(prefix="vpmeter-size-")
    try:
        shared = next(p for p in sorted(glob.glob(f"{build}/libvpmeter.so.*")) if not os.path.islink(p))
        static = link_static(build)
        library, linked = stripped_size(shared, scratch), stripped_size(static, scratch)
        small = stripped_size(os.path.join(arguments.small, "libvpmeter.so"), scratch) if arguments.small else 0
        with Simulator("--tls", "--passenger", "approve", program=arguments.simulator) as simulator:
            with_shared = ride(os.path.join(build, "minimal"), "size-shared-0001", simulator, scratch)
            with_static = ride(static, "size-static-0001", simulator, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

    print("stripped sizes, bytes")
    table(
        [
            (os.path.basename(shared), f"{library:,}", against(library, LIBRARY_GOAL, "bytes")),
            ("minimal.c linked with libvpmeter.a", f"{linked:,}", ""),
        ]
        + ([("the library without TLS (make lib-small)", f"{small:,}", "")] if small else [])
    )
    print("memory of minimal.c after its ride over TLS, KiB")
    rows = []
    for how, figures in (("shared", with_shared), ("static", with_static)):
        rows.append((f"{how}: highest (VmHWM)", f"{figures['highest']:,}", against(figures["highest"], MEMORY_GOAL, "KiB")))
        rows.append((f"{how}: at the end (Rss)", f"{figures['Rss']:,}", ""))
        rows.append((f"{how}: of that its own (Anonymous)", f"{figures['Anonymous']:,}", ""))
    table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
