//! Rides against the model of the servers: the ordinary ones, and each way in which one can go wrong.

mod model;

use std::sync::Arc;

use model::{problem, push, Fault, Meter};
use vpmeter_core::client::Ride;
use vpmeter_core::error::{Cause, Code};
use vpmeter_core::payment::{CancelHow, OnApproval, State};
use vpmeter_core::receipt::{split_gross, OrderLine, Receipt};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

fn receipt(total: i64) -> Receipt {
    let (excluding, vat) = split_gross(total, 1200).unwrap();
    Receipt {
        lines: vec![OrderLine {
            id: "1".into(),
            name: "Trip".into(),
            total,
            total_excluding_vat: excluding,
            vat,
            vat_rate: 1200,
            quantity: None,
            discount: None,
            is_return: false,
        }],
        tip: None,
        pos_id: Some("taxi-122".into()),
        receipt_number: Some("17".into()),
        currency: vpmeter_core::money::Currency::Nok,
    }
}

fn ride() -> Ride {
    let mut p = push(R, FARE);
    p.receipt = Some(receipt(FARE));
    Ride {
        push: p,
        receipt_ms: 0,
    }
}

/// Created and approved.
fn approved(m: &Meter) {
    assert_eq!(
        m.client
            .create_push_payment(&push(R, FARE), MINUTE)
            .report
            .code,
        Code::Ok
    );
    m.model.approve(R);
    let o = m.client.poll(R, MINUTE);
    assert_eq!(o.report.code, Code::Ok);
    let p = o.payment.unwrap();
    assert_eq!(
        (p.state, p.verdict, p.next_step),
        (State::Authorized, Verdict::Wait, NextStep::Capture)
    );
}

fn code(o: &vpmeter_core::client::Outcome) -> Code {
    o.report.code
}

#[test]
fn an_approved_ride_is_captured_once_and_closed() {
    let m = Meter::new();
    m.model.world().approve_after = Some(3_000);
    let o = m.client.run_ride(&ride(), 10 * MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
    let p = o.payment.unwrap();
    assert_eq!(
        (p.verdict, p.next_step, p.owed),
        (Verdict::PaidLeave, NextStep::Done, 0)
    );
    assert_eq!((p.authorized, p.captured, p.closed), (FARE, FARE, true));
    let s = m.model.payment(R);
    assert_eq!(s.captures.len(), 1);
    assert_eq!(s.receipts_posted, 1);
    assert_eq!(m.model.count("create"), 1);
    assert_eq!(
        m.model.count("get"),
        1,
        "the first read comes after 5 s, when the approval is there"
    );
    // The same ride again: the same outcome, nothing sent.
    let before = m.model.world().requests.len();
    assert_eq!(code(&m.client.run_ride(&ride(), MINUTE)), Code::Ok);
    assert_eq!(m.model.world().requests.len(), before);
}

#[test]
fn step_by_step_with_partial_capture_release_and_refunds() {
    let mut m = Meter::new();
    approved(&m);
    let o = m.client.capture(R, 20_000, 1, true, MINUTE);
    assert_eq!(code(&o), Code::Ok);
    let p = o.payment.unwrap();
    assert_eq!(
        (p.captured, p.cancelled, p.verdict),
        (20_000, 4_900, Verdict::PaidLeave)
    );
    assert!(p.closed);
    m.reboot();
    // A refund finds its payment in the tombstone. A double press refunds once; the second refund has its number.
    for _ in 0..2 {
        assert_eq!(code(&m.client.refund(R, 5_000, 1, MINUTE)), Code::Ok);
    }
    assert_eq!(
        code(&m.client.refund(R, 1_000, 1, MINUTE)),
        Code::WrongState
    );
    assert_eq!(code(&m.client.refund(R, 1_000, 2, MINUTE)), Code::Ok);
    assert_eq!(
        code(&m.client.refund(R, 14_001, 3, MINUTE)),
        Code::InvalidArgument
    );
    assert_eq!(m.model.payment(R).refunds.len(), 2);
    assert_eq!(m.model.payment(R).refunded, 6_000);
}

#[test]
fn a_refund_after_a_restart_does_not_count_what_the_portal_refunded() {
    let mut m = Meter::new();
    approved(&m);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    m.reboot();
    m.model.world().payments.get_mut(R).unwrap().refunded = 5_000;
    let o = m.client.refund(R, 5_000, 1, MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
    let s = m.model.payment(R);
    assert_eq!(
        (s.refunds.len(), s.refunded),
        (1, 10_000),
        "ours and the portal's"
    );
    // Its answer lost, and a reboot in the middle: still once.
    m.reboot();
    m.model.fault("refund", Fault::LostAfter);
    m.client.refund(R, 1_000, 2, 150);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.payment(R).refunded, 11_000);
}

#[test]
fn a_declined_and_an_expired_ride_need_other_payment() {
    for end in ["ABORTED", "EXPIRED"] {
        let m = Meter::new();
        m.client.create_push_payment(&push(R, FARE), MINUTE);
        m.model.world().payments.get_mut(R).unwrap().state = end.into();
        let o = m.client.poll(R, MINUTE);
        assert_eq!(code(&o), Code::Ok);
        let p = o.payment.unwrap();
        assert_eq!(
            (p.verdict, p.next_step),
            (Verdict::TakeOtherPayment, NextStep::Done)
        );
        assert_eq!(
            code(&m.client.capture(R, FARE, 1, true, MINUTE)),
            Code::WrongState
        );
        assert_eq!(m.model.count("capture"), 0);
    }
    let m = Meter::new();
    assert_eq!(
        code(&m.client.run_ride(&ride(), 11 * MINUTE)),
        Code::NotApproved
    );
}

#[test]
fn nothing_is_captured_before_approval_or_above_the_reservation() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, MINUTE)),
        Code::WrongState
    );
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    for wrong in [0, -1, FARE + 1, i64::MAX] {
        let o = m.client.capture(R, wrong, 1, true, MINUTE);
        assert_eq!(
            (code(&o), o.report.field.as_str()),
            (Code::InvalidArgument, "amount")
        );
    }
    assert_eq!(
        code(&m.client.capture(R, FARE, 3, true, MINUTE)),
        Code::InvalidArgument
    );
    assert_eq!(m.model.count("capture"), 0);
}

