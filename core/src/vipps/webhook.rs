//! Webhooks: whether a request is one, and what it says. Pure: no client, no clock, no network.
//!
//! Source: webhooks API guide, request authentication and events; where they are silent, what integrators saw. The key is
//! the secret's own characters, not what they might decode to. What a webhook says is a signal and no proof: it makes
//! the library read, and moves no money.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::problem::cut;
use crate::error::{Code, Report};
use crate::reference::Reference;
use crate::transport::headers::date_ms;

/// The longest body that is looked at, bytes. An event has a few hundred.
pub const BODY_MAX: usize = 256 * 1024;
/// The longest head line that is looked at, bytes.
const LINE_MAX: usize = 4_096;
/// What is signed beside method and target, in this order.
const SIGNED: &[u8] = b"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
/// Base64 of 32 bytes.
const HASH_TEXT: usize = 44;

/// A request that may be a webhook, as it came: nothing decoded, nothing in another case.
///
/// No `Debug`: it holds the secret.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// Of the request line.
    pub method: &'a [u8],
    /// Path and query, as in the request line.
    pub target: &'a [u8],
    /// Host and port of the registered URL; `None`: what the header `Host` says.
    pub host: Option<&'a [u8]>,
    /// Names and values.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The raw bytes.
    pub body: &'a [u8],
    /// As the registration gave it.
    pub secret: &'a [u8],
    /// The receiver's clock, Unix milliseconds; looked at only with a window.
    pub now_ms: i64,
    /// How far the date may be from the clock, both ways, milliseconds; 0: any date is good.
    pub fresh_ms: u32,
}

/// What a webhook says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The sales unit.
    pub msn: String,
    /// The merchant's reference of the payment.
    pub reference: String,
    /// `CREATED`, `AUTHORIZED`, `CAPTURED`, ... as the server wrote it.
    pub name: String,
    /// Of this event.
    pub psp_reference: String,
    /// Of the request that caused it; missing on some events.
    pub idempotency_key: String,
    /// Minor units; of this event, not a running total.
    pub amount: i64,
    /// Of `amount`; empty if there was none.
    pub currency: String,
    /// Unix milliseconds; 0 if not readable.
    pub timestamp: i64,
    /// When it was signed, Unix milliseconds; 0 if not readable.
    pub signed_at: i64,
    /// `false`: the operation was tried and failed.
    pub success: bool,
}

/// Reads a webhook: the signature first, then the body's hash, the date, and only then what it says.
pub fn verify(delivery: &Delivery) -> Result<WebhookEvent, Report> {
    let signed_at = verify_signature(delivery)?;
    let mut event = parse_event(delivery.body)?;
    event.signed_at = signed_at;
    Ok(event)
}

/// Whether it was signed with the secret, for this target and host, with this body, and lately enough. Gives the date.
fn verify_signature(delivery: &Delivery) -> Result<i64, Report> {
    if delivery.secret.is_empty() {
        return Err(Report::invalid("secret", "must not be empty"));
    }
    if delivery.body.len() > BODY_MAX {
        return Err(not_genuine("body", "is longer than that of any event"));
    }
    if delivery.method != b"POST" {
        return Err(not_genuine("method", "is not POST"));
    }
    let target = delivery.target;
    if !target.starts_with(b"/") || !is_line(target) || target.contains(&b' ') {
        return Err(not_genuine(
            "target",
            "is no path and query of a request line",
        ));
    }
    let head = Head::read(delivery.headers)?;
    let date = required(head.date, "x-ms-date")?;
    let hash = required(head.content_hash, "x-ms-content-sha256")?;
    let authorization = required(head.authorization, "authorization")?;
    let signature = authorization
        .strip_prefix(SIGNED)
        .and_then(decoded)
        .ok_or_else(|| not_genuine("authorization", "is not what these servers write"))?;

    let mut genuine = false;
    for host in hosts(delivery.host, head.host)? {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(delivery.secret) else {
            return Err(Report::invalid("secret", "cannot be a key"));
        };
        let parts: [&[u8]; 8] = [b"POST\n", target, b"\n", date, b";", host, b";", hash];
        for part in parts {
            mac.update(part);
        }
        // In constant time.
        genuine |= mac.verify_slice(&signature).is_ok();
    }
    if !genuine {
        return Err(not_genuine(
            "authorization",
            "the signature does not fit secret, target, host, date and hash",
        ));
    }
    if decoded(hash).is_none_or(|said| said[..] != Sha256::digest(delivery.body)[..]) {
        return Err(not_genuine("body", "is not the one that was signed"));
    }
    let signed_at = std::str::from_utf8(date).ok().and_then(date_ms);
    if delivery.fresh_ms > 0 {
        let apart = signed_at.map(|at| at.abs_diff(delivery.now_ms));
        if apart.is_none_or(|ms| ms > u64::from(delivery.fresh_ms)) {
            let mut report = Report::new(Code::NotFresh, "is outside the window, or unreadable");
            report.field = "x-ms-date".into();
            return Err(report);
        }
    }
    Ok(signed_at.unwrap_or(0))
}

