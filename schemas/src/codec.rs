//! The codec: records to bytes and back, in Avro's single-object encoding.
//!
//! A record is `C3 01`, the eight bytes of its schema's CRC-64-AVRO fingerprint (little-endian), and the Avro datum.
//! It names the version it was written in, so decoding needs no registry. Decoding borrows text from the bytes.
//!
//! Invariant: no bytes make a decoder panic, recurse without bound, or allocate more than a small multiple of their length.
//!
//! ```
//! use schemas::{Record, Signal};
//! let bytes = Signal { tenant: "shop".into(), ..Signal::default() }.encode()?;
//! assert_eq!(Signal::decode(&bytes)?.tenant, "shop");
//! # Ok::<(), schemas::SchemaError>(())
//! ```

use crate::catalogue::{Published, by_fingerprint, current};
use crate::{
    AnomalyRecord, Command, CommandResult, Control, DeadLetter, IncidentRecord, Notification, ObjectRecord,
    SchemaError, SchemaName, Signal,
};
use serde::{Deserialize, Serialize};
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;
use std::cell::RefCell;
use std::io::Read;

/// First bytes of every record.
const MAGIC: [u8; 2] = [0xC3, 0x01];
/// Magic and fingerprint.
const HEADER: usize = 10;
/// Levels of nesting a datum may have; no schema is recursive, and the fullest golden values stay within it.
const DEPTH: usize = 24;

/// A type that flows: encoded in the newest version of its schema, decoded from any published one.
pub trait Record<'a>: Serialize + Deserialize<'a> {
    /// Its schema.
    const SCHEMA: SchemaName;

    /// Encodes into new bytes.
    fn encode(&self) -> Result<Vec<u8>, SchemaError> {
        let mut bytes = Vec::with_capacity(256);
        self.encode_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends the encoded record; leaves `bytes` as they were where the value cannot be encoded.
    fn encode_into(&self, bytes: &mut Vec<u8>) -> Result<(), SchemaError> {
        let start = bytes.len();
        encode_datum(self, Self::SCHEMA, bytes).inspect_err(|_| bytes.truncate(start))
    }

    /// Decodes a whole record, borrowing its text.
    fn decode(bytes: &'a [u8]) -> Result<Self, SchemaError> {
        let (published, datum) = open_as(bytes, Self::SCHEMA)?;
        decode_datum(published, datum)
    }
}

impl<'a> Record<'a> for Signal<'a> {
    const SCHEMA: SchemaName = SchemaName::Signal;
}
impl<'a> Record<'a> for AnomalyRecord<'a> {
    const SCHEMA: SchemaName = SchemaName::Anomaly;
}
impl<'a> Record<'a> for Command<'a> {
    const SCHEMA: SchemaName = SchemaName::Command;
}
impl<'a> Record<'a> for CommandResult<'a> {
    const SCHEMA: SchemaName = SchemaName::Result;
}
impl<'a> Record<'a> for DeadLetter<'a> {
    const SCHEMA: SchemaName = SchemaName::DeadLetter;
}
impl<'a> Record<'a> for IncidentRecord<'a> {
    const SCHEMA: SchemaName = SchemaName::Incident;
}
impl<'a> Record<'a> for ObjectRecord<'a> {
    const SCHEMA: SchemaName = SchemaName::Object;
}
impl<'a> Record<'a> for Notification<'a> {
    const SCHEMA: SchemaName = SchemaName::Notification;
}
impl<'a> Record<'a> for Control<'a> {
    const SCHEMA: SchemaName = SchemaName::Control;
}

/// Splits a record into the published version it was written in and its datum.
pub(crate) fn open(bytes: &[u8]) -> Result<(&'static Published, &[u8]), SchemaError> {
    let (fingerprint, datum) = split(bytes)?;
    match by_fingerprint(fingerprint) {
        Some(published) => Ok((published, datum)),
        None => Err(SchemaError::UnknownFingerprint { found: fingerprint }),
    }
}

/// The same, for a record that must be of one schema.
fn open_as(bytes: &[u8], name: SchemaName) -> Result<(&'static Published, &[u8]), SchemaError> {
    let (fingerprint, datum) = split(bytes)?;
    let newest = current(name);
    if newest.fingerprint == fingerprint {
        return Ok((newest, datum));
    }
    match by_fingerprint(fingerprint) {
        Some(published) if published.name == name => Ok((published, datum)),
        Some(other) => Err(SchemaError::OtherSchema { name, found: other.name, version: other.version }),
        None => Err(SchemaError::UnknownFingerprint { found: fingerprint }),
    }
}

fn split(bytes: &[u8]) -> Result<(u64, &[u8]), SchemaError> {
    let Some((header, datum)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(SchemaError::TooShort { len: bytes.len() });
    };
    let [m0, m1, fingerprint @ ..] = *header;
    if [m0, m1] != MAGIC {
        return Err(SchemaError::BadMagic { found: [m0, m1] });
    }
    Ok((u64::from_le_bytes(fingerprint), datum))
}

