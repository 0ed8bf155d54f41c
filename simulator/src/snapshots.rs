//! The state of the servers under a name, to come back to.
//!
//! A snapshot is the whole of [`Sim`] but for what belongs to the process: the other snapshots, what is being
//! recorded, and what is on its way: requests, and deliveries of webhooks, which begin again. Restored, the clock shows
//! the moment of the snapshot and goes on from there; everything that ages goes back with it, so nothing inside sees
//! time run backward.

use std::collections::BTreeMap;

use crate::late::Late;
use crate::sim::Sim;

/// Each is a copy of everything but payments and requests that have not changed, so they are not kept without bound.
const MOST: usize = 20;

#[derive(Clone, Debug, Default)]
pub struct Snapshots(BTreeMap<String, Sim>);

impl Snapshots {
    pub fn names(&self) -> impl Iterator<Item = (&String, &Sim)> {
        self.0.iter()
    }

    /// Was there one?
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }
}

impl Sim {
    /// One of the same name is replaced. False if there are too many.
    pub fn save(&mut self, name: &str) -> bool {
        if self.snapshots.0.len() >= MOST && !self.snapshots.0.contains_key(name) {
            return false;
        }
        // A copy of the others inside of it would double with each.
        let others = std::mem::take(&mut self.snapshots);
        let mut copy = self.clone();
        copy.clock.hold();
        copy.recording = None;
        copy.webhooks.recall();
        copy.late = Late::default();
        self.snapshots = others;
        self.snapshots.0.insert(name.to_owned(), copy);
        true
    }

    /// False if there is none.
    pub fn restore(&mut self, name: &str) -> bool {
        let Some(saved) = self.snapshots.0.get(name) else { return false };
        let mut restored = saved.clone();
        restored.clock.release();
        self.replace(restored);
        true
    }

    /// Another state takes the place of this one, in the same process.
    pub fn replace(&mut self, mut other: Sim) {
        other.base_url = std::mem::take(&mut self.base_url);
        other.ports = std::mem::take(&mut self.ports);
        other.snapshots = std::mem::take(&mut self.snapshots);
        other.recording = self.recording.take();
        if let Some(recording) = &other.recording {
            // What was late is not done any more.
            self.late.numbers().for_each(|n| recording.ended(n, self.clock.now()));
        }
        // What is still on its way began in another state, and ends without having acted.
        other.epoch = self.epoch + 1;
        other.running.clear();
        // Nor must it be taken for a later request.
        other.log.number_from(self.log.last_number());
        *self = other;
    }
}
