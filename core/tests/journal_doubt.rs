//! What cannot be read now, what can never be read, and what is older than it should be: three things, told apart.

#[path = "support/fake_disk.rs"]
mod fake_disk;
#[path = "support/journal.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;

use fake_disk::FakeDisk;
use support::{all, is_damaged, open_records, Temp};
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::{Disk, DiskError, RealDisk};
use vpmeter_core::journal::{slot, Shelf, Store, StoreError};

const NAME: &str = "ride-0001";
const A: &str = "/journal/open/ride-0001.a";
const B: &str = "/journal/open/ride-0001.b";
const TOMBSTONE: &str = "/journal/closed/ride-0001";
/// Reads in a row that one look at a file takes when the medium gives errors: the first, and three more.
const A_LOOK: usize = 4;

fn open(disk: &FakeDisk) -> Directory {
    Directory::open(Path::new("/journal"), Arc::new(disk.clone())).unwrap()
}

/// The newest version, v2, is in slot b.
fn two_versions() -> FakeDisk {
    let disk = FakeDisk::new();
    let store = open(&disk);
    store.put(Shelf::Open, NAME, b"v1").unwrap();
    store.put(Shelf::Open, NAME, b"v2").unwrap();
    store.put(Shelf::Open, "ride-0002", b"other").unwrap();
    drop(store);
    disk
}

fn passing() -> [DiskError; 2] {
    [
        DiskError::Starved("no descriptor".into()),
        DiskError::Denied("no rights".into()),
    ]
}

fn medium() -> DiskError {
    DiskError::Broken("input/output error".into())
}

