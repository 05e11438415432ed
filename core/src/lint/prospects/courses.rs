//! What becomes of a regression over the steps of a rollout.

use alloc::vec::Vec;

use super::rates::Rates;
use super::{Course, Evidence, StepProspect};
use crate::gate::Ratio;
use crate::value::share::Share;

impl Rates<'_> {
    /// One for each regression that is asked of each kind of evidence.
    pub(super) fn courses(&self, steps: &[StepProspect]) -> Vec<Course> {
        let mut courses = Vec::new();
        for evidence in self.evidence() {
            for ratio in self.regressions(evidence) {
                courses.push(self.course(evidence, ratio, steps));
            }
        }
        courses
    }

    fn course(&self, evidence: Evidence, ratio: Ratio, steps: &[StepProspect]) -> Course {
        let (seen_in, share) = (None, Share::ZERO);
        let mut course = Course { evidence, ratio, seen_in, after_ms: 0, requests: 0, share };
        for (index, step) in steps.iter().enumerate() {
            course.share = course.share.max(step.share);
            let gate = step.gates.iter().find(|gate| gate.evidence == evidence);
            let needed = gate.and_then(|gate| gate.needed(ratio));
            let within = gate.map_or(step.expected, |gate| gate.within);
            if let Some(needed) = needed.filter(|needed| within.is_none_or(|most| *needed <= most))
            {
                course.seen_in = Some(index);
                course.add(needed, self.time_of(step.share, needed));
                return course;
            }
            // Nothing comes after a step without an end.
            let Some(hold) = step.hold_ms else { return course };
            match within.filter(|within| Some(*within) > step.expected) {
                Some(requests) => course.add(requests, self.time_of(step.share, requests)),
                None => course.add(step.expected.unwrap_or(0), hold),
            }
        }
        course
    }
}

impl Course {
    fn add(&mut self, requests: u64, ms: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.after_ms = self.after_ms.saturating_add(ms);
    }
}
