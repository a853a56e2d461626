//! Which incidents are over, as the incidents topic tells: whether acting helped.

use crate::config::Config;
use crate::error::ActuateError;
use engine::log::{Log, TopicReader};
use schemas::{Incident, IncidentBody, IncidentRecord, IncidentState, Record as _};
use std::collections::BTreeMap;
use topics::declared::INCIDENTS;

/// How far back reading begins, milliseconds: longer than any order waits to see whether it helped.
const BACK: i64 = 86_400_000;
/// Incidents that took each other in are followed so far.
const MERGED: usize = 16;

/// What was last heard of incidents.
#[derive(Debug)]
pub(crate) struct Incidents {
    heard: BTreeMap<String, Heard>,
    topic: TopicReader,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    GoesOn,
    Over,
    /// Another one has taken it in.
    Within(String),
}

impl Incidents {
    /// As they are told from a day before a time on, milliseconds.
    pub(crate) fn since(now: i64) -> Self {
        Incidents { heard: BTreeMap::new(), topic: TopicReader::since(INCIDENTS.name, now - BACK) }
    }

    /// Reads on to the end of the topic; an error leaves what is known as it is.
    pub(crate) fn read_on(&mut self, log: &dyn Log, config: &Config) -> Result<(), ActuateError> {
        let heard = &mut self.heard;
        self.topic.read_on(log, |_, record| {
            match record.value.as_ref().map(|value| IncidentRecord::decode(value)) {
                Some(Ok(IncidentRecord { body: IncidentBody::Incident(incident), .. })) => {
                    learn(heard, &incident, config);
                }
                Some(Ok(_)) | None => {}
                // It is not ours to dead-letter; an incident of which nothing is heard goes on.
                Some(Err(error)) => tracing::warn!("an incident cannot be read: {error}"),
            }
            Ok(())
        })
    }

    /// True for an incident that is over, or was taken in by one that is.
    pub(crate) fn is_over(&self, id: &str) -> bool {
        let mut id = id;
        for _ in 0..MERGED {
            match self.heard.get(id) {
                Some(Heard::Within(other)) => id = other,
                Some(Heard::Over) => return true,
                Some(Heard::GoesOn) | None => return false,
            }
        }
        false
    }
}

fn learn(known: &mut BTreeMap<String, Heard>, incident: &Incident<'_>, config: &Config) {
    if incident.tenant != config.tenant.as_str() || incident.cluster != config.cluster.as_str() {
        return;
    }
    let heard = match incident.state {
        IncidentState::Merge if !incident.superseded_by.is_empty() => Heard::Within(incident.superseded_by.to_string()),
        IncidentState::Close => Heard::Over,
        _ => Heard::GoesOn,
    };
    known.insert(incident.id.to_string(), heard);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_over_when_it_closes_or_when_what_took_it_in_does() {
        let config = Config { cluster: "prod".to_owned(), ..Config::default() };
        let mut incidents = Incidents::since(0);
        let mut said = |id: &'static str, state, within: &'static str| {
            let (tenant, cluster) = ("default".into(), "prod".into());
            let incident =
                Incident { tenant, cluster, id: id.into(), state, superseded_by: within.into(), ..Incident::default() };
            learn(&mut incidents.heard, &incident, &config);
            ["a", "b", "c"].map(|id| incidents.is_over(id))
        };
        assert_eq!(said("a", IncidentState::Open, ""), [false; 3]);
        assert_eq!(said("b", IncidentState::Close, ""), [false, true, false]);
        assert_eq!(said("b", IncidentState::Reopen, ""), [false; 3]);
        assert_eq!(said("a", IncidentState::Merge, "b"), [false; 3]);
        assert_eq!(said("b", IncidentState::Close, ""), [true, true, false]);
        assert_eq!(said("b", IncidentState::Merge, "a"), [false; 3], "a circle has no end");
    }
}
