//! What reads and events leave out, or say too early or too late; what stays for a key; and what is taken for what.

use serde_json::{Value, json};

use crate::bench::{Bench, modification, push, totals};
use crate::receiver::{Delivered, Receiver};
use crate::webhooks::{ALL, register};

#[test]
fn metadata_of_a_read() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body["metadata"] = json!({"mark": "1", "trip": "7"});
    bench.create_with(&body).send();
    bench.create("ride-0002").send();
    let seen = |reference: &str| bench.get(reference).json().get("metadata").cloned();
    for (value, expected) in [
        ("present", Some(json!({"mark": "1", "trip": "7"}))),
        ("missing", None),
        ("null", Some(Value::Null)),
        ("empty", Some(json!({}))),
    ] {
        bench.switch("metadata", value);
        assert_eq!(seen("ride-0001"), expected, "{value}");
        assert_eq!(seen("ride-0002"), None, "{value}: what was never given is never shown");
        assert_eq!(bench.ledger("ride-0001")["metadata"]["trip"], "7", "the books have it all the same");
    }
}

#[test]
fn keys_of_captures_and_refunds() {
    for (value, expected) in [
        ("present", [Some(json!("c")), Some(json!("r"))]),
        ("absent", [None, None]),
        ("null", [Some(Value::Null), Some(Value::Null)]),
    ] {
        let bench = Bench::with(&["--switch", &format!("adjust-event-key={value}")]);
        let receiver = Receiver::new();
        register(&bench, &receiver.url(), &ALL);
        bench.approved("ride-0001");
        bench.capture("ride-0001", 500, "c").send();
        bench.refund("ride-0001", 100, "r").send();
        bench.cancel("ride-0001", false).key("x").send();
        let log = bench.on("GET", "ride-0001", "/events").send().json();
        let key = |event: &Value| event.get("idempotencyKey").cloned();
        assert_eq!([key(&log[2]), key(&log[3])], expected, "{value}");
        // The others are as they were.
        let others = [key(&log[0]), key(&log[1]), key(&log[4])];
        assert_eq!(others, [Some(json!("create-ride-0001")), Some(json!("create-ride-0001")), None]);
        let told: Vec<Value> = receiver.wait(5).iter().map(Delivered::json).collect();
        assert_eq!([key(&told[2]), key(&told[3])], expected, "{value}");
        assert_eq!(bench.ledger("ride-0001")["captures"][0]["idempotency_key"], "c");
    }
}

/// What is captured by the totals, and by the event log.
fn captured(bench: &Bench) -> [i64; 2] {
    let log = bench.on("GET", "ride-0001", "/events").send().json();
    let events = log.as_array().expect("a list").iter().filter(|event| event["name"] == "CAPTURED");
    let sum = events.filter_map(|event| event["amount"]["value"].as_i64()).sum();
    [totals(&bench.get("ride-0001").json())[1], sum]
}

#[test]
fn the_event_log_lags_apart_from_the_totals() {
    for (totals, log, moments) in [
        ("updated", "with-totals", [[500, 500], [500, 500], [500, 500], [500, 500]]),
        ("updated", "lagging:2000", [[500, 0], [500, 0], [500, 500], [500, 500]]),
        ("lagging:2000", "with-totals", [[0, 0], [0, 0], [500, 500], [500, 500]]),
        ("lagging:2000", "at-once", [[0, 500], [0, 500], [500, 500], [500, 500]]),
        ("empty-lagging:2000", "lagging:3000", [[0, 0], [0, 0], [500, 0], [500, 500]]),
    ] {
        let bench = Bench::new();
        bench.switch("adjust-aggregate", totals);
        bench.switch("event-log", log);
        bench.approved("ride-0001");
        assert_eq!(bench.capture("ride-0001", 500, "c").send().status, 200);
        let seen = [0, 1_999, 1, 1_000].map(|ms| {
            bench.advance(ms);
            captured(&bench)
        });
        assert_eq!(seen, moments, "{totals} {log}");
    }
}

