//! One exchange in the host's hands: what the hook is given, how often it is called, and what is made of what it says.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libc::{c_char, c_void};
use vpmeter_core::clock::Clock;
use vpmeter_core::error::Cause;
use vpmeter_core::transport::{
    headers, Carried, Failure, Flow, Method, Request, Response, Traffic, Transport, UnderWay, Watch,
};
use zeroize::Zeroizing;

use super::{
    new_handle, vp_request, Given, Now, NOW, VP_TRANSPORT_BEGIN, VP_TRANSPORT_DONE,
    VP_TRANSPORT_GO_ON, VP_TRANSPORT_IN_PROGRESS, VP_TRANSPORT_LOST, VP_TRANSPORT_NOT_SENT,
    VP_TRANSPORT_TEAR,
};
use crate::boundary::Marked;
use crate::hooks::HostHooks;

/// How long a piece of an exchange may rest before the hook is asked again, while a call waits for it.
const REST_MS: u32 = 10;
/// The transport of a client whose host has the hook.
pub struct HostTransport {
    hooks: Arc<HostHooks>,
    clock: Arc<dyn Clock>,
}

impl HostTransport {
    /// The host's transport, if it has one.
    pub fn of(hooks: &Arc<HostHooks>, clock: &Arc<dyn Clock>) -> Option<HostTransport> {
        hooks.raw().transport.map(|_| HostTransport {
            hooks: hooks.clone(),
            clock: clock.clone(),
        })
    }
}

impl Transport for HostTransport {
    fn exchange(&self, request: &Request, watch: Watch) -> (Result<Response, Failure>, Traffic) {
        let to_the_end = Rc::new(move || match watch() {
            Flow::Leave => Flow::GoOn,
            flow => flow,
        });
        match self.begin(request, to_the_end) {
            Carried::Ended(result, traffic) => (result, traffic),
            // Told to stop.
            Carried::UnderWay(under_way) => {
                drop(under_way);
                let failure = failure(true, Cause::Interrupted, "stopped");
                (Err(failure), Traffic::default())
            }
        }
    }

    fn begin(&self, request: &Request, watch: Watch) -> Carried {
        if watch() == Flow::Stop {
            let failure = failure(false, Cause::Interrupted, "stopped before it was sent");
            return Carried::Ended(Err(failure), Traffic::default());
        }
        let texts = Texts::of(request);
        let now = Instant::now();
        let exchange = Box::new(Exchange {
            hooks: self.hooks.clone(),
            clock: self.clock.clone(),
            lines: texts.lines(),
            texts,
            body: Zeroizing::new(request.body.clone()),
            limit_ms: request.limit_ms,
            connect_ms: request.connect_limit_ms,
            max_body: request.max_body,
            deadline: now + Duration::from_millis(u64::from(request.limit_ms)),
            handle: new_handle(),
            state: Box::new(std::ptr::null_mut()),
            given: Given::default(),
            ended: false,
        });
        exchange.run(VP_TRANSPORT_BEGIN, &watch)
    }
}

/// The request's texts, each with a NUL behind it.
struct Texts {
    secure: bool,
    port: u16,
    method: Zeroizing<Vec<u8>>,
    url: Zeroizing<Vec<u8>>,
    host: Zeroizing<Vec<u8>>,
    path: Zeroizing<Vec<u8>>,
    headers: Vec<Zeroizing<Vec<u8>>>,
}

impl Texts {
    /// The URL was checked when the client was opened.
    fn of(request: &Request) -> Texts {
        let text = |parts: &[&str]| {
            // Its size at once, so that no piece of a key stays behind in memory that growing has left.
            let length: usize = parts.iter().map(|p| p.len()).sum();
            let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
            parts
                .iter()
                .for_each(|p| bytes.extend_from_slice(p.as_bytes()));
            bytes.push(0);
            bytes
        };
        let (scheme, rest) = request.url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
            Some((v6, port)) => (v6, port.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let secure = scheme == "https";
        let otherwise = if secure { 443 } else { 80 };
        Texts {
            secure,
            port: port.and_then(|p| p.parse().ok()).unwrap_or(otherwise),
            method: text(&[match request.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Delete => "DELETE",
            }]),
            url: text(&[&request.url]),
            host: text(&[host]),
            path: text(&[if path.is_empty() { "/" } else { path }]),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| text(&[name, ": ", value]))
                .collect(),
        }
    }

    fn lines(&self) -> Vec<*const c_char> {
        let lines = self.headers.iter().map(|line| line.as_ptr().cast());
        lines.chain([std::ptr::null()]).collect()
    }
}

