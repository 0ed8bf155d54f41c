//! The listeners: the servers' own port, with or without TLS, and the control port, always plain and on loopback.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::control;
use crate::exchange::{self, Noted};
use crate::faults::Action;
use crate::problem;
use crate::settings::Settings;
use crate::sim::Sim;
use crate::socket::{self, Ending, ResetFlag, Socket};
use crate::tls;
use crate::wire::{Answer, Request};

const BODY_LIMIT: usize = 1024 * 1024;
const HEAD_LIMIT: usize = 64 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(60);
const BODY_TIME: Duration = Duration::from_secs(30);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// A running simulator; dropping it stops it.
pub struct Simulator {
    pub url: String,
    pub control_url: String,
    /// The throw-away authority, where TLS is on.
    pub ca_pem: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub enum StartError {
    Port { port: u16, error: io::Error },
    Other(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            StartError::Port { port, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "port {port} of 127.0.0.1 is in use; choose another, or 0 for any free one")
            }
            StartError::Port { port, error } => write!(f, "cannot listen on port {port} of 127.0.0.1: {error}"),
            StartError::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

impl Simulator {
    /// Returns when both ports accept connections.
    pub fn start(settings: Settings) -> Result<Simulator, StartError> {
        let other = |error: io::Error| StartError::Other(error.to_string());
        let (api, port) = listen(settings.port)?;
        let (steering, control_port) = listen(settings.control_port)?;
        let tls = if settings.tls { Some(tls::throw_away().map_err(StartError::Other)?) } else { None };
        let scheme = if settings.tls { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{port}");

        let verbose = settings.verbose;
        let mut sim = Sim::new(settings);
        sim.base_url.clone_from(&url);
        let shared = Arc::new(Shared { sim: Mutex::new(sim), verbose, connections: AtomicU64::new(0) });
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(other)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                if let (Ok(api), Ok(steering)) = (TcpListener::from_std(api), TcpListener::from_std(steering)) {
                    tokio::spawn(accept(api, acceptor, Door::Api, Arc::clone(&shared)));
                    tokio::spawn(accept(steering, None, Door::Control, shared));
                }
                let _ = stopped.await;
            });
            // Connections that are held open by a fault must not hold up the end.
            runtime.shutdown_background();
        });
        Ok(Simulator {
            url,
            control_url: format!("http://127.0.0.1:{control_port}"),
            ca_pem,
            stop: Some(stop),
            thread: Some(thread.map_err(other)?),
        })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Loopback only: there is no authentication worth the name here.
fn listen(port: u16) -> Result<(std::net::TcpListener, u16), StartError> {
    let failed = |error| StartError::Port { port, error };
    let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// The servers, and the control API beside them.
    Api,
    /// The control API alone.
    Control,
}

struct Shared {
    sim: Mutex<Sim>,
    verbose: bool,
    connections: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Sim> {
        self.sim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, door: Door, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others will be closed in a moment.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (io, reset) = Socket::new(stream);
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let (ending, endings) = mpsc::unbounded_channel();
            let connection = Connection { door, number, shared, ending };
            match tls {
                None => serve(io, reset, connection, endings).await,
                Some(tls) => {
                    // A failed handshake ends the connection; the client knows best why.
                    if let Ok(Ok(io)) = time::timeout(HANDSHAKE_TIME, tls.accept(io)).await {
                        serve(io, reset, connection, endings).await;
                    }
                }
            }
        });
    }
}

#[derive(Clone)]
struct Connection {
    door: Door,
    number: u64,
    shared: Arc<Shared>,
    /// By this a request takes the socket away from the HTTP server, for a fault below HTTP.
    ending: mpsc::UnboundedSender<Ending>,
}

async fn serve<S>(io: S, reset: ResetFlag, connection: Connection, mut endings: mpsc::UnboundedReceiver<Ending>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
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

type Reply = Result<Response<Full<Bytes>>, Infallible>;

async fn respond(connection: Connection, request: hyper::Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let method = head.method.as_str().to_owned();
    let is_control = path == "/_sim" || path.starts_with("/_sim/");

    if !is_control && connection.door == Door::Api {
        let refused =
            exchange::on_head(&mut connection.shared.lock(), &method, &path, &head.headers, connection.number);
        if let Some(noted) = refused {
            return connection.end(&noted, Ending::Reset).await;
        }
    }
    let body = match time::timeout(BODY_TIME, whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::TooLarge)) => return connection.too_large(&method, &path, head.headers),
        // The client went away, or does not go on: there is nobody to answer.
        Ok(Err(BodyError::Broken)) | Err(_) => return connection.take(Ending::Close).await,
    };
    let request = Request { method, path, headers: head.headers, body, connection: connection.number };
    if is_control {
        let answer = control::handle(&mut connection.shared.lock(), &request);
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
async fn whole(mut body: Incoming) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        seen += data.len();
        if seen <= BODY_LIMIT {
            out.extend_from_slice(data);
        } else if seen > 16 * BODY_LIMIT {
            break;
        }
    }
    if seen > BODY_LIMIT { Err(BodyError::TooLarge) } else { Ok(out) }
}

