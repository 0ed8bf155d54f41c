//! Where damaged records go: kept for the engineer, remembered by name, without the phone number.
//!
//! `damaged/NAME.1` was a slot of an open payment, `damaged/NAME.closed.1` a tombstone. As long as such a file is there
//! its payment is reported as damaged. A put under the same name is the answer to the damage; the file is then kept
//! as `NAME.1.seen` and no longer reported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::disk::{DiskError, Durable};
use super::super::{slot, Shelf};
use super::names::{file_name, record_name, Files};

/// The names whose record was damaged and has not been put again, and why.
#[derive(Default)]
pub(super) struct Aside {
    open: BTreeMap<String, String>,
    closed: BTreeMap<String, String>,
    /// Files that met an error of the medium in an earlier run.
    unread: BTreeSet<String>,
    /// Such files of this run.
    unread_now: BTreeSet<String>,
}

const UNREAD: &str = ".unread";

fn unread_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

impl Aside {
    /// What earlier runs have set aside.
    pub(super) fn load(files: &Files) -> Result<Aside, DiskError> {
        let mut aside = Aside::default();
        for file in files.disk.list(&files.damaged)? {
            if let Some((name, shelf)) = parse(&file) {
                aside.note(shelf, &name, format!("set aside as damaged/{file}"));
            }
            if let Some(of) = file.strip_suffix(UNREAD) {
                aside.unread.insert(of.to_owned());
            }
        }
        Ok(aside)
    }

    /// An earlier run has met an error of the medium in this file.
    pub(super) fn was_unread(&self, path: &Path) -> bool {
        unread_name(path).is_some_and(|file| self.unread.contains(&file))
    }

    /// Keeps, as well as may be, that this run has met an error of the medium in this file.
    pub(super) fn is_unread(&mut self, files: &Files, path: &Path) {
        let Some(file) = unread_name(path) else {
            return;
        };
        if self.unread_now.insert(file.clone()) {
            let note = files.damaged.join(file + UNREAD);
            let _ = files.disk.write(&note, b"", Durable::Later);
        }
    }

    /// The file can be read: whatever was noted of it is over.
    pub(super) fn is_read(&mut self, files: &Files, path: &Path) {
        let Some(file) = unread_name(path) else {
            return;
        };
        if self.unread.remove(&file) | self.unread_now.remove(&file) {
            let _ = files.discard(&files.damaged.join(file + UNREAD));
        }
    }

    pub(super) fn names(&self, shelf: Shelf) -> impl Iterator<Item = &String> {
        self.shelf(shelf).keys()
    }

    pub(super) fn reason(&self, shelf: Shelf, name: &str) -> Option<&String> {
        self.shelf(shelf).get(name)
    }

    fn shelf(&self, shelf: Shelf) -> &BTreeMap<String, String> {
        match shelf {
            Shelf::Open => &self.open,
            Shelf::Closed => &self.closed,
        }
    }

    fn note(&mut self, shelf: Shelf, name: &str, why: String) {
        match shelf {
            Shelf::Open => self.open.insert(name.to_owned(), why),
            Shelf::Closed => self.closed.insert(name.to_owned(), why),
        };
    }

    /// Keeps a durable copy of damaged bytes; the original may be removed after `Ok`.
    pub(super) fn keep(
        &mut self,
        files: &Files,
        shelf: Shelf,
        name: &str,
        bytes: &[u8],
        why: &str,
    ) -> Result<(), DiskError> {
        let file = free_name(files, shelf, name)?;
        let path = files.damaged.join(&file);
        files.disk.write(&path, &blank(bytes), Durable::Now)?;
        files.disk.sync_dir(&files.damaged)?;
        self.note(shelf, name, format!("{why}; set aside as damaged/{file}"));
        Ok(())
    }

