//! The world of one run: time, the network, the servers and who else acts on them. One clock, one queue of what is going
//! to happen; time jumps from one to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chance::{Fates, Kind, Rng};
use super::disk::Medium;
use super::ledger::Ledger;
use super::weather::{Class, Weather};
use crate::model::answers::{self, Answer, Sums};
use crate::model::servers::{Arrival, Op, Request, Servers, State};
use crate::model::Ms;

/// 2026-11-27T00:00:00Z, Unix milliseconds: the model's time 0.
pub const BASE_UNIX_MS: i64 = 1_795_737_600_000;

/// What is going to happen.
#[derive(Clone, Debug)]
enum Next {
    /// A copy of a request reaches the servers.
    Arrive(u64, u8),
    /// A request has been carried out.
    Finish(u64, u32),
    /// An answer reaches the client.
    Reply(u64, Answer),
    /// The exchange fails.
    Fail(u64),
    /// The customer acts.
    Customer(String, bool),
}

/// Why an exchange gave no answer, as the transport will say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No connection.
    NoConnection,
    /// The connection broke.
    Broken,
    /// The time was over.
    Timeout,
    /// The call was stopped.
    Stopped,
}

/// What the transport gives back.
#[derive(Clone, Debug)]
pub enum Result {
    /// An answer, and the time that its `Date` tells, Unix milliseconds.
    Answer(Answer, Option<i64>),
    /// None.
    Failure {
        /// A byte may have left.
        may_have_left: bool,
        /// Why.
        why: Why,
    },
}

/// What becomes of an exchange.
#[derive(Clone, Debug, PartialEq)]
enum Way {
    Fine,
    /// Nothing leaves.
    Refused,
    /// It leaves and never arrives.
    LostBefore,
    /// It arrives, and the answer is lost.
    LostAfter,
    /// It fails, and arrives so long after it left.
    Late(Ms),
    /// It arrives, and once more so much later.
    Doubled(Ms),
    /// Something on the way loses the first answer, asks once more so much later, and gives the second answer.
    Repeated(Ms),
    /// Something on the way answers in its own words; the servers hear of the request or not.
    Foreign(Answer, bool),
    /// The gateway refuses: 401 or 429.
    Gateway(Answer),
    /// The answer makes no sense.
    Odd(u8),
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was sent.
    pub request: Arc<Request>,
    way: Way,
    scene: u32,
    left_at: Ms,
    limit_at: Ms,
    back: Ms,
    date: Option<i64>,
    answered: bool,
    /// The end, once there is one.
    pub result: Option<Result>,
    /// Nobody waits for it any more.
    torn: bool,
    never_left: bool,
    /// Reached the servers behind the gateway, or may yet.
    pub beyond_gateway: bool,
}

/// One meter.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Its disk.
    pub medium: Medium,
    /// When it was switched on.
    pub boot_at: Ms,
    /// By how much its wall clock is wrong.
    pub wall_error: Ms,
    /// Counts starts.
    pub generation: u32,
    /// The process has ended and does not know it yet.
    pub dead: bool,
    /// What is wrong with the disk until when: `None` if nothing.
    pub trouble: Option<(Trouble, Ms)>,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// EIO
    Io,
    /// EMFILE, ENFILE, ENOMEM
    Scarce,
    /// EACCES
    Denied,
    /// ENOSPC
    Full,
}

/// How long after it left a request may still act.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A create.
    pub create: Ms,
    /// A capture.
    pub capture: Ms,
    /// A refund or a cancel.
    pub other: Ms,
}

impl Bounds {
    fn of(&self, op: Op) -> Ms {
        match op {
            Op::Create => self.create,
            Op::Capture => self.capture,
            _ => self.other,
        }
    }
}

