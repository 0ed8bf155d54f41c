//! The traffic as a file: one line of JSON for each request in the order in which the servers did them, without
//! secrets and without anybody's number, so that it can be kept, compared and [replayed](replay).

mod names;
mod replay;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

use crate::json;
use crate::settings::Credentials;
use crate::sim::Sim;
use crate::wire::{Answer, Request};
use names::Names;
pub use replay::replay;

/// Of the format; a replay takes this one only.
const VERSION: u64 = 1;
/// What is kept in memory; more belongs into a file.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The headers that the servers look at. All others could hold anything.
const HEADERS: [&str; 11] = [
    "authorization",
    "ocp-apim-subscription-key",
    "client_id",
    "client_secret",
    "merchant-serial-number",
    "idempotency-key",
    "content-type",
    "vipps-system-name",
    "vipps-system-version",
    "vipps-system-plugin-name",
    "vipps-system-plugin-version",
];

/// Stands for a key that was the right one, or another one.
const RIGHT: &str = "<right>";
const WRONG: &str = "<wrong>";

/// Shared, for it belongs to the process and not to the state of the servers.
#[derive(Clone, Debug)]
pub struct Recording(Arc<Mutex<Recorder>>);

#[derive(Debug)]
struct Recorder {
    sink: Sink,
    start: i64,
    names: Names,
    /// Noted, and neither done nor given up.
    pending: HashMap<u64, Map<String, Value>>,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Memory(Vec<u8>),
    /// The disk is full, or the memory; it has been said.
    Ended,
}

impl Recording {
    /// Into a new file; an old one is overwritten.
    pub fn to_file(path: &Path, sim: &Sim) -> std::io::Result<Recording> {
        Ok(Recording::begin(Sink::File(File::create(path)?), sim))
    }

    pub fn in_memory(sim: &Sim) -> Recording {
        Recording::begin(Sink::Memory(Vec::new()), sim)
    }

    fn begin(sink: Sink, sim: &Sim) -> Recording {
        let start = sim.clock.now();
        let head = json!({
            "recording": VERSION,
            "start": start,
            "options": sim.settings.given,
            "switches": sim.switches.changed(),
        });
        let mut recorder = Recorder { sink, start, names: Names::default(), pending: HashMap::new() };
        recorder.write(&head);
        Recording(Arc::new(Mutex::new(recorder)))
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been recorded, where it is in memory.
    pub fn text(&self) -> Option<Vec<u8>> {
        match &self.lock().sink {
            Sink::Memory(bytes) => Some(bytes.clone()),
            Sink::File(_) | Sink::Ended => None,
        }
    }

    pub fn note(&self, n: u64, request: &Request, fault: Option<&str>, credentials: &Credentials) {
        let mut recorder = self.lock();
        let mut line = recorder.request(request, credentials);
        line.insert("fault".to_owned(), fault.into());
        recorder.pending.insert(n, line);
    }

    /// The servers did it, and this is their own answer; what a fault made of it on its way is not in the recording.
    pub fn done(&self, n: u64, at: i64, answer: &Answer) {
        let mut recorder = self.lock();
        let Some(mut line) = recorder.pending.remove(&n) else { return };
        let start = recorder.start;
        line.insert("answer".to_owned(), shown(&mut recorder.names, answer, start));
        recorder.finish(at, line);
    }

    /// A fault kept it from the servers.
    pub fn ended(&self, n: u64, at: i64) {
        let mut recorder = self.lock();
        let Some(mut line) = recorder.pending.remove(&n) else { return };
        line.insert("answer".to_owned(), Value::Null);
        recorder.finish(at, line);
    }

    /// A call of the control API that may have changed what the servers answer from now on.
    pub fn control(&self, at: i64, request: &Request, answer: &Answer, credentials: &Credentials) {
        let mut recorder = self.lock();
        let mut line = recorder.request(request, credentials);
        let start = recorder.start;
        // What it gives out may be sent later; the rest of it is for people.
        shown(&mut recorder.names, answer, start);
        line.insert("answer".to_owned(), json!({"status": answer.status}));
        recorder.finish(at, line);
    }
}

/// Can this call of the control API change what the servers answer? Time is in every line, and faults are told with the requests that they met.
pub fn is_replayed(request: &Request) -> bool {
    let called = request.path.split('/').nth(2).unwrap_or_default();
    request.method != "GET" && !["clock", "faults", "assert", "recording", "webhooks"].contains(&called)
}

impl Recorder {
    fn request(&mut self, request: &Request, credentials: &Credentials) -> Map<String, Value> {
        let mut line = Map::new();
        // The body first: it is where numbers are recognised as such, and they may stand in the path too.
        if !request.body.is_empty() {
            let (name, value) = match json::parse(&request.body) {
                Ok(parsed) if parsed.repeated.is_empty() => ("body", self.names.request(&parsed.value)),
                _ => ("text", Value::from(self.names.text(&String::from_utf8_lossy(&request.body)))),
            };
            line.insert(name.to_owned(), value);
        }
        line.insert("method".to_owned(), Value::from(request.method.clone()));
        line.insert("path".to_owned(), Value::from(self.names.hide(&request.path)));
        if !request.query.is_empty() {
            line.insert("query".to_owned(), Value::from(self.names.text(&request.query)));
        }
        let headers = headers(&request.headers, &self.names, credentials);
        line.insert("headers".to_owned(), Value::Object(headers));
        line
    }

