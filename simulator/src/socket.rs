//! The socket below HTTP and TLS, and what the fault rules do to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time;

use crate::wire::Answer;

/// A TCP stream that can be told to end with a reset (RST) where it would close in good order (FIN).
pub struct Socket {
    stream: TcpStream,
    reset: ResetFlag,
}

#[derive(Clone, Default)]
pub struct ResetFlag(Arc<AtomicBool>);

impl Socket {
    pub fn new(stream: TcpStream) -> (Socket, ResetFlag) {
        let reset = ResetFlag::default();
        (Socket { stream, reset: reset.clone() }, reset)
    }
}

impl ResetFlag {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::Relaxed) {
            // Without lingering, closing throws away what is unsent and resets the connection.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What happens to a connection once it is taken away from the HTTP server: these bytes go out, and then it ends so.
#[derive(Debug)]
pub struct Ending {
    pub written: Vec<u8>,
    /// One byte at a time, with a pause of so many milliseconds after each.
    pub pause_ms: Option<u64>,
    pub then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Reset,
    Close,
    /// No more is written, while what comes is read until the client goes or so many milliseconds are over.
    HalfClose(Option<u64>),
    /// Silence, until the client goes or so many milliseconds are over.
    Hold(Option<u64>),
}

/// Where an answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the middle of the head.
    Head,
    /// After the head and half of the body.
    Body,
}

impl From<Then> for Ending {
    fn from(then: Then) -> Ending {
        Ending { written: Vec::new(), pause_ms: None, then }
    }
}

pub async fn play<S>(mut io: S, reset: ResetFlag, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if write(&mut io, &ending.written, ending.pause_ms).await.is_err() {
        return;
    }
    match ending.then {
        Then::Reset => {
            reset.set();
            return;
        }
        Then::Close => {}
        Then::HalfClose(ms) => {
            shut(&mut io).await;
            until_gone(&mut io, ms).await;
        }
        Then::Hold(ms) => until_gone(&mut io, ms).await,
    }
    shut(&mut io).await;
}

async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: &[u8], pause_ms: Option<u64>) -> io::Result<()> {
    let Some(ms) = pause_ms else {
        io.write_all(bytes).await?;
        return io.flush().await;
    };
    for byte in bytes {
        io.write_all(&[*byte]).await?;
        io.flush().await?;
        time::sleep(Duration::from_millis(ms)).await;
    }
    Ok(())
}

/// The end of what is written; with TLS it is announced.
async fn shut<S: AsyncWrite + Unpin>(io: &mut S) {
    let _ = time::timeout(Duration::from_secs(2), io.shutdown()).await;
}

/// Until the client has closed its side, or for so many milliseconds.
pub async fn until_gone<S: AsyncRead + Unpin>(io: &mut S, ms: Option<u64>) {
    const FOREVER: Duration = Duration::from_secs(86_400);
    let gone = async {
        let mut sink = [0; 1_024];
        while matches!(io.read(&mut sink).await, Ok(n) if n > 0) {}
    };
    let _ = time::timeout(ms.map_or(FOREVER, Duration::from_millis), gone).await;
}

pub fn whole(answer: &Answer) -> Vec<u8> {
    [head(answer, answer.body.len()).as_bytes(), &answer.body].concat()
}

/// An answer that ends too early.
pub fn cut(answer: &Answer, place: Place) -> Vec<u8> {
    // An empty body is announced as eight bytes, so that there is something to withhold.
    let announced = if answer.body.is_empty() { 8 } else { answer.body.len() };
    let head = head(answer, announced);
    match place {
        Place::Head => head.as_bytes()[..head.len() / 2].to_vec(),
        Place::Body => [head.as_bytes(), &answer.body[..answer.body.len() / 2]].concat(),
    }
}

fn head(answer: &Answer, length: usize) -> String {
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\ncontent-length: {length}\r\n", answer.status, reason.unwrap_or_default());
    if let Some(content_type) = &answer.content_type {
        head += &format!("content-type: {content_type}\r\n");
    }
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}
