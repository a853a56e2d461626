//! What holds against a real Apache Kafka.
//!
//! `KAFKA_BOOTSTRAP` names a cluster to use; otherwise one is started and ended. Everything made there is removed again.

mod contract;
mod deploys;
mod doctor;
mod faults;
#[path = "../installation/mod.rs"]
mod installation;
mod security;
mod site;
mod stops;

use rig::kafka::{Kafka, available};
use std::sync::OnceLock;

/// The cluster of this suite, or none where this machine cannot have one, which is said.
fn cluster() -> Option<&'static Kafka> {
    static CLUSTER: OnceLock<Option<Kafka>> = OnceLock::new();
    let started = CLUSTER.get_or_init(|| {
        if std::env::var_os("KAFKA_BOOTSTRAP").is_none() && !rig::provided(available()) {
            return None;
        }
        Some(Kafka::from_env_or_start().expect("a cluster starts"))
    });
    started.as_ref()
}
