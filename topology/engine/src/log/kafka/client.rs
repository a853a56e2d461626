//! Clients of a cluster: one set of settings for all, and what each kind adds.

use super::Config;
use crate::error::LogError;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, ProducerContext};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer that a cluster in good health gives at once.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// A transaction that is not committed within this time is dropped by the cluster, and nobody waits for it any longer.
const TRANSACTION_TIMEOUT_MS: u32 = 10_000;

/// How the members of a group agree on who reads what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// By the members themselves, static: a member that returns within the session timeout takes its own partitions
    /// back, and nobody else is disturbed. A member that joins or leaves for good stops all of them for a moment.
    #[default]
    Classic,
    /// By the broker (KIP-848), incremental: only the partitions that move stop. Without static members.
    Consumer,
}

/// Settings that the guarantees rest on, and that therefore are not anybody's to choose.
pub const RESERVED: [&str; 16] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "transactional.id",
    "transaction.timeout.ms",
];

/// Looks at settings without reaching anything: the name of the first that cannot be used, and why.
pub fn check_settings(settings: &BTreeMap<String, String>) -> Result<(), (String, String)> {
    for (name, value) in settings {
        if RESERVED.contains(&name.as_str()) {
            return Err((name.clone(), "the guarantees rest on it, so it cannot be set".to_owned()));
        }
        // One at a time, so that the fault has its name; what only fits together is found when a client is made.
        if let Err(KafkaError::ClientConfig(_, fault, _, _)) =
            ClientConfig::new().set(name, value).create_native_config()
        {
            return Err((name.clone(), fault));
        }
    }
    Ok(())
}

/// Makes clients.
pub(super) struct Clients {
    pub(super) config: Config,
}

impl Clients {
    pub(super) fn new(config: Config) -> Result<Self, LogError> {
        check_settings(&config.settings)
            .map_err(|(name, fault)| LogError::Refused { what: format!("the setting {name}"), message: fault })?;
        Ok(Clients { config })
    }

    /// Settings of everything that talks to the cluster.
    pub(super) fn base(&self, client: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.config.bootstrap);
        config.set("client.id", client);
        config.set("allow.auto.create.topics", "false");
        // A broker that hangs is given up before a transaction times out.
        config.set("socket.timeout.ms", "8000");
        config.set("reconnect.backoff.max.ms", "2000");
        config.set("topic.metadata.refresh.interval.ms", "30000");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// A consumer of committed records at offsets of our choosing.
    pub(super) fn reading(&self, group: &str, client: &str) -> ClientConfig {
        let mut config = self.base(client);
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true");
        // A partition's end is known one empty fetch after its last record, and whoever merges partitions waits for it.
        config.set("fetch.wait.max.ms", "5");
        config.set("fetch.queue.backoff.ms", "20");
        config.set("queued.max.messages.kbytes", "32768");
        self.finish(config, &READING)
    }

    /// A member of a group.
    pub(super) fn member(&self, group: &str, member: &str, topics: &[&str]) -> ClientConfig {
        let mut config = self.reading(group, member);
        // The ends of partitions, from which lag is told, come with the library's figures.
        config.set("statistics.interval.ms", "1000");
        match self.config.protocol {
            Protocol::Classic => {
                config.set("group.instance.id", instance(member, topics));
                config.set("partition.assignment.strategy", "range");
                if !self.config.settings.contains_key("session.timeout.ms") {
                    config.set("session.timeout.ms", "15000");
                }
            }
            Protocol::Consumer => {
                config.set("group.protocol", "consumer");
                config.set("group.remote.assignor", "range");
                // The broker's to say under this protocol.
                for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
                    config.remove(name);
                }
            }
        }
        config
    }

    /// A transactional producer.
    pub(super) fn writing(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.base(transactional_id);
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        config.set("message.timeout.ms", (TRANSACTION_TIMEOUT_MS - 1_000).to_string());
        config.set("linger.ms", "0");
        config.set("compression.type", "lz4");
        config.set("queue.buffering.max.kbytes", "131072");
        self.finish(config, &WRITING)
    }

    /// For questions only.
    pub(super) fn asking(&self) -> ClientConfig {
        self.finish(self.base("bellbuoy-admin"), &[])
    }

    /// The user's settings over ours; those of the other kind of client would only make librdkafka complain.
    fn finish(&self, mut config: ClientConfig, own: &[&str]) -> ClientConfig {
        for (name, value) in &self.config.settings {
            let foreign = READING.iter().chain(&WRITING).any(|prefix| name.starts_with(prefix));
            if !foreign || own.iter().any(|prefix| name.starts_with(prefix)) {
                config.set(name, value);
            }
        }
        config
    }

    pub(super) fn consumer<C: ConsumerContext + 'static>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> Result<BaseConsumer<C>, LogError> {
        config.create_with_context(context).map_err(unusable)
    }

    pub(super) fn producer<C: ProducerContext<NoCustomPartitioner> + 'static>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> Result<BaseProducer<C>, LogError> {
        config.create_with_context(context).map_err(unusable)
    }
}

