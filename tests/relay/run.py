"""From the servers' event to the meter that nobody can call: the simulator, the relay, a broker and meters, each a process of
its own; what goes wrong on the way, and who must not hear of it. Standard library, Mosquitto and openssl."""

import http.client
import os
import shutil
import signal
import sys
import tempfile
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "python")]
sys.dont_write_bytecode = True

from fleet import Authority, Broker, Client, Meter, Refused, Relay, event, free_port, register, until  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

BUILD = Path(os.environ.get("VPMETER_LIB_DIR") or sys.exit("VPMETER_LIB_DIR is not set: run `make test-relay`"))
NEVER = 600_000  # a plan of reads that a test does not live to see: what it learns, it learns from an event


class Fleet(unittest.TestCase):
    """A broker, a relay and servers of each test's own."""

    def setUp(self):
        self.scratch = Path(tempfile.mkdtemp(prefix="vpmeter-relay-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.authority = Authority(self.scratch / "ca")
        self.broker = self.started(Broker(self.scratch / "broker", self.authority))
        self.simulator = Simulator("--passenger", "manual")
        self.addCleanup(self.simulator.stop)
        port = free_port()
        self.relay = self.started(Relay(BUILD, self.broker, register(self.simulator, port), port))
        self.office = self.client("office")
        self.office.subscribe("vpmeter/#")

    def started(self, process):
        self.addCleanup(process.stop)
        return process

    def client(self, name, **more):
        client = self.broker.client(name, **more)
        self.addCleanup(client.close)
        return client

    def meter(self, reference, car="taxi7", slow_ms=NEVER, fast_ms=NEVER, **more):
        meter = self.started(Meter(BUILD, self.simulator, self.scratch, car, reference, self.broker, slow_ms=slow_ms,
                                   fast_ms=fast_ms, **more))
        meter.until("asked: VP_OK")
        return meter

    def meter_that_listens(self, reference, **more):
        """One whose subscription stands: the event of its own create has come."""
        meter = self.meter(reference, **more)
        meter.until("event CREATED")
        return meter

    def paid(self, meter):
        code, counts = meter.end()
        self.assertEqual(code, 0, meter.lines)
        self.simulator.check(meter.reference, captured_exactly_once=True, captured=24900)
        return counts

    def settled(self):
        """All that the servers had to tell has been taken."""
        until("all events are delivered", lambda: {d["state"] for d in self.simulator.webhooks()["deliveries"]} == {"delivered"})

    def kept(self):
        """What the broker keeps for cars that come later."""
        with self.broker.client("office", client_id="late") as late:
            late.subscribe("vpmeter/v1/#")
            late.subscribe("vpmeter/relay")
            late.wait("the relay's status", lambda messages: any(m.topic == "vpmeter/relay" for m in messages))
            return {m.topic: m.payload for m in late.messages if m.topic != "vpmeter/relay"}

    def heard(self):
        return [m for m in self.office.messages if m.topic != "vpmeter/relay"]

    def office_hears(self, *wanted):
        for topic, payload in wanted:
            self.office.wait(topic, lambda messages: any(m.topic == topic and m.payload == payload for m in messages))


class TheRide(Fleet):
    def test_an_event_ends_the_wait_and_nothing_is_kept_behind_the_ride(self):
        self.simulator.webhook_rule("duplicate", times=0)
        meter = self.meter_that_listens("taxi7-000001")
        self.assertEqual(self.kept(), {"vpmeter/v1/taxi7/taxi7-000001": b"CREATED"})
        self.simulator.approve("taxi7-000001")
        counts = self.paid(meter)
        self.assertIn("decided: state 3", "\n".join(meter.lines))
        self.assertEqual(counts["ignored"], 0)
        self.settled()
        until("both captures are out", lambda: self.relay.status()["published"] >= 6)
        self.assertEqual(self.kept(), {})
        # Reference and event, and nothing of the passenger.
        self.assertEqual({m.topic for m in self.heard()}, {"vpmeter/v1/taxi7/taxi7-000001"})
        self.assertLessEqual({m.payload for m in self.heard()}, {b"CREATED", b"AUTHORIZED", b"CAPTURED", b""})

    def test_a_passenger_who_declines(self):
        meter = self.meter_that_listens("taxi7-000002")
        self.simulator.decline("taxi7-000002")
        code, _ = meter.end()
        self.assertEqual(code, 0, meter.lines)
        self.assertIn("decided: state 4", "\n".join(meter.lines))
        self.simulator.check("taxi7-000002", captured=0)

    def test_a_car_that_was_away_finds_the_approval(self):
        """It is not there when the event comes; when it comes back, its session has it."""
        meter = self.meter_that_listens("taxi7-000003")
        meter.stop(signal.SIGKILL)
        self.simulator.approve("taxi7-000003")
        self.settled()
        self.assertEqual(self.kept(), {"vpmeter/v1/taxi7/taxi7-000003": b"AUTHORIZED"})
        again = self.started(Meter(BUILD, self.simulator, self.scratch, "taxi7", "taxi7-000003", self.broker, slow_ms=NEVER,
                                   fast_ms=NEVER))
        self.paid(again)

    def test_a_meter_without_relay_or_broker_reads_by_itself(self):
        self.relay.stop(signal.SIGKILL)
        self.office_hears(("vpmeter/relay", b"down"))
        meter = self.meter("taxi7-000004", fast_ms=500)
        self.simulator.approve("taxi7-000004")
        self.assertEqual(self.paid(meter)["events"], 0)
        nobody = self.meter("taxi8-000004", car="taxi8", fast_ms=500, broker_port=free_port())
        self.simulator.approve("taxi8-000004")
        self.assertEqual(self.paid(nobody)["events"], 0)


class WhoMayHear(Fleet):
    def test_a_car_hears_and_says_nothing_of_another(self):
        topic = "vpmeter/v1/taxi7/taxi7-000001"
        own, other = self.client("taxi7"), self.client("taxi8")
        own.subscribe("vpmeter/v1/taxi7/+")
        for attempt in (topic, "vpmeter/v1/taxi7/+", "vpmeter/v1/+/+", "vpmeter/v1/#", "vpmeter/#", "#"):
            other.subscribe(attempt)
        for forged in (topic, "vpmeter/v1/taxi8/taxi8-000001", "vpmeter/relay", "vpmeter/dead/taxi8-000001"):
            other.publish(forged, b"CAPTURED", retain=True)
        self.assertEqual(self.relay.post(event("taxi7-000001", "AUTHORIZED")), 200)
        self.assertEqual(self.relay.post(event("taxi8-000002", "AUTHORIZED")), 200)
        other.wait("its own event", lambda messages: any(m.topic.endswith("taxi8-000002") for m in messages))
        own.wait("its own event", lambda messages: messages)
        self.assertEqual([(m.topic, m.payload) for m in own.messages], [(topic, b"AUTHORIZED")])
        self.assertEqual({m.topic for m in other.messages}, {"vpmeter/v1/taxi8/taxi8-000002", "vpmeter/relay"})
        self.assertNotIn(b"CAPTURED", [m.payload for m in self.office.messages])

    def test_nobody_takes_over_the_session_of_a_car(self):
        own = self.client("taxi7", clean=False)
        own.subscribe("vpmeter/v1/taxi7/+")
        self.client("taxi8", client_id="taxi7", clean=False)
        self.relay.post(event("taxi7-000001", "AUTHORIZED"))
        own.wait("the event", lambda messages: messages)
        self.assertFalse(own.ended)

    def test_a_certificate_of_this_fleet_is_needed(self):
        with self.assertRaises(Refused):
            Client(self.broker.port, self.authority.ca, client_id="taxi7")
        stranger = Authority(self.scratch / "stranger")
        with self.assertRaises(Refused):
            Client(self.broker.port, self.authority.ca, stranger.certificate("taxi7"), stranger.key, "taxi7")


class BadEvents(Fleet):
    def test_what_is_not_genuine_is_refused_and_never_published(self):
        body = event("taxi7-000001", "AUTHORIZED")
        signed = self.relay.signed(body)
        cases = {
            "another secret": (body, self.relay.signed(body, secret="A" * 88), False, 401),
            "another body": (event("taxi7-000001", "ABORTED"), signed, False, 401),
            "another host": (body, [("Host", "example.com"), *signed[1:]], False, 401),
            "no signature": (body, signed[:3], False, 401),
            "the signature twice": (body, [*signed, signed[3]], False, 401),
            "the date twice": (body, [*signed, signed[1]], False, 401),
            "the hash twice": (body, [*signed, signed[2]], False, 401),
            "a megabyte": (b" " * 1_000_000, self.relay.signed(b" " * 1_000_000), False, 413),
            "a megabyte in pieces": (b" " * 1_000_000, self.relay.signed(b" " * 1_000_000), True, 413),
        }
        for name, (sent, headers, chunked, status) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.relay.post(sent, headers, chunked), status)
        with self.subTest("another path"):
            self.assertEqual(self.relay.post(body, signed, target="/other"), 401)
        self.assertEqual(self.relay.status()["refused"], 8)
        self.assertEqual(self.relay.status()["published"], 0)
        # It still works, and what comes through now is the first thing that the office hears.
        self.assertEqual(self.relay.post(body), 200)
        self.office_hears(("vpmeter/v1/taxi7/taxi7-000001", b"AUTHORIZED"))
        self.assertEqual(len(self.heard()), 1, self.heard())

    def test_genuine_nonsense_is_taken_so_that_it_holds_up_nothing(self):
        for body in (b"{", b"[]", b"\xff\xfe", b"", event("../../#", "AUTHORIZED")):
            self.assertEqual(self.relay.post(body), 200, body)
        status = self.relay.status()
        self.assertEqual((status["not_understood"], status["published"]), (5, 0))

    def test_an_event_that_names_no_car_goes_where_the_office_finds_it(self):
        self.assertEqual(self.relay.post(event("booking-web-0001", "AUTHORIZED")), 200)
        self.office_hears(("vpmeter/dead/booking-web-0001", b"AUTHORIZED"))
        self.assertEqual(self.relay.status()["dead"], 1)
        self.assertEqual(self.kept(), {})

    def test_a_failed_try_ends_no_ride(self):
        self.assertEqual(self.relay.post(event("taxi7-000001", "AUTHORIZED")), 200)
        self.assertEqual(self.relay.post(event("taxi7-000001", "CAPTURED", success=False)), 200)
        self.assertEqual(self.kept(), {"vpmeter/v1/taxi7/taxi7-000001": b"AUTHORIZED"})
        self.assertEqual(self.relay.post(event("taxi7-000001", "CAPTURED")), 200)
        self.assertEqual(self.kept(), {})

    def test_only_deliveries_are_served(self):
        wire = http.client.HTTPConnection("127.0.0.1", self.relay.port, timeout=30)
        wire.request("GET", "/hook")
        self.assertEqual(wire.getresponse().status, 405)
        wire.close()

    def test_garbage_from_the_broker_never_makes_a_wrong_state(self):
        """Somebody has the relay's own certificate."""
        meter = self.meter_that_listens("taxi7-000001")
        self.relay.stop()
        liar = self.client("relay")
        topic = "vpmeter/v1/taxi7/"
        garbage = [b"\0\xff" * 10, b"authorized!", b"A" * 33, b'{"name":"AUTHORIZED"}', b"%n%n%n"]
        for payload in garbage:
            liar.publish(topic + "taxi7-000001", payload)
        liar.publish(topic + "short", b"AUTHORIZED")
        liar.publish(topic + "x" * 65, b"AUTHORIZED")
        liar.publish(topic + "taxi7-0000\u00e6", b"AUTHORIZED")
        for lie in (b"", b"CAPTURED", b"ABORTED", b"EXPIRED", b"NO_SUCH_EVENT", b"REFUNDED"):
            liar.publish(topic + "taxi7-000001", lie)
        liar.publish(topic + "taxi7-999999", b"AUTHORIZED")
        meter.until("event AUTHORIZED of taxi7-999999: VP_ERR_NO_SUCH_PAYMENT")
        self.simulator.check("taxi7-000001", state="CREATED", captured=0)
        self.assertIsNone(meter.process.poll(), meter.lines)
        self.simulator.approve("taxi7-000001")
        liar.publish(topic + "taxi7-000001", b"AUTHORIZED")
        self.assertEqual(self.paid(meter)["ignored"], len(garbage) + 3)


class WhatDies(Fleet):
    def test_no_event_is_taken_that_the_broker_has_not_acknowledged(self):
        """The broker stands still, the relay is killed: the delivery was not answered, and the servers come again."""
        meter = self.meter_that_listens("taxi7-000001")
        self.broker.process.send_signal(signal.SIGSTOP)
        answers = []
        body = event("taxi7-000009", "AUTHORIZED")

        def post():
            try:
                answers.append(self.relay.post(body))
            except (OSError, http.client.HTTPException):
                answers.append(None)

        poster = threading.Thread(target=post)
        poster.start()
        self.simulator.approve("taxi7-000001")
        poster.join(1.5)  # time in which a relay that answers first would have answered
        self.assertEqual(answers, [])
        self.relay.stop(signal.SIGKILL)
        poster.join(60)
        self.assertEqual(answers, [None])
        self.broker.process.send_signal(signal.SIGCONT)
        self.relay.start()
        self.paid(meter)

    def test_a_broker_that_does_not_come_back_is_not_waited_for_beyond_the_servers_patience(self):
        self.broker.stop(signal.SIGKILL)
        self.assertEqual(self.relay.post(event("taxi7-000001", "AUTHORIZED")), 503)
        self.broker.start()
        until("the relay has its broker again", lambda: self.relay.status()["broker"])
        self.assertEqual(self.relay.post(event("taxi7-000001", "AUTHORIZED")), 200)
        self.assertEqual(self.kept(), {"vpmeter/v1/taxi7/taxi7-000001": b"AUTHORIZED"})

    def test_a_broker_that_is_killed_in_the_middle_of_a_ride(self):
        meter = self.meter_that_listens("taxi7-000001")
        self.broker.stop(signal.SIGKILL)
        self.simulator.approve("taxi7-000001")
        self.broker.start()
        self.paid(meter)
        self.assertTrue(any(line.startswith("event AUTHORIZED") for line in meter.lines), meter.lines)

    def test_a_broker_that_forbids_the_relay_to_speak_loses_nothing(self):
        acl = self.scratch / "broker/acl"
        acl.write_text(acl.read_text().replace("topic write vpmeter/v1/+/+", ""))
        self.broker.process.send_signal(signal.SIGHUP)
        until("the list is read again", lambda: self.relay.post(event("taxi7-000001", "AUTHORIZED")) == 503)
        self.assertEqual(self.relay.status()["unavailable"], 1)


if __name__ == "__main__":
    unittest.main()
