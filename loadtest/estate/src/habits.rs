//! What every principal asks of the API day in, day out.

use crate::audit::{Object, Principal};
use crate::calendar::SECOND;
use crate::naming;
use crate::random::Random;
use crate::roster::Workload;
use crate::story::{DEPLOYER, OPERATOR};

/// The second operator.
pub(crate) const COLLEAGUE: &str = "boris@corp.example";

/// A request that returns every `period`, give or take a tenth.
#[derive(Clone, Debug)]
pub(crate) struct Habit {
    pub(crate) principal: usize,
    /// The workload whose pods ask; `None` for what has no pod.
    pub(crate) workload: Option<usize>,
    pub(crate) verb: &'static str,
    pub(crate) object: Object,
    pub(crate) period: i64,
    pub(crate) next: i64,
}

/// All principals and what they are used to doing.
pub(crate) struct Society {
    pub(crate) principals: Vec<Principal>,
    pub(crate) habits: Vec<Habit>,
    pub(crate) controller: usize,
    pub(crate) scheduler: usize,
    pub(crate) deployer: usize,
    pub(crate) operators: [usize; 2],
    /// The first kubelet; the others follow in the order of the nodes.
    pub(crate) kubelets: usize,
    /// Service accounts, by the index of their workload.
    pub(crate) service_accounts: Vec<(usize, usize)>,
}

impl Society {
    /// The principals of an estate.
    pub(crate) fn new(random: &mut Random, roster: &[Workload], nodes: usize, start: i64) -> Self {
        let mut society = Society {
            principals: Vec::new(),
            habits: Vec::new(),
            controller: 0,
            scheduler: 1,
            deployer: 2,
            operators: [3, 4],
            kubelets: 5,
            service_accounts: Vec::new(),
        };
        let control_plane = "10.10.0.2";
        let manager = "kube-controller-manager/v1.35.4 (linux/amd64) kubernetes/8c1f2a0";
        let scheduler = "kube-scheduler/v1.35.4 (linux/amd64) kubernetes/8c1f2a0/scheduler";
        let kubectl = "kubectl/v1.35.4 (linux/amd64) kubernetes/8c1f2a0";
        society.add(random, "system:kube-controller-manager", &[], manager, control_plane);
        society.add(random, "system:kube-scheduler", &[], scheduler, control_plane);
        let accounts = ["system:serviceaccounts", "system:serviceaccounts:ci"];
        society.add(random, DEPLOYER, &accounts, kubectl, "10.10.0.40");
        society.add(random, OPERATOR, &["platform"], kubectl, "10.20.1.17");
        society.add(random, COLLEAGUE, &["platform"], kubectl, "10.20.1.23");
        for node in 0..nodes {
            let (name, address) = (format!("system:node:{}", crate::node_name(node)), format!("10.10.1.{}", node + 11));
            let agent = "kubelet/v1.35.4 (linux/amd64) kubernetes/8c1f2a0";
            society.add(random, &name, &["system:nodes"], agent, &address);
            society.kubelet(random, node, start);
        }
        society.control_plane(random, start);
        for row in HABITS {
            if let Some(index) = roster.iter().position(|w| format!("{}/{}", w.namespace, w.name) == row.0) {
                society.service_account(random, index, &roster[index], row, start);
            }
        }
        society
    }

    fn add(
        &mut self,
        random: &mut Random,
        username: &str,
        groups: &[&str],
        agent: &'static str,
        address: &str,
    ) -> usize {
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(str::to_owned).collect();
        let (username, uid, address) = (username.to_owned(), naming::uid(random), address.to_owned());
        self.principals.push(Principal { username, uid, groups, agent, address });
        self.principals.len() - 1
    }

    fn kubelet(&mut self, random: &mut Random, node: usize, start: i64) {
        let principal = self.kubelets + node;
        let name = crate::node_name(node);
        let mut keep =
            |verb, object, period| self.habits.push(habit(random, principal, None, verb, object, period, start));
        let lease = object("coordination.k8s.io", "leases", "", "kube-node-lease", &name);
        keep("update", lease, 60);
        keep("patch", object("", "nodes", "status", "", &name), 300);
        keep("get", object("", "nodes", "", "", &name), 300);
        keep("watch", object("", "configmaps", "", "shop", "cart-config"), 900);
        keep("watch", object("", "pods", "", "", ""), 480);
        keep("create", object("", "serviceaccounts", "token", "shop", "cart"), 900);
    }

    fn control_plane(&mut self, random: &mut Random, start: i64) {
        let (controller, scheduler) = (self.controller, self.scheduler);
        let mut keep = |principal, verb, object, period| {
            self.habits.push(habit(random, principal, None, verb, object, period, start))
        };
        let lease = |name| object("coordination.k8s.io", "leases", "", "kube-system", name);
        keep(controller, "update", lease("kube-controller-manager"), 45);
        keep(controller, "update", object("discovery.k8s.io", "endpointslices", "", "shop", "cart-7xk2p"), 240);
        keep(controller, "get", object("", "serviceaccounts", "", "data", "default"), 400);
        keep(controller, "list", object("", "resourcequotas", "", "", ""), 600);
        keep(controller, "watch", object("apps", "replicasets", "", "", ""), 450);
        keep(scheduler, "update", lease("kube-scheduler"), 45);
        keep(scheduler, "watch", object("", "pods", "", "", ""), 450);
        keep(scheduler, "watch", object("", "nodes", "", "", ""), 450);
    }

