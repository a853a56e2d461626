//! Every way in that librdkafka has, through the adapter, against a broker that asks for it.

use engine::clock::SystemClock;
use engine::error::LogError;
use engine::log::kafka::{Config, open};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec};
use rig::kafka::{Brokers, Kafka, Secured, Settings, available};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

fn secured() -> Option<&'static Kafka> {
    static CLUSTER: OnceLock<Option<Kafka>> = OnceLock::new();
    let started = CLUSTER.get_or_init(|| {
        if !rig::provided(available()) {
            return None;
        }
        Some(Settings::new(Brokers::One).secured().start().expect("a secured broker starts"))
    });
    started.as_ref()
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("a path of the test is text")
}

fn connect(bootstrap: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn Log>, LogError> {
    let mut config = Config::new(bootstrap);
    config.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    open(config, Arc::new(SystemClock::new()))
}

/// A topic is made, written in a transaction and read back.
fn works(log: &dyn Log, name: &str) {
    let spec = TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        retention_ms: None,
        retention_bytes: None,
        timestamps: TimestampSource::LogAppendTime,
        cleanup: CleanupPolicy::Delete,
    };
    log.create_topic(&spec).expect("a topic can be made");
    let mut producer = log.producer(name).expect("a producer can be opened");
    producer.begin().expect("no transaction is open");
    let message = Message { topic: name.into(), value: Some(b"seen".to_vec()), ..Message::default() };
    producer.send(message).expect("the topic is there");
    producer.commit(&[], None).expect("the transaction can be committed");
    // The cluster tells the writer before it tells the readers.
    for _ in 0..100 {
        let limit = Limit { records: 10, bytes: 1 << 20 };
        let batch = log.read(&TopicPartition::new(name, 0), 0, limit).expect("the topic can be read");
        if let Some(record) = batch.records.first() {
            assert_eq!(record.value.as_deref(), Some(&b"seen"[..]), "{name}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{name}: what was written is not there");
}

fn sasl<'a>(at: &'a Secured, mechanism: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", path(&at.ca_pem)),
        ("sasl.mechanism", mechanism),
        ("sasl.username", &at.user),
        ("sasl.password", &at.password),
    ]
}

#[test]
fn passwords_come_in_by_plain_and_scram() {
    let Some(kafka) = secured() else { return };
    let at = kafka.secured().expect("it is secured");
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let log = connect(&at.sasl_bootstrap, &sasl(at, mechanism)).expect(mechanism);
        works(&*log, &mechanism.to_lowercase());
    }
}

#[test]
fn a_token_comes_in_by_oauthbearer() {
    let Some(kafka) = secured() else { return };
    let at = kafka.secured().expect("it is secured");
    let principal = format!("principal={}", at.user);
    let settings = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", path(&at.ca_pem)),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ("sasl.oauthbearer.config", &principal),
    ];
    works(&*connect(&at.sasl_bootstrap, &settings).expect("a token"), "oauthbearer");
}

#[test]
fn a_certificate_comes_in_by_mutual_tls() {
    let Some(kafka) = secured() else { return };
    let at = kafka.secured().expect("it is secured");
    let settings = [
        ("security.protocol", "SSL"),
        ("ssl.ca.location", path(&at.ca_pem)),
        ("ssl.certificate.location", path(&at.client_certificate_pem)),
        ("ssl.key.location", path(&at.client_key_pem)),
    ];
    works(&*connect(&at.tls_bootstrap, &settings).expect("a certificate"), "certificate");
}

#[test]
fn a_wrong_password_is_told_with_the_address_and_the_setting() {
    let Some(kafka) = secured() else { return };
    let at = kafka.secured().expect("it is secured");
    let mut settings = sasl(at, "SCRAM-SHA-512");
    settings.retain(|(name, _)| *name != "sasl.password");
    settings.push(("sasl.password", "wrong"));
    let error = connect(&at.sasl_bootstrap, &settings).err().expect("it is refused").to_string();
    assert!(error.contains(&at.sasl_bootstrap) && error.contains("log.kafka"), "{error}");
}
