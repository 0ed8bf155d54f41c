#!/usr/bin/env python3
"""One approved ride: starts the simulator with TLS, types at the taximeter, shows what both say.

Exit code 0 only if the simulator's ledger has exactly one payment, captured exactly once and exactly by the fare, with its
receipt, and the taximeter ended well. Standard library only.
"""

import argparse
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))
sys.dont_write_bytecode = True

from vp_simulator import ControlError, Simulator, StartError  # noqa: E402

FARE_TYPED, FARE = "249,00", 24900
# What the taximeter asks, and what the driver answers.
SCRIPT = [("Fare", FARE_TYPED), ("Phone number", "912 34 567"), ("Fare", "q")]
TIME_LIMIT_S = 60


class Failed(Exception):
    """The demo did not show what it is there to show."""


def step(text):
    print(f"\n== {text}", flush=True)


def ride(program, simulator, scratch, deadline):
    """Relays what the taximeter prints as it comes, and answers its questions."""
    taximeter = subprocess.Popen(
        [program, "--url", simulator.url, "--ca-file", simulator.ca_file, "--journal", f"{scratch}/journal"],
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
            taximeter.wait()
        taximeter.stdin.close()
        taximeter.stdout.close()


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
    try:
        step("the simulator of the Vipps MobilePay servers starts, with TLS; its passenger approves after 4 s")
        with Simulator("--tls", "--passenger", "approve-after=4s", program=arguments.simulator) as simulator:
            print(f"{simulator.url} (pid {simulator.pid})")
            step("the taximeter takes one payment; keys are typed by this script")
            exit_code = ride(os.path.join(arguments.build, "taximeter"), simulator, scratch, deadline)
            step("the simulator's ledger")
            payments = simulator.ledger()
        show(payments)
        check(exit_code, payments)
        step("one capture, of exactly the fare, with its receipt")
        return 0
    except (Failed, StartError, ControlError, OSError, subprocess.SubprocessError) as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
