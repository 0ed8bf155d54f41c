//! The modem's world, as the transport meets it: addresses without a route, outlets that are not there, proxies that
//! refuse, connections that a NAT has dropped.
#![cfg(feature = "https")]

mod transport_support;

use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex};

use transport_support::*;
use vpmeter_core::clock::SystemClock;
use vpmeter_core::error::Cause;
use vpmeter_core::transport::https::{addresses, Https, HttpsConfig, Outlet, Proxy};
use vpmeter_core::transport::Request;

fn with(config: HttpsConfig) -> Https {
    Https::new(config, Arc::new(SystemClock::new())).unwrap()
}

/// A name that no name server knows. TLS fails at these servers, which is enough to see that a connection was made.
fn named(port: u16) -> Request {
    let mut request = post(&format!("https://api.invalid:{port}/"), "a");
    request.connect_limit_ms = 1_000;
    request
}

/// Says nothing that is TLS.
fn no_tls(address: &str, port: u16) -> Option<(u16, Arc<Mutex<Vec<IpAddr>>>)> {
    let listener = TcpListener::bind((address, port)).ok()?;
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            log.lock().unwrap().push(stream.peer_addr().unwrap().ip());
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 No\r\n\r\n");
        }
    });
    Some((port, seen))
}

fn at(list: &str) -> HttpsConfig {
    HttpsConfig {
        addresses: addresses::parse(list).unwrap(),
        ..HttpsConfig::default()
    }
}

/// Two that have no route, one that refuses: none of them costs time. The fourth is there.
#[test]
fn addresses_without_a_route_cost_nothing() {
    let (port, seen) = no_tls("127.0.0.1", 0).unwrap();
    let https = with(at("fe80::1, 255.255.255.255, 127.0.0.8, 127.0.0.1"));
    let mut request = named(port);
    (request.limit_ms, request.connect_limit_ms) = (10_000, 8_000);
    let (failure, took) = fail_timed(&https, &request);
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Tls, "{failure:?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert!(took < 2_000, "less than one share of the time: {took}");
}

/// A black hole has its share, and the next is tried within the limit.
#[test]
fn a_black_hole_has_its_share_only() {
    let (silent, _queue) = silent_listener();
    let port = silent.local_addr().unwrap().port();
    let (_, seen) = no_tls("127.0.0.8", port).unwrap();
    let https = with(at("127.0.0.1, 127.0.0.8"));
    let (failure, took) = fail_timed(&https, &named(port));
    // That it ends with TLS shows that the limit was not over; that it took half of it, that the hole was tried.
    assert_eq!(failure.cause, Cause::Tls, "{failure:?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert!(took >= 450, "{took}");
    // Only black holes: the limit holds for all of them together.
    let https = with(at("127.0.0.1"));
    let (failure, took) = fail_timed(&https, &named(port));
    assert_eq!(failure.cause, Cause::Timeout, "{failure:?}");
    assert!((950..4_000).contains(&took), "{took}");
}

fn from(source: &str, interface: &str) -> HttpsConfig {
    HttpsConfig {
        outlet: Outlet::new(source, interface).unwrap(),
        ..HttpsConfig::default()
    }
}

#[test]
fn connections_come_from_the_source_address() {
    for (source, server) in [("127.0.0.9", "127.0.0.1"), ("::1", "::1")] {
        let Some((port, seen)) = no_tls(server, 0) else {
            continue; // A machine without IPv6.
        };
        let host = if server.contains(':') {
            "[::1]"
        } else {
            server
        };
        let url = format!("https://{host}:{port}/");
        assert_eq!(fail(&with(from(source, "")), &get(&url)).cause, Cause::Tls);
        assert_eq!(*seen.lock().unwrap(), [source.parse::<IpAddr>().unwrap()]);
    }
}

#[test]
fn an_outlet_that_is_not_there_is_surely_nothing() {
    let server = Server::start(|peer, _| drop(peer.request()));
    for (source, interface, cause) in [
        ("192.0.2.77", "", Cause::SourceAddress),
        ("::1", "", Cause::SourceAddress),
        ("", "vpnone0", Cause::Interface),
        ("127.0.0.1", "vpnone0", Cause::Interface),
    ] {
        let failure = fail(&with(from(source, interface)), &post(&server.url(), "a"));
        assert!(!failure.may_have_left);
        assert_eq!(failure.cause, cause, "{failure:?}");
    }
    assert_eq!(server.connections(), 0);
}

/// Where there is one, an interface that does not lead there is not left for another that does.
#[test]
fn nothing_leaves_by_another_interface() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.say(&ok("x"));
    });
    assert_eq!(
        succeed(&with(from("", "lo")), &get(&server.url())).status,
        200
    );
    let other = std::fs::read_dir("/sys/class/net")
        .unwrap()
        .find_map(|entry| {
            let entry = entry.unwrap();
            let up = std::fs::read_to_string(entry.path().join("operstate")).unwrap_or_default();
            let name = entry.file_name().into_string().unwrap();
            (up.trim() == "up" && name != "lo").then_some(name)
        });
    let Some(other) = other else {
        return; // A machine with no other interface.
    };
    let mut request = post(&server.url(), "a");
    request.connect_limit_ms = 400;
    let failure = fail(&with(from("", &other)), &request);
    assert!(!failure.may_have_left, "{failure:?}");
    assert_eq!(server.connections(), 1);
}

