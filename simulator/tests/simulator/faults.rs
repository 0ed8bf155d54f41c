use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, Reply, read_reply};

/// Captures once with a fault in the way; gives what the client saw and how often the server captured.
pub fn capture_with(rule: Value) -> (std::io::Result<Reply>, i64) {
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

pub fn error(seen: (std::io::Result<Reply>, i64)) -> (ErrorKind, i64) {
    (seen.0.err().expect("no answer").kind(), seen.1)
}

#[test]
fn resets() {
    assert_eq!(error(capture_with(json!({"action": "refuse"}))), (ErrorKind::ConnectionReset, 0));
    assert_eq!(error(capture_with(json!({"action": "reset_before"}))), (ErrorKind::ConnectionReset, 0));
    assert_eq!(error(capture_with(json!({"action": "reset_after"}))), (ErrorKind::ConnectionReset, 1));
}

#[test]
fn do_it_and_lose_the_answer_is_one_word() {
    assert_eq!(error(capture_with(json!({"action": "lose_answer"}))), (ErrorKind::ConnectionReset, 1));
}

#[test]
fn a_clean_close_without_an_answer() {
    assert_eq!(error(capture_with(json!({"action": "close_before"}))), (ErrorKind::UnexpectedEof, 0));
    assert_eq!(error(capture_with(json!({"action": "close_after"}))), (ErrorKind::UnexpectedEof, 1));
}

#[test]
fn half_closed() {
    assert_eq!(error(capture_with(json!({"action": "half_close_before", "ms": 5}))), (ErrorKind::UnexpectedEof, 0));
    assert_eq!(error(capture_with(json!({"action": "half_close_after", "ms": 5}))), (ErrorKind::UnexpectedEof, 1));
    // The server has ended its side and still takes what comes, where a closed socket would reset.
    let bench = Bench::new();
    bench.fault(json!([
        {"operation": "get", "action": "half_close_before"},
        {"operation": "get", "action": "close_before", "nth": 2},
    ]));
    let ended = || {
        let mut stream = bench.on("GET", "ride-0001", "").open();
        assert_eq!(stream.read(&mut [0; 1]).expect("the end of what is written"), 0);
        stream
    };
    let takes_more = |stream: &mut TcpStream| {
        std::thread::sleep(Duration::from_millis(5));
        stream.write_all(&[b'x'; 64]).is_ok() && stream.take_error().expect("asks").is_none()
    };
    let (mut half, mut whole) = (ended(), ended());
    let refused = (0..2_000).any(|_| !takes_more(&mut whole));
    assert!(refused && (0..10).all(|_| takes_more(&mut half)));
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
fn the_token_of_this_request_and_no_other() {
    let mut bench = Bench::new();
    bench.approved("ride-0001");
    let other = bench.fetch_token();
    bench.fault(json!({"operation": "capture", "action": "revoke_token"}));
    for _ in 0..2 {
        assert_eq!(bench.capture("ride-0001", 24500, "c1").send().status, 401);
    }
    assert_eq!((bench.get("ride-0001").status, &bench.ledger("ride-0001")["captured"]), (401, &json!(0)));
    assert_eq!(bench.sim("GET", "faults", Value::Null)[0]["fired"], 1);
    bench.token = other;
    assert_eq!(bench.capture("ride-0001", 24500, "c1").send().status, 200);
}

#[test]
fn what_is_too_large_meets_no_rule() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "capture", "action": "status", "status": 500}));
    let large = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(bench.capture("ride-0001", 1, "c1").raw(&large).send().status, 413);
    let rule = bench.sim("GET", "faults", Value::Null)[0].clone();
    assert_eq!((&rule["seen"], &rule["fired"]), (&json!(0), &json!(0)));
}

