//! The journal in a directory: what it does, what it costs, and who may have it open.

#[path = "support/fake_disk.rs"]
mod fake_disk;
#[path = "support/journal.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fake_disk::{FakeDisk, Op};
use support::{all, open_real, open_records, Temp};
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::{Disk, DiskError};
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::journal::{slot, Shelf, Store, StoreError};

fn open_fake(disk: &FakeDisk) -> Result<Directory, StoreError> {
    Directory::open(Path::new("/journal"), Arc::new(disk.clone()))
}

/// The rules that hold for every store.
fn behaves_like_a_store(store: &dyn Store) {
    assert_eq!(store.get(Shelf::Open, "ride-0001"), Ok(None));
    store.put(Shelf::Open, "ride-0002", b"two").unwrap();
    store.put(Shelf::Open, "ride-0001", b"one").unwrap();
    store.put(Shelf::Open, "ABCDEFGH", b"upper").unwrap();
    store.put(Shelf::Open, "abcdefgh", b"lower").unwrap();
    store.put(Shelf::Open, "ride-0001", b"one again").unwrap();
    store.forget_older(Shelf::Open, "ride-0001");
    store.forget_older(Shelf::Closed, "ride-0001");
    store.forget_older(Shelf::Open, "not-there");
    assert_eq!(
        store.get(Shelf::Open, "ride-0001").unwrap().unwrap(),
        b"one again"
    );
    assert_eq!(store.get(Shelf::Closed, "ride-0001"), Ok(None));
    assert_eq!(
        open_records(store),
        [
            "ABCDEFGH = upper",
            "abcdefgh = lower",
            "ride-0001 = one again",
            "ride-0002 = two"
        ]
    );

    store.put(Shelf::Closed, "ride-0001", b"paid").unwrap();
    store.remove(Shelf::Open, "ride-0001").unwrap();
    store.remove(Shelf::Open, "ride-0001").unwrap();
    assert_eq!(store.get(Shelf::Open, "ride-0001"), Ok(None));
    assert_eq!(all(store, Shelf::Closed), ["ride-0001 = paid"]);
    // Opened again for a refund, and closed again.
    store.put(Shelf::Open, "ride-0001", b"refund").unwrap();
    assert_eq!(
        store.get(Shelf::Open, "ride-0001").unwrap().unwrap(),
        b"refund"
    );
    store.put(Shelf::Closed, "ride-0001", b"refunded").unwrap();
    store.remove(Shelf::Open, "ride-0001").unwrap();
    assert_eq!(all(store, Shelf::Closed), ["ride-0001 = refunded"]);
    store.remove(Shelf::Closed, "ride-0001").unwrap();
    store.remove(Shelf::Closed, "ride-0001").unwrap();
    assert_eq!(store.get(Shelf::Closed, "ride-0001"), Ok(None));

    // A visit may change the store, and may stop.
    let mut seen = 0;
    store
        .each(Shelf::Open, &mut |name, _| {
            seen += 1;
            store.remove(Shelf::Open, name).unwrap();
            store
                .put(Shelf::Closed, "ride-0003", name.as_bytes())
                .unwrap();
            seen < 2
        })
        .unwrap();
    assert_eq!(seen, 2);
    assert_eq!(open_records(store), ["ride-0002 = two"]);
    assert_eq!(
        store.get(Shelf::Closed, "ride-0003").unwrap().unwrap(),
        b"abcdefgh"
    );

    for name in ["", "short", "../../../etc/passwd", "ride/0001", "ride.0001"] {
        assert!(matches!(
            store.put(Shelf::Open, name, b"x"),
            Err(StoreError::Broken(_))
        ));
        assert!(store.get(Shelf::Open, name).is_err() && store.remove(Shelf::Open, name).is_err());
    }
    let large = vec![b'x'; slot::MAX_RECORD];
    store.put(Shelf::Open, "ride-0004", &large).unwrap();
    assert_eq!(store.get(Shelf::Open, "ride-0004").unwrap().unwrap(), large);
    assert!(store
        .put(Shelf::Open, "ride-0004", &vec![b'x'; slot::MAX_RECORD + 1])
        .is_err());
    store.put(Shelf::Open, "ride-0004", b"").unwrap();
    assert_eq!(store.get(Shelf::Open, "ride-0004").unwrap().unwrap(), b"");
}

#[test]
fn every_store_behaves_the_same() {
    behaves_like_a_store(&Memory::new());
    behaves_like_a_store(&open_fake(&FakeDisk::new()).unwrap());
    let temp = Temp::new();
    behaves_like_a_store(&temp.open());
}

