//! What a policy test is given: incidents and control records in a short form, and as the job would see them.
//!
//! Invariant: what a later change of an incident does not mention stays as it was.

use super::PolicyTest;
use engine::span::Span;
use schemas::{
    Band, Cause, Control, ControlKind, Entity, Family, Incident, IncidentBody, IncidentState, Link, Member, Notice,
    Text, TimelineEntry, TimelineKind,
};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// When a test begins, on the clock: times of a test are counted from here.
pub(super) const START: i64 = 1_800_000_000_000;

/// One change of an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentGiven {
    /// When it is told.
    pub at: Span,
    /// Which incident; all changes of one have the same.
    #[serde(default = "usual_id")]
    pub id: String,
    /// What happens to it: `Open` at first, then `Update`.
    pub state: Option<IncidentState>,
    /// The cluster, `prod` unless said otherwise.
    pub cluster: Option<String>,
    /// 0–100; 80 unless said otherwise.
    pub severity: Option<f64>,
    /// When it began; as soon as it is told of, unless said otherwise.
    pub onset: Option<Span>,
    /// What is wrong.
    pub sentence: Option<String>,
    /// The anomalies, strongest first.
    pub members: Option<Vec<MemberGiven>>,
    /// The likely causes, most likely first; the first member's entity unless said otherwise.
    pub causes: Option<Vec<CauseGiven>>,
    /// Why members belong together.
    pub links: Option<Vec<LinkGiven>>,
    /// Changes made on purpose.
    pub changes: Option<Vec<ChangeGiven>>,
    /// Whether people are told.
    pub notice: Option<Notice>,
    /// Tasks of detect that were not heard.
    pub unheard: Option<i32>,
    /// What a person called it.
    pub label: Option<String>,
    /// Incidents it takes in.
    pub supersedes: Option<Vec<String>>,
    /// The incident that takes it in.
    pub superseded_by: Option<String>,
}

/// An entity by its key, `kind/namespace/workload kind/name`.
#[derive(Clone, Debug)]
pub struct Named(pub Entity<'static>);

/// One anomaly.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberGiven {
    /// What departed.
    pub entity: Named,
    /// Kind of evidence.
    pub family: Family,
    /// How grave.
    #[serde(default = "usual_band")]
    pub band: Band,
    /// Detector that found it.
    #[serde(default = "usual_detector")]
    pub detector: String,
    /// What was measured.
    #[serde(default)]
    pub measure: String,
    /// Pods it was seen on.
    #[serde(default)]
    pub pods: Vec<String>,
}

/// One likely cause.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseGiven {
    /// The suspect.
    pub entity: Named,
}

/// Why two entities belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkGiven {
    /// The relation.
    pub relation: String,
    /// The one that depends or acts.
    pub from: Named,
    /// The other.
    pub to: Named,
}

/// A change made on purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeGiven {
    /// When.
    pub at: Span,
    /// Of what.
    pub entity: Named,
}

/// What a person says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlGiven {
    /// When.
    pub at: Span,
    /// Position of the kill switch: `on` or `off`.
    pub kill_switch: String,
    /// For what; empty for everything.
    #[serde(default)]
    pub selector: String,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Entity::from_key(&text).map(Named).ok_or_else(|| {
            let allowed = "kind/namespace/workload kind/name, as workload/shop/Deployment/cart or node///worker-1";
            de::Error::custom(format!("`{text}` is no entity; allowed is {allowed}"))
        })
    }
}