#[test]
fn a_double_press_is_one_payment_and_another_content_is_refused() {
    let m = Meter::new();
    for _ in 0..3 {
        assert_eq!(
            code(&m.client.create_push_payment(&push(R, FARE), MINUTE)),
            Code::Ok
        );
    }
    assert_eq!(m.model.count("create"), 1);
    assert_eq!(
        code(&m.client.create_push_payment(&push(R, FARE + 1), MINUTE)),
        Code::ReferenceInUse
    );
    let mut other = push(R, FARE);
    other.on_approval = OnApproval::Hold;
    assert_eq!(
        code(&m.client.create_push_payment(&other, MINUTE)),
        Code::ReferenceInUse
    );
}

#[test]
fn one_live_payment_a_trip() {
    let mut m = Meter::new();
    let on_trip = |r: &str| {
        let mut p = push(r, FARE);
        p.trip = "77".into();
        p
    };
    m.client.create_push_payment(&on_trip("trip-0001"), MINUTE);
    let o = m.client.create_push_payment(&on_trip("trip-0002"), MINUTE);
    assert_eq!(code(&o), Code::TripInUse);
    assert!(o.payment.is_none());
    let mut part = on_trip("trip-0003");
    part.part_of_trip = true;
    assert_eq!(code(&m.client.create_push_payment(&part, MINUTE)), Code::Ok);
    // Given up: the next one may come.
    m.client.cancel("trip-0001", CancelHow::GiveUp, 0);
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0004"), MINUTE)),
        Code::TripInUse,
        "the part is alive"
    );
    m.client.cancel("trip-0003", CancelHow::GiveUp, MINUTE);
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0004"), MINUTE)),
        Code::Ok
    );
    m.model.approve("trip-0004");
    m.client.poll("trip-0004", MINUTE);
    assert_eq!(
        code(&m.client.capture("trip-0004", FARE, 1, true, MINUTE)),
        Code::Ok
    );
    // Paid: no second one, also after a restart; a year later the counter may start again.
    m.reboot();
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0005"), MINUTE)),
        Code::TripInUse
    );
    m.model.clock.advance(365 * 24 * 3_600_000);
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0006"), MINUTE)),
        Code::Ok
    );
}

