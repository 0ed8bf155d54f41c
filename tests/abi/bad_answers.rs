//! Whatever the servers, a gateway or a proxy answers: never a crash, never a hang, the trace id kept where there is one,
//! and a verdict that the ledger bears out.

use serde_json::{json, Value};

use crate::common::{Bench, Driver, FARE};

const REF: &str = "trip-0001";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn bench() -> Bench {
    Bench::new(&["--passenger", "approve"]).with("request_ms=2000 coarse=500")
}

/// Bodies that have been seen, and bodies that nobody should ever see.
fn zoo() -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::from(text);
    vec![
        ("empty", text("")),
        (
            "html",
            text("<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"),
        ),
        (
            "plain",
            text("upstream connect error or disconnect/reset before headers"),
        ),
        (
            "cut",
            text(r#"{"type":"https://httpstatuses.io/400","title":"Bad requ"#),
        ),
        ("deep arrays", text(&"[".repeat(100_000))),
        ("deep objects", text(&r#"{"a":"#.repeat(40_000))),
        ("too large", json!({"title": "x".repeat(300 * 1024)})),
        ("null", Value::Null),
        ("number", json!(12345678901234567890_u64)),
        (
            "array of messages",
            json!([{"errorMessage": "Something is not right", "errorCode": "35"}]),
        ),
        ("array of strings", json!(["Something is not right"])),
        ("object without anything", json!({})),
        (
            "gateway",
            json!({"statusCode": 400, "message": "The request is blocked.", "activityId": TRACE}),
        ),
        (
            "wrong types",
            json!({"type": 1, "title": ["a"], "status": {}, "traceId": 17, "detail": false, "extraDetails": "x",
                   "aggregate": "y", "state": 3, "reference": [], "pspReference": {}, "metadata": 1}),
        ),
        (
            "lists of odd things",
            json!({"title": "t", "type": "x", "extraDetails": [null, 1, [], {"name": 1, "reason": 2}, {"name": "ErrorCode"}],
                   "invalidParams": {"a": 1}}),
        ),
        (
            "amounts that are none",
            json!({"reference": REF, "state": "AUTHORIZED", "pspReference": "p", "aggregate": {
                "authorizedAmount": {"currency": "NOK", "value": "24900"},
                "capturedAmount": {"currency": "NOK", "value": 249.5},
                "cancelledAmount": {"currency": "NOK", "value": -1},
                "refundedAmount": {"currency": "NOK", "value": 1e300}}}),
        ),
        (
            "another payment",
            json!({"reference": "trip-9999", "state": "AUTHORIZED", "pspReference": "p", "aggregate": {
                "authorizedAmount": {"currency": "NOK", "value": FARE},
                "capturedAmount": {"currency": "NOK", "value": FARE},
                "cancelledAmount": {"currency": "NOK", "value": 0},
                "refundedAmount": {"currency": "NOK", "value": FARE}}}),
        ),
    ]
}

/// Goes on as a program would, call after call, and ends where nothing changes any more.
fn drive(meter: &mut Driver, what: &str) -> String {
    for line in [
        "create wait=90000",
        "poll wait=90000",
        "receipt lines=1 l0.total=24900 wait=90000",
        "capture amount=24900 wait=180000",
        "capture amount=24900 wait=180000",
        "refund amount=5000 wait=180000",
        "settle wait=180000",
    ] {
        let reply = meter.call(line);
        assert_ne!(
            reply.code(),
            "VP_ERR_PANIC",
            "{what}: {}",
            reply.everything()
        );
        assert_ne!(
            reply.code(),
            "VP_ERR_INTERNAL",
            "{what}: {}",
            reply.everything()
        );
        for array in ["message", "field", "trace"] {
            let text = reply.get(array);
            assert!(
                !text.chars().any(char::is_control),
                "{what}: {array} of {line}: {text:?}"
            );
        }
    }
    meter.call("known").get("verdict").to_owned()
}

/// Every operation × every body of the zoo, or every third, with one status; `acts`: the servers do what they were asked
/// all the same.
fn answered(status: u16, operations: &[&str], acts: bool, every: usize) {
    for operation in operations {
        for (name, body) in zoo().into_iter().step_by(every) {
            let what = format!("{status} with {name} to {operation}");
            let bench = bench();
            let mut rule = json!({"operation": operation, "action": "status", "status": status, "act": acts,
                                  "content_type": "application/json"});
            rule["body"] = body;
            bench.sim.fault(rule);
            let mut meter = bench.meter();
            let verdict = drive(&mut meter, &what);
            let ledger = bench.sim.ledger(REF);
            let captures = ledger["capture_count"].as_u64().unwrap_or(0);
            let captured = ledger["captured"].as_i64().unwrap_or(0);
            match verdict.as_str() {
                "PAID_LEAVE" => {
                    assert_eq!(captured, FARE, "{what}");
                    assert_eq!(captures, 1, "{what}: {ledger:#}");
                    assert!(ledger["refund_count"].as_u64() <= Some(1), "{what}");
                }
                "TAKE_OTHER_PAYMENT" => {
                    let dead = ledger.is_null()
                        || ["ABORTED", "EXPIRED", "TERMINATED"]
                            .contains(&ledger["state"].as_str().unwrap_or(""));
                    assert!(dead, "{what}: {ledger:#}");
                }
                // Refused by what may be the servers, and somebody must look.
                "ASK_OFFICE" => assert!((400..500).contains(&status), "{what}"),
                other => panic!("{what}: at the end the driver is told {other}"),
            }
            meter.quit();
        }
    }
}

const CHANGES: &[&str] = &["create", "receipt", "capture", "refund"];
const ALL: &[&str] = &["token", "create", "get", "receipt", "capture", "refund"];

#[test]
fn a_200_with_any_body_to_what_was_done() {
    answered(200, CHANGES, true, 1);
}

#[test]
fn a_200_with_any_body_to_what_was_not_done() {
    answered(200, ALL, false, 1);
}

#[test]
fn a_redirect_with_any_body() {
    answered(302, ALL, false, 3);
}

#[test]
fn a_400_with_any_body() {
    answered(400, &ALL[1..], false, 1);
}

#[test]
fn a_404_with_any_body() {
    answered(404, &ALL[1..], false, 3);
}

#[test]
fn a_409_with_any_body() {
    answered(409, &ALL[1..], false, 3);
}

#[test]
fn a_502_with_any_body() {
    answered(502, ALL, true, 3);
}

/// What is kept of a refusal: code, number, trace id, and a message without line breaks, numbers and length.
#[test]
fn the_shapes_of_refusals() {
    let domain = |code: &str| {
        json!({"type": "https://httpstatuses.io/400", "title": "A title", "status": 400, "detail": "A detail.",
               "instance": "/v1/payments", "traceId": TRACE, "extraDetails": [{"name": "ErrorCode", "reason": code}]})
    };
    let urn = "urn:uuid:3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    for (status, body, code, vipps, trace, message) in [
        (
            400,
            domain("7010"),
            "VP_ERR_CUSTOMER_NOT_FOUND",
            7010,
            TRACE,
            "A title: A detail.",
        ),
        (
            404,
            domain("7010"),
            "VP_ERR_CUSTOMER_NOT_FOUND",
            7010,
            TRACE,
            "A title: A detail.",
        ),
        (
            400,
            domain("5080"),
            "VP_ERR_PUSH_NOT_ALLOWED",
            5080,
            TRACE,
            "A title: A detail.",
        ),
        (
            403,
            domain("5080"),
            "VP_ERR_PUSH_NOT_ALLOWED",
            5080,
            TRACE,
            "A title: A detail.",
        ),
        (
            400,
            domain("6010"),
            "VP_ERR_AMOUNT",
            6010,
            TRACE,
            "A title: A detail.",
        ),
        (
            400,
            domain("4242"),
            "VP_ERR_REFUSED",
            4242,
            TRACE,
            "A title: A detail.",
        ),
        (
            400,
            domain("many"),
            "VP_ERR_REFUSED",
            0,
            TRACE,
            "A title: A detail.",
        ),
        (
            400,
            json!({"type": "t", "title": "Bad Request", "status": 400, "traceId": TRACE,
                   "extraDetails": [{"name": "reference", "reason": "does not match"}]}),
            "VP_ERR_REFUSED",
            0,
            TRACE,
            "Bad Request; reference: does not match",
        ),
        // The knowledge base's sample: a status in quotes, a URN, no trace id.
        (
            400,
            json!({"type": "about:blank", "title": "Bad Request", "status": "400", "instance": urn,
                   "extraDetails": [{"name": "reference", "reason": "does not match"}]}),
            "VP_ERR_REFUSED",
            0,
            urn,
            "Bad Request; reference: does not match",
        ),
        (
            403,
            json!({"statusCode": 403, "message": "Quota exceeded."}),
            "VP_ERR_NOT_PERMITTED",
            0,
            "",
            "Quota exceeded.",
        ),
        (
            400,
            json!({"title": "x", "type": "t", "detail": "number 4791234567\r\nis unknown", "traceId": TRACE,
                   "extraDetails": [{"name": "ErrorCode", "reason": "4242"}]}),
            "VP_ERR_REFUSED",
            4242,
            TRACE,
            "x: number ********67  is unknown",
        ),
    ] {
        let bench = bench();
        let typed = if body.is_string() {
            "text/html"
        } else {
            "application/problem+json"
        };
        bench.sim.fault(json!({"operation": "create", "action": "status", "status": status, "body": body, "content_type": typed}));
        let mut meter = bench.meter();
        let reply = meter.call("create");
        let got = (
            reply.code(),
            reply.number("vipps"),
            reply.number("http"),
            reply.get("trace"),
            reply.get("message"),
        );
        assert_eq!(
            got,
            (code, vipps, i64::from(status), trace, message),
            "{body}"
        );
        reply.is("verdict=TAKE_OTHER_PAYMENT state=NOT_CREATED closed=1");
        assert!(bench.sim.ledger(REF).is_null());
    }
}

/// A page of something on the way refuses nothing, whatever its status: the same request goes again.
#[test]
fn pages_of_others_refuse_nothing() {
    for (status, body) in [
        (
            400,
            json!({"type": "about:blank", "title": "Bad Request", "status": 400}),
        ),
        (403, Value::from("<html>Blocked</html>")),
        (
            404,
            json!({"statusCode": 404, "message": "Resource not found"}),
        ),
        (404, Value::from("<html>")),
        (413, Value::from("")),
        (418, Value::from("")),
    ] {
        for act in [false, true] {
            let bench = bench();
            bench.sim.fault(
                json!({"operation": "create", "action": "status", "status": status, "body": body,
                                   "act": act, "times": 2}),
            );
            let mut meter = bench.meter();
            let reply = meter.call("create");
            reply.is("rc=VP_OK");
            meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
            assert_eq!(bench.sim.ledger(REF)["pushes"], 1, "{status} {body} {act}");
        }
    }
}

#[test]
fn a_trace_id_and_a_title_without_end_are_cut() {
    let bench = bench();
    let body = json!({"type": "t", "title": "å".repeat(5_000), "traceId": "0123456789abcdefg-".repeat(100),
                      "extraDetails": [{"name": "ErrorCode", "reason": "4242"}]});
    bench
        .sim
        .fault(json!({"operation": "create", "action": "status", "status": 400, "body": body}));
    let mut meter = bench.meter();
    let reply = meter.call("create");
    reply.is("rc=VP_ERR_REFUSED");
    assert_eq!(reply.get("trace").len(), 63);
    let message = reply.get("message");
    assert!(
        (140..160).contains(&message.len()) && message.chars().all(|c| c == 'å'),
        "{message}"
    );
}

#[test]
fn the_directory_says_that_the_keys_are_wrong() {
    for status in [400, 401] {
        let bench = bench();
        let body = json!({"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found",
                          "error_codes": [700016], "timestamp": "2026-01-02 03:04:05Z", "trace_id": "t-1",
                          "correlation_id": "c", "error_uri": "https://login.example"});
        bench.sim.fault(json!({"operation": "token", "action": "status", "status": status, "body": body, "times": 0}));
        let mut meter = bench.meter();
        let reply = meter.call("create");
        reply.is(&format!(
            "rc=VP_ERR_CREDENTIALS http={status} trace=t-1 state=RECORDED"
        ));
        assert!(
            reply.get("message").contains("unauthorized_client"),
            "{}",
            reply.everything()
        );
        bench.sim.clear_faults();
        meter.call("create").is("rc=VP_OK state=CREATED");
    }
}

/// An answer larger than the bound is no answer: it may have happened.
#[test]
fn an_answer_larger_than_the_bound_is_unknown() {
    let bench = bench();
    let mut meter = bench.meter();
    meter.call("create").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    let body = json!({"title": "x".repeat(300 * 1024)});
    bench.sim.fault(json!({"operation": "capture", "action": "status", "status": 200, "act": true, "body": body}));
    // Nor can a read tell, for now.
    bench
        .sim
        .fault(json!({"operation": "get", "action": "status", "status": 503, "times": 0}));
    let reply = meter.call("capture amount=24900 wait=5000");
    reply.is("rc=VP_ERR_OUTCOME_UNKNOWN verdict=SECURED_LEAVE owed=CAPTURE next=SETTLE");
    bench.sim.clear_faults();
    meter
        .call("capture amount=24900")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("capture"), 1, "a read has proven it");
}

