use serde_json::{Value, json};

use crate::bench::{Bench, Reply, push, receipt};
use crate::qr::path_of;

const FORM: &str = "application/x-www-form-urlencoded";

/// The path of the landing page of a new payment.
fn opened(bench: &Bench, reference: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut body = push(reference);
    body.as_object_mut().expect("an object").remove("customer");
    body["userFlow"] = json!("WEB_REDIRECT");
    body["returnUrl"] = json!("https://example.com/done?ride=1");
    change(&mut body);
    let created = bench.create_with(&body).send();
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(bench, created.json()["redirectUrl"].as_str().expect("an address"))
}

fn look(bench: &Bench, path: &str) -> Reply {
    bench.bare("GET", path).send()
}

fn press(bench: &Bench, path: &str, fields: &str) -> Reply {
    bench.bare("POST", path).header("Content-Type", FORM).raw(fields.as_bytes()).send()
}

#[test]
fn a_person_gives_a_number_and_approves() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |body| body["receipt"] = receipt(24500, 21875));
    let page = look(&bench, &path);
    assert_eq!((page.status, page.header("content-type").as_deref()), (200, Some("text/html; charset=utf-8")));
    let html = page.text();
    for part in ["NOK 245.00", "ride-0001", "Taxi ride", "<form method=\"post\"", "Approve", "Decline"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let done = press(&bench, &path, "phoneNumber=%2B47+912+34+567&action=approve");
    assert_eq!((done.status, done.header("location").as_deref()), (303, Some("https://example.com/done?ride=1")));
    assert_eq!(bench.state("ride-0001"), "AUTHORIZED");
    assert_eq!(bench.ledger("ride-0001")["phone_masked"], "********67");
    let after = look(&bench, &path).text();
    assert!(after.contains("approved") && !after.contains("<form"), "{after}");
    assert!(after.contains("href=\"https://example.com/done?ride=1\""), "{after}");

    let log = bench.sim("GET", "requests", Value::Null);
    let pressed = log.as_array().and_then(|all| all.iter().find(|entry| entry["operation"] == "decide")).expect("it");
    assert_eq!(pressed["body"], json!({"phoneNumber": "************67", "action": "approve"}));
    assert_eq!((&pressed["reference"], &pressed["acted"]), (&json!("ride-0001"), &json!(true)));
    let again = press(&bench, &path, "phoneNumber=4791234567&action=approve");
    assert_eq!(again.status, 400);
    assert_eq!(bench.ledger("ride-0001")["authorized"], 24500);
}

#[test]
fn a_card_that_fails_is_said_on_the_page() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |body| body["amount"]["value"] = json!(151));
    let failed = press(&bench, &path, "phoneNumber=4791234567&action=approve");
    assert_eq!(failed.status, 400);
    assert!(failed.text().contains("insufficient-funds") && failed.text().contains("<form"), "{}", failed.text());
    assert_eq!(bench.state("ride-0001"), "CREATED");
    assert_eq!(press(&bench, &path, "action=decline").status, 303);
}

#[test]
fn a_person_declines() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |_| {});
    assert_eq!(press(&bench, &path, "action=decline").status, 303);
    assert_eq!(bench.state("ride-0001"), "ABORTED");
    assert!(look(&bench, &path).text().contains("declined"));
}

