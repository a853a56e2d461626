//! What passes between a notifier and its targets: orders, answers, reminders, silences.

use super::{Notifier, Positions, Step};
use crate::config::Target;
use crate::dispatch::{Chosen, Delivery, Telling, choose, goes_on};
use crate::error::NotifyError;
use crate::follow::is_firing;
use crate::outbox::{self, Key, Outbox};
use crate::targets::Failure;
use schemas::notification::{Notice, NoticeEvent, NoticeState};

impl Notifier<'_> {
    /// Takes in what targets have answered.
    pub(super) fn collect(&mut self) -> Result<(), NotifyError> {
        let now = self.now();
        let mut sent = Vec::new();
        for courier in &mut self.couriers {
            courier.poll(now)?;
            if let Some((carried, result)) = courier.sent() {
                sent.push((courier.target.name.clone(), carried, result));
            }
        }
        for (target, carried, result) in sent {
            self.at(Step::Sent)?;
            let (state, word) = match &result {
                Ok(_) => (NoticeState::Sent, "sent"),
                Err(Failure::Never { .. }) => (NoticeState::Refused, "refused"),
                Err(Failure::Later { .. }) => {
                    self.metrics.notifications.with_label_values(&[&target, "failed"]).inc();
                    continue;
                }
            };
            self.metrics.notifications.with_label_values(&[&target, word]).inc();
            let answer = match &result {
                Ok(answer) if answer.is_empty() => "taken",
                Ok(answer) => answer.as_str(),
                Err(failure) => failure.message(),
            };
            if state == NoticeState::Refused {
                tracing::error!(target, "an incident is not told: {answer}");
            }
            let Some(memory) = &mut self.memory else { continue };
            for (key, sequence) in carried {
                let Some(notice) = memory.outbox.notices.get(&key) else { continue };
                if notice.sequence != sequence || notice.state != NoticeState::Pending {
                    continue;
                }
                memory.outbox.stage(outbox::Change::Notice(Box::new(told(notice, state, answer, now))));
            }
            self.write(Positions::WithOthers)?;
            self.reconsidered_at = i64::MIN;
            self.at(Step::Told)?;
        }
        Ok(())
    }

    /// Gives each free target what it is to be sent next.
    pub(super) fn dispatch(&mut self) -> Result<(), NotifyError> {
        let now = self.now();
        for at in 0..self.couriers.len() {
            let Some(memory) = &mut self.memory else { return Ok(()) };
            let courier = &mut self.couriers[at];
            if !courier.is_free(now) {
                continue;
            }
            close_shared(&mut memory.outbox, &courier.target, now);
            let chosen = choose(&memory.outbox, &courier.target, &mut courier.allowance, now);
            if let Some(chosen) = chosen.as_ref().filter(|_| !courier.target.to.is_alertmanager()) {
                // That several are told as one must be known before they are, so that they are told as the same again.
                for key in &chosen.keys {
                    let notice = &memory.outbox.notices[key];
                    if notice.dedup != chosen.dedup.as_str() {
                        let notice = Notice { dedup: chosen.dedup.clone().into(), ..notice.clone() };
                        memory.outbox.stage(outbox::Change::Notice(Box::new(notice)));
                    }
                }
            }
            self.write(Positions::WithOthers)?;
            let Some(Chosen { event, dedup, keys, crowded }) = chosen else { continue };
            let Some(memory) = &self.memory else { return Ok(()) };
            let telling = |key: &Key| {
                let notice = memory.outbox.notices.get(key)?.clone();
                Some(Telling { notice, record: memory.outbox.incidents.get(&key.incident)?.clone() })
            };
            let carrying = keys.iter().map(|key| (key.clone(), memory.outbox.notices[key].sequence)).collect();
            let tellings: Vec<Telling> = keys.iter().filter_map(telling).collect();
            if tellings.is_empty() {
                continue;
            }
            self.at(Step::Sending)?;
            self.couriers[at].send(Delivery { event, dedup, tellings, now }, carrying, crowded);
        }
        Ok(())
    }

    /// Reminds while there is no log. What was sent meanwhile is told to it later.
    pub(super) fn keep_alive(&mut self) -> Result<(), NotifyError> {
        let now = self.now();
        for courier in &mut self.couriers {
            courier.poll(now)?;
        }
        self.remind();
        Ok(())
    }

    /// Tells whoever forgets that what is open goes on.
    pub(super) fn remind(&mut self) {
        let now = self.now();
        let Some(memory) = &self.memory else { return };
        for courier in &mut self.couriers {
            if !courier.is_free(now) || !courier.should_remind(now) {
                continue;
            }
            let open = memory.outbox.of(&courier.target.name).filter(|(_, notice)| is_firing(notice) && !notice.over);
            let telling = |(key, notice): (&Key, &Notice<'static>)| {
                Some(Telling { notice: notice.clone(), record: memory.outbox.incidents.get(&key.incident)?.clone() })
            };
            let open: Vec<Telling> = open.filter_map(telling).collect();
            if !open.is_empty() {
                courier.remind(open, now);
            }
        }
    }

    /// Looks who does not want to hear of what.
    pub(super) fn listen(&mut self) {
        let now = self.now();
        let mutes = self.mutes.in_force(now);
        for courier in &mut self.couriers {
            if courier.is_free(now) && courier.should_listen(now) {
                courier.listen(mutes.clone(), now);
            }
        }
    }
}

/// A notice after its target has answered.
fn told(notice: &Notice<'static>, state: NoticeState, answer: &str, now: i64) -> Notice<'static> {
    let mut told = Notice { state, at: now, answer: kept(answer).into(), ..notice.clone() };
    if notice.event == NoticeEvent::Worsened && state == NoticeState::Sent {
        for label in told.labels.iter_mut().filter(|label| label.name == "severity") {
            label.value = notice.severity.clone();
        }
    }
    told
}

fn kept(answer: &str) -> String {
    /// Letters of an answer that are remembered.
    const KEPT: usize = 200;
    answer.chars().take(KEPT).collect()
}

/// Of a digest a target hears once that it is over: with the last of its incidents.
fn close_shared(outbox: &mut Outbox, target: &Target, now: i64) {
    if target.to.is_alertmanager() {
        return;
    }
    let is_closing = |notice: &Notice<'_>| notice.event == NoticeEvent::Closed && notice.state == NoticeState::Pending;
    let quiet: Vec<Notice<'static>> = outbox
        .of(&target.name)
        .filter(|(key, notice)| is_closing(notice) && goes_on(outbox, key, notice))
        .map(|(_, notice)| notice.clone())
        .collect();
    for notice in quiet {
        let notice = Notice { state: NoticeState::Sent, at: now, answer: Default::default(), ..notice };
        outbox.stage(outbox::Change::Notice(Box::new(notice)));
    }
}
