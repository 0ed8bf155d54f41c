//! Pointers, sizes, buffers and handles.

use super::{with_payments, NULL};
use crate::common::{encode, Bench};

const SIZE: &str = "VP_ERR_STRUCT_SIZE";

#[test]
fn null_pointers() {
    let mut w = with_payments();
    for field in ["currency", "ref", "phone"] {
        let named = if field == "ref" { "reference" } else { field };
        w.refused(&format!("create {field}=@null"), NULL, named);
    }
    w.refused("create request=none", NULL, "request");
    w.refused("ride ride=none", NULL, "ride");
    w.refused("ride request=none", NULL, "ride.payment");
    for call in [
        "poll",
        "capture amount=1",
        "cancel",
        "refund amount=1",
        "known",
        "receipt lines=1",
        "create",
        "ride",
    ] {
        w.refused(&format!("{call} payment=none"), NULL, "out_payment");
    }
    for call in [
        "poll",
        "capture amount=1",
        "cancel",
        "refund amount=1",
        "known",
        "receipt lines=1",
        "events",
    ] {
        w.refused(&format!("{call} ref=@null"), NULL, "reference");
    }
    let all = [
        "poll",
        "capture amount=1",
        "cancel",
        "refund amount=1",
        "known",
        "receipt lines=1",
        "events",
        "create",
        "ride",
        "settle",
        "list",
        "work",
    ];
    for call in all {
        w.refused(&format!("{call} client=@null"), NULL, "client");
        w.refused(
            &format!("{call} client=foreign"),
            "VP_ERR_NO_SUCH_CLIENT",
            "client",
        );
    }
    w.refused("receipt", NULL, "receipt");
    w.refused("receipt lines=1 line_pointer=none", NULL, "receipt.lines");
    w.refused(
        "receipt lines=1 l0.total=24900 l0.name=@null",
        NULL,
        "receipt.lines[0].name",
    );
    w.refused(
        "receipt lines=1 l0.total=24900 l0.id=@null",
        NULL,
        "receipt.lines[0].id",
    );
    w.refused("export each=none", NULL, "each");
    w.refused("import record=@null", NULL, "record");
    w.refused("storage storage=none", NULL, "out_storage");
    w.refused("write_off reason=@null", NULL, "reason");
    w.refused("events each=none", NULL, "each");
    w.refused("list each=none", NULL, "each");
    w.refused("phone typed=@null", NULL, "typed");
    w.refused("phone market=@null", NULL, "market");
    w.refused("phone out=none", NULL, "out_msisdn");
    w.refused("next previous=@null", NULL, "previous");
    w.refused("next out=none", NULL, "out");
    w.refused("text language=@null", NULL, "language");
    w.refused("text payment=none", NULL, "payment");
    w.refused("text out=none", NULL, "out_text");
    w.refused("split gross=1 excluding=none", NULL, "out_excluding");
    w.refused("split gross=1 vat=none", NULL, "out_vat");
    w.refused("open config=none c=1", NULL, "config");
    let open = w
        .bench
        .open_line("c=1 out_client=none journal=/nowhere/at/all");
    w.refused(&open, NULL, "out_client");
    // Without a place for the detail the code still comes; closing nothing is fine.
    for call in all {
        assert_eq!(
            w.meter
                .call(&format!("{call} client=@null error=none"))
                .code(),
            NULL
        );
    }
    w.meter.call("interrupt client=@null").is("rc=VP_OK");
    w.meter.call("close client=@null").is("rc=VP_OK");
}

