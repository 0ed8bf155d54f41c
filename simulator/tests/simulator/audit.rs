//! What must be true of the books is asked in one call.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::bench::{Bench, push, receipt};

/// Status, and for each check whether it holds.
fn ask(bench: &Bench, body: Value) -> (u16, Vec<bool>) {
    let reply = bench.try_sim("POST", "assert", &body);
    let answer = reply.json();
    let checks = answer["checks"].as_array().unwrap_or_else(|| panic!("{body}: {answer}"));
    (reply.status, checks.iter().map(|check| check["holds"] == true).collect())
}

#[track_caller]
fn holds(bench: &Bench, body: Value) {
    let reply = bench.try_sim("POST", "assert", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["holds"], true);
}

/// One check that must fail, and what was found.
#[track_caller]
fn fails(bench: &Bench, reference: &str, check: &str, expected: Value) -> Value {
    let reply = bench.try_sim("POST", "assert", &json!({"reference": reference, check: expected}));
    let answer = reply.json();
    assert_eq!((reply.status, &answer["holds"], &answer["checks"][0]["holds"]), (409, &json!(false), &json!(false)));
    assert_eq!(answer["checks"][0]["check"], check);
    answer["checks"][0]["found"].clone()
}

#[test]
fn a_ride_that_went_well() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let path = "/order-management/v2/ECOM/receipts/ride-0001";
    assert_eq!(bench.call("POST", path).json(&receipt(20000, 17857)).send().status, 201);
    bench.capture("ride-0001", 20000, "capture-1").send();
    bench.capture("ride-0001", 20000, "capture-1").send();
    bench.cancel("ride-0001", false).key("cancel-1").send();
    let all = json!({
        "reference": "ride-0001", "state": "AUTHORIZED",
        "created_exactly_once": true, "captured_exactly_once": true, "captured_at_most_once": true,
        "captured_once_per_key": true, "never_over_reservation": true, "nothing_left_reserved": true,
        "not_waiting": true, "receipt_present": true, "no_receipt": false, "no_refund": true,
        "no_capture_after_cancel": true, "every_change_has_a_key": true, "one_request_per_key": true,
        "payments": 1, "authorized": 24500, "captured": 20000, "cancelled": 4500, "refunded": 0, "reserved": 0,
        "capture_count": 1, "cancel_count": 1, "refund_count": 0, "receipts": 1,
        "requests": 5, "requests_at_most": 5, "bytes_in_at_most": 100_000, "bytes_out_at_most": 100_000,
    });
    holds(&bench, all);
}

#[test]
fn what_does_not_hold_is_said_with_what_was_found() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    for check in ["captured_exactly_once", "not_waiting", "receipt_present"] {
        assert_eq!(fails(&bench, "ride-0001", check, json!(true)), false);
    }
    assert_eq!(fails(&bench, "ride-0001", "state", json!("AUTHORIZED")), "CREATED");
    bench.approve("ride-0001");
    fails(&bench, "ride-0001", "nothing_left_reserved", json!(true));
    assert_eq!(fails(&bench, "ride-0001", "reserved", json!(0)), 24500);
    bench.capture("ride-0001", 100, "a").send();
    bench.capture("ride-0001", 100, "b").send();
    bench.refund("ride-0001", 100, "c").send();
    for check in ["captured_exactly_once", "captured_at_most_once", "no_refund"] {
        fails(&bench, "ride-0001", check, json!(true));
    }
    assert_eq!(fails(&bench, "ride-0001", "captured", json!(100)), 200);
    assert_eq!(fails(&bench, "ride-0001", "requests_at_most", json!(3)), 4);
    fails(&bench, "ride-0001", "one_request_per_key", json!(false));
    // Several at once: each is told, and one is enough to fail.
    let body = json!({"reference": "ride-0001", "captured": 200, "no_refund": true, "authorized": 24500});
    let (status, mut results) = ask(&bench, body);
    results.sort();
    assert_eq!((status, results), (409, vec![false, true, true]));
}

#[test]
fn keys_and_the_order_of_requests() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.capture("ride-0001", 100, "create-ride-0001").send();
    fails(&bench, "ride-0001", "one_request_per_key", json!(true));
    bench.cancel("ride-0001", false).send();
    fails(&bench, "ride-0001", "every_change_has_a_key", json!(true));
    holds(&bench, json!({"reference": "ride-0001", "no_capture_after_cancel": true}));
    bench.capture("ride-0001", 100, "late").send();
    fails(&bench, "ride-0001", "no_capture_after_cancel", json!(true));
    // The same asked in other words is no reuse of a key; a head that a fault refused proves nothing.
    let bench = Bench::new();
    bench.fault(json!({"operation": "create", "action": "refuse"}));
    assert!(bench.create("ride-0001").try_send().is_err());
    bench.approved("ride-0001");
    bench.capture("ride-0001", 100, "a").send();
    let spaced = r#"{ "modificationAmount" : { "currency" : "NOK", "value" : 100 } }"#;
    bench.capture("ride-0001", 100, "a").raw(spaced.as_bytes()).send();
    holds(&bench, json!({"one_request_per_key": true, "every_change_has_a_key": true}));
}

