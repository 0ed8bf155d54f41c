//! Access Token API: `POST /accesstoken/get` (OpenAPI 2.0.0).

use serde_json::Value;
use zeroize::Zeroizing;

/// A token as it arrived.
pub struct Token {
    /// The bearer token.
    pub bearer: Zeroizing<String>,
    /// Its life from now, milliseconds. Counted from arrival: a meter's clock says nothing about `expires_on`.
    pub life_ms: i64,
}

/// The longest token, bytes; those of the servers have 1000 to 2000.
pub const LONGEST: usize = 8_191;

/// Path of the endpoint.
pub const PATH: &str = "/accesstoken/get";

/// Reads the answer. Numbers come as strings or as numbers; both have been seen.
pub fn parse(body: &[u8]) -> Option<Token> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let bearer = value.get("access_token")?.as_str()?;
    // What cannot stand in a header is no token.
    if bearer.is_empty()
        || bearer.len() > LONGEST
        || bearer.bytes().any(|b| !(0x21..=0x7e).contains(&b))
    {
        return None;
    }
    let seconds = value.get("expires_in").and_then(number)?;
    Some(Token {
        bearer: Zeroizing::new(bearer.to_string()),
        life_ms: seconds.clamp(0, 7 * 86_400) * 1000,
    })
}

/// An integer that came as a number or as a string.
pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_strings() {
        for body in [
            r#"{"access_token":"a.b.c","expires_in":3600}"#,
            r#"{"access_token":"a.b.c","expires_in":"3600","new_field":{}}"#,
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap().life_ms, 3_600_000);
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a\nb","expires_in":1}"#,
            r#"{"access_token":"","expires_in":1}"#,
            r#"{"access_token":"a","expires_in":"soon"}"#,
        ] {
            assert!(parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
