use serde_json::json;

use crate::bench::{Bench, push, totals};

#[test]
fn before_the_approval() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let body = bench.cancel("ride-0001", true).send().json();
    assert_eq!(body["state"], "TERMINATED");
    assert_eq!(totals(&body), [0, 0, 24500, 0]);
    assert_eq!(totals(&bench.get("ride-0001").json()), [0, 0, 24500, 0]);
    assert_eq!(bench.cancel("ride-0001", true).send().code(), (400, 6050));
    bench.switch("repeat-cancel", "6190");
    assert_eq!(bench.cancel("ride-0001", true).send().code(), (400, 6190));
    // The passenger is too late.
    assert_eq!(bench.try_sim("POST", "payments/ride-0001/approve", &json!(null)).status, 409);
    assert_eq!(bench.ledger("ride-0001")["cancel_count"], 1);
}

#[test]
fn after_the_approval() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    assert_eq!(bench.cancel("ride-0001", true).send().code(), (400, 6060));
    assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 0, 0, 0]);
    let body = bench.cancel("ride-0001", false).send().json();
    assert_eq!(body["state"], "AUTHORIZED");
    assert_eq!(totals(&body), [24500, 0, 24500, 0]);
    assert_eq!(bench.cancel("ride-0001", false).send().code(), (400, 6050));
}

#[test]
fn after_captures() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.capture("ride-0001", 24000, "c").send();
    assert_eq!(totals(&bench.cancel("ride-0001", false).send().json()), [24500, 24000, 500, 0]);
    bench.approved("ride-0002");
    bench.capture("ride-0002", 24500, "c").send();
    assert_eq!(bench.cancel("ride-0002", false).send().code(), (400, 6040));
}

#[test]
fn without_a_body_or_a_key() {
    let bench = Bench::new();
    for reference in ["ride-0001", "ride-0002"] {
        bench.create(reference).send();
    }
    let bare = |reference| bench.on("POST", reference, "/cancel").without("Content-Type").send();
    assert_eq!(bare("ride-0001").status, 200);
    bench.switch("cancel-without-body", "400");
    assert_eq!(bare("ride-0002").invalid(), ["$"]);
    assert_eq!(bench.on("POST", "ride-0002", "/cancel").json(&json!({})).send().status, 200);
}

#[test]
fn with_a_key_it_is_repeated_not_refused() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    for _ in 0..2 {
        assert_eq!(bench.cancel("ride-0001", true).key("k").send().status, 200);
    }
    assert_eq!(bench.cancel("ride-0001", false).key("k").send().code(), (409, 4020));
    bench.switch("cancelled-event-key", "present");
    let events = bench.on("GET", "ride-0001", "/events").send().json();
    assert_eq!((&events[1]["name"], &events[1]["idempotencyKey"]), (&json!("TERMINATED"), &json!("k")));
}

#[test]
fn approved_in_the_very_moment_of_the_cancel() {
    let bench = Bench::new();
    bench.sim("POST", "passenger", json!({"rule": "approve-on-cancel", "reference": "ride-0001"}));
    bench.create("ride-0001").send();
    bench.advance(60_000);
    assert_eq!(bench.state("ride-0001"), "CREATED");
    assert_eq!(bench.cancel("ride-0001", true).send().code(), (400, 6060));
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 0, 0, 0]);

    let mut body = push("ride-0002");
    body["customer"]["phoneNumber"] = json!("4799999906");
    bench.create_with(&body).send();
    assert_eq!(totals(&bench.cancel("ride-0002", false).send().json()), [24500, 0, 24500, 0]);
}

#[test]
fn while_the_user_is_busy() {
    let bench = Bench::with(&["--passenger", "busy-from=1s,approve-after=8s"]);
    bench.create("ride-0001").send();
    bench.advance(1_000);
    assert_eq!(bench.cancel("ride-0001", true).key("k").send().code(), (423, 6160));
    bench.switch("cancel-while-approving", "6250");
    assert_eq!(bench.cancel("ride-0001", true).key("k").send().code(), (400, 6250));
    bench.advance(7_000);
    assert_eq!(bench.cancel("ride-0001", true).key("k").send().code(), (400, 6060));

    bench.switch("sticky-6250", "on");
    bench.create("ride-0002").send();
    bench.advance(1_000);
    assert_eq!(bench.cancel("ride-0002", true).key("k").send().code(), (400, 6250));
    bench.advance(7_000);
    assert_eq!(bench.cancel("ride-0002", true).key("k").send().code(), (400, 6250));
    assert_eq!(bench.cancel("ride-0002", true).key("k2").send().code(), (400, 6060));
}
