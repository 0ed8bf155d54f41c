//! The payments outside of the meter's process: `examples-c/own_process.c` and `payment_process.c`. What the library touches
//! otherwise is in `tests/python/metrology.py`.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{compile_example, root, strict, tool, Bench, Example, Scratch, Tool, FARE};

const REFERENCE: &str = "own-process-0001";

struct Meter {
    scratch: Scratch,
    meter: PathBuf,
    payments: PathBuf,
}

impl Meter {
    /// The meter's side is compiled without header and library of vpmeter: it needs neither.
    fn new() -> Meter {
        let scratch = Scratch::new();
        let (meter, payments) = (scratch.join("own_process"), scratch.join("payment_process"));
        compile_example(&["payment_process"], &[], &payments);
        let mut command = tool(Tool::C);
        command.args(strict()).arg("-O2");
        command.arg(root().join("examples-c/own_process.c"));
        let output = command.arg("-o").arg(&meter).output().expect("a compiler");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        Meter {
            scratch,
            meter,
            payments,
        }
    }

    fn start(&self, bench: &Bench, payments: &PathBuf) -> Example {
        let mut command = Command::new(&self.meter);
        command.arg(payments);
        Example::start(command, bench, REFERENCE)
    }
}

/// The process that the meter has told of.
fn kill(line: &str) {
    let pid = line.rsplit(' ').next().expect("a process");
    let pid: libc::pid_t = pid.parse().expect("its number");
    // SAFETY: a plain system call; the process is a child of the meter, which waits for it only after this.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

#[test]
fn payments_that_die_are_started_anew_and_charge_once() {
    let bench = Bench::tls(&["--passenger", "ignore"]);
    let own = Meter::new();
    let mut meter = own.start(&bench, &own.payments);
    let first = meter.wait_for("payments are process");
    meter.wait_for("WAIT: Waiting for the passenger");
    kill(&first);
    let second = meter.wait_for("payments are process");
    assert_ne!(first, second);
    bench.sim.act(REFERENCE, "approve");
    meter.wait_for("PAID_LEAVE, captured 24900 (VP_OK)");
    assert_eq!(meter.end(), Some(0));
    bench.sim.books(REFERENCE, &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("create"), 1);
}

#[test]
fn a_passenger_who_declines_is_told() {
    let bench = Bench::new(&["--passenger", "decline"]);
    let own = Meter::new();
    let mut meter = own.start(&bench, &own.payments);
    meter.wait_for("TAKE_OTHER_PAYMENT, captured 0 (VP_ERR_NOT_APPROVED)");
    assert_eq!(meter.end(), Some(1));
}

/// What is no line of the protocol is dropped, and a program that cannot be run is said, not waited for.
#[test]
fn the_meter_survives_whatever_the_other_process_says() {
    let bench = Bench::new(&[]);
    let own = Meter::new();
    let noise = own.scratch.join("noise");
    let script = format!(
        "#!/bin/sh\nhead -c 100000 /dev/urandom\nprintf '\\nEND\\nEND other-ride PAID_LEAVE 24900 VP_OK\\n'\n\
         printf '%01000d\\n' 0\necho 'END {REFERENCE} SECURED_LEAVE 0 VP_PENDING'\n"
    );
    std::fs::write(&noise, script).expect("a script");
    let mut mode = std::fs::metadata(&noise).expect("its mode").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&noise, mode).expect("a mode");
    let mut meter = own.start(&bench, &noise);
    meter.wait_for("SECURED_LEAVE, captured 0 (VP_PENDING)");
    assert_eq!(meter.end(), Some(1));
    let mut meter = own.start(&bench, &own.scratch.join("nothing"));
    for _ in 0..5 {
        meter.wait_for("payments are process");
    }
    assert_eq!(meter.end(), Some(1));
}
