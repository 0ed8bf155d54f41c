//! What goes wrong, by rule: which request, and what happens to it.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::route::Operation;

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Reset as soon as the head is read; the body is not waited for.
    Refuse,
    ResetBefore,
    ResetAfter,
    /// Never answered: held until the client goes, or for so many milliseconds.
    StallBefore(Option<u64>),
    StallAfter(Option<u64>),
    CloseAfter,
    Status(FixedAnswer),
    TruncateAfter,
    GarbageBefore {
        content_type: String,
    },
    GarbageAfter {
        content_type: String,
    },
    /// One byte, then a pause of so many milliseconds, and so on.
    SlowAfter(u64),
    /// Late in acting and therefore late in answering.
    Delay(u64),
    /// Acts at once and answers late.
    DelayAfter(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FixedAnswer {
    pub status: u16,
    pub body: Option<Value>,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
    pub act: bool,
}

const ACTIONS: [&str; 13] = [
    "refuse",
    "reset_before",
    "reset_after",
    "stall_before",
    "stall_after",
    "close_after",
    "status",
    "truncate_after",
    "garbage_before",
    "garbage_after",
    "slow_after",
    "delay",
    "delay_after",
];

impl Action {
    pub fn name(&self) -> &'static str {
        let index = match self {
            Action::Refuse => 0,
            Action::ResetBefore => 1,
            Action::ResetAfter => 2,
            Action::StallBefore(_) => 3,
            Action::StallAfter(_) => 4,
            Action::CloseAfter => 5,
            Action::Status(_) => 6,
            Action::TruncateAfter => 7,
            Action::GarbageBefore { .. } => 8,
            Action::GarbageAfter { .. } => 9,
            Action::SlowAfter(_) => 10,
            Action::Delay(_) => 11,
            Action::DelayAfter(_) => 12,
        };
        ACTIONS[index]
    }
}

/// A rule as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRule {
    /// `None` is `*`: any request to the servers.
    operation: Option<Operation>,
    reference: Option<String>,
    nth: u64,
    times: u64,
    action: Action,
}

/// What is wrong with a rule, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRule {
    pub field: String,
    pub reason: String,
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "field \"{}\": {}", self.field, self.reason)
    }
}

fn bad<T>(field: &str, reason: impl Into<String>) -> Result<T, BadRule> {
    Err(BadRule { field: field.to_owned(), reason: reason.into() })
}

impl NewRule {
    pub fn parse(value: &Value) -> Result<NewRule, BadRule> {
        let Some(map) = value.as_object() else { return bad("$", "a fault rule is a JSON object") };
        let operation = match text(map, "operation")?.as_deref() {
            None => return bad("operation", "is missing"),
            Some("*") => None,
            Some(name) => match Operation::NAMED.into_iter().find(|operation| operation.name() == name) {
                Some(operation) => Some(operation),
                None => {
                    let names = Operation::NAMED.map(Operation::name).join(", ");
                    return bad("operation", format!("\"{name}\" is none of {names}, *"));
                }
            },
        };
        let Some(name) = text(map, "action")? else { return bad("action", "is missing") };
        let extra: &[&str] = match name.as_str() {
            "stall_before" | "stall_after" | "slow_after" | "delay" | "delay_after" => &["ms"],
            "status" => &["status", "body", "content_type", "headers", "act"],
            "garbage_before" | "garbage_after" => &["content_type"],
            _ => &[],
        };
        let common = ["operation", "reference", "nth", "times", "action"];
        if let Some(key) = map.keys().find(|key| !common.contains(&key.as_str()) && !extra.contains(&key.as_str())) {
            return bad(key, format!("is not part of a rule with action \"{name}\""));
        }
        Ok(NewRule {
            operation,
            reference: text(map, "reference")?,
            nth: number(map, "nth", 1, u64::MAX)?.unwrap_or(1),
            times: number(map, "times", 0, u64::MAX)?.unwrap_or(1),
            action: action(&name, map)?,
        })
    }

    fn fits(&self, operation: Operation, reference: Option<&str>) -> bool {
        self.operation.is_none_or(|wanted| wanted == operation)
            && self.reference.as_deref().is_none_or(|wanted| reference == Some(wanted))
    }
}

fn action(name: &str, map: &Map<String, Value>) -> Result<Action, BadRule> {
    const DAY_MS: u64 = 86_400_000;
    let ms = number(map, "ms", 0, DAY_MS)?;
    let needed_ms = || match ms {
        Some(ms) => Ok(ms),
        None => bad("ms", "is missing"),
    };
    let content_type = text(map, "content_type")?;
    if content_type.as_deref().is_some_and(|value| !is_header_value(value)) {
        return bad("content_type", "is no header value");
    }
    let garbage_type = || content_type.clone().unwrap_or_else(|| "application/json".to_owned());
    Ok(match name {
        "refuse" => Action::Refuse,
        "reset_before" => Action::ResetBefore,
        "reset_after" => Action::ResetAfter,
        "stall_before" => Action::StallBefore(ms),
        "stall_after" => Action::StallAfter(ms),
        "close_after" => Action::CloseAfter,
        "status" => Action::Status(FixedAnswer {
            status: match number(map, "status", 200, 599)? {
                Some(status) => status as u16,
                None => return bad("status", "is missing"),
            },
            body: map.get("body").cloned(),
            content_type,
            headers: headers(map)?,
            act: match map.get("act") {
                None => false,
                Some(Value::Bool(act)) => *act,
                Some(_) => return bad("act", "must be true or false"),
            },
        }),
        "truncate_after" => Action::TruncateAfter,
        "garbage_before" => Action::GarbageBefore { content_type: garbage_type() },
        "garbage_after" => Action::GarbageAfter { content_type: garbage_type() },
        "slow_after" => Action::SlowAfter(ms.unwrap_or(1_000)),
        "delay" => Action::Delay(needed_ms()?),
        "delay_after" => Action::DelayAfter(needed_ms()?),
        _ => return bad("action", format!("\"{name}\" is none of {}", ACTIONS.join(", "))),
    })
}

