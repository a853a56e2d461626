//! One control plane: its folder, its programs, and the files with which one talks to it.

use super::kubectl;
use super::programs::{self, Programs};
use crate::deadline::Deadline;
use crate::error::ending;
use crate::guard::{Guard, Process};
use crate::{RigError, ports};
use rcgen::KeyPair;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// What the audit log keeps.
const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");
/// How fake nodes and pods go through life.
const STAGES: &str = include_str!("stages.yaml");
/// Starting takes seconds; on a machine that compiles at the same time, many of them.
const START: Duration = Duration::from_secs(120);
/// Somebody else may take a port before it is used.
const TRIES: usize = 3;

/// A control plane.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) programs: Programs,
    pub(super) kubeconfig: PathBuf,
    pub(super) token: String,
    port: u16,
    // In this order: programs end before the folder goes, which the guard removes, too.
    running: Vec<(&'static str, Process)>,
    guard: Guard,
    folder: TempDir,
}

impl Plane {
    /// Starts the programs, and waits until the API server answers and the others run.
    pub(super) fn start() -> Result<Plane, RigError> {
        let programs = programs::built()?;
        let mut tries = TRIES;
        loop {
            match Plane::try_start(&programs) {
                Err(RigError::ControlPlane { log, .. }) if tries > 1 && log.contains("address already in use") => {
                    tries -= 1;
                }
                started => return started,
            }
        }
    }

    fn try_start(programs: &Programs) -> Result<Plane, RigError> {
        let folder = tempfile::Builder::new().prefix("bellbuoy-kubernetes-").tempdir();
        let folder = folder.map_err(RigError::process("making a folder for the control plane"))?;
        let guard = Guard::over(folder.path())?;
        let ports = ports::free(5)?;
        let [etcd, peer, api, controllers, scheduler] = ports[..] else {
            unreachable!("five ports were asked for");
        };
        // Whoever reads the folder may be administrator; nobody else can guess it.
        let token = folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kubeconfig = folder.path().join("kubeconfig");
        let mut plane =
            Plane { programs: programs.clone(), kubeconfig, token, port: api, running: Vec::new(), guard, folder };
        plane.write_files()?;

        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let file = |name: &str| plane.folder.path().join(name).display().to_string();
        let (issuer, public, policy, log) =
            (file("account.key"), file("account.pub"), file("audit-policy.yaml"), file("audit.log"));
        let (tokens, certificates, data, stages) =
            (file("tokens.csv"), file("certificates"), file("etcd"), file("stages.yaml"));
        let config = plane.kubeconfig.display().to_string();
        let kubernetes = plane.programs.kubernetes.clone();

        plane.run(
            "etcd",
            &kubernetes,
            &[
                "etcd",
                "--data-dir",
                &data,
                "--log-level",
                "error",
                "--unsafe-no-fsync",
                "--listen-client-urls",
                &url(etcd),
                "--advertise-client-urls",
                &url(etcd),
                "--listen-peer-urls",
                &url(peer),
                "--initial-advertise-peer-urls",
                &url(peer),
                "--initial-cluster",
                &format!("default={}", url(peer)),
            ],
        )?;
        plane.run(
            "apiserver",
            &kubernetes,
            &[
                "apiserver",
                "--etcd-servers",
                &url(etcd),
                "--secure-port",
                &api.to_string(),
                "--bind-address",
                "127.0.0.1",
                "--advertise-address",
                "127.0.0.1",
                "--cert-dir",
                &certificates,
                "--service-account-issuer",
                "https://kubernetes.default.svc",
                "--service-account-key-file",
                &public,
                "--service-account-signing-key-file",
                &issuer,
                "--service-cluster-ip-range",
                "10.96.0.0/16",
                "--token-auth-file",
                &tokens,
                "--authorization-mode",
                "RBAC",
                "--endpoint-reconciler-type",
                "none",
                "--audit-policy-file",
                &policy,
                "--audit-log-path",
                &log,
                "--audit-log-format",
                "json",
            ],
        )?;
        plane.until("apiserver", |plane| plane.says(&["get", "--raw", "/readyz"]).is_ok())?;
        plane.run(
            "controller-manager",
            &kubernetes,
            &[
                "controller-manager",
                "--kubeconfig",
                &config,
                "--service-account-private-key-file",
                &issuer,
                "--root-ca-file",
                &plane.certificate().display().to_string(),
                "--leader-elect=false",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                &controllers.to_string(),
            ],
        )?;
        plane.run(
            "scheduler",
            &kubernetes,
            &[
                "scheduler",
                "--kubeconfig",
                &config,
                "--leader-elect=false",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                &scheduler.to_string(),
            ],
        )?;
        let kwok = plane.programs.kwok.clone();
        plane.run(
            "kwok",
            &kwok,
            &[
                "--kubeconfig",
                &config,
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
                "--config",
                &stages,
            ],
        )?;
        Ok(plane)
    }

