use serde_json::{Value, json};

use crate::bench::{Bench, push, receipt};

fn refused(bench: &Bench, n: &mut usize, change: impl FnOnce(&mut Value)) -> Vec<String> {
    *n += 1;
    let mut body = push(&format!("ride-{n:06}"));
    change(&mut body);
    bench.create_with(&body).key(&format!("key-{n}")).send().invalid()
}

#[test]
fn fields_of_create() {
    let bench = Bench::new();
    let n = &mut 0;
    let remove = |name: &'static str| {
        move |body: &mut Value| {
            body.as_object_mut().expect("an object").remove(name);
        }
    };
    for name in ["amount", "paymentMethod", "reference", "userFlow"] {
        assert_eq!(refused(&bench, n, remove(name)), [name]);
    }
    for (path, value) in [
        ("amount.value", json!("24500")),
        ("amount.value", json!(24500.0)),
        ("amount.value", json!(-1)),
        ("amount.value", json!(65_000_001)),
        ("amount.currency", json!("nok")),
        ("customer.phoneNumber", json!(4791234567_u64)),
        ("customer.phoneNumber", json!("91234567")),
        ("customer.phoneNumber", json!("+4791234567")),
        ("paymentMethod.type", json!("CASH")),
    ] {
        let (outer, inner) = path.split_once('.').expect("two parts");
        assert_eq!(refused(&bench, n, |body| body[outer][inner] = value.clone()), [path], "{value}");
    }
    for (name, value) in [
        ("reference", json!("short")),
        ("reference", json!("with space")),
        ("reference", json!("æøå-12345")),
        ("reference", json!("x".repeat(65))),
        ("reference", json!(12345678)),
        ("userFlow", json!("PUSH")),
        ("customerInteraction", json!("PRESENT")),
        ("paymentDescription", json!("")),
        ("paymentDescription", json!("x".repeat(101))),
        ("minimumUserAge", json!(101)),
        ("expiresAt", json!("tomorrow")),
        ("amount", json!(24500)),
        ("metadata", json!([])),
        ("merchantInfo", json!({})),
        ("customer", json!({"phoneNumber": "4791234567", "personalQr": "https://qr.vipps.no/p/4791234567"})),
        ("customer", json!({})),
        ("receiptUrl", json!(1)),
    ] {
        assert_eq!(refused(&bench, n, |body| body[name] = value.clone()), [name], "{value}");
    }
    assert_eq!(
        refused(&bench, n, |body| body["customer"]["customerInteraction"] = json!("CUSTOMER_PRESENT")),
        ["customer.customerInteraction"]
    );
    assert_eq!(refused(&bench, n, |body| body["metadata"] = json!({"a": 1})), ["metadata.a"]);
    assert_eq!(refused(&bench, n, |body| body[""] = json!(1)), ["\"\""]);
    assert_eq!(bench.sim("GET", "ledger", Value::Null)["payments"], json!([]));
}

#[test]
fn what_is_allowed_is_taken() {
    let bench = Bench::new();
    let mut body = push(&"r".repeat(64));
    body["minimumUserAge"] = Value::Null;
    body["receipt"] = receipt(24500, 21875);
    body["metadata"] = json!({"a": "x", "b": "y"});
    body["receiptUrl"] = json!("https://example.com/1");
    assert_eq!(bench.create_with(&body).key("k").send().status, 201);
}

#[test]
fn a_validation_error_has_no_code_and_a_trace() {
    let bench = Bench::new();
    let reply = bench.create("bad").send();
    let body = reply.json();
    assert_eq!(body["type"], "https://httpstatuses.io/400");
    assert_eq!((&body["title"], &body["status"]), (&json!("Bad Request"), &json!(400)));
    assert_eq!(body["instance"], "/v1/payments");
    let trace = body["traceId"].as_str().expect("a trace");
    let lengths: Vec<usize> = trace.split('-').map(str::len).collect();
    assert_eq!(lengths, [2, 32, 16, 2]);
    let reason = body["extraDetails"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("must match the regular expression '^[a-zA-Z0-9-]{8,64}$'"), "{reason}");
}

#[test]
fn unknown_fields_can_be_ignored() {
    let bench = Bench::with(&["--switch", "unknown-fields=ignore"]);
    let mut body = push("ride-0001");
    body["customer"]["customerInteraction"] = json!("CUSTOMER_PRESENT");
    assert_eq!(bench.create_with(&body).send().status, 201);
}

#[test]
fn bodies_that_are_no_json() {
    let bench = Bench::new();
    let call = |raw: &[u8], key: &str| bench.create("ride-0001").key(key).raw(raw).send();
    assert_eq!(call(b"", "k1").invalid(), ["$"]);
    assert_eq!(call(b"{", "k2").invalid(), ["$"]);
    assert_eq!(call(b"[]", "k3").invalid(), ["$"]);
    assert_eq!(call(b"\xff\xfe", "k4").invalid(), ["$"]);
    assert_eq!(
        call(b"{\"reference\":\"a\",\"reference\":\"b\"}", "k5").invalid().last().map(String::as_str),
        Some("reference")
    );
    assert_eq!(call("[".repeat(100_000).as_bytes(), "k6").invalid(), ["$"]);
    // All but one of these name no reference, so they count as one payment, and the sixth is one too many.
    assert_eq!(call(b"", "k7").status, 429);
    let form = bench.create("ride-0001").key("k8").header("Content-Type", "text/plain").send();
    assert_eq!(form.status, 415);
    let charset = bench.create("ride-0001").key("k9").header("Content-Type", "application/json; charset=utf-8").send();
    assert_eq!(charset.status, 201);
}

