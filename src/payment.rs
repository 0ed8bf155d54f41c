//! What is known of a payment: states, verdicts, next steps, and the structs that carry them.

use libc::{c_char, c_void};
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::driver_text::Message;
use vpmeter_core::vipps::epayment::Event;

use crate::pointers::{fixed, CStruct};

/// On disk; nothing was sent yet.
pub const VP_STATE_RECORDED: i32 = 1;
/// On the servers; the passenger has not acted.
pub const VP_STATE_CREATED: i32 = 2;
/// The passenger approved; the money is reserved. Stays so after capture and refund: the sums tell those.
pub const VP_STATE_AUTHORIZED: i32 = 3;
/// The passenger declined.
pub const VP_STATE_ABORTED: i32 = 4;
/// The passenger did nothing in time.
pub const VP_STATE_EXPIRED: i32 = 5;
/// Cancelled before approval.
pub const VP_STATE_TERMINATED: i32 = 6;
/// Proven: the servers have no such payment.
pub const VP_STATE_NOT_CREATED: i32 = 7;
/// The request may have reached the servers; its answer was lost.
pub const VP_STATE_UNKNOWN: i32 = 8;

/// The passenger must not leave yet, and no other payment may be taken.
pub const VP_VERDICT_WAIT: i32 = 1;
/// Paid, and proven: the passenger may leave.
pub const VP_VERDICT_PAID_LEAVE: i32 = 2;
/// Approved, and the capture is on disk: the money will come, the passenger may leave.
pub const VP_VERDICT_SECURED_LEAVE: i32 = 3;
/// Proven dead: take another payment.
pub const VP_VERDICT_TAKE_OTHER_PAYMENT: i32 = 4;
/// Given up: take another payment. The passenger may see a reservation for a while; the library releases it.
pub const VP_VERDICT_TAKE_OTHER_RELEASE_OWED: i32 = 5;
/// Only a human can tell.
pub const VP_VERDICT_ASK_OFFICE: i32 = 6;

/// Nothing is left to do.
pub const VP_NEXT_DONE: i32 = 1;
/// Call vp_poll.
pub const VP_NEXT_POLL: i32 = 2;
/// Call vp_capture, or give up with vp_cancel.
pub const VP_NEXT_CAPTURE: i32 = 3;
/// A human decides: vp_capture, or vp_cancel with VP_CANCEL_GIVE_UP or VP_CANCEL_RELEASE_REST.
pub const VP_NEXT_DECIDE: i32 = 4;
/// Something recorded is not done yet: the same call again, vp_settle or vp_worker_run.
pub const VP_NEXT_SETTLE: i32 = 5;
/// Tell the office.
pub const VP_NEXT_OFFICE: i32 = 6;

/// A capture is asked for and not proven.
pub const VP_OWED_CAPTURE: u32 = 1;
/// A reservation is to be released.
pub const VP_OWED_RELEASE: u32 = 2;
/// The receipt is to be posted.
pub const VP_OWED_RECEIPT: u32 = 4;
/// A refund is asked for and not proven.
pub const VP_OWED_REFUND: u32 = 8;
/// A human must decide.
pub const VP_OWED_DECISION: u32 = 16;
/// The answer to a create, cancel, capture or refund is outstanding.
pub const VP_OWED_ANSWER: u32 = 32;
/// The record belongs to another sales unit or to other servers; this client leaves it alone.
pub const VP_OWED_ELSEWHERE: u32 = 64;
/// Money that can never be had any more.
pub const VP_OWED_LOST: u32 = 128;
/// The receipt was refused for good.
pub const VP_OWED_RECEIPT_REFUSED: u32 = 256;

