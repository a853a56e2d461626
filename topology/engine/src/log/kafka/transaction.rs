//! A transactional producer.
//!
//! Invariant: after any error of the cluster the producer takes nothing more. Its owner opens a new one, which fences this
//! one and ends its transaction.

use super::admin::Admin;
use super::answers;
use super::client::{ANSWER, Clients, log};
use super::watchdog::Watchdog;
use crate::clock::WallClock;
use crate::error::LogError;
use crate::log::{CleanupPolicy, Membership, Message, OffsetCommit, Producer, TopicPartition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Records larger than this are refused: librdkafka's limit, under the broker's default.
const MAX_RECORD_BYTES: usize = 1_000_000;

/// Registers larger than this are refused, as Kafka's default does.
const MAX_METADATA_BYTES: usize = 4096;

/// How long acknowledgements are waited for at a time; the library uses all of it.
const STEP: Duration = Duration::from_millis(1);

/// Longest wait for what belongs to a commit. The cluster drops the transaction before.
const COMMIT: Duration = Duration::from_secs(15);

/// A call that takes this much longer than its timeout ignores it.
const GRACE: Duration = Duration::from_secs(15);

/// A transactional producer's handle.
pub(super) struct Transactions {
    producer: BaseProducer<Deliveries>,
    admin: Arc<Admin>,
    clock: Arc<dyn WallClock>,
    watchdog: Arc<Watchdog>,
    id: String,
    state: State,
    topics: HashMap<Arc<str>, Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// After an error.
    Spent,
}

/// What has to be known of a topic before something is written to it.
#[derive(Clone, Copy, Debug)]
struct Known {
    partitions: u32,
    keyed: bool,
}

impl Transactions {
    pub(super) fn open(
        clients: &Clients,
        admin: Arc<Admin>,
        clock: Arc<dyn WallClock>,
        watchdog: Arc<Watchdog>,
        id: &str,
    ) -> Result<Self, LogError> {
        let producer = clients.producer(&clients.writing(id), Deliveries::default())?;
        watchdog
            .watch("init_transactions", ANSWER + GRACE, || producer.init_transactions(ANSWER))
            .map_err(|error| answers::transaction(id, "to open the producer", &error))?;
        let (id, state) = (id.to_owned(), State::Idle);
        Ok(Transactions { producer, admin, clock, watchdog, id, state, topics: HashMap::new() })
    }

    /// What may be written, looked at before it is sent: the library finds out only half a minute later.
    fn check(&mut self, message: &Message) -> Result<(), LogError> {
        let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = message.value.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len) + headers;
        if bytes > MAX_RECORD_BYTES {
            return Err(LogError::TooLarge { topic: message.topic.to_string(), bytes, limit: MAX_RECORD_BYTES });
        }
        let known = match self.topics.get(&message.topic) {
            Some(known) if message.partition < known.partitions => *known,
            _ => {
                let spec = self.admin.topic(&message.topic)?.spec;
                let known = Known { partitions: spec.partitions, keyed: spec.cleanup == CleanupPolicy::Compact };
                self.topics.insert(message.topic.clone(), known);
                known
            }
        };
        if message.partition >= known.partitions {
            let (topic, partition) = (message.topic.to_string(), message.partition);
            return Err(LogError::UnknownPartition { topic, partition, partitions: known.partitions });
        }
        if known.keyed && message.key.is_none() {
            return Err(LogError::KeyMissing { topic: message.topic.to_string() });
        }
        Ok(())
    }

    fn enqueue(&mut self, message: &Message) -> Result<(), LogError> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&message.topic).partition(message.partition as i32);
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        if let Some(value) = &message.value {
            record = record.payload(value);
        }
        if let Some(timestamp) = message.timestamp {
            record = record.timestamp(timestamp);
        }
        if !message.headers.is_empty() {
            let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value.as_ref()) })
            });
            record = record.headers(headers);
        }
        let deadline = self.clock.monotonic() + COMMIT;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), refused)) => {
                    if self.clock.monotonic() > deadline {
                        let message = format!("the queue of {} stays full", self.id);
                        return Err(LogError::Unavailable { message });
                    }
                    self.producer.poll(STEP);
                    record = refused;
                }
                Err((error, _)) => return Err(answers::transaction(&self.id, "a record", &error)),
            }
        }
    }

    /// Waits until every record was acknowledged. Without it a commit waits in steps of 100 ms, and an abort never ends.
    fn drain(&self) -> Result<(), LogError> {
        let deadline = self.clock.monotonic() + COMMIT;
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(STEP);
            if self.clock.monotonic() > deadline {
                let message = format!("records of {} are not acknowledged", self.id);
                return Err(LogError::Unavailable { message });
            }
        }
        let Some(failed) = self.producer.context().failed() else { return Ok(()) };
        if matches!(failed.error.rdkafka_error_code(), Some(Code::PurgeQueue | Code::PurgeInflight)) {
            // The records were thrown away because the transaction had failed before; committing tells why.
            let commit = || self.producer.commit_transaction(COMMIT);
            if let Err(error) = self.watchdog.watch("commit_transaction", COMMIT + GRACE, commit) {
                return Err(answers::transaction(&self.id, "commit", &error));
            }
        }
        Err(failed.into_error(&self.id))
    }

    fn finish(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        self.drain()?;
        let membership = membership.map(Membership::read::<Option<ConsumerGroupMetadata>>).transpose()?;
        if !offsets.is_empty() {
            let membership = membership.and_then(Option::as_ref).ok_or_else(|| LogError::StaleMembership {
                member: self.id.clone(),
                message: "offsets were to be committed without a membership".to_owned(),
            })?;
            let list = list(offsets)?;
            let send = || self.producer.send_offsets_to_transaction(&list, membership, COMMIT);
            self.watchdog
                .watch("send_offsets_to_transaction", COMMIT + GRACE, send)
                .map_err(|error| answers::transaction(&self.id, "offsets", &error))?;
        }
        self.watchdog
            .watch("commit_transaction", COMMIT + GRACE, || self.producer.commit_transaction(COMMIT))
            .map_err(|error| answers::transaction(&self.id, "commit", &error))
    }

    fn require(&self, state: State, call: &'static str) -> Result<(), LogError> {
        match self.state {
            found if found == state => Ok(()),
            State::Spent => Err(LogError::Unavailable {
                message: format!("producer {} has seen an error and must be opened anew", self.id),
            }),
            _ => Err(LogError::NoTransaction { call }),
        }
    }
}

