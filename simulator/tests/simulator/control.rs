use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, push};

#[test]
fn nothing_secret_comes_out() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body["paymentDescription"] = json!(format!("for {PHONE}"));
    bench.create_with(&body).send();
    bench.create("ride-0002").key("k").raw(format!("call {PHONE} now").as_bytes()).send();
    bench
        .create("ride-0003")
        .json(&json!({"customer": {"phoneNumber": PHONE.parse::<u64>().expect("a number")}}))
        .send();
    let everything = [
        bench.sim("GET", "requests", Value::Null).to_string(),
        bench.sim("GET", "ledger", Value::Null).to_string(),
        bench.ledger("ride-0001").to_string(),
    ]
    .concat();
    for secret in [PHONE, &PHONE[2..], "sim-client-id", "sim-client-secret", "sim-subscription-key", &bench.token] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert!(everything.contains("********67"));
}

#[test]
fn every_request_is_noted() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let list = bench.sim("GET", "requests", Value::Null);
    let create = &list[1];
    assert_eq!((&list[0]["operation"], &create["operation"]), (&json!("token"), &json!("create")));
    assert_eq!((&create["n"], &create["status"], &create["fault"]), (&json!(2), &json!(201), &Value::Null));
    assert_eq!((&create["reference"], &create["idempotency_key"]), (&json!("ride-0001"), &json!("create-ride-0001")));
    assert_eq!((&create["method"], &create["path"]), (&json!("POST"), &json!("/epayment/v1/payments")));
    assert_eq!(create["body"]["amount"]["value"], 24500);
    assert_eq!(create["headers"]["vipps-system-name"], "bench");
    assert_eq!(create["body_sha256"].as_str().map(str::len), Some(64));
    assert!(create["connection"].as_u64() > list[0]["connection"].as_u64());
}

#[test]
fn rules_for_passengers() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    bench.advance(60_000);
    // A rule that comes later counts from then on.
    bench.sim("POST", "passenger", json!({"rule": "approve-after=5s", "phone": PHONE}));
    assert_eq!(bench.state("ride-0001"), "CREATED");
    bench.advance(5_000);
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    bench.sim("POST", "passenger", json!({"rule": "decline", "reference": "ride-0002"}));
    bench.create("ride-0002").send();
    assert_eq!(bench.state("ride-0002"), "ABORTED");
    bench.create("ride-0003").send();
    bench.sim("POST", "payments/ride-0003/decline", Value::Null);
    assert_eq!(bench.state("ride-0003"), "ABORTED");
}

#[test]
fn the_clock() {
    let bench = Bench::new();
    let now = |bench: &Bench| bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time");
    let before = now(&bench);
    assert_eq!(now(&bench), before);
    bench.advance(1_500);
    assert_eq!(now(&bench), before + 1_500);
    bench.sim("POST", "clock", json!({"freeze": false}));
    assert!(now(&bench) >= before + 1_500);
    let date = bench.get("ride-0001").header("date").expect("a date");
    assert!(date.ends_with(" GMT"), "{date}");
}

