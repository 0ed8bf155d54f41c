"""vpmeter for test harnesses: the C library, driven from Python through ctypes.

    import vpmeter
    with vpmeter.Client(base_url="http://127.0.0.1:4010", client_id="...", client_secret="...", subscription_key="...",
                        msn="123456", market="NO", device="bench-1", journal_dir="/tmp/journal") as client:
        result = client.run_ride(reference="trip-0001", amount=24900, currency="NOK", phone="912 34 567", wait_ms=660000)
        print(result.code.name, result.payment.verdict.name, client.driver_text(result.payment, "nb"))

The library is looked for in the directory VPMETER_LIB_DIR, then where the system has its libraries. Names, numbers and meaning
are those of vpmeter.h; what is a refusal there is a `Result` here, not an exception, because "pending" and "unknown" are
ordinary results. Only what Python itself cannot hand over raises ValueError or TypeError.
"""

import ctypes as c
import ctypes.util
import os
from collections import namedtuple
from enum import IntEnum, IntFlag
from types import SimpleNamespace

HEADER_VERSION = 1


def _enum(kind, name, text):
    """An enumeration out of "A B=5 C": numbers go on counting from the last one given."""
    members, number = [], -1
    for word in text.split():
        word, _, given = word.partition("=")
        number = int(given) if given else number + 1
        members.append((word, number))
    return kind(name, members, module=__name__)


Code = _enum(IntEnum, "Code", """
    OK=0 PENDING=1
    INVALID_ARGUMENT=-1 NULL_POINTER=-2 STRUCT_SIZE=-3 HEADER_VERSION=-4 NO_SUCH_CLIENT=-5 BUSY=-6 REENTRANT=-7
    REFERENCE_IN_USE=-8 TRIP_IN_USE=-9 NO_SUCH_PAYMENT=-10 WRONG_STATE=-11 BUFFER_TOO_SMALL=-12
    CREDENTIALS=-20 NOT_PERMITTED=-21 CLOCK=-22 TLS=-23 URL=-24
    NETWORK=-40 RATE_LIMITED=-41 INTERRUPTED=-42 UNAVAILABLE=-43
    OUTCOME_UNKNOWN=-60
    REFUSED=-70 CUSTOMER_NOT_FOUND=-71 PUSH_NOT_ALLOWED=-72 ALREADY_APPROVED=-73 AMOUNT=-74 FUNDS_UNAVAILABLE=-75
    TOO_LATE=-76 NOT_APPROVED=-77
    STORAGE=-90 STORAGE_FULL=-91 STORAGE_IN_USE=-92 DAMAGED_RECORD=-93
    PANIC=-100 INTERNAL=-101
    NOT_GENUINE=-110 NOT_FRESH=-111 NOT_AN_EVENT=-112""")
Group = _enum(IntEnum, "Group", """OK PENDING CALLERS_MISTAKE CONFIGURATION TRY_AGAIN OUTCOME_UNKNOWN REFUSED STORAGE INTERNAL
    NO_WEBHOOK""")
Cause = _enum(IntEnum, "Cause", """NONE TIMEOUT CONNECTION_LOST SERVER_ERROR LOCKED BAD_ANSWER INTERRUPTED
    STORAGE_AFTER_ANSWER NAME_LOOKUP CONNECT TLS RATE_LIMITED UNAUTHORIZED NOT_YET_PROVEN PROXY SOURCE_ADDRESS
    INTERFACE""")
Retry = _enum(IntEnum, "Retry", "NO LIBRARY_DOES LATER NEW_REFERENCE")
Who = _enum(IntEnum, "Who", "NOBODY_WAIT DRIVER CUSTOMER OFFICE VIPPS PROGRAMMER")
State = _enum(IntEnum, "State", "RECORDED=1 CREATED AUTHORIZED ABORTED EXPIRED TERMINATED NOT_CREATED UNKNOWN")
Verdict = _enum(IntEnum, "Verdict", """WAIT=1 PAID_LEAVE SECURED_LEAVE TAKE_OTHER_PAYMENT TAKE_OTHER_RELEASE_OWED
    ASK_OFFICE""")
