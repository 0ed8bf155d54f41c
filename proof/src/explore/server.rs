//! The servers, as the specification (OpenAPI ePayment 1.8.1) and the published guides describe them. Nothing of this is
//! shared with the client: requests come in as bytes, answers go out as a status and bytes.

use std::fmt::Write as _;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Create,
    Capture,
    Refund,
    /// `cancelTransactionOnly: true`.
    CancelOnly,
    /// `cancelTransactionOnly: false`.
    CancelAll,
}

/// A request that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub kind: Kind,
    pub key: String,
    /// Minor units; of a cancel 0.
    pub amount: i64,
    /// Of a create: the value that travels in the metadata.
    pub ride: String,
}

/// The passenger's part of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Created,
    Authorized,
    Aborted,
    Expired,
    Terminated,
}

/// A movement of money.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moved {
    pub what: What,
    pub amount: i64,
    /// `None`: somebody else's, from the portal.
    pub key: Option<String>,
    /// When, milliseconds.
    pub moved_at: i64,
}

/// Which sum a movement grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Captured,
    Refunded,
    Cancelled,
}

/// The one payment of a family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pay {
    pub phase: Phase,
    /// When the servers made it, milliseconds; the customer has ten minutes from then.
    pub made_at: i64,
    pub amount: i64,
    pub ride: String,
    pub moves: Vec<Moved>,
}

/// A copy of a request that can still act, because a modem, a proxy, a gateway or the servers hold it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    pub request: Request,
    /// The last moment at which it can act, milliseconds.
    pub acts_until: i64,
    /// The servers have begun it: a repeat with its key meets "in progress". Otherwise it is still on its way to them.
    pub begun: bool,
}

/// What the published documents leave open; each family is searched for every listed reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// Reads carry the metadata.
    pub metadata: bool,
    /// Entries of the event log carry the key.
    pub event_keys: bool,
    /// A refusal is kept for its key, and repeated for ever.
    pub sticky: bool,
}

/// A problem of the API: status and code.
pub type Problem = (u16, i32);

/// The servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub reading: Reading,
    pub pay: Option<Pay>,
    /// Refusals that stay with their key.
    pub kept: Vec<(Kind, String, Problem)>,
    pub late: Vec<Late>,
    /// The period in which this payment can be captured (refunded) is over.
    pub capture_over: bool,
    pub refund_over: bool,
}

/// The customer's time, milliseconds (ePayment guide, timeouts).
pub const WINDOW_MS: i64 = 600_000;

/// What is shown of the sums and of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// All.
    True,
    /// Without the movements that are younger than the lag.
    Lagging,
    /// A modification's answer without its aggregate; a read without its metadata.
    Bare,
}

impl Pay {
    pub fn sum(&self, what: What) -> i64 {
        self.sum_as_of(what, i64::MAX)
    }

    fn sum_as_of(&self, what: What, shown_until: i64) -> i64 {
        let shown = |m: &&Moved| m.what == what && m.moved_at < shown_until;
        self.moves.iter().filter(shown).map(|m| m.amount).sum()
    }

    pub fn authorized(&self) -> i64 {
        match self.phase {
            Phase::Authorized => self.amount,
            _ => 0,
        }
    }

    /// Still held of the passenger's money.
    pub fn reserved(&self) -> i64 {
        match self.phase {
            Phase::Authorized => self.amount - self.sum(What::Captured) - self.sum(What::Cancelled),
            _ => 0,
        }
    }

    /// Money may still move from the passenger.
    pub fn is_alive(&self) -> bool {
        self.phase == Phase::Created || self.reserved() > 0
    }

    fn moved(&mut self, what: What, amount: i64, key: Option<&str>, now: i64) {
        self.moves.push(Moved {
            what,
            amount,
            key: key.map(str::to_string),
            moved_at: now,
        });
    }

    fn has_done(&self, what: What, key: &str) -> bool {
        self.moves
            .iter()
            .any(|m| m.what == what && m.key.as_deref() == Some(key))
    }
}

impl Server {
    pub fn new(reading: Reading) -> Server {
        Server {
            reading,
            pay: None,
            kept: Vec::new(),
            late: Vec::new(),
            capture_over: false,
            refund_over: false,
        }
    }

    /// A copy of this request is being carried out.
    pub fn is_running(&self, r: &Request) -> bool {
        self.late
            .iter()
            .any(|l| l.begun && l.request.kind == r.kind && l.request.key == r.key)
    }

    /// A refusal stays with this request's key: nothing of it begins any more.
    pub fn keeps_refusing(&self, r: &Request) -> bool {
        self.kept.iter().any(|k| k.0 == r.kind && k.1 == r.key)
    }

    /// Keeps a refusal for a key.
    pub fn keep(&mut self, r: &Request, problem: Problem) {
        self.kept.push((r.kind, r.key.clone(), problem));
    }

