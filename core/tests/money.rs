//! The rules of the money (`docs/money.md`), each by what would have to be true of the world for it to be wrong.

mod model;

use model::{event, push, Fault, FullStore, Meter};
use std::sync::Arc;
use vpmeter_core::client::hooks::Silent;
use vpmeter_core::client::Outcome;
use vpmeter_core::error::{Cause, Code};
use vpmeter_core::journal::Shelf;
use vpmeter_core::payment::{CancelHow, Decision, OnApproval, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const PART: i64 = 8_000;
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

/// Captured whole.
fn paid() -> Meter {
    let m = held();
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    m
}

/// The keys under which an operation was sent, each once.
fn keys(m: &Meter, operation: &str) -> Vec<String> {
    let sent = m.model.world().keys_sent.clone();
    let mut keys: Vec<String> = sent
        .into_iter()
        .filter(|k| k.0 == operation)
        .map(|k| k.1)
        .collect();
    keys.dedup();
    keys
}

fn settle(m: &Meter, minutes: u32) {
    m.client.settle(minutes * MINUTE, &mut |_| {});
}

fn known(m: &Meter) -> vpmeter_core::client::snapshot::Snapshot {
    m.client.known_payment(R).payment.unwrap()
}

/// The servers carry the operation out now, although its answer said something else.
fn acts_late(m: &Meter, operation: &str, amount: i64) {
    let key = keys(m, operation).remove(0);
    let mut world = m.model.world();
    let p = world.payments.get_mut(R).unwrap();
    match operation {
        "capture" => {
            p.captured += amount;
            p.captures.push((key.clone(), amount));
            p.events.push(event("CAPTURED", amount, &key));
        }
        _ => {
            p.refunded += amount;
            p.refunds.push((key.clone(), amount));
            p.events.push(event("REFUNDED", amount, &key));
        }
    }
}

fn portal(m: &Meter, operation: &str, amount: i64, key: &str) {
    let mut world = m.model.world();
    let p = world.payments.get_mut(R).unwrap();
    match operation {
        "capture" => {
            p.captured += amount;
            p.events.push(event("CAPTURED", amount, key));
        }
        _ => {
            p.refunded += amount;
            p.events.push(event("REFUNDED", amount, key));
        }
    }
}

#[test]
fn in_progress_goes_on_with_its_key() {
    for (status, vipps) in [
        (423, 0),
        (409, 0),
        (409, 6160),
        (400, 6250),
        (409, 4010),
        (409, 4020),
    ] {
        for operation in ["capture", "refund"] {
            let m = if operation == "capture" {
                held()
            } else {
                paid()
            };
            m.model.fault(operation, Fault::LostBefore);
            for _ in 0..2 {
                let (status, body) = model::problem(status, vipps);
                m.model.fault(operation, Fault::Status(status, body));
            }
            let o = match operation {
                "capture" => m.client.capture(R, PART, 1, false, 2 * MINUTE),
                _ => m.client.refund(R, PART, 1, 2 * MINUTE),
            };
            assert_eq!(code(&o), Code::Ok, "{operation} {status}/{vipps}");
            assert_eq!(keys(&m, operation).len(), 1);
        }
    }
}

/// Wrong if an answer that stays for ten seconds were taken for one that stays for the key: the first request, still being
/// carried out, would pay beside the one under a new key wherever servers let both through.
#[test]
fn in_progress_does_not_open_a_new_key_within_minutes() {
    for vipps in [0, 6160] {
        let m = held();
        for _ in 0..8 {
            let (status, body) = model::problem(409, vipps);
            m.model.fault("capture", Fault::Status(status, body));
        }
        let o = m.client.capture(R, FARE, 1, true, 10 * MINUTE);
        assert!(m.model.count("capture") > 8, "{}", o.report);
        assert_eq!((code(&o), keys(&m, "capture").len()), (Code::Ok, 1));
    }
}

#[test]
fn a_part_has_a_new_key_only_after_the_quiet_time() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6080));
    let o = m.client.capture(R, PART, 1, false, 9 * MINUTE);
    assert_eq!(code(&o), Code::OutcomeUnknown);
    assert_eq!(o.payment.unwrap().verdict, Verdict::SecuredLeave);
    assert_eq!(keys(&m, "capture").len(), 1, "both would fit");
    settle(&m, 5);
    assert_eq!(keys(&m, "capture").len(), 2);
    assert_eq!(m.model.payment(R).captured, PART);
}

