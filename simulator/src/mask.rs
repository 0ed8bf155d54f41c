//! What leaves the simulator in logs and in the control API carries no secret and no full phone number.

use hyper::HeaderMap;
use serde_json::{Map, Value};

use crate::random;

/// `*******` and the last two digits.
pub fn phone(number: &str) -> String {
    let count = number.chars().count();
    let kept: String = number.chars().skip(count.saturating_sub(2)).collect();
    format!("{}{kept}", "*".repeat(count.saturating_sub(2)))
}

/// Digits stand on both sides of these when people write a number.
fn is_between_digits(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '-' | '.' | '/' | '(' | ')' | '+' | '_')
}

/// Puts `with` in the place of `digits`, which is as long, wherever they stand; what is written between them stays.
pub fn replace_digits(text: &str, digits: &str, with: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..chars.len()).filter(|at| chars[*at].is_ascii_digit()).collect();
    let is_joined =
        |two: &[usize]| two[1] - two[0] <= 4 && chars[two[0] + 1..two[1]].iter().all(|c| is_between_digits(*c));
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(window) = places.get(at..at + digits.len()).filter(|window| !window.is_empty()) {
        let same = window.iter().zip(digits.chars()).all(|(place, digit)| chars[*place] == digit);
        if same && window.windows(2).all(is_joined) {
            found.push(window);
            at += digits.len();
        } else {
            at += 1;
        }
    }
    for (place, digit) in found.into_iter().flat_map(|window| window.iter().zip(with.chars())) {
        chars[*place] = digit;
    }
    chars.into_iter().collect()
}

/// In text of no known form, what names a key is not shown, and eight digits or more, also with spaces or dashes
/// between them, may be a number of a person.
pub fn text(text: &str) -> String {
    if has_a_key(text) || text.contains("token=") || text.contains("_token") { "***".to_owned() } else { digits(text) }
}

/// Does a text speak of keys? Then it may have one.
pub fn has_a_key(text: &str) -> bool {
    const KEYS: [&str; 6] = ["secret", "subscription", "client_id", "client-id", "password", "bearer "];
    let lower = text.to_lowercase();
    KEYS.iter().any(|key| lower.contains(key))
}

fn digits(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut run: Vec<usize> = Vec::new();
    for at in 0..=chars.len() {
        let c = chars.get(at).copied().unwrap_or('\0');
        if c.is_ascii_digit() {
            run.push(at);
            continue;
        }
        let goes_on = matches!(c, ' ' | '\u{a0}' | '-') && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if goes_on && !run.is_empty() {
            continue;
        }
        if run.len() >= 8 {
            run.iter().take(run.len() - 2).for_each(|at| chars[*at] = '*');
        }
        run.clear();
    }
    chars.into_iter().collect()
}

/// A URL may have a key behind its question mark, or before an `@`; how much stood there, and in what form, stays.
pub fn url(text: &str) -> String {
    let (place, query) = text.split_once('?').map_or((text, None), |(place, query)| (place, Some(query)));
    let mut out = match place.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((user, rest)))) if !user.contains('/') => format!("{scheme}://{}@{rest}", crossed_out(user)),
        _ => place.to_owned(),
    };
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) => out += &format!("{name}={}", crossed_out(value)),
            None => out += &crossed_out(pair),
        }
    }
    out
}

fn crossed_out(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c }).collect()
}

/// The body with the payer's numbers masked, also where they occur inside other strings, and with keys and tokens left
/// out.
pub fn body(value: &Value) -> Value {
    about(value, None)
}

/// The same for what belongs to a payer whose number is known from elsewhere.
pub fn about(value: &Value, number: Option<&str>) -> Value {
    let mut numbers: Vec<String> = number.and_then(last_eight).into_iter().collect();
    collect(value, &mut numbers);
    rewrite(value, &numbers)
}

pub fn names_a_person(key: &str) -> bool {
    ["phonenumber", "personalqr", "customertoken", "mobilenumber"].contains(&key.to_ascii_lowercase().as_str())
}

/// No field of the servers', but what merchants call such a thing where they may write what they like.
fn may_name_a_person(key: &str) -> bool {
    ["phone", "tel", "telephone", "mobile", "msisdn"].contains(&key.to_ascii_lowercase().as_str())
}

/// Keys and tokens, however their names are spelt.
pub fn names_a_secret(key: &str) -> bool {
    const NAMES: [&str; 10] = [
        "secret",
        "clientid",
        "clientsecret",
        "subscriptionkey",
        "ocpapimsubscriptionkey",
        "apikey",
        "xapikey",
        "accesstoken",
        "token",
        "password",
    ];
    let bare: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    NAMES.contains(&bare.to_ascii_lowercase().as_str())
}

