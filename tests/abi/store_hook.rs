//! The journal in the host's own hands: a ride, a restart in the middle, and every lie that a store can tell.

use std::process::Command;

use crate::common::{compile_program, root, strict, Bench, Driver, Link, FARE};

const REF: &str = "trip-0001";

fn stored(simulator: &[&str]) -> Bench {
    Bench::new(simulator).with("store=c")
}

/// Nothing was charged but what the books of a good ride show.
#[track_caller]
fn at_most_once(bench: &Bench, when: &str) {
    let ledger = bench.sim.ledger(REF);
    let captures = ledger["captures"].as_array().map_or(0, Vec::len);
    assert!(captures <= 1, "{when}: {ledger:#}");
}

#[test]
fn a_ride_needs_no_directory() {
    for tls in [false, true] {
        let bench = match tls {
            true => Bench::tls(&["--passenger", "approve"]),
            false => Bench::new(&["--passenger", "approve"]),
        };
        let bench = bench.with("store=c");
        let mut meter = bench.meter();
        meter
            .call("ride wait=660000 lines=1 l0.total=24900")
            .is("rc=VP_OK verdict=PAID_LEAVE owed=");
        assert!(!bench.journal().exists());
        // What a ride costs the store.
        let cost = meter.call("storage");
        assert!(
            (3..=6).contains(&cost.number("file_syncs")),
            "{}",
            cost.everything()
        );
        meter.quit();
        // The phone number has left the memory, and the keys were never in it.
        let memory = std::fs::read(bench.memory()).expect("the memory");
        for secret in [
            "91234567",
            "912 34 567",
            "sim-client-secret",
            "sim-subscription-key",
        ] {
            let found = memory.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{secret} is in the memory");
        }
        // A restart knows it, and charges nothing again.
        let mut meter = bench.meter();
        meter.call("known").is("rc=VP_OK verdict=PAID_LEAVE");
        meter.call("settle").is("rc=VP_OK");
        meter
            .call("ride wait=660000 lines=1 l0.total=24900")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.call("refund amount=5000").is("rc=VP_OK");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[5_000]);
    }
}

#[test]
fn a_restart_in_the_middle() {
    let bench = Bench::tls(&["--passenger", "approve"]).with("store=c");
    let mut meter = bench.meter();
    // Killed in on_payment, when it hears of AUTHORIZED.
    meter.call("die hook=payment state=3").is("rc=VP_OK");
    meter.wait_for_death("ride wait=660000");
    assert_eq!(bench.sim.count("capture"), 0);
    let mut meter = bench.meter();
    meter.call("known").is("rc=VP_OK");
    meter.call("settle").is("rc=VP_OK");
    meter.call("known").is("verdict=PAID_LEAVE closed=1");
    bench.sim.books(REF, &[FARE], 0, &[]);
    meter.quit();
}

