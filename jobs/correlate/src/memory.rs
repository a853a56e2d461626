//! What is remembered of one tenant's cluster: live evidence, incidents, and what the alert budget has left.
//!
//! Invariant: an episode is kept while it is live or an incident that is remembered rests on it; an incident while it is
//! open or may still be opened again. So memory is bounded by what goes on, not by what has been.

use crate::entity::EntityId;
use crate::evidence::{Episode, EpisodeId};
use crate::graph::Link;
use crate::notice::Budget;
use schemas::{IncidentState, Notice};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything remembered of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Whose estate.
    pub tenant: String,
    /// Which cluster.
    pub cluster: String,
    /// The task's clock at the last round that was looked at, milliseconds.
    pub now: i64,
    /// Departures by identity.
    pub episodes: BTreeMap<EpisodeId, Episode>,
    /// Incidents by identity, open or closed a short while ago.
    pub cases: BTreeMap<String, Case>,
    /// The incident each entity is part of.
    pub owner: BTreeMap<EntityId, String>,
    /// What may still be told.
    pub budget: Budget,
}

/// An incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its identity, the same in every replay.
    pub id: String,
    /// Earliest departure.
    pub onset: i64,
    /// When it was opened, on the task's clock.
    pub opened_at: i64,
    /// When it was closed; 0 while open.
    pub closed_at: i64,
    /// Number of the last published change, from 1.
    pub revision: i32,
    /// What is part of it.
    pub entities: BTreeSet<EntityId>,
    /// What it rests on.
    pub episodes: BTreeSet<EpisodeId>,
    /// Why its parts belong together.
    pub links: BTreeSet<Link>,
    /// Incidents it has taken in.
    pub supersedes: Vec<String>,
    /// Since when it has had no live evidence.
    pub quiet_since: Option<i64>,
    /// Highest severity so far.
    pub peak: f64,
    /// What was last published.
    pub published: Published,
    /// True when something has changed since.
    pub changed: bool,
    /// What the next record says has happened: it opens, it opens again, or it goes on.
    pub next: IncidentState,
    /// Whether a person hears of it.
    pub notice: Notice,
    /// Why not, where not.
    pub notice_reason: String,
    /// A person's judgement.
    pub label: String,
    /// Its own history: when, and what happened.
    pub history: Vec<(i64, String)>,
}

/// What an incident looked like when it was last published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// When, on the task's clock.
    pub at: i64,
    /// 0–100.
    pub severity: f64,
    /// Kinds of evidence, a bit each.
    pub families: u16,
    /// Number of entities.
    pub entities: usize,
    /// Number of members.
    pub members: usize,
}

impl Case {
    /// True until it is closed.
    pub fn is_open(&self) -> bool {
        self.closed_at == 0
    }

    /// Notes something in its history, of which the newest are kept.
    pub fn note(&mut self, at: i64, what: String) {
        const KEPT: usize = 16;
        if self.history.len() == KEPT {
            self.history.remove(1);
        }
        self.history.push((at, what));
    }
}

impl Memory {
    /// Forgets an episode unless it is live or an incident rests on it.
    pub fn release(&mut self, id: EpisodeId) {
        if self.episodes.get(&id).is_some_and(|episode| !episode.live && episode.incident.is_none()) {
            self.episodes.remove(&id);
        }
    }

    /// Forgets an incident and what only it rested on.
    pub fn forget(&mut self, id: &str) {
        let Some(case) = self.cases.remove(id) else { return };
        for entity in &case.entities {
            if self.owner.get(entity).is_some_and(|owner| owner == id) {
                self.owner.remove(entity);
            }
        }
        for episode in &case.episodes {
            if let Some(held) = self.episodes.get_mut(episode).filter(|held| held.incident.as_deref() == Some(id)) {
                held.incident = None;
            }
            self.release(*episode);
        }
    }

    /// Bytes on the heap, by experience with what one of each takes; in constant time.
    pub fn heap_bytes(&self) -> usize {
        1_200 * self.episodes.len() + 2_400 * self.cases.len() + 64 * self.owner.len()
    }

    /// Number of open incidents.
    pub fn open(&self) -> usize {
        self.cases.values().filter(|case| case.is_open()).count()
    }
}
