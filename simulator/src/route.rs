//! Which operation a method and a path mean.

use std::fmt;

use crate::contract::{self, PathParameters};

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
    /// The link of an order in version 2; the four after it are those of version 3.
    Category,
    AddCategory,
    FindCategories,
    GetCategory,
    DeleteCategory,
    Image,
    /// The page where a payment of a redirect or QR flow is opened.
    Landing,
    /// What a person presses there.
    Decide,
    QrImage,
    WebhookRegister,
    WebhookList,
    WebhookDelete,
    /// A path that no document describes.
    Unknown,
}

impl Operation {
    pub const NAMED: [Operation; 22] = [
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
        Operation::Category,
        Operation::AddCategory,
        Operation::FindCategories,
        Operation::GetCategory,
        Operation::DeleteCategory,
        Operation::Image,
        Operation::Landing,
        Operation::Decide,
        Operation::QrImage,
        Operation::WebhookRegister,
        Operation::WebhookList,
        Operation::WebhookDelete,
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
            Operation::Category => "category",
            Operation::AddCategory => "add_category",
            Operation::FindCategories => "find_categories",
            Operation::GetCategory => "get_category",
            Operation::DeleteCategory => "delete_category",
            Operation::Image => "image",
            Operation::Landing => "landing",
            Operation::Decide => "decide",
            Operation::QrImage => "qr_image",
            Operation::WebhookRegister => "webhook_register",
            Operation::WebhookList => "webhook_list",
            Operation::WebhookDelete => "webhook_delete",
            Operation::Unknown => "unknown",
        }
    }
}

impl Operation {
    pub fn is_order_management(self) -> bool {
        use Operation as O;
        matches!(self, O::Receipt | O::Order | O::Category | O::AddCategory | O::FindCategories)
            || matches!(self, O::GetCategory | O::DeleteCategory | O::Image)
    }

    /// For browsers: not a part of the APIs.
    pub fn is_page(self) -> bool {
        matches!(self, Operation::Landing | Operation::Decide | Operation::QrImage)
    }

    /// Are its requests authorised by a bearer token?
    pub fn carries_token(self) -> bool {
        !self.is_page() && !matches!(self, Operation::Token | Operation::Unknown)
    }

    /// Does it move money or begin a payment? These are the operations that have an idempotency key.
    pub fn is_write(self) -> bool {
        matches!(self, Operation::Create | Operation::Capture | Operation::Cancel | Operation::Refund)
    }

    pub fn named(name: &str) -> Option<Operation> {
        Operation::NAMED.into_iter().find(|operation| operation.name() == name)
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
    /// The variable parts of the path, decoded.
    pub parameters: PathParameters,
    /// The payment's, from the path; `create` carries it in the body.
    pub reference: Option<String>,
}

impl Route {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub fn route(method: &str, path: &str) -> Route {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if let Some(operation) = page(method, &segments) {
        return Route { operation, parameters: Vec::new(), reference: None };
    }
    let Some((operation, mut parameters)) = contract::find(method, &segments) else {
        return Route { operation: Operation::Unknown, parameters: Vec::new(), reference: None };
    };
    for (_, value) in &mut parameters {
        *value = percent_decoded(value);
    }
    // Order Management calls the reference of a payment an order id.
    let reference = parameters.iter().find(|(name, _)| name == "reference" || name == "orderId");
    Route { operation, reference: reference.map(|(_, value)| value.clone()), parameters }
}

/// What browsers open stands in no document.
fn page(method: &str, segments: &[&str]) -> Option<Operation> {
    match (method, segments) {
        ("GET", ["landing" | "landing.css"]) => Some(Operation::Landing),
        ("POST", ["landing"]) => Some(Operation::Decide),
        ("GET", ["qr-image"]) => Some(Operation::QrImage),
        _ => None,
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
        assert_eq!(route("GET", "/order-management/v2/eCom/a").parameter("paymentType"), Some("eCom"));
        assert_eq!(route("", "").operation, Operation::Unknown);
        assert_eq!(route("GET", "/epayment/v1/payments/%f").reference.as_deref(), Some("%f"));
    }
}
