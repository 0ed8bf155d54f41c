//! The till: whoever holds the meter. It does what its plan says, believes the codes that it is given, and keeps books.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use vpmeter_core::client::access::{Access, TokenFrom};
use vpmeter_core::client::config::{Config, Credentials};
use vpmeter_core::client::interrupts::Interrupts;
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::client::{
    Client, Doors as ClientDoors, Filter, Outcome, PushPayment, Ride as WholeRide,
};
use vpmeter_core::clock::BestClock;
use vpmeter_core::error::Code;
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::Store;
use vpmeter_core::money::Currency;
use vpmeter_core::payment::{CancelHow, Decision, OnApproval};
use vpmeter_core::phone::Market;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::receipt::{OrderLine, Receipt};
use vpmeter_core::vipps::epayment::CustomerInteraction;

use super::baton::{self, Baton};
use super::chance::{Kind, Rng};
use super::disk::Medium;
use super::ledger::{Ask, Asked, Content, Ride};
use super::plan::{Act, Cancel, End, Other, Part, Scene};
use super::ports::{Doors, MeterDisk, Network, PowerCut, Shared};
use super::weather::Class;
use super::world::Meter;
use crate::model::servers::Op;
use crate::model::Ms;

/// How the meters of a run are set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The servers' token endpoint is used; otherwise a gateway adds the token.
    pub tokens: bool,
    /// The journal is a directory on the disk; otherwise it is in memory.
    pub directory: bool,
    /// Exchanges can be left under way.
    pub pieces: bool,
    /// An approval means capture.
    pub captures: bool,
    /// The first reads come so soon.
    pub first_poll: Ms,
}

struct Running {
    client: Arc<Client>,
    interrupts: Arc<Interrupts>,
}

/// The till.
pub struct Till {
    shared: Arc<Shared>,
    setup: Setup,
    running: Vec<Option<Running>>,
    memories: Vec<Arc<Memory>>,
    /// The meter in use.
    meter: usize,
    trip: u32,
    tries: u32,
    /// Payments on their way to another meter.
    parcels: Vec<String>,
    seed: u64,
    /// Payments asked for.
    pub rides: u64,
}

const NOBODY: u32 = 0;
/// Captures by a human's decision are numbered from here, in the books alone.
const DECIDED: u32 = 1_000;

fn receipt(amount: i64) -> Receipt {
    Receipt {
        lines: vec![OrderLine {
            id: "line_item_1".into(),
            name: "trip".into(),
            total: amount,
            total_excluding_vat: amount - amount / 10,
            vat: amount / 10,
            vat_rate: 1200,
            quantity: None,
            discount: None,
            is_return: false,
        }],
        tip: None,
        pos_id: None,
        receipt_number: None,
        currency: Currency::Nok,
    }
}

fn nothing_recorded(code: i32) -> bool {
    (-19..=-1).contains(&code)
}

fn in_doubt(code: i32) -> bool {
    (-99..=-90).contains(&code)
}

/// Codes of groups that say "nothing was sent".
fn nothing_sent(code: i32) -> bool {
    nothing_recorded(code) || (-59..=-40).contains(&code) || in_doubt(code)
}

impl Till {
    /// A till with one meter.
    pub fn new(shared: Arc<Shared>, setup: Setup, seed: u64) -> Till {
        let mut till = Till {
            shared,
            setup,
            running: Vec::new(),
            memories: Vec::new(),
            meter: 0,
            trip: 1,
            tries: 0,
            parcels: Vec::new(),
            seed,
            rides: 0,
        };
        till.new_meter();
        till
    }

    fn new_meter(&mut self) -> usize {
        let mut world = self.shared.world();
        let now = world.now;
        world.meters.push(Meter {
            medium: Medium::new(),
            boot_at: now,
            wall_error: 0,
            generation: 0,
            dead: false,
            trouble: None,
        });
        drop(world);
        self.running.push(None);
        self.memories.push(Arc::new(Memory::new()));
        self.running.len() - 1
    }

    fn say(&self, line: impl FnOnce() -> String) {
        self.shared.world().say(line);
    }

    fn config(&self, meter: usize) -> Config {
        let (token, gateway) = match self.setup.tokens {
            true => (TokenFrom::Servers, false),
            false => (TokenFrom::Gateway, true),
        };
        let key = |text: &str| {
            if gateway {
                String::new()
            } else {
                text.to_string()
            }
        };
        Config {
            base_url: "https://api.vipps.no".into(),
            credentials: Credentials {
                client_id: key("id"),
                client_secret: key("secret").into(),
                subscription_key: key("subscription").into(),
                msn: "123456".into(),
            },
            access: Access {
                token,
                gateway,
                header: None,
            },
            market: Market::Norway,
            device: format!("taxi-{meter}"),
            system_name: "meter".into(),
            system_version: String::new(),
            plugin_name: String::new(),
            plugin_version: String::new(),
            allow_refund: true,
            request_ms: 10_000,
            connect_ms: 5_000,
            poll: PollPlan {
                first_ms: self.setup.first_poll,
                every_ms: 2_000,
            },
        }
    }

