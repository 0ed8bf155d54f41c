#!/usr/bin/env python3
"""What events are worth to a car that nobody can call, in three parts: how soon a meter knows of an approval, by event and by
polling alone, and what its ride costs; a thousand meters at once on one broker and one relay; and, calculated, what ten and a
hundred thousand cars ask of the servers. The figures are this machine's. Standard library, Mosquitto and openssl."""

import argparse
import heapq
import os
import queue
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "relay"), str(ROOT / "python")]
sys.dont_write_bytecode = True

import vpmeter  # noqa: E402
from fleet import Authority, Broker, Meter, Relay, free_port, register, until  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

BUILD = Path(os.environ.get("VPMETER_LIB_DIR") or sys.exit("VPMETER_LIB_DIR is not set: run `make bench-webhook`"))
TOGETHER = 20  # rides at a time in the first part, half of them by each way


def of(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def in_ms(values):
    return f"median {of(values, 0.5) * 1000:.0f} ms, 99th percentile {of(values, 0.99) * 1000:.0f} ms, most {max(values) * 1000:.0f} ms"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


class Servers:
    """The simulator, the broker and the relay."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.authority = Authority(scratch / "ca")
        self.broker = Broker(scratch / "broker", self.authority)
        self.simulator = Simulator("--passenger", "manual")
        port = free_port()
        self.relay = Relay(BUILD, self.broker, register(self.simulator, port), port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.relay.stop()
        self.simulator.stop()
        self.broker.stop()


# ---- One ride ----


def one_ride(servers, number, by_event, wait_s):
    """Seconds from approval to knowing, and the ledger's entry."""
    reference = f"taxi{number}-{'event' if by_event else 'polls'}-{number:06d}"
    meter = Meter(BUILD, servers.simulator, servers.scratch / "meters", f"taxi{number}", reference,
                  servers.broker if by_event else None)
    try:
        meter.until("asked: VP_OK")
        time.sleep(wait_s)
        approved = time.monotonic()
        servers.simulator.approve(reference)
        meter.until("decided: state 3")
        known = time.monotonic() - approved
        code, _ = meter.end()
        if code != 0:
            raise AssertionError(meter.lines)
    finally:
        meter.stop()
    return by_event, wait_s, known, servers.simulator.ledger(reference)


def rides(servers, count):
    print(f"\n## {count} rides by each way, {TOGETHER} at a time; the passenger approves after 5 to 25 s\n", flush=True)
    (servers.scratch / "meters").mkdir()
    for number in range(2 * count):
        if number % 2:
            servers.authority.certificate(f"taxi{number}")
    draw = random.Random(6)
    waits = [draw.uniform(5, 25) for _ in range(count)]  # the same for both ways
    with ThreadPoolExecutor(TOGETHER) as pool:
        done = list(pool.map(lambda n: one_ride(servers, n, n % 2 == 1, waits[n // 2]), range(2 * count)))
    rows = []
    for name, by_event in [("polling alone (after 5 s, every 2 s)", False), ("event, and a read every 30 s", True)]:
        mine = [(known, entry) for way, _, known, entry in done if way == by_event]
        knew, entries = [k for k, _ in mine], [e for _, e in mine]
        if any(e["capture_count"] != 1 for e in entries):
            raise AssertionError("a ride was not captured exactly once")
        mean = lambda key: sum(e[key] if isinstance(e[key], int) else len(e[key]) for e in entries) / len(entries)  # noqa: E731
        rows.append([name, f"{of(knew, 0.5) * 1000:.0f} ms", f"{of(knew, 0.99) * 1000:.0f} ms", f"{mean('requests'):.1f}",
                     f"{mean('bytes_in') + mean('bytes_out'):.0f}"])
    table(["", "knows, median", "99th percentile", "requests a ride", "bytes a ride"], rows)


# ---- A thousand meters ----


def fleet(servers, count):
    print(f"\n## {count} meters at once, each with its own certificate and connection; one relay, one broker\n", flush=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    cars = [f"cab{n}" for n in range(count)]
    reference = {car: f"{car}-20261124-0001" for car in cars}
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(servers.authority.certificate, cars))
    print(f"- certificates made in {time.monotonic() - began:.1f} s", flush=True)

    heard, approved, knew, lock, work = {}, {}, {}, threading.Lock(), queue.Queue()
    strangers = []

    def on_message(client, message):
        name = message.payload.decode()
        if not message.topic.startswith(f"vpmeter/v1/{client.car}/"):
            strangers.append((client.car, message))
        with lock:
            heard.setdefault((client.car, name), []).append(message.at)
        if name == "AUTHORIZED":
            work.put(client.car)

    clients = []

    def connect(car):
        client = servers.broker.client(car, on_message=on_message, clean=False)
        client.car = car
        client.subscribe(f"vpmeter/v1/{car}/+")
        clients.append(client)

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connect, cars))
    print(f"- {count} TLS connections and subscriptions in {time.monotonic() - began:.1f} s", flush=True)

    # The money side of all of them in one client of the library: a process has room for 64, and each event is one read.
    settings = {"base_url": servers.simulator.url, "client_id": "sim-client-id", "client_secret": "sim-client-secret",
                "subscription_key": "sim-subscription-key", "msn": "123456", "market": "NO", "device": "bench",
                "journal_dir": str(servers.scratch / "journal")}
    with vpmeter.Client(**settings) as meter:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda car: meter.create_push_payment(
                30000, reference=reference[car], amount=24900, currency="NOK", phone="91234567", description="Taxi"), cars))
        if any(result.code != vpmeter.Code.OK for result in made):
            raise AssertionError("a create failed")
        until("every car has heard of its create", lambda: sum(1 for _, name in list(heard) if name == "CREATED") == count, 300)
        print(f"- {count} payments made in {time.monotonic() - began:.1f} s", flush=True)

        def read_and_capture():
            while True:
                car = work.get()
                if car is None:
                    return
                told = meter._call("vp_apply_webhook", reference[car].encode(), b"AUTHORIZED", None, 30000, payment=True)
                with lock:
                    knew.setdefault(car, time.monotonic())
                if told.payment and told.payment.next_step == vpmeter.Next.CAPTURE:
                    meter.capture(reference[car], 24900, 60000)

        workers = [threading.Thread(target=read_and_capture) for _ in range(8)]
        for worker in workers:
            worker.start()

        def approve(car):
            approved[car] = time.monotonic()
            servers.simulator.approve(reference[car])

        began = time.monotonic()
        for car in cars:
            approve(car)
        spread = time.monotonic() - began
        until("every car has heard of its capture", lambda: sum(1 for _, name in list(heard) if name == "CAPTURED") == count, 600)
        took = time.monotonic() - began
        for _ in workers:
            work.put(None)
        for worker in workers:
            worker.join()
    broker_kib, relay_kib = resident_kib(servers.broker), resident_kib(servers.relay)
    for client in clients:
        client.close()
    books = {e["reference"]: e for e in servers.simulator.ledger()}
    once = sum(1 for car in cars if books[reference[car]]["capture_count"] == 1 and books[reference[car]]["captured"] == 24900)
    lost = sum(1 for car in cars for name in ("CREATED", "AUTHORIZED", "CAPTURED") if (car, name) not in heard)
    twice = sum(len(times) - 1 for (_, name), times in heard.items() if name)
    messages = [min(heard[car, "AUTHORIZED"]) - approved[car] for car in cars]
    print(f"- approved within {spread:.1f} s ({count / spread:.0f} a second), all captured and told after {took:.1f} s")
    print(f"- from approval to the message in the car: {in_ms(messages)}")
    print(f"- from approval to the read: {in_ms([knew[car] - approved[car] for car in cars])}")
    print(f"- events lost: {lost}; messages twice: {twice}; messages of another car: {len(strangers)}; "
          f"captured exactly once: {once} of {count}")
    print(f"- the relay: {servers.relay.status()}")
    print(f"- memory with all of them connected: broker {broker_kib // 1024} MiB ({broker_kib // count} KiB a car), "
          f"relay {relay_kib // 1024} MiB", flush=True)
    if lost or strangers or once != count:
        raise AssertionError("lost, twice or in the wrong car")


def resident_kib(program):
    with open(f"/proc/{program.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


# ---- Ten and a hundred thousand cars ----


def pause_s(tries, draw):
    """As the library waits before the next try: full jitter up to 0.5, 1, 2, ... 30 s (core/src/retry.rs)."""
    return draw.random() * min(0.5 * 2 ** min(tries, 6), 30)


def together(cars, limit):
    """No jitter: all ask at second 0, and whoever is refused asks again with the others. Most in a second; all requests; when
    the last has a token."""
    rounds = -(-cars // limit)
    at = sum(min(0.5 * 2 ** min(tries, 6), 30) for tries in range(1, rounds))
    return cars, sum(cars - limit * n for n in range(rounds)), int(at)


def apart(cars, limit, draw):
    """The same with jitter. After minutes of failing all stand at the longest pause."""
    heap = [(pause_s(9, draw), car) for car in range(cars)]
    heapq.heapify(heap)
    asked, taken, last = {}, {}, 0
    while heap:
        at, car = heapq.heappop(heap)
        second = int(at)
        asked[second] = asked.get(second, 0) + 1
        if taken.get(second, 0) < limit:
            taken[second] = taken.get(second, 0) + 1
            last = second
        else:
            heapq.heappush(heap, (at + pause_s(9, draw), car))
    return max(asked.values()), sum(asked.values()), last


def large_fleets():
    draw = random.Random(6)
    print("\n## Calculated: a busy hour, 2.5 rides a car, the passenger takes 20 s\n")
    rows = []
    for cars in (10_000, 100_000):
        rides_s = cars * 2.5 / 3600
        rows.append([f"{cars:,}", f"{rides_s:.0f}", f"{rides_s * 20:.0f}", f"{rides_s * 8.5:.0f}", f"{rides_s * 2:.0f}",
                     f"{rides_s * 3:.0f}", f"{rides_s * 4 * 2:.0f}"])
    table(["cars", "rides a second", "waiting at once", "reads a second, polling alone", "with events", "events a second",
           "broker messages a second, in and out"], rows)
    print("\n## Calculated: the servers are back after a blackout, and every car needs a token\n")
    rows = []
    for cars in (10_000, 100_000):
        for limit in (100, 1_000):
            for jitter in (False, True):
                most, asked, last = apart(cars, limit, draw) if jitter else together(cars, limit)
                rows.append([f"{cars:,}", f"{limit:,} a second", "full jitter, up to 30 s" if jitter else "none", f"{most:,}",
                             f"{asked / cars:.1f}", f"{last:,} s"])
    table(["cars", "the servers take", "jitter", "most in a second", "requests a car", "the last has its token after"], rows)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rides", type=int, default=100)
    arguments.add_argument("--meters", type=int, default=1000)
    arguments = arguments.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="vpmeter-bench-"))
    try:
        if arguments.rides:
            with Servers(scratch / "rides") as servers:
                rides(servers, arguments.rides)
        if arguments.meters:
            with Servers(scratch / "fleet") as servers:
                fleet(servers, arguments.meters)
        large_fleets()
        return 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
