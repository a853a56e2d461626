//! Time from an event to its anomaly, or to the command it leads to, through the jobs in one process, as `bellbuoy run
//! all` runs them.
//!
//! First a backlog of OTLP metrics gives the highest load; then requests are sent at half of that, and at a fixed load,
//! while audit records that must raise an anomaly at once (somebody binds cluster-admin) are sent at irregular moments.
//! The floor is a bare record made durable and read back, between the same events, under the same load.

use super::say;
use crate::arguments::{Goal, LatencyOptions};
use crate::meter::{Stopwatch, now};
use crate::otlp;
use crate::place::Place;
use crate::report::{Better, Figure, Report};
use crate::site::{self, Site};
use crate::spread::{quantile, sorted};
use anyhow::Context;
use correlate::job::Correlate;
use engine::lane::{LaneConfig, Ticks};
use engine::log::{Limit, Log, Message, Polled, Producer};
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use estate::{Fleet, FleetPlan};
use remediate::job::Remediate;
use schemas::anomaly::AnomalyBody;
use schemas::codec::Record as _;
use schemas::{AnomalyRecord, Command};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use topics::declared::{ANOMALIES, COMMANDS, DEAD_LETTERS};

const METRICS: &str = "otlp_metrics";
const AUDIT: &str = "k8s-audit";
const FLOOR: &str = "loadtest-floor";
/// Partitions of a raw topic.
const RAW_PARTITIONS: u32 = 4;
/// Beginning of the names of those who bind, and of what they bind.
const PROBE: &str = "probe-";
/// Memory of the process, bytes.
const MEMORY: usize = 1 << 30;
/// How long what was sent is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs it.
pub(crate) fn run(options: &LatencyOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("latency", options)?;
    let folder = tempfile::tempdir()?;
    let place = Place::open(&options.place)?;
    let site = place.site(folder.path())?;
    site.create_topics(options.fleet.partitions)?;
    for raw in [METRICS, AUDIT] {
        site.create_raw(raw, RAW_PARTITIONS)?;
    }
    site.create_raw(FLOOR, 1)?;
    let plan = FleetPlan { start_time: site.clock.now_millis(), ..options.fleet.plan(100_000) };

    let (stopping, status) = (Stopping::default(), Status::default());
    let (highest, running) = highest_load(options, &site, folder.path(), &plan, &stopping, &status)?;
    let (goal, told) = match options.to {
        Goal::Anomaly => ("anomaly", Listener::start(&site, ANOMALIES.name, probe_of_anomaly)?),
        Goal::Command => ("command", Listener::start(&site, COMMANDS.name, probe_of_command)?),
    };
    let floors = Listener::start(&site, FLOOR, |value| std::str::from_utf8(value).ok()?.parse().ok())?;
    let mut events =
        Events { site: &site, producer: site.log.producer("loadtest-events")?, next: 0, seed: options.fleet.seed };
    for (name, load, target) in
        [("half of the highest load", highest / 2.0, true), ("the fixed load", options.load as f64, false)]
    {
        say(format_args!("{name}: {load:.0} samples/s"));
        let sent = under_load(options, &site, &plan, load, &mut events)?;
        let latency = told.wait(&sent.events)?;
        let floor = floors.wait(&sent.floors)?;
        let (p50, p99) = (quantile(&latency, 0.5), quantile(&latency, 0.99));
        let mut figure =
            Figure::new(format!("event to {goal} at {name}, 99 of 100 within"), p99 * 1e3, "ms", Better::Lower)
                .floor(quantile(&floor, 0.99) * 1e3, "a bare record made durable and read back")
                .spread(&latency.iter().map(|seconds| seconds * 1e3).collect::<Vec<_>>(), "events");
        if target {
            figure = match options.to {
                Goal::Anomaly => figure.target(1_000.0, Some(300.0)),
                Goal::Command => figure.target(2_000.0, Some(1_000.0)),
            };
        }
        report.figures.push(figure);
        report.detail(format!("load, {name}"), sent.load, "samples/s");
        report.detail(format!("event to {goal}, p50, {name}"), p50 * 1e3, "ms");
        report.detail(format!("event to {goal}, slowest, {name}"), latency.last().copied().unwrap_or(0.0) * 1e3, "ms");
        report.detail(format!("bare record, p50, {name}"), quantile(&floor, 0.5) * 1e3, "ms");
        report.detail(format!("requests sent late, longest, {name}"), sent.behind * 1e3, "ms");
        report.detail(format!("processor cores in use, {name}"), sent.cores, "");
    }
    report.detail("highest load through the jobs", highest, "samples/s");
    stopping.stop();
    running.join()?;
    told.stop()?;
    floors.stop()?;
    place.clean(&site)?;
    Ok(report)
}

