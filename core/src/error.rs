//! What a call ends with: a code that says what the caller must do, and a report that says why.
//!
//! Numbers are part of the ABI: fixed by hand, in groups, never reused.

use std::fmt;

pub use crate::group::{Acted, Group};

/// The result of a call. The [`Group`] answers one question: *what must the caller do?*
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// The step is done and proven.
    Ok = 0,
    /// Not decided yet (also: recorded, not sent yet). Come back; the payment says when.
    Pending = 1,

    /// A value is out of its range; the report names the field and the rule.
    InvalidArgument = -1,
    /// A pointer that must not be NULL is.
    NullPointer = -2,
    /// `struct_size` is smaller than the first version of the struct, or absurd.
    StructSize = -3,
    /// The header that the caller compiled with is not one that this library serves.
    HeaderVersion = -4,
    /// The handle is not that of a live client.
    NoSuchClient = -5,
    /// Another call is still running on this client, or the store cannot be shared now.
    Busy = -6,
    /// A function that waits or sends was called from inside a callback.
    Reentrant = -7,
    /// The reference belongs to another payment, here or on the servers.
    ReferenceInUse = -8,
    /// The trip already has a live or a paid payment.
    TripInUse = -9,
    /// No record of this reference.
    NoSuchPayment = -10,
    /// The payment is in a state in which this cannot be asked.
    WrongState = -11,
    /// The buffer is too small; the size needed is reported.
    BufferTooSmall = -12,

    /// The servers refuse the keys or the token.
    Credentials = -20,
    /// The keys are right, but this product, sales unit or function is not permitted.
    NotPermitted = -21,
    /// The wall clock cannot be right, so no certificate can be judged.
    Clock = -22,
    /// The TLS connection could not be made: certificate or protocol.
    Tls = -23,
    /// The base URL or what answers there is not the servers' API.
    Url = -24,

    /// No byte of the request left: no name, no route, no connection.
    Network = -40,
    /// The gateway refused because of too many requests; nothing was done.
    RateLimited = -41,
    /// `vp_interrupt` ended the call before anything was sent.
    Interrupted = -42,
    /// A question that changes nothing (token, read) had no usable answer.
    Unavailable = -43,

    /// The answer was lost. The library settles it: poll, call again, or settle.
    OutcomeUnknown = -60,

    /// Refused by the servers for the reason in the report.
    Refused = -70,
    /// No payer can be reached by this number (Vipps 7010; also: too young). Never say that the number is wrong.
    CustomerNotFound = -71,
    /// The sales unit may not send push messages (Vipps 5080).
    PushNotAllowed = -72,
    /// The passenger has approved already: no cash; capture or give up.
    AlreadyApproved = -73,
    /// The servers refuse the amount.
    Amount = -74,
    /// The bank has released the money (Vipps 6260).
    FundsUnavailable = -75,
    /// The period for this operation is over.
    TooLate = -76,
    /// The ride ended without an approval: declined, expired or cancelled; the state says which.
    NotApproved = -77,

    /// The journal could not be read or written.
    Storage = -90,
    /// The journal is full.
    StorageFull = -91,
    /// Another process has the journal.
    StorageInUse = -92,
    /// The record of this reference is damaged and was set aside.
    DamagedRecord = -93,

    /// A bug was caught; the client is poisoned and must be closed.
    Panic = -100,
    /// A state that should not exist; nothing was sent.
    Internal = -101,

    /// Not signed with this secret for this host, path and body, or not in a form that these servers send.
    NotGenuine = -110,
    /// Genuine, but its date is outside the window that the receiver wants.
    NotFresh = -111,
    /// Genuine, but no event of a payment that this version reads.
    NotAnEvent = -112,
}

