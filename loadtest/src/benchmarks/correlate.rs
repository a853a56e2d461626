//! Anomalies per second that `correlate` takes in while a thousand incidents are open, and what an open one costs.
//!
//! The log holds the anomalies that open the incidents, then rounds of what a bad day looks like: most anomalies tell
//! again what is known, some more strongly, a few are new. A lane runs over it as `bellbuoy run correlate` would. The floor
//! is the obvious program: after every round everything that is live is put together anew.

use super::say;
use crate::arguments::CorrelateOptions;
use crate::meter::{Stopwatch, resident_memory, wait_until_quiet};
use crate::report::{Better, Figure, Report};
use crate::site::{self, Site};
use crate::watched::Watched;
use correlate::job::Correlate;
use correlate::{Config, Correlator, Memory, Round, Told};
use engine::lane::LaneConfig;
use engine::log::{Message, Producer};
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use schemas::codec::Record as _;
use schemas::{
    Anomaly, AnomalyBody, AnomalyRecord, Band, Entity, EntityKind, Family, Related, Relation, TaskName, TaskTick,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use topics::declared::{ANOMALIES, SIGNALS};

/// Entities of an incident, each calling the one before.
const ENTITIES: u64 = 8;
/// When the story begins, and how long a round is, milliseconds.
const START: i64 = 1_772_409_600_000;
const ROUND: i64 = 250;
/// Incidents opened in one round.
const OPENED_A_ROUND: u64 = 25;
/// Rounds in which the floor is measured.
const FLOOR_ROUNDS: usize = 5;
const MEMORY: usize = 1 << 30;

/// Runs it.
pub(crate) fn run(options: &CorrelateOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("correlate", options)?;
    let folder = tempfile::tempdir()?;
    let site = Site::open(folder.path())?;
    site.create_topics(SIGNALS.partitions)?;
    let story = Story::new(options);
    say(format_args!("writing {} anomalies", story.rounds.iter().map(Vec::len).sum::<usize>()));
    let (opening, all) = story.write(&mut *site.log.producer("loadtest")?)?;
    say("putting everything together anew after every round");
    let (floor, held) = story.floor();
    wait_until_quiet();

    say("running correlate");
    let stores = Watched::over(site::stores(folder.path(), MEMORY));
    let config = LaneConfig { flush_every: Duration::from_secs(5), ..LaneConfig::default() };
    let assignment = Assignment {
        job: Arc::new(Correlate::new(Config::default(), 0, site.metrics.clone())),
        environment: site.environment(Arc::new(stores.clone()), None)?,
        config,
        lanes: 1,
        ordinal: 0,
        until: Until::Complete(Arc::new(AtomicBool::new(true))),
    };
    let (stopping, status) = (Stopping::default(), Status::default());
    let running = runtime::start(&[assignment], &stopping, &status)?;
    let read = || status.lanes().values().map(|lane| lane.records).sum::<u64>();
    while read() < opening && !running.is_finished() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let (watch, from) = (Stopwatch::start(), read());
    while read() < all && !running.is_finished() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let (wall, processor) = watch.seconds();
    let records = read() - from;
    running.join()?;
    let opened = site.metrics.incidents.with_label_values(&["open", "notify"]).get()
        + site.metrics.incidents.with_label_values(&["open", "held_back"]).get();
    anyhow::ensure!(opened == options.incidents, "{opened} incidents were opened, {} were meant", options.incidents);

    report.figures.push(
        Figure::new(
            format!("anomalies taken in per processor second with {} open incidents", options.incidents),
            records as f64 / processor,
            "anomalies/s",
            Better::Higher,
        )
        .floor(floor, "everything put together anew after every round")
        .target(20_000.0, Some(100_000.0)),
    );
    report.figures.push(
        Figure::new("memory per open incident", held as f64 / opened as f64, "B", Better::Lower)
            .target(65_536.0, Some(16_384.0)),
    );
    report.detail("anomalies measured", records as f64, "");
    report.detail("anomalies per wall second", records as f64 / wall, "anomalies/s");
    report.detail("entities of an incident", ENTITIES as f64, "");
    report.detail("flushes of a task", stores.notes().flushes as f64, "");
    report.detail(
        "bytes of one flush per open incident",
        stores.notes().bytes as f64 / stores.notes().flushes.max(1) as f64 / opened as f64,
        "B",
    );
    report.detail("messages published", site.metrics.sent.get() as f64, "");
    Ok(report)
}

/// Anomalies, round by round.
struct Story {
    opening: usize,
    rounds: Vec<Vec<Anomaly<'static>>>,
}

impl Story {
    fn new(options: &CorrelateOptions) -> Self {
        let mut rounds: Vec<Vec<Anomaly<'static>>> = Vec::new();
        let groups: Vec<u64> = (0..options.incidents).collect();
        for opened in groups.chunks(OPENED_A_ROUND as usize) {
            let members = opened.iter().flat_map(|group| (0..ENTITIES).map(|entity| (*group, entity)));
            rounds.push(members.map(|(group, entity)| anomaly(group, entity, Family::Errors, 70.0)).collect());
        }
        let opening = rounds.len();
        // A linear congruential sequence (Knuth's MMIX constants): the same story each time.
        let mut state = options.seed;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..options.rounds {
            let mut told = Vec::new();
            for _ in 0..options.anomalies {
                let (group, entity) = (draw(options.incidents), draw(ENTITIES));
                told.push(match draw(100) {
                    0..2 => anomaly(group, entity, Family::Latency, 60.0),
                    2..10 => anomaly(group, entity, Family::Errors, 70.0 + 25.0 * round as f64 / options.rounds as f64),
                    _ => anomaly(group, entity, Family::Errors, 65.0),
                });
            }
            rounds.push(told);
        }
        Story { opening, rounds }
    }

    /// Writes it; the records up to the end of the opening, and in all.
    fn write(&self, producer: &mut dyn Producer) -> anyhow::Result<(u64, u64)> {
        let (mut opening, mut written) = (0, 0);
        for (number, told) in self.rounds.iter().enumerate() {
            producer.begin()?;
            let round = START + number as i64 * ROUND;
            let anomalies = told.iter().cloned().map(AnomalyBody::Anomaly);
            for body in anomalies.chain([AnomalyBody::TaskTick(TaskTick { up_to: round + ROUND })]) {
                let task = TaskName { job: "detect".into(), topic: SIGNALS.name.into(), partition: 0 };
                let record =
                    AnomalyRecord { task, tasks: 1, out_seq: written, round, body, ..AnomalyRecord::default() };
                let value = Some(record.encode()?);
                producer.send(Message { topic: ANOMALIES.name.into(), value, ..Message::default() })?;
                written += 1;
            }
            producer.commit(&[], None)?;
            if number + 1 == self.opening {
                opening = written;
            }
        }
        Ok((opening as u64, written as u64))
    }

    /// Anomalies a second of the obvious program, and the memory that the open incidents take, indexes and dataflow
    /// included.
    fn floor(&self) -> (f64, u64) {
        let before = resident_memory();
        let config = Arc::new(Config::default());
        let mut memory = Memory { tenant: "load".into(), cluster: "load".into(), ..Memory::default() };
        let mut correlator = Correlator::restore(config.clone(), &memory);
        let round = |correlator: &mut Correlator, memory: &mut Memory, number: usize| {
            let at = START + number as i64 * ROUND;
            let told = self.rounds[number].iter().cloned().enumerate();
            let told: Vec<Told<'static>> =
                told.map(|(index, anomaly)| Told { of: (0, (number * 100_000 + index) as i64), anomaly }).collect();
            correlator.round(memory, &Round { at, anomalies: &told, ..Round::default() });
            told.len()
        };
        for number in 0..self.opening {
            round(&mut correlator, &mut memory, number);
        }
        // What a first copy of the dataflow left free is used again by the next, so one is enough.
        let held = resident_memory().saturating_sub(before);
        let watch = Stopwatch::start();
        let mut taken = 0;
        for number in (self.opening..self.rounds.len()).take(FLOOR_ROUNDS) {
            taken += round(&mut correlator, &mut memory, number);
            correlator = Correlator::restore(config.clone(), &memory);
        }
        (taken as f64 / watch.seconds().1, held)
    }
}

fn anomaly(group: u64, entity: u64, family: Family, score: f64) -> Anomaly<'static> {
    let named = |entity: u64| Entity {
        kind: EntityKind::Workload,
        namespace: format!("team-{group}").into(),
        workload_kind: "Deployment".into(),
        name: format!("service-{entity}").into(),
    };
    let related = (entity > 0).then(|| Related { relation: Relation::Calls, entity: named(entity - 1) });
    Anomaly {
        tenant: "load".into(),
        cluster: "load".into(),
        entity: named(entity),
        detector: "univariate".into(),
        family,
        scope: "app".into(),
        measure: "http.server.errors rate".into(),
        instances: vec![format!("service-{entity}-7d4b9c6f5-x2k8p").into()],
        event_time: START,
        onset: START,
        band: Band::Sharp,
        score,
        sentence: format!("http.server.errors rate of team-{group}/service-{entity} is 12.5, usually 0.1 to 0.4")
            .into(),
        related: related.into_iter().collect(),
        ..Anomaly::default()
    }
}
