//! The bench: an input log, a run with a disturbance, and the output of each task.

use crate::tally;
use engine::checkpoint::{CheckpointStore, Inline};
use engine::clock::{ManualClock, WallClock};
use engine::error::EngineError;
use engine::fault::Faults;
use engine::job::Job;
use engine::lane::{Environment, Lane, LaneConfig, Ticks};
use engine::log::memory::{self, Disk};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec};
use engine::metrics::Metrics;
use engine::state::memory::MemoryStores;
use engine::state::{Marker, StateStores};
use engine::task::TaskId;
use object_store::memory::InMemory;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a run cuts the log.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    pub poll: usize,
    pub epoch: usize,
    pub flush_millis: u64,
    pub checkpoint_millis: u64,
    pub cache_bytes: usize,
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    None,
    CrashAt(u64),
    CrashTwice(u64, u64),
    CrashAndWipeState(u64),
    CrashAndWipeCheckpoints(u64),
    CrashAndWipeEverything(u64),
    CrashAndChangeLogic(u64),
    /// State is lost and the log no longer reaches back to the beginning: only checkpoints can help.
    CrashAndWipeStateBeyondRetention(u64),
    LaneJoins(u64),
    LaneLeaves(u64),
    LaneIsReplaced(u64),
}

/// A job with what a bench has to know of it.
pub trait Subject {
    /// The job, under a revision of its logic.
    fn job(&self, revision: i32, clock: &Arc<dyn WallClock>, metrics: &Metrics) -> Arc<dyn Job>;
    /// Topic it writes, with its partitions.
    fn output(&self) -> (&'static str, u32);
    /// Producing task of an output and its number within that task's output; `None` for a tick of the machine's clock.
    fn origin(&self, value: &[u8]) -> Option<(u32, i64)>;
}

/// An input log, recorded once.
pub struct Bench {
    topic: &'static str,
    partitions: u32,
    input: Vec<Message>,
}

/// Everything that survives a process.
struct World {
    disk: Disk,
    stores: MemoryStores,
    checkpoints: CheckpointStore,
    objects: Arc<InMemory>,
    clock: Arc<dyn WallClock>,
    metrics: Metrics,
    faults: Faults,
    truncated: std::sync::atomic::AtomicBool,
}

/// What a run left behind.
pub struct Ran {
    /// Output of each task, in its order, with its numbers.
    pub tasks: BTreeMap<u32, Vec<(i64, Vec<u8>)>>,
    pub divergences: u64,
    world: World,
}

impl Bench {
    /// A log of one topic; messages of one partition are in the order of the log.
    pub fn new(topic: &'static str, partitions: u32, input: Vec<Message>) -> Self {
        Bench { topic, partitions, input }
    }

    /// The tally's input: so many partitions of so many records each, ticks among them.
    pub fn of_tallies(partitions: u32, records: usize) -> Self {
        let input = (0..partitions).flat_map(|p| (0..records).map(move |number| tally::input(p, number)));
        Bench::new("in", partitions, input.collect())
    }

    /// Runs to the end of the log, through a disturbance.
    pub fn run(&self, subject: &dyn Subject, cadence: Cadence, lanes: usize, disturbance: Disturbance) -> Ran {
        use Disturbance::*;
        let world = self.world(subject);
        let mut revision = 0;
        let first = match disturbance {
            CrashAt(point)
            | CrashTwice(point, _)
            | CrashAndWipeState(point)
            | CrashAndWipeCheckpoints(point)
            | CrashAndWipeEverything(point)
            | CrashAndChangeLogic(point)
            | CrashAndWipeStateBeyondRetention(point) => point,
            _ => 0,
        };
        world.faults.crash_at(first);
        let crashed = self.life(&world, subject, revision, cadence, lanes, disturbance).is_err();
        assert!(!crashed || first > 0, "an undisturbed run failed");
        if crashed {
            if matches!(disturbance, CrashAndWipeState(_) | CrashAndWipeEverything(_)) {
                world.stores.wipe();
            }
            if matches!(disturbance, CrashAndWipeCheckpoints(_) | CrashAndWipeEverything(_)) {
                world.wipe_checkpoints();
            }
            if matches!(disturbance, CrashAndChangeLogic(_)) {
                revision += 1;
            }
            if matches!(disturbance, CrashAndWipeStateBeyondRetention(_)) && self.truncate(&world) {
                world.stores.wipe();
            }
            if let CrashTwice(_, second) = disturbance {
                world.faults.crash_at(second);
                let _ = self.life(&world, subject, revision, cadence, lanes, Disturbance::None);
            }
            world.faults.crash_at(0);
            self.life(&world, subject, revision, cadence, lanes, Disturbance::None)
                .expect("after the crash the run goes to its end");
        }
        self.ran(subject, world)
    }

