//! The Vipps MobilePay servers on loopback, as their documentation describes them: stateful, strict, and with
//! faults, time and a passenger that tests can move.
//!
//! The way of a request: `connection` reads it, `exchange` notes it and asks the fault rules, `play` does what they
//! say, `route` names the operation, `headers` and `body` check it against the `contract`, `token`, `epayment`,
//! `order_management` or `webhooks` answer it, and `ledger` keeps the books. [`control`] is the other door, for tests.
//! `pulse` lets happen what time brings, and sends out what webhooks have to tell. All state is one [`sim::Sim`] behind
//! one lock.
//!
//! It shares no code with any client: a misspelt field must not pass because both sides misspell it alike.

#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod server;
pub mod settings;
pub mod temp;

mod agenda;
mod answered;
mod audit;
mod barcode;
mod body;
mod config;
mod connection;
mod contract;
mod control;
mod epayment;
mod events;
mod exchange;
mod faults;
mod foreign;
mod gate;
mod headers;
mod idempotency;
mod json;
mod landing;
mod late;
mod ledger;
mod mask;
mod order_management;
mod page;
mod passenger;
mod play;
mod presets;
mod problem;
mod pulse;
mod qr;
mod random;
mod rate_limit;
mod receipt_rules;
mod recording;
mod request_log;
mod route;
mod say;
mod sim;
mod snapshots;
mod socket;
mod switches;
mod tally;
mod tls;
mod token;
mod traffic;
mod visitor;
mod webhooks;
mod wire;

pub use recording::replay;
pub use say::last_words;
pub use server::{Simulator, StartError};
pub use settings::Settings;
