//! The Webhooks API, version 1: who wants to be told of which events, and the telling.
//!
//! Sources: Webhooks OpenAPI v1; Webhooks API guide (events, request authentication, retries) and its changelog.
//! Deliveries go to this machine alone, whatever was registered.

mod api;
mod courier;
mod delivery;
mod payload;
mod queue;
mod signature;
mod target;
mod tricks;

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::clock::{self, DAY};
use crate::ledger::{EventName, Payment};
use crate::mask;
use crate::random;
use crate::switches::{Switch, Switches};
pub use api::handle;
pub use courier::{Courier, Parcel};
use delivery::{Delivery, Lane};
use queue::Queue;
use target::Target;
use tricks::Tricks;
pub use tricks::{Rule, Trick};

/// For each event and sales unit (Webhooks API guide, limits).
const REGISTRATIONS: usize = 25;
/// A registration that does not answer for so long is removed (changelog, March 2026).
const SILENCE: i64 = 14 * DAY;
/// Nobody's name: with it a signature does not fit.
const OTHER_HOST: &str = "other-host.invalid";

#[derive(Clone, Debug)]
struct Registration {
    id: String,
    /// `None`: every sales unit of the keys.
    msn: Option<String>,
    url: String,
    target: Target,
    events: Vec<EventName>,
    secret: String,
    /// Nothing has been taken since; `None` after each delivery that was.
    silent_since: Option<i64>,
}

impl Registration {
    fn ends(&self) -> Option<i64> {
        self.silent_since.map(|since| since + SILENCE)
    }

    fn wants(&self, payment: &Payment, event: EventName) -> bool {
        self.msn.as_ref().is_none_or(|msn| *msn == payment.msn) && self.events.contains(&event)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    registrations: Vec<Registration>,
    queue: Queue,
    pub tricks: Tricks,
}

impl Webhooks {
    fn register(
        &mut self,
        msn: Option<String>,
        url: String,
        target: Target,
        events: Vec<EventName>,
    ) -> Option<&Registration> {
        let rivals = |event: &EventName| {
            self.registrations.iter().filter(|known| known.msn == msn && known.events.contains(event)).count()
        };
        if events.iter().any(|event| rivals(event) >= REGISTRATIONS) {
            return None;
        }
        let secret = random::base64(&random::bytes::<64>());
        self.registrations.push(Registration {
            id: random::uuid(),
            msn,
            url,
            target,
            events,
            secret,
            silent_since: None,
        });
        self.registrations.last()
    }

    fn find(&self, id: &str) -> Option<&Registration> {
        self.registrations.iter().find(|known| known.id == id)
    }

    pub fn remove(&mut self, id: &str) {
        self.registrations.retain(|known| known.id != id);
        self.queue.drop_registration(id);
    }

    /// Something happened to a payment: the event is the `nth` of its log.
    pub fn announce(&mut self, payment: &Payment, nth: usize, switches: &Switches) {
        let Some(event) = payment.events.get(nth) else { return };
        for registration in self.registrations.iter().filter(|known| known.wants(payment, event.name)) {
            let lane = Lane {
                registration: registration.id.clone(),
                msn: payment.msn.clone(),
                reference: payment.reference.clone(),
            };
            let body = Bytes::from(payload::of(payment, nth, switches).to_string());
            let trick = self.tricks.play(false, event.name, &payment.reference);
            self.queue.push(Delivery::new(lane, event.name, body, event.at, trick));
        }
    }

    /// Registrations that have been silent for too long go, once everything before that moment has been tried.
    /// Their ids.
    pub fn settle(&mut self, now: i64) -> Vec<String> {
        let over = |known: &Registration| {
            let ends = known.ends().filter(|ends| *ends <= now)?;
            self.queue.earliest_of(&known.id).is_none_or(|due| due >= ends).then(|| known.id.clone())
        };
        let gone: Vec<String> = self.registrations.iter().filter_map(over).collect();
        gone.iter().for_each(|id| self.remove(id));
        gone
    }