/// The world.
pub struct World {
    /// Now.
    pub now: Ms,
    /// The servers.
    pub servers: Servers,
    /// Chance.
    pub fates: Fates,
    /// What kinds of trouble there are.
    pub weather: Weather,
    /// What is presumed of late arrivals.
    pub bounds: Bounds,
    /// The meters.
    pub meters: Vec<Meter>,
    /// What was asked for, said and done.
    pub ledger: Ledger,
    /// Events that a webhook could tell of.
    pub inbox: Vec<(String, &'static str)>,
    /// The faults are over.
    pub calm: bool,
    /// A meter sleeps at least so long: it is busy.
    pub slumber: Ms,
    /// Exchanges by number.
    pub exchanges: BTreeMap<u64, Exchange>,
    queue: BTreeMap<(Ms, u64), Next>,
    waiting: BTreeMap<u64, Vec<(u64, u8)>>,
    counter: u64,
    /// The story, if it is told.
    pub story: Option<Vec<(Ms, String)>>,
    /// Until when the servers refuse an operation of a payment, and with what.
    spells: BTreeMap<(String, Op), (Ms, (u16, u32))>,
    keys_of: BTreeMap<(String, i64), Vec<String>>,
    /// Captures of an amount that was sent under another key before.
    pub new_keys: u64,
    /// Those of them where both could succeed.
    pub new_keys_that_fit: u64,
    /// Requests sent, for the figures.
    pub requests: u64,
}

impl World {
    /// A world at peace.
    pub fn new(fates: Fates, weather: Weather, bounds: Bounds, servers: Servers) -> World {
        World {
            now: 8 * 3_600_000,
            servers,
            fates,
            weather,
            bounds,
            meters: Vec::new(),
            ledger: Ledger::default(),
            inbox: Vec::new(),
            calm: false,
            slumber: 100,
            exchanges: BTreeMap::new(),
            queue: BTreeMap::new(),
            waiting: BTreeMap::new(),
            counter: 0,
            story: None,
            spells: BTreeMap::new(),
            keys_of: BTreeMap::new(),
            new_keys: 0,
            new_keys_that_fit: 0,
            requests: 0,
        }
    }

