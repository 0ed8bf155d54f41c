//! One payment: what is written of it, what is asked of it, and how it looks from outside. Pure: no door is used here.
//!
//! A [`Record`] is what survives a power cut; a [`Course`] is what this process knows besides (what it sent, when to try
//! again) and forgets at a restart, after which everything that may have been sent counts as sent.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Report};
use crate::money::Currency;
use crate::reference::{idempotency_key, KeyOf, Reference, RideId};

mod course;
mod intents;
pub mod request;
pub mod told;
mod tries;

pub use course::{Course, Operation, Unsaved};
pub use request::Marks;
pub use tries::{Refusals, Tries};

/// The format of a record that this version writes.
pub const RECORD_FORMAT: u32 = 1;

/// What an approval means; said at create, on disk before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i32)]
pub enum OnApproval {
    /// The fare is final: an approval in time is captured, also by `vp_settle` after a restart.
    Capture = 1,
    /// The approval is only a reservation; the host captures or gives up.
    Hold = 2,
}

/// The state of a payment. The servers' five states and three of our own, before the servers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(i32)]
pub enum State {
    /// On disk; nothing was sent yet.
    Recorded = 1,
    /// On the servers; the passenger has not acted (ePayment: `CREATED`).
    Created = 2,
    /// The passenger approved; the money is reserved. Stays so after capture and refund (ePayment: `AUTHORIZED`).
    Authorized = 3,
    /// The passenger declined (ePayment: `ABORTED`).
    Aborted = 4,
    /// The passenger did nothing in time (ePayment: `EXPIRED`).
    Expired = 5,
    /// Cancelled before approval (ePayment: `TERMINATED`).
    Terminated = 6,
    /// Proven: the servers have no such payment of ours.
    NotCreated = 7,
    /// The create may have reached the servers; its answer was lost.
    Unknown = 8,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Recorded,
        State::Created,
        State::Authorized,
        State::Aborted,
        State::Expired,
        State::Terminated,
        State::NotCreated,
        State::Unknown,
    ];

    /// Proven: no money can ever move by this payment.
    pub fn is_dead(self) -> bool {
        matches!(
            self,
            State::Aborted | State::Expired | State::Terminated | State::NotCreated
        )
    }
}

/// What the server refused, kept so that it can be told again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Number of the [`Code`].
    pub code: i32,
    /// HTTP status.
    pub http_status: i32,
    /// Vipps code, 0 if none.
    pub vipps_code: i32,
    /// The server's title and detail.
    pub message: String,
    /// The server's trace id.
    pub trace_id: String,
}

impl Refusal {
    /// The refusal as a report to the caller.
    pub fn report(&self) -> Report {
        let code = Code::from_number(self.code).unwrap_or(Code::Refused);
        let mut r = Report::new(code, self.message.clone());
        r.http_status = self.http_status;
        r.vipps_code = self.vipps_code;
        r.trace_id = self.trace_id.clone();
        r
    }

    /// A refusal out of a report.
    pub fn of(report: &Report) -> Refusal {
        Refusal {
            code: report.code.number(),
            http_status: report.http_status,
            vipps_code: report.vipps_code,
            message: report.message.clone(),
            trace_id: report.trace_id.clone(),
        }
    }
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Asked for, not proven.
    Owed,
    /// Proven.
    Done,
    /// Proven that it did not happen, and it will not be tried again.
    Refused(Refusal),
}

impl Progress {
    /// Still to be done.
    pub fn is_owed(&self) -> bool {
        matches!(self, Progress::Owed)
    }
}

/// The create: key and exact body, kept until the servers are known to have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Idempotency key.
    pub key: String,
    /// The exact bytes sent. Holds the phone number, so it goes as soon as the create is confirmed or refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// Last two digits of the payer's number, in records of earlier versions. Empty since: with the marks they would leave
    /// a handful of numbers to guess.
    pub payer_hint: String,
    /// By which the same request is known when the body is gone; none in records of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub marks: Option<Marks>,
    /// `Done` is "confirmed"; a create that was confirmed is never sent again.
    pub progress: Progress,
    /// Ended as never created after an answer was lost: the servers are asked once more at the next start within a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
}

