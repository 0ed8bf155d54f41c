//! Which operation a method and a path mean.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Token,
    Create,
    Get,
    Events,
    Capture,
    Cancel,
    Refund,
    Approve,
    Receipt,
    Order,
    /// A path that the servers do not have.
    Unknown,
}

impl Operation {
    pub const NAMED: [Operation; 10] = [
        Operation::Token,
        Operation::Create,
        Operation::Get,
        Operation::Events,
        Operation::Capture,
        Operation::Cancel,
        Operation::Refund,
        Operation::Approve,
        Operation::Receipt,
        Operation::Order,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Operation::Token => "token",
            Operation::Create => "create",
            Operation::Get => "get",
            Operation::Events => "events",
            Operation::Capture => "capture",
            Operation::Cancel => "cancel",
            Operation::Refund => "refund",
            Operation::Approve => "approve",
            Operation::Receipt => "receipt",
            Operation::Order => "order",
            Operation::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    pub operation: Operation,
    /// From the path; `create` carries it in the body.
    pub reference: Option<String>,
    /// `ECOM` or `RECURRING`, in whatever case it was written.
    pub payment_type: Option<String>,
}

pub fn route(method: &str, path: &str) -> Route {
    let found = |operation, reference: Option<&str>| Route {
        operation,
        reference: reference.map(percent_decoded),
        payment_type: None,
    };
    // The token path occurs in two spellings, so the gateway seems not to care about case there.
    if method == "POST" && path.eq_ignore_ascii_case("/accesstoken/get") {
        return found(Operation::Token, None);
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (method, segments.as_slice()) {
        ("POST", ["epayment", "v1", "payments"]) => found(Operation::Create, None),
        ("GET", ["epayment", "v1", "payments", r]) => found(Operation::Get, Some(r)),
        ("GET", ["epayment", "v1", "payments", r, "events"]) => found(Operation::Events, Some(r)),
        ("POST", ["epayment", "v1", "payments", r, "capture"]) => found(Operation::Capture, Some(r)),
        ("POST", ["epayment", "v1", "payments", r, "cancel"]) => found(Operation::Cancel, Some(r)),
        ("POST", ["epayment", "v1", "payments", r, "refund"]) => found(Operation::Refund, Some(r)),
        ("POST", ["epayment", "v1", "test", "payments", r, "approve"]) => found(Operation::Approve, Some(r)),
        ("POST", ["order-management", "v2", kind, "receipts", r]) => {
            Route { payment_type: Some(percent_decoded(kind)), ..found(Operation::Receipt, Some(r)) }
        }
        // `/v2/categories/...` and the like are not orders of a payment type; the handler refuses them.
        ("GET", ["order-management", "v2", kind, r]) => {
            Route { payment_type: Some(percent_decoded(kind)), ..found(Operation::Order, Some(r)) }
        }
        _ => found(Operation::Unknown, None),
    }
}

fn percent_decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_operations() {
        assert_eq!(route("POST", "/accessToken/get").operation, Operation::Token);
        assert_eq!(route("GET", "/accesstoken/get").operation, Operation::Unknown);
        let capture = route("POST", "/epayment/v1/payments/ride%2D0001/capture");
        assert_eq!(capture.operation, Operation::Capture);
        assert_eq!(capture.reference.as_deref(), Some("ride-0001"));
        assert_eq!(route("POST", "/epayment/v1/payments/").operation, Operation::Unknown);
        assert_eq!(route("GET", "/order-management/v2/eCom/a").payment_type.as_deref(), Some("eCom"));
        assert_eq!(route("", "").operation, Operation::Unknown);
        assert_eq!(route("GET", "/epayment/v1/payments/%f").reference.as_deref(), Some("%f"));
    }
}
