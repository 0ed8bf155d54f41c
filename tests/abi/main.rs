//! The C ABI, driven from C: every test compiles C with the header and the libraries of `make lib`, runs it against a
//! simulator of the servers, and asks the simulator's ledger what became of the money.
//!
//! One program for all of them, so that they are linked once and run side by side.

mod common;

mod kill;
mod lost_answers;
mod rides;
