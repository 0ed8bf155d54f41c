//! The transport's TLS: whom it trusts, at what time, and what a broken handshake leaves behind.
#![cfg(feature = "https")]

mod transport_support;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use transport_support::*;
use vpmeter_core::clock::{Clock, SystemClock};
use vpmeter_core::error::{Cause, Code};
use vpmeter_core::transport::https::{Https, HttpsConfig};
use vpmeter_core::transport::Transport;

const NAME: &str = "api.vpmeter.test";

/// A throw-away authority, in a file, and a server that it vouches for.
struct Pki {
    ca_file: PathBuf,
    server: Arc<ServerConfig>,
}

fn pki(versions: &[&'static rustls::SupportedProtocolVersion]) -> Pki {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![NAME.to_string()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2080, 1, 1);
    let leaf = params.signed_by(&key, &ca).unwrap();

    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("vpmeter-ca-{}-{number}.pem", std::process::id());
    let ca_file = std::env::temp_dir().join(name);
    std::fs::write(&ca_file, ca.pem()).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Pki {
        ca_file,
        server: Arc::new(server),
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

impl Pki {
    fn https(&self) -> Https {
        self.https_at(Arc::new(SystemClock::new()))
    }

    fn https_at(&self, clock: Arc<dyn Clock>) -> Https {
        let config = HttpsConfig {
            ca_file: Some(self.ca_file.clone()),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ..HttpsConfig::default()
        };
        Https::new(config, clock).unwrap()
    }

    fn serve(
        &self,
        talk: impl Fn(&mut StreamOwned<ServerConnection, &mut std::net::TcpStream>, &AtomicUsize)
            + Send
            + Sync
            + 'static,
    ) -> (Server, Arc<AtomicUsize>) {
        let config = self.server.clone();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let server = Server::start(move |peer, _| {
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(session, &mut peer.stream);
            talk(&mut stream, &count);
        });
        (server, requests)
    }

    /// Answers every request.
    fn friendly(&self) -> (Server, Arc<AtomicUsize>) {
        self.serve(|stream, count| {
            while !read_request(stream).is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
                if stream.write_all(ok("secure").as_bytes()).is_err() {
                    return;
                }
            }
        })
    }
}

fn url(server: &Server) -> String {
    format!("https://{NAME}:{}/x", server.port)
}

/// A wall clock that stands at one moment.
struct At(i64);

impl Clock for At {
    fn wall_ms(&self) -> i64 {
        self.0
    }
    fn monotonic_ms(&self) -> i64 {
        0
    }
    fn sleep(&self, _: u32) {}
}

#[test]
fn a_ca_file_is_trusted_and_the_connection_kept() {
    for versions in [
        &[&rustls::version::TLS13][..],
        &[&rustls::version::TLS12][..],
    ] {
        let pki = pki(versions);
        let (server, requests) = pki.friendly();
        let https = pki.https();
        let (response, first) = run(&https, &post(&url(&server), "a"));
        assert_eq!(response.unwrap().body, b"secure");
        // Tickets of TLS 1.3 come after the answer or with it, and do not spoil the connection.
        ms(100);
        let (response, second) = run(&https, &post(&url(&server), "a"));
        response.unwrap();
        assert_eq!(server.connections(), 1);
        assert_eq!(requests.load(Ordering::SeqCst), 2);
        // The handshake is counted, and only in the first.
        assert!(
            first.received > second.received + 500,
            "{first:?} {second:?}"
        );
        assert!(first.sent > second.sent + 100, "{first:?} {second:?}");
    }
}

#[test]
fn a_session_is_resumed() {
    let pki = pki(&[&rustls::version::TLS13]);
    let (server, _) = pki.serve(|stream, _| {
        read_request(stream);
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let https = pki.https();
    let (_, first) = run(&https, &get(&url(&server)));
    let (_, second) = run(&https, &get(&url(&server)));
    assert_eq!(server.connections(), 2);
    // Without the certificate.
    assert!(
        second.received + 300 < first.received,
        "{first:?} {second:?}"
    );
}

#[test]
fn an_untrusted_certificate_is_refused_before_anything_is_sent() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, requests) = pki.friendly();
    let config = HttpsConfig {
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ..HttpsConfig::default()
    };
    let https = Https::new(config, Arc::new(SystemClock::new())).unwrap();
    let failure = fail(&https, &post(&url(&server), "a"));
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Tls);
    assert!(
        failure.detail.contains("UnknownIssuer"),
        "{}",
        failure.detail
    );
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[test]
fn a_wrong_name_is_refused() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, requests) = pki.friendly();
    for host in ["other.vpmeter.test", "127.0.0.1", "localhost"] {
        let failure = fail(
            &pki.https(),
            &post(&format!("https://{host}:{}/", server.port), "a"),
        );
        assert!(!failure.may_have_left);
        assert_eq!(failure.cause, Cause::Tls, "{failure:?}");
        assert!(
            failure.detail.contains("not valid for name"),
            "{}",
            failure.detail
        );
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[test]
fn certificates_are_judged_by_the_clock_door() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, requests) = pki.friendly();
    for (year_ms, word) in [
        (3_786_912_000_000, "expired"), // 2090
        (0, "not valid yet"),           // a dead battery
        (-5_000, "time"),               // no time at all
    ] {
        let https = pki.https_at(Arc::new(At(year_ms)));
        let failure = fail(&https, &post(&url(&server), "a"));
        assert!(!failure.may_have_left);
        assert_eq!(failure.cause, Cause::Tls);
        assert!(failure.detail.contains(word), "{}", failure.detail);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    // 2050: this machine's own clock is not asked.
    succeed(
        &pki.https_at(Arc::new(At(2_524_608_000_000))),
        &get(&url(&server)),
    );
}

#[test]
fn a_silent_peer_in_the_handshake_is_bounded_and_surely_nothing() {
    let pki = pki(rustls::ALL_VERSIONS);
    let server = Server::start(|peer, _| peer.hang());
    let mut request = post(&url(&server), "a");
    request.connect_limit_ms = 500;
    let https = pki.https();
    let (failure, took) = fail_timed(&https, &request);
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!((450..800).contains(&took), "{took}");

    request.connect_limit_ms = 4_000;
    let watcher = Watcher::new(500);
    let start = Instant::now();
    let (result, traffic) = https.exchange(&request, watcher.watch());
    let failure = result.unwrap_err();
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Interrupted);
    assert!(start.elapsed().as_millis() < 900);
    // The hello is counted, though it is no byte of the request.
    assert!(traffic.sent > 100);
}

