//! The payment servers: what they keep, what a request does, and what they answer.
//!
//! A request arrives ([`Servers::arrive`]), is carried out a while later ([`Servers::finish`]), and only then is its
//! answer known. What the documents leave open is a [`Habits`] field.

use std::collections::BTreeMap;

use super::answers::{self, Answer, Sums};
use super::Ms;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// `POST /accesstoken/get`
    Token,
    /// `POST /epayment/v1/payments`
    Create,
    /// `GET /epayment/v1/payments/{reference}`
    Read,
    /// `GET …/events`
    Events,
    /// `POST …/capture`
    Capture,
    /// `POST …/cancel`
    Cancel,
    /// `POST …/refund`
    Refund,
    /// `POST /order-management/v2/ECOM/receipts/{reference}`
    Receipt,
    /// `GET /order-management/v2/ECOM/{reference}`
    Order,
}

impl Op {
    /// Changes a payment.
    pub fn writes(self) -> bool {
        matches!(self, Op::Create | Op::Capture | Op::Cancel | Op::Refund)
    }

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Op::Token => "token",
            Op::Create => "create",
            Op::Read => "read",
            Op::Events => "read of the events",
            Op::Capture => "capture",
            Op::Cancel => "cancel",
            Op::Refund => "refund",
            Op::Receipt => "receipt",
            Op::Order => "read of the order",
        }
    }
}

/// A request, as the servers understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub op: Op,
    /// Of which payment.
    pub reference: String,
    /// `Idempotency-Key`; empty if there is none.
    pub key: String,
    /// The bytes, for "same key, same body".
    pub body: String,
    /// Minor units; 0 where there is none.
    pub amount: i64,
    /// Three letters.
    pub currency: String,
    /// `cancelTransactionOnly`.
    pub only_if_not_approved: bool,
    /// Whose phone the push goes to.
    pub phone: String,
    /// `metadata` as JSON; empty if there is none.
    pub metadata: String,
}

/// The servers' five states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The customer has not acted.
    Created,
    /// Approved and reserved.
    Authorized,
    /// Declined.
    Aborted,
    /// The time was over.
    Expired,
    /// Cancelled before approval.
    Terminated,
}

impl State {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            State::Created => "CREATED",
            State::Authorized => "AUTHORIZED",
            State::Aborted => "ABORTED",
            State::Expired => "EXPIRED",
            State::Terminated => "TERMINATED",
        }
    }
}

/// Who moved money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The client, through the API.
    Client,
    /// Somebody in the merchant's portal.
    Portal,
}

