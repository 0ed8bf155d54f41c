//! The bytes of the servers' answers, in the shapes of the published specifications.

use std::fmt::Write;

use super::servers::Payment;
use super::Ms;

/// The four sums of a payment, minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Approved.
    pub authorized: i64,
    /// Captured.
    pub captured: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Refunded.
    pub refunded: i64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
    /// `Retry-After`, seconds.
    pub retry_after: Option<i64>,
}

fn answer(status: u16, body: String) -> Answer {
    Answer {
        status,
        body,
        retry_after: None,
    }
}

/// No body.
pub fn empty(status: u16) -> Answer {
    answer(status, String::new())
}

/// A problem in the API's own shape; code 0 for one without.
pub fn problem(status: u16, code: u32) -> Answer {
    let details = match code {
        0 => "null".to_string(),
        _ => format!(r#"[{{"name":"ErrorCode","reason":"{code}"}}]"#),
    };
    answer(
        status,
        format!(
            r#"{{"type":"https://httpstatuses.io/{status}","title":"Refused","detail":"Refused","status":{status},"instance":"/v1/payments","traceId":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","extraDetails":{details}}}"#
        ),
    )
}

/// 429 of the gateway.
pub fn too_many(with_body: bool, seconds: i64) -> Answer {
    match with_body {
        true => Answer {
            retry_after: Some(seconds),
            ..answer(
                429,
                format!(
                    r#"{{"statusCode":429,"message":"Rate limit is exceeded. Try again in {seconds} seconds."}}"#
                ),
            )
        },
        false => empty(429),
    }
}

/// 401 of the gateway.
pub fn unauthorized() -> Answer {
    answer(
        401,
        r#"{"statusCode":401,"message":"Access denied due to invalid subscription key."}"#.into(),
    )
}

/// 200 to a request for a token.
pub fn token() -> Answer {
    answer(
        200,
        r#"{"token_type":"Bearer","expires_in":"86398","ext_expires_in":"0","expires_on":"0","not_before":"0","resource":"00000002-0000-0000-c000-000000000000","access_token":"eyJ0.model.token"}"#.into(),
    )
}

/// 201 to a create.
pub fn created(reference: &str) -> Answer {
    answer(201, format!(r#"{{"reference":"{reference}"}}"#))
}

/// 201 to a receipt.
pub fn receipt() -> Answer {
    answer(201, r#""6b5e0b5c-2a0f-4c0f-9d4f-3c1b8f3a7e11""#.into())
}

/// 200 to a read of an order.
pub fn order(receipt: &str) -> Answer {
    answer(200, format!(r#"{{"category":null,"receipt":{receipt}}}"#))
}

fn amount(out: &mut String, name: &str, currency: &str, value: i64) {
    let _ = write!(
        out,
        r#""{name}":{{"currency":"{currency}","value":{value}}}"#
    );
}

fn aggregate(out: &mut String, currency: &str, s: Sums) {
    out.push_str(r#","aggregate":{"#);
    amount(out, "authorizedAmount", currency, s.authorized);
    out.push(',');
    amount(out, "cancelledAmount", currency, s.cancelled);
    out.push(',');
    amount(out, "capturedAmount", currency, s.captured);
    out.push(',');
    amount(out, "refundedAmount", currency, s.refunded);
    out.push('}');
}

fn common(reference: &str, p: &Payment, currency: &str, state: &str, total: i64) -> String {
    let mut out = String::with_capacity(640);
    out.push('{');
    amount(&mut out, "amount", currency, total);
    let _ = write!(
        out,
        r#","state":"{state}","pspReference":"psp-{}","reference":"{reference}""#,
        p.created_at
    );
    out
}

/// 200 to a capture, cancel or refund.
pub fn modified(reference: &str, p: &Payment, sums: Option<Sums>) -> Answer {
    let mut out = common(reference, p, &p.currency, p.state.word(), p.amount);
    if let Some(sums) = sums {
        aggregate(&mut out, &p.currency, sums);
    }
    out.push('}');
    answer(200, out)
}

/// 200 to a read.
pub fn payment(reference: &str, p: &Payment, sums: Sums, metadata: bool) -> Answer {
    odd_payment(reference, p, sums, metadata, &p.currency, p.state.word())
}

/// The same with figures that need not make sense.
pub fn odd_payment(
    reference: &str,
    p: &Payment,
    sums: Sums,
    metadata: bool,
    currency: &str,
    state: &str,
) -> Answer {
    let mut out = common(reference, p, currency, state, p.amount);
    aggregate(&mut out, currency, sums);
    out.push_str(r#","paymentMethod":{"type":"WALLET"},"profile":{}"#);
    if metadata && !p.metadata.is_empty() {
        let _ = write!(out, r#","metadata":{}"#, p.metadata);
    }
    out.push('}');
    answer(200, out)
}

/// 200 to a read of the events, as the log stood at a time.
pub fn events(reference: &str, p: &Payment, at: Ms) -> Answer {
    let mut out = String::from("[");
    for (n, e) in p.events.iter().filter(|e| e.at <= at).enumerate() {
        if n > 0 {
            out.push(',');
        }
        let _ = write!(
            out,
            r#"{{"reference":"{reference}","pspReference":"{}","name":"{}","#,
            1_000_000 + n,
            e.name
        );
        amount(&mut out, "amount", &p.currency, e.amount);
        let seconds = e.at / 1000;
        let _ = write!(
            out,
            r#","timestamp":"2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z","#,
            27 + (seconds / 86_400).min(3),
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            e.at % 1000
        );
        if let Some(key) = &e.key {
            let _ = write!(out, r#""idempotencyKey":"{key}","#);
        }
        let _ = write!(out, r#""success":{}}}"#, e.success);
    }
    out.push(']');
    answer(200, out)
}