/// The first bytes of every record of one version.
pub(crate) fn header(fingerprint: u64) -> [u8; HEADER] {
    let [f0, f1, f2, f3, f4, f5, f6, f7] = fingerprint.to_le_bytes();
    let [m0, m1] = MAGIC;
    [m0, m1, f0, f1, f2, f3, f4, f5, f6, f7]
}

fn encode_datum<T: Serialize>(value: &T, name: SchemaName, bytes: &mut Vec<u8>) -> Result<(), SchemaError> {
    thread_local! {
        /// One per schema: it holds buffers worth keeping.
        static CONFIGS: RefCell<[Option<SerializerConfig<'static>>; SchemaName::ALL.len()]> =
            const { RefCell::new([const { None }; SchemaName::ALL.len()]) };
    }
    CONFIGS.with_borrow_mut(|configs| {
        let published = current(name);
        let config = configs[name as usize].get_or_insert_with(|| SerializerConfig::new(&published.schema));
        bytes.extend_from_slice(&header(published.fingerprint));
        match serde_avro_fast::to_datum(value, bytes, config) {
            Ok(_) => Ok(()),
            Err(error) => Err(SchemaError::Unencodable { name, detail: error.to_string() }),
        }
    })
}

fn decode_datum<'a, T: Deserialize<'a>>(published: &'static Published, datum: &'a [u8]) -> Result<T, SchemaError> {
    let mut config = DeserializerConfig::new(&published.schema);
    // No array element of ours is empty (a test reads the schemas), so an array is never longer than its bytes.
    config.max_seq_size = datum.len();
    config.allowed_depth = DEPTH;
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let (name, version) = (published.name, published.version);
    let value = T::deserialize(state.deserializer()).map_err(|error| SchemaError::Malformed {
        name,
        version,
        detail: error.to_string(),
    })?;
    match state.into_reader().read(&mut [0]) {
        Ok(0) => Ok(value),
        _ => Err(SchemaError::TrailingBytes { name, version }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal() -> Vec<u8> {
        Signal { tenant: "shop".into(), ..Signal::default() }.encode().unwrap()
    }

    #[test]
    fn a_record_is_magic_fingerprint_and_datum() {
        let bytes = signal();
        assert_eq!(bytes[..2], [0xC3, 0x01]);
        assert_eq!(bytes[2..10], current(SchemaName::Signal).fingerprint.to_le_bytes());
        assert_eq!(bytes[10..15], *b"\x08shop");
    }

    #[test]
    fn decoded_text_borrows_from_the_record() {
        let bytes = signal();
        let signal = Signal::decode(&bytes).unwrap();
        assert!(bytes.as_ptr_range().contains(&signal.tenant.as_str().as_ptr()));
    }

    #[test]
    fn encoding_appends_and_a_value_that_does_not_fit_leaves_nothing_behind() {
        let mut bytes = b"before".to_vec();
        Signal::default().encode_into(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"before\xC3\x01"));

        let mut bytes = b"before".to_vec();
        let error = Misfit { tenant: 7 }.encode_into(&mut bytes).unwrap_err();
        assert!(matches!(error, SchemaError::Unencodable { name: SchemaName::Control, .. }), "{error}");
        assert_eq!(bytes, b"before");
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let good = signal();
        let newest = current(SchemaName::Signal).version;
        let fault = |bytes: &[u8]| Signal::decode(bytes).unwrap_err();

        assert_eq!(fault(&good[..9]), SchemaError::TooShort { len: 9 });
        assert_eq!(fault(b"\x00\x00\x00\x00\x07 confluent"), SchemaError::BadMagic { found: [0, 0] });
        let mut unknown = good.clone();
        unknown[2] ^= 1;
        assert!(matches!(fault(&unknown), SchemaError::UnknownFingerprint { .. }));
        assert_eq!(
            fault(&Control::default().encode().unwrap()),
            SchemaError::OtherSchema { name: SchemaName::Signal, found: SchemaName::Control, version: 1 }
        );
        let mut trailing = good.clone();
        trailing.push(0);
        assert_eq!(fault(&trailing), SchemaError::TrailingBytes { name: SchemaName::Signal, version: newest });
        for end in HEADER..good.len() {
            let cut = fault(&good[..end]);
            assert!(matches!(cut, SchemaError::Malformed { version, .. } if version == newest), "cut at {end}");
        }
    }

    #[test]
    fn messages_say_what_is_wrong_and_what_is_allowed() {
        assert_eq!(
            SchemaError::BadMagic { found: [0, 0] }.to_string(),
            "record: starts with [00, 00], an Avro single-object record starts with [C3, 01]"
        );
    }

    #[derive(Serialize, Deserialize)]
    struct Misfit {
        tenant: i32,
    }
    impl Record<'_> for Misfit {
        const SCHEMA: SchemaName = SchemaName::Control;
    }
}
