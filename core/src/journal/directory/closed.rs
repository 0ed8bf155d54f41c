//! Tombstones: one file each, replaced by rename, because they are written once and read seldom.

use super::super::disk::{DiskError, Durable};
use super::super::slot::{self, Slot, SlotError};
use super::super::{Shelf, StoreError};
use super::aside::Aside;
use super::look::{self, Cannot};
use super::names::Files;

/// Reads a tombstone. One that is damaged is set aside, and is an error by name from then on. `Broken`: not now.
pub(super) fn read(
    files: &Files,
    aside: &mut Aside,
    name: &str,
) -> Result<Option<Slot>, StoreError> {
    let path = files.tombstone(name);
    let bytes = match look::read(files, aside, &path) {
        Ok(bytes) => bytes,
        Err(Cannot::Missing) => {
            return match aside.reason(Shelf::Closed, name) {
                Some(why) => Err(StoreError::Damaged(why.clone())),
                None => Ok(None),
            }
        }
        Err(Cannot::NotNow(why)) => return Err(StoreError::Broken(why)),
        Err(Cannot::Never(why)) => return Err(StoreError::Damaged(why)),
    };
    let why = match slot::decode(&bytes) {
        Ok(slot) => return Ok(Some(slot)),
        Err(SlotError::Newer(version)) => {
            return Err(StoreError::Damaged(format!(
                "written by a newer version of this library (format {version}); kept as it is"
            )))
        }
        Err(SlotError::Damaged(why)) => why,
    };
    // The copy is durable before the original goes; if there can be no copy, the original stays.
    match aside.keep(files, Shelf::Closed, name, &bytes, why) {
        Ok(()) => {
            let _ = files.discard(&path);
            let noted = aside.reason(Shelf::Closed, name).cloned();
            Err(StoreError::Damaged(noted.unwrap_or_default()))
        }
        Err(error) => Err(StoreError::Damaged(format!(
            "{why}; cannot be set aside: {error:?}"
        ))),
    }
}

/// Puts a tombstone that is newer than `top`, the highest version of the open payment; returns its own version.
pub(super) fn put(
    files: &Files,
    aside: &mut Aside,
    top: u64,
    name: &str,
    record: &[u8],
) -> Result<u64, StoreError> {
    let path = files.tombstone(name);
    let old = match read(files, aside, name) {
        Ok(old) => old,
        Err(error) => match files.disk.read(&path, slot::MAX_FILE) {
            // Set aside: its place is free.
            Err(DiskError::Missing) => None,
            _ => return Err(error),
        },
    };
    let seq = old.as_ref().map_or(0, |slot| slot.seq).max(top) + 1;
    let temp = files.temp(Shelf::Closed, name);
    let write = |slot: &[u8]| {
        files.discard(&temp)?;
        files.disk.write(&temp, slot, Durable::Now)
    };
    let result = write(&slot::encode(seq, record)).and_then(|()| {
        files.disk.rename(&temp, &path)?;
        files.disk.sync_dir(&files.closed).inspect_err(|_| {
            // Renamed, but perhaps not for good. What was there before is put back as well as it can be.
            let _ = match &old {
                Some(slot) => write(&slot::encode(slot.seq, &slot.record))
                    .and_then(|()| files.disk.rename(&temp, &path)),
                None => files.discard(&path),
            };
            let _ = files.disk.sync_dir(&files.closed);
        })
    });
    if let Err(error) = result {
        let _ = files.discard(&temp);
        return Err(error.into());
    }
    Ok(seq)
}
