//! Webhooks API, version 1: `/webhooks/v1/webhooks` (OpenAPI, and the API guide on events).

use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Report;

/// Path of the registrations.
pub const PATH: &str = "/webhooks/v1/webhooks";
/// The longest id that is taken, bytes; the servers give UUIDs.
pub const LONGEST_ID: usize = 63;
/// The longest secret that is taken, bytes; the servers give 88.
pub const LONGEST_SECRET: usize = 255;

/// What can happen to a payment, as it is registered.
const EVENTS: [&str; 8] = [
    "epayments.payment.created.v1",
    "epayments.payment.authorized.v1",
    "epayments.payment.captured.v1",
    "epayments.payment.cancelled.v1",
    "epayments.payment.refunded.v1",
    "epayments.payment.aborted.v1",
    "epayments.payment.expired.v1",
    "epayments.payment.terminated.v1",
];

/// A new registration. No `Debug`: it has the secret.
pub struct Registered {
    /// Of the registration.
    pub id: String,
    /// Shown this once.
    pub secret: Zeroizing<String>,
}

/// A registration as the list has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// Of the registration.
    pub id: String,
    /// Of the receiver.
    pub url: String,
    /// As they are registered.
    pub events: Vec<String>,
}

/// Names of events, separated by spaces, as they are registered; "AUTHORIZED" will do. None: all.
pub fn full_names(events: &str) -> Result<Vec<&'static str>, Report> {
    let mut names = Vec::new();
    for word in events.split_ascii_whitespace() {
        let known = EVENTS.iter().find(|full| {
            let short = full.trim_start_matches("epayments.payment.");
            let short = short.trim_end_matches(".v1");
            **full == word || short.eq_ignore_ascii_case(word)
        });
        let known = known.ok_or_else(|| {
            Report::invalid(
                "events",
                "must be names of events of a payment, separated by spaces",
            )
        })?;
        if !names.contains(known) {
            names.push(*known);
        }
    }
    if names.is_empty() {
        names.extend(EVENTS);
    }
    Ok(names)
}

/// The body of a registration.
pub fn body(url: &str, events: &[&str]) -> String {
    serde_json::json!({ "url": url, "events": events }).to_string()
}

/// Checks an id before it becomes a part of a path.
pub fn check_id(id: &str) -> Result<(), Report> {
    if is_id(id) {
        return Ok(());
    }
    Err(Report::invalid(
        "id",
        "must be that of a registration: 1 to 63 letters, digits and hyphens",
    ))
}

fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Reads the answer to a registration.
pub fn parse_registered(body: &[u8]) -> Option<Registered> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    // Taken out, not copied, so that it is wiped.
    let secret = match value.get_mut("secret")? {
        Value::String(secret) => Zeroizing::new(std::mem::take(secret)),
        _ => return None,
    };
    let id = value.get("id")?.as_str()?;
    let good = is_id(id)
        && (1..=LONGEST_SECRET).contains(&secret.len())
        && secret.bytes().all(|b| (0x21..=0x7e).contains(&b));
    good.then(|| Registered {
        id: id.to_string(),
        secret,
    })
}

/// Reads the list. What could not be deleted by its id is left out.
pub fn parse_list(body: &[u8]) -> Option<Vec<Registration>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = value.get("webhooks")?.as_array()?;
    let text = |w: &Value, name: &str| {
        let text = w.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_string()
    };
    let all = list.iter().map(|w| {
        let events = w.get("events").and_then(Value::as_array);
        let names = events.into_iter().flatten().filter_map(Value::as_str);
        Registration {
            id: text(w, "id"),
            url: text(w, "url"),
            events: names.map(str::to_string).collect(),
        }
    });
    Some(all.filter(|w| is_id(&w.id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_or_full_and_always_right() {
        assert_eq!(full_names(" ").unwrap().len(), 8);
        assert_eq!(
            full_names("AUTHORIZED  epayments.payment.captured.v1 authorized").unwrap(),
            [
                "epayments.payment.authorized.v1",
                "epayments.payment.captured.v1"
            ]
        );
        // Without the s it is an unsupported value to the servers.
        for wrong in [
            "epayment.payment.captured.v1",
            "PAID",
            "AUTHORIZED,CAPTURED",
        ] {
            assert_eq!(full_names(wrong).unwrap_err().field, "events", "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_a_registration_is_none() {
        let registered = parse_registered(br#"{"id":"a-1","secret":"s+/==","more":1}"#).unwrap();
        assert_eq!(
            (registered.id.as_str(), registered.secret.as_str()),
            ("a-1", "s+/==")
        );
        for wrong in [
            "",
            "{}",
            r#"{"id":"a/../b","secret":"s"}"#,
            r#"{"id":"a","secret":""}"#,
            r#"{"id":"a","secret":"a b"}"#,
            r#"{"id":1,"secret":"s"}"#,
        ] {
            assert!(parse_registered(wrong.as_bytes()).is_none(), "{wrong}");
        }
        let list =
            parse_list(br#"{"webhooks":[{"id":"a","url":"u","events":["e"]},{"id":"b/c"}]}"#);
        assert_eq!(list.unwrap().len(), 1);
        assert!(parse_list(b"[]").is_none());
        for id in ["", "a/b", "a?b", "..", &"a".repeat(64)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
