//! Memory and file descriptors of a client. `docs/bounds.md` has these ceilings.

use super::relay::{Relay, Way};
use crate::common::{until, Bench};

/// At rest: the lock of the journal, and two connections that are kept.
const AT_REST: i64 = 3;
/// A call that works: its connection, and at most two files of the journal at a time.
const A_CALL: i64 = 3;

#[test]
fn file_descriptors() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut meter = bench.driver();
    // The C library and the driver have opened what they open once.
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter.call("close").is("rc=VP_OK");
    let before = meter.call("files").number("open");
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    let open = meter.call("files").number("open") - before;
    assert!(
        (1..=AT_REST - 2).contains(&open),
        "open, nothing sent: {open}"
    );
    // Rides side by side; then all are over.
    for thread in 1..=4 {
        meter.begin(thread, &format!("ride ref=trip-100{thread} wait=660000"));
    }
    let mut most = 0;
    let mut ended = 0;
    while ended < 4 {
        most = most.max(meter.call("files").number("open") - before);
        for thread in 1..=4 {
            if let Some(reply) = meter.try_end(thread) {
                reply.is("rc=VP_OK");
                ended += 1;
            }
        }
    }
    assert!(most <= AT_REST + 4 * A_CALL, "four rides: {most}");
    let rest = meter.call("files").number("open") - before;
    assert!((2..=AT_REST).contains(&rest), "at rest: {rest}");
    meter.call("close").is("rc=VP_OK");
    assert_eq!(meter.call("files").number("open"), before, "closed");
}

/// The same where every request hangs: what piles up is one connection for each call.
#[test]
fn file_descriptors_of_calls_that_hang() {
    let bench = Bench::new(&[]);
    let relay = Relay::here("", Way::Silent);
    let url = format!("base_url=http://127.0.0.1:{} request_ms=1500", relay.port);
    let mut meter = bench.driver();
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter.call("close").is("rc=VP_OK");
    let before = meter.call("files").number("open");
    meter.call(&bench.open_line(&url)).is("rc=VP_OK");
    for thread in 1..=4 {
        meter.begin(thread, &format!("create ref=trip-100{thread} wait=100"));
    }
    // One fetches the token, the others wait for it.
    until("a connection hangs", || !relay.peers().is_empty());
    let hanging = meter.call("files").number("open") - before;
    assert!(hanging <= AT_REST + 4 * A_CALL, "{hanging}");
    for thread in 1..=4 {
        meter.end(thread);
    }
    let rest = meter.call("files").number("open") - before;
    assert!(rest <= AT_REST, "at rest: {rest}");
}

/// 200 rides of one client, with receipts and trips: what the library keeps in memory does not grow with the shift.
#[test]
fn memory_of_a_long_shift() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut meter = bench.meter();
    let mut anonymous = Vec::new();
    for ride in 1..=200 {
        meter
            .call(&format!(
                "ride ref=trip-{ride:04} trip=T{ride} wait=660000 lines=1 l0.total=24900"
            ))
            .is("rc=VP_OK verdict=PAID_LEAVE");
        // What the driver told so far is this test's, not the library's.
        meter.events.clear();
        if ride % 50 == 0 {
            anonymous.push(meter.anonymous_kb());
        }
    }
    let (first, last) = (anonymous[0], anonymous[3]);
    assert!(
        last * 100 <= first * 110,
        "after 50, 100, 150 and 200 rides: {anonymous:?} kB"
    );
}
