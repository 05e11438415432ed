//! The decision record: a decision as one line of JSON, for logs and for comparing hosts.

use alloc::string::String;

use crate::decision::{Assignment, Decision, ErrorCode, FlagDecision, Reason};
use crate::json::{self, ObjectWriter};
use crate::plan::{Plan, Rule};

impl Decision {
    /// The decision record: JSON with its keys in a fixed order. Absent values are left out; buckets are 0
    /// to 99,999, shares are in 0.001 %.
    ///
    /// ```json
    /// {"revision":42,"digest":"0123456789abcdef",
    ///  "rollout":{"name":"reco","arm":"canary","reason":"SPLIT","unit":"user","bucket":123,"share":5000},
    ///  "flags":{"new-checkout":{"variant":"on","reason":"TARGETING_MATCH","rule":"dogfood"}}}
    /// ```
    pub fn record(&self, plan: &Plan) -> String {
        json::object(|object| self.write_record(plan, object))
    }

    fn write_record(&self, plan: &Plan, object: &mut ObjectWriter<'_>) {
        object.number("revision", plan.revision());
        object.string("digest", plan.digest());
        if let Some(key) = self.forced_by() {
            object.string("override", key);
        }
        if let (Some(decided), Some((rollout, arm))) = (&self.rollout, self.arm(plan)) {
            object.object("rollout", |object| {
                object.string("name", rollout);
                object.string("arm", arm);
                reason(object, decided.reason, decided.error);
                assignment(object, plan, decided.assignment);
                if let Some(shadow) = self.shadow(plan) {
                    object.string("shadow", shadow.name());
                }
            });
        }
        if !self.flags.is_empty() {
            object.object("flags", |object| {
                self.flags.iter().for_each(|decided| flag(object, plan, decided));
            });
        }
    }
}

fn flag(object: &mut ObjectWriter<'_>, plan: &Plan, decided: &FlagDecision) {
    let Some(flag) = plan.flag(decided.flag) else { return };
    object.object(flag.name(), |object| {
        let variant = flag.variant(decided.variant).map_or("", |variant| variant.name());
        object.string("variant", variant);
        reason(object, decided.reason, decided.error);
        let rule: Option<&Rule> = decided.rule.and_then(|index| flag.rules.get(index));
        if let Some(rule) = rule {
            object.string("rule", &rule.name);
        }
        if let Some(holdout) = decided.holdout.and_then(|index| plan.holdouts.get(index)) {
            object.string("holdout", &holdout.name);
        }
        assignment(object, plan, decided.assignment);
    });
}

fn reason(object: &mut ObjectWriter<'_>, reason: Reason, error: Option<ErrorCode>) {
    object.string("reason", reason.as_str());
    if let Some(error) = error {
        object.string("errorCode", error.as_str());
    }
}

fn assignment(object: &mut ObjectWriter<'_>, plan: &Plan, assignment: Option<Assignment>) {
    let Some(assignment) = assignment else { return };
    object.string("unit", plan.unit(assignment.unit).map_or("", |unit| unit.name()));
    object.number("bucket", assignment.bucket.number());
    object.number("share", assignment.share.millipercent());
}
