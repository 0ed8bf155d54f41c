//! One payment in memory, shared by the calls that work on it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::Errand;
use super::snapshot::Snapshot;
use crate::error::Code;
use crate::payment::{Now, Payment, Progress};

/// One payment, shared by the calls that work on it.
pub(super) struct Slot {
    name: String,
    /// Held while a change is written to the disk.
    live: Mutex<Live>,
    /// The payment as of the last change. Never held across anything slow, so that a main loop can look at any time.
    shown: Mutex<Payment>,
}

/// The payment, held for a change; shown to others when it is let go.
pub(super) struct Held<'a> {
    live: MutexGuard<'a, Live>,
    shown: &'a Mutex<Payment>,
    changed: bool,
}

impl Deref for Held<'_> {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Live {
        self.changed = true;
        &mut self.live
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.changed {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.clone_from(&self.live.payment);
        }
    }
}

/// The payment behind the lock.
pub(super) struct Live {
    pub payment: Payment,
    /// A call carries out a step; others wait, without holding the lock.
    pub in_step: bool,
    /// A step's exchange that a call has left under way: the next call with time carries it on.
    pub errand: Option<Errand>,
    /// What the host was last told.
    pub reported: Option<Snapshot>,
    /// Counts changes, so that a call that waits sees what another did.
    pub version: u64,
}

impl Live {
    /// A step is being carried out: what is known may change at any moment.
    pub fn is_busy(&self) -> bool {
        self.in_step || self.errand.is_some()
    }
}

impl Slot {
    pub fn new(payment: Payment) -> Slot {
        Slot {
            name: payment.record.reference.as_str().to_string(),
            shown: Mutex::new(payment.clone()),
            live: Mutex::new(Live {
                payment,
                in_step: false,
                errand: None,
                reported: None,
                version: 0,
            }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// For a change. A panic in between is caught above and poisons the client as a whole.
    pub fn lock(&self) -> Held<'_> {
        Held {
            live: self.live.lock().unwrap_or_else(PoisonError::into_inner),
            shown: &self.shown,
            changed: false,
        }
    }

    /// For a look.
    pub fn with<T>(&self, look: impl FnOnce(&Payment) -> T) -> T {
        look(&self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn snapshot(&self, now: Now) -> Snapshot {
        self.with(|p| Snapshot::of(p, now))
    }

    /// Loaded from disk and not read since, with the create known to have arrived or in doubt.
    pub fn needs_a_look(&self) -> bool {
        self.with(|p| {
            p.course.stale
                && p.record.closed_at == 0
                && !matches!(p.record.create.progress, Progress::Refused(_))
        })
    }

    pub fn note_code(&self, code: Code, now: Now) -> Snapshot {
        let mut live = self.lock();
        live.payment.record.last_code = code.number();
        Snapshot::of(&live.payment, now)
    }
}
