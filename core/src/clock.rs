//! The door to time. The library has no clock of its own opinion: monotonic time for waiting and for the life of a
//! token, wall time for the record and for certificates, both through here.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at 0 now.
    pub fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
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
        self.start.elapsed().as_millis() as i64
    }

    fn sleep(&self, ms: u32) {
        std::thread::sleep(Duration::from_millis(u64::from(ms)));
    }
}
