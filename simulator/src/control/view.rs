//! What the control API shows: the books, the clock, the switches. Numbers of phones are masked.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::ledger::{EventName, Payment};
use crate::mask;
use crate::order_management::ECOM;
use crate::sim::Sim;

pub fn health(sim: &Sim) -> Value {
    json!({"ok": true, "now": sim.clock.now(), "answers_not_as_described": sim.answers_not_as_described})
}

pub fn ledger(sim: &Sim) -> Value {
    let requests = sim.log.by_reference();
    let payments: Vec<Value> = sim.ledger.all().iter().map(|payment| show(sim, payment, &requests)).collect();
    json!({"now": sim.clock.now(), "payments": payments})
}

/// By reference: of the present sales unit if it has one, else of any.
pub fn one(sim: &Sim, reference: &str) -> Option<Value> {
    let own = sim.ledger.get(&sim.credentials.msn, reference);
    let payment = own.or_else(|| sim.ledger.all().iter().find(|p| p.reference == reference))?;
    Some(show(sim, payment, &sim.log.by_reference()))
}

fn show(sim: &Sim, payment: &Payment, requests: &HashMap<&str, Vec<Value>>) -> Value {
    let money = payment.money();
    let moved = |names: &[EventName]| -> Vec<Value> {
        (payment.events.iter())
            .filter(|event| names.contains(&event.name))
            .map(|event| json!({"amount": event.amount, "idempotency_key": event.key, "at": event.at}))
            .collect()
    };
    let captures = moved(&[EventName::Captured]);
    let refunds = moved(&[EventName::Refunded]);
    let cancels = moved(&[EventName::Cancelled, EventName::Terminated]);
    let receipt = sim.receipts.get(&payment.msn, ECOM, &payment.reference);
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
        "phone_masked": phone_masked,
        "user_flow": payment.user_flow,
        "created_at": payment.created_at,
        "expires_at": payment.expires_at,
        "metadata": payment.metadata,
        "capture_count": captures.len(),
        "refund_count": refunds.len(),
        "cancel_count": cancels.len(),
        "captures": captures,
        "refunds": refunds,
        "cancels": cancels,
        "receipt": receipt,
        // Exactly one push is sent for a payment, and no reminder.
        "pushes": i32::from(payment.user_flow == "PUSH_MESSAGE"),
        "requests": requests.get(payment.reference.as_str()).cloned().unwrap_or_default(),
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
