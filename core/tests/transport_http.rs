//! The transport without TLS: reuse of connections, what may have left, limits, the watch, and bad answers.
#![cfg(feature = "https")]

mod transport_support;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use transport_support::*;
use vpmeter_core::clock::SystemClock;
use vpmeter_core::error::Cause;
use vpmeter_core::transport::https::{Https, HttpsConfig};
use vpmeter_core::transport::{Flow, Transport};

/// Answers every request on a connection that it keeps.
fn friendly() -> Server {
    Server::start(|peer, _| {
        while !peer.request().is_empty() {
            peer.say(&ok("hello"));
        }
    })
}

#[test]
fn get_and_post_share_one_connection() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = Server::start(move |peer, _| loop {
        let text = peer.request();
        if text.is_empty() {
            return;
        }
        log.lock().unwrap().push(text);
        peer.say(&ok("hello"));
    });
    let https = https();
    let mut request = post(&server.url(), "{\"a\":1}");
    request.headers.push((
        "Idempotency-Key".into(),
        zeroize::Zeroizing::new("key-1".to_string()),
    ));
    let (response, traffic) = run(&https, &request);
    let response = response.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
    assert_eq!(succeed(&https, &get(&server.url())).status, 200);
    assert_eq!(succeed(&https, &post(&server.url(), "")).status, 200);
    assert_eq!((server.connections(), server.requests()), (1, 3));

    let seen = seen.lock().unwrap();
    // Exactly these bytes: nothing is added that the caller did not ask for.
    let host = format!("host: 127.0.0.1:{}\r\n", server.port);
    assert!(seen[0].starts_with("POST /x HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].ends_with("\r\n\r\n{\"a\":1}"));
    assert!(seen[0].contains("idempotency-key: key-1\r\n"));
    assert_eq!(seen[0].lines().count(), 6, "{}", seen[0]);
    assert_eq!(seen[1], format!("GET /x HTTP/1.1\r\n{host}\r\n"));
    assert!(seen[2].contains("content-length: 0\r\n"), "{}", seen[2]);
    assert_eq!(traffic.sent, seen[0].len() as u64);
    assert_eq!(traffic.received, ok("hello").len() as u64);
}

#[test]
fn every_status_is_an_answer() {
    let statuses = [
        201, 204, 301, 302, 307, 308, 400, 401, 404, 409, 423, 429, 500, 503, 599,
    ];
    let server = Server::start(move |peer, _| {
        for status in statuses {
            peer.request();
            let length = match status {
                204 => "",
                _ => "Content-Length: 2\r\n",
            };
            let body = if status == 204 { "" } else { "{}" };
            // An interim answer is none.
            peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            peer.say(&format!(
                "HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/y\r\n{length}\r\n{body}"
            ));
        }
    });
    let https = https();
    for status in statuses {
        assert_eq!(succeed(&https, &post(&server.url(), "a")).status, status);
    }
    assert_eq!(server.requests(), statuses.len());
}

#[test]
fn retry_after_and_date() {
    let cases = [
        ("Retry-After: 7\r\n", Some(7_000)),
        ("Retry-After: 99999999999999999999999\r\n", Some(u32::MAX)),
        (
            "Retry-After: Sun, 22 Nov 2026 10:00:30 GMT\r\n",
            Some(30_000),
        ),
        ("Retry-After: Sun, 22 Nov 2020 10:00:30 GMT\r\n", Some(0)),
        ("Retry-After: soon\r\n", None),
        ("Retry-After: -3\r\n", None),
        ("Retry-After: \r\n", None),
        ("", None),
    ];
    let server = Server::start(move |peer, _| {
        for (header, _) in cases {
            peer.request();
            peer.say(&format!(
                "HTTP/1.1 429 Slow\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n{header}Content-Length: 0\r\n\r\n"
            ));
        }
    });
    let https = https();
    for (header, expected) in cases {
        let response = succeed(&https, &get(&server.url()));
        assert_eq!(response.retry_after_ms, expected, "{header}");
        assert_eq!(response.date_ms, Some(1_795_341_600_000));
    }
}

/// The one that matters most: a kept connection on which the server takes the request and hangs up.
#[test]
fn a_dead_kept_connection_is_doubt_and_nothing_is_sent_twice() {
    for request_of in [post as fn(&str, &str) -> _, |url, _| get(url)] {
        let server = Server::start(|peer, number| {
            peer.request();
            peer.say(&ok("first"));
            if number == 0 {
                // Closed exactly when the second request is there, so no look at the socket could have told.
                peer.request();
            } else {
                peer.hang();
            }
        });
        let https = https();
        succeed(&https, &get(&server.url()));
        let failure = fail(&https, &request_of(&server.url(), "pay"));
        assert!(failure.may_have_left);
        assert_eq!(failure.cause, Cause::ConnectionLost);
        ms(100);
        assert_eq!((server.connections(), server.requests()), (1, 2));
        // The next exchange starts afresh.
        succeed(&https, &get(&server.url()));
        assert_eq!(server.connections(), 2);
    }
}

