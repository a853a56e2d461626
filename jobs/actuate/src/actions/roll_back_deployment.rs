//! Roll back deployment: the pod template of the revision before, as the Deployment's own history has it.
//!
//! The history is its ReplicaSets, numbered by the annotation `deployment.kubernetes.io/revision`
//! (`https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-back-a-deployment`).

use super::{COMMAND, Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const RULES: &[Rule] = &[
    Rule { group: "apps", resources: &["deployments"], verbs: &["get", "patch"] },
    Rule { group: "apps", resources: &["replicasets"], verbs: &["get", "list"] },
];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "roll_back_deployment",
    doc: "Gives a Deployment the pod template of the revision before.",
    risk: RiskClass::R3,
    targets: &["Deployment"],
    needs: &[Need::ReplicaSets],
    rules: RULES,
    plan: back,
};

/// The line of its inverse.
pub const FORWARD: Kind = Kind {
    name: "roll_forward_deployment",
    doc: "Gives a Deployment that we rolled back the pod template again that it had.",
    risk: RiskClass::R3,
    targets: &["Deployment"],
    needs: &[Need::ReplicaSets],
    rules: RULES,
    plan: forward,
};

/// Under these names a plan writes down where it goes, and from where.
const TO: &str = "to";
const FROM: &str = "from";

fn back(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let history = History::of(view);
    if let Some(set) = order.recorded.get(TO).filter(|_| order.standing == Standing::Begun)
        && history.current().is_some_and(|current| name(current) == set)
    {
        return Ok(Plan::default());
    }
    let current = history.current().ok_or_else(|| {
        Refusal::precondition(
            "none of its ReplicaSets has its pod template: its controller has not seen the last change",
        )
    })?;
    let before = history.before(current).ok_or_else(|| {
        Refusal::precondition("it has no revision before with other pods: there is nothing to go back to")
    })?;
    let recorded = [(TO.to_owned(), name(before).to_owned()), (FROM.to_owned(), name(current).to_owned())];
    let request = replace(view, before, Some(order.command.id.as_str()));
    Ok(Plan { requests: vec![request], recorded: BTreeMap::from(recorded) })
}

fn forward(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let history = History::of(view);
    let current = history.current().map(name);
    let recorded = |place: &str| order.recorded.get(place).map(String::as_str);
    if !order.marked(&view.target) {
        return if order.standing == Standing::Begun && current.is_some() && current == recorded(FROM) {
            Ok(Plan::default())
        } else {
            Err(conflict(&format!("it does not bear our mark ({COMMAND})")))
        };
    }
    if current.is_none() || current != recorded(TO) {
        return Err(conflict("it is not at the revision that we went back to"));
    }
    let from = history.sets.iter().find(|set| Some(name(set)) == recorded(FROM));
    let from = from.ok_or_else(|| conflict("the revision that it had is not kept any more"))?;
    Ok(once(replace(view, from, None)))
}

