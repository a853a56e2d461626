//! Which series a panel has: names, units, readings, in the order of their first appearance.
//!
//! The samples of a scrape come in the same order each time, so a sample is matched by position first, comparing its
//! text with one contiguous buffer; only on a mismatch is it looked up. Invariant: a series keeps its index for good.

use crate::catalogue::{self, Class};
use crate::state::{Reader, put_number, put_text};
use crate::{DetectError, sentence};
use schemas::signal::{Sample, SampleKind};

/// How the numbers of a series become values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A level, as it is.
    Level,
    /// A growing count: its rate a second.
    Rate,
    /// Increments: their sum over an interval, a second.
    Sum,
    /// The number of instances of the panel.
    Instances,
}

/// The series of one panel.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    names: String,
    series: Vec<Described>,
    /// Indices sorted by name, for lookups.
    sorted: Vec<u16>,
    /// Series that keep state between samples of an instance.
    counters: usize,
}

#[derive(Clone, Copy, Debug)]
struct Described {
    start: u32,
    measure: u16,
    attributes: u16,
    unit: u16,
    reading: Reading,
    class: Class,
    counter: u16,
}

/// Name of the series that counts instances.
pub const INSTANCES: &str = "instances";
const LONGEST_TEXT: usize = u16::MAX as usize;

/// FNV-1a of bytes.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Layout {
    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// True when there is no series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Number of series that keep state between samples.
    pub fn counters(&self) -> usize {
        self.counters
    }

    /// Canonical metric name.
    pub fn measure(&self, index: usize) -> &str {
        let s = &self.series[index];
        self.part(s.start as usize, s.measure)
    }

    /// Attributes, or empty.
    pub fn attributes(&self, index: usize) -> &str {
        let s = &self.series[index];
        self.part(s.start as usize + usize::from(s.measure), s.attributes)
    }

    /// Unit of the samples.
    pub fn unit(&self, index: usize) -> &str {
        let s = &self.series[index];
        self.part(s.start as usize + usize::from(s.measure) + usize::from(s.attributes), s.unit)
    }

    /// How numbers become values.
    pub fn reading(&self, index: usize) -> Reading {
        self.series[index].reading
    }

    /// What is done with the series.
    pub fn class(&self, index: usize) -> Class {
        self.series[index].class
    }

    /// Position among the series that keep state.
    pub fn counter(&self, index: usize) -> usize {
        usize::from(self.series[index].counter)
    }

    /// What a person calls it: `container.cpu.time rate`, `k8s.pod.network.io rate (direction=receive)`.
    pub fn label(&self, index: usize) -> String {
        let rate = if matches!(self.reading(index), Reading::Rate | Reading::Sum) { " rate" } else { "" };
        match self.attributes(index) {
            "" => format!("{}{rate}", self.measure(index)),
            attributes => format!("{}{rate} ({attributes})", self.measure(index)),
        }
    }

    /// A value with its unit, for a person.
    pub fn quantity(&self, index: usize, value: f64) -> String {
        sentence::quantity(value, &self.value_unit(index))
    }

    /// Unit of the values: of a rate, a second.
    pub fn value_unit(&self, index: usize) -> String {
        let unit = self.unit(index);
        match self.reading(index) {
            Reading::Rate | Reading::Sum if unit == "s" => "{cpu}".to_owned(),
            Reading::Rate | Reading::Sum if unit.is_empty() || unit == "1" => "1/s".to_owned(),
            Reading::Rate | Reading::Sum => format!("{unit}/s"),
            Reading::Level | Reading::Instances => unit.to_owned(),
        }
    }

    /// The series of a sample: at `cursor`, else wherever it is.
    #[inline]
    pub fn find(&self, sample: &Sample<'_>, cursor: usize) -> Option<usize> {
        let reading = reading_of(sample);
        match self.series.get(cursor) {
            Some(series) if self.is(series, sample, reading) => Some(cursor),
            _ => self.look_up(&sample.measure, &sample.attributes, &sample.unit, reading),
        }
    }

    #[inline]
    fn is(&self, series: &Described, sample: &Sample<'_>, reading: Option<Reading>) -> bool {
        let (m, a, u) = (sample.measure.len(), sample.attributes.len(), sample.unit.len());
        if usize::from(series.measure) != m || usize::from(series.attributes) != a {
            return false;
        }
        let names = &self.names.as_bytes()[series.start as usize..];
        &names[..m] == sample.measure.as_bytes()
            && &names[m..m + a] == sample.attributes.as_bytes()
            && match reading {
                // The end of a series comes without its kind and perhaps its unit.
                None => true,
                Some(reading) => {
                    (reading == series.reading
                        || series.reading == Reading::Rate
                            && reading == Reading::Level
                            && catalogue::is_cumulative(&sample.measure))
                        && usize::from(series.unit) == u
                        && &names[m + a..m + a + u] == sample.unit.as_bytes()
                }
            }
    }

    /// The series of this name, unit and reading; any unit and reading for the end of a series.
    fn look_up(&self, measure: &str, attributes: &str, unit: &str, reading: Option<Reading>) -> Option<usize> {
        let reading = reading.map(|reading| effective(measure, reading));
        let first = self.sorted.partition_point(|&i| self.name(usize::from(i)) < (measure, attributes));
        self.sorted[first..]
            .iter()
            .map(|&i| usize::from(i))
            .take_while(|&i| self.name(i) == (measure, attributes))
            .find(|&i| reading.is_none_or(|reading| self.reading(i) == reading && self.unit(i) == unit))
    }

    /// Adds the series of a sample; none when its texts are too long or the cap is reached.
    pub fn add(&mut self, sample: &Sample<'_>, limit: usize) -> Option<usize> {
        let reading = effective(&sample.measure, reading_of(sample)?);
        let index = self.append(&sample.measure, &sample.attributes, &sample.unit, reading, limit)?;
        self.supersede(index);
        Some(index)
    }

    /// Adds the series that counts instances.
    pub fn add_instances(&mut self, limit: usize) -> Option<usize> {
        self.append(INSTANCES, "", "{instance}", Reading::Instances, limit + 1)
    }

    fn append(&mut self, measure: &str, attributes: &str, unit: &str, reading: Reading, limit: usize) -> Option<usize> {
        let longest = measure.len().max(attributes.len()).max(unit.len());
        if self.series.len() >= limit.min(LONGEST_TEXT) || longest > LONGEST_TEXT {
            return None;
        }
        let index = self.series.len();
        let keeps_state = matches!(reading, Reading::Rate | Reading::Sum);
        let at = self.sorted.partition_point(|&i| self.name(usize::from(i)) <= (measure, attributes));
        self.series.push(Described {
            start: u32::try_from(self.names.len()).ok()?,
            measure: measure.len() as u16,
            attributes: attributes.len() as u16,
            unit: unit.len() as u16,
            reading,
            class: catalogue::class(measure),
            counter: self.counters as u16,
        });
        self.counters += usize::from(keeps_state);
        [measure, attributes, unit].iter().for_each(|text| self.names.push_str(text));
        self.sorted.insert(at, index as u16);
        Some(index)
    }

    /// Where a counter and a gauge measure the same thing, only the counter is judged.
    fn supersede(&mut self, added: usize) {
        for gauge in 0..self.series.len() {
            let Some(better) = catalogue::better_reading(self.measure(gauge)) else { continue };
            let other = self.look_up(&better, self.attributes(gauge), "s", Some(Reading::Rate));
            if other.is_some_and(|other| gauge == added || other == added) {
                self.series[gauge].class = Class::Superseded;
            }
        }
    }

    fn name(&self, index: usize) -> (&str, &str) {
        (self.measure(index), self.attributes(index))
    }

    fn part(&self, start: usize, length: u16) -> &str {
        &self.names[start..start + usize::from(length)]
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.names.capacity() + self.series.capacity() * size_of::<Described>() + self.sorted.capacity() * 2
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.series.len() as u64);
        for (index, series) in self.series.iter().enumerate() {
            put_text(out, self.measure(index));
            put_text(out, self.attributes(index));
            put_text(out, self.unit(index));
            out.push(series.reading as u8);
        }
    }

    /// Reads what [`Layout::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut layout = Layout::default();
        for _ in 0..from.count()? {
            let (measure, attributes, unit) = (from.text()?, from.text()?, from.text()?);
            let reading = match from.byte()? {
                0 => Reading::Level,
                1 => Reading::Rate,
                2 => Reading::Sum,
                3 => Reading::Instances,
                _ => return Err(from.corrupt("unknown reading of a series")),
            };
            let index = layout
                .append(measure, attributes, unit, reading, LONGEST_TEXT)
                .ok_or_else(|| from.corrupt("too many series"))?;
            layout.supersede(index);
        }
        Ok(layout)
    }
}

