//! Every request of a ride × every way to lose its answer: the ride still ends right, the ledger shows each movement of the
//! money exactly once, and at no moment was anything reported as failed.

use serde_json::{json, Value};

use crate::common::{preset, sent, Bench, Driver, Reply};

const REF: &str = "trip-0001";

/// What a fault is called, and what it is.
struct Fault {
    name: &'static str,
    rule: Value,
    /// The servers acted, and the answer does not say so.
    happened: bool,
}

fn faults() -> Vec<Fault> {
    let fault = |name, rule, happened| Fault {
        name,
        rule,
        happened,
    };
    let action = |action: &str| json!({ "action": action });
    let status = |status: u16, act: bool| json!({"action": "status", "status": status, "act": act});
    vec![
        fault("refuse", action("refuse"), false),
        fault("reset_before", action("reset_before"), false),
        fault("reset_after", action("reset_after"), true),
        fault("close_after", action("close_after"), true),
        fault("stall_before", action("stall_before"), false),
        fault("stall_after", action("stall_after"), true),
        fault("truncate_after", action("truncate_after"), true),
        fault("garbage_before", action("garbage_before"), false),
        fault("garbage_after", action("garbage_after"), true),
        fault("500 before", status(500, false), false),
        fault("500 after", status(500, true), true),
        fault("503 before", status(503, false), false),
        fault("504 after", status(504, true), true),
        fault("423", status(423, false), false),
        fault("423 after", status(423, true), true),
        fault(
            "429",
            json!({"action": "status", "status": 429, "headers": {"Retry-After": "2"}}),
            false,
        ),
        fault(
            "429 bare",
            json!({"action": "status", "status": 429, "body": ""}),
            false,
        ),
        fault(
            "500 three times",
            json!({"action": "status", "status": 500, "times": 3}),
            false,
        ),
        fault(
            "reset_before twice",
            json!({"action": "reset_before", "times": 2}),
            false,
        ),
    ]
}

/// The steps of the ride: operation, line, what holds at its end.
const STEPS: &[(&str, &str, &str)] = &[
    ("create", "create", "state=CREATED verdict=WAIT"),
    ("get", "poll", "state=AUTHORIZED verdict=WAIT next=CAPTURE"),
    ("receipt", "receipt lines=1 l0.total=20000", "owed="),
    (
        "capture",
        "capture amount=20000",
        "verdict=PAID_LEAVE captured=20000",
    ),
    (
        "cancel",
        "cancel how=release_rest",
        "verdict=PAID_LEAVE cancelled=4900",
    ),
    (
        "refund",
        "refund amount=5000",
        "verdict=PAID_LEAVE refunded=5000",
    ),
];

/// Codes that say "not yet", and never "failed".
const UNDECIDED: &[&str] = &[
    "VP_PENDING",
    "VP_ERR_OUTCOME_UNKNOWN",
    "VP_ERR_NETWORK",
    "VP_ERR_RATE_LIMITED",
    "VP_ERR_UNAVAILABLE",
];
/// Those of them that say "surely nothing happened".
const NOTHING_HAPPENED: &[&str] = &[
    "VP_ERR_NETWORK",
    "VP_ERR_RATE_LIMITED",
    "VP_ERR_UNAVAILABLE",
];

fn bench() -> Bench {
    // Stalls are cut short; everything else answers in a few milliseconds.
    Bench::new(&["--passenger", "approve-after=3s"]).with("request_ms=400 coarse=400")
}

/// No step is reported as failed while it may still happen, and none as sure of nothing after something happened.
#[track_caller]
fn check_code(bench: &Bench, reply: &Reply, operation: &str, what: &str) {
    let code = reply.code();
    assert!(
        code == "VP_OK" || UNDECIDED.contains(&code),
        "{what}: {}",
        reply.everything()
    );
    if NOTHING_HAPPENED.contains(&code) && operation != "token" && operation != "get" {
        let requests = bench.sim.requests();
        let acted = sent(&requests, operation)
            .iter()
            .any(|r| r["acted"] == true);
        assert!(
            !acted,
            "{what}: it happened, and was told as {}",
            reply.everything()
        );
    }
}

