//! Topics as they are: copies, who leads, and settings. What the declarations say is compared elsewhere.

use super::brokers::{FUTURE_ADVICE, FUTURE_MS, PAST_ADVICE, PAST_MS, RECORD_BYTES, UNCLEAN_ADVICE, number};
use super::faults::Faults;
use super::{Expected, Findings, Verdict};
use engine::log::kafka::inspect::{Inspection, Topic};

/// Checkpoints that must fit into the retention of signals.
const CHECKPOINTS: i64 = 2;
/// An outage of the jobs that raw records should outlive, milliseconds.
const OUTAGE_MS: i64 = 24 * 3_600_000;

pub(super) fn judge(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    let mut faults = Faults::of("topic state");
    for topic in &seen.topics {
        copies(topic, seen.brokers.len(), &mut faults);
        if expected.own.contains(&topic.name) || expected.raw.contains(&topic.name) {
            settings(topic, seen, &mut faults);
        }
        if topic.name == expected.signals {
            signals(topic, expected, &mut faults);
        }
        if expected.raw.contains(&topic.name) {
            raw(topic, &mut faults);
        }
    }
    if faults.is_empty() {
        findings.ok("topic state", format!("{} topics, each led and whole", seen.topics.len()));
    }
    faults.tell(findings);
}

fn copies(topic: &Topic, brokers: usize, faults: &mut Faults) {
    let least = setting(topic, "min.insync.replicas").and_then(|least| usize::try_from(least).ok()).unwrap_or(1);
    let copies = topic.partitions.iter().map(|partition| partition.replicas.len()).min().unwrap_or(0);
    for partition in &topic.partitions {
        let place = format!("{}/{}", topic.name, partition.number);
        let (whole, all) = (partition.insync.len(), partition.replicas.len());
        if partition.leader.is_none() {
            let advice = "bring a broker back that has a copy: nothing can be read or written before";
            faults.add(Verdict::Fail, "no broker leads it".to_owned(), &place, advice);
        } else if whole < least && least <= all {
            let seen = format!("{whole} whole copies where min.insync.replicas={least}");
            faults.add(Verdict::Fail, seen, &place, "bring the missing brokers back: every write waits for them");
        } else if whole < all {
            let advice = "see which broker is away or behind: with it back the copies become whole by themselves";
            faults.add(Verdict::Warn, format!("{whole} of {all} copies are whole"), &place, advice);
        }
    }
    let mut add = |verdict, seen: &str, advice| faults.add(verdict, seen.to_owned(), &topic.name, advice);
    if copies == 1 && brokers >= 2 {
        add(
            Verdict::Warn,
            "one copy",
            "give it three with kafka-reassign-partitions.sh: what its broker loses is lost",
        );
    }
    if least > copies {
        let seen = format!("min.insync.replicas={least} with {copies} copies");
        add(Verdict::Fail, &seen, "lower it, or add copies: no write can ever succeed");
    } else if least == copies && copies >= 2 {
        let seen = format!("min.insync.replicas={least} with {copies} copies");
        add(
            Verdict::Warn,
            &seen,
            "set it to one less than there are copies: any broker that restarts stops all writing",
        );
    } else if least == 1 && copies >= 3 && !topic.settings.is_empty() {
        let advice = "set it to 2: a record that one broker has seen counts as written, and is lost with that broker";
        add(Verdict::Warn, "min.insync.replicas=1", advice);
    }
}

/// What matters on every topic of a run.
fn settings(topic: &Topic, seen: &Inspection, faults: &mut Faults) {
    let mut add = |verdict, name: &str, advice| {
        let value = topic.settings.get(name).map_or("", String::as_str);
        faults.add(verdict, format!("{name}={value}"), &topic.name, advice);
    };
    // What a topic has from its brokers is told of them.
    let own = |name: &str, of_brokers: &str| {
        let value = topic.settings.get(name)?;
        let inherited = seen.brokers.iter().any(|broker| broker.settings.get(of_brokers) == Some(value));
        (!inherited).then_some(value)
    };
    let name = "unclean.leader.election.enable";
    if own(name, name).is_some_and(|value| value == "true") {
        add(Verdict::Fail, name, UNCLEAN_ADVICE);
    }
    if own("max.message.bytes", "message.max.bytes").and_then(|value| number(value)).is_some_and(|n| n < RECORD_BYTES) {
        add(Verdict::Warn, "max.message.bytes", "set it to 1048588 or more: a record that is too large stops its job");
    }
}

/// As long as it is kept, what is learnt from it can be learnt again.
fn signals(topic: &Topic, expected: &Expected, faults: &mut Faults) {
    let kept = setting(topic, "retention.ms").filter(|kept| *kept >= 0);
    if kept.is_some_and(|kept| kept < expected.checkpoint_ms.saturating_mul(CHECKPOINTS)) {
        let seen = format!("retention.ms={}, and a checkpoint every {} ms", kept.unwrap_or(0), expected.checkpoint_ms);
        let advice = "lengthen it, or shorten checkpoints.every: a checkpoint that fails would leave a gap that cannot be \
                      replayed";
        faults.add(Verdict::Fail, seen, &topic.name, advice);
    }
}

