//! ePayment API (OpenAPI 1.8.1): the bodies we send and the answers we read. Answers are read tolerantly: missing and
//! additional fields and new enum values are no error; amounts that are there must be integers.

use serde::Serialize;
use serde_json::Value;

use crate::money::Currency;
use crate::payment::{State, Sums};
use crate::reference::{Reference, RideId};

/// The metadata key under which the ride id travels.
pub const RIDE_KEY: &str = "vpmeter-ride";

/// Whether the passenger is in the car.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerInteraction {
    /// The default of a taxi.
    Present,
    /// Somebody elsewhere pays.
    NotPresent,
}

#[derive(Serialize)]
struct Amount<'a> {
    currency: &'a str,
    value: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody<'a> {
    amount: Amount<'a>,
    payment_method: PaymentMethod,
    customer: Customer<'a>,
    customer_interaction: &'a str,
    reference: &'a str,
    user_flow: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    payment_description: &'a str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct PaymentMethod {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Customer<'a> {
    phone_number: &'a str,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "vpmeter-ride")]
    ride: &'a str,
}

/// Path of a create.
pub const CREATE_PATH: &str = "/epayment/v1/payments";

/// Path of one payment, with `what` behind it (`""`, `"/capture"`, `"/events"`...).
pub fn payment_path(reference: &Reference, what: &str) -> String {
    format!("{CREATE_PATH}/{}{what}", reference.as_str())
}

/// The body of a create by push message.
pub fn create_body(
    reference: &Reference,
    amount: i64,
    currency: Currency,
    msisdn: &str,
    interaction: CustomerInteraction,
    description: &str,
    ride: &RideId,
) -> String {
    to_text(&CreateBody {
        amount: Amount {
            currency: currency.as_str(),
            value: amount,
        },
        payment_method: PaymentMethod { kind: "WALLET" },
        customer: Customer {
            phone_number: msisdn,
        },
        customer_interaction: match interaction {
            CustomerInteraction::Present => "CUSTOMER_PRESENT",
            CustomerInteraction::NotPresent => "CUSTOMER_NOT_PRESENT",
        },
        reference: reference.as_str(),
        user_flow: "PUSH_MESSAGE",
        payment_description: description,
        metadata: Metadata {
            ride: ride.as_str(),
        },
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Modification<'a> {
    modification_amount: Amount<'a>,
}

/// The body of a capture or refund.
pub fn modification_body(amount: i64, currency: Currency) -> String {
    to_text(&Modification {
        modification_amount: Amount {
            currency: currency.as_str(),
            value: amount,
        },
    })
}

/// The body of a cancel. Always sent: an integration without it saw type errors.
pub fn cancel_body(only_if_not_approved: bool) -> &'static str {
    if only_if_not_approved {
        r#"{"cancelTransactionOnly":true}"#
    } else {
        r#"{"cancelTransactionOnly":false}"#
    }
}

fn to_text<T: Serialize>(value: &T) -> String {
    // Structs of strings and integers: serialisation has nothing to fail on.
    serde_json::to_string(value).unwrap_or_default()
}

/// A payment as `GET` tells it, or as far as the answer to a capture, cancel or refund does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentAnswer {
    /// `None` if missing or a value that this version does not know.
    pub state: Option<State>,
    /// What the passenger was asked for, if it was there, minor units.
    pub amount: Option<i64>,
    /// The sums of the aggregate; one that is missing is not known.
    pub sums: Sums,
    /// The currencies of all amounts that were there, each once.
    pub currencies: Vec<String>,
    /// `pspReference`, if it was there.
    pub psp_reference: Option<String>,
    /// Our ride id in the metadata, if it was there.
    pub ride_id: Option<String>,
    /// `reference`, if it was there.
    pub reference: Option<String>,
    /// `captureGuaranteedUntil` in Unix milliseconds.
    pub guaranteed_until: Option<i64>,
}

/// Reads a payment or the answer to a modification. `None` if it is no JSON object, or holds an amount that is no
/// integer: then nothing in it is to be believed.
pub fn parse_payment(body: &[u8]) -> Option<PaymentAnswer> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    let mut currencies = Vec::new();
    let mut amount = |holder: Option<&Value>| -> Option<Option<i64>> {
        let Some(a) = holder.filter(|a| !a.is_null()) else {
            return Some(None);
        };
        if let Some(currency) = a.get("currency").and_then(Value::as_str) {
            let currency = super::problem::cut(currency, 7);
            if !currencies.contains(&currency) {
                currencies.push(currency);
            }
        }
        minor_units(a.get("value")?).map(Some)
    };
    let whole = amount(object.get("amount"))?;
    let aggregate = object.get("aggregate").filter(|a| !a.is_null());
    let mut sum = |name: &str| amount(aggregate.and_then(|a| a.get(name)));
    let sums = Sums {
        authorized: sum("authorizedAmount")?,
        captured: sum("capturedAmount")?,
        cancelled: sum("cancelledAmount")?,
        refunded: sum("refundedAmount")?,
    };
    let text = |name: &str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .map(|t| super::problem::cut(t, 63))
    };
    Some(PaymentAnswer {
        state: object
            .get("state")
            .and_then(Value::as_str)
            .and_then(parse_state),
        amount: whole,
        sums,
        currencies,
        psp_reference: text("pspReference"),
        ride_id: object
            .get("metadata")
            .and_then(|m| m.get(RIDE_KEY))
            .and_then(Value::as_str)
            .map(str::to_string),
        reference: object
            .get("reference")
            .and_then(Value::as_str)
            .map(str::to_string),
        guaranteed_until: object
            .get("captureGuaranteedUntil")
            .and_then(Value::as_str)
            .and_then(super::time::parse_rfc3339),
    })
}

