"""A proxy takes a create, holds it, and delivers it minutes after the meter has given it up. No reset helps: this machine's
kernel has nothing more to take back. What has to hold is the watch: the payment is not called dead before the request can act
no more, and what appears is followed to its end. The meter's time is moved, so the minutes take none."""

import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "python")]
sys.dont_write_bytecode = True

from road import Road  # noqa: E402
from vp_simulator import Simulator  # noqa: E402
from vpmeter import Cancel, Client, Code, State, Verdict  # noqa: E402

REFERENCE, FARE = "held-ride-0001", 24900
MINUTE = 60_000
LEAST_WATCH, MOST_WATCH = 12 * MINUTE, 20 * MINUTE


class Moved:
    """The meter's clock, in which no wait takes time; the servers' goes with it."""

    def __init__(self, simulator):
        self.simulator, self.offset = simulator, 0

    def wall_ms(self):
        return int(time.time() * 1000) + self.offset

    def monotonic_ms(self):
        return int(time.monotonic() * 1000) + self.offset

    def sleep_ms(self, ms):
        self.simulator.advance(ms)
        self.offset += ms


class Held(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.mkdtemp(prefix="vpmeter-held-")
        self.addCleanup(shutil.rmtree, scratch, ignore_errors=True)
        self.servers = Simulator("--passenger", "manual", "--rate-limits", "off")
        self.addCleanup(self.servers.stop)
        self.road = Road(self.servers.url)
        self.addCleanup(self.road.close)
        self.clock = Moved(self.servers)
        self.meter = Client(base_url=self.road.url, client_id="sim-client-id", client_secret="sim-client-secret",
                            subscription_key="sim-subscription-key", msn="123456", market="NO", device="netns-1",
                            journal_dir=scratch + "/journal", request_ms=1000, wall_ms=self.clock.wall_ms,
                            monotonic_ms=self.clock.monotonic_ms, sleep_ms=self.clock.sleep_ms)
        self.addCleanup(self.meter.close)
        ride = {"reference": REFERENCE, "amount": FARE, "currency": "NOK", "phone": "912 34 567"}
        self.meter.create_push_payment(0, **ride)
        self.meter.events(REFERENCE, 5000)  # a token, and a connection that stands
        self.road.hold_next()
        self.left = self.clock.monotonic_ms()
        lost = self.meter.create_push_payment(100, **ride)
        self.assertEqual(lost.code, Code.OUTCOME_UNKNOWN)
        self.assertIn(b"POST /epayment/v1/payments", self.road.has)

    def waited(self):
        return self.clock.monotonic_ms() - self.left

    def cancel(self, how):
        return self.meter.cancel(REFERENCE, how, 1000).payment

    def until_closed(self, how):
        while True:
            payment = self.cancel(how)
            if payment.closed:
                return payment
            self.assertLess(self.waited(), 40 * MINUTE, "it never ends")
            self.clock.sleep_ms(MINUTE // 2)

    def test_a_withdrawn_create_that_is_delivered_after_nine_minutes_is_cancelled_then(self):
        while self.waited() < 9 * MINUTE:
            payment = self.cancel(Cancel.IF_NOT_APPROVED)
            self.assertEqual((payment.verdict, payment.closed), (Verdict.WAIT, 0), f"after {self.waited() // 1000} s")
            self.clock.sleep_ms(MINUTE // 2)
        self.road.deliver()
        self.wait_for_create()
        payment = self.until_closed(Cancel.IF_NOT_APPROVED)
        self.assertEqual((payment.state, payment.verdict), (State.TERMINATED, Verdict.TAKE_OTHER_PAYMENT))
        self.assertEqual(self.servers.ledger(REFERENCE)["state"], "TERMINATED")

    def test_a_create_that_was_given_up_and_is_approved_late_is_released(self):
        while self.waited() < 9 * MINUTE:
            payment = self.cancel(Cancel.GIVE_UP)
            self.assertEqual(payment.closed, 0, f"after {self.waited() // 1000} s")
            self.assertIn(payment.verdict, (Verdict.WAIT, Verdict.TAKE_OTHER_RELEASE_OWED))
            self.clock.sleep_ms(MINUTE // 2)
        self.road.deliver()
        self.wait_for_create()
        self.servers.approve(REFERENCE)
        payment = self.until_closed(Cancel.GIVE_UP)
        books = self.servers.ledger(REFERENCE)
        self.assertEqual((books["captured"], books["cancelled"], payment.captured), (0, FARE, 0))

    def test_a_create_that_never_arrives_is_dead_after_the_watch(self):
        payment = self.until_closed(Cancel.IF_NOT_APPROVED)
        self.assertEqual(payment.verdict, Verdict.TAKE_OTHER_PAYMENT)
        self.assertGreaterEqual(self.waited(), LEAST_WATCH)
        self.assertLessEqual(self.waited(), MOST_WATCH)

    def wait_for_create(self):
        end = time.monotonic() + 10
        while not self.servers.requests("create"):
            self.assertLess(time.monotonic(), end, "the held request was not delivered")
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
