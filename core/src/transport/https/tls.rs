//! TLS: whom to trust, at what time, and the handshake.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, InconsistentKeys, RootCertStore};
use zeroize::Zeroize;

use super::tcp::{Waiting, Wire};
use super::underway::{Ended, Phase, Underway};
use crate::clock::Clock;
use crate::error::{Cause, Code, Report};

/// Tickets remembered, eight to a server: the API's host, and one more.
const SESSIONS: usize = 16;

/// Certificates are judged by the time of the clock door: a host with GNSS knows better than a dead battery.
struct ClockDoor(Arc<dyn Clock>);

impl TimeProvider for ClockDoor {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.wall_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

impl fmt::Debug for ClockDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockDoor")
    }
}

/// The configuration of every TLS connection: TLS 1.2 or newer by ring, built-in roots plus those of `ca_file`,
/// HTTP/1.1 only, sessions resumed, no early data.
pub(super) fn client_config(
    ca_file: Option<&Path>,
    client: Option<(&Path, &Path)>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Report> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_file {
        add_roots(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(ClockDoor(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|e| Report::new(Code::Internal, format!("TLS: {e}")))?
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let known_by = certified(certificates(cert, "client_cert_file")?, private_key(key)?)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(known_by)))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    // Early data could be repeated by anyone who saw it. Off is the default; said here because promise 1 hangs on it.
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

/// Adds every certificate of a PEM file; one that cannot be used is an error, because a fleet that ships a broken file
/// must learn it at the bench, not at the kerb.
fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), Report> {
    for (number, certificate) in certificates(path, "ca_file")?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|e| Report::invalid("ca_file", format!("certificate {}: {e}", number + 1)))?;
    }
    Ok(())
}

fn certificates(path: &Path, field: &str) -> Result<Vec<CertificateDer<'static>>, Report> {
    let invalid = |rule: String| Report::invalid(field, rule);
    let pem = fs::read(path).map_err(|e| invalid(format!("cannot be read: {e}")))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|e| invalid(format!("is not PEM: {e}")))?;
    match all.is_empty() {
        true => Err(invalid("holds no certificate".to_string())),
        false => Ok(all),
    }
}

/// The key as it signs; the bytes that it was made of are wiped, which rustls would not do.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    mut key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, Report> {
    let wrong = |why: String| Report::invalid("client_key_file", why);
    let signing = rustls::crypto::ring::sign::any_supported_type(&key);
    key.zeroize();
    let signing = signing.map_err(|_| wrong("holds a key of no kind that is known".into()))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // A key that cannot tell its public half is found out by the server.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(e) => Err(wrong(format!("is no key of this certificate: {e}"))),
    }
}

/// The file's text is wiped here.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Report> {
    let invalid = |rule: String| Report::invalid("client_key_file", rule);
    let pem = fs::read(path).map_err(|e| invalid(format!("cannot be read: {e}")))?;
    let pem = zeroize::Zeroizing::new(pem);
    // What the parser says may quote the text.
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| invalid("holds no private key in PEM, or an encrypted one".to_string()))
}

/// Makes a TLS connection of a TCP one. Returns only when the handshake is complete, so no byte of the request can be
/// under way before that.
pub(super) fn shake_hands(
    wire: &Wire,
    config: &Arc<ClientConfig>,
    host: &str,
) -> Result<ClientConnection, Ended> {
    Underway::current()?.set_phase(Phase::ShakingHands);
    let tls = |e: rustls::Error| Ended::new(Cause::Tls, e.to_string());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_string())
        .map_err(|e| Ended::new(Cause::Tls, format!("{host}: {e}")))?;
    let mut session = ClientConnection::new(Arc::clone(config), name).map_err(tls)?;
    loop {
        while session.wants_write() {
            session.write_tls(&mut Waiting(wire)).map_err(broken)?;
        }
        if !session.is_handshaking() {
            return Ok(session);
        }
        if session.read_tls(&mut Waiting(wire)).map_err(broken)? == 0 {
            return Err(Ended::new(
                Cause::Connect,
                "the connection was closed in the TLS handshake",
            ));
        }
        if let Err(e) = session.process_new_packets() {
            // Tells the server why, if it still listens.
            let _ = session.write_tls(&mut Waiting(wire));
            return Err(tls(e));
        }
    }
}

/// A broken connection during the handshake is no verdict on certificates: `Cause::Tls` would send someone to the
/// office where waiting for the network is all there is to do.
fn broken(error: std::io::Error) -> Ended {
    let mut ended = Ended::from_io(error, Cause::Connect);
    if ended.cause == Cause::ConnectionLost {
        ended.cause = Cause::Connect;
        ended.detail.push_str(" in the TLS handshake");
    }
    ended
}