/// The same, but with a reset that arrives before the request is read.
#[test]
fn a_reset_on_a_kept_connection_is_doubt() {
    let server = Server::start(|peer, number| {
        peer.request();
        peer.say(&ok("first"));
        if number == 0 {
            let mut byte = [0];
            // One byte of the second request; the rest is unread, so that closing resets.
            let _ = std::io::Read::read(&mut peer.stream, &mut byte);
        } else {
            peer.hang();
        }
    });
    let https = https();
    succeed(&https, &get(&server.url()));
    let failure = fail(&https, &post(&server.url(), &"x".repeat(200_000)));
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::ConnectionLost);
    assert_eq!(server.connections(), 1);
}

/// Closed while idle: seen before anything is sent, so a fresh connection carries the request, once.
#[test]
fn a_connection_closed_while_idle_is_replaced() {
    let server = Server::start(|peer, number| {
        peer.request();
        peer.say(&ok("x"));
        if number > 0 {
            peer.hang();
        }
    });
    let https = https();
    succeed(&https, &get(&server.url()));
    ms(100);
    succeed(&https, &post(&server.url(), "a"));
    assert_eq!((server.connections(), server.requests()), (2, 2));
}

/// A server that says 408 into the silence must not have that read as the answer to the next request.
#[test]
fn unasked_bytes_spoil_a_kept_connection() {
    let server = Server::start(|peer, number| {
        peer.request();
        peer.say(&ok("x"));
        if number == 0 {
            ms(50);
            peer.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
        }
        peer.hang();
    });
    let https = https();
    succeed(&https, &get(&server.url()));
    ms(200);
    assert_eq!(succeed(&https, &post(&server.url(), "a")).status, 200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn an_old_idle_connection_is_not_used() {
    let server = friendly();
    let config = HttpsConfig {
        idle_limit_ms: 150,
        ..HttpsConfig::default()
    };
    let https = Https::new(config, Arc::new(SystemClock::new())).unwrap();
    succeed(&https, &get(&server.url()));
    succeed(&https, &get(&server.url()));
    assert_eq!(server.connections(), 1);
    ms(250);
    succeed(&https, &get(&server.url()));
    assert_eq!(server.connections(), 2);
}

#[test]
fn refused_is_surely_nothing() {
    let port = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().port()
    };
    for host in ["127.0.0.1", "localhost"] {
        let (result, traffic) = run(&https(), &post(&format!("http://{host}:{port}/"), "a"));
        let failure = result.unwrap_err();
        assert!(!failure.may_have_left);
        assert_eq!(failure.cause, Cause::Connect, "{failure:?}");
        assert_eq!(traffic.sent, 0);
    }
}

#[test]
fn what_may_not_be_sent_is_not() {
    let server = friendly();
    for url in [
        "http://192.0.2.1/".to_string(),
        "http://api.vipps.no/".to_string(),
        "http://localhost.vipps.no/".to_string(),
        format!("http://127.0.0.1:{}@192.0.2.1/", server.port),
        format!("http://user:secret@127.0.0.1:{}/", server.port),
        "ftp://127.0.0.1/".to_string(),
        "/x".to_string(),
        "".to_string(),
        "http://".to_string(),
        "https:///x".to_string(),
        "http://127.0.0.1:99999/".to_string(),
    ] {
        let failure = fail(&https(), &get(&url));
        assert!(!failure.may_have_left, "{url}");
        assert_eq!(failure.cause, Cause::Connect, "{url}");
        assert!(!failure.detail.contains("secret"));
    }
    let mut request = get(&server.url());
    request.headers.push((
        "Authorization".into(),
        zeroize::Zeroizing::new("sec\nret".to_string()),
    ));
    let failure = fail(&https(), &request);
    assert!(
        !failure.may_have_left && !failure.detail.contains("ret\n"),
        "{failure:?}"
    );
    assert_eq!(server.connections(), 0);
}

/// `localhost` is 127.0.0.1, which swallows every packet here, and ::1, which answers.
#[test]
fn an_address_that_swallows_packets_leaves_time_for_the_next() {
    let (silent, _queue) = silent_listener();
    let port = silent.local_addr().unwrap().port();
    let Ok(listener) = TcpListener::bind(("::1", port)) else {
        return; // A machine without IPv6.
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_request(&mut stream);
            let _ = std::io::Write::write_all(&mut stream, ok("six").as_bytes());
        }
    });
    let https = https();
    let mut request = get(&format!("http://localhost:{port}/"));
    request.connect_limit_ms = 1_000;
    let start = Instant::now();
    assert_eq!(succeed(&https, &request).body, b"six");
    let took = start.elapsed().as_millis();
    assert!((450..900).contains(&took), "{took}");
    // The one that answered comes first from now on.
    ms(50);
    let start = Instant::now();
    assert_eq!(succeed(&https, &request).body, b"six");
    assert!(start.elapsed().as_millis() < 300);
}

