"""The meter of these tests, a process of its own that is told by lines what to do: meter.py SETTINGS, as JSON."""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.dont_write_bytecode = True

import vpmeter as vp  # noqa: E402

REFERENCE = "netns-ride-0001"
FARE = 24900


def say(**what):
    print(json.dumps(what), flush=True)


def hook(name):
    """A transport of examples-c/socket_transport.c."""
    return ctypes.cast(getattr(ctypes.CDLL(os.environ["VPMETER_SOCKETS"]), name), vp.transport_fn)


def fork():
    """A child of the host, which holds a copy of every descriptor, but for the lines of this test."""
    child = os.fork()
    if child == 0:
        os.close(0)
        os.close(1)
        while True:
            signal.pause()
    return child


def main():
    given = json.loads(sys.argv[1])
    more = {}
    if given.get("hook"):
        # Whoever defines what the hook calls must be found first.
        ctypes.CDLL(os.path.join(os.environ["VPMETER_LIB_DIR"], "libvpmeter.so.0"), ctypes.RTLD_GLOBAL)
        more["transport"] = hook(given["hook"])
    if given.get("stop_ms"):
        more["on_tick"] = lambda _, waited: vp.Tick.STOP_WAITING if waited >= given["stop_ms"] else vp.Tick.GO_ON
    if given.get("ca_file"):
        more["ca_file"] = given["ca_file"]
    with vp.Client(base_url=given["url"], client_id="sim-client-id", client_secret="sim-client-secret",
                   subscription_key="sim-subscription-key", msn="123456", market="NO", device="netns-1",
                   journal_dir=given["journal"], request_ms=given["request_ms"], poll_first_ms=0, poll_every_ms=0,
                   **more) as meter:
        ride = {"reference": REFERENCE, "amount": FARE, "currency": "NOK", "phone": "912 34 567"}
        meter.create_push_payment(0, **ride)
        meter.events(REFERENCE, 5000)  # a token, and a connection that stands
        say(child=fork() if given.get("fork") else 0)
        sys.stdin.readline()
        if given.get("exit_ms"):
            threading.Timer(given["exit_ms"] / 1000, os._exit, [0]).start()
        began = time.monotonic()
        result = meter.create_push_payment(given.get("wait_ms", 100), **ride)
        if given.get("close"):
            meter.close()
        say(code=result.code.name, cause=result.error.cause.name, took_s=round(time.monotonic() - began, 2))
        sys.stdin.readline()


main()
