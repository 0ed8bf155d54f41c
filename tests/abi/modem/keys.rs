//! Keys that are rotated: what is owed survives the old ones, and the new ones finish it.

use serde_json::json;

use super::lose_answers;
use crate::common::{sent, Bench, FARE};

const REF: &str = "trip-0001";

/// The office has new keys, and the old ones are no longer taken.
fn rotate(bench: &Bench) {
    bench.sim.post(
        "credentials",
        json!({"client_id": "new-id", "client_secret": "new-secret", "subscription_key": "new-key"}),
    );
    bench.sim.post("tokens/revoke", json!({}));
}

const NEW: &str = "client_id=new-id client_secret=new-secret subscription_key=new-key";

/// A capture that is recorded and was never sent, and one whose answer was lost.
fn owed(lost: bool) -> (Bench, crate::common::Driver) {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    if lost {
        lose_answers(&bench, "capture");
        meter
            .call("capture amount=24900 final=1 wait=100")
            .is("rc=VP_ERR_OUTCOME_UNKNOWN");
        bench.sim.clear_faults();
    } else {
        meter
            .call("capture amount=24900 final=1 wait=0")
            .is("rc=VP_PENDING");
    }
    (bench, meter)
}

#[test]
fn while_the_client_is_open() {
    for lost in [false, true] {
        let (bench, mut meter) = owed(lost);
        rotate(&bench);
        for _ in 0..3 {
            meter.call("settle wait=5000").is("rc=VP_PENDING");
            let reply = meter.call("known");
            assert!(reply.owes("CAPTURE"), "{}", reply.everything());
            reply.is("closed=0 verdict=SECURED_LEAVE");
        }
        let done = bench.sim.ledger(REF)["captures"].as_array().map(Vec::len);
        assert_eq!(done, Some(usize::from(lost)));
        meter.call(&format!("keys {NEW}")).is("rc=VP_OK");
        meter.call("settle").is("rc=VP_OK");
        meter.call("known").is("verdict=PAID_LEAVE closed=1");
        bench.sim.books(REF, &[FARE], 0, &[]);
        let requests = bench.sim.requests();
        let captures = sent(&requests, "capture");
        assert!(captures
            .iter()
            .all(|c| c["idempotency_key"] == captures[0]["idempotency_key"]));
        // And the next ride.
        meter.call("ride ref=trip-0002 wait=660000").is("rc=VP_OK");
    }
}

/// A worker that waits because the old keys were refused goes on by itself.
#[test]
fn while_a_worker_waits() {
    let (bench, mut meter) = owed(false);
    rotate(&bench);
    meter.begin(1, "work wait=600000");
    crate::common::until("the old keys were refused", || {
        bench.sim.count("token") >= 2
    });
    meter.call(&format!("keys {NEW}")).is("rc=VP_OK");
    meter.end(1);
    meter.call("settle").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn by_closing_and_opening() {
    for lost in [false, true] {
        let (bench, mut meter) = owed(lost);
        rotate(&bench);
        meter.call("settle wait=5000").is("rc=VP_PENDING");
        meter.quit();
        let mut meter = bench.driver();
        meter.call(&bench.open_line(NEW)).is("rc=VP_OK");
        meter.call("settle").is("rc=VP_OK");
        meter.call("known").is("verdict=PAID_LEAVE closed=1");
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// New keys that cannot be: the old ones stay. New keys that are wrong: owed, until the right ones come.
#[test]
fn wrong_ones() {
    let (bench, mut meter) = owed(false);
    for (bad, field) in [
        ("client_id=", "client_id"),
        ("client_id=@null", "client_id"),
        ("client_secret=a%0Ab", "client_secret"),
        ("client_secret=a%FFb", "client_secret"),
        ("subscription_key=%20a", "subscription_key"),
        ("subscription_key=@null", "subscription_key"),
    ] {
        let reply = meter.call(&format!("keys {bad}"));
        reply.is(&format!("rc=VP_ERR_INVALID_ARGUMENT field={field}"));
    }
    meter.call("keys client_secret=Zq7-not-it").is("rc=VP_OK");
    meter.call("settle wait=5000").is("rc=VP_PENDING");
    let reply = meter.call("known");
    reply.is("closed=0");
    assert!(reply.owes("CAPTURE"));
    meter.call("keys").is("rc=VP_OK");
    meter.call("settle").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
    let told: Vec<String> = meter.events.iter().map(|e| e.everything()).collect();
    assert!(!told.join("\n").contains("Zq7-not-it"));
    meter.call("close").is("rc=VP_OK");
    meter
        .call("keys client=stale")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
}
