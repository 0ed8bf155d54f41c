//! The answers to the two cancels. They are proven by state and sums alone, and may be tried anew after any answered refusal.

use super::{unknown, Moment};
use crate::error::{Code, Group, Report};
use crate::payment::{Cancel, Operation, Payment, Progress, Refusal, Unsaved};
use crate::reference::KeyOf;
use crate::retry::{after_cancel, bad_answer, is_foreign, AfterCancel, Answer};

impl Payment {
    pub(super) fn on_cancel(&mut self, operation: Operation, answer: Answer, m: Moment) {
        match answer {
            Answer::Done(body) => match self.readable(&body) {
                Ok(seen) => {
                    // Accepted; whether it is proven, state and sums say, if they are there at all.
                    self.course.in_doubt = true;
                    self.course.accepted_at = Some(m.now.mono);
                    self.course.unproven_reads = 0;
                    self.course.tries = 0;
                    self.take(&seen, m);
                    self.judge_operations(m);
                    self.rides_along();
                }
                Err(_) => self.may_have_happened(bad_answer(), None, m),
            },
            Answer::Refused(mut report) | Answer::NotFound(mut report) => {
                if report.code == Code::ReferenceInUse {
                    // A conflict of this request with another, which may be an earlier copy of it.
                    report.code = Code::OutcomeUnknown;
                    self.course.in_doubt = true;
                }
                self.course.last = Some(report.clone());
                self.course.refused = Some((operation, report));
                self.course.read_now = true;
            }
            Answer::Unauthorized(report) => {
                self.course.in_doubt |= is_foreign(&report);
                self.stop(report);
            }
            Answer::RateLimited(report, asked) => self.step_back(report, asked, m),
            Answer::Locked(report, asked) => self.may_have_happened(unknown(report), asked, m),
            Answer::Unknown(report) => self.may_have_happened(report, None, m),
            Answer::NotSent(report) => self.not_sent(report, m),
        }
    }

    /// A read has shown that a refused cancel did nothing.
    pub(super) fn after_cancel_refusal(&mut self, operation: Operation, report: Report, m: Moment) {
        let Some(cancel) = self.open_cancel(operation) else {
            return;
        };
        match after_cancel(&report) {
            AfterCancel::Final => {
                cancel.progress = Progress::Refused(Refusal::of(&report));
                if operation == Operation::Release {
                    self.record.decision = format!("the release was refused: {}", report.message);
                }
                self.course.last = Some(report);
                self.operation_over(Unsaved::Must);
            }
            AfterCancel::Blocked => {
                self.next_cancel(operation);
                self.stop(match report.code.group() {
                    Group::Configuration => report,
                    // It stays owed: not refused.
                    _ => unknown(report),
                });
            }
            AfterCancel::NewAttempt => {
                self.next_cancel(operation);
                self.step_back(report, None, m);
            }
        }
    }

    fn open_cancel(&mut self, operation: Operation) -> Option<&mut Cancel> {
        let cancel = match operation {
            Operation::Withdraw => self.record.withdraw.as_mut(),
            Operation::Release => self.record.release.as_mut(),
            _ => None,
        };
        cancel.filter(|c| c.progress.is_owed())
    }

    fn next_cancel(&mut self, operation: Operation) {
        let of = match operation {
            Operation::Withdraw => KeyOf::CancelIfNotApproved,
            _ => KeyOf::Release,
        };
        let attempt = self.open_cancel(operation).map_or(1, |c| c.attempt + 1);
        // Without a further number the last one serves: the servers do not tell cancels apart.
        let key = self.record.key(of, 1, attempt);
        if let (Ok(key), Some(c)) = (key, self.open_cancel(operation)) {
            (c.attempt, c.key) = (attempt, key);
        }
        self.course.in_doubt = false;
        self.must_save();
    }
}
