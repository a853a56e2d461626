//! What a notifier has told and what waits, for people who ask. Reading disturbs no notifier that runs.

use crate::alert;
use crate::error::NotifyError;
use crate::outbox::recall;
use engine::log::Log;
use serde::Serialize;

/// What one target was last told of one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Name of the target.
    pub target: String,
    /// Cluster of the incident.
    pub cluster: String,
    /// Its identifier.
    pub incident: String,
    /// What there was to tell: opened, worsened, closed.
    pub event: String,
    /// How far that has come: withheld, pending, sent, refused.
    pub state: String,
    /// The grade it was told with.
    pub severity: String,
    /// When that was decided, in UTC.
    pub at: String,
    /// What the target said, or why nothing was sent.
    pub answer: String,
}

/// Everything a notifier remembers, the latest first.
pub fn read(log: &dyn Log, notifier: &str) -> Result<Vec<Told>, NotifyError> {
    let mut notices: Vec<_> = recall(log, notifier)?.notices.into_values().collect();
    notices.sort_by_key(|notice| std::cmp::Reverse(notice.at));
    let told = |notice: schemas::notification::Notice<'static>| Told {
        target: notice.target.to_string(),
        cluster: notice.cluster.to_string(),
        incident: notice.incident.to_string(),
        event: format!("{:?}", notice.event).to_lowercase(),
        state: format!("{:?}", notice.state).to_lowercase(),
        severity: notice.severity.to_string(),
        at: alert::time(notice.at),
        answer: notice.answer.to_string(),
    };
    Ok(notices.into_iter().map(told).collect())
}
