//! Suspend job: a CronJob starts no more jobs, a Job no more pods; and resume it.

use super::{Kind, Order, Plan, Refusal, Request, Rule, conflict, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::json;

const RULES: &[Rule] = &[Rule { group: "batch", resources: &["cronjobs", "jobs"], verbs: &["get", "patch"] }];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "suspend_job",
    doc: "Suspends a Job, which ends its pods, or a CronJob, which then starts no more jobs.",
    risk: RiskClass::R3,
    targets: &["CronJob", "Job"],
    needs: &[],
    rules: RULES,
    plan: suspend,
};

/// The line of its inverse.
pub const RESUME: Kind = Kind {
    name: "resume_job",
    doc: "Lets a Job or CronJob go on that was suspended by us.",
    risk: RiskClass::R3,
    targets: &["CronJob", "Job"],
    needs: &[],
    rules: RULES,
    plan: resume,
};

fn suspend(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let job = &view.target;
    if job["spec"]["suspend"] == true {
        return if order.marked(job) {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("it is suspended already, by somebody else"))
        };
    }
    Ok(once(Request::merge(
        &view.path,
        job,
        json!({"metadata": {"annotations": order.marks()}, "spec": {"suspend": true}}),
    )))
}

fn resume(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let job = &view.target;
    if !order.marked(job) {
        return if order.standing == super::Standing::Begun && job["spec"]["suspend"] != true {
            Ok(Plan::default())
        } else {
            Err(conflict("it does not bear our mark"))
        };
    }
    if job["spec"]["suspend"] != true {
        return Err(conflict("it runs again already"));
    }
    Ok(once(Request::merge(
        &view.path,
        job,
        json!({"metadata": {"annotations": super::unmarked()}, "spec": {"suspend": false}}),
    )))
}