impl Producer for Transactions {
    fn begin(&mut self) -> Result<(), LogError> {
        if self.state == State::Open {
            self.abort()?;
        }
        self.require(State::Idle, "begin")?;
        let begun = self.producer.begin_transaction();
        self.state = if begun.is_ok() { State::Open } else { State::Spent };
        begun.map_err(|error| answers::transaction(&self.id, "begin", &error))
    }

    fn send(&mut self, message: Message) -> Result<(), LogError> {
        self.require(State::Open, "send")?;
        // Acknowledgements have to be taken, or the queue fills.
        if self.producer.in_flight_count() > 50_000 {
            self.producer.poll(Duration::ZERO);
        }
        let sent = self.check(&message).and_then(|()| self.enqueue(&message));
        if sent.is_err() {
            self.state = State::Spent;
        }
        sent
    }

    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        self.require(State::Open, "commit")?;
        for commit in offsets {
            let (bytes, limit) = (commit.metadata.len(), MAX_METADATA_BYTES);
            if bytes > limit {
                self.state = State::Spent;
                return Err(LogError::MetadataTooLarge { partition: commit.partition.to_string(), bytes, limit });
            }
        }
        let committed = self.finish(offsets, membership);
        self.state = if committed.is_ok() { State::Idle } else { State::Spent };
        committed
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.require(State::Open, "abort")?;
        let aborted = self.drain().and_then(|()| {
            let abort = || self.producer.abort_transaction(COMMIT);
            let result = self.watchdog.watch("abort_transaction", COMMIT + GRACE, abort);
            result.map_err(|error| answers::transaction(&self.id, "abort", &error))
        });
        self.state = if aborted.is_ok() { State::Idle } else { State::Spent };
        aborted
    }
}

fn list(offsets: &[OffsetCommit]) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for OffsetCommit { partition, offset, metadata } in offsets {
        let mut element = list.add_partition(&partition.topic, partition.partition as i32);
        element
            .set_offset(Offset::Offset(*offset))
            .map_err(|error| answers::error(&format!("offset of {partition}"), &error))?;
        element.set_metadata(metadata);
    }
    Ok(list)
}

/// The first record that was not acknowledged.
#[derive(Clone, Debug)]
struct Undelivered {
    partition: TopicPartition,
    key: String,
    error: KafkaError,
}

impl Undelivered {
    fn into_error(self, id: &str) -> LogError {
        let Undelivered { partition, key, error } = self;
        answers::transaction(id, &format!("a record for {partition} with key {key:?}"), &error)
    }
}

/// Looks at acknowledgements.
#[derive(Default)]
struct Deliveries {
    failed: Mutex<Option<Undelivered>>,
}

impl Deliveries {
    fn failed(&self) -> Option<Undelivered> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let Err((error, message)) = result else { return };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        // The first says why; those behind it fail because it did.
        failed.get_or_insert_with(|| Undelivered {
            partition: TopicPartition::new(message.topic(), u32::try_from(message.partition()).unwrap_or_default()),
            key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
            error: error.clone(),
        });
    }
}
