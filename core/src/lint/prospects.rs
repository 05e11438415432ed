//! What a rollout's gates will be able to show, at the traffic one expects.
//!
//! Estimates of means, see [`crate::gate::planner`]. What a hold cannot show on average, its gate is
//! there for in vain.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ROOT;
use crate::error::Path;
use crate::gate::planner::{Rate, requests_needed, requests_to_promote};
use crate::gate::{Gate, Ratio, Settings};
use crate::plan::Plan;
use crate::spec::{Hold, Mode, Progress, Spec};
use crate::value::share::Share;

/// The traffic one expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Requests a minute of a rollout, both arms together.
    pub per_minute: u64,
    /// How often the baseline's requests fail.
    pub errors: Rate,
    /// How often the baseline's requests are KPI events.
    pub kpi: Rate,
}

/// A rollout whose canary is on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prospects {
    /// Such as `rollouts.shop`.
    pub path: String,
    /// What was assumed of it.
    pub traffic: Traffic,
    /// Why none of its gates will ever judge, if that is so.
    pub mute: Option<Mute>,
    /// Its steps in order; a fixed share is one step without a hold.
    pub steps: Vec<StepProspect>,
    /// What becomes of a regression that is there from the first step on.
    pub courses: Vec<Course>,
    /// Requests of both arms that it takes to see a KPI drop of 0.3 %, at the step where it takes the
    /// fewest; `None` without a KPI gate or where such a drop is tolerated.
    pub slight_drop: Option<u64>,
}

/// Why gates pause whatever they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// Fewer requests a minute than `minRate`.
    TooLittleTraffic {
        /// `minRate`.
        wanted: u64,
    },
    /// The baseline fails more often than `maxBaselineErrorRate`.
    BaselineUnwell {
        /// `maxBaselineErrorRate`.
        allowed: Share,
    },
    /// Everybody has the canary from the start.
    NobodyToCompareWith,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProspect {
    /// Such as `rollouts.shop.canary.steps[1]`.
    pub path: String,
    /// Of how many units.
    pub share: Share,
    /// For how many ms, at the least; `None` is until the spec changes.
    pub hold_ms: Option<u64>,
    /// Canary requests that the hold brings.
    pub expected: Option<u64>,
    /// For a step that waits for its gate: canary requests until that says promotable, if the canary is
    /// as good as the baseline.
    pub promotable: Option<u64>,
    /// What is compared; nothing where everybody or nobody has the canary.
    pub gates: Vec<GateProspect>,
}

/// One kind of evidence in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateProspect {
    /// Which kind.
    pub evidence: Evidence,
    /// Regressions, with the canary requests that showing each takes; `None` is never. The first is the
    /// one that the gate has to show in its hold.
    pub needed: Vec<(Ratio, Option<u64>)>,
    /// The smallest regression that the hold can show; `None` if it can show none, or has no end.
    pub smallest: Option<Ratio>,
    /// Canary requests by which it has to be seen; `None` is no end.
    within: Option<u64>,
}

/// What a gate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Requests that fail.
    Errors,
    /// Requests that take longer than 95 of 100 of the baseline's.
    SlowTail,
    /// Requests that take longer than 99 of 100 of the baseline's.
    SlowestTail,
    /// KPI events.
    Kpi,
}

/// What becomes of a regression that is there from the first step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// What shows it.
    pub evidence: Evidence,
    /// How large it is.
    pub ratio: Ratio,
    /// The step in which it is seen, by position; `None` is never.
    pub seen_in: Option<usize>,
    /// How many ms after the start that is.
    pub after_ms: u64,
    /// The canary's requests until then.
    pub requests: u64,
    /// The units that have had the canary by then.
    pub share: Share,
}

/// Twice as many requests beyond a percentile.
const DOUBLE: Ratio = thousandths(2000);
const FIVE_TIMES: Ratio = thousandths(5000);
const A_TENTH_LESS: Ratio = thousandths(900);
const HALF: Ratio = thousandths(500);
const SLIGHT_DROP: Ratio = thousandths(997);
/// A regression beyond that is a failure, which everything shows.
const LARGEST: Ratio = thousandths(1_000_000);
const SMALLEST: Ratio = thousandths(1);

const fn thousandths(thousandths: u32) -> Ratio {
    match Ratio::from_thousandths(thousandths) {
        Some(ratio) => ratio,
        None => Ratio::ONE,
    }
}

/// What the gates of every rollout that has some can show. `traffic` is asked by the rollout's name;
/// where it gives `None`, nothing is said.
pub fn prospects(
    spec: &Spec,
    plan: &Plan,
    traffic: impl Fn(&str) -> Option<Traffic>,
) -> Vec<Prospects> {
    let section = ROOT.key("rollouts");
    let mut found = Vec::new();
    for (name, rollout) in &spec.rollouts {
        let Mode::Canary { progress, .. } = &rollout.mode else { continue };
        let compiled = plan.rollouts().iter().find(|compiled| compiled.name() == &**name);
        let trial = compiled.and_then(|compiled| compiled.guard().trial());
        if let (Some(trial), Some(traffic)) = (trial, traffic(name)) {
            let path = section.key(name);
            found.push(Rates { gate: trial.gate(), traffic }.rollout(progress, &path));
        }
    }
    found
}

