//! What every authenticated call must carry.
//!
//! Sources: OpenAPI 1.8.1 and Order Management OpenAPI 2.1, parameters; knowledge base, HTTP headers.

use crate::problem::{self, Shape};
use crate::route::Operation;
use crate::schema::Issue;
use crate::sim::Sim;
use crate::wire::{Answer, Request};

/// Idempotency keys may have this many characters (OpenAPI 1.8.1).
const KEY_LENGTH: usize = 50;

/// The gateway first, then the token, then the sales unit: the order in which the servers refuse.
pub fn authenticate(sim: &Sim, request: &Request, shape: &Shape) -> Result<(), Answer> {
    subscription_key(sim, request)?;
    // The scheme is spelled exactly so: `bearer` was seen to be rejected.
    let authorization = request.header("authorization").unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ").ok_or_else(problem::unauthorized)?;
    if !sim.tokens.is_valid(token, sim.clock.now()) {
        return Err(problem::unauthorized());
    }
    let msn = request.header("merchant-serial-number");
    if let Some(issue) = merchant_serial_number(msn.as_deref(), true) {
        return Err(shape.validation(&[issue]));
    }
    if msn.as_deref() != Some(sim.credentials.msn.as_str()) {
        let detail = "The merchant serial number does not belong to these credentials.";
        return Err(shape.plain(403, "Forbidden", detail));
    }
    Ok(())
}

pub fn subscription_key(sim: &Sim, request: &Request) -> Result<(), Answer> {
    match request.header("ocp-apim-subscription-key") {
        None => Err(problem::subscription_key_missing()),
        Some(key) if key != sim.credentials.subscription_key => Err(problem::subscription_key_wrong()),
        Some(_) => Ok(()),
    }
}

pub fn merchant_serial_number(value: Option<&str>, required: bool) -> Option<Issue> {
    const NAME: &str = "Merchant-Serial-Number";
    match value {
        None if required => Some(Issue::missing(NAME)),
        None => None,
        Some(msn) if (4..=10).contains(&msn.len()) && msn.bytes().all(|b| b.is_ascii_digit()) => None,
        Some(_) => {
            let reason = "The field Merchant-Serial-Number must match the regular expression '^[0-9]{4,10}$'.";
            Some(Issue::new(NAME, reason))
        }
    }
}

/// The headers that the API behind the gateway checks; an empty list is good.
pub fn check(request: &Request, operation: Operation) -> Vec<Issue> {
    let mut issues = system_headers(request, operation);
    let key = request.header("idempotency-key");
    let key_required = match operation {
        Operation::Create | Operation::Capture | Operation::Refund => true,
        // Listed for cancel up to OpenAPI 1.4.1, gone from 1.8.1: taken when sent.
        Operation::Cancel => false,
        _ => return issues,
    };
    match key.as_deref() {
        None | Some("") if key_required => issues.push(Issue::missing("Idempotency-Key")),
        Some(key) if key.chars().count() > KEY_LENGTH => {
            let reason = format!("The field Idempotency-Key must be a string with a maximum length of {KEY_LENGTH}.");
            issues.push(Issue::new("Idempotency-Key", reason));
        }
        _ => {}
    }
    issues
}

/// At most 30 characters in the ePayment and token APIs, 100 in Order Management.
pub fn system_headers(request: &Request, operation: Operation) -> Vec<Issue> {
    let limit = if matches!(operation, Operation::Receipt | Operation::Order) { 100 } else { 30 };
    ["Vipps-System-Name", "Vipps-System-Version", "Vipps-System-Plugin-Name", "Vipps-System-Plugin-Version"]
        .into_iter()
        .filter(|name| request.header(name).is_some_and(|value| value.chars().count() > limit))
        .map(|name| Issue::new(name, format!("The field {name} must be a string with a maximum length of {limit}.")))
        .collect()
}

/// Bodies must be declared as JSON; parameters such as a charset are fine.
pub fn is_json(request: &Request) -> bool {
    let declared = request.header("content-type").unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

pub fn unsupported_media_type(shape: &Shape) -> Answer {
    shape.plain(415, "Unsupported Media Type", "The Content-Type must be application/json.")
}
