//! Whole rides over HTTPS, step by step and in one call. The last word has the servers' ledger.

use serde_json::json;

use crate::common::{sent, Bench, Driver, Link, FARE};

const REF: &str = "trip-0001";

/// Created and approved.
#[track_caller]
fn approved(bench: &Bench) -> Driver {
    let mut meter = bench.meter();
    meter
        .call("create")
        .is("rc=VP_OK state=CREATED verdict=WAIT next=POLL");
    let reply = meter.call("poll wait=60000");
    reply.is(
        "rc=VP_OK state=AUTHORIZED verdict=WAIT next=CAPTURE owed= authorized=24900 captured=0",
    );
    meter
}

fn step_by_step(link: Link) {
    let bench = Bench::tls(&[]).link(link);
    let mut meter = approved(&bench);
    let reply =
        meter.call("receipt lines=2 l0.total=20000 l1.total=4900 l1.name=Ferry l1.rate=2500");
    reply.is("rc=VP_OK owed= next=CAPTURE");
    let reply = meter.call("capture amount=24900 final=1");
    reply.is(
        "rc=VP_OK verdict=PAID_LEAVE next=DONE owed= says=PAID captured=24900 cancelled=0 closed=1",
    );
    assert!(reply.number("bytes_sent") > 1_000 && reply.number("bytes_received") > 1_000);

    let ledger = bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(ledger["state"], "AUTHORIZED");
    assert_eq!(ledger["user_flow"], "PUSH_MESSAGE");
    assert_eq!(ledger["pushes"], 1);
    let lines = ledger["receipt"]["orderLines"].as_array().expect("lines");
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[1]["totalAmount"], &lines[1]["totalTaxAmount"]),
        (&json!(4900), &json!(980))
    );

    // The same capture again, and the same ride after a restart: nothing happens twice.
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK captured=24900");
    meter.quit();
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("known")
        .is("rc=VP_OK verdict=PAID_LEAVE closed=1");
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("capture"), 1);
    assert_eq!(bench.sim.count("create"), 1);
    meter.quit();
}

#[test]
fn approved_with_the_shared_library() {
    step_by_step(Link::Shared);
}

#[test]
fn approved_with_the_static_library() {
    step_by_step(Link::Static);
}

