//! The properties, judged by what really happened at the servers and by what the library shows to its host.

use vpmeter_core::payment::{Operation, Payment, Progress, Record};
use vpmeter_core::verdict::{judge, NextStep, Verdict};

use super::meter::{Ask, Meter};
use super::server::{Kind, Request, Server, What};
use super::world::index_of;

/// The properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// Captures (refunds) carried out by our keys never exceed what was asked for.
    Once,
    /// After "take another payment" nothing of ours is captured, and nothing is called dead that lives.
    Cash,
    /// "Done" means: carried out by one of our keys, in that amount.
    Done,
    /// "Refused" means: never carried out.
    Refused,
    /// Given up is never captured.
    GivenUp,
    /// While a key is open, no other movement is sent.
    OneAtATime,
    /// From everywhere there is a way home: closed, or a human is told.
    Home,
    /// One key for a create; a refund has a second one only if both cannot succeed.
    Keys,
}

impl Law {
    pub const ALL: [Law; 8] = [
        Law::Once,
        Law::Cash,
        Law::Done,
        Law::Refused,
        Law::GivenUp,
        Law::OneAtATime,
        Law::Home,
        Law::Keys,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Law::Once => "P1 once",
            Law::Cash => "P2 cash",
            Law::Done => "P3 done",
            Law::Refused => "P4 refused",
            Law::GivenUp => "P5 given up",
            Law::OneAtATime => "P6 one at a time",
            Law::Home => "P7 home",
            Law::Keys => "P8 keys",
        }
    }

    pub fn says(self) -> &'static str {
        match self {
            Law::Once => "captures and refunds by our keys never exceed what was asked for",
            Law::Cash => "after \"take another payment\" nothing of ours is captured; nothing that lives is called dead, closed or lost",
            Law::Done => "a capture or refund that is done was carried out by one of its keys, in its amount",
            Law::Refused => "what is refused is never carried out",
            Law::GivenUp => "what is given up is never captured",
            Law::OneAtATime => "while a copy of a capture, refund or release can act, no other of them is sent",
            Law::Home => "from every state there is a way home without faults: closed, or a human is told",
            Law::Keys => "a create has one key; a refund has a second one only if both could not have succeeded",
        }
    }
}

/// What has happened, beside what meter and servers remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// Captures and refunds that were asked for, øre.
    pub captures: Vec<i64>,
    pub refunds: Vec<i64>,
    /// Every key that was sent, with the operation that it is for.
    pub keys: Vec<(Kind, usize, String)>,
    /// The driver has been told to take another payment, without a refund being the reason.
    pub cash: bool,
    /// The host has been told that the payment is given up.
    pub given_up: bool,
    /// Broken at a send.
    pub broken: Option<(Law, &'static str)>,
}

fn is_movement(kind: Kind) -> bool {
    matches!(kind, Kind::Capture | Kind::Refund | Kind::CancelAll)
}

impl Ghost {
    pub fn asked(&mut self, ask: Ask) {
        if ask == Ask::GiveUp {
            self.given_up = true;
        }
    }

    /// A request leaves.
    pub fn sends(&mut self, operation: Operation, r: &Request, server: &Server) {
        let index = index_of(operation);
        let known = |k: &(Kind, usize, String)| k.0 == r.kind && k.1 == index && k.2 == r.key;
        let others = self.keys.iter().filter(|k| k.0 == r.kind && k.1 == index);
        let is_new = !self.keys.iter().any(known);
        let has_others = others.count() > 0;
        if is_new && has_others {
            match (r.kind, &server.pay) {
                (Kind::Create, _) => {
                    self.broken = Some((Law::Keys, "a create is sent with a second key"));
                }
                // What it has moved itself is not in the way of what it could move again.
                (Kind::Refund, Some(p)) => {
                    let ours = self.carried_out(server, r.kind, index);
                    let left = p.authorized() - p.sum(What::Cancelled) - p.sum(What::Refunded);
                    if left + ours >= 2 * r.amount {
                        self.broken = Some((
                            Law::Keys,
                            "a refund is sent with a second key although both could succeed",
                        ));
                    }
                }
                _ => {}
            }
        }
        // Cancels are told by their state, not by their key.
        if is_new && matches!(r.kind, Kind::Create | Kind::Capture | Kind::Refund) {
            self.keys.push((r.kind, index, r.key.clone()));
        }
        let same = |other: &Request| match (other.kind, r.kind) {
            (Kind::CancelAll | Kind::CancelOnly, Kind::CancelAll) => true,
            (a, b) if a == b => {
                let of = |key: &str| {
                    self.keys
                        .iter()
                        .find(|k| k.0 == a && k.2 == key)
                        .map(|k| k.1)
                };
                of(&other.key) == Some(index)
            }
            _ => false,
        };
        let open = server.late.iter().any(|l| {
            is_movement(l.request.kind) && !same(&l.request) && server.would_act(&l.request)
        });
        if is_movement(r.kind) && open {
            self.broken = Some((
                Law::OneAtATime,
                "a movement is sent while a copy of another can still act",
            ));
        }
    }

