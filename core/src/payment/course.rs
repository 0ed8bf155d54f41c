//! What a process knows besides the record, and forgets at a restart.

use std::collections::VecDeque;

use super::told::Told;
use super::tries::Tries;
use super::{Now, Record};
use crate::error::Report;
use crate::vipps::epayment::PaymentAnswer;

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
    /// Events that were told of this payment.
    pub told: Told,
    /// The open operation (not the create) may have happened: its answer was lost, or proves nothing.
    pub in_doubt: bool,
    /// An operation was accepted with a 200 that proves nothing, at this monotonic time.
    pub accepted_at: Option<i64>,
    /// Reads since then.
    pub unproven_reads: u32,
    /// A 4xx to a create or a cancel, waiting for the read that tells what it means.
    pub refused: Option<(Operation, Report)>,
    /// The tries of the open capture or refund.
    pub tries_of_key: Tries,
    /// When the read that is on its way, or the last one, was sent, monotonic milliseconds.
    pub read_begun: i64,
    /// When a poll of a closed payment last asked for a read, monotonic milliseconds.
    pub read_wanted: i64,
    /// When the last read with a good answer was sent, monotonic milliseconds.
    pub read_at: Option<i64>,
    /// When its answer was taken in, monotonic milliseconds.
    pub sums_at: Option<i64>,
    /// When the last read of the event log with a good answer was sent, monotonic milliseconds.
    pub events_at: Option<i64>,
    /// The servers have a payment under our reference, and nothing yet that shows whose it is.
    pub nameless: Option<PaymentAnswer>,
    /// The event log did not show it either.
    pub nameless_log_read: bool,
    /// A closed payment was opened again: its tombstone is in the way.
    pub reopened: bool,
    /// Nothing more in this call: configuration or a human must change first.
    pub blocked: Option<Report>,
    /// The receipt is not tried before, monotonic milliseconds.
    pub receipt_not_before: i64,
    /// Failures of the receipt in a row.
    pub receipt_tries: u32,
    /// What the receipt's last try met.
    pub receipt_last: Option<Report>,
    /// The receipt exists already; read it to compare.
    pub receipt_conflict: bool,
    /// The refusal of a post that the read is to explain.
    pub receipt_refusal: Option<Report>,
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
            told: Told::default(),
            in_doubt: false,
            accepted_at: None,
            unproven_reads: 0,
            refused: None,
            tries_of_key: Tries::default(),
            read_begun: now_mono,
            read_wanted: now_mono,
            read_at: None,
            sums_at: None,
            events_at: None,
            nameless: None,
            nameless_log_read: false,
            reopened: false,
            blocked: None,
            receipt_not_before: now_mono,
            receipt_tries: 0,
            receipt_last: None,
            receipt_conflict: false,
            receipt_refusal: None,
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
        // Without a baseline it was never sent.
        if record.open_movement().is_some_and(|m| m.baseline.is_some()) {
            c.tries_of_key = Tries::loaded(now.mono);
            c.tries_of_key.stuck = record.has_hasty_key();
        }
        c.stale = true;
        c.loaded = true;
        c
    }
}
