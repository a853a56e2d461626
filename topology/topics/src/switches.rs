//! Kill switches on the control topic: while one is on, nothing new is ordered or done where it counts.
//!
//! Invariant: what is not understood stops more, never less. Of several records of one switch the latest said counts,
//! in whatever order they arrive.

use schemas::glob::glob;
use schemas::{Control, ControlKind, Entity, EntityKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a switch that is off is remembered, so that an older record of it cannot turn it on, milliseconds.
const KEEP: i64 = 7 * 86_400_000;

/// The kill switches that are known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Switches(BTreeMap<String, Switch>);

/// One kill switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    tenant: String,
    position: Position,
    /// When that was said, milliseconds.
    pub at: i64,
    /// When it stops counting, milliseconds; 0 for never.
    pub expires_at: i64,
    selector: String,
    /// Who said so.
    pub author: String,
}

/// What a switch says; of two sayings of one moment the one that stops counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Position {
    Off,
    On,
}

impl Switches {
    /// Takes in a control record; true where it changed a switch.
    pub fn observe(&mut self, control: &Control<'_>) -> bool {
        if control.kind != ControlKind::KillSwitch {
            return false;
        }
        let switch = Switch {
            tenant: control.tenant.as_str().to_owned(),
            position: if control.value == "off" { Position::Off } else { Position::On },
            at: control.at,
            expires_at: control.expires_at,
            selector: control.selector.as_str().to_owned(),
            author: control.author.as_str().to_owned(),
        };
        let key = crate::cluster_key(&control.tenant, &control.id);
        // Every task of detect forwards a copy.
        if self.0.get(&key).is_some_and(|known| (known.at, known.position) >= (switch.at, switch.position)) {
            return false;
        }
        self.0.insert(key, switch);
        true
    }

    /// The switch that stops what would be done to an entity, or within a namespace, of a cluster.
    pub fn stopping(
        &self,
        now: i64,
        tenant: &str,
        cluster: &str,
        namespace: &str,
        entity: &Entity<'_>,
    ) -> Option<&Switch> {
        self.0.values().find(|switch| {
            switch.counts(now)
                && (switch.tenant.is_empty() || switch.tenant == tenant)
                && selects(&switch.selector, cluster, namespace, entity)
        })
    }

    /// Forgets what counts no longer and has been so for long.
    pub fn prune(&mut self, now: i64) {
        self.0.retain(|_, switch| switch.counts(now) || switch.at.max(switch.expires_at) + KEEP > now);
    }
}

impl Switch {
    fn counts(&self, now: i64) -> bool {
        self.position == Position::On && (self.expires_at == 0 || now < self.expires_at)
    }
}

/// True where every condition holds; a condition that is not understood holds.
fn selects(selector: &str, cluster: &str, namespace: &str, entity: &Entity<'_>) -> bool {
    selector.split(',').map(str::trim).filter(|condition| !condition.is_empty()).all(|condition| {
        let Some((key, pattern)) = condition.split_once('=') else { return true };
        match key.trim() {
            "cluster" => glob(pattern.trim(), cluster),
            "namespace" => glob(pattern.trim(), namespace),
            "kind" => glob(pattern.trim(), entity.kind.as_str()),
            "workload" => entity.kind == EntityKind::Workload && glob(pattern.trim(), &entity.name),
            "name" => glob(pattern.trim(), &entity.name),
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(value: &'static str, at: i64, selector: &'static str) -> Control<'static> {
        let kind = ControlKind::KillSwitch;
        Control { kind, id: "all".into(), value: value.into(), at, selector: selector.into(), ..Control::default() }
    }

    fn cart() -> Entity<'static> {
        let (namespace, workload_kind, name) = ("shop".into(), "Deployment".into(), "cart".into());
        Entity { kind: EntityKind::Workload, namespace, workload_kind, name }
    }

    fn stops(switches: &Switches, now: i64) -> bool {
        let cart = cart();
        switches.stopping(now, "acme", "prod", "shop", &cart).is_some()
    }

    #[test]
    fn the_latest_said_counts_whatever_arrives_last() {
        let mut switches = Switches::default();
        assert!(switches.observe(&control("on", 100, "")) && stops(&switches, 200));
        assert!(!switches.observe(&control("on", 100, "")), "a copy changes nothing");
        assert!(switches.observe(&control("off", 300, "")) && !stops(&switches, 400));
        assert!(!switches.observe(&control("on", 100, "")) && !stops(&switches, 400));
        assert!(switches.observe(&control("on", 300, "")), "of one moment the one that stops counts");
        assert!(!switches.observe(&control("off", 300, "")) && stops(&switches, 400));
        assert!(switches.observe(&control("off", 301, "")));
        switches.prune(301 + KEEP);
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn a_switch_counts_where_its_selector_says_and_where_it_says_nothing_clear() {
        for (selector, stopped) in [
            ("", true),
            ("cluster=prod, namespace=sh*", true),
            ("namespace=other", false),
            ("workload=cart,kind=workload", true),
            ("name=web", false),
            ("zone=a", true),
            ("all of it", true),
        ] {
            let mut switches = Switches::default();
            switches.observe(&control("on", 100, selector));
            assert_eq!(stops(&switches, 200), stopped, "{selector}");
        }
        let mut switches = Switches::default();
        switches.observe(&control("yes please", 100, ""));
        assert!(stops(&switches, 200), "a position that is not understood is on");
    }

    #[test]
    fn a_switch_ends_when_it_said_so_and_other_tenants_are_free() {
        let mut switches = Switches::default();
        switches.observe(&Control { expires_at: 500, tenant: "acme".into(), ..control("on", 100, "") });
        assert!(stops(&switches, 499) && !stops(&switches, 500));
        let cart = cart();
        assert!(switches.stopping(200, "other", "prod", "shop", &cart).is_none());
    }
}
