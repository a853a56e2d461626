//! Reading the incidents topic: each change of an incident once, in the order of its partition.

use crate::error::NotifyError;
use bytes::Bytes;
use engine::log::{Limit, Log, TopicPartition};
use schemas::{IncidentBody, IncidentRecord, Record as _};
use std::collections::BTreeMap;
use topics::declared::INCIDENTS;

/// How much of a partition is read at a time.
const READ: Limit = Limit { records: 500, bytes: 8 << 20 };

/// What a partition had to say.
#[derive(Debug)]
pub(crate) enum Said {
    /// An incident changed; the bytes hold one.
    Change { partition: u32, offset: i64, record: Bytes },
    /// A task recovered with another output than it had published: of its partition only these incidents go on.
    OnlyOpen { partition: u32, open: Vec<String> },
}

/// Where reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    next: BTreeMap<u32, i64>,
}

impl Reader {
    /// Goes on where an earlier one was.
    pub(crate) fn at(positions: &BTreeMap<u32, i64>) -> Self {
        Reader { next: positions.clone() }
    }

    /// Where it is.
    pub(crate) fn positions(&self) -> &BTreeMap<u32, i64> {
        &self.next
    }

    /// Reads some of each partition; true where there is more.
    pub(crate) fn read(&mut self, log: &dyn Log, said: &mut Vec<Said>) -> Result<bool, NotifyError> {
        let mut more = false;
        for partition in 0..log.topic(INCIDENTS.name)?.spec.partitions {
            let at = TopicPartition::new(INCIDENTS.name, partition);
            let start = log.bounds(&at)?.start;
            let next = self.next.entry(partition).or_insert(start);
            if *next < start {
                let (from, to) = (*next, start);
                tracing::error!(partition, from, to, "incidents were removed before they could be told");
                *next = start;
            }
            let batch = log.read(&at, *next, READ)?;
            for record in batch.records {
                let Some(value) = record.value else { continue };
                match IncidentRecord::decode(&value) {
                    Ok(incident) => match incident.body {
                        IncidentBody::Incident(_) => {
                            said.push(Said::Change { partition, offset: record.offset, record: value.clone() });
                        }
                        IncidentBody::Resync(resync) => {
                            let open = resync.open.iter().map(ToString::to_string).collect();
                            said.push(Said::OnlyOpen { partition, open });
                        }
                        _ => {}
                    },
                    // It stays on its topic, for whoever reads a later version.
                    Err(error) => {
                        tracing::error!(partition, offset = record.offset, "an incident is not told: {error}")
                    }
                }
            }
            more |= batch.next < batch.end;
            *next = batch.next;
        }
        Ok(more)
    }
}
