//! What somebody else does in the merchant's portal, and who hears of it.

use serde_json::{Value, json};

use crate::bench::{Bench, totals};
use crate::receiver::Receiver;
use crate::webhooks::{ALL, register};

/// Name, amount and key of each event, and whether there is a key at all.
fn events(bench: &Bench, reference: &str) -> Vec<(String, i64, Option<Value>)> {
    let log = bench.on("GET", reference, "/events").send().json();
    let of = |event: &Value| {
        let name = event["name"].as_str().expect("a name").to_owned();
        (name, event["amount"]["value"].as_i64().expect("an amount"), event.get("idempotencyKey").cloned())
    };
    log.as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn captures_refunds_and_cancels_of_others_are_seen_in_every_place() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    bench.approved("ride-0001");
    bench.sim("POST", "payments/ride-0001/capture", json!({"amount": 500}));
    bench.sim("POST", "payments/ride-0001/refund", json!({"amount": 100}));
    let shown = bench.sim("POST", "payments/ride-0001/cancel", Value::Null);
    assert_eq!(shown["cancelled"], 24000);
    assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 500, 24000, 100]);
    let expected = [("CAPTURED", 500), ("REFUNDED", 100), ("CANCELLED", 24000)];
    let seen = events(&bench, "ride-0001");
    assert_eq!(seen[2..], expected.map(|(name, amount)| (name.to_owned(), amount, None)));
    let told: Vec<(String, i64)> = (receiver.wait(5)[2..].iter())
        .map(|one| (one.name(), one.json()["amount"]["value"].as_i64().expect("an amount")))
        .collect();
    assert_eq!(told, expected.map(|(name, amount)| (name.to_owned(), amount)));
    assert!(receiver.seen()[2..].iter().all(|one| one.json().get("idempotencyKey").is_none()));
}

#[test]
fn a_cancel_before_the_approval_ends_the_request() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0001").send();
    for wrong in [0, 1, 24499] {
        assert_eq!(bench.try_sim("POST", "payments/ride-0001/cancel", &json!({"amount": wrong})).status, 400);
    }
    bench.sim("POST", "payments/ride-0001/cancel", json!({"amount": 24500}));
    let body = bench.get("ride-0001").json();
    assert_eq!((&body["state"], totals(&body)), (&json!("TERMINATED"), [0, 0, 24500, 0]));
    assert_eq!(receiver.names(2), ["CREATED", "TERMINATED"]);
    assert_eq!(bench.try_sim("POST", "payments/ride-0001/approve", &Value::Null).status, 409);
    let again = bench.try_sim("POST", "payments/ride-0001/cancel", &Value::Null);
    assert!(again.status == 409 && again.text().contains("6050"), "{}", again.text());
    assert_eq!(bench.cancel("ride-0001", true).send().code(), (400, 6050), "and the meter finds it done");
}

#[test]
fn the_portal_may_have_keys_of_its_own() {
    let bench = Bench::with(&["--switch", "cancelled-event-key=present"]);
    bench.approved("ride-0001");
    for (wish, amount) in [("capture", 500), ("refund", 100), ("cancel", 24000)] {
        let body = json!({"amount": amount, "idempotency_key": format!("portal-{wish}")});
        bench.sim("POST", &format!("payments/ride-0001/{wish}"), body);
    }
    let seen: Vec<_> = events(&bench, "ride-0001")[2..].iter().filter_map(|event| event.2.clone()).collect();
    assert_eq!(seen, [json!("portal-capture"), json!("portal-refund"), json!("portal-cancel")]);
    // The store of keys is the API's: the same key is free there.
    bench.approved("ride-0002");
    assert_eq!(bench.capture("ride-0002", 100, "portal-capture").send().status, 200);
    for key in [json!(""), json!("k".repeat(51)), json!(1)] {
        let body = json!({"amount": 1, "idempotency_key": key});
        let refused = bench.try_sim("POST", "payments/ride-0002/capture", &body);
        assert!(refused.status == 400 && refused.text().contains("idempotency_key"), "{}", refused.text());
    }
    let refused = bench.try_sim("POST", "payments/ride-0002/approve", &json!({"idempotency_key": "x"}));
    assert_eq!(refused.status, 400);
}

#[test]
fn the_rules_of_the_money_hold_for_the_portal_too() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let refused = |wish: &str, amount: i64, code: &str| {
        let reply = bench.try_sim("POST", &format!("payments/ride-0001/{wish}"), &json!({"amount": amount}));
        assert!(reply.status == 409 && reply.text().contains(code), "{wish}: {}", reply.text());
    };
    refused("capture", 1, "6080");
    refused("refund", 1, "6020");
    bench.approve("ride-0001");
    refused("capture", 24501, "6090");
    bench.sim("POST", "payments/ride-0001/capture", json!({"amount": 24500}));
    refused("capture", 1, "6170");
    refused("refund", 24501, "6150");
    let reply = bench.try_sim("POST", "payments/ride-0001/cancel", &Value::Null);
    assert!(reply.status == 409 && reply.text().contains("6040"), "{}", reply.text());
}

/// Between two requests of the meter, as by another person at the same time.
#[test]
fn the_meter_finds_less_than_it_thought() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.sim("POST", "payments/ride-0001/capture", json!({"amount": 20000}));
    assert_eq!(bench.capture("ride-0001", 24500, "c").send().code(), (400, 6090));
    bench.sim("POST", "payments/ride-0001/refund", json!({"amount": 19900}));
    assert_eq!(bench.refund("ride-0001", 200, "r").send().code(), (400, 6150));
    assert_eq!(bench.refund("ride-0001", 100, "r2").send().status, 200);
}
