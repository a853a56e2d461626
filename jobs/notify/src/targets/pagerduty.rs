//! PagerDuty: Events API v2.
//!
//! `https://developer.pagerduty.com/docs/events-api-v2/trigger-events/`. `dedup_key` makes every telling of one incident one
//! alert there: it is opened once, however often it is sent.

use super::http::{Access, Http, Request, check_url};
use super::{Failure, Target, secret};
use crate::alert;
use crate::dispatch::Delivery;
use schemas::notification::NoticeEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Longest `dedup_key`.
const LONGEST_KEY: usize = 255;
/// Longest `summary`.
const LONGEST_SUMMARY: usize = 1024;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A file with the integration's routing key, which is a secret.
    pub routing_key_file: PathBuf,
    /// The address of the Events API.
    pub url: String,
    /// How it is trusted.
    pub access: Access,
}

impl Default for Config {
    fn default() -> Self {
        let url = "https://events.pagerduty.com/v2/enqueue".to_owned();
        Config { routing_key_file: PathBuf::new(), url, access: Access::default() }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.routing_key_file.as_os_str().is_empty() {
            return Err(("routing_key_file".to_owned(), "a file with the routing key is needed".to_owned()));
        }
        check_url("url", &self.url)
    }
}

pub(super) struct PagerDuty {
    config: Config,
    http: Http,
}

impl PagerDuty {
    pub(super) fn new(config: Config) -> Self {
        PagerDuty { http: Http::new(config.access.clone()), config }
    }
}

impl Target for PagerDuty {
    fn look(&mut self) -> Result<String, Failure> {
        secret::read("routing_key_file", &self.config.routing_key_file).map(|_| "its key can be read".to_owned())
    }

    fn send(&mut self, delivery: &Delivery) -> Result<String, Failure> {
        let key = secret::read("routing_key_file", &self.config.routing_key_file)?;
        let mut event = event(delivery)?;
        event["routing_key"] = key.into();
        let body = event.to_string();
        let body = Some(("application/json", body.as_bytes()));
        self.http.send(&Request { method: "POST", url: &self.config.url, headers: &[], body })
    }
}

fn event(delivery: &Delivery) -> Result<Value, Failure> {
    let dedup: String = delivery.dedup.chars().take(LONGEST_KEY).collect();
    if delivery.event == NoticeEvent::Closed {
        return Ok(json!({"event_action": "resolve", "dedup_key": dedup}));
    }
    let first = delivery.first();
    let notice = &first.notice;
    let title: String = delivery.title()?.chars().take(LONGEST_SUMMARY).collect();
    let place = first.read(alert::place)?;
    Ok(json!({
        "event_action": "trigger",
        "dedup_key": dedup,
        "payload": {
            "summary": title,
            "source": place,
            "severity": delivery.severity(),
            "timestamp": alert::time(delivery.since()),
            "component": alert::label(notice, "entity"),
            "group": alert::label(notice, "namespace"),
            "class": alert::label(notice, "entity_kind"),
            "custom_details": {
                "incident": notice.incident,
                "cluster": notice.cluster,
                "tenant": notice.tenant,
                "lines": delivery.lines()?,
            },
        },
        "client": "Bellbuoy",
    }))
}
