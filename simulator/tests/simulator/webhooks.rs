//! Registering webhooks. Source: Webhooks OpenAPI v1.

use serde_json::{Value, json};

use crate::bench::{Bench, Call, Reply};
use crate::receiver::Receiver;
use crate::webhook_deliveries::settled;

pub const ALL: [&str; 8] = [
    "epayments.payment.created.v1",
    "epayments.payment.authorized.v1",
    "epayments.payment.captured.v1",
    "epayments.payment.cancelled.v1",
    "epayments.payment.refunded.v1",
    "epayments.payment.aborted.v1",
    "epayments.payment.expired.v1",
    "epayments.payment.terminated.v1",
];

const PATH: &str = "/webhooks/v1/webhooks";

fn registering<'a>(bench: &'a Bench, body: &Value) -> Call<'a> {
    bench.call("POST", PATH).json(body)
}

/// Gives id and secret.
pub fn register(bench: &Bench, url: &str, events: &[&str]) -> (String, String) {
    let reply = registering(bench, &json!({"url": url, "events": events})).send();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let text = |name: &str| reply.json()[name].as_str().expect("a text").to_owned();
    (text("id"), text("secret"))
}

pub fn registered(bench: &Bench) -> Vec<Value> {
    let list = bench.call("GET", PATH).send();
    assert_eq!(list.status, 200, "{}", list.text());
    list.json()["webhooks"].as_array().expect("a list").clone()
}

fn reason(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.header("content-type").as_deref(), Some("application/problem+json"));
    let body = reply.json();
    for name in ["type", "title", "detail", "instance", "traceId"] {
        assert!(body[name].is_string(), "{name} in {body}");
    }
    assert_eq!(body["status"], 400);
    let detail = &body["extraDetails"][0];
    (detail["name"].as_str().expect("a name").to_owned(), detail["reason"].as_str().expect("a reason").to_owned())
}

#[test]
fn registered_shown_and_deleted() {
    let bench = Bench::new();
    let url = "http://127.0.0.1:9/hook?a=b";
    let (id, secret) = register(&bench, url, &[ALL[2], ALL[0], ALL[2]]);
    assert_eq!((secret.len(), id.len()), (88, 36));
    assert!(secret.ends_with("=="));
    assert_eq!(registered(&bench), [json!({"id": id, "url": url, "events": [ALL[2], ALL[0]]})]);
    let (other, other_secret) = register(&bench, url, &[ALL[0]]);
    assert!(other != id && other_secret != secret);
    let delete = |id: &str| bench.call("DELETE", &format!("{PATH}/{id}")).send();
    let reply = delete(&id.to_uppercase());
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    assert_eq!(registered(&bench).len(), 1);
    assert_eq!(reason(&delete(&id)).0, "id");
    assert_eq!(reason(&delete("x")).0, "id");
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(bench.sim("GET", "webhooks", Value::Null)["registrations"], json!([]));
}

#[test]
fn bad_registrations_name_their_field() {
    let bench = Bench::new();
    let good = json!({"url": "http://127.0.0.1:9/", "events": [ALL[0]]});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        reason(&registering(&bench, &body).send())
    };
    for url in ["", "x", "https://example.com/hook", "http://10.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:0/"] {
        assert_eq!(with("url", json!(url)).0, "url", "{url}");
    }
    assert!(with("url", json!("https://example.com/")).1.contains("this machine alone"));
    assert_eq!(with("url", json!(1)).0, "url");
    for (name, part) in [
        ("epayment.payment.captured.v1", "Unsupported values: epayment.payment.captured.v1"),
        ("epayments.payment.captured.v2", "Unsupported values"),
        ("epayments.payment.CAPTURED.v1", "Unsupported values"),
        ("", "Unsupported values"),
    ] {
        let (field, text) = with("events", json!([ALL[0], name]));
        assert!(field == "events" && text.contains(part), "{name}: {text}");
    }
    assert_eq!(with("events", json!([])).0, "events");
    assert_eq!(with("events", json!(ALL[0])).0, "events");
    assert_eq!(with("events", json!([1])).0, "events[0]");
    assert_eq!(with("secret", json!("mine")).0, "secret");
    assert_eq!(reason(&registering(&bench, &json!({"url": "http://127.0.0.1:9/"})).send()).0, "events");
    assert_eq!(reason(&registering(&bench, &json!({})).raw(b"{").send()).0, "$");
    let plain = registering(&bench, &good).header("Content-Type", "text/plain").send();
    assert_eq!(plain.status, 415);
    assert_eq!(registered(&bench), Vec::<Value>::new());
}

