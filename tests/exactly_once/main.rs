//! Exactly once: whatever is killed, the output of each task is byte for byte what an undisturbed run gives.
//!
//! The environment is in memory and every port call is a point at which the process may die, before or after the call
//! took effect. Each test is one row of the claim in the README. Against a real Kafka ([`kafka`]) processes and brokers
//! are killed at random moments instead.

mod bench;
#[path = "../installation/mod.rs"]
mod installation;
mod kafka;
mod reader;
mod scorer;
mod tally;
mod weaver;

use bench::{Bench, Cadence, Disturbance};
use reader::Reader;
use scorer::Scorer;
use tally::Tally;
use weaver::Weaver;

/// Batch, epoch, flush and checkpoint sizes that cut the log differently.
const CADENCES: [Cadence; 3] = [
    Cadence { poll: 7, epoch: 3, flush_millis: 40, checkpoint_millis: 90, cache_bytes: 1 << 20 },
    Cadence { poll: 1, epoch: 1, flush_millis: 1, checkpoint_millis: 30, cache_bytes: 1 << 20 },
    Cadence { poll: 64, epoch: 10, flush_millis: 200, checkpoint_millis: 100_000, cache_bytes: 900 },
];

/// The same for detect, whose values are larger and whose log is longer.
const DETECT: [Cadence; 2] = [
    Cadence { poll: 200, epoch: 30, flush_millis: 60, checkpoint_millis: 150, cache_bytes: 1 << 30 },
    Cadence { poll: 500, epoch: 100, flush_millis: 900, checkpoint_millis: 1500, cache_bytes: 100_000 },
];

#[test]
fn a_crash_before_or_after_any_port_call_changes_no_byte() {
    let bench = Bench::of_tallies(4, 48);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    undisturbed.assert_numbered_without_gaps();
    tally::assert_every_input_once(&undisturbed, 4 * 48);
    let mut crashes = 0;
    for cadence in CADENCES {
        for lanes in [1, 2, 4] {
            let points = bench.count_points(&Tally::default(), cadence, lanes);
            assert!(points > 200, "a run of {points} port calls proves little");
            for point in 1..=points {
                let crashed = bench.run(&Tally::default(), cadence, lanes, Disturbance::CrashAt(point));
                crashed.assert_same(&undisturbed, &format!("{lanes} lanes, {cadence:?}, crash at point {point}"));
                crashes += 1;
            }
        }
    }
    println!("{crashes} crashes, every one at another port call; no byte differs");
}

#[test]
fn local_state_is_never_ahead_of_committed_output() {
    let bench = Bench::of_tallies(2, 48);
    let cadence = CADENCES[1];
    for point in (1..bench.count_points(&Tally::default(), cadence, 2)).step_by(3) {
        let stopped = bench.run_until(&Tally::default(), cadence, 2, point);
        for marker in stopped.markers() {
            let committed = stopped.committed(&marker.task);
            assert!(marker.offset <= committed, "state at {} but committed at {committed}", marker.offset);
        }
    }
}

#[test]
fn lost_state_and_deleted_checkpoints_change_no_byte() {
    let bench = Bench::of_tallies(4, 48);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    for cadence in CADENCES {
        let points = bench.count_points(&Tally::default(), cadence, 2);
        for point in (1..=points).step_by(5) {
            for disturbance in [
                Disturbance::CrashAndWipeState(point),
                Disturbance::CrashAndWipeCheckpoints(point),
                Disturbance::CrashAndWipeEverything(point),
            ] {
                let crashed = bench.run(&Tally::default(), cadence, 2, disturbance);
                crashed.assert_same(&undisturbed, &format!("{cadence:?}, {disturbance:?}"));
            }
        }
    }
}

#[test]
fn beyond_retention_checkpoints_alone_bring_a_task_back() {
    let bench = Bench::of_tallies(4, 96);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    let points = bench.count_points(&Tally::default(), CADENCES[0], 2);
    let mut truncated = 0;
    for point in (1..=points).step_by(11) {
        let disturbance = Disturbance::CrashAndWipeStateBeyondRetention(point);
        let run = bench.run(&Tally::default(), CADENCES[0], 2, disturbance);
        run.assert_same(&undisturbed, &format!("{disturbance:?}"));
        truncated += u32::from(run.was_truncated());
    }
    assert!(truncated > 20, "only {truncated} runs lost the beginning of their log");
}

#[test]
fn a_second_crash_during_recovery_changes_no_byte() {
    let bench = Bench::of_tallies(2, 48);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    let points = bench.count_points(&Tally::default(), CADENCES[0], 2);
    for first in (points / 3..points).step_by(17) {
        for second in (1..120).step_by(3) {
            let crashed = bench.run(&Tally::default(), CADENCES[0], 2, Disturbance::CrashTwice(first, second));
            crashed.assert_same(&undisturbed, &format!("crashes at {first} and then {second}"));
        }
    }
}

#[test]
fn output_does_not_depend_on_lanes_batches_flushes_or_checkpoints() {
    let bench = Bench::of_tallies(4, 200);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    for cadence in CADENCES {
        for lanes in [1, 2, 3, 4] {
            let run = bench.run(&Tally::default(), cadence, lanes, Disturbance::None);
            run.assert_same(&undisturbed, &format!("{lanes} lanes, {cadence:?}"));
        }
    }
}

#[test]
fn lanes_that_join_and_leave_change_no_byte() {
    let bench = Bench::of_tallies(4, 120);
    let undisturbed = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::None);
    for at in (1..60).step_by(2) {
        for disturbance in [Disturbance::LaneJoins(at), Disturbance::LaneLeaves(at), Disturbance::LaneIsReplaced(at)] {
            let run = bench.run(&Tally::default(), CADENCES[0], 2, disturbance);
            run.assert_same(&undisturbed, &format!("{disturbance:?}"));
        }
    }
}

