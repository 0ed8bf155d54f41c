//! Captures and refunds: whose movement a sum shows, what a refusal means, and when a key may be left for a new one.
//!
//! A key is open until nothing that was sent under it can act any more. While it is, the same key and the same bytes go again,
//! and nothing else of this payment moves money. The rules are numbered in `docs/money.md`.

use super::{unknown, Moment};
use crate::error::{Cause, Code, Group, Report};
use crate::payment::{Lost, Movement, Operation, Payment, Progress, Refusal, Unsaved};
use crate::reference::KeyOf;
use crate::retry::{bad_answer, is_foreign, meaning, Answer, Meaning};
use crate::vipps::epayment::{Event, PaymentAnswer};

/// A capture may be sent under a new key only after no try of the old one was sent for this time, milliseconds. What still
/// waits somewhere on the way is then taken to be dead: kernels give a connection up after at most about 15 minutes but are
/// reset here, gateways and proxies after one to five minutes. It is the one presumption of these rules: servers that act later
/// than this after the last try, without any trace in sums or log, would be paid twice.
pub const QUIET_MS: i64 = 10 * 60_000;
/// So many equal answers in a row, ...
pub const STICKY_ANSWERS: u32 = 3;
/// ... over at least this time, and the refusal is taken to be the one that stays for the key, milliseconds. Longer than what
/// a gateway repeats by itself inside one try.
pub const STICKY_MS: i64 = 10_000;
/// The same for "in progress", and for whatever a refund meets that is no definite refusal, milliseconds.
pub const BUSY_MS: i64 = 15 * 60_000;
/// Keys that one capture uses at most before a human decides.
pub const NEW_KEYS: u32 = 4;
/// A movement that is neither proven nor ruled out for so long is listed as decision owed, milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;
/// Younger than this, the same key may be sent again although the log leaves it open whose a movement is, milliseconds. How
/// long the servers remember a key is not documented.
const YOUNG_MS: i64 = 60 * 60_000;
/// Between two tries that were refused, milliseconds: a third of what makes a refusal stick, and a little.
const REFUSED_PAUSE_MS: u32 = 5_000;
/// Reads without proof after which the event log is asked.
const READS_BEFORE_EVENTS: u32 = 3;
/// An accepted operation whose proof does not appear is sent again with its key after this time, milliseconds.
pub const UNPROVEN_MS: i64 = 60_000;

/// Why a movement that is still being tried is listed as decision owed.
pub const OPEN_FOR_A_DAY: &str = "neither proven nor ruled out within a day";

/// What the event log says of one kind of movement, beyond what was there at the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogView {
    /// By a key of this movement, carried out.
    ours: bool,
    /// By a key of this movement, tried and failed.
    failed: bool,
    /// By others since the baseline, minor units: under their keys, or of another amount.
    others: i64,
    /// Since the baseline and of the amount of this movement, minor units: without a key, or, while a try may have acted, under
    /// one that is not ours as the log writes it. Possibly ours.
    possibly: i64,
    /// The log shows at least what the sums show.
    complete: bool,
}

