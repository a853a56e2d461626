//! Signals: normalised observations about one entity. The only stateful input of `detect`.
//!
//! One signal carries everything one source record said about one entity at one time: a whole scrape, not one number.
//! All times are milliseconds since the Unix epoch, UTC; 0 where unknown.

pub use crate::tick::{Tick, TickPosition};
use crate::{Confidence, Entity, OffsetRange, Text};
use serde::{Deserialize, Serialize};

/// One normalised observation about one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signal<'a> {
    /// Whose data this is; never crossed with another tenant's.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// What the observation is about.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// How sure the entity is.
    pub confidence: Confidence,
    /// When it happened, from the payload.
    pub event_time: i64,
    /// When the raw record was written to its topic.
    pub record_time: i64,
    /// Name of the ingest source (`otlp_metrics`, `audit`, `hubble`, …).
    #[serde(borrow)]
    pub source: Text<'a>,
    /// The raw record.
    #[serde(borrow)]
    pub provenance: OffsetRange<'a>,
    /// What is doubtful about the observation.
    pub quality: Vec<Quality>,
    /// Paths of fields removed before storing; the names only, never the contents.
    #[serde(borrow)]
    pub redacted: Vec<Text<'a>>,
    /// The observation.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// The kinds of observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body<'a> {
    /// Numeric samples of one scrape.
    #[serde(borrow)]
    MetricSamples(MetricSamples<'a>),
    /// Network flows between the entity and one peer.
    #[serde(borrow)]
    FlowAgg(FlowAgg<'a>),
    /// One API request by the entity.
    #[serde(borrow)]
    AuditEvent(AuditEvent<'a>),
    /// One finding of a security tool.
    #[serde(borrow)]
    SecurityEvent(SecurityEvent<'a>),
    /// One Kubernetes Event.
    #[serde(borrow)]
    K8sEvent(K8sEvent<'a>),
    /// Calls of one operation.
    #[serde(borrow)]
    SpanAgg(SpanAgg<'a>),
    /// Log lines of one template.
    #[serde(borrow)]
    LogAgg(LogAgg<'a>),
    /// How far the raw topics have been read.
    #[serde(borrow)]
    Tick(Tick<'a>),
    /// A forwarded control record.
    #[serde(borrow)]
    Control(crate::Control<'a>),
}

impl Default for Body<'_> {
    fn default() -> Self {
        Body::Tick(Tick::default())
    }
}

/// What may be doubtful about an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Quality {
    /// Event and record time differ by more than the source allows; record time was used if the event lay in the future.
    Skewed,
    /// The source samples; counts are lower bounds.
    Sampled,
    /// Part of the record was cut off by a limit.
    Truncated,
    /// The source reported lost events near this one.
    Lossy,
    /// Attributes that identify the workload were missing.
    Unattributed,
    /// Something a later version names; what a reader of this version sees for it.
    Other,
}

/// Numeric samples of one instance of the entity, taken together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSamples<'a> {
    /// Which part of the entity: the container name, or empty for the whole. Bounded, part of the baseline's identity.
    #[serde(borrow)]
    pub scope: Text<'a>,
    /// Which instance: the pod uid or name, or empty where the entity has one instance. Never part of a baseline's identity.
    #[serde(borrow)]
    pub instance: Text<'a>,
    /// Node the instance runs on; empty where unknown.
    #[serde(borrow, default)]
    pub node: Text<'a>,
    /// The samples, in the order of the source record.
    #[serde(borrow)]
    pub samples: Vec<Sample<'a>>,
    /// Distributions, in the order of the source record.
    #[serde(borrow)]
    pub distributions: Vec<Distribution<'a>>,
}

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample<'a> {
    /// Canonical metric name, current spelling (`container.cpu.time`).
    #[serde(borrow)]
    pub measure: Text<'a>,
    /// Allow-listed attributes, sorted: `direction=receive,interface=eth0`; empty where there are none.
    #[serde(borrow)]
    pub attributes: Text<'a>,
    /// Canonical unit (`s`, `By`, `{cpu}`, `1`).
    #[serde(borrow)]
    pub unit: Text<'a>,
    /// How to read the value.
    pub kind: SampleKind,
    /// The value in `unit`; never NaN.
    pub value: f64,
    /// Time of the sample minus the signal's `event_time`, milliseconds.
    pub time_offset: i64,
    /// When a counter began (its process start), 0 where unknown; only of counters and deltas.
    pub start_time: i64,
}

/// How to read a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SampleKind {
    /// A level.
    #[default]
    Gauge,
    /// A cumulative, monotonic count since `start_time`.
    Counter,
    /// An increment over `[start_time, time]`.
    Delta,
    /// The end of the series (a staleness marker); `value` is 0 and means nothing.
    Stale,
}

/// One histogram, explicit or exponential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution<'a> {
    /// Canonical metric name.
    #[serde(borrow)]
    pub measure: Text<'a>,
    /// Allow-listed attributes, sorted.
    #[serde(borrow)]
    pub attributes: Text<'a>,
    /// Canonical unit of the observed values.
    #[serde(borrow)]
    pub unit: Text<'a>,
    /// [`SampleKind::Counter`] for cumulative, [`SampleKind::Delta`] for delta temporality.
    pub kind: SampleKind,
    /// Time minus the signal's `event_time`, milliseconds.
    pub time_offset: i64,
    /// When counting began, 0 where unknown.
    pub start_time: i64,
    /// Number of observations.
    pub count: i64,
    /// Sum of the observations; 0 where the source omits it.
    pub sum: f64,
    /// Upper bounds of the explicit buckets, ascending; empty for an exponential histogram.
    pub bounds: Vec<f64>,
    /// Bucket counts: `bounds.len() + 1` of them, or the positive exponential buckets.
    pub counts: Vec<i64>,
    /// Scale of an exponential histogram.
    pub scale: i32,
    /// Index of the first exponential bucket in `counts`.
    pub first_bucket: i32,
    /// Observations within the zero threshold of an exponential histogram.
    pub zero_count: i64,
}

/// Flows between the entity and one peer within one record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowAgg<'a> {
    /// From the entity's point of view.
    pub direction: Direction,
    /// Key of the other entity ([`Entity::key`]), or class of an outside peer (`fqdn:example.com`, `net:198.51.100.0/24`, `world`).
    #[serde(borrow)]
    pub peer: Text<'a>,
    /// True for a peer outside the cluster.
    pub external: bool,
    /// Destination port; 0 where it has none.
    pub port: i32,
    /// `tcp`, `udp`, `icmp`, `sctp` or empty.
    #[serde(borrow)]
    pub protocol: Text<'a>,
    /// What the network did with it.
    pub verdict: Verdict,
    /// Why it was dropped; empty otherwise.
    #[serde(borrow)]
    pub drop_reason: Text<'a>,
    /// New connections opened.
    pub connections: i64,
    /// Observed events, of any kind.
    pub events: i64,
    /// Bytes, 0 where the source has none.
    pub bytes: i64,
    /// Packets, 0 where the source has none.
    pub packets: i64,
    /// DNS names asked for or seen.
    #[serde(borrow)]
    pub names: Vec<Text<'a>>,
    /// Pod name or uid on the entity's side; empty where unknown.
    #[serde(borrow)]
    pub instance: Text<'a>,
}

/// Direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Opened by the entity.
    #[default]
    Egress,
    /// Opened by the peer.
    Ingress,
    /// Not told.
    Unknown,
}