    /// Runs until a crash, and leaves the world as it is then.
    pub fn run_until(&self, subject: &dyn Subject, cadence: Cadence, lanes: usize, point: u64) -> Ran {
        let world = self.world(subject);
        world.faults.crash_at(point);
        let _ = self.life(&world, subject, 0, cadence, lanes, Disturbance::None);
        self.ran(subject, world)
    }

    /// How many points an undisturbed run has.
    pub fn count_points(&self, subject: &dyn Subject, cadence: Cadence, lanes: usize) -> u64 {
        self.run(subject, cadence, lanes, Disturbance::None).world.faults.passed()
    }

    /// One process: lanes stepped in turn until all are done, or the first error.
    fn life(
        &self,
        world: &World,
        subject: &dyn Subject,
        revision: i32,
        cadence: Cadence,
        lanes: usize,
        disturbance: Disturbance,
    ) -> Result<(), EngineError> {
        let environment = world.faults.wrap(&world.environment());
        let job = subject.job(revision, &world.clock, &world.metrics);
        let open = |number| Lane::open(job.clone(), environment.clone(), cadence.config(), 0, number);
        let mut running = (0..lanes).map(open).collect::<Result<Vec<_>, _>>()?;
        let (mut quiet, mut step) = (0, 0);
        while quiet < 3 {
            step += 1;
            match disturbance {
                Disturbance::LaneJoins(at) if at == step => running.push(open(lanes)?),
                Disturbance::LaneLeaves(at) if at == step => drop(running.pop()),
                // The old lane is still there when the new one of its name opens: a zombie.
                Disturbance::LaneIsReplaced(at) if at == step => running[0] = open(0)?,
                _ => {}
            }
            let mut idle = true;
            for lane in &mut running {
                let progress = lane.step()?;
                idle &= progress.at_end && progress.records == 0;
            }
            quiet = if idle { quiet + 1 } else { 0 };
            assert!(step < 100_000, "the run does not come to an end");
        }
        running.iter_mut().try_for_each(Lane::drain)
    }

    fn world(&self, subject: &dyn Subject) -> World {
        // The clock moves by itself with every question, so cadences fall somewhere else for every configuration.
        let clock: Arc<dyn WallClock> = Arc::new(ManualClock::new(1_000_000, 1));
        let objects = Arc::new(InMemory::new());
        let checkpoints = CheckpointStore::over("memory:///".to_owned(), objects.clone(), Default::default())
            .expect("a store in memory opens");
        let world = World {
            disk: Disk::default(),
            stores: MemoryStores::default(),
            checkpoints,
            objects,
            clock,
            metrics: Metrics::new("test"),
            faults: Faults::default(),
            truncated: false.into(),
        };
        let log = world.log();
        let dead_letters = (topics::declared::DEAD_LETTERS.name, 1);
        for (name, partitions) in [(self.topic, self.partitions), subject.output(), dead_letters] {
            let spec = TopicSpec {
                name: name.to_owned(),
                partitions,
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::CreateTime,
                cleanup: CleanupPolicy::Delete,
            };
            log.create_topic(&spec).expect("the topic is new");
        }
        let mut producer = log.producer("generator").expect("a producer opens");
        // Transactions of one partition each, so that the offsets of a shorter input are those of a longer one.
        let same_partition = self.input.chunk_by(|a, b| a.partition == b.partition);
        for chunk in same_partition.flat_map(|run| run.chunks(11)) {
            producer.begin().expect("a transaction opens");
            for message in chunk {
                producer.send(message.clone()).expect("the topic exists");
            }
            producer.commit(&[], None).expect("the transaction commits");
        }
        world
    }

    /// Deletes the beginning of every partition, up to half of what its newest checkpoint covers; false while there is
    /// a partition without a checkpoint, which could not be recovered then.
    fn truncate(&self, world: &World) -> bool {
        let checkpoints = world.checkpoints.list_all().expect("the store in memory lists");
        let newest = |partition: u32| {
            let folder = format!("/{}-{partition}/", self.topic);
            checkpoints.iter().filter(|info| info.name.contains(&folder)).map(|info| info.offset).max()
        };
        let Some(covered) = (0..self.partitions).map(newest).min().flatten().filter(|&offset| offset > 3) else {
            return false;
        };
        let log = world.log();
        let mut spec = log.topics().expect("topics can be listed").into_iter().map(|t| t.spec);
        let spec = spec.find(|spec| spec.name == self.topic).expect("the input topic exists");
        // Timestamps of the tally's records are their numbers, which are never above their offsets.
        log.alter_topic(&TopicSpec { retention_ms: Some(0), ..spec.clone() }).expect("retention can be changed");
        assert!(log.enforce_retention(covered / 2).expect("retention works") > 0);
        log.alter_topic(&spec).expect("retention can be changed");
        world.truncated.store(true, std::sync::atomic::Ordering::Relaxed);
        true
    }

