//! The brokers: how many, how old, and their settings.

use super::faults::Faults;
use super::{Expected, Findings, Verdict};
use crate::settings::GroupProtocol;
use engine::log::kafka::inspect::{Demands, Inspection, Settings};

/// The version asked for, and the oldest whose transactions know the generation of a group (KIP-447).
const WANTED: (u32, u32) = (4, 0);
const OLDEST: (u32, u32) = (2, 5);

const MINUTES_OF_A_DAY: i64 = 24 * 60;
/// How long a group's offsets must outlive its members, minutes; and below what that stops.
const OFFSETS_KEPT: i64 = 7 * MINUTES_OF_A_DAY;
const OFFSETS_LOST: i64 = MINUTES_OF_A_DAY;
/// How long the cluster must know a transactional id that does nothing, milliseconds.
const ID_KEPT_MS: i64 = 3_600_000;
/// The register beside a committed offset, at most, bytes.
const REGISTER_BYTES: i64 = 512;
/// Kafka's own default; our records are smaller.
pub(super) const RECORD_BYTES: i64 = 1 << 20;
/// Records as old as this are to be taken: a recording that is loaded keeps its times, milliseconds.
pub(super) const PAST_MS: i64 = 7 * 24 * 3_600_000;
/// And as far ahead as this, which is what ingest believes, milliseconds.
pub(super) const FUTURE_MS: i64 = 120_000;

/// What settings are held against.
struct Cluster<'a> {
    brokers: i64,
    demands: Demands,
    protocol: GroupProtocol,
    missing_topics: bool,
    all: &'a Settings,
}