#[test]
fn bad_input_names_the_field() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    for (method, path, body, status, part) in [
        ("POST", "clock", json!({}), 400, "advance_ms"),
        ("POST", "clock", json!({"advance_ms": "1"}), 400, "advance_ms"),
        ("POST", "clock", json!({"advance_ms": -1}), 400, "advance_ms"),
        ("POST", "clock", json!({"advance_ms": i64::MAX}), 400, "advance_ms"),
        ("POST", "clock", json!({"freeze": 1}), 400, "freeze"),
        ("POST", "clock", json!({"speed": 0}), 400, "speed"),
        ("POST", "clock", json!({"speed": 100_001}), 400, "speed"),
        ("POST", "clock", json!({"speed": 1.5}), 400, "speed"),
        ("POST", "clock", json!({"fast": 1}), 400, "fast"),
        ("POST", "clock", json!([]), 400, "object"),
        ("POST", "switches", json!({"no-such": "x"}), 400, "no-such"),
        ("POST", "switches", json!({"profile": "x"}), 400, "profile"),
        ("POST", "switches", json!({"profile": 1}), 400, "profile"),
        ("POST", "passenger", json!({}), 400, "rule"),
        ("POST", "passenger", json!({"rule": "sleep"}), 400, "rule"),
        ("POST", "passenger", json!({"rule": "ignore", "phone": 1}), 400, "phone"),
        ("POST", "passenger", json!({"rule": "ignore", "phone": "1", "reference": "x"}), 400, "phone"),
        ("POST", "faults", json!({"operation": "pay", "action": "refuse"}), 400, "operation"),
        ("POST", "faults", json!([{"operation": "get", "action": "refuse"}, {}]), 400, "rule 2"),
        ("POST", "credentials", json!({"msn": "1"}), 400, "msn"),
        ("POST", "credentials", json!({"password": "1"}), 400, "password"),
        ("POST", "payments/ride-0001/capture", json!({}), 400, "amount"),
        ("POST", "payments/ride-0001/capture", json!({"amount": 0}), 400, "amount"),
        ("POST", "payments/ride-0001/cancel", json!({"amount": 1}), 400, "amount"),
        ("POST", "payments/ride-0001/capture", json!({"amount": 99_999}), 409, "6090"),
        ("POST", "payments/ride-none/approve", Value::Null, 404, "ride-none"),
        ("POST", "payments/ride-0001/eat", Value::Null, 404, "eat"),
        ("GET", "ledger/ride-none", Value::Null, 404, "ride-none"),
        ("GET", "nothing", Value::Null, 404, "nothing"),
    ] {
        let reply = bench.try_sim(method, path, &body);
        let text = reply.json()["error"].as_str().unwrap_or_else(|| panic!("{path} {body}")).to_owned();
        assert_eq!(reply.status, status, "{path} {body}: {text}");
        assert!(text.contains(part), "{path} {body}: {text}");
    }
    assert_eq!(bench.sim("GET", "faults", Value::Null), json!([]), "a bad list adds nothing");
}

#[test]
fn reset_goes_back_to_the_command_line() {
    let mut bench =
        Bench::with(&["--switch", "profile=missing", "--fault", r#"{"operation":"refund","action":"refuse"}"#]);
    bench.create("ride-0001").send();
    bench.switch("token-numbers", "numbers");
    bench.advance(1_000_000);
    bench.sim("DELETE", "faults", Value::Null);
    bench.sim("POST", "credentials", json!({"msn": "7654321"}));
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(bench.sim("GET", "requests", Value::Null), json!([]));
    assert_eq!(bench.sim("GET", "ledger", Value::Null)["payments"], json!([]));
    assert_eq!(bench.sim("GET", "faults", Value::Null)[0]["operation"], "refund");
    let switches = bench.sim("GET", "switches", Value::Null);
    assert_eq!((&switches["profile"], &switches["token-numbers"]), (&json!("missing"), &json!("strings")));
    let clock = bench.sim("GET", "clock", Value::Null);
    assert_eq!((&clock["offset_ms"], &clock["frozen"]), (&json!(0), &json!(false)));
    assert_eq!(bench.get("ride-0001").status, 401);
    bench.token = bench.fetch_token();
    assert_eq!(bench.create("ride-0001").send().status, 201);
}

#[test]
fn both_ports_have_it_and_only_one_has_the_servers() {
    let bench = Bench::new();
    assert_eq!(bench.bare("GET", "/_sim/health").send().json()["ok"], true);
    let address = bench.simulator.control_url.clone();
    let elsewhere = Bench::at(&address, "GET", "/epayment/v1/payments/ride-0001").send();
    assert_eq!(elsewhere.status, 404);
    assert!(elsewhere.json()["error"].is_string());
}
