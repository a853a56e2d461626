//! The job on the engine: the same bytes however the log is cut and wherever the process is killed, on the partition of
//! the lock domain, signed.

use engine::clock::{ManualClock, WallClock};
use engine::job::Job;
use engine::lane::{Environment, Lane, LaneConfig, Ticks};
use engine::log::memory::{self, Disk};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec};
use engine::metrics::Metrics;
use engine::state::memory::MemoryStores;
use remediate::Config;
use remediate::job::Remediate;
use schemas::codec::Record as _;
use schemas::signing::{self, Signer};
use schemas::{
    Band, Command, Entity, EntityKind, Family, Incident, IncidentBody, IncidentRecord, IncidentState, Member, TaskTick,
};
use std::sync::Arc;
use std::time::Duration;
use topics::declared::{COMMANDS, INCIDENTS};

const START: i64 = 1_800_000_000_000;
const PARTITIONS: u32 = 4;

fn signer() -> Signer {
    Signer::from_seed(&[9; 32])
}

/// Six hours of twelve incidents in two clusters, with a tick a minute.
fn input() -> Vec<Message> {
    let mut messages = Vec::new();
    for minute in 0..360 {
        let now = START + minute * 60_000;
        let mut bodies = vec![IncidentBody::TaskTick(TaskTick { up_to: now })];
        if minute % 10 == 0 {
            let number = minute / 10 % 12;
            let entity = Entity {
                kind: EntityKind::Workload,
                namespace: "shop".into(),
                workload_kind: "Deployment".into(),
                name: format!("app-{number}").into(),
            };
            let member = |family| Member {
                entity: entity.clone(),
                family,
                band: Band::Novel,
                instances: vec![format!("app-{number}-1").into()],
                onset: now,
                ..Member::default()
            };
            bodies.push(IncidentBody::Incident(Box::new(Incident {
                tenant: "acme".into(),
                cluster: if number % 2 == 0 { "east".into() } else { "west".into() },
                id: format!("incident-{number}").into(),
                state: if minute < 120 { IncidentState::Open } else { IncidentState::Update },
                revision: (minute / 120 + 1) as i32,
                severity: 90.0,
                opened_at: START + number * 600_000,
                members: vec![member(Family::Novelty), member(Family::Errors), member(Family::Latency)],
                members_total: 3,
                causes: vec![schemas::Cause { rank: 1, entity: entity.clone(), ..schemas::Cause::default() }],
                ..Incident::default()
            })));
        }
        for body in bodies {
            let record = IncidentRecord { round: now, body, ..IncidentRecord::default() };
            messages.push(Message {
                topic: INCIDENTS.name.into(),
                partition: 0,
                key: None,
                headers: Vec::new(),
                value: Some(record.encode().unwrap()),
                timestamp: Some(now),
            });
        }
    }
    // A stranger's record is passed over.
    messages.insert(7, Message { value: Some(b"plain text".to_vec()), ..messages[7].clone() });
    messages
}

struct World {
    disk: Disk,
    stores: MemoryStores,
    clock: Arc<dyn WallClock>,
    metrics: Metrics,
}

impl World {
    fn new() -> Self {
        let clock: Arc<dyn WallClock> = Arc::new(ManualClock::new(1_000_000, 1));
        let world =
            World { disk: Disk::default(), stores: MemoryStores::default(), clock, metrics: Metrics::new("test") };
        let log = world.log();
        for (name, partitions) in
            [(INCIDENTS.name, 1), (COMMANDS.name, PARTITIONS), (topics::declared::DEAD_LETTERS.name, 1)]
        {
            let spec = TopicSpec {
                name: name.to_owned(),
                partitions,
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::CreateTime,
                cleanup: CleanupPolicy::Delete,
            };
            log.create_topic(&spec).unwrap();
        }
        let mut producer = log.producer("generator").unwrap();
        for chunk in input().chunks(11) {
            producer.begin().unwrap();
            chunk.iter().for_each(|message| producer.send(message.clone()).unwrap());
            producer.commit(&[], None).unwrap();
        }
        world
    }

    fn log(&self) -> Arc<dyn Log> {
        memory::open(&self.disk, self.clock.clone()).unwrap()
    }