/// Carries out one step: with patience, or first with so little time that the call ends in the middle.
#[track_caller]
fn step(bench: &Bench, meter: &mut Driver, at: usize, hurried: bool, what: &str) {
    let (operation, line, end) = STEPS[at];
    if hurried {
        for wait in [0, 1, 1, 5, 20] {
            let reply = meter.call(&format!("{line} wait={wait}"));
            check_code(bench, &reply, operation, what);
        }
    }
    let reply = meter.call(&format!("{line} wait=120000"));
    assert_eq!(
        reply.code(),
        "VP_OK",
        "{what}, {line}: {}",
        reply.everything()
    );
    reply.is(end);
}

fn ride(operation: &str, fault: &Fault, hurried: bool) {
    let what = format!("{} of {operation}, hurried: {hurried}", fault.name);
    let bench = bench();
    let mut meter = bench.meter();
    let mut rule = fault.rule.clone();
    rule["operation"] = json!(operation);
    bench.sim.fault(rule);
    for at in 0..STEPS.len() {
        step(&bench, &mut meter, at, hurried, &what);
    }
    proved(&bench, &mut meter, operation, &what);
    if fault.happened && operation != "token" {
        let requests = bench.sim.requests();
        let acted: Vec<bool> = sent(&requests, operation)
            .iter()
            .map(|r| r["acted"] == true)
            .collect();
        assert!(
            operation == "get" || acted[0],
            "{what}: it did happen: {acted:?}"
        );
    }
}

/// The end of every ride of this file.
#[track_caller]
fn proved(bench: &Bench, meter: &mut Driver, operation: &str, what: &str) {
    let ledger = bench.sim.books(REF, &[20_000], 4_900, &[5_000]);
    assert!(!ledger["receipt"].is_null(), "{what}");
    assert_eq!(ledger["pushes"], 1, "{what}");
    meter
        .call("known")
        .is("verdict=PAID_LEAVE next=DONE owed= closed=1");
    for told in meter.told("payment") {
        let verdict = told.get("verdict");
        assert!(
            ["WAIT", "SECURED_LEAVE", "PAID_LEAVE"].contains(&verdict),
            "{what}: the host was told {verdict}"
        );
        assert_ne!(told.get("state"), "NOT_CREATED", "{what}");
    }
    // One intent, one key, one body; and the servers acted once.
    let requests = bench.sim.requests();
    for (operation, _, _) in STEPS.iter().filter(|s| s.0 != "get") {
        // A refused one was cut off before its body was read.
        let mut list = sent(&requests, operation);
        list.retain(|r| r["fault"] != "refuse");
        assert!(!list.is_empty());
        for request in &list {
            for same in ["idempotency_key", "body_sha256", "path"] {
                assert_eq!(
                    request[same], list[0][same],
                    "{what}: {operation} was repeated differently"
                );
            }
        }
        let acted = list.iter().filter(|r| r["acted"] == true).count();
        assert_eq!(acted, 1, "{what}: {operation}");
    }
    if !operation.is_empty() {
        let struck = requests.iter().filter(|r| !r["fault"].is_null()).count();
        assert!(struck > 0, "{what}: the fault was never met");
    }
}

fn matrix(operation: &str) {
    for fault in faults() {
        for hurried in [false, true] {
            ride(operation, &fault, hurried);
        }
    }
}

#[test]
fn no_fault_at_all() {
    let bench = bench();
    let mut meter = bench.meter();
    for at in 0..STEPS.len() {
        step(&bench, &mut meter, at, false, "nothing");
    }
    proved(&bench, &mut meter, "", "nothing");
    for (operation, _, _) in STEPS {
        let count = bench.sim.count(operation);
        // Where an answer does not show what it did, a read does.
        let reads_more = *operation == "get" && preset() != "default";
        assert!(
            count == 1 || (reads_more && count > 1),
            "{operation}: {count}"
        );
    }
    assert_eq!(bench.sim.count("token"), 1);
}

