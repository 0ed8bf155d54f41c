//! A disk in memory on which the power can be cut before, during and after every step.
//!
//! It keeps two images: the *live* one, which a running process sees, and the *durable* one, which is what a power cut
//! leaves. A write changes the live image and stands by for the durable one until the file is synced; a create, rename
//! or removal does so until its directory is synced. Syncing a file says nothing about its name.
//!
//! What stands by at a cut may be kept, lost, kept in part or, for bytes, torn, as the `Variant` and the seed say.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod tearing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tearing::{tear, Random, Variant};
use vpmeter_core::journal::disk::{Disk, DiskError, Durable, Lock, SyncStats};

/// The kinds of step, so that a test can fail one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Write,
    Append,
    Sync,
    Rename,
    Remove,
    MakeDir,
    SyncDir,
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Contents written since the last sync, in order.
    pending: Vec<Vec<u8>>,
    /// A sync failed: the system has forgotten that the pages are dirty, so later syncs do nothing and say `Ok`.
    forgotten: bool,
}

#[derive(Clone)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf, usize),
    MakeDir(PathBuf),
}

impl Change {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Change::Link(p, _) | Change::Unlink(p, _) | Change::MakeDir(p) => {
                p.parent() == Some(dir)
            }
            Change::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link(path, inode) => drop(self.files.insert(path.clone(), *inode)),
            Change::Rename(from, to, inode) => {
                if self.files.get(from) == Some(inode) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *inode);
            }
            Change::Unlink(path, inode) => {
                if self.files.get(path) == Some(inode) {
                    self.files.remove(path);
                }
            }
            Change::MakeDir(path) => drop(self.dirs.insert(path.clone())),
        }
    }
}

#[derive(Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    live: Names,
    durable: Names,
    changes: Vec<Change>,
    locked: BTreeSet<PathBuf>,
    stats: SyncStats,
    steps: usize,
    cut_at: Option<usize>,
    /// Fails one step, or all of a kind from one step on.
    fail: Option<(usize, usize, DiskError)>,
    lies: bool,
    read_only: bool,
    /// Files that cannot be read so many times more.
    unreadable: BTreeMap<PathBuf, (usize, DiskError)>,
    log: Vec<(Op, PathBuf)>,
}

/// The disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct FakeDisk(Arc<Mutex<State>>);

fn broken(what: &str) -> DiskError {
    DiskError::Broken(what.into())
}

