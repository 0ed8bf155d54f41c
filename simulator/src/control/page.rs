//! `GET page`: what the phone page shows, in one answer and bounded, however long the simulator has run.

use serde_json::{Value, json};

use super::view;
use crate::ledger::Payment;
use crate::mask;
use crate::order_management::ECOM;
use crate::sim::Sim;

const PAYMENTS: usize = 50;
const REQUESTS: usize = 100;

pub fn view(sim: &Sim) -> Value {
    let all = sim.ledger.all();
    let latest = &all[all.len().saturating_sub(PAYMENTS)..];
    json!({
        "clock": view::clock(sim),
        "merchant": {"name": sim.settings.merchant_name, "msn": sim.credentials.msn},
        "passenger": sim.passengers.default_rule().to_string(),
        "payments": latest.iter().map(|payment| show(sim, payment)).collect::<Vec<_>>(),
        "payment_count": all.len(),
        "requests": sim.log.latest(REQUESTS),
        "faults": sim.faults.list(),
    })
}

fn show(sim: &Sim, payment: &Payment) -> Value {
    let money = payment.money();
    let events = payment.done().map(|event| json!({"name": event.name.name(), "amount": event.amount, "at": event.at}));
    let failed = payment.failed_tries.iter().map(|(card, at)| json!({"why": card.name(), "at": at}));
    // What the merchant wrote may have the number in it.
    let written = json!({
        "description": payment.description,
        "receipt": sim.receipts.get(&payment.msn, ECOM, &payment.reference),
    });
    let written = mask::about(&written, payment.phone.as_deref());
    json!({
        "reference": payment.reference,
        "msn": payment.msn,
        "user_flow": payment.user_flow,
        // The page tells phones apart by these, for two of them may look alike when they are masked.
        "phone": payment.phone_index,
        "phone_masked": payment.phone.as_deref().map(mask::phone),
        "state": payment.state.name(),
        "approving_from": payment.busy_since(),
        "failed_tries": failed.collect::<Vec<_>>(),
        "currency": payment.currency,
        "amount": payment.amount,
        "authorized": money.authorized,
        "captured": money.captured,
        "cancelled": money.cancelled,
        "refunded": money.refunded,
        "description": written["description"],
        "receipt": written["receipt"],
        "created_at": payment.created_at,
        "expires_at": payment.expires_at,
        "events": events.collect::<Vec<_>>(),
    })
}