    /// Moves a slot that cannot be read (a directory, say) out of the way, as it is.
    pub(super) fn move_in(
        &mut self,
        files: &Files,
        name: &str,
        path: &Path,
        why: &str,
    ) -> Result<(), DiskError> {
        let file = free_name(files, Shelf::Open, name)?;
        files.disk.rename(path, &files.damaged.join(&file))?;
        // Nothing hangs on it: what could not be read is not a record, and the name is known by what follows.
        let _ = files.disk.sync_dir(&files.damaged);
        self.note(
            Shelf::Open,
            name,
            format!("{why}; set aside as damaged/{file}"),
        );
        Ok(())
    }

    /// The payment has a record again: keeps the files of its damage, reports them no more. Best effort; what cannot be
    /// renamed is reported once more after the next start.
    pub(super) fn answered(&mut self, files: &Files, shelf: Shelf, name: &str) {
        let noted = match shelf {
            Shelf::Open => self.open.remove(name).is_some(),
            Shelf::Closed => {
                let closed = self.closed.remove(name).is_some();
                self.open.remove(name).is_some() || closed
            }
        };
        if !noted {
            return;
        }
        for file in files.disk.list(&files.damaged).unwrap_or_default() {
            let Some((of, from)) = parse(&file) else {
                continue;
            };
            if of == name && (from == shelf || shelf == Shelf::Closed) {
                let path = files.damaged.join(&file);
                let seen = files.damaged.join(format!("{file}.seen"));
                let _ = files.disk.rename(&path, &seen);
            }
        }
    }
}

/// The name and shelf of a file of `damaged/` that is still to be reported.
fn parse(file: &str) -> Option<(String, Shelf)> {
    let (stem, number) = file.rsplit_once('.')?;
    number.parse::<u32>().ok()?;
    match stem.strip_suffix(".closed") {
        Some(stem) => Some((record_name(stem)?, Shelf::Closed)),
        None => Some((record_name(stem)?, Shelf::Open)),
    }
}

/// A name in `damaged/` that nothing has, seen or not.
fn free_name(files: &Files, shelf: Shelf, name: &str) -> Result<String, DiskError> {
    let taken = files.disk.list(&files.damaged)?;
    let stem = match shelf {
        Shelf::Open => file_name(name),
        Shelf::Closed => file_name(name) + ".closed",
    };
    let free = |file: &String| !taken.contains(file) && !taken.contains(&format!("{file}.seen"));
    (1..=u32::MAX)
        .map(|n| format!("{stem}.{n}"))
        .find(free)
        .ok_or(DiskError::Full)
}

/// The number of digits from which a group of digits may be a phone number, or what damage has left of one.
const FEW: usize = 5;
/// What may stand between two digits of a group: the spaces of a spelling, or garbage.
const GAP: usize = 2;
/// After this word a number is blanked whatever is around it.
const KEY: &[u8] = b"phonenumber";

/// A copy in which every group of digits that may be a phone number is stars, whatever has become of the words around
/// it: also a key that says `phoneNumber` may be what is damaged. What stays is the first line, if it is one of ours,
/// and numbers that stand where only JSON's bare numbers stand (amounts and times: a phone number is in quotes). The
/// length stays, so that the damage can be studied.
fn blank(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    let start = slot::length_of_first_line(bytes);
    let mut at = start;
    while let Some(first) = digit_from(bytes, at) {
        let (mut last, mut count) = (first, 1);
        while let Some(next) = digit_from(bytes, last + 1) {
            let gap = &bytes[last + 1..next];
            if gap.len() > GAP || gap.iter().any(|b| b"\",:{}[]".contains(b)) {
                break;
            }
            (last, count) = (next, count + 1);
        }
        at = last + 1;
        let digits_only = count == at - first;
        let bare = digits_only
            && bytes[start..first].ends_with(b"\":")
            && bytes.get(at).is_some_and(|b| b",}]".contains(b))
            && !follows_key(&bytes[start..first]);
        if count >= FEW && !bare {
            for byte in copy[first..at].iter_mut().filter(|b| b.is_ascii_digit()) {
                *byte = b'*';
            }
        }
    }
    copy
}

fn digit_from(bytes: &[u8], at: usize) -> Option<usize> {
    let offset = bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
    Some(at + offset)
}

