//! What only the office may settle, and payments that move to another meter.

use crate::common::{encode, Bench, Driver, FARE};

const REF: &str = "trip-0001";

/// Approved after the time in which an approval meant "capture".
fn decision_owed(bench: &Bench) -> Driver {
    let mut meter = bench.meter();
    meter.call("create decide_within=60000").is("rc=VP_OK");
    meter.kill();
    bench
        .sim
        .post("clock", serde_json::json!({"advance_ms": 120_000}));
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_PENDING");
    meter
        .call("known")
        .is("state=AUTHORIZED verdict=ASK_OFFICE next=DECIDE says=DECISION_OWED owed=DECISION");
    assert_eq!(bench.sim.count("capture") + bench.sim.count("cancel"), 0);
    meter
}

#[test]
fn a_late_approval_is_for_the_office_to_decide() {
    let bench = Bench::tls(&[]);
    let mut meter = decision_owed(&bench);
    meter
        .call("decide what=perhaps")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=decision");
    meter
        .call("decide what=capture")
        .is("rc=VP_OK verdict=PAID_LEAVE captured=24900 closed=1");
    bench.sim.books(REF, &[FARE], 0, &[]);
    meter
        .call("decide what=give_up")
        .is("rc=VP_ERR_WRONG_STATE");

    let bench = Bench::tls(&[]);
    let mut meter = decision_owed(&bench);
    meter
        .call("decide what=give_up")
        .is("rc=VP_OK verdict=TAKE_OTHER_PAYMENT closed=1");
    bench.sim.books(REF, &[], FARE, &[]);
}

#[test]
fn money_that_cannot_be_had_is_written_off() {
    let bench = Bench::tls(&[]);
    let mut meter = decision_owed(&bench);
    let before = bench.sim.requests().len();
    meter
        .call("write_off reason=")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=reason");
    meter
        .call("write_off reason=Paid%20in%20cash")
        .is("rc=VP_OK owed=LOST verdict=ASK_OFFICE closed=1");
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("capture amount=24900")
        .is("rc=VP_ERR_WRONG_STATE");
    assert_eq!(
        bench.sim.requests().len(),
        before,
        "nothing of it is ever sent"
    );
    meter.quit();
    bench.meter().call("known").is("owed=LOST closed=1");
}

#[test]
fn open_payments_move_to_another_meter() {
    let bench = Bench::tls(&[]);
    let mut old = bench.meter();
    old.call("create").is("rc=VP_OK");
    old.call("export").is("rc=VP_OK");
    let record = old.told("record")[0].get("record").to_owned();
    assert!(!record.contains("91234567"), "{record}");
    old.call("settle").is("rc=VP_OK");
    old.call("capture amount=24900")
        .is("rc=VP_ERR_NOT_PERMITTED");
    old.events.clear();
    old.call("list").is("rc=VP_OK");
    assert!(old.told("listed")[0].owes("ELSEWHERE"));
    assert_eq!(bench.sim.count("capture"), 0);

    let mut new = bench.driver();
    let journal = bench.dir.join("new").display().to_string();
    new.call(&bench.open_line(&format!("journal={journal} device=car-8")))
        .is("rc=VP_OK");
    let import = format!("import record={}", encode(&record));
    new.call(&import).is("rc=VP_OK");
    new.call(&import).is("rc=VP_ERR_REFERENCE_IN_USE");
    new.call("poll").is("rc=VP_OK state=AUTHORIZED");
    new.call("settle").is("rc=VP_OK");
    new.call("known").is("verdict=PAID_LEAVE closed=1");
    bench.sim.books(REF, &[FARE], 0, &[]);
    for bad in [
        "",
        "{}",
        "[1]",
        "no%20JSON",
        "%FF",
        &encode(&record[..record.len() / 2]),
    ] {
        let reply = new.call(&format!("import record={bad}"));
        reply.is("rc=VP_ERR_INVALID_ARGUMENT field=record");
    }
}

#[test]
fn what_the_storage_has_cost() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.meter();
    meter.call("ride wait=660000").is("rc=VP_OK");
    let cost = meter.call("storage");
    cost.is("rc=VP_OK");
    assert!(
        cost.number("file_syncs") >= 2,
        "the create and the capture: {}",
        cost.everything()
    );
    assert!(cost.number("longest_sync_ms") >= 0);
}
