//! Register, list, delete. Source: Webhooks OpenAPI v1.

use serde_json::{Value, json};

use super::target::Target;
use super::{REGISTRATIONS, Registration, Webhooks};
use crate::body;
use crate::contract::{self, Issue};
use crate::headers;
use crate::ledger::EventName;
use crate::problem::Shape;
use crate::route::{Operation, Route};
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Outcome, Request};

/// Else a payment could reset the servers that it is made on.
const OWN_PORT: &str = "The simulator delivers to others, not to its own ports.";

pub fn handle(sim: &mut Sim, request: &Request, route: &Route) -> Outcome {
    let shape = Shape::Problem { instance: request.path.strip_prefix("/webhooks").unwrap_or_default().to_owned() };
    let result = accept(sim, request, route, &shape).and_then(|msn| match route.operation {
        Operation::WebhookRegister => register(sim, request, msn, &shape).map(Outcome::acted),
        Operation::WebhookDelete => delete(&mut sim.webhooks, route, msn, &shape).map(Outcome::acted),
        _ => Ok(Outcome::only(list(&sim.webhooks, msn))),
    });
    result.unwrap_or_else(Outcome::only)
}

/// Gives the sales unit. Without one a call is for all units of the keys.
fn accept(sim: &Sim, request: &Request, route: &Route, shape: &Shape) -> Result<Option<String>, Answer> {
    headers::authenticate(sim, request, shape)?;
    let issues = contract::parameter_issues(route.operation, request, &route.parameters);
    if issues.is_empty() { Ok(request.header("merchant-serial-number")) } else { Err(shape.validation(&issues)) }
}

fn register(sim: &mut Sim, request: &Request, msn: Option<String>, shape: &Shape) -> Result<Answer, Answer> {
    let value = body::read(request, &sim.switches, Operation::WebhookRegister, "", shape)?.value;
    let url = value["url"].as_str().unwrap_or_default();
    let target = Target::parse(url).ok_or("The field Url is no valid http or https URL.");
    let strict = sim.switches.is(Switch::WebhookUrl, "strict");
    let target = target
        .and_then(|target| target.refusal(strict).map_or(Ok(target), Err))
        .and_then(|target| if target.is_one_of(&sim.ports) { Err(OWN_PORT) } else { Ok(target) })
        .map_err(|reason| shape.validation(&[Issue::new("url", reason)]))?;
    let events = events(&value["events"]).map_err(|reason| shape.validation(&[Issue::new("events", reason)]))?;
    let Some(new) = sim.webhooks.register(msn, url.to_owned(), target, events) else {
        let reason = format!("At most {REGISTRATIONS} webhooks can be registered for an event.");
        return Err(shape.validation(&[Issue::new("events", reason)]));
    };
    Ok(Answer::json(201, &json!({"id": new.id, "secret": new.secret})))
}

/// Each once, in the order in which they were asked for.
fn events(names: &Value) -> Result<Vec<EventName>, String> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        match EventName::of_webhook(name) {
            Some(event) if known.contains(&event) => {}
            Some(event) => known.push(event),
            None => unknown.push(name.chars().take(100).collect::<String>()),
        }
    }
    unknown.truncate(10);
    if unknown.is_empty() { Ok(known) } else { Err(format!("Unsupported values: {}.", unknown.join(", "))) }
}

fn visible(registration: &Registration, msn: &Option<String>) -> bool {
    msn.is_none() || registration.msn == *msn
}

fn list(webhooks: &Webhooks, msn: Option<String>) -> Answer {
    let show = |known: &Registration| {
        let events: Vec<String> = known.events.iter().map(|event| event.webhook()).collect();
        json!({"id": known.id, "url": known.url, "events": events})
    };
    let all = webhooks.registrations.iter().filter(|known| visible(known, &msn));
    Answer::json(200, &json!({"webhooks": all.map(show).collect::<Vec<_>>()}))
}

/// What an id that nobody has is answered is not published, and no other refusal than 400 is described.
fn delete(webhooks: &mut Webhooks, route: &Route, msn: Option<String>, shape: &Shape) -> Result<Answer, Answer> {
    let id = route.parameter("id").unwrap_or_default().to_ascii_lowercase();
    if !webhooks.find(&id).is_some_and(|known| visible(known, &msn)) {
        return Err(shape.validation(&[Issue::new("id", "There is no webhook with this id.")]));
    }
    webhooks.remove(&id);
    Ok(Answer::empty(204))
}
