//! A path, told in words.

use std::fmt::Write;

use vpmeter_core::payment::{Decision, Operation};
use vpmeter_core::recovery::Step;
use vpmeter_core::verdict::judge;

use super::family::Family;
use super::fates::{Effect, Fate, Heard};
use super::meter::Ask;
use super::server::{View, What, NOON};
use super::world::{Action, World};

/// The whole path, a line for each thing that happens; what did not change is not said again.
pub fn tell(f: &Family, first: World, actions: &[Action], why: &str) -> String {
    let mut out = String::new();
    let r = first.server.reading;
    let _ = writeln!(
        out,
        "  The fare is 249.00. Reads {} the metadata; the event log {} keys; the servers {} a refusal for its key.",
        if r.metadata { "carry" } else { "never carry" },
        if r.event_keys { "carries" } else { "never carries" },
        if r.sticky { "keep" } else { "do not keep" },
    );
    if f.approved {
        out.push_str("  The payment is made and approved; the meter has read it.\n");
    }
    let mut world = first;
    let mut seen = (String::new(), String::new());
    for action in actions {
        let said = say(f, &world, *action);
        let next = world.apply(f, *action);
        let (meter, servers) = (the_meter(&next), the_servers(&next));
        let _ = writeln!(out, "  {}  {said}", clock(world.at));
        if servers != seen.1 {
            let _ = writeln!(out, "         servers: {servers}");
        }
        if meter != seen.0 {
            let _ = writeln!(out, "         meter: {meter}");
        }
        seen = (meter, servers);
        world = next;
    }
    let _ = writeln!(out, "  So: {why}.");
    out
}

fn clock(at: i64) -> String {
    let s = (at - NOON) / 1000;
    format!("{:3}:{:02}", s / 60, s % 60)
}

