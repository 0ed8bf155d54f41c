//! What stands between a meter and the servers: a wire, a NAT that forgets, a proxy.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What it does with what it carries.
#[derive(Clone, Copy)]
pub enum Way {
    /// Carries it.
    Wire,
    /// Takes connections, and nothing more.
    Silent,
    /// Drops what comes after a pause, and tells nobody. `answers`: only what comes from the servers.
    Nat { idle_ms: u64, answers: bool },
    /// A CONNECT proxy, to those who say this in Proxy-Authorization.
    Proxy(Option<&'static str>),
    /// A proxy that says this and closes.
    Refuses(&'static str),
}

/// A relay that lives as long as the test's process.
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: String,
    way: Mutex<Way>,
    peers: Mutex<Vec<IpAddr>>,
    heads: Mutex<Vec<String>>,
    carried: Mutex<Vec<u8>>,
}

impl Relay {
    /// On `address`, to a URL or a socket's address. `None`: no such address on this machine.
    pub fn start(address: &str, to: &str, way: Way) -> Option<Relay> {
        let listener = TcpListener::bind((address, 0)).ok()?;
        let shared = Arc::new(Shared {
            to: to.rsplit('/').next().unwrap_or_default().to_owned(),
            way: Mutex::new(way),
            peers: Mutex::default(),
            heads: Mutex::default(),
            carried: Mutex::default(),
        });
        let port = listener.local_addr().expect("its port").port();
        let carrier = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let carrier = carrier.clone();
                thread::spawn(move || carrier.serve(client));
            }
        });
        Some(Relay { port, shared })
    }

    pub fn here(to: &str, way: Way) -> Relay {
        Relay::start("127.0.0.1", to, way).expect("a port")
    }

    /// For connections to come.
    pub fn becomes(&self, way: Way) {
        *self.shared.way.lock().expect("the way") = way;
    }

    /// Who has connected.
    pub fn peers(&self) -> Vec<IpAddr> {
        self.shared.peers.lock().expect("peers").clone()
    }

    /// What a proxy was asked.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("heads").clone()
    }

    /// All that came from the meters.
    pub fn carried(&self) -> Vec<u8> {
        self.shared.carried.lock().expect("bytes").clone()
    }
}

impl Shared {
    fn serve(self: Arc<Self>, mut client: TcpStream) {
        let from = client.peer_addr().map(|a: SocketAddr| a.ip());
        self.peers.lock().expect("peers").extend(from);
        let way = *self.way.lock().expect("the way");
        let mut to = self.to.clone();
        match way {
            Way::Silent => {
                let _ = client.read_to_end(&mut Vec::new());
                return;
            }
            Way::Refuses(answer) => {
                self.head(&mut client);
                let _ = client.write_all(answer.as_bytes());
                return;
            }
            Way::Proxy(wanted) => {
                let head = self.head(&mut client);
                let said = head
                    .lines()
                    .find_map(|l| l.strip_prefix("Proxy-Authorization: "));
                if said != wanted {
                    let no = "HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n";
                    let _ = client.write_all(no.as_bytes());
                    return;
                }
                to = head.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            Way::Wire | Way::Nat { .. } => {}
        }
        let Ok(server) = TcpStream::connect(&to) else {
            return;
        };
        if matches!(way, Way::Proxy(_)) {
            let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        }
        let mapping = Arc::new(Mapping {
            way,
            last: Mutex::new(Instant::now()),
            gone: AtomicBool::new(false),
        });
        let (up, down) = (mapping.clone(), mapping);
        let copy = |s: &TcpStream| s.try_clone().expect("a handle");
        let (client_in, server_out) = (copy(&client), copy(&server));
        let carrier = self.clone();
        thread::spawn(move || up.pump(client_in, server_out, false, |b| carrier.note(b)));
        down.pump(server, client, true, |_| {});
    }

    fn note(&self, bytes: &[u8]) {
        self.carried.lock().expect("bytes").extend_from_slice(bytes);
    }

    fn head(&self, client: &mut TcpStream) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("a head in UTF-8");
        self.heads.lock().expect("heads").push(head.clone());
        head
    }
}

/// One connection in the table of a NAT.
struct Mapping {
    way: Way,
    last: Mutex<Instant>,
    gone: AtomicBool,
}

impl Mapping {
    fn carries(&self, answer: bool) -> bool {
        let Way::Nat { idle_ms, answers } = self.way else {
            return true;
        };
        let mut last = self.last.lock().expect("the last time");
        if last.elapsed() > Duration::from_millis(idle_ms) {
            self.gone.store(true, Ordering::SeqCst);
        }
        *last = Instant::now();
        !self.gone.load(Ordering::SeqCst) || (answers && !answer)
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, answer: bool, note: impl Fn(&[u8])) {
        let mut room = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut room) {
            note(&room[..n]);
            if self.carries(answer) && to.write_all(&room[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}
