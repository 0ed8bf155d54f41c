//! One request from its bytes to its answer: the log, the fault rules, the operation.

use hyper::HeaderMap;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::contract;
use crate::epayment;
use crate::faults::{Action, Fault, FixedAnswer, Instead, Stage};
use crate::foreign;
use crate::json;
use crate::landing;
use crate::late::Postponed;
use crate::order_management;
use crate::problem;
use crate::route::{self, Operation, Route};
use crate::say::{self, say};
use crate::settings::CheckAnswers;
use crate::sim::Sim;
use crate::switches::Switch;
use crate::token;
use crate::webhooks;
use crate::wire::{Answer, Outcome, Request};

/// A request that has been noted, and the fault that it met.
#[derive(Clone, Debug)]
pub struct Noted {
    pub n: u64,
    pub route: Route,
    pub reference: Option<String>,
    pub fault: Option<Fault>,
    epoch: u64,
}

impl Noted {
    /// A restore or a reset came since: the servers of which this was asked are no more.
    pub fn is_stale(&self, sim: &Sim) -> bool {
        self.epoch != sim.epoch
    }
}

/// With the head alone: is the connection to be reset at once?
pub fn on_head(sim: &mut Sim, method: &str, path: &str, headers: &HeaderMap, connection: u64) -> Option<Noted> {
    let route = route::route(method, path);
    let reference = route.reference.clone();
    let fault = sim.faults.strike(route.operation, reference.as_deref(), Stage::Head)?;
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: headers.clone(),
        body: Vec::new(),
        connection,
    };
    Some(note(sim, &request, route, reference, Some(fault)))
}

pub fn on_whole(sim: &mut Sim, request: &Request) -> Noted {
    let route = route::route(&request.method, &request.path);
    let reference = match route.operation {
        Operation::Create => text_in_body(&request.body, "reference"),
        Operation::AddCategory => text_in_body(&request.body, "orderId"),
        Operation::FindCategories => request.parameter("orderId"),
        operation if operation.is_page() => {
            let token = request.parameter("token");
            token.and_then(|token| Some(sim.ledger.opened_by(&token)?.reference.clone()))
        }
        _ => route.reference.clone(),
    };
    let fault = sim.faults.strike(route.operation, reference.as_deref(), Stage::Whole);
    note(sim, request, route, reference, fault)
}

/// A request that the rules do not see, because it is refused before they could strike.
pub fn unstruck(sim: &mut Sim, request: &Request) -> Noted {
    let route = route::route(&request.method, &request.path);
    let reference = route.reference.clone();
    note(sim, request, route, reference, None)
}

/// The same request once more, unseen by the rules: something on its way has repeated it.
pub fn on_whole_again(sim: &mut Sim, request: &Request, noted: &Noted) -> Noted {
    note(sim, request, noted.route.clone(), noted.reference.clone(), noted.fault.clone())
}

pub fn revoke_token(sim: &mut Sim, request: &Request) {
    let authorization = request.header("authorization").unwrap_or_default();
    sim.tokens.revoke(authorization.strip_prefix("Bearer ").unwrap_or_default());
}

fn note(sim: &mut Sim, request: &Request, route: Route, reference: Option<String>, fault: Option<Fault>) -> Noted {
    let now = sim.clock.now();
    let delayed = matches!(&fault, Some(Fault { action: Action::ActLate(_), .. }));
    let n = sim.log.begin(request, route.operation, reference.as_deref(), now);
    if let Some(fault) = &fault {
        sim.log.fault(n, fault.name);
    }
    if let Some(recording) = &sim.recording {
        recording.note(n, request, fault.as_ref().map(|fault| fault.name), &sim.credentials);
    }
    if delayed {
        if let Some(slot) = epayment::slot(sim, request, &route, reference.as_deref().unwrap_or_default()) {
            sim.running.insert(n, slot);
        }
    }
    Noted { n, route, reference, fault, epoch: sim.epoch }
}

