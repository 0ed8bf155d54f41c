//! The payments in memory and in the journal: what is loaded, found, kept and closed.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::load::damaged;
use super::slot::{Live, Slot};
use super::snapshot::{Snapshot, CUSTOMER_WINDOW_MS};
use super::Client;
use crate::clock::Clock;
use crate::error::{Cause, Code, Report};
use crate::journal::{Found, Shelf, StoreError};
use crate::payment::{Course, Now, Payment, Record, Unsaved, RECORD_FORMAT};
use crate::recovery::Goal;
use crate::reference::Reference;

/// Closed payments kept in memory; older ones are in the journal.
const CLOSED_IN_MEMORY: usize = 32;
/// A trip whose payment was captured less than this ago has been paid; later the number may have started again.
const TRIP_MEMORY_MS: i64 = 24 * 3_600_000;

/// Trips paid lately.
pub(super) type ClosedTrips = Mutex<HashMap<Box<str>, PaidTrip>>;

/// What has paid a trip.
pub(super) struct PaidTrip {
    reference: Box<str>,
    /// When it was closed, Unix milliseconds.
    closed_at: i64,
    /// The same in this process, monotonic milliseconds: no wall clock makes it forget that.
    here: Option<i64>,
}

/// What became of a new payment.
pub(super) enum Kept {
    /// It is on disk.
    New(Arc<Slot>),
    /// There is one of this reference already.
    There(Arc<Slot>),
}

impl Client {
    pub(super) fn shelf(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.payments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A payment in memory or in the journal.
    pub(super) fn find(&self, reference: &str) -> Result<Arc<Slot>, Report> {
        let reference = Reference::parse("reference", reference)?;
        let name = reference.as_str();
        if let Some(slot) = self.shelf().get(name) {
            return Ok(slot.clone());
        }
        let unread = self.unread().contains_key(name);
        if unread {
            if let Some(slot) = self.look_again(name)? {
                return Ok(slot);
            }
        }
        if let Some(why) = self.damaged_reason(name) {
            return Err(damaged(&why));
        }
        let none = || Report::new(Code::NoSuchPayment, "no record of this reference");
        if *self.coming() == name {
            return Err(none());
        }
        let bytes = match self.doors.store.get(Shelf::Closed, name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(none()),
            Err(e) => return Err(e.report()),
        };
        let record = read_record(name, &bytes).map_err(|why| StoreError::Damaged(why).report())?;
        let mut course = Course::resume(
            &record,
            self.now(),
            CUSTOMER_WINDOW_MS,
            self.config.poll.every_ms,
        );
        course.create_may_have_left = false;
        let mut payments = self.shelf();
        let slot = payments
            .entry(name.to_string())
            .or_insert_with(|| Arc::new(Slot::new(Payment { record, course })));
        Ok(slot.clone())
    }

    fn coming(&self) -> MutexGuard<'_, String> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged_reason(&self, name: &str) -> Option<String> {
        self.damaged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Damaged records by name.
    pub(super) fn damaged_names(&self) -> Vec<String> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = damaged.keys().cloned().collect();
        names.sort();
        names
    }

