//! No key, no token and no full phone number in any log, error, callback or file.

use std::fs;

use serde_json::json;

use crate::common::{Bench, Driver};

const SECRET: &str = "Zq7-client-secret-0123";
const KEY: &str = "Zq7-subscription-key-4567";
const TOKEN: &str = "Zq7-token.from.the-bench";

fn bench(simulator: &[&str]) -> Bench {
    let keys = ["--client-secret", SECRET, "--subscription-key", KEY];
    Bench::tls(&[&keys, simulator].concat())
        .with(&format!("client_secret={SECRET} subscription_key={KEY}"))
}

/// Everything that came out of the driver up to now: results, callbacks, log lines, stderr.
struct Seen {
    text: String,
}

impl Seen {
    fn look(&self, what: &str) {
        for secret in [SECRET, KEY, TOKEN, "Bearer", "eyJ"] {
            assert!(
                !self.text.contains(secret),
                "{what}: {secret} in {}",
                self.text
            );
        }
        for phone in ["91234567", "912 34 567", "234567"] {
            assert!(
                !self.text.contains(phone),
                "{what}: {phone} in {}",
                self.text
            );
        }
    }
}

/// No secret is ever in a file; the number only while it may still be needed.
#[track_caller]
fn look_at_files(bench: &Bench, phone_may_be_there: bool) {
    let mut phone_is_there = false;
    for (name, bytes) in bench.journal_files() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [SECRET, KEY, TOKEN, "Bearer", "eyJ", "sim-client-id"] {
            assert!(!text.contains(secret), "{secret} in {name}: {text}");
        }
        phone_is_there |= text.contains("91234567") || name.contains("91234567");
    }
    assert!(
        phone_may_be_there || !phone_is_there,
        "the phone number is still there"
    );
}

fn all_of(meter: &Driver, results: &[String]) -> Seen {
    let mut text = results.join("\n");
    for event in &meter.events {
        text += "\n";
        text += &event.everything();
    }
    text += &meter.complaints();
    Seen { text }
}

#[test]
fn of_a_ride_with_everything_going_wrong_once() {
    let bench = bench(&[]);
    let mut meter = bench.meter();
    let mut results = Vec::new();
    // A token that this test knows: the servers refuse it, and the client gets a real one.
    bench.sim.fault(
        json!({"operation": "token", "action": "status", "status": 200,
        "body": {"access_token": TOKEN, "expires_in": "3600", "token_type": "Bearer"}}),
    );
    for operation in ["create", "get", "receipt", "capture", "cancel", "refund"] {
        bench
            .sim
            .fault(json!({"operation": operation, "action": "reset_after"}));
        bench.sim.fault(json!({"operation": operation, "nth": 2, "action": "status", "status": 500, "body":
            {"type": "t", "title": "x", "detail": "customer 4791234567 (+47 91234567)", "traceId": "t"}}));
    }
    results.push(meter.call("create wait=0").everything());
    look_at_files(&bench, true);
    assert!(
        bench
            .journal_files()
            .iter()
            .any(|(_, b)| String::from_utf8_lossy(b).contains("4791234567")),
        "before it was sent, the number is on disk"
    );
    for line in [
        "create",
        "poll",
        "receipt lines=1 l0.total=20000",
        "capture amount=20000 wait=1",
        "capture amount=20000",
        "cancel how=release_rest",
        "refund amount=5000",
        "events",
        "known",
        "list",
        "settle",
        "storage",
        "capture amount=1",
        "create phone=91234567 amount=1",
        "create ref=trip-0002 phone=9123456x",
        "phone typed=9123456x",
        "export",
    ] {
        results.push(meter.call(line).everything());
        look_at_files(&bench, false);
    }
    let logged = meter.told("log").len();
    let debug = meter
        .told("log")
        .iter()
        .filter(|l| l.get("level") == "4")
        .count();
    assert!(
        logged > 20 && debug > 10,
        "{logged} lines, {debug} of them at debug level"
    );
    all_of(&meter, &results).look("a ride");
    bench.sim.books("trip-0001", &[20_000], 4_900, &[5_000]);
    // The request log of the simulator masks; that the real number went out is seen by who was asked.
    assert_eq!(bench.sim.ledger("trip-0001")["phone_masked"], "********67");
}

#[test]
fn of_rides_that_end_without_a_payment() {
    // Refused, declined, cancelled before anything was sent: the number has served.
    let bench = bench(&["--passenger", "decline"]);
    let mut meter = bench.meter();
    let mut results = Vec::new();
    results.push(meter.call("create wait=30000").everything());
    look_at_files(&bench, false);
    results.push(meter.call("poll wait=30000").everything());
    bench.sim.passenger("no-user");
    results.push(meter.call("create ref=trip-0002").everything());
    look_at_files(&bench, false);
    results.push(meter.call("create ref=trip-0003 wait=0").everything());
    results.push(meter.call("cancel ref=trip-0003 wait=0").everything());
    look_at_files(&bench, false);
    // Never sent, and the program was killed: known to be dead when the watch is over.
    results.push(meter.call("create ref=trip-0004 wait=0").everything());
    all_of(&meter, &results).look("rides without a payment");
    meter.kill();
    let mut meter = bench.meter();
    let results = vec![meter.call("settle wait=800000").everything()];
    look_at_files(&bench, false);
    all_of(&meter, &results).look("a restart");
}

#[test]
fn of_configurations_that_do_not_work() {
    let bench = bench(&[]);
    let wrong = bench.dir.join("wrong").display().to_string();
    for (number, options) in [
        "client_secret=Zq7-token.from.the-bench",
        "subscription_key=Zq7-token.from.the-bench",
        "ca_file=@null",
        "base_url=https://127.0.0.1:1",
    ]
    .iter()
    .enumerate()
    {
        let mut meter = bench.driver();
        let mut results = Vec::new();
        results.push(
            meter
                .call(&bench.open_line(&format!("{options} journal={wrong}-{number}")))
                .everything(),
        );
        results.push(meter.call("create wait=2000").everything());
        results.push(meter.call("known").everything());
        all_of(&meter, &results).look(options);
    }
    // A setting that is refused is not repeated in the error.
    let mut meter = bench.driver();
    let secret = format!("{SECRET}%0A");
    let reply = meter.call(&bench.open_line(&format!("client_secret={secret}")));
    reply.is("rc=VP_ERR_INVALID_ARGUMENT field=client_secret");
    all_of(&meter, &[reply.everything()]).look("a refused setting");
}

/// A damaged record is set aside with its number blanked.
#[test]
fn of_a_damaged_record() {
    let bench = bench(&[]);
    let mut meter = bench.meter();
    meter.call("create wait=0").is("rc=VP_PENDING");
    meter.kill();
    let mut damaged = 0;
    for (name, bytes) in bench.journal_files() {
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("4791234567") {
            // The end of the record, and with it its checksum, is lost.
            fs::write(&name, &bytes[..bytes.len() - 20]).expect("damage");
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let mut meter = bench.meter();
    look_at_files(&bench, false);
    let mut results = vec![
        meter.call("known").everything(),
        meter.call("settle").everything(),
    ];
    assert!(
        results[0].contains("rc=VP_ERR_DAMAGED_RECORD") && results[0].contains("next=DECIDE"),
        "{}",
        results[0]
    );
    // It does not stop the others.
    results.push(
        meter
            .call("ride ref=trip-0002 wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE")
            .everything(),
    );
    all_of(&meter, &results).look("a damaged record");
}
