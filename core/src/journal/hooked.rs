//! The journal in the hands of the host: four operations of its own, and what is checked of them.
//!
//! A host that keeps records in battery-backed RAM knows how to make them durable; it need not know what they are. Each
//! record goes to it as a slot (see [`super::slot`]), which carries its version and its checksum, so that much of what a
//! store can do wrong is found here:
//!
//! * A put is read back at once. What comes back changed, cut, older or not at all is an error before anything is sent.
//! * What does not check out when it is read (torn, foreign, of another format) is damaged, by name. What the host cannot
//!   read is not: it is asked again the next time.
//! * The version says which of an open record and a tombstone is the newer one, if the power failed between the two.
//! * Names that are none, or that come twice, refuse the store as a whole: it does not know what it has.
//!
//! What cannot be found: a store that loses or rolls back records while the meter is off. A capture that was promised may
//! then be lost, and a ride that was given up for cash may be captured: the older record does not know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::directory::check_name;
use super::disk::SyncStats;
use super::slot::{self, SlotError};
use super::{Found, Shelf, Store, StoreError};

/// The largest record that a host is given, its first line included. A payment with a receipt of 64 long lines needs
/// half of it.
pub const MAX_BYTES: usize = 64 * 1024;
/// More names on a shelf than a meter can have.
const MAX_NAMES: usize = 100_000;
/// The record of the clock.
const CLOCK: &str = "meter-clock";

/// Where the host keeps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A payment with something left to do.
    Open,
    /// A tombstone.
    Closed,
    /// What the meter itself must remember: one small record.
    Meter,
}

impl From<Shelf> for Place {
    fn from(shelf: Shelf) -> Place {
        match shelf {
            Shelf::Open => Place::Open,
            Shelf::Closed => Place::Closed,
        }
    }
}