Next = _enum(IntEnum, "Next", "DONE=1 POLL CAPTURE DECIDE SETTLE OFFICE")
Owed = _enum(IntFlag, "Owed", """CAPTURE=1 RELEASE=2 RECEIPT=4 REFUND=8 DECISION=16 ANSWER=32 ELSEWHERE=64 LOST=128
    RECEIPT_REFUSED=256""")
Msg = _enum(IntEnum, "Msg", """WAITING=1 WAITING_OPEN_APP PAID SECURED DECLINED TIMED_OUT CANCELLED CUSTOMER_UNREACHABLE
    GIVEN_UP_RELEASE_OWED ASK_OFFICE TECHNICAL_PROBLEM PUSH_NOT_ALLOWED ALREADY_APPROVED NOT_SENT_YET
    UNKNOWN_STILL_CHECKING DECISION_OWED REFUNDED RELEASED_REST APPROVED NOT_ACCEPTED NO_CONTACT""")
Unit = _enum(IntEnum, "Unit", "PIECES KG KM MINUTE LITRE KWH")
Tick = _enum(IntEnum, "Tick", "GO_ON STOP_WAITING GIVE_UP")
Log = _enum(IntEnum, "Log", "ERROR=1 WARNING INFO DEBUG")
Then = _enum(IntEnum, "Then", "CAPTURE=1 HOLD")
Customer = _enum(IntEnum, "Customer", "PRESENT NOT_PRESENT")
Cancel = _enum(IntEnum, "Cancel", "IF_NOT_APPROVED=1 GIVE_UP RELEASE_REST")
List = _enum(IntEnum, "List", "ALL OPEN CLOSED")
Decide = _enum(IntEnum, "Decide", "CAPTURE=1 GIVE_UP")
Gateway = _enum(IntEnum, "Gateway", "NONE ADDS_KEYS ADDS_TOKEN")
Shelf = _enum(IntEnum, "Shelf", "OPEN CLOSED METER")
Store = _enum(IntEnum, "Store", "OK NOTHING=-1 FULL=-2 FAILED=-3 DAMAGED=-4 RECORD_MAX=65536")
Token = _enum(IntEnum, "Token", "OK LATER=-1 REFUSED=-2 MAX=8192")
Transport = _enum(IntEnum, "Transport", "BEGIN=1 GO_ON TEAR DONE=0 IN_PROGRESS NOT_SENT=-1 LOST=-2")
CAPTURE_FINAL = 1
WEBHOOK_BODY_MAX, WEBHOOK_ID_SIZE, WEBHOOK_SECRET_SIZE = 262144, 64, 256


def nth(number):
    """Which capture or refund of a payment is meant, for `flags`."""
    return number << 16


def known(kind, number):
    """The member of an enumeration, or the plain number of a later version."""
    try:
        return kind(number)
    except ValueError:
        return number


def group_of(code):
    """What a code asks of the caller, also one of a later version; the table is in vpmeter.h."""
    if code > 0:
        return Group.PENDING
    ends = (
        (0, "OK"), (-19, "CALLERS_MISTAKE"), (-39, "CONFIGURATION"), (-59, "TRY_AGAIN"), (-69, "OUTCOME_UNKNOWN"),
        (-89, "REFUSED"), (-99, "STORAGE"), (-109, "INTERNAL"), (-119, "NO_WEBHOOK"))
    # Below the table: the only group that promises nothing.
    return next((Group[word] for last, word in ends if code >= last), Group.OUTCOME_UNKNOWN)


# ---- The structs, member by member as in the header ----

i32, u32, i64, text, pointer = c.c_int32, c.c_uint32, c.c_int64, c.c_char_p, c.c_void_p


def _struct(name, *members, size="struct_size"):
    return type(name, (c.Structure,), {"_fields_": [(size, u32), *members]})


def _members(kind, names):
    return [(name, kind) for name in names.split()]


