"""The library through ctypes: the Python package says the same as the header, and a test harness can ride with it."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

import vpmeter as vp  # noqa: E402
from vp_simulator import Simulator  # noqa: E402

FARE = 24900


def from_environment(name):
    path = os.environ.get(name)
    if not path:
        sys.exit(f"{name} is not set. These tests run on the files that users link: run `make test`, or `make test-python`.")
    return Path(path)


def refuse_stale(directory):
    """The library must be newer than everything that it is made of."""
    sources = [ROOT / name for name in ("Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "core/Cargo.toml")]
    for below in ("src", "core/src", "include"):
        sources += [path for path in (ROOT / below).rglob("*") if path.is_file()]
    made = directory / "libvpmeter.so.0"
    if not made.exists():
        sys.exit(f"there is no {made}: run `make lib`")
    for source in sources:
        if source.stat().st_mtime > made.stat().st_mtime:
            sys.exit(f"{made} is older than {source}: run `make lib`")


class MovedTime:
    """A clock whose sleep takes no time: it moves the simulator's clock too."""

    def __init__(self, simulator):
        self.simulator, self.offset = simulator, 0

    def wall_ms(self):
        return int(time.time() * 1000) + self.offset

    def monotonic_ms(self):
        return int(time.monotonic() * 1000) + self.offset

    def sleep_ms(self, ms):
        self.simulator.advance(ms)
        self.offset += ms

    def hooks(self):
        return {"wall_ms": self.wall_ms, "monotonic_ms": self.monotonic_ms, "sleep_ms": self.sleep_ms}


class Bench(unittest.TestCase):
    """A simulator, a journal and a client for each test."""

    simulator_arguments = ("--tls",)

    def setUp(self):
        self.simulator = Simulator("--check-answers", "crash", *self.simulator_arguments)
        self.addCleanup(self.simulator.stop)
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def client(self, **more):
        settings = {
            "base_url": self.simulator.url, "ca_file": self.simulator.ca_file, "client_id": "sim-client-id",
            "client_secret": "sim-client-secret", "subscription_key": "sim-subscription-key", "msn": "123456",
            "market": "NO", "device": "bench-1", "journal_dir": self.directory + "/journal", "allow_refund": 1,
            **MovedTime(self.simulator).hooks(), **more}
        client = vp.Client(**settings)
        self.addCleanup(lambda: client._handle and client.close())
        return client

    def request(self, **more):
        return {"reference": "trip-0001", "amount": FARE, "currency": "NOK", "phone": "912 34 567", **more}

    def books(self, reference, captured, cancelled=0, refunded=()):
        ledger = self.simulator.ledger(reference)
        self.assertEqual([m["amount"] for m in ledger["captures"]], list(captured))
        self.assertEqual([m["amount"] for m in ledger["refunds"]], list(refunded))
        self.assertEqual(ledger["cancelled"], cancelled)
        return ledger

    @staticmethod
    def receipt(total):
        excluding, vat = vp.split_gross(total, 1200)
        line = vp.order_line(id="1", name="Taxi, Tromsø", total=total, total_excluding_vat=excluding, vat=vat, vat_rate=1200)
        return vp.receipt([line], pos_id="bench-1", receipt_number="17")


