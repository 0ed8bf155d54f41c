//! The power is cut at every step that the journal takes on a disk, and again at every step of the recovery.
//!
//! With a disk that honours sync, what is found afterwards is the last put that returned `Ok`, or one that came after
//! it and did not return `Ok`; with a disk that lies, what is found is at least whole.

#[path = "support/fake_disk.rs"]
mod fake_disk;
#[path = "support/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fake_disk::tearing::{Variant, VARIANTS};
use fake_disk::{FakeDisk, Op};
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::DiskError;
use vpmeter_core::journal::{Found, Shelf, Store, StoreError};

use script::{act, find, record, script, version, Do, Model, NAMES};

const SEEDS: u64 = 4;

fn open(disk: &FakeDisk) -> Result<Directory, StoreError> {
    Directory::open(Path::new("/journal"), Arc::new(disk.clone()))
}

/// Runs the script until something fails.
fn run(disk: &FakeDisk) -> Model {
    let mut model = Model::new();
    let Ok(mut store) = open(disk) else {
        return model;
    };
    for what in script() {
        if let Do::Reopen = what {
            drop(store);
            match open(disk) {
                Ok(again) => store = again,
                Err(_) => return model,
            }
        }
        let before = model.clone();
        model.begin(what);
        if act(&store, what).is_err() {
            return model;
        }
        model.done(&before, what);
    }
    model
}

fn steps_of(run: impl FnOnce(&FakeDisk), disk: FakeDisk) -> usize {
    let before = disk.steps();
    run(&disk);
    disk.steps() - before
}

fn script_steps() -> usize {
    steps_of(|disk| drop(run(disk)), FakeDisk::new())
}

#[test]
fn a_cut_at_any_step_loses_nothing_that_was_put() {
    let steps = script_steps();
    let (mut cuts, mut recoveries) = (0, 0);
    for step in 0..=steps {
        let disk = FakeDisk::new();
        disk.cut_at(step);
        let model = run(&disk);
        for variant in VARIANTS {
            for seed in 0..SEEDS {
                let seed = seed * 1000 + step as u64;
                let when = format!("cut at step {step} of {steps}, {variant:?}, seed {seed}");
                let after = disk.after_cut(variant, seed);
                cuts += 1;

                // Once more, at every step of the recovery.
                let recovery = steps_of(
                    |d| drop(open(d).map(|s| find(&s, &when, None))),
                    after.after_kill(),
                );
                for second in 0..recovery {
                    let disk = after.after_kill();
                    disk.cut_at(second);
                    let _ = open(&disk);
                    let variant = VARIANTS[(second + step) % VARIANTS.len()];
                    let when = format!("{when}; again at step {second} of {recovery}, {variant:?}");
                    let store = open(&disk.after_cut(variant, seed)).expect(&when);
                    model.check(&find(&store, &when, None), &when);
                    recoveries += 1;
                }

                let store = open(&after).expect(&when);
                let found = find(&store, &when, None);
                model.check(&found, &when);
                // A put that was cut short was never acknowledged: what is left is in no doubt, and calls nobody.
                none_older(&store, &when);
                drop(store);
                goes_on(&after, &when);
            }
        }
    }
    println!("{steps} steps, {cuts} cuts, {recoveries} cuts in a recovery");
    assert!(steps > 80 && cuts > 2000 && recoveries > 10_000);
}

#[track_caller]
fn none_older(store: &dyn Store, when: &str) {
    let visit = &mut |name: &str, found| {
        if let Found::Older(_, why) = found {
            // The script uses a name again without a tombstone in between; the library never does.
            let reused = why == "both slots claim to be the same version";
            assert!(
                reused && name == NAMES[3],
                "{name} is called older: {why}; {when}"
            );
        }
        true
    };
    store.each(Shelf::Open, visit).expect(when);
}

/// A recovered journal takes new puts, and a cut after them keeps them.
#[track_caller]
fn goes_on(disk: &FakeDisk, when: &str) {
    let store = open(disk).expect(when);
    for (index, name) in NAMES.iter().enumerate() {
        for version in [1, 2] {
            let put = store.put(Shelf::Open, name, &record(index, version));
            put.expect(when);
        }
    }
    let after = disk.after_cut(Variant::Lost, 0);
    let found = find(&open(&after).expect(when), when, Some(&mut 0));
    assert!(
        found.iter().all(|(open, _)| *open == Some(2)),
        "{found:?}; {when}"
    );
}

/// A killed process leaves in the system's memory what it had not synced. The next one must not build on it before it
/// is durable.
#[test]
fn what_is_found_after_a_kill_survives_a_cut() {
    let steps = script_steps();
    for step in 0..=steps {
        let disk = FakeDisk::new();
        disk.cut_at(step);
        let model = run(&disk);
        for variant in VARIANTS {
            for seed in 0..SEEDS {
                let when = format!("killed at step {step}, then {variant:?}, seed {seed}");
                let disk = disk.after_kill();
                let found = find(&open(&disk).expect(&when), &when, None);
                model.check(&found, &when);
                let after = disk.after_cut(variant, seed);
                let again = find(&open(&after).expect(&when), &when, None);
                assert_eq!(found, again, "{when}");
            }
        }
    }
}

