//! The whole state is saved under a name and restored.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::bench::{Bench, Call, receipt};

fn now(bench: &Bench) -> i64 {
    bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time")
}

fn save(bench: &Bench, name: &str) -> Value {
    bench.sim("POST", &format!("snapshots/{name}"), Value::Null)
}

fn restore(bench: &Bench, name: &str) -> Value {
    bench.sim("POST", &format!("snapshots/{name}/restore"), Value::Null)
}

#[test]
fn what_came_after_has_not_happened() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.switch("profile", "missing");
    bench.fault(json!({"operation": "capture", "action": "reset_after", "nth": 2}));
    bench.capture("ride-0001", 100, "a").send();
    let moment = now(&bench);
    assert_eq!(save(&bench, "approved"), json!({"name": "approved", "now": moment, "payments": 1}));
    let ledger = bench.ledger("ride-0001");
    let requests = bench.sim("GET", "requests", Value::Null);
    let faults = bench.sim("GET", "faults", Value::Null);

    // Everything moves on.
    assert!(bench.capture("ride-0001", 200, "b").try_send().is_err());
    bench.approved("ride-0002");
    let path = "/order-management/v2/ECOM/receipts/ride-0001";
    assert_eq!(bench.call("POST", path).json(&receipt(100, 89)).send().status, 201);
    bench.switch("profile", "object");
    bench.sim("POST", "passenger", json!({"rule": "decline"}));
    bench.sim("POST", "credentials", json!({"msn": "654321"}));
    bench.sim("POST", "tokens/revoke", Value::Null);
    bench.advance(3_600_000);

    for _ in 0..2 {
        assert_eq!(restore(&bench, "approved")["payments"], 1);
        assert_eq!(now(&bench), moment);
        assert_eq!(bench.ledger("ride-0001"), ledger);
        assert_eq!(bench.sim("GET", "requests", Value::Null), requests);
        assert_eq!(bench.sim("GET", "faults", Value::Null), faults);
        assert_eq!(bench.sim("GET", "switches", Value::Null)["profile"], "missing");
        assert_eq!(bench.try_sim("GET", "ledger/ride-0002", &Value::Null).status, 404);
        // Token, keys and answers, rules and receipts as they were.
        assert!(bench.capture("ride-0001", 200, "b").try_send().is_err());
        assert_eq!(bench.capture("ride-0001", 200, "b").send().status, 200);
        assert_eq!(bench.ledger("ride-0001")["captured"], 300);
        assert_eq!(bench.call("POST", path).json(&receipt(100, 89)).send().status, 201);
        bench.create("ride-0002").send();
        assert_eq!(bench.state("ride-0002"), "CREATED");
    }
}

#[test]
fn tokens_live_as_long_as_they_had_left() {
    let bench = Bench::with(&["--token-life", "60s"]);
    bench.advance(50_000);
    save(&bench, "old-token");
    bench.advance(20_000);
    assert_eq!(bench.get("ride-0001").status, 401);
    let later = bench.fetch_token();
    restore(&bench, "old-token");
    assert_eq!(bench.get("ride-0001").status, 404);
    bench.advance(9_999);
    assert_eq!(bench.get("ride-0001").status, 404);
    let with_later = bench.on("GET", "ride-0001", "").header("Authorization", &format!("Bearer {later}"));
    assert_eq!(with_later.send().status, 401);
    bench.advance(1);
    assert_eq!(bench.get("ride-0001").status, 401);
}

#[test]
fn a_running_clock_goes_on_from_the_moment_of_the_snapshot() {
    let bench = Bench::new();
    bench.sim("POST", "clock", json!({"freeze": false, "speed": 100_000}));
    let saved = save(&bench, "running")["now"].as_i64().expect("a time");
    const HOUR: i64 = 3_600_000;
    while now(&bench) < saved + HOUR {}
    bench.sim("POST", "clock", json!({"freeze": true, "speed": 1}));
    let restored = restore(&bench, "running")["now"].as_i64().expect("a time");
    assert!(restored >= saved && restored < saved + HOUR, "{restored} after {saved}");
    let clock = bench.sim("GET", "clock", Value::Null);
    assert_eq!((&clock["speed"], &clock["frozen"]), (&json!(100_000), &json!(false)));
}

