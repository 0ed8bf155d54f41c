//! The bodies of refusals: the gateway's, the ePayment problem, the Order Management error.
//!
//! Sources: ePayment API guide, errors; OpenAPI 1.8.1 `Problem`; Order Management OpenAPI 2.1 `ErrorResponse`.

use serde_json::{Value, json};

use crate::contract::Issue;
use crate::random;
use crate::wire::Answer;

/// Each API words its refusals in its own shape.
#[derive(Clone, Debug)]
pub enum Shape {
    /// ePayment; the instance is the path below `/epayment`.
    Problem { instance: String },
    /// By its document not labelled as a problem.
    OrderManagement,
}

impl Shape {
    pub fn validation(&self, issues: &[Issue]) -> Answer {
        match self {
            Shape::Problem { instance } => {
                let detail = "One or more fields are not valid. See extraDetails.";
                problem(400, "Bad Request", detail, instance, list(issues))
            }
            Shape::OrderManagement => {
                let title = "One or more validation errors occurred.";
                let mut body = order_management_body(400, title, "BadRequest");
                body["invalidParams"] = list(issues);
                Answer::json(400, &body)
            }
        }
    }

    pub fn plain(&self, status: u16, title: &str, detail: &str) -> Answer {
        match self {
            Shape::Problem { instance } => problem(status, title, detail, instance, Value::Null),
            Shape::OrderManagement => Answer::json(status, &order_management_body(status, title, detail)),
        }
    }
}

fn list(issues: &[Issue]) -> Value {
    issues.iter().map(|issue| json!({"name": issue.name, "reason": issue.reason})).collect()
}

fn order_management_body(status: u16, title: &str, detail: &str) -> Value {
    let section = match status {
        403 => "6.5.3",
        404 => "6.5.4",
        409 => "6.5.8",
        _ => "6.5.1",
    };
    json!({
        "type": format!("https://datatracker.ietf.org/doc/html/rfc7231#section-{section}"),
        "title": title,
        "detail": detail,
        "instance": random::trace_id(),
    })
}

fn problem(status: u16, title: &str, detail: &str, instance: &str, extra: Value) -> Answer {
    let body = json!({
        "type": format!("https://httpstatuses.io/{status}"),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "traceId": random::trace_id(),
        "extraDetails": extra,
    });
    Answer::typed(status, "application/problem+json", &body)
}

/// A refusal by a rule of the business: it has a number, which travels as a string in `extraDetails`.
pub fn domain(status: u16, code: u16, detail: &str, instance: &str) -> Answer {
    let extra = json!([{"name": "ErrorCode", "reason": code.to_string()}]);
    problem(status, title(code), detail, instance, extra)
}

