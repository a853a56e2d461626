//! What a lane shows of itself.

use super::Lane;

impl Lane {
    /// Shows how far the lane is.
    pub(super) fn observe(&self) {
        let metrics = &self.environment.metrics;
        metrics.partitions.with_label_values(&[self.member.as_str()]).set(self.tasks.len() as i64);
        let (mut bytes, mut values) = (0, 0);
        for (partition, task) in &self.tasks {
            let labels = [&*partition.topic, &partition.partition.to_string()];
            let end = self.ends.get(partition).copied().unwrap_or(task.processed);
            metrics.lag_records.with_label_values(&labels).set((end - task.processed).max(0));
            bytes += task.context.cache_bytes();
            values += task.cached_values();
        }
        metrics.state_bytes.with_label_values(&[self.member.as_str()]).set(bytes as i64);
        metrics.cached_values.with_label_values(&[self.member.as_str()]).set(values as i64);
    }
}

impl Drop for Lane {
    /// Closes the tasks first: once the consumer has left, another lane may open their stores.
    fn drop(&mut self) {
        for partition in self.partitions() {
            self.close_task(&partition);
        }
    }
}
