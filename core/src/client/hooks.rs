//! What the host can hear and say while a call runs.

use super::snapshot::Snapshot;
use crate::log::Level;

/// The host's answer to a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Tick {
    /// Go on.
    GoOn = 0,
    /// End this call; what is recorded stays recorded.
    StopWaiting = 1,
    /// Give the payment up: durable, and from then on never captured.
    GiveUp = 2,
}

impl Tick {
    /// From the number that crosses the ABI; anything unknown goes on.
    pub fn from_number(number: i32) -> Tick {
        match number {
            1 => Tick::StopWaiting,
            2 => Tick::GiveUp,
            _ => Tick::GoOn,
        }
    }
}

/// Callbacks of the host. Always on the calling thread, with no lock held.
pub trait Hooks: Send + Sync {
    /// Every change of a payment. Reports only.
    fn on_payment(&self, _now: &Snapshot) {}
    /// At least once a second while a call waits, also while a request is in flight.
    fn on_tick(&self, _reference: &str, _waited_ms: u32) -> Tick {
        Tick::GoOn
    }
    /// A line for the log.
    fn on_log(&self, _level: Level, _line: &str) {}
}

/// No callbacks.
pub struct Silent;

impl Hooks for Silent {}
