//! Where deliveries go. Sources: Webhooks OpenAPI v1, `url`; RFC 9110, `Host`; WHATWG URL
//! Standard, for receivers verify against what their framework makes of the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Position, Url};

/// Those that the published document calls safe.
const PORTS: [u16; 3] = [80, 443, 8080];

/// A registered URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub https: bool,
    /// IPv6 addresses in brackets.
    host: String,
    port: u16,
    pub path_and_query: String,
}

impl Target {
    /// As a URL parser reads it: the host in small letters, no dot segments, everything percent-encoded that must be.
    pub fn parse(url: &str) -> Option<Target> {
        // A fragment never travels, and a name with a password in a URL would end up in logs.
        if url.contains(['#', '@']) {
            return None;
        }
        let url = Url::parse(url).ok()?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let port = url.port_or_known_default().filter(|port| *port > 0)?;
        let path_and_query = url[Position::BeforePath..Position::AfterQuery].to_owned();
        Some(Target { https, host: url.host_str()?.to_owned(), port, path_and_query })
    }

    fn usual_port(https: bool) -> u16 {
        if https { 443 } else { 80 }
    }

    /// Why it cannot be registered; `strict` is the documented rule.
    pub fn refusal(&self, strict: bool) -> Option<&'static str> {
        if !strict {
            let reason =
                "The simulator delivers to this machine alone: the host must be localhost, 127.0.0.1 or [::1].";
            return self.addresses().is_empty().then_some(reason);
        }
        if !self.https {
            Some("The field Url must use https.")
        } else if !self.addresses().is_empty() {
            Some("The field Url must be reachable from the internet.")
        } else if !PORTS.contains(&self.port) {
            Some("The field Url must use one of the ports 80, 443 and 8080.")
        } else {
            None
        }
    }

    /// On this machine only, and without asking any name server. Empty for everything beyond.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let bare = self.bare_host();
        let all = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if bare.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Err(_) => Vec::new(),
        };
        all.into_iter().filter(IpAddr::is_loopback).map(|address| SocketAddr::new(address, self.port)).collect()
    }

    /// Ports of 127.0.0.1, where the simulator itself listens.
    pub fn is_one_of(&self, ports: &[u16]) -> bool {
        ports.contains(&self.port) && self.addresses().iter().any(|address| address.ip() == Ipv4Addr::LOCALHOST)
    }

    /// For the certificate of the receiver.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// As the `Host` header has it: with the port where it is not the scheme's own.
    pub fn host_and_port(&self) -> String {
        if self.port == Target::usual_port(self.https) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, strict: bool) -> Option<&'static str> {
        Target::parse(url).unwrap_or_else(|| panic!("{url}")).refusal(strict)
    }

    #[test]
    fn only_this_machine() {
        for url in [
            "http://127.0.0.1:9/x",
            "https://localhost/a?b=c",
            "http://[::1]:1",
            "http://127.8.8.8",
            "http://LOCALHOST",
            // Other spellings of 127.0.0.1, and sent as that.
            "http://127.1",
            "http://2130706433",
        ] {
            assert_eq!(refusal(url, false), None, "{url}");
            assert!(refusal(url, true).is_some(), "{url}");
        }
        for url in [
            "https://example.com/hook",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://0.0.0.0",
            "http://[::ffff:127.0.0.1]",
            "http://10.0.0.1",
        ] {
            assert!(refusal(url, false).is_some(), "{url}");
            assert_eq!(Target::parse(url).map(|target| target.addresses()), Some(Vec::new()), "{url}");
        }
    }

    #[test]
    fn the_documented_rule() {
        for url in ["https://example.com/hook", "https://example.com:8080/", "https://example.com:80"] {
            assert_eq!(refusal(url, true), None, "{url}");
        }
        for url in ["http://example.com", "https://example.com:8443", "https://localhost", "https://127.0.0.1"] {
            assert!(refusal(url, true).is_some(), "{url}");
        }
    }

    #[test]
    fn what_is_no_url() {
        for url in [
            "",
            "x",
            "/hook",
            "127.0.0.1/hook",
            "ftp://127.0.0.1",
            "http://",
            "http://u:p@127.0.0.1",
            "http://127.0.0.1/#x",
            "http://127.0.0.1:65536",
            "http://127.0.0.1:0",
            "http://127.0.0.1:x",
            "http://[::1",
            "http://l\u{f6}kal",
        ] {
            assert_eq!(Target::parse(url), None, "{url}");
        }
    }

    #[test]
    fn host_and_path() {
        let parts = |url: &str| {
            let target = Target::parse(url).unwrap_or_else(|| panic!("{url}"));
            (target.host_and_port(), target.host().to_owned(), target.path_and_query)
        };
        let owned = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parts("http://127.0.0.1:8080/a?b=%20"), owned("127.0.0.1:8080", "127.0.0.1", "/a?b=%20"));
        assert_eq!(parts("https://localhost:443"), owned("localhost", "localhost", "/"));
        assert_eq!(parts("https://[::1]:80?x"), owned("[::1]:80", "[::1]", "/?x"));
        assert_eq!(parts("HTTP://LOCALHOST:80"), owned("localhost", "localhost", "/"));
        assert_eq!(parts("http://127.0.0.1:9/a/../b/./c"), owned("127.0.0.1:9", "127.0.0.1", "/b/c"));
        assert_eq!(
            parts("http://localhost/\u{e5} x?\u{e5}=1"),
            owned("localhost", "localhost", "/%C3%A5%20x?%C3%A5=1")
        );
        assert_eq!(parts("http://127.1/%2e%2e/%2F"), owned("127.0.0.1", "127.0.0.1", "/%2F"));
    }
}
