//! Every request to the servers since the start or the last reset, masked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::answered::Answered;
use crate::json;
use crate::mask;
use crate::random;
use crate::route::Operation;
use crate::tally::{Tallies, add};
use crate::traffic::Traffic;
use crate::wire::Request;

const KEPT: usize = 10_000;
/// Longer bodies are cut in the log; their hash is of the whole.
const BODY_KEPT: usize = 64 * 1_024;

#[derive(Clone, Debug)]
struct Entry {
    n: u64,
    at: i64,
    operation: Operation,
    method: String,
    path: String,
    reference: Option<String>,
    idempotency_key: Option<String>,
    headers: Map<String, Value>,
    body: Value,
    body_sha256: String,
    connection: u64,
    answer: Option<Answered>,
    /// Nothing more will go out.
    ended: bool,
    acted: bool,
    fault: Option<&'static str>,
    traffic: Arc<Traffic>,
}

impl Entry {
    /// `None` where no answer went out.
    fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    fn code(&self) -> Option<&str> {
        self.answer.as_ref()?.code.as_deref()
    }
}

#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    entries: VecDeque<Entry>,
    last: u64,
    pub tallies: Tallies,
}

/// For each reference, bytes in and bytes out.
pub type Bytes<'a> = HashMap<&'a str, (u64, u64)>;

impl RequestLog {
    /// Notes a request before anything is done with it; the number finds it again.
    pub fn begin(&mut self, request: &Request, operation: Operation, reference: Option<&str>, at: i64) -> u64 {
        self.last += 1;
        if self.entries.len() == KEPT {
            if let Some(oldest) = self.entries.pop_front() {
                self.tallies.gone(oldest.reference.as_deref(), oldest.traffic.bytes());
            }
        }
        let reference = reference.map(|text| text.chars().take(200).collect::<String>());
        let idempotency_key = request.header("idempotency-key");
        self.tallies.begin(operation, reference.as_deref(), idempotency_key.as_deref(), &request.body);
        self.entries.push_back(Entry {
            n: self.last,
            at,
            operation,
            method: request.method.clone(),
            path: request.path.chars().take(2_000).collect(),
            reference,
            idempotency_key,
            headers: mask::headers(&request.headers),
            body: masked_body(request),
            body_sha256: random::sha256_hex(&request.body),
            connection: request.connection,
            answer: None,
            ended: false,
            acted: false,
            fault: None,
            traffic: Arc::default(),
        });
        self.last
    }

    fn entry(&mut self, n: u64) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&n, |entry| entry.n).ok()?;
        self.entries.get_mut(at)
    }

    pub fn last_number(&self) -> u64 {
        self.last
    }

    /// Later requests have higher numbers than this.
    pub fn number_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    pub fn fault(&mut self, n: u64, name: &'static str) {
        if let Some(entry) = self.entry(n) {
            entry.fault = Some(name);
        }
    }

    /// `answer` is what went out, `None` where nothing did that could be read.
    pub fn end(&mut self, n: u64, answer: Option<Answered>, traffic: Arc<Traffic>) {
        if let Some(entry) = self.entry(n) {
            entry.answer = answer;
            entry.ended = true;
            entry.traffic = traffic;
        }
    }

    pub fn acted(&mut self, n: u64) {
        let Some(entry) = self.entry(n) else { return };
        entry.acted = true;
        let (operation, reference) = (entry.operation, entry.reference.clone());
        self.tallies.acted(operation, reference.as_deref());
    }

    /// Of all requests.
    pub fn bytes(&self) -> (u64, u64) {
        let mut sum = self.tallies.bytes_gone();
        self.entries.iter().for_each(|entry| add(&mut sum, entry.traffic.bytes()));
        sum
    }

    pub fn bytes_by_reference(&self) -> Bytes<'_> {
        let mut out = Bytes::new();
        for entry in &self.entries {
            let Some(reference) = &entry.reference else { continue };
            let sum = out.entry(reference).or_insert_with(|| self.tallies.of(reference).bytes_gone());
            add(sum, entry.traffic.bytes());
        }
        out
    }

    /// One line for `--verbose`.
    pub fn line(&mut self, n: u64) -> String {
        let Some(entry) = self.entry(n) else { return String::new() };
        let status = entry.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let code = entry.code().map(|code| format!(" ErrorCode {code}")).unwrap_or_default();
        let fault = entry.fault.map(|name| format!(" fault {name}")).unwrap_or_default();
        let key = entry.idempotency_key.as_ref().map(|key| format!(" key {key}")).unwrap_or_default();
        let (method, path, operation) = (&entry.method, &entry.path, entry.operation);
        format!("#{n} {operation} {method} {path}{key} -> {status}{code}{fault}")
    }

    pub fn list(&self) -> Value {
        self.entries.iter().map(whole).collect()
    }

    pub fn one(&self, n: &str) -> Option<Value> {
        let n: u64 = n.parse().ok()?;
        let at = self.entries.binary_search_by_key(&n, |entry| entry.n).ok()?;
        self.entries.get(at).map(whole)
    }

    /// The last of them, in short form.
    pub fn latest(&self, count: usize) -> Value {
        let describe = |entry: &Entry| {
            json!({
                "n": entry.n,
                "at": entry.at,
                "operation": entry.operation.name(),
                "reference": entry.reference,
                "idempotency_key": entry.idempotency_key,
                "status": entry.status(),
                "code": entry.code(),
                "ended": entry.ended,
                "acted": entry.acted,
                "fault": entry.fault,
            })
        };
        self.entries.iter().skip(self.entries.len().saturating_sub(count)).map(describe).collect()
    }

    /// In short form, for the ledger: each reference with what was asked for it.
    pub fn by_reference(&self) -> HashMap<&str, Vec<Value>> {
        let mut out: HashMap<&str, Vec<Value>> = HashMap::new();
        for entry in &self.entries {
            let Some(reference) = &entry.reference else { continue };
            out.entry(reference).or_default().push(json!({
                "operation": entry.operation.name(),
                "idempotency_key": entry.idempotency_key,
                "status": entry.status(),
                "code": entry.code(),
                "acted": entry.acted,
                "at": entry.at,
                "fault": entry.fault,
            }));
        }
        out
    }
}

fn whole(entry: &Entry) -> Value {
    let (bytes_in, bytes_out) = entry.traffic.bytes();
    json!({
        "n": entry.n,
        "at": entry.at,
        "operation": entry.operation.name(),
        "method": entry.method,
        "path": entry.path,
        "reference": entry.reference,
        "idempotency_key": entry.idempotency_key,
        "headers": entry.headers,
        "body": entry.body,
        "body_sha256": entry.body_sha256,
        "status": entry.status(),
        "code": entry.code(),
        "answer": entry.answer.as_ref().map(Answered::show),
        "acted": entry.acted,
        "fault": entry.fault,
        "connection": entry.connection,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    })
}

fn masked_body(request: &Request) -> Value {
    let raw = &request.body;
    if raw.is_empty() {
        return Value::Null;
    }
    if raw.len() <= BODY_KEPT {
        if let Ok(parsed) = json::parse(raw) {
            return mask::body(&parsed.value);
        }
        if request.is_form() {
            let pairs = form_urlencoded::parse(raw);
            let pairs = pairs.map(|(key, value)| (key.into_owned(), Value::from(value.into_owned())));
            return mask::body(&Value::Object(pairs.collect()));
        }
    }
    let kept = &raw[..raw.len().min(BODY_KEPT)];
    Value::from(mask::text(&String::from_utf8_lossy(kept)))
}