#[track_caller]
fn is_not_now<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Broken(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn nothing_in_damaged(disk: &FakeDisk) {
    let paths = disk.paths();
    assert!(
        !paths.iter().any(|p| p.starts_with("/journal/damaged")),
        "{paths:?}"
    );
}

/// Wrong if a lack of descriptors, memory or rights told something about the file.
#[test]
fn what_passes_is_not_now_for_as_long_as_it_lasts() {
    for error in passing() {
        for path in [A, B] {
            let disk = two_versions();
            disk.unreadable(path, usize::MAX, error.clone());
            // However often, and at however many starts.
            for _ in 0..4 {
                let store = open(&disk);
                for _ in 0..3 {
                    is_not_now(store.get(Shelf::Open, NAME));
                }
                // Nothing is written for it meanwhile.
                let before = disk.log().len();
                is_not_now(store.put(Shelf::Open, NAME, b"v3"));
                is_not_now(store.put(Shelf::Closed, NAME, b"v3"));
                is_not_now(store.remove(Shelf::Open, NAME));
                store.forget_older(Shelf::Open, NAME);
                assert_eq!(disk.log().len(), before);
                let found = open_records(&store);
                assert!(found[0].starts_with("ride-0001 not now: "), "{found:?}");
                assert_eq!(found[1], "ride-0002 = other");
                store.put(Shelf::Open, "ride-0002", b"other").unwrap();
            }
            nothing_in_damaged(&disk);
            // It heals without a restart.
            let store = open(&disk);
            is_not_now(store.get(Shelf::Open, NAME));
            disk.unreadable(path, 0, error.clone());
            assert_eq!(store.get(Shelf::Open, NAME).unwrap().unwrap(), b"v2");
            store.put(Shelf::Open, NAME, b"v3").unwrap();
            drop(store);
            assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v3");
        }
    }
}

#[test]
fn an_open_journal_that_runs_out_of_descriptors() {
    for error in passing() {
        let disk = two_versions();
        let store = open(&disk);
        store.put(Shelf::Closed, "ride-0003", b"paid").unwrap();
        for path in [A, B, "/journal/closed/ride-0003"] {
            disk.unreadable(path, usize::MAX, error.clone());
        }
        for _ in 0..2 {
            is_not_now(store.get(Shelf::Open, NAME));
            is_not_now(store.get(Shelf::Closed, "ride-0003"));
            is_not_now(store.put(Shelf::Closed, "ride-0003", b"x"));
            is_not_now(store.put(Shelf::Open, "ride-0003", b"x"));
            is_not_now(store.remove(Shelf::Closed, "ride-0003"));
            let closed = all(&store, Shelf::Closed);
            assert!(closed[0].starts_with("ride-0003 not now: "), "{closed:?}");
        }
        nothing_in_damaged(&disk);
        for path in [A, B, "/journal/closed/ride-0003"] {
            disk.unreadable(path, 0, error.clone());
        }
        assert_eq!(store.get(Shelf::Open, NAME).unwrap().unwrap(), b"v2");
        assert_eq!(all(&store, Shelf::Closed), ["ride-0003 = paid"]);
    }
}

/// A tombstone says whether the open record is over: while it cannot be read, nothing is known of the payment.
#[test]
fn an_unreadable_tombstone_does_not_bring_its_payment_back() {
    let disk = two_versions();
    let store = open(&disk);
    store.put(Shelf::Closed, NAME, b"done").unwrap();
    drop(store);
    for error in passing() {
        disk.unreadable(TOMBSTONE, usize::MAX, error.clone());
        let store = open(&disk);
        is_not_now(store.get(Shelf::Open, NAME));
        is_not_now(store.get(Shelf::Closed, NAME));
        is_not_now(store.put(Shelf::Open, NAME, b"x"));
        disk.unreadable(TOMBSTONE, 0, error.clone());
        if error == passing()[1] {
            assert_eq!(store.get(Shelf::Open, NAME).unwrap(), None);
            assert_eq!(store.get(Shelf::Closed, NAME).unwrap().unwrap(), b"done");
        }
    }
    // Damaged, it may have been the newest version.
    let disk = two_versions();
    let store = open(&disk);
    store.put(Shelf::Closed, NAME, b"done").unwrap();
    drop(store);
    disk.plant(TOMBSTONE, b"garbage");
    for _ in 0..2 {
        let found = open_records(&open(&disk));
        assert!(
            found[0].starts_with("ride-0001 older v2 (its tombstone"),
            "{found:?}"
        );
    }
    // A put that knows of the doubt is the answer.
    let store = open(&disk);
    store.put(Shelf::Open, NAME, b"v2 and its doubt").unwrap();
    drop(store);
    let store = open(&disk);
    assert_eq!(open_records(&store)[0], "ride-0001 = v2 and its doubt");
    assert_eq!(all(&store, Shelf::Closed), Vec::<String>::new());
}

#[test]
fn an_error_of_the_medium_that_passes_is_not_even_noticed() {
    for path in [A, B] {
        let disk = two_versions();
        disk.unreadable(path, A_LOOK - 1, medium());
        assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v2");
        nothing_in_damaged(&disk);
    }
    let disk = two_versions();
    disk.unreadable(A, A_LOOK - 1, medium());
    disk.unreadable(B, A_LOOK - 1, medium());
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v2");
}

#[test]
fn an_error_of_the_medium_that_stays_is_believed_after_one_reopening() {
    // The newest: one start knows nothing, the next one treats it as damaged.
    let disk = two_versions();
    disk.unreadable(B, usize::MAX, medium());
    let store = open(&disk);
    for _ in 0..3 {
        is_not_now(store.get(Shelf::Open, NAME));
        is_not_now(store.put(Shelf::Open, NAME, b"v3"));
    }
    drop(store);
    for _ in 0..2 {
        let found = open_records(&open(&disk));
        assert!(
            found[0].starts_with("ride-0001 older v1 (version 2 is lost"),
            "{found:?}"
        );
    }
    // It is read after all: nothing was lost, and nothing is remembered against it.
    disk.unreadable(B, 0, medium());
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v2");
    nothing_in_damaged(&disk);
    disk.unreadable(B, usize::MAX, medium());
    is_not_now(open(&disk).get(Shelf::Open, NAME));

    // It heals within the first start.
    let disk = two_versions();
    disk.unreadable(B, A_LOOK, medium());
    let store = open(&disk);
    assert_eq!(open_records(&store)[0], "ride-0001 = v2");
    nothing_in_damaged(&disk);

    // A tombstone.
    let disk = two_versions();
    open(&disk)
        .put(Shelf::Closed, "ride-0003", b"paid")
        .unwrap();
    disk.unreadable("/journal/closed/ride-0003", usize::MAX, medium());
    is_not_now(open(&disk).get(Shelf::Closed, "ride-0003"));
    is_damaged(open(&disk).get(Shelf::Closed, "ride-0003"), "error");
}

/// One unreadable older slot calls nobody: neither now nor after the payment is over.
#[test]
fn an_older_slot_that_stays_unreadable_is_of_no_importance() {
    for close in [false, true] {
        let disk = two_versions();
        disk.unreadable(A, usize::MAX, medium());
        is_not_now(open(&disk).get(Shelf::Open, NAME));
        let store = open(&disk);
        assert_eq!(open_records(&store)[0], "ride-0001 = v2");
        if close {
            store.put(Shelf::Closed, NAME, b"done").unwrap();
            store.remove(Shelf::Open, NAME).unwrap();
        } else {
            store.put(Shelf::Open, NAME, b"v3").unwrap();
            // Another file, on a good place of the medium.
            disk.unreadable(A, 0, medium());
        }
        drop(store);
        for _ in 0..2 {
            let store = open(&disk);
            let found = open_records(&store);
            match close {
                true => {
                    assert_eq!(found, ["ride-0002 = other"]);
                    assert_eq!(all(&store, Shelf::Closed), ["ride-0001 = done"]);
                }
                false => assert_eq!(found[0], "ride-0001 = v3"),
            }
        }
    }
}

/// What was acknowledged and is lost is known to be lost, whatever stands in its place.
#[test]
fn a_lost_newest_version_is_missed() {
    let bytes = two_versions().peek(B).unwrap();
    let mut sector = bytes.clone();
    sector[20..40].fill(0xff);
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for in_its_place in [
        sector,
        flipped,
        bytes[..20].to_vec(),
        Vec::new(),
        vec![0; 512],
    ] {
        let disk = two_versions();
        disk.plant(B, &in_its_place);
        let found = open_records(&open(&disk));
        assert!(
            found[0].starts_with("ride-0001 older v1 (version 2 is lost"),
            "{found:?}"
        );
    }
    let disk = two_versions();
    disk.remove(Path::new(B)).unwrap();
    let found = open_records(&open(&disk));
    assert!(found[0].starts_with("ride-0001 older v1 (version 2 is lost"));
}

/// The line that says "superseded" is not synced. Where the power cut took it, one flipped bit is still told from a torn
/// write; more than that is not, and there the older version is believed.
#[test]
fn without_the_line_one_flipped_bit_is_a_loss_and_anything_else_a_torn_write() {
    let disk = two_versions();
    disk.plant(A, &slot::encode(1, b"v1"));
    let whole = slot::encode(2, b"v2");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        disk.plant(B, &flipped);
        let found = open_records(&open(&disk));
        // A flipped bit in the version of the format makes it a later library's.
        assert!(
            found[0].starts_with("ride-0001 older v1 (a newer version may be lost")
                || found[0].contains("newer version of this library"),
            "{at}: {found:?}"
        );
    }
    // A flipped bit in a version that is older.
    let mut older = slot::encode(1, b"v0");
    older[45] ^= 1;
    disk.plant(A, &older);
    disk.plant(B, &whole);
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v2");
    disk.plant(A, &slot::encode(1, b"v1"));
    for end in 0..whole.len() - 1 {
        disk.plant(B, &whole[..end]);
        assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v1", "{end}");
    }
}

