//! All state of one entity: what is normal for it, and the detectors that judge against that.
//!
//! ```
//! use detect::{Baseline, Config, Counts};
//! use schemas::{OffsetRange, Signal};
//!
//! let (mut anomalies, mut counts) = (Vec::new(), Counts::default());
//! let mut baseline = Baseline::new();
//! baseline.observe(&Signal::default(), &OffsetRange::default(), &Config::default(), None, &mut anomalies, &mut counts);
//! let mut bytes = Vec::new();
//! baseline.encode(&mut bytes);
//! assert!(Baseline::decode(&bytes).is_ok());
//! ```
//!
//! Invariant: a baseline that was stored and restored anywhere gives the same anomalies as one that never was.

use crate::config::Config;
use crate::detectors::requests::Requests;
use crate::panel::{Arrival, Panel};
use crate::peers::PeerGroup;
use crate::relations::Relations;
use crate::state::{Reader, put_number};
use crate::{Counts, DetectError};
use schemas::signal::{Body, MetricSamples};
use schemas::{Anomaly, OffsetRange, Signal};

/// What is normal for one entity.
#[derive(Debug, Default)]
pub struct Baseline {
    panels: Vec<Panel>,
    hint: usize,
    requests: Option<Box<Requests>>,
    relations: Relations,
}

impl Baseline {
    /// A baseline that has seen nothing.
    pub fn new() -> Self {
        Baseline::default()
    }

    /// Judges a signal against what was seen before and learns it. `at` is the signal's place in the signals topic;
    /// `peers` is the group of [`crate::peers::group`], where the caller keeps it.
    pub fn observe(
        &mut self,
        signal: &Signal<'_>,
        at: &OffsetRange<'_>,
        config: &Config,
        peers: Option<&mut PeerGroup>,
        out: &mut Vec<Anomaly<'static>>,
        counts: &mut Counts,
    ) {
        counts.signals += 1;
        self.relations.learn(signal, &config.limits);
        let before = out.len();
        let mut arrival = Arrival { signal, at, config, counts, out };
        match &signal.body {
            Body::MetricSamples(samples) => self.observe_samples(samples, &mut arrival),
            Body::AuditEvent(event) => self.requests().observe_audit(event, peers, &mut arrival),
            Body::FlowAgg(flow) => self.requests().observe_flow(flow, peers, &mut arrival),
            _ => arrival.counts.unread_signals += 1,
        }
        // A finding about another entity says itself what it has to do with this one.
        let own = out[before..].iter_mut().filter(|anomaly| anomaly.entity == signal.entity);
        own.for_each(|anomaly| self.relations.relate(anomaly));
    }

    fn observe_samples(&mut self, samples: &MetricSamples<'_>, arrival: &mut Arrival<'_, '_>) {
        arrival.counts.samples += samples.samples.len() as u64;
        arrival.counts.unread_distributions += samples.distributions.len() as u64;
        if samples.samples.is_empty() {
            return;
        }
        match self.panel(samples, arrival.config.limits.panels) {
            Some(index) => self.panels[index].observe(samples, arrival),
            None => arrival.counts.overflow_scopes += samples.samples.len() as u64,
        }
    }

    /// The panel of these samples: that after the last one used, most often.
    fn panel(&mut self, samples: &MetricSamples<'_>, limit: usize) -> Option<usize> {
        let fits = |panel: &Panel| *panel.scope() == *samples.scope && panel.knows(&samples.samples);
        let next = if self.hint + 1 < self.panels.len() { self.hint + 1 } else { 0 };
        let found = [self.hint, next].into_iter().find(|&index| self.panels.get(index).is_some_and(fits));
        let found = found.or_else(|| self.panels.iter().position(fits));
        if found.is_none() && self.panels.len() < limit {
            self.panels.push(Panel::new(&samples.scope));
            self.hint = self.panels.len() - 1;
            return Some(self.hint);
        }
        self.hint = found.unwrap_or(self.hint);
        found
    }

    fn requests(&mut self) -> &mut Requests {
        self.requests.get_or_insert_with(Box::default)
    }

    /// Bytes this baseline holds beyond its own size, for a hard memory bound.
    pub fn heap_bytes(&self) -> usize {
        let panels: usize = self.panels.iter().map(|panel| size_of::<Panel>() + panel.heap_bytes()).sum();
        let relations = self.relations.heap_bytes();
        relations + panels + self.requests.as_ref().map_or(0, |requests| size_of::<Requests>() + requests.heap_bytes())
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, crate::SEMANTICS as u64);
        put_number(out, self.hint as u64);
        put_number(out, self.panels.len() as u64);
        self.panels.iter().for_each(|panel| panel.encode(out));
        out.push(u8::from(self.requests.is_some()));
        if let Some(requests) = &self.requests {
            requests.encode(out);
        }
        self.relations.encode(out);
    }

    /// Reads what [`Baseline::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut from = Reader::new(bytes);
        if from.number()? != crate::SEMANTICS as u64 {
            return Err(from.corrupt("state of other semantics"));
        }
        let mut baseline = Baseline { hint: from.number32()? as usize, ..Baseline::default() };
        for _ in 0..from.count()? {
            baseline.panels.push(Panel::decode(&mut from)?);
        }
        if from.byte()? == 1 {
            baseline.requests = Some(Box::new(Requests::decode(&mut from)?));
        }
        baseline.relations = Relations::decode(&mut from)?;
        if from.is_empty() { Ok(baseline) } else { Err(from.corrupt("bytes beyond the end")) }
    }
}
