//! The control API under `/_sim/`: what a test says to the simulator, and what it asks it. No authentication.

mod assert;
mod clock;
mod faults;
mod input;
mod page;
mod recording;
mod snapshots;
mod switches;
mod view;
mod webhooks;

use serde_json::{Value, json};

use crate::contract;
use crate::ledger::{Refusal, State};
use crate::passenger::{BadCard, Rule, Whom};
use crate::recording::is_replayed;
use crate::request_log;
use crate::sim::Sim;
use crate::wire::{Answer, Request, brief};
use input::Input;
pub use switches::help as switch_help;

/// A refused wish: the status, and what was wrong with it.
struct Refused(u16, String);

impl Refused {
    fn bad(text: impl Into<String>) -> Refused {
        Refused(400, text.into())
    }
}

type Done = Result<Value, Refused>;

/// What is still to be done when the state has been seen.
pub type Work = Box<dyn FnOnce() -> Answer + Send>;

/// What may be so long that the servers must not wait until it is written; the state is settled.
pub fn long(sim: &Sim, request: &Request) -> Option<Work> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_sim/ledger") => {
            let archive = view::Archive::of(sim);
            Some(Box::new(move || Answer::json(200, &archive.ledger())))
        }
        ("GET", "/_sim/requests") => {
            let entries = sim.log.all();
            Some(Box::new(move || {
                let mut answer = Answer::empty(200);
                answer.content_type = Some("application/json".into());
                answer.body = request_log::written(&entries);
                answer
            }))
        }
        _ => None,
    }
}

pub fn handle(sim: &mut Sim, request: &Request) -> Answer {
    if !is_replayed(request) {
        return asked(sim, request);
    }
    let at = sim.clock.pin();
    let answer = asked(sim, request);
    sim.clock.unpin();
    if let Some(recording) = &sim.recording {
        recording.control(at, request, &answer, &sim.credentials);
    }
    answer
}

fn asked(sim: &mut Sim, request: &Request) -> Answer {
    sim.settle(sim.clock.now());
    if let Some(work) = long(sim, request) {
        return work();
    }
    if let Some(text) = request.path.strip_prefix("/_sim/openapi/").and_then(document) {
        return Answer::text(200, "application/json", text);
    }
    let answer = match (request.method.as_str(), request.path.as_str()) {
        (method, "/_sim/recording") => recording::answer(sim, method),
        ("POST", "/_sim/assert") => Input::read(&request.body).and_then(|input| assert::answer(sim, &input)),
        _ => answer(sim, request).map(|value| Answer::json(200, &value)),
    };
    answer.unwrap_or_else(|Refused(status, text)| Answer::json(status, &json!({"error": text})))
}

/// The text of one of the OpenAPI documents.
fn document(name: &str) -> Option<&'static str> {
    contract::DOCUMENTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// On the control port there are no servers.
pub fn not_here() -> Answer {
    Answer::json(404, &json!({"error": "this port has the control API, under /_sim/, and for people /phone"}))
}

fn answer(sim: &mut Sim, request: &Request) -> Done {
    let segments: Vec<&str> = request.path.split('/').skip(2).collect();
    let body = &request.body;
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["health"]) => Ok(view::health(sim)),
        ("GET", ["ledger", reference]) => {
            view::one(sim, reference).ok_or_else(|| Refused(404, format!("no payment \"{}\"", brief(reference))))
        }
        ("GET", ["openapi"]) => Ok(contract::DOCUMENTS.iter().map(|(name, _)| Value::from(*name)).collect()),
        ("GET", ["requests", n]) => {
            sim.log.one(n).ok_or_else(|| Refused(404, format!("no request \"{}\" is kept", brief(n))))
        }
        ("GET", ["page"]) => Ok(page::view(sim)),
        ("POST", ["passenger"]) => passenger(sim, &Input::read(body)?),
        ("POST", ["check-in"]) => check_in(sim, &Input::read(body)?),
        ("POST", ["payments", reference, wish]) => payment(sim, reference, wish, body),
        ("GET", ["clock"]) => Ok(view::clock(sim)),
        ("POST", ["clock"]) => clock::change(sim, &Input::read(body)?),
        ("GET", ["switches"]) => Ok(switches::show(sim)),
        ("POST", ["switches"]) => switches::change(sim, &Input::read(body)?),
        ("GET", ["presets"]) => Ok(switches::presets()),
        ("GET", ["late"]) => Ok(sim.late.list()),
        ("GET", ["faults"]) => Ok(sim.faults.list()),
        ("GET", ["faults", "unfired"]) => Ok(sim.faults.unfired()),
        ("GET", ["faults", id]) => faults::one(sim, id),
        ("POST", ["faults"]) => faults::add(sim, body),
        ("DELETE", ["faults"]) => Ok(json!({"cleared": sim.faults.clear(None)})),
        ("DELETE", ["faults", id]) => faults::clear(sim, id),
        (method, ["webhooks", rest @ ..]) => webhooks::answer(sim, method, rest, body),
        ("POST", ["tokens", "revoke"]) => Ok(json!({"revoked": sim.tokens.revoke_all()})),
        ("POST", ["credentials"]) => credentials(sim, &Input::read(body)?),
        ("GET", ["snapshots"]) => Ok(snapshots::list(sim)),
        ("POST", ["snapshots", name]) => snapshots::save(sim, name),
        ("POST", ["snapshots", name, "restore"]) => snapshots::restore(sim, name),
        ("DELETE", ["snapshots", name]) => snapshots::delete(sim, name),
        ("POST", ["reset"]) => {
            sim.reset();
            Ok(json!({"ok": true}))
        }
        (method, _) => {
            let path = brief(&request.path);
            Err(Refused(404, format!("the control API has no {} {path}", brief(method))))
        }
    }
}

