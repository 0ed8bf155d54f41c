//! Lines for people, on stderr. Whoever reads there may be slow, or gone, or never have been there: no request waits
//! for that, so a thread of its own writes, and what it cannot keep up with is counted instead of kept.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// So many lines may wait for a slow reader.
const WAITING: usize = 10_000;

/// The end of the process waits so long for the last lines to be read, in real time.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Said {
    Line(String),
    /// All that was said before has been written.
    Mark(Sender<()>),
}

static MISSED: AtomicU64 = AtomicU64::new(0);

static WRITER: OnceLock<Option<SyncSender<Said>>> = OnceLock::new();

fn writer() -> Option<SyncSender<Said>> {
    let (sender, lines) = mpsc::sync_channel(WAITING);
    let writer = thread::Builder::new().name("stderr".to_owned()).spawn(move || write(&lines));
    writer.is_ok().then_some(sender)
}

fn write(lines: &Receiver<Said>) {
    for said in lines {
        match said {
            Said::Line(line) => drop(writeln!(io::stderr(), "{line}")),
            Said::Mark(reached) => drop(reached.send(())),
        }
        match MISSED.swap(0, Ordering::Relaxed) {
            0 => {}
            missed => drop(writeln!(io::stderr(), "vp-simulator: {missed} lines more than could be written")),
        }
    }
}

/// Never waits and never fails.
pub fn say(line: String) {
    let Some(writer) = WRITER.get_or_init(writer) else { return };
    if writer.try_send(Said::Line(line)).is_err() {
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Before the process ends: returns when all lines are out, or after a second if nobody takes them.
pub fn last_words() {
    // If nothing has been said there is no thread yet, and no need for one.
    let Some(Some(writer)) = WRITER.get() else { return };
    let end = Instant::now() + LAST_WORDS;
    let (reached, mark) = mpsc::channel();
    let mut said = Said::Mark(reached);
    while let Err(TrySendError::Full(back)) = writer.try_send(said) {
        if Instant::now() > end {
            return;
        }
        said = back;
        thread::sleep(Duration::from_millis(1));
    }
    let _ = mark.recv_timeout(end.saturating_duration_since(Instant::now()));
}
