//! The loop of every call: decide the next step, carry it out, take in its answer, until the goal is reached or the time
//! is over.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::exchange::{Errand, Message};
use super::hooks::Tick;
use super::keep::elsewhere;
use super::slot::{Live, Slot};
use super::Client;
use crate::clock::Clock;
use crate::error::{Cause, Code, Group, Report};
use crate::payment::{CancelHow, Operation, Payment, Progress, State, Unsaved};
use crate::recovery::answers::Moment;
use crate::recovery::{next, Goal, Step};
use crate::retry::{is_foreign, note, pending, Answer};
use crate::transport::{Flow, Traffic, Watch};
use crate::vipps::{epayment, order_management};

/// Waits are cut into slices of this length, milliseconds; an interrupt is seen after one at the latest.
const SLICE_MS: i64 = 100;
/// How often `on_tick` comes, milliseconds. The promise is once a second.
const TICK_MS: i64 = 500;

/// Why a call ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Interrupted,
    HostStopped,
    GiveUp,
}

/// One call of the host, while it runs. Lives on the calling thread.
pub(super) struct Call {
    client: Arc<Client>,
    /// Empty for calls on many payments.
    reference: String,
    started: i64,
    deadline: i64,
    /// It has time to spend: it may touch the network.
    spends: bool,
    /// A request that changes something may have left in this call.
    sent: Cell<bool>,
    last_tick: Cell<i64>,
    stop: Cell<Option<Stop>>,
}

impl Call {
    pub fn begin(client: &Arc<Client>, reference: &str, wait_ms: u32) -> Call {
        let now = client.doors.clock.monotonic_ms();
        Call {
            client: client.clone(),
            reference: reference.to_string(),
            started: now,
            deadline: now + i64::from(wait_ms),
            spends: wait_ms > 0,
            sent: Cell::new(false),
            last_tick: Cell::new(now),
            stop: Cell::new(None),
        }
    }

    /// The same call with an earlier end.
    pub fn until(&self, deadline: i64) -> Call {
        Call {
            client: self.client.clone(),
            reference: self.reference.clone(),
            started: self.started,
            deadline: self.deadline.min(deadline),
            spends: self.spends,
            sent: Cell::new(self.sent.get()),
            last_tick: Cell::new(self.last_tick.get()),
            stop: Cell::new(self.stop.get()),
        }
    }

    pub fn now(&self) -> i64 {
        self.client.doors.clock.monotonic_ms()
    }

    pub fn is_over(&self) -> bool {
        self.now() >= self.deadline
    }

    pub fn stop(&self) -> Option<Stop> {
        self.stop.get()
    }

    /// Takes note of a give-up, so that the call goes on with it.
    pub fn take_give_up(&self) -> bool {
        let asked = self.stop.get() == Some(Stop::GiveUp);
        if asked {
            self.stop.set(None);
        }
        asked
    }

    /// One heartbeat: interrupts, and the tick when it is due. Called between slices, also inside an exchange.
    pub fn beat(&self) -> Flow {
        if self.stop.get().is_none() && self.client.doors.interrupts.take(&self.reference) {
            self.stop.set(Some(Stop::Interrupted));
        }
        let now = self.now();
        if self.stop.get().is_none() && now - self.last_tick.get() >= TICK_MS {
            self.last_tick.set(now);
            let waited = u32::try_from(now - self.started).unwrap_or(u32::MAX);
            match self.client.doors.hooks.on_tick(&self.reference, waited) {
                Tick::GoOn => {}
                Tick::StopWaiting => self.stop.set(Some(Stop::HostStopped)),
                // A call on many payments has none to give up.
                Tick::GiveUp if self.reference.is_empty() => {
                    self.stop.set(Some(Stop::HostStopped));
                }
                Tick::GiveUp => self.stop.set(Some(Stop::GiveUp)),
            }
        }
        match self.stop.get() {
            // A give-up does not tear what is in flight: it is recorded next.
            None | Some(Stop::GiveUp) => Flow::GoOn,
            Some(_) => Flow::Stop,
        }
    }

    /// What an exchange asks while it lasts.
    pub fn watch(self: &Rc<Self>) -> Watch {
        let call = self.clone();
        Rc::new(move || match call.beat() {
            Flow::GoOn if call.is_over() => Flow::Leave,
            flow => flow,
        })
    }

