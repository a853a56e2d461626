//! What an incident is called when it is told: grade, labels, one line, and more lines.
//!
//! Invariant: labels hold identity only, whatever varies while an incident lasts stands in the text; and nothing that
//! telemetry says can add, remove or rename a label.

use crate::config::Grades;
use schemas::notification::{Notice, NoticeLabel};
use schemas::{Entity, EntityKind, Incident, Selector};

/// The name every alert of ours has.
pub(crate) const NAME: &str = "BellbuoyIncident";
/// Lines of explanation, causes or entities in one text.
const LINES: usize = 5;

/// Grades, the mildest first.
const GRADES: [&str; 3] = ["info", "warning", "critical"];

/// The grade of a severity.
pub(crate) fn grade(severity: f64, grades: &Grades) -> &'static str {
    let at = usize::from(severity >= grades.warning) + usize::from(severity >= grades.critical);
    GRADES[at]
}

/// True where the first grade is graver than the second.
pub(crate) fn graver(grade: &str, than: &str) -> bool {
    let rank = |grade: &str| GRADES.iter().position(|known| *known == grade);
    rank(grade) > rank(than)
}

/// True where an incident touches what a selector is about.
pub(crate) fn touches(incident: &Incident<'_>, selector: &Selector) -> bool {
    entities(incident).any(|entity| selector.matches(&incident.cluster, entity))
}

/// What an incident is about: its likeliest cause, or else what shows it most.
pub(crate) fn subject<'i, 'a>(incident: &'i Incident<'a>) -> Option<&'i Entity<'a>> {
    entities(incident).next()
}

fn entities<'i, 'a>(incident: &'i Incident<'a>) -> impl Iterator<Item = &'i Entity<'a>> {
    let causes = incident.causes.iter().map(|cause| &cause.entity);
    let members = incident.members.iter().map(|member| &member.entity);
    causes.chain(members).chain(&incident.blast_radius.entities)
}

/// An alert's labels, sorted by name.
pub(crate) fn labels(incident: &Incident<'_>, grade: &str) -> Vec<NoticeLabel<'static>> {
    let mut labels = vec![
        ("alertname", NAME.to_owned()),
        ("tenant", incident.tenant.to_string()),
        ("cluster", incident.cluster.to_string()),
        ("incident_id", incident.id.to_string()),
        ("severity", grade.to_owned()),
    ];
    if let Some(entity) = subject(incident) {
        labels.push(("entity_kind", entity.kind.as_str().to_owned()));
        labels.push(("entity", entity.name.to_string()));
        labels.push(("namespace", entity.namespace.to_string()));
        if entity.kind == EntityKind::Workload {
            labels.push(("workload_kind", entity.workload_kind.to_string()));
            labels.push(("workload", entity.name.to_string()));
        }
    }
    // A label without a value is none.
    labels.retain(|(_, value)| !value.is_empty());
    labels.sort();
    labels.into_iter().map(|(name, value)| NoticeLabel { name: name.into(), value: value.into() }).collect()
}

/// The value of a label of a notice; empty where it has none.
pub(crate) fn label<'n>(notice: &'n Notice<'_>, name: &str) -> &'n str {
    notice.labels.iter().find(|label| label.name == name).map_or("", |label| label.value.as_str())
}

/// Where it is, for a line: `shop/Deployment/cart in prod`.
pub(crate) fn place(incident: &Incident<'_>) -> String {
    let entity = subject(incident);
    let names = entity.map(|entity| {
        let parts = [&*entity.namespace, &*entity.workload_kind, &*entity.name];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    });
    match names.filter(|names| !names.is_empty()) {
        Some(names) => format!("{names} in {}", incident.cluster),
        None => incident.cluster.to_string(),
    }
}

/// What more there is to say, a line each.
pub(crate) fn details(incident: &Incident<'_>) -> Vec<String> {
    let mut lines: Vec<String> = incident.explanation.iter().take(LINES).map(ToString::to_string).collect();
    let causes = incident.causes.iter().take(LINES);
    lines.extend(causes.map(|cause| format!("likely cause {}: {}", cause.rank, cause.sentence)));
    let radius = &incident.blast_radius;
    if radius.entities_total > 0 {
        lines.push(format!(
            "touches {} in {} and {}",
            many(radius.workloads.into(), "workload"),
            many(radius.namespaces.into(), "namespace"),
            many(radius.nodes.into(), "node"),
        ));
    }
    if !incident.closing.is_empty() {
        lines.push(format!("closed: {}", incident.closing));
    }
    lines
}

/// A number of things.
pub(crate) fn many(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A time as people and programs read it.
pub(crate) fn time(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Cause;

    #[test]
    fn a_severity_has_a_grade_from_its_bound_on() {
        let grades = Grades { warning: 40.0, critical: 80.0 };
        let of = [0.0, 39.9, 40.0, 79.9, 80.0, 100.0].map(|severity| grade(severity, &grades));
        assert_eq!(of, ["info", "info", "warning", "warning", "critical", "critical"]);
        assert!(graver("critical", "warning") && !graver("info", "info") && graver("info", "unknown"));
    }

    #[test]
    fn hostile_names_stay_values() {
        let name = "cart\",severity=\"none\"}\nevil: true";
        let entity = Entity { kind: EntityKind::Workload, name: name.into(), ..Entity::default() };
        let cause = Cause { entity, ..Cause::default() };
        let incident = Incident { id: "i1".into(), causes: vec![cause], ..Incident::default() };
        let labels = labels(&incident, "warning");
        let names: Vec<&str> = labels.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["alertname", "entity", "entity_kind", "incident_id", "severity", "workload"]);
        assert_eq!(labels[1].value, name);
    }
}
