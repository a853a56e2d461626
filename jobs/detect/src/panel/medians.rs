//! The values of a row: for each series the median over the instances that are not warming up.

use super::Panel;
use super::instance::{ABSENT, Instance};
use crate::Counts;
use crate::catalogue::Class;
use crate::config::Config;

impl Panel {
    /// Medians over the instances that are not warming up, into `values`; how many these are, and how many are young.
    pub(super) fn take_medians(&mut self, count: usize, config: &Config, counts: &mut Counts) -> (usize, usize) {
        if config.rows.count_instances
            && self.count_series.is_none()
            && self.instances.iter().any(|instance| !instance.name.is_empty())
        {
            self.count_series = self.layout.add_instances(config.limits.series);
        }
        let (since, open, warm_up) = (self.since, self.open, config.rows.warm_up);
        let warm = |instance: &&Instance| {
            instance.row == open && (instance.first_time <= since || instance.time - instance.first_time >= warm_up)
        };
        let settle = config.rows.settle;
        let (mut judged, mut young) = (0, 0);
        for instance in self.instances.iter().filter(warm) {
            judged += 1;
            young += usize::from(instance.first_time > since && instance.time - instance.first_time < settle);
        }
        let resting: u64 = self.instances.iter().filter(|i| i.row == open && !warm(i)).map(|i| u64::from(i.got)).sum();
        counts.warming += resting;
        if judged == 0 {
            return (0, 0);
        }
        self.values.clear();
        self.values.resize(self.layout.len(), ABSENT);
        if judged == 1 {
            if let Some(instance) = self.instances.iter().find(warm) {
                self.values.iter_mut().zip(&instance.values).for_each(|(value, own)| *value = *own);
            }
        } else {
            for (series, value) in self.values.iter_mut().enumerate() {
                self.scratch.clear();
                let all = self.instances.iter().filter(warm).filter_map(|instance| instance.values.get(series));
                self.scratch.extend(all.filter(|own| !own.is_nan()));
                *value = median(&mut self.scratch);
            }
        }
        for (series, value) in self.values.iter_mut().enumerate() {
            if self.layout.class(series) != Class::Numeric {
                *value = ABSENT;
            }
        }
        if let Some(series) = self.count_series {
            self.values[series] = count as f64;
        }
        (judged, young)
    }
}

/// The middle value, or the mean of the two in the middle; absent where there is none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values {
        [] => ABSENT,
        _ if values.len() % 2 == 1 => values[values.len() / 2],
        _ => 0.5 * (values[values.len() / 2 - 1] + values[values.len() / 2]),
    }
}
