//! What is remembered of closed payments goes by age alone, and no single answer, and no clock of a meter, makes it old.

mod model;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use model::{push, Meter, NOON};
use vpmeter_core::client::hooks::Silent;
use vpmeter_core::client::Ride;
use vpmeter_core::error::Code;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{Found, Shelf, Store, StoreError};

const R: &str = "trip-0001";
const FARE: i64 = 24_900;
const MINUTE: u32 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The Unix time at which the model's monotonic clock would be 0.
const START: i64 = NOON - 1_000;

/// Keeps the time, and can be full: then only a removal makes room for new names.
#[derive(Default)]
struct Shelves {
    inner: Memory,
    time: Mutex<Option<i64>>,
    full: AtomicBool,
}

impl Store for Shelves {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(StoreError::Full),
            false => self.inner.put(shelf, name, bytes),
        }
    }
    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(shelf, name)
    }
    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        self.full.store(false, Ordering::SeqCst);
        self.inner.remove(shelf, name)
    }
    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError> {
        self.inner.each(shelf, visit)
    }
    fn forget_older(&self, shelf: Shelf, name: &str) {
        self.inner.forget_older(shelf, name);
    }
    fn latest_time(&self) -> Option<i64> {
        *self.time.lock().unwrap()
    }
    fn keep_latest_time(&self, unix_ms: i64) -> Result<(), StoreError> {
        *self.time.lock().unwrap() = Some(unix_ms);
        Ok(())
    }
}

struct Bench {
    m: Meter,
    shelves: Arc<Shelves>,
}

impl Bench {
    /// A meter that has paid one ride, on trip 77, by servers with a right clock.
    fn new() -> Bench {
        let b = Bench::fresh();
        b.pays(R, "77");
        b
    }

    fn fresh() -> Bench {
        let shelves = Arc::new(Shelves::default());
        let m = Meter::with(Arc::new(Silent), shelves.clone());
        m.model.world().server_clock = Some(START);
        Bench { m, shelves }
    }

    fn ride(&self, reference: &str, trip: &str) -> Code {
        let mut p = push(reference, FARE);
        p.trip = trip.into();
        let after = self.m.model.world().approve_after.replace(0);
        assert_eq!(after, None);
        let ride = Ride {
            push: p,
            receipt_ms: 0,
        };
        let o = self.m.client.run_ride(&ride, MINUTE);
        self.m.model.world().approve_after = None;
        o.report.code
    }

    #[track_caller]
    fn pays(&self, reference: &str, trip: &str) {
        assert_eq!(self.ride(reference, trip), Code::Ok);
    }

    /// Switched off for so long, and on again.
    fn off(&mut self, ms: i64) {
        self.m.model.clock.advance(ms);
        self.m.reboot();
    }

    /// Two exchanges at least (token, read), and the host's idle time.
    fn talks(&self) {
        self.m.client.events(R, MINUTE).ok();
        self.m.client.settle(0, &mut |_| {});
    }

    fn wrong(&self, dates: impl IntoIterator<Item = i64>) {
        self.m.model.world().wrong_dates = dates.into_iter().collect();
    }

    fn remembers(&self) -> bool {
        self.shelves.get(Shelf::Closed, R).unwrap().is_some()
    }

    /// Unix time.
    fn now(&self) -> i64 {
        START + vpmeter_core::clock::Clock::monotonic_ms(&*self.m.model.clock)
    }

    fn kept(&self) -> i64 {
        self.shelves.latest_time().expect("a kept time")
    }

    /// The kept time is right, give or take the two days between two writes.
    #[track_caller]
    fn kept_is_right(&self, when: &str) {
        let behind = self.now() - self.kept();
        assert!((-DAY_MS..=2 * DAY_MS).contains(&behind), "{when}: {behind}");
    }
}

/// 400 days by the older one of two times, days apart.
#[test]
fn an_old_one_goes() {
    let mut b = Bench::new();
    b.kept_is_right("at first");
    b.off(399 * DAY_MS);
    b.talks();
    assert!(b.remembers(), "the older time is that of the ride");
    b.off(3 * DAY_MS);
    b.talks();
    assert!(b.remembers(), "the older time is 399 days");
    // One day later nothing new is kept, so nothing is older either.
    b.off(DAY_MS);
    b.talks();
    assert!(b.remembers());
    b.off(DAY_MS);
    b.pays("trip-0002", "");
    b.talks();
    assert!(!b.remembers());
    assert!(b.shelves.get(Shelf::Closed, "trip-0002").unwrap().is_some());
}

