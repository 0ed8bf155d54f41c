//! The same request under a reference is the same payment; any other is refused, at every age of the record.

mod model;

use std::sync::Arc;

use model::{push, Meter};
use serde_json::Value;
use vpmeter_core::client::{Outcome, PushPayment, Ride};
use vpmeter_core::error::Code;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{Shelf, Store};
use vpmeter_core::money::Currency;
use vpmeter_core::payment::request::Asked;
use vpmeter_core::payment::OnApproval;
use vpmeter_core::receipt::{OrderLine, Receipt};
use vpmeter_core::reference::RideId;
use vpmeter_core::vipps::epayment::CustomerInteraction;

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;
const HOUR_MS: i64 = 3_600_000;

fn receipt(name: &str) -> Receipt {
    Receipt {
        lines: vec![OrderLine {
            id: "trip".into(),
            name: name.into(),
            total: FARE,
            total_excluding_vat: 22_232,
            vat: 2_668,
            vat_rate: 1_200,
            quantity: None,
            discount: None,
            is_return: false,
        }],
        currency: Currency::Nok,
        tip: None,
        pos_id: None,
        receipt_number: None,
    }
}

fn first() -> PushPayment {
    let mut p = push(R, FARE);
    p.trip = "4711".into();
    p.receipt = Some(receipt("Taxi"));
    p
}

/// Requests that differ from `first` in one thing each.
fn others() -> Vec<(&'static str, PushPayment)> {
    let change = |name, change: fn(&mut PushPayment)| {
        let mut p = first();
        change(&mut p);
        (name, p)
    };
    vec![
        change("amount", |p| {
            p.amount += 1;
            p.receipt = None;
        }),
        change("currency", |p| {
            p.currency = "DKK".into();
            p.receipt = None;
        }),
        change("trip", |p| p.trip = "4712".into()),
        change("no trip", |p| p.trip.clear()),
        change("part", |p| p.part_of_trip = true),
        change("first digits of the number", |p| {
            p.phone = "922 34 567".into()
        }),
        change("last digits of the number", |p| {
            p.phone = "912 34 568".into()
        }),
        change("country of the number", |p| {
            p.phone = "+45 91 23 45 67".into()
        }),
        change("description", |p| p.description = "Taxi 2".into()),
        change("no description", |p| p.description.clear()),
        change("on_approval", |p| p.on_approval = OnApproval::Hold),
        change("decide_within", |p| p.decide_within_ms = 900_001),
        change("interaction", |p| {
            p.interaction = CustomerInteraction::NotPresent
        }),
        change("no receipt", |p| p.receipt = None),
        change("text of the receipt", |p| p.receipt = Some(receipt("Bus"))),
        change("VAT of the receipt", |p| {
            let mut r = receipt("Taxi");
            r.lines[0].vat_rate = 1_500;
            p.receipt = Some(r);
        }),
        change("till of the receipt", |p| {
            let mut r = receipt("Taxi");
            r.pos_id = Some("taxi-2".into());
            p.receipt = Some(r);
        }),
    ]
}

/// The same request, said otherwise.
fn sames() -> Vec<(&'static str, PushPayment)> {
    let mut list = vec![("same", first())];
    for phone in ["91234567", "+47 912 34 567", "004791234567"] {
        let mut p = first();
        p.phone = phone.into();
        list.push((phone, p));
    }
    let mut p = first();
    p.decide_within_ms = 15 * 60_000;
    list.push(("the default said", p));
    list
}

fn refused(outcome: &Outcome, what: &str) {
    assert_eq!(
        outcome.report.code,
        Code::ReferenceInUse,
        "{what}: {}",
        outcome.report
    );
    // Nothing of somebody else's payment is shown: it may say "paid".
    assert!(outcome.payment.is_none(), "{what}");
}

/// As the payment that is there; how far that is, is not asked here.
fn taken(outcome: &Outcome, stage: &str, name: &str) {
    let refused = [Code::ReferenceInUse, Code::TripInUse].contains(&outcome.report.code);
    assert!(!refused, "{stage}, {name}: {}", outcome.report);
    assert!(outcome.payment.is_some(), "{stage}, {name}");
}

