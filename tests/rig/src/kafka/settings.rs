//! What a test may choose, and what a broker is told.

use super::java::Compilation;
use super::secured;
use std::fmt::Write as _;
use std::path::Path;

/// How many brokers a cluster has. Each is a controller, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokers {
    /// One, which holds everything once.
    One,
    /// Three, with every topic on all of them by default and two that must confirm a write: any one may be lost.
    Three,
}

impl Brokers {
    /// How many that is.
    pub fn count(self) -> usize {
        match self {
            Brokers::One => 1,
            Brokers::Three => 3,
        }
    }

    fn confirming(self) -> usize {
        self.count().div_ceil(2)
    }

    /// The largest heap of each, which also has to fit beside the tests.
    pub(crate) fn megabytes(self) -> u32 {
        match self {
            Brokers::One => 512,
            Brokers::Three => 384,
        }
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doors {
    /// Anybody, without TLS.
    Open,
    /// Anybody without TLS, and by other ports those who say who they are.
    Secured,
}

/// A cluster before it is started.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) brokers: Brokers,
    pub(crate) compilation: Compilation,
    pub(crate) doors: Doors,
    pub(crate) extra: Vec<(String, String)>,
}

impl Settings {
    /// The settings that suit most tests.
    pub fn new(brokers: Brokers) -> Self {
        Settings { brokers, compilation: Compilation::default(), doors: Doors::Open, extra: Vec::new() }
    }

    /// Sets a property of every broker; it takes the place of what the rig would have set.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Chooses between a quick start and full speed.
    pub fn compilation(mut self, compilation: Compilation) -> Self {
        self.compilation = compilation;
        self
    }

    /// Adds listeners with SASL and TLS: see [`Kafka::secured`](super::Kafka::secured).
    pub fn secured(mut self) -> Self {
        self.doors = Doors::Secured;
        self
    }

    /// The properties file of one node, with its data and the cluster's certificates in these folders.
    pub(crate) fn properties(&self, node: &Seat, all: &[Seat], data: &Path, certificates: &Path) -> String {
        let mut clients = vec![("PLAINTEXT", node.port)];
        if self.doors == Doors::Secured {
            clients.extend(secured::listeners(node));
        }
        let advertised = listing(&clients, |(name, port)| format!("{name}://127.0.0.1:{port}"));
        let protocols = listing(&clients, |(name, _)| format!("{name}:{name}"));
        let voters = listing(all, |seat| format!("{}@127.0.0.1:{}", seat.id, seat.controller_port));
        let mut properties: Vec<(&str, String)> = vec![
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", node.id.to_string()),
            ("controller.quorum.voters", voters),
            ("listeners", format!("{advertised},CONTROLLER://127.0.0.1:{}", node.controller_port)),
            ("advertised.listeners", advertised),
            ("listener.security.protocol.map", format!("CONTROLLER:PLAINTEXT,{protocols}")),
            ("log.dirs", data.display().to_string()),
        ];
        for name in ["default.replication.factor", "offsets.topic.replication.factor"]
            .into_iter()
            .chain(["transaction.state.log.replication.factor", "share.coordinator.state.topic.replication.factor"])
        {
            properties.push((name, self.brokers.count().to_string()));
        }
        for name in ["min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"] {
            properties.push((name, self.brokers.confirming().to_string()));
        }
        properties.extend(FIXED.iter().map(|(name, value)| (*name, (*value).to_owned())));
        if self.doors == Doors::Secured {
            properties.extend(secured::properties(certificates));
        }
        for (name, value) in &self.extra {
            properties.retain(|(other, _)| other != name);
            properties.push((name, value.clone()));
        }
        properties.iter().fold(String::new(), |mut text, (name, value)| {
            // A backslash would begin an escape, and a value may have lines (certificates do).
            let value = value.replace('\\', "\\\\").replace('\n', "\\n");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}={value}");
            text
        })
    }
}

/// Where a node sits: its number and ports, which stay its own as long as the cluster lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub(crate) id: i32,
    pub(crate) port: u16,
    pub(crate) controller_port: u16,
    /// For these two nobody listens on an open cluster.
    pub(crate) sasl_port: u16,
    pub(crate) tls_port: u16,
}

impl Seat {
    /// How many ports it takes.
    pub(crate) const PORTS: usize = 4;

    /// The seat of a node with its ports.
    pub(crate) fn new(id: i32, ports: &[u16; Seat::PORTS]) -> Seat {
        let [port, controller_port, sasl_port, tls_port] = *ports;
        Seat { id, port, controller_port, sasl_port, tls_port }
    }
}

/// What is said of each, with commas between.
fn listing<T>(all: &[T], say: impl Fn(&T) -> String) -> String {
    all.iter().map(say).collect::<Vec<_>>().join(",")
}

/// What is the same for every node of every cluster.
const FIXED: [(&str, &str); 23] = [
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    // A topic that a program forgot to make is a mistake that a test should see.
    ("auto.create.topics.enable", "false"),
    // Four of each start faster than fifty.
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    // Members come together and leave within a test.
    ("group.coordinator.rebalance.protocols", "classic,consumer"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    // A transaction that nobody ends is aborted a second after it is due.
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000"),
    // A broker that was killed may come back after three seconds, when the controllers have missed it.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    // What is beyond retention is gone within seconds.
    ("log.initial.task.delay.ms", "1000"),
    ("log.retention.check.interval.ms", "1000"),
    ("log.segment.delete.delay.ms", "1000"),
    // Small: one of 128 MB would be allocated at the start.
    ("log.cleaner.dedupe.buffer.size", "16777216"),
    ("log.cleaner.backoff.ms", "1000"),
    // Two cores are shared with everything else.
    ("num.io.threads", "4"),
    ("num.network.threads", "2"),
    ("background.threads", "2"),
    ("num.recovery.threads.per.data.dir", "1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &Settings) -> Vec<String> {
        let seats = [1, 2, 3].map(|id| Seat::new(id, &[10, 20, 30, 40].map(|port| port + id as u16)));
        let seats = &seats[..settings.brokers.count()];
        let text = settings.properties(&seats[0], seats, Path::new("data"), Path::new("certificates"));
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn three_brokers_elect_among_each_other_and_survive_one() {
        let lines = lines(&Settings::new(Brokers::Three));
        for wanted in [
            "controller.quorum.voters=1@127.0.0.1:21,2@127.0.0.1:22,3@127.0.0.1:23",
            "offsets.topic.replication.factor=3",
            "transaction.state.log.min.isr=2",
            "min.insync.replicas=2",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted} is not in {lines:#?}");
        }
    }

    #[test]
    fn a_tests_own_property_takes_the_place_of_ours() {
        let settings = Settings::new(Brokers::One).property("num.io.threads", "1").property("password", "a\\b\nc");
        let lines = lines(&settings);
        assert_eq!(lines.iter().filter(|line| line.starts_with("num.io.threads=")).count(), 1);
        assert!(lines.contains(&"num.io.threads=1".to_owned()));
        assert!(lines.contains(&"password=a\\\\b\\nc".to_owned()));
    }

    #[test]
    fn other_doors_stand_beside_the_open_one() {
        let lines = lines(&Settings::new(Brokers::One).secured());
        for wanted in [
            "advertised.listeners=PLAINTEXT://127.0.0.1:11,SASL_SSL://127.0.0.1:31,SSL://127.0.0.1:41",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted} is not in {lines:#?}");
        }
    }
}
