//! What a benchmark found: for people as a table, for machines as one JSON document.

use crate::machine::Machine;
use crate::spread::Spread;
use serde::Serialize;

/// Figures of one benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Its name.
    pub(crate) benchmark: &'static str,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// How it was asked to run.
    pub(crate) options: serde_json::Value,
    /// What it found.
    pub(crate) figures: Vec<Figure>,
    /// What the figures are made of, and what else was seen.
    pub(crate) details: Vec<Detail>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// In what.
    pub(crate) unit: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// The least, or most, that any program would have to do, measured in the same run.
    pub(crate) floor: Option<f64>,
    /// What the floor is.
    pub(crate) floor_is: &'static str,
    /// The figure over its floor.
    pub(crate) ratio: Option<f64>,
    /// How much repetitions differ.
    pub(crate) spread: Option<Spread>,
    /// Which way is good.
    pub(crate) better: Better,
    /// What must be reached.
    pub(crate) must: Option<f64>,
    /// What is aimed at.
    pub(crate) aim: Option<f64>,
    /// Whether the must is met; true where there is none.
    pub(crate) meets_must: bool,
    /// Whether the aim is met; true where there is none.
    pub(crate) meets_aim: bool,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// One thing seen on the way.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    /// What.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: &'static str,
}

impl Report {
    /// An empty report of this machine.
    pub(crate) fn new(benchmark: &'static str, options: &impl Serialize) -> anyhow::Result<Self> {
        let options = serde_json::to_value(options)?;
        Ok(Report { benchmark, machine: Machine::this(), options, figures: Vec::new(), details: Vec::new() })
    }

    /// Adds a detail.
    pub(crate) fn detail(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.details.push(Detail { name: name.into(), value, unit });
    }

    /// True when every figure meets what it must.
    pub(crate) fn meets_musts(&self) -> bool {
        self.figures.iter().all(|figure| figure.meets_must)
    }

    /// One JSON document on standard output.
    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    /// A table on standard output.
    pub(crate) fn print(&self) {
        let Machine { cores, model, memory_mib, kernel, profile } = &self.machine;
        println!("{}: {cores} cores of {model}, {memory_mib} MiB, kernel {kernel}, profile {profile}", self.benchmark);
        println!("options: {}", self.options);
        for figure in &self.figures {
            let unit = figure.unit;
            println!("\n{}: {} {unit}", figure.name, number(figure.value));
            if let (Some(floor), Some(ratio)) = (figure.floor, figure.ratio) {
                println!("  floor   {} {unit} ({}), ratio {}", number(floor), figure.floor_is, number(ratio));
            }
            if let Some(Spread { min, median, max, count, of }) = &figure.spread {
                let [min, median, max] = [min, median, max].map(|value| number(*value));
                println!("  spread  {min} / {median} / {max} {unit} (min / median / max of {count} {of})");
            }
            for (name, limit, met) in [("must", figure.must, figure.meets_must), ("aim", figure.aim, figure.meets_aim)]
            {
                if let Some(limit) = limit {
                    let verdict = if met { "met" } else { "NOT MET" };
                    println!("  {name:<7} {} {unit}: {verdict}", number(limit));
                }
            }
        }
        println!();
        for Detail { name, value, unit } in &self.details {
            println!("  {name:<58} {:>12} {unit}", number(*value));
        }
    }
}

impl Figure {
    /// A figure without floor, spread or target yet.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str, better: Better) -> Self {
        Figure {
            name: name.into(),
            unit,
            value,
            floor: None,
            floor_is: "",
            ratio: None,
            spread: None,
            better,
            must: None,
            aim: None,
            meets_must: true,
            meets_aim: true,
        }
    }

    /// With the floor measured in the same run.
    pub(crate) fn floor(mut self, floor: f64, is: &'static str) -> Self {
        (self.floor, self.floor_is) = (Some(floor), is);
        self.ratio = (floor > 0.0).then(|| self.value / floor);
        self
    }

    /// With the spread of repetitions.
    pub(crate) fn spread(mut self, values: &[f64], of: &'static str) -> Self {
        self.spread = Spread::of(values, of);
        self
    }

    /// With what must be reached and what is aimed at.
    pub(crate) fn target(mut self, must: f64, aim: Option<f64>) -> Self {
        let meets = |limit: f64| match self.better {
            Better::Higher => self.value >= limit,
            Better::Lower => self.value <= limit,
        };
        (self.meets_must, self.meets_aim) = (meets(must), aim.is_none_or(meets));
        (self.must, self.aim) = (Some(must), aim);
        self
    }
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1_000.0 {
        let digits = if size >= 100.0 || value == 0.0 {
            0
        } else if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            4
        };
        return format!("{value:.digits$}");
    }
    let digits = format!("{size:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_counts_in_the_direction_that_is_good() {
        let speed = Figure::new("speed", 1.5, "M/s", Better::Higher).target(1.0, Some(2.0));
        assert_eq!((speed.meets_must, speed.meets_aim), (true, false));
        let time = Figure::new("time", 1.5, "s", Better::Lower).target(1.0, None);
        assert_eq!((time.meets_must, time.meets_aim), (false, true));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.12345, 1.234, 12.34, 123.4, 1234567.0, -1000.0].map(number),
            ["0", "0.1235", "1.23", "12.3", "123", "1 234 567", "-1 000"]
        );
    }
}