#[test]
fn what_acts_in_the_quiet_time_is_found_and_not_sent_again() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6080));
    m.client.capture(R, PART, 1, false, MINUTE);
    m.model.clock.advance(8 * 60_000);
    acts_late(&m, "capture", PART);
    settle(&m, 30);
    assert_eq!(keys(&m, "capture").len(), 1);
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, PART);
}

/// Wrong where the log does not carry keys: then nothing tells ours from the portal's.
#[test]
fn what_may_be_ours_after_the_quiet_time_is_for_the_office() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6080));
    m.client.capture(R, PART, 1, false, MINUTE);
    portal(&m, "capture", PART, "");
    settle(&m, 30);
    assert_eq!(keys(&m, "capture").len(), 1);
    let p = known(&m);
    assert_eq!(
        (p.verdict, p.next_step),
        (Verdict::AskOffice, NextStep::Decide)
    );
    // Also under a decision: one movement at a time, and no way round by number.
    assert_eq!(
        code(&m.client.capture(R, PART, 2, false, MINUTE)),
        Code::WrongState
    );
    assert_eq!(code(&m.client.refund(R, 100, 1, MINUTE)), Code::WrongState);
    let release = m.client.cancel(R, CancelHow::ReleaseRest, MINUTE);
    assert_eq!(code(&release), Code::WrongState);
    assert_eq!(known(&m).verdict, Verdict::AskOffice, "still");
    assert_eq!(m.model.payment(R).captured, PART);
    // The office looks into the portal and says that it is as it should be.
    assert_eq!(
        code(&m.client.write_off(R, "captured in the portal")),
        Code::Ok
    );
    assert_eq!(
        code(&m.client.capture(R, PART, 2, false, MINUTE)),
        Code::WrongState
    );
    assert_eq!(code(&m.client.refund(R, 100, 1, MINUTE)), Code::WrongState);
}

#[test]
fn of_two_captures_of_the_whole_only_one_fits() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6080));
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(keys(&m, "capture").len(), 2);
    assert_eq!(
        m.model.count("capture"),
        4,
        "the same key three times first"
    );
}

/// Wrong if the room were measured after the first key has acted: 24900 - 16000 is less than two parts of 8000.
#[test]
fn what_fitted_at_the_baseline_decides() {
    let mut m = held();
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
    m.model.fault("capture", Fault::LostAfter);
    m.model.fault("get", Fault::NotSent);
    m.client.capture(R, PART, 2, false, 60);
    for e in &mut m.model.world().payments.get_mut(R).unwrap().events {
        e["idempotencyKey"] = serde_json::Value::Null;
    }
    m.reboot();
    for _ in 0..5 {
        let (status, body) = model::problem(400, 6080);
        m.model.fault("capture", Fault::Status(status, body));
    }
    settle(&m, 20);
    assert_eq!(m.model.payment(R).captured, 2 * PART);
    settle(&m, 20);
    assert_eq!(m.model.payment(R).captured, 2 * PART);
}

#[test]
fn a_refund_never_has_a_new_key_by_time() {
    let m = paid();
    m.model.fault("refund", Fault::LostBefore);
    m.model.fault("refund", Fault::Refuse(400, 6020));
    let o = m.client.refund(R, PART, 1, MINUTE);
    assert_eq!(code(&o), Code::OutcomeUnknown);
    settle(&m, 60);
    settle(&m, 24 * 60);
    assert_eq!(keys(&m, "refund").len(), 1);
    let p = known(&m);
    assert_eq!(p.next_step, NextStep::Decide);
    assert_ne!(p.owed & owed::REFUND, 0);
    assert_eq!(code(&m.client.refund(R, PART, 2, MINUTE)), Code::WrongState);
    // It goes on under its key when the office says so.
    m.model.world().keys.clear();
    assert_eq!(
        code(&m.client.decide(R, Decision::Capture, MINUTE)),
        Code::Ok
    );
    assert_eq!(keys(&m, "refund").len(), 1);
    assert_eq!(m.model.payment(R).refunded, PART);
}

