//! The host's callbacks: how often they come, what they may call, what their answers do.

use serde_json::json;

use crate::common::{Bench, Driver, FARE};

const REF: &str = "trip-0001";

/// What may be called from a callback; everything else that can be called is VP_ERR_REENTRANT there.
pub const ALLOWED: &[&str] = &[
    "vp_known_payment",
    "vp_list_payments",
    "vp_normalize_phone",
    "vp_split_gross",
    "vp_next_reference",
    "vp_driver_text",
    "vp_storage_cost",
    "vp_webhook_count",
];

#[track_caller]
pub fn called_from(meter: &Driver, hook: &str, allowed: &[&str]) {
    let told = meter.told("inside");
    let inside = told
        .iter()
        .find(|e| e.get("where") == hook)
        .unwrap_or_else(|| panic!("{hook} was never called"));
    for name in ALLOWED {
        let code = inside.get(name);
        if allowed.contains(name) {
            assert_eq!(code, "VP_OK", "{name} from {hook}");
        } else {
            assert_eq!(code, "VP_ERR_REENTRANT", "{name} from {hook}");
        }
    }
    for name in [
        "vp_client_open",
        "vp_client_close",
        "vp_worker_run",
        "vp_set_credentials",
        "vp_create_push_payment",
        "vp_poll",
        "vp_post_receipt",
        "vp_capture",
        "vp_run_ride",
        "vp_cancel",
        "vp_refund",
        "vp_get_events",
        "vp_settle",
        "vp_decide",
        "vp_write_off",
        "vp_export_payments",
        "vp_import_payment",
        "vp_apply_webhook",
        "vp_register_webhook",
        "vp_list_webhooks",
        "vp_delete_webhook",
    ] {
        assert_eq!(inside.get(name), "VP_ERR_REENTRANT", "{name} from {hook}");
    }
    assert!(!inside.get("vp_version").is_empty());
}

#[test]
fn what_may_be_called_from_a_callback() {
    for hook in ["payment", "tick", "log", "each"] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        // The record is there when the callback asks for it.
        meter.call("create").is("rc=VP_OK");
        meter.call(&format!("inside hook={hook}"));
        meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
        if hook == "each" {
            meter.call("list").is("rc=VP_OK");
        }
        called_from(&meter, hook, ALLOWED);
        // What was refused has left no trace.
        meter
            .call("capture amount=24900 final=1")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        bench.sim.books(REF, &[FARE], 0, &[]);
        assert_eq!(bench.sim.count("create"), 1);
        meter.quit();
    }
    // The other two that hear of many.
    for line in ["settle", "events"] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        meter.call("create").is("rc=VP_OK");
        meter.call("inside hook=each");
        meter.call(line).is("rc=VP_OK");
        called_from(&meter, "each", ALLOWED);
    }
}

#[test]
fn what_may_be_called_from_a_clock() {
    for hook in ["wall", "monotonic", "sleep"] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        meter.call("create").is("rc=VP_OK");
        meter.call(&format!("inside hook={hook}"));
        meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
        called_from(&meter, hook, &[]);
    }
}

/// On the real clock: at least once a second, while a call waits and while a request is in flight.
#[test]
fn ticks_come_once_a_second() {
    let bench = Bench::new(&["--passenger", "ignore"]).with("clock=system request_ms=1700");
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    let reply = meter.call("poll wait=1700");
    reply.is("rc=VP_PENDING");
    assert!(reply.number("ticks") >= 2, "{}", reply.everything());
    assert!(reply.number("gap") <= 1_000, "{}", reply.everything());
    // A request that hangs for 1.7 s.
    bench
        .sim
        .fault(json!({"operation": "cancel", "action": "stall_before", "times": 0}));
    meter.call("cancel wait=0").is("rc=VP_PENDING");
    let reply = meter.call("cancel wait=200");
    reply.is("rc=VP_ERR_OUTCOME_UNKNOWN cause=TIMEOUT");
    assert!(reply.number("ticks") >= 2, "{}", reply.everything());
    assert!(reply.number("gap") <= 1_000, "{}", reply.everything());
    assert!(
        (1_600..2_700).contains(&reply.number("ms")),
        "{}",
        reply.everything()
    );
    // And a handshake with somebody who says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let open = bench.open_line(&format!(
        "c=1 base_url=https://127.0.0.1:{port} journal={}",
        bench.dir.join("other").display()
    ));
    meter.call(&open).is("rc=VP_OK");
    let reply = meter.call("create c=1 wait=1");
    assert!(
        ["VP_ERR_NETWORK", "VP_ERR_TLS"].contains(&reply.code()),
        "{}",
        reply.everything()
    );
    assert!(
        reply.number("ticks") >= 2 && reply.number("gap") <= 1_000,
        "{}",
        reply.everything()
    );
}

