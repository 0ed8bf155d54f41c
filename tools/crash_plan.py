"""What the crash matrix runs: kinds of rides, faults, what becomes of the process, and the plan of random rides."""
import random
from dataclasses import dataclass, field

FARE = 24_900
FIRST_PART = 10_000
SECOND_PART = 9_900


@dataclass(frozen=True)
class Kind:
    """A kind of ride: what the driver presses, and what the passenger does."""

    name: str
    title: str
    steps: tuple
    # Requests of it that meet the faults: (operation, which one of them).
    requests: tuple
    then: str = "capture"
    receipt: int = 0
    passenger: str = "approve-after=3s"
    switches: dict = field(default_factory=dict)
    # Faults that make the wanted request happen.
    prelude: tuple = ()
    tls: bool = False


CAPTURE = f"capture:{FARE}:1:final"
PROLOGUE = ("create", "poll:60000")

KINDS = [
    Kind("ride", "ride in one call", ("ride",), receipt=FARE,
         requests=(("token", 1), ("create", 1), ("get", 1), ("receipt", 1), ("capture", 1))),
    Kind("order", "ride, the receipt's answer lost", ("ride",), receipt=FARE,
         prelude=({"operation": "receipt", "action": "reset_after"},), requests=(("order", 1),)),
    Kind("proof", "ride, sums shown late", ("ride",), receipt=FARE, switches={"adjust-aggregate": "lagging:20000"},
         requests=(("capture", 1), ("get", 2), ("events", 1))),
    Kind("events", "ride, then its log is read", ("ride", "events"), requests=(("events", 1),)),
    Kind("steps", "ride in steps, held", PROLOGUE + ("receipt", CAPTURE), then="hold", receipt=FARE,
         requests=(("create", 1), ("get", 1), ("receipt", 1), ("capture", 1))),
    Kind("split", "two captures, the rest released",
         PROLOGUE + (f"capture:{FIRST_PART}:1:open", f"capture:{SECOND_PART}:2:final"), then="hold",
         requests=(("capture", 1), ("capture", 2), ("cancel", 1))),
    Kind("rest", "one capture, then release the rest", PROLOGUE + (f"capture:{FIRST_PART}:1:open", "cancel:rest"),
         then="hold", requests=(("capture", 1), ("cancel", 1))),
    Kind("withdraw", "cancel if not approved", ("create", "cancel:if"), passenger="ignore",
         requests=(("token", 1), ("create", 1), ("cancel", 1))),
    Kind("race", "the same, the passenger is faster", ("create", "cancel:if", CAPTURE), passenger="approve-on-cancel",
         requests=(("cancel", 1), ("get", 1), ("capture", 1))),
    Kind("giveup", "give up, not approved", ("create", "cancel:giveup"), passenger="ignore",
         requests=(("create", 1), ("cancel", 1))),
    Kind("late", "give up, the passenger is faster", ("create", "cancel:giveup"), passenger="approve-on-cancel",
         requests=(("cancel", 1),)),
    Kind("approved", "give up, approved and held", PROLOGUE + ("cancel:giveup",), then="hold",
         requests=(("get", 1), ("cancel", 1))),
    Kind("declined", "ride, the passenger declines", ("ride",), receipt=FARE, passenger="decline-after=2s",
         requests=(("create", 1), ("get", 1))),
    Kind("early", "receipt first, the passenger declines", ("create", "receipt", "poll:60000"), then="hold",
         receipt=FARE, passenger="decline-after=2s", requests=(("receipt", 1),)),
    Kind("refund", "ride, then all of it refunded", ("ride", f"refund:{FARE}:1"), requests=(("refund", 1),)),
    Kind("parts", "ride, then refunded in two parts",
         ("ride", f"refund:{FIRST_PART}:1", f"refund:{FARE - FIRST_PART}:2"), requests=(("refund", 1), ("refund", 2))),
    Kind("latecaptures", "two captures, sums shown late",
         PROLOGUE + (f"capture:{FIRST_PART}:1:open", f"capture:{SECOND_PART}:2:final"), then="hold",
         switches={"adjust-aggregate": "lagging:20000"}, requests=(("capture", 1), ("capture", 2), ("cancel", 1))),
    Kind("laterefunds", "ride, then refunded in two parts, sums shown late",
         ("ride", f"refund:{FIRST_PART}:1", f"refund:{FARE - FIRST_PART}:2"),
         switches={"adjust-aggregate": "lagging:20000"}, requests=(("refund", 1), ("refund", 2))),
    Kind("worker", "a worker captures, and refunds a part",
         PROLOGUE + (f"capture:{FARE}:1:later", "work:20000", f"refund:{FIRST_PART}:1:later", "work:20000"), then="hold",
         requests=(("capture", 1), ("refund", 1))),
    Kind("decide", "approved long after, the office captures", ("create", "wait:960000", "settle:60000", "decide:capture"),
         requests=(("capture", 1),)),
    Kind("decline", "approved long after, the office gives up", ("create", "wait:960000", "settle:60000", "decide:giveup"),
         requests=(("cancel", 1),)),
    Kind("tls", "ride over TLS", ("ride",), receipt=FARE, tls=True, requests=(("create", 1), ("capture", 1))),
]
KIND = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Fault:
    name: str
    rule: dict
    # The servers act after the client has given up or is dead. Then moved time takes real time too.
    late: bool = False

    @property
    def for_good(self):
        return self.rule.get("times") == 0


