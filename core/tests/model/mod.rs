//! A model of the servers that answers in the calling thread, with a clock that tests move and faults that tests ask for.
//! Written for the library's own tests; the simulator is the independent counter-party.
#![allow(dead_code)]

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{json, Value};
use vpmeter_core::client::config::{Config, Credentials};
use vpmeter_core::client::hooks::{Hooks, Silent};
use vpmeter_core::client::interrupts::Interrupts;
use vpmeter_core::client::{Client, Doors, PushPayment, Random};
use vpmeter_core::clock::{BestClock, Clock};
use vpmeter_core::error::{Cause, Report};
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{Found, Shelf, Store, StoreError};
use vpmeter_core::payment::OnApproval;
use vpmeter_core::phone::Market;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::transport::{
    Carried, Failure, Flow, Request, Response, Traffic, Transport, UnderWay, Watch,
};
use vpmeter_core::vipps::epayment::CustomerInteraction;

/// 2026-11-23 12:00 UTC.
pub const NOON: i64 = 1_795_435_200_000;

pub struct TestClock {
    wall: AtomicI64,
    mono: AtomicI64,
}

impl TestClock {
    pub fn advance(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.mono.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn jump_wall(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> i64 {
        self.wall.load(Ordering::SeqCst)
    }
    fn monotonic_ms(&self) -> i64 {
        self.mono.load(Ordering::SeqCst)
    }
    fn sleep(&self, ms: u32) {
        self.advance(i64::from(ms));
    }
}

/// Counts up: repeatable.
pub struct TestRandom(AtomicU8);

impl Random for TestRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Report> {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        buffer.fill(n);
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// No byte leaves.
    NotSent,
    /// Lost before the server acted.
    LostBefore,
    /// The server acted; the answer is lost.
    LostAfter,
    /// A status with a body, not acting.
    Status(u16, String),
    /// Refused with this status and Vipps code, now and whenever the same key comes again.
    Refuse(u16, i32),
    /// Acts, then answers with this status.
    ActThen(u16, String),
    /// Acts, and answers 200 without an aggregate.
    NoAggregate,
    /// Acts, and answers (and reads) with the old aggregate for this long.
    Lag(i64),
    /// The passenger approves just before the server acts.
    ApproveFirst,
}

#[derive(Clone, Debug, Default)]
pub struct ServerPayment {
    pub state: String,
    pub amount: i64,
    pub authorized: i64,
    pub captured: i64,
    pub cancelled: i64,
    pub refunded: i64,
    pub metadata: Value,
    pub captures: Vec<(String, i64)>,
    pub refunds: Vec<(String, i64)>,
    pub receipt: Option<Value>,
    pub receipts_posted: u32,
    pub created_at: i64,
    pub lag: Option<(i64, [i64; 4])>,
    pub events: Vec<Value>,
}

#[derive(Default)]
pub struct World {
    pub payments: HashMap<String, ServerPayment>,
    pub keys: HashMap<(String, String, String), (String, u16, String)>,
    pub faults: VecDeque<(String, Fault)>,
    pub requests: Vec<String>,
    pub keys_sent: Vec<(String, String)>,
    pub tokens: u32,
    /// Monotonic time at which a waiting payment is approved, if any.
    pub approve_after: Option<i64>,
    pub bad_token: bool,
    /// The transport works in pieces.
    pub pieces: bool,
    /// What the servers' clock is ahead of the monotonic one; they send a `Date` if it is given.
    pub server_clock: Option<i64>,
    /// The `Date` of each of the next answers, milliseconds from the right one.
    pub wrong_dates: VecDeque<i64>,
    /// `captureGuaranteedUntil` of every read.
    pub guaranteed_until: Option<String>,
}

/// A store that is full after some puts.
pub struct FullStore {
    inner: Memory,
    left: AtomicI64,
}

impl FullStore {
    pub fn new(puts: i64) -> FullStore {
        FullStore {
            inner: Memory::new(),
            left: AtomicI64::new(puts),
        }
    }

    pub fn full(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    pub fn unlimited(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl Store for FullStore {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Full);
        }
        self.inner.put(shelf, name, bytes)
    }
    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(shelf, name)
    }
    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        self.inner.remove(shelf, name)
    }
    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError> {
        self.inner.each(shelf, visit)
    }
    fn forget_older(&self, shelf: Shelf, name: &str) {
        self.inner.forget_older(shelf, name);
    }
}

