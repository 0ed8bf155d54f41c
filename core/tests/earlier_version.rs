//! A journal of version 0.1.0, made by that library before the simulator (tests/fixtures/journal-0.1.0), is opened and
//! finished: every stage that a power cut can leave, before servers that have done of it what they can have done.

mod model;
#[path = "support/journal.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{config, push, Meter, ServerPayment, World};
use serde_json::{json, Value};
use support::Temp;
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::client::Client;
use vpmeter_core::clock::Clock;
use vpmeter_core::error::Code;
use vpmeter_core::journal::{Found, Shelf, Store};
use vpmeter_core::payment::{OnApproval, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const FARE: i64 = 24_900;
const PART: i64 = 8_000;
const MINUTE: i64 = 60_000;
const YEAR: i64 = 365 * 24 * 60 * MINUTE;

/// What servers or passenger do that the record does not tell.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Create,
    Approve,
    Decline,
    /// Number and attempt of the capture.
    Capture(usize, u32),
    Refund(usize, u32),
    Withdraw,
    Release,
    Receipt,
}
use Deed::*;

/// What may have become of a ride: deeds, and the minute after the restart; 0 is before it.
type Reading = &'static [(i64, Deed)];

/// The rides of which the record alone does not tell how they stand at the servers. All the others are as recorded.
fn readings(reference: &str) -> &'static [Reading] {
    match reference {
        "create-lost-acted" | "create-lost-not-acted" => &[
            &[],
            &[(0, Create)],
            &[(0, Create), (0, Approve)],
            &[(0, Create), (3, Approve)],
            &[(5, Create), (6, Approve)],
        ],
        "waiting-0001" | "waiting-to-capture" | "exported-waiting" => {
            &[&[], &[(0, Approve)], &[(3, Approve)], &[(0, Decline)]]
        }
        "capture-lost-acted" | "capture-lost-not-acted" | "exported-capture" => {
            &[&[], &[(0, Capture(1, 1))], &[(5, Capture(1, 1))]]
        }
        "capture-second-key" | "part-second-key" => &[
            &[],
            &[(0, Capture(1, 1))],
            &[(0, Capture(1, 2))],
            &[(5, Capture(1, 1))],
            &[(5, Capture(1, 2))],
        ],
        "parts-capture-open" => &[&[], &[(0, Capture(2, 1))], &[(5, Capture(2, 1))]],
        "parts-release-owed" | "given-up-release-owed" => &[&[], &[(0, Release)]],
        "refund-lost-acted" | "refund-lost-not-acted" => {
            &[&[], &[(0, Refund(1, 1))], &[(5, Refund(1, 1))]]
        }
        "refund-second-key" => &[
            &[],
            &[(0, Refund(1, 1))],
            &[(0, Refund(1, 2))],
            &[(5, Refund(1, 1))],
            &[(5, Refund(1, 2))],
        ],
        "withdraw-owed" => &[&[], &[(0, Withdraw)], &[(0, Approve)], &[(3, Approve)]],
        "receipt-owed" => &[&[], &[(0, Receipt)]],
        _ => &[&[]],
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/journal-0.1.0")
}

fn number(record: &Value, path: &str) -> i64 {
    record.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn text<'a>(record: &'a Value, path: &str) -> &'a str {
    record.pointer(path).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    record[name].as_array().unwrap()
}

fn sum(record: &Value, name: &str) -> i64 {
    list(record, name)
        .iter()
        .map(|m| number(m, "/amount"))
        .sum()
}

/// A meter of this version on a copy of the old journal, and what its records said before it was opened.
struct Bench {
    temp: Temp,
    m: Meter,
    client: Option<Arc<Client>>,
    records: BTreeMap<String, Value>,
    /// From wall time to monotonic time, milliseconds.
    shift: i64,
}

