//! The C ABI, driven from C: every test compiles C with the header and the libraries of `make lib`, runs it against a
//! simulator of the servers, and asks the simulator's ledger what became of the money.
//!
//! One program for all of them, so that they are linked once and run side by side.

mod common;

mod bad_answers;
mod bad_input;
mod callbacks;
mod clock;
mod cpp;
mod examples;
mod gateway;
mod header;
mod kill;
mod libraries;
mod lost_answers;
mod main_loop;
mod memory;
mod metrology;
mod modem;
mod office;
mod rides;
mod secrets;
mod store_hook;
mod store_power;
mod threads;
mod token_hook;
mod transport_hook;
mod webhook;