/// An amount: a whole number that is not negative, also where it is written with a decimal point (24900.0).
fn minor_units(value: &Value) -> Option<i64> {
    /// Up to here every whole number has a `f64` of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let written = || {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
    };
    value.as_i64().or_else(written).filter(|v| *v >= 0)
}

fn parse_state(text: &str) -> Option<State> {
    Some(match text {
        "CREATED" => State::Created,
        "AUTHORIZED" => State::Authorized,
        "ABORTED" => State::Aborted,
        "EXPIRED" => State::Expired,
        "TERMINATED" => State::Terminated,
        _ => return None,
    })
}

/// One entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CREATED`, `AUTHORIZED`, `CAPTURED`, ... as the server wrote it.
    pub name: String,
    /// Minor units; of this event, not a running total.
    pub amount: i64,
    /// Unix milliseconds; 0 if not readable.
    pub timestamp: i64,
    /// Missing on some events.
    pub idempotency_key: String,
    /// Of this event.
    pub psp_reference: String,
    /// `false`: the operation was tried and failed.
    pub success: bool,
}

/// Reads `GET .../events`. `None` if it is no JSON array.
pub fn parse_events(body: &[u8]) -> Option<Vec<Event>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = value.as_array()?;
    Some(
        list.iter()
            .map(|e| {
                let text = |name: &str, limit: usize| {
                    super::problem::cut(e.get(name).and_then(Value::as_str).unwrap_or(""), limit)
                };
                Event {
                    name: text("name", 31),
                    amount: e
                        .get("amount")
                        .and_then(|a| a.get("value"))
                        .and_then(minor_units)
                        .unwrap_or(0),
                    timestamp: e
                        .get("timestamp")
                        .and_then(Value::as_str)
                        .and_then(super::time::parse_rfc3339)
                        .unwrap_or(0),
                    idempotency_key: text("idempotencyKey", 63),
                    psp_reference: text("pspReference", 63),
                    success: e.get("success").and_then(Value::as_bool).unwrap_or(false),
                }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_read_tolerantly_but_amounts_strictly() {
        let p = parse_payment(
            br#"{"state":"AUTHORIZED","aggregate":{"authorizedAmount":{"currency":"NOK","value":100},"capturedAmount":null},
            "pspReference":"1","new":[],"metadata":{"vpmeter-ride":"r"},"captureGuaranteedUntil":"2026-11-22T10:00:00.000+00:00"}"#,
        )
        .unwrap();
        assert_eq!(p.state, Some(State::Authorized));
        assert_eq!(p.sums.authorized, Some(100));
        assert_eq!(
            (p.sums.captured, p.sums.refunded, p.amount),
            (None, None, None)
        );
        assert_eq!(p.currencies, ["NOK"]);
        assert_eq!(p.ride_id.as_deref(), Some("r"));
        assert_eq!(p.guaranteed_until, Some(1_795_341_600_000));
        let future = parse_payment(br#"{"state":"FROZEN"}"#).unwrap();
        assert_eq!((future.state, future.sums), (None, Sums::default()));
        let written = br#"{"amount":{"currency":"EUR","value":24900.0},"aggregate":{"capturedAmount":{"currency":"NOK","value":1e2}}}"#;
        let written = parse_payment(written).unwrap();
        assert_eq!(
            (written.amount, written.sums.captured),
            (Some(24_900), Some(100))
        );
        assert_eq!(written.currencies, ["EUR", "NOK"]);
        assert!(parse_payment(br#"{"amount":{"value":1e300}}"#).is_none());
        assert!(parse_payment(br#"{"aggregate":{"capturedAmount":{"value":"100"}}}"#).is_none());
        assert!(parse_payment(br#"{"aggregate":{"capturedAmount":{"value":1.5}}}"#).is_none());
        assert!(parse_payment(br#"{"aggregate":{"capturedAmount":{"value":-1}}}"#).is_none());
        assert!(parse_payment(b"[]").is_none());
        assert!(parse_payment(b"{\"state\":").is_none());
    }

    #[test]
    fn events_are_read_with_and_without_their_key() {
        let list = parse_events(
            br#"[{"name":"CAPTURED","amount":{"value":5},"success":true,"idempotencyKey":"k","timestamp":"2026-11-22T10:00:00Z"},
                 {"name":"CANCELLED","idempotencyKey":null,"success":false}, 7]"#,
        )
        .unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!((list[0].idempotency_key.as_str(), list[0].amount), ("k", 5));
        assert!(list[1].idempotency_key.is_empty() && !list[1].success);
        assert!(parse_events(b"{}").is_none());
    }
}
