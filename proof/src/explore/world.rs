//! One moment of everything: the meter, the servers, what is under way, and what driver, passenger, portal and power may
//! still do. [`World::actions`] lists what can happen next, [`World::apply`] makes it happen; both are functions of the
//! moment alone, so a path is a list of numbers.

use vpmeter_core::payment::{Operation, Payment};
use vpmeter_core::recovery::{Goal, Step};
use vpmeter_core::transport::{Failure, Response};

use super::family::{Family, LONG_MS};
use super::fates::{self, Effect, Fate, Heard, IN_PROGRESS, WELL};
use super::laws::Ghost;
use super::meter::{Meter, REFERENCE};
use super::server::{Kind, Late, Phase, Request, Server, View, What};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The meter sends a request, and this becomes of it.
    Send(Goal, Step, Fate),
    /// The meter takes a step that sends nothing.
    Aside(Step),
    /// An answer that was on its way arrives.
    Deliver,
    /// Driver or office ask for what stands here in the plan.
    Ask(u8),
    Approve,
    Decline,
    Portal(u8),
    /// A late copy acts.
    Late(u8),
    /// So many ticks pass.
    Tick(u16),
    Sleep,
    Wake,
    CutPower,
    SwitchOn,
}

/// An answer on its way.
#[derive(Clone, Debug)]
pub struct Flight {
    step: Step,
    goal: Goal,
    result: Result<Response, Failure>,
}

/// One moment.
#[derive(Clone, Debug)]
pub struct World {
    pub at: i64,
    pub meter: Meter,
    pub server: Server,
    pub flight: Option<Flight>,
    pub plan: u8,
    /// How much of the plan is over.
    pub asked: u8,
    pub faults: u8,
    pub cuts: u8,
    pub sleeps: u8,
    pub portal: bool,
    pub ghost: Ghost,
}

impl World {
    /// All goes well until it is so.
    pub fn well_until(self, f: &Family, reached: impl Fn(&World) -> bool) -> World {
        let mut world = self;
        for _ in 0..100 {
            if reached(&world) && world.flight.is_none() {
                return world;
            }
            match world.calm(f) {
                Some(action) => world = world.apply(f, action),
                None => break,
            }
        }
        panic!("the family cannot begin: {world:?}")
    }

    /// What may still go wrong. Of two moments that are alike, the one with more of each shows all that the other can.
    pub fn left(&self) -> [u8; 4] {
        [self.faults, self.cuts, self.sleeps, u8::from(self.portal)]
    }

    fn is_on(&self) -> bool {
        self.meter.memory.is_some()
    }

    fn passenger_can_act(&self) -> bool {
        let phase = self.server.pay.as_ref().map(|p| p.phase);
        phase == Some(Phase::Created)
    }