#[test]
fn the_requests_carry_the_documented_headers() {
    let bench = Bench::tls(&[])
        .with("system_name=MeterOS system_version=4.2 plugin_name=kit plugin_version=1");
    let mut meter = approved(&bench);
    meter.call("capture amount=24900 final=1").is("rc=VP_OK");
    let requests = bench.sim.requests();
    for request in &requests {
        let headers = &request["headers"];
        let header = |name: &str| {
            headers[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {request:#}"))
                .to_owned()
        };
        for (name, value) in [
            ("merchant-serial-number", "123456"),
            ("vipps-system-name", "MeterOS"),
            ("vipps-system-version", "4.2"),
            ("vipps-system-plugin-name", "kit"),
            ("vipps-system-plugin-version", "1"),
        ] {
            assert_eq!(header(name), value, "{request:#}");
        }
        assert!(header("user-agent").starts_with("vpmeter/"));
    }
    let keys = |operation: &str| -> Vec<String> {
        let list = sent(&requests, operation);
        list.iter()
            .filter_map(|r| r["idempotency_key"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!((keys("create").len(), keys("capture").len()), (1, 1));
    assert_ne!(keys("create"), keys("capture"));
    assert_eq!(keys("get"), Vec::<String>::new());
    let create = &sent(&requests, "create")[0]["body"];
    assert_eq!(create["customerInteraction"], "CUSTOMER_PRESENT");
    assert_eq!(create["paymentDescription"], "Taxi, Oslo");
    assert_eq!(create["amount"], json!({"currency": "NOK", "value": FARE}));
    // One token and one connection serve the ride.
    assert_eq!(sent(&requests, "token").len(), 1);
    let first = &requests[0]["connection"];
    assert!(
        requests.iter().all(|r| &r["connection"] == first),
        "{requests:#?}"
    );
}

#[test]
fn declined() {
    let bench = Bench::tls(&["--passenger", "decline-after=4s"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    let reply = meter.call("poll");
    reply.is(
        "rc=VP_OK state=ABORTED verdict=TAKE_OTHER_PAYMENT next=DONE says=DECLINED owed= closed=1",
    );
    meter
        .call("capture amount=24900")
        .is("rc=VP_ERR_WRONG_STATE verdict=TAKE_OTHER_PAYMENT");
    bench.sim.books(REF, &[], 0, &[]);
    assert_eq!(bench.sim.count("capture"), 0);
}

#[test]
fn expired_after_ten_minutes() {
    let bench = Bench::tls(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter
        .call("poll wait=590000")
        .is("rc=VP_PENDING state=CREATED verdict=WAIT next=POLL");
    let reply = meter.call("poll wait=60000");
    reply.is("rc=VP_OK state=EXPIRED verdict=TAKE_OTHER_PAYMENT next=DONE says=TIMED_OUT closed=1");
    bench.sim.books(REF, &[], 0, &[]);
    // First after 5 s, then every 2 s.
    let reads = bench.sim.count("get");
    assert!((280..=305).contains(&reads), "{reads} reads");
}

#[test]
fn cancelled_by_the_driver() {
    let bench = Bench::tls(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll wait=8000").is("rc=VP_PENDING");
    let reply = meter.call("cancel how=if_not_approved");
    reply.is(
        "rc=VP_OK state=TERMINATED verdict=TAKE_OTHER_PAYMENT next=DONE says=CANCELLED closed=1",
    );
    assert_eq!(bench.sim.ledger(REF)["state"], "TERMINATED");
    // The press bounced.
    meter
        .call("cancel how=if_not_approved")
        .is("rc=VP_OK verdict=TAKE_OTHER_PAYMENT");
    assert_eq!(bench.sim.count("cancel"), 1);
}

#[test]
fn cancelled_but_the_passenger_was_faster() {
    let bench = Bench::tls(&["--passenger", "approve-on-cancel"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    let reply = meter.call("cancel how=if_not_approved");
    reply.is("rc=VP_ERR_ALREADY_APPROVED state=AUTHORIZED verdict=WAIT next=CAPTURE says=ALREADY_APPROVED");
    bench.sim.books(REF, &[], 0, &[]);
    // No cash; the host goes on to capture.
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn given_up_and_a_late_approval_is_released() {
    let bench = Bench::tls(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    // A dead zone: cash may be taken all the same.
    bench
        .sim
        .fault(json!({"operation": "*", "action": "refuse", "times": 0}));
    let reply = meter.call("cancel how=give_up wait=3000");
    reply.is("verdict=TAKE_OTHER_RELEASE_OWED next=SETTLE says=GIVEN_UP_RELEASE_OWED closed=0");
    assert!(
        ["VP_ERR_OUTCOME_UNKNOWN", "VP_ERR_NETWORK", "VP_PENDING"].contains(&reply.code()),
        "{}",
        reply.code()
    );
    assert!(reply.owes("RELEASE"));
    meter.kill();
    bench.sim.act(REF, "approve");
    bench.sim.clear_faults();

    let mut meter = bench.meter();
    meter
        .call("capture amount=24900")
        .is("rc=VP_ERR_WRONG_STATE");
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("known")
        .is("verdict=TAKE_OTHER_PAYMENT next=DONE owed= captured=0 cancelled=24900 closed=1");
    bench.sim.books(REF, &[], FARE, &[]);
    assert_eq!(bench.sim.count("capture"), 0);
}

#[test]
fn partly_captured_with_release_of_the_rest() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    let reply = meter.call("capture amount=20000 final=1");
    reply.is("rc=VP_OK verdict=PAID_LEAVE next=DONE captured=20000 cancelled=4900 says=RELEASED_REST closed=1");
    bench.sim.books(REF, &[20_000], 4_900, &[]);
}

#[test]
fn two_partial_captures_and_then_the_rest() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    meter
        .call("capture amount=10000")
        .is("rc=VP_OK verdict=PAID_LEAVE next=CAPTURE captured=10000 closed=0");
    // A double press is the same capture; the second one says that it is the second.
    meter
        .call("capture amount=10000")
        .is("rc=VP_OK captured=10000");
    meter
        .call("capture amount=10000 nth=2")
        .is("rc=VP_OK next=CAPTURE captured=20000");
    meter
        .call("capture amount=10000 nth=2")
        .is("rc=VP_OK captured=20000");
    meter
        .call("capture amount=9999 nth=2")
        .is("rc=VP_ERR_WRONG_STATE captured=20000");
    meter
        .call("capture amount=1000 nth=4")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=flags");
    meter
        .call("cancel how=release_rest")
        .is("rc=VP_OK next=DONE cancelled=4900 closed=1");
    bench.sim.books(REF, &[10_000, 10_000], 4_900, &[]);
}

#[test]
fn refunded_and_a_double_press_refunds_once() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    meter.call("capture amount=24900 final=1").is("rc=VP_OK");
    meter.quit();
    let mut meter = bench.meter();
    for _ in 0..2 {
        meter
            .call("refund amount=5000")
            .is("rc=VP_OK refunded=5000 verdict=PAID_LEAVE");
    }
    meter
        .call("refund amount=4000")
        .is("rc=VP_ERR_WRONG_STATE refunded=5000");
    meter
        .call("refund amount=4000 nth=2")
        .is("rc=VP_OK refunded=9000");
    meter
        .call("refund amount=15901 nth=3")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=amount");
    let reply = meter.call("refund amount=15900 nth=3");
    reply.is("rc=VP_OK refunded=24900 verdict=TAKE_OTHER_PAYMENT says=REFUNDED closed=1");
    bench.sim.books(REF, &[FARE], 0, &[5_000, 4_000, 15_900]);
}

#[test]
fn a_receipt_whose_answer_was_lost_is_read_back() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    bench
        .sim
        .fault(json!({"operation": "receipt", "action": "reset_after"}));
    meter
        .call("receipt lines=1 l0.total=24900 l0.quantity=12345 l0.unit=2 l0.unit_price=2017")
        .is("rc=VP_OK owed=");
    let requests = bench.sim.requests();
    assert_eq!(sent(&requests, "receipt").len(), 2);
    assert_eq!(sent(&requests, "receipt")[1]["acted"], false);
    assert_eq!(sent(&requests, "order").len(), 1);
    let info = &bench.sim.ledger(REF)["receipt"]["orderLines"][0]["unitInfo"];
    assert_eq!(
        info,
        &json!({"unitPrice": 2017, "quantity": "12.345", "quantityUnit": "KM"})
    );
    meter
        .call("receipt lines=1 l0.total=24900 l0.name=Other")
        .is("rc=VP_OK");
    meter
        .call("receipt lines=1 l0.total=24000")
        .is("rc=VP_ERR_WRONG_STATE");
    // What is captured must be what the receipt says.
    meter
        .call("capture amount=24800 final=1")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=amount");
    meter.call("capture amount=24900 final=1").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn a_whole_ride_in_one_call_with_its_receipt() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.meter();
    let line = "ride wait=660000 trip=77 lines=1 l0.total=24900 tip=0";
    meter
        .call(line)
        .is("rc=VP_OK verdict=PAID_LEAVE next=DONE owed= closed=1 trip=77 captured=24900");
    let ledger = bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(ledger["receipt"]["bottomLine"]["posId"], "taxi-122");
    assert_eq!(ledger["receipt"]["bottomLine"]["receiptNumber"], "17");
    let states: Vec<&str> = meter
        .told("payment")
        .iter()
        .map(|e| e.get("state"))
        .collect();
    let verdicts: Vec<&str> = meter
        .told("payment")
        .iter()
        .map(|e| e.get("verdict"))
        .collect();
    assert_eq!(states[..3], ["RECORDED", "CREATED", "AUTHORIZED"]);
    assert_eq!(verdicts.last(), Some(&"PAID_LEAVE"));
    assert!(verdicts.contains(&"SECURED_LEAVE"), "{verdicts:?}");
    // Again, and after a restart: the same outcome, and nothing is sent.
    let before = bench.sim.requests().len();
    meter.call(line).is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit();
    bench.meter().call(line).is("rc=VP_OK verdict=PAID_LEAVE");
    assert_eq!(bench.sim.requests().len(), before);
    // The trip is paid.
    let mut meter = bench.meter();
    meter
        .call("ride ref=trip-0002 trip=77")
        .is("rc=VP_ERR_TRIP_IN_USE");
}

#[test]
fn a_whole_ride_that_is_declined() {
    let bench = Bench::tls(&["--passenger", "decline"]);
    let mut meter = bench.meter();
    let reply = meter.call("ride wait=660000 lines=1 l0.total=24900");
    reply.is("rc=VP_ERR_NOT_APPROVED state=ABORTED verdict=TAKE_OTHER_PAYMENT says=DECLINED");
    let ledger = bench.sim.books(REF, &[], 0, &[]);
    assert!(ledger["receipt"].is_null());
}

#[test]
fn a_slow_receipt_does_not_hold_up_the_capture() {
    let bench = Bench::tls(&[]);
    bench
        .sim
        .fault(json!({"operation": "receipt", "action": "status", "status": 503, "times": 0}));
    let mut meter = bench.meter();
    let reply = meter.call("ride wait=660000 lines=1 l0.total=24900");
    reply.is("rc=VP_OK verdict=PAID_LEAVE next=SETTLE owed=RECEIPT captured=24900 closed=0");
    meter.kill();
    bench.sim.clear_faults();
    let mut meter = bench.meter();
    meter.call("settle").is("rc=VP_OK");
    meter
        .call("known")
        .is("verdict=PAID_LEAVE next=DONE owed= closed=1");
    let ledger = bench.sim.books(REF, &[FARE], 0, &[]);
    assert!(!ledger["receipt"].is_null());
}

#[test]
fn danish_and_finnish_units_take_their_own_currency() {
    for (currency, market, phone, msisdn) in [
        ("DKK", "DK", "20 12 34 56", "4520123456"),
        ("EUR", "FI", "040 123 4567", "358401234567"),
    ] {
        let bench = Bench::tls(&["--currency", currency]).with(&format!("market={market}"));
        bench
            .sim
            .post("passenger", json!({"rule": "decline", "phone": msisdn}));
        let mut meter = bench.meter();
        let phone = crate::common::encode(phone);
        meter
            .call(&format!(
                "create currency={currency} amount=1 phone={phone}"
            ))
            .is("rc=VP_OK");
        // The rule for this number acts, so this was the number.
        meter
            .call("poll")
            .is(&format!("rc=VP_OK state=ABORTED currency={currency}"));
    }
}

#[test]
fn the_servers_log_and_the_shift() {
    let bench = Bench::tls(&[]);
    let mut meter = approved(&bench);
    meter.call("capture amount=20000 final=1").is("rc=VP_OK");
    meter.call("events").is("rc=VP_OK");
    let names: Vec<&str> = meter.told("entry").iter().map(|e| e.get("name")).collect();
    assert_eq!(names, ["CREATED", "AUTHORIZED", "CAPTURED", "CANCELLED"]);
    let captured = meter.told("entry")[2].clone();
    captured.is("amount=20000 success=1");
    assert_eq!(
        captured.get("key"),
        bench.sim.ledger(REF)["captures"][0]["idempotency_key"]
    );
    meter
        .call("events ref=trip-9999")
        .is("rc=VP_ERR_NO_SUCH_PAYMENT http=404 vipps=5090");
    meter
        .call("events wait=0")
        .is("rc=VP_ERR_INVALID_ARGUMENT field=wait_ms");

    meter
        .call("create ref=trip-0002 trip=78 then=hold")
        .is("rc=VP_OK");
    meter.events.clear();
    meter.call("list").is("rc=VP_OK");
    let listed: Vec<&str> = meter.told("listed").iter().map(|e| e.get("ref")).collect();
    assert_eq!(listed, ["trip-0001", "trip-0002"]);
    for (filter, expected) in [
        ("which=1", "trip-0002"),
        ("which=2", "trip-0001"),
        ("trip=78", "trip-0002"),
        ("most=1", "trip-0001"),
    ] {
        meter.events.clear();
        meter.call(&format!("list {filter}")).is("rc=VP_OK");
        let listed: Vec<&str> = meter.told("listed").iter().map(|e| e.get("ref")).collect();
        assert_eq!(listed, [expected], "{filter}");
    }
    meter.events.clear();
    meter.call("list filter=none").is("rc=VP_OK");
    assert_eq!(meter.told("listed").len(), 2);
}