#[test]
fn create_answer_lost_is_repeated_with_the_same_key() {
    for fault in [
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::ActThen(500, String::new()),
        Fault::Status(503, "x".into()),
        Fault::ActThen(423, String::new()),
    ] {
        let m = Meter::new();
        m.model.fault("create", fault.clone());
        let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
        assert_eq!(code(&o), Code::Ok, "{fault:?}");
        let keys = m.model.world().keys_sent.clone();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
    }
}

#[test]
fn a_200_of_something_in_between_confirms_nothing() {
    let page = || Fault::Status(200, "<html>welcome</html>".into());
    let m = Meter::new();
    m.model.fault("create", page());
    assert_eq!(
        code(&m.client.create_push_payment(&push(R, FARE), MINUTE)),
        Code::Ok
    );
    assert_eq!(m.model.count("create"), 2, "sent again, by the same key");
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.model.fault("receipt", page());
    assert_eq!(
        code(&m.client.post_receipt(R, &receipt(FARE), MINUTE)),
        Code::Ok
    );
    assert_eq!(m.model.payment(R).receipts_posted, 1);
    m.model.fault("capture", page());
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captures.len(), 1);
    m.model.fault("refund", page());
    assert_eq!(code(&m.client.refund(R, 100, 1, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).refunds.len(), 1);
}

#[test]
fn a_payment_that_the_servers_forgot_ends_with_the_office() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.world().payments.clear();
    m.model.world().keys.clear();
    let o = m.client.poll(R, MINUTE);
    assert_eq!(code(&o), Code::Url);
    assert_eq!(o.payment.unwrap().verdict, Verdict::Wait);
    m.model.clock.advance(12 * 60_000);
    m.client.poll(R, MINUTE);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(
        (p.verdict, p.next_step),
        (Verdict::AskOffice, NextStep::Decide)
    );
    assert_eq!(
        code(&m.client.write_off(R, "unknown to the servers")),
        Code::Ok
    );
}

#[test]
fn a_lost_answer_is_unknown_and_never_failed() {
    let m = Meter::new();
    m.model.fault("create", Fault::LostAfter);
    let o = m.client.create_push_payment(&push(R, FARE), 60);
    assert_eq!(
        (code(&o), o.report.cause),
        (Code::OutcomeUnknown, Cause::ConnectionLost)
    );
    let p = o.payment.unwrap();
    assert_eq!((p.state, p.verdict), (State::Unknown, Verdict::Wait));
    assert_ne!(p.owed & owed::ANSWER, 0);
}

#[test]
fn nothing_sent_is_said_only_when_nothing_was() {
    let m = Meter::new();
    for _ in 0..50 {
        m.model.fault("token", Fault::NotSent);
    }
    let o = m.client.create_push_payment(&push(R, FARE), 1_000);
    assert_eq!(code(&o), Code::Network);
    assert_eq!(o.payment.unwrap().state, State::Recorded);
    // The driver takes cash: nothing ever left, so the payment is proven dead at once, without a network.
    let o = m.client.cancel(R, CancelHow::IfNotApproved, 0);
    assert_eq!(code(&o), Code::Ok);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
}

#[test]
fn create_refused_customer_not_found() {
    let m = Meter::new();
    let mut p = push(R, FARE);
    p.phone = "90000000".into();
    let o = m.client.create_push_payment(&p, MINUTE);
    assert_eq!(
        (code(&o), o.report.vipps_code),
        (Code::CustomerNotFound, 7010)
    );
    assert_eq!(o.report.trace_id, "00-trace-01");
    let s = o.payment.unwrap();
    assert_eq!(
        (s.state, s.verdict),
        (State::NotCreated, Verdict::TakeOtherPayment)
    );
    assert!(s.closed);
}

#[test]
fn with_wait_zero_the_intent_is_recorded_and_nothing_is_sent() {
    let m = Meter::new();
    let o = m.client.create_push_payment(&push(R, FARE), 0);
    assert_eq!(code(&o), Code::Pending);
    assert_eq!(m.model.world().requests.len(), 0);
    assert_eq!(o.payment.unwrap().state, State::Recorded);
    // The worker does it, and goes on to poll.
    m.model.world().approve_after = Some(1_000);
    m.client.worker_run(MINUTE / 2);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(p.state, State::Authorized);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, 0)), Code::Pending);
    assert_eq!(
        m.client.known_payment(R).payment.unwrap().verdict,
        Verdict::SecuredLeave
    );
    assert_eq!(m.client.worker_run(5_000).code, Code::Ok);
    assert_eq!(
        m.client.known_payment(R).payment.unwrap().verdict,
        Verdict::PaidLeave
    );
}