fn passenger(sim: &mut Sim, input: &Input) -> Done {
    input.only(&["rule", "phone", "reference"])?;
    let rule = Rule::parse(input.text("rule")?.ok_or_else(|| Refused::bad("field \"rule\": is missing"))?)
        .map_err(|reason| Refused::bad(format!("field \"rule\": {reason}")))?;
    let whom = match (input.text("phone")?, input.text("reference")?) {
        (None, None) => Whom::Everybody,
        (Some(phone), None) => Whom::Phone(phone.to_owned()),
        (None, Some(reference)) => Whom::Reference(reference.to_owned()),
        (Some(_), Some(_)) => return Err(Refused::bad("field \"phone\": give either phone or reference, not both")),
    };
    sim.passengers.set(whom.clone(), rule);
    let now = sim.clock.now();
    sim.ledger.apply_rules(&sim.passengers, &whom, now);
    Ok(json!({"ok": true}))
}

/// A passenger scans the merchant's QR code; the servers would send the token by webhook.
fn check_in(sim: &mut Sim, input: &Input) -> Done {
    input.only(&["phone"])?;
    let phone = input.text("phone")?.ok_or_else(|| Refused::bad("field \"phone\": is missing"))?;
    if !(9..=15).contains(&phone.len()) || !phone.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::bad("field \"phone\": must be 9 to 15 digits"));
    }
    Ok(json!({"customerToken": sim.passengers.check_in(phone)}))
}

/// Approve and decline are the passenger's; capture, cancel and refund those of the merchant's portal, whose events have
/// no idempotency key, or one of the portal's own; release and fail-captures those of the customer's bank.
fn payment(sim: &mut Sim, reference: &str, wish: &str, body: &[u8]) -> Done {
    if !["approve", "decline", "capture", "cancel", "refund", "release", "fail-captures"].contains(&wish) {
        return Err(Refused(404, format!("nothing called \"{}\" can be done to a payment", brief(wish))));
    }
    let input = Input::read_or_empty(body)?;
    input.only(match wish {
        "approve" => &["takes_ms", "fails"],
        "decline" | "release" => &[],
        "fail-captures" => &["times"],
        _ => &["amount", "idempotency_key"],
    })?;
    let amount = input.positive("amount")?;
    let key = input.text("idempotency_key")?.map(str::to_owned);
    if key.as_ref().is_some_and(|key| !(1..=50).contains(&key.chars().count())) {
        return Err(Refused::bad("field \"idempotency_key\": must have 1 to 50 characters"));
    }
    let times = input.positive_or_zero("times")?.unwrap_or(1);
    let takes_ms = input.positive_or_zero("takes_ms")?.unwrap_or(0);
    let fails = input.text("fails")?.map(|name| BadCard::named(name).ok_or_else(not_a_failure)).transpose()?;
    let now = sim.clock.now();
    let msn = sim.credentials.msn.clone();
    let payment = (sim.ledger.get_mut(&msn, reference))
        .ok_or_else(|| Refused(404, format!("no payment \"{}\"", brief(reference))))?;
    let needed = || amount.ok_or_else(|| Refused::bad("field \"amount\": is missing"));
    let done = match wish {
        "approve" => payment.begin_approval(fails, takes_ms, now),
        "decline" => payment.decline(now),
        "release" => payment.release(now),
        "fail-captures" => {
            payment.failing_captures = times;
            Ok(())
        }
        "capture" => payment.capture(needed()?, key, now, 6170, true),
        "refund" => payment.refund(needed()?, key, now, true),
        _ => {
            let left = if payment.state == State::Created { payment.amount } else { payment.remaining() };
            if amount.is_some_and(|amount| amount != left) {
                return Err(Refused::bad(format!("field \"amount\": a cancel releases all that is left, {left}")));
            }
            payment.cancel(false, key, now, 6050)
        }
    };
    match done {
        Ok(()) => view::one(sim, reference).ok_or_else(|| Refused(404, "the payment is gone".to_owned())),
        Err(Refusal { code, detail }) => Err(Refused(409, format!("{code}: {detail}"))),
    }
}

fn not_a_failure() -> Refused {
    Refused::bad(format!("field \"fails\": is none of {}", BadCard::ALL.map(BadCard::name).join(", ")))
}

/// Which keys are taken from now on; tokens that are out stay valid, as with a rotation of keys.
fn credentials(sim: &mut Sim, input: &Input) -> Done {
    input.only(&["client_id", "client_secret", "subscription_key", "msn"])?;
    let mut changed = sim.credentials.clone();
    let fields = [
        ("client_id", &mut changed.client_id),
        ("client_secret", &mut changed.client_secret),
        ("subscription_key", &mut changed.subscription_key),
        ("msn", &mut changed.msn),
    ];
    let mut names = Vec::new();
    for (name, slot) in fields {
        if let Some(value) = input.text(name)? {
            slot.replace_range(.., value);
            names.push(name);
        }
    }
    if !crate::headers::is_merchant_serial_number(&changed.msn) {
        return Err(Refused::bad("field \"msn\": must be 4 to 10 digits"));
    }
    sim.credentials = changed;
    Ok(json!({"changed": names}))
}
