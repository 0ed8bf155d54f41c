use serde_json::json;

use crate::bench::{Bench, modification, push};

#[test]
fn the_same_again_is_done_once() {
    let bench = Bench::new();
    let first = bench.create("ride-0001").send();
    let again = bench.create("ride-0001").send();
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    bench.approve("ride-0001");
    let first = bench.capture("ride-0001", 1000, "c1").send();
    let again = bench.capture("ride-0001", 1000, "c1").send();
    assert_eq!((again.status, &again.body), (200, &first.body));
    let spaced = modification(1000).to_string().replace(':', " : ");
    assert_eq!(bench.capture("ride-0001", 1000, "c1").raw(spaced.as_bytes()).send().status, 200);
    let entry = bench.ledger("ride-0001");
    assert_eq!((&entry["capture_count"], &entry["captured"]), (&json!(1), &json!(1000)));
    let acted: Vec<bool> =
        entry["requests"].as_array().expect("a list").iter().filter_map(|r| r["acted"].as_bool()).collect();
    assert_eq!(acted, [true, false, true, false, false]);
    bench.switch("replay-status", "200");
    assert_eq!(bench.create("ride-0001").send().status, 200);
}

#[test]
fn the_same_key_for_something_else_is_a_conflict() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let other = push("ride-0002");
    assert_eq!(bench.create_with(&other).key("create-ride-0001").send().code(), (409, 4020));
    bench.capture("ride-0001", 1000, "k").send();
    assert_eq!(bench.capture("ride-0001", 1001, "k").send().code(), (409, 4010));
    // Keys count for each operation.
    assert_eq!(bench.refund("ride-0001", 100, "k").send().status, 200);
    assert_eq!(bench.refund("ride-0001", 101, "k").send().code(), (409, 4150));
    assert_eq!(bench.cancel("ride-0001", true).key("k").send().code(), (400, 6060));
    assert_eq!(bench.ledger("ride-0001")["captured"], 1000);
}

#[test]
fn keys_count_for_each_reference_or_for_the_whole_unit() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.approved("ride-0002");
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().status, 200);
    assert_eq!(bench.capture("ride-0002", 1000, "k").send().status, 200);
    bench.switch("idempotency-scope", "msn");
    assert_eq!(bench.capture("ride-0001", 1, "k2").send().status, 200);
    assert_eq!(bench.capture("ride-0002", 1, "k2").send().code(), (409, 4010));
    assert_eq!(bench.refund("ride-0001", 1, "k2").send().code(), (409, 4150));
}

#[test]
fn a_known_reference_with_a_new_key() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    assert_eq!(bench.create("ride-0001").key("another").send().code(), (409, 4150));
    bench.switch("known-reference-status", "400");
    assert_eq!(bench.create("ride-0001").key("a third").send().code(), (400, 4150));
    // References are compared by case.
    assert_eq!(bench.create("RIDE-0001").send().status, 201);
}

#[test]
fn a_first_refusal_stays_for_its_key() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    bench.create("ride-0001").send();
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().code(), (400, 6080));
    bench.approve("ride-0001");
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().code(), (400, 6080));
    assert_eq!(bench.capture("ride-0001", 2000, "k").send().code(), (400, 6080));
    assert_eq!(bench.capture("ride-0001", 1000, "k2").send().status, 200);
    bench.switch("sticky-errors", "off");
    assert_eq!(bench.capture("ride-0001", 99_999, "k3").send().code(), (400, 6090));
    assert_eq!(bench.capture("ride-0001", 1000, "k3").send().status, 200);
}

#[test]
fn what_must_be_tried_again_does_not_stay() {
    let mut bench = Bench::new();
    bench.create("ride-0001").send();
    bench.approve("ride-0001");
    bench.sim("POST", "tokens/revoke", json!(null));
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().status, 401);
    bench.token = bench.fetch_token();
    bench.fault(json!({"operation": "capture", "action": "status", "status": 500}));
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().status, 500);
    assert_eq!(bench.capture("ride-0001", 1000, "k").send().status, 200);
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
}
