//! OTLP metrics as protobuf, the Collector exporter's default.

use super::{Context, Source};
use crate::otlp;
use crate::raw::Raw;
use crate::reading::{Reading, Reject};
use opentelemetry_proto::tonic::metrics::v1::MetricsData;
use prost::Message;

/// The source `otlp_metrics_proto`.
pub struct Proto;

impl Source for Proto {
    fn name(&self) -> &'static str {
        "otlp_metrics_proto"
    }

    fn doc(&self) -> &'static str {
        "OTLP metrics in protobuf: kubeletstats, k8s_cluster, hostmetrics and others."
    }

    fn markers(&self) -> &'static [&'static str] {
        &[]
    }

    fn holds_bodies(&self) -> bool {
        false
    }

    fn read(&self, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Result<(), Reject> {
        // An export request and MetricsData are the same on the wire. Prost's own error names types, not content,
        // but that is no promise, so it is not passed on.
        let data = MetricsData::decode(raw.value.unwrap_or_default())
            .map_err(|_| Reject::decode("the record is not an OTLP metrics request in protobuf"))?;
        otlp::read(&data, raw, context, out);
        Ok(())
    }
}