vp_error = _struct(
    "vp_error", *_members(i32, "code cause http_status vipps_code retry who"), ("reserved", u32),
    ("field", c.c_char * 32), ("message", c.c_char * 160), ("trace_id", c.c_char * 64))
vp_payment = _struct(
    "vp_payment", *_members(i32, "state verdict next_step"), ("owed", u32), *_members(i32, "message last_code closed"),
    *_members(u32, "next_ms requests"),
    *_members(i64, "amount authorized captured cancelled refunded created_at expires_at capture_guaranteed_until"
                   " bytes_sent bytes_received"),
    ("currency", c.c_char * 8), ("reference", c.c_char * 72), ("psp_reference", c.c_char * 64), ("trip", c.c_char * 64),
    ("reason", c.c_char * 96))
vp_event = _struct(
    "vp_event", ("success", i32), *_members(i64, "amount timestamp"), ("name", c.c_char * 32),
    ("idempotency_key", c.c_char * 64), ("psp_reference", c.c_char * 64))
vp_order_line = _struct(
    "vp_order_line", ("vat_rate", i32),
    *_members(i64, "total total_excluding_vat vat unit_price discount quantity_milli"), *_members(i32, "unit is_return"),
    *_members(text, "id name"))
vp_receipt = _struct(
    "vp_receipt", ("line_size", u32), ("tip", i64), *_members(u32, "line_count reserved"),
    ("lines", c.POINTER(vp_order_line)), *_members(text, "pos_id receipt_number currency"))
vp_push_payment = _struct(
    "vp_push_payment", ("on_approval", i32), ("decide_within_ms", u32), ("customer_interaction", i32), ("amount", i64),
    ("part_of_trip", i32), ("reserved", u32), *_members(text, "currency reference trip phone description"),
    ("receipt", c.POINTER(vp_receipt)))
vp_ride = _struct("vp_ride", ("receipt_ms", u32), ("payment", c.POINTER(vp_push_payment)), ("reserved", pointer))
vp_filter = _struct(
    "vp_filter", ("which", i32), *_members(i64, "since until guaranteed_before"), *_members(u32, "owed reserved"), ("trip", text),
    ("reserved_pointer", pointer))
vp_storage = _struct("vp_storage", ("reserved", u32), *_members(i64, "file_syncs directory_syncs longest_sync_ms"))

vp_webhook = _struct(
    "vp_webhook", ("body_size", u32), ("now_ms", i64), *_members(u32, "fresh_ms reserved"), *_members(text, "method target host"),
    ("headers", c.POINTER(text)), ("body", pointer), ("secret", text))
vp_webhook_event = _struct(
    "vp_webhook_event", ("success", i32), *_members(i64, "amount timestamp signed_at"), ("name", c.c_char * 32),
    ("currency", c.c_char * 8), ("msn", c.c_char * 16), ("reference", c.c_char * 72), ("psp_reference", c.c_char * 64),
    ("idempotency_key", c.c_char * 64))
vp_webhook_counts = _struct("vp_webhook_counts", ("reserved", u32), *_members(i64, "applied known unknown reads"))

on_payment_fn = c.CFUNCTYPE(None, pointer, c.POINTER(vp_payment))
on_tick_fn = c.CFUNCTYPE(i32, pointer, text, u32)
on_log_fn = c.CFUNCTYPE(None, pointer, i32, text)
clock_fn = c.CFUNCTYPE(i64, pointer)
sleep_fn = c.CFUNCTYPE(None, pointer, u32)
event_fn = c.CFUNCTYPE(i32, pointer, c.POINTER(vp_event))
webhook_fn = c.CFUNCTYPE(i32, pointer, text, text, text)
list_fn = c.CFUNCTYPE(i32, pointer, c.POINTER(vp_payment))
record_fn = c.CFUNCTYPE(None, pointer, text, text)
token_fn = c.CFUNCTYPE(i32, pointer, i32, pointer, u32, c.POINTER(u32))
store_name_fn = c.CFUNCTYPE(i32, pointer, text)
store_put_fn = c.CFUNCTYPE(i32, pointer, i32, text, pointer, u32)
store_get_fn = c.CFUNCTYPE(i32, pointer, i32, text, pointer, u32)
store_remove_fn = c.CFUNCTYPE(i32, pointer, i32, text)
store_each_fn = c.CFUNCTYPE(i32, pointer, i32, store_name_fn, pointer)

