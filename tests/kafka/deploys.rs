//! Deployments and scaling: another logic, more and fewer processes.

use super::site::{Process, Site};
use crate::installation::{Life, texts};
use engine::clock::WallClock as _;
use topics::declared::ANOMALIES;

const DETECT: [&str; 2] = ["run", "detect"];

fn process(ordinal: usize, revision: i32) -> Process {
    Process { ordinal, revision, protocol: "classic" }
}

fn end(life: Life) {
    life.terminate();
    let (_, output) = life.wait();
    assert!(output.status.success(), "a process asked to end: {}", texts(&output).1);
}

#[test]
fn a_rolling_deployment_of_another_logic_hands_each_task_over_once() {
    let Some(kafka) = super::cluster() else { return };
    let site = Site::with_signals(&kafka.bootstrap(), 4_000);
    let mut lives: Vec<Life> = (0..3).map(|ordinal| site.start(process(ordinal, 0), &DETECT)).collect();
    site.until("the old logic has read everything", || site.lag() == 0);
    for ordinal in 0..3 {
        end(lives.remove(0));
        lives.push(site.start(process(ordinal, 1), &DETECT));
    }
    site.write(2_000);
    site.done(process(0, 1), &["run", "ingest", "--until-complete"]);
    site.until("every task is handed over", || site.handovers().len() == 6);
    site.until("the new logic has read everything", || site.lag() == 0);
    lives.into_iter().for_each(end);
    for (task, handovers) in site.handovers() {
        // Each partition of anomalies is told once, by whoever writes to it.
        assert_eq!(handovers, vec![(0, 1); ANOMALIES.partitions as usize], "task {task}: one handover, forwards");
    }
}

#[test]
fn a_process_of_an_older_logic_does_not_take_a_task_back() {
    let Some(kafka) = super::cluster() else { return };
    let site = Site::with_signals(&kafka.bootstrap(), 1_000);
    site.done(process(0, 1), &["run", "detect", "--until-complete"]);
    let said = site.stopped(process(0, 0), &["run", "detect", "--until-complete"]);
    assert!(said.contains("newer logic 2.1") && said.contains("run the newer program"), "{said}");
    assert!(site.handovers().is_empty());
}

#[test]
fn processes_that_come_and_go_under_load_keep_up_and_lose_nothing() {
    let Some(kafka) = super::cluster() else { return };
    for protocol in ["classic", "consumer"] {
        let site = Site::with_signals(&kafka.bootstrap(), 3_000);
        let detect = |ordinal| site.start(Process { protocol, ..process(ordinal, 0) }, &DETECT);
        let first = detect(0);
        site.until("one process keeps up", || site.lag() == 0);
        let (second, third) = (detect(1), detect(2));
        let moved = site.clock.monotonic();
        site.write(3_000);
        site.done(process(0, 0), &["run", "ingest", "--until-complete"]);
        site.until("three processes keep up", || site.lag() == 0);
        println!("{protocol}: 1 to 3 processes and {} ms until no lag", (site.clock.monotonic() - moved).as_millis());
        end(third);
        let moved = site.clock.monotonic();
        site.write(1_500);
        site.done(process(0, 0), &["run", "ingest", "--until-complete"]);
        site.until("two processes keep up", || site.lag() == 0);
        println!("{protocol}: 3 to 2 processes and {} ms until no lag", (site.clock.monotonic() - moved).as_millis());
        [first, second].into_iter().for_each(end);
        // Numbered without gaps, or this fails.
        assert!(!site.published().is_empty());
    }
}
