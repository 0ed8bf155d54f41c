//! Error bodies of the servers and of the gateway before them, in every shape that has been seen.
//!
//! Branch on the code, then on the HTTP status; never on title or detail (ePayment API guide, errors).

use serde_json::Value;

/// What an error answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status of the answer.
    pub status: u16,
    /// Vipps code (`extraDetails` entry named `ErrorCode`), 0 if none.
    pub vipps_code: i32,
    /// Title and detail, for the log; at most 150 bytes.
    pub message: String,
    /// Trace id, empty if none.
    pub trace_id: String,
    /// The body has the shape in which the APIs themselves answer (problem details), so it is not a gateway's.
    pub from_api: bool,
    /// The answer has one of the shapes in which the ePayment API, or the gateway that belongs to it, refuses. Only such a
    /// refusal says what became of a request: a proxy or a web application firewall on the way answers 4xx with a page of
    /// its own also after the API has acted, because it judges the response.
    pub own: bool,
}

const MESSAGE_BYTES: usize = 150;
const TRACE_BYTES: usize = 63;

impl Problem {
    /// Reads any body. What cannot be read gives a problem with the status alone.
    pub fn parse(status: u16, body: &[u8]) -> Problem {
        let mut p = Problem {
            status,
            ..Problem::default()
        };
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => {
                p.own = is_own(status, &value);
                p.read(&value);
            }
            Err(_) => {
                p.own = status == 429 && body.is_empty();
                p.message = format!("HTTP {status} without a readable body");
            }
        }
        if p.message.is_empty() {
            p.message = format!("HTTP {status}");
        }
        p.message = mask_digits(&cut(&p.message, MESSAGE_BYTES));
        p.trace_id = cut(&p.trace_id, TRACE_BYTES);
        p
    }

    fn read(&mut self, value: &Value) {
        // Some answers are arrays of messages: the first is as good as any.
        let object = match value {
            Value::Array(list) => list.first().unwrap_or(&Value::Null),
            other => other,
        };
        if let Value::String(text) = object {
            self.message = text.clone();
            return;
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or("");
        self.from_api = object.get("title").is_some_and(Value::is_string)
            && (object.get("type").is_some() || object.get("detail").is_some());
        self.trace_id = ["traceId", "trace_id", "instance"]
            .iter()
            .map(|name| text(name))
            .find(|t| !t.is_empty() && !t.starts_with('/'))
            .unwrap_or("")
            .to_string();
        let mut parts: Vec<&str> = ["title", "detail"]
            .iter()
            .map(|n| text(n))
            .filter(|t| !t.is_empty())
            .collect();
        if parts.is_empty() {
            // Gateway: {statusCode, message}; directory: {error, error_description}; old APIs: {errorMessage}.
            parts = ["message", "error", "errorMessage", "errorInfo"]
                .iter()
                .map(|n| text(n))
                .filter(|t| !t.is_empty())
                .collect();
        }
        let mut message = parts.join(": ");
        for list in ["extraDetails", "invalidParams"] {
            for entry in object
                .get(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let name = entry.get("name").and_then(Value::as_str).unwrap_or("");
                let reason = entry.get("reason").and_then(Value::as_str).unwrap_or("");
                if name == "ErrorCode" {
                    self.vipps_code = reason.trim().parse().unwrap_or(0);
                } else if !reason.is_empty() {
                    message.push_str(&format!("; {name}: {reason}"));
                }
            }
        }
        self.message = message;
    }
}

/// The shapes of a refusal by the ePayment API (guide, errors):
///
/// - a problem whose `extraDetails` name the fields at fault or the `ErrorCode`; `status` is a number or a text, and the
///   trace id may be missing, so neither is asked for;
/// - a problem without them (a sales unit that is not permitted), if it has all that OpenAPI 1.8.1 requires, as the API
///   writes it: `type` at httpstatuses.io, this `status`, and a W3C trace id. A box on the way has no reason to write those;
/// - of the gateway that belongs to the API: `{statusCode, message}` with 401, 403 and 429.
fn is_own(status: u16, value: &Value) -> bool {
    let text = |name: &str| value.get(name).is_some_and(Value::is_string);
    let details = value.get("extraDetails").and_then(Value::as_array);
    let named = |entry: &Value| {
        entry.get("name").is_some_and(Value::is_string)
            && entry.get("reason").is_some_and(Value::is_string)
    };
    let detailed = details.is_some_and(|d| !d.is_empty() && d.iter().all(named));
    let member = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    let whole = value.get("status").and_then(Value::as_u64) == Some(u64::from(status))
        && member("type") == format!("https://httpstatuses.io/{status}")
        && is_w3c_trace(member("traceId"));
    let problem = text("title") && (detailed || whole);
    let said = value.get("statusCode").and_then(Value::as_u64);
    let gateway =
        matches!(status, 401 | 403 | 429) && said == Some(u64::from(status)) && text("message");
    problem || gateway
}