#[test]
fn every_flow_that_is_opened_leads_here() {
    let bench = Bench::new();
    let native = opened(&bench, "ride-0001", |body| {
        body["userFlow"] = json!("NATIVE_REDIRECT");
        body["returnUrl"] = json!("taxi-app://done");
    });
    let page = look(&bench, &native);
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.contains("form-action 'self' taxi-app:"))
    );
    let done = press(&bench, &native, "phoneNumber=4791234567&action=approve");
    assert_eq!(done.header("location").as_deref(), Some("taxi-app://done"));

    // Without a way back the page itself says what became of it.
    let qr = opened(&bench, "ride-0002", |body| {
        body["userFlow"] = json!("QR");
        body["qrFormat"] = json!({"format": "TEXT/TARGETURL"});
        body.as_object_mut().expect("an object").remove("returnUrl");
    });
    let back = press(&bench, &qr, "phoneNumber=4791234567&action=approve").header("location").expect("a place");
    assert!(look(&bench, &back).text().contains("approved"));

    bench.switch("native-redirect-url", "app");
    let mut body = push("ride-0003");
    body["userFlow"] = json!("NATIVE_REDIRECT");
    let url = bench.create_with(&body).send().json()["redirectUrl"].clone();
    assert!(url.as_str().is_some_and(|url| url.starts_with("vipps://?token=")), "{url}");
}

#[test]
fn a_number_that_came_with_the_create_is_shown_masked_and_stays() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |body| body["customer"] = json!({"phoneNumber": "4791234567"}));
    let html = look(&bench, &path).text();
    assert!(html.contains("********67") && !html.contains("91234567") && !html.contains("phoneNumber"), "{html}");
    assert_eq!(press(&bench, &path, "phoneNumber=4798765432&action=approve").status, 303);
    assert_eq!(bench.ledger("ride-0001")["phone_masked"], "********67");
}

#[test]
fn mistakes_are_said_on_the_page_and_nothing_is_echoed() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |body| body["minimumUserAge"] = json!(18));
    for (fields, part) in [
        ("", "Approve or Decline"),
        ("action=approve", "Give the phone number"),
        ("action=approve&phoneNumber=12345678", "country code"),
        ("action=approve&phoneNumber=<script>alert(1)</script>", "country code"),
        ("action=approve&phoneNumber=4799999901", "cannot pay"),
        ("action=approve&phoneNumber=4799999902", "cannot pay"),
        ("action=steal&phoneNumber=4791234567", "Approve or Decline"),
        ("\u{fffd}=%ff%zz&&==", "Approve or Decline"),
    ] {
        let reply = press(&bench, &path, fields);
        let html = reply.text();
        assert_eq!(reply.status, 400, "{fields}");
        assert!(html.contains(part) && html.contains("role=\"alert\""), "{fields}: {html}");
        assert!(!html.contains("<script") && !html.contains("4799999901"), "{html}");
    }
    assert_eq!(bench.state("ride-0001"), "CREATED");
}

#[test]
fn what_the_merchant_wrote_is_text_and_nothing_runs() {
    let bench = Bench::new();
    let path = opened(&bench, "ride-0001", |body| {
        body["paymentDescription"] = json!("<img src=x onerror=alert(1)>");
        body["receipt"] = receipt(24500, 21875);
        body["receipt"]["orderLines"][0]["name"] = json!("</table><script>alert(2)</script>");
        body["returnUrl"] = json!("https://example.com/\"><script>alert(3)</script>");
    });
    let page = look(&bench, &path);
    let html = page.text();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;img src=x"), "{html}");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control").as_deref(), Some("no-store"));
    let bad = |url: &str| {
        let mut body = push("ride-0002");
        body["returnUrl"] = json!(url);
        bench.create_with(&body).key(url).send().code()
    };
    assert_eq!(bad("javascript://x%0aalert(1)"), (400, 4090));
}

#[test]
fn addresses_that_lead_nowhere() {
    let bench = Bench::new();
    for path in ["/landing", "/landing?token=", "/landing?token=x", "/landing?other=1"] {
        assert_eq!(look(&bench, path).status, 404, "{path}");
        assert_eq!(press(&bench, path, "action=approve").status, 404, "{path}");
    }
    let css = look(&bench, "/landing.css");
    assert_eq!((css.status, css.header("content-type").as_deref()), (200, Some("text/css; charset=utf-8")));

    let path = opened(&bench, "ride-0001", |_| {});
    bench.advance(600_000);
    assert!(look(&bench, &path).text().contains("expired"));
    assert_eq!(press(&bench, &path, "phoneNumber=4791234567&action=approve").status, 400);
}