class TheHeader(unittest.TestCase):
    """The package mirrors the header by hand; here the two are compared."""

    @classmethod
    def setUpClass(cls):
        text = (from_environment("VPMETER_LIB_DIR") / "include" / "vpmeter.h").read_text()
        cls.header = re.sub(r"/\*.*?\*/", "", text, flags=re.S)

    def test_sizes_and_offsets_are_those_of_the_compiler(self):
        lines = []
        for struct in vp.STRUCTS:
            name = struct.__name__
            lines.append(f'printf("{name} %d\\n", (int)sizeof({name}));')
            for member, _ in struct._fields_:
                lines.append(f'printf("{name}.{member} %d %d\\n", (int)offsetof({name}, {member}), '
                             f'(int)sizeof((({name} *)0)->{member}));')
        source = '#include <stddef.h>\n#include <stdio.h>\n#include "vpmeter.h"\nint main(void) {\n' + "\n".join(lines)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory)
            (path / "probe.c").write_text(source + "\nreturn 0; }\n")
            include = from_environment("VPMETER_LIB_DIR") / "include"
            subprocess.run([os.environ.get("CC", "cc"), f"-I{include}", path / "probe.c", "-o", path / "probe"], check=True)
            said = subprocess.run([path / "probe"], check=True, capture_output=True, text=True).stdout
        ours = []
        for struct in vp.STRUCTS:
            ours.append(f"{struct.__name__} {ctypes.sizeof(struct)}")
            for member, _ in struct._fields_:
                place = getattr(struct, member)
                ours.append(f"{struct.__name__}.{member} {place.offset} {place.size}")
        self.assertEqual(said.splitlines(), ours)

    def test_every_struct_of_the_header_is_there_with_every_member(self):
        structs = re.findall(r"typedef struct (vp_\w+) \{(.*?)\} \1;", self.header, flags=re.S)
        self.assertEqual({name for name, _ in structs}, {struct.__name__ for struct in vp.STRUCTS})
        for struct in vp.STRUCTS:
            body = dict(structs)[struct.__name__]
            members = [re.search(r"\(\*(\w+)\)|(\w+)(?:\[\d+\])?$", part.strip()) for part in body.split(";")[:-1]]
            self.assertEqual([m[1] or m[2] for m in members], [name for name, _ in struct._fields_], struct.__name__)

    def test_every_number_of_the_header_is_there(self):
        numbers = dict(re.findall(r"#define VP_(\w+) \(?(-?\d+)\)?\n", self.header))
        kinds = {"CAUSE": vp.Cause, "RETRY": vp.Retry, "WHO": vp.Who, "STATE": vp.State, "VERDICT": vp.Verdict,
                 "NEXT": vp.Next, "OWED": vp.Owed, "MSG": vp.Msg, "UNIT": vp.Unit, "TICK": vp.Tick, "LOG": vp.Log,
                 "THEN": vp.Then, "CUSTOMER": vp.Customer, "CANCEL": vp.Cancel, "LIST": vp.List, "DECIDE": vp.Decide,
                 "GATEWAY": vp.Gateway, "SHELF": vp.Shelf, "STORE": vp.Store, "TOKEN": vp.Token, "TRANSPORT": vp.Transport}
        ours = {"HEADER_VERSION": vp.HEADER_VERSION, "CAPTURE_FINAL": vp.CAPTURE_FINAL,
                "WEBHOOK_BODY_MAX": vp.WEBHOOK_BODY_MAX,
                "WEBHOOK_ID_SIZE": vp.WEBHOOK_ID_SIZE, "WEBHOOK_SECRET_SIZE": vp.WEBHOOK_SECRET_SIZE}
        for code in vp.Code:
            ours[code.name if code >= 0 else f"ERR_{code.name}"] = int(code)
        for prefix, kind in kinds.items():
            # By name: two of one number are what a hook is called for, and what it returns.
            ours.update({f"{prefix}_{name}": int(member) for name, member in kind.__members__.items()})
        self.assertEqual({name: int(number) for name, number in numbers.items()}, ours)
        self.assertEqual(vp.nth(2), 0x20000)

    def test_every_function_of_the_header_is_there(self):
        declared = set(re.findall(r"^[\w ]+?\*?(vp_\w+)\(", self.header, flags=re.M))
        self.assertEqual(declared, set(vp.FUNCTIONS))
        for name, (_, parameters) in vp.FUNCTIONS.items():
            inside = re.search(rf"\b{name}\((.*?)\);", self.header, flags=re.S)[1]
            count = 0 if inside == "void" else inside.count(",") + 1
            self.assertEqual(len(parameters), count, name)

    def test_init_functions_and_names_of_codes(self):
        library = vp.load()
        for struct in vp.SET_UP:
            made = struct()
            getattr(library, f"{struct.__name__}_init")(made, ctypes.sizeof(struct))
            self.assertEqual(made.struct_size, ctypes.sizeof(struct))
        for code in vp.Code:
            expected = f"VP_{code.name}" if code >= 0 else f"VP_ERR_{code.name}"
            self.assertEqual(library.vp_status_name(code).decode(), expected)
        self.assertEqual(library.vp_status_name(-999), b"VP_UNKNOWN")
        self.assertRegex(library.vp_version().decode(), r"^\d+\.\d+\.\d+$")
        self.assertRegex(library.vp_build_id().decode(), r"^[0-9a-f]{40}$")


