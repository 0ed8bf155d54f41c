//! Reading the fields of a rule; every mistake names its field.

use std::fmt;

use serde_json::{Map, Value};

use crate::wire::brief;

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

pub fn bad<T>(field: &str, reason: impl Into<String>) -> Result<T, BadRule> {
    Err(BadRule { field: field.to_owned(), reason: reason.into() })
}

pub struct Fields<'a>(pub &'a Map<String, Value>);

impl Fields<'_> {
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    pub fn text(&self, field: &str) -> Result<Option<&str>, BadRule> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => bad(field, "must be a string"),
        }
    }

    pub fn flag(&self, field: &str) -> Result<bool, BadRule> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => bad(field, "must be true or false"),
        }
    }

    pub fn number(&self, field: &str, min: u64, max: u64) -> Result<Option<u64>, BadRule> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
                _ if max == u64::MAX => bad(field, format!("must be an integer of at least {min}")),
                _ => bad(field, format!("must be an integer between {min} and {max}")),
            },
        }
    }

    /// An integer that may be below zero.
    pub fn signed(&self, field: &str) -> Result<Option<i64>, BadRule> {
        match self.get(field).map(Value::as_i64) {
            None => Ok(None),
            Some(Some(n)) => Ok(Some(n)),
            Some(None) => bad(field, "must be an integer"),
        }
    }

    pub fn needed_number(&self, field: &str, min: u64, max: u64) -> Result<u64, BadRule> {
        self.number(field, min, max)?.map_or_else(|| bad(field, "is missing"), Ok)
    }

    /// A share of one; without it, all.
    pub fn probability(&self, field: &str) -> Result<f64, BadRule> {
        match self.get(field) {
            None => Ok(1.0),
            Some(value) => match value.as_f64().filter(|share| (0.0..=1.0).contains(share)) {
                Some(share) => Ok(share),
                None => bad(field, "must be a number between 0 and 1"),
            },
        }
    }

    /// One of the names; the first without any.
    pub fn choice<'n>(&self, field: &str, names: &[&'n str]) -> Result<&'n str, BadRule> {
        match self.text(field)? {
            None => Ok(names[0]),
            Some(text) => match names.iter().find(|name| **name == text) {
                Some(name) => Ok(name),
                None => bad(field, format!("\"{}\" is none of {}", brief(text), names.join(", "))),
            },
        }
    }

    pub fn header_value(&self, field: &str) -> Result<Option<String>, BadRule> {
        match self.text(field)? {
            Some(value) if !is_header_value(value) => bad(field, "is no header value"),
            value => Ok(value.map(str::to_owned)),
        }
    }

    pub fn headers(&self, field: &str) -> Result<Vec<(String, String)>, BadRule> {
        let Some(value) = self.get(field) else { return Ok(Vec::new()) };
        let Some(headers) = value.as_object() else { return bad(field, "must be an object of strings") };
        let mut out = Vec::new();
        for (name, value) in headers {
            let shown = brief(name);
            let Some(value) = value.as_str().filter(|value| is_header_value(value)) else {
                return bad(field, format!("{shown} is no header value"));
            };
            // Lengths and connection handling belong to the server.
            let forbidden = ["content-length", "transfer-encoding", "connection"];
            let is_token =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !is_token || forbidden.contains(&name.to_ascii_lowercase().as_str()) {
                return bad(field, format!("{shown} cannot be set"));
            }
            out.push((name.clone(), value.to_owned()));
        }
        Ok(out)
    }
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| (0x20..0x7f).contains(&b))
}
