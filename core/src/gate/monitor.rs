//! The gate monitor: turns tallies into a verdict and updates the latch.
//!
//! A rollout has one judge: an elected worker, a Durable Object or a service. The judge passes the tallies
//! to the monitor whenever they may have grown. A [`Monitor`] is all the state that a judge stores for a
//! rollout; it converts to bytes and back, so that another worker can take over.

use alloc::vec::Vec;

use super::audit::{Audit, Evaluation, ObservationRecord};
use super::counters::Tally;
use super::current_stage::CurrentStage;
use super::latch::{Abort, Latch};
use super::outcome::StageId;
use super::process::GridLevels;
use super::settings::GateSettings;
use super::stage::{StageEvidence, TrafficWindow};
use super::tallies::{GroupTally, Tallies};
use super::verdict::{Cause, Evidence, Judgement, Verdict};
use super::wire::{Wire, wire};
use crate::plan::{Plan, Rollout, RolloutId, Trial};
use crate::value::share::Share;

/// The state of a rollout's judge: the evidence that it has evaluated in the current stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    pub(super) stage: StageId,
    /// The time of the previous evaluation, in ms since 1970; before the first, when the stage began.
    pub(super) evaluated_at: u64,
    /// The tallies at the previous evaluation.
    pub(super) evaluated: Tallies,
    /// The evidence of each group.
    pub(super) groups: Vec<StageEvidence>,
    /// The levels of the shadow's divergence.
    pub(super) shadow: GridLevels,
}

wire!(Monitor { stage, evaluated_at, evaluated, groups, shadow });

impl Rollout {
    /// Whether a step that is not held may end now: its hold is over, and a gated step's verdict is
    /// [`Verdict::Promotable`].
    fn may_end(&self, current: &CurrentStage, verdict: Verdict, held: bool, now_ms: u64) -> bool {
        let (Some(schedule), Some(since)) = (self.schedule(), current.since) else { return false };
        let step = usize::try_from(current.stage.step).unwrap_or(usize::MAX);
        let gated = schedule.is_gated(step);
        let waits = if gated { verdict != Verdict::Promotable } else { !held };
        !waits && schedule.is_due(step, since, now_ms)
    }
}

impl Monitor {
    /// The smallest number of new requests that is evaluated. The share of exposures is estimated from
    /// them, which takes more than a few.
    pub const MIN_REQUESTS: u64 = 100;
    /// How long the monitor waits for [`Monitor::MIN_REQUESTS`], in ms. After that it judges the lack of
    /// traffic.
    pub const PATIENCE_MS: u64 = 60_000;

    /// Evaluates what `tallies` have gained since the previous evaluation, at `now_ms` since 1970.
    ///
    /// If the verdict changes the latch, the audit record of it is returned. The caller stores the latch
    /// and distributes it to the hosts.
    pub fn evaluate(
        &mut self,
        plan: &Plan,
        id: RolloutId,
        tallies: Option<&Tallies>,
        latch: &mut Latch,
        now_ms: u64,
    ) -> Option<Audit> {
        let rollout = plan.rollout(id)?;
        let trial = rollout.trial()?;
        latch.raise_epoch(rollout.epoch());
        if rollout.abort_in_force(Some(latch), Some(now_ms)).is_some() {
            return None;
        }
        let current = rollout.current_stage(Some(latch), now_ms)?;
        if self.stage != current.stage || self.groups.len() != trial.groups() {
            *self = Monitor::new(current.stage, trial, now_ms);
        }
        let evaluation = self.evaluate_groups(trial, current.share, tallies, now_ms)?;
        let step = current.stage.step;
        let held = latch.held_step == Some(step);
        match evaluation.judgement.verdict {
            Verdict::Abort => latch.abort(Abort {
                epoch: current.stage.epoch,
                at: now_ms,
                digest: plan.digest().into(),
                reason: evaluation.reason(),
            }),
            Verdict::Pause if held => return None,
            Verdict::Pause => latch.held_step = Some(step),
            verdict => {
                let ends = rollout.may_end(&current, verdict, held, now_ms);
                if !held && !ends {
                    return None;
                }
                latch.held_step = None;
                if ends {
                    latch.end_step(step, now_ms);
                }
            }
        }
        Some(Audit::new(plan, rollout, &current, now_ms, evaluation))
    }

    /// The stage that the evidence belongs to.
    pub fn stage(&self) -> StageId {
        self.stage
    }

    /// The evidence so far: of all units, then of each cohort of the trial.
    pub fn evidence<'m>(&'m self, trial: &'m Trial) -> impl Iterator<Item = Evidence> + 'm {
        self.groups.iter().map(|group| trial.gate().evidence(group))
    }

    fn new(stage: StageId, trial: &Trial, now_ms: u64) -> Monitor {
        Monitor {
            stage,
            evaluated_at: now_ms,
            evaluated: Tallies::new(stage, trial),
            groups: core::iter::repeat_with(StageEvidence::default).take(trial.groups()).collect(),
            shadow: GridLevels::default(),
        }
    }

