//! Saving and restoring the whole state by name.

use serde_json::{Value, json};

use super::{Done, Refused};
use crate::sim::Sim;
use crate::wire::brief;

pub fn list(sim: &Sim) -> Value {
    sim.snapshots.names().map(|(name, saved)| describe(name, saved)).collect()
}

fn describe(name: &str, saved: &Sim) -> Value {
    json!({"name": name, "now": saved.clock.now(), "payments": saved.ledger.all().len()})
}

pub fn save(sim: &mut Sim, name: &str) -> Done {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(Refused::bad("the name of a snapshot has 1 to 64 letters, digits, dots, dashes and underscores"));
    }
    match sim.save(name) {
        true => Ok(describe(name, sim)),
        false => Err(Refused(409, "there are too many snapshots; delete some".to_owned())),
    }
}

pub fn restore(sim: &mut Sim, name: &str) -> Done {
    if sim.restore(name) { Ok(describe(name, sim)) } else { Err(unknown(name)) }
}

pub fn delete(sim: &mut Sim, name: &str) -> Done {
    if sim.snapshots.remove(name) { Ok(json!({"ok": true})) } else { Err(unknown(name)) }
}

fn unknown(name: &str) -> Refused {
    Refused(404, format!("no snapshot \"{}\"", brief(name)))
}