    /// Tells a line of the story.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if self.story.is_some() {
            let line = line();
            let now = self.now;
            if let Some(story) = &mut self.story {
                story.push((now, line));
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn plan(&mut self, at: Ms, next: Next) {
        let number = self.number();
        self.queue.insert((at.max(self.now), number), next);
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Ms> {
        self.queue.keys().next().map(|k| k.0)
    }

    /// Time goes on, and what is due happens.
    pub fn pass_to(&mut self, until: Ms) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let at = entry.key().0;
            let next = entry.remove();
            self.now = self.now.max(at);
            self.happen(next);
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, next: Next) {
        match next {
            Next::Arrive(id, copy) => self.arrive(id, copy),
            Next::Finish(run, scene) => self.finish(run, scene),
            Next::Reply(id, answer) => self.end(id, |x| {
                let date = x.date;
                Result::Answer(answer, date)
            }),
            Next::Fail(id) => {
                let refused = self
                    .exchanges
                    .get(&id)
                    .is_some_and(|x| x.way == Way::Refused);
                let now = self.now;
                self.end(id, |x| Result::Failure {
                    may_have_left: !refused,
                    why: match refused {
                        true => Why::NoConnection,
                        false if now >= x.limit_at => Why::Timeout,
                        false => Why::Broken,
                    },
                });
            }
            Next::Customer(reference, approves) => {
                let word = if approves { "approves" } else { "declines" };
                if self.servers.customer(&reference, approves, self.now) {
                    self.say(|| format!("the passenger {word} {reference}"));
                    let name = if approves { "AUTHORIZED" } else { "ABORTED" };
                    self.inbox.push((reference, name));
                }
            }
        }
    }

    fn end(&mut self, id: u64, result: impl FnOnce(&Exchange) -> Result) {
        if let Some(x) = self.exchanges.get_mut(&id) {
            if x.result.is_none() && !x.torn {
                x.result = Some(result(x));
            }
        }
    }

    // The network

    /// The client begins an exchange: its number.
    pub fn send(&mut self, request: Request, scene: u32, limit: Ms, connect: Ms) -> u64 {
        self.requests += 1;
        let id = self.number();
        let (mut rng, mark) = self.fates.draw(scene, Kind::Exchange);
        let op = request.op;
        let most = self.bounds.of(op);
        let mut way = Way::Fine;
        let mut slow = false;
        if !self.calm {
            let drawn = self.weather.way(&mut rng);
            if drawn.is_some_and(|_| self.fates.fires(mark)) {
                let most = most - 1_000;
                let later = |rng: &mut Rng| match rng.chance(400) {
                    true => rng.between(most / 2, most),
                    false => rng.time(most),
                };
                way = match drawn.unwrap_or(Class::Refused) {
                    Class::Refused => Way::Refused,
                    Class::LostBefore => Way::LostBefore,
                    Class::LostAfter => Way::LostAfter,
                    Class::Late => Way::Late(later(&mut rng)),
                    Class::Doubled => Way::Doubled(later(&mut rng)),
                    Class::Repeated => Way::Repeated(rng.time(8_000)),
                    Class::Foreign => foreign(op, &mut rng),
                    Class::Gateway => match rng.chance(500) {
                        true => Way::Gateway(answers::unauthorized()),
                        false => {
                            let (body, wait) = (rng.chance(700), rng.between(1, 60));
                            Way::Gateway(answers::too_many(body, wait))
                        }
                    },
                    Class::Odd if op == Op::Read => Way::Odd(rng.below(6) as u8),
                    Class::Slow => {
                        slow = true;
                        Way::Fine
                    }
                    _ => Way::Fine,
                };
            }
        }
        if op == Op::Capture {
            let name = (request.reference.clone(), request.amount);
            let keys = self.keys_of.entry(name).or_default();
            if !keys.contains(&request.key) {
                keys.push(request.key.clone());
                let further = keys.len() > 1;
                let both_fit = self
                    .servers
                    .payments
                    .get(&request.reference)
                    .is_some_and(|p| p.reserved() >= 2 * request.amount);
                self.new_keys += u64::from(further);
                self.new_keys_that_fit += u64::from(further && both_fit);
            }
        }
        let connecting = match slow {
            true => rng.between(500, 4_000),
            false => rng.between(20, 200),
        };
        let there = if slow {
            rng.between(100, 6_000)
        } else {
            rng.between(5, 80)
        };
        let back = if slow {
            rng.between(100, 6_000)
        } else {
            rng.between(5, 80)
        };
        let (now, left_at) = (self.now, self.now + connecting.min(connect));
        let limit_at = now + limit;
        let soon = rng.chance(500);
        let fails_at = match soon {
            true => left_at + rng.between(1, 2_000),
            false => limit_at,
        };
        let date = self.date(scene);
        self.say(|| {
            let name = match &request.reference {
                r if r.is_empty() => String::new(),
                r if request.amount > 0 => format!(" of {} for {r}", request.amount),
                r => format!(" for {r}"),
            };
            let key = match request.key.rsplit('-').next() {
                Some(end) if !end.is_empty() => format!(" under the key …{end}"),
                _ => String::new(),
            };
            format!("  -> {}{name}{key}{}", op.word(), way_words(&way))
        });
        let goes_in = |way: &Way| match way {
            Way::Refused | Way::LostBefore | Way::Gateway(_) => None,
            Way::Late(d) => Some(left_at + (*d).max(0)),
            Way::Foreign(_, false) => None,
            _ => Some(left_at + there),
        };
        if let Some(at) = goes_in(&way) {
            self.plan(at, Next::Arrive(id, 0));
        }
        match &way {
            Way::Refused => {
                let at = left_at.min(limit_at);
                self.plan(at, Next::Fail(id));
            }
            Way::LostBefore | Way::LostAfter | Way::Late(_) => {
                self.plan(fails_at.min(limit_at), Next::Fail(id));
            }
            Way::Doubled(d) | Way::Repeated(d) => {
                self.plan(left_at + there + *d, Next::Arrive(id, 1));
            }
            Way::Gateway(answer) | Way::Foreign(answer, false) => {
                let answer = answer.clone();
                self.plan(left_at + there + back, Next::Reply(id, answer));
            }
            _ => {}
        }
        if way != Way::Refused {
            self.plan(limit_at, Next::Fail(id));
        }
        let beyond_gateway = !matches!(way, Way::Refused | Way::Gateway(_));
        self.exchanges.insert(
            id,
            Exchange {
                request: Arc::new(request),
                way,
                scene,
                left_at,
                limit_at,
                back,
                date,
                answered: false,
                result: None,
                torn: false,
                never_left: false,
                beyond_gateway,
            },
        );
        id
    }

    fn date(&mut self, scene: u32) -> Option<i64> {
        let right = BASE_UNIX_MS + self.now;
        if self.calm || !self.weather.has(Class::Date) {
            return Some(right);
        }
        let (mut rng, mark) = self.fates.draw(scene, Kind::Answer);
        if !rng.chance(self.weather.level(Class::Date)) || !self.fates.fires(mark) {
            return Some(right);
        }
        let date = rng.one(&[
            None,
            Some(978_307_200_000),
            Some(2_208_988_800_000),
            Some(right + 395 * 86_400_000),
            Some(right - 3_600_000),
        ]);
        self.say(|| format!("  (the answer's Date will be {date:?})"));
        date
    }

    /// Nobody waits for an exchange any more. True: a byte may have left.
    pub fn tear(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(x) = self.exchanges.get_mut(&id) else {
            return true;
        };
        x.torn = true;
        if now < x.left_at || x.way == Way::Refused {
            x.never_left = true;
            x.beyond_gateway = false;
        }
        !x.never_left
    }

    fn arrive(&mut self, id: u64, copy: u8) {
        let Some(x) = self.exchanges.get(&id) else {
            return;
        };
        if x.never_left {
            return;
        }
        let (request, scene) = (x.request.clone(), x.scene);
        let late = x.torn || x.result.is_some() || copy > 0;
        if late && request.op.writes() {
            self.say(|| format!("  .. the {} reaches the servers", request.op.word()));
        }
        if request.op == Op::Cancel {
            self.approve_in_the_last_moment(&request.reference, scene);
        }
        match self.servers.arrive(&request, self.now) {
            Arrival::Answered(answer) => self.answer(id, copy, answer),
            Arrival::Joins(run) => self.waiting.entry(run).or_default().push((id, copy)),
            Arrival::Runs(run) => {
                let (mut rng, mark) = self.fates.draw(scene, Kind::Servers);
                let slow = !self.calm && self.weather.has(Class::Busy);
                let most = self.bounds.of(request.op) - (self.now - self.exchanges[&id].left_at);
                let took = match slow
                    && rng.chance(self.weather.level(Class::Busy))
                    && self.fates.fires(mark)
                {
                    true => rng.time(90_000).min(most.max(1)),
                    false => rng.between(5, 150),
                };
                self.waiting.entry(run).or_default().push((id, copy));
                let at = self.now + took;
                self.plan(at, Next::Finish(run, scene));
            }
        }
    }

    fn finish(&mut self, run: u64, scene: u32) {
        let waiting = self.waiting.remove(&run).unwrap_or_default();
        let asked = waiting
            .first()
            .and_then(|(id, _)| self.exchanges.get(id))
            .map(|x| x.request.clone());
        let op = asked.as_ref().map(|r| r.op);
        let refuse = asked.and_then(|r| self.refusal(&r, scene));
        let Some((answer, done)) = self.servers.finish(run, self.now, refuse) else {
            return;
        };
        if let Some(done) = done {
            if done.op.writes() {
                self.say(|| format!("  == {} of {} carried out", done.op.word(), done.amount));
                self.carried_out(&done, scene);
            }
        } else if op.is_some_and(Op::writes) {
            self.say(|| format!("  == the servers refuse it: {}", words(&answer)));
        }
        for (id, copy) in waiting {
            self.answer(id, copy, answer.clone());
        }
    }

    fn carried_out(&mut self, done: &crate::model::servers::Done, scene: u32) {
        let reference = done.reference.clone();
        match done.op {
            Op::Create => {
                self.inbox.push((reference.clone(), "CREATED"));
                self.invite(&reference, scene);
            }
            Op::Capture => self.inbox.push((reference, "CAPTURED")),
            Op::Refund => self.inbox.push((reference, "REFUNDED")),
            _ => {
                let name = match self.servers.payments.get(&reference).map(|p| p.state) {
                    Some(State::Terminated) => "TERMINATED",
                    _ => "CANCELLED",
                };
                self.inbox.push((reference, name));
            }
        }
        let now = self.now;
        self.ledger.carried_out(done, &self.servers, now);
    }

    /// A refusal of the servers' own.
    fn refusal(&mut self, request: &Request, scene: u32) -> Option<(u16, u32)> {
        let op = request.op;
        let spell = self.spells.get(&(request.reference.clone(), op));
        if let Some((_, refusal)) = spell.filter(|(until, _)| self.now < *until) {
            return Some(*refusal);
        }
        if self.calm || !self.weather.has(Class::Refusals) || op == Op::Receipt {
            return None;
        }
        let (mut rng, mark) = self.fates.draw(scene, Kind::Servers);
        if !rng.chance(self.weather.level(Class::Refusals)) || !self.fates.fires(mark) {
            return None;
        }
        let refusal = match op {
            Op::Create => rng.one(&[
                (400, 7010),
                (403, 5080),
                (400, 4070),
                (500, 3010),
                (409, 4150),
            ]),
            Op::Capture => rng.one(&[
                (400, 6080),
                (400, 6090),
                (400, 6170),
                (400, 6260),
                (400, 6280),
                (400, 6140),
                (409, 6160),
                (423, 0),
                (500, 3010),
                (400, 6100),
                (400, 6200),
                (409, 0),
            ]),
            Op::Refund => rng.one(&[
                (400, 6150),
                (400, 6180),
                (400, 6020),
                (409, 6160),
                (400, 5100),
                (423, 0),
                (500, 3010),
                (400, 6210),
                (409, 0),
            ]),
            _ => rng.one(&[
                (409, 6160),
                (400, 6250),
                (423, 0),
                (400, 6060),
                (400, 6050),
                (400, 6190),
                (500, 3010),
            ]),
        };
        let definite = matches!(refusal.1, 5100 | 6100 | 6140 | 6200 | 6210);
        if definite || rng.chance(700) {
            // What they refuse once they often refuse for a while, and what says "never" for good.
            let until = match definite {
                true => {
                    if op == Op::Refund {
                        self.ledger.refunds_refused.push(request.reference.clone());
                    }
                    i64::MAX
                }
                false => self.now + rng.time(20 * 60_000),
            };
            let name = (request.reference.clone(), op);
            self.spells.insert(name, (until, refusal));
        }
        Some(refusal)
    }

    fn answer(&mut self, id: u64, copy: u8, mut answer: Answer) {
        let Some(x) = self.exchanges.get(&id) else {
            return;
        };
        if x.answered {
            return;
        }
        match &x.way {
            Way::LostAfter | Way::LostBefore | Way::Late(_) => return,
            Way::Repeated(_) if copy == 0 => return,
            Way::Foreign(page, _) => answer = page.clone(),
            Way::Odd(n) => {
                if let Some(p) = self.servers.payments.get(&x.request.reference) {
                    answer = nonsense(*n, &x.request.reference, p);
                }
            }
            _ => {}
        }
        let at = self.now + x.back;
        if let Some(x) = self.exchanges.get_mut(&id) {
            x.answered = true;
        }
        self.plan(at, Next::Reply(id, answer));
    }

    // Others

    fn invite(&mut self, reference: &str, scene: u32) {
        let (mut rng, _) = self.fates.draw(scene, Kind::Customer);
        let (after, approves) = match rng.below(20) {
            0..=9 => (rng.between(200, 8_000), true),
            10..=12 => (rng.between(8_000, 60_000), true),
            13 | 14 => (rng.between(60_000, 599_000), true),
            15 | 16 => (rng.time(300_000), false),
            _ => return,
        };
        let at = self.now + after;
        self.plan(at, Next::Customer(reference.to_string(), approves));
    }

    fn approve_in_the_last_moment(&mut self, reference: &str, scene: u32) {
        let (mut rng, mark) = self.fates.draw(scene, Kind::Customer);
        if !self.calm && rng.chance(150) && self.fates.fires(mark) {
            self.happen(Next::Customer(reference.to_string(), true));
        }
    }

    /// Somebody in the portal moves money.
    pub fn portal(&mut self, reference: &str, op: Op, amount: i64) {
        if let Some(moved) = self.servers.portal(reference, op, amount, self.now) {
            self.say(|| format!("in the portal: {} of {moved} for {reference}", op.word()));
            let name = match op {
                Op::Capture => "CAPTURED",
                Op::Refund => "REFUNDED",
                _ => "CANCELLED",
            };
            self.inbox.push((reference.to_string(), name));
        }
    }
}

fn words(a: &Answer) -> String {
    let code = a
        .body
        .split_once(r#""reason":""#)
        .and_then(|(_, rest)| rest.split('"').next());
    match code {
        Some(code) => format!("{}/{code}", a.status),
        None => a.status.to_string(),
    }
}

/// An answer in words.
pub fn answer_words(a: &Answer) -> String {
    let shape = match a.body.as_str() {
        "" => ", empty",
        b if b.starts_with('<') => ", a page",
        _ => "",
    };
    format!("{}{shape}", words(a))
}

fn way_words(way: &Way) -> String {
    match way {
        Way::Fine => String::new(),
        Way::Refused => " (no connection: nothing leaves)".into(),
        Way::LostBefore => " (lost on the way there)".into(),
        Way::LostAfter => " (its answer will be lost)".into(),
        Way::Late(d) => format!(
            " (held back: it arrives {} s after it left, its answer is lost)",
            d / 1000
        ),
        Way::Doubled(d) => format!(" (and once more {} s later)", d / 1000),
        Way::Repeated(d) => format!(" (a gateway loses the answer and repeats it {d} ms later)"),
        Way::Foreign(a, acts) => format!(
            " (something on the way answers {}; the servers {})",
            answer_words(a),
            if *acts { "act" } else { "hear nothing" }
        ),
        Way::Gateway(a) => format!(" (the gateway answers {})", a.status),
        Way::Odd(_) => " (the answer makes no sense)".into(),
    }
}

/// A page of a proxy or a web application firewall, which is not the API's: before or after the servers acted.
fn foreign(op: Op, rng: &mut Rng) -> Way {
    let status = rng.one(&[
        400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 421, 422,
        423, 424, 425, 426, 428, 431, 451, 499, 500, 501, 502, 503, 504, 511, 520, 200, 204, 302,
        404, 400, 403,
    ]);
    let body = rng.one(&[
        "<html><head><title>Blocked</title></head><body>Request blocked. Id 8812</body></html>",
        "",
        r#"{"error":"Forbidden","id":"8812"}"#,
        r#"{"message":"Request blocked","code":17}"#,
        "Not acceptable!",
        "{}",
        "null",
        "[]",
    ]);
    // An empty list is an event log, and an empty 200 is an answer of the servers' own to a capture.
    let status = match (op, body) {
        (_, "[]") if status < 300 => 502,
        _ => status,
    };
    Way::Foreign(
        Answer {
            status,
            body: body.into(),
            retry_after: None,
        },
        rng.chance(600),
    )
}

/// A read whose figures cannot be.
fn nonsense(n: u8, reference: &str, p: &crate::model::servers::Payment) -> Answer {
    let whole = Sums {
        authorized: p.amount,
        ..Sums::default()
    };
    let (sums, currency, state) = match n {
        0 => (
            Sums {
                captured: 1,
                ..Sums::default()
            },
            "NOK",
            "CREATED",
        ),
        1 => (
            Sums {
                captured: p.amount,
                ..whole
            },
            "EUR",
            "AUTHORIZED",
        ),
        2 => (
            Sums {
                refunded: p.amount,
                ..whole
            },
            "NOK",
            "AUTHORIZED",
        ),
        3 => (
            Sums {
                authorized: p.amount * 4,
                captured: p.amount * 4,
                ..whole
            },
            "NOK",
            "AUTHORIZED",
        ),
        4 => (
            Sums {
                captured: p.amount,
                cancelled: p.amount,
                ..whole
            },
            "NOK",
            "AUTHORIZED",
        ),
        _ => (
            Sums {
                captured: p.amount,
                ..whole
            },
            "NOK",
            "ABORTED",
        ),
    };
    answers::odd_payment(reference, p, sums, true, currency, state)
}
