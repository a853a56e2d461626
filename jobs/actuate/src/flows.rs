//! Whether flows still leave what was to be cut off, as the signals topic tells: whether acting helped.
//!
//! Invariant: only flows that went through after the cut had time to take effect count. Where nobody tells of flows at
//! all, that none is seen says nothing.

use crate::error::ActuateError;
use engine::log::{Log, TopicReader};
use schemas::signal::{Body, Direction, FlowAgg, Verdict};
use schemas::{Command, Entity, Record as _, Signal, pod};
use serde_json::Value;
use std::collections::BTreeMap;
use topics::declared::SIGNALS;

/// The predicate that no flow leaves the target.
pub(crate) const FROM_TARGET: &str = "flows_from_target";
/// The predicate that no flow goes from the target to the networks of its order.
pub(crate) const TO_NETWORKS: &str = "flows_to_networks";
/// Of the time to look, the first part in which connections that stand may still end: one part of so many.
const SETTLING: i64 = 3;
/// Signals that are read at a look, about.
const AT_A_LOOK: usize = 100_000;

/// Orders that are watched, by their identifiers.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    watched: BTreeMap<String, Watch>,
}

/// An order that is watched.
#[derive(Debug)]
struct Watch {
    reader: TopicReader,
    cut: Cut,
    seen: Seen,
}

/// Which flows should not be: of which object, and from when on, milliseconds.
#[derive(Debug, Default)]
struct Cut {
    tenant: String,
    cluster: String,
    entity: Entity<'static>,
    namespace: String,
    name: String,
    uid: String,
    /// The networks that were denied; none where nothing at all may leave.
    networks: Option<Vec<String>>,
    from: i64,
}

/// What was seen of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether everything was read that is there.
    pub(crate) all: bool,
    /// Flows of the cluster, whosesoever: none where nobody tells of them.
    pub(crate) any: u64,
    /// Flows that should not be.
    pub(crate) forbidden: u64,
    /// Where the last of those went.
    pub(crate) peer: String,
}

/// True for a predicate that flows answer.
pub(crate) fn is_about(predicate: &str) -> bool {
    matches!(predicate, FROM_TARGET | TO_NETWORKS)
}

impl Flows {
    /// Watches an order that was carried out at a time, milliseconds, so long; what it is about is as the cluster shows it.
    pub(crate) fn watch(&mut self, command: &Command<'_>, target: &Value, done_at: i64, within: i64) {
        let from = done_at + within / SETTLING;
        let watch = Watch {
            reader: TopicReader::since(SIGNALS.name, done_at),
            cut: Cut::of(command, target, from),
            seen: Seen::default(),
        };
        self.watched.insert(command.id.to_string(), watch);
    }

    /// Reads on, and tells what was seen since an order was carried out; none where it is not watched.
    ///
    /// A part is read at a time: what has to be undone does not wait until the signals of a whole estate are read.
    pub(crate) fn seen(&mut self, log: &dyn Log, command: &Command<'_>) -> Result<Option<Seen>, ActuateError> {
        let Some(Watch { reader, cut, seen }) = self.watched.get_mut(command.id.as_str()) else { return Ok(None) };
        let all = reader.read_some(log, AT_A_LOOK, |_, record| {
            match record.value.as_ref().map(|value| Signal::decode(value)) {
                Some(Ok(signal)) => seen.learn(&signal, cut),
                // It is detect's to dead-letter.
                Some(Err(error)) => tracing::warn!("a signal cannot be read: {error}"),
                None => {}
            }
            Ok::<(), ActuateError>(())
        })?;
        Ok(Some(Seen { all, ..seen.clone() }))
    }

    /// Forgets an order that was judged.
    pub(crate) fn forget(&mut self, command: &Command<'_>) {
        self.watched.remove(command.id.as_str());
    }
}

impl Seen {
    fn learn(&mut self, signal: &Signal<'_>, cut: &Cut) {
        let Body::FlowAgg(flow) = &signal.body else { return };
        if signal.tenant != cut.tenant.as_str() || signal.cluster != cut.cluster.as_str() {
            return;
        }
        self.any += flow.events.unsigned_abs();
        let passed = flow.verdict == Verdict::Forwarded && flow.direction == Direction::Egress;
        if passed && signal.event_time >= cut.from && cut.is_of(signal, flow) {
            self.forbidden += flow.events.unsigned_abs();
            self.peer = flow.peer.to_string();
        }
    }
}

