//! Who may steer. The control API has no keys, and a browser sends what any page of the internet tells it to: as far as
//! it says where a request comes from, that must be this machine, called by a name that no name server can give to another.

use hyper::HeaderMap;
use hyper::http::uri::Authority;
use serde_json::json;

use crate::wire::Answer;

/// What is wrong with a request to the control API or the phone page, if it is not from here.
pub fn refused(headers: &HeaderMap) -> Option<Answer> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let hosts: Vec<String> = headers.get_all("host").iter().map(text).collect();
    let refuse = |reason: &str| Some(Answer::json(403, &json!({"error": reason})));
    if !hosts.iter().all(|host| is_loopback(host)) {
        return refuse("header Host: must be localhost or an address of this machine such as 127.0.0.1");
    }
    let from_here = |origin: &String| hosts.iter().any(|host| is_origin_of(origin, host));
    if !headers.get_all("origin").iter().map(text).all(|origin| from_here(&origin)) {
        return refuse("header Origin: only the simulator's own page may do this from a browser");
    }
    None
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if host.contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn is_origin_of(origin: &str, host: &str) -> bool {
    let (scheme, authority) = origin.split_once("://").unwrap_or_default();
    matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "LocalHost:4010", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:4010"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "x", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0"]
        {
            assert!(!is_loopback(host), "{host}");
        }
        for host in ["user@localhost", "localhost@evil.example", "[::]", "[::2]:80", "2130706433", "127.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn origins_of_this_simulator() {
        let host = "127.0.0.1:4010";
        assert!(is_origin_of("http://127.0.0.1:4010", host) && is_origin_of("https://127.0.0.1:4010", host));
        for origin in
            ["null", "", "http://127.0.0.1:4011", "http://localhost:4010", "http://127.0.0.1", "file://127.0.0.1:4010"]
        {
            assert!(!is_origin_of(origin, host), "{origin}");
        }
    }
}