/// A number counts by its digits, as it does where the servers take it for a text (switch `json-numbers`).
fn text_in_body(body: &[u8], name: &str) -> Option<String> {
    match &json::parse(body).ok()?.value[name] {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// What has become of a request that the servers have looked at.
pub enum Done {
    Now(Answer),
    /// It is taken, and carried out later.
    Later(UnboundedReceiver<Answer>),
}

/// The operation itself, at once or later. Who may call, how often, and what a known key is answered is decided at
/// once in either case: the gateway and the store of keys stand before what is slow.
pub fn begin(sim: &mut Sim, request: &Request, noted: &Noted) -> Done {
    let Some(ms) = lateness(sim, noted) else { return Done::Now(act(sim, request, noted)) };
    let at = sim.clock.pin();
    sim.settle(at);
    sim.running.remove(&noted.n);
    let done = match epayment::arrive(sim, request, noted) {
        Err(answer) => Done::Now(finished(sim, noted, Outcome::only(answer), at)),
        Ok(slot) => {
            if let Some(slot) = slot {
                sim.running.insert(noted.n, slot);
            }
            Done::Later(sim.late.add(at.saturating_add(ms), request, noted))
        }
    };
    sim.clock.unpin();
    done
}

/// How many of the simulator's milliseconds after it came a request is carried out, if not at once.
fn lateness(sim: &Sim, noted: &Noted) -> Option<i64> {
    match &noted.fault {
        Some(Fault { action: Action::Late { wait, .. }, .. }) => i64::try_from(wait.ms).ok(),
        _ if noted.route.operation.is_write() => sim.switches.late_ms(),
        _ => None,
    }
}

/// What was postponed, in the moment for which it was.
pub fn carry_out(sim: &mut Sim, postponed: Postponed, due: i64) {
    let Postponed { request, noted, waiting } = postponed;
    let shown = sim.clock.set_pin(Some(due));
    sim.running.remove(&noted.n);
    let outcome = epayment::carry_out(sim, &request, &noted);
    let answer = finished(sim, &noted, outcome, due);
    sim.clock.set_pin(shown);
    // Perhaps nobody waits any more.
    let _ = waiting.send(answer);
}

/// Must it wait for an earlier request with its key?
pub fn must_wait(sim: &Sim, request: &Request, noted: &Noted) -> bool {
    !noted.is_stale(sim) && epayment::must_wait(sim, request, noted)
}

/// The operation itself.
pub fn act(sim: &mut Sim, request: &Request, noted: &Noted) -> Answer {
    let at = sim.clock.pin();
    sim.settle(at);
    sim.running.remove(&noted.n);
    let outcome = perform(sim, request, noted);
    let answer = finished(sim, noted, outcome, at);
    sim.clock.unpin();
    answer
}

fn perform(sim: &mut Sim, request: &Request, noted: &Noted) -> Outcome {
    match noted.route.operation {
        Operation::Unknown if request.path == "/" => Outcome::only(problem::nothing_at_the_root()),
        Operation::Unknown => Outcome::only(problem::no_such_resource()),
        Operation::Token => token::issue(sim, request),
        operation if operation.is_page() => landing::handle(sim, request, operation),
        operation if operation.is_order_management() => order_management::handle(sim, request, &noted.route),
        Operation::WebhookRegister | Operation::WebhookList | Operation::WebhookDelete => {
            webhooks::handle(sim, request, &noted.route)
        }
        _ => epayment::handle(sim, request, noted),
    }
}

/// As it leaves the servers, with what is to be noted of it.
fn finished(sim: &mut Sim, noted: &Noted, Outcome { answer, acted }: Outcome, at: i64) -> Answer {
    if acted {
        sim.log.acted(noted.n);
    }
    let answer = match sim.switches.is(Switch::ProblemForm, "knowledge-base") {
        true => problem::as_in_knowledge_base(answer),
        false => answer,
    };
    check(sim, noted.route.operation, &answer);
    if let Some(recording) = &sim.recording {
        recording.done(noted.n, at, &answer);
    }
    answer
}

/// What the servers answer of their own accord must be what the documents promise.
fn check(sim: &mut Sim, operation: Operation, answer: &Answer) {
    if sim.settings.check_answers == CheckAnswers::Off {
        return;
    }
    let Err(reason) = contract::check_answer(operation, answer) else { return };
    say(format!("vp-simulator: an answer is not as described: {reason}"));
    if sim.settings.check_answers == CheckAnswers::Crash {
        say::last_words();
        // A panic would only end a task, and a test that expects no answer would not see it.
        std::process::abort();
    }
    sim.answers_not_as_described += 1;
}

/// What a fault rule puts in the place of the answer.
pub fn instead(answer: &Instead) -> Answer {
    match answer {
        Instead::Fixed(answer) => fixed(answer),
        Instead::Garbage(content_type) => garbage(content_type),
        Instead::Foreign { status, page } => foreign::page(*status, *page),
    }
}

fn fixed(fixed: &FixedAnswer) -> Answer {
    let mut answer = match &fixed.body {
        None => problem::stock(fixed.status),
        Some(serde_json::Value::String(text)) => {
            let mut answer = Answer::empty(fixed.status);
            answer.body = text.clone().into_bytes();
            answer.content_type = Some("text/plain; charset=utf-8".into());
            answer
        }
        Some(json) => Answer::typed(fixed.status, "application/problem+json", json),
    };
    if let Some(content_type) = &fixed.content_type {
        answer.content_type = Some(content_type.clone().into());
    }
    answer.headers.extend(fixed.headers.iter().cloned());
    answer
}

fn garbage(content_type: &str) -> Answer {
    let mut answer = Answer::empty(200);
    answer.content_type = Some(content_type.to_owned().into());
    answer.body = b"<html><body>Request blocked. \xff\xfe{\"state\":</body>".to_vec();
    answer
}
