//! How a connection ends, as the server sees it: by a reset where a request was given up, so that this machine's kernel
//! does not deliver it later, and in good order otherwise.
#![cfg(feature = "https")]

mod transport_support;

use std::io::{ErrorKind, Read};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};

use transport_support::*;
use vpmeter_core::clock::SystemClock;
use vpmeter_core::error::Cause;
use vpmeter_core::transport::https::{Https, HttpsConfig};
use vpmeter_core::transport::Transport;

#[derive(Debug, PartialEq, Eq)]
enum End {
    InGoodOrder,
    Reset,
}

/// Reads up to the end; how many bytes came before it, and which end it was.
fn end_of(peer: &mut Peer) -> (usize, End) {
    let (mut bytes, mut room) = (0, [0; 4096]);
    loop {
        match peer.stream.read(&mut room) {
            Ok(0) => return (bytes, End::InGoodOrder),
            Ok(n) => bytes += n,
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return (bytes, End::Reset),
            Err(e) => panic!("{e}"),
        }
    }
}

/// Says `answer` to each request, and tells of each connection how it ended.
fn server(answer: String) -> (Server, Receiver<End>) {
    let (tell, ends) = channel();
    let tell = Mutex::new(tell);
    let server = Server::start(move |peer, _| {
        peer.request();
        peer.say(&answer);
        let (_, end) = end_of(peer);
        tell.lock().unwrap().send(end).unwrap();
    });
    (server, ends)
}

#[test]
fn a_request_without_its_answer_ends_in_a_reset() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let endless = "HTTP/1.1 200 OK\r\n\r\nwithout an end";
    let too_long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n";
    for (answer, cause) in [
        ("", Cause::Timeout),
        ("HTTP/1.1 200 OK\r\nConte", Cause::Timeout),
        ("HTTP/1.1 100 Continue\r\n\r\n", Cause::Timeout),
        (half, Cause::Timeout),
        (endless, Cause::Timeout),
        (too_long, Cause::BadAnswer),
        ("no HTTP at all\r\n\r\n", Cause::BadAnswer),
    ] {
        let (server, ends) = server(answer.to_string());
        let https = https();
        let mut request = post(&server.url(), "{}");
        request.limit_ms = 300;
        let failure = fail(&https, &request);
        assert_eq!(
            (failure.cause, failure.may_have_left),
            (cause, true),
            "{answer}"
        );
        // While the client lives on: it is the exchange that ends the connection.
        assert_eq!(ends.recv().unwrap(), End::Reset, "{answer}");
    }
}

#[test]
fn a_request_that_is_stopped_ends_in_a_reset() {
    let (server, ends) = server(String::new());
    let https = https();
    let (result, _) = https.exchange(&post(&server.url(), "{}"), Watcher::new(300).watch());
    assert_eq!(result.unwrap_err().cause, Cause::Interrupted);
    assert_eq!(ends.recv().unwrap(), End::Reset);
}

/// A watch that is a callback of the host's may unwind.
#[test]
fn a_request_that_a_panic_ends_ends_in_a_reset() {
    let (server, ends) = server(String::new());
    let https = https();
    let request = post(&server.url(), "{}");
    let watcher = Watcher::new(300);
    let watch = watcher.watch();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        https.exchange(
            &request,
            std::rc::Rc::new(move || match watch() {
                vpmeter_core::transport::Flow::Stop => panic!("as a test"),
                flow => flow,
            }),
        )
    }));
    assert!(caught.is_err());
    assert_eq!(ends.recv().unwrap(), End::Reset);
}

/// A server that does not read is to the kernel what a dead zone is: bytes that nobody takes.
#[test]
fn what_the_kernel_still_holds_is_dropped() {
    let (tell, ends) = channel();
    let (go, read_now) = channel();
    let both = Mutex::new((tell, read_now));
    let server = Server::start(move |peer, _| {
        let both = both.lock().unwrap();
        both.1.recv().unwrap();
        both.0.send(end_of(peer)).unwrap();
    });
    let https = https();
    let mut request = post(&server.url(), &"x".repeat(SIZE));
    const SIZE: usize = 300_000;
    request.limit_ms = 500;
    let (result, traffic) = run(&https, &request);
    assert_eq!(result.unwrap_err().cause, Cause::Timeout);
    assert!(
        traffic.sent as usize > SIZE,
        "the kernel took {} bytes only",
        traffic.sent
    );
    go.send(()).unwrap();
    let (bytes, end) = ends.recv().unwrap();
    assert_eq!(end, End::Reset);
    assert!(bytes < SIZE, "all of it was delivered");
}

#[test]
fn a_connection_at_rest_is_closed_in_good_order() {
    for answer in [
        ok("hello"),
        "HTTP/1.1 204 Nothing\r\n\r\n".to_string(),
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_string(),
        // Not kept: ureq closes it before the exchange has returned.
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_string(),
    ] {
        let (server, ends) = server(answer.clone());
        let https = https();
        succeed(&https, &post(&server.url(), "{}"));
        drop(https);
        assert_eq!(ends.recv().unwrap(), End::InGoodOrder, "{answer}");
    }
}

#[test]
fn a_connection_that_has_idled_too_long_is_closed_in_good_order() {
    let (server, ends) = server(ok("hello"));
    let config = HttpsConfig {
        idle_limit_ms: 50,
        ..HttpsConfig::default()
    };
    let https = Https::new(config, Arc::new(SystemClock::new())).unwrap();
    succeed(&https, &get(&server.url()));
    ms(100);
    succeed(&https, &get(&server.url()));
    assert_eq!(server.connections(), 2);
    assert_eq!(ends.recv().unwrap(), End::InGoodOrder);
}

/// Another exchange's time-out is no business of a connection that rests.
#[test]
fn only_the_connection_of_the_request_is_reset() {
    let (tell, ends) = channel();
    let tell = Mutex::new(tell);
    let server = Server::start(move |peer, number| {
        while !peer.request().is_empty() {
            match number {
                0 => {
                    ms(200);
                    peer.say(&ok("slow"));
                }
                _ => break,
            }
        }
        let (_, end) = end_of(peer);
        tell.lock().unwrap().send((number, end)).unwrap();
    });
    let https = https();
    let mut request = post(&server.url(), "{}");
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(succeed(&https, &get(&server.url())).body, b"slow"));
        ms(100);
        request.limit_ms = 300;
        assert_eq!(fail(&https, &request).cause, Cause::Timeout);
    });
    assert_eq!(ends.recv().unwrap(), (1, End::Reset));
    assert_eq!(succeed(&https, &get(&server.url())).body, b"slow");
    assert_eq!((server.connections(), server.requests()), (2, 3));
}
