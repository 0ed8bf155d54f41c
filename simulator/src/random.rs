//! Random identifiers and hashes, all from ring.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    // A machine without a random source could not do TLS either; zeros are better here than a panic.
    let _ = SystemRandom::new().fill(&mut out);
    out
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, data).as_ref())
}

pub fn uuid() -> String {
    let mut raw = bytes::<16>();
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let h = hex(&raw);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

/// Later events of a payment have ids of ten digits where the first has a UUID (ePayment API guide, event log).
pub fn ten_digits() -> String {
    let number = u64::from_be_bytes(bytes::<8>());
    format!("{}", 1_000_000_000 + number % 9_000_000_000)
}

/// W3C trace context, the form of `traceId` in problem bodies.
pub fn trace_id() -> String {
    format!("00-{}-{}-01", hex(&bytes::<16>()), hex(&bytes::<8>()))
}

/// With padding, as HTTP and the webhooks' secrets have it.
pub fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// In the alphabet of JSON web tokens, without padding.
pub fn base64url(data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(data)
}