/// Reads a backlog as fast as it goes, and leaves the lanes running with warm state.
fn highest_load(
    options: &LatencyOptions,
    site: &Site,
    folder: &std::path::Path,
    plan: &FleetPlan,
    stopping: &Stopping,
    status: &Status,
) -> anyhow::Result<(f64, runtime::Running)> {
    let rounds = options.rounds;
    say(format_args!("a backlog of {rounds} rounds of {} series", plan.series));
    let start_time = plan.start_time - rounds as i64 * plan.interval;
    let fleet = Fleet::new(FleetPlan { start_time, ..plan.clone() });
    let mut sender = Sender::new(&*site.log)?;
    for round in 0..rounds {
        let timestamp = start_time + round as i64 * plan.interval;
        sender.send(otlp::requests(&fleet, round), timestamp)?;
    }
    crate::meter::wait_until_quiet();

    let inputs = [METRICS, AUDIT].map(str::to_owned).to_vec();
    let ingest = ingest::job::Ingest::new(
        ingest::Config::default(),
        inputs,
        options.fleet.partitions,
        DEAD_LETTERS.partitions,
        site.metrics.clone(),
    );
    let environment = site.environment(Arc::new(site::stores(folder, MEMORY)), None)?;
    let assignment = |job: Arc<dyn engine::job::Job>| Assignment {
        job,
        environment: environment.clone(),
        config: LaneConfig { ticks: Ticks::Wall { every: engine::clock::ROUND_MS }, ..site::lane_config(MEMORY, 1) },
        lanes: 1,
        ordinal: 0,
        until: Until::Stopped,
    };
    let watch = Stopwatch::start();
    let mut assignments = vec![assignment(Arc::new(ingest)), assignment(site.detect())];
    if options.to == Goal::Command {
        let correlate = Correlate::new(correlate::Config::default(), 0, site.metrics.clone());
        let remediate = Remediate::new(generous(), 0, COMMANDS.partitions, site.metrics.clone(), None);
        assignments.extend([assignment(Arc::new(correlate)), assignment(Arc::new(remediate))]);
    }
    let running = runtime::start(&assignments, stopping, status)?;
    // The end of ingest's input, then the end of detect's.
    let mut ended = 0;
    while ended < 5 {
        anyhow::ensure!(!running.is_finished(), "the lanes ended: {:?}", running.join());
        std::thread::sleep(Duration::from_millis(20));
        let lanes = status.lanes();
        let done = lanes.values().all(|lane| lane.records > 0 && is_near_its_end(lane, site));
        ended = if done { ended + 1 } else { 0 };
    }
    let (wall, _) = watch.seconds();
    let highest = rounds as f64 * plan.series as f64 / wall;
    Ok((highest, running))
}

/// The built-in policy, with budgets that hundreds of events in a minute do not use up.
fn generous() -> remediate::Config {
    let mut policy = remediate::Config::default();
    let guards = &mut policy.guards;
    (guards.per_workload, guards.per_namespace, guards.per_cluster) = (u32::MAX, u32::MAX, u32::MAX);
    policy
}

/// With ticks coming in all the time a lane is seldom at its end; its lag tells.
fn is_near_its_end(lane: &engine::runtime::LaneStatus, site: &Site) -> bool {
    let lag: i64 = lane
        .digests
        .iter()
        .map(|(task, _, _)| {
            let labels = [task.topic.as_str(), &task.partition.to_string()];
            site.metrics.lag_records.with_label_values(&labels).get()
        })
        .sum();
    !lane.digests.is_empty() && lag < 100
}

