//! Random identifiers and hashes, all from ring.

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

/// Base64 of the alphabet that JSON web tokens use, without padding.
pub fn base64url(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let padded = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for position in 0..=chunk.len() {
            let index = bits >> (18 - 6 * position) & 63;
            out.push(char::from(ALPHABET[index as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_matches_known_values() {
        assert_eq!(base64url(b""), "");
        assert_eq!(base64url(b"f"), "Zg");
        assert_eq!(base64url(b"fo"), "Zm8");
        assert_eq!(base64url(b"foo"), "Zm9v");
        assert_eq!(base64url(&[0xff, 0xfe]), "__4");
    }
}