/// Waits until the servers have noted a request that a fault delays.
fn delayed(bench: &Bench, call: &Call) -> TcpStream {
    let count = || bench.sim("GET", "requests", Value::Null).as_array().map(Vec::len);
    let before = count();
    let stream = call.open();
    while count() == before {}
    stream
}

fn is_reset(mut stream: TcpStream) {
    let error = stream.read(&mut [0; 1]).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_request_under_way_acts_in_no_other_state_and_is_not_taken_for_a_later_one() {
    let bench = Bench::new();
    save(&bench, "empty");
    bench.create("ride-0001").send();
    bench.fault(json!({"operation": "create", "action": "delay", "ms": 200}));
    let under_way = delayed(&bench, &bench.create("ride-0002"));
    restore(&bench, "empty");
    for n in 0..5 {
        assert_eq!(bench.get(&format!("ride-001{n}")).status, 404);
    }
    is_reset(under_way);
    assert_eq!(bench.try_sim("GET", "ledger/ride-0002", &Value::Null).status, 404);
    let list = bench.sim("GET", "requests", Value::Null);
    let shown: Vec<_> =
        list.as_array().expect("a list").iter().skip(1).map(|r| (&r["operation"], &r["status"], &r["acted"])).collect();
    assert_eq!(shown, [(&json!("get"), &json!(404), &json!(false)); 5]);
}

#[test]
fn a_reset_ends_what_is_under_way() {
    let mut bench = Bench::with(&["--switch", "while-running=409"]);
    bench.fault(json!({"operation": "create", "action": "delay", "ms": 200}));
    let under_way = delayed(&bench, &bench.create("ride-0001"));
    bench.sim("POST", "reset", Value::Null);
    bench.token = bench.fetch_token();
    // It does not run any more, so nobody has to wait for it.
    assert_eq!(bench.create("ride-0001").send().status, 201);
    let before = bench.ledger("ride-0001");
    is_reset(under_way);
    assert_eq!(bench.ledger("ride-0001"), before);
}

#[test]
fn what_ran_at_the_moment_of_the_snapshot_does_not_run_for_ever() {
    let bench = Bench::with(&["--switch", "while-running=409"]);
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "delay", "ms": 200}));
    let under_way = delayed(&bench, &bench.capture("ride-0001", 100, "a"));
    save(&bench, "busy");
    assert_eq!(bench.capture("ride-0001", 100, "a").send().code(), (409, 6160));
    assert!(answer(under_way).starts_with("HTTP/1.1 200"));
    restore(&bench, "busy");
    assert_eq!(bench.ledger("ride-0001")["captured"], 0);
    assert_eq!(bench.capture("ride-0001", 100, "a").send().status, 200);
}

#[test]
fn names_and_a_reset() {
    let bench = Bench::new();
    for name in ["a%20b", "", "x%2Fy", &"n".repeat(65)] {
        assert!(
            [400, 404].contains(&bench.try_sim("POST", &format!("snapshots/{name}"), &Value::Null).status),
            "{name}"
        );
    }
    for (method, path) in [("POST", "snapshots/none/restore"), ("DELETE", "snapshots/none")] {
        let reply = bench.try_sim(method, path, &Value::Null);
        assert_eq!((reply.status, &reply.json()["error"]), (404, &json!("no snapshot \"none\"")));
    }
    bench.create("ride-0001").send();
    save(&bench, "one");
    save(&bench, "two");
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(bench.sim("GET", "ledger", Value::Null)["payments"], json!([]));
    let names = |bench: &Bench| -> Vec<String> {
        let list = bench.sim("GET", "snapshots", Value::Null);
        list.as_array().expect("a list").iter().map(|s| s["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&bench), ["one", "two"]);
    restore(&bench, "two");
    assert_eq!(bench.ledger("ride-0001")["state"], "CREATED");
    bench.sim("DELETE", "snapshots/two", Value::Null);
    assert_eq!(names(&bench), ["one"]);
    for n in 0..19 {
        save(&bench, &format!("s{n}"));
    }
    assert_eq!(bench.try_sim("POST", "snapshots/more", &Value::Null).status, 409);
    assert_eq!(save(&bench, "one")["payments"], 1);
}
