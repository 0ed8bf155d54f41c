//! The traffic is written down without secrets and numbers of phones, and a replay of it gets the same answers.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::{Value, json};
use vp_simulator::replay;
use vp_simulator::temp::TempDir;

use crate::bench::{Bench, PHONE, push, receipt};
use crate::command_line::output;
use crate::webhook_deliveries::settled;
use crate::webhooks::{ALL, register, registered};

/// What a meter may meet on a day, good and bad.
fn session(bench: &Bench) {
    bench.sim("POST", "passenger", json!({"rule": "approve-after=5s", "phone": PHONE}));
    let mut body = push("ride-0001");
    body["paymentDescription"] = json!(format!("Taxi for {}", &PHONE[2..]));
    assert_eq!(bench.create_with(&body).send().status, 201);
    bench.advance(5_000);
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    let path = "/order-management/v2/ECOM/receipts/ride-0001";
    bench.call("POST", path).json(&receipt(20000, 17857)).send();
    bench.call("GET", "/order-management/v2/ECOM/ride-0001").send();
    bench.fault(json!({"operation": "capture", "action": "lose_answer"}));
    assert!(bench.capture("ride-0001", 20000, "capture-1").try_send().is_err());
    bench.capture("ride-0001", 20000, "capture-1").send();
    bench.fault(json!({"operation": "cancel", "action": "reset_before"}));
    assert!(bench.cancel("ride-0001", false).key("cancel-1").try_send().is_err());
    bench.cancel("ride-0001", false).key("cancel-1").send();
    bench.on("GET", "ride-0001", "/events").send();
    // Mistakes of every kind.
    bench.create("ride-0002").json(&json!({"customer": {"phoneNumber": 4791234567_u64}})).send();
    bench.create("ride-0002").raw(format!("{{\"call\": {PHONE} now").as_bytes()).send();
    bench.create("ride-0002").raw(br#"{"reference": "ride-0002", "reference": "ride-0002"}"#).send();
    bench.create(&format!("ride-{}", &PHONE[2..])).send();
    bench.get(&format!("ride-{}", &PHONE[2..])).json();
    bench.get("ride-0009");
    bench.token_call().header("client_secret", "not this one").send();
    bench.token_call().header("Ocp-Apim-Subscription-Key", "nor this").send();
    bench.on("GET", "ride-0001", "").header("Authorization", "Bearer of bad news").send();
    bench.fault(json!({"operation": "get", "action": "revoke_token"}));
    assert_eq!(bench.get("ride-0001").status, 401);
    let token = bench.fetch_token();
    let with =
        |reference: &str| bench.on("GET", reference, "").header("Authorization", &format!("Bearer {token}")).send();
    assert_eq!(with("ride-0001").status, 200);
    // A payment that is opened by its link, and one more from a moment that was saved.
    bench.sim("POST", "passenger", json!({"rule": "manual", "reference": "ride-0003"}));
    let mut body = push("ride-0003");
    body["userFlow"] = json!("QR");
    let create = bench.create_with(&body).header("Authorization", &format!("Bearer {token}"));
    let url = create.send().json()["redirectUrl"].as_str().expect("a link").to_owned();
    let link = url.split_once("token=").expect("a token").1.split('&').next().expect("it").to_owned();
    bench.sim("POST", "snapshots/opened", Value::Null);
    let approve = bench
        .call("POST", "/epayment/v1/test/payments/ride-0003/approve")
        .header("Authorization", &format!("Bearer {token}"))
        .json(&json!({"token": link}));
    assert_eq!(approve.send().status, 200);
    bench.advance(60_000);
    bench.sim("POST", "snapshots/opened/restore", Value::Null);
    assert_eq!(with("ride-0003").json()["state"], "CREATED");
    bench.advance(600_000);
    assert_eq!(with("ride-0003").json()["state"], "EXPIRED");
    bench.sim("POST", "credentials", json!({"client_secret": "a new secret of ours"}));
    bench.token_call().header("client_secret", "a new secret of ours").send();
}

/// The recording of a session, and what must not be in it.
fn recorded(arguments: &[&str]) -> (String, Vec<String>) {
    let bench = Bench::with(arguments);
    bench.sim("POST", "recording", Value::Null);
    // The bench has fetched one before the recording began.
    let token = bench.fetch_token();
    let bench = Bench { token, ..bench };
    session(&bench);
    let reply = bench.try_sim("DELETE", "recording", &Value::Null);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/jsonl"));
    let mut secrets: Vec<String> = [PHONE, &PHONE[2..], "sim-client-secret", "sim-subscription-key", "not this one"]
        .into_iter()
        .chain(["nor this", "bad news", "a new secret of ours"])
        .map(str::to_owned)
        .collect();
    secrets.push(bench.token.clone());
    (reply.text(), secrets)
}

fn written(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("ride.jsonl");
    fs::write(&path, text).expect("written");
    path
}

#[test]
fn a_session_replayed_gets_the_same_answers_and_the_file_leaks_nothing() {
    for arguments in [vec![], vec!["--preset", "other", "--token-life", "7200s"], vec!["--preset", "strict"]] {
        let (text, secrets) = recorded(&arguments);
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret}");
        }
        assert!(text.contains("4700000001") && text.contains("<token 2>"), "{text}");
        let dir = TempDir::new().expect("a directory");
        let (told, same) = replay(&written(&dir, &text)).expect("a good file");
        assert!(same, "{arguments:?}: {told}");
        let count: usize = told.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
        assert!(count >= 30, "{told}");
    }
}

