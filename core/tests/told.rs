//! Events that the meter hears of: they bring a read forward, and nothing else.

mod model;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use model::{config, push, Fault, Meter, Model};
use vpmeter_core::client::hooks::{Hooks, Tick};
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::client::{Client, Outcome, WebhookCounts};
use vpmeter_core::clock::Clock;
use vpmeter_core::error::Code;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::log::Level;
use vpmeter_core::payment::State;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::verdict::Verdict;

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;

fn created() -> Meter {
    let m = Meter::new();
    let o = m.client.create_push_payment(&push(R, FARE), MINUTE);
    assert_eq!(o.report.code, Code::Ok);
    m
}

fn apply(m: &Meter, name: &str, wait_ms: u32) -> Outcome {
    m.client.apply_webhook(R, name, "123456", wait_ms)
}

fn state(o: &Outcome) -> State {
    o.payment.as_ref().unwrap().state
}

#[test]
fn an_event_is_read_and_the_read_counts() {
    let m = created();
    m.model.approve(R);
    let o = apply(&m, "AUTHORIZED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Authorized));
    assert_eq!(m.model.count("get"), 1, "before the first poll was due");
    let last = m.client.known_payment(R).payment.unwrap().last_code;
    assert_eq!(
        last,
        Code::Ok.number(),
        "that of the create, which it leaves alone"
    );
}

#[test]
fn without_time_the_read_is_left_to_the_next_call() {
    let m = created();
    m.model.approve(R);
    let o = apply(&m, "epayments.payment.authorized.v1", 0);
    assert_eq!((o.report.code, state(&o)), (Code::Pending, State::Created));
    assert_eq!(m.model.count("get"), 0);
    let before = m.model.clock.monotonic_ms();
    let o = m.client.poll(R, MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Authorized));
    assert!(
        m.model.clock.monotonic_ms() - before < 1_000,
        "not by the poll plan"
    );
    assert_eq!(m.model.count("get"), 1);
}

/// Tells of an approval in the middle of a wait, as another thread would.
struct Broker {
    client: Mutex<Weak<Client>>,
    model: Mutex<Weak<Model>>,
    ticks: AtomicU32,
}

impl Hooks for Broker {
    fn on_payment(&self, _: &Snapshot) {}
    fn on_tick(&self, _: &str, _: u32) -> Tick {
        if self.ticks.fetch_add(1, Ordering::SeqCst) == 20 {
            let client = self.client.lock().unwrap().upgrade().unwrap();
            self.model.lock().unwrap().upgrade().unwrap().approve(R);
            client.apply_webhook(R, "AUTHORIZED", "", 0);
        }
        Tick::GoOn
    }
    fn on_log(&self, _: Level, _: &str) {}
}

#[test]
fn a_wait_ends_at_once_whoever_waits() {
    type Wait = fn(&Arc<Client>);
    let waits: [(&str, Wait); 3] = [
        ("poll", |c| drop(c.poll(R, 10 * MINUTE))),
        ("work", |c| drop(c.worker_run(2 * MINUTE))),
        ("settle", |c| drop(c.settle(2 * MINUTE, &mut |_| {}))),
    ];
    for (what, wait) in waits {
        let broker = Arc::new(Broker {
            client: Mutex::new(Weak::new()),
            model: Mutex::new(Weak::new()),
            ticks: AtomicU32::new(0),
        });
        let m = Meter::with(broker.clone(), Arc::new(Memory::new()));
        let mut slow = config();
        slow.poll = PollPlan {
            first_ms: 60_000,
            every_ms: 60_000,
        };
        let client = m.open_with(slow);
        *broker.client.lock().unwrap() = Arc::downgrade(&client);
        *broker.model.lock().unwrap() = Arc::downgrade(&m.model);
        client.create_push_payment(&push(R, FARE), MINUTE);
        let before = m.model.clock.monotonic_ms();
        wait(&client);
        let p = client.known_payment(R).payment.unwrap();
        assert_eq!(p.state, State::Authorized, "{what}");
        assert_eq!(m.model.count("get"), 1, "{what}: and no read before");
        if what == "poll" {
            let took = m.model.clock.monotonic_ms() - before;
            assert!(took < 12_000, "{what}: {took}");
        }
    }
}

#[test]
fn what_is_known_already_is_not_read_again() {
    let m = created();
    apply(&m, "CREATED", MINUTE);
    assert_eq!(m.model.count("get"), 0);
    m.model.approve(R);
    for _ in 0..50 {
        assert_eq!(apply(&m, "AUTHORIZED", MINUTE).report.code, Code::Ok);
    }
    assert_eq!(m.model.count("get"), 1);
    m.client.capture(R, FARE, 1, true, MINUTE);
    let reads = m.model.count("get");
    for name in ["AUTHORIZED", "CREATED", "TERMINATED"] {
        let o = apply(&m, name, MINUTE);
        assert_eq!(o.report.code, Code::Ok, "{name}");
        assert_eq!(
            o.payment.unwrap().verdict,
            Verdict::PaidLeave,
            "late, and out of order"
        );
    }
    assert_eq!(m.model.count("get"), reads, "known already");
    for name in ["CAPTURED", "", "NEW"] {
        let o = apply(&m, name, MINUTE);
        assert_eq!(o.payment.unwrap().verdict, Verdict::PaidLeave, "{name}");
    }
    assert_eq!(m.model.count("get"), reads + 3, "closed is not blind");
    assert_eq!(
        m.client.webhook_counts(),
        WebhookCounts {
            applied: 4,
            known: 53,
            unknown: 0,
            reads: 4
        }
    );
}

