//! The model's own books: what the host asked for, what the library said, what the servers carried out; and the
//! properties that must hold between the three.

use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::verdict::{owed, NextStep, Verdict};

use crate::model::servers::{By, Done, Op, Servers, State};
use crate::model::Ms;

/// The properties, by name. Each can fail, and `docs/proof.md` says when.
pub const PROPERTIES: &[(&str, &str)] = &[
    ("P1-charged-more", "what our keys captured and refunded never exceeds what the host asked for, amount by amount; one payment of a trip is captured"),
    ("P2-cash-and-card", "after a verdict that lets the driver take cash, nothing of the ride is captured"),
    ("P2-dead-is-dead", "a payment called proven dead is not alive, then or later"),
    ("P3-ok-is-done", "VP_OK of a capture or refund: one of our keys moved that amount"),
    ("P4-refused-is-refused", "a code of the group \"refused, proven\": nothing of it happens, then or later"),
    ("P5-nothing-was-sent", "a code of a group \"nothing was sent\" comes from no call that sent a write which reached the servers or may have"),
    ("P6-secured", "PAID_LEAVE: money is captured; SECURED_LEAVE: it will be, or a human is told"),
    ("P7-nothing-for-ever", "in the end every payment is closed or a human is told; no reservation is forgotten"),
    ("P8-phone-number", "no phone number stays on the disk once the create is confirmed or dead"),
    ("P9-given-up", "a ride that was given up is never captured"),
    ("P10-remembered", "a closed payment is remembered: its reference is not used again, its trip is not charged again within a day"),
    ("P11-same-request", "the same reference with other content is never taken as the same request"),
    ("P12-true-figures", "no sum is shown that the servers never had"),
    ("P13-closed-not-blind", "a closed payment that is read shows what others did to it"),
    ("P14-no-panic", "the library does not panic"),
];

/// A broken property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub property: &'static str,
    /// What was seen.
    pub text: String,
}

/// How far an ask is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Recorded, or perhaps recorded.
    Open,
    /// The library says it is done.
    Proven,
    /// The library says it is refused for good.
    Refused,
}

/// A capture or refund that the host asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Its number.
    pub nth: u32,
    /// Minor units.
    pub amount: i64,
    /// How far.
    pub state: Asked,
    /// By a human's decision or by the create alone: the library chose the amount.
    pub implied: bool,
    /// Nobody knows whether it was recorded.
    pub doubtful: bool,
}

/// What a payment request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Minor units.
    pub amount: i64,
    /// Whose phone.
    pub phone: String,
    /// Shown to the passenger.
    pub description: String,
    /// An approval means capture.
    pub captures: bool,
    /// With a receipt.
    pub receipt: bool,
}

/// One payment, as the host knows it.
#[derive(Clone, Debug)]
pub struct Ride {
    /// Its reference.
    pub reference: String,
    /// Its trip.
    pub trip: String,
    /// What was asked for first.
    pub content: Content,
    /// The first request was recorded, as far as its code tells.
    pub recorded: bool,
    /// A request may or may not have been recorded.
    pub doubtful: bool,
    /// When it was asked for.
    pub asked_at: Ms,
    /// Which meter has it.
    pub meter: usize,
    /// Given up.
    pub given_up: bool,
    /// Since when cash may be taken.
    pub cash: Option<(Ms, Verdict)>,
    /// SECURED_LEAVE was shown.
    pub secured: bool,
    /// Captures.
    pub captures: Vec<Ask>,
    /// Refunds.
    pub refunds: Vec<Ask>,
    /// How it looked last.
    pub last: Option<Snapshot>,
}

/// The books.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every payment.
    pub rides: Vec<Ride>,
    /// The first broken property.
    pub violation: Option<Violation>,
    /// Properties that are not looked at.
    pub ignored: Vec<String>,
    /// A disk fault happened: what is best effort may fail.
    pub disk_failed: bool,
    /// A meter's wall clock was days ahead or behind: what closed then may bear a wrong time.
    pub wall_was_wrong: bool,
    /// Payments whose refunds the servers refuse for good.
    pub refunds_refused: Vec<String>,
}

impl Ledger {
    /// Notes a broken property; the first counts.
    pub fn broken(&mut self, property: &'static str, text: String) {
        debug_assert!(PROPERTIES.iter().any(|p| p.0 == property), "{property}");
        let ignored = self
            .ignored
            .iter()
            .any(|i| property.starts_with(i.as_str()));
        if self.violation.is_none() && !ignored {
            self.violation = Some(Violation { property, text });
        }
    }