#[test]
fn a_refusal_that_stays_is_told_after_three_answers() {
    let m = paid();
    m.model.fault("refund", Fault::Refuse(400, 6220));
    let o = m.client.refund(R, PART, 1, 5_000);
    assert_eq!(code(&o), Code::Pending, "not yet: {}", o.report);
    let o = m.client.refund(R, PART, 1, MINUTE);
    assert_eq!((code(&o), o.report.vipps_code), (Code::TooLate, 6220));
    assert_eq!(m.model.count("refund"), 3);
    // With an answer missing, no refusal is proven: the first request may still be carried out.
    let m = paid();
    m.model.fault("refund", Fault::LostBefore);
    m.model.fault("refund", Fault::Refuse(400, 6220));
    let o = m.client.refund(R, PART, 1, 5 * MINUTE);
    assert_eq!(code(&o), Code::OutcomeUnknown);
    assert_eq!(known(&m).next_step, NextStep::Decide);
    acts_late(&m, "refund", PART);
    assert_eq!(
        code(&m.client.refund(R, PART, 1, MINUTE)),
        Code::Ok,
        "looked for"
    );
    assert_eq!(m.model.payment(R).refunded, PART);
}

#[test]
fn a_movement_of_others_proves_nothing_of_ours() {
    for key in ["portal-1", ""] {
        for operation in ["capture", "refund"] {
            let m = if operation == "capture" {
                held()
            } else {
                paid()
            };
            portal(&m, operation, PART, key);
            m.model.fault(operation, Fault::LostBefore);
            let o = match operation {
                "capture" => m.client.capture(R, PART, 1, false, MINUTE),
                _ => m.client.refund(R, PART, 1, MINUTE),
            };
            assert_eq!(code(&o), Code::Ok);
            let s = m.model.payment(R);
            let moved = if operation == "capture" {
                s.captured
            } else {
                s.refunded
            };
            assert_eq!(moved, 2 * PART, "{operation} {key:?}");
        }
    }
}

/// Wrong if the baseline were as old as the intent: the portal's refund would count as growth since, and be taken for what may
/// be ours when the first try is lost.
#[test]
fn a_baseline_is_read_right_before_the_first_try() {
    for lost in [false, true] {
        let m = paid();
        for _ in 0..3 {
            m.model.fault("refund", Fault::NotSent);
        }
        m.client.refund(R, PART, 1, 200);
        m.model.world().faults.clear();
        // Hours later, and the portal was used meanwhile.
        portal(&m, "refund", PART, "");
        m.model.clock.advance(3 * 3_600_000);
        if lost {
            m.model.fault("refund", Fault::LostBefore);
        }
        settle(&m, 2);
        assert_eq!(m.model.payment(R).refunded, 2 * PART, "{lost}");
        assert_eq!(known(&m).refunded, 2 * PART, "{lost}");
    }
}

#[test]
fn a_create_is_watched_until_nothing_can_bring_it_any_more() {
    let m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    let o = m.client.cancel(R, CancelHow::IfNotApproved, 11 * MINUTE);
    assert_eq!(code(&o), Code::OutcomeUnknown);
    assert_eq!(o.payment.unwrap().verdict, Verdict::Wait);
    // Cash by one synced write.
    let o = m.client.cancel(R, CancelHow::GiveUp, 0);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherReleaseOwed);
    settle(&m, 2);
    let p = known(&m);
    assert_eq!((p.state, p.closed), (State::NotCreated, true));
}

