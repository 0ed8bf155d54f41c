//! What is carried out late: when, whoever still listens, and what a repeat is told meanwhile.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Call, Reply, push, read_reply, totals};
use crate::receiver::Receiver;
use crate::webhooks::{ALL, register};

fn until(bench: &Bench, what: &str, wanted: impl Fn(&Bench) -> bool) {
    let begun = Instant::now();
    while !wanted(bench) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn late(bench: &Bench) -> Vec<Value> {
    bench.sim("GET", "late", Value::Null).as_array().expect("a list").clone()
}

/// Sends a request that is taken, and not carried out yet.
fn taken(bench: &Bench, call: &Call) -> TcpStream {
    let before = late(bench).len();
    let stream = call.open();
    until(bench, "it is taken", |bench| late(bench).len() == before + 1);
    stream
}

fn now(bench: &Bench) -> i64 {
    bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time")
}

fn captures(bench: &Bench) -> Value {
    bench.ledger("ride-0001")["captures"].clone()
}

#[test]
fn it_acts_at_its_moment_whether_or_not_its_connection_lives() {
    for answer in ["late", "gone", "reset", "close", "504"] {
        let bench = Bench::new();
        bench.approved("ride-0001");
        let heard = if answer == "gone" { "late" } else { answer };
        bench.fault(json!({"operation": "capture", "action": "late", "ms": 3000, "answer": heard}));
        let begun = now(&bench);
        let mut stream = taken(&bench, &bench.capture("ride-0001", 500, "c"));
        match answer {
            "gone" => stream.shutdown(Shutdown::Both).expect("it goes"),
            "reset" => assert_eq!(read_reply(&mut stream).err().map(|e| e.kind()), Some(ErrorKind::ConnectionReset)),
            "close" => assert_eq!(read_reply(&mut stream).err().map(|e| e.kind()), Some(ErrorKind::UnexpectedEof)),
            "504" => assert_eq!(read_reply(&mut stream).map(|reply| reply.status).ok(), Some(504)),
            _ => {}
        }
        let stream = (answer == "late").then_some(stream);
        let one = json!({"n": 3, "operation": "capture", "reference": "ride-0001", "idempotency_key": "c",
            "due_at": begun + 3000});
        assert_eq!(late(&bench), [one], "{answer}");
        bench.advance(2_999);
        assert_eq!((captures(&bench), totals(&bench.get("ride-0001").json())[1]), (json!([]), 0), "{answer}");
        // Nobody asks, and far beyond the moment: it has happened then all the same.
        bench.advance(600_000);
        let expected = json!([{"amount": 500, "idempotency_key": "c", "at": begun + 3000}]);
        assert_eq!((captures(&bench), late(&bench).len()), (expected, 0), "{answer}");
        if let Some(mut stream) = stream {
            let reply = read_reply(&mut stream).expect("an answer");
            assert_eq!((reply.status, totals(&reply.json())[1]), (200, 500));
        }
        assert_eq!(bench.capture("ride-0001", 500, "c").send().status, 200, "{answer}");
        assert_eq!(bench.ledger("ride-0001")["capture_count"], 1);
        let log = bench.sim("GET", "requests/3", Value::Null);
        let status = match answer {
            "late" | "gone" => json!(200),
            "504" => json!(504),
            _ => Value::Null,
        };
        assert_eq!((&log["acted"], &log["fault"]), (&json!(true), &json!("late")), "{answer}");
        assert_eq!(log["status"], status, "{answer}");
    }
}

#[test]
fn every_write_can_be_late_by_up_to_a_quarter_of_an_hour() {
    let bench = Bench::with(&["--token-life", "1d"]);
    bench.fault(json!({"operation": "*", "action": "late", "ms": 900_000, "answer": "reset", "times": 0}));
    let send = |call: &Call| {
        assert!(call.try_send().is_err());
        assert_eq!(late(&bench).len(), 1);
        bench.advance(899_999);
        late(&bench).len()
    };
    let begun = now(&bench);
    assert_eq!(send(&bench.create("ride-0001")), 1);
    assert_eq!(bench.get("ride-0001").status, 404);
    bench.advance(1);
    assert_eq!((bench.state("ride-0001"), late(&bench).len()), ("CREATED".to_owned(), 0));
    assert_eq!(bench.ledger("ride-0001")["expires_at"], begun + 900_000 + 600_000, "the ten minutes begin with it");
    bench.approve("ride-0001");
    for (call, moved) in [
        (bench.capture("ride-0001", 500, "c"), [24500, 500, 0, 0]),
        (bench.refund("ride-0001", 100, "r"), [24500, 500, 0, 100]),
        (bench.cancel("ride-0001", false).key("x"), [24500, 500, 24000, 100]),
    ] {
        assert_eq!(send(&call), 1);
        assert_ne!(totals(&bench.get("ride-0001").json()), moved);
        bench.advance(1);
        assert_eq!(totals(&bench.get("ride-0001").json()), moved);
    }
    for (rule, field) in [
        (json!({"operation": "capture", "action": "late", "ms": 900_001}), "ms"),
        (json!({"operation": "capture", "action": "late"}), "ms"),
        (json!({"operation": "get", "action": "late", "ms": 1}), "operation"),
        (json!({"operation": "capture", "action": "late", "ms": 1, "answer": "502"}), "answer"),
    ] {
        let refused = bench.try_sim("POST", "faults", &rule);
        assert!(refused.status == 400 && refused.text().contains(&format!("\\\"{field}\\\"")), "{}", refused.text());
    }
}

/// Status and code, where there is one.
fn told(reply: &Reply) -> (u16, Option<String>) {
    let body = reply.json();
    (reply.status, body["extraDetails"][0]["reason"].as_str().map(str::to_owned))
}

const ANSWERS: [(&str, u16, Option<&str>); 7] = [
    ("423", 423, Some("6160")),
    ("409", 409, Some("6160")),
    ("409-plain", 409, None),
    ("409-4010", 409, Some("4010")),
    ("409-4020", 409, Some("4020")),
    ("409-4150", 409, Some("4150")),
    ("400-6250", 400, Some("6250")),
];

const WRITES: [&str; 4] = ["create", "capture", "refund", "cancel"];

/// A bench with a payment, of which 1000 have been captured, and all that can be asked of it.
fn ride(switches: &[&str]) -> Bench {
    let arguments: Vec<&str> = switches.iter().flat_map(|one| ["--switch", one]).collect();
    let bench = Bench::with(&arguments);
    bench.approved("ride-0001");
    assert_eq!(bench.capture("ride-0001", 1000, "before").send().status, 200);
    bench
}

fn calls(bench: &Bench) -> [Call<'_>; 4] {
    [
        bench.create("ride-0002"),
        bench.capture("ride-0001", 500, "c"),
        bench.refund("ride-0001", 100, "r"),
        bench.cancel("ride-0001", false).key("x"),
    ]
}

#[test]
fn a_repeat_meanwhile_is_refused_in_each_way_and_told_the_truth_later() {
    for (value, status, code) in ANSWERS {
        let bench = ride(&[&format!("while-running={value}")]);
        bench.fault(json!(
            WRITES.map(|operation| json!({"operation": operation, "action": "late", "ms": 60_000, "answer": "reset"}))
        ));
        for (nth, call) in calls(&bench).iter().enumerate() {
            assert!(call.try_send().is_err());
            for _ in 0..2 {
                let expected = (status, code.map(str::to_owned));
                assert_eq!(told(&call.send()), expected, "{value} {nth}");
            }
            assert_eq!(late(&bench).len(), 1, "a repeat is answered at once, and nothing more comes of it");
            bench.advance(60_000);
            let reply = call.send();
            assert_eq!(reply.status, if nth == 0 { 201 } else { 200 }, "{value} {nth}: {}", reply.text());
        }
        let entry = bench.ledger("ride-0001");
        let moved = ["captured", "refunded", "cancelled"].map(|name| entry[name].as_i64());
        assert_eq!(moved, [Some(1500), Some(100), Some(23000)], "{value}");
    }
}

#[test]
fn another_key_or_a_first_that_is_done_meets_no_refusal() {
    let bench = ride(&["while-running=409-plain"]);
    bench.fault(json!({"operation": "capture", "action": "late", "ms": 60_000, "answer": "reset"}));
    assert!(bench.capture("ride-0001", 500, "c").try_send().is_err());
    assert_eq!(bench.capture("ride-0001", 500, "d").send().status, 200);
    // The same key with another body: it is in hand, whatever was asked.
    assert_eq!(bench.capture("ride-0001", 501, "c").send().status, 409);
    bench.advance(60_000);
    assert_eq!(bench.ledger("ride-0001")["captured"], 2000);
    assert_eq!(bench.capture("ride-0001", 501, "c").send().code(), (409, 4010));
}

#[test]
fn a_repeat_acts_first_where_the_servers_let_it() {
    let bench = ride(&[]);
    bench.fault(json!({"operation": "capture", "action": "late", "ms": 60_000}));
    let mut first = taken(&bench, &bench.capture("ride-0001", 500, "c"));
    assert_eq!(bench.capture("ride-0001", 500, "c").send().status, 200);
    assert_eq!(bench.ledger("ride-0001")["captured"], 1500);
    bench.advance(60_000);
    assert_eq!(read_reply(&mut first).expect("an answer").status, 200);
    assert_eq!(bench.ledger("ride-0001")["captured"], 1500, "once for a key");
}

#[test]
fn a_repeat_waits_until_the_first_is_done() {
    // The repeat meets the rule too, or does not.
    for times in [0, 1] {
        let bench = ride(&["while-running=wait"]);
        bench.fault(json!({"operation": "capture", "action": "late", "ms": 60_000, "times": times}));
        let mut first = taken(&bench, &bench.capture("ride-0001", 500, "c"));
        let mut again = bench.capture("ride-0001", 500, "c").open();
        until(&bench, "it is there", |bench| bench.sim("GET", "requests", Value::Null)[4]["operation"] == "capture");
        bench.advance(59_999);
        again.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        assert!(again.read(&mut [0]).is_err(), "nothing is said before");
        assert_eq!(late(&bench).len(), 1, "and it is not late itself");
        again.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        bench.advance(1);
        let (first, again) = (read_reply(&mut first).expect("an answer"), read_reply(&mut again).expect("an answer"));
        assert_eq!((first.status, again.status, &first.body), (200, 200, &again.body));
        let entry = bench.ledger("ride-0001");
        assert_eq!((&entry["captured"], late(&bench).len()), (&json!(1500), 0));
    }
}

/// Both are delayed on their way, in real time; the first one is not refused, nor does it wait, because of the second.
#[test]
fn the_first_of_two_is_not_held_up_by_its_repeat() {
    for value in ["409-plain", "wait"] {
        let bench = ride(&[&format!("while-running={value}")]);
        bench.fault(json!({"operation": "capture", "action": "delay", "ms": 300, "times": 2}));
        let call = bench.capture("ride-0001", 500, "c");
        let first = call.open();
        until(&bench, "it is there", |bench| bench.sim("GET", "requests", Value::Null)[3]["operation"] == "capture");
        // So that its time is over before that of the second.
        thread::sleep(Duration::from_millis(20));
        let mut both = [first, call.open()];
        let statuses = both.each_mut().map(|stream| read_reply(stream).expect("an answer").status);
        assert_eq!(statuses, [200, 200], "{value}");
        assert_eq!(bench.ledger("ride-0001")["captured"], 1500, "{value}");
    }
}

#[test]
fn what_was_said_meanwhile_stays_for_the_key_by_a_switch() {
    for (value, status, code) in ANSWERS {
        let bench = ride(&[&format!("while-running={value}"), "sticky-errors=every"]);
        bench.fault(json!(
            WRITES.map(|operation| json!({"operation": operation, "action": "late", "ms": 60_000, "answer": "reset"}))
        ));
        for call in calls(&bench) {
            assert!(call.try_send().is_err());
            let expected = (status, code.map(str::to_owned));
            assert_eq!(told(&call.send()), expected);
            bench.advance(60_000);
            assert_eq!(told(&call.send()), expected, "{value}: it is done, and nobody is told by this key");
        }
        let entry = bench.ledger("ride-0001");
        let moved = ["captured", "refunded", "cancelled"].map(|name| entry[name].as_i64());
        assert_eq!(moved, [Some(1500), Some(100), Some(23000)], "{value}");
        assert_eq!(bench.state("ride-0002"), "CREATED");
    }
}

#[test]
fn who_may_ask_and_how_often_is_decided_when_it_comes() {
    let mut bench = ride(&["while-running=409-plain"]);
    bench.fault(json!({"operation": "*", "action": "late", "ms": 60_000, "answer": "reset", "times": 0}));
    assert!(bench.capture("ride-0001", 500, "c").try_send().is_err());
    bench.sim("POST", "tokens/revoke", Value::Null);
    // Of the one that is refused nothing comes later; the one before it was taken.
    assert!(bench.capture("ride-0001", 600, "d").try_send().is_err());
    assert_eq!(bench.sim("GET", "requests/5", Value::Null)["acted"], false);
    assert_eq!(late(&bench).len(), 1);
    bench.token = bench.fetch_token();
    bench.advance(60_000);
    assert_eq!(bench.ledger("ride-0001")["captured"], 1500);
    // Five a minute, counted as they come.
    bench.sim("DELETE", "faults", Value::Null);
    bench.fault(json!({"operation": "refund", "action": "late", "ms": 60_000, "times": 0}));
    let held: Vec<TcpStream> = (0..5).map(|n| taken(&bench, &bench.refund("ride-0001", 1, &format!("r{n}")))).collect();
    assert_eq!(bench.refund("ride-0001", 1, "r5").send().status, 429);
    assert_eq!(late(&bench).len(), held.len());
}

#[test]
fn each_thing_happens_in_its_own_moment_in_one_jump_of_the_clock() {
    let bench = Bench::with(&["--passenger", "approve-after=3s"]);
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    let begun = now(&bench);
    bench.fault(json!([
        {"operation": "create", "action": "late", "ms": 10_000, "answer": "reset"},
        {"operation": "capture", "action": "late", "ms": 12_000, "answer": "reset", "nth": 1},
        {"operation": "capture", "action": "late", "ms": 14_000, "answer": "reset", "nth": 2},
    ]));
    assert!(bench.create("ride-0001").try_send().is_err());
    assert!(bench.capture("ride-0001", 100, "too-early").try_send().is_err());
    assert!(bench.capture("ride-0001", 200, "c").try_send().is_err());
    bench.advance(60_000);
    let log = bench.sim("GET", "requests", Value::Null);
    let acted: Vec<bool> = log.as_array().expect("a list").iter().filter_map(|one| one["acted"].as_bool()).collect();
    assert_eq!(acted[acted.len() - 3..], [true, false, true]);
    let entry = bench.ledger("ride-0001");
    assert_eq!((&entry["created_at"], &entry["captured"]), (&json!(begun + 10_000), &json!(200)));
    assert_eq!(entry["captures"][0]["at"], begun + 14_000);
    assert_eq!(bench.capture("ride-0001", 100, "too-early").send().code(), (400, 6080), "kept for its key");
    assert_eq!(receiver.names(3), ["CREATED", "AUTHORIZED", "CAPTURED"]);
}

#[test]
fn the_switch_makes_every_write_late_and_a_fault_beside_it() {
    let bench = Bench::with(&["--switch", "acting=late:3000"]);
    let mut create = taken(&bench, &bench.create("ride-0001"));
    // A read is never late.
    assert_eq!(bench.get("ride-0001").status, 404);
    bench.advance(3_000);
    assert_eq!(read_reply(&mut create).expect("an answer").status, 201);
    bench.approve("ride-0001");
    // What is done to the answer is done when it is there.
    bench.fault(json!({"operation": "capture", "action": "lose_answer"}));
    let mut capture = taken(&bench, &bench.capture("ride-0001", 500, "c"));
    bench.advance(2_999);
    assert_eq!(captures(&bench), json!([]));
    bench.advance(1);
    assert_eq!(read_reply(&mut capture).err().map(|error| error.kind()), Some(ErrorKind::ConnectionReset));
    assert_eq!(bench.ledger("ride-0001")["captured"], 500);
    // The rule of one request wins over the switch for all.
    bench.fault(json!({"operation": "refund", "action": "late", "ms": 1, "answer": "504"}));
    assert_eq!(bench.refund("ride-0001", 100, "r").send().status, 504);
    bench.advance(1);
    assert_eq!(bench.ledger("ride-0001")["refunded"], 100);
}

#[test]
fn another_state_knows_nothing_of_it() {
    for wish in ["reset", "snapshots/before/restore"] {
        let bench = ride(&[]);
        bench.sim("POST", "snapshots/before", Value::Null);
        bench.fault(json!({"operation": "capture", "action": "late", "ms": 1_000, "times": 0}));
        let mut first = taken(&bench, &bench.capture("ride-0001", 500, "c"));
        // A snapshot is taken without what is on its way.
        bench.sim("POST", "snapshots/with", Value::Null);
        bench.sim("POST", wish, Value::Null);
        assert_eq!(read_reply(&mut first).err().map(|error| error.kind()), Some(ErrorKind::ConnectionReset), "{wish}");
        bench.sim("POST", "snapshots/with/restore", Value::Null);
        bench.advance(2_000);
        assert_eq!((&bench.ledger("ride-0001")["captured"], late(&bench).len()), (&json!(1000), 0));
    }
}

#[test]
fn a_recording_has_it_where_it_was_done() {
    let bench = ride(&[]);
    bench.sim("POST", "reset", Value::Null);
    bench.sim("POST", "clock", json!({"freeze": true}));
    bench.sim("POST", "recording", Value::Null);
    let token = bench.fetch_token();
    let call = |call: Call| call.header("Authorization", &format!("Bearer {token}")).try_send();
    bench.fault(json!({"operation": "*", "action": "late", "ms": 5_000, "answer": "reset", "times": 0}));
    assert!(call(bench.create("ride-0001")).is_err());
    assert!(call(bench.on("GET", "ride-0001", "")).is_ok_and(|reply| reply.status == 404));
    bench.advance(6_000);
    assert!(call(bench.on("GET", "ride-0001", "")).is_ok_and(|reply| reply.status == 200));
    // What another state takes away was never done.
    bench.sim("POST", "snapshots/now", Value::Null);
    assert!(call(bench.create("ride-0002")).is_err());
    bench.sim("POST", "snapshots/now/restore", Value::Null);
    let reply = bench.try_sim("DELETE", "recording", &Value::Null);
    let lines: Vec<Value> = reply.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = |nth: usize| (lines[nth]["at"].clone(), lines[nth]["answer"]["status"].clone());
    assert_eq!(
        [line(2), line(3), line(4)],
        [(json!(0), json!(404)), (json!(5_000), json!(201)), (json!(6_000), json!(200))]
    );
    let undone: Vec<&Value> = lines.iter().filter(|line| line["body"]["reference"] == "ride-0002").collect();
    assert_eq!(undone.iter().map(|line| &line["answer"]).collect::<Vec<_>>(), [&Value::Null]);
    let folder = vp_simulator::temp::TempDir::new().expect("a directory");
    let path = folder.path().join("late.jsonl");
    std::fs::write(&path, reply.text()).expect("written");
    let (said, same) = vp_simulator::replay(&path).expect("a good file");
    assert!(same, "{said}");
}

/// On a clock that runs a hundred times faster, 3 s and 20 s are soon over, and the ten minutes of a request are not.
#[test]
fn a_ride_that_waits_ends_well_under_the_presets_for_it() {
    for name in ["late", "hostile"] {
        let bench = Bench::with(&["--preset", name]);
        bench.sim("POST", "clock", json!({"freeze": false, "speed": 100}));
        let begun = now(&bench);
        assert_eq!(bench.create_with(&push("ride-0001")).send().status, 201, "{name}");
        assert!(now(&bench) - begun >= 3_000, "{name}");
        bench.approve("ride-0001");
        assert_eq!(bench.capture("ride-0001", 20000, "capture-1").send().status, 200, "{name}");
        assert_eq!(bench.cancel("ride-0001", false).key("cancel-1").send().status, 200, "{name}");
        assert_eq!(bench.refund("ride-0001", 1000, "refund-1").send().status, 200, "{name}");
        assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 20000, 4500, 1000], "{name}");
    }
}
