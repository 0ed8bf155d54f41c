//! The answer to a read of the payment or of its event log.

use super::{unreadable, Moment};
use crate::error::{Cause, Code, Group, Report};
use crate::payment::{Aggregate, Cancel, Payment, Progress, Refusal, State, Unsaved};
use crate::poll::PollPlan;
use crate::recovery::{Goal, CREATE_WATCH_MS};
use crate::reference::KeyOf;
use crate::retry::Answer;
use crate::vipps::epayment::{parse_events, PaymentAnswer};

/// How the reason begins why a payment that was given up is not at rest.
const GIVEN_UP: &str = "given up, and ";

impl Payment {
    /// The answer to a read of the payment.
    pub fn on_read(&mut self, answer: Answer, goal: Goal, plan: &PollPlan, m: Moment) {
        self.course.next_poll = m.now.mono + self.course.poll_every;
        let before = self.what_is_seen();
        let closed = self.record.closed_at != 0;
        let interrupted = matches!(
            &answer,
            Answer::NotSent(r) | Answer::Unknown(r) if r.cause == Cause::Interrupted
        );
        match answer {
            Answer::Done(body) => match self.readable(&body) {
                // A payment answer without a state that is known and without a sum tells nothing.
                Ok(seen) if seen.state.is_some() || !seen.sums.is_empty() => {
                    self.seen(seen, plan, m);
                    self.told_was_read(self.what_is_seen() != before, m.now.mono);
                }
                Ok(_) => self.step_back(unreadable(), None, m),
                Err(why) => self.step_back(why, None, m),
            },
            Answer::NotFound(report) => {
                self.not_found(report, goal, m);
                self.told_was_read(self.what_is_seen() != before, m.now.mono);
            }
            Answer::Unauthorized(report) => self.stop(report),
            Answer::Refused(report) => self.stop(not_readable(report)),
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
        if closed && !interrupted && self.course.read_begun >= self.course.read_wanted {
            // What is known of a closed payment is enough to answer with; the read is not repeated in this call.
            self.course.read_now = false;
        }
        self.judge_age(m);
    }

    fn what_is_seen(&self) -> (State, Aggregate, bool) {
        let r = &self.record;
        (r.state, r.aggregate, r.create.progress.is_owed())
    }

    fn not_found(&mut self, report: Report, goal: Goal, m: Moment) {
        match &self.record.create.progress {
            Progress::Owed => self.create_not_found(goal, m),
            Progress::Refused(_) => {
                // Looked at once more, and still nothing.
                self.course.stale = false;
                if std::mem::take(&mut self.record.create.doubted) {
                    self.must_save();
                }
            }
            Progress::Done => {
                let mut r = report;
                r.code = Code::Url;
                r.message = format!(
                    "the servers do not know a payment that they confirmed: {}",
                    r.message
                );
                let watched_until = self.course.last_create_byte + CREATE_WATCH_MS;
                let over = m.now.mono >= watched_until.max(self.course.may_create_until);
                if over && self.record.decision.is_empty() && self.record.closed_at == 0 {
                    // No passenger can approve any more; somebody must look, and may write it off.
                    self.record.decision = crate::vipps::problem::cut(&r.message, 150);
                    self.must_save();
                }
                self.stop(r);
            }
        }
    }

    fn seen(&mut self, seen: PaymentAnswer, plan: &PollPlan, m: Moment) {
        let finished = self.record.would_be_finished();
        match self.record.create.progress {
            Progress::Owed => {
                if !self.is_taken_for_ours(&seen, plan, m) {
                    return;
                }
            }
            Progress::Refused(_) => {
                let ours = seen.ride_id.as_deref() == Some(self.record.ride_id.as_str());
                self.course.stale = false;
                if !ours {
                    // Somebody else's, or nobody can tell: it was called dead with a reason that stands.
                    if std::mem::take(&mut self.record.create.doubted) {
                        self.must_save();
                    }
                    return;
                }
                self.confirm_create(plan, m);
            }
            Progress::Done => {}
        }
        self.course.stale = false;
        self.course.read_now = false;
        self.course.read_at = Some(self.course.read_begun);
        self.course.sums_at = Some(m.now.mono);
        self.went_well();
        let before = self.record.aggregate;
        self.open_again(&seen);
        self.take(&seen, m);
        if self.record.closed_at != 0 {
            if self.record.aggregate != before {
                self.must_save();
            }
            return;
        }
        self.judge_operations(m);
        self.judge_doubt(finished);
        self.rides_along();
    }

    /// A closed payment whose money is not at rest: it waits for the passenger, or is reserved.
    fn open_again(&mut self, seen: &PaymentAnswer) {
        let r = &mut self.record;
        if r.closed_at == 0 || r.lost.is_some() || r.handed_over {
            return;
        }
        let mut sums = r.aggregate;
        sums.grow(seen.sums);
        let kept = sums.captured > sums.refunded;
        if r.given_up && kept && seen.state == Some(State::Authorized) {
            r.closed_at = 0;
            self.course.reopened = true;
            return;
        }
        let alive = match seen.state {
            Some(State::Created) => r.state != State::Authorized,
            Some(State::Authorized) => r.state != State::Authorized || sums.reserved() > 0,
            _ => false,
        };
        if !alive {
            return;
        }
        r.closed_at = 0;
        if r.state.is_dead() {
            r.state = State::Created;
        }
        self.course.reopened = true;
        let attempt = r.release.as_ref().map_or(1, |c| c.attempt + 1);
        match (r.given_up, r.key(KeyOf::Release, 1, attempt)) {
            (true, Ok(key)) => {
                r.release = Some(Cancel {
                    attempt,
                    key,
                    progress: Progress::Owed,
                });
            }
            _ => {
                r.decision = "it was over, and the servers say that it is alive".into();
                r.doubt = "the driver was told that it is over".into();
            }
        }
        self.must_save();
    }

    /// Takes over what an answer shows. Nothing goes back: a lagging answer cannot undo what another has shown.
    pub(super) fn take(&mut self, seen: &PaymentAnswer, m: Moment) {
        let r = &mut self.record;
        r.aggregate.grow(seen.sums);
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
        let open = r.closed_at == 0;
        if r.state == State::Authorized && first_seen && untouched && too_late && open {
            r.decision =
                "approved after the time in which an approval meant what was said at create".into();
            self.must_save();
        }
    }

    /// Which open operations are proven by what is known now.
    pub(super) fn judge_operations(&mut self, m: Moment) {
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
            && self.record.open_movement().is_none()
            && (dead || nothing_reserved)
        {
            let of_others = self.captured_by_others();
            if let Some(c) = &mut self.record.release {
                c.progress = Progress::Done;
                if of_others > 0 && self.record.aggregate.cancelled == 0 {
                    let r = Report::new(Code::Refused, "others captured what was to be released");
                    c.progress = Progress::Refused(Refusal::of(&r));
                    self.record.decision = format!("{of_others} captured by others");
                }
            }
            self.operation_over(Unsaved::Must);
        }
        self.judge_given_up();
        self.judge_sums(m);
        let pending = self.course.refused.take();
        if let Some((operation, report)) = pending {
            self.after_cancel_refusal(operation, report, m);
        } else if !self.course.events_now {
            self.after_look(None, m);
        }
    }

    /// Captured beyond what was proven to be ours, minor units.
    fn captured_by_others(&self) -> i64 {
        let r = &self.record;
        let done = r
            .captures
            .iter()
            .filter(|m| m.progress == Progress::Done)
            .map(|m| m.amount);
        r.aggregate.captured - done.sum::<i64>()
    }

    /// The driver was told to take another payment, and somebody has captured this one: it must be refunded.
    fn judge_given_up(&mut self) {
        let r = &mut self.record;
        let kept = r.aggregate.captured - r.aggregate.refunded;
        if r.given_up && kept > 0 && r.decision.is_empty() && r.lost.is_none() {
            r.decision = format!("{GIVEN_UP}{kept} are captured: refund it");
            self.must_save();
        } else if r.given_up && kept == 0 && r.decision.starts_with(GIVEN_UP) {
            r.decision.clear();
            self.must_save();
        }
    }

    /// The answer to a read of the event log.
    pub fn on_events(&mut self, answer: Answer, plan: &PollPlan, m: Moment) {
        match answer {
            Answer::Done(body) => match parse_events(&body) {
                Some(events) => {
                    self.course.events_now = false;
                    self.course.events_at = Some(self.course.read_begun);
                    if self.record.create.progress.is_owed() {
                        self.judge_owner(&events, plan, m);
                    } else {
                        self.judge_events(&events, m);
                    }
                }
                None => self.step_back(unreadable(), None, m),
            },
            Answer::Unauthorized(r) => self.stop(r),
            Answer::Refused(r) | Answer::NotFound(r) => self.stop(not_readable(r)),
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
        self.judge_age(m);
    }
}

/// A refused read: it says nothing of what the call works for, which is neither refused nor the caller's mistake.
fn not_readable(mut report: Report) -> Report {
    if report.code.group() != Group::Configuration {
        report.code = Code::Unavailable;
    }
    report
}
