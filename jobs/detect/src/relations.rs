//! What an entity has to do with others, as its signals told of late: whom it calls, where it runs, whom it acts for.
//!
//! Invariant: bounded; what was not seen for a day is forgotten, and where there is no room the one seen longest ago
//! goes first. So anomalies tell correlation where to look, without anybody keeping a map of the estate.

use crate::DetectError;
use crate::config::Limits;
use crate::state::{Reader, put_number, put_signed, put_text};
use schemas::signal::{AuditEvent, Body, Direction, FlowAgg, MetricSamples, Verdict};
use schemas::{Anomaly, Entity, EntityKind, Related, Relation, Signal};
use std::collections::BTreeSet;

/// Relations that one anomaly carries.
pub const CARRIED: usize = 64;
/// Entities called that are remembered.
const CALLEES: usize = 64;
/// Workloads acted from and principals given rights, together, that are remembered.
const OTHERS: usize = 16;
/// Nodes up to which an anomaly of the whole entity names them all.
const NODES: usize = 3;
/// Milliseconds for which a relation is remembered.
const REMEMBERED: i64 = 86_400_000;

/// Relations of one entity.
#[derive(Debug, Default)]
pub struct Relations {
    /// What it calls, by key.
    callees: Vec<Seen>,
    /// Workloads it acts from, by key.
    workloads: Vec<Seen>,
    /// Principals it gave rights to, by key.
    granted: Vec<Seen>,
    /// Where its instances run.
    placed: Vec<Placed>,
    /// Where the last instance was found; the next is most often after it.
    hint: usize,
}

#[derive(Debug)]
struct Seen {
    key: Box<str>,
    time: i64,
}

#[derive(Debug)]
struct Placed {
    instance: Box<str>,
    node: Box<str>,
    time: i64,
}

impl Relations {
    /// Learns what a signal says.
    pub fn learn(&mut self, signal: &Signal<'_>, limits: &Limits) {
        let time = signal.event_time;
        match &signal.body {
            Body::MetricSamples(samples) => self.learn_place(samples, time, limits.instances),
            Body::FlowAgg(flow) if is_call(flow) => see(&mut self.callees, &flow.peer, time, CALLEES),
            Body::AuditEvent(event) => self.learn_request(event, time),
            _ => {}
        }
    }

    fn learn_place(&mut self, samples: &MetricSamples<'_>, time: i64, limit: usize) {
        if samples.node.is_empty() || samples.instance.is_empty() {
            return;
        }
        let (instance, node) = (samples.instance.as_str(), samples.node.as_str());
        let is = |placed: &Placed| *placed.instance == *instance;
        let next = if self.hint + 1 < self.placed.len() { self.hint + 1 } else { 0 };
        let near = [self.hint, next].into_iter().find(|&index| self.placed.get(index).is_some_and(is));
        if let Some(index) = near.or_else(|| self.placed.iter().position(is)) {
            let placed = &mut self.placed[index];
            if *placed.node != *node {
                placed.node = node.into();
            }
            placed.time = placed.time.max(time);
            self.hint = index;
            return;
        }
        self.placed.retain(|placed| time.saturating_sub(placed.time) < REMEMBERED);
        if self.placed.len() >= limit.max(1) {
            forget_oldest(&mut self.placed, |placed| placed.time);
        }
        self.hint = self.placed.len();
        self.placed.push(Placed { instance: instance.into(), node: node.into(), time });
    }

    fn learn_request(&mut self, event: &AuditEvent<'_>, time: i64) {
        if !event.workload.is_empty() {
            see(&mut self.workloads, &event.workload, time, OTHERS / 2);
        }
        if is_done(event) {
            event.subjects.iter().for_each(|subject| see(&mut self.granted, subject, time, OTHERS / 2));
        }
    }