#[test]
fn ticks_come_in_every_call_that_waits() {
    let bench = Bench::new(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("tick print=1");
    for (line, reference) in [
        ("poll wait=10000", REF),
        ("work wait=10000", ""),
        ("settle wait=10000", ""),
        ("ride ref=trip-0002 wait=10000", "trip-0002"),
    ] {
        meter.events.clear();
        let reply = meter.call(line);
        // Every half second of moved time.
        assert!(
            (15..=21).contains(&reply.number("ticks")),
            "{line}: {}",
            reply.everything()
        );
        let told = meter.told("tick");
        assert!(
            told.iter().all(|t| t.get("ref") == reference),
            "{line}: {told:?}"
        );
        let waited: Vec<i64> = told.iter().map(|t| t.number("waited_ms")).collect();
        assert!(
            waited
                .windows(2)
                .all(|w| w[0] < w[1] && w[1] - w[0] <= 1_000),
            "{line}: {waited:?}"
        );
    }
}

#[test]
fn a_tick_stops_the_wait() {
    let bench = Bench::new(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("tick answer=stop from=3");
    for line in ["poll wait=60000", "settle wait=60000", "work wait=60000"] {
        let reply = meter.call(line);
        reply.is("rc=VP_PENDING");
        assert_eq!(reply.number("ticks"), 3, "{line}");
    }
    let reply = meter.call("ride ref=trip-0002 wait=60000");
    reply.is("rc=VP_PENDING state=CREATED verdict=WAIT next=POLL ticks=3");
    // Nothing was torn: it goes on where it was.
    meter.call("tick");
    bench.sim.passenger("approve");
    meter
        .call("ride ref=trip-0002 wait=60000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books("trip-0002", &[FARE], 0, &[]);
}

#[test]
fn a_tick_stops_a_request_in_flight() {
    let bench = Bench::new(&["--passenger", "approve"]).with("clock=system poll_first=1");
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.call("poll wait=5000").is("rc=VP_OK");
    bench
        .sim
        .fault(json!({"operation": "capture", "action": "stall_after"}));
    meter.call("tick answer=stop");
    let reply = meter.call("capture amount=24900 wait=60000");
    // Something was sent, so it is unknown; but the intent is on disk.
    reply.is("rc=VP_ERR_OUTCOME_UNKNOWN cause=INTERRUPTED verdict=SECURED_LEAVE next=SETTLE");
    assert!(reply.number("ms") < 1_500, "{}", reply.everything());
    meter.call("tick");
    meter.call("settle wait=20000").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn a_tick_gives_the_ride_up() {
    for line in ["poll wait=60000", "ride wait=660000"] {
        let bench = Bench::new(&["--passenger", "ignore"]);
        let mut meter = bench.meter();
        meter.call("create").is("rc=VP_OK");
        meter.call("tick answer=give_up from=4");
        let reply = meter.call(line);
        reply.is("state=TERMINATED verdict=TAKE_OTHER_PAYMENT next=DONE says=CANCELLED closed=1");
        assert!(
            ["VP_OK", "VP_ERR_NOT_APPROVED"].contains(&reply.code()),
            "{line}: {}",
            reply.everything()
        );
        assert_eq!(bench.sim.ledger(REF)["state"], "TERMINATED", "{line}");
        assert_eq!(bench.sim.count("capture"), 0);
    }
}

/// Given up in a dead zone while the request for the payment itself is in doubt.
#[test]
fn a_tick_gives_up_what_may_have_been_sent() {
    let bench = Bench::new(&["--passenger", "approve"]);
    bench
        .sim
        .fault(json!({"operation": "create", "action": "reset_after"}));
    bench
        .sim
        .fault(json!({"operation": "get", "action": "refuse", "times": 0}));
    bench
        .sim
        .fault(json!({"operation": "create", "action": "reset_before", "nth": 2, "times": 0}));
    bench
        .sim
        .fault(json!({"operation": "cancel", "action": "refuse", "times": 0}));
    let mut meter = bench.meter();
    meter.call("tick answer=give_up from=6");
    let reply = meter.call("ride wait=20000");
    reply.is("verdict=TAKE_OTHER_RELEASE_OWED next=SETTLE says=GIVEN_UP_RELEASE_OWED");
    bench.sim.clear_faults();
    meter.call("tick");
    meter.call("settle wait=120000").is("rc=VP_OK");
    meter
        .call("known")
        .is("verdict=TAKE_OTHER_PAYMENT closed=1");
    bench.sim.books(REF, &[], FARE, &[]);
    assert_eq!(bench.sim.count("capture"), 0);
}

#[test]
fn every_change_is_told_once_and_in_order() {
    let bench = Bench::new(&[]);
    let mut meter = bench.meter();
    meter
        .call("ride wait=660000 lines=1 l0.total=24900")
        .is("rc=VP_OK");
    meter.call("refund amount=24900").is("rc=VP_OK");
    let told: Vec<(String, String)> = meter
        .told("payment")
        .iter()
        .map(|e| (e.get("state").into(), e.get("verdict").into()))
        .collect();
    let mut steps = told.clone();
    steps.dedup();
    let expected = [
        ("RECORDED", "WAIT"),
        ("CREATED", "WAIT"),
        ("AUTHORIZED", "WAIT"),
        ("AUTHORIZED", "SECURED_LEAVE"),
        ("AUTHORIZED", "PAID_LEAVE"),
        ("AUTHORIZED", "TAKE_OTHER_PAYMENT"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(a, b)| ((*a).into(), (*b).into()))
        .collect();
    assert_eq!(steps, expected);
    // Told anew only when something is different.
    let lines: Vec<String> = meter
        .told("payment")
        .iter()
        .map(|e| {
            [
                "state", "verdict", "next", "owed", "says", "captured", "refunded", "closed",
            ]
            .map(|n| e.get(n))
            .join(" ")
        })
        .collect();
    assert!(lines.windows(2).all(|w| w[0] != w[1]), "{lines:#?}");
}

/// Without any callback, and with each alone.
#[test]
fn callbacks_are_optional() {
    for hooks in ["none", "payment", "tick", "log"] {
        let bench = Bench::new(&["--passenger", "approve"]).with(&format!("hooks={hooks}"));
        let mut meter = bench.meter();
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        for kind in ["payment", "log"] {
            assert_eq!(
                !meter.told(kind).is_empty(),
                kind == hooks,
                "{kind} of {hooks}"
            );
        }
        meter.quit();
    }
}

/// A wall clock that cannot be right is said before it becomes a riddle of certificates; loopback has none.
#[test]
fn a_wall_clock_that_stands_in_1970() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.meter();
    meter.call("jump_wall ms=-1780000000000");
    meter
        .call("create wait=3000")
        .is("rc=VP_ERR_CLOCK who=3 state=RECORDED verdict=WAIT");
    assert_eq!(bench.sim.requests().len(), 0);
    // GNSS has a fix.
    meter.call("jump_wall ms=1780000000000");
    meter.call("create").is("rc=VP_OK state=CREATED");
}

/// A server whose certificate nobody has signed for us.
#[test]
fn a_certificate_of_a_stranger() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.driver();
    meter.call(&bench.open_line("ca_file=@null")).is("rc=VP_OK");
    let reply = meter.call("create wait=2000");
    reply.is("rc=VP_ERR_TLS cause=TLS state=RECORDED verdict=WAIT");
    assert_eq!(
        bench.sim.requests().len(),
        0,
        "not even a token was asked for"
    );
    meter
        .call("cancel wait=0")
        .is("rc=VP_OK verdict=TAKE_OTHER_PAYMENT");
    // Nobody at the door.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its address");
    let mut meter = bench.driver();
    let open = bench.open_line(&format!(
        "base_url=http://{gone} journal={}",
        bench.dir.join("other").display()
    ));
    meter.call(&open).is("rc=VP_OK");
    meter
        .call("create wait=2000")
        .is("rc=VP_ERR_NETWORK cause=CONNECT state=RECORDED");
}
