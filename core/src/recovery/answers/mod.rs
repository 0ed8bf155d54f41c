//! What an answer changes. Pure: time and randomness are arguments.
//!
//! `create`, `read`, `movement` (captures and refunds), `cancel` and `receipt` have the answers to these; `sense` says which
//! figures cannot be true.

mod cancel;
mod create;
mod movement;
mod read;
mod receipt;
mod sense;

pub use movement::{
    BUSY_MS, NEW_KEYS, OPEN_FOR_A_DAY, QUIET_MS, STICKY_ANSWERS, STICKY_MS, UNPROVEN_MS,
};

use crate::error::{Cause, Code, Group, Report};
use crate::payment::{Now, Operation, Payment, Unsaved};
use crate::retry::{bad_answer, pause, Answer};
use crate::vipps::epayment::{parse_payment, PaymentAnswer};

/// The moment and the dice of an answer.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Both clocks.
    pub now: Now,
    /// 32 random bits, for the jitter.
    pub random: u32,
}

impl Payment {
    fn must_save(&mut self) {
        self.course.unsaved = Unsaved::Must;
    }

    fn rides_along(&mut self) {
        self.course.unsaved = self.course.unsaved.max(Unsaved::RidesAlong);
    }

    /// Nothing left. What only a change of the configuration can put right is not tried again in this call.
    fn not_sent(&mut self, report: Report, m: Moment) {
        if is_configuration(&report) {
            self.stop(report);
        } else {
            self.step_back(report, None, m);
        }
    }

    /// A try that did not help: remember what it said, and pause.
    fn step_back(&mut self, report: Report, asked: Option<u32>, m: Moment) {
        self.course.not_before = m.now.mono + pause(self.course.tries, asked, m.random);
        self.course.tries = self.course.tries.saturating_add(1);
        // An interrupt is told by the call that it ended, not by the next one.
        if report.cause != Cause::Interrupted {
            self.course.last = Some(report);
        }
    }

    fn stop(&mut self, report: Report) {
        self.course.last = Some(report.clone());
        self.course.blocked = Some(report);
    }

    fn went_well(&mut self) {
        self.course.tries = 0;
        self.course.last = None;
    }

    /// A payment of ours in figures that can be true; else why nothing of it is taken in.
    fn readable(&self, body: &[u8]) -> Result<PaymentAnswer, Report> {
        let seen = parse_payment(body).ok_or_else(unreadable)?;
        let reference = self.record.reference.as_str();
        if seen.reference.as_deref().is_some_and(|r| r != reference) {
            return Err(unreadable());
        }
        match sense::contradiction(&self.record, &seen) {
            None => Ok(seen),
            Some(why) => {
                let mut r = unreadable();
                r.message = format!("the figures of an answer cannot be true: {why}");
                Err(r)
            }
        }
    }

    /// The answer to a capture, cancel or refund.
    pub fn on_modification(&mut self, operation: Operation, answer: Answer, m: Moment) {
        match operation {
            Operation::Capture(_) | Operation::Refund(_) => self.on_movement(operation, answer, m),
            _ => self.on_cancel(operation, answer, m),
        }
    }

    /// An earlier request of the step whose answer is taken in next was answered by something that is not the API.
    pub fn earlier_try_unanswered(&mut self, operation: Operation, now_mono: i64) {
        match operation {
            Operation::Create => {
                self.course.create_may_have_left = true;
                self.course.last_create_byte = now_mono;
            }
            Operation::Capture(_) | Operation::Refund(_) => {
                self.course.in_doubt = true;
                self.course.tries_of_key.unanswered(now_mono);
            }
            Operation::Withdraw | Operation::Release => self.course.in_doubt = true,
        }
    }

    /// A read is cheaper than a repeat, and may already prove it.
    fn may_have_happened(&mut self, report: Report, asked: Option<u32>, m: Moment) {
        self.course.in_doubt = true;
        self.course.read_now = true;
        self.step_back(report, asked, m);
    }

    fn operation_over(&mut self, unsaved: Unsaved) {
        self.course.in_doubt = false;
        self.course.accepted_at = None;
        self.course.unproven_reads = 0;
        self.course.refused = None;
        self.course.tries_of_key = Default::default();
        self.course.unsaved = self.course.unsaved.max(unsaved);
    }
}

fn is_configuration(report: &Report) -> bool {
    report.code.group() == Group::Configuration
}

/// A read that tells nothing.
fn unreadable() -> Report {
    let mut r = bad_answer();
    r.code = Code::Unavailable;
    r
}

/// The same of a request that changes something.
fn unknown(mut report: Report) -> Report {
    report.code = Code::OutcomeUnknown;
    report
}