/// A capture or a refund: an operation of its own, with its own key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Minor units.
    pub amount: i64,
    /// What was captured (refunded) before this was sent: growth over it is proof. `None` if that was not read yet, and
    /// then it was never sent.
    pub baseline: Option<i64>,
    /// Which attempt this is; a new one has a new key, on disk before it is sent.
    pub attempt: u32,
    /// Idempotency key of the attempt.
    pub key: String,
    /// The exact bytes of the request.
    pub body: String,
    /// Wall time of the intent, Unix milliseconds.
    pub asked_at: i64,
    /// How far it is.
    pub progress: Progress,
    /// Neither proven nor ruled out, and not sent again before a human decides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

impl Movement {
    /// Something sent for it may still act: it is open, or was written off while it was.
    pub fn key_is_open(&self) -> bool {
        match &self.progress {
            Progress::Owed => true,
            Progress::Done => false,
            Progress::Refused(r) => r.code == Code::OutcomeUnknown.number(),
        }
    }
}

/// One of the two cancels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Which attempt this is.
    pub attempt: u32,
    /// Idempotency key of the attempt.
    pub key: String,
    /// How far it is.
    pub progress: Progress,
}

/// The receipt of the ride.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// The exact bytes; gone once posted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// Sum of the lines, minor units.
    pub total: i64,
    /// Tip beside the lines, minor units.
    pub tip: i64,
    /// Given with the create; it becomes owed with the capture.
    pub planned: bool,
    /// How far it is.
    pub progress: Progress,
}

/// The four amounts of the servers' aggregate, minor units. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Reserved by the approval.
    pub authorized: i64,
    /// Captured.
    pub captured: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Refunded.
    pub refunded: i64,
}

/// The four amounts as one answer shows them, minor units; what it leaves out is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Reserved by the approval.
    pub authorized: Option<i64>,
    /// Captured.
    pub captured: Option<i64>,
    /// Cancelled.
    pub cancelled: Option<i64>,
    /// Refunded.
    pub refunded: Option<i64>,
}

impl Sums {
    /// None of them is known.
    pub fn is_empty(&self) -> bool {
        *self == Sums::default()
    }
}

impl Aggregate {
    /// The newer of both, amount by amount: a lagging answer never takes back what another has shown.
    pub fn grow(&mut self, shown: Sums) {
        self.authorized = self.authorized.max(shown.authorized.unwrap_or(0));
        self.captured = self.captured.max(shown.captured.unwrap_or(0));
        self.cancelled = self.cancelled.max(shown.cancelled.unwrap_or(0));
        self.refunded = self.refunded.max(shown.refunded.unwrap_or(0));
    }

    /// What is still reserved.
    pub fn reserved(&self) -> i64 {
        (self.authorized - self.captured - self.cancelled).max(0)
    }
}

/// What survives a power cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_FORMAT`].
    pub format: u32,
    /// The merchant's reference.
    pub reference: Reference,
    /// Random; travels in the payment's metadata and proves that a payment is ours.
    pub ride_id: RideId,
    /// Sales unit (merchant serial number).
    pub msn: String,
    /// Host of the servers.
    pub environment: String,
    /// The meter or car.
    pub device: String,
    /// The host's trip; empty if it has none.
    pub trip: String,
    /// A declared part of a split fare: other payments of the trip do not exclude it.
    pub part: bool,
    /// Minor units.
    pub amount: i64,
    /// Currency.
    pub currency: Currency,
    /// What an approval means.
    pub on_approval: OnApproval,
    /// Until when an approval means that, Unix milliseconds.
    pub decide_by: i64,
    /// When the intent was recorded, Unix milliseconds.
    pub created_at: i64,
    /// When it was closed, Unix milliseconds; 0 while open.
    pub closed_at: i64,
    /// The create.
    pub create: Create,
    /// Last state the servers told.
    pub state: State,
    /// Largest amounts that the servers told.
    pub aggregate: Aggregate,
    /// The servers' own reference.
    pub psp_reference: String,
    /// Until when the capture is guaranteed, Unix milliseconds; 0 if not known.
    pub guaranteed_until: i64,
    /// Captures, in order.
    pub captures: Vec<Movement>,
    /// Refunds, in order.
    pub refunds: Vec<Movement>,
    /// The driver's cancel: only if not yet approved.
    pub withdraw: Option<Cancel>,
    /// Never to be captured any more; any approval is released.
    pub given_up: bool,
    /// The cancel that releases what is not captured.
    pub release: Option<Cancel>,
    /// The receipt.
    pub receipt: Option<ReceiptRecord>,
    /// Why a human must decide; empty if nobody has to.
    pub decision: String,
    /// Why this may be an older version of the record, whose newest was lost; empty if it is not. While it is set nothing
    /// is sent that moves money: what the lost version asked for is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doubt: String,
    /// What can never be paid any more, and why.
    pub lost: Option<Lost>,
    /// Handed to another meter: listed here, never touched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
    /// Number of the code of the last call.
    pub last_code: i32,
    /// Requests sent for this payment.
    pub requests: u32,
    /// Bytes given to the network.
    pub bytes_sent: u64,
    /// Bytes taken from the network.
    pub bytes_received: u64,
}

