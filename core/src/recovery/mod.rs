//! What comes next: record + course + time -> one step. Pure; `client` carries the step out and `answers` says what its
//! outcome changes.

pub mod answers;
mod doubt;

use crate::payment::{Movement, Now, OnApproval, Operation, Payment, State};
use crate::retry::{allowed_at, READS_A_MINUTE, WRITES_A_MINUTE};
use answers::{OPEN_FOR_A_DAY, QUIET_MS, UNPROVEN_MS};

/// What a call works for. It decides when the work ends, and the few things that only some calls may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The create is confirmed or refused.
    Create,
    /// The passenger has decided.
    Approval,
    /// The receipt is posted or refused.
    Receipt,
    /// Capture number `n` (index) is proven or refused.
    Capture(usize),
    /// No approval can come any more, or it came first.
    Withdrawn,
    /// What is not captured is released.
    Released,
    /// Refund number `n` (index) is proven or refused.
    Refund(usize),
    /// A read has answered the events that were told.
    Told,
    /// Everything recorded is done, by a thread of the host.
    Work,
    /// Everything unfinished is finished, after a restart or in idle time.
    Settle,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send an operation's request.
    Send(Operation),
    /// Read the payment.
    Read,
    /// Read the event log.
    ReadEvents,
    /// Post the receipt.
    PostReceipt,
    /// Read the order back to compare the receipt.
    ReadOrder,
    /// No byte of the create ever left, and none will: the payment is dead.
    NeverSent,
    /// An approval means capture, and nobody asked for it yet: record that intent.
    CaptureDue,
    /// Nothing before this monotonic time.
    Wait(i64),
    /// Nothing that the library may do now.
    Idle,
}

/// "Not found" proves "not created" only if it answers a read that was sent this long after the last byte of the create: the
/// ten minutes in which a passenger can approve it (ePayment API guide, timeouts), as the longest that a request is of use to
/// anybody who holds it, and a margin of two.
pub const CREATE_WATCH_MS: i64 = 12 * 60_000;
/// Between reads of a payment that is not being polled.
const READ_PAUSE_MS: i64 = 5_000;
/// A part or a refund is sent only this long after the read that gave its baseline, milliseconds.
const BASELINE_FRESH_MS: i64 = 10_000;
/// Between looks at a payment while a key is left alone.
const LOOK_EVERY_MS: i64 = 30_000;

/// Decides the next step of a payment.
pub fn next(p: &Payment, goal: Goal, now: Now) -> Step {
    use crate::payment::Progress::*;
    if p.record.closed_at != 0 || matches!(p.record.create.progress, Refused(_)) {
        return next_of_closed(p, goal, now);
    }
    if p.record.create.progress.is_owed() {
        return next_of_create(p, goal, now);
    }
    if let Some(step) = doubt::next(p, goal, now) {
        return step;
    }
    if goal == Goal::Receipt {
        if let Some(step) = receipt_due(p, now) {
            return step;
        }
    }
    if p.course.blocked.is_some() {
        return receipt_in_spare_time(p, goal, now).unwrap_or(Step::Idle);
    }
    if p.course.events_now {
        return read_gate(p, now, Step::ReadEvents);
    }
    if p.course.read_now {
        return read_gate(p, now, Step::Read);
    }
    let told = p.course.told.due();
    if told.is_some_and(|at| at <= now.mono) {
        return read_gate(p, now, Step::Read);
    }
    let money = match (next_of_money(p, goal, now), told) {
        (Step::Wait(until), Some(at)) => Step::Wait(until.min(at)),
        // Others do not stay for what may come to nothing.
        (Step::Idle, Some(at)) if matches!(goal, Goal::Told | Goal::Work) => Step::Wait(at),
        (step, _) => step,
    };
    match (money, receipt_in_spare_time(p, goal, now)) {
        // The receipt uses the time in which the money has to wait.
        (Step::Idle, Some(receipt)) => receipt,
        (Step::Wait(until), Some(Step::Wait(earlier))) => Step::Wait(until.min(earlier)),
        (Step::Wait(_), Some(receipt)) => receipt,
        (step, _) => step,
    }
}

