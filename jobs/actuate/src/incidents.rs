//! Which incidents are over, as the incidents topic tells: whether acting helped.

use crate::config::Config;
use crate::error::ActuateError;
use engine::log::{Limit, Log, TopicPartition};
use schemas::{Incident, IncidentBody, IncidentRecord, IncidentState, Record as _};
use std::collections::BTreeMap;
use topics::declared::INCIDENTS;

/// How much is read at a time.
const READ: Limit = Limit { records: 1000, bytes: 8 << 20 };
/// How far back reading begins, milliseconds: longer than any order waits to see whether it helped.
const BACK: i64 = 86_400_000;
/// Incidents that took each other in are followed so far.
const MERGED: usize = 16;

/// What was last heard of incidents.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    heard: BTreeMap<String, Heard>,
    /// Where reading goes on, by partition.
    next: BTreeMap<u32, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    GoesOn,
    Over,
    /// Another one has taken it in.
    Within(String),
}

impl Incidents {
    /// Reads on to the end of the topic; an error leaves what is known as it is.
    pub(crate) fn read_on(&mut self, log: &dyn Log, config: &Config, now: i64) -> Result<(), ActuateError> {
        for partition in 0..log.topic(INCIDENTS.name)?.spec.partitions {
            let at = TopicPartition::new(INCIDENTS.name, partition);
            let start = log.bounds(&at)?.start;
            let from = match self.next.get(&partition) {
                Some(next) => *next,
                None => log.offset_at(&at, now - BACK)?,
            };
            let mut from = from.max(start);
            loop {
                let batch = log.read(&at, from, READ)?;
                for value in batch.records.iter().filter_map(|record| record.value.as_ref()) {
                    match IncidentRecord::decode(value) {
                        Ok(IncidentRecord { body: IncidentBody::Incident(incident), .. }) => {
                            self.learn(&incident, config)
                        }
                        Ok(_) => {}
                        // It is not ours to dead-letter; an incident of which nothing is heard goes on.
                        Err(error) => tracing::warn!("an incident cannot be read: {error}"),
                    }
                }
                from = batch.next;
                self.next.insert(partition, from);
                if batch.next >= batch.end {
                    break;
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, incident: &Incident<'_>, config: &Config) {
        if incident.tenant != config.tenant.as_str() || incident.cluster != config.cluster.as_str() {
            return;
        }
        let heard = match incident.state {
            IncidentState::Merge if !incident.superseded_by.is_empty() => {
                Heard::Within(incident.superseded_by.to_string())
            }
            IncidentState::Close => Heard::Over,
            _ => Heard::GoesOn,
        };
        self.heard.insert(incident.id.to_string(), heard);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_over_when_it_closes_or_when_what_took_it_in_does() {
        let config = Config { cluster: "prod".to_owned(), ..Config::default() };
        let mut incidents = Incidents::default();
        let mut said = |id: &'static str, state, within: &'static str| {
            let (tenant, cluster) = ("default".into(), "prod".into());
            let incident =
                Incident { tenant, cluster, id: id.into(), state, superseded_by: within.into(), ..Incident::default() };
            incidents.learn(&incident, &config);
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
