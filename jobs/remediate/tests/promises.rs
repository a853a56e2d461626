//! What holds for any incidents: no command twice, guards never exceeded, every command signed, timely and within
//! policy, and storing state anywhere changes nothing.

use engine::state::Value as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use remediate::config::{Guards, PolicyMode, PolicyRule, Storm};
use remediate::selector::Selector;
use remediate::{Config, Decision, State, target};
use schemas::signing::{self, Signer};
use schemas::{
    Band, Command, Control, ControlKind, Entity, EntityKind, Family, Incident, IncidentBody, IncidentState, Member,
    Mode, TaskTick,
};
use std::collections::{BTreeMap, BTreeSet};

const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;
/// How the reason of a command begins that only says that a remedy did not help.
const ESCALATED: &str = "escalate to a person";
const PODS: [&str; 3] = ["0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b", "1b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b", "cart-3"];
const FAMILIES: [Family; 5] =
    [Family::Novelty, Family::Saturation, Family::Errors, Family::Latency, Family::DataQuality];

/// One thing that happens: after so many minutes, to one of three incidents.
#[derive(Clone, Debug)]
enum Step {
    Change { incident: usize, workload: usize, families: Vec<usize>, pods: usize, state: IncidentState },
    Merge { from: usize, into: usize },
    Kill(&'static str),
    Nothing,
}

fn step() -> impl Strategy<Value = (i64, Step)> {
    use IncidentState::{Close, Open, Reopen, Update};
    let change = (
        0..3usize,
        0..3usize,
        prop::collection::vec(0..FAMILIES.len(), 1..4),
        0..4usize,
        prop::sample::select(vec![Open, Update, Update, Update, Reopen, Close]),
    )
        .prop_map(|(incident, workload, families, pods, state)| Step::Change {
            incident,
            workload,
            families,
            pods,
            state,
        });
    let kind = prop_oneof![
        8 => change,
        1 => (0..3usize, 0..3usize).prop_map(|(from, into)| Step::Merge { from, into }),
        1 => prop::sample::select(vec!["on", "off"]).prop_map(Step::Kill),
        4 => Just(Step::Nothing),
    ];
    (0..90i64, kind)
}

fn policy() -> Config {
    let rule = |remedy: &str, families: &[Family], mode| PolicyRule {
        id: remedy.to_owned(),
        version: "1".to_owned(),
        selector: Selector { families_any: families.to_vec(), ..Selector::default() },
        remedy: remedy.to_owned(),
        mode,
        ..PolicyRule::default()
    };
    let config = Config {
        policies: vec![
            rule("quarantine_pod", &[Family::Novelty], PolicyMode::Enforce),
            rule("evict_pod", &[Family::Errors], PolicyMode::Approve),
            rule("restart_workload", &[Family::Latency], PolicyMode::Recommend),
            rule("scale_workload", &[Family::Saturation], PolicyMode::Enforce),
        ],
        storm: Storm { open_incidents: 2, ..Storm::default() },
        guards: Guards { per_namespace: 3, ..Guards::default() },
        signing: remediate::config::Signing { key_file: Some("key.pem".into()) },
        ..Config::default()
    };
    config.check().unwrap();
    config
}

fn body(step: &Step, now: i64) -> IncidentBody<'static> {
    let incident = |number: usize| Incident {
        cluster: "prod".into(),
        id: format!("incident-{number}").into(),
        severity: 80.0,
        opened_at: now,
        onset: now,
        ..Incident::default()
    };
    match step {
        Step::Change { incident: number, workload, families, pods, state } => {
            let namespace = if *workload == 2 { "kube-system" } else { "shop" };
            let entity = Entity {
                kind: EntityKind::Workload,
                namespace: namespace.into(),
                workload_kind: "Deployment".into(),
                name: format!("app-{workload}").into(),
            };
            let member = |family: &usize| Member {
                entity: entity.clone(),
                family: FAMILIES[*family],
                band: Band::Novel,
                instances: PODS.iter().take(*pods).map(|pod| (*pod).into()).collect(),
                ..Member::default()
            };
            let members: Vec<_> = families.iter().map(member).collect();
            let members_total = members.len() as i64;
            IncidentBody::Incident(Box::new(Incident { state: *state, members, members_total, ..incident(*number) }))
        }
        Step::Merge { from, into } if from != into => IncidentBody::Incident(Box::new(Incident {
            state: IncidentState::Merge,
            superseded_by: format!("incident-{into}").into(),
            ..incident(*from)
        })),
        Step::Kill(value) => IncidentBody::Control(Control {
            kind: ControlKind::KillSwitch,
            value: (*value).into(),
            at: now,
            ..Control::default()
        }),
        Step::Merge { .. } | Step::Nothing => IncidentBody::TaskTick(TaskTick { up_to: now }),
    }
}

