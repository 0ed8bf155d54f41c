//! Bytes above TLS: what was read and written for each request, head and body, as the HTTP server reads and writes them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of one request. The answer may still be on its way when the count is asked for.
#[derive(Debug, Default)]
pub struct Traffic {
    read: AtomicU64,
    written: AtomicU64,
}

impl Traffic {
    /// Bytes in, bytes out.
    pub fn bytes(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// Counts for one connection, whose requests come one after the other.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Default)]
struct Counters {
    /// Read, and not yet known for which request: its head comes before it is one.
    unassigned: AtomicU64,
    current: Mutex<Arc<Traffic>>,
}

impl Meter {
    pub fn watch<S>(&self, io: S) -> Metered<S> {
        Metered { io, meter: self.clone() }
    }

    /// From here on, what is written belongs to another request.
    pub fn begin(&self) {
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// Of the request whose body has been read.
    pub fn current(&self) -> Arc<Traffic> {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.read.fetch_add(self.0.unassigned.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        Arc::clone(&current)
    }

    /// What was read is nobody's: it was a call of the control API.
    pub fn forget(&self) {
        self.0.unassigned.store(0, Ordering::Relaxed);
    }

    fn written(&self, count: usize) {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.written.fetch_add(count as u64, Ordering::Relaxed);
    }
}

pub struct Metered<S> {
    io: S,
    meter: Meter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let count = (buf.filled().len() - before) as u64;
        self.meter.0.unassigned.fetch_add(count, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = polled {
            self.meter.written(count);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
        bufs: &[io::IoSlice],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(count)) = polled {
            self.meter.written(count);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
