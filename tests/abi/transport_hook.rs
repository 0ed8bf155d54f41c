//! The hook `transport`: rides over the host's own sockets, waiting and in pieces, and hooks that give nonsense. Whatever
//! comes of it: a code, never a crash, and each movement of the money at most once.

use serde_json::json;

use std::process::Command;

use crate::common::{
    compile_example, file_text, lib_dir, skipped, tool, Bench, Example, Scratch, Tool, FARE,
};

const REF: &str = "trip-0001";

fn bench(transport: &str) -> Bench {
    Bench::new(&["--passenger", "approve"])
        .with(&format!("transport={transport} request_ms=2000 coarse=500"))
}

#[test]
fn a_ride_over_the_hosts_own_sockets() {
    for transport in ["c", "pieces"] {
        let bench = bench(transport);
        let mut meter = bench.meter();
        let reply = meter.call("ride wait=660000 lines=1 l0.total=24900");
        reply.is("rc=VP_OK verdict=PAID_LEAVE owed=");
        // What the hook has counted is the payment's traffic.
        assert!(reply.number("bytes_sent") > 1_000, "{}", reply.everything());
        assert!(
            reply.number("bytes_received") > 1_000,
            "{}",
            reply.everything()
        );
        meter.call("refund amount=5000").is("rc=VP_OK");
        meter.call("events").is("rc=VP_OK");
        bench.sim.books(REF, &[FARE], 0, &[5_000]);
        for operation in ["token", "create", "capture", "receipt", "refund"] {
            assert_eq!(bench.sim.count(operation), 1, "{transport}: {operation}");
        }
        meter.quit();
    }
}

/// The servers did what they were asked for, and the hook made a mess of it: unknown, then found out; captured once.
#[test]
fn nonsense_in_place_of_an_answer() {
    for (does, first) in [
        ("first_status_zero", "VP_ERR_INVALID_ARGUMENT"),
        ("first_status_600", "VP_ERR_INVALID_ARGUMENT"),
        ("first_status_negative", "VP_ERR_INVALID_ARGUMENT"),
        ("first_body_negative", "VP_ERR_INVALID_ARGUMENT"),
        ("first_body_absurd", "VP_ERR_INVALID_ARGUMENT"),
        ("first_body_null", "VP_ERR_NULL_POINTER"),
        ("first_body_huge", "VP_ERR_INVALID_ARGUMENT"),
        ("first_header_nul", "VP_ERR_INVALID_ARGUMENT"),
        ("first_header_negative", "VP_ERR_INVALID_ARGUMENT"),
        ("first_header_null", "VP_ERR_NULL_POINTER"),
        ("first_header_huge", "VP_ERR_INVALID_ARGUMENT"),
        ("status_twice", "VP_ERR_WRONG_STATE"),
        ("returns_17", "VP_OK"),
        ("returns_min", "VP_OK"),
        ("denies", "VP_OK"),
        ("says_lost", "VP_OK"),
    ] {
        for (operation, line, holds) in [
            ("create", "create", "rc=VP_OK"),
            (
                "capture",
                "capture amount=24900 final=1",
                "rc=VP_OK verdict=PAID_LEAVE",
            ),
        ] {
            let bench = bench("c");
            let mut meter = bench.meter();
            // The token is there, so that the call's time is for the operation.
            meter.call("create ref=trip-0000").is("rc=VP_OK");
            if operation == "capture" {
                meter.call("create").is("rc=VP_OK");
                meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
            }
            meter.call(&format!("transport does={does}"));
            let reply = meter.call(&format!("{line} wait=300"));
            assert!(
                ["VP_ERR_OUTCOME_UNKNOWN", "VP_OK"].contains(&reply.code()),
                "{does}: {}",
                reply.everything()
            );
            let told = meter.told("transport");
            let told = told.last().unwrap_or_else(|| panic!("{does} was not done"));
            assert_eq!(told.get("first"), first, "{does}");
            // And it was taken for what may have happened, whatever else the hook gave.
            let doubted = meter
                .told("log")
                .iter()
                .any(|e| e.get("line").contains("may have left"));
            assert!(doubted, "{does}: it was believed");
            meter.call(line).is(holds);
            let ledger = bench.sim.ledger(REF);
            let captures = i64::from(operation == "capture");
            assert_eq!(
                ledger["capture_count"].as_i64(),
                Some(captures),
                "{does}: {ledger:#}"
            );
            meter.quit();
        }
    }
}

