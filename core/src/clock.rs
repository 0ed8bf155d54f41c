//! The door to time. The library has no clock of its own opinion: monotonic time for waiting and for the life of a
//! token, wall time for the record and for certificates, both through here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// Two answers that agree with each other do so within this: an answer takes that long at most. A clock that stands still,
/// or the `Date` of a cache, does not.
const AGREE_MS: i64 = 60_000;
/// Two answers closer than this may have come through the same accident.
const APART_MS: i64 = 10 * 60_000;
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
/// No single answer says what time it is: a gateway, a cache or one server of many may have a wrong clock. A `Date` is
/// *believed* in this process if the host's clock or the kept time agrees with it, or if an answer at least ten minutes
/// before said the same, with the monotonic time between and no other answer that spoke for another time. Wrong if all
/// answers of ten minutes are wrong in the same way, or one answer and the host's clock are.
///
/// What is believed, with the monotonic time since, is better than any wall clock: as long as there is that, a wall clock
/// that is off by more than a day is not. What an earlier process has kept is the *floor*: the time is not before it.
/// Nothing of the host's wall clock alone raises the floor, or one wrong moment in 2040 would leave a meter without
/// certificates for good.
pub struct BestClock {
    host: Arc<dyn Clock>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Kept by an earlier process.
    floor: Option<Moment>,
    /// Believed.
    said: Option<Moment>,
    /// One answer's, and nothing speaks for it yet.
    claim: Option<Moment>,
}

/// A time, and when it was that.
#[derive(Clone, Copy)]
struct Moment {
    unix_ms: i64,
    monotonic_ms: i64,
}

impl BestClock {
    /// A clock that knows nothing yet.
    pub fn new(host: Arc<dyn Clock>) -> BestClock {
        BestClock {
            host,
            heard: Mutex::default(),
        }
    }

    /// What an earlier process has kept. Nothing that cannot be a time.
    pub fn floor(&self, unix_ms: i64) {
        let floor = self.moment(unix_ms);
        let mut heard = self.heard();
        let higher = |old: Moment| unix_ms > old.now(floor.monotonic_ms);
        if can_be(unix_ms) && heard.floor.is_none_or(higher) {
            heard.floor = Some(floor);
        }
    }

    /// Takes note of the `Date` of an answer. `judged`: by which time the certificate of its connection was judged;
    /// `Nothing` for one without a certificate.
    pub fn answered(&self, judged: Judged, date_ms: Option<i64>) {
        let near = |date: &i64| match judged {
            Judged::Host(by) | Judged::Known(by) => (date - by).abs() <= CERTIFICATE_MS,
            Judged::Nothing => true,
        };
        let Some(date) = date_ms.filter(|date| can_be(*date) && near(date)) else {
            return;
        };
        let now = self.moment(date);
        let host = self.host_ms();
        let mut heard = self.heard();
        let by_host = can_be(host) && (date - host).abs() <= TOLERANCE_MS;
        let by_floor = heard.floor.is_some_and(|f| f.is_near(now, TOLERANCE_MS));
        match (heard.said, heard.claim) {
            (Some(said), _) if said.is_near(now, TOLERANCE_MS) => heard.claim = None,
            (None, _) if by_host || by_floor => heard.believe(now),
            (_, Some(claim)) if claim.is_near(now, AGREE_MS) => {
                if claim.is_apart_from(now) {
                    heard.believe(now);
                }
            }
            _ => heard.claim = Some(now),
        }
    }

    /// The latest time that is known, and what has passed since.
    pub fn latest(&self) -> Option<i64> {
        let heard = self.heard();
        let known = heard.said.or(heard.floor)?;
        Some(known.now(self.host.monotonic_ms()))
    }

    /// The time by what is believed of the servers' answers in this process.
    pub fn said(&self) -> Option<i64> {
        let said = self.heard().said?;
        Some(said.now(self.host.monotonic_ms()))
    }

    /// What the host's clock says, right or wrong.
    pub fn host_ms(&self) -> i64 {
        self.host.wall_ms().clamp(-FARTHEST_MS, FARTHEST_MS)
    }

    /// Whether `unix_ms` is less than `span_ms` from now, by any time that it may be: while the host's clock is not believed,
    /// times were written down by the kept time, before the servers were believed.
    pub fn may_be_within(&self, unix_ms: i64, span_ms: i64) -> bool {
        let within = |now: i64| (now.saturating_sub(unix_ms)).saturating_abs() < span_ms;
        if within(self.wall_ms()) {
            return true;
        }
        let floor = self.heard().floor;
        let host = matches!(self.judge(), Judged::Host(_));
        !host && floor.is_some_and(|f| within(f.now(self.host.monotonic_ms())))
    }

    /// By which time a certificate is judged now.
    pub fn judge(&self) -> Judged {
        let host = self.host_ms();
        let said = self.heard().said.is_some();
        let Some(now) = self.latest() else {
            return match can_be(host) {
                true => Judged::Host(host),
                false => Judged::Nothing,
            };
        };
        let too_early = host < now - TOLERANCE_MS;
        let too_late = said && host > now + TOLERANCE_MS;
        match can_be(host) && !too_early && !too_late {
            true => Judged::Host(host),
            false => Judged::Known(now),
        }
    }

    fn moment(&self, unix_ms: i64) -> Moment {
        Moment {
            unix_ms,
            monotonic_ms: self.host.monotonic_ms(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn believe(&mut self, now: Moment) {
        self.said = Some(now);
        self.claim = None;
    }
}

impl Moment {
    fn now(self, monotonic_ms: i64) -> i64 {
        let passed = monotonic_ms.saturating_sub(self.monotonic_ms);
        self.unix_ms.saturating_add(passed.clamp(0, FARTHEST_MS))
    }

    /// Both are the same time, give or take `by_ms`, with the monotonic time between.
    fn is_near(self, later: Moment, by_ms: i64) -> bool {
        (later.unix_ms - self.now(later.monotonic_ms)).abs() <= by_ms
    }

    fn is_apart_from(self, later: Moment) -> bool {
        later.monotonic_ms.saturating_sub(self.monotonic_ms) >= APART_MS
    }
}

/// Whether a clock that says this can be right.
pub(crate) fn can_be(unix_ms: i64) -> bool {
    (EARLIEST_MS..=LATEST_MS).contains(&unix_ms)
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