impl FakeDisk {
    /// An empty disk with the directory `/`.
    pub fn new() -> FakeDisk {
        let disk = FakeDisk::default();
        let mut state = disk.state();
        state.live.dirs.insert("/".into());
        state.durable.dirs.insert("/".into());
        drop(state);
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The number of steps so far.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// The power fails during this step: it and every later one return an error.
    pub fn cut_at(&self, step: usize) {
        self.state().cut_at = Some(step);
    }

    /// The `count` steps from this one on fail; a write then leaves half its bytes.
    pub fn fail_at(&self, step: usize, count: usize, error: DiskError) {
        self.state().fail = Some((step, count, error));
    }

    /// From now on syncs return `Ok` and do nothing.
    pub fn lie(&self) {
        self.state().lies = true;
    }

    /// From now on nothing can be changed.
    pub fn read_only(&self) {
        self.state().read_only = true;
    }

    /// The next `count` reads of a file fail.
    pub fn unreadable(&self, path: &str, count: usize, error: DiskError) {
        self.state().unreadable.insert(path.into(), (count, error));
    }

    /// What has been done to which path.
    pub fn log(&self) -> Vec<(Op, PathBuf)> {
        self.state().log.clone()
    }

    /// Puts bytes on the disk as if they had been there for ever.
    pub fn plant(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..Inode::default()
        });
        state.live.files.insert(path.into(), inode);
        state.durable.files.insert(path.into(), inode);
    }

    /// The live contents of a file.
    pub fn peek(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = *state.live.files.get(Path::new(path))?;
        Some(state.inodes[inode].live.clone())
    }

    /// All paths of files.
    pub fn paths(&self) -> Vec<String> {
        let state = self.state();
        let files = state.live.files.keys();
        files.map(|p| p.display().to_string()).collect()
    }

    /// The same disk after the process was killed: what it had not synced is still there, and still not durable.
    pub fn after_kill(&self) -> FakeDisk {
        let mut state = self.state().clone();
        state.locked.clear();
        state.cut_at = None;
        state.fail = None;
        state.unreadable.clear();
        state.steps = 0;
        FakeDisk(Arc::new(Mutex::new(state)))
    }

    /// The disk that the meter finds when the power is back.
    pub fn after_cut(&self, variant: Variant, seed: u64) -> FakeDisk {
        let mut random = Random::new(seed);
        let state = self.state();
        let mut names = state.durable.clone();
        for change in &state.changes {
            let keep = match variant {
                Variant::Lost => false,
                Variant::Kept | Variant::Torn => true,
                _ => random.coin(),
            };
            if keep {
                names.apply(change);
            }
        }
        // What stands in a directory that is gone is gone.
        let dirs = names.dirs.clone();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|d| dirs.contains(d));
        names.dirs.retain(|d| reachable(d));
        names.files.retain(|f, _| reachable(f));

        let mut inodes = state.inodes.clone();
        for inode in inodes.iter_mut().filter(|i| !i.pending.is_empty()) {
            let last = inode.pending.len() - 1;
            let bytes = match variant {
                Variant::Lost => inode.durable.clone(),
                Variant::Kept | Variant::Names => inode.pending[last].clone(),
                Variant::Torn => tear(&inode.durable, &inode.pending[last], &mut random),
                Variant::Reordered | Variant::Chaos => match random.below(last + 3) {
                    n if n <= last => inode.pending[n].clone(),
                    n if n > last + 1 && variant == Variant::Chaos => {
                        tear(&inode.durable, &inode.pending[last], &mut random)
                    }
                    _ => inode.durable.clone(),
                },
            };
            *inode = Inode {
                live: bytes.clone(),
                durable: bytes,
                ..Inode::default()
            };
        }
        let after = State {
            inodes,
            live: names.clone(),
            durable: names,
            ..State::default()
        };
        FakeDisk(Arc::new(Mutex::new(after)))
    }
}