/// One exchange in the host's hands.
struct Exchange {
    hooks: Arc<HostHooks>,
    clock: Arc<dyn Clock>,
    texts: Texts,
    /// Into `texts`, whose buffers stay where they are.
    lines: Vec<*const c_char>,
    body: Zeroizing<Vec<u8>>,
    limit_ms: u32,
    connect_ms: u32,
    max_body: usize,
    /// By the system's clock: it is the network that it bounds.
    deadline: Instant,
    handle: usize,
    /// The hook's own; boxed, because the hook may keep its address.
    state: Box<*mut c_void>,
    given: Given,
    ended: bool,
}

// SAFETY: the pointers of `lines` point into `texts`, which goes along; `state` is the host's and only handed back to it.
// The header says that another thread may carry an exchange on.
unsafe impl Send for Exchange {}

fn failure(may_have_left: bool, cause: Cause, detail: &str) -> Failure {
    Failure {
        may_have_left,
        cause,
        detail: detail.to_owned(),
    }
}

impl Exchange {
    /// Calls the hook until the exchange ends, or the watch says that the call does.
    fn run(mut self: Box<Self>, first: i32, watch: &Watch) -> Carried {
        let mut what = first;
        loop {
            let said = self.call_hook(what, watch);
            if said != VP_TRANSPORT_IN_PROGRESS {
                self.ended = true;
                let result = self.conclude(said);
                return Carried::Ended(result, self.given.traffic);
            }
            what = VP_TRANSPORT_GO_ON;
            let now = Instant::now();
            if now >= self.deadline {
                return self.out_of_time(watch);
            }
            if watch() != Flow::GoOn {
                return Carried::UnderWay(self);
            }
            let rest = (self.deadline - now).as_millis().min(u128::from(REST_MS));
            self.clock.sleep((rest as u32).max(1));
        }
    }

    fn out_of_time(&mut self, watch: &Watch) -> Carried {
        let left = self.tear(watch);
        let failure = failure(left, Cause::Timeout, "time over");
        Carried::Ended(Err(failure), self.given.traffic)
    }

    fn call_hook(&mut self, what: i32, watch: &Watch) -> i32 {
        let Some(hook) = self.hooks.raw().transport else {
            return VP_TRANSPORT_LOST;
        };
        let request = vp_request {
            request_size: size_of::<vp_request>() as u32,
            secure: i32::from(self.texts.secure),
            port: u32::from(self.texts.port),
            limit_ms: self.limit_ms,
            connect_ms: self.connect_ms,
            body_size: self.body.len() as u32,
            answer_max: self.max_body as u32,
            reserved: 0,
            method: self.texts.method.as_ptr().cast(),
            url: self.texts.url.as_ptr().cast(),
            host: self.texts.host.as_ptr().cast(),
            path: self.texts.path.as_ptr().cast(),
            headers: self.lines.as_ptr(),
            body: match self.body.is_empty() {
                true => std::ptr::null(),
                false => self.body.as_ptr().cast(),
            },
            state: &raw mut *self.state,
            reserved_pointer: std::ptr::null(),
        };
        let before = NOW.replace(Some(Now {
            handle: self.handle,
            answer: std::mem::take(&mut self.given),
            watch: watch.clone(),
            deadline: self.deadline,
            max_body: self.max_body,
            asking: false,
        }));
        let said = {
            let _marked = Marked::callback();
            let answer = std::ptr::without_provenance_mut(self.handle);
            // SAFETY: the host's function, with its own pointer; the request lives until it returns, and what it points
            // to as long as this exchange.
            unsafe { hook(self.hooks.raw().user, what, &request, answer) }
        };
        let mut asking = false;
        if let Some(now) = NOW.replace(before) {
            self.given = now.answer;
            asking = now.asking;
        }
        // A panic that `vp_answer_go_on` kept from the host's frames: it goes on here.
        assert!(!asking, "a bug came up while the transport hook waited");
        said
    }

