//! Time: the machine's, for cadences, and a task's, from ticks.
//!
//! This is the only place in the workspace that asks the machine for the time. Nothing that reaches an output may
//! depend on it: what jobs see is the [`TaskClock`], a function of the task's log.

use schemas::signal::Tick;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The grid on which output is ordered across tasks, milliseconds.
pub const ROUND_MS: i64 = 250;

/// How long a raw partition may stand still while others move on before it stops counting, milliseconds.
pub const RETIRE_AFTER_MS: i64 = 5 * 60 * 1000;

/// The machine's time, or a test's.
pub trait WallClock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_millis(&self) -> i64;
    /// Time that never goes back, from an arbitrary start.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts the monotonic part now.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn new() -> Self {
        SystemClock { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl WallClock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now_millis(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told, or by a fixed step with every question.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    step: i64,
}

impl ManualClock {
    /// Starts at `now` and advances by `step` milliseconds each time it is asked.
    pub fn new(now: i64, step: i64) -> Self {
        ManualClock { now: AtomicI64::new(now), step }
    }

    /// Moves the clock.
    pub fn advance(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }
}

impl WallClock for ManualClock {
    fn now_millis(&self) -> i64 {
        self.now.fetch_add(self.step, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now_millis()).unwrap_or(0))
    }
}

/// A task's time: the minimum over the live raw partitions of how far they have been read.
///
/// Invariant: never goes back, and is a function of the task's log only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClock {
    positions: BTreeMap<String, Position>,
    now: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    up_to: i64,
    /// Where the furthest partition stood when this one last moved.
    moved_at: i64,
}

impl TaskClock {
    /// The task's time, milliseconds; 0 before the first tick.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The round of the task's time: the time on a 250 ms grid.
    pub fn round(&self) -> i64 {
        self.now - self.now.rem_euclid(ROUND_MS)
    }

    /// Takes in a tick; true when the clock has moved.
    ///
    /// A raw partition enters when first named and leaves when a tick retires it, or when it has not moved for
    /// [`RETIRE_AFTER_MS`] of the others' progress.
    pub fn observe(&mut self, tick: &Tick<'_>) -> bool {
        let mut furthest = self.positions.values().map(|p| p.up_to).max().unwrap_or(0);
        for position in &tick.positions {
            let name = format!("{}/{}", position.topic, position.partition);
            if position.retired {
                self.positions.remove(&name);
                continue;
            }
            furthest = furthest.max(position.up_to);
            let known = self.positions.entry(name).or_insert(Position { up_to: i64::MIN, moved_at: furthest });
            if position.up_to > known.up_to {
                *known = Position { up_to: position.up_to, moved_at: furthest };
            }
        }
        self.positions.retain(|_, p| furthest - p.moved_at <= RETIRE_AFTER_MS);
        let slowest = self.positions.values().map(|p| p.up_to).min().unwrap_or(self.now);
        let moved = slowest > self.now;
        self.now = self.now.max(slowest);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::signal::TickPosition;

    fn tick(positions: &[(&'static str, i32, i64)]) -> Tick<'static> {
        Tick {
            positions: positions
                .iter()
                .map(|&(topic, partition, up_to)| TickPosition {
                    topic: topic.into(),
                    partition,
                    up_to,
                    retired: false,
                })
                .collect(),
        }
    }

    #[test]
    fn the_clock_is_the_slowest_partition_and_never_goes_back() {
        let mut clock = TaskClock::default();
        assert!(clock.observe(&tick(&[("a", 0, 1_000), ("b", 0, 600)])));
        assert_eq!((clock.now(), clock.round()), (600, 500));
        assert!(!clock.observe(&tick(&[("a", 0, 2_000)])));
        assert!(!clock.observe(&tick(&[("b", 0, 100)])), "an older position does not move it back");
        assert!(clock.observe(&tick(&[("b", 0, 1_500)])));
        assert_eq!(clock.now(), 1_500);
    }

    #[test]
    fn a_partition_that_enters_late_does_not_move_the_clock_back() {
        let mut clock = TaskClock::default();
        clock.observe(&tick(&[("a", 0, 10_000)]));
        assert!(!clock.observe(&tick(&[("b", 0, 500)])));
        assert_eq!(clock.now(), 10_000);
    }

    #[test]
    fn a_partition_that_stands_still_or_is_retired_stops_counting() {
        let mut clock = TaskClock::default();
        clock.observe(&tick(&[("a", 0, 1_000), ("b", 0, 1_000)]));
        clock.observe(&tick(&[("a", 0, 1_000 + RETIRE_AFTER_MS)]));
        assert_eq!(clock.now(), 1_000);
        clock.observe(&tick(&[("a", 0, 1_001 + RETIRE_AFTER_MS)]));
        assert_eq!(clock.now(), 1_001 + RETIRE_AFTER_MS);

        let mut clock = TaskClock::default();
        clock.observe(&tick(&[("a", 0, 5_000), ("b", 0, 1_000)]));
        let retire =
            Tick { positions: vec![TickPosition { topic: "b".into(), partition: 0, up_to: 0, retired: true }] };
        assert!(clock.observe(&retire));
        assert_eq!(clock.now(), 5_000);
    }
}
