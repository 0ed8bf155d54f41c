use serde_json::{Value, json};

use crate::bench::{Bench, Reply, receipt};

fn put(bench: &Bench, order: &str, body: &Value) -> Reply {
    bench.call("PUT", &format!("/order-management/v2/ecom/categories/{order}")).json(body).send()
}

fn add(bench: &Bench, body: &Value) -> Reply {
    bench.call("POST", "/order-management/v3/categories").json(body).send()
}

fn get(bench: &Bench, path: &str) -> Reply {
    bench.call("GET", &format!("/order-management/{path}")).send()
}

fn link(kind: &str) -> Value {
    json!({"category": kind, "orderDetailsUrl": "https://example.com/rides/1"})
}

fn new(order: &str, kind: &str) -> Value {
    json!({"orderId": order, "paymentType": "ECOM", "type": kind, "url": "https://example.com/rides/1"})
}

#[test]
fn version_2_has_one_and_replaces_it() {
    let bench = Bench::new();
    let first = put(&bench, "ride-0001", &link("GENERAL"));
    assert_eq!(first.status, 200);
    assert!(first.json().as_str().is_some_and(|id| id.len() == 36), "{}", first.text());
    let mut ticket = link("TICKET");
    ticket["imageId"] = Value::Null;
    assert_eq!(put(&bench, "ride-0001", &ticket).status, 200);
    assert_eq!(get(&bench, "v2/ECOM/ride-0001").json(), json!({"category": link("TICKET")}));
    let list = get(&bench, "v3/categories?orderId=ride-0001").json();
    assert_eq!(list["categories"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(get(&bench, "v2/RECURRING/ride-0001").status, 404);
    let none = json!({"category": null, "orderDetailsUrl": "https://example.com/"});
    assert_eq!(put(&bench, "ride-0002", &none).status, 200, "the published document allows it");
    assert_eq!(get(&bench, "v2/ECOM/ride-0002").json()["category"], none);

    let post = bench.call("POST", "/order-management/v2/ECOM/receipts/ride-0001").json(&receipt(24500, 21875)).send();
    assert_eq!(post.status, 201);
    let both = get(&bench, "v2/ECOM/ride-0001").json();
    assert_eq!(both, json!({"category": link("TICKET"), "receipt": receipt(24500, 21875)}));
}

#[test]
fn version_3_adds_finds_and_takes_away() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    let added = add(&bench, &new("ride-0001", "RECEIPT"));
    assert_eq!(added.status, 201);
    let id = added.json()["categoryId"].as_str().expect("an id").to_owned();
    assert_eq!(add(&bench, &new("ride-0001", "BOOKING")).status, 201);
    assert_eq!(add(&bench, &new("ride-0002", "DELIVERY")).status, 201);

    let mut expected = new("ride-0001", "RECEIPT");
    expected["categoryId"] = json!(id);
    assert_eq!(get(&bench, &format!("v3/categories/{id}")).json(), expected);
    let kinds = |query: &str| -> Vec<String> {
        let found = get(&bench, &format!("v3/categories{query}")).json();
        let list = found["categories"].as_array().expect("a list").clone();
        list.iter().map(|one| one["type"].as_str().expect("a type").to_owned()).collect()
    };
    assert_eq!(kinds("?orderId=ride-0001"), ["RECEIPT", "BOOKING"]);
    assert_eq!(kinds("?orderId=ride%2D0002"), ["DELIVERY"]);
    assert_eq!(kinds("?orderId=ride-none"), Vec::<String>::new());
    assert_eq!(kinds(""), ["RECEIPT", "BOOKING", "DELIVERY"]);
    // The app shows the latest.
    assert_eq!(get(&bench, "v2/ECOM/ride-0001").json()["category"]["category"], "BOOKING");
    assert_eq!(bench.ledger("ride-0001")["categories"][0], expected);

    let delete = || bench.call("DELETE", &format!("/order-management/v3/categories/{id}")).send();
    let gone = delete();
    assert_eq!((gone.status, gone.body.len()), (200, 0));
    assert_eq!(delete().status, 404);
    assert_eq!(get(&bench, &format!("v3/categories/{id}")).status, 404);
    assert_eq!(kinds("?orderId=ride-0001"), ["BOOKING"]);
}

#[test]
fn strictness() {
    let bench = Bench::new();
    let changed = |name: &str, value: Value| {
        let mut body = link("GENERAL");
        body[name] = value;
        put(&bench, "ride-0001", &body).invalid()
    };
    assert_eq!(changed("category", json!("general")), ["category"]);
    assert_eq!(changed("category", json!(7)), ["category"]);
    assert_eq!(changed("orderDetailsUrl", json!("")), ["orderDetailsUrl"]);
    assert_eq!(changed("orderDetailsUrl", json!("no address")), ["orderDetailsUrl"]);
    assert_eq!(changed("imageId", json!("with space")), ["imageId"]);
    assert_eq!(changed("imageId", json!("x".repeat(129))), ["imageId"]);
    assert_eq!(changed("url", json!("https://example.com")), ["url"]);
    assert_eq!(put(&bench, "ride%20one", &link("GENERAL")).invalid(), ["orderId"]);
    assert_eq!(put(&bench, "ride-0001", &json!({})).invalid(), ["category", "orderDetailsUrl"]);

    let added = |name: &str, value: Value| {
        let mut body = new("ride-0001", "GENERAL");
        body[name] = value;
        add(&bench, &body).invalid()
    };
    assert_eq!(added("paymentType", json!("ecom")), ["paymentType"]);
    assert_eq!(added("type", json!("OTHER")), ["type"]);
    assert_eq!(added("orderId", json!("a b")), ["orderId"]);
    assert_eq!(added("imageId", Value::Null), ["imageId"]);
    assert_eq!(get(&bench, "v3/categories?orderId=a%20b").invalid(), ["orderId"]);
    assert_eq!(get(&bench, "v3/categories/no-uuid").invalid(), ["categoryId"]);
    assert_eq!(bench.bare("GET", "/order-management/v3/categories").send().status, 401);
    assert_eq!(get(&bench, "v3/categories").json(), json!({"categories": []}));
}

#[test]
fn images_that_nobody_has_uploaded() {
    let bench = Bench::new();
    let mut version_2 = link("GENERAL");
    version_2["imageId"] = json!("taxi-7");
    let mut version_3 = new("ride-0001", "GENERAL");
    version_3["imageId"] = json!("taxi-7");
    assert_eq!(put(&bench, "ride-0001", &version_2).status, 404);
    assert_eq!(add(&bench, &version_3).invalid(), ["imageId"]);
    bench.switch("unknown-image", "taken");
    assert_eq!(put(&bench, "ride-0001", &version_2).status, 200);
    assert_eq!(add(&bench, &version_3).status, 201);
    assert_eq!(get(&bench, "v2/ECOM/ride-0001").json()["category"]["imageId"], "taxi-7");
}

#[test]
fn another_sales_unit_sees_none_of_it() {
    let bench = Bench::new();
    put(&bench, "ride-0001", &link("GENERAL"));
    let id = add(&bench, &new("ride-0001", "RECEIPT")).json()["categoryId"].as_str().expect("an id").to_owned();
    bench.sim("POST", "credentials", json!({"msn": "654321"}));
    let other = |method: &'static str, path: &str| {
        let call = bench.call(method, &format!("/order-management/{path}"));
        call.header("Merchant-Serial-Number", "654321").send()
    };
    assert_eq!(other("GET", "v2/ECOM/ride-0001").status, 404);
    assert_eq!(other("GET", "v3/categories").json(), json!({"categories": []}));
    assert_eq!(other("DELETE", &format!("v3/categories/{id}")).status, 404);
}