    fn conclude(&mut self, said: i32) -> Result<Response, Failure> {
        let given = &mut self.given;
        if let Some(nonsense) = &given.spoilt {
            let detail = format!("the transport hook gave nonsense: {nonsense}");
            return Err(failure(true, Cause::BadAnswer, &detail));
        }
        let answered = given.status.is_some() || given.head > 0 || !given.body.is_empty();
        let told = given.told.take();
        let mut no_answer = |left: bool, otherwise: Cause| {
            let (cause, detail) = match (given.cause, told) {
                (Some(cause), _) => (cause, std::mem::take(&mut given.detail)),
                (None, Some((cause, text))) => (cause, text.to_owned()),
                (None, None) => (otherwise, "the transport hook had no answer".to_owned()),
            };
            Err(failure(left, cause, &detail))
        };
        match (said, given.status) {
            (VP_TRANSPORT_DONE, Some(status)) => {
                let date_ms = given.date.as_deref().and_then(headers::date_ms);
                let now = date_ms.unwrap_or_else(|| self.clock.wall_ms());
                let retry = given.retry_after.as_deref();
                Ok(Response {
                    status,
                    retry_after_ms: retry.and_then(|text| headers::retry_after_ms(text, now)),
                    date_ms,
                    body: std::mem::take(&mut *given.body),
                })
            }
            (VP_TRANSPORT_DONE, None) => Err(failure(
                true,
                Cause::BadAnswer,
                "the transport hook gave no status",
            )),
            (VP_TRANSPORT_NOT_SENT, _) if answered => Err(failure(
                true,
                Cause::BadAnswer,
                "the transport hook gave an answer to what it says it has not sent",
            )),
            (VP_TRANSPORT_NOT_SENT, _) => no_answer(false, Cause::Connect),
            (VP_TRANSPORT_LOST, _) => no_answer(true, Cause::ConnectionLost),
            (other, _) => {
                let detail = format!("the transport hook returned {other}");
                Err(failure(true, Cause::BadAnswer, &detail))
            }
        }
    }

    /// The last call of the hook; gives whether the request may have left.
    fn tear(&mut self, watch: &Watch) -> bool {
        self.ended = true;
        let said = self.call_hook(VP_TRANSPORT_TEAR, watch);
        let answered = self.given.status.is_some() || self.given.spoilt.is_some();
        said != VP_TRANSPORT_NOT_SENT || answered
    }
}

impl UnderWay for Exchange {
    fn carry_on(mut self: Box<Self>, watch: Watch) -> Carried {
        if Instant::now() >= self.deadline {
            return self.out_of_time(&watch);
        }
        self.run(VP_TRANSPORT_GO_ON, &watch)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            let watch: Watch = Rc::new(|| Flow::Stop);
            self.tear(&watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{append, vp_answer_go_on, vp_answer_status};
    use super::*;

    fn texts(url: &str) -> (bool, String, u16, String) {
        let request = Request {
            method: Method::Post,
            url: url.into(),
            headers: vec![("Idempotency-Key".into(), String::from("key-1").into())],
            body: Vec::new(),
            limit_ms: 1_000,
            connect_limit_ms: 500,
            max_body: 10,
        };
        let texts = Texts::of(&request);
        let text = |bytes: &[u8]| {
            assert_eq!(bytes.last(), Some(&0));
            String::from_utf8_lossy(&bytes[..bytes.len() - 1]).into_owned()
        };
        assert_eq!(text(&texts.method), "POST");
        assert_eq!(text(&texts.url), url);
        assert_eq!(text(&texts.headers[0]), "Idempotency-Key: key-1");
        assert!(texts.lines().last().is_some_and(|line| line.is_null()));
        (
            texts.secure,
            text(&texts.host),
            texts.port,
            text(&texts.path),
        )
    }

    #[test]
    fn a_url_in_its_parts() {
        for (url, secure, host, port, path) in [
            (
                "https://api.vipps.no/a/b",
                true,
                "api.vipps.no",
                443,
                "/a/b",
            ),
            (
                "https://proxy.example:8443/x",
                true,
                "proxy.example",
                8443,
                "/x",
            ),
            ("http://127.0.0.1:4010/a", false, "127.0.0.1", 4010, "/a"),
            ("http://[::1]:4010/a", false, "::1", 4010, "/a"),
            ("https://[2001:db8::7]/a", true, "2001:db8::7", 443, "/a"),
            ("https://host", true, "host", 443, "/"),
        ] {
            let parts = texts(url);
            assert_eq!(parts, (secure, host.into(), port, path.into()), "{url}");
        }
    }

    #[test]
    fn a_body_comes_in_pieces() {
        let mut body = Zeroizing::new(Vec::new());
        let whole: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        for piece in whole.chunks(7) {
            append(&mut body, piece);
        }
        assert_eq!(*body, whole);
    }

    #[test]
    fn handles_are_odd_and_new() {
        let (a, b) = (new_handle(), new_handle());
        assert!(a & 1 == 1 && b & 1 == 1 && a != b);
        assert_eq!(
            vp_answer_status(std::ptr::without_provenance_mut(a), 200),
            -1
        );
        assert_eq!(vp_answer_go_on(std::ptr::null_mut()), -2);
    }
}
