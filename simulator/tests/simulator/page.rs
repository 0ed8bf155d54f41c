use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, push, receipt};

/// Every file that the page asks for, beginning with itself.
fn files(bench: &Bench) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut wanted = vec!["/phone".to_owned()];
    while let Some(path) = wanted.pop() {
        if found.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let reply = Bench::at(&bench.simulator.control_url, "GET", &path).send();
        assert_eq!(reply.status, 200, "{path}");
        let text = reply.text();
        for piece in text.split(['"', '\'']) {
            if piece.starts_with("/phone/") {
                wanted.push(piece.to_owned());
            } else if let Some(name) = piece.strip_prefix("./").filter(|name| name.ends_with(".js")) {
                wanted.push(format!("/phone/{name}"));
            }
        }
        found.push((path, text));
    }
    found
}

#[test]
fn the_page_is_on_both_ports_and_guarded() {
    let bench = Bench::new();
    for url in [&bench.simulator.url, &bench.simulator.control_url] {
        let reply = Bench::at(url, "GET", "/phone").send();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"));
    }
    assert_eq!(bench.bare("GET", "/phone/none").send().status, 404);
    assert_eq!(bench.bare("POST", "/phone").send().status, 405);
    assert_eq!(bench.bare("GET", "/phones").send().status, 404);
    assert_eq!(bench.sim("GET", "requests", Value::Null).as_array().map(Vec::len), Some(2), "the page is no request");
}

#[test]
fn faults_leave_the_page_alone() {
    let bench = Bench::with(&["--fault", r#"{"operation":"*","action":"refuse","nth":2,"times":0}"#]);
    assert_eq!(bench.bare("GET", "/phone").send().status, 200);
}

#[test]
fn the_files_are_plain_and_whole() {
    let bench = Bench::new();
    let files = files(&bench);
    assert!(files.len() >= 4, "{}", files.len());
    for (path, text) in files {
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{path}");
        assert!(!text.contains("https://") && !text.contains("//cdn"), "{path} needs the internet");
        assert!(!text.contains(PHONE), "{path}");
        assert!(!text.contains("style=") && !text.contains("onclick="), "{path}: the policy forbids it");
    }
}

#[test]
fn what_the_page_asks_for_is_masked_and_bounded() {
    let bench = Bench::with(&["--rate-limits", "off", "--merchant-name", "Fjord Cars"]);
    let mut body = push("ride-0000");
    body["paymentDescription"] = json!(format!("for {PHONE}"));
    body["receipt"] = receipt(24500, 21875);
    body["receipt"]["orderLines"][0]["name"] = json!(format!("ride of {}", &PHONE[2..]));
    bench.create_with(&body).send();
    let page = bench.sim("GET", "page", Value::Null);
    let text = page.to_string();
    for secret in [PHONE, &PHONE[2..], "sim-client-secret", "sim-subscription-key", &bench.token] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(page["merchant"], json!({"name": "Fjord Cars", "msn": "123456"}));
    let shown = &page["payments"][0];
    assert_eq!((&shown["phone"], &shown["phone_masked"]), (&json!(1), &json!("********67")));
    assert_eq!(shown["receipt"]["bottomLine"]["receiptNumber"], "0527013501");
    assert_eq!(page["passenger"], "manual");

    for n in 1..=60 {
        let mut body = push(&format!("ride-{n:04}"));
        body["customer"]["phoneNumber"] = json!("4790000067");
        bench.create_with(&body).send();
        bench.get(&format!("ride-{n:04}"));
    }
    let page = bench.sim("GET", "page", Value::Null);
    assert_eq!(page["payments"].as_array().map(Vec::len), Some(50));
    assert_eq!(page["requests"].as_array().map(Vec::len), Some(100));
    assert_eq!(page["payment_count"], 61);
    let last = &page["payments"][49];
    assert_eq!((&last["reference"], &last["phone"]), (&json!("ride-0060"), &json!(2)), "another phone that ends alike");
    let request = page["requests"][99]["n"].as_u64().expect("a number");
    assert_eq!(
        bench.sim("GET", &format!("requests/{request}"), Value::Null)["path"],
        "/epayment/v1/payments/ride-0060"
    );
    for bad in ["0", "9999", "x", "-1"] {
        assert_eq!(bench.try_sim("GET", &format!("requests/{bad}"), &Value::Null).status, 404);
    }
}

#[test]
fn a_request_under_way_is_told_from_one_without_an_answer() {
    let bench = Bench::new();
    bench.fault(json!([
        {"operation": "create", "action": "stall_before"},
        {"operation": "create", "action": "reset_after"},
        {"operation": "create", "action": "delay_after", "ms": 60_000},
    ]));
    let held: Vec<_> = (1..=3).map(|n| bench.create(&format!("ride-000{n}")).open()).collect();
    let seen = loop {
        let page = bench.sim("GET", "page", Value::Null);
        let requests = page["requests"].as_array().expect("a list").clone();
        if requests.len() == 4 && requests.iter().filter(|request| request["ended"] == true).count() == 3 {
            break requests;
        }
    };
    let of = |n: usize| seen.iter().find(|request| request["reference"] == format!("ride-000{n}")).expect("noted");
    assert_eq!((&of(2)["ended"], &of(2)["status"], &of(2)["acted"]), (&json!(true), &Value::Null, &json!(true)));
    assert_eq!((&of(3)["ended"], &of(3)["status"], &of(3)["acted"]), (&json!(false), &Value::Null, &json!(true)));
    drop(held);
}
