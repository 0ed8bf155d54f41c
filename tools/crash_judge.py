"""What must not be: found in the simulator's books and in what the meter was told, without the library's help."""
import os

from crash_plan import FARE

# Numbers of vpmeter.h.
VP_ERR_ALREADY_APPROVED = -73
DEAD_STATES = {4, 5, 6, 7}
RECORDED, AUTHORIZED, UNKNOWN = 1, 3, 8
PAID, TAKE_OTHER, TAKE_OTHER_RELEASE_OWED, ASK_OFFICE = 2, 4, 5, 6
DONE, POLL, CAPTURE, DECIDE, SETTLE, OFFICE = 1, 2, 3, 4, 5, 6
OWED_CAPTURE, OWED_RELEASE, OWED_RECEIPT, OWED_REFUND, OWED_DECISION, OWED_ANSWER = 1, 2, 4, 8, 16, 32
OWED_LOST, OWED_RECEIPT_REFUSED = 128, 256

ZEROS = [
    "double captures",
    "lost captures",
    "captures of a given-up ride",
    "payments reported failed or unpaid that were paid",
    "double refunds",
    "lost refunds",
    "cash allowed and captured all the same",
    "reservations neither captured nor released nor reported",
    "rides not settled within three vp_settle calls after the faults end",
    "payments reported paid or refunded that were not",
    "payment requests sent by vp_settle",
    "receipts of captured rides neither posted nor reported",
    "rides with a single fault that only the office can end",
]

# How far a ride was when it was killed.
PLACES = ["before the record", "recorded", "with the passenger", "approved", "receipt owed", "capture owed", "captured",
          "release owed", "refund owed", "over"]

# How a ride ends, by the books.
PAID_END, REFUNDED, OTHER, RELEASED, OFFICE_END, HELD = "paid", "refunded", "other", "release", "office", "held"
ENDS = [PAID_END, REFUNDED, OTHER, RELEASED, OFFICE_END, HELD]


def read_log(path, begin=0):
    """The meter's lines from a byte on: one dictionary each, numbers as numbers."""
    lines = []
    if not os.path.exists(path):
        return lines
    with open(path, encoding="utf-8") as f:
        f.seek(begin)
        for text in f:
            if not text.endswith("\n"):
                # The kernel writes a line whole or not at all; anything else is a fault of the bench.
                raise RuntimeError(f"{path}: a torn line: {text!r}")
            line = {}
            for word in text.split():
                name, _, value = word.partition("=")
                line[name] = int(value) if value.lstrip("-").isdigit() else value
            lines.append(line)
    return lines


def accepted(line, bit):
    """Whether the library took an intent: not refused as a mistake, not turned away before it was written."""
    code = line["code"]
    if -19 <= code <= -1 or code <= -90:
        return False
    if -59 <= code <= -20:
        return line["owed"] & bit != 0
    return True


class Calls:
    """The calls that were made for one payment: (begin, result or None if the process was killed in it)."""

    def __init__(self, lines):
        self.pairs = []
        begin = None
        for line in lines:
            if line["kind"] == "begin":
                if begin:
                    self.pairs.append((begin, None))
                begin = line
            elif line["kind"] == "result" and begin:
                self.pairs.append((begin, line))
                begin = None
        if begin:
            self.pairs.append((begin, None))

    def of(self, *names):
        return [(b, r) for b, r in self.pairs if b["call"] in names]


