//! What is sent to a target next: one telling, or in a storm many as one.
//!
//! Invariant: within `per` a target is sent at most `at_most` messages. Half of them go one by one; when more is to be told
//! than that, the other half, spread over `per`, tells together what waits.

use crate::alert;
use crate::config::Target;
use crate::outbox::{Key, Outbox};
use crate::targets::Failure;
use bytes::Bytes;
use schemas::notification::{Notice, NoticeEvent, NoticeState};
use schemas::{Incident, IncidentBody, IncidentRecord, Record as _};
use std::collections::VecDeque;

/// Incidents in one message.
const MOST: usize = 200;
/// Incidents that a text of many names one by one.
const NAMED: usize = 20;

/// One incident that is told, as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) notice: Notice<'static>,
    /// Its record on the incidents topic.
    pub(crate) record: Bytes,
}

impl Telling {
    /// Reads the incident.
    pub(crate) fn read<T>(&self, take: impl FnOnce(&Incident<'_>) -> T) -> Result<T, Failure> {
        let unreadable = |what: String| Failure::Never { message: format!("its record cannot be read: {what}") };
        match IncidentRecord::decode(&self.record).map_err(|error| unreadable(error.to_string()))?.body {
            IncidentBody::Incident(incident) => Ok(take(&incident)),
            _ => Err(unreadable("it holds no incident".to_owned())),
        }
    }
}

/// What is sent at once.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) event: NoticeEvent,
    /// What the target knows the matter by.
    pub(crate) dedup: String,
    /// Never empty; the longest waiting first.
    pub(crate) tellings: Vec<Telling>,
    /// When it is sent, milliseconds.
    pub(crate) now: i64,
}

impl Delivery {
    /// The longest waiting of its incidents.
    pub(crate) fn first(&self) -> &Telling {
        self.tellings.first().expect("a delivery is made of at least one telling")
    }

    /// Its identity: the same for every attempt.
    pub(crate) fn id(&self) -> String {
        let first = &self.first().notice;
        if first.incident == self.dedup.as_str() {
            return format!("{}/{}", self.dedup, first.sequence);
        }
        format!("{}/{}/{}", self.dedup, first.incident, first.sequence)
    }

    /// Since when there is this to tell, milliseconds.
    pub(crate) fn since(&self) -> i64 {
        self.first().notice.since
    }

    /// The gravest grade in it.
    pub(crate) fn severity(&self) -> &str {
        let grades = self.tellings.iter().map(|telling| telling.notice.severity.as_str());
        grades.fold("", |gravest, grade| if alert::graver(grade, gravest) { grade } else { gravest })
    }

    /// One line for a person.
    pub(crate) fn title(&self) -> Result<String, Failure> {
        let word = match self.event {
            NoticeEvent::Opened => "opened",
            NoticeEvent::Worsened => "worse",
            NoticeEvent::Closed => "over",
            NoticeEvent::Other => "changed",
        };
        if self.tellings.len() > 1 {
            return Ok(format!("{} incidents {word}, the gravest {}", self.tellings.len(), self.severity()));
        }
        let first = self.first();
        let sentence = |incident: &Incident<'_>| {
            let over = if self.event != NoticeEvent::Closed && first.notice.over { " (over by now)" } else { "" };
            format!("[{} {word}] {}: {}{over}", first.notice.severity, alert::place(incident), incident.sentence)
        };
        first.read(sentence)
    }

    /// More lines.
    pub(crate) fn lines(&self) -> Result<Vec<String>, Failure> {
        if self.tellings.len() == 1 {
            return self.first().read(alert::details);
        }
        let named = self
            .tellings
            .iter()
            .take(NAMED)
            .map(|telling| telling.read(|incident| format!("{}: {}", alert::place(incident), incident.sentence)));
        let mut lines: Vec<String> = named.collect::<Result<_, _>>()?;
        if self.tellings.len() > NAMED {
            lines.push(format!("and {} more", self.tellings.len() - NAMED));
        }
        Ok(lines)
    }
}

/// How much a target may still be sent.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// When messages were sent, the latest last.
    sent: VecDeque<i64>,
    /// When the last one was sent that was more than there was room for.
    crowded_at: Option<i64>,
}