#[test]
fn capture_answer_lost_is_settled_by_a_read_and_captures_once() {
    for fault in [
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::ActThen(500, "boom".into()),
        Fault::NoAggregate,
        Fault::Lag(4_000),
        Fault::ActThen(200, "garbage".into()),
        Fault::ActThen(423, String::new()),
        Fault::Status(429, String::new()),
    ] {
        let m = Meter::new();
        approved(&m);
        m.model.fault("capture", fault.clone());
        let o = m.client.capture(R, FARE, 1, true, MINUTE);
        assert_eq!(code(&o), Code::Ok, "{fault:?}: {}", o.report);
        let s = m.model.payment(R);
        assert_eq!(s.captures.len(), 1, "{fault:?}");
        assert_eq!(s.captured, FARE);
        assert_eq!(o.payment.unwrap().verdict, Verdict::PaidLeave);
    }
}

#[test]
fn a_200_without_proof_is_not_success() {
    let m = Meter::new();
    approved(&m);
    m.model.fault("capture", Fault::Lag(120_000));
    // Neither the aggregate nor the log shows it.
    for _ in 0..9 {
        m.model.fault("events", Fault::Status(500, String::new()));
    }
    let o = m.client.capture(R, FARE, 1, true, 3_000);
    assert_eq!(code(&o), Code::OutcomeUnknown, "{}", o.report);
    let p = o.payment.unwrap();
    assert_eq!(
        (p.verdict, p.next_step),
        (Verdict::SecuredLeave, NextStep::Settle)
    );
    m.model.world().faults.clear();
    // The log knows our key: proof, though the aggregate still lags.
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(code(&o), Code::Ok);
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn capture_after_a_reboot_captures_once() {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::NotSent] {
        let mut m = Meter::new();
        approved(&m);
        m.model.fault("capture", fault.clone());
        m.client.capture(R, FARE, 1, true, 10);
        m.reboot();
        let mut seen = 0;
        assert_eq!(m.client.settle(MINUTE, &mut |_| seen += 1).code, Code::Ok);
        assert_eq!(seen, 1);
        assert_eq!(m.model.payment(R).captures.len(), 1, "{fault:?}");
        assert_eq!(
            m.client.known_payment(R).payment.unwrap().verdict,
            Verdict::PaidLeave
        );
    }
}

#[test]
fn a_second_partial_capture_repeated_after_a_reboot_captures_once() {
    let mut m = Meter::new();
    approved(&m);
    assert_eq!(
        code(&m.client.capture(R, 10_000, 1, false, MINUTE)),
        Code::Ok
    );
    m.model.fault("capture", Fault::LostAfter);
    m.client.capture(R, 10_000, 2, false, 10);
    m.reboot();
    assert_eq!(
        code(&m.client.capture(R, 10_000, 2, false, MINUTE)),
        Code::Ok
    );
    assert_eq!(
        code(&m.client.capture(R, 10_000, 2, false, MINUTE)),
        Code::Ok
    );
    let s = m.model.payment(R);
    assert_eq!((s.captures.len(), s.captured), (2, 20_000));
    assert_ne!(s.captures[0].0, s.captures[1].0);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(p.next_step, NextStep::Capture, "a reservation is left");
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::ReleaseRest, MINUTE)),
        Code::Ok
    );
    assert_eq!(m.model.payment(R).cancelled, 4_900);
}

#[test]
fn approval_in_time_then_a_reboot_is_captured_by_settle() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.payment(R).captured, FARE);
    // On hold it is never captured by settling.
    let mut m = Meter::new();
    let mut p = push(R, FARE);
    p.on_approval = OnApproval::Hold;
    m.client.create_push_payment(&p, MINUTE);
    m.model.approve(R);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Pending);
    assert_eq!(m.model.count("capture"), 0);
}

