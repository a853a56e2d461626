//! One actuator: what it reads, what it takes up, what it brings to an end.

mod carry;
mod tell;

use crate::api::Api;
use crate::chain::Chain;
use crate::config::Config;
use crate::consent::Consent;
use crate::error::ActuateError;
use crate::flows::Flows;
use crate::incidents::Incidents;
use crate::judge::{Verdict, judge};
use crate::ledger::{Claim, Entry, Ledger, Phase};
use crate::run::Hook;
use engine::clock::WallClock;
use engine::log::{Log, TopicReader};
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use schemas::signing::{self, VerifyingKey};
use schemas::{ApiOperation, Command, Record as _, RefusalRule, ResultState};
use std::collections::BTreeMap;
use std::sync::Arc;
use topics::declared::COMMANDS;

/// Time between two looks at the ledger, milliseconds.
const RECONCILE_EVERY: i64 = 1_000;
/// After this long another actuator's unfinished order is taken over, milliseconds.
const ABANDONED: i64 = 120_000;

/// The places where a test may end an actuator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The claim was made.
    Claimed,
    /// The server would take every request.
    DryRun,
    /// The record says that requests are being sent.
    Executing,
    /// One request was answered.
    Request,
    /// All were, and the record does not say so yet.
    Done,
    /// The record says so.
    Succeeded,
    /// The record says that it is being undone.
    Undoing,
    /// It was undone, and the record does not say so yet.
    Undone,
    /// A result was published, and the record does not say so yet.
    Told,
}

/// One actuator.
pub(crate) struct Actuator<'a> {
    config: &'a Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &'a Metrics,
    stopping: &'a Stopping,
    hook: &'a Hook,
    api: Api,
    ledger: Ledger,
    keys: Vec<VerifyingKey>,
    consent: Consent,
    incidents: Incidents,
    flows: Flows,
    /// Until the control topic was read to its end, nothing new is done.
    heard: bool,
    chain: Option<Chain>,
    /// Commands whose fate is open, by time of issue and digest.
    pending: BTreeMap<(i64, String), Vec<u8>>,
    commands: TopicReader,
    /// The ledger as last read.
    entries: Vec<Entry>,
    /// When that was; none before the first time.
    reconciled_at: Option<i64>,
    /// What was sent and is not yet told, by command.
    operations: BTreeMap<String, Vec<ApiOperation<'static>>>,
    /// Why orders were refused when they were to be done, until it is told.
    refusals: BTreeMap<String, crate::actions::Refusal>,
}

impl<'a> Actuator<'a> {
    pub(crate) async fn new(
        config: &'a Config,
        log: Arc<dyn Log>,
        clock: Arc<dyn WallClock>,
        metrics: &'a Metrics,
        stopping: &'a Stopping,
        hook: &'a Hook,
    ) -> Result<Self, ActuateError> {
        let api = Api::connect(config.kubeconfig.as_deref()).await?;
        let keys = config.keys.iter().filter_map(|key| signing::public_key(key).ok()).collect();
        let ledger = Ledger::new(api.clone(), &config.namespace);
        let incidents = Incidents::since(clock.now_millis());
        Ok(Actuator {
            config,
            log,
            clock,
            metrics,
            stopping,
            hook,
            api,
            ledger,
            keys,
            consent: Consent::default(),
            incidents,
            flows: Flows::default(),
            heard: false,
            chain: None,
            pending: BTreeMap::new(),
            commands: TopicReader::new(COMMANDS.name),
            entries: Vec::new(),
            reconciled_at: None,
            operations: BTreeMap::new(),
            refusals: BTreeMap::new(),
        })
    }