impl Allowance {
    /// What is remembered of messages that were sent, so that a restart gives nobody more.
    pub(crate) fn remembered<'o>(notices: impl Iterator<Item = (&'o Key, &'o Notice<'static>)>) -> Self {
        let sent = notices.filter(|(_, notice)| notice.state == NoticeState::Sent && !notice.answer.is_empty());
        let mut times: Vec<(i64, &str)> = sent.map(|(_, notice)| (notice.at, notice.dedup.as_str())).collect();
        times.sort_unstable();
        // Those of a digest were one message.
        times.dedup();
        let crowded_at = times.iter().rev().find(|(_, dedup)| is_digest(dedup)).map(|(at, _)| *at);
        Allowance { sent: times.into_iter().map(|(at, _)| at).collect(), crowded_at }
    }

    /// How many may be sent one by one now; the other half is for what comes when there is more.
    fn room(&mut self, target: &Target, now: i64) -> usize {
        while self.sent.front().is_some_and(|at| now - at >= target.per.millis()) {
            self.sent.pop_front();
        }
        (target.at_most as usize).saturating_sub(reserve(target) + self.sent.len())
    }

    /// Whether one more may be sent where there is no room: they are so far apart that the other half lasts.
    fn may_crowd(&self, target: &Target, now: i64) -> bool {
        let apart = target.per.millis() / (reserve(target).max(1) as i64);
        (self.sent.len() < target.at_most as usize) && self.crowded_at.is_none_or(|last| now - last >= apart)
    }

    /// One is sent.
    pub(crate) fn spend(&mut self, now: i64, crowded: bool) {
        self.sent.push_back(now);
        if crowded {
            self.crowded_at = Some(now);
        }
    }
}

/// Messages that are kept for digests.
fn reserve(target: &Target) -> usize {
    target.at_most as usize / 2
}

/// What a target is sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) event: NoticeEvent,
    /// What the target knows the matter by.
    pub(crate) dedup: String,
    /// Of which notices.
    pub(crate) keys: Vec<Key>,
    /// True where there was more to tell than there was room for.
    pub(crate) crowded: bool,
}

/// What a target is sent next, if anything.
pub(crate) fn choose(outbox: &Outbox, target: &Target, allowance: &mut Allowance, now: i64) -> Option<Chosen> {
    let mut pending: Vec<(&Key, &Notice<'static>)> = outbox
        .of(&target.name)
        .filter(|(_, notice)| notice.state == NoticeState::Pending && notice.event != NoticeEvent::Other)
        .collect();
    pending.sort_by_key(|(key, notice)| (notice.since, (*key).clone()));
    let (_, notice) = *pending.first()?;
    let of_event = |event: NoticeEvent| pending.iter().filter(move |(_, notice)| notice.event == event);
    let (event, dedup) = (notice.event, notice.dedup.to_string());
    // An Alertmanager groups and limits by itself, and takes many alerts in one message.
    if target.to.is_alertmanager() {
        let keys = of_event(event).take(MOST).map(|(key, _)| (*key).clone()).collect();
        return Some(Chosen { event, dedup, keys, crowded: false });
    }
    let crowded = pending.len() > allowance.room(target, now);
    if crowded && !allowance.may_crowd(target, now) {
        return None;
    }
    let opened: Vec<Key> = of_event(NoticeEvent::Opened)
        .filter(|(_, notice)| !is_digest(&notice.dedup))
        .take(MOST)
        .map(|(key, _)| (*key).clone())
        .collect();
    if crowded && opened.len() > 1 {
        let first = &outbox.notices[&opened[0]];
        let dedup = format!("{DIGEST}{}/{}/{}", target.name, first.incident, first.sequence);
        return Some(Chosen { event: NoticeEvent::Opened, dedup, keys: opened, crowded });
    }
    // What was begun as a digest is sent as that one, whatever else has come since.
    let together = of_event(event).filter(|(_, other)| other.dedup == notice.dedup);
    let keys = together.map(|(key, _)| (*key).clone()).collect();
    Some(Chosen { event, dedup, keys, crowded })
}

/// How what a digest is known by begins.
const DIGEST: &str = "digest/";

fn is_digest(dedup: &str) -> bool {
    dedup.starts_with(DIGEST)
}

/// True where other incidents that a target knows by the same go on, so that it must not hear that the matter is over.
pub(crate) fn goes_on(outbox: &Outbox, key: &Key, notice: &Notice<'_>) -> bool {
    is_digest(&notice.dedup)
        && outbox
            .of(&key.target)
            .any(|(other, its)| other != key && its.dedup == notice.dedup && its.event != NoticeEvent::Closed)
}
