"""What must not be: found in the simulator's books and in what the meter was told, without the library's help."""
import os

from crash_plan import FARE

# Numbers of vpmeter.h.
VP_ERR_ALREADY_APPROVED = -73
RECORDED, CREATED, AUTHORIZED, UNKNOWN = 1, 2, 3, 8
DEAD_STATES = {4, 5, 6, 7}
PAID, TAKE_OTHER, TAKE_OTHER_RELEASE_OWED, ASK_OFFICE = 2, 4, 5, 6
CAPTURE, DECIDE, OFFICE = 3, 4, 6
OWED_CAPTURE, OWED_RELEASE, OWED_RECEIPT, OWED_REFUND, OWED_DECISION, OWED_ANSWER = 1, 2, 4, 8, 16, 32
OWED_LOST, OWED_RECEIPT_REFUSED = 128, 256

DOUBLE_CAPTURES = "double captures"
LOST_CAPTURES = "lost captures"
GIVEN_UP = "captures of a given-up ride"
FALSE_FAILURES = "payments reported failed or unpaid that were paid"
DOUBLE_REFUNDS = "double refunds"
LOST_REFUNDS = "lost refunds"
CASH = "cash allowed and captured all the same"
RESERVATIONS = "reservations neither captured nor released nor reported"
UNSETTLED = "rides not settled by three vp_settle calls, each after a time of the law"
FALSE_SUCCESSES = "payments reported paid or refunded that were not"
LATE_CREATES = "payment requests sent by vp_settle"
LOST_RECEIPTS = "receipts of captured rides neither posted nor reported"
NEEDLESS = "rides with a single fault that only the office can end"
ZEROS = [DOUBLE_CAPTURES, LOST_CAPTURES, GIVEN_UP, FALSE_FAILURES, DOUBLE_REFUNDS, LOST_REFUNDS, CASH, RESERVATIONS,
         UNSETTLED, FALSE_SUCCESSES, LATE_CREATES, LOST_RECEIPTS, NEEDLESS]

# How far a ride was when it was killed.
PLACES = ["before the record", "recorded", "with the passenger", "approved", "receipt owed", "capture owed", "captured",
          "release owed", "refund owed", "over"]

# How a ride ends, by the books.
PAID_END, REFUNDED, OTHER, RELEASED, OFFICE_END, HELD = "paid", "refunded", "other", "release", "office", "held"
ENDS = [PAID_END, REFUNDED, OTHER, RELEASED, OFFICE_END, HELD]

# The simulator and the meter may round the same moment differently.
SKEW_MS = 2

NO_BOOK = {"authorized": 0, "captured": 0, "cancelled": 0, "refunded": 0, "captures": [], "refunds": [], "cancels": [],
           "receipt": None, "requests": [], "state": None, "created_at": None}


def read_log(path, begin=0):
    """The meter's lines from a byte on: one dictionary each, numbers as numbers."""
    lines = []
    if not os.path.exists(path):
        return lines
    with open(path, encoding="utf-8") as f:
        f.seek(begin)
        for text in f:
            # A SIGKILL can cut a write where a page ends: nobody was told that line.
            if not text.endswith(" .\n"):
                continue
            line = {}
            for word in text.split()[:-1]:
                name, _, value = word.partition("=")
                line[name] = int(value) if value.lstrip("-").isdigit() else value
            lines.append(line)
    return lines


def calls_of(lines):
    """The calls that were made: (begin, result, or None where the process was killed in it)."""
    calls = []
    begin = None
    for line in lines:
        if line["kind"] == "begin":
            if begin:
                calls.append((begin, None))
            begin = line
        elif line["kind"] == "result" and begin:
            calls.append((begin, line))
            begin = None
    if begin:
        calls.append((begin, None))
    return calls


def settle_times(lines):
    """From when to when vp_settle ran, also where the process was killed in it."""
    spans = []
    begin = None
    for line in lines:
        if begin is not None and line["kind"] in ("begin", "opened", "result"):
            spans.append((begin, line["at"]))
            begin = None
        if line["kind"] == "begin" and line["call"] == "settle":
            begin = line["at"]
    if begin is not None:
        spans.append((begin, 1 << 62))
    return spans


def accepted(result, bit):
    """Whether the library took an intent: not refused as a mistake, not turned away before it was written."""
    if result is None or -19 <= result["code"] <= -1 or result["code"] <= -90:
        return False
    if -59 <= result["code"] <= -20:
        return result["owed"] & bit != 0
    return True


