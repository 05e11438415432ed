//! The judge's answer to a batch, apart from the latches.

use serin_core::json::{self, Node};
use serin_judge::{DropReason, OutcomeBatch};

/// What the judge did not count of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JudgeAnswer {
    /// The digest of the judge's plan; `None` without one.
    plan: Option<String>,
    /// The rollouts whose tallies were not counted, with the reason.
    pub(crate) dropped: Vec<(String, DropReason)>,
}

impl JudgeAnswer {
    /// Reads an answer. JSON without the members of an answer counts as an answer without drops.
    pub(crate) fn from_json(text: &str) -> JudgeAnswer {
        let mut answer = JudgeAnswer::default();
        // Most answers have no such member, and latches are long. A quote inside a string is escaped.
        if !text.contains("\"dropped\":[") {
            return answer;
        }
        let Some(Node::Object(fields)) = json::parse(text.as_bytes()) else { return answer };
        if let Some(Node::Object(plan)) = fields.get("plan")
            && let Some(Node::String(digest)) = plan.get("digest")
        {
            answer.plan = Some(digest.to_string());
        }
        if let Some(Node::List(items)) = fields.get("dropped") {
            answer.dropped.extend(items.iter().filter_map(dropped));
        }
        answer
    }

    /// Whether tallies that were dropped for this reason may count later: the judge has another plan than the
    /// batch, or its clock is behind.
    pub(crate) fn may_count_later(&self, reason: DropReason, batch: &OutcomeBatch) -> bool {
        match reason {
            DropReason::NoPlan | DropReason::Clock | DropReason::Conflict => true,
            DropReason::Unknown | DropReason::Stage => self.plan.as_ref() != Some(&batch.digest),
            _ => false,
        }
    }
}

fn dropped(item: &Node<'_>) -> Option<(String, DropReason)> {
    let Node::Object(fields) = item else { return None };
    let (Node::String(rollout), Node::String(reason)) =
        (fields.get("rollout")?, fields.get("reason")?)
    else {
        return None;
    };
    Some((rollout.to_string(), DropReason::from_name(reason)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(plan: &str) -> JudgeAnswer {
        JudgeAnswer::from_json(&format!(
            r#"{{"version":0,"latches":[],"plan":{plan},
            "dropped":[{{"rollout":"web","reason":"stage","outcomes":7}},{{"rollout":"x","reason":"new"}},1]}}"#
        ))
    }

    #[test]
    fn only_another_plan_or_clock_may_count_later() {
        let batch = OutcomeBatch { digest: "aa".into(), ..OutcomeBatch::default() };
        let may = |plan: &str, reason| answer(plan).may_count_later(reason, &batch);
        assert_eq!(answer("null").dropped, [("web".to_owned(), DropReason::Stage)]);
        for reason in DropReason::ALL {
            let always =
                matches!(reason, DropReason::NoPlan | DropReason::Clock | DropReason::Conflict);
            let stage = matches!(reason, DropReason::Unknown | DropReason::Stage);
            assert_eq!(may(r#"{"digest":"aa"}"#, reason), always, "{reason:?}");
            assert_eq!(may(r#"{"digest":"bb"}"#, reason), always || stage, "{reason:?}");
            assert_eq!(may("null", reason), always || stage, "{reason:?}");
        }
    }

    #[test]
    fn an_answer_of_latches_alone_drops_nothing() {
        for text in ["", "{", r#"{"version":0,"latches":[]}"#, r#"{"dropped":[]}"#] {
            assert_eq!(JudgeAnswer::from_json(text), JudgeAnswer::default(), "{text}");
        }
    }
}
