//! The amounts with a meaning of their own in the test environment.

use serde_json::{Value, json};

use crate::bench::{Bench, modification, push, totals};

fn create(bench: &Bench, reference: &str, amount: i64) {
    let mut body = push(reference);
    body["amount"]["value"] = json!(amount);
    assert_eq!(bench.create_with(&body).send().status, 201);
}

fn failed(bench: &Bench, reference: &str) -> Vec<String> {
    let tries = bench.ledger(reference)["failed_tries"].clone();
    tries.as_array().expect("a list").iter().map(|one| one["why"].as_str().expect("a reason").to_owned()).collect()
}

fn events(bench: &Bench, reference: &str) -> Vec<(String, bool)> {
    let list = bench.on("GET", reference, "/events").send().json();
    let pair = |event: &Value| (event["name"].as_str().unwrap_or_default().to_owned(), event["success"] == true);
    list.as_array().expect("a list").iter().map(pair).collect()
}

#[test]
fn the_attempt_fails_in_the_app_and_the_payment_expires() {
    let bench = Bench::with(&["--passenger", "approve-after=3s"]);
    let failing = [
        (151, "insufficient-funds"),
        (182, "card-refused"),
        (183, "suspected-fraud"),
        (184, "withdrawal-limit"),
        (186, "card-expired"),
        (187, "card-invalid"),
        (197, "3ds-denied"),
        (202, "identification-required"),
    ];
    for (amount, _) in failing {
        create(&bench, &format!("ride-{amount:04}"), amount);
    }
    create(&bench, "ride-0150", 150);
    bench.advance(3_000);
    assert_eq!(bench.state("ride-0150"), "AUTHORIZED");
    for (amount, why) in failing {
        let reference = format!("ride-{amount:04}");
        assert_eq!((bench.state(&reference).as_str(), failed(&bench, &reference)), ("CREATED", vec![why.to_owned()]));
        assert_eq!(events(&bench, &reference).len(), 1, "the merchant is told nothing");
        let by_hand = bench.try_sim("POST", &format!("payments/{reference}/approve"), &Value::Null);
        assert_eq!(by_hand.status, 200, "{}", by_hand.text());
        assert_eq!(failed(&bench, &reference).len(), 2, "a person may try again, in vain");
    }
    bench.advance(600_000);
    assert_eq!(bench.state("ride-0151"), "EXPIRED");
}

#[test]
fn some_fail_in_norway_alone_and_none_when_switched_off() {
    let bench = Bench::with(&["--currency", "DKK", "--passenger", "approve"]);
    for (amount, state) in [(151, "CREATED"), (197, "AUTHORIZED"), (202, "AUTHORIZED")] {
        let mut body = push(&format!("ride-{amount:04}"));
        body["amount"] = json!({"value": amount, "currency": "DKK"});
        assert_eq!(bench.create_with(&body).send().status, 201);
        assert_eq!(bench.state(&format!("ride-{amount:04}")), state);
    }
    let off = Bench::with(&["--passenger", "approve", "--switch", "special-amounts=off"]);
    create(&off, "ride-0151", 151);
    create(&off, "ride-0201", 201);
    assert_eq!((off.state("ride-0151").as_str(), off.state("ride-0201").as_str()), ("AUTHORIZED", "AUTHORIZED"));
}

#[test]
fn nobody_knows_for_an_hour() {
    let mut bench = Bench::with(&["--passenger", "approve-after=3s"]);
    create(&bench, "ride-0201", 201);
    bench.advance(3_000);
    assert_eq!(bench.state("ride-0201"), "CREATED");
    // What the bank may have done is not undone by a cancel, nor by the end of the ten minutes.
    assert_eq!(bench.cancel("ride-0201", true).send().code(), (423, 6160));
    bench.advance(3_599_999);
    bench.token = bench.fetch_token();
    assert_eq!(bench.state("ride-0201"), "CREATED");
    bench.advance(1);
    assert_eq!(bench.state("ride-0201"), "AUTHORIZED");
    assert_eq!(bench.cancel("ride-0201", false).send().status, 200);
}

#[test]
fn what_failed_may_be_an_event() {
    let bench = Bench::with(&["--passenger", "approve-after=3s", "--switch", "failed-operations=events"]);
    create(&bench, "ride-0151", 151);
    create(&bench, "ride-0001", 24500);
    bench.advance(3_000);
    let failed = ("AUTHORIZED".to_owned(), false);
    assert_eq!(events(&bench, "ride-0151"), [("CREATED".to_owned(), true), failed]);
    let read = bench.get("ride-0151").json();
    assert_eq!((&read["state"], totals(&read)), (&json!("CREATED"), [0, 0, 0, 0]));

    bench.sim("POST", "payments/ride-0001/fail-captures", Value::Null);
    assert_eq!(bench.capture("ride-0001", 24500, "c1").send().code(), (400, 6280));
    assert_eq!(bench.capture("ride-0001", 24500, "c1").send().status, 200);
    assert_eq!(bench.refund("ride-0001", 123, "r1").send().code(), (400, 5100));
    let names: Vec<String> = events(&bench, "ride-0001").into_iter().map(|(name, ok)| format!("{name} {ok}")).collect();
    assert_eq!(names, ["CREATED true", "AUTHORIZED true", "CAPTURED false", "CAPTURED true", "REFUNDED false"]);
    let entry = bench.ledger("ride-0001");
    let count = |name: &str| entry[name].as_i64();
    assert_eq!((count("capture_count"), count("captured")), (Some(1), Some(24500)));
    assert_eq!((count("refund_count"), count("refunded")), (Some(0), Some(0)));
    let books = json!({"reference": "ride-0001", "captured_exactly_once": true, "never_over_reservation": true});
    assert_eq!(bench.sim("POST", "assert", books)["holds"], true);
}

