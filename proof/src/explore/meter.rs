//! The meter: the library's own rules, and a loop that plays the part of its client. What is on disk, what is in memory
//! and what is sent follow the order of `client/work.rs`: what must be on disk is, before anything leaves.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use vpmeter_core::client::config::{Config, Credentials};
use vpmeter_core::client::hooks::Silent;
use vpmeter_core::client::interrupts::Interrupts;
use vpmeter_core::client::snapshot::CUSTOMER_WINDOW_MS;
use vpmeter_core::client::{Client, Doors, PushPayment, Random};
use vpmeter_core::clock::{BestClock, Clock};
use vpmeter_core::error::{Cause, Report};
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{Shelf, Store};
use vpmeter_core::payment::{
    CancelHow, Course, Decision, Now, OnApproval, Operation, Payment, Progress, Record, Unsaved,
};
use vpmeter_core::phone::Market;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::recovery::answers::Moment;
use vpmeter_core::recovery::{has_fresh_sums, next, Goal, Step};
use vpmeter_core::retry::{classify, note, Api};
use vpmeter_core::transport::{Failure, Request, Response, Traffic, Transport};
use vpmeter_core::verdict::{judge, NextStep};
use vpmeter_core::vipps::epayment::CustomerInteraction;

use super::server::{self, Kind, NOON};

/// The reference of every family.
pub const REFERENCE: &str = "trip-0001";
/// The fare, øre.
pub const FARE: i64 = 24_900;

/// What the driver or the office asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Amount in øre, and whether the rest is released.
    Capture {
        nth: u32,
        amount: i64,
        last: bool,
    },
    Refund {
        nth: u32,
        amount: i64,
    },
    Withdraw,
    GiveUp,
    Decide(Decision),
}

/// The meter at one moment.
#[derive(Clone, Debug)]
pub struct Meter {
    /// `None`: switched off.
    pub memory: Option<Arc<Payment>>,
    /// What a restart finds.
    pub disk: Arc<Record>,
    /// The host calls nothing for a while.
    pub asleep: bool,
}

/// Reads are rare: nothing depends on how often the passenger's decision is looked for.
pub fn plan(tick: i64) -> PollPlan {
    PollPlan {
        first_ms: tick,
        every_ms: tick,
    }
}

pub fn now(at: i64) -> Now {
    Now { wall: at, mono: at }
}

fn moment(at: i64) -> Moment {
    Moment {
        now: now(at),
        random: u32::MAX,
    }
}

impl Meter {
    /// The meter right after the payment request was recorded.
    pub fn new(on_approval: OnApproval, tick: i64) -> Meter {
        let record = recorded(on_approval);
        let decide_within = record.decide_by - NOON;
        let course = Course::begin(NOON, CUSTOMER_WINDOW_MS, decide_within, tick);
        Meter {
            memory: Some(Arc::new(Payment {
                record: record.clone(),
                course,
            })),
            disk: Arc::new(record),
            asleep: false,
        }
    }

    pub fn cut_power(&mut self) {
        self.memory = None;
        self.asleep = false;
    }

    pub fn switch_on(&mut self, at: i64, tick: i64) {
        let record = Record::clone(&self.disk);
        let mut course = Course::resume(&record, now(at), CUSTOMER_WINDOW_MS, tick);
        if record.closed_at != 0 && !record.create.doubted {
            // As for a payment that is looked up among the closed ones.
            course.create_may_have_left = false;
        }
        self.memory = Some(Arc::new(Payment { record, course }));
    }

    /// The payment in memory, to be changed: moments share what is alike.
    pub fn change(&mut self) -> Option<&mut Payment> {
        self.memory.as_mut().map(Arc::make_mut)
    }

    /// The calls that a host would make now: the one for what it wants, and `vp_settle`. With the step of each.
    pub fn steps(&self, at: i64) -> Vec<(Goal, Step)> {
        let Some(p) = self.memory.as_deref().filter(|_| !self.asleep) else {
            return Vec::new();
        };
        if p.record.closed_at != 0 {
            // Only what ended after a doubt is asked for once more, after a start.
            let once_more = p.record.create.doubted && p.course.stale;
            let settle = || (Goal::Settle, next(p, Goal::Settle, now(at)));
            return once_more.then(settle).into_iter().collect();
        }
        let mut steps: Vec<(Goal, Step)> = Vec::new();
        for goal in [wanted(p), Goal::Settle] {
            let step = next(p, goal, now(at));
            let same = steps.iter().any(|(_, s)| *s == step);
            // Only while the create is open does an answer depend on the call.
            if !same || !matches!(step, Step::Wait(_) | Step::Idle) && create_is_open(p) {
                steps.push((goal, step));
            }
        }
        steps
    }

