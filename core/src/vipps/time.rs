//! RFC 3339 times as the servers write them: 0 to 9 fractional digits, `Z` or an offset.

use time::format_description::well_known::Rfc3339;
use time::OffsetDateTime;

/// Unix milliseconds; `None` if it is no such time.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_the_servers_write() {
        let noon = 1_795_348_800_000;
        for (text, ms) in [
            ("2026-11-22T12:00:00Z", noon),
            ("2026-11-22T12:00:00.1234567Z", noon + 123),
            ("2026-11-22T13:00:00.5+01:00", noon + 500),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T12:00:00",
            "2026-13-22T12:00:00Z",
            "2026-11-22T12:00:00.Z",
            "x026-11-22T12:00:00Z",
            "2026-11-22T12:00:00+0100",
            "2026-11-22T12:00:0\u{e5}Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