#[test]
fn refunds_with_a_meaning() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.capture("ride-0001", 24500, "c1").send();
    assert_eq!(bench.refund("ride-0001", 123, "r1").send().code(), (400, 5100));
    assert_eq!(bench.refund("ride-0001", 124, "r2").send().code(), (400, 6220));
    assert_eq!(bench.refund("ride-0001", 125, "r3").send().status, 200);
    assert_eq!(bench.ledger("ride-0001")["refunded"], 125);
}

#[test]
fn the_bank_lets_go_or_cannot_be_reached() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    bench.create("ride-0001").send();
    assert_eq!(bench.try_sim("POST", "payments/ride-0001/release", &Value::Null).status, 409);
    bench.approve("ride-0001");
    bench.sim("POST", "payments/ride-0001/fail-captures", json!({"times": 2}));
    // The same key may be tried again, and does it once in the end.
    assert_eq!(bench.capture("ride-0001", 1000, "c1").send().code(), (400, 6280));
    assert_eq!(bench.capture("ride-0001", 1000, "c1").send().code(), (400, 6280));
    assert_eq!(bench.capture("ride-0001", 1000, "c1").send().status, 200);
    assert_eq!(bench.capture("ride-0001", 1000, "c1").send().status, 200);

    let released = bench.sim("POST", "payments/ride-0001/release", Value::Null);
    assert!(released["released_at"].is_i64(), "{released}");
    assert_eq!(bench.capture("ride-0001", 1000, "c2").send().code(), (400, 6260));
    assert_eq!(bench.ledger("ride-0001")["captured"], 1000);
    // What was captured before can be paid back, what was reserved can be given up.
    assert_eq!(bench.refund("ride-0001", 500, "r1").send().status, 200);
    assert_eq!(bench.cancel("ride-0001", false).send().status, 200);
    for bad in [json!({"times": -1}), json!({"amount": 1}), json!({"times": "2"})] {
        assert_eq!(bench.try_sim("POST", "payments/ride-0001/fail-captures", &bad).status, 400, "{bad}");
    }
}

const DAY: i64 = 86_400_000;

#[test]
fn how_long_a_card_is_good_for_the_money() {
    for (card, days) in [("mastercard", 30), ("visa", 7), ("visa-electron", 5), ("bankaxept", 7)] {
        let mut bench = Bench::with(&["--switch", "capture-guaranteed-until=present"]);
        bench.switch("card", card);
        bench.approved("ride-0001");
        let at = |bench: &Bench| bench.get("ride-0001").json()["captureGuaranteedUntil"].clone();
        let now = bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time");
        assert_eq!(at(&bench), clock_text(now + days * DAY), "{card}");
        bench.advance(days * DAY - 1);
        bench.token = bench.fetch_token();
        assert_eq!(bench.capture("ride-0001", 1000, "c1").send().status, 200, "{card}");
        bench.advance(1);
        bench.token = bench.fetch_token();
        let late = bench.capture("ride-0001", 1000, "c2").send();
        // Most banks still pay; BankAxept ends with its guarantee.
        match card {
            "bankaxept" => assert_eq!(late.code(), (400, 6260)),
            _ => assert_eq!(late.status, 200, "{card}"),
        }
    }
}

fn clock_text(ms: i64) -> String {
    vp_simulator::clock::rfc3339(ms, vp_simulator::clock::Style::Offset)
}

#[test]
fn late_captures_by_approval() {
    let mut bench = Bench::with(&["--currency", "EUR", "--switch", "capture-guaranteed-until=present"]);
    let body = |reference: &str| {
        let mut body = push(reference);
        body["amount"] = json!({"value": 24500, "currency": "EUR"});
        body
    };
    let euros = json!({"modificationAmount": {"value": 1000, "currency": "EUR"}});
    bench.create_with(&body("ride-0001")).send();
    bench.switch("late-capture", "allowed");
    bench.create_with(&body("ride-0002")).send();
    bench.approve("ride-0001");
    bench.approve("ride-0002");
    let until = |bench: &Bench, reference: &str| bench.get(reference).json()["captureGuaranteedUntil"].to_string();
    assert!(until(&bench, "ride-0001") < until(&bench, "ride-0002"), "14 days end before the guarantee of 30");
    bench.advance(14 * DAY);
    bench.token = bench.fetch_token();
    assert_eq!(bench.capture("ride-0001", 1, "c").json(&euros).send().code(), (400, 6100));
    assert_eq!(bench.capture("ride-0002", 1, "c").json(&euros).send().status, 200);
    bench.advance(166 * DAY);
    bench.token = bench.fetch_token();
    assert_eq!(bench.capture("ride-0002", 1, "d").json(&euros).send().code(), (400, 6100));
    assert_eq!(bench.capture("ride-0002", 1, "e").json(&modification(1)).send().code(), (400, 4040));
}
