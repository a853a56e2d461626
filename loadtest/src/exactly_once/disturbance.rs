//! What goes wrong, when, and to whom: a schedule made from a seed.

use super::LOOK_EVERY;
use super::cluster::{Cluster, SESSION_MILLIS};
use super::process::{Group, Signal};
use super::raw::Writer;
use super::seeded::Seeded;
use crate::arguments::ExactlyOnceOptions;
use crate::benchmarks::say;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disturbance {
    /// SIGKILL, and a start soon after.
    Kill,
    /// SIGKILL, the state folder removed, and a start.
    KillAndWipe,
    /// SIGKILL, and a start only when the others have taken over.
    KillForLong,
    /// SIGTERM, and a start at once: a deployment.
    Deploy,
    /// SIGTERM, and a start only when the others have taken over: it left.
    Leave,
    /// One more process for a while.
    Join,
    /// SIGSTOP until the others have taken over: a zombie that wakes.
    Freeze,
    /// Every checkpoint is deleted.
    DeleteCheckpoints,
    /// SIGKILL of a broker, and a start.
    KillBroker,
    /// SIGSTOP of a broker for a moment.
    FreezeBroker,
}

impl Disturbance {
    fn name(self) -> &'static str {
        match self {
            Disturbance::Kill => "kill",
            Disturbance::KillAndWipe => "kill and wipe the state",
            Disturbance::KillForLong => "kill until others take over",
            Disturbance::Deploy => "deploy",
            Disturbance::Leave => "leave",
            Disturbance::Join => "join",
            Disturbance::Freeze => "freeze",
            Disturbance::DeleteCheckpoints => "delete checkpoints",
            Disturbance::KillBroker => "kill a broker",
            Disturbance::FreezeBroker => "freeze a broker",
        }
    }
}

/// How often each comes among so many.
const CHANCES: [Disturbance; 20] = {
    use Disturbance::*;
    [
        Kill,
        Kill,
        Kill,
        Kill,
        Kill,
        Kill,
        Kill,
        KillAndWipe,
        KillAndWipe,
        KillAndWipe,
        KillForLong,
        Deploy,
        Deploy,
        Leave,
        Join,
        Freeze,
        Freeze,
        DeleteCheckpoints,
        KillBroker,
        FreezeBroker,
    ]
};

/// Something to do later.
#[derive(Clone, Copy, Debug)]
enum Later {
    Start(usize),
    Thaw(usize),
    Depart(usize),
    StartBroker(i32),
    ThawBroker(i32),
}

/// The schedule and its record.
pub(super) struct Disturbances {
    seeded: Seeded,
    wanted: usize,
    pause: u64,
    counts: BTreeMap<&'static str, usize>,
    kills: usize,
    later: Vec<(Duration, Later)>,
    frozen: Vec<usize>,
    broken: bool,
}

