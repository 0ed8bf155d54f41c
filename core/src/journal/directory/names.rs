//! Which file belongs to which payment.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::disk::{Disk, DiskError};
use super::super::{Shelf, StoreError};

/// A payment's reference, and nothing else, names a record: what passes here cannot leave the directory.
pub(in crate::journal) fn check_name(name: &str) -> Result<(), StoreError> {
    let fits = (8..=64).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(());
    }
    Err(StoreError::Broken(format!(
        "{name:?} cannot name a record: 8 to 64 of a-z, A-Z, 0-9 and '-'"
    )))
}

/// The name as file systems that ignore case can keep it apart: `X` becomes `_x`.
pub(super) fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len() + 16);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            file.push('_');
        }
        file.push(c.to_ascii_lowercase());
    }
    file
}

/// The name back from a file's; `None` if we would not have called a file that.
pub(super) fn record_name(file: &str) -> Option<String> {
    let mut name = String::with_capacity(file.len());
    let mut upper = false;
    for c in file.chars() {
        match c {
            '_' => upper = true,
            c => {
                name.push(match upper {
                    true => c.to_ascii_uppercase(),
                    false => c,
                });
                upper = false;
            }
        }
    }
    (check_name(&name).is_ok() && file_name(&name) == file).then_some(name)
}

/// One of the two files of an open payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// What a file of `open/` or `closed/` is by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Slot(Side),
    Tombstone,
    /// What a put was writing when the process died; nobody was told that it is there.
    Temp,
}

/// The record and the part of a file's name; `None` for names that are not ours.
pub(super) fn parse(file: &str) -> Option<(String, Kind)> {
    let (stem, kind) = match file.split_once('.') {
        None => (file, Kind::Tombstone),
        Some((stem, "a")) => (stem, Kind::Slot(Side::A)),
        Some((stem, "b")) => (stem, Kind::Slot(Side::B)),
        Some((stem, "t")) => (stem, Kind::Temp),
        Some(_) => return None,
    };
    Some((record_name(stem)?, kind))
}

/// The directories of a journal, and the disk that they are on.
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) open: PathBuf,
    pub(super) closed: PathBuf,
    pub(super) damaged: PathBuf,
}

impl Files {
    pub(super) fn slot(&self, name: &str, side: Side) -> PathBuf {
        let end = match side {
            Side::A => ".a",
            Side::B => ".b",
        };
        self.open.join(file_name(name) + end)
    }

    pub(super) fn tombstone(&self, name: &str) -> PathBuf {
        self.closed.join(file_name(name))
    }

    pub(super) fn temp(&self, shelf: Shelf, name: &str) -> PathBuf {
        let dir = match shelf {
            Shelf::Open => &self.open,
            Shelf::Closed => &self.closed,
        };
        dir.join(file_name(name) + ".t")
    }

    /// Removes a file; that there is none is as good.
    pub(super) fn discard(&self, path: &std::path::Path) -> Result<(), DiskError> {
        match self.disk.remove(path) {
            Err(DiskError::Missing) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_file_systems_that_ignore_case() {
        for name in [
            "taxi-0815-42",
            "ABCDEFGH",
            "aBcDeFgH",
            "--------",
            "00000000",
        ] {
            let file = file_name(name);
            assert_eq!(file, file.to_lowercase());
            assert_eq!(record_name(&file).as_deref(), Some(name));
        }
        assert_eq!(file_name("Taxi-08B"), "_taxi-08_b");
        assert_ne!(file_name("ABCDEFGH"), file_name("abcdefgh"));
    }

    #[test]
    fn foreign_files_are_not_records() {
        for file in [
            "readme",
            "__abcdefgh",
            "abcdefgh_",
            "_1234567890",
            "abcd_-efgh",
            "ABCDEFGH",
            "abcdefgé",
        ] {
            assert_eq!(record_name(file), None, "{file}");
        }
        for file in [
            "lost+found",
            "abcdefgh.txt",
            "abcdefgh.a.b",
            "abcdefgh.",
            ".a",
            "core.1234",
        ] {
            assert_eq!(parse(file), None, "{file}");
        }
        assert_eq!(
            parse("abcdefgh.b"),
            Some(("abcdefgh".into(), Kind::Slot(Side::B)))
        );
        assert_eq!(
            parse("abcdefgh"),
            Some(("abcdefgh".into(), Kind::Tombstone))
        );
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        for name in [
            "",
            "short",
            "../../etc",
            "abcdefgh.a",
            "abc/defgh",
            "abcdefgh\0",
            "abcdefgø",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"x".repeat(64)).is_ok());
        assert!(check_name(&"x".repeat(65)).is_err());
    }
}
