//! How a client is set up. Everything is checked at open, before anything is touched.

use zeroize::Zeroizing;

use super::access::Access;
use crate::error::{Code, Report};
use crate::phone::Market;
use crate::poll::PollPlan;

/// Defaults, all in milliseconds.
pub mod default {
    /// Longest time of one request, everything included.
    pub const REQUEST_MS: u32 = 10_000;
    /// Longest time of name lookup, connection and handshake, inside the one of the request.
    pub const CONNECT_MS: u32 = 5_000;
    /// How long an approval means what was said at create.
    pub const DECIDE_WITHIN_MS: i64 = 900_000;
    /// How long a ride waits for its receipt before it captures without.
    pub const RECEIPT_MS: u32 = 3_000;
}

/// The keys of a sales unit; those that [`Access`] does without are empty. No `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct Credentials {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Zeroizing<String>,
    /// Subscription key.
    pub subscription_key: Zeroizing<String>,
    /// Merchant serial number: `^[0-9]{4,10}$`.
    pub msn: String,
}

/// A client's settings. No `Debug`: it holds keys.
#[derive(Clone)]
pub struct Config {
    /// `https://host[:port][/path]`, or the same with `http://` to a loopback address.
    pub base_url: String,
    /// Keys.
    pub credentials: Credentials,
    /// How the servers know the client.
    pub access: Access,
    /// Where a national phone number is at home.
    pub market: Market,
    /// The meter or car: 1 to 60 visible ASCII characters; part of every idempotency key.
    pub device: String,
    /// `Vipps-System-Name`: the meter's software, at most 30 characters.
    pub system_name: String,
    /// `Vipps-System-Version`.
    pub system_version: String,
    /// `Vipps-System-Plugin-Name`.
    pub plugin_name: String,
    /// `Vipps-System-Plugin-Version`.
    pub plugin_version: String,
    /// Refunds are refused unless this is set.
    pub allow_refund: bool,
    /// Longest time of one request, milliseconds.
    pub request_ms: u32,
    /// Longest time of name lookup, connection and handshake, milliseconds.
    pub connect_ms: u32,
    /// When a waiting payment is read.
    pub poll: PollPlan,
}

impl Config {
    /// Checks every field.
    pub fn check(&self) -> Result<(), Report> {
        check_url(&self.base_url)?;
        let c = &self.credentials;
        self.access.check(c)?;
        if !(4..=10).contains(&c.msn.len()) || !c.msn.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Report::invalid("msn", "must be 4 to 10 digits"));
        }
        header("device", &self.device, 1, 60)?;
        header("system_name", &self.system_name, 0, 30)?;
        header("system_version", &self.system_version, 0, 30)?;
        header("plugin_name", &self.plugin_name, 0, 30)?;
        header("plugin_version", &self.plugin_version, 0, 30)?;
        if !(100..=120_000).contains(&self.request_ms) {
            return Err(Report::invalid(
                "request_ms",
                "must be 100 to 120000 milliseconds",
            ));
        }
        if !(50..=self.request_ms).contains(&self.connect_ms) {
            return Err(Report::invalid(
                "connect_ms",
                "must be 50 milliseconds to the limit of the request",
            ));
        }
        if !(0..=60_000).contains(&self.poll.first_ms) {
            return Err(Report::invalid(
                "poll_first_ms",
                "must be 0 to 60000 milliseconds",
            ));
        }
        if !(500..=60_000).contains(&self.poll.every_ms) {
            return Err(Report::invalid(
                "poll_every_ms",
                "must be 500 to 60000 milliseconds: the servers allow 120 reads a minute",
            ));
        }
        Ok(())
    }

    /// Host and port of the servers: what a record's environment is called.
    pub fn environment(&self) -> String {
        self.base_url
            .split_once("://")
            .map_or("", |(_, rest)| rest)
            .trim_end_matches('/')
            .to_ascii_lowercase()
    }
}

pub(super) fn header(field: &str, value: &str, least: usize, most: usize) -> Result<(), Report> {
    if value.len() < least || value.len() > most {
        return Err(Report::invalid(
            field,
            format!("must be {least} to {most} characters"),
        ));
    }
    if !value.bytes().all(|b| (0x20..=0x7e).contains(&b)) || value.trim() != value {
        return Err(Report::invalid(
            field,
            "must be visible ASCII without line breaks or outer spaces",
        ));
    }
    Ok(())
}

/// `https://host[:port][/path]`, or the same with `http` to a loopback address.
fn check_url(url: &str) -> Result<(), Report> {
    let wrong = |rule: &str| {
        let mut r = Report::new(Code::Url, rule);
        r.field = "base_url".into();
        Err(r)
    };
    if url.len() > 255 || !url.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return wrong("must be at most 255 visible ASCII characters");
    }
    let (scheme, rest) = match url.split_once("://") {
        Some(parts) => parts,
        None => return wrong("must begin with https://"),
    };
    let authority = rest.split('/').next().unwrap_or("");
    if authority.is_empty() || authority.contains('@') || url.contains(['?', '#']) {
        return wrong("must be https://host[:port] without user, query or fragment");
    }
    let host = if let Some(v6) = authority.strip_prefix('[') {
        v6.split(']').next().unwrap_or("")
    } else {
        authority.split(':').next().unwrap_or("")
    };
    let port = authority[host.len()..].trim_start_matches(['[', ']']);
    let port = if authority.starts_with('[') {
        authority.split_once(']').map_or("", |(_, p)| p)
    } else {
        port
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .and_then(|p| p.parse::<u16>().ok())
            .is_some_and(|p| p > 0);
    if host.is_empty() || !port_fits {
        return wrong("has no host, or a port that is none");
    }
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => wrong("plain http is for loopback addresses only"),
        _ => wrong("must begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_loopback() {
        for url in [
            "https://api.vipps.no",
            "https://apitest.vipps.no/",
            "https://proxy.fleet.example:8443/vipps",
            "http://127.0.0.1:4010",
            "http://localhost:1",
            "http://[::1]:4010",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in [
            "",
            "api.vipps.no",
            "http://api.vipps.no",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@evil.example",
            "ftp://127.0.0.1",
            "https://",
            "https://:443",
            "https://host:0",
            "https://host:99999",
            "https://host:x",
            "https://host/?q",
            "https://ho st",
            "https://h\u{f8}st",
        ] {
            let r = check_url(url).unwrap_err();
            assert_eq!((r.code, r.field.as_str()), (Code::Url, "base_url"), "{url}");
        }
    }
}
