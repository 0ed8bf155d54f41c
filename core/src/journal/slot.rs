//! How a record stands in its file: one line that an engineer can read, the bytes, a line feed.
//!
//! ```text
//! vpmeter-journal 2 seq=12 len=345 crc=89abcdef
//! {"reference":"taxi-0815-42", ...}
//! ```
//!
//! `2` is the version of this format, `seq` grows by at least one with every version of the record, `len` counts the
//! bytes between the first line and the last line feed, `crc` is the CRC-32 of `seq=12 len=345`, a line feed and those
//! bytes. There is one way to write a slot, and anything else is refused: a lenient reader would turn a torn write
//! into a payment.
//!
//! Once a newer version stands in another file, that is added to the older one, as a last line:
//!
//! ```text
//! superseded by=13 crc=89abcdef
//! ```
//!
//! Format 1 is the same without that line: there, an older version does not know that it is one. It is read like
//! format 2, and told apart by [`Slot::marks`]. A library that knows only format 1 keeps its hands off format 2.

/// The version of the format that this library writes, and the newest that it reads.
pub const VERSION: u32 = 2;

/// The first format, written by the first version of this library.
const FIRST: u32 = 1;

/// The largest record that is accepted. A payment with a long receipt needs a tenth of it.
pub const MAX_RECORD: usize = 1 << 20;

/// No file of a store is larger; what is larger is not ours and is not read into memory.
pub const MAX_FILE: usize = MAX_RECORD + 2 * MAX_HEADER + 1;

const MAGIC: &str = "vpmeter-journal ";
const MARK: &str = "superseded ";
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
    /// Whoever wrote it adds a line when a newer version stands.
    pub marks: bool,
    /// The version that has replaced it, if it was told.
    pub superseded: Option<u64>,
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
    let mut bytes = header(VERSION, seq, record.len(), checksum(seq, record)).into_bytes();
    bytes.reserve_exact(record.len() + 1);
    bytes.extend_from_slice(record);
    bytes.push(b'\n');
    bytes
}

/// The line that is added to a slot when version `seq` stands in another file.
pub fn superseded(seq: u64) -> Vec<u8> {
    let crc = crate::checksum::crc32(&[format!("by={seq}").as_bytes()]);
    format!("{MARK}by={seq} crc={crc:08x}\n").into_bytes()
}

/// Reads a whole slot, strictly.
pub fn decode(bytes: &[u8]) -> Result<Slot, SlotError> {
    let (version, line, rest) = first_line(bytes)?;
    let (seq, len, crc) = fields(line)?;
    if seq == 0 || seq > MAX_SEQ {
        return Err(SlotError::Damaged("impossible sequence number"));
    }
    // Only one spelling of a number is ours: the line that we would write must be the line that stands there.
    if header(version, seq, len, crc).as_bytes() != &bytes[..line.len() + 1] {
        return Err(SlotError::Damaged("first line is misspelt"));
    }
    if len > MAX_RECORD {
        return Err(SlotError::Damaged("longer than any record"));
    }
    let Some((record, end)) = rest.split_at_checked(len) else {
        return Err(SlotError::Damaged("cut short"));
    };
    let Some((end, tail)) = end.split_first() else {
        return Err(SlotError::Damaged("cut short"));
    };
    if *end != b'\n' {
        return Err(SlotError::Damaged("no line feed at the end"));
    }
    let superseded = match tail {
        [] => None,
        tail => Some(mark(tail).ok_or(SlotError::Damaged("longer than its first line says"))?),
    };
    if checksum(seq, record) != crc {
        return Err(SlotError::Damaged("wrong checksum"));
    }
    Ok(Slot {
        seq,
        record: record.to_vec(),
        marks: version > FIRST,
        superseded,
    })
}

fn mark(tail: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(tail).ok()?.strip_prefix(MARK)?;
    let seq = text.strip_prefix("by=")?.split(' ').next()?.parse().ok()?;
    (superseded(seq) == tail).then_some(seq)
}

