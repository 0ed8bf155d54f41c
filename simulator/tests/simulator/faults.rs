use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, Reply, read_reply};

/// Captures once with a fault in the way; gives what the client saw and how often the server captured.
fn capture_with(rule: Value) -> (std::io::Result<Reply>, i64) {
    let bench = Bench::new();
    bench.approved("ride-0001");
    let mut rule = rule;
    rule["operation"] = json!("capture");
    bench.fault(rule);
    let seen = bench.capture("ride-0001", 24500, "c1").try_send();
    assert_eq!(bench.sim("GET", "faults", Value::Null)[0]["fired"], 1);
    let count = bench.ledger("ride-0001")["capture_count"].as_i64().expect("a number");
    // The same request again finds a healthy server, and money has moved once.
    assert_eq!(bench.capture("ride-0001", 24500, "c1").send().status, 200);
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
    (seen, count)
}

fn error(seen: (std::io::Result<Reply>, i64)) -> (ErrorKind, i64) {
    (seen.0.err().expect("no answer").kind(), seen.1)
}

#[test]
fn resets() {
    assert_eq!(error(capture_with(json!({"action": "refuse"}))), (ErrorKind::ConnectionReset, 0));
    assert_eq!(error(capture_with(json!({"action": "reset_before"}))), (ErrorKind::ConnectionReset, 0));
    assert_eq!(error(capture_with(json!({"action": "reset_after"}))), (ErrorKind::ConnectionReset, 1));
}

#[test]
fn a_clean_close_without_an_answer() {
    assert_eq!(error(capture_with(json!({"action": "close_after"}))), (ErrorKind::UnexpectedEof, 1));
}

#[test]
fn half_an_answer() {
    let (seen, count) = capture_with(json!({"action": "truncate_after"}));
    let error = seen.err().expect("cut short");
    assert_eq!((error.to_string().as_str(), count), ("the body is cut short", 1));
}

#[test]
fn stalls_end_by_their_time() {
    assert_eq!(error(capture_with(json!({"action": "stall_before", "ms": 5}))), (ErrorKind::UnexpectedEof, 0));
    assert_eq!(error(capture_with(json!({"action": "stall_after", "ms": 5}))), (ErrorKind::UnexpectedEof, 1));
}

#[test]
fn a_stall_without_a_time_lasts_until_the_client_goes() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "get", "action": "stall_before"}));
    let mut stream = bench.on("GET", "ride-0001", "").open();
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    let waiting = stream.read(&mut [0; 1]).expect_err("nothing comes");
    assert!(matches!(waiting.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    drop(stream);
    assert_eq!(bench.get("ride-0001").status, 404);
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
fn one_byte_at_a_time() {
    let (seen, count) = capture_with(json!({"action": "slow_after", "ms": 0}));
    assert_eq!((seen.expect("an answer").status, count), (200, 1));
    let bench = Bench::new();
    bench.fault(json!({"operation": "get", "action": "slow_after"}));
    let mut stream = bench.on("GET", "ride-0001", "").open();
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    let mut first = [0; 16];
    assert_eq!(stream.read(&mut first).expect("a byte"), 1);
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

#[test]
fn delays() {
    for action in ["delay", "delay_after"] {
        let (seen, count) = capture_with(json!({"action": action, "ms": 5}));
        assert_eq!((seen.expect("an answer").status, count), (200, 1), "{action}");
    }
}

#[test]
fn a_late_server_acts_although_the_client_has_gone() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "delay", "ms": 30}));
    drop(bench.capture("ride-0001", 24500, "c1").open());
    for _ in 0..200 {
        if bench.ledger("ride-0001")["capture_count"] == 1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never acted");
}

#[test]
fn the_nth_and_only_this_reference() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    bench.create("ride-0002").send();
    bench.fault(json!([
        {"operation": "get", "reference": "ride-0001", "nth": 2, "times": 2, "action": "status", "status": 500},
        {"operation": "create", "reference": "ride-0003", "action": "refuse"},
    ]));
    let statuses: Vec<u16> = (0..5).map(|_| bench.get("ride-0001").status).collect();
    assert_eq!(statuses, [200, 500, 500, 200, 200]);
    assert_eq!(bench.get("ride-0002").status, 200);
    assert_eq!(bench.create("ride-0003").try_send().err().map(|e| e.kind()), Some(ErrorKind::ConnectionReset));
    assert_eq!(bench.get("ride-0003").status, 404);
    assert_eq!(bench.create("ride-0003").send().status, 201);
    let list = bench.sim("GET", "faults", Value::Null);
    assert_eq!((&list[0]["fired"], &list[0]["seen"], &list[1]["fired"]), (&json!(2), &json!(5), &json!(1)));
    assert_eq!(bench.sim("DELETE", "faults", Value::Null)["cleared"], 2);
}

#[test]
fn everything_for_ever_but_not_the_control_api() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "*", "action": "reset_before", "times": 0}));
    for _ in 0..3 {
        assert!(bench.on("GET", "ride-0001", "").try_send().is_err());
        assert!(bench.token_call().try_send().is_err());
    }
    assert_eq!(bench.bare("GET", "/_sim/health").send().status, 200);
    bench.sim("DELETE", "faults", Value::Null);
    assert_eq!(bench.get("ride-0001").status, 404);
}

#[test]
fn a_refused_request_need_not_be_whole() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "capture", "action": "refuse"}));
    let address = bench.simulator.url.split_once("//").expect("a URL").1;
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let head = "POST /epayment/v1/payments/ride-0001/capture HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("writes");
    assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_the_log_says_of_a_lost_answer() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.fault(json!({"operation": "capture", "action": "reset_after"}));
    let _ = bench.capture("ride-0001", 24500, "c1").try_send();
    let requests = bench.ledger("ride-0001")["requests"].clone();
    let last = requests.as_array().and_then(|list| list.last()).expect("a request").clone();
    assert_eq!((&last["fault"], &last["status"], &last["acted"]), (&json!("reset_after"), &Value::Null, &json!(true)));
}

#[test]
fn connections_are_kept_and_counted() {
    let bench = Bench::new();
    let address = bench.simulator.url.split_once("//").expect("a URL").1;
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = "GET /epayment/v1/payments/ride-0001 HTTP/1.1\r\nHost: x\r\n";
    let two = format!("{head}\r\n{head}Connection: close\r\n\r\n");
    stream.write_all(two.as_bytes()).expect("writes");
    assert!(read_reply(&mut stream).is_err(), "two answers are longer than one");
    let list = bench.sim("GET", "requests", Value::Null);
    let numbers: Vec<_> = list.as_array().expect("a list").iter().rev().take(2).map(|r| &r["connection"]).collect();
    assert_eq!(numbers[0], numbers[1]);
}
