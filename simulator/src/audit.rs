//! What can be asserted of the books. Every check is one that the books can prove.

use std::sync::Arc;

use crate::ledger::{EventName, Payment, State};
use crate::order_management::{ECOM, Receipts};
use crate::request_log::RequestLog;
use crate::sim::Sim;
use crate::tally::Tally;

/// One payment with all that is known of it.
pub struct Books<'a> {
    pub payment: &'a Payment,
    receipts: i64,
    tally: Tally,
    /// In and out.
    pub bytes: (u64, u64),
}

pub type Figure = (&'static str, fn(&Books) -> i64);
pub type Check = (&'static str, fn(&Books) -> bool);

/// Numbers that can be compared; without a reference they are sums over all payments.
pub const FIGURES: [Figure; 13] = [
    ("payments", |_| 1),
    ("authorized", |books| books.payment.money().authorized),
    ("captured", |books| books.payment.money().captured),
    ("cancelled", |books| books.payment.money().cancelled),
    ("refunded", |books| books.payment.money().refunded),
    ("reserved", |books| books.payment.remaining()),
    ("capture_count", |books| books.count(&[EventName::Captured])),
    ("cancel_count", |books| books.count(&[EventName::Cancelled, EventName::Terminated])),
    ("refund_count", |books| books.count(&[EventName::Refunded])),
    ("receipts", |books| books.receipts),
    ("requests", |books| number(books.tally.requests)),
    ("bytes_in", |books| number(books.bytes.0)),
    ("bytes_out", |books| number(books.bytes.1)),
];

/// What holds or does not; without a reference it must hold for every payment.
pub const CHECKS: [Check; 13] = [
    ("created_exactly_once", |books| books.tally.creates == 1),
    ("captured_exactly_once", |books| books.count(&[EventName::Captured]) == 1),
    ("captured_at_most_once", |books| books.count(&[EventName::Captured]) <= 1),
    ("captured_once_per_key", captured_once_per_key),
    ("never_over_reservation", never_over_reservation),
    ("nothing_left_reserved", |books| books.payment.remaining() == 0),
    ("not_waiting", |books| books.payment.state != State::Created),
    ("receipt_present", |books| books.receipts > 0),
    ("no_receipt", |books| books.receipts == 0),
    ("no_refund", |books| books.count(&[EventName::Refunded]) == 0),
    ("no_capture_after_cancel", |books| books.tally.captures_after_cancel == 0),
    ("every_change_has_a_key", |books| books.tally.unkeyed == 0),
    ("one_request_per_key", |books| books.tally.reused_keys == 0),
];

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Books<'_> {
    fn count(&self, names: &[EventName]) -> i64 {
        number(self.payment.done().filter(|event| names.contains(&event.name)).count() as u64)
    }
}

fn captured_once_per_key(books: &Books) -> bool {
    let captures = books.payment.done().filter(|event| event.name == EventName::Captured);
    let mut keys: Vec<&String> = captures.filter_map(|event| event.key.as_ref()).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    keys.len() == all
}

/// At no moment was more captured and released than reserved, or more refunded than captured.
fn never_over_reservation(books: &Books) -> bool {
    let (mut reserved, mut captured, mut refunded) = (0_i64, 0_i64, 0_i64);
    books.payment.done().all(|event| {
        match event.name {
            EventName::Authorized => reserved += event.amount,
            EventName::Captured => (reserved, captured) = (reserved - event.amount, captured + event.amount),
            EventName::Cancelled => reserved -= event.amount,
            EventName::Refunded => refunded += event.amount,
            _ => {}
        }
        reserved >= 0 && refunded <= captured
    })
}

/// The payments of a reference, or all; those of the present sales unit come before others.
pub fn books<'a>(sim: &'a Sim, reference: Option<&str>) -> Vec<Books<'a>> {
    let Some(reference) = reference else { return all(sim.ledger.all(), &sim.receipts, &sim.log) };
    let payment = sim.ledger.named(&sim.credentials.msn, reference).into_iter();
    payment.map(|payment| open(payment, &sim.receipts, &sim.log, sim.log.bytes_of(reference))).collect()
}

pub fn all<'a>(payments: &'a [Arc<Payment>], receipts: &Receipts, log: &RequestLog) -> Vec<Books<'a>> {
    let bytes = log.bytes_by_reference();
    let of = |payment: &Payment| match bytes.get(payment.reference.as_str()) {
        Some(bytes) => *bytes,
        None => log.tallies.of(&payment.reference).bytes_gone(),
    };
    payments.iter().map(|payment| open(payment, receipts, log, of(payment))).collect()
}

fn open<'a>(payment: &'a Payment, receipts: &Receipts, log: &RequestLog, bytes: (u64, u64)) -> Books<'a> {
    let receipt = receipts.get(&payment.msn, ECOM, &payment.reference);
    Books { payment, receipts: i64::from(receipt.is_some()), tally: log.tallies.of(&payment.reference), bytes }
}

/// A figure over all; requests and bytes also count what has no reference, such as tokens.
pub fn total(name: &str, figure: fn(&Books) -> i64, all: &[Books], log: &RequestLog) -> i64 {
    match name {
        "requests" => number(log.tallies.requests()),
        "bytes_in" => number(log.bytes().0),
        "bytes_out" => number(log.bytes().1),
        _ => all.iter().map(figure).fold(0, i64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Event, NewPayment};

    fn event(name: EventName, amount: i64, key: &str) -> Event {
        Event { name, amount, at: 0, key: Some(key.to_owned()), psp_reference: String::new(), success: true }
    }

    fn holds(check: fn(&Books) -> bool, events: &[Event]) -> bool {
        let mut payment = Payment::new(NewPayment::sample("ride-0001"));
        payment.events.extend_from_slice(events);
        check(&Books { payment: &payment, receipts: 0, tally: Tally::default(), bytes: (0, 0) })
    }

    /// The servers here never let it come so far, so the checks are shown what they would do.
    #[test]
    fn books_that_do_not_balance_are_seen() {
        let reserved = event(EventName::Authorized, 100, "create");
        let captured = |amount, key: &str| event(EventName::Captured, amount, key);
        let good = [reserved.clone(), captured(60, "a"), event(EventName::Cancelled, 40, "b")];
        assert!(holds(never_over_reservation, &good));
        assert!(holds(never_over_reservation, &[event(EventName::Terminated, 100, "a")]));
        for bad in [
            vec![captured(1, "a"), reserved.clone()],
            vec![reserved.clone(), captured(60, "a"), captured(41, "b")],
            vec![reserved.clone(), captured(60, "a"), event(EventName::Cancelled, 41, "b")],
            vec![reserved.clone(), captured(60, "a"), event(EventName::Refunded, 61, "b")],
            vec![reserved.clone(), event(EventName::Refunded, 1, "b"), captured(60, "a")],
        ] {
            assert!(!holds(never_over_reservation, &bad), "{bad:?}");
        }
        assert!(holds(captured_once_per_key, &[reserved.clone(), captured(1, "a"), captured(1, "b")]));
        assert!(!holds(captured_once_per_key, &[reserved, captured(1, "a"), captured(1, "a")]));
    }
}
