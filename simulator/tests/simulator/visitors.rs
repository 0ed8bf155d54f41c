//! Pages of the internet, in a browser on the same machine.

use serde_json::{Value, json};

use crate::bench::Bench;

#[test]
fn no_other_page_steers_or_reads() {
    let bench = Bench::new();
    bench.create("ride-0001").send();
    for url in [&bench.simulator.url, &bench.simulator.control_url] {
        let own = url.split_once("//").expect("a URL").1;
        let port = own.rsplit_once(':').expect("a port").1;
        // A form without preflight, a sandboxed frame, the page of another port, a name that leads here.
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", "http://127.0.0.1:1"),
            ("Host", "evil.example"),
            ("Host", &format!("evil.example:{port}")),
        ] {
            for (method, path) in [("POST", "/_sim/reset"), ("GET", "/_sim/requests"), ("GET", "/_sim/events")] {
                let call = Bench::at(url, method, path).header("Content-Type", "text/plain").header(name, value);
                let reply = call.send();
                assert_eq!(reply.status, 403, "{method} {path} {name}: {value}");
                assert!(reply.json()["error"].as_str().is_some_and(|text| text.contains(name)), "{}", reply.text());
            }
            assert_eq!(Bench::at(url, "GET", "/phone").header(name, value).send().status, 403);
            assert_eq!(Bench::at(url, "GET", "/phone/main.js").header(name, value).send().status, 403);
        }
        // The page itself, under either name.
        for host in [own.to_owned(), format!("localhost:{port}"), format!("[::1]:{port}")] {
            let call = Bench::at(url, "POST", "/_sim/clock").header("Host", &host);
            let reply = call.header("Origin", &format!("http://{host}")).json(&json!({"freeze": true})).send();
            assert_eq!(reply.status, 200, "{host}");
        }
    }
    assert_eq!(bench.state("ride-0001"), "CREATED", "nothing was reset");
    // The servers themselves are called by whatever name, as behind a gateway.
    let call =
        bench.on("GET", "ride-0001", "").header("Host", "api.vipps.no").header("Origin", "https://other.example");
    assert_eq!(call.send().status, 200);
}

#[test]
fn no_webhook_comes_back() {
    let bench = Bench::new();
    let register = |url: &str| {
        let body = json!({"url": url, "events": ["epayments.payment.captured.v1"]});
        bench.call("POST", "/webhooks/v1/webhooks").json(&body).send()
    };
    let own = [&bench.simulator.url, &bench.simulator.control_url];
    for url in own.map(|url| format!("{url}/_sim/reset")) {
        for url in [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("http:", "https:")] {
            assert_eq!(register(&url).invalid(), ["url"], "{url}");
        }
    }
    bench.sim("POST", "reset", Value::Null);
    let bench = Bench { token: bench.fetch_token(), ..bench };
    let body = json!({"url": format!("{}/x", bench.simulator.url), "events": ["epayments.payment.captured.v1"]});
    assert_eq!(bench.call("POST", "/webhooks/v1/webhooks").json(&body).send().status, 400, "after a reset too");
}
