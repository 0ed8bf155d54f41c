//! The two headers of an answer that mean something here.

use std::time::{SystemTime, UNIX_EPOCH};

/// `Date`, or any header that holds a date, as Unix milliseconds; RFC 9110, 5.6.7.
pub fn date_ms(text: &str) -> Option<i64> {
    let moment: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// `Retry-After` as milliseconds from now: seconds, or a date, which is read against `now_ms`, best the answer's own date.
/// RFC 9110, 10.2.3.
pub fn retry_after_ms(text: &str, now_ms: i64) -> Option<u32> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits for a number are a long time.
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX));
    }
    let then = date_ms(text)?;
    Some(u32::try_from(then.saturating_sub(now_ms).max(0)).unwrap_or(u32::MAX))
}
