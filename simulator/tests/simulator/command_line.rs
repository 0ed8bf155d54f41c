use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_rustls::rustls;

use crate::bench::read_reply;
use crate::tls;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vp-simulator"))
}

pub fn output(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// A simulator in a process of its own; whatever happens, it does not outlive the test.
struct Running {
    child: Child,
    ready: Value,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        Running::with(program().args(arguments))
    }

    /// What it writes to stderr is for the test to read, or not.
    fn speaking(arguments: &[&str]) -> Running {
        Running::with(program().args(arguments).stderr(Stdio::piped()))
    }

    fn with(command: &mut Command) -> Running {
        command.args(["--port", "0", "--exit-with-parent"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Running { ready: serde_json::from_str(&line).expect("JSON"), child }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.ready))
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs").success());
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn health(stream: &mut (impl Read + Write)) -> Value {
    let request = "GET /_sim/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("writes");
    read_reply(stream).expect("an answer").json()
}

fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.split_once("//").expect("a URL").1).expect("connects")
}

#[test]
fn tls_with_an_authority_that_goes_at_the_end() {
    let mut running = Running::start(&["--tls"]);
    let ca_file = PathBuf::from(running.text("ca_file"));
    assert!(running.text("url").starts_with("https://127.0.0.1:"));
    assert_eq!(running.ready["pid"], running.child.id());
    let phone = format!("{}/phone", running.ready["control"].as_str().expect("a URL"));
    assert_eq!(running.ready["phone"], phone);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let pem = fs::read_to_string(&ca_file).expect("PEM");
        assert_eq!(health(&mut tls::client(running.text("url"), &pem, version))["ok"], true);
    }
    assert_eq!(health(&mut connect(running.text("control")))["ok"], true);
    assert_eq!(running.signal("TERM"), Some(0));
    assert!(!ca_file.exists() && !ca_file.parent().is_some_and(Path::exists));
}

#[test]
fn the_authority_where_it_is_wanted() {
    let path = std::env::temp_dir().join(format!("vp-simulator-test-{}.pem", std::process::id()));
    let name = path.display().to_string();
    let mut running = Running::start(&["--tls", "--ca-out", &name]);
    assert_eq!(running.text("ca_file"), name);
    assert_eq!(running.signal("INT"), Some(0));
    assert!(fs::read_to_string(&path).expect("still there").starts_with("-----BEGIN CERTIFICATE-----"));
    fs::remove_file(&path).expect("removed");
}

/// ctrl-C while clients wait: for a stalled answer, for a late one, for the rest of their own request, for a handshake.
#[test]
fn nothing_is_left_behind_whoever_is_connected() {
    let rules = r#"[{"operation": "token", "action": "stall_before", "times": 0},
        {"operation": "order", "action": "delay", "ms": 600000}]"#;
    let faults = std::env::temp_dir().join(format!("vp-simulator-test-{}.json", std::process::id()));
    fs::write(&faults, rules).expect("a file of rules");
    let mut running = Running::start(&["--tls", "--faults", &faults.display().to_string()]);
    let ca_file = PathBuf::from(running.text("ca_file"));
    let pem = fs::read_to_string(&ca_file).expect("PEM");
    let mut open = Vec::new();
    for request in [
        "POST /accesstoken/get HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /order-management/v2/ECOM/ride-0001 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /_sim/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /epayment/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ] {
        let mut stream = tls::client(running.text("url"), &pem, &rustls::version::TLS13);
        stream.write_all(request.as_bytes()).expect("writes");
        open.push(stream);
    }
    let silent = connect(running.text("url"));
    // All but the one without a whole request have been read once these two are in the log.
    let log = |running: &Running| {
        let mut stream = connect(running.text("control"));
        stream
            .write_all(b"GET /_sim/requests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("writes");
        read_reply(&mut stream).expect("an answer").json().as_array().map_or(0, Vec::len)
    };
    let end = Instant::now() + Duration::from_secs(20);
    while log(&running) < 2 {
        assert!(Instant::now() < end, "the requests do not arrive");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(running.signal("INT"), Some(0));
    assert!(!ca_file.exists() && !ca_file.parent().is_some_and(Path::exists));
    drop((open, silent));
    fs::remove_file(&faults).expect("removed");
}

#[test]
fn it_ends_with_its_parent() {
    let mut running = Running::start(&[]);
    assert_eq!(running.ready["ca_file"], Value::Null);
    drop(running.child.stdin.take());
    assert_eq!(running.child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_port_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for option in ["--port", "--control-port"] {
        let output = output(&["--port", "0", option, &port]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2));
        assert!(text.contains(&port) && text.contains("in use"), "{text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn bad_arguments_and_help() {
    let bad = output(&["--passenger", "sleep"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("--passenger"));
    let nowhere = output(&["--port", "0", "--tls", "--ca-out", "/nonexistent/ca.pem"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--ca-out"));
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("4799999901"));
}

#[test]
fn verbose_lines_are_masked() {
    let mut running = Running::speaking(&["--verbose"]);
    let mut stream = connect(running.text("url"));
    let head = "POST /accesstoken/get HTTP/1.1\r\nHost: x\r\nclient_secret: very-secret\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("writes");
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 401);
    // A refusal with a number.
    let mut stream = connect(running.text("control"));
    let rule = r#"{"operation":"get","action":"status","status":409,"body":{"extraDetails":[{"name":"ErrorCode","reason":"6250"}]}}"#;
    let head = format!(
        "POST /_sim/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rule.len()
    );
    stream.write_all(format!("{head}{rule}").as_bytes()).expect("writes");
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 200);
    let mut stream = connect(running.text("url"));
    let head = "GET /epayment/v1/payments/ride-0001 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("writes");
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 409);
    drop(running.child.stdin.take());
    let mut text = String::new();
    running.child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
    assert!(
        text.contains("token POST /accesstoken/get -> 401\n")
            && text.contains("-> 409 ErrorCode 6250 fault status")
            && !text.contains("very-secret"),
        "{text}"
    );
}

/// Asks for something whose line is long, and expects the answer.
fn ask_at_length(running: &Running) {
    let mut stream = connect(running.text("url"));
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let head = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "long".repeat(500));
    stream.write_all(head.as_bytes()).expect("writes");
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 404);
}

#[test]
fn nobody_has_to_read_what_it_says() {
    let mut running = Running::speaking(&["--verbose"]);
    // Twice as much as a pipe takes.
    (0..64).for_each(|_| ask_at_length(&running));
    drop(running.child.stdin.take());
    assert_eq!(running.child.wait().expect("ends").code(), Some(0));
    let mut running = Running::speaking(&["--verbose"]);
    drop(running.child.stderr.take());
    (0..2).for_each(|_| ask_at_length(&running));
}
