//! What an estate is made from.

use crate::roster::FEWEST_WORKLOADS;
use std::time::Duration;

/// The size and seed of an estate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Days of event time, 1 to 60; the last half day holds the story.
    pub days: u32,
    /// Time between two scrapes, 10 s to 10 min, in whole seconds.
    pub scrape_interval: Duration,
    /// First moment of the estate, milliseconds since the Unix epoch, on a whole minute.
    pub start_time: i64,
    /// Number of workloads, 8 to 1,000.
    pub workloads: usize,
    /// Partitions of each raw topic, 1 to 1,000.
    pub partitions: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            seed: 1,
            days: 3,
            scrape_interval: Duration::from_secs(60),
            // 2026-03-02T00:00:00Z, a Monday.
            start_time: 1_772_409_600_000,
            workloads: 30,
            partitions: 4,
        }
    }
}

/// A plan that no estate can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Too short or too long.
    #[error("days: {0} is outside the allowed 1 to 60")]
    Days(u32),
    /// Scrapes too close, too far apart, or not on whole seconds.
    #[error("scrape_interval: {0:?} is not a whole number of seconds from 10 s to 10 min")]
    ScrapeInterval(Duration),
    /// Not on a minute, or too early or late for nanoseconds.
    #[error("start_time: {0} is not a whole minute in milliseconds between the years 1970 and 2200")]
    StartTime(i64),
    /// Too few for the story or too many.
    #[error("workloads: {0} is outside the allowed {FEWEST_WORKLOADS} to 1000")]
    Workloads(usize),
    /// None or too many.
    #[error("partitions: {0} is outside the allowed 1 to 1000")]
    Partitions(u32),
}

impl Plan {
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        // 2200-01-01T00:00:00Z.
        const LATEST: i64 = 7_258_118_400_000;
        let interval = self.scrape_interval;
        if !(1..=60).contains(&self.days) {
            return Err(PlanError::Days(self.days));
        }
        if interval.subsec_nanos() != 0 || !(10..=600).contains(&interval.as_secs()) {
            return Err(PlanError::ScrapeInterval(interval));
        }
        if !(0..LATEST).contains(&self.start_time) || self.start_time % 60_000 != 0 {
            return Err(PlanError::StartTime(self.start_time));
        }
        if !(FEWEST_WORKLOADS..=1_000).contains(&self.workloads) {
            return Err(PlanError::Workloads(self.workloads));
        }
        if !(1..=1_000).contains(&self.partitions) {
            return Err(PlanError::Partitions(self.partitions));
        }
        Ok(())
    }

    pub(crate) fn interval_ms(&self) -> i64 {
        // Checked to be at most ten minutes.
        self.scrape_interval.as_secs() as i64 * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_field_is_named_with_what_is_allowed() {
        let fault = |plan: Plan| plan.check().expect_err("the plan is bad").to_string();
        assert_eq!(fault(Plan { days: 0, ..Plan::default() }), "days: 0 is outside the allowed 1 to 60");
        assert_eq!(fault(Plan { workloads: 7, ..Plan::default() }), "workloads: 7 is outside the allowed 8 to 1000");
        assert!(fault(Plan { partitions: 0, ..Plan::default() }).starts_with("partitions: 0"));
        assert!(fault(Plan { start_time: 61_000, ..Plan::default() }).starts_with("start_time: 61000"));
        let interval = Duration::from_millis(1_500);
        assert!(fault(Plan { scrape_interval: interval, ..Plan::default() }).starts_with("scrape_interval: 1.5s"));
        assert_eq!(Plan::default().check(), Ok(()));
    }
}
