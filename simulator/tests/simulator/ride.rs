use serde_json::{Value, json};

use crate::bench::{Bench, modification, push, receipt, totals};

#[test]
fn a_whole_ride() {
    let bench = Bench::with(&["--passenger", "approve-after=3s"]);
    let mut body = push("ride-0001");
    body["metadata"] = json!({"rideId": "abc"});
    let created = bench.create_with(&body).send();
    assert_eq!((created.status, created.json()), (201, json!({"reference": "ride-0001"})));

    let waiting = bench.get("ride-0001").json();
    assert_eq!(waiting["state"], "CREATED");
    assert_eq!(waiting["metadata"], json!({"rideId": "abc"}));
    assert_eq!(waiting["profile"], json!({}));
    assert_eq!(totals(&waiting), [0, 0, 0, 0]);

    bench.advance(2_999);
    assert_eq!(bench.state("ride-0001"), "CREATED");
    bench.advance(1);
    let approved = bench.get("ride-0001").json();
    assert_eq!(approved["state"], "AUTHORIZED");
    assert_eq!(totals(&approved), [24500, 0, 0, 0]);

    let posted = bench.call("POST", "/order-management/v2/ECOM/receipts/ride-0001").json(&receipt(20000, 17857));
    assert_eq!(posted.send().status, 201);

    let captured = bench.capture("ride-0001", 20000, "c1").send();
    assert_eq!(captured.status, 200);
    assert_eq!(captured.header("content-type").as_deref(), Some("application/problem+json"));
    let captured = captured.json();
    assert_eq!(totals(&captured), [24500, 20000, 0, 0]);
    assert_eq!(captured["state"], "AUTHORIZED");
    assert_eq!(captured["pspReference"], waiting["pspReference"]);

    assert_eq!(totals(&bench.cancel("ride-0001", false).send().json()), [24500, 20000, 4500, 0]);
    assert_eq!(totals(&bench.refund("ride-0001", 5000, "r1").send().json()), [24500, 20000, 4500, 5000]);
    assert_eq!(totals(&bench.get("ride-0001").json()), [24500, 20000, 4500, 5000]);

    let events = bench.on("GET", "ride-0001", "/events").send().json();
    let names: Vec<&str> = events.as_array().expect("a list").iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["CREATED", "AUTHORIZED", "CAPTURED", "CANCELLED", "REFUNDED"]);
    assert_eq!(events[0]["idempotencyKey"], "create-ride-0001");
    assert_eq!(events[1]["idempotencyKey"], "create-ride-0001");
    assert_eq!(events[2]["idempotencyKey"], "c1");
    assert_eq!(events[3].get("idempotencyKey"), None);
    assert_eq!(events[3]["amount"]["value"], 4500);
    assert_eq!(events[0]["pspReference"], waiting["pspReference"]);

    let entry = bench.ledger("ride-0001");
    assert_eq!(entry["capture_count"], 1);
    assert_eq!(entry["captures"][0]["amount"], 20000);
    assert_eq!(entry["captures"][0]["idempotency_key"], "c1");
    assert_eq!(entry["receipt"]["bottomLine"]["posId"], "taxi_122");
    assert_eq!(entry["pushes"], 1);
}

#[test]
fn a_declined_ride() {
    let bench = Bench::with(&["--passenger", "decline-after=2s"]);
    bench.create("ride-0001").send();
    bench.advance(2_000);
    assert_eq!(bench.state("ride-0001"), "ABORTED");
    assert_eq!(bench.capture("ride-0001", 24500, "c1").send().code(), (400, 6200));
}

#[test]
fn a_request_expires_after_ten_minutes() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    bench.advance(600_000 - 1);
    assert_eq!(bench.state("ride-0001"), "CREATED");
    bench.advance(1);
    assert_eq!(bench.state("ride-0001"), "EXPIRED");
    let late = bench.try_sim("POST", "payments/ride-0001/approve", &Value::Null);
    assert_eq!(late.status, 409);
}

#[test]
fn an_approval_just_before_the_end_counts_even_when_seen_later() {
    for (rule, state) in [("approve-after=599999ms", "AUTHORIZED"), ("approve-after=10m", "EXPIRED")] {
        let bench = Bench::with(&["--passenger", rule, "--token-life", "1d"]);
        bench.create("ride-0001").send();
        bench.advance(3_600_000);
        assert_eq!(bench.state("ride-0001"), state, "{rule}");
    }
}

#[test]
fn well_known_numbers_script_the_ride() {
    let bench = Bench::new();
    for (number, at_once, after) in [
        ("4799999903", "CREATED", "ABORTED"),
        ("4799999904", "CREATED", "CREATED"),
        ("4799999905", "AUTHORIZED", "AUTHORIZED"),
    ] {
        let reference = format!("ride-{number}");
        let mut body = push(&reference);
        body["customer"]["phoneNumber"] = json!(number);
        assert_eq!(bench.create_with(&body).send().status, 201);
        assert_eq!(bench.state(&reference), at_once, "{number}");
        bench.advance(2_000);
        assert_eq!(bench.state(&reference), after, "{number}");
    }
}

