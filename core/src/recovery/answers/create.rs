//! The answer to a create, and what becomes of one whose answer is missing.

use super::{unknown, Moment};
use crate::error::{Cause, Code, Report};
use crate::payment::{Operation, Payment, Progress, Refusal, State};
use crate::poll::PollPlan;
use crate::recovery::{may_send_create, read_pause, Goal, CREATE_WATCH_MS};
use crate::retry::{bad_answer, is_foreign, meaning, Answer, Meaning};
use crate::vipps::epayment::{parse_payment, Event, PaymentAnswer};

impl Payment {
    /// No byte of the create ever left, and none will.
    pub fn on_never_sent(&mut self) {
        let why = match &self.course.last {
            Some(last) => format!(
                "ended before anything was sent; the last try: {}",
                last.message
            ),
            None => "ended before anything was sent".to_string(),
        };
        self.close_create(&Report::new(Code::NotApproved, why), false);
    }

    /// The servers have no payment of ours. `doubted`: a request was sent whose answer is missing.
    pub(super) fn close_create(&mut self, report: &Report, doubted: bool) {
        self.record.create.progress = Progress::Refused(Refusal::of(report));
        self.record.create.body = None;
        self.record.create.doubted = doubted;
        self.record.withdraw = None;
        self.record.release = None;
        self.record.decision.clear();
        self.course.nameless = None;
        self.course.last = Some(report.clone());
        self.must_save();
    }

    pub(super) fn confirm_create(&mut self, plan: &PollPlan, m: Moment) {
        self.record.create.progress = Progress::Done;
        self.record.create.body = None;
        self.record.create.doubted = false;
        self.record.state = State::Created;
        self.course.next_poll = m.now.mono + plan.first_ms;
        self.course.refused = None;
        self.course.nameless = None;
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
            Answer::Refused(report) | Answer::NotFound(report) => self.create_refused(report, m),
            Answer::Unauthorized(report) => {
                if is_foreign(&report) {
                    self.create_may_have_left(m);
                }
                self.stop(report);
            }
            Answer::RateLimited(report, asked) => self.step_back(report, asked, m),
            Answer::Locked(report, asked) => {
                self.create_may_have_left(m);
                self.step_back(report, asked, m);
            }
            Answer::Unknown(report) => {
                self.create_may_have_left(m);
                // What answers in place of the API may do so for every repetition, and not for a read.
                self.course.read_now |= report.cause == Cause::BadAnswer;
                self.step_back(report, None, m);
            }
            Answer::NotSent(report) => self.not_sent(report, m),
        }
    }

    fn create_refused(&mut self, report: Report, m: Moment) {
        let busy = meaning(Operation::Create, &report) == Meaning::InProgress;
        let taken = report.code == Code::ReferenceInUse;
        if busy && !taken {
            self.create_may_have_left(m);
            self.step_back(unknown(report).because(Cause::Locked), None, m);
        } else if taken || self.course.create_may_have_left {
            // An earlier try may have succeeded, or the reference is somebody else's: a read tells. What the refusal was
            // about may be a repetition by something on the way, so it counts as a try whose answer is missing.
            self.create_may_have_left(m);
            self.course.refused = Some((Operation::Create, report));
            self.course.read_now = true;
        } else {
            self.close_create(&report, false);
        }
    }

    fn create_may_have_left(&mut self, m: Moment) {
        self.course.create_may_have_left = true;
        self.course.last_create_byte = m.now.mono;
        self.course.nameless_log_read = false;
    }

    /// "Not found" of a create whose answer is missing. Something on the way (the kernel, the modem, the carrier, a proxy, the
    /// gateway) may still hold its bytes, so the watch goes on until the answer is to a read that was sent later than they
    /// could still be of use.
    pub(super) fn create_not_found(&mut self, goal: Goal, m: Moment) {
        let watched_until = self.course.last_create_byte + CREATE_WATCH_MS;
        let refused = self.course.refused.clone();
        self.course.nameless = None;
        self.course.stale = false;
        let waits = refused.is_some() || !may_send_create(self, goal, m.now);
        if self.course.read_begun >= watched_until && waits {
            let why = refused.map_or_else(
                || {
                    Report::new(
                        Code::NotApproved,
                        "the payment request never reached the servers",
                    )
                },
                |(_, r)| r,
            );
            self.close_create(&why, true);
            return;
        }
        self.course.read_now = refused.is_some();
        if waits {
            let next = m.now.mono + read_pause();
            self.course.not_before = next.min(watched_until.max(m.now.mono));
        }
        self.course.last = Some(
            Report::new(
                Code::OutcomeUnknown,
                "the servers do not know the payment yet",
            )
            .because(Cause::NotYetProven),
        );
    }

    /// A read has shown a payment under our reference while our create is not confirmed. True if it is taken for ours.
    pub(super) fn is_taken_for_ours(
        &mut self,
        seen: &PaymentAnswer,
        plan: &PollPlan,
        m: Moment,
    ) -> bool {
        match seen.ride_id.as_deref() {
            Some(id) if id == self.record.ride_id.as_str() => {
                self.confirm_create(plan, m);
                true
            }
            Some(_) => {
                self.belongs_to_another();
                false
            }
            // `metadata` is optional in an answer (OpenAPI 1.8.1): its absence says nothing. The log may tell by the key, a
            // repetition of the create by its answer.
            None => {
                self.course.stale = false;
                self.course.read_now = false;
                let newly = self.course.nameless.as_ref() != Some(seen);
                self.course.nameless_log_read &= !newly;
                self.course.nameless = Some(seen.clone());
                self.course.last = Some(
                    Report::new(
                        Code::OutcomeUnknown,
                        "the servers have a payment under this reference, and do not say whose it is",
                    )
                    .because(Cause::NotYetProven),
                );
                false
            }
        }
    }

    fn belongs_to_another(&mut self) {
        let r = Report::new(
            Code::ReferenceInUse,
            "the servers have another payment under this reference",
        );
        self.close_create(&r, false);
    }

    /// The event log of a payment under our reference that does not say whose it is.
    pub(super) fn judge_owner(&mut self, events: &[Event], plan: &PollPlan, m: Moment) {
        let Some(seen) = self.course.nameless.clone() else {
            return;
        };
        self.course.nameless_log_read = true;
        let key = &self.record.create.key;
        if events.iter().any(|e| e.idempotency_key == *key) {
            self.confirm_create(plan, m);
            self.take(&seen, m);
            self.judge_operations(m);
            return;
        }
        let created = events.iter().find(|e| e.name == "CREATED");
        if created.is_some_and(|e| !e.idempotency_key.is_empty()) {
            self.belongs_to_another();
            return;
        }
        match seen.state {
            // Whosever it is, it is over, and no other can come under its reference.
            Some(state) if state.is_dead() => {
                let r = Report::new(
                    Code::NotApproved,
                    "the payment under this reference has ended without an approval",
                );
                self.close_create(&r, true);
            }
            Some(State::Authorized) => {
                self.confirm_create(plan, m);
                self.take(&seen, m);
                self.record.decision =
                    "approved, and nothing shows whether this payment is ours".into();
                self.record.doubt = "nothing shows whether this payment is ours".into();
                self.record.withdraw = None;
                self.record.release = None;
            }
            _ => self.course.not_before = m.now.mono + read_pause(),
        }
    }
}

/// A create is confirmed by its reference (OpenAPI ePayment 1.8.1: required in the answer), not by a status alone: a
/// gateway may answer 200 with a page of its own.
fn is_confirmation(body: &[u8], reference: &str) -> bool {
    parse_payment(body).is_some_and(|p| p.reference.as_deref() == Some(reference))
}
