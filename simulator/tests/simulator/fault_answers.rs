//! What becomes of an answer: cut, slowed, spoilt, replaced, or written twice; and of a request that comes twice.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, Reply};
use crate::faults::{capture_with, error};

/// What comes until the end, or until nothing more has come for a while; and whether it has ended.
fn all_that_comes(mut stream: TcpStream) -> (String, bool) {
    let mut all = vec![0];
    stream.read_exact(&mut all).expect("the first byte");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    let ended = stream.read_to_end(&mut all).is_ok();
    (String::from_utf8_lossy(&all).into_owned(), ended)
}

/// What the log has of the latest two requests of a ride: fault, status, acted.
fn last_two(bench: &Bench) -> [(Value, Value, Value); 2] {
    let requests = bench.ledger("ride-0001")["requests"].as_array().cloned().expect("a list");
    let of = |back: usize| {
        let one = &requests[requests.len() - back];
        (one["fault"].clone(), one["status"].clone(), one["acted"].clone())
    };
    [of(2), of(1)]
}

#[test]
fn half_an_answer() {
    let (seen, count) = capture_with(json!({"action": "truncate_after"}));
    let error = seen.err().expect("cut short");
    assert_eq!((error.to_string().as_str(), count), ("the body is cut short", 1));
}

#[test]
fn half_a_head() {
    assert_eq!(error(capture_with(json!({"action": "truncate_in_head"}))), (ErrorKind::UnexpectedEof, 1));
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "get", "action": "truncate_in_head"}));
    let (text, ended) = all_that_comes(bench.on("GET", "ride-0001", "").open());
    assert!(text.starts_with("HTTP/1.1 2") && !text.contains("\r\n\r\n") && ended, "{text}");
}

#[test]
fn stalls_in_the_middle_of_an_answer() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!([
        {"operation": "capture", "action": "stall_in_head"},
        {"operation": "get", "action": "stall_in_body"},
    ]));
    let (text, ended) = all_that_comes(bench.capture("ride-0001", 24500, "c1").open());
    assert!(text.starts_with("HTTP/1.1 2") && !text.contains("\r\n\r\n") && !ended, "{text}");
    let ledger = bench.ledger("ride-0001");
    let last = ledger["requests"].as_array().and_then(|list| list.last()).expect("a request");
    assert_eq!((&ledger["capture_count"], &last["status"]), (&json!(1), &Value::Null));

    let (text, ended) = all_that_comes(bench.on("GET", "ride-0001", "").open());
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    assert!(body.starts_with('{') && body.len() == length.parse::<usize>().expect("a number") / 2 && !ended, "{text}");
    for action in ["stall_in_head", "stall_in_body"] {
        let (seen, count) = capture_with(json!({"action": action, "ms": 5}));
        assert_eq!((seen.err().expect("cut short").kind(), count), (ErrorKind::UnexpectedEof, 1), "{action}");
    }
}

#[test]
fn garbage() {
    for (action, expected) in [("garbage_before", 0), ("garbage_after", 1)] {
        let (seen, count) = capture_with(json!({"action": action}));
        let reply = seen.expect("an answer");
        assert_eq!((reply.status, count), (200, expected));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    }
}

#[test]
fn the_real_answer_with_other_bytes_in_it() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let good = bench.get("ride-0001");
    bench.fault(json!({"operation": "get", "action": "garble", "bytes": 2, "seed": 7}));
    let bad = bench.get("ride-0001");
    assert_eq!((bad.status, bad.header("content-type")), (200, good.header("content-type")));
    assert_eq!(bad.body.len(), good.body.len());
    assert_eq!(bad.body.iter().zip(&good.body).filter(|(now, before)| now != before).count(), 2);
    assert_eq!(bench.get("ride-0001").body, good.body);
    bench.fault(json!({"operation": "capture", "action": "garble"}));
    assert_eq!(bench.capture("ride-0001", 100, "a").send().status, 200);
    assert_eq!(bench.ledger("ride-0001")["captured"], 100);
    // What is no final answer is refused.
    for status in [100, 103, 199, 600] {
        let rule = json!({"operation": "get", "action": "status", "status": status});
        let refused = bench.try_sim("POST", "faults", &rule);
        assert!(refused.status == 400 && refused.text().contains("between 200 and 599"), "{}", refused.text());
    }
}

