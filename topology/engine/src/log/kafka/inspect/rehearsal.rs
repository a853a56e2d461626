//! A rehearsal of what a lane does, with a topic of its own: made, written to in a transaction with offsets, read,
//! altered, removed. The time that brokers stamp on the records shows their clocks.

use super::{BrokerClock, Look, Operation, Outcome, Resource, Subject, options, wait};
use crate::error::LogError;
use crate::log::kafka::answers;
use crate::log::kafka::client::{ANSWER, log};
use crate::log::{CleanupPolicy, TimestampSource, TopicSpec};
use rdkafka::admin::ResourceSpecifier;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// More partitions than this say nothing new.
const MOST_PARTITIONS: usize = 16;
/// How long the topic keeps its records, should it outlive the rehearsal, milliseconds; and what that is altered to.
const RETENTION_MS: i64 = 3_600_000;
const ALTERED_MS: i64 = 7_200_000;

/// Longest wait for what belongs to a transaction, and by how much a call may be late that ignores it.
const COMMIT: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(50);

impl Look {
    /// Rehearses as far as it is allowed.
    pub(super) fn rehearse(&mut self, subject: &Subject) {
        let producer = self.open_producers(&subject.transactional_ids);
        let topic = Resource::Topic(subject.spare_topic.clone());
        let spec = TopicSpec {
            name: subject.spare_topic.clone(),
            // One for each broker: they are then led by all of them.
            partitions: self.seen.brokers.len().clamp(1, MOST_PARTITIONS) as u32,
            retention_ms: Some(RETENTION_MS),
            retention_bytes: None,
            timestamps: TimestampSource::LogAppendTime,
            cleanup: CleanupPolicy::Delete,
        };
        let created = self.admin.create(&spec, &*self.clock);
        self.tried(Operation::Create, topic.clone(), &created);
        if created.is_err() {
            return;
        }
        if let Some((id, producer)) = producer {
            self.write_and_read(&id, &producer, subject, spec.partitions);
        }
        match self.describe(ResourceSpecifier::Topic(&spec.name)) {
            Ok(_) => {
                let altered = self.alter(&TopicSpec { retention_ms: Some(ALTERED_MS), ..spec.clone() });
                self.note(Operation::AlterConfigs, topic.clone(), altered);
            }
            Err(outcome) => self.note(Operation::DescribeConfigs, topic.clone(), outcome),
        }
        let deleted = self.admin.delete(&spec.name, &*self.clock);
        self.tried(Operation::Delete, topic, &deleted);
        // Its offsets went with the topic. Without this the empty group would be listed for some minutes.
        let _ = wait(self.client.delete_groups(&[&subject.spare_group], &options()));
    }

    /// Opens each id; gives the last, if all is well.
    fn open_producers(&mut self, ids: &[String]) -> Option<(String, BaseProducer<Silent>)> {
        let mut last = None;
        for id in ids {
            let opened = self.open_producer(id);
            self.tried(Operation::Write, Resource::TransactionalId(id.clone()), &opened);
            // One that is not denied and fails will fail for the others, too, after a long wait.
            if matches!(self.seen.trials.last().map(|trial| &trial.outcome), Some(Outcome::Failed(_))) {
                return None;
            }
            last = opened.ok().map(|producer| (id.clone(), producer));
        }
        last
    }

    fn open_producer(&self, id: &str) -> Result<BaseProducer<Silent>, LogError> {
        let producer = self.clients.producer(&self.clients.writing(id), Silent)?;
        self.watchdog
            .watch("init_transactions", ANSWER + GRACE, || producer.init_transactions(ANSWER))
            .map_err(|error| answers::transaction(id, "to open the producer", &error))?;
        Ok(producer)
    }