def judge(kind, reference, lines, book, settles):
    """The zeros that are not, as (name, what happened), and how the ride ended.

    `lines` are those of this payment, `book` is the simulator's, or None; `settles` are the times of all vp_settle calls
    on its journal.
    """
    found = []

    def bad(zero, detail):
        found.append((ZEROS[zero], detail))

    calls = Calls(lines)
    views = [x for x in lines if x["kind"] in ("told", "settled", "result") and x.get("verdict")]
    known = [r for b, r in calls.of("known") if r]
    final = known[-1] if known and known[-1]["verdict"] else None
    book = book or {"authorized": 0, "captured": 0, "cancelled": 0, "refunded": 0, "captures": [], "refunds": [],
                    "cancels": [], "receipt": None, "requests": [], "state": None, "created_at": None}
    captured, refunded = book["captured"], book["refunded"]
    left = book["authorized"] - captured - book["cancelled"]
    office = final and (final["next"] in (DECIDE, OFFICE) or final["owed"] & (OWED_DECISION | OWED_LOST))

    # What the driver asked for, and what the library said yes to.
    def asked(name, bit):
        every, taken = {}, {}
        for begin, result in calls.of(name):
            amount, nth = int(begin["a"]), int(begin["b"])
            every[nth] = amount
            if result and accepted(result, bit):
                taken[nth] = amount
        return every, taken

    captures, captures_taken = asked("capture", OWED_CAPTURE)
    refunds, refunds_taken = asked("refund", OWED_REFUND)
    if kind.then == "capture":
        captures.setdefault(1, FARE)
    give_ups = [r for b, r in calls.of("cancel") if b["a"] == "giveup"]
    given_up = any(r and accepted(r, OWED_RELEASE) for r in give_ups) or any(
        v["verdict"] == TAKE_OTHER_RELEASE_OWED for v in views)

    # Double captures and refunds.
    for zero, name, moves, allowed in ((0, "captures", book["captures"], captures), (4, "refunds", book["refunds"], refunds)):
        rest = list(allowed.values())
        for move in moves:
            if move["amount"] in rest:
                rest.remove(move["amount"])
            else:
                bad(zero, f"{name} {[m['amount'] for m in moves]}, asked for {sorted(allowed.values())}")
                break

    # Lost captures and refunds.
    owed_once = any(v["owed"] & OWED_CAPTURE for v in views)
    if not office:
        if sum(captures_taken.values()) > captured:
            bad(1, f"accepted {captures_taken}, captured {captured}")
        elif owed_once and captured == 0:
            bad(1, "reported as owed, and not captured")
        elif kind.then == "capture" and book["authorized"] > 0 and captured == 0 and not given_up:
            bad(1, "approved to be captured, not given up, and not captured")
        if sum(refunds_taken.values()) > refunded:
            bad(5, f"accepted {refunds_taken}, refunded {refunded}")

    if given_up and captured > 0:
        bad(2, f"given up, captured {captured}")

    # Reported failed or unpaid.
    if captured > 0:
        dead = [v for v in views if v["state"] in DEAD_STATES]
        if dead:
            bad(3, f"state {dead[0]['state']} was reported, captured {captured}")
        failed = [r for b, r in calls.of("ride", "create", "poll")
                  if r and -89 <= r["code"] <= -70 and r["code"] != VP_ERR_ALREADY_APPROVED]
        if failed:
            bad(3, f"{failed[0]['call']} returned {failed[0]['code']}, captured {captured}")
        if final and final["closed"] and refunded < captured and final["verdict"] not in (PAID, ASK_OFFICE):
            bad(3, f"closed with verdict {final['verdict']}, captured {captured}")
    done_at = {"ride": [m["at"] for m in book["captures"]], "capture": [m["at"] for m in book["captures"]],
               "refund": [m["at"] for m in book["refunds"]], "cancel": [m["at"] for m in book["cancels"]],
               "create": [book["created_at"]] if book["created_at"] else []}
    for begin, result in calls.pairs:
        # "Surely nothing happened" or "refused", by a call in which it did happen.
        if not result or not -89 <= result["code"] <= -40 or -69 <= result["code"] <= -60:
            continue
        if any(begin["at"] <= at <= result["at"] for at in done_at.get(begin["call"], [])):
            bad(3, f"{begin['call']} returned {result['code']}, and was carried out")

    # Cash.
    for view in views:
        if view["verdict"] not in (TAKE_OTHER, TAKE_OTHER_RELEASE_OWED):
            continue
        if view["refunded"] == 0 and captured > 0:
            bad(6, f"verdict {view['verdict']}, captured {captured}")
            break
        if view["refunded"] > 0 and captured > refunded:
            bad(6, f"verdict {view['verdict']} after a refund, captured {captured}, refunded {refunded}")
            break

    # At the end.
    if left > 0 and (final is None or final["next"] not in (CAPTURE, DECIDE, OFFICE)):
        bad(7, f"{left} of {book['authorized']} are reserved, next step {final and final['next']}")
    ends = [r for b, r in calls.of("settle")]
    if not known:
        bad(8, "the last process did not come to its end")
    elif final is None:
        if book["state"] is not None:
            bad(8, "the servers have a payment that the journal does not know")
    elif not final["closed"] and not office and final["next"] != CAPTURE:
        bad(8, f"state {final['state']}, next step {final['next']}, owed {final['owed']}")
    elif final["owed"] & (OWED_CAPTURE | OWED_RELEASE | OWED_RECEIPT | OWED_REFUND | OWED_ANSWER):
        bad(8, f"still owed: {final['owed']}")
    elif final["state"] in (RECORDED, UNKNOWN):
        bad(8, f"state {final['state']}")
    elif ends and ends[-1] and ends[-1]["code"] not in (0, 1):
        bad(8, f"the last vp_settle returned {ends[-1]['code']}")

    if captured == 0 and any(v["verdict"] == PAID for v in views):
        bad(9, "reported paid, and not captured")
    if any(v["refunded"] > refunded or v["captured"] > captured for v in views):
        bad(9, "more was reported than was done")
    for request in book["requests"]:
        if request["operation"] == "create" and any(a <= request["at"] <= b for a, b in settles):
            bad(10, f"a create at {request['at']}")
    posted = book["receipt"] is not None
    if kind.receipt and captured > 0 and not posted and not (final and final["owed"] & (OWED_RECEIPT | OWED_RECEIPT_REFUSED)):
        wanted = kind.then == "capture" or any(r and accepted(r, OWED_RECEIPT) for b, r in calls.of("receipt"))
        if wanted:
            bad(11, "no receipt")

    # Each zero once for a ride.
    found = list({name: (name, detail) for name, detail in reversed(found)}.values())
    return found, ending(book, final, left)


