//! One open payment: its two slots, and which of them is the truth.
//!
//! The rules, all of them there so that the slot that was last put is never touched:
//!
//! - A put writes and syncs the whole record in the *other* slot; only then is that one the good one.
//! - A file of which a write or sync failed is never trusted again: it is removed, and made afresh by the next put. (A
//!   system that could not write a page back forgets that it is dirty; the next sync of that file succeeds and lies.)
//! - A sequence number is used once, whether or not its put succeeded.
//! - When a put stands, the version before it gets a line that says so ([`slot::superseded`]), without a sync: what carries
//!   that line knows that it is not the newest, whatever became of the newer one.
//! - The first put writes under another name and renames when the bytes are durable, so that a power cut in a first put
//!   leaves nothing rather than something torn. It also makes the second file, so that this one sync of the directory
//!   is the only one in the payment's life.

use super::super::disk::{DiskError, Durable};
use super::super::slot::{self, Slot};
use super::super::{Found, Shelf, StoreError};
use super::aside::Aside;
use super::look::{doubt, look_at, Seen};
use super::names::{Files, Side};

/// What is known about the file of a slot that is not the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not there: making it takes a sync of the directory.
    Absent,
    /// There, with an older version or torn bytes that the next put may replace.
    Ready,
    /// There, without contents.
    Empty,
    /// A put into it failed.
    Spoiled,
    /// Something that cannot be read: kept until a put needs its place, then moved to `damaged/`.
    Strange,
}

/// What keeps the good slot from being the whole truth.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// A newer version than the good one was acknowledged, or may have been.
    Older(String),
    /// Neither slot can be read, now or later.
    Unreadable(String),
    /// A slot cannot be read now, and may be whole.
    NotNow(String),
    /// A later version of the library wrote here: hands off.
    Newer(String),
}

/// What memory holds of an open payment.
pub(super) struct Entry {
    good: Option<(Side, u64)>,
    /// The highest sequence number ever used.
    top: u64,
    slots: [State; 2],
    /// The good slot says that a newer one stood.
    marked: bool,
    trouble: Trouble,
}

/// What the two files of a name turned out to be.
pub(super) enum Examined {
    /// A payment.
    Entry(Entry, Newest),
    /// Neither slot is good: the bytes that there are, and what is wrong.
    Damaged(Vec<Vec<u8>>, String, Newest),
    /// What a first put had made when the power failed. Nobody was told that it is there.
    Nothing,
}

/// The highest sequence number that any slot of the name has or had; `None` if that cannot be told.
pub(super) type Newest = Option<u64>;