pub struct Model {
    pub clock: Arc<TestClock>,
    world: Mutex<World>,
}

impl Model {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn fault(&self, operation: &str, fault: Fault) {
        self.world().faults.push_back((operation.into(), fault));
    }

    pub fn approve(&self, reference: &str) {
        self.world().approve(reference);
    }

    pub fn payment(&self, reference: &str) -> ServerPayment {
        self.world().payments[reference].clone()
    }

    pub fn count(&self, operation: &str) -> usize {
        self.world()
            .requests
            .iter()
            .filter(|r| *r == operation)
            .count()
    }
}

impl World {
    pub fn approve(&mut self, reference: &str) {
        if let Some(p) = self.payments.get_mut(reference) {
            if p.state == "CREATED" {
                p.state = "AUTHORIZED".into();
                p.authorized = p.amount;
            }
        }
    }

    pub fn act(
        &mut self,
        op: &str,
        reference: &str,
        key: &str,
        body: &Value,
        now: i64,
    ) -> (u16, String) {
        if let Some(after) = self.approve_after {
            let due = self
                .payments
                .get(reference)
                .is_some_and(|p| now - p.created_at >= after);
            if due {
                self.approve(reference);
            }
        }
        if matches!(op, "create" | "capture" | "cancel" | "refund") {
            let known = self
                .keys
                .get(&(op.into(), reference.into(), key.into()))
                .cloned();
            if let Some((old_body, status, answer)) = known {
                let same = old_body == format!("{body}");
                if !same {
                    return problem(409, 4010);
                }
                return (status, answer);
            }
        }
        let (status, answer) = self.act_anew(op, reference, key, body, now);
        if matches!(op, "create" | "capture" | "cancel" | "refund") {
            self.keys.insert(
                (op.into(), reference.into(), key.into()),
                (body.to_string(), status, answer.clone()),
            );
        }
        (status, answer)
    }

    fn act_anew(
        &mut self,
        op: &str,
        reference: &str,
        key: &str,
        body: &Value,
        now: i64,
    ) -> (u16, String) {
        let amount = body["modificationAmount"]["value"].as_i64().unwrap_or(0);
        if op == "create" {
            if self.payments.contains_key(reference) {
                return problem(409, 4150);
            }
            if body["customer"]["phoneNumber"] == "4790000000" {
                return problem(400, 7010);
            }
            self.payments.insert(
                reference.into(),
                ServerPayment {
                    state: "CREATED".into(),
                    amount: body["amount"]["value"].as_i64().unwrap(),
                    metadata: body["metadata"].clone(),
                    created_at: now,
                    events: vec![event("CREATED", 0, key)],
                    ..ServerPayment::default()
                },
            );
            return (201, json!({ "reference": reference }).to_string());
        }
        let Some(p) = self.payments.get_mut(reference) else {
            return problem(404, 5090);
        };
        if p.state == "CREATED" && now - p.created_at >= 600_000 {
            p.state = "EXPIRED".into();
        }
        let left = p.authorized - p.captured - p.cancelled;
        match op {
            "get" => {
                let mut shown: Value = serde_json::from_str(&p.show(reference, now)).unwrap();
                if let Some(until) = &self.guaranteed_until {
                    shown["captureGuaranteedUntil"] = json!(until);
                }
                return (200, shown.to_string());
            }
            "events" => return (200, Value::Array(p.events.clone()).to_string()),
            "capture" => {
                if p.state != "AUTHORIZED" {
                    return problem(400, 6080);
                }
                if p.cancelled > 0 {
                    return problem(400, 6070);
                }
                if amount > left {
                    return problem(400, 6090);
                }
                p.captured += amount;
                p.captures.push((key.into(), amount));
                p.events.push(event("CAPTURED", amount, key));
            }
            "refund" => {
                if amount > p.captured - p.refunded {
                    return problem(400, 6150);
                }
                p.refunded += amount;
                p.refunds.push((key.into(), amount));
                p.events.push(event("REFUNDED", amount, key));
            }
            "cancel" => match p.state.as_str() {
                "CREATED" => {
                    p.state = "TERMINATED".into();
                    p.cancelled = p.amount;
                }
                "AUTHORIZED" if body["cancelTransactionOnly"] == true => return problem(400, 6060),
                "AUTHORIZED" if left == 0 => return problem(400, 6040),
                "AUTHORIZED" => p.cancelled += left,
                _ => return problem(400, 6050),
            },
            "receipt" => {
                if p.receipt.is_some() {
                    return (
                        409,
                        json!({"title":"Conflict","detail":"exists","instance":"t"}).to_string(),
                    );
                }
                p.receipt = Some(body.clone());
                p.receipts_posted += 1;
                return (201, "\"5c7e\"".into());
            }
            "order" => {
                return match &p.receipt {
                    Some(r) => (200, json!({ "receipt": r }).to_string()),
                    None => problem(404, 0),
                }
            }
            other => panic!("unknown operation {other}"),
        }
        (200, p.show(reference, now))
    }
}

