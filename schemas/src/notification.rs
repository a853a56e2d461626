//! Notifications: what people have been told of incidents, as `notify` remembers it.
//!
//! The topic is compacted and is the notifier's whole memory: intents are written before anything is sent, outcomes after.

use crate::Text;
use serde::{Deserialize, Serialize};

/// One record of the notifications topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notification<'a> {
    /// Name of the notifier.
    #[serde(borrow)]
    pub notifier: Text<'a>,
    /// The content.
    #[serde(borrow)]
    pub body: NotificationBody<'a>,
}

/// What the notifications topic carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NotificationBody<'a> {
    /// How far the incidents topic has been read.
    Position(Position),
    /// What one target is told of one incident. Boxed, because it is many times larger than the other.
    #[serde(borrow)]
    Notice(Box<Notice<'a>>),
}

impl Default for NotificationBody<'_> {
    fn default() -> Self {
        NotificationBody::Position(Position::default())
    }
}

/// How far the incidents topic has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which partition of it.
    pub partition: i32,
    /// Offset at which reading goes on.
    pub next: i64,
}

/// What one target is told of one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice<'a> {
    /// Name of the target.
    #[serde(borrow)]
    pub target: Text<'a>,
    /// Whose estate.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// Identifier of the incident.
    #[serde(borrow)]
    pub incident: Text<'a>,
    /// The newest change of the incident that is known.
    pub revision: i32,
    /// Where that change stands in the incidents topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// True once the incident has ended.
    pub over: bool,
    /// What there is to tell.
    pub event: NoticeEvent,
    /// How far telling it has come.
    pub state: NoticeState,
    /// Number of this telling, from 1: with `dedup` its identity.
    pub sequence: i32,
    /// What the target knows the matter by; several incidents of a digest share one.
    #[serde(borrow)]
    pub dedup: Text<'a>,
    /// The grade it is told with: info, warning or critical.
    #[serde(borrow)]
    pub severity: Text<'a>,
    /// The alert's identity, frozen when it was first told, sorted by name.
    #[serde(borrow)]
    pub labels: Vec<NoticeLabel<'a>>,
    /// When there was this to tell, milliseconds.
    pub since: i64,
    /// When its state was last decided, milliseconds.
    pub at: i64,
    /// What the target said, or why nothing is sent.
    #[serde(borrow)]
    pub answer: Text<'a>,
}

/// What there is to tell of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeEvent {
    /// It begins, or begins again.
    #[default]
    Opened,
    /// It has become graver.
    Worsened,
    /// It is over.
    Closed,
    /// Something a later version names.
    Other,
}

/// How far telling something has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeState {
    /// Somebody asked not to hear of it.
    Withheld,
    /// It is to be sent, and may have been.
    #[default]
    Pending,
    /// The target has it.
    Sent,
    /// The target will not have it.
    Refused,
    /// Something a later version names.
    Other,
}

/// One label of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoticeLabel<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Text<'a>,
}
