//! Hubble's export lines: flows, and the events that were lost.
//!
//! A flow is an observed event, not a connection, and has no bytes. Flows of one record that agree in everything a
//! baseline looks at become one signal of the side that was asked about: the opener for egress, the receiver for
//! ingress; so each event counts once. URLs and headers of HTTP flows are skipped while parsing.

mod endpoint;
mod line;

use super::{Context, Source};
use crate::envelope;
use crate::identity::Named;
use crate::raw::Raw;
use crate::reading::{DropReason, Reading, Reject};
use crate::timestamp::{Timestamp, believe, parse_rfc3339};
use endpoint::{Side, peer_of, side_of};
use line::{Endpoint, Flow, Line};
use schemas::signal::{Body, Direction, FlowAgg, MetricSamples, Quality, Sample, SampleKind, Verdict};
use schemas::{Confidence, Entity, EntityKind, Signal, Text};
use std::collections::{BTreeMap, BTreeSet};

/// DNS names kept of one aggregate.
const NAMES: usize = 8;

/// The source `hubble`.
pub struct Hubble;

impl Source for Hubble {
    fn name(&self) -> &'static str {
        "hubble"
    }

    fn doc(&self) -> &'static str {
        "Hubble export lines: network flows between workloads and to the outside, and lost events."
    }

    fn markers(&self) -> &'static [&'static str] {
        &["flow", "lost_events", "agent_event", "node_status", "debug_event"]
    }

    fn holds_bodies(&self) -> bool {
        // URLs and headers of HTTP flows.
        true
    }

    fn read(&self, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Result<(), Reject> {
        let documents = envelope::documents(raw.value.unwrap_or_default(), self.markers(), &context.config.limits)?;
        let single = documents.len() == 1;
        out.expect(documents.len() as u64);
        let limit = context.config.limits.items;
        out.drop_items(DropReason::Overflow, documents.len().saturating_sub(limit) as u64);
        let mut record =
            Record { raw, context, aggregates: BTreeMap::new(), seen: BTreeSet::new(), lost: BTreeMap::new() };
        for document in documents.into_iter().take(limit) {
            let line = document.as_deref().map_or_else(|| Err(Reject::decode("the record is not JSON")), line::parse);
            let outcome = match line {
                Ok(line) => record.line(line),
                Err(reject) if single => return Err(reject),
                Err(_) => Err(DropReason::Malformed),
            };
            if let Err(reason) = outcome {
                out.drop_items(reason, 1);
            }
        }
        record.finish(out);
        Ok(())
    }
}

struct Record<'r> {
    raw: &'r Raw<'r>,
    context: &'r Context<'r>,
    aggregates: BTreeMap<Key, Aggregate>,
    seen: BTreeSet<String>,
    lost: BTreeMap<(String, String), Lost>,
}

/// What flows must share to be one signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    cluster: String,
    entity: Entity<'static>,
    instance: String,
    peer: String,
    port: i32,
    protocol: &'static str,
    direction: u8,
    verdict: u8,
    drop_reason: String,
}

struct Aggregate {
    confidence: Confidence,
    flow: FlowAgg<'static>,
    names: BTreeSet<String>,
    newest: i64,
    skewed: bool,
    url: bool,
    sampled: bool,
    items: u64,
}

#[derive(Default)]
struct Lost {
    events: u64,
    newest: i64,
    items: u64,
}

