//! `policy`: tests of policies written in YAML, and the policy in force.

use crate::error::Error;
use crate::listing;
use clap::Subcommand;
use remediate::policy_test::{self, Outcome};
use remediate::{Config, RemediateError};
use std::path::{Path, PathBuf};

/// Commands about policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Run tests of policies: incidents in, commands out, with the rule of every refusal
    Test {
        /// Files with tests; each names its policy, or tests the one in force
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// The policy in force, or the commented default
    Show {
        /// The commented default
        #[arg(long)]
        default: bool,
    },
}

pub(super) fn execute(effective: &Config, command: &Policy) -> Result<(), Error> {
    match command {
        Policy::Test { files } => test(effective, files),
        Policy::Show { default: true } => listing::text(remediate::config::DEFAULT_FILE),
        Policy::Show { default: false } => {
            let text = serde_saphyr::to_string(effective)
                .map_err(|error| Error::Unwell(format!("the policy cannot be written as YAML: {error}")))?;
            listing::text(&text)
        }
    }
}

fn test(effective: &Config, files: &[PathBuf]) -> Result<(), Error> {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let outcomes = outcomes(effective, file)?;
        let mut out = String::new();
        for outcome in &outcomes {
            let fine = outcome.differences.is_empty();
            (passed, failed) = if fine { (passed + 1, failed) } else { (passed, failed + 1) };
            out.push_str(&format!("{} {}: {}\n", if fine { "ok    " } else { "FAILED" }, file.display(), outcome.name));
            outcome.differences.iter().for_each(|line| out.push_str(&format!("         {line}\n")));
        }
        listing::text(&out)?;
    }
    listing::text(&format!("{passed} passed, {failed} failed\n"))?;
    if failed == 0 { Ok(()) } else { Err(Error::Unwell(format!("{failed} policy tests failed"))) }
}

/// Reads and runs the tests of one file.
fn outcomes(effective: &Config, file: &Path) -> Result<Vec<Outcome>, Error> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|error| Error::file(file, error));
    let wrong = |error: RemediateError| Error::Usage(error.to_string());
    let tests = policy_test::read(&file.display().to_string(), &read(file)?).map_err(wrong)?;
    let policy = match (&tests.policy, &tests.policy_file) {
        (Some(policy), _) => (**policy).clone(),
        (None, Some(name)) => {
            let beside = file.parent().unwrap_or(Path::new("")).join(name);
            policy_test::read_policy(&beside.display().to_string(), &read(&beside)?).map_err(wrong)?
        }
        (None, None) => effective.clone(),
    };
    Ok(tests.tests.iter().map(|test| policy_test::run(test, &policy)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../remediate/tests/policies/default.yaml");

    fn exit_code(file: &Path) -> u8 {
        let command = Policy::Test { files: vec![file.to_owned()] };
        execute(&Config::default(), &command).map_or_else(|error| error.exit_code(), |()| 0)
    }

    #[test]
    fn the_shipped_tests_pass_one_that_fails_gives_1_and_a_broken_file_64_with_its_place() {
        assert_eq!(exit_code(Path::new(SHIPPED)), 0);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.yaml");
        std::fs::write(&file, "tests:\n- {name: a, expect: {refusals: [{remedy: evict_pod, rule: storm}]}}\n").unwrap();
        assert_eq!(exit_code(&file), 1);
        std::fs::write(&file, "tests:\n- {name: a, expct: {}}\n").unwrap();
        assert_eq!(exit_code(&file), 64);
        let text = outcomes(&Config::default(), &file).unwrap_err().to_string();
        assert!(text.contains("t.yaml:2:"), "{text}");
    }

    #[test]
    fn a_policy_beside_the_tests_is_the_one_that_is_tested() {
        let folder = tempfile::tempdir().unwrap();
        let (tests, policy) = (folder.path().join("t.yaml"), folder.path().join("policy.yaml"));
        std::fs::write(&tests, "policy_file: policy.yaml\ntests: [{name: a, expect: {}}]\n").unwrap();
        std::fs::write(&policy, "policies: []\n").unwrap();
        assert_eq!(exit_code(&tests), 0);
        std::fs::write(&policy, "policies: [{id: a, remedy: reboot}]\n").unwrap();
        assert_eq!(exit_code(&tests), 64);
        std::fs::remove_file(&policy).unwrap();
        assert_eq!(exit_code(&tests), 1);
    }
}
