//! What a task stores: what it keeps besides its clusters, and the memory of each cluster.
//!
//! Invariant: numbers come back bit for bit, so that a restored task goes on as the one that was stored.

use crate::memory::Memory;
use crate::notice::Mute;
use crate::rounds::Rounds;
use engine::state::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a task keeps besides its clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// Records whose round may not be complete.
    pub(crate) rounds: Rounds,
    /// Tenant and cluster of everything that was ever told of.
    pub(crate) clusters: BTreeSet<(String, String)>,
    /// Mutes by tenant and identity.
    pub(crate) mutes: BTreeMap<(String, String), Mute>,
    /// Control records that were passed on: kind, tenant and identity, and when they were said.
    pub(crate) passed: BTreeMap<(u8, String, String), i64>,
}

impl Value for Root {
    fn encode(&self, out: &mut Vec<u8>) {
        put(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        taken(bytes)
    }

    fn heap_bytes(&self) -> usize {
        self.rounds.heap_bytes() + 256 * (self.clusters.len() + self.mutes.len() + self.passed.len())
    }
}

impl Value for Memory {
    fn encode(&self, out: &mut Vec<u8>) {
        put(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        taken(bytes)
    }

    fn heap_bytes(&self) -> usize {
        Memory::heap_bytes(self)
    }
}

fn put(value: &impl Serialize, out: &mut Vec<u8>) {
    out.extend(postcard::to_stdvec(value).expect("collections of numbers and texts always serialize"));
}

fn taken<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}