    fn finish(&mut self, at: i64, mut line: Map<String, Value>) {
        line.insert("at".to_owned(), Value::from(at - self.start));
        self.write(&Value::Object(line));
    }

    fn write(&mut self, line: &Value) {
        let text = format!("{line}\n");
        let failed = match &mut self.sink {
            Sink::File(file) => file.write_all(text.as_bytes()).err().map(|error| error.to_string()),
            Sink::Memory(bytes) if bytes.len() + text.len() > MOST_BYTES => Some("it is too large".to_owned()),
            Sink::Memory(bytes) => {
                bytes.extend_from_slice(text.as_bytes());
                None
            }
            Sink::Ended => None,
        };
        if let Some(reason) = failed {
            eprintln!("vp-simulator: the recording ends here: {reason}");
            self.sink = Sink::Ended;
        }
    }
}

fn headers(headers: &HeaderMap, names: &Names, credentials: &Credentials) -> Map<String, Value> {
    let mut out = Map::new();
    for name in HEADERS {
        let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        if values.is_empty() {
            continue;
        }
        let value = values.join(", ");
        let shown = match (name, right(name, credentials)) {
            (_, Some(right)) => if value == right { RIGHT } else { WRONG }.to_owned(),
            ("authorization", _) => authorization(&value, names),
            _ => names.hide(&value),
        };
        out.insert(name.to_owned(), Value::from(shown));
    }
    out
}

/// What the servers take in a header that is secret.
fn right<'a>(header: &str, credentials: &'a Credentials) -> Option<&'a str> {
    match header {
        "ocp-apim-subscription-key" => Some(&credentials.subscription_key),
        "client_id" => Some(&credentials.client_id),
        "client_secret" => Some(&credentials.client_secret),
        _ => None,
    }
}

fn authorization(value: &str, names: &Names) -> String {
    let (scheme, token) = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => (scheme, token),
        _ => return WRONG.to_owned(),
    };
    match names.hide(token) {
        hidden if hidden.starts_with("<token ") && hidden.ends_with('>') => format!("{scheme} {hidden}"),
        _ => format!("{scheme} {WRONG}"),
    }
}

fn shown(names: &mut Names, answer: &Answer, start: i64) -> Value {
    let headers: Map<String, Value> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(names.hide(value))))
        .collect();
    // Pages and pictures are not compared, only that they are there.
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => names.answer(&body, start),
        Err(_) => Value::Null,
    };
    json!({"status": answer.status, "content_type": answer.content_type, "headers": headers, "body": body})
}
