//! TLS as a client sees it: the throw-away authority, and the certificates that must not be accepted.

use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use vp_simulator::Simulator;
use vp_simulator::cli::{self, Command};

use crate::bench::{Bench, Reply, read_reply};

fn config(pem: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn connect(url: &str, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a connection");
    let stream = TcpStream::connect(url.split_once("//").expect("a URL").1).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    StreamOwned::new(connection, stream)
}

pub fn client(
    url: &str,
    pem: &str,
    version: &'static SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, TcpStream> {
    connect(url, &config(pem, version))
}

fn ask(simulator: &Simulator, config: &Arc<ClientConfig>) -> Result<Reply> {
    let mut stream = connect(&simulator.url, config);
    stream.write_all(b"GET /epayment/v1/payments/ride-0001 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    read_reply(&mut stream)
}

fn start() -> Simulator {
    match cli::parse(["--port", "0", "--tls"]) {
        Ok(Command::Run(options)) => Simulator::start(options.settings).expect("starts"),
        other => panic!("{other:?}"),
    }
}

fn sim(simulator: &Simulator, method: &str, path: &str, body: &Value) -> Value {
    let reply = Bench::at(&simulator.control_url, method, &format!("/_sim/{path}")).json(body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn certificates_that_must_not_be_accepted() {
    let simulator = start();
    let pem = simulator.ca_pem.as_deref().expect("an authority");
    type Judge = fn(&CertificateError) -> bool;
    let flaws: [(&str, Judge); 4] = [
        ("expired", |e| matches!(e, CertificateError::Expired | CertificateError::ExpiredContext { .. })),
        ("not_yet_valid", |e| matches!(e, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })),
        ("other_name", |e| {
            matches!(e, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
        }),
        ("unknown_authority", |e| matches!(e, CertificateError::UnknownIssuer | CertificateError::BadSignature)),
    ];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // One client for all, so that it could resume a session that was good.
        let config = config(pem, version);
        assert_eq!(ask(&simulator, &config).expect("an answer").status, 401);
        for (name, right) in flaws {
            let rule = json!({"operation": "connection", "action": "certificate", "certificate": name});
            let id = sim(&simulator, "POST", "faults", &rule)["ids"][0].clone();
            for _ in 0..2 {
                let error = ask(&simulator, &config).err().expect("no trust");
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                assert!(matches!(inner, Some(Error::InvalidCertificate(why)) if right(why)), "{name}: {error:?}");
            }
            let rule = sim(&simulator, "GET", &format!("faults/{id}"), &Value::Null);
            assert_eq!((&rule["seen"], &rule["fired"], &rule["certificate"]), (&json!(2), &json!(2), &json!(name)));
            sim(&simulator, "DELETE", &format!("faults/{id}"), &Value::Null);
            assert_eq!(ask(&simulator, &config).expect("an answer").status, 401, "good again after {name}");
        }
    }
    let list = sim(&simulator, "GET", "requests", &Value::Null);
    assert_eq!(list.as_array().map(Vec::len), Some(10), "what met a bad certificate never asked");
}

#[test]
fn one_bad_certificate_and_then_a_good_one() {
    let simulator = start();
    let config = config(simulator.ca_pem.as_deref().expect("an authority"), &rustls::version::TLS13);
    let rule =
        json!({"operation": "connection", "action": "certificate", "certificate": "expired", "nth": 2, "times": 1});
    sim(&simulator, "POST", "faults", &rule);
    let trusted: Vec<bool> = (0..4).map(|_| ask(&simulator, &config).is_ok()).collect();
    assert_eq!(trusted, [true, false, true, true]);
}

#[test]
fn a_connection_that_already_stands_keeps_its_certificate() {
    let simulator = start();
    let pem = simulator.ca_pem.as_deref().expect("an authority");
    let mut stream = client(&simulator.url, pem, &rustls::version::TLS13);
    let head = "GET /epayment/v1/payments/ride-0001 HTTP/1.1\r\nHost: x\r\n";
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("writes");
    // Written is not yet accepted: the first answer says so.
    stream.read_exact(&mut [0; 12]).expect("the start of an answer");
    sim(
        &simulator,
        "POST",
        "faults",
        &json!({"operation": "connection", "action": "certificate", "certificate": "expired"}),
    );
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).expect("writes");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("both answers");
    assert_eq!(rest.matches("HTTP/1.1 401").count(), 1, "{rest}");
}

#[test]
fn resets_and_half_closes_below_tls() {
    let simulator = start();
    let pem = simulator.ca_pem.as_deref().expect("an authority");
    let config = config(pem, &rustls::version::TLS13);
    sim(
        &simulator,
        "POST",
        "faults",
        &json!([
            {"operation": "get", "action": "lose_answer"},
            {"operation": "get", "action": "half_close_after", "nth": 2},
            {"operation": "get", "action": "truncate_in_head", "nth": 3},
            {"operation": "connection", "action": "refuse", "nth": 4, "times": 1},
        ]),
    );
    let kinds: Vec<_> = (0..4).map(|_| ask(&simulator, &config).err().expect("no answer").kind()).collect();
    assert_eq!(kinds, [ConnectionReset, UnexpectedEof, UnexpectedEof, ConnectionReset]);
    assert_eq!(ask(&simulator, &config).expect("an answer").status, 401);
}
