//! Capture, cancel, refund. Sources: OpenAPI 1.8.1; ePayment API guide, capture, cancel, refund and errors.

use serde_json::{Value, json};

use super::{Call, aggregate};
use crate::body;
use crate::contract::Issue;
use crate::ledger::{Money, Payment, Refusal, State};
use crate::passenger::Act;
use crate::problem;
use crate::route::Operation;
use crate::sim::Sim;
use crate::switches::{Switch, Switches};
use crate::wire::Answer;

pub fn adjust(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let value = match call.operation {
        Operation::Cancel => cancel_body(sim, call)?,
        _ => body::read(call.request, &sim.switches, call.operation, "", &call.shape())?.value,
    };
    let switches = &sim.switches;
    let payment = sim.ledger.get_mut(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    let before = payment.money();
    let done = match call.operation {
        Operation::Cancel => cancel(switches, payment, &value, call)?,
        operation => {
            let amount = modification_amount(&value, payment, call)?;
            if operation == Operation::Capture {
                let when_full = switches.number(Switch::FullyCaptured);
                let partial = switches.is(Switch::PartialCapture, "allowed");
                payment.capture(amount, call.key(), call.now, when_full, partial)
            } else {
                if switches.is(Switch::SalesUnit, "no-refunds") {
                    return Err(call.refused(5100, "The sales unit is not set up for refunds."));
                }
                let from_capture = switches.is(Switch::RefundWindow, "capture");
                payment.refund(amount, call.key(), call.now, from_capture)
            }
        }
    };
    done.map_err(|refusal| call.refusal(&refusal))?;
    Ok(success(switches, payment, before))
}

/// How the servers answer to zero or to another currency than the payment's is not published.
fn modification_amount(value: &Value, payment: &Payment, call: &Call) -> Result<i64, Answer> {
    let refuse = |field: &str, detail: &str| match call.switches.is(Switch::ModificationAmount, "validation") {
        true => call.shape().validation(&[Issue::new(format!("modificationAmount.{field}"), detail)]),
        false => call.refused(4040, detail),
    };
    let amount = value["modificationAmount"]["value"].as_i64().unwrap_or_default();
    if value["modificationAmount"]["currency"].as_str() != Some(payment.currency.as_str()) {
        return Err(refuse("currency", "The currency differs from that of the payment."));
    }
    if amount == 0 {
        return Err(refuse("value", "The amount must be above zero."));
    }
    Ok(amount)
}

/// The body of a cancel is optional by the specification; integrators found that something must be sent.
fn cancel_body(sim: &Sim, call: &Call) -> Result<Value, Answer> {
    if !call.request.body.is_empty() {
        return Ok(body::read(call.request, &sim.switches, call.operation, "", &call.shape())?.value);
    }
    if sim.switches.is(Switch::CancelWithoutBody, "400") {
        return Err(call.shape().validation(&[Issue::new("$", "A non-empty request body is required.")]));
    }
    Ok(json!({}))
}

/// The inner result is a rule of the money; the outer one speaks of the moment at which the cancel came.
fn cancel(
    switches: &Switches,
    payment: &mut Payment,
    value: &Value,
    call: &Call,
) -> Result<Result<(), Refusal>, Answer> {
    if payment.state == State::Created && payment.rule.act == Act::ApproveOnCancel {
        let _ = payment.approve(call.now);
    }
    if payment.is_busy(call.now) {
        let detail = "The customer is approving the payment. Try again later.";
        return Err(match switches.get(Switch::CancelWhileApproving) {
            "6250" => call.refused(6250, detail),
            _ => problem::domain(switches.number(Switch::CancelWhileApproving), 6160, detail, &call.instance),
        });
    }
    let only = value["cancelTransactionOnly"].as_bool().unwrap_or(false);
    Ok(payment.cancel(only, call.key(), call.now, switches.number(Switch::RepeatCancel)))
}

/// These ask for a later attempt with the same key, so they do not stay for it; 6250 does by a switch, all by another.
pub fn may_be_retried(switches: &Switches, answer: &Answer) -> bool {
    if switches.is(Switch::StickyErrors, "every") {
        return false;
    }
    let has = |code: &[u8]| answer.status >= 400 && answer.body.windows(code.len()).any(|window| window == code);
    let always = has(br#""reason":"6160""#) || has(br#""reason":"6260""#) || has(br#""reason":"6280""#);
    always || has(br#""reason":"6250""#) && switches.is(Switch::StickyBusy, "off")
}

/// The published document calls even this body a problem; whoever decides by content type is wrong.
fn success(switches: &Switches, payment: &Payment, before: Money) -> Answer {
    let lagging = switches.lag_ms() > 0;
    let shown = if lagging { before } else { payment.money() };
    let mut body = json!({
        "amount": {"currency": payment.currency, "value": payment.amount},
        "state": payment.state.name(),
        "aggregate": aggregate(shown, &payment.currency, switches),
        "pspReference": payment.psp_reference,
        "reference": payment.reference,
    });
    match switches.get(Switch::AdjustAggregate) {
        value if value.starts_with("empty") => body = json!({}),
        "only" => body = json!({"aggregate": body["aggregate"].take()}),
        "missing" => drop(body.as_object_mut().map(|map| map.remove("aggregate"))),
        _ => {}
    }
    Answer::typed(200, switches.get(Switch::AdjustContentType).to_owned(), &body)
}