    /// Waits until a monotonic time, or until `changed` says so. False if the call must end first.
    pub fn wait_until(&self, until: i64, changed: impl Fn() -> bool) -> bool {
        loop {
            if self.beat() == Flow::Stop {
                return false;
            }
            let now = self.now();
            if now >= until || changed() || self.stop.get().is_some() {
                return true;
            }
            if now >= self.deadline {
                return false;
            }
            let slice = (until.min(self.deadline) - now).clamp(1, SLICE_MS);
            self.client.doors.clock.sleep(slice as u32);
        }
    }

    /// Why the call was stopped from outside, if it was.
    pub fn stopped_report(&self) -> Option<Report> {
        match self.stop.get()? {
            // "Surely nothing happened" is no word for a call that has sent something.
            Stop::Interrupted if self.sent.get() => {
                Some(Report::new(Code::Pending, "interrupted").because(Cause::Interrupted))
            }
            Stop::Interrupted => {
                Some(Report::new(Code::Interrupted, "interrupted").because(Cause::Interrupted))
            }
            Stop::HostStopped | Stop::GiveUp => Some(
                Report::new(Code::Pending, "the host stopped the wait").because(Cause::Interrupted),
            ),
        }
    }
}

/// How far `advance` came.
pub(super) enum Pace {
    /// The goal is reached, or there is nothing that may be done.
    Ended(Report),
    /// Nothing before this monotonic time.
    Waiting(i64),
}

impl Client {
    /// Works on one payment until the goal is reached or the call's time is over.
    pub(super) fn work(self: &Arc<Self>, slot: &Arc<Slot>, goal: Goal, call: &Rc<Call>) -> Report {
        let report = self.work_towards(slot, goal, call);
        slot.with(|p| keep_word(report, p, call))
    }

    fn work_towards(self: &Arc<Self>, slot: &Arc<Slot>, mut goal: Goal, call: &Rc<Call>) -> Report {
        loop {
            if call.take_give_up() {
                match self.record_intent(slot, |p, _| {
                    Ok((p.record.ask_cancel(CancelHow::GiveUp)?, Goal::Released))
                }) {
                    Ok(g) => goal = g,
                    // What the call was made for is on disk, and goes on.
                    Err(mut report) => {
                        if report.code == Code::WrongState {
                            report.code = Code::Pending;
                        }
                        return report;
                    }
                }
            }
            let version = slot.lock().version;
            match self.advance(slot, goal, call) {
                Pace::Ended(report) => return report,
                Pace::Waiting(until) => {
                    let changed = || slot.lock().version != version;
                    if !call.wait_until(until, changed) && call.stop() != Some(Stop::GiveUp) {
                        return self.end_of_time(slot, goal, call);
                    }
                }
            }
        }
    }

    /// Takes steps on one payment until it has to wait.
    pub(super) fn advance(self: &Arc<Self>, slot: &Arc<Slot>, goal: Goal, call: &Rc<Call>) -> Pace {
        loop {
            let mut live = slot.lock();
            if self.is_elsewhere(&live.payment.record) {
                return Pace::Ended(elsewhere());
            }
            let finished = live.payment.record.closed_at == 0 && live.payment.record.is_finished();
            if finished && matches!(goal, Goal::Settle | Goal::Work) {
                // Its tombstone could not be written when the last answer came.
                if let Err(storage) = self.save(&mut live) {
                    return Pace::Ended(storage);
                }
            }
            if let Some(report) = reached(&live.payment, goal) {
                if live.payment.course.unsaved == Unsaved::Must {
                    if let Err(storage) = self.save(&mut live) {
                        return Pace::Ended(after_answer(report, &storage));
                    }
                }
                return Pace::Ended(report);
            }
            if live.in_step {
                return Pace::Waiting(self.now().mono + SLICE_MS);
            }
            if live.errand.is_some() {
                if !call.spends || call.stop().is_some() {
                    // `wait_until` ends the call.
                    return Pace::Waiting(i64::MAX);
                }
                // By one piece at least in every call with time, however short: so it comes to its end.
                let errand = live.errand.take();
                live.in_step = true;
                drop(live);
                if !errand.is_some_and(|errand| self.carry_on(slot, errand, call)) {
                    return Pace::Waiting(i64::MAX);
                }
                self.report(slot);
                continue;
            }
            let now = self.now();
            match next(&live.payment, goal, now) {
                Step::Idle => {
                    let blocked = match goal {
                        Goal::Receipt => live.payment.course.receipt_blocked.clone(),
                        _ => live.payment.course.blocked.clone(),
                    };
                    return Pace::Ended(match blocked {
                        Some(report) => report,
                        None => settled_code(&live.payment, goal, last_met(&live.payment, goal)),
                    });
                }
                Step::Wait(until) => return Pace::Waiting(until),
                Step::NeverSent => {
                    live.payment.on_never_sent();
                    if let Err(storage) = self.save(&mut live) {
                        return Pace::Ended(storage);
                    }
                    drop(live);
                    self.report(slot);
                }
                Step::CaptureDue => {
                    drop(live);
                    let whole = self.record_intent(slot, |p, now| {
                        let amount = p.record.aggregate.reserved();
                        let asked = p.record.ask_capture(amount, 1, true, true, now.wall)?;
                        Ok((asked, goal))
                    });
                    if let Err(report) = whole {
                        return Pace::Ended(report);
                    }
                }
                step => {
                    if call.is_over() || call.stop().is_some() {
                        // Past its deadline: `wait_until` ends the call.
                        return Pace::Waiting(i64::MAX);
                    }
                    if let Err(storage) = self.save_before(&mut live, step) {
                        return Pace::Ended(storage);
                    }
                    live.in_step = true;
                    drop(live);
                    if !self.carry_out(slot, step, goal, call) {
                        return Pace::Waiting(i64::MAX);
                    }
                    self.report(slot);
                }
            }
        }
    }

