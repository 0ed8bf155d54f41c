//! The simulator's time: real time plus an offset that tests may move, or a frozen instant.
//! Everything that ages (tokens, the ten minutes of a payment, deadlines, rate limits) asks this clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The last millisecond of the year 9999: RFC 3339 knows no later one.
const LAST_MOMENT: i64 = 253_402_300_799_999;

#[derive(Debug)]
pub struct Clock {
    /// Wall time is read once; later readings are monotonic, so a clock set on the host moves nothing here.
    started_wall_ms: i64,
    started: Instant,
    offset_ms: i64,
    frozen_at: Option<i64>,
}

impl Clock {
    pub fn new() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock {
            started_wall_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(0),
            started: Instant::now(),
            offset_ms: 0,
            frozen_at: None,
        }
    }

    fn real(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(0);
        self.started_wall_ms.saturating_add(elapsed)
    }

    /// Milliseconds since 1970, UTC.
    pub fn now(&self) -> i64 {
        self.frozen_at.unwrap_or_else(|| self.real() + self.offset_ms).min(LAST_MOMENT)
    }

    pub fn offset(&self) -> i64 {
        self.now() - self.real()
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen_at.is_some()
    }

    /// Forward only: the servers' time never goes back. False if that would leave the calendar.
    pub fn advance(&mut self, ms: i64) -> bool {
        if ms < 0 || self.now().checked_add(ms).is_none_or(|then| then > LAST_MOMENT) {
            return false;
        }
        match &mut self.frozen_at {
            Some(at) => *at += ms,
            None => self.offset_ms += ms,
        }
        true
    }

    /// A thawed clock goes on from the instant at which it stood.
    pub fn freeze(&mut self, frozen: bool) {
        let now = self.now();
        self.frozen_at = frozen.then_some(now);
        self.offset_ms = now - self.real();
    }

    pub fn reset(&mut self) {
        self.offset_ms = 0;
        self.frozen_at = None;
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// The forms in which timestamps occur in the documentation's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `2026-01-02T03:04:05Z`
    Seconds,
    /// `2026-01-02T03:04:05.678Z`
    Millis,
    /// `2026-01-02T03:04:05.6780000Z`
    Ticks,
    /// `2026-01-02T03:04:05.678+00:00`
    Offset,
}

pub fn rfc3339(ms: i64, style: Style) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY));
    let rest = ms.rem_euclid(DAY);
    let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE / SECOND);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = rest % SECOND;
    match style {
        Style::Seconds => format!("{whole}Z"),
        Style::Millis => format!("{whole}.{fraction:03}Z"),
        Style::Ticks => format!("{whole}.{fraction:03}0000Z"),
        Style::Offset => format!("{whole}.{fraction:03}+00:00"),
    }
}

/// The `Date` header, so that a client which trusts the servers' time sees the simulator's.
pub fn http_date(ms: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ms.div_euclid(DAY);
    let (year, month, day) = civil(days);
    let rest = ms.rem_euclid(DAY);
    let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE / SECOND);
    let weekday = WEEKDAYS[days.rem_euclid(7) as usize];
    let month = MONTHS[(month - 1) as usize];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// RFC 3339 with `Z` or an offset, as the pattern of `expiresAt` has it; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = &text[from..to];
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separators = bytes[4] == b'-' && bytes[7] == b'-' && matches!(bytes[10], b'T' | b't');
    if !separators || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut zone = &text[19..];
    let mut millis = 0;
    if let Some(fraction) = zone.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let padded = format!("{:0<3}", &fraction[..length]);
        millis = padded[..3].parse::<i64>().ok()?;
        zone = &fraction[length..];
    }
    let offset_minutes = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let start = text.len() - zone.len();
            let (hours, minutes) = (number(start + 1, start + 3)?, number(start + 4, start + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let total = hours * 60 + minutes;
            if *sign == b'-' { -total } else { total }
        }
        _ => return None,
    };
    let moment = days_from_civil(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millis;
    Some(moment - offset_minutes * MINUTE)
}

/// `3s`, `250ms`, `10m`, `2h`, `180d`, as the command line and the passenger's rules write durations.
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let amount: i64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    amount.checked_mul(unit).filter(|ms| *ms <= 3_650 * DAY)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 to a date, counted in years that begin in March (so that leap days come last).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for text in ["1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-11-23T08:02:07.001Z"] {
            let ms = parse_rfc3339(text).expect("a valid date");
            assert_eq!(rfc3339(ms, Style::Millis), text);
        }
        assert_eq!(parse_rfc3339("2024-05-01T13:03:56+02:00"), parse_rfc3339("2024-05-01T11:03:56Z"));
        assert_eq!(http_date(1_680_165_512_000), "Thu, 30 Mar 2023 08:38:32 GMT");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "2024-02-30T00:00:00Z", "2024-05-01 13:03:56Z", "2024-05-01T13:03:56", "2024-05-01T13:03:56.Z"]
        {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let mut clock = Clock::new();
        clock.freeze(true);
        let before = clock.now();
        assert!(clock.advance(MINUTE));
        assert_eq!(clock.now(), before + MINUTE);
        assert!(!clock.advance(i64::MAX));
        assert!(!clock.advance(-1));
    }
}
