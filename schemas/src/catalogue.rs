//! The catalogue of published schemas: every version of every schema, once.
//!
//! Invariant: a published version is never edited. `golden/fingerprints.txt` pins what was published, a test compares.

use serde_avro_fast::Schema;
use std::fmt;
use std::sync::OnceLock;

/// The schemas that flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaName {
    /// [`crate::Signal`].
    Signal,
    /// [`crate::AnomalyRecord`].
    Anomaly,
    /// [`crate::IncidentRecord`].
    Incident,
    /// [`crate::Command`].
    Command,
    /// [`crate::CommandResult`].
    Result,
    /// [`crate::Notification`].
    Notification,
    /// [`crate::Control`].
    Control,
    /// [`crate::ObjectRecord`].
    Object,
    /// [`crate::DeadLetter`].
    DeadLetter,
}

impl SchemaName {
    /// Every schema, in the order data meets them.
    pub const ALL: [SchemaName; 9] = [
        SchemaName::Signal,
        SchemaName::Anomaly,
        SchemaName::Incident,
        SchemaName::Command,
        SchemaName::Result,
        SchemaName::Notification,
        SchemaName::Control,
        SchemaName::Object,
        SchemaName::DeadLetter,
    ];

    /// The word used in folders, topics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            SchemaName::Signal => "signal",
            SchemaName::Anomaly => "anomaly",
            SchemaName::Incident => "incident",
            SchemaName::Command => "command",
            SchemaName::Result => "result",
            SchemaName::Notification => "notification",
            SchemaName::Control => "control",
            SchemaName::Object => "object",
            SchemaName::DeadLetter => "dead_letter",
        }
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One published version of one schema.
#[derive(Debug)]
pub struct Published {
    /// Which schema.
    pub name: SchemaName,
    /// Which version, from 1.
    pub version: u32,
    /// CRC-64-AVRO (Rabin) of the schema's parsing canonical form.
    pub fingerprint: u64,
    /// The schema as it was published.
    pub text: &'static str,
    /// What the codec works with.
    pub(crate) schema: Schema,
}

/// Every published version, oldest first within a schema. Publishing a version is a file and a line here.
const PUBLISHED: &[(SchemaName, u32, &str)] = &[
    (SchemaName::Signal, 1, include_str!("../avro/signal/v1.avsc")),
    (SchemaName::Signal, 2, include_str!("../avro/signal/v2.avsc")),
    (SchemaName::Anomaly, 1, include_str!("../avro/anomaly/v1.avsc")),
    (SchemaName::Anomaly, 2, include_str!("../avro/anomaly/v2.avsc")),
    (SchemaName::Incident, 1, include_str!("../avro/incident/v1.avsc")),
    (SchemaName::Incident, 2, include_str!("../avro/incident/v2.avsc")),
    (SchemaName::Command, 1, include_str!("../avro/command/v1.avsc")),
    (SchemaName::Result, 1, include_str!("../avro/result/v1.avsc")),
    (SchemaName::Notification, 1, include_str!("../avro/notification/v1.avsc")),
    (SchemaName::Control, 1, include_str!("../avro/control/v1.avsc")),
    (SchemaName::Object, 1, include_str!("../avro/object/v1.avsc")),
    (SchemaName::DeadLetter, 1, include_str!("../avro/dead_letter/v1.avsc")),
];

/// Every published version of every schema.
pub fn list() -> &'static [Published] {
    static LIST: OnceLock<Vec<Published>> = OnceLock::new();
    LIST.get_or_init(|| PUBLISHED.iter().map(|&(name, version, text)| parse(name, version, text)).collect())
}

/// The version a schema's records are written in: its newest.
pub(crate) fn current(name: SchemaName) -> &'static Published {
    static CURRENT: OnceLock<Vec<&'static Published>> = OnceLock::new();
    let current = CURRENT.get_or_init(|| {
        let newest = |name| list().iter().rfind(|p| p.name == name);
        SchemaName::ALL
            .iter()
            .map(|&name| newest(name).expect("every schema has a published version, a test reads each"))
            .collect()
    });
    current[name as usize]
}

/// The version with this fingerprint, of whatever schema.
pub(crate) fn by_fingerprint(fingerprint: u64) -> Option<&'static Published> {
    list().iter().find(|p| p.fingerprint == fingerprint)
}

fn parse(name: SchemaName, version: u32, text: &'static str) -> Published {
    let schema: Schema = text.parse().expect("the texts are compiled in, and a test parses each");
    Published { name, version, fingerprint: u64::from_le_bytes(*schema.rabin_fingerprint()), text, schema }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_listed_at_its_index_and_has_a_version() {
        for (index, name) in SchemaName::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, index);
            assert_eq!(current(name).name, name);
        }
    }

    #[test]
    fn versions_of_a_schema_count_from_one() {
        for name in SchemaName::ALL {
            let versions: Vec<u32> = list().iter().filter(|p| p.name == name).map(|p| p.version).collect();
            assert_eq!(versions, (1..=versions.len() as u32).collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn fingerprints_differ_and_are_what_another_implementation_computes() {
        for (index, published) in list().iter().enumerate() {
            let other = apache_avro::Schema::parse_str(published.text).unwrap();
            let bytes = other.fingerprint::<apache_avro::rabin::Rabin>().bytes;
            assert_eq!(published.fingerprint.to_le_bytes().to_vec(), bytes, "{}", published.name);
            assert!(list()[..index].iter().all(|earlier| earlier.fingerprint != published.fingerprint));
        }
    }
}
