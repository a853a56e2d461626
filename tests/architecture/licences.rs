//! The terms under which dependencies may come.
//!
//! Invariant: every package of the lock file, on every platform and with every feature, can be had under licences of
//! the list alone.

use crate::spdx;
use crate::workspace::Package;

/// Permissive licences, and weak ones that bind only the files they cover.
const ALLOWED: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// One line for each package that cannot be had under allowed terms.
pub fn offences(packages: &[Package]) -> Vec<String> {
    let judge = |package: &Package| {
        let terms = match &package.licence {
            None => Err("states no licence".to_owned()),
            Some(expression) => match spdx::satisfied(expression, &|licence| ALLOWED.contains(&licence)) {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!("`{expression}` needs a licence that is not on the list")),
                Err(error) => Err(format!("`{expression}` is not a licence expression: {error}")),
            },
        };
        terms.err().map(|reason| format!("{} {}: {reason}", package.name, package.version))
    };
    packages.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(licence: Option<&str>) -> [Package; 1] {
        [Package { name: "lamp".to_owned(), version: "1.2.3".to_owned(), licence: licence.map(str::to_owned) }]
    }

    #[test]
    fn a_choice_with_one_allowed_side_is_fine() {
        assert_eq!(offences(&package(Some("GPL-3.0-only OR MIT"))), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_a_missing_and_a_garbled_licence_are_offences_with_the_packages_name() {
        for (licence, reason) in [
            (Some("AGPL-3.0-only"), "`AGPL-3.0-only` needs a licence that is not on the list"),
            (Some("MIT AND GPL-2.0-only"), "`MIT AND GPL-2.0-only` needs a licence that is not on the list"),
            (Some("MIT OR"), "`MIT OR` is not a licence expression: a licence is missing at the end"),
            (None, "states no licence"),
        ] {
            assert_eq!(offences(&package(licence)), [format!("lamp 1.2.3: {reason}")]);
        }
    }
}