/// Everything that happens in a test, in the order of its times, milliseconds from its beginning.
pub(super) fn events(test: &PolicyTest) -> Vec<(i64, IncidentBody<'static>)> {
    let mut given: Vec<&IncidentGiven> = test.incidents.iter().collect();
    given.sort_by_key(|given| given.at);
    let mut incidents: BTreeMap<&str, Incident<'static>> = BTreeMap::new();
    let mut events = Vec::new();
    for change in given {
        let incident = incidents.entry(&change.id).or_default();
        apply(change, incident);
        events.push((change.at.millis(), IncidentBody::Incident(Box::new(incident.clone()))));
    }
    for control in &test.controls {
        let said = Control {
            kind: ControlKind::KillSwitch,
            id: "test".into(),
            value: control.kill_switch.clone().into(),
            selector: control.selector.clone().into(),
            author: "the test".into(),
            at: START + control.at.millis(),
            ..Control::default()
        };
        events.push((control.at.millis(), IncidentBody::Control(said)));
    }
    // Stable: incidents before what is said at the same time.
    events.sort_by_key(|(at, _)| *at);
    events
}

fn apply(change: &IncidentGiven, incident: &mut Incident<'static>) {
    let now = START + change.at.millis();
    let first = incident.revision == 0;
    incident.revision += 1;
    if first {
        incident.tenant = "test".into();
        incident.cluster = "prod".into();
        incident.id = change.id.clone().into();
        incident.sentence = "something is not itself".into();
        (incident.severity, incident.onset, incident.opened_at) = (80.0, now, now);
    }
    incident.state = change.state.unwrap_or(if first { IncidentState::Open } else { IncidentState::Update });
    incident.last_evidence = now;
    let text = |given: &Option<String>, field: &mut Text<'static>| {
        if let Some(given) = given {
            *field = given.clone().into();
        }
    };
    text(&change.cluster, &mut incident.cluster);
    text(&change.sentence, &mut incident.sentence);
    text(&change.label, &mut incident.label);
    text(&change.superseded_by, &mut incident.superseded_by);
    incident.severity = change.severity.unwrap_or(incident.severity);
    incident.onset = change.onset.map_or(incident.onset, |span| START + span.millis());
    incident.notice = change.notice.unwrap_or(incident.notice);
    incident.unheard = change.unheard.unwrap_or(incident.unheard);
    incident.supersedes = change.supersedes.iter().flatten().map(|id| id.clone().into()).collect();
    if let Some(members) = &change.members {
        incident.members = members.iter().map(|given| member(given, incident.onset)).collect();
        incident.members_total = members.len() as i64;
        incident.band = members.iter().map(|given| given.band).max().unwrap_or_default();
    }
    if let Some(causes) = &change.causes {
        incident.causes = (1..).zip(causes).map(|(rank, given)| cause(rank, &given.entity)).collect();
    } else if incident.causes.is_empty() {
        let first = change.members.iter().flatten().take(1);
        incident.causes = first.map(|given| cause(1, &given.entity)).collect();
    }
    if let Some(links) = &change.links {
        incident.links = links.iter().map(link).collect();
    }
    for change in change.changes.iter().flatten() {
        let (at, entity) = (START + change.at.millis(), change.entity.0.clone());
        incident.timeline.push(TimelineEntry { at, kind: TimelineKind::Change, entity, ..TimelineEntry::default() });
    }
}

fn member(given: &MemberGiven, onset: i64) -> Member<'static> {
    Member {
        entity: given.entity.0.clone(),
        family: given.family,
        band: given.band,
        detector: given.detector.clone().into(),
        measure: given.measure.clone().into(),
        instances: given.pods.iter().map(|pod| pod.clone().into()).collect(),
        onset,
        event_time: onset,
        ..Member::default()
    }
}

fn cause(rank: i32, entity: &Named) -> Cause<'static> {
    Cause { rank, entity: entity.0.clone(), ..Cause::default() }
}

fn link(given: &LinkGiven) -> Link<'static> {
    Link {
        relation: given.relation.clone().into(),
        from: given.from.0.clone(),
        to: given.to.0.clone(),
        ..Link::default()
    }
}

fn usual_id() -> String {
    "incident".to_owned()
}

fn usual_band() -> Band {
    Band::Novel
}

fn usual_detector() -> String {
    "univariate".to_owned()
}