    /// Adds what is known to an anomaly of this entity, capped and in order: rarer relations go before calls,
    /// of these the last ones.
    pub fn relate(&self, anomaly: &mut Anomaly<'static>) {
        let time = anomaly.event_time;
        let mut all: BTreeSet<Related<'static>> = std::mem::take(&mut anomaly.related).into_iter().collect();
        let nodes = self.nodes(anomaly, time);
        let known = |relation, seen: &[Seen]| -> Vec<Related<'static>> {
            let mut fresh: Vec<&Seen> =
                seen.iter().filter(|seen| time.saturating_sub(seen.time) < REMEMBERED).collect();
            fresh.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.key.cmp(&b.key)));
            let related = |seen: &Seen| Some(Related { relation, entity: Entity::from_key(&seen.key)? });
            fresh.into_iter().filter_map(related).collect()
        };
        let told = known(Relation::ActsFrom, &self.workloads)
            .into_iter()
            .chain(known(Relation::Grants, &self.granted))
            .chain(nodes)
            .chain(known(Relation::Calls, &self.callees));
        for related in told {
            if all.len() >= CARRIED {
                break;
            }
            all.insert(related);
        }
        anomaly.related = all.into_iter().collect();
    }

    /// Nodes of the anomaly's instances; of all instances where it names none and they are on few nodes.
    fn nodes(&self, anomaly: &Anomaly<'_>, time: i64) -> Vec<Related<'static>> {
        let whole = anomaly.instances.is_empty();
        let concerned = |placed: &&Placed| {
            let named = anomaly.instances.iter().any(|instance| *placed.instance == *instance.as_str());
            time.saturating_sub(placed.time) < REMEMBERED && (whole || named)
        };
        let nodes: BTreeSet<&str> = self.placed.iter().filter(concerned).map(|placed| &*placed.node).collect();
        if whole && nodes.len() > NODES {
            return Vec::new();
        }
        let node = |name: &str| Entity { kind: EntityKind::Node, name: name.to_owned().into(), ..Entity::default() };
        nodes.into_iter().map(|name| Related { relation: Relation::RunsOn, entity: node(name) }).collect()
    }

    /// Bytes on the heap, from counts and not from a walk: keys and names are of some dozens of letters.
    pub fn heap_bytes(&self) -> usize {
        let seen = self.callees.len() + self.workloads.len() + self.granted.len();
        seen * (size_of::<Seen>() + 48) + self.placed.len() * (size_of::<Placed>() + 64)
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for seen in [&self.callees, &self.workloads, &self.granted] {
            put_number(out, seen.len() as u64);
            for seen in seen {
                put_text(out, &seen.key);
                put_signed(out, seen.time);
            }
        }
        put_number(out, self.placed.len() as u64);
        for placed in &self.placed {
            put_text(out, &placed.instance);
            put_text(out, &placed.node);
            put_signed(out, placed.time);
        }
    }

    /// Reads what [`Relations::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut relations = Relations::default();
        for seen in [&mut relations.callees, &mut relations.workloads, &mut relations.granted] {
            for _ in 0..from.count()? {
                seen.push(Seen { key: from.text()?.into(), time: from.signed()? });
            }
        }
        for _ in 0..from.count()? {
            let (instance, node) = (from.text()?.into(), from.text()?.into());
            relations.placed.push(Placed { instance, node, time: from.signed()? });
        }
        Ok(relations)
    }
}

/// True for what the server did.
pub fn is_done(event: &AuditEvent<'_>) -> bool {
    (200..300).contains(&event.code) && event.decision != "forbid"
}

/// True for a connection that the entity opened to another one of ours.
fn is_call(flow: &FlowAgg<'_>) -> bool {
    flow.direction == Direction::Egress && flow.verdict == Verdict::Forwarded && !flow.external
}

/// Remembers a key, where it is one of an entity.
fn see(list: &mut Vec<Seen>, key: &str, time: i64, limit: usize) {
    if let Some(seen) = list.iter_mut().find(|seen| *seen.key == *key) {
        seen.time = seen.time.max(time);
        return;
    }
    if Entity::from_key(key).is_none() {
        return;
    }
    list.retain(|seen| time.saturating_sub(seen.time) < REMEMBERED);
    if list.len() >= limit {
        forget_oldest(list, |seen| seen.time);
    }
    list.push(Seen { key: key.into(), time });
}

