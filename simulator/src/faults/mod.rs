//! What goes wrong, by rule: which request or connection, and what happens to it.

mod action;
mod dice;
mod fields;
pub mod file;
mod rule;

use serde_json::Value;

pub use action::{Action, ConnectionAction, FixedAnswer, Heard, Instead, WrongDate, garble};
pub use rule::NewRule;

use crate::route::Operation;
use rule::Target;

/// A rule has struck: what it is called, and what happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub name: &'static str,
    pub action: Action,
}

/// The same for a connection; `rule` tells whether the rule is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionFault {
    pub rule: u64,
    pub name: &'static str,
    pub action: ConnectionAction,
}

#[derive(Clone, Debug)]
struct Armed {
    id: u64,
    rule: NewRule,
    seen: u64,
    fired: u64,
}

impl Armed {
    /// Counts what fits, and says whether it is this rule's turn.
    fn sees(&mut self) -> bool {
        self.seen += 1;
        let rule = &self.rule;
        self.seen >= rule.nth && (rule.times == 0 || self.fired < rule.times) && rule.strikes(self.seen)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Vec<Armed>,
    last_id: u64,
}

/// A request is shown to the rules twice: when its head is there, and when its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Head,
    Whole,
}

impl Faults {
    pub fn add(&mut self, rule: NewRule) -> u64 {
        self.last_id += 1;
        self.rules.push(Armed { id: self.last_id, rule, seen: 0, fired: 0 });
        self.last_id
    }

    /// One rule, or all; how many there were.
    pub fn clear(&mut self, id: Option<u64>) -> usize {
        let before = self.rules.len();
        self.rules.retain(|armed| id.is_some_and(|id| armed.id != id));
        before - self.rules.len()
    }

    pub fn is_armed(&self, id: u64) -> bool {
        self.rules.iter().any(|armed| armed.id == id)
    }

    /// The oldest rule that is due fires; the others count the request all the same.
    ///
    /// Only `refuse` acts on the head, and not where it waits for a reference that the body carries.
    pub fn strike(&mut self, operation: Operation, reference: Option<&str>, stage: Stage) -> Option<Fault> {
        let mut struck = None;
        for armed in &mut self.rules {
            let Target::Request { operation: wanted, reference: whose, action } = &armed.rule.target else { continue };
            let needs_body = operation == Operation::Create && whose.is_some();
            let its_stage = if *action == Action::Refuse && !needs_body { Stage::Head } else { Stage::Whole };
            let fits = wanted.is_none_or(|wanted| wanted == operation)
                && whose.as_deref().is_none_or(|whose| reference == Some(whose))
                && action.concerns(operation);
            if its_stage != stage || !fits {
                continue;
            }
            if armed.sees() && struck.is_none() {
                armed.fired += 1;
                struck = Some(armed);
            }
        }
        let Armed { rule, seen, .. } = struck?;
        match &rule.target {
            Target::Request { action, .. } => Some(Fault { name: rule.name, action: action.drawn(rule.seed, *seen) }),
            Target::Connection(_) => None,
        }
    }

    /// The same for a new connection, which comes while so many others are open.
    pub fn strike_connection(&mut self, open: usize) -> Option<ConnectionFault> {
        let mut struck = None;
        for armed in &mut self.rules {
            let Target::Connection(action) = armed.rule.target else { continue };
            if armed.sees() && struck.is_none() && action.concerns(open) {
                armed.fired += 1;
                struck = Some(ConnectionFault { rule: armed.id, name: armed.rule.name, action });
            }
        }
        struck
    }

    pub fn list(&self) -> Value {
        self.rules.iter().map(describe).collect()
    }

    /// What a test asks at its end: which of my faults never happened?
    pub fn unfired(&self) -> Value {
        self.rules.iter().filter(|armed| armed.fired == 0).map(describe).collect()
    }

    pub fn one(&self, id: u64) -> Option<Value> {
        self.rules.iter().find(|armed| armed.id == id).map(describe)
    }
}

/// What was said, and what became of it; it may be posted again.
fn describe(armed: &Armed) -> Value {
    let mut out = armed.rule.described();
    for (name, number) in [("id", armed.id), ("seen", armed.seen), ("fired", armed.fired)] {
        out.insert(name.to_owned(), number.into());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests;