    /// Every payment in memory, in the order of their intents.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        let mut list: Vec<(i64, Arc<Slot>)> = self
            .shelf()
            .values()
            .map(|s| (s.with(|p| p.record.created_at), s.clone()))
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.name().cmp(b.1.name())));
        list.into_iter().map(|(_, s)| s).collect()
    }

    /// Keeps a new payment: on disk first. Two threads with one reference or one trip: the second sees the first.
    pub(super) fn keep_new(&self, payment: Payment) -> Result<Kept, Report> {
        let name = payment.record.reference.as_str().to_string();
        // One of them may be of the same trip.
        drop(self.read_again());
        // One create at a time; looking at other payments goes on meanwhile.
        let _creating = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = self.shelf().get(&name) {
            return Ok(Kept::There(slot.clone()));
        }
        self.check_trip_is_free(&payment.record)?;
        self.coming().clone_from(&name);
        let written = self.put_open(&payment.record);
        if let Err(report) = written {
            self.coming().clear();
            return Err(report);
        }
        let slot = Arc::new(Slot::new(payment));
        let mut payments = self.shelf();
        payments.insert(name, slot.clone());
        forget_closed(&mut payments);
        drop(payments);
        self.coming().clear();
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.report(&slot);
        Ok(Kept::New(slot))
    }

    fn check_trip_is_free(&self, new: &Record) -> Result<(), Report> {
        if new.trip.is_empty() || new.part {
            return Ok(());
        }
        let taken = |reference: &str| {
            Err(Report::new(
                Code::TripInUse,
                format!("payment {reference} of this trip is alive or paid"),
            ))
        };
        for slot in self.slots() {
            let alive = slot.with(|p| {
                let r = &p.record;
                let refunded =
                    r.aggregate.captured > 0 && r.aggregate.refunded >= r.aggregate.captured;
                // Given up, and captured by somebody all the same: paid.
                let given_up = r.given_up && r.aggregate.captured <= r.aggregate.refunded;
                r.trip == new.trip && r.closed_at == 0 && !r.is_dead() && !given_up && !refunded
            });
            if alive {
                return taken(slot.name());
            }
        }
        let closed = self.closed_trips()?;
        let closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.doors.clock.monotonic_ms();
        let lately = |p: &PaidTrip| {
            let here = p
                .here
                .is_some_and(|at| now.saturating_sub(at) < TRIP_MEMORY_MS);
            here || self.doors.clock.may_be_within(p.closed_at, TRIP_MEMORY_MS)
        };
        match closed.get(new.trip.as_str()) {
            Some(paid) if lately(paid) => taken(&paid.reference),
            _ => Ok(()),
        }
    }

    /// Trips that were paid, read from the tombstones once, when a trip is first asked for.
    fn closed_trips(&self) -> Result<&ClosedTrips, Report> {
        self.closed_trips.get_or_try_init(|| {
            let mut trips = HashMap::new();
            let mut unreadable = None;
            self.doors
                .store
                .each(Shelf::Closed, &mut |name, what| {
                    if let Found::Unreadable(why) = &what {
                        unreadable = Some(format!("{name}: {why}"));
                    }
                    if let Found::Record(bytes) = what {
                        if let Ok(record) = read_record(name, &bytes) {
                            note_paid_trip(&mut trips, &record, None);
                        }
                    }
                    true
                })
                .map_err(|e| e.report())?;
            // It may be of the very trip: nothing is asked for, and looked at again by the next call.
            match unreadable {
                Some(why) => Err(StoreError::Broken(why).report()),
                None => {
                    let here = std::mem::take(
                        &mut *self
                            .paid_here
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                    trips.extend(here);
                    Ok(Mutex::new(trips))
                }
            }
        })
    }

    /// Writes an intent: the changed record is on disk before the payment in memory changes.
    pub(super) fn record_intent(
        &self,
        slot: &Arc<Slot>,
        change: impl FnOnce(&mut Payment, Now) -> Result<(bool, Goal), Report>,
    ) -> Result<Goal, Report> {
        let mut live = slot.lock();
        if self.is_elsewhere(&live.payment.record) {
            return Err(elsewhere());
        }
        let mut next = live.payment.clone();
        let (changed, goal) = change(&mut next, self.now())?;
        next.course.blocked = None;
        next.course.receipt_blocked = None;
        next.look_at_what_is_held();
        if changed {
            // What an earlier operation met says nothing of this one.
            next.course.last = None;
            let was_closed = live.payment.record.closed_at != 0;
            next.record.closed_at = 0;
            self.put_open(&next.record)?;
            if was_closed {
                // The newer version counts wherever it is found; the tombstone is only in the way.
                drop(self.doors.store.remove(Shelf::Closed, slot.name()));
            }
            next.course.unsaved = Unsaved::Nothing;
            live.version += 1;
        }
        live.payment = next;
        drop(live);
        if changed {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.report(slot);
        }
        Ok(goal)
    }

    /// A new call may find that what blocked the last one has changed.
    pub(super) fn unblock(&self, slot: &Arc<Slot>) {
        let mut live = slot.lock();
        live.payment.course.blocked = None;
        live.payment.course.receipt_blocked = None;
        live.payment.look_at_what_is_held();
    }

    /// Writes a payment off: the tombstone is on disk before memory changes.
    pub(super) fn write_off_slot(&self, slot: &Arc<Slot>, reason: &str) -> Result<(), Report> {
        let mut live = slot.lock();
        if live.payment.record.handed_over {
            // The other meter may be about to get the money: nothing here knows that it is lost.
            return Err(elsewhere());
        }
        if live.is_busy() {
            return Err(Report::new(
                Code::Busy,
                "a request of this payment is in flight",
            ));
        }
        let before = live.payment.clone();
        live.payment.record.write_off(reason)?;
        live.payment.course.unsaved = Unsaved::Must;
        if let Err(report) = self.save(&mut live) {
            live.payment = before;
            return Err(report);
        }
        live.version += 1;
        drop(live);
        self.report(slot);
        Ok(())
    }

    pub(super) fn put_open(&self, record: &Record) -> Result<(), Report> {
        let bytes = write_record(record)?;
        self.put(Shelf::Open, record.reference.as_str(), &bytes)
            .map_err(|e| e.report())
    }

    /// Puts a record; a full store gives up its oldest tombstones for it.
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.doors.store.put(shelf, name, bytes) {
            Err(StoreError::Full) if self.make_room() => self.doors.store.put(shelf, name, bytes),
            done => done,
        }
    }

    /// Writes what must be on disk, and closes a payment with nothing left to do. An error leaves it marked as unsaved, so
    /// that nothing is sent before it has been written.
    pub(super) fn save(&self, live: &mut Live) -> Result<(), Report> {
        let record = &mut live.payment.record;
        let over = record.closed_at != 0 && live.payment.course.unsaved == Unsaved::Must;
        if record.closed_at == 0 && record.is_finished() || over {
            let tombstone = match over {
                true => record.clone(),
                false => record.tombstone(self.now().wall),
            };
            let bytes = write_record(&tombstone)?;
            let name = record.reference.as_str().to_string();
            // What is to be asked for once more at the next start stays where that start looks.
            let shelf = match tombstone.create.doubted {
                true => Shelf::Open,
                false => Shelf::Closed,
            };
            let put = self.put(shelf, &name, &bytes);
            put.map_err(|e| e.report().because(Cause::StorageAfterAnswer))?;
            match shelf {
                Shelf::Open => self.doors.store.forget_older(Shelf::Open, &name),
                Shelf::Closed => drop(self.doors.store.remove(Shelf::Open, &name)),
            }
            let here = Some(self.doors.clock.monotonic_ms());
            let trips = self.closed_trips.get().unwrap_or(&self.paid_here);
            let mut trips = trips.lock().unwrap_or_else(PoisonError::into_inner);
            note_paid_trip(&mut trips, &tombstone, here);
            drop(trips);
            *record = tombstone;
        } else if live.payment.course.unsaved == Unsaved::Must {
            self.put_open(record)
                .map_err(|r| r.because(Cause::StorageAfterAnswer))?;
            if std::mem::take(&mut live.payment.course.reopened) {
                // The newer version counts wherever it is found; the tombstone is only in the way.
                let name = record.reference.as_str();
                drop(self.doors.store.remove(Shelf::Closed, name));
            }
            if record.create.body.is_none() {
                // The older version still holds the phone number.
                self.doors
                    .store
                    .forget_older(Shelf::Open, record.reference.as_str());
            }
        } else {
            return Ok(());
        }
        live.payment.course.unsaved = Unsaved::Nothing;
        Ok(())
    }

    /// Tells the host if a payment looks different from what it was told last.
    pub(super) fn report(&self, slot: &Arc<Slot>) {
        let mut live = slot.lock();
        let now = Snapshot::of(&live.payment, self.now());
        if live
            .reported
            .as_ref()
            .is_some_and(|old| same_but_for_counters(old, &now))
        {
            return;
        }
        live.reported = Some(now.clone());
        drop(live);
        self.doors.hooks.on_payment(&now);
    }

    /// Belongs to another sales unit, other servers or another meter: listed, never touched.
    pub(super) fn is_elsewhere(&self, record: &Record) -> bool {
        record.handed_over
            || record.msn != self.config.credentials.msn
            || record.environment != self.environment
    }
}