fn first_format(seq: u64, record: &str) -> Vec<u8> {
    let now = String::from_utf8(slot::encode(seq, record.as_bytes())).unwrap();
    now.replacen("vpmeter-journal 2", "vpmeter-journal 1", 1)
        .into_bytes()
}

/// The first version of this library told no older version that it is one: there, whatever is beside a good slot and
/// cannot be read may be newer.
#[test]
fn a_journal_of_the_first_format() {
    let disk = two_versions();
    disk.plant(A, &first_format(1, "v1"));
    disk.plant(B, &first_format(2, "v2"));
    disk.plant("/journal/closed/ride-0003", &first_format(7, "paid"));
    let store = open(&disk);
    assert_eq!(open_records(&store)[0], "ride-0001 = v2");
    assert_eq!(all(&store, Shelf::Closed), ["ride-0003 = paid"]);
    // The older one is told from now on, whoever wrote it.
    store.put(Shelf::Open, NAME, b"v3").unwrap();
    drop(store);
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v3");
    disk.plant(A, b"garbage");
    let found = open_records(&open(&disk));
    assert!(found[0].starts_with("ride-0001 older v2 (version 3 is lost"));

    disk.plant(A, &first_format(1, "v1"));
    for garbage in [&b"garbage"[..], &first_format(2, "v2")[..30]] {
        disk.plant(B, garbage);
        let found = open_records(&open(&disk));
        assert!(
            found[0].starts_with("ride-0001 older v1 (a newer version may be lost"),
            "{found:?}"
        );
    }
    // An empty file is what wiping the phone number leaves.
    disk.plant(B, b"");
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v1");
    // The first put of this version, cut short.
    disk.plant(B, &slot::encode(2, b"v2 a little longer")[..50]);
    assert_eq!(open_records(&open(&disk))[0], "ride-0001 = v1");
}

/// The errors of the real system, as far as they can be made without root.
#[test]
fn the_real_disk_says_what_passes_and_what_is_strange() {
    let temp = Temp::new();
    let disk = RealDisk::new();
    assert!(matches!(disk.read(&temp.0, 10), Err(DiskError::Strange(_))));
    let file = temp.0.join("file");
    std::fs::write(&file, b"0123456789").unwrap();
    assert_eq!(disk.read(&file, 10).unwrap(), b"0123456789");
    assert!(matches!(disk.read(&file, 9), Err(DiskError::Strange(_))));
    let link = temp.0.join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(matches!(disk.read(&link, 10), Err(DiskError::Strange(_))));
    assert_eq!(
        disk.append(&temp.0.join("none"), b"x"),
        Err(DiskError::Missing)
    );
    disk.append(&file, b"x").unwrap();
    assert_eq!(disk.read(&file, 11).unwrap(), b"0123456789x");
}