/// Commands with the time they were issued; with `stored`, the state goes through its bytes before each step.
fn run(steps: &[(i64, Step)], config: &Config, stored: impl Fn(usize) -> bool) -> Vec<(i64, Command<'static>)> {
    let (mut state, mut now, mut commands) = (State::default(), START, Vec::new());
    for (number, (minutes, step)) in steps.iter().enumerate() {
        now += minutes * MINUTE;
        if stored(number) {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            state = State::decode(&bytes).unwrap();
        }
        for decision in state.observe(&body(step, now), now, config) {
            if let Decision::Ordered { command, .. } = decision {
                commands.push((now, *command));
            }
        }
    }
    commands
}

fn within<'a>(
    commands: &'a [(i64, Command<'static>)],
    now: i64,
    span: i64,
    fits: impl Fn(&Command<'static>) -> bool,
) -> Vec<&'a (i64, Command<'static>)> {
    commands.iter().filter(|(at, command)| *at > now - span && fits(command)).collect()
}

/// The promises below mean something only where there are commands of every kind.
#[test]
fn random_incidents_lead_to_every_remedy_mode_and_escalation() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut remedies, mut modes, mut escalated, mut lowered) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 1..60).new_tree(&mut runner).unwrap().current();
        for (_, command) in run(&steps, &policy(), |_| false) {
            remedies.insert(command.action.name.to_string());
            modes.insert(command.mode);
            escalated += usize::from(command.reason.starts_with(ESCALATED));
            lowered += usize::from(command.reason.contains("lowered to recommend by rule storm"));
        }
    }
    assert_eq!(remedies.len(), 4, "{remedies:?}");
    assert_eq!(modes, BTreeSet::from([Mode::Recommend, Mode::Approve, Mode::Enforce]));
    assert!(escalated > 0 && lowered > 0, "{escalated} escalated, {lowered} lowered in a storm");
}