/// Money that will not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Minor units.
    pub amount: i64,
    /// What the servers said, or who wrote it off.
    pub reason: String,
}

/// What a human decides about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Decision {
    /// Capture all that is reserved; where a capture or refund is open, go on with that one.
    Capture = 1,
    /// Release all that is not captured; without any capture, give the payment up.
    GiveUp = 2,
}

impl Decision {
    /// From the number that crosses the ABI.
    pub fn from_number(number: i32) -> Option<Decision> {
        match number {
            1 => Some(Decision::Capture),
            2 => Some(Decision::GiveUp),
            _ => None,
        }
    }
}

/// Which cancel is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CancelHow {
    /// The driver's cancel: refused if the passenger has approved.
    IfNotApproved = 1,
    /// Durable: never captured from now on, and any approval is released.
    GiveUp = 2,
    /// After captures: release what is not captured.
    ReleaseRest = 3,
}

impl CancelHow {
    /// From the number that crosses the ABI.
    pub fn from_number(number: i32) -> Option<CancelHow> {
        match number {
            1 => Some(CancelHow::IfNotApproved),
            2 => Some(CancelHow::GiveUp),
            3 => Some(CancelHow::ReleaseRest),
            _ => None,
        }
    }
}

impl Record {
    /// The key of an operation of this ride.
    pub fn key(&self, of: KeyOf, number: u32, attempt: u32) -> Result<String, Report> {
        idempotency_key(&self.msn, &self.device, &self.ride_id, of, number, attempt).ok_or_else(
            || {
                Report::new(
                    Code::Internal,
                    "no idempotency key is left for this operation",
                )
            },
        )
    }

    /// The state, with what the create tells about it.
    pub fn state(&self, may_have_left: bool) -> State {
        match &self.create.progress {
            Progress::Done => self.state,
            Progress::Refused(_) => State::NotCreated,
            Progress::Owed if may_have_left => State::Unknown,
            Progress::Owed => State::Recorded,
        }
    }

    /// Proven that no money can move.
    pub fn is_dead(&self) -> bool {
        self.state(true).is_dead()
    }

    /// A cancel of either kind was asked: the create must never be sent again.
    pub fn is_called_off(&self) -> bool {
        self.given_up || self.withdraw.as_ref().is_some_and(|w| w.progress.is_owed())
    }

    /// It may be an older version, and what it asks for is not acted on.
    pub fn is_doubtful(&self) -> bool {
        !self.doubt.is_empty()
    }

    /// The first capture that is asked for and not proven.
    pub fn open_capture(&self) -> Option<usize> {
        self.captures.iter().position(|m| m.progress.is_owed())
    }

    /// The first refund that is asked for and not proven.
    pub fn open_refund(&self) -> Option<usize> {
        self.refunds.iter().position(|m| m.progress.is_owed())
    }

    /// The capture or the refund that is asked for and not proven. At most one of both is open.
    pub fn open_movement(&self) -> Option<&Movement> {
        let capture = self.open_capture().map(|i| &self.captures[i]);
        capture.or_else(|| self.open_refund().map(|i| &self.refunds[i]))
    }

