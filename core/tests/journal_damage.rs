//! Files that are not records: reported by name, kept, and no hindrance for other payments.

#[path = "support/journal.rs"]
mod support;

use std::fs;
use std::process::Command;

use support::{all, is_damaged, open_records, Temp};
use vpmeter_core::journal::{slot, Shelf, Store};

/// A journal with one payment between two healthy ones.
fn three(temp: &Temp) {
    let store = temp.open();
    for name in ["ride-0001", "ride-0002", "ride-0003"] {
        store.put(Shelf::Open, name, b"v1").unwrap();
        store
            .put(Shelf::Open, name, br#"{"phoneNumber":"4712345678","v":2}"#)
            .unwrap();
    }
}

#[track_caller]
fn healthy_around(store: &dyn Store, middle: &str) {
    let found = open_records(store);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with("ride-0001 = ") && found[2].starts_with("ride-0003 = "),
        "{found:?}"
    );
    assert!(
        found[1].starts_with(&format!("ride-0002 {middle}")),
        "{found:?}"
    );
    store.put(Shelf::Open, "ride-0001", b"v3").unwrap();
}

fn bad_contents() -> Vec<(&'static str, Vec<u8>)> {
    let good = slot::encode(2, br#"{"phoneNumber":"4712345678","v":2}"#);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    vec![
        ("cut short", good[..good.len() - 9].to_vec()),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("cut short", good[..20].to_vec()),
        ("wrong checksum", flipped(good.len() - 6)),
        ("misspelt", flipped(17)),
        ("longer", [&good[..], b"tail\n"].concat()),
        (
            "does not begin",
            b"{\"phoneNumber\":\"4712345678\"}".to_vec(),
        ),
        ("does not begin", vec![0; 4096]),
        ("does not begin", vec![0xff; 100]),
    ]
}

#[test]
fn a_damaged_newest_slot_leaves_the_older_one() {
    for (why, bytes) in bad_contents() {
        let temp = Temp::new();
        three(&temp);
        fs::write(temp.file("open/ride-0002.b"), bytes).unwrap();
        let store = temp.open();
        healthy_around(&store, "older v1");
        is_damaged(store.get(Shelf::Open, "ride-0002"), "older");
        store.forget_older(Shelf::Open, "ride-0002");
        drop(store);
        // Still in doubt after the next start, and until a put has settled it.
        let store = temp.open();
        healthy_around(&store, "older v1");
        store.put(Shelf::Open, "ride-0002", b"v3").unwrap();
        healthy_around(&store, "= v3");
        drop(store);
        healthy_around(&temp.open(), "= v3");
        assert!(
            fs::read_dir(temp.file("damaged")).unwrap().next().is_none(),
            "{why}"
        );
    }
}

#[test]
fn two_damaged_slots_are_set_aside_without_the_phone_number() {
    for (why, bytes) in bad_contents() {
        let temp = Temp::new();
        three(&temp);
        fs::write(temp.file("open/ride-0002.a"), &bytes).unwrap();
        fs::write(temp.file("open/ride-0002.b"), &bytes).unwrap();
        for _ in 0..2 {
            let store = temp.open();
            healthy_around(&store, "damaged: ");
            is_damaged(store.get(Shelf::Open, "ride-0002"), "damaged/ride-0002.");
            store.remove(Shelf::Open, "ride-0002").unwrap();
        }
        assert!(!temp.file("open/ride-0002.a").exists() && !temp.file("open/ride-0002.b").exists());
        for n in 1..=2 {
            let kept = fs::read(temp.file(&format!("damaged/ride-0002.{n}"))).unwrap();
            assert_eq!(kept.len(), bytes.len(), "nothing is deleted: {why}");
            assert!(!String::from_utf8_lossy(&kept).contains("47123"), "{why}");
        }
        // A put is the answer to the damage; the files stay.
        let store = temp.open();
        store.put(Shelf::Open, "ride-0002", b"decided").unwrap();
        healthy_around(&store, "= decided");
        store.put(Shelf::Closed, "ride-0002", b"closed").unwrap();
        store.remove(Shelf::Open, "ride-0002").unwrap();
        drop(store);
        let store = temp.open();
        assert_eq!(open_records(&store).len(), 2);
        assert!(
            temp.file("damaged/ride-0002.1.seen").exists()
                && temp.file("damaged/ride-0002.2.seen").exists()
        );
    }
}