#[test]
fn a_clock_that_runs_is_replayed_too() {
    let bench = Bench::with(&["--passenger", "approve-after=7s"]);
    bench.sim("POST", "recording", Value::Null);
    let token = bench.fetch_token();
    let bench = Bench { token, ..bench };
    bench.sim("POST", "clock", json!({"freeze": false, "speed": 100_000}));
    for n in 0..20 {
        let reference = format!("ride-000{n}");
        bench.create(&reference).send();
        bench.sim("POST", "passenger", json!({"rule": "decline-after=7s", "reference": reference}));
        bench.on("GET", &reference, "/events").send();
        bench.capture(&reference, 24500, &reference).send();
        bench.on("GET", &reference, "/events").send();
    }
    let text = bench.try_sim("GET", "recording", &Value::Null).text();
    let dir = TempDir::new().expect("a directory");
    let (told, same) = replay(&written(&dir, &text)).expect("a good file");
    assert!(same && told.starts_with("101 requests"), "{told}");
}

#[test]
fn a_webhook_that_dies_of_silence_dies_in_a_replay_too() {
    let bench = Bench::with(&["--token-life", "365d"]);
    bench.sim("POST", "recording", Value::Null);
    let token = bench.fetch_token();
    let bench = Bench { token, ..bench };
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    register(&bench, &format!("http://{address}/dies"), &[ALL[0]]);
    register(&bench, &format!("http://{address}/lives"), &[ALL[2]]);
    bench.create("ride-0001").send();
    settled(&bench);
    bench.advance(15 * 86_400_000);
    settled(&bench);
    assert_eq!(registered(&bench).len(), 1, "two weeks of silence");
    let text = bench.try_sim("DELETE", "recording", &Value::Null).text();
    let dir = TempDir::new().expect("a directory");
    let (told, same) = replay(&written(&dir, &text)).expect("a good file");
    assert!(same && told.starts_with("5 requests"), "{told}");
    let line = "\"webhook_deleted\":\"<id 1>\"";
    let without: Vec<&str> = text.lines().filter(|other| !other.contains(line)).collect();
    assert_eq!(without.len() + 1, text.lines().count(), "{text}");
    let (told, same) = replay(&written(&dir, &without.join("\n"))).expect("a good file");
    assert!(!same && told.contains("/webhooks/v1/webhooks"), "{told}");
}

#[test]
fn the_same_session_gives_the_same_file() {
    let lines = |text: &str| -> Vec<String> { text.lines().skip(1).map(str::to_owned).collect() };
    let (first, second) = (recorded(&[]).0, recorded(&[]).0);
    assert_eq!(lines(&first), lines(&second));
}