    /// Everything that can happen now.
    pub fn actions(&self, f: &Family) -> Vec<Action> {
        let mut list = Vec::new();
        if self.flight.is_some() {
            list.push(Action::Deliver);
            self.asks(f, &mut list);
            if self.passenger_can_act() {
                list.push(Action::Approve);
            }
            list.extend((0..self.server.late.len()).map(|i| Action::Late(i as u8)));
            if self.cuts > 0 {
                list.push(Action::CutPower);
            }
            return list;
        }
        if self.is_at_rest(f) {
            list.extend((0..self.server.late.len()).map(|i| Action::Late(i as u8)));
            return list;
        }
        let steps = f.broken.steps(&self.meter, self.at);
        let mut busy = false;
        for (goal, step) in &steps {
            match step {
                Step::Idle | Step::Wait(_) => {}
                Step::NeverSent | Step::CaptureDue => {
                    list.push(Action::Aside(*step));
                    busy = true;
                }
                _ => {
                    for fate in self.fates(f, *step) {
                        list.push(Action::Send(*goal, *step, fate));
                    }
                    busy = true;
                }
            }
        }
        self.asks(f, &mut list);
        if self.passenger_can_act() {
            list.extend([Action::Approve, Action::Decline]);
        }
        if self.portal {
            let fits = |(what, amount): &(What, i64)| match &self.server.pay {
                Some(p) => match what {
                    What::Captured => p.reserved() >= *amount,
                    What::Refunded => p.sum(What::Captured) - p.sum(What::Refunded) >= *amount,
                    What::Cancelled => p.reserved() > 0,
                },
                None => false,
            };
            let can = f.portal.iter().enumerate().filter(|(_, p)| fits(p));
            list.extend(can.map(|(i, _)| Action::Portal(i as u8)));
        }
        list.extend((0..self.server.late.len()).map(|i| Action::Late(i as u8)));
        if !self.is_on() {
            list.push(Action::SwitchOn);
        } else if self.meter.asleep {
            list.push(Action::Wake);
        } else {
            if self.cuts > 0 {
                list.push(Action::CutPower);
            }
            if busy && self.sleeps > 0 {
                list.push(Action::Sleep);
            }
        }
        if !busy {
            let tick = self.tick(f, &steps);
            // Days off, after which every intent is old.
            if tick.is_none() && !self.is_on() && self.meter.disk.closed_at == 0 {
                list.push(Action::Tick(f.ticks_of(LONG_MS)));
            }
            list.extend(tick);
        }
        list
    }

    /// Over for good, as far as the meter knows: only what is under way can still change something.
    fn is_at_rest(&self, f: &Family) -> bool {
        let plan_is_over = usize::from(self.asked) == f.plans[usize::from(self.plan)].len();
        let over = |p: &Payment| {
            let r = &p.record;
            let nothing_to_refund = r.aggregate.captured <= r.aggregate.refunded;
            r.closed_at != 0 && !r.create.doubted && (plan_is_over || nothing_to_refund)
        };
        self.meter.memory.as_deref().is_some_and(over)
    }

    fn asks(&self, f: &Family, list: &mut Vec<Action>) {
        let plan = &f.plans[usize::from(self.plan)];
        for (i, ask) in plan.iter().enumerate().skip(usize::from(self.asked)) {
            if self.meter.clone().ask(*ask, self.at) {
                list.push(Action::Ask(i as u8));
            }
        }
    }

    /// Time passes: by one step where the servers or the passenger may do something, else to the end of the wait.
    fn tick(&self, f: &Family, steps: &[(Goal, Step)]) -> Option<Action> {
        let restless = !self.server.late.is_empty() || self.passenger_can_act();
        if restless {
            return Some(Action::Tick(1));
        }
        let until = steps
            .iter()
            .filter_map(|(_, s)| match s {
                Step::Wait(until) if *until < i64::MAX => Some(*until),
                _ => None,
            })
            .min();
        if let Some(until) = until {
            let ticks = (until - self.at + f.tick - 1) / f.tick;
            return Some(Action::Tick(ticks.clamp(1, 60_000) as u16));
        }
        let memory = self.meter.memory.as_ref();
        let blocked = memory.is_some_and(|p| p.course.blocked.is_some() && p.record.closed_at == 0);
        blocked.then_some(Action::Tick(1))
    }

