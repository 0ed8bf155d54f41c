//! HTTPS by ureq, over our own name lookup, our own TCP and rustls.
//!
//! ureq writes the request and reads the answer (HTTP/1.1) and keeps the connections. Everything that touches the
//! network is ours, because four things are asked of it that ureq's own parts do not do:
//!
//! * **No wait is longer than 200 ms** without a look at the watch of the exchange: `tcp` waits with poll(2) in
//!   slices, and `underway` holds the exchange in a thread-local where the socket finds it. The watch runs on the
//!   calling thread, and no lock is held meanwhile.
//! * **The truth about "may have left".** It becomes true when the first piece of the request is about to be handed
//!   to an established connection (after the TLS handshake; there is no early data), and never goes back. Nothing is
//!   ever sent twice: ureq has no retry, also not for a kept connection that turns out dead, and its one loop, that
//!   of redirects, is off; a test counts the requests that arrive.
//! * **What was given up is taken back**, as far as this machine can: an exchange that ends without its answer resets its
//!   connection (`tcp` says how), so that the kernel does not deliver the request minutes later. It helps and proves
//!   nothing, since whatever is on the way may hold the bytes too; who must know whether a request was carried out asks
//!   the servers, late enough.
//! * **Certificates are judged by the clock door**, and sessions are resumed.
//!
//! # The one thread
//!
//! The system's name lookup (`getaddrinfo`) cannot be interrupted. It runs on a helper thread of its own,
//! `vpmeter-lookup`, that ends with the lookup. An exchange that runs out of time or is stopped leaves it behind; at
//! most one is alive for each [`Https`], and a second lookup waits for it instead of starting another. A host that
//! wants no thread configures [`HttpsConfig::addresses`] or uses a literal address in the URL, or in that of the proxy.
//!
//! # Limits
//!
//! Time limits are measured with the operating system's monotonic clock, since it is the network that they bound.
//! A hook that returns late from the watch makes the exchange late by as much. Two connections to a host are kept
//! warm, with their buffers freed. Headers of an answer may have 16 KiB.

pub mod addresses;
mod connection;
mod outlet;
mod proxy;
mod resolver;
mod tcp;
mod tls;
mod underway;

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{self, header, HeaderMap, HeaderValue, Uri};
use ureq::Agent;

use self::connection::{Dialler, BUFFER};
pub use self::outlet::Outlet;
pub use self::proxy::Proxy;
use self::resolver::{is_localhost, literal, Names};
use self::underway::{Ended, Underway};
use super::{headers, Failure, Flow, Method, Request, Response, Traffic, Transport};
use crate::clock::Clock;
use crate::error::{Cause, Report};

/// Connections kept warm for each host: a ride needs one, a second thread another.
const WARM: usize = 2;

/// How to reach the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsConfig {
    /// PEM file with certificates of authorities to trust beside the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate by which the server knows this client, and of its private key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Addresses to connect to instead of looking the name up, for every host but `localhost` and literal addresses.
    /// Empty: look it up. The certificate must be the name's all the same.
    pub addresses: Vec<IpAddr>,
    /// Where connections leave from.
    pub outlet: Outlet,
    /// The proxy that every connection goes through; then it looks the server's name up, and `addresses` is not used.
    /// Nothing is ever taken from the environment.
    pub proxy: Option<Proxy>,
    /// Age in milliseconds at which an idle connection is no longer used. Below the patience of the NAT boxes on the
    /// way: a connection that one of them has dropped costs a request whose outcome is unknown. 0: use none twice.
    pub idle_limit_ms: u32,
}

impl Default for HttpsConfig {
    fn default() -> HttpsConfig {
        HttpsConfig {
            ca_file: None,
            client: None,
            addresses: Vec::new(),
            outlet: Outlet::default(),
            proxy: None,
            idle_limit_ms: 20_000,
        }
    }
}

/// The library's own HTTPS transport.
pub struct Https {
    agent: Agent,
    proxied: bool,
    clock: Arc<dyn Clock>,
}

impl Https {
    /// Reads the certificates; sends nothing. `clock` gives the time by which certificates are judged.
    ///
    /// # Errors
    ///
    /// `Code::InvalidArgument` with field `ca_file`, `client_cert_file` or `client_key_file` if that file cannot be read
    /// or holds nothing usable.
    pub fn new(config: HttpsConfig, clock: Arc<dyn Clock>) -> Result<Https, Report> {
        let client = config.client.as_ref();
        let tls = tls::client_config(
            config.ca_file.as_deref(),
            client.map(|(cert, key)| (cert.as_path(), key.as_path())),
            Arc::clone(&clock),
        )?;
        let idle_limit = Duration::from_millis(u64::from(config.idle_limit_ms));
        // Whatever ureq would add or do by itself is off: the caller's headers are the headers, and an answer is an
        // answer whatever its status. Time limits are ours.
        let settings = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .max_response_header_size(BUFFER)
            .max_idle_connections(2 * WARM)
            .max_idle_connections_per_host(WARM)
            .max_idle_age(idle_limit)
            .build();
        let place = config.proxy.as_ref().map(|proxy| {
            let (host, port) = proxy.place();
            (host.to_string(), port)
        });
        let proxied = place.is_some();
        let names = Names::new(config.addresses, place);
        let dialler = Dialler::new(tls, idle_limit, config.outlet, config.proxy);
        let agent = Agent::with_parts(settings, dialler, names);
        Ok(Https {
            agent,
            proxied,
            clock,
        })
    }

