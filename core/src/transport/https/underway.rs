//! The exchange under way on this thread: its watch, its time limits and what it has cost so far.
//!
//! ureq keeps connections in a pool and calls the resolver, the connector and the connection without a word about
//! which exchange it is for. But it calls them on the thread that runs the exchange. So the exchange lies in a
//! thread-local for as long as it lasts, and whoever waits for the network finds it there.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::tcp::Wire;
use crate::error::Cause;
use crate::transport::{Flow, Request, Traffic};

/// The longest wait without a look at the watch.
const SLICE: Duration = Duration::from_millis(200);

/// Why an exchange ended without an answer. Travels as a value through the errors of ureq and rustls, so that neither
/// has to guess a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub cause: Cause,
    pub detail: String,
}

impl Ended {
    pub fn new(cause: Cause, detail: impl Into<String>) -> Ended {
        Ended {
            cause,
            detail: detail.into(),
        }
    }

    /// Wraps it for ureq. Never as `Error::Io`: ureq takes some kinds of those for the end of a body.
    pub fn into_ureq(self) -> ureq::Error {
        ureq::Error::Other(Box::new(self))
    }

    /// Wraps it for rustls, which hands errors of the socket through untouched.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Unwraps what came back through rustls.
    pub fn from_io(error: io::Error, otherwise: Cause) -> Ended {
        match error.downcast::<Ended>() {
            Ok(ended) => ended,
            Err(error) => Ended::new(otherwise, error.to_string()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Ended {}

/// What the exchange is doing, for the detail of a time-out and for the choice of the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    LookingUp,
    Connecting,
    AskingProxy,
    ShakingHands,
    Talking,
}

impl Phase {
    fn text(self) -> &'static str {
        match self {
            Phase::LookingUp => "looking up the name",
            Phase::Connecting => "connecting",
            Phase::AskingProxy => "asking the proxy for a tunnel",
            Phase::ShakingHands => "in the TLS handshake",
            Phase::Talking => "waiting for the answer",
        }
    }
}

/// One exchange, from the first look at its URL to the last byte of the answer.
pub(super) struct Underway {
    watch: Rc<dyn Fn() -> Flow>,
    phase: Cell<Phase>,
    limit_ms: u32,
    deadline: Instant,
    connect_deadline: Instant,
    next_watch: Cell<Instant>,
    may_have_left: Cell<bool>,
    /// The connection with the request and no answer yet.
    unanswered: RefCell<Option<Arc<Wire>>>,
    sent: Cell<u64>,
    received: Cell<u64>,
}

thread_local! {
    static UNDERWAY: RefCell<Option<Rc<Underway>>> = const { RefCell::new(None) };
}

/// Ends the exchange's stay in the thread-local, also when a panic passes by.
pub(super) struct Entered {
    before: Option<Rc<Underway>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        // During the end of a thread there is nothing left to put back.
        let _ = UNDERWAY.try_with(|u| u.replace(before));
    }
}

/// However the exchange ends, also by a panic: without an answer its connection is reset, so that this machine sends no
/// byte of the request any more.
impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(wire) = self.unanswered.take() {
            wire.reset();
        }
    }
}

impl Underway {
    pub fn new(request: &Request, watch: Rc<dyn Fn() -> Flow>) -> Underway {
        let now = Instant::now();
        let deadline = now + Duration::from_millis(u64::from(request.limit_ms));
        let connect = now + Duration::from_millis(u64::from(request.connect_limit_ms));
        Underway {
            watch,
            phase: Cell::new(Phase::LookingUp),
            limit_ms: request.limit_ms,
            deadline,
            connect_deadline: connect.min(deadline),
            next_watch: Cell::new(now + SLICE),
            may_have_left: Cell::new(false),
            unanswered: RefCell::new(None),
            sent: Cell::new(0),
            received: Cell::new(0),
        }
    }

    /// Makes this the exchange under way on this thread until the guard is dropped.
    pub fn enter(self: &Rc<Self>) -> Entered {
        Entered {
            before: UNDERWAY.with(|u| u.replace(Some(Rc::clone(self)))),
        }
    }

