//! The power fails: the C program is killed with SIGKILL, and another one begins on the same journal.

use std::time::Duration;

use serde_json::{json, Value};

use crate::common::{sent, until, Bench, Driver, FARE};

const REF: &str = "trip-0001";

/// Waits until a request of this operation has reached the servers.
fn arrived(bench: &Bench, operation: &str) {
    until(operation, || bench.sim.count(operation) > 0);
}

#[track_caller]
fn approved(bench: &Bench) -> Driver {
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    meter
}

#[test]
fn between_approval_and_capture() {
    let bench = Bench::tls(&[]);
    approved(&bench).kill();
    assert_eq!(bench.sim.count("capture"), 0);

    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    let told = meter.told("settled");
    assert_eq!(told.len(), 1);
    told[0].is("ref=trip-0001 verdict=PAID_LEAVE captured=24900");
    bench.sim.books(REF, &[FARE], 0, &[]);
    // Once more, in every way: still once.
    meter.call("settle").is("rc=VP_OK");
    meter.call("capture amount=24900 final=1").is("rc=VP_OK");
    meter.kill();
    bench.meter().call("settle").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("create"), 1);
}

#[test]
fn inside_a_ride_at_the_moment_of_the_approval() {
    for by_ride in [false, true] {
        let bench = Bench::tls(&[]);
        let ride = "ride wait=660000 lines=1 l0.total=24900";
        let mut meter = bench.meter();
        // In on_payment, when it hears of AUTHORIZED.
        meter.call("die hook=payment state=3").is("rc=VP_OK");
        meter.wait_for_death(ride);
        assert_eq!(bench.sim.count("capture"), 0);

        let mut meter = bench.meter();
        meter
            .call(if by_ride { ride } else { "settle" })
            .is("rc=VP_OK");
        meter
            .call("known")
            .is("verdict=PAID_LEAVE next=DONE owed= captured=24900");
        let ledger = bench.sim.books(REF, &[FARE], 0, &[]);
        assert!(
            !ledger["receipt"].is_null(),
            "the receipt came too: by_ride {by_ride}"
        );
        assert_eq!(bench.sim.count("create"), 1);
    }
}

#[test]
fn an_approval_on_hold_is_not_captured_by_settle() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.meter();
    meter.call("create then=hold").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    meter.kill();
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_PENDING");
    meter
        .call("known")
        .is("state=AUTHORIZED verdict=WAIT next=CAPTURE");
    assert_eq!(bench.sim.count("capture"), 0);
}

/// Starts `line`, whose request is held by the servers, and kills in the middle of it.
fn killed_in(bench: &Bench, mut meter: Driver, operation: &str, fault: &str, line: &str) {
    bench
        .sim
        .fault(json!({"operation": operation, "action": fault}));
    meter.begin(1, line);
    arrived(bench, operation);
    if fault == "stall_after" {
        until("it acts", || {
            sent(&bench.sim.requests(), operation)[0]["acted"] == true
        });
    }
    meter.kill();
}

#[test]
fn in_the_middle_of_the_capture_request() {
    for fault in ["stall_after", "stall_before"] {
        let bench = Bench::tls(&[]);
        let meter = approved(&bench);
        killed_in(
            &bench,
            meter,
            "capture",
            fault,
            "capture amount=24900 final=1",
        );
        let mut meter = bench.meter();
        // The intent is on disk, so the passenger may leave.
        meter.call("settle").is("rc=VP_OK");
        meter
            .call("known")
            .is("verdict=PAID_LEAVE captured=24900 closed=1");
        bench.sim.books(REF, &[FARE], 0, &[]);
        let requests = bench.sim.requests();
        let keys: Vec<&Value> = sent(&requests, "capture")
            .iter()
            .map(|r| &r["idempotency_key"])
            .collect();
        assert!(
            keys.iter().all(|k| *k == keys[0]),
            "{fault}: one intent, one key: {keys:?}"
        );
    }
}