    /// A request arrives and is carried out, or refused on its own grounds.
    pub fn arrive(&mut self, r: &Request, now: i64) -> Result<(), Problem> {
        if let Some(kept) = self.kept.iter().find(|k| k.0 == r.kind && k.1 == r.key) {
            return Err(kept.2);
        }
        self.late
            .retain(|l| !(l.begun && l.request.kind == r.kind && l.request.key == r.key));
        let outcome = self.carry_out(r, now);
        if let Err(problem) = outcome {
            let by_state = matches!(r.kind, Kind::CancelAll | Kind::CancelOnly);
            if self.reading.sticky && !by_state {
                self.keep(r, problem);
            }
        }
        outcome
    }

    fn carry_out(&mut self, r: &Request, now: i64) -> Result<(), Problem> {
        if r.kind == Kind::Create {
            return match &self.pay {
                // The same key again: the payment that it made.
                Some(p) if p.ride == r.ride => Ok(()),
                Some(_) => Err((409, 4150)),
                None => {
                    self.pay = Some(Pay {
                        phase: Phase::Created,
                        made_at: now,
                        amount: r.amount,
                        ride: r.ride.clone(),
                        moves: Vec::new(),
                    });
                    Ok(())
                }
            };
        }
        let Some(p) = &mut self.pay else {
            return Err((404, 5090));
        };
        match r.kind {
            Kind::Create => Ok(()),
            Kind::Capture => {
                if p.has_done(What::Captured, &r.key) {
                    return Ok(());
                }
                if p.phase != Phase::Authorized {
                    return Err((400, 6080));
                }
                if self.capture_over {
                    return Err((400, 6100));
                }
                if p.reserved() == 0 && p.sum(What::Cancelled) > 0 {
                    return Err((400, 6070));
                }
                if r.amount > p.reserved() {
                    return Err((400, if p.reserved() == 0 { 6170 } else { 6090 }));
                }
                p.moved(What::Captured, r.amount, Some(&r.key), now);
                Ok(())
            }
            Kind::Refund => {
                if p.has_done(What::Refunded, &r.key) {
                    return Ok(());
                }
                let left = p.sum(What::Captured) - p.sum(What::Refunded);
                if self.refund_over {
                    return Err((400, 6220));
                }
                if p.sum(What::Captured) == 0 {
                    return Err((400, 6020));
                }
                if r.amount > left {
                    return Err((400, if left == 0 { 6180 } else { 6150 }));
                }
                p.moved(What::Refunded, r.amount, Some(&r.key), now);
                Ok(())
            }
            Kind::CancelOnly | Kind::CancelAll => match p.phase {
                Phase::Created => {
                    p.phase = Phase::Terminated;
                    let amount = p.amount;
                    p.moved(What::Cancelled, amount, Some(&r.key), now);
                    Ok(())
                }
                Phase::Authorized if r.kind == Kind::CancelOnly => Err((400, 6060)),
                Phase::Authorized => match p.reserved() {
                    0 if p.sum(What::Captured) > 0 => Err((400, 6040)),
                    0 => Err((400, 6050)),
                    left => {
                        p.moved(What::Cancelled, left, Some(&r.key), now);
                        Ok(())
                    }
                },
                _ => Err((400, 6050)),
            },
        }
    }

    /// A copy would still change something if it acted, now or after an approval.
    pub fn would_act(&self, r: &Request) -> bool {
        let mut then = self.clone();
        let before = then.pay.clone();
        let _ = then.arrive(r, NOON);
        then.pay != before
    }

    /// Forgets copies that can never do anything: what they ask for was done, or refused for good, under their key.
    pub fn forget_what_is_idle(&mut self) {
        let (pay, kept) = (&self.pay, &self.kept);
        self.late.retain(|l| {
            let r = &l.request;
            let what = match r.kind {
                Kind::Create if pay.is_some() => return l.begun,
                Kind::Capture => What::Captured,
                Kind::Refund => What::Refunded,
                _ => return true,
            };
            let done = pay.as_ref().is_some_and(|p| p.has_done(what, &r.key));
            let refused = kept.iter().any(|k| k.0 == r.kind && k.1 == r.key);
            l.begun || !(done || refused)
        });
    }

    /// A late copy acts now.
    pub fn act_late(&mut self, index: usize, now: i64) {
        let late = self.late.remove(index);
        // Nobody hears the answer. What is begun no longer asks what a repeat of it was answered.
        let _ = match late.begun {
            true => self.carry_out(&late.request, now),
            false => self.arrive(&late.request, now),
        };
    }

    /// Money has moved since.
    pub fn moved_since(&self, since: i64) -> bool {
        let moves = self.pay.iter().flat_map(|p| &p.moves);
        moves.into_iter().any(|m| m.moved_at >= since)
    }

    /// The office uses the portal. A release is of all that is reserved.
    pub fn portal(&mut self, what: What, amount: i64, now: i64) {
        if let Some(p) = &mut self.pay {
            let amount = match what {
                What::Cancelled => p.reserved(),
                _ => amount,
            };
            p.moved(what, amount, None, now);
        }
    }

