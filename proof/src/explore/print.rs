//! What tells two moments apart, beside how much may still go wrong. The rules are being worked on, so no list of their
//! fields is kept here: everything that they print of themselves counts, with every time taken relative to now. A field
//! that is new counts like any other.
//!
//! A few fields are known to count less than they say; each is named below, with why.

use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use vpmeter_core::payment::Payment;

use super::server::Phase;
use super::world::World;

/// Numbers from here on are times: Unix milliseconds, which both clocks of a family show.
const TIMES_FROM: i64 = 1_000_000_000_000;

const MINUTE_MS: i64 = 60_000;

/// Beyond this no rule tells ages apart, milliseconds.
const OLDEST_MS: i64 = 25 * 3_600_000;

/// After so long an open movement is listed, milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// An intent is old from here on, milliseconds.
const OLD_MS: i64 = 60 * MINUTE_MS;

/// What of the times still counts.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// The create is not confirmed.
    create: bool,
    /// A capture or refund is open.
    movement: bool,
    /// Its key is left alone until the quiet time is over.
    stuck: bool,
    /// Nothing is open, and nothing will be read.
    over: bool,
    /// Something has been asked for, so that the time to decide is over.
    decided: bool,
    /// Another answer may lag.
    lag: bool,
    /// The payment waits for the passenger, at the servers.
    passenger: bool,
}

impl Asked {
    fn of(w: &World) -> Asked {
        let lag = w.faults > 0;
        let phase = w.server.pay.as_ref().map(|p| p.phase);
        let passenger = phase == Some(Phase::Created);
        let r = match &w.meter.memory {
            Some(p) => &p.record,
            None => &*w.meter.disk,
        };
        let stuck = |p: &Payment| p.course.tries_of_key.stuck;
        Asked {
            create: r.create.progress.is_owed(),
            movement: r.open_movement().is_some(),
            stuck: w.meter.memory.as_deref().is_some_and(stuck),
            over: r.closed_at != 0 && !r.create.doubted,
            decided: !r.captures.is_empty() || r.release.is_some(),
            lag,
            passenger,
        }
    }
}

/// What a field says, as far as the rules ask.
fn shorter(field: &str, asked: Asked) -> Option<Counts> {
    let age_if = |counts: bool, most: i64| match counts {
        true => Counts::Age(most),
        false => Counts::Not,
    };
    Some(match field {
        // The customer's time at the servers; afterwards it is over.
        "made_at" => age_if(asked.passenger, 11 * MINUTE_MS),
        // The longest lag of a family is below ten minutes.
        "moved_at" => age_if(asked.lag, 10 * MINUTE_MS),
        "acts_until" => return None,
        _ if asked.over => Counts::Not,
        // Only asked whether it is over yet.
        "not_before" | "receipt_not_before" => Counts::Future,
        "next_poll" if asked.movement || asked.decided => Counts::Not,
        "next_poll" => Counts::Future,
        "may_create_until" if !asked.create => Counts::Not,
        "may_create_until" => Counts::Future,
        "decide_by" if asked.decided => Counts::Not,
        "decide_by" => Counts::Future,
        // Older than an hour or not: nothing but the long time that a meter is off makes it so.
        "asked_at" => Counts::Old(OLD_MS),
        // Nobody polls a closed payment here.
        "read_wanted" => Counts::Not,
        // The meter's idea of the customer's window.
        "created_at" => age_if(asked.create, 11 * MINUTE_MS),
        "last_create_byte" => age_if(asked.create, 13 * MINUTE_MS),
        // Compared with the end of the watch, or with that of the quiet time.
        "read_begun" => age_if(asked.create || asked.stuck, 13 * MINUTE_MS),
        "read_at" | "events_at" => age_if(asked.stuck, 13 * MINUTE_MS),
        "sums_at" => Counts::Age(MINUTE_MS),
        "accepted_at" => Counts::Age(2 * MINUTE_MS),
        // Of the first of equal refusals.
        "since" => age_if(asked.movement, 16 * MINUTE_MS),
        "last" => age_if(asked.movement, 11 * MINUTE_MS),
        "closed_at" => Counts::Age(OLD_MS),
        // The pause has reached its ceiling, and it is shorter than any tick; "no contact" begins at two.
        "tries" => Counts::UpTo(2),
        _ => return None,
    })
}

enum Counts {
    Not,
    Future,
    Age(i64),
    Old(i64),
    UpTo(i64),
}

