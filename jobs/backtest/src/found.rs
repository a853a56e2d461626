//! What a log holds of anomalies, incidents and commands, without what says when it was written.
//!
//! Invariant: in an order of its own, so that it does not matter how records of several tasks lie in a partition.

use crate::error::BacktestError;
use crate::source::Source;
use engine::log::Record as Stored;
use schemas::{
    AnomalyBody, AnomalyRecord, Band, Command, Entity, Family, IncidentBody, IncidentRecord, IncidentState, Intent,
    Logic, Mode, Notice, Record, SchemaError, Term,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::declared::{ANOMALIES, COMMANDS, INCIDENTS};

/// Everything found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Anomalies, by what they are of and their onset.
    pub anomalies: Vec<Anomaly>,
    /// Incidents as they stood last, by onset.
    pub incidents: Vec<Incident>,
    /// Commands, by what they do to what and when.
    pub commands: Vec<Command<'static>>,
    /// Rounds from the first to the last of which anything is told; none where nothing is.
    pub rounds: Option<(i64, i64)>,
    /// Logic of each job that wrote.
    pub logic: BTreeMap<&'static str, BTreeSet<Logic>>,
}

/// One anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Whose, where, and of what: tenant, cluster, entity, detector, part, measure.
    pub of: AnomalyOf,
    /// When it began.
    pub onset: i64,
    /// When it was raised.
    pub event_time: i64,
    /// Kind of evidence.
    pub family: Family,
    /// How grave.
    pub band: Band,
    /// 0–100.
    pub score: f64,
    /// The detector's own number.
    pub raw: f64,
    /// Probability, where calibrated.
    pub p: Option<f64>,
    /// The arithmetic.
    pub terms: Vec<Term<'static>>,
    /// For a person.
    pub sentence: String,
    /// Observations behind the baseline.
    pub baseline_count: i64,
    /// Since when it learns.
    pub baseline_since: i64,
}

/// What two anomalies share that are the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnomalyOf {
    /// Whose data.
    pub tenant: String,
    /// Which cluster.
    pub cluster: String,
    /// What departed.
    pub entity: Entity<'static>,
    /// Which detector.
    pub detector: String,
    /// Which part of the entity.
    pub scope: String,
    /// What was measured.
    pub measure: String,
}

/// One incident, as its last record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Whose data and which cluster.
    pub of: (String, String),
    /// Its identifier.
    pub id: String,
    /// When it began.
    pub onset: i64,
    /// When it was over, or its newest evidence.
    pub until: i64,
    /// Highest severity, 0–100.
    pub severity: f64,
    /// Log-odds behind it.
    pub score: f64,
    /// The arithmetic.
    pub terms: Vec<Term<'static>>,
    /// The gravest band.
    pub band: Band,
    /// Whether a person should hear of it.
    pub notice: Notice,
    /// Number of members.
    pub members_total: i64,
    /// Members by entity, detector, measure and onset.
    pub members: BTreeSet<(Entity<'static>, String, String, i64)>,
    /// The likeliest cause.
    pub cause: Option<Entity<'static>>,
    /// For a person.
    pub sentence: String,
}

impl Incident {
    /// Entities of its members.
    pub fn entities(&self) -> BTreeSet<&Entity<'static>> {
        self.members.iter().map(|(entity, ..)| entity).collect()
    }
}

impl Found {
    /// Reads everything found that a log has.
    pub fn read(log: &Source) -> Result<Self, BacktestError> {
        let mut found = Found::default();
        log.each(ANOMALIES.name, |partition, stored| found.take_anomaly(partition, stored))?;
        let mut last: BTreeMap<(String, String, String), (i32, Incident)> = BTreeMap::new();
        log.each(INCIDENTS.name, |partition, stored| found.take_incident(partition, stored, &mut last))?;
        found.incidents = last.into_values().map(|(_, incident)| incident).collect();
        log.each(COMMANDS.name, |partition, stored| found.take_command(partition, stored))?;
        found.anomalies.sort_by(|a, b| (&a.of, a.onset, a.event_time).cmp(&(&b.of, b.onset, b.event_time)));
        found.incidents.sort_by(|a, b| (&a.of, a.onset, &a.id).cmp(&(&b.of, b.onset, &b.id)));
        found.commands.sort_by(|a, b| (a.issued_at, &*a.id).cmp(&(b.issued_at, &*b.id)));
        Ok(found)
    }

    /// Only what was told within rounds, which is what a run over the same records can have told.
    pub fn within(mut self, (first, last): (i64, i64)) -> Self {
        self.anomalies.retain(|anomaly| (first..=last).contains(&anomaly.event_time));
        self.incidents.retain(|incident| incident.onset <= last && incident.until >= first);
        self.commands.retain(|command| (first..=last).contains(&command.round));
        self
    }

    /// Only what came at or after a time: what is before is for learning.
    pub fn since(mut self, time: i64) -> Self {
        self.anomalies.retain(|anomaly| anomaly.event_time >= time);
        self.incidents.retain(|incident| incident.onset >= time);
        self.commands.retain(|command| command.issued_at >= time);
        self
    }