fn kroner(amount: i64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

fn say(f: &Family, w: &World, action: Action) -> String {
    match action {
        Action::Send(goal, step, fate) => {
            let what = match step {
                Step::Send(operation) => match w.meter.request(operation) {
                    Some(r) => format!(
                        "sends {} with key …{}",
                        name(operation, r.amount),
                        short(&r.key)
                    ),
                    None => "sends nothing".into(),
                },
                Step::ReadEvents => "reads the event log".into(),
                _ => "reads the payment".into(),
            };
            let mut said = format!("the meter {what}: {}", becomes(fate));
            let _ = write!(said, "  [{goal:?}]");
            said
        }
        Action::Aside(Step::NeverSent) => "the meter ends a create of which nothing left".into(),
        Action::Aside(_) => "the meter records that an approval means a capture".into(),
        Action::Deliver => "the answer arrives".into(),
        Action::Ask(i) => match f.plans[usize::from(w.plan)][usize::from(i)] {
            Ask::Capture { nth, amount, last } => format!(
                "the driver asks for capture {nth} of {}{}",
                kroner(amount),
                if last {
                    " and the release of the rest"
                } else {
                    ""
                }
            ),
            Ask::Refund { nth, amount } => {
                format!("the driver asks for refund {nth} of {}", kroner(amount))
            }
            Ask::Withdraw => "the driver cancels if it is not approved".into(),
            Ask::GiveUp => "the driver gives the payment up".into(),
            Ask::Decide(Decision::Capture) => "the office decides: capture".into(),
            Ask::Decide(Decision::GiveUp) => "the office decides: give up".into(),
        },
        Action::Approve => "the passenger approves".into(),
        Action::Decline => "the passenger declines".into(),
        Action::Portal(i) => {
            let (what, amount) = f.portal[usize::from(i)];
            if what == What::Cancelled {
                return "somebody releases what is reserved in the portal".into();
            }
            let done = match what {
                What::Captured => "captures",
                What::Refunded => "refunds",
                What::Cancelled => "releases",
            };
            format!("somebody {done} {} in the portal", kroner(amount))
        }
        Action::Late(i) => {
            let r = &w.server.late[usize::from(i)].request;
            format!(
                "a late copy of the {:?} with key …{} acts",
                r.kind,
                short(&r.key)
            )
        }
        Action::Tick(n) => {
            let s = f.tick * i64::from(n) / 1000;
            format!("{}:{:02} minutes pass", s / 60, s % 60)
        }
        Action::Sleep => "the host calls nothing for a while".into(),
        Action::Wake => "the host calls again".into(),
        Action::CutPower => "the power fails".into(),
        Action::SwitchOn => "the meter is switched on".into(),
    }
}

fn short(key: &str) -> &str {
    key.rsplit('-').next().unwrap_or(key)
}

fn name(operation: Operation, amount: i64) -> String {
    match operation {
        Operation::Create => format!("the create of {}", kroner(amount)),
        Operation::Capture(i) => format!("capture {} of {}", i + 1, kroner(amount)),
        Operation::Refund(i) => format!("refund {} of {}", i + 1, kroner(amount)),
        Operation::Withdraw => "the cancel if not approved".into(),
        Operation::Release => "the release".into(),
    }
}

fn becomes(fate: Fate) -> String {
    let heard = match fate.heard {
        Heard::Answer(View::True) => "is answered".into(),
        Heard::Answer(View::Lagging) => "is answered with old sums".into(),
        Heard::Answer(View::Bare) => "is answered without sums or metadata".into(),
        Heard::Silence => "no answer comes".into(),
        Heard::NotSent => "no byte leaves".into(),
        Heard::BadGateway => "the answer is a 502".into(),
        Heard::Page(status) => format!("the answer is a proxy's page with {status}"),
        Heard::Gateway(status) => format!("the gateway answers {status}"),
        Heard::Locked => "the answer is 423".into(),
        Heard::Problem(status, 0) => format!("the answer is {status} without a code"),
        Heard::Problem(status, code) => format!("the answer is {status}/{code}"),
    };
    let effect = match (fate.effect, fate.heard) {
        (_, Heard::Answer(_) | Heard::NotSent) => "",
        (Effect::Nothing, _) => "; it does nothing",
        (Effect::Kept, _) => "; it does nothing, and the refusal stays with the key",
        (Effect::Acts, _) => "; it acts",
        (Effect::Held, _) => "; a copy is held on its way",
        (Effect::Begun, _) => "; the servers are still at it",
        (Effect::BegunKept, _) => {
            "; the servers are still at a copy, and the refusal stays with the key"
        }
        (Effect::Over, _) => "; the period is over at the servers",
    };
    format!("{heard}{effect}")
}

fn the_meter(w: &World) -> String {
    let Some(p) = &w.meter.memory else {
        return "off".into();
    };
    let j = judge(p);
    let mut s = format!("{:?}, {:?}, next {:?}", p.state(), j.verdict, j.next_step);
    for (what, list) in [
        ("capture", &p.record.captures),
        ("refund", &p.record.refunds),
    ] {
        for m in list {
            let progress = format!("{:?}", m.progress);
            let progress = progress.split('(').next().unwrap_or("");
            let _ = write!(
                s,
                "; {what} {} …{} {progress}",
                kroner(m.amount),
                short(&m.key)
            );
        }
    }
    for (what, c) in [
        ("withdrawal", &p.record.withdraw),
        ("release", &p.record.release),
    ] {
        if let Some(c) = c {
            let progress = format!("{:?}", c.progress);
            let _ = write!(s, "; {what} {}", progress.split('(').next().unwrap_or(""));
        }
    }
    if !p.record.decision.is_empty() {
        let _ = write!(s, "; decision owed ({})", p.record.decision);
    }
    if p.record.closed_at != 0 {
        s.push_str("; closed");
    }
    s
}

fn the_servers(w: &World) -> String {
    let Some(p) = &w.server.pay else {
        return format!("no payment, {} copies under way", w.server.late.len());
    };
    format!(
        "{:?}, captured {}, cancelled {}, refunded {}, {} copies under way",
        p.phase,
        kroner(p.sum(What::Captured)),
        kroner(p.sum(What::Cancelled)),
        kroner(p.sum(What::Refunded)),
        w.server.late.len()
    )
}