impl Disturbances {
    pub(super) fn new(options: &ExactlyOnceOptions) -> Self {
        Disturbances {
            seeded: Seeded::new(options.seed),
            wanted: options.kills as usize,
            // Twice the mean: as long as raw records are written, with some room.
            pause: (options.seconds * 1_000 / u64::from(options.kills).max(1)).max(200),
            counts: BTreeMap::new(),
            kills: 0,
            later: Vec::new(),
            frozen: Vec::new(),
            broken: false,
        }
    }

    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.clone()
    }

    /// Disturbs until there were enough kills and every raw record is written, then lets everything come back.
    pub(super) fn play(&mut self, group: &mut Group, cluster: &Cluster, writer: &Writer) -> anyhow::Result<()> {
        let clock = cluster.clock.clone();
        let mut next = clock.monotonic() + Duration::from_secs(2);
        while self.kills < self.wanted || !writer.is_done() || !self.later.is_empty() {
            let now = clock.monotonic();
            self.look_after(group)?;
            self.catch_up(group, cluster, now)?;
            if now >= next && self.kills < self.wanted {
                let disturbance = CHANCES[self.seeded.below(CHANCES.len() as u64) as usize];
                if self.disturb(disturbance, group, cluster, now)? {
                    *self.counts.entry(disturbance.name()).or_default() += 1;
                }
                next = now + Duration::from_millis(self.seeded.below(self.pause));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// A process that ends although nobody asked it is a defect, unless it says that it could not go on and must be
    /// started again, as an orchestrator does.
    fn look_after(&mut self, group: &mut Group) -> anyhow::Result<()> {
        for ordinal in 0..=group.guest() {
            if let Some(status) = group.ended(ordinal)? {
                *self.counts.entry("ended by itself").or_default() += 1;
                say(format_args!("process {ordinal} ended by itself: {status}: {}", group.last_words(ordinal)));
                anyhow::ensure!(self.counts["ended by itself"] <= 20, "processes keep ending by themselves");
                self.frozen.retain(|frozen| *frozen != ordinal);
                group.start(ordinal)?;
            }
        }
        Ok(())
    }

    fn catch_up(&mut self, group: &mut Group, cluster: &Cluster, now: Duration) -> anyhow::Result<()> {
        let (due, later): (Vec<_>, Vec<_>) = self.later.drain(..).partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, what) in due {
            match what {
                Later::Start(ordinal) => group.start(ordinal)?,
                Later::Thaw(ordinal) => {
                    self.frozen.retain(|frozen| *frozen != ordinal);
                    if group.is_running(ordinal) {
                        group.signal(ordinal, Signal::Thaw)?;
                    }
                }
                Later::Depart(ordinal) if group.is_running(ordinal) => self.stop(group, cluster, ordinal)?,
                Later::Depart(_) => {}
                Later::StartBroker(broker) => {
                    cluster.start_broker(broker)?;
                    self.broken = false;
                }
                Later::ThawBroker(broker) => {
                    cluster.thaw_broker(broker)?;
                    self.broken = false;
                }
            }
        }
        Ok(())
    }

    /// Where brokers fail a process may not get to publish what it had done, and says so; nothing is lost by it.
    fn stop(&mut self, group: &mut Group, cluster: &Cluster, ordinal: usize) -> anyhow::Result<()> {
        if !group.stop(ordinal)? {
            *self.counts.entry("stopped with work left").or_default() += 1;
            anyhow::ensure!(cluster.breakable(), "process {ordinal} asked to end: {}", group.last_words(ordinal));
        }
        Ok(())
    }

    /// True when there was somebody to disturb.
    fn disturb(
        &mut self,
        disturbance: Disturbance,
        group: &mut Group,
        cluster: &Cluster,
        now: Duration,
    ) -> anyhow::Result<bool> {
        let soon = Duration::from_millis(self.seeded.below(600));
        let long = Duration::from_millis(SESSION_MILLIS + 2_000 + self.seeded.below(4_000));
        let guest = group.guest();
        let awake: Vec<usize> =
            (0..guest).filter(|ordinal| group.is_running(*ordinal) && !self.frozen.contains(ordinal)).collect();
        match disturbance {
            Disturbance::Kill | Disturbance::KillAndWipe | Disturbance::KillForLong => {
                let Some(ordinal) = self.seeded.one_of(&awake) else { return Ok(false) };
                group.kill(ordinal)?;
                self.kills += 1;
                if disturbance == Disturbance::KillAndWipe {
                    group.wipe(ordinal)?;
                }
                let wait = if disturbance == Disturbance::KillForLong { long } else { soon };
                self.later.push((now + wait, Later::Start(ordinal)));
            }
            Disturbance::Deploy | Disturbance::Leave => {
                let Some(ordinal) = self.seeded.one_of(&awake) else { return Ok(false) };
                self.stop(group, cluster, ordinal)?;
                let wait = if disturbance == Disturbance::Leave { long } else { Duration::ZERO };
                self.later.push((now + wait, Later::Start(ordinal)));
            }
            Disturbance::Join => {
                if group.is_running(guest) || self.later.iter().any(|(_, later)| matches!(later, Later::Depart(_))) {
                    return Ok(false);
                }
                group.start(guest)?;
                self.later.push((now + long, Later::Depart(guest)));
            }
            Disturbance::Freeze => {
                if awake.len() < 2 {
                    return Ok(false);
                }
                let Some(ordinal) = self.seeded.one_of(&awake) else { return Ok(false) };
                group.signal(ordinal, Signal::Freeze)?;
                self.frozen.push(ordinal);
                self.later.push((now + long, Later::Thaw(ordinal)));
            }
            Disturbance::DeleteCheckpoints => group.delete_checkpoints()?,
            Disturbance::KillBroker | Disturbance::FreezeBroker => {
                // One at a time: two of three cannot be lost without losing writes, as anywhere.
                if !cluster.breakable() || self.broken {
                    return Ok(false);
                }
                self.broken = true;
                let later = match disturbance {
                    Disturbance::KillBroker => Later::StartBroker(cluster.kill_broker(&mut self.seeded)?),
                    _ => Later::ThawBroker(cluster.freeze_broker(&mut self.seeded)?),
                };
                self.later.push((now + Duration::from_millis(3_000 + self.seeded.below(5_000)), later));
            }
        }
        Ok(true)
    }
}