/// Reads both slots of a name. `before` is what this process knew of it, if it did.
pub(super) fn examine(
    files: &Files,
    aside: &mut Aside,
    name: &str,
    before: Option<&Entry>,
) -> Examined {
    let mut seen = [Side::A, Side::B].map(|side| look_at(files, aside, name, side));
    let mut slots = [State::Absent; 2];
    let mut newest = Some(before.map_or(0, |e| e.top));
    let mut good: Option<Slot> = None;
    let mut good_side = Side::A;
    let mut trouble = Trouble::None;
    for side in [Side::A, Side::B] {
        // A slot of a failed put may look well and still be nowhere but in memory.
        if before.is_some_and(|e| e.slots[side as usize] == State::Spoiled) {
            slots[side as usize] = State::Spoiled;
            seen[side as usize] = Seen::Absent;
            continue;
        }
        let (state, claim) = match &seen[side as usize] {
            Seen::Absent => (State::Absent, Some(0)),
            Seen::Empty => (State::Empty, Some(0)),
            Seen::Good(slot) => (State::Ready, slot.superseded.or(Some(slot.seq))),
            Seen::Damaged(bytes, _) => (State::Ready, slot::claimed_seq(bytes)),
            Seen::Newer(_) | Seen::Unreadable(_) | Seen::NotNow(_) => (State::Strange, None),
        };
        slots[side as usize] = state;
        newest = newest.zip(claim).map(|(a, b)| a.max(b));
        if let Seen::Good(slot) = &seen[side as usize] {
            match &good {
                Some(other) if other.seq > slot.seq => {}
                Some(other) if other.seq == slot.seq && other.record != slot.record => {
                    trouble = Trouble::Older("both slots claim to be the same version".into());
                }
                _ => {
                    good = Some(slot.clone());
                    good_side = side;
                }
            }
        }
    }

    for seen in &seen {
        match seen {
            Seen::Newer(version) => {
                trouble = Trouble::Newer(format!(
                    "written by a newer version of this library (format {version}); kept as it is"
                ));
                break;
            }
            Seen::NotNow(why) => trouble = Trouble::NotNow(why.clone()),
            _ => {}
        }
    }
    match (&good, &trouble) {
        (Some(good), Trouble::None) => {
            let side = good_side.other();
            match doubt(good, &seen[side as usize], side) {
                Some(why) => trouble = Trouble::Older(why),
                // Nothing newer was ever acknowledged, whatever stands in the other slot.
                None => newest = Some(newest.unwrap_or(0).max(good.seq)),
            }
        }
        (None, Trouble::None) => match &seen {
            [Seen::Absent, Seen::Absent | Seen::Empty] => return Examined::Nothing,
            [Seen::Unreadable(why), _] | [_, Seen::Unreadable(why)] => {
                trouble = Trouble::Unreadable(why.clone());
            }
            _ => {
                let mut why = "both slots are empty".to_owned();
                for (side, seen) in ["a", "b"].iter().zip(&seen) {
                    if let Seen::Damaged(_, what) = seen {
                        why = format!("slot {side}: {what}");
                    }
                }
                let copies = seen.into_iter().filter_map(|seen| match seen {
                    Seen::Damaged(bytes, _) => Some(bytes),
                    _ => None,
                });
                return Examined::Damaged(copies.collect(), why, newest);
            }
        },
        _ => {}
    }
    let marked = good.as_ref().is_some_and(|slot| slot.superseded.is_some());
    let good = good.map(|slot| (good_side, slot.seq));
    let known = before.and_then(|e| e.good).map_or(0, |(_, seq)| seq);
    if trouble == Trouble::None && good.is_some_and(|(_, seq)| seq < known) {
        trouble = Trouble::Older("the newest version has disappeared".into());
    }
    if let (Trouble::None, Some(Trouble::Older(why))) = (&trouble, before.map(|e| &e.trouble)) {
        trouble = Trouble::Older(why.clone());
    }
    // What cannot be read may have used up the number after the last one that is known.
    let top = newest
        .unwrap_or_else(|| good.map_or(0, |(_, seq)| seq) + 1)
        .max(before.map_or(0, |e| e.top));
    let entry = Entry {
        good,
        top,
        slots,
        marked,
        trouble,
    };
    Examined::Entry(entry, newest)
}

impl Entry {
    /// A payment that has no file yet; its versions count from above `top`.
    pub(super) fn new(top: u64) -> Entry {
        Entry {
            good: None,
            top,
            slots: [State::Absent; 2],
            marked: false,
            trouble: Trouble::None,
        }
    }

    /// A payment that is there, and of which nothing can be said now.
    pub(super) fn not_now(why: String, top: u64) -> Entry {
        Entry {
            slots: [State::Strange; 2],
            trouble: Trouble::NotNow(why),
            ..Entry::new(top)
        }
    }