fn reading_of(sample: &Sample<'_>) -> Option<Reading> {
    match sample.kind {
        SampleKind::Gauge => Some(Reading::Level),
        SampleKind::Counter => Some(Reading::Rate),
        SampleKind::Delta => Some(Reading::Sum),
        SampleKind::Stale => None,
    }
}

fn effective(measure: &str, reading: Reading) -> Reading {
    if reading == Reading::Level && catalogue::is_cumulative(measure) { Reading::Rate } else { reading }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(measure: &'static str, attributes: &'static str, kind: SampleKind) -> Sample<'static> {
        Sample { measure: measure.into(), attributes: attributes.into(), unit: "s".into(), kind, ..Sample::default() }
    }

    #[test]
    fn a_sample_is_found_by_position_and_by_name() {
        let mut layout = Layout::default();
        let samples = [
            sample("container.cpu.usage", "", SampleKind::Gauge),
            sample("container.cpu.time", "", SampleKind::Counter),
            sample("b", "x=1", SampleKind::Gauge),
            sample("b", "x=2", SampleKind::Gauge),
            sample("container.memory.page_faults", "", SampleKind::Gauge),
        ];
        for (index, sample) in samples.iter().enumerate() {
            assert_eq!(layout.find(sample, index), None);
            assert_eq!(layout.add(sample, 5), Some(index));
        }
        for (index, sample) in samples.iter().enumerate() {
            for cursor in 0..7 {
                assert_eq!(layout.find(sample, cursor), Some(index));
            }
        }
        assert_eq!(layout.add(&sample("c", "", SampleKind::Gauge), 5), None);
        assert_eq!(layout.class(0), Class::Superseded);
        assert_eq!(layout.reading(4), Reading::Rate);
        assert_eq!(layout.find(&sample("b", "x=2", SampleKind::Stale), 0), Some(3));
        let mut bytes = Vec::new();
        layout.encode(&mut bytes);
        let restored = Layout::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(restored.class(0), Class::Superseded);
        assert_eq!(restored.find(&samples[3], 0), Some(3));
    }
}
