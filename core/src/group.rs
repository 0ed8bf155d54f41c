//! The groups of the codes: the one table of what a code asks of the caller.
//!
//! Uses nothing of this crate: the build script of the C library makes the header's table and headings from it, and
//! `tests/code_groups.rs` compares the README, the C++ header and the Python package with it.

/// What a code asks of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// The step is done and proven.
    Done,
    /// Not decided yet.
    Pending,
    /// The caller's mistake.
    CallersMistake,
    /// Configuration.
    Configuration,
    /// Try again.
    TryAgain,
    /// It may have happened.
    OutcomeUnknown,
    /// Refused by the servers.
    Refused,
    /// The journal.
    Storage,
    /// A bug of the library.
    Bug,
    /// A webhook that is not one.
    NoWebhook,
}

/// Whether the servers may have acted on what the call asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Proven.
    Yes,
    /// They may have, or may still.
    Perhaps,
    /// They have not: nothing was sent, or it is proven that nothing came of it.
    No,
}

/// One row of the table.
pub struct Row {
    /// The group.
    pub group: Group,
    /// The number nearest to zero.
    pub first: i32,
    /// The number farthest from zero; the ranges have no gaps.
    pub last: i32,
    /// The enumerator in C++; in Python it is written in capitals.
    pub word: &'static str,
    /// Its name in texts.
    pub name: &'static str,
    /// What holds, and what the caller does.
    pub says: &'static str,
    /// Whether the servers may have acted.
    pub acted: Acted,
}

/// Every group, from zero downwards.
pub const GROUPS: &[Row] = &[
    Row {
        group: Group::Done,
        first: 0,
        last: 0,
        word: "ok",
        name: "VP_OK",
        says: "the step is done and proven",
        acted: Acted::Yes,
    },
    Row {
        group: Group::Pending,
        first: 1,
        last: 1,
        word: "pending",
        name: "VP_PENDING",
        says: "not decided yet, or recorded and not sent yet: come back",
        acted: Acted::Perhaps,
    },
    Row {
        group: Group::CallersMistake,
        first: -1,
        last: -19,
        word: "callers_mistake",
        name: "the caller's mistake",
        says: "nothing was done",
        acted: Acted::No,
    },
    Row {
        group: Group::Configuration,
        first: -20,
        last: -39,
        word: "configuration",
        name: "configuration",
        says: "nothing will work until it changes",
        acted: Acted::No,
    },
    Row {
        group: Group::TryAgain,
        first: -40,
        last: -59,
        word: "try_again",
        name: "try again",
        says: "surely nothing happened",
        acted: Acted::No,
    },
    Row {
        group: Group::OutcomeUnknown,
        first: -60,
        last: -69,
        word: "outcome_unknown",
        name: "outcome unknown",
        says: "it may have happened; never show it as failed",
        acted: Acted::Perhaps,
    },
    Row {
        group: Group::Refused,
        first: -70,
        last: -89,
        word: "refused",
        name: "refused",
        says: "proven by the servers",
        acted: Acted::No,
    },
    Row {
        group: Group::Storage,
        first: -90,
        last: -99,
        word: "storage",
        name: "storage",
        says: "the journal could not be read or written; nothing was sent",
        acted: Acted::No,
    },
    Row {
        group: Group::Bug,
        first: -100,
        last: -109,
        word: "internal",
        name: "internal",
        says: "a bug of the library",
        acted: Acted::Perhaps,
    },
    Row {
        group: Group::NoWebhook,
        first: -110,
        last: -119,
        word: "no_webhook",
        name: "no webhook",
        says: "what came is not to be believed, or tells nothing",
        acted: Acted::No,
    },
];

impl Group {
    /// The group of a number, also of one that this version does not know. Above 1 is progress. Below the table it is
    /// `OutcomeUnknown`, the only group that promises nothing.
    pub fn of(number: i32) -> Group {
        match number {
            2.. => Group::Pending,
            _ => GROUPS
                .iter()
                .find(|row| row.holds(number))
                .map_or(Group::OutcomeUnknown, |row| row.group),
        }
    }

    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        // Each group has a row, by a test; the first is only there because a lookup cannot know.
        let found = GROUPS.iter().find(|row| row.group == self);
        found.unwrap_or(&GROUPS[0])
    }
}

impl Row {
    /// Whether the number is one of this group.
    pub fn holds(&self, number: i32) -> bool {
        (self.last.min(self.first)..=self.first).contains(&number)
    }
}
