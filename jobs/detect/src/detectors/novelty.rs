//! First-seen calls, namespaces and egress peers of one entity: how unlikely a new one is, for it and among its peers.
//!
//! A first-seen peer outside the cluster is told a band higher than its chance alone says.
//! An entity for which new keys are common (chance above `always_new`) is not judged in that dimension.

mod keys;

use super::{Context, Detector, Finding, Kind, Observation, Reads, secrets_listed, term};
use crate::layout::fnv;
use crate::peers::Commonness;
use crate::state::Reader;
use crate::{DetectError, score, sentence};
use keys::{FirstSeen, Keys};
use schemas::signal::{AuditEvent, Direction, FlowAgg, Verdict};
use schemas::{Band, Family};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "novelty",
    family: Family::Novelty,
    doc: "A call, a namespace or an egress peer an entity never used before, where new ones are rare.",
    keys: &[
        "novelty.enabled",
        "novelty.mature_count",
        "novelty.least_age",
        "novelty.mature_age",
        "novelty.always_new",
        "novelty.half_life",
        "novelty.unusual",
        "novelty.sharp",
        "novelty.novel",
    ],
    reads: Reads::AuditAndFlows,
    new: || Box::new(NoveltyDetector::default()),
    decode: |from| Ok(Box::new(NoveltyDetector::decode(from)?)),
};

/// Dimensions of novelty, each with its own keys.
const DIMENSIONS: usize = 3;
const CALLS: usize = 0;
const NAMESPACES: usize = 1;
const PEERS: usize = 2;

#[derive(Debug, Default)]
struct NoveltyDetector {
    dimensions: [Option<Box<Keys>>; DIMENSIONS],
}

/// How an observation of one dimension reads.
struct Wording {
    measure: String,
    did: String,
    unit: &'static str,
}

