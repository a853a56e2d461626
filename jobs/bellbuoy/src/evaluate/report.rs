//! What was measured on a set: rows beside floors and published figures, by type of fault, with counts.

use super::score::Places;
use serde::Serialize;

/// Everything measured on one set.
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// The set, or the part of it.
    pub set: String,
    /// Number of faults.
    pub faults: usize,
    /// One way to answer a row: ours, floors, published.
    pub rows: Vec<Row>,
    /// Ours by type of fault.
    pub splits: Vec<Split>,
    /// Other figures, with what they say.
    pub figures: Vec<Figure>,
    /// What has to be known to read them.
    pub notes: Vec<String>,
}

/// One way to answer.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose it is and how.
    pub name: String,
    /// Number of faults it was asked about; 0 where published.
    pub faults: usize,
    /// Faults answered right among the first 1, 3 and 5; none where published.
    pub hits: Option<[usize; 3]>,
    /// AC@1, AC@3, AC@5 where known.
    pub accuracy: [Option<f64>; 3],
    /// Avg@5 where known.
    pub average: Option<f64>,
}

/// One way to answer, for one type of fault.
#[derive(Clone, Debug, Serialize)]
pub struct Split {
    /// The row it belongs to.
    pub row: String,
    /// Type of fault.
    pub kind: String,
    /// Number of faults.
    pub faults: usize,
    /// Faults answered right among the first 1, 3 and 5.
    pub hits: [usize; 3],
}

/// A figure of another sort.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it says.
    pub name: String,
    /// The figure.
    pub value: f64,
}

impl SetReport {
    /// A report without rows.
    pub(super) fn new(set: &str, faults: usize) -> Self {
        SetReport {
            set: set.to_owned(),
            faults,
            rows: Vec::new(),
            splits: Vec::new(),
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds what was measured, and its parts by type of fault.
    pub(super) fn measured(&mut self, name: &str, places: &[Option<usize>], kinds: &[&str]) {
        self.total(name, places);
        let mut names: Vec<&str> = kinds.to_vec();
        names.sort_unstable();
        names.dedup();
        for kind in names {
            let of = places.iter().zip(kinds).filter(|(_, of)| **of == kind);
            let part: Places = of.map(|(place, _)| *place).collect();
            let hits = [part.hits(1), part.hits(3), part.hits(5)];
            self.splits.push(Split { row: name.to_owned(), kind: kind.to_owned(), faults: part.faults(), hits });
        }
    }

    /// Adds what was measured, without its parts.
    pub(super) fn total(&mut self, name: &str, places: &[Option<usize>]) {
        let all: Places = places.iter().copied().collect();
        self.rows.push(Row {
            name: name.to_owned(),
            faults: all.faults(),
            hits: Some([all.hits(1), all.hits(3), all.hits(5)]),
            accuracy: [1, 3, 5].map(|k| Some(all.accuracy(k))),
            average: Some(all.average()),
        });
    }

    /// Adds what others published.
    pub(super) fn published(&mut self, name: &str, accuracy: [Option<f64>; 3]) {
        self.rows.push(Row { name: format!("published: {name}"), faults: 0, hits: None, accuracy, average: None });
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push(Figure { name: name.into(), value });
    }

    /// Adds what has to be known.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// Every measured number under a name of its own, for comparing with what it was.
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let mut numbers = Vec::new();
        for row in self.rows.iter().filter(|row| row.hits.is_some()) {
            for (at, value) in ["AC@1", "AC@3", "AC@5"].iter().zip(row.accuracy) {
                numbers.extend(value.map(|value| (format!("{}, {}, {at}", self.set, row.name), value)));
            }
            numbers.extend(row.average.map(|value| (format!("{}, {}, Avg@5", self.set, row.name), value)));
        }
        for figure in &self.figures {
            numbers.push((format!("{}, {}", self.set, figure.name), figure.value));
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_by_type_add_up_to_the_whole_and_published_figures_are_no_measurement() {
        let mut report = SetReport::new("s", 3);
        report.measured("ours", &[Some(1), None, Some(4)], &["b", "a", "b"]);
        report.published("theirs", [Some(0.9), None, None]);
        report.figure("count", 2.0);
        let parts: Vec<_> = report.splits.iter().map(|split| (split.kind.as_str(), split.faults, split.hits)).collect();
        assert_eq!(parts, [("a", 1, [0, 0, 0]), ("b", 2, [1, 1, 2])]);
        assert_eq!(report.rows[0].hits, Some([1, 1, 2]));
        let names: Vec<String> = report.numbers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["s, ours, AC@1", "s, ours, AC@3", "s, ours, AC@5", "s, ours, Avg@5", "s, count"]);
    }
}
