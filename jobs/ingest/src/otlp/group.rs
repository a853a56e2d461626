//! One signal in the making: the samples of one instance of one entity, merged and freed of double spellings.
//!
//! Invariant: every item given to a group ends up in its signal or in the returned counts.

use crate::otlp::catalogue::Merge;
use crate::otlp::resource::Subject;
use crate::reading::{DropReason, Reading};
use rustc_hash::{FxHashMap, FxHashSet};
use schemas::signal::{Body, Distribution, MetricSamples, Quality, Sample, SampleKind};
use schemas::{Signal, Text};

/// A signal in the making. Times of its samples are absolute until it is finished.
pub struct Group {
    signal: Signal<'static>,
    body: MetricSamples<'static>,
    samples: Vec<Origin>,
    distributions: Vec<Origin>,
    index: FxHashMap<Key, usize>,
    /// Whether a time of the payload was not believed.
    pub skewed: bool,
    /// Whether a limit cut something off.
    pub truncated: bool,
}

/// Where a sample comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// How many items it carries.
    pub items: u64,
    /// Whether an old spelling named it.
    pub old: bool,
    /// Whether attributes were dropped, so that it may meet its equals.
    pub collapsed: bool,
}

/// Old spelling, measure, attributes, time, distribution.
type Key = (bool, Text<'static>, Text<'static>, i64, bool);

impl Group {
    /// An empty group; `signal` has everything but times and body.
    pub fn new(signal: Signal<'static>, subject: &Subject) -> Self {
        let text = |text: &String| Text::from(text.clone());
        Group {
            signal,
            body: MetricSamples {
                scope: text(&subject.scope),
                instance: text(&subject.instance),
                node: text(&subject.node),
                ..MetricSamples::default()
            },
            samples: Vec::new(),
            distributions: Vec::new(),
            index: FxHashMap::default(),
            skewed: false,
            truncated: false,
        }
    }

    /// Adds a sample, or merges it into its equal.
    pub fn sample(
        &mut self,
        sample: Sample<'static>,
        origin: Origin,
        merge: Merge,
        limit: usize,
    ) -> Result<(), DropReason> {
        let key = (origin.old, sample.measure.clone(), sample.attributes.clone(), sample.time_offset, false);
        let Some(&at) = self.index.get(&key) else {
            self.room(limit)?;
            self.index.insert(key, self.samples.len());
            self.body.samples.push(sample);
            self.samples.push(origin);
            return Ok(());
        };
        let (Some(kept), Some(first)) = (self.body.samples.get_mut(at), self.samples.get_mut(at)) else {
            return Err(DropReason::Duplicate);
        };
        if !origin.collapsed && !first.collapsed {
            return Err(DropReason::Duplicate);
        }
        merge_into(kept, sample, merge)?;
        first.items += origin.items;
        Ok(())
    }

    /// Adds a distribution; those that differ only by dropped attributes merge where their buckets are the same.
    pub fn distribution(
        &mut self,
        distribution: Distribution<'static>,
        origin: Origin,
        limit: usize,
    ) -> Result<(), DropReason> {
        let measure = distribution.measure.clone();
        let key = (origin.old, measure, distribution.attributes.clone(), distribution.time_offset, true);
        let Some(&at) = self.index.get(&key) else {
            self.room(limit)?;
            self.index.insert(key, self.distributions.len());
            self.body.distributions.push(distribution);
            self.distributions.push(origin);
            return Ok(());
        };
        let (Some(kept), Some(first)) = (self.body.distributions.get_mut(at), self.distributions.get_mut(at)) else {
            return Err(DropReason::Duplicate);
        };
        if !origin.collapsed && !first.collapsed {
            return Err(DropReason::Duplicate);
        }
        let alike = kept.kind == distribution.kind
            && kept.bounds == distribution.bounds
            && kept.counts.len() == distribution.counts.len()
            && (kept.scale, kept.first_bucket) == (distribution.scale, distribution.first_bucket);
        if !alike {
            return Err(DropReason::Ambiguous);
        }
        kept.count = kept.count.saturating_add(distribution.count);
        kept.zero_count = kept.zero_count.saturating_add(distribution.zero_count);
        kept.sum += distribution.sum;
        kept.start_time = kept.start_time.max(distribution.start_time);
        for (count, more) in kept.counts.iter_mut().zip(&distribution.counts) {
            *count = count.saturating_add(*more);
        }
        first.items += origin.items;
        Ok(())
    }

    /// Finishes the signal and hands it to the reading; a group without samples leaves nothing.
    pub fn finish(mut self, out: &mut Reading) {
        self.drop_superseded(out);
        let samples = self.body.samples.iter().map(|sample| sample.time_offset);
        let distributions = self.body.distributions.iter().map(|distribution| distribution.time_offset);
        let Some(newest) = samples.chain(distributions).max() else { return };
        for sample in &mut self.body.samples {
            sample.time_offset -= newest;
        }
        for distribution in &mut self.body.distributions {
            distribution.time_offset -= newest;
        }
        if self.skewed {
            self.signal.quality.push(Quality::Skewed);
        }
        if self.truncated {
            self.signal.quality.push(Quality::Truncated);
        }
        self.signal.quality.sort_unstable();
        self.signal.event_time = newest;
        self.signal.body = Body::MetricSamples(self.body);
        out.carry(self.signal, self.samples.iter().chain(&self.distributions).map(|origin| origin.items).sum());
    }

    fn room(&mut self, limit: usize) -> Result<(), DropReason> {
        if self.samples.len() + self.distributions.len() >= limit {
            self.truncated = true;
            return Err(DropReason::Overflow);
        }
        Ok(())
    }

    /// Where the new spelling of a series is here too, the old one goes, or its baseline would see everything twice.
    fn drop_superseded(&mut self, out: &mut Reading) {
        if self.samples.iter().all(|origin| !origin.old) {
            return;
        }
        let series = |sample: &Sample<'static>| (sample.measure.clone(), sample.attributes.clone());
        let new: FxHashSet<_> = self
            .body
            .samples
            .iter()
            .zip(&self.samples)
            .filter(|(_, origin)| !origin.old)
            .map(|(s, _)| series(s))
            .collect();
        let samples = std::mem::take(&mut self.body.samples);
        let origins = std::mem::take(&mut self.samples);
        for (sample, origin) in samples.into_iter().zip(origins) {
            if origin.old && new.contains(&series(&sample)) {
                out.drop_items(DropReason::Superseded, origin.items);
            } else {
                self.body.samples.push(sample);
                self.samples.push(origin);
            }
        }
    }
}

fn merge_into(kept: &mut Sample<'static>, other: Sample<'static>, merge: Merge) -> Result<(), DropReason> {
    if other.kind == SampleKind::Stale {
        // One of several merged series has ended; the others go on.
        return Ok(());
    }
    if kept.kind == SampleKind::Stale {
        *kept = other;
        return Ok(());
    }
    if kept.kind != other.kind || kept.unit != other.unit {
        return Err(DropReason::Ambiguous);
    }
    let value = match (merge, kept.kind) {
        (Merge::Sum, _) | (Merge::Counters, SampleKind::Counter | SampleKind::Delta) => kept.value + other.value,
        (Merge::Max, _) => kept.value.max(other.value),
        (Merge::Counters, _) => return Err(DropReason::Ambiguous),
    };
    if !value.is_finite() {
        return Err(DropReason::NotFinite);
    }
    kept.value = value;
    // The youngest beginning, so that a reset of any part is a reset of the whole.
    kept.start_time = kept.start_time.max(other.start_time);
    Ok(())
}
