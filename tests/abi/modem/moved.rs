//! A journal that moves to a replacement meter, in every state that an open payment can be in.

use serde_json::json;

use super::lose_answers;
use crate::common::{encode, Bench, Driver, FARE};

const REF: &str = "trip-0001";

/// One state: how the old meter gets into it, what the new one is asked beside settling, and the books at the end:
/// captured, released, refunded.
struct State {
    name: &'static str,
    on_old: &'static [&'static str],
    /// Operation whose answer is lost in the last call.
    lost: &'static str,
    on_new: &'static [&'static str],
    captured: i64,
    released: i64,
    refunded: i64,
}

const PLAIN: State = State {
    name: "",
    on_old: &[],
    lost: "",
    on_new: &[],
    captured: FARE,
    released: 0,
    refunded: 0,
};

const CREATE: &str = "create";
const APPROVED: &str = "poll";
const PAID: &str = "capture amount=24900 final=1";

fn states() -> Vec<State> {
    vec![
        State {
            name: "sent, not looked at",
            on_old: &[CREATE],
            on_new: &[APPROVED],
            ..PLAIN
        },
        State {
            name: "the answer to the request was lost",
            on_old: &["create wait=100"],
            lost: "create",
            on_new: &[APPROVED],
            ..PLAIN
        },
        State {
            name: "approved",
            on_old: &[CREATE, APPROVED],
            ..PLAIN
        },
        State {
            name: "approved and held",
            on_old: &["create then=hold", APPROVED],
            on_new: &["settle", "capture amount=20000 final=1"],
            captured: 20_000,
            released: FARE - 20_000,
            ..PLAIN
        },
        State {
            name: "a capture is recorded",
            on_old: &[CREATE, APPROVED, "capture amount=24900 final=1 wait=0"],
            ..PLAIN
        },
        State {
            name: "the answer to a capture was lost",
            on_old: &[CREATE, APPROVED, "capture amount=24900 final=1 wait=100"],
            lost: "capture",
            ..PLAIN
        },
        State {
            name: "the answer to a partial capture was lost",
            on_old: &[CREATE, APPROVED, "capture amount=20000 final=1 wait=100"],
            lost: "capture",
            captured: 20_000,
            released: FARE - 20_000,
            ..PLAIN
        },
        State {
            name: "the answer to a release was lost",
            on_old: &[CREATE, APPROVED, "cancel how=give_up wait=100"],
            lost: "cancel",
            captured: 0,
            released: FARE,
            ..PLAIN
        },
        State {
            name: "given up",
            on_old: &[CREATE, APPROVED, "cancel how=give_up wait=0"],
            captured: 0,
            released: FARE,
            ..PLAIN
        },
        State {
            name: "a receipt is owed",
            on_old: &[
                CREATE,
                APPROVED,
                PAID,
                "receipt lines=1 l0.total=24900 wait=0",
            ],
            ..PLAIN
        },
        State {
            name: "the answer to a refund was lost",
            on_old: &[CREATE, APPROVED, PAID, "refund amount=5000 wait=100"],
            lost: "refund",
            refunded: 5_000,
            ..PLAIN
        },
        State {
            name: "a refund is recorded",
            on_old: &[CREATE, APPROVED, PAID, "refund amount=5000 wait=0"],
            refunded: 5_000,
            ..PLAIN
        },
    ]
}

fn another(bench: &Bench, name: &str) -> Driver {
    let journal = encode(bench.dir.join(name).to_str().expect("UTF-8"));
    let mut meter = bench.driver();
    meter
        .call(&bench.open_line(&format!("journal={journal} device={name}")))
        .is("rc=VP_OK");
    meter
}

fn exported(old: &mut Driver) -> String {
    old.events.clear();
    old.call("export").is("rc=VP_OK");
    let records = old.told("record");
    assert_eq!(records.len(), 1);
    records[0].get("record").to_owned()
}

/// Every call that would send or record something is refused, and nothing reaches the servers.
#[track_caller]
fn is_frozen(old: &mut Driver, bench: &Bench) {
    let before = bench.sim.requests().len();
    for line in [
        "create",
        "poll",
        "capture amount=24900 final=1",
        "cancel how=give_up",
        "cancel how=if_not_approved",
        "refund amount=100",
        "receipt lines=1 l0.total=24900",
        "decide what=capture",
        "write_off reason=sold",
    ] {
        let reply = old.call(line);
        let refused = [
            "VP_ERR_NOT_PERMITTED",
            "VP_ERR_WRONG_STATE",
            "VP_ERR_REFERENCE_IN_USE",
        ];
        assert!(
            refused.contains(&reply.code()),
            "{line}: {}",
            reply.everything()
        );
    }
    old.call("settle").is("rc=VP_OK");
    old.call("work wait=100").is("rc=VP_OK");
    assert_eq!(
        bench.sim.requests().len(),
        before,
        "the frozen meter sends nothing"
    );
    old.events.clear();
    old.call("list").is("rc=VP_OK");
    assert!(old.told("listed")[0].owes("ELSEWHERE"));
}