/// Sends requests round robin over the raw partitions, as a collector does.
struct Sender {
    producer: Box<dyn Producer>,
    next: u32,
}

impl Sender {
    fn new(log: &dyn Log) -> anyhow::Result<Self> {
        Ok(Sender { producer: log.producer("loadtest-collector")?, next: 0 })
    }

    fn send(&mut self, requests: Vec<Vec<u8>>, timestamp: i64) -> anyhow::Result<()> {
        self.producer.begin()?;
        for value in requests {
            self.next = (self.next + 1) % RAW_PARTITIONS;
            self.producer.send(Message {
                topic: METRICS.into(),
                partition: self.next,
                value: Some(value),
                timestamp: Some(timestamp),
                ..Message::default()
            })?;
        }
        Ok(self.producer.commit(&[], None)?)
    }
}

/// What was sent under a load.
struct Sent {
    events: BTreeMap<u64, Duration>,
    floors: BTreeMap<u64, Duration>,
    load: f64,
    /// Longest time that a round of requests was sent after its time, seconds.
    behind: f64,
    cores: f64,
}

/// Sends rounds at a load, requests spread evenly, and events at irregular moments meanwhile.
fn under_load(
    options: &LatencyOptions,
    site: &Site,
    plan: &FleetPlan,
    load: f64,
    events: &mut Events<'_>,
) -> anyhow::Result<Sent> {
    let interval = plan.series as f64 / load;
    let length = options.seconds as f64;
    let rounds = (length / interval).ceil().max(1.0) as u64;
    let start_time = site.clock.now_millis();
    let fleet = Fleet::new(FleetPlan { start_time, interval: (interval * 1e3).max(1.0) as i64, ..plan.clone() });
    // Encoded beforehand: the load generator must not take the processor from what is measured.
    let prepared: Vec<Vec<Vec<u8>>> = (0..rounds).map(|round| otlp::requests(&fleet, round)).collect();
    let (log, clock) = (site.log.clone(), site.clock.clone());
    let watch = Stopwatch::start();
    let begun = now();
    let collector = move || -> anyhow::Result<f64> {
        let mut sender = Sender::new(&*log)?;
        let mut behind: f64 = 0.0;
        for (round, mut requests) in prepared.into_iter().enumerate() {
            let slices = ((interval / 0.1).round() as usize).max(1);
            for slice in 0..slices {
                let due = interval * (round as f64 + slice as f64 / slices as f64);
                let late = (now() - begun).as_secs_f64() - due;
                behind = behind.max(late);
                if late < 0.0 {
                    std::thread::sleep(Duration::from_secs_f64(-late));
                }
                let count = requests.len() / (slices - slice);
                sender.send(requests.drain(..count).collect(), clock.now_millis())?;
            }
        }
        Ok(behind)
    };
    let collector = std::thread::Builder::new().name("collector".to_owned()).spawn(collector)?;
    let (mut sent, mut floors) = (BTreeMap::new(), BTreeMap::new());
    // The first two seconds only load.
    let pause = (length - 2.0) / (2 * options.events) as f64;
    std::thread::sleep(Duration::from_secs(2));
    for _ in 0..options.events {
        for (bare, times) in [(false, &mut sent), (true, &mut floors)] {
            std::thread::sleep(Duration::from_secs_f64(pause * 2.0 * events.fraction()));
            let (number, time) = events.send(bare)?;
            times.insert(number, time);
        }
    }
    let behind = collector.join().map_err(|_| anyhow::anyhow!("the collector's thread panicked"))??;
    let (wall, processor) = watch.seconds();
    let load = rounds as f64 * plan.series as f64 / wall.max(rounds as f64 * interval);
    Ok(Sent { events: sent, floors, load, behind, cores: processor / wall })
}

/// Sends what must be noticed.
struct Events<'a> {
    site: &'a Site,
    producer: Box<dyn Producer>,
    next: u64,
    seed: u64,
}

