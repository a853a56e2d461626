//! Remediate on the engine: incidents to commands, with the ledger of each cluster in task state.
//!
//! Invariant: a command is a function of the task's log and its logic; only its signature also depends on the key.

use crate::config::{Config, SEMANTICS};
use crate::refusal::Refusal;
use crate::state::{Decision, State};
use engine::error::EngineError;
use engine::job::{Fed, Job, Mode, Operator};
use engine::log::Headers;
use engine::metrics::Metrics;
use engine::output::{Output, Payload, Stamp};
use engine::state::{Cache, Value};
use engine::task::TaskContext;
use schemas::codec::Record as _;
use schemas::signal::{Tick, TickPosition};
use schemas::signing::{self, Signer};
use schemas::{Command, IncidentBody, IncidentRecord, Logic, TaskName};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use topics::declared::{COMMANDS, INCIDENTS};

/// Key of the one value of a task's state.
const STATE: &[u8] = b"remediate";

/// The job that turns incidents into commands.
pub struct Remediate {
    config: Arc<Config>,
    revision: i32,
    /// Partitions of the commands topic.
    partitions: u32,
    metrics: Metrics,
    signer: Option<Arc<Signer>>,
}

impl Remediate {
    /// Writes a commands topic of so many partitions. `revision` numbers the configuration, as its owner does; without
    /// a signer commands are unsigned, and nobody carries them out.
    pub fn new(config: Config, revision: i32, partitions: u32, metrics: Metrics, signer: Option<Signer>) -> Self {
        Remediate { config: Arc::new(config), revision, partitions, metrics, signer: signer.map(Arc::new) }
    }
}

impl Job for Remediate {
    fn name(&self) -> &'static str {
        "remediate"
    }

    fn inputs(&self) -> Vec<String> {
        vec![INCIDENTS.name.to_owned()]
    }

    fn logic(&self) -> Logic {
        Logic { semantics: SEMANTICS, revision: self.revision, hash: self.config.logic_hash() }
    }

    fn mode(&self) -> Mode {
        Mode::Stateful
    }

    fn operator(&self, task: &TaskContext) -> Box<dyn Operator> {
        Box::new(Responder {
            config: self.config.clone(),
            partitions: self.partitions,
            metrics: self.metrics.clone(),
            signer: self.signer.clone(),
            state: task.cache(),
            task: task.clone(),
            topic: COMMANDS.name.into(),
        })
    }
}

/// Answers the incidents of one partition.
struct Responder {
    config: Arc<Config>,
    partitions: u32,
    metrics: Metrics,
    signer: Option<Arc<Signer>>,
    state: Rc<RefCell<Cache<State>>>,
    task: TaskContext,
    topic: Arc<str>,
}

impl Operator for Responder {
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError> {
        let Some(value) = &fed.record.value else { return Ok(()) };
        let record = match IncidentRecord::decode(value) {
            Ok(record) => record,
            Err(error) => {
                // Only a stranger's write can bring us here; the record stays where it is for a person to look at.
                tracing::error!(task = %self.task.id, offset = fed.at, "not an incident: {error}");
                self.metrics.dropped.with_label_values(&["incidents", "decode"]).inc();
                return Ok(());
            }
        };
        let now = self.advance(&record);
        let decisions =
            self.state.borrow_mut().update(STATE, |state| state.observe(&record.body, now, &self.config))?;
        for decision in decisions {
            if self.task.is_live() {
                self.tell(&decision);
            }
            if let Decision::Ordered { command, .. } = decision {
                out.push(self.publish(fed.at, *command, &fed.record.headers));
            }
        }
        Ok(())
    }
}

impl Responder {
    /// The task's time with this record: that of the one task of correlate that writes this partition.
    fn advance(&self, record: &IncidentRecord<'_>) -> i64 {
        let up_to = match &record.body {
            IncidentBody::TaskTick(tick) => tick.up_to,
            _ => record.round,
        };
        let partition = self.task.id.partition as i32;
        let position = TickPosition { topic: INCIDENTS.name.into(), partition, up_to, retired: false };
        let mut clock = self.task.clock.borrow_mut();
        clock.observe(&Tick { positions: vec![position] });
        clock.now()
    }

    fn publish(&self, at: i64, command: Command<'static>, trace: &Headers) -> Output {
        let key = command.lock_domain.as_str().as_bytes().to_vec();
        let envelope = envelope(&command);
        let (round, signer) = (self.task.clock.borrow().round(), self.signer.clone());
        let encode = move |stamp: &Stamp| {
            let mut command = command.clone();
            command.task = TaskName {
                job: stamp.task.job.as_str().to_owned().into(),
                topic: stamp.task.topic.as_str().to_owned().into(),
                partition: stamp.task.partition as i32,
            };
            (command.tasks, command.out_seq, command.round) = (stamp.tasks as i32, stamp.out_seq, round);
            command.logic = stamp.logic;
            signing::sign(&mut command, signer.as_deref());
            command.encode().expect("a command is built of texts and finite numbers, which its schema always takes")
        };
        Output {
            at,
            operator: 0,
            topic: self.topic.clone(),
            partition: topics::partition_for(&key, self.partitions),
            key: Some(key),
            headers: [envelope, trace.clone()].concat(),
            payload: Payload::Stamped(Rc::new(encode)),
        }
    }

    /// Counts and logs a decision.
    fn tell(&self, decision: &Decision) {
        let refused = |remedy: &str, refusal: &Refusal| {
            self.metrics.refusals.with_label_values(&[remedy, refusal.rule.as_str()]).inc();
        };
        match decision {
            Decision::Ordered { command, lowered } => {
                let mode = format!("{:?}", command.mode).to_lowercase();
                self.metrics.commands.with_label_values(&[command.action.name.as_str(), &mode]).inc();
                lowered.iter().for_each(|refusal| refused(&command.action.name, refusal));
                tracing::info!(command = %command.id, incident = %command.incident, mode, "{}", command.reason);
            }
            Decision::Observed(proposed) => {
                self.metrics.commands.with_label_values(&[proposed.remedy, "observe"]).inc();
            }
            Decision::Refused(proposed, refusal) => {
                refused(proposed.remedy, refusal);
                tracing::debug!(
                    incident = proposed.incident,
                    policy = proposed.policy,
                    remedy = proposed.remedy,
                    target = proposed.target,
                    rule = refusal.rule.as_str(),
                    "refused: {}",
                    refusal.sentence
                );
            }
            Decision::StormBegan { cluster, refusal } => {
                tracing::warn!(
                    cluster,
                    "storm: nothing is approved or enforced until it is over: {}",
                    refusal.sentence
                );
            }
            Decision::StormOver { cluster } => tracing::info!(cluster, "the storm is over"),
        }
    }
}

/// CloudEvents headers, by which anything on the bus can route a command without reading it.
fn envelope(command: &Command<'_>) -> Headers {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec().into());
    vec![
        header("ce_specversion", "1.0"),
        header("ce_id", &command.id),
        header("ce_type", "bellbuoy.command"),
        header("ce_source", &format!("bellbuoy/remediate/{}", command.cluster)),
        header("ce_subject", &command.lock_domain),
        header("content-type", "application/avro"),
    ]
}

impl Value for State {
    fn encode(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("maps with keys of text, numbers and texts always serialize");
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let state: State = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        state.check()?;
        Ok(state)
    }

    fn heap_bytes(&self) -> usize {
        State::heap_bytes(self)
    }
}