    /// Starts a meter's client; it may fail, as the disk may.
    fn start(&mut self, meter: usize) -> bool {
        if self.running[meter].is_some() {
            return true;
        }
        let generation = self.shared.world().meters[meter].generation;
        let doors = Doors {
            shared: self.shared.clone(),
            meter,
            generation,
        };
        let interrupts = Arc::new(Interrupts::new());
        let (config, memory) = (self.config(meter), self.memories[meter].clone());
        let (directory, pieces) = (self.setup.directory, self.setup.pieces);
        let its = interrupts.clone();
        let opened = self.guarded(meter, move || {
            let store: Arc<dyn Store> = match directory {
                true => {
                    let disk = Arc::new(MeterDisk(doors.clone()));
                    let opened = Directory::open(std::path::Path::new("/journal"), disk);
                    Arc::new(opened.map_err(|e| e.report())?)
                }
                false => memory,
            };
            Client::open(
                config,
                ClientDoors {
                    transport: Arc::new(Network {
                        doors: doors.clone(),
                        pieces,
                    }),
                    store,
                    clock: Arc::new(BestClock::new(Arc::new(doors.clone()))),
                    hooks: Arc::new(doors.clone()),
                    random: Arc::new(doors),
                    interrupts: its,
                },
            )
        });
        match opened {
            Some(Ok(client)) => {
                self.running[meter] = Some(Running { client, interrupts });
                true
            }
            Some(Err(report)) => {
                self.say(|| format!("meter {meter} does not open: {report}"));
                false
            }
            None => false,
        }
    }

