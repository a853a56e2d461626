//! What people asked on the control topic not to hear of.

use crate::error::NotifyError;
use engine::log::{Log, TopicReader};
use schemas::{Control, ControlKind, Record as _};
use std::collections::BTreeMap;
use topics::declared::CONTROL;

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
#[derive(Debug)]
pub(crate) struct Mutes {
    by_key: BTreeMap<Vec<u8>, Mute>,
    control: TopicReader,
}

impl Default for Mutes {
    fn default() -> Self {
        Mutes { by_key: BTreeMap::new(), control: TopicReader::new(CONTROL.name) }
    }
}

impl Mutes {
    /// Reads on to the end of the topic; an error leaves what is known as it is.
    pub(crate) fn read_on(&mut self, log: &dyn Log) -> Result<(), NotifyError> {
        let by_key = &mut self.by_key;
        self.control.read_on(log, |_, record| {
            let key = record.key.as_deref().unwrap_or_default().to_vec();
            match record.value.as_ref().map(|value| Control::decode(value)) {
                None => drop(by_key.remove(&key)),
                Some(Ok(control)) if control.kind != ControlKind::Mute => {}
                Some(Ok(control)) if control.value == "off" => drop(by_key.remove(&key)),
                Some(Ok(control)) => drop(by_key.insert(key, mute(&control))),
                Some(Err(error)) => tracing::warn!("a control record cannot be read: {error}"),
            }
            Ok(())
        })
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
