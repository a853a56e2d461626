//! What was published, read committed, and how two accounts of it differ.

use super::cluster::Cluster;
use anyhow::Context;
use engine::log::{Limit, Log, Record, TopicPartition};
use schemas::signal::Body;
use schemas::{AnomalyRecord, Record as _, Signal, dead_letter};
use std::collections::BTreeMap;
use topics::declared::{ANOMALIES, DEAD_LETTERS, SIGNALS};

/// Examples told of each kind of difference.
const EXAMPLES: usize = 3;

/// How an account differs from that of an undisturbed run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) lost: usize,
    pub(super) duplicated: usize,
    pub(super) differing: usize,
    pub(super) examples: Vec<String>,
}

impl Difference {
    fn tell(&mut self, count: fn(&mut Difference) -> &mut usize, example: impl FnOnce() -> String) {
        *count(self) += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

/// What each task of detect has published: values by number, in the order of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Anomalies(BTreeMap<i32, BTreeMap<i64, Vec<Vec<u8>>>>);

impl Anomalies {
    pub(super) fn read(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut anomalies = Anomalies::default();
        each(&*cluster.log, ANOMALIES.name, |_, record| {
            let value = record.value.context("detect writes no tombstones")?.to_vec();
            let decoded = AnomalyRecord::decode(&value).context("detect writes anomaly records")?;
            let (task, number) = (decoded.task.partition, decoded.out_seq);
            anomalies.0.entry(task).or_default().entry(number).or_default().push(value);
            Ok(())
        })?;
        Ok(anomalies)
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares number by number and byte by byte.
    pub(super) fn compare(&self, undisturbed: &Anomalies) -> Difference {
        let mut difference = Difference::default();
        let nothing = BTreeMap::new();
        for (task, wanted) in &undisturbed.0 {
            let found = self.0.get(task).unwrap_or(&nothing);
            for (number, values) in wanted {
                match found.get(number).map(Vec::as_slice) {
                    None => difference.tell(|d| &mut d.lost, || format!("task {task}: output {number} is missing")),
                    Some([value]) if *value == values[0] => {}
                    Some([_]) => {
                        difference.tell(|d| &mut d.differing, || format!("task {task}: output {number} differs"))
                    }
                    Some(more) => {
                        let count = more.len();
                        difference.tell(
                            |d| &mut d.duplicated,
                            || format!("task {task}: output {number} is there {count} times"),
                        );
                    }
                }
            }
        }
        for (task, found) in &self.0 {
            let wanted = undisturbed.0.get(task);
            for number in found.keys().filter(|number| wanted.is_none_or(|wanted| !wanted.contains_key(number))) {
                difference.tell(|d| &mut d.duplicated, || format!("task {task}: output {number} is one too many"));
            }
        }
        difference
    }
}

/// A raw record: topic, partition, offset; and the signals partition it was written to, or none for a dead letter.
type Source = (String, i32, i64, Option<u32>);

/// What became of raw records, in the order of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    outcomes: BTreeMap<Source, Vec<Vec<u8>>>,
    pub(super) samples: u64,
    /// Signals that stand before one of an earlier record of the same source in the same partition.
    disordered: usize,
}

impl Sources {
    pub(super) fn read(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut sources = Sources::default();
        let mut last: BTreeMap<(String, i32, u32), i64> = BTreeMap::new();
        each(&*cluster.log, SIGNALS.name, |partition, record| {
            let value = record.value.context("ingest writes no tombstones")?.to_vec();
            let signal = Signal::decode(&value).context("ingest writes signals")?;
            if matches!(signal.body, Body::Tick(_)) {
                return Ok(());
            }
            if let Body::MetricSamples(scrape) = &signal.body {
                sources.samples += scrape.samples.len() as u64;
            }
            let from = &signal.provenance;
            let place = (from.topic.to_string(), from.partition, partition);
            let before = last.insert(place, from.from);
            sources.disordered += usize::from(before > Some(from.from));
            let source = (from.topic.to_string(), from.partition, from.from, Some(partition));
            sources.outcomes.entry(source).or_default().push(value);
            Ok(())
        })?;
        each(&*cluster.log, DEAD_LETTERS.name, |_, record| {
            let header = |name: &str| {
                let found = record.headers.iter().find(|(known, _)| known == name);
                let value = found.with_context(|| format!("a dead letter has no header {name}"))?;
                Ok::<_, anyhow::Error>(String::from_utf8_lossy(&value.1).into_owned())
            };
            let (topic, partition, offset) = (
                header(dead_letter::TOPIC)?,
                header(dead_letter::PARTITION)?.parse()?,
                header(dead_letter::OFFSET)?.parse()?,
            );
            let value = record.value.as_ref().map(|value| value.to_vec()).unwrap_or_default();
            sources.outcomes.entry((topic, partition, offset, None)).or_default().push(value);
            Ok(())
        })?;
        Ok(sources)
    }

    /// Signals and dead letters.
    pub(super) fn len(&self) -> usize {
        self.outcomes.values().map(Vec::len).sum()
    }

    /// Raw records that something became of.
    pub(super) fn accounted(&self) -> usize {
        self.outcomes.len()
    }

    /// Compares raw record by raw record.
    pub(super) fn compare(&self, undisturbed: &Sources) -> Difference {
        let mut difference = Difference::default();
        for (source, wanted) in &undisturbed.outcomes {
            match self.outcomes.get(source) {
                None => difference.tell(|d| &mut d.lost, || format!("{source:?}: nothing became of it")),
                Some(found) if found == wanted => {}
                Some(found) if found.len() > wanted.len() => {
                    difference
                        .tell(|d| &mut d.duplicated, || format!("{source:?}: {} for {}", found.len(), wanted.len()));
                }
                Some(found) if found.len() < wanted.len() => {
                    difference.tell(|d| &mut d.lost, || format!("{source:?}: {} for {}", found.len(), wanted.len()));
                }
                Some(_) => difference.tell(|d| &mut d.differing, || format!("{source:?}: another signal")),
            }
        }
        for source in self.outcomes.keys().filter(|source| !undisturbed.outcomes.contains_key(*source)) {
            difference.tell(|d| &mut d.duplicated, || format!("{source:?}: nothing should have become of it"));
        }
        difference.differing += self.disordered;
        difference
    }
}

/// Reads a topic whole.
fn each(log: &dyn Log, topic: &str, mut visit: impl FnMut(u32, Record) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for number in 0..log.topic(topic)?.spec.partitions {
        let partition = TopicPartition::new(topic, number);
        let bounds = log.bounds(&partition)?;
        let mut from = bounds.start;
        while from < bounds.end {
            let batch = log.read(&partition, from, Limit { records: 20_000, bytes: 64 << 20 })?;
            from = batch.next;
            batch.records.into_iter().try_for_each(|record| visit(number, record))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anomalies(outputs: &[(i32, i64, &[u8])]) -> Anomalies {
        let mut anomalies = Anomalies::default();
        for (task, number, value) in outputs {
            anomalies.0.entry(*task).or_default().entry(*number).or_default().push(value.to_vec());
        }
        anomalies
    }

    #[test]
    fn what_is_missing_repeated_or_other_is_told_apart() {
        let wanted = anomalies(&[(0, 0, b"a"), (0, 1, b"b"), (1, 0, b"c")]);
        let count = |found: &[(i32, i64, &[u8])]| {
            let difference = anomalies(found).compare(&wanted);
            (difference.lost, difference.duplicated, difference.differing)
        };
        assert_eq!(count(&[(0, 0, b"a"), (0, 1, b"b"), (1, 0, b"c")]), (0, 0, 0));
        assert_eq!(count(&[(0, 0, b"a"), (1, 0, b"c")]), (1, 0, 0));
        assert_eq!(count(&[(0, 0, b"a"), (0, 1, b"b"), (0, 1, b"b"), (1, 0, b"c")]), (0, 1, 0));
        assert_eq!(count(&[(0, 0, b"a"), (0, 1, b"x"), (1, 0, b"c")]), (0, 0, 1));
        assert_eq!(count(&[(0, 0, b"a"), (0, 1, b"b"), (0, 2, b"d"), (1, 0, b"c")]), (0, 1, 0));
    }

    #[test]
    fn a_signal_written_twice_and_one_not_written_are_told() {
        let source = |offset| ("t".to_owned(), 0, offset, Some(1));
        let account = |outcomes: &[(i64, usize)]| Sources {
            outcomes: outcomes.iter().map(|(offset, times)| (source(*offset), vec![vec![1]; *times])).collect(),
            ..Sources::default()
        };
        let wanted = account(&[(0, 1), (1, 2)]);
        let count = |found: Sources| {
            let difference = found.compare(&wanted);
            (difference.lost, difference.duplicated, difference.differing)
        };
        assert_eq!(count(account(&[(0, 1), (1, 2)])), (0, 0, 0));
        assert_eq!(count(account(&[(0, 2), (1, 2)])), (0, 1, 0));
        assert_eq!(count(account(&[(1, 1)])), (2, 0, 0));
    }
}
