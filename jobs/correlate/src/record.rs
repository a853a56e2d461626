//! The published record of an incident: members, links, causes, timeline, and the same numbers in words.
//!
//! Every sentence is made from fields of the record, so that nobody has to believe it.

use crate::assessment::{Assessment, change_before, members, touched, word};
use crate::config::Config;
use crate::entity::{EntityId, Named};
use crate::evidence::{self, Episode, EpisodeId, FAMILIES};
use crate::graph::Link;
use crate::memory::{Case, Memory};
use crate::{relations, suspects};
use schemas::{
    AnomalyId, BlastRadius, EntityKind, Incident, Member, OffsetRange, TaskName, Term, TimelineEntry, TimelineKind,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::declared::SIGNALS;

/// Links, timeline entries and touched entities named in a record.
const NAMED: usize = 32;

/// An incident as it stands now. Its state and the tasks not waited for are the caller's to say.
pub fn incident(case: &Case, memory: &Memory, assessment: &Assessment, config: &Config) -> Incident<'static> {
    let names: BTreeMap<EntityId, &Named> = members(case, memory).map(|(_, e)| (e.entity_id, &e.entity)).collect();
    let mut ranked: Vec<(EpisodeId, &Episode)> = members(case, memory).collect();
    let adds = |id: &EpisodeId| assessment.contributions.get(id).copied().unwrap_or(0);
    ranked.sort_by(|(a, x), (b, y)| {
        (adds(b), y.strength, x.onset, &x.entity, &x.measure).cmp(&(
            adds(a),
            x.strength,
            y.onset,
            &y.entity,
            &y.measure,
        ))
    });
    let causes = suspects::rank(case, memory);
    Incident {
        tenant: memory.tenant.clone().into(),
        cluster: memory.cluster.clone().into(),
        id: case.id.clone().into(),
        revision: case.revision,
        supersedes: case.supersedes.iter().cloned().map(Into::into).collect(),
        severity: assessment.severity,
        peak_severity: case.peak,
        band: assessment.band,
        score: assessment.score,
        terms: assessment.terms.iter().map(|(name, value)| term(name, *value as f64 / 1000.0)).collect(),
        sentence: sentence(&ranked, assessment, &names).into(),
        explanation: explanation(case, memory, assessment, &causes, config, &names),
        onset: case.onset,
        opened_at: case.opened_at,
        last_evidence: ranked.iter().map(|(_, episode)| episode.event_time).max().unwrap_or(case.onset),
        closed_at: case.closed_at,
        closing: if case.is_open() { "".into() } else { "nothing of it has been seen for a while".into() },
        members_total: ranked.len() as i64,
        members: ranked.iter().take(config.lifecycle.members).map(|(id, e)| member(e, adds(id))).collect(),
        links: case.links.iter().filter_map(|link| stated(link, case, memory, &names)).take(NAMED).collect(),
        causes,
        timeline: timeline(case, memory, config),
        blast_radius: blast_radius(case, memory, assessment, &names),
        notice: case.notice,
        notice_reason: case.notice_reason.clone().into(),
        label: case.label.clone().into(),
        ..Incident::default()
    }
}

/// One term of a sum.
pub(crate) fn term(name: &str, value: f64) -> Term<'static> {
    Term { name: name.to_owned().into(), value, unit: "".into() }
}

/// A length of time as people say it.
pub(crate) fn span(millis: i64) -> String {
    match millis.abs() {
        short if short < 90_000 => format!("{} s", short / 1000),
        middle if middle < 5_400_000 => format!("{} min", (middle + 30_000) / 60_000),
        long => format!("{} h", (long + 1_800_000) / 3_600_000),
    }
}

fn member(episode: &Episode, adds: i64) -> Member<'static> {
    let range = |(topic, partition, from, to): &(String, i32, i64, i64)| OffsetRange {
        topic: topic.clone().into(),
        partition: *partition,
        from: *from,
        to: *to,
    };
    Member {
        anomaly: AnomalyId {
            task: TaskName { job: "detect".into(), topic: SIGNALS.name.into(), partition: episode.anomaly.0 },
            out_seq: episode.anomaly.1,
        },
        entity: episode.entity.to_entity(),
        family: episode.family,
        band: episode.band,
        detector: episode.detector.clone().into(),
        measure: episode.measure.clone().into(),
        onset: episode.onset,
        event_time: episode.event_time,
        score: episode.score,
        raw: episode.raw,
        p: episode.p,
        weight: adds as f64 / 1000.0,
        instances: episode.instances.iter().cloned().map(Into::into).collect(),
        sentence: episode.sentence.clone().into(),
        evidence: episode.evidence.iter().map(range).collect(),
    }
}

/// `workload shop/cart and 2 more: novelty, saturation. <the strongest member's sentence>`.
fn sentence(ranked: &[(EpisodeId, &Episode)], assessment: &Assessment, names: &BTreeMap<EntityId, &Named>) -> String {
    let families: Vec<&str> = FAMILIES
        .iter()
        .filter(|family| assessment.families & (1 << **family as u8) != 0)
        .map(|family| word(*family))
        .collect();
    let with_evidence = assessment.entities.iter().filter(|(_, weight)| *weight > 0).count();
    let first = assessment.entities.first().and_then(|(entity, _)| names.get(entity));
    let who = first.map_or_else(String::new, |named| named.called());
    let more = if with_evidence > 1 { format!(" and {} more", with_evidence - 1) } else { String::new() };
    let what = ranked.first().map_or("", |(_, episode)| episode.sentence.as_str());
    format!("{who}{more}: {}. {what}", families.join(", "))
}

