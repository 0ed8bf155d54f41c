//! Results: the codes, and the detail that goes with them.

use std::ffi::CStr;

use libc::c_char;
use vpmeter_core::error::Report;

use crate::pointers::{fixed, CStruct};

/// The step is done and proven.
pub const VP_OK: i32 = 0;
/// Not decided yet (also: recorded, not sent yet). Come back in `next_ms` of the payment.
pub const VP_PENDING: i32 = 1;

/// A value is out of its range; `field` and `message` of vp_error name it and the rule.
pub const VP_ERR_INVALID_ARGUMENT: i32 = -1;
/// A pointer that must not be NULL is; `field` names it.
pub const VP_ERR_NULL_POINTER: i32 = -2;
/// A `struct_size`, `line_size` or `payment_size` is smaller than the first version of that struct, or absurd. Was the
/// struct set up with its INIT macro or its init function?
pub const VP_ERR_STRUCT_SIZE: i32 = -3;
/// The program was compiled with a header that this library does not serve.
pub const VP_ERR_HEADER_VERSION: i32 = -4;
/// The handle is not that of an open client: closed already, or never one.
pub const VP_ERR_NO_SUCH_CLIENT: i32 = -5;
/// vp_client_close: another call is still running on this client; vp_client_open: 64 clients are open. Come back.
pub const VP_ERR_BUSY: i32 = -6;
/// Called from inside a callback; see the table at the top. Nothing was done.
pub const VP_ERR_REENTRANT: i32 = -7;
/// The reference belongs to another payment, here or on the servers. Take a new one: vp_next_reference.
pub const VP_ERR_REFERENCE_IN_USE: i32 = -8;
/// The trip has a live or a paid payment already. Nothing was sent; show the driver that payment.
pub const VP_ERR_TRIP_IN_USE: i32 = -9;
/// There is no record of this reference here.
pub const VP_ERR_NO_SUCH_PAYMENT: i32 = -10;
/// The payment is in a state in which this cannot be asked; its `next_step` says what can.
pub const VP_ERR_WRONG_STATE: i32 = -11;
/// The buffer is too small; `*out_needed` has the size that would do. The buffer holds an empty string.
pub const VP_ERR_BUFFER_TOO_SMALL: i32 = -12;

/// The servers refuse the keys.
pub const VP_ERR_CREDENTIALS: i32 = -20;
/// The keys are right, but this product, sales unit or function is not permitted; also: a refund without `allow_refund`.
pub const VP_ERR_NOT_PERMITTED: i32 = -21;
/// The wall clock cannot be right, so no certificate can be judged. Set the clock, or give the time by hook.
pub const VP_ERR_CLOCK: i32 = -22;
/// The TLS connection could not be made: certificate or protocol.
pub const VP_ERR_TLS: i32 = -23;
/// The base URL is not one, or what answers there is not the servers' API.
pub const VP_ERR_URL: i32 = -24;

/// No byte of the request left: no name, no route, no connection.
pub const VP_ERR_NETWORK: i32 = -40;
/// The servers refused because of too many requests; nothing was done.
pub const VP_ERR_RATE_LIMITED: i32 = -41;
/// vp_interrupt ended the call before anything was sent.
pub const VP_ERR_INTERRUPTED: i32 = -42;
/// A question that changes nothing had no usable answer.
pub const VP_ERR_UNAVAILABLE: i32 = -43;

/// It may have happened. Never show it as "failed". The library settles it: poll, call again, or vp_settle.
pub const VP_ERR_OUTCOME_UNKNOWN: i32 = -60;

/// Refused by the servers, for the reason in vp_error.
pub const VP_ERR_REFUSED: i32 = -70;
/// No payer can be reached by this number (Vipps 7010; also: too young). Never say that the number is wrong.
pub const VP_ERR_CUSTOMER_NOT_FOUND: i32 = -71;
/// The sales unit may not send push messages (Vipps 5080).
pub const VP_ERR_PUSH_NOT_ALLOWED: i32 = -72;
/// The passenger has approved already: take no cash; capture or give up.
pub const VP_ERR_ALREADY_APPROVED: i32 = -73;
/// The servers refuse the amount.
pub const VP_ERR_AMOUNT: i32 = -74;
/// The bank has released the money (Vipps 6260).
pub const VP_ERR_FUNDS_UNAVAILABLE: i32 = -75;
/// The period for this operation is over.
pub const VP_ERR_TOO_LATE: i32 = -76;
/// The ride ended without an approval: declined, expired or cancelled; `state` of the payment says which.
pub const VP_ERR_NOT_APPROVED: i32 = -77;