    /// One process; ends after so many steps, or at the end of the log.
    fn life(&self, epoch: usize, flush_millis: u64, steps: usize) {
        let environment = Environment {
            log: self.log(),
            stores: Arc::new(self.stores.clone()),
            checkpoints: None,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let config = LaneConfig {
            poll: Limit { records: epoch * 3, bytes: 1 << 20 },
            wait: Duration::ZERO,
            epoch_records: epoch,
            publish_every: Duration::from_millis(25),
            flush_every: Duration::from_millis(flush_millis),
            dirty_bytes: 1 << 20,
            cache_bytes: 1 << 20,
            checkpoint_every: Duration::from_secs(3600),
            ticks: Ticks::Wall { every: 250 },
            accept_reset: false,
        };
        let job: Arc<dyn Job> =
            Arc::new(Remediate::new(Config::default(), 0, PARTITIONS, self.metrics.clone(), Some(signer())));
        let mut lane = Lane::open(job, environment, config, 0, 0).unwrap();
        let (mut quiet, mut done) = (0, 0);
        while quiet < 3 {
            if done == steps {
                // The process is killed here: nothing is drained.
                return;
            }
            done += 1;
            let progress = lane.step().unwrap();
            quiet = if progress.at_end && progress.records == 0 { quiet + 1 } else { 0 };
        }
        lane.drain().unwrap();
    }

    /// The commands of each partition.
    fn commands(&self) -> Vec<Vec<Vec<u8>>> {
        let log = self.log();
        let limit = Limit { records: usize::MAX, bytes: usize::MAX };
        let read = |partition| log.read(&TopicPartition::new(COMMANDS.name, partition), 0, limit).unwrap().records;
        (0..PARTITIONS).map(|p| read(p).into_iter().map(|r| r.value.unwrap().to_vec()).collect()).collect()
    }
}

#[test]
fn the_same_commands_come_however_the_log_is_cut_and_wherever_the_process_is_killed() {
    let plain = World::new();
    plain.life(1, 1, usize::MAX);
    let expected = plain.commands();
    let count: usize = expected.iter().map(Vec::len).sum();
    assert!(count > 20, "only {count} commands");
    for (epoch, flush, killed) in [(100, 50, usize::MAX), (7, 40, 9), (3, 400, 40), (11, 5, 7)] {
        let world = World::new();
        world.life(epoch, flush, killed);
        let before: usize = world.commands().iter().map(Vec::len).sum();
        assert!((before < count) == (killed < usize::MAX), "{before} of {count} commands before the kill");
        world.life(epoch, flush, usize::MAX);
        assert_eq!(world.commands(), expected, "epochs of {epoch}, killed after {killed} steps");
        assert_eq!(world.metrics.divergences.get(), 0);
    }
}

#[test]
fn commands_are_signed_numbered_and_on_the_partition_of_their_lock_domain() {
    let world = World::new();
    world.life(50, 50, usize::MAX);
    let mut numbers = Vec::new();
    for (partition, records) in world.commands().iter().enumerate() {
        for record in records {
            let command = Command::decode(record).unwrap();
            assert_eq!(signing::verify(&command, &[signer().public_key()]), Ok(()));
            assert_eq!(topics::partition_for(command.lock_domain.as_bytes(), PARTITIONS), partition as u32);
            assert_eq!((command.task.job.as_str(), command.tasks), ("remediate", 1));
            assert!(command.round <= command.issued_at && command.issued_at >= START);
            numbers.push(command.out_seq);
        }
    }
    numbers.sort();
    assert_eq!(numbers, (0..numbers.len() as i64).collect::<Vec<_>>());
    let rendered = world.metrics.render();
    assert!(rendered.contains("bellbuoy_commands_total{mode=\"recommend\",remedy=\"quarantine_pod\"}"), "{rendered}");
    assert!(
        rendered.contains("bellbuoy_refusals_total{remedy=\"restart_workload\",rule=\"cooldown\"}")
            || rendered.contains("rule=\"budget\"")
    );
    assert!(rendered.contains("bellbuoy_records_dropped_total{reason=\"decode\",source=\"incidents\"} 1"));
}
