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

/// In text that is no JSON, any run of eight digits or more may be a number of a person.
pub fn digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        out.push_str(&if run.len() >= 8 { phone(&run) } else { run.clone() });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// The body with the payer's numbers masked, also where they occur inside other strings.
pub fn body(value: &Value) -> Value {
    let mut secrets = Vec::new();
    collect(value, &mut secrets);
    rewrite(value, &secrets)
}

pub fn names_a_person(key: &str) -> bool {
    ["phonenumber", "personalqr", "customertoken", "mobilenumber"].contains(&key.to_ascii_lowercase().as_str())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn collect(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match plain(inner) {
                    Some(text) if names_a_person(key) => {
                        let only_digits: String = text.chars().filter(char::is_ascii_digit).collect();
                        // The number alone, and without its country code, in whatever text it turns up.
                        if only_digits.len() >= 8 {
                            secrets.push(only_digits[only_digits.len() - 8..].to_owned());
                        }
                    }
                    _ => collect(inner, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        _ => {}
    }
}

fn rewrite(value: &Value, secrets: &[String]) -> Value {
    match value {
        Value::Object(map) => {
            let rewritten = map.iter().map(|(key, inner)| {
                let inner = match plain(inner) {
                    Some(text) if names_a_person(key) => Value::from(phone(&text)),
                    _ if key == "secret" => Value::from("***"),
                    // A number in the place of something else: keep what kind of thing it was.
                    _ if names_a_person(key) => Value::from("***"),
                    _ => rewrite(inner, secrets),
                };
                (key.clone(), inner)
            });
            Value::Object(rewritten.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| rewrite(item, secrets)).collect()),
        Value::String(text) if secrets.iter().any(|secret| text.contains(secret.as_str())) => {
            Value::from(secrets.iter().fold(text.clone(), |text, secret| text.replace(secret.as_str(), &phone(secret))))
        }
        other => other.clone(),
    }
}

/// Headers for the log. A bearer token shows eight digits of its hash, so that two tokens can be told apart.
pub fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut out = Map::new();
    for name in headers.keys() {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
        let value = values.join(", ");
        let shown = match name.as_str() {
            "authorization" => match value.strip_prefix("Bearer ") {
                Some(token) => format!("Bearer ***{}", &random::sha256_hex(token.as_bytes())[..8]),
                None => "***".to_owned(),
            },
            "ocp-apim-subscription-key" | "client_id" | "client_secret" | "cookie" | "proxy-authorization" => {
                "***".to_owned()
            }
            _ => value,
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
        assert_eq!(digits("a 4791234567 b 1234567"), "a ********67 b 1234567");
    }

    #[test]
    fn the_number_is_masked_wherever_it_stands() {
        let masked = body(&json!({
            "customer": {"phoneNumber": "4791234567"},
            "reference": "ride-91234567-1",
            "other": [4791234567u64, "12345678"],
        }));
        assert_eq!(masked["customer"]["phoneNumber"], "********67");
        assert_eq!(masked["reference"], "ride-******67-1");
        assert_eq!(masked["other"][1], "12345678");
        assert!(!body(&json!({"phoneNumber": 4791234567u64})).to_string().contains("4791234567"));
    }
}
