//! The listeners: the servers' own port, with or without TLS, and the control port, always plain and on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time;

use crate::connection::{Connection, serve};
use crate::gate::Gate;
use crate::pulse::{self, Shared, UnderWay};
use crate::recording::Recording;
use crate::settings::Settings;
use crate::sim::Sim;
use crate::socket::Socket;
use crate::tls::Tls;
use crate::traffic::Meter;
use crate::webhooks::Courier;

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
        for rule in &settings.faults {
            rule.possible(settings.tls).map_err(|reason| StartError::Other(format!("fault rule: {reason}")))?;
        }
        let tls = if settings.tls { Some(Tls::throw_away().map_err(StartError::Other)?) } else { None };
        let scheme = if settings.tls { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{port}");

        let courier = Courier::new(&settings.webhook_authorities);
        let mut sim = Sim::new(settings);
        sim.base_url.clone_from(&url);
        sim.ports = vec![port, control_port];
        if let Some(path) = sim.settings.record.clone() {
            let cannot = |error| StartError::Other(format!("--record: cannot write {}: {error}", path.display()));
            sim.recording = Some(Recording::to_file(&path, &sim).map_err(cannot)?);
        }
        let shared = Arc::new(Shared::new(sim));
        let ca_pem = tls.as_ref().map(|tls| tls.ca_pem.clone());
        let gate = Arc::new(Gate::new(tls, Arc::clone(&shared)));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(other)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                if let (Ok(api), Ok(steering)) = (TcpListener::from_std(api), TcpListener::from_std(steering)) {
                    tokio::spawn(pulse::run(Arc::clone(&shared), courier));
                    tokio::spawn(accept(api, Some(gate), Arc::clone(&shared)));
                    tokio::spawn(accept(steering, None, shared));
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
pub(crate) enum Door {
    /// The servers, and the control API beside them.
    Api,
    /// The control API alone.
    Control,
}

async fn accept(listener: TcpListener, gate: Option<Arc<Gate>>, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others will be closed in a moment.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (io, reset) = Socket::new(stream);
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let (gate, shared) = (gate.clone(), Arc::clone(&shared));
        // From here, not from its first turn: whoever connects later must find it counted.
        let under_way = gate.is_some().then(|| UnderWay::begin(&shared));
        tokio::spawn(async move {
            let _under_way = under_way;
            let (ending, endings) = mpsc::unbounded_channel();
            let door = if gate.is_some() { Door::Api } else { Door::Control };
            let connection = Connection { door, number, shared, ending, meter: Meter::default() };
            match gate {
                None => serve(io, reset, connection, endings).await,
                Some(gate) => gate.pass(io, reset, connection, endings).await,
            }
        });
    }
}
