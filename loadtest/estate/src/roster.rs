//! Who lives in the estate: workloads, how big and busy they are, whom they talk to.

/// The Kubernetes kind of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
}

impl Kind {
    /// As Kubernetes spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::CronJob => "CronJob",
        }
    }
}

/// Where a connection of a workload goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Another workload, by its index in the roster, and its port.
    Workload(usize, u16),
    /// The cluster's DNS.
    ClusterDns,
    /// A name outside the cluster, its address and its port.
    Outside(&'static str, &'static str, u16),
}

/// One workload.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Replicas at night; a DaemonSet has one a node, a CronJob one at a time.
    pub(crate) fewest: usize,
    /// Replicas at the top of the day; more than `fewest` where an autoscaler works.
    pub(crate) most: usize,
    /// Cores of one replica on a middling hour.
    pub(crate) cores: f64,
    /// Working set of one replica, MiB.
    pub(crate) memory: f64,
    /// Bytes per second received and sent by one replica on a middling hour.
    pub(crate) bytes: (f64, f64),
    /// How far the day swings the load, as a part of it.
    pub(crate) swing: f64,
    /// Connections a minute that the flow export samples.
    pub(crate) connections: f64,
    /// Usual peers, the busiest first.
    pub(crate) peers: Vec<Peer>,
}

/// Index of the workload that is taken over.
pub(crate) const TAKEN_OVER: usize = 0;
/// Index of the workload that leaks memory.
pub(crate) const LEAKING: usize = 1;
/// Index of the workload that is deployed without harm.
pub(crate) const DEPLOYED: usize = 2;
/// Index of the database whose backups go to a rare but known peer.
pub(crate) const BACKED_UP: usize = 3;
/// Where those backups go.
pub(crate) const BACKUP_PEER: Peer = Peer::Outside("vault.coldstore.example", "198.51.100.90", 443);
/// The least number of workloads that can carry the story.
pub(crate) const FEWEST_WORKLOADS: usize = 8;

/// The roster of `count` workloads: the table, cut or continued with plain services.
pub(crate) fn roster(count: usize) -> Vec<Workload> {
    let known = |target: &str| TABLE.iter().take(count).position(|row| target == format!("{}/{}", row.0, row.1));
    (0..count)
        .map(|index| {
            let row = TABLE[if index < TABLE.len() { index } else { GENERIC[index % GENERIC.len()] }];
            let (namespace, name, kind, (fewest, most), cores, memory, (received, sent), swing, connections, targets) =
                row;
            let mut peers: Vec<Peer> = targets.split_whitespace().filter_map(|target| peer(target, &known)).collect();
            peers.push(Peer::ClusterDns);
            let name = if index < TABLE.len() { name.to_owned() } else { format!("{name}-{index}") };
            let bytes = (received * 1024.0, sent * 1024.0);
            Workload { namespace, name, kind, fewest, most, cores, memory, bytes, swing, connections, peers }
        })
        .collect()
}

fn peer(target: &str, known: &impl Fn(&str) -> Option<usize>) -> Option<Peer> {
    if let Some(outside) = OUTSIDE.iter().find(|(word, ..)| *word == target) {
        return Some(Peer::Outside(outside.1, outside.2, outside.3));
    }
    let (name, port) = target.split_once(':')?;
    Some(Peer::Workload(known(name)?, port.parse().ok()?))
}