/// The journal could not be read or written.
pub const VP_ERR_STORAGE: i32 = -90;
/// The journal is full. New rides are refused; nothing that is owed is thrown away.
pub const VP_ERR_STORAGE_FULL: i32 = -91;
/// Another client, in this process or another, has the journal.
pub const VP_ERR_STORAGE_IN_USE: i32 = -92;
/// The record of this reference is damaged and was set aside. The office must look at this payment.
pub const VP_ERR_DAMAGED_RECORD: i32 = -93;

/// A bug of the library was caught. The client says nothing else any more: close it and open it again; what was
/// recorded is still recorded. Please report the message.
pub const VP_ERR_PANIC: i32 = -100;
/// A state that should not exist; nothing was sent.
pub const VP_ERR_INTERNAL: i32 = -101;

/// Not signed with this secret for this host, path and body, or not in a form that the servers send.
pub const VP_ERR_NOT_GENUINE: i32 = -110;
/// Genuine, but its date is outside the window that the receiver wants.
pub const VP_ERR_NOT_FRESH: i32 = -111;
/// Genuine, but no event of a payment that this version reads.
pub const VP_ERR_NOT_AN_EVENT: i32 = -112;

/// Nothing to add.
pub const VP_CAUSE_NONE: i32 = 0;
/// The time limit of the request was over.
pub const VP_CAUSE_TIMEOUT: i32 = 1;
/// The connection broke.
pub const VP_CAUSE_CONNECTION_LOST: i32 = 2;
/// The server answered 5xx.
pub const VP_CAUSE_SERVER_ERROR: i32 = 3;
/// The payment is locked or being processed on the servers.
pub const VP_CAUSE_LOCKED: i32 = 4;
/// The answer was not what the API promises: not JSON, cut short, too large.
pub const VP_CAUSE_BAD_ANSWER: i32 = 5;
/// Stopped by vp_interrupt or by the `on_tick` hook.
pub const VP_CAUSE_INTERRUPTED: i32 = 6;
/// The answer came, but could not be written to the journal.
pub const VP_CAUSE_STORAGE_AFTER_ANSWER: i32 = 7;
/// The host name could not be resolved.
pub const VP_CAUSE_NAME_LOOKUP: i32 = 8;
/// No TCP connection.
pub const VP_CAUSE_CONNECT: i32 = 9;
/// The TLS handshake failed.
pub const VP_CAUSE_TLS: i32 = 10;
/// 429.
pub const VP_CAUSE_RATE_LIMITED: i32 = 11;
/// 401.
pub const VP_CAUSE_UNAUTHORIZED: i32 = 12;
/// Accepted by the servers, but not yet visible in their sums.
pub const VP_CAUSE_NOT_YET_PROVEN: i32 = 13;
/// The proxy gives no tunnel: it refuses, wants other credentials (407), or is none. Surely nothing was sent.
pub const VP_CAUSE_PROXY: i32 = 14;
/// `source_address` is not one of this machine now, or not of the servers' family.
pub const VP_CAUSE_SOURCE_ADDRESS: i32 = 15;
/// The interface `interface_name` is not there now.
pub const VP_CAUSE_INTERFACE: i32 = 16;

/// Do not repeat.
pub const VP_RETRY_NO: i32 = 0;
/// The library repeats it itself, in the next call with time to spend.
pub const VP_RETRY_LIBRARY_DOES: i32 = 1;
/// Ask again later.
pub const VP_RETRY_LATER: i32 = 2;
/// Ask again with a new reference: vp_next_reference.
pub const VP_RETRY_NEW_REFERENCE: i32 = 3;

/// Nobody has to put it right: wait.
pub const VP_WHO_NOBODY_WAIT: i32 = 0;
/// The driver.
pub const VP_WHO_DRIVER: i32 = 1;
/// The passenger.
pub const VP_WHO_CUSTOMER: i32 = 2;
/// The office: configuration, keys, permissions.
pub const VP_WHO_OFFICE: i32 = 3;
/// Vipps MobilePay.
pub const VP_WHO_VIPPS: i32 = 4;
/// The programmer of the meter.
pub const VP_WHO_PROGRAMMER: i32 = 5;

