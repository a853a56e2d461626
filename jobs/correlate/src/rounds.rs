//! Holding records until their round is complete, so that what comes out depends on the set of records only.
//!
//! Many tasks of detect write one partition; their order there is the timing of transactions. A round is complete when
//! every task has told that its clock has passed it, and is then taken in the order of task and number. A task that has
//! not moved for long is not waited for; what it tells later counts in the round that is then the earliest.
//!
//! Invariant: rounds are given out in ascending order, each once.

use engine::clock::TaskClock;
use schemas::signal::{Tick, TickPosition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who told something, and where it stands in its output: partition of the task, number.
pub type Place = (i32, i64);

/// Records whose round may not be complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    held: BTreeMap<i64, BTreeMap<Place, Vec<u8>>>,
    bytes: usize,
    /// Everything before this round has been given out.
    complete: i64,
    /// Number of tasks there are, as their records say.
    tasks: i32,
    /// Records that came after their round had been given out.
    pub late: u64,
}

impl Rounds {
    /// Keeps a record until its round is complete.
    pub fn hold(&mut self, round: i64, place: Place, record: &[u8]) {
        let late = round < self.complete;
        self.late += u64::from(late);
        self.bytes += record.len();
        self.held.entry(round.max(self.complete)).or_default().insert(place, record.to_vec());
    }

    /// Learns how far a task has come; every other task is waited for from the first time on.
    pub fn hear(&mut self, clock: &mut TaskClock, job: &str, partition: i32, tasks: i32, up_to: i64) {
        let position =
            |partition, up_to| TickPosition { topic: job.to_owned().into(), partition, up_to, retired: false };
        let mut positions = vec![position(partition, up_to)];
        if self.tasks != tasks {
            self.tasks = tasks;
            positions.extend((0..tasks).filter(|other| *other != partition).map(|other| position(other, i64::MIN)));
        }
        clock.observe(&Tick { positions });
    }

    /// Tasks that are not waited for, as the clock has it.
    pub fn unheard(&self, clock: &TaskClock) -> i32 {
        (self.tasks - i32::try_from(clock.sources()).unwrap_or(i32::MAX)).max(0)
    }

    /// The rounds that are complete now: from the first that has not been given out, to the end.
    pub fn complete(&mut self, clock: &TaskClock) -> (i64, i64) {
        let until = clock.round().max(self.complete);
        let from = std::mem::replace(&mut self.complete, until);
        // Before the first tick there was no time, and so no rounds to go through.
        (if from == 0 { until } else { from }, until)
    }

    /// The first round before `until` for which there are records.
    pub fn next(&self, until: i64) -> Option<i64> {
        self.held.first_key_value().map(|(round, _)| *round).filter(|round| *round < until)
    }

    /// The records of a round, sorted by task and number.
    pub fn take(&mut self, round: i64) -> Vec<(Place, Vec<u8>)> {
        let records: Vec<_> = self.held.remove(&round).unwrap_or_default().into_iter().collect();
        self.bytes -= records.iter().map(|(_, record)| record.len()).sum::<usize>();
        records
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.bytes + 64 * self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds() -> (Rounds, TaskClock) {
        (Rounds::default(), TaskClock::default())
    }

    #[test]
    fn a_round_is_complete_when_every_task_has_passed_it() {
        let (mut rounds, mut clock) = rounds();
        rounds.hear(&mut clock, "detect", 0, 2, 1_000_000);
        assert_eq!(rounds.complete(&clock), (0, 0), "nothing is known of the other one");
        rounds.hold(1_000_000, (0, 1), b"a");
        rounds.hear(&mut clock, "detect", 1, 2, 1_000_600);
        assert_eq!(rounds.complete(&clock), (1_000_000, 1_000_000));
        assert_eq!(rounds.next(1_000_000), None);
        rounds.hear(&mut clock, "detect", 0, 2, 1_000_300);
        let (_, until) = rounds.complete(&clock);
        assert_eq!((until, rounds.next(until)), (1_000_250, Some(1_000_000)));
        assert_eq!(rounds.take(1_000_000), [((0, 1), b"a".to_vec())]);
        assert_eq!(rounds.heap_bytes(), 0);
    }

    #[test]
    fn records_of_a_round_come_in_the_order_of_task_and_number_however_they_came() {
        for order in [[(1, 5), (0, 9), (0, 2)], [(0, 2), (0, 9), (1, 5)]] {
            let (mut rounds, _) = rounds();
            order.iter().for_each(|place| rounds.hold(250, *place, b"x"));
            let places: Vec<Place> = rounds.take(250).into_iter().map(|(place, _)| place).collect();
            assert_eq!(places, [(0, 2), (0, 9), (1, 5)]);
        }
    }

    #[test]
    fn a_task_that_stands_still_is_waited_for_only_so_long_and_counted() {
        let (mut rounds, mut clock) = rounds();
        rounds.hear(&mut clock, "detect", 0, 2, 1_000_000);
        rounds.hear(&mut clock, "detect", 1, 2, 1_000_000);
        let later = 1_000_001 + engine::clock::RETIRE_AFTER_MS;
        rounds.hear(&mut clock, "detect", 0, 2, later);
        assert_eq!((rounds.unheard(&clock), rounds.complete(&clock).1), (1, later - later.rem_euclid(250)));
        rounds.hold(1_000_000, (1, 3), b"late");
        assert_eq!((rounds.late, rounds.next(i64::MAX)), (1, Some(later - later.rem_euclid(250))));
    }
}
