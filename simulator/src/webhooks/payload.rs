//! What a delivery says. Source: ePayment OpenAPI 1.8.1, `WebhookEvent`.

use serde_json::Value;

use crate::epayment;
use crate::ledger::{EventName, Payment};
use crate::switches::Switches;

/// The entry of the event log, and whose payment it is.
pub fn of(payment: &Payment, nth: usize, switches: &Switches) -> Value {
    let Some(event) = payment.events.get(nth) else { return Value::Null };
    let mut body = epayment::event_entry(payment, event, nth, switches);
    body["msn"] = Value::from(payment.msn.clone());
    if event.name == EventName::Authorized {
        if let Some(until) = epayment::capture_guaranteed_until(payment, switches) {
            body["captureGuaranteedUntil"] = Value::from(until);
        }
        if let Some(sub) = epayment::sub(payment) {
            body["sub"] = Value::from(sub);
        }
    }
    body
}