/// What takes nothing away from an answer that is there.
#[test]
fn nonsense_beside_an_answer() {
    for (does, first) in [
        ("handle_null", "VP_ERR_NULL_POINTER"),
        ("handle_foreign", "VP_ERR_INVALID_ARGUMENT"),
        ("traffic_negative", "VP_ERR_INVALID_ARGUMENT"),
        ("cause_unknown", "VP_ERR_INVALID_ARGUMENT"),
        ("late", "VP_ERR_INVALID_ARGUMENT"),
        ("other_thread", "VP_ERR_INVALID_ARGUMENT"),
    ] {
        let bench = bench("c");
        let mut meter = bench.meter();
        // An exchange before this one, whose handle is remembered.
        meter.call("create ref=trip-0000").is("rc=VP_OK");
        meter.call(&format!("transport does={does}"));
        meter.call("create").is("rc=VP_OK state=CREATED");
        let told = meter.told("transport");
        let told = told.last().unwrap_or_else(|| panic!("{does} was not done"));
        told.is(&format!("first={first} second=VP_OK"));
        meter.call("late").is("rc=VP_ERR_INVALID_ARGUMENT");
        assert_eq!(bench.sim.count("create"), 2, "{does}");
    }
}

/// "Surely not sent" is believed only of a hook that has not given an answer.
#[test]
fn what_the_hook_says_of_sending() {
    let bench = bench("c");
    let mut meter = bench.meter();
    meter.call("create ref=trip-0000").is("rc=VP_OK");
    meter.call("transport does=claims_not_sent");
    meter
        .call("create wait=300")
        .is("rc=VP_ERR_NETWORK state=RECORDED cause=CONNECT");
    meter.call("transport does=no_answer times=100");
    meter
        .call("create wait=2000")
        .is("rc=VP_ERR_OUTCOME_UNKNOWN state=UNKNOWN cause=BAD_ANSWER");
    assert_eq!(bench.sim.count("create"), 1);
    meter.call("transport does=no_answer times=0");
    meter.call("create").is("rc=VP_OK state=CREATED");
    assert_eq!(bench.sim.count("create"), 2);
}

