//! A CONNECT proxy (RFC 9110, 9.3.6): asked for a tunnel to the servers, in which TLS goes from end to end. The proxy
//! learns the servers' name and the number of bytes, and nothing else.
//!
//! Until the tunnel is there no byte of the request has left, so every refusal of the proxy is "surely not sent".

use std::fmt;

use zeroize::Zeroizing;

use super::tcp::Wire;
use super::underway::{Ended, Phase, Underway};
use crate::error::{Cause, Report};

/// The longest answer of a proxy to CONNECT, bytes.
const LONGEST: usize = 8 * 1024;

/// A proxy, and what it knows this client by.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of Proxy-Authorization.
    authorization: Option<Zeroizing<String>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    /// `url`: "http://host:port", and nothing else in it. User and password are sent as Basic credentials; both empty:
    /// none.
    ///
    /// # Errors
    ///
    /// `Code::InvalidArgument` with field `proxy_url`, `proxy_user` or `proxy_password`.
    pub fn new(url: &str, user: &str, password: &str) -> Result<Proxy, Report> {
        let wrong = |rule: &str| Err(Report::invalid("proxy_url", rule));
        let Some(rest) = url.strip_prefix("http://") else {
            return wrong("must begin with http://; the servers' TLS goes through it");
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return wrong("must not hold a user or password: they have members of their own");
        }
        let Some((host, port)) = authority.rsplit_once(':') else {
            return wrong("must be http://host:port");
        };
        let Some(port) = port.parse().ok().filter(|port| *port > 0) else {
            return wrong("must be http://host:port, with a port from 1 to 65535");
        };
        let literal = host.starts_with('[') && super::resolver::literal(host).is_some();
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !literal && (host.is_empty() || host.len() > 253 || !host.bytes().all(name)) {
            return wrong("must be http://host:port, with a name or an address as host");
        }
        for (field, value) in [("proxy_user", user), ("proxy_password", password)] {
            if value.len() > 255 || !value.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
                return Err(Report::invalid(
                    field,
                    "must be up to 255 visible ASCII characters",
                ));
            }
        }
        if user.contains(':') || (user.is_empty() && !password.is_empty()) {
            return Err(Report::invalid(
                "proxy_user",
                "must be there, and without a colon",
            ));
        }
        Ok(Proxy {
            host: host.to_string(),
            port,
            authorization: (!user.is_empty()).then(|| basic(user, password)),
        })
    }

    /// Host and port of the proxy itself.
    pub(super) fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Makes a tunnel of a connection to the proxy.
    pub(super) fn open_tunnel(&self, wire: &Wire, host: &str, port: u16) -> Result<(), Ended> {
        Underway::current()?.set_phase(Phase::AskingProxy);
        // All its room at once, so that no piece of the password stays behind in memory that growing has left.
        let mut head = Zeroizing::new(String::with_capacity(2 * host.len() + 1024));
        head.push_str(&format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        ));
        if let Some(value) = &self.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.as_bytes();
        while !bytes.is_empty() {
            bytes = &bytes[wire.send(bytes).map_err(of_proxy)?..];
        }
        accepted(&read_head(wire)?)
    }
}

fn refused(why: impl Into<String>) -> Ended {
    Ended::new(Cause::Proxy, why)
}

/// A connection that breaks before there is a tunnel.
fn of_proxy(ended: Ended) -> Ended {
    match ended.cause {
        Cause::ConnectionLost => refused(format!("the proxy: {}", ended.detail)),
        _ => ended,
    }
}

fn read_head(wire: &Wire) -> Result<Vec<u8>, Ended> {
    let mut head = Vec::new();
    let mut room = [0; 512];
    loop {
        let n = wire.receive(&mut room).map_err(of_proxy)?;
        if n == 0 {
            return Err(refused("the proxy closed the connection without a tunnel"));
        }
        head.extend_from_slice(&room[..n]);
        if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            // In TLS the client speaks first: what follows a yes is not the servers'.
            let more = head.len() > end + 4;
            head.truncate(end);
            if more && accepted(&head).is_ok() {
                return Err(refused("the proxy sent bytes of its own into the tunnel"));
            }
            return Ok(head);
        }
        if head.len() > LONGEST {
            return Err(refused("the proxy's answer is too long"));
        }
    }
}

/// Reads the status; no word of the proxy's own is repeated.
fn accepted(head: &[u8]) -> Result<(), Ended> {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let status = std::str::from_utf8(line)
        .ok()
        .filter(|l| l.starts_with("HTTP/1."))
        .and_then(|l| l.split(' ').nth(1))
        .filter(|s| s.len() == 3 && s.bytes().all(|b| b.is_ascii_digit()));
    match status {
        Some(s) if s.starts_with('2') => Ok(()),
        Some("407") => Err(refused("the proxy wants other credentials: status 407")),
        Some(s) => Err(refused(format!("the proxy gives no tunnel: status {s}"))),
        None => Err(refused("the proxy does not speak HTTP/1")),
    }
}

/// "Basic" credentials (RFC 7617).
fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    plain.extend_from_slice(user.as_bytes());
    plain.push(b':');
    plain.extend_from_slice(password.as_bytes());
    let mut value = Zeroizing::new(String::with_capacity(6 + plain.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    base64(&plain, &mut value);
    value
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let mut bits = 0u32;
        for i in 0..3 {
            bits = bits << 8 | u32::from(three.get(i).copied().unwrap_or(0));
        }
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_vectors_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            base64(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
        }
        assert_eq!(
            *basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn what_can_be_a_proxy() {
        for url in [
            "http://proxy.fleet.example:3128",
            "http://192.0.2.1:8080/",
            "http://[::1]:1",
        ] {
            let proxy = Proxy::new(url, "car-7", "se:cret").unwrap();
            assert!(!format!("{proxy:?}").contains("Basic"));
        }
        for url in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:3128",
            "http://proxy",
            "http://proxy:0",
            "http://proxy:65536",
            "http://:3128",
            "http://user:secret@proxy:3128",
            "http://proxy:3128/path",
            "http://proxy:3128?x",
            "http://pro xy:3128",
            "http://pro\r\nxy:3128",
            "http://[proxy]:3128",
            "http://::1:3128",
        ] {
            assert_eq!(
                Proxy::new(url, "", "").unwrap_err().field,
                "proxy_url",
                "{url}"
            );
        }
        for (user, password, field) in [
            ("a:b", "c", "proxy_user"),
            ("", "c", "proxy_user"),
            ("a\n", "c", "proxy_user"),
            ("a", "c\r\nX: y", "proxy_password"),
        ] {
            let report = Proxy::new("http://proxy:3128", user, password).unwrap_err();
            assert_eq!(report.field, field);
        }
    }

    #[test]
    fn only_a_2xx_is_a_tunnel() {
        for yes in [
            "HTTP/1.1 200 Connection established",
            "HTTP/1.0 200",
            "HTTP/1.1 204 \r\nVia: x",
        ] {
            assert_eq!(accepted(yes.as_bytes()), Ok(()), "{yes}");
        }
        for no in [
            "HTTP/1.1 407 Who?",
            "HTTP/1.1 403 No",
            "HTTP/1.1 502 Bad",
            "HTTP/1.1 302 There",
            "HTTP/1.1 100 Go on",
            "HTTP/2 200",
            "HTTP/1.1 2000",
            "HTTP/1.1 20",
            "HTTP/1.1",
            "SSH-2.0-x",
            "",
            "\u{0}200",
        ] {
            let ended = accepted(no.as_bytes()).unwrap_err();
            assert_eq!(ended.cause, Cause::Proxy, "{no}");
        }
    }
}