#[test]
fn an_approval_after_the_deadline_is_a_decision_owed() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    m.model.clock.advance(16 * 60_000);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Pending);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(
        (p.verdict, p.next_step),
        (Verdict::AskOffice, NextStep::Decide)
    );
    assert_ne!(p.owed & owed::DECISION, 0);
    assert_eq!(
        m.model.count("capture") + m.model.count("cancel"),
        0,
        "the library does not guess"
    );
    // The office decides.
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(m.model.payment(R).captured, FARE);
}

#[test]
fn settle_never_sends_a_create() {
    // The servers do not know it.
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.reboot();
    assert_eq!(
        m.client.settle(11 * MINUTE, &mut |_| {}).code,
        Code::Pending,
        "something on the way may still hold it"
    );
    assert_eq!(m.client.settle(2 * MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.count("create"), 1);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_eq!(
        (p.state, p.verdict),
        (State::NotCreated, Verdict::TakeOtherPayment)
    );
    // They do, and the passenger approves too late.
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostAfter);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.reboot();
    m.model.clock.advance(20 * 60_000);
    m.model.approve(R);
    m.reboot();
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(m.model.count("create"), 1);
    assert_ne!(
        m.client.known_payment(R).payment.unwrap().owed & owed::DECISION,
        0
    );
}

#[test]
fn not_found_right_after_a_create_proves_nothing() {
    use vpmeter_core::journal::Shelf;
    let mut m = Meter::new();
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&push(R, FARE), 60);
    m.reboot();
    assert_eq!(m.client.settle(5_000, &mut |_| {}).code, Code::Pending);
    assert_eq!(
        m.client.known_payment(R).payment.unwrap().state,
        State::Unknown
    );
    // The request was only slow: now it arrives, and the passenger approves.
    let record = m.store.get(Shelf::Open, R).unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let late = model::ServerPayment {
        state: "CREATED".into(),
        amount: FARE,
        metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
        created_at: 1_000,
        ..Default::default()
    };
    m.model.world().payments.insert(R.into(), late);
    m.model.approve(R);
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.payment(R).captured, FARE);
}

#[test]
fn two_cars_with_one_reference_and_amount() {
    let a = Meter::new();
    a.client.create_push_payment(&push(R, FARE), MINUTE);
    // Another car: same servers, another journal, another ride id.
    let b = Meter::new();
    *b.model.world() = vpmeter_world(&a);
    let o = b.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(code(&o), Code::ReferenceInUse, "{}", o.report);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
    assert_eq!(b.model.count("cancel"), 0);
}

fn vpmeter_world(of: &Meter) -> model::World {
    let mut w = std::mem::take(&mut *of.model.world());
    for p in w.payments.values_mut() {
        p.metadata = serde_json::json!({"vpmeter-ride": "ffffffffffffffffffffffffffffffff"});
    }
    w.keys.clear();
    w
}

#[test]
fn the_drivers_cancel() {
    // In time.
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    let o = m.client.cancel(R, CancelHow::IfNotApproved, MINUTE);
    assert_eq!(code(&o), Code::Ok);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
    // The passenger is faster: no cash; the host captures.
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.fault("cancel", Fault::ApproveFirst);
    let o = m.client.cancel(R, CancelHow::IfNotApproved, MINUTE);
    assert_eq!(code(&o), Code::AlreadyApproved);
    let p = o.payment.unwrap();
    assert_eq!((p.verdict, p.next_step), (Verdict::Wait, NextStep::Capture));
    assert_eq!(m.model.payment(R).cancelled, 0);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
}

#[test]
fn cancel_answer_lost() {
    for fault in [
        Fault::LostAfter,
        Fault::LostBefore,
        Fault::ActThen(500, String::new()),
        Fault::NoAggregate,
    ] {
        let m = Meter::new();
        m.client.create_push_payment(&push(R, FARE), MINUTE);
        m.model.fault("cancel", fault.clone());
        let o = m.client.cancel(R, CancelHow::IfNotApproved, MINUTE);
        assert_eq!(code(&o), Code::Ok, "{fault:?}: {}", o.report);
        assert_eq!(m.model.payment(R).state, "TERMINATED");
    }
}

#[test]
fn cancel_while_the_customer_is_in_the_middle_is_repeated() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    let (status, body) = problem(400, 6250);
    m.model.fault("cancel", Fault::Status(status, body));
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::IfNotApproved, MINUTE)),
        Code::Ok
    );
    let keys: Vec<String> = m
        .model
        .world()
        .keys_sent
        .iter()
        .filter(|k| k.0 == "cancel")
        .map(|k| k.1.clone())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1], "a 4xx stays a 4xx for its key");
}

