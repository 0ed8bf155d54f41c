//! What an answer changes. Pure: time and randomness are arguments.

mod receipt;
mod refusals;

use super::{may_send_create, read_pause, Goal, NOT_FOUND_PROOF_MS, UNPROVEN_MS};
use crate::error::{Cause, Code, Report};
use crate::payment::{
    Aggregate, Movement, Now, Operation, Payment, Progress, Refusal, State, Unsaved,
};
use crate::poll::PollPlan;
use crate::retry::{bad_answer, pause, Answer};
use crate::vipps::epayment::{parse_events, parse_payment, Event, PaymentAnswer};

/// Reads without proof after which the event log is asked.
const READS_BEFORE_EVENTS: u32 = 3;

/// An intent older than this is not sent again before the event log was read, milliseconds.
const OLD_MS: i64 = 60 * 60_000;

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

    /// No byte of the create ever left, and none will.
    pub fn on_never_sent(&mut self) {
        let why = match &self.course.last {
            Some(last) => format!(
                "ended before anything was sent; the last try: {}",
                last.message
            ),
            None => "ended before anything was sent".to_string(),
        };
        self.close_create(&Report::new(Code::NotApproved, why));
    }

    fn close_create(&mut self, report: &Report) {
        self.record.create.progress = Progress::Refused(Refusal::of(report));
        self.record.create.body = None;
        self.record.withdraw = None;
        self.record.release = None;
        self.course.last = Some(report.clone());
        self.must_save();
    }

    fn confirm_create(&mut self, plan: &PollPlan, m: Moment) {
        self.record.create.progress = Progress::Done;
        self.record.create.body = None;
        self.record.state = State::Created;
        self.course.next_poll = m.now.mono + plan.first_ms;
        self.course.refused = None;
        self.went_well();
        self.must_save();
    }

    /// The answer to a create.
    pub fn on_create(&mut self, answer: Answer, plan: &PollPlan, m: Moment) {
        match answer {
            Answer::Done(body) if is_confirmation(&body, self.record.reference.as_str()) => {
                self.confirm_create(plan, m);
            }
            Answer::Done(_) => {
                // Something answered for the servers. A read tells what they know.
                self.create_may_have_left(m);
                self.course.read_now = true;
                self.step_back(bad_answer(), None, m);
            }
            Answer::Refused(report) | Answer::NotFound(report) => {
                let taken = report.code == Code::ReferenceInUse;
                if taken || self.course.create_may_have_left {
                    // An earlier try may have succeeded, or the reference is somebody else's: a read tells.
                    self.course.create_may_have_left = true;
                    self.course.refused = Some((Operation::Create, report));
                    self.course.read_now = true;
                } else {
                    self.close_create(&report);
                }
            }
            Answer::Unauthorized(report) => self.stop(report),
            Answer::RateLimited(report, asked) => self.step_back(report, asked, m),
            Answer::Locked(report, asked) => {
                self.create_may_have_left(m);
                self.step_back(report, asked, m);
            }
            Answer::Unknown(report) => {
                self.create_may_have_left(m);
                self.step_back(report, None, m);
            }
            Answer::NotSent(report) => self.not_sent(report, m),
        }
    }

    fn create_may_have_left(&mut self, m: Moment) {
        self.course.create_may_have_left = true;
        self.course.last_create_byte = m.now.mono;
    }

    /// The answer to a read of the payment.
    pub fn on_read(&mut self, answer: Answer, goal: Goal, plan: &PollPlan, m: Moment) {
        self.course.next_poll = m.now.mono + self.course.poll_every;
        let before = self.what_is_seen();
        match answer {
            Answer::Done(body) => match parse_payment(&body) {
                Some(seen) if self.is_about_us(&seen) => {
                    self.seen(seen, plan, m);
                    self.told_was_read(self.what_is_seen() != before, m.now.mono);
                }
                _ => self.step_back(unreadable(), None, m),
            },
            Answer::NotFound(report) => {
                self.not_found(report, goal, m);
                self.told_was_read(self.what_is_seen() != before, m.now.mono);
            }
            Answer::Unauthorized(report) => self.stop(report),
            Answer::Refused(report) => self.stop(report),
            Answer::RateLimited(report, asked) => {
                self.course.poll_every = (self.course.poll_every * 2).min(30_000);
                self.course.next_poll = m.now.mono + self.course.poll_every;
                self.step_back(report, asked, m);
            }
            Answer::Locked(mut report, asked) => {
                report.code = Code::Unavailable;
                self.step_back(report, asked, m);
            }
            Answer::Unknown(mut report) => {
                report.code = Code::Unavailable;
                self.step_back(report, None, m);
            }
            Answer::NotSent(report) => self.not_sent(report, m),
        }
    }

    fn what_is_seen(&self) -> (State, Aggregate, bool) {
        let r = &self.record;
        (r.state, r.aggregate, r.create.progress.is_owed())
    }

    fn is_about_us(&self, seen: &PaymentAnswer) -> bool {
        // A payment answer without a state that is known and without an aggregate tells nothing.
        (seen.state.is_some() || seen.aggregate.is_some()) && self.is_ours(seen)
    }

    fn is_ours(&self, seen: &PaymentAnswer) -> bool {
        let reference = self.record.reference.as_str();
        seen.reference.as_deref().is_none_or(|r| r == reference)
    }

    fn not_found(&mut self, report: Report, goal: Goal, m: Moment) {
        if self.record.create.progress == Progress::Done {
            let mut r = report;
            r.code = Code::Url;
            r.message = format!(
                "the servers do not know a payment that they confirmed: {}",
                r.message
            );
            let over = m.now.mono >= self.course.may_create_until + NOT_FOUND_PROOF_MS;
            if over && self.record.decision.is_empty() {
                // No passenger can approve any more; somebody must look, and may write it off.
                self.record.decision = crate::vipps::problem::cut(&r.message, 150);
                self.must_save();
            }
            self.stop(r);
            return;
        }
        let waited = m.now.mono - self.course.last_create_byte;
        let refused = self.course.refused.clone();
        if waited >= NOT_FOUND_PROOF_MS
            && (refused.is_some() || !may_send_create(self, goal, m.now))
        {
            let why = refused.map_or_else(
                || {
                    Report::new(
                        Code::NotApproved,
                        "the payment request never reached the servers",
                    )
                },
                |(_, r)| r,
            );
            self.close_create(&why);
            return;
        }
        self.course.stale = false;
        self.course.read_now = refused.is_some();
        if self.course.read_now || !may_send_create(self, goal, m.now) {
            let proof_at = self.course.last_create_byte + NOT_FOUND_PROOF_MS;
            self.course.not_before = (m.now.mono + read_pause()).min(proof_at.max(m.now.mono));
        }
        self.course.last = Some(
            Report::new(
                Code::OutcomeUnknown,
                "the servers do not know the payment yet",
            )
            .because(Cause::NotYetProven),
        );
    }

    fn seen(&mut self, seen: PaymentAnswer, plan: &PollPlan, m: Moment) {
        if self.record.create.progress != Progress::Done {
            if seen.ride_id.as_deref() != Some(self.record.ride_id.as_str()) {
                let r = Report::new(
                    Code::ReferenceInUse,
                    "the servers have another payment under this reference",
                );
                self.close_create(&r);
                return;
            }
            self.confirm_create(plan, m);
        }
        self.course.stale = false;
        self.course.read_now = false;
        self.went_well();
        self.take(&seen, m);
        self.judge_operations(m);
        self.rides_along();
    }

    /// Takes over what an answer shows. Nothing goes back: a lagging answer cannot undo what another has shown.
    fn take(&mut self, seen: &PaymentAnswer, m: Moment) {
        let r = &mut self.record;
        if let Some(a) = seen.aggregate {
            r.aggregate.grow(a);
        }
        if let Some(id) = &seen.psp_reference {
            r.psp_reference.clone_from(id);
        }
        if let Some(t) = seen.guaranteed_until {
            r.guaranteed_until = t;
        }
        let before = r.state;
        if before == State::Created {
            if let Some(s) = seen.state {
                r.state = s;
            }
        }
        if r.state == State::Authorized && r.aggregate.authorized == 0 {
            // Approved with the amount not yet shown: the whole is what the passenger was asked for.
            r.aggregate.authorized = r.amount;
        }
        let first_seen = before == State::Created || self.course.loaded;
        let untouched = r.captures.is_empty() && r.release.is_none() && r.decision.is_empty();
        let too_late = m.now.mono >= self.course.decide_by;
        if r.state == State::Authorized && first_seen && untouched && too_late {
            r.decision =
                "approved after the time in which an approval meant what was said at create".into();
            self.must_save();
        }
    }

    /// Which open operations are proven by what is known now.
    fn judge_operations(&mut self, m: Moment) {
        let dead = self.record.is_dead();
        if let Some(w) = &mut self.record.withdraw {
            if w.progress.is_owed() {
                if dead {
                    w.progress = Progress::Done;
                    self.operation_over(Unsaved::RidesAlong);
                } else if self.record.state == State::Authorized {
                    let r = Report::new(Code::AlreadyApproved, "the passenger approved first");
                    w.progress = Progress::Refused(Refusal::of(&r));
                    self.operation_over(Unsaved::Must);
                }
            }
        }
        let nothing_reserved =
            self.record.state == State::Authorized && self.record.aggregate.reserved() == 0;
        if self.record.release_owed()
            && self.record.open_capture().is_none()
            && (dead || nothing_reserved)
        {
            if let Some(c) = &mut self.record.release {
                c.progress = Progress::Done;
            }
            self.operation_over(Unsaved::RidesAlong);
        }
        if let Some(i) = self.record.open_capture() {
            self.judge_movement(Operation::Capture(i), self.record.aggregate.captured, m);
        } else if let Some(i) = self.record.open_refund() {
            self.judge_movement(Operation::Refund(i), self.record.aggregate.refunded, m);
        }
        let pending = self.course.refused.take();
        if let Some((operation, report)) = pending {
            self.after_refusal(operation, report, m);
        } else if self.course.accepted_at.is_some() {
            self.still_unproven(m);
        }
    }

    fn operation_over(&mut self, unsaved: Unsaved) {
        self.course.in_doubt = false;
        self.course.accepted_at = None;
        self.course.unproven_reads = 0;
        self.course.refused = None;
        self.course.unsaved = self.course.unsaved.max(unsaved);
    }

    fn movement(&mut self, operation: Operation) -> Option<&mut Movement> {
        match operation {
            Operation::Capture(i) => self.record.captures.get_mut(i),
            Operation::Refund(i) => self.record.refunds.get_mut(i),
            _ => None,
        }
    }

    fn judge_movement(&mut self, operation: Operation, moved: i64, m: Moment) {
        let old = self.course.loaded && self.course.unproven_reads == 0;
        let Some(movement) = self.movement(operation) else {
            return;
        };
        let Some(baseline) = movement.baseline else {
            // Never sent: what is there now is the baseline, on disk before it is.
            movement.baseline = Some(moved);
            self.course.in_doubt = false;
            self.must_save();
            return;
        };
        if moved - baseline >= movement.amount {
            movement.progress = Progress::Done;
            self.record.decision.clear();
            self.operation_over(Unsaved::Must);
        } else if old && !(0..=OLD_MS).contains(&(m.now.wall - movement.asked_at)) {
            // By a clock that went back, nobody knows how old it is.
            // An old intent is not sent again before the event log was read.
            self.course.unproven_reads = 1;
            self.course.events_now = true;
        }
        // Growth by less than our amount is somebody else's: ours would have grown it by at least as much.
    }

    fn still_unproven(&mut self, m: Moment) {
        self.course.unproven_reads = self.course.unproven_reads.saturating_add(1);
        if self.course.unproven_reads == READS_BEFORE_EVENTS {
            self.course.events_now = true;
        }
        if self
            .course
            .accepted_at
            .is_some_and(|t| m.now.mono - t >= UNPROVEN_MS)
        {
            // Accepted long ago and nowhere to be seen: the same key again does no harm.
            self.course.accepted_at = None;
            self.course.unproven_reads = 0;
        }
        let r = Report::new(
            Code::OutcomeUnknown,
            "accepted, but not yet shown in the aggregate",
        )
        .because(Cause::NotYetProven);
        self.step_back(r, None, m);
    }

    /// The answer to a capture, cancel or refund.
    pub fn on_modification(&mut self, operation: Operation, answer: Answer, m: Moment) {
        match answer {
            Answer::Done(body) => match parse_payment(&body).filter(|s| self.is_ours(s)) {
                Some(seen) => {
                    // Accepted; whether it is proven, the aggregate says, if it is there at all.
                    self.course.in_doubt = true;
                    self.course.accepted_at = Some(m.now.mono);
                    self.course.unproven_reads = 0;
                    self.course.tries = 0;
                    self.take(&seen, m);
                    self.judge_operations(m);
                    self.rides_along();
                }
                None => self.may_have_happened(bad_answer(), m),
            },
            Answer::Refused(report) | Answer::NotFound(report) => {
                self.course.last = Some(report.clone());
                self.course.refused = Some((operation, report));
                self.course.read_now = true;
            }
            Answer::Unauthorized(report) => self.stop(report),
            Answer::RateLimited(report, asked) => self.step_back(report, asked, m),
            Answer::Locked(report, asked) => {
                self.course.in_doubt = true;
                self.course.read_now = true;
                self.step_back(report, asked, m);
            }
            Answer::Unknown(report) => self.may_have_happened(report, m),
            Answer::NotSent(report) => self.not_sent(report, m),
        }
    }

    /// A read is cheaper than a repeat, and may already prove it.
    fn may_have_happened(&mut self, report: Report, m: Moment) {
        self.course.in_doubt = true;
        self.course.read_now = true;
        self.step_back(report, None, m);
    }

    /// The answer to a read of the event log.
    pub fn on_events(&mut self, answer: Answer, m: Moment) {
        match answer {
            Answer::Done(body) => match parse_events(&body) {
                Some(events) => self.judge_events(&events, m),
                None => self.step_back(unreadable(), None, m),
            },
            Answer::Unauthorized(r) | Answer::Refused(r) | Answer::NotFound(r) => self.stop(r),
            Answer::RateLimited(r, asked) => self.step_back(r, asked, m),
            Answer::Locked(mut r, asked) => {
                r.code = Code::Unavailable;
                self.step_back(r, asked, m);
            }
            Answer::Unknown(mut r) => {
                r.code = Code::Unavailable;
                self.step_back(r, None, m);
            }
            Answer::NotSent(r) => self.not_sent(r, m),
        }
    }

    fn judge_events(&mut self, events: &[Event], m: Moment) {
        self.course.events_now = false;
        let open = match (self.record.open_capture(), self.record.open_refund()) {
            (Some(i), _) => Operation::Capture(i),
            (None, Some(i)) => Operation::Refund(i),
            (None, None) => return,
        };
        let Some(movement) = self.movement(open) else {
            return;
        };
        let name = if matches!(open, Operation::Capture(_)) {
            "CAPTURED"
        } else {
            "REFUNDED"
        };
        let ours: Vec<&Event> = events
            .iter()
            .filter(|e| e.name == name && e.idempotency_key == movement.key)
            .collect();
        if ours.iter().any(|e| e.success) {
            movement.progress = Progress::Done;
            let (amount, baseline) = (movement.amount, movement.baseline.unwrap_or(0));
            let a = &mut self.record.aggregate;
            match open {
                Operation::Capture(_) => a.captured = a.captured.max(baseline + amount),
                _ => a.refunded = a.refunded.max(baseline + amount),
            }
            self.operation_over(Unsaved::Must);
        } else if !ours.is_empty() {
            let r = Report::new(
                Code::Refused,
                "the servers' log says that the operation failed",
            );
            self.course.accepted_at = None;
            self.new_attempt(open, &r);
            self.step_back(r, None, m);
        }
    }
}

/// A create is confirmed by its reference (OpenAPI ePayment 1.8.1: required in the answer), not by a status alone: a
/// gateway may answer 200 with a page of its own.
fn is_confirmation(body: &[u8], reference: &str) -> bool {
    parse_payment(body).is_some_and(|p| p.reference.as_deref() == Some(reference))
}

fn is_configuration(report: &Report) -> bool {
    (-39..=-20).contains(&report.code.number())
}

fn unreadable() -> Report {
    let mut r = bad_answer();
    r.code = Code::Unavailable;
    r
}
