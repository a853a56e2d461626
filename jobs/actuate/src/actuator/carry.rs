//! Carrying an order out, and undoing it: look, guard, plan, dry-run, write down, do.
//!
//! Invariant: after any failure the plan is made anew from what the cluster then shows; nothing is sent again blindly.

use super::{Actuator, Step};
use crate::actions::{self, Kind, Order, Plan, Refusal, Request, Standing};
use crate::api::{Answer, Dry, NoAnswer, Refused, operation};
use crate::error::ActuateError;
use crate::ledger::{Entry, Phase};
use crate::view::{LookError, View, look};
use crate::{budget, flows, guards};
use engine::error::LogError;
use schemas::{Action, Command, Record as _, RefusalRule, RiskClass, Rollback};
use serde_json::Value;

/// Plans of one look: the object may change between looking and doing, but not for ever.
const PLANS: usize = 4;

/// How one request, or all, went.
enum Went {
    /// It was done.
    Well,
    /// The object has changed, or nobody knows: look again.
    LookAgain(String),
    /// Not now: the server is busy, or a disruption budget allows none.
    Later(String),
    /// It was refused, and would be again.
    Refused(Refusal),
}

/// Not now; what is to be done stands in the ledger.
pub(super) fn later(error: impl std::fmt::Display) -> ActuateError {
    ActuateError::Log(LogError::Unavailable { message: format!("the cluster: {error}") })
}

/// The predicate that an order's incident is over.
const INCIDENT_CLOSED: &str = "incident_closed";

