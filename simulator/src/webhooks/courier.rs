//! Carries one delivery to its receiver and brings the status back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::signature::Signature;
use super::target::Target;

/// Whoever has not answered by then has failed (Webhooks API guide). Real time: a receiver has no other.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// What a receiver says beside its status is read for a moment, so that it can finish, and thrown away.
const FAREWELL_TIME: Duration = Duration::from_secs(1);
const ANSWER_LIMIT: usize = 64 * 1024;

pub struct Parcel {
    pub token: u64,
    pub target: Target,
    pub signature: Signature,
    /// The headers that carry it.
    pub authorization: &'static [&'static str],
    pub webhook_id: String,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct Courier {
    /// `None` without an authority to verify receivers against.
    tls: Option<TlsConnector>,
    answer_time: Duration,
}

impl Courier {
    pub fn new(authorities: &[CertificateDer<'static>]) -> Courier {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        if roots.is_empty() {
            return Courier { tls: None, answer_time: ANSWER_TIME };
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        Courier { tls: config.ok().map(|config| TlsConnector::from(Arc::new(config))), answer_time: ANSWER_TIME }
    }

    /// The status, or what went wrong. Redirects are statuses like others; nothing follows them.
    pub async fn deliver(&self, parcel: Parcel) -> Result<u16, String> {
        match time::timeout(self.answer_time, self.try_deliver(parcel)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} s", self.answer_time.as_secs())),
        }
    }

    async fn try_deliver(&self, parcel: Parcel) -> Result<u16, String> {
        let stream = connect(&parcel.target).await?;
        let _ = stream.set_nodelay(true);
        if !parcel.target.https {
            return exchange(stream, parcel).await;
        }
        let tls = self.tls.as_ref().ok_or("https needs --webhook-ca-file, to verify the receiver")?;
        let name = ServerName::try_from(parcel.target.bare_host().to_owned()).map_err(|e| format!("TLS: {e}"))?;
        let stream = tls.connect(name, stream).await.map_err(|e| format!("TLS: {e}"))?;
        exchange(stream, parcel).await
    }
}

async fn connect(target: &Target) -> Result<TcpStream, String> {
    let mut failure = "nothing is sent beyond this machine".to_owned();
    for address in target.addresses() {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("cannot connect: {}", plain(&error)),
        }
    }
    Err(failure)
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

async fn exchange<S>(stream: S, parcel: Parcel) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("no answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with the sender.
    tokio::spawn(connection);
    let mut request = hyper::Request::post(&parcel.target.path_and_query)
        .header(HOST, parcel.target.host_and_port())
        .header(CONTENT_TYPE, "application/json")
        .header("x-ms-date", parcel.signature.date)
        .header("x-ms-content-sha256", parcel.signature.content)
        .header("Webhook-Id", parcel.webhook_id);
    for name in parcel.authorization {
        request = request.header(*name, &parcel.signature.authorization);
    }
    let request = request.body(Full::new(parcel.body)).map_err(|e| format!("cannot be sent: {e}"))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let _ = time::timeout(FAREWELL_TIME, drain(answer.into_body())).await;
    Ok(status)
}

async fn drain(mut body: Incoming) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > ANSWER_LIMIT {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use tokio::runtime;

    use super::*;
    use crate::webhooks::signature;

    /// What the courier brings back from a receiver that says `bytes`, and then nothing while `held`.
    fn outcome(bytes: &'static [u8], answer_time: Duration, held: bool) -> Result<u16, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = Target::parse(&format!("http://{}/", listener.local_addr().expect("an address")));
        let receiver = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
            // Until the courier goes.
            while held && stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {}
        });
        let parcel = Parcel {
            token: 1,
            target: target.expect("a target"),
            signature: signature::sign("secret", "date", "host", "/", b"{}"),
            authorization: &[],
            webhook_id: "id".to_owned(),
            body: Bytes::from_static(b"{}"),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let courier = Courier { answer_time, ..Courier::new(&[]) };
        let outcome = runtime.block_on(courier.deliver(parcel));
        drop(runtime);
        receiver.join().expect("no panic");
        outcome
    }

    #[test]
    fn whoever_stays_silent_has_failed() {
        let short = Duration::from_millis(50);
        assert!(outcome(b"", short, true).is_err_and(|reason| reason.starts_with("no answer within")));
        assert!(outcome(b"HTTP/1.1 2", short, true).is_err());
        assert!(outcome(b"SSH-2.0\r\n", ANSWER_TIME, false).is_err());
        assert!(outcome(b"", ANSWER_TIME, false).is_err());
    }

    #[test]
    fn the_status_is_enough() {
        assert_eq!(outcome(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ANSWER_TIME, false), Ok(200));
        // A body that never ends changes nothing.
        assert_eq!(outcome(b"HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\nx", ANSWER_TIME, true), Ok(202));
    }
}