impl ServerPayment {
    fn amounts(&self) -> [i64; 4] {
        [
            self.authorized,
            self.captured,
            self.cancelled,
            self.refunded,
        ]
    }

    fn show(&self, reference: &str, now: i64) -> String {
        let shown = match self.lag {
            Some((until, old)) if now < until => old,
            _ => self.amounts(),
        };
        let a = |v: i64| json!({"currency": "NOK", "value": v});
        json!({
            "reference": reference,
            "state": self.state,
            "amount": a(self.amount),
            "pspReference": "psp-1",
            "metadata": self.metadata,
            "aggregate": {
                "authorizedAmount": a(shown[0]),
                "capturedAmount": a(shown[1]),
                "cancelledAmount": a(shown[2]),
                "refundedAmount": a(shown[3]),
            },
            "profile": {},
        })
        .to_string()
    }
}

/// An entry of the event log.
pub fn event(name: &str, amount: i64, key: &str) -> Value {
    json!({"name": name, "amount": {"value": amount, "currency": "NOK"}, "idempotencyKey": key, "success": true,
           "timestamp": "2026-11-23T12:00:00.000Z", "pspReference": "1"})
}

pub fn problem(status: u16, code: i32) -> (u16, String) {
    (
        status,
        json!({"type": format!("https://httpstatuses.io/{status}"), "title": format!("error {code}"), "status": status,
               "detail": "model", "traceId": "00-trace-01",
               "extraDetails": [{"name": "ErrorCode", "reason": code.to_string()}]})
        .to_string(),
    )
}

fn lost(may_have_left: bool) -> Failure {
    Failure {
        may_have_left,
        cause: if may_have_left {
            Cause::ConnectionLost
        } else {
            Cause::Connect
        },
        detail: "model".into(),
    }
}

impl Transport for Model {
    fn exchange(
        &self,
        request: &Request,
        watch: Rc<dyn Fn() -> Flow>,
    ) -> (Result<Response, Failure>, Traffic) {
        self.clock.advance(50);
        let traffic = Traffic {
            sent: 100,
            received: 200,
        };
        if watch() == Flow::Stop {
            return (
                Err(Failure {
                    cause: Cause::Interrupted,
                    ..lost(false)
                }),
                Traffic::default(),
            );
        }
        (self.answer(request), traffic)
    }
}

/// The same servers over a transport in pieces: they act at once, and the answer takes some pieces to arrive.
struct Pieces(Arc<Model>);

struct Arriving {
    model: Arc<Model>,
    result: Result<Response, Failure>,
    pieces: u8,
}

impl Transport for Pieces {
    fn exchange(&self, request: &Request, watch: Watch) -> (Result<Response, Failure>, Traffic) {
        self.0.exchange(request, watch)
    }

