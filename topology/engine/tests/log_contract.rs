//! The contract of a log, held by both adapters that run inside the process.

use engine::clock::{ManualClock, SystemClock, WallClock};
use engine::error::LogError;
use engine::log::contract::{ALL, Ability, Subject};
use engine::log::{
    CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec, embedded, memory, prefixed,
};
use std::path::Path;
use std::sync::Arc;

struct Memory {
    disk: memory::Disk,
    clock: Arc<ManualClock>,
}

impl Subject for Memory {
    fn open(&self) -> Result<Arc<dyn Log>, LogError> {
        memory::open(&self.disk, self.clock.clone())
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn offers(&self, _: Ability) -> bool {
        true
    }
}

struct Embedded<'a> {
    folder: &'a Path,
    clock: Arc<SystemClock>,
}

impl Subject for Embedded<'_> {
    fn open(&self) -> Result<Arc<dyn Log>, LogError> {
        embedded::open(self.folder, self.clock.clone())
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn offers(&self, _: Ability) -> bool {
        true
    }
}

/// A part of a log in memory that others use, too.
struct Shared(Memory);

impl Subject for Shared {
    fn open(&self) -> Result<Arc<dyn Log>, LogError> {
        Ok(prefixed::open(self.0.open()?, "ours."))
    }

    fn now(&self) -> i64 {
        self.0.now()
    }

    fn offers(&self, ability: Ability) -> bool {
        self.0.offers(ability)
    }
}

/// Runs every check and names each, so that one run shows all that is broken.
fn hold(subject: &dyn Subject) {
    let mut broken = Vec::new();
    for check in ALL {
        match check.run(subject) {
            Ok(ran) => {
                println!("{} {}", if ran { "holds:" } else { "skipped, because it is not offered:" }, check.name)
            }
            Err(failure) => broken.push(format!("{}: {failure}", check.name)),
        }
    }
    assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
}

#[test]
fn the_log_in_memory_keeps_the_contract() {
    hold(&Memory { disk: memory::Disk::default(), clock: Arc::new(ManualClock::new(1_700_000_000_000, 1)) });
}

#[test]
fn a_log_under_a_prefix_keeps_the_contract_and_sees_nothing_else() {
    let shared =
        Shared(Memory { disk: memory::Disk::default(), clock: Arc::new(ManualClock::new(1_700_000_000_000, 1)) });
    let whole = shared.0.open().unwrap();
    let part = prefixed::open(whole.clone(), "ours.");
    let spec = |name: &str| engine::log::TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        retention_ms: None,
        retention_bytes: None,
        timestamps: engine::log::TimestampSource::CreateTime,
        cleanup: engine::log::CleanupPolicy::Delete,
    };
    whole.create_topic(&spec("theirs")).unwrap();
    part.create_topic(&spec("signals")).unwrap();
    let names = |log: &dyn Log| log.topics().unwrap().into_iter().map(|topic| topic.spec.name).collect::<Vec<_>>();
    assert_eq!(names(&*part), ["signals"]);
    assert_eq!(names(&*whole), ["ours.signals", "theirs"]);
    drop((whole, part));
    hold(&shared);
}

#[test]
fn the_embedded_log_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    hold(&Embedded { folder: folder.path(), clock: Arc::new(SystemClock::new()) });
}

#[test]
fn check_names_differ_because_topics_are_named_after_them() {
    let names: std::collections::BTreeSet<_> = ALL.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn a_look_sees_what_another_process_has_committed_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let spec = TopicSpec {
        name: "seen".to_owned(),
        partitions: 1,
        retention_ms: None,
        retention_bytes: None,
        timestamps: TimestampSource::LogAppendTime,
        cleanup: CleanupPolicy::Delete,
    };
    let open = embedded::open(folder.path(), clock.clone()).unwrap();
    open.create_topic(&spec).unwrap();
    let mut producer = open.producer("writer").unwrap();
    producer.begin().unwrap();
    producer.send(Message { topic: "seen".into(), value: Some(b"a".to_vec()), ..Message::default() }).unwrap();
    producer.commit(&[], None).unwrap();

    let look = embedded::look(folder.path(), clock).unwrap();
    let limit = Limit { records: 10, bytes: 1 << 20 };
    let read = look.read(&TopicPartition::new("seen", 0), 0, limit).unwrap();
    assert_eq!(read.records.iter().filter_map(|record| record.value.as_deref()).collect::<Vec<_>>(), [b"a"]);
    let error = look.delete_topic("seen").unwrap_err().to_string();
    assert!(error.contains("opened only to be looked at"), "{error}");
    assert_eq!(open.topics().unwrap().len(), 1, "the other process goes on");
}

#[test]
fn a_folder_in_use_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let _open = embedded::open(folder.path(), clock.clone()).unwrap();
    let error = embedded::open(folder.path(), clock).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("another process has this folder open"), "{error}");
}
