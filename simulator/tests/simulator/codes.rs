use serde_json::{Value, json};

use crate::bench::{Bench, modification, push, receipt};

fn code(bench: &Bench, n: &mut usize, change: impl FnOnce(&mut Value)) -> (u16, u64) {
    *n += 1;
    let mut body = push(&format!("ride-{n:06}"));
    change(&mut body);
    bench.create_with(&body).send().code()
}

#[test]
fn refusals_of_create() {
    let bench = Bench::new();
    let n = &mut 0;
    assert_eq!(code(&bench, n, |b| b["amount"]["value"] = json!(99)), (400, 6010));
    assert_eq!(code(&bench, n, |b| b["amount"]["value"] = json!(0)), (400, 6010));
    assert_eq!(code(&bench, n, |b| b["amount"]["currency"] = json!("EUR")), (400, 5040));
    assert_eq!(code(&bench, n, |b| b["amount"]["currency"] = json!("SEK")), (400, 5040));
    assert_eq!(code(&bench, n, |b| drop(b.as_object_mut().map(|m| m.remove("customer")))), (400, 4140));
    assert_eq!(code(&bench, n, |b| b["customer"] = json!({"customerToken": "x"})), (400, 4050));
    assert_eq!(code(&bench, n, |b| b["customer"] = json!({"personalQr": "https://x.no"})), (400, 4060));
    assert_eq!(code(&bench, n, |b| b["customer"]["phoneNumber"] = json!("004791234567")), (400, 4070));
    assert_eq!(code(&bench, n, |b| b["profile"] = json!({"scope": "name shoeSize"})), (400, 4080));
    assert_eq!(code(&bench, n, |b| b["profile"] = json!({"scope": "name nin"})), (400, 5030));
    assert_eq!(code(&bench, n, |b| b["returnUrl"] = json!("http://example.com")), (400, 4090));
    assert_eq!(code(&bench, n, |b| b["paymentMethod"]["type"] = json!("CARD")), (400, 4160));
    assert_eq!(code(&bench, n, |b| b["paymentMethod"]["blockedSources"] = json!(["COMMERCIAL_CARDS"])), (400, 5010));
    assert_eq!(code(&bench, n, |b| b["shipping"] = json!({})), (400, 5020));
    let six: Value = (0..6).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(code(&bench, n, |b| b["metadata"] = six), (400, 4100));
    assert_eq!(code(&bench, n, |b| b["metadata"] = json!({"k".repeat(101): "v"})), (400, 4120));
    assert_eq!(code(&bench, n, |b| b["metadata"] = json!({"k": "v".repeat(501)})), (400, 4130));
    let twice = push("ride-twice").to_string().replacen('{', r#"{"metadata":{"a":"1","a":"2"},"#, 1);
    assert_eq!(bench.create("ride-twice").raw(twice.as_bytes()).send().code(), (400, 4110));
}

#[test]
fn customers_who_cannot_pay() {
    let bench = Bench::new();
    let n = &mut 0;
    let unknown = |b: &mut Value| b["customer"]["phoneNumber"] = json!("4799999901");
    assert_eq!(code(&bench, n, unknown), (400, 7010));
    let too_young = |b: &mut Value| {
        b["customer"]["phoneNumber"] = json!("4799999902");
        b["minimumUserAge"] = json!(18);
    };
    assert_eq!(code(&bench, n, too_young), (400, 7010));
    bench.switch("unknown-user-status", "404");
    assert_eq!(code(&bench, n, unknown), (404, 7010));
    bench.sim("POST", "passenger", json!({"rule": "no-user", "phone": "4798765432"}));
    assert_eq!(code(&bench, n, |b| b["customer"]["phoneNumber"] = json!("4798765432")), (404, 7010));
}

#[test]
fn push_by_approval_only() {
    let bench = Bench::with(&["--push-allowed", "false"]);
    assert_eq!(bench.create("ride-0001").send().code(), (403, 5080));
    bench.switch("push-not-approved-status", "400");
    assert_eq!(bench.create("ride-0001").key("k2").send().code(), (400, 5080));
}

#[test]
fn a_passenger_who_has_checked_in() {
    let bench = Bench::new();
    let token = bench.sim("POST", "check-in", json!({"phone": "4798765432"}))["customerToken"].clone();
    let mut body = push("ride-0001");
    body["customer"] = json!({"customerToken": token});
    assert_eq!(bench.create_with(&body).send().status, 201);
    let entry = bench.ledger("ride-0001");
    assert_eq!((&entry["phone_masked"], &entry["pushes"]), (&json!("********32"), &json!(1)));
    let log = bench.sim("GET", "requests", Value::Null).to_string();
    assert!(!log.contains(token.as_str().expect("a token")), "the token stands for a person");
    assert_eq!(bench.try_sim("POST", "check-in", &json!({"phone": "98765432"})).status, 400);
}

#[test]
fn sales_units_with_something_amiss() {
    let bench = Bench::new();
    bench.approved("ride-paid");
    bench.capture("ride-paid", 24500, "c").send();
    let n = &mut 0;
    bench.switch("sales-unit", "account-not-verified");
    assert_eq!(code(&bench, n, |_| {}), (400, 5060));
    bench.switch("sales-unit", "invalid-setup");
    assert_eq!(code(&bench, n, |_| {}), (400, 5070));
    bench.switch("sales-unit", "no-refunds");
    assert_eq!(bench.refund("ride-paid", 100, "r1").send().code(), (400, 5100));
    bench.switch("sales-unit", "ready");
    assert_eq!(bench.refund("ride-paid", 100, "r2").send().status, 200);
}

#[test]
fn a_long_life_ends_when_the_create_says() {
    let mut bench = Bench::with(&["--switch", "long-living=allowed"]);
    let now = bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time");
    let at = |ms: i64| vp_simulator::clock::rfc3339(ms, vp_simulator::clock::Style::Offset);
    let until = |reference: &str, after: i64| {
        let mut body = push(reference);
        body["expiresAt"] = json!(at(now + after));
        body["receipt"] = receipt(24500, 21875);
        body
    };
    assert_eq!(bench.create_with(&until("ride-0001", 600_000)).send().code(), (400, 6120));
    assert_eq!(bench.create_with(&until("ride-0002", 600_001)).send().status, 201);
    assert_eq!(bench.create_with(&until("ride-0003", 60 * DAY)).send().code(), (400, 6110));
    assert_eq!(bench.create_with(&until("ride-0004", 60 * DAY - 1)).send().status, 201);
    bench.advance(600_000);
    assert_eq!(bench.state("ride-0002"), "CREATED");
    bench.advance(1);
    assert_eq!(bench.state("ride-0002"), "EXPIRED");
    bench.advance(59 * DAY);
    bench.token = bench.fetch_token();
    bench.approve("ride-0004");
    assert_eq!(bench.state("ride-0004"), "AUTHORIZED");
}

#[test]
fn long_living_payments() {
    let bench = Bench::new();
    let n = &mut 0;
    let until = |text: &'static str| move |b: &mut Value| b["expiresAt"] = json!(text);
    assert_eq!(code(&bench, n, until("2199-01-01T00:00:00Z")), (400, 5050));
    bench.switch("long-living", "allowed");
    assert_eq!(code(&bench, n, until("2199-01-01T00:00:00Z")), (400, 6130));
    let with_receipt = |text: &'static str| {
        move |b: &mut Value| {
            b["expiresAt"] = json!(text);
            b["receipt"] = receipt(24500, 21875);
        }
    };
    assert_eq!(code(&bench, n, with_receipt("2199-01-01T00:00:00Z")), (400, 6110));
    assert_eq!(code(&bench, n, with_receipt("2020-01-01T00:00:00+01:00")), (400, 6120));
}