/// What the network did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Passed.
    #[default]
    Forwarded,
    /// Dropped by policy or error.
    Dropped,
    /// Failed.
    Error,
    /// Anything else.
    Other,
}

/// One request to the Kubernetes API; the signal's entity is the principal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent<'a> {
    /// As sent: may be chosen by the client, so never an identity. Capped.
    #[serde(borrow)]
    pub audit_id: Text<'a>,
    /// Hash of cluster, id, stage, time, user, verb and URI: what duplicates are recognised by.
    pub fingerprint: i64,
    /// `RequestReceived`, `ResponseStarted`, `ResponseComplete`, `Panic`.
    #[serde(borrow)]
    pub stage: Text<'a>,
    /// `Metadata`, `Request`, `RequestResponse`: what the policy lets us see.
    #[serde(borrow)]
    pub level: Text<'a>,
    /// Lower-case verb.
    #[serde(borrow)]
    pub verb: Text<'a>,
    /// Resource and API group: `secrets`, `deployments.apps`; empty for non-resource requests.
    #[serde(borrow)]
    pub resource: Text<'a>,
    /// Subresource (`exec`, `token`, `status`).
    #[serde(borrow)]
    pub subresource: Text<'a>,
    /// Namespace of the object; empty for cluster-wide.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Name of the object; empty for lists.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Path of a non-resource request, without its query.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// HTTP status, 0 before the response.
    pub code: i32,
    /// `allow`, `forbid` or empty.
    #[serde(borrow)]
    pub decision: Text<'a>,
    /// The last source IP: the only one a client cannot choose.
    #[serde(borrow)]
    pub source_ip: Text<'a>,
    /// Product family of the user agent (`kubectl`, `curl`).
    #[serde(borrow)]
    pub agent: Text<'a>,
    /// Reference of the pod the token is bound to (see [`crate::pod`]); empty where none.
    #[serde(borrow)]
    pub pod: Text<'a>,
    /// Impersonated user; empty where none.
    #[serde(borrow)]
    pub impersonated: Text<'a>,
    /// Role bound by a (Cluster)RoleBinding write (`ClusterRole/cluster-admin`), read from the body where the level shows it.
    #[serde(borrow)]
    pub role: Text<'a>,
    /// Keys of the principals that a (Cluster)RoleBinding write names, capped.
    #[serde(borrow, default)]
    pub subjects: Vec<Text<'a>>,
    /// Key of the workload that `pod` belongs to; empty where unknown.
    #[serde(borrow, default)]
    pub workload: Text<'a>,
    /// From request to this stage, milliseconds.
    pub latency: i64,
}