    /// Looks once at the log and at the ledger, and does what is to be done.
    pub(crate) async fn look(&mut self) -> Result<(), ActuateError> {
        // The log first where it is there; where it is not, what expires is undone all the same.
        let log = self.read_log();
        self.heard |= log.is_ok();
        let heard = self.heard && log.is_ok();
        let now = self.now();
        if self.reconciled_at.is_none_or(|last| now - last >= RECONCILE_EVERY) {
            self.reconcile(heard).await?;
            self.reconciled_at = Some(now);
        }
        log?;
        self.consider().await
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn at(&self, step: Step) -> Result<(), ActuateError> {
        (self.hook)(step)
    }

    fn read_log(&mut self) -> Result<(), ActuateError> {
        self.consent.read_on(&*self.log, self.config)?;
        self.incidents.read_on(&*self.log, self.config)?;
        if self.chain.is_none() {
            self.chain = Some(Chain::load(&*self.log, &self.config.name)?);
        }
        let (pending, chain, metrics) = (&mut self.pending, self.chain.as_ref(), self.metrics);
        self.commands.read_on(&*self.log, |_, record| {
            let Some(value) = &record.value else { return Ok(()) };
            match Command::decode(value) {
                Ok(command) => {
                    let told = chain.and_then(|chain| chain.told(&command.id));
                    if matches!(told, None | Some(ResultState::Accepted)) {
                        pending.insert((command.issued_at, command.digest.to_string()), value.to_vec());
                    }
                }
                Err(error) => {
                    metrics.dropped.with_label_values(&["commands", "decode"]).inc();
                    tracing::warn!("a record of the commands topic is no command: {error}");
                }
            }
            Ok(())
        })
    }

    /// Judges every command whose fate is open.
    async fn consider(&mut self) -> Result<(), ActuateError> {
        let keys: Vec<(i64, String)> = self.pending.keys().cloned().collect();
        for key in keys {
            if self.stopping.is_stopping() {
                break;
            }
            let Some(bytes) = self.pending.get(&key).cloned() else { continue };
            let command = Command::decode(&bytes)?;
            // What was taken up is the ledger's: a restart reads its command again, and long after it has expired.
            let claimed = |entry: &Entry| entry.command().id == command.id && entry.command().digest == command.digest;
            if self.entries.iter().any(claimed) {
                self.pending.remove(&key);
                continue;
            }
            // Whether somebody took it up in its last moment the ledger says that is read after them.
            if self.now() >= command.expires_at && self.reconciled_at.is_none_or(|last| last <= command.expires_at) {
                continue;
            }
            match judge(&command, &self.consent, &self.keys, self.config, self.now()) {
                Verdict::Observe => self.metrics.results.with_label_values(&[&*command.action.name, "observed"]).inc(),
                Verdict::Recommend => self.say(&command, ResultState::Recommended, "people may do it themselves")?,
                Verdict::Refuse(refusal) => self.say_refused(&command, &refusal)?,
                Verdict::Wait(people) => {
                    self.say_waiting(&command, people)?;
                    continue;
                }
                Verdict::Go(kind, approvals) => {
                    if let Some(mut entry) = self.claim(&command, &bytes, &approvals).await? {
                        postponed(self.carry_out(&mut entry, kind).await)?;
                        self.entries.push(entry);
                    }
                }
            }
            self.pending.remove(&key);
        }
        Ok(())
    }

    /// Takes a command up; none where that is not for us.
    async fn claim(
        &mut self,
        command: &Command<'_>,
        bytes: &[u8],
        approvals: &[schemas::ApprovalGiven<'static>],
    ) -> Result<Option<Entry>, ActuateError> {
        let claimed = self.ledger.claim(command, bytes, approvals, &self.config.name, self.now()).await;
        match claimed.map_err(carry::later)? {
            Claim::Made(entry) => {
                self.at(Step::Claimed)?;
                Ok(Some(entry))
            }
            Claim::Exists(entry) if entry.command().digest != command.digest => {
                let sentence = "another command of the same id was taken up before";
                self.say_refused(command, &crate::actions::Refusal::new(RefusalRule::Duplicate, sentence))?;
                Ok(None)
            }
            // Whoever took it up brings it to an end: the look at the ledger goes on with what is ours.
            Claim::Exists(_) => Ok(None),
        }
    }

    /// Goes on with what was begun, undoes what expires, verifies, and tells what was not told.
    async fn reconcile(&mut self, heard: bool) -> Result<(), ActuateError> {
        self.entries = self.ledger.entries().await.map_err(carry::later)?;
        for at in 0..self.entries.len() {
            let mut entry = self.entries[at].clone();
            let now = self.now();
            let ours = entry.actuator == self.config.name || now - entry.at > ABANDONED;
            if ours {
                postponed(self.go_on(&mut entry, heard, now).await)?;
                if heard && entry.told != Some(entry.phase) {
                    self.tell(&mut entry).await?;
                }
            }
            self.entries[at] = entry;
        }
        Ok(())
    }

    async fn go_on(&mut self, entry: &mut Entry, heard: bool, now: i64) -> Result<(), ActuateError> {
        match entry.phase {
            Phase::Claimed | Phase::Executing if heard => {
                let bytes = entry.bytes.clone();
                let command = Command::decode(&bytes)?;
                match crate::actions::by_name(&command.action.name) {
                    Some(kind) => self.carry_out(entry, kind).await,
                    None => self.set(entry, Phase::Failed, "the action is not known here".to_owned()).await,
                }
            }
            Phase::Undoing => self.undo(entry, "it was begun").await,
            Phase::Succeeded | Phase::Verified | Phase::Ineffective => match self.ended_by(entry, heard, now) {
                Some(why) => self.undo(entry, &why).await,
                None if entry.phase == Phase::Succeeded => self.verify(entry, heard).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Why what is in force is over: its time, or a person who takes it back.
    fn ended_by(&self, entry: &Entry, heard: bool, now: i64) -> Option<String> {
        if entry.undo_at > 0 && now >= entry.undo_at {
            return Some("its time is over".to_owned());
        }
        let command = entry.command();
        let can = command.inverse.as_ref().is_some_and(|inverse| crate::actions::by_name(&inverse.name).is_some());
        let person = self.consent.refused(&command).filter(|_| heard && can)?;
        Some(format!("{person} took it back"))
    }
}

/// What cannot be done now stands in the ledger and is tried at the next look; the other orders must not wait for it.
fn postponed(result: Result<(), ActuateError>) -> Result<(), ActuateError> {
    match result {
        Err(ActuateError::Log(error @ engine::error::LogError::Unavailable { .. })) => {
            tracing::warn!("postponed: {error}");
            Ok(())
        }
        other => other,
    }
}
