//! What the actuator says: results on their topic, Events in the cluster, figures.

use super::{Actuator, Step};
use crate::actions::{self, Refusal, Request};
use crate::api::Dry;
use crate::error::ActuateError;
use crate::ledger::{Entry, Phase};
use crate::view::look;
use schemas::{ApprovalGiven, Command, CommandResult, Record as _, ResultState, Term};
use serde_json::json;

impl Actuator<'_> {
    /// Publishes what has become of an order, and notes in the ledger that it was.
    pub(super) async fn tell(&mut self, entry: &mut Entry) -> Result<(), ActuateError> {
        let bytes = entry.bytes.clone();
        let command = Command::decode(&bytes)?;
        let state = state(entry.phase);
        let told = self.chain.as_ref().and_then(|chain| chain.told(&command.id));
        if told != Some(state) {
            let refusal = self.refusals.get(command.id.as_str()).cloned();
            let mut result = self.result(&command, state, &entry.sentence, refusal.as_ref());
            result.at = entry.at;
            result.undo_at = if entry.phase.in_force() { entry.undo_at } else { 0 };
            result.operations = self.operations.get(command.id.as_str()).cloned().unwrap_or_default();
            result.approvals.clone_from(&entry.approvals);
            result.next_step = next_step(entry).into();
            self.publish(result)?;
            self.event(&command, state, &entry.sentence).await;
        }
        self.at(Step::Told)?;
        entry.told = Some(entry.phase);
        self.ledger.write(entry).await.map_err(super::carry::later)?;
        self.operations.remove(command.id.as_str());
        self.refusals.remove(command.id.as_str());
        Ok(())
    }

    /// Says that an order waits, once.
    pub(super) fn say_waiting(&mut self, command: &Command<'_>, people: usize) -> Result<(), ActuateError> {
        if self.chain.as_ref().is_some_and(|chain| chain.told(&command.id).is_some()) {
            return Ok(());
        }
        let mut result = self.result(command, ResultState::Accepted, "valid", None);
        result.next_step = match people {
            0 => "waits for its time".into(),
            people => format!("waits for the consent of {people}: bellbuoy commands approve {}", command.id).into(),
        };
        self.publish(result)
    }

    /// Says why an order is refused.
    pub(super) fn say_refused(&mut self, command: &Command<'_>, refusal: &Refusal) -> Result<(), ActuateError> {
        let result = self.result(command, ResultState::Rejected, &refusal.sentence, Some(refusal));
        self.publish(result)
    }

    /// Says what has become of an order that was not taken up.
    pub(super) fn say(
        &mut self,
        command: &Command<'_>,
        state: ResultState,
        sentence: &str,
    ) -> Result<(), ActuateError> {
        let result = self.result(command, state, sentence, None);
        self.publish(result)
    }

    fn publish(&mut self, result: CommandResult<'_>) -> Result<(), ActuateError> {
        let state = format!("{:?}", result.state).to_lowercase();
        tracing::info!(command = %result.command, action = %result.action, state, "{}", result.sentence);
        let action = result.action.to_string();
        let chain = self.chain.as_mut().expect("the chain is loaded before anything is told");
        chain.append(&*self.log, result)?;
        self.metrics.results.with_label_values(&[action.as_str(), state.as_str()]).inc();
        Ok(())
    }

    fn result<'c>(
        &self,
        command: &'c Command<'_>,
        state: ResultState,
        sentence: &str,
        refusal: Option<&Refusal>,
    ) -> CommandResult<'c> {
        CommandResult {
            tenant: self.config.tenant.clone().into(),
            cluster: self.config.cluster.clone().into(),
            command: command.id.clone(),
            command_digest: command.digest.clone(),
            attempt: command.attempt,
            intent: command.intent,
            action: command.action.name.clone(),
            target: command.target.clone(),
            lock_domain: command.lock_domain.clone(),
            incident: command.incident.clone(),
            actuator: self.config.name.clone().into(),
            state,
            at: self.now(),
            refusal: refusal.map(written),
            approvals: Vec::<ApprovalGiven<'_>>::new(),
            sentence: sentence.to_owned().into(),
            ..CommandResult::default()
        }
    }

    /// Leaves an Event on the target, for whoever describes it; that it cannot be left stops nothing.
    async fn event(&mut self, command: &Command<'_>, state: ResultState, sentence: &str) {
        let target = &command.target;
        // Telemetry may know an object by its uid or its name only; an Event is found by both.
        let view = match actions::by_name(&command.action.name) {
            Some(kind) if target.name.is_empty() || target.uid.is_empty() => look(&self.api, command, kind).await.ok(),
            _ => None,
        };
        let found =
            |field: &str, said: &str| match view.as_ref().and_then(|view| view.target["metadata"][field].as_str()) {
                Some(found) => found.to_owned(),
                None => said.to_owned(),
            };
        let (name, uid) = (found("name", &target.name), found("uid", &target.uid));
        let namespace = if target.namespace.is_empty() { "default" } else { target.namespace.as_str() };
        let now = jiff::Timestamp::from_millisecond(self.now()).unwrap_or_default();
        let event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": "bellbuoy-", "namespace": namespace},
            "eventTime": format!("{now:.6}"),
            "reportingController": "bellbuoy.dev/actuator",
            "reportingInstance": self.config.name,
            "action": command.action.name,
            "reason": format!("{state:?}"),
            "type": if matches!(state, ResultState::Failed | ResultState::RollbackConflict) { "Warning" } else { "Normal" },
            "note": sentence,
            "regarding": {
                "apiVersion": target.api_version, "kind": target.kind, "namespace": target.namespace,
                "name": name, "uid": uid,
            },
        });
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let request = Request::new("POST", &path, "application/json", Some(event));
        match self.api.call(&request, Dry::No).await {
            Ok(answer) if answer.is_success() => {}
            Ok(answer) => tracing::warn!(status = answer.status, "an Event was refused: {}", answer.message()),
            Err(error) => tracing::warn!("an Event could not be left: {error}"),
        }
    }
}

fn state(phase: Phase) -> ResultState {
    match phase {
        Phase::Claimed => ResultState::Accepted,
        Phase::Executing => ResultState::Executing,
        Phase::Succeeded => ResultState::Succeeded,
        Phase::Verified => ResultState::Verified,
        Phase::Ineffective => ResultState::Ineffective,
        Phase::Rejected => ResultState::Rejected,
        Phase::Failed => ResultState::Failed,
        Phase::Undoing => ResultState::RollbackPending,
        Phase::RolledBack => ResultState::RolledBack,
        Phase::RollbackConflict => ResultState::RollbackConflict,
    }
}

fn next_step(entry: &Entry) -> String {
    match entry.phase {
        Phase::Succeeded | Phase::Verified | Phase::Ineffective if entry.undo_at > 0 => {
            "undone when its time is over".to_owned()
        }
        Phase::RollbackConflict => "people must look at it".to_owned(),
        _ => String::new(),
    }
}

fn written(refusal: &Refusal) -> schemas::Refusal<'static> {
    let term = |(name, value): &(&'static str, f64)| Term { name: (*name).into(), value: *value, unit: "".into() };
    schemas::Refusal {
        rule: refusal.rule,
        numbers: refusal.numbers.iter().map(term).collect(),
        sentence: refusal.sentence.clone().into(),
    }
}
