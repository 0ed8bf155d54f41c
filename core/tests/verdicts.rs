//! The truth table of the verdict, row by row, and its published form: `docs/verdicts.md` is what this test prints.
//! `VPMETER_BLESS=1 cargo test -p vpmeter-core --test verdicts` writes it anew.

mod model;

use model::{push, Meter};
use vpmeter_core::driver_text::{text, Language};
use vpmeter_core::error::{Code, Report};
use vpmeter_core::payment::{
    Aggregate, Cancel, Lost, Movement, Now, Payment, Progress, Record, Refusal, State,
};
use vpmeter_core::verdict::{judge, owed};

const FARE: i64 = 24_900;

/// A payment as a create writes it.
fn fresh() -> Payment {
    use vpmeter_core::journal::Shelf;
    let m = Meter::new();
    m.client.create_push_payment(&push("trip-0001", FARE), 0);
    let bytes = m.store.get(Shelf::Open, "trip-0001").unwrap().unwrap();
    let record: Record = serde_json::from_slice(&bytes).unwrap();
    let now = Now { wall: 0, mono: 0 };
    let mut course = vpmeter_core::payment::Course::resume(&record, now, 600_000, 2_000);
    course.create_may_have_left = false;
    Payment { record, course }
}

fn refused(code: i32) -> Progress {
    Progress::Refused(Refusal {
        code,
        http_status: 400,
        vipps_code: 0,
        message: String::new(),
        trace_id: String::new(),
    })
}

fn created(p: &mut Payment) {
    p.record.create.progress = Progress::Done;
    p.record.state = State::Created;
}

fn approved(p: &mut Payment) {
    created(p);
    p.record.state = State::Authorized;
    p.record.aggregate.authorized = FARE;
}

fn movement(amount: i64, progress: Progress) -> Movement {
    Movement {
        amount,
        baseline: Some(0),
        attempt: 1,
        key: "k".into(),
        body: String::new(),
        asked_at: 0,
        progress,
        held: false,
    }
}

fn captured(p: &mut Payment, amount: i64) {
    approved(p);
    p.record.captures.push(movement(amount, Progress::Done));
    p.record.aggregate.captured = amount;
}

fn cancel(progress: Progress) -> Option<Cancel> {
    Some(Cancel {
        attempt: 1,
        key: "k".into(),
        progress,
    })
}