impl Events<'_> {
    /// Sends an audit record, or a bare one; gives its number and when it was sent.
    fn send(&mut self, bare: bool) -> anyhow::Result<(u64, Duration)> {
        let number = self.next;
        self.next += 1;
        let (topic, value) = if bare { (FLOOR, number.to_string()) } else { (AUDIT, cluster_admin_bound(number)) };
        let partition = if bare { 0 } else { (number % u64::from(RAW_PARTITIONS)) as u32 };
        let message = Message {
            topic: topic.into(),
            partition,
            value: Some(value.into_bytes()),
            timestamp: Some(self.site.clock.now_millis()),
            ..Message::default()
        };
        let time = now();
        self.producer.begin()?;
        self.producer.send(message)?;
        self.producer.commit(&[], None)?;
        Ok((number, time))
    }

    /// A number between 0 and 1, another one each time.
    fn fraction(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}

/// An audit event without times of its own: the record's counts.
fn cluster_admin_bound(number: u64) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"event-{number}","stage":"ResponseComplete","requestURI":"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings","verb":"create","user":{{"username":"{PROBE}{number}","groups":["system:authenticated"]}},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.34.1","objectRef":{{"resource":"clusterrolebindings","name":"{PROBE}{number}","apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"}},"requestObject":{{"kind":"ClusterRoleBinding","roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}}},"responseStatus":{{"metadata":{{}},"code":201}}}}"#
    )
}

fn probe_of_anomaly(value: &[u8]) -> Option<u64> {
    let record = AnomalyRecord::decode(value).ok()?;
    let AnomalyBody::Anomaly(anomaly) = &record.body else { return None };
    (anomaly.detector == "cluster_admin_bound").then(|| anomaly.entity.name.strip_prefix(PROBE)?.parse().ok())?
}

fn probe_of_command(value: &[u8]) -> Option<u64> {
    let command = Command::decode(value).ok()?;
    (command.action.name == "revoke_binding").then(|| command.target.name.strip_prefix(PROBE)?.parse().ok())?
}

type Seen = Arc<Mutex<BTreeMap<u64, Duration>>>;

/// Reads a topic and notes when each number came.
struct Listener {
    seen: Seen,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Listener {
    fn start(
        site: &Site,
        topic: &'static str,
        number: impl Fn(&[u8]) -> Option<u64> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (seen, stop) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let (noted, stopped, log) = (seen.clone(), stop.clone(), site.log.clone());
        let listen = move || {
            listen(&*log, topic, &stopped, |value| {
                if let Some(number) = number(value) {
                    let time = now();
                    noted.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_insert(time);
                }
            })
        };
        let thread = std::thread::Builder::new().name(format!("listen to {topic}")).spawn(listen)?;
        Ok(Listener { seen, stop, thread })
    }

    /// Waits until everything sent has come, and gives the times between, in ascending order.
    fn wait(&self, sent: &BTreeMap<u64, Duration>) -> anyhow::Result<Vec<f64>> {
        let begun = now();
        loop {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let times: Option<Vec<f64>> =
                sent.iter().map(|(number, time)| Some((*seen.get(number)? - *time).as_secs_f64())).collect();
            if let Some(times) = times {
                return Ok(sorted(&times));
            }
            let missing = sent.keys().filter(|number| !seen.contains_key(number)).count();
            anyhow::ensure!(now() - begun < PATIENCE, "{missing} of {} events never came", sent.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow::anyhow!("a listener panicked"))?
    }
}

fn listen(log: &dyn Log, topic: &str, stop: &AtomicBool, mut visit: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let mut consumer = log.consumer(&format!("loadtest.{topic}"), "loadtest", &[topic])?;
    while !stop.load(Ordering::SeqCst) {
        match consumer.poll(Limit { records: 4_000, bytes: 4 << 20 }, Duration::from_millis(100))? {
            Polled::Assignment { assigned, .. } => {
                for partition in assigned {
                    let end = log.bounds(&partition).context("a topic that is listened to")?.end;
                    consumer.resume(&partition, end)?;
                }
            }
            Polled::Records(batches) => {
                for record in batches.iter().flat_map(|batch| &batch.records) {
                    record.value.iter().for_each(|value| visit(value));
                }
            }
        }
    }
    Ok(())
}