/// What is wrong with a value, and what to do.
type Fault = Option<(Verdict, &'static str)>;

/// Judges a value.
type Rule = fn(&str, &Cluster<'_>) -> Fault;

/// Each setting that matters, by name, and when it is wrong. What a broker does not show is not judged.
const RULES: [(&str, Rule); 17] = [
    ("transaction.state.log.replication.factor", |value, cluster| copies(value, cluster)),
    ("offsets.topic.replication.factor", |value, cluster| copies(value, cluster)),
    ("transaction.state.log.min.isr", |value, cluster| {
        let most = cluster.all.get("transaction.state.log.replication.factor").and_then(|most| number(most));
        match number(value)? {
            least if most.is_some_and(|most| least > most) => fail("set it below the replication factor of that log"),
            ..2 if cluster.brokers >= 3 => {
                warn("set it to 2: one copy is lost with its broker, and transactions with it")
            }
            _ => None,
        }
    }),
    ("offsets.retention.minutes", |value, _| match number(value)? {
        kept if kept < OFFSETS_LOST => fail(OFFSETS_ADVICE),
        kept if kept < OFFSETS_KEPT => warn(OFFSETS_ADVICE),
        _ => None,
    }),
    ("transactional.id.expiration.ms", |value, _| {
        (number(value)? < ID_KEPT_MS)
            .then_some((Verdict::Warn, "set it to 7 days (604800000), as Kafka does by itself"))
    }),
    ("transaction.max.timeout.ms", |value, cluster| {
        let short = number(value)? < i64::try_from(cluster.demands.transaction_ms).unwrap_or(i64::MAX);
        short.then_some((Verdict::Fail, "raise it to 15 minutes (900000): producers are refused that ask for more"))
    }),
    ("group.max.session.timeout.ms", |value, cluster| {
        let session = session(cluster)?;
        (number(value)? < session)
            .then_some((Verdict::Fail, "raise it above the session timeout of members, 15 s by default"))
    }),
    ("group.min.session.timeout.ms", |value, cluster| {
        let session = session(cluster)?;
        (number(value)? > session)
            .then_some((Verdict::Fail, "lower it below the session timeout of members, 15 s by default"))
    }),
    ("group.coordinator.rebalance.protocols", |value, cluster| {
        let wanted = match cluster.protocol {
            GroupProtocol::Classic => "classic",
            GroupProtocol::Consumer => "consumer",
        };
        let offered = value.split(',').any(|offered| offered.trim() == wanted);
        (!offered).then_some((Verdict::Fail, "offer the protocol that log.kafka.protocol names, or name another"))
    }),
    ("offset.metadata.max.bytes", |value, _| {
        let small = number(value)? < REGISTER_BYTES;
        small.then_some((
            Verdict::Fail,
            "set it to 4096, as Kafka does by itself: a task's register stands beside its offset",
        ))
    }),
    ("message.max.bytes", |value, _| {
        (number(value)? < RECORD_BYTES)
            .then_some((Verdict::Warn, "set it to 1048588 or more: a record that is too large stops its job"))
    }),
    ("auto.create.topics.enable", |value, _| {
        (value == "true").then_some((Verdict::Warn, "set it to false: a name misspelt anywhere becomes a topic"))
    }),
    ("transaction.partition.verification.enable", |value, _| {
        let advice = "set it to true: a late record could leave a transaction open, and its readers waiting for ever";
        (value == "false").then_some((Verdict::Warn, advice))
    }),
    ("unclean.leader.election.enable", |value, _| (value == "true").then_some((Verdict::Fail, UNCLEAN_ADVICE))),
    // These are for topics that are made from now on; one that is there has its own.
    ("log.message.timestamp.before.max.ms", |value, cluster| {
        (cluster.missing_topics && number(value)? < PAST_MS).then_some((Verdict::Warn, PAST_ADVICE))
    }),
    ("log.message.timestamp.after.max.ms", |value, cluster| {
        (cluster.missing_topics && number(value)? < FUTURE_MS).then_some((Verdict::Warn, FUTURE_ADVICE))
    }),
    // Of Kafka before 3.6, in both directions.
    ("log.message.timestamp.difference.max.ms", |value, cluster| {
        (cluster.missing_topics && number(value)? < PAST_MS).then_some((Verdict::Warn, PAST_ADVICE))
    }),
];

const OFFSETS_ADVICE: &str =
    "set it to 7 days (10080) or more: jobs that were away for longer find no offsets, and stop";
pub(super) const UNCLEAN_ADVICE: &str =
    "set it to false: a broker that missed records could lead, and what was committed would be gone";
pub(super) const PAST_ADVICE: &str =
    "raise it to 7 days (604800000) or more: older records of sources are refused, and recordings cannot be loaded";
pub(super) const FUTURE_ADVICE: &str =
    "raise it to an hour (3600000): records of sources whose clock is a little ahead are refused";

pub(super) fn judge(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    let addresses: Vec<String> = seen.brokers.iter().map(|broker| broker.address.clone()).collect();
    let listed = format!("{} at {}", seen.brokers.len(), addresses.join(", "));
    match &addresses[..] {
        [] => findings.fail("brokers", "none is alive".to_owned(), "start them"),
        [_] => findings.warn(
            "brokers",
            listed,
            "one broker is for trying things out: while it is away everything waits, and what its disk loses is lost",
        ),
        _ => findings.ok("brokers", listed),
    }
    version(seen, findings);
    settings(seen, expected, findings);
}

fn version(seen: &Inspection, findings: &mut Findings) {
    let told: Option<Vec<(u32, u32)>> = seen.brokers.iter().map(|broker| version_of(&broker.settings)).collect();
    let Some(version) = told.and_then(|all| all.into_iter().min()) else {
        let seen = "unknown: the settings of the brokers do not show it".to_owned();
        return findings.warn("version", seen, "see for yourself that it is Kafka 4.0 or newer, or speaks like it");
    };
    let shown = format!("{}.{}", version.0, version.1);
    if version >= WANTED {
        return findings.ok("version", format!("{shown} or newer, as the settings of the brokers show"));
    }
    let shown = format!("{shown}, as inter.broker.protocol.version says");
    if version >= OLDEST {
        findings.warn("version", shown, "upgrade to Kafka 4.0 or newer, which is what all this was tried with");
    } else {
        let advice =
            "upgrade to Kafka 4.0 or newer: before 2.5 a member that has lost its partitions could still commit";
        findings.fail("version", shown, advice);
    }
}

/// The oldest version that has these settings; none where they do not show it. Brokers tell clients which calls they
/// know and not who they are; Kafka 4.0 lost one setting that all before it had, and 3.7 gained the other.
fn version_of(settings: &Settings) -> Option<(u32, u32)> {
    if let Some(protocol) = settings.get("inter.broker.protocol.version") {
        let mut parts = protocol.split(['.', '-']).map(str::parse);
        return Some((parts.next()?.ok()?, parts.next()?.ok()?));
    }
    settings.contains_key("group.coordinator.rebalance.protocols").then_some(WANTED)
}

fn settings(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    let mut faults = Faults::of("broker settings");
    let mut looked_at = 0;
    for broker in &seen.brokers {
        let cluster = Cluster {
            brokers: i64::try_from(seen.brokers.len()).unwrap_or(i64::MAX),
            demands: seen.demands,
            protocol: expected.protocol,
            missing_topics: expected.missing(seen).next().is_some(),
            all: &broker.settings,
        };
        for (name, rule) in RULES {
            let Some(value) = broker.settings.get(name) else { continue };
            looked_at += 1;
            if let Some((verdict, advice)) = rule(value, &cluster) {
                faults.add(verdict, format!("{name}={value}"), &format!("broker {}", broker.id), advice);
            }
        }
    }
    if faults.is_empty() && looked_at > 0 {
        findings.ok("broker settings", format!("{looked_at} values, none in the way"));
    }
    faults.tell(findings);
}

fn copies(value: &str, cluster: &Cluster<'_>) -> Fault {
    match number(value)? {
        copies if copies > cluster.brokers => {
            warn("start as many brokers, or lower it: until then the log it is for cannot be made where it is missing")
        }
        ..3 if cluster.brokers >= 3 => {
            warn("set it to 3, and give the topic that is there more copies with kafka-reassign-partitions.sh")
        }
        _ => None,
    }
}

fn session(cluster: &Cluster<'_>) -> Option<i64> {
    cluster.demands.session_ms.and_then(|session| i64::try_from(session).ok())
}

pub(super) fn number(value: &str) -> Option<i64> {
    value.parse().ok()
}

fn warn(advice: &'static str) -> Fault {
    Some((Verdict::Warn, advice))
}

fn fail(advice: &'static str) -> Fault {
    Some((Verdict::Fail, advice))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{expected, good, one, told_against};
    use super::*;

    pub(crate) const GOOD: [(&str, &str); 16] = [
        ("transaction.state.log.replication.factor", "3"),
        ("offsets.topic.replication.factor", "3"),
        ("transaction.state.log.min.isr", "2"),
        ("offsets.retention.minutes", "10080"),
        ("transactional.id.expiration.ms", "604800000"),
        ("transaction.max.timeout.ms", "900000"),
        ("group.max.session.timeout.ms", "1800000"),
        ("group.min.session.timeout.ms", "6000"),
        ("group.coordinator.rebalance.protocols", "classic,consumer,streams"),
        ("offset.metadata.max.bytes", "4096"),
        ("message.max.bytes", "1048588"),
        ("auto.create.topics.enable", "false"),
        ("transaction.partition.verification.enable", "true"),
        ("unclean.leader.election.enable", "false"),
        ("log.message.timestamp.before.max.ms", "9223372036854775807"),
        ("log.message.timestamp.after.max.ms", "3600000"),
    ];

    fn with(name: &str, value: &str) -> Inspection {
        let mut seen = good();
        seen.brokers[0].settings.insert(name.to_owned(), value.to_owned());
        seen
    }

    #[test]
    fn each_bad_setting_is_told_with_its_broker() {
        for (name, value, verdict) in [
            ("transaction.state.log.replication.factor", "2", Verdict::Warn),
            ("transaction.state.log.replication.factor", "5", Verdict::Warn),
            ("offsets.topic.replication.factor", "1", Verdict::Warn),
            ("transaction.state.log.min.isr", "1", Verdict::Warn),
            ("transaction.state.log.min.isr", "4", Verdict::Fail),
            ("offsets.retention.minutes", "10079", Verdict::Warn),
            ("offsets.retention.minutes", "60", Verdict::Fail),
            ("transactional.id.expiration.ms", "60000", Verdict::Warn),
            ("transaction.max.timeout.ms", "9999", Verdict::Fail),
            ("group.max.session.timeout.ms", "14999", Verdict::Fail),
            ("group.min.session.timeout.ms", "15001", Verdict::Fail),
            ("group.coordinator.rebalance.protocols", "consumer", Verdict::Fail),
            ("offset.metadata.max.bytes", "511", Verdict::Fail),
            ("message.max.bytes", "999999", Verdict::Warn),
            ("auto.create.topics.enable", "true", Verdict::Warn),
            ("transaction.partition.verification.enable", "false", Verdict::Warn),
            ("unclean.leader.election.enable", "true", Verdict::Fail),
        ] {
            assert_eq!(one(&with(name, value)), (verdict, format!("{name}={value}: broker 1")));
        }
    }

    #[test]
    fn limits_on_times_matter_where_a_topic_is_still_to_be_made() {
        let mut seen = with("log.message.timestamp.before.max.ms", "3600000");
        assert!(told_against(&seen, &expected()).is_empty());
        seen.topics.retain(|topic| topic.name != "k8s-audit");
        assert_eq!(one(&seen).1, "log.message.timestamp.before.max.ms=3600000: broker 1");
    }

    #[test]
    fn a_session_of_another_length_is_held_against_its_own_length() {
        let mut seen = with("group.min.session.timeout.ms", "20000");
        seen.demands.session_ms = Some(30_000);
        assert!(told_against(&seen, &expected()).is_empty());
    }

    #[test]
    fn the_brokers_protocol_must_be_offered_where_it_is_asked_for() {
        let asked = Expected { protocol: GroupProtocol::Consumer, ..expected() };
        let mut seen = with("group.coordinator.rebalance.protocols", "classic");
        seen.demands.session_ms = None;
        assert_eq!(told_against(&seen, &asked).len(), 1);
    }

    #[test]
    fn a_version_is_told_by_what_settings_there_are_and_never_guessed() {
        assert_eq!(version_of(&good().brokers[0].settings), Some((4, 0)));
        assert_eq!(one(&with("inter.broker.protocol.version", "3.9-IV0")).0, Verdict::Warn);
        assert_eq!(one(&with("inter.broker.protocol.version", "2.4-IV1")).0, Verdict::Fail);
        let mut seen = good();
        seen.brokers[1].settings.clear();
        assert_eq!(one(&seen).1, "unknown: the settings of the brokers do not show it");
    }
}