class Rides(Bench):
    def test_a_ride_with_callbacks(self):
        told, ticks, log = [], [], []
        client = self.client(on_payment=told.append, on_tick=lambda reference, ms: ticks.append((reference, ms)),
                             on_log=lambda level, line: log.append((level, line)))
        result = client.run_ride(660000, receipt=self.receipt(FARE), **self.request(trip="77"))
        self.assertEqual((result.code, result.error.code), (vp.Code.OK, vp.Code.OK))
        payment = result.payment
        self.assertEqual((payment.verdict, payment.next_step, payment.owed), (vp.Verdict.PAID_LEAVE, vp.Next.DONE, 0))
        self.assertEqual((payment.reference, payment.trip, payment.captured), ("trip-0001", "77", FARE))
        steps = []
        for step in [(p.state.name, p.verdict.name) for p in told]:
            if step not in steps:
                steps.append(step)
        self.assertEqual(steps, [("RECORDED", "WAIT"), ("CREATED", "WAIT"), ("AUTHORIZED", "WAIT"),
                                 ("AUTHORIZED", "SECURED_LEAVE"), ("AUTHORIZED", "PAID_LEAVE")])
        # Approved after 3 s and read after 5 s: a tick each half second, with the reference.
        self.assertTrue(8 <= len(ticks) <= 12, ticks)
        self.assertEqual({reference for reference, _ in ticks}, {"trip-0001"})
        self.assertTrue(any(level == vp.Log.DEBUG for level, _ in log))
        self.assertFalse(any("91234567" in line or "secret" in line for _, line in log), log)
        ledger = self.books("trip-0001", [FARE])
        self.assertEqual(ledger["receipt"]["orderLines"][0]["name"], "Taxi, Tromsø")
        self.assertEqual(client.close(), vp.Code.OK)

    def test_step_by_step_with_a_second_partial_capture_and_a_refund(self):
        client = self.client()
        self.assertEqual(client.create_push_payment(60000, **self.request()).code, vp.Code.OK)
        self.assertEqual(client.poll("trip-0001", 60000).payment.next_step, vp.Next.CAPTURE)
        self.assertEqual(client.capture("trip-0001", 10000, 60000).code, vp.Code.OK)
        result = client.capture("trip-0001", 5000, 60000, flags=vp.nth(2) | vp.CAPTURE_FINAL)
        self.assertEqual((result.code, result.payment.captured, result.payment.cancelled), (vp.Code.OK, 15000, 9900))
        for _ in range(2):
            self.assertEqual(client.refund("trip-0001", 3000, 60000).payment.refunded, 3000)
        self.books("trip-0001", [10000, 5000], 9900, [3000])
        entries, result = client.events("trip-0001", 60000)
        self.assertEqual(result.code, vp.Code.OK)
        self.assertEqual([entry.name for entry in entries],
                         ["CREATED", "AUTHORIZED", "CAPTURED", "CAPTURED", "CANCELLED", "REFUNDED"])
        listed, result = client.list_payments(which=vp.List.CLOSED)
        self.assertEqual([payment.reference for payment in listed], ["trip-0001"])
        cost, _ = client.storage_cost()
        self.assertGreater(cost.file_syncs, 0)

    def test_a_restart_between_approval_and_capture(self):
        client = self.client()
        client.create_push_payment(60000, **self.request())
        client.poll("trip-0001", 60000)
        client.close()
        settled, result = self.client().settle(60000)
        self.assertEqual(result.code, vp.Code.OK)
        self.assertEqual([payment.verdict for payment in settled], [vp.Verdict.PAID_LEAVE])
        self.books("trip-0001", [FARE])

    def test_a_lost_answer_is_unknown_and_then_settled(self):
        client = self.client()
        client.create_push_payment(60000, **self.request())
        client.poll("trip-0001", 60000)
        self.simulator.faults({"operation": "capture", "action": "reset_after"},
                              {"operation": "get", "action": "refuse", "times": 0})
        result = client.capture("trip-0001", FARE, 3000, flags=vp.CAPTURE_FINAL)
        self.assertEqual((result.code, result.payment.verdict), (vp.Code.OUTCOME_UNKNOWN, vp.Verdict.SECURED_LEAVE))
        self.assertIn(vp.Owed.CAPTURE, result.payment.owed)
        self.simulator.clear_faults()
        self.assertEqual(client.settle(60000)[1].code, vp.Code.OK)
        self.books("trip-0001", [FARE])

    def test_another_thread_interrupts(self):
        self.simulator.passenger("ignore")
        client = self.client(wall_ms=None, monotonic_ms=None, sleep_ms=None)
        client.create_push_payment(5000, **self.request())
        timer = threading.Timer(0.3, client.interrupt)
        timer.start()
        start = time.monotonic()
        result = client.poll("trip-0001", 60000)
        self.assertEqual((result.code, result.payment.state), (vp.Code.INTERRUPTED, vp.State.CREATED))
        self.assertLess(time.monotonic() - start, 2)
        timer.join()

    def test_a_tick_stops_and_gives_up(self):
        self.simulator.passenger("ignore")
        answers = [vp.Tick.GO_ON, vp.Tick.STOP_WAITING, vp.Tick.GO_ON, vp.Tick.GIVE_UP]
        client = self.client(on_tick=lambda *_: answers.pop(0) if answers else vp.Tick.GO_ON)
        client.create_push_payment(60000, **self.request())
        self.assertEqual(client.poll("trip-0001", 60000).code, vp.Code.PENDING)
        result = client.poll("trip-0001", 60000)
        self.assertEqual(result.payment.verdict, vp.Verdict.TAKE_OTHER_PAYMENT)
        self.assertEqual(self.simulator.ledger("trip-0001")["state"], "TERMINATED")

    def test_an_exception_in_a_callback_arrives(self):
        def on_tick(_reference, _ms):
            raise KeyError("a bug of the harness")

        self.simulator.passenger("ignore")
        client = self.client(on_tick=on_tick)
        client.create_push_payment(60000, **self.request())
        with self.assertRaises(KeyError):
            client.poll("trip-0001", 60000)
        self.assertEqual(client.known_payment("trip-0001").payment.state, vp.State.CREATED)

    def test_calls_from_inside_a_callback(self):
        codes = {}

        def on_payment(payment):
            if payment.state == vp.State.CREATED:
                codes["known"] = client.known_payment(payment.reference).code
                codes["poll"] = client.poll(payment.reference, 1000).code
                codes["list"] = client.list_payments()[1].code

        client = self.client(on_payment=on_payment)
        self.assertEqual(client.create_push_payment(60000, **self.request()).code, vp.Code.OK)
        self.assertEqual(codes, {"known": vp.Code.OK, "poll": vp.Code.REENTRANT, "list": vp.Code.OK})