#[test]
fn what_was_called_never_created_is_asked_for_once_more() {
    for approves in [false, true] {
        let mut m = Meter::new();
        m.model.fault("create", Fault::LostBefore);
        m.client.create_push_payment(&push(R, FARE), 60);
        let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        m.client.cancel(R, CancelHow::IfNotApproved, 13 * MINUTE);
        assert_eq!(known(&m).verdict, Verdict::TakeOtherPayment);
        // Later than anything should be, it arrives.
        let late = model::ServerPayment {
            state: "CREATED".into(),
            amount: FARE,
            metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
            created_at: vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock),
            ..Default::default()
        };
        m.model.world().payments.insert(R.into(), late);
        if approves {
            m.model.approve(R);
        }
        m.reboot();
        settle(&m, 1);
        let p = known(&m);
        assert_eq!(
            (p.verdict, p.closed),
            (Verdict::AskOffice, false),
            "{approves}"
        );
        assert_eq!(
            code(&m.client.decide(R, Decision::GiveUp, MINUTE)),
            Code::Ok
        );
        let s = m.model.payment(R);
        assert_eq!((s.captured, s.cancelled), (0, FARE));
    }
    // Nothing there: closed for good, and not read again.
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.client.cancel(R, CancelHow::IfNotApproved, 13 * MINUTE);
    m.reboot();
    settle(&m, 1);
    assert!(m.store.get(Shelf::Open, R).unwrap().is_none());
    let reads = m.model.count("get");
    m.reboot();
    settle(&m, 1);
    assert_eq!(m.model.count("get"), reads);
    // A day later nobody asks.
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.client.cancel(R, CancelHow::IfNotApproved, 13 * MINUTE);
    let reads = m.model.count("get");
    m.model.clock.advance(25 * 3_600_000);
    m.reboot();
    settle(&m, 1);
    assert_eq!(m.model.count("get"), reads);
    assert!(m.store.get(Shelf::Open, R).unwrap().is_none());
}

#[test]
fn a_payment_without_metadata_is_neither_ours_nor_foreign() {
    let lost = |settled: bool| {
        let mut m = Meter::new();
        m.model.fault("create", Fault::LostAfter);
        m.client.create_push_payment(&push(R, FARE), 60);
        let mut world = m.model.world();
        let p = world.payments.get_mut(R).unwrap();
        p.metadata = serde_json::json!({"x": "y"});
        drop(world);
        if settled {
            m.reboot();
        }
        m
    };
    // The log has our key.
    let m = lost(true);
    m.model.approve(R);
    settle(&m, 1);
    assert_eq!(m.model.payment(R).captured, FARE);
    // It has another one.
    let m = lost(true);
    m.model.world().payments.get_mut(R).unwrap().events = vec![event("CREATED", 0, "another")];
    settle(&m, 1);
    assert_eq!(known(&m).state, State::NotCreated);
    assert_eq!(m.model.count("cancel"), 0);
    // It has none, and the passenger approves: only the office can tell.
    let m = lost(true);
    m.model.world().payments.get_mut(R).unwrap().events.clear();
    settle(&m, 1);
    assert_eq!(known(&m).verdict, Verdict::Wait);
    m.model.approve(R);
    settle(&m, 1);
    assert_eq!(known(&m).verdict, Verdict::AskOffice);
    assert_eq!(m.model.count("capture") + m.model.count("cancel"), 0);
    // Within the window a repetition of the create confirms it.
    let m = lost(false);
    m.model.world().payments.get_mut(R).unwrap().events.clear();
    assert_eq!(
        code(&m.client.create_push_payment(&push(R, FARE), MINUTE)),
        Code::Ok
    );
}

#[test]
fn figures_that_cannot_be_true_are_not_taken_in() {
    let wrong: [(&str, &str); 6] = [
        ("capturedAmount", "1"),
        ("capturedAmount", "9223372036854775807"),
        ("authorizedAmount", "100"),
        ("authorizedAmount", "99900"),
        ("refundedAmount", "5"),
        ("cancelledAmount", "99999999"),
    ];
    for (name, value) in wrong {
        let m = Meter::new();
        m.client.create_push_payment(&push(R, FARE), MINUTE);
        let body = format!(
            r#"{{"reference":"{R}","state":"CREATED","aggregate":{{"{name}":{{"currency":"NOK","value":{value}}}}}}}"#
        );
        m.model.fault("get", Fault::Status(200, body));
        let o = m.client.poll(R, 6_000);
        assert!(
            o.report.message.contains("cannot be true"),
            "{name}: {}",
            o.report
        );
        let p = o.payment.unwrap();
        let sums = (p.authorized, p.captured, p.cancelled, p.refunded);
        assert_eq!((sums, p.verdict), ((0, 0, 0, 0), Verdict::Wait), "{name}");
    }
    for body in [
        r#"{"state":"AUTHORIZED","amount":{"currency":"EUR","value":24900}}"#,
        r#"{"state":"AUTHORIZED","amount":{"currency":"NOK","value":1}}"#,
        r#"{"state":"TERMINATED","aggregate":{"authorizedAmount":{"currency":"NOK","value":24900}}}"#,
        r#"{"state":"TERMINATED","aggregate":{"cancelledAmount":{"currency":"NOK","value":24800}}}"#,
        r#"{"state":"EXPIRED","aggregate":{"capturedAmount":{"currency":"NOK","value":24900}}}"#,
    ] {
        let m = Meter::new();
        m.client.create_push_payment(&push(R, FARE), MINUTE);
        m.model.fault("get", Fault::Status(200, body.into()));
        let p = m.client.poll(R, 6_000).payment.unwrap();
        assert_eq!(
            (p.state, p.verdict),
            (State::Created, Verdict::Wait),
            "{body}"
        );
    }
}