    fn fates(&self, f: &Family, step: Step) -> Vec<Fate> {
        let mut fates = vec![WELL];
        let menu = match step {
            Step::Send(operation) => {
                let Some(r) = self.meter.request(operation) else {
                    return Vec::new();
                };
                if self.server.keeps_refusing(&r) {
                    // The refusal that is kept is the answer, or the answer is lost.
                    let begins = |f: &Fate| matches!(f.effect, Effect::Begun | Effect::BegunKept);
                    let all = match self.faults > 0 && !f.spared.contains(&r.kind) {
                        true => fates::of_write(r.kind, f.menu),
                        false => Vec::new(),
                    };
                    fates.extend(all.into_iter().filter(|f| !begins(f)));
                    return fates;
                }
                if self.server.is_running(&r) {
                    // What a repeat meets is not documented; each of these must be survived.
                    fates.extend(IN_PROGRESS.map(|heard| Fate {
                        effect: Effect::Nothing,
                        heard,
                        costs: 0,
                    }));
                }
                match f.spared.contains(&r.kind) {
                    true => Vec::new(),
                    false => fates::of_write(r.kind, f.menu),
                }
            }
            _ => fates::of_read(f.menu),
        };
        let lags = self.server.moved_since(self.at - f.lag_ms);
        let says_nothing_new = |heard: Heard| match (step, heard) {
            (Step::Send(_), _) => false,
            (_, Heard::Answer(View::Lagging)) => !lags,
            (Step::Read, Heard::Answer(View::Bare)) => !self.server.reading.metadata,
            (_, Heard::Answer(View::Bare)) => true,
            _ => false,
        };
        if self.faults > 0 {
            fates.extend(menu.into_iter().filter(|f| !says_nothing_new(f.heard)));
        }
        fates
    }

    /// What happens when all goes well from now on and nobody does anything more: the way home.
    pub fn calm(&self, f: &Family) -> Option<Action> {
        if self.flight.is_some() {
            return Some(Action::Deliver);
        }
        if !self.is_on() {
            return Some(Action::SwitchOn);
        }
        if self.meter.asleep {
            return Some(Action::Wake);
        }
        let steps = f.broken.steps(&self.meter, self.at);
        for (goal, step) in &steps {
            match step {
                Step::Idle | Step::Wait(_) => {}
                Step::NeverSent | Step::CaptureDue => return Some(Action::Aside(*step)),
                _ => return Some(Action::Send(*goal, *step, WELL)),
            }
        }
        self.tick(f, &steps)
    }

    /// Makes it happen.
    pub fn apply(&self, f: &Family, action: Action) -> World {
        let mut w = self.clone();
        match action {
            Action::Send(goal, step, fate) => w.send(f, goal, step, fate),
            Action::Aside(step) => w.meter.step_aside(step, w.at),
            Action::Deliver => w.deliver(f),
            Action::Ask(i) => {
                let ask = f.plans[usize::from(w.plan)][usize::from(i)];
                w.asked = i + 1;
                w.meter.ask(ask, w.at);
                f.broken.asked(ask, &mut w.meter, &self.meter);
                w.ghost.asked(ask);
            }
            Action::Approve | Action::Decline => {
                if let Some(p) = &mut w.server.pay {
                    p.phase = match action {
                        Action::Approve => Phase::Authorized,
                        _ => Phase::Aborted,
                    };
                }
            }
            Action::Portal(i) => {
                let (what, amount) = f.portal[usize::from(i)];
                w.portal = false;
                w.server.portal(what, amount, w.at);
            }
            Action::Late(i) => w.server.act_late(usize::from(i), w.at),
            Action::Tick(n) => {
                w.at += f.tick * i64::from(n);
                w.server.time_is(w.at);
                w.meter.time_is(w.at);
            }
            Action::Sleep => {
                w.meter.asleep = true;
                w.sleeps -= 1;
            }
            Action::Wake => {
                w.meter.asleep = false;
                w.meter.time_is(w.at);
            }
            Action::CutPower => {
                w.meter.cut_power();
                w.flight = None;
                w.cuts -= 1;
            }
            Action::SwitchOn => w.meter.switch_on(w.at, f.tick),
        }
        w.server.forget_what_is_idle();
        w.ghost.look(&w.meter, &w.server);
        w
    }