/// The slot of which these bytes are one flipped bit away. A torn write does not look like that: this one was whole.
pub fn but_for_one_bit(bytes: &[u8]) -> Option<Slot> {
    let mut copy = bytes.to_vec();
    let flip = |copy: &mut Vec<u8>, at: usize, bit: u8| {
        copy[at] ^= bit;
        let slot = decode(copy).ok();
        copy[at] ^= bit;
        slot
    };
    let line = bytes.iter().take(MAX_HEADER).position(|b| *b == b'\n');
    // The first line has few bits: each is tried. Its line feed too, which may be what is missing.
    let head = line.map_or(bytes.len().min(MAX_HEADER), |end| end + 1);
    for (at, bit) in (0..head).flat_map(|at| (0..8).map(move |b| (at, 1 << b))) {
        if let Some(slot) = flip(&mut copy, at, bit) {
            return Some(slot);
        }
    }
    let (_, line, rest) = first_line(bytes).ok()?;
    let (seq, len, crc) = fields(line).ok()?;
    let record = rest.get(..len)?;
    // What a flipped bit does to the checksum depends only on how far it is from the end: from the last byte to the
    // first, each place is found without summing everything again.
    let wrong = checksum(seq, record) ^ crc;
    let mut effect: [u32; 8] = std::array::from_fn(|bit| crate::checksum::of_bit(bit as u8));
    for at in (0..len).rev() {
        if let Some(bit) = effect.iter().position(|e| *e == wrong) {
            return flip(&mut copy, head + at, 1 << bit);
        }
        effect = effect.map(crate::checksum::one_byte_on);
    }
    // The line feed at the end, and the line after it.
    (head + len..bytes.len())
        .flat_map(|at| (0..8).map(move |b| (at, 1 << b)))
        .take(8 * MAX_HEADER)
        .find_map(|(at, bit)| flip(&mut copy, at, bit))
}

/// The sequence number that a damaged slot claims for itself. A hint, not a fact: its checksum is wrong.
pub fn claimed_seq(bytes: &[u8]) -> Option<u64> {
    let (_, line, _) = first_line(bytes).ok()?;
    fields(line).ok().map(|(seq, _, _)| seq)
}

/// The length of the first line with its line feed, if it is spelt as ours is; 0 if it is not.
pub fn length_of_first_line(bytes: &[u8]) -> usize {
    let read = || {
        let (version, line, _) = first_line(bytes).ok()?;
        let (seq, len, crc) = fields(line).ok()?;
        let spelt = seq <= MAX_SEQ && len <= MAX_RECORD;
        (spelt && header(version, seq, len, crc).trim_end() == line).then_some(line.len() + 1)
    };
    read().unwrap_or(0)
}

/// Damaged bytes that claim to be of a format whose versions are told when they are superseded.
pub fn claims_marks(bytes: &[u8]) -> bool {
    first_line(bytes).is_ok_and(|(version, _, _)| version > FIRST)
}