vp_request = _struct(
    "vp_request", ("secure", i32), *_members(u32, "port limit_ms connect_ms body_size answer_max reserved"),
    *_members(text, "method url host path"), ("headers", c.POINTER(text)), ("body", pointer), ("state", c.POINTER(pointer)),
    ("reserved_pointer", pointer), size="request_size")
transport_fn = c.CFUNCTYPE(i32, pointer, i32, c.POINTER(vp_request), pointer)

vp_hooks = _struct(
    "vp_hooks", ("payment_size", u32), ("user", pointer), ("on_payment", on_payment_fn), ("on_tick", on_tick_fn),
    ("on_log", on_log_fn), ("wall_ms", clock_fn), ("monotonic_ms", clock_fn), ("sleep_ms", sleep_fn),
    ("token", token_fn), ("store_put", store_put_fn), ("store_get", store_get_fn), ("store_remove", store_remove_fn),
    ("store_each", store_each_fn), ("transport", transport_fn), ("reserved_2", pointer))
vp_config = _struct(
    "vp_config", ("header_version", u32),
    *_members(text, "base_url client_id client_secret subscription_key msn market device journal_dir ca_file system_name"
                    " system_version plugin_name plugin_version"),
    *_members(u32, "request_ms connect_ms poll_first_ms poll_every_ms"), *_members(i32, "allow_refund gateway"),
    ("hooks", c.POINTER(vp_hooks)),
    *_members(text, "gateway_header_name gateway_header_value client_cert_file client_key_file source_address"
                    " interface_name addresses proxy_url proxy_user proxy_password"),
    *_members(u32, "keep_idle_ms reserved"))

# What a program sets up, and what it only reads.
SET_UP = [vp_error, vp_payment, vp_event, vp_order_line, vp_receipt, vp_push_payment, vp_ride, vp_filter, vp_storage,
          vp_webhook, vp_webhook_event, vp_webhook_counts,
          vp_hooks, vp_config]
STRUCTS = [*SET_UP, vp_request]