impl Payment {
    pub(super) fn on_movement(&mut self, operation: Operation, answer: Answer, m: Moment) {
        let now = m.now.mono;
        match answer {
            Answer::Done(body) => match self.readable(&body) {
                Ok(seen) => {
                    // Accepted; whether it is proven, sums and log say, if the sums are there at all.
                    self.course.in_doubt = true;
                    self.course.accepted_at = Some(now);
                    self.course.unproven_reads = 0;
                    self.course.tries = 0;
                    let tries = &mut self.course.tries_of_key;
                    tries.left(now);
                    tries.unanswered = true;
                    // A page of something on the way is JSON too.
                    tries.accepted |= says_something(&seen);
                    // What the log says of a failure is not taken back by a 2xx.
                    tries.refused = tries.refused.take().filter(|r| r.report.http_status == 0);
                    self.take(&seen, m);
                    self.judge_operations(m);
                    self.rides_along();
                }
                Err(_) => {
                    self.course.tries_of_key.unanswered(now);
                    self.may_have_happened(bad_answer(), None, m);
                }
            },
            Answer::Refused(mut report) | Answer::NotFound(mut report) => {
                match meaning(operation, &report) {
                    Meaning::Final => {}
                    // They speak of an earlier try that acts, or has acted.
                    Meaning::InProgress | Meaning::Contradiction => {
                        self.course.in_doubt = true;
                        self.course.tries_of_key.unanswered = true;
                    }
                    Meaning::Blocked | Meaning::FundsUnavailable => self.course.in_doubt = true,
                }
                if report.code == Code::ReferenceInUse {
                    // Of a key, not of the payment's reference.
                    report.code = Code::OutcomeUnknown;
                }
                self.course.last = Some(report.clone());
                self.course.tries_of_key.refused(report, now);
                self.course.read_now = true;
            }
            Answer::Unauthorized(report) => {
                if is_foreign(&report) {
                    self.course.in_doubt = true;
                    self.course.tries_of_key.unanswered(now);
                }
                self.course.tries_of_key.left(now);
                self.stop(report);
            }
            Answer::RateLimited(report, asked) => {
                // Nothing came of what was refused, but a gateway may have repeated it: the baseline stands from here on.
                self.course.tries_of_key.left(now);
                self.step_back(report, asked, m);
            }
            Answer::Locked(report, asked) => {
                self.course.tries_of_key.unanswered(now);
                self.may_have_happened(unknown(report), asked, m);
            }
            Answer::Unknown(report) => {
                self.course.tries_of_key.unanswered(now);
                self.may_have_happened(report, None, m);
            }
            Answer::NotSent(report) => self.not_sent(report, m),
        }
        self.judge_age(m);
    }

    /// The capture or the refund that is not proven.
    fn open_operation(&self) -> Option<Operation> {
        let capture = self.record.open_capture().map(Operation::Capture);
        capture.or_else(|| self.record.open_refund().map(Operation::Refund))
    }

    fn movement(&self, operation: Operation) -> Option<&Movement> {
        match operation {
            Operation::Capture(i) => self.record.captures.get(i),
            Operation::Refund(i) => self.record.refunds.get(i),
            _ => None,
        }
    }

    fn movement_mut(&mut self, operation: Operation) -> Option<&mut Movement> {
        match operation {
            Operation::Capture(i) => self.record.captures.get_mut(i),
            Operation::Refund(i) => self.record.refunds.get_mut(i),
            _ => None,
        }
    }

    fn moved(&self, operation: Operation) -> i64 {
        match operation {
            Operation::Refund(_) => self.record.aggregate.refunded,
            _ => self.record.aggregate.captured,
        }
    }

    /// What the sums say of the open movement: its baseline, its proof if it is the whole reservation, or that the log must be
    /// asked.
    pub(super) fn judge_sums(&mut self, m: Moment) {
        let Some(operation) = self.open_operation() else {
            return;
        };
        let moved = self.moved(operation);
        let authorized = self.record.aggregate.authorized;
        // Under no key: what an earlier key did must not vanish in the baseline of the next one.
        let never_sent = self.course.tries_of_key.since.is_none();
        let Some(movement) = self.movement_mut(operation) else {
            return;
        };
        let read = movement.baseline.unwrap_or(0).max(moved);
        let whole = matches!(operation, Operation::Capture(_))
            && movement
                .baseline
                .is_some_and(|b| b + movement.amount == authorized);
        let Some(baseline) = movement.baseline.filter(|_| !never_sent) else {
            // What is there before it is sent is not its own doing. On disk before it is sent.
            if movement.baseline != Some(read) {
                movement.baseline = Some(read);
                self.must_save();
            }
            return;
        };
        let grown = moved - baseline;
        if whole && moved == authorized {
            // All that was reserved, and nothing is left that anybody could have done.
            self.movement_done(operation);
        } else if grown >= movement.amount || self.is_old_and_unread(m) {
            self.course.events_now = true;
        }
    }

