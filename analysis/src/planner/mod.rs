//! The planner: forecasts which regressions a rollout's gates detect at an expected traffic, and when.
//!
//! All figures are estimated means; single runs differ by a factor of two or more. The lint
//! [`decorative`](crate::lint::decorative) reports the gates that cannot detect their regression in time.

mod detection;
mod forecast;
mod rates;
mod requests;

use serin_core::inspect::Path;
use serin_core::spec::{Hold, Mode, Progress, Step};
use serin_core::{Plan, Share, Spec};

pub use forecast::{
    Detection, GateForecast, Metric, Obstacle, RolloutForecast, StepForecast, Traffic,
};
use rates::{Rates, SLIGHT_DROP};
pub use requests::{Rate, requests_needed, requests_to_promote};

/// Forecasts what the gates of each rollout can detect. `traffic` returns the expected traffic of a rollout
/// by its name; a rollout without gates or without traffic is left out.
pub fn forecast(
    spec: &Spec,
    plan: &Plan,
    traffic: impl Fn(&str) -> Option<Traffic>,
) -> Vec<RolloutForecast> {
    let section = Path::Root.key("rollouts");
    let mut found = Vec::new();
    for (name, rollout) in &spec.rollouts {
        let Mode::Canary { progress, .. } = &rollout.mode else { continue };
        let compiled = plan.rollouts().iter().find(|compiled| compiled.name() == &**name);
        let trial = compiled.and_then(|compiled| compiled.trial());
        if let (Some(trial), Some(traffic)) = (trial, traffic(name)) {
            let path = section.key(name);
            found.push(Rates { gate: trial.gate(), traffic }.rollout(progress, &path));
        }
    }
    found
}

impl Rates<'_> {
    fn rollout(self, progress: &Progress, path: &Path<'_>) -> RolloutForecast {
        let canary = path.key("canary");
        let steps: Vec<StepForecast> = match progress {
            Progress::Fixed(share) => {
                let path = canary.key("share").to_string();
                [self.step(path, *share, Hold::Last, false)].into()
            }
            Progress::Steps { steps, .. } => {
                let list = canary.key("steps");
                let step = |(index, step): (usize, &Step)| {
                    self.step(list.index(index).to_string(), step.share, step.hold, step.gated)
                };
                steps.iter().enumerate().map(step).collect()
            }
        };
        let slight = |step: &StepForecast| {
            let needed = self.needed(Metric::Kpi, step.share, SLIGHT_DROP)?;
            let all = u128::from(needed).saturating_mul(100_000);
            let all = all.checked_div(step.share.millipercent().into())?;
            Some(u64::try_from(all).unwrap_or(u64::MAX))
        };
        RolloutForecast {
            path: path.to_string(),
            traffic: self.traffic,
            obstacle: self.obstacle(&steps),
            detections: self.detections(&steps),
            slight_drop: steps.iter().filter_map(slight).min(),
            steps,
        }
    }

    fn obstacle(&self, steps: &[StepForecast]) -> Option<Obstacle> {
        let wanted = self.settings().min_per_minute;
        if self.traffic.per_minute < wanted {
            return Some(Obstacle::TooLittleTraffic { wanted });
        }
        let allowed = self.settings().max_baseline_errors;
        if u64::from(self.traffic.errors.ppm()) > u64::from(allowed).saturating_mul(10) {
            let allowed = Share::from_millipercent(allowed).unwrap_or(Share::ALL);
            return Some(Obstacle::BaselineUnwell { allowed });
        }
        steps.iter().all(|step| step.gates.is_empty()).then_some(Obstacle::NobodyToCompareWith)
    }
}
