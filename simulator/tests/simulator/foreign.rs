//! What something on the way says in the place of the servers, and a time of day that is not theirs.

use serde_json::{Value, json};

use crate::bench::{Bench, Reply, totals};
use crate::faults::capture_with;

/// Does a page look like one of the servers' own refusals? A copy of their shapes, to tell others by.
fn is_the_servers_own(reply: &Reply) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return false };
    body.get("extraDetails").is_some() || body.get("statusCode").is_some()
}

#[test]
fn a_page_of_each_4xx_before_and_after_acting() {
    for (action, expected) in [("foreign_before", 0), ("foreign_after", 1)] {
        for status in [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 418, 422, 423, 425, 429, 431, 451, 499] {
            for (page, kind) in [
                ("html", Some("text/html")),
                ("json", Some("application/json")),
                ("problem", Some("application/problem+json")),
                ("empty", None),
            ] {
                let (seen, count) = capture_with(json!({"action": action, "status": status, "page": page}));
                let reply = seen.expect("an answer");
                assert_eq!((reply.status, count), (status, expected), "{action} {page}");
                assert_eq!(reply.header("content-type").as_deref(), kind, "{status} {page}");
                assert_eq!(reply.body.is_empty(), page == "empty", "{status} {page}");
                assert_eq!(
                    serde_json::from_slice::<Value>(&reply.body).is_ok(),
                    kind.is_some_and(|k| k.contains("json"))
                );
                assert!(!is_the_servers_own(&reply), "{}", reply.text());
            }
        }
    }
}

#[test]
fn without_more_it_is_a_403_for_people() {
    let (seen, _) = capture_with(json!({"action": "foreign_after"}));
    let reply = seen.expect("an answer");
    assert!(reply.status == 403 && reply.text().contains("<h1>403 Forbidden</h1>"), "{}", reply.text());
    assert_eq!(reply.header("server").as_deref(), Some("nginx"));
    let bench = Bench::new();
    for (rule, field) in [
        (json!({"operation": "get", "action": "foreign_before", "status": 399}), "status"),
        (json!({"operation": "get", "action": "foreign_before", "status": 500}), "status"),
        (json!({"operation": "get", "action": "foreign_after", "page": "pdf"}), "page"),
        (json!({"operation": "get", "action": "foreign_after", "body": "x"}), "body"),
    ] {
        let refused = bench.try_sim("POST", "faults", &rule);
        assert!(refused.status == 400 && refused.text().contains(&format!("\\\"{field}\\\"")), "{}", refused.text());
    }
}

#[test]
fn it_is_not_kept_for_the_key() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!([
        {"operation": "capture", "action": "foreign_before", "status": 400, "page": "problem"},
        {"operation": "capture", "action": "foreign_after", "status": 409, "page": "json"},
    ]));
    let send = || bench.capture("ride-0001", 500, "c").send();
    assert_eq!((send().status, bench.ledger("ride-0001")["captured"].as_i64()), (400, Some(0)));
    assert_eq!((send().status, bench.ledger("ride-0001")["captured"].as_i64()), (409, Some(500)));
    let reply = send();
    assert_eq!((reply.status, totals(&reply.json())[1]), (200, 500));
}

const RIGHT: &str = "Thu, 30 Mar 2023 08:38:32 GMT";

/// The `Date` of an answer, of one that went out by the bare socket, of one that a fault made, and of the control API.
fn dates(bench: &Bench) -> [Option<String>; 4] {
    bench.fault(json!([
        {"operation": "get", "action": "slow_after", "ms": 0, "nth": 2},
        {"operation": "get", "action": "foreign_before", "nth": 3},
    ]));
    let date = || bench.get("ride-0001").header("date");
    [date(), date(), date(), bench.try_sim("GET", "health", &Value::Null).header("date")]
}

#[test]
fn the_date_of_every_answer() {
    for (value, expected) in
        [("ahead:31536000000", Some(1)), ("behind:31536000000", Some(-1)), ("fixed:2208988800000", None)]
    {
        let bench = Bench::new();
        let right = bench.try_sim("GET", "health", &Value::Null).header("date").expect("a date");
        let year: i64 = right.split(' ').nth(3).and_then(|year| year.parse().ok()).expect("a year");
        bench.switch("date-header", value);
        let [plain, bare, foreign, control] = dates(&bench);
        let text = plain.clone().expect("a date");
        let said: i64 = text.split(' ').nth(3).and_then(|year| year.parse().ok()).expect("a year");
        match expected {
            Some(years) => assert_eq!(said - year, years, "{text} instead of {right}"),
            None => assert_eq!(text, "Sun, 01 Jan 2040 00:00:00 GMT"),
        }
        assert_eq!((&bare, &foreign), (&plain, &plain), "{value}");
        assert_eq!(control, Some(right), "the control API tells the truth");
    }
    let bench = Bench::new();
    bench.switch("date-header", "absent");
    let [plain, bare, foreign, control] = dates(&bench);
    assert_eq!(([plain, bare, foreign], control.is_some()), ([None, None, None], true));
}

#[test]
fn the_date_of_one_answer() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let right = bench.get("ride-0001").header("date").expect("a date");
    bench.fault(json!([
        {"operation": "get", "action": "wrong_date", "date": RIGHT},
        {"operation": "get", "action": "wrong_date", "date": "yesterday", "nth": 2},
        {"operation": "get", "action": "wrong_date", "offset_ms": -86_400_000_000_000_i64, "nth": 3},
        {"operation": "capture", "action": "wrong_date", "offset_ms": i64::MAX},
    ]));
    let date = || bench.get("ride-0001").header("date").expect("a date");
    assert_eq!([date(), date(), date()], [RIGHT, "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"]);
    assert_eq!(date(), right);
    let captured = bench.capture("ride-0001", 500, "c").send();
    assert_eq!(captured.header("date").as_deref(), Some("Thu, 31 Dec 9998 23:59:59 GMT"));
    assert_eq!((captured.status, totals(&captured.json())[1]), (200, 500), "the rest of it is as always");
    assert_eq!(captured.head.to_lowercase().matches("\ndate:").count(), 1);
    for (rule, field) in [
        (json!({"operation": "get", "action": "wrong_date"}), "date"),
        (json!({"operation": "get", "action": "wrong_date", "date": RIGHT, "offset_ms": 1}), "date"),
        (json!({"operation": "get", "action": "wrong_date", "date": "a\r\nb: c"}), "date"),
        (json!({"operation": "get", "action": "wrong_date", "offset_ms": 1.5}), "offset_ms"),
    ] {
        let refused = bench.try_sim("POST", "faults", &rule);
        assert!(refused.status == 400 && refused.text().contains(&format!("\\\"{field}\\\"")), "{}", refused.text());
    }
}