    /// The key of the open movement may be one that version 0.1.0 took at once after a refusal, which proves nothing of an
    /// earlier try: the key before it may still act as well, and there is room for both.
    pub fn has_hasty_key(&self) -> bool {
        let fits_twice = |m: &Movement| {
            let a = self.aggregate;
            let fitted = a.authorized - a.cancelled - m.baseline.unwrap_or(0);
            fitted >= m.amount.saturating_mul(2)
        };
        // That version made no marks.
        self.create.marks.is_none()
            && self
                .open_movement()
                .is_some_and(|m| m.attempt > 1 && fits_twice(m))
    }

    /// A capture or a refund may still act that was neither proven nor ruled out: no other one, and no release, is sent.
    pub fn key_is_open(&self) -> bool {
        self.captures
            .iter()
            .chain(&self.refunds)
            .any(Movement::key_is_open)
    }

    /// A capture was asked for that was not proven to have failed.
    pub fn has_capture(&self) -> bool {
        self.captures
            .iter()
            .any(|m| !matches!(m.progress, Progress::Refused(_)))
    }

    /// The cancel that releases is asked for and not proven.
    pub fn release_owed(&self) -> bool {
        self.release.as_ref().is_some_and(|c| c.progress.is_owed())
    }

    /// The receipt is to be posted. A payment that is over without money has none.
    pub fn receipt_owed(&self) -> bool {
        let asked = self
            .receipt
            .as_ref()
            .is_some_and(|r| r.progress.is_owed() && !r.planned);
        asked && !self.given_up && !self.is_dead()
    }

    /// Nothing is left to do, for us or for a human.
    pub fn is_finished(&self) -> bool {
        let undecided = !self.decision.is_empty() || (self.is_doubtful() && !self.is_dead());
        !undecided && self.would_be_finished()
    }

    /// Nothing is left to do, were it not for a decision or a doubt.
    pub fn would_be_finished(&self) -> bool {
        if self.lost.is_some() {
            return !self.receipt_owed() && self.open_refund().is_none();
        }
        let money_at_rest = if self.is_dead() {
            true
        } else {
            self.state == State::Authorized
                && self.create.progress == Progress::Done
                && self.aggregate.reserved() == 0
                && self.aggregate.authorized > 0
        };
        money_at_rest
            && self.open_capture().is_none()
            && self.open_refund().is_none()
            && !self.release_owed()
            && !self.receipt_owed()
    }

    /// What another meter needs to finish this payment. A create that is not confirmed is never sent by it, so neither its
    /// body nor the phone number in it go along.
    pub fn for_another_meter(&self) -> Record {
        let mut r = self.clone();
        r.create.body = None;
        r.handed_over = false;
        r
    }

    /// The tombstone: what a refund and the rule "no reference twice" need, without personal data.
    pub fn tombstone(&self, now_wall: i64) -> Record {
        let mut t = self.clone();
        t.closed_at = now_wall;
        t.create.body = None;
        t.create.payer_hint = String::new();
        if let Some(r) = &mut t.receipt {
            r.body = None;
        }
        t
    }
}

/// Both clocks at one moment, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Unix time as the meter believes it.
    pub wall: i64,
    /// Monotonic.
    pub mono: i64,
}

/// A record and its course.
#[derive(Clone, Debug)]
pub struct Payment {
    /// What survives.
    pub record: Record,
    /// What does not.
    pub course: Course,
}

impl Payment {
    /// Something was sent whose outcome is not known.
    pub fn is_in_doubt(&self) -> bool {
        self.course.in_doubt
            || (self.record.create.progress.is_owed() && self.course.create_may_have_left)
    }

    /// The state as it is known.
    pub fn state(&self) -> State {
        self.record.state(self.course.create_may_have_left)
    }

    /// A movement that is held is not sent, but looked for by every call that comes: it may turn out to have happened.
    pub fn look_at_what_is_held(&mut self) {
        self.course.read_now |= self.record.open_movement().is_some_and(|m| m.held);
    }

    /// A human has said that what is open goes on: it is looked for, then sent again under its key.
    pub fn go_on(&mut self, now: Now) {
        if self
            .record
            .open_movement()
            .is_some_and(|m| m.baseline.is_some())
        {
            self.course.tries_of_key = Tries::loaded(now.mono);
            self.course.read_now = true;
        }
    }
}