/// Beginnings of settings that only consumers know.
const READING: [&str; 9] = [
    "fetch.",
    "queued.",
    "session.",
    "heartbeat.",
    "max.poll.",
    "check.crcs",
    "max.partition.fetch",
    "coordinator.query",
    "group.",
];

/// Beginnings of settings that only producers know.
const WRITING: [&str; 11] = [
    "linger.",
    "compression.",
    "batch.",
    "queue.buffering.",
    "message.timeout",
    "message.send",
    "delivery.",
    "acks",
    "request.required.acks",
    "request.timeout",
    "sticky.",
];

/// Name of a static member. It differs with the topics: one that returns with others would be given its old share, which
/// a coordinator hands out again without asking what the member reads now.
fn instance(member: &str, topics: &[&str]) -> String {
    let mut topics = topics.to_vec();
    topics.sort_unstable();
    // FNV-1a (Fowler, Noll, Vo), folded to 16 bits.
    let bytes = topics.iter().flat_map(|topic| topic.bytes().chain([0]));
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{member}-{:04x}", (hash >> 16) ^ (hash & 0xffff))
}

fn unusable(error: KafkaError) -> LogError {
    LogError::Refused { what: "the settings of log.kafka".to_owned(), message: error.to_string() }
}

/// Sends librdkafka's own words to the log of the process.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Quiet {}

/// What librdkafka says, at the level it says it.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(facility, "{message}");
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => tracing::info!(facility, "{message}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_setting_that_guarantees_rest_on_is_refused_by_name() {
        let fault = check_settings(&settings(&[("fetch.wait.max.ms", "10"), ("isolation.level", "read_uncommitted")]));
        assert_eq!(fault.unwrap_err().0, "isolation.level");
    }

    #[test]
    fn an_unknown_setting_and_a_wrong_value_are_refused_by_name() {
        assert_eq!(check_settings(&settings(&[("bootstrap.server", "x")])).unwrap_err().0, "bootstrap.server");
        let (name, fault) = check_settings(&settings(&[("session.timeout.ms", "soon")])).unwrap_err();
        assert_eq!(name, "session.timeout.ms");
        assert!(fault.contains("session.timeout.ms"), "{fault}");
    }

    #[test]
    fn a_static_member_keeps_its_name_as_long_as_it_reads_the_same_topics() {
        let name = instance("ingest-0-0", &["a", "b"]);
        assert_eq!(name, instance("ingest-0-0", &["b", "a"]));
        assert_ne!(name, instance("ingest-0-0", &["a", "b", "c"]));
        assert_ne!(name, instance("ingest-0-0", &["ab"]));
        assert_ne!(name, instance("ingest-0-1", &["a", "b"]));
    }

    #[test]
    fn settings_of_producers_stay_out_of_consumers_and_the_other_way_round() {
        let mut config = Config::new("localhost:9092");
        config.settings = settings(&[("linger.ms", "5"), ("fetch.min.bytes", "9"), ("sasl.username", "u")]);
        let clients = Clients::new(config).unwrap();
        let (reading, writing) = (clients.member("g", "m", &["t"]), clients.writing("t"));
        assert_eq!((reading.get("linger.ms"), writing.get("linger.ms")), (None, Some("5")));
        assert_eq!((reading.get("fetch.min.bytes"), writing.get("fetch.min.bytes")), (Some("9"), None));
        assert_eq!((reading.get("sasl.username"), writing.get("sasl.username")), (Some("u"), Some("u")));
    }
}
