//! `schemas`: every published version, and whether each keeps its promise.

use crate::cli::Schemas;
use crate::error::Error;
use crate::listing;
use serde_json::json;

pub(super) fn execute(command: &Schemas) -> Result<(), Error> {
    match command {
        Schemas::List(listed) => list(listed.json),
        Schemas::Check(listed) => check(listed.json),
    }
}

fn list(as_json: bool) -> Result<(), Error> {
    let topic = |name: &str| topics::ALL.iter().find(|topic| topic.schema == Some(name)).map(|topic| topic.name);
    let published = schemas::list();
    if as_json {
        let value = |p: &schemas::Published| {
            json!({
                "schema": p.name.as_str(),
                "version": p.version,
                "fingerprint": format!("{:016x}", p.fingerprint),
                "topic": topic(p.name.as_str()),
            })
        };
        return listing::json(&published.iter().map(value).collect::<Vec<_>>());
    }
    let row = |p: &schemas::Published| {
        let topic = topic(p.name.as_str()).unwrap_or("-").to_owned();
        vec![p.name.to_string(), p.version.to_string(), format!("{:016x}", p.fingerprint), topic]
    };
    let rows: Vec<_> = published.iter().map(row).collect();
    listing::table(&["SCHEMA", "VERSION", "FINGERPRINT", "TOPIC"], &[1], &rows)
}

fn check(as_json: bool) -> Result<(), Error> {
    let report = schemas::check()?;
    if as_json {
        let published: Vec<_> =
            report.published.iter().map(|(name, version)| json!([name.as_str(), version])).collect();
        let pairs: Vec<_> = report.pairs.iter().map(|(name, a, b)| json!([name.as_str(), a, b])).collect();
        return listing::json(&json!({"ok": true, "published": published, "read_each_other": pairs}));
    }
    listing::text(&format!(
        "{} published versions are as they were published, {} pairs of versions read each other\n",
        report.published.len(),
        report.pairs.len()
    ))
}