    fn begin(&self, request: &Request, watch: Watch) -> Carried {
        let (result, traffic) = self.0.exchange(request, watch.clone());
        if traffic == Traffic::default() {
            return Carried::Ended(result, traffic);
        }
        let count = self.0.world().requests.len();
        let arriving = Box::new(Arriving {
            model: self.0.clone(),
            result,
            pieces: (count * 7 % 5) as u8,
        });
        arriving.carry_on(watch)
    }
}

impl UnderWay for Arriving {
    fn carry_on(mut self: Box<Self>, watch: Watch) -> Carried {
        while self.pieces > 0 {
            self.pieces -= 1;
            self.model.clock.advance(40);
            if watch() != Flow::GoOn {
                return Carried::UnderWay(self);
            }
        }
        Carried::Ended(self.result, Traffic::default())
    }
}

impl Model {
    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let now = self.clock.monotonic_ms();
        let path = request.url.split_once("://").unwrap().1;
        let path = &path[path.find('/').unwrap()..];
        let header = |name: &str| {
            request
                .headers
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| v.to_string())
                .unwrap_or_default()
        };
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (op, reference) = match parts.as_slice() {
            ["accesstoken", "get"] => ("token", String::new()),
            ["epayment", "v1", "payments"] => {
                ("create", body["reference"].as_str().unwrap().to_string())
            }
            ["epayment", "v1", "payments", r] => ("get", r.to_string()),
            ["epayment", "v1", "payments", r, op] => (*op, r.to_string()),
            ["order-management", "v2", "ECOM", "receipts", r] => ("receipt", r.to_string()),
            ["order-management", "v2", "ECOM", r] => ("order", r.to_string()),
            _ => panic!("unknown path {path}"),
        };
        let mut world = self.world();
        world.requests.push(op.to_string());
        let key = header("Idempotency-Key");
        if !key.is_empty() {
            assert!(key.len() <= 50);
            world.keys_sent.push((op.to_string(), key.clone()));
        }
        let fault = world
            .faults
            .iter()
            .position(|(o, _)| o == op)
            .map(|i| world.faults.remove(i).unwrap().1);
        let wrong = world.wrong_dates.pop_front().unwrap_or(0);
        let date_ms = world.server_clock.map(|ahead| now + ahead + wrong);
        let reply = |(status, body): (u16, String)| {
            Ok(Response {
                status,
                body: body.into_bytes(),
                retry_after_ms: (status == 429).then_some(2000),
                date_ms,
            })
        };
        if op == "token" {
            match fault {
                Some(Fault::NotSent) => return Err(lost(false)),
                Some(Fault::Status(s, b)) => return reply((s, b)),
                Some(_) => return Err(lost(true)),
                None => {}
            }
            world.tokens += 1;
            world.bad_token = false;
            let token = format!("token-{}", world.tokens);
            return reply((
                200,
                json!({"access_token": token, "expires_in": "3600", "token_type": "Bearer"})
                    .to_string(),
            ));
        }
        assert!(header("Authorization").starts_with("Bearer token-"));
        if world.bad_token {
            let denied = json!({"statusCode": 401, "message": "Access denied"});
            return reply((401, denied.to_string()));
        }
        match fault {
            None => reply(world.act(op, &reference, &key, &body, now)),
            Some(Fault::NotSent) => Err(lost(false)),
            Some(Fault::LostBefore) => Err(lost(true)),
            Some(Fault::LostAfter) => {
                world.act(op, &reference, &key, &body, now);
                Err(lost(true))
            }
            Some(Fault::Status(s, b)) => reply((s, b)),
            Some(Fault::Refuse(s, code)) => {
                let (status, answer) = problem(s, code);
                let place = (op.to_string(), reference.clone(), key.clone());
                let known = (body.to_string(), status, answer.clone());
                world.keys.entry(place).or_insert(known);
                reply((status, answer))
            }
            Some(Fault::ActThen(s, b)) => {
                world.act(op, &reference, &key, &body, now);
                reply((s, b))
            }
            Some(Fault::NoAggregate) => {
                world.act(op, &reference, &key, &body, now);
                reply((200, "{}".into()))
            }
            Some(Fault::Lag(ms)) => {
                if let Some(p) = world.payments.get_mut(&reference) {
                    p.lag = Some((now + ms, p.amounts()));
                }
                reply(world.act(op, &reference, &key, &body, now))
            }
            Some(Fault::ApproveFirst) => {
                world.approve(&reference);
                reply(world.act(op, &reference, &key, &body, now))
            }
        }
    }
}

