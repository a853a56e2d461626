//! The estate's life, step by step, as one stream of Kafka records.
//!
//! One step is one scrape interval. What a step writes waits until the step that its timestamp falls into, so memory
//! holds a step or two, never the estate.

use crate::api::{ApiServer, Step};
use crate::cluster;
use crate::flows::Observer;
use crate::kubelet::{NodeMeter, Scrape};
use crate::load::daily_level;
use crate::pods::Population;
use crate::random::Random;
use crate::{AUDIT_TOPIC, Estate, FLOWS_TOPIC, METRICS_TOPIC, node_name};
use std::vec::IntoIter;

/// One record as it lies in a raw topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Topic name.
    pub topic: &'static str,
    /// Partition of the topic.
    pub partition: u32,
    /// When it was written, milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Key; none of the sources sets one.
    pub key: Option<Vec<u8>>,
    /// Headers; none of the sources sets any.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The payload.
    pub value: Vec<u8>,
}

/// Scrapes between two messages about the cluster's objects.
const CLUSTER_EVERY: i64 = 5;

/// All records of an estate, in the order of their timestamps.
pub struct Records<'a> {
    estate: &'a Estate,
    now: i64,
    population: Population,
    nodes: Vec<NodeMeter>,
    api: ApiServer,
    network: Observer,
    meters: Random,
    transport: Random,
    /// Written, but later than the step they came from.
    waiting: Vec<RawRecord>,
    ready: IntoIter<RawRecord>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(estate: &'a Estate) -> Self {
        let (seed, start, nodes) = (estate.plan.seed, estate.plan.start_time, estate.nodes());
        let mut meters = Random::new(seed, "meters");
        let node_meters = (0..nodes).map(|_| NodeMeter::booted(&mut meters, start)).collect();
        Records {
            estate,
            now: start,
            population: Population::new(seed, &estate.roster, nodes, start),
            nodes: node_meters,
            api: ApiServer::new(seed, &estate.roster, nodes, start),
            network: Observer::new(seed),
            meters,
            transport: Random::new(seed, "transport"),
            waiting: Vec::new(),
            ready: Vec::new().into_iter(),
        }
    }

    /// Lives one step and makes the records ready that no later step can precede.
    fn step(&mut self) {
        let estate = self.estate;
        let (now, end) = (self.now, self.now + estate.plan.interval_ms());
        let timetable = &estate.timetable;
        let changes = self.population.advance(&estate.roster, timetable, estate.start(), now, end);
        self.scrape(now, end);
        let step = Step {
            roster: &estate.roster,
            population: &self.population,
            timetable,
            changes: &changes,
            start: estate.start(),
            now,
            end,
        };
        for (at, line) in self.api.advance(&step) {
            // One server, one file, one partition.
            write(&mut self.waiting, &mut self.transport, AUDIT_TOPIC, 0, at, line.into_bytes());
        }
        for (at, node, line) in self.network.advance(&step) {
            let partition = node as u32 % estate.plan.partitions;
            write(&mut self.waiting, &mut self.transport, FLOWS_TOPIC, partition, at, line.into_bytes());
        }
        self.now = end;
        self.waiting.sort_by_key(|record| record.timestamp_ms);
        let complete = self.waiting.partition_point(|record| record.timestamp_ms < end);
        // After the last step nothing can come before what waits.
        let complete = if end >= estate.end() { self.waiting.len() } else { complete };
        let later = self.waiting.split_off(complete);
        self.ready = std::mem::replace(&mut self.waiting, later).into_iter();
    }

    fn scrape(&mut self, now: i64, end: i64) {
        let estate = self.estate;
        let width = end - now;
        let partitions = estate.plan.partitions;
        for node in 0..self.nodes.len() {
            // Kubelets are asked one after the other, never at quite the same moment.
            let turn = width * (node as i64 + 1) / (self.nodes.len() as i64 + 1);
            let at = now + turn + self.meters.below(400) as i64;
            let name = node_name(node);
            self.advance_pods(node, at);
            let mut message = Scrape::new(at);
            message.node(&name, &self.nodes[node]);
            for pod in self.population.on_node(node).filter(|pod| pod.container_started + 500 < at) {
                message.pod(pod, &estate.roster[pod.workload], &name);
            }
            let partition = node as u32 % partitions;
            write(&mut self.waiting, &mut self.transport, METRICS_TOPIC, partition, at, message.finish());
        }
        let number = (now - estate.start()) / width;
        if number % CLUSTER_EVERY == 0 {
            let at = end - width / 20;
            let value = cluster::message(&self.population, &estate.roster, node_name, at);
            let partition = self.nodes.len() as u32 % partitions;
            write(&mut self.waiting, &mut self.transport, METRICS_TOPIC, partition, at, value);
        }
    }

    /// Lets the pods of a node, and so the node, work until `at`.
    fn advance_pods(&mut self, node: usize, at: i64) {
        let estate = self.estate;
        let counts: Vec<usize> = self.population.pods.iter().map(Vec::len).collect();
        let meter = &mut self.nodes[node];
        let (mut cpu, mut received, mut sent, mut memory) = (0.0, 0, 0, 0);
        for pod in self.population.on_node(node).filter(|pod| pod.container_started + 500 < at) {
            let workload = &estate.roster[pod.workload];
            // An autoscaled workload spreads its load over the replicas it has.
            let usual = (workload.fewest + workload.most) as f64 / 2.0;
            let share = if workload.most > workload.fewest { usual / counts[pod.workload] as f64 } else { 1.0 };
            let before = (pod.meter.cpu_seconds, pod.meter.received, pod.meter.sent);
            pod.meter.advance(&mut self.meters, pod.workload, workload, share, &estate.timetable, at);
            cpu += pod.meter.cpu_seconds - before.0;
            received += pod.meter.received - before.1;
            sent += pod.meter.sent - before.2;
            memory += pod.meter.working_set;
        }
        meter.advance(&mut self.meters, cpu, [received, sent], memory, at);
    }
}