/// The same without ever being switched off.
#[test]
fn an_old_one_goes_while_the_meter_is_on() {
    let b = Bench::new();
    for day in 1..=405 {
        b.m.model.clock.advance(DAY_MS);
        b.talks();
        let kept = b.remembers();
        assert!(kept || day > 400, "gone on day {day}");
        assert!(!kept || day < 405, "still there on day {day}");
    }
}

/// One wrong answer, at each place of a day's exchanges: nothing that is remembered changes.
#[test]
fn one_wrong_date_changes_nothing() {
    for wrong in [
        13 * 365 * DAY_MS,
        500 * DAY_MS,
        399 * DAY_MS,
        3 * DAY_MS,
        -3 * DAY_MS,
        -300 * DAY_MS,
    ] {
        for place in 0..5 {
            let mut b = Bench::new();
            b.off(HOUR_MS);
            let mut dates = vec![0; place];
            dates.push(wrong);
            b.wrong(dates);
            let when = format!("{wrong} at {place}");
            b.pays("trip-0002", "78");
            b.talks();
            b.kept_is_right(&when);
            assert!(b.m.model.world().wrong_dates.is_empty(), "{when}: was sent");
            let closed = b.shelves.get(Shelf::Closed, "trip-0002").unwrap().unwrap();
            let closed: serde_json::Value = serde_json::from_slice(&closed).unwrap();
            let stamp = closed["closed_at"].as_i64().unwrap();
            assert!((b.now() - stamp).abs() < HOUR_MS, "{when}: {stamp}");
            // In this process and in the next one.
            for _ in 0..2 {
                assert!(b.remembers(), "{when}");
                assert_eq!(b.ride("trip-0003", "77"), Code::TripInUse, "{when}");
                assert_eq!(b.ride("trip-0003", "78"), Code::TripInUse, "{when}");
                b.off(HOUR_MS);
                b.talks();
            }
            assert_eq!(b.m.client.refund(R, 100, 1, MINUTE).report.code, Code::Ok);
        }
    }
}

/// A process of less than ten minutes in which every answer is wrong, and the next one too.
#[test]
fn short_processes_of_wrong_dates_change_nothing() {
    let mut b = Bench::new();
    for _ in 0..4 {
        b.off(HOUR_MS);
        b.wrong(vec![13 * 365 * DAY_MS; 100]);
        b.talks();
        b.m.model.clock.advance(9 * 60_000);
        b.talks();
        assert_eq!(b.ride("trip-0002", "77"), Code::TripInUse);
        assert!(b.remembers());
        b.kept_is_right("after a wrong process");
    }
    b.wrong([]);
    assert_eq!(b.ride("trip-0003", "77"), Code::TripInUse);
}

/// A `Date` that stands still, as that of a cache does, is never the time.
#[test]
fn a_date_that_stands_still_is_not_believed() {
    let mut b = Bench::new();
    b.off(HOUR_MS);
    for minute in 0..300 {
        let stands = 600 * DAY_MS - minute * 60_000;
        b.wrong(vec![stands; 10]);
        b.talks();
        b.m.model.clock.advance(60_000);
    }
    b.kept_is_right("after hours of one date");
    assert!(b.remembers());
}

/// What the rule presumes: that not all answers of ten minutes are wrong in the same way. If they are, the kept time is
/// wrong; nothing is forgotten for that, and right answers take it back.
#[test]
fn half_an_hour_of_wrong_dates_removes_nothing() {
    let mut b = Bench::new();
    b.off(3 * DAY_MS);
    b.wrong(vec![500 * DAY_MS; 1_000]);
    for _ in 0..30 {
        b.talks();
        b.m.model.clock.advance(60_000);
    }
    assert!(b.kept() > b.now() + 400 * DAY_MS, "as presumed");
    // Another wrong time half an hour later is not days apart, whatever it says.
    b.wrong(vec![900 * DAY_MS; 1_000]);
    for _ in 0..30 {
        b.talks();
        b.m.model.clock.advance(60_000);
    }
    assert!(b.remembers());
    b.shelves.full.store(true, Ordering::SeqCst);
    assert_eq!(b.ride("trip-0002", ""), Code::StorageFull);
    b.shelves.full.store(false, Ordering::SeqCst);
    assert!(b.remembers(), "not for a full store either");
    b.wrong([]);
    b.off(HOUR_MS);
    b.talks();
    b.kept_is_right("taken back");
    assert!(b.remembers());
}

