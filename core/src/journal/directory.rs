//! The journal as a directory of small files that an engineer can read with `cat`.
//!
//! ```text
//! lock                   held with flock by the process that uses the journal
//! open/taxi-0815-42.a    a payment with something left to do: two slots,
//! open/taxi-0815-42.b    of which the one with the higher `seq` counts
//! closed/taxi-0815-41    a tombstone
//! damaged/taxi-0815-40.1 what could not be read as a record, phone number blanked
//! clock                  the latest time that is known, written about every two days
//! ```
//!
//! An upper-case letter `X` of a reference is `_x` in a file name, for file systems that ignore case.
//!
//! # What is promised
//!
//! With a disk that honours sync, after a crash or a power cut at any moment:
//!
//! - A record is the one whose put last returned `Ok`, or one whose put came after it and did not: because it was under
//!   way, or because it returned an error. No later put, once it has returned `Ok`, is ever overtaken by such a one.
//! - **A put that returned an error is normally undone** on the disk too, and surely undone within this process. Only if
//!   the disk fails the undoing as well (removing the file and syncing the directory) may its record be found after the
//!   next start, as if the power had failed during that put. There is no system call with which to prevent that; a
//!   caller that treats an intent that it finds as *perhaps sent* is right in all cases.
//! - What `open` has found is durable before it is told, so that nobody acts on what a second power cut takes back.
//! - A newer version of a payment counts, whichever shelf it is on: a tombstone that is put after the open record ends
//!   that record even if the power fails before its removal; an open record put after the tombstone stays.
//! - **An older version is known to be one**, if the newer was acknowledged: then it has a line that says so, and is
//!   `Found::Older` whenever the newer one is damaged, missing or for good unreadable. A slot without that line is
//!   the newest; what stands beside it is an older version or a put that was cut short, and neither matters.
//! - What cannot be read *now* is `Found::Unreadable`: nothing is said of it and nothing is put for it.
//!
//! **Which promise gives way.** The line costs no sync, so that a power cut may take it: with Linux's defaults, in the
//! first 30 seconds or so. If the newest slot is damaged in the same breath, that damage and a put that was cut short
//! are told apart only where the slot is one flipped bit from whole; otherwise the older version is believed. The
//! other choice would be to doubt it, and then each power cut during a put would call the office, for a version of
//! which nobody was ever told. Slots of the first format have no such line: there, anything beside the good slot that
//! cannot be read makes it doubtful, once, at the change to this version.
//!
//! With a disk that lies about sync, versions may be lost without a trace, and what they asked for with them; what is
//! found is still whole.

mod aside;
mod closed;
mod entry;
mod look;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, DiskError, Durable, Lock, SyncStats};
use super::slot::{self, MAX_RECORD};
use super::{Found, Shelf, Store, StoreError};
use aside::Aside;
use entry::{Entry, Examined};
use names::{Files, Kind, Side};

pub(super) use names::check_name;

/// A journal in a directory. Dropping it frees the directory for others.
pub struct Directory {
    inner: Mutex<Inner>,
    disk: Arc<dyn Disk>,
    clock: PathBuf,
    _lock: Lock,
}

struct Inner {
    files: Files,
    open: BTreeMap<String, Entry>,
    aside: Aside,
    /// Open records were removed, and `open/` has not been synced for it.
    loose_removals: bool,
}

impl Directory {
    /// Opens the journal in `path`, which is created if need be, and recovers what a crash has left.
    ///
    /// Reads the open payments and not the closed ones. A damaged record is no error here; `each` reports it. Fails with
    /// `InUse` if another `Directory`, in this process or another, has it open.
    pub fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<Directory, StoreError> {
        // A firmware that changes its working directory later must not lose its journal.
        let root = std::path::absolute(path)
            .map_err(|e| StoreError::Broken(format!("no journal at {}: {e}", path.display())))?;
        let files = Files {
            disk: disk.clone(),
            open: root.join("open"),
            closed: root.join("closed"),
            damaged: root.join("damaged"),
        };
        make_directories(&files, &root)?;
        let lock = disk.lock(&root.join("lock"))?;
        let aside = Aside::load(&files)?;
        let mut inner = Inner {
            files,
            open: BTreeMap::new(),
            aside,
            loose_removals: false,
        };
        inner.recover()?;
        Ok(Directory {
            inner: Mutex::new(inner),
            disk,
            clock: root.join("clock"),
            _lock: lock,
        })
    }

    /// What syncs have cost since the disk was made: the part of a call's time that no limit can bound.
    pub fn stats(&self) -> SyncStats {
        self.disk.stats()
    }

