//! The traffic as a file: one line of JSON for each request in the order in which the servers did them, without
//! secrets and without anybody's number, so that it can be kept, compared and [replayed](replay).

mod names;
mod pairs;
mod replay;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

use crate::json;
use crate::say::say;
use crate::settings::Credentials;
use crate::sim::Sim;
use crate::wire::{Answer, Request};
use names::Names;
pub use replay::replay;

/// Of the format; a replay takes this one only.
const VERSION: u64 = 1;
/// What is kept in memory; more belongs into a file.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Of the last line of a recording that became too large: when, in milliseconds since it began.
const CUT: &str = "cut_at";

/// Which webhook was deleted because its receiver had been silent for too long.
const FORGOTTEN: &str = "webhook_deleted";

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
    /// The disk is full, or the memory: nothing is added any more, which has been said, and what there is stays.
    ended: bool,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Memory { bytes: Vec<u8>, most: usize },
}

impl Recording {
    /// Into a new file; an old one is overwritten.
    pub fn to_file(path: &Path, sim: &Sim) -> std::io::Result<Recording> {
        Ok(Recording::begin(Sink::File(File::create(path)?), sim))
    }

    pub fn in_memory(sim: &Sim) -> Recording {
        Recording::of_at_most(MOST_BYTES, sim)
    }

    fn of_at_most(most: usize, sim: &Sim) -> Recording {
        Recording::begin(Sink::Memory { bytes: Vec::new(), most }, sim)
    }

    fn begin(sink: Sink, sim: &Sim) -> Recording {
        let start = sim.clock.now();
        let head = json!({
            "recording": VERSION,
            "start": start,
            "options": sim.settings.given,
            "switches": sim.switches.changed(),
        });
        let mut recorder = Recorder { sink, start, names: Names::default(), pending: HashMap::new(), ended: false };
        recorder.write(&head);
        Recording(Arc::new(Mutex::new(recorder)))
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been recorded, where it is in memory.
    pub fn text(&self) -> Option<Vec<u8>> {
        match &self.lock().sink {
            Sink::Memory { bytes, .. } => Some(bytes.clone()),
            Sink::File(_) => None,
        }
    }

    /// Nothing is added any more.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub fn note(&self, n: u64, request: &Request, fault: Option<&str>, credentials: &Credentials) {
        let mut recorder = self.lock();
        if recorder.ended {
            return;
        }
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

    /// A webhook that nobody answered was deleted. In a replay nothing is delivered, so it must be told.
    pub fn forgotten(&self, at: i64, id: &str) {
        let mut recorder = self.lock();
        let name = recorder.names.hide(id);
        // One that was registered before the recording began is not there in a replay.
        if recorder.ended || name == id {
            return;
        }
        recorder.finish(at, Map::from_iter([(FORGOTTEN.to_owned(), Value::from(name))]));
    }

    /// A call of the control API that may have changed what the servers answer from now on.
    pub fn control(&self, at: i64, request: &Request, answer: &Answer, credentials: &Credentials) {
        let mut recorder = self.lock();
        if recorder.ended {
            return;
        }
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
                _ if request.is_form() => {
                    ("text", Value::from(self.names.pairs(&String::from_utf8_lossy(&request.body))))
                }
                _ => ("text", Value::from(self.names.text(&String::from_utf8_lossy(&request.body)))),
            };
            line.insert(name.to_owned(), value);
        }
        line.insert("method".to_owned(), Value::from(request.method.clone()));
        line.insert("path".to_owned(), Value::from(self.names.hide(&request.path)));
        if !request.query.is_empty() {
            line.insert("query".to_owned(), Value::from(self.names.pairs(&request.query)));
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
            Sink::Memory { bytes, most } if bytes.len() + text.len() > *most => {
                // The last line says so, to whoever reads it and to a replay.
                bytes.extend_from_slice(format!("{}\n", json!({CUT: line["at"]})).as_bytes());
                Some("it is too large".to_owned())
            }
            Sink::Memory { bytes, .. } => {
                bytes.extend_from_slice(text.as_bytes());
                None
            }
        };
        if let Some(reason) = failed {
            say(format!("vp-simulator: the recording ends here: {reason}"));
            self.ended = true;
            self.pending.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control;
    use crate::settings::Settings;
    use crate::temp::TempDir;

    fn call(sim: &mut Sim, method: &str, path: &str) -> (u16, String) {
        let (method, path, headers) = (method.to_owned(), path.to_owned(), HeaderMap::new());
        let request = Request { method, path, query: String::new(), headers, body: Vec::new(), connection: 1 };
        let answer = control::handle(sim, &request);
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    #[test]
    fn one_that_is_too_large_keeps_what_it_has_and_says_where_it_was_cut() {
        let mut sim = Sim::new(Settings::default());
        sim.clock.freeze(true);
        sim.recording = Some(Recording::of_at_most(600, &sim));
        for _ in 0..20 {
            assert!(sim.clock.advance(10));
            call(&mut sim, "POST", "/_sim/tokens/revoke");
        }
        let (status, text) = call(&mut sim, "GET", "/_sim/recording");
        assert_eq!(status, 200);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let last = lines.len() - 1;
        assert!(last > 2 && last < 20, "{text}");
        assert_eq!(lines[last], json!({"cut_at": last * 10}), "the first line that is not there");
        call(&mut sim, "POST", "/_sim/reset");
        assert_eq!(call(&mut sim, "GET", "/_sim/recording"), (200, text.clone()), "nothing is added after a hole");

        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("cut.jsonl");
        std::fs::write(&path, &text).expect("written");
        let (told, same) = replay(&path).expect("a good file");
        assert!(same && told.contains("was cut there"), "{told}");
        assert!(told.contains(&format!("{} requests", last - 1)), "{told}");

        assert_eq!(call(&mut sim, "DELETE", "/_sim/recording"), (200, text));
        assert_eq!(call(&mut sim, "GET", "/_sim/recording").0, 404);
        assert_eq!(call(&mut sim, "POST", "/_sim/recording").0, 200, "and another one begins");
    }

    /// As a full disk does.
    #[test]
    fn one_whose_file_has_failed_is_in_nobodys_way() {
        let mut sim = Sim::new(Settings::default());
        let full = std::path::Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        sim.recording = Recording::to_file(full, &sim).ok();
        assert!(sim.recording.as_ref().is_some_and(Recording::has_ended));
        assert_eq!(call(&mut sim, "POST", "/_sim/recording").0, 200);
        assert_eq!(call(&mut sim, "GET", "/_sim/recording").0, 200);
    }
}