/// Killed in each call of the store in turn.
#[test]
fn killed_in_each_call_of_the_store() {
    for calls in 0.. {
        let bench = stored(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        meter
            .call(&format!("die hook=store after={calls}"))
            .is("rc=VP_OK");
        if meter.call_or_death("ride wait=660000").is_some() {
            assert!(calls > 8, "a ride has {calls} calls of the store only");
            break;
        }
        let mut meter = bench.meter();
        let ride = meter.call("ride wait=660000");
        ride.is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// What a store does wrong in a put is found before anything is sent.
#[test]
fn a_put_that_fails_or_lies_sends_nothing() {
    for (does, code) in [
        ("put_full", "VP_ERR_STORAGE_FULL"),
        ("put_fails", "VP_ERR_STORAGE"),
        ("put_strange", "VP_ERR_STORAGE"),
        ("put_keeps_and_fails", "VP_ERR_STORAGE"),
        ("put_forgets", "VP_ERR_STORAGE"),
        ("put_half", "VP_ERR_STORAGE"),
        ("put_other_name", "VP_ERR_STORAGE"),
        ("get_nothing", "VP_ERR_STORAGE"),
        ("get_damaged", "VP_ERR_DAMAGED_RECORD"),
        ("get_negative", "VP_ERR_STORAGE"),
        ("get_long", "VP_ERR_STORAGE"),
        ("get_past", "VP_ERR_STORAGE"),
        ("get_short", "VP_ERR_STORAGE"),
        ("get_empty", "VP_ERR_STORAGE"),
        ("get_garbled", "VP_ERR_STORAGE"),
        ("get_foreign", "VP_ERR_STORAGE"),
    ] {
        let bench = stored(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        meter.call(&format!("store does={does}"));
        meter.call("create").is(&format!("rc={code}"));
        assert_eq!(bench.sim.requests().len(), 0, "{does}: nothing is sent");
        meter.call("store does=");
        // The same ride, once the store is well: charged once.
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// The same, for the intent of a capture.
#[test]
fn a_capture_that_cannot_be_recorded_is_not_sent() {
    for does in [
        "put_full",
        "put_fails",
        "put_strange",
        "put_keeps_and_fails",
        "put_forgets",
        "put_half",
        "get_nothing",
        "get_negative",
        "get_long",
        "get_garbled",
    ] {
        let bench = stored(&["--passenger", "approve"]);
        let mut meter = bench.meter();
        meter.call("create then=hold").is("rc=VP_OK");
        meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
        meter.call(&format!("store does={does}"));
        let reply = meter.call("capture amount=24900 final=1");
        assert!(
            reply.code().starts_with("VP_ERR_STORAGE"),
            "{does}: {}",
            reply.everything()
        );
        assert_eq!(bench.sim.count("capture"), 0, "{does}");
        meter.call("store does=");
        meter
            .call("capture amount=24900 final=1")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// From the n-th call on, for every n: whatever the calls say, nobody is charged twice, and a restart with a good store
/// ends well or asks the office.
#[test]
fn a_store_that_goes_bad_in_the_middle_of_a_ride() {
    for does in [
        "put_full",
        "put_fails",
        "put_forgets",
        "put_half",
        "put_keeps_and_fails",
        "get_nothing",
        "get_garbled",
        "get_negative",
        "remove_lies",
        "remove_fails",
    ] {
        for after in 0..8 {
            let when = format!("{does} after {after}");
            let bench = stored(&["--passenger", "approve"]);
            let mut meter = bench.meter();
            meter.call(&format!("store does={does} after={after}"));
            meter.call("ride wait=660000");
            meter.call("ride wait=660000");
            meter.call("settle");
            at_most_once(&bench, &when);
            meter.kill();
            let mut meter = bench.meter();
            meter.call("settle");
            let ride = meter.call("ride wait=660000");
            if ride.get("state") == "NOT_CREATED" {
                // Nothing was sent, and after a restart nobody gets a bill for it.
                ride.is("verdict=TAKE_OTHER_PAYMENT");
                assert!(bench.sim.ledger(REF).is_null(), "{when}");
            } else if does == "put_half" && ride.code() == "VP_ERR_DAMAGED_RECORD" {
                // It has destroyed the record that was there and said that all is well.
                ride.is("verdict=ASK_OFFICE owed=DECISION");
                at_most_once(&bench, &when);
            } else {
                ride.is("rc=VP_OK verdict=PAID_LEAVE");
                bench.sim.books(REF, &[FARE], 0, &[]);
            }
            meter.quit();
        }
    }
}

#[track_caller]
fn open_refused(bench: &Bench, does: &str, code: &str) {
    let mut meter = bench.driver();
    meter.call(&format!("store does={does}"));
    let reply = meter.call(&bench.open_line(""));
    assert_eq!(reply.code(), code, "{does}: {}", reply.everything());
    assert!(!reply.get("message").is_empty());
    meter.quit();
}

/// A ride that is approved and not captured, in the memory of a bench.
fn approved(bench: &Bench) {
    let mut meter: Driver = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    meter.kill();
}

#[test]
fn a_store_that_does_not_know_what_it_has_is_not_opened() {
    let bench = stored(&["--passenger", "approve"]);
    approved(&bench);
    for does in [
        "each_fails",
        "each_strange",
        "each_null",
        "each_bad",
        "each_not_utf8",
        "each_long",
        "each_twice",
        "each_without_end",
    ] {
        open_refused(&bench, does, "VP_ERR_STORAGE");
    }
    assert_eq!(bench.sim.count("capture"), 0);
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    meter.quit();
    bench.sim.books(REF, &[FARE], 0, &[]);
}

/// A record that cannot be read is the office's, by name, and stops no other.
#[test]
fn a_record_that_cannot_be_trusted_is_damaged_by_name() {
    for does in [
        "get_damaged",
        "get_garbled",
        "get_foreign",
        "get_newer",
        "get_nothing",
        "get_short",
        "get_empty",
    ] {
        let bench = stored(&["--passenger", "approve"]);
        approved(&bench);
        let mut meter = bench.driver();
        meter.call(&format!("store does={does}"));
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        meter.call("store does=");
        meter
            .call("known")
            .is("rc=VP_ERR_DAMAGED_RECORD verdict=ASK_OFFICE");
        meter.call("create").is("rc=VP_ERR_DAMAGED_RECORD");
        meter
            .call("ride ref=trip-0002 trip=2 wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        assert_eq!(bench.sim.ledger(REF)["captured"], 0, "{does}");
        meter.kill();
        // It was the reading, not the record: the next start finds it.
        let mut meter = bench.meter();
        meter.call("settle").is("rc=VP_OK");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
    // A name without a record.
    let bench = stored(&["--passenger", "approve"]);
    let mut meter = bench.driver();
    meter.call("store does=each_ghost after=1");
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter
        .call("known ref=ghost-0001")
        .is("rc=VP_ERR_DAMAGED_RECORD");
    meter
        .call("ride wait=660000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit();
}

/// An error of the host's `get` says nothing about the record: it is asked again at the next call.
#[test]
fn a_record_that_the_host_cannot_read_is_not_damaged() {
    for does in ["get_negative", "get_long", "get_past"] {
        let bench = stored(&["--passenger", "approve"]);
        approved(&bench);
        let mut meter = bench.driver();
        meter.call(&format!("store does={does}"));
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        for call in ["known", "create", "capture wait=5000"] {
            let reply = meter.call(call);
            reply.is("rc=VP_ERR_STORAGE");
            assert!(
                !reply.everything().contains("VERDICT")
                    && !reply.everything().contains("ASK_OFFICE"),
                "{}",
                reply.everything()
            );
        }
        assert_eq!(bench.sim.ledger(REF)["captured"], 0, "{does}");
        meter.call("store does=");
        meter.call("known").is("rc=VP_OK");
        meter.call("settle").is("rc=VP_OK");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// A name given late is given to nobody.
#[test]
fn names_that_come_late_are_not_heard() {
    let bench = stored(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    meter.call("store does=each_late");
    meter
        .call("ride wait=660000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit();
}

/// A tombstone goes when there is no room; what is owed never does.
#[test]
fn a_full_block_refuses_new_rides_and_keeps_what_is_owed() {
    let bench = stored(&["--passenger", "approve"]).with("memory_size=8192");
    let mut meter = bench.meter();
    for number in 1..=12 {
        let line = format!("ride ref=trip-1{number:03} trip={number} wait=660000");
        meter.call(&line).is("rc=VP_OK verdict=PAID_LEAVE");
    }
    meter.kill();
    let mut meter = bench.meter();
    // The oldest has gone, the last is there.
    meter
        .call("known ref=trip-1001")
        .is("rc=VP_ERR_NO_SUCH_PAYMENT");
    meter
        .call("known ref=trip-1012")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    let mut held = 0;
    let full = loop {
        let reply = meter.call(&format!("create then=hold ref=hold-{held:04} trip=h{held}"));
        if reply.code() != "VP_OK" {
            break reply;
        }
        held += 1;
        assert!(held < 20, "8 KiB cannot hold so many");
    };
    full.is("rc=VP_ERR_STORAGE_FULL");
    assert!(held >= 2, "{held}");
    assert_eq!(bench.sim.count("create"), 12 + held);
    meter.kill();
    let mut meter = bench.meter();
    for number in 0..held {
        meter
            .call(&format!("known ref=hold-{number:04}"))
            .is("rc=VP_OK");
        let give_up = format!("cancel how=give_up ref=hold-{number:04}");
        let reply = meter.call(&give_up);
        assert!(!reply.code().is_empty());
    }
    meter.quit();
}

#[test]
fn what_the_settings_of_a_store_must_be() {
    let bench = Bench::new(&[]);
    let memory = format!("memory={}", bench.memory().display());
    let mut meter = bench.driver();
    meter
        .call(&bench.open_line(&format!("store=c {memory}")))
        .is("rc=VP_ERR_INVALID_ARGUMENT field=journal_dir");
    meter
        .call(&bench.open_line(&format!("store=half {memory} journal=@null")))
        .is("rc=VP_ERR_INVALID_ARGUMENT field=hooks.store_remove");
    meter.quit();
}

#[test]
fn a_store_hook_may_call_nothing() {
    let bench = stored(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    meter.call("inside hook=store");
    meter.call("create").is("rc=VP_OK");
    crate::callbacks::called_from(&meter, "store", &[]);
    meter.quit();
}

/// `examples-c/own_store.c`: a ride, killed in the middle, settled by the next start.
#[test]
fn the_example_rides_restarts_and_settles() {
    let bench = Bench::tls(&[]);
    let program = bench.dir.join("own_store");
    let sources = ["own_store.c", "block_store.c"].map(|name| root().join("examples-c").join(name));
    compile_program(
        &sources,
        &[strict(), &["-O2"]].concat(),
        Link::Static,
        &program,
    );
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(bench.memory()).args(arguments);
        command.env("VPMETER_URL", &bench.sim.url);
        command.env("VPMETER_CA_FILE", bench.sim.ca_file.as_ref().expect("TLS"));
        command.env("VPMETER_CLIENT_ID", "sim-client-id");
        command.env("VPMETER_CLIENT_SECRET", "sim-client-secret");
        command.env("VPMETER_SUBSCRIPTION_KEY", "sim-subscription-key");
        command.env("VPMETER_MSN", "123456");
        command.stdout(std::process::Stdio::piped());
        command.spawn().expect("the example")
    };
    let mut ride = run(&["ride", "24900", "91234567", REF]);
    crate::common::until("the create", || bench.sim.count("create") > 0);
    crate::common::until("the payment", || !bench.sim.ledger(REF).is_null());
    ride.kill().expect("its end");
    ride.wait().expect("its end");
    bench.sim.act(REF, "approve");
    let settled = run(&["settle"]).wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&settled.stdout);
    assert!(settled.status.success(), "{said}");
    assert!(said.contains(REF), "{said}");
    bench.sim.books(REF, &[FARE], 0, &[]);
    let again = run(&["settle"]).wait_with_output().expect("its end");
    assert!(again.status.success() && again.stdout.is_empty());
    bench.sim.books(REF, &[FARE], 0, &[]);
}