/// Only create and poll may send a create again, inside the customer's window; a worker may send one that never left.
/// Settling never does: nobody gets a bill hours later.
pub fn may_send_create(p: &Payment, goal: Goal, now: Now) -> bool {
    let by_goal = match goal {
        Goal::Create | Goal::Approval => true,
        Goal::Work => !p.course.loaded,
        _ => false,
    };
    by_goal
        && p.record.create.body.is_some()
        && !p.record.is_called_off()
        && !p.record.is_doubtful()
        && now.mono < p.course.may_create_until
}

/// What is over is read when somebody asks for it: by a poll, because of an event, or once more after a create whose answer was
/// missing.
fn next_of_closed(p: &Payment, goal: Goal, now: Now) -> Step {
    if p.course.blocked.is_some() {
        return Step::Idle;
    }
    let told = p.course.told.due();
    let once_more = p.record.create.doubted && p.course.stale && goal == Goal::Settle;
    if p.course.read_now || once_more || told.is_some_and(|at| at <= now.mono) {
        return read_gate(p, now, Step::Read);
    }
    match told {
        Some(at) if matches!(goal, Goal::Told | Goal::Work) => Step::Wait(at),
        _ => Step::Idle,
    }
}

fn next_of_create(p: &Payment, goal: Goal, now: Now) -> Step {
    let c = &p.course;
    let over = now.mono >= c.may_create_until;
    if !c.create_may_have_left && (p.record.is_called_off() || over) {
        return Step::NeverSent;
    }
    if c.blocked.is_some() {
        return Step::Idle;
    }
    let told = c.told.due();
    let unread = c.stale || c.read_now || told.is_some_and(|at| at <= now.mono);
    if c.nameless.is_some() && !c.nameless_log_read && !unread {
        return read_gate(p, now, Step::ReadEvents);
    }
    if may_send_create(p, goal, now) && !unread {
        return write_gate(p, now, Operation::Create);
    }
    if !c.create_may_have_left {
        return Step::Idle;
    }
    match told {
        Some(at) if goal == Goal::Told && at > now.mono => return Step::Wait(at),
        _ => {}
    }
    read_gate(p, now, Step::Read)
}

fn next_of_money(p: &Payment, goal: Goal, now: Now) -> Step {
    let r = &p.record;
    if r.is_dead() || r.lost.is_some() {
        return next_of_refund(p, goal, now);
    }
    let capture = r.open_capture();
    let open = capture.is_some() || r.release_owed() || r.is_called_off();
    if p.course.stale && (open || r.open_refund().is_some() || goal != Goal::Receipt) {
        return read_gate(p, now, Step::Read);
    }
    if p.course
        .accepted_at
        .is_some_and(|t| now.mono - t < UNPROVEN_MS)
    {
        return read_gate(p, now, Step::Read);
    }
    if let Some(index) = capture {
        return next_of_movement(p, &r.captures[index], Operation::Capture(index), goal, now);
    }
    // One movement at a time: also a release waits for the refund.
    if r.open_refund().is_some() {
        return next_of_refund(p, goal, now);
    }
    if r.release_owed() {
        return write_gate(p, now, Operation::Release);
    }
    if r.withdraw.as_ref().is_some_and(|w| w.progress.is_owed()) {
        return write_gate(p, now, Operation::Withdraw);
    }
    match r.state {
        State::Created => poll_gate(p, goal, now),
        State::Authorized if capture_is_due(p, goal, now) => Step::CaptureDue,
        _ => next_of_refund(p, goal, now),
    }
}

fn next_of_refund(p: &Payment, goal: Goal, now: Now) -> Step {
    match p.record.open_refund() {
        Some(i) => next_of_movement(p, &p.record.refunds[i], Operation::Refund(i), goal, now),
        None => Step::Idle,
    }
}

/// The sums were read a moment ago.
pub fn has_fresh_sums(p: &Payment, now: Now) -> bool {
    let age = p.course.sums_at.map_or(i64::MAX, |at| now.mono - at);
    !p.course.stale && age <= BASELINE_FRESH_MS
}

