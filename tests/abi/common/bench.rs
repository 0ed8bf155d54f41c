//! A meter on the bench: a simulator, a journal, and the driver in front of them.

use std::path::PathBuf;
use std::process::Command;

use super::compile::{driver, Link};
use super::driver::{encode, Driver};
use super::places::Scratch;
use super::simulator::Simulator;

/// What the rides cost, in øre.
pub const FARE: i64 = 24_900;

pub struct Bench {
    pub sim: Simulator,
    pub dir: Scratch,
    link: Link,
    /// Options of every open.
    options: String,
}

impl Bench {
    /// Plain HTTP on loopback.
    pub fn new(simulator: &[&str]) -> Bench {
        Bench {
            sim: Simulator::start(simulator),
            dir: Scratch::new(),
            link: Link::Shared,
            options: doors(),
        }
    }

    /// HTTPS with the simulator's throw-away authority.
    pub fn tls(simulator: &[&str]) -> Bench {
        Bench::new(&[&["--tls"], simulator].concat())
    }

    pub fn link(mut self, link: Link) -> Bench {
        self.link = link;
        self
    }

    /// More options for every open: "request_ms=300".
    pub fn with(mut self, options: &str) -> Bench {
        self.options = format!("{} {options}", self.options);
        self
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Every file of the journal and its bytes, in order.
    pub fn journal_files(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.journal())
    }

    /// The block of memory with the journal, if `store=` is among the options.
    pub fn memory(&self) -> PathBuf {
        self.dir.join("memory")
    }

    /// The line that opens a client on this bench.
    pub fn open_line(&self, more: &str) -> String {
        let path = |path: PathBuf| encode(path.to_str().expect("a path in UTF-8"));
        let journal = match self.options.contains("store=") {
            true => format!("memory={}", path(self.memory())),
            false => format!("journal={}", path(self.journal())),
        };
        let mut line = format!(
            "open base_url={} {journal} control={}",
            self.sim.url, self.sim.control
        );
        if let Some(ca) = &self.sim.ca_file {
            line += &format!(" ca_file={}", encode(ca));
        }
        // The last word wins: what is given here replaces what is above.
        for option in self
            .options
            .split_whitespace()
            .chain(more.split_whitespace())
        {
            let name = option.split('=').next().unwrap_or_default();
            let kept: Vec<&str> = line
                .split(' ')
                .filter(|w| !w.starts_with(&format!("{name}=")))
                .collect();
            line = format!("{} {option}", kept.join(" "));
        }
        line
    }

    /// A driver with no client.
    pub fn driver(&self) -> Driver {
        Driver::start(
            Command::new(driver(self.link)),
            &self.dir.join(&stderr_name()),
        )
    }

    /// A driver whose client is open.
    #[track_caller]
    pub fn meter(&self) -> Driver {
        let mut driver = self.driver();
        driver.call(&self.open_line("")).is("rc=VP_OK");
        driver
    }
}

/// Options of every open in this run of the tests: the doors of the firmware instead of the library's own,
/// `VPMETER_DOORS="store=c"`, or "transport=c".
fn doors() -> String {
    std::env::var("VPMETER_DOORS").unwrap_or_default()
}

fn stderr_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("stderr-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn files(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            // A file may go between the listing and the reading.
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), bytes));
        }
    }
    found.sort();
    found
}
