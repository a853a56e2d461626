//! One notifier: what it reads, what it decides, what it sends.

mod deliver;

use crate::alert;
use crate::config::{Config, Target};
use crate::courier::Courier;
use crate::dispatch::Allowance;
use crate::error::NotifyError;
use crate::follow::{Next, Seen, follow, is_firing, is_settled};
use crate::incidents::{Reader, Said};
use crate::mutes::Mutes;
use crate::outbox::{self, IncidentKey, Key, Outbox, key};
use crate::run::Hook;
use bytes::Bytes;
use engine::clock::WallClock;
use engine::log::Log;
use engine::metrics::Metrics;
use schemas::notification::{Notice, NoticeState, Position};
use schemas::{Incident, IncidentBody, IncidentRecord, Record as _};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Time between two looks at what waits for a silence to end or can be forgotten, milliseconds.
const RECONSIDER_EVERY: i64 = 1_000;

/// The places where a test may end a notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Changes of incidents were read.
    Read,
    /// What is to be told of them is written.
    Intended,
    /// A message is about to be sent.
    Sending,
    /// It was sent and answered, and that is not yet written.
    Sent,
    /// That is written.
    Told,
}

/// One notifier.
pub(crate) struct Notifier<'a> {
    config: &'a Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &'a Metrics,
    hook: &'a Hook,
    mutes: Mutes,
    /// None until it was read.
    memory: Option<Memory>,
    couriers: Vec<Courier>,
    reconsidered_at: i64,
}

/// What was read, and where reading goes on.
struct Memory {
    outbox: Outbox,
    reader: Reader,
    /// A write or a reading failed, so what is here may not be what stands on the topics.
    in_doubt: bool,
}

impl Memory {
    /// Reads some of what has happened; whether there is more. After an error some of it may be passed over, so the memory
    /// is read again, and with it from where reading goes on.
    fn read(&mut self, log: &dyn Log) -> Result<(Vec<Said>, bool), NotifyError> {
        let mut said = Vec::new();
        let more = self.reader.read(log, &mut said);
        self.in_doubt |= more.is_err();
        Ok((said, more?))
    }
}

impl<'a> Notifier<'a> {
    pub(crate) fn new(
        config: &'a Config,
        log: Arc<dyn Log>,
        clock: Arc<dyn WallClock>,
        metrics: &'a Metrics,
        hook: &'a Hook,
    ) -> Self {
        let (mutes, couriers) = (Mutes::default(), Vec::new());
        Notifier { config, log, clock, metrics, hook, mutes, memory: None, couriers, reconsidered_at: i64::MIN }
    }