    fn send(&mut self, f: &Family, goal: Goal, step: Step, fate: Fate) {
        self.faults -= fate.costs;
        f.broken.before_send(step, &mut self.meter);
        self.meter.begin(step, self.at);
        let result = match step {
            Step::Send(operation) => match self.meter.request(operation) {
                Some(r) => {
                    self.ghost.sends(operation, &r, &self.server);
                    self.write(f, &r, fate)
                }
                None => return,
            },
            Step::ReadEvents => self.read(f, fate, |s, view, until| s.log(REFERENCE, view, until)),
            _ => self.read(f, fate, |s, view, until| {
                s.show(REFERENCE, view, true, until)
            }),
        };
        let result = f.broken.answer(step, result, self);
        self.flight = Some(Flight { step, goal, result });
        if !f.in_flight {
            self.deliver(f);
        }
    }

    fn deliver(&mut self, f: &Family) {
        if let Some(flight) = self.flight.take() {
            let Flight { step, goal, result } = flight;
            let status = result.as_ref().map_or(0, |r| r.status);
            self.meter.take_in(step, goal, result, self.at, f.tick);
            f.broken.answered(step, status, &mut self.meter);
            self.meter.forget_what_is_over(self.at);
        }
    }

    fn write(&mut self, f: &Family, r: &Request, fate: Fate) -> Result<Response, Failure> {
        let at = self.at;
        let mut own = Ok(());
        match fate.effect {
            Effect::Nothing => {}
            Effect::Kept => {
                if let Heard::Problem(status, code) = fate.heard {
                    self.server.keep(r, (status, code));
                }
            }
            Effect::BegunKept => {
                if let Heard::Problem(status, code) = fate.heard {
                    self.server.keep(r, (status, code));
                }
                self.server.late.push(Late {
                    request: r.clone(),
                    acts_until: at + f.inside_ms,
                    begun: true,
                });
            }
            Effect::Acts => own = self.server.arrive(r, at),
            Effect::Held | Effect::Begun => {
                let refused =
                    matches!(fate.heard, Heard::Problem(..)) && !IN_PROGRESS.contains(&fate.heard);
                let bound = match r.kind {
                    Kind::Create => f.create_late_ms,
                    _ if refused => f.inside_ms,
                    _ => f.late_ms,
                };
                let late = Late {
                    request: r.clone(),
                    acts_until: at + bound,
                    begun: fate.effect == Effect::Begun,
                };
                // Copies of one request are alike: the one that can act longest stands for all.
                let like = |l: &Late| l.request == late.request && l.begun == late.begun;
                self.server.late.retain(|l| !like(l));
                self.server.late.push(late);
            }
            Effect::Over => match r.kind {
                Kind::Refund => self.server.refund_over = true,
                _ => self.server.capture_over = true,
            },
        }
        let Heard::Answer(view) = fate.heard else {
            return fates::outcome(fate.heard);
        };
        match own {
            Err((status, code)) => fates::outcome(Heard::Problem(status, code)),
            Ok(()) if r.kind == Kind::Create => Ok(Response {
                status: 201,
                body: format!(r#"{{"reference":"{REFERENCE}"}}"#).into_bytes(),
                ..Response::default()
            }),
            Ok(()) => {
                let until = at - f.lag_ms;
                let body = self.server.show(REFERENCE, view, false, until);
                Ok(ok(body.unwrap_or_default()))
            }
        }
    }

    fn read(
        &self,
        f: &Family,
        fate: Fate,
        show: impl Fn(&Server, View, i64) -> Option<String>,
    ) -> Result<Response, Failure> {
        let Heard::Answer(view) = fate.heard else {
            return fates::outcome(fate.heard);
        };
        match show(&self.server, view, self.at - f.lag_ms) {
            Some(body) => Ok(ok(body)),
            None => fates::outcome(Heard::Problem(404, 5090)),
        }
    }
}

fn ok(body: String) -> Response {
    Response {
        status: 200,
        body: body.into_bytes(),
        ..Response::default()
    }
}

/// The index of an operation among those of its kind.
pub fn index_of(operation: Operation) -> usize {
    match operation {
        Operation::Capture(i) | Operation::Refund(i) => i,
        _ => 0,
    }
}