#[test]
fn captures() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    bench.create("ride-0001").send();
    assert_eq!(bench.capture("ride-0001", 24500, "k1").send().code(), (400, 6080));
    bench.approve("ride-0001");
    assert_eq!(bench.capture("ride-0001", 24501, "k2").send().code(), (400, 6090));
    assert_eq!(bench.capture("ride-0001", 0, "k3").send().code(), (400, 4040));
    let euros = json!({"modificationAmount": {"value": 1, "currency": "EUR"}});
    assert_eq!(bench.capture("ride-0001", 1, "k4").json(&euros).send().code(), (400, 4040));
    assert_eq!(bench.capture("ride-0001", 20000, "k5").send().status, 200);
    assert_eq!(bench.capture("ride-0001", 4501, "k6").send().code(), (400, 6090));
    assert_eq!(bench.capture("ride-0001", 4500, "k7").send().status, 200);
    assert_eq!(bench.capture("ride-0001", 1, "k8").send().code(), (400, 6170));
    bench.switch("fully-captured", "6090");
    assert_eq!(bench.capture("ride-0001", 1, "k9").send().code(), (400, 6090));
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 2);
    assert_eq!(bench.capture("ride-none", 1, "k").send().code(), (404, 5090));

    bench.switch("partial-capture", "refused");
    bench.approved("ride-0002");
    assert_eq!(bench.capture("ride-0002", 1, "k1").send().code(), (400, 6140));
    assert_eq!(bench.capture("ride-0002", 24500, "k2").send().status, 200);

    bench.create("ride-0003").send();
    bench.cancel("ride-0003", false).send();
    assert_eq!(bench.capture("ride-0003", 1, "k1").send().code(), (400, 6070));
}