    /// Looks once at the log and at every target, and does what is to be done.
    pub(crate) fn look(&mut self) -> Result<(), NotifyError> {
        if self.memory.as_ref().is_none_or(|memory| memory.in_doubt) {
            let loaded = self.load();
            if loaded.is_err() && self.memory.is_some() {
                // What goes on is still said to go on: whoever is not reminded would take it for over.
                self.keep_alive()?;
            }
            loaded?;
        }
        self.collect()?;
        let mutes = self.mutes.read_on(&*self.log);
        self.listen();
        self.remind();
        mutes?;
        // Whoever is silenced must be heard before the first incident is told.
        if self.couriers.iter().all(|courier| courier.listened) {
            if self.memory.as_ref().is_some_and(|memory| memory.outbox.positions.is_empty()) {
                self.begin()?;
            }
            self.read()?;
            self.reconsider()?;
            self.dispatch()?;
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn at(&self, step: Step) -> Result<(), NotifyError> {
        (self.hook)(step)
    }

    fn load(&mut self) -> Result<(), NotifyError> {
        let outbox = Outbox::load(&*self.log, &self.config.name)?;
        let reader = Reader::at(&outbox.positions);
        if self.couriers.is_empty() {
            for target in &self.config.targets {
                self.couriers.push(Courier::start(target, Allowance::remembered(outbox.of(&target.name)))?);
            }
        }
        self.memory = Some(Memory { outbox, reader, in_doubt: false });
        Ok(())
    }

    /// The first time of all: what has long been over is not told.
    fn begin(&mut self) -> Result<(), NotifyError> {
        let Some(memory) = &mut self.memory else { return Ok(()) };
        let mut open: BTreeMap<IncidentKey, Change> = BTreeMap::new();
        let mut more = true;
        while more {
            let said;
            (said, more) = memory.read(&*self.log)?;
            for said in said {
                match said {
                    Said::Change { partition, offset, record } => {
                        let Some(change) = Change::of(partition, offset, record) else { continue };
                        if change.over {
                            open.remove(&change.key);
                        } else {
                            open.insert(change.key.clone(), change);
                        }
                    }
                    Said::OnlyOpen { partition, open: only } => {
                        open.retain(|(_, _, id), change| change.partition != partition || only.contains(id));
                    }
                }
            }
        }
        tracing::info!(open = open.len(), "begins to tell; what is over already is not told");
        for change in open.into_values() {
            self.consider(&change);
        }
        self.write(Positions::Also)
    }

    /// Reads what has happened, and writes what is to be told of it.
    fn read(&mut self) -> Result<(), NotifyError> {
        let Some(memory) = &mut self.memory else { return Ok(()) };
        let (said, _) = memory.read(&*self.log)?;
        if said.is_empty() {
            return Ok(());
        }
        self.at(Step::Read)?;
        for said in said {
            match said {
                Said::Change { partition, offset, record } => {
                    if let Some(change) = Change::of(partition, offset, record) {
                        self.consider(&change);
                    }
                }
                Said::OnlyOpen { partition, open } => self.end_others(partition, &open),
            }
        }
        // A position alone is not worth a record: what was read again would be decided again as it was.
        self.write(Positions::WithOthers)?;
        self.at(Step::Intended)
    }

    /// Takes in a change of an incident, for every target.
    fn consider(&mut self, change: &Change) {
        let now = self.now();
        let Some(memory) = &mut self.memory else { return };
        let Some(record) = decode(&change.record) else { return };
        let IncidentBody::Incident(incident) = &record.body else { return };
        let seen = Seen {
            incident,
            over: change.over,
            partition: i32::try_from(change.partition).unwrap_or(i32::MAX),
            offset: change.offset,
        };
        let mut kept = false;
        for courier in &self.couriers {
            let key = Key { incident: change.key.clone(), target: courier.target.name.clone() };
            let known = memory.outbox.notices.get(&key);
            // It was read before: a restart goes on a little earlier than where it ended.
            let is_old = |known: &Notice<'_>| {
                known.partition == seen.partition && known.offset >= seen.offset && known.over == seen.over
            };
            if known.is_some_and(is_old) {
                kept = true;
                continue;
            }
            let silence = silence(&self.couriers, &courier.target, incident, self.config, known);
            let next = follow(self.config, &courier.target, known, seen, silence.as_deref(), now);
            kept |= stage(&mut memory.outbox, self.metrics, &key, next);
        }
        if kept {
            memory.outbox.incidents.insert(change.key.clone(), change.record.clone());
        }
    }

    /// What a task that recovered does not name is over.
    fn end_others(&mut self, partition: u32, open: &[String]) {
        let Some(memory) = &self.memory else { return };
        let theirs = |notice: &&Notice<'static>| notice.partition.unsigned_abs() == partition && !notice.over;
        let ended: BTreeMap<IncidentKey, i64> = memory
            .outbox
            .notices
            .values()
            .filter(theirs)
            .filter(|notice| !open.iter().any(|id| notice.incident == id.as_str()))
            .map(|notice| (key(notice).incident, notice.offset))
            .collect();
        for (key, offset) in ended {
            let Some(record) = self.memory.as_ref().and_then(|memory| memory.outbox.incidents.get(&key)).cloned()
            else {
                continue;
            };
            self.consider(&Change { key, partition, offset, record, over: true });
        }
    }

    /// Looks again at what may have changed by itself: silences, and what can be told next or forgotten.
    fn reconsider(&mut self) -> Result<(), NotifyError> {
        let now = self.now();
        if now.saturating_sub(self.reconsidered_at) < RECONSIDER_EVERY {
            return Ok(());
        }
        self.reconsidered_at = now;
        let Some(memory) = &mut self.memory else { return Ok(()) };
        let targets: BTreeMap<&str, &Target> =
            self.couriers.iter().map(|courier| (courier.target.name.as_str(), &courier.target)).collect();
        let mut nexts = Vec::new();
        for (key, notice) in &memory.outbox.notices {
            // A target that was taken out of the configuration is told nothing more, and is soon forgotten.
            let Some(target) = targets.get(key.target.as_str()) else {
                if now - notice.at > self.config.remember.millis() {
                    nexts.push((key.clone(), Next::Forget));
                }
                continue;
            };
            if is_settled(notice) {
                if now - notice.at > self.config.remember.millis() {
                    nexts.push((key.clone(), Next::Forget));
                }
                continue;
            }
            let Some(record) = memory.outbox.incidents.get(&key.incident).and_then(decode) else { continue };
            let IncidentBody::Incident(incident) = &record.body else { continue };
            let seen = Seen { incident, over: notice.over, partition: notice.partition, offset: notice.offset };
            let silence = silence(&self.couriers, target, incident, self.config, Some(notice));
            nexts.push((key.clone(), follow(self.config, target, Some(notice), seen, silence.as_deref(), now)));
        }
        for (key, next) in nexts {
            stage(&mut memory.outbox, self.metrics, &key, next);
        }
        memory.outbox.prune();
        self.write(Positions::WithOthers)
    }

    /// Writes what was staged, and how far was read.
    fn write(&mut self, positions: Positions) -> Result<(), NotifyError> {
        let Some(memory) = &mut self.memory else { return Ok(()) };
        if !memory.outbox.has_staged() && positions == Positions::WithOthers {
            return Ok(());
        }
        for (partition, next) in memory.reader.positions() {
            if memory.outbox.positions.get(partition) != Some(next) {
                let partition = i32::try_from(*partition).unwrap_or(i32::MAX);
                memory.outbox.stage(outbox::Change::Position(Position { partition, next: *next }));
            }
        }
        let written = memory.outbox.commit(&*self.log);
        memory.in_doubt = written.is_err();
        written
    }
}

/// Whether positions are written where nothing else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    Also,
    WithOthers,
}

