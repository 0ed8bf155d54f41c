//! One request and its answer: token, headers, counting. Nothing here decides what an answer means.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::work::Call;
use super::Client;
use crate::error::{Cause, Code, Report};
use crate::log::Level;
use crate::reference::Reference;
use crate::retry::{classify, Answer};
use crate::transport::{Method, Request, Traffic};
use crate::vipps::{epayment, token};

/// A body longer than this is no answer of these APIs, bytes.
const MAX_BODY: usize = 256 * 1024;
/// A token is fetched anew this long before its life is over, milliseconds.
const TOKEN_MARGIN_MS: i64 = 60_000;
/// A wall clock before this moment cannot be right (2026-01-01), Unix milliseconds.
const EARLIEST_WALL_MS: i64 = 1_767_225_600_000;

const USER_AGENT: &str = concat!("vpmeter/", env!("CARGO_PKG_VERSION"));

/// The access token, shared by threads: one fetch, not a stampede.
pub(super) struct TokenDesk {
    state: Mutex<TokenState>,
}

struct TokenState {
    bearer: Option<Zeroizing<String>>,
    /// Monotonic milliseconds.
    good_until: i64,
    /// Counts tokens, so that a late 401 does not drop a newer one.
    serial: u64,
    fetching: bool,
}

impl TokenDesk {
    pub fn new() -> TokenDesk {
        TokenDesk {
            state: Mutex::new(TokenState {
                bearer: None,
                good_until: 0,
                serial: 0,
                fetching: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TokenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to send for a payment.
pub(super) struct Message {
    pub method: Method,
    pub path: String,
    pub body: Vec<u8>,
    pub key: Option<String>,
}

impl Message {
    pub fn get(path: String) -> Message {
        Message {
            method: Method::Get,
            path,
            body: Vec::new(),
            key: None,
        }
    }

    pub fn post(path: String, body: impl Into<Vec<u8>>, key: Option<String>) -> Message {
        Message {
            method: Method::Post,
            path,
            body: body.into(),
            key,
        }
    }
}

impl Client {
    /// Sends one message with a token; a 401 drops the token and sends once more. Gives the traffic of both.
    pub(super) fn send(&self, message: &Message, call: &Rc<Call>) -> (Answer, Traffic, u32) {
        let mut traffic = Traffic::default();
        let mut requests = 0;
        let mut fetched_for_401 = false;
        loop {
            let (bearer, serial) = match self.token(call, &mut traffic) {
                Ok(token) => token,
                Err(answer) => return (answer, traffic, requests),
            };
            // Each exchange begins before the end of the call, so the call's bound holds one request limit, not several.
            if call.is_over() {
                return (Answer::NotSent(no_time()), traffic, requests);
            }
            let answer = self.send_once(message, &bearer, call, &mut traffic);
            requests += 1;
            if !matches!(answer, Answer::Unauthorized(_)) {
                return (answer, traffic, requests);
            }
            self.drop_token(serial);
            if fetched_for_401 {
                return (answer, traffic, requests);
            }
            if call.is_over() {
                return (Answer::NotSent(no_time()), traffic, requests);
            }
            fetched_for_401 = true;
        }
    }

    fn send_once(
        &self,
        message: &Message,
        bearer: &str,
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Answer {
        let c = &self.config.credentials;
        let mut headers = vec![
            ("Authorization", secret(format!("Bearer {bearer}"))),
            ("Ocp-Apim-Subscription-Key", c.subscription_key.clone()),
            ("Merchant-Serial-Number", secret(c.msn.clone())),
        ];
        if let Some(key) = &message.key {
            headers.push(("Idempotency-Key", secret(key.clone())));
        }
        if !message.body.is_empty() {
            headers.push(("Content-Type", secret("application/json".into())));
        }
        self.exchange(
            message.method,
            &message.path,
            headers,
            &message.body,
            call,
            traffic,
        )
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(&'static str, Zeroizing<String>)>,
        body: &[u8],
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Answer {
        if let Some(report) = self.clock_is_wrong() {
            return Answer::NotSent(report);
        }
        let config = &self.config;
        headers.push(("Accept", secret("application/json".into())));
        headers.push(("User-Agent", secret(USER_AGENT.into())));
        for (name, value) in [
            ("Vipps-System-Name", &config.system_name),
            ("Vipps-System-Version", &config.system_version),
            ("Vipps-System-Plugin-Name", &config.plugin_name),
            ("Vipps-System-Plugin-Version", &config.plugin_version),
        ] {
            if !value.is_empty() {
                headers.push((name, secret(value.clone())));
            }
        }
        let base = config.base_url.trim_end_matches('/');
        let request = Request {
            method,
            url: format!("{base}{path}"),
            headers,
            body: body.to_vec(),
            limit_ms: config.request_ms,
            connect_limit_ms: config.connect_ms,
            max_body: MAX_BODY,
        };
        let watched = call.clone();
        let (result, used) = self
            .doors
            .transport
            .exchange(&request, Rc::new(move || watched.beat()));
        traffic.sent += used.sent;
        traffic.received += used.received;
        if let Ok(response) = &result {
            if let Some(date) = response.date_ms {
                let offset = date - self.doors.clock.monotonic_ms();
                self.server_time.store(offset, Ordering::Relaxed);
            }
        }
        let verb = if method == Method::Get { "GET" } else { "POST" };
        self.log(
            Level::Debug,
            &match &result {
                Ok(r) => format!("{verb} {path}: {}", r.status),
                Err(f) => format!(
                    "{verb} {path}: no answer ({:?}, {}): {}",
                    f.cause,
                    if f.may_have_left {
                        "may have left"
                    } else {
                        "nothing left"
                    },
                    f.detail
                ),
            },
        );
        classify(result)
    }

    /// No certificate can be judged by a clock that cannot be right: said before it becomes a TLS riddle.
    fn clock_is_wrong(&self) -> Option<Report> {
        let judged = self.config.base_url.starts_with("https://");
        if judged && self.doors.clock.wall_ms() < EARLIEST_WALL_MS {
            return Some(Report::new(
                Code::Clock,
                "the wall clock stands before 2026: no certificate can be judged by it",
            ));
        }
        None
    }

    fn drop_token(&self, serial: u64) {
        let mut t = self.token.lock();
        if t.serial == serial {
            t.bearer = None;
        }
    }

    /// The token; fetched by one thread while others wait. Nothing of a payment leaves before there is one.
    fn token(
        &self,
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Result<(Zeroizing<String>, u64), Answer> {
        loop {
            let now = self.doors.clock.monotonic_ms();
            let mut t = self.token.lock();
            if let Some(bearer) = &t.bearer {
                if now < t.good_until {
                    return Ok((bearer.clone(), t.serial));
                }
            }
            if !t.fetching {
                t.fetching = true;
                drop(t);
                return self.fetch_token(call, traffic);
            }
            drop(t);
            if call.is_over() {
                return Err(Answer::NotSent(no_time()));
            }
            if call.beat() == crate::transport::Flow::Stop {
                return Err(Answer::NotSent(
                    Report::new(Code::Interrupted, "stopped while waiting for the token")
                        .because(Cause::Interrupted),
                ));
            }
            self.doors.clock.sleep(20);
        }
    }

    fn fetch_token(
        &self,
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Result<(Zeroizing<String>, u64), Answer> {
        // Whatever happens below, other threads must not wait for a fetch that has ended.
        struct Done<'a>(&'a TokenDesk);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.lock().fetching = false;
            }
        }
        let _done = Done(&self.token);
        let c = &self.config.credentials;
        let headers = vec![
            ("client_id", secret(c.client_id.clone())),
            ("client_secret", c.client_secret.clone()),
            ("Ocp-Apim-Subscription-Key", c.subscription_key.clone()),
            ("Merchant-Serial-Number", secret(c.msn.clone())),
        ];
        let asked_at = self.doors.clock.monotonic_ms();
        let answer = self.exchange(Method::Post, token::PATH, headers, b"", call, traffic);
        match answer {
            Answer::Done(body) => {
                let body = Zeroizing::new(body);
                let Some(token) = token::parse(&body) else {
                    return Err(Answer::NotSent(
                        Report::new(Code::Unavailable, "the token endpoint gave no token")
                            .because(Cause::BadAnswer),
                    ));
                };
                let margin = TOKEN_MARGIN_MS.min(token.life_ms / 10);
                let mut t = self.token.lock();
                t.serial += 1;
                t.good_until = asked_at + token.life_ms - margin;
                t.bearer = Some(token.bearer.clone());
                Ok((token.bearer, t.serial))
            }
            // The directory behind the endpoint says wrong keys with 400 as well as with 401.
            Answer::Unauthorized(mut r) | Answer::Refused(mut r) | Answer::NotFound(mut r) => {
                if r.code != Code::Url {
                    r.code = Code::Credentials;
                }
                r.message = format!("no token: {}", r.message);
                Err(Answer::Unauthorized(r))
            }
            Answer::Unknown(mut r) | Answer::Locked(mut r, _) => {
                r.code = Code::Unavailable;
                Err(Answer::NotSent(r))
            }
            other => Err(other),
        }
    }

    /// Reads the event log, trying again until the call's time is over.
    pub(super) fn read_events(
        &self,
        reference: &Reference,
        call: &Rc<Call>,
    ) -> Result<Vec<epayment::Event>, Report> {
        let message = Message::get(epayment::payment_path(reference, "/events"));
        let mut tries = 0;
        loop {
            let (answer, _, _) = self.send(&message, call);
            let (mut report, asked) = match answer {
                Answer::Done(body) => match epayment::parse_events(&body) {
                    Some(events) => return Ok(events),
                    None => (crate::retry::bad_answer(), None),
                },
                Answer::NotFound(mut r) => {
                    r.code = Code::NoSuchPayment;
                    return Err(r);
                }
                Answer::Refused(r) | Answer::Unauthorized(r) => return Err(r),
                Answer::RateLimited(r, asked) | Answer::Locked(r, asked) => (r, asked),
                Answer::Unknown(r) | Answer::NotSent(r) => (r, None),
            };
            if report.code == Code::OutcomeUnknown {
                report.code = Code::Unavailable;
            }
            let pause = crate::retry::pause(tries, asked, self.dice());
            tries += 1;
            if !call.wait_until(self.doors.clock.monotonic_ms() + pause, || false) {
                return Err(call.stopped_report().unwrap_or(report));
            }
        }
    }

    /// 32 random bits; without randomness the pause has no jitter, which is no reason to fail.
    pub(super) fn dice(&self) -> u32 {
        let mut bytes = [0u8; 4];
        match self.doors.random.fill(&mut bytes) {
            Ok(()) => u32::from_le_bytes(bytes),
            Err(_) => u32::MAX,
        }
    }
}

/// The time of the call was over between two exchanges of one step; nothing of the second left.
fn no_time() -> Report {
    Report::new(
        Code::Pending,
        "the time of the call was over before it was sent",
    )
}

fn secret(text: String) -> Zeroizing<String> {
    Zeroizing::new(text)
}