#[test]
fn what_differs_is_told_with_its_line() {
    let (text, _) = recorded(&[]);
    let dir = TempDir::new().expect("a directory");
    // Servers that read a point otherwise, and a file with another answer in it.
    let (told, same) =
        replay(&written(&dir, &text.replacen("\"switches\":{}", "\"switches\":{\"profile\":\"missing\"}", 1)))
            .expect("a good file");
    assert!(!same && told.contains("body.profile: recorded {}, now missing"), "{told}");
    let line = 1 + text.lines().position(|line| line.contains("/capture\"") && line.contains("20000")).expect("it");
    let other: Vec<String> = (text.lines().enumerate())
        .map(|(at, text)| {
            if at + 1 == line {
                text.replace("\"state\":\"AUTHORIZED\"", "\"state\":\"ABORTED\"")
            } else {
                text.to_owned()
            }
        })
        .collect();
    let path = written(&dir, &other.join("\n"));
    let out = output(&["replay", path.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    let expected = format!("{}:{line}: POST /epayment/v1/payments/ride-0001/capture", path.display());
    assert!(said.contains(&expected) && said.contains("recorded \"ABORTED\", now \"AUTHORIZED\""), "{said}");
    assert!(said.contains(", 1 answered otherwise"), "{said}");
}

#[test]
fn a_file_from_the_start_on() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("day.jsonl");
    let bench = Bench::with(&["--record", path.to_str().expect("a path"), "--passenger", "approve-after=2s"]);
    assert_eq!(bench.create("ride-0001").send().status, 201);
    bench.advance(2_000);
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    // A recording belongs to the process: a reset does not end it, and no caller does.
    bench.sim("POST", "reset", Value::Null);
    for (method, status) in [("POST", 409), ("GET", 404), ("DELETE", 404), ("PUT", 404)] {
        assert_eq!(bench.try_sim(method, "recording", &Value::Null).status, status, "{method}");
    }
    assert_eq!(bench.get("ride-0001").status, 401);
    let (told, same) = replay(&path).expect("a good file");
    assert!(same && told.starts_with("5 requests"), "{told}");
    let text = fs::read_to_string(&path).expect("a file");
    // As editors leave files.
    let (told, same) =
        replay(&written(&dir, &format!("\n{}\n \n", text.replacen('\n', "\n\n", 2)))).expect("a good file");
    assert!(same && told.starts_with("5 requests"), "{told}");
    assert!(
        text.starts_with("{\"options\":[[\"passenger\",\"manual\"],[\"passenger\",\"approve-after=2s\"]]"),
        "{text}"
    );
}

#[test]
fn bad_files_are_told_with_the_reason() {
    let dir = TempDir::new().expect("a directory");
    let head = r#"{"recording":1,"start":0,"options":[],"switches":{}}"#;
    for (text, part) in [
        (String::new(), "is empty"),
        ("\n \n".to_owned(), "is empty"),
        ("{".to_owned(), ":1: is no JSON"),
        ("{}".to_owned(), ":1: is no recording"),
        (r#"{"recording":2}"#.to_owned(), ":1: is no recording of version 1"),
        (r#"{"recording":1}"#.to_owned(), ":1: field \"start\""),
        (r#"{"recording":1,"start":0,"options":[1]}"#.to_owned(), ":1: field \"options\""),
        (r#"{"recording":1,"start":0,"options":[["record","x"]]}"#.to_owned(), "record is none of them"),
        (r#"{"recording":1,"start":0,"switches":{"odd":"x"}}"#.to_owned(), ":1: no switch"),
        (format!("{head}\n[]"), ":2: field \"at\""),
        (format!("{head}\n{{\"at\":0,\"method\":\"GET\",\"path\":\"/\"}}"), ":2: field \"headers\""),
        (format!("{head}\n{{\"at\":0,\"method\":\"GET\",\"path\":\"/\",\"headers\":{{}}}}"), ":2: field \"answer\""),
        (format!("{head}\n{{\"at\":0"), ":2: is no JSON"),
    ] {
        let path = written(&dir, &text);
        let reason = replay(&path).expect_err("a bad file");
        assert!(reason.contains(part), "{text}: {reason}");
        let out = output(&["replay", path.to_str().expect("a path")]);
        assert_eq!(out.status.code(), Some(2), "{text}");
    }
    for arguments in [vec!["replay"], vec!["replay", "a", "b"], vec!["replay", "--tls"], vec!["--tls", "replay", "a"]] {
        assert_eq!(output(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let out = output(&["--port", "0", "--record", "/no/such/place"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--record: cannot write /no/such/place"));
}
