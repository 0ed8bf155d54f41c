//! Reading a file of the journal, with the difference between "not now" and "never".
//!
//! - No rights, no descriptor, no memory: says nothing about the file. Not now, for as long as it lasts.
//! - An error of the medium (EIO): looked at again at once, [`LOOKS_AGAIN`] times. If it stays, not now; the next
//!   start looks once more, and from then on the file counts as damaged.
//! - Something that is no file of ours: damaged.
//!
//! That a start has met an error of the medium is kept as the empty file `damaged/FILE.unread`. Nothing is synced for
//! it: if it is lost, one more start says "not now".

use std::path::Path;

use super::super::disk::DiskError;
use super::super::slot::{self, Slot, SlotError};
use super::aside::Aside;
use super::names::{Files, Side};

/// How often a file with an error of the medium is looked at again. The system and the medium repeat a read by
/// themselves, each for up to seconds; what goes on after that (a bus that was reset, a sector moved elsewhere) is over by
/// the second or third try, and a call of the host waits meanwhile.
const LOOKS_AGAIN: u32 = 3;

/// Why a file gives no bytes.
pub(super) enum Cannot {
    /// It is not there.
    Missing,
    /// Not now; it may be whole.
    NotNow(String),
    /// Not today and not tomorrow.
    Never(String),
}

/// The bytes of a file.
pub(super) fn read(files: &Files, aside: &mut Aside, path: &Path) -> Result<Vec<u8>, Cannot> {
    let mut looks = 0;
    loop {
        match files.disk.read(path, slot::MAX_FILE) {
            Ok(bytes) => {
                aside.is_read(files, path);
                return Ok(bytes);
            }
            Err(DiskError::Missing) => return Err(Cannot::Missing),
            Err(DiskError::Strange(why)) => return Err(Cannot::Never(why)),
            Err(DiskError::Broken(_)) if looks < LOOKS_AGAIN => looks += 1,
            Err(DiskError::Broken(why)) if aside.was_unread(path) => {
                return Err(Cannot::Never(why));
            }
            Err(DiskError::Broken(why)) => {
                aside.is_unread(files, path);
                return Err(Cannot::NotNow(why));
            }
            Err(DiskError::Denied(why) | DiskError::Starved(why)) => {
                return Err(Cannot::NotNow(why))
            }
            Err(error @ (DiskError::Full | DiskError::InUse)) => {
                return Err(Cannot::NotNow(format!("cannot be read: {error:?}")))
            }
        }
    }
}

/// What stands in a slot.
pub(super) enum Seen {
    Absent,
    Empty,
    Good(Slot),
    Newer(u64),
    Damaged(Vec<u8>, &'static str),
    /// For good.
    Unreadable(String),
    NotNow(String),
}

/// Reads a slot.
pub(super) fn look_at(files: &Files, aside: &mut Aside, name: &str, side: Side) -> Seen {
    match read(files, aside, &files.slot(name, side)) {
        Err(Cannot::Missing) => Seen::Absent,
        Err(Cannot::NotNow(why)) => Seen::NotNow(why),
        Err(Cannot::Never(why)) => Seen::Unreadable(why),
        Ok(bytes) if bytes.is_empty() => Seen::Empty,
        Ok(bytes) => match slot::decode(&bytes) {
            Ok(slot) => Seen::Good(slot),
            Err(SlotError::Newer(version)) => Seen::Newer(version),
            Err(SlotError::Damaged(why)) => Seen::Damaged(bytes, why),
        },
    }
}

/// Why the good slot is not, or may not be, the version that was acknowledged last.
///
/// A slot without the line that says "superseded" is the newest, and what stands beside it is an older one or a put
/// that the power cut short: nobody was told of that put. Two things are known to speak against it. What is one flipped
/// bit away from a newer version was whole once; the line may be what the power cut took. And the first format has no
/// such line.
pub(super) fn doubt(good: &Slot, other: &Seen, side: Side) -> Option<String> {
    let side = match side {
        Side::A => "a",
        Side::B => "b",
    };
    let lost = match other {
        Seen::Damaged(_, why) => format!("slot {side}: {why}"),
        Seen::Unreadable(why) => format!("slot {side}: {why}"),
        _ => format!("slot {side} does not hold it"),
    };
    if let Some(newer) = good.superseded {
        return match other {
            Seen::Good(slot) if slot.seq > good.seq => None,
            _ => Some(format!("version {newer} is lost: {lost}")),
        };
    }
    let doubtful = match other {
        Seen::Damaged(bytes, _) => match slot::but_for_one_bit(bytes) {
            Some(whole) => whole.seq > good.seq,
            None => !good.marks && !slot::claims_marks(bytes),
        },
        Seen::Unreadable(_) => !good.marks,
        _ => false,
    };
    doubtful.then(|| format!("a newer version may be lost: {lost}"))
}
