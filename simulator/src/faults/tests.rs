use serde_json::json;

use super::fields::BadRule;
use super::*;

fn rule(value: Value) -> NewRule {
    NewRule::parse(&value).unwrap_or_else(|bad| panic!("{value}: {bad}"))
}

#[test]
fn the_nth_request_and_how_often() {
    let mut faults = Faults::default();
    faults.add(rule(json!({"operation": "capture", "action": "reset_after", "nth": 2})));
    let mut fire = |operation| faults.strike(operation, Some("r"), Stage::Whole).is_some();
    assert!(!fire(Operation::Capture));
    assert!(!fire(Operation::Get));
    assert!(fire(Operation::Capture));
    assert!(!fire(Operation::Capture));
}

#[test]
fn refuse_acts_on_the_head() {
    let mut faults = Faults::default();
    faults.add(rule(json!({"operation": "*", "action": "refuse", "times": 0})));
    assert!(faults.strike(Operation::Get, None, Stage::Whole).is_none());
    let struck = Some(Fault { name: "refuse", action: Action::Refuse });
    assert_eq!(faults.strike(Operation::Get, None, Stage::Head), struck);
}

/// Which of the first hundred requests are struck.
fn struck(rules: Value) -> Vec<usize> {
    let mut faults = Faults::default();
    for one in rules.as_array().expect("a list") {
        faults.add(rule(one.clone()));
    }
    let mut fires = |_: &usize| faults.strike(Operation::Get, None, Stage::Whole).is_some();
    (1..=100).filter(|n| fires(n)).collect()
}

#[test]
fn chance_repeats_by_its_seed() {
    let by = |seed: u64, more: Value| {
        let mut one =
            json!({"operation": "get", "action": "reset_before", "times": 0, "probability": 0.3, "seed": seed});
        one.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        struck(json!([one]))
    };
    let first = by(1, json!({}));
    assert!((15..=45).contains(&first.len()), "{first:?}");
    assert_eq!(first, by(1, json!({})));
    assert_ne!(first, by(2, json!({})));
    // The other conditions take away from what chance lets through, and move nothing.
    let late: Vec<usize> = first.iter().copied().filter(|n| *n >= 40).collect();
    assert_eq!(by(1, json!({"nth": 40})), late);
    assert_eq!(by(1, json!({"times": 2})), first[..2]);
    assert_eq!(by(1, json!({"probability": 0})), [0; 0]);
    assert_eq!(by(1, json!({"probability": 1})).len(), 100);
    // Nor do other rules.
    let other = json!({"operation": "get", "action": "reset_before", "nth": 50});
    let mine = json!({"operation": "get", "action": "reset_before", "times": 0, "probability": 0.3, "seed": 1});
    let mut both = first.clone();
    both.extend([50].iter().filter(|n| !first.contains(n)));
    both.sort_unstable();
    assert_eq!(struck(json!([mine, other])), both);
}

#[test]
fn garbled_bytes_repeat_by_their_seed() {
    let body = br#"{"state":"AUTHORIZED","aggregate":{}}"#;
    let garbled = |seed: u64, bytes: u64| -> Vec<Vec<u8>> {
        let mut faults = Faults::default();
        faults.add(rule(json!({"operation": "get", "action": "garble", "bytes": bytes, "times": 0, "seed": seed})));
        let mut strike = || match faults.strike(Operation::Get, None, Stage::Whole) {
            Some(Fault { action: Action::Garble { bytes, seed, seen }, .. }) => {
                let mut body = body.to_vec();
                garble(&mut body, bytes, seed, seen);
                body
            }
            other => panic!("{other:?}"),
        };
        (0..200).map(|_| strike()).collect()
    };
    for bytes in [1, 3, body.len(), 1_000] {
        for one in garbled(1, bytes as u64) {
            let changed = one.iter().zip(body).filter(|(now, before)| now != before).count();
            assert_eq!((one.len(), changed), (body.len(), bytes.min(body.len())), "each is another one");
        }
    }
    assert_eq!(garbled(1, 3), garbled(1, 3));
    assert_ne!(garbled(1, 3), garbled(2, 3));
    let all = garbled(1, 1);
    assert!(all.iter().any(|one| one != &all[0]), "each request draws anew");
    garble(&mut [], 3, 0, 1);
    assert!(NewRule::parse(&json!({"operation": "get", "action": "garble", "bytes": 0})).is_err());
}

#[test]
fn jitter_repeats_by_its_seed() {
    let waits = |seed: u64| -> Vec<u64> {
        let mut faults = Faults::default();
        faults.add(rule(
            json!({"operation": "get", "action": "delay", "ms": 100, "jitter_ms": 50, "times": 0, "seed": seed}),
        ));
        let mut strike = || match faults.strike(Operation::Get, None, Stage::Whole) {
            Some(Fault { action: Action::ActLate(wait), .. }) => wait.ms,
            other => panic!("{other:?}"),
        };
        (0..500).map(|_| strike()).collect()
    };
    let first = waits(1);
    assert_eq!((first.iter().min(), first.iter().max()), (Some(&100), Some(&150)));
    assert_eq!(first, waits(1));
    assert_ne!(first, waits(2));
}

