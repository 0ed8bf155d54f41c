use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use vp_simulator::cli::{self, Command};

use crate::bench::Bench;
use crate::command_line::output;

/// A file that goes with the test.
struct Rules(PathBuf);

impl Rules {
    fn new(name: &str, text: &str) -> Rules {
        let path = std::env::temp_dir().join(format!("vp-simulator-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("writes");
        Rules(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn rules_come_from_files_and_the_command_line_in_their_order() {
    let lines = Rules::new(
        "lines.json",
        concat!(
            "{\"operation\": \"capture\", \"action\": \"lose_answer\"}\n\n",
            "{\"operation\": \"get\", \"action\": \"status\", \"status\": 503}\n",
        ),
    );
    let list = Rules::new("list.json", "[\n  {\"operation\": \"refund\", \"action\": \"refuse\"}\n]\n");
    let one = r#"{"operation":"cancel","action":"delay","ms":1}"#;
    let bench = Bench::with(&["--faults", lines.path(), "--fault", one, "--faults", list.path()]);
    let names = |bench: &Bench| -> Vec<Value> {
        let list = bench.sim("GET", "faults", Value::Null);
        list.as_array().expect("a list").iter().map(|rule| rule["operation"].clone()).collect()
    };
    assert_eq!(names(&bench), ["capture", "get", "cancel", "refund"]);
    assert_eq!((bench.get("ride-0001").status, bench.get("ride-0001").status), (503, 404));
    bench.sim("DELETE", "faults", Value::Null);
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(names(&bench), ["capture", "get", "cancel", "refund"], "a reset goes back to the command line");
    assert_eq!(bench.get("ride-0001").status, 503);
}

#[test]
fn what_is_listed_can_be_a_file_again() {
    let bench = Bench::new();
    bench.fault(json!([
        {"operation": "capture", "action": "lose_answer", "reference": "ride-0001", "probability": 0.5, "seed": 3},
        {"operation": "connection", "action": "limit", "connections": 100},
    ]));
    let list = bench.sim("GET", "faults", Value::Null);
    let file = Rules::new("again.json", &list.to_string());
    let again = Bench::with(&["--faults", file.path()]).sim("GET", "faults", Value::Null);
    for (mut first, mut second) in
        list.as_array().into_iter().flatten().cloned().zip(again.as_array().cloned().unwrap())
    {
        for name in ["seen", "fired"] {
            first[name].take();
            second[name].take();
        }
        assert_eq!(first, second);
    }
}

#[test]
fn a_bad_file_ends_the_start_with_its_line() {
    let good = "{\"operation\": \"get\", \"action\": \"refuse\"}\n";
    let nth = "{\n\"operation\": \"get\",\n\"nth\": 0,\n\"action\": \"refuse\"\n}\n";
    for (name, text, expected) in [
        ("nth", format!("{good}\n{good}{nth}"), "nth:6: rule 3: field \"nth\": must be an integer of at least 1"),
        ("cut", format!("{good}{{\"operation\": "), "cut:2: rule 2: no JSON: "),
        ("list", format!("[{good}{good}]"), "list:2: after rule 1: expected , or ]"),
        ("what", format!("{good}what\n"), "what:2: rule 2: a fault rule is a JSON object"),
    ] {
        let file = Rules::new(name, &text);
        let output = output(&["--port", "0", "--exit-with-parent", "--faults", file.path()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("vp-simulator: --faults: ") && said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    }
    let binary = Rules::new("binary", "");
    fs::write(&binary.0, b"{}\n\n\xff").expect("writes");
    for (path, expected) in
        [(binary.path(), "binary:3: is not UTF-8"), ("/nonexistent", "/nonexistent: cannot be read")]
    {
        let reason = cli::parse(["--faults", path]).map(|_: Command| ()).expect_err("a bad file");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_certificate_rule_needs_tls() {
    let rule = r#"{"operation":"connection","action":"certificate","certificate":"expired"}"#;
    let output = output(&["--port", "0", "--exit-with-parent", "--fault", rule]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a simulator with --tls"));
    let bench = Bench::new();
    let refused = bench.try_sim("POST", "faults", &serde_json::from_str(rule).expect("JSON"));
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("rule 1: field \\\"action\\\""), "{}", refused.text());
}
