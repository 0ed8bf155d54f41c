//! How deliveries go. Source: Webhooks API guide, events, request authentication and retries.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, push};
use crate::receiver::{Receiver, Say};
use crate::webhooks::{ALL, register, registered};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// The state of the webhooks, once it is as wanted.
pub fn until(bench: &Bench, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let webhooks = bench.sim("GET", "webhooks", Value::Null);
        if wanted(&webhooks) {
            return webhooks;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {webhooks:#}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The deliveries, once nothing is under way and nothing is due.
pub fn settled(bench: &Bench) -> Vec<Value> {
    let now = bench.sim("GET", "clock", Value::Null)["now"].as_i64();
    let quiet = |delivery: &Value| {
        delivery["state"] != "under_way" && delivery["next_attempt_at"].as_i64().is_none_or(|at| Some(at) > now)
    };
    let all =
        until(bench, "it settles", |webhooks| webhooks["deliveries"].as_array().expect("a list").iter().all(quiet));
    all["deliveries"].as_array().expect("a list").clone()
}

pub fn statuses(delivery: &Value) -> Vec<&Value> {
    delivery["attempts"].as_array().expect("a list").iter().map(|attempt| &attempt["status"]).collect()
}

fn moments(delivery: &Value) -> Vec<i64> {
    let attempts = delivery["attempts"].as_array().expect("a list").iter();
    let at: Vec<i64> = attempts.map(|attempt| attempt["at"].as_i64().expect("a time")).collect();
    at.iter().map(|moment| moment - at[0]).collect()
}

#[test]
fn a_ride_is_told_signed_and_in_order() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    let (id, secret) = register(&bench, &receiver.url(), &ALL);
    bench.approved("ride-0001");
    bench.capture("ride-0001", 20_000, "capture-1").send();
    bench.refund("ride-0001", 500, "refund-1").send();
    bench.sim("POST", "payments/ride-0001/cancel", Value::Null);
    assert_eq!(receiver.names(5), ["CREATED", "AUTHORIZED", "CAPTURED", "REFUNDED", "CANCELLED"]);
    let log = bench.on("GET", "ride-0001", "/events").send().json();
    for (nth, delivered) in receiver.seen().iter().enumerate() {
        assert_eq!(delivered.request_line, "POST /hook?who=me HTTP/1.1");
        assert_eq!(delivered.header("host"), receiver.host());
        assert_eq!(delivered.header("content-type"), "application/json");
        assert_eq!(delivered.header("webhook-id"), id);
        assert!(delivered.is_signed_for(&secret, &receiver.host()));
        assert!(!delivered.is_signed_for(&secret[1..], &receiver.host()));
        // The entry of the event log, and the sales unit.
        let mut body = delivered.json();
        assert_eq!(body.as_object_mut().expect("an object").remove("msn"), Some(json!("123456")));
        assert_eq!(body, log[nth]);
        assert!(!String::from_utf8_lossy(&delivered.body).contains(&PHONE[2..]));
    }
    let captured = receiver.seen()[2].json();
    assert_eq!((&captured["amount"]["value"], &captured["idempotencyKey"]), (&json!(20_000), &json!("capture-1")));
    assert!(settled(&bench).iter().all(|delivery| delivery["state"] == "delivered" && statuses(delivery) == [200]));
}

#[test]
fn only_what_was_asked_for_and_since_then() {
    let bench = Bench::new();
    let (receiver, expiring) = (Receiver::new(), Receiver::new());
    bench.create("ride-0001").send();
    register(&bench, &receiver.url(), &[ALL[1], ALL[5], ALL[7]]);
    register(&bench, &expiring.url(), &[ALL[6], ALL[3]]);
    bench.approve("ride-0001");
    bench.create("ride-0002").send();
    bench.sim("POST", "payments/ride-0002/decline", Value::Null);
    bench.create("ride-0003").send();
    bench.cancel("ride-0003", false).send();
    bench.create("ride-0004").send();
    let told: Vec<_> = receiver.wait(3).iter().map(|delivered| (delivered.reference(), delivered.name())).collect();
    for pair in [("ride-0001", "AUTHORIZED"), ("ride-0002", "ABORTED"), ("ride-0003", "TERMINATED")] {
        assert!(told.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{told:?}");
    }
    // Nobody asks, and time brings it about: the expiry, and the end of the reservation.
    bench.advance(181 * DAY);
    let late = expiring.wait(2);
    let find = |name: &str| late.iter().find(|delivered| delivered.name() == name).map(|one| one.reference());
    assert_eq!(find("EXPIRED").as_deref(), Some("ride-0004"));
    assert_eq!(find("CANCELLED").as_deref(), Some("ride-0001"));
    settled(&bench);
    assert_eq!((receiver.seen().len(), expiring.seen().len()), (3, 2));
}

#[test]
fn what_the_passenger_does_is_told_without_a_request() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    bench.sim("POST", "passenger", json!({"rule": "approve-after=30ms"}));
    bench.sim("POST", "clock", json!({"freeze": false}));
    bench.create("ride-0001").send();
    assert_eq!(receiver.names(2), ["CREATED", "AUTHORIZED"]);
}

#[test]
fn the_approval_says_more_under_its_switches() {
    let bench = Bench::with(&["--switch", "capture-guaranteed-until=present", "--switch", "timestamps=ticks"]);
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &[ALL[1]]);
    let mut body = push("ride-0001");
    body["profile"] = json!({"scope": "name"});
    bench.create_with(&body).send();
    bench.approve("ride-0001");
    let told = receiver.wait(1)[0].json();
    let seen = bench.get("ride-0001").json();
    assert_eq!(told["captureGuaranteedUntil"], seen["captureGuaranteedUntil"]);
    assert_eq!(told["sub"], seen["profile"]["sub"]);
    assert!(told["sub"].is_string() && told["captureGuaranteedUntil"].is_string());
    assert_eq!(told["timestamp"].as_str().map(str::len), Some("2026-01-02T03:04:05.6780000Z".len()));
}

#[test]
fn a_failing_event_holds_up_its_own_payment_alone() {
    let bench = Bench::new();
    let receiver = Receiver::that(|delivered| match (delivered.reference().as_str(), delivered.name().as_str()) {
        ("ride-0001", "CREATED") => Say::Status(500),
        _ => Say::Status(204),
    });
    register(&bench, &receiver.url(), &ALL);
    bench.approved("ride-0001");
    bench.approved("ride-0002");
    let deliveries = settled(&bench);
    let of = |reference: &str, event: &str| {
        let found = deliveries.iter().find(|one| one["reference"] == reference && one["event"] == event);
        found.unwrap_or_else(|| panic!("{reference} {event}")).clone()
    };
    assert_eq!(statuses(&of("ride-0001", "CREATED")), [500]);
    assert_eq!(statuses(&of("ride-0001", "AUTHORIZED")), Vec::<&Value>::new());
    assert_eq!(statuses(&of("ride-0002", "AUTHORIZED")), [204]);
    assert_eq!(bench.sim("GET", "webhooks", Value::Null)["registrations"][0]["waiting"], 2);
    receiver.say(|_| Say::Status(200));
    assert_eq!(receiver.seen().len(), 3, "nothing more before its time");
    bench.advance(2 * SECOND);
    let names = receiver.names(5);
    assert_eq!(names[3..], ["CREATED", "AUTHORIZED"]);
}

#[test]
fn retries_follow_the_plan() {
    let bench = Bench::new();
    let receiver = Receiver::that(|_| Say::Status(503));
    let (_, secret) = register(&bench, &receiver.url(), &[ALL[0]]);
    bench.create("ride-0001").send();
    for (advance, count) in [(0, 1), (1_999, 1), (1, 2), (2_000, 3), (2_000, 4), (59_999, 4), (1, 5), (120_000, 6)] {
        bench.advance(advance);
        assert_eq!(settled(&bench)[0]["attempts"].as_array().map(Vec::len), Some(count));
    }
    // The rest of a week passes at once, each attempt at its own time.
    bench.advance(7 * DAY);
    let deliveries = settled(&bench);
    let moments = moments(&deliveries[0]);
    assert_eq!(moments[..6], [0, 2_000, 4_000, 6_000, 66_000, 186_000]);
    assert!(moments[5..29].windows(2).all(|pair| pair[1] - pair[0] == HOUR), "{moments:?}");
    assert!(moments[28..].windows(2).all(|pair| pair[1] - pair[0] == DAY), "{moments:?}");
    assert_eq!((moments.len(), &deliveries[0]["state"]), (35, &json!("given_up")));
    let seen = receiver.seen();
    assert!(seen.iter().all(|delivered| delivered.is_signed_for(&secret, &receiver.host())));
    assert!(seen.windows(2).all(|pair| pair[0].header("x-ms-date") != pair[1].header("x-ms-date")));
    assert!(seen.windows(2).all(|pair| pair[0].body == pair[1].body));
    bench.advance(6 * DAY);
    assert_eq!((settled(&bench).len(), receiver.seen().len()), (1, 35), "given up for good");
}

#[test]
fn given_up_makes_way_for_the_next() {
    let bench = Bench::new();
    let receiver = Receiver::that(|delivered| Say::Status(if delivered.name() == "CREATED" { 400 } else { 200 }));
    register(&bench, &receiver.url(), &ALL);
    bench.approved("ride-0001");
    bench.advance(7 * DAY);
    let deliveries = settled(&bench);
    assert_eq!((&deliveries[0]["state"], &deliveries[1]["state"]), (&json!("given_up"), &json!("delivered")));
    let last = deliveries[0]["attempts"][34]["at"].as_i64();
    assert_eq!(deliveries[1]["attempts"][0]["at"].as_i64(), last);
}

#[test]
fn readings_of_what_is_not_published() {
    let bench = Bench::with(&["--preset", "other"]);
    let receiver = Receiver::that(|_| Say::Status(500));
    let (id, secret) = register(&bench, &receiver.url(), &[ALL[0]]);
    bench.create("ride-0001").send();
    settled(&bench);
    bench.advance(2 * SECOND);
    let deliveries = settled(&bench);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    for delivered in &seen {
        assert_eq!(delivered.header("host"), receiver.host(), "HTTP wants the port");
        assert!(delivered.is_signed_for(&secret, "127.0.0.1"), "the signature has none");
        assert_eq!(delivered.header("webhook-id"), deliveries[0]["id"]);
        assert!(delivered.header("webhook-id") != id);
    }
    assert_eq!(seen[0].header("x-ms-date"), seen[1].header("x-ms-date"), "the same signature");
}

#[test]
fn a_receiver_that_is_gone() {
    let bench = Bench::with(&["--token-life", "365d"]);
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    register(&bench, &format!("http://{address}/"), &[ALL[0], ALL[1]]);
    bench.create("ride-0001").send();
    let deliveries = settled(&bench);
    assert_eq!(deliveries[0]["attempts"][0]["error"], "cannot connect: connection refused");
    bench.advance(14 * DAY - 1);
    settled(&bench);
    assert_eq!(registered(&bench).len(), 1);
    bench.create("ride-0002").send();
    settled(&bench);
    bench.advance(1);
    let deliveries = settled(&bench);
    assert_eq!(registered(&bench), Vec::<Value>::new(), "two weeks of silence");
    assert_eq!((&deliveries[0]["state"], &deliveries[1]["state"]), (&json!("given_up"), &json!("dropped")));
    bench.create("ride-0003").send();
    assert_eq!(settled(&bench).len(), 2, "nobody is told");
}

#[test]
fn an_answer_in_time_keeps_the_registration() {
    let bench = Bench::with(&["--token-life", "365d"]);
    let receiver = Receiver::that(|delivered| Say::Status(if delivered.name() == "CREATED" { 500 } else { 200 }));
    register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0001").send();
    settled(&bench);
    // In one jump: what happens within it counts as if it had not been one.
    bench.approve("ride-0001");
    bench.advance(20 * DAY);
    let deliveries = settled(&bench);
    assert_eq!(deliveries[1]["state"], "delivered");
    assert_eq!(registered(&bench).len(), 1);
    assert_eq!(bench.sim("GET", "webhooks", Value::Null)["registrations"][0]["silent_since"], Value::Null);
}

#[test]
fn answers_that_are_none() {
    for (say, status, error) in [
        (Say::Status(302), json!(302), None),
        (Say::Status(404), json!(404), None),
        (Say::Nothing, Value::Null, Some("no answer")),
    ] {
        let bench = Bench::new();
        let receiver = Receiver::that(move |_| say);
        register(&bench, &receiver.url(), &[ALL[0]]);
        bench.create("ride-0001").send();
        let deliveries = settled(&bench);
        let attempt = &deliveries[0]["attempts"][0];
        assert_eq!((&deliveries[0]["state"], &attempt["status"]), (&json!("waiting"), &status), "{say:?}");
        let text = attempt["error"].as_str();
        assert_eq!(text.is_some(), error.is_some(), "{text:?}");
        assert!(text.unwrap_or_default().contains(error.unwrap_or_default()), "{text:?}");
        assert_eq!(receiver.seen().len(), 1, "no redirect is followed");
    }
}

#[test]
fn a_delivery_under_way_holds_nothing_up_and_survives_no_reset() {
    let mut bench = Bench::new();
    let receiver = Receiver::that(|_| Say::Wait);
    let (id, _) = register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0001").send();
    receiver.wait(1);
    assert_eq!(bench.state("ride-0001"), "CREATED");
    until(&bench, "it is under way", |webhooks| webhooks["deliveries"][0]["state"] == "under_way");
    assert_eq!(bench.call("DELETE", &format!("/webhooks/v1/webhooks/{id}")).send().status, 204);
    receiver.let_go();
    let over = until(&bench, "the answer is noted", |w| w["deliveries"][0]["attempts"][0]["status"] == 200);
    assert_eq!(over["deliveries"][0]["state"], "dropped");

    register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0002").send();
    receiver.wait(2);
    bench.sim("POST", "reset", Value::Null);
    bench.token = bench.fetch_token();
    receiver.let_go();
    receiver.say(|_| Say::Status(200));
    register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0001").send();
    receiver.wait(3);
    let after = until(&bench, "the new one is delivered", |webhooks| webhooks["deliveries"][0]["state"] == "delivered");
    assert_eq!(after["deliveries"].as_array().map(Vec::len), Some(1), "of the old one nothing is heard");
}

#[test]
fn a_delivery_under_way_in_a_snapshot_is_begun_again() {
    let bench = Bench::new();
    let receiver = Receiver::that(|_| Say::Wait);
    let (_, secret) = register(&bench, &receiver.url(), &ALL);
    bench.create("ride-0001").send();
    receiver.wait(1);
    bench.sim("POST", "snapshots/before", Value::Null);
    receiver.say(|_| Say::Status(200));
    receiver.let_go();
    assert_eq!(settled(&bench)[0]["state"], "delivered");
    bench.sim("POST", "snapshots/before/restore", Value::Null);
    let again = receiver.wait(2)[1].clone();
    assert!(again.is_signed_for(&secret, &receiver.host()));
    let deliveries = settled(&bench);
    assert_eq!((deliveries.len(), statuses(&deliveries[0])), (1, vec![&json!(200)]));
}

#[test]
fn many_at_once() {
    let bench = Bench::with(&["--rate-limits", "off"]);
    let receiver = Receiver::new();
    register(&bench, &receiver.url(), &ALL);
    register(&bench, &receiver.url(), &ALL);
    let references: Vec<String> = (0..100).map(|n| format!("ride-{n:04}")).collect();
    references.iter().for_each(|reference| bench.approved(reference));
    let all = receiver.wait(400);
    for reference in &references {
        let mut names: Vec<String> =
            all.iter().filter(|one| one.reference() == *reference).map(|one| one.name()).collect();
        assert_eq!(names.iter().filter(|name| *name == "CREATED").count(), 2);
        names.retain(|name| name == "AUTHORIZED");
        assert_eq!(names.len(), 2);
    }
}

/// The receiver is another simulator, which has no such path and says so through TLS.
#[test]
fn https_with_an_authority() {
    let other = Bench::secure(&[]);
    let stranger = Bench::secure(&[]);
    let attempt = |arguments: &[&str]| {
        let bench = Bench::with(arguments);
        register(&bench, &format!("{}/hook", other.url), &[ALL[0]]);
        bench.create("ride-0001").send();
        settled(&bench)[0]["attempts"][0].clone()
    };
    let write = |pem: &Option<String>, name: &str| {
        let path = std::env::temp_dir().join(format!("vp-simulator-test-{}-{name}.pem", std::process::id()));
        std::fs::write(&path, pem.as_ref().expect("an authority")).expect("writes");
        path
    };
    let (good, bad) = (write(&other.ca_pem, "good"), write(&stranger.ca_pem, "bad"));
    let with = |path: &std::path::Path| attempt(&["--webhook-ca-file", path.to_str().expect("a path")]);
    assert_eq!(with(&good)["status"], 404);
    let refused = with(&bad)["error"].as_str().expect("an error").to_owned();
    assert!(refused.starts_with("TLS: "), "{refused}");
    let without = attempt(&[])["error"].as_str().expect("an error").to_owned();
    assert!(without.contains("--webhook-ca-file"), "{without}");
    let _ = (std::fs::remove_file(good), std::fs::remove_file(bad));
}

#[test]
fn nothing_leaves_this_machine() {
    let bench = Bench::with(&["--switch", "webhook-url=strict"]);
    register(&bench, "https://192.0.2.1/hook", &[ALL[0]]);
    register(&bench, "https://webhook.invalid/hook", &[ALL[0]]);
    bench.create("ride-0001").send();
    let deliveries = settled(&bench);
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert_eq!(delivery["attempts"][0]["error"], "nothing is sent beyond this machine");
    }
}

#[test]
fn where_the_signature_of_a_delivery_stands() {
    for (value, [plain, beside]) in [("both", [1, 1]), ("authorization", [1, 0]), ("x-vipps", [0, 1])] {
        let bench = Bench::with(&["--switch", &format!("webhook-authorization={value}")]);
        let receiver = Receiver::new();
        let (_, secret) = register(&bench, &receiver.url(), &ALL);
        bench.create("ride-0001").send();
        let mut delivered = receiver.wait(1).remove(0);
        let count = |name: &str| delivered.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count();
        assert_eq!([count("authorization"), count("x-vipps-authorization")], [plain, beside], "{value}");
        if value == "both" {
            assert_eq!(delivered.header("authorization"), delivered.header("x-vipps-authorization"));
        }
        // As behind a proxy that takes the first one away: what stands in the other is good.
        if beside == 1 {
            let other = delivered.header("x-vipps-authorization").to_owned();
            delivered.headers.retain(|(key, _)| !key.eq_ignore_ascii_case("authorization"));
            delivered.headers.push(("Authorization".to_owned(), other));
        }
        assert!(delivered.is_signed_for(&secret, &receiver.host()), "{value}");
    }
}