    /// A payment whose slots are lost or could not be set aside: known by name, whatever is left stays where it is.
    pub(super) fn stuck(why: String, top: u64) -> Entry {
        Entry {
            slots: [State::Strange; 2],
            trouble: Trouble::Unreadable(why),
            ..Entry::new(top)
        }
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    pub(super) fn use_up(&mut self, seq: u64) {
        self.top = self.top.max(seq);
    }

    /// A tombstone of this version ends what is here.
    pub(super) fn ended_by(&self, seq: u64) -> bool {
        self.good.is_some_and(|(_, mine)| mine < seq)
    }

    pub(super) fn is_newer_library(&self) -> bool {
        matches!(self.trouble, Trouble::Newer(_))
    }

    fn check_hands_off(&self) -> Result<(), StoreError> {
        match &self.trouble {
            Trouble::Newer(why) => Err(StoreError::Damaged(why.clone())),
            Trouble::NotNow(why) => Err(StoreError::Broken(why.clone())),
            _ => Ok(()),
        }
    }

    /// The tombstone that may have ended it is damaged.
    pub(super) fn doubt(&mut self, why: &str) {
        if self.trouble == Trouble::None {
            self.trouble = Trouble::Older(format!("its tombstone: {why}"));
        }
    }

    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self.trouble, Trouble::Older(_))
    }

    /// Why it cannot be read now, if that may pass.
    pub(super) fn why_not_now(&self) -> Option<&str> {
        match &self.trouble {
            Trouble::NotNow(why) => Some(why),
            _ => None,
        }
    }

    /// A process that was killed between its write and its sync leaves a slot that reads well and is not on the medium.
    /// Whoever acts on it must be able to rely on it.
    pub(super) fn settle(&mut self, files: &Files, name: &str) {
        let (Some((side, _)), Trouble::None | Trouble::Older(_)) = (self.good, &self.trouble)
        else {
            return;
        };
        if let Err(error) = files.disk.sync(&files.slot(name, side)) {
            self.trouble = Trouble::NotNow(format!("cannot be synced: {error:?}"));
        }
    }

    /// What is there; `None` if nothing is, `Err` if the slots must be examined again.
    pub(super) fn find(
        &self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
    ) -> Result<Option<Found>, ()> {
        let why_older = match &self.trouble {
            Trouble::Newer(why) => return Ok(Some(Found::Damaged(why.clone()))),
            Trouble::NotNow(_) => return Err(()),
            Trouble::Older(why) => Some(why),
            Trouble::None | Trouble::Unreadable(_) => None,
        };
        let Some((side, seq)) = self.good else {
            return match &self.trouble {
                Trouble::Unreadable(_) => Err(()),
                _ => Ok(None),
            };
        };
        match look_at(files, aside, name, side) {
            Seen::Good(slot) if slot.seq == seq => Ok(Some(match why_older {
                None => Found::Record(slot.record),
                Some(why) => Found::Older(slot.record, why.clone()),
            })),
            Seen::NotNow(why) => Ok(Some(Found::Unreadable(why))),
            _ => Err(()),
        }
    }

    /// Why there is nothing to be read.
    pub(super) fn unreadable(&self) -> Option<&str> {
        match &self.trouble {
            Trouble::Unreadable(why) => Some(why),
            _ => None,
        }
    }

    pub(super) fn put(
        &mut self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
        record: &[u8],
    ) -> Result<(), StoreError> {
        self.check_hands_off()?;
        self.top += 1;
        let bytes = slot::encode(self.top, record);
        let done = match self.good {
            None => self.put_first(files, aside, name, &bytes),
            Some((good, _)) => self.put_other(files, aside, name, good.other(), &bytes),
        };
        done.map_err(StoreError::from)
    }

    fn put_first(
        &mut self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let (a, b) = (files.slot(name, Side::A), files.slot(name, Side::B));
        let temp = files.temp(Shelf::Open, name);
        let mut write = || {
            self.clear(files, aside, name, Side::A)?;
            self.clear(files, aside, name, Side::B)?;
            files.discard(&temp)?;
            files.disk.write(&temp, bytes, Durable::Now)?;
            files.disk.rename(&temp, &a)?;
            files.disk.write(&b, b"", Durable::Later)?;
            files.disk.sync_dir(&files.open)
        };
        match write() {
            Ok(()) => {
                self.good = Some((Side::A, self.top));
                self.slots = [State::Ready, State::Empty];
                self.marked = false;
                self.trouble = Trouble::None;
                Ok(())
            }
            Err(error) => {
                let _ = files.discard(&temp);
                self.spoil(files, name, Side::A);
                self.spoil(files, name, Side::B);
                let _ = files.disk.sync_dir(&files.open);
                Err(error)
            }
        }
    }

    fn put_other(
        &mut self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
        side: Side,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let mut write = || {
            if matches!(self.slots[side as usize], State::Spoiled | State::Strange) {
                self.clear(files, aside, name, side)?;
            }
            files
                .disk
                .write(&files.slot(name, side), bytes, Durable::Now)?;
            match self.slots[side as usize] {
                State::Absent => files.disk.sync_dir(&files.open),
                _ => Ok(()),
            }
        };
        match write() {
            Ok(()) => {
                if !self.marked {
                    // Not synced: it says something about a version that is not needed, for the day when one looks for it.
                    let _ = files
                        .disk
                        .append(&files.slot(name, side.other()), &slot::superseded(self.top));
                }
                self.good = Some((side, self.top));
                self.marked = false;
                self.slots[side as usize] = State::Ready;
                self.trouble = Trouble::None;
                Ok(())
            }
            Err(error) => {
                self.spoil(files, name, side);
                // If this succeeds, the failed version is surely gone. If it fails too, then no system call is left
                // that could make sure; see the promise in `directory.rs`.
                let _ = files.disk.sync_dir(&files.open);
                Err(error)
            }
        }
    }

    /// Makes room where something stands that must not be written into.
    fn clear(
        &mut self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
        side: Side,
    ) -> Result<(), DiskError> {
        let path = files.slot(name, side);
        match self.slots[side as usize] {
            State::Absent => {}
            State::Empty | State::Spoiled => files.discard(&path)?,
            State::Ready | State::Strange => {
                let why = self.unreadable().unwrap_or("cannot be read").to_owned();
                match files.disk.read(&path, slot::MAX_FILE) {
                    Ok(bytes) => {
                        aside.keep(files, Shelf::Open, name, &bytes, &why)?;
                        files.discard(&path)?;
                    }
                    Err(DiskError::Missing) => {}
                    Err(DiskError::Strange(_)) => aside.move_in(files, name, &path, &why)?,
                    Err(DiskError::Broken(why)) => {
                        // Nothing can be copied, and moved as it is it would keep the phone number if it heals.
                        aside.keep(files, Shelf::Open, name, b"", &why)?;
                        files.discard(&path)?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.slots[side as usize] = State::Absent;
        Ok(())
    }

    /// A write here has failed: the file must not be found after a restart.
    fn spoil(&mut self, files: &Files, name: &str, side: Side) {
        if self.slots[side as usize] == State::Strange {
            return;
        }
        let path = files.slot(name, side);
        // An empty slot beside a good one is nothing; alone it would be damage, and a whole record is better than that.
        if files.discard(&path).is_err() && self.good.is_some() {
            let _ = files.disk.write(&path, b"", Durable::Later);
        }
        self.slots[side as usize] = State::Spoiled;
    }

    /// Removes both files. The newest version first replaces the older one, so that a power cut that keeps one removal
    /// and loses the other cannot bring the older one back alone.
    pub(super) fn remove(
        &mut self,
        files: &Files,
        aside: &mut Aside,
        name: &str,
    ) -> Result<(), StoreError> {
        self.check_hands_off()?;
        if let Some((side, seq)) = self.good {
            let other = side.other();
            // A file can be replaced by what follows; a directory that somebody has put there cannot.
            if self.slots[other as usize] == State::Strange
                && files.discard(&files.slot(name, other)).is_err()
            {
                self.clear(files, aside, name, other)?;
                aside.answered(files, Shelf::Open, name);
            }
            files
                .disk
                .rename(&files.slot(name, side), &files.slot(name, other))?;
            self.good = Some((other, seq));
            self.slots[other as usize] = State::Ready;
            self.slots[side as usize] = State::Absent;
            files.disk.remove(&files.slot(name, other))?;
        } else {
            self.clear(files, aside, name, Side::A)?;
            self.clear(files, aside, name, Side::B)?;
        }
        Ok(())
    }

    /// Empties the older slot, if the good one is beyond doubt.
    pub(super) fn forget_older(&mut self, files: &Files, name: &str) {
        let (Some((side, _)), Trouble::None) = (self.good, &self.trouble) else {
            return;
        };
        let other = side.other();
        if self.slots[other as usize] == State::Ready {
            let path = files.slot(name, other);
            self.slots[other as usize] = match files.disk.write(&path, b"", Durable::Later) {
                Ok(()) => State::Empty,
                Err(_) => State::Spoiled,
            };
        }
    }
}
