//! What only a human may settle, and payments that move to another meter.

mod model;

use std::sync::Arc;

use model::{config, push, Fault, Meter};
use vpmeter_core::client::{Filter, Which};
use vpmeter_core::error::Code;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{Shelf, Store};
use vpmeter_core::payment::{CancelHow, Decision, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

/// Approved after the deadline, found by settling after a restart.
fn decision_owed() -> Meter {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    m.model.clock.advance(16 * 60_000);
    m.reboot();
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Pending);
    m
}

#[test]
fn the_office_decides_to_capture() {
    let mut m = decision_owed();
    m.reboot();
    let o = m.client.decide(R, Decision::Capture, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    assert_eq!(o.payment.unwrap().verdict, Verdict::PaidLeave);
    assert_eq!(m.model.payment(R).captures.len(), 1);
    assert_eq!(
        m.client.decide(R, Decision::GiveUp, MINUTE).report.code,
        Code::WrongState
    );
}

#[test]
fn the_office_decides_to_give_up() {
    let m = decision_owed();
    let o = m.client.decide(R, Decision::GiveUp, MINUTE);
    assert_eq!(o.report.code, Code::Ok);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
    let s = m.model.payment(R);
    assert_eq!((s.captured, s.cancelled), (0, FARE));
}

#[test]
fn a_refused_capture_is_asked_for_again_by_decision() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.model.fault("capture", Fault::Refuse(400, 6140));
    let o = m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(o.report.code, Code::Amount);
    assert_eq!(o.payment.unwrap().next_step, NextStep::Decide);
    assert_eq!(
        m.client.decide(R, Decision::Capture, MINUTE).report.code,
        Code::Ok
    );
    assert_eq!(m.model.payment(R).captured, FARE);
}

#[test]
fn keys_revoked_for_ever_end_in_a_write_off_and_block_no_ride() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.client.capture(R, FARE, 1, true, 0);
    m.reboot();
    for _ in 0..20 {
        m.model.fault("token", Fault::Status(401, "{}".into()));
    }
    assert_eq!(m.client.settle(MINUTE, &mut |_| {}).code, Code::Pending);
    m.model.world().faults.clear();
    assert_eq!(
        m.client
            .create_push_payment(&push("trip-0002", FARE), MINUTE)
            .report
            .code,
        Code::Ok
    );
    assert_eq!(m.client.write_off(R, "").report.field, "reason");
    let o = m.client.write_off(R, "keys were revoked");
    assert_eq!(o.report.code, Code::Ok);
    let p = o.payment.unwrap();
    assert!(p.closed);
    assert_eq!(
        (p.verdict, p.owed & owed::LOST),
        (Verdict::AskOffice, owed::LOST)
    );
    m.reboot();
    let before = m.model.world().requests.len();
    let mut open = Vec::new();
    m.client
        .settle(MINUTE, &mut |s| open.push(s.reference.clone()));
    assert_eq!(open, ["trip-0002"]);
    assert_eq!(
        m.model.count("capture"),
        0,
        "{:?}",
        &m.model.world().requests[before..]
    );
    assert_eq!(m.client.write_off(R, "again").report.code, Code::WrongState);
}

#[test]
fn open_payments_move_to_another_meter_and_the_old_one_lets_go() {
    let mut old = Meter::new();
    old.client.create_push_payment(&push(R, FARE), MINUTE);
    old.model.approve(R);
    old.client.poll(R, MINUTE);
    old.client.capture(R, FARE, 1, true, 0);
    let mut unsent = push("trip-0002", FARE);
    unsent.phone = "+47 98765432".into();
    old.client.create_push_payment(&unsent, 0);
    let mut texts = Vec::new();
    old.client
        .export(&mut |_, text| texts.push(text.to_string()))
        .unwrap();
    assert_eq!(texts.len(), 2);
    assert!(texts
        .iter()
        .all(|t| !t.contains("98765432") && !t.contains("91234567")));
    // The old meter is frozen, also after a restart.
    old.reboot();
    assert_eq!(
        old.client
            .settle(MINUTE, &mut |s| assert_ne!(s.owed & owed::ELSEWHERE, 0))
            .code,
        Code::Ok
    );
    assert_eq!(
        old.client.cancel(R, CancelHow::GiveUp, 0).report.code,
        Code::NotPermitted
    );
    let written_off = old.client.write_off(R, "the meter was sold");
    assert_eq!(written_off.report.code, Code::NotPermitted);
    assert_eq!(old.client.worker_run(0).code, Code::Ok);
    assert_eq!(old.model.count("capture"), 0);

    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let new = Meter::sharing(&old, store);
    for text in &texts {
        new.client.import(text).unwrap();
        assert_eq!(
            new.client.import(text).unwrap_err().code,
            Code::ReferenceInUse
        );
    }
    new.client.settle(13 * MINUTE, &mut |_| {});
    assert_eq!(new.model.payment(R).captures.len(), 1);
    assert_eq!(
        new.client.known_payment("trip-0002").payment.unwrap().state,
        State::NotCreated
    );
    assert_eq!(
        new.model.count("create"),
        1,
        "the unsent one is never sent by another meter"
    );
    // One that could never settle it does not take it.
    for (from, to) in [
        ("\"123456\"", "\"654321\""),
        (&*format!("\"{}\"", environment(&texts[0])), "\"other:1\""),
    ] {
        let other = texts[0].replace(R, "trip-0009").replace(from, to);
        assert_ne!(other, texts[0].replace(R, "trip-0009"));
        assert_eq!(
            new.client.import(&other).unwrap_err().code,
            Code::NotPermitted
        );
    }
    for bad in ["", "{}", "[]", r#"{"reference":"trip-0009"}"#, "\u{0}"] {
        assert_eq!(
            new.client.import(bad).unwrap_err().code,
            Code::InvalidArgument
        );
    }
}