/// The system's resolver itself; a name that cannot exist (RFC 6761), or no name server at all.
#[test]
fn an_unknown_name_is_surely_nothing() {
    let mut request = post("https://vpmeter.invalid/", "a");
    request.connect_limit_ms = 1_000;
    let (failure, took) = fail_timed(&https(), &request);
    assert!(!failure.may_have_left);
    assert!(
        matches!(failure.cause, Cause::NameLookup | Cause::Timeout),
        "{failure:?}"
    );
    assert!(took < 1_400, "{took}");
}

#[test]
fn an_unanswered_connect_is_bounded_and_surely_nothing() {
    let (silent, _queue) = silent_listener();
    let address = silent.local_addr().unwrap();
    let mut request = post(&format!("http://{address}/"), "a");
    request.connect_limit_ms = 500;
    let https = https();
    let (failure, took) = fail_timed(&https, &request);
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout, "{failure:?}");
    assert!((450..800).contains(&took), "{took}");

    request.connect_limit_ms = 5_000;
    let watcher = Watcher::new(300);
    let start = Instant::now();
    let failure = https.exchange(&request, watcher.watch()).0.unwrap_err();
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Interrupted);
    assert!(start.elapsed().as_millis() < 700);
}

#[test]
fn no_answer_is_a_timeout_with_doubt() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.hang();
    });
    let mut request = post(&server.url(), "a");
    request.limit_ms = 600;
    let (failure, took) = fail_timed(&https(), &request);
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!((550..900).contains(&took), "{took}");
    ms(100);
    assert_eq!(server.requests(), 1);
}

/// The peer who always has one more byte.
#[test]
fn a_trickle_is_bounded() {
    for answer in [
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
    ] {
        let server = Server::start(move |peer, _| {
            peer.request();
            peer.say(answer);
            for _ in 0..200 {
                peer.say("a");
                ms(20);
            }
        });
        let mut request = post(&server.url(), "a");
        request.limit_ms = 700;
        let watcher = Watcher::new(60_000);
        let start = Instant::now();
        let failure = https().exchange(&request, watcher.watch()).0.unwrap_err();
        let took = start.elapsed().as_millis();
        assert!(failure.may_have_left);
        assert_eq!(failure.cause, Cause::Timeout);
        assert!((650..1000).contains(&took), "{took}");
        assert!(watcher.calls.get() >= 3, "{}", watcher.calls.get());
    }
}

/// The peer who sends so much that the socket is never empty: nothing is ever waited for.
#[test]
fn a_flood_is_bounded() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let flood = "1\r\na\r\n".repeat(10_000);
        while std::io::Write::write_all(&mut peer.stream, flood.as_bytes()).is_ok() {}
    });
    let mut request = get(&server.url());
    request.limit_ms = 500;
    request.max_body = 100_000_000;
    let (failure, took) = fail_timed(&https(), &request);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!(took < 800, "{took}");
    request.limit_ms = 20_000;
    let watcher = Watcher::new(300);
    let start = Instant::now();
    let failure = https().exchange(&request, watcher.watch()).0.unwrap_err();
    assert_eq!(failure.cause, Cause::Interrupted);
    assert!(start.elapsed().as_millis() < 700);
}

#[test]
fn the_watch_is_called_and_obeyed() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.hang();
    });
    let watcher = Watcher::new(1_000);
    let start = Instant::now();
    let (result, traffic) = https().exchange(&post(&server.url(), "a"), watcher.watch());
    let took = start.elapsed().as_millis();
    let failure = result.unwrap_err();
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::Interrupted);
    assert!(traffic.sent > 0);
    assert!((1_000..1_400).contains(&took), "{took}");
    // Before sending, and five times or so since.
    assert!(
        (5..=7).contains(&watcher.calls.get()),
        "{}",
        watcher.calls.get()
    );
    assert!(
        watcher.longest_ms.get() < 300,
        "{}",
        watcher.longest_ms.get()
    );
}