#[test]
fn headers_of_every_call() {
    let bench = Bench::new();
    let get = || bench.on("GET", "ride-0001", "");
    assert_eq!(get().without("Ocp-Apim-Subscription-Key").send().status, 401);
    assert_eq!(get().header("Ocp-Apim-Subscription-Key", "x").send().status, 401);
    assert_eq!(get().without("Authorization").send().status, 401);
    assert_eq!(get().header("Authorization", &format!("bearer {}", bench.token)).send().status, 401);
    assert_eq!(get().header("Authorization", "Bearer x").send().status, 401);
    assert_eq!(get().without("Merchant-Serial-Number").send().invalid(), ["Merchant-Serial-Number"]);
    assert_eq!(get().header("Merchant-Serial-Number", "12").send().invalid(), ["Merchant-Serial-Number"]);
    assert_eq!(get().header("Merchant-Serial-Number", "654321").send().status, 403);
    assert_eq!(get().header("Vipps-System-Name", &"x".repeat(31)).send().invalid(), ["Vipps-System-Name"]);
    assert_eq!(get().header("Vipps-System-Name", &"x".repeat(30)).send().status, 404);
}

#[test]
fn idempotency_key_where_it_belongs() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    assert_eq!(bench.create("ride-0002").without("Idempotency-Key").send().invalid(), ["Idempotency-Key"]);
    assert_eq!(bench.capture("ride-0001", 1, &"k".repeat(51)).send().invalid(), ["Idempotency-Key"]);
    assert_eq!(bench.capture("ride-0001", 1, "k").without("Idempotency-Key").send().invalid(), ["Idempotency-Key"]);
    assert_eq!(bench.refund("ride-0001", 1, "k").without("Idempotency-Key").send().invalid(), ["Idempotency-Key"]);
    assert_eq!(bench.capture("ride-0001", 1, &"k".repeat(50)).send().status, 200);
    assert_eq!(bench.cancel("ride-0001", false).send().status, 200);
}

#[test]
fn bodies_of_adjustments() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    bench.approved("ride-0001");
    let capture = |key: &str, body: Value| bench.capture("ride-0001", 1, key).json(&body).send();
    assert_eq!(capture("k1", json!({})).invalid(), ["modificationAmount"]);
    assert_eq!(
        capture("k2", json!({"modificationAmount": {"value": "1", "currency": "NOK"}})).invalid(),
        ["modificationAmount.value"]
    );
    assert_eq!(capture("k3", json!({"modificationAmount": {"value": 1}})).invalid(), ["modificationAmount.currency"]);
    let extra = json!({"modificationAmount": {"value": 1, "currency": "NOK"}, "finalCapture": true});
    assert_eq!(capture("k4", extra).invalid(), ["finalCapture"]);
    let cancel = |body: Value| bench.cancel("ride-0001", false).json(&body).send();
    assert_eq!(cancel(json!([])).invalid(), ["$"]);
    assert_eq!(cancel(json!({"cancelTransactionOnly": "true"})).invalid(), ["cancelTransactionOnly"]);
    assert_eq!(bench.ledger("ride-0001")["captured"], 0);
}

#[test]
fn references_in_paths() {
    let bench = Bench::new();
    for bad in ["short", "with%20space-1", "ride_00001", &"x".repeat(65)] {
        assert_eq!(bench.get(bad).invalid(), ["reference"], "{bad}");
    }
    assert_eq!(bench.get("ride-0001").code(), (404, 5090));
    assert_eq!(bench.get("ride-0001").json()["instance"], "/v1/payments/ride-0001");
}

#[test]
fn paths_that_are_not_there() {
    let bench = Bench::new();
    for (method, path) in
        [("GET", "/"), ("DELETE", "/epayment/v1/payments/ride-0001"), ("POST", "/epayment/v1/payments/a/b/c")]
    {
        let reply = bench.call(method, path).send();
        assert_eq!((reply.status, &reply.json()["statusCode"]), (404, &json!(404)), "{path}");
    }
}

#[test]
fn bodies_without_end() {
    let bench = Bench::new();
    let reply = bench.create("ride-0001").raw(&vec![b' '; 1024 * 1024 + 1]).send();
    assert_eq!(reply.status, 413);
    assert_eq!(bench.get("ride-0001").status, 404);
}

/// Whatever comes over the wire: an answer of four hundred and something, or a closed door, and it lives on.
#[test]
fn noise() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    let good = push("ride-noise").to_string().into_bytes();
    let mut seed = 7_u32;
    for round in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..1 + round % 4 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (seed >> 8) as usize % bytes.len();
            bytes[at] = (seed >> 24) as u8;
        }
        let reply = bench.create("ride-noise").key(&format!("k{round}")).raw(&bytes).send();
        assert!(reply.status < 500, "{round}: {} {}", reply.status, reply.text());
    }
    assert_eq!(bench.sim("GET", "health", Value::Null)["ok"], true);
}
