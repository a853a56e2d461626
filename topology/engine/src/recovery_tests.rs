//! Every case recovery may find.

use super::*;
use crate::clock::TaskClock;

fn task() -> TaskId {
    TaskId { job: "detect".into(), topic: "signals".into(), partition: 3 }
}

fn logic(revision: i32) -> Logic {
    Logic { semantics: 1, revision, hash: -7 }
}

fn metadata(out_seq: i64) -> CommitMetadata {
    CommitMetadata { out_seq, digest: Digest::default(), clock: 5, logic: logic(1), first_offset: 10, topic_id: 1 }
}

fn state(offset: i64, place: Place) -> Candidate {
    let marker = Marker {
        task: task(),
        topic_id: 1,
        offset,
        first_offset: 10,
        out_seq: 4,
        digest: Digest::default(),
        clock: TaskClock::default(),
        logic: logic(1),
    };
    Candidate { marker, place }
}

fn checkpoint(offset: i64) -> Candidate {
    state(offset, Place::Checkpoint(format!("{offset}.snap")))
}

fn found(committed: Option<i64>, candidates: Vec<Candidate>) -> Found {
    Found {
        task: task(),
        logic: logic(1),
        topic_id: 1,
        log_start: 0,
        log_end: 1000,
        committed: committed.map(|offset| (offset, metadata(9).to_string())),
        stateful: true,
        candidates,
        accept_reset: false,
    }
}

fn verify() -> Verify {
    Verify::Published { out_seq: 9, digest: Digest::default() }
}

#[test]
fn metadata_survives_its_text_form_and_stays_within_kafkas_limit() {
    let written = CommitMetadata { out_seq: i64::MAX, clock: i64::MIN, topic_id: u64::MAX, ..metadata(0) };
    assert_eq!(written.to_string().parse(), Ok(written));
    assert!(written.to_string().len() < 4096);
}

#[test]
fn nothing_found_starts_at_the_logs_start() {
    let plan = decide(&Found { log_start: 40, ..found(None, vec![]) }).unwrap();
    assert_eq!((plan.offset, plan.committed, plan.first_offset, plan.verify), (40, 40, 40, Verify::Nothing));
}

#[test]
fn the_newest_state_at_or_before_the_commit_is_used_and_local_wins_a_draw() {
    let candidates = vec![checkpoint(100), state(300, Place::Local), checkpoint(300)];
    let plan = decide(&found(Some(500), candidates)).unwrap();
    assert_eq!(plan.from, Some(state(300, Place::Local)));
    assert_eq!((plan.offset, plan.committed, plan.verify), (300, 500, verify()));
    let plan = decide(&found(Some(500), vec![checkpoint(400), state(300, Place::Local)])).unwrap();
    assert_eq!(plan.from, Some(checkpoint(400)));
}

#[test]
fn without_state_the_log_is_replayed_from_where_the_task_began() {
    let plan = decide(&found(Some(500), vec![])).unwrap();
    assert_eq!((plan.from, plan.offset, plan.committed), (None, 10, 500));
    let truncated = Found { log_start: 11, ..found(Some(500), vec![]) };
    assert_eq!(decide(&truncated), Err(Stop::LogTruncated { needed: 10, log_start: 11 }));
}

#[test]
fn a_log_truncated_below_the_newest_state_stops() {
    let truncated = Found { log_start: 301, ..found(Some(500), vec![state(300, Place::Local)]) };
    assert_eq!(decide(&truncated), Err(Stop::LogTruncated { needed: 300, log_start: 301 }));
    let plan = decide(&Found { accept_reset: true, ..truncated }).unwrap();
    assert_eq!((plan.offset, plan.committed), (500, 500), "nothing is published twice");
    assert!(matches!(plan.verify, Verify::Handover { out_seq: 9, .. }), "the numbering goes on");
    assert!(matches!(plan.given_up, Some(Stop::LogTruncated { .. })), "and it is said");
}

#[test]
fn a_task_without_state_needs_no_record_before_its_commit() {
    let reader = Found { stateful: false, log_start: 500, ..found(Some(500), vec![]) };
    assert_eq!(decide(&reader).unwrap().committed, 500);
    let unread = Found { log_start: 501, ..reader };
    assert_eq!(decide(&unread), Err(Stop::LogTruncated { needed: 500, log_start: 501 }));
    let plan = decide(&Found { accept_reset: true, ..unread }).unwrap();
    assert_eq!((plan.offset, plan.committed), (501, 501));
}

#[test]
fn state_without_a_committed_offset_stops() {
    let lost = found(None, vec![state(300, Place::Local)]);
    assert_eq!(decide(&lost), Err(Stop::NoCommittedOffset { state: 300 }));
    let plan = decide(&Found { accept_reset: true, ..lost }).unwrap();
    assert_eq!((plan.from, plan.offset), (None, 0));
}

#[test]
fn a_committed_offset_that_went_back_stops() {
    let back = found(Some(200), vec![state(300, Place::Local)]);
    assert_eq!(decide(&back), Err(Stop::CommittedWentBack { state: 300, committed: 200 }));
}

#[test]
fn foreign_metadata_foreign_state_and_a_recreated_topic_stop() {
    let foreign = Found { committed: Some((5, "kafka-streams".into())), ..found(None, vec![]) };
    assert_eq!(decide(&foreign), Err(Stop::ForeignMetadata { found: "kafka-streams".into() }));
    let mut other = state(300, Place::Local);
    other.marker.task.partition = 4;
    assert!(matches!(decide(&found(Some(500), vec![other])), Err(Stop::ForeignState { .. })));
    let recreated = Found { topic_id: 2, ..found(Some(500), vec![]) };
    assert_eq!(decide(&recreated), Err(Stop::TopicRecreated { before: 1, now: 2 }));
    let recreated = Found { topic_id: 2, ..found(None, vec![state(300, Place::Local)]) };
    assert_eq!(decide(&recreated), Err(Stop::TopicRecreated { before: 1, now: 2 }));
}

#[test]
fn a_commit_beyond_the_end_of_the_log_stops() {
    let lost = Found { log_end: 499, ..found(Some(500), vec![]) };
    assert_eq!(decide(&lost), Err(Stop::BeyondEnd { committed: 500, log_end: 499 }));
}

#[test]
fn another_logic_is_a_handover_and_a_newer_one_stops() {
    let ours_is_newer = Found { logic: logic(2), ..found(Some(500), vec![state(300, Place::Local)]) };
    let plan = decide(&ours_is_newer).unwrap();
    assert_eq!((plan.offset, plan.committed), (300, 500));
    assert!(matches!(plan.verify, Verify::Handover { from, .. } if from == logic(1)));
    let ours_is_older = Found { logic: logic(0), accept_reset: true, ..found(Some(500), vec![]) };
    assert!(matches!(decide(&ours_is_older), Err(Stop::NewerLogic { .. })), "not even when resets are accepted");
    let same_order = Found { logic: Logic { hash: 1, ..logic(1) }, ..found(Some(500), vec![]) };
    assert!(matches!(decide(&same_order).unwrap().verify, Verify::Handover { .. }));
}

#[test]
fn state_of_another_semantics_version_is_not_read() {
    let newer = Logic { semantics: 2, ..logic(1) };
    let plan = decide(&Found { logic: newer, ..found(Some(500), vec![state(300, Place::Local)]) }).unwrap();
    assert_eq!((plan.from, plan.offset), (None, 10));
}
