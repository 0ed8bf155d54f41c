//! Force approve, which exists in the test environment only. Source: OpenAPI 1.8.1.

use super::Call;
use crate::body;
use crate::sim::Sim;
use crate::wire::Answer;

/// 200 without a body: none is described.
pub fn force(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let value = body::read(call.request, &sim.switches, call.operation, "", &call.shape())?.value;
    let phone = value.pointer("/customer/phoneNumber").and_then(|v| v.as_str());
    let token = value["token"].as_str();
    let payment = sim.ledger.get_mut(&call.msn, &call.reference).ok_or_else(|| call.unknown_reference())?;
    if token.is_some() && token != payment.redirect_token.as_deref() {
        return Err(call.refused(10010, "The token does not belong to the payment."));
    }
    if payment.phone.is_some() && phone.is_some() && phone != payment.phone.as_deref() {
        return Err(call.refused(10010, "The customer is not the one of the payment."));
    }
    payment.approve(call.now).map_err(|refusal| call.refusal(&refusal))?;
    Ok(Answer::empty(200))
}
