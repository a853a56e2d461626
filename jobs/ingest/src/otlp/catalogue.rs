//! The catalogue of metrics: canonical name, unit, allow-listed attributes, and how points that differ only by other
//! attributes merge.
//!
//! - The canonical name is the *new* spelling; an old spelling is an entry that is marked so and points to it.
//! - Attributes have short canonical names (`direction`, `interface`, `state`), whatever the wire calls them.
//! - Values that are codes, not amounts (`k8s.pod.phase` 1–5), have the unit `{code}`, and 0/1 state sets `{state}`:
//!   no numeric detector should run on either.
//! - A metric that is not listed is kept under its own name without attributes; counters merge, others are ambiguous.

use schemas::signal::SampleKind;
use std::borrow::Cow;

/// What is known about one wire name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// Canonical name.
    pub measure: Cow<'a, str>,
    /// Canonical unit; empty where only the wire tells.
    pub unit: &'static str,
    /// Canonical names of the attributes that are kept, sorted.
    pub attributes: &'static [&'static str],
    /// An attribute that follows from an old name (`condition=ready`).
    pub implied: Option<(&'static str, Cow<'a, str>)>,
    /// How points that become equal merge.
    pub merge: Merge,
    /// Whether this is an old spelling.
    pub old: bool,
    /// The kind, where the wire is known to be wrong.
    pub kind: Option<SampleKind>,
}

/// How points that differ only by dropped attributes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Their sum.
    Sum,
    /// The largest.
    Max,
    /// Counters and increments sum; of levels only the first is kept, the others are ambiguous.
    Counters,
}

/// The entry of a wire name; `resource` is the quota metric's old attribute of that name, or empty.
pub fn lookup<'a>(name: &'a str, resource: &'a str) -> Known<'a> {
    if let Some((prefix, base)) = scoped(name)
        && let Some(known) = of_scope(prefix, base, name)
    {
        return known;
    }
    if let Some(known) = renamed(name, resource) {
        return known;
    }
    if let Ok(index) = HOST.binary_search_by(|entry| entry.0.cmp(name)) {
        let (measure, unit, attributes, merge) = HOST[index];
        return Known { measure: Cow::Borrowed(measure), unit, attributes, merge, ..unlisted(name) };
    }
    unlisted(name)
}

/// The canonical short name of an attribute, where it has one.
pub fn attribute(wire: &str) -> &str {
    match wire {
        "network.io.direction" | "disk.io.direction" | "system.paging.direction" => "direction",
        "network.interface.name" => "interface",
        "system.device" => "device",
        "cpu.mode" | "system.cpu.state" | "system.memory.state" | "system.filesystem.state" => "state",
        "system.paging.state" | "system.process.status" | "process.state" => "state",
        "linux.memory.slab.state" | "network.connection.state" | "system.network.state" => "state",
        "network.transport" => "protocol",
        "system.paging.fault.type" | "system.paging.type" => "type",
        "system.filesystem.mountpoint" => "mountpoint",
        "k8s.pod.status.phase" | "k8s.namespace.phase" => "phase",
        "k8s.pod.status.reason" | "k8s.container.status.reason" => "reason",
        "k8s.container.status.state" => "state",
        "k8s.node.condition.type" => "condition",
        "k8s.node.condition.status" | "status" => "status",
        "k8s.volume.name" => "volume",
        "k8s.storageclass.name" => "storageclass",
        other => other,
    }
}

fn unlisted(name: &str) -> Known<'_> {
    Known {
        measure: Cow::Borrowed(name),
        unit: "",
        attributes: &[],
        implied: None,
        merge: Merge::Counters,
        old: false,
        kind: None,
    }
}

/// Splits `k8s.pod.cpu.time` into what it is about and what is measured.
fn scoped(name: &str) -> Option<(&'static str, &str)> {
    ["container.", "k8s.pod.", "k8s.node."]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix).map(|base| (prefix, base)))
}

/// Metrics the kubelet tells of containers, pods and nodes alike.
fn of_scope<'a>(prefix: &'static str, base: &'a str, name: &'a str) -> Option<Known<'a>> {
    let known = |unit, attributes: &'static [&'static str]| Some(Known { unit, attributes, ..unlisted(name) });
    match base {
        "cpu.time" | "uptime" => known("s", &[]),
        "cpu.usage" => known("{cpu}", &[]),
        // The name of cpu.usage before 2024; a level in cores, although it says utilization.
        "cpu.utilization" => Some(Known {
            measure: Cow::Owned(format!("{prefix}cpu.usage")),
            unit: "{cpu}",
            old: true,
            ..unlisted(name)
        }),
        "memory.available"
        | "memory.usage"
        | "memory.rss"
        | "memory.working_set"
        | "filesystem.available"
        | "filesystem.capacity"
        | "filesystem.usage" => known("By", &[]),
        "network.io" => known("By", &["direction", "interface"]),
        "network.errors" => known("{error}", &["direction", "interface"]),
        "paging.faults" => known("{fault}", &["type"]),
        "memory.page_faults" | "memory.major_page_faults" => Some(Known {
            measure: Cow::Owned(format!("{prefix}paging.faults")),
            unit: "{fault}",
            attributes: &["type"],
            implied: Some(("type", Cow::Borrowed(if base.contains("major") { "major" } else { "minor" }))),
            old: true,
            // Sent as a gauge, but the value only grows.
            kind: Some(SampleKind::Counter),
            ..unlisted(name)
        }),
        _ => None,
    }
}

