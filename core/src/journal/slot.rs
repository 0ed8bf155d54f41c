//! How a record stands in its file: one line that an engineer can read, the bytes, a line feed.
//!
//! ```text
//! vpmeter-journal 1 seq=12 len=345 crc=89abcdef
//! {"reference":"taxi-0815-42", ...}
//! ```
//!
//! `1` is the version of this format, `seq` grows by at least one with every version of the record, `len` counts the
//! bytes between the first line and the last line feed, `crc` is the CRC-32 of `seq=12 len=345`, a line feed and those
//! bytes. There is one way to write a slot, and anything else is refused: a lenient reader would turn a torn write
//! into a payment.

/// The version of the format that this library writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The largest record that is accepted. A payment with a long receipt needs a tenth of it.
pub const MAX_RECORD: usize = 1 << 20;

/// No file of a store is larger; what is larger is not ours and is not read into memory.
pub const MAX_FILE: usize = MAX_RECORD + MAX_HEADER + 1;

const MAGIC: &str = "vpmeter-journal ";
/// The longest first line, line feed included, with room for longer numbers.
const MAX_HEADER: usize = 96;
/// A meter that writes a thousand versions a second gets here after thirty thousand years; a file that claims more is
/// not ours, and refusing it keeps `seq + 1` from overflowing.
const MAX_SEQ: u64 = 1_000_000_000_000_000;

/// One version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which version: the higher one is the newer one.
    pub seq: u64,
    /// The caller's bytes.
    pub record: Vec<u8>,
}

/// Why bytes are not a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotError {
    /// A later version of this library wrote it, in the format of this number. Neither garbage nor ours to change.
    Newer(u64),
    /// Not a slot, or not a whole one; what is wrong, in English.
    Damaged(&'static str),
}

/// The file's bytes for version `seq` of `record`.
pub fn encode(seq: u64, record: &[u8]) -> Vec<u8> {
    let mut bytes = header(seq, record.len(), checksum(seq, record)).into_bytes();
    bytes.reserve_exact(record.len() + 1);
    bytes.extend_from_slice(record);
    bytes.push(b'\n');
    bytes
}

/// Reads a whole slot, strictly.
pub fn decode(bytes: &[u8]) -> Result<Slot, SlotError> {
    let (line, rest) = first_line(bytes)?;
    let (seq, len, crc) = fields(line)?;
    if seq == 0 || seq > MAX_SEQ {
        return Err(SlotError::Damaged("impossible sequence number"));
    }
    // Only one spelling of a number is ours: the line that we would write must be the line that stands there.
    if header(seq, len, crc).as_bytes() != &bytes[..line.len() + 1] {
        return Err(SlotError::Damaged("first line is misspelt"));
    }
    let Some((end, record)) = rest.split_last() else {
        return Err(SlotError::Damaged("cut short"));
    };
    if len > MAX_RECORD || record.len() > len {
        return Err(SlotError::Damaged("longer than its first line says"));
    }
    if record.len() < len {
        return Err(SlotError::Damaged("cut short"));
    }
    if *end != b'\n' {
        return Err(SlotError::Damaged("no line feed at the end"));
    }
    if checksum(seq, record) != crc {
        return Err(SlotError::Damaged("wrong checksum"));
    }
    Ok(Slot {
        seq,
        record: record.to_vec(),
    })
}

/// The sequence number that a damaged slot claims for itself. A hint, not a fact: its checksum is wrong.
pub fn claimed_seq(bytes: &[u8]) -> Option<u64> {
    let (line, _) = first_line(bytes).ok()?;
    fields(line).ok().map(|(seq, _, _)| seq)
}

/// The first line without its line feed, known to be of our version, and what follows it.
fn first_line(bytes: &[u8]) -> Result<(&str, &[u8]), SlotError> {
    let Some(after) = bytes.strip_prefix(MAGIC.as_bytes()) else {
        return Err(SlotError::Damaged("does not begin like a record"));
    };
    // The version is judged before anything else, because of a later format only this much is certain.
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    let version = std::str::from_utf8(&after[..digits])
        .ok()
        .and_then(|d| d.parse::<u64>().ok());
    match (version, after.get(digits)) {
        (Some(version), Some(b' ')) if version > u64::from(VERSION) => {
            return Err(SlotError::Newer(version));
        }
        (Some(version), Some(b' ')) if version == u64::from(VERSION) => {}
        _ => return Err(SlotError::Damaged("first line is misspelt")),
    }
    let end = bytes
        .iter()
        .take(MAX_HEADER)
        .position(|b| *b == b'\n')
        .ok_or(SlotError::Damaged("first line is cut short"))?;
    let line = std::str::from_utf8(&bytes[..end])
        .map_err(|_| SlotError::Damaged("first line is not text"))?;
    Ok((line, &bytes[end + 1..]))
}

