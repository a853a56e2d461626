//! The cluster → objects: what exists in a cluster, since when, who owns it, and where it can be met.
//!
//! Lists and watches of the API server become records of the objects topic, one for each change of what they say.
//! Whatever it missed while it was away it sees when it lists again, and what is gone by then is told as gone.
//!
//! Invariant: it reads. Its account may get, list and watch, and nothing of it can change a cluster.

pub mod config;
mod error;
pub mod kinds;
pub mod manifests;
mod record;
mod run;
mod table;
mod watch;

pub use config::Config;
pub use error::ObserveError;
pub use run::run;
