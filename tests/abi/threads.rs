//! A client shared by threads, interrupted from threads and from a signal handler, and closed at the wrong moment. In real
//! time, because threads wait for each other in it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{until, Bench, FARE};

const REF: &str = "trip-0001";
/// 200 ms is promised; a busy machine may need as much again to run the thread.
const SOON: Duration = Duration::from_millis(400);

fn bench(simulator: &[&str]) -> Bench {
    Bench::new(simulator).with("clock=real poll_first=1 poll_every=500")
}

/// In real time, on the system's own clock.
fn waits(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn one_press_on_two_threads_is_one_payment() {
    let bench = bench(&[]);
    let mut meter = bench.meter();
    for number in 0..20 {
        let line = format!("create ref=trip-1{number:03} wait=5000");
        for thread in [1, 2, 3] {
            meter.begin(thread, &line);
        }
        for thread in [1, 2, 3] {
            meter.end(thread).is("rc=VP_OK state=CREATED");
        }
    }
    assert_eq!(bench.sim.count("create"), 20);
}

#[test]
fn threads_share_one_token() {
    let bench = bench(&[]);
    bench
        .sim
        .fault(json!({"operation": "token", "action": "delay", "ms": 300}));
    let mut meter = bench.meter();
    for thread in 1..=6 {
        meter.begin(thread, &format!("create ref=trip-000{thread} wait=5000"));
    }
    for thread in 1..=6 {
        meter.end(thread).is("rc=VP_OK state=CREATED");
    }
    assert_eq!(bench.sim.count("token"), 1);
}

#[test]
fn a_payment_that_hangs_does_not_hold_up_another() {
    let bench = bench(&["--passenger", "approve"]).with("request_ms=3000");
    let mut meter = bench.meter();
    meter.call("create ref=trip-0002 wait=5000").is("rc=VP_OK");
    bench
        .sim
        .fault(json!({"operation": "get", "reference": "trip-0002", "action": "stall_before"}));
    meter.begin(1, "poll ref=trip-0002 wait=5000");
    until("the read hangs", || bench.sim.count("get") == 1);
    let start = Instant::now();
    meter
        .call("ride wait=5000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    assert!(
        start.elapsed() < Duration::from_millis(2_000),
        "{:?}",
        start.elapsed()
    );
    meter.end(1).is("rc=VP_OK state=AUTHORIZED");
}

#[test]
fn a_cancel_gets_through_while_another_thread_waits() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.begin(1, "poll wait=60000");
    until("it polls", || bench.sim.count("get") > 0);
    let start = Instant::now();
    meter
        .call("cancel wait=5000")
        .is("rc=VP_OK state=TERMINATED verdict=TAKE_OTHER_PAYMENT");
    meter
        .end(1)
        .is("rc=VP_OK state=TERMINATED verdict=TAKE_OTHER_PAYMENT");
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn two_threads_that_wait_for_one_passenger_read_as_often_as_one() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.begin(1, "poll wait=2200");
    meter.begin(2, "poll wait=2200");
    meter.end(1).is("rc=VP_PENDING");
    meter.end(2).is("rc=VP_PENDING");
    let reads = bench.sim.count("get");
    assert!((3..=6).contains(&reads), "{reads} reads in 2.2 s");
}

#[test]
fn an_interrupt_from_another_thread() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    for (interrupt, meant) in [
        ("interrupt", true),
        ("interrupt ref=trip-0001", true),
        ("interrupt ref=trip-0002", false),
    ] {
        meter.begin(1, "poll wait=60000");
        waits(150);
        let start = Instant::now();
        meter.call(interrupt).is("rc=VP_OK");
        if !meant {
            waits(600);
            assert!(meter.try_end(1).is_none(), "it was not meant");
            meter.call("interrupt");
        }
        meter
            .end(1)
            .is("rc=VP_ERR_INTERRUPTED state=CREATED verdict=WAIT next=POLL");
        assert!(!meant || start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    // trip-0002's is still there for trip-0002; here nothing is left.
    meter.call("poll wait=700").is("rc=VP_PENDING");
}

#[test]
fn an_interrupt_sticks_until_one_call_has_returned_for_it() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    for line in ["poll wait=60000", "settle wait=60000", "work wait=60000"] {
        meter.call("interrupt").is("rc=VP_OK");
        let start = Instant::now();
        let reply = meter.call(line);
        assert_eq!(
            reply.code(),
            "VP_ERR_INTERRUPTED",
            "{line}: {}",
            reply.everything()
        );
        assert!(start.elapsed() < SOON, "{line}: {:?}", start.elapsed());
    }
    meter.call("poll wait=300").is("rc=VP_PENDING");
}

