//! Clocks that cannot be right, clocks that jump, and the floor under them.

use std::fs;

use serde_json::json;

use crate::common::{until, Bench, Driver, FARE};

const REF: &str = "trip-0001";
const DAY: i64 = 24 * 3_600_000;
const YEAR: i64 = 365 * DAY;
/// From now to 1970, or nearly.
const TO_1970: i64 = -1_780_000_000_000;

fn tls() -> Bench {
    Bench::tls(&["--passenger", "approve"])
}

#[track_caller]
fn jump(meter: &mut Driver, ms: i64) {
    meter.call(&format!("jump_wall ms={ms}"));
}

#[test]
fn a_clock_that_cannot_be_right_is_said_and_nothing_is_sent() {
    for wrong in [
        TO_1970,
        30 * YEAR,
        -2 * YEAR,
        -9_000_000_000_000_000_000,
        9_000_000_000_000_000_000,
    ] {
        let bench = tls();
        let mut meter = bench.meter();
        jump(&mut meter, wrong);
        for line in ["create wait=3000", "ride wait=3000", "poll wait=3000"] {
            let reply = meter.call(line);
            reply.is("rc=VP_ERR_CLOCK who=3 state=RECORDED verdict=WAIT");
        }
        meter.call("events wait=3000").is("rc=VP_ERR_CLOCK");
        assert_eq!(bench.sim.requests().len(), 0, "{wrong}");
        // GNSS has a fix: the host's better time.
        jump(&mut meter, -wrong);
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// The battery is dead, and the meter has been on before: the time that it knows will do.
#[test]
fn above_the_floor_a_meter_without_a_clock_pays() {
    for bench in [tls(), tls().with("store=c")] {
        let mut meter = bench.meter();
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter
            .call("create ref=trip-0002 trip=2 then=hold")
            .is("rc=VP_OK");
        meter.kill();
        for wrong in [TO_1970, 30 * YEAR] {
            let mut meter = bench.driver();
            jump(&mut meter, wrong);
            meter.call(&bench.open_line("")).is("rc=VP_OK");
            meter
                .call("poll ref=trip-0002 wait=60000")
                .is("rc=VP_OK state=AUTHORIZED");
            meter.kill();
        }
        let mut meter = bench.driver();
        jump(&mut meter, TO_1970);
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        meter
            .call("ride ref=trip-0003 trip=3 wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
        bench.sim.books("trip-0003", &[FARE], 0, &[]);
    }
}

/// Without the file there is no floor, and with garbage in it neither.
#[test]
fn a_floor_that_is_lost_is_only_a_floor_that_is_lost() {
    let bench = tls();
    let mut meter = bench.meter();
    meter.call("ride wait=660000").is("rc=VP_OK");
    meter.quit();
    let file = bench.journal().join("clock");
    let good = fs::read(&file).expect("the floor");
    assert!(String::from_utf8_lossy(&good).contains("latest_ms"));
    for bytes in [
        b"".as_slice(),
        b"nonsense",
        &good[..good.len() - 3],
        &[good.as_slice(), b"x"].concat(),
    ] {
        fs::write(&file, bytes).expect("a file");
        let mut meter = bench.driver();
        jump(&mut meter, TO_1970);
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        meter
            .call("create ref=trip-0002 trip=2 wait=2000")
            .is("rc=VP_ERR_CLOCK");
        meter.kill();
    }
    fs::remove_file(&file).expect("no floor");
    let mut meter = bench.meter();
    meter
        .call("ride ref=trip-0003 trip=3 wait=660000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit();
    bench.sim.books("trip-0003", &[FARE], 0, &[]);
}

/// Flash wears out: many rides in two days, one write.
#[test]
fn the_floor_is_written_about_every_two_days() {
    let bench = tls();
    let file = bench.journal().join("clock");
    let mut meter = bench.meter();
    let mut ride = |number: u32| {
        let line = format!("ride ref=trip-1{number:03} trip={number} wait=660000");
        meter.call(&line).is("rc=VP_OK");
        fs::read(&file).expect("the floor")
    };
    let first = ride(1);
    for number in 2..6 {
        assert_eq!(ride(number), first, "the same file");
    }
    meter.call(&format!("advance ms={}", 2 * DAY + 1000));
    meter
        .call("ride ref=trip-1010 trip=10 wait=660000")
        .is("rc=VP_OK");
    assert_ne!(fs::read(&file).expect("the floor"), first);
    meter.quit();
}

/// A ride with a jump of the wall clock at each of its steps, with a new connection at each, so that certificates are
/// judged again: the same verdicts, the same books.
#[test]
fn a_jump_at_any_step_changes_no_decision() {
    for wrong in [-YEAR, YEAR, TO_1970, 30 * YEAR] {
        for step in 0..5 {
            let when = format!("{wrong} before step {step}");
            let bench = tls();
            let mut meter = bench.meter();
            meter
                .call("create ref=trip-0009 trip=9 then=hold")
                .is("rc=VP_OK");
            for (number, (line, holds)) in [
                ("create", "rc=VP_OK state=CREATED verdict=WAIT"),
                ("poll", "rc=VP_OK state=AUTHORIZED next=CAPTURE"),
                ("receipt lines=1 l0.total=24900", "rc=VP_OK"),
                (
                    "capture amount=20000",
                    "rc=VP_OK verdict=PAID_LEAVE captured=20000",
                ),
                ("cancel how=release_rest", "rc=VP_OK cancelled=4900"),
            ]
            .into_iter()
            .enumerate()
            {
                if number == step {
                    jump(&mut meter, wrong);
                }
                // The first answer is lost, so that the next request needs a connection.
                bench
                    .sim
                    .fault(json!({"operation": "*", "action": "reset_before", "times": 1}));
                let reply = meter.call(line);
                assert!(
                    !reply.code().contains("CLOCK"),
                    "{when}: {}",
                    reply.everything()
                );
                reply.is(holds);
            }
            meter.quit();
            bench.sim.books(REF, &[20_000], 4_900, &[]);
        }
    }
}

/// While a call waits for the passenger: the ten minutes, the poll plan and the time to decide are monotonic.
#[test]
fn a_jump_while_a_ride_waits_changes_no_decision() {
    for wrong in [-YEAR, YEAR, TO_1970, 30 * YEAR] {
        let bench = Bench::tls(&["--passenger", "ignore"]).with("coarse=100");
        let mut meter = bench.meter();
        meter.begin(1, "ride wait=660000");
        until("the create", || !bench.sim.ledger(REF).is_null());
        meter.call(&format!("jump_wall ms={wrong}"));
        until("a read", || bench.sim.count("get") > 0);
        bench.sim.act(REF, "approve");
        meter
            .end(1)
            .is("rc=VP_OK verdict=PAID_LEAVE captured=24900");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// After a restart the wall clock is all that is known of the deadline. A wrong one never captures or releases by itself:
/// it may only ask a human, or do what was said at create.
#[test]
fn a_restart_with_a_wrong_clock_loses_nothing() {
    for wrong in [-YEAR, YEAR, TO_1970, 30 * YEAR] {
        let bench = tls();
        let mut meter = bench.meter();
        meter.call("create").is("rc=VP_OK");
        meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
        meter.kill();
        let mut meter = bench.driver();
        jump(&mut meter, wrong);
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        meter.call("settle");
        let known = meter.call("known");
        if known.get("verdict") != "PAID_LEAVE" {
            assert!(
                known.owes("DECISION") || known.owes("CAPTURE") || known.get("next") == "CAPTURE",
                "{wrong}: {}",
                known.everything()
            );
            jump(&mut meter, -wrong);
            meter.call("decide what=capture wait=60000");
            meter.call("settle");
        }
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}
