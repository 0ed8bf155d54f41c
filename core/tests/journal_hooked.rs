//! The journal on four operations of the host: what a store can do wrong, and what is said of it.

#[path = "support/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use script::{act, find, record, script, Do, Model, NAMES};
use vpmeter_core::journal::hooked::{Hooked, Place, Shelves, MAX_BYTES};
use vpmeter_core::journal::slot;
use vpmeter_core::journal::{Found, Shelf, Store, StoreError};

type Records = BTreeMap<(Place, String), Vec<u8>>;

/// A host that keeps records in a map, and does with them what a test wants.
#[derive(Clone, Default)]
struct Host {
    records: Arc<Mutex<Records>>,
    wrong: Arc<Mutex<Option<Wrong>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Forgets,
    Cuts,
    FlipsABit,
    GivesOld,
    PutFails,
    CannotRead,
    NamesTwice,
    NamesGarbage,
    RemovesNothing,
}

impl Host {
    fn does(&self, wrong: Wrong) -> bool {
        *self.wrong.lock().unwrap() == Some(wrong)
    }

    fn turns(&self, wrong: Option<Wrong>) {
        *self.wrong.lock().unwrap() = wrong;
    }

    fn open(&self) -> Result<Hooked, StoreError> {
        Hooked::open(Box::new(self.clone()))
    }

    fn raw(&self, place: Place, name: &str) -> Option<Vec<u8>> {
        let records = self.records.lock().unwrap();
        records.get(&(place, name.into())).cloned()
    }

    fn set(&self, place: Place, name: &str, bytes: Vec<u8>) {
        let mut records = self.records.lock().unwrap();
        records.insert((place, name.into()), bytes);
    }
}

impl Shelves for Host {
    fn put(&self, place: Place, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(bytes.len() <= MAX_BYTES);
        let mut kept = bytes.to_vec();
        if self.does(Wrong::PutFails) {
            return Err(StoreError::Full);
        }
        if self.does(Wrong::Forgets) || self.does(Wrong::GivesOld) {
            return Ok(());
        }
        if self.does(Wrong::Cuts) {
            kept.truncate(bytes.len() - 1);
        }
        if self.does(Wrong::FlipsABit) {
            kept[bytes.len() / 2] ^= 1;
        }
        self.set(place, name, kept);
        Ok(())
    }

    fn get(&self, place: Place, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.does(Wrong::CannotRead) {
            true => Err(StoreError::Broken("no contact".into())),
            false => Ok(self.raw(place, name)),
        }
    }

    fn remove(&self, place: Place, name: &str) -> Result<(), StoreError> {
        if !self.does(Wrong::RemovesNothing) {
            self.records.lock().unwrap().remove(&(place, name.into()));
        }
        Ok(())
    }

    fn names(&self, place: Place, _: usize) -> Result<Vec<String>, StoreError> {
        let records = self.records.lock().unwrap();
        let all = records.keys().filter(|(at, _)| *at == place);
        let mut names: Vec<String> = all.map(|(_, name)| name.clone()).collect();
        if self.does(Wrong::NamesTwice) {
            names.extend(names.clone());
        }
        if self.does(Wrong::NamesGarbage) {
            names.push("no such/name".into());
        }
        Ok(names)
    }
}

#[test]
fn what_was_put_is_found_by_the_next_start() {
    let host = Host::default();
    let mut model = Model::new();
    let mut store = host.open().unwrap();
    for what in script() {
        let before = model.clone();
        model.begin(what);
        if let Do::Reopen = what {
            store = host.open().unwrap();
        }
        act(&store, what).unwrap();
        model.done(&before, what);
        // Here, and after a restart at this moment.
        model.check(&find(&store, "here", None), &format!("{what:?}"));
        let again = host.open().unwrap();
        model.check(&find(&again, "again", None), &format!("{what:?}"));
    }
}

