//! Names: the merchant's reference, the trip, the ride id, and the idempotency key made of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checksum::crc32;
use crate::error::Report;

/// The merchant's name of a payment: 8 to 64 letters, digits and hyphens of ASCII; case matters.
///
/// Unique per sales unit for ever: a new attempt takes a new one, see [`next_reference`]. The passenger sees it.
///
/// Source: OpenAPI ePayment 1.8.1, `Reference`, `^[a-zA-Z0-9-]{8,64}$`. The knowledge base advises against references
/// of digits only or with a leading zero; the servers take them, and so does this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

impl Reference {
    /// Checks the pattern.
    ///
    /// # Errors
    /// Invalid argument in `field`, with a message of its own for too short, too long and a wrong character.
    pub fn parse(field: &str, text: &str) -> Result<Reference, Report> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if !text.bytes().all(allowed) {
            return Err(Report::invalid(
                field,
                "only the letters a-z and A-Z, digits and hyphens",
            ));
        }
        if text.len() < 8 {
            return Err(Report::invalid(field, "too short: 8 to 64 characters"));
        }
        if text.len() > 64 {
            return Err(Report::invalid(field, "too long: 8 to 64 characters"));
        }
        Ok(Reference(text.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Reference {
    type Error = Report;

    fn try_from(text: String) -> Result<Reference, Report> {
        Reference::parse("reference", &text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.0
    }
}

/// Checks the meter's name of a trip: empty, or 1 to 63 bytes of printable UTF-8. It never leaves the meter.
///
/// 63, because a C struct holds it in 64 bytes with its NUL.
///
/// # Errors
/// Invalid argument in `field` for more than 63 bytes and for control characters.
pub fn check_trip(field: &str, text: &str) -> Result<String, Report> {
    if text.len() > 63 {
        return Err(Report::invalid(field, "too long: at most 63 bytes"));
    }
    if !is_printable(text) {
        return Err(Report::invalid(field, "control characters are not allowed"));
    }
    Ok(text.to_string())
}

/// Whether a text can go on a line of a receipt or a log: no control characters, no line or paragraph separators, and
/// none of the marks that turn the writing direction (they can make one text look like another).
pub(crate) fn is_printable(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    })
}

/// The random name of one ride: 32 hexadecimal digits, in small letters.
///
/// It travels in the payment's metadata; a payment found under our reference is ours only if it carries this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RideId(String);

impl RideId {
    /// The id of 16 random bytes, which the caller has from the operating system.
    pub fn from_random(bytes: [u8; 16]) -> RideId {
        RideId(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Reads back what [`RideId::as_str`] gave.
    ///
    /// # Errors
    /// Invalid argument in `field` for everything but 32 digits of 0-9 and a-f.
    pub fn parse(field: &str, text: &str) -> Result<RideId, Report> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(RideId(text.to_string()))
        } else {
            Err(Report::invalid(
                field,
                "must be 32 hexadecimal digits in small letters",
            ))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RideId {
    type Error = Report;

    fn try_from(text: String) -> Result<RideId, Report> {
        RideId::parse("ride_id", &text)
    }
}

impl From<RideId> for String {
    fn from(id: RideId) -> String {
        id.0
    }
}

/// What an idempotency key is for. The two kinds of cancel are operations of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOf {
    /// The payment request; letter `n` (new).
    Create,
    /// A capture; letter `c`.
    Capture,
    /// A cancel that the servers carry out only if the passenger has not approved; letter `x`.
    CancelIfNotApproved,
    /// A cancel that releases whatever is not captured; letter `r`.
    Release,
    /// A refund; letter `b` (back).
    Refund,
}

impl KeyOf {
    const fn letter(self) -> char {
        match self {
            KeyOf::Create => 'n',
            KeyOf::Capture => 'c',
            KeyOf::CancelIfNotApproved => 'x',
            KeyOf::Release => 'r',
            KeyOf::Refund => 'b',
        }
    }
}

/// The idempotency key of one attempt at one operation, like `1a2b3c4d-<ride id>-c2.3` for the third attempt at the second
/// capture. The same inputs always give the same key, so it survives a reboot; any other input gives another one.
///
/// The first eight digits are the CRC-32 of the sales unit's number and the device, so that a copied journal does not speak
/// in another car's name; the ride id is what makes the key unique. `number` is 0 to 99, `attempt` 0 to 9999. At most 50
/// characters (the limit of `Idempotency-Key` in OpenAPI ePayment 1.8.1) of `[A-Za-z0-9.-]`.
///
/// `None` if `number` or `attempt` is above its range: a key is never cut, for a cut one could be that of another attempt.
pub fn idempotency_key(
    msn: &str,
    device: &str,
    ride: &RideId,
    operation: KeyOf,
    number: u32,
    attempt: u32,
) -> Option<String> {
    if number > 99 || attempt > 9999 {
        return None;
    }
    let origin = crc32(&[msn.as_bytes(), b"\0", device.as_bytes()]);
    let letter = operation.letter();
    Some(format!("{origin:08x}-{ride}-{letter}{number}.{attempt}"))
}

/// The reference for the next attempt at the same ride: `trip-0001`, `trip-0001-2`, `trip-0001-3`, ...
///
/// A last part `-1` to `-98` without a leading zero is read as the attempt and counted up; everything else gets `-2`. So a
/// meter that numbers its trips with few digits at the end of the reference should pad them (`car7-0017`, not `car7-17`),
/// or the next attempt at trip 17 takes the name of trip 18.
///
/// Never longer than 64 characters: what does not fit is shortened to its first 52 characters and the CRC-32 of the whole, so
/// that two long references that differ only at the end stay different.
///
/// The habit of a suffix for each attempt is the knowledge base's (recommendations for the reference).
///
/// # Errors
/// Invalid argument in `reference` if `previous` is not a reference.
pub fn next_reference(previous: &str) -> Result<Reference, Report> {
    let previous = Reference::parse("reference", previous)?;
    let (stem, attempt) = match split_attempt(previous.as_str()) {
        Some((stem, attempt)) => (stem, attempt + 1),
        None => (previous.as_str(), 2),
    };
    let mut next = format!("{stem}-{attempt}");
    if next.len() > 64 {
        // 52 + 1 + 8 leaves room for an attempt of two digits, so this happens once in a ride.
        let whole = crc32(&[stem.as_bytes()]);
        next = format!("{}-{whole:08x}-{attempt}", &stem[..52]);
    }
    Reference::parse("reference", &next)
}

/// The stem and the attempt of a reference that ends in an attempt that can be counted up.
fn split_attempt(reference: &str) -> Option<(&str, u32)> {
    let (stem, last) = reference.rsplit_once('-')?;
    let counts = (1..=2).contains(&last.len())
        && !last.starts_with('0')
        && last.bytes().all(|b| b.is_ascii_digit());
    let attempt: u32 = last.parse().ok().filter(|_| counts)?;
    (!stem.is_empty() && attempt <= 98).then_some((stem, attempt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn ride() -> RideId {
        RideId::from_random(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff")
    }

    #[test]
    fn references_follow_the_pattern() {
        for good in [
            "trip-0001",
            "12345678",
            "--------",
            &"a".repeat(64),
            "Car7-A-b",
        ] {
            let reference = Reference::parse("reference", good).unwrap();
            assert_eq!(reference.as_str(), good);
            assert_eq!(reference.to_string(), good);
        }
        for (bad, why) in [
            ("", "too short"),
            ("trip-01", "too short"),
            (&*"a".repeat(65), "too long"),
            ("trip 0001", "only the letters"),
            ("trip_0001", "only the letters"),
            ("trip.0001", "only the letters"),
            ("tøff-0001", "only the letters"),
            ("trip-0001\n", "only the letters"),
            ("trip-0001/../x", "only the letters"),
            ("trip-\u{661}\u{662}\u{663}", "only the letters"),
        ] {
            let report = Reference::parse("reference", bad).unwrap_err();
            assert_eq!(report.field, "reference");
            assert!(report.message.contains(why), "{bad}: {}", report.message);
        }
    }

    #[test]
    fn reading_json_checks_too() {
        let reference = Reference::parse("reference", "trip-0001").unwrap();
        let json = serde_json::to_string(&reference).unwrap();
        assert_eq!(json, "\"trip-0001\"");
        assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), reference);
        assert!(serde_json::from_str::<Reference>("\"short\"").is_err());
        assert!(serde_json::from_str::<Reference>("12345678").is_err());

        let json = serde_json::to_string(&ride()).unwrap();
        assert_eq!(serde_json::from_str::<RideId>(&json).unwrap(), ride());
        assert!(serde_json::from_str::<RideId>("\"00\"").is_err());
    }

    #[test]
    fn trips_are_short_printable_text() {
        for good in ["", "17", "Tur 17 – Åse", &"å".repeat(31), &"x".repeat(63)] {
            assert_eq!(check_trip("trip", good).unwrap(), good);
        }
        for bad in [
            &*"x".repeat(64),
            &"å".repeat(32),
            "a\nb",
            "a\tb",
            "\u{7f}",
            "\u{85}",
            "a\u{202e}b",
            "a\u{2028}b",
        ] {
            let report = check_trip("trip", bad).unwrap_err();
            assert_eq!(report.field, "trip");
        }
    }

    #[test]
    fn ride_ids_are_32_small_hexadecimal_digits() {
        assert_eq!(ride().as_str(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(
            RideId::from_random([0; 16]).as_str(),
            "00000000000000000000000000000000"
        );
        let back = RideId::parse("ride_id", ride().as_str()).unwrap();
        assert_eq!(back, ride());
        for bad in [
            "",
            "000102030405060708090a0b0c0d0ef",
            "000102030405060708090a0b0c0d0efff",
            "000102030405060708090A0B0C0D0EFF",
            "000102030405060708090a0b0c0d0exf",
            "+00102030405060708090a0b0c0d0eff",
        ] {
            let report = RideId::parse("ride_id", bad).unwrap_err();
            assert_eq!(report.field, "ride_id");
        }
    }

    /// Changing this example would orphan every payment that a meter in the field has under way.
    #[test]
    fn keys_are_stable() {
        let key = idempotency_key("123456", "car-7", &ride(), KeyOf::Capture, 2, 3).unwrap();
        assert_eq!(key, "e032f568-000102030405060708090a0b0c0d0eff-c2.3");
    }

    #[test]
    fn keys_are_unique_and_fit() {
        const OPERATIONS: [KeyOf; 5] = [
            KeyOf::Create,
            KeyOf::Capture,
            KeyOf::CancelIfNotApproved,
            KeyOf::Release,
            KeyOf::Refund,
        ];
        let rides = [ride(), RideId::from_random([7; 16])];
        let mut seen = HashSet::new();
        for (msn, device) in [
            ("123456", "car-7"),
            ("123456", "car-8"),
            ("123457", "car-7"),
            ("123456", ""),
            ("12345", "6car-7"),
        ] {
            for ride in &rides {
                for operation in OPERATIONS {
                    for number in [0, 1, 2, 11, 99] {
                        for attempt in [0, 1, 2, 11, 112, 9999] {
                            let key =
                                idempotency_key(msn, device, ride, operation, number, attempt)
                                    .unwrap();
                            assert!(key.len() <= 50, "{key}");
                            assert!(key
                                .bytes()
                                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
                            assert!(seen.insert(key));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn keys_are_never_cut() {
        let longest = idempotency_key("1", "d", &ride(), KeyOf::Refund, 99, 9999).unwrap();
        assert_eq!(longest.len(), 50);
        assert_eq!(
            idempotency_key("1", "d", &ride(), KeyOf::Refund, 100, 1),
            None
        );
        assert_eq!(
            idempotency_key("1", "d", &ride(), KeyOf::Refund, 1, 10_000),
            None
        );
    }

    fn next(previous: &str) -> String {
        next_reference(previous).unwrap().to_string()
    }

    #[test]
    fn attempts_are_counted() {
        assert_eq!(next("trip-0001"), "trip-0001-2");
        assert_eq!(next("trip-0001-2"), "trip-0001-3");
        assert_eq!(next("trip-0001-9"), "trip-0001-10");
        assert_eq!(next("trip-0001-1"), "trip-0001-2");
        assert_eq!(next("trip-0001-98"), "trip-0001-99");
        assert_eq!(next("trip-0001-99"), "trip-0001-99-2");
        assert_eq!(next("trip-1234"), "trip-1234-2");
        assert_eq!(next("trip-0001-"), "trip-0001--2");
        assert_eq!(next("12345678"), "12345678-2");
        assert_eq!(next("trip-0001-02"), "trip-0001-02-2");
        assert_eq!(next("trip-0001-2a"), "trip-0001-2a-2");
    }

    #[test]
    fn what_is_no_reference_has_no_next_one() {
        for bad in ["", "short", "trip 0001", &"a".repeat(65)] {
            assert_eq!(next_reference(bad).unwrap_err().field, "reference");
        }
    }

    #[test]
    fn a_long_ride_never_repeats_a_reference() {
        for length in 8..=64 {
            let mut seen = HashSet::new();
            let mut reference = "a".repeat(length);
            seen.insert(reference.clone());
            for _ in 0..250 {
                reference = next(&reference);
                assert!(reference.len() <= 64);
                assert!(seen.insert(reference.clone()), "{reference}");
            }
        }
    }

    #[test]
    fn long_references_that_differ_at_the_end_stay_different() {
        let mut seen = HashSet::new();
        for trip in 0..1000 {
            let reference = format!("{}{trip:04}", "a".repeat(60));
            let mut attempt = reference;
            for _ in 0..12 {
                attempt = next(&attempt);
                assert!(seen.insert(attempt.clone()), "{attempt}");
            }
        }
    }
}
