//! Fault rules: listed, added, cleared.

use serde_json::{Value, json};

use super::{Done, Refused, input};
use crate::faults::NewRule;
use crate::sim::Sim;
use crate::wire::brief;

pub fn one(sim: &Sim, id: &str) -> Done {
    id.parse().ok().and_then(|number| sim.faults.one(number)).ok_or_else(|| none(id))
}

/// One rule or a list; all or none.
pub fn add(sim: &mut Sim, body: &[u8]) -> Done {
    let list = match input::json(body)? {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mut rules = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let rule = NewRule::parse(item).map_err(|bad| bad.to_string());
        let rule = rule.and_then(|rule| rule.possible(sim.settings.tls).map(|()| rule));
        rules.push(rule.map_err(|reason| Refused::bad(format!("rule {}: {reason}", index + 1)))?);
    }
    let ids: Vec<u64> = rules.into_iter().map(|rule| sim.faults.add(rule)).collect();
    Ok(json!({"ids": ids}))
}

pub fn clear(sim: &mut Sim, id: &str) -> Done {
    match id.parse().map_or(0, |number| sim.faults.clear(Some(number))) {
        0 => Err(none(id)),
        cleared => Ok(json!({"cleared": cleared})),
    }
}

fn none(id: &str) -> Refused {
    Refused(404, format!("no fault rule \"{}\"", brief(id)))
}
