//! Alertmanager: version 2 of its interface (`api/v2/openapi.yaml` of the Alertmanager).
//!
//! An alert is its labels. It ends by itself when nobody speaks of it any more, so it is told again while it goes on,
//! and told to be over with the same labels. Alerts go to every replica; silences, which replicas share, through one.

use super::http::{Access, Http, Request, check_url};
use super::{Failure, Target};
use crate::alert;
use crate::dispatch::{Delivery, Telling};
use crate::mutes::Mute;
use crate::silence::{Matcher, Silence, matchers};
use engine::span::Span;
use schemas::Incident;
use schemas::notification::{NoticeEvent, NoticeLabel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How long an alert lasts that nobody speaks of any more, milliseconds: several reminders.
const LASTS: i64 = 5 * 60_000;
/// A silence without an end ends at some time all the same, milliseconds.
const FOR_EVER: i64 = 3650 * 86_400_000;
/// How long a silence may already have ended before it is asked for, milliseconds.
const SOON: i64 = 1_000;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses of all its replicas, not of a balancer before them.
    pub urls: Vec<String>,
    /// Whether a mute of ours becomes a silence there.
    pub silence_mutes: bool,
    /// Time between two tellings of what goes on; it forgets what it does not hear of for five minutes.
    pub remind_every: Span,
    /// How it is trusted, and how one is known to it.
    pub access: Access,
}

impl Default for Config {
    fn default() -> Self {
        Config { urls: Vec::new(), silence_mutes: true, remind_every: Span::minutes(1), access: Access::default() }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if !(Span::seconds(1)..=Span::minutes(2)).contains(&self.remind_every) {
            return Err(("remind_every".to_owned(), "allowed is 1s to 2m".to_owned()));
        }
        if self.urls.is_empty() {
            return Err(("urls".to_owned(), "at least one address is needed".to_owned()));
        }
        self.urls.iter().try_for_each(|url| check_url("urls", url))
    }
}

pub(super) struct Alertmanager {
    config: Config,
    http: Http,
}

impl Alertmanager {
    pub(super) fn new(config: Config) -> Self {
        Alertmanager { http: Http::new(config.access.clone()), config }
    }

    /// Posts to every replica; well where one of them has it, for replicas tell each other what they sent.
    fn post(&mut self, alerts: &[Value]) -> Result<String, Failure> {
        if alerts.is_empty() {
            return Ok(String::new());
        }
        let body = Value::from(alerts).to_string();
        let mut answers = Vec::new();
        let mut failure = None;
        for url in &self.config.urls {
            let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
            let body = Some(("application/json", body.as_bytes()));
            match self.http.send(&Request { method: "POST", url: &url, headers: &[], body }) {
                Ok(_) => answers.push(format!("taken by {url}")),
                Err(one) => {
                    tracing::warn!("{url}: {}", one.message());
                    failure = Some(one);
                }
            }
        }
        match failure {
            Some(failure) if answers.is_empty() => Err(failure),
            _ => Ok(answers.join(", ")),
        }
    }