#[test]
fn refunds() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    bench.create("ride-0001").send();
    assert_eq!(bench.refund("ride-0001", 1, "k1").send().code(), (400, 6020));
    bench.approve("ride-0001");
    assert_eq!(bench.refund("ride-0001", 1, "k2").send().code(), (400, 6020));
    bench.capture("ride-0001", 1000, "c").send();
    assert_eq!(bench.refund("ride-0001", 1001, "k3").send().code(), (400, 6150));
    assert_eq!(bench.refund("ride-0001", 400, "k4").send().status, 200);
    assert_eq!(bench.refund("ride-0001", 601, "k5").send().code(), (400, 6150));
    assert_eq!(bench.refund("ride-0001", 600, "k6").send().status, 200);
    assert_eq!(bench.refund("ride-0001", 1, "k7").send().code(), (400, 6180));
    assert_eq!(bench.ledger("ride-0001")["refund_count"], 2);
    bench.create("ride-0002").send();
    bench.cancel("ride-0002", false).send();
    assert_eq!(bench.refund("ride-0002", 1, "k1").send().code(), (400, 6210));
}

const DAY: i64 = 86_400_000;

#[test]
fn deadlines() {
    let mut bench = Bench::new();
    bench.approved("ride-0001");
    bench.approved("ride-0002");
    bench.capture("ride-0001", 1000, "c1").send();
    bench.advance(180 * DAY - 1);
    bench.token = bench.fetch_token();
    assert_eq!(bench.capture("ride-0001", 1000, "c2").send().status, 200);
    bench.advance(1);
    bench.token = bench.fetch_token();
    assert_eq!(bench.capture("ride-0001", 1000, "c3").send().code(), (400, 6100));
    assert_eq!(bench.cancel("ride-0001", false).send().code(), (400, 6030));
    assert_eq!(bench.ledger("ride-0001")["cancelled"], 22500);
    assert_eq!(bench.ledger("ride-0002")["cancelled"], 24500);

    assert_eq!(bench.refund("ride-0001", 100, "r1").send().status, 200);
    bench.advance(185 * DAY);
    bench.token = bench.fetch_token();
    bench.switch("refund-window", "reservation");
    assert_eq!(bench.refund("ride-0001", 100, "r2").send().code(), (400, 6220));
    bench.switch("refund-window", "capture");
    assert_eq!(bench.refund("ride-0001", 100, "r3").send().status, 200);
    bench.advance(180 * DAY);
    bench.token = bench.fetch_token();
    assert_eq!(bench.refund("ride-0001", 100, "r4").send().code(), (400, 6220));
}

#[test]
fn danish_reservations_are_shorter() {
    let mut bench = Bench::with(&["--currency", "DKK"]);
    let mut body = push("ride-0001");
    body["amount"] = json!({"value": 1, "currency": "DKK"});
    assert_eq!(bench.create_with(&body).send().status, 201);
    bench.approve("ride-0001");
    bench.advance(14 * DAY);
    bench.token = bench.fetch_token();
    let kroner = json!({"modificationAmount": {"value": 1, "currency": "DKK"}});
    assert_eq!(bench.capture("ride-0001", 1, "c").json(&kroner).send().code(), (400, 6100));
    assert_eq!(bench.capture("ride-0001", 1, "d").json(&modification(1)).send().code(), (400, 4040));
}
