//! Order Management API (OpenAPI 2.1): the receipt.

use serde_json::Value;

use crate::reference::Reference;

/// Path under which the receipt of an ePayment is posted, once.
pub fn receipt_path(reference: &Reference) -> String {
    format!("/order-management/v2/ECOM/receipts/{}", reference.as_str())
}

/// Path under which the order is read back.
pub fn order_path(reference: &Reference) -> String {
    format!("/order-management/v2/ECOM/{}", reference.as_str())
}

/// The order as it was read back; `None` if it is no JSON object.
pub fn parse_order(body: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Value>(body)
        .ok()
        .filter(Value::is_object)
}