    fn take_anomaly(&mut self, partition: u32, stored: &Stored) -> Result<(), BacktestError> {
        let Some(value) = &stored.value else { return Ok(()) };
        let record = AnomalyRecord::decode(value).map_err(unreadable(ANOMALIES.name, partition, stored))?;
        self.hear("detect", record.round, record.logic);
        let AnomalyBody::Anomaly(told) = record.body else { return Ok(()) };
        self.anomalies.push(Anomaly {
            of: AnomalyOf {
                tenant: told.tenant.to_string(),
                cluster: told.cluster.to_string(),
                entity: told.entity.to_owned(),
                detector: told.detector.to_string(),
                scope: told.scope.to_string(),
                measure: told.measure.to_string(),
            },
            onset: told.onset,
            event_time: told.event_time,
            family: told.family,
            band: told.band,
            score: told.score,
            raw: told.raw,
            p: told.p,
            terms: owned(told.terms),
            sentence: told.sentence.to_string(),
            baseline_count: told.baseline_count,
            baseline_since: told.baseline_since,
        });
        Ok(())
    }

    fn take_incident(
        &mut self,
        partition: u32,
        stored: &Stored,
        last: &mut BTreeMap<(String, String, String), (i32, Incident)>,
    ) -> Result<(), BacktestError> {
        let Some(value) = &stored.value else { return Ok(()) };
        let record = IncidentRecord::decode(value).map_err(unreadable(INCIDENTS.name, partition, stored))?;
        self.hear("correlate", record.round, record.logic);
        let IncidentBody::Incident(told) = record.body else { return Ok(()) };
        let key = (told.tenant.to_string(), told.cluster.to_string(), told.id.to_string());
        // What another one took in is told of there.
        if told.state == IncidentState::Merge || !told.superseded_by.is_empty() {
            last.remove(&key);
            return Ok(());
        }
        if last.get(&key).is_some_and(|(revision, _)| *revision > told.revision) {
            return Ok(());
        }
        let member = |member: &schemas::Member<'_>| {
            (member.entity.to_owned(), member.detector.to_string(), member.measure.to_string(), member.onset)
        };
        let incident = Incident {
            of: (told.tenant.to_string(), told.cluster.to_string()),
            id: told.id.to_string(),
            onset: told.onset,
            until: told.closed_at.max(told.last_evidence),
            severity: told.peak_severity,
            score: told.score,
            band: told.band,
            notice: told.notice,
            members_total: told.members_total,
            members: told.members.iter().map(member).collect(),
            cause: told.causes.first().map(|cause| cause.entity.to_owned()),
            sentence: told.sentence.to_string(),
            terms: owned(told.terms),
        };
        last.insert(key, (told.revision, incident));
        Ok(())
    }

    fn take_command(&mut self, partition: u32, stored: &Stored) -> Result<(), BacktestError> {
        let Some(value) = &stored.value else { return Ok(()) };
        let told = Command::decode(value).map_err(unreadable(COMMANDS.name, partition, stored))?;
        self.hear("remediate", told.round, told.logic);
        self.commands.push(Command {
            tenant: told.tenant.into_owned(),
            cluster: told.cluster.into_owned(),
            round: told.round,
            id: told.id.into_owned(),
            attempt: told.attempt,
            intent: told.intent,
            mode: told.mode,
            risk: told.risk,
            action: schemas::Action { name: told.action.name.into_owned(), parameters: Vec::new() },
            target: schemas::Target {
                entity: told.target.entity.to_owned(),
                kind: told.target.kind.into_owned(),
                namespace: told.target.namespace.into_owned(),
                name: told.target.name.into_owned(),
                ..schemas::Target::default()
            },
            reason: told.reason.into_owned(),
            incident: told.incident.into_owned(),
            terms: owned(told.terms),
            issued_at: told.issued_at,
            policy: schemas::Policy { id: told.policy.id.into_owned(), ..schemas::Policy::default() },
            ..Command::default()
        });
        Ok(())
    }

    fn hear(&mut self, job: &'static str, round: i64, logic: Logic) {
        let (first, last) = self.rounds.unwrap_or((round, round));
        // Before the first tick a task's clock is at the beginning of time, which no record is.
        if round > 0 {
            self.rounds = Some((if first > 0 { first.min(round) } else { round }, last.max(round)));
        }
        self.logic.entry(job).or_default().insert(logic);
    }
}

/// Modes from the most harmless, for people.
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Recommend => "recommend",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
        Mode::Other => "other",
    }
}

/// Whether a command does or undoes, for people.
pub fn intent(intent: Intent) -> &'static str {
    match intent {
        Intent::Execute => "execute",
        Intent::Rollback => "roll back",
        Intent::Other => "other",
    }
}

fn owned(terms: Vec<Term<'_>>) -> Vec<Term<'static>> {
    let term = |term: Term<'_>| Term { name: term.name.into_owned(), value: term.value, unit: term.unit.into_owned() };
    terms.into_iter().map(term).collect()
}

fn unreadable<'r>(topic: &'r str, partition: u32, stored: &'r Stored) -> impl Fn(SchemaError) -> BacktestError + 'r {
    move |error| BacktestError::Unreadable { topic: topic.to_owned(), partition, offset: stored.offset, error }
}