/// What happened, for the log and for the next decision. The last parameter of every function that can fail; may be
/// NULL. Filled by every call: success clears it. English; never a key, never a phone number. For the driver's words
/// see vp_driver_text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_error {
    /// sizeof(vp_error)
    pub struct_size: u32,
    /// What the function returned: VP_OK, VP_PENDING or a VP_ERR_ code.
    pub code: i32,
    /// Why, beside the code: VP_CAUSE_
    pub cause: i32,
    /// HTTP status of the answer; 0 if there was none.
    pub http_status: i32,
    /// Error code of Vipps MobilePay (7010, 6090, ...); 0 if there was none.
    pub vipps_code: i32,
    /// Whether repeating makes sense: VP_RETRY_
    pub retry: i32,
    /// Who can put it right: VP_WHO_
    pub who: i32,
    /// 0
    pub reserved: u32,
    /// The parameter or member at fault, as it is named here: "amount", "receipt.lines[2].vat"; empty if none. What is
    /// longer than 31 bytes is cut.
    pub field: [c_char; 32],
    /// The rule that was broken, or the server's title and detail. What is longer than 159 bytes is cut.
    pub message: [c_char; 160],
    /// The server's trace id, for its support; empty if there was none.
    pub trace_id: [c_char; 64],
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and characters.
unsafe impl CStruct for vp_error {
    const FIRST_SIZE: usize = 288;
}

macro_rules! named {
    ($($name:ident)*) => {
        &[$(($name, match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => c"",
        })),*]
    };
}

/// Every code and its name.
pub static NAMES: &[(i32, &CStr)] = named![
    VP_OK
    VP_PENDING
    VP_ERR_INVALID_ARGUMENT
    VP_ERR_NULL_POINTER
    VP_ERR_STRUCT_SIZE
    VP_ERR_HEADER_VERSION
    VP_ERR_NO_SUCH_CLIENT
    VP_ERR_BUSY
    VP_ERR_REENTRANT
    VP_ERR_REFERENCE_IN_USE
    VP_ERR_TRIP_IN_USE
    VP_ERR_NO_SUCH_PAYMENT
    VP_ERR_WRONG_STATE
    VP_ERR_BUFFER_TOO_SMALL
    VP_ERR_CREDENTIALS
    VP_ERR_NOT_PERMITTED
    VP_ERR_CLOCK
    VP_ERR_TLS
    VP_ERR_URL
    VP_ERR_NETWORK
    VP_ERR_RATE_LIMITED
    VP_ERR_INTERRUPTED
    VP_ERR_UNAVAILABLE
    VP_ERR_OUTCOME_UNKNOWN
    VP_ERR_REFUSED
    VP_ERR_CUSTOMER_NOT_FOUND
    VP_ERR_PUSH_NOT_ALLOWED
    VP_ERR_ALREADY_APPROVED
    VP_ERR_AMOUNT
    VP_ERR_FUNDS_UNAVAILABLE
    VP_ERR_TOO_LATE
    VP_ERR_NOT_APPROVED
    VP_ERR_STORAGE
    VP_ERR_STORAGE_FULL
    VP_ERR_STORAGE_IN_USE
    VP_ERR_DAMAGED_RECORD
    VP_ERR_PANIC
    VP_ERR_INTERNAL
    VP_ERR_NOT_GENUINE
    VP_ERR_NOT_FRESH
    VP_ERR_NOT_AN_EVENT
];

impl vp_error {
    /// A report in the caller's words.
    pub fn of(report: &Report) -> vp_error {
        vp_error {
            struct_size: size_of::<vp_error>() as u32,
            code: report.code.number(),
            cause: report.cause as i32,
            http_status: report.http_status,
            vipps_code: report.vipps_code,
            retry: report.retry as i32,
            who: report.who as i32,
            reserved: 0,
            field: fixed(&report.field),
            message: fixed(&report.message),
            trace_id: fixed(&report.trace_id),
        }
    }
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_error>() == 288);
    assert!(offset_of!(vp_error, who) == 24);
    assert!(offset_of!(vp_error, field) == 32);
    assert!(offset_of!(vp_error, message) == 64);
    assert!(offset_of!(vp_error, trace_id) == 224);
};
