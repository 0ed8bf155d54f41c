//! What the state of the payment, the permissions or the servers forbid.

use super::{fresh, with_payments, Watched, INVALID};
use crate::common::{encode, Bench, FARE};

const STATE: &str = "VP_ERR_WRONG_STATE";

#[test]
fn states() {
    let mut w = with_payments();
    // Before the approval.
    w.meter
        .call("poll ref=trip-0002 wait=3000")
        .is("rc=VP_PENDING");
    w.refused("capture ref=trip-0002 amount=24900", STATE, "");
    w.refused("refund ref=trip-0002 amount=100", STATE, "");
    w.refused("cancel ref=trip-0002 how=release_rest", STATE, "");
    // Above the reservation, and other amounts that no capture can have.
    for amount in [
        "24901",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        w.refused(&format!("capture amount={amount}"), INVALID, "amount");
    }
    w.refused("capture amount=100 nth=2", INVALID, "flags");
    w.refused("capture amount=100 flags=2", INVALID, "flags");
    w.refused("refund amount=100 flags=1", INVALID, "flags");
    w.refused("cancel how=0", INVALID, "how");
    w.refused("cancel how=4", INVALID, "how");
    w.refused("cancel", "VP_ERR_ALREADY_APPROVED", "");
    w.refused("list which=3", INVALID, "filter.which");
    // After a cancel.
    w.meter
        .call("cancel ref=trip-0002")
        .is("rc=VP_OK state=TERMINATED");
    w.refused("capture ref=trip-0002 amount=24900", STATE, "");
    w.refused("receipt ref=trip-0002 lines=1 l0.total=24900", STATE, "");
    // After giving up, and after everything is captured.
    w.meter.call("cancel how=give_up").is("rc=VP_OK");
    w.refused("capture amount=24900", STATE, "");
    w.bench.sim.books("trip-0001", &[], FARE, &[]);
    // Nobody knows it.
    for call in [
        "poll",
        "capture amount=100",
        "cancel",
        "refund amount=100",
        "known",
        "receipt lines=1 l0.total=1",
    ] {
        w.refused(
            &format!("{call} ref=trip-0404"),
            "VP_ERR_NO_SUCH_PAYMENT",
            "",
        );
    }
}

#[test]
fn refunds_without_permission_or_cover() {
    let mut w = Watched::new(Bench::new(&[]).with("allow_refund=0"));
    w.meter.call("ride wait=660000").is("rc=VP_OK");
    w.refused("refund amount=100", "VP_ERR_NOT_PERMITTED", "");
    w.meter.call("close").is("rc=VP_OK");
    let open = w.bench.open_line("allow_refund=1");
    w.meter.call(&open).is("rc=VP_OK");
    for amount in ["0", "-1", "24901", "65000001"] {
        w.refused(&format!("refund amount={amount}"), INVALID, "amount");
    }
    w.bench.sim.books("trip-0001", &[FARE], 0, &[]);
}

#[test]
fn a_reused_reference() {
    let mut w = with_payments();
    // The same content is the same payment: a double press charges once.
    let before = w.bench.sim.requests().len();
    w.meter.call("create").is("rc=VP_OK state=AUTHORIZED");
    assert_eq!(w.bench.sim.requests().len(), before);
    for other in ["amount=24901", "trip=78", "then=hold", "phone=91234568"] {
        w.refused(&format!("create {other}"), "VP_ERR_REFERENCE_IN_USE", "");
    }
    // Also after the ride is over and the program was started again.
    w.meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK closed=1");
    w.meter.quit();
    let mut w = Watched::new(w.bench);
    w.refused("create amount=24901", "VP_ERR_REFERENCE_IN_USE", "");
    let before = w.bench.sim.requests().len();
    w.meter.call("create").is("rc=VP_OK verdict=PAID_LEAVE");
    assert_eq!(w.bench.sim.requests().len(), before);
}

