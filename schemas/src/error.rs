//! What may be wrong with a record, told so that the reader of a dead letter knows what to do.

use crate::SchemaName;

/// Why bytes are not a record, or a value is not encodable.
///
/// Every variant of decoding is about data: the record belongs on the dead-letter topic, retrying does not help.
/// Only [`SchemaError::UnknownFingerprint`] may be cured, by running a newer version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The record is shorter than its ten-byte header.
    #[error("record: {len} bytes are too few, a record starts with a header of 10 (C3 01 and a fingerprint)")]
    TooShort {
        /// Length of the record.
        len: usize,
    },
    /// The record does not start with `C3 01`.
    #[error("record: starts with {found:02X?}, an Avro single-object record starts with [C3, 01]")]
    BadMagic {
        /// The first two bytes.
        found: [u8; 2],
    },
    /// No published version of any schema has this fingerprint.
    #[error(
        "record: fingerprint {found:016x} is of no schema this version knows; it was written by a newer version or by something else"
    )]
    UnknownFingerprint {
        /// The fingerprint in the header.
        found: u64,
    },
    /// The record is of another published schema than the one asked for.
    #[error("{name} record: is of schema {found} version {version}; it is on the wrong topic")]
    OtherSchema {
        /// The schema asked for.
        name: SchemaName,
        /// The schema the record is of.
        found: SchemaName,
        /// Its version.
        version: u32,
    },
    /// The body does not follow the schema its header names.
    #[error("{name} record version {version}: {detail}")]
    Malformed {
        /// The schema asked for.
        name: SchemaName,
        /// The version the header names.
        version: u32,
        /// What is wrong.
        detail: String,
    },
    /// Bytes follow the body.
    #[error("{name} record version {version}: bytes follow its end, none are allowed")]
    TrailingBytes {
        /// The schema asked for.
        name: SchemaName,
        /// The version the header names.
        version: u32,
    },
    /// The value does not fit its schema.
    #[error("{name} value: cannot be encoded: {detail}")]
    Unencodable {
        /// The schema.
        name: SchemaName,
        /// What does not fit.
        detail: String,
    },
    /// Two published versions of a schema cannot read each other.
    #[error("schema {name}: version {reader} cannot read what version {writer} wrote: {detail}")]
    Incompatible {
        /// The schema.
        name: String,
        /// Version that wrote.
        writer: u32,
        /// Version that reads.
        reader: u32,
        /// What differs.
        detail: String,
    },
    /// A published schema is not valid Avro, or not what was published.
    #[error("schema {name} version {version}: {detail}")]
    Invalid {
        /// The schema.
        name: String,
        /// Its version.
        version: u32,
        /// What is wrong.
        detail: String,
    },
}