    /// A payment by reference.
    pub fn ride(&self, reference: &str) -> Option<&Ride> {
        self.rides.iter().find(|r| r.reference == reference)
    }

    /// The same, to change it.
    pub fn ride_mut(&mut self, reference: &str) -> Option<&mut Ride> {
        self.rides.iter_mut().find(|r| r.reference == reference)
    }

    /// The servers carried something out for the client.
    pub fn carried_out(&mut self, done: &Done, servers: &Servers, now: Ms) {
        let Some(ride) = self.ride(&done.reference) else {
            return;
        };
        let (reference, amount) = (&done.reference, done.amount);
        let mut broken: Option<(&'static str, String)> = None;
        match done.op {
            Op::Create => {
                if let Some((at, Verdict::TakeOtherPayment)) = ride.cash {
                    if !ride.given_up {
                        broken = Some((
                            "P2-dead-is-dead",
                            format!(
                                "{reference} was called proven dead, and {} s later the servers make it",
                                (now - at) / 1000
                            ),
                        ));
                    }
                }
            }
            Op::Capture => {
                if ride.given_up {
                    broken = Some((
                        "P9-given-up",
                        format!("{reference} was given up, and {amount} are captured"),
                    ));
                } else if let Some((at, verdict)) = ride.cash {
                    broken = Some((
                        "P2-cash-and-card",
                        format!(
                            "{amount} of {reference} are captured {} s after {verdict:?} let the driver take cash",
                            (now - at) / 1000
                        ),
                    ));
                } else if let Some(other) = self
                    .paid_otherwise(ride, servers)
                    .filter(|_| !self.wall_was_wrong)
                {
                    broken = Some((
                        "P1-charged-more",
                        format!(
                            "{reference} is captured, and {other} of the same trip is paid already"
                        ),
                    ));
                } else {
                    broken = over(reference, Op::Capture, &ride.captures, servers);
                }
            }
            Op::Refund => broken = over(reference, Op::Refund, &ride.refunds, servers),
            _ => {}
        }
        if let Some((property, text)) = broken {
            self.broken(property, text);
        }
    }

    fn paid_otherwise(&self, ride: &Ride, servers: &Servers) -> Option<String> {
        let others = self.rides.iter().filter(|r| {
            r.trip == ride.trip
                && r.reference != ride.reference
                && (r.asked_at - ride.asked_at).abs() < 23 * 3_600_000
        });
        for other in others {
            if let Some(p) = servers.payments.get(&other.reference) {
                if p.moved(Op::Capture, By::Client) > p.sums.refunded {
                    return Some(other.reference.clone());
                }
            }
        }
        None
    }

    /// The library showed a payment.
    pub fn shown(&mut self, meter: usize, s: &Snapshot, servers: &Servers, now: Ms) {
        if s.owed & owed::ELSEWHERE != 0 {
            return;
        }
        let Some(ride) = self.rides.iter_mut().find(|r| r.reference == s.reference) else {
            return;
        };
        if ride.meter != meter {
            return;
        }
        ride.last = Some(s.clone());
        let given_up = ride.given_up || s.verdict == Verdict::TakeOtherReleaseOwed;
        let truth = servers.payments.get(&s.reference);
        let mut broken: Option<(&'static str, String)> = None;
        let name = &s.reference;
        match s.verdict {
            Verdict::TakeOtherPayment | Verdict::TakeOtherReleaseOwed => {
                ride.given_up = given_up;
                if ride.cash.is_none_or(|(_, v)| v != s.verdict) {
                    ride.cash = Some((now, s.verdict));
                }
                if let Some(p) = truth {
                    if p.moved(Op::Capture, By::Client) > p.sums.refunded {
                        broken = Some((
                            "P2-cash-and-card",
                            format!(
                                "{:?} for {name}, of which {} are captured and {} refunded",
                                s.verdict, p.sums.captured, p.sums.refunded
                            ),
                        ));
                    } else if s.verdict == Verdict::TakeOtherPayment
                        && !given_up
                        && p.is_alive()
                        && !(p.state == State::Created
                            && now - p.created_at >= servers.habits.window)
                    {
                        broken = Some((
                            "P2-dead-is-dead",
                            format!(
                                "{name} is called proven dead (state {:?}, {}); at the servers it is {} with {} reserved",
                                s.state,
                                s.reason,
                                p.state.word(),
                                p.reserved()
                            ),
                        ));
                    }
                }
            }
            Verdict::PaidLeave => {
                let captured = truth.map_or(0, |p| p.sums.captured);
                if captured == 0 {
                    broken = Some((
                        "P6-secured",
                        format!("PAID_LEAVE for {name}, of which nothing is captured"),
                    ));
                }
            }
            Verdict::SecuredLeave => ride.secured = true,
            // A human is told.
            Verdict::AskOffice => ride.secured = false,
            Verdict::Wait => {}
        }
        let had = truth.map(|p| p.sums).unwrap_or_default();
        for (what, shown, most) in [
            ("authorized", s.authorized, had.authorized),
            ("captured", s.captured, had.captured),
            ("cancelled", s.cancelled, had.cancelled),
            ("refunded", s.refunded, had.refunded),
        ] {
            if shown > most && broken.is_none() {
                broken = Some((
                    "P12-true-figures",
                    format!("{name} is shown with {what} {shown}; the servers never had more than {most}"),
                ));
            }
        }
        if let Some((property, text)) = broken {
            self.broken(property, text);
        }
    }

    /// The end: faults are over, a day has passed, and the library had time to settle. `listed` is what it lists.
    pub fn end(&mut self, listed: &[(usize, Snapshot)], servers: &Servers) {
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        for ride in &self.rides {
            let name = &ride.reference;
            let mine = listed
                .iter()
                .find(|(meter, s)| *meter == ride.meter && s.reference == *name);
            let p = servers.payments.get(name);
            let told = mine.is_some_and(|(_, s)| {
                !s.closed
                    && (matches!(
                        s.next_step,
                        NextStep::Decide | NextStep::Office | NextStep::Capture
                    ) || s.owed & (owed::DECISION | owed::LOST) != 0)
            });
            let Some((_, s)) = mine else {
                if p.is_some() {
                    broken.push((
                        "P7-nothing-for-ever",
                        format!("{name} is at the servers, and no list of the meter has it"),
                    ));
                }
                continue;
            };
            if !s.closed && !told {
                broken.push((
                    "P7-nothing-for-ever",
                    format!(
                        "{name} is open for ever: {:?}, {:?}, next step {:?}, owed {}",
                        s.state, s.verdict, s.next_step, s.owed
                    ),
                ));
            }
            let Some(p) = p else {
                continue;
            };
            let lost = s.owed & owed::LOST != 0;
            if p.is_alive() && !told && !lost {
                broken.push((
                    "P7-nothing-for-ever",
                    format!(
                        "{name} has {} reserved at the servers, and nobody is told (here: {:?}, closed {})",
                        p.reserved(),
                        s.state,
                        s.closed
                    ),
                ));
            }
            if ride.secured && p.sums.captured == 0 && !told && !lost {
                broken.push((
                    "P6-secured",
                    format!("{name} was SECURED_LEAVE, and in the end nothing is captured and nobody is told"),
                ));
            }
            if s.closed && ride.refunds.iter().any(|a| a.state == Asked::Open) {
                let asked: i64 = ride.refunds.iter().map(|a| a.amount).sum();
                let one = ride.refunds.len() == 1 && !ride.refunds[0].doubtful;
                // Where others left too little, it was refused in a settle, and no call has heard of it.
                let room = p.sums.authorized - p.sums.cancelled - p.sums.refunded;
                let one = one && room >= asked && !self.refunds_refused.contains(name);
                if p.moved(Op::Refund, By::Client) == 0 && one {
                    broken.push((
                        "P7-nothing-for-ever",
                        format!("{name} is closed, and its refund of {asked} neither happened nor was refused"),
                    ));
                }
            }
        }
        for (property, text) in broken {
            self.broken(property, text);
        }
    }

    /// Nobody knows whether capture or refund number `nth` was recorded.
    pub fn doubt(&mut self, reference: &str, op: Op, nth: u32) {
        if let Some(ride) = self.ride_mut(reference) {
            let asks = match op {
                Op::Capture => &mut ride.captures,
                _ => &mut ride.refunds,
            };
            asks.iter_mut()
                .filter(|a| a.nth == nth)
                .for_each(|a| a.doubtful = true);
        }
    }

    /// A code was given for capture or refund number `nth`.
    pub fn answered(&mut self, reference: &str, op: Op, nth: u32, code: i32, servers: &Servers) {
        let Some(ride) = self.ride_mut(reference) else {
            return;
        };
        let asks = match op {
            Op::Capture => &mut ride.captures,
            _ => &mut ride.refunds,
        };
        let Some(place) = asks.iter().position(|a| a.nth == nth) else {
            return;
        };
        match code {
            0 => asks[place].state = Asked::Proven,
            // "Funds unavailable" leaves the capture owed and asks the office: presumed is only that the bank keeps to it.
            -75 => return,
            -89..=-70 => asks[place].state = Asked::Refused,
            _ => return,
        }
        let (amount, any) = (asks[place].amount, asks[place].implied);
        let of_it = |state: Asked| {
            asks.iter()
                .filter(|a| (any || a.amount == amount) && a.state == state)
                .count()
        };
        let (proven, refused) = (of_it(Asked::Proven), of_it(Asked::Refused));
        let moved = servers.payments.get(reference).map_or(0, |p| {
            p.moves
                .iter()
                .filter(|m| m.op == op && m.by == By::Client && (any || m.amount == amount))
                .count()
        });
        // Whoever captured the whole reservation: it is paid, and nothing is left to capture.
        let whole = op == Op::Capture
            && servers
                .payments
                .get(reference)
                .is_some_and(|p| p.sums.captured == p.sums.authorized);
        let word = op.word();
        if code == 0 && moved < proven && !whole {
            self.broken(
                "P3-ok-is-done",
                format!("VP_OK for {word} {nth} of {amount} of {reference}; our keys moved that amount {moved} times, and {proven} times it is called done"),
            );
        } else if code < 0 {
            let asked = asks.iter().filter(|a| any || a.amount == amount).count();
            if moved + refused > asked {
                self.broken(
                    "P4-refused-is-refused",
                    format!("code {code} for {word} {nth} of {amount} of {reference}, which was carried out"),
                );
            }
        }
    }
}

/// More was moved than asked for?
fn over(
    reference: &str,
    op: Op,
    asks: &[Ask],
    servers: &Servers,
) -> Option<(&'static str, String)> {
    let p = servers.payments.get(reference)?;
    let ours: Vec<i64> = p
        .moves
        .iter()
        .filter(|m| m.op == op && m.by == By::Client)
        .map(|m| m.amount)
        .collect();
    let mut amounts = ours.clone();
    amounts.sort_unstable();
    amounts.dedup();
    let wild = asks
        .iter()
        .filter(|a| a.implied && a.state != Asked::Refused)
        .count();
    let mut excess = 0;
    let mut refused = asks.iter().any(|a| a.implied && a.state == Asked::Refused);
    for amount in amounts {
        let moved = ours.iter().filter(|a| **a == amount).count();
        let of_it = asks.iter().filter(|a| !a.implied && a.amount == amount);
        let allowed = of_it.clone().filter(|a| a.state != Asked::Refused).count();
        refused |= moved > allowed && moved <= of_it.count();
        excess += moved.saturating_sub(allowed);
    }
    if excess <= wild {
        return None;
    }
    let word = op.word();
    let asked: Vec<i64> = asks.iter().map(|a| a.amount).collect();
    Some(match refused {
        true => (
            "P4-refused-is-refused",
            format!("a {word} of {reference} that was called refused is carried out: {ours:?}, asked for {asked:?}"),
        ),
        false => (
            "P1-charged-more",
            format!("{word}s of {reference} carried out: {ours:?}; the host asked for {asked:?}"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::servers::{Arrival, Request};

    const NAME: &str = "trip-0001";

    fn request(op: Op, key: &str, amount: i64) -> Request {
        Request {
            op,
            reference: NAME.into(),
            key: key.into(),
            body: format!("{amount}"),
            amount,
            currency: "NOK".into(),
            only_if_not_approved: false,
            phone: "91234567".into(),
            metadata: String::new(),
        }
    }

    fn act(ledger: &mut Ledger, servers: &mut Servers, op: Op, key: &str, amount: i64) {
        let Arrival::Runs(run) = servers.arrive(&request(op, key, amount), 1_000) else {
            panic!("the servers do not take it");
        };
        if let Some((_, Some(done))) = servers.finish(run, 1_000, None) {
            ledger.carried_out(&done, servers, 2_000);
        }
    }

    /// A ride of 10000, approved, with one capture asked for.
    fn ride(asked: i64) -> (Ledger, Servers) {
        let (mut ledger, mut servers) = (Ledger::default(), Servers::default());
        ledger.rides.push(Ride {
            reference: NAME.into(),
            trip: "1".into(),
            content: Content {
                amount: 10_000,
                phone: "91234567".into(),
                description: String::new(),
                captures: false,
                receipt: false,
            },
            recorded: true,
            doubtful: false,
            asked_at: 0,
            meter: 0,
            given_up: false,
            cash: None,
            secured: false,
            captures: vec![Ask {
                nth: 1,
                amount: asked,
                state: Asked::Open,
                implied: false,
                doubtful: false,
            }],
            refunds: Vec::new(),
            last: None,
        });
        act(&mut ledger, &mut servers, Op::Create, "n", 10_000);
        assert!(servers.customer(NAME, true, 1_000));
        (ledger, servers)
    }

    fn name(ledger: &Ledger) -> &'static str {
        ledger.violation.as_ref().map_or("none", |v| v.property)
    }

    #[test]
    fn what_was_asked_for_breaks_nothing() {
        let (mut ledger, mut servers) = ride(4_000);
        act(&mut ledger, &mut servers, Op::Capture, "c", 4_000);
        ledger.answered(NAME, Op::Capture, 1, 0, &servers);
        assert_eq!(name(&ledger), "none");
    }

    #[test]
    fn a_second_key_is_a_second_charge() {
        let (mut ledger, mut servers) = ride(4_000);
        act(&mut ledger, &mut servers, Op::Capture, "c1", 4_000);
        act(&mut ledger, &mut servers, Op::Capture, "c2", 4_000);
        assert_eq!(name(&ledger), "P1-charged-more");
    }

    #[test]
    fn cash_and_card() {
        let (mut ledger, mut servers) = ride(4_000);
        ledger.rides[0].cash = Some((0, Verdict::TakeOtherReleaseOwed));
        act(&mut ledger, &mut servers, Op::Capture, "c1", 4_000);
        assert_eq!(name(&ledger), "P2-cash-and-card");
    }

    #[test]
    fn given_up_and_captured() {
        let (mut ledger, mut servers) = ride(4_000);
        ledger.rides[0].given_up = true;
        act(&mut ledger, &mut servers, Op::Capture, "c1", 4_000);
        assert_eq!(name(&ledger), "P9-given-up");
    }

    #[test]
    fn ok_without_a_capture_of_ours() {
        let (mut ledger, mut servers) = ride(4_000);
        assert_eq!(servers.portal(NAME, Op::Capture, 4_000, 1_000), Some(4_000));
        ledger.answered(NAME, Op::Capture, 1, 0, &servers);
        assert_eq!(name(&ledger), "P3-ok-is-done");
    }

    #[test]
    fn refused_and_carried_out_then_or_later() {
        let (mut ledger, mut servers) = ride(4_000);
        act(&mut ledger, &mut servers, Op::Capture, "c1", 4_000);
        ledger.answered(NAME, Op::Capture, 1, -70, &servers);
        assert_eq!(name(&ledger), "P4-refused-is-refused");
        let (mut ledger, mut servers) = ride(4_000);
        ledger.answered(NAME, Op::Capture, 1, -70, &servers);
        assert_eq!(name(&ledger), "none");
        act(&mut ledger, &mut servers, Op::Capture, "c1", 4_000);
        assert_eq!(name(&ledger), "P4-refused-is-refused");
    }

    #[test]
    fn a_reservation_that_no_list_has() {
        let (mut ledger, servers) = ride(4_000);
        ledger.end(&[], &servers);
        assert_eq!(name(&ledger), "P7-nothing-for-ever");
    }

    #[test]
    fn a_dead_payment_that_is_made_later() {
        let (mut ledger, _) = ride(4_000);
        ledger.rides[0].cash = Some((0, Verdict::TakeOtherPayment));
        let mut servers = Servers::default();
        act(&mut ledger, &mut servers, Op::Create, "n", 10_000);
        assert_eq!(name(&ledger), "P2-dead-is-dead");
    }
}