#[test]
fn struct_sizes() {
    let mut w = with_payments();
    // No version has appended anything yet: the size that the compiler has is the least.
    let sizes = w.meter.call("sizes");
    for (call, member, of) in [
        ("poll payment_size", "out_payment.struct_size", "vp_payment"),
        (
            "text message=3 payment_size",
            "payment.struct_size",
            "vp_payment",
        ),
        (
            "open c=1 hooks_payment_size",
            "hooks.payment_size",
            "vp_payment",
        ),
        (
            "create request_size",
            "request.struct_size",
            "vp_push_payment",
        ),
        (
            "ride request_size",
            "ride.payment.struct_size",
            "vp_push_payment",
        ),
        ("ride ride_size", "ride.struct_size", "vp_ride"),
        ("list filter_size", "filter.struct_size", "vp_filter"),
        (
            "receipt lines=1 receipt_size",
            "receipt.struct_size",
            "vp_receipt",
        ),
        (
            "receipt lines=1 line_size",
            "receipt.line_size",
            "vp_order_line",
        ),
        (
            "receipt lines=1 l0.size",
            "receipt.lines[0].struct_size",
            "vp_order_line",
        ),
        ("open c=1 config_size", "config.struct_size", "vp_config"),
        ("open c=1 hooks_size", "hooks.struct_size", "vp_hooks"),
        (
            "storage storage_size",
            "out_storage.struct_size",
            "vp_storage",
        ),
        (
            "counts counts_size",
            "out_counts.struct_size",
            "vp_webhook_counts",
        ),
        ("verify webhook_size", "webhook.struct_size", "vp_webhook"),
        (
            "verify event_size",
            "out_event.struct_size",
            "vp_webhook_event",
        ),
    ] {
        // Nothing at all, too little, and what was never set up.
        for size in [0, 3, sizes.number(of) - 1, 65_537, 0xffff_ffff] {
            w.refused(&format!("{call}={size}"), SIZE, member);
        }
    }
    for size in [0, 3, sizes.number("vp_error") - 1, 65_537] {
        let reply = w.meter.call(&format!("poll error_size={size}"));
        assert_eq!(reply.code(), SIZE);
    }
    for version in ["0", "2", "4294967295"] {
        let open = w.bench.open_line(&format!("c=1 header_version={version}"));
        w.refused(&open, "VP_ERR_HEADER_VERSION", "header_version");
    }
    // A program of a later header: the driver looks that nothing behind what this library knows is written.
    let later = format!(
        "poll payment_size={} error_size={}",
        sizes.number("vp_payment") + 48,
        sizes.number("vp_error") + 48
    );
    assert_eq!(w.meter.call(&later).code(), "VP_OK");
}

/// Small texts: what fits, what does not, and that no byte too many is written (the driver looks).
#[test]
fn buffers() {
    let bench = Bench::new(&[]);
    let mut meter = bench.driver();
    let small = "rc=VP_ERR_BUFFER_TOO_SMALL";
    meter
        .call("phone typed=91234567 size=11")
        .is("rc=VP_OK text=4791234567 needed=11");
    meter
        .call("phone typed=91234567 size=10")
        .is(small)
        .is("text= needed=11 field=out_msisdn");
    meter
        .call("phone typed=91234567 size=0")
        .is(small)
        .is("needed=11");
    meter
        .call("phone typed=91234567 size=0 out=none")
        .is(small)
        .is("needed=11");
    meter
        .call("next previous=trip-0001 size=12")
        .is("rc=VP_OK text=trip-0001-2 needed=12");
    meter
        .call("next previous=trip-0001 size=11")
        .is(small)
        .is("text= needed=12 field=out");
    meter
        .call("next previous=trip")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=previous");
    let text = meter.call("text message=3 language=nb");
    text.is("rc=VP_OK");
    let needed = text.number("needed");
    assert_eq!(needed as usize, text.get("text").len() + 1);
    meter
        .call(&format!("text message=3 size={needed}"))
        .is("rc=VP_OK");
    meter
        .call(&format!("text message=3 size={}", needed - 1))
        .is(small)
        .is("text= field=out_text");
    meter
        .call("text message=99")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=payment.message");
    meter
        .call("split gross=24900 rate=1200")
        .is("rc=VP_OK excluding=22232 vat=2668");
    meter
        .call("split gross=-1 rate=1200")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=gross vat=-1");
    meter
        .call("split gross=1 rate=10001")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=vat_rate");
    for (typed, market, msisdn) in [
        ("912 34 567", "NO", "4791234567"),
        ("+47 91234567", "DK", "4791234567"),
        ("004520123456", "NO", "4520123456"),
        ("20 12 34 56", "dk", "4520123456"),
        ("040 123 4567", "FI", "358401234567"),
        ("070-123 45 67", "SE", "46701234567"),
        ("+46 (0)70 123 45 67", "NO", "46701234567"),
    ] {
        let reply = meter.call(&format!("phone typed={} market={market}", encode(typed)));
        reply.is(&format!("rc=VP_OK text={msisdn}"));
    }
    let version = meter.call("version");
    assert_eq!(version.get("version"), version.get("header"));
    assert_eq!(version.get("number"), version.get("header_number"));
}

#[test]
fn what_a_program_does_with_a_handle_that_is_closed() {
    let mut w = with_payments();
    w.meter.call("close").is("rc=VP_OK");
    for call in [
        "poll",
        "capture amount=1",
        "cancel",
        "known",
        "events",
        "create",
        "settle",
        "list",
        "work",
    ] {
        w.refused(
            &format!("{call} client=stale"),
            "VP_ERR_NO_SUCH_CLIENT",
            "client",
        );
    }
    w.meter.call("interrupt client=stale").is("rc=VP_OK");
    w.meter
        .call("close client=stale")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
    w.meter
        .call("close client=foreign")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
    // The next client in the same place is not the old one.
    w.meter.call(&w.bench.open_line("")).is("rc=VP_OK");
    w.refused("poll client=stale", "VP_ERR_NO_SUCH_CLIENT", "client");
    w.meter.call("known").is("rc=VP_OK ref=trip-0001");
}
