//! What a test may choose, and what a broker is told.

use super::java::Compilation;
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

/// A cluster before it is started.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) brokers: Brokers,
    pub(crate) compilation: Compilation,
    pub(crate) extra: Vec<(String, String)>,
}

impl Settings {
    /// The settings that suit most tests.
    pub fn new(brokers: Brokers) -> Self {
        Settings { brokers, compilation: Compilation::default(), extra: Vec::new() }
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

    /// The properties file of one node.
    pub(crate) fn properties(&self, node: &Seat, all: &[Seat], data: &Path) -> String {
        let voters: Vec<String> =
            all.iter().map(|seat| format!("{}@127.0.0.1:{}", seat.id, seat.controller_port)).collect();
        let mut properties: Vec<(&str, String)> = vec![
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", node.id.to_string()),
            ("controller.quorum.voters", voters.join(",")),
            (
                "listeners",
                format!("PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}", node.port, node.controller_port),
            ),
            ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{}", node.port)),
            ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned()),
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

    const SEATS: [Seat; 3] = [
        Seat { id: 1, port: 15_001, controller_port: 15_002 },
        Seat { id: 2, port: 15_003, controller_port: 15_004 },
        Seat { id: 3, port: 15_005, controller_port: 15_006 },
    ];

    fn lines(settings: &Settings, seats: &[Seat]) -> Vec<String> {
        settings.properties(&seats[0], seats, Path::new("/data")).lines().map(str::to_owned).collect()
    }

    #[test]
    fn three_brokers_elect_among_each_other_and_survive_one() {
        let lines = lines(&Settings::new(Brokers::Three), &SEATS);
        for wanted in [
            "controller.quorum.voters=1@127.0.0.1:15002,2@127.0.0.1:15004,3@127.0.0.1:15006",
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
        let lines = lines(&settings, &SEATS[..1]);
        assert_eq!(lines.iter().filter(|line| line.starts_with("num.io.threads=")).count(), 1);
        assert!(lines.contains(&"num.io.threads=1".to_owned()));
        assert!(lines.contains(&"password=a\\\\b\\nc".to_owned()));
    }
}