    fn carry_out(&self, request: &Request, underway: &Underway) -> Result<Response, Ended> {
        let ended = |e| explain(e, underway.may_have_left());
        let built = build(request)?;
        if self.proxied && built.uri().scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Err(Ended::new(
                Cause::Proxy,
                "not sent: plain http through a proxy",
            ));
        }
        // The body's type is ureq's way to tell "no body" from "an empty body".
        let answer = match request.method {
            Method::Get | Method::Delete => self.agent.run(built.map(|_| ())),
            Method::Post => self.agent.run(built),
        };
        let (head, body) = answer.map_err(ended)?.into_parts();

        let status = head.status.as_u16();
        if status > 599 {
            return Err(bad_answer(format!("status {status}")));
        }
        let date = text(&head.headers, header::DATE).and_then(headers::date_ms);
        let now = date.unwrap_or_else(|| self.clock.wall_ms());
        let mut response = Response {
            status,
            retry_after_ms: text(&head.headers, header::RETRY_AFTER)
                .and_then(|text| headers::retry_after_ms(text, now)),
            date_ms: date,
            body: Vec::new(),
        };
        let too_long = || bad_answer(format!("a body longer than {} bytes", request.max_body));
        if let Some(length) = body.content_length() {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > request.max_body {
                return Err(too_long());
            }
            // At once, so that no piece of a token stays behind in memory that growing has left.
            response.body.reserve_exact(length);
        }
        let mut reader = body.into_reader();
        let mut piece = zeroize::Zeroizing::new([0; 4096]);
        // Up to the end, not only up to the length: only then does the connection go back to be used again.
        loop {
            match reader.read(&mut *piece) {
                Ok(0) => return Ok(response),
                Ok(n) if response.body.len() + n > request.max_body => return Err(too_long()),
                Ok(n) => response.body.extend_from_slice(&piece[..n]),
                Err(e) => return Err(ended(e.into())),
            }
        }
    }
}

impl Transport for Https {
    fn exchange(
        &self,
        request: &Request,
        watch: Rc<dyn Fn() -> Flow>,
    ) -> (Result<Response, Failure>, Traffic) {
        let underway = Rc::new(Underway::new(request, watch));
        let entered = underway.enter();
        let outcome = self.carry_out(request, &underway);
        drop(entered);
        if outcome.is_ok() {
            underway.set_answered();
        }
        let outcome = outcome.map_err(|ended| Failure {
            may_have_left: underway.may_have_left(),
            cause: ended.cause,
            detail: ended.detail,
        });
        (outcome, underway.traffic())
    }
}

/// The request as ureq wants it, if it is one that may be sent at all.
fn build(request: &Request) -> Result<http::Request<&[u8]>, Ended> {
    let refused = |why: &str| Ended::new(Cause::Connect, format!("not sent: {why}"));
    let uri: Uri = request
        .url
        .parse()
        .map_err(|e| refused(&format!("URL: {e}")))?;
    let host = uri.host().unwrap_or_default();
    let authority = uri.authority().map_or("", |a| a.as_str());
    if host.is_empty() {
        return Err(refused("URL without a host"));
    }
    if authority.contains('@') {
        // ureq would make a header of it.
        return Err(refused("URL with a user name"));
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_localhost(host) || literal(host).is_some_and(|ip| ip.is_loopback()) => {}
        Some("http") => return Err(refused("plain http to another machine")),
        _ => return Err(refused("neither https nor http")),
    }
    let method = match request.method {
        Method::Get | Method::Delete if !request.body.is_empty() => {
            return Err(refused("a GET or DELETE with a body"))
        }
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Delete => http::Method::DELETE,
    };
    let mut built = http::Request::builder().method(method).uri(uri);
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| refused(&format!("value of header {name}")))?;
        value.set_sensitive(true);
        built = built.header(&**name, value);
    }
    built
        .body(&request.body[..])
        .map_err(|e| refused(&e.to_string()))
}

fn bad_answer(detail: impl Into<String>) -> Ended {
    Ended::new(Cause::BadAnswer, detail)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What ureq's error means. Ours come through it as they are; the rest is what ureq itself found in the answer, or in
/// the request if none of it has left.
fn explain(error: ureq::Error, may_have_left: bool) -> Ended {
    use ureq::Error;
    let in_answer = if may_have_left {
        Cause::BadAnswer
    } else {
        Cause::Connect
    };
    match error {
        Error::Other(inner) => match inner.downcast::<Ended>() {
            Ok(ended) => *ended,
            Err(other) => Ended::new(in_answer, other.to_string()),
        },
        Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ended::new(
            Cause::ConnectionLost,
            "the connection was closed before the answer was whole",
        ),
        Error::Io(e) => Ended::from_io(
            e,
            if may_have_left {
                Cause::ConnectionLost
            } else {
                Cause::Connect
            },
        ),
        Error::HostNotFound => Ended::new(Cause::NameLookup, "host not found"),
        Error::Protocol(e) => {
            let mut text = e.to_string();
            // Some quote a header's value after the colon; the parser's own words are harmless.
            if !text.starts_with("http parse fail") {
                text.truncate(text.find(':').unwrap_or(text.len()));
            }
            Ended::new(in_answer, text)
        }
        other => Ended::new(in_answer, other.to_string()),
    }
}
