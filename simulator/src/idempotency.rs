//! One key, one doing. Source: knowledge base, HTTP headers and errors; error table.
//!
//! The same key with the same body gives the first answer again. With another body it is a conflict. A first 4xx
//! stays for its key, so that a mended request needs a new one; what a client must retry with the same key
//! (401, 423, 429, any 5xx) is not kept.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::random;
use crate::route::Operation;
use crate::switches::{Switch, Switches};
use crate::wire::Answer;

#[derive(Clone, Debug, Default)]
pub struct Replies {
    kept: HashMap<Slot, Arc<Kept>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    msn: String,
    /// Operation and reference, or neither when one key counts for the whole sales unit.
    scope: Option<(Operation, String)>,
    key: String,
}

#[derive(Clone, Debug)]
struct Kept {
    meaning: String,
    answer: Answer,
    /// What a repeat was told while the first request was being carried out.
    meanwhile: bool,
}

#[derive(Debug)]
pub enum Found {
    Nothing,
    Replay(Answer),
    /// Another request under the same key: the number of the conflict.
    Conflict(u16),
}

impl Slot {
    pub fn new(switches: &Switches, msn: &str, operation: Operation, reference: &str, key: &str) -> Slot {
        // A create key used for another reference fails, so creates have one space for each sales unit.
        let reference = if operation == Operation::Create { "" } else { reference };
        let scoped = switches.is(Switch::IdempotencyScope, "operation");
        Slot { msn: msn.to_owned(), scope: scoped.then(|| (operation, reference.to_owned())), key: key.to_owned() }
    }
}

/// A hash of what was asked, independent of spaces and the order of fields; bodies that are no JSON count by their bytes.
pub fn meaning(operation: Operation, reference: &str, body: Option<&Value>, raw: &[u8]) -> String {
    let body = body.map_or_else(|| String::from_utf8_lossy(raw).into_owned(), Value::to_string);
    let reference = if operation == Operation::Create { "" } else { reference };
    random::sha256_hex(format!("{operation} {reference} {body}").as_bytes())
}

impl Replies {
    /// For a `late` request what was said meanwhile does not count.
    pub fn find(&self, slot: &Slot, operation: Operation, meaning: &str, switches: &Switches, late: bool) -> Found {
        let Some(kept) = self.kept.get(slot).filter(|kept| !(late && kept.meanwhile)) else { return Found::Nothing };
        if kept.meaning == meaning {
            let mut answer = kept.answer.clone();
            if answer.status < 300 && switches.is(Switch::ReplayStatus, "200") {
                answer.status = 200;
            }
            return Found::Replay(answer);
        }
        if kept.answer.status >= 400 {
            return Found::Replay(kept.answer.clone());
        }
        Found::Conflict(match operation {
            Operation::Capture => 4010,
            Operation::Refund => 4150,
            _ => 4020,
        })
    }

    pub fn keep(&mut self, slot: Slot, meaning: String, answer: &Answer, switches: &Switches) {
        let kept = match answer.status {
            500.. => false,
            400.. if switches.is(Switch::StickyErrors, "every") => true,
            401 | 423 | 429 => false,
            400.. => switches.is(Switch::StickyErrors, "on"),
            _ => true,
        };
        if kept {
            self.insert(slot, meaning, answer, false);
        }
    }

    /// Of a repeat that is refused as long as the first request runs; only a switch lets that stay.
    pub fn keep_meanwhile(&mut self, slot: Slot, meaning: String, answer: &Answer, switches: &Switches) {
        if switches.is(Switch::StickyErrors, "every") {
            self.insert(slot, meaning, answer, true);
        }
    }

    /// The first one stays.
    fn insert(&mut self, slot: Slot, meaning: String, answer: &Answer, meanwhile: bool) {
        self.kept.entry(slot).or_insert_with(|| Arc::new(Kept { meaning, answer: answer.clone(), meanwhile }));
    }
}