#[test]
fn records_outlive_the_process() {
    let temp = Temp::new();
    let store = temp.open();
    for n in 0..5 {
        store
            .put(Shelf::Open, "Ride-0001", format!("v{n}").as_bytes())
            .unwrap();
    }
    store.put(Shelf::Closed, "ride-0002", b"paid").unwrap();
    drop(store);
    let store = temp.open();
    assert_eq!(open_records(&store), ["Ride-0001 = v4"]);
    assert_eq!(all(&store, Shelf::Closed), ["ride-0002 = paid"]);
    // For an engineer with `cat`, and for nobody else.
    let text = fs::read_to_string(temp.file("open/_ride-0001.a")).unwrap();
    assert!(
        text.starts_with("vpmeter-journal 2 seq=5 len=2 crc=") && text.ends_with("\nv4\n"),
        "{text}"
    );
    for (file, mode) in [
        ("", 0o700),
        ("open", 0o700),
        ("open/_ride-0001.b", 0o600),
        ("closed/ride-0002", 0o600),
    ] {
        assert_eq!(
            fs::metadata(temp.file(file)).unwrap().permissions().mode() & 0o777,
            mode,
            "{file}"
        );
    }
}

#[test]
fn what_a_put_costs() {
    let temp = Temp::new();
    let store = temp.open();
    let cost = |what: &dyn Fn()| {
        let before = store.stats();
        what();
        let after = store.stats();
        (
            after.file_syncs - before.file_syncs,
            after.dir_syncs - before.dir_syncs,
        )
    };
    let put = |shelf, bytes: &[u8]| store.put(shelf, "ride-0001", bytes).unwrap();
    assert_eq!(cost(&|| put(Shelf::Open, b"create")), (1, 1));
    assert_eq!(cost(&|| put(Shelf::Open, b"confirmed")), (1, 0));
    assert_eq!(
        cost(&|| store.forget_older(Shelf::Open, "ride-0001")),
        (0, 0)
    );
    assert_eq!(cost(&|| put(Shelf::Open, b"capture")), (1, 0));
    assert_eq!(cost(&|| put(Shelf::Open, b"captured")), (1, 0));
    assert_eq!(cost(&|| put(Shelf::Closed, b"paid")), (1, 1));
    assert_eq!(
        cost(&|| store.remove(Shelf::Open, "ride-0001").unwrap()),
        (0, 0)
    );
    drop(store);

    // The first open makes the directories durable; a later one makes sure of the two that hold records.
    let disk = FakeDisk::new();
    let dirs = |disk: &FakeDisk| {
        disk.log()
            .iter()
            .filter(|(op, _)| *op == Op::SyncDir)
            .count()
    };
    drop(open_fake(&disk).unwrap());
    assert_eq!((dirs(&disk), disk.stats().file_syncs), (4, 0));
    drop(open_fake(&disk).unwrap());
    assert_eq!((dirs(&disk), disk.stats().file_syncs), (6, 0));
}

#[test]
fn the_longest_sync_is_measured() {
    let temp = Temp::new();
    let store = temp.open();
    store.put(Shelf::Open, "ride-0001", b"x").unwrap();
    assert!(
        store.stats().longest_sync_ms >= 1,
        "rounded up: {:?}",
        store.stats()
    );
}

#[test]
fn a_second_open_is_in_use() {
    let temp = Temp::new();
    let store = temp.open();
    assert_eq!(open_real(&temp.journal()).err(), Some(StoreError::InUse));
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "open_in_a_child", "--ignored", "--nocapture"])
            .env("VPMETER_TEST_JOURNAL", temp.journal())
            .output()
            .unwrap()
    };
    let output = child();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("child: InUse"),
        "{output:?}"
    );
    store.put(Shelf::Open, "ride-0001", b"still ours").unwrap();
    drop(store);
    let output = child();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("child: opened"),
        "{output:?}"
    );
    assert_eq!(open_records(&temp.open()), ["ride-0001 = still ours"]);
}

#[test]
#[ignore = "the child of a_second_open_is_in_use"]
fn open_in_a_child() {
    let Some(path) = std::env::var_os("VPMETER_TEST_JOURNAL") else {
        return;
    };
    match open_real(Path::new(&path)) {
        Ok(_) => println!("child: opened"),
        Err(error) => println!("child: {error:?}"),
    }
}