#[test]
fn in_the_middle_of_the_second_partial_capture() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    meter.call("capture amount=10000").is("rc=VP_OK");
    bench
        .sim
        .fault(json!({"operation": "capture", "action": "stall_after"}));
    meter.begin(1, "capture amount=10000 nth=2");
    until("the second capture", || {
        bench.sim.ledger(REF)["capture_count"] == 2
    });
    meter.kill();
    let mut meter = bench.meter();
    meter
        .call("capture amount=10000 nth=2")
        .is("rc=VP_OK captured=20000");
    bench.sim.books(REF, &[10_000, 10_000], 0, &[]);
}

#[test]
fn in_the_middle_of_the_create_request() {
    // It acted: found by its ride id, and captured once it is approved.
    let bench = Bench::tls(&[]);
    killed_in(&bench, bench.meter(), "create", "stall_after", "create");
    let mut meter = bench.meter();
    meter.call("settle wait=120000").is("rc=VP_OK");
    meter.call("known").is("verdict=PAID_LEAVE captured=24900");
    bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("create"), 1);

    // It did not: settling sends no bill, and when nothing on the way can hold it any more it is proven dead.
    let bench = Bench::tls(&[]);
    killed_in(&bench, bench.meter(), "create", "stall_before", "create");
    let mut meter = bench.meter();
    meter.call("known").is("state=UNKNOWN verdict=WAIT");
    meter.call("settle wait=600000").is("rc=VP_PENDING");
    meter.call("settle wait=200000").is("rc=VP_OK");
    meter
        .call("known")
        .is("state=NOT_CREATED verdict=TAKE_OTHER_PAYMENT next=DONE closed=1");
    assert_eq!(bench.sim.count("create"), 1);
    assert!(bench.sim.ledger(REF).is_null());
}

#[test]
fn in_the_middle_of_a_cancel_and_of_a_refund() {
    let bench = Bench::tls(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    killed_in(
        &bench,
        meter,
        "cancel",
        "stall_after",
        "cancel how=if_not_approved",
    );
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("known")
        .is("state=TERMINATED verdict=TAKE_OTHER_PAYMENT closed=1");

    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    meter.call("capture amount=24900 final=1").is("rc=VP_OK");
    killed_in(&bench, meter, "refund", "stall_after", "refund amount=5000");
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("refund amount=5000")
        .is("rc=VP_OK refunded=5000");
    bench.sim.books(REF, &[FARE], 0, &[5_000]);
}

#[test]
fn in_the_middle_of_a_give_up() {
    let bench = Bench::tls(&[]);
    let meter = approved(&bench);
    killed_in(
        &bench,
        meter,
        "cancel",
        "stall_before",
        "cancel how=give_up",
    );
    let mut meter = bench.meter();
    meter
        .call("known")
        .is("verdict=TAKE_OTHER_RELEASE_OWED next=SETTLE");
    meter
        .call("capture amount=24900")
        .is("rc=VP_ERR_WRONG_STATE");
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("known")
        .is("verdict=TAKE_OTHER_PAYMENT closed=1");
    bench.sim.books(REF, &[], FARE, &[]);
}

/// Rides that are killed again and again, wherever they happen to be, until they have come through.
#[test]
fn at_any_moment() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut kills = 0;
    for number in 0..30 {
        let reference = format!("trip-1{number:03}");
        let ride = format!("ride ref={reference} wait=660000 lines=1 l0.total=24900");
        loop {
            let mut meter = bench.meter();
            meter.begin(1, &ride);
            // xorshift: the same moments in every run, as far as the machine allows. A ride takes some 10 ms.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            std::thread::sleep(Duration::from_micros(dice % 12_000));
            if let Some(reply) = meter.try_end(1) {
                reply.is("rc=VP_OK verdict=PAID_LEAVE captured=24900");
                break;
            }
            meter.kill();
            kills += 1;
        }
        let ledger = bench.sim.books(&reference, &[FARE], 0, &[]);
        assert!(!ledger["receipt"].is_null());
    }
    assert!(kills >= 15, "only {kills} kills came in time");
}