/// The head lines that matter; each at most once, or an old one could hide behind a new one.
#[derive(Default)]
struct Head<'a> {
    date: Option<&'a [u8]>,
    content_hash: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    fn read(headers: &[(&'a [u8], &'a [u8])]) -> Result<Head<'a>, Report> {
        let mut head = Head::default();
        for (name, value) in headers {
            let (known, place) = if name.eq_ignore_ascii_case(b"x-ms-date") {
                ("x-ms-date", &mut head.date)
            } else if name.eq_ignore_ascii_case(b"x-ms-content-sha256") {
                ("x-ms-content-sha256", &mut head.content_hash)
            } else if name.eq_ignore_ascii_case(b"authorization") {
                ("authorization", &mut head.authorization)
            } else if name.eq_ignore_ascii_case(b"host") {
                ("host", &mut head.host)
            } else {
                continue;
            };
            if place.is_some() {
                return Err(not_genuine(known, "is there twice"));
            }
            let value = value.trim_ascii();
            if !is_line(value) {
                return Err(not_genuine(known, "is no head line"));
            }
            *place = Some(value);
        }
        Ok(head)
    }
}

/// The parts of what is signed must not flow into each other: date, host and hash have no semicolon.
fn required<'a>(value: Option<&'a [u8]>, name: &str) -> Result<&'a [u8], Report> {
    let value = value.ok_or_else(|| not_genuine(name, "is missing"))?;
    if name != "authorization" && value.contains(&b';') {
        return Err(not_genuine(name, "is not what these servers write"));
    }
    Ok(value)
}

/// Visible ASCII and spaces, not too long.
fn is_line(bytes: &[u8]) -> bool {
    bytes.len() <= LINE_MAX && bytes.iter().all(|b| (0x20..=0x7e).contains(b))
}

/// What the sender may have taken for the host: nobody says whether a port is part of it, and what a proxy passes on may
/// lack it.
fn hosts<'a>(
    given: Option<&'a [u8]>,
    header: Option<&'a [u8]>,
) -> Result<impl Iterator<Item = &'a [u8]>, Report> {
    let host = given
        .or(header)
        .ok_or_else(|| not_genuine("host", "is missing"))?;
    let header = header.filter(|h| name_of(h).eq_ignore_ascii_case(name_of(host)));
    for h in [Some(host), header].into_iter().flatten() {
        if h.is_empty() || !is_line(h) || h.contains(&b';') {
            return Err(not_genuine("host", "is no host"));
        }
    }
    Ok([Some(host), Some(name_of(host)), header]
        .into_iter()
        .flatten())
}

/// A host without its port.
fn name_of(host: &[u8]) -> &[u8] {
    let Some(colon) = host.iter().rposition(|b| *b == b':') else {
        return host;
    };
    let (name, port) = (&host[..colon], &host[colon + 1..]);
    let bare = name.contains(&b':') && !name.ends_with(b"]");
    if bare || port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return host;
    }
    name
}

/// 32 bytes, written in the one right way.
fn decoded(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != HASH_TEXT {
        return None;
    }
    let mut bytes = [0; 36];
    match STANDARD.decode_slice(text, &mut bytes) {
        Ok(32) => bytes[..32].try_into().ok(),
        _ => None,
    }
}

fn not_genuine(field: &str, rule: &str) -> Report {
    let mut report = Report::new(Code::NotGenuine, rule);
    report.field = field.to_string();
    report
}

/// Reads the body of an event. What it says of the person who paid is left where it is.
fn parse_event(body: &[u8]) -> Result<WebhookEvent, Report> {
    read_event(body).ok_or_else(|| {
        Report::new(
            Code::NotAnEvent,
            "the body is genuine, but no event of a payment that this version reads",
        )
    })
}

fn read_event(body: &[u8]) -> Option<WebhookEvent> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or("");
    let reference = Reference::parse("reference", text("reference")).ok()?;
    let name = text("name");
    if !is_name(name) {
        return None;
    }
    let msn = match object.get("msn") {
        Some(Value::Number(n)) => n.to_string(),
        _ => text("msn").to_string(),
    };
    if msn.len() > 15 || !msn.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (amount, currency) = match object.get("amount") {
        None | Some(Value::Null) => (0, String::new()),
        Some(a) => (
            a.get("value")?.as_i64().filter(|v| *v >= 0)?,
            cut(a.get("currency").and_then(Value::as_str).unwrap_or(""), 7),
        ),
    };
    Some(WebhookEvent {
        msn,
        reference: reference.as_str().to_string(),
        name: name.to_string(),
        psp_reference: cut(text("pspReference"), 63),
        idempotency_key: cut(text("idempotencyKey"), 63),
        amount,
        currency,
        timestamp: super::time::parse_rfc3339(text("timestamp")).unwrap_or(0),
        signed_at: 0,
        success: object
            .get("success")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    })
}

/// Checks the URL of a receiver: https, or http on this machine, where a simulator may be. The servers have rules of their
/// own beside it (port, no redirect).
pub fn check_receiver(url: &str) -> Result<(), Report> {
    let loopback = ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
        let rest = url
            .strip_prefix("http://")
            .and_then(|u| u.strip_prefix(host));
        rest.is_some_and(|r| r.starts_with([':', '/']))
    });
    let https = url.len() > 8 && url.starts_with("https://");
    let visible = url.len() <= 1_000 && url.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if visible && (https || loopback) {
        return Ok(());
    }
    Err(Report::invalid(
        "url",
        "must be https:// and at most 1000 visible ASCII characters",
    ))
}

/// Checks a name that came with an event: empty, as in a payload, or as it is registered.
pub fn check_name(field: &str, name: &str) -> Result<(), Report> {
    let short = name.strip_prefix("epayments.payment.").unwrap_or(name);
    if name.is_empty() || is_name(short) {
        return Ok(());
    }
    Err(Report::invalid(field, "is no name of an event"))
}

/// Whether this may be the name of an event: 1 to 31 letters, digits, dots, dashes and underscores.
fn is_name(name: &str) -> bool {
    (1..=31).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}
