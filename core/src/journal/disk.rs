//! The door to the disk: what a journal needs of a file system, and the real one.
//!
//! The trait is small so that a test can stand in for it and cut the power between any two calls.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use rustix::fs::{Access, FlockOperation, OFlags};
use rustix::io::Errno;

use super::{slot, StoreError};

/// Why a disk could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// There is no such file or directory.
    Missing,
    /// No room: the disk, the quota or the inodes are used up.
    Full,
    /// Somebody else holds the lock.
    InUse,
    /// The system does not permit it (EACCES, EPERM); English text with the path and the system's reason.
    Denied(String),
    /// No descriptor or no memory is left (EMFILE, ENFILE, ENOMEM); English text with the path and the system's reason.
    Starved(String),
    /// What stands there is no file of ours: a directory, a pipe, a link, or larger than any record; English text.
    Strange(String),
    /// Anything else (EIO); English text with the path and the system's reason.
    Broken(String),
}

impl DiskError {
    /// Says nothing about the file: with the rights, descriptors or memory back, it can be read as ever.
    pub fn passes(&self) -> bool {
        matches!(self, DiskError::Denied(_) | DiskError::Starved(_))
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> StoreError {
        match error {
            DiskError::Missing => {
                StoreError::Broken("a file of the journal has disappeared".into())
            }
            DiskError::Full => StoreError::Full,
            DiskError::InUse => StoreError::InUse,
            DiskError::Denied(why)
            | DiskError::Starved(why)
            | DiskError::Strange(why)
            | DiskError::Broken(why) => StoreError::Broken(why),
        }
    }
}

/// When written bytes must be on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Before `write` returns `Ok`.
    Now,
    /// Whenever the system gets to it.
    Later,
}

/// What the syncs of a disk have cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStats {
    /// Syncs of a file's contents.
    pub file_syncs: u64,
    /// Syncs of a directory.
    pub dir_syncs: u64,
    /// The longest of all, in milliseconds, rounded up.
    pub longest_sync_ms: u64,
}

/// Held for as long as the lock is needed; dropping it frees the lock.
pub type Lock = Box<dyn Send + Sync>;

/// What a journal needs of a file system. Paths are whole; no call follows a symbolic link at the end of its path.
pub trait Disk: Send + Sync {
    /// Makes `path` hold exactly `bytes`: creates the file (for its owner only) or replaces its contents in place.
    fn write(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), DiskError>;
    /// Adds bytes to the end of a file that is there, some time later; a power cut in between may spoil the whole file.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let mut all = self.read(path, slot::MAX_FILE)?;
        all.extend_from_slice(bytes);
        self.write(path, &all, Durable::Later)
    }
    /// The contents of a regular file of at most `limit` bytes; a larger one is `Strange`.
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, DiskError>;
    /// Puts what the file holds now on the medium.
    fn sync(&self, path: &Path) -> Result<(), DiskError>;
    /// Renames, atomically, replacing what `to` was.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Removes a file; `Missing` if there is none.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;
    /// The names in a directory, in any order; those that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError>;
    /// Makes sure that the directory is there (made for its owner only) and can be written to; true if it was made.
    fn make_dir(&self, dir: &Path) -> Result<bool, DiskError>;
    /// Puts the names in a directory on the medium.
    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;
    /// Locks the file, which is created if need be, against every other holder in this process and in others.
    fn lock(&self, path: &Path) -> Result<Lock, DiskError>;
    /// What the syncs have cost so far.
    fn stats(&self) -> SyncStats;
}

/// The file system of the machine.
#[derive(Default)]
pub struct RealDisk {
    // A mutex, not 64-bit atomics: some 32-bit meters have none.
    stats: Mutex<SyncStats>,
}

impl RealDisk {
    /// A disk that has not synced yet.
    pub fn new() -> RealDisk {
        RealDisk::default()
    }