impl Cut {
    fn of(command: &Command<'_>, target: &Value, from: i64) -> Self {
        let text = |field: &str| target["metadata"][field].as_str().unwrap_or_default().to_owned();
        let networks = command.action.parameters.iter().find(|parameter| parameter.name == "networks");
        Cut {
            tenant: command.tenant.to_string(),
            cluster: command.cluster.to_string(),
            entity: command.target.entity.to_owned(),
            namespace: command.target.namespace.to_string(),
            name: text("name"),
            uid: text("uid"),
            networks: networks.map(|networks| networks.value.split(',').map(str::to_owned).collect()),
            from,
        }
    }

    fn is_of(&self, signal: &Signal<'_>, flow: &FlowAgg<'_>) -> bool {
        if let Some(networks) = &self.networks {
            let network = flow.peer.strip_prefix("net:").unwrap_or_default();
            return signal.entity == self.entity && networks.iter().any(|denied| denied == network);
        }
        let (name, uid) = pod::parts(&flow.instance);
        signal.entity.namespace == self.namespace.as_str()
            && match uid.is_empty() {
                true => !name.is_empty() && name == self.name,
                false => uid == self.uid,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Action, Parameter, Target};

    const UID: &str = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";

    fn command(networks: Option<&'static str>) -> Command<'static> {
        let entity = Entity { namespace: "shop".into(), name: "cart".into(), ..Entity::default() };
        let parameter = |value: &'static str| Parameter { name: "networks".into(), value: value.into() };
        Command {
            tenant: "default".into(),
            cluster: "prod".into(),
            action: Action { parameters: networks.map(parameter).into_iter().collect(), ..Action::default() },
            target: Target { entity, namespace: "shop".into(), ..Target::default() },
            ..Command::default()
        }
    }

    fn flow(instance: &'static str, peer: &'static str, at: i64) -> Signal<'static> {
        let flow = FlowAgg {
            direction: Direction::Egress,
            verdict: Verdict::Forwarded,
            instance: instance.into(),
            peer: peer.into(),
            events: 2,
            ..FlowAgg::default()
        };
        Signal {
            tenant: "default".into(),
            cluster: "prod".into(),
            entity: Entity { namespace: "shop".into(), name: "cart".into(), ..Entity::default() },
            event_time: at,
            body: Body::FlowAgg(flow),
            ..Signal::default()
        }
    }

    fn forbidden(command: &Command<'_>, signal: &Signal<'_>) -> u64 {
        let mut seen = Seen::default();
        let target = serde_json::json!({"metadata": {"name": "cart-1", "uid": UID}});
        seen.learn(signal, &Cut::of(command, &target, 1_000));
        seen.forbidden
    }

    #[test]
    fn flows_of_the_pod_count_once_the_cut_had_time_and_those_of_others_do_not() {
        let isolated = command(None);
        let both: &'static str = "cart-1/0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";
        for (instance, at, expected) in [
            ("cart-1", 1_000, 2),
            (both, 1_000, 2),
            (UID, 1_000, 2),
            ("cart-1", 999, 0),
            ("cart-2", 1_000, 0),
            ("cart-1/11111111-2c3d-4e5f-8a9b-0c1d2e3f4a5b", 1_000, 0),
            ("", 1_000, 0),
        ] {
            assert_eq!(forbidden(&isolated, &flow(instance, "world", at)), expected, "{instance} {at}");
        }
        let mut dropped = flow("cart-1", "world", 1_000);
        let Body::FlowAgg(body) = &mut dropped.body else { unreachable!() };
        body.verdict = Verdict::Dropped;
        assert_eq!(forbidden(&isolated, &dropped), 0, "what was dropped is how it should be");
        let elsewhere = Signal { cluster: "test".into(), ..flow("cart-1", "world", 1_000) };
        assert_eq!(forbidden(&isolated, &elsewhere), 0);
    }

    #[test]
    fn flows_to_networks_that_were_not_denied_do_not_count() {
        let blocked = command(Some("198.51.100.0/24,203.0.113.0/24"));
        assert_eq!(forbidden(&blocked, &flow("cart-2", "net:203.0.113.0/24", 1_000)), 2);
        for peer in ["net:192.0.2.0/24", "world", "fqdn:example.com"] {
            assert_eq!(forbidden(&blocked, &flow("cart-1", peer, 1_000)), 0, "{peer}");
        }
    }
}