#[test]
fn a_stop_before_the_first_byte_costs_nothing() {
    let server = friendly();
    let (result, traffic) = https().exchange(&post(&server.url(), "a"), Rc::new(|| Flow::Stop));
    let failure = result.unwrap_err();
    assert!(!failure.may_have_left);
    assert_eq!(failure.cause, Cause::Interrupted);
    assert_eq!(traffic.sent, 0);
    // Also on a kept connection.
    let https = https();
    succeed(&https, &get(&server.url()));
    let (result, traffic) = https.exchange(&post(&server.url(), "a"), Rc::new(|| Flow::Stop));
    assert!(!result.unwrap_err().may_have_left);
    assert_eq!(traffic.sent, 0);
    ms(50);
    assert_eq!(server.requests(), 1);
}

/// A peer that does not read: the body fills its buffers, and sending has to wait.
#[test]
fn a_peer_that_does_not_read_is_bounded() {
    let server = Server::start(|_, _| ms(3_000));
    let mut request = post(&server.url(), &"x".repeat(16 * 1024 * 1024));
    request.limit_ms = 700;
    let (failure, took) = fail_timed(&https(), &request);
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!(took < 1_200, "{took}");
}

#[test]
fn half_an_answer_is_none() {
    for (answer, cause) in [
        ("", Cause::ConnectionLost),
        ("HTTP/1.1 200 OK\r\nContent-Le", Cause::ConnectionLost),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            Cause::ConnectionLost,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            Cause::ConnectionLost,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            Cause::BadAnswer,
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", Cause::BadAnswer),
        (
            "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
            Cause::BadAnswer,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            Cause::BadAnswer,
        ),
    ] {
        let server = Server::start(move |peer, _| {
            peer.request();
            peer.say(answer);
        });
        let failure = fail(&https(), &post(&server.url(), "a"));
        assert!(failure.may_have_left, "{answer}");
        assert_eq!(failure.cause, cause, "{answer}: {}", failure.detail);
        assert_eq!(server.requests(), 1);
    }
}

#[test]
fn half_a_body_and_silence_is_a_timeout() {
    let server = Server::start(|peer, _| {
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        peer.hang();
    });
    let mut request = get(&server.url());
    request.limit_ms = 400;
    let (failure, took) = fail_timed(&https(), &request);
    assert!(failure.may_have_left);
    assert_eq!(failure.cause, Cause::Timeout);
    assert!(took < 700, "{took}");
}

#[test]
fn bodies_and_headers_are_bounded() {
    let server = Server::start(|peer, number| {
        peer.request();
        match number {
            0 => peer.say(&ok("12345678")),
            1 => peer.say(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n",
            ),
            2 => peer.say(&ok("123456789")),
            3 => peer.say(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
            ),
            4 => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"),
            _ => peer.say(&format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(40_000))),
        }
        peer.hang();
    });
    for number in 0..6 {
        let mut request = post(&server.url(), "a");
        request.max_body = 8;
        let result = run(&https(), &request).0;
        if number < 2 {
            assert_eq!(result.unwrap().body, b"12345678");
        } else {
            let failure = result.unwrap_err();
            assert!(failure.may_have_left);
            assert_eq!(failure.cause, Cause::BadAnswer, "{number}: {failure:?}");
        }
    }
}

#[test]
fn a_large_body_arrives_whole() {
    let body: String = (0..200_000)
        .map(|i| char::from(b'a' + (i % 26) as u8))
        .collect();
    let sent = body.clone();
    let server = Server::start(move |peer, _| {
        peer.request();
        peer.say(&ok(&sent));
    });
    let mut request = post(&server.url(), &body);
    request.max_body = body.len();
    assert_eq!(succeed(&https(), &request).body, body.as_bytes());
}

#[test]
fn threads_do_not_wait_for_each_other() {
    let slow = Arc::new(AtomicBool::new(true));
    let server = Server::start(|peer, _| loop {
        let text = peer.request();
        if text.is_empty() {
            return;
        }
        if text.contains("/slow") {
            ms(600);
        }
        peer.say(&ok("x"));
    });
    let https = Arc::new(https());
    let (other, running) = (https.clone(), slow.clone());
    let url = server.url();
    let thread = std::thread::spawn(move || {
        succeed(&other, &get(&url.replace("/x", "/slow")));
        running.store(false, Ordering::SeqCst);
    });
    ms(100);
    for _ in 0..5 {
        succeed(&https, &post(&server.url(), "a"));
    }
    assert!(slow.load(Ordering::SeqCst));
    thread.join().unwrap();
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_panic_in_the_watch_leaves_the_transport_usable() {
    let server = friendly();
    let https = https();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        https.exchange(
            &get(&server.url()),
            Rc::new(|| std::panic::resume_unwind(Box::new(()))),
        )
    }));
    assert!(panicked.is_err());
    succeed(&https, &get(&server.url()));
}
