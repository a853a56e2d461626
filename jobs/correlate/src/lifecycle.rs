//! How incidents live: open, grow, take each other in, fall quiet, close, open again.
//!
//! - An incident opens when a group has a seed and its evidence has lasted.
//! - What has become part of it stays part of it until it closes: it never splits.
//! - When a group spans several open incidents, the oldest takes the others in.
//! - It closes when no evidence has been live for a while. What comes later is a new incident, unless the same departure
//!   comes back soon: then the old one opens again.
//!
//! Invariant: nothing joins a closed incident, and revisions of an incident count from one without gaps.

use crate::assessment::{Assessment, assess, members};
use crate::correlator::{Correlator, Round};
use crate::entity::{EntityId, hash64};
use crate::evidence::{self, Episode};
use crate::graph::Label;
use crate::memory::{Case, Memory, Published};
use crate::notice;
use crate::record;
use schemas::{Incident, IncidentState};
use std::collections::BTreeSet;

/// Links remembered of one incident.
const LINKS: usize = 256;
/// A rise of severity that is told at once.
const STEEP: f64 = 10.0;

impl Correlator {
    /// Brings incidents up to date with the entities and groups that were touched, and tells what has changed.
    pub(crate) fn follow_up(
        &mut self,
        memory: &mut Memory,
        round: &Round<'_>,
        touched: &BTreeSet<EntityId>,
        labels: BTreeSet<Label>,
    ) -> Vec<Incident<'static>> {
        let mut out = Vec::new();
        let mut cases = std::mem::take(&mut self.restless);
        for label in labels {
            if let Some(id) = self.settle(memory, label, round, &mut out) {
                cases.insert(id);
            }
        }
        for entity in touched {
            let owner = memory.owner.get(entity).cloned();
            if let Some(id) = owner.filter(|id| memory.cases.get(id).is_some_and(Case::is_open)) {
                self.attach(memory, &id, &[*entity].into());
                cases.insert(id);
            }
        }
        for (id, label) in round.labels {
            if let Some(case) = memory.cases.get_mut(id).filter(|case| case.label != *label) {
                (case.label, case.changed) = (label.clone(), true);
                case.note(memory.now, format!("labelled {label}"));
                // A judgement is published at once, whether the incident is open or not.
                out.extend(self.publish(memory, id, IncidentState::Update, round));
            }
        }
        for id in cases {
            self.follow(memory, &id, round, &mut out);
        }
        out
    }

    /// Makes one incident of a group; its identity where there is one.
    fn settle(
        &mut self,
        memory: &mut Memory,
        label: Label,
        round: &Round<'_>,
        out: &mut Vec<Incident<'static>>,
    ) -> Option<String> {
        let group = self.groups.get(&label)?.clone();
        let owners: BTreeSet<&String> = group.iter().filter_map(|entity| memory.owner.get(entity)).collect();
        let mut open: Vec<(i64, String)> = Vec::new();
        let mut closed: Option<String> = None;
        for id in owners {
            let Some(case) = memory.cases.get(id) else { continue };
            if case.is_open() {
                open.push((case.opened_at, id.clone()));
            } else if self.comes_back(memory, case, &group) {
                closed.get_or_insert_with(|| id.clone());
            }
        }
        open.sort();
        let mut open = open.into_iter().map(|(_, id)| id);
        let survivor = match (open.next(), closed) {
            (Some(oldest), _) => oldest,
            (None, Some(closed)) => self.reopen(memory, closed),
            (None, None) => self.open(memory, label, &group)?,
        };
        for id in open {
            self.merge(memory, &survivor, &id, round, out);
        }
        self.attach(memory, &survivor, &group);
        Some(survivor)
    }

    /// True when a departure that a closed incident rested on is live again.
    fn comes_back(&self, memory: &Memory, case: &Case, group: &BTreeSet<EntityId>) -> bool {
        memory.now - case.closed_at <= self.config.lifecycle.reopen
            && members(case, memory).any(|(_, episode)| self.counts(episode) && group.contains(&episode.entity_id))
    }

    fn reopen(&mut self, memory: &mut Memory, id: String) -> String {
        let now = memory.now;
        if let Some(case) = memory.cases.get_mut(&id) {
            (case.closed_at, case.quiet_since) = (0, None);
            (case.changed, case.next) = (true, IncidentState::Reopen);
            case.note(now, "opened again".to_owned());
        }
        id
    }

    /// A new incident, once the evidence has lasted.
    fn open(&mut self, memory: &mut Memory, label: Label, group: &BTreeSet<EntityId>) -> Option<String> {
        let live = |entity: &EntityId| self.by_entity.get(entity).into_iter().flatten();
        let episodes = group.iter().flat_map(live).filter_map(|id| memory.episodes.get(id)).filter(|e| e.live);
        let evident: Vec<_> = episodes.filter(|e| e.family as u8 != evidence::CHANGE).collect();
        let first_told = evident.iter().map(|e| e.first_told).min()?;
        if memory.now - first_told < self.config.lifecycle.minimum_duration {
            self.waiting.insert(label);
            return None;
        }
        let first = evident.iter().map(|e| (e.onset, &e.entity)).min()?;
        let parts = [
            memory.tenant.as_bytes(),
            memory.cluster.as_bytes(),
            &first.0.to_le_bytes(),
            first.1.to_entity().key().as_bytes(),
            // A departure that outlasts its incident begins another one.
            &memory.now.to_le_bytes(),
        ]
        .map(<[u8]>::to_vec);
        let id = format!("inc-{:016x}", hash64(&parts.each_ref().map(Vec::as_slice)));
        let mut case = Case { id: id.clone(), onset: first.0, opened_at: memory.now, changed: true, ..Case::default() };
        case.note(memory.now, "opened".to_owned());
        memory.cases.insert(id.clone(), case);
        Some(id)
    }

    /// Makes entities, with what is live of them, part of an incident.
    fn attach(&mut self, memory: &mut Memory, id: &str, entities: &BTreeSet<EntityId>) {
        let Some(mut case) = memory.cases.remove(id) else { return };
        for entity in entities {
            if let Some(other) = memory.owner.insert(*entity, id.to_owned()).filter(|other| other != id)
                && let Some(other) = memory.cases.get_mut(&other)
            {
                debug_assert!(!other.is_open(), "open incidents of one group have been merged");
                other.entities.remove(entity);
            }
            case.changed |= case.entities.insert(*entity);
            for episode in self.by_entity.get(entity).into_iter().flatten() {
                let Some(held) = memory.episodes.get_mut(episode).filter(|episode| episode.live) else { continue };
                // Told again, or stronger: that changes the sum.
                case.changed = true;
                if held.family as u8 != evidence::CHANGE {
                    case.onset = case.onset.min(held.onset);
                }
                if held.incident.as_deref() != Some(id) {
                    held.incident = Some(id.to_owned());
                    case.episodes.insert(*episode);
                }
            }
        }
        for entity in entities {
            let here = self.links.get(entity).into_iter().flatten();
            let inner = here.filter(|(from, to, _)| case.entities.contains(from) && case.entities.contains(to));
            let room = LINKS.saturating_sub(case.links.len());
            let new: Vec<_> = inner.filter(|link| !case.links.contains(link)).take(room).copied().collect();
            case.changed |= !new.is_empty();
            case.links.extend(new);
        }
        memory.cases.insert(id.to_owned(), case);
    }

    /// Ends an incident and makes its parts those of another.
    fn merge(
        &mut self,
        memory: &mut Memory,
        survivor: &str,
        id: &str,
        round: &Round<'_>,
        out: &mut Vec<Incident<'static>>,
    ) {
        if let Some(mut ended) = self.publish(memory, id, IncidentState::Merge, round) {
            ended.superseded_by = survivor.to_owned().into();
            out.push(ended);
        }
        let Some(case) = memory.cases.remove(id) else { return };
        for entity in &case.entities {
            memory.owner.insert(*entity, survivor.to_owned());
        }
        for episode in &case.episodes {
            if let Some(held) = memory.episodes.get_mut(episode).filter(|held| held.incident.as_deref() == Some(id)) {
                held.incident = Some(survivor.to_owned());
            }
        }
        let now = memory.now;
        let Some(into) = memory.cases.get_mut(survivor) else { return };
        into.onset = into.onset.min(case.onset);
        into.entities.extend(case.entities);
        into.episodes.extend(case.episodes);
        into.links.extend(case.links);
        into.supersedes.push(case.id);
        into.supersedes.extend(case.supersedes);
        // What somebody was told of in the other is told on in this one.
        if case.notice == schemas::Notice::Notify {
            (into.notice, into.notice_reason) = (case.notice, String::new());
        }
        into.note(now, format!("took in {id}"));
        (into.changed, into.published.at) = (true, i64::MIN / 2);
    }

    /// Looks whether an incident has changed, fallen quiet, or is to be forgotten.
    fn follow(&mut self, memory: &mut Memory, id: &str, round: &Round<'_>, out: &mut Vec<Incident<'static>>) {
        let now = memory.now;
        let Some(case) = memory.cases.get(id) else { return };
        let lifecycle = &self.config.lifecycle;
        if !case.is_open() {
            if now - case.closed_at > lifecycle.reopen {
                self.forget(memory, id);
            } else {
                self.restless.insert(id.to_owned());
            }
            return;
        }
        let lives = members(case, memory).any(|(_, episode)| self.counts(episode));
        let quiet_since = if lives { None } else { Some(case.quiet_since.unwrap_or(now)) };
        let over = quiet_since.is_some_and(|since| now - since >= lifecycle.quiet);
        if let Some(case) = memory.cases.get_mut(id) {
            case.quiet_since = quiet_since;
        }
        if over {
            if let Some(case) = memory.cases.get_mut(id) {
                case.closed_at = now;
                case.note(now, "closed: nothing of it has been seen for a while".to_owned());
            }
            out.extend(self.publish(memory, id, IncidentState::Close, round));
            self.restless.insert(id.to_owned());
            return;
        }
        if self.is_worth_telling(memory, id, round, out) || quiet_since.is_some() {
            self.restless.insert(id.to_owned());
        }
    }

    /// Publishes an open incident when it has changed enough; true when it is to be looked at again by itself.
    fn is_worth_telling(
        &mut self,
        memory: &mut Memory,
        id: &str,
        round: &Round<'_>,
        out: &mut Vec<Incident<'static>>,
    ) -> bool {
        let Some(case) = memory.cases.get(id) else { return false };
        if !case.changed {
            return false;
        }
        let state = case.next;
        let assessment = assess(case, memory, &self.config, &self.rules);
        let Published { at, severity, families, entities, members } = case.published;
        let news = state != IncidentState::Update
            || assessment.severity - severity >= STEEP
            || assessment.families & !families != 0;
        let differs = (entities, members) != (case.entities.len(), case.episodes.len())
            || (assessment.severity - severity).abs() >= 1.0;
        if !news && differs && memory.now - at < self.config.lifecycle.update_every {
            return true;
        }
        if news || differs || at < 0 {
            out.extend(self.tell_of(memory, id, state, &assessment, round));
        } else if let Some(case) = memory.cases.get_mut(id) {
            case.changed = false;
        }
        false
    }

    /// The next record of an incident.
    fn publish(
        &mut self,
        memory: &mut Memory,
        id: &str,
        state: IncidentState,
        round: &Round<'_>,
    ) -> Option<Incident<'static>> {
        let assessment = assess(memory.cases.get(id)?, memory, &self.config, &self.rules);
        self.tell_of(memory, id, state, &assessment, round)
    }

    fn tell_of(
        &self,
        memory: &mut Memory,
        id: &str,
        state: IncidentState,
        assessment: &Assessment,
        round: &Round<'_>,
    ) -> Option<Incident<'static>> {
        let mut case = memory.cases.get(id)?.clone();
        // An end is told to whoever was told of the beginning.
        if !matches!(state, IncidentState::Close | IncidentState::Merge) {
            let (notice, reason, budget) = notice::decide(&case, assessment, memory, round.mutes, &self.config);
            memory.budget = budget;
            (case.notice, case.notice_reason) = (notice, reason);
        }
        case.revision += 1;
        case.peak = case.peak.max(assessment.severity);
        case.changed = false;
        case.published = Published {
            at: memory.now,
            severity: assessment.severity,
            families: assessment.families,
            entities: case.entities.len(),
            members: case.episodes.len(),
        };
        case.next = IncidentState::Update;
        let mut incident = record::incident(&case, memory, assessment, &self.config);
        (incident.state, incident.unheard) = (state, round.unheard);
        memory.cases.insert(id.to_owned(), case);
        Some(incident)
    }

    /// True for live evidence that adds something.
    fn counts(&self, episode: &Episode) -> bool {
        episode.live && self.rules.contribution(episode.family as u8, episode.strength) > 0
    }

    fn forget(&mut self, memory: &mut Memory, id: &str) {
        let Some(case) = memory.cases.get(id) else { return };
        let held: Vec<_> = members(case, memory).map(|(id, episode)| (episode.entity_id, id)).collect();
        memory.forget(id);
        for (entity, id) in held {
            if !memory.episodes.contains_key(&id) {
                self.unlist(entity, id);
            }
        }
    }
}
