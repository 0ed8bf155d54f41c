//! The programs of `examples-c`, run against the servers of a bench, with keys to press.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use super::compile::{compile_program, strict, Link};
use super::places::root;
use super::Bench;

/// Compiles an example as a firmware engineer would.
pub fn compile_example(names: &[&str], flags: &[&str], program: &Path) {
    let source = |name: &&str| root().join("examples-c").join(format!("{name}.c"));
    let sources: Vec<PathBuf> = names.iter().map(source).collect();
    compile_program(
        &sources,
        &[strict(), &["-O2", "-pthread"], flags].concat(),
        Link::Shared,
        program,
    );
}

/// An example that runs.
pub struct Example {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    pub said: Vec<String>,
}

impl Example {
    /// `command` is the program, or what runs it; the ride is a fare of 249 kroner under `reference`.
    pub fn start(command: Command, bench: &Bench, reference: &str) -> Example {
        Example::start_with(command, bench, reference, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(
        mut command: Command,
        bench: &Bench,
        reference: &str,
        more: &[(&str, &str)],
    ) -> Example {
        command
            .args(["24900", "912 34 567", reference])
            .env("VPMETER_URL", &bench.sim.url)
            .env("VPMETER_CLIENT_ID", "sim-client-id")
            .env("VPMETER_CLIENT_SECRET", "sim-client-secret")
            .env("VPMETER_SUBSCRIPTION_KEY", "sim-subscription-key")
            .env("VPMETER_MSN", "123456")
            .env("VPMETER_JOURNAL_DIR", bench.journal())
            .env_remove("VPMETER_CA_FILE")
            .env_remove("VPMETER_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(ca) = &bench.sim.ca_file {
            command.env("VPMETER_CA_FILE", ca);
        }
        command.envs(more.iter().copied());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("its stdout"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Example {
            stdin: child.stdin.take(),
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("it never said {text:?}: {:#?}", self.said),
            }
        }
    }

    pub fn press(&mut self, key: &str) {
        let stdin = self.stdin.as_mut().expect("its stdin");
        stdin.write_all(key.as_bytes()).expect("a key is pressed");
    }

    /// Waits for its end; gives the exit code.
    pub fn end(mut self) -> Option<i32> {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(60)) {
            self.said.push(line);
        }
        let code = self.child.wait().expect("its end").code();
        if code != Some(0) {
            println!("{:#?}", self.said);
        }
        code
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
