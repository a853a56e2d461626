//! Unit tests of policies, written in YAML: incidents in, commands out, with the rule and numbers of every refusal.
//!
//! Invariant: a test runs the same code as the job does. Nothing is read or written here; the caller brings the texts.

mod expected;
mod story;

pub use expected::{Expect, ExpectedCommand, ExpectedObservation, ExpectedRefusal};
pub use story::{CauseGiven, ChangeGiven, ControlGiven, IncidentGiven, LinkGiven, MemberGiven, Named};

use crate::config::Config;
use crate::error::RemediateError;
use crate::state::State;
use engine::span::Span;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// A file of policy tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// File with the policy to test, beside this one; null for `policy`, or the effective one.
    #[serde(default)]
    pub policy_file: Option<PathBuf>,
    /// The policy to test, in place.
    #[serde(default)]
    pub policy: Option<Box<Config>>,
    /// The tests.
    pub tests: Vec<PolicyTest>,
}

/// One test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTest {
    /// What it shows.
    pub name: String,
    /// What is changed of the policy for this test only: whole sections, as in the policy.
    #[serde(default)]
    pub policy: Option<Box<Config>>,
    /// Changes of incidents, in the order of their times.
    #[serde(default)]
    pub incidents: Vec<IncidentGiven>,
    /// What people say meanwhile.
    #[serde(default)]
    pub controls: Vec<ControlGiven>,
    /// How long to look on after the beginning.
    #[serde(default)]
    pub until: Span,
    /// What must come of it.
    pub expect: Expect,
}

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The test's name.
    pub name: String,
    /// What differs from what was expected, a line each; empty where nothing does.
    pub differences: Vec<String>,
}

/// Time between two ticks of a test's clock.
const TICK: i64 = 1_000;

/// Reads a file of policy tests.
pub fn read(file: &str, text: &str) -> Result<TestFile, RemediateError> {
    let tests: TestFile = parse(file, text)?;
    if tests.policy.is_some() && tests.policy_file.is_some() {
        return Err(fault(file, text, "policy", "give `policy` or `policy_file`, not both".to_owned()));
    }
    let own = tests.tests.iter().filter_map(|test| test.policy.as_deref());
    for config in tests.policy.as_deref().into_iter().chain(own) {
        config.check().map_err(|error| fault(file, text, "policy", error.to_string()))?;
    }
    Ok(tests)
}

/// Reads a file that holds a policy, as the configuration has it under `remediate`.
pub fn read_policy(file: &str, text: &str) -> Result<Config, RemediateError> {
    let config: Config = parse(file, text)?;
    config.check().map_err(|error| fault(file, text, "policies", error.to_string()))?;
    Ok(config)
}

/// Runs one test against the policy of its file, or its own.
pub fn run(test: &PolicyTest, policy: &Config) -> Outcome {
    let config = test.policy.as_deref().unwrap_or(policy);
    let events = story::events(test);
    let (mut state, mut decisions) = (State::default(), Vec::new());
    let end = events.last().map_or(0, |(at, _)| *at).max(test.until.millis());
    let mut events = events.into_iter().peekable();
    let mut at = 0;
    while at <= end {
        let mut observe = |body: &schemas::IncidentBody<'_>| {
            let found = state.observe(body, story::START + at, config);
            decisions.extend(found.into_iter().map(|decision| (at, decision)));
        };
        observe(&schemas::IncidentBody::TaskTick(schemas::TaskTick { up_to: story::START + at }));
        while let Some((_, body)) = events.next_if(|(time, _)| *time <= at) {
            observe(&body);
        }
        // The next whole tick, or the next event before it.
        let tick = (at / TICK + 1) * TICK;
        at = events.peek().map_or(tick, |(time, _)| tick.min(*time));
    }
    Outcome { name: test.name.clone(), differences: expected::differences(&test.expect, &decisions) }
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, RemediateError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let text = error.to_string();
        // The place stands in front already.
        let message = text.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&text).to_owned();
        RemediateError::TestFile { file: file.to_owned(), line, column, message }
    })
}

/// A fault of what was read, at the line that begins with a field.
fn fault(file: &str, text: &str, field: &str, message: String) -> RemediateError {
    let at = text.lines().position(|line| line.trim_start_matches([' ', '-']).starts_with(field));
    RemediateError::TestFile { file: file.to_owned(), line: at.map_or(1, |line| line as u64 + 1), column: 1, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN_OVER: &str = "
tests:
- name: a taken-over pod
  incidents:
  - at: 5s
    severity: 20
    members:
    - {entity: workload/shop/Deployment/cart, family: Novelty, pods: [cart-1]}
    - {entity: workload/shop/Deployment/cart, family: Saturation}
  expect:
    commands:
    - {remedy: quarantine_pod, target: Pod/shop/cart-1, mode: recommend, policy: isolate-taken-over-pod}
";

    fn outcome(text: &str) -> Outcome {
        run(&read("t.yaml", text).unwrap().tests[0], &Config::default())
    }

    #[test]
    fn a_test_passes_when_exactly_what_it_expects_happens() {
        assert_eq!(outcome(TAKEN_OVER).differences, Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        let wrong = TAKEN_OVER.replace("target: Pod/shop/cart-1", "target: Pod/shop/cart-2");
        assert_eq!(
            outcome(&wrong).differences,
            [
                "missing    command quarantine_pod of Pod/shop/cart-2, mode recommend, policy isolate-taken-over-pod",
                "unexpected command quarantine_pod of Pod/shop/cart-1, mode recommend, policy isolate-taken-over-pod, attempt 1, at 5s",
            ]
        );
        let silent = format!("{TAKEN_OVER}    refusals: [{{remedy: evict_pod, rule: cooldown, numbers: {{x: 1}}}}]\n");
        assert_eq!(outcome(&silent).differences, ["missing    refusal evict_pod by cooldown, numbers x = 1"]);
    }

    #[test]
    fn a_broken_file_is_told_with_its_place() {
        let fault = |text: &str| read("t.yaml", text).unwrap_err().to_string();
        let text = fault(&TAKEN_OVER.replace("family: Novelty", "family: Novel"));
        assert!(text.starts_with("t.yaml:8:"), "{text}");
        let text =
            fault(&TAKEN_OVER.replace("entity: workload/shop/Deployment/cart, family: N", "entity: cart, family: N"));
        assert!(text.starts_with("t.yaml:8:") && text.contains("workload/shop/Deployment/cart"), "{text}");
        assert!(!text.contains("at line"), "{text}");
        let text = fault(&format!("policy:\n  expiry: 20m\n{TAKEN_OVER}"));
        assert!(text.starts_with("t.yaml:1:1: expiry: 20m is not allowed"), "{text}");
        assert!(fault("tests: [{name: a}]").starts_with("t.yaml:1:"));
    }
}
