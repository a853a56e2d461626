//! Whom people are told through: one file each.

pub mod alertmanager;
mod http;
pub mod pagerduty;
mod secret;
pub mod slack;
pub mod webhook;

use crate::dispatch::{Delivery, Telling};
use crate::mutes::Mute;
use crate::silence::Silence;
use engine::span::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a target is, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Prometheus' Alertmanager, version 2 of its interface.
    Alertmanager(alertmanager::Config),
    /// Anything that takes CloudEvents.
    Webhook(webhook::Config),
    /// An incoming webhook of Slack, or of what speaks like it.
    Slack(slack::Config),
    /// PagerDuty's Events API, version 2.
    PagerDuty(pagerduty::Config),
}

impl Kind {
    /// Puts it to work.
    pub(crate) fn target(&self) -> Box<dyn Target> {
        match self {
            Kind::Alertmanager(config) => Box::new(alertmanager::Alertmanager::new(config.clone())),
            Kind::Webhook(config) => Box::new(webhook::Webhook::new(config.clone())),
            Kind::Slack(config) => Box::new(slack::Slack::new(config.clone())),
            Kind::PagerDuty(config) => Box::new(pagerduty::PagerDuty::new(config.clone())),
        }
    }

    /// Checks what the types cannot: the field, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        let (name, checked) = match self {
            Kind::Alertmanager(config) => ("alertmanager", config.check()),
            Kind::Webhook(config) => ("webhook", config.check()),
            Kind::Slack(config) => ("slack", config.check()),
            Kind::PagerDuty(config) => ("pagerduty", config.check()),
        };
        checked.map_err(|(field, message)| (format!("{name}.{field}"), message))
    }

    /// True for what groups, limits and silences by itself, and forgets what it is not reminded of.
    pub(crate) fn is_alertmanager(&self) -> bool {
        self.remind_every().is_some()
    }

    /// Time between two tellings of what goes on, for what forgets.
    pub(crate) fn remind_every(&self) -> Option<Span> {
        match self {
            Kind::Alertmanager(config) => Some(config.remind_every),
            _ => None,
        }
    }
}

/// Somebody to tell. Its calls block, so each target has a thread of its own.
pub(crate) trait Target: Send {
    /// Tells it; what it answered.
    fn send(&mut self, delivery: &Delivery) -> Result<String, Failure>;

    /// Looks whether it can be told, without telling anything; what was seen.
    fn look(&mut self) -> Result<String, Failure>;

    /// Reminds it of what goes on. Most targets remember by themselves.
    fn remind(&mut self, _open: &[Telling], _now: i64) -> Result<(), Failure> {
        Ok(())
    }

    /// Makes its silences those that people asked for here, and says which there are. Most targets have none.
    fn silences(&mut self, _mutes: &[Mute], _now: i64) -> Result<Vec<Silence>, Failure> {
        Ok(Vec::new())
    }
}

/// Why something was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may be taken later, at the earliest after a while where the target said so.
    Later { message: String, after: Option<Duration> },
    /// It would be refused again.
    Never { message: String },
}

impl Failure {
    pub(crate) fn later(message: impl Into<String>) -> Self {
        Failure::Later { message: message.into(), after: None }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Failure::Later { message, .. } | Failure::Never { message } => message,
        }
    }
}
