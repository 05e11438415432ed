//! The decision record: a decision as one line of JSON, for logs and for comparing hosts.

use alloc::string::String;

use crate::decision::{Assignment, Decision, ErrorCode, FlagDecision, Reason};
use crate::headers;
use crate::json::{self, ObjectWriter};
use crate::plan::{Flag, Holdout, Plan, Rollout, Rule, Unit};

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
        json::object(|object| self.write_record(plan, object, usize::MAX))
    }

    /// The record for the response field `serin-decision`, given the decision's whole `record`. Beyond
    /// [`MAX_DECISION_BYTES`](headers::MAX_DECISION_BYTES) the last flags are left out, and `flagsLeftOut` is their number.
    pub fn response_record(&self, plan: &Plan, record: String) -> String {
        if record.len() <= headers::MAX_DECISION_BYTES {
            return record;
        }
        let room = headers::MAX_DECISION_BYTES.saturating_sub(LARGEST_END);
        json::object(|object| self.write_record(plan, object, room))
    }

    /// Writes the record; no flag begins after the first `room` bytes.
    fn write_record(&self, plan: &Plan, object: &mut ObjectWriter<'_>, room: usize) {
        object.plain_number("revision", plan.revision());
        object.plain_string("digest", plan.digest());
        if let Some(key) = self.forced_by() {
            object.plain_string("override", key);
        }
        if let (Some(decided), Some((rollout, arm))) = (&self.rollout, self.arm(plan)) {
            object.plain_object("rollout", |object| {
                object.plain_string("name", rollout);
                object.plain_string("arm", arm);
                reason(object, decided.reason, decided.error);
                assignment(object, plan, decided.assignment);
                if let Some(shadow) = self.shadow(plan) {
                    object.plain_string("shadow", shadow.name());
                }
            });
        }
        if self.flags.is_empty() {
            return;
        }
        let mut left_out = 0_u64;
        object.plain_object("flags", |object| {
            for decided in &self.flags {
                if object.written() <= room {
                    flag(object, plan, decided);
                } else {
                    left_out = left_out.saturating_add(1);
                }
            }
        });
        if left_out > 0 {
            object.number("flagsLeftOut", left_out);
        }
    }
}

/// The size of the largest flag in a record and of what follows the flags, in bytes: five names of
/// 64 bytes, and their keys.
const LARGEST_END: usize = 640;

/// The maximum size of a record without its rollout and without the flags in it, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize =
    r#"{"revision":9007199254740991,"digest":"0123456789abcdef","#.len()
        + r#""override":"01234567890123456789012345678901","flags":{}}"#.len();
const ASSIGNMENT: usize = r#","unit":"","bucket":99999,"share":100000"#.len();

/// The longest names in a plan, in bytes.
pub(crate) struct LongestNames {
    unit: usize,
    holdout: Option<usize>,
}

impl LongestNames {
    pub(crate) fn new(plan: &Plan) -> LongestNames {
        LongestNames {
            unit: longest_unit(plan),
            holdout: longest(plan.holdouts.iter().map(Holdout::name)),
        }
    }
}

fn longest<'n>(names: impl Iterator<Item = &'n str>) -> Option<usize> {
    names.map(str::len).max()
}

fn longest_unit(plan: &Plan) -> usize {
    longest(plan.units().iter().map(Unit::name)).unwrap_or(0)
}

/// The maximum size of a flag in a record, with its comma, in bytes.
pub(crate) fn max_flag_bytes(flag: &Flag, names: &LongestNames) -> usize {
    const FLAG: usize = r#""":{"variant":"","reason":""},"#.len();
    const RULE: usize = r#","rule":"""#.len();
    const HOLDOUT: usize = r#","holdout":"""#.len();
    let assignment = ASSIGNMENT.saturating_add(names.unit);
    let of_rule = longest(flag.rules().iter().map(Rule::name)).map(|rule| {
        let served = TARGETING_MATCH.max(SPLIT.saturating_add(assignment));
        served.saturating_add(RULE).saturating_add(rule)
    });
    let of_holdout = names.holdout.filter(|_| flag.held_out).map(|holdout| {
        HOLDOUT.saturating_add(holdout).saturating_add(SPLIT).saturating_add(assignment)
    });
    let variant = longest(flag.variants().iter().map(|variant| variant.name())).unwrap_or(0);
    let why = ERROR.max(of_rule.unwrap_or(0)).max(of_holdout.unwrap_or(0));
    [FLAG, flag.name().len(), variant, why].into_iter().fold(0, usize::saturating_add)
}

/// The maximum size of a rollout in a record, with its comma, in bytes.
pub(crate) fn max_rollout_bytes(plan: &Plan, rollout: &Rollout) -> usize {
    const ROLLOUT: usize = r#""rollout":{"name":"","arm":"","reason":""},"#.len();
    const SHADOW: usize = r#","shadow":"""#.len();
    let arm = longest(rollout.arms().iter().map(|arm| arm.name())).unwrap_or(0);
    let shadow = rollout.shadow().map_or(0, |_| SHADOW.saturating_add(arm));
    let why = ERROR.max(SPLIT.saturating_add(ASSIGNMENT).saturating_add(longest_unit(plan)));
    [ROLLOUT, rollout.name().len(), arm, shadow, why].into_iter().fold(0, usize::saturating_add)
}

const TARGETING_MATCH: usize = Reason::TargetingMatch.as_str().len();
const SPLIT: usize = Reason::Split.as_str().len();
/// The longest error: its reason and its code.
const ERROR: usize = Reason::Error.as_str().len()
    + r#","errorCode":"""#.len()
    + ErrorCode::TargetingKeyMissing.as_str().len();

fn flag(object: &mut ObjectWriter<'_>, plan: &Plan, decided: &FlagDecision) {
    let Some(flag) = plan.flag(decided.flag) else { return };
    object.plain_object(flag.name(), |object| {
        let variant = flag.variant(decided.variant).map_or("", |variant| variant.name());
        object.plain_string("variant", variant);
        reason(object, decided.reason, decided.error);
        let rule: Option<&Rule> = decided.rule.and_then(|index| flag.rules.get(index));
        if let Some(rule) = rule {
            object.plain_string("rule", &rule.name);
        }
        if let Some(holdout) = decided.holdout.and_then(|index| plan.holdouts.get(index)) {
            object.plain_string("holdout", &holdout.name);
        }
        assignment(object, plan, decided.assignment);
    });
}

fn reason(object: &mut ObjectWriter<'_>, reason: Reason, error: Option<ErrorCode>) {
    object.plain_string("reason", reason.as_str());
    if let Some(error) = error {
        object.plain_string("errorCode", error.as_str());
    }
}

fn assignment(object: &mut ObjectWriter<'_>, plan: &Plan, assignment: Option<Assignment>) {
    let Some(assignment) = assignment else { return };
    object.plain_string("unit", plan.unit(assignment.unit).map_or("", |unit| unit.name()));
    object.plain_number("bucket", assignment.bucket.number());
    object.plain_number("share", assignment.share.millipercent());
}
