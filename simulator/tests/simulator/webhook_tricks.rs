//! What a receiver must stand, played on demand.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::receiver::{Delivered, Receiver, Say};
use crate::webhook_deliveries::{settled, statuses};
use crate::webhooks::{ALL, register};

fn rule(bench: &Bench, rule: Value) {
    bench.sim("POST", "webhooks/rules", rule);
}

/// Takes what is signed with its secret for its host, as a merchant should.
fn strict(receiver: &Receiver, secret: &str) {
    let (secret, host) = (secret.to_owned(), receiver.host());
    receiver
        .say(move |delivered: &Delivered| Say::Status(if delivered.is_signed_for(&secret, &host) { 200 } else { 401 }));
}

#[test]
fn duplicates() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    rule(&bench, json!({"action": "duplicate", "event": "CREATED"}));
    bench.approved("ride-0001");
    bench.approved("ride-0002");
    let seen = receiver.wait(5);
    let of = |reference: &str| -> Vec<String> {
        seen.iter().filter(|one| one.reference() == reference).map(Delivered::name).collect()
    };
    assert_eq!(of("ride-0001"), ["CREATED", "CREATED", "AUTHORIZED"]);
    assert_eq!(of("ride-0002"), ["CREATED", "AUTHORIZED"], "once");
    let deliveries = settled(&bench);
    assert_eq!((&deliveries[0]["trick"], statuses(&deliveries[0])), (&json!("duplicate"), vec![&json!(200); 2]));
    // By hand, later than it was.
    let n = bench.sim("POST", "webhooks/deliveries/1/repeat", Value::Null)["n"].clone();
    let again = receiver.wait(6)[5].clone();
    assert_eq!((again.name(), again.reference()), ("CREATED".to_owned(), "ride-0001".to_owned()));
    // Those of two payments come in any order.
    let first = seen.iter().find(|one| one.reference() == "ride-0001").expect("its first");
    assert_eq!(again.body, first.body);
    let deliveries = settled(&bench);
    let repeated = deliveries.iter().find(|delivery| delivery["n"] == n).expect("it is in the log");
    assert_eq!(repeated["id"], deliveries[0]["id"]);
}

#[test]
fn out_of_order() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    rule(&bench, json!({"action": "overtaken", "event": "AUTHORIZED", "reference": "ride-0001"}));
    bench.approved("ride-0001");
    settled(&bench);
    assert_eq!(receiver.seen().len(), 1, "it waits for another to go first");
    bench.capture("ride-0001", 24_500, "capture-1").send();
    assert_eq!(receiver.names(3), ["CREATED", "CAPTURED", "AUTHORIZED"]);
}

#[test]
fn late() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    rule(&bench, json!({"action": "delay", "ms": 60_000, "times": 0}));
    bench.approved("ride-0001");
    settled(&bench);
    assert_eq!(receiver.seen().len(), 0);
    bench.advance(60_000);
    assert_eq!(receiver.names(2), ["CREATED", "AUTHORIZED"]);
    assert_eq!(bench.sim("GET", "webhooks", Value::Null)["rules"][0]["fired"], 2);
    assert_eq!(bench.sim("DELETE", "webhooks/rules", Value::Null)["cleared"], 1);
}

#[test]
fn signatures_that_do_not_fit() {
    for action in ["wrong_secret", "wrong_host"] {
        // The retry is good, also where it would have the signature of the first attempt again.
        for resign in ["fresh", "same"] {
            let bench = Bench::with(&["--switch", &format!("webhook-resign={resign}")]);
            let receiver = Receiver::new();
            let (_, secret) = register(&bench, &receiver.url(), &[ALL[0]]);
            strict(&receiver, &secret);
            rule(&bench, json!({"action": action}));
            bench.create("ride-0001").send();
            settled(&bench);
            bench.advance(2_000);
            let deliveries = settled(&bench);
            assert_eq!(statuses(&deliveries[0]), [401, 200], "{action} {resign}");
            assert_eq!(deliveries[0]["attempts"][0]["trick"], action);
            let first = &receiver.seen()[0];
            assert_eq!(first.header("host"), receiver.host());
            assert_eq!(first.is_signed_for(&secret, "other-host.invalid"), action == "wrong_host");
        }
    }
}

#[test]
fn bad_rules_name_their_field() {
    let bench = Bench::new();
    for (body, part) in [
        (json!({}), "action"),
        (json!({"action": "eat"}), "wrong_secret"),
        (json!({"action": 1}), "action"),
        (json!({"action": "delay"}), "ms"),
        (json!({"action": "delay", "ms": 0}), "ms"),
        (json!({"action": "duplicate", "ms": 1}), "ms"),
        (json!({"action": "duplicate", "event": "PAID"}), "CAPTURED"),
        (json!({"action": "duplicate", "reference": 1}), "reference"),
        (json!({"action": "duplicate", "times": -1}), "times"),
        (json!({"action": "duplicate", "nth": 1}), "nth"),
        (json!([]), "object"),
    ] {
        let reply = bench.try_sim("POST", "webhooks/rules", &body);
        let text = reply.json()["error"].as_str().expect("a reason").to_owned();
        assert!(reply.status == 400 && text.contains(part), "{body}: {} {text}", reply.status);
    }
    assert_eq!(bench.sim("GET", "webhooks", Value::Null)["rules"], json!([]));
    for path in ["webhooks/deliveries/1/repeat", "webhooks/deliveries/x/repeat", "webhooks/nothing"] {
        assert_eq!(bench.try_sim("POST", path, &Value::Null).status, 404, "{path}");
    }
}