#[test]
fn the_library_called_from_inside() {
    let bench = bench("c");
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("inside hook=transport");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    let told = meter.told("inside");
    let inside = told
        .iter()
        .find(|e| e.get("where") == "transport")
        .expect("the hook was called");
    for name in [
        "vp_client_open",
        "vp_client_close",
        "vp_poll",
        "vp_capture",
        "vp_settle",
        "vp_worker_run",
    ] {
        assert_eq!(inside.get(name), "VP_ERR_REENTRANT", "{name}");
    }
    for name in ["vp_known_payment", "vp_list_payments", "vp_driver_text"] {
        assert_eq!(inside.get(name), "VP_OK", "{name}");
    }
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

/// Ticks and interrupts reach into a hook that waits, and the time limit of the request does.
#[test]
fn a_hook_that_waits_is_not_out_of_reach() {
    let bench =
        Bench::new(&["--passenger", "ignore"]).with("transport=c clock=system request_ms=1700");
    let mut meter = bench.meter();
    meter.call("create wait=5000").is("rc=VP_OK");
    bench
        .sim
        .fault(json!({"operation": "cancel", "action": "stall_before", "times": 0}));
    meter.call("cancel wait=0").is("rc=VP_PENDING");
    let reply = meter.call("cancel wait=200");
    reply.is("rc=VP_ERR_OUTCOME_UNKNOWN cause=TIMEOUT");
    assert!(reply.number("ticks") >= 2, "{}", reply.everything());
    assert!(reply.number("gap") <= 1_000, "{}", reply.everything());
    meter.begin(1, "cancel wait=20000");
    meter.call("interrupt");
    meter.end(1).is("rc=VP_ERR_OUTCOME_UNKNOWN");
}

/// In pieces, a call that has no more time leaves the exchange under way, and the next one carries it on.
#[test]
fn an_exchange_outlives_the_call_that_began_it() {
    let bench = Bench::new(&["--passenger", "approve-after=1s"])
        .with("transport=pieces clock=system request_ms=10000 poll_first=500 poll_every=500");
    bench
        .sim
        .fault(json!({"operation": "create", "action": "delay", "ms": 3000}));
    let mut meter = bench.meter();
    meter.call("create wait=0").is("rc=VP_PENDING");
    let mut calls = 0;
    let mut reply = meter.call("known");
    while reply.get("next") != "CAPTURE" {
        assert!(calls < 5_000, "{}", reply.everything());
        let worked = meter.call("work wait=1");
        assert!(
            worked.number("ms") < 2_000,
            "it waited: {}",
            worked.everything()
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
        reply = meter.call("known");
        calls += 1;
    }
    // The create alone took three seconds: many calls came and went meanwhile.
    assert!(calls > 10, "{calls}");
    meter
        .call("capture amount=24900 final=1 wait=0")
        .is("rc=VP_PENDING verdict=SECURED_LEAVE");
    // While it is under way nothing else is sent for this payment, and a call without time does not touch the network.
    for _ in 0..400 {
        if meter.call("known").get("verdict") == "PAID_LEAVE" {
            break;
        }
        meter.call("work wait=1");
        meter.call("capture amount=24900 final=1 wait=0");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    meter.call("known").is("verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
    for operation in ["token", "create", "capture"] {
        assert_eq!(bench.sim.count(operation), 1, "{operation}");
    }
}

/// What is under way when the client is closed is torn, and settled by the next one.
#[test]
fn a_client_is_closed_over_an_exchange() {
    let bench = Bench::new(&["--passenger", "approve"])
        .with("transport=pieces clock=system request_ms=10000");
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    let files = meter.call("files").number("open");
    bench
        .sim
        .fault(json!({"operation": "capture", "action": "delay_after", "ms": 5000}));
    meter
        .call("capture amount=24900 final=1 wait=1000")
        .is("rc=VP_PENDING verdict=SECURED_LEAVE");
    assert_eq!(
        meter.call("files").number("open"),
        files + 1,
        "it is under way"
    );
    meter.call("write_off").is("rc=VP_ERR_BUSY");
    meter.call("close").is("rc=VP_OK");
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    assert_eq!(
        meter.call("files").number("open"),
        files,
        "the hook has closed its socket"
    );
    meter.call("settle").is("rc=VP_OK");
    meter.call("known").is("verdict=PAID_LEAVE closed=1");
    bench.sim.books(REF, &[FARE], 0, &[]);
    meter.quit();
}

/// A hook that is never done is bounded all the same.
#[test]
fn an_exchange_without_end() {
    let bench = Bench::new(&[]).with("transport=endless clock=system request_ms=300");
    let mut meter = bench.meter();
    let reply = meter.call("create wait=400");
    reply.is("state=RECORDED");
    assert!(reply.number("ms") < 3_000, "{}", reply.everything());
    assert_eq!(bench.sim.count("*"), 0);
}

/// A library without TLS (`make lib-small`) says at open what it needs; the other has HTTPS of its own. `VPMETER_SMALL` says
/// which one is under test.
#[test]
fn the_library_without_tls_needs_it() {
    let small = std::env::var_os("VPMETER_SMALL").is_some();
    let bench = Bench::new(&["--passenger", "approve"]);
    let mut meter = bench.driver();
    let reply = meter.call(&bench.open_line("transport=none"));
    let library = std::fs::read(lib_dir().join("libvpmeter.so")).expect("the library");
    let holds = |text: &[u8]| library.windows(text.len()).any(|w| w == text);
    assert_ne!(small, holds(b"HTTP/1.1"), "HTTP is in it");
    assert_ne!(small, holds(b"master secret"), "TLS is in it");
    if !small {
        reply.is("rc=VP_OK");
        return;
    }
    reply.is("rc=VP_ERR_INVALID_ARGUMENT field=hooks.transport");
    meter.call(&bench.open_line("transport=c")).is("rc=VP_OK");
    meter
        .call("ride wait=660000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn an_authority_that_nobody_would_use_is_refused() {
    let bench = bench("c");
    let mut meter = bench.driver();
    meter
        .call(&bench.open_line("ca_file=/nowhere.pem"))
        .is("rc=VP_ERR_INVALID_ARGUMENT field=ca_file");
}

fn have_curl() -> bool {
    let there = || {
        let scratch = Scratch::new();
        let source = scratch.join("curl.c");
        let text = "#include <curl/curl.h>\nint main(void) { return curl_global_init(0) != 0; }\n";
        std::fs::write(&source, text).expect("a source");
        let mut command = tool(Tool::C);
        command
            .arg(&source)
            .args(["-lcurl", "-o"])
            .arg(scratch.join("curl"));
        command.output().is_ok_and(|o| o.status.success())
    };
    if !there() {
        // As root, where that is possible; otherwise it fails and says nothing.
        let _ = Command::new("sh")
            .args(["-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends libcurl4-openssl-dev"])
            .output();
    }
    let there = there();
    if !there {
        skipped("libcurl is not installed (apt-get install libcurl4-openssl-dev)");
    }
    there
}

/// `examples-c/own_transport.c`: a whole ride over libcurl's TLS, in which three answers are lost.
#[test]
fn a_ride_over_libcurl() {
    if !have_curl() {
        return;
    }
    let bench = Bench::tls(&["--passenger", "approve-after=1s"]);
    let program = bench.dir.join("own_transport");
    compile_example(
        &["own_transport"],
        &["-Wl,--no-as-needed", "-lcurl"],
        &program,
    );
    for (operation, action) in [
        ("create", "refuse"),
        ("get", "reset_before"),
        ("capture", "reset_after"),
    ] {
        bench
            .sim
            .fault(json!({"operation": operation, "action": action}));
    }
    let log = bench.dir.join("log");
    let mut command = Command::new(&program);
    command.stderr(std::fs::File::create(&log).expect("a log"));
    let mut example =
        Example::start_with(command, &bench, "curl-ride-0001", &[("VPMETER_LOG", "1")]);
    example.wait_for("Paid.");
    assert_eq!(example.end(), Some(0));
    bench.sim.books("curl-ride-0001", &[FARE], 0, &[]);
    let log = file_text(&log);
    // The connections stood, so every one of these may have left.
    let lost = log.lines().filter(|line| line.contains("no answer"));
    assert_eq!(
        lost.filter(|line| line.contains("may have left")).count(),
        3,
        "{log}"
    );
    assert!(
        !log.contains("91234567") && !log.contains("sim-client-secret"),
        "{log}"
    );
}

/// Servers whose certificate nobody has signed, and a port where nobody listens: nothing has left, not even the keys.
#[test]
fn libcurl_knows_what_has_not_left() {
    if !have_curl() {
        return;
    }
    let bench = Bench::tls(&[]);
    let program = bench.dir.join("own_transport");
    compile_example(
        &["own_transport"],
        &["-Wl,--no-as-needed", "-lcurl"],
        &program,
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("https://{}", free.local_addr().expect("its address"));
    drop(free);
    for (name, value, cause) in [
        (
            "VPMETER_CA_FILE",
            "/etc/ssl/certs/ca-certificates.crt",
            "(Tls, nothing left)",
        ),
        ("VPMETER_URL", &nobody, "(Connect, nothing left)"),
    ] {
        let log = bench.dir.join(cause);
        let mut command = Command::new(&program);
        command.stderr(std::fs::File::create(&log).expect("a log"));
        let more = [("VPMETER_LOG", "1"), (name, value)];
        let example = Example::start_with(
            command,
            &bench,
            &format!("curl-{name}").replace('_', "-"),
            &more,
        );
        crate::common::until("a request was tried", || {
            file_text(&log).contains("no answer")
        });
        drop(example);
        let log = file_text(&log);
        assert!(
            log.contains(cause) && !log.contains("may have left"),
            "{log}"
        );
    }
    assert_eq!(bench.sim.requests().len(), 0);
}