/// One movement of money that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Capture, cancel or refund.
    pub op: Op,
    /// Minor units.
    pub amount: i64,
    /// By whom.
    pub by: By,
    /// Its key.
    pub key: String,
    /// When.
    pub at: Ms,
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CAPTURED` and so on.
    pub name: &'static str,
    /// Of this event.
    pub amount: i64,
    /// Nullable in the specification.
    pub key: Option<String>,
    /// Whether it succeeded.
    pub success: bool,
    /// When.
    pub at: Ms,
}

/// A payment at the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Minor units.
    pub amount: i64,
    /// Three letters.
    pub currency: String,
    /// State.
    pub state: State,
    /// As given at create.
    pub metadata: String,
    /// Who was asked.
    pub phone: String,
    /// When it was made.
    pub created_at: Ms,
    /// The four sums.
    pub sums: Sums,
    /// The sums as they were, for reads that lag.
    pub earlier: Vec<(Ms, Sums)>,
    /// The event log.
    pub events: Vec<Event>,
    /// What moved.
    pub moves: Vec<Move>,
}

impl Payment {
    /// Reserved and neither captured nor cancelled.
    pub fn reserved(&self) -> i64 {
        self.sums.authorized - self.sums.captured - self.sums.cancelled.min(self.sums.authorized)
    }

    /// Money can still be taken by it, or is reserved.
    pub fn is_alive(&self) -> bool {
        match self.state {
            State::Created => true,
            State::Authorized => self.reserved() > 0,
            _ => false,
        }
    }

    /// What was moved by somebody, minor units.
    pub fn moved(&self, op: Op, by: By) -> i64 {
        self.moves
            .iter()
            .filter(|m| m.op == op && m.by == by)
            .map(|m| m.amount)
            .sum()
    }

    fn log(&mut self, name: &'static str, amount: i64, key: Option<String>, at: Ms) {
        self.events.push(Event {
            name,
            amount,
            key,
            success: true,
            at,
        });
        self.earlier.push((at, self.sums));
    }

    /// The sums as a read shows them that lags so much.
    pub fn sums_at(&self, at: Ms) -> Sums {
        let known = self.earlier.iter().rev().find(|(t, _)| *t <= at);
        known.map_or_else(Sums::default, |(_, s)| *s)
    }
}

/// What a repetition meets while the first request of its key is still being carried out. Not documented: each may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// It waits for the first one's answer.
    Waits,
    /// An answer: status and error code, 0 for none.
    Answers(u16, u32),
}

/// What the body of a 200 to a capture, cancel or refund shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The sums as they are now.
    New,
    /// The sums as they were before.
    Old,
    /// No aggregate.
    NoSums,
    /// Nothing.
    Nothing,
}

/// What the documents leave open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Same key while the first runs.
    pub meanwhile: Meanwhile,
    /// The first answer 4xx stays that of its key.
    pub sticky: bool,
    /// By how much the sums of reads lag.
    pub sums_lag: Ms,
    /// By how much the event log lags.
    pub log_lag: Ms,
    /// Events of captures and refunds carry their key.
    pub keys_in_events: bool,
    /// Reads carry the metadata.
    pub metadata: bool,
    /// Bodies of captures, cancels and refunds.
    pub shows: Shows,
    /// A known reference under a new key.
    pub second_create: u16,
    /// An unknown payer.
    pub unknown_payer: u16,
    /// A cancel's key is looked at.
    pub cancel_keys: bool,
    /// The documented limits are enforced; with a body, or empty.
    pub limits: Option<bool>,
    /// How long the customer has.
    pub window: Ms,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            meanwhile: Meanwhile::Waits,
            sticky: true,
            sums_lag: 0,
            log_lag: 0,
            keys_in_events: true,
            metadata: true,
            shows: Shows::New,
            second_create: 409,
            unknown_payer: 400,
            cancel_keys: true,
            limits: Some(true),
            window: 600_000,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Runs(u64),
    Answered(Answer),
}

/// What became of a request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Answered at once; nothing was done.
    Answered(Answer),
    /// It runs now, under this number.
    Runs(u64),
    /// The same request runs already; its answer will be this one's too.
    Joins(u64),
}

/// What was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub op: Op,
    /// Of which payment.
    pub reference: String,
    /// How much.
    pub amount: i64,
    /// Under which key.
    pub key: String,
}

/// The servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// What the documents leave open.
    pub habits: Habits,
    /// By reference.
    pub payments: BTreeMap<String, Payment>,
    keys: BTreeMap<(Op, String, String), (String, Kept)>,
    running: BTreeMap<u64, Request>,
    receipts: BTreeMap<String, String>,
    writes: BTreeMap<String, Vec<Ms>>,
    reads: BTreeMap<String, Vec<Ms>>,
    runs: u64,
}

impl Servers {
    /// A request arrives.
    pub fn arrive(&mut self, r: &Request, now: Ms) -> Arrival {
        if let Some(limited) = self.limit(r, now) {
            return Arrival::Answered(limited);
        }
        match r.op {
            Op::Token => return Arrival::Answered(answers::token()),
            Op::Read | Op::Events | Op::Order => return Arrival::Answered(self.show(r, now)),
            _ => {}
        }
        let keyed = !r.key.is_empty() && (r.op != Op::Cancel || self.habits.cancel_keys);
        if keyed {
            let name = (r.op, r.reference.clone(), r.key.clone());
            if let Some((body, kept)) = self.keys.get(&name) {
                let other_body = *body != r.body;
                return match kept {
                    _ if other_body => Arrival::Answered(answers::problem(
                        409,
                        match r.op {
                            Op::Capture => 4010,
                            Op::Create => 4020,
                            _ => 4150,
                        },
                    )),
                    Kept::Answered(answer) => Arrival::Answered(answer.clone()),
                    Kept::Runs(run) => match self.habits.meanwhile {
                        Meanwhile::Waits => Arrival::Joins(*run),
                        // "Before reservation" is said of captures alone.
                        Meanwhile::Answers(_, 6080) if r.op != Op::Capture => {
                            Arrival::Answered(answers::problem(409, 0))
                        }
                        Meanwhile::Answers(status, code) => {
                            Arrival::Answered(answers::problem(status, code))
                        }
                    },
                };
            }
        }
        self.runs += 1;
        self.running.insert(self.runs, r.clone());
        if keyed {
            let name = (r.op, r.reference.clone(), r.key.clone());
            self.keys
                .insert(name, (r.body.clone(), Kept::Runs(self.runs)));
        }
        Arrival::Runs(self.runs)
    }

    /// A running request comes to its end. `refuse`: the servers refuse it now, for a reason of their own.
    pub fn finish(
        &mut self,
        run: u64,
        now: Ms,
        refuse: Option<(u16, u32)>,
    ) -> Option<(Answer, Option<Done>)> {
        let r = self.running.remove(&run)?;
        let before = self.payments.get(&r.reference).map(|p| p.sums);
        let refusal = match refuse {
            Some((status, code)) => Err((status, code)),
            None => self.act(&r, now),
        };
        let name = (r.op, r.reference.clone(), r.key.clone());
        let keyed = self.keys.get(&name).is_some_and(|k| k.1 == Kept::Runs(run));
        let (answer, done) = match refusal {
            Ok(amount) => {
                let done = Done {
                    op: r.op,
                    reference: r.reference.clone(),
                    amount,
                    key: r.key.clone(),
                };
                (self.success(&r, before), Some(done))
            }
            Err((status, code)) => (answers::problem(status, code), None),
        };
        if keyed {
            // The same create meets the same refusal: a number is known or not, whoever asks how often.
            let sticky = (self.habits.sticky || r.op == Op::Create) && !is_passing(&refusal);
            if answer.status < 300 || answer.status < 500 && sticky {
                self.keys
                    .insert(name, (r.body, Kept::Answered(answer.clone())));
            } else {
                self.keys.remove(&name);
            }
        }
        Some((answer, done))
    }

    fn act(&mut self, r: &Request, now: Ms) -> Result<i64, (u16, u32)> {
        self.age(&r.reference, now);
        match r.op {
            Op::Create => return self.create(r, now),
            Op::Receipt => {
                return match self.receipts.insert(r.reference.clone(), r.body.clone()) {
                    None => Ok(0),
                    Some(first) => {
                        self.receipts.insert(r.reference.clone(), first);
                        Err((409, 0))
                    }
                }
            }
            _ => {}
        }
        let keys = self.habits.keys_in_events;
        let Some(p) = self.payments.get_mut(&r.reference) else {
            return Err((404, 5090));
        };
        if r.op != Op::Cancel && r.currency != p.currency {
            return Err((400, 5040));
        }
        let moved = modify(p, r.op, r.amount, r.only_if_not_approved)?;
        p.moves.push(Move {
            op: r.op,
            amount: moved,
            by: By::Client,
            key: r.key.clone(),
            at: now,
        });
        let key = (keys && r.op != Op::Cancel).then(|| r.key.clone());
        let name = event_name(r.op, p.state);
        p.log(name, moved, key, now);
        Ok(moved)
    }

    fn create(&mut self, r: &Request, now: Ms) -> Result<i64, (u16, u32)> {
        if self.payments.contains_key(&r.reference) {
            return Err((self.habits.second_create, 4150));
        }
        if r.phone.ends_with("00000") {
            return Err((self.habits.unknown_payer, 7010));
        }
        let mut p = Payment {
            amount: r.amount,
            currency: r.currency.clone(),
            state: State::Created,
            metadata: r.metadata.clone(),
            phone: r.phone.clone(),
            created_at: now,
            sums: Sums::default(),
            earlier: Vec::new(),
            events: Vec::new(),
            moves: Vec::new(),
        };
        p.log("CREATED", r.amount, Some(r.key.clone()), now);
        self.payments.insert(r.reference.clone(), p);
        Ok(r.amount)
    }

    fn success(&self, r: &Request, before: Option<Sums>) -> Answer {
        match r.op {
            Op::Create => answers::created(&r.reference),
            Op::Receipt => answers::receipt(),
            _ => {
                let p = &self.payments[&r.reference];
                let sums = match self.habits.shows {
                    Shows::New => Some(p.sums),
                    Shows::Old => before,
                    Shows::NoSums => None,
                    Shows::Nothing => return answers::empty(200),
                };
                answers::modified(&r.reference, p, sums)
            }
        }
    }

    fn show(&mut self, r: &Request, now: Ms) -> Answer {
        self.age(&r.reference, now);
        if r.op == Op::Order {
            return match self.receipts.get(&r.reference) {
                Some(body) => answers::order(body),
                None => answers::problem(404, 0),
            };
        }
        let Some(p) = self.payments.get(&r.reference) else {
            return answers::problem(404, 5090);
        };
        match r.op {
            Op::Read => {
                let sums = p.sums_at(now - self.habits.sums_lag);
                answers::payment(&r.reference, p, sums, self.habits.metadata)
            }
            _ => answers::events(&r.reference, p, now - self.habits.log_lag),
        }
    }

    /// The documented limits: 5 writes and 120 reads a minute for each payment.
    fn limit(&mut self, r: &Request, now: Ms) -> Option<Answer> {
        let with_body = self.habits.limits?;
        let (times, most) = match r.op {
            Op::Create | Op::Capture | Op::Cancel | Op::Refund => (&mut self.writes, 5),
            Op::Read | Op::Events => (&mut self.reads, 120),
            _ => return None,
        };
        let times = times.entry(r.reference.clone()).or_default();
        times.retain(|t| now - t < 60_000);
        if times.len() < most {
            times.push(now);
            return None;
        }
        let wait = 60_000 - (now - times[0]);
        Some(answers::too_many(with_body, (wait + 999) / 1000))
    }

    /// The customer's time may be over.
    pub fn age(&mut self, reference: &str, now: Ms) {
        let window = self.habits.window;
        if let Some(p) = self.payments.get_mut(reference) {
            if p.state == State::Created && now - p.created_at >= window {
                p.state = State::Expired;
                let (amount, at) = (p.amount, p.created_at + window);
                p.log("EXPIRED", amount, None, at);
            }
        }
    }

    /// The customer approves or declines. False if that is not possible any more.
    pub fn customer(&mut self, reference: &str, approves: bool, now: Ms) -> bool {
        self.age(reference, now);
        let Some(p) = self.payments.get_mut(reference) else {
            return false;
        };
        if p.state != State::Created {
            return false;
        }
        let amount = p.amount;
        if approves {
            p.state = State::Authorized;
            p.sums.authorized = amount;
            p.log("AUTHORIZED", amount, None, now);
        } else {
            p.state = State::Aborted;
            p.log("ABORTED", amount, None, now);
        }
        true
    }

    /// Somebody in the portal moves money: the amount that moved.
    pub fn portal(&mut self, reference: &str, op: Op, amount: i64, now: Ms) -> Option<i64> {
        self.age(reference, now);
        let p = self.payments.get_mut(reference)?;
        let moved = modify(p, op, amount, false).ok()?;
        p.moves.push(Move {
            op,
            amount: moved,
            by: By::Portal,
            key: String::new(),
            at: now,
        });
        let name = event_name(op, p.state);
        // The portal is a client of the API like any other: its events have keys of its own.
        let key = self.habits.keys_in_events.then(|| format!("portal-{now}"));
        p.log(name, moved, key.filter(|_| op != Op::Cancel), now);
        Some(moved)
    }
}

/// "Not now": never the answer that stays with a key.
fn is_passing(refusal: &Result<i64, (u16, u32)>) -> bool {
    matches!(refusal, Err((423, _) | (409, 0) | (_, 6160 | 6250 | 6280)))
}

fn event_name(op: Op, state: State) -> &'static str {
    match op {
        Op::Capture => "CAPTURED",
        Op::Refund => "REFUNDED",
        _ if state == State::Terminated => "TERMINATED",
        _ => "CANCELLED",
    }
}

/// Moves money of a payment, or says with which status and code that is refused.
fn modify(
    p: &mut Payment,
    op: Op,
    amount: i64,
    only_if_not_approved: bool,
) -> Result<i64, (u16, u32)> {
    let left = p.reserved();
    match op {
        Op::Capture => {
            if p.state != State::Authorized {
                return Err((
                    400,
                    if p.state == State::Created {
                        6080
                    } else {
                        6200
                    },
                ));
            }
            if amount <= 0 {
                return Err((400, 4040));
            }
            if left == 0 && p.sums.cancelled > 0 {
                return Err((400, 6070));
            }
            if left == 0 {
                return Err((400, 6170));
            }
            if amount > left {
                return Err((400, 6090));
            }
            p.sums.captured += amount;
            Ok(amount)
        }
        Op::Refund => {
            if p.state != State::Authorized || p.sums.captured == 0 {
                return Err((400, 6020));
            }
            if amount <= 0 || amount > p.sums.captured - p.sums.refunded {
                let all = p.sums.refunded == p.sums.captured;
                return Err((400, if all { 6180 } else { 6150 }));
            }
            p.sums.refunded += amount;
            Ok(amount)
        }
        Op::Cancel => match p.state {
            State::Created => {
                p.state = State::Terminated;
                p.sums.cancelled = p.amount;
                Ok(p.amount)
            }
            State::Authorized if only_if_not_approved => Err((400, 6060)),
            State::Authorized if left == 0 => {
                Err((400, if p.sums.captured > 0 { 6040 } else { 6190 }))
            }
            State::Authorized => {
                p.sums.cancelled += left;
                Ok(left)
            }
            _ => Err((400, 6050)),
        },
        _ => Err((400, 3010)),
    }
}
