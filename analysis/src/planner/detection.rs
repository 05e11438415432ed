//! Detections: the step and time in which a regression is detected.

use serin_core::Share;
use serin_core::gate::Ratio;

use super::forecast::{Detection, Metric, StepForecast};
use super::rates::Rates;

impl Rates<'_> {
    /// One detection for each metric and each of its regressions.
    pub(super) fn detections(&self, steps: &[StepForecast]) -> Vec<Detection> {
        let mut detections = Vec::new();
        for metric in self.metrics() {
            for ratio in self.regressions(metric) {
                detections.push(self.detection(metric, ratio, steps));
            }
        }
        detections
    }

    fn detection(&self, metric: Metric, ratio: Ratio, steps: &[StepForecast]) -> Detection {
        let (seen_in, share) = (None, Share::ZERO);
        let mut detection = Detection { metric, ratio, seen_in, after_ms: 0, requests: 0, share };
        for (index, step) in steps.iter().enumerate() {
            detection.share = detection.share.max(step.share);
            let gate = step.gates.iter().find(|gate| gate.metric == metric);
            let needed = gate.and_then(|gate| gate.needed(ratio));
            let within = gate.map_or(step.expected, |gate| gate.within);
            if let Some(needed) = needed.filter(|needed| within.is_none_or(|most| *needed <= most))
            {
                detection.seen_in = Some(index);
                detection.add(needed, self.time_of(step.share, needed));
                return detection;
            }
            // A step without an end is the last one.
            let Some(hold) = step.hold_ms else { return detection };
            match within.filter(|within| Some(*within) > step.expected) {
                Some(requests) => detection.add(requests, self.time_of(step.share, requests)),
                None => detection.add(step.expected.unwrap_or(0), hold),
            }
        }
        detection
    }
}

impl Detection {
    fn add(&mut self, requests: u64, ms: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.after_ms = self.after_ms.saturating_add(ms);
    }
}
