//! The chain of results: each record carries the hash of the one before it, so a missing or altered one is found.

use crate::error::ActuateError;
use engine::log::{Log, Message, TopicReader};
use schemas::{CommandResult, Record as _, ResultState, Text};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use topics::declared::RESULTS;

/// One actuator's chain, as far as it was written.
#[derive(Debug)]
pub(crate) struct Chain {
    name: String,
    next: i64,
    previous: String,
    /// What has been said of each command, by whomever.
    told: BTreeMap<String, ResultState>,
}

impl Chain {
    /// Reads the results topic to its end.
    pub(crate) fn load(log: &dyn Log, name: &str) -> Result<Self, ActuateError> {
        let mut chain = Chain { name: name.to_owned(), next: 0, previous: String::new(), told: BTreeMap::new() };
        TopicReader::new(RESULTS.name).read_on(log, |_, record| {
            if let Some(value) = &record.value {
                chain.learn(&CommandResult::decode(value)?);
            }
            Ok::<(), ActuateError>(())
        })?;
        Ok(chain)
    }

    fn learn(&mut self, result: &CommandResult<'_>) {
        self.told.insert(result.command.to_string(), result.state);
        if result.chain == self.name.as_str() && result.chain_seq >= self.next {
            self.next = result.chain_seq + 1;
            self.previous = result.hash.to_string();
        }
    }

    /// What was last said of a command.
    pub(crate) fn told(&self, command: &str) -> Option<ResultState> {
        self.told.get(command).copied()
    }

    /// Appends a result; where that fails the chain is as it was, and the result can be appended again.
    pub(crate) fn append(&mut self, log: &dyn Log, mut result: CommandResult<'_>) -> Result<(), ActuateError> {
        result.chain = self.name.clone().into();
        result.chain_seq = self.next;
        result.previous_hash = self.previous.clone().into();
        result.hash = Text::default();
        result.hash = hash(&result)?.into();
        let key = topics::cluster_key(&result.tenant, &result.cluster);
        let partitions = log.topic(RESULTS.name)?.spec.partitions;
        let message = Message {
            topic: RESULTS.name.into(),
            partition: topics::partition_for(key.as_bytes(), partitions),
            key: Some(key.into_bytes()),
            value: Some(result.encode()?),
            ..Message::default()
        };
        // Anew each time: of two actuators of one name the later fences the earlier, and an error leaves nothing open.
        let mut producer = log.producer(&format!("bellbuoy-actuate-{}", self.name))?;
        producer.begin()?;
        producer.send(message)?;
        producer.commit(&[], None)?;
        self.learn(&result);
        Ok(())
    }
}

/// `sha256:` and hex over a result whose hash is empty.
fn hash(result: &CommandResult<'_>) -> Result<String, ActuateError> {
    Ok(format!("sha256:{}", schemas::signing::hex(&Sha256::digest(result.encode()?))))
}

/// The first record of a chain that does not fit the one before it: its position, and why.
pub fn first_fault<'a>(results: impl IntoIterator<Item = &'a CommandResult<'a>>) -> Option<(i64, String)> {
    let (mut next, mut previous) = (0, String::new());
    for result in results {
        let bare = CommandResult { hash: Text::default(), ..result.clone() };
        if result.chain_seq != next {
            return Some((result.chain_seq, format!("record {next} is missing")));
        }
        if result.previous_hash != previous.as_str() {
            return Some((next, "it does not carry the hash of the one before it".to_owned()));
        }
        if hash(&bare).ok().as_deref() != Some(result.hash.as_str()) {
            return Some((next, "its hash is not that of its content".to_owned()));
        }
        (next, previous) = (next + 1, result.hash.to_string());
    }
    None
}