/// A finding of a security tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecurityEvent<'a> {
    /// Tool (`falco`, `tetragon`).
    #[serde(borrow)]
    pub tool: Text<'a>,
    /// Rule that fired.
    #[serde(borrow)]
    pub rule: Text<'a>,
    /// 0 lowest … 7 highest (syslog order reversed).
    pub priority: i32,
    /// Tags, ATT&CK ids among them.
    #[serde(borrow)]
    pub tags: Vec<Text<'a>>,
    /// Pod name or uid; empty where unknown.
    #[serde(borrow)]
    pub instance: Text<'a>,
    /// Container name; empty where unknown.
    #[serde(borrow)]
    pub scope: Text<'a>,
    /// Binary or process name, without arguments.
    #[serde(borrow)]
    pub process: Text<'a>,
}

/// A Kubernetes Event about the entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct K8sEvent<'a> {
    /// Reason (`BackOff`, `OOMKilling`, `ScalingReplicaSet`).
    #[serde(borrow)]
    pub reason: Text<'a>,
    /// True for type `Warning`.
    pub warning: bool,
    /// How many times since the last record of this event.
    pub count: i64,
    /// Uid of the Event object.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// Message, redacted and capped.
    #[serde(borrow)]
    pub message: Text<'a>,
    /// Pod name or uid; empty where unknown.
    #[serde(borrow)]
    pub instance: Text<'a>,
}

/// Calls of one operation within one record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanAgg<'a> {
    /// Templated operation name.
    #[serde(borrow)]
    pub operation: Text<'a>,
    /// Key of the calling entity; empty where unknown.
    #[serde(borrow)]
    pub caller: Text<'a>,
    /// Number of calls.
    pub calls: i64,
    /// Failed calls.
    pub errors: i64,
    /// Durations, seconds.
    #[serde(borrow)]
    pub durations: Distribution<'a>,
    /// Pod name or uid; empty where unknown.
    #[serde(borrow)]
    pub instance: Text<'a>,
}

/// Log lines of one template within one record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogAgg<'a> {
    /// Template with its parameters masked; never a raw line.
    #[serde(borrow)]
    pub template: Text<'a>,
    /// OpenTelemetry severity number, 0–24.
    pub severity: i32,
    /// Number of lines.
    pub count: i64,
    /// Pod name or uid; empty where unknown.
    #[serde(borrow)]
    pub instance: Text<'a>,
    /// Container name; empty where unknown.
    #[serde(borrow)]
    pub scope: Text<'a>,
}
