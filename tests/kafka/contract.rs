//! The contract of a log, held by the Kafka adapter against a real broker.

use engine::clock::{SystemClock, WallClock};
use engine::error::LogError;
use engine::log::Log;
use engine::log::contract::{ALL, Ability, Subject};
use engine::log::kafka::{Config, Protocol, open};
use std::sync::Arc;
use std::time::Duration;

/// A log whose broker runs elsewhere.
struct Cluster {
    config: Config,
    clock: Arc<SystemClock>,
    prefix: String,
}

impl Cluster {
    fn new(bootstrap: &str, protocol: Protocol, name: &str) -> Self {
        let mut config = Config::new(bootstrap);
        config.protocol = protocol;
        // So that a member that is gone for good is soon missed.
        config.settings.insert("session.timeout.ms".to_owned(), "6000".to_owned());
        config.settings.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
        // So that a deleted topic is, too.
        config.settings.insert("topic.metadata.refresh.interval.ms".to_owned(), "2000".to_owned());
        let clock = Arc::new(SystemClock::new());
        let prefix = format!("bellbuoy-contract-{name}-{}.", clock.now_millis());
        Cluster { config, clock, prefix }
    }

    fn clean(&self) {
        let log = self.open().expect("the cluster answers");
        for topic in log.topics().expect("topics can be listed") {
            if topic.spec.name.starts_with(&self.prefix) {
                log.delete_topic(&topic.spec.name).expect("a topic of the test can be deleted");
            }
        }
    }
}

impl Subject for Cluster {
    fn open(&self) -> Result<Arc<dyn Log>, LogError> {
        open(self.config.clone(), self.clock.clone())
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn lag(&self) -> Duration {
        Duration::from_millis(150)
    }

    fn offers(&self, ability: Ability) -> bool {
        match ability {
            // The cluster is not the test's to restart; retention works by segments, fetching by partition.
            Ability::Restart | Ability::PromptRetention | Ability::OneView | Ability::TopicIds => false,
        }
    }
}

fn hold(cluster: &Cluster, left_out: &[&str]) {
    let only = std::env::var("BELLBUOY_CHECK").ok();
    let mut broken = Vec::new();
    for check in ALL {
        if left_out.contains(&check.name) || only.as_ref().is_some_and(|only| !check.name.contains(only.as_str())) {
            continue;
        }
        let began = cluster.clock.monotonic();
        let result = check.run(cluster);
        let took = (cluster.clock.monotonic() - began).as_millis();
        match result {
            Ok(true) => println!("holds: {} ({took} ms)", check.name),
            Ok(false) => println!("not offered by Kafka: {}", check.name),
            Err(failure) => {
                println!("BROKEN: {}: {failure} ({took} ms)", check.name);
                broken.push(format!("{}: {failure}", check.name));
            }
        }
    }
    // What a broken check may have left is not worth a second failure.
    if broken.is_empty() {
        cluster.clean();
    }
    assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
}

#[test]
fn kafka_keeps_the_contract_under_the_brokers_protocol() {
    let Some(kafka) = super::cluster() else { return };
    // There are no static members, so none is replaced; and who gets what follows ids that the broker draws by lot.
    let left_out = [
        "a replaced member cannot commit",
        "a member that returns takes its own partitions back",
        "a member cannot commit a partition it has lost",
        "a live owner commits while the group rebalances",
        "members share partitions by range",
        "a partition is revoked before another member has it",
    ];
    hold(&Cluster::new(&kafka.bootstrap(), Protocol::Consumer, "consumer"), &left_out);
}

#[test]
fn kafka_keeps_the_contract_with_static_members() {
    let Some(kafka) = super::cluster() else { return };
    hold(&Cluster::new(&kafka.bootstrap(), Protocol::Classic, "classic"), &[]);
}
