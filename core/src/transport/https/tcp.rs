//! TCP: a socket that never blocks, waited for in slices.
//!
//! # What was given up must not arrive later
//!
//! The kernel goes on repeating the unacknowledged bytes of a socket that was closed, for a minute or two, and for a quarter
//! of an hour where somebody else has the descriptor: a request that left into a dead zone and was given up would be carried
//! out when the zone ends. Three things are against it, because no one of them suffices:
//!
//! * An exchange that ends without its answer ends the connection by `connect(AF_UNSPEC)` ([`Wire::reset`]): the kernel
//!   drops what it holds and sends a reset, whoever else has the descriptor. Closing would not do it where a child that the
//!   host has forked holds a copy.
//! * `SO_LINGER {on, 0}` is set before connecting: where the process is killed or exits in the middle of an exchange, the
//!   kernel closes the socket by the same reset.
//! * `TCP_USER_TIMEOUT` is the exchange's time limit: it ends the repeating where nobody closes, of a killed process with a
//!   child that lives on.
//!
//! A connection that is closed at rest, its last answer complete, is closed in good order: there is nothing to take back,
//! and servers, balancers and firewalls log or count resets.
//!
//! All of this helps and proves nothing. It is about this machine's kernel only: a modem, a carrier, a proxy or a gateway
//! that has taken the bytes may pass them on when it likes, and the reset itself may be lost.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    connect, connect_unspec, ipproto, recv, send, socket_with, sockopt, AddressFamily, RecvFlags,
    SendFlags, SocketFlags, SocketType,
};

use super::outlet::Outlet;
use super::underway::{Ended, Phase, Underway};
use crate::error::Cause;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnedFd,
    given_up: AtomicBool,
}

impl Wire {
    fn new(socket: OwnedFd) -> Wire {
        Wire {
            socket,
            given_up: AtomicBool::new(false),
        }
    }

    /// Connects to the first of the addresses that accepts.
    ///
    /// Each address gets a fair share of what is left of the connect limit, so that one that swallows packets (IPv6 on
    /// a mobile network, often) leaves time for the others; one that is refused or has no route costs none. The one that
    /// worked last is tried first.
    pub fn connect(
        addresses: &[SocketAddr],
        last: &Mutex<Option<SocketAddr>>,
        outlet: &Outlet,
    ) -> Result<Wire, Ended> {
        let underway = Underway::current()?;
        underway.set_phase(Phase::Connecting);
        let mut order = addresses.to_vec();
        let favourite = last.lock().map_or(None, |last| *last);
        order.sort_by_key(|a| Some(*a) != favourite);

        let mut failure = Ended::new(Cause::Connect, "no address");
        for (tried, address) in order.iter().enumerate() {
            underway.check()?;
            let now = Instant::now();
            let shares = (order.len() - tried) as u32;
            let until = now + underway.limit().saturating_duration_since(now) / shares;
            match Wire::connect_one(*address, until, outlet, &underway)? {
                Ok(wire) => {
                    if let Ok(mut last) = last.lock() {
                        *last = Some(*address);
                    }
                    return Ok(wire);
                }
                Err(why) => failure = why,
            }
        }
        // The last share ends with the limit: then it was the time, not the address.
        underway.check()?;
        Err(failure)
    }

    /// The inner error is this address's; the outer one ends the exchange.
    fn connect_one(
        address: SocketAddr,
        until: Instant,
        outlet: &Outlet,
        underway: &Underway,
    ) -> Result<Result<Wire, Ended>, Ended> {
        let failed = |why: String| Ended::new(Cause::Connect, format!("{address}: {why}"));
        let text = |e: Errno| failed(io::Error::from(e).to_string());
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        // Close-on-exec: the host may start programs.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)) {
            Ok(socket) => socket,
            Err(e) => return Ok(Err(text(e))),
        };
        if let Err(why) = outlet.bind(&socket, &address) {
            return Ok(Err(why));
        }
        // One request, one answer: waiting for more to send only costs time. Not vital, so no error, as for the next two.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        let _ = sockopt::set_tcp_user_timeout(&socket, underway.limit_ms());
        match connect(&socket, &address) {
            Ok(()) => return Ok(Ok(Wire::new(socket))),
            // After a signal the connection goes on in the background all the same.
            Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(e) => return Ok(Err(text(e))),
        }
        if !underway.wait(&socket, PollFlags::OUT, until)? {
            return Ok(Err(failed("no answer in its share of the time".into())));
        }
        Ok(match sockopt::socket_error(&socket) {
            Ok(Ok(())) => Ok(Wire::new(socket)),
            Ok(Err(e)) | Err(e) => Err(text(e)),
        })
    }

    /// Ends the connection at once: what has not been acknowledged is dropped, and the peer is sent a reset. Nothing can be
    /// sent or received any more.
    pub fn reset(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        // Where a sandbox forbids it, closing has to do.
        let _ = connect_unspec(&self.socket);
    }

    /// Gives at least one byte to the network; waits if it takes none.
    pub fn send(&self, bytes: &[u8]) -> Result<usize, Ended> {
        let underway = Underway::current()?;
        loop {
            underway.check()?;
            // No SIGPIPE: it would kill a host that does not know of our sockets.
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(n) => {
                    underway.count_sent(n);
                    return Ok(n);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    underway.wait(&self.socket, PollFlags::OUT, underway.limit())?;
                }
                Err(e) => return Err(lost("send", e)),
            }
        }
    }

    /// Takes what has come; waits if there is nothing. 0: the peer has closed.
    pub fn receive(&self, room: &mut [u8]) -> Result<usize, Ended> {
        let underway = Underway::current()?;
        loop {
            underway.check()?;
            if let Some(n) = self.receive_now(room)? {
                return Ok(n);
            }
            underway.wait(&self.socket, PollFlags::IN, underway.limit())?;
        }
    }

    /// Takes what has come, if anything has.
    pub fn receive_now(&self, room: &mut [u8]) -> Result<Option<usize>, Ended> {
        loop {
            match recv(self.socket.as_fd(), &mut *room, RecvFlags::DONTWAIT) {
                Ok((n, _)) => {
                    Underway::current()?.count_received(n);
                    return Ok(Some(n));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(lost("receive", e)),
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.given_up.load(Ordering::Relaxed) {
            let _ = sockopt::set_socket_linger(&self.socket, None);
        }
    }
}

fn lost(what: &str, e: Errno) -> Ended {
    Ended::new(
        Cause::ConnectionLost,
        format!("{what}: {}", io::Error::from(e)),
    )
}

/// The socket as rustls wants it.
pub(super) struct Waiting<'a>(pub &'a Wire);

impl io::Read for Waiting<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.receive(room).map_err(Ended::into_io)
    }
}

impl io::Write for Waiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes).map_err(Ended::into_io)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket as rustls wants it, for a look without waiting.
pub(super) struct Glance<'a>(pub &'a Wire);

impl io::Read for Glance<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.receive_now(room) {
            Ok(Some(n)) => Ok(n),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(ended) => Err(ended.into_io()),
        }
    }
}