_out_payment, _out_error, _out_text = c.POINTER(vp_payment), c.POINTER(vp_error), [c.c_char_p, u32, c.POINTER(u32)]
# Name, result, parameters; the last of nearly every function is out_error.
FUNCTIONS = {
    "vp_client_open": (i32, [c.POINTER(vp_config), c.POINTER(pointer), _out_error]),
    "vp_client_close": (i32, [pointer]),
    "vp_interrupt": (None, [pointer, text]),
    "vp_worker_run": (i32, [pointer, u32, _out_error]),
    "vp_set_credentials": (i32, [pointer, text, text, text, _out_error]),
    "vp_version": (text, []),
    "vp_version_number": (u32, []),
    "vp_build_id": (text, []),
    "vp_create_push_payment": (i32, [pointer, c.POINTER(vp_push_payment), u32, _out_payment, _out_error]),
    "vp_poll": (i32, [pointer, text, u32, _out_payment, _out_error]),
    "vp_post_receipt": (i32, [pointer, text, c.POINTER(vp_receipt), u32, _out_payment, _out_error]),
    "vp_capture": (i32, [pointer, text, i64, u32, u32, _out_payment, _out_error]),
    "vp_run_ride": (i32, [pointer, c.POINTER(vp_ride), u32, _out_payment, _out_error]),
    "vp_cancel": (i32, [pointer, text, i32, u32, _out_payment, _out_error]),
    "vp_refund": (i32, [pointer, text, i64, u32, u32, _out_payment, _out_error]),
    "vp_known_payment": (i32, [pointer, text, _out_payment, _out_error]),
    "vp_get_events": (i32, [pointer, text, event_fn, pointer, u32, _out_error]),
    "vp_settle": (i32, [pointer, u32, on_payment_fn, pointer, _out_error]),
    "vp_list_payments": (i32, [pointer, c.POINTER(vp_filter), list_fn, pointer, _out_error]),
    "vp_decide": (i32, [pointer, text, i32, u32, _out_payment, _out_error]),
    "vp_write_off": (i32, [pointer, text, text, _out_payment, _out_error]),
    "vp_export_payments": (i32, [pointer, record_fn, pointer, _out_error]),
    "vp_import_payment": (i32, [pointer, text, _out_error]),
    "vp_storage_cost": (i32, [pointer, c.POINTER(vp_storage), _out_error]),
    "vp_webhook_verify": (i32, [c.POINTER(vp_webhook), c.POINTER(vp_webhook_event), _out_error]),
    "vp_apply_webhook": (i32, [pointer, text, text, text, u32, _out_payment, _out_error]),
    "vp_register_webhook": (i32, [pointer, text, text, u32, c.c_char_p, u32, c.c_char_p, u32, _out_error]),
    "vp_list_webhooks": (i32, [pointer, webhook_fn, pointer, u32, _out_error]),
    "vp_delete_webhook": (i32, [pointer, text, u32, _out_error]),
    "vp_webhook_count": (i32, [pointer, c.POINTER(vp_webhook_counts), _out_error]),
    "vp_normalize_phone": (i32, [text, text, *_out_text, _out_error]),
    "vp_split_gross": (i32, [i64, i32, c.POINTER(i64), c.POINTER(i64), _out_error]),
    "vp_next_reference": (i32, [text, *_out_text, _out_error]),
    "vp_driver_text": (i32, [_out_payment, text, *_out_text, _out_error]),
    "vp_status_name": (text, [i32]),
    **{f"{kind.__name__}_init": (None, [c.POINTER(kind), u32]) for kind in SET_UP},
    "vp_answer_status": (i32, [pointer, i32]),
    "vp_answer_header": (i32, [pointer, text, i64]),
    "vp_answer_body": (i32, [pointer, pointer, i64]),
    "vp_answer_traffic": (i32, [pointer, i64, i64]),
    "vp_answer_cause": (i32, [pointer, i32, text]),
    "vp_answer_go_on": (i32, [pointer]),
}


def load(path=None):
    """The library, with the types of its functions: at `path`, in VPMETER_LIB_DIR, or the system's."""
    directory = os.environ.get("VPMETER_LIB_DIR")
    if path is None and directory:
        path = os.path.join(directory, "libvpmeter.so.0")
    library = c.CDLL(path or ctypes.util.find_library("vpmeter") or "libvpmeter.so.0")
    for name, (result, parameters) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library


# ---- Values ----

Result = namedtuple("Result", "code payment error")
Result.__doc__ = "What a call returned: its code, the payment if there is a record, and the detail."
Text = namedtuple("Text", "code text error")
Text.__doc__ = "What a call for a text returned: its code, the text if it is VP_OK, and the detail."

_KINDS = {"code": Code, "cause": Cause, "retry": Retry, "who": Who, "state": State, "verdict": Verdict, "next_step": Next,
          "owed": Owed, "last_code": Code}


def plain(struct):
    """A struct as a Python object of numbers, enumerations and str."""
    values = {}
    for name, _ in struct._fields_:
        value = getattr(struct, name)
        if isinstance(value, bytes):
            value = value.decode()
        elif name in _KINDS:
            value = known(_KINDS[name], value)
        elif name == "message":
            value = known(Msg, value)
        if name not in ("struct_size", "reserved"):
            values[name] = value
    return SimpleNamespace(**values)


def _bytes(value, name):
    """What C gets for a str (or bytes, also such as are no UTF-8); None is NULL."""
    if isinstance(value, str):
        value = value.encode()
    if value is not None and not isinstance(value, bytes):
        raise TypeError(f"{name}: str or bytes, not {type(value).__name__}")
    if value is not None and b"\0" in value:
        raise ValueError(f"{name}: a C string cannot hold a NUL")
    return value