/// Names that changed or are about to: old and new spelling of the Kubernetes metrics.
fn renamed<'a>(name: &'a str, resource: &'a str) -> Option<Known<'a>> {
    let rest = name.strip_prefix("k8s.")?;
    let old = |measure: String, unit| Some(Known { measure: Cow::Owned(measure), unit, old: true, ..unlisted(name) });
    let new = |unit, attributes: &'static [&'static str]| Some(Known { unit, attributes, ..unlisted(name) });
    if let Some(base) = rest.strip_prefix("container.") {
        return match base {
            "restarts" => old("k8s.container.restart.count".to_owned(), "{restart}"),
            "restart.count" => new("{restart}", &[]),
            "ready" => new("{state}", &[]),
            "status.state" => new("{state}", &["state"]),
            "status.reason" => new("{state}", &["reason"]),
            "cpu_limit_utilization"
            | "cpu_request_utilization"
            | "memory_limit_utilization"
            | "memory_request_utilization" => utilization(name, "container", base),
            "cpu_limit" | "cpu_request" => old(format!("k8s.container.{}.desired", base.replace('_', ".")), "{cpu}"),
            "memory_limit"
            | "memory_request"
            | "storage_limit"
            | "storage_request"
            | "ephemeralstorage_limit"
            | "ephemeralstorage_request" => old(format!("k8s.container.{}.desired", base.replace('_', ".")), "By"),
            _ if base.ends_with(".utilization") => new("1", &[]),
            _ if base.starts_with("cpu.") => new("{cpu}", &[]),
            _ if base.starts_with("memory.") || base.starts_with("storage.") => new("By", &[]),
            _ => None,
        };
    }
    if let Some(base) = rest.strip_prefix("pod.") {
        return match base {
            "phase" | "status_reason" => new("{code}", &[]),
            "status.phase" => new("{state}", &["phase"]),
            "status.reason" => new("{state}", &["reason"]),
            "volume.usage" | "volume.available" | "volume.capacity" => new("By", &["volume"]),
            "volume.inode.count" | "volume.inode.free" | "volume.inode.used" => new("{inode}", &["volume"]),
            "cpu_limit_utilization"
            | "cpu_request_utilization"
            | "memory_limit_utilization"
            | "memory_request_utilization" => utilization(name, "pod", base),
            _ if base.ends_with(".utilization") => new("1", &[]),
            _ => None,
        };
    }
    if let Some(base) = rest.strip_prefix("volume.") {
        let (measure, unit) = match base {
            "available" | "capacity" => (base.to_owned(), "By"),
            "inodes" => ("inode.count".to_owned(), "{inode}"),
            "inodes.free" | "inodes.used" => (base.replace("inodes", "inode"), "{inode}"),
            _ => return None,
        };
        let measure = Cow::Owned(format!("k8s.pod.volume.{measure}"));
        return Some(Known { measure, unit, attributes: &["volume"], old: true, ..unlisted(name) });
    }
    if let Some(base) = rest.strip_prefix("node.") {
        if base == "condition.status" {
            return new("{state}", &["condition", "status"]);
        }
        if let Some(condition) = base.strip_prefix("condition_") {
            return Some(Known {
                measure: Cow::Borrowed("k8s.node.condition"),
                unit: "{code}",
                attributes: &["condition"],
                implied: Some(("condition", Cow::Borrowed(condition))),
                ..unlisted(name)
            });
        }
        let what = base.strip_prefix("allocatable_");
        return what.and_then(|what| old(format!("k8s.node.{what}.allocatable"), amount_unit(what)));
    }
    if rest == "namespace.phase" {
        return new("{code}", &[]);
    }
    if let Some(base) = rest.strip_prefix("resource_quota.") {
        let last = match base {
            "hard_limit" => "hard",
            "used" => "used",
            _ => return None,
        };
        let measure = format!("k8s.resourcequota.{}.{last}", resource.replace('/', "_"));
        return old(measure, amount_unit(resource));
    }
    of_controller(rest, name)
}

