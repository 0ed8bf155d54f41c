use serde_json::{Value, json};

use crate::bench::{Bench, push, receipt};

#[test]
fn a_receipt_is_posted_once() {
    let bench = Bench::new();
    let post =
        || bench.call("POST", "/order-management/v2/eCom/receipts/ride-0001").json(&receipt(24500, 21875)).send();
    let order = || bench.call("GET", "/order-management/v2/ECOM/ride-0001").send();
    assert_eq!(order().status, 404);
    assert!(order().json()["instance"].is_string());
    // Before any payment: no check that the order exists.
    let first = post();
    assert_eq!(first.status, 201);
    assert!(first.json().as_str().is_some_and(|id| id.len() == 36));
    let second = post();
    let body = second.json();
    assert_eq!(second.status, 409);
    assert!(body["title"].is_string() && body["detail"].is_string() && body.get("extraDetails").is_none());
    assert_eq!(order().json(), json!({"receipt": receipt(24500, 21875)}));
    bench.switch("second-receipt-status", "400");
    assert_eq!(post().status, 400);
    assert_eq!(bench.call("GET", "/order-management/v2/RECURRING/ride-0001").send().status, 404);
}

#[test]
fn a_receipt_inside_create_is_the_receipt() {
    let bench = Bench::new();
    let mut body = push("ride-0001");
    body["receipt"] = receipt(24500, 21875);
    bench.create_with(&body).send();
    assert_eq!(bench.ledger("ride-0001")["receipt"], receipt(24500, 21875));
    let post = || bench.call("POST", "/order-management/v2/ECOM/receipts/ride-0001").json(&receipt(1000, 900)).send();
    assert_eq!(post().status, 409);
    bench.switch("receipt-after-create-receipt", "201");
    assert_eq!(post().status, 201);
    assert_eq!(post().status, 409);
    assert_eq!(bench.ledger("ride-0001")["receipt"], receipt(1000, 900));
}

#[test]
fn strictness() {
    let bench = Bench::new();
    let post = |body: &Value| bench.call("POST", "/order-management/v2/ECOM/receipts/ride-0001").json(body).send();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = receipt(24500, 21875);
        change(&mut body);
        post(&body).invalid()
    };
    assert_eq!(changed(&|b| b["orderLines"] = json!([])), ["orderLines"]);
    assert_eq!(changed(&|b| b["total"] = json!(1)), ["total"]);
    assert_eq!(changed(&|b| b["orderLines"][0]["totalAmount"] = json!("24500")), ["orderLines[0].totalAmount"]);
    assert_eq!(changed(&|b| b["orderLines"][0]["totalAmount"] = json!(-1)), ["orderLines[0].totalAmount"]);
    assert_eq!(changed(&|b| b["orderLines"][0]["taxRate"] = json!(10001)), ["orderLines[0].taxRate"]);
    // The rate may stand in one of two fields; without either the line is not valid.
    assert_eq!(changed(&|b| b["orderLines"][0]["taxRate"] = json!(null)), ["orderLines[0]"]);
    assert_eq!(
        changed(&|b| b["orderLines"][0]["unitInfo"]["quantity"] = json!(1)),
        ["orderLines[0].unitInfo.quantity"]
    );
    assert_eq!(
        changed(&|b| b["orderLines"][0]["unitInfo"]["quantity"] = json!("1,5")),
        ["orderLines[0].unitInfo.quantity"]
    );
    assert_eq!(
        changed(&|b| b["orderLines"][0]["unitInfo"]["quantityUnit"] = json!("MILE")),
        ["orderLines[0].unitInfo.quantityUnit"]
    );
    assert_eq!(changed(&|b| b["bottomLine"]["currency"] = json!("SEK")), ["bottomLine.currency"]);
    assert_eq!(changed(&|b| b["bottomLine"]["posId"] = json!(122)), ["bottomLine.posId"]);
    assert_eq!(
        changed(&|b| b["bottomLine"]["barcode"] = json!({"format": "QR", "data": "x"})),
        ["bottomLine.barcode.format"]
    );
    let barcode = |format: &'static str, data: &'static str| {
        move |b: &mut Value| b["bottomLine"]["barcode"] = json!({"format": format, "data": data})
    };
    assert_eq!(changed(&barcode("EAN-13", "4006381333932")), ["bottomLine.barcode.data"]);
    assert_eq!(changed(&barcode("CODE 39", "ride-0001")), ["bottomLine.barcode.data"]);
    assert_eq!(changed(&barcode("CODE 128", "\u{e5}")), ["bottomLine.barcode.data"]);
    assert_eq!(changed(&|b| b["bottomLine"]["barcode"] = json!({"format": "EAN-13"})), ["bottomLine.barcode.data"]);
    let mut full = receipt(24500, 21875);
    full["bottomLine"]["barcode"] = json!({"format": "EAN-13", "data": "4006381333931"});
    full["bottomLine"]["terminalId"] = json!("taxi_122");
    full["bottomLine"]["giftCardAmount"] = json!(0);
    full["bottomLine"]["totalAmount"] = json!(24500);
    full["bottomLine"]["shippingInfo"] =
        json!({"amount": 0, "amountExcludingTax": 0, "taxAmount": 0, "taxPercentage": 0});
    full["orderLines"][0]["isReturn"] = json!(false);
    assert_eq!(post(&full).status, 201, "old fields are still taken");

    let kind = bench.call("POST", "/order-management/v2/VIPPS/receipts/ride-0001").json(&receipt(1, 1)).send();
    assert_eq!(kind.invalid(), ["paymentType"]);
    let order = bench.call("GET", "/order-management/v2/ECOM/ride%20one").send();
    assert_eq!(order.invalid(), ["orderId"]);
    let long = bench.call("GET", "/order-management/v2/ECOM/ride-0001").header("Vipps-System-Name", &"x".repeat(101));
    assert_eq!(long.send().invalid(), ["Vipps-System-Name"]);
    let unit = bench.call("GET", "/order-management/v2/ECOM/ride-0001").header("Merchant-Serial-Number", "654321");
    assert_eq!(unit.send().status, 403);
    assert_eq!(bench.bare("GET", "/order-management/v2/ECOM/ride-0001").send().status, 401);
}

#[test]
fn it_may_not_be_there_at_all() {
    let bench = Bench::with(&["--switch", "om-available=no"]);
    let post = bench.call("POST", "/order-management/v2/ECOM/receipts/ride-0001").json(&receipt(1, 1)).send();
    assert_eq!(post.status, 404);
}
