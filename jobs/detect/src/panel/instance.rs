//! One instance of a panel: what it reported in its last round, and its counters.

use crate::counter::Counter;
use crate::layout::{Layout, Reading};

/// No sample in this round.
pub const ABSENT: f64 = f64::NAN;
/// A sample that gave no value (the first of a counter): another NaN, by its bits.
pub const WITHOUT_VALUE: f64 = f64::from_bits(0x7ff8_0000_0000_0001);
/// One pod, or the entity itself where it has one instance only.
#[derive(Clone, Debug)]
pub struct Instance {
    pub name: Box<str>,
    pub first_time: i64,
    pub time: i64,
    /// Row it last reported in.
    pub row: u64,
    /// Samples it gave in the round before, and in its last.
    pub expected: u32,
    pub got: u32,
    pub values: Vec<f64>,
    pub counters: Vec<Counter>,
}

impl Instance {
    pub fn new(name: &str, time: i64) -> Self {
        Instance {
            name: name.into(),
            first_time: time,
            time: i64::MIN,
            row: 0,
            expected: 0,
            got: 0,
            values: Vec::new(),
            counters: Vec::new(),
        }
    }

    /// Begins a report.
    pub fn begin(&mut self, time: i64, row: u64) {
        (self.time, self.row, self.expected, self.got) = (time, row, self.got, 0);
        self.values.fill(ABSENT);
    }

    /// Makes room for a series.
    pub fn fit(&mut self, layout: &Layout, series: usize) {
        if self.values.len() <= series {
            self.values.reserve_exact(layout.len() - self.values.len());
            self.values.resize(layout.len(), ABSENT);
        }
        if self.counters.len() < layout.counters() {
            self.counters.reserve_exact(layout.counters() - self.counters.len());
            self.counters.resize(layout.counters(), Counter::EMPTY);
        }
    }

    /// Ends a series.
    pub fn end(&mut self, layout: &Layout, series: usize) {
        if matches!(layout.reading(series), Reading::Rate | Reading::Sum) {
            self.counters[layout.counter(series)] = Counter::EMPTY;
        }
    }
}