    fn inner(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        self.inner
            .lock()
            .map_err(|_| StoreError::Broken("the journal stopped at a panic".into()))
    }
}

/// What a tombstone says of the open record of its name.
enum Ended {
    /// There is none.
    No,
    /// Versions before this one are over.
    At(u64),
    /// There was one, and it is damaged.
    Perhaps(String),
    /// It cannot be read now.
    NotNow(String),
}

/// Makes what is missing and puts it on the medium. The lock file is made after all that: while it is missing, a process
/// may have died between making a directory and syncing it, so everything is synced once more.
fn make_directories(files: &Files, root: &Path) -> Result<(), DiskError> {
    let disk = &*files.disk;
    let made = make_path(disk, root)?;
    let first = !disk.list(root)?.iter().any(|name| name == "lock");
    if first && !made {
        match disk.sync_dir(root.parent().unwrap_or(root)) {
            // Somebody else's directory, in which somebody else has made ours.
            Err(DiskError::Denied(_)) => {}
            result => result?,
        }
    }
    let mut made = false;
    for dir in [&files.open, &files.closed, &files.damaged] {
        made |= disk.make_dir(dir)?;
    }
    match made || first {
        true => disk.sync_dir(root),
        false => Ok(()),
    }
}

fn make_path(disk: &dyn Disk, dir: &Path) -> Result<bool, DiskError> {
    let parent = dir.parent().unwrap_or(dir);
    let made = match disk.make_dir(dir) {
        Err(DiskError::Missing) if parent != dir => {
            make_path(disk, parent)?;
            disk.make_dir(dir)?
        }
        result => result?,
    };
    if made {
        disk.sync_dir(parent)?;
    }
    Ok(made)
}

impl Inner {
    fn recover(&mut self) -> Result<(), StoreError> {
        let disk = self.files.disk.clone();
        let mut closed = BTreeSet::new();
        for file in disk.list(&self.files.closed)? {
            match names::parse(&file) {
                Some((name, Kind::Tombstone)) => drop(closed.insert(name)),
                Some((_, Kind::Temp)) => self.sweep(self.files.closed.join(&file)),
                _ => {}
            }
        }
        // Before an open record is removed for the sake of a tombstone, the tombstone's name must be durable.
        disk.sync_dir(&self.files.closed)?;

        let mut open = BTreeSet::new();
        for file in disk.list(&self.files.open)? {
            match names::parse(&file) {
                Some((name, Kind::Slot(_))) => drop(open.insert(name)),
                Some((_, Kind::Temp)) => self.sweep(self.files.open.join(&file)),
                _ => {}
            }
        }
        for name in open {
            // Without a file there may still be one that was damaged and set aside.
            let known = self.aside.reason(Shelf::Closed, &name).is_some();
            let ended = match closed.contains(&name) || known {
                true => self.ended(&name),
                false => Ended::No,
            };
            self.admit(&name, None, ended);
            if let Some(entry) = self.open.get_mut(&name) {
                entry.settle(&self.files, &name);
            }
        }
        // Makes durable what a killed process has left, and what was cleaned up above.
        disk.sync_dir(&self.files.open)?;
        Ok(())
    }

    /// Best effort: what cannot be removed is removed next time.
    fn sweep(&self, path: PathBuf) {
        let _ = self.files.disk.remove(&path);
    }

    /// What the tombstone of a name says of its open record.
    fn ended(&mut self, name: &str) -> Ended {
        match closed::read(&self.files, &mut self.aside, name) {
            Ok(None) => Ended::No,
            Ok(Some(tombstone)) => Ended::At(tombstone.seq),
            Err(StoreError::Damaged(why)) => Ended::Perhaps(why),
            Err(error) => Ended::NotNow(error.report().message),
        }
    }

