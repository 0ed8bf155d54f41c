//! One HTTP request to the simulator's control port. A connection each: simple, and on loopback fast enough.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Status and body.
pub fn ask(address: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    ask_with(address, method, path, "", body)
}

/// The same, with more headers, each with its line end.
pub fn ask_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         {headers}Connection: close\r\n\r\n",
        body.len()
    );
    let answer = exchange(address, &[head.as_bytes(), body.as_bytes()].concat())
        .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
    let text = String::from_utf8(answer).expect("the control API speaks UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .expect("a status");
    let body =
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{method} {path}: {e}: {body}"));
    (status, body)
}

fn exchange(address: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
