//! One request and its answer: token, headers, counting. Nothing here decides what an answer means.

use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::access::{self, Header, TokenFrom};
use super::work::Call;
use super::Client;
use crate::clock::{Clock, Judged};
use crate::error::{Cause, Code, Report};
use crate::log::Level;
use crate::recovery::{Goal, Step};
use crate::reference::Reference;
use crate::retry::{classify, is_foreign, Answer, Api};
use crate::transport::{Carried, Failure, Method, Request, Response, Traffic, UnderWay};
use crate::vipps::{epayment, token};

/// A body longer than this is no answer of these APIs, bytes.
const MAX_BODY: usize = 256 * 1024;
/// A token is fetched anew this long before its life is over, milliseconds.
const TOKEN_MARGIN_MS: i64 = 60_000;

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
    /// The servers have refused the last token.
    refused: bool,
    fetching: bool,
    /// A fetch that a call has left under way, and when it began, monotonic milliseconds.
    under_way: Option<(Box<dyn UnderWay>, i64)>,
}

impl TokenDesk {
    pub fn new() -> TokenDesk {
        TokenDesk {
            state: Mutex::new(TokenState {
                bearer: None,
                good_until: 0,
                serial: 0,
                refused: false,
                fetching: false,
                under_way: None,
            }),
        }
    }

