#!/usr/bin/env python3
"""One approved ride: starts the simulator with TLS, types at the taximeter, shows what both say.

Exit code 0 only if the simulator's ledger has exactly one payment, captured exactly once and exactly by the fare, with its
receipt, and the taximeter ended well. Standard library only.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

FARE_TYPED, FARE = "249,00", 24900
# What the taximeter asks, and what the driver answers.
SCRIPT = [("Fare", FARE_TYPED), ("Phone number", "912 34 567"), ("Fare", "q")]
TIME_LIMIT_S = 60


class Failed(Exception):
    """The demo did not show what it is there to show."""


def step(text):
    print(f"\n== {text}", flush=True)


def start_simulator(program, scratch):
    """Starts it on a free port; it ends with its stdin, whatever becomes of us."""
    simulator = subprocess.Popen(
        [program, "--tls", "--port", "0", "--exit-with-parent", "--passenger", "approve-after=4s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": scratch},
    )
    ready, _, _ = select.select([simulator.stdout], [], [], 20)
    line = simulator.stdout.readline() if ready else b""
    try:
        return simulator, json.loads(line)
    except ValueError:
        stop(simulator)
        raise Failed(f"the simulator did not start (exit code {simulator.returncode})") from None


def stop(process):
    """Ends a process that this program has started."""
    if process.stdin and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ride(program, simulator, scratch, deadline):
    """Relays what the taximeter prints as it comes, and answers its questions."""
    taximeter = subprocess.Popen(
        [program, "--url", simulator["url"], "--ca-file", simulator["ca_file"], "--journal", f"{scratch}/journal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Somebody's settings for other servers are not meant for this ride.
        env={name: value for name, value in os.environ.items() if not name.startswith("VPMETER_")},
    )
    answers = iter(SCRIPT)
    question, answer = next(answers)
    line = ""
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([taximeter.stdout], [], [], left)[0]:
                raise Failed(f"the taximeter was not done after {TIME_LIMIT_S} s")
            piece = os.read(taximeter.stdout.fileno(), 4096).decode("utf-8", "replace")
            if not piece:
                return taximeter.wait(5)
            sys.stdout.write(piece)
            sys.stdout.flush()
            line = (line + piece).rsplit("\n", 1)[-1]
            if question and line.startswith(question) and line.endswith(": "):
                print(answer, flush=True)
                taximeter.stdin.write(f"{answer}\n".encode())
                taximeter.stdin.flush()
                question, answer = next(answers, (None, None))
                line = ""
    finally:
        if taximeter.poll() is None:
            taximeter.kill()
        stop(taximeter)


def read_ledger(simulator):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(simulator["control"] + "/_sim/ledger", timeout=5) as answer:
        return json.load(answer)["payments"]


def show(payments):
    columns = ["reference", "state", "amount", "authorized", "captured", "captures", "refunded", "receipt"]
    rows = [
        [
            p["reference"],
            p["state"],
            *(f"{p[name] / 100:.2f}" for name in ("amount", "authorized", "captured")),
            str(p["capture_count"]),
            f"{p['refunded'] / 100:.2f}",
            "yes" if p["receipt"] else "no",
        ]
        for p in payments
    ]
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def check(exit_code, payments):
    if exit_code != 0:
        raise Failed(f"the taximeter ended with exit code {exit_code}")
    if len(payments) != 1:
        raise Failed(f"the ledger has {len(payments)} payments instead of one")
    payment = payments[0]
    if payment["capture_count"] != 1 or payment["captured"] != FARE or payment["amount"] != FARE:
        raise Failed(f"captured {payment['capture_count']} times, {payment['captured']} in all, instead of once {FARE}")
    if payment["refunded"] or payment["cancelled"]:
        raise Failed("money went back")
    if not payment["receipt"]:
        raise Failed("the ledger has no receipt")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", required=True, help="where the taximeter is")
    arguments.add_argument("--simulator", required=True, help="the simulator's program")
    arguments = arguments.parse_args()
    deadline = time.monotonic() + TIME_LIMIT_S
    scratch = tempfile.mkdtemp(prefix="vpmeter-demo-")
    simulator = None
    try:
        step("the simulator of the Vipps MobilePay servers starts, with TLS; its passenger approves after 4 s")
        simulator, ready = start_simulator(arguments.simulator, scratch)
        print(f"{ready['url']} (pid {ready['pid']})")
        step("the taximeter takes one payment; keys are typed by this script")
        exit_code = ride(os.path.join(arguments.build, "taximeter"), ready, scratch, deadline)
        step("the simulator's ledger")
        payments = read_ledger(ready)
        show(payments)
        check(exit_code, payments)
        step("one capture, of exactly the fare, with its receipt")
        return 0
    except (Failed, OSError, subprocess.SubprocessError) as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if simulator:
            stop(simulator)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
