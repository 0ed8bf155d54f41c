//! The door to the host's log. Lines are English, redacted: no secret, no full phone number.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// Something the office should look at.
    Error = 1,
    /// Something that went wrong and is being dealt with.
    Warning = 2,
    /// The steps of a ride.
    Info = 3,
    /// Each request.
    Debug = 4,
}