    /// Makes nodes and waits until they, and the account that pods run as, are there.
    pub(super) fn until_pods_can_be_made(&mut self, nodes: usize) -> Result<(), RigError> {
        let nodes: Vec<String> = (0..nodes).map(node).collect();
        kubectl::run(&self.programs, &self.kubeconfig, &["apply", "--filename", "-"], &nodes.join("---\n"))?;
        self.until("kwok", |plane| {
            let ready = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
            let all = plane.says(&["get", "nodes", "--output", ready]);
            all.is_ok_and(|all| all.split_whitespace().filter(|status| *status == "True").count() == nodes.len())
        })?;
        self.until("controller-manager", |plane| plane.says(&["get", "serviceaccount", "default"]).is_ok())
    }

    fn says(&self, arguments: &[&str]) -> Result<String, RigError> {
        kubectl::run(&self.programs, &self.kubeconfig, arguments, "")
    }

    pub(super) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificates").join("apiserver.crt")
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.running.iter().map(|(_, process)| process.number()).collect()
    }

    /// A file with which one is whoever a token says.
    pub(super) fn kubeconfig_for(&self, server: &str, authority: &Path, token: &str) -> Result<PathBuf, RigError> {
        let folder = tempfile::Builder::new().prefix("user-").tempdir_in(self.folder.path());
        let path = folder.map_err(RigError::process("making a folder for a kubeconfig"))?.keep().join("kubeconfig");
        write(&path, &kubeconfig_text(server, authority, token))?;
        Ok(path)
    }

    fn write_files(&self) -> Result<(), RigError> {
        let at = |name: &str| self.folder.path().join(name);
        let key = KeyPair::generate()?;
        write(&at("account.key"), &key.serialize_pem())?;
        write(&at("account.pub"), &key.public_key_pem())?;
        write(&at("tokens.csv"), &format!("{},admin,admin,system:masters\n", self.token))?;
        write(&at("audit-policy.yaml"), AUDIT_POLICY)?;
        write(&at("stages.yaml"), STAGES)?;
        write(&self.kubeconfig, &kubeconfig_text(&self.server(), &self.certificate(), &self.token))
    }

    fn run(&mut self, name: &'static str, program: &Path, arguments: &[&str]) -> Result<(), RigError> {
        let path = self.log(name);
        let log = File::create(&path).map_err(RigError::io("making", &path))?;
        let process = self.guard.start(program.as_os_str(), arguments, &log)?;
        self.running.push((name, process));
        Ok(())
    }

    /// Waits until something is so; fails when a program has ended, or none of it happens.
    fn until(&mut self, program: &'static str, so: impl Fn(&Plane) -> bool) -> Result<(), RigError> {
        let deadline = Deadline::after(START);
        while !so(self) {
            let ended = self.running.iter_mut().find_map(|(name, process)| Some((*name, process.ended()?)));
            if let Some((name, status)) = ended {
                return Err(self.failure(name, format!("ended while it was starting ({status})")));
            }
            if !deadline.pause() {
                return Err(self.failure(program, format!("was not ready after {} seconds", START.as_secs())));
            }
        }
        Ok(())
    }

    fn failure(&self, program: &'static str, what: String) -> RigError {
        let log = ending(&fs::read(self.log(program)).unwrap_or_default());
        RigError::ControlPlane { program, what, log }
    }

    fn log(&self, program: &str) -> PathBuf {
        self.folder.path().join(format!("{program}.log"))
    }
}

fn kubeconfig_text(server: &str, authority: &Path, token: &str) -> String {
    let authority = authority.display().to_string();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: rig\n\
         clusters: [{{name: rig, cluster: {{server: {server:?}, certificate-authority: {authority:?}}}}}]\n\
         users: [{{name: user, user: {{token: {token:?}}}}}]\n\
         contexts: [{{name: rig, context: {{cluster: rig, user: user}}}}]\n"
    )
}

fn write(path: &Path, text: &str) -> Result<(), RigError> {
    fs::write(path, text).map_err(RigError::io("writing", path))
}

/// A node that kwok plays.
fn node(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: node-{number}\n  labels:\n    \
         kubernetes.io/hostname: node-{number}\n    kubernetes.io/os: linux\n    kubernetes.io/arch: amd64\n"
    )
}