impl Code {
    /// Every code, in the order of its number's group.
    pub const ALL: &'static [Code] = &[
        Code::Ok,
        Code::Pending,
        Code::InvalidArgument,
        Code::NullPointer,
        Code::StructSize,
        Code::HeaderVersion,
        Code::NoSuchClient,
        Code::Busy,
        Code::Reentrant,
        Code::ReferenceInUse,
        Code::TripInUse,
        Code::NoSuchPayment,
        Code::WrongState,
        Code::BufferTooSmall,
        Code::Credentials,
        Code::NotPermitted,
        Code::Clock,
        Code::Tls,
        Code::Url,
        Code::Network,
        Code::RateLimited,
        Code::Interrupted,
        Code::Unavailable,
        Code::OutcomeUnknown,
        Code::Refused,
        Code::CustomerNotFound,
        Code::PushNotAllowed,
        Code::AlreadyApproved,
        Code::Amount,
        Code::FundsUnavailable,
        Code::TooLate,
        Code::NotApproved,
        Code::Storage,
        Code::StorageFull,
        Code::StorageInUse,
        Code::DamagedRecord,
        Code::Panic,
        Code::Internal,
        Code::NotGenuine,
        Code::NotFresh,
        Code::NotAnEvent,
    ];

    /// The number that crosses the ABI.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// What it asks of the caller.
    pub fn group(self) -> Group {
        Group::of(self.number())
    }

    /// The code of a number, if it is one.
    pub fn from_number(number: i32) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.number() == number)
    }

    /// The name of the constant in `vpmeter.h`.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Ok => "VP_OK",
            Code::Pending => "VP_PENDING",
            Code::InvalidArgument => "VP_ERR_INVALID_ARGUMENT",
            Code::NullPointer => "VP_ERR_NULL_POINTER",
            Code::StructSize => "VP_ERR_STRUCT_SIZE",
            Code::HeaderVersion => "VP_ERR_HEADER_VERSION",
            Code::NoSuchClient => "VP_ERR_NO_SUCH_CLIENT",
            Code::Busy => "VP_ERR_BUSY",
            Code::Reentrant => "VP_ERR_REENTRANT",
            Code::ReferenceInUse => "VP_ERR_REFERENCE_IN_USE",
            Code::TripInUse => "VP_ERR_TRIP_IN_USE",
            Code::NoSuchPayment => "VP_ERR_NO_SUCH_PAYMENT",
            Code::WrongState => "VP_ERR_WRONG_STATE",
            Code::BufferTooSmall => "VP_ERR_BUFFER_TOO_SMALL",
            Code::Credentials => "VP_ERR_CREDENTIALS",
            Code::NotPermitted => "VP_ERR_NOT_PERMITTED",
            Code::Clock => "VP_ERR_CLOCK",
            Code::Tls => "VP_ERR_TLS",
            Code::Url => "VP_ERR_URL",
            Code::Network => "VP_ERR_NETWORK",
            Code::RateLimited => "VP_ERR_RATE_LIMITED",
            Code::Interrupted => "VP_ERR_INTERRUPTED",
            Code::Unavailable => "VP_ERR_UNAVAILABLE",
            Code::OutcomeUnknown => "VP_ERR_OUTCOME_UNKNOWN",
            Code::Refused => "VP_ERR_REFUSED",
            Code::CustomerNotFound => "VP_ERR_CUSTOMER_NOT_FOUND",
            Code::PushNotAllowed => "VP_ERR_PUSH_NOT_ALLOWED",
            Code::AlreadyApproved => "VP_ERR_ALREADY_APPROVED",
            Code::Amount => "VP_ERR_AMOUNT",
            Code::FundsUnavailable => "VP_ERR_FUNDS_UNAVAILABLE",
            Code::TooLate => "VP_ERR_TOO_LATE",
            Code::NotApproved => "VP_ERR_NOT_APPROVED",
            Code::Storage => "VP_ERR_STORAGE",
            Code::StorageFull => "VP_ERR_STORAGE_FULL",
            Code::StorageInUse => "VP_ERR_STORAGE_IN_USE",
            Code::DamagedRecord => "VP_ERR_DAMAGED_RECORD",
            Code::Panic => "VP_ERR_PANIC",
            Code::Internal => "VP_ERR_INTERNAL",
            Code::NotGenuine => "VP_ERR_NOT_GENUINE",
            Code::NotFresh => "VP_ERR_NOT_FRESH",
            Code::NotAnEvent => "VP_ERR_NOT_AN_EVENT",
        }
    }
}

/// Why a call ended as it did, beside the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Cause {
    /// Nothing to add.
    #[default]
    None = 0,
    /// The time limit of the request was over.
    Timeout = 1,
    /// The connection broke.
    ConnectionLost = 2,
    /// The server answered 5xx.
    ServerError = 3,
    /// The payment is locked or being processed (423, 6160, 6250).
    Locked = 4,
    /// The answer was not what the API promises: not JSON, cut short, too large.
    BadAnswer = 5,
    /// Stopped by `vp_interrupt` or by the `on_tick` hook.
    Interrupted = 6,
    /// The answer came, but could not be written to the journal.
    StorageAfterAnswer = 7,
    /// The host name could not be resolved.
    NameLookup = 8,
    /// No TCP connection.
    Connect = 9,
    /// The TLS handshake failed.
    Tls = 10,
    /// 429.
    RateLimited = 11,
    /// 401.
    Unauthorized = 12,
    /// Accepted by the server, but not yet visible in the aggregate.
    NotYetProven = 13,
    /// The proxy gives no tunnel: it refuses, wants other credentials, or is none.
    Proxy = 14,
    /// The source address is not one of this machine now, or of the wrong family.
    SourceAddress = 15,
    /// The interface is not there now.
    Interface = 16,
}