impl Actuator<'_> {
    /// Carries out an order that is claimed, or goes on with it.
    pub(super) async fn carry_out(&mut self, entry: &mut Entry, kind: &Kind) -> Result<(), ActuateError> {
        let bytes = entry.bytes.clone();
        let command = Command::decode(&bytes)?;
        let mut last = String::new();
        for _ in 0..PLANS {
            let view = match look(&self.api, &command, kind).await {
                Ok(view) => view,
                Err(LookError::Unfit(refusal)) => return self.refuse(entry, &command, refusal).await,
                Err(LookError::Refused(refused)) => match forbidden(&refused) {
                    Some(refusal) => return self.refuse(entry, &command, refusal).await,
                    None => return Err(later(refused)),
                },
            };
            let begun = entry.phase == Phase::Executing;
            let order = Order {
                command: &command,
                recorded: &entry.recorded,
                undo_at: self.undo_at(&command, entry),
                standing: if begun { Standing::Begun } else { Standing::New },
            };
            let plan = (kind.plan)(&order, &view);
            let touched = view.target.is_null() || order.marked(&view.target);
            let done = plan.as_ref().is_ok_and(|plan| plan.requests.is_empty());
            if !(begun && (touched || done))
                && let Err(refusal) = self.may(&command, &view)
            {
                return self.refuse(entry, &command, refusal).await;
            }
            let plan = match plan {
                Ok(plan) => plan,
                Err(refusal) => return self.refuse(entry, &command, refusal).await,
            };
            match self.perform(entry, &command, plan).await? {
                Went::Well => {
                    self.at(Step::Done)?;
                    entry.undo_at = self.undo_at(&command, entry);
                    self.set(entry, Phase::Succeeded, "every request was done".to_owned()).await?;
                    return self.at(Step::Succeeded);
                }
                Went::LookAgain(why) => last = why,
                Went::Later(why) => return Err(later(why)),
                Went::Refused(refusal) => return self.refuse(entry, &command, refusal).await,
            }
        }
        Err(later(format!("{last}; {PLANS} plans were overtaken")))
    }

    /// Undoes an order whose time is over, that somebody takes back, or that failed half way.
    pub(super) async fn undo(&mut self, entry: &mut Entry, why: &str) -> Result<(), ActuateError> {
        let bytes = entry.bytes.clone();
        let mut command = Command::decode(&bytes)?;
        let now = self.now();
        let target = command.target.clone();
        let stopping = self.consent.undo_switches.stopping(
            now,
            &command.tenant,
            &command.cluster,
            &target.namespace,
            &target.entity,
        );
        if let Some(switch) = stopping {
            tracing::warn!(by = %switch.author, command = %command.id, "not undone: the switch `undo` is on");
            return Ok(());
        }
        let kind = command.inverse.as_ref().and_then(|inverse| actions::by_name(&inverse.name));
        let (Some(kind), Some(inverse)) = (kind, command.inverse.clone()) else {
            return self
                .set(entry, Phase::RollbackConflict, "there is no inverse here; people must undo it".to_owned())
                .await;
        };
        command.action = Action { name: inverse.name, parameters: inverse.parameters };
        self.flows.forget(&command);
        let mut standing = Standing::Begun;
        if entry.phase != Phase::Undoing {
            standing = Standing::New;
            self.set(entry, Phase::Undoing, why.to_owned()).await?;
            self.at(Step::Undoing)?;
        }
        for _ in 0..PLANS {
            let view = match look(&self.api, &command, kind).await {
                Ok(view) => view,
                Err(LookError::Unfit(refusal)) => {
                    return self.set(entry, Phase::RollbackConflict, refusal.sentence).await;
                }
                Err(LookError::Refused(refused)) => return Err(later(refused)),
            };
            let order = Order { command: &command, recorded: &entry.recorded, undo_at: 0, standing };
            let plan = match (kind.plan)(&order, &view) {
                Ok(plan) => plan,
                Err(refusal) => return self.set(entry, Phase::RollbackConflict, refusal.sentence).await,
            };
            match self.send_all(entry, &command, &plan.requests).await? {
                Went::Well => {
                    self.at(Step::Undone)?;
                    return self.set(entry, Phase::RolledBack, "it is as it was before".to_owned()).await;
                }
                // Some of it may have been done: what is found then may be our own work.
                Went::LookAgain(_) => standing = Standing::Begun,
                Went::Later(why) => return Err(later(why)),
                Went::Refused(refusal) => return self.set(entry, Phase::RollbackConflict, refusal.sentence).await,
            }
        }
        Err(later("the object changed again and again while it was being undone"))
    }

    /// Dry-runs a plan, writes down that it is being carried out, and sends its requests.
    async fn perform(&mut self, entry: &mut Entry, command: &Command<'_>, plan: Plan) -> Result<Went, ActuateError> {
        if plan.requests.is_empty() {
            entry.recorded.extend(plan.recorded);
            return Ok(Went::Well);
        }
        if self.now() >= command.expires_at {
            let late = (self.now() - command.expires_at) as f64;
            return Ok(Went::Refused(Refusal::new(RefusalRule::Expired, "its time is over").with("late, ms", late)));
        }
        for request in &plan.requests {
            let answer = self.call(command, request, Dry::Run).await;
            match went(&answer, Dry::Run) {
                Went::Well => {}
                other => return Ok(other),
            }
        }
        self.at(Step::DryRun)?;
        if let Err(refusal) = self.switched_on(command).await {
            return Ok(Went::Refused(refusal));
        }
        if entry.phase != Phase::Executing || !plan.recorded.is_empty() {
            entry.recorded.extend(plan.recorded);
            self.set(entry, Phase::Executing, "requests are being sent".to_owned()).await?;
        }
        self.at(Step::Executing)?;
        self.send_all(entry, command, &plan.requests).await
    }

    async fn send_all(
        &mut self,
        entry: &Entry,
        command: &Command<'_>,
        requests: &[Request],
    ) -> Result<Went, ActuateError> {
        for (at, request) in requests.iter().enumerate() {
            if at > 0
                && entry.phase == Phase::Executing
                && let Err(refusal) = self.switched_on(command).await
            {
                return Ok(Went::Refused(refusal));
            }
            let answer = self.call(command, request, Dry::No).await;
            self.at(Step::Request)?;
            match went(&answer, Dry::No) {
                Went::Well => {}
                other => return Ok(other),
            }
        }
        Ok(Went::Well)
    }

    async fn call(&mut self, command: &Command<'_>, request: &Request, dry: Dry) -> Result<Answer, NoAnswer> {
        let started_at = self.now();
        let answer = self.api.call(request, dry).await;
        let done = operation(request, dry, &answer, started_at, self.now() - started_at);
        self.operations.entry(command.id.to_string()).or_default().push(done);
        answer
    }

    /// Everything that speaks against an order that was not begun.
    fn may(&self, command: &Command<'_>, view: &View) -> Result<(), Refusal> {
        guards::check(command, view, self.config)?;
        budget::check(command, &self.entries, self.config, self.now())
    }

    /// The kill switches, read anew: on the control topic, in the cluster, in the environment. Unreadable is on.
    async fn switched_on(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let killed = |sentence: String| Err(Refusal::new(RefusalRule::Killed, sentence));
        if let Err(error) = self.consent.read_on(&*self.log, self.config) {
            return killed(format!("the control topic cannot be read ({error}), so nothing new is done"));
        }
        let (now, target) = (self.now(), &command.target);
        let switches = &self.consent.switches;
        if let Some(switch) =
            switches.stopping(now, &command.tenant, &command.cluster, &target.namespace, &target.entity)
        {
            return killed(format!("the kill switch is on, by {}", switch.author));
        }
        if std::env::var_os("BELLBUOY_KILL_SWITCH").is_some_and(|value| value != "off") {
            return killed("the kill switch in the environment is on (BELLBUOY_KILL_SWITCH)".to_owned());
        }
        let path = format!("/api/v1/namespaces/{}/configmaps/bellbuoy-kill-switch", self.config.namespace);
        match self.api.get(&path).await {
            Ok(None) => Ok(()),
            Ok(Some(map)) if map["data"]["state"] == "off" => Ok(()),
            Ok(Some(_)) => killed("the kill switch in the cluster is on (ConfigMap bellbuoy-kill-switch)".to_owned()),
            Err(error) => {
                killed(format!("the kill switch in the cluster cannot be read ({error}), so nothing new is done"))
            }
        }
    }

    /// Refuses an order. What was half done is undone where that is possible.
    async fn refuse(&mut self, entry: &mut Entry, command: &Command<'_>, refusal: Refusal) -> Result<(), ActuateError> {
        let sentence = refusal.sentence.clone();
        self.refusals.insert(command.id.to_string(), refusal);
        match entry.phase {
            Phase::Executing if command.inverse.is_some() => {
                self.set(entry, Phase::Undoing, format!("not done whole, and undone: {sentence}")).await
            }
            Phase::Executing => self.set(entry, Phase::Failed, sentence).await,
            _ => self.set(entry, Phase::Rejected, sentence).await,
        }
    }

    /// Whether it helped, where the command says how that is to be seen: its incident is over in time, or no flow leaves
    /// what was cut off; and whether the object is as ordered.
    pub(super) async fn verify(&mut self, entry: &mut Entry, heard: bool) -> Result<(), ActuateError> {
        let bytes = entry.bytes.clone();
        let command = Command::decode(&bytes)?;
        let Some(kind) = actions::by_name(&command.action.name) else { return Ok(()) };
        if kind.risk == RiskClass::R0 {
            let sentence = "nothing was changed; what was found stands in its record";
            return self.set(entry, Phase::Verified, sentence.to_owned()).await;
        }
        let Some((helped, seen)) = self.helped(entry, &command, kind, heard).await? else { return Ok(()) };
        let Some(view) = self.looked(&command, kind).await? else { return Ok(()) };
        let (recorded, undo_at) = (&entry.recorded, entry.undo_at);
        let order = Order { command: &command, recorded, undo_at, standing: Standing::Begun };
        let as_ordered = (kind.plan)(&order, &view).is_ok_and(|plan| plan.requests.is_empty());
        let object = if as_ordered { "it is as ordered" } else { "somebody has changed it again" };
        let phase = if as_ordered && helped { Phase::Verified } else { Phase::Ineffective };
        self.flows.forget(&command);
        entry.helped = Some(phase == Phase::Verified);
        self.set(entry, phase, format!("{object}{seen}")).await
    }

    /// What is to be seen of what an order was about; none where that cannot be looked for.
    async fn looked(&self, command: &Command<'_>, kind: &Kind) -> Result<Option<View>, ActuateError> {
        match look(&self.api, command, kind).await {
            Ok(view) => Ok(Some(view)),
            Err(LookError::Unfit(_)) => Ok(None),
            Err(LookError::Refused(refused)) => Err(later(refused)),
        }
    }

    /// Whether an order helped, and what was seen; none while that cannot be told yet.
    async fn helped(
        &mut self,
        entry: &Entry,
        command: &Command<'_>,
        kind: &Kind,
        heard: bool,
    ) -> Result<Option<(bool, String)>, ActuateError> {
        let alone = " (the object was looked at; whether the trouble is over is for people to see)";
        let predicate = command.verify.as_ref().filter(|one| one.name == INCIDENT_CLOSED || flows::is_about(&one.name));
        let Some(predicate) = predicate else { return Ok(Some((true, alone.to_owned()))) };
        if !heard {
            // Without the log nobody knows, and it is not judged.
            return Ok(None);
        }
        let passed = self.now() - entry.at;
        if predicate.name == INCIDENT_CLOSED {
            let minutes = predicate.within / 60_000;
            let over = self.incidents.is_over(&command.incident);
            return Ok(match over {
                true => Some((true, ", and the incident is over".to_owned())),
                false if passed < predicate.within => None,
                false => Some((false, format!(", and the incident goes on after {minutes} minutes"))),
            });
        }
        // What is undone soon is judged before that.
        let within = match entry.undo_at {
            0 => predicate.within,
            undo_at => predicate.within.min((undo_at - entry.at) / 2),
        };
        let Some(seen) = self.flows.seen(&*self.log, command)? else {
            if let Some(view) = self.looked(command, kind).await? {
                self.flows.watch(command, &view.target, entry.at, within);
            }
            return Ok(None);
        };
        Ok(match (seen.forbidden, seen.any) {
            (0, _) if passed < within || !seen.all => None,
            (0, 0) => Some((true, format!("; nobody tells of flows here{alone}"))),
            (0, _) => Some((true, format!(", and in {} s no such flow went through", within / 1_000))),
            (count, _) => {
                Some((false, format!(", and {count} flows went through all the same, the last to {}", seen.peer)))
            }
        })
    }

    /// Writes a new phase into the ledger.
    pub(super) async fn set(&mut self, entry: &mut Entry, phase: Phase, sentence: String) -> Result<(), ActuateError> {
        let before = (entry.phase, entry.at, entry.actuator.clone(), entry.sentence.clone());
        entry.phase = phase;
        entry.at = self.now();
        entry.actuator = self.config.name.clone();
        entry.sentence = sentence;
        if let Err(error) = self.ledger.write(entry).await {
            (entry.phase, entry.at, entry.actuator, entry.sentence) = before;
            return Err(later(error));
        }
        Ok(())
    }

    /// When it is undone, counted from when it was taken up; 0 for never.
    fn undo_at(&self, command: &Command<'_>, entry: &Entry) -> i64 {
        if command.undo_after > 0 && command.rollback == Rollback::Automatic {
            entry.claimed_at + command.undo_after
        } else {
            0
        }
    }
}

