//! What ages, ages on the simulator's clock: minutes, hours and half years pass while a test runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::Bench;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Not a test of speed: only a hang would last this long.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
    }
}

fn run(bench: &Bench, speed: i64) {
    bench.sim("POST", "clock", json!({"freeze": false, "speed": speed}));
}

#[test]
fn ten_minutes_pass_at_once_on_a_fast_clock() {
    let bench = Bench::new();
    assert_eq!(bench.create("ride-0001").send().status, 201);
    run(&bench, 100_000);
    until("the request expires", || bench.ledger("ride-0001")["state"] == "EXPIRED");
    let ledger = bench.ledger("ride-0001");
    let lived = ledger["expires_at"].as_i64().zip(ledger["created_at"].as_i64()).map(|(end, start)| end - start);
    assert_eq!(lived, Some(10 * MINUTE));
}

#[test]
fn a_token_grows_old_on_a_fast_clock() {
    let bench = Bench::new();
    assert_eq!(bench.get("ride-0001").status, 404);
    run(&bench, 100_000);
    until("the token expires", || bench.get("ride-0001").status == 401);
}

#[test]
fn half_a_year_is_one_call() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.sim("POST", "clock", json!({"advance_ms": 180 * DAY}));
    let ledger = bench.ledger("ride-0001");
    assert_eq!((&ledger["captured"], &ledger["cancelled"]), (&json!(0), &json!(24500)));
}

#[test]
fn a_clock_that_stands_still_has_a_speed_for_later() {
    let bench = Bench::new();
    let before = bench.sim("GET", "clock", Value::Null);
    let after = bench.sim("POST", "clock", json!({"speed": 60}));
    assert_eq!((&after["now"], &after["frozen"], &after["speed"]), (&before["now"], &json!(true), &json!(60)));
    // A refused change changes nothing.
    let refused = bench.try_sim("POST", "clock", &json!({"advance_ms": 1, "speed": 0, "freeze": false}));
    assert_eq!(refused.status, 400);
    let still = bench.sim("GET", "clock", Value::Null);
    assert_eq!((&still["now"], &still["frozen"], &still["speed"]), (&before["now"], &json!(true), &json!(60)));
}

#[test]
fn the_command_line_sets_a_speed_and_a_reset_goes_back_to_it() {
    let bench = Bench::with(&["--speed", "1000"]);
    assert_eq!(bench.sim("GET", "clock", Value::Null)["speed"], 1000);
    bench.sim("POST", "clock", json!({"speed": 1, "advance_ms": DAY}));
    bench.sim("POST", "reset", Value::Null);
    let clock = bench.sim("GET", "clock", Value::Null);
    assert_eq!((&clock["speed"], &clock["frozen"]), (&json!(1000), &json!(false)));
    assert!(clock["offset_ms"].as_i64().expect("a number") < DAY);
}

/// The bench ends at once where an answer is not as the documents describe it.
#[test]
fn every_date_can_be_told_at_the_end_of_time() {
    let bench = Bench::with(&["--token-life", "3650d"]);
    let last = 253_370_764_799_999_i64;
    let now = bench.sim("GET", "clock", Value::Null)["now"].as_i64().expect("a time");
    bench.advance(last - now);
    for ms in [1, 86_400_000] {
        assert_eq!(bench.try_sim("POST", "clock", &json!({"advance_ms": ms})).status, 400);
    }
    let bench = Bench { token: bench.fetch_token(), ..bench };
    bench.switch("capture-guaranteed-until", "present");
    bench.switch("long-living", "allowed");
    for (n, (style, card)) in
        [("millis", "mastercard"), ("ticks", "visa"), ("seconds", "visa-electron"), ("offset", "bankaxept")]
            .into_iter()
            .enumerate()
    {
        bench.switch("timestamps", style);
        bench.switch("card", card);
        let reference = format!("ride-000{n}");
        bench.approved(&reference);
        let payment = bench.get(&reference);
        let date = payment.header("date").unwrap_or_default();
        assert!(date.contains("31 Dec 9998 23:59:59 GMT"), "{date}");
        let until = payment.json()["captureGuaranteedUntil"].as_str().unwrap_or_default().to_owned();
        assert!(until.starts_with("9999-0"), "{until}");
        let events = bench.on("GET", &reference, "/events").send();
        assert!(events.text().contains("9998-12-31T23:59:59"), "{}", events.text());
        assert_eq!(bench.capture(&reference, 100, &reference).send().status, 200);
    }
    assert_eq!(bench.token_call().header("client_secret", "wrong").send().status, 401);
    bench.sim("POST", "clock", json!({"freeze": false, "speed": 100_000}));
    assert_eq!(bench.get("ride-0000").status, 200);
    assert_eq!(bench.sim("GET", "clock", Value::Null)["now"], last, "it stands at its end");
}
