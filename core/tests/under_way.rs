//! Answers that arrive in a later call than the one that asked: what they say is of the time when they were asked for.

mod model;

use model::{event, push, Fault, Meter};
use vpmeter_core::clock::Clock;
use vpmeter_core::journal::Shelf;
use vpmeter_core::payment::{CancelHow, OnApproval};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const PART: i64 = 8_000;
const MINUTE: u32 = 60_000;

/// Calls that are too short for an answer, until one has left a read under way.
fn leave_a_read(m: &Meter) {
    for _ in 0..400 {
        let before = m.model.count("get");
        m.client.settle(30, &mut |_| {});
        // The transport of the model answers every fifth request at once.
        if m.model.count("get") > before && !m.model.world().requests.len().is_multiple_of(5) {
            return;
        }
        m.model.clock.advance(30);
    }
    panic!("no read is under way");
}

/// Wrong if sums from before the portal's capture made the baseline two hours later: what the portal did would be taken for
/// what may be ours when the first try is lost.
#[test]
fn sums_that_were_asked_for_long_ago_are_no_baseline() {
    let m = Meter::in_pieces();
    let mut p = push(R, FARE);
    p.on_approval = OnApproval::Hold;
    m.client.create_push_payment(&p, MINUTE);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.client.capture(R, PART, 1, false, 0);
    m.model.clock.advance(20_000);
    leave_a_read(&m);
    {
        let mut world = m.model.world();
        let p = world.payments.get_mut(R).unwrap();
        p.captured += PART;
        p.events.push(event("CAPTURED", PART, ""));
    }
    m.model.clock.advance(2 * 3_600_000);
    m.model.fault("capture", Fault::LostBefore);
    m.client.settle(2 * MINUTE, &mut |_| {});
    assert_eq!(m.model.payment(R).captured, 2 * PART);
}

/// Wrong if "not found" counted by when it arrives: the create has reached the servers between the question and the end of
/// the watch.
#[test]
fn not_found_counts_by_when_it_was_asked_for() {
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.model.world().pieces = true;
    m.reboot();
    let watched_until = m.model.clock.monotonic_ms() + 12 * 60_000;
    m.client.settle(1_000, &mut |_| {});
    let left = watched_until - m.model.clock.monotonic_ms();
    m.model.clock.advance(left - 8_000);
    leave_a_read(&m);
    let asked = m.model.clock.monotonic_ms();
    assert!((watched_until - 8_000..watched_until - 1_000).contains(&asked));
    let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let late = model::ServerPayment {
        state: "CREATED".into(),
        amount: FARE,
        metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
        created_at: asked,
        ..Default::default()
    };
    m.model.world().payments.insert(R.into(), late);
    m.model.approve(R);
    m.model.clock.advance(9_000);
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(m.model.payment(R).captured, FARE);
}

/// Wrong if what a call has left under way were as good as not sent: the servers have the payment.
#[test]
fn a_create_that_was_left_under_way_was_sent() {
    let m = Meter::in_pieces();
    let mut calls = 0;
    while m.model.count("create") == 0 {
        m.client.create_push_payment(&push(R, FARE), 30);
        calls += 1;
        assert!(calls < 400, "no create");
    }
    assert!(!m.model.world().requests.len().is_multiple_of(5));
    m.model.approve(R);
    m.client.cancel(R, CancelHow::GiveUp, MINUTE);
    m.client.settle(MINUTE, &mut |_| {});
    let s = m.model.payment(R);
    assert_eq!((s.captured, s.cancelled), (0, FARE));
}