/// And that it is not so on two days. Then the host's clock delays the removal, until the store is full.
#[test]
fn wrong_dates_of_two_days_are_presumed_not_to_be() {
    let mut b = Bench::new();
    for _ in 0..2 {
        b.off(3 * DAY_MS);
        b.wrong(vec![500 * DAY_MS; 1_000]);
        for _ in 0..30 {
            b.talks();
            b.m.model.clock.advance(60_000);
        }
        assert!(b.remembers());
    }
    b.shelves.full.store(true, Ordering::SeqCst);
    b.pays("trip-0002", "");
    assert!(!b.remembers());
}

/// A wall clock that stands behind delays, and has no veto when the store is full.
#[test]
fn a_wall_clock_that_disagrees_delays() {
    let mut b = Bench::new();
    b.m.model.clock.jump_wall(-100 * DAY_MS);
    for _ in 0..2 {
        b.off(401 * DAY_MS);
        for _ in 0..30 {
            b.talks();
            b.m.model.clock.advance(60_000);
        }
        assert!(b.shelves.latest_time().unwrap() > b.now() - DAY_MS);
        if b.now() < NOON + 500 * DAY_MS {
            b.m.model.clock.jump_wall(-400 * DAY_MS);
        }
    }
    assert!(b.remembers(), "the wall clock says that it is younger");
    b.shelves.full.store(true, Ordering::SeqCst);
    b.pays("trip-0002", "");
    assert!(!b.remembers());
    // With nothing old left, full is full.
    b.shelves.full.store(true, Ordering::SeqCst);
    assert_eq!(b.ride("trip-0003", ""), Code::StorageFull);
}

/// A clock that cannot be right (a dead battery) says nothing, and delays nothing.
#[test]
fn a_dead_battery_delays_nothing() {
    let mut b = Bench::new();
    b.m.model.clock.jump_wall(-NOON - 1_000 * DAY_MS);
    for _ in 0..3 {
        b.off(300 * DAY_MS);
        for _ in 0..30 {
            b.talks();
            b.m.model.clock.advance(60_000);
        }
    }
    assert!(!b.remembers());
}

/// No jump of a clock within a process, and none over a restart that the kept time knows of, charges a trip again.
#[test]
fn a_paid_trip_stays_paid_whatever_the_clock_does() {
    // The battery-backed clock began anew in spring, and is set while the meter runs.
    let b = Bench::fresh();
    b.m.model.world().server_clock = None;
    b.m.model.clock.jump_wall(-200 * DAY_MS);
    b.pays(R, "77");
    b.m.model.clock.jump_wall(200 * DAY_MS);
    assert_eq!(b.ride("trip-0002", "77"), Code::TripInUse);
    b.m.model.clock.advance(DAY_MS);
    b.pays("trip-0002", "77");

    // The battery is dead, and the meter was off for a month: by the kept time until the servers are believed.
    let mut b = Bench::new();
    b.m.model.clock.jump_wall(-NOON);
    b.off(30 * DAY_MS);
    b.pays("trip-0002", "78");
    b.off(60_000);
    for _ in 0..15 {
        b.talks();
        b.m.model.clock.advance(60_000);
    }
    b.kept_is_right("by two answers");
    assert_eq!(b.ride("trip-0003", "78"), Code::TripInUse);
}

/// Money that went back frees the trip, in the process too.
#[test]
fn a_refunded_trip_is_free() {
    let b = Bench::new();
    assert_eq!(b.ride("trip-0002", "77"), Code::TripInUse);
    assert_eq!(b.m.client.refund(R, FARE, 1, MINUTE).report.code, Code::Ok);
    b.pays("trip-0002", "77");
}
