//! Entities as correlation holds them: a number made from the name, and the name for people.
//!
//! Invariant: the number is a function of the name within its cluster only, so it is the same in every process and replay.

use schemas::{Entity, EntityKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An entity's number: eight bytes of the SHA-256 of its name.
pub type EntityId = u64;

/// Eight bytes of a SHA-256 over length-prefixed parts.
pub fn hash64(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    u64::from_le_bytes(bytes[..8].try_into().expect("eight of thirty-two bytes"))
}

/// An entity, independent of the record it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Named {
    /// The class of entity.
    pub kind: EntityKind,
    /// Kubernetes namespace, or empty.
    pub namespace: String,
    /// Kubernetes kind of a workload, or empty.
    pub workload_kind: String,
    /// Name within its namespace.
    pub name: String,
}

impl Named {
    /// The entity of a record.
    pub fn new(entity: &Entity<'_>) -> Self {
        Named {
            kind: entity.kind,
            namespace: entity.namespace.to_string(),
            workload_kind: entity.workload_kind.to_string(),
            name: entity.name.to_string(),
        }
    }

    /// Its number.
    pub fn id(&self) -> EntityId {
        hash64(&[
            self.kind.as_str().as_bytes(),
            self.namespace.as_bytes(),
            self.workload_kind.as_bytes(),
            self.name.as_bytes(),
        ])
    }

    /// As a record has it.
    pub fn to_entity(&self) -> Entity<'static> {
        Entity {
            kind: self.kind,
            namespace: self.namespace.clone().into(),
            workload_kind: self.workload_kind.clone().into(),
            name: self.name.clone().into(),
        }
    }

    /// As people call it: `workload shop/cart`.
    pub fn called(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{} {}", self.kind.as_str(), self.name),
            namespace => format!("{} {namespace}/{}", self.kind.as_str(), self.name),
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.namespace.len() + self.workload_kind.len() + self.name.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(hash64(&[b"ab", b"c"]), hash64(&[b"a", b"bc"]));
        let entity = |namespace: &str, name: &str| Named {
            kind: EntityKind::Workload,
            namespace: namespace.into(),
            workload_kind: "Deployment".into(),
            name: name.into(),
        };
        assert_ne!(entity("shop", "cart").id(), entity("shopc", "art").id());
        assert_eq!(entity("shop", "cart").called(), "workload shop/cart");
    }
}
