//! What flows between Bellbuoy's jobs: Avro schemas, their Rust types, and the codec between them.
//!
//! Every published version of every schema is a file under `schemas/avro/<name>/v<N>.avsc` and is never edited.

pub mod anomaly;
pub mod catalogue;
pub mod codec;
pub mod control;
pub mod dead_letter;
pub mod entity;
mod error;
pub mod provenance;
pub mod signal;
mod text;

pub use anomaly::{
    Anomaly, AnomalyBody, AnomalyRecord, Band, Family, Handover, Logic, Resync, TaskName, TaskTick, Term,
};
pub use catalogue::{Published, SchemaName, list};
pub use codec::Record;
pub use control::{Control, ControlKind};
pub use entity::{Confidence, Entity, EntityKind};
pub use error::SchemaError;
pub use provenance::OffsetRange;
pub use signal::Signal;
pub use text::Text;
