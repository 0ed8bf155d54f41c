//! Who may call. Source: knowledge base, errors and HTTP headers.

use crate::contract;
use crate::problem::{self, Shape};
use crate::route::Operation;
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Request};

const MSN: &str = "Merchant-Serial-Number";

/// The gateway first, then the token, then the sales unit: the order in which the servers refuse. Whether the headers
/// have the right form is a matter of the contract.
pub fn authenticate(sim: &Sim, request: &Request, shape: &Shape) -> Result<(), Answer> {
    subscription_key(sim, request)?;
    // The scheme is spelled exactly so: `bearer` was seen to be rejected.
    let authorization = request.header("authorization").unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ");
    if !token.is_some_and(|token| sim.tokens.is_valid(token, sim.clock.now())) {
        return Err(match sim.switches.get(Switch::Unauthorized) {
            "generic" => problem::something_went_wrong(),
            "empty" => Answer::empty(401),
            _ => problem::unauthorized(),
        });
    }
    let other = request.header(MSN).filter(|msn| *msn != sim.credentials.msn);
    if other.is_some_and(|msn| is_merchant_serial_number(&msn)) {
        let detail = "The merchant serial number does not belong to these credentials.";
        return Err(match sim.switches.is(Switch::ForeignUnit, "401") {
            true => problem::gateway(401, detail),
            false => shape.plain(403, "Forbidden", detail),
        });
    }
    Ok(())
}

pub fn subscription_key(sim: &Sim, request: &Request) -> Result<(), Answer> {
    match request.header("ocp-apim-subscription-key") {
        None => Err(problem::subscription_key_missing()),
        Some(key) if key != sim.credentials.subscription_key => {
            Err(match sim.switches.is(Switch::WrongSubscription, "not-found") {
                true => problem::subscription_not_found(),
                false => problem::subscription_key_wrong(),
            })
        }
        Some(_) => Ok(()),
    }
}

pub fn is_merchant_serial_number(text: &str) -> bool {
    contract::is_header_valid(Operation::Create, MSN, text)
}

/// Bodies must be declared as JSON; parameters such as a charset are fine.
pub fn is_json(request: &Request) -> bool {
    let declared = request.header("content-type").unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

pub fn unsupported_media_type(shape: &Shape) -> Answer {
    shape.plain(415, "Unsupported Media Type", "The Content-Type must be application/json.")
}
