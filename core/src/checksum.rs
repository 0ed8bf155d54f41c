//! CRC-32 (ISO-HDLC, the one of zlib): finds torn records; protects against no one who means harm.

use crc::{Crc, NoTable, CRC_32_ISO_HDLC};

const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The checksum of all parts, one after the other.
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let mut digest = CRC.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// What the CRC-32 changes by when one bit (0 is the lowest) of the last byte is flipped.
pub fn of_bit(bit: u8) -> u32 {
    one_byte_on(1 << bit)
}

/// The same change, when one more byte follows: the checksum is linear, and a byte of zeros moves it on.
pub fn one_byte_on(change: u32) -> u32 {
    /// The polynomial, lowest bit first.
    const POLYNOMIAL: u32 = CRC_32_ISO_HDLC.poly.reverse_bits();
    (0..8).fold(change, |c, _| {
        (c >> 1) ^ (POLYNOMIAL & (c & 1).wrapping_neg())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_flipped_bit_changes_the_sum_by_what_is_said() {
        let text = b"1234567890";
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = *text;
                flipped[at] ^= 1 << bit;
                let change =
                    (at + 1..text.len()).fold(super::of_bit(bit), |c, _| super::one_byte_on(c));
                assert_eq!(super::crc32(&[&flipped]) ^ super::crc32(&[text]), change);
            }
        }
    }

    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(super::crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
    }
}