#[test]
fn who_may_call() {
    let bench = Bench::new();
    let good = json!({"url": "http://127.0.0.1:9/", "events": [ALL[0]]});
    let status = |call: Call| call.send().status;
    assert_eq!(status(registering(&bench, &good).without("Authorization")), 401);
    assert_eq!(status(registering(&bench, &good).without("Ocp-Apim-Subscription-Key")), 401);
    assert_eq!(status(registering(&bench, &good).header("Merchant-Serial-Number", "7654321")), 403);
    assert_eq!(status(registering(&bench, &good).header("Merchant-Serial-Number", "x")), 400);
    assert_eq!(status(registering(&bench, &good).header("Vipps-System-Name", &"x".repeat(31))), 400);
    assert_eq!(registered(&bench), Vec::<Value>::new());
    // Without a sales unit it is for all of the keys, and only seen as such.
    assert_eq!(status(registering(&bench, &good).without("Merchant-Serial-Number")), 201);
    assert_eq!(registered(&bench), Vec::<Value>::new());
    let all = bench.call("GET", PATH).without("Merchant-Serial-Number").send().json();
    assert_eq!(all["webhooks"].as_array().map(Vec::len), Some(1));
    let id = all["webhooks"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(status(bench.call("DELETE", &format!("{PATH}/{id}"))), 400);
    assert_eq!(status(bench.call("DELETE", &format!("{PATH}/{id}")).without("Merchant-Serial-Number")), 204);
}

#[test]
fn twenty_five_for_each_event() {
    let bench = Bench::new();
    let url = "http://127.0.0.1:9/";
    let ids: Vec<String> = (0..25).map(|_| register(&bench, url, &ALL[..2]).0).collect();
    let body = json!({"url": url, "events": [ALL[2], ALL[1]]});
    assert_eq!(reason(&registering(&bench, &body).send()).0, "events");
    register(&bench, url, &[ALL[2]]);
    assert_eq!(bench.call("DELETE", &format!("{PATH}/{}", ids[0])).send().status, 204);
    register(&bench, url, &[ALL[1]]);
}

#[test]
fn the_documented_rule_for_urls() {
    let bench = Bench::with(&["--switch", "webhook-url=strict"]);
    for url in ["http://127.0.0.1:9/", "http://example.com/", "https://localhost/", "https://example.com:9000/"] {
        let reply = registering(&bench, &json!({"url": url, "events": [ALL[0]]})).send();
        assert_eq!(reason(&reply).0, "url", "{url}");
    }
    register(&bench, "https://example.com:8080/hook", &[ALL[0]]);
}

#[test]
fn the_secret_is_shown_once() {
    let bench = Bench::new();
    let (_, secret) = register(&bench, "http://127.0.0.1:9/", &ALL);
    bench.create("ride-0001").send();
    let everything = [
        bench.call("GET", PATH).send().text(),
        bench.sim("GET", "webhooks", Value::Null).to_string(),
        bench.sim("GET", "requests", Value::Null).to_string(),
    ]
    .concat();
    assert!(everything.contains("***") && !everything.contains(&secret[..20]));
}

#[test]
fn a_url_is_signed_and_called_as_a_parser_reads_it() {
    let bench = Bench::new();
    let receiver = Receiver::new();
    let port = receiver.address.port();
    let (host, name) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    for (url, expected_host, path) in [
        (format!("HTTP://LOCALHOST:{port}/Up"), &name, "/Up"),
        (format!("http://127.0.0.1:{port}/a/../b/./c"), &host, "/b/c"),
        (format!("http://127.0.0.1:{port}/\u{e5} b?\u{f8}=1"), &host, "/%C3%A5%20b?%C3%B8=1"),
        (format!("http://127.1:{port}"), &host, "/"),
    ] {
        let (id, secret) = register(&bench, &url, &ALL[..1]);
        assert_eq!(registered(&bench)[0]["url"], url, "shown as it was registered");
        let before = receiver.seen().len();
        let reference = format!("ride-{before:04}");
        bench.create(&reference).send();
        let delivered = receiver.wait(before + 1).remove(before);
        assert_eq!(delivered.request_line, format!("POST {path} HTTP/1.1"), "{url}");
        assert_eq!(delivered.header("host"), expected_host, "{url}");
        assert!(delivered.is_signed_for(&secret, expected_host), "{url}");
        settled(&bench);
        assert_eq!(bench.call("DELETE", &format!("/webhooks/v1/webhooks/{id}")).send().status, 204);
    }
}
