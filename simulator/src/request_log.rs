//! Every request to the servers since the start or the last reset, masked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::answered::Answered;
use crate::json;
use crate::mask;
use crate::random;
use crate::route::Operation;
use crate::tally::{Tallies, add};
use crate::traffic::Traffic;
use crate::wire::Request;

const KEPT: usize = 10_000;
/// All of them together.
const BYTES_KEPT: usize = 64 * 1_024 * 1_024;
/// Longer bodies are cut in the log; their hash is of the whole.
const BODY_KEPT: usize = 64 * 1_024;
/// Characters of a key, a reference or a method; others are refused long before.
const NAME_KEPT: usize = 200;
/// Characters of a path or a header.
const TEXT_KEPT: usize = 2_000;

#[derive(Clone, Debug)]
pub struct Entry {
    n: u64,
    at: i64,
    operation: Operation,
    method: String,
    path: String,
    reference: Option<String>,
    idempotency_key: Option<String>,
    /// As they are shown: as values they would take many times as much.
    headers: Option<Box<RawValue>>,
    body: Option<Box<RawValue>>,
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
    /// Shared with snapshots, and with whoever reads them, until they change.
    entries: VecDeque<Arc<Entry>>,
    /// Bytes of all entries.
    held: usize,
    last: u64,
    pub tallies: Tallies,
}

/// For each reference, bytes in and bytes out.
pub type Bytes<'a> = HashMap<&'a str, (u64, u64)>;

impl Entry {
    fn size(&self) -> usize {
        let raw = |value: &Option<Box<RawValue>>| value.as_ref().map_or(0, |value| value.get().len());
        let key = self.idempotency_key.as_ref().map_or(0, String::len);
        let reference = self.reference.as_ref().map_or(0, String::len);
        size_of::<Entry>()
            + self.path.len()
            + key
            + reference
            + raw(&self.headers)
            + raw(&self.body)
            + self.answer.as_ref().map_or(0, Answered::size)
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

impl RequestLog {
    /// Notes a request before anything is done with it; the number finds it again.
    pub fn begin(&mut self, request: &Request, operation: Operation, reference: Option<&str>, at: i64) -> u64 {
        self.last += 1;
        let reference = reference.map(|text| cut(text, NAME_KEPT));
        let idempotency_key = request.header("idempotency-key");
        self.tallies.begin(operation, reference.as_deref(), idempotency_key.as_deref(), &request.body);
        let entry = Entry {
            n: self.last,
            at,
            operation,
            method: cut(&request.method, NAME_KEPT),
            path: cut(&request.path, TEXT_KEPT),
            reference,
            idempotency_key: idempotency_key.map(|key| cut(&key, NAME_KEPT)),
            headers: to_raw_value(&masked_headers(request)).ok(),
            body: to_raw_value(&masked_body(request)).ok(),
            body_sha256: random::sha256_hex(&request.body),
            connection: request.connection,
            answer: None,
            ended: false,
            acted: false,
            fault: None,
            traffic: Arc::default(),
        };
        self.held += entry.size();
        self.entries.push_back(Arc::new(entry));
        self.make_room();
        self.last
    }

    /// The oldest go, but never the last one.
    fn make_room(&mut self) {
        while self.entries.len() > KEPT || self.held > BYTES_KEPT && self.entries.len() > 1 {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.held -= oldest.size();
            self.tallies.gone(oldest.reference.as_deref(), oldest.traffic.bytes());
        }
    }

    fn entry(&mut self, n: u64) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&n, |entry| entry.n).ok()?;
        self.entries.get_mut(at).map(Arc::make_mut)
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
            let before = entry.size();
            entry.answer = answer;
            entry.ended = true;
            entry.traffic = traffic;
            let after = entry.size();
            self.held = self.held + after - before;
            self.make_room();
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

    /// Of one reference.
    pub fn bytes_of(&self, reference: &str) -> (u64, u64) {
        let mut sum = self.tallies.of(reference).bytes_gone();
        self.of(reference).for_each(|entry| add(&mut sum, entry.traffic.bytes()));
        sum
    }

    fn of(&self, reference: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().filter(move |entry| entry.reference.as_deref() == Some(reference))
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

    /// To be read without holding anything up.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.iter().cloned().collect()
    }

    pub fn one(&self, n: &str) -> Option<Value> {
        let n: u64 = n.parse().ok()?;
        let at = self.entries.binary_search_by_key(&n, |entry| entry.n).ok()?;
        serde_json::to_value(&**self.entries.get(at)?).ok()
    }

    /// The last of them, in short form.
    pub fn latest(&self, count: usize) -> Value {
        let describe = |entry: &Arc<Entry>| {
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
            out.entry(reference).or_default().push(short(entry));
        }
        out
    }

    /// The same for one.
    pub fn requests_of(&self, reference: &str) -> Vec<Value> {
        self.of(reference).map(|entry| short(entry)).collect()
    }
}

fn short(entry: &Entry) -> Value {
    json!({
        "operation": entry.operation.name(),
        "idempotency_key": entry.idempotency_key,
        "status": entry.status(),
        "code": entry.code(),
        "acted": entry.acted,
        "at": entry.at,
        "fault": entry.fault,
    })
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (bytes_in, bytes_out) = self.traffic.bytes();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("operation", self.operation.name())?;
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("path", &self.path)?;
        map.serialize_entry("reference", &self.reference)?;
        map.serialize_entry("idempotency_key", &self.idempotency_key)?;
        map.serialize_entry("headers", &self.headers)?;
        map.serialize_entry("body", &self.body)?;
        map.serialize_entry("body_sha256", &self.body_sha256)?;
        map.serialize_entry("status", &self.status())?;
        map.serialize_entry("code", &self.code())?;
        map.serialize_entry("answer", &self.answer.as_ref().map(Answered::show))?;
        map.serialize_entry("acted", &self.acted)?;
        map.serialize_entry("fault", &self.fault)?;
        map.serialize_entry("connection", &self.connection)?;
        map.serialize_entry("bytes_in", &bytes_in)?;
        map.serialize_entry("bytes_out", &bytes_out)?;
        map.end()
    }
}

