//! Topics of ours read whole, for commands that show what stands in them.

use crate::error::Error;
use crate::site::Site;
use bytes::Bytes;
use engine::log::{Record, TopicPartition, TopicReader};
use topics::Topic;

/// Gives every record of a topic, partition by partition, to `take`.
pub(crate) fn each(
    site: &Site,
    topic: &Topic,
    take: impl FnMut(&TopicPartition, &Record) -> Result<(), Error>,
) -> Result<(), Error> {
    // A topic that is not there is told with what brings it.
    site.topic(topic.name)?;
    TopicReader::new(topic.name).read_on(&*site.log, take)
}

/// Every value of a topic that is no tombstone, partition by partition.
pub(crate) fn values(site: &Site, topic: &Topic) -> Result<Vec<Bytes>, Error> {
    let mut values = Vec::new();
    each(site, topic, |_, record| {
        values.extend(record.value.clone());
        Ok(())
    })?;
    Ok(values)
}