fn explanation(
    case: &Case,
    memory: &Memory,
    assessment: &Assessment,
    causes: &[schemas::Cause<'static>],
    config: &Config,
    names: &BTreeMap<EntityId, &Named>,
) -> Vec<schemas::Text<'static>> {
    let mut lines: Vec<String> = Vec::new();
    let evident = members(case, memory).map(|(_, e)| e).filter(|e| e.family as u8 != evidence::CHANGE);
    if let Some(first) = evident.min_by_key(|e| (e.onset, &e.entity, &e.measure)) {
        lines.push(format!("It began on {}: {}", first.entity.called(), first.first_sentence));
    }
    for link in case.links.iter().filter_map(|link| stated(link, case, memory, names)).take(5) {
        lines.push(link.sentence.to_string());
    }
    lines.push(match change_before(case, memory, config.lags.change) {
        Some(change) => format!("{} before that: {}", span(case.onset - change.onset), change.sentence),
        None => format!("No change of what is involved was seen in the {} before.", span(config.lags.change)),
    });
    lines.push(match causes.first() {
        Some(cause) => format!("Most likely cause: {}", cause.sentence),
        None => "No cause stands out: unknown.".to_owned(),
    });
    let sum: Vec<String> =
        assessment.terms.iter().map(|(name, value)| format!("{name} {:.3}", *value as f64 / 1000.0)).collect();
    lines.push(format!("score {:.3} = {}; severity {}", assessment.score, sum.join(" + "), assessment.severity));
    lines.into_iter().map(Into::into).collect()
}

/// A link with its names; nothing where one end is known by a relation only.
fn stated(
    link: &Link,
    case: &Case,
    memory: &Memory,
    names: &BTreeMap<EntityId, &Named>,
) -> Option<schemas::Link<'static>> {
    let (from, to, relation) = link;
    let kind = relations::ALL.get(usize::from(*relation))?;
    let (from_name, to_name) = (names.get(from)?, names.get(to)?);
    let onset = |entity: EntityId| {
        let of = members(case, memory).map(|(_, e)| e).filter(|e| e.entity_id == entity);
        of.map(|e| e.onset).min()
    };
    let lag = onset(*from)? - onset(*to)?;
    let order = match lag {
        0 => "at the same time".to_owned(),
        after if after > 0 => format!("{} later", span(after)),
        before => format!("{} earlier", span(before)),
    };
    Some(schemas::Link {
        relation: kind.name.into(),
        from: from_name.to_entity(),
        to: to_name.to_entity(),
        lag,
        strength: 1.0,
        sentence: format!(
            "{} {} {}; it departed {order}",
            from_name.called(),
            (kind.clause)(to_name.kind),
            to_name.called()
        )
        .into(),
    })
}

fn timeline(case: &Case, memory: &Memory, config: &Config) -> Vec<TimelineEntry<'static>> {
    let mut entries: Vec<(i64, TimelineKind, Named, String)> = Vec::new();
    for (_, episode) in members(case, memory) {
        let change = episode.family as u8 == evidence::CHANGE;
        let kind = if change { TimelineKind::Change } else { TimelineKind::Onset };
        entries.push((episode.onset, kind, episode.entity.clone(), episode.first_sentence.clone()));
        if !episode.live && !change {
            let gone = episode.last_told + config.evidence.hold(episode.family);
            let what = format!("{} has not been seen again", episode.measure);
            entries.push((gone, TimelineKind::Recovery, episode.entity.clone(), what));
        }
    }
    entries
        .extend(case.history.iter().map(|(at, what)| (*at, TimelineKind::Lifecycle, Named::default(), what.clone())));
    entries.sort();
    let skipped = entries.len().saturating_sub(NAMED);
    entries
        .drain(skipped..)
        .map(|(at, kind, named, what)| TimelineEntry { at, kind, entity: named.to_entity(), sentence: what.into() })
        .collect()
}

fn blast_radius(
    case: &Case,
    memory: &Memory,
    assessment: &Assessment,
    names: &BTreeMap<EntityId, &Named>,
) -> BlastRadius<'static> {
    let touched = touched(case, memory);
    let of_kind = |kind: EntityKind| touched.iter().filter(|named| named.kind == kind).count() as i32;
    let namespaces: BTreeSet<&str> = touched.iter().map(|n| n.namespace.as_str()).filter(|n| !n.is_empty()).collect();
    let instances: BTreeSet<&String> = members(case, memory).flat_map(|(_, episode)| &episode.instances).collect();
    let strongest = assessment.entities.iter().filter(|(_, weight)| *weight > 0).take(NAMED);
    BlastRadius {
        entities: strongest.filter_map(|(entity, _)| Some(names.get(entity)?.to_entity())).collect(),
        entities_total: touched.len() as i64,
        namespaces: namespaces.len() as i32,
        workloads: of_kind(EntityKind::Workload),
        nodes: of_kind(EntityKind::Node),
        instances: instances.len() as i32,
        // Who depends on what is touched is told by those who depart only: the quiet ones are not known here.
        at_risk: Vec::new(),
    }
}
