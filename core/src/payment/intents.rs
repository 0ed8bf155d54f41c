//! What may be asked of a payment, and what asking writes down. Each gives `Ok(true)` if it changed the record, and
//! changes nothing if it refuses.

use super::{
    Cancel, CancelHow, Decision, Lost, Movement, Progress, ReceiptRecord, Record, Refusal, State,
};
use crate::error::{Code, Report, Retry};
use crate::money::check_modification;
use crate::reference::KeyOf;

fn wrong_state(rule: impl Into<String>) -> Report {
    Report::new(Code::WrongState, rule)
}

/// Not possible in the state that is known; a newer look at the servers may show another.
fn not_yet(rule: &str) -> Report {
    let mut r = wrong_state(rule);
    r.retry = Retry::Later;
    r
}

impl Record {
    /// Asks for the capture that is number `nth` (from 1) of this payment. `Ok(true)` if that changed the record. `fresh`: the
    /// sums were read a moment ago; if not, the baseline of a part waits for a read.
    pub fn ask_capture(
        &mut self,
        amount: i64,
        nth: u32,
        last: bool,
        fresh: bool,
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
        self.check_beyond_doubt()?;
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
            _ => return Err(not_yet("the passenger has not approved yet")),
        }
        if self.release.is_some() {
            return Err(wrong_state("the rest of this payment was released"));
        }
        if self.lost.is_some() {
            return Err(wrong_state("the reservation is gone"));
        }
        self.check_no_open_key()?;
        check_modification("amount", amount, self.aggregate.reserved())?;
        let after = self.aggregate.captured + amount;
        let whole = after == self.aggregate.authorized;
        if last || whole {
            self.check_receipt(after, "amount")?;
        }
        let key = self.key(KeyOf::Capture, nth, 1)?;
        self.captures.push(Movement {
            amount,
            baseline: (whole || fresh).then_some(self.aggregate.captured),
            attempt: 1,
            key,
            body: crate::vipps::epayment::modification_body(amount, self.currency),
            asked_at: now_wall,
            progress: Progress::Owed,
            held: false,
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

    /// One movement at a time: nothing tells the effects of two keys apart while one of them may still act.
    fn check_no_open_key(&self) -> Result<(), Report> {
        if self.open_capture().is_some() {
            return Err(wrong_state("the capture before is not proven yet"));
        }
        if self.open_refund().is_some() {
            return Err(wrong_state("the refund before is not proven yet"));
        }
        if self.key_is_open() {
            return Err(wrong_state(
                "a capture or refund was written off that may have happened: use the portal",
            ));
        }
        Ok(())
    }

    /// The newest version of the record may have asked for something else: only the office decides what happens now.
    fn check_beyond_doubt(&self) -> Result<(), Report> {
        match self.is_doubtful() {
            true => Err(wrong_state(
                "it is in doubt what was asked for or whose payment it is: only vp_decide goes on",
            )),
            false => Ok(()),
        }
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
                if self.lost.is_some() {
                    return Err(wrong_state("the reservation is gone"));
                }
                self.check_beyond_doubt()?;
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
                self.check_beyond_doubt()?;
                if !self.has_capture() {
                    return Err(wrong_state(
                        "nothing was captured: give the payment up instead",
                    ));
                }
                if self.captures.iter().chain(&self.refunds).any(|m| m.held) {
                    return Err(wrong_state(
                        "a capture or refund is neither proven nor ruled out: decide about it first",
                    ));
                }
                if self.aggregate.reserved() == 0 && self.open_capture().is_none() {
                    return Ok(false);
                }
                if self.open_movement().is_none() {
                    self.decision.clear();
                }
                self.add_release()?;
                Ok(true)
            }
        }
    }

