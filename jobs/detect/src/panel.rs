//! A panel: the series that are reported together for one scope of an entity, by one or many instances.
//!
//! A *scrape round* closes into a row when every instance of the round before has reported as much as it did then, or
//! when an instance reports again. There is no wall clock and no grid: only the order of the log and the series' own
//! times. The value of a series is the median over the instances that are not warming up.
//! Invariant: state never moves back in time; every sample is used or counted with its reason.

use crate::catalogue::Class;
use crate::config::Config;
use crate::counter::Counter;
use crate::detectors::{ALL, Context, Detector, Finding, Observation, Reads, Row};
use crate::layout::{Layout, Reading};
use crate::{Counts, anomaly};
use instance::{ABSENT, Instance, WITHOUT_VALUE};
use schemas::signal::{MetricSamples, Sample, SampleKind};
use schemas::{Anomaly, OffsetRange, Signal};

mod instance;
mod medians;
mod stored;

/// How many records of a round are kept as evidence.
const EVIDENCE: usize = 8;

/// Series of one scope that are reported together.
#[derive(Debug)]
pub struct Panel {
    scope: Box<str>,
    layout: Layout,
    instances: Vec<Instance>,
    hint: usize,
    /// Number of the open row.
    open: u64,
    /// Usual time between two reports of an instance, milliseconds, and its votes.
    interval: i64,
    votes: u8,
    /// Series known when the last row closed.
    known: usize,
    since: i64,
    row_time: i64,
    count_series: Option<usize>,
    /// Instances judged in the last row, and when their number last changed by a quarter.
    judged: usize,
    reshaped: i64,
    raw_topic: Box<str>,
    evidence: Vec<Evidence>,
    detectors: Vec<(usize, Box<dyn Detector>)>,
    scratch: Vec<f64>,
    values: Vec<f64>,
    findings: Vec<Finding>,
}

#[derive(Clone, Copy, Debug)]
struct Evidence {
    offset: i64,
    partition: i32,
    from: i64,
    to: i64,
}

/// What surrounds one signal on its way through a panel.
pub struct Arrival<'a, 'b> {
    /// The signal.
    pub signal: &'a Signal<'b>,
    /// Where it lies in the signals topic.
    pub at: &'a OffsetRange<'a>,
    /// The configuration.
    pub config: &'a Config,
    /// What is counted.
    pub counts: &'a mut Counts,
    /// Where anomalies go.
    pub out: &'a mut Vec<Anomaly<'static>>,
}

