//! One payment: its state, its events, and its way to the approval.
//!
//! Sources: ePayment API guide (create, event log), OpenAPI 1.8.1, error table.

use serde_json::{Map, Value};

use super::{Outcome, Terms};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::passenger::{Act, BadCard, Rule};
use crate::qr::Picture;
use crate::random;

/// A request that nobody acts upon dies after ten minutes (knowledge base, time-outs).
const LIFE: i64 = 10 * MINUTE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Created,
    Authorized,
    Aborted,
    Expired,
    Terminated,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Created => "CREATED",
            State::Authorized => "AUTHORIZED",
            State::Aborted => "ABORTED",
            State::Expired => "EXPIRED",
            State::Terminated => "TERMINATED",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventName {
    Created,
    Authorized,
    Captured,
    Cancelled,
    Refunded,
    Aborted,
    Expired,
    Terminated,
}

impl EventName {
    pub const ALL: [EventName; 8] = [
        EventName::Created,
        EventName::Authorized,
        EventName::Captured,
        EventName::Cancelled,
        EventName::Refunded,
        EventName::Aborted,
        EventName::Expired,
        EventName::Terminated,
    ];

    pub fn named(name: &str) -> Option<EventName> {
        EventName::ALL.into_iter().find(|event| event.name() == name)
    }

    /// The name under which webhooks are registered (Webhooks API guide, events).
    pub fn webhook(self) -> String {
        format!("epayments.payment.{}.v1", self.name().to_ascii_lowercase())
    }

    pub fn of_webhook(name: &str) -> Option<EventName> {
        EventName::ALL.into_iter().find(|event| event.webhook() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            EventName::Created => "CREATED",
            EventName::Authorized => "AUTHORIZED",
            EventName::Captured => "CAPTURED",
            EventName::Cancelled => "CANCELLED",
            EventName::Refunded => "REFUNDED",
            EventName::Aborted => "ABORTED",
            EventName::Expired => "EXPIRED",
            EventName::Terminated => "TERMINATED",
        }
    }

    /// Changes of the totals after the approval; these may become visible late.
    pub fn is_adjustment(self) -> bool {
        matches!(self, EventName::Captured | EventName::Cancelled | EventName::Refunded)
    }
}

#[derive(Clone, Debug)]
pub struct Event {
    pub name: EventName,
    /// Of this event, not a running total.
    pub amount: i64,
    pub at: i64,
    pub key: Option<String>,
    pub psp_reference: String,
    /// False for what was tried in vain; no money has moved then.
    pub success: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    pub authorized: i64,
    pub captured: i64,
    pub cancelled: i64,
    pub refunded: i64,
}

/// An operation that the rules forbid: the number of the domain error and what to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub detail: String,
}

pub(super) fn refuse<T>(code: u16, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, detail: detail.into() })
}

/// What a create says for the eyes of the customer, and where he goes.
#[derive(Clone, Debug, Default)]
pub struct Details {
    pub return_url: Option<String>,
    /// In years.
    pub minimum_age: Option<i64>,
    /// Of the QR code, where the address of the payment is a picture.
    pub picture: Option<Picture>,
}

#[derive(Clone, Debug)]
pub struct NewPayment {
    pub msn: String,
    pub reference: String,
    pub currency: String,
    pub amount: i64,
    pub phone: Option<String>,
    pub user_flow: String,
    pub method: String,
    pub description: Option<String>,
    pub scope_requested: bool,
    pub metadata: Option<Map<String, Value>>,
    pub redirect_url: Option<String>,
    pub redirect_token: Option<String>,
    pub details: Details,
    pub expires_at: Option<i64>,
    pub key: String,
    pub now: i64,
    pub rule: Rule,
    pub terms: Terms,
    /// The id of the payment, and of its first event.
    pub psp_reference: String,
}

