//! What the control API shows: the books, the clock, the switches. Numbers of phones are masked.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::audit::{self, Books, FIGURES, Figure};
use crate::ledger::{EventName, Payment};
use crate::mask;
use crate::order_management::{Categories, ECOM, Receipts};
use crate::request_log::RequestLog;
use crate::sim::Sim;

pub fn health(sim: &Sim) -> Value {
    json!({"ok": true, "now": sim.clock.now(), "answers_not_as_described": sim.answers_not_as_described})
}

/// All that the ledger shows, to be written while the servers go on.
pub struct Archive {
    now: i64,
    payments: Vec<Arc<Payment>>,
    receipts: Receipts,
    categories: Categories,
    log: RequestLog,
}

impl Archive {
    pub fn of(sim: &Sim) -> Archive {
        Archive {
            now: sim.clock.now(),
            payments: sim.ledger.all().to_vec(),
            receipts: sim.receipts.clone(),
            categories: sim.categories.clone(),
            log: sim.log.clone(),
        }
    }

    pub fn ledger(&self) -> Value {
        let mut requests = self.log.by_reference();
        let books = audit::all(&self.payments, &self.receipts, &self.log);
        let mut show_one = |books: &Books| {
            let asked = requests.remove(books.payment.reference.as_str()).unwrap_or_default();
            show(books, &self.receipts, &self.categories, asked)
        };
        let payments: Vec<Value> = books.iter().map(&mut show_one).collect();
        let total =
            |(name, figure): Figure| (name.to_owned(), Value::from(audit::total(name, figure, &books, &self.log)));
        let totals: Map<String, Value> = FIGURES.into_iter().map(total).collect();
        json!({"now": self.now, "totals": totals, "payments": payments})
    }
}

/// By reference: of the present sales unit if it has one, else of any.
pub fn one(sim: &Sim, reference: &str) -> Option<Value> {
    let books = audit::books(sim, Some(reference));
    Some(show(books.first()?, &sim.receipts, &sim.categories, sim.log.requests_of(reference)))
}

fn show(books: &Books, receipts: &Receipts, categories: &Categories, requests: Vec<Value>) -> Value {
    let payment = books.payment;
    let money = payment.money();
    let moved = |names: &[EventName]| -> Vec<Value> {
        (payment.done())
            .filter(|event| names.contains(&event.name))
            .map(|event| json!({"amount": event.amount, "idempotency_key": event.key, "at": event.at}))
            .collect()
    };
    let captures = moved(&[EventName::Captured]);
    let refunds = moved(&[EventName::Refunded]);
    let cancels = moved(&[EventName::Cancelled, EventName::Terminated]);
    // What the merchant wrote may have the number in it.
    let written = mask::about(
        &json!({
            "metadata": payment.metadata,
            "receipt": receipts.get(&payment.msn, ECOM, &payment.reference),
            "categories": categories.of_order(&payment.msn, ECOM, &payment.reference),
        }),
        payment.phone.as_deref(),
    );
    let phone_masked = payment.phone.as_deref().map(mask::phone);
    json!({
        "reference": payment.reference,
        "msn": payment.msn,
        "state": payment.state.name(),
        "currency": payment.currency,
        "amount": payment.amount,
        "authorized": money.authorized,
        "captured": money.captured,
        "cancelled": money.cancelled,
        "refunded": money.refunded,
        "reserved": payment.remaining(),
        "phone_masked": phone_masked,
        "user_flow": payment.user_flow,
        "created_at": payment.created_at,
        "expires_at": payment.expires_at,
        "metadata": written["metadata"],
        "capture_count": captures.len(),
        "refund_count": refunds.len(),
        "cancel_count": cancels.len(),
        "captures": captures,
        "refunds": refunds,
        "cancels": cancels,
        "failed_tries": payment.failed_tries.iter().map(|(card, at)| json!({"why": card.name(), "at": at})).collect::<Vec<_>>(),
        "released_at": payment.released_at,
        "forced": payment.forced,
        "receipt": written["receipt"],
        "categories": written["categories"],
        "bytes_in": books.bytes.0,
        "bytes_out": books.bytes.1,
        // Exactly one push is sent for a payment, and no reminder.
        "pushes": i32::from(payment.user_flow == "PUSH_MESSAGE"),
        "requests": requests,
    })
}

pub fn clock(sim: &Sim) -> Value {
    let clock = &sim.clock;
    json!({
        "now": clock.now(),
        "offset_ms": clock.offset(),
        "frozen": clock.is_frozen(),
        "speed": clock.speed(),
    })
}
