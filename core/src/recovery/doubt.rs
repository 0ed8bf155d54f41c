//! A record whose newest version was lost: what remains is an older one, and what the lost one asked for is not known. It
//! may have been a give-up (the passenger has paid cash) or a capture (the passenger has left).
//!
//! So the servers are read, and nothing is sent that moves money. A payment that is dead there is closed as always; one
//! whose whole sum has moved needs no decision about a reservation; an approval is the office's to decide. While the
//! passenger has not acted, reading goes on; the servers end the payment when the customer's time is over.
//!
//! Wrong only if the office decides without asking: nothing here can tell it what the driver did.

use super::{poll_gate, read_gate, write_gate, Goal, Step};
use crate::payment::{Now, Operation, Payment, Progress, State, Unsaved};
use crate::vipps::problem::cut;

/// The longest reason that is told, characters.
const LONGEST: usize = 150;

/// The next step of a payment in doubt; `None` if it is beyond doubt, or not known to be on the servers yet.
pub(super) fn next(p: &Payment, goal: Goal, now: Now) -> Option<Step> {
    let r = &p.record;
    if !r.is_doubtful() || r.create.progress != Progress::Done {
        return None;
    }
    let told = p.course.told.due().is_some_and(|at| at <= now.mono);
    let accepted = p.course.accepted_at.is_some();
    let unread = p.course.stale || p.course.read_now || accepted || told;
    Some(if p.course.blocked.is_some() {
        Step::Idle
    } else if unread {
        read_gate(p, now, Step::Read)
    } else if r.state == State::Created && r.withdraw.as_ref().is_some_and(|w| w.progress.is_owed())
    {
        // It ends what nobody has approved, and nothing else: true in every version.
        write_gate(p, now, Operation::Withdraw)
    } else if r.decision.is_empty() && r.state == State::Created {
        poll_gate(p, goal, now)
    } else {
        Step::Idle
    })
}

impl Payment {
    /// Takes up a record that may not be the newest.
    pub fn put_in_doubt(&mut self, why: &str) {
        if self.record.doubt.is_empty() {
            self.record.doubt = cut(why, LONGEST);
        }
        self.course.stale = true;
        // With the next write: until then the journal itself knows.
        self.course.unsaved = self.course.unsaved.max(Unsaved::RidesAlong);
    }

    /// What a read has settled of a doubt. `finished`: by the older version nothing was left to do, so the lost one must
    /// have asked for something.
    pub(super) fn judge_doubt(&mut self, finished: bool) {
        let r = &mut self.record;
        if !r.is_doubtful() || !r.decision.is_empty() {
            return;
        }
        let nothing_left = r.aggregate.reserved() == 0 && r.aggregate.authorized > 0;
        if r.is_dead() || (nothing_left && !finished && r.open_refund().is_none()) {
            r.doubt.clear();
        } else if r.state == State::Authorized {
            let why = format!(
                "approved, and what was asked for last is lost ({})",
                r.doubt
            );
            r.decision = cut(&why, LONGEST);
        } else {
            return;
        }
        self.course.unsaved = Unsaved::Must;
    }
}