/// A gate under some traffic.
#[derive(Clone, Copy)]
struct Rates<'g> {
    gate: &'g Gate,
    traffic: Traffic,
}

impl Rates<'_> {
    fn rollout(self, progress: &Progress, path: &Path<'_>) -> Prospects {
        let canary = path.key("canary");
        let steps: Vec<StepProspect> = match progress {
            Progress::Fixed(share) => {
                let path = canary.key("share").to_string();
                [self.step(path, *share, Hold::Last, false)].into()
            }
            Progress::Steps { steps, .. } => {
                let list = canary.key("steps");
                let step = |(index, step): (usize, &crate::spec::Step)| {
                    self.step(list.index(index).to_string(), step.share, step.hold, step.gated)
                };
                steps.iter().enumerate().map(step).collect()
            }
        };
        let slight = |step: &StepProspect| {
            let needed = self.needed(Evidence::Kpi, step.share, SLIGHT_DROP)?;
            let all = u128::from(needed).saturating_mul(100_000);
            let all = all.checked_div(step.share.millipercent().into())?;
            Some(u64::try_from(all).unwrap_or(u64::MAX))
        };
        Prospects {
            path: path.to_string(),
            traffic: self.traffic,
            mute: self.mute(&steps),
            courses: self.courses(&steps),
            slight_drop: steps.iter().filter_map(slight).min(),
            steps,
        }
    }

    fn settings(&self) -> &Settings {
        self.gate.settings()
    }

    fn mute(&self, steps: &[StepProspect]) -> Option<Mute> {
        let wanted = self.settings().min_per_minute;
        if self.traffic.per_minute < wanted {
            return Some(Mute::TooLittleTraffic { wanted });
        }
        let allowed = self.settings().max_baseline_errors;
        if u64::from(self.traffic.errors.ppm()) > u64::from(allowed).saturating_mul(10) {
            let allowed = Share::from_millipercent(allowed).unwrap_or(Share::ALL);
            return Some(Mute::BaselineUnwell { allowed });
        }
        steps.iter().all(|step| step.gates.is_empty()).then_some(Mute::NobodyToCompareWith)
    }

    fn step(self, path: String, share: Share, hold: Hold, gated: bool) -> StepProspect {
        let hold_ms = if let Hold::For(ms) = hold { Some(ms) } else { None };
        let expected = hold_ms.map(|ms| self.in_time(share, ms));
        let promotion = self.gate.thresholds().promotion;
        let promotable = gated.then(|| {
            let (rate, excluded) = (self.traffic.errors, self.settings().excluded);
            requests_to_promote(share, rate, excluded, promotion)
        });
        let promotable = promotable.flatten();
        let compared = share > Share::ZERO && share < Share::ALL;
        let kinds = self.evidence().into_iter().filter(|_| compared);
        let gate = |evidence| {
            // A step that waits does so for as long as a canary as bad as what is excluded is not ruled out.
            let within = match evidence {
                Evidence::Errors if gated => None,
                _ if gated => expected.map(|expected| expected.max(promotable.unwrap_or(u64::MAX))),
                _ => expected,
            };
            self.gate_in(evidence, share, expected, within)
        };
        let gates = kinds.map(gate).collect();
        StepProspect { path, share, hold_ms, expected, promotable, gates }
    }

    /// Canary requests in so many ms.
    fn in_time(&self, share: Share, ms: u64) -> u64 {
        let all = u128::from(self.traffic.per_minute).saturating_mul(ms.into());
        let canary = all.saturating_mul(share.millipercent().into());
        u64::try_from(canary.checked_div(60_000 * 100_000).unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// How many ms so many canary requests take.
    fn time_of(&self, share: Share, requests: u64) -> u64 {
        let wanted = u128::from(requests).saturating_mul(60_000 * 100_000);
        let pace = u128::from(self.traffic.per_minute).saturating_mul(share.millipercent().into());
        u64::try_from(wanted.checked_div(pace).unwrap_or(u128::MAX)).unwrap_or(u64::MAX)
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut kinds = Vec::from([Evidence::Errors]);
        if self.settings().latency.is_some() {
            kinds.extend([Evidence::SlowTail, Evidence::SlowestTail]);
        }
        if self.settings().kpi.is_some() {
            kinds.push(Evidence::Kpi);
        }
        kinds
    }

    /// What is asked of each kind of evidence, the decisive first: what the spec itself excludes before
    /// it promotes.
    fn regressions(&self, evidence: Evidence) -> Vec<Ratio> {
        let mut ratios = match evidence {
            Evidence::Errors => Vec::from([self.settings().excluded, DOUBLE, FIVE_TIMES]),
            Evidence::SlowTail | Evidence::SlowestTail => Vec::from([DOUBLE]),
            Evidence::Kpi => Vec::from([A_TENTH_LESS, HALF]),
        };
        ratios.dedup();
        ratios
    }

    fn gate_in(
        &self,
        evidence: Evidence,
        share: Share,
        expected: Option<u64>,
        within: Option<u64>,
    ) -> GateProspect {
        let needed = |ratio| (ratio, self.needed(evidence, share, ratio));
        let needed = self.regressions(evidence).into_iter().map(needed).collect();
        let smallest = expected.and_then(|expected| self.smallest(evidence, share, expected));
        GateProspect { evidence, needed, smallest, within }
    }

    /// Canary requests until a regression is seen; `None` is never.
    fn needed(&self, evidence: Evidence, share: Share, ratio: Ratio) -> Option<u64> {
        let (settings, thresholds) = (self.settings(), self.gate.thresholds());
        let (rate, tolerated, threshold) = match evidence {
            Evidence::Errors => (self.traffic.errors, settings.tolerated, thresholds.errors),
            Evidence::SlowTail => (Rate::from_ppm(50_000)?, Ratio::ONE, thresholds.latency),
            Evidence::SlowestTail => (Rate::from_ppm(10_000)?, Ratio::ONE, thresholds.latency),
            Evidence::Kpi => (self.traffic.kpi, settings.kpi?, thresholds.kpi),
        };
        let worse = if evidence == Evidence::Kpi { ratio < tolerated } else { ratio > tolerated };
        if !worse || (evidence == Evidence::Errors && !self.acts_on(ratio)) {
            return None;
        }
        // Against a tolerated ratio it is the same test, of a canary with so many more events.
        let (share, ratio) = against(share, ratio, tolerated)?;
        let needed = requests_needed(share, rate, ratio, threshold)?;
        let needed = u128::from(needed).saturating_mul(1000);
        let needed = needed.checked_div(tolerated.thousandths().into())?;
        Some(u64::try_from(needed).unwrap_or(u64::MAX).max(settings.min_samples))
    }

    /// Whether a regression is large enough for the guards of the gate.
    fn acts_on(&self, ratio: Ratio) -> bool {
        let more = u64::from(ratio.thousandths()).saturating_sub(1000);
        // Millionths times thousandths against 0.001 %.
        let difference = u64::from(self.traffic.errors.ppm()).saturating_mul(more);
        let wanted = u64::from(self.settings().min_difference).saturating_mul(10_000);
        ratio >= self.settings().min_ratio && difference >= wanted
    }

    /// The smallest regression that shows within so many canary requests.
    fn smallest(&self, evidence: Evidence, share: Share, requests: u64) -> Option<Ratio> {
        let visible = |thousandths: u32| {
            let ratio = Ratio::from_thousandths(thousandths)?;
            self.needed(evidence, share, ratio).filter(|needed| *needed <= requests)
        };
        let far = if evidence == Evidence::Kpi { SMALLEST } else { LARGEST };
        visible(far.thousandths())?;
        let (mut unseen, mut seen) = (Ratio::ONE.thousandths(), far.thousandths());
        while seen.abs_diff(unseen) > 1 {
            let middle = unseen.midpoint(seen);
            if visible(middle).is_some() { seen = middle } else { unseen = middle }
        }
        Ratio::from_thousandths(seen)
    }

    fn courses(&self, steps: &[StepProspect]) -> Vec<Course> {
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

impl GateProspect {
    /// Canary requests until this regression is seen.
    pub fn needed(&self, ratio: Ratio) -> Option<u64> {
        self.needed.iter().find(|(known, _)| *known == ratio)?.1
    }

    /// Whether a regression is seen in the step.
    pub fn sees(&self, ratio: Ratio) -> bool {
        let within = self.within.unwrap_or(u64::MAX);
        self.needed(ratio).is_some_and(|needed| needed <= within)
    }

    /// The regression that it has to show and cannot, with what it will see and what it needs.
    pub(super) fn decorative(&self) -> Option<(Ratio, u64, u64)> {
        // What is tolerated nobody asks of it.
        let (ratio, needed) =
            self.needed.iter().find_map(|(ratio, needed)| Some((*ratio, (*needed)?)))?;
        let within = self.within?;
        (needed > within && self.evidence != Evidence::SlowestTail)
            .then_some((ratio, needed, within))
    }
}

/// A share and a ratio as they look from a tolerated ratio: wθ0 / S(θ0), θ / θ0.
fn against(share: Share, ratio: Ratio, tolerated: Ratio) -> Option<(Share, Ratio)> {
    if tolerated == Ratio::ONE {
        return Some((share, ratio));
    }
    let part = |share: u32, thousandths: u32| u64::from(share).saturating_mul(thousandths.into());
    let weight = part(share.millipercent(), tolerated.thousandths());
    let others = part(Share::ALL.millipercent().saturating_sub(share.millipercent()), 1000);
    let share = weight.saturating_mul(100_000).checked_div(weight.saturating_add(others))?;
    let share = Share::from_millipercent(u32::try_from(share).ok()?.max(1))?;
    let ratio = part(ratio.thousandths(), 1000).checked_div(tolerated.thousandths().into())?;
    Some((share, Ratio::from_thousandths(u32::try_from(ratio).ok()?)?))
}
