//! Trying a target: one made-up incident, told to one target and told to be over, so that people see what it looks like.

use crate::alert;
use crate::config::{Config, Target};
use crate::dispatch::{Delivery, Telling};
use crate::error::NotifyError;
use schemas::notification::{Notice, NoticeEvent};
use schemas::{Entity, EntityKind, Incident, IncidentBody, IncidentRecord, IncidentState, Member, Record as _};

/// What a target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its name.
    pub target: String,
    /// What it said to the opening and to the end; or what is wrong.
    pub result: Result<Vec<String>, String>,
}

/// Tells a target of an incident that never was. Nothing is remembered.
pub fn tell(config: &Config, target: &Target, now: i64) -> Result<Answer, NotifyError> {
    let id = format!("test-{now}");
    let entity = Entity {
        kind: EntityKind::Workload,
        namespace: "bellbuoy-test".into(),
        workload_kind: "Deployment".into(),
        name: "nobody".into(),
    };
    let incident = Incident {
        tenant: "default".into(),
        cluster: "test".into(),
        id: id.as_str().into(),
        revision: 1,
        severity: config.grades.warning.max(target.least_severity),
        sentence: "this is a test of notifications; nothing is wrong".into(),
        explanation: vec!["somebody asked for it with `bellbuoy notify test`".into()],
        onset: now,
        opened_at: now,
        last_evidence: now,
        members: vec![Member { entity, ..Member::default() }],
        members_total: 1,
        ..Incident::default()
    };
    let mut hands = target.to.target();
    let mut said = Vec::new();
    for (event, state) in [(NoticeEvent::Opened, IncidentState::Open), (NoticeEvent::Closed, IncidentState::Close)] {
        let mut incident = incident.clone();
        incident.state = state;
        let severity = alert::grade(incident.severity, &config.grades);
        let notice = Notice {
            target: target.name.clone().into(),
            tenant: "default".into(),
            cluster: "test".into(),
            incident: id.clone().into(),
            event,
            sequence: if event == NoticeEvent::Opened { 1 } else { 2 },
            severity: severity.into(),
            labels: alert::labels(&incident, severity),
            since: now,
            ..Notice::default()
        };
        let record = IncidentRecord { body: IncidentBody::Incident(Box::new(incident)), ..IncidentRecord::default() };
        let telling = Telling { notice, record: record.encode()?.into() };
        match hands.send(&Delivery { event, dedup: id.clone(), tellings: vec![telling], now }) {
            Ok(answer) => said.push(if answer.trim().is_empty() { "taken".to_owned() } else { answer }),
            Err(failure) => {
                return Ok(Answer { target: target.name.clone(), result: Err(failure.message().to_owned()) });
            }
        }
    }
    Ok(Answer { target: target.name.clone(), result: Ok(said) })
}

/// Looks whether a target can be told, without telling anything.
pub fn look(target: &Target) -> Result<String, String> {
    target.to.target().look().map_err(|failure| failure.message().to_owned())
}
