//! The ePayment API, version 1.8.1 of its OpenAPI document.

mod adjust;
mod approve;
mod create;
mod read;

pub use read::{capture_guaranteed_until, event_entry, sub};

use serde_json::{Value, json};

use crate::contract;
use crate::exchange::Noted;
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
    n: u64,
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

    /// What a repeat is told while an earlier request of its key is being carried out; `None` where it is not refused.
    fn while_running(&self) -> Option<Answer> {
        let detail = "The first request with this key is still being worked on. Try again later.";
        let (status, code) = match self.switches.get(Switch::WhileRunning) {
            "act" | "wait" => return None,
            "409-plain" => return Some(self.shape().plain(409, "Conflict", detail)),
            "423" => (423, 6160),
            "409-4010" => (409, 4010),
            "409-4020" => (409, 4020),
            "409-4150" => (409, 4150),
            "400-6250" => (400, 6250),
            _ => (409, 6160),
        };
        Some(problem::domain(status, code, detail, &self.instance))
    }

    fn unknown_reference(&self) -> Answer {
        self.refused(5090, "There is no payment with this reference for the sales unit.")
    }

    /// For the ledger of keys: absent where the operation has none, or the caller sent none.
    fn key(&self) -> Option<String> {
        key(self.request, self.operation)
    }

    /// Under which the answer is kept, and what was asked.
    fn keyed(&self) -> Option<(Slot, String)> {
        let slot = Slot::new(&self.switches, &self.msn, self.operation, &self.reference, &self.key()?);
        let value = json::parse(&self.request.body).ok().map(|parsed| parsed.value);
        let meaning = idempotency::meaning(self.operation, &self.reference, value.as_ref(), &self.request.body);
        Some((slot, meaning))
    }
}

fn key(request: &Request, operation: Operation) -> Option<String> {
    if operation.is_write() { request.header("idempotency-key").filter(|key| !key.is_empty()) } else { None }
}

/// Under which the answer to a request is kept, where it has a key.
pub fn slot(sim: &Sim, request: &Request, route: &Route, reference: &str) -> Option<Slot> {
    let key = key(request, route.operation)?;
    Some(Slot::new(&sim.switches, &sim.credentials.msn, route.operation, reference, &key))
}

/// Has an earlier request of the same key begun and not acted?
fn is_running(sim: &Sim, slot: &Slot, n: u64) -> bool {
    sim.running.iter().any(|(earlier, running)| *earlier < n && running == slot)
}

/// Must it wait for an earlier request of its key? Only a switch lets it.
pub fn must_wait(sim: &Sim, request: &Request, noted: &Noted) -> bool {
    let reference = noted.reference.as_deref().unwrap_or_default();
    sim.switches.is(Switch::WhileRunning, "wait")
        && slot(sim, request, &noted.route, reference).is_some_and(|slot| is_running(sim, &slot, noted.n))
}

fn call<'a>(sim: &Sim, request: &'a Request, noted: &'a Noted) -> Call<'a> {
    let route = &noted.route;
    let instance = match route.operation {
        Operation::Create => "/v1/payments".to_owned(),
        _ => request.path.strip_prefix("/epayment").unwrap_or(&request.path).to_owned(),
    };
    Call {
        n: noted.n,
        request,
        route,
        operation: route.operation,
        msn: sim.credentials.msn.clone(),
        reference: noted.reference.clone().unwrap_or_default(),
        instance,
        now: sim.clock.now(),
        switches: sim.switches.clone(),
    }
}

/// The gateway's checks, the rate limit, headers and path, the key, and then the operation itself.
pub fn handle(sim: &mut Sim, request: &Request, noted: &Noted) -> Outcome {
    let call = call(sim, request, noted);
    match answered(sim, &call) {
        Err(answer) => Outcome::only(answer),
        Ok(()) => kept(sim, &call),
    }
}

/// All of that but the operation itself, which follows by [`carry_out`]. Gives the place of its key, or what it is
/// answered at once.
pub fn arrive(sim: &mut Sim, request: &Request, noted: &Noted) -> Result<Option<Slot>, Answer> {
    let call = call(sim, request, noted);
    answered(sim, &call)?;
    Ok(call.keyed().map(|(slot, _)| slot))
}

/// A request that has arrived before. Another one of its key may have been done meanwhile.
pub fn carry_out(sim: &mut Sim, request: &Request, noted: &Noted) -> Outcome {
    let call = call(sim, request, noted);
    match known(sim, &call, true) {
        Err(answer) => Outcome::only(answer),
        Ok(()) => kept(sim, &call),
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

/// `Err` is what is said without doing anything.
fn answered(sim: &mut Sim, call: &Call) -> Result<(), Answer> {
    admitted(sim, call)?;
    known(sim, call, false)?;
    let Some((slot, meaning)) = call.keyed().filter(|(slot, _)| is_running(sim, slot, call.n)) else { return Ok(()) };
    let Some(answer) = call.while_running() else { return Ok(()) };
    sim.replies.keep_meanwhile(slot, meaning, &answer, &sim.switches);
    Err(answer)
}

/// A key that was seen before gets its first answer again; nothing is done twice. A `late` request is not stopped by
/// what others were told while it was being carried out.
fn known(sim: &Sim, call: &Call, late: bool) -> Result<(), Answer> {
    let Some((slot, meaning)) = call.keyed() else { return Ok(()) };
    match sim.replies.find(&slot, call.operation, &meaning, &sim.switches, late) {
        Found::Replay(answer) => Err(answer),
        Found::Conflict(code) => Err(call.refused(code, "The idempotency key has been used for another request.")),
        Found::Nothing => Ok(()),
    }
}

/// The operation, and its answer kept for its key.
fn kept(sim: &mut Sim, call: &Call) -> Outcome {
    let outcome = perform(sim, call);
    if let Some((slot, meaning)) = call.keyed() {
        if !adjust::may_be_retried(&sim.switches, &outcome.answer) {
            sim.replies.keep(slot, meaning, &outcome.answer, &sim.switches);
        }
    }
    outcome
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