#[test]
fn a_file_in_damaged_is_reported_until_it_is_removed() {
    let temp = Temp::new();
    three(&temp);
    fs::write(temp.file("open/ride-0002.a"), b"").unwrap();
    fs::write(temp.file("open/ride-0002.b"), b"").unwrap();
    healthy_around(&temp.open(), "damaged: both slots are empty");
    healthy_around(&temp.open(), "damaged: set aside as damaged/ride-0002.1");
    fs::remove_file(temp.file("damaged/ride-0002.1")).unwrap();
    assert_eq!(open_records(&temp.open()).len(), 2);
}

#[test]
fn a_later_version_is_kept_and_never_written_to() {
    let future = b"vpmeter-journal 3 something else altogether\nphoneNumber 4712345678";
    for file in ["a", "b"] {
        let temp = Temp::new();
        three(&temp);
        let path = temp.file(&format!("open/ride-0002.{file}"));
        fs::write(&path, future).unwrap();
        for _ in 0..2 {
            let store = temp.open();
            healthy_around(&store, "damaged: written by a newer version");
            is_damaged(store.get(Shelf::Open, "ride-0002"), "newer version");
            is_damaged(store.put(Shelf::Open, "ride-0002", b"x"), "newer version");
            is_damaged(store.put(Shelf::Closed, "ride-0002", b"x"), "newer version");
            is_damaged(store.remove(Shelf::Open, "ride-0002"), "newer version");
            store.forget_older(Shelf::Open, "ride-0002");
        }
        assert_eq!(fs::read(&path).unwrap(), future);
        assert_eq!(fs::read_dir(temp.file("damaged")).unwrap().count(), 0);
    }
    let temp = Temp::new();
    drop(temp.open());
    fs::write(temp.file("closed/ride-0001"), future).unwrap();
    let store = temp.open();
    assert!(
        all(&store, Shelf::Closed)[0].starts_with("ride-0001 damaged: written by a newer version")
    );
    is_damaged(store.put(Shelf::Closed, "ride-0001", b"x"), "newer version");
    is_damaged(store.put(Shelf::Open, "ride-0001", b"x"), "newer version");
    is_damaged(store.remove(Shelf::Closed, "ride-0001"), "newer version");
    assert_eq!(fs::read(temp.file("closed/ride-0001")).unwrap(), future);
}

