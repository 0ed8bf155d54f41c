//! The door to the disk: named records, each put whole and durably.

pub mod directory;
pub mod disk;
pub mod hooked;
pub mod memory;
pub mod slot;

use crate::error::{Code, Report};

/// Where a record lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// Payments with something left to do.
    Open,
    /// Tombstones.
    Closed,
}

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process holds it.
    InUse,
    /// No room.
    Full,
    /// It cannot be read or written now; English text for the log. Says nothing about the record.
    Broken(String),
    /// The record is there but cannot be trusted. Whatever is left of it is kept.
    Damaged(String),
}

impl StoreError {
    /// What the caller is told.
    pub fn report(&self) -> Report {
        match self {
            StoreError::InUse => {
                Report::new(Code::StorageInUse, "another process uses this journal")
            }
            StoreError::Full => Report::new(Code::StorageFull, "the journal is full"),
            StoreError::Broken(why) => Report::new(Code::Storage, why.clone()),
            StoreError::Damaged(why) => Report::new(Code::DamagedRecord, why.clone()),
        }
    }
}

/// What `each` found under a name.
pub enum Found {
    /// The bytes last put.
    Record(Vec<u8>),
    /// The bytes of an older put, and why: a newer version was, or may have been, acknowledged and is lost. Whatever it
    /// asked for is not known: no money moves on the strength of this one.
    Older(Vec<u8>, String),
    /// Damaged, and kept where an engineer finds it; why.
    Damaged(String),
    /// Cannot be read now, and may be whole; why. Looked at again each time.
    Unreadable(String),
}

impl Found {
    /// For a caller to whom only the bytes last put will do.
    fn newest(self) -> Result<Vec<u8>, StoreError> {
        match self {
            Found::Record(bytes) => Ok(bytes),
            Found::Older(_, why) => Err(StoreError::Damaged(format!(
                "the newest version may be lost, an older one is left: {why}"
            ))),
            Found::Damaged(why) => Err(StoreError::Damaged(why)),
            Found::Unreadable(why) => Err(StoreError::Broken(why)),
        }
    }
}

/// Four operations on named records. `name` is the payment's reference (`^[a-zA-Z0-9-]{8,64}$`, case-sensitive).
pub trait Store: Send + Sync {
    /// Puts a record; when it returns `Ok` the bytes survive a power cut, and when it returns an error the bytes
    /// before still do. After an error these bytes may be found by a later start, as after a power cut in the middle,
    /// but never once another put of the name has returned `Ok`.
    ///
    /// A closed record ends the open one that was put before it: should the power fail before `remove`, the next start
    /// does it. An open record put after the closed one stays beside it. A put also answers an earlier damage.
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// The bytes last put; `None` if there are none. `Damaged` also if only an older version is left; `find` has that.
    /// `Broken`: not now.
    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// What stands under a name; `None` if nothing does.
    fn find(&self, shelf: Shelf, name: &str) -> Result<Option<Found>, StoreError> {
        match self.get(shelf, name) {
            Ok(bytes) => Ok(bytes.map(Found::Record)),
            Err(StoreError::Damaged(why)) => Ok(Some(Found::Damaged(why))),
            Err(StoreError::Broken(why)) => Ok(Some(Found::Unreadable(why))),
            Err(error) => Err(error),
        }
    }
    /// Removes a record. May come back after a power cut; no promise hangs on it.
    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError>;
    /// Visits every record of a shelf in the order of names, damaged ones too. `visit` returns false to stop; it may use
    /// the store.
    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError>;
    /// Wipes what older versions of the record still hold (a phone number that has served); best effort.
    fn forget_older(&self, shelf: Shelf, name: &str);
    /// The latest time that was kept, Unix milliseconds. Best effort: an older one, or none, after a fault.
    fn latest_time(&self) -> Option<i64> {
        None
    }
    /// Keeps the latest time that is known to have been. A store that cannot keep anything keeps nothing.
    fn keep_latest_time(&self, _unix_ms: i64) -> Result<(), StoreError> {
        Ok(())
    }
    /// What its syncs have cost so far; nothing, for a store without a disk.
    fn cost(&self) -> disk::SyncStats {
        disk::SyncStats::default()
    }
}

/// The record of the latest time, for an engineer to read.
fn write_time(unix_ms: i64) -> Vec<u8> {
    format!("{{\"latest_ms\":{unix_ms}}}").into_bytes()
}

fn read_time(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.strip_prefix("{\"latest_ms\":")?
        .strip_suffix('}')?
        .parse()
        .ok()
}
