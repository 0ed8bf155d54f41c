//! State x owed x last outcome -> what the driver may do, what the program does next, and what the driver reads. Pure.
//!
//! The table, first row that fits:
//!
//! | row | situation | verdict | next step |
//! |---|---|---|---|
//! | 1 | a human must decide | `ASK_OFFICE` | `DECIDE` |
//! | 2 | money lost | `ASK_OFFICE` | `OFFICE` |
//! | 3 | everything captured was refunded | `TAKE_OTHER_PAYMENT`; `ASK_OFFICE` while a reservation is left | `DONE`; `CAPTURE` |
//! | 4 | a capture of ours is proven, or all is captured | `PAID_LEAVE` | `SETTLE` if anything is owed, `CAPTURE` if a reservation is left, else `DONE` |
//! | 5 | dead: declined, expired, cancelled, never created | `TAKE_OTHER_PAYMENT` | `DONE` |
//! | 6 | given up | `TAKE_OTHER_RELEASE_OWED` until the release is proven, then `TAKE_OTHER_PAYMENT` | `SETTLE`, `DONE` |
//! | 7 | approved and cancelled by others, no capture intent on disk | `TAKE_OTHER_PAYMENT` | `DONE` |
//! | 8 | approved, capture intent on disk | `SECURED_LEAVE` | `SETTLE` |
//! | 9 | approved | `WAIT` | `CAPTURE`; `SETTLE` while the record may be an older version |
//! | 10 | a cancel is under way | `WAIT` | `SETTLE` |
//! | 11 | everything else | `WAIT` | `POLL` |

use crate::driver_text::Message;
use crate::error::Code;
use crate::payment::{Payment, Progress, State};

/// May the passenger leave?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Verdict {
    /// Not yet.
    Wait = 1,
    /// Paid, and proven.
    PaidLeave = 2,
    /// Approved, and the capture intent is on disk: the money will come.
    SecuredLeave = 3,
    /// Proven dead: take another payment.
    TakeOtherPayment = 4,
    /// Given up: take another payment; the customer may see a reservation for a while.
    TakeOtherReleaseOwed = 5,
    /// Only a human can tell.
    AskOffice = 6,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 6] = [
        Verdict::Wait,
        Verdict::PaidLeave,
        Verdict::SecuredLeave,
        Verdict::TakeOtherPayment,
        Verdict::TakeOtherReleaseOwed,
        Verdict::AskOffice,
    ];
}

/// What the program does next; loops run on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum NextStep {
    /// Nothing.
    Done = 1,
    /// `vp_poll`.
    Poll = 2,
    /// `vp_capture` or give up.
    Capture = 3,
    /// `vp_decide`.
    Decide = 4,
    /// `vp_settle`, or the same call again: something recorded is not done yet.
    Settle = 5,
    /// Tell the office.
    Office = 6,
}

impl NextStep {
    /// Every next step.
    pub const ALL: [NextStep; 6] = [
        NextStep::Done,
        NextStep::Poll,
        NextStep::Capture,
        NextStep::Decide,
        NextStep::Settle,
        NextStep::Office,
    ];
}

/// Bits of what is owed.
pub mod owed {
    /// A capture is asked for and not proven.
    pub const CAPTURE: u32 = 1;
    /// A reservation is to be released.
    pub const RELEASE: u32 = 2;
    /// The receipt is to be posted.
    pub const RECEIPT: u32 = 4;
    /// A refund is asked for and not proven.
    pub const REFUND: u32 = 8;
    /// A human must decide.
    pub const DECISION: u32 = 16;
    /// The answer to a create, cancel, capture or refund is outstanding.
    pub const ANSWER: u32 = 32;
    /// The record belongs to another sales unit or other servers.
    pub const ELSEWHERE: u32 = 64;
    /// Money that can never be had any more.
    pub const LOST: u32 = 128;
    /// The receipt was refused for good.
    pub const RECEIPT_REFUSED: u32 = 256;
}

/// What the table says of one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// May the passenger leave?
    pub verdict: Verdict,
    /// What the program does next.
    pub next_step: NextStep,
    /// Bits of [`owed`].
    pub owed: u32,
    /// What the driver reads.
    pub message: Message,
}

