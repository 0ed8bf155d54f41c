use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, push};

fn failed(bench: &Bench, reference: &str) -> Vec<String> {
    let page = bench.sim("GET", "page", Value::Null);
    let payments = page["payments"].as_array().expect("a list");
    let payment = payments.iter().find(|payment| payment["reference"] == reference).expect("the payment");
    let tries = payment["failed_tries"].as_array().expect("a list");
    tries.iter().map(|one| one["why"].as_str().expect("a reason").to_owned()).collect()
}

#[test]
fn a_number_that_may_get_no_push() {
    let bench = Bench::new();
    bench.sim("POST", "passenger", json!({"rule": "push-not-allowed", "phone": PHONE}));
    assert_eq!(bench.create("ride-0001").send().code(), (403, 5080));
    let mut other = push("ride-0002");
    other["customer"]["phoneNumber"] = json!("4798765432");
    assert_eq!(bench.create_with(&other).send().status, 201);
    let mut link = push("ride-0003");
    link["userFlow"] = json!("WEB_REDIRECT");
    link["returnUrl"] = json!("https://example.com/");
    assert_eq!(bench.create_with(&link).send().status, 201, "only the push is not allowed");
}

#[test]
fn a_card_that_fails_leaves_the_payment_to_expire() {
    let bench = Bench::new();
    for (rule, reference) in [("card-refused", "ride-0001"), ("insufficient-funds-after=2s", "ride-0002")] {
        bench.sim("POST", "passenger", json!({"rule": rule, "reference": reference}));
        bench.create(reference).send();
    }
    bench.advance(2_000);
    assert_eq!(failed(&bench, "ride-0001"), ["card-refused"]);
    assert_eq!(failed(&bench, "ride-0002"), ["insufficient-funds"]);
    for reference in ["ride-0001", "ride-0002"] {
        assert_eq!(bench.state(reference), "CREATED");
        let events = bench.on("GET", reference, "/events").send().json();
        assert_eq!(events.as_array().map(Vec::len), Some(1), "the merchant is told nothing: {events}");
    }
    bench.advance(598_000);
    assert_eq!(bench.state("ride-0001"), "EXPIRED");
    assert_eq!(bench.state("ride-0002"), "EXPIRED");
}

#[test]
fn a_second_card_does() {
    let bench = Bench::with(&["--passenger", "card-refused-after=1s,then-approve-after=5s"]);
    bench.create("ride-0001").send();
    bench.advance(5_999);
    assert_eq!((bench.state("ride-0001").as_str(), failed(&bench, "ride-0001").len()), ("CREATED", 1));
    bench.advance(1);
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
}

#[test]
fn a_person_takes_a_moment_to_approve() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    bench.sim("POST", "payments/ride-0001/approve", json!({"takes_ms": 1_500}));
    assert_eq!(bench.cancel("ride-0001", true).key("cancel-1").send().status, 423, "busy");
    let again = bench.try_sim("POST", "payments/ride-0001/approve", &json!({}));
    assert_eq!((again.status, again.json()["error"].to_string().contains("6160")), (409, true));
    bench.advance(1_500);
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
}

#[test]
fn a_person_tries_one_card_after_the_other() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    for why in ["card-refused", "insufficient-funds"] {
        bench.sim("POST", "payments/ride-0001/approve", json!({"takes_ms": 1_000, "fails": why}));
        bench.advance(1_000);
        assert_eq!(bench.state("ride-0001"), "CREATED");
    }
    assert_eq!(failed(&bench, "ride-0001"), ["card-refused", "insufficient-funds"]);
    // Whoever looks for another card is not busy.
    bench.sim("POST", "payments/ride-0001/approve", json!({}));
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    bench.create("ride-0002").send();
    bench.sim("POST", "payments/ride-0002/approve", json!({"fails": "card-refused"}));
    assert_eq!(bench.cancel("ride-0002", true).key("cancel-2").send().status, 200);
    for (body, part) in [(json!({"fails": "x"}), "fails"), (json!({"takes_ms": -1}), "takes_ms")] {
        let reply = bench.try_sim("POST", "payments/ride-0002/approve", &body);
        assert_eq!((reply.status, reply.json()["error"].to_string().contains(part)), (400, true), "{body}");
    }
}
