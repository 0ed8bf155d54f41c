//! Where damaged records go: kept for the engineer, remembered by name, without the phone number.
//!
//! `damaged/NAME.1` was a slot of an open payment, `damaged/NAME.closed.1` a tombstone. As long as such a file is there
//! its payment is reported as damaged. A put under the same name is the answer to the damage; the file is then kept
//! as `NAME.1.seen` and no longer reported.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::disk::{DiskError, Durable};
use super::super::Shelf;
use super::names::{file_name, record_name, Files};

/// The names whose record was damaged and has not been put again, and why.
#[derive(Default)]
pub(super) struct Aside {
    open: BTreeMap<String, String>,
    closed: BTreeMap<String, String>,
}

impl Aside {
    /// What earlier runs have set aside.
    pub(super) fn load(files: &Files) -> Result<Aside, DiskError> {
        let mut aside = Aside::default();
        for file in files.disk.list(&files.damaged)? {
            if let Some((name, shelf)) = parse(&file) {
                aside.note(shelf, &name, format!("set aside as damaged/{file}"));
            }
        }
        Ok(aside)
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

const KEY: &[u8] = b"phonenumber";
/// What may stand between the key and the number: quotes, a colon, spaces, and the backslashes of JSON inside JSON.
const GAP: usize = 16;
/// A number and what garbage may have been strewn into it.
const SPAN: usize = 24;

/// A copy in which the digits after every `phoneNumber` are stars, whether or not the JSON around them is still whole.
/// The length stays, so that the damage can be studied.
fn blank(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for start in 0..bytes.len().saturating_sub(KEY.len() - 1) {
        let after = start + KEY.len();
        if !bytes[start..after].eq_ignore_ascii_case(KEY) {
            continue;
        }
        let gap = &bytes[after..bytes.len().min(after + GAP)];
        let Some(skip) = gap
            .iter()
            .position(|b| b.is_ascii_alphanumeric() || b",}".contains(b))
            .filter(|at| gap[*at].is_ascii_digit())
        else {
            continue;
        };
        let end = bytes.len().min(after + skip + SPAN);
        for byte in &mut copy[after + skip..end] {
            match *byte {
                b'"' | b',' | b'}' => break,
                b if b.is_ascii_digit() => *byte = b'*',
                _ => {}
            }
        }
    }
    copy
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
            r#"{"phoneNumber" : "+47 123 45 678", "at": 1700000000000}"#,
            r#"{"phoneNumber" : "+** *** ** ***", "at": 1700000000000}"#,
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
            r#""phoneNumber":4712345678,"a":99999999"#,
            r#""phoneNumber":**********,"a":99999999"#,
        );
        blanked("phoneNumber", "phoneNumber");
        blanked("", "");
    }

    #[test]
    fn nothing_else_does() {
        let text =
            r#"{"reference":"12345678","amount":25000,"phoneNumber":null,"at":1700000000000}"#;
        blanked(text, text);
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
