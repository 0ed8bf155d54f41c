//! The switches and their presets: how the servers read what the published sources leave open.

use serde_json::{Map, Value, json};

use super::input::Input;
use super::{Done, Refused};
use crate::presets::{PRESETS, Preset};
use crate::sim::Sim;
use crate::switches::{Switch, Switches};
use crate::wire::brief;

pub fn show(sim: &Sim) -> Value {
    let pair = |switch: &Switch| (switch.name().to_owned(), Value::from(sim.switches.get(*switch)));
    Value::Object(Switch::ALL.iter().map(pair).collect::<Map<_, _>>())
}

/// All or none: a mistake in one switch changes nothing. A preset comes first, so that single switches win over it.
pub fn change(sim: &mut Sim, input: &Input) -> Done {
    let wrong = |name: &str, reason: String| Refused::bad(format!("field \"{}\": {reason}", brief(name)));
    let mut changed = match input.text("preset")? {
        Some(name) => Switches::preset(name).map_err(|reason| wrong("preset", reason))?,
        None => sim.switches.clone(),
    };
    for (name, value) in input.fields().filter(|(name, _)| *name != "preset") {
        let value = value.as_str().ok_or_else(|| wrong(name, "must be a string".to_owned()))?;
        changed.set(name, value).map_err(|reason| wrong(name, reason))?;
    }
    sim.switches = changed;
    Ok(show(sim))
}

pub fn presets() -> Value {
    let describe = |preset: &Preset| {
        let switches = preset.switches.iter().map(|(switch, value)| (switch.name().to_owned(), Value::from(*value)));
        json!({"name": preset.name, "about": preset.about, "switches": switches.collect::<Map<_, _>>()})
    };
    PRESETS.iter().map(describe).collect()
}

/// For the list of switches in `--help`.
pub fn help() -> String {
    let mut out = String::new();
    for switch in Switch::ALL {
        out += &format!("  {:<30} {}\n", switch.name(), switch.values().join(" | "));
        for line in lines(switch.about(), 86) {
            out += &format!("{:34}{line}\n", "");
        }
    }
    out
}

/// Broken between words.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
