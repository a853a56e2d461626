//! What is known of measures by name: which are numbers to judge, which are codes or capacities, and their family.

use schemas::Family;

/// What is done with a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// A number to judge.
    #[default]
    Numeric,
    /// A code or a capacity: kept when it changes, never judged.
    Stored,
    /// A worse reading of what another series measures; not read.
    Superseded,
}

/// Measures whose value is a code.
const CODED: &[&str] =
    &["k8s.container.ready", "k8s.namespace.phase", "k8s.pod.phase", "k8s.pod.status_reason", "k8s.container.status"];

/// Beginnings of measures whose value is a code.
const CODED_PREFIXES: &[&str] = &[
    "k8s.container.status.",
    "k8s.node.condition",
    "k8s.pod.status.",
    "k8s.pod.status_",
    "k8s.replicationcontroller.",
];

/// Last words of measures whose value somebody configured.
const CAPACITY_ENDINGS: &[&str] = &[
    ".capacity",
    ".limit",
    "_limit",
    ".request",
    "_request",
    ".allocatable",
    ".hard",
    ".hard_limit",
    ".desired",
    ".max",
    ".min",
    ".limit.desired",
    ".limit.current",
    ".request.desired",
    ".request.current",
    ".desired_pods",
    ".desired_nodes",
    ".max_replicas",
    ".min_replicas",
    ".desired_replicas",
    ".desired_scheduled_nodes",
    ".desired_successful_pods",
    ".max_parallel_pods",
    ".inodes",
    ".inode.count",
];

/// Gauges that carry a count since the start.
const CUMULATIVE_GAUGES: &[&str] = &[".memory.page_faults", ".memory.major_page_faults"];

/// What is done with a series of this name, seen alone.
pub fn class(measure: &str) -> Class {
    let coded = CODED.contains(&measure) || CODED_PREFIXES.iter().any(|prefix| measure.starts_with(prefix));
    let capacity = CAPACITY_ENDINGS.iter().any(|ending| measure.ends_with(ending))
        || measure.starts_with("k8s.node.allocatable")
        || measure.ends_with(".uptime");
    if coded || capacity { Class::Stored } else { Class::Numeric }
}

/// True for a gauge that is to be read as a counter.
pub fn is_cumulative(measure: &str) -> bool {
    CUMULATIVE_GAUGES.iter().any(|ending| measure.ends_with(ending))
}

/// The counter that makes this gauge superfluous: `*.cpu.time` for `*.cpu.usage`.
pub fn better_reading(measure: &str) -> Option<String> {
    measure.strip_suffix(".cpu.usage").map(|prefix| format!("{prefix}.cpu.time"))
}

/// The kind of evidence a measure gives.
pub fn family(measure: &str) -> Family {
    let has = |words: &[&str]| words.iter().any(|word| measure.contains(word));
    if has(&["error", "failed", "failure", "dropped", "restart", "oom"]) {
        Family::Errors
    } else if has(&["duration", "latency", "response_time"]) {
        Family::Latency
    } else if has(&["network", "connections"]) {
        Family::Network
    } else {
        Family::Saturation
    }
}

/// True for units in which an autoscaler counts: only a number never seen is remarkable.
pub fn counts_replicas(unit: &str) -> bool {
    matches!(unit, "{instance}" | "{pod}" | "{replica}")
}

/// What several measures of one scope tell about in common, so that one cause is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Time on processors.
    Cpu,
    /// Memory, and its faults.
    Memory,
    /// Traffic.
    Network,
    /// Files.
    Filesystem,
    /// What went wrong.
    Errors,
}

/// The resource a measure tells about, where it is one of those many measures share.
pub fn resource(measure: &str) -> Option<Resource> {
    let has = |word: &str| measure.contains(word);
    match measure {
        _ if family(measure) == Family::Errors => Some(Resource::Errors),
        _ if has(".cpu.") || has(".cpu_") => Some(Resource::Cpu),
        _ if has(".memory.") || has(".memory_") => Some(Resource::Memory),
        _ if has(".network.") => Some(Resource::Network),
        _ if has(".filesystem.") || has(".volume.") => Some(Resource::Filesystem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_capacities_are_never_judged() {
        for measure in [
            "k8s.pod.phase",
            "k8s.namespace.phase",
            "k8s.container.ready",
            "k8s.container.cpu_limit",
            "k8s.container.memory_request",
            "container.filesystem.capacity",
            "k8s.node.condition_ready",
            "k8s.deployment.desired",
            "k8s.pod.status_reason",
            "k8s.container.cpu.limit.desired",
        ] {
            assert_eq!(class(measure), Class::Stored, "{measure}");
        }
        for measure in [
            "container.cpu.time",
            "container.memory.working_set",
            "k8s.deployment.available",
            "k8s.container.cpu_limit_utilization",
            "container.filesystem.usage",
        ] {
            assert_eq!(class(measure), Class::Numeric, "{measure}");
        }
    }

    #[test]
    fn families_follow_the_name() {
        assert_eq!(family("k8s.pod.network.io"), Family::Network);
        assert_eq!(family("k8s.pod.network.errors"), Family::Errors);
        assert_eq!(family("http.server.request.duration"), Family::Latency);
        assert_eq!(family("container.cpu.time"), Family::Saturation);
    }

    #[test]
    fn all_readings_of_memory_are_one_resource() {
        for measure in ["container.memory.rss", "k8s.pod.memory.working_set", "container.memory.page_faults"] {
            assert_eq!(resource(measure), Some(Resource::Memory), "{measure}");
        }
        assert_eq!(resource("k8s.pod.network.errors"), Some(Resource::Errors));
        assert_eq!(resource("http.server.active_requests"), None);
    }
}