    /// For a state that is settled by `now`.
    pub fn next_due(&self, now: i64) -> Option<i64> {
        let ends = self.registrations.iter().filter_map(Registration::ends).filter(|ends| *ends > now);
        ends.chain(self.queue.next_due()).min()
    }

    /// What is to be sent by now; each is under way then.
    pub fn take(&mut self, now: i64, switches: &Switches) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        while let Some((n, delivery)) = self.queue.take(now) {
            let id = &delivery.lane.registration;
            let Some(registration) = self.registrations.iter().find(|known| known.id == *id) else { continue };
            let target = &registration.target;
            let host = match switches.get(Switch::WebhookHostPort) {
                "absent" => target.host().to_owned(),
                _ => target.host_and_port(),
            };
            let date = clock::http_date(delivery.due);
            let sign =
                |secret: &str, host: &str| signature::sign(secret, &date, host, &target.path_and_query, &delivery.body);
            let fresh = sign(&registration.secret, &host);
            let trick = self.tricks.play(true, delivery.event, &delivery.lane.reference);
            let signature = match trick {
                Some(Trick::WrongSecret) => sign(&random::base64(&random::bytes::<64>()), &host),
                Some(Trick::WrongHost) => sign(&registration.secret, OTHER_HOST),
                _ if switches.is(Switch::WebhookResign, "same") => {
                    delivery.signature.clone().unwrap_or_else(|| fresh.clone())
                }
                _ => fresh.clone(),
            };
            delivery.signature.get_or_insert(fresh);
            let token = u64::from_be_bytes(random::bytes());
            parcels.push(Parcel {
                token,
                target: target.clone(),
                signature,
                // Seen beside each other in deliveries, for receivers behind proxies that take the first one away.
                authorization: match switches.get(Switch::WebhookAuthorization) {
                    "authorization" => &["Authorization"],
                    "x-vipps" => &["X-Vipps-Authorization"],
                    _ => &["Authorization", "X-Vipps-Authorization"],
                },
                webhook_id: match switches.get(Switch::WebhookId) {
                    "delivery" => delivery.id.clone(),
                    _ => registration.id.clone(),
                },
                body: delivery.body.clone(),
            });
            self.queue.begin(n, token, trick);
        }
        parcels
    }

    /// What came of a parcel. Gives a line for `--verbose`.
    pub fn end(&mut self, token: u64, outcome: Result<u16, String>, took: i64) -> Option<String> {
        let said = match &outcome {
            Ok(status) => status.to_string(),
            Err(reason) => reason.clone(),
        };
        let taken = matches!(outcome, Ok(200..=299));
        let (n, delivery, began) = self.queue.end(token, outcome, took)?;
        let id = &delivery.lane.registration;
        if let Some(registration) = self.registrations.iter_mut().find(|known| known.id == *id) {
            registration.silent_since = if taken { None } else { registration.silent_since.or(Some(began)) };
        }
        Some(format!("webhook {n} {} {} -> {said}", delivery.event.name(), delivery.lane.reference))
    }

    /// For a copy that is kept: nothing is heard there of what is under way, so it waits again.
    pub fn recall(&mut self) {
        self.queue.recall();
    }

    /// A delivery of the log once more; `None` if it, or its registration, is gone.
    pub fn repeat(&mut self, n: u64, now: i64) -> Option<u64> {
        let again = self.queue.get(n)?.again(now);
        self.find(&again.lane.registration)?;
        Some(self.queue.push(again))
    }

    pub fn view(&self) -> Value {
        let registration = |known: &Registration| {
            json!({
                "id": known.id,
                "msn": known.msn,
                "url": mask::url(&known.url),
                "events": known.events.iter().map(|event| event.webhook()).collect::<Vec<_>>(),
                // Enough to see whether a receiver has the right one.
                "secret": format!("***{}", &random::sha256_hex(known.secret.as_bytes())[..8]),
                "silent_since": known.silent_since,
                "waiting": self.queue.waiting_for(&known.id),
            })
        };
        json!({
            "registrations": self.registrations.iter().map(registration).collect::<Vec<_>>(),
            "deliveries": self.queue.list(),
            "rules": self.tricks.list(),
        })
    }
}
