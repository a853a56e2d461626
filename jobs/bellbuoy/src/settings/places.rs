//! Where in a file each field stands, so that a fault found after reading can be shown where it is.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// Line and column, from 1.
pub(super) type Place = (u64, u64);

/// The place of every field by its path, as `lanes.detect`.
pub(super) fn places(text: &str) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    // A file that cannot be read has been refused before.
    if let Ok(node) = serde_saphyr::from_str::<Node>(text) {
        node.collect("", &mut places);
    }
    places
}

/// The place of a field, or of the nearest field around it that the file has.
pub(super) fn nearest(places: &BTreeMap<String, Place>, field: &str) -> Option<Place> {
    let mut path = field;
    loop {
        if let Some(place) = places.get(path) {
            return Some(*place);
        }
        path = path.rsplit_once('.')?.0;
    }
}

/// What a document is made of, as far as fields go.
enum Node {
    Fields(Vec<(Spanned<String>, Node)>),
    Other,
}

impl Node {
    fn collect(&self, path: &str, places: &mut BTreeMap<String, Place>) {
        let Node::Fields(fields) = self else { return };
        for (name, node) in fields {
            let path = if path.is_empty() { name.value.clone() } else { format!("{path}.{}", name.value) };
            places.insert(path.clone(), (name.referenced.line(), name.referenced.column()));
            node.collect(&path, places);
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nodes;
        impl<'de> Visitor<'de> for Nodes {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Node::Fields(fields))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Other)
            }
        }
        deserializer.deserialize_any(Nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_line_and_column() {
        let places = places("# first\nlanes:\n  detect: 2\ntopics: {a.b: {partitions: 3}}\nlist: [1, 2]\n");
        assert_eq!(places["lanes"], (2, 1));
        assert_eq!(places["lanes.detect"], (3, 3));
        assert_eq!(places["topics.a.b.partitions"], (4, 16));
        assert_eq!(nearest(&places, "lanes.ingest"), Some((2, 1)));
        assert_eq!(nearest(&places, "memory"), None);
    }
}
