//! Calls on many payments: settle, work, list.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::keep::read_record;
use super::slot::Slot;
use super::snapshot::Snapshot;
use super::work::{Call, Pace};
use super::Client;
use crate::clock::Clock;
use crate::error::{Code, Report};
use crate::journal::{Found, Shelf};
use crate::payment::{Course, Payment};
use crate::recovery::Goal;
use crate::transport::Flow;
use crate::verdict::owed;

/// Which payments a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// With something left to do.
    Open,
    /// With nothing left to do.
    Closed,
    /// All.
    #[default]
    All,
}

/// What a list is narrowed to. The default shows all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Open, closed or all.
    pub which: Which,
    /// Only this trip; empty: any.
    pub trip: String,
    /// Only payments recorded at or after this time, Unix milliseconds; 0: any.
    pub since: i64,
    /// Only payments recorded before this time, Unix milliseconds; 0: any.
    pub until: i64,
    /// Only payments that owe one of these bits; 0: any.
    pub owed: u32,
    /// Only captures at risk: owed or possible, with a guarantee that ends before this time, Unix milliseconds; 0: any.
    pub guaranteed_before: i64,
}

impl Filter {
    fn fits(&self, s: &Snapshot) -> bool {
        let which = match self.which {
            Which::All => true,
            Which::Open => !s.closed,
            Which::Closed => s.closed,
        };
        which
            && (self.trip.is_empty() || self.trip == s.trip)
            && (self.since == 0 || s.created_at >= self.since)
            && (self.until == 0 || s.created_at < self.until)
            && (self.owed == 0 || s.owed & self.owed != 0)
            && (self.guaranteed_before == 0 || self.is_at_risk(s))
    }
}

impl Filter {
    fn is_at_risk(&self, s: &Snapshot) -> bool {
        let capturable = s.authorized > s.captured + s.cancelled;
        !s.closed && capturable && (1..self.guaranteed_before).contains(&s.guaranteed_until)
    }
}

impl Client {
    /// Finishes everything unfinished, after a restart and in idle time. `each` is told how every open payment stands
    /// at the end. `Ok` if nothing is left to do here, `Pending` if something is.
    ///
    /// Never sends a create: nobody gets a bill hours later.
    pub fn settle(self: &Arc<Self>, wait_ms: u32, each: &mut dyn FnMut(&Snapshot)) -> Report {
        drop(self.read_again());
        let slots: Vec<Arc<Slot>> = self.open_slots();
        let report = self.work_on(&slots, Goal::Settle, wait_ms);
        self.remove_old_tombstones();
        let now = self.now();
        let mut left = false;
        for slot in &slots {
            let s = self.snapshot_of(slot, now);
            left |= !s.closed && s.owed & owed::ELSEWHERE == 0;
            each(&s);
        }
        for name in self.damaged_names() {
            left = true;
            each(&Snapshot::damaged(&name));
        }
        for name in self.read_again() {
            left = true;
            each(&Snapshot::unread(&name));
        }
        match report {
            Some(report) => report,
            None if left => Report::new(Code::Pending, "something is still owed"),
            None => Report::ok(),
        }
    }

    /// Does what is recorded, for a thread of the host's own; waits for more until `wait_ms` is over.
    pub fn worker_run(self: &Arc<Self>, wait_ms: u32) -> Report {
        let started = self.doors.clock.monotonic_ms();
        loop {
            let asked = self.asked.load(Ordering::SeqCst);
            let elapsed = self.doors.clock.monotonic_ms() - started;
            let left = (i64::from(wait_ms) - elapsed).max(0);
            drop(self.read_again());
            let slots = self.open_slots();
            if let Some(report) = self.work_on(&slots, Goal::Work, left as u32) {
                return report;
            }
            let elapsed = self.doors.clock.monotonic_ms() - started;
            if elapsed >= i64::from(wait_ms) {
                let unfinished = self.open_slots().iter().any(|s| {
                    s.with(|p| {
                        let bits = crate::verdict::owed_of(p);
                        let mine = owed::CAPTURE
                            | owed::RELEASE
                            | owed::RECEIPT
                            | owed::REFUND
                            | owed::ANSWER;
                        (bits & mine != 0 || p.record.create.progress.is_owed())
                            && !self.is_elsewhere(&p.record)
                    })
                });
                return if unfinished {
                    Report::new(Code::Pending, "something is still owed")
                } else {
                    Report::ok()
                };
            }
            // Nothing to do now: wait for the next intent.
            let call = Call::begin(self, "", (i64::from(wait_ms) - elapsed) as u32);
            let more = || self.asked.load(Ordering::SeqCst) != asked;
            if !call.wait_until(i64::MAX, more) {
                if let Some(report) = call.stopped_report() {
                    return report;
                }
            }
        }
    }

