//! One run: everything follows from its seed and from what is left out of it.

use std::collections::BTreeSet;

use super::chance::{Fates, Mark, Rng};
use super::ledger::Violation;
use super::plan::{self, Scene};
use super::ports::Shared;
use super::till::{Setup, Till};
use super::weather::{Class, Weather};
use super::world::{Bounds, World};
use crate::model::servers::Servers;
use crate::model::Ms;

/// What is presumed, and what is left out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How late a request may act.
    pub bounds: Bounds,
    /// The bound of captures was raised on purpose, and is taken as it is.
    pub raised: bool,
    /// Late requests and refusals in every run.
    pub storm: bool,
    /// With runs of two threads.
    pub threads: bool,
    /// Properties that are not looked at, by how their names begin.
    pub ignored: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            bounds: Bounds {
                create: 600_000,
                capture: 580_000,
                other: 900_000,
            },
            raised: false,
            storm: false,
            threads: true,
            ignored: Vec::new(),
        }
    }
}

/// What is left out of a run, to tell a shorter story.
#[derive(Clone, Debug, Default)]
pub struct Without {
    /// Kinds of trouble, as bits.
    pub classes: u32,
    /// Scenes.
    pub scenes: BTreeSet<u32>,
    /// Fates.
    pub fates: BTreeSet<Mark>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The first broken property.
    pub violation: Option<Violation>,
    /// The story, if it was told.
    pub story: Vec<(Ms, String)>,
    /// What was not as usual.
    pub fired: Vec<Mark>,
    /// What the till did.
    pub scenes: Vec<Scene>,
    /// Payments asked for.
    pub rides: u64,
    /// Requests sent.
    pub requests: u64,
    /// Captures of an amount that was sent under another key before.
    pub new_keys: u64,
    /// Those of them where both could succeed.
    pub new_keys_that_fit: u64,
    /// Model time, milliseconds.
    pub lasted: Ms,
}

/// Runs one seed.
pub fn run(seed: u64, settings: &Settings, without: &Without, tell: bool) -> Ended {
    let mut rng = Rng::new(seed);
    let mut weather = Weather::draw(&mut rng, without.classes);
    if settings.storm {
        weather.storm();
    }
    let habits = weather.habits(&mut rng);
    let mut setup = Setup {
        tokens: rng.chance(300),
        directory: rng.chance(850),
        pieces: rng.chance(600),
        captures: rng.chance(400),
        first_poll: rng.one(&[0, 1_000, 5_000]),
    };
    if weather.has(Class::Disk) || weather.has(Class::Power) {
        setup.directory = true;
    }
    let slumber = rng.one(&[100, 500, 1_000, 1_000, 3_000]);
    let threads = settings.threads && rng.chance(150);
    let scenes: Vec<Scene> = plan::draw(
        &mut rng,
        weather.has(Class::Portal),
        weather.has(Class::Forged),
        threads,
    )
    .into_iter()
    .filter(|s| !without.scenes.contains(&s.number))
    .collect();
    let mut servers = Servers::default();
    servers.habits = habits;
    let fates = Fates::new(rng.next(), without.fates.clone());
    let mut bounds = settings.bounds;
    if !settings.raised {
        // What is presumed is that a capture is seen, not only done, before the quiet time is over.
        let h = &servers.habits;
        bounds.capture -= h.sums_lag.max(h.log_lag);
    }
    let mut world = World::new(fates, weather, bounds, servers);
    world.slumber = slumber;
    world.ledger.ignored.clone_from(&settings.ignored);
    if tell {
        world.story = Some(Vec::new());
        let habits = format!("{:?}", world.servers.habits);
        let setup = format!("{setup:?}");
        world.say(|| format!("servers: {habits}"));
        world.say(|| format!("meter: {setup}, sleeps at least {slumber} ms"));
    }
    let began = world.now;
    let shared = Shared::new(world);
    let mut till = Till::new(shared.clone(), setup, seed % 1_000_000);
    for scene in &scenes {
        till.play(scene);
        if shared.world().ledger.violation.is_some() {
            break;
        }
    }
    if shared.world().ledger.violation.is_none() {
        till.rest();
    }
    let rides = till.rides;
    // The doors hold the world, and the world holds nothing of them.
    drop(till);
    let mut world = shared.world();
    Ended {
        violation: world.ledger.violation.clone(),
        story: world.story.take().unwrap_or_default(),
        fired: std::mem::take(&mut world.fates.fired),
        scenes,
        rides,
        requests: world.requests,
        new_keys: world.new_keys,
        new_keys_that_fit: world.new_keys_that_fit,
        lasted: world.now - began,
    }
}