impl Bench {
    /// `later`: how long after the last ride the meter is switched on, milliseconds.
    fn new(later: i64) -> Bench {
        let temp = Temp::new();
        for shelf in ["open", "closed"] {
            fs::create_dir_all(temp.file(shelf)).unwrap();
            for file in fs::read_dir(fixture().join("journal").join(shelf)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), temp.file(shelf).join(file.file_name())).unwrap();
            }
        }
        let store: Arc<dyn Store> = Arc::new(temp.open());
        let mut records = BTreeMap::new();
        for shelf in [Shelf::Open, Shelf::Closed] {
            let read = store.each(shelf, &mut |name, found| {
                let Found::Record(bytes) = found else {
                    panic!("{name} is not a whole record")
                };
                records.insert(name.to_string(), serde_json::from_slice(&bytes).unwrap());
                true
            });
            read.unwrap();
        }
        for file in fs::read_dir(fixture().join("exported")).unwrap() {
            let text = fs::read(file.unwrap().path()).unwrap();
            let record: Value = serde_json::from_slice(&text).unwrap();
            records.insert(record["reference"].as_str().unwrap().into(), record);
        }
        let mut m = Meter::new();
        m.store = store;
        let last = records.values().map(|r| number(r, "/created_at")).max();
        let on = last.unwrap() + later;
        let clock = &m.model.clock;
        clock.jump_wall(on - clock.wall_ms());
        let shift = clock.monotonic_ms() - on;
        Bench {
            temp,
            m,
            client: None,
            records,
            shift,
        }
    }

    /// Power on. The environment is the one of the records: the simulator had a port of its own.
    fn switch_on(&mut self) {
        let mut config = config();
        config.base_url = format!(
            "http://{}",
            text(&self.records["waiting-0001"], "/environment")
        );
        self.client = Some(self.m.open_with(config));
    }

    fn client(&self) -> Arc<Client> {
        self.client.clone().unwrap()
    }

    fn payment(&self, reference: &str) -> ServerPayment {
        let world = self.m.model.world();
        world.payments.get(reference).cloned().unwrap_or_default()
    }

    fn known(&self, reference: &str) -> Snapshot {
        self.client().known_payment(reference).payment.unwrap()
    }

    /// What the record says has happened.
    fn as_recorded(&self, record: &Value) {
        let at = number(record, "/created_at") + self.shift;
        let mut w = self.m.model.world();
        let done = |v: &Value| v["progress"] == "Done";
        if !done(&record["create"]) {
            return;
        }
        deed(&mut w, record, Create, at);
        match text(record, "/state") {
            "Authorized" => deed(&mut w, record, Approve, at),
            "Aborted" => deed(&mut w, record, Decline, at),
            _ => {}
        }
        for (name, which) in [
            ("captures", Capture as fn(usize, u32) -> Deed),
            ("refunds", Refund),
        ] {
            for (i, m) in list(record, name)
                .iter()
                .enumerate()
                .filter(|(_, m)| done(m))
            {
                let attempt = number(m, "/attempt") as u32;
                deed(&mut w, record, which(i + 1, attempt), at);
            }
        }
        if number(record, "/aggregate/cancelled") > 0 {
            deed(&mut w, record, Release, at);
        }
    }

    /// Half an hour and more, with everything that happens in it, and then the books. `late`: what is carried out late is; a
    /// year later it is not. `restart`: the meter is switched off and on in the middle.
    fn run(&mut self, reading: usize, late: bool, restart: bool) {
        let records = self.records.clone();
        let of = |reference: &str| {
            let all = readings(reference);
            all[reading % all.len()]
        };
        for (reference, record) in &records {
            self.as_recorded(record);
            let at = number(record, "/created_at") + self.shift + 100;
            for (_, d) in of(reference).iter().filter(|(minute, _)| *minute == 0) {
                deed(&mut self.m.model.world(), record, *d, at);
            }
        }
        self.switch_on();
        for name in ["exported-waiting", "exported-capture"] {
            let text = fs::read_to_string(fixture().join(format!("exported/{name}.json")));
            self.client().import(&text.unwrap()).unwrap();
        }
        for minute in 1..45 {
            self.client().settle(MINUTE as u32, &mut |_| {});
            self.m.model.clock.advance(MINUTE);
            for (reference, record) in records.iter().filter(|_| late) {
                let now = self.m.model.clock.monotonic_ms();
                for (_, d) in of(reference).iter().filter(|(at, _)| *at == minute) {
                    deed(&mut self.m.model.world(), record, *d, now);
                }
            }
            if restart && minute == 7 {
                self.client = None;
                self.switch_on();
            }
        }
        for (reference, record) in &records {
            self.check(
                record,
                late,
                &format!("{:?}, restart {restart}", of(reference)),
            );
        }
        self.check_keys(&records);
        // Every create is confirmed or dead.
        assert_eq!(self.files_with("91234567"), Vec::<String>::new());
    }

    fn check(&self, record: &Value, late: bool, what: &str) {
        let s = self.known(text(record, "/reference"));
        let p = self.payment(text(record, "/reference"));
        let what = format!("{what}: {s:?} {p:?}");
        let human = matches!(
            s.next_step,
            NextStep::Capture | NextStep::Decide | NextStep::Office
        );
        assert!(s.closed || human, "nobody ends it: {what}");
        assert!(
            !matches!(s.state, State::Recorded | State::Unknown | State::Created),
            "{what}"
        );
        let mut asked = sum(record, "captures");
        if record["on_approval"] == "Capture" && asked == 0 {
            asked = number(record, "/amount");
        }
        assert!(p.captured <= asked, "charged twice: {what}");
        assert!(
            p.refunded <= sum(record, "refunds"),
            "refunded twice: {what}"
        );
        if !human && p.state == "AUTHORIZED" && s.owed & owed::LOST == 0 {
            if record["given_up"] != true {
                assert_eq!(p.captured, asked, "{what}");
            }
            assert_eq!(p.refunded, sum(record, "refunds"), "{what}");
            assert_eq!(p.authorized, p.captured + p.cancelled, "{what}");
        }
        // Nobody is called for what sums and log can tell.
        let reference = s.reference.as_str();
        let in_time = late && record["on_approval"] == "Capture" && reference != "decision-owed";
        let undecided =
            asked == 0 || p.captured == 0 && record["captures"] == json!([]) && !in_time;
        let called = match reference {
            // It is no last capture: the driver goes on, or releases.
            "lost-in-the-portal" | "part-second-key" => true,
            "refund-second-key" => p.refunded == 0,
            _ => p.state == "AUTHORIZED" && record["given_up"] != true && undecided,
        };
        assert_eq!(human, called, "{what}");
        assert_eq!(
            p.receipts_posted,
            u32::from(reference == "receipt-owed"),
            "{what}"
        );
        match s.verdict {
            Verdict::PaidLeave => assert!(p.captured > p.refunded, "{what}"),
            Verdict::TakeOtherPayment => {
                let nothing_left = p.authorized == p.captured + p.cancelled;
                let free = nothing_left || p.state != "AUTHORIZED";
                assert!(free && p.captured == p.refunded, "{what}");
            }
            // A hold waits for the driver.
            Verdict::Wait => assert_eq!(s.next_step, NextStep::Capture, "{what}"),
            Verdict::TakeOtherReleaseOwed | Verdict::SecuredLeave => panic!("{what}"),
            Verdict::AskOffice => {}
        }
    }

    /// No create is sent again, and every key is one of the record, or the next attempt of a capture.
    fn check_keys(&self, records: &BTreeMap<String, Value>) {
        let world = self.m.model.world();
        let all: String = records.values().map(Value::to_string).collect();
        for (operation, key) in &world.keys_sent {
            let attempt = |n: u32| format!("{}.{n}", key.rsplit_once('.').unwrap().0);
            let known = all.contains(key.as_str());
            let next = || operation == "capture" && (1..=2).any(|n| all.contains(&attempt(n)));
            let of_approval =
                || key.ends_with("-c1.1") && all.contains(key.split_once("-c").unwrap().0);
            assert_ne!(operation, "create", "{key}");
            assert!(known || next() || of_approval(), "{operation} {key}");
        }
    }

    fn files_with(&self, needle: &str) -> Vec<String> {
        let mut found = Vec::new();
        for shelf in ["open", "closed", "damaged"] {
            for file in fs::read_dir(self.temp.file(shelf)).into_iter().flatten() {
                let path = file.unwrap().path();
                if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(needle) {
                    found.push(path.display().to_string());
                }
            }
        }
        found
    }
}

