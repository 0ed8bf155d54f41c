"""The phone page in a real Chromium: a person pays a ride of `examples-c/taximeter.c` with it.

Needs chromium and chromedriver; with axe-core (AXE names the file) each state of the page is held against its rules of
accessibility too. `make test-browser` sets all of it up.
"""

import json
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

from ride import Merchant, Taximeter, receipt  # noqa: E402
from vp_simulator import Simulator  # noqa: E402
from webdriver import ENTER, SPACE, TAB, Browser  # noqa: E402

TAXIMETER = Path(os.environ.get("VPMETER_LIB_DIR", ROOT / "build")) / "taximeter"
AXE = os.environ.get("AXE")
# Wider than both columns need, and the narrowest phone that is in use.
SIZES = [(1440, 900), (360, 740)]
PHONE = "91234567"

browser = None


def setUpModule():
    global browser
    if not TAXIMETER.is_file():
        sys.exit(f"there is no {TAXIMETER}: run `make examples`")
    browser = Browser()


def tearDownModule():
    browser.close()


class Page(unittest.TestCase):
    arguments = ()
    #: Was there none for a while? Then the browser says so.
    without_simulator = False

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="vp-page-")
        self.addCleanup(shutil.rmtree, self.scratch)
        self.simulator = Simulator("--passenger", "manual", "--check-answers", "crash", *self.arguments)
        self.addCleanup(self.simulator.stop)
        browser.look(*SIZES[0], "light")

    def open(self, url=None):
        browser.open(f"{url}/phone" if url else self.simulator.phone)
        browser.until("return document.body.dataset.live === 'true' && document.querySelector('.lock')", what="the lock screen")
        self.addCleanup(self.leave)

    def leave(self):
        # A fault in a script or a breach of the content policy is said there.
        complaints = browser.complaints()
        # Before its simulator ends.
        browser.open("about:blank")
        self.assertEqual([line for line in complaints if not self.without_simulator or "net::ERR_" not in line], [])

    def sees(self, text, where="#screen"):
        browser.until("return document.querySelector(arguments[0]).innerText.replace(/\\s+/g, ' ').includes(arguments[1])",
                      where, text, what=f"{text!r} in {where}")

    def text(self, where):
        return browser.run("return document.querySelector(arguments[0]).innerText.replace(/\\s+/g, ' ')", where)

    def row(self, table, key):
        """The cells of the table's row that has this text in it."""
        return browser.until(
            "const row = [...document.querySelectorAll(`#${arguments[0]} tr`)].find((row) => row.innerText.includes(arguments[1]));"
            "return row && [...row.cells].map((cell) => cell.innerText.replace(/\\s+/g, ' ').trim())", table, key,
            what=f"{key!r} in {table}")

    def tab_to(self, text):
        """By keyboard alone; what has the focus must be seen to have it."""
        for _ in range(60):
            browser.keys(TAB)
            if text in browser.focused():
                outline = browser.run("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
                self.assertEqual(outline, ["solid", "3px"], text)
                return
        self.fail(f"the tab key does not lead to {text!r}")

    def ride(self, fare="249,00"):
        meter = Taximeter(TAXIMETER, self.simulator, f"{self.scratch}/journal")
        self.addCleanup(meter.close)
        meter.type("Fare", fare)
        meter.type("Phone number: ", "912 34 567")
        return meter

    def payment(self):
        payments = self.simulator.ledger()
        self.assertEqual(len(payments), 1)
        return payments[0]

    def only(self):
        """No full number anywhere in the page, or in what it keeps."""
        held = browser.run("return document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage, document.cookie])")
        self.assertNotIn(PHONE, held)


class Rides(Page):
    arguments = ("--tls",)

    def test_a_click_approves_while_the_taximeter_waits(self):
        self.open(self.simulator.url)
        meter = self.ride()
        browser.click("Payment request")
        for text in ("Kerbside Taxi", "MSN 123456", "NOK 249.00", "Taxi ride", "Time to answer"):
            self.sees(text)
        self.assertRegex(self.text("[role=timer]"), r"(9:[0-5]\d|10:00)$")
        browser.click("Approve NOK 249.00")
        meter.wait_for("PASSENGER MAY LEAVE: yes")
        self.sees("Paid")
        self.sees("Receipt Kerbside Taxi")
        for text in ("No. 000001", "VAT 12 % of 222.32 26.68", "Total NOK 249.00"):
            self.sees(text)
        self.assertEqual(self.row("requests", "receipt")[2:5], ["receipt", "201", "yes"])
        self.assertEqual(self.row("ledger", "AUTHORIZED")[1:8], ["AUTHORIZED paid", "249.00 NOK", "0", "249.00", "0", "0", "yes"])
        payment = self.payment()
        self.assertEqual((payment["capture_count"], payment["captured"]), (1, 24900))
        self.only()
        self.assertIn("PASSENGER MAY LEAVE: yes", meter.close())

    def test_the_keyboard_alone_declines(self):
        self.open()
        meter = self.ride()
        self.tab_to("Payment request")
        browser.keys(ENTER)
        self.sees("Time to answer")
        self.assertEqual(browser.focused(), "Payment request", "the focus goes to the title of the new screen")
        self.tab_to("Decline")
        browser.keys(SPACE)
        meter.wait_for("PASSENGER MAY LEAVE: no")
        self.sees("You have declined. Nothing was charged.")
        self.assertEqual(browser.focused(), "Payment", "the focus stays on the phone")
        self.assertEqual(self.payment()["state"], "ABORTED")
        self.tab_to("Payments")
        browser.keys(ENTER)
        self.sees("Declined")

    def test_do_it_and_lose_the_answer_set_on_the_page(self):
        self.open()
        browser.run("document.querySelector('#fault-operation').value = 'capture'")
        browser.click("Add rule")
        self.assertEqual(self.row("faults", "capture")[1:5], ["capture", "Do it and lose the answer", "0", "0"])
        meter = self.ride()
        browser.click("Payment request")
        browser.click("Approve")
        meter.wait_for("PASSENGER MAY LEAVE: yes")
        self.assertEqual(self.row("requests", "lose_answer")[2:6], ["capture", "none", "yes", "lose_answer"])
        browser.until("return document.querySelector('#faults td:nth-of-type(4)').innerText === '1'", what="the rule has fired")
        self.assertEqual(self.payment()["capture_count"], 1)
        browser.click("Clear all")
        self.sees("No rule", "#operator")


class Screens(Page):
    def setUp(self):
        super().setUp()
        self.open()
        self.merchant = Merchant(self.simulator)

    def test_order_lines_before_and_the_story_afterwards(self):
        self.merchant.ask("ride-0001", 31400, receipt=receipt(28400, 3000))
        browser.click("Payment request")
        for text in ("Taxi ride 12.4 km × 17.50 284.00", "Toll 30.00", "VAT 12 % of 280.36 33.64", "Total NOK 314.00"):
            self.sees(text)
        browser.click("Approve")
        self.sees("Reserved NOK 314.00 NOK 314.00 is reserved. The merchant has not taken it yet.")
        self.merchant.adjust("ride-0001", "capture", 30000, "c-1")
        self.sees("NOK 300.00 is paid, NOK 14.00 still reserved.")
        self.simulator.portal_cancel("ride-0001")
        self.sees("NOK 300.00 is paid. NOK 14.00 was released.")
        self.merchant.adjust("ride-0001", "refund", 30000, "r-1")
        self.sees("All of it, NOK 300.00, was paid back.")
        browser.click("Payments")
        self.sees("NOK 314.00 Refunded")

    def test_an_approval_takes_a_moment_in_which_nothing_is_cancelled(self):
        self.simulator.freeze()
        self.merchant.ask("ride-0001", 24900)
        browser.click("Payment request")
        browser.click("Approve")
        self.sees("Approving…")
        self.sees("The clock of the servers stands still")
        self.assertEqual(self.merchant.refused("POST", "/epayment/v1/payments/ride-0001/cancel", {}, "x-1"), 423)
        browser.click("+1 min")
        self.sees("Reserved")

    def test_a_slow_approval_is_seen_when_it_begins(self):
        self.simulator.freeze()
        self.simulator.passenger("busy-from=1s,approve-after=9m")
        self.merchant.ask("ride-0001", 24900)
        browser.click("Payment request")
        browser.button("Approve NOK 249.00")
        self.simulator.freeze(False)
        self.sees("Approving…")
        self.simulator.advance(9 * 60_000)
        self.sees("Reserved")

    def test_a_card_is_refused_and_another_one_does(self):
        self.merchant.ask("ride-0001", 24900)
        browser.click("Payment request")
        for card, text in (("Credit card", "The bank has refused this card."), ("Debit card •• 0056", "There is not enough money")):
            browser.run("[...document.querySelectorAll('.card')].find((card) => card.innerText.includes(arguments[0])).click()",
                        card.replace("•• ", "••\u2009"))
            browser.click("Approve")
            self.sees(text)
            browser.button("Approve NOK 249.00")
        self.assertEqual(self.payment()["state"], "CREATED")
        browser.run("document.querySelector('.card input').click()")
        browser.click("Approve")
        self.sees("Reserved")

    def test_expiry_and_a_cancel_are_seen_at_once(self):
        self.merchant.ask("ride-0001", 24900)
        browser.click("Payment request")
        browser.click("Stop clock")
        browser.button("Run clock")
        browser.click("+10 min")
        self.sees("Expired")
        self.sees("Expired. Nobody answered in time.", "#announcement")
        self.merchant.ask("ride-0002", 24900)
        browser.click("Payments")
        browser.click("Waiting")
        self.merchant.call("POST", "/epayment/v1/payments/ride-0002/cancel", {}, "x-2")
        self.sees("The merchant has withdrawn the request.")

    def test_the_operator_says_what_passengers_do(self):
        browser.run("document.querySelector('#rule').value = 'card-refused,then-approve-after=5s'")
        browser.click("Set")
        self.sees("Now: Card refused, another works 5 s later", "#who ~ p")
        self.simulator.freeze()
        self.merchant.ask("ride-0001", 24900)
        browser.click("Payment request")
        self.sees("The bank has refused this card.")
        self.simulator.advance(5000)
        self.sees("Reserved")

    def test_each_number_has_a_phone(self):
        self.merchant.ask("ride-0001", 24900)
        self.sees("Kerbside Taxi asks for NOK 249.00")
        self.sees("New payment request: Kerbside Taxi, NOK 249.00", "#announcement")
        self.merchant.ask("ride-0002", 18000, phone="4798765432")
        names = browser.until("const all = [...document.querySelector('#phones').options]; return all.length === 2 && all.map((o) => o.text)")
        self.assertEqual(names, ["Phone ••\u200967, 1 waiting", "Phone ••\u200932, 1 waiting"])
        self.assertNotIn("NOK 180.00", self.text("#screen"), "the phone in the hand stays")
        browser.click("Payment request")
        browser.click("Decline")
        self.sees("Declined")
        browser.click("rings")
        self.sees("Kerbside Taxi asks for NOK 180.00")
        self.only()

    def test_details_of_a_request_are_masked(self):
        self.merchant.ask("ride-0001", 24900)
        number = self.row("requests", "create")[0]
        browser.run("document.querySelector(`[aria-label^='Request ${arguments[0]}:']`).click()", number)
        self.sees('"phoneNumber": "********67"', "#details")
        self.sees('"ocp-apim-subscription-key": "***"', "#details")
        self.only()
        browser.click("Close")
        self.assertFalse(browser.run("return document.querySelector('#details').open"))

    def test_the_code_of_a_refusal_and_its_body(self):
        self.merchant.ask("ride-0001", 24900)
        self.assertEqual(self.merchant.refused("POST", "/epayment/v1/payments/ride-0001/capture",
                                               {"modificationAmount": {"value": 24900, "currency": "NOK"}}, "c-1"), 400)
        row = self.row("requests", "capture")
        self.assertEqual(row[2:5], ["capture", "400 6080", "no"])
        browser.run("document.querySelector(`[aria-label^='Request ${arguments[0]}:']`).click()", row[0])
        self.sees('"code": "6080"', "#details")
        self.sees('"title": "Cannot capture before reservation"', "#details")

    def test_a_simulator_that_comes_back_is_found_again(self):
        port = self.simulator.control.rsplit(":", 1)[1]
        self.merchant.ask("ride-0001", 24900)
        self.sees("asks for")
        self.without_simulator = True
        self.simulator.stop()
        self.sees("No connection", "#live")
        again = Simulator("--passenger", "manual", "--check-answers", "crash", "--control-port", port)
        self.addCleanup(again.stop)
        self.sees("Live", "#live")
        self.sees("Payment requests arrive here")
        Merchant(again).ask("ride-0002", 12300)
        self.sees("asks for NOK 123.00")


class Strangers(Page):
    EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    arguments = ("--merchant-name", f"Bad {EVIL}")

    def test_what_comes_from_outside_is_text(self):
        self.open()
        merchant = Merchant(self.simulator)
        lines = receipt(24900, 0)
        lines["orderLines"][0]["name"] = f"Line {self.EVIL}"
        lines["bottomLine"]["receiptNumber"] = f"Number {self.EVIL}"
        merchant.ask("ride-0001", 24900, paymentDescription=f"About {self.EVIL}"[:100], receipt=lines)
        merchant.refused("GET", "/epayment/v1/payments/%3Cscript%3Edocument.title=3%3C%2Fscript%3E")
        merchant.refused("POST", "/epayment/v1/payments/ride-0001/capture", {}, '<b onclick="x">key')
        before = browser.run("return document.querySelectorAll('*').length")
        browser.click("Payment request")
        for text in ("Bad <img src=x", "About <img src=x", "Line <img src=x onerror"):
            self.sees(text)
        self.row("requests", "<script>document.title=3</script>")
        self.row("requests", '<b onclick="x">key')
        browser.click("Approve")
        self.sees("Number <img src=x onerror")
        self.assertEqual(browser.run("return document.querySelectorAll('img, #main script, [onerror], [onclick]').length"), 0)
        self.assertGreater(before, 0)
        self.assertRegex(browser.run("return document.title"), "^Phone")


class Looks(Page):
    """Every screen, wide and narrow, light and dark: nothing sticks out, and the rules of axe-core are kept."""

    def look(self, name):
        for width, height in SIZES:
            for scheme in ("light", "dark"):
                browser.look(width, height, scheme)
                with self.subTest(screen=name, width=width, scheme=scheme):
                    seen, has = browser.run("return [innerWidth, document.documentElement.scrollWidth]")
                    self.assertEqual((seen, has <= width), (width, True), f"{has} pixels wide")
                    inside = browser.run("const s = document.querySelector('#screen > *'); return s.scrollWidth - s.clientWidth")
                    self.assertLessEqual(inside, 0, "the phone's own screen")
                    self.obeys()

    def obeys(self):
        if not AXE:
            return
        if not browser.run("return 'axe' in window"):
            browser.run(Path(AXE).read_text() + "; window.axe = axe")
        wanted = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
        result = browser.run_async(
            "const done = arguments[1]; axe.run(document, arguments[0]).then((result) => done(result.violations.map((v) => "
            "[v.id, v.help, v.nodes.map((node) => `${node.html} ${node.failureSummary}`)])), (error) => done([String(error)]))", wanted)
        self.assertEqual(result, [], json.dumps(result, indent=1)[:3000])

    def test_every_screen(self):
        self.open()
        self.look("empty")
        merchant = Merchant(self.simulator)
        merchant.ask("ride-0001", 31400, receipt=receipt(28400, 3000))
        self.sees("asks for")
        self.look("lock screen")
        browser.click("Payment request")
        self.look("request")
        browser.run("document.querySelectorAll('.card input')[1].click()")
        browser.click("Approve")
        self.sees("The bank has refused this card.")
        browser.button("Approve NOK")
        self.look("refused card")
        browser.run("document.querySelectorAll('.card input')[0].click()")
        self.simulator.freeze()
        browser.click("Approve")
        self.sees("Approving")
        self.look("approving")
        self.simulator.freeze(False)
        self.sees("Reserved")
        self.simulator.faults({"operation": "capture", "action": "lose_answer"}, {"operation": "*", "action": "delay", "ms": 1, "nth": 99})
        merchant.refused("POST", "/epayment/v1/payments/ride-0001/capture",
                         {"modificationAmount": {"value": 31400, "currency": "NOK"}}, "c-1")
        merchant.ask("ride-0002", 65000000, phone="4798765432", paymentDescription="W" * 100)
        self.sees("Paid")
        browser.button("rings")
        self.look("paid, with a receipt")
        browser.click("Payments")
        self.look("payments")
        browser.click("rings")
        browser.click("Payment request")
        self.look("a large amount and a long word")
        browser.click("Decline")
        self.sees("Declined")
        self.look("declined")
        browser.look(*SIZES[1], "light")
        browser.click("Operator")
        self.look("operator")
        browser.run("document.querySelector('#requests button').click()")
        browser.until("return document.querySelector('#details').open")
        self.look("details")

    def test_roles_and_names(self):
        self.open()
        Merchant(self.simulator).ask("ride-0001", 24900)
        role, name = browser.computed(browser.button("Payment request"))
        self.assertEqual(role, "button")
        self.assertIn("Kerbside Taxi asks for NOK 249.00", name.replace("\u00a0", " "))
        browser.click("Payment request")
        found = {browser.computed(element) for element in browser.until(
            "const all = [...document.querySelectorAll('button, select, input, section, [role]')].filter((e) => e.checkVisibility());"
            "return all.length > 20 && all")}
        found = {(role, name.replace("\u00a0", " ").replace("\u2009", " ")) for role, name in found}
        for wanted in [("button", "Approve NOK 249.00"), ("button", "Decline"), ("region", "Passenger"), ("region", "Operator"),
                       ("combobox", "What passengers do"), ("combobox", "Speed"), ("spinbutton", "times"),
                       ("region", "Requests and answers"), ("radio", "Debit card •• 4021 It works")]:
            self.assertIn(wanted, found)
        nameless = [role for role, name in found if role in ("button", "combobox", "radio", "spinbutton") and not name]
        self.assertEqual(nameless, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