    /// An intent from the disk that is older than an hour, or of unknown age because the clock went back, is not sent again
    /// before the log was read.
    fn is_old_and_unread(&self, m: Moment) -> bool {
        self.course.loaded && self.course.events_at.is_none() && !self.is_young(m)
    }

    fn is_young(&self, m: Moment) -> bool {
        let asked_at = self.record.open_movement().map(|open| open.asked_at);
        asked_at.is_some_and(|at| (0..=YOUNG_MS).contains(&(m.now.wall - at)))
    }

    /// What the log says of the open movement.
    pub(super) fn judge_events(&mut self, events: &[Event], m: Moment) {
        let Some(operation) = self.open_operation() else {
            return;
        };
        let log = self.log_view(operation, events);
        let (amount, baseline) = match self.movement(operation) {
            Some(movement) => (movement.amount, movement.baseline.unwrap_or(0)),
            None => return,
        };
        let grown = self.moved(operation) - baseline;
        let tries = &self.course.tries_of_key;
        // Ours was accepted, and the sums have grown by it beside whatever others did.
        let shown = tries.accepted && grown - log.others >= amount;
        let waited_for = (self.course.accepted_at).is_some_and(|t| m.now.mono - t >= UNPROVEN_MS);
        if log.ours || shown && (log.complete || waited_for) {
            let sum = match operation {
                Operation::Refund(_) => &mut self.record.aggregate.refunded,
                _ => &mut self.record.aggregate.captured,
            };
            *sum = (*sum).max(baseline + amount);
            self.movement_done(operation);
            return;
        }
        if log.failed {
            // It may be carried out by a later try of the same key, which is sent next.
            let r = Report::new(
                Code::Refused,
                "the servers' log says that the operation failed",
            );
            self.course.tries_of_key.refused(r, m.now.mono);
            self.course.accepted_at = None;
        }
        if self.movement(operation).is_some_and(|x| x.held) {
            return;
        }
        let nothing_moved = grown <= 0 && log.others == 0 && log.possibly == 0;
        if self.is_quiet(m) {
            self.after_the_quiet(operation, nothing_moved);
            return;
        }
        let possibly_ours = log.possibly > 0 || grown > 0 && !log.complete;
        if possibly_ours && !self.is_young(m) && self.course.accepted_at.is_none() {
            self.hold("it may have happened: the servers' log does not say whose it is");
            return;
        }
        self.after_look(Some(log), m);
    }

    fn log_view(&self, operation: Operation, events: &[Event]) -> LogView {
        let name = match operation {
            Operation::Refund(_) => "REFUNDED",
            _ => "CAPTURED",
        };
        let mut log = LogView::default();
        let movement = self.movement(operation);
        let baseline = movement.and_then(|m| m.baseline).unwrap_or(0);
        let amount = movement.map_or(0, |m| m.amount);
        let keys = self.keys_of(operation);
        let unanswered = self.course.tries_of_key.unanswered;
        let mut total: i64 = 0;
        for event in events.iter().filter(|e| e.name == name) {
            let ours = keys.contains(&event.idempotency_key);
            // One of our key and of another amount makes no sense: nothing is taken from it.
            let fits = event.amount == amount || event.amount == 0;
            log.ours |= ours && event.success && fits;
            log.failed |= ours && !event.success;
            if !event.success {
                continue;
            }
            // The log is in the order of what happened: what came first made the baseline.
            let before = total;
            total = total.saturating_add(event.amount);
            let since = total - before.max(baseline).min(total);
            if ours || since == 0 {
                continue;
            }
            let keyless = event.idempotency_key.is_empty();
            if event.amount == amount && (keyless || unanswered) {
                log.possibly = log.possibly.saturating_add(since);
            }
            if !keyless || event.amount != amount {
                log.others = log.others.saturating_add(since);
            }
        }
        log.complete = total >= self.moved(operation);
        log
    }

