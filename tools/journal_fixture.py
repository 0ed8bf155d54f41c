#!/usr/bin/env python3
"""Makes the rides of tests/fixtures/journal-0.1.0 with the library that is to be called old, before the simulator.

    VPMETER_LIB_DIR=OLD/build PYTHONPATH=OLD/python VPMETER_SIMULATOR=PROGRAM tools/journal_fixture.py DIRECTORY

DIRECTORY gets `journal/`, as a power cut leaves it, and `exported/`, one text of vp_export_payments a file. README.md of the
fixture tells which ride stands where.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import vpmeter as v

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "python"))
from vp_simulator import Simulator  # noqa: E402

FARE, PART = 24900, 8000
PHONE = "912 34 567"  # made up
SHORT, LONG = 400, 8000  # ms


def open_client(servers, journal):
    return v.Client(base_url=servers.url, client_id="sim-client-id", client_secret="sim-client-secret",
                    subscription_key="sim-subscription-key", msn="123456", market="NO", device="taxi-122", journal_dir=str(journal), system_name="fixture",
                    system_version="1", allow_refund=1, poll_first_ms=100, poll_every_ms=1000)


class Maker:
    def __init__(self, servers, client):
        self.servers, self.client = servers, client

    def lose(self, operation, reference, acts, times=0):
        action = "lose_answer" if acts else "reset_before"
        self.servers.faults({"operation": operation, "reference": reference, "action": action, "times": times})

    def refuse(self, operation, reference, status, code):
        body = {"type": "about:blank", "title": "Refused", "status": status, "detail": "as asked", "traceId": "00-1-1",
                "extraDetails": [{"name": "ErrorCode", "reason": str(code)}]}
        self.servers.faults({"operation": operation, "reference": reference, "action": "status", "status": status,
                             "body": body})

    def create(self, reference, wait=SHORT, **more):
        return self.client.create_push_payment(wait, reference=reference, amount=FARE, currency="NOK", phone=PHONE,
                                               description="Taxi", **{"on_approval": v.Then.HOLD, **more})

    def hold(self, reference, **more):
        expect(self.create(reference, **more), v.State.CREATED)
        self.servers.approve(reference)
        expect(self.client.poll(reference, LONG), v.State.AUTHORIZED)

    def paid(self, reference, **more):
        self.hold(reference, **more)
        expect(self.client.capture(reference, FARE, LONG), v.State.AUTHORIZED, v.Code.OK)


def expect(result, state, code=None, owed=None):
    payment = result.payment
    told = (result.code, payment and payment.state, payment and payment.owed, result.error.message)
    assert payment is not None and payment.state == state, told
    assert code is None or result.code == code, told
    assert owed is None or payment.owed & owed, told


def receipt():
    line = v.order_line(total=FARE, total_excluding_vat=22232, vat=2668, vat_rate=1200, id="ride", name="Taxi ride")
    return v.receipt([line], currency="NOK")


def online(m):
    c, s = m.client, m.servers
    # The create.
    for acts in (True, False):
        name = f"create-lost-{'acted' if acts else 'not-acted'}"
        m.lose("create", name, acts)
        m.lose("get", name, False)
        expect(m.create(name), v.State.UNKNOWN)
    expect(m.create("waiting-0001"), v.State.CREATED)
    expect(m.create("waiting-to-capture", on_approval=v.Then.CAPTURE), v.State.CREATED)
    m.hold("approved-and-held")
    # The capture.
    m.hold("capture-not-sent")
    for acts in (True, False):
        name = f"capture-lost-{'acted' if acts else 'not-acted'}"
        m.hold(name)
        m.lose("capture", name, acts)
        m.lose("get", name, False)
        m.lose("events", name, False)
        expect(c.capture(name, FARE, SHORT), v.State.AUTHORIZED, v.Code.OUTCOME_UNKNOWN)
    m.hold("capture-second-key")
    m.refuse("capture", "capture-second-key", 409, 6080)
    m.lose("capture", "capture-second-key", False)
    expect(c.capture("capture-second-key", FARE, 3000), v.State.AUTHORIZED, owed=v.Owed.CAPTURE)
    m.hold("part-second-key")
    m.refuse("capture", "part-second-key", 409, 6080)
    m.lose("capture", "part-second-key", False)
    expect(c.capture("part-second-key", PART, 3000), v.State.AUTHORIZED, owed=v.Owed.CAPTURE)
    m.hold("parts-capture-open")
    expect(c.capture("parts-capture-open", PART, LONG, v.nth(1)), v.State.AUTHORIZED, v.Code.OK)
    m.lose("capture", "parts-capture-open", True)
    m.lose("get", "parts-capture-open", False)
    m.lose("events", "parts-capture-open", False)
    expect(c.capture("parts-capture-open", PART, SHORT, v.nth(2) | v.CAPTURE_FINAL), v.State.AUTHORIZED,
           owed=v.Owed.CAPTURE)
    m.hold("parts-release-owed")
    expect(c.capture("parts-release-owed", PART, LONG, v.nth(1)), v.State.AUTHORIZED, v.Code.OK)
    m.lose("cancel", "parts-release-owed", False)
    m.lose("get", "parts-release-owed", False)
    expect(c.capture("parts-release-owed", PART, SHORT, v.nth(2) | v.CAPTURE_FINAL), v.State.AUTHORIZED,
           owed=v.Owed.RELEASE)
    # The refund.
    m.paid("refund-not-sent")
    for acts in (True, False):
        name = f"refund-lost-{'acted' if acts else 'not-acted'}"
        m.paid(name)
        m.lose("refund", name, acts)
        m.lose("get", name, False)
        m.lose("events", name, False)
        expect(c.refund(name, PART, SHORT), v.State.AUTHORIZED, owed=v.Owed.REFUND)
    m.paid("refund-second-key")
    m.refuse("refund", "refund-second-key", 409, 6160)
    m.lose("refund", "refund-second-key", False)
    expect(c.refund("refund-second-key", PART, 3000), v.State.AUTHORIZED, owed=v.Owed.REFUND)
    # The cancels.
    expect(m.create("withdraw-owed"), v.State.CREATED)
    m.lose("cancel", "withdraw-owed", False)
    expect(c.cancel("withdraw-owed", v.Cancel.IF_NOT_APPROVED, SHORT), v.State.CREATED, owed=v.Owed.ANSWER)
    m.hold("given-up-release-owed")
    m.lose("cancel", "given-up-release-owed", False)
    expect(c.cancel("given-up-release-owed", v.Cancel.GIVE_UP, SHORT), v.State.AUTHORIZED, owed=v.Owed.RELEASE)
    # The receipt.
    m.lose("receipt", "receipt-owed", False)
    m.hold("receipt-owed", receipt=receipt())
    expect(c.capture("receipt-owed", FARE, 3000), v.State.AUTHORIZED, owed=v.Owed.RECEIPT)
    # For people.
    expect(m.create("decision-owed", on_approval=v.Then.CAPTURE, decide_within_ms=1000), v.State.CREATED)
    s.approve("decision-owed")
    time.sleep(1.2)
    expect(c.poll("decision-owed", LONG), v.State.AUTHORIZED, owed=v.Owed.DECISION)
    m.hold("lost-in-the-portal")
    s.portal_cancel("lost-in-the-portal")
    expect(c.capture("lost-in-the-portal", FARE, LONG), v.State.AUTHORIZED, owed=v.Owed.LOST)
    # Closed.
    m.paid("closed-paid")
    m.paid("closed-refunded")
    expect(c.refund("closed-refunded", FARE, LONG), v.State.AUTHORIZED, v.Code.OK)
    m.create("closed-declined")
    s.decline("closed-declined")
    expect(c.poll("closed-declined", LONG), v.State.ABORTED)
    m.refuse("create", "closed-never-created", 400, 7010)
    expect(m.create("closed-never-created", LONG), v.State.NOT_CREATED)


def offline(m):
    """The servers are gone: nothing leaves the meter."""
    c = m.client
    expect(m.create("create-not-sent"), v.State.RECORDED)
    expect(c.capture("capture-not-sent", FARE, SHORT), v.State.AUTHORIZED, owed=v.Owed.CAPTURE)
    expect(c.refund("refund-not-sent", PART, SHORT), v.State.AUTHORIZED, owed=v.Owed.REFUND)


def tell(client):
    for p in client.list_payments(which=v.List.ALL)[0]:
        print(f"{p.reference:28} {getattr(p.state, 'name', p.state):12} owed {p.owed!r:40} closed {p.closed} "
              f"captured {p.captured} refunded {p.refunded}")


def main():
    target = Path(sys.argv[1])
    shutil.rmtree(target / "journal", ignore_errors=True)
    shutil.rmtree(target / "exported", ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, Simulator("--passenger", "manual") as servers:
        with open_client(servers, Path(place, "first")) as client:
            m = Maker(servers, client)
            expect(m.create("exported-waiting"), v.State.CREATED)
            m.hold("exported-capture")
            m.lose("capture", "exported-capture", True)
            m.lose("get", "exported-capture", False)
            m.lose("events", "exported-capture", False)
            client.capture("exported-capture", FARE, SHORT)
            os.makedirs(target / "exported")
            texts, result = client.export_payments()
            assert result.code == v.Code.OK and len(texts) == 2, (texts, result)
            for reference, record in texts:
                (target / "exported" / f"{reference}.json").write_text(record)
        journal = Path(place, "journal")
        with open_client(servers, journal) as client:
            m = Maker(servers, client)
            online(m)
            servers.stop()
            offline(m)
            tell(client)
            # While it is open: closing it would write nothing more, but this is what a power cut leaves.
            shutil.copytree(journal, target / "journal", ignore=shutil.ignore_patterns("lock"))


main()
