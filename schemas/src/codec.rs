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
    AnomalyRecord, Command, CommandResult, Control, DeadLetter, IncidentRecord, ObjectRecord, SchemaError, SchemaName,
    Signal,
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
/// Levels of nesting a datum may have; the deepest schema has 8.
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
        let (published, datum) = open(bytes, Self::SCHEMA)?;
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
impl<'a> Record<'a> for Control<'a> {
    const SCHEMA: SchemaName = SchemaName::Control;
}

/// Splits a record into the published version it was written in, of the schema asked for, and its datum.
pub(crate) fn open(bytes: &[u8], name: SchemaName) -> Result<(&'static Published, &[u8]), SchemaError> {
    let Some((header, datum)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(SchemaError::TooShort { name, len: bytes.len() });
    };
    let [m0, m1, fingerprint @ ..] = *header;
    if [m0, m1] != MAGIC {
        return Err(SchemaError::BadMagic { name, found: [m0, m1] });
    }
    let fingerprint = u64::from_le_bytes(fingerprint);
    let newest = current(name);
    if newest.fingerprint == fingerprint {
        return Ok((newest, datum));
    }
    match by_fingerprint(fingerprint) {
        Some(published) if published.name == name => Ok((published, datum)),
        Some(other) => Err(SchemaError::OtherSchema { name, found: other.name, version: other.version }),
        None => Err(SchemaError::UnknownFingerprint { name, found: fingerprint }),
    }
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
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&published.fingerprint.to_le_bytes());
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
