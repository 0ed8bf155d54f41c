//! Interrupts: atomics only, so that they may come from any thread and from a signal handler.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PLACES: usize = 16;

/// Interrupts that have been asked for and that no call has returned for yet.
#[derive(Default)]
pub struct Interrupts {
    all: AtomicBool,
    /// Hashes of references; 0 is a free place. Two references of one hash cost a needless wake-up, no more.
    some: [AtomicU64; PLACES],
}

impl Interrupts {
    /// No interrupt pending. `const`, for tables.
    pub const fn new() -> Interrupts {
        Interrupts {
            all: AtomicBool::new(false),
            some: [const { AtomicU64::new(0) }; PLACES],
        }
    }

    /// Asks the next call, or the one that runs, to return. `reference`: only one that works on this payment; the bytes
    /// are read and not kept. If too many are pending, all calls are meant.
    pub fn ask(&self, reference: Option<&[u8]>) {
        let Some(reference) = reference else {
            self.all.store(true, Ordering::SeqCst);
            return;
        };
        let hash = hash(reference);
        for place in &self.some {
            let taken = place.compare_exchange(0, hash, Ordering::SeqCst, Ordering::SeqCst);
            if taken.is_ok() || taken == Err(hash) {
                return;
            }
        }
        self.all.store(true, Ordering::SeqCst);
    }

    /// Takes an interrupt that is meant for a call on this payment (empty: on many), if there is one.
    pub fn take(&self, reference: &str) -> bool {
        if self.all.swap(false, Ordering::SeqCst) {
            return true;
        }
        if reference.is_empty() {
            return false;
        }
        let hash = hash(reference.as_bytes());
        self.some.iter().any(|place| {
            place
                .compare_exchange(hash, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        })
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.all.store(false, Ordering::SeqCst);
        for place in &self.some {
            place.store(0, Ordering::SeqCst);
        }
    }
}

/// FNV-1a, never 0.
fn hash(bytes: &[u8]) -> u64 {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    for b in bytes {
        h = (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    h.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_sticks_until_one_call_took_it() {
        let i = Interrupts::new();
        assert!(!i.take("trip-0001"));
        i.ask(Some(b"trip-0001"));
        i.ask(Some(b"trip-0001"));
        assert!(!i.take("trip-0002"));
        assert!(i.take("trip-0001"));
        assert!(!i.take("trip-0001"));
        i.ask(None);
        assert!(i.take("trip-0002"));
        assert!(!i.take("trip-0001"));
        for n in 0..40 {
            i.ask(Some(format!("trip-{n:04}").as_bytes()));
        }
        assert!(i.take(""), "too many: all are meant");
    }
}