#[test]
fn a_closed_payment_hears_of_the_portal_and_is_opened_again() {
    let m = paid();
    portal(&m, "refund", 5_000, "");
    assert_eq!(m.client.poll(R, MINUTE).payment.unwrap().refunded, 5_000);
    let mut m = m;
    m.reboot();
    assert_eq!(known(&m).refunded, 5_000, "kept");
    // Without a network what is known is told, at once.
    m.model.fault("get", Fault::NotSent);
    let before = vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock);
    assert_eq!(code(&m.client.poll(R, MINUTE)), Code::Ok);
    let took = vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock) - before;
    assert!(took < 2_000, "{took}");
    // Given up, closed as never created, and there after all: released.
    for approves in [false, true] {
        let m = Meter::new();
        m.model.fault("create", Fault::LostBefore);
        m.client.create_push_payment(&push(R, FARE), 60);
        let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        m.client.cancel(R, CancelHow::GiveUp, 13 * MINUTE);
        assert!(known(&m).closed);
        let late = model::ServerPayment {
            state: "CREATED".into(),
            amount: FARE,
            metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
            created_at: vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock),
            ..Default::default()
        };
        m.model.world().payments.insert(R.into(), late);
        if approves {
            m.model.approve(R);
        }
        m.client.apply_webhook(R, "CREATED", "", MINUTE);
        settle(&m, 1);
        let s = m.model.payment(R);
        assert_eq!((s.captured, s.cancelled), (0, FARE));
        assert!(known(&m).closed);
    }
}

#[test]
fn a_call_that_sent_something_never_says_that_nothing_was_sent() {
    let store = Arc::new(FullStore::new(i64::MAX));
    let m = Meter::with(Arc::new(Silent), store.clone());
    let mut p = push(R, FARE);
    p.on_approval = OnApproval::Hold;
    m.client.create_push_payment(&p, MINUTE);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.model.fault("capture", Fault::Refuse(400, 6080));
    m.client.capture(R, FARE, 1, true, 0);
    store.full();
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(
        (code(&o), o.report.cause),
        (Code::OutcomeUnknown, Cause::StorageAfterAnswer)
    );
    store.unlimited();
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    // A conflict is of the key, not of the reference.
    let m = held();
    let (status, body) = model::problem(409, 6160);
    m.model.fault("capture", Fault::Status(status, body));
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, 60)),
        Code::OutcomeUnknown
    );
}

#[test]
fn a_release_waits_for_the_refund_before_it() {
    let m = held();
    assert_eq!(code(&m.client.capture(R, PART, 1, false, MINUTE)), Code::Ok);
    m.model.fault("refund", Fault::LostBefore);
    m.client.refund(R, 1_000, 1, 60);
    m.client.cancel(R, CancelHow::ReleaseRest, 0);
    assert_eq!(m.model.count("cancel"), 0);
    settle(&m, 2);
    let s = m.model.payment(R);
    assert_eq!(
        (s.captured, s.refunded, s.cancelled),
        (PART, 1_000, FARE - PART)
    );
}

#[test]
fn what_is_open_for_a_day_is_listed_and_goes_on() {
    let m = held();
    m.model.fault("capture", Fault::LostBefore);
    m.client.capture(R, FARE, 1, true, 60);
    for _ in 0..20_000 {
        m.model.fault("get", Fault::LostBefore);
        m.model.fault("capture", Fault::LostBefore);
    }
    settle(&m, 25 * 60);
    assert_eq!(known(&m).next_step, NextStep::Decide);
    m.model.world().faults.clear();
    settle(&m, 2);
    let p = known(&m);
    assert_eq!((p.verdict, p.captured), (Verdict::PaidLeave, FARE));
}