def status(number, **more):
    return {"action": "status", "status": number, **more}


FOR_GOOD = {"times": 0}
FAULTS = [
    Fault("refused", {"action": "refuse"}),
    Fault("reset before", {"action": "reset_before"}),
    Fault("act, reset", {"action": "reset_after"}),
    Fault("act, stall", {"action": "stall_after"}),
    Fault("act, 500", status(500, act=True)),
    Fault("act, cut short", {"action": "truncate_after"}),
    Fault("act, garbage", {"action": "garbage_after"}),
    Fault("act late", {"action": "delay", "ms": 200}, late=True),
    Fault("garbage, not done", {"action": "garbage_before"}),
    Fault("401", status(401)),
    Fault("401 for good", status(401, **FOR_GOOD)),
    Fault("423", status(423)),
    Fault("429", status(429)),
    Fault("429, later", status(429, headers={"Retry-After": "20"})),
    Fault("503", status(503)),
    Fault("dead zone", {"action": "reset_before", **FOR_GOOD}),
    Fault("act, reset for good", {"action": "reset_after", **FOR_GOOD}),
]

# What becomes of the process.
GOES_ON, SETTLES, AGAIN, TWICE = "goes on", "killed, settles", "killed, same call", "killed twice"
FATES = [GOES_ON, SETTLES, AGAIN, TWICE]


@dataclass(frozen=True)
class Cell:
    number: int
    kind: Kind
    operation: str
    nth: int
    fault: Fault
    fate: str

    @property
    def row(self):
        return (self.operation if self.nth == 1 else f"{self.operation} {self.nth}", self.kind.title)

    @property
    def name(self):
        return f"{self.kind.name}/{self.operation}{self.nth}/{self.fault.name}/{self.fate}"

    @property
    def rule(self):
        return {"operation": self.operation, "nth": self.nth, **self.fault.rule}

    @property
    def settles_first(self):
        """Killed twice: vp_settle after the one kill, the same call after the other, in turns. A call that only reads
        leaves nothing to settle."""
        return self.number % 8 < 4 and self.kind.name != "events"

    @property
    def rules_of_restart(self):
        """The second kill: in the middle of a request of the restarted process, the first after its token."""
        nth = 1 if self.operation == "token" else 2
        rules = [{"operation": "*", "nth": nth, "action": "stall_after"}]
        return rules + ([self.rule] if self.fault.for_good else [])


def cells(thin):
    """Every cell; thinned, each request meets each fault, the process goes on, and the other fates take turns."""
    out = []
    pair = 0
    for kind in KINDS:
        for operation, nth in kind.requests:
            for fault in FAULTS:
                for index, fate in enumerate(FATES):
                    if not thin or index in (0, 1 + pair % (len(FATES) - 1)):
                        out.append(Cell(len(out) + 1, kind, operation, nth, fault, fate))
                pair += 1
    return out


