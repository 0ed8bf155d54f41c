//! The cases that payment products get wrong, each under its own name. (More of them are in `ride.rs` and `office.rs`.)

mod model;

use std::sync::Arc;

use model::{config, problem, push, Fault, Meter, NOON};
use vpmeter_core::client::{Filter, Outcome};
use vpmeter_core::error::Code;
use vpmeter_core::journal::Shelf;
use vpmeter_core::payment::CancelHow;
use vpmeter_core::verdict::{owed, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

fn code(o: &Outcome) -> Code {
    o.report.code
}

fn created(m: &Meter) {
    assert_eq!(
        code(&m.client.create_push_payment(&push(R, FARE), MINUTE)),
        Code::Ok
    );
}

fn approved(m: &Meter) {
    created(m);
    m.model.approve(R);
    assert_eq!(code(&m.client.poll(R, MINUTE)), Code::Ok);
}

fn captured(m: &Meter) {
    approved(m);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
}

#[test]
fn a_refund_after_its_record_was_lost_is_the_same_refund() {
    let mut m = Meter::new();
    captured(&m);
    let before = m.store.get(Shelf::Closed, R).unwrap().unwrap();
    assert_eq!(code(&m.client.refund(R, 5_000, 1, MINUTE)), Code::Ok);
    // The card lost the newest record; the meter knows nothing of its refund and is asked again.
    m.store.put(Shelf::Closed, R, &before).unwrap();
    m.store.remove(Shelf::Open, R).unwrap();
    m.reboot();
    let o = m.client.refund(R, 5_000, 1, MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
    let s = m.model.payment(R);
    assert_eq!((s.refunds.len(), s.refunded), (1, 5_000));
}

#[test]
fn a_capture_after_its_record_was_lost_is_the_same_capture() {
    let mut m = Meter::new();
    approved(&m);
    let before = m.store.get(Shelf::Open, R).unwrap().unwrap();
    m.model.fault("capture", Fault::LostAfter);
    m.client.capture(R, 10_000, 1, false, 10);
    m.store.put(Shelf::Open, R, &before).unwrap();
    m.reboot();
    let o = m.client.capture(R, 10_000, 1, false, MINUTE);
    assert_eq!(code(&o), Code::Ok, "{}", o.report);
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn token_life_ends_between_create_and_capture() {
    let m = Meter::new();
    approved(&m);
    m.model.clock.advance(2 * 3_600_000);
    assert_eq!(code(&m.client.capture(R, FARE, 1, true, MINUTE)), Code::Ok);
    assert_eq!(m.model.world().tokens, 2);
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn wrong_clock_at_boot_is_said_before_anything_is_sent() {
    let m = Meter::new();
    m.model.clock.jump_wall(-NOON);
    let mut secure = config();
    secure.base_url = "https://127.0.0.1:1".into();
    let client = m.open_with(secure);
    let o = client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(code(&o), Code::Clock);
    assert_eq!(m.model.world().requests.len(), 0);
    // Somebody sets it: the ride goes on.
    m.model.clock.jump_wall(NOON);
    assert_eq!(
        code(&client.create_push_payment(&push("trip-0002", FARE), MINUTE)),
        Code::Ok
    );
}

/// The codes that say "not now", in each operation: the library goes on by itself and does it once.
#[test]
fn locked_processing_and_conflict_in_each_operation() {
    for (status, vipps) in [
        (423, 0),
        (400, 6160),
        (409, 6160),
        (423, 6160),
        (400, 6250),
        (409, 4010),
        (503, 0),
        (429, 0),
    ] {
        let answer = || {
            let (status, body) = problem(status, vipps);
            Fault::Status(status, body)
        };
        let what = format!("{status} {vipps}");
        let m = Meter::new();
        if status != 409 && vipps == 0 {
            m.model.fault("create", answer());
        }
        created(&m);
        m.model.approve(R);
        m.model.fault("get", Fault::Status(503, String::new()));
        assert_eq!(code(&m.client.poll(R, MINUTE)), Code::Ok, "{what}");
        m.model.fault("capture", answer());
        assert_eq!(
            code(&m.client.capture(R, 20_000, 1, false, MINUTE)),
            Code::Ok,
            "capture {what}"
        );
        m.model.fault("cancel", answer());
        let o = m.client.cancel(R, CancelHow::ReleaseRest, 2 * MINUTE);
        assert_eq!(code(&o), Code::Ok, "release {what}: {}", o.report);
        m.model.fault("refund", answer());
        let o = m.client.refund(R, 1_000, 1, 2 * MINUTE);
        assert_eq!(code(&o), Code::Ok, "refund {what}: {}", o.report);
        let s = m.model.payment(R);
        assert_eq!(
            (s.captures.len(), s.refunds.len(), s.cancelled),
            (1, 1, 4_900),
            "{what}"
        );
    }
}

#[test]
fn captures_at_risk_are_listed() {
    let m = Meter::new();
    created(&m);
    m.model.world().guaranteed_until = Some("2026-11-30T12:00:00.000+00:00".into());
    m.model.approve(R);
    let p = m.client.poll(R, MINUTE).payment.unwrap();
    let week = 7 * 24 * 3_600_000;
    assert_eq!(p.guaranteed_until, NOON + week);
    let at_risk = |before: i64| {
        let filter = Filter {
            guaranteed_before: before,
            ..Filter::default()
        };
        let mut n = 0;
        m.client
            .list_payments(&filter, &mut |_| {
                n += 1;
                true
            })
            .unwrap();
        n
    };
    assert_eq!((at_risk(NOON + week + 1), at_risk(NOON + week)), (1, 0));
    m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(at_risk(NOON + week + 1), 0, "captured: nothing is at risk");
}

#[test]
fn two_threads_press_capture_at_once() {
    let m = Arc::new(Meter::new());
    approved(&m);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let m = m.clone();
            std::thread::spawn(move || m.client.capture(R, FARE, 1, true, 10 * MINUTE).report.code)
        })
        .collect();
    for t in threads {
        assert_eq!(t.join().unwrap(), Code::Ok);
    }
    assert_eq!(m.model.count("capture"), 1);
}

#[test]
fn a_ride_given_up_while_its_capture_is_asked_for_elsewhere_has_one_winner() {
    for _ in 0..20 {
        let m = Arc::new(Meter::new());
        approved(&m);
        let other = m.clone();
        let give_up = std::thread::spawn(move || other.client.cancel(R, CancelHow::GiveUp, MINUTE));
        let capture = m.client.capture(R, FARE, 1, true, MINUTE);
        let give_up = give_up.join().unwrap();
        let s = m.model.payment(R);
        assert!(s.captured == 0 || s.cancelled == 0, "{s:?}");
        let codes = (code(&capture), code(&give_up));
        assert!(
            codes == (Code::Ok, Code::WrongState) || codes == (Code::WrongState, Code::Ok),
            "{codes:?}"
        );
    }
}

#[test]
fn a_full_disk_at_each_write_loses_nothing_and_sends_nothing_unwritten() {
    use model::FullStore;
    for writes in 0..6 {
        let store = Arc::new(FullStore::new(writes));
        let mut m = Meter::with(Arc::new(vpmeter_core::client::hooks::Silent), store.clone());
        let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
        if code(&o) == Code::StorageFull {
            assert_eq!(
                m.model.world().requests.len(),
                0,
                "nothing is sent that is not written"
            );
        }
        m.model.approve(R);
        m.client.poll(R, MINUTE);
        let o = m.client.capture(R, FARE, 1, true, MINUTE);
        if code(&o) == Code::StorageFull {
            assert_eq!(m.model.count("capture"), 0);
        }
        // Room again, and a restart.
        store.unlimited();
        m.reboot();
        m.client.settle(MINUTE * 2, &mut |_| {});
        let known = m.client.known_payment(R).payment;
        let Some(server) = m.model.world().payments.get(R).cloned() else {
            continue;
        };
        assert!(server.captures.len() <= 1);
        let p = known.expect("the servers have it, so the journal must");
        let settled = p.verdict == Verdict::PaidLeave && server.captured == FARE
            || p.owed & owed::DECISION != 0;
        assert!(settled, "after {writes} writes: {p:?} {server:?}");
    }
}
