//! What a receiver must stand, on demand: duplicates, events out of order or late, signatures that do not fit.

use serde_json::{Value, json};

use crate::ledger::EventName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Once more after it has been taken.
    Duplicate,
    /// Comes so many milliseconds later, and the later events of its payment after it.
    Delay(i64),
    /// Lets the next event of its payment go first.
    Overtaken,
    WrongSecret,
    WrongHost,
}

impl Trick {
    pub const NAMES: [&'static str; 5] = ["duplicate", "delay", "overtaken", "wrong_secret", "wrong_host"];

    pub fn named(name: &str, ms: i64) -> Option<Trick> {
        match name {
            "duplicate" => Some(Trick::Duplicate),
            "delay" => Some(Trick::Delay(ms)),
            "overtaken" => Some(Trick::Overtaken),
            "wrong_secret" => Some(Trick::WrongSecret),
            "wrong_host" => Some(Trick::WrongHost),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Trick::Duplicate => "duplicate",
            Trick::Delay(_) => "delay",
            Trick::Overtaken => "overtaken",
            Trick::WrongSecret => "wrong_secret",
            Trick::WrongHost => "wrong_host",
        }
    }

    /// A wrong signature is a matter of one attempt; the rest of the whole delivery.
    pub fn is_of_attempt(self) -> bool {
        matches!(self, Trick::WrongSecret | Trick::WrongHost)
    }
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub trick: Trick,
    pub event: Option<EventName>,
    pub reference: Option<String>,
    /// How often it is played; 0 for ever.
    pub times: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Tricks {
    rules: Vec<(Rule, u64)>,
}

impl Tricks {
    pub fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.rules).len()
    }

    /// The oldest rule that fits is played.
    pub fn play(&mut self, of_attempt: bool, event: EventName, reference: &str) -> Option<Trick> {
        let fits = |rule: &Rule, played: u64| {
            rule.trick.is_of_attempt() == of_attempt
                && (rule.times == 0 || played < rule.times)
                && rule.event.is_none_or(|wanted| wanted == event)
                && rule.reference.as_deref().is_none_or(|wanted| wanted == reference)
        };
        let (rule, played) = self.rules.iter_mut().find(|(rule, played)| fits(rule, *played))?;
        *played += 1;
        Some(rule.trick)
    }

    pub fn list(&self) -> Value {
        let describe = |(rule, played): &(Rule, u64)| {
            let mut out = json!({
                "action": rule.trick.name(),
                "event": rule.event.map(EventName::name),
                "reference": rule.reference,
                "times": rule.times,
                "fired": played,
            });
            if let Trick::Delay(ms) = rule.trick {
                out["ms"] = Value::from(ms);
            }
            out
        };
        self.rules.iter().map(describe).collect()
    }
}
