use serde_json::json;

use crate::bench::Bench;

#[test]
fn strings_or_numbers() {
    let bench = Bench::new();
    let reply = bench.token_call().send();
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json;charset=UTF-8"));
    let body = reply.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!("3600")));
    for name in ["ext_expires_in", "expires_on", "not_before", "resource", "access_token"] {
        assert!(body[name].is_string(), "{name}");
    }
    assert!(body["access_token"].as_str().is_some_and(|t| t.len() > 1000 && t.split('.').count() == 3));
    bench.switch("token-numbers", "numbers");
    assert_eq!(bench.token_call().send().json()["expires_in"], json!(3600));
}

#[test]
fn refusals_have_the_shape_of_whoever_refuses() {
    let bench = Bench::new();
    let gateway = |reply: crate::bench::Reply| {
        let body = reply.json();
        assert_eq!((reply.status, &body["statusCode"]), (401, &json!(401)));
        body["message"].as_str().expect("a message").to_owned()
    };
    assert!(gateway(bench.token_call().without("Ocp-Apim-Subscription-Key").send()).contains("missing"));
    assert!(gateway(bench.token_call().header("Ocp-Apim-Subscription-Key", "x").send()).contains("invalid"));

    bench.switch("wrong-subscription-key", "not-found");
    assert_eq!(gateway(bench.token_call().header("Ocp-Apim-Subscription-Key", "x").send()), "Subscription not found.");

    let wrong = bench.token_call().header("client_secret", "x").send();
    assert_eq!(wrong.status, 401);
    let body = wrong.json();
    assert_eq!(body["error"], "invalid_client");
    assert!(body["error_codes"][0].is_i64() && body["trace_id"].is_string());
    let wrong = bench.token_call().header("client_id", "x").send().json();
    assert_eq!(wrong["error"], "unauthorized_client");
    assert!(wrong["error_description"].as_str().is_some_and(|text| text.starts_with("AADSTS700016")));
    bench.switch("token-bad-credentials", "400");
    assert_eq!(bench.token_call().header("client_id", "x").send().status, 400);
    assert_eq!(bench.token_call().without("client_id").send().status, 400);
    assert_eq!(bench.token_call().header("Merchant-Serial-Number", "1").send().invalid(), ["Merchant-Serial-Number"]);
}

#[test]
fn the_path_ignores_case() {
    let bench = Bench::new();
    let call = bench.bare("POST", "/accessToken/GET").header("Ocp-Apim-Subscription-Key", "sim-subscription-key");
    assert_eq!(call.send().status, 400);
}

#[test]
fn life_is_counted_on_the_simulators_clock() {
    let bench = Bench::with(&["--token-life", "60s"]);
    assert_eq!(bench.token_call().send().json()["expires_in"], "60");
    bench.advance(59_999);
    assert_eq!(bench.get("ride-0001").status, 404);
    bench.advance(1);
    let late = bench.get("ride-0001");
    assert_eq!((late.status, &late.json()["statusCode"]), (401, &json!(401)));
}

#[test]
fn several_are_valid_until_all_are_revoked() {
    let mut bench = Bench::new();
    let second = bench.fetch_token();
    assert_ne!(second, bench.token);
    assert_eq!(bench.get("ride-0001").status, 404);
    assert_eq!(bench.sim("POST", "tokens/revoke", json!(null))["revoked"], 2);
    assert_eq!(bench.get("ride-0001").status, 401);
    bench.token = bench.fetch_token();
    assert_eq!(bench.get("ride-0001").status, 404);
}

#[test]
fn keys_can_be_changed_under_way() {
    let bench = Bench::new();
    bench.sim("POST", "credentials", json!({"client_secret": "another", "subscription_key": "k2"}));
    assert_eq!(bench.get("ride-0001").status, 401);
    let with_new_key = bench.on("GET", "ride-0001", "").header("Ocp-Apim-Subscription-Key", "k2");
    assert_eq!(with_new_key.send().status, 404);
    assert_eq!(bench.token_call().header("Ocp-Apim-Subscription-Key", "k2").send().status, 401);
    let both = bench.token_call().header("Ocp-Apim-Subscription-Key", "k2").header("client_secret", "another");
    assert_eq!(both.send().status, 200);
}

#[test]
fn what_a_bad_bearer_token_is_told() {
    let bench = Bench::new();
    let call = || bench.get("ride-0001");
    bench.sim("POST", "tokens/revoke", json!(null));
    assert!(call().json()["message"].as_str().is_some_and(|text| text.contains("token")));
    bench.switch("unauthorized-body", "generic");
    assert_eq!(call().json(), json!({"statusCode": 401, "message": "Something went wrong."}));
    bench.switch("unauthorized-body", "empty");
    let bare = call();
    assert_eq!((bare.status, bare.body.len(), bare.header("content-type")), (401, 0, None));
}

#[test]
fn a_day_as_in_production() {
    let bench = Bench::with(&["--token-life", "24h"]);
    let body = bench.token_call().send().json();
    assert_eq!((&body["expires_in"], &body["ext_expires_in"]), (&json!("86400"), &json!("86400")));
    bench.advance(86_399_999);
    assert_eq!(bench.get("ride-0001").status, 404);
    bench.advance(1);
    assert_eq!(bench.get("ride-0001").status, 401);
}