/// `00-<32 hexadecimal digits>-<16>-<2>`.
fn is_w3c_trace(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([2, 32, 16, 2]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// At most `limit` bytes, cut between characters; control characters become spaces.
pub fn cut(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out
}

/// Runs of seven digits and more become stars but for the last two: a server's text may repeat a phone number.
pub fn mask_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        if run.len() >= 7 {
            out.push_str(&"*".repeat(run.len() - 2));
            out.push_str(&run[run.len() - 2..]);
        } else {
            out.push_str(&run);
        }
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_error_carries_its_code_in_a_reason() {
        let body = br#"{"type":"https://httpstatuses.io/400","title":"Bad","status":400,"detail":"not reserved",
            "instance":"/v1/payments/x/capture","traceId":"00-aa-bb-01","extraDetails":[{"name":"ErrorCode","reason":"6080"}]}"#;
        let p = Problem::parse(400, body);
        assert_eq!((p.vipps_code, p.from_api), (6080, true));
        assert_eq!(p.trace_id, "00-aa-bb-01");
        assert_eq!(p.message, "Bad: not reserved");
    }

    #[test]
    fn gateway_and_directory_and_odd_shapes_are_read() {
        let p = Problem::parse(401, br#"{"statusCode":401,"message":"Access denied"}"#);
        assert_eq!((p.message.as_str(), p.from_api), ("Access denied", false));
        let p = Problem::parse(400, br#"{"error":"unauthorized_client","trace_id":"t-1"}"#);
        assert_eq!(
            (p.message.as_str(), p.trace_id.as_str()),
            ("unauthorized_client", "t-1")
        );
        let p = Problem::parse(400, br#"[{"errorMessage":"no"}]"#);
        assert_eq!(p.message, "no");
        let p = Problem::parse(400, br#"["plain"]"#);
        assert_eq!(p.message, "plain");
        let p = Problem::parse(502, b"<html>Bad Gateway</html>");
        assert_eq!(p.message, "HTTP 502 without a readable body");
        let deep = "[".repeat(100_000);
        assert_eq!(Problem::parse(500, deep.as_bytes()).vipps_code, 0);
        let p = Problem::parse(404, br#"{"title":"Not found","detail":"d","instance":"abc-trace","invalidParams":[{"name":"f","reason":"r"}]}"#);
        assert_eq!(p.trace_id, "abc-trace");
        assert_eq!(p.message, "Not found: d; f: r");
    }

    #[test]
    fn only_the_listed_shapes_are_the_apis_own() {
        let own = |status, body: &str| Problem::parse(status, body.as_bytes()).own;
        let code = r#""extraDetails":[{"name":"ErrorCode","reason":"6080"}]"#;
        assert!(own(
            400,
            &format!(r#"{{"title":"Bad","status":400,{code}}}"#)
        ));
        assert!(own(
            400,
            &format!(r#"{{"title":"Bad","status":"400",{code}}}"#)
        ));
        assert!(own(
            400,
            r#"{"title":"Bad Request","extraDetails":[{"name":"reference","reason":"must match"}]}"#
        ));
        for status in [401, 403, 429] {
            let body = format!(r#"{{"statusCode":{status},"message":"Access denied"}}"#);
            assert!(own(status, &body));
            assert!(!own(404, &body), "of another status");
        }
        assert!(own(429, ""));
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let whole = format!(
            r#"{{"type":"https://httpstatuses.io/403","title":"Forbidden","status":403,"traceId":"{trace}"}}"#
        );
        assert!(own(403, &whole) && !own(400, &whole));
        assert!(!own(403, &whole.replace(trace, "00-1")));
        assert!(!own(
            403,
            &whole.replace("https://httpstatuses.io/403", "about:blank")
        ));
        for body in [
            "",
            "<html>",
            "null",
            "[]",
            r#"{"title":"Forbidden","status":403,"traceId":"t"}"#,
            r#"{"type":"about:blank","title":"Forbidden","detail":"blocked"}"#,
            r#"{"title":"x","extraDetails":[]}"#,
            r#"{"title":"x","extraDetails":null}"#,
            r#"{"title":"x","extraDetails":["6080"]}"#,
            r#"{"statusCode":500,"message":"m"}"#,
            r#"{"error":"blocked","message":"by the firewall"}"#,
        ] {
            for status in [400, 401, 403, 404, 409, 413] {
                assert!(!own(status, body), "{status} {body}");
            }
        }
    }

    #[test]
    fn a_phone_number_in_a_servers_text_is_masked_and_long_texts_are_cut() {
        let p = Problem::parse(400, br#"{"title":"x","detail":"4791234567 is wrong"}"#);
        assert_eq!(p.message, "x: ********67 is wrong");
        let long = format!("{{\"title\":\"{}\"}}", "\u{e5}".repeat(500));
        assert!(Problem::parse(400, long.as_bytes()).message.len() <= MESSAGE_BYTES);
    }
}