fn text(map: &Map<String, Value>, field: &str) -> Result<Option<String>, BadRule> {
    match map.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => bad(field, "must be a string"),
    }
}

fn number(map: &Map<String, Value>, field: &str, min: u64, max: u64) -> Result<Option<u64>, BadRule> {
    match map.get(field) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ if max == u64::MAX => bad(field, format!("must be an integer of at least {min}")),
            _ => bad(field, format!("must be an integer between {min} and {max}")),
        },
    }
}

fn headers(map: &Map<String, Value>) -> Result<Vec<(String, String)>, BadRule> {
    let Some(value) = map.get("headers") else { return Ok(Vec::new()) };
    let Some(headers) = value.as_object() else { return bad("headers", "must be an object of strings") };
    let mut out = Vec::new();
    for (name, value) in headers {
        let Some(value) = value.as_str().filter(|value| is_header_value(value)) else {
            return bad("headers", format!("{name} is no header value"));
        };
        // Lengths and connection handling belong to the server.
        let forbidden = ["content-length", "transfer-encoding", "connection"];
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_token || forbidden.contains(&name.to_ascii_lowercase().as_str()) {
            return bad("headers", format!("{name} cannot be set"));
        }
        out.push((name.clone(), value.to_owned()));
    }
    Ok(out)
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| (0x20..0x7f).contains(&b))
}

#[derive(Clone, Debug)]
struct Armed {
    id: u64,
    rule: NewRule,
    seen: u64,
    fired: u64,
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

    /// How many there were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.rules).len()
    }

    /// The oldest rule that is due fires; the others count the request all the same.
    ///
    /// Only `refuse` acts on the head, and not where it waits for a reference that the body carries.
    pub fn strike(&mut self, operation: Operation, reference: Option<&str>, stage: Stage) -> Option<Action> {
        let mut struck = None;
        for armed in &mut self.rules {
            let rule = &armed.rule;
            let needs_body = operation == Operation::Create && rule.reference.is_some();
            let its_stage = if rule.action == Action::Refuse && !needs_body { Stage::Head } else { Stage::Whole };
            if its_stage != stage || !rule.fits(operation, reference) {
                continue;
            }
            armed.seen += 1;
            let due = armed.seen >= rule.nth && (rule.times == 0 || armed.fired < rule.times);
            if due && struck.is_none() {
                armed.fired += 1;
                struck = Some(rule.action.clone());
            }
        }
        struck
    }

    pub fn list(&self) -> Value {
        let describe = |armed: &Armed| {
            json!({
                "id": armed.id,
                "operation": armed.rule.operation.map_or("*", Operation::name),
                "reference": armed.rule.reference,
                "nth": armed.rule.nth,
                "times": armed.rule.times,
                "action": armed.rule.action.name(),
                "seen": armed.seen,
                "fired": armed.fired,
            })
        };
        self.rules.iter().map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(value: Value) -> NewRule {
        NewRule::parse(&value).expect("a good rule")
    }

    #[test]
    fn the_nth_request_and_how_often() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"operation": "capture", "action": "reset_after", "nth": 2})));
        let mut fire = |operation| faults.strike(operation, Some("r"), Stage::Whole).is_some();
        assert!(!fire(Operation::Capture));
        assert!(!fire(Operation::Get));
        assert!(fire(Operation::Capture));
        assert!(!fire(Operation::Capture));
    }

    #[test]
    fn refuse_acts_on_the_head() {
        let mut faults = Faults::default();
        faults.add(rule(json!({"operation": "*", "action": "refuse", "times": 0})));
        assert!(faults.strike(Operation::Get, None, Stage::Whole).is_none());
        assert_eq!(faults.strike(Operation::Get, None, Stage::Head), Some(Action::Refuse));
    }

    #[test]
    fn bad_rules_name_the_field() {
        for (value, field) in [
            (json!([]), "$"),
            (json!({"action": "refuse"}), "operation"),
            (json!({"operation": "pay", "action": "refuse"}), "operation"),
            (json!({"operation": "get"}), "action"),
            (json!({"operation": "get", "action": "explode"}), "action"),
            (json!({"operation": "get", "action": "status"}), "status"),
            (json!({"operation": "get", "action": "status", "status": 99}), "status"),
            (json!({"operation": "get", "action": "refuse", "nth": 0}), "nth"),
            (json!({"operation": "get", "action": "refuse", "ms": 1}), "ms"),
            (json!({"operation": "get", "action": "delay"}), "ms"),
            (json!({"operation": "get", "action": "delay", "ms": -1}), "ms"),
            (json!({"operation": "get", "action": "status", "status": 500, "headers": {"a": "b\r\nc"}}), "headers"),
        ] {
            assert_eq!(NewRule::parse(&value).expect_err("a bad rule").field, field, "{value}");
        }
    }
}