fn deed(w: &mut World, record: &Value, deed: Deed, at: i64) {
    let r = text(record, "/reference");
    let amount =
        |m: &Value| json!({"modificationAmount": {"currency": "NOK", "value": m["amount"]}});
    let movement = |name: &str, nth: usize, attempt: u32| {
        let m = &list(record, name)[nth - 1];
        let stem = text(m, "/key").rsplit_once('.').unwrap().0;
        (format!("{stem}.{attempt}"), amount(m))
    };
    let (op, key, body) = match deed {
        Approve => return w.approve(r),
        Decline => {
            w.payments.get_mut(r).unwrap().state = "ABORTED".into();
            return;
        }
        Create => {
            let body = json!({"reference": r, "amount": {"value": record["amount"], "currency": "NOK"},
                              "metadata": {"vpmeter-ride": record["ride_id"]}});
            let body = serde_json::from_str(text(record, "/create/body")).unwrap_or(body);
            ("create", text(record, "/create/key").to_string(), body)
        }
        Capture(nth, attempt) => {
            let (key, body) = movement("captures", nth, attempt);
            ("capture", key, body)
        }
        Refund(nth, attempt) => {
            let (key, body) = movement("refunds", nth, attempt);
            ("refund", key, body)
        }
        Withdraw => {
            let key = text(record, "/withdraw/key").to_string();
            ("cancel", key, json!({"cancelTransactionOnly": true}))
        }
        Release => {
            let key = text(record, "/release/key").to_string();
            ("cancel", key, json!({}))
        }
        Receipt => {
            let body = serde_json::from_str(text(record, "/receipt/body")).unwrap();
            ("receipt", String::new(), body)
        }
    };
    w.act(op, r, &key, &body, at);
}

