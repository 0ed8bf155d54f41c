//! What the tests of the journal share: directories that clean up, and stores in words.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::RealDisk;
use vpmeter_core::journal::{Found, Shelf, Store, StoreError};

/// A directory that is gone after the test.
pub struct Temp(pub PathBuf);

impl Temp {
    pub fn new() -> Temp {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vpmeter-journal-{}-{n}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Temp(path)
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub fn open(&self) -> Directory {
        open_real(&self.journal()).unwrap()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.journal().join(name)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn open_real(path: &Path) -> Result<Directory, StoreError> {
    Directory::open(path, Arc::new(RealDisk::new()))
}

/// What `each` tells, in words.
pub fn all(store: &dyn Store, shelf: Shelf) -> Vec<String> {
    let mut all = Vec::new();
    store
        .each(shelf, &mut |name, found| {
            all.push(match found {
                Found::Record(bytes) => format!("{name} = {}", String::from_utf8_lossy(&bytes)),
                Found::Older(bytes, why) => {
                    format!("{name} older {} ({why})", String::from_utf8_lossy(&bytes))
                }
                Found::Damaged(why) => format!("{name} damaged: {why}"),
                Found::Unreadable(why) => format!("{name} not now: {why}"),
            });
            true
        })
        .unwrap();
    all
}

pub fn open_records(store: &dyn Store) -> Vec<String> {
    all(store, Shelf::Open)
}

#[track_caller]
pub fn is_damaged<T: std::fmt::Debug>(result: Result<T, StoreError>, word: &str) {
    match result {
        Err(StoreError::Damaged(why)) if why.contains(word) => {}
        other => panic!("{other:?}"),
    }
}
