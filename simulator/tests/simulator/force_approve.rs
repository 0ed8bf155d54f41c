use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, Reply, push};

fn force(bench: &Bench, reference: &str, body: &Value) -> Reply {
    bench.call("POST", &format!("/epayment/v1/test/payments/{reference}/approve")).json(body).send()
}

fn by_number() -> Value {
    json!({"customer": {"phoneNumber": PHONE}})
}

fn create(bench: &Bench, reference: &str, amount: i64) {
    let mut body = push(reference);
    body["amount"]["value"] = json!(amount);
    assert_eq!(bench.create_with(&body).send().status, 201);
}

#[test]
fn both_paths_that_are_printed() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let other = bench.call("POST", "/epayment/v1/payments/ride-0001/approve").json(&by_number()).send();
    assert_eq!(other.status, 200, "{}", other.text());
    assert_eq!((bench.state("ride-0001").as_str(), &bench.ledger("ride-0001")["forced"]), ("AUTHORIZED", &json!(true)));
    assert_eq!(force(&bench, "ride-0001", &by_number()).code(), (400, 6230));
    assert_eq!(force(&bench, "ride-none", &by_number()).code(), (404, 5090));
}

#[test]
fn a_payment_without_a_number_takes_that_of_whoever_approves() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body.as_object_mut().expect("an object").remove("customer");
    body["userFlow"] = json!("QR");
    bench.create_with(&body).send();
    let nobody = json!({"customer": {"phoneNumber": "4799999901"}});
    assert_eq!(force(&bench, "ride-0001", &nobody).code(), (400, 7010));
    assert_eq!(force(&bench, "ride-0001", &json!({"token": "x"})).code(), (400, 10010));
    assert_eq!(force(&bench, "ride-0001", &by_number()).status, 200);
    assert_eq!(bench.ledger("ride-0001")["phone_masked"], "********67");
}

#[test]
fn whoever_has_approved_nothing_by_hand_may_have_to() {
    let bench = Bench::with(&["--switch", "force-approve-first=refused"]);
    bench.create("ride-0001").send();
    assert_eq!(force(&bench, "ride-0001", &by_number()).code(), (400, 10020));
    bench.approved("ride-0002");
    assert_eq!(force(&bench, "ride-0001", &by_number()).status, 200);

    // An approval by force does not count.
    let other = Bench::new();
    other.create("ride-0001").send();
    assert_eq!(force(&other, "ride-0001", &by_number()).status, 200);
    other.switch("force-approve-first", "refused");
    other.create("ride-0002").send();
    assert_eq!(force(&other, "ride-0002", &by_number()).code(), (400, 10020));
}

#[test]
fn special_amounts_and_bad_cards_may_count() {
    let bench = Bench::new();
    create(&bench, "ride-0001", 151);
    assert_eq!(force(&bench, "ride-0001", &by_number()).status, 200, "an older page says that they do not");
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");

    bench.switch("force-approve-outcome", "honest");
    for (amount, code) in [(151, 10010), (184, 10070), (186, 10040), (202, 10030)] {
        let reference = format!("ride-{amount:04}");
        create(&bench, &reference, amount);
        assert_eq!(force(&bench, &reference, &by_number()).code(), (400, code));
        assert_eq!(bench.state(&reference), "CREATED");
    }
    bench.sim("POST", "passenger", json!({"rule": "no-card-after=5m", "phone": PHONE}));
    create(&bench, "ride-0002", 24500);
    assert_eq!(force(&bench, "ride-0002", &by_number()).code(), (400, 10050));
    bench.sim("POST", "passenger", json!({"rule": "manual", "phone": PHONE}));
    assert_eq!(force(&bench, "ride-0002", &by_number()).status, 200);
}
