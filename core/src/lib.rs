//! The rules of a Vipps MobilePay payment in a taxi.
//!
//! A ride has five steps: phone number, payment request, approval, receipt, capture and its proof. [`client`] has them as
//! operations, in that order; everything it decides is decided in the pure rooms, and everything it touches it touches
//! through a door.
//!
//! * Values that cannot be wrong: [`money`], [`phone`], [`reference`], [`receipt`].
//! * Rules: [`payment`] (what is written and asked), [`recovery`] (what comes next, and what an answer changes),
//!   [`verdict`] (may the passenger leave?), [`retry`] and [`poll`] (what may be repeated, and when), [`driver_text`].
//! * The servers' language: [`vipps`].
//! * Doors: [`journal`] (disk), [`transport`] (network), [`clock`] (time), [`log`] and [`client::hooks`] (the host).
//!
//! Arrows run one way: `client -> (rules, doors)`. Rules depend on no door.

#![forbid(unsafe_code)]

pub mod checksum;
pub mod client;
pub mod clock;
pub mod driver_text;
pub mod error;
pub mod group;
pub mod journal;
pub mod log;
pub mod money;
pub mod payment;
pub mod phone;
pub mod poll;
pub mod receipt;
pub mod recovery;
pub mod reference;
pub mod retry;
pub mod transport;
pub mod verdict;
pub mod vipps;
