//! Network flows as Hubble exports them: one JSON line for each observed event, new connections mostly.

use crate::api::Step;
use crate::calendar::micros_text;
use crate::load::{backup_runs, daily_level};
use crate::naming;
use crate::random::Random;
use crate::roster::{BACKED_UP, BACKUP_PEER, Kind, Peer, TAKEN_OVER};
use crate::story::POOL;
use std::fmt::Write as _;

/// One exported line: the time of the event, the node that saw it, the line.
pub(crate) type Line = (i64, usize, String);

/// Watches the network.
pub(crate) struct Observer {
    random: Random,
}

/// One end of a flow.
#[derive(Clone)]
struct End {
    address: String,
    /// The `source` or `destination` object.
    described: String,
    /// Name seen in DNS; empty inside the cluster.
    name: &'static str,
}

/// A connection attempt.
struct Connection<'a> {
    at: i64,
    node: usize,
    source: &'a End,
    destination: &'a End,
    port: u16,
}

impl Observer {
    /// An observer with its own stream of randomness.
    pub(crate) fn new(seed: u64) -> Self {
        Observer { random: Random::new(seed, "flows") }
    }

    /// The lines of `[step.now, step.end)`.
    pub(crate) fn advance(&mut self, step: &Step<'_>) -> Vec<Line> {
        let mut lines = Vec::new();
        let minutes = (step.end - step.now) as f64 / 60_000.0;
        for (index, workload) in step.roster.iter().enumerate() {
            let level = daily_level(step.now, workload.swing);
            for _ in 0..self.random.poisson(0.6 * workload.connections * level * minutes) {
                // The busiest peer comes first and gets most.
                let choice = self.random.unit();
                let position = (choice * choice * workload.peers.len() as f64) as usize;
                self.connect(step, index, &workload.peers[position], None, &mut lines);
            }
        }
        if backup_runs(step.now) {
            for _ in 0..1 + self.random.poisson(2.0 * minutes) {
                self.connect(step, BACKED_UP, &BACKUP_PEER, None, &mut lines);
            }
        }
        if step.timetable.mines(step.now) {
            let pool = Peer::Outside(POOL.0, POOL.1, POOL.2);
            for position in 0..step.population.pods[TAKEN_OVER].len() {
                for _ in 0..self.random.poisson(0.6 * minutes).max(u32::from(position == 0)) {
                    self.connect(step, TAKEN_OVER, &pool, Some(position), &mut lines);
                }
            }
        }
        // Customers come from all over one documentation range.
        if let Some(edge) = step.roster.iter().position(|workload| workload.name == "edge-proxy") {
            for _ in 0..self.random.poisson(0.8 * daily_level(step.now, 0.45) * minutes) {
                let address = format!("203.0.113.{}", 1 + self.random.below(250));
                let Some((end, node)) = self.pod_end(step, edge, None) else { continue };
                let world = outside(&address, "");
                let at = self.moment(step);
                let connection = Connection { at, node, source: &world, destination: &end, port: 443 };
                lines.push(self.line(&connection, Seen::Ingress));
            }
        }
        lines
    }

    fn connect(&mut self, step: &Step<'_>, from: usize, peer: &Peer, pod: Option<usize>, lines: &mut Vec<Line>) {
        let Some((source, node)) = self.pod_end(step, from, pod) else { return };
        let at = self.moment(step);
        let (destination, far_node, port) = match peer {
            Peer::Workload(to, port) => match self.pod_end(step, *to, None) {
                Some((end, far_node)) => (end, Some(far_node), *port),
                // A connection to a service without pods never leaves the node.
                None => return,
            },
            Peer::ClusterDns => (cluster_dns(), None, 53),
            Peer::Outside(name, address, port) => (outside(address, name), None, *port),
        };
        let connection = Connection { at, node, source: &source, destination: &destination, port };
        if port == 53 {
            lines.push(self.line(&connection, Seen::Query));
            return;
        }
        if !destination.name.is_empty() && self.random.chance(0.3) {
            let resolver = cluster_dns();
            let query = Connection { at: at - 3, node, source: &source, destination: &resolver, port: 53 };
            lines.push(self.line(&query, Seen::Query));
        }
        lines.push(self.line(&connection, Seen::Egress));
        if self.random.chance(0.12) {
            lines.push(self.line(&connection, Seen::Reply));
        }
        if let Some(far_node) = far_node.filter(|_| self.random.chance(0.12)) {
            let far = Connection { at: at + 1, node: far_node, ..connection };
            lines.push(self.line(&far, Seen::Ingress));
        }
    }

