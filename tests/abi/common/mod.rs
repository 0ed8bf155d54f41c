//! What the tests share: the files under test, a simulator, and a C program that carries out calls.

mod bench;
mod compile;
mod driver;
mod example;
pub mod http;
mod places;
mod simulator;

pub use bench::{Bench, FARE};
pub use compile::{
    compile_object, compile_program, compile_program_as, driver, file_text, pkg_config, strict,
    tool, Link, Tool,
};
pub use driver::{encode, Driver, Reply};
pub use example::{compile_example, Example};
pub use places::{lib_dir, root, simulator, Scratch};
pub use simulator::{preset, sent};

/// Waits in real time until `done`; for what another process does. Panics with `what` after ten seconds.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 10, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A check that this machine cannot make. Said past the test harness, which shows nothing of tests that pass.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
