//! What became of everything a baseline was given: nothing is dropped without being counted.

/// Counters of one task; the sum of a baseline's reasons equals what it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signals observed.
    pub signals: u64,
    /// Signals of kinds no detector reads yet.
    pub unread_signals: u64,
    /// Samples observed.
    pub samples: u64,
    /// Distributions observed, which no detector reads yet.
    pub unread_distributions: u64,
    /// Samples older than their instance's newest.
    pub late: u64,
    /// Samples seen before.
    pub duplicates: u64,
    /// Samples at a known time with another value; the later one counts.
    pub conflicts: u64,
    /// Samples of series beyond the cap of a panel.
    pub overflow_series: u64,
    /// Samples of instances beyond the cap of a panel.
    pub overflow_instances: u64,
    /// Samples of scopes beyond the cap of an entity.
    pub overflow_scopes: u64,
    /// Samples kept as text only: coded states and capacities.
    pub stored: u64,
    /// Samples of a gauge whose counter is there too.
    pub superseded: u64,
    /// Staleness markers: ends of series.
    pub stale: u64,
    /// Samples that are not a finite number.
    pub not_finite: u64,
    /// Counter samples without a rate: first points, resets without a start time.
    pub without_rate: u64,
    /// Counters that began anew.
    pub resets: u64,
    /// Counter intervals too long for a rate.
    pub gaps: u64,
    /// Counter samples closer than a third of the usual interval.
    pub jitter: u64,
    /// Samples of instances that are still warming up.
    pub warming: u64,
    /// Rows of values closed.
    pub rows: u64,
    /// Audit events that are not counted: other stages of a counted request.
    pub other_stages: u64,
    /// Audit events seen before.
    pub audit_duplicates: u64,
    /// Findings of an absolute rule within its quiet time.
    pub repeated: u64,
    /// Anomalies told.
    pub anomalies: u64,
}

impl Counts {
    /// What was not used, by reason, under the names that metrics carry.
    pub fn list(&self) -> [(&'static str, u64); 14] {
        [
            ("audit_duplicate", self.audit_duplicates),
            ("conflict", self.conflicts),
            ("duplicate", self.duplicates),
            ("gap", self.gaps),
            ("jitter", self.jitter),
            ("late", self.late),
            ("not_finite", self.not_finite),
            ("other_stage", self.other_stages),
            ("overflow_instances", self.overflow_instances),
            ("overflow_scopes", self.overflow_scopes),
            ("overflow_series", self.overflow_series),
            ("superseded", self.superseded),
            ("unread_distribution", self.unread_distributions),
            ("unread_signal", self.unread_signals),
        ]
    }
}