/// What the host does. One call at a time.
pub trait Shelves: Send + Sync {
    /// Puts a record in place of an older one; durable when it returns `Ok`.
    fn put(&self, place: Place, name: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// The record last put, at most [`MAX_BYTES`]; `None` if there is none.
    fn get(&self, place: Place, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Removes a record; nothing to remove is fine.
    fn remove(&self, place: Place, name: &str) -> Result<(), StoreError>;
    /// The names of a place, in any order; `most` at most.
    fn names(&self, place: Place, most: usize) -> Result<Vec<String>, StoreError>;
}

/// An open record, as this process knows it.
struct Held {
    /// The highest version that was given out for this name.
    top: u64,
    /// The version that stands, `None` after a put that failed.
    stands: Option<u64>,
    /// Why it cannot be read.
    damaged: Option<String>,
    /// Why the host cannot read it, or its tombstone, now.
    not_now: Option<String>,
    /// Why it may be older than its tombstone, which cannot say so any more.
    doubt: Option<String>,
    /// A later version of this library wrote it: not ours to change.
    newer: bool,
    /// A tombstone has ended it.
    ended: bool,
}

impl Held {
    fn new(top: u64) -> Held {
        Held {
            top,
            stands: None,
            damaged: None,
            not_now: None,
            doubt: None,
            newer: false,
            ended: false,
        }
    }
}

struct Inner {
    open: BTreeMap<String, Held>,
    stats: SyncStats,
}

/// A [`Store`] on what the host keeps.
pub struct Hooked {
    shelves: Box<dyn Shelves>,
    inner: Mutex<Inner>,
}

impl Hooked {
    /// Reads what the host has, and ends what a power cut has left half done.
    pub fn open(shelves: Box<dyn Shelves>) -> Result<Hooked, StoreError> {
        let store = Hooked {
            shelves,
            inner: Mutex::new(Inner {
                open: BTreeMap::new(),
                stats: SyncStats::default(),
            }),
        };
        let closed = store.names(Place::Closed)?;
        let open = store.names(Place::Open)?;
        let mut inner = store.inner()?;
        for name in open {
            let held = store.look(&name, closed.contains(&name));
            if held.ended && store.shelves.remove(Place::Open, &name).is_ok() {
                continue;
            }
            inner.open.insert(name, held);
        }
        drop(inner);
        Ok(store)
    }

    fn inner(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        self.inner
            .lock()
            .map_err(|_| StoreError::Broken("the store stopped at a panic".into()))
    }

    fn names(&self, place: Place) -> Result<BTreeSet<String>, StoreError> {
        let given = self.shelves.names(place, MAX_NAMES + 1)?;
        if given.len() > MAX_NAMES {
            return Err(lies("names more records than a meter can have"));
        }
        let mut names = BTreeSet::new();
        for name in given {
            check_name(&name).map_err(|_| lies("names a record that is no reference"))?;
            if !names.insert(name) {
                return Err(lies("names a record twice"));
            }
        }
        Ok(names)
    }

    /// Reads a record that the host has named.
    fn look(&self, name: &str, has_tombstone: bool) -> Held {
        let mut held = Held::new(0);
        let end = match has_tombstone.then(|| self.seq_of_tombstone(name)) {
            None => None,
            Some(Ok(end)) => end,
            Some(Err(StoreError::Damaged(why))) => {
                held.doubt = Some(format!("its tombstone: {why}"));
                None
            }
            Some(Err(e)) => {
                held.not_now = Some(text(&e));
                None
            }
        };
        let seq = match self.shelves.get(Place::Open, name) {
            Ok(Some(bytes)) => match slot::decode(&bytes) {
                Ok(slot) => {
                    held.stands = Some(slot.seq);
                    Some(slot.seq)
                }
                Err(e) => {
                    held.newer = matches!(e, SlotError::Newer(_));
                    held.damaged = Some(why(&e));
                    slot::claimed_seq(&bytes)
                }
            },
            Ok(None) => {
                held.damaged = Some("the store names it and does not have it".into());
                None
            }
            Err(StoreError::Damaged(why)) => {
                held.damaged = Some(why);
                None
            }
            Err(e) => {
                held.not_now = Some(text(&e));
                None
            }
        };
        held.ended = seq.zip(end).is_some_and(|(open, end)| open < end);
        held.top = seq.max(end).unwrap_or(0);
        held
    }

    fn seq_of_tombstone(&self, name: &str) -> Result<Option<u64>, StoreError> {
        match self.shelves.get(Place::Closed, name)? {
            None => Ok(None),
            Some(bytes) => Ok(Some(decode(&bytes)?.seq)),
        }
    }

    /// Asks the host again for what it could not read.
    fn try_again(&self, inner: &mut Inner, name: &str) -> Result<(), StoreError> {
        let Some(before) = inner.open.get(name).filter(|held| held.not_now.is_some()) else {
            return Ok(());
        };
        let mut held = self.look(name, true);
        held.top = held.top.max(before.top);
        let not_now = held.not_now.clone();
        inner.open.insert(name.to_owned(), held);
        match not_now {
            Some(why) => Err(StoreError::Broken(why)),
            None => Ok(()),
        }
    }

    /// The highest version of a name that may be anywhere.
    fn top(&self, inner: &Inner, name: &str) -> Result<u64, StoreError> {
        match inner.open.get(name) {
            Some(held) => Ok(held.top),
            None => Ok(self.seq_of_tombstone(name)?.unwrap_or(0)),
        }
    }

    /// Puts, and reads back: a store that forgets, cuts or garbles is found before anything is sent.
    fn put_checked(
        &self,
        stats: &mut SyncStats,
        place: Place,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if bytes.len() > MAX_BYTES {
            return Err(StoreError::Broken("the record is too large".into()));
        }
        let start = Instant::now();
        let put = self.shelves.put(place, name, bytes);
        let took = start.elapsed().as_micros().div_ceil(1000) as u64;
        stats.file_syncs += 1;
        stats.longest_sync_ms = stats.longest_sync_ms.max(took);
        put?;
        match self.shelves.get(place, name)? {
            Some(back) if back == bytes => Ok(()),
            Some(_) => Err(lies("gives back other bytes than were put")),
            None => Err(lies("has forgotten what was put")),
        }
    }

    fn look_for(&self, shelf: Shelf, name: &str) -> Result<Option<Found>, StoreError> {
        let mut inner = self.inner()?;
        if shelf == Shelf::Closed {
            let bytes = self.shelves.get(Place::Closed, name)?;
            return Ok(bytes.map(|bytes| match slot::decode(&bytes) {
                Ok(slot) => Found::Record(slot.record),
                Err(e) => Found::Damaged(why(&e)),
            }));
        }
        self.try_again(&mut inner, name)?;
        let Some(held) = inner.open.get(name).filter(|held| !held.ended) else {
            return Ok(None);
        };
        if let Some(why) = &held.damaged {
            return Ok(Some(Found::Damaged(why.clone())));
        }
        let bytes = self.shelves.get(Place::Open, name)?;
        Ok(match (bytes, held.stands) {
            // A first put that failed.
            (None, None) => None,
            (None, Some(_)) => Some(Found::Damaged("the store has lost it".into())),
            (Some(bytes), stands) => Some(match slot::decode(&bytes) {
                Ok(slot) if stands.is_none_or(|seq| seq == slot.seq) => match &held.doubt {
                    None => Found::Record(slot.record),
                    Some(why) => Found::Older(slot.record, why.clone()),
                },
                Ok(slot) if slot.seq < held.top => {
                    Found::Older(slot.record, "the store gives back an older version".into())
                }
                Ok(_) => Found::Damaged("somebody else has changed it".into()),
                Err(e) => Found::Damaged(why(&e)),
            }),
        })
    }

    fn put_open(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.inner()?;
        self.try_again(&mut inner, name)?;
        let top = self.top(&inner, name)?;
        let Inner { open, stats } = &mut *inner;
        let held = open.entry(name.to_owned()).or_insert(Held::new(top));
        if held.newer {
            return Err(newer());
        }
        held.top = top + 1;
        // Whatever becomes of it, this version is used up.
        match self.put_checked(stats, Place::Open, name, &slot::encode(top + 1, record)) {
            Ok(()) => {
                *held = Held::new(top + 1);
                held.stands = Some(top + 1);
                Ok(())
            }
            Err(e) => {
                held.stands = None;
                Err(e)
            }
        }
    }

    fn put_closed(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.inner()?;
        self.try_again(&mut inner, name)?;
        let seq = 1 + match self.top(&inner, name) {
            // What stands there is no tombstone any more, and this one takes its place.
            Err(StoreError::Damaged(_)) => 0,
            top => top?,
        };
        let Inner { open, stats } = &mut *inner;
        if open.get(name).is_some_and(|held| held.newer) {
            return Err(newer());
        }
        let put = self.put_checked(stats, Place::Closed, name, &slot::encode(seq, record));
        if let Some(held) = open.get_mut(name) {
            held.top = seq;
            held.ended |= put.is_ok();
        }
        put
    }

    /// What a tombstone has ended must be gone before the tombstone goes, or it would come to life again.
    fn remove_closed(&self, name: &str) -> Result<(), StoreError> {
        let mut inner = self.inner()?;
        let end = self.seq_of_tombstone(name)?;
        for again in [true, false] {
            let ended = match (self.shelves.get(Place::Open, name)?, end) {
                (Some(bytes), Some(end)) => decode(&bytes).is_ok_and(|slot| slot.seq < end),
                _ => false,
            };
            match (ended, again) {
                (false, _) => break,
                (true, true) => {
                    self.shelves.remove(Place::Open, name)?;
                    inner.open.remove(name);
                }
                (true, false) => return Err(lies("does not remove")),
            }
        }
        self.shelves.remove(Place::Closed, name)
    }
}

fn lies(what: &str) -> StoreError {
    StoreError::Broken(format!("the store {what}"))
}

fn newer() -> StoreError {
    StoreError::Damaged("written by a newer version of this library".into())
}

fn why(e: &SlotError) -> String {
    match e {
        SlotError::Newer(format) => format!("written in format {format} by a newer library"),
        SlotError::Damaged(why) => (*why).to_owned(),
    }
}

fn text(e: &StoreError) -> String {
    match e {
        StoreError::Broken(why) | StoreError::Damaged(why) => why.clone(),
        StoreError::Full | StoreError::InUse => "the store cannot read it".into(),
    }
}

fn decode(bytes: &[u8]) -> Result<slot::Slot, StoreError> {
    slot::decode(bytes).map_err(|e| StoreError::Damaged(why(&e)))
}

impl Store for Hooked {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        match shelf {
            Shelf::Open => self.put_open(name, bytes),
            Shelf::Closed => self.put_closed(name, bytes),
        }
    }

    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.find(shelf, name)?;
        found.map(Found::newest).transpose()
    }

