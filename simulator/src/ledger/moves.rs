//! The moves of a payment's money after the approval, and what the rules forbid.
//!
//! Sources: ePayment API guide (capture, cancel, refund), error table.

use super::payment::refuse;
use super::{EventName, Payment, Refusal, State};
use crate::clock::DAY;

/// Refunds are possible for a year (ePayment API guide, refund).
const REFUND_PERIOD: i64 = 365 * DAY;

impl Payment {
    pub fn capture(
        &mut self,
        amount: i64,
        key: Option<String>,
        now: i64,
        when_full: u16,
        partial: bool,
    ) -> Result<(), Refusal> {
        match self.state {
            State::Created => return refuse(6080, "The payment has not been approved yet."),
            State::Terminated => return refuse(6070, "The payment was cancelled before it was approved."),
            State::Aborted | State::Expired => {
                return refuse(6200, format!("The payment is in the invalid state {}.", self.state.name()));
            }
            State::Authorized => {}
        }
        let money = self.money();
        let left = self.remaining();
        if self.capture_deadline().is_some_and(|deadline| deadline <= now) {
            refuse(6100, "The reservation was not captured in time.")
        } else if money.cancelled > 0 {
            refuse(6070, "The reservation has been cancelled.")
        } else if left == 0 {
            refuse(when_full, "The full amount has been captured.")
        } else if amount > left {
            refuse(6090, format!("At most {left} can be captured."))
        } else if !partial && amount != money.authorized {
            refuse(6140, "This sales unit must capture the full amount.")
        } else if self.is_released(now) {
            self.record_failure(EventName::Captured, amount, now, key);
            refuse(6260, "The bank no longer holds the money.")
        } else if self.failing_captures > 0 {
            self.failing_captures -= 1;
            self.record_failure(EventName::Captured, amount, now, key);
            refuse(6280, "The bank could not be reached. Try again later with the same key.")
        } else {
            self.record(EventName::Captured, amount, now, key);
            Ok(())
        }
    }

    /// All or nothing of what is not captured. `only_if_unapproved` is `cancelTransactionOnly`.
    pub fn cancel(
        &mut self,
        only_if_unapproved: bool,
        key: Option<String>,
        now: i64,
        when_nothing: u16,
    ) -> Result<(), Refusal> {
        match self.state {
            State::Created => {
                self.state = State::Terminated;
                self.record(EventName::Terminated, self.amount, now, key);
                return Ok(());
            }
            State::Authorized => {}
            state => return refuse(when_nothing, format!("The payment is in state {}.", state.name())),
        }
        let money = self.money();
        let left = self.remaining();
        if only_if_unapproved {
            refuse(6060, "The payment is authorized, and cancelTransactionOnly is set.")
        } else if left == 0 && money.captured == money.authorized {
            refuse(6040, "The full amount has been captured; use refund.")
        } else if self.capture_deadline().is_some_and(|deadline| deadline <= now) {
            refuse(6030, "The reservation is past its deadline.")
        } else if left == 0 {
            refuse(when_nothing, "Nothing of the payment is reserved any more.")
        } else {
            self.record(EventName::Cancelled, left, now, key);
            Ok(())
        }
    }

    pub fn refund(&mut self, amount: i64, key: Option<String>, now: i64, from_capture: bool) -> Result<(), Refusal> {
        if matches!(self.state, State::Aborted | State::Expired | State::Terminated) {
            return refuse(6210, format!("The payment is in the invalid state {}.", self.state.name()));
        }
        let money = self.money();
        let refundable = money.captured - money.refunded;
        let counted_from = match from_capture {
            // Each capture opens its own year; the latest one decides.
            true => self.done().rev().find(|e| e.name == EventName::Captured).map(|e| e.at),
            false => self.authorized_at,
        };
        let is_special = |special: i64| self.terms.special_amounts && amount == special;
        if money.captured == 0 {
            refuse(6020, "Nothing has been captured.")
        } else if counted_from.is_some_and(|at| at + REFUND_PERIOD <= now) {
            refuse(6220, "The payment is too old to be refunded.")
        } else if refundable == 0 {
            refuse(6180, "The full amount has been refunded.")
        } else if amount > refundable {
            refuse(6150, format!("At most {refundable} can be refunded."))
        } else if is_special(124) {
            refuse(6220, "The payment is too old to be refunded.")
        } else if is_special(123) {
            self.record_failure(EventName::Refunded, amount, now, key);
            refuse(5100, "The customer has no account that takes the money.")
        } else {
            self.record(EventName::Refunded, amount, now, key);
            Ok(())
        }
    }

    /// The bank lets go of what is reserved; no message says so.
    pub fn release(&mut self, now: i64) -> Result<(), Refusal> {
        if self.state != State::Authorized || self.remaining() == 0 {
            return refuse(6050, "Nothing of the payment is reserved.");
        }
        self.released_at = Some(now);
        Ok(())
    }
}
