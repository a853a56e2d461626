//! What happens at the same hour each day: a backup departs from the rest of the day, but not from its own habit.
//!
//! Invariant: what is learned today is compared with from tomorrow on.

use crate::DetectError;
use crate::state::{Reader, put_number, put_signed, put_sparse};

const HOURS: usize = 24;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// How much of a habit is left after a day without it.
const FADE: f32 = 0.5;

/// Highest scores by hour of day.
#[derive(Debug, Default)]
pub struct Habit {
    /// The last day that anything was learned.
    day: i64,
    before: [f32; HOURS],
    today: [f32; HOURS],
}

impl Habit {
    /// The highest score of days before at this hour, an hour more or less.
    pub fn usual(&self, time: i64) -> f32 {
        let hour = hour(time);
        let of = |hour: usize| {
            let today = if time.div_euclid(DAY) > self.day { self.today[hour] } else { 0.0 };
            self.before[hour].max(today)
        };
        of(hour).max(of((hour + 1) % HOURS)).max(of((hour + HOURS - 1) % HOURS))
    }

    /// Remembers a score.
    pub fn learn(&mut self, time: i64, score: f32) {
        let day = time.div_euclid(DAY);
        if day > self.day {
            for (before, today) in self.before.iter_mut().zip(&mut self.today) {
                *before = (*before * FADE).max(*today);
                *today = 0.0;
            }
            self.day = day;
        }
        let today = &mut self.today[hour(time)];
        *today = today.max(score);
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_signed(out, self.day);
        put_number(out, HOURS as u64);
        put_sparse(out, &self.before);
        put_sparse(out, &self.today);
    }

    /// Reads what [`Habit::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut habit = Habit { day: from.signed()?, ..Habit::default() };
        if from.number()? != HOURS as u64 {
            return Err(from.corrupt("habit of another number of hours"));
        }
        from.sparse(&mut habit.before)?;
        from.sparse(&mut habit.today)?;
        Ok(habit)
    }
}

fn hour(time: i64) -> usize {
    (time.rem_euclid(DAY) / HOUR) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_news_on_its_first_day_and_habit_on_the_next() {
        let mut habit = Habit::default();
        let at = |day: i64, hour: i64| 20_000 * DAY + day * DAY + hour * HOUR;
        habit.learn(at(0, 14), 9.0);
        assert_eq!(habit.usual(at(0, 14)), 0.0);
        assert_eq!(habit.usual(at(1, 14)), 9.0);
        assert_eq!(habit.usual(at(1, 15)), 9.0);
        assert_eq!(habit.usual(at(1, 17)), 0.0);
        habit.learn(at(1, 3), 5.0);
        habit.learn(at(2, 3), 5.0);
        assert_eq!(habit.usual(at(2, 14)), 4.5, "a day without it fades it");
    }
}
