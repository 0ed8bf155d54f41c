//! Force approve, which exists in the test environment only. Source: OpenAPI 1.8.1.

use super::Call;
use crate::body;
use crate::ledger::{Refusal, State};
use crate::passenger::Act;
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::Answer;

/// 200 without a body: none is described.
pub fn force(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let value = body::read(call.request, &sim.switches, call.operation, "", &call.shape())?.value;
    let phone = value.pointer("/customer/phoneNumber").and_then(|v| v.as_str());
    let token = value["token"].as_str();
    let payment = sim.ledger.get(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    if token.is_some() && token != payment.redirect_token.as_deref() {
        return Err(call.refused(10010, "The token does not belong to the payment."));
    }
    if payment.phone.is_some() && phone.is_some() && phone != payment.phone.as_deref() {
        return Err(call.refused(10010, "The customer is not the one of the payment."));
    }
    let waits = payment.state == State::Created;
    let number = payment.phone.as_deref().or(phone).map(str::to_owned);
    if let Some(number) = number.as_deref().filter(|_| waits) {
        if !sim.passengers.can_pay(&call.reference, number, payment.details.minimum_age) {
            return Err(call.refused(7010, "The customer cannot pay this payment."));
        }
        if sim.switches.is(Switch::ForceApprovedFirst, "refused") && !sim.ledger.has_approved_by_hand(number) {
            return Err(call.refused(10020, "The customer must have approved a payment in the app before."));
        }
        sim.ledger.set_phone(&call.msn, &call.reference, number);
    }
    let rule = sim.passengers.rule_for(&call.reference, number.as_deref());
    let payment = sim.ledger.get_mut(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    let done = match (sim.switches.get(Switch::ForceApproveOutcome), rule.act) {
        ("approved", _) => payment.force(call.now),
        (_, Act::FailAfter { card, .. }) if waits => Err(Refusal {
            code: card.code(),
            detail: format!("The card of the customer does not do: {}.", card.name()),
        }),
        _ => payment.approve(call.now),
    };
    payment.forced |= waits && done.is_ok();
    done.map_err(|refusal| call.refusal(&refusal))?;
    Ok(Answer::empty(200))
}
