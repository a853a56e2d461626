//! A Kafka cluster: what a run needs of it, against what it is.
//!
//! The engine looks ([`inspect`]); here is what it means. Invariant: judging is a function of what was seen and what is
//! expected, and asks nobody anything.

mod brokers;
mod clocks;
mod faults;
mod members;
mod permissions;
mod topics;

use super::{Findings, Verdict};
use crate::settings::{GroupProtocol, KafkaSettings, Settings};
use crate::site::Site;
use crate::wiring;
use ::topics::declared::SIGNALS;
use engine::lane::group_of;
use engine::log::kafka::inspect;
use engine::log::kafka::inspect::{Inspection, Subject};

pub(super) use permissions::PERMISSIONS;

/// What a cluster is held against.
#[derive(Clone, Debug)]
struct Expected {
    /// The beginning of every name, where the settings say so; names below have it.
    prefix: String,
    /// Our topics.
    own: Vec<String>,
    /// Of these, the one that state is learnt from.
    signals: String,
    /// Those that ingest reads.
    raw: Vec<String>,
    jobs: Vec<ExpectedJob>,
    protocol: GroupProtocol,
    /// Time between checkpoints, milliseconds.
    checkpoint_ms: i64,
    /// Where clients begin.
    bootstrap: String,
    /// The user as whom we come, where the settings say.
    user: Option<String>,
}

/// A job and the members that its group should have.
#[derive(Clone, Debug)]
struct ExpectedJob {
    /// The beginning of its members' names.
    name: String,
    group: String,
    /// Lanes of each process.
    lanes: usize,
}

/// Looks at the cluster of a site.
pub(super) fn look(site: &Site, kafka: &KafkaSettings, findings: &mut Findings) {
    let expected = Expected::of(&site.settings, kafka);
    let subject = expected.subject(site.clock.now_millis());
    match inspect(kafka.config(), site.clock.clone(), &subject) {
        Ok(seen) => judge(&seen, &expected, findings),
        Err(error) => findings.fail("brokers", error.to_string(), "see that brokers stay up, and look again"),
    }
}

fn judge(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    brokers::judge(seen, expected, findings);
    topics::judge(seen, expected, findings);
    permissions::judge(seen, expected, findings);
    clocks::judge(seen, findings);
    members::judge(seen, expected, findings);
}

impl Expected {
    fn of(settings: &Settings, kafka: &KafkaSettings) -> Self {
        let outer = |name: &str| format!("{}{name}", kafka.prefix);
        let job = |name: &str| ExpectedJob {
            name: outer(name),
            group: outer(&group_of(name)),
            lanes: wiring::lanes(name, settings),
        };
        Expected {
            prefix: kafka.prefix.clone(),
            own: ::topics::ALL.iter().map(|topic| outer(topic.name)).collect(),
            signals: outer(SIGNALS.name),
            raw: settings.ingest.topics.keys().map(|name| outer(name)).collect(),
            jobs: wiring::JOBS.into_iter().map(job).collect(),
            protocol: kafka.protocol,
            checkpoint_ms: settings.checkpoints.every.millis(),
            bootstrap: kafka.bootstrap.clone(),
            user: kafka.settings.get("sasl.username").cloned(),
        }
    }

    /// What to look at. Names have the beginnings that a run's have, so that permissions by prefix are tried, and ends
    /// that no run's have.
    fn subject(&self, now: i64) -> Subject {
        let prefix = &self.prefix;
        let ids = self.jobs.iter().map(|job| format!("{}-doctor", job.name));
        Subject {
            topics: self.own.iter().chain(&self.raw).cloned().collect(),
            groups: self.jobs.iter().map(|job| job.group.clone()).collect(),
            transactional_ids: ids.chain([format!("{prefix}bellbuoy-doctor")]).collect(),
            spare_topic: format!("{prefix}bellbuoy.doctor-{now}-{}", std::process::id()),
            spare_group: format!("{prefix}{}", group_of("doctor")),
        }
    }

