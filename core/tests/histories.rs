//! Random histories of one payment: presses of the driver, the passenger's doings, faults, restarts, time. After each
//! step and at the end the promises are held against what the model of the servers says.
//!
//! `VPMETER_HISTORIES=100000 cargo test --release --test histories` runs many; the default is quick.

mod model;

use model::{push, Fault, Meter, ServerPayment};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::client::Outcome;
use vpmeter_core::error::Group;
use vpmeter_core::payment::{CancelHow, OnApproval, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;

#[derive(Clone, Debug)]
enum Act {
    Create(u32),
    Poll(u32),
    Capture {
        part: i64,
        nth: u32,
        last: bool,
        wait: u32,
    },
    Cancel(u8, u32),
    Refund {
        part: i64,
        nth: u32,
        wait: u32,
    },
    Settle(u32),
    Work(u32),
    Reboot,
    Approve,
    Decline,
    PortalCancel,
    Pass(i64),
    JumpWall(i64),
    Fault(&'static str, u8),
    RevokeToken,
    /// An event, true or forged.
    Event(&'static str, u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let wait = prop_oneof![Just(0u32), Just(60), Just(2_000), Just(30_000)];
    let operation = prop_oneof![
        Just("create"),
        Just("get"),
        Just("events"),
        Just("capture"),
        Just("cancel"),
        Just("refund"),
        Just("token")
    ];
    let name = prop_oneof![
        Just("CREATED"),
        Just("AUTHORIZED"),
        Just("TERMINATED"),
        Just("CAPTURED"),
        Just("CANCELLED"),
        Just("REFUNDED"),
        Just("")
    ];
    let act = prop_oneof![
        3 => wait.clone().prop_map(Act::Create),
        4 => wait.clone().prop_map(Act::Poll),
        4 => (1i64..=3, 1u32..=3, any::<bool>(), wait.clone())
            .prop_map(|(part, nth, last, wait)| Act::Capture { part, nth, last, wait }),
        3 => (1u8..=3, wait.clone()).prop_map(|(how, wait)| Act::Cancel(how, wait)),
        2 => (1i64..=3, 1u32..=2, wait.clone()).prop_map(|(part, nth, wait)| Act::Refund { part, nth, wait }),
        2 => wait.clone().prop_map(Act::Settle),
        2 => wait.clone().prop_map(Act::Work),
        2 => (name, wait).prop_map(|(name, wait)| Act::Event(name, wait)),
        3 => Just(Act::Reboot),
        4 => Just(Act::Approve),
        1 => Just(Act::Decline),
        1 => Just(Act::PortalCancel),
        2 => prop_oneof![Just(1_000i64), Just(61_000), Just(700_000), Just(1_000_000), Just(5_000_000)].prop_map(Act::Pass),
        1 => prop_oneof![Just(-100_000_000i64), Just(100_000_000)].prop_map(Act::JumpWall),
        8 => (operation, 0u8..10).prop_map(|(o, f)| Act::Fault(o, f)),
        1 => Just(Act::RevokeToken),
    ];
    let start = prop_oneof![3 => Just(Act::Create(30_000)), 1 => Just(Act::Create(60))];
    (start, prop::collection::vec(act, 1..14)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

fn fault(n: u8) -> Fault {
    match n {
        0 => Fault::NotSent,
        1 => Fault::LostBefore,
        2 => Fault::LostAfter,
        3 => Fault::Status(500, String::new()),
        4 => Fault::ActThen(500, "boom".into()),
        5 => Fault::ActThen(200, "garbage".into()),
        6 => Fault::Status(423, String::new()),
        7 => Fault::Status(429, String::new()),
        8 => Fault::Lag(4_000),
        _ => Fault::ApproveFirst,
    }
}

/// What was promised so far, and so binds the rest of the history.
#[derive(Default)]
struct Promised {
    /// Amounts of the captures that the client accepted.
    captures: Vec<(u32, i64)>,
    refunds: Vec<(u32, i64)>,
    given_up: bool,
    cash_allowed: bool,
    portal: bool,
}

struct History {
    m: Meter,
    promised: Promised,
    hold: bool,
}

impl History {
    fn server(&self) -> Option<ServerPayment> {
        self.m.model.world().payments.get(R).cloned()
    }

    fn act(&mut self, act: &Act) {
        let c = self.m.client.clone();
        // Refused as a mistake, or sent back because the payment could not be read yet: no intent was recorded.
        let accepted = |o: &Outcome, bit: u32| {
            let owed = o.payment.as_ref().is_some_and(|p| p.owed & bit != 0);
            match o.report.code.group() {
                Group::CallersMistake => false,
                Group::Configuration | Group::TryAgain => owed,
                _ => true,
            }
        };
        match act {
            Act::Create(wait) => {
                let mut p = push(R, FARE);
                if self.hold {
                    p.on_approval = OnApproval::Hold;
                }
                c.create_push_payment(&p, *wait);
            }
            Act::Poll(wait) => drop(c.poll(R, *wait)),
            Act::Capture {
                part,
                nth,
                last,
                wait,
            } => {
                let amount = FARE / part;
                let o = c.capture(R, amount, *nth, *last, *wait);
                if accepted(&o, owed::CAPTURE)
                    && !self.promised.captures.iter().any(|x| x.0 == *nth)
                {
                    self.promised.captures.push((*nth, amount));
                }
            }
            Act::Cancel(how, wait) => {
                let how = CancelHow::from_number(i32::from(*how)).unwrap();
                let o = c.cancel(R, how, *wait);
                if how == CancelHow::GiveUp && accepted(&o, owed::RELEASE) {
                    self.promised.given_up = true;
                }
            }
            Act::Refund { part, nth, wait } => {
                let amount = FARE / part;
                let o = c.refund(R, amount, *nth, *wait);
                if accepted(&o, owed::REFUND) && !self.promised.refunds.iter().any(|x| x.0 == *nth)
                {
                    self.promised.refunds.push((*nth, amount));
                }
            }
            Act::Settle(wait) => self.settle(*wait),
            Act::Work(wait) => drop(c.worker_run(*wait)),
            Act::Event(name, wait) => drop(c.apply_webhook(R, name, "", *wait)),
            Act::Reboot => self.m.reboot(),
            Act::Approve => {
                let now = vpmeter_core::clock::Clock::monotonic_ms(&*self.m.model.clock);
                let alive = self.server().is_some_and(|p| now - p.created_at < 600_000);
                if alive {
                    self.m.model.approve(R);
                }
            }
            Act::Decline => {
                if let Some(p) = self.m.model.world().payments.get_mut(R) {
                    if p.state == "CREATED" {
                        p.state = "ABORTED".into();
                    }
                }
            }
            Act::PortalCancel => {
                if let Some(p) = self.m.model.world().payments.get_mut(R) {
                    if p.state == "AUTHORIZED" {
                        p.cancelled = p.authorized - p.captured;
                        self.promised.portal = true;
                    }
                }
            }
            Act::Pass(ms) => self.m.model.clock.advance(*ms),
            Act::JumpWall(ms) => self.m.model.clock.jump_wall(*ms),
            Act::Fault(operation, n) => self.m.model.fault(operation, fault(*n)),
            Act::RevokeToken => self.m.model.world().bad_token = true,
        }
    }

    fn settle(&mut self, wait: u32) {
        // Settling captures what was said at create: the whole of it, as the first capture.
        self.m.client.settle(wait, &mut |_| {});
        let server = self.server();
        if !self.hold && self.promised.captures.is_empty() {
            if let Some(s) = server {
                if s.captured == FARE {
                    self.promised.captures.push((1, FARE));
                }
            }
        }
    }

    fn check(&mut self) {
        let server = self.server().unwrap_or_default();
        let p = &self.promised;
        // 1. Never charge twice.
        let mut keys: Vec<&String> = server.captures.iter().map(|c| &c.0).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), server.captures.len());
        let settled_itself = usize::from(!self.hold && p.captures.is_empty());
        assert!(
            server.captures.len() <= p.captures.len() + settled_itself,
            "a capture that nobody asked for"
        );
        for (_, amount) in &server.captures {
            assert!(p.captures.iter().any(|c| c.1 == *amount) || *amount == FARE && !self.hold);
        }
        assert!(
            server.refunds.len() <= p.refunds.len(),
            "a refund that nobody asked for"
        );
        let creates: std::collections::HashSet<String> = self
            .m
            .model
            .world()
            .keys_sent
            .iter()
            .filter(|k| k.0 == "create")
            .map(|k| k.1.clone())
            .collect();
        assert!(creates.len() <= 1, "two keys for one create");
        // A given-up ride is never captured.
        assert!(
            !(p.given_up && server.captured > 0),
            "captured after it was given up"
        );
        assert!(
            !(p.cash_allowed && server.captured > server.refunded),
            "cash allowed and captured all the same"
        );
        let Some(s) = self.m.client.known_payment(R).payment else {
            return;
        };
        self.check_verdict(&s, &server);
        if matches!(
            s.verdict,
            Verdict::TakeOtherPayment | Verdict::TakeOtherReleaseOwed
        ) {
            self.promised.cash_allowed = true;
        }
    }

    fn check_verdict(&self, s: &Snapshot, server: &ServerPayment) {
        match s.verdict {
            Verdict::PaidLeave => assert!(server.captured > 0, "paid without a capture"),
            Verdict::SecuredLeave => assert_eq!(server.state, "AUTHORIZED"),
            Verdict::TakeOtherPayment => {
                let refunded = server.captured > 0 && server.refunded == server.captured;
                let released =
                    server.state == "AUTHORIZED" && server.cancelled == server.authorized;
                let dead = matches!(
                    server.state.as_str(),
                    "" | "ABORTED" | "EXPIRED" | "TERMINATED"
                );
                assert!(
                    refunded || released || dead,
                    "other payment, but the payment is alive: {server:?}"
                );
            }
            _ => {}
        }
        if s.closed && s.owed & owed::LOST == 0 {
            assert!(
                server.state != "AUTHORIZED"
                    || server.authorized == server.captured + server.cancelled
            );
        }
    }

    /// The faults end, the passenger's time is over: three settles must bring everything to rest or to a human.
    fn come_to_rest(&mut self) {
        {
            let mut w = self.m.model.world();
            w.faults.clear();
            w.bad_token = false;
        }
        self.m.model.clock.advance(700_000);
        // Past the watch of a create, and the quiet time of a capture.
        for _ in 0..3 {
            self.settle(1_800_000);
            self.check();
        }
        let Some(s) = self.m.client.known_payment(R).payment else {
            return;
        };
        let a_human = matches!(
            s.next_step,
            NextStep::Decide | NextStep::Office | NextStep::Capture
        );
        assert!(
            s.closed || a_human,
            "not settled: {s:?} {:?}",
            self.server()
        );
        assert!(
            !matches!(s.state, State::Unknown | State::Recorded),
            "{s:?}"
        );
        let server = self.server().unwrap_or_default();
        if server.state == "AUTHORIZED" && server.authorized > server.captured + server.cancelled {
            assert!(a_human, "a reservation that nobody is told of: {s:?}");
        }
        for (nth, amount) in &self.promised.captures {
            let done = server.captured >= *amount;
            assert!(
                done || a_human || self.promised.portal,
                "capture {nth} of {amount} is lost: {s:?} {server:?}"
            );
        }
    }
}

fn run(hold: bool, acts: &[Act], meter: Meter) {
    let mut h = History {
        m: meter,
        promised: Promised::default(),
        hold,
    };
    for act in acts {
        h.act(act);
        h.check();
    }
    h.come_to_rest();
}

#[test]
fn random_histories_keep_the_promises() {
    run_many(Meter::new);
}

/// The same over a transport in pieces: calls end with exchanges under way, and others carry them on, or nobody does.
#[test]
fn random_histories_in_pieces_keep_the_promises() {
    run_many(Meter::in_pieces);
}

fn run_many(meter: fn() -> Meter) {
    let cases = std::env::var("VPMETER_HISTORIES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3_000);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let strategy = (any::<bool>(), acts());
    TestRunner::new(config)
        .run(&strategy, |(hold, acts)| {
            run(hold, &acts, meter());
            Ok(())
        })
        .unwrap();
}
