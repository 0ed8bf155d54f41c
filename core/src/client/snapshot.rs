//! A payment as the host sees it.

use crate::driver_text::Message;
use crate::money::Currency;
use crate::payment::{Now, Payment, State};
use crate::verdict::{judge, owed, NextStep, Verdict};

/// A payment at one moment. Holds no phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The merchant's reference.
    pub reference: String,
    /// The host's trip; empty if it gave none.
    pub trip: String,
    /// The servers' own reference; empty if not known yet.
    pub psp_reference: String,
    /// Currency.
    pub currency: Currency,
    /// The state.
    pub state: State,
    /// May the passenger leave?
    pub verdict: Verdict,
    /// What the program does next.
    pub next_step: NextStep,
    /// Bits of [`owed`].
    pub owed: u32,
    /// What the driver reads.
    pub message: Message,
    /// Number of the code of the last call for this payment.
    pub last_code: i32,
    /// When to come again, in milliseconds from now.
    pub next_ms: u32,
    /// Requests sent for this payment.
    pub requests: u32,
    /// What the passenger was asked for, minor units.
    pub amount: i64,
    /// Reserved, minor units.
    pub authorized: i64,
    /// Captured, minor units.
    pub captured: i64,
    /// Cancelled, minor units.
    pub cancelled: i64,
    /// Refunded, minor units.
    pub refunded: i64,
    /// When the intent was recorded, Unix milliseconds.
    pub created_at: i64,
    /// When the customer's time is over, Unix milliseconds.
    pub expires_at: i64,
    /// Until when the capture is guaranteed, Unix milliseconds; 0 if not known.
    pub guaranteed_until: i64,
    /// Bytes given to the network for this payment.
    pub bytes_sent: u64,
    /// Bytes taken from the network for this payment.
    pub bytes_received: u64,
    /// Closed: nothing is left to do.
    pub closed: bool,
    /// Why a human must decide, or why money is lost; empty otherwise.
    pub reason: String,
}

/// The customer's time (ePayment API guide, timeouts): ten minutes from create.
pub const CUSTOMER_WINDOW_MS: i64 = 600_000;

impl Snapshot {
    /// Looks at a payment now.
    pub fn of(p: &Payment, now: Now) -> Snapshot {
        let r = &p.record;
        let j = judge(p);
        let next_ms = match j.next_step {
            NextStep::Poll => p.course.next_poll.max(p.course.not_before) - now.mono,
            NextStep::Settle => p.course.not_before - now.mono,
            _ => 0,
        };
        Snapshot {
            reference: r.reference.as_str().to_string(),
            trip: r.trip.clone(),
            psp_reference: r.psp_reference.clone(),
            currency: r.currency,
            state: p.state(),
            verdict: j.verdict,
            next_step: j.next_step,
            owed: j.owed,
            message: j.message,
            last_code: r.last_code,
            next_ms: u32::try_from(next_ms.max(0)).unwrap_or(u32::MAX),
            requests: r.requests,
            amount: r.amount,
            authorized: r.aggregate.authorized,
            captured: r.aggregate.captured,
            cancelled: r.aggregate.cancelled,
            refunded: r.aggregate.refunded,
            created_at: r.created_at,
            expires_at: r.created_at + CUSTOMER_WINDOW_MS,
            guaranteed_until: r.guaranteed_until,
            bytes_sent: r.bytes_sent,
            bytes_received: r.bytes_received,
            closed: r.closed_at != 0,
            reason: match (&r.lost, r.decision.as_str()) {
                (_, why) if !why.is_empty() => why.to_string(),
                (Some(lost), _) => lost.reason.clone(),
                (None, _) => String::new(),
            },
        }
    }

    /// A record that was damaged and set aside: known by name only.
    pub fn damaged(reference: &str) -> Snapshot {
        Snapshot {
            reference: reference.to_string(),
            trip: String::new(),
            psp_reference: String::new(),
            currency: Currency::Nok,
            state: State::Unknown,
            verdict: Verdict::AskOffice,
            next_step: NextStep::Decide,
            owed: owed::DECISION,
            message: Message::DecisionOwed,
            last_code: crate::error::Code::DamagedRecord.number(),
            next_ms: 0,
            requests: 0,
            amount: 0,
            authorized: 0,
            captured: 0,
            cancelled: 0,
            refunded: 0,
            created_at: 0,
            expires_at: 0,
            guaranteed_until: 0,
            bytes_sent: 0,
            bytes_received: 0,
            closed: false,
            reason: "the record is damaged and was set aside".into(),
        }
    }

    /// A record that cannot be read now, and may be whole: known by name only.
    pub fn unread(reference: &str) -> Snapshot {
        Snapshot {
            verdict: Verdict::Wait,
            next_step: NextStep::Settle,
            owed: owed::ANSWER,
            message: Message::UnknownStillChecking,
            last_code: crate::error::Code::Storage.number(),
            reason: "the record cannot be read now".into(),
            ..Snapshot::damaged(reference)
        }
    }
}
