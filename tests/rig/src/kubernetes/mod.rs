//! Kubernetes, the real control plane: etcd, API server, all controllers, scheduler; nodes and pods are kwok's fakes.
//!
//! ```no_run
//! use rig::kubernetes::Kubernetes;
//! let kubernetes = Kubernetes::start()?;
//! kubernetes.kubectl(&["create", "deployment", "web", "--image=web:1", "--replicas=3"])?;
//! println!("{}", kubernetes.kubeconfig().display());
//! # Ok::<(), rig::RigError>(())
//! ```
//!
//! There are no containers and no network: pods become Running, are evicted and replaced, their labels, owners and
//! policies are real; nothing runs in them, and no packet flows.

mod kubectl;
mod plane;
mod programs;
mod proxy;

pub use proxy::{Fault, Proxy, Rule};

use crate::RigError;
use plane::Plane;
use std::path::{Path, PathBuf};

/// The version of Kubernetes that is started.
pub const VERSION: &str = "1.35.4";

/// Whether a control plane can be started here; if not, what is missing. Builds it when it is not there yet.
pub fn available() -> Result<(), String> {
    programs::built().map(drop).map_err(|error| error.to_string())
}

/// A control plane. Dropping it kills its programs and removes what they wrote.
#[derive(Debug)]
pub struct Kubernetes {
    plane: Plane,
}

impl Kubernetes {
    /// Starts one with two nodes, and waits until pods can be made.
    pub fn start() -> Result<Kubernetes, RigError> {
        Kubernetes::with_nodes(2)
    }

    /// Starts one with so many nodes, `node-0`, `node-1`, …, and waits until pods can be made.
    pub fn with_nodes(nodes: usize) -> Result<Kubernetes, RigError> {
        let mut kubernetes = Kubernetes { plane: Plane::start()? };
        kubernetes.plane.until_pods_can_be_made(nodes)?;
        Ok(kubernetes)
    }

    /// The file with which one is the cluster's administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.plane.kubeconfig
    }

    /// The address of the API server.
    pub fn server(&self) -> String {
        self.plane.server()
    }

    /// The file with the certificate that the API server's is signed by.
    pub fn certificate(&self) -> PathBuf {
        self.plane.certificate()
    }

    /// The audit log: one event a line.
    pub fn audit_log(&self) -> PathBuf {
        self.plane.folder().join("audit.log")
    }

    /// The folder with everything that the programs write.
    pub fn folder(&self) -> &Path {
        self.plane.folder()
    }

    /// The numbers of the processes.
    pub fn processes(&self) -> Vec<u32> {
        self.plane.processes()
    }

    /// Runs kubectl as the administrator, and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, RigError> {
        self.kubectl_as(self.kubeconfig(), arguments)
    }

    /// Runs kubectl as whoever a file says, and returns what it prints.
    pub fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String, RigError> {
        kubectl::run(&self.plane.programs, kubeconfig, arguments, "")
    }

    /// Applies manifests as the administrator.
    pub fn apply(&self, manifests: &str) -> Result<String, RigError> {
        kubectl::run(&self.plane.programs, self.kubeconfig(), &["apply", "--filename", "-"], manifests)
    }

    /// A new token of a service account.
    pub fn token(&self, namespace: &str, account: &str) -> Result<String, RigError> {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace, "--duration", "1h"])?;
        Ok(token.trim().to_owned())
    }

    /// A new token of a service account that is bound to a pod, as the pod itself would have it.
    pub fn pod_token(&self, namespace: &str, account: &str, pod: &str) -> Result<String, RigError> {
        let bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod];
        let arguments = [&["create", "token", account, "--namespace", namespace][..], &bound].concat();
        Ok(self.kubectl(&arguments)?.trim().to_owned())
    }

    /// A file with which one is whoever a token says.
    pub fn kubeconfig_of(&self, token: &str) -> Result<PathBuf, RigError> {
        self.plane.kubeconfig_for(&self.server(), &self.certificate(), token)
    }

    /// A file with which one is whoever a token says, through a proxy.
    pub fn kubeconfig_through(&self, proxy: &Proxy, token: &str) -> Result<PathBuf, RigError> {
        self.plane.kubeconfig_for(&proxy.server(), proxy.certificate(), token)
    }

    /// The administrator's token.
    pub fn admin_token(&self) -> &str {
        &self.plane.token
    }
}