    fn ask(&mut self, method: &'static str, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        let mut last = Failure::later("there is no address");
        let text = body.map(ToString::to_string);
        for url in &self.config.urls {
            let url = format!("{}/api/v2/{path}", url.trim_end_matches('/'));
            let body = text.as_ref().map(|text| ("application/json", text.as_bytes()));
            match self.http.send(&Request { method, url: &url, headers: &[], body }) {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Every silence that is in force.
    fn active(&mut self) -> Result<Vec<Silence>, Failure> {
        let answer = self.ask("GET", "silences", None)?;
        let all: Vec<Told> = serde_json::from_str(&answer)
            .map_err(|error| Failure::later(format!("its silences cannot be read: {error}")))?;
        let active = all.into_iter().filter(|told| told.status.state == "active");
        let silence = |told: Told| Silence {
            id: told.id,
            matchers: told.matchers,
            author: told.created_by,
            comment: told.comment,
        };
        Ok(active.map(silence).collect())
    }
}

/// A silence as it is told there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: String,
    matchers: Vec<Matcher>,
    created_by: String,
    comment: String,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    state: String,
}

impl Target for Alertmanager {
    fn look(&mut self) -> Result<String, Failure> {
        let active = self.active()?;
        Ok(format!("it answers and has {}", alert::many(active.len() as i64, "silence")))
    }

    fn send(&mut self, delivery: &Delivery) -> Result<String, Failure> {
        let mut alerts = Vec::new();
        for telling in &delivery.tellings {
            let over = delivery.event == NoticeEvent::Closed;
            let labels = told_labels(telling);
            if labels != telling.notice.labels {
                // Another grade is another alert: the one before ends.
                alerts.push(alert(telling, &telling.notice.labels, true, delivery.now)?);
            }
            alerts.push(alert(telling, &labels, over, delivery.now)?);
        }
        self.post(&alerts)
    }

    fn remind(&mut self, open: &[Telling], now: i64) -> Result<(), Failure> {
        let alerts: Result<Vec<Value>, Failure> =
            open.iter().map(|telling| alert(telling, &telling.notice.labels, false, now)).collect();
        self.post(&alerts?).map(drop)
    }

    fn silences(&mut self, mutes: &[Mute], now: i64) -> Result<Vec<Silence>, Failure> {
        let active = self.active()?;
        if !self.config.silence_mutes {
            return Ok(active);
        }
        let wanted: Vec<(String, &Mute, Vec<Matcher>)> = mutes
            .iter()
            .filter(|mute| mute.expires_at == 0 || mute.expires_at > now + SOON)
            .filter_map(|mute| Some((mark(mute), mute, matchers(&mute.tenant, &mute.selector)?)))
            .collect();
        let mut changed = false;
        for silence in active.iter().filter(|silence| silence.comment.contains(MARK)) {
            if !wanted.iter().any(|(mark, ..)| silence.comment.ends_with(mark)) {
                self.ask("DELETE", &format!("silence/{}", silence.id), None)?;
                changed = true;
            }
        }
        for (mark, mute, matchers) in wanted {
            if active.iter().any(|silence| silence.comment.ends_with(&mark)) {
                continue;
            }
            let ends = if mute.expires_at == 0 { now + FOR_EVER } else { mute.expires_at };
            let silence = json!({
                "matchers": matchers,
                "startsAt": alert::time(now),
                "endsAt": alert::time(ends),
                "createdBy": if mute.author.is_empty() { "bellbuoy" } else { &mute.author },
                "comment": format!("{} {mark}", mute.reason),
            });
            self.ask("POST", "silences", Some(&silence))?;
            changed = true;
        }
        if changed { self.active() } else { Ok(active) }
    }
}

/// What our own silences' comments have.
const MARK: &str = "[bellbuoy mute ";

/// How a silence of ours is known: another saying of the mute is another silence.
fn mark(mute: &Mute) -> String {
    format!("{MARK}{}/{} of {}]", mute.tenant, mute.id, mute.at)
}

/// The labels it is told with now, which differ from those before where it has become graver.
fn told_labels(telling: &Telling) -> Vec<NoticeLabel<'static>> {
    let mut labels = telling.notice.labels.clone();
    for label in labels.iter_mut().filter(|label| label.name == "severity") {
        label.value = telling.notice.severity.clone();
    }
    labels
}

fn alert(telling: &Telling, labels: &[NoticeLabel<'static>], over: bool, now: i64) -> Result<Value, Failure> {
    let labels: Map<String, Value> =
        labels.iter().map(|label| (label.name.to_string(), label.value.as_str().into())).collect();
    telling.read(|incident: &Incident<'_>| {
        let ends = if over { now } else { now + LASTS };
        json!({
            "labels": labels,
            "annotations": {
                "summary": incident.sentence,
                "description": alert::details(incident).join("\n"),
                "score": format!("{:.1}", incident.severity),
                "anomalies": incident.members_total.to_string(),
            },
            "startsAt": alert::time(incident.onset.min(ends)),
            "endsAt": alert::time(ends),
        })
    })
}
