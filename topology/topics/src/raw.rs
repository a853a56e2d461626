//! The users' topics that ingest reads unless the configuration names others. They are never created or altered.

/// One raw topic: the user's own, in the user's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTopic {
    /// Its customary name.
    pub name: &'static str,
    /// The ingest source that reads it.
    pub source: &'static str,
    /// Who usually writes it, one clause.
    pub written_by: &'static str,
}

/// The raw topics read by default.
pub const RAW: &[RawTopic] = &[
    RawTopic {
        name: "otlp_metrics",
        source: "otlp_metrics",
        written_by: "the OpenTelemetry Collector's Kafka exporter, encoding otlp_proto",
    },
    RawTopic {
        name: "otlp_metrics_json",
        source: "otlp_metrics",
        written_by: "the OpenTelemetry Collector's Kafka exporter, encoding otlp_json",
    },
    RawTopic { name: "k8s-audit", source: "audit", written_by: "a forwarder of the API server's audit log or webhook" },
    RawTopic { name: "hubble-flows", source: "hubble", written_by: "a forwarder of Hubble's exported flow lines" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_topics_are_the_users_and_never_ours() {
        for raw in RAW {
            assert!(!raw.name.starts_with("bellbuoy."), "{}", raw.name);
            assert_eq!(crate::find(raw.name), None);
        }
    }
}