#[test]
fn money_that_the_bank_has_released_is_captured_only_when_asked_for() {
    let m = held();
    let (status, body) = model::problem(400, 6260);
    m.model.fault("capture", Fault::Status(status, body));
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, MINUTE)),
        Code::FundsUnavailable
    );
    settle(&m, 30);
    assert_eq!(
        m.model.payment(R).captured,
        0,
        "the driver may have taken cash"
    );
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
}

/// Wrong if what spoke of an earlier acting were forgotten when another refusal comes.
#[test]
fn no_refusal_is_proven_once_a_try_may_have_acted() {
    let firsts = [
        Fault::Status(409, model::problem(409, 6160).1),
        Fault::Status(409, model::problem(409, 4010).1),
        Fault::Status(400, model::problem(400, 6250).1),
        Fault::Status(423, String::new()),
        Fault::Status(401, "<html>".into()),
        Fault::Status(200, "{}".into()),
        Fault::LostBefore,
    ];
    for first in firsts {
        for operation in ["capture", "refund"] {
            let m = if operation == "capture" {
                held()
            } else {
                paid()
            };
            m.model.fault(operation, first.clone());
            let refusal = if operation == "capture" { 6140 } else { 6220 };
            m.model.fault(operation, Fault::Refuse(400, refusal));
            let o = match operation {
                "capture" => m.client.capture(R, PART, 1, false, 3 * MINUTE),
                _ => m.client.refund(R, PART, 1, 3 * MINUTE),
            };
            assert_eq!(code(&o), Code::OutcomeUnknown, "{first:?} {operation}");
            let again = match operation {
                "capture" => m.client.capture(R, PART, 2, false, MINUTE),
                _ => m.client.refund(R, PART, 2, MINUTE),
            };
            assert_eq!(code(&again), Code::WrongState, "{first:?} {operation}");
            acts_late(&m, operation, PART);
            settle(&m, 30);
            let s = m.model.payment(R);
            let moved = if operation == "capture" {
                s.captured
            } else {
                s.refunded
            };
            assert_eq!(moved, PART);
            assert_eq!(known(&m).owed & (owed::CAPTURE | owed::REFUND), 0, "found");
        }
    }
}

/// Wrong if a new key made the old one forgotten.
#[test]
fn a_refusal_of_the_new_key_proves_nothing_of_the_old_one() {
    let m = held();
    m.model.fault("capture", Fault::LostBefore);
    for _ in 0..3 {
        m.model.fault("capture", Fault::Refuse(409, 4010));
    }
    m.model.fault("capture", Fault::Refuse(400, 6200));
    let o = m.client.capture(R, FARE, 1, true, 5 * MINUTE);
    assert_eq!(keys(&m, "capture").len(), 2);
    assert_eq!(code(&o), Code::OutcomeUnknown);
    assert_eq!(o.payment.unwrap().verdict, Verdict::SecuredLeave);
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::GiveUp, 0)),
        Code::WrongState
    );
    acts_late(&m, "capture", FARE);
    settle(&m, 20);
    assert_eq!(known(&m).verdict, Verdict::PaidLeave);
}

/// Wrong if the first read under a new key made its baseline: what the old key did would be taken for others', and the
/// proven capture for a refused one.
#[test]
fn what_the_old_key_did_counts_under_the_new_one() {
    let m = held();
    for _ in 0..3 {
        m.model.fault("capture", Fault::Refuse(409, 4010));
    }
    let attempt = || {
        let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["captures"][0]["attempt"].as_u64().unwrap_or(0)
    };
    let mut calls = 0;
    while attempt() < 2 {
        m.client.capture(R, FARE, 1, true, 500);
        calls += 1;
        assert!(calls < 200, "no new key");
    }
    assert_eq!(keys(&m, "capture").len(), 1, "not sent yet");
    // The log does not carry its key.
    acts_late(&m, "capture", FARE);
    for e in &mut m.model.world().payments.get_mut(R).unwrap().events {
        e["idempotencyKey"] = serde_json::Value::Null;
    }
    m.client.apply_webhook(R, "CAPTURED", "", MINUTE);
    settle(&m, 5);
    assert_eq!(known(&m).verdict, Verdict::PaidLeave);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, FARE);
}