    /// Every key that the movement was ever sent under.
    fn keys_of(&self, operation: Operation) -> Vec<String> {
        let (of, index) = match operation {
            Operation::Capture(i) => (KeyOf::Capture, i),
            Operation::Refund(i) => (KeyOf::Refund, i),
            _ => return Vec::new(),
        };
        let Some(movement) = self.movement(operation) else {
            return Vec::new();
        };
        let number = index as u32 + 1;
        let earlier = (1..movement.attempt).filter_map(|n| self.record.key(of, number, n).ok());
        earlier.chain([movement.key.clone()]).collect()
    }

    /// After a look at the sums (and at the log, if there is a view of it): what the last refusal means, or why an accepted
    /// operation still has no proof.
    pub(super) fn after_look(&mut self, log: Option<LogView>, m: Moment) {
        let operation = self.open_operation();
        let fresh = (self.course.tries_of_key.refused.as_ref()).is_some_and(|r| r.fresh);
        let held = |o| self.movement(o).is_some_and(|x| x.held);
        match operation.filter(|o| !held(*o)) {
            Some(operation) if fresh => self.after_refusal(operation, log, m),
            _ if self.course.accepted_at.is_some() => self.still_unproven(m),
            _ => {}
        }
    }

    fn still_unproven(&mut self, m: Moment) {
        self.course.unproven_reads = self.course.unproven_reads.saturating_add(1);
        if self.course.unproven_reads == READS_BEFORE_EVENTS && self.open_operation().is_some() {
            self.course.events_now = true;
        }
        if self
            .course
            .accepted_at
            .is_some_and(|t| m.now.mono - t >= UNPROVEN_MS)
        {
            // Accepted long ago and nowhere to be seen: the same key again does no harm.
            self.course.accepted_at = None;
            self.course.unproven_reads = 0;
        }
        let r = Report::new(
            Code::OutcomeUnknown,
            "accepted, but not yet shown in the aggregate",
        )
        .because(Cause::NotYetProven);
        self.step_back(r, None, m);
    }

    /// A read was taken in after a refusal that did not show the movement.
    fn after_refusal(&mut self, operation: Operation, log: Option<LogView>, m: Moment) {
        let Some((amount, baseline)) = self
            .movement(operation)
            .map(|x| (x.amount, x.baseline.unwrap_or(0)))
        else {
            return;
        };
        let grown = self.moved(operation) - baseline;
        let room = self.room(operation);
        let tries = &mut self.course.tries_of_key;
        let unanswered = tries.unanswered;
        let Some(refused) = &mut tries.refused else {
            return;
        };
        let report = refused.report.clone();
        let for_ms = m.now.mono - refused.since;
        let sticks = |ms: i64| refused.count >= STICKY_ANSWERS && for_ms >= ms;
        let (sticks, stays_busy) = (sticks(STICKY_MS), sticks(BUSY_MS));
        let means = meaning(operation, &report);
        if log.is_none() && (grown > 0 || means == Meaning::Contradiction) {
            self.course.events_now = true;
            return;
        }
        // Once the sums have grown, only the log can tell whether it has happened.
        let others_only = |l: LogView| l.complete && l.possibly == 0;
        let nothing_of_ours = grown <= 0 || log.is_some_and(others_only);
        if room < amount && nothing_of_ours {
            // It cannot succeed, and has not.
            self.refuse(operation, &report);
            return;
        }
        refused.fresh = false;
        let capture = matches!(operation, Operation::Capture(_));
        // Of two keys only one can succeed, so that a new one can do no harm. By what fitted at the baseline: the key may
        // have acted, and what is there now is less by that.
        let fitted = room + self.moved(operation) - baseline;
        let only_one_fits = fitted < amount.saturating_mul(2);
        match means {
            Meaning::FundsUnavailable => {
                // Nothing is secured any more, and the passenger must be asked. The same key goes again if the host says so.
                self.record.decision = "the bank has released the money".into();
                self.must_save();
                self.stop(match unanswered {
                    true => unknown(report),
                    false => report,
                });
            }
            Meaning::Final if sticks && is_definite(&report) && !unanswered && nothing_of_ours => {
                self.refuse(operation, &report);
            }
            Meaning::Final | Meaning::Blocked | Meaning::Contradiction if sticks && capture => {
                let another = means != Meaning::Final && only_one_fits;
                match another {
                    true => self.new_key(operation),
                    false => self.course.tries_of_key.stuck = true,
                }
                self.pause_or_stop(means, report, m);
            }
            Meaning::Final if sticks => {
                self.hold("it was refused, and an earlier request for it may still be carried out")
            }
            Meaning::Blocked | Meaning::Contradiction | Meaning::InProgress if stays_busy => {
                match (only_one_fits, capture) {
                    (true, _) => self.new_key(operation),
                    (false, true) => self.course.tries_of_key.stuck = true,
                    (false, false) => self.hold(&format!("no proof of it: {}", report.message)),
                }
                self.pause_or_stop(means, report, m);
            }
            _ => self.pause_or_stop(means, report, m),
        }
    }