#[test]
fn a_reference_that_another_car_has_used() {
    let bench = Bench::new(&[]);
    bench.meter().call("create").is("rc=VP_OK");
    // The same servers, amount and reference; another journal.
    let other = bench.dir.join("other");
    let mut meter = bench.driver();
    let open = format!(
        "journal={} device=car-8",
        encode(other.to_str().expect("UTF-8"))
    );
    meter.call(&bench.open_line(&open)).is("rc=VP_OK");
    let reply = meter.call("create wait=120000");
    reply.is("rc=VP_ERR_REFERENCE_IN_USE state=NOT_CREATED verdict=TAKE_OTHER_PAYMENT");
    meter
        .call("cancel how=give_up")
        .is("verdict=TAKE_OTHER_PAYMENT");
    assert_eq!(
        bench.sim.count("cancel"),
        0,
        "the other car's payment is left alone"
    );
    meter
        .call("next previous=trip-0001")
        .is("rc=VP_OK text=trip-0001-2");
    meter
        .call("create ref=trip-0001-2")
        .is("rc=VP_OK state=CREATED");
}

#[test]
fn one_live_payment_of_a_trip() {
    let mut w = fresh();
    w.meter.call("create trip=77").is("rc=VP_OK");
    w.refused("create ref=trip-0002 trip=77", "VP_ERR_TRIP_IN_USE", "");
    w.meter
        .call("create ref=trip-0003 trip=77 part=1")
        .is("rc=VP_OK");
}

#[test]
fn the_servers_refuse_the_keys() {
    for (option, code) in [
        ("client_secret=wrong", "VP_ERR_CREDENTIALS"),
        ("client_id=wrong", "VP_ERR_CREDENTIALS"),
        ("subscription_key=wrong", "VP_ERR_CREDENTIALS"),
        ("msn=654321", "VP_ERR_NOT_PERMITTED"),
    ] {
        let bench = Bench::new(&[]);
        let mut meter = bench.driver();
        meter.call(&bench.open_line(option)).is("rc=VP_OK");
        let reply = meter.call("create");
        assert_eq!(reply.code(), code, "{option}: {}", reply.everything());
        assert!(bench.sim.ledger("trip-0001").is_null());
        let cash = meter.call("cancel wait=0");
        assert_eq!(
            cash.get("verdict"),
            "TAKE_OTHER_PAYMENT",
            "{option}: nothing was ever created"
        );
    }
}

#[test]
fn the_servers_refuse_the_payment() {
    for (arguments, phone, code, vipps, says) in [
        (
            &[][..],
            "99999901",
            "VP_ERR_CUSTOMER_NOT_FOUND",
            7010,
            "CUSTOMER_UNREACHABLE",
        ),
        (
            &["--push-allowed", "false"],
            "91234567",
            "VP_ERR_PUSH_NOT_ALLOWED",
            5080,
            "PUSH_NOT_ALLOWED",
        ),
        (
            &["--switch", "unknown-user-status=404"],
            "99999901",
            "VP_ERR_CUSTOMER_NOT_FOUND",
            7010,
            "CUSTOMER_UNREACHABLE",
        ),
        (
            &[
                "--push-allowed",
                "false",
                "--switch",
                "push-not-approved-status=400",
            ],
            "91234567",
            "VP_ERR_PUSH_NOT_ALLOWED",
            5080,
            "PUSH_NOT_ALLOWED",
        ),
        (
            &["--currency", "EUR"],
            "91234567",
            "VP_ERR_NOT_PERMITTED",
            5040,
            "NOT_ACCEPTED",
        ),
    ] {
        let bench = Bench::new(arguments);
        let mut meter = bench.meter();
        let reply = meter.call(&format!("create phone={phone}"));
        reply.is(&format!("rc={code} vipps={vipps} says={says} state=NOT_CREATED verdict=TAKE_OTHER_PAYMENT closed=1"));
        assert!(reply.get("trace").starts_with("00-"), "{reply:?}");
        // Told again after a restart, from the record.
        meter.quit();
        let again = bench.meter().call(&format!("create phone={phone}"));
        again.is(&format!("rc={code} vipps={vipps}"));
        assert_eq!(again.get("trace"), reply.get("trace"));
        assert_eq!(bench.sim.count("create"), 1);
    }
}
