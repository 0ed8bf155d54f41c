//! Figures that cannot be true. Sums only grow here, so one wrong answer that is believed would be believed for ever.
//!
//! Sources: OpenAPI ePayment 1.8.1 (`Aggregate`), ePayment API guide (get payment, cancel). What an answer leaves out is not
//! known; it contradicts nothing.

use crate::payment::{Record, State};
use crate::vipps::epayment::PaymentAnswer;

/// Why the answer contradicts itself or what was asked for; `None` if it does not.
pub(super) fn contradiction(record: &Record, seen: &PaymentAnswer) -> Option<String> {
    let currency = record.currency.as_str();
    if let Some(other) = seen.currencies.iter().find(|c| *c != currency) {
        return Some(format!("{other} for {currency}"));
    }
    let amount = record.amount;
    if let Some(other) = seen.amount.filter(|a| *a != amount) {
        return Some(format!("a payment of {other}, asked for {amount}"));
    }
    let shown = |sum: Option<i64>| sum.filter(|s| *s > 0);
    if let Some(other) = shown(seen.sums.authorized).filter(|a| *a != amount) {
        return Some(format!("{other} authorized of {amount}"));
    }
    let of = |sum: Option<i64>| sum.unwrap_or(0);
    let (captured, cancelled) = (of(seen.sums.captured), of(seen.sums.cancelled));
    let gone = captured.checked_add(cancelled);
    if gone.is_none_or(|gone| gone > amount) {
        return Some(format!(
            "{captured} captured and {cancelled} cancelled of {amount}"
        ));
    }
    let refunded = of(seen.sums.refunded);
    // A sum that is not shown says nothing about the one that is.
    if seen.sums.captured.is_some() && refunded > captured || refunded > amount {
        return Some(format!("{refunded} refunded of {captured} captured"));
    }
    match seen.state {
        Some(State::Authorized) => None,
        // Money moves of an approved payment only. Which this answer does not say, and no other has.
        None if record.state != State::Authorized && gone != Some(0) => Some(format!(
            "{captured} captured and {cancelled} cancelled of a payment that is not known to be approved"
        )),
        None => None,
        Some(state) if captured > 0 || refunded > 0 => Some(format!(
            "{captured} captured and {refunded} refunded of a payment that is {state:?}"
        )),
        Some(State::Created) if cancelled > 0 => {
            Some(format!("{cancelled} cancelled of a payment that waits"))
        }
        Some(State::Created) => None,
        // Cancelled before the approval: nothing was reserved, and the whole amount is cancelled. Declined and expired: nothing
        // is reserved either.
        Some(state) => {
            let reserved = of(seen.sums.authorized) > 0;
            let part = shown(seen.sums.cancelled).is_some_and(|c| c != amount);
            (reserved || part).then(|| {
                let authorized = of(seen.sums.authorized);
                format!("{authorized} authorized and {cancelled} cancelled of a payment that is {state:?}")
            })
        }
    }
}
