//! What is read of one export line; everything else is skipped, and any field may be missing.

use crate::reading::Reject;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny};
use std::fmt;

/// One export line.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Line {
    /// A flow.
    pub flow: Option<Flow>,
    /// Events that were lost before they could be exported.
    pub lost_events: Option<LostEvents>,
    /// `cluster/node` of the exporter.
    pub node_name: String,
    /// When it was exported.
    pub time: String,
    agent_event: Option<IgnoredAny>,
    node_status: Option<IgnoredAny>,
    debug_event: Option<IgnoredAny>,
}

/// One observed event of a connection.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// When it was observed.
    pub time: String,
    /// Identity of the event; both ends emit their own.
    pub uuid: String,
    /// What the network did.
    pub verdict: String,
    /// Why it was dropped.
    pub drop_reason_desc: String,
    /// Addresses.
    #[serde(rename = "IP", deserialize_with = "or_default")]
    pub ip: Addresses,
    #[serde(deserialize_with = "or_default")]
    l4: Layer4,
    /// Sending side.
    #[serde(deserialize_with = "or_default")]
    pub source: Endpoint,
    /// Receiving side.
    #[serde(deserialize_with = "or_default")]
    pub destination: Endpoint,
    /// `cluster/node` of the observer.
    pub node_name: String,
    /// DNS names the observer knows for the source's address.
    #[serde(deserialize_with = "or_default")]
    pub source_names: Vec<String>,
    /// DNS names the observer knows for the destination's address.
    #[serde(deserialize_with = "or_default")]
    pub destination_names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    l7: Layer7,
    /// Whether it travels against the connection; missing where it is not known.
    pub is_reply: Option<bool>,
    /// `INGRESS` or `EGRESS`, of the connection and seen from the observing node.
    pub traffic_direction: String,
    trace_reason: String,
    /// Present where the exporter aggregates.
    pub aggregate: Option<IgnoredAny>,
}

/// Addresses of a flow.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// Of the sender.
    pub source: String,
    /// Of the receiver.
    pub destination: String,
}

/// One side of a flow.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod_name: String,
    /// Labels of the security identity.
    #[serde(deserialize_with = "or_default")]
    pub labels: Vec<String>,
    /// Workloads of the pod.
    #[serde(deserialize_with = "or_default")]
    pub workloads: Vec<WorkloadName>,
    /// Cluster, in a mesh of clusters.
    pub cluster_name: String,
}

/// A workload as the flow names it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct WorkloadName {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
}

/// How many events were lost.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LostEvents {
    /// Their number.
    pub num_events_lost: Count,
}

/// A count that protojson writes as a string.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count(pub u64);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer4 {
    #[serde(rename = "TCP")]
    tcp: Option<Ports>,
    #[serde(rename = "UDP")]
    udp: Option<Ports>,
    #[serde(rename = "SCTP")]
    sctp: Option<Ports>,
    #[serde(rename = "ICMPv4")]
    icmp4: Option<IgnoredAny>,
    #[serde(rename = "ICMPv6")]
    icmp6: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ports {
    source_port: u16,
    destination_port: u16,
    #[serde(deserialize_with = "or_default")]
    flags: Flags,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flags {
    #[serde(rename = "SYN")]
    syn: bool,
    #[serde(rename = "ACK")]
    ack: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer7 {
    dns: Option<Dns>,
    http: Option<Http>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dns {
    query: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Http {
    url: Option<IgnoredAny>,
    headers: Option<IgnoredAny>,
}

/// Reads one line.
pub fn parse(document: &str) -> Result<Line, Reject> {
    let line: Line = serde_json::from_str(document).map_err(|error| Reject::json("the line", &error))?;
    let other = line.agent_event.is_some() || line.node_status.is_some() || line.debug_event.is_some();
    if line.flow.is_none() && line.lost_events.is_none() && !other {
        return Err(Reject::decode("the line has no event; allowed are Hubble's export events"));
    }
    Ok(line)
}

impl Flow {
    /// Protocol, source port and destination port.
    pub fn transport(&self) -> (&'static str, i32, i32) {
        let ports = |name, ports: &Ports| (name, i32::from(ports.source_port), i32::from(ports.destination_port));
        match &self.l4 {
            Layer4 { tcp: Some(tcp), .. } => ports("tcp", tcp),
            Layer4 { udp: Some(udp), .. } => ports("udp", udp),
            Layer4 { sctp: Some(sctp), .. } => ports("sctp", sctp),
            Layer4 { icmp4: Some(_), .. } | Layer4 { icmp6: Some(_), .. } => ("icmp", 0, 0),
            _ => ("", 0, 0),
        }
    }

    /// Whether this event opens a connection: the first packet of TCP, or what the tracer calls new.
    pub fn opens_connection(&self) -> bool {
        let first = self.l4.tcp.as_ref().is_some_and(|tcp| tcp.flags.syn && !tcp.flags.ack);
        first || self.trace_reason == "NEW"
    }

    /// Whether it carries a URL or headers.
    pub fn has_url(&self) -> bool {
        self.l7.http.as_ref().is_some_and(|http| http.url.is_some() || http.headers.is_some())
    }

    /// DNS names asked for, or known of the destination.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let query = self.l7.dns.as_ref().map(|dns| dns.query.as_str());
        query.into_iter().chain(self.destination_names.iter().map(String::as_str)).filter(|name| !name.is_empty())
    }
}

fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count, as a number or a string")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map(Count).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