/// What an answer means.
fn went(answer: &Result<Answer, NoAnswer>, dry: Dry) -> Went {
    let answer = match answer {
        Ok(answer) => answer,
        Err(lost) if dry == Dry::Run => return Went::Later(lost.to_string()),
        Err(lost) => return Went::LookAgain(lost.to_string()),
    };
    let message = format!("the API server answers {}: {}", answer.status, answer.message());
    match answer.status {
        200..=299 => Went::Well,
        // The object is another, or another version, than the plan was made on.
        404 | 409 => Went::LookAgain(message),
        422 if changed(&answer.body) => Went::LookAgain(message),
        403 => Went::Refused(Refusal::new(RefusalRule::Forbidden, message)),
        401 | 429 => Went::Later(message),
        500..=599 if dry == Dry::Run => Went::Later(message),
        500..=599 => Went::LookAgain(message),
        _ if dry == Dry::Run => Went::Refused(Refusal::new(RefusalRule::DryRunFailed, message)),
        _ => Went::Refused(Refusal::new(RefusalRule::Other, message)),
    }
}

/// True where a JSON Patch's `test` did not hold.
fn changed(body: &Value) -> bool {
    body["message"]
        .as_str()
        .is_some_and(|message| message.contains("test") || message.contains("the server rejected our request"))
}

fn forbidden(refused: &Refused) -> Option<Refusal> {
    match refused {
        Refused::Status { status: 403, message } => Some(Refusal::new(RefusalRule::Forbidden, message.clone())),
        _ => None,
    }
}