#[test]
fn all_payments_together() {
    let bench = Bench::new();
    holds(&bench, json!({"payments": 0, "captured": 0, "requests": 1}));
    bench.approved("ride-0001");
    bench.approved("ride-0002");
    bench.capture("ride-0001", 24500, "a").send();
    holds(&bench, json!({"payments": 2, "authorized": 49000, "captured": 24500, "captured_at_most_once": true}));
    let reply = bench.try_sim("POST", "assert", &json!({"nothing_left_reserved": true}));
    assert_eq!((reply.status, &reply.json()["checks"][0]["not_for"]), (409, &json!(["ride-0002"])));
}

#[test]
fn bytes_are_those_on_the_wire() {
    let bench = Bench::new();
    let sent = bench.create("ride-0001");
    let reply = sent.send();
    let (bytes_in, bytes_out) = (sent.length(), reply.head.len() + 4 + reply.body.len());
    let exact = json!({"reference": "ride-0001", "bytes_in": bytes_in, "bytes_out": bytes_out, "requests": 1});
    holds(&bench, exact);
    // Cut answers count as far as they went; control calls on the same port do not count.
    bench.fault(json!({"operation": "get", "action": "truncate_after"}));
    assert!(bench.on("GET", "ride-0001", "").try_send().is_err());
    bench.fault(json!({"operation": "get", "action": "reset_after"}));
    assert!(bench.on("GET", "ride-0001", "").try_send().is_err());
    let read = bench.on("GET", "ride-0001", "").length();
    assert_eq!(bench.ledger("ride-0001")["bytes_in"], json!(bytes_in + 2 * read));
    let address = bench.simulator.url.split_once("//").expect("a URL").1;
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(b"GET /_sim/switches HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("writes");
    assert!(stream.read(&mut [0; 16]).expect("an answer begins") > 0);
    let after = b"GET /epayment/v1/payments/ride-0002 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(after).expect("writes");
    stream.read_to_end(&mut Vec::new()).expect("the rest");
    let last = bench.sim("GET", "requests", Value::Null).as_array().and_then(|list| list.last().cloned());
    assert_eq!(last.expect("a request")["bytes_in"], json!(after.len()));
    let ledger = bench.ledger("ride-0001");
    let out = ledger["bytes_out"].as_u64().expect("a number") as usize;
    assert!(out > bytes_out + 100 && out < bytes_out + 1_000, "{out} after {bytes_out}");
    let list = bench.sim("GET", "requests", Value::Null);
    let sum = |name: &str| -> u64 { list.as_array().expect("a list").iter().filter_map(|r| r[name].as_u64()).sum() };
    let totals = &bench.sim("GET", "ledger", Value::Null)["totals"];
    assert_eq!((&totals["bytes_in"], &totals["bytes_out"]), (&json!(sum("bytes_in")), &json!(sum("bytes_out"))));
    assert_eq!((&totals["requests"], &totals["payments"], &totals["authorized"]), (&json!(5), &json!(1), &json!(0)));
}

#[test]
fn mistakes_name_the_check() {
    let bench = Bench::new();
    bench.create_with(&push("ride-0001")).send();
    for (body, status, part) in [
        (json!([]), 400, "object"),
        (json!({}), 400, "no check"),
        (json!({"reference": "ride-0001"}), 400, "no check"),
        (json!({"reference": 1, "captured": 0}), 400, "reference"),
        (json!({"reference": "ride-0009", "captured": 0}), 404, "ride-0009"),
        (json!({"captured": "0"}), 400, "captured"),
        (json!({"captured": -1}), 400, "captured"),
        (json!({"captured": 0.5}), 400, "captured"),
        (json!({"no_refund": 1}), 400, "no_refund"),
        (json!({"no_such": true}), 400, "no_such"),
        (json!({"no_refund_at_most": 1}), 400, "no_refund_at_most"),
        (json!({"state": "CREATED"}), 400, "state"),
        (json!({"reference": "ride-0001", "state": 1}), 400, "state"),
    ] {
        let reply = bench.try_sim("POST", "assert", &body);
        let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reply.status, status, "{body}: {error}");
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn a_request_that_is_cancelled_before_its_approval_leaves_nothing_reserved() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    assert_eq!(bench.cancel("ride-0001", true).send().status, 200);
    bench.sim("POST", "assert", json!({"reference": "ride-0001", "nothing_left_reserved": true, "reserved": 0}));
}