#[test]
fn a_put_that_does_not_come_back_is_an_error() {
    for wrong in [
        Wrong::Forgets,
        Wrong::Cuts,
        Wrong::FlipsABit,
        Wrong::GivesOld,
        Wrong::PutFails,
        Wrong::CannotRead,
    ] {
        for shelf in [Shelf::Open, Shelf::Closed] {
            let host = Host::default();
            let store = host.open().unwrap();
            store.put(shelf, NAMES[2], &record(2, 1)).unwrap();
            host.turns(Some(wrong));
            let put = store.put(shelf, NAMES[2], &record(2, 2));
            assert!(put.is_err(), "{wrong:?} {shelf:?}");
            if wrong == Wrong::PutFails {
                assert_eq!(put, Err(StoreError::Full));
            }
            // A store that is well again takes it, and it is the newest.
            host.turns(None);
            store.put(shelf, NAMES[2], &record(2, 3)).unwrap();
            for store in [store, host.open().unwrap()] {
                assert_eq!(store.get(shelf, NAMES[2]), Ok(Some(record(2, 3))));
            }
        }
    }
}

#[test]
fn a_store_that_does_not_know_what_it_has_is_refused() {
    let host = Host::default();
    let store = host.open().unwrap();
    store.put(Shelf::Open, NAMES[2], &record(2, 1)).unwrap();
    for wrong in [Wrong::NamesTwice, Wrong::NamesGarbage] {
        host.turns(Some(wrong));
        assert!(
            matches!(host.open(), Err(StoreError::Broken(_))),
            "{wrong:?}"
        );
    }
    host.turns(None);
    assert!(host.open().is_ok());
}

/// Which of two is the newer one is in their versions, whatever the host has kept of what was removed.
#[test]
fn a_tombstone_ends_its_open_record_and_no_later_one() {
    let host = Host::default();
    let store = host.open().unwrap();
    store.put(Shelf::Open, NAMES[2], &record(2, 1)).unwrap();
    store.put(Shelf::Closed, NAMES[2], &record(2, 2)).unwrap();
    host.turns(Some(Wrong::RemovesNothing));
    store.remove(Shelf::Open, NAMES[2]).unwrap();
    assert!(host.raw(Place::Open, NAMES[2]).is_some());
    for store in [host.open().unwrap(), host.open().unwrap()] {
        assert_eq!(store.get(Shelf::Open, NAMES[2]), Ok(None));
        // As long as the open record cannot go, the tombstone stays: or it would come to life.
        assert!(store.remove(Shelf::Closed, NAMES[2]).is_err());
        assert!(host.raw(Place::Closed, NAMES[2]).is_some());
    }
    host.turns(None);
    let store = host.open().unwrap();
    assert!(host.raw(Place::Open, NAMES[2]).is_none());
    // Opened again, for a refund: the newer one.
    store.put(Shelf::Open, NAMES[2], &record(2, 3)).unwrap();
    let store = host.open().unwrap();
    assert_eq!(store.get(Shelf::Open, NAMES[2]), Ok(Some(record(2, 3))));
}

#[test]
fn what_does_not_check_out_is_damaged_by_name() {
    let good = slot::encode(1, &record(2, 1));
    for (bytes, word) in [
        (Vec::new(), "begin"),
        (b"[journal of another meter]".to_vec(), "begin"),
        (b"vpmeter-journal 3 what may come\n".to_vec(), "newer"),
        (good[..good.len() - 1].to_vec(), "short"),
    ] {
        let host = Host::default();
        host.set(Place::Open, NAMES[2], bytes.clone());
        host.set(Place::Open, NAMES[3], slot::encode(1, &record(3, 1)));
        host.set(Place::Closed, NAMES[0], bytes.clone());
        let store = host.open().unwrap();
        let mut told = Vec::new();
        let mut tell = |name: &str, found: Found| {
            told.push(match found {
                Found::Damaged(why) => format!("{name} {why}"),
                Found::Unreadable(why) => format!("{name} not now: {why}"),
                Found::Record(_) | Found::Older(..) => name.to_owned(),
            });
            true
        };
        store.each(Shelf::Open, &mut tell).unwrap();
        store.each(Shelf::Closed, &mut tell).unwrap();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].contains(word) && told[0].contains(NAMES[2]),
            "{told:?}"
        );
        assert_eq!(told[1], NAMES[3]);
        assert!(told[2].contains(word), "{told:?}");
        // What is not understood is not overwritten by a new payment of that name.
        assert_eq!(
            store.put(Shelf::Open, NAMES[2], b"x").is_ok(),
            word != "newer"
        );
        assert!(store.put(Shelf::Open, NAMES[0], b"x").is_err());
    }
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    let store = Host::default().open().unwrap();
    let put = store.put(Shelf::Open, NAMES[2], &vec![b'x'; MAX_BYTES]);
    assert!(matches!(put, Err(StoreError::Broken(_))), "{put:?}");
    assert_eq!(store.get(Shelf::Open, NAMES[2]), Ok(None));
}