#[test]
fn a_given_up_ride_is_released_however_late_and_never_captured() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    // A dead zone: nothing gets through, and yet the driver may take cash.
    for _ in 0..40 {
        m.model.fault("cancel", Fault::NotSent);
    }
    let o = m.client.cancel(R, CancelHow::GiveUp, 2_000);
    assert_ne!(code(&o), Code::Ok);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherReleaseOwed);
    m.reboot();
    m.model.world().faults.clear();
    m.model.approve(R);
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, MINUTE)),
        Code::WrongState
    );
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    let s = m.model.payment(R);
    assert_eq!((s.captured, s.cancelled), (0, FARE));
    assert_eq!(
        m.client.known_payment(R).payment.unwrap().verdict,
        Verdict::TakeOtherPayment
    );
}

#[test]
fn capture_and_give_up_exclude_each_other() {
    let m = Meter::new();
    approved(&m);
    m.client.capture(R, FARE, 1, true, 0);
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::GiveUp, 0)),
        Code::WrongState
    );
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::IfNotApproved, 0)),
        Code::AlreadyApproved
    );
}

#[test]
fn a_capture_that_raced_with_the_approval_goes_on_with_its_key() {
    let m = Meter::new();
    approved(&m);
    let (status, body) = problem(400, 6080);
    m.model.fault("capture", Fault::Status(status, body));
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    let keys = m.model.world().keys_sent.clone();
    let captures: Vec<_> = keys.iter().filter(|k| k.0 == "capture").collect();
    assert_eq!(captures.len(), 2);
    assert_eq!(captures[0], captures[1]);
}

