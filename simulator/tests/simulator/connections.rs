//! Fault rules for new connections, before TLS and HTTP.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, read_reply};

const HEAD: &str = "GET /epayment/v1/payments/ride-0001 HTTP/1.1\r\nHost: x\r\n";

fn connect(bench: &Bench) -> TcpStream {
    let stream = TcpStream::connect(bench.simulator.url.split_once("//").expect("a URL").1).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    stream
}

/// A connection that has been answered and stays open.
fn kept(bench: &Bench) -> TcpStream {
    let mut stream = connect(bench);
    stream.write_all(format!("{HEAD}\r\n").as_bytes()).expect("writes");
    let mut seen = Vec::new();
    while !seen.ends_with(b"}") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        seen.push(byte[0]);
    }
    stream
}

fn ask(stream: &mut TcpStream) -> Result<u16, ErrorKind> {
    // A refusal may be seen in writing already, and is told only once.
    let request = format!("{HEAD}Connection: close\r\n\r\n");
    let seen = stream.write_all(request.as_bytes()).and_then(|()| read_reply(stream));
    seen.map(|reply| reply.status).map_err(|error| error.kind())
}

fn counts(bench: &Bench) -> (u64, u64) {
    let rule = bench.sim("GET", "faults", Value::Null)[0].clone();
    (rule["seen"].as_u64().expect("a number"), rule["fired"].as_u64().expect("a number"))
}

fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

#[test]
fn every_connection_is_refused_until_the_rule_is_cleared() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "connection", "action": "refuse"}));
    for _ in 0..3 {
        assert_eq!(ask(&mut connect(&bench)), Err(ErrorKind::ConnectionReset));
    }
    assert_eq!(counts(&bench), (3, 3), "and the control port is untouched");
    bench.sim("DELETE", "faults", Value::Null);
    assert_eq!(ask(&mut connect(&bench)), Ok(401));
    let log = bench.sim("GET", "requests", Value::Null);
    assert_eq!(log.as_array().map(Vec::len), Some(2), "one for a token, one that got through");
}

#[test]
fn taken_and_never_read() {
    let bench = Bench::new();
    bench.fault(json!([
        {"operation": "connection", "action": "stall_before", "times": 1},
        {"operation": "connection", "action": "stall_before", "ms": 5, "nth": 2, "times": 1},
    ]));
    let mut silent = connect(&bench);
    silent.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    assert!(matches!(ask(&mut silent), Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)));
    assert_eq!(ask(&mut connect(&bench)), Err(ErrorKind::UnexpectedEof));
    assert_eq!(ask(&mut connect(&bench)), Ok(401));
}

#[test]
fn one_connection_too_many_is_refused() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "connection", "action": "limit", "connections": 2}));
    let (first, _second) = (kept(&bench), kept(&bench));
    for _ in 0..2 {
        assert!(ask(&mut connect(&bench)).is_err());
    }
    assert_eq!(counts(&bench), (4, 2));
    drop(first);
    until("a place becomes free", || ask(&mut connect(&bench)) == Ok(401));
}

#[test]
fn one_connection_too_many_waits_for_its_turn() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "connection", "action": "limit", "connections": 1, "wait": true}));
    let first = kept(&bench);
    let mut second = connect(&bench);
    second.write_all(format!("{HEAD}Connection: close\r\n\r\n").as_bytes()).expect("writes");
    until("the rule fires", || counts(&bench) == (2, 1));
    second.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    let waiting = second.read(&mut [0; 1]).expect_err("nothing yet");
    assert!(matches!(waiting.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    assert_eq!(read_reply(&mut second).expect("an answer").status, 401);
}

#[test]
fn a_limit_that_is_cleared_keeps_nobody_waiting() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "connection", "action": "limit", "connections": 1, "wait": true}));
    let _first = kept(&bench);
    let mut second = connect(&bench);
    second.write_all(format!("{HEAD}Connection: close\r\n\r\n").as_bytes()).expect("writes");
    until("the rule fires", || counts(&bench) == (2, 1));
    bench.sim("DELETE", "faults", Value::Null);
    assert_eq!(read_reply(&mut second).expect("an answer").status, 401);
}

#[test]
fn which_connections_chance_strikes_is_the_same_each_time() {
    let run = || -> Vec<bool> {
        let bench = Bench::new();
        bench.fault(json!({"operation": "connection", "action": "refuse", "probability": 0.5, "seed": 11}));
        (0..24).map(|_| ask(&mut connect(&bench)).is_ok()).collect()
    };
    let first = run();
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    assert_eq!(first, run());
}