proptest! {
    #[test]
    fn no_command_is_given_twice_and_no_guard_is_exceeded(steps in prop::collection::vec(step(), 1..60)) {
        let config = policy();
        let commands = run(&steps, &config, |_| false);
        let mut ids = BTreeSet::new();
        let mut attempts = BTreeSet::new();
        for (number, (now, command)) in commands.iter().enumerate() {
            let before = &commands[..number];
            let on = target::key(&command.target);
            prop_assert!(ids.insert(command.id.to_string()), "{} twice", command.id);
            let attempt = (command.incident.to_string(), command.action.name.to_string(), on.clone(), command.attempt);
            prop_assert!(attempts.insert(attempt));

            let same_target = |other: &Command<'static>| target::key(&other.target) == on;
            let today = within(before, *now, DAY, same_target);
            if let Some((last, _)) = today.last() {
                let rest = (config.guards.cooldown.millis() << (today.len() - 1)).min(config.guards.longest_cooldown.millis());
                prop_assert!(now - last >= rest, "{on} after {} ms of {rest}", now - last);
            }
            let tries = |other: &Command<'static>| {
                other.action.name == command.action.name && !other.reason.starts_with(ESCALATED)
            };
            let tried = today.iter().filter(|(_, other)| tries(other)).count();
            prop_assert!(tried <= config.guards.attempts_per_day as usize);
            if tried == config.guards.attempts_per_day as usize {
                prop_assert_eq!(command.mode, Mode::Recommend);
                prop_assert!(command.reason.starts_with(ESCALATED));
            }
            let window = config.guards.window.millis();
            let of_workload = |other: &Command<'static>| other.lock_domain == command.lock_domain;
            prop_assert!(within(before, *now, window, of_workload).len() < config.guards.per_workload as usize);
            let of_namespace = |other: &Command<'static>| other.target.namespace == command.target.namespace;
            prop_assert!(within(before, *now, window, of_namespace).len() < config.guards.per_namespace as usize);
            prop_assert!(within(before, *now, window, |_| true).len() < config.guards.per_cluster as usize);
        }
    }

    #[test]
    fn every_command_is_signed_timely_and_within_policy(steps in prop::collection::vec(step(), 1..40)) {
        let config = policy();
        let signer = Signer::from_seed(&[3; 32]);
        let allowed: BTreeMap<&str, Mode> = BTreeMap::from([
            ("evict_pod", Mode::Approve),
            ("quarantine_pod", Mode::Enforce),
            ("restart_workload", Mode::Recommend),
            ("scale_workload", Mode::Enforce),
        ]);
        for (now, mut command) in run(&steps, &config, |_| false) {
            prop_assert_eq!((command.issued_at, command.not_before), (now, now));
            prop_assert!(command.expires_at > now && command.expires_at <= now + 15 * MINUTE);
            prop_assert!(command.target.namespace != "kube-system");
            prop_assert!(command.mode <= allowed[command.action.name.as_str()]);
            // One object and no other: by its uid, or, of what lasts, by its name and a time at which it was seen.
            let seen = command.preconditions.iter().find(|one| one.name == "created_before");
            let seen = seen.map(|one| one.value.parse::<i64>().expect("a time in milliseconds"));
            prop_assert!(seen.is_none_or(|seen| seen <= now && command.target.kind != "Pod"));
            prop_assert!(command.mode <= Mode::Recommend || !command.target.uid.is_empty() || seen.is_some());
            prop_assert!(command.verify.is_some() && !command.policy.hash.is_empty());
            signing::sign(&mut command, Some(&signer));
            prop_assert_eq!(signing::verify(&command, &[signer.public_key()]), Ok(()));
        }
    }

    #[test]
    fn storing_the_state_anywhere_changes_no_command(steps in prop::collection::vec(step(), 1..40), places in any::<u64>()) {
        let config = policy();
        let plain = run(&steps, &config, |_| false);
        prop_assert_eq!(run(&steps, &config, |number| places >> (number % 64) & 1 == 1), plain.clone());
        // Truncating the future never changes the past.
        let shorter = run(&steps[..steps.len() / 2], &config, |_| false);
        prop_assert_eq!(&plain[..shorter.len()], &shorter[..]);
    }

    #[test]
    fn nothing_is_ordered_while_the_kill_switch_is_on(steps in prop::collection::vec(step(), 1..60)) {
        let (mut state, mut now, mut on_since, config) = (State::default(), START, None, policy());
        for (minutes, step) in &steps {
            now += minutes * MINUTE;
            if let Step::Kill(value) = step {
                // Of two sayings of one moment the one that stops counts.
                on_since = on_since.filter(|since| *since == now).or((*value == "on").then_some(now));
            }
            let decisions = state.observe(&body(step, now), now, &config);
            let ordered = decisions.iter().any(|decision| matches!(decision, Decision::Ordered { .. }));
            prop_assert!(on_since.is_none() || !ordered, "{step:?} {} min after the beginning", (now - START) / MINUTE);
        }
    }
}
