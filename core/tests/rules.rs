//! The rules of the money, one test a rule. The numbers are those of the list in `docs/states.md`.

mod model;

use model::{config, push, Fault, Meter};
use vpmeter_core::client::Outcome;
use vpmeter_core::error::{Cause, Code, Group};
use vpmeter_core::journal::Shelf;
use vpmeter_core::payment::{CancelHow, OnApproval, State};
use vpmeter_core::verdict::{owed, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

fn code(o: &Outcome) -> Code {
    o.report.code
}

fn approved(m: &Meter) {
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    assert_eq!(code(&m.client.poll(R, MINUTE)), Code::Ok);
}

fn stored(m: &Meter, shelf: Shelf) -> serde_json::Value {
    serde_json::from_slice(&m.store.get(shelf, R).unwrap().unwrap()).unwrap()
}

#[test]
fn rule_01_what_an_approval_means_is_on_disk_before_anything_is_sent() {
    let mut m = Meter::new();
    let mut hold = push(R, FARE);
    hold.on_approval = OnApproval::Hold;
    m.client.create_push_payment(&hold, 0);
    assert_eq!(stored(&m, Shelf::Open)["on_approval"], "Hold");
    assert_eq!(m.model.world().requests.len(), 0);
    m.client.create_push_payment(&hold, MINUTE);
    m.model.approve(R);
    m.reboot();
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(
        m.model.count("capture"),
        0,
        "a hold is never captured by the library"
    );
}

#[test]
fn rule_02_only_the_ride_id_says_that_a_payment_is_ours() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    let ride = stored(&m, Shelf::Open)["ride_id"].clone();
    assert_eq!(m.model.payment(R).metadata["vpmeter-ride"], ride);
    let stranger = Meter::new();
    stranger.model.world().payments.insert(
        R.into(),
        model::ServerPayment {
            state: "AUTHORIZED".into(),
            amount: FARE,
            authorized: FARE,
            metadata: serde_json::json!({}),
            events: vec![model::event("CREATED", FARE, "somebody-elses")],
            ..Default::default()
        },
    );
    let o = stranger.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(
        code(&o),
        Code::ReferenceInUse,
        "the same amount proves nothing"
    );
    assert_eq!(
        stranger.model.count("capture") + stranger.model.count("cancel"),
        0
    );
}

#[test]
fn rule_03_a_repeat_has_the_same_key_and_a_new_attempt_is_on_disk_first() {
    let m = Meter::new();
    approved(&m);
    m.model.fault("capture", Fault::LostBefore);
    for _ in 0..3 {
        m.model.fault("capture", Fault::Refuse(400, 6080));
    }
    for _ in 0..20 {
        m.model.fault("capture", Fault::NotSent);
    }
    // The refusal stays for the key, and of two captures of the whole only one can succeed: the next key is written, though
    // it cannot be sent.
    m.client.capture(R, FARE, 1, true, MINUTE);
    let keys: Vec<String> = m
        .model
        .world()
        .keys_sent
        .iter()
        .filter(|k| k.0 == "capture")
        .map(|k| k.1.clone())
        .collect();
    assert!(keys.len() > 4 && keys[..4].iter().all(|k| *k == keys[0]));
    let next = stored(&m, Shelf::Open)["captures"][0].clone();
    assert_eq!(next["attempt"], 2);
    assert_ne!(next["key"], keys[1].as_str());
}

#[test]
fn rule_04_the_200_alone_is_no_proof() {
    let m = Meter::new();
    approved(&m);
    m.model.fault("capture", Fault::Status(200, "{}".into()));
    let o = m.client.capture(R, FARE, 1, true, 3_000);
    assert_eq!(
        (code(&o), o.report.cause),
        (Code::OutcomeUnknown, Cause::NotYetProven)
    );
    assert_eq!(o.payment.unwrap().verdict, Verdict::SecuredLeave);
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, 2 * MINUTE)),
        Code::Ok,
        "sent again in the end"
    );
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn rule_05_a_confirmed_create_is_never_sent_again() {
    let mut m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.reboot();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.client.poll(R, MINUTE);
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(m.model.count("create"), 1);
}

#[test]
fn rule_06_giving_up_is_on_disk_before_anything_is_sent() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.client.cancel(R, CancelHow::GiveUp, 0);
    assert_eq!(stored(&m, Shelf::Open)["given_up"], true);
    assert_eq!(m.model.count("cancel"), 0);
    m.model.approve(R);
    m.client.settle(MINUTE, &mut |_| {});
    assert_eq!(m.model.payment(R).cancelled, FARE);
    assert_eq!(
        code(&m.client.capture(R, FARE, 1, true, MINUTE)),
        Code::WrongState
    );
}

#[test]
fn rule_07_cash_after_proof_or_after_giving_up_and_never_in_between() {
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    for _ in 0..9 {
        m.model.fault("cancel", Fault::NotSent);
    }
    let o = m.client.cancel(R, CancelHow::IfNotApproved, 1_000);
    assert_eq!(
        o.payment.unwrap().verdict,
        Verdict::Wait,
        "not proven: no cash"
    );
    let o = m.client.cancel(R, CancelHow::GiveUp, 0);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherReleaseOwed);
    let m = Meter::new();
    approved(&m);
    m.client.capture(R, FARE, 1, true, 0);
    assert_eq!(
        code(&m.client.cancel(R, CancelHow::GiveUp, 0)),
        Code::WrongState
    );
}