fn fields(line: &str) -> Result<(u64, usize, u32), SlotError> {
    let read = || {
        let mut words = line.split(' ').skip(2);
        let seq = words.next()?.strip_prefix("seq=")?.parse().ok()?;
        let len = words.next()?.strip_prefix("len=")?.parse().ok()?;
        let crc = u32::from_str_radix(words.next()?.strip_prefix("crc=")?, 16).ok()?;
        Some((seq, len, crc))
    };
    read().ok_or(SlotError::Damaged("first line is misspelt"))
}

fn header(seq: u64, len: usize, crc: u32) -> String {
    format!("{MAGIC}{VERSION} seq={seq} len={len} crc={crc:08x}\n")
}

/// Covers the numbers too: a flipped bit in `seq` must not make an old version the newest.
fn checksum(seq: u64, record: &[u8]) -> u32 {
    let numbers = format!("seq={seq} len={}\n", record.len());
    crate::checksum::crc32(&[numbers.as_bytes(), record])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] = br#"{"reference":"taxi-0815-42","amount":25000}"#;

    #[test]
    fn a_slot_can_be_read_by_an_engineer_and_by_us() {
        let bytes = encode(12, RECORD);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert!(first.starts_with("vpmeter-journal 1 seq=12 len=43 crc="));
        assert_eq!(
            first.len(),
            "vpmeter-journal 1 seq=12 len=43 crc=89abcdef".len()
        );
        assert_eq!(second.as_bytes().strip_suffix(b"\n"), Some(RECORD));
        assert_eq!(
            decode(&bytes),
            Ok(Slot {
                seq: 12,
                record: RECORD.to_vec()
            })
        );
        assert_eq!(decode(&encode(1, b"")).unwrap().record, b"");
    }

    /// The format is a promise to records that are already on disk.
    #[test]
    fn the_format_is_pinned() {
        assert_eq!(
            String::from_utf8(encode(7, b"{}")).unwrap(),
            "vpmeter-journal 1 seq=7 len=2 crc=80e98a9d\n{}\n"
        );
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        let bytes = encode(3, RECORD);
        for end in 0..bytes.len() {
            assert!(
                matches!(decode(&bytes[..end]), Err(SlotError::Damaged(_))),
                "{end}"
            );
        }
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[i] ^= 1 << bit;
                assert!(decode(&flipped).is_err(), "byte {i} bit {bit}");
            }
        }
        for tail in [&b"\n"[..], b"x", b"\0\0\0\0"] {
            assert!(decode(&[&bytes[..], tail].concat()).is_err());
        }
        assert!(decode(&vec![0; bytes.len()]).is_err());
    }

    #[test]
    fn each_kind_of_damage_has_its_name() {
        let damaged = |bytes: &[u8]| match decode(bytes) {
            Err(SlotError::Damaged(why)) => why,
            other => panic!("{other:?}"),
        };
        let good = String::from_utf8(encode(3, b"{}")).unwrap();
        assert_eq!(damaged(b"hello\n"), "does not begin like a record");
        assert_eq!(
            damaged(good.replace("seq=3", "seq=03").as_bytes()),
            "first line is misspelt"
        );
        assert_eq!(
            damaged(good.replace("seq=3", "seq=+3").as_bytes()),
            "first line is misspelt"
        );
        assert_eq!(
            damaged(good.replace("seq=3", "seq=0").as_bytes()),
            "impossible sequence number"
        );
        assert_eq!(
            damaged(good.replace("seq=3", "seq=4").as_bytes()),
            "wrong checksum"
        );
        assert_eq!(
            damaged(good.replace("len=2", "len=3").as_bytes()),
            "cut short"
        );
        assert_eq!(
            damaged(good.replace("len=2", "len=1").as_bytes()),
            "longer than its first line says"
        );
        assert_eq!(
            damaged(good.replace("{}\n", "{}x").as_bytes()),
            "no line feed at the end"
        );
        assert_eq!(
            damaged(good.replace("{}\n", "{x\n").as_bytes()),
            "wrong checksum"
        );
        assert_eq!(
            damaged(good.replace("seq=3", "seq=18446744073709551615").as_bytes()),
            "impossible sequence number"
        );
    }

    #[test]
    fn a_later_format_is_not_garbage() {
        for text in [
            "vpmeter-journal 2 whatever\n",
            "vpmeter-journal 10 ",
            "vpmeter-journal 2 \u{1}",
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Err(SlotError::Newer(_))),
                "{text}"
            );
        }
        for text in [
            "vpmeter-journal 0 seq=1\n",
            "vpmeter-journal 2",
            "vpmeter-journal x 2\n",
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Err(SlotError::Damaged(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_torn_slot_still_says_what_it_claims() {
        let bytes = encode(9, RECORD);
        assert_eq!(claimed_seq(&bytes[..60]), Some(9));
        assert_eq!(claimed_seq(&bytes[..20]), None);
        assert_eq!(claimed_seq(b"\0\0\0"), None);
    }
}
