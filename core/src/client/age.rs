//! How old tombstones are, and when they go. No single answer of the servers, and no clock of a meter, removes one.

use std::sync::{MutexGuard, PoisonError};

use super::keep::read_record;
use super::Client;
use crate::clock::{can_be, Clock};
use crate::journal::{Found, Shelf};
use crate::log::Level;
use crate::payment::Record;

/// How long a tombstone is kept: refunds are possible for 365 days (ePayment API guide, refund), milliseconds.
const TOMBSTONE_MS: i64 = 400 * 24 * 3_600_000;

/// How often the time is written down, and how far apart two times are of which the older one makes tombstones old,
/// milliseconds.
const KEEP_TIME_MS: i64 = 2 * 24 * 3_600_000;
/// A kept time that is farther ahead than this is wrong, milliseconds.
const KEPT_WRONG_MS: i64 = 24 * 3_600_000;

/// What is kept of the time. Times in Unix milliseconds.
#[derive(Default)]
pub(super) struct Age {
    /// The time that the journal has.
    kept: Option<i64>,
    /// When this process wrote it, monotonic milliseconds.
    written_at: Option<i64>,
    /// Tombstones are old by this time: the older one of two that the servers have said, at least [`KEEP_TIME_MS`] apart.
    by: Option<i64>,
    /// Nothing was removed by it yet.
    due: bool,
    /// All that is old by it was removed, whatever the host's clock says.
    room_made: bool,
}

impl Client {
    /// What an earlier process knew of the time.
    pub(super) fn read_time(&self) {
        if let Some(ms) = self.doors.store.latest_time() {
            self.doors.clock.floor(ms);
            self.age().kept = Some(ms);
        }
    }

    /// Keeps the time that the servers have said, about every two days: flash wears out. Best effort; a store that cannot,
    /// can wait.
    ///
    /// The time that was kept before makes tombstones old, never the new one: answers of two days speak for it. A kept
    /// time that was wrong and ahead is taken back.
    pub(super) fn keep_time(&self) {
        let Some(now) = self.doors.clock.said() else {
            return;
        };
        let mut age = self.age();
        let ahead = age.kept.map(|kept| now.saturating_sub(kept));
        if ahead.is_some_and(|ms| (-KEPT_WRONG_MS..KEEP_TIME_MS).contains(&ms)) {
            return;
        }
        let mono = self.doors.clock.monotonic_ms();
        // Within a process it is the monotonic clock that says how far apart two times are.
        let apart = |at: i64| mono.saturating_sub(at) >= KEEP_TIME_MS;
        let is_older = ahead.is_some_and(|ms| ms > 0) && age.written_at.is_none_or(apart);
        age.by = age.kept.filter(|_| is_older);
        age.due = age.by.is_some();
        age.room_made = false;
        age.kept = Some(now);
        age.written_at = Some(mono);
        drop(age);
        if let Err(e) = self.doors.store.keep_latest_time(now) {
            self.log(
                Level::Warning,
                &format!("the time could not be kept: {}", e.report()),
            );
        }
    }

    /// Removes tombstones that are old, if the host's clock says so too: once for each time by which they are. A clock
    /// that cannot be right says nothing.
    pub(super) fn remove_old_tombstones(&self) {
        let mut age = self.age();
        let due = std::mem::take(&mut age.due);
        let Some(by) = age.by.filter(|_| due) else {
            return;
        };
        drop(age);
        let host = self.doors.clock.host_ms();
        self.sweep(if can_be(host) { by.min(host) } else { by });
    }

    /// Removes tombstones that are old, whatever the host's clock says: the store is full. Whether any was removed.
    pub(super) fn make_room(&self) -> bool {
        let mut age = self.age();
        let done = std::mem::replace(&mut age.room_made, true);
        let Some(by) = age.by.filter(|_| !done) else {
            return false;
        };
        drop(age);
        self.sweep(by)
    }

    fn age(&self) -> MutexGuard<'_, Age> {
        self.age.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes tombstones that were closed more than [`TOMBSTONE_MS`] before `now`. One that was closed at a time that
    /// cannot be has no age, and stays.
    fn sweep(&self, now: i64) -> bool {
        let is_old = |r: Record| can_be(r.closed_at) && now - r.closed_at > TOMBSTONE_MS;
        let mut old = Vec::new();
        let looked = self.doors.store.each(Shelf::Closed, &mut |name, what| {
            if let Found::Record(bytes) = what {
                if read_record(name, &bytes).is_ok_and(is_old) {
                    old.push(name.to_string());
                }
            }
            true
        });
        if looked.is_ok() {
            for name in &old {
                drop(self.doors.store.remove(Shelf::Closed, name));
            }
        }
        looked.is_ok() && !old.is_empty()
    }
}
