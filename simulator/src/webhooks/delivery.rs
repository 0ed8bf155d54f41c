//! One event on its way to one registration.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::signature::Signature;
use super::tricks::Trick;
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::ledger::EventName;
use crate::random;

/// Retries go on for so long (Webhooks API guide, retries).
const PERSISTENCE: i64 = 7 * DAY;

/// Deliveries of one lane keep their order: a failing one holds up those behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    pub registration: String,
    pub msn: String,
    pub reference: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    UnderWay,
    Delivered,
    /// Nobody took it within seven days.
    GivenUp,
    /// Its registration is gone.
    Dropped,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::UnderWay => "under_way",
            State::Delivered => "delivered",
            State::GivenUp => "given_up",
            State::Dropped => "dropped",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, State::Delivered | State::GivenUp | State::Dropped)
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub token: u64,
    pub at: i64,
    pub trick: Option<Trick>,
    /// The receiver's status, or why there is none; `None` while it is under way.
    pub outcome: Option<Result<u16, String>>,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub lane: Lane,
    pub event: EventName,
    pub body: Bytes,
    pub state: State,
    /// Of the next attempt, or of the last one.
    pub due: i64,
    pub attempts: Vec<Attempt>,
    /// For receivers that are to see the same signature with each retry.
    pub signature: Option<Signature>,
    pub trick: Option<Trick>,
    /// How often it is still to be delivered.
    copies: u32,
    first_failure: Option<i64>,
    failures: u32,
}

impl Delivery {
    pub fn new(lane: Lane, event: EventName, body: Bytes, due: i64, trick: Option<Trick>) -> Delivery {
        Delivery {
            id: random::uuid(),
            lane,
            event,
            body,
            state: State::Waiting,
            due: if let Some(Trick::Delay(ms)) = trick { due.saturating_add(ms) } else { due },
            attempts: Vec::new(),
            signature: None,
            trick,
            copies: if trick == Some(Trick::Duplicate) { 2 } else { 1 },
            first_failure: None,
            failures: 0,
        }
    }

    /// The same once more.
    pub fn again(&self, due: i64) -> Delivery {
        let again = Delivery::new(self.lane.clone(), self.event, self.body.clone(), due, None);
        Delivery { id: self.id.clone(), ..again }
    }

    /// Takes note of an outcome that was known at `at`, and decides how it goes on.
    pub fn conclude(&mut self, at: i64, taken: bool) {
        if taken {
            self.copies = self.copies.saturating_sub(1);
            (self.first_failure, self.failures) = (None, 0);
            self.state = if self.copies == 0 { State::Delivered } else { State::Waiting };
            self.due = if self.copies == 0 { self.due } else { at };
            return;
        }
        self.failures += 1;
        let next = at.saturating_add(pause_after(self.failures));
        if next > *self.first_failure.get_or_insert(self.due) + PERSISTENCE {
            self.state = State::GivenUp;
        } else {
            self.state = State::Waiting;
            self.due = next;
        }
    }

    pub fn show(&self, n: u64) -> Value {
        let attempt = |attempt: &Attempt| {
            json!({
                "at": attempt.at,
                "status": attempt.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok()),
                "error": attempt.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()),
                "trick": attempt.trick.map(Trick::name),
            })
        };
        json!({
            "n": n,
            "id": self.id,
            "registration": self.lane.registration,
            "reference": self.lane.reference,
            "event": self.event.name(),
            "state": self.state.name(),
            "trick": self.trick.map(Trick::name),
            "attempts": self.attempts.iter().map(attempt).collect::<Vec<_>>(),
            "body": serde_json::from_slice::<Value>(&self.body).unwrap_or_default(),
        })
    }
}

/// The documented plan: attempts 1 to 4 about two seconds apart, the fifth after 60, the sixth after 120 seconds, those
/// up to the 29th hourly, then daily.
fn pause_after(attempt: u32) -> i64 {
    match attempt {
        ..=3 => 2 * SECOND,
        4 => MINUTE,
        5 => 2 * MINUTE,
        6..=28 => HOUR,
        _ => DAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_of_a_week() {
        let lane = Lane { registration: String::new(), msn: String::new(), reference: String::new() };
        let mut delivery = Delivery::new(lane, EventName::Created, Bytes::new(), 0, None);
        let mut moments = vec![0];
        loop {
            delivery.conclude(delivery.due, false);
            if delivery.state.is_over() {
                break;
            }
            moments.push(delivery.due);
        }
        assert_eq!(moments[..7], [0, 2_000, 4_000, 6_000, 66_000, 186_000, 186_000 + HOUR]);
        assert_eq!(moments[28], 186_000 + 23 * HOUR, "the 29th");
        assert_eq!(moments[29], 186_000 + 23 * HOUR + DAY, "the 30th");
        assert_eq!(delivery.state, State::GivenUp);
        assert_eq!(moments.len(), 35);
        assert!(moments[34] <= 7 * DAY && moments[34] + DAY > 7 * DAY);
    }
}
