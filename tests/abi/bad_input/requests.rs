//! Values of a payment request and of a receipt.

use super::{fresh, with_payments, INVALID};
use crate::common::encode;

#[test]
fn amounts_and_currencies() {
    let mut w = fresh();
    for amount in [
        "0",
        "-1",
        "99",
        "65000001",
        "-9223372036854775808",
        "9223372036854775807",
    ] {
        w.refused(&format!("create amount={amount}"), INVALID, "amount");
        w.refused(&format!("ride amount={amount}"), INVALID, "amount");
    }
    for currency in ["SEK", "USD", "nok", "NO", "NOKK", ""] {
        w.refused(&format!("create currency={currency}"), INVALID, "currency");
    }
    w.refused("create currency=DKK amount=0", INVALID, "amount");
    w.meter
        .call("create ref=least-0001 amount=100 wait=0")
        .is("rc=VP_PENDING");
    w.meter
        .call("create ref=most-0001 amount=65000000 wait=0")
        .is("rc=VP_PENDING");
}

#[test]
fn references_trips_and_descriptions() {
    let mut w = fresh();
    let long = "x".repeat(65);
    for bad in [
        "",
        "trip-01",
        &long,
        "trip_0001",
        "trip 0001",
        "trip/0001",
        "trip-000\u{f8}",
        "../../etc",
        "trip-0001\n",
    ] {
        let bad = encode(bad);
        w.refused(&format!("create ref={bad}"), INVALID, "reference");
        for call in [
            "poll",
            "capture amount=100",
            "cancel",
            "refund amount=100",
            "known",
            "events",
        ] {
            w.refused(&format!("{call} ref={bad}"), INVALID, "reference");
        }
    }
    w.meter
        .call(&format!("create ref={} wait=0", "x".repeat(64)))
        .is("rc=VP_PENDING");
    w.refused(&format!("create trip={}", "t".repeat(64)), INVALID, "trip");
    w.refused("create trip=a%0Ab", INVALID, "trip");
    w.refused("create description=ab", INVALID, "description");
    w.refused(
        &format!("create description={}", "d".repeat(101)),
        INVALID,
        "description",
    );
    w.refused("create description=Taxi%0AOslo", INVALID, "description");
    w.refused("create then=perhaps", INVALID, "on_approval");
    w.refused("create interaction=2", INVALID, "customer_interaction");
    w.refused("create part=2", INVALID, "part_of_trip");
    w.refused("create reserved=1", INVALID, "reserved");
    w.refused("ride then=hold", INVALID, "on_approval");
}

#[test]
fn phone_numbers() {
    let mut w = fresh();
    for phone in [
        "",
        "9",
        "1234567",
        "22123456",
        "+4722123456",
        "abc",
        "912 34 56x",
        "+1 555 0100",
        "123456789012345678",
        "112",
    ] {
        let reply = w.refused(&format!("create phone={}", encode(phone)), INVALID, "phone");
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        assert!(
            digits.len() < 5 || !reply.everything().contains(&digits),
            "no number in an error: {reply:?}"
        );
    }
}

#[test]
fn text_that_is_not_utf8_or_has_no_end() {
    let mut w = with_payments();
    for field in ["currency", "phone", "description", "trip"] {
        w.refused(
            &format!("create ref=trip-0009 {field}=abc%FFdef"),
            INVALID,
            field,
        );
        let endless = "9".repeat(5_000);
        w.refused(
            &format!("create ref=trip-0009 {field}={endless}"),
            INVALID,
            field,
        );
    }
    // Cut in the middle of a character; overlong; a surrogate.
    for bad in ["trip-%C3", "trip-%C0%AF-00", "trip-%ED%A0%80"] {
        w.refused(&format!("create ref={bad}"), INVALID, "reference");
        w.refused(&format!("poll ref={bad}"), INVALID, "reference");
        w.refused(&format!("known ref={bad}"), INVALID, "reference");
    }
    w.refused(
        "receipt lines=1 l0.total=24900 l0.name=%FF",
        INVALID,
        "receipt.lines[0].name",
    );
    w.refused(
        "receipt lines=1 l0.total=24900 l0.id=%FF",
        INVALID,
        "receipt.lines[0].id",
    );
    w.refused(
        "receipt lines=1 l0.total=24900 pos_id=%FF",
        INVALID,
        "receipt.pos_id",
    );
    w.refused(
        "receipt lines=1 l0.total=24900 receipt_number=%FF",
        INVALID,
        "receipt.receipt_number",
    );
    w.refused(
        "receipt lines=1 l0.total=24900 receipt_currency=%FF",
        INVALID,
        "receipt.currency",
    );
    w.refused("list trip=%FF", INVALID, "filter.trip");
}

