//! The way to the servers: a new connection meets the fault rules, then TLS, and counts as open until it ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

use crate::connection::{Connection, serve};
use crate::faults::{ConnectionAction, ConnectionFault};
use crate::pulse::Shared;
use crate::say::say;
use crate::socket::{self, Ending, ResetFlag, Socket};
use crate::tls::Tls;

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

pub struct Gate {
    tls: Option<Tls>,
    open: watch::Sender<usize>,
    shared: Arc<Shared>,
}

/// Counts as an open connection for as long as it lives.
struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Gate {
    pub fn new(tls: Option<Tls>, shared: Arc<Shared>) -> Gate {
        Gate { tls, open: watch::Sender::new(0), shared }
    }

    pub async fn pass(
        &self,
        mut io: Socket,
        reset: ResetFlag,
        connection: Connection,
        endings: mpsc::UnboundedReceiver<Ending>,
    ) {
        let fault = self.strike(connection.number);
        let action = fault.map(|fault| fault.action);
        let _pass = match fault {
            Some(ConnectionFault { action: ConnectionAction::Refuse, .. }) => return reset.set(),
            Some(ConnectionFault { action: ConnectionAction::Limit { wait: false, .. }, .. }) => return reset.set(),
            Some(ConnectionFault { action: ConnectionAction::Limit { connections, .. }, rule, .. }) => {
                self.enter_below(connections, rule).await
            }
            _ => self.enter(),
        };
        let acceptor = match (action, &self.tls) {
            (Some(ConnectionAction::Stall(ms)), _) => return socket::until_gone(&mut io, ms).await,
            (_, None) => return serve(io, reset, connection, endings).await,
            (Some(ConnectionAction::Certificate(flaw)), Some(tls)) => tls.flawed(flaw),
            (_, Some(tls)) => Ok(tls.acceptor.clone()),
        };
        let Ok(acceptor) = acceptor else { return reset.set() };
        // A failed handshake ends the connection; the client knows best why.
        if let Ok(Ok(io)) = time::timeout(HANDSHAKE_TIME, acceptor.accept(io)).await {
            serve(io, reset, connection, endings).await;
        }
    }

    fn strike(&self, number: u64) -> Option<ConnectionFault> {
        let open = *self.open.borrow();
        self.shared.change(|sim| {
            let fault = sim.faults.strike_connection(open)?;
            if sim.settings.verbose {
                say(format!("connection {number} fault {}", fault.name));
            }
            Some(fault)
        })
    }

    fn enter(&self) -> Pass<'_> {
        self.open.send_modify(|open| *open += 1);
        Pass(self)
    }

    /// Waits until fewer are open than the limit, or until the rule that sets it is gone.
    async fn enter_below(&self, limit: usize, rule: u64) -> Pass<'_> {
        let (mut ends, mut changes) = (self.open.subscribe(), self.shared.changes());
        loop {
            if *ends.borrow_and_update() < limit || !self.shared.lock().faults.is_armed(rule) {
                return self.enter();
            }
            let (mut end, mut change) = (pin!(ends.changed()), pin!(changes.changed()));
            poll_fn(|cx| match end.as_mut().poll(cx).is_ready() || change.as_mut().poll(cx).is_ready() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }
}
