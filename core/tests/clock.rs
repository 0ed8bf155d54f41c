//! By which time certificates are judged, whatever the host's clock says.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use vpmeter_core::clock::{BestClock, Clock, Judged};

const DAY_MS: i64 = 24 * 3_600_000;
/// 2026-01-01, before which there was no such library.
const EARLIEST_MS: i64 = 1_767_225_600_000;
const LATEST_MS: i64 = EARLIEST_MS + 20 * 365 * DAY_MS;
const NOON: i64 = 1_795_435_200_000;
const YEAR: i64 = 365 * DAY_MS;

#[derive(Default)]
struct Host {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl Clock for Host {
    fn wall_ms(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }
    fn monotonic_ms(&self) -> i64 {
        self.monotonic.load(Ordering::Relaxed)
    }
    fn sleep(&self, _: u32) {}
}

fn clock(wall: i64) -> (Arc<Host>, BestClock) {
    let host = Arc::new(Host::default());
    host.wall.store(wall, Ordering::Relaxed);
    (host.clone(), BestClock::new(host))
}

#[test]
fn without_anything_known_a_clock_can_be_right_or_not() {
    for (wall, judged) in [
        (NOON, Judged::Host(NOON)),
        (EARLIEST_MS, Judged::Host(EARLIEST_MS)),
        (EARLIEST_MS - 1, Judged::Nothing),
        (LATEST_MS + 1, Judged::Nothing),
        (0, Judged::Nothing),
        (-1, Judged::Nothing),
        (i64::MIN, Judged::Nothing),
        (i64::MAX, Judged::Nothing),
    ] {
        assert_eq!(clock(wall).1.judge(), judged, "{wall}");
    }
}

#[test]
fn above_the_floor_and_below_it() {
    for (wall, judged) in [
        (NOON + YEAR, Judged::Host(NOON + YEAR)),
        (NOON - DAY_MS, Judged::Host(NOON - DAY_MS)),
        (NOON - DAY_MS - 1, Judged::Known(NOON)),
        (0, Judged::Known(NOON)),
        (i64::MAX, Judged::Known(NOON)),
    ] {
        let (host, best) = clock(wall);
        best.floor(NOON);
        assert_eq!(best.judge(), judged, "{wall}");
        // The floor rises with the time that passes.
        host.monotonic.store(DAY_MS, Ordering::Relaxed);
        assert_eq!(best.latest(), Some(NOON + DAY_MS));
    }
}

#[test]
fn what_the_servers_say_is_better_than_a_clock_that_jumps() {
    let (host, best) = clock(NOON);
    best.answered(best.judge(), Some(NOON + 5_000));
    assert_eq!(best.judge(), Judged::Host(NOON));
    host.monotonic.store(60_000, Ordering::Relaxed);
    for jump in [-YEAR, YEAR, -NOON, i64::MIN / 2, i64::MAX / 2] {
        host.wall
            .store(NOON.saturating_add(jump), Ordering::Relaxed);
        assert_eq!(best.judge(), Judged::Known(NOON + 65_000), "{jump}");
        assert_eq!(best.wall_ms(), NOON + 65_000);
    }
}

/// A wrong moment must not become a floor that nobody gets below again.
#[test]
fn nothing_absurd_raises_the_floor() {
    let (host, best) = clock(NOON);
    for date in [NOON + 2 * YEAR, NOON - 2 * YEAR, i64::MAX, i64::MIN, 0] {
        best.answered(best.judge(), Some(date));
        assert!(best.latest().unwrap() <= NOON, "{date}");
    }
    host.wall.store(LATEST_MS + YEAR, Ordering::Relaxed);
    best.answered(best.judge(), None);
    assert_eq!(best.latest(), Some(NOON));
    best.floor(i64::MAX);
    assert_eq!(best.latest(), Some(NOON));
}

#[test]
fn a_monotonic_clock_that_goes_back_takes_no_time_away() {
    let (host, best) = clock(0);
    host.monotonic.store(DAY_MS, Ordering::Relaxed);
    best.floor(NOON);
    host.monotonic.store(i64::MIN, Ordering::Relaxed);
    assert_eq!(best.judge(), Judged::Known(NOON));
}