def says_not_done(code):
    """ "Surely nothing happened", and "refused, and proven so"."""
    return -59 <= code <= -40 or -89 <= code <= -70


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
    return {CREATED: "with the passenger", AUTHORIZED: "approved"}.get(last["state"], "recorded")


def at_the_office(view):
    return view["next"] in (DECIDE, OFFICE) or view["owed"] & (OWED_DECISION | OWED_LOST) != 0


class Judge:
    """Holds one ride against its promises.

    `lines` are those of this payment; `book` is the simulator's, or None; `settles` are the times of all calls of
    vp_settle on its journal.
    """

    def __init__(self, kind, lines, book, settles):
        self.kind = kind
        self.settles = settles
        self.book = book or NO_BOOK
        self.captured = self.book["captured"]
        self.refunded = self.book["refunded"]
        self.left = self.book["authorized"] - self.captured - self.book["cancelled"]
        self.calls = calls_of(lines)
        # Everything that was said of the payment, before and after each kill.
        self.views = [x for x in lines if x["kind"] in ("told", "settled", "result") and x.get("verdict")]
        # What was known after the times of doubt, and at the very end.
        self.known = list({result["step"]: result for _, result in self.of("known") if result}.values())
        self.final = self.known[-1] if self.known and self.known[-1]["verdict"] else None
        self.captures, self.captures_taken = self.asked("capture", OWED_CAPTURE)
        self.refunds, self.refunds_taken = self.asked("refund", OWED_REFUND)
        if kind.then == "capture":
            self.captures.setdefault(1, FARE)
        give_ups = [result for begin, result in self.of("cancel", "decide") if begin["a"] == "giveup"]
        self.given_up = any(accepted(result, OWED_RELEASE) for result in give_ups) or any(
            view["verdict"] == TAKE_OTHER_RELEASE_OWED for view in self.views)
        self.found = {}

    def of(self, *names):
        return [(begin, result) for begin, result in self.calls if begin["call"] in names]

    def asked(self, name, bit):
        """Amounts by number: what the driver asked for, and what the library said yes to."""
        every, taken = {}, {}
        for begin, result in self.of(name):
            every[begin["b"]] = begin["a"]
            if accepted(result, bit):
                taken[begin["b"]] = begin["a"]
        return every, taken

    def bad(self, zero, detail):
        self.found.setdefault(zero, detail)

    def judge(self):
        """The zeros that are not, each with what happened."""
        self.doubles(DOUBLE_CAPTURES, self.book["captures"], self.captures)
        self.doubles(DOUBLE_REFUNDS, self.book["refunds"], self.refunds)
        self.losses()
        if self.given_up and self.captured > 0:
            self.bad(GIVEN_UP, f"given up, captured {self.captured}")
        if self.captured > 0:
            self.called_dead()
        self.called_not_done()
        self.cash()
        self.reservations()
        self.unsettled()
        self.false_successes()
        self.late_creates()
        self.lost_receipts()
        return self.found

    def doubles(self, zero, moves, allowed):
        rest = list(allowed.values())
        for move in moves:
            if move["amount"] not in rest:
                self.bad(zero, f"{[m['amount'] for m in moves]}, asked for {sorted(allowed.values())}")
                return
            rest.remove(move["amount"])

    def losses(self):
        if self.final and at_the_office(self.final):
            return
        if sum(self.captures_taken.values()) > self.captured:
            self.bad(LOST_CAPTURES, f"accepted {self.captures_taken}, captured {self.captured}")
        elif self.captured == 0 and any(view["owed"] & OWED_CAPTURE for view in self.views):
            self.bad(LOST_CAPTURES, "reported as owed, and not captured")
        elif self.kind.then == "capture" and self.book["authorized"] > 0 and self.captured == 0 and not self.given_up:
            self.bad(LOST_CAPTURES, "approved to be captured, not given up, and not captured")
        if sum(self.refunds_taken.values()) > self.refunded:
            self.bad(LOST_REFUNDS, f"accepted {self.refunds_taken}, refunded {self.refunded}")

    def called_dead(self):
        for view in self.views:
            if view["state"] in DEAD_STATES:
                self.bad(FALSE_FAILURES, f"state {view['state']} was reported, captured {self.captured}")
        for begin, result in self.of("ride", "create", "poll"):
            if result and -89 <= result["code"] <= -70 and result["code"] != VP_ERR_ALREADY_APPROVED:
                self.bad(FALSE_FAILURES, f"{begin['call']} returned {result['code']}, captured {self.captured}")
        final = self.final
        if final and final["closed"] and self.refunded < self.captured and final["verdict"] not in (PAID, ASK_OFFICE):
            self.bad(FALSE_FAILURES, f"closed with verdict {final['verdict']}, captured {self.captured}")

    def called_not_done(self):
        """A call that said that nothing happened, while what it did stands in the books."""
        book = self.book
        moves = {"ride": "captures", "capture": "captures", "refund": "refunds", "cancel": "cancels",
                 "decide": "captures"}
        done = {call: [move["at"] for move in book[name]] for call, name in moves.items()}
        done["create"] = [book["created_at"]] if book["created_at"] else []
        for call, times in done.items():
            for at in times:
                # Where two calls touch, the later one did it; one with a wait of 0 sends nothing.
                begin, result = ([(b, r) for b, r in self.of(call) if b["at"] <= at + SKEW_MS] or [(None, None)])[-1]
                if result and begin["c"] != "later" and says_not_done(result["code"]) and at <= result["at"]:
                    self.bad(FALSE_FAILURES, f"{begin['call']} returned {result['code']}, and was carried out")

    def cash(self):
        for view in self.views:
            if view["verdict"] not in (TAKE_OTHER, TAKE_OTHER_RELEASE_OWED):
                continue
            if self.captured > (self.refunded if view["refunded"] > 0 else 0):
                self.bad(CASH, f"verdict {view['verdict']}, captured {self.captured}, refunded {self.refunded}")

    def reservations(self):
        if self.left > 0 and (self.final is None or self.final["next"] not in (CAPTURE, DECIDE, OFFICE)):
            step = self.final and self.final["next"]
            self.bad(RESERVATIONS, f"{self.left} of {self.book['authorized']} are reserved, next step {step}")

    def unsettled(self):
        if len(self.known) < 2:
            self.bad(UNSETTLED, "the last process did not come to its end")
            return
        settled = [result for _, result in self.of("settle")]
        reason = self.why_unsettled(self.known[-1])
        if reason:
            self.bad(UNSETTLED, reason)
        elif settled[-1] and settled[-1]["code"] not in (0, 1):
            self.bad(UNSETTLED, f"the last vp_settle returned {settled[-1]['code']}")

    def slow(self):
        """Settled, but not before the longest time of the law was over."""
        return len(self.known) > 1 and bool(self.why_unsettled(self.known[-2])) and not self.why_unsettled(self.known[-1])

    def why_unsettled(self, last):
        """Of what vp_known_payment has said."""
        if not last["verdict"]:
            return "the servers have a payment that the journal does not know" if self.book["state"] is not None else None
        if not last["closed"] and not at_the_office(last) and last["next"] != CAPTURE:
            return f"state {last['state']}, next step {last['next']}, owed {last['owed']}"
        if last["owed"] & (OWED_CAPTURE | OWED_RELEASE | OWED_RECEIPT | OWED_REFUND | OWED_ANSWER):
            return f"still owed: {last['owed']}"
        return f"state {last['state']}" if last["state"] in (RECORDED, UNKNOWN) else None

    def false_successes(self):
        for view in self.views:
            if view["verdict"] == PAID and self.captured == 0:
                self.bad(FALSE_SUCCESSES, "reported paid, and not captured")
            if view["captured"] > self.captured or view["refunded"] > self.refunded:
                self.bad(FALSE_SUCCESSES, "more was reported than was done")

    def late_creates(self):
        for request in self.book["requests"]:
            if request["operation"] == "create" and any(
                    a <= request["at"] < b - SKEW_MS for a, b in self.settles):
                self.bad(LATE_CREATES, f"a create at {request['at']}")

    def lost_receipts(self):
        reported = self.final and self.final["owed"] & (OWED_RECEIPT | OWED_RECEIPT_REFUSED)
        if not self.kind.receipt or self.captured == 0 or self.book["receipt"] is not None or reported:
            return
        if self.kind.then == "capture" or any(accepted(result, OWED_RECEIPT) for _, result in self.of("receipt")):
            self.bad(LOST_RECEIPTS, "no receipt")

    def end(self):
        """How the ride ended."""
        if self.final and self.final["verdict"] == ASK_OFFICE:
            return OFFICE_END
        if self.captured > 0:
            return REFUNDED if self.refunded >= self.captured else PAID_END
        if self.left > 0:
            return HELD
        return RELEASED if self.book["authorized"] > 0 else OTHER
