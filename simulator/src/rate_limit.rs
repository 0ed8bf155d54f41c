//! Calls a minute for each reference. Source: ePayment API guide, errors (rate limiting).
//!
//! The body of a 429 is not documented; the gateway's stock form is the default here.

use std::collections::{HashMap, VecDeque};

use crate::clock::{MINUTE, SECOND};
use crate::problem;
use crate::route::Operation;
use crate::switches::{Switch, Switches};
use crate::wire::Answer;

const WRITES: usize = 5;
const READS: usize = 120;

#[derive(Clone, Debug, Default)]
pub struct RateLimits {
    calls: HashMap<(Option<Operation>, String, String), VecDeque<i64>>,
}

impl RateLimits {
    /// Counts the call, or refuses it. Calls without a reference all count as one payment.
    pub fn admit(
        &mut self,
        switches: &Switches,
        operation: Operation,
        msn: &str,
        reference: &str,
        now: i64,
    ) -> Result<(), Answer> {
        let limit = match operation {
            Operation::Create | Operation::Capture | Operation::Cancel | Operation::Refund => WRITES,
            Operation::Get | Operation::Events => READS,
            _ => return Ok(()),
        };
        if switches.is(Switch::RateLimits, "off") {
            return Ok(());
        }
        if self.calls.len() > 10_000 {
            self.calls.retain(|_, times| times.back().is_some_and(|last| last + MINUTE > now));
        }
        let together = switches.is(Switch::RateLimitScope, "reference") && limit == WRITES;
        let slot = ((!together).then_some(operation), msn.to_owned(), reference.to_owned());
        let times = self.calls.entry(slot).or_default();
        while times.front().is_some_and(|first| first + MINUTE <= now) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= limit => {
                let wait = (first + MINUTE - now + SECOND - 1) / SECOND;
                Err(refusal(switches, wait))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

fn refusal(switches: &Switches, seconds: i64) -> Answer {
    if switches.is(Switch::RateLimitShape, "empty") {
        return Answer::empty(429);
    }
    let message = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
    problem::gateway(429, &message).with_header("Retry-After", seconds.to_string())
}
