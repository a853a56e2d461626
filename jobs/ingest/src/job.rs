//! Ingest on the engine: raw records to the signals topic, what cannot be used to the dead letters, and ticks.
//!
//! Nothing is remembered between records, so a partition continues anywhere. A lane's partitions are merged by record
//! timestamp. The control topic is read too: what people say is forwarded into every signals partition, in order.

use crate::dead_letter::DeadLetter;
use crate::{Config, Identities, Processed, Raw, Reject, process_knowing};
use engine::error::EngineError;
use engine::job::{Fed, Job, Mode, Operator, ReadPosition};
use engine::log::{Headers, Message, Record, TopicPartition};
use engine::metrics::Metrics;
use engine::output::{Output, Payload};
use engine::task::TaskContext;
use schemas::codec::Record as _;
use schemas::signal::{Body, Tick, TickPosition};
use schemas::{Control, Logic, Signal};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use topics::declared::{CONTROL, DEAD_LETTERS, OBJECTS, SIGNALS};

/// Version of what ingest makes of a record; raised when the same record would give other signals.
pub const SEMANTICS: i32 = 2;

/// Header that carries the trace a record belongs to, as W3C Trace Context names it.
const TRACE_PARENT: &str = "traceparent";

/// Encoded signals larger than this are not sent; the log takes records of up to 1 MiB with key and headers.
const MAX_SIGNAL_BYTES: usize = 1_000_000;

/// The job that turns raw telemetry into signals.
pub struct Ingest {
    config: Arc<Config>,
    inputs: Vec<String>,
    /// Partitions of the signals topic.
    partitions: u32,
    /// Partitions of the dead letters topic.
    dead_partitions: u32,
    metrics: Metrics,
    /// Whether the objects topic is read.
    reads_objects: bool,
    known: Arc<RwLock<Known>>,
}

/// What the objects topic says, as far as it was read.
#[derive(Default)]
struct Known {
    identities: Identities,
    next: BTreeMap<u32, i64>,
}

impl Ingest {
    /// Reads `inputs`, raw topics and perhaps the control topic; writes topics of so many partitions.
    pub fn new(config: Config, inputs: Vec<String>, partitions: u32, dead_partitions: u32, metrics: Metrics) -> Self {
        let (reads_objects, known) = (false, Arc::default());
        Ingest { config: Arc::new(config), inputs, partitions, dead_partitions, metrics, reads_objects, known }
    }

    /// The same, and whom records name it also learns from the objects topic.
    pub fn with_objects(self) -> Self {
        Ingest { reads_objects: true, ..self }
    }
}

impl Job for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
    }

    fn beside(&self) -> Vec<String> {
        if self.reads_objects { vec![OBJECTS.name.to_owned()] } else { Vec::new() }
    }

    fn learn(&self, from: &TopicPartition, record: &Record) -> Result<(), EngineError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Every lane offers every record; one that is behind must not undo what another has brought.
        let next = known.next.entry(from.partition).or_default();
        if record.offset < *next {
            return Ok(());
        }
        *next = record.offset + 1;
        if let Err(error) = known.identities.learn(record) {
            // It stays on its topic, for whoever reads a later version.
            tracing::warn!(offset = record.offset, "an object is not known: {error}");
        }
        Ok(())
    }

    fn logic(&self) -> Logic {
        Logic { semantics: SEMANTICS, revision: 0, hash: self.config.logic_hash() }
    }

    fn mode(&self) -> Mode {
        Mode::Merged
    }

    fn operator(&self, task: &TaskContext) -> Box<dyn Operator> {
        Box::new(Reader {
            config: self.config.clone(),
            task: task.clone(),
            partitions: self.partitions,
            dead_partitions: self.dead_partitions,
            metrics: self.metrics.clone(),
            known: self.known.clone(),
        })
    }

    fn ticks(&self, positions: &[ReadPosition]) -> Result<Vec<Message>, EngineError> {
        let position = |at: &ReadPosition| TickPosition {
            topic: at.partition.topic.to_string().into(),
            partition: at.partition.partition as i32,
            up_to: at.up_to,
            retired: at.retired,
        };
        // The control topic is silent for days; it must not hold the clock back.
        let raw = positions.iter().filter(|at| *at.partition.topic != *CONTROL.name);
        let tick = Signal { body: Body::Tick(Tick { positions: raw.map(position).collect() }), ..Signal::default() };
        let value = tick.encode().map_err(|e| EngineError::Configuration(format!("a tick cannot be encoded: {e}")))?;
        let message = |partition| Message {
            topic: SIGNALS.name.into(),
            partition,
            value: Some(value.clone()),
            ..Message::default()
        };
        Ok((0..self.partitions).map(message).collect())
    }
}

/// Reads the records of one raw partition.
struct Reader {
    config: Arc<Config>,
    task: TaskContext,
    partitions: u32,
    dead_partitions: u32,
    metrics: Metrics,
    known: Arc<RwLock<Known>>,
}

