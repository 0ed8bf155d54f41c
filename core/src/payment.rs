//! One payment: what is written of it, what is asked of it, and how it looks from outside. Pure: no door is used here.
//!
//! A [`Record`] is what survives a power cut; a [`Course`] is what this process knows besides (what it sent, when to try
//! again) and forgets at a restart, after which everything that may have been sent counts as sent.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Report};
use crate::money::{check_modification, Currency};
use crate::reference::{idempotency_key, KeyOf, Reference, RideId};

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
    /// Last two digits of the payer's number: enough to see a double press with a corrected number.
    pub payer_hint: String,
    /// `Done` is "confirmed"; a create that was confirmed is never sent again.
    pub progress: Progress,
}

/// A capture or a refund: an operation of its own, with its own key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Minor units.
    pub amount: i64,
    /// What was captured (refunded) before this was asked: growth over it is proof.
    pub baseline: i64,
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

impl Aggregate {
    /// The newer of both, amount by amount: a lagging answer never takes back what another has shown.
    pub fn grow(&mut self, other: Aggregate) {
        self.authorized = self.authorized.max(other.authorized);
        self.captured = self.captured.max(other.captured);
        self.cancelled = self.cancelled.max(other.cancelled);
        self.refunded = self.refunded.max(other.refunded);
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
    /// What can never be paid any more, and why.
    pub lost: Option<Lost>,
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

fn wrong_state(rule: impl Into<String>) -> Report {
    Report::new(Code::WrongState, rule)
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

    /// The first capture that is asked for and not proven.
    pub fn open_capture(&self) -> Option<usize> {
        self.captures.iter().position(|m| m.progress.is_owed())
    }

    /// The first refund that is asked for and not proven.
    pub fn open_refund(&self) -> Option<usize> {
        self.refunds.iter().position(|m| m.progress.is_owed())
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

    /// The receipt is to be posted.
    pub fn receipt_owed(&self) -> bool {
        self.receipt
            .as_ref()
            .is_some_and(|r| r.progress.is_owed() && !r.planned)
    }

    /// Nothing is left to do, for us or for a human.
    pub fn is_finished(&self) -> bool {
        if !self.decision.is_empty() {
            return false;
        }
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

    /// Asks for the capture that is number `nth` (from 1) of this payment. `Ok(true)` if that changed the record.
    pub fn ask_capture(
        &mut self,
        amount: i64,
        nth: u32,
        last: bool,
        now_wall: i64,
    ) -> Result<bool, Report> {
        let index = nth_of(&self.captures, nth, "flags")?;
        if let Some(known) = self.captures.get(index) {
            if known.amount == amount {
                return Ok(false);
            }
            return Err(wrong_state(format!(
                "capture {nth} of this payment was asked for with another amount"
            )));
        }
        if self.given_up {
            return Err(wrong_state(
                "the payment was given up and is never captured",
            ));
        }
        if self.withdraw.as_ref().is_some_and(|w| w.progress.is_owed()) {
            return Err(wrong_state("a cancel of this payment is still under way"));
        }
        match self.state(true) {
            State::Authorized => {}
            s if s.is_dead() => return Err(wrong_state("the payment is over: nothing to capture")),
            _ => return Err(wrong_state("the passenger has not approved yet")),
        }
        if self.release.is_some() {
            return Err(wrong_state("the rest of this payment was released"));
        }
        if self.lost.is_some() {
            return Err(wrong_state("the reservation is gone"));
        }
        if self.open_capture().is_some() {
            return Err(wrong_state("the capture before is not proven yet"));
        }
        check_modification("amount", amount, self.aggregate.reserved())?;
        let after = self.aggregate.captured + amount;
        if last || after == self.aggregate.authorized {
            self.check_receipt(after, "amount")?;
        }
        let key = self.key(KeyOf::Capture, nth, 1)?;
        self.captures.push(Movement {
            amount,
            baseline: self.aggregate.captured,
            attempt: 1,
            key,
            body: crate::vipps::epayment::modification_body(amount, self.currency),
            asked_at: now_wall,
            progress: Progress::Owed,
        });
        if last && after < self.aggregate.authorized {
            self.add_release()?;
        }
        if let Some(r) = &mut self.receipt {
            r.planned = false;
        }
        self.decision.clear();
        Ok(true)
    }

    fn check_receipt(&self, captured: i64, field: &str) -> Result<(), Report> {
        match &self.receipt {
            Some(r) if captured != r.total && captured != r.total + r.tip => Err(Report::invalid(
                field,
                format!(
                    "captures add up to {captured}, the receipt to {}",
                    r.total + r.tip
                ),
            )),
            _ => Ok(()),
        }
    }

    fn add_release(&mut self) -> Result<(), Report> {
        let key = self.key(KeyOf::Release, 1, 1)?;
        self.release = Some(Cancel {
            attempt: 1,
            key,
            progress: Progress::Owed,
        });
        Ok(())
    }

    /// Asks for one of the cancels. `Ok(true)` if that changed the record.
    pub fn ask_cancel(&mut self, how: CancelHow) -> Result<bool, Report> {
        match how {
            CancelHow::IfNotApproved => {
                if self.is_dead() || self.is_called_off() {
                    return Ok(false);
                }
                if self.create.progress == Progress::Done && self.state == State::Authorized {
                    return Err(Report::new(
                        Code::AlreadyApproved,
                        "the passenger has approved: take no cash; capture or give up",
                    ));
                }
                let attempt = self.withdraw.as_ref().map_or(1, |w| w.attempt + 1);
                let key = self.key(KeyOf::CancelIfNotApproved, 1, attempt)?;
                self.withdraw = Some(Cancel {
                    attempt,
                    key,
                    progress: Progress::Owed,
                });
                Ok(true)
            }
            CancelHow::GiveUp => {
                if self.is_dead() || self.given_up {
                    return Ok(false);
                }
                if self.has_capture() {
                    return Err(wrong_state(
                        "a capture of this payment was asked for: refund it or release the rest",
                    ));
                }
                self.given_up = true;
                self.decision.clear();
                // The release does both: it ends what is not approved and frees what is.
                self.withdraw = None;
                if self.release.is_none() {
                    self.add_release()?;
                }
                Ok(true)
            }
            CancelHow::ReleaseRest => {
                if self.release.is_some() || self.is_dead() {
                    return Ok(false);
                }
                if !self.has_capture() {
                    return Err(wrong_state(
                        "nothing was captured: give the payment up instead",
                    ));
                }
                if self.aggregate.reserved() == 0 && self.open_capture().is_none() {
                    return Ok(false);
                }
                self.decision.clear();
                self.add_release()?;
                Ok(true)
            }
        }
    }

    /// Asks for the refund that is number `nth` (from 1) of this payment. `Ok(true)` if that changed the record.
    pub fn ask_refund(&mut self, amount: i64, nth: u32, now_wall: i64) -> Result<bool, Report> {
        let index = nth_of(&self.refunds, nth, "flags")?;
        if let Some(known) = self.refunds.get(index) {
            if known.amount == amount {
                return Ok(false);
            }
            return Err(wrong_state(format!(
                "refund {nth} of this payment was asked for with another amount"
            )));
        }
        if self.open_refund().is_some() {
            return Err(wrong_state("the refund before is not proven yet"));
        }
        let refundable = self.aggregate.captured - self.aggregate.refunded;
        if refundable <= 0 {
            return Err(wrong_state("nothing is captured that could be refunded"));
        }
        check_modification("amount", amount, refundable)?;
        let key = self.key(KeyOf::Refund, nth, 1)?;
        self.refunds.push(Movement {
            amount,
            baseline: self.aggregate.refunded,
            attempt: 1,
            key,
            body: crate::vipps::epayment::modification_body(amount, self.currency),
            asked_at: now_wall,
            progress: Progress::Owed,
        });
        self.closed_at = 0;
        Ok(true)
    }

    /// Gives the payment its receipt. `Ok(true)` if that changed the record.
    pub fn ask_receipt(
        &mut self,
        body: String,
        total: i64,
        tip: i64,
        planned: bool,
    ) -> Result<bool, Report> {
        if self.is_dead() || self.given_up {
            return Err(wrong_state("the payment is over: it has no receipt"));
        }
        if let Some(known) = &mut self.receipt {
            let same = known.total == total
                && known.tip == tip
                && known.body.as_ref().is_none_or(|b| *b == body);
            if !same {
                return Err(wrong_state(
                    "the payment has another receipt already; receipts cannot be changed",
                ));
            }
            let changed = known.planned && !planned;
            known.planned &= planned;
            return Ok(changed);
        }
        let ceiling = self.amount;
        if total > ceiling {
            return Err(Report::invalid(
                "lines",
                format!("the lines add up to {total}, more than the payment's {ceiling}"),
            ));
        }
        let asked: i64 = self
            .captures
            .iter()
            .filter(|m| !matches!(m.progress, Progress::Refused(_)))
            .map(|m| m.amount)
            .sum();
        if asked > 0 && asked != total && asked != total + tip {
            return Err(Report::invalid(
                "lines",
                format!("the lines add up to {total}, the capture is {asked}"),
            ));
        }
        self.receipt = Some(ReceiptRecord {
            body: Some(body),
            total,
            tip,
            planned,
            progress: Progress::Owed,
        });
        Ok(true)
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

/// Index of operation number `nth`: one that is there, or the next one.
fn nth_of(list: &[Movement], nth: u32, field: &str) -> Result<usize, Report> {
    let index = nth.saturating_sub(1) as usize;
    if index > list.len() || nth > 99 {
        return Err(Report::invalid(
            field,
            format!(
                "operation {nth} of a payment that has {} so far: they are numbered without gaps, to 99",
                list.len()
            ),
        ));
    }
    Ok(index)
}

/// What this process knows besides the record.
#[derive(Clone, Debug)]
pub struct Course {
    /// The create may have reached the servers.
    pub create_may_have_left: bool,
    /// Came from disk in this process; nothing was read of it since.
    pub stale: bool,
    /// Came from disk in this process.
    pub loaded: bool,
    /// When a byte of the create last left (or the record was loaded), monotonic milliseconds.
    pub last_create_byte: i64,
    /// Until when this process may send the create, monotonic milliseconds.
    pub may_create_until: i64,
    /// Until when an approval means what was said at create, monotonic milliseconds.
    pub decide_by: i64,
    /// Nothing is sent before, monotonic milliseconds.
    pub not_before: i64,
    /// The next read of a poll, monotonic milliseconds.
    pub next_poll: i64,
    /// Widened by 429, milliseconds.
    pub poll_every: i64,
    /// Failures in a row.
    pub tries: u32,
    /// A read must come before anything else.
    pub read_now: bool,
    /// The event log must be read before anything else.
    pub events_now: bool,
    /// The open operation (not the create) may have happened: its answer was lost, or proves nothing.
    pub in_doubt: bool,
    /// An operation was accepted with a 200 that proves nothing, at this monotonic time.
    pub accepted_at: Option<i64>,
    /// Reads since then.
    pub unproven_reads: u32,
    /// A 4xx to an operation, waiting for the read that tells what it means.
    pub refused: Option<(Operation, Report)>,
    /// Nothing more in this call: configuration or a human must change first.
    pub blocked: Option<Report>,
    /// The receipt is not tried before, monotonic milliseconds.
    pub receipt_not_before: i64,
    /// Failures of the receipt in a row.
    pub receipt_tries: u32,
    /// The receipt exists already; read it to compare.
    pub receipt_conflict: bool,
    /// The receipt is not tried again in this call.
    pub receipt_blocked: Option<Report>,
    /// Times of writes in the last minute, monotonic milliseconds.
    pub writes: VecDeque<i64>,
    /// Times of reads in the last minute, monotonic milliseconds.
    pub reads: VecDeque<i64>,
    /// What the last answer that did not help said.
    pub last: Option<Report>,
    /// What of the record is not on disk yet.
    pub unsaved: Unsaved,
}

/// What of a record is not on disk yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsaved {
    /// All is.
    Nothing,
    /// Facts that a read can tell again: they ride along with the next write.
    RidesAlong,
    /// To be synced before anything else is sent.
    Must,
}

/// An operation that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Create.
    Create,
    /// Capture by index.
    Capture(usize),
    /// Cancel only if not approved.
    Withdraw,
    /// Cancel that releases.
    Release,
    /// Refund by index.
    Refund(usize),
}

impl Course {
    /// The course of a record that was just made here.
    pub fn begin(now_mono: i64, window_ms: i64, decide_within_ms: i64, every_ms: i64) -> Course {
        Course {
            create_may_have_left: false,
            stale: false,
            loaded: false,
            last_create_byte: now_mono,
            may_create_until: now_mono + window_ms,
            decide_by: now_mono + decide_within_ms,
            not_before: now_mono,
            next_poll: now_mono,
            poll_every: every_ms,
            tries: 0,
            read_now: false,
            events_now: false,
            in_doubt: false,
            accepted_at: None,
            unproven_reads: 0,
            refused: None,
            blocked: None,
            receipt_not_before: now_mono,
            receipt_tries: 0,
            receipt_conflict: false,
            receipt_blocked: None,
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            last: None,
            unsaved: Unsaved::Nothing,
        }
    }

    /// The course of a record that came from disk: everything that may have been sent counts as sent.
    pub fn resume(record: &Record, now: Now, window_ms: i64, every_ms: i64) -> Course {
        // A clock that went back tells nothing about how much of the window is left: none, then.
        let age = now.wall - record.created_at;
        let window_left = if age < 0 { 0 } else { (window_ms - age).max(0) };
        let decide_left = if age < 0 {
            0
        } else {
            (record.decide_by - now.wall).max(0)
        };
        let mut c = Course::begin(now.mono, window_left, decide_left, every_ms);
        c.create_may_have_left = true;
        c.in_doubt = record.open_capture().is_some()
            || record.open_refund().is_some()
            || record.release_owed()
            || record.is_called_off();
        c.stale = true;
        c.loaded = true;
        c
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
}
