//! `POST clock`: a test moves the time of the servers.

use super::input::Input;
use super::{Done, Refused, view};
use crate::clock::SPEEDS;
use crate::sim::Sim;

/// All that is wrong is found before anything changes.
pub fn change(sim: &mut Sim, input: &Input) -> Done {
    input.only(&["advance_ms", "freeze", "speed"])?;
    let freeze = input.flag("freeze")?;
    let advance = input.positive_or_zero("advance_ms")?;
    let speed = input.positive("speed")?;
    if freeze.is_none() && advance.is_none() && speed.is_none() {
        return Err(Refused::bad("field \"advance_ms\": is missing, and so are \"freeze\" and \"speed\""));
    }
    if speed.is_some_and(|speed| !SPEEDS.contains(&speed)) {
        return Err(Refused::bad("field \"speed\": must be an integer between 1 and 100000"));
    }
    if !sim.clock.advance(advance.unwrap_or(0)) {
        return Err(Refused::bad("field \"advance_ms\": leads beyond the year 9999"));
    }
    if let Some(speed) = speed {
        sim.clock.set_speed(speed);
    }
    if let Some(freeze) = freeze {
        sim.clock.freeze(freeze);
    }
    sim.settle(sim.clock.now());
    Ok(view::clock(sim))
}