/// The word before the punctuation at the end is the key of a phone number.
fn follows_key(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(u8::is_ascii_alphanumeric);
    let word = &bytes[..end.map_or(0, |at| at + 1)];
    let from = word.len().saturating_sub(KEY.len());
    word[from..].eq_ignore_ascii_case(KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn blanked(text: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&blank(text.as_bytes())), expected);
    }

    #[test]
    fn phone_numbers_become_stars() {
        blanked(
            r#"{"phoneNumber":"4712345678","amount":25000}"#,
            r#"{"phoneNumber":"**********","amount":25000}"#,
        );
        blanked(
            r#"{"phoneNumber" : "+47 123 45 678", "at":1700000000000}"#,
            r#"{"phoneNumber" : "+** *** ** ***", "at":1700000000000}"#,
        );
        // The body of a request, kept as a string of JSON, and once more inside another.
        blanked(
            r#"{"body":"{\"customer\":{\"phoneNumber\":\"4712345678\"}}"}"#,
            r#"{"body":"{\"customer\":{\"phoneNumber\":\"**********\"}}"}"#,
        );
        blanked(
            r#"\\\"phoneNumber\\\":\\\"4712345678\\\""#,
            r#"\\\"phoneNumber\\\":\\\"**********\\\""#,
        );
    }

    #[test]
    fn also_in_torn_text() {
        blanked(r#"{"phoneNumber":"47123456"#, r#"{"phoneNumber":"********"#);
        blanked("phoneNumber 4712\u{1}345678", "phoneNumber ****\u{1}******");
        blanked(
            r#""phoneNumber":4712345678,"a":99999999}"#,
            r#""phoneNumber":**********,"a":99999999}"#,
        );
        blanked("phoneNumber", "phoneNumber");
        blanked("", "");
    }

    /// The words around the number are what is damaged, or one of its digits.
    #[test]
    fn also_without_its_name() {
        blanked(
            r#"{"phoneNumbes":"4712345678","#,
            r#"{"phoneNumbes":"**********","#,
        );
        blanked(
            r#"{"p\"phoneNumber\":\#4712345678\""#,
            r#"{"p\"phoneNumber\":\#**********\""#,
        );
        blanked(r#"tel +47 123 45 678"#, "tel +** *** ** ***");
        blanked(r#""471t345678""#, r#""***t******""#);
        blanked("0x4712345678", "*x**********");
        blanked(r#""phoneNumber":"4712"#, r#""phoneNumber":"4712"#);
        // Wherever one bit is flipped, at most a few digits in a row are left.
        let body = r#"{"body":"{\"customer\":{\"phoneNumber\":\"4791234567\"},\"amount\":24900}","at":1700000000000}"#;
        let whole = slot::encode(3, body.as_bytes());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut hurt = whole.clone();
                hurt[at] ^= 1 << bit;
                let kept = String::from_utf8_lossy(&blank(&hurt)).into_owned();
                assert!(
                    !["479123", "791234", "912345", "123456", "234567"]
                        .iter()
                        .any(|part| kept.contains(part)),
                    "{at} {bit}: {kept}"
                );
            }
        }
    }

    #[test]
    fn nothing_else_does() {
        let text =
            r#"{"reference":"taxi-42","amount":25000,"phoneNumber":null,"at":1700000000000}"#;
        blanked(text, text);
        let slot = String::from_utf8(slot::encode(12_345_678, text.as_bytes())).unwrap();
        blanked(&slot, &slot);
    }

    #[test]
    fn files_of_damage_are_known_by_name() {
        assert_eq!(parse("_abcdefgh.1"), Some(("Abcdefgh".into(), Shelf::Open)));
        assert_eq!(
            parse("abcdefgh.closed.12"),
            Some(("abcdefgh".into(), Shelf::Closed))
        );
        for file in [
            "abcdefgh.1.seen",
            "abcdefgh",
            "abcdefgh.x",
            "short.1",
            "abcdefgh.closed.1.seen",
        ] {
            assert_eq!(parse(file), None, "{file}");
        }
    }
}
