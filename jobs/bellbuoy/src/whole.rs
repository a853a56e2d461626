//! Topics of ours read whole, for commands that show what stands in them.

use crate::error::Error;
use crate::site::Site;
use engine::log::{Limit, Record, TopicPartition};
use topics::Topic;

/// How much is read at a time.
const READ: Limit = Limit { records: 1000, bytes: 4 << 20 };

/// Gives every record of a topic, partition by partition, to `take`.
pub(crate) fn each(
    site: &Site,
    topic: &Topic,
    mut take: impl FnMut(&TopicPartition, &Record) -> Result<(), Error>,
) -> Result<(), Error> {
    for partition in 0..site.topic(topic.name)?.spec.partitions {
        let partition = TopicPartition::new(topic.name, partition);
        let mut from = site.log.bounds(&partition)?.start;
        loop {
            let batch = site.log.read(&partition, from, READ)?;
            for record in &batch.records {
                take(&partition, record)?;
            }
            from = batch.next;
            if batch.next >= batch.end {
                break;
            }
        }
    }
    Ok(())
}