#[test]
fn the_latest_time_is_kept() {
    let host = Host::default();
    let store = host.open().unwrap();
    assert_eq!(store.latest_time(), None);
    for ms in [1_795_348_800_000, 1_795_348_800_001] {
        store.keep_latest_time(ms).unwrap();
        assert_eq!(host.open().unwrap().latest_time(), Some(ms));
    }
    host.set(Place::Meter, "meter-clock", b"nonsense".to_vec());
    assert_eq!(store.latest_time(), None);
    store.keep_latest_time(5).unwrap();
    assert_eq!(store.latest_time(), Some(5));
}

/// Wrong if an error of the host's `get` said anything about the record.
#[test]
fn what_the_host_cannot_read_is_not_now_and_heals() {
    let host = Host::default();
    let store = host.open().unwrap();
    store.put(Shelf::Open, NAMES[2], &record(2, 1)).unwrap();
    store.put(Shelf::Closed, NAMES[3], &record(3, 2)).unwrap();
    drop(store);
    // While it is open, and from the start on.
    for from_the_start in [false, true] {
        host.turns(from_the_start.then_some(Wrong::CannotRead));
        let store = host.open().unwrap();
        host.turns(Some(Wrong::CannotRead));
        let before = host.records.lock().unwrap().clone();
        for (shelf, name) in [(Shelf::Open, NAMES[2]), (Shelf::Closed, NAMES[3])] {
            for _ in 0..2 {
                let got = store.get(shelf, name);
                assert!(matches!(got, Err(StoreError::Broken(_))), "{got:?}");
                let found = store.find(shelf, name).unwrap();
                assert!(matches!(found, Some(Found::Unreadable(_))));
            }
            let mut seen = Vec::new();
            let visit = &mut |name: &str, found| {
                seen.push((name.to_owned(), matches!(found, Found::Unreadable(_))));
                true
            };
            store.each(shelf, visit).unwrap();
            assert_eq!(seen, [(name.to_owned(), true)]);
            if from_the_start {
                // Nothing is put for what was never read.
                assert!(store.put(Shelf::Open, NAMES[2], b"x").is_err());
                assert!(store.put(Shelf::Closed, NAMES[2], b"x").is_err());
                assert!(store.remove(Shelf::Open, NAMES[2]).is_err());
                assert_eq!(*host.records.lock().unwrap(), before);
            }
        }
        host.turns(None);
        assert_eq!(store.get(Shelf::Open, NAMES[2]), Ok(Some(record(2, 1))));
        assert_eq!(store.get(Shelf::Closed, NAMES[3]), Ok(Some(record(3, 2))));
    }
}

/// The tombstone may have ended the open record, and cannot say so any more.
#[test]
fn beside_a_damaged_tombstone_the_open_record_is_in_doubt() {
    let host = Host::default();
    let store = host.open().unwrap();
    store.put(Shelf::Open, NAMES[2], &record(2, 1)).unwrap();
    host.set(Place::Closed, NAMES[2], b"garbage".to_vec());
    let store = host.open().unwrap();
    let found = store.find(Shelf::Open, NAMES[2]).unwrap();
    assert!(matches!(found, Some(Found::Older(bytes, _)) if bytes == record(2, 1)));
}
