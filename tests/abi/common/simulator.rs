//! A simulator of the servers: a process of its own on free ports, ended with the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use super::{http, places};

pub struct Simulator {
    child: Child,
    /// Held open: the simulator ends when this test process does, however that happens.
    stdin: Option<ChildStdin>,
    /// Of the servers: `https://127.0.0.1:PORT`.
    pub url: String,
    /// Of the control API: `127.0.0.1:PORT`.
    pub control: String,
    /// The throw-away authority; none without TLS.
    pub ca_file: Option<String>,
}

impl Simulator {
    pub fn start(arguments: &[&str]) -> Simulator {
        let program = places::simulator();
        // A test's own switches come later and win.
        let preset = preset();
        let mut child = Command::new(&program)
            .args([
                "--port",
                "0",
                "--exit-with-parent",
                "--check-answers",
                "crash",
                "--preset",
                &preset,
            ])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let stdin = child.stdin.take();
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its stdout");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(ready["ready"], true, "{ready}");
        let text = |name: &str| ready[name].as_str().map(str::to_owned);
        let control = text("control").expect("control");
        Simulator {
            child,
            stdin,
            url: text("url").expect("url"),
            control: control.trim_start_matches("http://").to_owned(),
            ca_file: text("ca_file"),
        }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = http::ask(&self.control, method, &format!("/_sim/{path}"), body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, Some(&body))
    }

    /// The books of one payment; null if the servers do not know it.
    pub fn ledger(&self, reference: &str) -> Value {
        let (status, answer) = http::ask(
            &self.control,
            "GET",
            &format!("/_sim/ledger/{reference}"),
            None,
        );
        match status {
            200 => answer,
            404 => Value::Null,
            _ => panic!("ledger: {status} {answer}"),
        }
    }

    /// Every request that reached the servers.
    pub fn requests(&self) -> Vec<Value> {
        match self.get("requests") {
            Value::Array(list) => list,
            other => panic!("requests: {other}"),
        }
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        sent(&self.requests(), operation).len()
    }

    pub fn fault(&self, rule: Value) {
        self.post("faults", rule);
    }

    pub fn clear_faults(&self) {
        self.ask("DELETE", "faults", None);
    }

    /// What a passenger does from now on.
    pub fn passenger(&self, rule: &str) {
        self.post("passenger", json!({ "rule": rule }));
    }

    /// The passenger acts now: "approve" or "decline".
    pub fn act(&self, reference: &str, what: &str) {
        self.ask("POST", &format!("payments/{reference}/{what}"), None);
    }

    pub fn switch(&self, name: &str, value: &str) {
        self.post("switches", json!({ name: value }));
    }

    /// Exactly so much was captured, refunded and released, and each in so many movements.
    #[track_caller]
    pub fn books(
        &self,
        reference: &str,
        captured: &[i64],
        cancelled: i64,
        refunded: &[i64],
    ) -> Value {
        let ledger = self.ledger(reference);
        assert!(!ledger.is_null(), "the servers do not know {reference}");
        let amounts = |name: &str| -> Vec<i64> {
            let list = ledger[name].as_array().expect("a list");
            list.iter()
                .map(|m| m["amount"].as_i64().expect("an amount"))
                .collect()
        };
        assert_eq!(amounts("captures"), captured, "captures of {ledger:#}");
        assert_eq!(amounts("refunds"), refunded, "refunds of {ledger:#}");
        assert_eq!(
            ledger["captured"],
            captured.iter().sum::<i64>(),
            "{ledger:#}"
        );
        assert_eq!(
            ledger["refunded"],
            refunded.iter().sum::<i64>(),
            "{ledger:#}"
        );
        assert_eq!(ledger["cancelled"], cancelled, "{ledger:#}");
        ledger
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // In good order, so that it removes its directory; by force if that takes long.
        drop(self.stdin.take());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Under which reading of what the published sources leave open this run is.
pub fn preset() -> String {
    std::env::var("VPMETER_PRESET").unwrap_or_else(|_| "default".to_owned())
}

/// The requests of one operation.
pub fn sent<'a>(requests: &'a [Value], operation: &str) -> Vec<&'a Value> {
    requests
        .iter()
        .filter(|r| r["operation"] == operation)
        .collect()
}