/// Whether repeating makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Retry {
    /// Do not repeat.
    #[default]
    No = 0,
    /// The library repeats it itself, in the next call with time to spend.
    LibraryDoes = 1,
    /// The caller may ask again later.
    Later = 2,
    /// Ask again with a new reference.
    NewReference = 3,
}

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Who {
    /// Nobody has to: wait.
    #[default]
    NobodyWait = 0,
    /// The driver.
    Driver = 1,
    /// The passenger.
    Customer = 2,
    /// The office: configuration, keys, permissions.
    Office = 3,
    /// Vipps MobilePay.
    Vipps = 4,
    /// The programmer of the meter.
    Programmer = 5,
}

/// What happened, for the log and for the caller's next decision. English; never a secret or a full phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the caller must do.
    pub code: Code,
    /// Why, beside the code.
    pub cause: Cause,
    /// HTTP status of the answer; 0 if there was none.
    pub http_status: i32,
    /// Vipps error code (7010, 6090, ...); 0 if there was none.
    pub vipps_code: i32,
    /// Whether repeating makes sense.
    pub retry: Retry,
    /// Who can put it right.
    pub who: Who,
    /// The field at fault, as it is named in the header; empty if none.
    pub field: String,
    /// The rule that was broken, or the server's title and detail.
    pub message: String,
    /// The server's trace id; empty if there was none.
    pub trace_id: String,
}

impl Report {
    /// A report with the usual answers to "retry?" and "who?" for this code.
    pub fn new(code: Code, message: impl Into<String>) -> Report {
        let (retry, who) = usual_answers(code);
        Report {
            code,
            cause: Cause::None,
            http_status: 0,
            vipps_code: 0,
            retry,
            who,
            field: String::new(),
            message: message.into(),
            trace_id: String::new(),
        }
    }

    /// Success, with nothing to tell.
    pub fn ok() -> Report {
        Report::new(Code::Ok, "")
    }

    /// The caller's mistake in one field.
    pub fn invalid(field: &str, rule: impl Into<String>) -> Report {
        let mut r = Report::new(Code::InvalidArgument, rule);
        r.field = field.to_string();
        r
    }

    /// The same report with a cause.
    pub fn because(mut self, cause: Cause) -> Report {
        self.cause = cause;
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.name())?;
        if !self.field.is_empty() {
            write!(f, " [{}]", self.field)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

fn usual_answers(code: Code) -> (Retry, Who) {
    match code {
        Code::Ok => (Retry::No, Who::NobodyWait),
        Code::Pending | Code::OutcomeUnknown => (Retry::LibraryDoes, Who::NobodyWait),
        Code::ReferenceInUse => (Retry::NewReference, Who::Programmer),
        Code::TripInUse => (Retry::No, Who::Driver),
        Code::Busy => (Retry::Later, Who::Programmer),
        Code::InvalidArgument
        | Code::NullPointer
        | Code::StructSize
        | Code::HeaderVersion
        | Code::NoSuchClient
        | Code::Reentrant
        | Code::NoSuchPayment
        | Code::WrongState
        | Code::BufferTooSmall => (Retry::No, Who::Programmer),
        Code::Credentials | Code::NotPermitted | Code::Clock | Code::Tls | Code::Url => {
            (Retry::Later, Who::Office)
        }
        Code::Network | Code::RateLimited | Code::Interrupted | Code::Unavailable => {
            (Retry::LibraryDoes, Who::NobodyWait)
        }
        Code::Refused | Code::Amount => (Retry::No, Who::Office),
        Code::CustomerNotFound => (Retry::NewReference, Who::Driver),
        Code::PushNotAllowed => (Retry::NewReference, Who::Office),
        Code::AlreadyApproved => (Retry::No, Who::Driver),
        Code::FundsUnavailable => (Retry::Later, Who::Customer),
        Code::TooLate => (Retry::No, Who::Office),
        Code::NotApproved => (Retry::NewReference, Who::Customer),
        Code::Storage | Code::StorageFull | Code::StorageInUse | Code::DamagedRecord => {
            (Retry::Later, Who::Office)
        }
        Code::Panic | Code::Internal => (Retry::No, Who::Programmer),
        Code::NotGenuine | Code::NotFresh => (Retry::No, Who::Office),
        Code::NotAnEvent => (Retry::No, Who::Vipps),
    }
}
