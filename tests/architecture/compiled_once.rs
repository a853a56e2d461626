//! RocksDB's C++ takes most of a cold build, so that the demo and the tests have to share one build of it.
//!
//! Invariant: whatever is selected, RocksDB and everything it is built from have the same features. Cargo enables what
//! the selected crates ask for together, and a feature more in a build tool is another build of all that stands on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The package with the C++.
const COSTLY: &str = "librocksdb-sys";

/// What is built by the demo, and by tests, clippy and docs.
const SELECTIONS: [&[&str]; 2] =
    [&["--package", "bellbuoy", "--edges", "normal,build"], &["--workspace", "--edges", "normal,build,dev"]];

/// The packages below [`COSTLY`] with their features, for each selection.
pub fn selections(root: &Path) -> Vec<(String, BTreeSet<String>)> {
    let tree = |selection: &&[&str]| {
        let output = Command::new(env!("CARGO"))
            .current_dir(root)
            .args(["tree", "--no-dedupe", "--prefix", "depth", "--format", " {p} {f}"])
            .args(*selection)
            .output()
            .expect("cargo is where it built this test");
        assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        (selection.join(" "), below(COSTLY, &String::from_utf8_lossy(&output.stdout)))
    };
    SELECTIONS.iter().map(tree).collect()
}

/// One line for each package with other features than in the first selection.
pub fn offences(selections: &[(String, BTreeSet<String>)]) -> Vec<String> {
    let Some(((first, expected), others)) = selections.split_first() else { return Vec::new() };
    let compare = |(selection, packages): &(String, BTreeSet<String>)| {
        let differing = packages.symmetric_difference(expected);
        let line = |package| format!("{package}: only in one of `{first}` and `{selection}`");
        differing.map(line).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = others.iter().flat_map(compare).collect();
    if expected.is_empty() {
        found.push(format!("`{first}` does not build {COSTLY}; if that is meant, this rule has no object"));
    }
    found
}

/// Each `name version features` in the subtrees of a package, in the output of `cargo tree --prefix depth`.
fn below(package: &str, tree: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = None;
    for line in tree.lines() {
        let Some((depth, facts)) = line.split_once(' ') else { continue };
        let Ok(depth) = depth.parse::<usize>() else { continue };
        if inside.is_some_and(|top| depth <= top) {
            inside = None;
        }
        if inside.is_none() && facts.split(' ').next() == Some(package) {
            inside = Some(depth);
        }
        if inside.is_some() {
            found.insert(facts.trim_end().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = "0 bellbuoy v0.1.0 \n1 rocksdb v1.0.0 lz4\n2 librocksdb-sys v2.0.0 lz4\n\
                        3 bindgen v3.0.0 runtime\n4 either v1.0.0 std\n2 libc v0.2.0 \n1 either v1.0.0 std,other\n";

    fn selected(selection: &str, tree: &str) -> (String, BTreeSet<String>) {
        (selection.to_owned(), below(COSTLY, tree))
    }

    #[test]
    fn only_what_the_costly_package_is_built_from_counts() {
        let expected = ["bindgen v3.0.0 runtime", "either v1.0.0 std", "librocksdb-sys v2.0.0 lz4"];
        assert_eq!(below(COSTLY, DEMO).into_iter().collect::<Vec<_>>(), expected);
        let elsewhere = DEMO.replace("std,other", "std,third");
        assert_eq!(offences(&[selected("demo", DEMO), selected("tests", &elsewhere)]), Vec::<String>::new());
    }

    #[test]
    fn a_feature_more_in_a_build_tool_is_an_offence() {
        let more = DEMO.replace("either v1.0.0 std\n", "either v1.0.0 std,more\n");
        let found = offences(&[selected("demo", DEMO), selected("tests", &more)]);
        assert_eq!(
            found,
            [
                "either v1.0.0 std: only in one of `demo` and `tests`",
                "either v1.0.0 std,more: only in one of `demo` and `tests`"
            ]
        );
    }

    #[test]
    fn a_demo_without_the_costly_package_is_an_offence() {
        assert_eq!(offences(&[selected("demo", "0 bellbuoy v0.1.0 \n")]).len(), 1);
    }
}
