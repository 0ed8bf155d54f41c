//! The C program of `tests/c`: lines to it, lines from it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// No call in these tests takes so long; a driver that says nothing for this time hangs.
const HANGS: Duration = Duration::from_secs(40);

/// A result or an event: what the driver wrote on one line.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub kind: String,
    fields: HashMap<String, String>,
    line: String,
}

impl Reply {
    fn parse(line: &str) -> Reply {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default().to_owned();
        let fields = words
            .filter_map(|w| w.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect();
        Reply {
            kind,
            fields,
            line: line.to_owned(),
        }
    }

    /// A field that may be missing.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.find(name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.line))
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        let text = self.get(name);
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number in {}", self.line))
    }

    pub fn code(&self) -> &str {
        self.get("rc")
    }

    /// The fields are as given: "rc=VP_OK state=CREATED owed=".
    #[track_caller]
    pub fn is(&self, expected: &str) -> &Reply {
        for word in expected.split_whitespace() {
            let (name, value) = word.split_once('=').expect("name=value");
            assert_eq!(
                self.find(name),
                Some(decode(value).as_str()),
                "{name}, in\n{}",
                self.line
            );
        }
        self
    }

    /// Bits of what is owed.
    #[track_caller]
    pub fn owes(&self, what: &str) -> bool {
        self.get("owed").split('+').any(|w| w == what)
    }

    /// All that the driver wrote, decoded: for looking for what must not be in it.
    pub fn everything(&self) -> String {
        let mut all: Vec<String> = self
            .fields
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        all.sort();
        all.join(" ")
    }
}

/// Percent-encodes what cannot stand in a line.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    for &b in bytes.as_ref() {
        if b.is_ascii_graphic() && b != b'%' && b != b'@' {
            out.push(char::from(b));
        } else {
            out += &format!("%{b:02X}");
        }
    }
    out
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A running driver.
pub struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: PathBuf,
    /// Results of threads, not asked for yet.
    results: HashMap<i64, Reply>,
    /// What the callbacks told, in order.
    pub events: Vec<Reply>,
}

impl Driver {
    /// Starts a program that speaks like the driver; `stderr` is a file for what it says there, which must be nothing.
    pub fn start(mut command: Command, stderr: &Path) -> Driver {
        let file = fs::File::create(stderr).expect("a file for stderr");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
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
        Driver {
            stdin: child.stdin.take(),
            child,
            lines,
            stderr: stderr.to_owned(),
            results: HashMap::new(),
            events: Vec::new(),
        }
    }

    fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the driver is still there");
        let written = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        if let Err(e) = written {
            panic!("the driver does not read: {e}\n{}", self.complaints());
        }
    }

    /// What it wrote to stderr.
    pub fn complaints(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// One call, and its result.
    #[track_caller]
    pub fn call(&mut self, line: &str) -> Reply {
        self.write(line);
        self.result(0, line)
    }

    /// A call by another thread of the driver; its result comes by [`Driver::end`].
    pub fn begin(&mut self, thread: i64, line: &str) {
        self.write(&format!("@{thread} {line}"));
    }

    #[track_caller]
    pub fn end(&mut self, thread: i64) -> Reply {
        self.result(thread, "the call of a thread")
    }

    #[track_caller]
    fn result(&mut self, thread: i64, what: &str) -> Reply {
        let start = Instant::now();
        loop {
            if let Some(reply) = self.results.remove(&thread) {
                return reply;
            }
            match self
                .lines
                .recv_timeout(HANGS.saturating_sub(start.elapsed()))
            {
                Ok(line) => self.take(&line),
                Err(RecvTimeoutError::Timeout) => panic!("the driver hangs in: {what}"),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    panic!(
                        "the driver ended ({status:?}) in: {what}\n{}",
                        self.complaints()
                    );
                }
            }
        }
    }

    fn take(&mut self, line: &str) {
        let reply = Reply::parse(line);
        match reply.kind.as_str() {
            "result" => drop(self.results.insert(reply.number("thread"), reply)),
            "event" => self.events.push(reply),
            _ => panic!("the driver says: {line}"),
        }
    }

    /// The result of a thread, if it has come by now.
    pub fn try_end(&mut self, thread: i64) -> Option<Reply> {
        while let Ok(line) = self.lines.try_recv() {
            self.take(&line);
        }
        self.results.remove(&thread)
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut names: Vec<String> = fs::read_dir(tasks)
            .expect("its threads")
            .filter_map(|t| fs::read_to_string(t.ok()?.path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Its memory that is not of files, kB.
    pub fn anonymous_kb(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its state");
        status
            .lines()
            .find_map(|l| l.strip_prefix("RssAnon:"))
            .and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
            .expect("RssAnon")
    }

    /// The events of one kind so far.
    pub fn told(&self, kind: &str) -> Vec<&Reply> {
        self.events
            .iter()
            .filter(|e| e.find("kind") == Some(kind))
            .collect()
    }

    /// The power fails.
    pub fn kill(mut self) {
        self.end_of_process();
    }

    fn end_of_process(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// It dies by itself, of SIGKILL.
    #[track_caller]
    pub fn wait_for_death(mut self, line: &str) {
        use std::os::unix::process::ExitStatusExt;
        self.write(line);
        let status = self.child.wait().expect("its end");
        assert_eq!(
            status.signal(),
            Some(9),
            "{status:?}: {}",
            self.complaints()
        );
    }

    /// A call in which it may die, of what [`Driver::wait_for_death`] says; `None` then.
    #[track_caller]
    pub fn call_or_death(&mut self, line: &str) -> Option<Reply> {
        self.write(line);
        loop {
            if let Some(reply) = self.results.remove(&0) {
                return Some(reply);
            }
            match self.lines.recv_timeout(HANGS) {
                Ok(line) => self.take(&line),
                Err(RecvTimeoutError::Timeout) => panic!("the driver hangs in: {line}"),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Closes everything and ends in good order.
    #[track_caller]
    pub fn quit(self) {
        self.quit_with(String::new);
    }

    /// The same; `why` explains an exit code that is not 0.
    #[track_caller]
    pub fn quit_with(mut self, why: impl Fn() -> String) {
        self.write("quit");
        drop(self.stdin.take());
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("its state") {
                Some(status) => break status,
                None if start.elapsed() > HANGS => panic!("the driver does not end"),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        assert!(status.success(), "{status}: {}{}", self.complaints(), why());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end_of_process();
        let complaints = self.complaints();
        if !complaints.is_empty() && !std::thread::panicking() {
            panic!("the driver wrote to stderr: {complaints}");
        }
    }
}
