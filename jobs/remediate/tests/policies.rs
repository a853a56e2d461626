//! The shipped policy tests pass, and they show every remedy and every rule of refusal.

use remediate::policy_test::{self, TestFile};
use remediate::{Config, Rule, remedies};
use std::collections::BTreeSet;

const FILE: &str = include_str!("policies/default.yaml");

fn file() -> TestFile {
    policy_test::read("default.yaml", FILE).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_default_policy_does_what_its_tests_say() {
    let config = Config::default();
    let outcomes: Vec<_> = file().tests.iter().map(|test| policy_test::run(test, &config)).collect();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.differences.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_tests_show_every_remedy_and_every_rule_of_refusal() {
    let file = file();
    let expected = |of: fn(&policy_test::Expect) -> Vec<String>| -> BTreeSet<String> {
        file.tests.iter().flat_map(|test| of(&test.expect)).collect()
    };
    let shown = expected(|expect| expect.commands.iter().map(|command| command.remedy.clone()).collect());
    assert_eq!(shown, remedies::ALL.iter().map(|kind| kind.name.to_owned()).collect());
    let shown = expected(|expect| expect.refusals.iter().flatten().map(|refusal| refusal.rule.clone()).collect());
    assert_eq!(shown, Rule::ALL.iter().map(|rule| rule.as_str().to_owned()).collect());
}
