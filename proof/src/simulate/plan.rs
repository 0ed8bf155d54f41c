//! What a till does in one run: a list of actions, drawn beforehand, so that a story can be told with fewer of them.

use super::chance::Rng;
use crate::model::Ms;

/// How much of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// Half.
    Half,
    /// A third.
    Third,
    /// A small sum.
    Little,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed in order.
    Closed,
    /// Killed.
    Killed,
    /// The power fails.
    Power,
}

/// What differs in a request under the same reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// Nothing: a second press.
    Same,
    /// The number, in its last digits.
    Number,
    /// The number, in its first digits.
    NumberFront,
    /// The amount.
    Amount,
    /// The description.
    Description,
    /// The receipt.
    Receipt,
}

/// The three kinds of cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// If not approved.
    IfNotApproved,
    /// Give up.
    GiveUp,
    /// Release the rest.
    Rest,
}

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A new payment for the trip, stepwise.
    Create,
    /// The same request again, or nearly.
    Again(Other),
    /// A whole ride in one call.
    RunRide,
    /// Wait for the passenger.
    Poll,
    /// A capture, the next one or the last one again; with the release of the rest or not.
    Capture(Part, bool),
    /// A cancel.
    Cancel(Cancel),
    /// A refund.
    Refund(Part),
    /// The receipt.
    Receipt,
    /// Settle.
    Settle,
    /// A worker.
    Worker,
    /// A human decides: capture, or give up.
    Decide(bool),
    /// An event arrives: true, late, or forged.
    Webhook(bool),
    /// The meter restarts.
    Restart(End),
    /// The meter breaks; its payments move to another.
    Move,
    /// Somebody in the portal: capture, refund or cancel.
    Portal(u8, Part),
    /// A look at what is known, without the network.
    Known,
    /// The next trip.
    NextTrip,
    /// Two threads: this one, and a poll, a worker or a settle beside it.
    Beside(u8, u8),
}

/// An action, what comes before it, and how long its call may take.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Its number, from 1.
    pub number: u32,
    /// Milliseconds before it.
    pub pause: Ms,
    /// What.
    pub act: Act,
    /// `wait_ms` of its call.
    pub wait: u32,
}

fn part(rng: &mut Rng) -> Part {
    rng.one(&[
        Part::Whole,
        Part::Whole,
        Part::Half,
        Part::Third,
        Part::Little,
    ])
}

fn end(rng: &mut Rng) -> End {
    rng.one(&[End::Closed, End::Killed, End::Power, End::Power])
}

fn any(rng: &mut Rng, threads: bool) -> Act {
    match rng.below(if threads { 42 } else { 40 }) {
        0..=6 => Act::Poll,
        7..=11 => Act::Capture(part(rng), rng.chance(500)),
        12 | 13 => Act::Cancel(Cancel::IfNotApproved),
        14 | 15 => Act::Cancel(Cancel::GiveUp),
        16 => Act::Cancel(Cancel::Rest),
        17..=20 => Act::Refund(part(rng)),
        21 => Act::Receipt,
        22..=24 => Act::Settle,
        25 => Act::Worker,
        26 | 27 => Act::Decide(rng.chance(500)),
        28 => Act::Webhook(rng.chance(200)),
        29 | 30 => Act::Restart(end(rng)),
        31 => Act::Move,
        32 | 33 => Act::Portal(rng.below(3) as u8, part(rng)),
        34 => Act::Known,
        35 | 36 => Act::Again(rng.one(&[
            Other::Same,
            Other::Same,
            Other::Number,
            Other::NumberFront,
            Other::Amount,
            Other::Description,
            Other::Receipt,
        ])),
        37 => Act::Create,
        38 => Act::RunRide,
        39 => Act::NextTrip,
        _ => Act::Beside(rng.below(6) as u8, rng.below(4) as u8),
    }
}

/// Draws what a till does.
pub fn draw(rng: &mut Rng, portal: bool, forged: bool, threads: bool) -> Vec<Scene> {
    let mut acts = Vec::new();
    let with_ride = rng.chance(250);
    match with_ride {
        true => acts.push(Act::RunRide),
        false => acts.extend([Act::Create, Act::Poll]),
    }
    let way = rng.below(8);
    match way {
        0 | 1 if !with_ride => acts.extend([Act::Poll, Act::Capture(Part::Whole, rng.chance(500))]),
        2 if !with_ride => acts.extend([
            Act::Poll,
            Act::Capture(Part::Half, false),
            Act::Capture(Part::Half, true),
        ]),
        3 => acts.extend([
            Act::Poll,
            Act::Capture(part(rng), true),
            Act::Refund(part(rng)),
        ]),
        4 => acts.extend([Act::Cancel(Cancel::IfNotApproved), Act::Poll]),
        5 => acts.extend([Act::Cancel(Cancel::GiveUp)]),
        6 if rng.chance(500) => acts.extend([Act::Cancel(Cancel::GiveUp), Act::Restart(end(rng))]),
        7 if rng.chance(500) => acts.extend([Act::Restart(end(rng)), Act::Settle]),
        _ => {}
    }
    for _ in 0..rng.below(7) {
        let place = 1 + rng.below(acts.len() as u64) as usize;
        acts.insert(place, any(rng, threads));
    }
    let mut number = 0;
    acts.into_iter()
        .filter(|a| portal || !matches!(a, Act::Portal(..)))
        .filter(|a| forged || !matches!(a, Act::Webhook(true)))
        .map(|act| {
            number += 1;
            let pause = match rng.below(10) {
                0..=4 => rng.between(0, 3_000),
                5..=7 => rng.between(1_000, 30_000),
                8 => rng.between(10_000, 200_000),
                _ => rng.time(3 * 3_600_000),
            };
            let wait = match rng.below(10) {
                0 | 1 => 0,
                2 => rng.between(1, 300) as u32,
                3..=5 => rng.between(300, 5_000) as u32,
                6 | 7 => rng.between(5_000, 20_000) as u32,
                _ => rng.between(20_000, 90_000) as u32,
            };
            Scene {
                number,
                pause: if number == 1 { 0 } else { pause },
                act,
                wait,
            }
        })
        .collect()
}