impl State {
    /// Counts a step; an error if it is one that fails. The caller does to the live image what a failing step may do.
    fn step(&mut self, op: Op, path: &Path) -> Result<(), DiskError> {
        if self.read_only {
            return Err(broken(&format!(
                "cannot write to {}: read-only",
                path.display()
            )));
        }
        let step = self.steps;
        self.steps += 1;
        self.log.push((op, path.to_owned()));
        if self.cut_at.is_some_and(|cut| step >= cut) {
            return Err(broken("the power is gone"));
        }
        match &self.fail {
            Some((at, count, error)) if (*at..at + count).contains(&step) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// True if nothing at all happens any more, not even in part: the power failed in an earlier step.
    fn dead(&self) -> bool {
        self.cut_at.is_some_and(|cut| self.steps > cut)
    }

    fn powered(&self) -> Result<(), DiskError> {
        match self.dead() {
            true => Err(broken("the power is gone")),
            false => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.changes.push(change);
    }

    fn sync_inode(&mut self, path: &Path) -> Result<(), DiskError> {
        let result = self.step(Op::Sync, path);
        self.stats.file_syncs += 1;
        let Some(&inode) = self.live.files.get(path) else {
            return Err(DiskError::Missing);
        };
        let (lies, cut) = (self.lies, self.dead());
        let inode = &mut self.inodes[inode];
        if result.is_err() {
            inode.forgotten |= !cut;
        } else if !lies && !inode.forgotten {
            inode.durable = inode.live.clone();
            inode.pending.clear();
        }
        result
    }
}

impl Disk for FakeDisk {
    fn write(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        if state.live.dirs.contains(path) {
            return Err(broken(&format!(
                "cannot write {}: it is a directory",
                path.display()
            )));
        }
        let result = state.step(Op::Write, path);
        if state.read_only {
            return result;
        }
        let inode = match state.live.files.get(path) {
            Some(inode) => *inode,
            None => {
                // A disk without room may still have room for a name.
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.change(Change::Link(path.to_owned(), inode));
                inode
            }
        };
        let cut = state.dead();
        let bytes = match result.is_err() && !cut {
            true => &bytes[..bytes.len() / 2],
            false => bytes,
        };
        let file = &mut state.inodes[inode];
        file.live = bytes.to_vec();
        file.pending.push(bytes.to_vec());
        file.forgotten = false;
        result?;
        match durable {
            Durable::Now => state.sync_inode(path),
            Durable::Later => Ok(()),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        let result = state.step(Op::Append, path);
        let inode = *state.live.files.get(path).ok_or(DiskError::Missing)?;
        let part = match result.is_err() && !state.dead() {
            true => bytes.len() / 2,
            false => bytes.len(),
        };
        let file = &mut state.inodes[inode];
        file.live.extend_from_slice(&bytes[..part]);
        file.pending.push(file.live.clone());
        result
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, DiskError> {
        let mut state = self.state();
        state.powered()?;
        if state.live.dirs.contains(path) {
            return Err(DiskError::Strange(format!(
                "cannot read {}: it is not a file",
                path.display()
            )));
        }
        if let Some((count, error)) = state.unreadable.get_mut(path) {
            if *count > 0 {
                *count -= 1;
                return Err(error.clone());
            }
        }
        let inode = state.live.files.get(path).ok_or(DiskError::Missing)?;
        let bytes = state.inodes[*inode].live.clone();
        match bytes.len() > limit {
            true => Err(DiskError::Strange("too large".into())),
            false => Ok(bytes),
        }
    }

    fn sync(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        state.sync_inode(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        let result = state.step(Op::Rename, from);
        let inode = *state.live.files.get(from).ok_or(DiskError::Missing)?;
        if result.is_ok() || state.dead() {
            state.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        }
        result
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        let Some(&inode) = state.live.files.get(path) else {
            return Err(DiskError::Missing);
        };
        let result = state.step(Op::Remove, path);
        if result.is_ok() || state.dead() {
            state.change(Change::Unlink(path.to_owned(), inode));
        }
        result
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let state = self.state();
        state.powered()?;
        if !state.live.dirs.contains(dir) {
            return Err(DiskError::Missing);
        }
        let all = state.live.files.keys().chain(state.live.dirs.iter());
        Ok(all
            .filter(|path| path.parent() == Some(dir))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn make_dir(&self, dir: &Path) -> Result<bool, DiskError> {
        let mut state = self.state();
        state.powered()?;
        if state.live.dirs.contains(dir) {
            return match state.read_only {
                true => Err(broken(&format!(
                    "cannot write to {}: read-only",
                    dir.display()
                ))),
                false => Ok(false),
            };
        }
        if !dir
            .parent()
            .is_some_and(|parent| state.live.dirs.contains(parent))
        {
            return Err(DiskError::Missing);
        }
        let result = state.step(Op::MakeDir, dir);
        if result.is_ok() || state.dead() {
            state.change(Change::MakeDir(dir.to_owned()));
        }
        result.map(|()| true)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.powered()?;
        state.step(Op::SyncDir, dir)?;
        state.stats.dir_syncs += 1;
        if state.lies {
            return Ok(());
        }
        let (synced, rest) = std::mem::take(&mut state.changes)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.touches(dir));
        state.changes = rest;
        for change in &synced {
            state.durable.apply(change);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Lock, DiskError> {
        let mut state = self.state();
        state.powered()?;
        if !state.live.files.contains_key(path) {
            let result = state.step(Op::Write, path);
            let inode = state.inodes.len();
            if result.is_ok() || state.dead() {
                state.inodes.push(Inode::default());
                state.change(Change::Link(path.to_owned(), inode));
            }
            result?;
        }
        if !state.locked.insert(path.to_owned()) {
            return Err(DiskError::InUse);
        }
        Ok(Box::new(Held(self.clone(), path.to_owned())))
    }

    fn stats(&self) -> SyncStats {
        self.state().stats
    }
}

struct Held(FakeDisk, PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().locked.remove(&self.1);
    }
}