#[test]
fn a_directory_in_place_of_a_file() {
    let temp = Temp::new();
    three(&temp);
    let path = temp.file("open/ride-0002.b");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), b"kept").unwrap();
    let store = temp.open();
    healthy_around(&store, "older v1");
    store.put(Shelf::Open, "ride-0002", b"v3").unwrap();
    healthy_around(&store, "= v3");
    drop(store);
    healthy_around(&temp.open(), "= v3");
    assert_eq!(
        fs::read(temp.file("damaged/ride-0002.1.seen/inside")).unwrap(),
        b"kept"
    );

    // Both.
    for side in ["a", "b"] {
        let path = temp.file(&format!("open/ride-0002.{side}"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    let store = temp.open();
    healthy_around(&store, "damaged: cannot read");
    store.put(Shelf::Open, "ride-0002", b"v4").unwrap();
    healthy_around(&store, "= v4");
    drop(store);
    healthy_around(&temp.open(), "= v4");

    // A tombstone.
    fs::create_dir(temp.file("closed/ride-0009")).unwrap();
    let store = temp.open();
    store.put(Shelf::Closed, "ride-0008", b"paid").unwrap();
    let closed = all(&store, Shelf::Closed);
    assert_eq!(closed[0], "ride-0008 = paid");
    assert!(
        closed[1].starts_with("ride-0009 damaged: cannot read"),
        "{closed:?}"
    );
    assert!(store.put(Shelf::Closed, "ride-0009", b"x").is_err());
}

#[test]
fn a_pipe_or_a_link_or_a_giant_in_place_of_a_file() {
    let temp = Temp::new();
    three(&temp);
    let path = temp.file("open/ride-0002.b");
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap()
        .success());
    healthy_around(&temp.open(), "older v1");

    fs::remove_file(&path).unwrap();
    let outside = temp.0.join("outside");
    fs::write(&outside, slot::encode(9, b"planted")).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    let store = temp.open();
    healthy_around(&store, "older v1");
    store.put(Shelf::Open, "ride-0002", b"v3").unwrap();
    assert_eq!(fs::read(&outside).unwrap(), slot::encode(9, b"planted"));
    drop(store);

    fs::File::create(temp.file("open/ride-0002.a"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    // What is beside it was put last and knows of nothing newer.
    healthy_around(&temp.open(), "= v3");
}

#[test]
fn a_damaged_tombstone_is_set_aside_and_does_not_take_the_open_record_with_it() {
    let temp = Temp::new();
    three(&temp);
    let torn = br#"vpmeter-journal 2 seq=3 len=90 crc=00000000
{"phoneNumber":"4712345678""#;
    fs::write(temp.file("closed/ride-0002"), torn).unwrap();
    for _ in 0..2 {
        // It may have ended the open record: that one is doubtful.
        let store = temp.open();
        healthy_around(&store, "older ");
        let closed = all(&store, Shelf::Closed);
        assert!(
            closed.len() == 1 && closed[0].starts_with("ride-0002 damaged: "),
            "{closed:?}"
        );
    }
    let kept = fs::read_to_string(temp.file("damaged/ride-0002.closed.1")).unwrap();
    assert!(kept.contains(r#""phoneNumber":"**********""#), "{kept}");
    let store = temp.open();
    store.put(Shelf::Closed, "ride-0002", b"paid").unwrap();
    assert_eq!(all(&store, Shelf::Closed), ["ride-0002 = paid"]);
    assert!(temp.file("damaged/ride-0002.closed.1.seen").exists());
}

#[test]
fn damage_while_the_journal_is_open() {
    let temp = Temp::new();
    three(&temp);
    let store = temp.open();
    fs::write(temp.file("open/ride-0002.b"), b"garbage").unwrap();
    is_damaged(store.get(Shelf::Open, "ride-0002"), "older");
    healthy_around(&store, "older v1");
    fs::write(temp.file("open/ride-0002.a"), b"garbage").unwrap();
    healthy_around(&store, "damaged: ");
    assert!(temp.file("damaged/ride-0002.2").exists());

    // The files of a payment disappear: it is not forgotten.
    fs::remove_file(temp.file("open/ride-0003.a")).unwrap();
    fs::remove_file(temp.file("open/ride-0003.b")).unwrap();
    for _ in 0..3 {
        is_damaged(store.get(Shelf::Open, "ride-0003"), "disappeared");
    }
    // The newest does.
    store.put(Shelf::Open, "ride-0001", b"v3").unwrap();
    store.put(Shelf::Open, "ride-0001", b"v4").unwrap();
    fs::remove_file(temp.file("open/ride-0001.b")).unwrap();
    is_damaged(store.get(Shelf::Open, "ride-0001"), "older");
}

#[test]
fn foreign_files_are_left_alone() {
    let temp = Temp::new();
    three(&temp);
    for file in [
        "open/notes.txt",
        "open/README",
        "open/ride-0002.a.bak",
        "closed/x",
        "damaged/y",
        "z",
    ] {
        fs::write(temp.file(file), b"mine").unwrap();
    }
    let store = temp.open();
    healthy_around(&store, "= ");
    assert_eq!(all(&store, Shelf::Closed).len(), 0);
    assert_eq!(
        fs::read(temp.file("open/ride-0002.a.bak")).unwrap(),
        b"mine"
    );
}

#[test]
fn what_a_killed_put_left_is_swept_away() {
    let temp = Temp::new();
    three(&temp);
    fs::write(
        temp.file("open/ride-0009.t"),
        b"phone number of a ride that never was",
    )
    .unwrap();
    fs::write(temp.file("closed/ride-0009.t"), b"half").unwrap();
    healthy_around(&temp.open(), "= ");
    assert!(!temp.file("open/ride-0009.t").exists() && !temp.file("closed/ride-0009.t").exists());
}
