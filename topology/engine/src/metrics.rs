//! What a process says about itself, in Prometheus' form. Names and labels are part of the public interface.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The process's metrics; clones share the same figures.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// `bellbuoy_kafka_consumer_lag_records{topic,partition}`: records between what is processed and the log's end.
    pub lag_records: IntGaugeVec,
    /// `bellbuoy_watermark_delay_seconds{stage,source}`: the machine's time minus the clock of the slowest task.
    pub watermark_delay: IntGaugeVec,
    /// `bellbuoy_event_to_detection_seconds`: from the time of an observation to its anomaly.
    pub event_to_detection: Histogram,
    /// `bellbuoy_records_total{source,result}`: raw records by what became of them.
    pub records: IntCounterVec,
    /// `bellbuoy_records_dropped_total{source,reason}`: items of records that were counted and not passed on.
    pub dropped: IntCounterVec,
    /// `bellbuoy_series_active{stage}`: decoded state values in memory.
    pub cached_values: IntGaugeVec,
    /// `bellbuoy_state_bytes{stage}`: memory held by decoded state.
    pub state_bytes: IntGaugeVec,
    /// `bellbuoy_checkpoint_duration_seconds`: time to write and verify a checkpoint.
    pub checkpoint_duration: Histogram,
    /// `bellbuoy_checkpoint_age_seconds{task}`: time of the newest checkpoint, as a Unix time to subtract from now.
    pub checkpoint_written: IntGaugeVec,
    /// `bellbuoy_checkpoint_failures_total`: checkpoints that could not be written.
    pub checkpoint_failures: IntCounter,
    /// `bellbuoy_rebalances_total`: changes of assignment.
    pub rebalances: IntCounter,
    /// `bellbuoy_partitions_assigned{lane}`: partitions of each lane.
    pub partitions: IntGaugeVec,
    /// `bellbuoy_entity_resolution_total{method,confidence}`: how entities were found.
    pub resolution: IntCounterVec,
    /// `bellbuoy_anomalies_total{detector,severity}`: anomalies published.
    pub anomalies: IntCounterVec,
    /// `bellbuoy_incidents_total{state,notice}`: changes of incidents published.
    pub incidents: IntCounterVec,
    /// `bellbuoy_commands_total{remedy,mode}`: commands published, and under `observe` those that were only counted.
    pub commands: IntCounterVec,
    /// `bellbuoy_refusals_total{remedy,rule}`: remedies that policy proposed and a rule refused or lowered.
    pub refusals: IntCounterVec,
    /// `bellbuoy_results_total{action,state}`: what became of commands.
    pub results: IntCounterVec,
    /// `bellbuoy_objects_total{kind,result}`: changes of a cluster's objects, by what became of them.
    pub objects: IntCounterVec,
    /// `bellbuoy_notifications_total{target,result}`: tellings of incidents, by what became of them.
    pub notifications: IntCounterVec,
    /// `bellbuoy_divergences_total`: replays that gave other output than had been published; must stay 0.
    pub divergences: IntCounter,
    /// `bellbuoy_flushes_total`: task states stored.
    pub flushes: IntCounter,
    /// `bellbuoy_messages_sent_total`: messages published.
    pub sent: IntCounter,
}

impl Metrics {
    /// New metrics with a registry of their own.
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("names are valid by construction");
            register(&registry, counters)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels).expect("names are valid by construction");
            register(&registry, gauges)
        };
        let counter = |name: &str, help: &str| {
            register(&registry, IntCounter::new(name, help).expect("names are valid by construction"))
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(&registry, Histogram::with_opts(options).expect("names are valid by construction"))
        };
        let build = Opts::new("bellbuoy_build_info", "the running version").const_label("version", version);
        register(&registry, IntGauge::with_opts(build).expect("names are valid by construction")).set(1);
        Metrics {
            lag_records: gauges(
                "bellbuoy_kafka_consumer_lag_records",
                "records between what is processed and the log's end",
                &["topic", "partition"],
            ),
            watermark_delay: gauges(
                "bellbuoy_watermark_delay_seconds",
                "the machine's time minus the clock of the slowest task",
                &["stage", "source"],
            ),
            event_to_detection: histogram(
                "bellbuoy_event_to_detection_seconds",
                "from the time of an observation to its anomaly",
                &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0],
            ),
            records: counters("bellbuoy_records_total", "raw records by what became of them", &["source", "result"]),
            dropped: counters(
                "bellbuoy_records_dropped_total",
                "items that were counted and not passed on",
                &["source", "reason"],
            ),
            cached_values: gauges("bellbuoy_series_active", "decoded state values in memory", &["stage"]),
            state_bytes: gauges("bellbuoy_state_bytes", "memory held by decoded state", &["stage"]),
            checkpoint_duration: histogram(
                "bellbuoy_checkpoint_duration_seconds",
                "time to write and verify a checkpoint",
                &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0],
            ),
            checkpoint_written: gauges(
                "bellbuoy_checkpoint_written_timestamp_seconds",
                "when the newest checkpoint of a task was written; its age is the time now minus this",
                &["task"],
            ),
            checkpoint_failures: counter("bellbuoy_checkpoint_failures_total", "checkpoints that could not be written"),
            rebalances: counter("bellbuoy_rebalances_total", "changes of assignment"),
            partitions: gauges("bellbuoy_partitions_assigned", "partitions of each lane", &["lane"]),
            resolution: counters(
                "bellbuoy_entity_resolution_total",
                "how entities were found",
                &["method", "confidence"],
            ),
            anomalies: counters("bellbuoy_anomalies_total", "anomalies published", &["detector", "severity"]),
            incidents: counters("bellbuoy_incidents_total", "changes of incidents published", &["state", "notice"]),
            commands: counters("bellbuoy_commands_total", "commands by remedy and mode", &["remedy", "mode"]),
            refusals: counters(
                "bellbuoy_refusals_total",
                "proposed remedies that a rule refused or lowered",
                &["remedy", "rule"],
            ),
            results: counters(
                "bellbuoy_results_total",
                "what became of commands, by action and state",
                &["action", "state"],
            ),
            objects: counters(
                "bellbuoy_objects_total",
                "changes of a cluster's objects, by what became of them",
                &["kind", "result"],
            ),
            notifications: counters(
                "bellbuoy_notifications_total",
                "tellings of incidents, by what became of them",
                &["target", "result"],
            ),
            divergences: counter(
                "bellbuoy_divergences_total",
                "replays that gave other output than had been published",
            ),
            flushes: counter("bellbuoy_flushes_total", "task states stored"),
            sent: counter("bellbuoy_messages_sent_total", "messages published"),
            registry,
        }
    }

    /// The figures as Prometheus reads them.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(error) => format!("# {error}\n"),
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each metric is registered once per registry");
    collector
}
