//! A store without a disk: for tests, and for hosts that keep no records.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::slot::MAX_RECORD;
use super::{Found, Shelf, Store, StoreError};

type Records = BTreeMap<String, Vec<u8>>;

/// Records that live as long as the process does. Nothing here survives a power cut, whatever `Store::put` says: a
/// meter that uses it for money loses what it has not settled when it goes off.
#[derive(Default)]
pub struct Memory {
    shelves: Mutex<[Records; 2]>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Memory {
        Memory::default()
    }

    fn shelves(&self) -> Result<MutexGuard<'_, [Records; 2]>, StoreError> {
        self.shelves
            .lock()
            .map_err(|_| StoreError::Broken("the store stopped at a panic".into()))
    }
}

fn index(shelf: Shelf) -> usize {
    match shelf {
        Shelf::Open => 0,
        Shelf::Closed => 1,
    }
}

impl Store for Memory {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        super::directory::check_name(name)?;
        if bytes.len() > MAX_RECORD {
            return Err(StoreError::Broken("the record is too large".into()));
        }
        self.shelves()?[index(shelf)].insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        super::directory::check_name(name)?;
        Ok(self.shelves()?[index(shelf)].get(name).cloned())
    }

    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        super::directory::check_name(name)?;
        self.shelves()?[index(shelf)].remove(name);
        Ok(())
    }

    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError> {
        // A copy, because `visit` may put, get and remove.
        let records = self.shelves()?[index(shelf)].clone();
        for (name, bytes) in records {
            if !visit(&name, Found::Record(bytes)) {
                break;
            }
        }
        Ok(())
    }

    fn forget_older(&self, _: Shelf, _: &str) {
        // No older version is kept.
    }
}