/// Replica counts of controllers.
fn of_controller<'a>(rest: &'a str, name: &'a str) -> Option<Known<'a>> {
    let (kind, base) = rest.split_once('.')?;
    let (noun, unit) = match kind {
        "deployment" | "replicaset" | "statefulset" | "hpa" | "job" | "replication_controller" => ("pod", "{pod}"),
        "replicationcontroller" => ("pod", "{pod}"),
        "daemonset" => ("node", "{node}"),
        "cronjob" => ("job", "{job}"),
        _ => return None,
    };
    if base.starts_with(noun) && base.as_bytes().get(noun.len()) == Some(&b'.') {
        return Some(Known { unit, ..unlisted(name) });
    }
    let what = base.trim_end_matches("_pods").trim_end_matches("_nodes").trim_end_matches("_replicas");
    let what = what.trim_end_matches("_jobs").trim_end_matches("_scheduled");
    let kind = if kind == "replication_controller" { "replicationcontroller" } else { kind };
    let plain = matches!(base, "desired" | "available");
    if what == base && !plain {
        return None;
    }
    let what = if base.ends_with("_scheduled_nodes") { base.trim_end_matches("_nodes") } else { what };
    Some(Known { measure: Cow::Owned(format!("k8s.{kind}.{noun}.{what}")), unit, old: true, ..unlisted(name) })
}

fn utilization<'a>(name: &'a str, scope: &str, base: &str) -> Option<Known<'a>> {
    let measure = Cow::Owned(format!("k8s.{scope}.{}", base.replace('_', ".")));
    Some(Known { measure, unit: "1", old: true, ..unlisted(name) })
}

fn amount_unit(resource: &str) -> &'static str {
    let resource = resource.trim_start_matches("requests.").trim_start_matches("limits.");
    match resource {
        "cpu" => "{cpu}",
        _ if resource.contains("memory") || resource.contains("storage") => "By",
        _ => "1",
    }
}

