//! What happens: to a request, or to a connection.

use serde_json::Value;

use super::dice::{self, Draw};
use super::fields::{BadRule, Fields, bad};
use crate::foreign::Page;
use crate::late::LATEST_MS;
use crate::route::Operation;
use crate::socket::{Place, Then};
use crate::tls::Flaw;
use crate::wire::brief;

/// What happens to a request. "Acts" means that the servers do what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Reset as soon as the head is read; the body is not waited for.
    Refuse,
    /// No answer.
    Silence { acts: bool, then: Then },
    /// Another answer.
    Instead { acts: bool, answer: Instead },
    /// Acts; the answer ends too early.
    Cut { place: Place, then: Then },
    /// Acts; the answer comes one byte at a time, with a pause of so many milliseconds after each.
    Drip(u64),
    /// Acts; the answer is declared as something that it is not.
    Typed(String),
    /// Acts; of the answer's body so many bytes are changed on its way.
    Garble { bytes: u64, seed: u64, seen: u64 },
    /// Acts; the answer is written a second time where the next one is due, and then nothing more.
    AnswerTwice(Option<u64>),
    /// Acts at once and answers late.
    AnswerLate(Wait),
    /// Late in acting and therefore late in answering.
    ActLate(Wait),
    /// Taken at once and carried out later, on the simulator's clock.
    Late { wait: Wait, heard: Heard },
    /// Acts; the answer is dated wrongly.
    Dated(WrongDate),
    /// Reaches the servers twice.
    Duplicate { second_answers: bool },
    /// The token that it carries is not valid any more.
    RevokeToken,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Instead {
    Fixed(FixedAnswer),
    /// 200 with a body that is not what its type says.
    Garbage(String),
    /// The page of something else.
    Foreign {
        status: u16,
        page: Page,
    },
}

