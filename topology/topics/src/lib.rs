//! Topics: every topic that Bellbuoy writes or reads, declared once.
//!
//! Nobody writes a topic name twice: jobs take it from [`declared`], with its key, partitions, retention and schema.
//! [`diff()`] says what would have to change so that a log has them.

pub mod declared;
mod diff;
mod error;
mod key;
mod partition;
pub mod raw;
mod switches;
mod topic;

pub use declared::{ALL, find};
pub use diff::{Change, Existing, Wanted, diff, wanted};
pub use error::TopicError;
pub use key::{cluster_key, control_key, lock_domain, notification_key, object_key, signal_key};
pub use partition::{murmur2, partition_for};
pub use raw::{RAW, RawTopic};
pub use switches::{Switch, Switches};
pub use topic::{Cleanup, Topic};