    fn missing<'a>(&'a self, seen: &'a Inspection) -> impl Iterator<Item = &'a String> {
        let wanted = self.own.iter().chain(&self.raw);
        wanted.filter(|name| seen.topics.iter().all(|topic| topic.name != **name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Finding;
    use engine::log::kafka::inspect::{
        Broker, BrokerClock, Demands, Group, INTERNAL_TOPICS, Operation, Outcome, Partition, Resource, Topic, Trial,
    };

    pub(super) fn expected() -> Expected {
        let kafka = KafkaSettings { bootstrap: "b:9092".to_owned(), ..KafkaSettings::default() };
        Expected::of(&Settings::default(), &kafka)
    }

    /// Three brokers with everything as it should be.
    pub(super) fn good() -> Inspection {
        let expected = expected();
        let settings = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let broker = |id: i32| Broker { id, address: format!("b{id}:9092"), settings: settings(&brokers::tests::GOOD) };
        let partition =
            |number| Partition { number, leader: Some(number + 1), replicas: vec![1, 2, 3], insync: vec![2, 3, 1] };
        let topic = |name: &str| Topic {
            name: name.to_owned(),
            partitions: (0..3).map(partition).collect(),
            settings: settings(&topics::tests::GOOD),
        };
        let names = expected.own.iter().chain(&expected.raw).map(String::as_str).chain(INTERNAL_TOPICS);
        let worked = |operation, resource| Trial { operation, resource, outcome: Outcome::Worked };
        Inspection {
            brokers: (1..=3).map(broker).collect(),
            topics: names.map(topic).collect(),
            groups: vec![Group {
                name: "bellbuoy.detect".to_owned(),
                state: "Stable".to_owned(),
                members: vec!["detect-0-0".to_owned()],
            }],
            trials: vec![
                worked(Operation::DescribeConfigs, Resource::Cluster),
                worked(Operation::Create, Resource::Topic("bellbuoy.doctor-1-1".to_owned())),
            ],
            clocks: (1..=3).map(|broker| BrokerClock { broker, ahead_ms: 0 }).collect(),
            demands: Demands { transaction_ms: 10_000, session_ms: Some(15_000) },
        }
    }

    /// What is told of an inspection, where it is not well.
    pub(super) fn told(seen: &Inspection) -> Vec<Finding> {
        told_against(seen, &expected())
    }

    pub(super) fn told_against(seen: &Inspection, expected: &Expected) -> Vec<Finding> {
        let mut findings = Findings::default();
        judge(seen, expected, &mut findings);
        findings.0.into_iter().filter(|finding| finding.verdict != Verdict::Ok).collect()
    }

    /// The one finding of an inspection: how it is to be taken, and what it says.
    pub(super) fn one(seen: &Inspection) -> (Verdict, String) {
        let mut told = told(seen);
        assert_eq!(told.len(), 1, "{told:#?}");
        let Finding { verdict, seen, advice, .. } = told.remove(0);
        assert!(!advice.is_empty(), "{seen}: nothing is advised");
        (verdict, seen)
    }

    #[test]
    fn a_good_cluster_gives_no_warning() {
        assert!(told(&good()).is_empty(), "{:#?}", told(&good()));
    }

    #[test]
    fn names_that_are_tried_belong_to_nobody_and_begin_as_a_runs_do() {
        let subject = expected().subject(17);
        assert_eq!(
            subject.transactional_ids,
            ["ingest-doctor", "detect-doctor", "correlate-doctor", "remediate-doctor", "bellbuoy-doctor"]
        );
        assert!(subject.spare_topic.starts_with("bellbuoy.doctor-17-"));
        assert_eq!(subject.spare_group, "bellbuoy.doctor");
        assert!(subject.topics.contains(&"k8s-audit".to_owned()) && !subject.topics.contains(&subject.spare_topic));
    }

    #[test]
    fn under_a_prefix_every_name_begins_with_it() {
        let kafka = KafkaSettings { prefix: "harbour.".to_owned(), ..KafkaSettings::default() };
        let Subject { topics, groups, transactional_ids, spare_topic, spare_group } =
            Expected::of(&Settings::default(), &kafka).subject(17);
        let all = [topics, groups, transactional_ids, vec![spare_topic, spare_group]].concat();
        assert!(all.iter().all(|name| name.starts_with("harbour.")), "{all:?}");
    }
}