/// One change of one incident.
struct Change {
    key: IncidentKey,
    partition: u32,
    offset: i64,
    record: Bytes,
    over: bool,
}

impl Change {
    fn of(partition: u32, offset: i64, record: Bytes) -> Option<Self> {
        let read = decode(&record)?;
        let IncidentBody::Incident(incident) = &read.body else { return None };
        let key = (incident.tenant.to_string(), incident.cluster.to_string(), incident.id.to_string());
        let over = incident.is_over();
        drop(read);
        Some(Change { key, partition, offset, record, over })
    }
}

fn decode(record: &Bytes) -> Option<IncidentRecord<'_>> {
    // The reader has seen that it can be read.
    IncidentRecord::decode(record).ok()
}

/// Takes in what becomes of a notice; true where there is one.
fn stage(outbox: &mut Outbox, metrics: &Metrics, key: &Key, next: Next) -> bool {
    match next {
        Next::Stay => outbox.notices.contains_key(key),
        Next::Become(notice) => {
            let before = outbox.notices.get(key).map(|notice| notice.state);
            if notice.state == NoticeState::Withheld && before != Some(NoticeState::Withheld) {
                metrics.notifications.with_label_values(&[&key.target, "withheld"]).inc();
            }
            outbox.stage(outbox::Change::Notice(notice));
            true
        }
        Next::Forget => {
            outbox.stage(outbox::Change::Forget(key.clone()));
            false
        }
    }
}

/// Why a target must not hear of an incident: a silence at an Alertmanager, which itself silences what it is told.
fn silence(
    couriers: &[Courier],
    target: &Target,
    incident: &Incident<'_>,
    config: &Config,
    known: Option<&Notice<'static>>,
) -> Option<String> {
    if target.to.is_alertmanager() {
        return None;
    }
    let labels = match known.filter(|known| is_firing(known)) {
        Some(known) => known.labels.clone(),
        None => alert::labels(incident, alert::grade(incident.severity, &config.grades)),
    };
    let as_told = Notice { labels, ..Notice::default() };
    let silences = couriers.iter().flat_map(|courier| &courier.silences);
    silences.into_iter().find(|silence| silence.matches(&as_told)).map(crate::silence::Silence::reason)
}
