//! A rule as it was written, and what it means.

use serde_json::{Map, Value};

use super::action::{Action, ConnectionAction};
use super::dice::{self, Draw};
use super::fields::{BadRule, Fields, bad};
use crate::route::Operation;
use crate::wire::brief;

#[derive(Clone, Debug, PartialEq)]
pub struct NewRule {
    /// Every field that was given, for the list.
    said: Map<String, Value>,
    pub name: &'static str,
    pub target: Target,
    pub nth: u64,
    /// 0 is for ever.
    pub times: u64,
    probability: f64,
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Request {
        /// `None` is `*`: any request to the servers.
        operation: Option<Operation>,
        reference: Option<String>,
        action: Action,
    },
    Connection(ConnectionAction),
}

/// What the list adds to a rule; it may be posted as it is.
const COUNTED: [&str; 3] = ["id", "seen", "fired"];
const COMMON: [&str; 9] =
    ["operation", "nth", "times", "probability", "seed", "action", COUNTED[0], COUNTED[1], COUNTED[2]];
const CONNECTION: &str = "connection";

impl NewRule {
    pub fn parse(value: &Value) -> Result<NewRule, BadRule> {
        let Some(map) = value.as_object() else { return bad("$", "a fault rule is a JSON object") };
        let fields = Fields(map);
        let Some(operation) = fields.text("operation")? else { return bad("operation", "is missing") };
        let wanted = Operation::named(operation);
        if wanted.is_none() && operation != "*" && operation != CONNECTION {
            let names = Operation::NAMED.map(Operation::name).join(", ");
            return bad("operation", format!("\"{}\" is none of {names}, *, {CONNECTION}", brief(operation)));
        }
        let Some(action) = fields.text("action")? else { return bad("action", "is missing") };
        let (name, target) = if operation == CONNECTION {
            let (name, action) = ConnectionAction::parse(action, &fields, &COMMON)?;
            (name, Target::Connection(action))
        } else {
            let (name, action) = Action::parse(action, &fields, &[COMMON.as_slice(), &["reference"]].concat())?;
            if wanted.is_some_and(|wanted| !action.concerns(wanted)) {
                let reason = match action {
                    Action::RevokeToken => format!("a request for {operation} carries no token"),
                    _ => "what is late is a create, capture, cancel or refund".to_owned(),
                };
                return bad("operation", reason);
            }
            let reference = fields.text("reference")?.map(str::to_owned);
            (name, Target::Request { operation: wanted, reference, action })
        };
        // A bad certificate or a limit is a state of the servers; what befalls a request is an event.
        let usually = u64::from(operation != CONNECTION);
        Ok(NewRule {
            said: map.clone(),
            name,
            target,
            nth: fields.number("nth", 1, u64::MAX)?.unwrap_or(1),
            times: fields.number("times", 0, u64::MAX)?.unwrap_or(usually),
            probability: fields.probability("probability")?,
            seed: fields.number("seed", 0, u64::MAX)?.unwrap_or(0),
        })
    }

    /// Whether chance lets it strike the so-manieth that it sees.
    pub fn strikes(&self, seen: u64) -> bool {
        dice::draw(self.seed, seen, Draw::Strikes) < self.probability
    }

    /// A rule about the servers' certificate wants TLS.
    pub fn possible(&self, tls: bool) -> Result<(), String> {
        match self.target {
            Target::Connection(ConnectionAction::Certificate(_)) if !tls => {
                Err("field \"action\": \"certificate\" needs a simulator with --tls".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub fn described(&self) -> Map<String, Value> {
        let mut out = self.said.clone();
        out.insert("nth".to_owned(), self.nth.into());
        out.insert("times".to_owned(), self.times.into());
        out
    }
}