/// The number that an answer carries in `extraDetails`.
pub fn code(answer: &Answer) -> Option<String> {
    if answer.status < 400 {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let detail = body["extraDetails"].as_array()?.iter().find(|detail| detail["name"] == "ErrorCode")?;
    Some(detail["reason"].as_str()?.chars().take(20).collect())
}

/// Titles of the error table in the ePayment API guide. A client must branch on the code, never on these.
fn title(code: u16) -> &'static str {
    match code {
        4010 => "Capture idempotency conflict",
        4020 => "Idempotency error",
        4040 => "Invalid amount",
        4050 => "Invalid CustomerToken",
        4060 => "Invalid PersonalQr",
        4070 => "Invalid phone number",
        4080 => "Invalid scope",
        4090 => "Invalid URL",
        4100 => "Metadata capacity exceeded",
        4110 => "Metadata duplicate key",
        4120 => "Metadata key too long",
        4130 => "Metadata value too long",
        4140 => "Missing required parameter",
        4150 => "Idempotency error",
        4160 => "Invalid payment method type",
        5010 => "Blocking sources not applicable",
        5020 => "Express not allowed",
        5040 => "Invalid currency for merchant",
        5030 => "Illegal scope",
        5050 => "Long-living payment not allowed",
        5060 => "Merchant bank account not verified",
        5070 => "Payment cannot be created",
        5080 => "PUSH_MESSAGE not allowed",
        5090 => "Reference not found",
        5100 => "Refund not possible",
        6010 => "Amount too small",
        6020 => "Cannot refund before reservation",
        6030 => "Cancel period expired",
        6040 => "Cannot cancel a captured payment",
        6050 => "Cannot cancel a non-reserved payment",
        6060 => "Cannot cancel authorized payment",
        6070 => "Cannot capture a cancelled payment",
        6080 => "Cannot capture before reservation",
        6090 => "Capture amount too high",
        6100 => "Capture period expired",
        6110 => "ExpiresAt too late",
        6120 => "ExpiresAt too soon",
        6130 => "Receipt missing",
        6140 => "Must capture full amount",
        6150 => "Not enough refundable",
        6160 => "Order processing",
        6170 => "Payment already captured",
        6180 => "Payment already refunded",
        6190 => "Payment cannot be cancelled",
        6200 => "Payment cannot be captured",
        6210 => "Payment cannot be refunded",
        6220 => "Refund period expired",
        6230 => "Payment is already reserved",
        6250 => "Cannot cancel processing payment",
        6260 => "Funds unavailable",
        6280 => "Capture failed",
        7010 => "Customer not found",
        10010 => "Approve failed",
        10020 => "Approve not allowed",
        10030 => "Identification required",
        10040 => "Invalid payment source",
        10050 => "No cards",
        10060 => "Operation not supported",
        10070 => "Payment limit exceeded",
        _ => "Error",
    }
}

/// The API gateway answers before the APIs do, in a shape of its own.
pub fn gateway(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"statusCode": status, "message": message}))
}

pub fn subscription_key_missing() -> Answer {
    gateway(
        401,
        "Access denied due to missing subscription key. Make sure to include subscription key when making \
         requests to an API.",
    )
}

pub fn subscription_key_wrong() -> Answer {
    gateway(
        401,
        "Access denied due to invalid subscription key. Make sure to provide a valid key for an active \
         subscription.",
    )
}

pub fn subscription_not_found() -> Answer {
    gateway(401, "Subscription not found.")
}

pub fn unauthorized() -> Answer {
    gateway(401, "Unauthorized. Access token is missing or invalid.")
}

/// The knowledge base says that a 401 often tells no more than this.
pub fn something_went_wrong() -> Answer {
    gateway(401, "Something went wrong.")
}

/// The servers have nothing at their root, but a person with a browser begins there.
pub fn nothing_at_the_root() -> Answer {
    gateway(404, "Resource not found. The page for people is at /phone")
}

pub fn no_such_resource() -> Answer {
    gateway(404, "Resource not found")
}

pub fn body_too_large() -> Answer {
    gateway(413, "Request body is too large.")
}

/// The general sample of the knowledge base differs from the API guide: `status` is a string, the instance a URN,
/// and there is no trace id. What is no problem of the ePayment API stays as it is.
pub fn as_in_knowledge_base(mut answer: Answer) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let Some(map) = body.as_object_mut() else { return answer };
    if map.remove("traceId").is_none() {
        return answer;
    }
    map.insert("status".to_owned(), Value::from(answer.status.to_string()));
    map.insert("instance".to_owned(), Value::from(format!("urn:uuid:{}", random::uuid())));
    answer.body = body.to_string().into_bytes();
    answer
}

/// What usually comes with a status, for faults that do not say more.
pub fn stock(status: u16) -> Answer {
    let text = match status {
        200..=299 => return Answer::empty(status),
        401 => return unauthorized(),
        429 => return gateway(429, "Rate limit is exceeded. Try again in 1 seconds."),
        423 => "Locked",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    };
    problem(status, text, "An error occurred.", "/v1/payments", Value::Null)
}