    /// Reads the slots of a name and remembers what they are.
    fn admit(&mut self, name: &str, before: Option<&Entry>, ended: Ended) {
        let end = match ended {
            Ended::At(seq) => Some(seq),
            _ => None,
        };
        let over = |newest: Option<u64>| newest.zip(end).is_some_and(|(open, end)| open < end);
        let top = before.map_or(0, |entry| entry.top());
        if let Ended::NotNow(why) = ended {
            self.open.insert(name.to_owned(), Entry::not_now(why, top));
            return;
        }
        let files = &self.files;
        match entry::examine(files, &mut self.aside, name, before) {
            Examined::Nothing if before.is_some() => {
                let gone = "the record's files have disappeared".to_owned();
                self.open.insert(name.to_owned(), Entry::stuck(gone, top));
            }
            Examined::Nothing => {
                let _ = files.discard(&files.slot(name, Side::B));
            }
            Examined::Entry(mut entry, newest) => {
                entry.use_up(end.unwrap_or(0));
                // A tombstone was put and the power failed before the removal.
                if over(newest) && entry.remove(files, &mut self.aside, name).is_ok() {
                    return;
                }
                if let Ended::Perhaps(why) = ended {
                    entry.doubt(&why);
                }
                self.open.insert(name.to_owned(), entry);
            }
            Examined::Damaged(mut copies, why, newest) => {
                if copies.is_empty() {
                    // Two empty files: an empty copy keeps the name known.
                    copies.push(Vec::new());
                }
                let mut kept = Ok(());
                if !over(newest) {
                    let aside = &mut self.aside;
                    kept = copies
                        .iter()
                        .try_for_each(|copy| aside.keep(files, Shelf::Open, name, copy, &why));
                }
                // The copies are durable before the originals go; if there can be no copy, the originals stay.
                let gone = kept
                    .and_then(|()| files.discard(&files.slot(name, Side::A)))
                    .and_then(|()| files.discard(&files.slot(name, Side::B)));
                if gone.is_err() {
                    self.open.insert(name.to_owned(), Entry::stuck(why, top));
                }
            }
        }
    }

    fn find_open(&mut self, name: &str) -> Option<Found> {
        for again in [true, false] {
            let Inner {
                files, open, aside, ..
            } = self;
            let Some(entry) = open.get(name) else {
                break;
            };
            match entry.find(files, aside, name) {
                Ok(Some(found)) => return Some(found),
                Ok(None) => break,
                Err(()) if again => self.examine_again(name),
                Err(()) => {
                    if let Some(why) = entry.why_not_now() {
                        return Some(Found::Unreadable(why.to_owned()));
                    }
                    let why = entry.unreadable().unwrap_or("cannot be read");
                    return Some(Found::Damaged(why.to_owned()));
                }
            }
        }
        let why = self.aside.reason(Shelf::Open, name)?;
        Some(Found::Damaged(why.clone()))
    }

    fn examine_again(&mut self, name: &str) {
        let before = self.open.remove(name);
        let waited = before.as_ref().is_some_and(|e| e.why_not_now().is_some());
        let ended = match waited {
            true => self.ended(name),
            false => Ended::No,
        };
        self.admit(name, before.as_ref(), ended);
        if let (true, Some(entry)) = (waited, self.open.get_mut(name)) {
            entry.settle(&self.files, name);
        }
    }

    fn find_closed(&mut self, name: &str) -> Result<Option<Found>, StoreError> {
        match closed::read(&self.files, &mut self.aside, name) {
            Ok(slot) => Ok(slot.map(|slot| Found::Record(slot.record))),
            Err(StoreError::Damaged(why)) => Ok(Some(Found::Damaged(why))),
            Err(StoreError::Broken(why)) => Ok(Some(Found::Unreadable(why))),
            Err(error) => Err(error),
        }
    }

    /// Looks again at an open record that could not be read.
    fn try_again(&mut self, name: &str) {
        if self
            .open
            .get(name)
            .is_some_and(|e| e.why_not_now().is_some())
        {
            self.examine_again(name);
        }
    }

    fn find(&mut self, shelf: Shelf, name: &str) -> Result<Option<Found>, StoreError> {
        match shelf {
            Shelf::Open => Ok(self.find_open(name)),
            Shelf::Closed => self.find_closed(name),
        }
    }

    fn put_open(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.try_again(name);
        if !self.open.contains_key(name) {
            // A payment that is opened again must be newer than its tombstone.
            let top = match closed::read(&self.files, &mut self.aside, name) {
                Ok(slot) => slot.map_or(0, |slot| slot.seq),
                Err(_) if self.aside.reason(Shelf::Closed, name).is_some() => 0,
                Err(error) => return Err(error),
            };
            self.open.insert(name.to_owned(), Entry::new(top));
        }
        let Inner {
            files, open, aside, ..
        } = self;
        match open.get_mut(name) {
            Some(entry) => {
                let doubtful = entry.is_doubtful();
                entry.put(files, aside, name, bytes)?;
                if doubtful {
                    // The tombstone may be why, and this is the answer.
                    aside.answered(files, Shelf::Closed, name);
                }
                Ok(())
            }
            None => Err(StoreError::Broken("no such payment".into())),
        }
    }

