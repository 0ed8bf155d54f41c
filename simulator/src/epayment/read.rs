//! Get payment and event log. Source: OpenAPI 1.8.1; ePayment API guide, get payment and get event log.

use serde_json::{Map, Value, json};

use super::{Call, aggregate};
use crate::clock::{self, Style};
use crate::ledger::{Event, EventName, Payment, State};
use crate::random;
use crate::sim::Sim;
use crate::switches::{Switch, Switches};
use crate::wire::Answer;

pub fn payment(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let payment = sim.ledger.get(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    let seen = payment.money_seen_at(call.now - sim.switches.lag_ms());
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("aggregate", aggregate(seen, &payment.currency, &sim.switches));
    put("amount", json!({"currency": payment.currency, "value": payment.amount}));
    put("state", Value::from(payment.state.name()));
    put("paymentMethod", method(payment));
    if sim.switches.is(Switch::Profile, "object") {
        put("profile", profile(payment));
    }
    put("pspReference", Value::from(payment.psp_reference.clone()));
    put("reference", Value::from(payment.reference.clone()));
    if let Some(url) = &payment.redirect_url {
        put("redirectUrl", Value::from(url.clone()));
    }
    if let Some(metadata) = payment.metadata.as_ref().filter(|_| !sim.switches.is(Switch::Metadata, "missing")) {
        put(
            "metadata",
            match sim.switches.get(Switch::Metadata) {
                "null" => Value::Null,
                "empty" => json!({}),
                _ => Value::Object(metadata.clone()),
            },
        );
    }
    if let Some(until) = capture_guaranteed_until(payment, &sim.switches) {
        put("captureGuaranteedUntil", Value::from(until));
    }
    Ok(Answer::json(200, &Value::Object(body)))
}

fn method(payment: &Payment) -> Value {
    match payment.state {
        // Which card it is, is known once the user has chosen one.
        State::Authorized => json!({"type": payment.method, "cardBin": payment.terms.card.bin()}),
        _ => json!({"type": payment.method}),
    }
}

/// With an offset, as the guide shows it.
pub fn capture_guaranteed_until(payment: &Payment, switches: &Switches) -> Option<String> {
    let until = payment.guaranteed_until().filter(|_| switches.is(Switch::CaptureGuaranteed, "present"))?;
    Some(clock::rfc3339(until, Style::Offset))
}

fn profile(payment: &Payment) -> Value {
    match sub(payment) {
        Some(sub) => json!({"sub": sub}),
        None => json!({}),
    }
}

/// Under which the user's data could be asked for, once he has approved.
pub fn sub(payment: &Payment) -> Option<String> {
    let asked = payment.state == State::Authorized && payment.scope_requested;
    asked.then(|| random::sha256_hex(payment.psp_reference.as_bytes())[..32].to_owned())
}

pub fn events(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let payment = sim.ledger.get(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    let seen_until = call.now - sim.switches.log_lag_ms();
    let list: Vec<Value> = (payment.events.iter().enumerate())
        .filter(|(_, event)| !event.name.is_adjustment() || event.at <= seen_until)
        .map(|(index, event)| event_entry(payment, event, index, &sim.switches))
        .collect();
    Ok(Answer::json(200, &Value::Array(list)))
}

pub fn event_entry(payment: &Payment, event: &Event, index: usize, switches: &Switches) -> Value {
    let style = match switches.get(Switch::Timestamps) {
        "seconds" => Style::Seconds,
        "ticks" => Style::Ticks,
        "offset" => Style::Offset,
        // The guide's own samples change their precision from event to event.
        "mixed" => [Style::Ticks, Style::Millis, Style::Seconds, Style::Offset][index % 4],
        _ => Style::Millis,
    };
    let mut body = json!({
        "reference": payment.reference,
        "pspReference": event.psp_reference,
        "name": event.name.name(),
        "amount": {"currency": payment.currency, "value": event.amount},
        "timestamp": clock::rfc3339(event.at, style),
        "success": event.success,
    });
    let told = match event.name {
        EventName::Cancelled | EventName::Terminated => switches.get(Switch::CancelledEventKey),
        EventName::Captured | EventName::Refunded => switches.get(Switch::AdjustEventKey),
        _ => "present",
    };
    match (&event.key, told) {
        (_, "null") => body["idempotencyKey"] = Value::Null,
        (Some(key), "present") => body["idempotencyKey"] = Value::from(key.clone()),
        _ => {}
    }
    body
}
