//! The socket below HTTP and TLS, and what the fault rules do to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

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

/// What happens to a connection once it is taken away from the HTTP server.
#[derive(Debug)]
pub enum Ending {
    Reset,
    Close,
    /// Silence, until the client goes or the time is over.
    Hold(Option<u64>),
    /// The whole head, half of the body.
    Half(Answer),
    /// One byte at a time, with a pause after each.
    Drip(Answer, u64),
}

pub async fn play<S>(mut io: S, reset: ResetFlag, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match ending {
        Ending::Reset => {
            reset.0.store(true, Ordering::Relaxed);
            return;
        }
        Ending::Close => {}
        Ending::Hold(ms) => {
            let forever = Duration::from_secs(86_400);
            let wait = ms.map_or(forever, Duration::from_millis);
            let _ = time::timeout(wait, until_gone(&mut io)).await;
        }
        Ending::Half(answer) => {
            // An empty body is announced as eight bytes, so that there is something to withhold.
            let announced = if answer.body.is_empty() { 8 } else { answer.body.len() };
            let (head, body) = (head(&answer, announced), &answer.body);
            let half = &body[..body.len() / 2];
            let _ = io.write_all(&[head.as_bytes(), half].concat()).await;
            let _ = io.flush().await;
        }
        Ending::Drip(answer, ms) => {
            let head = head(&answer, answer.body.len());
            for byte in [head.as_bytes(), &answer.body].concat() {
                let gone = io.write_all(&[byte]).await.is_err() || io.flush().await.is_err();
                if gone {
                    return;
                }
                time::sleep(Duration::from_millis(ms)).await;
            }
        }
    }
    let _ = time::timeout(Duration::from_secs(2), io.shutdown()).await;
}

async fn until_gone<S: AsyncRead + Unpin>(io: &mut S) {
    let mut sink = [0; 1_024];
    while matches!(io.read(&mut sink).await, Ok(n) if n > 0) {}
}

fn head(answer: &Answer, length: usize) -> String {
    let mut head = format!("HTTP/1.1 {} Answer\r\ncontent-length: {length}\r\n", answer.status);
    if let Some(content_type) = &answer.content_type {
        head += &format!("content-type: {content_type}\r\n");
    }
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}