#[test]
fn keys_without_permission_block_and_are_tried_again_later() {
    let mut m = Meter::new();
    approved(&m);
    let (status, body) = problem(403, 0);
    m.model.fault("capture", Fault::Status(status, body));
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(code(&o), Code::NotPermitted, "{}", o.report);
    assert_eq!(o.payment.unwrap().verdict, Verdict::SecuredLeave);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn a_reservation_that_is_gone_is_lost_and_says_so() {
    let m = Meter::new();
    approved(&m);
    m.model.fault("capture", Fault::Refuse(400, 6100));
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!((code(&o), o.report.vipps_code), (Code::TooLate, 6100));
    let p = o.payment.unwrap();
    assert_eq!(p.verdict, Verdict::AskOffice);
    assert_ne!(p.owed & owed::LOST, 0);
}

#[test]
fn funds_unavailable_and_capture_failed_stay_owed() {
    let m = Meter::new();
    approved(&m);
    let (status, body) = problem(400, 6280);
    m.model.fault("capture", Fault::Status(status, body));
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    let keys: Vec<_> = m
        .model
        .world()
        .keys_sent
        .iter()
        .filter(|k| k.0 == "capture")
        .cloned()
        .collect();
    assert_eq!(keys[0], keys[1], "6280 says: the same key later");
    let m = Meter::new();
    approved(&m);
    let (status, body) = problem(400, 6260);
    m.model.fault("capture", Fault::Status(status, body));
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(code(&o), Code::FundsUnavailable);
    let p = o.payment.unwrap();
    assert_ne!(p.owed & owed::CAPTURE, 0);
    assert_eq!(p.verdict, Verdict::AskOffice, "nothing is secured any more");
    // The bank has money after all: the same key.
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(
        m.client.known_payment(R).payment.unwrap().verdict,
        Verdict::PaidLeave
    );
}

#[test]
fn receipts() {
    let m = Meter::new();
    approved(&m);
    // The answer is lost after it was posted: 409, read back, the same.
    m.model.fault("receipt", Fault::LostAfter);
    let o = m.client.post_receipt(R, &receipt(FARE), MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
    assert_eq!(m.model.payment(R).receipts_posted, 1);
    assert_eq!(m.model.count("receipt"), 2);
    assert_eq!(m.model.count("order"), 1);
    assert_eq!(
        code(&m.client.post_receipt(R, &receipt(FARE - 1), MINUTE)),
        Code::WrongState
    );
    // The capture must be what the receipt says.
    let o = m.client.capture(R, FARE - 100, 1, true, MINUTE);
    assert_eq!(
        (code(&o), o.report.field.as_str()),
        (Code::InvalidArgument, "amount")
    );
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
}

/// Whatever the servers say to the repetition: what arrived is not called refused.
#[test]
fn a_receipt_whose_answer_was_lost_is_not_refused_by_what_a_repetition_gets() {
    for (restart, status) in [(false, 400), (false, 422), (true, 400)] {
        let mut m = Meter::new();
        approved(&m);
        m.model.fault("receipt", Fault::LostAfter);
        let wait = if restart { 1 } else { MINUTE };
        m.model.fault("receipt", Fault::Status(status, "{}".into()));
        let mut code = code(&m.client.post_receipt(R, &receipt(FARE), wait));
        if restart {
            m.reboot();
            code = m.client.settle(MINUTE, &mut |_| {}).code;
        }
        let p = m.client.known_payment(R).payment.unwrap();
        assert_eq!((code, p.owed & owed::RECEIPT_REFUSED), (Code::Ok, 0));
        assert_eq!(p.owed & owed::RECEIPT, 0);
        assert_eq!(m.model.payment(R).receipts_posted, 1);
        assert_eq!((m.model.count("receipt"), m.model.count("order")), (2, 1));
    }
}

#[test]
fn a_payment_that_is_over_without_money_owes_no_receipt() {
    for end in ["ABORTED", "never sent", "given up"] {
        let m = Meter::new();
        let wait = if end == "never sent" { 0 } else { MINUTE };
        m.client.create_push_payment(&push(R, FARE), wait);
        m.client.post_receipt(R, &receipt(FARE), 0);
        match end {
            "ABORTED" => m.model.world().payments.get_mut(R).unwrap().state = end.into(),
            "never sent" => drop(m.client.cancel(R, CancelHow::IfNotApproved, 0)),
            _ => drop(m.client.cancel(R, CancelHow::GiveUp, MINUTE)),
        }
        assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok, "{end}");
        let p = m.client.known_payment(R).payment.unwrap();
        assert!(p.closed, "{end}");
        assert_eq!(m.model.count("receipt"), 0, "{end}");
    }
}

#[test]
fn a_receipt_that_is_refused_or_slow_does_not_hold_up_the_capture() {
    let m = Meter::new();
    m.model.world().approve_after = Some(0);
    m.model.fault("receipt", Fault::Status(400, "{}".into()));
    let o = m.client.run_ride(&ride(), MINUTE);
    assert_eq!(code(&o), Code::Ok);
    let p = o.payment.unwrap();
    assert_eq!(p.verdict, Verdict::PaidLeave);
    assert_ne!(p.owed & owed::RECEIPT_REFUSED, 0);
    let mut m = Meter::new();
    m.model.world().approve_after = Some(0);
    for _ in 0..30 {
        m.model.fault("receipt", Fault::Status(500, String::new()));
    }
    let o = m.client.run_ride(&ride(), MINUTE);
    assert_eq!(code(&o), Code::Ok);
    let p = o.payment.unwrap();
    assert_eq!(
        (p.verdict, p.owed & owed::RECEIPT),
        (Verdict::PaidLeave, owed::RECEIPT)
    );
    // Owed across a restart.
    m.model.world().faults.clear();
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Ok);
    assert_eq!(m.model.payment(R).receipts_posted, 1);
}

#[test]
fn a_401_in_the_middle_of_every_step_fetches_one_new_token() {
    let m = Meter::new();
    let revoke = || m.model.world().bad_token = true;
    m.client.create_push_payment(&push(R, FARE), 0);
    revoke();
    assert_eq!(
        code(&m.client.create_push_payment(&push(R, FARE), MINUTE)),
        Code::Ok
    );
    m.model.approve(R);
    revoke();
    assert_eq!(code(&m.client.poll(R, MINUTE)), Code::Ok);
    revoke();
    assert_eq!(
        code(&m.client.post_receipt(R, &receipt(FARE), MINUTE)),
        Code::Ok
    );
    revoke();
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    revoke();
    assert_eq!(code(&m.client.refund(R, 100, 1, MINUTE)), Code::Ok);
    let s = m.model.payment(R);
    assert_eq!(
        (s.captures.len(), s.refunds.len(), s.receipts_posted),
        (1, 1, 1)
    );
    assert_eq!(m.model.world().tokens, 5);
}

