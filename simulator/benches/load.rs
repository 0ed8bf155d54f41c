//! How much the simulator bears and how quickly it is there: `make bench-simulator`.
//!
//! Whole rides on eight connections that stay open, each reference its own, rate limits on: token, create, six reads,
//! receipt, capture, and once more the read that proves it. Every answer is checked, and at the end the books: each
//! ride captured exactly once. A benchmark, not a test: its figures are those of the machine.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const CONNECTIONS: usize = 8;
const LOAD_TIME: Duration = Duration::from_secs(10);
const STARTS: usize = 51;
const RATE_GOAL: f64 = 2_000.0;
const START_GOAL: Duration = Duration::from_millis(100);
const FARE: i64 = 24_900;
const READS: usize = 6;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failed> {
    for arguments in [&[][..], &["--tls"]] {
        let mut times = (0..STARTS).map(|_| Ok(Running::start(arguments)?.took)).collect::<Result<Vec<_>, Failed>>()?;
        times.sort();
        let median = times[STARTS / 2];
        let name = format!("start {}", arguments.join(" "));
        let most = times[STARTS - 1];
        println!("{name:<14} median {median:>9.2?}  longest {most:>9.2?}  of {STARTS}; {}", goal(median < START_GOAL));
    }
    println!("goal: under {START_GOAL:?} from exec to the ready line");

    let running = Running::start(&["--passenger", "approve"])?;
    let (url, began) = (running.address("url")?, Instant::now());
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let url = url.clone();
            thread::spawn(move || Worker::new(&url, number)?.ride_until(began + LOAD_TIME))
        })
        .collect();
    let (mut samples, mut rides) = (Vec::new(), 0);
    for worker in workers {
        let done = worker.join().map_err(|_| "a worker panicked")??;
        samples.extend(done.samples);
        rides += done.rides;
    }
    let seconds = began.elapsed().as_secs_f64();
    check_books(&running, rides)?;
    report(&mut samples, rides, seconds);
    Ok(())
}

fn goal(met: bool) -> &'static str {
    if met { "goal met" } else { "goal MISSED" }
}

fn report(samples: &mut [(Kind, Duration)], rides: usize, seconds: f64) {
    let count = samples.len();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = count as f64 / seconds;
    println!("load           {count} requests in {rides} rides on {CONNECTIONS} connections, {seconds:.1} s, 0 errors");
    println!(
        "rate           {rate:.0} a second; goal: {RATE_GOAL} on two cores, this program included; {}",
        goal(rate >= RATE_GOAL)
    );
    samples.sort();
    println!("{:<14} {:>8} {:>9} {:>9} {:>9} {:>9}", "latency", "requests", "p50", "p95", "p99", "longest");
    for group in samples.chunk_by(|a, b| a.0 == b.0) {
        let at = |percent: usize| group[(group.len() * percent / 100).min(group.len() - 1)].1;
        let most = group[group.len() - 1].1;
        let (kind, len) = (format!("{:?}", group[0].0), group.len());
        println!("{kind:<14} {len:>8} {:>9.2?} {:>9.2?} {:>9.2?} {most:>9.2?}", at(50), at(95), at(99));
    }
}

/// Each ride captured once, exactly by its fare.
fn check_books(running: &Running, rides: usize) -> Result<(), Failed> {
    let mut control = Wire::open(&running.address("control")?)?;
    let ledger = control.ask("GET", "/_sim/ledger", "", None)?.expect(200)?;
    let payments = ledger["payments"].as_array().ok_or("no payments")?;
    let good = payments.iter().filter(|p| p["capture_count"] == 1 && p["captured"] == FARE && !p["receipt"].is_null());
    let good = good.count();
    if good < rides {
        return Err(format!("{rides} rides, but {good} captured once with a receipt").into());
    }
    Ok(())
}

/// A simulator in a process of its own; it ends when its stdin does.
struct Running {
    child: Child,
    ready: Value,
    took: Duration,
}

