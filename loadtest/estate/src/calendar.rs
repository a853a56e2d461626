//! Times of the payloads: UTC, from milliseconds or microseconds since the Unix epoch, without asking any clock.

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// `2026-03-02T00:00:00Z`, from milliseconds.
pub(crate) fn seconds_text(millis: i64) -> String {
    format!("{}Z", date_and_time(millis.div_euclid(SECOND)))
}

/// `2026-03-02T00:00:00.123456Z`, from microseconds.
pub(crate) fn micros_text(micros: i64) -> String {
    format!("{}.{:06}Z", date_and_time(micros.div_euclid(1_000_000)), micros.rem_euclid(1_000_000))
}

/// Milliseconds since midnight, UTC.
pub(crate) fn time_of_day(millis: i64) -> i64 {
    millis.rem_euclid(DAY)
}

/// Every time in `[from, to)` whose time of day is `time_of_day`.
pub(crate) fn daily(time_of_day: i64, from: i64, to: i64) -> impl Iterator<Item = i64> {
    let midnight = from - from.rem_euclid(DAY);
    let first = if midnight + time_of_day < from { midnight + DAY + time_of_day } else { midnight + time_of_day };
    (0..).map(move |day| first + day * DAY).take_while(move |at| *at < to)
}

fn date_and_time(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// Year, month and day of a day number, in the proleptic Gregorian calendar.
fn date(day_number: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day_number.div_euclid(366);
    while days_before_year(year + 1) <= day_number {
        year += 1;
    }
    let mut left = day_number - days_before_year(year);
    let leap = days_before_year(year + 1) - days_before_year(year) == 366;
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while month < 11 && left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    (year, month as i64 + 1, left + 1)
}

fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    past * 365 + leap_days - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_are_written_as_people_write_them() {
        assert_eq!(seconds_text(0), "1970-01-01T00:00:00Z");
        assert_eq!(seconds_text(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(seconds_text(1_772_409_600_000), "2026-03-02T00:00:00Z");
        assert_eq!(micros_text(1_798_761_599_999_999), "2026-12-31T23:59:59.999999Z");
        assert_eq!(micros_text(-1), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_daily_time_is_met_once_a_day() {
        let start = 1_772_409_600_000;
        let met: Vec<i64> = daily(13 * HOUR, start + 14 * HOUR, start + 3 * DAY).collect();
        assert_eq!(met, [start + DAY + 13 * HOUR, start + 2 * DAY + 13 * HOUR]);
        assert_eq!(daily(HOUR, start + HOUR, start + HOUR + 1).count(), 1);
        assert_eq!(daily(HOUR, start, start + HOUR).count(), 0);
    }
}
