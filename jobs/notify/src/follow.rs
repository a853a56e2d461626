//! What there is to tell a target of an incident: one step from what it was told to what is so now.
//!
//! Invariant: an incident is opened at a target once, until it was told to be over; what was never told to have begun is
//! never told to be over.

use crate::alert;
use crate::config::{Config, Target};
use schemas::notification::{Notice, NoticeEvent, NoticeState};
use schemas::{Incident, Notice as Wish};

/// An incident as it stands after one change, and where that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'s, 'a> {
    pub(crate) incident: &'s Incident<'a>,
    pub(crate) over: bool,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What becomes of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It stays as it is.
    Stay,
    /// It is now this.
    Become(Box<Notice<'static>>),
    /// There is nothing to remember any more.
    Forget,
}

/// Takes in what is so now. `silence` says who does not want to hear of it.
pub(crate) fn follow(
    config: &Config,
    target: &Target,
    known: Option<&Notice<'static>>,
    seen: Seen<'_, '_>,
    silence: Option<&str>,
    now: i64,
) -> Next {
    let incident = seen.incident;
    let wanted = incident.notice == Wish::Notify
        && incident.severity >= target.least_severity
        && alert::touches(incident, &target.selector);
    let grade = alert::grade(incident.severity, &config.grades);
    let Some(known) = known else {
        if seen.over || !wanted {
            return Next::Stay;
        }
        return Next::Become(Box::new(opened(target, seen, grade, 1, silence, now)));
    };
    let mut next = Notice {
        revision: incident.revision,
        partition: seen.partition,
        offset: seen.offset,
        over: seen.over,
        ..known.clone()
    };
    let tell = |next: &mut Notice<'static>, event| {
        (next.event, next.state, next.sequence) = (event, NoticeState::Pending, known.sequence + 1);
        (next.since, next.at, next.answer) = (now, now, Default::default());
    };
    match (known.event, known.state) {
        (NoticeEvent::Opened, NoticeState::Withheld | NoticeState::Refused) if seen.over => {
            // It was told before where this is not the first time.
            return if known.sequence == 1 { Next::Forget } else { closed_silently(next, now) };
        }
        (NoticeEvent::Opened, NoticeState::Withheld) if wanted => match silence {
            Some(reason) => next.answer = reason.to_owned().into(),
            None => {
                next.state = NoticeState::Pending;
                (next.severity, next.labels) = (grade.into(), alert::labels(incident, grade));
                (next.since, next.at, next.answer) = (now, now, Default::default());
            }
        },
        (NoticeEvent::Opened | NoticeEvent::Worsened, NoticeState::Sent)
        | (NoticeEvent::Worsened, NoticeState::Refused) => {
            if seen.over {
                tell(&mut next, NoticeEvent::Closed);
            } else if wanted && silence.is_none() && alert::graver(grade, &known.severity) {
                tell(&mut next, NoticeEvent::Worsened);
                next.severity = grade.into();
            }
        }
        (NoticeEvent::Closed, NoticeState::Sent | NoticeState::Refused) if !seen.over && wanted => {
            next = opened(target, seen, grade, known.sequence + 1, silence, now);
        }
        (NoticeEvent::Closed, NoticeState::Sent | NoticeState::Refused)
            if seen.over && now - known.at > config.remember.millis() =>
        {
            return Next::Forget;
        }
        // What is pending is sent first, and then there is more to tell; what a later version means it knows better.
        _ => {}
    }
    if next == *known { Next::Stay } else { Next::Become(Box::new(next)) }
}

fn opened(
    target: &Target,
    seen: Seen<'_, '_>,
    grade: &str,
    sequence: i32,
    silence: Option<&str>,
    now: i64,
) -> Notice<'static> {
    let incident = seen.incident;
    Notice {
        target: target.name.clone().into(),
        tenant: incident.tenant.clone().into_owned(),
        cluster: incident.cluster.clone().into_owned(),
        incident: incident.id.clone().into_owned(),
        revision: incident.revision,
        partition: seen.partition,
        offset: seen.offset,
        over: seen.over,
        event: NoticeEvent::Opened,
        state: if silence.is_some() { NoticeState::Withheld } else { NoticeState::Pending },
        sequence,
        dedup: incident.id.clone().into_owned(),
        severity: grade.to_owned().into(),
        labels: alert::labels(incident, grade),
        since: now,
        at: now,
        answer: silence.unwrap_or_default().to_owned().into(),
    }
}

/// It began again, was not told so, and is over again.
fn closed_silently(mut next: Notice<'static>, now: i64) -> Next {
    (next.event, next.state, next.at) = (NoticeEvent::Closed, NoticeState::Sent, now);
    Next::Become(Box::new(next))
}

/// True where nothing more happens to a notice unless its incident begins again.
pub(crate) fn is_settled(notice: &Notice<'_>) -> bool {
    notice.event == NoticeEvent::Closed && matches!(notice.state, NoticeState::Sent | NoticeState::Refused)
}

/// True where a target has been told that an incident goes on.
pub(crate) fn is_firing(notice: &Notice<'_>) -> bool {
    match notice.event {
        NoticeEvent::Opened => notice.state == NoticeState::Sent,
        NoticeEvent::Worsened => true,
        _ => false,
    }
}
