//! What the client was told, for the log: kept as it went out and bounded, masked when it is shown.

use std::sync::Arc;

use serde_json::Value;

use crate::json;
use crate::mask;
use crate::problem;
use crate::wire::Answer;

/// The answers of the servers are shorter, but for long lists of events, orders and what a fault rule says.
const KEPT: usize = 8 * 1024;

#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// Of the domain error.
    pub code: Option<String>,
    content_type: Option<String>,
    /// Shared by the snapshots of the log.
    body: Arc<[u8]>,
    length: usize,
    /// Whose payment it is about: the number must not be seen.
    number: Option<String>,
}

impl Answered {
    pub fn new(answer: &Answer, number: Option<String>) -> Answered {
        let length = answer.body.len();
        Answered {
            status: answer.status,
            code: problem::code(answer),
            content_type: answer.content_type.as_deref().map(str::to_owned),
            body: answer.body[..length.min(KEPT)].into(),
            length,
            number,
        }
    }

    /// How many bytes are kept of it.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// JSON as it is, a page or a picture by its size alone, anything else as text.
    pub fn show(&self) -> Value {
        if self.length == 0 {
            return Value::Null;
        }
        if let (Ok(parsed), true) = (json::parse(&self.body), self.body.len() == self.length) {
            return mask::about(&parsed.value, self.number.as_deref());
        }
        let kind = self.content_type.as_deref().unwrap_or("no type");
        if kind.starts_with("text/html") || kind.starts_with("image/") {
            return Value::from(format!("{} bytes of {kind}", self.length));
        }
        let text = mask::text(&String::from_utf8_lossy(&self.body));
        Value::from(if self.body.len() < self.length { format!("{text}… ({} bytes)", self.length) } else { text })
    }
}