#[test]
fn delays() {
    for action in ["delay", "delay_after"] {
        let (seen, count) = capture_with(json!({"action": action, "ms": 5}));
        assert_eq!((seen.expect("an answer").status, count), (200, 1), "{action}");
        let (seen, count) = capture_with(json!({"action": action, "ms": 0, "jitter_ms": 5, "seed": 1}));
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

/// What is under way at the servers, asked on their own port and on the other.
fn under_way(bench: &Bench) -> [u64; 2] {
    let own = bench.bare("GET", "/_sim/under-way").send().json();
    [own, bench.sim("GET", "under-way", Value::Null)].map(|answer| answer["under_way"].as_u64().expect("a number"))
}

fn until_quiet(bench: &Bench) {
    for _ in 0..2_000 {
        if under_way(bench)[0] == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{:?} are under way for ever", under_way(bench));
}

#[test]
fn what_a_client_leaves_under_way() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    until_quiet(&bench);
    // Half a request: its client may go on.
    let mut half = TcpStream::connect(bench.simulator.url.split_once("//").expect("a URL").1).expect("connects");
    half.write_all(b"POST /accesstoken/get HTTP/1.1\r\n").expect("is sent");
    assert!(under_way(&bench)[0] >= 1);
    drop(half);
    until_quiet(&bench);
    // A whole one that acts when its client has long gone, and its connection too: closed with an answer unread, it ends
    // with a reset.
    bench.fault(json!({"operation": "capture", "action": "delay", "ms": 500}));
    let mut reset = TcpStream::connect(bench.simulator.url.split_once("//").expect("a URL").1).expect("connects");
    reset.write_all(b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("is sent");
    reset.peek(&mut [0]).expect("an answer");
    reset.write_all(&bench.capture("ride-0001", 24500, "c1").bytes()).expect("is sent");
    while bench.sim("GET", "faults", Value::Null)[0]["fired"] == 0 {}
    drop(reset);
    std::thread::sleep(Duration::from_millis(50));
    assert!(under_way(&bench).into_iter().all(|count| count >= 1));
    until_quiet(&bench);
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
}

#[test]
fn what_was_sent_before_is_not_missed() {
    let bench = Bench::new();
    for n in 0..50 {
        let reference = format!("ride-{n:04}");
        drop(bench.create(&reference).open());
        until_quiet(&bench);
        assert_eq!(bench.ledger(&reference)["state"], "CREATED");
    }
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
fn did_it_fire() {
    let bench = Bench::new();
    bench.fault(json!([
        {"operation": "get", "action": "status", "status": 500},
        {"operation": "capture", "action": "lose_answer"},
        {"operation": "get", "action": "status", "status": 500, "nth": 5},
    ]));
    bench.get("ride-0001");
    let ids = |path: &str| -> Vec<Value> {
        let list = bench.sim("GET", path, Value::Null);
        list.as_array().expect("a list").iter().map(|rule| rule["id"].clone()).collect()
    };
    assert_eq!((ids("faults"), ids("faults/unfired")), (vec![json!(1), json!(2), json!(3)], vec![json!(2), json!(3)]));
    let third = bench.sim("GET", "faults/3", Value::Null);
    assert_eq!((&third["seen"], &third["fired"], &third["nth"]), (&json!(1), &json!(0), &json!(5)));
    assert_eq!(bench.sim("DELETE", "faults/2", Value::Null)["cleared"], 1);
    assert_eq!(ids("faults/unfired"), [json!(3)]);
    for (method, path) in [("DELETE", "faults/2"), ("DELETE", "faults/x"), ("GET", "faults/2"), ("GET", "faults/-1")] {
        let reply = bench.try_sim(method, path, &Value::Null);
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(reply.text().contains("no fault rule"), "{}", reply.text());
    }
    assert_eq!(bench.sim("DELETE", "faults", Value::Null)["cleared"], 2);
    assert_eq!(ids("faults"), [Value::Null; 0]);
    bench.fault(json!({"operation": "get", "action": "refuse"}));
    assert_eq!(ids("faults"), [json!(4)], "an id is never given twice");
}

#[test]
fn chance_repeats_over_the_wire() {
    let run = |seed: u64| -> Vec<u16> {
        let bench = Bench::new();
        bench.fault(json!({
            "operation": "get", "action": "status", "status": 503, "times": 0, "probability": 0.5, "seed": seed,
        }));
        (0..24).map(|_| bench.get("ride-0001").status).collect()
    };
    let first = run(5);
    assert!(first.contains(&503) && first.contains(&404), "{first:?}");
    assert_eq!(first, run(5));
    assert_ne!(first, run(6));
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
