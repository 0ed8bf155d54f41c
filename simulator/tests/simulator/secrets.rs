//! Keys and numbers in the places where clients put them by mistake; and what the log shows of answers.

use serde_json::{Value, json};
use vp_simulator::replay;
use vp_simulator::temp::TempDir;

use crate::bench::{Bench, PHONE, push, receipt};

/// As it is written in texts.
const SPACED: [&str; 3] = ["912 34 567", "912\u{a0}34\u{a0}567", "91-23-45-67"];
const FORM: &str = "application/x-www-form-urlencoded";

fn create(bench: &Bench, reference: &str, text: &str) -> Value {
    let mut body = push(reference);
    body["paymentDescription"] = json!(format!("for +47 {text}"));
    body["metadata"] = json!({"note": format!("call {text}")});
    // In the others nothing but the payment itself tells whose number it is.
    if reference == "ride-0000" {
        body["metadata"]["tel"] = json!(PHONE);
    }
    body["receipt"] = receipt(24500, 21875);
    body["receipt"]["orderLines"][0]["name"] = json!(format!("ride of {text}"));
    assert_eq!(bench.create_with(&body).send().status, 201);
    bench.on("GET", reference, "").send().json()
}

/// Keys in the wrong places, and numbers wherever a person may write one. Gives all secrets.
fn careless(bench: &Bench) -> Vec<String> {
    let form = "grant_type=client_credentials&client_id=my-id-8&client_secret=in-a-form";
    bench.token_call().header("Content-Type", FORM).raw(form.as_bytes()).send();
    bench.token_call().header("Content-Type", "text/plain").raw(b"client_secret=in-a-form").send();
    bench.token_call().json(&json!({"client_secret": "in-json", "clientId": "my-id-9"})).send();
    bench.token_call().raw(b"{\"client_secret\": \"in-broken-json\"").send();
    bench.bare("POST", "/accesstoken/get?client_secret=in-a-query&x=1").send();
    bench.token_call().header("subscription-key", "in-a-header").header("x-api-key", "in-another").send();
    let hook = json!({"url": "http://127.0.0.1:9/hook?key=in-a-url", "events": ["epayments.payment.refunded.v1"]});
    assert_eq!(bench.call("POST", "/webhooks/v1/webhooks").json(&hook).send().status, 201);
    bench.call("GET", "/webhooks/v1/webhooks").send();
    for (n, text) in SPACED.into_iter().enumerate() {
        let seen = create(bench, &format!("ride-000{n}"), text);
        assert_eq!(seen["metadata"]["note"], format!("call {text}"), "the servers themselves hide nothing");
    }
    let mut body = push("ride-0009");
    body["userFlow"] = json!("WEB_REDIRECT");
    body["returnUrl"] = json!("https://example.com/back");
    body["paymentDescription"] = json!("Taxi ride");
    body.as_object_mut().expect("an object").remove("customer");
    let url = bench.create_with(&body).send().json()["redirectUrl"].as_str().expect("a link").to_owned();
    let path = url.split_once("/landing").map(|(_, rest)| format!("/landing{rest}")).expect("a path");
    let press = "phoneNumber=%2B47+987+65+432&action=approve";
    assert_eq!(bench.bare("POST", &path).header("Content-Type", FORM).raw(press.as_bytes()).send().status, 303);
    let mut secrets: Vec<String> =
        ["in-a-form", "in-json", "in-broken-json", "in-a-query", "in-a-header", "in-another"]
            .into_iter()
            .chain(["in-a-url", "my-id-8", "my-id-9", PHONE, &PHONE[2..], "987+65+432", "987 65 432", "98765432"])
            .chain(SPACED)
            .map(str::to_owned)
            .collect();
    secrets.push(path.split_once("token=").expect("a token").1.to_owned());
    secrets.push(bench.token.clone());
    secrets
}

fn leaks(text: &str, secrets: &[String]) -> Vec<String> {
    secrets.iter().filter(|secret| text.contains(secret.as_str())).cloned().collect()
}

