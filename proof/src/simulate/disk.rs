//! A disk in memory: what a running process sees, and what a power cut leaves.
//!
//! Bytes are durable once their file is synced, names once their directory is. What is not may be lost, kept, torn or
//! kept out of order by a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::chance::Rng;

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not synced, in order.
    pending: Vec<Vec<u8>>,
    /// A sync failed: the system has forgotten what is dirty, and later syncs do nothing.
    forgotten: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf, usize),
    Dir(PathBuf),
}

impl Change {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Change::Link(p, _) | Change::Unlink(p, _) | Change::Dir(p) => p.parent() == Some(dir),
            Change::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link(path, file) => drop(self.files.insert(path.clone(), *file)),
            Change::Rename(from, to, file) => {
                if self.files.get(from) == Some(file) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *file);
            }
            Change::Unlink(path, file) => {
                if self.files.get(path) == Some(file) {
                    self.files.remove(path);
                }
            }
            Change::Dir(path) => drop(self.dirs.insert(path.clone())),
        }
    }
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Medium {
    files: Vec<File>,
    live: Names,
    durable: Names,
    changes: Vec<Change>,
    /// Locked paths.
    pub locked: BTreeSet<PathBuf>,
}

impl Medium {
    /// An empty disk.
    pub fn new() -> Medium {
        let mut medium = Medium::default();
        medium.live.dirs.insert("/".into());
        medium.durable.dirs.insert("/".into());
        medium
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.changes.push(change);
    }

    /// Is there such a directory?
    pub fn is_dir(&self, path: &Path) -> bool {
        self.live.dirs.contains(path)
    }

    /// Is there such a file?
    pub fn is_file(&self, path: &Path) -> bool {
        self.live.files.contains_key(path)
    }

    /// Replaces what a file holds.
    pub fn write(&mut self, path: &Path, bytes: &[u8]) {
        let place = match self.live.files.get(path) {
            Some(place) => *place,
            None => {
                self.files.push(File::default());
                let place = self.files.len() - 1;
                self.change(Change::Link(path.to_owned(), place));
                place
            }
        };
        let file = &mut self.files[place];
        file.live = bytes.to_vec();
        file.pending.push(bytes.to_vec());
        file.forgotten = false;
    }

    /// What a file holds.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let place = *self.live.files.get(path)?;
        Some(self.files[place].live.clone())
    }

    /// Puts a file on the medium. False: there is none.
    pub fn sync(&mut self, path: &Path) -> bool {
        let Some(&place) = self.live.files.get(path) else {
            return false;
        };
        let file = &mut self.files[place];
        if !file.forgotten {
            file.durable.clone_from(&file.live);
            file.pending.clear();
        }
        true
    }

    /// A sync failed.
    pub fn sync_failed(&mut self, path: &Path) {
        if let Some(&place) = self.live.files.get(path) {
            self.files[place].forgotten = true;
        }
    }

    /// Renames.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(&place) = self.live.files.get(from) {
            self.change(Change::Rename(from.to_owned(), to.to_owned(), place));
        }
    }

    /// Removes.
    pub fn remove(&mut self, path: &Path) {
        if let Some(&place) = self.live.files.get(path) {
            self.change(Change::Unlink(path.to_owned(), place));
        }
    }

    /// Makes a directory.
    pub fn make_dir(&mut self, path: &Path) {
        self.change(Change::Dir(path.to_owned()));
    }

    /// Puts the names of a directory on the medium.
    pub fn sync_dir(&mut self, dir: &Path) {
        let (synced, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|c| c.touches(dir));
        self.changes = rest;
        for change in &synced {
            self.durable.apply(change);
        }
    }

    /// The names in a directory.
    pub fn list(&self, dir: &Path) -> Vec<String> {
        let all = self.live.files.keys().chain(self.live.dirs.iter());
        all.filter(|path| path.parent() == Some(dir))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    /// The process ended; the machine did not.
    pub fn killed(&mut self) {
        self.locked.clear();
    }

    /// The power failed.
    pub fn power_cut(&mut self, rng: &mut Rng) {
        self.locked.clear();
        let way = rng.below(4);
        for change in &std::mem::take(&mut self.changes) {
            let keep = match way {
                0 => false,
                1 => true,
                _ => rng.chance(500),
            };
            if keep {
                self.durable.apply(change);
            }
        }
        let names = &mut self.durable;
        let dirs = names.dirs.clone();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|d| dirs.contains(d));
        names.dirs.retain(|d| reachable(d));
        names.files.retain(|f, _| reachable(f));
        self.live = self.durable.clone();
        for file in &mut self.files {
            if file.pending.is_empty() {
                continue;
            }
            let last = file.pending.len() - 1;
            let bytes = match rng.below(5) {
                0 => file.durable.clone(),
                1 => file.pending[last].clone(),
                2 => file.pending[rng.below(last as u64 + 1) as usize].clone(),
                _ => tear(&file.durable, &file.pending[last], rng),
            };
            *file = File {
                live: bytes.clone(),
                durable: bytes,
                ..File::default()
            };
        }
    }

    /// A file that holds these bytes.
    pub fn holds(&self, what: &[u8]) -> Option<String> {
        let mut names = self.live.files.iter();
        let found = names.find(|(_, place)| {
            let bytes = &self.files[**place].live;
            bytes.windows(what.len()).any(|w| w == what)
        });
        found.map(|(path, _)| path.display().to_string())
    }
}

/// A write that was under way: some sectors new, some old, the length either.
fn tear(old: &[u8], new: &[u8], rng: &mut Rng) -> Vec<u8> {
    let sector = rng.one(&[16usize, 64, 512]);
    let length = rng.one(&[new.len(), new.len(), old.len(), 0]);
    let length = match rng.chance(300) {
        true => rng.below(new.len() as u64 + 1) as usize,
        false => length,
    };
    let mut bytes = vec![0u8; length];
    let mut at = 0;
    while at < length {
        let end = (at + sector).min(length);
        let from = if rng.chance(500) { new } else { old };
        for (place, byte) in bytes.iter_mut().enumerate().take(end).skip(at) {
            *byte = from.get(place).copied().unwrap_or(0);
        }
        at = end;
    }
    bytes
}