def _fill(kind, values):
    struct = kind(struct_size=c.sizeof(kind))
    members = dict(kind._fields_)
    for name, value in values.items():
        if name not in members or name == "struct_size":
            raise TypeError(f"{kind.__name__} has no {name}")
        setattr(struct, name, _bytes(value, name) if members[name] is text else value)
    return struct


def order_line(**members):
    """A vp_order_line: total, total_excluding_vat, vat, vat_rate, id, name, ..."""
    return _fill(vp_order_line, members)


def receipt(lines, **members):
    """A vp_receipt of such lines."""
    array = (vp_order_line * len(lines))(*lines)
    made = _fill(vp_receipt, {"line_size": c.sizeof(vp_order_line), "line_count": len(lines), **members})
    made.lines = c.cast(array, c.POINTER(vp_order_line))
    made._array = array  # kept alive
    return made


def push_payment(receipt=None, on_approval=Then.CAPTURE, **members):
    """A vp_push_payment."""
    made = _fill(vp_push_payment, {"on_approval": on_approval, **members})
    if receipt is not None:
        made.receipt = c.pointer(receipt)
    return made


class Client:
    """A client of the library. Callbacks are Python functions: on_payment(payment), on_tick(reference, waited_ms) -> Tick,
    on_log(level, line); the clock is three functions wall_ms(), monotonic_ms(), sleep_ms(ms); the transport is a C function, as
    `transport_fn`. An exception in a callback ends the wait and is raised when the call of the library has returned."""

    def __init__(self, library=None, on_payment=None, on_tick=None, on_log=None, wall_ms=None, monotonic_ms=None,
                 sleep_ms=None, transport=None, **config):
        self._library = library or load()
        self._raised = None
        self._handle = None
        hooks = vp_hooks(struct_size=c.sizeof(vp_hooks), payment_size=c.sizeof(vp_payment))
        if on_payment:
            hooks.on_payment = on_payment_fn(lambda _, p: self._guard(lambda: on_payment(plain(p.contents)), None))
        if on_tick:
            stop = int(Tick.STOP_WAITING)
            hooks.on_tick = on_tick_fn(lambda _, r, ms: self._guard(lambda: int(on_tick(r.decode(), ms) or 0), stop))
        if on_log:
            hooks.on_log = on_log_fn(lambda _, level, line: self._guard(
                lambda: on_log(known(Log, level), line.decode()), None))
        if wall_ms:
            hooks.wall_ms = clock_fn(lambda _: self._guard(wall_ms, 0))
        if monotonic_ms:
            hooks.monotonic_ms = clock_fn(lambda _: self._guard(monotonic_ms, 0))
        if sleep_ms:
            hooks.sleep_ms = sleep_fn(lambda _, ms: self._guard(lambda: sleep_ms(ms), None))
        if transport:
            hooks.transport = transport
        self._hooks = hooks  # the functions must live as long as the client
        filled = _fill(vp_config, {"header_version": HEADER_VERSION, **config})
        filled.hooks = c.pointer(hooks)
        handle = pointer()
        result = self._call("vp_client_open", c.byref(filled), c.byref(handle), client=False)
        if result.code != Code.OK:
            raise OpenError(result)
        self._handle = handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _guard(self, function, otherwise):
        try:
            return function()
        except BaseException as raised:  # goes through C, so it waits here
            self._raised = self._raised or raised
            return otherwise

    def _call(self, name, *arguments, payment=False, client=True):
        error = vp_error(struct_size=c.sizeof(vp_error))
        out = vp_payment(struct_size=c.sizeof(vp_payment))
        first = [self._handle] if client else []
        outs = [c.byref(out)] if payment else []
        code = getattr(self._library, name)(*first, *arguments, *outs, c.byref(error))
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        return Result(known(Code, code), plain(out) if payment and out.state else None, plain(error))

    def close(self):
        """Closes; Code.BUSY while a call runs on another thread."""
        code = known(Code, self._library.vp_client_close(self._handle))
        if code == Code.OK:
            self._handle = None
        return code

    def interrupt(self, reference=None):
        """From any thread: the call that waits returns."""
        self._library.vp_interrupt(self._handle, _bytes(reference, "reference"))

    def worker_run(self, wait_ms):
        return self._call("vp_worker_run", wait_ms)

    def set_credentials(self, client_id=None, client_secret=None, subscription_key=None):
        """New keys for an open client; what is owed stays owed."""
        return self._call("vp_set_credentials", _bytes(client_id, "client_id"), _bytes(client_secret, "client_secret"),
                          _bytes(subscription_key, "subscription_key"))

    def create_push_payment(self, wait_ms, **request):
        return self._call("vp_create_push_payment", c.byref(push_payment(**request)), wait_ms, payment=True)

    def poll(self, reference, wait_ms):
        return self._call("vp_poll", _bytes(reference, "reference"), wait_ms, payment=True)

    def post_receipt(self, reference, receipt, wait_ms):
        return self._call("vp_post_receipt", _bytes(reference, "reference"), c.byref(receipt), wait_ms, payment=True)

    def capture(self, reference, amount, wait_ms, flags=0):
        return self._call("vp_capture", _bytes(reference, "reference"), amount, flags, wait_ms, payment=True)

    def run_ride(self, wait_ms, receipt_ms=0, **request):
        request = push_payment(**request)
        ride = vp_ride(struct_size=c.sizeof(vp_ride), receipt_ms=receipt_ms, payment=c.pointer(request))
        return self._call("vp_run_ride", c.byref(ride), wait_ms, payment=True)

    def cancel(self, reference, how, wait_ms):
        return self._call("vp_cancel", _bytes(reference, "reference"), how, wait_ms, payment=True)

    def refund(self, reference, amount, wait_ms, flags=0):
        return self._call("vp_refund", _bytes(reference, "reference"), amount, flags, wait_ms, payment=True)

    def known_payment(self, reference):
        return self._call("vp_known_payment", _bytes(reference, "reference"), payment=True)

    def decide(self, reference, decision, wait_ms):
        return self._call("vp_decide", _bytes(reference, "reference"), decision, wait_ms, payment=True)

    def write_off(self, reference, reason):
        return self._call("vp_write_off", _bytes(reference, "reference"), _bytes(reason, "reason"), payment=True)

    def import_payment(self, record):
        return self._call("vp_import_payment", _bytes(record, "record"))

    def _collect(self, name, kind, *before, after=()):
        """Calls a function that calls back for each of many; their list and the result."""
        found = []

        def each(_, item):
            self._guard(lambda: found.append(plain(item.contents)), None)
            return 0

        return found, self._call(name, *before, kind(each), None, *after)

    def settle(self, wait_ms):
        """How every payment stands that was open, and the result."""
        return self._collect("vp_settle", on_payment_fn, wait_ms)

    def events(self, reference, wait_ms):
        return self._collect("vp_get_events", event_fn, _bytes(reference, "reference"), after=[wait_ms])

    def list_payments(self, **narrow):
        return self._collect("vp_list_payments", list_fn, c.byref(_fill(vp_filter, narrow)))

    def export_payments(self):
        """(reference, record) of every open payment, and the result."""
        found = []
        each = record_fn(lambda _, name, record: self._guard(lambda: found.append((name.decode(), record.decode())), None))
        return found, self._call("vp_export_payments", each, None)

    def storage_cost(self):
        storage = vp_storage(struct_size=c.sizeof(vp_storage))
        result = self._call("vp_storage_cost", c.byref(storage))
        return plain(storage), result

    def apply_webhook(self, reference, wait_ms, name=None, msn=None):
        return self._call("vp_apply_webhook", _bytes(reference, "reference"), _bytes(name, "name"), _bytes(msn, "msn"), wait_ms,
                          payment=True)

    def register_webhook(self, url, wait_ms, events=None):
        """(id, secret) and the result. The secret is shown this once."""
        id_, secret = c.create_string_buffer(WEBHOOK_ID_SIZE), c.create_string_buffer(WEBHOOK_SECRET_SIZE)
        result = self._call("vp_register_webhook", _bytes(url, "url"), _bytes(events, "events"), wait_ms, id_, len(id_), secret,
                            len(secret))
        return (id_.value.decode(), secret.value.decode()), result

    def list_webhooks(self, wait_ms):
        """(id, url, list of events) of every registration, and the result."""
        found = []

        def each(_, id_, url, events):
            self._guard(lambda: found.append((id_.decode(), url.decode(), events.decode().split())), None)
            return 0

        return found, self._call("vp_list_webhooks", webhook_fn(each), None, wait_ms)

    def delete_webhook(self, id_, wait_ms):
        return self._call("vp_delete_webhook", _bytes(id_, "id"), wait_ms)

    def webhook_counts(self):
        counts = vp_webhook_counts(struct_size=c.sizeof(vp_webhook_counts))
        result = self._call("vp_webhook_count", c.byref(counts))
        return plain(counts), result

    def driver_text(self, payment, language):
        """What the driver reads, as str."""
        return driver_text(payment.message, language, self._library).text


