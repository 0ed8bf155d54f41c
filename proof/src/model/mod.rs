//! The world around the client, written from the servers' published documents and nothing else: pure, `Clone`, without
//! time, chance or I/O of its own. Whoever uses it says when something happens and which of several ways it goes.

pub mod answers;
pub mod servers;

/// Milliseconds of the model's own time, from its beginning.
pub type Ms = i64;