#[test]
fn what_clients_put_in_wrong_places_is_hidden() {
    let bench = Bench::new();
    let secrets = careless(&bench);
    bench.approve("ride-0000");
    for path in ["requests", "requests/2", "ledger", "ledger/ride-0000", "page", "webhooks"] {
        let text = bench.sim("GET", path, Value::Null).to_string();
        assert_eq!(leaks(&text, &secrets), [""; 0], "{path}: {text}");
    }
    let entry = bench.ledger("ride-0000");
    assert_eq!(entry["metadata"], json!({"tel": "47******67", "note": "call *** ** *67"}));
    assert_eq!(entry["receipt"]["orderLines"][0]["name"], "ride of *** ** *67");
    assert_eq!(entry["receipt"]["bottomLine"]["receiptNumber"], "0527013501", "no number of a person");
    let token = &bench.sim("GET", "requests/2", Value::Null);
    assert_eq!(token["body"]["grant_type"], "client_credentials", "the rest is shown");
}

#[test]
fn references_and_keys_are_shown_as_they_were_sent() {
    let bench = Bench::new();
    let reference = format!("ride-{}", &PHONE[2..]);
    bench.create(&reference).send();
    let entry = bench.sim("GET", "requests/2", Value::Null);
    let key = format!("create-{reference}");
    assert_eq!((&entry["reference"], &entry["idempotency_key"]), (&json!(reference), &json!(key)));
    assert_eq!((&entry["body"]["reference"], &entry["answer"]["reference"]), (&json!(reference), &json!(reference)));
    assert_eq!(entry["body"]["customer"]["phoneNumber"], "********67");
    assert_eq!(bench.ledger(&reference)["reference"], reference);
}

#[test]
fn a_recording_hides_them_too_and_is_replayed() {
    let bench = Bench::new();
    bench.sim("POST", "recording", Value::Null);
    let token = bench.fetch_token();
    let bench = Bench { token, ..bench };
    let secrets = careless(&bench);
    let text = bench.try_sim("DELETE", "recording", &Value::Null).text();
    assert_eq!(leaks(&text, &secrets), [""; 0], "{text}");
    assert!(text.contains("for +47 000 00 001") && text.contains("/hook?key=xx-x-xxx"), "{text}");
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("careless.jsonl");
    std::fs::write(&path, &text).expect("written");
    let (told, same) = replay(&path).expect("a good file");
    // A broken body that speaks of keys is not in the recording.
    assert!(same, "{told}");
}

#[test]
fn answers_are_kept_with_their_code() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    bench.capture("ride-0001", 99_999, "c-1").send();
    bench.fault(json!({"operation": "capture", "action": "lose_answer"}));
    assert!(bench.capture("ride-0001", 24_500, "c-2").try_send().is_err());
    bench.fault(json!({"operation": "get", "action": "status", "status": 503, "body": "no service"}));
    bench.get("ride-0001");
    let list = bench.sim("GET", "requests", Value::Null);
    assert_eq!((&list[0]["answer"]["access_token"], &list[0]["code"]), (&json!("***"), &Value::Null));
    assert_eq!(list[1]["answer"]["reference"], "ride-0001");
    let refused = &list[2];
    assert_eq!((&refused["status"], &refused["code"]), (&json!(400), &json!("6090")));
    assert_eq!(refused["answer"]["extraDetails"][0]["reason"], "6090");
    assert_eq!((&list[3]["status"], &list[3]["answer"]), (&Value::Null, &Value::Null), "none went out");
    assert_eq!((&list[4]["status"], &list[4]["answer"]), (&json!(503), &json!("no service")));
    assert_eq!(bench.sim("GET", "requests/3", Value::Null), *refused);
    assert_eq!(bench.sim("GET", "page", Value::Null)["requests"][2]["code"], "6090");
    assert_eq!(bench.ledger("ride-0001")["requests"][1]["code"], "6090");
    let long = json!({"operation": "get", "action": "status", "status": 500, "body": {"text": "long ".repeat(9_000)}});
    bench.fault(long);
    bench.get("ride-0001");
    let cut = bench.sim("GET", "requests/6", Value::Null)["answer"].as_str().expect("text").to_owned();
    assert!(cut.len() < 9_000 && cut.starts_with("{\"text\":\"long ") && cut.ends_with("… (45011 bytes)"), "{cut}");
}

#[test]
fn a_person_at_the_root_is_told_where_the_page_is() {
    let bench = Bench::new();
    for url in [&bench.simulator.url, &bench.simulator.control_url] {
        let reply = Bench::at(url, "GET", "/").send();
        assert!(reply.status == 404 && reply.text().contains("/phone"), "{}", reply.text());
    }
}