/// What is owed.
pub fn owed_of(p: &Payment) -> u32 {
    let r = &p.record;
    let mut bits = 0;
    let mut set = |on: bool, bit: u32| {
        if on {
            bits |= bit;
        }
    };
    let open_cancel = r.withdraw.as_ref().is_some_and(|w| w.progress.is_owed());
    set(r.open_capture().is_some(), owed::CAPTURE);
    set(r.release_owed(), owed::RELEASE);
    set(r.receipt_owed(), owed::RECEIPT);
    set(r.open_refund().is_some(), owed::REFUND);
    set(!r.decision.is_empty(), owed::DECISION);
    set(
        (open_cancel && (p.course.create_may_have_left || r.create.progress == Progress::Done))
            || (r.create.progress.is_owed() && p.course.create_may_have_left)
            || p.course.accepted_at.is_some(),
        owed::ANSWER,
    );
    set(r.lost.is_some(), owed::LOST);
    set(
        r.receipt
            .as_ref()
            .is_some_and(|x| matches!(x.progress, Progress::Refused(_))),
        owed::RECEIPT_REFUSED,
    );
    bits
}

/// Looks the payment up in the table.
pub fn judge(p: &Payment) -> Judgement {
    use NextStep::*;
    use Verdict::*;
    let r = &p.record;
    let bits = owed_of(p);
    let state = p.state();
    let unfinished = bits & (owed::CAPTURE | owed::RELEASE | owed::RECEIPT | owed::REFUND) != 0;
    let then = |or: NextStep| if unfinished { Settle } else { or };
    let a = r.aggregate;
    let captured = r.captures.iter().any(|c| c.progress == Progress::Done)
        || a.captured > 0 && a.captured == a.authorized;
    let gone =
        state == State::Authorized && a.captured == 0 && a.cancelled > 0 && a.reserved() == 0;
    let refunded = a.captured > 0 && a.refunded >= a.captured;
    let left = a.reserved() > 0 && r.release.is_none();
    let (verdict, next_step, message) = if !r.decision.is_empty() {
        (AskOffice, Decide, Message::DecisionOwed)
    } else if r.lost.is_some() {
        (AskOffice, Office, Message::AskOffice)
    } else if refunded && a.reserved() == 0 {
        (TakeOtherPayment, then(Done), Message::Refunded)
    } else if refunded {
        (AskOffice, then(Capture), Message::AskOffice)
    } else if captured {
        let message = if r
            .release
            .as_ref()
            .is_some_and(|c| c.progress == Progress::Done)
        {
            Message::ReleasedRest
        } else {
            Message::Paid
        };
        (PaidLeave, then(if left { Capture } else { Done }), message)
    } else if state.is_dead() {
        (TakeOtherPayment, Done, message_of_dead(p, state))
    } else if r.given_up {
        if r.release_owed() {
            (TakeOtherReleaseOwed, Settle, Message::GivenUpReleaseOwed)
        } else {
            (TakeOtherPayment, Done, Message::Cancelled)
        }
    } else if state == State::Authorized && r.is_doubtful() && r.open_capture().is_none() {
        (Wait, Settle, Message::UnknownStillChecking)
    } else if gone && r.open_capture().is_none() {
        (TakeOtherPayment, then(Done), Message::Cancelled)
    } else if state == State::Authorized {
        if r.open_capture().is_some() {
            (SecuredLeave, Settle, Message::Secured)
        } else {
            let late = matches!(&r.withdraw, Some(w) if !w.progress.is_owed());
            let message = if late {
                Message::AlreadyApproved
            } else {
                Message::Approved
            };
            (Wait, Capture, message)
        }
    } else if r.is_called_off() {
        (Wait, Settle, Message::UnknownStillChecking)
    } else {
        let message = match state {
            State::Recorded => Message::NotSentYet,
            State::Unknown => Message::UnknownStillChecking,
            _ if out_of_contact(p) => Message::NoContact,
            _ => Message::Waiting,
        };
        (Wait, Poll, message)
    };
    Judgement {
        verdict,
        next_step,
        owed: bits,
        message,
    }
}

/// Two reads in a row that did not reach the servers.
fn out_of_contact(p: &Payment) -> bool {
    let last = p.course.last.as_ref().map(|r| r.code);
    p.course.tries >= 2 && matches!(last, Some(Code::Network | Code::Unavailable))
}

fn message_of_dead(p: &Payment, state: State) -> Message {
    match state {
        State::Aborted => Message::Declined,
        State::Expired => Message::TimedOut,
        State::NotCreated => {
            let code = match &p.record.create.progress {
                Progress::Refused(r) => Code::from_number(r.code),
                _ => None,
            };
            match code {
                Some(Code::CustomerNotFound) => Message::CustomerUnreachable,
                Some(Code::PushNotAllowed) => Message::PushNotAllowed,
                Some(Code::NotApproved | Code::Interrupted | Code::Network) => Message::Cancelled,
                _ => Message::NotAccepted,
            }
        }
        _ => Message::Cancelled,
    }
}