impl Running {
    fn start(arguments: &[&str]) -> Result<Running, Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vp-simulator"));
        command.args(["--port", "0", "--exit-with-parent"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let took = began.elapsed();
        Ok(Running { child, ready: serde_json::from_str(&line)?, took })
    }

    fn address(&self, name: &str) -> Result<String, Failed> {
        let url = self.ready[name].as_str().ok_or(format!("no {name}"))?;
        Ok(url.trim_start_matches("http://").to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Reply {
    status: u16,
    body: Vec<u8>,
}

impl Reply {
    fn expect(&self, status: u16) -> Result<Value, Failed> {
        if self.status != status {
            let text = String::from_utf8_lossy(&self.body);
            return Err(format!("{} instead of {status}: {text}", self.status).into());
        }
        Ok(if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body)? })
    }
}

/// One connection that stays open. The answers of the simulator always carry their length.
struct Wire {
    out: TcpStream,
    back: BufReader<TcpStream>,
}

impl Wire {
    fn open(address: &str) -> Result<Wire, Failed> {
        let out = TcpStream::connect(address)?;
        out.set_nodelay(true)?;
        out.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Wire { back: BufReader::new(out.try_clone()?), out })
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Result<Reply, Failed> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.out.write_all(request.as_bytes())?;
        let (mut status, mut length, mut line) = (None, 0, String::new());
        loop {
            line.clear();
            if self.back.read_line(&mut line)? == 0 {
                return Err("the connection was closed".into());
            }
            let text = line.trim_end();
            match text.split_once(": ") {
                _ if status.is_none() => status = text.split(' ').nth(1).and_then(|code| code.parse().ok()),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
                _ if text.is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.back.read_exact(&mut body)?;
        Ok(Reply { status: status.ok_or("no status line")?, body })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Token,
    Create,
    Get,
    Receipt,
    Capture,
}

struct Done {
    samples: Vec<(Kind, Duration)>,
    rides: usize,
}

struct Worker {
    wire: Wire,
    number: usize,
    done: Done,
}

const KEYS: &str = "client_id: sim-client-id\r\nclient_secret: sim-client-secret\r\n\
                    Ocp-Apim-Subscription-Key: sim-subscription-key\r\n";

impl Worker {
    fn new(address: &str, number: usize) -> Result<Worker, Failed> {
        Ok(Worker { wire: Wire::open(address)?, number, done: Done { samples: Vec::new(), rides: 0 } })
    }

    fn ride_until(mut self, end: Instant) -> Result<Done, Failed> {
        while Instant::now() < end {
            let reference = format!("load-{}-{:06}", self.number, self.done.rides);
            self.ride(&reference).map_err(|reason| format!("{reference}: {reason}"))?;
            self.done.rides += 1;
        }
        Ok(self.done)
    }

    fn ride(&mut self, reference: &str) -> Result<(), Failed> {
        let token = self.ask(Kind::Token, "POST", "/accesstoken/get", KEYS, None, 200)?;
        let token = token["access_token"].as_str().ok_or("no token")?;
        let headers = format!(
            "Authorization: Bearer {token}\r\nOcp-Apim-Subscription-Key: sim-subscription-key\r\n\
             Merchant-Serial-Number: 123456\r\nContent-Type: application/json\r\nVipps-System-Name: load\r\n"
        );
        let with_key = |what: &str| format!("{headers}Idempotency-Key: {what}-{reference}\r\n");
        let payment = format!("/epayment/v1/payments/{reference}");

        let body = push(reference);
        self.ask(Kind::Create, "POST", "/epayment/v1/payments", &with_key("create"), Some(&body), 201)?;
        for _ in 0..READS {
            let read = self.ask(Kind::Get, "GET", &payment, &headers, None, 200)?;
            if read["state"] != "AUTHORIZED" {
                return Err(format!("not approved: {read}").into());
            }
        }
        let path = format!("/order-management/v2/ECOM/receipts/{reference}");
        self.ask(Kind::Receipt, "POST", &path, &headers, Some(&receipt()), 201)?;
        let amount = json!({"modificationAmount": {"value": FARE, "currency": "NOK"}});
        let path = format!("{payment}/capture");
        self.ask(Kind::Capture, "POST", &path, &with_key("capture"), Some(&amount), 200)?;
        let read = self.ask(Kind::Get, "GET", &payment, &headers, None, 200)?;
        if read["aggregate"]["capturedAmount"]["value"] != FARE {
            return Err(format!("not captured: {read}").into());
        }
        Ok(())
    }

    fn ask(
        &mut self,
        kind: Kind,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Result<Value, Failed> {
        let began = Instant::now();
        let reply = self.wire.ask(method, path, headers, body)?;
        self.done.samples.push((kind, began.elapsed()));
        reply.expect(status)
    }
}

fn push(reference: &str) -> Value {
    json!({
        "amount": {"value": FARE, "currency": "NOK"},
        "paymentMethod": {"type": "WALLET"},
        "customer": {"phoneNumber": "4791234567"},
        "customerInteraction": "CUSTOMER_PRESENT",
        "reference": reference,
        "userFlow": "PUSH_MESSAGE",
        "paymentDescription": "Taxi ride",
        "metadata": {"ride": reference},
    })
}

fn receipt() -> Value {
    json!({
        "orderLines": [{
            "name": "Taxi ride", "id": "1", "totalAmount": FARE, "totalAmountExcludingTax": 22_232,
            "totalTaxAmount": 2_668, "taxRate": 1_200,
        }],
        "bottomLine": {"currency": "NOK", "posId": "taxi_122", "receiptNumber": "0527013501"},
    })
}