/// The version, the first line without its line feed, known to be of a version that is read, and what follows it.
fn first_line(bytes: &[u8]) -> Result<(u32, &str, &[u8]), SlotError> {
    let Some(after) = bytes.strip_prefix(MAGIC.as_bytes()) else {
        return Err(SlotError::Damaged("does not begin like a record"));
    };
    // The version is judged before anything else, because of a later format only this much is certain.
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    let version = std::str::from_utf8(&after[..digits])
        .ok()
        .and_then(|d| d.parse::<u64>().ok());
    let version = match (version, after.get(digits)) {
        (Some(version), Some(b' ')) => match u32::try_from(version) {
            Ok(version @ FIRST..=VERSION) => version,
            Ok(0) => return Err(SlotError::Damaged("first line is misspelt")),
            _ => return Err(SlotError::Newer(version)),
        },
        _ => return Err(SlotError::Damaged("first line is misspelt")),
    };
    let end = bytes
        .iter()
        .take(MAX_HEADER)
        .position(|b| *b == b'\n')
        .ok_or(SlotError::Damaged("first line is cut short"))?;
    let line = std::str::from_utf8(&bytes[..end])
        .map_err(|_| SlotError::Damaged("first line is not text"))?;
    Ok((version, line, &bytes[end + 1..]))
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

fn header(version: u32, seq: u64, len: usize, crc: u32) -> String {
    format!("{MAGIC}{version} seq={seq} len={len} crc={crc:08x}\n")
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
        assert!(first.starts_with("vpmeter-journal 2 seq=12 len=43 crc="));
        assert_eq!(
            first.len(),
            "vpmeter-journal 2 seq=12 len=43 crc=89abcdef".len()
        );
        assert_eq!(second.as_bytes().strip_suffix(b"\n"), Some(RECORD));
        assert_eq!(
            decode(&bytes),
            Ok(Slot {
                seq: 12,
                record: RECORD.to_vec(),
                marks: true,
                superseded: None,
            })
        );
        assert_eq!(decode(&encode(1, b"")).unwrap().record, b"");
    }

    /// The format is a promise to records that are already on disk.
    #[test]
    fn the_format_is_pinned() {
        assert_eq!(
            String::from_utf8(encode(7, b"{}")).unwrap(),
            "vpmeter-journal 2 seq=7 len=2 crc=80e98a9d\n{}\n"
        );
        let first = decode(b"vpmeter-journal 1 seq=7 len=2 crc=80e98a9d\n{}\n").unwrap();
        assert_eq!(
            (first.seq, &first.record[..], first.marks),
            (7, &b"{}"[..], false)
        );
        let mark = String::from_utf8(superseded(8)).unwrap();
        assert_eq!(mark, "superseded by=8 crc=a9a1436b\n");
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
            damaged(good.replace("{}\n", "{}\n{}\n").as_bytes()),
            "longer than its first line says"
        );
        assert_eq!(
            damaged(good.replace("len=2", "len=1").as_bytes()),
            "no line feed at the end"
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
            "vpmeter-journal 3 whatever\n",
            "vpmeter-journal 10 ",
            "vpmeter-journal 5000000000 ",
            "vpmeter-journal 3 \u{1}",
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Err(SlotError::Newer(_))),
                "{text}"
            );
        }
        for text in [
            "vpmeter-journal 0 seq=1\n",
            "vpmeter-journal 3",
            "vpmeter-journal x 2\n",
        ] {
            assert!(
                matches!(decode(text.as_bytes()), Err(SlotError::Damaged(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_superseded_slot_says_so_and_a_torn_mark_is_damage() {
        let slot = encode(3, RECORD);
        let mark = superseded(9);
        let marked = decode(&[&slot[..], &mark].concat()).unwrap();
        assert_eq!((marked.seq, marked.superseded), (3, Some(9)));
        for end in 1..mark.len() {
            assert!(
                decode(&[&slot[..], &mark[..end]].concat()).is_err(),
                "{end}"
            );
        }
        for at in 0..mark.len() {
            let mut torn = [&slot[..], &mark].concat();
            torn[slot.len() + at] ^= 2;
            assert!(decode(&torn).is_err(), "{at}");
        }
        assert!(decode(&[&slot[..], &mark, &mark].concat()).is_err());
    }

    #[test]
    fn any_single_flipped_bit_is_known_for_one_and_a_torn_write_is_not() {
        for bytes in [
            encode(31, RECORD),
            [&encode(31, RECORD)[..], &superseded(32)].concat(),
        ] {
            let whole = decode(&bytes).unwrap();
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    if !matches!(decode(&flipped), Err(SlotError::Newer(_))) {
                        // All but the version, which no checksum covers.
                        let found = but_for_one_bit(&flipped).expect("one bit");
                        assert_eq!(found.seq, whole.seq, "{at} {bit}");
                        assert_eq!(found.record, whole.record, "{at} {bit}");
                    }
                    flipped[(at + 7) % bytes.len()] ^= 4;
                    assert_eq!(but_for_one_bit(&flipped), None, "two bits, {at} {bit}");
                }
            }
            for end in 0..bytes.len() {
                let torn = [&bytes[..end], &vec![0; bytes.len() - end]].concat();
                let last_bit = (bytes.len() - end) == 1;
                assert!(but_for_one_bit(&torn).is_none() || last_bit, "{end}");
            }
        }
        assert_eq!(but_for_one_bit(b""), None);
        assert_eq!(but_for_one_bit(&[0; 4096]), None);
    }

    #[test]
    fn a_torn_slot_still_says_what_it_claims() {
        let bytes = encode(9, RECORD);
        assert_eq!(claimed_seq(&bytes[..60]), Some(9));
        assert_eq!(claimed_seq(&bytes[..20]), None);
        assert_eq!(claimed_seq(b"\0\0\0"), None);
    }
}