/// What other people write.
fn raw(topic: &Topic, faults: &mut Faults) {
    let value = |name: &str| topic.settings.get(name).map_or("", String::as_str);
    let mut add = |name: &str, advice| {
        faults.add(Verdict::Warn, format!("{name}={}", value(name)), &topic.name, advice);
    };
    if value("cleanup.policy").split(',').any(|policy| policy.trim() == "compact") {
        add("cleanup.policy", "set it to delete: of records with the same key only the last would be kept");
    }
    if setting(topic, "retention.ms").is_some_and(|kept| (0..OUTAGE_MS).contains(&kept)) {
        add("retention.ms", "keep raw records for a day or more: what is gone before it is read is never seen");
    }
    if value("message.timestamp.type") == "CreateTime" {
        for name in ["message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"] {
            if setting(topic, name).is_some_and(|limit| limit < PAST_MS) {
                add(name, PAST_ADVICE);
            }
        }
        if setting(topic, "message.timestamp.after.max.ms").is_some_and(|limit| limit < FUTURE_MS) {
            add("message.timestamp.after.max.ms", FUTURE_ADVICE);
        }
    }
}

fn setting(topic: &Topic, name: &str) -> Option<i64> {
    topic.settings.get(name).and_then(|value| number(value))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{good, one, told};
    use super::*;
    use ::topics::declared::SIGNALS;

    pub(crate) const GOOD: [(&str, &str); 8] = [
        ("min.insync.replicas", "2"),
        ("cleanup.policy", "delete"),
        ("retention.ms", "604800000"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("unclean.leader.election.enable", "false"),
        ("max.message.bytes", "1048588"),
    ];

    fn changed(name: &str, change: impl Fn(&mut Topic)) -> Inspection {
        let mut seen = good();
        change(seen.topics.iter_mut().find(|topic| topic.name == name).expect("it is one of those expected"));
        seen
    }

    fn with(topic: &str, name: &str, value: &str) -> Inspection {
        changed(topic, |topic| drop(topic.settings.insert(name.to_owned(), value.to_owned())))
    }

    #[test]
    fn each_bad_setting_is_told_with_its_topic() {
        for (topic, name, value, verdict) in [
            (SIGNALS.name, "unclean.leader.election.enable", "true", Verdict::Fail),
            (SIGNALS.name, "max.message.bytes", "1000", Verdict::Warn),
            ("k8s-audit", "cleanup.policy", "compact,delete", Verdict::Warn),
            ("k8s-audit", "retention.ms", "3600000", Verdict::Warn),
            ("k8s-audit", "message.timestamp.before.max.ms", "3600000", Verdict::Warn),
            ("k8s-audit", "message.timestamp.after.max.ms", "1000", Verdict::Warn),
            ("k8s-audit", "min.insync.replicas", "1", Verdict::Warn),
        ] {
            assert_eq!(one(&with(topic, name, value)), (verdict, format!("{name}={value}: {topic}")));
        }
    }

    #[test]
    fn a_limit_on_times_that_the_producers_do_not_set_is_none() {
        let mut seen = with("k8s-audit", "message.timestamp.before.max.ms", "3600000");
        let topic = seen.topics.iter_mut().find(|topic| topic.name == "k8s-audit").expect("it is there");
        topic.settings.insert("message.timestamp.type".to_owned(), "LogAppendTime".to_owned());
        assert!(told(&seen).is_empty());
    }

    #[test]
    fn signals_that_are_kept_for_less_than_two_checkpoints_stop() {
        let (verdict, seen) = one(&with(SIGNALS.name, "retention.ms", "500000"));
        assert_eq!(verdict, Verdict::Fail);
        assert_eq!(seen, "retention.ms=500000, and a checkpoint every 300000 ms: bellbuoy.signals.v1");
        assert!(told(&with(SIGNALS.name, "retention.ms", "-1")).is_empty(), "kept for ever");
    }

    #[test]
    fn copies_that_cannot_confirm_a_write_are_told() {
        for (least, verdict) in [("4", Verdict::Fail), ("3", Verdict::Warn)] {
            let (found, seen) = one(&with("k8s-audit", "min.insync.replicas", least));
            assert_eq!((found, seen), (verdict, format!("min.insync.replicas={least} with 3 copies: k8s-audit")));
        }
    }

    #[test]
    fn a_partition_that_nobody_leads_is_told_and_one_that_lacks_a_copy() {
        let nobody = |topic: &mut Topic| (topic.partitions[1].leader, topic.partitions[1].insync) = (None, vec![]);
        assert_eq!(
            one(&changed("__consumer_offsets", nobody)),
            (Verdict::Fail, "no broker leads it: __consumer_offsets/1".to_owned())
        );
        let behind = |topic: &mut Topic| topic.partitions[2].insync = vec![3, 1];
        assert_eq!(
            one(&changed("k8s-audit", behind)),
            (Verdict::Warn, "2 of 3 copies are whole: k8s-audit/2".to_owned())
        );
        let alone = |topic: &mut Topic| topic.partitions[2].insync = vec![3];
        let told = "1 whole copies where min.insync.replicas=2: k8s-audit/2".to_owned();
        assert_eq!(one(&changed("k8s-audit", alone)), (Verdict::Fail, told));
    }

    #[test]
    fn one_copy_is_told_where_there_are_brokers_for_more() {
        let single = |topic: &mut Topic| {
            topic.settings.insert("min.insync.replicas".to_owned(), "1".to_owned());
            topic.partitions.iter_mut().for_each(|p| (p.replicas, p.insync) = (vec![1], vec![1]));
        };
        assert_eq!(one(&changed(SIGNALS.name, single)), (Verdict::Warn, "one copy: bellbuoy.signals.v1".to_owned()));
    }
}
