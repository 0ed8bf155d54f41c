//! The receipt's answers. Nothing here touches the money.

use super::{is_configuration, unreadable, Moment};
use crate::error::{Cause, Code, Report};
use crate::payment::{Payment, Progress, Refusal};
use crate::receipt::same_as_posted;
use crate::retry::{bad_answer, pause, Answer};
use crate::vipps::order_management::parse_order;

impl Payment {
    /// The answer to a posted receipt.
    pub fn on_receipt(&mut self, answer: Answer, m: Moment) {
        match answer {
            Answer::Done(body) if serde_json::from_slice::<String>(&body).is_ok() => {
                self.receipt_posted();
            }
            // Not the servers' word for it (an id as a JSON string): the order tells.
            Answer::Done(_) => {
                self.course.receipt_conflict = true;
                self.receipt_later(bad_answer(), None, m);
            }
            Answer::Refused(r) if r.http_status == 409 => self.course.receipt_conflict = true,
            Answer::Refused(r) if r.http_status == 403 => self.receipt_stop(r),
            // An earlier post may have arrived although its answer did not, also before a restart: the order tells
            // whether this is a refusal of the receipt or of the repetition.
            Answer::Refused(r) if r.code != Code::Url => {
                self.course.receipt_conflict = true;
                self.course.receipt_refusal = Some(r);
            }
            Answer::Refused(r) | Answer::NotFound(r) => self.receipt_later(r, None, m),
            Answer::Unauthorized(r) => self.receipt_stop(r),
            Answer::RateLimited(r, asked) | Answer::Locked(r, asked) => {
                self.receipt_later(r, asked, m)
            }
            Answer::NotSent(r) if is_configuration(&r) => self.receipt_stop(r),
            Answer::Unknown(r) | Answer::NotSent(r) => self.receipt_later(r, None, m),
        }
    }

    /// The answer to a read of the order.
    pub fn on_order(&mut self, answer: Answer, m: Moment) {
        match answer {
            Answer::Done(body) => {
                let ours = self.record.receipt.as_ref().and_then(|r| r.body.clone());
                match (ours, parse_order(&body)) {
                    (Some(ours), Some(order)) if same_as_posted(&ours, &order) => {
                        self.receipt_posted()
                    }
                    (_, Some(order)) if order["receipt"].is_null() => {
                        let r = Report::new(Code::OutcomeUnknown, "the order has no receipt yet");
                        self.no_receipt_there(r, m);
                    }
                    (_, Some(_)) => {
                        let r = Report::new(
                            Code::Refused,
                            "the payment has another receipt on the servers",
                        );
                        self.receipt_refused(&r);
                    }
                    (_, None) => self.receipt_later(unreadable(), None, m),
                }
            }
            Answer::Unauthorized(r) => self.receipt_stop(r),
            Answer::RateLimited(r, asked) | Answer::Locked(r, asked) => {
                self.receipt_later(r, asked, m)
            }
            Answer::NotFound(r) => self.no_receipt_there(r, m),
            Answer::NotSent(r) if is_configuration(&r) => self.receipt_stop(r),
            Answer::Refused(r) | Answer::Unknown(r) | Answer::NotSent(r) => {
                self.receipt_later(r, None, m);
            }
        }
    }

    /// Nothing was posted: a refusal was one of the receipt itself, and without one it is posted again.
    fn no_receipt_there(&mut self, report: Report, m: Moment) {
        self.course.receipt_conflict = false;
        match self.course.receipt_refusal.take() {
            Some(refusal) => self.receipt_refused(&refusal),
            None => self.receipt_later(report, None, m),
        }
    }

    fn receipt_posted(&mut self) {
        if let Some(r) = &mut self.record.receipt {
            r.progress = Progress::Done;
            r.body = None;
        }
        self.course.receipt_conflict = false;
        self.course.receipt_refusal = None;
        self.course.receipt_tries = 0;
        self.course.receipt_last = None;
        self.rides_along();
    }

    fn receipt_refused(&mut self, report: &Report) {
        if let Some(r) = &mut self.record.receipt {
            r.progress = Progress::Refused(Refusal::of(report));
        }
        self.course.receipt_conflict = false;
        self.course.receipt_refusal = None;
        self.course.receipt_blocked = Some(report.clone());
        self.must_save();
    }

    fn receipt_stop(&mut self, report: Report) {
        self.course.receipt_blocked = Some(report);
    }

    fn receipt_later(&mut self, report: Report, asked: Option<u32>, m: Moment) {
        self.course.receipt_not_before =
            m.now.mono + pause(self.course.receipt_tries + 1, asked, m.random);
        self.course.receipt_tries = self.course.receipt_tries.saturating_add(1);
        if report.cause != Cause::Interrupted {
            self.course.receipt_last = Some(report);
        }
    }
}
