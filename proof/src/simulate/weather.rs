//! What kinds of trouble a run has, and how often: most runs have a few kinds, so that each is seen alone too.

use super::chance::Rng;
use crate::model::servers::{Habits, Meanwhile, Shows};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// No connection.
    Refused,
    /// Lost before it acted.
    LostBefore,
    /// Lost after it acted.
    LostAfter,
    /// Acts long after it failed.
    Late,
    /// Acts twice.
    Doubled,
    /// Repeated by a gateway.
    Repeated,
    /// Foreign pages.
    Foreign,
    /// 401 and 429 of the gateway.
    Gateway,
    /// Answers that make no sense.
    Odd,
    /// A slow network.
    Slow,
    /// Wrong `Date`.
    Date,
    /// Slow servers.
    Busy,
    /// Refusals of the servers' own.
    Refusals,
    /// The disk fails.
    Disk,
    /// The power fails.
    Power,
    /// The host stops, interrupts and gives up in ticks.
    Tick,
    /// The wall clock is wrong after a restart.
    Wall,
    /// Somebody is in the portal.
    Portal,
    /// Forged events.
    Forged,
    /// Habits of the servers other than the usual.
    Habits,
}

/// All of them.
pub const CLASSES: [Class; 20] = [
    Class::Refused,
    Class::LostBefore,
    Class::LostAfter,
    Class::Late,
    Class::Doubled,
    Class::Repeated,
    Class::Foreign,
    Class::Gateway,
    Class::Odd,
    Class::Slow,
    Class::Date,
    Class::Busy,
    Class::Refusals,
    Class::Disk,
    Class::Power,
    Class::Tick,
    Class::Wall,
    Class::Portal,
    Class::Forged,
    Class::Habits,
];

/// How often each kind comes, per mille.
#[derive(Clone, Debug)]
pub struct Weather {
    levels: [u32; 20],
}

impl Weather {
    /// Drawn; kinds in `without` are left out.
    pub fn draw(rng: &mut Rng, without: u32) -> Weather {
        let often = rng.one(&[150, 300, 300, 600]);
        let mut levels = [0; 20];
        for class in CLASSES {
            let level = match class {
                Class::Disk => rng.one(&[3, 10, 30]),
                Class::Power => rng.one(&[2, 5, 15]),
                Class::Tick => rng.one(&[5, 20, 60]),
                Class::Odd => rng.one(&[20, 60]),
                Class::Refusals => rng.one(&[40, 120, 250, 500]),
                Class::Habits => 1000,
                _ => rng.one(&[15, 40, 120, 250]),
            };
            let there = match class {
                Class::Habits => rng.chance(700),
                Class::Disk | Class::Power => rng.chance(200),
                _ => rng.chance(often),
            };
            if there && without & (1 << class as u32) == 0 {
                levels[class as usize] = level;
            }
        }
        Weather { levels }
    }

    /// Late requests and refusals in every run, and little else: where a second key is used.
    pub fn storm(&mut self) {
        let kept = [Class::Habits, Class::Wall, Class::Slow];
        for class in CLASSES {
            if !kept.contains(&class) {
                self.levels[class as usize] = 0;
            }
        }
        self.levels[Class::Habits as usize] = 1000;
        self.levels[Class::Late as usize] = 120;
        self.levels[Class::Refusals as usize] = 300;
    }

    /// Is there this kind at all?
    pub fn has(&self, class: Class) -> bool {
        self.levels[class as usize] > 0
    }

    /// How often, per mille.
    pub fn level(&self, class: Class) -> u32 {
        self.levels[class as usize]
    }

    /// What happens to an exchange, if anything.
    pub fn way(&self, rng: &mut Rng) -> Option<Class> {
        let network = &CLASSES[..=Class::Slow as usize];
        let mut drawn = rng.below(1000) as u32;
        for class in network {
            let level = self.level(*class);
            if drawn < level {
                return Some(*class);
            }
            drawn -= level;
        }
        None
    }

    /// The servers' habits.
    pub fn habits(&self, rng: &mut Rng) -> Habits {
        let usual = Habits::default();
        if !self.has(Class::Habits) {
            return usual;
        }
        Habits {
            meanwhile: rng.one(&[
                Meanwhile::Waits,
                Meanwhile::Answers(409, 0),
                Meanwhile::Answers(409, 6160),
                Meanwhile::Answers(400, 6250),
                Meanwhile::Answers(423, 0),
                Meanwhile::Answers(409, 4010),
                Meanwhile::Answers(400, 6080),
            ]),
            sticky: rng.chance(600),
            sums_lag: rng.one(&[0, 0, 0, 2_000, 15_000, 90_000]),
            log_lag: rng.one(&[0, 0, 0, 3_000, 30_000, 120_000]),
            keys_in_events: rng.chance(750),
            metadata: rng.chance(750),
            shows: rng.one(&[
                Shows::New,
                Shows::New,
                Shows::Old,
                Shows::NoSums,
                Shows::Nothing,
            ]),
            second_create: rng.one(&[409, 409, 400]),
            unknown_payer: rng.one(&[400, 404]),
            cancel_keys: rng.chance(500),
            limits: rng.one(&[Some(true), Some(false), None]),
            window: 600_000,
        }
    }
}
