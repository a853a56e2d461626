//! What became of raw records, by where they came from.

use crate::installation::Installation;
use schemas::signal::Body;
use schemas::{Record as _, Signal};
use std::collections::BTreeMap;
use topics::declared::{DEAD_LETTERS, SIGNALS};

/// Headers and value of a dead letter.
pub type Letter = (Vec<(String, Vec<u8>)>, Option<Vec<u8>>);

/// Signals and dead letters of an installation.
pub struct Sources {
    /// By raw topic and partition, and the signals partition they went to: offset, key and value, in the log's order.
    signals: BTreeMap<(String, i32, usize), Vec<Told>>,
    /// Headers and values, sorted.
    pub letters: Vec<Letter>,
}

type Told = (i64, Option<Vec<u8>>, Vec<u8>);

impl Sources {
    /// Reads them.
    pub fn of(installation: &Installation) -> Self {
        let mut signals: BTreeMap<_, Vec<Told>> = BTreeMap::new();
        for (partition, records) in installation.records(SIGNALS.name).into_iter().enumerate() {
            for record in records {
                let value = record.value.expect("ingest writes no tombstones").to_vec();
                let signal = Signal::decode(&value).expect("ingest writes signals");
                if matches!(signal.body, Body::Tick(_)) {
                    continue;
                }
                let from = signal.provenance.to_owned();
                let place = (from.topic.to_string(), from.partition, partition);
                signals.entry(place).or_default().push((from.from, record.key.map(|key| key.to_vec()), value));
            }
        }
        let letters = installation.records(DEAD_LETTERS.name).into_iter().flatten().map(|record| {
            let headers = record.headers.into_iter().map(|(name, value)| (name, value.to_vec())).collect();
            (headers, record.value.map(|value| value.to_vec()))
        });
        let mut letters: Vec<_> = letters.collect();
        letters.sort();
        Sources { signals, letters }
    }

    /// Number of signals.
    pub fn len(&self) -> usize {
        self.signals.values().map(Vec::len).sum()
    }

    /// Fails unless every raw record became the same signals, in the same order, or the same dead letter.
    pub fn assert_same(&self, wanted: &Sources) {
        let places = |sources: &Sources| -> Vec<((String, i32, usize), usize)> {
            sources.signals.iter().map(|(place, told)| (place.clone(), told.len())).collect()
        };
        assert_eq!(places(self), places(wanted), "signals by source and partition");
        for (place, told) in &self.signals {
            let offsets = told.iter().map(|(offset, ..)| offset);
            assert!(offsets.is_sorted(), "{place:?}: signals are in the order of their records");
            let differs = told.iter().zip(&wanted.signals[place]).position(|(found, wanted)| found != wanted);
            assert_eq!(differs, None, "{place:?}: the place of the first signal that differs");
        }
        assert!(self.letters == wanted.letters, "dead letters: {} for {}", self.letters.len(), wanted.letters.len());
    }
}