#[test]
fn a_retry_after_without_measure_does_not_hold_the_call() {
    for asked in [
        "99999999999999999999",
        "3600",
        "-5",
        "soon",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "",
    ] {
        let bench = bench();
        bench.sim.fault(
            json!({"operation": "create", "action": "status", "status": 429,
                               "headers": {"Retry-After": asked}}),
        );
        let mut meter = bench.meter();
        let reply = meter.call("create wait=5000");
        assert!(
            ["VP_OK", "VP_ERR_RATE_LIMITED"].contains(&reply.code()),
            "{asked}: {}",
            reply.everything()
        );
        let patient = meter.call("create wait=590000");
        // Ten minutes of asking leave no time for the passenger: then it is over without a bill.
        assert!(
            ["VP_OK", "VP_ERR_RATE_LIMITED"].contains(&patient.code()),
            "{asked}: {}",
            patient.everything()
        );
    }
}

/// A server that answers byte by byte is bounded like one that does not answer.
#[test]
fn an_answer_that_drips_is_cut_off() {
    let bench = Bench::new(&["--passenger", "approve"]).with("request_ms=500");
    bench
        .sim
        .fault(json!({"operation": "create", "action": "slow_after", "ms": 40}));
    let mut meter = bench.meter();
    let reply = meter.call("create wait=1");
    assert!(reply.number("ms") < 1_500, "{}", reply.everything());
    let reply = meter.call("create wait=1");
    assert!(
        ["VP_PENDING", "VP_ERR_OUTCOME_UNKNOWN"].contains(&reply.code()),
        "{}",
        reply.everything()
    );
    assert!(reply.number("ms") < 1_500, "{}", reply.everything());
    meter.call("create").is("rc=VP_OK");
    assert_eq!(bench.sim.ledger(REF)["pushes"], 1);
}
