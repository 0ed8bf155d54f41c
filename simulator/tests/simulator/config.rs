//! A configuration file, read by the program as a vendor starts it.

use std::fs;

use serde_json::{Value, json};
use vp_simulator::cli::{self, Command};
use vp_simulator::temp::TempDir;

use crate::bench::Bench;
use crate::command_line::output;

/// The example of the README.
fn example() -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("an example");
    rest.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn the_command_line_wins_over_the_file_of_the_readme() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("simulator.toml");
    fs::write(&path, example()).expect("written");
    match cli::parse(["--config", path.to_str().expect("a path")]) {
        Ok(Command::Run(options)) => assert!(options.settings.tls),
        other => panic!("{other:?}"),
    }
    fs::write(&path, example().replace("tls = true", "tls = false")).expect("written");
    let path = path.to_str().expect("a path");
    let bench = Bench::with(&[
        "--switch",
        "timestamps=seconds",
        "--config",
        path,
        "--fault",
        r#"{"operation":"get","action":"refuse"}"#,
    ]);
    assert!(!bench.simulator.url.ends_with(":4010"));
    let switches = bench.sim("GET", "switches", Value::Null);
    assert_eq!(
        (&switches["adjust-aggregate"], &switches["profile"], &switches["timestamps"]),
        (&json!("empty-lagging:2000"), &json!("missing"), &json!("seconds"))
    );
    let faults = bench.sim("GET", "faults", Value::Null);
    let operations: Vec<&str> =
        faults.as_array().expect("a list").iter().filter_map(|rule| rule["operation"].as_str()).collect();
    assert_eq!(operations, ["capture", "get"]);
}

#[test]
fn a_mistake_ends_the_start() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("simulator.toml");
    fs::write(&path, "port = 0\n\nspede = 3\n").expect("written");
    let path = path.to_str().expect("a path");
    let out = output(&["--config", path]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("--config: {path}:3: spede: there is no such option")), "{said}");
    for arguments in [vec!["--config", "/no/such/file"], vec!["--config", path, "--config", path], vec!["--config"]] {
        match cli::parse(arguments.iter().copied()) {
            Err(reason) => assert!(reason.starts_with("--config"), "{reason}"),
            Ok(_) => panic!("{arguments:?}"),
        }
    }
}