#[test]
fn an_interrupt_from_a_signal_handler() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.begin(1, "poll wait=60000");
    waits(150);
    let start = Instant::now();
    meter.call("signal to=1").is("rc=VP_OK");
    meter.end(1).is("rc=VP_ERR_INTERRUPTED state=CREATED");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // Signals in the middle of requests cost nothing.
    bench.sim.passenger("approve");
    bench
        .sim
        .fault(json!({"operation": "capture", "action": "stall_after", "ms": 700}));
    meter.call("poll wait=5000").is("rc=VP_OK");
    meter.begin(1, "capture amount=24900 wait=20000");
    until("it captures", || bench.sim.count("capture") == 1);
    let start = Instant::now();
    meter.call("signal to=1").is("rc=VP_OK");
    meter
        .end(1)
        .is("rc=VP_ERR_OUTCOME_UNKNOWN cause=INTERRUPTED verdict=SECURED_LEAVE");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    meter
        .call("capture amount=24900 wait=20000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn an_interrupt_in_the_middle_of_a_request() {
    let bench =
        Bench::tls(&["--passenger", "ignore"]).with("clock=real poll_first=1 poll_every=500");
    let unknown = "VP_ERR_OUTCOME_UNKNOWN";
    let mut meter = bench.meter();
    for (operation, line, code, then) in [
        ("create", "create wait=60000", unknown, "create wait=20000"),
        (
            "get",
            "poll wait=60000",
            "VP_ERR_INTERRUPTED",
            "poll wait=20000",
        ),
        (
            "capture",
            "capture amount=24900 wait=60000",
            unknown,
            "capture amount=24900 wait=20000",
        ),
        (
            "refund",
            "refund amount=100 wait=60000",
            unknown,
            "refund amount=100 wait=20000",
        ),
    ] {
        let before = bench.sim.count(operation);
        bench
            .sim
            .fault(json!({"operation": operation, "action": "stall_after"}));
        meter.begin(1, line);
        until(operation, || bench.sim.count(operation) > before);
        let start = Instant::now();
        meter.call("interrupt");
        let reply = meter.end(1);
        assert_eq!(reply.code(), code, "{operation}: {}", reply.everything());
        reply.is("cause=INTERRUPTED");
        assert!(start.elapsed() < SOON, "{operation}: {:?}", start.elapsed());
        bench.sim.passenger("approve");
        meter.call(then).is("rc=VP_OK");
    }
    bench.sim.books(REF, &[FARE], 0, &[100]);
    assert_eq!(bench.sim.ledger(REF)["pushes"], 1);
}

#[test]
fn closing_while_a_call_runs() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.begin(1, "poll wait=60000");
    until("it polls", || bench.sim.count("get") > 0);
    meter.call("close").is("rc=VP_ERR_BUSY");
    // The call that ran was not harmed, nor the handle.
    meter.call("known").is("rc=VP_OK state=CREATED");
    meter.call("interrupt");
    meter.end(1).is("rc=VP_ERR_INTERRUPTED");
    meter.call("close").is("rc=VP_OK");
    meter
        .call("known client=stale")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
}

#[test]
fn sixty_four_clients_and_no_more() {
    let bench = bench(&[]);
    let mut driver = bench.driver();
    let journal = |number: u32| {
        bench
            .dir
            .join(&format!("journal-{number}"))
            .display()
            .to_string()
    };
    for number in 0..64 {
        let line = bench.open_line(&format!("c={number} journal={}", journal(number)));
        driver.call(&line).is("rc=VP_OK");
    }
    let line = bench.open_line(&format!("c=64 journal={}", journal(64)));
    driver.call(&line).is("rc=VP_ERR_BUSY");
    assert!(
        !std::path::Path::new(&journal(64)).exists(),
        "nothing is written"
    );
    driver.call("create c=63 wait=5000").is("rc=VP_OK");
    driver.call("close c=20").is("rc=VP_OK");
    driver.call(&line).is("rc=VP_OK");
    driver
        .call("known c=20 client=stale")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
    driver.call("known c=63").is("rc=VP_OK state=CREATED");
    driver.quit();
}

