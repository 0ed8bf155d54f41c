//! Events that reached this process: from a receiver of webhooks, or from a broker that passes them on.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::keep::elsewhere;
use super::slot::Slot;
use super::snapshot::Snapshot;
use super::work::Call;
use super::{Client, Outcome};
use crate::error::{Code, Report};
use crate::log::Level;
use crate::payment::told::Kind;
use crate::recovery::Goal;
use crate::vipps::webhook::check_name;

/// What became of the events, since the client was opened.
#[derive(Default)]
pub(super) struct Tally {
    applied: AtomicU64,
    known: AtomicU64,
    unknown: AtomicU64,
    pub reads: AtomicU64,
}

/// The same, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Asked for a read, or joined one that was due.
    pub applied: u64,
    /// Could tell nothing new: again, or late.
    pub known: u64,
    /// Of no payment here, of another sales unit, or garbage.
    pub unknown: u64,
    /// Reads that events have asked for.
    pub reads: u64,
}

impl Client {
    /// An event of a payment was heard of: the servers are read now, and what they say counts. `name` and `msn` may be
    /// empty. `Pending`: the read is due, and done by whoever has time for it first.
    pub fn apply_webhook(
        self: &Arc<Self>,
        reference: &str,
        name: &str,
        msn: &str,
        wait_ms: u32,
    ) -> Outcome {
        let slot = match self.slot_of_event(reference, name, msn) {
            Ok(slot) => slot,
            Err(report) => {
                self.tally.unknown.fetch_add(1, Ordering::Relaxed);
                // No warning: whoever can reach the broker could fill the log with them.
                self.log(
                    Level::Debug,
                    &format!("an event that is left alone: {report}"),
                );
                let payment = match report.code {
                    Code::DamagedRecord => Some(Snapshot::damaged(reference)),
                    _ => None,
                };
                return Outcome { report, payment };
            }
        };
        let worth = {
            let mut live = slot.lock();
            let worth = live.payment.tell(Kind::of(name));
            if worth {
                // Whoever waits for this payment looks again.
                live.version += 1;
                if wait_ms > 0 {
                    live.payment.course.blocked = None;
                }
            }
            worth
        };
        let report = if !worth {
            self.tally.known.fetch_add(1, Ordering::Relaxed);
            Report::ok()
        } else {
            self.tally.applied.fetch_add(1, Ordering::Relaxed);
            self.asked.fetch_add(1, Ordering::SeqCst);
            if wait_ms == 0 {
                Report::new(Code::Pending, "the read is due")
            } else {
                let call = Rc::new(Call::begin(self, slot.name(), wait_ms));
                self.work(&slot, Goal::Told, &call)
            }
        };
        if report.code.number() < 0 {
            self.log(Level::Warning, &format!("{}: {report}", slot.name()));
        }
        Outcome {
            report,
            payment: Some(slot.snapshot(self.now())),
        }
    }

    fn slot_of_event(&self, reference: &str, name: &str, msn: &str) -> Result<Arc<Slot>, Report> {
        check_name("name", name)?;
        if !msn.is_empty() && msn != self.config.credentials.msn {
            let mut report = Report::new(
                Code::NoSuchPayment,
                "the event is of another sales unit than this client",
            );
            report.field = "msn".into();
            return Err(report);
        }
        let slot = self.find(reference)?;
        if slot.with(|p| self.is_elsewhere(&p.record)) {
            return Err(elsewhere());
        }
        Ok(slot)
    }

    /// What became of the events so far.
    pub fn webhook_counts(&self) -> WebhookCounts {
        let number = |n: &AtomicU64| n.load(Ordering::Relaxed);
        WebhookCounts {
            applied: number(&self.tally.applied),
            known: number(&self.tally.known),
            unknown: number(&self.tally.unknown),
            reads: number(&self.tally.reads),
        }
    }
}