impl Detector for NoveltyDetector {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        if !context.config.novelty.enabled {
            return;
        }
        match observation {
            Observation::Audit(event) => self.observe_audit(event, context, out),
            Observation::Flow(flow) if flow.direction == Direction::Egress && !flow.peer.is_empty() => {
                let key = hash(PEERS, &[&flow.peer, &flow.port.to_string()]);
                // A peer outside is a way out: it is told a band higher.
                let outside = flow.external;
                let instances = if flow.instance.is_empty() { Vec::new() } else { vec![flow.instance.to_string()] };
                self.observe_key(PEERS, key, outside, || flow_wording(flow), instances, context, out);
            }
            _ => {}
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for keys in &self.dimensions {
            out.push(u8::from(keys.is_some()));
            if let Some(keys) = keys {
                keys.encode(out);
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        self.dimensions.iter().flatten().map(|keys| size_of::<Keys>() + keys.heap_bytes()).sum()
    }
}

impl NoveltyDetector {
    fn observe_audit(&mut self, event: &AuditEvent<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        if event.resource.is_empty() {
            return;
        }
        let key = hash(CALLS, &[&event.verb, &event.resource, &event.subresource]);
        self.observe_key(CALLS, key, false, || call_wording(event), secrets_listed::pod(event), context, out);
        if !event.namespace.is_empty() {
            let key = hash(NAMESPACES, &[&event.namespace]);
            let wording = || Wording {
                measure: format!("namespace {}", event.namespace),
                did: format!("acted in namespace `{}`", event.namespace),
                unit: "calls",
            };
            self.observe_key(NAMESPACES, key, false, wording, secrets_listed::pod(event), context, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one key is judged from all of these, in one place")]
    fn observe_key(
        &mut self,
        dimension: usize,
        key: u64,
        grave: bool,
        wording: impl Fn() -> Wording,
        instances: Vec<String>,
        context: &mut Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let config = &context.config.novelty;
        let keys = self.dimensions[dimension].get_or_insert_with(|| Box::new(Keys::new(context.time)));
        let Some(first) = keys.observe(key, context.time, config.half_life) else { return };
        let common = context.peers.as_deref_mut().map(|group| {
            let member = fnv(context.entity.key().as_bytes());
            group.learn(member, key, context.time, config)
        });
        let age = context.time - keys.since();
        let enough = first.total >= config.mature_count && age >= config.least_age;
        let mature = enough || age >= config.mature_age;
        if !mature || first.chance > config.always_new {
            return;
        }
        let p = first.chance * rarity(common.unwrap_or_default());
        let band = match p {
            p if p <= config.novel || grave && p <= config.sharp => Band::Novel,
            p if p <= config.sharp || grave && p <= config.unusual => Band::Sharp,
            p if p <= config.unusual => Band::Unusual,
            _ => return,
        };
        out.push(explain(&wording(), &first, common, p, band, instances, keys.since(), context));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut detector = NoveltyDetector::default();
        for keys in &mut detector.dimensions {
            if from.byte()? == 1 {
                *keys = Some(Box::new(Keys::decode(from)?));
            }
        }
        Ok(detector)
    }
}

/// Chance that a member of the group uses a key, from those that do; a small group says little.
fn rarity(common: Commonness) -> f64 {
    let others = f64::from(common.others);
    let weight = 1.0 / (1.0 + others / 5.0);
    let share = if common.others == 0 { 0.0 } else { f64::from(common.users) / others };
    share * (1.0 - weight) + weight / (others + 1.0)
}

#[allow(clippy::too_many_arguments, reason = "one finding is told from all of these, in one place")]
fn explain(
    wording: &Wording,
    first: &FirstSeen,
    common: Option<Commonness>,
    p: f64,
    band: Band,
    instances: Vec<String>,
    since: i64,
    context: &Context<'_>,
) -> Finding {
    let who = sentence::entity(context.entity);
    let mut text = format!(
        "{who} {} for the first time in {} of {} {}",
        wording.did,
        sentence::span(context.time - since),
        sentence::thousands(first.total as f64),
        wording.unit,
    );
    let mut terms = vec![
        term("observations before", first.total as f64, ""),
        term("weighted observations N", first.weighted, ""),
        term("weighted keys seen once N1", first.once, ""),
        term("chance of a new one (N1 + 0.5)/(N + 1)", first.chance, ""),
    ];
    if let Some(common) = common {
        terms.push(term("peers", f64::from(common.others), ""));
        terms.push(term("peers that did it", f64::from(common.users), ""));
        terms.push(term("chance among peers", rarity(common), ""));
        if common.others > 0 {
            let who = match common.users {
                0 => "none".to_owned(),
                users => users.to_string(),
            };
            text += &format!("; {who} of its {} peers ever did", common.others);
        }
    }
    terms.push(term("p", p, ""));
    Finding {
        about: None,
        related: Vec::new(),
        measure: wording.measure.clone(),
        family: Family::Novelty,
        band,
        raw: -libm::log10(p),
        p: Some(p),
        score: score::probability(p),
        sentence: text,
        terms,
        instances,
        onset: context.time,
        baseline_count: i64::try_from(first.total).unwrap_or(i64::MAX),
        baseline_since: since,
    }
}

fn call_wording(event: &AuditEvent<'_>) -> Wording {
    let did = match event.verb.as_str() {
        "create" => "created",
        "delete" => "deleted",
        "deletecollection" => "deleted all",
        "get" => "read",
        "list" => "listed",
        "patch" => "patched",
        "update" => "updated",
        "watch" => "watched",
        other => other,
    };
    let slash = if event.subresource.is_empty() { "" } else { "/" };
    let what = format!("{}{slash}{}", event.resource, event.subresource);
    let refused = if event.code >= 400 { " (refused)" } else { "" };
    Wording { measure: format!("{} {what}", event.verb), did: format!("{did} `{what}`{refused}"), unit: "calls" }
}

fn flow_wording(flow: &FlowAgg<'_>) -> Wording {
    let port = if flow.port > 0 { format!(" port {}", flow.port) } else { String::new() };
    let dropped = match flow.verdict {
        Verdict::Forwarded | Verdict::Other => "",
        Verdict::Dropped => " (dropped)",
        Verdict::Error => " (failed)",
    };
    Wording {
        measure: format!("egress to {}{port}", flow.peer),
        did: format!("connected to `{}`{port}{dropped}", flow.peer),
        unit: "flows",
    }
}

fn hash(dimension: usize, parts: &[&str]) -> u64 {
    parts.iter().fold(fnv(&[dimension as u8]), |hash, part| {
        let next = part.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        // A separator, so that neighbouring parts cannot run into each other.
        (next ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_group_says_little_and_a_large_one_much() {
        assert_eq!(rarity(Commonness { others: 0, users: 0 }), 1.0);
        let (none, half) = (rarity(Commonness { others: 14, users: 0 }), rarity(Commonness { others: 14, users: 7 }));
        assert!((none - 0.017543).abs() < 1e-5 && half > 0.3);
    }
}