fn through(server: &Server, user: &str, password: &str) -> Https {
    let url = format!("http://127.0.0.1:{}", server.port);
    with(HttpsConfig {
        proxy: Some(Proxy::new(&url, user, password).unwrap()),
        ..HttpsConfig::default()
    })
}

#[test]
fn what_a_proxy_refuses_was_surely_not_sent() {
    let long = "x".repeat(20_000);
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "HTTP/1.0 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n<html>a portal</html>",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/9 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        &long,
        "",
    ] {
        let said = answer.to_string();
        let asked = Arc::new(Mutex::new(String::new()));
        let log = asked.clone();
        let server = Server::start(move |peer, _| {
            *log.lock().unwrap() = peer.request();
            peer.say(&said);
        });
        let https = through(&server, "car-7", "open sesame");
        let (result, traffic) = run_named(&https);
        let failure = result.unwrap_err();
        assert!(!failure.may_have_left, "{answer}");
        assert_eq!(failure.cause, Cause::Proxy, "{answer}: {failure:?}");
        assert!(!failure.detail.contains("sesame") && !failure.detail.contains("Y2Fy"));
        let asked = asked.lock().unwrap();
        assert_eq!(
            *asked,
            "CONNECT api.invalid:8443 HTTP/1.1\r\nHost: api.invalid:8443\r\n\
             Proxy-Authorization: Basic Y2FyLTc6b3BlbiBzZXNhbWU=\r\n\r\n"
        );
        // What the refusal cost is counted.
        assert_eq!(traffic.sent, asked.len() as u64);
        assert!(traffic.received <= answer.len() as u64);
    }
}

fn run_named(https: &Https) -> Outcome {
    run(https, &named(8443))
}

#[test]
fn a_silent_proxy_has_the_time_of_a_connection() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.hang();
    });
    let (failure, took) = fail_timed(&through(&server, "", ""), &named(8443));
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout, "{failure:?}");
    assert!((950..4_000).contains(&took), "{took}");
    let watcher = Watcher::new(300);
    let stopped = vpmeter_core::transport::Transport::exchange(
        &through(&server, "", ""),
        &named(8443),
        watcher.watch(),
    );
    assert_eq!(stopped.0.unwrap_err().cause, Cause::Interrupted);
}

#[test]
fn nothing_goes_through_a_proxy_unencrypted() {
    let server = Server::start(|peer, _| drop(peer.request()));
    let failure = fail(&through(&server, "", ""), &post(&server.url(), "a"));
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Proxy, "{failure:?}");
    assert_eq!(server.connections(), 0);
}