#[test]
fn a_peer_that_hangs_up_in_the_handshake_is_a_broken_network() {
    let pki = pki(rustls::ALL_VERSIONS);
    let server = Server::start(|_, _| {});
    let failure = fail(&pki.https(), &post(&url(&server), "a"));
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Connect, "{failure:?}");
}

#[test]
fn a_peer_that_speaks_no_tls_is_refused() {
    let pki = pki(rustls::ALL_VERSIONS);
    let server = Server::start(|peer, _| {
        peer.say("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.hang();
    });
    let failure = fail(&pki.https(), &post(&url(&server), "a"));
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Tls, "{failure:?}");
}

#[test]
fn a_dead_kept_connection_is_doubt_and_nothing_is_sent_twice() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, requests) = pki.serve(|stream, count| {
        read_request(stream);
        count.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(ok("x").as_bytes());
        // Takes the second and says nothing.
        if !read_request(stream).is_empty() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let https = pki.https();
    succeed(&https, &get(&url(&server)));
    let failure = fail(&https, &post(&url(&server), "pay"));
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::ConnectionLost);
    ms(100);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    assert_eq!(server.connections(), 1);
}

/// A body that ends with the connection is whole only if the server says goodbye within TLS.
#[test]
fn a_cut_connection_does_not_end_a_body() {
    let pki = pki(rustls::ALL_VERSIONS);
    for polite in [true, false] {
        let (server, _) = pki.serve(move |stream, _| {
            read_request(stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf?");
            if polite {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        let result = run(&pki.https(), &get(&url(&server))).0;
        if polite {
            assert_eq!(result.unwrap().body, b"half?");
        } else {
            let failure = result.unwrap_err();
            assert!(failure.may_have_left);
            assert_eq!(failure.cause, Cause::ConnectionLost);
        }
    }
}

#[test]
fn a_stalled_answer_within_tls_is_a_timeout() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, _) = pki.serve(|stream, _| {
        read_request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        let _ = stream.read(&mut [0]);
    });
    let mut request = post(&url(&server), "a");
    request.limit_ms = 600;
    let (failure, took) = fail_timed(&pki.https(), &request);
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!(took < 900, "{took}");
}

#[test]
fn a_large_body_goes_both_ways() {
    let pki = pki(rustls::ALL_VERSIONS);
    let (server, _) = pki.serve(|stream, _| {
        let text = read_request(stream);
        let body = text.split("\r\n\r\n").nth(1).unwrap().to_string();
        let _ = stream.write_all(ok(&body).as_bytes());
    });
    let body = "0123456789".repeat(20_000);
    let mut request = post(&url(&server), &body);
    request.max_body = body.len();
    assert_eq!(succeed(&pki.https(), &request).body, body.as_bytes());
}

#[test]
fn a_bad_ca_file_is_the_callers_mistake() {
    let name = |what: &str| {
        std::env::temp_dir().join(format!("vpmeter-bad-{}-{what}.pem", std::process::id()))
    };
    let cases = [
        ("absent", None),
        ("empty", Some("")),
        ("text", Some("no certificate here\n")),
        (
            "broken",
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ),
        ("cut", Some("-----BEGIN CERTIFICATE-----\nAAAA\n")),
    ];
    for (what, content) in cases {
        let path = name(what);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let config = HttpsConfig {
            ca_file: Some(path.clone()),
            ..HttpsConfig::default()
        };
        let report = Https::new(config, Arc::new(SystemClock::new()))
            .err()
            .unwrap();
        assert_eq!(report.code, Code::InvalidArgument, "{what}");
        assert_eq!(report.field, "ca_file", "{what}");
        let _ = std::fs::remove_file(&path);
    }
}

/// As `transport_reset` has it, under TLS: by a reset if the answer is missing, else in good order.
#[test]
fn a_request_that_is_given_up_is_taken_back() {
    for (answer, expected) in [
        ("", ErrorKind::ConnectionReset),
        // TLS without a farewell: the end of the stream, and no reset.
        (ok("secure").as_str(), ErrorKind::UnexpectedEof),
    ] {
        let pki = pki(&[&rustls::version::TLS13]);
        let answer = answer.to_string();
        let (tell, ends) = channel();
        let tell = Mutex::new(tell);
        let (server, _) = pki.serve(move |stream, _| {
            read_request(stream);
            stream.write_all(answer.as_bytes()).unwrap();
            let end = stream.read(&mut [0; 64]).unwrap_err();
            tell.lock().unwrap().send(end.kind()).unwrap();
        });
        let https = pki.https();
        let mut request = post(&url(&server), "a");
        request.limit_ms = 700;
        let (result, _) = run(&https, &request);
        assert_eq!(result.is_ok(), expected == ErrorKind::UnexpectedEof);
        drop(https);
        assert_eq!(ends.recv().unwrap(), expected);
    }
}
