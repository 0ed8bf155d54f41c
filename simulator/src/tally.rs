//! What the requests for each reference add up to, for as long as the simulator runs: the log itself is bounded.

use std::collections::HashMap;

use crate::idempotency;
use crate::json;
use crate::random;
use crate::route::Operation;

/// Of one reference.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub requests: u64,
    /// Creates that made a payment.
    pub creates: u64,
    /// Captures that were asked for after a cancel had been done.
    pub captures_after_cancel: u64,
    /// Creates, captures, cancels and refunds without an idempotency key.
    pub unkeyed: u64,
    /// Requests under a key that had been sent with something else.
    pub reused_keys: u64,
    cancelled: bool,
    /// Of requests that have left the log.
    gone: (u64, u64),
}

#[derive(Clone, Debug, Default)]
pub struct Tallies {
    by_reference: HashMap<String, Tally>,
    /// Each key, and what was first asked under it: a part of their hashes, for this grows as long as the simulator runs.
    keys: HashMap<u128, u128>,
    requests: u64,
    gone: (u64, u64),
}

impl Tallies {
    pub fn begin(&mut self, operation: Operation, reference: Option<&str>, key: Option<&str>, body: &[u8]) {
        self.requests += 1;
        let reused = key.is_some_and(|key| self.is_reuse(operation, reference.unwrap_or_default(), key, body));
        let Some(reference) = reference else { return };
        let tally = self.by_reference.entry(reference.to_owned()).or_default();
        tally.requests += 1;
        tally.reused_keys += u64::from(reused);
        tally.captures_after_cancel += u64::from(operation == Operation::Capture && tally.cancelled);
        tally.unkeyed += u64::from(operation.is_write() && key.is_none());
    }

    /// A request whose body never came, because a fault refused its head, proves nothing.
    fn is_reuse(&mut self, operation: Operation, reference: &str, key: &str, body: &[u8]) -> bool {
        if body.is_empty() {
            return false;
        }
        let value = json::parse(body).ok().map(|parsed| parsed.value);
        let asked = part(&idempotency::meaning(operation, reference, value.as_ref(), body));
        *self.keys.entry(part(&random::sha256_hex(key.as_bytes()))).or_insert(asked) != asked
    }

    pub fn acted(&mut self, operation: Operation, reference: Option<&str>) {
        let Some(tally) = reference.and_then(|reference| self.by_reference.get_mut(reference)) else { return };
        match operation {
            Operation::Create => tally.creates += 1,
            Operation::Cancel => tally.cancelled = true,
            _ => {}
        }
    }

    /// A request leaves the log; its bytes stay counted.
    pub fn gone(&mut self, reference: Option<&str>, bytes: (u64, u64)) {
        add(&mut self.gone, bytes);
        if let Some(tally) = reference.and_then(|reference| self.by_reference.get_mut(reference)) {
            add(&mut tally.gone, bytes);
        }
    }

    pub fn of(&self, reference: &str) -> Tally {
        self.by_reference.get(reference).cloned().unwrap_or_default()
    }

    /// Of all requests, also of those without a reference.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    pub fn bytes_gone(&self) -> (u64, u64) {
        self.gone
    }
}

impl Tally {
    pub fn bytes_gone(&self) -> (u64, u64) {
        self.gone
    }
}

/// Half of a hash in hexadecimal.
fn part(hash: &str) -> u128 {
    u128::from_str_radix(&hash[..32], 16).unwrap_or_default()
}

pub fn add(sum: &mut (u64, u64), bytes: (u64, u64)) {
    sum.0 += bytes.0;
    sum.1 += bytes.1;
}
