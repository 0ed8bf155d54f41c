//! Addresses that the host knows better than a name server: for a meter in a private network, or one that wants no helper
//! thread.

use std::net::IpAddr;

use super::resolver::{is_localhost, literal, MOST};
use crate::error::Report;

/// Reads a list of literal addresses, "192.0.2.1, 2001:db8::1", in the order in which they are tried.
///
/// # Errors
///
/// `Code::InvalidArgument` with field `addresses`.
pub fn parse(list: &str) -> Result<Vec<IpAddr>, Report> {
    let wrong = |rule: String| Report::invalid("addresses", rule);
    let mut found = Vec::new();
    for text in list.split(',').map(str::trim) {
        let ip = text
            .parse()
            .map_err(|_| wrong("must be IPv4 or IPv6 addresses with commas between".into()))?;
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    if found.len() > MOST {
        return Err(wrong(format!("must be at most {MOST}")));
    }
    Ok(found)
}

/// Whether a URL has a host that is looked up at all: one that `addresses` can stand for.
pub fn has_name(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.split_once(']') {
        Some((v6, _)) => &authority[..=v6.len()],
        None => authority.split(':').next().unwrap_or_default(),
    };
    !is_localhost(host) && literal(host).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses() {
        assert_eq!(parse("192.0.2.1").unwrap().len(), 1);
        let two = parse(" 2001:db8::1 ,192.0.2.1, 192.0.2.1").unwrap();
        assert_eq!(
            two,
            [
                "2001:db8::1".parse::<IpAddr>().unwrap(),
                "192.0.2.1".parse().unwrap()
            ]
        );
        let many: Vec<String> = (0..17).map(|n| format!("192.0.2.{n}")).collect();
        for bad in [
            "",
            ",",
            "api.vipps.no",
            "192.0.2.1:443",
            "[::1]",
            "192.0.2.1;::1",
            &many.join(","),
        ] {
            assert_eq!(parse(bad).unwrap_err().field, "addresses", "{bad}");
        }
        assert_eq!(parse(&many[1..].join(",")).unwrap().len(), 16);
    }

    #[test]
    fn urls_with_a_name() {
        assert!(has_name("https://api.vipps.no"));
        assert!(has_name("https://proxy.fleet.example:8443/vipps"));
        for url in [
            "https://192.0.2.1/x",
            "https://[2001:db8::1]:443",
            "http://localhost:4010",
            "",
        ] {
            assert!(!has_name(url) || url.is_empty(), "{url}");
        }
    }
}