RIDES_IN_A_SHIFT = 10
# How often each kind comes in a shift, of these.
WEIGHTS = {"ride": 30, "order": 3, "proof": 4, "events": 2, "steps": 12, "split": 8, "rest": 5, "withdraw": 6,
           "race": 6, "giveup": 6, "late": 6, "approved": 6, "declined": 4, "early": 2, "refund": 8, "parts": 6,
           "latecaptures": 5, "laterefunds": 3, "worker": 5, "decide": 3, "decline": 3}
OPERATIONS = ["create", "get", "receipt", "capture", "cancel", "refund", "events", "order", "*", "*"]
LEAVES = "is left for the end of the shift"
CALLED_OFF = ["ignore", "approve-on-cancel", "approve-after=2s", "busy-from=0s,approve-after=6s"]
# What the published sources leave open is another thing in each shift.
SWITCHES = {
    "token-numbers": ["strings", "numbers"],
    "replay-status": ["original", "200"],
    "sticky-errors": ["on", "off"],
    "sticky-6250": ["off", "on"],
    "idempotency-scope": ["operation", "msn"],
    "known-reference-status": ["409", "400"],
    "adjust-content-type": ["application/problem+json", "application/json"],
    "adjust-aggregate": ["updated", "updated", "empty", "missing", "lagging:4000"],
    "fully-captured": ["6170", "6090"],
    "repeat-cancel": ["6050", "6190"],
    "cancel-while-approving": ["423", "6250"],
    "cancelled-event-key": ["absent", "present"],
    "rate-limit-scope": ["operation", "reference"],
    "rate-limit-shape": ["apim", "empty"],
    "profile": ["object", "missing"],
    "capture-guaranteed-until": ["absent", "present"],
    "timestamps": ["millis", "ticks", "seconds", "offset", "mixed"],
}


@dataclass(frozen=True)
class Kill:
    # Of the time that such a ride takes undisturbed.
    at: float
    # AGAIN, SETTLES or LEAVES
    then: str


@dataclass(frozen=True)
class RandomRide:
    reference: str
    kind: Kind
    passenger: str
    faults: tuple
    # Every other answer takes a while, so that kills find requests in flight, carried out or not.
    pace: dict
    kills: tuple


def shift(seed, number):
    """The rides of one shift, on one journal, and the simulator's switches. The same seed and number, the same plan."""
    dice = random.Random(f"{seed}/{number}")
    switches = {name: dice.choice(values) for name, values in SWITCHES.items()}
    rides = []
    for index in range(RIDES_IN_A_SHIFT):
        kind = KIND[dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]]
        reference = f"shift-{number:05}-{index:02}"
        passenger = kind.passenger
        if passenger.startswith("approve-after"):
            passenger = f"approve-after={dice.randint(200, 9000)}ms"
            if dice.random() < 0.08:
                passenger = dice.choice(["ignore", "decline-after=1s"])
        elif passenger in CALLED_OFF:
            passenger = dice.choice(CALLED_OFF)
        faults = list(kind.prelude)
        if dice.random() < 0.5:
            operation = dice.choice(OPERATIONS)
            rule = {"operation": operation, "nth": dice.randint(1, 6 if operation == "*" else 2),
                    **dice.choice([fault for fault in FAULTS if not fault.late]).rule}
            faults.append(rule)
        action = dice.choice(["delay", "delay_after"])
        pace = {"operation": "*", "times": 0, "action": action, "ms": dice.randint(1, 5)}
        kills = tuple(Kill(round(dice.random(), 4), dice.choice([AGAIN, AGAIN, SETTLES, SETTLES, LEAVES]))
                      for _ in range(dice.choice([1, 1, 1, 2, 2, 3])))
        faults = tuple({**rule, "reference": reference} for rule in faults)
        rides.append(RandomRide(reference, kind, passenger, faults, pace, kills))
    return switches, rides
