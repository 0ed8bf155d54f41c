//! One connection: its requests are read whole and answered in turn, until a fault takes the socket away.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::{task, time};

use crate::clock;
use crate::control;
use crate::events;
use crate::exchange;
use crate::page;
use crate::problem;
use crate::pulse::Shared;
use crate::server::Door;
use crate::socket::{self, Ending, ResetFlag, Then};
use crate::traffic::Meter;
use crate::visitor;
use crate::wire::{Answer, Request};

const BODY_LIMIT: usize = 1024 * 1024;
/// Images come as base64 within JSON.
const IMAGE_BODY_LIMIT: usize = 4 * BODY_LIMIT;
const HEAD_LIMIT: usize = 64 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(60);
const BODY_TIME: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Connection {
    pub door: Door,
    pub number: u64,
    pub shared: Arc<Shared>,
    /// By this a request takes the socket away from the HTTP server, for a fault below HTTP.
    pub ending: mpsc::UnboundedSender<Ending>,
    pub meter: Meter,
}

pub async fn serve<S>(io: S, reset: ResetFlag, connection: Connection, mut endings: mpsc::UnboundedReceiver<Ending>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = connection.meter.watch(io);
    let service = service_fn(move |request| respond(connection.clone(), request));
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_LIMIT)
        .auto_date_header(false)
        // Whoever sends a whole request and hangs up has asked all the same.
        .half_close(true)
        .serve_connection(TokioIo::new(io), service);
    let ending = poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut http).poll(cx) {
            drop(result);
            return Poll::Ready(None);
        }
        endings.poll_recv(cx)
    })
    .await;
    if let Some(ending) = ending {
        socket::play(http.into_parts().io.into_inner(), reset, ending).await;
    }
}

/// Whole, or one that goes on for as long as somebody listens.
type Body = UnsyncBoxBody<Bytes, Infallible>;
pub type Reply = Result<Response<Body>, Infallible>;

async fn respond(connection: Connection, request: hyper::Request<Incoming>) -> Reply {
    connection.meter.begin();
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let method = head.method.as_str().to_owned();
    let is_control = path == "/_sim" || path.starts_with("/_sim/");
    let is_page = page::has(&path);

    if !is_control && !is_page && connection.door == Door::Api {
        let refused =
            exchange::on_head(&mut connection.shared.lock(), &method, &path, &head.headers, connection.number);
        if let Some(noted) = refused {
            return connection.end(&noted, Then::Reset).await;
        }
    }
    let limit = if path == "/order-management/v1/images" { IMAGE_BODY_LIMIT } else { BODY_LIMIT };
    let body = match time::timeout(BODY_TIME, whole(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::TooLarge)) => return connection.too_large(&method, &path, head.headers),
        // The client went away, or does not go on: there is nobody to answer.
        Ok(Err(BodyError::Broken)) | Err(_) => return connection.take(Then::Close).await,
    };
    let request = Request { method, path, query, headers: head.headers, body, connection: connection.number };
    if is_page || is_control {
        connection.meter.forget();
        if let Some(refusal) = visitor::refused(&request.headers) {
            return Ok(connection.response(refusal));
        }
    }
    if is_page {
        return Ok(connection.response(page::answer(&request)));
    }
    if is_control && request.method == "GET" && request.path == "/_sim/events" {
        return Ok(connection.events());
    }
    if is_control && request.method == "GET" && request.path == "/_sim/under-way" {
        return Ok(connection.response(connection.under_way()));
    }
    if is_control {
        let shared = &connection.shared;
        if let Some(work) = shared.look(|sim| control::long(sim, &request)) {
            return match task::spawn_blocking(work).await {
                Ok(answer) => Ok(connection.response(answer)),
                Err(_) => connection.take(Then::Reset).await,
            };
        }
        let answer = match request.method.as_str() {
            // Whoever only looks is no news for the others.
            "GET" => shared.look(|sim| control::handle(sim, &request)),
            _ => shared.change(|sim| control::handle(sim, &request)),
        };
        return Ok(connection.response(answer));
    }
    if connection.door == Door::Control {
        return Ok(connection.response(control::not_here()));
    }
    connection.exchange(request).await
}

enum BodyError {
    TooLarge,
    Broken,
}

/// A body over the limit is read on for a while, so that the client sees the answer and not a reset.
async fn whole(mut body: Incoming, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        seen += data.len();
        if seen <= limit {
            out.extend_from_slice(data);
        } else if seen > 16 * limit {
            break;
        }
    }
    if seen > limit { Err(BodyError::TooLarge) } else { Ok(out) }
}

impl Connection {
    /// As the servers say it, which is not always right.
    pub fn date(&self) -> Option<String> {
        let sim = self.shared.lock();
        sim.switches.date(sim.clock.now())
    }

    pub fn response(&self, answer: Answer) -> Response<Body> {
        let date = clock::http_date(self.shared.lock().clock.now());
        self.dated(answer, Some(date))
    }

    pub fn dated(&self, answer: Answer, date: Option<String>) -> Response<Body> {
        let mut response = Response::new(Full::new(Bytes::from(answer.body)).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        // A client may take the time from here, so it is the simulator's.
        if let Some(Ok(date)) = date.map(|date| HeaderValue::from_str(&date)) {
            headers.insert(DATE, date);
        }
        if let Some(Ok(content_type)) = answer.content_type.map(|value| HeaderValue::from_str(&value)) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        for (name, value) in &answer.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn events(&self) -> Response<Body> {
        match self.shared.seats.listen(self.shared.changes()) {
            Some(body) => self.response(events::head()).map(|_| body.boxed_unsync()),
            None => self.response(events::no_seat()),
        }
    }

    /// What else than this connection.
    fn under_way(&self) -> Answer {
        let own = usize::from(self.door == Door::Api);
        Answer::json(200, &json!({"under_way": self.shared.under_way() - own}))
    }

    fn too_large(&self, method: &str, path: &str, headers: hyper::HeaderMap) -> Reply {
        let (method, path) = (method.to_owned(), path.to_owned());
        let request =
            Request { method, path, query: String::new(), headers, body: Vec::new(), connection: self.number };
        let answer = problem::body_too_large();
        if self.door == Door::Control || request.path.starts_with("/_sim") {
            return Ok(self.response(answer));
        }
        let noted = self.shared.change(|sim| exchange::unstruck(sim, &request));
        self.send(&noted, answer)
    }
}
