//! The workspace's lints reach a crate only if its manifest says so.
//!
//! Invariant: every manifest below the root has `workspace = true` under `[lints]`, unless it opens a workspace of its
//! own, as fuzz targets do, and cannot inherit.

/// One line for each manifest that does not opt in.
pub fn offences(manifests: &[(&str, String)]) -> Vec<String> {
    let silent = manifests.iter().filter(|(_, text)| !opts_in(text) && !stands_alone(text));
    silent.map(|(path, _)| format!("{path}: lacks `workspace = true` under `[lints]`")).collect()
}

fn opts_in(manifest: &str) -> bool {
    let lines = manifest.lines().map(|line| line.split('#').next().unwrap_or("").replace(char::is_whitespace, ""));
    let section = lines.skip_while(|line| line != "[lints]").skip(1);
    section.take_while(|line| !line.starts_with('[')).any(|line| line == "workspace=true")
}

fn stands_alone(manifest: &str) -> bool {
    manifest.lines().any(|line| line.trim() == "[workspace]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_opts_in_or_is_an_offence() {
        for (text, fine) in [
            ("[package]\nname = \"lamp\"\n\n[lints]\nworkspace = true\n", true),
            ("[lints]\nworkspace=true # as all\n[dependencies]\n", true),
            ("[package]\nname = \"lamp\"\n\n[workspace]\n", true),
            ("[package]\nname = \"lamp\"\n", false),
            ("[lints]\n# workspace = true\n", false),
            ("[lints]\n[dependencies]\nworkspace = true\n", false),
            ("[lints.rust]\nunsafe_code = \"allow\"\n", false),
        ] {
            let found = offences(&[("jobs/lamp/Cargo.toml", text.to_owned())]);
            assert_eq!(found.is_empty(), fine, "{text}");
        }
    }
}
