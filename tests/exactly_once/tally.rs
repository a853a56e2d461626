//! A small job whose output depends on everything it has read: what is lost, repeated or reordered shows.

use crate::bench::{Ran, Subject};
use engine::clock::WallClock;
use engine::error::EngineError;
use engine::job::{Announcement, Fed, Job, Mode, Operator};
use engine::log::Message;
use engine::metrics::Metrics;
use engine::output::{Output, Payload, Stamp};
use engine::state::{Cache, Value};
use engine::task::TaskContext;
use schemas::Logic;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts and hashes the records of each key, and says so for every one; a tick is answered with the task's clock.
#[derive(Clone, Default)]
pub struct Tally {
    /// Counts the operators ever made; only a nondeterministic tally lets it reach output.
    lives: Option<Arc<AtomicU64>>,
    revision: i32,
}

impl Tally {
    /// A tally with a planted defect: its output depends on how often it was restarted.
    pub fn nondeterministic() -> Self {
        Tally { lives: Some(Arc::default()), revision: 0 }
    }
}

impl Subject for Tally {
    fn job(&self, revision: i32, _clock: &Arc<dyn WallClock>, _metrics: &Metrics) -> Arc<dyn Job> {
        Arc::new(Tally { revision, ..self.clone() })
    }

    fn output(&self) -> (&'static str, u32) {
        ("out", 2)
    }

    fn origin(&self, value: &[u8]) -> Option<(u32, i64)> {
        let text = std::str::from_utf8(value).expect("a tally writes text");
        let mut parts = text.split('|').map(|part| part.parse::<u32>());
        match (parts.next(), parts.next()) {
            (Some(Ok(task)), Some(Ok(number))) => Some((task, i64::from(number))),
            _ => panic!("unexpected output {text:?}"),
        }
    }
}

/// Every input record is in the output once, and every move of the clock.
pub fn assert_every_input_once(ran: &Ran, records: usize) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in ran.lines() {
        let text = line.splitn(3, '|').nth(2).unwrap_or_default();
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["clock", _] => *seen.entry(line.to_owned()).or_default() += 1,
            ["handover" | "resync", ..] => {}
            [_, id, ..] => *seen.entry(id.to_owned()).or_default() += 1,
            _ => panic!("unexpected output {line:?}"),
        }
    }
    assert_eq!(seen.len(), records, "inputs that left a trace");
    assert!(seen.values().all(|&n| n == 1), "an input was processed twice");
}

/// Lines that announce something.
pub fn count(ran: &Ran, announcement: &str) -> usize {
    ran.lines().filter(|line| line.splitn(3, '|').nth(2).is_some_and(|text| text.starts_with(announcement))).count()
}

/// The record of a number; every ninth is a tick.
pub fn input(partition: u32, number: usize) -> Message {
    let (key, value) = if number % 9 == 8 {
        ("tick".to_owned(), format!("tick {}", number * 100))
    } else {
        (format!("k{}", number * 7 % 5), format!("r{partition}.{number}"))
    };
    Message {
        topic: "in".into(),
        partition,
        key: Some(key.into_bytes()),
        value: Some(value.into_bytes()),
        timestamp: Some(number as i64),
        ..Message::default()
    }
}

impl Job for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn inputs(&self) -> Vec<String> {
        vec!["in".to_owned()]
    }

    fn logic(&self) -> Logic {
        Logic { semantics: 1, revision: self.revision, hash: 42 }
    }

    fn mode(&self) -> Mode {
        Mode::Stateful
    }

    fn operator(&self, task: &TaskContext) -> Box<dyn Operator> {
        let life = self.lives.as_ref().map_or(0, |lives| lives.fetch_add(1, Ordering::Relaxed));
        Box::new(Counting { sums: task.cache(), task: task.clone(), life })
    }

    fn announce(&self, task: &TaskContext, announcement: Announcement) -> Vec<Output> {
        let (at, text) = match announcement {
            Announcement::Resync { offset } => (offset, "resync".to_owned()),
            Announcement::Handover { from, to, offset } => {
                (offset, format!("handover {} {}", from.revision, to.revision))
            }
        };
        vec![output(task, at, text)]
    }
}

struct Counting {
    sums: Rc<RefCell<Cache<Sum>>>,
    task: TaskContext,
    life: u64,
}

impl Operator for Counting {
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError> {
        let value = fed.record.value.clone().unwrap_or_default();
        let text = String::from_utf8_lossy(&value);
        if let Some(time) = text.strip_prefix("tick ") {
            let up_to = time.parse().unwrap_or(0);
            let position = schemas::signal::TickPosition { topic: "raw".into(), partition: 0, up_to, retired: false };
            let mut clock = self.task.clock.borrow_mut();
            if clock.observe(&schemas::signal::Tick { positions: vec![position] }) {
                out.push(output(&self.task, fed.at, format!("clock {}", clock.now())));
            }
            return Ok(());
        }
        let key = fed.record.key.clone().unwrap_or_default();
        let sum = self.sums.borrow_mut().update(&key, |sum| {
            sum.count += 1;
            sum.hash = (sum.hash ^ text.len() as u64).wrapping_mul(0x100_0000_01b3) ^ fed.at as u64;
            (sum.count, sum.hash)
        })?;
        let now = self.task.clock.borrow().now();
        let key = String::from_utf8_lossy(&key);
        out.push(output(&self.task, fed.at, format!("{key} {text} {sum:?} {now} {}", self.life)));
        Ok(())
    }
}

fn output(task: &TaskContext, at: i64, text: String) -> Output {
    let stamped = move |stamp: &Stamp| format!("{}|{}|{text}", stamp.task.partition, stamp.out_seq).into_bytes();
    Output {
        at,
        operator: 0,
        topic: "out".into(),
        // Several tasks write one partition, as several detect tasks write one cluster's anomalies.
        partition: task.id.partition % 2,
        key: None,
        headers: Vec::new(),
        payload: Payload::Stamped(Rc::new(stamped)),
    }
}

#[derive(Default)]
struct Sum {
    count: u64,
    hash: u64,
}

impl Value for Sum {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.hash.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let word = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        match (word(0), word(8)) {
            (Some(count), Some(hash)) => Ok(Sum { count, hash }),
            _ => Err("not 16 bytes".to_owned()),
        }
    }

    fn heap_bytes(&self) -> usize {
        200
    }
}