    /// The token belongs to keys that are no longer used.
    pub fn forget(&self) {
        let mut t = self.lock();
        t.bearer = None;
        t.refused = false;
        t.serial += 1;
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

    pub fn delete(path: String) -> Message {
        Message {
            method: Method::Delete,
            ..Message::get(path)
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

/// A step's message on its way to the servers, as far as it has come.
pub(super) struct Errand {
    pub step: Step,
    pub goal: Goal,
    pub traffic: Traffic,
    pub requests: u32,
    message: Message,
    fetched_for_401: bool,
    /// Something that is not the API answered 401 to an earlier request of this step: it may have been carried out.
    pub in_doubt: bool,
    aloft: Option<Aloft>,
}

/// An exchange that a call has left under way.
struct Aloft {
    exchange: Box<dyn UnderWay>,
    /// Of the token that it went with.
    serial: u64,
    /// When, monotonic milliseconds.
    begun: i64,
}

impl Errand {
    pub fn new(step: Step, goal: Goal, message: Message) -> Errand {
        Errand {
            step,
            goal,
            traffic: Traffic::default(),
            requests: 0,
            message,
            fetched_for_401: false,
            in_doubt: false,
            aloft: None,
        }
    }

    pub fn only_reads(&self) -> bool {
        self.message.method == Method::Get
    }

    pub fn is_under_way(&self) -> bool {
        self.aloft.is_some()
    }
}

impl Client {
    /// Sends the errand's message with a token; a 401 drops the token and sends once more. `None`: the call's time is over
    /// before there is an answer; what is under way then is in the errand, or in the desk of the token.
    pub(super) fn send(&self, errand: &mut Errand, call: &Rc<Call>) -> Option<Answer> {
        loop {
            let (carried, serial, begun) = match errand.aloft.take() {
                Some(aloft) => {
                    let age = self.doors.clock.monotonic_ms() - aloft.begun;
                    let carried = match age <= i64::from(self.config.request_ms) {
                        true => aloft.exchange.carry_on(call.watch()),
                        false => torn(aloft.exchange),
                    };
                    (carried, aloft.serial, aloft.begun)
                }
                None => {
                    let (bearer, serial) = match self.token(call, &mut errand.traffic) {
                        Ok(Some(token)) => token,
                        // A second try of a step has a pause before it, so that short calls do not ask without end.
                        Ok(None) if errand.requests > 0 => return Some(Answer::NotSent(no_time())),
                        Ok(None) => return None,
                        Err(answer) => return Some(answer),
                    };
                    // Each exchange begins before the end of the call, so the call's bound holds one request limit, not
                    // several.
                    if call.is_over() {
                        return Some(Answer::NotSent(no_time()));
                    }
                    let begun = self.doors.clock.monotonic_ms();
                    let carried = match self.begin_errand(&errand.message, &bearer, call) {
                        Ok(carried) => carried,
                        Err(report) => return Some(Answer::NotSent(report)),
                    };
                    errand.requests += 1;
                    (carried, serial, begun)
                }
            };
            let answer = match carried {
                Carried::UnderWay(exchange) => {
                    errand.aloft = Some(Aloft {
                        exchange,
                        serial,
                        begun,
                    });
                    return None;
                }
                Carried::Ended(result, used) => {
                    errand.traffic.add(used);
                    self.read_answer(errand.message.method, &errand.message.path, result)
                }
            };
            let Answer::Unauthorized(report) = &answer else {
                return Some(answer);
            };
            errand.in_doubt |= is_foreign(report);
            self.drop_token(serial);
            if errand.fetched_for_401 || matches!(self.config.access.token, TokenFrom::Gateway) {
                return Some(answer);
            }
            if call.is_over() {
                return Some(Answer::NotSent(no_time()));
            }
            errand.fetched_for_401 = true;
        }
    }

    fn begin_errand(
        &self,
        message: &Message,
        bearer: &str,
        call: &Rc<Call>,
    ) -> Result<Carried, Report> {
        let c = &self.keys();
        let mut headers = self.config.access.for_call(c, bearer);
        if let Some(key) = &message.key {
            headers.push(("Idempotency-Key", secret(key.clone())));
        }
        if !message.body.is_empty() {
            headers.push(("Content-Type", secret("application/json".into())));
        }
        self.begin(message.method, &message.path, headers, &message.body, call)
    }

    /// Begins an exchange. An error: surely nothing was sent.
    fn begin(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<Header>,
        body: &[u8],
        call: &Rc<Call>,
    ) -> Result<Carried, Report> {
        self.judged_time()?;
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
        let mut headers: Vec<_> = headers.into_iter().map(|(n, v)| (n.into(), v)).collect();
        if let Some((name, value)) = &config.access.header {
            headers.push((name.clone().into(), value.clone()));
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
        Ok(self.doors.transport.begin(&request, call.watch()))
    }

    /// Takes note of an answer, and says what it is.
    fn read_answer(&self, method: Method, path: &str, result: Result<Response, Failure>) -> Answer {
        let judged = self.judged_time().ok().flatten();
        if let Ok(response) = &result {
            let judged = judged.unwrap_or(Judged::Nothing);
            self.doors.clock.answered(judged, response.date_ms);
            self.keep_time();
        }
        let verb = match method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        };
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
        match (&result, judged) {
            (Err(f), Some(Judged::Known(_))) if f.cause == Cause::Tls && !f.may_have_left => {
                Answer::NotSent(wrong_clock(&format!(
                    "and by the latest time that is known the certificate is not valid: {}",
                    f.detail
                )))
            }
            _ => classify(Api::of(path), result),
        }
    }

    /// By which time the servers' certificate is judged; `None` where there is none. No certificate can be judged by a
    /// clock that cannot be right: said before it becomes a TLS riddle.
    fn judged_time(&self) -> Result<Option<Judged>, Report> {
        if !self.config.base_url.starts_with("https://") {
            return Ok(None);
        }
        match self.doors.clock.judge() {
            Judged::Nothing => Err(wrong_clock("so no certificate can be judged by it")),
            judged => Ok(Some(judged)),
        }
    }

    fn drop_token(&self, serial: u64) {
        let mut t = self.token.lock();
        if t.serial == serial {
            t.bearer = None;
            t.refused = true;
        }
    }

    /// The token; fetched by one thread while others wait. Nothing of a payment leaves before there is one. `None`: the
    /// call's time was over before it came.
    fn token(
        &self,
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Result<Option<(Zeroizing<String>, u64)>, Answer> {
        if matches!(self.config.access.token, TokenFrom::Gateway) {
            return Ok(Some((Zeroizing::default(), 0)));
        }
        loop {
            let now = self.doors.clock.monotonic_ms();
            let mut t = self.token.lock();
            if let Some(bearer) = &t.bearer {
                if now < t.good_until {
                    return Ok(Some((bearer.clone(), t.serial)));
                }
            }
            if !t.fetching {
                t.fetching = true;
                let under_way = t.under_way.take();
                drop(t);
                return self.fetch_token(under_way, call, traffic);
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
        under_way: Option<(Box<dyn UnderWay>, i64)>,
        call: &Rc<Call>,
        traffic: &mut Traffic,
    ) -> Result<Option<(Zeroizing<String>, u64)>, Answer> {
        // Whatever happens below, other threads must not wait for a fetch that has ended.
        struct Done<'a>(&'a TokenDesk);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.lock().fetching = false;
            }
        }
        let _done = Done(&self.token);
        let (carried, asked_at) = match under_way {
            Some((under_way, asked_at)) => (under_way.carry_on(call.watch()), asked_at),
            None => {
                let asked_at = self.doors.clock.monotonic_ms();
                if let TokenFrom::Host(tokens) = &self.config.access.token {
                    let refused = self.token.lock().refused;
                    return match access::ask(&**tokens, refused) {
                        Ok(token) => Ok(Some(self.take_token(token, asked_at))),
                        Err(r) if r.code == Code::Credentials => Err(Answer::Unauthorized(r)),
                        Err(r) => Err(Answer::NotSent(r)),
                    };
                }
                let headers = self.config.access.for_token(&self.keys());
                let begun = self.begin(Method::Post, token::PATH, headers, b"", call);
                (begun.map_err(Answer::NotSent)?, asked_at)
            }
        };
        let answer = match carried {
            Carried::UnderWay(under_way) => {
                self.token.lock().under_way = Some((under_way, asked_at));
                return Ok(None);
            }
            Carried::Ended(result, used) => {
                traffic.add(used);
                self.read_answer(Method::Post, token::PATH, result)
            }
        };
        match answer {
            Answer::Done(body) => {
                let body = Zeroizing::new(body);
                let Some(token) = token::parse(&body) else {
                    return Err(Answer::NotSent(
                        Report::new(Code::Unavailable, "the token endpoint gave no token")
                            .because(Cause::BadAnswer),
                    ));
                };
                Ok(Some(self.take_token(token, asked_at)))
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

    /// Keeps a token for the calls to come.
    fn take_token(&self, token: token::Token, asked_at: i64) -> (Zeroizing<String>, u64) {
        let margin = TOKEN_MARGIN_MS.min(token.life_ms / 10);
        let mut t = self.token.lock();
        t.serial += 1;
        t.refused = false;
        t.good_until = asked_at.saturating_add(token.life_ms - margin);
        t.bearer = Some(token.bearer.clone());
        (token.bearer, t.serial)
    }

    /// Reads the event log, trying again until the call's time is over.
    pub(super) fn read_events(
        &self,
        reference: &Reference,
        call: &Rc<Call>,
    ) -> Result<Vec<epayment::Event>, Report> {
        let mut tries = 0;
        loop {
            let message = Message::get(epayment::payment_path(reference, "/events"));
            let mut errand = Errand::new(Step::ReadEvents, Goal::Settle, message);
            // Nobody comes back for this one: what is under way at the end of the call is torn.
            let answer = self.send(&mut errand, call);
            let answer = answer.unwrap_or_else(|| Answer::NotSent(no_time()));
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

/// Ends an exchange that nobody came back for in its time. What it would say now may be of another time: a "not found"
/// from before the payment reached the servers is no proof that it never did.
fn torn(exchange: Box<dyn UnderWay>) -> Carried {
    drop(exchange);
    let failure = Failure {
        may_have_left: true,
        cause: Cause::Timeout,
        detail: "the call's time was over, and no other came in time".into(),
    };
    Carried::Ended(Err(failure), Traffic::default())
}

/// The time of the call was over between two exchanges of one step; nothing of the second left.
pub(super) fn no_time() -> Report {
    Report::new(
        Code::Pending,
        "the time of the call was over before it was sent",
    )
}

fn wrong_clock(so: &str) -> Report {
    Report::new(Code::Clock, format!("the wall clock cannot be right, {so}"))
}

fn secret(text: String) -> Zeroizing<String> {
    Zeroizing::new(text)
}