    fn service_account(&mut self, random: &mut Random, index: usize, workload: &Workload, row: &Row, start: i64) {
        let username = format!("system:serviceaccount:{}:{}", workload.namespace, workload.name);
        let known = self.principals.iter().position(|principal| principal.username == username);
        let principal = known.unwrap_or_else(|| {
            let group = format!("system:serviceaccounts:{}", workload.namespace);
            let groups = ["system:serviceaccounts", group.as_str()];
            let added = self.add(random, &username, &groups, AGENTS[index % AGENTS.len()], "10.42.0.1");
            self.service_accounts.push((index, added));
            added
        });
        let (_, verb, group, resource, scope, name, period) = *row;
        let namespace = match scope {
            "." => workload.namespace,
            "*" => "",
            other => other,
        };
        let object = object(group, resource, "", namespace, name);
        self.habits.push(habit(random, principal, Some(index), verb, object, period, start));
    }
}

/// An object of the API.
pub(crate) fn object(
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    namespace: &str,
    name: &str,
) -> Object {
    Object { group, resource, subresource, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn habit(
    random: &mut Random,
    principal: usize,
    workload: Option<usize>,
    verb: &'static str,
    object: Object,
    seconds: i64,
    start: i64,
) -> Habit {
    let period = seconds * SECOND;
    let next = start + random.below(period as u64) as i64;
    Habit { principal, workload, verb, object, period, next }
}

const AGENTS: &[&str] = &["Go-http-client/2.0", "okhttp/4.12.0", "python-requests/2.32.3", "kubernetes-client/33.1.0"];

/// Workload, verb, group, resource, scope (`.` own namespace, `*` whole cluster), name, seconds.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, i64);

const LEASES: &str = "coordination.k8s.io";

const HABITS: &[Row] = &[
    ("shop/cart", "get", "", "configmaps", ".", "cart-config", 250),
    ("shop/cart", "list", "", "pods", ".", "", 420),
    ("shop/cart", "get", "", "endpoints", "data", "session-cache", 560),
    ("payments/ledger", "get", "", "configmaps", ".", "ledger-config", 340),
    ("payments/ledger", "update", LEASES, "leases", ".", "ledger-leader", 280),
    ("shop/catalog", "get", "", "configmaps", ".", "catalog-config", 340),
    ("shop/catalog", "watch", "", "configmaps", ".", "", 590),
    ("data/orders-db", "patch", "", "endpoints", ".", "orders-db", 340),
    ("data/orders-db", "list", "", "pods", ".", "", 420),
    ("ops/edge-proxy", "watch", "discovery.k8s.io", "endpointslices", "*", "", 420),
    ("ops/edge-proxy", "watch", "networking.k8s.io", "ingresses", "*", "", 590),
    ("ops/edge-proxy", "get", "", "secrets", ".", "edge-tls", 500),
    ("shop/orders", "update", LEASES, "leases", ".", "orders-leader", 210),
    ("shop/orders", "get", "", "configmaps", ".", "orders-config", 420),
    ("payments/gateway", "get", "", "secrets", ".", "acquirer-key", 420),
    ("payments/gateway", "get", "", "configmaps", ".", "gateway-config", 420),
    ("payments/ledger-db", "patch", "", "endpoints", ".", "ledger-db", 340),
    ("identity/login", "get", "", "configmaps", ".", "login-config", 420),
    ("identity/token-issuer", "get", "", "secrets", ".", "signing-keys", 420),
    ("identity/token-issuer", "create", "authentication.k8s.io", "tokenreviews", "*", "", 280),
    ("data/event-collector", "watch", "", "events", "*", "", 340),
    ("data/event-collector", "list", "", "events", "*", "", 500),
    ("data/stream-connect", "update", LEASES, "leases", ".", "connect-leader", 280),
    ("data/stream-connect", "get", "", "configmaps", ".", "connect-config", 500),
    ("data/warehouse-loader", "list", "batch", "jobs", ".", "", 340),
    ("data/warehouse-loader", "get", "", "configmaps", ".", "loader-config", 500),
    ("media/transcoder", "update", LEASES, "leases", ".", "transcoder-leader", 280),
    ("media/transcoder", "list", "", "pods", ".", "", 420),
    ("ops/log-shipper", "watch", "", "pods", "*", "", 340),
    ("ops/log-shipper", "get", "", "namespaces", "*", "shop", 420),
    ("ops/metrics-gateway", "list", "", "nodes", "*", "", 250),
    ("ops/metrics-gateway", "list", "", "pods", "*", "", 250),
    ("ops/metrics-gateway", "watch", "", "services", "*", "", 590),
    ("ops/backup-operator", "list", "", "persistentvolumeclaims", "*", "", 340),
    ("ops/backup-operator", "update", LEASES, "leases", ".", "backup-leader", 280),
    ("ops/node-exporter", "get", "", "nodes", "*", "node-1", 420),
];