#[cfg(test)]
impl NewPayment {
    pub fn sample(reference: &str) -> NewPayment {
        NewPayment {
            msn: "123456".to_owned(),
            reference: reference.to_owned(),
            currency: "NOK".to_owned(),
            amount: 100,
            phone: None,
            user_flow: "PUSH_MESSAGE".to_owned(),
            method: "WALLET".to_owned(),
            description: None,
            scope_requested: false,
            metadata: None,
            redirect_url: None,
            redirect_token: None,
            details: super::Details::default(),
            expires_at: None,
            key: "key".to_owned(),
            now: 0,
            rule: crate::passenger::NOBODY,
            terms: Terms::of(&crate::switches::Switches::default()),
            psp_reference: random::uuid(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Payment {
    pub msn: String,
    pub reference: String,
    pub psp_reference: String,
    pub state: State,
    pub currency: String,
    pub amount: i64,
    pub phone: Option<String>,
    /// The same number has the same, from 1; it tells nothing of the number.
    pub phone_index: Option<usize>,
    pub user_flow: String,
    pub method: String,
    pub description: Option<String>,
    pub scope_requested: bool,
    pub metadata: Option<Map<String, Value>>,
    pub redirect_url: Option<String>,
    pub redirect_token: Option<String>,
    pub details: Details,
    pub created_at: i64,
    pub expires_at: i64,
    pub authorized_at: Option<i64>,
    pub events: Vec<Event>,
    pub rule: Rule,
    pub rule_since: i64,
    /// Which cards failed in the app, and when. No API tells the merchant.
    pub failed_tries: Vec<(BadCard, i64)>,
    pub terms: Terms,
    /// The bank no longer holds the money for the merchant.
    pub released_at: Option<i64>,
    /// So many captures more will fail at the bank.
    pub failing_captures: i64,
    /// Approved without the app.
    pub forced: bool,
    /// How many of the events have been told to those who want to know.
    pub told: usize,
    create_key: String,
}

impl Payment {
    pub fn new(new: NewPayment) -> Payment {
        let created = Event {
            name: EventName::Created,
            amount: new.amount,
            at: new.now,
            key: Some(new.key.clone()),
            psp_reference: new.psp_reference.clone(),
            success: true,
        };
        Payment {
            msn: new.msn,
            reference: new.reference,
            psp_reference: new.psp_reference,
            state: State::Created,
            currency: new.currency,
            amount: new.amount,
            phone: new.phone,
            phone_index: None,
            user_flow: new.user_flow,
            method: new.method,
            description: new.description,
            scope_requested: new.scope_requested,
            metadata: new.metadata,
            redirect_url: new.redirect_url,
            redirect_token: new.redirect_token,
            details: new.details,
            created_at: new.now,
            expires_at: new.expires_at.unwrap_or(new.now + LIFE),
            authorized_at: None,
            events: vec![created],
            rule: new.rule,
            rule_since: new.now,
            failed_tries: Vec::new(),
            terms: new.terms,
            released_at: None,
            failing_captures: 0,
            forced: false,
            told: 0,
            create_key: new.key,
        }
    }

    pub fn money(&self) -> Money {
        self.money_seen_at(i64::MAX)
    }

    /// What happened, without what was tried in vain.
    pub fn done(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(|event| event.success)
    }

    /// The totals with only those captures, cancels and refunds that had happened by `moment`.
    pub fn money_seen_at(&self, moment: i64) -> Money {
        let mut money = Money::default();
        for event in self.done().filter(|e| !e.name.is_adjustment() || e.at <= moment) {
            match event.name {
                EventName::Authorized => money.authorized += event.amount,
                EventName::Captured => money.captured += event.amount,
                // Before the approval a cancel counts the full amount (ePayment API guide, cancel).
                EventName::Cancelled | EventName::Terminated => money.cancelled += event.amount,
                EventName::Refunded => money.refunded += event.amount,
                EventName::Created | EventName::Aborted | EventName::Expired => {}
            }
        }
        money
    }

    /// Reserved, and neither captured nor released. A request that is cancelled before it is approved counts its whole
    /// amount as cancelled, and nothing was ever reserved.
    pub fn remaining(&self) -> i64 {
        if self.state != State::Authorized {
            return 0;
        }
        let money = self.money();
        money.authorized - money.captured - money.cancelled
    }

    /// Norwegian reservations last 180 days, Danish and Finnish ones 14 (payment life cycle).
    pub fn capture_deadline(&self) -> Option<i64> {
        let days = if self.currency == "NOK" || self.terms.late_capture { 180 } else { 14 };
        self.authorized_at.map(|at| at + days * DAY)
    }

    /// Until then the bank vouches for the money, whatever the customer does with his card.
    pub fn guaranteed_until(&self) -> Option<i64> {
        let deadline = self.capture_deadline()?;
        self.authorized_at.map(|at| deadline.min(at + self.terms.card.guarantee()))
    }

    pub(super) fn is_released(&self, now: i64) -> bool {
        let hard = self.guaranteed_until().filter(|_| self.terms.card.is_hard());
        self.released_at.or(hard).is_some_and(|at| at <= now)
    }

    pub(super) fn record(&mut self, name: EventName, amount: i64, at: i64, key: Option<String>) {
        self.events.push(Event { name, amount, at, key, psp_reference: random::ten_digits(), success: true });
    }

    pub(super) fn record_failure(&mut self, name: EventName, amount: i64, at: i64, key: Option<String>) {
        if self.terms.failures_are_events {
            self.events.push(Event { name, amount, at, key, psp_reference: random::ten_digits(), success: false });
        }
    }

    /// When the passenger acts by himself, if that is before the request dies.
    fn acts_at(&self) -> Option<i64> {
        let after = match self.rule.act {
            Act::ApproveAfter(after) | Act::DeclineAfter(after) | Act::FailAfter { after, .. } => after,
            Act::Nothing | Act::ApproveOnCancel | Act::NoUser | Act::PushNotAllowed => return None,
        };
        Some(self.rule_since.saturating_add(after)).filter(|at| *at < self.expires_at)
    }

    /// When the mere passing of time changes this payment next.
    pub fn next_due(&self) -> Option<i64> {
        match self.state {
            State::Created => Some(self.acts_at().unwrap_or(self.expires_at)),
            // An approved payment still has the deadline of its capture before it.
            State::Authorized if self.remaining() > 0 => self.capture_deadline(),
            State::Authorized | State::Aborted | State::Expired | State::Terminated => None,
        }
    }

    /// The next step of time, if it is due: approve, decline, expire, or release what was not captured in time.
    pub fn settle(&mut self, now: i64) {
        let Some(due) = self.next_due().filter(|due| *due <= now) else { return };
        match self.state {
            State::Created if self.acts_at().is_none() => self.finish(State::Expired, EventName::Expired, due),
            State::Created => match self.rule.act {
                Act::ApproveAfter(_) => self.attempt(due),
                Act::FailAfter { card, then_approve, .. } => {
                    self.fail_at(card, due);
                    let act = then_approve.map_or(Act::Nothing, Act::ApproveAfter);
                    self.follow(Rule { act, busy_from: None }, due);
                }
                _ => self.finish(State::Aborted, EventName::Aborted, due),
            },
            _ => self.record(EventName::Cancelled, self.remaining(), due, None),
        }
    }

    /// The customer has approved, and his bank says what becomes of it.
    fn attempt(&mut self, at: i64) {
        match self.terms.outcome(self.amount, &self.currency) {
            Outcome::Reserved => self.approve_at(at),
            Outcome::Failed(card) => {
                self.fail_at(card, at);
                self.follow(Rule { act: Act::Nothing, busy_from: None }, at);
            }
            Outcome::Unknown => {
                // Not undone by a cancel, nor by the end of the ten minutes: the bank may have done it.
                self.terms.special_amounts = false;
                self.expires_at = self.expires_at.max(at + HOUR + 1);
                self.follow(Rule { act: Act::ApproveAfter(HOUR), busy_from: Some(0) }, at);
            }
        }
    }

    fn fail_at(&mut self, card: BadCard, at: i64) {
        self.failed_tries.push((card, at));
        self.record_failure(EventName::Authorized, self.amount, at, Some(self.create_key.clone()));
    }

    fn approve_at(&mut self, at: i64) {
        self.state = State::Authorized;
        self.authorized_at = Some(at);
        // In the guide's samples the approval carries the key of the create.
        self.record(EventName::Authorized, self.amount, at, Some(self.create_key.clone()));
    }

    fn finish(&mut self, state: State, name: EventName, at: i64) {
        self.state = state;
        self.record(name, self.amount, at, None);
    }

    pub fn follow(&mut self, rule: Rule, from: i64) {
        self.rule = rule;
        self.rule_since = from;
    }

    /// In the middle of approving, or of a strong authentication: a cancel is refused then.
    pub fn is_busy(&self, now: i64) -> bool {
        self.busy_since().is_some_and(|since| since <= now)
    }

    /// When that begins; it may be ahead.
    pub fn busy_since(&self) -> Option<i64> {
        let after = self.rule.busy_from.filter(|_| self.state == State::Created)?;
        Some(self.rule_since.saturating_add(after))
    }

    pub fn approve(&mut self, now: i64) -> Result<(), Refusal> {
        match self.state {
            State::Created => {
                let tries = self.failed_tries.len();
                self.attempt(now);
                match self.failed_tries.get(tries) {
                    Some((card, _)) => refuse(card.code(), format!("The payment has failed: {}.", card.name())),
                    None => Ok(()),
                }
            }
            State::Authorized => refuse(6230, "The payment is already reserved."),
            state => refuse(10010, format!("The payment is in state {}.", state.name())),
        }
    }

    /// Approved by the test environment, whatever the amount and the card.
    pub fn force(&mut self, now: i64) -> Result<(), Refusal> {
        if self.state == State::Created {
            self.approve_at(now);
            return Ok(());
        }
        self.approve(now)
    }

    /// The person on the phone begins to approve now, is busy with it, and is done so many milliseconds later; or finds
    /// out then that the card does not do.
    pub fn begin_approval(&mut self, card: Option<BadCard>, takes_ms: i64, now: i64) -> Result<(), Refusal> {
        if self.state != State::Created {
            return self.approve(now);
        }
        if self.is_busy(now) {
            return refuse(6160, "The customer is approving already.");
        }
        let act = match card {
            None => Act::ApproveAfter(takes_ms),
            Some(card) => Act::FailAfter { card, after: takes_ms, then_approve: None },
        };
        self.follow(Rule { act, busy_from: Some(0) }, now);
        self.settle(now);
        Ok(())
    }

    pub fn decline(&mut self, now: i64) -> Result<(), Refusal> {
        if self.state != State::Created {
            return refuse(10010, format!("The payment is in state {}.", self.state.name()));
        }
        self.finish(State::Aborted, EventName::Aborted, now);
        Ok(())
    }
}
