//! Rides whose record cannot be read, or is an older version than the one that was acknowledged.

#[path = "support/fake_disk.rs"]
mod fake_disk;
mod model;

use std::path::Path;
use std::sync::{Arc, Mutex};

use fake_disk::FakeDisk;
use model::{push, Fault, Meter};
use vpmeter_core::client::hooks::Hooks;
use vpmeter_core::client::Filter;
use vpmeter_core::error::Code;
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::DiskError;
use vpmeter_core::journal::{slot, Store};
use vpmeter_core::log::Level;
use vpmeter_core::payment::{CancelHow, Decision, OnApproval, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Hooks for Log {
    fn on_log(&self, level: Level, line: &str) {
        if level == Level::Error {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }
}

struct Ride {
    disk: FakeDisk,
    m: Meter,
    log: Arc<Log>,
}

fn store(disk: &FakeDisk) -> Arc<dyn Store> {
    Arc::new(Directory::open(Path::new("/journal"), Arc::new(disk.clone())).unwrap())
}

impl Ride {
    fn new() -> Ride {
        let disk = FakeDisk::new();
        let log = Arc::new(Log::default());
        let m = Meter::with(log.clone(), store(&disk));
        Ride { disk, m, log }
    }

    /// The process is killed; `spoil` does something to the disk before the next start.
    fn restart(&mut self, spoil: impl FnOnce(&FakeDisk)) {
        self.disk = self.disk.after_kill();
        spoil(&self.disk);
        self.m.store = store(&self.disk);
        self.m.reboot();
    }

    fn settle(&self) -> Code {
        self.m.client.settle(MINUTE, &mut |_| {}).code
    }

    fn sent(&self) -> [usize; 4] {
        ["create", "capture", "cancel", "refund"].map(|op| self.m.model.count(op))
    }
}

/// The files of a payment, the oldest version first.
fn slots(disk: &FakeDisk) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = ["a", "b"]
        .iter()
        .map(|side| format!("/journal/open/{R}.{side}"))
        .filter_map(|path| Some((path.clone(), slot::decode(&disk.peek(&path)?).ok()?.seq)))
        .collect();
    all.sort_by_key(|(_, seq)| *seq);
    all
}

fn flip_newest(disk: &FakeDisk) {
    let (path, _) = slots(disk).pop().unwrap();
    let mut bytes = disk.peek(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.plant(&path, &bytes);
}

/// Given up for cash; the passenger approves after all; the give-up is lost.
fn lost_give_up() -> Ride {
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    let o = ride.m.client.cancel(R, CancelHow::GiveUp, 0);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherReleaseOwed);
    ride.m.model.approve(R);
    ride.restart(flip_newest);
    ride
}

/// Wrong if an approval were captured, or released, because the record that is left says so.
#[test]
fn a_lost_give_up_is_not_captured_and_the_office_decides() {
    let mut ride = lost_give_up();
    let line = ride.log.0.lock().unwrap().join("\n");
    assert!(
        line.contains(R) && line.contains("older version") && line.contains("wrong checksum"),
        "{line}"
    );
    assert_eq!(ride.settle(), Code::Pending);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert_eq!(
        (p.verdict, p.next_step),
        (Verdict::AskOffice, NextStep::Decide)
    );
    assert!(
        p.owed & owed::DECISION != 0 && p.reason.contains("lost"),
        "{}",
        p.reason
    );
    assert_eq!(ride.sent(), [1, 0, 0, 0]);
    // A host that goes on as if nothing had happened gets nothing sent, now or after further starts.
    for _ in 0..3 {
        for code in [
            ride.m.client.capture(R, FARE, 1, true, MINUTE).report.code,
            ride.m
                .client
                .cancel(R, CancelHow::GiveUp, MINUTE)
                .report
                .code,
        ] {
            assert_eq!(code, Code::WrongState);
        }
        ride.m.client.poll(R, MINUTE);
        ride.m.client.worker_run(1000);
        ride.settle();
        // The doubt is in the record by now: what the journal holds is in order.
        ride.restart(|_| {});
    }
    assert_eq!(ride.sent(), [1, 0, 0, 0]);
    let o = ride.m.client.decide(R, Decision::GiveUp, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
    let s = ride.m.model.payment(R);
    assert_eq!((s.captured, s.cancelled), (0, FARE));
    ride.restart(|_| {});
    assert_eq!(ride.settle(), Code::Ok);
}

#[test]
fn the_office_captures_what_is_in_doubt() {
    let ride = lost_give_up();
    ride.settle();
    let o = ride.m.client.decide(R, Decision::Capture, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    assert_eq!(ride.m.model.payment(R).captured, FARE);
}

/// Before the servers could be read, nothing is said for sure and nothing is recorded.
#[test]
fn in_doubt_and_without_network() {
    let ride = lost_give_up();
    for o in [
        ride.m.client.capture(R, FARE, 1, true, 0),
        ride.m.client.cancel(R, CancelHow::GiveUp, 0),
        ride.m.client.refund(R, FARE, 1, 0),
    ] {
        assert_ne!(o.report.code, Code::Ok);
        assert_ne!(o.report.code, Code::Pending);
        assert_eq!(o.payment.unwrap().verdict, Verdict::Wait);
    }
    assert_eq!(ride.sent(), [1, 0, 0, 0]);
}

/// Nobody has approved: the customer's time ends it, and nobody is called.
#[test]
fn a_doubt_resolves_itself_if_nothing_moves() {
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    ride.m.client.cancel(R, CancelHow::GiveUp, 0);
    ride.restart(flip_newest);
    assert_eq!(ride.settle(), Code::Pending);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert_eq!((p.state, p.owed & owed::DECISION), (State::Created, 0));
    ride.m.model.clock.advance(11 * 60_000);
    assert_eq!(ride.settle(), Code::Ok);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert!(p.closed);
    assert_eq!(
        (p.state, p.verdict),
        (State::Expired, Verdict::TakeOtherPayment)
    );
    assert_eq!(ride.sent(), [1, 0, 0, 0]);

    // Withdrawn by the driver meanwhile: that ends it if nobody has approved, and does nothing otherwise.
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    ride.m.client.cancel(R, CancelHow::GiveUp, 0);
    ride.restart(flip_newest);
    let o = ride.m.client.cancel(R, CancelHow::IfNotApproved, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    assert_eq!(o.payment.unwrap().verdict, Verdict::TakeOtherPayment);
    assert_eq!(ride.settle(), Code::Ok);
}

/// The lost version asked for the capture, and it was carried out: the sums say all there is to know.
#[test]
fn a_doubt_is_settled_by_sums_that_leave_nothing() {
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    ride.m.model.approve(R);
    ride.m.client.poll(R, MINUTE);
    ride.m.client.capture(R, FARE, 1, true, 0);
    let before = slots(&ride.disk);
    ride.restart(flip_newest);
    assert_eq!(before.len(), 2);
    {
        let mut world = ride.m.model.world();
        let p = world.payments.get_mut(R).unwrap();
        p.captured = FARE;
    }
    assert_eq!(ride.settle(), Code::Ok);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert_eq!(
        (p.verdict, p.captured, p.closed),
        (Verdict::PaidLeave, FARE, true)
    );
    assert_eq!(ride.sent(), [1, 0, 0, 0]);
}

/// Only the newest slot is left, and it says that there was a newer one.
fn lose_what_came_after(disk: &FakeDisk) {
    let all = slots(disk);
    let (path, seq) = all.last().unwrap();
    let older = disk.peek(path).unwrap();
    disk.plant(path, &[&older[..], &slot::superseded(seq + 1)].concat());
    if let [(other, _), _] = &all[..] {
        disk.plant(other, b"");
    }
}

/// Wrong if a capture or a release that an older version asks for were sent on its strength.
#[test]
fn what_an_older_version_asks_for_is_not_sent() {
    for give_up in [false, true] {
        let mut ride = Ride::new();
        ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
        ride.m.model.approve(R);
        ride.m.client.poll(R, MINUTE);
        match give_up {
            true => ride.m.client.cancel(R, CancelHow::GiveUp, 0),
            false => ride.m.client.capture(R, FARE, 1, true, 0),
        };
        ride.restart(lose_what_came_after);
        for _ in 0..2 {
            assert_eq!(ride.settle(), Code::Pending);
            ride.m.client.worker_run(1000);
            ride.m.client.capture(R, FARE, 1, true, MINUTE);
            ride.m.client.cancel(R, CancelHow::GiveUp, MINUTE);
        }
        assert_eq!(ride.sent(), [1, 0, 0, 0]);
        let p = ride.m.client.known_payment(R).payment.unwrap();
        assert_eq!(p.verdict, Verdict::AskOffice);
        let decision = match give_up {
            true => Decision::GiveUp,
            false => Decision::Capture,
        };
        ride.m.client.decide(R, decision, MINUTE);
        let s = ride.m.model.payment(R);
        let right = if give_up { (0, FARE) } else { (FARE, 0) };
        assert_eq!((s.captured, s.cancelled), right);
    }
}

/// Everything was captured, and then something more was asked for: a refund that nobody knows of any more.
#[test]
fn a_lost_refund_is_for_the_office() {
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    ride.m.model.approve(R);
    ride.m.client.poll(R, MINUTE);
    assert_eq!(
        ride.m.client.capture(R, FARE, 1, true, MINUTE).report.code,
        Code::Ok
    );
    // Opened again for a refund, and once more.
    ride.m.client.refund(R, 1_000, 1, 0);
    ride.restart(|disk| {
        let (path, seq) = slots(disk).pop().unwrap();
        let record = slot::decode(&disk.peek(&path).unwrap()).unwrap().record;
        let mut json: serde_json::Value = serde_json::from_slice(&record).unwrap();
        json["refunds"] = serde_json::json!([]);
        let older = slot::encode(seq, json.to_string().as_bytes());
        disk.plant(&path, &[&older[..], &slot::superseded(seq + 1)].concat());
    });
    // By the older version nothing is left to do: without a read it is not closed for that.
    for _ in 0..3 {
        ride.m.model.fault("get", Fault::LostBefore);
    }
    ride.m.client.settle(10, &mut |_| {});
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert!(!p.closed);
    ride.m.model.world().faults.clear();
    assert_eq!(ride.settle(), Code::Pending);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert_eq!(p.verdict, Verdict::AskOffice);
    assert_eq!(ride.sent(), [1, 1, 0, 0]);
    let o = ride.m.client.decide(R, Decision::GiveUp, MINUTE);
    assert_eq!(o.report.code, Code::Ok, "{}", o.report);
    let p = o.payment.unwrap();
    assert_eq!((p.verdict, p.closed), (Verdict::PaidLeave, true));
    assert_eq!(ride.settle(), Code::Ok);
    assert_eq!(ride.sent(), [1, 1, 0, 0]);
}

/// The create itself may be an older version's: it is not sent again.
#[test]
fn a_create_in_doubt_is_only_looked_for() {
    let mut ride = Ride::new();
    let mut request = push(R, FARE);
    request.on_approval = OnApproval::Hold;
    ride.m.client.create_push_payment(&request, 0);
    ride.restart(|disk| {
        let path = format!("/journal/open/{R}.a");
        let older = disk.peek(&path).unwrap();
        disk.plant(&path, &[&older[..], &slot::superseded(2)].concat());
    });
    for _ in 0..3 {
        ride.m.client.create_push_payment(&request, MINUTE);
        ride.m.client.poll(R, MINUTE);
        ride.settle();
    }
    ride.m.client.settle(13 * MINUTE, &mut |_| {});
    assert_eq!(ride.sent(), [0, 0, 0, 0]);
    let p = ride.m.client.known_payment(R).payment.unwrap();
    assert_eq!((p.state, p.closed), (State::NotCreated, true));
}

/// For as long as no descriptor is left: nothing is said of the payment, nothing sent or written for it; others go on.
#[test]
fn a_payment_that_cannot_be_read_now_is_a_storage_error_until_it_can() {
    let errors = [
        DiskError::Starved("no descriptor".into()),
        DiskError::Denied("no rights".into()),
        DiskError::Broken("input/output error".into()),
    ];
    for error in errors {
        for newest in [true, false] {
            let mut ride = Ride::new();
            ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
            ride.m.client.cancel(R, CancelHow::GiveUp, 0);
            ride.m.model.approve(R);
            let all = slots(&ride.disk);
            let path = all[usize::from(newest)].0.clone();
            ride.restart(|disk| disk.unreadable(&path, usize::MAX, error.clone()));
            for _ in 0..2 {
                for o in [
                    ride.m.client.known_payment(R),
                    ride.m.client.poll(R, MINUTE),
                    ride.m.client.capture(R, FARE, 1, true, MINUTE),
                    ride.m.client.cancel(R, CancelHow::GiveUp, MINUTE),
                    ride.m.client.create_push_payment(&push(R, FARE), MINUTE),
                    ride.m.client.write_off(R, "no"),
                ] {
                    assert_eq!(o.report.code, Code::Storage, "{error:?}: {}", o.report);
                    assert!(o.payment.is_none());
                }
                let mut told = Vec::new();
                let code = ride
                    .m
                    .client
                    .settle(MINUTE, &mut |s| told.push(s.clone()))
                    .code;
                assert_eq!(code, Code::Pending);
                let s = told.iter().find(|s| s.reference == R).unwrap();
                assert_eq!(
                    (s.verdict, s.last_code),
                    (Verdict::Wait, Code::Storage.number())
                );
            }
            let other = push("trip-0002", FARE);
            let o = ride.m.client.create_push_payment(&other, MINUTE);
            assert_eq!(o.report.code, Code::Ok);
            assert_eq!(ride.sent(), [2, 0, 0, 0]);
            // It passes, and the next look finds the payment as it was.
            ride.disk.unreadable(&path, 0, error.clone());
            let mut listed = Vec::new();
            let list = &mut |s: &vpmeter_core::client::snapshot::Snapshot| {
                listed.push((s.reference.clone(), s.verdict));
                true
            };
            ride.m
                .client
                .list_payments(&Filter::default(), list)
                .unwrap();
            assert!(listed.contains(&(R.to_string(), Verdict::TakeOtherReleaseOwed)));
            ride.settle();
            let s = ride.m.model.payment(R);
            assert_eq!((s.captured, s.cancelled), (0, FARE));
        }
    }
}

/// A closed payment, and a reference that was never used: both are only files that cannot be opened.
#[test]
fn without_a_descriptor_no_reference_is_new() {
    let ride = Ride::new();
    let paths = ["/journal/closed/trip-0001", "/journal/closed/trip-0002"];
    for path in paths {
        let error = DiskError::Starved("no descriptor".into());
        ride.disk.unreadable(path, usize::MAX, error);
    }
    let files = ride.disk.paths();
    for reference in [R, "trip-0002"] {
        let o = ride
            .m
            .client
            .create_push_payment(&push(reference, FARE), MINUTE);
        assert_eq!(o.report.code, Code::Storage);
        assert!(o.payment.is_none());
    }
    assert_eq!(ride.disk.paths(), files);
    assert_eq!(ride.sent(), [0, 0, 0, 0]);
}

/// What the first version of this library wrote is finished by this one.
#[test]
fn a_ride_in_the_first_format_is_finished() {
    let mut ride = Ride::new();
    ride.m.client.create_push_payment(&push(R, FARE), MINUTE);
    ride.m.model.approve(R);
    ride.m.client.poll(R, MINUTE);
    ride.m.client.capture(R, FARE, 1, true, 0);
    ride.restart(|disk| {
        for (path, _) in slots(disk) {
            let text = String::from_utf8(disk.peek(&path).unwrap()).unwrap();
            let text = text.replacen("vpmeter-journal 2", "vpmeter-journal 1", 1);
            let end = text.find("superseded").unwrap_or(text.len());
            disk.plant(&path, &text.as_bytes()[..end]);
        }
    });
    assert_eq!(ride.settle(), Code::Ok);
    assert_eq!(ride.m.model.payment(R).captured, FARE);
    assert_eq!(ride.sent(), [1, 1, 0, 0]);
}
