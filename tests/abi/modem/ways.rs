//! How connections are made, and what becomes of them.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::relay::{Relay, Way};
use crate::common::{driver, encode, sent, skipped, until, Bench, Driver, Link, FARE};

const REF: &str = "trip-0001";
const RIDE: &str = "ride wait=660000 lines=1 l0.total=24900";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn settings_that_cannot_be() {
    let bench = Bench::tls(&[]);
    let mut meter = bench.driver();
    let named = "base_url=https://api.invalid:1";
    let proxy = "proxy_url=http://127.0.0.1:9";
    for (options, field) in [
        ("source_address=localhost", "source_address"),
        ("source_address=127.0.0.1:80", "source_address"),
        ("source_address=a%FFb", "source_address"),
        ("interface_name=sixteen-letters-", "interface_name"),
        ("interface_name=../lo", "interface_name"),
        ("interface_name=", ""),
        ("addresses=127.0.0.1", "addresses"),
        ("proxy_url=https://127.0.0.1:9", "proxy_url"),
        ("proxy_url=http://127.0.0.1", "proxy_url"),
        ("proxy_url=http://user:secret%40127.0.0.1:9", "proxy_url"),
        ("proxy_user=car-7", "proxy_user"),
        ("proxy_password=secret", "proxy_password"),
        ("keep_idle=600001", "keep_idle_ms"),
        ("reserved=1", "reserved"),
    ] {
        check(&mut meter, &bench.open_line(options), field);
    }
    for (more, field) in [
        ("addresses=127.0.0.1;::1", "addresses"),
        ("addresses=", ""),
        ("addresses=127.0.0.1,::1", ""),
        (&format!("addresses=127.0.0.1 {proxy}"), "addresses"),
        (&format!("{proxy} proxy_user=a:b"), "proxy_user"),
        (
            &format!("{proxy} proxy_user=a proxy_password=b%0A"),
            "proxy_password",
        ),
    ] {
        check(
            &mut meter,
            &bench.open_line(&format!("{named} {more}")),
            field,
        );
    }
    let plain = "base_url=http://127.0.0.1:1";
    check(
        &mut meter,
        &bench.open_line(&format!("{plain} {proxy}")),
        "proxy_url",
    );
    assert_eq!(bench.sim.requests().len(), 0);
}

/// An empty field: such an open is good.
#[track_caller]
fn check(meter: &mut Driver, open: &str, field: &str) {
    let reply = meter.call(open);
    let expected = if field.is_empty() {
        "VP_OK"
    } else {
        "VP_ERR_INVALID_ARGUMENT"
    };
    assert_eq!(
        (reply.code(), reply.get("field")),
        (expected, field),
        "{open}"
    );
    assert!(!reply.everything().contains("secret"));
    if field.is_empty() {
        meter.call("close").is("rc=VP_OK");
    }
}

#[test]
fn a_ride_from_a_source_address() {
    for (server, source) in [("127.0.0.1", "127.0.0.9"), ("::1", "::1")] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let Some(relay) = Relay::start(server, &bench.sim.url, Way::Wire) else {
            skipped("this machine has no IPv6");
            continue;
        };
        let host = if server.contains(':') {
            "[::1]"
        } else {
            server
        };
        let url = format!("base_url=http://{host}:{}", relay.port);
        let mut meter = bench.driver();
        meter
            .call(&bench.open_line(&format!("{url} source_address={source}")))
            .is("rc=VP_OK");
        meter.call(RIDE).is("rc=VP_OK verdict=PAID_LEAVE");
        bench.sim.books(REF, &[FARE], 0, &[]);
        let peers = relay.peers();
        assert!(
            !peers.is_empty() && peers.iter().all(|p| *p == ip(source)),
            "{peers:?}"
        );
    }
}

/// A modem that is not up: nothing is sent, the code says which setting it is, and the ride goes on when it is.
#[test]
fn outlets_that_are_not_there() {
    let bench = Bench::new(&[]);
    for (options, cause, field) in [
        (
            "source_address=192.0.2.77",
            "SOURCE_ADDRESS",
            "source_address",
        ),
        ("interface_name=vpnone0", "INTERFACE", "interface_name"),
    ] {
        let mut meter = bench.driver();
        meter.call(&bench.open_line(options)).is("rc=VP_OK");
        // Each its own: what was recorded before a restart may have been sent.
        let create = format!("create ref=trip-{} wait=100", field.replace('_', "-"));
        meter.call(&create).is(&format!(
            "rc=VP_ERR_NETWORK cause={cause} field={field} state=RECORDED"
        ));
        meter.call("close").is("rc=VP_OK");
    }
    let mut meter = bench.driver();
    meter
        .call(&bench.open_line("source_address=::1"))
        .is("rc=VP_OK");
    let reply = meter.call("create ref=trip-0003 wait=100");
    reply.is("rc=VP_ERR_NETWORK cause=SOURCE_ADDRESS field=source_address");
    assert!(reply.get("message").contains("other family"));
    meter.call("close").is("rc=VP_OK");
    assert_eq!(bench.sim.requests().len(), 0);
    let mut meter = bench.driver();
    let there = "source_address=127.0.0.1 interface_name=lo";
    meter.call(&bench.open_line(there)).is("rc=VP_OK");
    meter
        .call("create ref=trip-0002")
        .is("rc=VP_OK state=CREATED");
}

