//! One ride under valgrind, if it is installed: nothing read that was not written, nothing kept at the end.

use std::process::Command;

use crate::common::{driver, file_text, root, skipped, Bench, Driver, Link, FARE};

#[test]
fn of_a_ride_under_valgrind() {
    let there = Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !there {
        skipped("valgrind is not installed (apt-get install valgrind)");
        return;
    }
    // Plain HTTP: ring's assembly for TLS gives false reports.
    let bench = Bench::new(&[]).with("request_ms=60000");
    let said = bench.dir.join("valgrind.txt");
    let mut command = Command::new("valgrind");
    command
        .args([
            "--leak-check=full",
            "--show-leak-kinds=all",
            "--errors-for-leak-kinds=all",
        ])
        .arg("--error-exitcode=99")
        .arg(format!("--log-file={}", said.display()))
        .arg(format!(
            "--suppressions={}",
            root().join("tests/c/valgrind.supp").display()
        ))
        .arg(driver(Link::Static));
    let mut meter = Driver::start(command, &bench.dir.join("stderr"));
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter
        .call("ride wait=660000 lines=2 l0.total=20000 l1.total=4900")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    meter.call("refund amount=5000").is("rc=VP_OK");
    meter.call("events").is("rc=VP_OK");
    meter.call("list").is("rc=VP_OK");
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("create amount=1")
        .is("rc=VP_ERR_INVALID_ARGUMENT");
    meter
        .call("create ref=trip-0002 wait=0")
        .is("rc=VP_PENDING");
    meter
        .call("cancel ref=trip-0002 how=give_up wait=0")
        .is("rc=VP_OK");
    meter.begin(1, "create ref=trip-0003 wait=5000");
    meter.end(1).is("rc=VP_OK");
    meter.call("close").is("rc=VP_OK");
    meter
        .call("known client=stale")
        .is("rc=VP_ERR_NO_SUCH_CLIENT");
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter.call("known").is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit_with(|| file_text(&said));
    bench.sim.books("trip-0001", &[FARE], 0, &[5_000]);
}

/// Opening, riding and closing again and again leaves no file open.
#[test]
fn of_files() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut meter = bench.driver();
    let mut counts = Vec::new();
    for number in 0..8 {
        meter.call(&bench.open_line("")).is("rc=VP_OK");
        meter
            .call(&format!("ride ref=trip-100{number} wait=660000"))
            .is("rc=VP_OK");
        meter.call("close").is("rc=VP_OK");
        counts.push(meter.call("files").number("open"));
    }
    assert!(counts.iter().all(|c| *c == counts[0]), "{counts:?}");
}
