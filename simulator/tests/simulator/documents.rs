//! The OpenAPI documents as the simulator serves them.

use serde_json::{Value, json};

use crate::bench::Bench;

/// Every `$ref` of a value, with the name of the document in which it stands.
fn references(document: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner.as_str().filter(|_| key == "$ref") {
                    Some(target) => out.push((document.to_owned(), target.to_owned())),
                    None => references(document, inner, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(document, item, out)),
        _ => {}
    }
}

#[test]
fn they_are_served_and_refer_to_each_other_alone() {
    let bench = Bench::new();
    let names = bench.sim("GET", "openapi", Value::Null);
    let document = |name: &str| bench.sim("GET", &format!("openapi/{name}"), Value::Null);
    let mut found = Vec::new();
    for name in names.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")) {
        assert_eq!(document(name)["openapi"], "3.1.0", "{name}");
        references(name, &document(name), &mut found);
    }
    assert!(found.len() > 100, "{}", found.len());
    for (at, target) in found {
        let (name, pointer) = target.split_once('#').expect("a pointer");
        let name = if name.is_empty() { at.as_str() } else { name };
        assert!(document(name).pointer(pointer).is_some(), "{at}: {target} leads nowhere");
    }
    assert_eq!(bench.try_sim("GET", "openapi/other.json", &Value::Null).status, 404);
}

#[test]
fn what_the_servers_answered_was_as_described() {
    let bench = Bench::with(&["--check-answers", "log"]);
    bench.approved("ride-0001");
    assert_eq!(bench.capture("ride-0001", 24500, "k").send().status, 200);
    // What a fault rule writes is nobody's promise.
    bench.fault(json!({"operation": "get", "action": "status", "status": 418}));
    assert_eq!(bench.get("ride-0001").status, 418);
    assert_eq!(bench.sim("GET", "health", Value::Null)["answers_not_as_described"], 0);
}