impl Iterator for Records<'_> {
    type Item = RawRecord;

    fn next(&mut self) -> Option<RawRecord> {
        loop {
            if let Some(record) = self.ready.next() {
                return Some(record);
            }
            if self.now >= self.estate.end() {
                return None;
            }
            self.step();
        }
    }
}

impl NodeMeter {
    fn booted(random: &mut Random, start: i64) -> Self {
        let age = 11 * 86_400 + random.below(600_000) as i64;
        NodeMeter {
            started: start - age * 1_000,
            read_at: start,
            cpu_seconds: age as f64 * 2.1,
            received: age * 900_000,
            sent: age * 1_100_000,
            working_set: 0,
            filesystem: (38 << 30) + random.below(8 << 30) as i64,
        }
    }

    /// Adds what the pods did to what the system itself does.
    fn advance(&mut self, random: &mut Random, cpu: f64, [received, sent]: [i64; 2], memory: i64, at: i64) {
        let seconds = (at - self.read_at) as f64 / 1_000.0;
        self.read_at = at;
        self.cpu_seconds += cpu + 0.18 * daily_level(at, 0.1) * (1.0 + 0.06 * random.bell()) * seconds;
        self.received += received + (20_000.0 * (1.0 + 0.08 * random.bell()) * seconds) as i64;
        self.sent += sent + (26_000.0 * (1.0 + 0.08 * random.bell()) * seconds) as i64;
        self.working_set = memory + ((1_300.0 + 12.0 * random.bell()) * 1_048_576.0) as i64;
        self.filesystem += (random.between(0.0, 20_000.0) * seconds) as i64;
    }
}

/// Adds a record that reaches its topic within a second and a half of `at`.
fn write(
    waiting: &mut Vec<RawRecord>,
    transport: &mut Random,
    topic: &'static str,
    partition: u32,
    at: i64,
    value: Vec<u8>,
) {
    let timestamp_ms = at + 150 + transport.below(1_300) as i64;
    waiting.push(RawRecord { topic, partition, timestamp_ms, key: None, headers: Vec::new(), value });
}
