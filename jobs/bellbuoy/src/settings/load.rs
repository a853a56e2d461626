//! Reading the configuration: the file, then the environment, then the checks; each fault with its place.
//!
//! A variable `BELLBUOY__SECTION__FIELD` overrides `section.field`; its value is read as YAML, so numbers, lists and
//! whole sections can be given. Where a name holds what a variable cannot, every such character is written `_`.

use super::Settings;
use super::places::{nearest, places};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Read when no file is named and this one is there.
const USUAL_FILE: &str = "bellbuoy.yaml";
/// What variables that override begin with.
const PREFIX: &str = "BELLBUOY__";

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{file}: {error}")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A field of the file.
    #[error("{file}:{line}:{column}: {message}")]
    Field {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// The field, what is wrong with it and what is allowed.
        message: String,
    },
    /// A variable of the environment, or several together.
    #[error("{variables}: {message}")]
    Environment {
        /// Which.
        variables: String,
        /// The field, what is wrong with it and what is allowed.
        message: String,
    },
}

/// The effective configuration, and the file it came from.
pub fn load(
    named: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Settings, Option<PathBuf>), SettingsError> {
    let file = match named {
        Some(file) => Some(file.to_owned()),
        None => Some(PathBuf::from(USUAL_FILE)).filter(|file| file.exists()),
    };
    let mut settings = Settings::default();
    if let Some(file) = &file {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| SettingsError::File { file: shown.clone(), error })?;
        settings = read(&shown, &text)?;
        // Before the overrides: a fault of the file is shown in the file.
        if let Err((field, message)) = settings.check() {
            let (line, column) = nearest(&places(&text), &field).unwrap_or((1, 1));
            return Err(SettingsError::Field { file: shown, line, column, message: format!("{field}: {message}") });
        }
    }
    let mut overrides: Vec<_> = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    overrides.sort();
    if !overrides.is_empty() {
        settings = override_all(&settings, &overrides)?;
    }
    Ok((settings, file))
}

/// The file's content; an empty file is all defaults.
fn read(file: &str, text: &str) -> Result<Settings, SettingsError> {
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---";
    if text.lines().all(blank) {
        return Ok(Settings::default());
    }
    let mut path = String::new();
    let result = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize::<_, Settings>(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    });
    result.map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(|at| (at.line(), at.column()));
        let (line, column) = place.or_else(|| nearest(&places(text), &path)).unwrap_or((1, 1));
        SettingsError::Field { file: file.to_owned(), line, column, message: explain(&path, error) }
    })
}

/// The field, what is wrong with it, and what is allowed.
fn explain(path: &str, error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    let mut message = match path {
        "." | "" => String::new(),
        path => format!("{path}: "),
    };
    let listed = |names: &[&str]| names.join(", ");
    // Writing to a text cannot fail.
    let _ = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            write!(message, "unknown field `{field}`; allowed are {}", listed(expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            write!(message, "`{variant}` is unknown; allowed are {}", listed(expected))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            write!(message, "{unexpected} is not allowed; allowed is {expected}")
        }
        Error::InvalidScalar { ty, .. } => write!(message, "the value is not allowed; allowed is {ty}"),
        Error::Message { msg, .. } => write!(message, "{msg}"),
        other => write!(message, "{other}"),
    };
    message
}

fn override_all(settings: &Settings, overrides: &[(String, String)]) -> Result<Settings, SettingsError> {
    let fail =
        |variables: &str, message: String| SettingsError::Environment { variables: variables.to_owned(), message };
    let names = overrides.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut tree = serde_json::to_value(settings).map_err(|e| fail(&names, e.to_string()))?;
    for (name, text) in overrides {
        let value: Value = match text.as_str() {
            "" => Value::Null,
            text => serde_saphyr::from_str(text)
                .map_err(|e| fail(name, format!("`{text}` is not YAML: {}", e.without_snippet())))?,
        };
        set(&mut tree, &name[PREFIX.len()..], value).map_err(|message| fail(name, message))?;
        // One after the other, so that a fault names its variable.
        serde_path_to_error::deserialize::<_, Settings>(tree.clone())
            .map_err(|e| fail(name, format!("{}: {}", e.path(), e.inner())))?;
    }
    let settings: Settings = serde_json::from_value(tree).map_err(|e| fail(&names, e.to_string()))?;
    settings.check().map_err(|(field, message)| fail(&names, format!("{field}: {message}")))?;
    Ok(settings)
}

/// Puts a value where a variable's name says.
fn set(tree: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let mut node = tree;
    for part in path.split("__") {
        let Value::Object(fields) = node else {
            return Err(format!("`{}` has no field below it", part.to_lowercase()));
        };
        let known = fields.keys().find(|name| spelled(name) == part.to_uppercase()).cloned();
        // An unknown name is refused by the types where only some are allowed.
        node = fields.entry(known.unwrap_or_else(|| part.to_lowercase())).or_insert(Value::Object(Default::default()));
    }
    *node = value;
    Ok(())
}

/// A name as a variable spells it.
fn spelled(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read("b.yaml", text).unwrap_err().to_string()
    }

    fn overridden(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let owned: Vec<_> =
            variables.iter().map(|(name, value)| (format!("BELLBUOY__{name}"), (*value).into())).collect();
        override_all(&Settings::default(), &owned)
    }

    #[test]
    fn a_fault_is_told_with_place_field_and_what_is_allowed() {
        assert_eq!(
            refused("lanes:\n  detekt: 2\n"),
            "b.yaml:2:3: lanes.detekt: unknown field `detekt`; allowed are ingest, detect, correlate, remediate"
        );
        let text = refused("memory: 512MB\n");
        assert!(text.starts_with("b.yaml:1:9: memory: `512MB` is no amount of memory; allowed is"), "{text}");
        let text = refused("log:\n  embedded: x\nlanes:\n  detect: two\n");
        assert!(text.starts_with("b.yaml:4:11: lanes.detect: "), "{text}");
        let text = refused("a: [1\n");
        assert!(text.starts_with("b.yaml:"), "{text}");
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(read("b.yaml", "# nothing yet\n").unwrap(), Settings::default());
    }

    #[test]
    fn the_environment_overrides_fields_sections_and_entries_of_maps() {
        let settings = overridden(&[
            ("LOG__EMBEDDED", "elsewhere"),
            ("LANES__DETECT", "3"),
            ("INGEST__TOPICS__K8S_AUDIT__CLUSTER", "prod"),
            ("TOPICS", "{otlp_metrics: {partitions: 8}}"),
            ("HTTP__ADDRESS", "null"),
        ])
        .unwrap();
        assert_eq!(settings.log.embedded, PathBuf::from("elsewhere"));
        assert_eq!(settings.lanes.detect, 3);
        assert_eq!(settings.ingest.topics["k8s-audit"].cluster.as_deref(), Some("prod"));
        assert_eq!(settings.topics["otlp_metrics"].partitions, Some(8));
        assert_eq!(settings.http.address, None);
    }

    #[test]
    fn a_fault_of_the_environment_names_its_variable() {
        let text = overridden(&[("LANES__DETECT", "1"), ("LANES__DETEKT", "1")]).unwrap_err().to_string();
        assert!(text.starts_with("BELLBUOY__LANES__DETEKT: lanes.detekt: unknown field"), "{text}");
        let text = overridden(&[("MEMORY", "1MiB")]).unwrap_err().to_string();
        assert!(text.starts_with("BELLBUOY__MEMORY: memory: 1MiB is too little"), "{text}");
        assert!(overridden(&[("MEMORY__X", "1")]).unwrap_err().to_string().contains("has no field below it"));
    }
}