    fn ran(&self, subject: &dyn Subject, world: World) -> Ran {
        let log = world.log();
        let (topic, partitions) = subject.output();
        let mut tasks: BTreeMap<u32, Vec<(i64, Vec<u8>)>> = BTreeMap::new();
        for partition in 0..partitions {
            let limit = Limit { records: usize::MAX, bytes: usize::MAX };
            let batch = log.read(&TopicPartition::new(topic, partition), 0, limit).expect("the output can be read");
            for record in batch.records {
                let value = record.value.expect("no tombstones").to_vec();
                if let Some((task, number)) = subject.origin(&value) {
                    tasks.entry(task).or_default().push((number, value));
                }
            }
        }
        // Within one partition the order is the task's; a task that writes several is put together by its numbers.
        if partitions > 1 {
            tasks.values_mut().for_each(|output| output.sort_by_key(|(number, _)| *number));
        }
        let divergences = world.metrics.divergences.get();
        Ran { tasks, divergences, world }
    }
}

impl World {
    fn log(&self) -> Arc<dyn Log> {
        memory::open(&self.disk, self.clock.clone()).expect("the log in memory opens")
    }

    fn environment(&self) -> Environment {
        let stores: Arc<dyn StateStores> = Arc::new(self.stores.clone());
        Environment {
            log: self.log(),
            stores,
            checkpoints: Some(Arc::new(Inline { store: self.checkpoints.clone(), kept: 3 })),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        }
    }

    fn wipe_checkpoints(&self) {
        use object_store::ObjectStoreExt;
        let all = self.checkpoints.list_all().expect("the store in memory lists");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        for info in all {
            runtime.block_on(self.objects.delete(&info.name.as_str().into())).expect("the object is there");
        }
    }
}

impl Cadence {
    fn config(self) -> LaneConfig {
        LaneConfig {
            poll: Limit { records: self.poll, bytes: 1 << 20 },
            wait: Duration::ZERO,
            epoch_records: self.epoch,
            publish_every: Duration::from_millis(25),
            flush_every: Duration::from_millis(self.flush_millis),
            dirty_bytes: 1 << 20,
            cache_bytes: self.cache_bytes,
            checkpoint_every: Duration::from_millis(self.checkpoint_millis),
            ticks: Ticks::Wall { every: 250 },
            accept_reset: false,
        }
    }
}

impl Ran {
    pub fn assert_same(&self, other: &Ran, what: &str) {
        assert_eq!(self.divergences, 0, "{what}: a replay gave other output");
        for (task, expected) in &other.tasks {
            let got = self.tasks.get(task).unwrap_or_else(|| panic!("{what}: task {task} gave no output"));
            if got != expected {
                let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
                let text = |output: Option<&(i64, Vec<u8>)>| {
                    output.map(|(number, value)| format!("{number}: {}", String::from_utf8_lossy(value)))
                };
                panic!(
                    "{what}: output of task {task} differs at {at}: {:?} instead of {:?} ({} and {} in all)",
                    text(got.get(at)),
                    text(expected.get(at)),
                    got.len(),
                    expected.len()
                );
            }
        }
        assert_eq!(self.tasks.len(), other.tasks.len(), "{what}");
    }

    pub fn assert_prefix_of(&self, whole: &Ran) {
        for (task, got) in &self.tasks {
            assert!(whole.tasks[task].starts_with(got), "task {task}: the output of a prefix is not a prefix");
        }
    }

    /// Nothing is lost and nothing is there twice.
    pub fn assert_numbered_without_gaps(&self) {
        for (task, output) in &self.tasks {
            let numbers: Vec<i64> = output.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, (0..output.len() as i64).collect::<Vec<_>>(), "task {task}");
        }
    }

    /// Output as text, for subjects that write text.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.tasks.values().flatten().map(|(_, value)| std::str::from_utf8(value).unwrap_or("not text"))
    }

    /// True when the log was cut off below the checkpoints.
    pub fn was_truncated(&self) -> bool {
        self.world.truncated.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// What the stored states stand for.
    pub fn markers(&self) -> Vec<Marker> {
        self.world.stores.markers()
    }

    /// The offset a task has committed; its log's start before the first commit.
    pub fn committed(&self, task: &TaskId) -> i64 {
        let group = engine::lane::group_of(&task.job);
        let committed = self.world.log().committed(&group, &task.input()).expect("the topic exists");
        committed.map_or(0, |c| c.offset)
    }
}