    /// What must be on disk is, before anything that changes the world is sent.
    fn save_before(&self, live: &mut Live, step: Step) -> Result<(), Report> {
        match step {
            Step::Send(_) | Step::PostReceipt => self.save(live),
            _ => Ok(()),
        }
    }

    /// Sends the step's request, holding no lock, and takes in the answer. The slot is in a step. False: the call's time
    /// was over before the answer.
    fn carry_out(&self, slot: &Arc<Slot>, step: Step, goal: Goal, call: &Rc<Call>) -> bool {
        if let Some(message) = self.message_for(slot, step) {
            return self.carry_on(slot, Errand::new(step, goal, message), call);
        }
        let mut live = slot.lock();
        live.in_step = false;
        let lacks = Report::new(Code::Internal, "the record lacks what this step needs");
        if matches!(step, Step::PostReceipt | Step::ReadOrder) {
            live.payment.course.receipt_blocked = Some(lacks.clone());
        }
        live.payment.course.blocked = Some(lacks);
        true
    }

    /// Carries an errand on: to its answer, or until the call's time is over.
    fn carry_on(&self, slot: &Arc<Slot>, mut errand: Errand, call: &Rc<Call>) -> bool {
        // A panic inside must not leave the payment closed to other calls.
        struct Out<'a>(&'a Slot);
        impl Drop for Out<'_> {
            fn drop(&mut self) {
                self.0.lock().in_step = false;
            }
        }
        let _out = Out(slot);
        let answer = self.send(&mut errand, call);
        let Errand {
            step,
            goal,
            traffic,
            requests,
            in_doubt,
            ..
        } = errand;
        let mut live = slot.lock();
        let Some(answer) = answer else {
            if errand.is_under_way() {
                call.sent.set(call.sent.get() | !errand.only_reads());
                live.errand = Some(errand);
            } else {
                // Only the token is under way: nothing of this step was sent, and the next call decides anew.
                forget(&mut live.payment, step);
                count(&mut live.payment, traffic, 0);
            }
            return false;
        };
        count(&mut live.payment, traffic, requests);
        call.sent
            .set(call.sent.get() | in_doubt | may_have_acted(step, &answer));
        if let (true, Step::Send(operation)) = (in_doubt, step) {
            let now = self.now().mono;
            live.payment.earlier_try_unanswered(operation, now);
        }
        self.take_in(&mut live.payment, step, goal, answer);
        live.version += 1;
        if live.payment.course.unsaved == Unsaved::Must || live.payment.record.is_finished() {
            // If it fails, what is unsaved stays marked so, and nothing more is sent before it is written.
            if let Err(storage) = self.save(&mut live) {
                live.payment.course.last = Some(storage.clone());
                drop(live);
                self.log(
                    crate::log::Level::Error,
                    &format!("{}: {storage}", slot.name()),
                );
            }
        }
        true
    }

    fn message_for(&self, slot: &Arc<Slot>, step: Step) -> Option<Message> {
        let mut live = slot.lock();
        let now = self.now().mono;
        let p = &mut live.payment;
        match step {
            Step::Send(_) => note(&mut p.course.writes, now),
            Step::Read => {
                note(&mut p.course.reads, now);
                p.course.read_begun = now;
                if p.course.told.begin() {
                    self.tally.reads.fetch_add(1, Ordering::Relaxed);
                }
            }
            Step::ReadEvents => {
                note(&mut p.course.reads, now);
                p.course.read_begun = now;
            }
            _ => {}
        }
        let r = &p.record;
        let path = |what: &str| epayment::payment_path(&r.reference, what);
        Some(match step {
            Step::Send(Operation::Create) => Message::post(
                epayment::CREATE_PATH.to_string(),
                r.create.body.clone()?,
                Some(r.create.key.clone()),
            ),
            Step::Send(Operation::Capture(i)) => {
                let m = r.captures.get(i)?;
                Message::post(path("/capture"), m.body.clone(), Some(m.key.clone()))
            }
            Step::Send(Operation::Refund(i)) => {
                let m = r.refunds.get(i)?;
                Message::post(path("/refund"), m.body.clone(), Some(m.key.clone()))
            }
            Step::Send(Operation::Withdraw) => Message::post(
                path("/cancel"),
                epayment::cancel_body(true),
                Some(r.withdraw.as_ref()?.key.clone()),
            ),
            Step::Send(Operation::Release) => Message::post(
                path("/cancel"),
                epayment::cancel_body(false),
                Some(r.release.as_ref()?.key.clone()),
            ),
            Step::Read => Message::get(path("")),
            Step::ReadEvents => Message::get(path("/events")),
            Step::PostReceipt => Message::post(
                order_management::receipt_path(&r.reference),
                r.receipt.as_ref()?.body.clone()?,
                None,
            ),
            Step::ReadOrder => Message::get(order_management::order_path(&r.reference)),
            Step::NeverSent | Step::CaptureDue | Step::Wait(_) | Step::Idle => return None,
        })
    }

    fn take_in(&self, p: &mut Payment, step: Step, goal: Goal, answer: Answer) {
        let m = Moment {
            now: self.now(),
            random: self.dice(),
        };
        let plan = &self.config.poll;
        match step {
            Step::Send(Operation::Create) => p.on_create(answer, plan, m),
            Step::Send(operation) => p.on_modification(operation, answer, m),
            Step::Read => p.on_read(answer, goal, plan, m),
            Step::ReadEvents => p.on_events(answer, plan, m),
            Step::PostReceipt => p.on_receipt(answer, m),
            Step::ReadOrder => p.on_order(answer, m),
            Step::NeverSent | Step::CaptureDue | Step::Wait(_) | Step::Idle => {}
        }
    }

    /// One read of a payment that came from disk, before an intent is judged by what is known of it.
    pub(super) fn look(self: &Arc<Self>, slot: &Arc<Slot>, call: &Rc<Call>) {
        let step = {
            let mut live = slot.lock();
            if live.is_busy() || self.is_elsewhere(&live.payment.record) {
                return;
            }
            live.in_step = true;
            Step::Read
        };
        self.carry_out(slot, step, Goal::Settle, call);
        self.report(slot);
    }

    fn end_of_time(&self, slot: &Arc<Slot>, goal: Goal, call: &Rc<Call>) -> Report {
        let live = slot.lock();
        if let Some(report) =
            reached(&live.payment, goal).or_else(|| good_enough(&live.payment, goal))
        {
            return report;
        }
        let report = match call.stopped_report() {
            Some(stopped) => stopped,
            None => last_met(&live.payment, goal),
        };
        settled_code(&live.payment, goal, report)
    }
}

