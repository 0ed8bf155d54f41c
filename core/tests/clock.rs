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

const MINUTE: i64 = 60_000;

/// Answers at these minutes, with dates that are wrong by so much; by which time is judged after each.
fn heard(wall: i64, floor: Option<i64>, answers: &[(i64, i64)]) -> Vec<Judged> {
    let (host, best) = clock(wall);
    floor.into_iter().for_each(|ms| best.floor(ms));
    let mut judged = Vec::new();
    for (minute, wrong) in answers {
        let passed = minute * MINUTE;
        host.monotonic.store(passed, Ordering::Relaxed);
        host.wall
            .store(wall.saturating_add(passed), Ordering::Relaxed);
        best.answered(best.judge(), Some(NOON + passed + wrong));
        judged.push(best.judge());
    }
    judged
}

/// One answer is no proof; the same, ten minutes later, is one, if none between spoke for another time.
#[test]
fn a_date_that_nothing_agrees_with() {
    let host = |minute| Judged::Host(NOON + minute * MINUTE);
    for wrong in [30 * DAY_MS, -30 * DAY_MS, 399 * DAY_MS, DAY_MS + 1] {
        let known = |minute| Judged::Known(NOON + minute * MINUTE + wrong);
        assert_eq!(heard(NOON, None, &[(0, wrong)]), [host(0)]);
        let nine = heard(NOON, None, &[(0, wrong), (3, wrong), (9, wrong)]);
        assert_eq!(nine, [host(0), host(3), host(9)]);
        let ten = heard(NOON, None, &[(0, wrong), (10, wrong)]);
        assert_eq!(ten, [host(0), known(10)]);
        // A right answer between them, before and after the host's time was believed.
        let all = [
            (0, wrong),
            (5, 0),
            (10, wrong),
            (12, 0),
            (20, wrong),
            (25, wrong),
        ];
        let hosts = all.map(|(minute, _)| host(minute));
        assert_eq!(heard(NOON, None, &all), hosts);
        // Right answers take a wrong time back, by the same rule.
        let back = heard(NOON, None, &[(0, wrong), (10, wrong), (11, 0), (21, 0)]);
        assert_eq!(back, [host(0), known(10), known(11), host(21)]);
    }
}

/// A meter without a clock goes by the kept time until two answers agree.
#[test]
fn two_answers_are_better_than_the_floor() {
    let floor = NOON - 40 * DAY_MS;
    let known = |from: i64, minute: i64| Judged::Known(from + minute * MINUTE);
    let judged = heard(0, Some(floor), &[(0, 0), (9, 0), (10, 0)]);
    assert_eq!(judged, [known(floor, 0), known(floor, 9), known(NOON, 10)]);
    let judged = heard(0, Some(NOON - DAY_MS), &[(0, 0)]);
    assert_eq!(judged, [known(NOON, 0)], "the floor agrees");
}

/// A wrong moment must not become a time that nobody gets below again, however often it is said.
#[test]
fn nothing_absurd_is_believed() {
    for date in [NOON + 2 * YEAR, NOON - 2 * YEAR, i64::MAX, i64::MIN, 0] {
        let (host, best) = clock(NOON);
        for minute in 0..60 {
            host.monotonic.store(minute * MINUTE, Ordering::Relaxed);
            let date = date.saturating_add(minute * MINUTE);
            best.answered(best.judge(), Some(date));
            best.answered(best.judge(), None);
        }
        assert_eq!(best.latest(), None, "{date}");
    }
    let (_, best) = clock(NOON);
    best.floor(i64::MAX);
    assert_eq!(best.latest(), None);
}

/// Without a certificate there is nothing to measure a date by but other dates.
#[test]
fn without_a_certificate_any_time_can_be() {
    let (host, best) = clock(0);
    for minute in [0, 10] {
        host.monotonic.store(minute * MINUTE, Ordering::Relaxed);
        best.answered(Judged::Nothing, Some(NOON + 2 * YEAR + minute * MINUTE));
    }
    assert_eq!(best.said(), Some(NOON + 2 * YEAR + 10 * MINUTE));
    for date in [0, i64::MIN, i64::MAX, LATEST_MS + 1] {
        let (host, best) = clock(0);
        best.answered(Judged::Nothing, Some(date));
        host.monotonic.store(10 * MINUTE, Ordering::Relaxed);
        best.answered(Judged::Nothing, Some(date.saturating_add(10 * MINUTE)));
        assert_eq!(best.said(), None, "{date}");
    }
}

#[test]
fn a_monotonic_clock_that_goes_back_takes_no_time_away() {
    let (host, best) = clock(0);
    host.monotonic.store(DAY_MS, Ordering::Relaxed);
    best.floor(NOON);
    host.monotonic.store(i64::MIN, Ordering::Relaxed);
    assert_eq!(best.judge(), Judged::Known(NOON));
}
