//! A recorded session once more, against servers that begin anew: do they still answer the same?

use std::fmt::Write;
use std::fs;
use std::path::Path;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::names::Names;
use super::{CUT, FORGOTTEN, RIGHT, VERSION, WRONG, right, shown};
use crate::cli::{self, Options};
use crate::control;
use crate::exchange;
use crate::settings::Credentials;
use crate::sim::Sim;
use crate::wire::{Answer, Request};

/// A long list helps nobody.
const TOLD: usize = 50;

/// What to print, and whether all answers were the same. On a bad file: where, and why.
pub fn replay(path: &Path) -> Result<(String, bool), String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let full = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut lines = full.map(|(index, line)| {
        let at = format!("{name}:{}", index + 1);
        match serde_json::from_str::<Value>(line) {
            Ok(value) => Ok((at, value)),
            Err(error) => Err(format!("{at}: is no JSON: {error}")),
        }
    });
    let (at, head) = lines.next().unwrap_or_else(|| Err(format!("{name}: is empty")))?;
    let mut servers = Servers::begin(&head).map_err(|reason| format!("{at}: {reason}"))?;
    let (mut told, mut done, mut different) = (String::new(), 0, 0);
    for line in lines {
        let (at, line) = line?;
        if line.get(CUT).is_some() {
            let _ = writeln!(told, "{at}: the recording had become too large and was cut there");
            continue;
        }
        if let Some(id) = line[FORGOTTEN].as_str() {
            servers.forget(id);
            continue;
        }
        let line = Line::read(&line).map_err(|reason| format!("{at}: {reason}"))?;
        let Some(expected) = line.answer else { continue };
        let now = servers.ask(&line);
        done += 1;
        let Some(difference) = difference("", expected, &now) else { continue };
        different += 1;
        if different <= TOLD {
            let _ = writeln!(told, "{at}: {} {} at {} ms: {difference}", line.method, line.path, line.at);
        }
    }
    let _ = writeln!(told, "{done} requests, {different} answered otherwise");
    Ok((told, different == 0))
}

struct Line<'a> {
    at: i64,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: &'a Map<String, Value>,
    body: &'a Value,
    text: Option<&'a str>,
    fault: Option<&'a str>,
    answer: Option<&'a Value>,
}

impl Line<'_> {
    fn read(line: &Value) -> Result<Line<'_>, String> {
        let text = |field: &str| line[field].as_str().ok_or_else(|| format!("field \"{field}\": must be a string"));
        Ok(Line {
            at: line["at"].as_i64().ok_or("field \"at\": must be an integer")?,
            method: text("method")?,
            path: text("path")?,
            query: line["query"].as_str().unwrap_or_default(),
            headers: line["headers"].as_object().ok_or("field \"headers\": must be an object")?,
            body: &line["body"],
            text: line["text"].as_str(),
            fault: line["fault"].as_str(),
            answer: line.get("answer").ok_or("field \"answer\": is missing").map(|a| (!a.is_null()).then_some(a))?,
        })
    }
}

struct Servers {
    sim: Sim,
    names: Names,
    start: i64,
}

impl Servers {
    fn begin(head: &Value) -> Result<Servers, String> {
        if head["recording"].as_u64() != Some(VERSION) {
            return Err(format!("is no recording of version {VERSION}"));
        }
        let start = head["start"].as_i64().ok_or("field \"start\": must be an integer")?;
        let mut options = Options::default();
        for pair in head["options"].as_array().into_iter().flatten() {
            let (Some(name), Some(value)) = (pair[0].as_str(), pair[1].as_str()) else {
                return Err("field \"options\": must be a list of pairs of strings".to_owned());
            };
            if !cli::is_recorded(name) {
                return Err(format!("field \"options\": {name} is none of them"));
            }
            cli::apply(&mut options, name, Some(value.into()))?;
        }
        for (name, value) in head["switches"].as_object().into_iter().flatten() {
            let value = value.as_str().ok_or("field \"switches\": must hold strings")?;
            options.settings.switches.set(name, value)?;
        }
        let mut sim = Sim::new(options.settings);
        sim.base_url = "https://127.0.0.1".to_owned();
        sim.clock.stand_at(start);
        Ok(Servers { sim, names: Names::default(), start })
    }

    fn forget(&mut self, webhook: &str) {
        self.sim.webhooks.remove(&self.names.reveal(webhook));
    }

    fn ask(&mut self, line: &Line) -> Value {
        let sim = &mut self.sim;
        sim.clock.stand_at(self.start.saturating_add(line.at));
        let request = request(line, &self.names, &sim.credentials);
        if line.path.starts_with("/_sim/") {
            let answer = control::handle(sim, &request);
            shown(&mut self.names, &answer, self.start);
            return serde_json::json!({"status": answer.status});
        }
        let answer = exchanged(sim, &request, line.fault);
        shown(&mut self.names, &answer, self.start)
    }
}

fn exchanged(sim: &mut Sim, request: &Request, fault: Option<&str>) -> Answer {
    let noted = exchange::on_whole(sim, request);
    if fault == Some("revoke_token") {
        exchange::revoke_token(sim, request);
    }
    exchange::act(sim, request, &noted)
}

fn request(line: &Line, names: &Names, credentials: &Credentials) -> Request {
    let mut headers = HeaderMap::new();
    for (name, value) in line.headers {
        let value = value.as_str().unwrap_or_default();
        let value = match (right(name, credentials), value) {
            (Some(right), RIGHT) => right.to_owned(),
            (Some(right), WRONG) => format!("not {right}"),
            _ => names.reveal(value),
        };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    let body = match (line.text, line.body) {
        (Some(text), _) => names.reveal(text).into_bytes(),
        (None, Value::Null) => Vec::new(),
        (None, body) => names.reveal_all(body).to_string().into_bytes(),
    };
    Request {
        method: line.method.to_owned(),
        path: names.reveal(line.path),
        query: names.reveal(line.query),
        headers,
        body,
        connection: 0,
    }
}

/// The first place at which two answers differ.
fn difference(path: &str, recorded: &Value, now: &Value) -> Option<String> {
    match (recorded, now) {
        (Value::Object(a), Value::Object(b)) => {
            let inner = |key: &String| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => difference(&path, a, b),
                    (Some(a), None) => Some(format!("{path}: recorded {}, now missing", brief(a))),
                    (None, Some(b)) => Some(format!("{path}: not recorded, now {}", brief(b))),
                    (None, None) => None,
                }
            };
            a.keys().chain(b.keys()).find_map(inner)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(at, (a, b))| difference(&format!("{path}[{at}]"), a, b))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path}: recorded {}, now {}", brief(a), brief(b))),
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(120).collect()
}
