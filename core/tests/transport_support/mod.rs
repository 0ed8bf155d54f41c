//! Tiny servers on loopback, each a few lines of what goes wrong.
#![allow(dead_code)]

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use vpmeter_core::clock::SystemClock;
use vpmeter_core::transport::https::{Https, HttpsConfig};
use vpmeter_core::transport::{Failure, Flow, Method, Request, Response, Traffic, Transport};

/// A server that lives as long as the test's process.
pub struct Server {
    pub port: u16,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<AtomicUsize>,
}

impl Server {
    /// Runs `talk` for each connection, on a thread of its own, with the number of the connection from 0.
    pub fn start(talk: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let talk = Arc::new(talk);
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let mut peer = Peer {
                    stream: stream.unwrap(),
                    requests: requests.clone(),
                };
                let talk = talk.clone();
                thread::spawn(move || talk(&mut peer, number));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/x", self.port)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The client, as the server sees it.
pub struct Peer {
    pub stream: TcpStream,
    requests: Arc<AtomicUsize>,
}

impl Peer {
    /// One whole request; empty when the client has closed.
    pub fn request(&mut self) -> String {
        let text = read_request(&mut self.stream);
        if !text.is_empty() {
            self.requests.fetch_add(1, Ordering::SeqCst);
        }
        text
    }

    pub fn say(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// Keeps the connection open and silent until the client closes it.
    pub fn hang(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

pub fn read_request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let mut whole = usize::MAX;
    while bytes.len() < whole {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => break,
        }
        if whole == usize::MAX && bytes.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length:"))
                .map_or(0, |v| v.trim().parse().unwrap());
            whole = bytes.len() + length;
        }
    }
    String::from_utf8(bytes).unwrap()
}

pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn https() -> Https {
    Https::new(HttpsConfig::default(), Arc::new(SystemClock::new())).unwrap()
}

pub fn get(url: &str) -> Request {
    Request {
        method: Method::Get,
        url: url.to_string(),
        headers: vec![],
        body: vec![],
        limit_ms: 5_000,
        connect_limit_ms: 3_000,
        max_body: 64 * 1024,
    }
}

pub fn post(url: &str, body: &str) -> Request {
    Request {
        method: Method::Post,
        body: body.as_bytes().to_vec(),
        ..get(url)
    }
}

pub type Outcome = (Result<Response, Failure>, Traffic);

pub fn run(https: &Https, request: &Request) -> Outcome {
    https.exchange(request, Rc::new(|| Flow::GoOn))
}

pub fn fail(https: &Https, request: &Request) -> Failure {
    run(https, request).0.unwrap_err()
}

pub fn succeed(https: &Https, request: &Request) -> Response {
    run(https, request).0.unwrap()
}

/// The failure and the time it took in milliseconds.
pub fn fail_timed(https: &Https, request: &Request) -> (Failure, u64) {
    let start = Instant::now();
    let failure = fail(https, request);
    (failure, start.elapsed().as_millis() as u64)
}

/// A watch that says stop from `after` on, counts its calls and remembers the longest pause between them.
pub struct Watcher {
    start: Instant,
    last: Cell<Instant>,
    after: Duration,
    pub calls: Cell<usize>,
    pub longest_ms: Cell<u64>,
}

impl Watcher {
    pub fn new(after_ms: u64) -> Rc<Watcher> {
        let now = Instant::now();
        Rc::new(Watcher {
            start: now,
            last: Cell::new(now),
            after: Duration::from_millis(after_ms),
            calls: Cell::new(0),
            longest_ms: Cell::new(0),
        })
    }

    pub fn watch(self: &Rc<Self>) -> Rc<dyn Fn() -> Flow> {
        let me = self.clone();
        Rc::new(move || {
            let pause = me.last.replace(Instant::now()).elapsed().as_millis() as u64;
            me.longest_ms.set(me.longest_ms.get().max(pause));
            me.calls.set(me.calls.get() + 1);
            if me.start.elapsed() >= me.after {
                Flow::Stop
            } else {
                Flow::GoOn
            }
        })
    }
}

pub fn ms(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// A listener on 127.0.0.1 whose queue is full, so that it answers no SYN; as long as both are kept.
pub fn silent_listener() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queue.push(stream);
        assert!(queue.len() < 5_000, "the queue is not bounded here");
    }
    (listener, queue)
}