    /// After everything that happens: what is asked for, and what the driver sees.
    pub fn look(&mut self, meter: &Meter, server: &Server) {
        let Some(p) = &meter.memory else { return };
        let asked = |list: &[vpmeter_core::payment::Movement], ghost: &mut Vec<i64>| {
            for m in &list[ghost.len().min(list.len())..] {
                ghost.push(m.amount);
            }
        };
        asked(&p.record.captures, &mut self.captures);
        asked(&p.record.refunds, &mut self.refunds);
        let verdict = judge(p).verdict;
        let cash = matches!(
            verdict,
            Verdict::TakeOtherPayment | Verdict::TakeOtherReleaseOwed
        );
        let refunded = server
            .pay
            .as_ref()
            .is_some_and(|s| s.sum(What::Refunded) > 0);
        self.cash |= cash && !refunded;
    }

    /// What was carried out of one operation, øre.
    fn carried_out(&self, server: &Server, kind: Kind, index: usize) -> i64 {
        let what = match kind {
            Kind::Capture => What::Captured,
            _ => What::Refunded,
        };
        let Some(p) = &server.pay else { return 0 };
        let ours = |key: &str| {
            self.keys
                .iter()
                .any(|k| k.0 == kind && k.1 == index && k.2 == key)
        };
        let moves = p
            .moves
            .iter()
            .filter(|m| m.what == what && m.key.as_deref().is_some_and(ours));
        moves.map(|m| m.amount).sum()
    }

    fn captured_by_us(&self, server: &Server) -> i64 {
        let count = self.captures.len();
        (0..count)
            .map(|i| self.carried_out(server, Kind::Capture, i))
            .sum()
    }
}

/// The first property that is broken at this moment, and how.
pub fn broken(meter: &Meter, server: &Server, ghost: &Ghost) -> Option<(Law, String)> {
    if let Some((law, why)) = ghost.broken {
        return Some((law, why.into()));
    }
    for (kind, asked) in [
        (Kind::Capture, &ghost.captures),
        (Kind::Refund, &ghost.refunds),
    ] {
        for (i, amount) in asked.iter().enumerate() {
            let done = ghost.carried_out(server, kind, i);
            if done > *amount {
                return Some((
                    Law::Once,
                    format!("{kind:?} {} of {amount} was carried out for {done}", i + 1),
                ));
            }
        }
    }
    let captured = ghost.captured_by_us(server);
    if ghost.given_up && captured > 0 {
        return Some((
            Law::GivenUp,
            format!("{captured} captured after it was given up"),
        ));
    }
    let refunded = server.pay.as_ref().map_or(0, |p| p.sum(What::Refunded));
    if ghost.cash && captured > refunded {
        return Some((
            Law::Cash,
            format!("{captured} captured although the driver was told to take another payment"),
        ));
    }
    match &meter.memory {
        Some(p) => of_record(&p.record, server, ghost).or_else(|| shown(p, server)),
        None => of_record(&meter.disk, server, ghost),
    }
}

fn of_record(r: &Record, server: &Server, ghost: &Ghost) -> Option<(Law, String)> {
    for (kind, list) in [(Kind::Capture, &r.captures), (Kind::Refund, &r.refunds)] {
        for (i, m) in list.iter().enumerate() {
            let done = ghost.carried_out(server, kind, i);
            match &m.progress {
                Progress::Done if done != m.amount && !whole_is_gone(kind, m.amount, server) => {
                    return Some((
                        Law::Done,
                        format!(
                            "{kind:?} {} of {} is called done; carried out by its keys: {done}",
                            i + 1,
                            m.amount
                        ),
                    ));
                }
                Progress::Refused(_) if done > 0 => {
                    return Some((
                        Law::Refused,
                        format!(
                            "{kind:?} {} is called refused, and was carried out for {done}",
                            i + 1
                        ),
                    ));
                }
                _ => {}
            }
        }
    }
    let alive = server.pay.as_ref().is_some_and(|p| p.is_alive());
    if alive && r.is_dead() {
        return Some((Law::Cash, "called dead, and alive at the servers".into()));
    }
    if alive && r.closed_at != 0 && r.lost.is_none() {
        return Some((Law::Cash, "closed, with money still reserved".into()));
    }
    if r.lost.is_some() {
        let open = |l: &super::server::Late| {
            l.request.kind == Kind::Capture && server.would_act(&l.request)
        };
        if server.late.iter().any(open) {
            return Some((
                Law::Cash,
                "called lost, while a copy of the capture can still act".into(),
            ));
        }
    }
    None
}

/// The whole reservation was asked for, and the whole is captured, by whomever: the money is the same.
fn whole_is_gone(kind: Kind, amount: i64, server: &Server) -> bool {
    let Some(p) = &server.pay else { return false };
    kind == Kind::Capture && amount == p.authorized() && p.sum(What::Captured) == amount
}

fn shown(p: &Payment, server: &Server) -> Option<(Law, String)> {
    let captured = server.pay.as_ref().map_or(0, |s| s.sum(What::Captured));
    (judge(p).verdict == Verdict::PaidLeave && captured == 0).then(|| {
        (
            Law::Done,
            "the driver reads \"paid\", and nothing is captured".into(),
        )
    })
}

/// The way home ends here: it is closed, or a human is told what to do.
pub fn is_home(meter: &Meter) -> bool {
    let Some(p) = &meter.memory else { return false };
    if p.record.closed_at != 0 {
        return true;
    }
    match judge(p).next_step {
        NextStep::Decide | NextStep::Office => true,
        // Nobody has asked for anything yet, or a reservation is left: the host is told to capture or to give up.
        NextStep::Capture => p.record.open_capture().is_none() && !p.record.release_owed(),
        _ => false,
    }
}
