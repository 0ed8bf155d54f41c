//! The world, or the meter's loop, broken on purpose: each turns a property red that is kept otherwise, or the property
//! would prove nothing.

use std::sync::Arc;

use vpmeter_core::error::{Code, Report};
use vpmeter_core::payment::{Operation, Payment, Progress, Refusal};
use vpmeter_core::recovery::{Goal, Step};
use vpmeter_core::transport::{Failure, Response};

use super::family::Family;
use super::fates::{outcome, Heard};
use super::laws::Law;
use super::meter::{Ask, Meter};
use super::server::What;
use super::world::World;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing.
    Nothing,
    /// Copies act up to half an hour after their failure was reported: later than the quiet time.
    LateWorld,
    /// Copies of a create act up to forty minutes later.
    LateCreates,
    /// Each try has a new key.
    NewKeys,
    /// A give-up stays in memory, and is not on disk when the host is told.
    GiveUpInMemory,
    /// The first refusal of a capture is taken for the last word.
    FirstRefusalIsFinal,
    /// A release does not wait for the capture.
    ReleaseFirst,
    /// Answers show a capture that was never made.
    LyingServers,
    /// No read is ever answered.
    NoReads,
}

impl Broken {
    pub const ALL: [Broken; 8] = [
        Broken::LateWorld,
        Broken::LateCreates,
        Broken::NewKeys,
        Broken::GiveUpInMemory,
        Broken::FirstRefusalIsFinal,
        Broken::ReleaseFirst,
        Broken::LyingServers,
        Broken::NoReads,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Broken::Nothing => "nothing",
            Broken::LateWorld => "late-world",
            Broken::LateCreates => "late-creates",
            Broken::NewKeys => "new-keys",
            Broken::GiveUpInMemory => "give-up-in-memory",
            Broken::FirstRefusalIsFinal => "first-refusal-is-final",
            Broken::ReleaseFirst => "release-first",
            Broken::LyingServers => "lying-servers",
            Broken::NoReads => "no-reads",
        }
    }

    /// The property that must turn red, and the family in which.
    pub fn shows(self) -> (&'static str, Law) {
        match self {
            Broken::Nothing | Broken::LateWorld => ("two captures", Law::Once),
            Broken::LateCreates => ("lost create", Law::Cash),
            Broken::NewKeys => ("lost create", Law::Keys),
            Broken::GiveUpInMemory => ("change of mind", Law::GivenUp),
            Broken::FirstRefusalIsFinal => ("whole fare", Law::Refused),
            Broken::ReleaseFirst => ("two captures", Law::OneAtATime),
            Broken::LyingServers => ("whole fare", Law::Done),
            Broken::NoReads => ("lost create", Law::Home),
        }
    }

    /// A family in the broken world.
    pub fn world(self, mut f: Family) -> Family {
        match self {
            Broken::LateWorld => f.late_ms = 30 * 60_000,
            Broken::LateCreates => f.create_late_ms = 40 * 60_000,
            _ => {}
        }
        f.broken = self;
        f
    }

    /// After something was asked of the meter.
    pub fn asked(self, ask: Ask, meter: &mut Meter, before: &Meter) {
        if self == Broken::GiveUpInMemory && ask == Ask::GiveUp {
            meter.disk = before.disk.clone();
        }
    }

    /// Before a request leaves.
    pub fn before_send(self, step: Step, meter: &mut Meter) {
        if self != Broken::NewKeys {
            return;
        }
        let Some(p) = meter.change() else { return };
        let r = &mut p.record;
        let key = match step {
            Step::Send(Operation::Create) => &mut r.create.key,
            Step::Send(Operation::Capture(i)) => &mut r.captures[i].key,
            Step::Send(Operation::Refund(i)) => &mut r.refunds[i].key,
            _ => return,
        };
        key.push('x');
    }

    /// What the meter is told instead.
    pub fn answer(
        self,
        step: Step,
        result: Result<Response, Failure>,
        w: &World,
    ) -> Result<Response, Failure> {
        match self {
            Broken::NoReads if matches!(step, Step::Read | Step::ReadEvents) => {
                outcome(Heard::Silence)
            }
            Broken::LyingServers => {
                let captured = w.server.pay.as_ref().map(|p| p.sum(What::Captured));
                let body = result.as_ref().ok().map(|r| &r.body[..]);
                let lied = body.and_then(|b| std::str::from_utf8(b).ok()).map(|text| {
                    let old = r#""capturedAmount":{"currency":"NOK","value":0}"#;
                    let new = old.replace(":0}", ":24900}");
                    text.replace(old, &new)
                });
                match (captured, lied) {
                    (Some(0), Some(body)) if !w.ghost.captures.is_empty() => Ok(Response {
                        body: body.into_bytes(),
                        ..result?
                    }),
                    _ => result,
                }
            }
            _ => result,
        }
    }

    /// After an answer.
    pub fn answered(self, step: Step, status: u16, meter: &mut Meter) {
        let refused = (400..500).contains(&status);
        let Step::Send(Operation::Capture(i)) = step else {
            return;
        };
        if self == Broken::FirstRefusalIsFinal && refused {
            if let Some(p) = meter.change() {
                let report = Report::new(Code::Refused, "refused");
                p.record.captures[i].progress = Progress::Refused(Refusal::of(&report));
                meter.disk = Arc::new(p.record.clone());
            }
        }
    }

    /// What the meter would do now.
    pub fn steps(self, meter: &Meter, at: i64) -> Vec<(Goal, Step)> {
        let mut steps = meter.steps(at);
        let owed = |p: &Payment| p.record.release_owed() && p.course.tries_of_key.last.is_some();
        if self == Broken::ReleaseFirst && meter.memory.as_deref().is_some_and(owed) {
            for (_, step) in &mut steps {
                if matches!(step, Step::Send(_)) {
                    *step = Step::Send(Operation::Release);
                }
            }
        }
        steps
    }
}
