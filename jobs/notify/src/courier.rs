//! One thread for each target, so that a slow one delays nobody else; and what is done when it fails.
//!
//! Invariant: a target has at most one thing to do at a time, so it is told in order.

use crate::alert;
use crate::config;
use crate::dispatch::{Allowance, Delivery, Telling};
use crate::error::NotifyError;
use crate::mutes::Mute;
use crate::outbox::Key;
use crate::silence::Silence;
use crate::targets::Failure;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

/// First rest after a failure, milliseconds; each further one is twice as long.
const FIRST_REST: i64 = 1_000;
/// Longest rest after a failure, milliseconds.
const LONGEST_REST: i64 = 60_000;
/// Time between two looks at silences, milliseconds.
const LISTEN_EVERY: i64 = 10_000;

/// What a target is to do.
enum Order {
    Send(Delivery),
    Remind(Vec<Telling>, i64),
    Listen(Vec<Mute>, i64),
}

/// What became of it.
#[derive(Debug)]
enum Outcome {
    /// What was sent, and what the target said of it.
    Sent(Result<String, Failure>),
    Reminded(Result<(), Failure>),
    Heard(Result<Vec<Silence>, Failure>),
}

/// Notices that are sent together, each with the number of its telling.
pub(crate) type Carried = Vec<(Key, i32)>;

/// The way to one target.
pub(crate) struct Courier {
    pub(crate) target: config::Target,
    pub(crate) allowance: Allowance,
    /// What is being sent: the notices and the number of each telling.
    carrying: Carried,
    /// Whether that was more than there was room for.
    crowded: bool,
    /// What became of it, until somebody asks.
    sent: Option<Result<String, Failure>>,
    /// Its silences, as last heard.
    pub(crate) silences: Vec<Silence>,
    /// Whether its silences were heard, or could not be, at least once.
    pub(crate) listened: bool,
    orders: Option<Sender<Order>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
    failures: u32,
    rest_until: i64,
    reminded_at: i64,
    listened_at: i64,
}

impl Courier {
    pub(crate) fn start(target: &config::Target, allowance: Allowance) -> Result<Self, NotifyError> {
        let (orders, taken) = channel();
        let (told, outcomes) = channel();
        let mut hands = target.to.target();
        let work = move || {
            for order in taken {
                let outcome = match order {
                    Order::Send(delivery) => Outcome::Sent(hands.send(&delivery)),
                    Order::Remind(open, now) => Outcome::Reminded(hands.remind(&open, now)),
                    Order::Listen(mutes, now) => Outcome::Heard(hands.silences(&mutes, now)),
                };
                if told.send(outcome).is_err() {
                    break;
                }
            }
        };
        let started = std::thread::Builder::new().name(format!("notify {}", target.name)).spawn(work);
        let thread = started.map_err(|error| NotifyError::Thread { target: target.name.clone(), error })?;
        Ok(Courier {
            listened: !target.to.is_alertmanager(),
            target: target.clone(),
            allowance,
            carrying: Vec::new(),
            crowded: false,
            sent: None,
            silences: Vec::new(),
            orders: Some(orders),
            outcomes,
            thread: Some(thread),
            busy: false,
            failures: 0,
            rest_until: i64::MIN,
            reminded_at: i64::MIN,
            listened_at: i64::MIN,
        })
    }

    /// True where it may be given something to do.
    pub(crate) fn is_free(&self, now: i64) -> bool {
        !self.busy && now >= self.rest_until
    }

    /// True where its silences are to be looked at.
    pub(crate) fn should_listen(&self, now: i64) -> bool {
        self.target.to.is_alertmanager() && due(self.listened_at, LISTEN_EVERY, now)
    }

    /// True where it is to be reminded of what goes on.
    pub(crate) fn should_remind(&self, now: i64) -> bool {
        self.target.to.remind_every().is_some_and(|every| due(self.reminded_at, every.millis(), now))
    }

    pub(crate) fn send(&mut self, delivery: Delivery, carrying: Carried, crowded: bool) {
        (self.carrying, self.crowded) = (carrying, crowded);
        self.order(Order::Send(delivery));
    }

    pub(crate) fn remind(&mut self, open: Vec<Telling>, now: i64) {
        self.reminded_at = now;
        self.order(Order::Remind(open, now));
    }

    pub(crate) fn listen(&mut self, mutes: Vec<Mute>, now: i64) {
        self.listened_at = now;
        self.order(Order::Listen(mutes, now));
    }

    fn order(&mut self, order: Order) {
        let orders = self.orders.as_ref().expect("orders are taken away only when it is dropped");
        // Where its thread is no longer there, the next look at its outcomes tells.
        self.busy = orders.send(order).is_ok();
    }

    /// Takes in what became of what it was to do.
    pub(crate) fn poll(&mut self, now: i64) -> Result<(), NotifyError> {
        let outcome = match self.outcomes.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err(NotifyError::Panicked(self.target.name.clone())),
        };
        self.busy = false;
        match outcome {
            Outcome::Sent(result) => {
                self.judge(result.as_ref().err(), now);
                // What it did not take costs it nothing.
                if !matches!(result, Err(Failure::Later { .. })) {
                    self.allowance.spend(now, self.crowded);
                }
                self.sent = Some(result);
            }
            Outcome::Reminded(result) => self.judge(result.as_ref().err(), now),
            Outcome::Heard(result) => {
                self.judge(result.as_ref().err(), now);
                self.listened = true;
                if let Ok(silences) = result {
                    self.silences = silences;
                }
            }
        }
        Ok(())
    }

    /// What was sent and what the target said of it, once.
    pub(crate) fn sent(&mut self) -> Option<(Carried, Result<String, Failure>)> {
        let result = self.sent.take()?;
        Some((std::mem::take(&mut self.carrying), result))
    }

    /// A target that fails is left in peace for a while.
    fn judge(&mut self, failure: Option<&Failure>, now: i64) {
        let Some(Failure::Later { message, after }) = failure else {
            self.failures = 0;
            return;
        };
        let rest = FIRST_REST.saturating_mul(1 << self.failures.min(16)).min(LONGEST_REST);
        let rest = after.map_or(rest, |after| rest.max(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)));
        self.failures += 1;
        self.rest_until = now.saturating_add(rest);
        tracing::warn!(target = self.target.name, "{message}; tried again {}", alert::time(self.rest_until));
    }
}

fn due(last: i64, every: i64, now: i64) -> bool {
    now.saturating_sub(last) >= every
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            // A request takes ten seconds at most.
            let _ = thread.join();
        }
    }
}
