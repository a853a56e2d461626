//! What would become of a command, found out without doing it: judged, looked at, guarded, planned, and every request
//! put to the server as a dry run.
//!
//! Invariant: nothing is sent but reads and dry runs; no claim is made, and nothing is told.

use crate::actions::{self, Kind, Order, Refusal, Request, Standing};
use crate::api::{Api, Dry};
use crate::config::Config;
use crate::consent::Consent;
use crate::error::ActuateError;
use crate::judge::{Verdict, judge};
use crate::ledger::Ledger;
use crate::view::{LookError, View, look};
use crate::{budget, guards};
use engine::log::Log;
use schemas::{Command, RefusalRule, signing};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What would become of a command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    /// In a word.
    pub outcome: Outcome,
    /// People whose consent is still missing.
    pub waits_for: usize,
    /// Everything that speaks against it, whichever would be met first.
    pub obstacles: Vec<Obstacle>,
    /// The requests that would be sent, in order, with what the server says to each. A later one is tried on the
    /// cluster as it is, without what an earlier one would have changed.
    pub requests: Vec<Rehearsed>,
}

/// What would become of it, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It would be carried out.
    CarriedOut,
    /// It would be carried out once people consent, or its time comes.
    Waits,
    /// People would be told; nothing would be done.
    Recommended,
    /// It would be counted; nothing would be said.
    Observed,
    /// It would be refused.
    Refused,
}

/// Something that speaks against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Obstacle {
    /// The rule.
    pub rule: RefusalRule,
    /// What was found and what is allowed.
    pub sentence: String,
    /// The numbers it compared.
    pub numbers: BTreeMap<&'static str, f64>,
}

/// One request, and what the server would answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsed {
    /// HTTP method.
    pub method: &'static str,
    /// Path.
    pub path: String,
    /// Type of the body.
    pub content_type: &'static str,
    /// The body; null where there is none.
    pub body: Value,
    /// HTTP status.
    pub status: u16,
    /// What the server says is wrong; empty where nothing.
    pub error: String,
}

/// Finds out what would become of a command. Without a log nobody's consent and no kill switch of the control topic is
/// known.
pub fn rehearse(
    config: &Config,
    log: Option<&dyn Log>,
    command: &Command<'_>,
    now: i64,
) -> Result<Rehearsal, ActuateError> {
    config.check()?;
    let mut consent = Consent::default();
    if let Some(log) = log {
        consent.read_on(log, config)?;
    }
    let keys: Vec<_> = config.keys.iter().filter_map(|key| signing::public_key(key).ok()).collect();
    let mut rehearsal =
        Rehearsal { outcome: Outcome::CarriedOut, waits_for: 0, obstacles: Vec::new(), requests: Vec::new() };
    let verdict = judge(command, &consent, &keys, config, now);
    if let Some(kind) = actions::by_name(&command.action.name) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(ActuateError::Runtime)?.block_on(try_out(&mut rehearsal, config, command, kind, now))?;
    }
    let possible = rehearsal.obstacles.is_empty();
    rehearsal.outcome = match verdict {
        Verdict::Observe => Outcome::Observed,
        Verdict::Recommend => Outcome::Recommended,
        Verdict::Refuse(refusal) => {
            rehearsal.obstacles.insert(0, refusal.into());
            Outcome::Refused
        }
        _ if !possible => Outcome::Refused,
        Verdict::Wait(people) => {
            rehearsal.waits_for = people;
            Outcome::Waits
        }
        Verdict::Go(..) => Outcome::CarriedOut,
    };
    Ok(rehearsal)
}

/// Asks the cluster: everything that can be asked is, whatever was said before.
async fn try_out(
    rehearsal: &mut Rehearsal,
    config: &Config,
    command: &Command<'_>,
    kind: &Kind,
    now: i64,
) -> Result<(), ActuateError> {
    let silent = |error: &dyn std::fmt::Display| ActuateError::Cluster(error.to_string());
    let api = Api::connect(config.kubeconfig.as_deref()).await?;
    let entries = Ledger::new(api.clone(), &config.namespace).entries().await.map_err(|error| silent(&error))?;
    if let Err(refusal) = budget::check(command, &entries, config, now) {
        rehearsal.obstacles.push(refusal.into());
    }
    let view = match look(&api, command, kind).await {
        Ok(view) => view,
        Err(LookError::Unfit(refusal)) => {
            rehearsal.obstacles.push(refusal.into());
            return Ok(());
        }
        Err(LookError::Refused(refused)) => return Err(silent(&refused)),
    };
    if let Err(refusal) = guards::check(command, &view, config) {
        rehearsal.obstacles.push(refusal.into());
    }
    match planned(command, kind, &view, now) {
        Err(refusal) => rehearsal.obstacles.push(refusal.into()),
        Ok(requests) => {
            for request in requests {
                let answer = api.call(&request, Dry::Run).await.map_err(|error| silent(&error))?;
                if !answer.is_success() {
                    let rule = if answer.status == 403 { RefusalRule::Forbidden } else { RefusalRule::DryRunFailed };
                    let sentence = format!("the API server answers {}: {}", answer.status, answer.message());
                    rehearsal.obstacles.push(Refusal::new(rule, sentence).into());
                }
                rehearsal.requests.push(Rehearsed {
                    method: request.method,
                    path: request.path,
                    content_type: request.content_type,
                    body: request.body.unwrap_or_default(),
                    status: answer.status,
                    error: if answer.is_success() { String::new() } else { answer.message() },
                });
            }
        }
    }
    Ok(())
}

fn planned(command: &Command<'_>, kind: &Kind, view: &View, now: i64) -> Result<Vec<Request>, Refusal> {
    let undo_at = if command.undo_after > 0 { now + command.undo_after } else { 0 };
    let order = Order { command, recorded: &BTreeMap::new(), undo_at, standing: Standing::New };
    Ok((kind.plan)(&order, view)?.requests)
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Obstacle { rule: refusal.rule, sentence: refusal.sentence, numbers: refusal.numbers.into_iter().collect() }
    }
}