#[test]
fn of_the_token() {
    matrix("token");
}

#[test]
fn of_the_create() {
    matrix("create");
}

#[test]
fn of_a_read() {
    matrix("get");
}

#[test]
fn of_the_receipt() {
    matrix("receipt");
}

#[test]
fn of_the_capture() {
    matrix("capture");
}

#[test]
fn of_a_cancel() {
    matrix("cancel");
}

#[test]
fn of_a_refund() {
    matrix("refund");
}

#[test]
fn a_token_that_was_revoked_before_every_step() {
    let bench = bench();
    let mut meter = bench.meter();
    for at in 0..STEPS.len() {
        step(&bench, &mut meter, at, false, "revoked");
        bench.sim.post("tokens/revoke", json!({}));
    }
    proved(&bench, &mut meter, "", "revoked");
    // One 401 and one new token for each step after the first.
    let requests = bench.sim.requests();
    assert_eq!(sent(&requests, "token").len(), STEPS.len());
    let refused = requests.iter().filter(|r| r["status"] == 401).count();
    assert_eq!(refused, STEPS.len() - 1);
}

/// Each fault of each cancel that is the driver's: withdrawn once, and never told as failed.
#[test]
fn of_the_drivers_cancel() {
    for how in ["if_not_approved", "give_up"] {
        for fault in faults() {
            let what = format!("{} of {how}", fault.name);
            let bench = Bench::new(&["--passenger", "ignore"]).with("request_ms=400 coarse=400");
            let mut meter = bench.meter();
            meter.call("create").is("rc=VP_OK");
            let mut rule = fault.rule.clone();
            rule["operation"] = json!("cancel");
            bench.sim.fault(rule);
            let first = meter.call(&format!("cancel how={how} wait=1"));
            check_code(&bench, &first, "cancel", &what);
            let cash = first.get("verdict").starts_with("TAKE_OTHER");
            assert!(
                cash || how == "if_not_approved",
                "{what}: {}",
                first.everything()
            );
            let reply = meter.call(&format!("cancel how={how} wait=120000"));
            assert_eq!(reply.code(), "VP_OK", "{what}: {}", reply.everything());
            reply.is("verdict=TAKE_OTHER_PAYMENT next=DONE closed=1");
            assert_eq!(bench.sim.ledger(REF)["state"], "TERMINATED", "{what}");
        }
    }
}

/// Reservations lag behind: a 200 without proof is not success.
#[test]
fn an_aggregate_that_lags_or_is_missing() {
    for reading in ["lagging:4000", "empty", "missing"] {
        let bench = bench();
        bench.sim.switch("adjust-aggregate", reading);
        let mut meter = bench.meter();
        for at in 0..STEPS.len() {
            step(&bench, &mut meter, at, false, reading);
        }
        proved(&bench, &mut meter, "", reading);
    }
}

/// The network is away for half a minute in the middle of everything.
#[test]
fn a_tunnel_before_every_step() {
    for (at, (operation, line, _)) in STEPS.iter().enumerate() {
        let what = format!("tunnel before step {at}");
        let bench = bench();
        let mut meter = bench.meter();
        for before in 0..at {
            step(&bench, &mut meter, before, false, &what);
        }
        bench
            .sim
            .fault(json!({"operation": "*", "action": "refuse", "times": 0}));
        let reply = meter.call(&format!("{line} wait=30000"));
        assert_ne!(reply.code(), "VP_OK");
        check_code(&bench, &reply, operation, &what);
        bench.sim.clear_faults();
        for after in at..STEPS.len() {
            step(&bench, &mut meter, after, false, &what);
        }
        proved(&bench, &mut meter, "", &what);
    }
}