/// Namespace, name, kind, replicas (night, day), cores, MiB, KiB/s (in, out), swing, connections a minute, peers.
type Row = (&'static str, &'static str, Kind, (usize, usize), f64, f64, (f64, f64), f64, f64, &'static str);

use Kind::{CronJob, DaemonSet, Deployment, StatefulSet};

/// The first thirty make the default estate.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("shop", "cart", Deployment, (3, 3), 0.14, 210.0, (90.0, 70.0), 0.35, 1.0, "data/session-cache:6379 shop/pricing:8080 shop/inventory:8080"),
    ("payments", "ledger", Deployment, (2, 2), 0.22, 310.0, (60.0, 50.0), 0.30, 0.8, "payments/ledger-db:5432 data/event-collector:9092"),
    ("shop", "catalog", Deployment, (2, 2), 0.18, 260.0, (70.0, 160.0), 0.35, 0.8, "data/session-cache:6379 shop/search:9200"),
    ("data", "orders-db", StatefulSet, (2, 2), 0.35, 900.0, (120.0, 150.0), 0.25, 0.4, "data/event-collector:9092"),
    ("data", "session-cache", StatefulSet, (1, 1), 0.12, 420.0, (150.0, 190.0), 0.30, 0.3, ""),
    ("shop", "frontend", Deployment, (3, 6), 0.25, 190.0, (140.0, 420.0), 0.45, 1.4, "shop/cart:8080 shop/catalog:8080 shop/search:9200 identity/login:8080"),
    ("ops", "node-exporter", DaemonSet, (0, 0), 0.02, 40.0, (2.0, 9.0), 0.05, 0.3, "ops/metrics-gateway:8080"),
    ("ops", "edge-proxy", Deployment, (1, 1), 0.20, 120.0, (480.0, 510.0), 0.45, 1.2, "shop/frontend:8080 identity/login:8080 media/origin:8080"),
    ("shop", "checkout", Deployment, (1, 1), 0.16, 240.0, (50.0, 60.0), 0.40, 0.8, "shop/cart:8080 payments/gateway:8443 shop/orders:8080 shop/email-worker:8080"),
    ("shop", "search", Deployment, (1, 2), 0.40, 640.0, (60.0, 140.0), 0.40, 0.4, "data/session-cache:6379"),
    ("shop", "orders", Deployment, (1, 1), 0.15, 280.0, (50.0, 45.0), 0.35, 0.7, "data/orders-db:5432 data/event-collector:9092 shop/inventory:8080"),
    ("shop", "inventory", Deployment, (1, 1), 0.10, 230.0, (40.0, 40.0), 0.30, 0.5, "data/orders-db:5432"),
    ("shop", "pricing", Deployment, (1, 1), 0.09, 150.0, (30.0, 35.0), 0.35, 0.5, "data/session-cache:6379 rates"),
    ("shop", "reviews", Deployment, (1, 1), 0.06, 180.0, (15.0, 25.0), 0.40, 0.4, "data/orders-db:5432 media/thumbnailer:8080"),
    ("shop", "recommendations", Deployment, (1, 1), 0.30, 720.0, (35.0, 30.0), 0.40, 0.5, "shop/catalog:8080 data/session-cache:6379"),
    ("shop", "email-worker", Deployment, (1, 1), 0.05, 130.0, (8.0, 20.0), 0.35, 0.5, "mail shop/orders:8080"),
    ("payments", "gateway", Deployment, (1, 1), 0.12, 200.0, (40.0, 45.0), 0.35, 0.8, "payments/ledger:8080 payments/fraud-score:8080 acquirer"),
    ("payments", "fraud-score", Deployment, (1, 1), 0.28, 480.0, (20.0, 10.0), 0.35, 0.5, "payments/ledger:8080 scores"),
    ("payments", "ledger-db", StatefulSet, (1, 1), 0.30, 820.0, (90.0, 110.0), 0.25, 0.3, "data/event-collector:9092"),
    ("identity", "login", Deployment, (1, 1), 0.11, 160.0, (30.0, 30.0), 0.45, 0.7, "identity/directory:636 identity/token-issuer:8080 captcha"),
    ("identity", "token-issuer", Deployment, (1, 1), 0.08, 110.0, (15.0, 18.0), 0.40, 0.4, "identity/directory:636"),
    ("identity", "directory", StatefulSet, (1, 1), 0.10, 380.0, (25.0, 30.0), 0.30, 0.3, "data/event-collector:9092"),
    ("data", "event-collector", Deployment, (1, 1), 0.24, 520.0, (220.0, 210.0), 0.35, 0.4, "data/stream-connect:8083"),
    ("data", "stream-connect", Deployment, (1, 1), 0.18, 610.0, (180.0, 170.0), 0.30, 0.4, "data/event-collector:9092 data/orders-db:5432"),
    ("data", "warehouse-loader", Deployment, (1, 1), 0.20, 560.0, (90.0, 130.0), 0.20, 0.5, "data/stream-connect:8083 warehouse"),
    ("data", "usage-report", CronJob, (0, 0), 0.35, 240.0, (60.0, 12.0), 0.10, 4.0, "data/orders-db:5432 shop/email-worker:8080"),
    ("media", "origin", Deployment, (1, 1), 0.14, 310.0, (60.0, 700.0), 0.45, 0.5, "media/thumbnailer:8080 objects"),
    ("ops", "log-shipper", DaemonSet, (0, 0), 0.06, 90.0, (10.0, 60.0), 0.25, 0.5, "logs"),
    ("ops", "metrics-gateway", Deployment, (1, 1), 0.16, 330.0, (70.0, 75.0), 0.10, 0.5, "metrics ops/edge-proxy:8081"),
    ("ops", "backup-operator", Deployment, (1, 1), 0.03, 100.0, (3.0, 3.0), 0.10, 0.3, "data/orders-db:5432 payments/ledger-db:5432"),
    ("payments", "refunds", Deployment, (1, 1), 0.04, 140.0, (6.0, 6.0), 0.30, 0.4, "payments/ledger:8080 acquirer"),
    ("payments", "invoices", Deployment, (1, 1), 0.06, 170.0, (10.0, 14.0), 0.30, 0.4, "payments/ledger:8080 shop/email-worker:8080"),
    ("identity", "audit-viewer", Deployment, (1, 1), 0.03, 120.0, (4.0, 8.0), 0.30, 0.3, "identity/directory:636"),
    ("media", "uploader", Deployment, (1, 1), 0.08, 190.0, (140.0, 130.0), 0.40, 0.4, "objects media/transcoder:8080"),
    ("media", "thumbnailer", Deployment, (1, 1), 0.22, 260.0, (60.0, 20.0), 0.40, 0.4, "objects"),
    ("media", "transcoder", Deployment, (1, 1), 0.55, 540.0, (80.0, 60.0), 0.30, 0.4, "objects media/origin:8080"),
];

