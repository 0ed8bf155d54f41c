//! What becomes of an operation that was refused, once a read has shown that it did nothing.

use super::Moment;
use crate::error::Report;
use crate::payment::{Lost, Operation, Payment, Progress, Refusal, Unsaved};
use crate::reference::KeyOf;
use crate::retry::{after_refusal, AfterRefusal};

/// "Funds unavailable": retry with the same key, or contact the customer (ePayment API guide, errors).
const FUNDS_UNAVAILABLE: i32 = 6260;

impl Payment {
    /// A read has shown that a refused operation did nothing.
    pub(super) fn after_refusal(&mut self, operation: Operation, report: Report, m: Moment) {
        if !self.is_owed(operation) {
            return;
        }
        match after_refusal(operation, &report) {
            AfterRefusal::SameKey => self.step_back(report, None, m),
            AfterRefusal::Blocked => {
                if report.vipps_code == FUNDS_UNAVAILABLE {
                    // The bank has released the money: nothing is secured any more. It goes on being tried with the same
                    // key, but the passenger must be asked.
                    self.record.decision = "the bank has released the money".into();
                    self.must_save();
                } else {
                    self.new_attempt(operation, &report);
                }
                self.stop(report);
            }
            AfterRefusal::NewAttempt => {
                self.new_attempt(operation, &report);
                self.step_back(report, None, m);
            }
            AfterRefusal::Final => self.refuse(operation, &report),
        }
    }

    fn is_owed(&self, operation: Operation) -> bool {
        let r = &self.record;
        match operation {
            Operation::Create => r.create.progress.is_owed(),
            Operation::Capture(i) => r.captures.get(i).is_some_and(|o| o.progress.is_owed()),
            Operation::Refund(i) => r.refunds.get(i).is_some_and(|o| o.progress.is_owed()),
            Operation::Withdraw => r.withdraw.as_ref().is_some_and(|o| o.progress.is_owed()),
            Operation::Release => r.release_owed(),
        }
    }

    /// Closes the attempt. The next one has a new key, which must be on disk before it is sent.
    pub(super) fn new_attempt(&mut self, operation: Operation, report: &Report) {
        let r = &mut self.record;
        let (of, number, attempt) = match operation {
            Operation::Capture(i) => (KeyOf::Capture, i as u32 + 1, r.captures[i].attempt + 1),
            Operation::Refund(i) => (KeyOf::Refund, i as u32 + 1, r.refunds[i].attempt + 1),
            Operation::Withdraw => (
                KeyOf::CancelIfNotApproved,
                1,
                r.withdraw.as_ref().map_or(1, |c| c.attempt + 1),
            ),
            Operation::Release => (
                KeyOf::Release,
                1,
                r.release.as_ref().map_or(1, |c| c.attempt + 1),
            ),
            Operation::Create => return,
        };
        let Ok(key) = r.key(of, number, attempt) else {
            self.refuse(operation, report);
            return;
        };
        match operation {
            Operation::Capture(i) => (r.captures[i].attempt, r.captures[i].key) = (attempt, key),
            Operation::Refund(i) => (r.refunds[i].attempt, r.refunds[i].key) = (attempt, key),
            Operation::Withdraw => {
                if let Some(c) = &mut r.withdraw {
                    (c.attempt, c.key) = (attempt, key);
                }
            }
            Operation::Release => {
                if let Some(c) = &mut r.release {
                    (c.attempt, c.key) = (attempt, key);
                }
            }
            Operation::Create => {}
        }
        self.course.in_doubt = false;
        self.must_save();
    }

    /// The operation will never be accepted.
    fn refuse(&mut self, operation: Operation, report: &Report) {
        let refused = Progress::Refused(Refusal::of(report));
        let r = &mut self.record;
        match operation {
            Operation::Capture(i) => {
                r.captures[i].progress = refused;
                let reserved = r.aggregate.reserved();
                // Gone for good only if the servers say so in as many words; otherwise somebody must look.
                if matches!(report.vipps_code, 6100) || reserved == 0 {
                    r.lost = Some(Lost {
                        amount: r.captures[i].amount,
                        reason: report.message.clone(),
                    });
                } else {
                    r.decision = format!("the capture was refused: {}", report.message);
                }
            }
            Operation::Refund(i) => r.refunds[i].progress = refused,
            Operation::Withdraw => {
                if let Some(c) = &mut r.withdraw {
                    c.progress = refused;
                }
            }
            Operation::Release => {
                if let Some(c) = &mut r.release {
                    c.progress = refused;
                }
                r.decision = format!("the release was refused: {}", report.message);
            }
            Operation::Create => return,
        }
        self.course.last = Some(report.clone());
        self.operation_over(Unsaved::Must);
    }
}