/// The request is with the passenger.
pub const VP_MSG_WAITING: i32 = 1;
/// The same, for a passenger who sees nothing: open the app.
pub const VP_MSG_WAITING_OPEN_APP: i32 = 2;
/// Captured and proven.
pub const VP_MSG_PAID: i32 = 3;
/// Approved, and the capture is recorded: it will be carried out.
pub const VP_MSG_SECURED: i32 = 4;
/// The passenger said no.
pub const VP_MSG_DECLINED: i32 = 5;
/// The passenger's time is over.
pub const VP_MSG_TIMED_OUT: i32 = 6;
/// The request is withdrawn and proven dead.
pub const VP_MSG_CANCELLED: i32 = 7;
/// No payer can be reached by this number.
pub const VP_MSG_CUSTOMER_UNREACHABLE: i32 = 8;
/// Given up: another payment may be taken.
pub const VP_MSG_GIVEN_UP_RELEASE_OWED: i32 = 9;
/// Only the office can help.
pub const VP_MSG_ASK_OFFICE: i32 = 10;
/// Something in the car or on the way does not work.
pub const VP_MSG_TECHNICAL_PROBLEM: i32 = 11;
/// The sales unit may not send requests to a phone.
pub const VP_MSG_PUSH_NOT_ALLOWED: i32 = 12;
/// The passenger was faster than the change of mind.
pub const VP_MSG_ALREADY_APPROVED: i32 = 13;
/// Recorded, but not sent.
pub const VP_MSG_NOT_SENT_YET: i32 = 14;
/// An answer was lost; it is being settled.
pub const VP_MSG_UNKNOWN_STILL_CHECKING: i32 = 15;
/// Somebody has to decide whether this payment is captured or released.
pub const VP_MSG_DECISION_OWED: i32 = 16;
/// Money went back.
pub const VP_MSG_REFUNDED: i32 = 17;
/// Captured, and what was approved beyond it is released.
pub const VP_MSG_RELEASED_REST: i32 = 18;
/// The passenger has approved; the capture is not recorded yet.
pub const VP_MSG_APPROVED: i32 = 19;
/// The servers did not take the payment request.
pub const VP_MSG_NOT_ACCEPTED: i32 = 20;
/// The request is with the passenger, but there is no contact with the servers.
pub const VP_MSG_NO_CONTACT: i32 = 21;

/// A payment at one moment. Filled whenever the reference has a record, whatever the function returned: when the
/// outcome is unknown it is needed most. Without a record it is emptied (all zero but `struct_size`), so it never shows the
/// verdict of a payment before. Holds no phone number. Money is in minor units, times are Unix milliseconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_payment {
    /// sizeof(vp_payment)
    pub struct_size: u32,
    /// VP_STATE_
    pub state: i32,
    /// May the passenger leave? VP_VERDICT_
    pub verdict: i32,
    /// What the program does next; loops run on this. VP_NEXT_
    pub next_step: i32,
    /// Bits of VP_OWED_; 0 if nothing is owed.
    pub owed: u32,
    /// What the driver reads: VP_MSG_, in words by vp_driver_text.
    pub message: i32,
    /// What the last call for this payment returned.
    pub last_code: i32,
    /// 1: closed, nothing is left to do; 0: open.
    pub closed: i32,
    /// When to come again, milliseconds from now.
    pub next_ms: u32,
    /// Requests sent for this payment.
    pub requests: u32,
    /// What the passenger was asked for.
    pub amount: i64,
    /// Reserved by the approval.
    pub authorized: i64,
    /// Captured, of what was reserved.
    pub captured: i64,
    /// Cancelled, of what was reserved.
    pub cancelled: i64,
    /// Refunded, of what was captured.
    pub refunded: i64,
    /// When the payment was recorded here.
    pub created_at: i64,
    /// When the passenger's time is over.
    pub expires_at: i64,
    /// Until when a capture is guaranteed; 0: not known.
    pub capture_guaranteed_until: i64,
    /// Bytes given to the network for this payment.
    pub bytes_sent: i64,
    /// Bytes taken from the network for this payment.
    pub bytes_received: i64,
    /// "NOK", "DKK" or "EUR"
    pub currency: [c_char; 8],
    /// The merchant's reference.
    pub reference: [c_char; 72],
    /// The servers' own reference; empty: not known yet.
    pub psp_reference: [c_char; 64],
    /// The trip given at create; empty: none.
    pub trip: [c_char; 64],
    /// Why a human must decide (VP_OWED_DECISION), or why money is lost (VP_OWED_LOST); English, for the office. What is
    /// longer than 95 bytes is cut.
    pub reason: [c_char; 96],
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and characters.
unsafe impl CStruct for vp_payment {
    const FIRST_SIZE: usize = 424;
}

/// One entry of the servers' log of a payment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_event {
    /// Size of the struct as the library has it.
    pub struct_size: u32,
    /// 1: done; 0: tried, and it failed.
    pub success: i32,
    /// Of this event, not a running total; minor units.
    pub amount: i64,
    /// Unix milliseconds; 0: not readable.
    pub timestamp: i64,
    /// "CREATED", "AUTHORIZED", "CAPTURED", ... as the server wrote it.
    pub name: [c_char; 32],
    /// The key of the request that caused it; empty on some events.
    pub idempotency_key: [c_char; 64],
    /// Of this event.
    pub psp_reference: [c_char; 64],
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and characters.
unsafe impl CStruct for vp_event {
    const FIRST_SIZE: usize = 184;
}

/// Hears of a payment. `payment` is valid during the call only; members that this header does not know may follow.
pub type vp_payment_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, payment: *const vp_payment)>;

/// Hears of a payment in a list; returns 0 to go on, anything else to end the list. `payment` is valid during the call
/// only; members that this header does not know may follow.
pub type vp_list_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, payment: *const vp_payment) -> i32>;

