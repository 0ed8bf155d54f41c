//! Deterministic simulation: the real client, in one process, against a world that follows from a seed.

mod baton;
mod chance;
mod disk;
mod doc;
mod ledger;
mod plan;
mod ports;
mod run;
mod shrink;
mod till;
mod weather;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use run::Settings;

use chance::Rng;
use run::{run, Without};

/// What is asked of the command.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Replay this seed alone.
    pub seed: Option<u64>,
    /// The first seed of many follows from this.
    pub from: u64,
    /// So many runs.
    pub runs: u64,
    /// No longer than this, seconds.
    pub seconds: Option<u64>,
    /// Stop after so many broken runs.
    pub most: usize,
    /// Tell one story for each property that is broken, and stop at none.
    pub survey: bool,
    /// Settings of each run.
    pub settings: Settings,
    /// Where stories go, beside the terminal.
    pub stories: Option<String>,
    /// Where the page with the figures goes.
    pub doc: Option<String>,
    /// Name each seed before its run.
    pub trace: bool,
    /// Property to look for, others are counted only.
    pub only: Option<String>,
}

fn story(seed: u64, settings: &Settings, full: bool) -> String {
    let ended = run(seed, settings, &Without::default(), false);
    let Some(violation) = ended.violation else {
        let ended = run(seed, settings, &Without::default(), true);
        return text(seed, &ended.story, "nothing is broken");
    };
    let without = match full {
        true => Without::default(),
        false => shrink::shrink(seed, settings, &violation),
    };
    let ended = run(seed, settings, &without, true);
    let last = ended.violation.map_or(
        "nothing is broken any more: not deterministic".to_string(),
        |v| format!("BROKEN {}: {}", v.property, v.text),
    );
    text(seed, &ended.story, &last)
}

fn text(seed: u64, lines: &[(i64, String)], last: &str) -> String {
    let mut out = format!("seed {seed}\n");
    let first = lines.first().map_or(0, |l| l.0);
    for (at, line) in lines {
        let ms = at - first;
        out.push_str(&format!("{:>9}.{:03}  {line}\n", ms / 1000, ms % 1000));
    }
    out.push_str(last);
    out.push('\n');
    out
}

/// Runs the simulation; true if nothing is broken.
pub fn main(asked: &Asked) -> bool {
    // Panics are caught and counted; the story tells of them.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = asked.seed {
        let ended = run(seed, &asked.settings, &Without::default(), false);
        print!("{}", story(seed, &asked.settings, false));
        return ended.violation.is_none();
    }
    let began = Instant::now();
    let mut seeds = Rng::new(asked.from);
    let (mut new_keys, mut fit) = (0, 0);
    let (mut runs, mut rides, mut requests, mut hours) = (0u64, 0u64, 0u64, 0i64);
    let mut broken: BTreeMap<&'static str, Vec<(u64, String)>> = BTreeMap::new();
    let limit = asked.seconds.map(Duration::from_secs);
    while runs < asked.runs && limit.is_none_or(|l| began.elapsed() < l) {
        let seed = seeds.next();
        if asked.trace {
            eprintln!("{seed}");
        }
        let ended = run(seed, &asked.settings, &Without::default(), false);
        runs += 1;
        rides += ended.rides;
        requests += ended.requests;
        new_keys += ended.new_keys;
        fit += ended.new_keys_that_fit;
        hours += ended.lasted / 3_600_000;
        let Some(v) = ended.violation else {
            continue;
        };
        if asked
            .only
            .as_ref()
            .is_some_and(|o| !v.property.starts_with(o.as_str()))
        {
            continue;
        }
        broken.entry(v.property).or_default().push((seed, v.text));
        let count: usize = broken.values().map(Vec::len).sum();
        if !asked.survey && count >= asked.most {
            break;
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{runs} runs, {rides} rides, {requests} requests, {new_keys} captures under a further key ({fit} where both fit), {hours} hours of model time in {took:.1} s: {:.0} rides a second",
        rides as f64 / took.max(0.001)
    );
    for (property, seen) in &broken {
        println!("{property}: {} of {runs}", seen.len());
        for (seed, text) in seen.iter().take(asked.most) {
            println!("  seed {seed}: {text}");
        }
    }
    for (n, (property, seen)) in broken.iter().enumerate() {
        let told = story(seen[0].0, &asked.settings, false);
        match &asked.stories {
            Some(folder) => {
                let path = format!("{folder}/{:02}-{property}.txt", n + 1);
                if let Err(e) = std::fs::write(&path, told) {
                    eprintln!("{path}: {e}");
                }
            }
            None if !asked.survey => println!("\n{told}"),
            None => {}
        }
    }
    if let Some(path) = &asked.doc {
        let figures = doc::Figures {
            from: asked.from,
            counts: [runs, rides, requests, hours.unsigned_abs()],
            further_keys: [new_keys, fit],
            seconds: took,
            broken: broken
                .iter()
                .map(|(name, seen)| ((*name).to_string(), seen.len(), seen[0].0))
                .collect(),
        };
        if let Err(e) = doc::write(path, &figures, &asked.settings) {
            eprintln!("{path}: {e}");
            return false;
        }
    }
    broken.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays() {
        let settings = Settings::default();
        let mut seeds = Rng::new(7);
        for _ in 0..150 {
            let seed = seeds.next();
            let told = |_| run(seed, &settings, &Without::default(), true).story;
            assert_eq!(told(1), told(2), "seed {seed}");
        }
    }
}