/// What is told about a record that these credentials cannot settle.
pub(super) fn elsewhere() -> Report {
    Report::new(
        Code::NotPermitted,
        "the payment belongs to another sales unit, other servers or another meter",
    )
}

fn same_but_for_counters(old: &Snapshot, new: &Snapshot) -> bool {
    let mut old = old.clone();
    old.next_ms = new.next_ms;
    old.requests = new.requests;
    old.bytes_sent = new.bytes_sent;
    old.bytes_received = new.bytes_received;
    old.last_code = new.last_code;
    old == *new
}

fn note_paid_trip(trips: &mut HashMap<Box<str>, PaidTrip>, record: &Record, here: Option<i64>) {
    let paid = record.aggregate.captured > record.aggregate.refunded;
    let name = record.reference.as_str();
    if record.trip.is_empty() || record.part {
        return;
    }
    if paid {
        let paid = PaidTrip {
            reference: name.into(),
            closed_at: record.closed_at,
            here,
        };
        trips.insert(record.trip.as_str().into(), paid);
    } else if trips
        .get(record.trip.as_str())
        .is_some_and(|p| *p.reference == *name)
    {
        trips.remove(record.trip.as_str());
    }
}

/// Drops closed payments that no call works on, oldest first, when there are many.
fn forget_closed(payments: &mut HashMap<String, Arc<Slot>>) {
    let mut closed: Vec<(i64, String)> = payments
        .iter()
        .filter(|(_, s)| Arc::strong_count(s) == 1)
        .filter_map(|(name, s)| {
            let (at, doubted) = s.with(|p| (p.record.closed_at, p.record.create.doubted));
            (at != 0 && !doubted).then(|| (at, name.clone()))
        })
        .collect();
    if closed.len() > CLOSED_IN_MEMORY {
        closed.sort();
        for (_, name) in &closed[..closed.len() - CLOSED_IN_MEMORY] {
            payments.remove(name);
        }
    }
}

pub(super) fn write_record(record: &Record) -> Result<Vec<u8>, Report> {
    serde_json::to_vec(record)
        .map_err(|e| Report::new(Code::Internal, format!("the record cannot be written: {e}")))
}

pub(super) fn read_record(name: &str, bytes: &[u8]) -> Result<Record, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(not_a_record)?;
    if head.format != RECORD_FORMAT {
        return Err(format!(
            "written in format {}, this version reads format {RECORD_FORMAT}",
            head.format
        ));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(not_a_record)?;
    if record.reference.as_str() != name {
        return Err(format!("holds the record of {}", record.reference));
    }
    Ok(record)
}

/// Errors of the parser quote what they found: no digits of a phone number may pass.
fn not_a_record(e: serde_json::Error) -> String {
    crate::vipps::problem::mask_digits(&format!("not a record: {e}"))
}
