//! Holding records until their round is complete, so that what comes out depends on the set of records only.
//!
//! Many tasks of detect write one partition; their order there is the timing of transactions. A round is complete when
//! every task has told that its clock has passed it, and is then taken in the order of task and number. A task that has
//! told nothing for five minutes in which others have, by the times at which the log took their records, is not waited
//! for; what it tells later counts in the round that is then the earliest. By those times and not by the tasks' clocks: in
//! a backlog one task's clock may be days ahead of another's.
//!
//! Invariant: rounds are given out in ascending order, each once.

use engine::clock::{RETIRE_AFTER_MS, TaskClock};
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
    /// How far each task has come; one that is not waited for is not among them.
    tasks: BTreeMap<i32, Heard>,
    /// Number of tasks there are, as their records say.
    expected: i32,
    /// Records that came after their round had been given out.
    pub late: u64,
}

/// What a task told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    /// Everything before this time has been told.
    up_to: i64,
    /// When the log took the record that said so.
    at: i64,
}

impl Rounds {
    /// Keeps a record until its round is complete.
    pub fn hold(&mut self, round: i64, place: Place, record: &[u8]) {
        let late = round < self.complete;
        self.late += u64::from(late);
        self.bytes += record.len();
        self.held.entry(round.max(self.complete)).or_default().insert(place, record.to_vec());
    }

    /// Learns from a record of a task, taken by the log at a time, how far the task has come. Every other task is waited
    /// for from the first record on.
    pub fn hear(&mut self, clock: &mut TaskClock, task: i32, tasks: i32, up_to: i64, at: i64) {
        if self.expected != tasks {
            self.expected = tasks;
            self.tasks =
                (0..tasks).map(|task| (task, *self.tasks.get(&task).unwrap_or(&Heard { up_to: 0, at }))).collect();
        }
        let heard = self.tasks.entry(task).or_insert(Heard { up_to, at });
        *heard = Heard { up_to: heard.up_to.max(up_to), at: heard.at.max(at) };
        let latest = heard.at;
        self.tasks.retain(|_, heard| latest - heard.at <= RETIRE_AFTER_MS);
        let slowest = self.tasks.values().map(|heard| heard.up_to).min().unwrap_or(0);
        let position = TickPosition { topic: "tasks".into(), partition: 0, up_to: slowest, retired: false };
        clock.observe(&Tick { positions: vec![position] });
    }

    /// Tasks that are not waited for.
    pub fn unheard(&self) -> i32 {
        (self.expected - self.tasks.len() as i32).max(0)
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
        rounds.hear(&mut clock, 0, 2, 1_000_000, 1);
        assert_eq!(rounds.complete(&clock), (0, 0), "nothing is known of the other one");
        rounds.hold(1_000_000, (0, 1), b"a");
        rounds.hear(&mut clock, 1, 2, 1_000_600, 2);
        assert_eq!(rounds.complete(&clock), (1_000_000, 1_000_000));
        assert_eq!(rounds.next(1_000_000), None);
        rounds.hear(&mut clock, 0, 2, 1_000_300, 3);
        let (_, until) = rounds.complete(&clock);
        assert_eq!((until, rounds.next(until)), (1_000_250, Some(1_000_000)));
        assert_eq!(rounds.take(1_000_000), [((0, 1), b"a".to_vec())]);
        assert_eq!(rounds.heap_bytes(), 0);
    }

    #[test]
    fn in_a_backlog_a_task_far_ahead_waits_for_the_others() {
        let (mut rounds, mut clock) = rounds();
        rounds.hear(&mut clock, 1, 2, 1_000_000, 1);
        rounds.hear(&mut clock, 0, 2, 9_000_000_000, 2);
        assert_eq!((rounds.complete(&clock).1, rounds.unheard()), (1_000_000, 0));
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
        rounds.hear(&mut clock, 0, 2, 1_000_000, 1);
        rounds.hear(&mut clock, 1, 2, 1_000_000, 1);
        rounds.hear(&mut clock, 0, 2, 2_000_000, 1 + RETIRE_AFTER_MS);
        assert_eq!((rounds.unheard(), rounds.complete(&clock).1), (0, 1_000_000));
        rounds.hear(&mut clock, 0, 2, 2_000_250, 2 + RETIRE_AFTER_MS);
        assert_eq!((rounds.unheard(), rounds.complete(&clock).1), (1, 2_000_250));
        rounds.hold(1_000_000, (1, 3), b"late");
        assert_eq!((rounds.late, rounds.next(i64::MAX)), (1, Some(2_000_250)));
    }
}