impl Connection {
    fn response(&self, answer: Answer) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        // A client may take the time from here, so it is the simulator's.
        if let Ok(date) = HeaderValue::from_str(&clock::http_date(self.shared.lock().clock.now())) {
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

    /// The HTTP server lets go of the socket when this is seen; nothing of this request is heard again.
    async fn take(&self, ending: Ending) -> Reply {
        let _ = self.ending.send(ending);
        pending().await
    }

    fn log(&self, noted: &Noted, status: Option<u16>) {
        let mut sim = self.shared.lock();
        sim.log.end(noted.n, status);
        if self.shared.verbose {
            eprintln!("{}", sim.log.line(noted.n));
        }
    }

    async fn end(&self, noted: &Noted, ending: Ending) -> Reply {
        let status = match &ending {
            Ending::Half(answer) | Ending::Drip(answer, _) => Some(answer.status),
            Ending::Reset | Ending::Close | Ending::Hold(_) => None,
        };
        self.log(noted, status);
        self.take(ending).await
    }

    fn send(&self, noted: &Noted, answer: Answer) -> Reply {
        self.log(noted, Some(answer.status));
        Ok(self.response(answer))
    }

    fn too_large(&self, method: &str, path: &str, headers: hyper::HeaderMap) -> Reply {
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, headers, body: Vec::new(), connection: self.number };
        let answer = problem::body_too_large();
        if self.door == Door::Control || request.path.starts_with("/_sim") {
            return Ok(self.response(answer));
        }
        let noted = exchange::on_whole(&mut self.shared.lock(), &request);
        self.send(&noted, answer)
    }

    fn act(&self, request: &Request, noted: &Noted) -> Answer {
        exchange::act(&mut self.shared.lock(), request, noted)
    }

    /// The one place where fault rules meet the servers.
    async fn exchange(self, request: Request) -> Reply {
        let noted = exchange::on_whole(&mut self.shared.lock(), &request);
        let Some(fault) = noted.fault.clone() else {
            let answer = self.act(&request, &noted);
            return self.send(&noted, answer);
        };
        match fault {
            Action::Refuse | Action::ResetBefore => self.end(&noted, Ending::Reset).await,
            Action::StallBefore(ms) => self.end(&noted, Ending::Hold(ms)).await,
            Action::GarbageBefore { content_type } => self.send(&noted, exchange::garbage(&content_type)),
            Action::ResetAfter => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Reset).await
            }
            Action::StallAfter(ms) => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Hold(ms)).await
            }
            Action::CloseAfter => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Close).await
            }
            Action::GarbageAfter { content_type } => {
                self.act(&request, &noted);
                self.send(&noted, exchange::garbage(&content_type))
            }
            Action::TruncateAfter => {
                let answer = self.act(&request, &noted);
                self.end(&noted, Ending::Half(answer)).await
            }
            Action::SlowAfter(ms) => {
                let answer = self.act(&request, &noted);
                self.end(&noted, Ending::Drip(answer, ms)).await
            }
            Action::Status(fixed) => {
                if fixed.act {
                    self.act(&request, &noted);
                }
                self.send(&noted, exchange::fixed(&fixed))
            }
            Action::DelayAfter(ms) => {
                let answer = self.act(&request, &noted);
                time::sleep(Duration::from_millis(ms)).await;
                self.send(&noted, answer)
            }
            Action::Delay(ms) => {
                // A server that is late acts all the same, whether or not the client still waits for it.
                let late = tokio::spawn(async move {
                    time::sleep(Duration::from_millis(ms)).await;
                    let answer = self.act(&request, &noted);
                    self.send(&noted, answer)
                });
                match late.await {
                    Ok(reply) => reply,
                    Err(_) => pending().await,
                }
            }
        }
    }
}
