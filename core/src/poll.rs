//! When a waiting payment is read. Pure.

/// The poll plan. Default: the documented one, first after 5 s, then every 2 s (knowledge base, polling guidelines).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPlan {
    /// First read after the create, milliseconds.
    pub first_ms: i64,
    /// Between reads, milliseconds; doubled by each 429 up to 30 s.
    pub every_ms: i64,
}

impl Default for PollPlan {
    fn default() -> PollPlan {
        PollPlan {
            first_ms: 5_000,
            every_ms: 2_000,
        }
    }
}
