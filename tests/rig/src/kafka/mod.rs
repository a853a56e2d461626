//! Apache Kafka, the real one, in KRaft mode, from its published jars.
//!
//! ```no_run
//! use rig::kafka::{Brokers, Kafka};
//! let kafka = Kafka::start(Brokers::Three)?;
//! println!("{}", kafka.bootstrap());
//! kafka.kill(2)?;
//! kafka.start_again(2)?;
//! # Ok::<(), rig::RigError>(())
//! ```

mod cluster;
mod jars;
mod java;
mod node;
mod secured;
mod settings;
mod tools;
mod wire;

pub use jars::folder as jars_folder;
pub use java::Compilation;
pub use secured::Secured;
pub use settings::{Brokers, Settings};
pub use tools::tool_at;

use crate::RigError;
use cluster::Cluster;
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};

/// The version of Kafka that is started.
pub const VERSION: &str = "4.1.0";
/// Names the bootstrap servers of a cluster to use instead of one of ours.
pub const BOOTSTRAP: &str = "KAFKA_BOOTSTRAP";

/// Whether a cluster can be started here; if not, what is missing. Fetches the jars when they are not there yet.
pub fn available() -> Result<(), String> {
    java::found().and_then(|_| jars::fetched()).map(drop).map_err(|error| error.to_string())
}

/// A cluster. Dropping it kills the brokers that were started for it and removes what they wrote.
#[derive(Debug)]
pub struct Kafka {
    bootstrap: String,
    cluster: Option<Cluster>,
}

impl Kafka {
    /// Starts a cluster with the settings that suit most tests, and waits until it is ready.
    pub fn start(brokers: Brokers) -> Result<Kafka, RigError> {
        Settings::new(brokers).start()
    }

    /// The cluster that `KAFKA_BOOTSTRAP` names, or else a new one with one broker.
    pub fn from_env_or_start() -> Result<Kafka, RigError> {
        match std::env::var(BOOTSTRAP) {
            Ok(bootstrap) if !bootstrap.is_empty() => Ok(Kafka { bootstrap, cluster: None }),
            _ => Kafka::start(Brokers::One),
        }
    }

    /// Where clients begin: addresses with commas between.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// True if it was started here. Faults are for such clusters only.
    pub fn owned(&self) -> bool {
        self.cluster.is_some()
    }

    /// The brokers that are alive, by number, as the first broker says that answers.
    pub fn alive(&self) -> Result<Vec<i32>, RigError> {
        let answers = self.bootstrap.split(',').filter_map(|broker| broker.trim().to_socket_addrs().ok());
        let mut answers = answers.flatten().filter_map(|address| wire::ask(address).ok());
        answers.next().map(|answer| answer.alive).ok_or_else(|| RigError::Silent(self.bootstrap()))
    }

    /// The brokers that one of them knows to be alive.
    pub fn alive_for(&self, broker: i32) -> Result<Vec<i32>, RigError> {
        let node = self.own()?.node(broker)?;
        node.alive().ok_or_else(|| RigError::Silent(node.address().to_string()))
    }

    /// Kills a broker (SIGKILL) and returns when it is gone.
    pub fn kill(&self, broker: i32) -> Result<(), RigError> {
        self.own()?.node(broker)?.kill();
        Ok(())
    }

    /// Asks a broker to stop (SIGTERM) and waits until it has.
    pub fn stop(&self, broker: i32) -> Result<(), RigError> {
        self.own()?.node(broker)?.stop()
    }

    /// Starts a broker that was killed or stopped, with the data and ports it had, and waits until it is ready.
    pub fn start_again(&self, broker: i32) -> Result<(), RigError> {
        self.own()?.start_again(broker)
    }

    /// Takes the processor from a broker (SIGSTOP) and returns when it stands: its connections stay open and nothing
    /// answers.
    pub fn freeze(&self, broker: i32) -> Result<(), RigError> {
        self.own()?.node(broker)?.freeze();
        Ok(())
    }

    /// Gives it back (SIGCONT).
    pub fn thaw(&self, broker: i32) -> Result<(), RigError> {
        self.own()?.node(broker)?.thaw();
        Ok(())
    }

    /// What clients need that come in by the secured listeners of a cluster started with [`Settings::secured`].
    pub fn secured(&self) -> Result<&Secured, RigError> {
        self.own()?.secured()
    }

    /// The folder with everything that the brokers write.
    pub fn folder(&self) -> Result<&Path, RigError> {
        Ok(self.own()?.folder())
    }

    /// The file that a broker logs to.
    pub fn log(&self, broker: i32) -> Result<PathBuf, RigError> {
        Ok(self.own()?.node(broker)?.log())
    }

    /// The number of a broker's process, while it runs.
    pub fn process(&self, broker: i32) -> Result<Option<u32>, RigError> {
        Ok(self.own()?.node(broker)?.process())
    }

    fn own(&self) -> Result<&Cluster, RigError> {
        self.cluster.as_ref().ok_or(RigError::NotOwned)
    }
}

impl Settings {
    /// Starts a cluster with these settings, and waits until it is ready.
    pub fn start(self) -> Result<Kafka, RigError> {
        let cluster = Cluster::start(&self)?;
        let addresses = cluster.each(|node| node.address().to_string());
        Ok(Kafka { bootstrap: addresses.join(","), cluster: Some(cluster) })
    }
}