class OpenError(Exception):
    """vp_client_open did not return VP_OK; `result` says why."""

    def __init__(self, result):
        self.result = result
        super().__init__(f"{getattr(result.code, 'name', result.code)} [{result.error.field}]: {result.error.message}")


# ---- What needs no client ----

def _text(function, *arguments):
    buffer, needed, error = c.create_string_buffer(256), u32(), vp_error(struct_size=c.sizeof(vp_error))
    code = function(*arguments, buffer, 256, c.byref(needed), c.byref(error))
    return Text(known(Code, code), buffer.value.decode() if code == Code.OK else None, plain(error))


def webhook_verify(method, target, headers, body, secret, host=None, now_ms=0, fresh_ms=0, library=None):
    """The event of a webhook, None if it is none, and the result. `headers`: pairs as they came; `body`: bytes."""
    flat = [_bytes(part, "headers") for pair in headers for part in pair]
    request = _fill(vp_webhook, {"method": method, "target": target, "host": host, "secret": secret, "now_ms": now_ms,
                                 "fresh_ms": fresh_ms, "body_size": len(body)})
    request.headers = (text * (len(flat) + 1))(*flat, None)
    request.body = c.cast(c.c_char_p(body), pointer)
    event, error = vp_webhook_event(struct_size=c.sizeof(vp_webhook_event)), vp_error(struct_size=c.sizeof(vp_error))
    code = (library or load()).vp_webhook_verify(c.byref(request), c.byref(event), c.byref(error))
    return plain(event) if code == Code.OK else None, Result(known(Code, code), None, plain(error))


def driver_text(message, language, library=None):
    """What the driver reads: the words for a Msg. Text."""
    payment = vp_payment(struct_size=c.sizeof(vp_payment), message=message)
    return _text((library or load()).vp_driver_text, c.byref(payment), _bytes(language, "language"))


def normalize_phone(typed, market, library=None):
    """The MSISDN of what a driver typed. Text."""
    return _text((library or load()).vp_normalize_phone, _bytes(typed, "typed"), _bytes(market, "market"))


def next_reference(previous, library=None):
    """The reference for the next attempt at the same ride. Text."""
    return _text((library or load()).vp_next_reference, _bytes(previous, "previous"))


def split_gross(gross, vat_rate, library=None):
    """(without VAT, VAT) of an amount with VAT; ValueError for what cannot be split."""
    excluding, vat, error = i64(), i64(), vp_error(struct_size=c.sizeof(vp_error))
    code = (library or load()).vp_split_gross(gross, vat_rate, c.byref(excluding), c.byref(vat), c.byref(error))
    if code != Code.OK:
        raise ValueError(f"{error.field.decode()}: {error.message.decode()}")
    return excluding.value, vat.value