    /// Runs something of the client; `None` if the process ended in it.
    fn guarded<T>(&mut self, meter: usize, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(why) => {
                self.ended(meter, why);
                None
            }
        }
    }

    fn ended(&mut self, meter: usize, why: Box<dyn std::any::Any + Send>) {
        if why.downcast_ref::<PowerCut>().is_none() {
            let text = match why.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => why
                    .downcast_ref::<&str>()
                    .map_or("?".into(), |t| (*t).to_string()),
            };
            self.shared.world().ledger.broken("P14-no-panic", text);
        }
        let (mut rng, _) = self.shared.world().fates.draw(baton::scene(), Kind::Power);
        let end = match rng.chance(700) {
            true => End::Power,
            false => End::Killed,
        };
        let off = rng.time(40 * 60_000);
        self.end(meter, end, off);
    }

    /// The process of a meter ends, and the meter is off for a while.
    fn end(&mut self, meter: usize, end: End, off: Ms) {
        let end = match (self.setup.directory, end) {
            (false, End::Power) => End::Killed,
            (_, end) => end,
        };
        if end == End::Closed {
            self.running[meter] = None;
        }
        {
            let mut world = self.shared.world();
            let (mut rng, _) = world.fates.draw(baton::scene(), Kind::Power);
            let world = &mut *world;
            world.meters[meter].generation += 1;
            world.meters[meter].dead = false;
            match end {
                End::Power => world.meters[meter].medium.power_cut(&mut rng),
                End::Killed | End::Closed => world.meters[meter].medium.killed(),
            }
            world.meters[meter].wall_error = 0;
            if !world.calm && rng.chance(world.weather.level(Class::Wall)) {
                world.meters[meter].wall_error = rng.one(&[
                    -25 * 365 * 86_400_000,
                    13 * 365 * 86_400_000,
                    -3_600_000,
                    40 * 86_400_000,
                    -500 * 86_400_000,
                ]);
            }
            let wrong = world.meters[meter].wall_error;
            world.ledger.wall_was_wrong |= wrong.abs() >= 2 * 86_400_000;
            world.say(|| {
                let clock = match wrong {
                    0 => String::new(),
                    ms => format!(", and its clock is wrong by {} h", ms / 3_600_000),
                };
                format!(
                    "meter {meter}: {end:?}; on again {} s later{clock}",
                    off / 1000
                )
            });
        }
        // Whatever the process had under way is torn by its end.
        self.running[meter] = None;
        let mut world = self.shared.world();
        let until = world.now + off;
        world.pass_to(until);
        let now = world.now;
        world.meters[meter].boot_at = now;
    }

    /// A call on a payment of the host's: its code, if it came back.
    fn call(
        &mut self,
        meter: usize,
        reference: &str,
        what: &str,
        call: impl FnOnce(&Arc<Client>) -> Outcome,
    ) -> Option<i32> {
        if !self.start(meter) {
            return None;
        }
        let running = self.running[meter].as_ref()?;
        let client = running.client.clone();
        baton::begin(baton::scene(), Some(running.interrupts.clone()));
        self.say(|| format!("{what} {reference}"));
        let outcome = self.guarded(meter, || call(&client));
        drop(client);
        let outcome = outcome?;
        self.heard(meter, reference, what, &outcome);
        Some(outcome.report.code.number())
    }

    /// What a call came back with.
    fn heard(&mut self, meter: usize, reference: &str, what: &str, outcome: &Outcome) {
        let code = outcome.report.code.number();
        let mut world = self.shared.world();
        let world = &mut *world;
        world.say(|| {
            let seen = outcome.payment.as_ref().map_or(String::new(), |s| {
                format!("; {:?}, {:?}, next {:?}", s.state, s.verdict, s.next_step)
            });
            format!("  = {} ({code}){seen}", outcome.report)
        });
        // What a 429 says is about the one copy that it answers. Of two threads on one payment it is not told here which call
        // an exchange belongs to.
        if nothing_sent(code)
            && !what.starts_with("thread")
            && outcome.report.code != Code::RateLimited
        {
            let sent = baton::sent_here().into_iter().find_map(|id| {
                let x = world.exchanges.get(&id)?;
                let ours = x.request.op.writes() && x.request.reference == reference;
                (ours && x.beyond_gateway).then_some(x.request.op)
            });
            let at_servers = world.servers.payments.contains_key(reference);
            let known_elsewhere = outcome.report.code == Code::ReferenceInUse && !at_servers;
            if let Some(op) = sent.filter(|_| !known_elsewhere) {
                let text = format!(
                    "{} ({code}) from {what} of {reference}, which sent a {}",
                    outcome.report.code.name(),
                    op.word()
                );
                world.ledger.broken("P5-nothing-was-sent", text);
            }
        }
        if let Some(s) = &outcome.payment {
            if s.reference == reference {
                let now = world.now;
                world.ledger.shown(meter, s, &world.servers, now);
            }
        }
    }

    // What the till does

    /// Plays a scene.
    pub fn play(&mut self, scene: &Scene) {
        let mut world = self.shared.world();
        let until = world.now + scene.pause;
        world.pass_to(until);
        drop(world);
        baton::begin(scene.number, None);
        let (mut rng, _) = self.shared.world().fates.draw(scene.number, Kind::Till);
        if rng.chance(300) {
            let meter = self.meter;
            self.shared.world().meters[meter].wall_error = 0;
        }
        self.act(scene.act, scene.wait, &mut rng);
    }

    fn current(&self) -> Option<Ride> {
        let world = self.shared.world();
        world.ledger.rides.last().cloned()
    }

    fn act(&mut self, act: Act, wait: u32, rng: &mut Rng) {
        match act {
            Act::Create => return self.create(wait, rng, false),
            Act::RunRide => return self.create(wait, rng, true),
            Act::NextTrip => {
                self.trip += 1;
                self.tries = 0;
                return self.create(wait, rng, false);
            }
            Act::Settle => return self.settle(self.meter, wait),
            Act::Worker => {
                let meter = self.meter;
                if !self.start(meter) {
                    return;
                }
                if let Some(running) = &self.running[meter] {
                    let client = running.client.clone();
                    baton::begin(baton::scene(), Some(running.interrupts.clone()));
                    self.say(|| format!("worker, {wait} ms"));
                    self.guarded(meter, || client.worker_run(wait));
                }
                return;
            }
            Act::Restart(end) => {
                let off = rng.time(20 * 60_000);
                return self.end(self.meter, end, off);
            }
            Act::Move => return self.move_on(),
            _ => {}
        }
        let Some(ride) = self.current() else {
            return;
        };
        let (meter, name) = (ride.meter, ride.reference.as_str());
        match act {
            Act::Again(other) => self.again(&ride, other, wait),
            Act::Poll => drop(self.call(meter, name, "poll", |c| c.poll(name, wait))),
            Act::Known => drop(self.call(meter, name, "look at", |c| c.known_payment(name))),
            Act::Receipt => {
                let receipt = receipt(ride.content.amount);
                self.call(meter, name, "receipt of", |c| {
                    c.post_receipt(name, &receipt, wait)
                });
            }
            Act::Capture(part, last) => self.capture(&ride, part, last, wait),
            Act::Refund(part) => self.refund(&ride, part, wait),
            Act::Cancel(kind) => self.cancel(&ride, kind, wait),
            Act::Decide(capture) => self.decide(&ride, capture, wait),
            Act::Webhook(forged) => self.webhook(&ride, forged, wait, rng),
            Act::Portal(what, part) => {
                let mut world = self.shared.world();
                let Some(p) = world.servers.payments.get(name) else {
                    return;
                };
                let (op, of) = match what {
                    0 => (Op::Capture, p.reserved()),
                    1 => (Op::Refund, p.sums.captured - p.sums.refunded),
                    _ => (Op::Cancel, p.reserved()),
                };
                // Often exactly the sum that the meter is about to move.
                let amount = match ride.captures.last().or(ride.refunds.last()) {
                    Some(ask) if rng.chance(500) => ask.amount,
                    _ => share(part, of),
                };
                world.portal(name, op, amount);
            }
            Act::Beside(first, second) => self.beside(&ride, first, second, wait),
            _ => {}
        }
    }

    fn request(&self, ride: &Ride) -> PushPayment {
        PushPayment {
            reference: ride.reference.clone(),
            trip: ride.trip.clone(),
            part_of_trip: false,
            amount: ride.content.amount,
            currency: "NOK".into(),
            phone: ride.content.phone.clone(),
            description: ride.content.description.clone(),
            on_approval: match ride.content.captures {
                true => OnApproval::Capture,
                false => OnApproval::Hold,
            },
            decide_within_ms: 0,
            interaction: CustomerInteraction::Present,
            receipt: ride.content.receipt.then(|| receipt(ride.content.amount)),
        }
    }

    fn create(&mut self, wait: u32, rng: &mut Rng, whole: bool) {
        let elsewhere = self.current().is_some_and(|r| r.meter != self.meter);
        if elsewhere {
            // Its payments are on their way to this meter: the driver waits for them, or has the next passenger.
            self.trip += 1;
            self.tries = 0;
        }
        let trip = format!("trip-{}-{}", self.seed, self.trip);
        let unfinished = self
            .current()
            .filter(|r| r.trip == trip && !r.recorded && r.captures.is_empty());
        let ride = match unfinished {
            // It was not recorded, or nobody knows: the same again.
            Some(ride) => ride,
            None => {
                self.tries += 1;
                let amount = rng.between(30, 400) * 300;
                let unknown = rng.chance(30);
                let tail = match unknown {
                    true => 0,
                    false => rng.between(1, 99_999),
                };
                Ride {
                    reference: format!("{trip}-{}", self.tries),
                    trip,
                    content: Content {
                        amount,
                        phone: format!("9{:02}{tail:05}", rng.below(100)),
                        description: "A ride by taxi".into(),
                        captures: whole || self.setup.captures,
                        receipt: rng.chance(300),
                    },
                    recorded: false,
                    doubtful: false,
                    asked_at: self.shared.world().now,
                    meter: self.meter,
                    given_up: false,
                    cash: None,
                    secured: false,
                    captures: Vec::new(),
                    refunds: Vec::new(),
                    last: None,
                }
            }
        };
        self.rides += 1;
        let mut ride = ride;
        if whole && !ride.content.captures {
            return;
        }
        // Without a number, captures of the library's own count as asked for.
        if ride.content.captures && ride.captures.is_empty() {
            ride.captures.push(Ask {
                nth: 1,
                amount: ride.content.amount,
                state: Asked::Open,
                implied: true,
                doubtful: false,
            });
        }
        let name = ride.reference.clone();
        {
            let mut world = self.shared.world();
            match world.ledger.ride_mut(&name) {
                Some(known) => known.captures.clone_from(&ride.captures),
                None => world.ledger.rides.push(ride.clone()),
            }
        }
        self.say(|| {
            format!(
                "the till asks for {} øre of trip {}{}",
                ride.content.amount,
                ride.trip,
                if ride.content.captures {
                    ", to be captured on approval"
                } else {
                    ""
                }
            )
        });
        let request = self.request(&ride);
        let meter = ride.meter;
        let code = match whole {
            true => {
                let whole = WholeRide {
                    push: request,
                    receipt_ms: 0,
                };
                self.call(meter, &name, "whole ride", |c| c.run_ride(&whole, wait))
            }
            false => self.call(meter, &name, "create", |c| {
                c.create_push_payment(&request, wait)
            }),
        };
        let mut world = self.shared.world();
        let world = &mut *world;
        let Some(known) = world.ledger.ride_mut(&name) else {
            return;
        };
        match code {
            Some(code) if nothing_recorded(code) && !known.doubtful && !known.recorded => {
                world.ledger.rides.retain(|r| r.reference != name);
            }
            Some(code) if in_doubt(code) => known.doubtful |= !known.recorded,
            None => known.doubtful |= !known.recorded,
            Some(code) => {
                known.recorded = true;
                if whole && !baton::gave_up() {
                    world
                        .ledger
                        .answered(&name, Op::Capture, 1, code, &world.servers);
                }
            }
        }
    }

    fn again(&mut self, ride: &Ride, other: Other, wait: u32) {
        if ride.doubtful || !ride.recorded {
            return;
        }
        let mut changed = ride.clone();
        let content = &mut changed.content;
        match other {
            Other::Same => {}
            Other::Number => {
                let last = content.phone.pop().unwrap_or('0');
                content.phone.push(if last == '7' { '8' } else { '7' });
            }
            Other::NumberFront => {
                let third = if content.phone.as_bytes()[1] == b'5' {
                    "6"
                } else {
                    "5"
                };
                content.phone.replace_range(1..2, third);
            }
            Other::Amount => content.amount += 300,
            Other::Description => content.description = "Another ride".into(),
            Other::Receipt => content.receipt = !content.receipt,
        }
        let request = self.request(&changed);
        let what = match other {
            Other::Same => "create once more".to_string(),
            _ => format!("create with another {other:?}"),
        };
        let name = &ride.reference;
        let code = self.call(ride.meter, name, &what, |c| {
            c.create_push_payment(&request, wait)
        });
        if let Some(code) = code.filter(|_| other != Other::Same) {
            let refused =
                nothing_recorded(code) || in_doubt(code) || code == Code::NotPermitted.number();
            if !refused {
                self.shared.world().ledger.broken(
                    "P11-same-request",
                    format!("code {code} for {name} asked for again with another {other:?}"),
                );
            }
        }
    }

    /// The number and amount of the next ask: the last one again while it is open, else a new one.
    fn next_ask(asks: &[Ask], part: Part, left: i64) -> Option<Ask> {
        // What the library chose by itself has no number of the till's.
        match asks.iter().rfind(|a| a.nth < DECIDED) {
            Some(last) if last.state == Asked::Open => Some(*last),
            Some(last) if last.state == Asked::Refused => Some(Ask {
                nth: last.nth + 1,
                state: Asked::Open,
                ..*last
            }),
            last => {
                let amount = share(part, left);
                (amount > 0).then(|| Ask {
                    nth: last.map_or(1, |a| a.nth + 1),
                    amount,
                    state: Asked::Open,
                    implied: false,
                    doubtful: false,
                })
            }
        }
    }

    fn movement(
        &mut self,
        ride: &Ride,
        op: Op,
        ask: Ask,
        call: impl FnOnce(&Arc<Client>, Ask) -> Outcome,
    ) {
        let name = ride.reference.clone();
        let fresh = {
            let mut world = self.shared.world();
            let Some(known) = world.ledger.ride_mut(&name) else {
                return;
            };
            let asks = match op {
                Op::Capture => &mut known.captures,
                _ => &mut known.refunds,
            };
            let fresh = !asks.iter().any(|a| a.nth == ask.nth);
            if fresh {
                asks.push(ask);
            }
            fresh
        };
        let what = format!("{} {} of {} øre of", op.word(), ask.nth, ask.amount);
        let code = self.call(ride.meter, &name, &what, |c| call(c, ask));
        let mut world = self.shared.world();
        let world = &mut *world;
        match code {
            Some(_) if baton::gave_up() => {}
            Some(code) if nothing_recorded(code) && fresh => {
                if let Some(known) = world.ledger.ride_mut(&name) {
                    match op {
                        Op::Capture => known.captures.retain(|a| a.nth != ask.nth),
                        _ => known.refunds.retain(|a| a.nth != ask.nth),
                    }
                }
            }
            Some(code) => {
                let told = code >= 0 || (-89..=-60).contains(&code);
                if told && op == Op::Capture {
                    // What the library might have chosen, the till has now.
                    if let Some(known) = world.ledger.ride_mut(&name) {
                        let asks = known.captures.iter_mut();
                        asks.filter(|a| a.nth == ask.nth).for_each(|a| {
                            a.implied = false;
                            a.doubtful = false;
                        });
                    }
                } else if fresh {
                    world.ledger.doubt(&name, op, ask.nth);
                }
                world
                    .ledger
                    .answered(&name, op, ask.nth, code, &world.servers);
            }
            None if fresh => world.ledger.doubt(&name, op, ask.nth),
            None => {}
        }
    }

    fn capture(&mut self, ride: &Ride, part: Part, last: bool, wait: u32) {
        let done: i64 = ride
            .captures
            .iter()
            .filter(|a| a.state == Asked::Proven)
            .map(|a| a.amount)
            .sum();
        let left = ride.content.amount - done;
        // A capture on approval that the till did not ask for yet may be of any part.
        let open_implied = ride.content.captures && ride.captures.len() == 1;
        let ask = match open_implied && ride.captures[0].state == Asked::Open {
            true => Some(ride.captures[0]),
            false => Till::next_ask(&ride.captures, part, left),
        };
        if let Some(ask) = ask {
            self.movement(ride, Op::Capture, ask, |c, ask| {
                c.capture(&ride.reference, ask.amount, ask.nth, last, wait)
            });
        }
    }

    fn refund(&mut self, ride: &Ride, part: Part, wait: u32) {
        let asks = |state: Asked, list: &[Ask]| -> i64 {
            list.iter()
                .filter(|a| a.state == state)
                .map(|a| a.amount)
                .sum()
        };
        let left = asks(Asked::Proven, &ride.captures) - asks(Asked::Proven, &ride.refunds);
        if let Some(ask) = Till::next_ask(&ride.refunds, part, left) {
            self.movement(ride, Op::Refund, ask, |c, ask| {
                c.refund(&ride.reference, ask.amount, ask.nth, wait)
            });
        }
    }

    fn cancel(&mut self, ride: &Ride, kind: Cancel, wait: u32) {
        let (how, what) = match kind {
            Cancel::IfNotApproved => (CancelHow::IfNotApproved, "cancel if not approved"),
            Cancel::GiveUp => (CancelHow::GiveUp, "give up"),
            Cancel::Rest => (CancelHow::ReleaseRest, "release the rest of"),
        };
        let name = &ride.reference;
        let code = self.call(ride.meter, name, what, |c| c.cancel(name, how, wait));
        let recorded = matches!(code, Some(0 | 1 | -60));
        if recorded && kind == Cancel::GiveUp {
            if let Some(known) = self.shared.world().ledger.ride_mut(name) {
                known.given_up = true;
            }
        }
    }

    fn decide(&mut self, ride: &Ride, capture: bool, wait: u32) {
        let name = ride.reference.clone();
        let open = ride
            .captures
            .iter()
            .any(|a| a.state == Asked::Open && !a.doubtful);
        let number = DECIDED + ride.captures.len() as u32;
        if capture && !open {
            if let Some(known) = self.shared.world().ledger.ride_mut(&name) {
                known.captures.push(Ask {
                    nth: number,
                    amount: 0,
                    state: Asked::Open,
                    implied: true,
                    doubtful: false,
                });
            }
        }
        let (decision, what) = match capture {
            true => (Decision::Capture, "the office decides to capture"),
            false => (Decision::GiveUp, "the office decides to give up"),
        };
        let code = self.call(ride.meter, &name, what, |c| c.decide(&name, decision, wait));
        if let Some(known) = self.shared.world().ledger.ride_mut(&name) {
            match code {
                Some(code) if nothing_recorded(code) => {
                    known.captures.retain(|a| a.nth != number);
                }
                // Who decides that knows that it is not captured.
                _ if !capture => known.secured = false,
                _ => {}
            }
        }
    }

    fn webhook(&mut self, ride: &Ride, forged: bool, wait: u32, rng: &mut Rng) {
        let heard = match forged {
            true => Some((
                ride.reference.clone(),
                rng.one(&[
                    "CAPTURED",
                    "AUTHORIZED",
                    "TERMINATED",
                    "REFUNDED",
                    "EXPIRED",
                    "PAID",
                ]),
            )),
            false => {
                let world = self.shared.world();
                let count = world.inbox.len();
                let late = rng.chance(300);
                match count {
                    0 => None,
                    n if late => Some(world.inbox[rng.below(n as u64) as usize].clone()),
                    n => Some(world.inbox[n - 1].clone()),
                }
            }
        };
        let Some((name, event)) = heard else {
            return;
        };
        let meter = self
            .shared
            .world()
            .ledger
            .ride(&name)
            .map_or(self.meter, |r| r.meter);
        let what = format!("event {event}{} of", if forged { " (forged)" } else { "" });
        self.call(meter, &name, &what, |c| {
            c.apply_webhook(&name, event, "123456", wait)
        });
    }

    fn settle(&mut self, meter: usize, wait: u32) {
        if !self.start(meter) {
            return;
        }
        let Some(running) = &self.running[meter] else {
            return;
        };
        let client = running.client.clone();
        baton::begin(baton::scene(), Some(running.interrupts.clone()));
        self.say(|| format!("settle, {wait} ms"));
        let shared = self.shared.clone();
        let report = self.guarded(meter, || {
            client.settle(wait, &mut |s| {
                let mut world = shared.world();
                let world = &mut *world;
                world.ledger.shown(meter, s, &world.servers, world.now);
            })
        });
        drop(client);
        if let Some(report) = report {
            self.say(|| format!("  = {report} ({})", report.code.number()));
        }
    }

    fn move_on(&mut self) {
        let from = self.meter;
        if !self.start(from) {
            return;
        }
        let Some(running) = &self.running[from] else {
            return;
        };
        let client = running.client.clone();
        self.say(|| format!("meter {from} hands its payments over"));
        let mut texts = Vec::new();
        let report = self.guarded(from, || {
            client.export(&mut |_, text| texts.push(text.to_string()))
        });
        drop(client);
        if let Some(Err(report)) = &report {
            self.say(|| format!("  = {report}"));
        }
        if texts.is_empty() {
            return;
        }
        let to = self.new_meter();
        self.meter = to;
        self.parcels.extend(texts);
        self.deliver();
    }

    /// Imports what was exported.
    fn deliver(&mut self) {
        let to = self.meter;
        for text in std::mem::take(&mut self.parcels) {
            let name = text
                .split_once(r#""reference":""#)
                .and_then(|(_, rest)| rest.split('"').next())
                .unwrap_or("?")
                .to_string();
            if self
                .shared
                .world()
                .ledger
                .ride(&name)
                .is_none_or(|r| r.meter == to)
                || !self.start(to)
            {
                self.parcels.push(text);
                continue;
            }
            let Some(running) = &self.running[to] else {
                continue;
            };
            let client = running.client.clone();
            let taken = self.guarded(to, || client.import(&text));
            drop(client);
            self.say(|| format!("meter {to} takes {name} over: {taken:?}"));
            let there = match &taken {
                Some(Ok(())) => true,
                Some(Err(report)) => report.code == Code::ReferenceInUse,
                None => false,
            };
            if there {
                if let Some(ride) = self.shared.world().ledger.ride_mut(&name) {
                    ride.meter = to;
                }
            } else {
                self.parcels.push(text);
            }
        }
    }

    /// Two calls at once on one payment, or a worker or a settle beside one.
    fn beside(&mut self, ride: &Ride, first: u8, second: u8, wait: u32) {
        let meter = ride.meter;
        if !self.start(meter) {
            return;
        }
        let Some(running) = &self.running[meter] else {
            return;
        };
        let (client, interrupts) = (running.client.clone(), running.interrupts.clone());
        let name = ride.reference.clone();
        let scene = baton::scene();
        let ask = ride
            .captures
            .last()
            .filter(|a| a.state == Asked::Open && !a.implied)
            .copied();
        let shared = self.shared.clone();
        let baton = Baton::new(shared, 2);
        self.say(|| format!("two threads on {name}: {first} and {second}"));
        let mut ends: Vec<(String, std::thread::Result<Outcome>, Vec<u64>)> = Vec::new();
        std::thread::scope(|s| {
            let handles: Vec<_> = [(0usize, first), (1, 10 + second)]
                .into_iter()
                .map(|(seat, what)| {
                    let (client, interrupts) = (client.clone(), interrupts.clone());
                    let (baton, name) = (baton.clone(), name.clone());
                    s.spawn(move || {
                        baton.sit(seat);
                        baton::begin(scene, Some(interrupts));
                        let nothing = |report| Outcome {
                            report,
                            payment: None,
                        };
                        let outcome = catch_unwind(AssertUnwindSafe(|| match (what, ask) {
                            (0, Some(a)) | (11, Some(a)) => {
                                client.capture(&name, a.amount, a.nth, false, wait)
                            }
                            (1, _) => client.cancel(&name, CancelHow::IfNotApproved, wait),
                            (2, _) | (10, _) => client.poll(&name, wait),
                            (12, _) => nothing(client.settle(wait, &mut |_| {})),
                            (3, _) | (13, _) => nothing(client.worker_run(wait)),
                            (4, _) => client.apply_webhook(&name, "AUTHORIZED", "", wait),
                            _ => client.poll(&name, wait),
                        }));
                        drop(client);
                        let sent = baton::sent_here();
                        baton.leave(seat);
                        (format!("thread {seat}:"), outcome, sent)
                    })
                })
                .collect();
            for handle in handles {
                if let Ok(end) = handle.join() {
                    ends.push(end);
                }
            }
        });
        drop(client);
        let mut died = None;
        for (what, outcome, sent) in ends {
            match outcome {
                Ok(outcome) => {
                    baton::begin(scene, None);
                    sent.into_iter().for_each(baton::sent);
                    self.heard(meter, &name, &what, &outcome);
                    if what == "thread 0:" && first == 0 || what == "thread 1:" && second == 1 {
                        if let Some(a) = ask {
                            let mut world = self.shared.world();
                            let world = &mut *world;
                            let code = outcome.report.code.number();
                            world
                                .ledger
                                .answered(&name, Op::Capture, a.nth, code, &world.servers);
                        }
                    }
                }
                Err(why) => died = Some(why),
            }
        }
        if let Some(why) = died {
            self.ended(meter, why);
        }
    }

    // The end

    /// The faults end; time passes, and every meter settles.
    pub fn rest(&mut self) {
        baton::begin(NOBODY, None);
        {
            let mut world = self.shared.world();
            world.calm = true;
            world.slumber = 1_000;
            world.say(|| "-- the faults are over".into());
            for meter in &mut world.meters {
                meter.trouble = None;
                meter.wall_error = 0;
            }
        }
        // Interrupts stick until a call has returned for them: those of the faults are over too.
        for running in self.running.iter().flatten() {
            running.interrupts.clear();
        }
        let minute = 60_000;
        let pauses = [
            0,
            5_000,
            30_000,
            2 * minute,
            5 * minute,
            8 * minute,
            15 * minute,
            40 * minute,
            3 * 60 * minute,
            8 * 60 * minute,
            14 * 60 * minute,
        ];
        for (n, pause) in pauses.into_iter().enumerate() {
            let mut world = self.shared.world();
            if world.ledger.violation.is_some() {
                return;
            }
            let until = world.now + pause;
            world.pass_to(until);
            drop(world);
            if !self.parcels.is_empty() {
                self.deliver();
            }
            for meter in 0..self.running.len() {
                self.settle(meter, 20_000);
            }
            if n == 1 {
                self.hand_over_once_more();
            }
            if n == 5 {
                self.try_paid_trips();
            }
        }
        self.last_look();
    }

    /// The power failed in the middle of a hand-over: whoever had the texts asks for them again.
    fn hand_over_once_more(&mut self) {
        for (meter, s) in self.listed() {
            let frozen = s.owed & vpmeter_core::verdict::owed::ELSEWHERE != 0;
            let here = self
                .shared
                .world()
                .ledger
                .ride(&s.reference)
                .is_some_and(|r| r.meter == meter);
            if frozen && here {
                self.meter = meter;
                self.move_on();
            }
        }
    }

    fn broken(&self) -> bool {
        self.shared.world().ledger.violation.is_some()
    }

    /// A trip that was paid today is not charged again.
    fn try_paid_trips(&mut self) {
        if self.shared.world().ledger.wall_was_wrong {
            return;
        }
        let rides = self.shared.world().ledger.rides.clone();
        for ride in rides {
            let world = self.shared.world();
            let paid = world
                .servers
                .payments
                .get(&ride.reference)
                .is_some_and(|p| p.sums.captured > p.sums.refunded && !p.is_alive());
            let known = ride.last.as_ref().is_some_and(|s| s.captured > 0);
            let today = world.now - ride.asked_at < 20 * 3_600_000;
            drop(world);
            if !paid || !known || !today || ride.meter != self.meter {
                continue;
            }
            let mut other = ride.clone();
            other.reference = format!("{}-again", ride.reference);
            let request = self.request(&other);
            let code = self.call(
                ride.meter,
                &other.reference,
                "create for a paid trip,",
                |c| c.create_push_payment(&request, 0),
            );
            if code.is_some_and(|c| !nothing_recorded(c) && !in_doubt(c)) {
                self.shared.world().ledger.broken(
                    "P10-remembered",
                    format!(
                        "the trip of {} is paid, and another payment for it is taken",
                        ride.reference
                    ),
                );
                return;
            }
        }
    }

    fn listed(&mut self) -> Vec<(usize, Snapshot)> {
        let mut listed = Vec::new();
        for meter in 0..self.running.len() {
            if !self.start(meter) {
                self.shared.world().ledger.broken(
                    "P7-nothing-for-ever",
                    format!("meter {meter} does not open, though nothing is wrong any more"),
                );
                return listed;
            }
            let Some(running) = &self.running[meter] else {
                continue;
            };
            let client = running.client.clone();
            let result = self.guarded(meter, || {
                client.list_payments(&Filter::default(), &mut |s| {
                    listed.push((meter, s.clone()));
                    true
                })
            });
            if let Some(Err(report)) = result {
                self.shared
                    .world()
                    .ledger
                    .broken("P7-nothing-for-ever", format!("no list: {report}"));
            }
        }
        listed
    }

    fn last_look(&mut self) {
        if self.broken() {
            return;
        }
        let listed = self.listed();
        {
            let mut world = self.shared.world();
            let world = &mut *world;
            for (meter, s) in &listed {
                world.ledger.shown(*meter, s, &world.servers, world.now);
            }
            world.ledger.end(&listed, &world.servers);
            for ride in world.ledger.rides.clone() {
                let settled = listed.iter().any(|(m, s)| {
                    *m == ride.meter && s.reference == ride.reference && s.requests > 0
                });
                let known = world.servers.payments.contains_key(&ride.reference);
                if world.ledger.disk_failed || !settled || !known && ride.doubtful {
                    continue;
                }
                for (n, meter) in world.meters.iter().enumerate() {
                    if let Some(path) = meter.medium.holds(ride.content.phone.as_bytes()) {
                        let text =
                            format!("the number of {} is in {path} of meter {n}", ride.reference);
                        world.ledger.broken("P8-phone-number", text);
                        break;
                    }
                }
            }
        }
        let rides = self.shared.world().ledger.rides.clone();
        for ride in rides {
            if self.broken() {
                return;
            }
            let closed = listed
                .iter()
                .any(|(m, s)| *m == ride.meter && s.reference == ride.reference && s.closed);
            if !closed {
                continue;
            }
            self.portal_refunds(&ride);
            self.reference_again(&ride);
        }
    }

    /// A closed payment hears of what others do.
    fn portal_refunds(&mut self, ride: &Ride) {
        let name = &ride.reference;
        let mut world = self.shared.world();
        let Some(left) = world
            .servers
            .payments
            .get(name)
            .map(|p| p.sums.captured - p.sums.refunded)
            .filter(|left| *left > 0)
        else {
            return;
        };
        world.portal(name, Op::Refund, (left + 1) / 2);
        let until = world.now + 300_000;
        world.pass_to(until);
        let by_event = world.now % 2 == 0;
        drop(world);
        let meter = ride.meter;
        match by_event {
            true => self.call(meter, name, "event REFUNDED of", |c| {
                c.apply_webhook(name, "REFUNDED", "", 8_000)
            }),
            false => {
                // A connection of hours ago may be dead: without an answer the call says what is known here.
                self.call(meter, name, "poll", |c| c.poll(name, 8_000));
                self.call(meter, name, "poll", |c| c.poll(name, 8_000))
            }
        };
        let world = self.shared.world();
        let truth = world
            .servers
            .payments
            .get(name)
            .map_or(0, |p| p.sums.refunded);
        let shown = world
            .ledger
            .ride(name)
            .and_then(|r| r.last.as_ref())
            .map_or(0, |s| s.refunded);
        drop(world);
        if shown != truth {
            self.shared.world().ledger.broken(
                "P13-closed-not-blind",
                format!("{name} is closed; {truth} are refunded by others, and {shown} are shown after a {}", if by_event { "webhook" } else { "poll" }),
            );
        }
    }

    /// A closed reference is not used again.
    fn reference_again(&mut self, ride: &Ride) {
        let mut other = ride.clone();
        other.content.amount += 300;
        let request = self.request(&other);
        let code = self.call(
            ride.meter,
            &ride.reference,
            "create under a closed reference,",
            |c| c.create_push_payment(&request, 0),
        );
        if code.is_some_and(|c| c != Code::ReferenceInUse.number() && !in_doubt(c)) {
            self.shared.world().ledger.broken(
                "P10-remembered",
                format!("code {code:?} for another payment under {}", ride.reference),
            );
        }
    }
}

/// A part of a sum.
fn share(part: Part, of: i64) -> i64 {
    match part {
        Part::Whole => of,
        Part::Half => of / 2,
        Part::Third => of / 3,
        Part::Little => (of / 7).max(if of > 0 { 1 } else { 0 }),
    }
}