#[test]
fn force_approve() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let path = "/epayment/v1/test/payments/ride-0001/approve";
    let wrong = bench.call("POST", path).json(&json!({"customer": {"phoneNumber": "4798765432"}})).send();
    assert_eq!(wrong.code(), (400, 10010));
    let right = json!({"customer": {"phoneNumber": "4791234567"}});
    let approved = bench.call("POST", path).json(&right).send();
    assert_eq!((approved.status, approved.body.len()), (200, 0));
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    assert_eq!(bench.call("POST", path).json(&right).send().code(), (400, 6230));
    assert_eq!(bench.call("POST", path).json(&json!({})).send().invalid(), ["$"]);
}

#[test]
fn flows_that_are_opened_have_an_address() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body.as_object_mut().expect("an object").remove("customer");
    body["userFlow"] = json!("QR");
    body["qrFormat"] = json!({"format": "TEXT/TARGETURL"});
    let created = bench.create_with(&body).send().json();
    let url = created["redirectUrl"].as_str().expect("an address").to_owned();
    assert!(url.starts_with(&bench.simulator.url), "{url}");
    assert_eq!(bench.get("ride-0001").json()["redirectUrl"], url);
    let token = url.split_once("token=").expect("a token").1;
    let approval = bench.call("POST", "/epayment/v1/test/payments/ride-0001/approve").json(&json!({"token": token}));
    assert_eq!(approval.send().status, 200);

    let mut body = push("ride-0002");
    body["userFlow"] = json!("WEB_REDIRECT");
    assert_eq!(bench.create_with(&body).send().code(), (400, 4140));
    body["returnUrl"] = json!("https://example.com/done");
    let again = bench.create_with(&body).key("another").send();
    assert_eq!(again.status, 201);
    assert!(again.json()["redirectUrl"].is_string());
}

#[test]
fn readings_of_what_the_sources_leave_open() {
    let bench = Bench::new();
    bench.approved("ride-0001");

    bench.switch("profile", "missing");
    bench.switch("capture-guaranteed-until", "present");
    let body = bench.get("ride-0001").json();
    assert_eq!(body.get("profile"), None);
    assert!(body["captureGuaranteedUntil"].as_str().is_some_and(|at| at.ends_with("+00:00")));

    bench.switch("adjust-content-type", "application/json");
    bench.switch("adjust-aggregate", "missing");
    let reply = bench.capture("ride-0001", 100, "c1").send();
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.json().get("aggregate"), None);
    bench.switch("adjust-aggregate", "empty");
    assert_eq!(bench.capture("ride-0001", 100, "c2").send().json(), json!({}));

    bench.switch("adjust-aggregate", "only");
    let alone = bench.refund("ride-0001", 100, "r1").send().json();
    assert_eq!(totals(&alone), [24500, 200, 0, 100]);
    assert_eq!(alone.as_object().map(|body| body.len()), Some(1), "{alone}");

    bench.switch("adjust-aggregate", "lagging:2000");
    bench.advance(2_000);
    assert_eq!(totals(&bench.capture("ride-0001", 300, "c3").send().json()), [24500, 200, 0, 100]);
    let seen = |bench: &Bench| {
        let events = bench.on("GET", "ride-0001", "/events").send().json();
        (totals(&bench.get("ride-0001").json())[1], events.as_array().map(Vec::len))
    };
    assert_eq!(seen(&bench), (200, Some(5)));
    bench.advance(1_999);
    assert_eq!(seen(&bench), (200, Some(5)));
    bench.advance(1);
    assert_eq!(seen(&bench), (500, Some(6)));
    assert_eq!(bench.ledger("ride-0001")["captured"], 500);

    bench.switch("timestamps", "mixed");
    let events = bench.on("GET", "ride-0001", "/events").send().json();
    let lengths: Vec<usize> =
        events.as_array().expect("a list").iter().filter_map(|e| Some(e["timestamp"].as_str()?.len())).collect();
    assert_eq!(lengths, [28, 24, 20, 29, 28, 24]);
}

#[test]
fn the_portal_leaves_no_key() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.sim("POST", "payments/ride-0001/capture", json!({"amount": 500}));
    bench.sim("POST", "payments/ride-0001/refund", json!({"amount": 100}));
    bench.sim("POST", "payments/ride-0001/cancel", Value::Null);
    let entry = bench.ledger("ride-0001");
    assert_eq!(
        (&entry["captured"], &entry["cancelled"], &entry["refunded"]),
        (&json!(500), &json!(24000), &json!(100))
    );
    let events = bench.on("GET", "ride-0001", "/events").send().json();
    assert!(events.as_array().expect("a list")[2..].iter().all(|e| e.get("idempotencyKey").is_none()));
    assert_eq!(bench.on("POST", "ride-0001", "/capture").key("c").json(&modification(1)).send().code(), (400, 6070));
}