/// What the last try for this goal met.
fn last_met(p: &Payment, goal: Goal) -> Report {
    pending(match goal {
        Goal::Receipt => p.course.receipt_last.as_ref(),
        _ => p.course.last.as_ref(),
    })
}

/// The code of a wait that ended with nothing decided. "Surely nothing happened" is never said of an operation that may
/// have happened, and an unknown outcome is never said of a call that only reads.
fn settled_code(p: &Payment, goal: Goal, mut report: Report) -> Report {
    if let Some(done) = good_enough(p, goal) {
        return done;
    }
    let only_reads = matches!(
        goal,
        Goal::Approval | Goal::Receipt | Goal::Told | Goal::Settle | Goal::Work
    ) && p.record.create.progress == Progress::Done;
    if only_reads {
        if report.code == Code::OutcomeUnknown {
            report.code = Code::Pending;
        }
    } else if p.is_in_doubt() && matches!(report.code.group(), Group::Pending | Group::TryAgain) {
        report.code = Code::OutcomeUnknown;
        if report.message.is_empty() || report.cause == Cause::None {
            report.message = "it may have happened; the library finds out".into();
        }
    }
    report
}

/// A capture that is proven counts, also while the release of the rest is still owed.
fn good_enough(p: &Payment, goal: Goal) -> Option<Report> {
    match goal {
        Goal::Capture(i) if p.record.captures.get(i)?.progress == Progress::Done => {
            Some(Report::ok())
        }
        _ => None,
    }
}

