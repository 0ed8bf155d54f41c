//! What can become of a request: what it does at the servers, and what the meter hears. Every pair that the published
//! documents or reports of integrators allow is in a menu here; what is not is named in the printed bounds.

use vpmeter_core::error::Cause;
use vpmeter_core::transport::{Failure, Response};

use super::server::{problem, Kind, View};

/// What a request does at the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, now or later.
    Nothing,
    /// Nothing, and the refusal stays with its key.
    Kept,
    /// It arrives and is carried out, or refused on its own grounds.
    Acts,
    /// A copy is held on its way; it may arrive within the bound.
    Held,
    /// A copy is being carried out, and may be done within the bound.
    Begun,
    /// A copy is being carried out, and a refusal of another copy stays with the key.
    BegunKept,
    /// The servers carry out no such request any more.
    Over,
}

/// What the meter hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The servers' own answer.
    Answer(View),
    /// Nothing, and a byte may have left.
    Silence,
    /// Nothing, and surely no byte left.
    NotSent,
    /// 502 with a page.
    BadGateway,
    /// A 4xx with a page of a proxy or a firewall.
    Page(u16),
    /// 401 or 429 in the gateway's own shape.
    Gateway(u16),
    /// 423 without a body.
    Locked,
    /// A problem of the API; code 0: none.
    Problem(u16, i32),
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub effect: Effect,
    pub heard: Heard,
    /// Taken off the family's faults.
    pub costs: u8,
}

/// What goes well.
pub const WELL: Fate = Fate {
    effect: Effect::Acts,
    heard: Heard::Answer(View::True),
    costs: 0,
};

fn bad(effect: Effect, heard: Heard) -> Fate {
    Fate {
        effect,
        heard,
        costs: 1,
    }
}

/// How many kinds of answers a family is searched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// One of each kind that must be told apart.
    Short,
    /// All.
    Long,
}

/// "Being processed": the four forms of it (errors page of the guide, knowledge base).
pub const IN_PROGRESS: [Heard; 4] = [
    Heard::Problem(409, 0),
    Heard::Problem(409, 6160),
    Heard::Problem(400, 6250),
    Heard::Locked,
];

/// Fates of a request that changes something, besides going well.
pub fn of_write(kind: Kind, menu: Menu) -> Vec<Fate> {
    use Effect::*;
    use Heard::*;
    let long = menu == Menu::Long;
    let mut fates = vec![bad(Nothing, NotSent), bad(Nothing, Gateway(429))];
    if long {
        fates.push(bad(Nothing, Gateway(401)));
    }
    let effects: &[Effect] = match kind {
        // A cancel has no key that a copy could be told by: two of a kind move no more than one.
        Kind::CancelAll | Kind::CancelOnly => &[Nothing, Acts, Held],
        _ => &[Nothing, Acts, Held, Begun],
    };
    let lost: &[Heard] = match long {
        true => &[Silence, BadGateway, Page(403), Page(404), Page(413)],
        false => &[Silence, Page(403)],
    };
    let busy: &[Heard] = match long {
        true => &IN_PROGRESS,
        false => &IN_PROGRESS[..1],
    };
    for heard in lost.iter().chain(busy) {
        fates.extend(effects.iter().map(|e| bad(*e, *heard)));
    }
    // Refusals that speak for an earlier acting, or for nothing: gateways repeat inside one try, so the copy that is
    // refused need not be the only one.
    let doubtful: &[Heard] = match (kind, long) {
        (Kind::Create, true) => &[Problem(409, 4150), Problem(409, 4020)],
        (Kind::Create, false) => &[Problem(409, 4150)],
        (Kind::Capture, true) => &[
            Problem(400, 0),
            Problem(400, 6080),
            Problem(400, 6090),
            Problem(409, 4010),
        ],
        (Kind::Capture, false) => &[Problem(400, 0), Problem(400, 6080)],
        (Kind::Refund, true) => &[Problem(400, 0), Problem(400, 6150), Problem(409, 4150)],
        (Kind::Refund, false) => &[Problem(400, 0), Problem(400, 6150)],
        (Kind::CancelAll | Kind::CancelOnly, _) => &[Problem(400, 6050)],
    };
    for heard in doubtful {
        fates.extend(effects.iter().map(|e| bad(*e, *heard)));
        if !matches!(kind, Kind::CancelAll | Kind::CancelOnly) {
            fates.push(bad(Kept, *heard));
        }
        if long && matches!(kind, Kind::Capture | Kind::Refund) {
            fates.push(bad(BegunKept, *heard));
        }
    }
    match kind {
        // Refused for good: nobody of this number; the period is over.
        Kind::Create => fates.push(bad(Kept, Problem(400, 7010))),
        Kind::Capture => fates.push(bad(Over, Problem(400, 6100))),
        Kind::Refund => fates.push(bad(Over, Problem(400, 6220))),
        _ => {}
    }
    if kind != Kind::Create {
        fates.push(bad(Acts, Answer(View::Lagging)));
        if long {
            fates.push(bad(Acts, Answer(View::Bare)));
            if kind == Kind::Capture {
                fates.push(bad(Nothing, Problem(400, 6280)));
            }
        }
    }
    fates
}

/// Fates of a read of the payment or of its log, besides going well.
pub fn of_read(menu: Menu) -> Vec<Fate> {
    let mut heards = vec![Heard::Silence, Heard::Answer(View::Lagging)];
    if menu == Menu::Long {
        heards.extend([
            Heard::Answer(View::Bare),
            Heard::Page(404),
            Heard::Gateway(429),
        ]);
    }
    heards
        .into_iter()
        .map(|h| bad(Effect::Nothing, h))
        .collect()
}

/// What the transport gives the client, if it is not the servers' own answer.
pub fn outcome(heard: Heard) -> Result<Response, Failure> {
    let reply = |status: u16, body: String| {
        Ok(Response {
            status,
            body: body.into_bytes(),
            ..Response::default()
        })
    };
    let lost = |may_have_left: bool, cause: Cause| {
        Err(Failure {
            may_have_left,
            cause,
            detail: String::new(),
        })
    };
    match heard {
        Heard::Answer(_) | Heard::Silence => lost(true, Cause::Timeout),
        Heard::NotSent => lost(false, Cause::Connect),
        Heard::BadGateway => reply(502, "<html>Bad Gateway</html>".into()),
        Heard::Page(status) => reply(status, "<html>No</html>".into()),
        Heard::Gateway(status) => reply(
            status,
            format!(r#"{{"statusCode":{status},"message":"No"}}"#),
        ),
        Heard::Locked => reply(423, String::new()),
        Heard::Problem(status, code) => reply(status, problem(status, code)),
    }
}