    /// Runs a sync and counts it, also when it fails: the caller has waited for it.
    fn timed(&self, dir: bool, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let start = Instant::now();
        let result = sync();
        let millis = start.elapsed().as_micros().div_ceil(1000) as u64;
        // Numbers for a report: a panic elsewhere is no reason to lose them.
        let mut stats = self.stats.lock().unwrap_or_else(|e| e.into_inner());
        match dir {
            true => stats.dir_syncs += 1,
            false => stats.file_syncs += 1,
        }
        stats.longest_sync_ms = stats.longest_sync_ms.max(millis);
        result
    }
}

/// Neither through a symbolic link that somebody planted, nor for ever on a pipe that stands where a file should.
fn careful() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32
}

fn trouble(doing: &str, path: &Path, error: io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::NotFound => DiskError::Missing,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full,
        kind => {
            let why = format!("cannot {doing} {}: {error}", path.display());
            match (kind, error.raw_os_error().map(Errno::from_raw_os_error)) {
                (io::ErrorKind::PermissionDenied, _) => DiskError::Denied(why),
                (_, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => DiskError::Starved(why),
                // A link (not followed), a pipe or device that nobody has at the other end; `regular` and the limit.
                (_, Some(Errno::LOOP | Errno::NXIO)) => DiskError::Strange(why),
                (io::ErrorKind::InvalidData, _) => DiskError::Strange(why),
                _ => DiskError::Broken(why),
            }
        }
    }
}

fn strange(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn regular(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(strange("it is not a file")),
    }
}

/// A locked file. Closing it would not be enough to free the lock: a child that the host is starting at this moment has
/// a copy of the descriptor.
struct Held {
    file: File,
    process: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A fork that cleans up after itself must not take the lock from its parent.
        if std::process::id() == self.process {
            let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
        }
    }
}

impl Disk for RealDisk {
    fn write(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), DiskError> {
        // One descriptor for both: an error that the system met while writing back is told to those who had the file
        // open by then, and to nobody else.
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .custom_flags(careful())
                .open(path)?;
            regular(&file)?;
            file.write_all(bytes)?;
            match durable {
                Durable::Now => self.timed(false, || file.sync_data()),
                Durable::Later => Ok(()),
            }
        };
        write().map_err(|e| trouble("write", path, e))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let append = || {
            let mut file = OpenOptions::new()
                .append(true)
                .custom_flags(careful())
                .open(path)?;
            regular(&file)?;
            file.write_all(bytes)
        };
        append().map_err(|e| trouble("write", path, e))
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, DiskError> {
        let read = || {
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(careful())
                .open(path)?;
            regular(&file)?;
            let mut bytes = Vec::new();
            file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
            match bytes.len() > limit {
                true => Err(strange("it is larger than any record")),
                false => Ok(bytes),
            }
        };
        read().map_err(|e| trouble("read", path, e))
    }

    fn sync(&self, path: &Path) -> Result<(), DiskError> {
        let sync = || {
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(careful())
                .open(path)?;
            self.timed(false, || file.sync_data())
        };
        sync().map_err(|e| trouble("sync", path, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(|e| trouble("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(|e| trouble("remove", path, e))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let list = || {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                names.extend(entry?.file_name().into_string());
            }
            Ok(names)
        };
        list().map_err(|e| trouble("list", dir, e))
    }

    fn make_dir(&self, dir: &Path) -> Result<bool, DiskError> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)
                    .map_err(|e| trouble("write to", dir, e.into()))?;
                Ok(false)
            }
            Err(e) => Err(trouble("create", dir, e)),
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let sync = || {
            let file = File::open(dir)?;
            match self.timed(true, || file.sync_all()) {
                // A file system that has no such thing as a directory that can be synced: nothing more can be done.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
                result => result,
            }
        };
        sync().map_err(|e| trouble("sync", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Lock, DiskError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(careful())
            .open(path)
            .map_err(|e| trouble("open", path, e))?;
        // flock belongs to the open file, not to the process: a second open in this process is kept out as well. The
        // system frees it when the process dies, however it dies.
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Box::new(Held {
                file,
                process: std::process::id(),
            })),
            Err(Errno::WOULDBLOCK) => Err(DiskError::InUse),
            Err(e) => Err(trouble("lock", path, e.into())),
        }
    }

    fn stats(&self) -> SyncStats {
        *self.stats.lock().unwrap_or_else(|e| e.into_inner())
    }
}
