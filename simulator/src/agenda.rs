//! What is due when, for anything that time changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

#[derive(Clone, Debug, Default)]
pub struct Agenda<K> {
    by_time: BTreeSet<(i64, K)>,
    of: HashMap<K, i64>,
}

impl<K: Copy + Ord + Hash> Agenda<K> {
    pub fn set(&mut self, what: K, due: Option<i64>) {
        let before = match due {
            Some(due) => self.of.insert(what, due),
            None => self.of.remove(&what),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, what));
        }
        if let Some(due) = due {
            self.by_time.insert((due, what));
        }
    }

    pub fn first(&self) -> Option<i64> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// The earliest of what is due by now; it is no longer on the agenda then.
    pub fn take(&mut self, now: i64) -> Option<(i64, K)> {
        let first = self.by_time.first().copied().filter(|(due, _)| *due <= now)?;
        self.set(first.1, None);
        Some(first)
    }

    pub fn contains(&self, what: K) -> bool {
        self.of.contains_key(&what)
    }

    pub fn all(&self) -> impl Iterator<Item = K> {
        self.by_time.iter().map(|(_, what)| *what)
    }
}