const PASSWORD: &str = "open%20sesame";
const BASIC: &str = "Basic Y2FyLTc6b3BlbiBzZXNhbWU=";

fn no_secret(meter: &Driver, reply: &str) {
    let logged: Vec<String> = meter.events.iter().map(|e| e.everything()).collect();
    let all = logged.join("\n") + reply;
    assert!(
        !all.contains("sesame") && !all.contains("Y2FyLTc6"),
        "{all}"
    );
}

#[test]
fn a_ride_through_a_proxy() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let relay = Relay::here("", Way::Proxy(Some(BASIC)));
    let url = format!("proxy_url=http://127.0.0.1:{}", relay.port);
    let mut meter = bench.driver();
    let options = format!("{url} proxy_user=car-7 proxy_password={PASSWORD}");
    meter.call(&bench.open_line(&options)).is("rc=VP_OK");
    let reply = meter.call(RIDE);
    reply.is("rc=VP_OK verdict=PAID_LEAVE");
    no_secret(&meter, &reply.everything());
    bench.sim.books(REF, &[FARE], 0, &[]);
    let heads = relay.heads();
    let servers = bench.sim.url.trim_start_matches("https://");
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with(&format!(
            "CONNECT {servers} HTTP/1.1\r\nHost: {servers}\r\n"
        )));
    }
    // TLS from end to end: what the proxy carries begins with a handshake, and nothing can be read in it.
    let carried = relay.carried();
    assert_eq!(carried[..2], [0x16, 0x03]);
    let text = String::from_utf8_lossy(&carried).to_lowercase();
    assert!(!text.contains("idempotency-key") && !text.contains("bearer"));
}

#[test]
fn what_a_proxy_refuses_was_not_sent() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let relay = Relay::here("", Way::Proxy(Some(BASIC)));
    let url = format!("proxy_url=http://127.0.0.1:{}", relay.port);
    let mut meter = bench.driver();
    // Wrong credentials, and a log that hears everything.
    let options = format!("{url} proxy_user=car-8 proxy_password={PASSWORD}");
    meter.call(&bench.open_line(&options)).is("rc=VP_OK");
    let refused = "rc=VP_ERR_NETWORK cause=PROXY field=proxy_url who=3 state=RECORDED";
    let reply = meter.call("create wait=100");
    reply.is(refused);
    assert!(
        reply.get("message").contains("407"),
        "{}",
        reply.everything()
    );
    no_secret(&meter, &reply.everything());
    for answer in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n<html>Buy a ticket</html>",
        "",
    ] {
        relay.becomes(Way::Refuses(answer));
        meter.call("create wait=100").is(refused);
    }
    assert_eq!(bench.sim.requests().len(), 0);
    // The proxy lets it through: the same payment, once.
    relay.becomes(Way::Proxy(Some("Basic Y2FyLTg6b3BlbiBzZXNhbWU=")));
    meter.call("create").is("rc=VP_OK state=CREATED");
    assert_eq!(bench.sim.count("create"), 1);
    // A capture that is refused on its way is owed, and surely not done.
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    meter.quit();
    relay.becomes(Way::Refuses("HTTP/1.1 503 Not now\r\n\r\n"));
    let mut meter = bench.driver();
    meter.call(&bench.open_line(&options)).is("rc=VP_OK");
    meter.call("settle wait=2000").is("rc=VP_PENDING");
    assert_eq!(bench.sim.count("capture"), 0);
    relay.becomes(Way::Proxy(Some("Basic Y2FyLTg6b3BlbiBzZXNhbWU=")));
    meter.call("settle").is("rc=VP_OK");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    let bench = Bench::tls(&[]);
    let relay = Relay::here("", Way::Proxy(None));
    let mut command = Command::new(driver(Link::Shared));
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        let url = format!("http://127.0.0.1:{}", relay.port);
        command.env(name, &url).env(name.to_uppercase(), &url);
    }
    let mut meter = Driver::start(command, &bench.dir.join("stderr"));
    meter.call(&bench.open_line("")).is("rc=VP_OK");
    meter.call("create").is("rc=VP_OK");
    assert!(relay.peers().is_empty());
}

