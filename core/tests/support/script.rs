//! What the power-cut tests of a store do with it, and what may be found of that afterwards.
//!
//! With storage that honours what it has said, what is found is the last put that returned `Ok`, or one that came after
//! it and did not return `Ok`.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeSet;

use vpmeter_core::journal::{Found, Shelf, Store, StoreError};

pub const NAMES: [&str; 4] = ["ABCDEFGH", "abcdefgh", "ride-0815", "ride-4711"];

#[derive(Clone, Copy, Debug)]
pub enum Do {
    Put(Shelf, usize, u32),
    Remove(Shelf, usize),
    Forget(usize),
    Reopen,
}

/// Rides that overlap: opened, changed, closed, one opened again for a refund, one given up.
pub fn script() -> Vec<Do> {
    use Do::*;
    use Shelf::*;
    vec![
        Put(Open, 0, 1),
        Put(Open, 0, 2),
        Put(Open, 1, 3),
        Forget(0),
        Put(Open, 0, 4),
        Put(Open, 2, 5),
        Put(Open, 1, 6),
        Forget(1),
        Put(Open, 0, 7),
        Put(Closed, 0, 8),
        Remove(Open, 0),
        Put(Open, 2, 9),
        Put(Open, 2, 10),
        Put(Open, 3, 11),
        Reopen,
        Put(Open, 1, 12),
        Put(Closed, 1, 13),
        Remove(Open, 1),
        Put(Open, 0, 14),
        Put(Open, 0, 15),
        Remove(Open, 3),
        Put(Closed, 0, 16),
        Put(Open, 2, 17),
        Remove(Open, 0),
        Put(Open, 3, 18),
        Remove(Shelf::Closed, 1),
        Put(Closed, 2, 19),
        Put(Open, 3, 20),
        Put(Closed, 3, 21),
        Remove(Open, 3),
        Remove(Shelf::Closed, 3),
    ]
}

/// Long enough that a torn write has many shapes.
pub fn record(name: usize, version: u32) -> Vec<u8> {
    let pad = "x".repeat(version as usize * 7 % 60);
    let name = NAMES[name];
    format!(
        r#"{{"reference":"{name}","version":{version},"phoneNumber":"4712345678","pad":"{pad}"}}"#
    )
    .into_bytes()
}

/// The versions found on the shelves: open, closed.
pub type Pair = (Option<u32>, Option<u32>);

/// What may be found of each name when the power fails now.
#[derive(Clone)]
pub struct Model(pub Vec<BTreeSet<Pair>>);

impl Model {
    pub fn new() -> Model {
        Model(vec![BTreeSet::from([(None, None)]); NAMES.len()])
    }

    fn outcome(&self, what: Do) -> Option<(usize, BTreeSet<Pair>)> {
        let map = |name: usize, f: &dyn Fn(Pair) -> Pair| {
            Some((name, self.0[name].iter().map(|pair| f(*pair)).collect()))
        };
        match what {
            Do::Put(Shelf::Open, name, v) => map(name, &|(_, closed)| (Some(v), closed)),
            // The tombstone ends the open record, removed or not.
            Do::Put(Shelf::Closed, name, v) => map(name, &|_| (None, Some(v))),
            Do::Remove(Shelf::Open, name) => map(name, &|(_, closed)| (None, closed)),
            Do::Remove(Shelf::Closed, name) => map(name, &|(open, _)| (open, None)),
            Do::Forget(_) | Do::Reopen => None,
        }
    }

    /// From now on the outcome is possible.
    pub fn begin(&mut self, what: Do) {
        if let Some((name, outcome)) = self.outcome(what) {
            self.0[name].extend(outcome);
        }
    }

    /// A put that returned `Ok` is the only truth; of a removal nothing is promised.
    pub fn done(&mut self, before: &Model, what: Do) {
        if let (Do::Put(..), Some((name, outcome))) = (what, before.outcome(what)) {
            self.0[name] = outcome;
        }
    }

    #[track_caller]
    pub fn check(&self, found: &[Pair], when: &str) {
        for (name, pair) in found.iter().enumerate() {
            let may = &self.0[name];
            assert!(
                may.contains(pair),
                "{}: found {pair:?}, may be {may:?}; {when}",
                NAMES[name]
            );
        }
    }
}

/// The version that these bytes are; anything else is garbage and a failure.
#[track_caller]
pub fn version(name: usize, bytes: &[u8], when: &str) -> u32 {
    (1..=21)
        .find(|v| record(name, *v) == bytes)
        .unwrap_or_else(|| {
            panic!(
                "garbage in {}: {}; {when}",
                NAMES[name],
                String::from_utf8_lossy(bytes)
            )
        })
}

/// All that the store finds. Damage is a failure unless `damaged` is there to count it.
#[track_caller]
pub fn find(store: &dyn Store, when: &str, mut damaged: Option<&mut usize>) -> Vec<Pair> {
    let mut found = vec![(None, None); NAMES.len()];
    for shelf in [Shelf::Open, Shelf::Closed] {
        let mut last = String::new();
        store
            .each(shelf, &mut |name, what| {
                assert!(*last < *name, "{name} after {last}; {when}");
                last = name.to_owned();
                let index = NAMES.iter().position(|n| *n == name).expect(name);
                let v = match (what, &mut damaged) {
                    (Found::Record(bytes) | Found::Older(bytes, _), _) => {
                        version(index, &bytes, when)
                    }
                    (Found::Damaged(_), Some(count)) => {
                        **count += 1;
                        return true;
                    }
                    (Found::Unreadable(why), _) => panic!("{name} cannot be read: {why}; {when}"),
                    (Found::Damaged(why), None) => panic!("{name} is damaged: {why}; {when}"),
                };
                match shelf {
                    Shelf::Open => found[index].0 = Some(v),
                    Shelf::Closed => found[index].1 = Some(v),
                }
                true
            })
            .unwrap_or_else(|e| panic!("{e:?}; {when}"));
    }
    found
}

pub fn act(store: &dyn Store, what: Do) -> Result<(), StoreError> {
    match what {
        Do::Put(shelf, name, v) => store.put(shelf, NAMES[name], &record(name, v)),
        Do::Remove(shelf, name) => store.remove(shelf, NAMES[name]),
        Do::Forget(name) => {
            store.forget_older(Shelf::Open, NAMES[name]);
            Ok(())
        }
        Do::Reopen => Ok(()),
    }
}