/// Host metrics: wire name, unit, attributes, merge. Sorted by name. The processor number is dropped everywhere:
/// time sums over processors, ratios and frequencies take the busiest.
type HostEntry = (&'static str, &'static str, &'static [&'static str], Merge);
const HOST: [HostEntry; 41] = [
    ("system.cpu.frequency", "Hz", &[], Merge::Max),
    ("system.cpu.load_average.15m", "{thread}", &[], Merge::Counters),
    ("system.cpu.load_average.1m", "{thread}", &[], Merge::Counters),
    ("system.cpu.load_average.5m", "{thread}", &[], Merge::Counters),
    ("system.cpu.logical.count", "{cpu}", &[], Merge::Counters),
    ("system.cpu.physical.count", "{cpu}", &[], Merge::Counters),
    ("system.cpu.time", "s", &["state"], Merge::Sum),
    ("system.cpu.utilization", "1", &["state"], Merge::Max),
    ("system.disk.io", "By", &["device", "direction"], Merge::Sum),
    ("system.disk.io_time", "s", &["device"], Merge::Sum),
    ("system.disk.merged", "{operation}", &["device", "direction"], Merge::Sum),
    ("system.disk.operation_time", "s", &["device", "direction"], Merge::Sum),
    ("system.disk.operations", "{operation}", &["device", "direction"], Merge::Sum),
    ("system.disk.pending_operations", "{operation}", &["device"], Merge::Sum),
    ("system.disk.weighted_io_time", "s", &["device"], Merge::Sum),
    ("system.filesystem.inodes.usage", "{inode}", &["mountpoint", "state"], Merge::Max),
    ("system.filesystem.limit", "By", &["mountpoint"], Merge::Max),
    ("system.filesystem.usage", "By", &["mountpoint", "state"], Merge::Max),
    ("system.filesystem.utilization", "1", &["mountpoint"], Merge::Max),
    ("system.linux.memory.available", "By", &[], Merge::Counters),
    ("system.memory.limit", "By", &[], Merge::Counters),
    ("system.memory.page_size", "By", &[], Merge::Counters),
    ("system.memory.usage", "By", &["state"], Merge::Sum),
    ("system.memory.utilization", "1", &["state"], Merge::Sum),
    ("system.network.connections", "{connection}", &["protocol", "state"], Merge::Sum),
    ("system.network.conntrack.count", "{entry}", &[], Merge::Sum),
    ("system.network.conntrack.max", "{entry}", &[], Merge::Max),
    ("system.network.dropped", "{packet}", &["direction", "interface"], Merge::Sum),
    ("system.network.errors", "{error}", &["direction", "interface"], Merge::Sum),
    ("system.network.io", "By", &["direction", "interface"], Merge::Sum),
    ("system.network.packet.count", "{packet}", &["direction", "interface"], Merge::Sum),
    ("system.network.packet.dropped", "{packet}", &["direction", "interface"], Merge::Sum),
    ("system.network.packets", "{packet}", &["direction", "interface"], Merge::Sum),
    ("system.paging.faults", "{fault}", &["type"], Merge::Sum),
    ("system.paging.operations", "{operation}", &["direction", "type"], Merge::Sum),
    ("system.paging.usage", "By", &["device", "state"], Merge::Sum),
    ("system.paging.utilization", "1", &["device", "state"], Merge::Max),
    ("system.process.count", "{process}", &["state"], Merge::Sum),
    ("system.processes.count", "{process}", &["status"], Merge::Sum),
    ("system.processes.created", "{process}", &[], Merge::Sum),
    ("system.uptime", "s", &[], Merge::Counters),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(name: &str) -> (String, &'static str, bool) {
        let known = lookup(name, "");
        (known.measure.into_owned(), known.unit, known.old)
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(HOST.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(HOST.iter().all(|entry| entry.2.windows(2).all(|pair| pair[0] < pair[1])));
    }

    #[test]
    fn old_names_become_new_ones() {
        for (wire, measure, unit) in [
            ("k8s.deployment.desired", "k8s.deployment.pod.desired", "{pod}"),
            ("k8s.replicaset.available", "k8s.replicaset.pod.available", "{pod}"),
            ("k8s.statefulset.ready_pods", "k8s.statefulset.pod.ready", "{pod}"),
            ("k8s.statefulset.updated_pods", "k8s.statefulset.pod.updated", "{pod}"),
            ("k8s.daemonset.misscheduled_nodes", "k8s.daemonset.node.misscheduled", "{node}"),
            ("k8s.daemonset.current_scheduled_nodes", "k8s.daemonset.node.current_scheduled", "{node}"),
            ("k8s.hpa.max_replicas", "k8s.hpa.pod.max", "{pod}"),
            ("k8s.job.failed_pods", "k8s.job.pod.failed", "{pod}"),
            ("k8s.cronjob.active_jobs", "k8s.cronjob.job.active", "{job}"),
            ("k8s.container.cpu_limit", "k8s.container.cpu.limit.desired", "{cpu}"),
            ("k8s.container.ephemeralstorage_request", "k8s.container.ephemeralstorage.request.desired", "By"),
            ("k8s.container.cpu_limit_utilization", "k8s.container.cpu.limit.utilization", "1"),
            ("k8s.container.restarts", "k8s.container.restart.count", "{restart}"),
            ("k8s.pod.memory_request_utilization", "k8s.pod.memory.request.utilization", "1"),
            ("k8s.volume.inodes", "k8s.pod.volume.inode.count", "{inode}"),
            ("k8s.node.allocatable_cpu", "k8s.node.cpu.allocatable", "{cpu}"),
            ("container.memory.page_faults", "container.paging.faults", "{fault}"),
            ("k8s.node.cpu.utilization", "k8s.node.cpu.usage", "{cpu}"),
        ] {
            assert_eq!(canonical(wire), (measure.to_owned(), unit, true), "{wire}");
            let known = lookup(measure, "");
            assert!(!known.old && known.measure == measure, "{measure} is the new spelling");
            if !known.unit.is_empty() {
                assert_eq!(known.unit, unit, "{measure}: both spellings have one unit");
            }
        }
    }

    #[test]
    fn codes_and_states_are_told_by_their_unit() {
        for name in ["k8s.pod.phase", "k8s.namespace.phase", "k8s.pod.status_reason", "k8s.node.condition_ready"] {
            assert_eq!(lookup(name, "").unit, "{code}", "{name}");
        }
        for name in ["k8s.container.ready", "k8s.pod.status.phase", "k8s.node.condition.status"] {
            assert_eq!(lookup(name, "").unit, "{state}", "{name}");
        }
    }

    #[test]
    fn a_quota_names_its_resource() {
        let known = lookup("k8s.resource_quota.hard_limit", "requests.cpu");
        assert_eq!((known.measure.as_ref(), known.unit), ("k8s.resourcequota.requests.cpu.hard", "{cpu}"));
        assert_eq!(lookup("k8s.resource_quota.used", "pods").measure, "k8s.resourcequota.pods.used");
    }

    #[test]
    fn an_unknown_name_stays_itself() {
        let known = lookup("http.server.request.duration", "");
        assert_eq!((known.measure.as_ref(), known.unit, known.old), ("http.server.request.duration", "", false));
        assert_eq!(lookup("k8s.deployment.something", ""), unlisted("k8s.deployment.something"));
    }
}