    fn open_slots(&self) -> Vec<Arc<Slot>> {
        let mut slots = self.slots();
        slots.retain(|s| {
            s.with(|p| {
                let once_more = p.record.create.doubted && p.course.stale;
                p.record.closed_at == 0 || once_more || p.course.told.due().is_some()
            })
        });
        slots
    }

    /// Takes the payments in turn: one that has to wait does not hold up the others. A report if the call was stopped.
    fn work_on(self: &Arc<Self>, slots: &[Arc<Slot>], goal: Goal, wait_ms: u32) -> Option<Report> {
        let call = Rc::new(Call::begin(self, "", wait_ms));
        for slot in slots {
            self.unblock(slot);
        }
        let started = self.asked.load(Ordering::SeqCst);
        loop {
            let asked = self.asked.load(Ordering::SeqCst);
            // A worker takes up what was asked for since it counted its payments.
            if goal == Goal::Work && asked != started {
                return None;
            }
            let mut wake = i64::MAX;
            for slot in slots {
                if call.beat() == Flow::Stop {
                    return call.stopped_report();
                }
                match self.advance(slot, goal, &call) {
                    Pace::Ended(_) => {}
                    Pace::Waiting(until) => wake = wake.min(until),
                }
            }
            if wake == i64::MAX {
                return call.stopped_report();
            }
            let more = || self.asked.load(Ordering::SeqCst) != asked;
            if !call.wait_until(wake, more) {
                return call.stopped_report();
            }
        }
    }

    fn snapshot_of(&self, slot: &Arc<Slot>, now: crate::payment::Now) -> Snapshot {
        let mut s = slot.snapshot(now);
        if slot.with(|p| self.is_elsewhere(&p.record)) {
            s.owed |= owed::ELSEWHERE;
        }
        s
    }

    /// Visits the payments of the journal, as they are known here; nothing is sent. Runs over a copy, so that `each` may
    /// take its time. `each` returns false to stop.
    pub fn list_payments(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<(), Report> {
        let unread = self.read_again();
        let now = self.now();
        let mut list: Vec<Snapshot> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for slot in self.slots() {
            seen.insert(slot.name().to_string());
            list.push(self.snapshot_of(&slot, now));
        }
        if filter.which != Which::Closed {
            list.extend(self.damaged_names().iter().map(|n| Snapshot::damaged(n)));
            list.extend(unread.iter().map(|n| Snapshot::unread(n)));
        }
        if filter.which != Which::Open {
            self.doors
                .store
                .each(Shelf::Closed, &mut |name, what| {
                    if seen.contains(name) {
                        return true;
                    }
                    match what {
                        Found::Record(bytes) | Found::Older(bytes, _) => {
                            if let Ok(record) = read_record(name, &bytes) {
                                let course = Course::resume(&record, now, 0, 0);
                                list.push(Snapshot::of(&Payment { record, course }, now));
                            }
                        }
                        Found::Damaged(_) => list.push(Snapshot::damaged(name)),
                        Found::Unreadable(_) => list.push(Snapshot::unread(name)),
                    }
                    true
                })
                .map_err(|e| e.report())?;
        }
        list.sort_by(|a, b| (a.created_at, &a.reference).cmp(&(b.created_at, &b.reference)));
        for s in list.iter().filter(|s| filter.fits(s)) {
            if !each(s) {
                break;
            }
        }
        Ok(())
    }
}