fn every_other_is_refused(m: &Meter, stage: &str) {
    let requests = m.model.world().requests.len();
    for (name, other) in others() {
        let what = format!("{stage}, other {name}");
        refused(&m.client.create_push_payment(&other, MINUTE), &what);
        if other.on_approval == OnApproval::Capture {
            let ride = Ride {
                push: other,
                receipt_ms: 0,
            };
            refused(&m.client.run_ride(&ride, MINUTE), &what);
        }
    }
    for (name, same) in sames() {
        taken(&m.client.create_push_payment(&same, 0), stage, name);
    }
    assert_eq!(m.model.world().requests.len(), requests, "{stage}");
}

fn record(store: &Arc<dyn Store>, shelf: Shelf) -> Value {
    let bytes = store.get(shelf, R).unwrap().expect("a record");
    serde_json::from_slice(&bytes).unwrap()
}

fn put(store: &Arc<dyn Store>, shelf: Shelf, record: &Value) {
    let bytes = serde_json::to_vec(record).unwrap();
    store.put(shelf, R, &bytes).unwrap();
}

/// Asked, and so far only written down.
fn recorded() -> Meter {
    let m = Meter::new();
    m.client.create_push_payment(&first(), 0);
    m
}

fn confirmed() -> Meter {
    let m = recorded();
    let o = m.client.create_push_payment(&first(), MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    m
}

fn paid() -> Meter {
    let m = confirmed();
    m.model.approve(R);
    let ride = Ride {
        push: first(),
        receipt_ms: 0,
    };
    let o = m.client.run_ride(&ride, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    m
}

#[test]
fn at_every_age_of_the_record() {
    let mut m = recorded();
    assert!(record(&m.store, Shelf::Open)["create"]["body"].is_string());
    every_other_is_refused(&m, "recorded");
    m.reboot();
    every_other_is_refused(&m, "recorded, read");
    let mut m = confirmed();
    assert!(record(&m.store, Shelf::Open)["create"]["body"].is_null());
    every_other_is_refused(&m, "confirmed");
    m.reboot();
    every_other_is_refused(&m, "confirmed, read");
    let mut m = paid();
    every_other_is_refused(&m, "paid");
    m.reboot();
    every_other_is_refused(&m, "tombstone");
    m.model.clock.advance(300 * 24 * HOUR_MS);
    every_other_is_refused(&m, "old tombstone");
}

#[test]
fn on_another_meter() {
    let old = confirmed();
    let mut text = String::new();
    let export = old.client.export(&mut |_, record| text = record.into());
    assert_eq!(export, Ok(()));
    every_other_is_refused(&old, "handed over");
    let new = Meter::sharing(&old, Arc::new(Memory::new()));
    new.client.import(&text).unwrap();
    every_other_is_refused(&new, "imported");
}

/// Marks of the number, and no digit of it: neither in the tombstone nor before.
#[test]
fn no_number_is_kept() {
    for (m, shelf) in [(confirmed(), Shelf::Open), (paid(), Shelf::Closed)] {
        let record = record(&m.store, shelf);
        let create = &record["create"];
        assert_eq!(create["payer_hint"], "", "{record}");
        assert_eq!(create["marks"]["payer"].as_str().unwrap().len(), 4);
        assert_eq!(create["marks"]["content"].as_str().unwrap().len(), 32);
        assert!(!record.to_string().contains("1234567"), "{record}");
    }
}

/// As the version before has written it: the last two digits of the number instead of marks.
fn without_marks(store: &Arc<dyn Store>, shelf: Shelf) {
    let mut r = record(store, shelf);
    let create = r["create"].as_object_mut().unwrap();
    create.remove("marks").expect("marks");
    if shelf == Shelf::Open {
        create.insert("payer_hint".into(), "76".into());
    }
    put(store, shelf, &r);
}

/// What a record of the version before can tell.
fn refused_without_marks(m: &Meter, not_told: &[&str], stage: &str) {
    for (name, other) in others() {
        let o = m.client.create_push_payment(&other, 0);
        let told = !not_told.contains(&name);
        assert_eq!(
            o.report.code == Code::ReferenceInUse,
            told,
            "{stage}, other {name}: {}",
            o.report
        );
    }
    for (name, same) in sames() {
        taken(&m.client.create_push_payment(&same, 0), stage, name);
    }
}

#[test]
fn records_of_the_version_before() {
    let mut m = recorded();
    without_marks(&m.store, Shelf::Open);
    m.reboot();
    refused_without_marks(&m, &[], "recorded");
    let mut m = confirmed();
    without_marks(&m.store, Shelf::Open);
    m.reboot();
    let not_told = [
        "first digits of the number",
        "country of the number",
        "description",
        "no description",
        "interaction",
    ];
    refused_without_marks(&m, &not_told, "confirmed");
    let mut m = paid();
    without_marks(&m.store, Shelf::Closed);
    m.reboot();
    let not_told: Vec<&str> = [
        "last digits of the number",
        "no receipt",
        "text of the receipt",
        "VAT of the receipt",
        "till of the receipt",
    ]
    .into_iter()
    .chain(not_told)
    .collect();
    refused_without_marks(&m, &not_told, "closed");
    // Nothing tells the payer of a closed one: after a day it is taken for another.
    m.model.clock.advance(23 * HOUR_MS);
    refused_without_marks(&m, &not_told, "closed, 23 h ago");
    m.model.clock.advance(HOUR_MS);
    for (name, request) in sames().into_iter().chain(others()) {
        refused(&m.client.create_push_payment(&request, MINUTE), name);
    }
    assert_eq!(m.model.count("create"), 1);
}

/// A counter of trips that starts again: the next passenger has the reference and the flat fare of the last.
#[test]
fn the_next_passenger_under_the_same_reference() {
    let mut m = paid();
    m.reboot();
    let mut next = first();
    next.phone = "400 00 067".into();
    let ride = Ride {
        push: next,
        receipt_ms: 0,
    };
    refused(&m.client.run_ride(&ride, MINUTE), "the next passenger");
    assert_eq!(m.model.payment(R).captures.len(), 1);
    let again = Ride {
        push: first(),
        receipt_ms: 0,
    };
    assert_eq!(m.client.run_ride(&again, MINUTE).report.code, Code::Ok);
}

/// The limit of the marks, and that the body has none: a number that shares the mark of the payer is another one while the
/// body is kept, and is taken for the same afterwards.
#[test]
fn a_number_with_the_same_mark() {
    let m = recorded();
    let ride: RideId =
        serde_json::from_value(record(&m.store, Shelf::Open)["ride_id"].clone()).unwrap();
    let body = receipt("Taxi").to_body();
    let mark = |phone: &str| {
        let asked = Asked {
            amount: FARE,
            currency: Currency::Nok,
            trip: "4711",
            part: false,
            phone,
            description: "Taxi",
            on_approval: OnApproval::Capture,
            decide_within_ms: 900_000,
            interaction: CustomerInteraction::Present,
            receipt: Some((&body, FARE, 0)),
        };
        asked.marks(&ride)
    };
    let first_mark = mark("4791234567");
    let kept = &record(&m.store, Shelf::Open)["create"]["marks"];
    assert_eq!(serde_json::to_value(&first_mark).unwrap(), *kept);
    let twin = (40_000_000..50_000_000)
        .map(|n| format!("47{n}"))
        .find(|phone| mark(phone) == first_mark)
        .expect("one in 65,536");
    let mut other = first();
    other.phone = format!("+{twin}");
    refused(
        &m.client.create_push_payment(&other, 0),
        "while the body is kept",
    );
    m.client.create_push_payment(&first(), MINUTE);
    taken(&m.client.create_push_payment(&other, 0), "confirmed", &twin);
}