    fn moment(&mut self, step: &Step<'_>) -> i64 {
        // Pods that a step brings are up three seconds into it.
        let width = step.end - step.now;
        step.now + width / 12 + self.random.below((width - width / 12) as u64) as i64
    }

    fn pod_end(&mut self, step: &Step<'_>, index: usize, position: Option<usize>) -> Option<(End, usize)> {
        let pods = &step.population.pods[index];
        let chosen = position.unwrap_or(self.random.below(pods.len() as u64) as usize);
        let pod = pods.get(chosen)?;
        let workload = &step.roster[index];
        // Hubble names the Job of a CronJob's pod no further than the CronJob.
        let kind = if workload.kind == Kind::CronJob { "CronJob" } else { workload.kind.as_str() };
        let described = format!(
            r#"{{"identity":{},"cluster_name":"estate","namespace":"{}","labels":["k8s:app={}"],"pod_name":"{}","workloads":[{{"name":"{}","kind":"{kind}"}}]}}"#,
            10_000 + index * 37,
            workload.namespace,
            workload.name,
            pod.name,
            workload.name,
        );
        Some((End { address: pod.address.clone(), described, name: "" }, pod.node))
    }

    fn line(&mut self, connection: &Connection<'_>, seen: Seen) -> Line {
        let time = micros_text(connection.at * 1_000 + self.random.below(1_000) as i64);
        let client_port = 32_768 + self.random.below(28_000);
        let (mut from, mut to) = (connection.source, connection.destination);
        let (mut from_port, mut to_port) = (client_port, u64::from(connection.port));
        if matches!(seen, Seen::Reply) {
            std::mem::swap(&mut from, &mut to);
            std::mem::swap(&mut from_port, &mut to_port);
        }
        let (l4, flags, summary, direction, reply) = match seen {
            Seen::Egress => ("TCP", r#","flags":{"SYN":true}"#, "TCP Flags: SYN", "EGRESS", false),
            Seen::Ingress => ("TCP", r#","flags":{"SYN":true}"#, "TCP Flags: SYN", "INGRESS", false),
            Seen::Reply => ("TCP", r#","flags":{"SYN":true,"ACK":true}"#, "TCP Flags: SYN, ACK", "INGRESS", true),
            Seen::Query => ("UDP", "", "UDP", "EGRESS", false),
        };
        let node = crate::node_name(connection.node);
        let mut line = String::with_capacity(1_024);
        let _ = write!(
            line,
            r#"{{"flow":{{"time":"{time}","uuid":"{}","verdict":"FORWARDED","IP":{{"source":"{}","destination":"{}","ipVersion":"IPv4"}},"l4":{{"{l4}":{{"source_port":{from_port},"destination_port":{to_port}{flags}}}}},"source":{},"destination":{},"Type":"L3_L4","node_name":"estate/{node}""#,
            naming::uid(&mut self.random),
            from.address,
            to.address,
            from.described,
            to.described,
        );
        for (field, end) in [("source_names", from), ("destination_names", to)] {
            if !end.name.is_empty() {
                let _ = write!(line, r#","{field}":["{}"]"#, end.name);
            }
        }
        let _ = write!(
            line,
            r#","event_type":{{"type":4}},"traffic_direction":"{direction}","is_reply":{reply},"Summary":"{summary}"}},"node_name":"estate/{node}","time":"{time}"}}"#
        );
        (connection.at, connection.node, line)
    }
}

/// Which observation of a connection a line is.
#[derive(Clone, Copy)]
enum Seen {
    /// The first packet, at its source.
    Egress,
    /// The first packet, at its destination.
    Ingress,
    /// The answer, at the source.
    Reply,
    /// A datagram to the resolver.
    Query,
}

fn outside(address: &str, name: &'static str) -> End {
    End { address: address.to_owned(), described: r#"{"identity":2,"labels":["reserved:world"]}"#.to_owned(), name }
}

fn cluster_dns() -> End {
    let described = r#"{"identity":9001,"cluster_name":"estate","namespace":"kube-system","labels":["k8s:k8s-app=kube-dns"],"pod_name":"coredns-6f6b679f8f-x7wkq","workloads":[{"name":"coredns","kind":"Deployment"}]}"#;
    End { address: "10.42.1.2".to_owned(), described: described.to_owned(), name: "" }
}