#[test]
fn connections_are_counted_apart_from_requests() {
    let mut faults = Faults::default();
    faults.add(rule(json!({"operation": "*", "action": "reset_before", "times": 0})));
    faults.add(rule(json!({"operation": "connection", "action": "limit", "connections": 2})));
    faults.add(rule(json!({"operation": "connection", "action": "refuse", "nth": 5, "times": 1})));
    let mut names = |open: usize| faults.strike_connection(open).map(|fault| (fault.rule, fault.name));
    assert_eq!(names(0), None);
    assert_eq!(names(2), Some((2, "limit")));
    assert_eq!(names(1), None);
    assert_eq!(names(2), Some((2, "limit")), "a limit holds until it is cleared");
    assert_eq!(names(0), Some((3, "refuse")));
    assert_eq!(names(0), None);
    let counts: Vec<_> =
        (1..=3).map(|id| faults.one(id).map(|one| (one["seen"].clone(), one["fired"].clone()))).collect();
    assert_eq!(counts, [(0, 0), (6, 2), (6, 1)].map(|(seen, fired)| Some((json!(seen), json!(fired)))));
}

#[test]
fn what_carries_no_token_has_none_to_lose() {
    let mut faults = Faults::default();
    faults.add(rule(json!({"operation": "*", "action": "revoke_token"})));
    for without in [Operation::Token, Operation::Landing, Operation::Unknown] {
        assert_eq!(faults.strike(without, None, Stage::Whole), None);
    }
    assert!(faults.strike(Operation::Get, None, Stage::Whole).is_some());
}

#[test]
fn the_list_can_be_posted_again() {
    let written = json!([
        {"operation": "capture", "action": "lose_answer", "reference": "r", "nth": 2, "times": 3},
        {"operation": "*", "action": "delay", "ms": 1, "jitter_ms": 9, "seed": 7, "probability": 0.5},
        {"operation": "get", "action": "status", "status": 429, "body": {"a": [1]}, "headers": {"Retry-After": "7"},
         "content_type": "text/plain", "act": true},
        {"operation": "connection", "action": "limit", "connections": 1, "wait": true},
        {"operation": "connection", "action": "certificate", "certificate": "other_name", "nth": 3},
    ]);
    let post = |faults: &mut Faults, list: &Value| {
        for one in list.as_array().expect("a list") {
            faults.add(rule(one.clone()));
        }
        faults.list()
    };
    let mut faults = Faults::default();
    faults.add(rule(json!({"operation": "get", "action": "refuse"})));
    assert_eq!(faults.clear(None), 1);
    let first = post(&mut faults, &written);
    for (said, listed) in written.as_array().expect("a list").iter().zip(first.as_array().expect("a list")) {
        for (name, value) in said.as_object().expect("an object") {
            assert_eq!(&listed[name], value, "{name}");
        }
    }
    faults.strike(Operation::Get, None, Stage::Whole);
    let counted = faults.list();
    let mut second = post(&mut Faults::default(), &counted);
    for (index, one) in second.as_array_mut().expect("a list").iter_mut().enumerate() {
        assert_eq!((&one["seen"], &one["fired"]), (&json!(0), &json!(0)));
        assert_eq!(one["id"], index + 1);
        one["id"] = first[index]["id"].clone();
    }
    assert_eq!(second, first);
}

#[test]
fn bad_rules_name_the_field() {
    for (value, field) in [
        (json!([]), "$"),
        (json!({"action": "refuse"}), "operation"),
        (json!({"operation": "pay", "action": "refuse"}), "operation"),
        (json!({"operation": "get"}), "action"),
        (json!({"operation": "get", "action": "explode"}), "action"),
        (json!({"operation": "get", "action": "limit", "connections": 1}), "action"),
        (json!({"operation": "get", "action": "status"}), "status"),
        (json!({"operation": "get", "action": "status", "status": 99}), "status"),
        (json!({"operation": "get", "action": "refuse", "nth": 0}), "nth"),
        (json!({"operation": "get", "action": "refuse", "ms": 1}), "ms"),
        (json!({"operation": "get", "action": "refuse", "probability": 1.5}), "probability"),
        (json!({"operation": "get", "action": "refuse", "probability": "0.5"}), "probability"),
        (json!({"operation": "get", "action": "refuse", "seed": -1}), "seed"),
        (json!({"operation": "get", "action": "delay"}), "ms"),
        (json!({"operation": "get", "action": "delay", "ms": -1}), "ms"),
        (json!({"operation": "get", "action": "delay", "ms": 1, "jitter_ms": 1.5}), "jitter_ms"),
        (json!({"operation": "get", "action": "duplicate", "answer": "third"}), "answer"),
        (json!({"operation": "get", "action": "wrong_content_type", "content_type": "a\nb"}), "content_type"),
        (json!({"operation": "token", "action": "revoke_token"}), "operation"),
        (json!({"operation": "landing", "action": "revoke_token"}), "operation"),
        (json!({"operation": "get", "action": "status", "status": 500, "headers": {"a": "b\r\nc"}}), "headers"),
        (json!({"operation": "connection", "action": "lose_answer"}), "action"),
        (json!({"operation": "connection", "action": "refuse", "reference": "r"}), "reference"),
        (json!({"operation": "connection", "action": "limit"}), "connections"),
        (json!({"operation": "connection", "action": "limit", "connections": 1, "wait": 1}), "wait"),
        (json!({"operation": "connection", "action": "certificate"}), "certificate"),
        (json!({"operation": "connection", "action": "certificate", "certificate": "red"}), "certificate"),
    ] {
        let BadRule { field: named, reason } = NewRule::parse(&value).expect_err("a bad rule");
        assert_eq!(named, field, "{value}: {reason}");
    }
}