/// The codes that say "nothing was sent" or "surely nothing happened" are never those of a call that has sent something for
/// this payment. `ReferenceInUse` may be what the servers have proven, `RateLimited` what the gateway has said.
pub(super) fn keep_word(mut report: Report, p: &Payment, call: &Call) -> Report {
    let group = report.code.group();
    let says_nothing = matches!(
        group,
        Group::CallersMistake | Group::TryAgain | Group::Storage
    );
    let own_word = matches!(report.code, Code::ReferenceInUse | Code::RateLimited);
    if !call.sent.get() || !says_nothing || own_word {
        return report;
    }
    if group == Group::Storage {
        report.cause = Cause::StorageAfterAnswer;
    }
    report.code = match p.is_in_doubt() {
        true => Code::OutcomeUnknown,
        false => Code::Pending,
    };
    report
}

/// A request of this step that changes something may have reached those who act on it.
fn may_have_acted(step: Step, answer: &Answer) -> bool {
    let nothing = match answer {
        Answer::NotSent(_) => true,
        Answer::Unauthorized(r) => !is_foreign(r),
        _ => false,
    };
    matches!(step, Step::Send(_)) && !nothing
}

/// Success that could not be written down is still success; the cause says what to look at.
fn after_answer(report: Report, storage: &Report) -> Report {
    let mut r = report.because(Cause::StorageAfterAnswer);
    if r.message.is_empty() {
        r.message.clone_from(&storage.message);
    }
    r
}

/// Takes back what `message_for` has noted of a step of which nothing was sent.
fn forget(p: &mut Payment, step: Step) {
    match step {
        Step::Send(_) => drop(p.course.writes.pop_back()),
        Step::Read | Step::ReadEvents => drop(p.course.reads.pop_back()),
        _ => {}
    }
}

fn count(p: &mut Payment, traffic: Traffic, requests: u32) {
    let r = &mut p.record;
    r.bytes_sent += traffic.sent;
    r.bytes_received += traffic.received;
    r.requests = r.requests.saturating_add(requests);
}

fn ended(progress: &Progress) -> Option<Report> {
    match progress {
        Progress::Owed => None,
        Progress::Done => Some(Report::ok()),
        Progress::Refused(r) => Some(r.report()),
    }
}

/// Whether the goal is reached, and with what report.
fn reached(p: &Payment, goal: Goal) -> Option<Report> {
    let r = &p.record;
    match goal {
        Goal::Create => ended(&r.create.progress),
        // A closed payment that somebody wants to see is read first.
        Goal::Approval if r.closed_at != 0 && p.course.read_now => None,
        Goal::Approval => {
            if let Progress::Refused(refusal) = &r.create.progress {
                return Some(refusal.report());
            }
            let decided = r.state == State::Authorized && !p.course.stale
                || r.state.is_dead()
                || r.closed_at != 0;
            decided.then(Report::ok)
        }
        Goal::Receipt => r.receipt.as_ref().and_then(|x| ended(&x.progress)),
        Goal::Capture(i) => {
            let end = ended(&r.captures.get(i)?.progress)?;
            let more = end.code == Code::Ok && r.release_owed();
            (!more).then_some(end)
        }
        Goal::Withdrawn => {
            if r.is_dead() {
                return Some(Report::ok());
            }
            ended(&r.withdraw.as_ref()?.progress)
        }
        Goal::Released => {
            if r.is_dead() || r.closed_at != 0 {
                return Some(Report::ok());
            }
            ended(&r.release.as_ref()?.progress)
        }
        Goal::Refund(i) => ended(&r.refunds.get(i)?.progress),
        Goal::Told => p.course.told.due().is_none().then(Report::ok),
        Goal::Work | Goal::Settle => None,
    }
}