    /// Takes a step that sends nothing.
    pub fn step_aside(&mut self, step: Step, at: i64) {
        let Some(p) = self.change() else { return };
        match step {
            Step::NeverSent => p.on_never_sent(),
            Step::CaptureDue => {
                let amount = p.record.aggregate.reserved();
                let asked = p.record.ask_capture(amount, 1, true, true, at);
                if asked.is_err() {
                    return;
                }
                p.course.blocked = None;
                p.course.unsaved = Unsaved::Must;
            }
            _ => return,
        }
        self.save(at);
    }

    /// What leaves the meter before a request does: the record is on disk, and the request is noted.
    pub fn begin(&mut self, step: Step, at: i64) {
        if matches!(step, Step::Send(_)) {
            self.save(at);
        }
        let Some(p) = self.change() else { return };
        match step {
            Step::Send(_) => note(&mut p.course.writes, at),
            Step::Read => {
                note(&mut p.course.reads, at);
                p.course.told.begin();
                p.course.read_begun = at;
            }
            Step::ReadEvents => {
                note(&mut p.course.reads, at);
                p.course.read_begun = at;
            }
            _ => {}
        }
    }

    /// The request that a step sends, as the servers read its bytes.
    pub fn request(&self, operation: Operation) -> Option<server::Request> {
        let r = &self.memory.as_ref()?.record;
        let request = |kind, key: &str, body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            let amount = match kind {
                Kind::Create => body["amount"]["value"].as_i64(),
                Kind::Capture | Kind::Refund => body["modificationAmount"]["value"].as_i64(),
                _ => Some(0),
            };
            let ride = body["metadata"]["vpmeter-ride"].as_str().unwrap_or("");
            Some(server::Request {
                kind,
                key: key.to_string(),
                amount: amount?,
                ride: ride.to_string(),
            })
        };
        match operation {
            Operation::Create => {
                let body = r.create.body.as_deref()?;
                request(Kind::Create, &r.create.key, body)
            }
            Operation::Capture(i) => {
                let m = r.captures.get(i)?;
                request(Kind::Capture, &m.key, &m.body)
            }
            Operation::Refund(i) => {
                let m = r.refunds.get(i)?;
                request(Kind::Refund, &m.key, &m.body)
            }
            Operation::Withdraw => request(Kind::CancelOnly, &r.withdraw.as_ref()?.key, "{}"),
            Operation::Release => request(Kind::CancelAll, &r.release.as_ref()?.key, "{}"),
        }
    }

    /// The answer comes in.
    pub fn take_in(
        &mut self,
        step: Step,
        goal: Goal,
        result: Result<Response, Failure>,
        at: i64,
        tick: i64,
    ) {
        let Some(p) = self.change() else { return };
        let (answer, m) = (classify(Api::Epayment, result), moment(at));
        match step {
            Step::Send(Operation::Create) => p.on_create(answer, &plan(tick), m),
            Step::Send(operation) => p.on_modification(operation, answer, m),
            Step::Read => p.on_read(answer, goal, &plan(tick), m),
            Step::ReadEvents => p.on_events(answer, &plan(tick), m),
            _ => {}
        }
        if p.course.unsaved == Unsaved::Must || p.record.is_finished() {
            self.save(at);
        }
    }

    /// What is unsaved goes to disk; a payment with nothing left to do is closed.
    fn save(&mut self, at: i64) {
        let Some(p) = self.change() else { return };
        if p.record.closed_at == 0 && p.record.is_finished() {
            p.record = p.record.tombstone(at);
        } else if p.course.unsaved != Unsaved::Must {
            return;
        }
        p.course.reopened = false;
        p.course.unsaved = Unsaved::Nothing;
        self.disk = Arc::new(p.record.clone());
    }

    /// Asks for something. `false`: it was refused, or is asked for already.
    pub fn ask(&mut self, ask: Ask, at: i64) -> bool {
        let Some(p) = self.memory.as_mut().filter(|_| !self.asleep) else {
            return false;
        };
        let mut r = p.record.clone();
        let fresh = has_fresh_sums(p, now(at));
        let asked = match ask {
            Ask::Capture { nth, amount, last } => r.ask_capture(amount, nth, last, fresh, at),
            Ask::Refund { nth, amount } => r.ask_refund(amount, nth, fresh, at),
            Ask::Withdraw => r.ask_cancel(CancelHow::IfNotApproved),
            Ask::GiveUp => r.ask_cancel(CancelHow::GiveUp),
            Ask::Decide(decision) => r.decide(decision, at).map(|_| true),
        };
        if !matches!(asked, Ok(true)) {
            return false;
        }
        r.closed_at = 0;
        let p = Arc::make_mut(p);
        p.record = r;
        p.course.blocked = None;
        p.course.receipt_blocked = None;
        p.look_at_what_is_held();
        if matches!(ask, Ask::Decide(_)) {
            p.go_on(now(at));
        }
        p.course.unsaved = Unsaved::Nothing;
        self.disk = Arc::new(p.record.clone());
        true
    }

    /// Time has passed, and the host calls again: what blocked the last call may have changed.
    pub fn time_is(&mut self, at: i64) {
        let blocked = |p: &Payment| {
            let held = p.record.open_movement().is_some_and(|m| m.held);
            p.course.blocked.is_some() || p.course.receipt_blocked.is_some() || held
        };
        if !self.asleep && self.memory.as_deref().is_some_and(blocked) {
            if let Some(p) = self.change() {
                p.course.blocked = None;
                p.course.receipt_blocked = None;
                p.look_at_what_is_held();
            }
        }
        self.forget_what_is_over(at);
    }

    /// What no rule asks for any more, so that equal moments are equal.
    pub fn forget_what_is_over(&mut self, at: i64) {
        let old = |t: &i64| at - t >= 60_000;
        let has_old = |p: &Payment| p.course.writes.iter().chain(&p.course.reads).any(old);
        if !self.memory.as_deref().is_some_and(has_old) {
            return;
        }
        if let Some(p) = self.change() {
            p.course.writes.retain(|t| at - t < 60_000);
            p.course.reads.retain(|t| at - t < 60_000);
        }
    }
}

