//! Topics of ours read whole, for commands that show what stands in them.

use crate::error::Error;
use crate::site::Site;
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
