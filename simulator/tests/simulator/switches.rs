//! What the sources leave open is read in each of the ways that they allow.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, modification, push, receipt, totals};

#[test]
fn a_preset_sets_every_switch_and_single_ones_win_over_it() {
    let bench = Bench::with(&["--preset", "other", "--switch", "profile=object"]);
    let all = bench.sim("GET", "switches", Value::Null);
    assert_eq!((&all["token-numbers"], &all["profile"]), (&json!("numbers"), &json!("object")));
    let all = bench.sim("POST", "switches", json!({"preset": "lagging", "timestamps": "ticks"}));
    assert_eq!((&all["token-numbers"], &all["adjust-aggregate"]), (&json!("strings"), &json!("empty-lagging:2000")));
    assert_eq!(all["timestamps"], "ticks");
    // A refused set changes nothing.
    for body in [json!({"preset": "odd"}), json!({"preset": 1}), json!({"preset": "strict", "profile": "odd"})] {
        assert_eq!(bench.try_sim("POST", "switches", &body).status, 400, "{body}");
        assert_eq!(bench.sim("GET", "switches", Value::Null), all);
    }
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(bench.sim("GET", "switches", Value::Null)["token-numbers"], "numbers");
    let list = bench.sim("GET", "presets", Value::Null);
    let names: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["default", "other", "lagging", "terse", "strict", "lenient", "late", "hostile"]);
}

/// A client that gives everything which any source asks for rides under each preset; those that act late have a test of
/// their own.
#[test]
fn a_careful_ride_ends_well_under_every_preset() {
    for name in ["default", "other", "lagging", "terse", "strict", "lenient"] {
        let bench = Bench::with(&["--preset", name]);
        assert_eq!(bench.create("ride-0001").send().status, 201, "{name}");
        bench.approve("ride-0001");
        let path = "/order-management/v2/ECOM/receipts/ride-0001";
        assert_eq!(bench.call("POST", path).json(&receipt(24500, 21875)).send().status, 201, "{name}");
        assert_eq!(bench.capture("ride-0001", 20000, "capture-1").send().status, 200, "{name}");
        assert_eq!(bench.cancel("ride-0001", false).key("cancel-1").send().status, 200, "{name}");
        assert_eq!(bench.refund("ride-0001", 1000, "refund-1").send().status, 200, "{name}");
        bench.advance(2_000);
        assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 20000, 4500, 1000], "{name}");
    }
}

#[test]
fn statuses_of_coded_refusals() {
    let bench = Bench::new();
    for (status, number) in [("409", 409), ("422", 422), ("400", 400)] {
        bench.switch("domain-status", status);
        assert_eq!(bench.refund(&approved(&bench, status), 1, "r").send().code(), (number, 6020));
        let reference = created(&bench, &format!("new-{status}"));
        // Named by a source, so no switch moves them.
        assert_eq!(bench.capture(&reference, 1, "c").send().code(), (400, 6080));
        assert_eq!(bench.capture("no-such-ride", 1, "c").send().code(), (404, 5090));
    }
}

fn created(bench: &Bench, what: &str) -> String {
    let reference = format!("ride-of-{what}");
    assert_eq!(bench.create(&reference).send().status, 201);
    reference
}

fn approved(bench: &Bench, what: &str) -> String {
    let reference = created(bench, what);
    bench.approve(&reference);
    reference
}

#[test]
fn the_two_forms_of_a_problem() {
    let bench = Bench::with(&["--switch", "problem-form=knowledge-base"]);
    let body = bench.get("ride-0001").json();
    assert_eq!((&body["status"], body.get("traceId")), (&json!("404"), None));
    assert!(body["instance"].as_str().is_some_and(|text| text.starts_with("urn:uuid:")), "{body}");
    assert_eq!(body["extraDetails"][0]["reason"], "5090");
    // Neither the gateway nor Order Management speaks that way.
    assert_eq!(bench.get("ride-0001").status, 404);
    assert_eq!(bench.call("GET", "/no-such-path").send().json()["statusCode"], 404);
    let order = bench.call("GET", "/order-management/v2/ECOM/ride-0001").send().json();
    assert_eq!(order.get("status"), None, "{order}");
}

#[test]
fn a_repeat_while_the_first_still_runs() {
    for (reading, expected) in [("423", 423), ("409", 409)] {
        let bench = Bench::with(&["--switch", &format!("while-running={reading}")]);
        bench.approved("ride-0001");
        bench.fault(json!({"operation": "capture", "action": "delay", "ms": 300}));
        let mut first = bench.capture("ride-0001", 24500, "c").open();
        until(|| bench.sim("GET", "requests", Value::Null).to_string().contains("capture"));
        // Another key is another request.
        assert_eq!(bench.capture("ride-0001", 500, "d").send().status, 200);
        let again = bench.capture("ride-0001", 24500, "c").send();
        assert_eq!(again.code(), (expected, 6160), "{reading}");
        let mut answer = String::new();
        first.read_to_string(&mut answer).expect("an answer");
        // Refused as too much is reserved no more; and that stays for its key, where 6160 did not.
        assert!(answer.contains("6090"), "{answer}");
        assert_eq!(bench.capture("ride-0001", 24500, "c").send().code(), (400, 6090));
    }
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "delay", "ms": 300}));
    let mut first = bench.capture("ride-0001", 500, "c").open();
    until(|| bench.sim("GET", "requests", Value::Null).to_string().contains("capture"));
    assert_eq!(bench.capture("ride-0001", 500, "c").send().status, 200);
    first.read_to_string(&mut String::new()).expect("an answer");
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
}

fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_number_without_a_customer_is_refused_or_left_to_expire() {
    let bench = Bench::with(&["--switch", "unknown-user=expires", "--passenger", "approve-after=3s"]);
    for (reference, phone, age) in [("ride-0001", "4799999901", 0), ("ride-0002", "4799999902", 18)] {
        let mut body = push(reference);
        body["customer"]["phoneNumber"] = json!(phone);
        body["minimumUserAge"] = json!(age);
        assert_eq!(bench.create_with(&body).send().status, 201);
    }
    bench.advance(599_999);
    assert_eq!((bench.state("ride-0001"), bench.state("ride-0002")), ("CREATED".into(), "CREATED".into()));
    bench.advance(1);
    assert_eq!((bench.state("ride-0001"), bench.state("ride-0002")), ("EXPIRED".into(), "EXPIRED".into()));
}

#[test]
fn readings_of_create() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body["paymentDescription"] = json!("");
    assert_eq!(bench.create_with(&body).send().invalid(), ["paymentDescription"]);
    bench.switch("empty-description", "accepted");
    assert_eq!(bench.create_with(&body).key("k2").send().status, 201);
    body["paymentDescription"] = json!("ab");
    assert_eq!(bench.create_with(&body).key("k3").send().invalid(), ["paymentDescription"]);

    let uuid = bench.get("ride-0001").json()["pspReference"].as_str().expect("an id").to_owned();
    assert_eq!(uuid.len(), 36);
    bench.switch("psp-reference", "digits");
    let reference = created(&bench, "digits");
    let digits = bench.get(&reference).json()["pspReference"].as_str().expect("an id").to_owned();
    assert!(digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()), "{digits}");
    assert_eq!(bench.on("GET", &reference, "/events").send().json()[0]["pspReference"], json!(digits));

    bench.switch("zero-totals", "missing");
    assert_eq!(bench.get(&reference).json()["aggregate"], json!({}));
    bench.approve(&reference);
    let aggregate = bench.get(&reference).json()["aggregate"].clone();
    assert_eq!(aggregate, json!({"authorizedAmount": {"currency": "NOK", "value": 24500}}));

    let foreign = bench.create("ride-0009").header("Merchant-Serial-Number", "654321");
    assert_eq!(foreign.send().status, 403);
    bench.switch("foreign-unit-status", "401");
    assert_eq!(foreign.send().status, 401);
}

#[test]
fn readings_of_adjustments() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let foreign = json!({"modificationAmount": {"value": 1, "currency": "DKK"}});
    let zero = |key: &str| bench.on("POST", "ride-0001", "/capture").key(key).json(&modification(0)).send();
    assert_eq!(zero("a").code(), (400, 4040));
    bench.switch("modification-amount", "validation");
    assert_eq!(zero("b").invalid(), ["modificationAmount.value"]);
    let other = bench.on("POST", "ride-0001", "/capture").key("c").json(&foreign).send();
    assert_eq!(other.invalid(), ["modificationAmount.currency"]);

    bench.switch("adjust-aggregate", "empty-lagging:500");
    assert_eq!(bench.capture("ride-0001", 100, "d").send().json(), json!({}));
    assert_eq!(totals_captured(&bench), 0);
    bench.advance(500);
    assert_eq!(totals_captured(&bench), 100);

    bench.switch("cancel-key", "required");
    assert_eq!(bench.cancel("ride-0001", false).send().invalid(), ["Idempotency-Key"]);
    assert_eq!(bench.cancel("ride-0001", false).key("x").send().status, 200);

    // Busy: in one reading with 409, and never kept for the key.
    bench.switch("cancel-while-approving", "409");
    bench.sim("POST", "passenger", json!({"rule": "busy-from=1s,approve-after=8s", "reference": "ride-0002"}));
    bench.create("ride-0002").send();
    bench.advance(1_000);
    assert_eq!(bench.cancel("ride-0002", true).key("y").send().code(), (409, 6160));
    bench.sim("POST", "passenger", json!({"rule": "ignore", "reference": "ride-0002"}));
    assert_eq!(bench.cancel("ride-0002", true).key("y").send().status, 200);
}

fn totals_captured(bench: &Bench) -> i64 {
    totals(&bench.get("ride-0001").json())[1]
}

#[test]
fn readings_of_receipts() {
    let bench = Bench::new();
    let post = |reference: &str, body: &Value| {
        bench.call("POST", &format!("/order-management/v2/ECOM/receipts/{reference}")).json(body).send()
    };
    // No check of sums, none of the tip, none of the payment.
    let mut odd = receipt(24500, 20000);
    odd["orderLines"][0]["totalTaxAmount"] = json!(1);
    odd["bottomLine"]["tipAmount"] = json!(24501);
    assert_eq!(post("ride-0000", &odd).status, 201);

    created(&bench, "sums");
    bench.switch("receipt-sums", "lines");
    bench.switch("tip-amount", "within");
    let invalid = post("ride-of-sums", &odd).invalid();
    assert_eq!(invalid, ["orderLines[0].totalAmount", "bottomLine.tipAmount"]);
    bench.switch("receipt-sums", "payment");
    assert_eq!(post("ride-of-sums", &receipt(20000, 17857)).invalid(), ["orderLines"]);
    assert_eq!(post("ride-of-sums", &receipt(24500, 21875)).status, 201);
    let mut body = push("ride-0002");
    body["receipt"] = receipt(24400, 21786);
    assert_eq!(bench.create_with(&body).send().invalid(), ["receipt.orderLines"]);

    assert_eq!(post("ride-0003", &receipt(1, 1)).status, 201);
    bench.switch("receipt-before-payment", "404");
    assert_eq!(post("ride-0004", &receipt(1, 1)).status, 404);
}
