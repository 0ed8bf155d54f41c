"""What was given up does not arrive later: real sockets, a dead zone, and a meter that times out, is stopped, exits or is
killed with its request in the kernel. In a network namespace where one can be made, so that no setting of this machine and
nobody else's connection has a part in it. Standard library; the scenarios run side by side in about ten seconds."""

import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "python")]
sys.dont_write_bytecode = True

from road import ALL_LOST, DATA_LOST, Kernel, Road  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
REQUEST_MS = 1500
# The zone begins just before the create leaves. The kernel repeats after 0.2, 0.6, 1.4, 3.0 and 6.2 s.
ZONE_S = 2.6
AFTER_S = 5.0

# What happens to the request in the zone, and what is special about the meter.
SCENARIOS = {
    "time-out": {},
    "time-out, TLS": {"tls": True},
    "time-out, a forked child holds the descriptor": {"fork": True},
    "stopped": {"stop_ms": 800},
    "stopped, a forked child holds the descriptor": {"stop_ms": 800, "fork": True},
    "process exits": {"exit_ms": 800},
    "process is killed": {"kill_s": 0.4},
    "process is killed, a forked child lives on": {"kill_s": 0.4, "fork": True},
    "socket_transport.c waits, time-out": {"hook": "sockets_waiting"},
    "socket_transport.c waits, process is killed": {"hook": "sockets_waiting", "kill_s": 0.4},
    "socket_transport.c in pieces, time-out, a forked child": {"hook": "sockets_in_pieces", "wait_ms": 1800, "fork": True},
    "socket_transport.c in pieces, vp_client_close": {"hook": "sockets_in_pieces", "wait_ms": 300, "close": True},
}


class Meter:
    def __init__(self, simulator, road, journal, scenario):
        keep = ("fork", "stop_ms", "exit_ms", "hook", "wait_ms", "close")
        given = {"url": road.url, "ca_file": simulator.ca_file, "journal": journal, "request_ms": REQUEST_MS,
                 **{name: scenario[name] for name in keep if name in scenario}}
        self.process = subprocess.Popen([sys.executable, str(HERE / "meter.py"), json.dumps(given)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.child = 0

    def line(self):
        text = self.process.stdout.readline()
        return json.loads(text) if text else None

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def until(what, limit_s=10):
    end = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def play(scenario, kernel):
    """One scenario; what was seen of it."""
    scratch = tempfile.mkdtemp(prefix="vpmeter-netns-")
    seen = {}
    with Simulator("--passenger", "manual", "--rate-limits", "off", *(["--tls"] if scenario.get("tls") else [])) as simulator:
        road, plain = Road(simulator.url), Road(simulator.url)
        meter = Meter(simulator, road, scratch + "/journal", scenario)
        try:
            meter.child = (meter.line() or {}).get("child", 0)
            # A request that nobody takes back, on a connection of the same age.
            usual = socket.create_connection(("127.0.0.1", plain.port))
            until(lambda: plain.near)
            for one in (road, plain):
                one.set_zone(DATA_LOST)
            began = time.monotonic()
            usual.sendall(b"usual")
            usual.close()
            meter.go()
            seen["left"] = until(lambda: kernel.held(road.port) > 1)
            for one in (road, plain):
                one.set_zone(ALL_LOST)
            if "kill_s" in scenario:
                time.sleep(scenario["kill_s"])
                meter.process.kill()
            seen["said"] = meter.line()
            until(lambda: kernel.held(road.port) == 0, 0.3)
            seen["held"] = kernel.held(road.port)
            time.sleep(max(0, began + ZONE_S - time.monotonic()))
            seen["held_then"] = kernel.held(road.port)
            for one in (road, plain):
                one.set_zone(None)
            seen["usual"] = until(lambda: plain.late == b"usual", AFTER_S) and round(time.monotonic() - began, 1)
            until(lambda: road.late, 1.0)
            seen["late"] = len(road.late)
            seen["created"] = len(simulator.requests("create"))
        finally:
            meter.end()
            road.close()
            plain.close()
            shutil.rmtree(scratch, ignore_errors=True)
    return seen


class DeadZone(unittest.TestCase):
    def test_what_was_given_up_in_a_dead_zone_never_arrives(self):
        kernel = Kernel()
        with ThreadPoolExecutor(len(SCENARIOS)) as players:
            playing = {name: players.submit(play, scenario, kernel) for name, scenario in SCENARIOS.items()}
        for name, played in playing.items():
            if not played.exception():
                print("{}: {held} bytes held when given up, {late} arrived; what nobody took back arrived after {usual} s".format(
                    name, **played.result()), flush=True)
        for name, scenario in SCENARIOS.items():
            with self.subTest(name):
                result = playing[name].result()
                self.assertTrue(result["left"], "the request did not get into the zone")
                self.assertTrue(result["usual"], "the kernel did not repeat the request that nobody took back")
                if not (scenario.get("fork") and "kill_s" in scenario):
                    self.assertEqual(result["held"], 0, "the kernel still holds the request")
                self.assertEqual(result["held_then"], 0, "the kernel still holds the request")
                self.assertEqual((result["late"], result["created"]), (0, 0), "the request arrived after it was given up")
                said = result["said"]
                if "kill_s" in scenario or "exit_ms" in scenario:
                    self.assertIsNone(said)
                else:
                    self.assertNotEqual(said["code"], "OK")


def compiled(scratch):
    """examples-c/socket_transport.c as a library, for the meter that has a transport hook."""
    made = str(scratch / "sockets.so")
    subprocess.run([*shlex.split(os.environ.get("CC") or "cc"), "-std=c99", "-shared", "-fPIC", f"-I{ROOT}/include",
                    f"{ROOT}/examples-c/socket_transport.c", "-o", made], check=True)
    return made


def enter_namespace():
    """Starts this program again in a network of its own: as root, or as root of a user namespace."""
    for way in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare") and subprocess.run([*way, "true"], capture_output=True).returncode == 0:
            os.environ["VPMETER_NETNS"] = "1"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])
    print("no network namespace can be made here (unshare): on this machine's own loopback", flush=True)


def loopback_up():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


if __name__ == "__main__":
    if not os.environ.get("VPMETER_NETNS"):
        enter_namespace()
    else:
        loopback_up()
    with tempfile.TemporaryDirectory(prefix="vpmeter-netns-") as own:
        os.environ["VPMETER_SOCKETS"] = compiled(Path(own))
        unittest.main()