/// Gives the Deployment the pod template of a revision, and our mark or none.
fn replace(view: &View, revision: &Value, mark: Option<&str>) -> Request {
    let deployment = &view.target;
    let mut annotations = deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    match mark {
        Some(mark) => annotations.insert(COMMAND.to_owned(), mark.into()),
        None => annotations.remove(COMMAND),
    };
    // Nothing of the template stays: a merge would keep what the revision did not have.
    let change = json!([
        {"op": "test", "path": "/metadata/uid", "value": deployment["metadata"]["uid"]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": deployment["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/spec/template", "value": template(revision)},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]);
    Request::new("PATCH", &view.path, "application/json-patch+json", Some(change)).on(deployment)
}

/// A Deployment and its revisions.
struct History<'v> {
    deployment: &'v Value,
    sets: Vec<&'v Value>,
}

impl<'v> History<'v> {
    fn of(view: &'v View) -> Self {
        let deployment = &view.target;
        let owned = |set: &&Value| {
            let owners = set["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == deployment["metadata"]["uid"]))
        };
        History { deployment, sets: view.replica_sets.iter().filter(owned).collect() }
    }

    /// The revision with the Deployment's own template.
    fn current(&self) -> Option<&'v Value> {
        let wanted = template(self.deployment);
        self.sets.iter().copied().filter(|set| template(set) == wanted).max_by_key(|set| revision(set))
    }

    /// The newest revision before one that has other pods. One that differs in annotations alone is a restart.
    fn before(&self, current: &Value) -> Option<&'v Value> {
        let others = self
            .sets
            .iter()
            .copied()
            .filter(|set| revision(set) < revision(current) && template(set)["spec"] != template(current)["spec"]);
        others.max_by_key(|set| revision(set))
    }
}

/// True where there is a revision to go back to.
pub(crate) fn has_revision_before(view: &View) -> bool {
    let history = History::of(view);
    history.current().is_some_and(|current| history.before(current).is_some())
}

/// When the Deployment last got a revision that it did not have before: the time its newest ReplicaSet says, if that is
/// the one in force. Otherwise somebody has gone back already.
pub(crate) fn last_change(view: &View) -> Option<&Value> {
    let history = History::of(view);
    let newest = history.sets.iter().copied().max_by_key(|set| set["metadata"]["creationTimestamp"].as_str())?;
    let current = history.current()?;
    (name(newest) == name(current)).then_some(current)
}

/// The pod template, without the label that tells ReplicaSets apart.
fn template(object: &Value) -> Value {
    let mut template = object["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    if let Some(metadata) = template["metadata"].as_object_mut() {
        // Some servers write that it has none.
        metadata.retain(|_, value| !value.is_null());
    }
    template
}

fn revision(set: &Value) -> i64 {
    let text = set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn name(set: &Value) -> &str {
    set["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Command;

    fn set(revision: u32, image: &str, annotation: &str) -> Value {
        json!({
            "metadata": {
                "name": format!("cart-{revision}"),
                "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
                "ownerReferences": [{"uid": "d"}],
                "creationTimestamp": format!("2026-01-0{revision}T00:00:00Z"),
            },
            "spec": {"template": {
                "metadata": {"labels": {"app": "cart", "pod-template-hash": format!("h{revision}")}, "annotations": {"a": annotation}},
                "spec": {"containers": [{"image": image}]},
            }},
        })
    }

    fn view(image: &str, annotation: &str, replica_sets: Vec<Value>) -> View {
        let target = json!({
            "metadata": {"uid": "d", "resourceVersion": "7"},
            "spec": {"template": {
                "metadata": {"labels": {"app": "cart"}, "annotations": {"a": annotation}, "creationTimestamp": null},
                "spec": {"containers": [{"image": image}]},
            }},
        });
        View { path: "/p".to_owned(), target, replica_sets, ..View::default() }
    }

    fn planned(view: &View, recorded: &BTreeMap<String, String>, standing: Standing) -> Result<Plan, Refusal> {
        back(&Order { command: &Command::default(), recorded, undo_at: 0, standing }, view)
    }

    #[test]
    fn it_goes_to_the_newest_revision_with_other_pods_and_then_asks_for_nothing() {
        let sets = vec![set(1, "old", ""), set(2, "good", ""), set(4, "bad", ""), set(5, "bad", "restarted")];
        let found = view("bad", "restarted", sets.clone());
        let plan = planned(&found, &BTreeMap::new(), Standing::New).unwrap();
        assert_eq!((plan.recorded[TO].as_str(), plan.recorded[FROM].as_str()), ("cart-2", "cart-5"));
        let body = plan.requests[0].body.as_ref().unwrap();
        assert_eq!(body[2]["value"]["spec"]["containers"][0]["image"], "good");
        assert!(!body.to_string().contains("pod-template-hash"));
        let after = view("good", "", sets);
        assert_eq!(planned(&after, &plan.recorded, Standing::Begun), Ok(Plan::default()));
    }

    #[test]
    fn without_a_revision_before_or_one_of_its_own_it_does_nothing() {
        for sets in
            [vec![set(1, "bad", "")], vec![set(1, "bad", ""), set(2, "bad", "x")], vec![set(1, "good", "")], vec![]]
        {
            let found = view("bad", "", sets);
            assert!(planned(&found, &BTreeMap::new(), Standing::New).is_err());
            assert!(!has_revision_before(&found));
        }
        let mut foreign = set(1, "good", "");
        foreign["metadata"]["ownerReferences"][0]["uid"] = "another".into();
        assert!(!has_revision_before(&view("bad", "", vec![foreign, set(2, "bad", "")])));
    }

    #[test]
    fn its_last_change_is_its_newest_revision_unless_somebody_has_gone_back() {
        let sets = vec![set(2, "good", ""), set(3, "bad", "")];
        assert_eq!(last_change(&view("bad", "", sets.clone())).map(name), Some("cart-3"));
        assert_eq!(last_change(&view("good", "", sets)), None);
    }
}