#[test]
fn in_every_state() {
    for state in states() {
        println!("{}", state.name);
        let bench = Bench::tls(&["--passenger", "approve"]);
        let mut old = bench.meter();
        let (last, first) = state.on_old.split_last().expect("calls");
        for line in first {
            old.call(line).is("rc=VP_OK");
        }
        if !state.lost.is_empty() {
            lose_answers(&bench, state.lost);
        }
        let reply = old.call(last);
        bench.sim.clear_faults();
        let unknown = reply.code() == "VP_ERR_OUTCOME_UNKNOWN";
        assert_eq!(unknown, !state.lost.is_empty(), "{}", reply.everything());
        let record = exported(&mut old);
        assert!(!record.contains("91234567"));
        is_frozen(&mut old, &bench);
        // Also after its power has failed.
        old.kill();
        let mut old = bench.meter();
        is_frozen(&mut old, &bench);
        // A text that was lost is given again, and is the same payment.
        let again = exported(&mut old);

        // Two meters take it over by mistake, and work on it at the same time, beside the old one.
        let (mut new, mut other) = (another(&bench, "car-8"), another(&bench, "car-9"));
        new.call(&format!("import record={}", encode(&record)))
            .is("rc=VP_OK");
        other
            .call(&format!("import record={}", encode(&again)))
            .is("rc=VP_OK");
        for line in state.on_new {
            let reply = new.call(line);
            assert!(
                ["VP_OK", "VP_PENDING"].contains(&reply.code()),
                "{}",
                reply.everything()
            );
        }
        new.begin(1, "settle wait=120000");
        other.begin(1, "settle wait=120000");
        old.call("settle").is("rc=VP_OK");
        for meter in [&mut new, &mut other] {
            meter.end(1).is("rc=VP_OK");
            meter.call("known").is("closed=1");
        }
        let captures: &[i64] = if state.captured == 0 {
            &[]
        } else {
            &[state.captured]
        };
        let refunds: &[i64] = if state.refunded == 0 {
            &[]
        } else {
            &[state.refunded]
        };
        bench.sim.books(REF, captures, state.released, refunds);
        if state.name.contains("receipt") {
            assert!(bench.sim.count("receipt") >= 1);
        }
        is_frozen(&mut old, &bench);
    }
}

/// A payment request that never left is not sent by another meter: nobody gets a bill hours later.
#[test]
fn a_request_that_never_left_is_never_sent() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut old = bench.meter();
    old.call("create wait=0").is("rc=VP_PENDING");
    let record = exported(&mut old);
    assert!(!record.contains("91234567"));
    is_frozen(&mut old, &bench);
    let mut new = another(&bench, "car-8");
    new.call(&format!("import record={}", encode(&record)))
        .is("rc=VP_OK");
    new.call("settle wait=800000").is("rc=VP_OK");
    new.call("known").is("state=NOT_CREATED closed=1");
    assert_eq!(bench.sim.count("create"), 0);
}

/// What only the office may settle is for the office of the new meter.
#[test]
fn a_decision_moves_too() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let mut old = bench.meter();
    old.call("create decide_within=60000").is("rc=VP_OK");
    old.kill();
    bench.sim.post("clock", json!({"advance_ms": 120_000}));
    let mut old = bench.meter();
    old.call("settle").is("rc=VP_PENDING");
    let record = exported(&mut old);
    is_frozen(&mut old, &bench);
    let mut new = another(&bench, "car-8");
    new.call(&format!("import record={}", encode(&record)))
        .is("rc=VP_OK");
    new.call("settle").is("rc=VP_PENDING");
    assert!(new.call("known").owes("DECISION"));
    assert_eq!(bench.sim.count("capture"), 0);
    new.call("decide what=capture")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

/// A meter that could never settle a payment does not take it: nobody would.
#[test]
fn not_to_another_sales_unit() {
    let bench = Bench::tls(&[]);
    let mut old = bench.meter();
    old.call("create").is("rc=VP_OK");
    let record = encode(exported(&mut old));
    let mut new = bench.driver();
    let journal = encode(bench.dir.join("new").to_str().expect("UTF-8"));
    for other in ["msn=654321", "base_url=https://127.0.0.1:1"] {
        let line = bench.open_line(&format!("journal={journal} {other}"));
        new.call(&line).is("rc=VP_OK");
        new.call(&format!("import record={record}"))
            .is("rc=VP_ERR_NOT_PERMITTED");
        new.call("known").is("rc=VP_ERR_NO_SUCH_PAYMENT");
        new.call("close").is("rc=VP_OK");
    }
}
