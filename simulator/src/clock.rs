//! The simulator's time: real time until a test moves it, speeds it up or makes it stand still.
//! Everything that ages (tokens, the ten minutes of a payment, deadlines, rate limits) asks this clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The last millisecond of the year 9998. RFC 3339 knows no year after 9999, and what is told of the future is less than
/// a year ahead.
const LAST_MOMENT: i64 = 253_370_764_799_999;

/// How many times faster than real time the clock may run.
pub const SPEEDS: std::ops::RangeInclusive<i64> = 1..=100_000;

#[derive(Clone, Debug)]
pub struct Clock {
    /// Wall time is read once; later readings are monotonic, so a clock set on the host moves nothing here.
    started_wall_us: i64,
    started: Instant,
    /// Every change of the clock begins a new stretch: from this moment of real time ...
    real_us: i64,
    /// ... it showed this ...
    shown_us: i64,
    /// ... and went on so many times faster.
    speed: i64,
    frozen: bool,
    /// What it shows while one request is worked on.
    pinned_us: Option<i64>,
}

impl Clock {
    /// Real time, until it is told otherwise; `speed` is one of [`SPEEDS`].
    pub fn new(speed: i64) -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_wall_us = i64::try_from(since_epoch.as_micros()).unwrap_or(0);
        Clock {
            started_wall_us,
            started: Instant::now(),
            real_us: started_wall_us,
            shown_us: started_wall_us,
            speed,
            frozen: false,
            pinned_us: None,
        }
    }

    fn real_us(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(0);
        self.started_wall_us.saturating_add(elapsed)
    }

    fn now_us(&self) -> i64 {
        if let Some(pinned) = self.pinned_us {
            return pinned;
        }
        if self.frozen {
            return self.shown_us;
        }
        let gone = (self.real_us() - self.real_us).saturating_mul(self.speed);
        self.shown_us.saturating_add(gone).min(LAST_MOMENT * 1_000)
    }

    /// Milliseconds since 1970, UTC.
    pub fn now(&self) -> i64 {
        self.now_us() / 1_000
    }

    /// How far it is from real time.
    pub fn offset(&self) -> i64 {
        (self.now_us() - self.real_us()) / 1_000
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub fn speed(&self) -> i64 {
        self.speed
    }

    /// One request sees one moment, which is told; time goes on underneath.
    pub fn pin(&mut self) -> i64 {
        self.pinned_us = Some(self.now_us());
        self.now()
    }

    pub fn unpin(&mut self) {
        self.pinned_us = None;
    }

    /// It shows a moment of the past while what was due then is done; afterwards what it showed before.
    pub fn set_pin(&mut self, moment: Option<i64>) -> Option<i64> {
        let before = self.pinned_us.map(|us| us / 1_000);
        self.pinned_us = moment.map(|ms| ms * 1_000);
        before
    }

    /// A new stretch begins where the last one ends, so time neither jumps nor goes back.
    fn turn(&mut self) {
        let real_us = self.real_us();
        self.shown_us = self.now_us();
        self.real_us = real_us;
    }

    /// Forward only: the servers' time never goes back. False if that would leave the calendar.
    pub fn advance(&mut self, ms: i64) -> bool {
        if ms < 0 || self.now().checked_add(ms).is_none_or(|then| then > LAST_MOMENT) {
            return false;
        }
        self.shown_us += ms * 1_000;
        true
    }

    /// A thawed clock goes on from the instant at which it stood.
    pub fn freeze(&mut self, frozen: bool) {
        self.turn();
        self.frozen = frozen;
    }

    /// How many times faster than real time it runs from now on, or from its thawing on.
    pub fn set_speed(&mut self, speed: i64) {
        self.turn();
        self.speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
    }

    /// Stands still at a moment, wherever it was before: for servers of which nobody has seen the time.
    pub fn stand_at(&mut self, moment: i64) {
        self.frozen = true;
        self.shown_us = moment.clamp(0, LAST_MOMENT) * 1_000;
    }

    /// For a copy that is kept: what it shows now is what it will show when it is taken up again.
    pub fn hold(&mut self) {
        self.turn();
        self.unpin();
    }

    /// Goes on from where it was held.
    pub fn release(&mut self) {
        self.real_us = self.real_us();
    }

    /// How long so much of real time was on this clock.
    pub fn lasted(&self, real: Duration) -> i64 {
        let ms = i64::try_from(real.as_millis()).unwrap_or(i64::MAX);
        if self.frozen { 0 } else { ms.saturating_mul(self.speed) }
    }

    /// Real time until the clock will show a moment, if nobody moves it meanwhile; `None` while it stands still before it.
    pub fn real_wait_until(&self, moment: i64) -> Option<Duration> {
        let left_us = moment.saturating_mul(1_000) - self.now_us();
        if left_us <= 0 {
            return Some(Duration::ZERO);
        }
        // Rounded up, so that the moment has come when the wait is over.
        (!self.frozen).then(|| Duration::from_micros(left_us.unsigned_abs().div_ceil(self.speed.unsigned_abs())))
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

/// The same of a moment that is so many milliseconds away, within the years that dates can say.
pub fn http_date_off(ms: i64, off: i64) -> String {
    http_date(ms.saturating_add(off).clamp(0, LAST_MOMENT))
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

/// In the largest unit that says it whole.
pub fn duration(ms: i64) -> String {
    let units = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)];
    match units.into_iter().find(|(_, unit)| ms > 0 && ms % unit == 0) {
        Some((name, unit)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
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
        let mut clock = Clock::new(1);
        clock.freeze(true);
        let before = clock.now();
        assert!(clock.advance(MINUTE));
        assert_eq!(clock.now(), before + MINUTE);
        assert!(!clock.advance(i64::MAX));
        assert!(!clock.advance(-1));
        assert_eq!(clock.real_wait_until(before + MINUTE), Some(Duration::ZERO));
        assert_eq!(clock.real_wait_until(before + MINUTE + 1), None);
    }

    #[test]
    fn a_fast_clock_neither_jumps_nor_goes_back() {
        let mut clock = Clock::new(1);
        let mut last = clock.now_us();
        let mut later = |clock: &Clock| {
            let now = clock.now_us();
            assert!(now >= last, "{now} after {last}");
            last = now;
        };
        let pass = || {
            // For a jump to be seen.
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {}
        };
        // Frozen meanwhile, so that what the changes themselves do can be seen to the microsecond.
        for speed in [100_000, 1, 60, 1] {
            clock.set_speed(speed);
            later(&clock);
            pass();
            later(&clock);
            let shown = clock.now_us();
            clock.set_speed(1);
            later(&clock);
            assert!(clock.now_us() - shown < 30_000_000, "a jump of 30 seconds");
            clock.set_speed(speed);
            clock.freeze(true);
            let stood = clock.now_us();
            clock.set_speed(7);
            assert_eq!((clock.now_us(), clock.speed()), (stood, 7));
            clock.set_speed(speed);
            clock.freeze(false);
            assert!(clock.now_us() >= stood);
            later(&clock);
        }
        let start = (Instant::now(), clock.now());
        clock.set_speed(100_000);
        while clock.now() < start.1 + 10 * MINUTE {
            assert!(start.0.elapsed() < Duration::from_secs(60), "ten minutes last longer than a minute");
        }
    }

    #[test]
    fn one_request_sees_one_moment() {
        let mut clock = Clock::new(100_000);
        let at = clock.pin();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {
            assert_eq!(clock.now(), at);
        }
        clock.unpin();
        assert!(clock.now() >= at + 200 * SECOND);
    }

    #[test]
    fn the_wait_for_a_moment_is_real_time() {
        let mut clock = Clock::new(60);
        let moment = clock.now() + HOUR;
        let wait = clock.real_wait_until(moment).expect("it runs");
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(1), "{wait:?}");
        clock.freeze(true);
        assert_eq!(clock.real_wait_until(moment), None);
    }
}
