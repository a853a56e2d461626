//! Anomalies in, changes of incidents out, round by round: correlation without the log.
//!
//! ```
//! use correlate::{Config, Correlator, Memory, Round};
//!
//! let mut memory = Memory::default();
//! let mut correlator = Correlator::restore(Config::default().into(), &memory);
//! assert!(correlator.round(&mut memory, &Round { at: 1_000, ..Round::default() }).is_empty());
//! ```
//!
//! Invariant: everything here but [`Memory`] is an index of it and can be made anew from it, so a restart changes nothing.

use crate::config::Config;
use crate::entity::EntityId;
use crate::evidence::{self, Episode, EpisodeId};
use crate::graph::{Changes, Graph, Label, Link, Row, Rules};
use crate::memory::Memory;
use crate::notice::Mute;
use schemas::{Anomaly, Incident};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What came in one round, sorted by task and number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round<'a> {
    /// The round, milliseconds.
    pub at: i64,
    /// Anomalies of this cluster.
    pub anomalies: &'a [Told<'a>],
    /// Everything that is muted in this tenant.
    pub mutes: &'a [Mute],
    /// Judgements of incidents by people: identity and label.
    pub labels: &'a [(String, String)],
    /// Partitions of detect's tasks whose former output is not to be believed any longer.
    pub resynced: &'a [i32],
    /// Tasks of detect that were not waited for.
    pub unheard: i32,
}

/// An anomaly and who told it.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// Partition of detect's task, and the anomaly's number in its output.
    pub of: (i32, i64),
    /// The anomaly.
    pub anomaly: Anomaly<'a>,
}

/// Correlation of one cluster.
#[derive(Debug)]
pub struct Correlator {
    pub(crate) config: Arc<Config>,
    pub(crate) rules: Rules,
    graph: Graph,
    /// Groups of the graph, and where each entity is.
    pub(crate) groups: BTreeMap<Label, BTreeSet<EntityId>>,
    group_of: BTreeMap<EntityId, Label>,
    /// Links of the graph, at both ends.
    pub(crate) links: BTreeMap<EntityId, BTreeSet<Link>>,
    pub(crate) by_entity: BTreeMap<EntityId, BTreeSet<EpisodeId>>,
    /// When to look whether an episode has gone.
    due: BTreeSet<(i64, EpisodeId)>,
    /// Incidents to look at although nothing new was told of them.
    pub(crate) restless: BTreeSet<String>,
    /// Groups whose evidence has not lasted long enough.
    pub(crate) waiting: BTreeSet<Label>,
}

impl Correlator {
    /// Continues from what is remembered.
    pub fn restore(config: Arc<Config>, memory: &Memory) -> Self {
        let mut correlator = Correlator {
            rules: Rules::new(&config),
            graph: Graph::new(&config),
            config,
            groups: BTreeMap::new(),
            group_of: BTreeMap::new(),
            links: BTreeMap::new(),
            by_entity: BTreeMap::new(),
            due: BTreeSet::new(),
            restless: memory.cases.keys().cloned().collect(),
            waiting: BTreeSet::new(),
        };
        let mut rows = Vec::new();
        for (id, episode) in memory.episodes.iter() {
            correlator.by_entity.entry(episode.entity_id).or_default().insert(*id);
            if episode.live {
                rows.extend(inserted(episode, 1));
                correlator.due.insert((correlator.gone_at(episode), *id));
            }
        }
        // What these rows lead to has been published: groups that wait are looked at again with the next round.
        let changes = correlator.graph.advance(memory.now, rows);
        correlator.apply(&changes);
        correlator.waiting = correlator.groups.keys().copied().collect();
        correlator
    }

