//! `version`: the program, what determines its output, and the schemas it speaks.

use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use serde_json::json;

pub(super) fn execute(settings: &Settings, as_json: bool) -> Result<(), Error> {
    let version = env!("CARGO_PKG_VERSION");
    let logic_hash = format!("{:016x}", settings.detect.logic_hash());
    let schemas: Vec<_> = schemas::list().iter().map(|p| (p.name.as_str(), p.version, p.fingerprint)).collect();
    if as_json {
        let schema = |(name, version, fingerprint): &(&str, u32, u64)| json!({"schema": name, "version": version, "fingerprint": format!("{fingerprint:016x}")});
        return listing::json(&json!({
            "version": version,
            "logic": {"detect": {"semantics": detect::SEMANTICS, "configuration": logic_hash}},
            "schemas": schemas.iter().map(schema).collect::<Vec<_>>(),
        }));
    }
    let mut out = format!("bellbuoy {version}\n");
    out.push_str(&format!("detect    semantics {}, configuration {logic_hash}\n", detect::SEMANTICS));
    for (name, version, fingerprint) in schemas {
        out.push_str(&format!("schema    {name} v{version}, fingerprint {fingerprint:016x}\n"));
    }
    listing::text(&out)
}