    /// Evaluates each group if there are enough new requests. Returns the evaluation with the most severe
    /// verdict; of equal ones the first, which is that of all units.
    fn evaluate_groups(
        &mut self,
        trial: &Trial,
        share: Share,
        tallies: Option<&Tallies>,
        now_ms: u64,
    ) -> Option<Evaluation> {
        // After a clock that was set back, time goes on from there: else no lack of traffic would be seen.
        self.evaluated_at = self.evaluated_at.min(now_ms);
        let elapsed_ms = now_ms.saturating_sub(self.evaluated_at);
        let tallies = tallies.filter(|tallies| tallies.stage == self.stage);
        let requests = |tallies: &Tallies| {
            tallies.groups.first().map_or(0, |group| group.requests.exposures())
        };
        let added = tallies.map_or(0, requests).saturating_sub(requests(&self.evaluated));
        let shadowed = tallies.map_or(0, |tallies| tallies.shadow.exposures);
        let compared = shadowed.saturating_sub(self.evaluated.shadow.exposures);
        if added < Self::MIN_REQUESTS && compared < Self::MIN_REQUESTS {
            let window = TrafficWindow { elapsed_ms, requests: added };
            return (elapsed_ms >= Self::PATIENCE_MS)
                .then(|| Evaluation::of_low_traffic(trial.gate().settings(), window));
        }
        let tallies = tallies?;
        let mut worst: Option<Evaluation> = None;
        let groups = self.groups.iter_mut().zip(&tallies.groups).zip(&self.evaluated.groups);
        for (index, ((stage, now), before)) in groups.enumerate() {
            let change = GroupChange { now, before, share, elapsed_ms };
            let evaluation = evaluate_group(trial, index, stage, change);
            // A cohort may stop the stage for all units, but not because it has few requests itself.
            if index > 0 && evaluation.judgement.cause == Cause::TooLittleTraffic {
                continue;
            }
            // Only the verdict on all units promotes: a cohort's does not end a step.
            let is_worse = worst.as_ref().is_none_or(|worst| {
                let rank = severity(evaluation.judgement.verdict);
                rank > severity(worst.judgement.verdict) && rank > 1
            });
            if is_worse {
                worst = Some(evaluation);
            }
        }
        if let Some(evaluation) = self.evaluate_shadow(trial, tallies.shadow) {
            worst = Some(evaluation);
        }
        self.evaluated_at = now_ms;
        self.evaluated = tallies.clone();
        worst
    }

    fn evaluate_shadow(&mut self, trial: &Trial, now: Tally) -> Option<Evaluation> {
        let divergence = trial.divergence()?;
        let before = self.shadow;
        let added = Tally {
            exposures: now.exposures.saturating_sub(self.evaluated.shadow.exposures),
            events: now.events.saturating_sub(self.evaluated.shadow.events),
        };
        divergence.observe(&mut self.shadow, added);
        divergence.crossed(&self.shadow)?;
        Some(Evaluation::divergence(divergence, before, added, self.shadow))
    }

    /// The monitor as bytes, for [`Monitor::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// Reads the bytes of [`Monitor::to_bytes`]; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Monitor> {
        Monitor::decode(bytes)
    }
}

/// A group's tallies at the previous evaluation and at this one.
struct GroupChange<'a> {
    now: &'a GroupTally,
    before: &'a GroupTally,
    share: Share,
    elapsed_ms: u64,
}

/// Adds a group's change to its evidence and judges that.
fn evaluate_group(
    trial: &Trial,
    group: usize,
    stage: &mut StageEvidence,
    change: GroupChange<'_>,
) -> Evaluation {
    let GroupChange { now, before, share, elapsed_ms } = change;
    let latency = [0, 1].map(|arm: usize| {
        let (now, before) = (now.latency.get(arm), before.latency.get(arm));
        now.zip(before).map(|(now, before)| now.since(before)).unwrap_or_default()
    });
    let [buckets, at_risk] = now.first_errors(before, share);
    let observation = ObservationRecord {
        elapsed_ms,
        requests: now.requests.since(before.requests),
        buckets,
        at_risk,
        kpi: now.kpi_counters().since(before.kpi_counters()),
        conversions: now.first_conversions(before, share),
        latency,
        passed: now.first_passed(before, share),
    };
    let previous = stage.clone();
    trial.gate().observe(stage, &observation.as_observation());
    let evidence = trial.gate().evidence(stage);
    let group = trial.group(group).map(Into::into);
    Evaluation {
        group,
        judgement: evidence.judgement,
        previous,
        observation: Some(observation),
        evidence: Some(evidence),
        shadow: None,
        low_traffic: None,
    }
}

/// The rank of a verdict: the most severe of all groups counts.
fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Continue => 0,
        Verdict::Promotable => 1,
        Verdict::Pause => 2,
        Verdict::Abort => 3,
    }
}

impl Evaluation {
    /// The evaluation of a window with too few requests for an observation.
    fn of_low_traffic(settings: &GateSettings, window: TrafficWindow) -> Evaluation {
        let judgement = settings.judge_low_traffic(window);
        Evaluation { judgement, low_traffic: Some(window), ..Evaluation::empty() }
    }
}

impl GateSettings {
    /// Judges a window with too few requests for an observation. Below
    /// [`GateSettings::min_per_minute`] the stage pauses.
    pub fn judge_low_traffic(&self, window: TrafficWindow) -> Judgement {
        if window.is_below(self.min_per_minute) {
            Judgement { verdict: Verdict::Pause, cause: Cause::TooLittleTraffic }
        } else {
            Judgement { verdict: Verdict::Continue, cause: Cause::TooFewSamples }
        }
    }
}