    /// What still fits: nothing larger can be captured, or refunded even after further captures, minor units.
    fn room(&self, operation: Operation) -> i64 {
        let a = self.record.aggregate;
        match operation {
            Operation::Refund(_) => a.authorized - a.cancelled - a.refunded,
            _ => a.authorized - a.cancelled - a.captured,
        }
    }

    fn pause_or_stop(&mut self, means: Meaning, report: Report, m: Moment) {
        match means {
            Meaning::Blocked if report.code.group() == Group::Configuration => self.stop(report),
            // It stays owed: not refused.
            Meaning::Blocked => self.stop(unknown(report)),
            Meaning::InProgress => {
                self.step_back(unknown(report).because(Cause::Locked), None, m);
            }
            Meaning::Contradiction => {
                let r = unknown(report).because(Cause::NotYetProven);
                self.step_back(r, Some(REFUSED_PAUSE_MS), m);
            }
            Meaning::Final | Meaning::FundsUnavailable => {
                self.step_back(report, Some(REFUSED_PAUSE_MS), m);
            }
        }
    }

    /// The quiet time of a stuck key is over, and both the sums and the log were read after it.
    fn is_quiet(&self, m: Moment) -> bool {
        let tries = &self.course.tries_of_key;
        let Some(last) = tries.last.filter(|_| tries.stuck) else {
            return false;
        };
        let over = last + QUIET_MS;
        let after = |at: Option<i64>| at.is_some_and(|at| at >= over);
        m.now.mono >= over && after(self.course.read_at) && after(self.course.events_at)
    }

    fn after_the_quiet(&mut self, operation: Operation, nothing_moved: bool) {
        let Some(refused) = self.course.tries_of_key.refused.clone() else {
            // Stuck since it was loaded: see `Record::has_hasty_key`.
            match (nothing_moved, operation) {
                (true, Operation::Capture(_)) => self.new_key(operation),
                _ => self.hold("it was asked for under two keys, and both may be carried out"),
            }
            return;
        };
        let report = refused.report;
        let is_final = meaning(operation, &report) == Meaning::Final;
        match (nothing_moved, is_final) {
            (true, true) => self.refuse(operation, &report),
            (true, false) => self.new_key(operation),
            (false, _) => self.hold("it may have happened: sums or log have changed since"),
        }
    }

