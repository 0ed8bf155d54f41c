//! The ePayment API, version 1.8.1 of its OpenAPI document.

mod adjust;
mod approve;
mod create;
mod read;

pub use read::{capture_guaranteed_until, event_entry, sub};

use serde_json::{Value, json};

use crate::contract;
use crate::headers;
use crate::idempotency::{self, Found, Slot};
use crate::json;
use crate::ledger::{Money, Refusal};
use crate::problem::{self, Shape};
use crate::route::{Operation, Route};
use crate::sim::Sim;
use crate::switches::{Switch, Switches};
use crate::wire::{Answer, Outcome, Request};

/// One call under way: what its steps need to know of it.
struct Call<'a> {
    request: &'a Request,
    route: &'a Route,
    operation: Operation,
    msn: String,
    reference: String,
    instance: String,
    now: i64,
    switches: Switches,
}

impl Call<'_> {
    fn shape(&self) -> Shape {
        Shape::Problem { instance: self.instance.clone() }
    }

    fn refused(&self, code: u16, detail: &str) -> Answer {
        problem::domain(self.switches.status_of(code), code, detail, &self.instance)
    }

    fn refusal(&self, refusal: &Refusal) -> Answer {
        self.refused(refusal.code, &refusal.detail)
    }

    fn is_running(&self, sim: &Sim, slot: &Slot) -> bool {
        !self.switches.is(Switch::WhileRunning, "act") && sim.running.values().any(|running| running == slot)
    }

    fn unknown_reference(&self) -> Answer {
        self.refused(5090, "There is no payment with this reference for the sales unit.")
    }

    /// For the ledger of keys: absent where the operation has none, or the caller sent none.
    fn key(&self) -> Option<String> {
        key(self.request, self.operation)
    }
}

fn key(request: &Request, operation: Operation) -> Option<String> {
    let keyed = matches!(operation, Operation::Create | Operation::Capture | Operation::Cancel | Operation::Refund);
    if keyed { request.header("idempotency-key").filter(|key| !key.is_empty()) } else { None }
}

/// Under which the answer to a request is kept, where it has a key.
pub fn slot(sim: &Sim, request: &Request, route: &Route, reference: &str) -> Option<Slot> {
    let key = key(request, route.operation)?;
    Some(Slot::new(&sim.switches, &sim.credentials.msn, route.operation, reference, &key))
}

/// The gateway's checks, the rate limit, headers and path, the key, and then the operation itself.
pub fn handle(sim: &mut Sim, request: &Request, route: &Route, reference: &str) -> Outcome {
    let now = sim.clock.now();
    let instance = match route.operation {
        Operation::Create => "/v1/payments".to_owned(),
        _ => request.path.strip_prefix("/epayment").unwrap_or(&request.path).to_owned(),
    };
    let call = Call {
        request,
        route,
        operation: route.operation,
        msn: sim.credentials.msn.clone(),
        reference: reference.to_owned(),
        instance,
        now,
        switches: sim.switches.clone(),
    };
    match admitted(sim, &call) {
        Err(refusal) => Outcome::only(refusal),
        Ok(()) => keyed(sim, &call),
    }
}

fn admitted(sim: &mut Sim, call: &Call) -> Result<(), Answer> {
    headers::authenticate(sim, call.request, &call.shape())?;
    sim.limits.admit(&sim.switches, call.operation, &call.msn, &call.reference, call.now)?;
    let mut issues = contract::parameter_issues(call.operation, call.request, &call.route.parameters);
    let needs_key = call.operation == Operation::Cancel && call.switches.is(Switch::CancelKey, "required");
    if needs_key && call.key().is_none() {
        issues.push(contract::Issue::missing("Idempotency-Key"));
    }
    if issues.is_empty() { Ok(()) } else { Err(call.shape().validation(&issues)) }
}

/// A key that was seen before gets its first answer again; nothing is done twice.
fn keyed(sim: &mut Sim, call: &Call) -> Outcome {
    let Some(key) = call.key() else { return perform(sim, call) };
    let slot = Slot::new(&sim.switches, &call.msn, call.operation, &call.reference, &key);
    let value = json::parse(&call.request.body).ok().map(|parsed| parsed.value);
    let meaning = idempotency::meaning(call.operation, &call.reference, value.as_ref(), &call.request.body);
    match sim.replies.find(&slot, call.operation, &meaning, &sim.switches) {
        Found::Replay(answer) => Outcome::only(answer),
        Found::Conflict(code) => {
            Outcome::only(call.refused(code, "The idempotency key has been used for another request."))
        }
        Found::Nothing if call.is_running(sim, &slot) => {
            let status = sim.switches.number(Switch::WhileRunning);
            let detail = "The first request with this key is still being worked on. Try again later.";
            Outcome::only(problem::domain(status, 6160, detail, &call.instance))
        }
        Found::Nothing => {
            let outcome = perform(sim, call);
            if !adjust::may_be_retried(&sim.switches, &outcome.answer) {
                sim.replies.keep(slot, meaning, &outcome.answer, &sim.switches);
            }
            outcome
        }
    }
}

fn perform(sim: &mut Sim, call: &Call) -> Outcome {
    let result = match call.operation {
        Operation::Create => create::create(sim, call).map(Outcome::acted),
        Operation::Get => read::payment(sim, call).map(Outcome::only),
        Operation::Events => read::events(sim, call).map(Outcome::only),
        Operation::Approve => approve::force(sim, call).map(Outcome::acted),
        _ => adjust::adjust(sim, call).map(Outcome::acted),
    };
    result.unwrap_or_else(Outcome::only)
}

fn aggregate(money: Money, currency: &str, switches: &Switches) -> Value {
    let zeros = switches.is(Switch::ZeroTotals, "present");
    let totals = [
        ("authorizedAmount", money.authorized),
        ("cancelledAmount", money.cancelled),
        ("capturedAmount", money.captured),
        ("refundedAmount", money.refunded),
    ];
    let shown = totals.into_iter().filter(|(_, value)| zeros || *value != 0);
    Value::Object(shown.map(|(name, value)| (name.to_owned(), json!({"currency": currency, "value": value}))).collect())
}