    /// Takes a round in; what changes about incidents, in an order that depends on the set of anomalies only.
    pub fn round(&mut self, memory: &mut Memory, round: &Round<'_>) -> Vec<Incident<'static>> {
        memory.now = memory.now.max(round.at);
        let mut rows = Vec::new();
        let mut touched = BTreeSet::new();
        for told in round.anomalies {
            self.tell(memory, told, &mut rows, &mut touched);
        }
        self.expire(memory, round.resynced, &mut rows, &mut touched);
        let mut labels = std::mem::take(&mut self.waiting);
        if !rows.is_empty() {
            let changes = self.graph.advance(memory.now, rows);
            labels.extend(self.apply(&changes));
        }
        labels.extend(touched.iter().filter_map(|entity| self.group_of.get(entity)));
        self.follow_up(memory, round, &touched, labels)
    }

    /// True when a round without anomalies would change nothing before this time.
    pub fn is_idle_until(&self, time: i64) -> bool {
        self.restless.is_empty() && self.waiting.is_empty() && self.due.first().is_none_or(|(due, _)| *due > time)
    }

    /// When an episode may next have gone.
    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    fn tell(
        &mut self,
        memory: &mut Memory,
        told: &Told<'_>,
        rows: &mut Vec<(Row, isize)>,
        touched: &mut BTreeSet<EntityId>,
    ) {
        let (anomaly, related, now) = (&told.anomaly, self.config.evidence.related, memory.now);
        let id = evidence::id(anomaly);
        match memory.episodes.get_mut(&id) {
            None => {
                let episode = Episode::new(anomaly, told.of, now, related);
                rows.extend(inserted(&episode, 1));
                let entity = episode.entity_id;
                self.by_entity.entry(entity).or_default().insert(id);
                self.due.insert((self.gone_at(&episode), id));
                touched.insert(entity);
                memory.episodes.insert(id, episode);
            }
            Some(episode) => {
                // Most are told again and again without saying more: then nothing moves.
                if episode.live && !episode.says_more(anomaly) {
                    episode.tell(anomaly, told.of, now, related);
                    return;
                }
                if episode.live {
                    rows.extend(inserted(episode, -1));
                }
                episode.tell(anomaly, told.of, now, related);
                let entity = episode.entity_id;
                rows.extend(inserted(episode, 1));
                if !std::mem::replace(&mut episode.live, true) {
                    let gone_at = episode.last_told + self.config.evidence.hold(episode.family);
                    self.due.insert((gone_at, id));
                }
                touched.insert(entity);
            }
        }
    }

    /// Takes back what has not been told for long, and what tasks do not stand by any longer.
    fn expire(
        &mut self,
        memory: &mut Memory,
        resynced: &[i32],
        rows: &mut Vec<(Row, isize)>,
        touched: &mut BTreeSet<EntityId>,
    ) {
        let mut gone: BTreeSet<EpisodeId> = BTreeSet::new();
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= memory.now) {
            self.due.remove(&(due, id));
            let Some(episode) = memory.episodes.get(&id).filter(|episode| episode.live) else { continue };
            match self.gone_at(episode) {
                later if later > memory.now => {
                    self.due.insert((later, id));
                }
                _ => {
                    gone.insert(id);
                }
            }
        }
        if !resynced.is_empty() {
            let of = memory.episodes.iter().filter(|(_, e)| e.live && resynced.contains(&e.anomaly.0));
            gone.extend(of.map(|(id, _)| *id));
        }
        for id in gone {
            let Some(episode) = memory.episodes.get_mut(&id) else { continue };
            rows.extend(inserted(episode, -1));
            episode.live = false;
            let entity = episode.entity_id;
            touched.insert(entity);
            memory.release(id);
            if !memory.episodes.contains_key(&id) {
                self.unlist(entity, id);
            }
        }
    }

    pub(crate) fn unlist(&mut self, entity: EntityId, id: EpisodeId) {
        if let Some(of_entity) = self.by_entity.get_mut(&entity) {
            of_entity.remove(&id);
            if of_entity.is_empty() {
                self.by_entity.remove(&entity);
            }
        }
    }

    fn gone_at(&self, episode: &Episode) -> i64 {
        episode.last_told + self.config.evidence.hold(episode.family)
    }

    /// Brings groups and links up to date; the groups that changed.
    fn apply(&mut self, changes: &Changes) -> BTreeSet<Label> {
        let mut changed = BTreeSet::new();
        for pass in [-1, 1] {
            for ((entity, label), diff) in changes.groups.iter().filter(|(_, diff)| diff.signum() == pass) {
                debug_assert_eq!(diff.abs(), 1, "an entity is in one group");
                changed.insert(*label);
                if *diff > 0 {
                    self.groups.entry(*label).or_default().insert(*entity);
                    self.group_of.insert(*entity, *label);
                    continue;
                }
                if let Some(group) = self.groups.get_mut(label) {
                    group.remove(entity);
                    if group.is_empty() {
                        self.groups.remove(label);
                    }
                }
                self.group_of.remove(entity);
            }
        }
        for (link, diff) in &changes.links {
            for end in [link.0, link.1] {
                let at_end = self.links.entry(end).or_default();
                if *diff > 0 {
                    at_end.insert(*link)
                } else {
                    at_end.remove(link)
                };
                if at_end.is_empty() {
                    self.links.remove(&end);
                }
            }
            changed.extend(self.group_of.get(&link.0));
        }
        changed
    }
}

/// The rows of an episode, coming or going.
fn inserted(episode: &Episode, diff: isize) -> Vec<(Row, isize)> {
    let entity = episode.entity_id;
    let stated = episode.related.iter().map(|stated| (Row::Stated(entity, *stated), diff));
    std::iter::once((Row::Evidence(entity, episode.row()), diff)).chain(stated).collect()
}