type Row = (&'static str, fn(&mut Payment));

const ROWS: &[Row] = &[
    ("recorded, nothing sent", |_| {}),
    ("sent, answer lost", |p| {
        p.course.create_may_have_left = true
    }),
    ("waiting for the passenger", created),
    ("waiting, no contact with the servers", |p| {
        created(p);
        p.course.tries = 2;
        p.course.last = Some(Report::new(Code::Network, ""));
    }),
    ("refused: no such customer", |p| {
        p.record.create.progress = refused(-71)
    }),
    ("refused: push not allowed", |p| {
        p.record.create.progress = refused(-72)
    }),
    ("refused: anything else", |p| {
        p.record.create.progress = refused(-70)
    }),
    ("ended before anything was sent", |p| {
        p.record.create.progress = refused(-77)
    }),
    ("declined", |p| {
        created(p);
        p.record.state = State::Aborted;
    }),
    ("expired", |p| {
        created(p);
        p.record.state = State::Expired;
    }),
    ("cancelled before approval", |p| {
        created(p);
        p.record.state = State::Terminated;
    }),
    ("cancel under way", |p| {
        created(p);
        p.record.withdraw = cancel(Progress::Owed);
    }),
    ("cancel refused, because approved", |p| {
        approved(p);
        p.record.withdraw = cancel(refused(-73));
    }),
    ("given up, release owed", |p| {
        created(p);
        p.record.given_up = true;
        p.record.release = cancel(Progress::Owed);
    }),
    ("given up, approved all the same, release owed", |p| {
        approved(p);
        p.record.given_up = true;
        p.record.release = cancel(Progress::Owed);
    }),
    ("given up, released", |p| {
        approved(p);
        p.record.given_up = true;
        p.record.release = cancel(Progress::Done);
        p.record.aggregate.cancelled = FARE;
    }),
    ("approved", approved),
    ("approved, capture intent on disk", |p| {
        approved(p);
        p.record.captures.push(movement(FARE, Progress::Owed));
    }),
    ("approved too late: nobody has decided", |p| {
        approved(p);
        p.record.decision = "late".into();
    }),
    ("capture refused", |p| {
        approved(p);
        p.record.captures.push(movement(FARE, refused(-74)));
        p.record.decision = "refused".into();
    }),
    ("capture lost for ever", |p| {
        approved(p);
        p.record.captures.push(movement(FARE, refused(-76)));
        p.record.lost = Some(Lost {
            amount: FARE,
            reason: "too late".into(),
        });
    }),
    ("captured", |p| captured(p, FARE)),
    ("captured in part, the rest still reserved", |p| {
        captured(p, FARE - 900)
    }),
    ("captured in part, release of the rest owed", |p| {
        captured(p, FARE - 900);
        p.record.release = cancel(Progress::Owed);
    }),
    ("captured in part, the rest released", |p| {
        captured(p, FARE - 900);
        p.record.release = cancel(Progress::Done);
        p.record.aggregate.cancelled = 900;
    }),
    ("captured, refund owed", |p| {
        captured(p, FARE);
        p.record.refunds.push(movement(100, Progress::Owed));
    }),
    ("captured and refunded whole", |p| {
        captured(p, FARE);
        p.record.aggregate.refunded = FARE;
    }),
    (
        "captured in part and refunded, the rest still reserved",
        |p| {
            captured(p, 900);
            p.record.aggregate = Aggregate {
                refunded: 900,
                ..p.record.aggregate
            };
        },
    ),
];

fn owed_names(bits: u32) -> String {
    let names = [
        (owed::CAPTURE, "capture"),
        (owed::RELEASE, "release"),
        (owed::RECEIPT, "receipt"),
        (owed::REFUND, "refund"),
        (owed::DECISION, "decision"),
        (owed::ANSWER, "answer"),
        (owed::LOST, "lost"),
    ];
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, n)| *n)
        .collect();
    set.join(", ")
}

fn table() -> String {
    let mut out = String::from(
        "# May the passenger leave?\n\nOne row for each situation of a payment: what the driver may do, what the program does next, what is owed, and the\nEnglish text that the driver reads. Made by `core/tests/verdicts.rs`, which fails when the library says something else.\n\n\
         | situation | state | verdict | next step | owed | the driver reads |\n|---|---|---|---|---|---|\n",
    );
    for (name, make) in ROWS {
        let mut p = fresh();
        make(&mut p);
        let j = judge(&p);
        out.push_str(&format!(
            "| {name} | {:?} | {:?} | {:?} | {} | {} |\n",
            p.state(),
            j.verdict,
            j.next_step,
            owed_names(j.owed),
            text(Language::English, j.message)
        ));
    }
    out
}

#[test]
fn the_published_table_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verdicts.md");
    let now = table();
    if std::env::var_os("VPMETER_BLESS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        published, now,
        "docs/verdicts.md differs from the code: look, then bless"
    );
}

/// The rules that no row may break, whatever the table says.
#[test]
fn no_row_allows_cash_and_a_capture() {
    use vpmeter_core::verdict::Verdict::*;
    for (name, make) in ROWS {
        let mut p = fresh();
        make(&mut p);
        let v = judge(&p).verdict;
        let r = &p.record;
        if matches!(v, TakeOtherPayment | TakeOtherReleaseOwed) {
            let money_gone =
                r.is_dead() || r.given_up || r.aggregate.refunded >= r.aggregate.captured;
            assert!(money_gone && r.open_capture().is_none(), "{name}");
        }
        if v == PaidLeave {
            assert!(r.aggregate.captured > 0, "{name}");
        }
        if v == SecuredLeave {
            assert!(
                r.state == State::Authorized && r.open_capture().is_some(),
                "{name}"
            );
        }
    }
}