#[test]
fn a_flood_of_forged_events_is_no_flood_of_reads() {
    let m = created();
    let before = m.model.clock.monotonic_ms();
    let names = ["AUTHORIZED", "CAPTURED", "ABORTED", "", "SOMETHING"];
    for n in 0..2_000 {
        let o = apply(&m, names[n % names.len()], 0);
        assert_eq!(state(&o), State::Created);
        // A main loop that has a little time for the network each round.
        m.client.settle(50, &mut |_| {});
    }
    let seconds = (m.model.clock.monotonic_ms() - before) / 1000;
    assert!(seconds >= 100, "{seconds}");
    // Every 2 s by the poll plan, and a few for the events.
    let reads = m.model.count("get") as i64;
    assert!(reads <= seconds / 2 + 12, "{reads} reads in {seconds} s");
    // A true one still counts.
    m.model.approve(R);
    assert_eq!(m.client.poll(R, MINUTE).report.code, Code::Ok);
}

#[test]
fn a_read_that_lags_behind_the_event_is_repeated_a_little() {
    let m = created();
    let before = m.model.clock.monotonic_ms();
    m.model.world().approve_after = Some(3_500);
    m.model.clock.advance(2_000);
    let o = apply(&m, "AUTHORIZED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Authorized));
    assert_eq!(m.model.count("get"), 3, "at 2, 3 and 5 seconds");
    assert!(m.model.clock.monotonic_ms() - before < 6_000);
    // One that never comes true.
    let m = created();
    let o = apply(&m, "AUTHORIZED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Created));
    assert_eq!(m.model.count("get"), 3);
}

#[test]
fn an_event_never_makes_a_state() {
    let m = created();
    for name in ["AUTHORIZED", "CAPTURED", "CANCELLED", "REFUNDED", "ABORTED"] {
        let o = apply(&m, name, 5_000);
        let p = o.payment.unwrap();
        assert_eq!(
            (p.state, p.verdict, p.captured, p.authorized),
            (State::Created, Verdict::Wait, 0, 0),
            "{name}"
        );
    }
}

#[test]
fn what_is_not_for_this_meter_is_left_alone_and_counted() {
    let m = created();
    let c = &m.client;
    for (reference, name, msn, code) in [
        ("trip-9999", "AUTHORIZED", "123456", Code::NoSuchPayment),
        (R, "AUTHORIZED", "654321", Code::NoSuchPayment),
        ("../x", "AUTHORIZED", "", Code::InvalidArgument),
        ("", "AUTHORIZED", "", Code::InvalidArgument),
        (R, "AUTH ORIZED", "", Code::InvalidArgument),
        (R, &"A".repeat(500), "", Code::InvalidArgument),
        (R, "\u{e5}", "", Code::InvalidArgument),
    ] {
        let o = c.apply_webhook(reference, name, msn, MINUTE);
        assert_eq!(o.report.code, code, "{reference} {name} {msn}");
        assert!(o.payment.is_none());
    }
    assert_eq!(
        c.webhook_counts(),
        WebhookCounts {
            unknown: 7,
            ..WebhookCounts::default()
        }
    );
    assert_eq!(m.model.count("get"), 0);
}

#[test]
fn an_event_settles_a_create_whose_answer_was_lost() {
    let m = Meter::new();
    m.model.fault("create", Fault::LostAfter);
    let o = m.client.create_push_payment(&push(R, FARE), 60);
    assert_eq!(o.report.code, Code::OutcomeUnknown);
    let o = apply(&m, "CREATED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Created));
    assert_eq!(m.model.count("create"), 1, "read, not sent again");
    // One that never left: nobody can know of it.
    let m = Meter::new();
    m.client.create_push_payment(&push(R, FARE), 0);
    let o = apply(&m, "AUTHORIZED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Recorded));
    assert!(m.model.world().requests.is_empty());
}

#[test]
fn a_lost_answer_to_a_capture_is_proven_by_the_read_that_its_event_brings() {
    let m = created();
    m.model.approve(R);
    m.client.poll(R, MINUTE);
    m.model.fault("capture", Fault::LostAfter);
    m.client.capture(R, FARE, 1, true, 10);
    let o = apply(&m, "CAPTURED", MINUTE);
    assert_eq!(o.report.code, Code::Ok);
    assert_eq!(o.payment.unwrap().verdict, Verdict::PaidLeave);
    assert_eq!(m.model.count("capture"), 1, "read, not sent again");
    assert_eq!(m.model.payment(R).captures.len(), 1);
}

#[test]
fn a_read_that_fails_is_done_again() {
    let m = created();
    m.model.approve(R);
    m.model.fault("get", Fault::LostBefore);
    m.model.fault("get", Fault::Status(429, String::new()));
    m.model.fault("get", Fault::ActThen(200, "garbage".into()));
    let o = apply(&m, "AUTHORIZED", MINUTE);
    assert_eq!((o.report.code, state(&o)), (Code::Ok, State::Authorized));
    assert_eq!(m.model.count("get"), 4);
}
