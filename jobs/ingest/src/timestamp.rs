//! Times of the payload, and how far they are believed.

use crate::config::TimeLimits;

/// Milliseconds and the microseconds below them, of an RFC 3339 time; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let separator = rest.as_bytes().first()?;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (clock, rest) = rest.get(1..)?.split_at_checked(8)?;
    let [year, month, day] = three_numbers(date, b'-', [4, 2, 2])?;
    let [hour, minute, second] = three_numbers(clock, b':', [2, 2, 2])?;
    // A leap second is read as the last second of its minute.
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = split_fraction(rest)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    let micros = (seconds - zone_seconds(zone)?) * 1_000_000 + fraction;
    Some(Timestamp { micros })
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Microseconds since the Unix epoch.
    pub micros: i64,
}

impl Timestamp {
    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.micros.div_euclid(1_000)
    }
}

/// Milliseconds of nanoseconds.
pub fn millis_from_nanos(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

/// A time of the payload after comparison with the record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The time to use, milliseconds.
    pub time: i64,
    /// Whether payload and record differ by more than is allowed.
    pub skewed: bool,
}

/// Takes the payload's time, unless it is missing or lies in the record's future; flags what differs too much.
pub fn believe(event: i64, record: i64, limits: &TimeLimits) -> Believed {
    if event <= 0 {
        return Believed { time: record.max(0), skewed: false };
    }
    if record <= 0 {
        return Believed { time: event, skewed: false };
    }
    if event > record.saturating_add(limits.future.millis()) {
        return Believed { time: record, skewed: true };
    }
    Believed { time: event, skewed: event < record.saturating_sub(limits.skew.millis()) }
}

fn three_numbers(text: &str, separator: u8, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(char::from(separator));
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Splits `.123456Z` into microseconds and zone; digits below a microsecond are cut off.
fn split_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = digits.split_at(length);
    if digits.is_empty() {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.as_bytes().get(place).map_or(0, |digit| digit - b'0'));
    }
    Some((micros, zone))
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse::<u8>().ok()?.into(), minutes.parse::<u8>().ok()?.into());
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since the epoch, by counting 400-year eras of the Gregorian calendar from 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<i64> {
        parse_rfc3339(text).map(Timestamp::millis)
    }

    #[test]
    fn reads_the_usual_spellings() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2000-02-29T12:00:00.5Z"), Some(951_825_600_500));
        assert_eq!(millis("2026-08-01T12:00:00.123456789+02:00"), Some(1_785_578_400_123));
        assert_eq!(parse_rfc3339("2026-08-01T10:00:00.123456Z").map(|time| time.micros % 1_000_000), Some(123_456));
        assert_eq!(millis("1969-12-31T23:59:59.999Z"), Some(-1));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2026-08-01",
            "2026-13-01T00:00:00Z",
            "2026-08-01T25:00:00Z",
            "2026-08-01T10:00:00",
            "2026-08-01T10:00:00.Z",
            "2026-08-01T10:00:00+2",
            "+026-08-01T10:00:00Z",
            "2026-08-01T10:00:00Ä",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn the_future_is_not_believed_and_the_far_past_is_flagged() {
        let limits = TimeLimits::default();
        let record = 1_000_000_000;
        assert_eq!(believe(record + 119_000, record, &limits), Believed { time: record + 119_000, skewed: false });
        assert_eq!(believe(record + 121_000, record, &limits), Believed { time: record, skewed: true });
        assert_eq!(believe(record - 601_000, record, &limits), Believed { time: record - 601_000, skewed: true });
        assert_eq!(believe(0, record, &limits), Believed { time: record, skewed: false });
        assert_eq!(believe(5, 0, &limits), Believed { time: 5, skewed: false });
    }
}
