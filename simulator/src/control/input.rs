//! Reading what a test sends; every mistake names its field.

use serde_json::{Map, Value};

use super::Refused;

pub struct Input(Map<String, Value>);

pub fn json(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::bad(format!("the body is no JSON: {error}")))
}

impl Input {
    pub fn read(body: &[u8]) -> Result<Input, Refused> {
        match json(body)? {
            Value::Object(map) => Ok(Input(map)),
            _ => Err(Refused::bad("the body must be a JSON object")),
        }
    }

    pub fn read_or_empty(body: &[u8]) -> Result<Input, Refused> {
        if body.is_empty() { Ok(Input(Map::new())) } else { Input::read(body) }
    }

    pub fn fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    pub fn only(&self, known: &[&str]) -> Result<(), Refused> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Refused::bad(format!("field \"{}\": is not known here", crate::wire::brief(key)))),
            None => Ok(()),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refused::bad(format!("field \"{name}\": must be a string"))),
        }
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Refused::bad(format!("field \"{name}\": must be true or false"))),
        }
    }

    pub fn positive_or_zero(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64().filter(|n| *n >= 0) {
                Some(n) => Ok(Some(n)),
                None => Err(Refused::bad(format!("field \"{name}\": must be an integer of at least 0"))),
            },
        }
    }

    pub fn positive(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.positive_or_zero(name)? {
            Some(0) => Err(Refused::bad(format!("field \"{name}\": must be above 0"))),
            other => Ok(other),
        }
    }
}