#[test]
fn rule_08_the_rest_is_released_after_the_capture_is_proven() {
    let m = Meter::new();
    approved(&m);
    m.model.fault("capture", Fault::LostBefore);
    let before = m.model.world().requests.len();
    m.client.capture(R, 20_000, 1, true, 0);
    let record = stored(&m, Shelf::Open);
    assert_eq!(
        (
            &record["captures"][0]["progress"],
            &record["release"]["progress"]
        ),
        (&"Owed".into(), &"Owed".into())
    );
    assert_eq!(
        code(&m.client.capture(R, 20_000, 1, true, MINUTE)),
        Code::Ok
    );
    let sent = m.model.world().requests[before..].to_vec();
    let last_capture = sent.iter().rposition(|r| r == "capture").unwrap();
    let cancel = sent.iter().position(|r| r == "cancel").unwrap();
    assert!(cancel > last_capture, "{sent:?}");
    assert_eq!(m.model.payment(R).cancelled, 4_900);
}

#[test]
fn rule_09_surely_nothing_happened_is_said_only_of_what_was_not_sent() {
    for (fault, nothing) in [
        (Fault::NotSent, true),
        (Fault::Status(429, String::new()), true),
        (Fault::LostBefore, false),
        (Fault::LostAfter, false),
        (Fault::Status(500, String::new()), false),
        (Fault::Status(423, String::new()), false),
    ] {
        let m = Meter::new();
        approved(&m);
        m.model.fault("capture", fault.clone());
        for _ in 0..9 {
            m.model.fault("get", Fault::NotSent);
        }
        let o = m.client.capture(R, FARE, 1, true, 40);
        let said = o.report.code.group() == Group::TryAgain;
        assert_eq!(said, nothing, "{fault:?}: {}", o.report);
        assert!(said || code(&o) == Code::OutcomeUnknown);
    }
}

#[test]
fn rule_10_one_live_payment_a_trip() {
    let m = Meter::new();
    let on_trip = |reference: &str| {
        let mut p = push(reference, FARE);
        p.trip = "4711".into();
        p
    };
    m.client.create_push_payment(&on_trip("trip-0001"), MINUTE);
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0002"), MINUTE)),
        Code::TripInUse
    );
    m.client
        .cancel("trip-0001", CancelHow::IfNotApproved, MINUTE);
    assert_eq!(
        code(&m.client.create_push_payment(&on_trip("trip-0002"), MINUTE)),
        Code::Ok
    );
}

#[test]
fn rule_11_lost_money_has_amount_and_reason_and_nothing_is_lost_automatically_while_it_could_be_had(
) {
    let m = Meter::new();
    approved(&m);
    for _ in 0..5 {
        let (status, body) = model::problem(403, 0);
        m.model.fault("capture", Fault::Status(status, body));
        let o = m.client.capture(R, FARE, 1, true, MINUTE);
        assert_eq!(
            o.payment.unwrap().owed & owed::LOST,
            0,
            "keys can come back"
        );
        m.model.clock.advance(60_000);
    }
    m.model.fault("capture", Fault::Refuse(400, 6100));
    m.client.capture(R, FARE, 1, true, MINUTE);
    let p = m.client.known_payment(R).payment.unwrap();
    assert_ne!(p.owed & owed::LOST, 0);
    assert!(!p.reason.is_empty());
    assert_eq!(stored(&m, Shelf::Closed)["lost"]["amount"], FARE);
}

#[test]
fn rule_12_a_record_is_settled_only_with_credentials_for_it() {
    let m = Meter::new();
    approved(&m);
    let mut other = config();
    other.base_url = "http://127.0.0.1:2".into();
    let elsewhere = m.open_with(other);
    let before = m.model.world().requests.len();
    elsewhere.settle(MINUTE, &mut |s| assert_ne!(s.owed & owed::ELSEWHERE, 0));
    assert_eq!(m.model.world().requests.len(), before);
}

#[test]
fn rule_13_there_is_one_verdict_and_it_follows_the_payment() {
    let m = Meter::new();
    let verdict = || m.client.known_payment(R).payment.unwrap().verdict;
    m.client.create_push_payment(&push(R, FARE), 0);
    assert_eq!(verdict(), Verdict::Wait);
    m.client.create_push_payment(&push(R, FARE), MINUTE);
    m.model.approve(R);
    let p = m.client.poll(R, MINUTE).payment.unwrap();
    assert_eq!((p.state, verdict()), (State::Authorized, Verdict::Wait));
    m.client.capture(R, FARE, 1, true, 0);
    assert_eq!(verdict(), Verdict::SecuredLeave);
    m.client.capture(R, FARE, 1, true, MINUTE);
    assert_eq!(verdict(), Verdict::PaidLeave);
    m.client.refund(R, FARE, 1, MINUTE);
    assert_eq!(verdict(), Verdict::TakeOtherPayment);
}
