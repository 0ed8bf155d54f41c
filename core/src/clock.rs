//! The door to time. The library has no clock of its own opinion: monotonic time for waiting and for the life of a
//! token, wall time for the record and for certificates, both through here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A wall clock before this moment cannot be right, because there was no such library: 2026-01-01, Unix milliseconds. To
/// be moved with each release.
const EARLIEST_MS: i64 = 1_767_225_600_000;
/// Nor can one after this: no meter runs a version for twenty years.
const LATEST_MS: i64 = EARLIEST_MS + 20 * 365 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;
/// A clock that is off by less is only a clock that is off.
const TOLERANCE_MS: i64 = DAY_MS;
/// What servers say is believed if it is no farther than this from the time by which their certificate was judged: no
/// public certificate lives longer.
const CERTIFICATE_MS: i64 = 400 * DAY_MS;
/// Beyond all clocks, so that no sum of times overflows.
const FARTHEST_MS: i64 = 1_000_000_000_000_000;

/// Time as the host gives it.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC. May be wrong; may jump.
    fn wall_ms(&self) -> i64;
    /// Milliseconds since any fixed moment; never goes back.
    fn monotonic_ms(&self) -> i64;
    /// Waits for about `ms` milliseconds; the library never asks for more than 200.
    fn sleep(&self, ms: u32);
}

/// The operating system's clocks.
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// A clock whose monotonic time starts at 0 now.
    pub fn new() -> SystemClock {
        SystemClock {
            start: since_boot(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(d) => d.as_millis() as i64,
            Err(e) => -(e.duration().as_millis() as i64),
        }
    }

    fn monotonic_ms(&self) -> i64 {
        since_boot().saturating_sub(self.start).as_millis() as i64
    }

    fn sleep(&self, ms: u32) {
        std::thread::sleep(Duration::from_millis(u64::from(ms)));
    }
}

/// Time that goes on while the machine sleeps: a token does not live longer because the meter slept.
pub(crate) fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let t = rustix::time::clock_gettime(clock);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// By which time certificates are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The host's, which can be right.
    Host(i64),
    /// The host's cannot be right; the latest that is known, and what has passed since.
    Known(i64),
    /// There is none.
    Nothing,
}

/// The host's clock, and what is known of the time besides.
///
/// What servers have said in this process over a verified connection, and the monotonic time since, is better than any
/// wall clock: as long as there is that, a wall clock that is off by more than a day is not believed. What an earlier
/// process has kept is the *floor*: the time is not before it. Nothing of the host's wall clock alone raises the floor, or
/// one wrong moment in 2040 would leave a meter without certificates for good.
pub struct BestClock {
    host: Arc<dyn Clock>,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    unix_ms: i64,
    monotonic_ms: i64,
    /// Said in this process, by servers.
    said: bool,
}

impl BestClock {
    /// A clock that knows nothing yet.
    pub fn new(host: Arc<dyn Clock>) -> BestClock {
        BestClock {
            host,
            known: Mutex::new(None),
        }
    }

    /// What an earlier process has kept. Nothing that cannot be a time.
    pub fn floor(&self, unix_ms: i64) {
        if (EARLIEST_MS..=LATEST_MS).contains(&unix_ms) {
            self.know(unix_ms, false);
        }
    }

    /// Takes note of an answer over a verified connection, which was judged by `judged`, and of its `Date`.
    pub fn answered(&self, judged: Judged, date_ms: Option<i64>) {
        let by = match judged {
            Judged::Host(ms) | Judged::Known(ms) => ms,
            Judged::Nothing => return,
        };
        let believed = |date: &i64| {
            (EARLIEST_MS..=LATEST_MS).contains(date) && (date - by).abs() <= CERTIFICATE_MS
        };
        match (date_ms.filter(believed), judged) {
            (Some(date), _) => self.know(date, true),
            // Without a date: a certificate was valid at the host's time, so that is not far off.
            (None, Judged::Host(ms)) => self.know(ms, false),
            _ => {}
        }
    }

    fn know(&self, unix_ms: i64, said: bool) {
        let monotonic_ms = self.host.monotonic_ms();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // What is said is right; what is not can only be a floor.
        if said || known.is_none_or(|k| !k.said && unix_ms > k.now(monotonic_ms)) {
            *known = Some(Known {
                unix_ms,
                monotonic_ms,
                said,
            });
        }
    }

    /// The latest time that is known, and what has passed since.
    pub fn latest(&self) -> Option<i64> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Some(known?.now(self.host.monotonic_ms()))
    }

    /// By which time a certificate is judged now.
    pub fn judge(&self) -> Judged {
        let host = self.host_ms();
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let can_be = (EARLIEST_MS..=LATEST_MS).contains(&host);
        let Some(known) = known else {
            return match can_be {
                true => Judged::Host(host),
                false => Judged::Nothing,
            };
        };
        let now = known.now(self.host.monotonic_ms());
        let too_early = host < now - TOLERANCE_MS;
        let too_late = known.said && host > now + TOLERANCE_MS;
        match can_be && !too_early && !too_late {
            true => Judged::Host(host),
            false => Judged::Known(now),
        }
    }

    fn host_ms(&self) -> i64 {
        self.host.wall_ms().clamp(-FARTHEST_MS, FARTHEST_MS)
    }
}

impl Known {
    fn now(self, monotonic_ms: i64) -> i64 {
        let passed = monotonic_ms.saturating_sub(self.monotonic_ms);
        self.unix_ms.saturating_add(passed.clamp(0, FARTHEST_MS))
    }
}

impl Clock for BestClock {
    fn wall_ms(&self) -> i64 {
        match self.judge() {
            Judged::Host(ms) | Judged::Known(ms) => ms,
            Judged::Nothing => self.host_ms(),
        }
    }

    fn monotonic_ms(&self) -> i64 {
        self.host.monotonic_ms()
    }

    fn sleep(&self, ms: u32) {
        self.host.sleep(ms);
    }
}