    /// Time has passed: what is too late can act no more, and the customer's time may be over.
    pub fn time_is(&mut self, now: i64) {
        self.late.retain(|l| l.acts_until >= now);
        if let Some(p) = &mut self.pay {
            if p.phase == Phase::Created && now - p.made_at >= WINDOW_MS {
                p.phase = Phase::Expired;
            }
        }
    }

    /// The payment as `GET` shows it, or as the answer to a modification does.
    pub fn show(
        &self,
        reference: &str,
        view: View,
        read: bool,
        shown_until: i64,
    ) -> Option<String> {
        let p = self.pay.as_ref()?;
        let until = match view {
            View::Lagging => shown_until,
            _ => i64::MAX,
        };
        let phase = match p.phase {
            Phase::Created => "CREATED",
            Phase::Authorized => "AUTHORIZED",
            Phase::Aborted => "ABORTED",
            Phase::Expired => "EXPIRED",
            Phase::Terminated => "TERMINATED",
        };
        let sum = |v: i64| format!(r#"{{"currency":"NOK","value":{v}}}"#);
        let mut body = format!(
            r#"{{"reference":"{reference}","pspReference":"1","state":"{phase}","amount":{},"paymentMethod":{{"type":"WALLET"}},"profile":{{}}"#,
            sum(p.amount)
        );
        if read || view != View::Bare {
            let _ = write!(
                body,
                r#","aggregate":{{"authorizedAmount":{},"capturedAmount":{},"cancelledAmount":{},"refundedAmount":{}}}"#,
                sum(p.authorized()),
                sum(p.sum_as_of(What::Captured, until)),
                sum(p.sum_as_of(What::Cancelled, until)),
                sum(p.sum_as_of(What::Refunded, until)),
            );
        }
        if read && view != View::Bare && self.reading.metadata {
            let _ = write!(body, r#","metadata":{{"vpmeter-ride":"{}"}}"#, p.ride);
        }
        body.push('}');
        Some(body)
    }

    /// The event log.
    pub fn log(&self, reference: &str, view: View, shown_until: i64) -> Option<String> {
        let p = self.pay.as_ref()?;
        let until = match view {
            View::Lagging => shown_until,
            _ => i64::MAX,
        };
        let decided = match p.phase {
            Phase::Created => None,
            Phase::Authorized => Some("AUTHORIZED"),
            Phase::Aborted => Some("ABORTED"),
            Phase::Expired => Some("EXPIRED"),
            Phase::Terminated => Some("TERMINATED"),
        };
        let mut entries = Vec::new();
        for name in ["CREATED"].into_iter().chain(decided) {
            let n = entries.len();
            entries.push(entry(reference, n, name, p.amount, p.made_at, None));
        }
        for m in p.moves.iter().filter(|m| m.moved_at < until) {
            let (name, keyed) = match m.what {
                What::Captured => ("CAPTURED", true),
                What::Refunded => ("REFUNDED", true),
                What::Cancelled => ("CANCELLED", false),
            };
            let key = m
                .key
                .as_deref()
                .filter(|_| keyed && self.reading.event_keys);
            if !(name == "CANCELLED" && p.phase == Phase::Terminated) {
                let n = entries.len();
                entries.push(entry(reference, n, name, m.amount, m.moved_at, key));
            }
        }
        Some(format!("[{}]", entries.join(",")))
    }
}

fn entry(
    reference: &str,
    number: usize,
    name: &str,
    amount: i64,
    at: i64,
    key: Option<&str>,
) -> String {
    let key = key.map_or("null".to_string(), |k| format!("\"{k}\""));
    format!(
        r#"{{"reference":"{reference}","pspReference":"{number}","name":"{name}","amount":{{"currency":"NOK","value":{amount}}},"timestamp":"{}","idempotencyKey":{key},"success":true}}"#,
        timestamp(at)
    )
}

/// Noon of 23 November 2026 UTC, Unix milliseconds: when every family begins.
pub const NOON: i64 = 1_795_435_200_000;

/// A time of the days after [`NOON`], as the servers write it.
fn timestamp(at: i64) -> String {
    let seconds = (at - NOON) / 1000 + 12 * 3600;
    let (day, rest) = (23 + seconds / 86_400, seconds % 86_400);
    format!(
        "2026-11-{day:02}T{:02}:{:02}:{:02}.000Z",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

/// A problem in the API's own shape; without a code, the kind that names a field.
pub fn problem(status: u16, code: i32) -> String {
    let details = match code {
        0 => r#","extraDetails":[{"name":"request","reason":"No."}]"#.to_string(),
        code => format!(r#","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]"#),
    };
    format!(
        r#"{{"type":"https://httpstatuses.io/{status}","title":"Problem","status":{status},"detail":"d","instance":"/v1/payments","traceId":"00-1-2-01"{details}}}"#
    )
}