impl Panel {
    /// A panel that has seen nothing.
    pub fn new(scope: &str) -> Self {
        let rows = ALL.iter().enumerate().filter(|(_, kind)| kind.reads == Reads::Rows);
        Panel {
            scope: scope.into(),
            layout: Layout::default(),
            instances: Vec::new(),
            hint: 0,
            open: 1,
            interval: 0,
            votes: 0,
            known: 0,
            since: 0,
            row_time: i64::MIN,
            count_series: None,
            judged: 0,
            reshaped: i64::MIN,
            raw_topic: "".into(),
            evidence: Vec::new(),
            detectors: rows.map(|(index, kind)| (index, (kind.new)())).collect(),
            scratch: Vec::new(),
            values: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// The scope's name.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// True when one of the first samples belongs to a series of this panel.
    pub fn knows(&self, samples: &[Sample<'_>]) -> bool {
        samples.iter().take(8).enumerate().any(|(cursor, sample)| self.layout.find(sample, cursor).is_some())
    }

    /// Takes one report of one instance in.
    pub fn observe(&mut self, samples: &MetricSamples<'_>, arrival: &mut Arrival<'_, '_>) {
        let time = arrival.signal.event_time;
        let size = samples.samples.len() as u64;
        let Some(mut index) = self.instance(&samples.instance, time, arrival.config) else {
            arrival.counts.overflow_instances += size;
            return;
        };
        let (last, row) = (self.instances[index].time, self.instances[index].row);
        if time < last {
            arrival.counts.late += size;
            return;
        }
        if time > last {
            if row == self.open {
                self.close(arrival);
                index = self.position(&samples.instance).unwrap_or(index);
            }
            self.learn_interval(last, time);
            let row = if self.is_straggler(index, time) { self.open - 1 } else { self.open };
            self.instances[index].begin(time, row);
        }
        self.note_evidence(arrival);
        self.take(index, samples, arrival);
        if self.is_complete() {
            self.close(arrival);
        }
    }

    /// The instance of this name, added where there is room.
    fn instance(&mut self, name: &str, time: i64, config: &Config) -> Option<usize> {
        let next = self.hint + 1;
        for index in [if next < self.instances.len() { next } else { 0 }, self.hint] {
            if self.instances.get(index).is_some_and(|instance| &*instance.name == name) {
                self.hint = index;
                return Some(index);
            }
        }
        if let Some(index) = self.position(name) {
            self.hint = index;
            return Some(index);
        }
        if self.instances.len() >= config.limits.instances {
            return None;
        }
        self.instances.push(Instance::new(name, time));
        self.hint = self.instances.len() - 1;
        Some(self.hint)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.instances.iter().position(|instance| &*instance.name == name)
    }

    /// True for one that was not waited for and comes soon after its row closed: it belongs to that row, and is waited
    /// for from the next one on. Without this its values would lag behind the others' for good.
    fn is_straggler(&self, index: usize, time: i64) -> bool {
        let absent = self.instances[index].row + 1 < self.open;
        absent
            && self.open > 1
            && 2 * (time - self.row_time) < self.interval
            && self.instances.iter().all(|instance| instance.row < self.open)
    }

    /// The usual interval by majority vote, within an eighth.
    fn learn_interval(&mut self, last: i64, time: i64) {
        if last == i64::MIN {
            return;
        }
        let elapsed = time.saturating_sub(last);
        if 8 * (elapsed - self.interval).abs() <= self.interval {
            self.votes = (self.votes + 1).min(100);
        } else if self.votes <= 1 {
            (self.interval, self.votes) = (elapsed, 1);
        } else {
            self.votes -= 1;
        }
    }

    fn note_evidence(&mut self, arrival: &Arrival<'_, '_>) {
        let raw = &arrival.signal.provenance;
        if *self.raw_topic != *raw.topic.as_str() {
            self.raw_topic = raw.topic.as_str().into();
            self.evidence.clear();
        }
        if self.evidence.len() < EVIDENCE {
            let offset = arrival.at.from;
            self.evidence.push(Evidence { offset, partition: raw.partition, from: raw.from, to: raw.to });
        }
    }

    /// Puts the samples into the instance's row.
    fn take(&mut self, index: usize, samples: &MetricSamples<'_>, arrival: &mut Arrival<'_, '_>) {
        let (config, counts) = (arrival.config, &mut *arrival.counts);
        let time = arrival.signal.event_time;
        let instance = &mut self.instances[index];
        let mut cursor = 0;
        for sample in &samples.samples {
            let series = match self.layout.find(sample, cursor) {
                Some(series) => series,
                None if sample.kind == SampleKind::Stale => {
                    counts.stale += 1;
                    continue;
                }
                None => match self.layout.add(sample, config.limits.series) {
                    Some(series) => series,
                    None => {
                        counts.overflow_series += 1;
                        continue;
                    }
                },
            };
            cursor = series + 1;
            instance.fit(&self.layout, series);
            instance.got += 1;
            if sample.kind == SampleKind::Stale {
                counts.stale += 1;
                instance.end(&self.layout, series);
                continue;
            }
            if !sample.value.is_finite() {
                counts.not_finite += 1;
                continue;
            }
            match self.layout.class(series) {
                Class::Numeric => {}
                Class::Stored => {
                    counts.stored += 1;
                    instance.values[series] = WITHOUT_VALUE;
                    continue;
                }
                Class::Superseded => {
                    counts.superseded += 1;
                    instance.values[series] = WITHOUT_VALUE;
                    continue;
                }
            }
            let slot = &mut instance.values[series];
            let seen = slot.to_bits() != ABSENT.to_bits();
            let reading = self.layout.reading(series);
            if seen && reading != Reading::Sum {
                counts.duplicates += 1;
                if reading == Reading::Level && *slot != sample.value {
                    counts.conflicts += 1;
                    *slot = sample.value;
                }
                instance.got -= 1;
                continue;
            }
            let at = time + sample.time_offset;
            *slot = match reading {
                Reading::Level | Reading::Instances => sample.value,
                Reading::Rate => {
                    let counter = &mut instance.counters[self.layout.counter(series)];
                    let longest = config.rows.longest_gap;
                    without_nan(counter.rate(sample.value, at, sample.start_time, self.interval, longest, counts))
                }
                Reading::Sum => {
                    let counter = &mut instance.counters[self.layout.counter(series)];
                    let rate = without_nan(counter.increment(sample.value, at, sample.start_time, counts));
                    // Several increments of one report add up over their own spans: the last one stands for the rate.
                    if rate.is_nan() && seen { *slot } else { rate }
                }
            };
        }
    }

    /// True when nobody is waited for (in the first row, nobody knows who will come): every instance of the round before, and this one's, has given all it gave last.
    fn is_complete(&self) -> bool {
        self.open > 1
            && self.instances.iter().all(|instance| {
                if instance.row == self.open {
                    instance.got >= instance.expected
                } else {
                    instance.row + 1 != self.open
                }
            })
            && self.instances.iter().any(|instance| instance.row == self.open)
    }

    /// Closes the open row: takes the median, hands it to the detectors, forgets absent instances.
    fn close(&mut self, arrival: &mut Arrival<'_, '_>) {
        let config = arrival.config;
        let reported = self.instances.iter().filter(|instance| instance.row == self.open);
        let (count, time) = reported.fold((0, i64::MIN), |(n, time), instance| (n + 1, time.max(instance.time)));
        let first = self.row_time == i64::MIN;
        if first {
            self.since = time;
        }
        let (judged, young) = self.take_medians(count, config, arrival.counts);
        if judged > 0 {
            self.row_time = self.row_time.max(time);
            arrival.counts.rows += 1;
            if 4 * judged.abs_diff(self.judged) >= judged.max(self.judged) {
                self.reshaped = self.row_time;
            }
            self.judged = judged;
            self.judge(young, arrival);
        }
        let oldest = self.open.saturating_sub(u64::from(config.rows.forget_after));
        self.instances.retain(|instance| instance.row >= oldest);
        self.open += 1;
        self.evidence.clear();
    }

    fn judge(&mut self, young: usize, arrival: &mut Arrival<'_, '_>) {
        let row = Row {
            layout: &self.layout,
            values: &self.values,
            fresh: self.known,
            instances: self.judged,
            young,
            reshaped: self.row_time.saturating_sub(self.reshaped) < arrival.config.rows.settle,
            since: self.since,
        };
        for (kind, detector) in &mut self.detectors {
            let mut context = Context {
                config: arrival.config,
                entity: &arrival.signal.entity,
                scope: &self.scope,
                time: self.row_time,
                peers: None,
                counts: arrival.counts,
            };
            detector.observe(&Observation::Row(row), &mut context, &mut self.findings);
            for finding in self.findings.drain(..) {
                arrival.counts.anomalies += 1;
                let evidence = evidence(&self.evidence, &self.raw_topic, arrival.at);
                arrival.out.push(anomaly::complete(
                    finding,
                    &ALL[*kind],
                    arrival.signal,
                    &self.scope,
                    self.row_time,
                    &evidence,
                ));
            }
        }
        self.known = self.layout.len();
    }

    /// Bytes on the heap, from counts and not from a walk.
    pub fn heap_bytes(&self) -> usize {
        let instance =
            size_of::<Instance>() + 32 + self.layout.len() * 8 + self.layout.counters() * size_of::<Counter>();
        let detectors: usize = self.detectors.iter().map(|(_, detector)| 64 + detector.heap_bytes()).sum();
        self.scope.len()
            + self.raw_topic.len()
            + self.layout.heap_bytes()
            + self.instances.len() * instance
            + (self.values.capacity() + self.scratch.capacity()) * 8
            + self.evidence.capacity() * size_of::<Evidence>()
            + detectors
    }
}

/// The records behind the open row: their signals and what these were made from.
fn evidence(records: &[Evidence], raw_topic: &str, at: &OffsetRange<'_>) -> Vec<OffsetRange<'static>> {
    let signal = |e: &Evidence| OffsetRange { from: e.offset, to: e.offset + 1, ..at.to_owned() };
    let raw = |e: &Evidence| OffsetRange {
        topic: raw_topic.to_owned().into(),
        partition: e.partition,
        from: e.from,
        to: e.to,
    };
    records.iter().map(signal).chain(records.iter().map(raw)).collect()
}

fn without_nan(rate: f64) -> f64 {
    if rate.is_nan() { WITHOUT_VALUE } else { rate }
}