fn next_of_movement(
    p: &Payment,
    movement: &Movement,
    operation: Operation,
    goal: Goal,
    now: Now,
) -> Step {
    // While a human must decide, it is sent by nothing but the call that asks for it.
    let asked_for = match operation {
        Operation::Capture(i) => goal == Goal::Capture(i),
        Operation::Refund(i) => goal == Goal::Refund(i),
        _ => false,
    };
    let decision = p.record.decision.as_str();
    let undecided = !decision.is_empty() && decision != OPEN_FOR_A_DAY;
    if movement.held || undecided && !asked_for {
        return Step::Idle;
    }
    let tries = &p.course.tries_of_key;
    let (Some(last), Some(_)) = (tries.last, tries.since) else {
        // Never sent under this key. What others do until then is not its own doing.
        let whole = matches!(operation, Operation::Capture(_))
            && movement.amount == p.record.aggregate.reserved();
        return match movement.baseline {
            Some(_) if whole || has_fresh_sums(p, now) => write_gate(p, now, operation),
            _ => read_gate(p, now, Step::Read),
        };
    };
    if !tries.stuck {
        return write_gate(p, now, operation);
    }
    // The key is left alone until nothing sent under it can act any more; then both sums and log are read.
    let over = last + QUIET_MS;
    if now.mono < over {
        let look = p.course.read_begun + LOOK_EVERY_MS;
        return match look <= now.mono {
            true => read_gate(p, now, Step::Read),
            false => Step::Wait(look.min(over)),
        };
    }
    match p.course.read_at {
        Some(at) if at >= over => read_gate(p, now, Step::ReadEvents),
        _ => read_gate(p, now, Step::Read),
    }
}

/// An approval that was said to mean "capture", seen in time, that nobody has acted on: settling does.
fn capture_is_due(p: &Payment, goal: Goal, now: Now) -> bool {
    let r = &p.record;
    goal == Goal::Settle
        && r.on_approval == OnApproval::Capture
        && r.captures.is_empty()
        && !r.given_up
        && r.release.is_none()
        && r.decision.is_empty()
        && now.mono < p.course.decide_by
}

/// The receipt, if it may be sent now.
fn receipt_due(p: &Payment, now: Now) -> Option<Step> {
    let owed = p.record.receipt_owed() && p.course.receipt_blocked.is_none();
    if !owed || now.mono < p.course.receipt_not_before {
        return None;
    }
    Some(if p.course.receipt_conflict {
        Step::ReadOrder
    } else {
        Step::PostReceipt
    })
}

/// The receipt in the time that the money does not need, so that a slow receipt never holds up a capture.
fn receipt_in_spare_time(p: &Payment, goal: Goal, now: Now) -> Option<Step> {
    // Before the approval only the call that asks for it posts a receipt: most payments that end do so without one.
    let wanted = goal == Goal::Receipt
        || matches!(goal, Goal::Work | Goal::Settle) && p.record.state == State::Authorized;
    let owed = p.record.receipt_owed() && p.course.receipt_blocked.is_none();
    if !wanted || !owed || p.record.open_capture().is_some() {
        return None;
    }
    receipt_due(p, now).or(Some(Step::Wait(p.course.receipt_not_before)))
}

fn write_gate(p: &Payment, now: Now, operation: Operation) -> Step {
    let at = allowed_at(&p.course.writes, WRITES_A_MINUTE, now.mono).max(p.course.not_before);
    if at > now.mono {
        Step::Wait(at)
    } else {
        Step::Send(operation)
    }
}

fn read_gate(p: &Payment, now: Now, step: Step) -> Step {
    let at = allowed_at(&p.course.reads, READS_A_MINUTE, now.mono).max(p.course.not_before);
    if at > now.mono {
        Step::Wait(at)
    } else {
        step
    }
}

/// Reads while the passenger decides, by the poll plan.
fn poll_gate(p: &Payment, goal: Goal, now: Now) -> Step {
    if !matches!(goal, Goal::Approval | Goal::Work | Goal::Settle) {
        return Step::Idle;
    }
    if p.course.next_poll > now.mono {
        return Step::Wait(p.course.next_poll);
    }
    read_gate(p, now, Step::Read)
}

/// When a read that found nothing is worth repeating.
pub fn read_pause() -> i64 {
    READ_PAUSE_MS
}
