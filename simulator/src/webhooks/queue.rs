//! Every delivery, in the order of its payment.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::delivery::{Attempt, Delivery, Lane, State};
use super::tricks::Trick;
use crate::agenda::Agenda;

/// Deliveries that are over are kept for the log, up to so many in all.
const KEPT: usize = 10_000;
/// More sockets at once would only starve the servers of theirs.
const AT_ONCE: usize = 32;

#[derive(Clone, Debug, Default)]
pub struct Queue {
    deliveries: BTreeMap<u64, Delivery>,
    lanes: BTreeMap<Lane, VecDeque<u64>>,
    /// Deliveries that let the next one of their lane go first, until it comes.
    overtaken: BTreeMap<Lane, u64>,
    /// The first of each lane, unless it is under way.
    agenda: Agenda<u64>,
    /// The attempts under way, by their tokens: what is heard of others belongs to a state before a reset.
    under_way: HashMap<u64, u64>,
    over: VecDeque<u64>,
    last: u64,
}

impl Queue {
    pub fn push(&mut self, delivery: Delivery) -> u64 {
        self.last += 1;
        let (n, lane, trick) = (self.last, delivery.lane.clone(), delivery.trick);
        self.deliveries.insert(n, delivery);
        if trick == Some(Trick::Overtaken) && !self.overtaken.contains_key(&lane) {
            self.overtaken.insert(lane, n);
        } else {
            let overtaken = self.overtaken.remove(&lane);
            self.lanes.entry(lane.clone()).or_default().extend([n].into_iter().chain(overtaken));
            self.plan(&lane, i64::MIN);
        }
        n
    }

    pub fn get(&self, n: u64) -> Option<&Delivery> {
        self.deliveries.get(&n)
    }

    /// The first of a lane is due, though not before the one that was in front of it is over.
    fn plan(&mut self, lane: &Lane, not_before: i64) {
        let Some(first) = self.lanes.get(lane).and_then(VecDeque::front) else {
            self.lanes.remove(lane);
            return;
        };
        let Some(delivery) = self.deliveries.get_mut(first).filter(|delivery| delivery.state == State::Waiting) else {
            return;
        };
        delivery.due = delivery.due.max(not_before);
        self.agenda.set(*first, Some(delivery.due));
    }

    pub fn next_due(&self) -> Option<i64> {
        self.agenda.first().filter(|_| self.under_way.len() < AT_ONCE)
    }

    /// The next delivery that is due, with its attempt still to be begun.
    pub fn take(&mut self, now: i64) -> Option<(u64, &mut Delivery)> {
        if self.under_way.len() >= AT_ONCE {
            return None;
        }
        let (_, n) = self.agenda.take(now)?;
        self.deliveries.get_mut(&n).map(|delivery| (n, delivery))
    }

    pub fn begin(&mut self, n: u64, token: u64, trick: Option<Trick>) {
        let Some(delivery) = self.deliveries.get_mut(&n) else { return };
        delivery.state = State::UnderWay;
        delivery.attempts.push(Attempt { token, at: delivery.due, trick, outcome: None });
        self.under_way.insert(token, n);
    }

    /// What came of an attempt, `took` milliseconds after it began. Gives the delivery with the moment of the attempt,
    /// unless a reset came in between.
    pub fn end(&mut self, token: u64, outcome: Result<u16, String>, took: i64) -> Option<(u64, &Delivery, i64)> {
        let n = self.under_way.remove(&token)?;
        let delivery = self.deliveries.get_mut(&n)?;
        let attempt = delivery.attempts.iter_mut().rev().find(|attempt| attempt.token == token)?;
        let began = attempt.at;
        let known = began.saturating_add(took);
        let taken = matches!(outcome, Ok(200..=299));
        attempt.outcome = Some(outcome);
        if delivery.state == State::UnderWay {
            delivery.conclude(known, taken);
            let (lane, state) = (delivery.lane.clone(), delivery.state);
            if state.is_over() {
                self.lanes.get_mut(&lane).map(VecDeque::pop_front);
                self.bury(n);
            }
            self.plan(&lane, if state.is_over() { known } else { i64::MIN });
        }
        self.deliveries.get(&n).map(|delivery| (n, delivery, began))
    }

    /// What is under way waits again, as if it had not been begun.
    pub fn recall(&mut self) {
        for n in std::mem::take(&mut self.under_way).into_values() {
            let Some(delivery) = self.deliveries.get_mut(&n).filter(|one| one.state == State::UnderWay) else {
                continue;
            };
            delivery.attempts.pop();
            delivery.state = State::Waiting;
            self.agenda.set(n, Some(delivery.due));
        }
    }

    fn bury(&mut self, n: u64) {
        self.over.push_back(n);
        while self.deliveries.len() > KEPT {
            let Some(oldest) = self.over.pop_front() else { return };
            self.deliveries.remove(&oldest);
        }
    }

    /// Before this moment something is still to be tried for a registration.
    pub fn earliest_of(&self, registration: &str) -> Option<i64> {
        let firsts = self.lanes.iter().filter(|(lane, _)| lane.registration == registration);
        firsts.filter_map(|(_, lane)| Some(self.deliveries.get(lane.front()?)?.due)).min()
    }

    pub fn waiting_for(&self, registration: &str) -> usize {
        let own = self.lanes.iter().filter(|(lane, _)| lane.registration == registration);
        own.map(|(_, lane)| lane.len()).sum()
    }

    /// Nobody is there any more to whom these could go.
    pub fn drop_registration(&mut self, registration: &str) {
        let own = |lane: &Lane| lane.registration == registration;
        let gone: Vec<u64> = (self.lanes.iter().filter(|(lane, _)| own(lane)).flat_map(|(_, lane)| lane.iter()))
            .chain(self.overtaken.iter().filter(|(lane, _)| own(lane)).map(|(_, n)| n))
            .copied()
            .collect();
        self.lanes.retain(|lane, _| !own(lane));
        self.overtaken.retain(|lane, _| !own(lane));
        for n in gone {
            self.agenda.set(n, None);
            if let Some(delivery) = self.deliveries.get_mut(&n) {
                delivery.state = State::Dropped;
            }
            self.bury(n);
        }
    }

    pub fn list(&self) -> Value {
        self.deliveries
            .iter()
            .map(|(n, delivery)| {
                let mut shown = delivery.show(*n);
                let behind = delivery.state == State::Waiting && !self.agenda.contains(*n);
                shown["next_attempt_at"] = match delivery.state {
                    State::Waiting if !behind => Value::from(delivery.due),
                    _ => Value::Null,
                };
                shown
            })
            .collect()
    }
}
