//! `/_sim/webhooks`: who is told of what, how each delivery went, and the tricks that are played on receivers.

use serde_json::json;

use super::input::Input;
use super::{Done, Refused};
use crate::ledger::EventName;
use crate::sim::Sim;
use crate::webhooks::{Rule, Trick};
use crate::wire::brief;

pub fn answer(sim: &mut Sim, method: &str, path: &[&str], body: &[u8]) -> Done {
    match (method, path) {
        ("GET", []) => Ok(sim.webhooks.view()),
        ("POST", ["rules"]) => add(sim, &Input::read(body)?),
        ("DELETE", ["rules"]) => Ok(json!({"cleared": sim.webhooks.tricks.clear()})),
        ("POST", ["deliveries", n, "repeat"]) => repeat(sim, n),
        _ => {
            let path = brief(&path.join("/"));
            Err(Refused(404, format!("the control API has no {} webhooks/{path}", brief(method))))
        }
    }
}

fn add(sim: &mut Sim, input: &Input) -> Done {
    input.only(&["action", "event", "reference", "times", "ms"])?;
    let action = input.text("action")?.ok_or_else(|| Refused::bad("field \"action\": is missing"))?;
    let ms = input.positive("ms")?;
    let trick = Trick::named(action, ms.unwrap_or_default())
        .ok_or_else(|| Refused::bad(format!("field \"action\": must be one of {}", Trick::NAMES.join(", "))))?;
    match (trick, ms) {
        (Trick::Delay(_), None) => return Err(Refused::bad("field \"ms\": is missing")),
        (Trick::Delay(_), _) | (_, None) => {}
        (_, Some(_)) => return Err(Refused::bad("field \"ms\": is for the action delay alone")),
    }
    let event = match input.text("event")? {
        None => None,
        Some(name) => Some(EventName::named(name).ok_or_else(|| {
            let known = EventName::ALL.map(EventName::name).join(", ");
            Refused::bad(format!("field \"event\": must be one of {known}"))
        })?),
    };
    let times = input.positive_or_zero("times")?.unwrap_or(1).unsigned_abs();
    sim.webhooks.tricks.add(Rule { trick, event, reference: input.text("reference")?.map(str::to_owned), times });
    Ok(json!({"ok": true}))
}

fn repeat(sim: &mut Sim, n: &str) -> Done {
    let now = sim.clock.now();
    let again = n.parse().ok().and_then(|n| sim.webhooks.repeat(n, now));
    match again {
        Some(n) => Ok(json!({"n": n})),
        None => Err(Refused(404, format!("no delivery \"{}\", or its registration is gone", brief(n)))),
    }
}