/// All of them, as a list.
pub fn written(entries: &[Arc<Entry>]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        // Nothing of an entry can fail to be written into memory.
        let _ = serde_json::to_writer(&mut out, &**entry);
    }
    out.push(b']');
    out
}

fn masked_headers(request: &Request) -> Value {
    let mut headers = mask::headers(&request.headers);
    for (name, value) in &mut headers {
        let most = if name == "idempotency-key" { NAME_KEPT } else { TEXT_KEPT };
        if let Value::String(text) = value {
            *text = cut(text, most);
        }
    }
    Value::Object(headers)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Answer;
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    fn request(body: Vec<u8>, key: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_str(key).expect("a value"));
        let (method, path) = ("POST".to_owned(), "/epayment/v1/payments".to_owned());
        Request { method, path, query: String::new(), headers, body, connection: 1 }
    }

    #[test]
    fn it_is_bounded_by_bytes_too_and_what_has_gone_stays_counted() {
        let mut log = RequestLog::default();
        let large = vec![b'x'; BODY_KEPT];
        for n in 0..1_100 {
            let n = log.begin(&request(large.clone(), "key"), Operation::Create, Some("ride-0001"), n);
            log.acted(n);
        }
        let all = log.all();
        let most = BYTES_KEPT / BODY_KEPT;
        assert!(all.len() < most && all.len() > most - 50, "{}", all.len());
        assert_eq!(all.iter().map(|entry| entry.size()).sum::<usize>(), log.held);
        assert!(log.held <= BYTES_KEPT && written(&all).len() < 2 * BYTES_KEPT);
        assert_eq!((log.tallies.requests(), log.tallies.of("ride-0001").creates), (1_100, 1_100));
        assert_eq!(all.last().map(|entry| entry.n), Some(1_100));
    }

    #[test]
    fn keys_are_cut_and_still_told_apart() {
        let mut log = RequestLog::default();
        let key = "k".repeat(60_000);
        for (body, key) in [("1", format!("{key}a")), ("2", format!("{key}b"))] {
            log.begin(&request(body.as_bytes().to_vec(), &key), Operation::Capture, Some("ride-0001"), 0);
        }
        assert!(log.held < 4_000, "{}", log.held);
        assert_eq!(log.tallies.of("ride-0001").reused_keys, 0);
        log.begin(&request(b"3".to_vec(), &format!("{key}a")), Operation::Capture, Some("ride-0001"), 0);
        assert_eq!(log.tallies.of("ride-0001").reused_keys, 1);
    }

    #[test]
    fn a_copy_shares_what_does_not_change() {
        let mut log = RequestLog::default();
        for _ in 0..3 {
            log.begin(&request(b"1".to_vec(), "key"), Operation::Capture, None, 0);
        }
        let copy = log.clone();
        log.end(2, Some(Answered::new(&Answer::empty(200), None)), Arc::default());
        let shared: Vec<bool> = log.all().iter().zip(copy.all()).map(|(one, other)| Arc::ptr_eq(one, &other)).collect();
        assert_eq!(shared, [true, false, true]);
        assert_eq!((log.all()[1].status(), copy.all()[1].status()), (Some(200), None));
    }
}