/// Rows that a roster longer than the table repeats.
const GENERIC: &[usize] = &[11, 12, 13, 15, 30, 31, 32];

/// Outside peers: word in the table, name, address, port.
const OUTSIDE: &[(&str, &str, &str, u16)] = &[
    ("rates", "rates.currency.example", "198.51.100.11", 443),
    ("mail", "smtp.mailroom.example", "198.51.100.25", 587),
    ("acquirer", "api.acquirer.example", "198.51.100.40", 443),
    ("scores", "scores.fraudlist.example", "198.51.100.44", 443),
    ("captcha", "verify.captcha.example", "198.51.100.52", 443),
    ("warehouse", "load.warehouse.example", "198.51.100.60", 443),
    ("objects", "eu.objects.example", "198.51.100.70", 443),
    ("logs", "intake.logs.example", "198.51.100.80", 443),
    ("metrics", "write.metrics.example", "198.51.100.81", 443),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_finds_its_workloads_in_the_shortest_roster() {
        let shortest = roster(FEWEST_WORKLOADS);
        let name = |index: usize| format!("{}/{}", shortest[index].namespace, shortest[index].name);
        assert_eq!(
            [TAKEN_OVER, LEAKING, DEPLOYED, BACKED_UP].map(name),
            ["shop/cart", "payments/ledger", "shop/catalog", "data/orders-db"]
        );
    }

    #[test]
    fn every_peer_of_the_table_resolves() {
        let whole = roster(TABLE.len());
        for (workload, row) in whole.iter().zip(TABLE) {
            assert_eq!(workload.peers.len(), row.9.split_whitespace().count() + 1, "{}", workload.name);
            assert!(workload.peers.len() <= 5, "{}", workload.name);
        }
    }

    #[test]
    fn a_longer_roster_has_distinct_names() {
        let long = roster(120);
        let names: std::collections::BTreeSet<_> = long.iter().map(|w| (w.namespace, w.name.as_str())).collect();
        assert_eq!(names.len(), 120);
    }
}