/// A meter with its journal; `reboot` opens a new client on the same journal.
pub struct Meter {
    pub model: Arc<Model>,
    pub store: Arc<dyn Store>,
    pub client: Arc<Client>,
    pub hooks: Arc<dyn Hooks>,
    pub random: Arc<TestRandom>,
}

impl Meter {
    pub fn new() -> Meter {
        Meter::with(Arc::new(Silent), Arc::new(Memory::new()))
    }

    /// One whose transport works in pieces.
    pub fn in_pieces() -> Meter {
        let mut meter = Meter::new();
        meter.model.world().pieces = true;
        meter.reboot();
        meter
    }

    pub fn with(hooks: Arc<dyn Hooks>, store: Arc<dyn Store>) -> Meter {
        let model = Arc::new(Model {
            clock: Arc::new(TestClock {
                wall: AtomicI64::new(NOON),
                mono: AtomicI64::new(1_000),
            }),
            world: Mutex::new(World::default()),
        });
        let random = Arc::new(TestRandom(AtomicU8::new(1)));
        let client = open(&model, &store, &hooks, &random);
        Meter {
            model,
            store,
            client,
            hooks,
            random,
        }
    }

    /// Another meter before the same servers.
    pub fn sharing(other: &Meter, store: Arc<dyn Store>) -> Meter {
        let client = open(&other.model, &store, &other.hooks, &other.random);
        Meter {
            model: other.model.clone(),
            store,
            client,
            hooks: other.hooks.clone(),
            random: other.random.clone(),
        }
    }

    /// A client with other settings on the same journal.
    pub fn open_with(&self, config: Config) -> Arc<Client> {
        let doors = doors(&self.model, &self.store, &self.hooks, &self.random);
        Client::open(config, doors).unwrap()
    }

    /// Everything in memory is gone; the journal is not.
    pub fn reboot(&mut self) {
        self.client = open(&self.model, &self.store, &self.hooks, &self.random);
    }
}

pub fn config() -> Config {
    Config {
        base_url: "http://127.0.0.1:1".into(),
        credentials: Credentials {
            client_id: "id".into(),
            client_secret: String::from("secret").into(),
            subscription_key: String::from("subscription").into(),
            msn: "123456".into(),
        },
        access: Default::default(),
        market: Market::Norway,
        device: "taxi-122".into(),
        system_name: "test".into(),
        system_version: "1".into(),
        plugin_name: "vpmeter".into(),
        plugin_version: "0".into(),
        allow_refund: true,
        request_ms: 10_000,
        connect_ms: 5_000,
        poll: PollPlan::default(),
    }
}

fn doors(
    model: &Arc<Model>,
    store: &Arc<dyn Store>,
    hooks: &Arc<dyn Hooks>,
    random: &Arc<TestRandom>,
) -> Doors {
    Doors {
        transport: match model.world().pieces {
            true => Arc::new(Pieces(model.clone())),
            false => model.clone(),
        },
        store: store.clone(),
        clock: Arc::new(BestClock::new(model.clock.clone())),
        hooks: hooks.clone(),
        random: random.clone(),
        interrupts: Arc::new(Interrupts::new()),
    }
}

fn open(
    model: &Arc<Model>,
    store: &Arc<dyn Store>,
    hooks: &Arc<dyn Hooks>,
    random: &Arc<TestRandom>,
) -> Arc<Client> {
    Client::open(config(), doors(model, store, hooks, random)).unwrap()
}

pub fn push(reference: &str, amount: i64) -> PushPayment {
    PushPayment {
        reference: reference.into(),
        trip: String::new(),
        part_of_trip: false,
        amount,
        currency: "NOK".into(),
        phone: "912 34 567".into(),
        description: "Taxi".into(),
        on_approval: OnApproval::Capture,
        decide_within_ms: 0,
        interaction: CustomerInteraction::Present,
        receipt: None,
    }
}