    /// Leaves the key for a new one, which must be on disk before it is sent.
    fn new_key(&mut self, operation: Operation) {
        let (of, index) = match operation {
            Operation::Capture(i) => (KeyOf::Capture, i),
            Operation::Refund(i) => (KeyOf::Refund, i),
            _ => return,
        };
        let attempt = self.movement(operation).map_or(1, |x| x.attempt) + 1;
        let key = self.record.key(of, index as u32 + 1, attempt);
        let (Ok(key), true) = (key, attempt <= NEW_KEYS) else {
            self.hold("the servers refuse it under every key");
            return;
        };
        if let Some(movement) = self.movement_mut(operation) {
            (movement.attempt, movement.key) = (attempt, key);
        }
        self.course.tries_of_key = self.course.tries_of_key.next_key();
        self.course.in_doubt = true;
        self.must_save();
    }

    /// Neither proven nor ruled out: nothing is sent for it before a human decides.
    fn hold(&mut self, why: &str) {
        let Some(operation) = self.open_operation() else {
            return;
        };
        let what = match operation {
            Operation::Refund(_) => "refund",
            _ => "capture",
        };
        if let Some(movement) = self.movement_mut(operation) {
            movement.held = true;
            let text = format!("{what} of {}: {why}", movement.amount);
            self.record.decision = crate::vipps::problem::cut(&text, 150);
        }
        self.course.in_doubt = true;
        self.must_save();
    }

    /// A movement that has been open for a day is listed. It goes on being looked for, and a capture or refund of which sums
    /// and log show nothing goes on being tried.
    pub(super) fn judge_age(&mut self, m: Moment) {
        let since = self.course.tries_of_key.since;
        let asked_at = self.record.open_movement().map(|open| open.asked_at);
        // Across restarts only the wall clock tells; a wrong one lists too early, which stops nothing.
        let old = since.is_some_and(|since| m.now.mono - since >= DAY_MS)
            || self.course.loaded && asked_at.is_some_and(|at| m.now.wall - at >= DAY_MS);
        if old && self.open_operation().is_some() && self.record.decision.is_empty() {
            self.record.decision = OPEN_FOR_A_DAY.into();
            self.must_save();
        }
    }

    fn movement_done(&mut self, operation: Operation) {
        if let Some(movement) = self.movement_mut(operation) {
            movement.progress = Progress::Done;
            movement.held = false;
        }
        self.record.decision.clear();
        self.operation_over(Unsaved::Must);
    }

    /// The movement has not happened, and nothing that was sent for it can act any more.
    fn refuse(&mut self, operation: Operation, report: &Report) {
        let mut report = report.clone();
        if report.code == Code::OutcomeUnknown {
            // A conflict, of which the sums have shown what it was about.
            report.code = Code::Amount;
        }
        let refused = Progress::Refused(Refusal::of(&report));
        let r = &mut self.record;
        match operation {
            Operation::Capture(i) => {
                r.captures[i].progress = refused;
                if r.release_owed() {
                    // It was asked for with a capture that has not happened: what is reserved is decided about as a whole.
                    r.release = None;
                }
                let reserved = r.aggregate.reserved();
                // Gone for good only if the servers say so in as many words; otherwise somebody must look.
                if matches!(report.vipps_code, 6100) || reserved == 0 {
                    r.decision.clear();
                    r.lost = Some(Lost {
                        amount: r.captures[i].amount,
                        reason: report.message.clone(),
                    });
                } else {
                    r.decision = format!("the capture was refused: {}", report.message);
                }
            }
            Operation::Refund(i) => {
                r.refunds[i].progress = refused;
                r.decision.clear();
            }
            _ => return,
        }
        self.course.last = Some(report);
        self.operation_over(Unsaved::Must);
    }
}

/// It is about a payment: it has a reference, a state or a sum.
fn says_something(seen: &PaymentAnswer) -> bool {
    seen.reference.is_some() || seen.state.is_some() || !seen.sums.is_empty()
}

/// A refusal that is true of every copy of the request, whichever the servers carry out first: the period is over, only the
/// whole may be captured, the unit refunds nothing, the state forbids it. A 4xx without such a code says nothing of a copy that
/// something on the way has made.
fn is_definite(report: &Report) -> bool {
    matches!(report.vipps_code, 5100 | 6100 | 6140 | 6200 | 6210 | 6220)
}