class BadInput(Bench):
    def test_the_field_is_named_and_nothing_is_sent(self):
        client = self.client()
        for wrong, code, field in [
            ({"amount": 0}, vp.Code.INVALID_ARGUMENT, "amount"),
            ({"amount": 99}, vp.Code.INVALID_ARGUMENT, "amount"),
            ({"amount": 65000001}, vp.Code.INVALID_ARGUMENT, "amount"),
            ({"amount": -1}, vp.Code.INVALID_ARGUMENT, "amount"),
            ({"currency": "SEK"}, vp.Code.INVALID_ARGUMENT, "currency"),
            ({"currency": None}, vp.Code.NULL_POINTER, "currency"),
            ({"reference": "short"}, vp.Code.INVALID_ARGUMENT, "reference"),
            ({"phone": "22 12 34 56"}, vp.Code.INVALID_ARGUMENT, "phone"),
            ({"phone": b"\xff"}, vp.Code.INVALID_ARGUMENT, "phone"),
            ({"description": "x" * 101}, vp.Code.INVALID_ARGUMENT, "description"),
            ({"on_approval": 7}, vp.Code.INVALID_ARGUMENT, "on_approval"),
            ({"receipt": self.receipt(FARE - 1)}, vp.Code.INVALID_ARGUMENT, "receipt.lines"),
        ]:
            with self.subTest(wrong=str(wrong)):
                result = client.create_push_payment(5000, **self.request(**wrong))
                self.assertEqual((result.code, result.error.field), (code, field))
                self.assertNotEqual(result.error.message, "")
                self.assertEqual((result.error.retry, result.error.who), (vp.Retry.NO, vp.Who.PROGRAMMER))
                self.assertIsNone(result.payment)
        self.assertEqual(self.simulator.requests(), [])
        self.assertEqual(client.known_payment("trip-0001").code, vp.Code.NO_SUCH_PAYMENT)

    def test_the_servers_words_are_in_the_error(self):
        client = self.client()
        result = client.create_push_payment(60000, **self.request(phone="99999901"))
        error = result.error
        self.assertEqual((result.code, error.http_status, error.vipps_code), (vp.Code.CUSTOMER_NOT_FOUND, 400, 7010))
        self.assertEqual((error.retry, error.who), (vp.Retry.NEW_REFERENCE, vp.Who.DRIVER))
        self.assertRegex(error.trace_id, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(result.payment.verdict, vp.Verdict.TAKE_OTHER_PAYMENT)
        self.assertEqual(vp.next_reference("trip-0001").text, "trip-0001-2")

    def test_settings(self):
        for wrong, code, field in [
            ({"base_url": "http://api.vipps.no"}, vp.Code.URL, "base_url"),
            ({"msn": "12"}, vp.Code.INVALID_ARGUMENT, "msn"),
            ({"client_secret": "a\r\nb"}, vp.Code.INVALID_ARGUMENT, "client_secret"),
            ({"journal_dir": "/proc/vpmeter"}, vp.Code.STORAGE, ""),
            ({"market": None}, vp.Code.NULL_POINTER, "market"),
        ]:
            with self.subTest(wrong=str(wrong)), self.assertRaises(vp.OpenError) as raised:
                self.client(**wrong)
            self.assertEqual((raised.exception.result.code, raised.exception.result.error.field), (code, field))
        first = self.client()
        with self.assertRaises(vp.OpenError) as raised:
            self.client()
        self.assertEqual(raised.exception.result.code, vp.Code.STORAGE_IN_USE)
        self.assertEqual(first.close(), vp.Code.OK)

    def test_what_python_cannot_hand_over(self):
        client = self.client()
        with self.assertRaises(ValueError):
            client.poll("trip\0-0001", 0)
        with self.assertRaises(TypeError):
            client.poll(17, 0)
        with self.assertRaises(TypeError):
            client.create_push_payment(0, **self.request(no_such_member=1))


class Texts(unittest.TestCase):
    def test_the_driver_reads_five_languages(self):
        for message in vp.Msg:
            texts = [vp.driver_text(message, language).text for language in ("nb", "da", "fi", "sv", "en")]
            self.assertEqual(len(set(texts)), 5, message)
            for text in texts:
                self.assertTrue(0 < len(text) <= 80 and len(text.encode()) <= 96, text)
        self.assertEqual(vp.driver_text(vp.Msg.PAID, "nb_NO.UTF-8"), vp.driver_text(vp.Msg.PAID, "nb"))
        self.assertEqual(vp.driver_text(vp.Msg.PAID, "xx").text, vp.driver_text(vp.Msg.PAID, "en").text)
        self.assertEqual(vp.driver_text(99, "nb").code, vp.Code.INVALID_ARGUMENT)

    def test_phone_numbers(self):
        for typed, market, msisdn in [("912 34 567", "NO", "4791234567"), ("+47 91234567", "SE", "4791234567"),
                                      ("0045 20 12 34 56", "NO", "4520123456"), ("040 123 4567", "FI", "358401234567")]:
            self.assertEqual(vp.normalize_phone(typed, market).text, msisdn)
        refused = vp.normalize_phone("22 12 34 56", "NO")
        self.assertEqual((refused.code, refused.text, refused.error.field), (vp.Code.INVALID_ARGUMENT, None, "typed"))

    def test_vat(self):
        self.assertEqual(vp.split_gross(24900, 1200), (22232, 2668))
        for gross in range(0, 2000, 7):
            for rate in (0, 1200, 1500, 2500, 10000):
                self.assertEqual(sum(vp.split_gross(gross, rate)), gross)
        with self.assertRaises(ValueError):
            vp.split_gross(-1, 1200)


def main():
    refuse_stale(from_environment("VPMETER_LIB_DIR"))
    program = unittest.main(exit=False, argv=[sys.argv[0], *sys.argv[1:]])
    result = program.result
    failed = len({case.id().split(" ")[0] for case, _ in result.failures + result.errors}) + len(result.unexpectedSuccesses)
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)


if __name__ == "__main__":
    main()
