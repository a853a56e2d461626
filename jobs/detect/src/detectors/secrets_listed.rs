//! All secrets of the cluster listed at once: an absolute rule, from the first second.

use super::quiet::Quiet;
use super::{Context, Detector, Finding, Kind, Observation, Reads, term};
use crate::state::Reader;
use crate::{DetectError, score, sentence};
use schemas::signal::AuditEvent;
use schemas::{Band, Family};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "secrets_listed",
    family: Family::Novelty,
    doc: "Somebody listed the secrets of all namespaces, or tried to.",
    keys: &["secrets_listed.enabled", "secrets_listed.allowed", "secrets_listed.quiet"],
    reads: Reads::Audit,
    new: || Box::new(SecretsListed::default()),
    decode: |from| Ok(Box::new(SecretsListed::decode(from)?)),
};

#[derive(Debug, Default)]
struct SecretsListed {
    quiet: Quiet,
}

impl Detector for SecretsListed {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        let Observation::Audit(event) = observation else { return };
        let rule = &context.config.secrets_listed;
        let Some(band) = band(event) else { return };
        let principal = sentence::principal(context.entity);
        if !rule.enabled || rule.allows(&principal) {
            return;
        }
        if !self.quiet.tell(context.time, band, rule.quiet) {
            context.counts.repeated += 1;
            return;
        }
        let who = sentence::entity(context.entity);
        let did = match (band, event.verb.as_str()) {
            (Band::Novel, "watch") => "watched the secrets of all namespaces",
            (Band::Novel, _) => "listed the secrets of all namespaces",
            (_, "watch") => "tried to watch the secrets of all namespaces and was refused",
            _ => "tried to list the secrets of all namespaces and was refused",
        };
        out.push(Finding {
            about: None,
            related: Vec::new(),
            measure: format!("{} secrets", event.verb),
            family: Family::Novelty,
            band,
            raw: 1.0,
            p: None,
            score: score::rule(band),
            sentence: format!("{who} {did} (status {}, time {} of this baseline)", event.code, self.quiet.count()),
            terms: vec![term("status", f64::from(event.code), ""), term("times seen", self.quiet.count() as f64, "")],
            instances: pod(event),
            onset: context.time,
            baseline_count: self.quiet.count() as i64,
            baseline_since: context.time,
        });
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.quiet.encode(out);
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl SecretsListed {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(SecretsListed { quiet: Quiet::decode(from)? })
    }
}

/// How grave the request is, where the rule concerns it.
fn band(event: &AuditEvent<'_>) -> Option<Band> {
    let all = event.resource == "secrets"
        && event.subresource.is_empty()
        && event.namespace.is_empty()
        && event.name.is_empty()
        && matches!(event.verb.as_str(), "list" | "watch");
    all.then(|| outcome(event))
}

/// Novel where the server did it, sharp where it refused.
pub fn outcome(event: &AuditEvent<'_>) -> Band {
    let refused = event.code >= 400 || event.decision == "forbid";
    if refused { Band::Sharp } else { Band::Novel }
}

/// The pod the request came from, where the token says so.
pub fn pod(event: &AuditEvent<'_>) -> Vec<String> {
    if event.pod.is_empty() { Vec::new() } else { vec![event.pod.as_str().to_owned()] }
}
