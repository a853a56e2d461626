//! What people asked on the control topic not to hear of.

use crate::error::NotifyError;
use engine::log::{Limit, Log, TopicPartition};
use schemas::{Control, ControlKind, Record as _};
use std::collections::BTreeMap;
use topics::declared::CONTROL;

/// How much is read at a time.
const READ: Limit = Limit { records: 1000, bytes: 4 << 20 };

/// Somebody's wish not to hear of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mute {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) selector: String,
    pub(crate) author: String,
    pub(crate) reason: String,
    /// When it was said, milliseconds.
    pub(crate) at: i64,
    /// When it stops counting, milliseconds; 0 for never.
    pub(crate) expires_at: i64,
}

/// Every mute, and how far the topic was read.
#[derive(Debug, Default)]
pub(crate) struct Mutes {
    by_key: BTreeMap<Vec<u8>, Mute>,
    next: BTreeMap<u32, i64>,
}

impl Mutes {
    /// Reads on to the end of the topic; an error leaves what is known as it is.
    pub(crate) fn read_on(&mut self, log: &dyn Log) -> Result<(), NotifyError> {
        for partition in 0..log.topic(CONTROL.name)?.spec.partitions {
            let at = TopicPartition::new(CONTROL.name, partition);
            let start = log.bounds(&at)?.start;
            let next = self.next.entry(partition).or_insert(start);
            *next = (*next).max(start);
            loop {
                let batch = log.read(&at, *next, READ)?;
                for record in &batch.records {
                    let key = record.key.as_deref().unwrap_or_default().to_vec();
                    let said = record.value.as_ref().map(|value| Control::decode(value));
                    match said {
                        None => drop(self.by_key.remove(&key)),
                        Some(Ok(control)) if control.kind != ControlKind::Mute => {}
                        Some(Ok(control)) if control.value == "off" => drop(self.by_key.remove(&key)),
                        Some(Ok(control)) => drop(self.by_key.insert(key, mute(&control))),
                        Some(Err(error)) => tracing::warn!("a control record cannot be read: {error}"),
                    }
                }
                *next = batch.next;
                if batch.next >= batch.end {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Those that count now.
    pub(crate) fn in_force(&self, now: i64) -> Vec<Mute> {
        let counts = |mute: &&Mute| mute.expires_at == 0 || now < mute.expires_at;
        self.by_key.values().filter(counts).cloned().collect()
    }
}

fn mute(control: &Control<'_>) -> Mute {
    Mute {
        tenant: control.tenant.to_string(),
        id: control.id.to_string(),
        selector: control.selector.to_string(),
        author: control.author.to_string(),
        reason: control.reason.to_string(),
        at: control.at,
        expires_at: control.expires_at,
    }
}
