//! Points in time as people write and read them: RFC 3339 in UTC, whatever machine they are on.

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch as `2026-03-02T14:05:09Z`, with milliseconds where there are any.
pub fn format(millis: i64) -> String {
    let (year, month, day) = civil(millis.div_euclid(DAY_MS));
    let rest = millis.rem_euclid(DAY_MS);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Reads `2026-03-02`, `2026-03-02T14:05Z`, `2026-03-02T14:05:09Z` or with milliseconds; only UTC.
pub fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00Z"));
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let days = days(year, month, day);
    if !(1..=9999).contains(&year) || civil(days) != (year, month, day) {
        return None;
    }
    let (clock, fraction) = match time.strip_suffix('Z')?.split_once('.') {
        Some((clock, fraction)) => (clock, format!("{fraction:0<3}")),
        None => (time.strip_suffix('Z')?, "000".to_owned()),
    };
    let mut parts = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let milli = number(fraction.get(..3)?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + milli)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Year, month and day of a day since the epoch. Years are counted from March, so that a leap day ends one.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// Day since the epoch of a date; a date that does not exist gives the day of another.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_and_read() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_772_409_600_000, "2026-03-02T00:00:00Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format(millis), text);
            assert_eq!(parse(text), Some(millis));
        }
        assert_eq!(parse("2026-03-02"), Some(1_772_409_600_000));
        assert_eq!(parse("2026-03-02T00:01Z"), Some(1_772_409_660_000));
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in -146_097..146_097 {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2026-13-01",
            "2026-03-02T24:00Z",
            "2026-03-02T00:00",
            "+026-03-02",
            "2026-03-02T1Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
