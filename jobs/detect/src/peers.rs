//! What the peers of an entity do: who of a group ever used a key. One group a partition, kept by the caller.
//!
//! Invariant: bounded; the key used by fewest and longest ago goes first.

use crate::DetectError;
use crate::config::Novelty;
use crate::state::{Reader, put_number, put_signed};
use schemas::{Entity, EntityKind};
use std::collections::BTreeMap;

/// Users of a key that are told apart; beyond it they are many.
const USERS: usize = 16;

/// Which members of a group used which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerGroup {
    members: Vec<u32>,
    keys: BTreeMap<u64, Users>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Users {
    members: Vec<u32>,
    many: bool,
    last: i64,
}

/// How common a key is among the others of the group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Commonness {
    /// Others in the group.
    pub others: u32,
    /// Others that used the key; at least so many.
    pub users: u32,
}

/// Name of the group an entity belongs to: its namespace, or its class of principal.
pub fn group(entity: &Entity<'_>) -> String {
    if entity.kind != EntityKind::Principal {
        return format!("{}/{}", entity.kind.as_str(), entity.namespace);
    }
    let name = crate::sentence::principal(entity);
    let class = ["system:serviceaccount:", "system:node:", "system:"].into_iter().find(|class| name.starts_with(class));
    format!("principal/{}", class.unwrap_or("user:"))
}

impl PeerGroup {
    /// How common `key` is among those other than `member`; then `member` has used it too.
    pub fn learn(&mut self, member: u64, key: u64, time: i64, config: &Novelty) -> Commonness {
        let member = (member ^ member >> 32) as u32;
        let own = self.members.binary_search(&member);
        let others = self.members.len() - usize::from(own.is_ok());
        if let Err(at) = own
            && self.members.len() < config.group_members
        {
            self.members.insert(at, member);
        }
        if !self.keys.contains_key(&key) && self.keys.len() >= config.group_keys {
            self.forget_one();
        }
        let users = self.keys.entry(key).or_default();
        let known = users.members.binary_search(&member);
        let mut count = users.members.len() - usize::from(known.is_ok());
        if users.many {
            count = count.max(others / 2);
        }
        if let Err(at) = known {
            if users.members.len() < USERS {
                users.members.insert(at, member);
            } else {
                users.many = true;
            }
        }
        users.last = users.last.max(time);
        Commonness { others: others as u32, users: count.min(others) as u32 }
    }

    fn forget_one(&mut self) {
        let rarest = self.keys.iter().min_by_key(|(key, users)| (users.members.len(), users.last, **key));
        if let Some(key) = rarest.map(|(key, _)| *key) {
            self.keys.remove(&key);
        }
    }

    /// Bytes on the heap, estimated from the number of keys.
    pub fn heap_bytes(&self) -> usize {
        self.members.capacity() * 4 + self.keys.len() * (size_of::<Users>() + 16 + 24)
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_members(out, &self.members);
        put_number(out, self.keys.len() as u64);
        for (key, users) in &self.keys {
            put_number(out, *key);
            put_members(out, &users.members);
            out.push(u8::from(users.many));
            put_signed(out, users.last);
        }
    }

    /// Reads what [`PeerGroup::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut from = Reader::new(bytes);
        let mut group = PeerGroup { members: members(&mut from)?, keys: BTreeMap::new() };
        for _ in 0..from.count()? {
            let key = from.number()?;
            let users = Users { members: members(&mut from)?, many: from.byte()? == 1, last: from.signed()? };
            group.keys.insert(key, users);
        }
        if from.is_empty() { Ok(group) } else { Err(from.corrupt("bytes beyond the end")) }
    }
}

fn put_members(out: &mut Vec<u8>, members: &[u32]) {
    put_number(out, members.len() as u64);
    members.iter().for_each(|&member| out.extend_from_slice(&member.to_le_bytes()));
}

fn members(from: &mut Reader<'_>) -> Result<Vec<u32>, DetectError> {
    let count = from.count()?;
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = from.take(4)?;
        members.push(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_as_common_as_others_made_it() {
        let config = Novelty { group_keys: 3, ..Novelty::default() };
        let mut group = PeerGroup::default();
        assert_eq!(group.learn(1, 7, 0, &config), Commonness { others: 0, users: 0 });
        assert_eq!(group.learn(2, 7, 1, &config), Commonness { others: 1, users: 1 });
        assert_eq!(group.learn(3, 8, 2, &config), Commonness { others: 2, users: 0 });
        assert_eq!(group.learn(1, 7, 3, &config), Commonness { others: 2, users: 1 });
        for key in 100..200 {
            group.learn(4, key, 4, &config);
        }
        assert_eq!(group.keys.len(), 3);
        assert_eq!(group.learn(5, 7, 5, &config).users, 2);
        let mut bytes = Vec::new();
        group.encode(&mut bytes);
        assert_eq!(PeerGroup::decode(&bytes).unwrap(), group);
        for end in 0..bytes.len() {
            assert!(PeerGroup::decode(&bytes[..end]).is_err());
        }
    }
}