/// Hears of an event; returns 0 to go on, anything else to end the list. `event` is valid during the call only; members
/// that this header does not know may follow.
pub type vp_event_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, event: *const vp_event) -> i32>;

impl vp_payment {
    /// A snapshot in the caller's words.
    pub fn of(s: &Snapshot) -> vp_payment {
        vp_payment {
            struct_size: size_of::<vp_payment>() as u32,
            state: s.state as i32,
            verdict: s.verdict as i32,
            next_step: s.next_step as i32,
            owed: s.owed,
            message: message_number(s.message),
            last_code: s.last_code,
            closed: i32::from(s.closed),
            next_ms: s.next_ms,
            requests: s.requests,
            amount: s.amount,
            authorized: s.authorized,
            captured: s.captured,
            cancelled: s.cancelled,
            refunded: s.refunded,
            created_at: s.created_at,
            expires_at: s.expires_at,
            capture_guaranteed_until: s.guaranteed_until,
            bytes_sent: i64::try_from(s.bytes_sent).unwrap_or(i64::MAX),
            bytes_received: i64::try_from(s.bytes_received).unwrap_or(i64::MAX),
            currency: fixed(s.currency.as_str()),
            reference: fixed(&s.reference),
            psp_reference: fixed(&s.psp_reference),
            trip: fixed(&s.trip),
            reason: fixed(&s.reason),
        }
    }
}

impl vp_event {
    /// An event in the caller's words.
    pub fn of(e: &Event) -> vp_event {
        vp_event {
            struct_size: size_of::<vp_event>() as u32,
            success: i32::from(e.success),
            amount: e.amount,
            timestamp: e.timestamp,
            name: fixed(&e.name),
            idempotency_key: fixed(&e.idempotency_key),
            psp_reference: fixed(&e.psp_reference),
        }
    }
}

/// The number of a driver's message.
pub fn message_number(message: Message) -> i32 {
    match message {
        Message::Waiting => VP_MSG_WAITING,
        Message::WaitingOpenApp => VP_MSG_WAITING_OPEN_APP,
        Message::Paid => VP_MSG_PAID,
        Message::Secured => VP_MSG_SECURED,
        Message::Declined => VP_MSG_DECLINED,
        Message::TimedOut => VP_MSG_TIMED_OUT,
        Message::Cancelled => VP_MSG_CANCELLED,
        Message::CustomerUnreachable => VP_MSG_CUSTOMER_UNREACHABLE,
        Message::GivenUpReleaseOwed => VP_MSG_GIVEN_UP_RELEASE_OWED,
        Message::AskOffice => VP_MSG_ASK_OFFICE,
        Message::TechnicalProblem => VP_MSG_TECHNICAL_PROBLEM,
        Message::PushNotAllowed => VP_MSG_PUSH_NOT_ALLOWED,
        Message::AlreadyApproved => VP_MSG_ALREADY_APPROVED,
        Message::NotSentYet => VP_MSG_NOT_SENT_YET,
        Message::UnknownStillChecking => VP_MSG_UNKNOWN_STILL_CHECKING,
        Message::DecisionOwed => VP_MSG_DECISION_OWED,
        Message::Refunded => VP_MSG_REFUNDED,
        Message::ReleasedRest => VP_MSG_RELEASED_REST,
        Message::Approved => VP_MSG_APPROVED,
        Message::NotAccepted => VP_MSG_NOT_ACCEPTED,
        Message::NoContact => VP_MSG_NO_CONTACT,
    }
}

/// The driver's message of a number.
pub fn message_of(number: i32) -> Option<Message> {
    let all = Message::ALL.iter().copied();
    all.into_iter().find(|m| message_number(*m) == number)
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_payment>() == 424);
    assert!(offset_of!(vp_payment, closed) == 28);
    assert!(offset_of!(vp_payment, requests) == 36);
    assert!(offset_of!(vp_payment, amount) == 40);
    assert!(offset_of!(vp_payment, created_at) == 80);
    assert!(offset_of!(vp_payment, bytes_received) == 112);
    assert!(offset_of!(vp_payment, currency) == 120);
    assert!(offset_of!(vp_payment, reference) == 128);
    assert!(offset_of!(vp_payment, psp_reference) == 200);
    assert!(offset_of!(vp_payment, trip) == 264);
    assert!(offset_of!(vp_payment, reason) == 328);
    assert!(size_of::<vp_event>() == 184);
    assert!(offset_of!(vp_event, amount) == 8);
    assert!(offset_of!(vp_event, timestamp) == 16);
    assert!(offset_of!(vp_event, name) == 24);
    assert!(offset_of!(vp_event, psp_reference) == 120);
};