    /// The exchange under way on this thread.
    pub fn current() -> Result<Rc<Underway>, Ended> {
        UNDERWAY
            .try_with(|u| u.borrow().clone())
            .ok()
            .flatten()
            .ok_or_else(|| Ended::new(Cause::ConnectionLost, "no exchange under way"))
    }

    pub fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// The end of the present phase.
    pub fn limit(&self) -> Instant {
        match self.phase.get() {
            Phase::Talking => self.deadline,
            _ => self.connect_deadline,
        }
    }

    /// The time limit of the whole exchange, in milliseconds.
    pub fn limit_ms(&self) -> u32 {
        self.limit_ms
    }

    pub fn may_have_left(&self) -> bool {
        self.may_have_left.get()
    }

    /// To be called before each piece of the request is handed to the wire. The first time is the last moment at which
    /// ending costs nothing, so the watch is asked whatever the time; from here on every failure leaves doubt.
    pub fn before_sending(&self, wire: &Arc<Wire>) -> Result<(), Ended> {
        self.set_phase(Phase::Talking);
        if !self.may_have_left.get() {
            self.ask()?;
            self.check_time()?;
            self.may_have_left.set(true);
            *self.unanswered.borrow_mut() = Some(Arc::clone(wire));
        }
        Ok(())
    }

    /// The answer is there, whole.
    pub fn set_answered(&self) {
        self.unanswered.take();
    }

    pub fn count_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    pub fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    pub fn traffic(&self) -> Traffic {
        Traffic {
            sent: self.sent.get(),
            received: self.received.get(),
        }
    }

    /// Asks the watch if it is time to, and ends the exchange when its time is over. Before every system call, so that
    /// a peer who always has one more byte is bounded like one who has none.
    pub fn check(&self) -> Result<(), Ended> {
        if Instant::now() >= self.next_watch.get() {
            self.ask()?;
        }
        self.check_time()
    }

    /// How long to wait until the next `check`, and not beyond `until`.
    pub fn slice(&self, until: Instant) -> Duration {
        self.next_watch
            .get()
            .min(self.limit())
            .min(until)
            .saturating_duration_since(Instant::now())
    }

    /// Waits in slices until the socket is ready: `true`, or until `until`: `false`.
    pub fn wait(&self, socket: impl AsFd, flags: PollFlags, until: Instant) -> Result<bool, Ended> {
        loop {
            self.check()?;
            if Instant::now() >= until {
                return Ok(false);
            }
            let slice = self.slice(until);
            let timeout = Timespec {
                tv_sec: slice.as_secs() as _,
                tv_nsec: slice.subsec_nanos() as _,
            };
            match poll(&mut [PollFd::new(&socket, flags)], Some(&timeout)) {
                Ok(0) => {}
                // Errors and hang-ups too: the next call on the socket says which.
                Ok(_) => return Ok(true),
                // A signal of the host.
                Err(Errno::INTR) => {}
                Err(e) => {
                    return Err(Ended::new(
                        Cause::ConnectionLost,
                        format!("poll: {}", io::Error::from(e)),
                    ))
                }
            }
        }
    }

    fn ask(&self) -> Result<(), Ended> {
        let flow = (self.watch)();
        // From its return, so that a slow hook is not called back to back.
        self.next_watch.set(Instant::now() + SLICE);
        match flow {
            // What has begun is carried to its end.
            Flow::GoOn | Flow::Leave => Ok(()),
            Flow::Stop => Err(Ended::new(
                Cause::Interrupted,
                format!("stopped while {}", self.doing()),
            )),
        }
    }

    fn check_time(&self) -> Result<(), Ended> {
        if Instant::now() < self.limit() {
            return Ok(());
        }
        Err(Ended::new(
            Cause::Timeout,
            format!("time over while {}", self.doing()),
        ))
    }

    fn doing(&self) -> &'static str {
        match self.may_have_left.get() {
            false if self.phase.get() == Phase::Talking => "about to send",
            _ => self.phase.get().text(),
        }
    }
}
