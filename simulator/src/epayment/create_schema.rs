//! The body of a create. Source: OpenAPI 1.8.1, `CreatePaymentRequest`.

use crate::clock;
use crate::epayment::{REFERENCE_PATTERN, is_reference};
use crate::receipt_schema::RECEIPT;
use crate::schema::{ANY_TEXT, Field, Kind, Pattern, optional, required};

pub const CREATE: Kind = Kind::Object(&[
    required("amount", Kind::Object(AMOUNT)),
    required("paymentMethod", Kind::Object(PAYMENT_METHOD)),
    required("reference", Kind::Text { min: 0, max: usize::MAX, pattern: Some(REFERENCE) }),
    required("userFlow", Kind::OneOf(&["PUSH_MESSAGE", "NATIVE_REDIRECT", "WEB_REDIRECT", "QR"])),
    optional("customer", Kind::Object(CUSTOMER)),
    // At the top level; inside `customer`, where some clients put it, it is not part of the schema.
    optional("customerInteraction", Kind::OneOf(&["CUSTOMER_PRESENT", "CUSTOMER_NOT_PRESENT"])),
    optional("minimumUserAge", Kind::Int { min: 0, max: 100 }).or_null(),
    optional("returnUrl", Kind::Text { min: 0, max: 2_500, pattern: None }),
    optional("expiresAt", Kind::Text { min: 0, max: 64, pattern: Some(MOMENT) }).or_null(),
    optional("qrFormat", Kind::Object(QR_FORMAT)).or_null(),
    optional("paymentDescription", Kind::Text { min: 3, max: 100, pattern: None }),
    optional("receipt", RECEIPT),
    optional("receiptUrl", ANY_TEXT).or_null(),
    optional("metadata", Kind::TextMap).or_null(),
    optional("profile", Kind::Object(&[optional("scope", ANY_TEXT)])),
    optional("industryData", Kind::AnyObject),
    optional("shipping", Kind::AnyObject),
    optional("cardPassthrough", Kind::AnyObject),
    // Newer than 1.8.1: the "merchant terms" feature of the guide.
    optional("merchantLegalLinks", Kind::AnyObject),
]);

pub const AMOUNT: &[Field] = &[
    required("value", Kind::Int { min: 0, max: 65_000_000 }),
    required("currency", Kind::OneOf(&["NOK", "DKK", "EUR", "SEK", "USD", "GBP"])),
];

pub const CUSTOMER: &[Field] = &[
    optional("phoneNumber", Kind::Text { min: 9, max: 15, pattern: Some(PHONE) }),
    optional("personalQr", Kind::Text { min: 5, max: 255, pattern: None }),
    optional("customerToken", ANY_TEXT),
];

const PAYMENT_METHOD: &[Field] = &[
    required("type", Kind::OneOf(&["WALLET", "CARD", "CARD_PASSTHROUGH"])),
    optional("blockedSources", Kind::List { at_least: 0, of: &Kind::OneOf(&["COMMERCIAL_CARDS"]) }),
];

const QR_FORMAT: &[Field] = &[
    required("format", Kind::OneOf(&["TEXT/TARGETURL", "IMAGE/SVG+XML", "IMAGE/PNG"])),
    optional("size", Kind::Int { min: 100, max: 2_000 }).or_null(),
];

const REFERENCE: Pattern = Pattern { text: REFERENCE_PATTERN, matches: is_reference };

/// MSISDN without any prefix; a bare national number of eight digits is too short.
const PHONE: Pattern = Pattern { text: r"^\d{9,15}$", matches: |text| text.bytes().all(|b| b.is_ascii_digit()) };

const MOMENT: Pattern = Pattern {
    text: r"^((?:(\d{4}-\d{2}-\d{2})(T|t)(\d{2}:\d{2}:\d{2}(?:\.\d+)?))(Z|z|([+-](?:2[0-3]|[01][0-9]):[0-5][0-9])))$",
    matches: |text| clock::parse_rfc3339(text).is_some(),
};
