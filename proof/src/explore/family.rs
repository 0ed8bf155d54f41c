//! A family: what it begins with, what can happen in it, and what bounds it.

use vpmeter_core::payment::OnApproval;

use super::broken::Broken;
use super::fates::Menu;
use super::laws::Ghost;
use super::meter::{Ask, Meter};
use super::server::{Kind, Reading, Server, What, NOON};
use super::world::{Action, World};

/// What a family is bounded by, and what can happen in it.
#[derive(Clone, Debug)]
pub struct Family {
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Each plan is searched: requests of driver and office, in this order; any may be left out.
    pub plans: Vec<Vec<Ask>>,
    pub on_approval: OnApproval,
    pub readings: Vec<Reading>,
    /// The payment is made and approved before the search begins.
    pub approved: bool,
    /// Answers lost, late, refused, foreign or lagging, on one path.
    pub faults: u8,
    /// It is searched with two faults, too.
    pub twice: bool,
    /// Power cuts on one path.
    pub cuts: u8,
    /// Times that the host calls nothing for a while, on one path.
    pub sleeps: u8,
    /// One of these, once.
    pub portal: Vec<(What, i64)>,
    pub menu: Menu,
    /// Requests that always go well.
    pub spared: Vec<Kind>,
    /// Requests may be asked for, and the power cut, while an answer is on its way.
    pub in_flight: bool,
    /// All time passes in steps of this, milliseconds.
    pub tick: i64,
    /// A copy of a capture, refund or cancel acts at most this long after its failure was reported, milliseconds.
    pub late_ms: i64,
    /// The same of a copy that something on the way has made inside one try, another copy of which was refused.
    pub inside_ms: i64,
    /// The same of a create.
    pub create_late_ms: i64,
    /// Sums and log lag at most this long behind, milliseconds.
    pub lag_ms: i64,
    pub broken: Broken,
}

/// Longer than any age that the rules ask for, but the day after which a movement is listed.
pub const LONG_MS: i64 = 63 * 60_000;

impl Family {
    /// So many ticks, at least.
    pub fn ticks_of(&self, ms: i64) -> u16 {
        ((ms + self.tick - 1) / self.tick) as u16
    }

    /// Every moment in which the family begins.
    pub fn beginnings(&self) -> Vec<World> {
        let mut list = Vec::new();
        for plan in 0..self.plans.len() {
            for reading in &self.readings {
                let mut world = World {
                    at: NOON,
                    meter: Meter::new(self.on_approval, self.tick),
                    server: Server::new(*reading),
                    flight: None,
                    plan: plan as u8,
                    asked: 0,
                    faults: self.faults,
                    cuts: self.cuts,
                    sleeps: self.sleeps,
                    portal: !self.portal.is_empty(),
                    ghost: Ghost::default(),
                };
                if self.approved {
                    let whole = Family {
                        broken: Broken::Nothing,
                        ..self.clone()
                    };
                    world = world.well_until(&whole, |w| w.server.pay.is_some());
                    world = world.apply(&whole, Action::Approve);
                    world = world.well_until(&whole, |w| {
                        let memory = w.meter.memory.as_ref();
                        memory.is_some_and(|p| p.record.aggregate.authorized > 0)
                    });
                }
                list.push(world);
            }
        }
        list
    }
}
