//! The door to the network: one request out, one answer back, and above all whether a byte may have left.

use std::borrow::Cow;

use crate::error::Cause;

/// HTTP method of a request; a ride needs the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads; changes nothing.
    Get,
    /// Writes.
    Post,
    /// Ends a registration of a webhook.
    Delete,
}

/// One request, whole.
///
/// No `Debug`: headers hold secrets.
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL: https, or http to a loopback address.
    pub url: String,
    /// Header names and values, in the order of sending. Checked already: no line breaks, visible ASCII.
    pub headers: Vec<(Cow<'static, str>, zeroize::Zeroizing<String>)>,
    /// The exact bytes of the body; empty for none.
    pub body: Vec<u8>,
    /// Time limit of the whole exchange, name lookup and handshake included, in milliseconds.
    pub limit_ms: u32,
    /// Time limit of name lookup, connection and handshake, in milliseconds.
    pub connect_limit_ms: u32,
    /// The longest body that is accepted, in bytes; a longer one is `Cause::BadAnswer`.
    pub max_body: usize,
}

/// The servers' answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` as milliseconds from now, if the header was there and readable, as seconds or as a date.
    pub retry_after_ms: Option<u32>,
    /// `Date` of the answer in Unix milliseconds, if it was there and readable.
    pub date_ms: Option<i64>,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// An exchange that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `false` only if it is certain that no byte of the request left this machine. Any doubt is `true`; a reused
    /// connection that turns out dead is doubt.
    pub may_have_left: bool,
    /// What broke.
    pub cause: Cause,
    /// English, for the log; no secret.
    pub detail: String,
}

/// What an exchange cost, also when it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes given to the network (TCP payload, so TLS included where the transport can see it).
    pub sent: u64,
    /// Bytes taken from the network.
    pub received: u64,
}

impl Traffic {
    /// Counts another exchange.
    pub fn add(&mut self, other: Traffic) {
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
    }
}

/// Whether a wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    GoOn,
    /// The call has no more time: leave the exchange under way, if that is possible; else go on.
    Leave,
    /// End now, in the middle if need be.
    Stop,
}

/// Sends requests. Shared by threads; one exchange does not wait for another.
pub trait Transport: Send + Sync {
    /// Carries out one exchange. `watch` is called about every 200 ms, at the latest every second, through name lookup, connect, handshake,
    /// sending and receiving, and ends the exchange at once when it says so.
    fn exchange(&self, request: &Request, watch: Watch) -> (Result<Response, Failure>, Traffic);

    /// The same for a transport that works in pieces: it may come back with the exchange under way, once `watch` has said
    /// [`Flow::Leave`] or [`Flow::Stop`].
    fn begin(&self, request: &Request, watch: Watch) -> Carried {
        let (result, traffic) = self.exchange(request, watch);
        Carried::Ended(result, traffic)
    }
}

/// What an exchange asks while it lasts.
pub type Watch = std::rc::Rc<dyn Fn() -> Flow>;

/// How far an exchange has come.
pub enum Carried {
    /// To its end.
    Ended(Result<Response, Failure>, Traffic),
    /// Not to its end: the next call carries it on.
    UnderWay(Box<dyn UnderWay>),
}

/// An exchange that a call has left under way. Dropping it tears it.
pub trait UnderWay: Send {
    /// Carries it on, by one piece at least, as [`Transport::begin`] does.
    fn carry_on(self: Box<Self>, watch: Watch) -> Carried;
}

pub mod headers;
#[cfg(feature = "https")]
pub mod https;
