//! What a task gives out: messages, numbered in the order of the input that caused them.
//!
//! Invariant: number and digest depend on the task's log prefix and logic only, never on where an epoch, transaction,
//! flush or checkpoint ends.

use crate::log::{Headers, Message};
use crate::task::TaskId;
use schemas::Logic;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;

/// One message a job wants to send.
#[derive(Clone)]
pub struct Output {
    /// The input position that caused it.
    pub at: i64,
    /// Which operator, where several give output for one input; outputs of one operator keep their order.
    pub operator: u16,
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: u32,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Headers.
    pub headers: Headers,
    /// Value.
    pub payload: Payload,
}

/// Makes the value of an output once its number is known.
pub type Encode = dyn Fn(&Stamp) -> Vec<u8>;

/// The value of an output.
#[derive(Clone)]
pub enum Payload {
    /// Bytes, or a tombstone.
    Ready(Option<Vec<u8>>),
    /// Bytes that carry the output's own number.
    Stamped(Rc<Encode>),
}

/// What the engine knows of an output when it numbers it.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Producing task.
    pub task: TaskId,
    /// Number of tasks of the job.
    pub tasks: u32,
    /// Position in the task's output, from 0.
    pub out_seq: i64,
    /// The task's logic.
    pub logic: Logic,
}

impl Output {
    /// Turns the output into the message to send.
    pub fn stamp(self, stamp: &Stamp) -> Message {
        let value = match self.payload {
            Payload::Ready(value) => value,
            Payload::Stamped(encode) => Some(encode(stamp)),
        };
        Message {
            topic: self.topic,
            partition: self.partition,
            key: self.key,
            headers: self.headers,
            value,
            timestamp: None,
        }
    }
}

/// A running SHA-256 over everything a task has given out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes in one message: its place, key, headers and value, each length-prefixed.
    pub fn update(&mut self, message: &Message) {
        let mut hash = Sha256::new();
        hash.update(self.0);
        let mut part = |bytes: Option<&[u8]>| {
            hash.update(bytes.map_or(u64::MAX, |b| b.len() as u64).to_le_bytes());
            hash.update(bytes.unwrap_or_default());
        };
        part(Some(message.topic.as_bytes()));
        part(Some(&message.partition.to_le_bytes()));
        part(message.key.as_deref());
        part(message.value.as_deref());
        for (name, value) in &message.headers {
            part(Some(name.as_bytes()));
            part(Some(value));
        }
        self.0 = hash.finalize().into();
    }

    /// Takes in another digest, to make one of several tasks'.
    pub fn combine(&mut self, other: &Digest) {
        self.0 = Sha256::new().chain_update(self.0).chain_update(other.0).finalize().into();
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("{text:?} is not a digest of 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(error());
        }
        let mut digest = Digest::default();
        for (byte, at) in digest.0.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| error())?;
        }
        Ok(digest)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
