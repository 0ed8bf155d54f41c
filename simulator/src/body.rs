//! From bytes to a checked body: declared as JSON, parsed, of the right shape.

use serde_json::Value;

use crate::contract::{self, Issue};
use crate::headers;
use crate::json;
use crate::problem::Shape;
use crate::route::Operation;
use crate::switches::{Switch, Switches};
use crate::wire::{Answer, Request};

#[derive(Debug)]
pub struct Body {
    pub value: Value,
    /// Keys that occurred twice in an object where the caller chooses the keys.
    pub repeated_names: Vec<String>,
}

/// `free_names` is the one object in which a repeated key is not a mistake of the schema but of its content.
pub fn read(
    request: &Request,
    switches: &Switches,
    operation: Operation,
    free_names: &str,
    shape: &Shape,
) -> Result<Body, Answer> {
    if !headers::is_json(request) {
        return Err(headers::unsupported_media_type(shape));
    }
    let mut parsed = json::parse(&request.body).map_err(|error| {
        shape.validation(&[Issue::new("$", format!("The body could not be read as JSON: {error}."))])
    })?;
    if switches.is(Switch::JsonNumbers, "accepted") {
        ["/reference", "/customer/phoneNumber"].iter().for_each(|pointer| write_out(&mut parsed.value, pointer));
    }
    let mut issues = contract::body_issues(operation, &parsed.value, switches.is(Switch::UnknownFields, "reject"));
    // The published schema asks for three characters, and an official sample has none.
    if parsed.value["paymentDescription"] == "" && switches.is(Switch::EmptyDescription, "accepted") {
        issues.retain(|issue| issue.name != "paymentDescription");
    }
    let is_free = |path: &String| !free_names.is_empty() && path.starts_with(free_names);
    let (repeated_names, repeated): (Vec<_>, Vec<_>) = parsed.repeated.into_iter().partition(is_free);
    issues.extend(repeated.into_iter().take(50).map(|path| Issue::new(path, "The field occurs twice.")));
    if issues.is_empty() { Ok(Body { value: parsed.value, repeated_names }) } else { Err(shape.validation(&issues)) }
}

/// An integer where a text belongs becomes its digits.
fn write_out(value: &mut Value, pointer: &str) {
    if let Some(Value::Number(number)) = value.pointer(pointer).filter(|value| value.is_u64()) {
        let digits = Value::from(number.to_string());
        value.pointer_mut(pointer).into_iter().for_each(|place| *place = digits.clone());
    }
}