#[test]
fn without_waiting_nothing_is_sent_and_a_worker_does_it() {
    let bench = bench(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    let before = bench.sim.requests().len();
    for line in ["create wait=0", "poll wait=0", "create wait=0"] {
        let reply = meter.call(line);
        reply.is("rc=VP_PENDING state=RECORDED verdict=WAIT next=POLL says=NOT_SENT_YET");
        assert!(
            reply.number("ms") < 500,
            "{line} returns at once: {}",
            reply.everything()
        );
    }
    assert_eq!(
        bench.sim.requests().len(),
        before,
        "the network is not touched"
    );
    // A main loop that never waits, and a thread that does the work.
    meter.begin(1, "work wait=60000");
    let known =
        |what: &str, meter: &mut crate::common::Driver| meter.call("known").get("state") == what;
    until("it is approved", || known("AUTHORIZED", &mut meter));
    let reply = meter.call("capture amount=24900 final=1 wait=0");
    assert!(
        ["VP_PENDING", "VP_OK"].contains(&reply.code()),
        "{}",
        reply.everything()
    );
    assert!(["SECURED_LEAVE", "PAID_LEAVE"].contains(&reply.get("verdict")));
    until("it is captured", || {
        meter.call("known").get("verdict") == "PAID_LEAVE"
    });
    meter.call("interrupt");
    meter.end(1).is("rc=VP_ERR_INTERRUPTED");
    meter.call("work wait=0").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn every_call_without_waiting_only_records() {
    let bench = Bench::new(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK");
    let before = bench.sim.requests().len();
    meter
        .call("receipt lines=1 l0.total=20000 wait=0")
        .is("rc=VP_PENDING owed=RECEIPT next=CAPTURE");
    meter
        .call("capture amount=20000 final=1 wait=0")
        .is("rc=VP_PENDING verdict=SECURED_LEAVE next=SETTLE");
    meter.call("settle wait=0").is("rc=VP_PENDING");
    meter.call("work wait=0").is("rc=VP_PENDING");
    assert_eq!(bench.sim.requests().len(), before);
    meter.call("work wait=60000").is("rc=VP_OK");
    meter
        .call("known")
        .is("verdict=PAID_LEAVE next=DONE owed= captured=20000 cancelled=4900");
    meter
        .call("refund amount=100 wait=0")
        .is("rc=VP_PENDING owed=REFUND");
    meter.call("work wait=60000").is("rc=VP_OK");
    bench.sim.books(REF, &[20_000], 4_900, &[100]);
    // Given up without a network: durable, and cash may be taken.
    meter
        .call("create ref=trip-0002 wait=0")
        .is("rc=VP_PENDING");
    meter
        .call("cancel ref=trip-0002 how=give_up wait=0")
        .is("rc=VP_OK verdict=TAKE_OTHER_PAYMENT closed=1");
    assert!(bench.sim.ledger("trip-0002").is_null());
}

/// The promise of every call: `wait_ms` and one request limit, whatever the servers do not do.
#[test]
fn no_call_takes_longer_than_its_bound() {
    let bench =
        Bench::tls(&["--passenger", "approve"]).with("clock=system poll_first=1 request_ms=600");
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.call("create ref=trip-0002 wait=5000").is("rc=VP_OK");
    meter.call("poll wait=5000").is("rc=VP_OK state=AUTHORIZED");
    bench.sim.post("tokens/revoke", json!({}));
    bench
        .sim
        .fault(json!({"operation": "*", "action": "stall_before", "times": 0}));
    for line in [
        "create ref=trip-0003 wait=300",
        "poll ref=trip-0002 wait=300",
        "receipt lines=1 l0.total=24900 wait=300",
        "capture amount=24900 wait=300",
        "cancel ref=trip-0002 wait=300",
        "events wait=300",
        "settle wait=300",
        "work wait=300",
        "ride ref=trip-0004 wait=300",
    ] {
        let reply = meter.call(line);
        let ms = reply.number("ms");
        // What the disk takes comes on top.
        assert!(ms <= 300 + 600 + 250, "{line}: {ms} ms");
        assert_ne!(reply.code(), "VP_OK", "{line}");
    }
    bench.sim.clear_faults();
    meter
        .call("capture amount=24900 wait=20000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}