impl Operator for Reader {
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError> {
        if self.task.id.topic == CONTROL.name {
            self.forward(fed, out);
            return Ok(());
        }
        let headers: Vec<(String, Vec<u8>)> =
            fed.record.headers.iter().map(|(name, value)| (name.clone(), value.to_vec())).collect();
        let raw = self.raw(&fed.record, &headers);
        let Processed { source, reading, dead_letter } = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            process_knowing(&raw, &self.config, &known.identities)
        };
        for (reason, count) in &reading.dropped {
            self.dropped(source, reason.as_str(), *count);
        }
        let result = match &dead_letter {
            Some(_) => "dead_letter",
            None if reading.signals.is_empty() => "dropped",
            None => "signals",
        };
        self.metrics.records.with_label_values(&[source, result]).inc();
        let trace: Headers =
            fed.record.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(TRACE_PARENT)).cloned().collect();
        for signal in &reading.signals {
            self.metrics.resolution.with_label_values(&[signal.entity.kind.as_str(), confidence(signal)]).inc();
            self.signal(fed, signal, &trace, out);
        }
        if let Some(letter) = dead_letter {
            out.push(self.dead_letter(fed, letter));
        }
        Ok(())
    }
}

impl Reader {
    fn raw<'a>(&'a self, record: &'a Record, headers: &'a [(String, Vec<u8>)]) -> Raw<'a> {
        Raw {
            topic: &self.task.id.topic,
            partition: self.task.id.partition as i32,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            headers,
            value: record.value.as_deref(),
        }
    }

    fn signal(&self, fed: &Fed, signal: &Signal<'_>, trace: &Headers, out: &mut Vec<Output>) {
        let key = topics::signal_key(&signal.tenant, &signal.cluster, &signal.entity.key()).into_bytes();
        match signal.encode() {
            Ok(value) if value.len() <= MAX_SIGNAL_BYTES => {
                let partition = topics::partition_for(&key, self.partitions);
                out.push(Output {
                    at: fed.at,
                    operator: 0,
                    topic: SIGNALS.name.into(),
                    partition,
                    key: Some(key),
                    headers: trace.clone(),
                    payload: Payload::Ready(Some(value)),
                });
            }
            Ok(_) => self.dropped(&signal.source, "oversize", 1),
            Err(error) => {
                tracing::error!(task = %self.task.id, offset = fed.record.offset, "a signal cannot be encoded: {error}");
                self.dropped(&signal.source, "unencodable", 1);
            }
        }
    }

    /// Forwards a control record into every signals partition.
    fn forward(&self, fed: &Fed, out: &mut Vec<Output>) {
        // A tombstone only ends a record's life in the compacted topic.
        let Some(value) = &fed.record.value else { return };
        let encoded = Control::decode(value).and_then(|control| {
            Signal {
                tenant: control.tenant.clone(),
                event_time: control.at,
                record_time: fed.record.timestamp,
                source: "control".into(),
                provenance: schemas::OffsetRange {
                    topic: self.task.id.topic.as_str().into(),
                    partition: self.task.id.partition as i32,
                    from: fed.record.offset,
                    to: fed.record.offset + 1,
                },
                body: Body::Control(control),
                ..Signal::default()
            }
            .encode()
        });
        match encoded {
            Ok(value) => out.extend((0..self.partitions).map(|partition| Output {
                at: fed.at,
                operator: 0,
                topic: SIGNALS.name.into(),
                partition,
                key: fed.record.key.as_deref().map(<[u8]>::to_vec),
                headers: Vec::new(),
                payload: Payload::Ready(Some(value.clone())),
            })),
            Err(error) => {
                let reject = Reject::decode(format!("not a control record: {error}"));
                let raw = self.raw(&fed.record, &[]);
                out.push(self.dead_letter(fed, DeadLetter::new(&raw, &reject, &crate::TopicConfig::default())));
            }
        }
    }

    fn dead_letter(&self, fed: &Fed, letter: DeadLetter) -> Output {
        let place = format!("{}/{}/{}", self.task.id.topic, self.task.id.partition, fed.record.offset);
        Output {
            at: fed.at,
            operator: 1,
            topic: DEAD_LETTERS.name.into(),
            partition: topics::partition_for(place.as_bytes(), self.dead_partitions),
            key: letter.key,
            headers: letter.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            payload: Payload::Ready(letter.value),
        }
    }

    fn dropped(&self, source: &str, reason: &str, count: u64) {
        self.metrics.dropped.with_label_values(&[source, reason]).inc_by(count);
    }
}

fn confidence(signal: &Signal<'_>) -> &'static str {
    match signal.confidence {
        schemas::Confidence::High => "high",
        schemas::Confidence::Medium => "medium",
        schemas::Confidence::Low => "low",
        schemas::Confidence::Unresolved => "unresolved",
    }
}