/// A disk that fails for a while, and then the power fails: the failed puts may be found only as long as no put has
/// succeeded since.
#[test]
fn failed_steps_and_then_a_cut() {
    let steps = script_steps();
    for error in [DiskError::Full, DiskError::Broken("bad block".into())] {
        for (step, count) in (0..steps).flat_map(|s| [(s, 1), (s, 2), (s, 5)]) {
            let disk = FakeDisk::new();
            disk.fail_at(step, count, error.clone());
            let mut model = Model::new();
            let mut live: BTreeMap<(bool, usize), Option<u32>> = BTreeMap::new();
            let reopen = || {
                (0..9)
                    .find_map(|_| open(&disk).ok())
                    .expect("the disk works again")
            };
            let mut store = reopen();
            for (n, what) in script().into_iter().enumerate() {
                let when = format!("{error:?} at step {step}, {count} times, during {n}: {what:?}");
                if let Do::Reopen = what {
                    // A failed put that could not be undone may be what this start finds.
                    drop(store);
                    store = reopen();
                    let found = find(&store, &when, None);
                    model.check(&found, &when);
                    for (name, (open, closed)) in found.into_iter().enumerate() {
                        live.insert((true, name), open);
                        live.insert((false, name), closed);
                    }
                    continue;
                }
                let before = model.clone();
                model.begin(what);
                let result = act(&store, what);
                if result.is_ok() {
                    model.done(&before, what);
                }
                if let (Do::Put(shelf, name, v), Ok(())) = (what, &result) {
                    live.insert((shelf == Shelf::Open, name), Some(v));
                }
                if let (Do::Put(shelf, name, _), Err(_)) = (what, &result) {
                    // The put that failed is undone for this process, unless undoing a rename failed as well.
                    if shelf == Shelf::Open || count == 1 {
                        let bytes = store.get(shelf, NAMES[name]).expect(&when);
                        let is = bytes.map(|b| version(name, &b, &when));
                        assert_eq!(
                            is,
                            live.get(&(shelf == Shelf::Open, name)).copied().flatten(),
                            "{when}"
                        );
                    }
                }
                if let Do::Remove(shelf, name) = what {
                    let is = store.get(shelf, NAMES[name]).expect(&when);
                    assert!(result.is_err() || is.is_none(), "{when}");
                    live.insert(
                        (shelf == Shelf::Open, name),
                        is.map(|b| version(name, &b, &when)),
                    );
                }
                for variant in VARIANTS {
                    let seed = (step * 31 + n) as u64;
                    let when = format!("{when}; then a cut, {variant:?}, seed {seed}");
                    let after = disk.after_cut(variant, seed);
                    model.check(&find(&open(&after).expect(&when), &when, None), &when);
                }
            }
        }
    }
}

/// Nothing can be promised of a disk that says that it has synced and has not, but that garbage is never a payment.
#[test]
fn a_disk_that_lies_gives_no_garbage() {
    let steps = script_steps();
    let mut damaged = 0;
    for step in 0..=steps {
        for variant in VARIANTS {
            for seed in 0..SEEDS {
                let disk = FakeDisk::new();
                drop(open(&disk).expect("an honest beginning"));
                let first = disk.steps();
                disk.lie();
                disk.cut_at(first + step);
                run(&disk);
                let when = format!("lies, cut at step {step}, {variant:?}, seed {seed}");
                let after = disk.after_cut(variant, seed * 1000 + step as u64);
                let mut count = 0;
                find(&open(&after).expect(&when), &when, Some(&mut count));
                // Whoever was damaged is still known after the next start.
                let mut again = 0;
                find(&open(&after).expect(&when), &when, Some(&mut again));
                assert_eq!(count, again, "{when}");
                damaged += count;
                goes_on(&after, &when);
            }
        }
    }
    assert!(damaged > 100, "the lies did no harm: {damaged}");
}

/// The proof stands on this: the disk does forget what was not synced.
#[test]
fn the_fake_disk_forgets() {
    let disk = FakeDisk::new();
    let store = open(&disk).unwrap();
    let first = disk.steps();
    store.put(Shelf::Open, NAMES[0], &record(0, 1)).unwrap();
    let ops: Vec<Op> = disk.log()[first..].iter().map(|(op, _)| *op).collect();
    assert_eq!(
        ops,
        [Op::Write, Op::Sync, Op::Rename, Op::Write, Op::SyncDir]
    );
    drop(store);

    let lying = disk.after_kill();
    lying.lie();
    let store = open(&lying).unwrap();
    store.put(Shelf::Open, NAMES[0], &record(0, 2)).unwrap();
    store.put(Shelf::Open, NAMES[1], &record(1, 3)).unwrap();
    let after = lying.after_cut(Variant::Lost, 0);
    let found = find(&open(&after).unwrap(), "", None);
    assert_eq!(found[..2], [(Some(1), None), (None, None)]);
}
