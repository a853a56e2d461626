//! The cluster: one of three brokers that is ours to break, or the user's, of which only a prefix is.

use super::seeded::Seeded;
use crate::arguments::ExactlyOnceOptions;
use crate::benchmarks::say;
use anyhow::Context;
use engine::clock::{SystemClock, WallClock};
use engine::lane::group_of;
use engine::log::kafka::Config;
use engine::log::{Log, TopicPartition};
use rig::kafka::{Brokers, Kafka};
use std::sync::Arc;

/// Sessions of members: as short as a cluster allows that nobody has changed, so that who is gone is soon missed.
pub(super) const SESSION_MILLIS: u64 = 6_000;

/// A cluster and our part of it.
pub(super) struct Cluster {
    kafka: Option<Kafka>,
    pub(super) bootstrap: String,
    pub(super) prefix: String,
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Arc<dyn WallClock>,
}

impl Cluster {
    pub(super) fn open(options: &ExactlyOnceOptions) -> anyhow::Result<Self> {
        let kafka = match &options.bootstrap {
            Some(_) => None,
            None => {
                say("starting three brokers");
                Some(Kafka::start(Brokers::Three).context("a Kafka of our own; --bootstrap names another")?)
            }
        };
        let bootstrap = match (&options.bootstrap, &kafka) {
            (Some(bootstrap), _) => bootstrap.clone(),
            (None, Some(kafka)) => kafka.bootstrap(),
            (None, None) => anyhow::bail!("no cluster"),
        };
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock::new());
        let prefix = format!("bellbuoy-ledger-{}.", clock.now_millis());
        let whole = engine::log::kafka::open(Config::new(bootstrap.clone()), clock.clone())?;
        let log = engine::log::prefixed::open(whole, prefix.clone());
        Ok(Cluster { kafka, bootstrap, prefix, log, clock })
    }

    /// Copies of each partition of a topic.
    pub(super) fn replication(&self) -> Option<u16> {
        self.kafka.as_ref().map(|_| 3)
    }

    /// True where brokers are ours to break.
    pub(super) fn breakable(&self) -> bool {
        self.kafka.is_some()
    }

    /// Ends a broker as a crash does; gives its number.
    pub(super) fn kill_broker(&self, seeded: &mut Seeded) -> anyhow::Result<i32> {
        let broker = 1 + seeded.below(3) as i32;
        self.kafka.as_ref().context("the cluster is not ours")?.kill(broker)?;
        Ok(broker)
    }

    pub(super) fn start_broker(&self, broker: i32) -> anyhow::Result<()> {
        Ok(self.kafka.as_ref().context("the cluster is not ours")?.start_again(broker)?)
    }

    pub(super) fn freeze_broker(&self, seeded: &mut Seeded) -> anyhow::Result<i32> {
        let broker = 1 + seeded.below(3) as i32;
        self.kafka.as_ref().context("the cluster is not ours")?.freeze(broker)?;
        Ok(broker)
    }

    pub(super) fn thaw_broker(&self, broker: i32) -> anyhow::Result<()> {
        Ok(self.kafka.as_ref().context("the cluster is not ours")?.thaw(broker)?)
    }

    /// Waits until every broker is back.
    pub(super) fn calm(&self) -> anyhow::Result<()> {
        let Some(kafka) = &self.kafka else { return Ok(()) };
        let deadline = self.clock.monotonic() + std::time::Duration::from_secs(60);
        while kafka.alive()?.len() < 3 {
            anyhow::ensure!(self.clock.monotonic() < deadline, "a broker does not come back");
            std::thread::sleep(super::LOOK_EVERY);
        }
        Ok(())
    }

    /// Forgets what a job has read of a topic.
    pub(super) fn forget(&self, job: &str, topic: &str) -> anyhow::Result<()> {
        let group = group_of(job);
        for partition in 0..self.log.topic(topic)?.spec.partitions {
            let at = TopicPartition::new(topic, partition);
            if self.log.committed(&group, &at)?.is_some() {
                self.log.forget_committed(&group, &at)?;
            }
        }
        Ok(())
    }

    /// Forgets what a job has read of a topic, and deletes what it has written.
    pub(super) fn begin_again(&self, job: &str, input: &str, outputs: &[&str]) -> anyhow::Result<()> {
        self.forget(job, input)?;
        for output in outputs {
            self.log.delete_topic(output)?;
        }
        Ok(())
    }

    /// Removes everything that was made.
    pub(super) fn clean(&self) -> anyhow::Result<()> {
        for topic in self.log.topics()? {
            self.log.delete_topic(&topic.spec.name)?;
        }
        Ok(())
    }
}