#[test]
fn truncating_the_future_never_changes_the_past() {
    let whole = Bench::of_tallies(3, 90);
    let all = whole.run(&Tally::default(), CADENCES[0], 2, Disturbance::None);
    for length in [1, 7, 30, 61, 89] {
        let prefix = Bench::of_tallies(3, length).run(&Tally::default(), CADENCES[2], 1, Disturbance::None);
        prefix.assert_prefix_of(&all);
    }
}

#[test]
fn a_planted_nondeterminism_is_caught_by_the_digest_and_said() {
    let bench = Bench::of_tallies(2, 48);
    let points = bench.count_points(&Tally::default(), CADENCES[0], 1);
    let (mut caught, mut resynchronised) = (0, 0);
    for point in (points / 2..points).step_by(7) {
        let run = bench.run(&Tally::nondeterministic(), CADENCES[0], 1, Disturbance::CrashAndWipeState(point));
        caught += run.divergences;
        resynchronised += tally::count(&run, "resync");
        run.assert_numbered_without_gaps();
    }
    assert!(caught > 0, "no divergence was counted");
    assert_eq!(caught, resynchronised as u64, "every divergence is announced to the readers");
}

#[test]
fn a_changed_logic_is_a_handover_that_loses_nothing_and_repeats_nothing() {
    let bench = Bench::of_tallies(2, 60);
    let points = bench.count_points(&Tally::default(), CADENCES[0], 1);
    for point in (points / 3..points).step_by(9) {
        let run = bench.run(&Tally::default(), CADENCES[0], 1, Disturbance::CrashAndChangeLogic(point));
        run.assert_numbered_without_gaps();
        tally::assert_every_input_once(&run, 120);
        assert!(tally::count(&run, "handover") <= 2, "each task hands over once");
    }
}

#[test]
fn detect_gives_the_same_anomalies_whatever_is_killed() {
    let scorer = Scorer::new();
    let undisturbed = scorer.bench.run(&scorer, DETECT[0], 1, Disturbance::None);
    undisturbed.assert_numbered_without_gaps();
    let anomalies = scorer::anomalies(&undisturbed);
    assert!(anomalies > 20, "a run with {anomalies} anomalies proves little");
    for (cadence, lanes) in [(DETECT[0], 2), (DETECT[1], 4)] {
        let points = scorer.bench.count_points(&scorer, cadence, lanes);
        for (at, point) in (1..=points).step_by(points as usize / 30).enumerate() {
            let disturbance = match at % 4 {
                0 => Disturbance::CrashAt(point),
                1 => Disturbance::CrashAndWipeState(point),
                2 => Disturbance::CrashAndWipeCheckpoints(point),
                _ => Disturbance::CrashTwice(point, point / 3 + 1),
            };
            let crashed = scorer.bench.run(&scorer, cadence, lanes, disturbance);
            crashed.assert_same(&undisturbed, &format!("{lanes} lanes, {cadence:?}, {disturbance:?}"));
        }
    }
}

#[test]
fn ingest_accounts_for_every_record_once_whatever_is_killed() {
    let reader = Reader::new();
    let undisturbed = reader.bench.run(&reader, CADENCES[0], 1, Disturbance::None);
    assert_eq!(undisturbed.tasks.values().map(Vec::len).sum::<usize>(), Reader::usable());
    for (cadence, lanes) in [(CADENCES[0], 1), (CADENCES[1], 3), (CADENCES[2], 2)] {
        let points = reader.bench.count_points(&reader, cadence, lanes);
        for point in (1..=points).step_by(3) {
            let crashed = reader.bench.run(&reader, cadence, lanes, Disturbance::CrashAt(point));
            crashed.assert_same(&undisturbed, &format!("{lanes} lanes, {cadence:?}, crash at point {point}"));
        }
    }
}

#[test]
fn correlate_gives_the_same_incidents_whatever_is_killed() {
    let weaver = Weaver::new(1);
    let undisturbed = weaver.bench.run(&weaver, DETECT[0], 1, Disturbance::None);
    undisturbed.assert_numbered_without_gaps();
    let states = weaver::states(&undisturbed);
    println!("{states:?}");
    assert!(states.len() >= 4, "a run with {states:?} proves little");
    for (cadence, lanes) in [(DETECT[0], 1), (CADENCES[0], 2)] {
        let points = weaver.bench.count_points(&weaver, cadence, lanes);
        for (at, point) in (1..=points).step_by(points as usize / 10).enumerate() {
            let disturbance = match at % 4 {
                0 => Disturbance::CrashAt(point),
                1 => Disturbance::CrashAndWipeState(point),
                2 => Disturbance::CrashAndWipeCheckpoints(point),
                _ => Disturbance::CrashTwice(point, point / 3 + 1),
            };
            let crashed = weaver.bench.run(&weaver, cadence, lanes, disturbance);
            crashed.assert_same(&undisturbed, &format!("{lanes} lanes, {cadence:?}, {disturbance:?}"));
        }
    }
}

#[test]
fn the_order_in_which_detects_tasks_write_changes_no_incident() {
    let weaver = Weaver::new(1);
    let first = weaver.bench.run(&weaver, DETECT[0], 1, Disturbance::None);
    for seed in 2..12 {
        let weaver = Weaver::new(seed);
        let other = weaver.bench.run(&weaver, DETECT[1], 2, Disturbance::None);
        other.assert_same(&first, &format!("order {seed}"));
    }
}
