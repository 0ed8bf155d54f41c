//! A certificate authority that lives as long as the process, and certificates for the loopback names: a good one, and
//! bad ones for fault rules.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a client must not accept a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Expired,
    NotYetValid,
    OtherName,
    UnknownAuthority,
}

impl Flaw {
    pub const ALL: [Flaw; 4] = [Flaw::Expired, Flaw::NotYetValid, Flaw::OtherName, Flaw::UnknownAuthority];

    pub fn name(self) -> &'static str {
        match self {
            Flaw::Expired => "expired",
            Flaw::NotYetValid => "not_yet_valid",
            Flaw::OtherName => "other_name",
            Flaw::UnknownAuthority => "unknown_authority",
        }
    }
}

pub struct Tls {
    pub acceptor: TlsAcceptor,
    /// For the client's `ca_file`.
    pub ca_pem: String,
    authority: Issuer<'static, KeyPair>,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Tls {
    pub fn throw_away() -> Result<Tls, String> {
        let (authority, ca_pem) = authority().map_err(no_certificate)?;
        let good = leaf(&LOOPBACK).map_err(no_certificate)?;
        Ok(Tls { acceptor: acceptor(good, &authority)?, ca_pem, authority })
    }

    /// Made anew for each connection: clients judge by the wall clock, and its dates must be right at any time.
    pub fn flawed(&self, flaw: Flaw) -> Result<TlsAcceptor, String> {
        const DAY: Duration = Duration::from_secs(86_400);
        let now = SystemTime::now();
        let names: &[&str] = if flaw == Flaw::OtherName { &["other.invalid"] } else { &LOOPBACK };
        let mut leaf = leaf(names).map_err(no_certificate)?;
        match flaw {
            Flaw::Expired => (leaf.not_before, leaf.not_after) = ((now - 90 * DAY).into(), (now - DAY).into()),
            Flaw::NotYetValid => (leaf.not_before, leaf.not_after) = ((now + DAY).into(), (now + 90 * DAY).into()),
            Flaw::OtherName => {}
            Flaw::UnknownAuthority => return acceptor(leaf, &authority().map_err(no_certificate)?.0),
        }
        acceptor(leaf, &self.authority)
    }
}

fn no_certificate(error: rcgen::Error) -> String {
    format!("cannot make certificates: {error}")
}

fn authority() -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name = named("vp-simulator throw-away CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let pem = ca.self_signed(&key)?.pem();
    Ok((Issuer::new(ca, key), pem))
}

fn leaf(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    leaf.distinguished_name = named(names[0]);
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(leaf)
}

fn acceptor(leaf: CertificateParams, authority: &Issuer<'static, KeyPair>) -> Result<TlsAcceptor, String> {
    let key = KeyPair::generate().map_err(no_certificate)?;
    let certificate = leaf.signed_by(&key, authority).map_err(no_certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| {
            let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
            builder.with_single_cert(vec![certificate.der().clone()], key)
        })
        .map_err(|e| format!("cannot set up TLS: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates of a PEM file.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{} holds no certificate", path.display())),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut out = DistinguishedName::new();
    out.push(DnType::CommonName, name);
    out
}
