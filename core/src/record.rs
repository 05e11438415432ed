//! A decision as one line of JSON: what logs keep, and what hosts are compared by.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::decision::{Assignment, Decision, ErrorCode, FlagDecision, Reason};
use crate::plan::{Plan, Rule};

impl Decision {
    /// The decision record: JSON with its keys in a fixed order, absent ones left out; buckets 0 to
    /// 99,999, shares in 0.001 %. All names in it are plain, so nothing needs escaping.
    ///
    /// ```json
    /// {"revision":42,"digest":"0123456789abcdef",
    ///  "rollout":{"name":"reco","arm":"canary","reason":"SPLIT","unit":"user","bucket":123,"share":5000},
    ///  "flags":{"new-checkout":{"variant":"on","reason":"TARGETING_MATCH","rule":"dogfood"}}}
    /// ```
    pub fn record(&self, plan: &Plan) -> String {
        let mut out = String::with_capacity(256);
        // Writing to a String cannot fail.
        let _ = self.write_record(plan, &mut out);
        out
    }

    fn write_record(&self, plan: &Plan, out: &mut String) -> fmt::Result {
        write!(out, "{{\"revision\":{},\"digest\":\"{}\"", plan.revision(), plan.digest())?;
        if let Some(key) = self.forced_by() {
            write!(out, ",\"override\":\"{key}\"")?;
        }
        if let (Some(decided), Some((rollout, arm))) = (&self.rollout, self.arm(plan)) {
            write!(out, ",\"rollout\":{{\"name\":\"{rollout}\",\"arm\":\"{arm}\"")?;
            reason(decided.reason, decided.error, out)?;
            assignment(plan, decided.assignment, out)?;
            if let Some(shadow) = self.shadow(plan) {
                write!(out, ",\"shadow\":\"{}\"", shadow.name())?;
            }
            out.push('}');
        }
        for (index, decided) in self.flags.iter().enumerate() {
            out.push_str(if index == 0 { ",\"flags\":{" } else { "," });
            flag(plan, decided, out)?;
        }
        if !self.flags.is_empty() {
            out.push('}');
        }
        out.push('}');
        Ok(())
    }
}

fn flag(plan: &Plan, decided: &FlagDecision, out: &mut String) -> fmt::Result {
    let Some(flag) = plan.flag(decided.flag) else {
        return Ok(());
    };
    let variant = flag.variant(decided.variant).map_or("", |variant| variant.name());
    write!(out, "\"{}\":{{\"variant\":\"{variant}\"", flag.name())?;
    reason(decided.reason, decided.error, out)?;
    let rule: Option<&Rule> = decided.rule.and_then(|index| flag.rules.get(index));
    if let Some(rule) = rule {
        write!(out, ",\"rule\":\"{}\"", rule.name)?;
    }
    if let Some(holdout) = decided.holdout.and_then(|index| plan.holdouts.get(index)) {
        write!(out, ",\"holdout\":\"{}\"", holdout.name)?;
    }
    assignment(plan, decided.assignment, out)?;
    out.push('}');
    Ok(())
}

fn reason(reason: Reason, error: Option<ErrorCode>, out: &mut String) -> fmt::Result {
    write!(out, ",\"reason\":\"{}\"", reason.as_str())?;
    match error {
        Some(error) => write!(out, ",\"errorCode\":\"{}\"", error.as_str()),
        None => Ok(()),
    }
}

fn assignment(plan: &Plan, assignment: Option<Assignment>, out: &mut String) -> fmt::Result {
    let Some(assignment) = assignment else {
        return Ok(());
    };
    let unit = plan.unit(assignment.unit).map_or("", |unit| unit.name());
    let (bucket, share) = (assignment.bucket.number(), assignment.share.millipercent());
    write!(out, ",\"unit\":\"{unit}\",\"bucket\":{bucket},\"share\":{share}")
}
