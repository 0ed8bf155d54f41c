//! A shorter story: what can be left out of a run that breaks a property, while it still breaks the same one.

use super::chance::Mark;
use super::ledger::Violation;
use super::run::{run, Ended, Settings, Without};
use super::weather::CLASSES;

fn still(seed: u64, settings: &Settings, without: &Without, v: &Violation) -> Option<Ended> {
    let ended = run(seed, settings, without, false);
    let same = ended
        .violation
        .as_ref()
        .is_some_and(|w| w.property == v.property);
    same.then_some(ended)
}

/// What to leave out.
pub fn shrink(seed: u64, settings: &Settings, violation: &Violation) -> Without {
    let mut without = Without::default();
    let Some(mut ended) = still(seed, settings, &without, violation) else {
        return without;
    };
    loop {
        let mut smaller = false;
        for class in CLASSES {
            let bit = 1 << class as u32;
            if without.classes & bit == 0 {
                let mut next = without.clone();
                next.classes |= bit;
                if let Some(e) = still(seed, settings, &next, violation) {
                    smaller |= next.fates.len() != without.fates.len()
                        || e.fired.len() < ended.fired.len();
                    (without, ended) = (next, e);
                }
            }
        }
        for scene in ended.scenes.clone() {
            let mut next = without.clone();
            next.scenes.insert(scene.number);
            if let Some(e) = still(seed, settings, &next, violation) {
                smaller = true;
                (without, ended) = (next, e);
            }
        }
        let fired: Vec<Mark> = ended.fired.clone();
        // Many at once, then one by one.
        let mut size = fired.len();
        while size > 0 {
            for chunk in fired.chunks(size) {
                if chunk.iter().all(|m| without.fates.contains(m)) {
                    continue;
                }
                let mut next = without.clone();
                next.fates.extend(chunk);
                if let Some(e) = still(seed, settings, &next, violation) {
                    smaller |= e.fired.len() < ended.fired.len();
                    (without, ended) = (next, e);
                }
            }
            size /= 2;
        }
        if !smaller {
            return without;
        }
    }
}