#[test]
fn wrong_keys_are_credentials_and_do_not_block_the_next_ride() {
    let m = Meter::new();
    m.model.fault(
        "token",
        Fault::Status(401, r#"{"error":"unauthorized_client"}"#.into()),
    );
    let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(code(&o), Code::Credentials, "{}", o.report);
    assert_eq!(o.payment.unwrap().state, State::Recorded);
    assert_eq!(
        code(
            &m.client
                .create_push_payment(&push("trip-0002", FARE), MINUTE)
        ),
        Code::Ok
    );
}

#[test]
fn one_poll_at_a_time_within_the_servers_limits() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.client.poll(R, MINUTE);
    let reads = m.model.count("get");
    assert!(
        (25..=29).contains(&reads),
        "first after 5 s, then every 2 s: {reads}"
    );
    // A 429 widens the plan.
    m.model.fault("get", Fault::Status(429, String::new()));
    m.client.poll(R, MINUTE);
    let more = m.model.count("get") - reads;
    assert!((12..=17).contains(&more), "{more}");
}

#[test]
fn writes_keep_to_five_a_minute() {
    let m = Meter::new();
    approved(&m);
    for _ in 0..20 {
        m.model.fault("capture", Fault::LostBefore);
    }
    m.client.capture(R, FARE, 1, true, MINUTE);
    assert!(m.model.count("capture") <= 5);
}

#[test]
fn a_portal_capture_meanwhile_is_never_captured_on_top() {
    let m = Meter::new();
    approved(&m);
    {
        let mut w = m.model.world();
        let p = w.payments.get_mut(R).unwrap();
        p.captured = FARE;
        p.captures.push((String::new(), FARE));
    }
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(code(&o), Code::Ok, "the fare is captured: {}", o.report);
    assert_eq!(m.model.payment(R).captured, FARE);
}

#[test]
fn the_phone_number_leaves_the_journal_when_it_has_served() {
    use vpmeter_core::journal::{Shelf, Store};
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), 0);
    let text =
        |s: &Arc<dyn Store>| String::from_utf8(s.get(Shelf::Open, R).unwrap().unwrap()).unwrap();
    assert!(text(&m.store).contains("4791234567"));
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    assert!(!text(&m.store).contains("91234567"));
}

#[test]
fn a_wall_clock_that_jumps_changes_no_decision() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.clock.jump_wall(-400 * 24 * 3_600_000);
    m.model.approve(R);
    let p = m.client.poll(R, MINUTE).payment.unwrap();
    assert_eq!(
        p.next_step,
        NextStep::Capture,
        "in time by the monotonic clock"
    );
    m.model.clock.jump_wall(800 * 24 * 3_600_000);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
}

/// A tombstone keeps no receipt. The payment turns out to be alive, and the receipt is asked for again: it is posted, and the
/// call comes to its end.
#[test]
fn the_receipt_of_a_payment_that_is_alive_again_is_posted() {
    let m = Meter::new();
    let mut p = push(R, FARE);
    p.receipt = Some(receipt(FARE));
    m.model.fault("create", Fault::LostBefore);
    m.client.create_push_payment(&p, 60);
    let record = m.store.get(vpmeter_core::journal::Shelf::Open, R);
    let record: serde_json::Value = serde_json::from_slice(&record.unwrap().unwrap()).unwrap();
    m.client.cancel(R, CancelHow::IfNotApproved, 13 * MINUTE);
    let late = model::ServerPayment {
        state: "CREATED".into(),
        amount: FARE,
        metadata: serde_json::json!({"vpmeter-ride": record["ride_id"]}),
        created_at: vpmeter_core::clock::Clock::monotonic_ms(&*m.model.clock),
        ..Default::default()
    };
    m.model.world().payments.insert(R.into(), late);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    // Nothing goes on before the office has decided; the call ends all the same.
    m.client.post_receipt(R, &receipt(FARE), MINUTE);
    let decision = vpmeter_core::payment::Decision::Capture;
    assert_eq!(code(&m.client.decide(R, decision, MINUTE)), Code::Ok);
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(m.model.payment(R).receipts_posted, 1);
}
