//! OTLP metrics as JSON.

use super::{Context, Source};
use crate::otlp;
use crate::raw::Raw;
use crate::reading::{Reading, Reject};

/// The source `otlp_metrics_json`.
pub struct Json;

impl Source for Json {
    fn name(&self) -> &'static str {
        "otlp_metrics_json"
    }

    fn doc(&self) -> &'static str {
        "OTLP metrics in JSON: kubeletstats, k8s_cluster, hostmetrics and others."
    }

    fn markers(&self) -> &'static [&'static str] {
        &["resourceMetrics", "resource_metrics"]
    }

    fn holds_bodies(&self) -> bool {
        false
    }

    fn read(&self, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Result<(), Reject> {
        let text = std::str::from_utf8(raw.value.unwrap_or_default())
            .map_err(|_| Reject::decode("the record is not UTF-8; allowed is OTLP in JSON"))?;
        let data = otlp::json::decode(text).map_err(|error| Reject::json("the record", &error))?;
        otlp::read(&data, raw, context, out);
        Ok(())
    }
}
