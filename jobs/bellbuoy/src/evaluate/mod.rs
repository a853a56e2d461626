//! `evaluate rca`: how good the ranking of causes is, on labelled faults, beside naive floors and published figures.
//!
//! The protocols are those of the data's own pages: one configuration for a whole set, strictly causal, labels in the
//! scorer only, a fault without an answer is a miss. Each set is one file: it reads the set's folder, says what its
//! floors and published figures are, and asks `correlate::causes` for the rankings that are measured.
//!
//! Invariant: a report is a function of the files it was made from; nothing here looks at a label before it scores.

mod error;
mod floor;
mod folder;
mod minutes;
mod nezha;
mod petshop;
mod report;
mod rootcausebench;
mod score;
mod table;
mod tvdiag;

pub use error::EvaluateError;
pub use report::{Figure, Row, SetReport, Split};

use folder::Folder;
use std::path::Path;

/// A set of labelled faults.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// Its name, and that of its archive.
    pub name: &'static str,
    assess: fn(&Path) -> Result<Vec<SetReport>, EvaluateError>,
}

/// Every set, in the order of its name.
pub const ALL: [Set; 4] = [
    Set { name: "nezha_dev_metrics", assess: nezha::assess },
    Set { name: "petshop_train", assess: petshop::assess },
    Set { name: "rcb_dev", assess: rootcausebench::assess },
    Set { name: "tvdiag_gaia", assess: tvdiag::assess },
];

/// Whether a folder has this set, unpacked or as an archive.
pub fn has(root: &Path, set: &Set) -> bool {
    Folder::is_there(root, set.name)
}

/// Measures the ranking of causes on one set of a folder that holds sets unpacked or as archives.
pub fn rca(root: &Path, set: &Set) -> Result<Vec<SetReport>, EvaluateError> {
    let folder = Folder::open(root, set.name)?;
    (set.assess)(folder.path())
}