/// Wrong if a page of something on the way were the servers' word: it comes also after they have acted.
#[test]
fn a_page_of_something_on_the_way_does_not_make_a_payment_dead() {
    for status in [400, 402, 403, 404, 409, 413, 451] {
        let m = Meter::new();
        let page = "<html>blocked</html>".to_string();
        m.model.fault("create", Fault::ActThen(status, page));
        let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
        assert_eq!(code(&o), Code::Ok, "{status}: {}", o.report);
    }
}

#[test]
fn a_page_that_wants_credentials_does_not_make_a_payment_dead() {
    let m = Meter::new();
    m.model
        .fault("create", Fault::ActThen(401, "<html>".into()));
    let (status, body) = model::problem(400, 7010);
    m.model.fault("create", Fault::Status(status, body));
    let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
}

#[test]
fn a_refused_last_capture_releases_nothing() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6140));
    let o = m.client.capture(R, PART, 1, true, MINUTE);
    assert_eq!(code(&o), Code::Amount);
    settle(&m, 5);
    assert_eq!(m.model.payment(R).cancelled, 0);
    let o = m.client.decide(R, Decision::Capture, MINUTE);
    assert_eq!((code(&o), m.model.payment(R).captured), (Code::Ok, FARE));
}

#[test]
fn what_others_do_to_a_payment_is_told() {
    // Given up, and captured in the portal: the passenger has paid twice.
    let m = held();
    m.client.cancel(R, CancelHow::GiveUp, 0);
    portal(&m, "capture", FARE, "");
    settle(&m, 1);
    let p = known(&m);
    assert_eq!((p.verdict, p.closed), (Verdict::AskOffice, false));
    assert_eq!(code(&m.client.refund(R, FARE, 1, MINUTE)), Code::Ok);
    settle(&m, 1);
    assert!(known(&m).closed);
    // The rest was to be released, and the portal captured it.
    let m = held();
    m.client.capture(R, PART, 1, false, MINUTE);
    portal(&m, "capture", FARE - PART, "");
    let o = m.client.cancel(R, CancelHow::ReleaseRest, MINUTE);
    assert_eq!(code(&o), Code::Refused);
    assert_eq!(o.payment.unwrap().verdict, Verdict::AskOffice);
    // A part in the portal is not the fare.
    let m = held();
    portal(&m, "capture", 100, "");
    let p = m.client.poll(R, MINUTE).payment.unwrap();
    assert_eq!((p.verdict, p.next_step), (Verdict::Wait, NextStep::Capture));
    // The reservation is cancelled before anybody captured.
    let m = held();
    let mut world = m.model.world();
    world.payments.get_mut(R).unwrap().cancelled = FARE;
    drop(world);
    m.client.apply_webhook(R, "CANCELLED", "", MINUTE);
    let p = known(&m);
    assert_eq!(
        (p.verdict, p.next_step, p.closed),
        (Verdict::TakeOtherPayment, NextStep::Done, true)
    );
}

/// Wrong if a payment that was given up, and closed as never created, were at rest whatever the portal does with it.
#[test]
fn what_the_portal_captures_after_a_give_up_is_to_be_refunded() {
    let m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    m.client.cancel(R, CancelHow::GiveUp, 13 * MINUTE);
    assert!(known(&m).closed);
    let late = model::ServerPayment {
        state: "CREATED".into(),
        amount: FARE,
        metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
        created_at: vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock),
        ..Default::default()
    };
    m.model.world().payments.insert(R.into(), late);
    m.model.approve(R);
    portal(&m, "capture", FARE, "");
    m.client.apply_webhook(R, "CAPTURED", "", MINUTE);
    settle(&m, 1);
    let p = known(&m);
    assert_eq!((p.verdict, p.closed), (Verdict::AskOffice, false));
    assert!(p.reason.contains("refund"), "{}", p.reason);
    assert_eq!(code(&m.client.refund(R, FARE, 1, MINUTE)), Code::Ok);
    settle(&m, 1);
    assert!(known(&m).closed);
}

#[test]
fn what_is_lost_is_not_given_up_as_well() {
    let m = held();
    m.model.fault("capture", Fault::Refuse(400, 6100));
    m.client.capture(R, FARE, 1, true, MINUTE);
    assert_ne!(known(&m).owed & owed::LOST, 0);
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::GiveUp, MINUTE)),
        Code::WrongState
    );
}
