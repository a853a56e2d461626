//! The detectors of one entity that read API requests and flows, and what makes a request count once.
//!
//! An API request is told in up to three stages, and shippers repeat records. A request counts when it completes or
//! panics; one that lasts (watch, exec, attach, port-forward) counts when its response starts, and its end is not
//! counted again. Invariant: no duplicate reaches a detector.

use super::{ALL, Context, Detector, Finding, Observation, Reads};
use crate::layout::fnv;
use crate::panel::Arrival;
use crate::peers::PeerGroup;
use crate::state::{Reader, put_number, put_signed, put_text};
use crate::{DetectError, anomaly};
use schemas::signal::{AuditEvent, FlowAgg};

/// Detectors of requests and flows, and the fingerprints seen of late.
#[derive(Debug)]
pub struct Requests {
    seen: Vec<i64>,
    next: usize,
    detectors: Vec<(usize, Box<dyn Detector>)>,
    findings: Vec<Finding>,
}

impl Default for Requests {
    fn default() -> Self {
        let kinds = ALL.iter().enumerate().filter(|(_, kind)| kind.reads != Reads::Rows);
        Requests {
            seen: Vec::new(),
            next: 0,
            detectors: kinds.map(|(index, kind)| (index, (kind.new)())).collect(),
            findings: Vec::new(),
        }
    }
}

impl Requests {
    /// Takes an API request in, where it is to be counted.
    pub fn observe_audit(
        &mut self,
        event: &AuditEvent<'_>,
        peers: Option<&mut PeerGroup>,
        arrival: &mut Arrival<'_, '_>,
    ) {
        let limit = arrival.config.limits.fingerprints.max(2);
        if self.seen.contains(&event.fingerprint) {
            arrival.counts.audit_duplicates += 1;
            return;
        }
        self.remember(event.fingerprint, limit);
        if !self.counts(event, limit) {
            arrival.counts.other_stages += 1;
            return;
        }
        self.observe(&Observation::Audit(event), peers, arrival);
    }

    /// Takes flows in.
    pub fn observe_flow(&mut self, flow: &FlowAgg<'_>, peers: Option<&mut PeerGroup>, arrival: &mut Arrival<'_, '_>) {
        self.observe(&Observation::Flow(flow), peers, arrival);
    }

    fn observe(
        &mut self,
        observation: &Observation<'_>,
        mut peers: Option<&mut PeerGroup>,
        arrival: &mut Arrival<'_, '_>,
    ) {
        let signal = arrival.signal;
        for (kind, detector) in &mut self.detectors {
            if matches!(observation, Observation::Flow(_)) && ALL[*kind].reads != Reads::AuditAndFlows {
                continue;
            }
            let mut context = Context {
                config: arrival.config,
                entity: &signal.entity,
                scope: "",
                time: signal.event_time,
                peers: peers.as_deref_mut(),
                counts: arrival.counts,
            };
            detector.observe(observation, &mut context, &mut self.findings);
            for finding in self.findings.drain(..) {
                arrival.counts.anomalies += 1;
                let evidence = [arrival.at.to_owned(), signal.provenance.to_owned()];
                arrival.out.push(anomaly::complete(finding, &ALL[*kind], signal, "", signal.event_time, &evidence));
            }
        }
    }

    /// True for the one stage of a request that counts.
    fn counts(&mut self, event: &AuditEvent<'_>, limit: usize) -> bool {
        let lasting = event.verb == "watch" || matches!(event.subresource.as_str(), "exec" | "attach" | "portforward");
        match event.stage.as_str() {
            "ResponseStarted" if lasting => {
                self.remember(request(event), limit);
                true
            }
            "ResponseComplete" | "Panic" => !(lasting && self.seen.contains(&request(event))),
            // Envelopes without stages tell each request once.
            "" => true,
            _ => false,
        }
    }

    fn remember(&mut self, fingerprint: i64, limit: usize) {
        if self.seen.len() < limit {
            self.seen.push(fingerprint);
        } else {
            self.next %= self.seen.len();
            self.seen[self.next] = fingerprint;
            self.next += 1;
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.seen.capacity() * 8 + self.detectors.iter().map(|(_, detector)| 64 + detector.heap_bytes()).sum::<usize>()
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.next as u64);
        put_number(out, self.seen.len() as u64);
        self.seen.iter().for_each(|&fingerprint| put_signed(out, fingerprint));
        put_number(out, self.detectors.len() as u64);
        let mut bytes = Vec::new();
        for (kind, detector) in &self.detectors {
            bytes.clear();
            detector.encode(&mut bytes);
            put_text(out, ALL[*kind].name);
            put_number(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
    }

    /// Reads what [`Requests::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut requests = Requests { next: from.number32()? as usize, ..Requests::default() };
        for _ in 0..from.count()? {
            requests.seen.push(from.signed()?);
        }
        for _ in 0..from.count()? {
            let name = from.text()?;
            let length = from.count()?;
            let mut bytes = Reader::new(from.take(length)?);
            let kind = ALL.iter().position(|kind| kind.name == name).ok_or_else(|| from.corrupt("unknown detector"))?;
            let slot = requests.detectors.iter_mut().find(|(index, _)| *index == kind);
            let slot = slot.ok_or_else(|| from.corrupt("detector that reads rows only"))?;
            slot.1 = (ALL[kind].decode)(&mut bytes)?;
        }
        Ok(requests)
    }
}

/// One request, whatever its stage.
fn request(event: &AuditEvent<'_>) -> i64 {
    let text =
        [event.audit_id.as_str(), &event.verb, &event.resource, &event.subresource, &event.namespace, &event.name];
    fnv(text.join("\0").as_bytes()) as i64
}