#[test]
fn the_phone_number_leaves_the_files() {
    let temp = Temp::new();
    let store = temp.open();
    for v in 1..=2 {
        let record = format!(r#"{{"phoneNumber":"4712345678","v":{v}}}"#);
        store
            .put(Shelf::Open, "ride-0002", record.as_bytes())
            .unwrap();
    }
    let held = || {
        let files = fs::read_dir(temp.file("open"))
            .unwrap()
            .map(|e| e.unwrap().path());
        files
            .into_iter()
            .any(|f| fs::read_to_string(f).unwrap().contains("4712345678"))
    };
    assert!(held());
    store.put(Shelf::Open, "ride-0002", br#"{"v":3}"#).unwrap();
    assert!(held());
    store.forget_older(Shelf::Open, "ride-0002");
    assert!(!held());
    drop(store);
    let store = temp.open();
    assert_eq!(open_records(&store), [r#"ride-0002 = {"v":3}"#]);
    store.put(Shelf::Open, "ride-0002", br#"{"v":4}"#).unwrap();
    drop(store);
    assert_eq!(open_records(&temp.open()), [r#"ride-0002 = {"v":4}"#]);
}

#[test]
fn a_full_disk_at_each_write() {
    let quiet = FakeDisk::new();
    let script = |store: &Directory| {
        [
            store.put(Shelf::Open, "ride-0002", b"v1"),
            store.put(Shelf::Open, "ride-0002", b"v2"),
            store.put(Shelf::Open, "ride-0002", b"v3"),
            store.put(Shelf::Closed, "ride-0002", b"v4"),
        ]
    };
    let store = open_fake(&quiet).unwrap();
    store.put(Shelf::Open, "ride-0001", b"other").unwrap();
    let first = quiet.steps();
    assert!(script(&store).iter().all(Result::is_ok));
    let last = quiet.steps();
    for step in first..last {
        if quiet.log()[step].0 != Op::Write {
            continue;
        }
        let disk = FakeDisk::new();
        let store = open_fake(&disk).unwrap();
        store.put(Shelf::Open, "ride-0001", b"other").unwrap();
        disk.fail_at(step, 1, DiskError::Full);
        let results = script(&store);
        assert_eq!(
            results
                .iter()
                .filter(|r| **r == Err(StoreError::Full))
                .count(),
            1,
            "{results:?}"
        );
        assert_eq!(
            results.iter().filter(|r| r.is_ok()).count(),
            3,
            "{results:?}"
        );
        drop(store);
        let store = open_fake(&disk).unwrap();
        match results[3] {
            Ok(()) => assert_eq!(open_records(&store), ["ride-0001 = other"]),
            Err(_) => assert_eq!(
                open_records(&store),
                ["ride-0001 = other", "ride-0002 = v3"]
            ),
        }
    }
}

#[test]
fn a_failed_file_is_made_afresh() {
    let disk = FakeDisk::new();
    let store = open_fake(&disk).unwrap();
    store.put(Shelf::Open, "ride-0001", b"v1").unwrap();
    let sync = disk.steps() + 1;
    disk.fail_at(sync, 1, DiskError::Broken("bad block".into()));
    assert!(matches!(
        store.put(Shelf::Open, "ride-0001", b"v2"),
        Err(StoreError::Broken(_))
    ));
    assert_eq!(disk.log()[sync].0, Op::Sync);
    assert_eq!(disk.paths(), ["/journal/lock", "/journal/open/ride-0001.a"]);
    assert_eq!(store.get(Shelf::Open, "ride-0001").unwrap().unwrap(), b"v1");
    let before = store.stats();
    store.put(Shelf::Open, "ride-0001", b"v3").unwrap();
    assert_eq!(
        store.stats().dir_syncs,
        before.dir_syncs + 1,
        "a new file needs its name synced"
    );
    assert_eq!(
        disk.peek("/journal/open/ride-0001.b").unwrap(),
        slot::encode(3, b"v3")
    );
}

#[test]
fn a_disk_that_cannot_be_written_to() {
    let disk = FakeDisk::new();
    drop(open_fake(&disk).unwrap());
    disk.read_only();
    match open_fake(&disk).err() {
        Some(StoreError::Broken(why)) => assert!(
            why.contains("/journal") && why.contains("read-only"),
            "{why}"
        ),
        other => panic!("{other:?}"),
    }
    let temp = Temp::new();
    fs::write(temp.journal(), b"a file").unwrap();
    match open_real(&temp.journal()).err() {
        Some(StoreError::Broken(why)) => {
            assert!(why.contains(temp.journal().to_str().unwrap()), "{why}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_parents_are_made() {
    let temp = Temp::new();
    let path = temp.0.join("var/lib/meter");
    drop(open_real(&path).unwrap());
    assert!(path.join("open").is_dir());
}

#[test]
fn threads_may_share_a_journal() {
    let temp = Temp::new();
    let store = temp.open();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let name = format!("ride-000{n}");
                for v in 0..20 {
                    store
                        .put(Shelf::Open, &name, format!("v{v}").as_bytes())
                        .unwrap();
                    assert_eq!(
                        store.get(Shelf::Open, &name).unwrap().unwrap(),
                        format!("v{v}").as_bytes()
                    );
                }
            });
        }
    });
    assert_eq!(
        open_records(&store),
        [
            "ride-0000 = v19",
            "ride-0001 = v19",
            "ride-0002 = v19",
            "ride-0003 = v19"
        ]
    );
}
