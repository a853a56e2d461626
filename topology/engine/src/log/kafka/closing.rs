//! A member's client, whose end is waited for, but not for ever.
//!
//! A group that has ended drops what it is told without a word (`rd_kafka_cgrp_op_serve`), and whoever told it waits
//! without a limit. A question of the group that is still on its way when it ends can so hold the thread that closes the
//! client. That thread is then left behind: the group has ended, so it sends nothing any more, and it goes with the process.

use super::rebalance::Rebalances;
use rdkafka::consumer::BaseConsumer;
use std::ops::Deref;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long closing may take: several requests to a cluster that is slow.
const PATIENCE: Duration = Duration::from_secs(15);

/// The client of a member.
pub(super) struct Closing(Option<BaseConsumer<Rebalances>>);

impl Closing {
    pub(super) fn new(consumer: BaseConsumer<Rebalances>) -> Self {
        Closing(Some(consumer))
    }
}

impl Deref for Closing {
    type Target = BaseConsumer<Rebalances>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is taken away only when it is dropped")
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let Some(consumer) = self.0.take() else { return };
        let (told, ended) = channel();
        let close = move || {
            drop(consumer);
            // Whoever waited may be gone.
            let _ = told.send(());
        };
        let started = std::thread::Builder::new().name("kafka closing".to_owned()).spawn(close);
        // Without a thread it was closed where it was dropped: with the closure.
        if started.is_ok() && ended.recv_timeout(PATIENCE).is_err() {
            tracing::error!("leaving a group did not end within {PATIENCE:?}; what waits for it is left behind");
        }
    }
}
