//! The whole state of the servers, behind one lock: whatever one request sees, the next one continues.

use std::collections::HashMap;

use crate::clock::Clock;
use crate::exchange;
use crate::faults::Faults;
use crate::idempotency::{Replies, Slot};
use crate::late::Late;
use crate::ledger::Ledger;
use crate::order_management::{Categories, Images, Receipts};
use crate::passenger::Passengers;
use crate::rate_limit::RateLimits;
use crate::recording::Recording;
use crate::request_log::RequestLog;
use crate::settings::{Credentials, Settings};
use crate::snapshots::Snapshots;
use crate::switches::Switches;
use crate::token::Tokens;
use crate::webhooks::Webhooks;

#[derive(Clone, Debug)]
pub struct Sim {
    pub settings: Settings,
    /// Where payments are opened by a browser or a QR code; known once the port is.
    pub base_url: String,
    /// Its own two, once they are known: no webhook goes there.
    pub ports: Vec<u16>,
    pub clock: Clock,
    pub credentials: Credentials,
    pub switches: Switches,
    pub passengers: Passengers,
    pub faults: Faults,
    pub tokens: Tokens,
    pub limits: RateLimits,
    pub replies: Replies,
    /// What is delayed or late has begun but not acted: the number of the request, and its key.
    pub running: HashMap<u64, Slot>,
    pub late: Late,
    pub ledger: Ledger,
    pub receipts: Receipts,
    pub categories: Categories,
    pub images: Images,
    pub log: RequestLog,
    pub webhooks: Webhooks,
    pub answers_not_as_described: u64,
    pub snapshots: Snapshots,
    pub recording: Option<Recording>,
    /// Counts the states that have taken each other's place: a request that was noted in another one must not act in
    /// this one.
    pub epoch: u64,
}

impl Sim {
    pub fn new(settings: Settings) -> Sim {
        let mut faults = Faults::default();
        for rule in &settings.faults {
            faults.add(rule.clone());
        }
        Sim {
            base_url: String::new(),
            ports: Vec::new(),
            clock: Clock::new(settings.speed),
            credentials: settings.credentials.clone(),
            switches: settings.switches.clone(),
            passengers: Passengers::new(settings.passenger),
            faults,
            tokens: Tokens::default(),
            limits: RateLimits::default(),
            replies: Replies::default(),
            running: HashMap::new(),
            late: Late::default(),
            ledger: Ledger::default(),
            receipts: Receipts::default(),
            categories: Categories::default(),
            images: Images::default(),
            log: RequestLog::default(),
            webhooks: Webhooks::default(),
            answers_not_as_described: 0,
            snapshots: Snapshots::default(),
            recording: None,
            epoch: 0,
            settings,
        }
    }

    /// Whatever is due by `now` happens. Requests and control calls settle before they look; `pulse` does it when
    /// nobody looks. True if anything did.
    pub fn settle(&mut self, now: i64) -> bool {
        let mut any = false;
        // Each in its own moment, with all that was due before it done.
        while let Some((due, postponed)) = self.late.take(now) {
            self.pass(due);
            exchange::carry_out(self, postponed, due);
            any = true;
        }
        self.pass(now) || any
    }

    fn pass(&mut self, now: i64) -> bool {
        let paid = self.ledger.settle(now);
        self.ledger.take_news(|payment, nth| self.webhooks.announce(payment, nth, &self.switches));
        let gone = self.webhooks.settle(now);
        if let Some(recording) = &self.recording {
            gone.iter().for_each(|id| recording.forgotten(now, id));
        }
        paid || !gone.is_empty()
    }

    /// When something changes by the mere passing of time, for a state that is settled by `now`.
    pub fn next_due(&self, now: i64) -> Option<i64> {
        let late = self.late.next_due();
        self.ledger.next_due().into_iter().chain(self.webhooks.next_due(now)).chain(late).min()
    }

    /// Everything back to the command line; time too. Snapshots stay.
    pub fn reset(&mut self) {
        self.replace(Sim::new(self.settings.clone()));
    }
}
