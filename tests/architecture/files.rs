//! What the tree looks like: its top level, the length and names of its files, and what they must not mention.
//!
//! Invariant: a reader who only lists folders can draw the data flow, and nothing in them points at one machine.

use std::collections::BTreeSet;

/// What a listing of the root may show; tool files hide behind a dot.
const TOP_LEVEL: [&str; 10] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "helm", "jobs", "loadtest", "schemas", "tests", "topology"];

/// Lines of a source file before its unit tests.
const LONGEST_SOURCE: usize = 400;

/// Names that say nothing about what a file or folder holds.
const NAMELESS: [&str; 7] = ["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// One line for each visible entry of the root that the design does not have.
pub fn undesigned_entries(files: &[String]) -> Vec<String> {
    let entries: BTreeSet<&str> = files.iter().filter_map(|path| path.split('/').next()).collect();
    let visible = entries.into_iter().filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry));
    visible.map(|entry| format!("{entry}: the visible top level is {}", TOP_LEVEL.join(" "))).collect()
}

/// One line for each Rust source of a crate that has grown beyond one concept; its unit tests do not count.
pub fn overlong_sources<'a>(files: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<String> {
    let judge = |(path, content): (&str, Vec<u8>)| {
        let source = path.ends_with(".rs") && path.contains("/src/") && !path.ends_with("/tests.rs");
        let lines = String::from_utf8_lossy(&content).lines().take_while(|line| *line != "#[cfg(test)]").count();
        (source && lines > LONGEST_SOURCE)
            .then(|| format!("{path}: {lines} lines before its tests, {LONGEST_SOURCE} are allowed; split by concept"))
    };
    files.filter_map(judge).collect()
}

/// One line for each file or folder with a name that could hold anything.
pub fn nameless_concepts(files: &[String]) -> Vec<String> {
    let stem = |part: &str| part.split('.').next().unwrap_or("").to_owned();
    let nameless = files.iter().filter(|path| path.split('/').any(|part| NAMELESS.contains(&stem(part).as_str())));
    nameless.map(|path| format!("{path}: name it after the one concept it holds")).collect()
}

/// One line for each file that mentions a home or work folder by its absolute path.
pub fn machine_paths<'a>(files: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<String> {
    let judge = |(path, content): (&str, Vec<u8>)| {
        let text = String::from_utf8_lossy(&content).into_owned();
        let mut lines = text.lines().enumerate();
        lines.find_map(|(at, line)| {
            let place = machine_path(line)?;
            Some(format!("{path}:{}: mentions {place}…, which exists on one machine only", at + 1))
        })
    };
    files.filter_map(judge).collect()
}

fn machine_path(line: &str) -> Option<&'static str> {
    // Pieced together, or this file would offend.
    let places = [
        concat!("/", "home/"),
        concat!("/", "root/"),
        concat!("/", "work/"),
        concat!("/", "Users/"),
        concat!("C:\\", "Users\\"),
    ];
    places.into_iter().find(|place| {
        line.match_indices(place).any(|(at, _)| {
            // `$cache/work/` and `src/work/` are relative to something: only a path that starts here is absolute.
            let before = line[..at].chars().next_back();
            let starts = !before.is_some_and(|c| c.is_alphanumeric() || "_-.~/}".contains(c));
            let after = line[at + place.len()..].chars().next();
            starts && after.is_some_and(|c| c.is_alphanumeric() || "_.".contains(c))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| path.to_string()).collect()
    }

    fn file<'a>(path: &'a str, content: &str) -> impl Iterator<Item = (&'a str, Vec<u8>)> {
        std::iter::once((path, content.as_bytes().to_vec()))
    }

    #[test]
    fn a_new_visible_entry_is_an_offence_and_a_dotfile_is_not() {
        assert_eq!(undesigned_entries(&owned(&[".ci/run", "Cargo.toml", "jobs/demo"])), Vec::<String>::new());
        let found = undesigned_entries(&owned(&["Makefile", "scripts/a", "scripts/b", "jobs/demo"]));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("Makefile: ") && found[1].starts_with("scripts: "));
    }

    #[test]
    fn a_source_is_measured_up_to_its_tests() {
        let (full, over) = ("line\n".repeat(400), "line\n".repeat(401));
        let tested = format!("{full}#[cfg(test)]\nmod tests {{\n{over}}}\n");
        assert_eq!(overlong_sources(file("jobs/lamp/src/lib.rs", &full)), Vec::<String>::new());
        assert_eq!(overlong_sources(file("jobs/lamp/src/lib.rs", &tested)), Vec::<String>::new());
        assert_eq!(overlong_sources(file("jobs/lamp/tests/crash.rs", &over)), Vec::<String>::new());
        assert_eq!(
            overlong_sources(file("jobs/lamp/src/lib.rs", &over)),
            ["jobs/lamp/src/lib.rs: 401 lines before its tests, 400 are allowed; split by concept"]
        );
    }

    #[test]
    fn a_name_that_could_hold_anything_is_an_offence() {
        assert_eq!(nameless_concepts(&owned(&["jobs/lamp/src/wick.rs", "jobs/lamp/src/typesetter.rs"])).len(), 0);
        assert_eq!(nameless_concepts(&owned(&["jobs/lamp/src/utils.rs", "jobs/common/src/lib.rs"])).len(), 2);
    }

    #[test]
    fn an_absolute_home_or_work_folder_is_an_offence() {
        for place in ["home/ann/x", "root/.cache", "work/main", "Users/ann"] {
            let text = format!("first\nsee (/{place})\n");
            let found = machine_paths(file("jobs/README.md", &text));
            assert_eq!(found.len(), 1, "{place}");
            assert!(found[0].starts_with("jobs/README.md:2: mentions /"), "{}", found[0]);
        }
        for harmless in ["$cache/work/state", "src/work/lamp.rs", "~/work/x", "a home/ann", "the work/rest ratio"] {
            assert_eq!(machine_paths(file("a", harmless)), Vec::<String>::new(), "{harmless}");
        }
    }
}
