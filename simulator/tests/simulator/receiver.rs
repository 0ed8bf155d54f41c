//! A merchant's server: takes deliveries, answers as told, and verifies by an implementation of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Delivered {
    pub request_line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Delivered {
    pub fn header(&self, name: &str) -> &str {
        let found: Vec<_> = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
        assert_eq!(found.len(), 1, "{name} in {:?}", self.headers);
        &found[0].1
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn name(&self) -> String {
        self.json()["name"].as_str().expect("a name").to_owned()
    }

    pub fn reference(&self) -> String {
        self.json()["reference"].as_str().expect("a reference").to_owned()
    }

    /// What a merchant does with the guide in his hand.
    pub fn is_signed_for(&self, secret: &str, host: &str) -> bool {
        let content = STANDARD.encode(Sha256::digest(&self.body));
        let path = self.request_line.split(' ').nth(1).expect("a path");
        let text = format!("POST\n{path}\n{};{host};{content}", self.header("x-ms-date"));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        self.header("x-ms-content-sha256") == content
            && self.header("authorization")
                == format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}")
    }
}

/// What the receiver says to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    Status(u16),
    /// Closes without an answer.
    Nothing,
    /// Answers when [`Receiver::let_go`] is called.
    Wait,
}

type Judge = Box<dyn Fn(&Delivered) -> Say + Send>;

struct State {
    judge: Judge,
    seen: Vec<Delivered>,
    held: Vec<TcpStream>,
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Receiver {
    /// Takes everything.
    pub fn new() -> Receiver {
        Receiver::that(|_| Say::Status(200))
    }

    pub fn that(judge: impl Fn(&Delivered) -> Say + Send + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State { judge: Box::new(judge), seen: Vec::new(), held: Vec::new() };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || take(stream, &shared));
            }
        });
        Receiver { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?who=me", self.address)
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn say(&self, judge: impl Fn(&Delivered) -> Say + Send + 'static) {
        self.state.0.lock().expect("no panic").judge = Box::new(judge);
    }

    pub fn seen(&self) -> Vec<Delivered> {
        self.state.0.lock().expect("no panic").seen.clone()
    }

    /// The first `count` deliveries, once there are so many.
    pub fn wait(&self, count: usize) -> Vec<Delivered> {
        let state = self.state.0.lock().expect("no panic");
        let waited = self.state.1.wait_timeout_while(state, PATIENCE, |state| state.seen.len() < count);
        let (state, timeout) = waited.expect("no panic");
        assert!(!timeout.timed_out(), "{count} deliveries were expected, {} came", state.seen.len());
        state.seen[..count].to_vec()
    }

    pub fn names(&self, count: usize) -> Vec<String> {
        self.wait(count).iter().map(Delivered::name).collect()
    }

    /// Those that were held get their 200.
    pub fn let_go(&self) {
        for stream in self.state.0.lock().expect("no panic").held.drain(..) {
            answer(stream, 200);
        }
    }
}

fn take(mut stream: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let Some(delivered) = read(&mut stream) else { return };
    let mut state = shared.0.lock().expect("no panic");
    let say = (state.judge)(&delivered);
    if say == Say::Wait {
        state.held.push(stream.try_clone().expect("a handle"));
    }
    state.seen.push(delivered);
    drop(state);
    shared.1.notify_all();
    if let Say::Status(status) = say {
        answer(stream, status);
    }
}

fn answer(mut stream: TcpStream, status: u16) {
    let location = if (300..400).contains(&status) { "Location: /elsewhere\r\n" } else { "" };
    let _ = write!(stream, "HTTP/1.1 {status} Said\r\n{location}Content-Length: 2\r\n\r\nok");
}

fn read(stream: &mut TcpStream) -> Option<Delivered> {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(cut) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..cut]).into_owned();
            let mut lines = head.lines();
            let request_line = lines.next()?.to_owned();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
            if all.len() >= cut + 4 + length.1.parse::<usize>().ok()? {
                return Some(Delivered { request_line, body: all[cut + 4..].to_vec(), headers });
            }
        }
        let count = stream.read(&mut chunk).ok()?;
        if count == 0 {
            return None;
        }
        all.extend_from_slice(&chunk[..count]);
    }
}
