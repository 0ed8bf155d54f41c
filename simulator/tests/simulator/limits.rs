use serde_json::json;

use crate::bench::Bench;

#[test]
fn five_writes_a_minute() {
    let bench = Bench::new();
    bench.approved("ride-0001");
    for n in 0..5 {
        assert_eq!(bench.capture("ride-0001", 10, &format!("k{n}")).send().status, 200);
        bench.advance(1_000);
    }
    let refused = bench.capture("ride-0001", 10, "k5").send();
    assert_eq!((refused.status, &refused.json()["statusCode"]), (429, &json!(429)));
    assert_eq!(refused.header("retry-after").as_deref(), Some("55"));
    // Another reference, another operation and reading are not concerned.
    assert_eq!(bench.create("ride-0002").send().status, 201);
    assert_eq!(bench.refund("ride-0001", 10, "r").send().status, 200);
    assert_eq!(bench.get("ride-0001").status, 200);

    bench.advance(54_999);
    assert_eq!(bench.capture("ride-0001", 10, "k5").send().status, 429);
    bench.advance(1);
    assert_eq!(bench.capture("ride-0001", 10, "k5").send().status, 200);
    assert_eq!(bench.capture("ride-0001", 10, "k6").send().status, 429);
    assert_eq!(bench.ledger("ride-0001")["capture_count"], 6);
}

#[test]
fn writes_together_and_bare_refusals() {
    let bench = Bench::with(&["--switch", "rate-limit-scope=reference", "--switch", "rate-limit-shape=empty"]);
    bench.approved("ride-0001");
    for n in 0..4 {
        assert_eq!(bench.capture("ride-0001", 10, &format!("k{n}")).send().status, 200);
    }
    let refused = bench.refund("ride-0001", 10, "r").send();
    assert_eq!((refused.status, refused.body.len(), refused.header("retry-after")), (429, 0, None));
}

#[test]
fn a_hundred_and_twenty_reads_a_minute() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    for _ in 0..120 {
        assert_eq!(bench.get("ride-0001").status, 200);
    }
    assert_eq!(bench.get("ride-0001").status, 429);
    assert_eq!(bench.on("GET", "ride-0001", "/events").send().status, 200);
    bench.advance(60_000);
    assert_eq!(bench.get("ride-0001").status, 200);
    bench.switch("rate-limits", "off");
    for _ in 0..130 {
        assert_eq!(bench.get("ride-0001").status, 200);
    }
}