fn create_is_open(p: &Payment) -> bool {
    p.record.create.progress.is_owed()
}

/// What the host works for, by the next step that the verdict names.
fn wanted(p: &Payment) -> Goal {
    let r = &p.record;
    if let Some(i) = r.open_capture() {
        return Goal::Capture(i);
    }
    if let Some(i) = r.open_refund() {
        return Goal::Refund(i);
    }
    if r.given_up || r.release_owed() {
        return Goal::Released;
    }
    if r.withdraw.as_ref().is_some_and(|w| w.progress.is_owed()) {
        return Goal::Withdrawn;
    }
    match judge(p).next_step {
        NextStep::Poll if r.create.progress == Progress::Owed => Goal::Create,
        NextStep::Poll => Goal::Approval,
        _ => Goal::Settle,
    }
}

/// The record of the payment request, made by the real client and read out of its journal.
fn recorded(on_approval: OnApproval) -> Record {
    let store = Arc::new(Memory::new());
    let doors = Doors {
        transport: Arc::new(Nowhere),
        store: store.clone(),
        clock: Arc::new(BestClock::new(Arc::new(Still))),
        hooks: Arc::new(Silent),
        random: Arc::new(Counting),
        interrupts: Arc::new(Interrupts::new()),
    };
    let request = PushPayment {
        reference: REFERENCE.into(),
        trip: String::new(),
        part_of_trip: false,
        amount: FARE,
        currency: "NOK".into(),
        phone: "912 34 567".into(),
        description: String::new(),
        on_approval,
        decide_within_ms: 0,
        interaction: CustomerInteraction::Present,
        receipt: None,
    };
    let client = Client::open(config(), doors).unwrap_or_else(|e| panic!("no client: {e}"));
    client.create_push_payment(&request, 0);
    let bytes = store.get(Shelf::Open, REFERENCE).ok().flatten();
    let bytes = bytes.unwrap_or_else(|| panic!("the request was not recorded"));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("no record: {e}"))
}

fn config() -> Config {
    Config {
        base_url: "http://127.0.0.1:1".into(),
        credentials: Credentials {
            client_id: "id".into(),
            client_secret: String::from("s").into(),
            subscription_key: String::from("k").into(),
            msn: "123456".into(),
        },
        access: Default::default(),
        market: Market::Norway,
        device: "taxi".into(),
        system_name: "proof".into(),
        system_version: "1".into(),
        plugin_name: "vpmeter".into(),
        plugin_version: "0".into(),
        allow_refund: true,
        request_ms: 10_000,
        connect_ms: 5_000,
        poll: PollPlan::default(),
    }
}

struct Nowhere;

impl Transport for Nowhere {
    fn exchange(
        &self,
        _: &Request,
        _: Rc<dyn Fn() -> vpmeter_core::transport::Flow>,
    ) -> (Result<Response, Failure>, Traffic) {
        let failure = Failure {
            may_have_left: false,
            cause: Cause::Connect,
            detail: String::new(),
        };
        (Err(failure), Traffic::default())
    }
}

struct Still;

impl Clock for Still {
    fn wall_ms(&self) -> i64 {
        NOON
    }
    fn monotonic_ms(&self) -> i64 {
        NOON
    }
    fn sleep(&self, _: u32) {}
}

struct Counting;

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Report> {
        thread_local!(static NEXT: Cell<u8> = const { Cell::new(1) });
        let n = NEXT.get();
        NEXT.set(n.wrapping_add(1));
        buffer.fill(n);
        Ok(())
    }
}