impl Record<'_> {
    fn line(&mut self, line: Line) -> Result<(), DropReason> {
        let time = parse_rfc3339(&line.time).map_or(0, Timestamp::millis);
        if let Some(lost) = line.lost_events {
            let (cluster, node) = self.place(&line.node_name, "");
            let entry = self.lost.entry((cluster, node)).or_default();
            entry.events = entry.events.saturating_add(lost.num_events_lost.0);
            entry.newest = entry.newest.max(believe(time, self.raw.timestamp, &self.context.config.time).time);
            entry.items += 1;
            return Ok(());
        }
        let Some(flow) = line.flow else { return Err(DropReason::Unsupported) };
        if !flow.uuid.is_empty() && !self.seen.insert(flow.uuid.clone()) {
            return Err(DropReason::Duplicate);
        }
        let node_name = if flow.node_name.is_empty() { &line.node_name } else { &flow.node_name };
        let time = parse_rfc3339(&flow.time).map_or(time, Timestamp::millis);
        self.flow(&flow, node_name, time)
    }

    fn flow(&mut self, flow: &Flow, node_name: &str, time: i64) -> Result<(), DropReason> {
        let reply = flow.is_reply == Some(true);
        // A reply travels the other way, but belongs to the connection that its receiver opened.
        let (from, to) = (
            self.side(&flow.source, &flow.ip.source, &flow.source_names, node_name, time),
            self.side(&flow.destination, &flow.ip.destination, &flow.destination_names, node_name, time),
        );
        let (opener, receiver) = if reply { (to, from) } else { (from, to) };
        let (protocol, source_port, destination_port) = flow.transport();
        let port = if reply { source_port } else { destination_port };
        let told = match flow.traffic_direction.as_str() {
            "EGRESS" => Direction::Egress,
            "INGRESS" => Direction::Ingress,
            _ => Direction::Unknown,
        };
        let (_, node) = self.place(node_name, "");
        let opener_side = side_of(&opener, &node, self.context);
        let receiver_side = side_of(&receiver, &node, self.context);
        let (own, own_side, peer) = match (told, &opener_side, &receiver_side) {
            (Direction::Ingress, _, Some(own)) => (own, &receiver, &opener),
            (Direction::Egress | Direction::Unknown, Some(own), _) => (own, &opener, &receiver),
            (_, Some(own), None) => (own, &opener, &receiver),
            (_, None, Some(own)) => (own, &receiver, &opener),
            // Nothing of ours on either side.
            (_, None, None) => return Err(DropReason::Unsupported),
        };
        let direction = if std::ptr::eq(own_side, &receiver) { Direction::Ingress } else { Direction::Egress };
        let (peer, external) = peer_of(peer, direction, &node, self.context);
        let verdict = verdict(&flow.verdict);
        let drop_reason =
            if verdict == Verdict::Dropped { self.context.capped(&flow.drop_reason_desc) } else { Default::default() };
        let (cluster, _) = self.place(node_name, &own_side.endpoint.cluster_name);
        let key = Key {
            cluster,
            entity: own.entity.clone(),
            instance: own.instance.clone(),
            peer: peer.clone(),
            port,
            protocol,
            direction: direction as u8,
            verdict: verdict as u8,
            drop_reason: drop_reason.to_owned(),
        };
        let believed = believe(time, self.raw.timestamp, &self.context.config.time);
        let aggregate = self.aggregates.entry(key).or_insert_with(|| Aggregate {
            confidence: own.confidence,
            flow: FlowAgg {
                direction: if told == Direction::Unknown { Direction::Unknown } else { direction },
                peer: Text::from(peer),
                external,
                port,
                protocol: Text::from(protocol),
                verdict,
                drop_reason: Text::from(drop_reason.to_owned()),
                instance: Text::from(own.instance.clone()),
                ..FlowAgg::default()
            },
            names: BTreeSet::new(),
            newest: i64::MIN,
            skewed: false,
            url: false,
            sampled: false,
            items: 0,
        });
        aggregate.items += 1;
        aggregate.flow.events += 1;
        aggregate.flow.connections += i64::from(!reply && flow.opens_connection());
        aggregate.newest = aggregate.newest.max(believed.time);
        aggregate.skewed |= believed.skewed;
        aggregate.url |= flow.has_url();
        aggregate.sampled |= flow.aggregate.is_some();
        for name in flow.names() {
            aggregate.names.insert(self.context.capped(name.trim_end_matches('.')).to_ascii_lowercase());
        }
        Ok(())
    }

    /// One side, with the pod it was at that time: by its name, else by its address.
    fn side<'s>(
        &self,
        endpoint: &'s Endpoint,
        address: &'s str,
        names: &'s [String],
        node_name: &str,
        at: i64,
    ) -> Side<'s>
    where
        Self: 's,
    {
        let (cluster, _) = self.place(node_name, &endpoint.cluster_name);
        let (namespace, name) = (self.context.capped(&endpoint.namespace), self.context.capped(&endpoint.pod_name));
        let tenant = self.context.tenant();
        let named = Named { tenant, cluster: &cluster, uid: "", namespace, name, address, at };
        Side { endpoint, address, names, known: self.context.identities.pod(&named) }
    }

    /// Cluster and node of `cluster/node`. What the producer or the configuration says wins, so that all sources of a
    /// cluster call it the same.
    fn place(&self, node_name: &str, cluster_name: &str) -> (String, String) {
        let (prefix, node) = node_name.split_once('/').unwrap_or(("", node_name));
        let named = [cluster_name, prefix].into_iter().find(|name| !name.is_empty() && *name != "default");
        let cluster = self.context.told_cluster(self.raw).or(named).unwrap_or(&self.context.config.cluster);
        (cluster.to_owned(), self.context.capped(node).to_owned())
    }

    fn finish(self, out: &mut Reading) {
        let lossy = !self.lost.is_empty();
        for (key, aggregate) in self.aggregates {
            let mut signal = self.context.signal(self.raw, Hubble.name(), &key.cluster);
            signal.entity = key.entity;
            signal.confidence = aggregate.confidence;
            signal.event_time = aggregate.newest;
            let many = aggregate.names.len() > NAMES;
            out.trimmed += u64::from(many);
            for (quality, present) in [
                (Quality::Skewed, aggregate.skewed),
                (Quality::Sampled, aggregate.sampled),
                (Quality::Truncated, many),
                (Quality::Lossy, lossy),
                (Quality::Unattributed, aggregate.confidence == Confidence::Unresolved),
            ] {
                if present {
                    signal.quality.push(quality);
                }
            }
            if aggregate.url {
                signal.redacted.push(Text::from("flow.l7.http.url"));
            }
            let names = aggregate.names.into_iter().take(NAMES).map(Text::from).collect();
            signal.body = Body::FlowAgg(FlowAgg { names, ..aggregate.flow });
            out.carry(signal, aggregate.items);
        }
        for ((cluster, node), lost) in self.lost {
            let mut signal: Signal<'static> = self.context.signal(self.raw, Hubble.name(), &cluster);
            signal.entity = crate::workload::entity(EntityKind::Node, "", "", &node);
            signal.event_time = lost.newest;
            signal.quality.push(Quality::Lossy);
            let sample = Sample {
                measure: Text::from("hubble.lost_events"),
                unit: Text::from("{event}"),
                kind: SampleKind::Delta,
                value: lost.events as f64,
                start_time: lost.newest,
                ..Sample::default()
            };
            signal.body = Body::MetricSamples(MetricSamples { samples: vec![sample], ..MetricSamples::default() });
            out.carry(signal, lost.items);
        }
    }
}

fn verdict(text: &str) -> Verdict {
    match text {
        "FORWARDED" | "REDIRECTED" => Verdict::Forwarded,
        "DROPPED" => Verdict::Dropped,
        "ERROR" => Verdict::Error,
        // AUDIT passes what policy would drop; TRACED and TRANSLATED are observations on the way.
        _ => Verdict::Other,
    }
}
