//! Control: what people tell the running system.

use crate::Text;
use serde::{Deserialize, Serialize};

/// One control record, keyed by `kind/id` on a compacted topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Control<'a> {
    /// Whose estate.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// What is asked.
    pub kind: ControlKind,
    /// Identifier within the kind.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Which entities: `key=value,…` over cluster, namespace, workload, kind, name; empty for all.
    #[serde(borrow)]
    pub selector: Text<'a>,
    /// The kind's argument (on, off, a label, a digest).
    #[serde(borrow)]
    pub value: Text<'a>,
    /// Who.
    #[serde(borrow)]
    pub author: Text<'a>,
    /// Why.
    #[serde(borrow)]
    pub reason: Text<'a>,
    /// When it was said, milliseconds.
    pub at: i64,
    /// When it stops counting, milliseconds; 0 for never.
    pub expires_at: i64,
}

impl Control<'_> {
    /// The same record, independent of the bytes it was decoded from.
    pub fn to_owned(&self) -> Control<'static> {
        Control {
            tenant: self.tenant.clone().into_owned(),
            kind: self.kind,
            id: self.id.clone().into_owned(),
            selector: self.selector.clone().into_owned(),
            value: self.value.clone().into_owned(),
            author: self.author.clone().into_owned(),
            reason: self.reason.clone().into_owned(),
            at: self.at,
            expires_at: self.expires_at,
        }
    }
}

/// What a control record asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ControlKind {
    /// Stop or allow every action.
    KillSwitch,
    /// Do not alert on what the selector matches.
    #[default]
    Mute,
    /// A person's judgement of an anomaly or incident.
    Label,
    /// Consent to one command, by digest.
    Approval,
    /// Refusal of one command, by digest.
    Rejection,
    /// What is now is the new normal.
    AcceptNewNormal,
    /// Something a later version names; never obeyed.
    Other,
}
