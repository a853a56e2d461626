//! The brokers of a cluster that a test started.

use super::jars;
use super::java;
use super::node::{Equipment, Node};
use super::secured::Secured;
use super::settings::{Doors, Seat, Settings};
use crate::RigError;
use crate::guard::Guard;
use crate::ports;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// How often other ports are tried when somebody took one that was free a moment ago.
const ATTEMPTS: usize = 5;

/// Fields are dropped in their order: brokers end before their guard, and the folder is removed last.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Mutex<Node>>,
    guard: Guard,
    equipment: Equipment,
    secured: Option<Secured>,
    folder: TempDir,
}

impl Cluster {
    /// Fetches, formats and starts.
    pub(crate) fn start(settings: &Settings) -> Result<Cluster, RigError> {
        let mut attempt = 1;
        loop {
            let mut cluster = Cluster::format(settings)?;
            match cluster.begin() {
                Ok(()) => return Ok(cluster),
                Err(_) if attempt < ATTEMPTS && cluster.found_a_port_taken() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn format(settings: &Settings) -> Result<Cluster, RigError> {
        Cluster::format_at(settings, ports::free)
    }

    fn format_at(
        settings: &Settings,
        choose: impl Fn(usize) -> Result<Vec<u16>, RigError>,
    ) -> Result<Cluster, RigError> {
        let equipment = Equipment {
            java: java::found()?,
            jars: jars::fetched()?,
            megabytes: settings.brokers.megabytes(),
            compilation: settings.compilation,
        };
        let making = RigError::process("making a folder for Kafka");
        let folder = tempfile::Builder::new().prefix("bellbuoy-kafka-").tempdir().map_err(making)?;
        let guard = Guard::over(folder.path())?;
        let ports = choose(Seat::PORTS * settings.brokers.count())?;
        let (ports, _) = ports.as_chunks();
        let seats: Vec<Seat> = (1..).zip(ports).map(|(id, ports)| Seat::new(id, ports)).collect();
        let certificates = folder.path().join("certificates");
        let secured = match settings.doors {
            Doors::Open => None,
            Doors::Secured => {
                Secured::write(&certificates)?;
                Some(Secured::of(&seats, &certificates))
            }
        };
        let identity = identity();
        let node = |seat: &Seat| {
            let own = folder.path().join(format!("broker-{}", seat.id));
            Node::prepare(own, &identity, *seat, &seats, settings, &certificates)
        };
        let nodes: Vec<Node> = seats.iter().map(node).collect::<Result<_, _>>()?;
        let formatting: Vec<_> =
            nodes.iter().map(|node| node.begin_format(&equipment, settings.doors)).collect::<Result<_, _>>()?;
        for (node, formatting) in nodes.iter().zip(formatting) {
            node.end_format(formatting)?;
        }
        Ok(Cluster { nodes: nodes.into_iter().map(Mutex::new).collect(), guard, equipment, secured, folder })
    }

    fn begin(&mut self) -> Result<(), RigError> {
        let all: Vec<i32> = (1..).take(self.nodes.len()).collect();
        for node in &self.nodes {
            locked(node).begin(&self.equipment, &self.guard)?;
        }
        for node in &self.nodes {
            locked(node).until_ready(&all)?;
        }
        Ok(())
    }

    fn found_a_port_taken(&self) -> bool {
        self.nodes.iter().any(|node| locked(node).found_its_port_taken())
    }

    /// Starts a broker that was killed or stopped, with its folder and ports.
    pub(crate) fn start_again(&self, broker: i32) -> Result<(), RigError> {
        let mut node = self.node(broker)?;
        node.begin(&self.equipment, &self.guard)?;
        node.until_ready(&[broker])
    }

    /// A broker, while nobody else does something with it.
    pub(crate) fn node(&self, broker: i32) -> Result<MutexGuard<'_, Node>, RigError> {
        let at = usize::try_from(broker).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.nodes.get(at)).map(locked).ok_or(RigError::NoBroker(broker))
    }

    /// Something of each broker.
    pub(crate) fn each<T>(&self, part: impl Fn(&Node) -> T) -> Vec<T> {
        self.nodes.iter().map(|node| part(&locked(node))).collect()
    }

    /// What a client needs that says who it is.
    pub(crate) fn secured(&self) -> Result<&Secured, RigError> {
        self.secured.as_ref().ok_or(RigError::NotSecured)
    }

    /// The folder of everything.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A test that panicked while it held a broker leaves nothing half done that would harm another.
fn locked(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An identity of its own keeps a broker out of another cluster that got its port: 16 bytes in base 64, of which hex
/// digits are a part.
fn identity() -> String {
    let random = || RandomState::new().hash_one(());
    format!("{:016x}{:05x}A", random(), random() & 0xf_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Brokers;

    #[test]
    fn a_broker_whose_port_somebody_took_says_so_and_is_not_mistaken_for_the_other() {
        if !crate::provided(crate::kafka::available()) {
            return;
        }
        let settings = Settings::new(Brokers::One);
        let mut first = Cluster::format(&settings).expect("it can be formatted");
        first.begin().expect("it starts");
        let port = first.each(|node| node.address().port())[0];
        let mut second = Cluster::format_at(&settings, |count| {
            let mut ports = ports::free(count)?;
            ports[0] = port;
            Ok(ports)
        })
        .expect("it can be formatted");
        second.begin().expect_err("its port is taken by a broker that is alive and well");
        assert!(second.found_a_port_taken());
    }

    #[test]
    fn an_identity_is_22_characters_and_nobody_elses() {
        let (one, other) = (identity(), identity());
        assert_eq!(one.len(), 22);
        assert_ne!(one, other);
    }
}
