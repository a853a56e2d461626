//! Where recovery stops on Kafka rather than guess, and goes on when that is accepted.

use super::site::{Process, Site};
use engine::lane::group_of;
use engine::log::TopicPartition;
use topics::declared::SIGNALS;

const ONE: Process = Process { ordinal: 0, revision: 0, protocol: "classic" };
const DETECT: [&str; 3] = ["run", "detect", "--until-complete"];
const ACCEPTED: [&str; 4] = ["run", "detect", "--until-complete", "--accept-reset"];

fn learned() -> Option<Site> {
    let site = Site::with_signals(&super::cluster()?.bootstrap(), 3_000);
    site.done(ONE, &DETECT);
    assert_eq!(site.lag(), 0, "everything is read, gaps included");
    Some(site)
}

#[test]
fn a_consumer_group_that_was_reset_stops_until_it_is_accepted() {
    let Some(site) = learned() else { return };
    let before = site.published();
    for partition in 0..6 {
        let at = TopicPartition::new(SIGNALS.name, partition);
        site.log.forget_committed(&group_of("detect"), &at).expect("a stopped group's offsets can be deleted");
    }
    let said = site.stopped(ONE, &DETECT);
    assert!(said.contains("no committed offset") && said.contains("--accept-reset"), "{said}");
    let log = site.done(ONE, &ACCEPTED);
    assert!(log.contains("accepted reset"), "{log}");
    assert_eq!(site.lag(), 0);
    let after = site.log.bounds(&TopicPartition::new(topics::declared::ANOMALIES.name, 0)).expect("it is there");
    assert!(after.end > 0 && !before.is_empty());
}

#[test]
fn an_input_topic_that_was_deleted_and_made_anew_stops() {
    let Some(site) = learned() else { return };
    site.log.delete_topic(SIGNALS.name).expect("the topic can be deleted");
    site.done(ONE, &["topics", "apply"]);
    site.until("Kafka has forgotten the offsets with the topic", || {
        let at = TopicPartition::new(SIGNALS.name, 0);
        site.log.committed(&group_of("detect"), &at).expect("the group can be asked").is_none()
    });
    let said = site.stopped(ONE, &DETECT);
    assert!(said.contains("no committed offset") && said.contains("--accept-reset"), "{said}");
}

#[test]
fn lost_state_and_lost_checkpoints_are_rebuilt_from_the_log() {
    let Some(site) = learned() else { return };
    let before = site.published();
    for folder in [site.process_folder(0).join("state"), site.path().join("checkpoints")] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).expect("the folder can be removed");
        }
    }
    // More to read, so that what was rebuilt has to be right.
    site.write(3_000);
    site.done(ONE, &["run", "all", "--until-complete"]);
    let after = site.published();
    assert!(before.iter().all(|(task, outputs)| after[task].starts_with(outputs)), "nothing is published anew");
    assert_eq!(site.lag(), 0);
}