/// What the client hears of a request that is carried out late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The answer when it is there, if the client still waits.
    Late,
    /// At once a reset, a clean end, or that a gateway waits no longer.
    Reset,
    Close,
    GatewayTimeout,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongDate {
    /// A header value, whatever it says.
    Said(String),
    /// So many milliseconds from the right one.
    Off(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FixedAnswer {
    pub status: u16,
    pub body: Option<Value>,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// In real milliseconds, or in the simulator's where an action says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub ms: u64,
    /// At most so much more.
    jitter_ms: u64,
}

impl Wait {
    fn drawn(self, seed: u64, seen: u64) -> Wait {
        let more = (dice::draw(seed, seen, Draw::Jitter) * (self.jitter_ms + 1) as f64) as u64;
        Wait { ms: self.ms + more.min(self.jitter_ms), jitter_ms: 0 }
    }
}

/// So many bytes are changed, each to another one; the length stays.
pub fn garble(body: &mut [u8], bytes: u64, seed: u64, seen: u64) {
    let mut places: Vec<usize> = (0..body.len()).collect();
    let mut drawn = dice::numbers(seed, seen);
    for _ in 0..bytes {
        let (Some(place), Some(change)) = (drawn.next(), drawn.next()) else { return };
        if places.is_empty() {
            return;
        }
        let at = places.swap_remove((place % places.len() as u64) as usize);
        body[at] ^= (change % 255) as u8 + 1;
    }
}

/// What happens to a new connection, before TLS and HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionAction {
    Refuse,
    /// Taken and never read.
    Stall(Option<u64>),
    /// With so many open already it is refused, or waits until one of them ends.
    Limit {
        connections: usize,
        wait: bool,
    },
    Certificate(Flaw),
}

/// Each name with the fields that it takes beside the common ones.
type Names = [(&'static str, &'static [&'static str])];

const ACTIONS: &Names = &[
    ("refuse", &[]),
    ("reset_before", &[]),
    ("reset_after", &[]),
    ("lose_answer", &[]),
    ("close_before", &[]),
    ("close_after", &[]),
    ("half_close_before", &["ms"]),
    ("half_close_after", &["ms"]),
    ("stall_before", &["ms"]),
    ("stall_after", &["ms"]),
    ("stall_in_head", &["ms"]),
    ("stall_in_body", &["ms"]),
    ("truncate_in_head", &[]),
    ("truncate_after", &[]),
    ("garbage_before", &["content_type"]),
    ("garbage_after", &["content_type"]),
    ("foreign_before", &["status", "page"]),
    ("foreign_after", &["status", "page"]),
    ("garble", &["bytes"]),
    ("wrong_content_type", &["content_type"]),
    ("slow_after", &["ms"]),
    ("answer_twice", &["ms"]),
    ("duplicate", &["answer"]),
    ("delay", &["ms", "jitter_ms"]),
    ("delay_after", &["ms", "jitter_ms"]),
    ("late", &["ms", "jitter_ms", "answer"]),
    ("wrong_date", &["date", "offset_ms"]),
    ("status", &["status", "body", "content_type", "headers", "act"]),
    ("revoke_token", &[]),
];

const CONNECTION_ACTIONS: &Names = &[
    ("refuse", &[]),
    ("stall_before", &["ms"]),
    ("limit", &["connections", "wait"]),
    ("certificate", &["certificate"]),
];

const DAY_MS: u64 = 86_400_000;

fn known(names: &Names, name: &str, fields: &Fields, common: &[&str]) -> Result<&'static str, BadRule> {
    let Some((name, extra)) = names.iter().find(|(known, _)| *known == name) else {
        let all: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
        return bad("action", format!("\"{}\" is none of {}", brief(name), all.join(", ")));
    };
    match fields.0.keys().find(|key| !common.contains(&key.as_str()) && !extra.contains(&key.as_str())) {
        Some(key) => bad(&brief(key), format!("is not part of a rule with action \"{name}\"")),
        None => Ok(name),
    }
}

impl Action {
    pub fn parse(name: &str, fields: &Fields, common: &[&str]) -> Result<(&'static str, Action), BadRule> {
        let name = known(ACTIONS, name, fields, common)?;
        let ms = fields.number("ms", 0, DAY_MS)?;
        let wait = |most| -> Result<Wait, BadRule> {
            let jitter_ms = fields.number("jitter_ms", 0, most)?.unwrap_or(0);
            Ok(Wait { ms: fields.needed_number("ms", 0, most)?, jitter_ms })
        };
        let foreign = |acts| -> Result<Action, BadRule> {
            let status = fields.number("status", 400, 499)?.unwrap_or(403) as u16;
            let page = Page::named(fields.choice("page", &Page::NAMES)?);
            Ok(Action::Instead { acts, answer: Instead::Foreign { status, page } })
        };
        let content_type = fields.header_value("content_type")?;
        let silence = |acts, then| Action::Silence { acts, then };
        let garbage = |acts| {
            let content_type = content_type.clone().unwrap_or_else(|| "application/json".to_owned());
            Action::Instead { acts, answer: Instead::Garbage(content_type) }
        };
        let action = match name {
            "refuse" => Action::Refuse,
            "reset_before" => silence(false, Then::Reset),
            "reset_after" | "lose_answer" => silence(true, Then::Reset),
            "close_before" => silence(false, Then::Close),
            "close_after" => silence(true, Then::Close),
            "half_close_before" => silence(false, Then::HalfClose(ms)),
            "half_close_after" => silence(true, Then::HalfClose(ms)),
            "stall_before" => silence(false, Then::Hold(ms)),
            "stall_after" => silence(true, Then::Hold(ms)),
            "stall_in_head" => Action::Cut { place: Place::Head, then: Then::Hold(ms) },
            "stall_in_body" => Action::Cut { place: Place::Body, then: Then::Hold(ms) },
            "truncate_in_head" => Action::Cut { place: Place::Head, then: Then::Close },
            "truncate_after" => Action::Cut { place: Place::Body, then: Then::Close },
            "garbage_before" => garbage(false),
            "garbage_after" => garbage(true),
            "garble" => Action::Garble { bytes: fields.number("bytes", 1, 1_000_000)?.unwrap_or(3), seed: 0, seen: 0 },
            "wrong_content_type" => Action::Typed(content_type.unwrap_or_else(|| "text/html".to_owned())),
            "slow_after" => Action::Drip(ms.unwrap_or(1_000)),
            "answer_twice" => Action::AnswerTwice(ms),
            "duplicate" => {
                Action::Duplicate { second_answers: fields.choice("answer", &["first", "second"])? == "second" }
            }
            "delay" => Action::ActLate(wait(DAY_MS)?),
            "delay_after" => Action::AnswerLate(wait(DAY_MS)?),
            "late" => Action::Late { wait: wait(LATEST_MS)?, heard: Heard::read(fields)? },
            "wrong_date" => Action::Dated(WrongDate::read(fields)?),
            "foreign_before" => foreign(false)?,
            "foreign_after" => foreign(true)?,
            "status" => Action::Instead {
                acts: fields.flag("act")?,
                answer: Instead::Fixed(FixedAnswer {
                    status: fields.needed_number("status", 200, 599)? as u16,
                    body: fields.get("body").cloned(),
                    content_type,
                    headers: fields.headers("headers")?,
                }),
            },
            _ => Action::RevokeToken,
        };
        Ok((name, action))
    }

    /// Does it concern this operation? Some actions are for some requests only, also in a rule for any.
    pub fn concerns(&self, operation: Operation) -> bool {
        match self {
            Action::RevokeToken => operation.carries_token(),
            Action::Late { .. } => operation.is_write(),
            _ => true,
        }
    }

    /// With its chance parts drawn.
    pub fn drawn(&self, seed: u64, seen: u64) -> Action {
        match self {
            Action::ActLate(wait) => Action::ActLate(wait.drawn(seed, seen)),
            Action::AnswerLate(wait) => Action::AnswerLate(wait.drawn(seed, seen)),
            Action::Late { wait, heard } => {
                let drawn = wait.drawn(seed, seen);
                Action::Late { wait: Wait { ms: drawn.ms.min(LATEST_MS), ..drawn }, heard: *heard }
            }
            Action::Garble { bytes, .. } => Action::Garble { bytes: *bytes, seed, seen },
            other => other.clone(),
        }
    }
}

impl Heard {
    fn read(fields: &Fields) -> Result<Heard, BadRule> {
        Ok(match fields.choice("answer", &["late", "reset", "close", "504"])? {
            "reset" => Heard::Reset,
            "close" => Heard::Close,
            "504" => Heard::GatewayTimeout,
            _ => Heard::Late,
        })
    }
}

impl WrongDate {
    fn read(fields: &Fields) -> Result<WrongDate, BadRule> {
        match (fields.header_value("date")?, fields.signed("offset_ms")?) {
            (Some(date), None) => Ok(WrongDate::Said(date)),
            (None, Some(ms)) => Ok(WrongDate::Off(ms)),
            (None, None) => bad("date", "is missing, and so is \"offset_ms\""),
            (Some(_), Some(_)) => bad("date", "give either date or offset_ms, not both"),
        }
    }
}

impl ConnectionAction {
    pub fn parse(name: &str, fields: &Fields, common: &[&str]) -> Result<(&'static str, ConnectionAction), BadRule> {
        let name = known(CONNECTION_ACTIONS, name, fields, common)?;
        let action = match name {
            "refuse" => ConnectionAction::Refuse,
            "stall_before" => ConnectionAction::Stall(fields.number("ms", 0, DAY_MS)?),
            "limit" => ConnectionAction::Limit {
                connections: fields.needed_number("connections", 0, 1_000_000)? as usize,
                wait: fields.flag("wait")?,
            },
            _ => {
                if fields.get("certificate").is_none() {
                    return bad("certificate", "is missing");
                }
                let chosen = fields.choice("certificate", &Flaw::ALL.map(Flaw::name))?;
                let flaw = Flaw::ALL.into_iter().find(|flaw| flaw.name() == chosen);
                ConnectionAction::Certificate(flaw.unwrap_or(Flaw::Expired))
            }
        };
        Ok((name, action))
    }

    /// Does it strike a connection that comes while so many are open?
    pub fn concerns(self, open: usize) -> bool {
        match self {
            ConnectionAction::Limit { connections, .. } => open >= connections,
            _ => true,
        }
    }
}