#[test]
fn a_good_body_with_another_type() {
    for (rule, expected) in [
        (json!({"action": "wrong_content_type"}), "text/html"),
        (json!({"action": "wrong_content_type", "content_type": "application/xml"}), "application/xml"),
    ] {
        let (seen, count) = capture_with(rule);
        let reply = seen.expect("an answer");
        assert_eq!((reply.status, count), (200, 1));
        assert_eq!(reply.header("content-type").as_deref(), Some(expected));
        assert_eq!(reply.json()["aggregate"]["capturedAmount"]["value"], 24500);
    }
}

#[test]
fn a_request_that_arrives_twice_meets_idempotency() {
    let (seen, count) = capture_with(json!({"action": "duplicate"}));
    assert_eq!((seen.expect("an answer").status, count), (200, 1));
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "duplicate"}));
    assert_eq!(bench.capture("ride-0001", 10000, "c1").send().status, 200);
    let fault = json!("duplicate");
    let expected = [(fault.clone(), json!(200), json!(true)), (fault, Value::Null, json!(false))];
    assert_eq!(last_two(&bench), expected);
    assert_eq!(bench.ledger("ride-0001")["captured"], 10000);
}

#[test]
fn a_cancel_that_arrives_twice_has_no_key_to_meet() {
    for (answer, expected) in [("first", 200), ("second", 400)] {
        let bench = Bench::new();
        bench.approved("ride-0001");
        bench.fault(json!({"operation": "cancel", "action": "duplicate", "answer": answer}));
        let reply = bench.cancel("ride-0001", false).send();
        assert_eq!(reply.status, expected, "{answer}: {}", reply.text());
        let ledger = bench.ledger("ride-0001");
        assert_eq!((&ledger["cancel_count"], &ledger["cancelled"]), (&json!(1), &json!(24500)));
        let [first, second] = last_two(&bench);
        assert_eq!((first.2, second.2), (json!(true), json!(false)));
        let heard = if answer == "first" { &first.1 } else { &second.1 };
        let unheard = if answer == "first" { &second.1 } else { &first.1 };
        assert_eq!((heard, unheard), (&json!(expected), &Value::Null));
    }
}

#[test]
fn an_answer_that_comes_twice() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "answer_twice"}));
    let (text, ended) = all_that_comes(bench.capture("ride-0001", 24500, "c1").open());
    assert_eq!((text.matches("HTTP/1.1 200").count(), ended), (2, false), "{text}");
    let (first, second) = text.split_at(text.len() / 2);
    assert_eq!(first, second);
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
}

#[test]
fn the_bare_socket_writes_what_the_http_server_would() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "get", "action": "slow_after", "ms": 0, "nth": 2}));
    let sorted = |reply: Reply| {
        let mut lines: Vec<String> = reply.head.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        // The body ends either way.
        lines.retain(|line| line != "connection: close");
        (lines, reply.json())
    };
    let (good, slow) = (sorted(bench.get("ride-0001")), sorted(bench.get("ride-0001")));
    assert!(good.0.iter().any(|line| line.starts_with("date: ")), "{:?}", good.0);
    assert_eq!(good, slow);
}

#[test]
fn one_byte_at_a_time() {
    let (seen, count) = capture_with(json!({"action": "slow_after", "ms": 0}));
    assert_eq!((seen.expect("an answer").status, count), (200, 1));
    let bench = Bench::new();
    bench.fault(json!({"operation": "get", "action": "slow_after"}));
    let mut stream = bench.on("GET", "ride-0001", "").open();
    let mut first = [0; 16];
    assert_eq!(stream.read(&mut first).expect("a byte"), 1);
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    assert!(stream.read(&mut first).is_err());
}

#[test]
fn any_status() {
    let (seen, count) = capture_with(json!({"action": "status", "status": 503}));
    let reply = seen.expect("an answer");
    assert_eq!((reply.status, count), (503, 0));
    assert_eq!(reply.json()["status"], 503);

    let rule = json!({
        "action": "status", "status": 502, "act": true, "body": "<h1>bad</h1>", "content_type": "text/html",
        "headers": {"Retry-After": "7"},
    });
    let (seen, count) = capture_with(rule);
    let reply = seen.expect("an answer");
    assert_eq!((reply.status, reply.text().as_str(), count), (502, "<h1>bad</h1>", 1));
    assert_eq!(reply.header("retry-after").as_deref(), Some("7"));
    assert_eq!(reply.header("content-type").as_deref(), Some("text/html"));
    for status in [204, 304, 205, 401, 429] {
        let bench = Bench::new();
        bench.fault(json!({"operation": "get", "action": "status", "status": status}));
        assert_eq!(bench.get("ride-0001").status, status);
    }
}
