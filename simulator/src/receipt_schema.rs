//! What a receipt may contain, the same in create and in Order Management.
//!
//! Sources: OpenAPI 1.8.1 `Receipt`; Order Management OpenAPI 2.1. No arithmetic is checked: the servers' own
//! check of sums was removed in August 2022, and the official samples do not add up.

use serde_json::Value;

use crate::schema::{ANY_INT, ANY_TEXT, Field, Issue, Kind, NOT_NEGATIVE, Pattern, optional, required};

pub const RECEIPT: Kind = Kind::Object(&[
    required("orderLines", Kind::List { at_least: 1, of: &ORDER_LINE }),
    required("bottomLine", Kind::Object(BOTTOM_LINE)),
]);

const ORDER_LINE: Kind = Kind::Object(&[
    required("name", ANY_TEXT),
    required("id", ANY_TEXT),
    // Negative amounts of lines have not been allowed since August 2022; a returned line says isReturn.
    required("totalAmount", NOT_NEGATIVE),
    required("totalAmountExcludingTax", NOT_NEGATIVE),
    required("totalTaxAmount", NOT_NEGATIVE),
    optional("taxRate", Kind::Int { min: 0, max: 10_000 }).or_null(),
    optional("taxPercentage", Kind::Int { min: 0, max: 100 }).or_null(),
    optional("unitInfo", Kind::Object(UNIT_INFO)),
    optional("discount", NOT_NEGATIVE).or_null(),
    optional("productUrl", ANY_TEXT).or_null(),
    optional("isReturn", Kind::Bool).or_null(),
    optional("isShipping", Kind::Bool).or_null(),
]);

const UNIT_INFO: &[Field] = &[
    required("unitPrice", NOT_NEGATIVE).or_null(),
    required("quantity", Kind::Text { min: 0, max: 10, pattern: Some(QUANTITY) }),
    optional("quantityUnit", Kind::OneOf(&["PCS", "KG", "KM", "MINUTE", "LITRE", "KWH"])).or_null(),
];

const QUANTITY: Pattern = Pattern { text: r"^\d+([\.]\d{1,8})?$", matches: is_quantity };

fn is_quantity(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && fraction.len() <= 8,
        None => digits(text),
    }
}

const BOTTOM_LINE: &[Field] = &[
    required("currency", Kind::OneOf(&["NOK", "DKK", "EUR"])),
    optional("tipAmount", NOT_NEGATIVE).or_null(),
    optional("posId", ANY_TEXT).or_null(),
    optional("receiptNumber", ANY_TEXT).or_null(),
    optional("paymentSources", Kind::Object(PAYMENT_SOURCES)),
    optional("barcode", Kind::Object(BARCODE)),
    // Deprecated, still in the schema.
    optional("giftCardAmount", NOT_NEGATIVE).or_null(),
    optional("totalAmount", ANY_INT).or_null(),
    optional("totalTax", NOT_NEGATIVE).or_null(),
    optional("totalDiscount", NOT_NEGATIVE).or_null(),
    optional("shippingAmount", NOT_NEGATIVE).or_null(),
    optional("shippingInfo", Kind::Object(SHIPPING_INFO)),
    optional("terminalId", ANY_TEXT).or_null(),
];

const PAYMENT_SOURCES: &[Field] = &[
    optional("giftCard", ANY_INT).or_null(),
    optional("card", ANY_INT).or_null(),
    optional("voucher", ANY_INT).or_null(),
    optional("cash", ANY_INT).or_null(),
];

const BARCODE: &[Field] = &[
    required("format", Kind::OneOf(&["EAN-13", "CODE 39", "CODE 128"])).or_null(),
    required("data", ANY_TEXT).or_null(),
];

const SHIPPING_INFO: &[Field] = &[
    required("amount", NOT_NEGATIVE).or_null(),
    required("amountExcludingTax", NOT_NEGATIVE).or_null(),
    required("taxAmount", NOT_NEGATIVE).or_null(),
    required("taxPercentage", Kind::Int { min: 0, max: 100 }).or_null(),
];

/// Each line needs its rate in one of the two fields, which no schema table can say.
pub fn tax_rate_issues(receipt: &Value, prefix: &str) -> Vec<Issue> {
    let lines = receipt["orderLines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_rate = |line: &Value| line["taxRate"].is_i64() || line["taxPercentage"].is_i64();
    (lines.iter().enumerate())
        .filter(|(_, line)| line.is_object() && !has_rate(line))
        .map(|(index, _)| {
            let name = format!("{prefix}orderLines[{index}].taxRate");
            Issue::new(name, "One of TaxRate and TaxPercentage must be set.")
        })
        .collect()
}
