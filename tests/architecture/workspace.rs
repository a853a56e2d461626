//! The facts the rules judge: what `cargo metadata` says about crates and `git` about files.

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Everything that is known about the checkout.
pub struct Repository {
    /// The folder that holds the workspace manifest.
    pub root: PathBuf,
    /// The workspace's own crates.
    pub crates: Vec<Crate>,
    /// Every package in the lock file, on all platforms and with all features.
    pub packages: Vec<Package>,
    /// Every file that is in git or about to be, relative to the root.
    pub files: Vec<String>,
}

/// A crate of this workspace with what it declares to need.
pub struct Crate {
    /// Its name.
    pub name: String,
    /// What its manifest lists, optional and platform-specific entries included.
    pub needs: Vec<Need>,
}

/// One line of a crate's dependency tables.
pub struct Need {
    /// The package's true name, whatever it is renamed to.
    pub name: String,
    /// Whether only tests and examples see it.
    pub tests_only: bool,
}

/// A package and the terms it comes under.
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SPDX expression, where it states one.
    pub licence: Option<String>,
}

impl Repository {
    /// Reads the checkout, once a process.
    pub fn read() -> &'static Repository {
        static READ: OnceLock<Repository> = OnceLock::new();
        READ.get_or_init(|| {
            let metadata = MetadataCommand::new()
                .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
                .features(CargoOpt::AllFeatures)
                .exec()
                .expect("`cargo metadata` works where this test was built");
            let root = metadata.workspace_root.clone().into_std_path_buf();
            let files = listed_by_git(&root);
            Repository { crates: crates(&metadata), packages: packages(&metadata), files, root }
        })
    }

    /// The bytes of a listed file.
    pub fn content(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every manifest below the root with its text.
    pub fn manifests(&self) -> Vec<(&str, String)> {
        let below = |path: &&String| path.ends_with("/Cargo.toml");
        let text = |path| String::from_utf8_lossy(&self.content(path)).into_owned();
        self.files.iter().filter(below).map(|path| (path.as_str(), text(path))).collect()
    }
}

fn crates(metadata: &Metadata) -> Vec<Crate> {
    let needs = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .map(|line| Need { name: line.name.clone(), tests_only: line.kind == DependencyKind::Development })
            .collect()
    };
    let members = metadata.workspace_packages();
    members.into_iter().map(|package| Crate { name: package.name.to_string(), needs: needs(package) }).collect()
}

fn packages(metadata: &Metadata) -> Vec<Package> {
    let facts = |package: &cargo_metadata::Package| Package {
        name: package.name.to_string(),
        version: package.version.to_string(),
        licence: package.license.clone(),
    };
    metadata.packages.iter().map(facts).collect()
}

/// Tracked files and new ones that are not ignored, so that an offence shows before it is committed.
fn listed_by_git(root: &Path) -> Vec<String> {
    let listing = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .expect("git is on the path: the preparation script sees to it");
    assert!(listing.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listing.stderr));
    let mut files: Vec<String> = listing
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        // A file deleted but not yet committed is still listed.
        .filter(|path| root.join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    assert!(!files.is_empty(), "git lists no files in {}", root.display());
    files
}