/// A buffer for the print of one moment.
#[derive(Default)]
pub struct Print {
    raw: String,
    text: String,
}

impl Print {
    /// The print of a moment, as 128 bits.
    pub fn of(&mut self, w: &World) -> u128 {
        self.read(w);
        let half = |salt: u64| {
            let mut h = std::hash::DefaultHasher::new();
            salt.hash(&mut h);
            self.text.hash(&mut h);
            h.finish()
        };
        (u128::from(half(1)) << 64) | u128::from(half(2))
    }

    /// The print of a moment, to be read.
    pub fn read(&mut self, w: &World) -> &str {
        self.raw.clear();
        self.text.clear();
        // Writing into a string cannot fail.
        let _ = self.write(w);
        self.shorten(w.at, Asked::of(w));
        &self.text
    }

    fn write(&mut self, w: &World) -> fmt::Result {
        let out = &mut self.raw;
        if let Some(p) = &w.meter.memory {
            write!(out, "{:?}", p.record)?;
            let course = format!("{:?}", p.course);
            out.push_str(&without_words(&course));
        }
        let same = w
            .meter
            .memory
            .as_ref()
            .is_some_and(|p| p.record == *w.meter.disk);
        if !same {
            write!(out, "{:?}", w.meter.disk)?;
        }
        write!(
            out,
            "{}{:?}{:?}{} {}{:?}",
            w.meter.asleep, w.server, w.flight, w.plan, w.asked, w.ghost
        )
    }

    fn shorten(&mut self, now: i64, asked: Asked) {
        let raw = self.raw.as_bytes();
        let (mut i, mut copied) = (0, 0);
        let (mut field, mut word): ((usize, usize), Option<usize>) = ((0, 0), None);
        while i < raw.len() {
            let b = raw[i];
            if b.is_ascii_alphabetic() || b == b'_' {
                word.get_or_insert(i);
                i += 1;
                continue;
            }
            if b.is_ascii_digit() && word.is_none() {
                let start = i;
                while i < raw.len() && raw[i].is_ascii_digit() {
                    i += 1;
                }
                let name = &self.raw[field.0..field.1];
                let value: i64 = self.raw[start..i].parse().unwrap_or(0);
                self.text.push_str(&self.raw[copied..start]);
                copied = i;
                // The first try of a movement, and not the first of equal refusals: a day old or not.
                let first_try = name == "since" && self.raw[..start].ends_with("Some(");
                let counts = match first_try {
                    true => Some(Counts::Old(DAY_MS)),
                    false => shorter(name, asked),
                };
                let _ = match (counts, value >= TIMES_FROM) {
                    (Some(Counts::UpTo(most)), _) => write!(self.text, "{}", value.min(most)),
                    (_, false) => write!(self.text, "{value}"),
                    (Some(Counts::Not), _) => self.text.write_str("t"),
                    (Some(Counts::Old(ms)), _) => write!(self.text, "t{}", now - value > ms),
                    (Some(Counts::Future), _) => write!(self.text, "t{}", (value - now).max(0)),
                    (Some(Counts::Age(most)), _) => {
                        write!(self.text, "t{}", (value - now).max(-most))
                    }
                    (None, _) => write!(self.text, "t{}", (value - now).max(-OLDEST_MS)),
                };
                continue;
            }
            if let Some(start) = word.take() {
                if b == b':' {
                    field = (start, i);
                }
            }
            i += 1;
        }
        self.text.push_str(&self.raw[copied..]);
    }
}

/// A course without the words of its last report: they are told to the host, and no rule asks for them.
fn without_words(course: &str) -> String {
    let mut text = course.to_string();
    for part in ["message: \"", "trace_id: \"", "field: \""] {
        let mut from = 0;
        while let Some(at) = text[from..].find(part) {
            let start = from + at + part.len();
            let end = text[start..].find('"').map_or(text.len(), |n| start + n);
            text.replace_range(start..end, "");
            from = start;
        }
    }
    // Of what the last try met, only the code is asked for ("no contact").
    let last = ", last: Some(Report {";
    if let Some(start) = text.find(last).map(|at| at + last.len()) {
        let code_ends = text[start..].find(',').map_or(text.len(), |n| start + n);
        let ends = text[start..].find('}').map_or(text.len(), |n| start + n);
        text.replace_range(code_ends..ends, "");
    }
    text
}