#[test]
fn records_of_another_sales_unit_are_listed_and_left_alone() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    let mut other = config();
    other.credentials.msn = "654321".into();
    let client = m.open_with(other);
    let before = m.model.world().requests.len();
    let mut seen = 0;
    assert_eq!(
        client
            .settle(MINUTE, &mut |s| seen += s.owed & owed::ELSEWHERE)
            .code,
        Code::Ok
    );
    assert_eq!(seen, owed::ELSEWHERE);
    assert_eq!(client.poll(R, MINUTE).report.code, Code::NotPermitted);
    assert_eq!(m.model.world().requests.len(), before);
}

#[test]
fn lists_filter_by_shelf_trip_time_and_risk() {
    let mut m = Meter::new();
    for n in 1..=3 {
        let mut p = push(&format!("trip-000{n}"), FARE);
        p.trip = format!("{n}");
        m.client.create_push_payment(&p, MINUTE);
        m.model.clock.advance(1_000_000);
    }
    m.client
        .cancel("trip-0001", CancelHow::IfNotApproved, MINUTE);
    m.reboot();
    let list = |filter: &Filter| {
        let mut names = Vec::new();
        m.client
            .list_payments(filter, &mut |s| {
                names.push(s.reference.clone());
                true
            })
            .unwrap();
        names
    };
    assert_eq!(
        list(&Filter::default()),
        ["trip-0001", "trip-0002", "trip-0003"]
    );
    let of = |which| Filter {
        which,
        ..Filter::default()
    };
    assert_eq!(list(&of(Which::Closed)), ["trip-0001"]);
    assert_eq!(list(&of(Which::Open)), ["trip-0002", "trip-0003"]);
    let by_trip = Filter {
        trip: "3".into(),
        ..Filter::default()
    };
    assert_eq!(list(&by_trip), ["trip-0003"]);
    let by_time = Filter {
        since: model::NOON + 1_000_000,
        until: model::NOON + 2_000_000,
        ..Filter::default()
    };
    assert_eq!(list(&by_time), ["trip-0002"]);
}

#[test]
fn a_damaged_record_is_known_by_name_and_stops_nothing() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.client
        .create_push_payment(&push("trip-0002", FARE), MINUTE);
    for bad in [
        &b"{}"[..],
        b"not json",
        br#"{"format":7}"#,
        br#"{"format":1,"reference":"trip-0001"}"#,
    ] {
        m.store.put(Shelf::Open, R, bad).unwrap();
        m.reboot();
        let o = m.client.known_payment(R);
        assert_eq!(o.report.code, Code::DamagedRecord);
        let p = o.payment.unwrap();
        assert_eq!((p.verdict, p.owed), (Verdict::AskOffice, owed::DECISION));
        assert_eq!(
            m.client
                .create_push_payment(&push(R, FARE), MINUTE)
                .report
                .code,
            Code::DamagedRecord
        );
        assert_eq!(m.client.known_payment("trip-0002").report.code, Code::Ok);
        assert_eq!(
            m.store.get(Shelf::Open, R).unwrap().unwrap(),
            bad,
            "nothing is deleted"
        );
    }
}

fn environment(record: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    record["environment"].as_str().unwrap().to_string()
}