    fn write_and_read(&mut self, id: &str, producer: &BaseProducer<Silent>, subject: &Subject, partitions: u32) {
        let topic = Resource::Topic(subject.spare_topic.clone());
        let before = self.clock.now_millis();
        let written = self.write(producer, subject, partitions);
        let after = self.clock.now_millis();
        let written = written.map_err(|error| answers::transaction(id, "a transaction", &error));
        self.tried(Operation::Write, topic.clone(), &written);
        if written.is_err() {
            return;
        }
        let stamps = self.stamps(subject, partitions);
        self.tried_reading(&subject.spare_topic, &subject.spare_group, &stamps);
        let Ok(stamps) = stamps else { return };
        self.clocks(&subject.spare_topic, &stamps, before, after);

        // A transaction of its own, and only now: it takes permission for the group as well as for reading the topic.
        let committed = self.commit_offsets(id, producer, subject);
        self.tried(Operation::Read, Resource::Group(subject.spare_group.clone()), &committed);
    }

    /// One record for each partition. Fails with the cause: the transaction knows it, while records were only purged.
    fn write(&self, producer: &BaseProducer<Silent>, subject: &Subject, partitions: u32) -> Result<(), KafkaError> {
        producer.begin_transaction()?;
        for number in 0..partitions {
            let record: BaseRecord<'_, (), str> =
                BaseRecord::to(&subject.spare_topic).partition(number as i32).payload("what time is it?");
            producer.send(record).map_err(|(error, _)| error)?;
        }
        let deadline = self.clock.monotonic() + COMMIT;
        while producer.in_flight_count() > 0 && self.clock.monotonic() < deadline {
            producer.poll(STEP);
        }
        self.watchdog.watch("commit_transaction", COMMIT + GRACE, || producer.commit_transaction(COMMIT))
    }

    fn commit_offsets(&self, id: &str, producer: &BaseProducer<Silent>, subject: &Subject) -> Result<(), LogError> {
        let Some(membership) = self.reader(&subject.spare_group)?.group_metadata() else {
            return Err(LogError::Unavailable { message: "a consumer has no group".to_owned() });
        };
        let commit = || {
            let mut offsets = TopicPartitionList::new();
            offsets.add_partition_offset(&subject.spare_topic, 0, Offset::Offset(1))?;
            producer.begin_transaction()?;
            let send = || producer.send_offsets_to_transaction(&offsets, &membership, COMMIT);
            self.watchdog.watch("send_offsets_to_transaction", COMMIT + GRACE, send)?;
            self.watchdog.watch("commit_transaction", COMMIT + GRACE, || producer.commit_transaction(COMMIT))
        };
        commit().map_err(|error: KafkaError| answers::transaction(id, "offsets", &error))
    }

    /// The times on the records, by partition.
    fn stamps(&self, subject: &Subject, partitions: u32) -> Result<Vec<Option<i64>>, LogError> {
        let consumer = self.reader(&subject.spare_group)?;
        let stamp = |number| self.fetch(&consumer, &subject.spare_topic, number as i32, Offset::Beginning);
        (0..partitions).map(stamp).collect()
    }

    /// Holds the times on records, by partition, against our time before and after they were written.
    fn clocks(&mut self, topic: &str, stamps: &[Option<i64>], before: i64, after: i64) {
        let Ok(metadata) = self.metadata(Some(topic)) else { return };
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let stamp = usize::try_from(partition.id()).ok().and_then(|number| stamps.get(number).copied().flatten());
            let broker = partition.leader();
            let known = self.seen.clocks.iter().any(|known| known.broker == broker);
            if let (Some(stamp), false) = (stamp, known) {
                // Our clock may have been set back meanwhile.
                let ahead_ms = stamp - stamp.clamp(before, after.max(before));
                self.seen.clocks.push(BrokerClock { broker, ahead_ms });
            }
        }
        self.seen.clocks.sort_by_key(|clock| clock.broker);
    }

    /// Alters the topic. A change that was not allowed is told by its not being there.
    fn alter(&self, spec: &TopicSpec) -> Outcome {
        match self.admin.alter(spec, &*self.clock) {
            Ok(()) => Outcome::Worked,
            Err(LogError::Refused { message, .. }) => Outcome::Denied(message),
            Err(error) => Outcome::of(&error),
        }
    }
}

/// Says nothing of acknowledgements: the commit does.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Silent {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