#[test]
fn receipts_that_do_not_add_up() {
    let mut w = with_payments();
    for (lines, field) in [
        // Without VAT + VAT is not the total; by one øre, in the second line.
        (
            "lines=1 l0.total=24900 l0.vat=2669",
            "receipt.lines[0].total",
        ),
        (
            "lines=2 l0.total=20000 l1.total=4900 l1.excluding=4376",
            "receipt.lines[1].total",
        ),
        // The lines are more than the payment.
        ("lines=1 l0.total=24901", "lines"),
        ("lines=0", "receipt.line_count"),
        ("lines=1 line_count=65 l0.total=24900", "receipt.line_count"),
        ("lines=1 l0.total=-1", "receipt.lines[0].total"),
        (
            "lines=1 l0.total=24900 l0.rate=10001 l0.excluding=24900 l0.vat=0",
            "receipt.lines[0].vat_rate",
        ),
        (
            "lines=1 l0.total=24900 l0.rate=-1 l0.excluding=24900 l0.vat=0",
            "receipt.lines[0].vat_rate",
        ),
        (
            "lines=1 l0.total=24900 l0.rate=0 l0.excluding=24899 l0.vat=1",
            "receipt.lines[0].vat",
        ),
        ("lines=1 l0.total=24900 l0.unit=6", "receipt.lines[0].unit"),
        (
            "lines=1 l0.total=24900 l0.unit_price=100",
            "receipt.lines[0].unit_price",
        ),
        (
            "lines=1 l0.total=24900 l0.quantity=1000000000",
            "receipt.lines[0].quantity_milli",
        ),
        (
            "lines=1 l0.total=24900 l0.quantity=-1",
            "receipt.lines[0].quantity_milli",
        ),
        (
            "lines=1 l0.total=24900 l0.discount=-1",
            "receipt.lines[0].discount",
        ),
        (
            "lines=1 l0.total=24900 l0.return=2",
            "receipt.lines[0].is_return",
        ),
        ("lines=1 l0.total=24900 l0.name=", "receipt.lines[0].name"),
        (
            "lines=1 l0.total=24900 l0.name=a%07b",
            "receipt.lines[0].name",
        ),
        (
            "lines=2 l0.total=20000 l1.total=4900 l1.id=1",
            "receipt.lines[1].id",
        ),
        ("lines=1 l0.total=24900 tip=-1", "receipt.tip"),
        ("lines=1 l0.total=24900 receipt_currency=DKK", "currency"),
        (
            "lines=1 l0.total=24900 receipt_reserved=1",
            "receipt.reserved",
        ),
        (
            "lines=2 l0.total=9223372036854775807 l0.rate=0 l1.total=9223372036854775807 l1.rate=0",
            "receipt.lines",
        ),
    ] {
        w.refused(&format!("receipt {lines}"), INVALID, field);
    }
    // With the payment request they must make exactly its amount.
    w.refused(
        "create ref=trip-0003 lines=1 l0.total=24899",
        INVALID,
        "receipt.lines",
    );
    w.refused(
        "create ref=trip-0003 lines=1 l0.total=24900 tip=1 amount=24902",
        INVALID,
        "receipt.lines",
    );
    w.refused(
        "ride ref=trip-0003 lines=1 l0.total=24900 receipt_currency=EUR",
        INVALID,
        "receipt.currency",
    );
    w.meter
        .call("receipt lines=1 l0.total=24900")
        .is("rc=VP_OK");
}