    fn put_closed(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.try_again(name);
        let entry = self.open.get_mut(name);
        if let Some(why) = entry.as_ref().and_then(|e| e.why_not_now()) {
            return Err(StoreError::Broken(why.to_owned()));
        }
        if entry.as_ref().is_some_and(|e| e.is_newer_library()) {
            return Err(StoreError::Damaged(
                "the open record was written by a newer version of this library".into(),
            ));
        }
        let top = entry.as_ref().map_or(0, |e| e.top());
        let seq = closed::put(&self.files, &mut self.aside, top, name, bytes)?;
        if let Some(entry) = entry {
            entry.use_up(seq);
        }
        Ok(())
    }

    fn remove_open(&mut self, name: &str) -> Result<(), StoreError> {
        self.try_again(name);
        if let Some(entry) = self.open.get_mut(name) {
            self.loose_removals = true;
            entry.remove(&self.files, &mut self.aside, name)?;
            self.open.remove(name);
        }
        Ok(())
    }

    /// What the tombstone ended must be gone for good before the tombstone goes, or it would come to life again.
    fn remove_closed(&mut self, name: &str) -> Result<(), StoreError> {
        let known = self.aside.reason(Shelf::Closed, name).is_some();
        let seq = match closed::read(&self.files, &mut self.aside, name) {
            Ok(Some(tombstone)) => tombstone.seq,
            Ok(None) => return Ok(()),
            Err(StoreError::Damaged(_)) if known => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.open.get(name).is_some_and(|entry| entry.ended_by(seq)) {
            self.remove_open(name)?;
        }
        if self.loose_removals {
            self.files.disk.sync_dir(&self.files.open)?;
            self.loose_removals = false;
        }
        Ok(self.files.discard(&self.files.tombstone(name))?)
    }

    fn names(&mut self, shelf: Shelf) -> Result<BTreeSet<String>, StoreError> {
        let mut all: BTreeSet<String> = self.aside.names(shelf).cloned().collect();
        match shelf {
            Shelf::Open => all.extend(self.open.keys().cloned()),
            Shelf::Closed => {
                let files = self.files.disk.list(&self.files.closed)?;
                all.extend(files.iter().filter_map(|f| match names::parse(f)? {
                    (name, Kind::Tombstone) => Some(name),
                    _ => None,
                }));
            }
        }
        Ok(all)
    }
}

impl Store for Directory {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        if bytes.len() > MAX_RECORD {
            return Err(StoreError::Broken("the record is too large".into()));
        }
        let mut inner = self.inner()?;
        match shelf {
            Shelf::Open => inner.put_open(name, bytes)?,
            Shelf::Closed => inner.put_closed(name, bytes)?,
        }
        let Inner { files, aside, .. } = &mut *inner;
        aside.answered(files, shelf, name);
        Ok(())
    }

    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_name(name)?;
        let found = self.inner()?.find(shelf, name)?;
        found.map(Found::newest).transpose()
    }

    fn find(&self, shelf: Shelf, name: &str) -> Result<Option<Found>, StoreError> {
        check_name(name)?;
        self.inner()?.find(shelf, name)
    }

    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        match shelf {
            Shelf::Open => self.inner()?.remove_open(name),
            Shelf::Closed => self.inner()?.remove_closed(name),
        }
    }

    fn each(
        &self,
        shelf: Shelf,
        visit: &mut dyn FnMut(&str, Found) -> bool,
    ) -> Result<(), StoreError> {
        let names = self.inner()?.names(shelf)?;
        for name in names {
            // The lock is not held during the visit, which may put, get and remove.
            let found = self.inner()?.find(shelf, &name)?;
            if found.is_some_and(|found| !visit(&name, found)) {
                break;
            }
        }
        Ok(())
    }

    fn latest_time(&self) -> Option<i64> {
        let bytes = self.disk.read(&self.clock, slot::MAX_FILE).ok()?;
        super::read_time(&slot::decode(&bytes).ok()?.record)
    }

    /// Beside and renamed; the directory is not synced for it, so that a power cut may leave the time before.
    fn keep_latest_time(&self, unix_ms: i64) -> Result<(), StoreError> {
        let _one_at_a_time = self.inner()?;
        let bytes = slot::encode(1, &super::write_time(unix_ms));
        let beside = self.clock.with_extension("new");
        self.disk.write(&beside, &bytes, Durable::Now)?;
        Ok(self.disk.rename(&beside, &self.clock)?)
    }

    fn cost(&self) -> SyncStats {
        self.stats()
    }

    fn forget_older(&self, shelf: Shelf, name: &str) {
        let Ok(mut inner) = self.inner() else { return };
        let Inner { files, open, .. } = &mut *inner;
        if let (Shelf::Open, Some(entry)) = (shelf, open.get_mut(name)) {
            entry.forget_older(files, name);
        }
    }
}
