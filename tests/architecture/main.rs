//! The shape of the repository, as rules that can fail: who may import whom, under which licences, and what the tree
//! looks like.
//!
//! Invariant: each rule is a pure function from facts to offences, so that beside the test that holds the repository
//! to it stands one that feeds it a made-up repository and sees it object.

mod arrows;
mod compiled_once;
mod files;
mod guarded;
mod licences;
mod lints;
mod spdx;
mod workspace;

use workspace::Repository;

#[test]
fn arrows_between_crates_point_down_only() {
    holds(&arrows::offences(&Repository::read().crates));
}

#[test]
fn each_guarded_library_is_used_by_its_owner_only() {
    holds(&guarded::offences(&Repository::read().crates));
}

#[test]
fn every_dependency_has_a_licence_on_the_list() {
    holds(&licences::offences(&Repository::read().packages));
}

#[test]
fn every_crate_opts_in_to_the_workspace_lints() {
    holds(&lints::offences(&Repository::read().manifests()));
}

#[test]
fn demo_and_tests_share_one_build_of_rocksdb() {
    holds(&compiled_once::offences(&compiled_once::selections(&Repository::read().root)));
}

#[test]
fn the_visible_top_level_is_the_designed_one() {
    holds(&files::undesigned_entries(&Repository::read().files));
}

#[test]
fn no_source_file_is_longer_than_four_hundred_lines() {
    let repository = Repository::read();
    holds(&files::overlong_sources(repository.files.iter().map(|path| (path.as_str(), repository.content(path)))));
}

#[test]
fn every_file_is_named_after_one_concept() {
    holds(&files::nameless_concepts(&Repository::read().files));
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let repository = Repository::read();
    holds(&files::machine_paths(repository.files.iter().map(|path| (path.as_str(), repository.content(path)))));
}

/// Fails with one offence a line.
#[track_caller]
fn holds(offences: &[String]) {
    assert!(offences.is_empty(), "{} offence(s):\n  {}\n", offences.len(), offences.join("\n  "));
}
