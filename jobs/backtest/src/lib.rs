//! Any job over recorded topics → a report.