/// References and idempotency keys are the merchant's own words by which everything is found, so they stay.
fn names_a_reference(key: &str) -> bool {
    ["reference", "orderId", "idempotencyKey"].contains(&key)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The number without its country code, to be found in whatever text it turns up.
fn last_eight(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.len().checked_sub(8).map(|from| digits[from..].to_owned())
}

fn collect(value: &Value, numbers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match plain(inner) {
                    Some(text) if names_a_person(key) || may_name_a_person(key) => numbers.extend(last_eight(&text)),
                    _ => collect(inner, numbers),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, numbers)),
        _ => {}
    }
}

fn rewrite(value: &Value, numbers: &[String]) -> Value {
    let hidden = |text: &str| numbers.iter().fold(text.to_owned(), |text, n| replace_digits(&text, n, &phone(n)));
    match value {
        Value::Object(map) => {
            let rewritten = map.iter().map(|(key, inner)| {
                let shown = match inner {
                    _ if names_a_secret(key) => Value::from("***"),
                    Value::String(text) if key.to_ascii_lowercase().ends_with("url") => Value::from(hidden(&url(text))),
                    Value::String(text) if names_a_reference(key) => Value::from(text.clone()),
                    _ if names_a_person(key) => match plain(inner) {
                        Some(text) => Value::from(phone(&text)),
                        // A number in the place of something else: keep what kind of thing it was.
                        None => Value::from("***"),
                    },
                    _ => rewrite(inner, numbers),
                };
                (hidden(key), shown)
            });
            Value::Object(rewritten.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| rewrite(item, numbers)).collect()),
        Value::String(text) => Value::from(hidden(text)),
        Value::Number(number) => match hidden(&number.to_string()) {
            text if text.contains('*') => Value::from(text),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// The headers whose values nobody has to hide. Any other could hold a key, under whatever name.
const SHOWN_HEADERS: [&str; 19] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "idempotency-key",
    "merchant-serial-number",
    "origin",
    "transfer-encoding",
    "user-agent",
    "vipps-system-name",
    "vipps-system-plugin-name",
    "vipps-system-plugin-version",
    "vipps-system-version",
];

/// Headers for the log. A bearer token shows eight digits of its hash, so that two tokens can be told apart.
pub fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut out = Map::new();
    for name in headers.keys() {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
        let value = values.join(", ");
        let shown = match (name.as_str(), value.strip_prefix("Bearer ")) {
            ("authorization", Some(token)) => format!("Bearer ***{}", &random::sha256_hex(token.as_bytes())[..8]),
            (name, _) if SHOWN_HEADERS.contains(&name) => value,
            _ => "***".to_owned(),
        };
        out.insert(name.as_str().to_owned(), Value::from(shown));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_leaves_two_digits() {
        assert_eq!(phone("4791234567"), "********67");
        assert_eq!(phone("7"), "7");
        assert_eq!(text("a 4791234567 b 1234567"), "a ********67 b 1234567");
        assert_eq!(text("call +47 912-34 567, 7 times"), "call +** ***-** *67, 7 times");
        for secret in [
            "x client_secret=y",
            "{\"Client-Secret\": \"y\"",
            "Ocp-Apim-Subscription-Key: y",
            "bearer y",
            "a?token=y",
            "access_token: y",
        ] {
            assert_eq!(text(secret), "***", "{secret}");
        }
    }

    #[test]
    fn the_number_is_masked_wherever_it_stands() {
        let masked = body(&json!({
            "customer": {"phoneNumber": "4791234567"},
            "reference": "ride-91234567-1",
            "paymentDescription": "for +47 912 34 567 or 91.23.45.67, not 9123456",
            "91234567": "her",
            "other": [4791234567u64, "12345678"],
        }));
        assert_eq!(masked["customer"]["phoneNumber"], "********67");
        assert_eq!(masked["reference"], "ride-91234567-1", "a reference stays");
        assert_eq!(masked["paymentDescription"], "for +47 *** ** *67 or **.**.**.67, not 9123456");
        assert_eq!((&masked["******67"], &masked["other"][0]), (&json!("her"), &json!("47******67")));
        assert_eq!(masked["other"][1], "12345678");
        assert!(!body(&json!({"phoneNumber": 4791234567u64})).to_string().contains("4791234567"));
    }

    #[test]
    fn keys_are_left_out_whatever_they_are_called() {
        for name in
            ["client_secret", "clientSecret", "CLIENT-ID", "subscription_key", "access_token", "secret", "x-api-key"]
        {
            assert_eq!(
                body(&json!({name: "y", "a": [{name: {"deep": "y"}}]})),
                json!({name: "***", "a": [{name: "***"}]})
            );
        }
        assert_eq!(
            url("http://127.0.0.1:8080/hook?key=a-B%201&flag#z"),
            "http://127.0.0.1:8080/hook?key=x-x%xxx&xxxx#x"
        );
        assert_eq!(url("https://u:p@127.0.0.1/@x"), "https://x:x@127.0.0.1/@x");
        assert_eq!(url("nothing"), "nothing");
        assert_eq!(about(&json!({"n": "call 912 34 567"}), Some("4791234567")), json!({"n": "call *** ** *67"}));
    }
}
