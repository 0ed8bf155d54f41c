//! One connection as ureq sees it: buffers, TCP and perhaps TLS.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};
use ureq::http::uri::Scheme;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use zeroize::{Zeroize, Zeroizing};

use super::outlet::Outlet;
use super::proxy::Proxy;
use super::tcp::{Glance, Waiting, Wire};
use super::tls;
use super::underway::{Ended, Underway};
use crate::clock::since_boot;
use crate::error::Cause;

/// Bytes of either buffer; also the longest header of an answer.
pub(super) const BUFFER: usize = 16 * 1024;

/// Opens connections for ureq's pool.
pub(super) struct Dialler {
    tls: Arc<ClientConfig>,
    idle_limit: Duration,
    outlet: Outlet,
    proxy: Option<Proxy>,
    last_address: Mutex<Option<SocketAddr>>,
}

impl Dialler {
    pub fn new(
        tls: Arc<ClientConfig>,
        idle_limit: Duration,
        outlet: Outlet,
        proxy: Option<Proxy>,
    ) -> Dialler {
        Dialler {
            tls,
            idle_limit,
            outlet,
            proxy,
            last_address: Mutex::new(None),
        }
    }

    fn dial(&self, details: &ConnectionDetails) -> Result<Connection, Ended> {
        let wire = Wire::connect(&details.addrs, &self.last_address, &self.outlet)?;
        let host = details.uri.host().unwrap_or_default();
        if let Some(proxy) = &self.proxy {
            proxy.open_tunnel(&wire, host, details.uri.port_u16().unwrap_or(443))?;
        }
        let session = if details.uri.scheme() == Some(&Scheme::HTTPS) {
            Some(Box::new(tls::shake_hands(&wire, &self.tls, host)?))
        } else {
            None
        };
        Ok(Connection {
            wire: Arc::new(wire),
            session,
            buffers: Pages::default(),
            last_used: since_boot(),
            idle_limit: self.idle_limit,
        })
    }
}

impl Connector for Dialler {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        self.dial(details).map(Some).map_err(Ended::into_ureq)
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialler")
    }
}

/// A connection, in use or kept warm. ureq's own time limits are unused: those of the exchange under way hold.
pub(super) struct Connection {
    wire: Arc<Wire>,
    session: Option<Box<ClientConnection>>,
    buffers: Pages,
    last_used: Duration,
    idle_limit: Duration,
}

impl Connection {
    fn transmit(&mut self, amount: usize) -> Result<(), Ended> {
        Underway::current()?.before_sending(&self.wire)?;
        let mut bytes = &self.buffers.output()[..amount];
        match &mut self.session {
            None => {
                while !bytes.is_empty() {
                    bytes = &bytes[self.wire.send(bytes)?..];
                }
            }
            Some(session) => {
                session
                    .writer()
                    .write_all(bytes)
                    .map_err(|e| Ended::from_io(e, Cause::ConnectionLost))?;
                flush(session, &self.wire)?;
            }
        }
        // It held a token.
        self.buffers.output()[..amount].zeroize();
        self.last_used = since_boot();
        Ok(())
    }

    fn take(&mut self) -> Result<bool, Ended> {
        let room = self.buffers.input_append_buf();
        if room.is_empty() {
            return Err(Ended::new(
                Cause::BadAnswer,
                format!("the answer's header is longer than {BUFFER} bytes"),
            ));
        }
        let n = match &mut self.session {
            None => self.wire.receive(room)?,
            Some(session) => read_plaintext(session, &self.wire, room)?,
        };
        self.buffers.input_appended(n);
        self.last_used = since_boot();
        Ok(n > 0)
    }

    /// Whether the connection can carry another exchange, as far as can be seen without sending anything.
    fn usable(&mut self) -> bool {
        // Nothing to keep while it idles; what comes unasked is no answer to anything.
        let clean = self.buffers.release();
        // ureq counts the age too, but by a clock that stands still while the meter sleeps.
        let young = since_boot().saturating_sub(self.last_used) < self.idle_limit;
        clean && young && self.silent()
    }

    fn silent(&mut self) -> bool {
        let Some(session) = &mut self.session else {
            return matches!(self.wire.receive_now(&mut [0; 1]), Ok(None));
        };
        // Tickets for resumption come unasked and are welcome; plaintext, read or unread, is not.
        loop {
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                _ => return false,
            }
            match session.read_tls(&mut Glance(&self.wire)) {
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
                Ok(0) => return false,
                Ok(_) => {}
            }
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.transmit(amount).map_err(Ended::into_ureq)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.take().map_err(Ended::into_ureq)
    }

    fn is_open(&mut self) -> bool {
        self.usable()
    }

    fn is_tls(&self) -> bool {
        self.session.is_some()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

fn flush(session: &mut ClientConnection, wire: &Wire) -> Result<(), Ended> {
    while session.wants_write() {
        session
            .write_tls(&mut Waiting(wire))
            .map_err(|e| Ended::from_io(e, Cause::ConnectionLost))?;
    }
    Ok(())
}

/// 0 only if the server has said that this is the end; a connection that is cut off is an error, so that half an
/// answer is not taken for a whole one.
fn read_plaintext(
    session: &mut ClientConnection,
    wire: &Wire,
    room: &mut [u8],
) -> Result<usize, Ended> {
    let lost = |e| Ended::from_io(e, Cause::ConnectionLost);
    loop {
        match session.reader().read(room) {
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Ended::new(
                    Cause::ConnectionLost,
                    "the connection was cut off within TLS",
                ))
            }
            Err(e) => return Err(lost(e)),
        }
        // A change of keys asks for an answer.
        flush(session, wire)?;
        session.read_tls(&mut Waiting(wire)).map_err(lost)?;
        session
            .process_new_packets()
            .map_err(|e| Ended::new(Cause::ConnectionLost, format!("TLS: {e}")))?;
    }
}

/// The two buffers of a connection: allocated when used, wiped when done with, since tokens pass through them. ureq's
/// own do not wipe.
#[derive(Default)]
struct Pages {
    output: Zeroizing<Vec<u8>>,
    input: Zeroizing<Vec<u8>>,
    /// Unconsumed input: `start..end`.
    start: usize,
    end: usize,
    progress: bool,
}

impl Pages {
    /// Frees both; `false` if there was unconsumed input.
    fn release(&mut self) -> bool {
        let clean = self.start == self.end;
        *self = Pages::default();
        clean
    }

    fn allocate(&mut self) {
        for page in [&mut self.output, &mut self.input] {
            if page.is_empty() {
                **page = vec![0; BUFFER];
            }
        }
    }
}

impl Buffers for Pages {
    fn output(&mut self) -> &mut [u8] {
        self.allocate();
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.allocate();
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            let unconsumed = self.end - self.start;
            self.input[unconsumed..self.end].zeroize();
            self.start = 0;
            self.end = unconsumed;
        }
        &mut self.input[self.end..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.end += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.input[self.start..self.start + amount].zeroize();
        self.start += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.allocate();
        (&mut self.input[self.end..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.start < self.end && self.progress
    }
}