#[test]
fn a_first_refusal_of_every_code_stays_by_a_switch() {
    let bench = Bench::with(&["--rate-limits", "off", "--passenger", "busy-from=0s,approve-after=8s"]);
    for (value, stays) in [("on", false), ("every", true)] {
        bench.switch("sticky-errors", value);
        // The bank cannot be reached for a moment.
        let reference = format!("ride-{value}-1");
        bench.create(&reference).send();
        bench.advance(8_000);
        bench.sim("POST", &format!("payments/{reference}/fail-captures"), Value::Null);
        assert_eq!(bench.capture(&reference, 1000, "c").send().code(), (400, 6280));
        let again = bench.capture(&reference, 1000, "c").send();
        assert_eq!((again.status == 400, bench.ledger(&reference)["captured"] == 0), (stays, stays), "{value} 6280");
        // The customer is in the middle of approving: 423.
        for (reading, status, code) in [("423", 423, 6160), ("409", 409, 6160), ("6250", 400, 6250)] {
            bench.switch("cancel-while-approving", reading);
            let reference = format!("ride-{value}-{reading}");
            bench.create(&reference).send();
            assert_eq!(bench.cancel(&reference, false).key("x").send().code(), (status, code));
            bench.advance(8_000);
            let again = bench.cancel(&reference, false).key("x").send();
            assert_eq!(again.status, if stays { status } else { 200 }, "{value} {reading}");
            assert_eq!(bench.cancel(&reference, false).key("y").send().status, if stays { 200 } else { 400 });
        }
        // The bank has let go: 6260, until it holds the money no more for anybody.
        bench.switch("card", "bankaxept");
        let reference = format!("ride-{value}-2");
        bench.create(&reference).send();
        bench.advance(8_000);
        assert_eq!(bench.capture(&reference, 99_999, "c").send().code(), (400, 6090));
        assert_eq!(bench.capture(&reference, 99_999, "c").send().code(), (400, 6090), "as any other");
    }
    // What the gateway says is of no key.
    let mut bench = bench;
    bench.sim("POST", "tokens/revoke", Value::Null);
    assert_eq!(bench.capture("ride-every-2", 100, "d").send().status, 401);
    bench.token = bench.fetch_token();
    assert_eq!(bench.capture("ride-every-2", 100, "d").send().status, 200);
}

#[test]
fn numbers_where_texts_belong() {
    let bench = Bench::new();
    let mut body = push("unused");
    body["reference"] = json!(2_486_791_679_658_155_992_i64);
    body["customer"]["phoneNumber"] = json!(4_791_234_567_i64);
    let create = |body: &Value, key: &str| bench.create_with(body).key(key).send();
    assert_eq!(create(&body, "a").invalid(), ["customer.phoneNumber", "reference"]);
    bench.switch("json-numbers", "accepted");
    let reply = create(&body, "b");
    assert_eq!((reply.status, reply.json()), (201, json!({"reference": "2486791679658155992"})));
    assert_eq!(bench.state("2486791679658155992"), "CREATED");
    let entry = bench.ledger("2486791679658155992");
    assert_eq!((&entry["phone_masked"], &entry["requests"][1]["status"]), (&json!("********67"), &json!(201)));
    assert!(!bench.sim("GET", "requests", Value::Null).to_string().contains("91234567"), "masked as a text is");
    // The same as a text is the same payment.
    let mut text = push("2486791679658155992");
    text["customer"]["phoneNumber"] = json!("4791234567");
    assert_eq!(create(&text, "c").code(), (409, 4150));
    assert_eq!(create(&body, "b").status, 201);
    for (name, value) in [
        ("reference", json!(2_486_791_679_658.5)),
        ("reference", json!(-24_867_916)),
        ("reference", json!(true)),
        ("reference", json!(1)),
        ("userFlow", json!(1)),
    ] {
        let mut body = push("ride-0002");
        body[name] = value.clone();
        assert_eq!(create(&body, &format!("{name} {value}")).invalid(), [name], "{value}");
    }
    bench.approve("2486791679658155992");
    let mut odd = modification(1);
    odd["modificationAmount"]["currency"] = json!(578);
    let reply = bench.on("POST", "2486791679658155992", "/capture").key("c").json(&odd).send();
    assert_eq!(reply.invalid(), ["modificationAmount.currency"]);
}

#[test]
fn a_rule_for_a_reference_finds_it_as_a_number_too() {
    let bench = Bench::with(&["--preset", "lenient"]);
    bench.fault(json!({"operation": "create", "reference": "24867916", "action": "status", "status": 503}));
    let mut body = push("unused");
    body["reference"] = json!(24_867_916);
    assert_eq!(bench.create_with(&body).send().status, 503);
    assert_eq!(bench.create_with(&body).send().status, 201);
}