def ending(book, final, left):
    if final and final["verdict"] == ASK_OFFICE:
        return OFFICE_END
    if book["captured"] > 0:
        return REFUNDED if book["refunded"] >= book["captured"] else PAID_END
    if left > 0:
        return HELD
    return RELEASED if book["authorized"] > 0 else OTHER


def where(lines):
    """How far a ride was, by the last thing that its meter was told."""
    views = [x for x in lines if x.get("verdict")]
    if not views:
        return "before the record"
    last = views[-1]
    for bit, name in ((OWED_CAPTURE, "capture owed"), (OWED_RELEASE, "release owed"), (OWED_REFUND, "refund owed"),
                      (OWED_RECEIPT, "receipt owed")):
        if last["owed"] & bit:
            return name
    if last["state"] in DEAD_STATES or last["closed"]:
        return "over"
    if last["captured"] > 0:
        return "captured"
    return {RECORDED: "recorded", UNKNOWN: "recorded", AUTHORIZED: "approved"}.get(last["state"], "with the passenger")


def settle_times(lines):
    """From when to when vp_settle ran, also where the process was killed in it."""
    spans = []
    begin = None
    for line in lines:
        if begin is not None and (line["kind"] in ("begin", "opened") or line["kind"] == "result"):
            spans.append((begin, line["at"]))
            begin = None
        if line["kind"] == "begin" and line["call"] == "settle":
            begin = line["at"]
    if begin is not None:
        spans.append((begin, 1 << 62))
    return spans
