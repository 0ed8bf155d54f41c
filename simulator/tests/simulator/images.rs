use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bench::{Bench, Reply};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels = vec![200; (width * height) as usize];
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("a PNG");
    out
}

/// As much of a JPEG as says how large it is: start, frame header, end.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x0b\x08".to_vec();
    out.extend(height.to_be_bytes());
    out.extend(width.to_be_bytes());
    out.extend(b"\x01\x01\x11\x00\xff\xd9");
    out
}

fn upload(bench: &Bench, id: &str, bytes: &[u8]) -> Reply {
    send(bench, &json!({"imageId": id, "src": STANDARD.encode(bytes), "type": "base64"}))
}

fn send(bench: &Bench, body: &Value) -> Reply {
    bench.call("POST", "/order-management/v1/images").json(body).send()
}

#[test]
fn each_id_takes_one() {
    let bench = Bench::new();
    let kept = upload(&bench, "taxi-7", &png(167, 167));
    assert_eq!((kept.status, kept.json()), (200, json!({"imageId": "taxi-7"})));
    assert_eq!(upload(&bench, "taxi-7", &png(167, 167)).status, 409);
    bench.switch("second-image-status", "400");
    assert_eq!(upload(&bench, "taxi-7", &png(200, 200)).status, 400);
    assert_eq!(upload(&bench, "taxi_8.jpg", &jpeg(300, 200)).status, 200);

    let link = json!({"category": "TICKET", "orderDetailsUrl": "https://example.com/", "imageId": "taxi-7"});
    let put = bench.call("PUT", "/order-management/v2/ECOM/categories/ride-0001").json(&link).send();
    assert_eq!(put.status, 200);
    assert_eq!(bench.call("GET", "/order-management/v2/ECOM/ride-0001").send().json()["category"], link);
}

#[test]
fn too_low_too_large_and_no_image_at_all() {
    let bench = Bench::new();
    assert_eq!(upload(&bench, "low", &png(300, 166)).invalid(), ["src"]);
    assert_eq!(upload(&bench, "low", &jpeg(300, 166)).invalid(), ["src"]);
    assert_eq!(upload(&bench, "gif", b"GIF89a\xff\x00\xff\x00").invalid(), ["src"]);
    assert_eq!(upload(&bench, "cut", &png(300, 300)[..20]).invalid(), ["src"]);
    assert_eq!(upload(&bench, "cut", b"\xff\xd8\xff").invalid(), ["src"]);
    assert_eq!(upload(&bench, "none", b"").invalid(), ["src"]);
    let mut large = png(300, 300);
    large.resize(2_000_000, 0);
    assert_eq!(upload(&bench, "large", &large).status, 200, "as large as it may be");
    large.push(0);
    assert_eq!(upload(&bench, "larger", &large).invalid(), ["src"]);
    large.resize(4 * 1024 * 1024, 0);
    assert_eq!(upload(&bench, "largest", &large).status, 413);
}

#[test]
fn strictness() {
    let bench = Bench::new();
    let good = json!({"imageId": "taxi-7", "src": STANDARD.encode(png(167, 167)), "type": "base64"});
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        send(&bench, &body).invalid()
    };
    assert_eq!(changed("src", json!("no base64!")), ["src"]);
    assert_eq!(changed("src", json!(7)), ["src"]);
    assert_eq!(changed("type", json!("url")), ["type"]);
    assert_eq!(changed("imageId", json!("with space")), ["imageId"]);
    assert_eq!(changed("imageId", json!("x".repeat(129))), ["imageId"]);
    assert_eq!(changed("name", json!("x")), ["name"]);
    assert_eq!(send(&bench, &json!({})).invalid(), ["imageId", "src", "type"]);
    assert_eq!(send(&bench, &good).status, 200);
    bench.switch("om-available", "no");
    assert_eq!(send(&bench, &good).status, 404);
}

#[test]
fn fault_rules_know_them() {
    let bench = Bench::new();
    bench.fault(json!({"operation": "image", "action": "lose_answer"}));
    let lost = bench.call("POST", "/order-management/v1/images");
    let body = json!({"imageId": "taxi-7", "src": STANDARD.encode(png(167, 167)), "type": "base64"});
    assert!(lost.json(&body).try_send().is_err());
    assert_eq!(send(&bench, &body).status, 409, "it was kept all the same");
}