#[test]
fn every_ride_of_an_old_journal_is_finished_soon_after() {
    for reading in 0..5 {
        Bench::new(MINUTE).run(reading, true, false);
        Bench::new(MINUTE).run(reading, true, true);
    }
}

#[test]
fn every_ride_of_an_old_journal_is_finished_a_year_later() {
    for reading in 0..5 {
        Bench::new(YEAR).run(reading, false, false);
        Bench::new(YEAR).run(reading, false, true);
    }
}

/// The test of the phone number can fail: the fixture holds it where a create was not confirmed.
#[test]
fn the_number_stands_in_the_old_journal_where_a_create_is_in_doubt() {
    let found = Bench::new(MINUTE).files_with("91234567");
    let of = |name: &str| found.iter().any(|path| path.contains(name));
    assert!(of("create-lost-acted") && of("create-lost-not-acted") && of("create-not-sent"));
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn the_tombstones_of_an_old_journal_are_known() {
    let mut b = Bench::new(MINUTE);
    for record in b.records.values() {
        b.as_recorded(record);
    }
    b.switch_on();
    let c = b.client();
    let again = |reference: &str, amount: i64, phone: &str| {
        let mut p = push(reference, amount);
        p.on_approval = OnApproval::Hold;
        p.phone = phone.into();
        c.create_push_payment(&p, 2_000).report.code
    };
    let (same, other) = ("912 34 567", "912 34 568");
    for reference in [
        "closed-paid",
        "closed-refunded",
        "closed-declined",
        "closed-never-created",
        "lost-in-the-portal",
    ] {
        assert_eq!(again(reference, FARE + 100, same), Code::ReferenceInUse);
        // A tombstone of that version tells nothing of the payer; within a day it is taken for the same press.
        assert_ne!(again(reference, FARE, same), Code::ReferenceInUse);
    }
    assert_eq!(again("waiting-0001", FARE, other), Code::ReferenceInUse);
    assert_ne!(again("waiting-0001", FARE, same), Code::ReferenceInUse);
    let o = c.refund("closed-paid", PART, 1, 30_000);
    assert_eq!(o.report.code, Code::Ok, "{:?}", o.report);
    assert_eq!(b.payment("closed-paid").refunded, PART);
    // All of it is refunded already.
    let o = c.refund("closed-refunded", FARE, 2, 30_000);
    assert_ne!(o.report.code, Code::Ok);
    assert_eq!(b.payment("closed-refunded").refunded, FARE);
    assert_eq!(
        c.refund("closed-declined", PART, 1, 2_000).report.code,
        Code::WrongState
    );
    b.m.model.clock.advance(2 * 24 * 60 * MINUTE);
    assert_eq!(again("closed-paid", FARE, same), Code::ReferenceInUse);
    assert_eq!(b.m.model.count("create"), 0);
}

#[test]
fn a_text_that_an_old_library_exported_is_taken_over_once() {
    let mut b = Bench::new(MINUTE);
    for record in b.records.values() {
        b.as_recorded(record);
    }
    b.switch_on();
    let exported = fs::read_to_string(fixture().join("exported/exported-capture.json")).unwrap();
    b.client().import(&exported).unwrap();
    let s = b.known("exported-capture");
    assert_eq!((s.state, s.owed), (State::Authorized, owed::CAPTURE));
    let again = b.client().import(&exported).unwrap_err();
    assert_eq!(again.code, Code::ReferenceInUse);
    b.client().settle(MINUTE as u32, &mut |_| {});
    let key = text(&b.records["exported-capture"], "/captures/0/key").to_string();
    assert_eq!(b.payment("exported-capture").captures, [(key, FARE)]);
}

/// Version 0.1.0 took a second key at once after a refusal; the first may still act, and a part fits twice.
#[test]
fn a_second_key_taken_in_haste_is_left_alone_for_the_quiet_time() {
    let mut b = Bench::new(MINUTE);
    for record in b.records.values() {
        b.as_recorded(record);
    }
    b.switch_on();
    let stem = text(&b.records["part-second-key"], "/captures/0/key").replace("c1.2", "c1.");
    let sent = |b: &Bench| {
        let world = b.m.model.world();
        let keys = world.keys_sent.iter().map(|(_, key)| key.clone());
        keys.filter(|key| key.starts_with(&stem))
            .collect::<Vec<_>>()
    };
    let c = b.client();
    let o = c.capture("part-second-key", PART, 1, false, 9 * MINUTE as u32);
    assert_eq!(o.report.code, Code::OutcomeUnknown, "{:?}", o.report);
    assert_eq!(sent(&b), Vec::<String>::new());
    let o = c.capture("part-second-key", PART, 1, false, 2 * MINUTE as u32);
    assert_eq!(o.report.code, Code::Ok, "{:?}", o.report);
    assert_eq!(sent(&b), [format!("{stem}3")]);
    assert_eq!(b.payment("part-second-key").captured, PART);
    // Of the whole only one can succeed: it need not wait.
    let o = c.capture("capture-second-key", FARE, 1, false, 2_000);
    assert_eq!(o.report.code, Code::Ok, "{:?}", o.report);
    assert_eq!(b.payment("capture-second-key").captured, FARE);
}