    /// Carries out what a human decided about a payment that waits for it. Gives the index of the capture, if it is one.
    pub fn decide(&mut self, decision: Decision, now_wall: i64) -> Result<Option<usize>, Report> {
        if self.decision.is_empty() {
            return Err(wrong_state("nothing waits for a decision"));
        }
        let doubtful = !std::mem::take(&mut self.doubt).is_empty();
        let at_rest = self.aggregate.reserved() == 0 && self.state != State::Created;
        if doubtful && at_rest {
            // Nothing is left to capture or to release: what is recorded goes on.
            self.decision.clear();
            return Ok(None);
        }
        match decision {
            Decision::Capture if self.open_movement().is_some() => {
                let open = self.captures.iter_mut().chain(&mut self.refunds);
                open.for_each(|m| m.held = false);
                self.decision.clear();
                Ok(self.open_capture())
            }
            Decision::GiveUp if self.open_movement().is_some() => Err(wrong_state(
                "a capture or refund of this payment is still open: write it off, or go on trying",
            )),
            Decision::Capture => {
                // A capture was refused, or an approval came too late: what is asked now is a capture of its own.
                if self.release_was_refused() {
                    self.release = None;
                }
                let nth = self.captures.len() as u32 + 1;
                let amount = self.aggregate.reserved();
                self.ask_capture(amount, nth, false, false, now_wall)?;
                Ok(Some(nth as usize - 1))
            }
            Decision::GiveUp => {
                let refused = self.release_was_refused();
                if refused {
                    let attempt = self.release.as_ref().map_or(1, |c| c.attempt + 1);
                    let key = self.key(KeyOf::Release, 1, attempt)?;
                    self.release = Some(Cancel {
                        attempt,
                        key,
                        progress: Progress::Owed,
                    });
                } else if self.release.is_none() {
                    self.add_release()?;
                }
                self.given_up = !self.has_capture();
                self.decision.clear();
                Ok(None)
            }
        }
    }

    fn release_was_refused(&self) -> bool {
        self.release
            .as_ref()
            .is_some_and(|c| matches!(c.progress, Progress::Refused(_)))
    }

    /// Gives up on money that cannot be had: explicit, and kept with amount and reason. `Ok(true)` if that changed the
    /// record.
    pub fn write_off(&mut self, reason: &str) -> Result<bool, Report> {
        let reason = reason.trim();
        if !(1..=100).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
            return Err(Report::invalid(
                "reason",
                "must be 1 to 100 printable characters",
            ));
        }
        if self.closed_at != 0 || self.is_finished() {
            return Err(wrong_state("nothing of this payment is owed"));
        }
        let amount = match self.aggregate.reserved() {
            0 => self.amount - self.aggregate.captured,
            reserved => reserved,
        };
        self.lost = Some(Lost {
            amount,
            reason: format!("written off: {reason}"),
        });
        let end = |progress: &mut Progress, code: Code| {
            if progress.is_owed() {
                *progress = Progress::Refused(Refusal::of(&Report::new(code, "written off")));
            }
        };
        let cancels = [&mut self.withdraw, &mut self.release];
        cancels
            .into_iter()
            .flatten()
            .for_each(|c| end(&mut c.progress, Code::Refused));
        for m in self.captures.iter_mut().chain(&mut self.refunds) {
            // What may have been sent may still act: nobody asks for another one here.
            let code = match m.baseline {
                Some(_) => Code::OutcomeUnknown,
                None => Code::Refused,
            };
            end(&mut m.progress, code);
            m.held = false;
        }
        if let Some(r) = &mut self.receipt {
            end(&mut r.progress, Code::Refused);
        }
        end(&mut self.create.progress, Code::Refused);
        self.create.body = None;
        self.decision.clear();
        self.doubt.clear();
        Ok(true)
    }

    /// Asks for the refund that is number `nth` (from 1) of this payment. `fresh`: the sums were read a moment ago; if not,
    /// the portal may have refunded meanwhile, and the baseline waits for a read.
    pub fn ask_refund(
        &mut self,
        amount: i64,
        nth: u32,
        fresh: bool,
        now_wall: i64,
    ) -> Result<bool, Report> {
        let index = nth_of(&self.refunds, nth, "flags")?;
        if let Some(known) = self.refunds.get(index) {
            if known.amount == amount {
                return Ok(false);
            }
            return Err(wrong_state(format!(
                "refund {nth} of this payment was asked for with another amount"
            )));
        }
        self.check_beyond_doubt()?;
        self.check_no_open_key()?;
        let refundable = self.aggregate.captured - self.aggregate.refunded;
        if refundable <= 0 {
            return Err(not_yet("nothing is captured that could be refunded"));
        }
        check_modification("amount", amount, refundable)?;
        let key = self.key(KeyOf::Refund, nth, 1)?;
        self.refunds.push(Movement {
            amount,
            baseline: fresh.then_some(self.aggregate.refunded),
            attempt: 1,
            key,
            body: crate::vipps::epayment::modification_body(amount, self.currency),
            asked_at: now_wall,
            progress: Progress::Owed,
            held: false,
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
            let mut changed = known.planned && !planned;
            known.planned &= planned;
            if known.progress.is_owed() && known.body.is_none() {
                // Of a payment that was closed, and is alive after all.
                known.body = Some(body);
                changed = true;
            }
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
