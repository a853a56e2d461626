//! What flows between Bellbuoy's jobs: Avro schemas, their Rust types, and the codec between them.
//!
//! Every published version of every schema is a file under `schemas/avro/<name>/v<N>.avsc` and is never edited.

pub mod anomaly;
mod blob;
pub mod catalogue;
pub mod codec;
pub mod command;
pub mod control;
pub mod dead_letter;
pub mod entity;
mod error;
pub mod glob;
pub mod hostile;
pub mod incident;
pub mod json;
pub mod notification;
pub mod object;
pub mod pod;
pub mod provenance;
pub mod registry;
pub mod result;
pub mod selector;
pub mod signal;
pub mod signing;
mod text;
mod tick;

pub use anomaly::{
    Anomaly, AnomalyBody, AnomalyRecord, Band, Family, Handover, Logic, Related, Relation, Resync, TaskName, TaskTick,
    Term,
};
pub use blob::Blob;
pub use catalogue::{Published, SchemaName, list};
pub use codec::Record;
pub use command::{
    Action, Command, Intent, Mode, Parameter, Policy, Precondition, RiskClass, Rollback, Signature, Target,
    TargetWorkload, VerifyPredicate,
};
pub use control::{Control, ControlKind};
pub use dead_letter::DeadLetter;
pub use entity::{Confidence, Entity, EntityKind};
pub use error::SchemaError;
pub use incident::{
    AnomalyId, BlastRadius, Cause, Incident, IncidentBody, IncidentRecord, IncidentState, Link, Member, Notice,
    TimelineEntry, TimelineKind,
};
pub use notification::{Notification, NotificationBody};
pub use object::{ObjectLabel, ObjectRecord, OwnerReference};
pub use provenance::OffsetRange;
pub use registry::{Report, check};
pub use result::{ApiOperation, ApprovalGiven, CommandResult, Refusal, RefusalRule, ResultState, Verification};
pub use selector::Selector;
pub use signal::Signal;
pub use text::Text;