    fn find(&self, shelf: Shelf, name: &str) -> Result<Option<Found>, StoreError> {
        check_name(name)?;
        match self.look_for(shelf, name) {
            Err(StoreError::Damaged(why)) => Ok(Some(Found::Damaged(why))),
            Err(e) => Ok(Some(Found::Unreadable(text(&e)))),
            found => found,
        }
    }

    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        match shelf {
            Shelf::Open => {
                let mut inner = self.inner()?;
                self.try_again(&mut inner, name)?;
                if inner.open.contains_key(name) {
                    self.shelves.remove(Place::Open, name)?;
                    inner.open.remove(name);
                }
                Ok(())
            }
            Shelf::Closed => self.remove_closed(name),
        }
    }

    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError> {
        let names: BTreeSet<String> = match shelf {
            Shelf::Open => self.inner()?.open.keys().cloned().collect(),
            Shelf::Closed => {
                let _one_at_a_time = self.inner()?;
                self.names(Place::Closed)?
            }
        };
        for name in names {
            // Nothing is held during the visit, which may put, get and remove.
            let found = self.find(shelf, &name)?;
            if found.is_some_and(|found| !visit(&name, found)) {
                break;
            }
        }
        Ok(())
    }

    /// The host overwrites; there is no older version that this side could reach.
    fn forget_older(&self, _: Shelf, _: &str) {}

    fn latest_time(&self) -> Option<i64> {
        let _one_at_a_time = self.inner().ok()?;
        let bytes = self.shelves.get(Place::Meter, CLOCK).ok()??;
        super::read_time(&slot::decode(&bytes).ok()?.record)
    }

    fn keep_latest_time(&self, unix_ms: i64) -> Result<(), StoreError> {
        let mut inner = self.inner()?;
        let before = self.shelves.get(Place::Meter, CLOCK)?;
        let seq = before.and_then(|bytes| Some(slot::decode(&bytes).ok()?.seq));
        let bytes = slot::encode(seq.unwrap_or(0) + 1, &super::write_time(unix_ms));
        self.put_checked(&mut inner.stats, Place::Meter, CLOCK, &bytes)
    }

    fn cost(&self) -> SyncStats {
        self.inner()
            .map_or(SyncStats::default(), |inner| inner.stats)
    }
}
