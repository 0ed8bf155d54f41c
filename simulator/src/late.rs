//! What the servers have taken and carry out later, on the simulator's clock: whether or not the connection by which
//! it came still lives.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::exchange::Noted;
use crate::wire::{Answer, Request};

/// A gateway gives up after minutes; what it has passed on may act for so long (milliseconds).
pub const LATEST_MS: u64 = 900_000;

#[derive(Clone, Debug)]
pub struct Postponed {
    pub request: Request,
    pub noted: Noted,
    /// Whoever still waits for the answer.
    pub waiting: UnboundedSender<Answer>,
}

/// By the moment at which each is due, and then in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Late(BTreeMap<(i64, u64), Postponed>);

impl Late {
    /// The answer comes by what this gives; nothing comes, and it ends, where the state has been replaced.
    pub fn add(&mut self, due: i64, request: &Request, noted: &Noted) -> UnboundedReceiver<Answer> {
        let (waiting, answers) = mpsc::unbounded_channel();
        let postponed = Postponed { request: request.clone(), noted: noted.clone(), waiting };
        self.0.insert((due, noted.n), postponed);
        answers
    }

    pub fn next_due(&self) -> Option<i64> {
        self.0.first_key_value().map(|((due, _), _)| *due)
    }

    /// The earliest of what is due by now.
    pub fn take(&mut self, now: i64) -> Option<(i64, Postponed)> {
        let first = self.0.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((due, _), postponed) = first.remove_entry();
        Some((due, postponed))
    }

    pub fn has(&self, n: u64) -> bool {
        self.numbers().any(|known| known == n)
    }

    /// Of the requests, as the log counts them.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.keys().map(|(_, n)| *n)
    }

    pub fn list(&self) -> Value {
        let show = |((due, n), postponed): (&(i64, u64), &Postponed)| {
            json!({
                "n": n,
                "operation": postponed.noted.route.operation.name(),
                "reference": postponed.noted.reference,
                "idempotency_key": postponed.request.header("idempotency-key"),
                "due_at": due,
            })
        };
        self.0.iter().map(show).collect()
    }
}