/// The name exists nowhere, so what works works without looking it up. The certificate must be the name's.
#[test]
fn addresses_of_the_host() {
    let bench = Bench::tls(&["--passenger", "approve"]);
    let port = bench.sim.url.rsplit(':').next().expect("a port").to_owned();
    // The first has no route, the second refuses.
    let options = format!(
        "base_url=https://other.invalid:{port} addresses={}",
        encode("255.255.255.255, 127.0.0.8, 127.0.0.1")
    );
    let mut meter = bench.driver();
    meter.call(&bench.open_line(&options)).is("rc=VP_OK");
    meter
        .call("create ref=trip-0002 wait=100")
        .is("rc=VP_ERR_TLS state=RECORDED");
    bench.sim.fault(json!({
        "operation": "connection", "action": "certificate", "certificate": "other_name"
    }));
    meter.call(RIDE).is("rc=VP_OK verdict=PAID_LEAVE");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn no_helper_thread_where_the_host_has_the_addresses() {
    let bench = Bench::tls(&[]);
    let relay = Relay::here("", Way::Silent);
    let options = format!(
        "base_url=https://other.invalid:{} addresses=127.0.0.1 connect_ms=1500",
        relay.port
    );
    let mut meter = bench.driver();
    meter.call(&bench.open_line(&options)).is("rc=VP_OK");
    meter.begin(1, "create wait=100");
    until("it connects", || !relay.peers().is_empty());
    // The driver's two: that which reads lines, and that which makes the call.
    assert_eq!(meter.threads(), ["driver-Shared", "driver-Shared"]);
    meter
        .end(1)
        .is("rc=VP_ERR_NETWORK cause=TIMEOUT state=RECORDED");
}

fn nat(bench: &Bench, answers: bool) -> (Relay, String) {
    let way = Way::Nat {
        idle_ms: 1_500,
        answers,
    };
    let relay = Relay::here(&bench.sim.url, way);
    let url = format!("base_url=http://127.0.0.1:{}", relay.port);
    (relay, url)
}

fn idle() {
    std::thread::sleep(Duration::from_millis(2_000));
}

/// Connections younger than the NAT's patience are kept, older ones not.
#[test]
fn an_age_limit_below_the_patience_of_a_nat() {
    let bench = Bench::new(&["--passenger", "approve"]);
    let (relay, url) = nat(&bench, false);
    let mut meter = bench.driver();
    meter
        .call(&bench.open_line(&format!("{url} keep_idle=500 request_ms=3000")))
        .is("rc=VP_OK");
    meter.call("create").is("rc=VP_OK");
    assert_eq!(
        relay.peers().len(),
        1,
        "one connection for token and payment"
    );
    idle();
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    idle();
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    assert_eq!(relay.peers().len(), 3);
    for operation in ["create", "capture"] {
        assert_eq!(bench.sim.count(operation), 1);
    }
}

/// A capture on a connection that the NAT has dropped is unknown; what follows has the same key and the same bytes,
/// whether the first was lost or only its answer.
#[test]
fn a_stale_connection_is_unknown_and_never_a_new_key() {
    for answers in [false, true] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let (relay, url) = nat(&bench, answers);
        let mut meter = bench.driver();
        meter
            .call(&bench.open_line(&format!("{url} keep_idle=600000 request_ms=800")))
            .is("rc=VP_OK");
        meter.call("create").is("rc=VP_OK");
        meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
        idle();
        meter
            .call("capture amount=24900 final=1 wait=100")
            .is("rc=VP_ERR_OUTCOME_UNKNOWN cause=TIMEOUT verdict=SECURED_LEAVE owed=CAPTURE");
        assert_eq!(relay.peers().len(), 1, "it went on the stale connection");
        assert_eq!(bench.sim.count("capture"), usize::from(answers));
        let journal = bench.journal_files();
        meter.call("settle").is("rc=VP_OK");
        meter.call("known").is("verdict=PAID_LEAVE closed=1");
        bench.sim.books(REF, &[FARE], 0, &[]);
        let requests = bench.sim.requests();
        for capture in sent(&requests, "capture") {
            let key = capture["idempotency_key"].as_str().expect("a key");
            let on_disk = journal
                .iter()
                .any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(key));
            assert!(on_disk, "{key} was not that of the first");
        }
    }
}