/// Of several that are as old, the one learnt first goes.
fn forget_oldest<T>(list: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    let oldest = (0..list.len()).min_by_key(|&index| time(&list[index]));
    if let Some(index) = oldest {
        list.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn learn(relations: &mut Relations, time: i64, body: Body<'_>) {
        let signal = Signal { event_time: time, body, ..Signal::default() };
        relations.learn(&signal, &Limits::default());
    }

    fn flow(peer: &str) -> FlowAgg<'_> {
        FlowAgg { peer: peer.into(), ..FlowAgg::default() }
    }

    fn place(relations: &mut Relations, time: i64, instance: &str, node: &str) {
        let (instance, node) = (instance.into(), node.into());
        learn(relations, time, Body::MetricSamples(MetricSamples { instance, node, ..MetricSamples::default() }));
    }

    fn told(relations: &Relations, time: i64, instances: &[&'static str]) -> Vec<String> {
        let instances = instances.iter().map(|&instance| instance.into()).collect();
        let mut anomaly = Anomaly { event_time: time, instances, ..Anomaly::default() };
        relations.relate(&mut anomaly);
        anomaly.related.iter().map(|related| format!("{:?} {}", related.relation, related.entity.key())).collect()
    }

    #[test]
    fn a_forwarded_connection_to_an_entity_is_a_call_and_nothing_else_is() {
        let mut relations = Relations::default();
        let database = "workload/shop/StatefulSet/pg";
        let odd = [
            FlowAgg { direction: Direction::Ingress, ..flow("workload/shop/Deployment/a") },
            FlowAgg { verdict: Verdict::Dropped, ..flow("workload/shop/Deployment/b") },
            FlowAgg { external: true, ..flow("workload/shop/Deployment/c") },
            flow("reserved:host"),
            flow("world"),
        ];
        for flow in odd.into_iter().chain([flow(database)]) {
            learn(&mut relations, 0, Body::FlowAgg(flow));
        }
        assert_eq!(told(&relations, 1, &[]), [format!("Calls {database}")]);
    }

    #[test]
    fn a_principal_acts_from_the_workload_of_its_token_and_grants_what_the_server_did() {
        let mut relations = Relations::default();
        let request = |code, subject: &'static str| AuditEvent {
            code,
            workload: "workload/shop/Deployment/cart".into(),
            subjects: vec![subject.into()],
            ..AuditEvent::default()
        };
        learn(&mut relations, 0, Body::AuditEvent(request(403, "principal///mallory")));
        learn(&mut relations, 0, Body::AuditEvent(request(201, "principal///alice")));
        assert_eq!(told(&relations, 1, &[]), ["ActsFrom workload/shop/Deployment/cart", "Grants principal///alice"]);
    }

    #[test]
    fn an_anomaly_names_the_nodes_of_its_instances_or_all_where_they_are_few() {
        let mut relations = Relations::default();
        for pod in 0..3 {
            place(&mut relations, 0, &format!("pod-{pod}"), &format!("node-{pod}"));
        }
        let node = |number: usize| format!("RunsOn node///node-{number}");
        assert_eq!(told(&relations, 1, &["pod-1"]), [node(1)]);
        assert_eq!(told(&relations, 1, &[]), [node(0), node(1), node(2)]);
        place(&mut relations, 0, "pod-3", "node-3");
        assert_eq!(told(&relations, 1, &[]), Vec::<String>::new(), "too many to mean anything");
        place(&mut relations, 1, "pod-3", "node-0");
        assert_eq!(told(&relations, 1, &["pod-3"]), [node(0)], "it moved");
    }

    #[test]
    fn what_was_not_seen_for_a_day_is_forgotten() {
        let mut relations = Relations::default();
        learn(&mut relations, 0, Body::FlowAgg(flow("node///a")));
        learn(&mut relations, 20 * HOUR, Body::FlowAgg(flow("node///b")));
        assert_eq!(told(&relations, 23 * HOUR, &[]).len(), 2);
        assert_eq!(told(&relations, 24 * HOUR, &[]), ["Calls node///b"]);
        learn(&mut relations, 25 * HOUR, Body::FlowAgg(flow("node///c")));
        assert_eq!(relations.callees.len(), 2, "and its room is free");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut relations = Relations::default();
        for number in 0..200 {
            learn(&mut relations, number, Body::FlowAgg(flow(&format!("node///{number}"))));
            let workload = format!("workload/shop/Deployment/w{number}").into();
            learn(&mut relations, number, Body::AuditEvent(AuditEvent { workload, ..AuditEvent::default() }));
            place(&mut relations, number, &format!("pod-{number}"), "node");
        }
        let signal = Signal { event_time: 200, ..Signal::default() };
        for number in 0..200 {
            let samples = MetricSamples {
                instance: format!("pod-{number}").into(),
                node: "other".into(),
                ..MetricSamples::default()
            };
            let signal = Signal { body: Body::MetricSamples(samples), ..signal.clone() };
            relations.learn(&signal, &Limits { instances: 4, ..Limits::default() });
        }
        let all = told(&relations, 300, &["pod-3"]);
        assert_eq!(all.len(), CARRIED);
        assert!(all.contains(&"RunsOn node///other".to_owned()), "calls leave room for what is rarer: {all:?}");
        assert!(all.contains(&"ActsFrom workload/shop/Deployment/w199".to_owned()));
        assert!(!all.contains(&"Calls node///0".to_owned()) && all.contains(&"Calls node///199".to_owned()));
        assert_eq!((relations.callees.len(), relations.workloads.len()), (CALLEES, OTHERS / 2));
    }

    #[test]
    fn stored_and_restored_it_tells_the_same() {
        let mut relations = Relations::default();
        learn(&mut relations, -5, Body::FlowAgg(flow("node///a")));
        place(&mut relations, 7, "pod", "node");
        let mut bytes = Vec::new();
        relations.encode(&mut bytes);
        let restored = Relations::decode(&mut Reader::new(&bytes)).expect("what was encoded decodes");
        let mut again = Vec::new();
        restored.encode(&mut again);
        assert_eq!(bytes, again);
        assert_eq!(told(&relations, 9, &[]), told(&restored, 9, &[]));
    }
}
