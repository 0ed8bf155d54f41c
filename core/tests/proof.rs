//! What proves a capture, and what only looks as if it did.

mod model;

use model::{event, push, Fault, Meter};
use serde_json::Value;
use vpmeter_core::client::Outcome;
use vpmeter_core::error::Code;
use vpmeter_core::journal::Shelf;
use vpmeter_core::payment::OnApproval;
use vpmeter_core::verdict::NextStep;

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
/// Several of these fit.
const PART: i64 = 8_000;
/// Only one of these fits.
const MOST: i64 = 15_000;
const MINUTE: u32 = 60_000;

fn code(o: &Outcome) -> Code {
    o.report.code
}

/// Approved as a reservation.
fn held() -> Meter {
    let m = Meter::new();
    let mut p = push(R, FARE);
    p.on_approval = OnApproval::Hold;
    m.client.create_push_payment(&p, MINUTE);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m
}

fn settle(m: &Meter, minutes: u32) {
    m.client.settle(minutes * MINUTE, &mut |_| {});
}

/// The keys of the captures that were sent, each once.
fn keys(m: &Meter) -> Vec<String> {
    let sent = m.model.world().keys_sent.clone();
    let captures = sent.into_iter().filter(|k| k.0 == "capture");
    let mut keys: Vec<String> = captures.map(|k| k.1).collect();
    keys.dedup();
    keys
}

/// Somebody captures, under this key as the log writes it.
fn captured(m: &Meter, amount: i64, key: &str) {
    let mut world = m.model.world();
    let p = world.payments.get_mut(R).unwrap();
    p.captured += amount;
    p.events.push(event("CAPTURED", amount, key));
}

fn refuse(m: &Meter, times: usize, status: u16, vipps: i32) {
    for _ in 0..times {
        m.model.fault("capture", Fault::Refuse(status, vipps));
    }
}

/// Wrong if a new process knew that the old one's try was answered.
#[test]
fn what_an_earlier_process_sent_may_act_after_a_refusal() {
    let mut m = held();
    m.model.fault("capture", Fault::LostBefore);
    m.client.capture(R, PART, 1, false, 60);
    m.reboot();
    refuse(&m, 5, 400, 6140);
    settle(&m, 3);
    let another = m.client.capture(R, PART, 2, false, MINUTE);
    assert_eq!(code(&another), Code::WrongState);
    captured(&m, PART, &keys(&m)[0]);
    settle(&m, 30);
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, PART);
}

/// Wrong if a refusal that gives no reason were one of every copy of the request: one that something on the way has made is
/// carried out minutes later.
#[test]
fn a_refusal_without_a_known_reason_is_not_proven_before_the_quiet_time() {
    let m = held();
    refuse(&m, 5, 400, 9999);
    m.client.capture(R, PART, 1, false, MINUTE);
    let another = m.client.capture(R, PART, 2, false, MINUTE);
    assert_eq!(code(&another), Code::WrongState);
    captured(&m, PART, &keys(&m)[0]);
    settle(&m, 30);
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, PART);
}

/// Wrong if only the key that is sent now were ours: the one before it has captured.
#[test]
fn a_capture_under_an_earlier_key_is_ours() {
    let m = held();
    refuse(&m, 3, 409, 4010);
    let attempt = || {
        let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        record["captures"][0]["attempt"].as_u64().unwrap_or(0)
    };
    let mut calls = 0;
    while attempt() < 2 {
        m.client.capture(R, MOST, 1, false, 500);
        calls += 1;
        assert!(calls < 200, "no new key");
    }
    captured(&m, MOST, &keys(&m)[0]);
    settle(&m, 5);
    assert_eq!(code(&m.client.capture(R, MOST, 1, false, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, MOST);
}

/// Wrong if growth that the log does not explain were of others: the log has no keys, or writes them in another way, and it
/// was our try that captured.
#[test]
fn a_capture_that_may_be_ours_is_not_called_refused() {
    for written in ["", "another-way-to-write-it"] {
        let m = held();
        m.model.fault("capture", Fault::LostBefore);
        m.client.capture(R, MOST, 1, false, 60);
        captured(&m, MOST, written);
        refuse(&m, 30, 409, 4020);
        settle(&m, 5);
        let another = m.client.capture(R, PART, 2, false, MINUTE);
        assert_eq!(code(&another), Code::WrongState, "{written:?}");
        assert_eq!(m.model.payment(R).captured, MOST);
    }
}

/// Wrong if "all is captured" were "ours is captured".
#[test]
fn a_part_is_not_proven_by_what_others_capture() {
    let m = held();
    m.model.fault("capture", Fault::LostBefore);
    m.client.capture(R, PART, 1, false, 60);
    captured(&m, FARE, "portal-1");
    settle(&m, 5);
    let o = m.client.capture(R, PART, 1, false, MINUTE);
    assert_eq!(code(&o), Code::Amount, "{}", o.report);
}

/// Wrong if the servers knew every key for ever, and their sums never lagged behind their log.
#[test]
fn an_old_intent_is_not_sent_again_before_the_log_was_read() {
    let mut m = held();
    m.model.fault("capture", Fault::Lag(24 * 3_600_000));
    m.client.capture(R, PART, 1, false, 60);
    assert_eq!(m.model.payment(R).captured, PART);
    m.model.clock.advance(2 * 3_600_000);
    m.model.world().keys.clear();
    m.reboot();
    settle(&m, 5);
    assert_eq!(m.model.payment(R).captured, PART);
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
}

/// Wrong if what servers refuse under four keys were paid under a fifth.
#[test]
fn after_four_keys_somebody_decides() {
    let m = held();
    refuse(&m, 100, 400, 6080);
    m.client.capture(R, FARE, 1, true, 5 * MINUTE);
    settle(&m, 60);
    assert_eq!(keys(&m).len(), 4);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(p.next_step, NextStep::Decide);
}
