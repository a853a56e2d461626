//! Ports that crash on command: before or after any call, each a point a test can choose.
//!
//! "Before" means the call was never made; "after" means it took effect and nobody heard of it. Together they stand for
//! a process killed at that moment.

use crate::checkpoint::{Checkpoints, Verified};
use crate::error::{CheckpointError, LogError, StateError};
use crate::lane::Environment;
use crate::log::{
    Batch, Bounds, Committed, Consumer, Limit, Log, Membership, Message, OffsetCommit, Polled, Producer, TopicInfo,
    TopicPartition, TopicSpec,
};
use crate::recovery::Candidate;
use crate::state::{Fill, Marker, Snapshot, StateStore, StateStores};
use crate::task::TaskId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts port calls and crashes at a chosen one.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    passed: AtomicU64,
    /// The point to crash at, counted from 1; 0 for never.
    crash_at: AtomicU64,
}

impl Faults {
    /// Crashes at the given point from here on, counted from 1; 0 for never.
    pub fn crash_at(&self, point: u64) {
        self.0.passed.store(0, Ordering::Relaxed);
        self.0.crash_at.store(point, Ordering::Relaxed);
    }

    /// Points passed since the last [`Faults::crash_at`].
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::Relaxed)
    }

    /// The same ports, crashing on command.
    pub fn wrap(&self, environment: &Environment) -> Environment {
        Environment {
            log: Arc::new(Faulty { inner: environment.log.clone(), faults: self.clone() }),
            stores: Arc::new(Faulty { inner: environment.stores.clone(), faults: self.clone() }),
            checkpoints: environment
                .checkpoints
                .clone()
                .map(|inner| Arc::new(Faulty { inner, faults: self.clone() }) as Arc<dyn Checkpoints>),
            clock: environment.clock.clone(),
            metrics: environment.metrics.clone(),
        }
    }

    fn call<R, E: Injected>(&self, name: &str, call: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.point::<E>(name, "before")?;
        let result = call()?;
        self.point::<E>(name, "after")?;
        Ok(result)
    }

    fn point<E: Injected>(&self, name: &str, when: &str) -> Result<(), E> {
        let passed = self.0.passed.fetch_add(1, Ordering::Relaxed) + 1;
        let crash_at = self.0.crash_at.load(Ordering::Relaxed);
        // From the crash on nothing works: the process is gone.
        if crash_at != 0 && passed >= crash_at { Err(E::injected(format!("{when} {name}"))) } else { Ok(()) }
    }
}

trait Injected {
    fn injected(point: String) -> Self;
}

impl Injected for LogError {
    fn injected(point: String) -> Self {
        LogError::InjectedCrash { point }
    }
}

impl Injected for StateError {
    fn injected(point: String) -> Self {
        StateError::InjectedCrash { point }
    }
}

impl Injected for CheckpointError {
    fn injected(point: String) -> Self {
        CheckpointError::InjectedCrash { point }
    }
}

struct Faulty<T> {
    inner: T,
    faults: Faults,
}

impl Log for Faulty<Arc<dyn Log>> {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        let inner = self.faults.call("join", || self.inner.consumer(group, member, topics))?;
        Ok(Box::new(Faulty { inner, faults: self.faults.clone() }))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        let inner = self.faults.call("open producer", || self.inner.producer(transactional_id))?;
        Ok(Box::new(Faulty { inner, faults: self.faults.clone() }))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.faults.call("topics", || self.inner.topics())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.inner.create_topic(spec)
    }

    fn alter_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.inner.alter_topic(spec)
    }

    fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        self.inner.delete_topic(topic)
    }

    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.faults.call("bounds", || self.inner.bounds(partition))
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        self.faults.call("read", || self.inner.read(partition, from, limit))
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        self.faults.call("offset at", || self.inner.offset_at(partition, time))
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.inner.committed(group, partition)
    }

    fn forget_committed(&self, group: &str, partition: &TopicPartition) -> Result<(), LogError> {
        self.inner.forget_committed(group, partition)
    }

    fn enforce_retention(&self, now: i64) -> Result<u64, LogError> {
        self.inner.enforce_retention(now)
    }
}

impl Consumer for Faulty<Box<dyn Consumer>> {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Polled, LogError> {
        let faults = self.faults.clone();
        faults.call("poll", || self.inner.poll(limit, wait))
    }

    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        let faults = self.faults.clone();
        faults.call("resume", || self.inner.resume(partition, from))
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError> {
        let faults = self.faults.clone();
        faults.call("pause", || self.inner.pause(partition))
    }

    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        let faults = self.faults.clone();
        faults.call("committed", || self.inner.committed(partition))
    }

    fn has_share(&self) -> bool {
        self.inner.has_share()
    }

    fn membership(&self) -> Membership {
        self.inner.membership()
    }
}

impl Producer for Faulty<Box<dyn Producer>> {
    fn begin(&mut self) -> Result<(), LogError> {
        let faults = self.faults.clone();
        faults.call("begin", || self.inner.begin())
    }

    fn send(&mut self, message: Message) -> Result<(), LogError> {
        let faults = self.faults.clone();
        faults.call("send", || self.inner.send(message))
    }

    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        let faults = self.faults.clone();
        faults.call("commit", || self.inner.commit(offsets, membership))
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.inner.abort()
    }
}

impl StateStores for Faulty<Arc<dyn StateStores>> {
    fn open(&self, task: &TaskId) -> Result<Box<dyn StateStore>, StateError> {
        let inner = self.faults.call("open state", || self.inner.open(task))?;
        Ok(Box::new(Faulty { inner, faults: self.faults.clone() }))
    }

    fn remove(&self, task: &TaskId) -> Result<(), StateError> {
        self.inner.remove(task)
    }
}

impl StateStore for Faulty<Box<dyn StateStore>> {
    fn marker(&self) -> Result<Option<Marker>, StateError> {
        self.faults.call("marker", || self.inner.marker())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.faults.call("get", || self.inner.get(key))
    }

    fn flush(&mut self, fill: &mut Fill<'_>, marker: &Marker) -> Result<(), StateError> {
        let faults = self.faults.clone();
        faults.call("flush", || self.inner.flush(fill, marker))
    }

    fn restore(
        &mut self,
        next: &mut dyn FnMut() -> Option<(Vec<u8>, Vec<u8>)>,
        marker: &Marker,
    ) -> Result<(), StateError> {
        let faults = self.faults.clone();
        faults.call("restore", || self.inner.restore(next, marker))
    }

    fn clear(&mut self) -> Result<(), StateError> {
        let faults = self.faults.clone();
        faults.call("clear", || self.inner.clear())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        self.faults.call("snapshot", || self.inner.snapshot())
    }
}

impl Checkpoints for Faulty<Arc<dyn Checkpoints>> {
    fn start(&self, marker: Marker, snapshot: Box<dyn Snapshot>) -> Result<(), CheckpointError> {
        self.faults.call("write checkpoint", || self.inner.start(marker, snapshot))
    }

    fn candidates(&self, task: &TaskId) -> Result<(Vec<Candidate>, Vec<CheckpointError>), CheckpointError> {
        self.faults.call("list checkpoints", || self.inner.candidates(task))
    }

    fn read(&self, name: &str, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, CheckpointError> {
        self.faults.call("read checkpoint", || self.inner.read(name, put))
    }

    fn discard(&self, task: &TaskId) -> Result<(), CheckpointError> {
        self.faults.call("discard checkpoints", || self.inner.discard(task))
    }

    fn finish(&self) {
        self.inner.finish();
    }
}
