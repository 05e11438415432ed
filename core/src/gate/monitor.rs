//! The gate monitor: turns tallies into a verdict and updates the latch.
//!
//! A rollout has one judge: an elected worker, a Durable Object or a service. The judge hands the
//! monitor the tallies whenever they may have grown. A [`Monitor`] is all that the judge has to
//! remember. It converts to bytes and back, so that another worker can go on.

use alloc::vec::Vec;

use super::audit::{Audit, Finding, ObservationRecord};
use super::counters::Tally;
use super::current_stage::CurrentStage;
use super::latch::{Abort, Latch};
use super::outcome::StageId;
use super::process::Levels;
use super::settings::GateSettings;
use super::stage::{Pace, StageEvidence};
use super::tallies::{GroupTally, Tallies};
use super::verdict::{Cause, Evidence, Judgement, Verdict};
use super::wire::Wire;
use crate::parse::gates::MAX_COHORTS;
use crate::plan::{Plan, Rollout, RolloutId, Trial};
use crate::value::share::Share;

/// The memory of a rollout's judge: what it has evaluated so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    pub(super) stage: StageId,
    /// When it evaluated last, in ms since 1970; at first, when the stage began.
    pub(super) evaluated_at: u64,
    /// The tallies that are evaluated already.
    pub(super) seen: Tallies,
    /// The evidence of each group.
    pub(super) groups: Vec<StageEvidence>,
    pub(super) shadow: Levels,
}

impl Rollout {
    /// Whether a step that is no longer held ends now: its hold is over, and if the step waits for its
    /// gate, the gate has said `promotable`.
    fn may_end(&self, current: &CurrentStage, verdict: Verdict, held: bool, now_ms: u64) -> bool {
        let (Some(schedule), Some(since)) = (self.schedule(), current.since) else { return false };
        let step = usize::try_from(current.stage.step).unwrap_or(usize::MAX);
        let gated = schedule.is_gated(step);
        let waits = if gated { verdict != Verdict::Promotable } else { !held };
        !waits && schedule.is_due(step, since, now_ms)
    }
}

impl Monitor {
    /// The most groups of a trial: everybody, and 16 cohorts.
    pub(super) const MAX_GROUPS: usize = MAX_COHORTS.saturating_add(1);
    /// The fewest new requests worth an evaluation: a handful says little about its own share.
    pub const MIN_REQUESTS: u64 = 100;
    /// After this many ms without [`Monitor::MIN_REQUESTS`], the lack of traffic itself is judged.
    pub const PATIENCE_MS: u64 = 60_000;

    /// Evaluates what `tallies` have gained since the last evaluation, at `now_ms` since 1970.
    ///
    /// If something follows, the latch is changed and the audit record returned. Every host that keeps
    /// the latch has to learn of the change.
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
        latch.enter_epoch(rollout.epoch());
        if rollout.abort_in_force(Some(latch), Some(now_ms)).is_some() {
            return None;
        }
        let current = rollout.current_stage(Some(latch), now_ms)?;
        if self.stage != current.stage || self.groups.len() != trial.groups() {
            *self = Monitor::new(current.stage, trial, now_ms);
        }
        let finding = self.find(trial, current.share, tallies, now_ms)?;
        let step = current.stage.step;
        let held = latch.held_step == Some(step);
        match finding.judgement.verdict {
            Verdict::Abort => latch.abort(Abort {
                epoch: current.stage.epoch,
                at: now_ms,
                digest: plan.digest().into(),
                reason: finding.reason(),
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
        Some(Audit::new(plan, rollout, &current, now_ms, finding))
    }

    /// The stage that is being evaluated.
    pub fn stage(&self) -> StageId {
        self.stage
    }

    /// What the evaluations have come to so far, for everybody and then for each cohort of the trial.
    pub fn evidence<'m>(&'m self, trial: &'m Trial) -> impl Iterator<Item = Evidence> + 'm {
        self.groups.iter().map(|group| trial.gate().evidence(group))
    }

    fn new(stage: StageId, trial: &Trial, now_ms: u64) -> Monitor {
        Monitor {
            stage,
            evaluated_at: now_ms,
            seen: Tallies::new(stage, trial),
            groups: core::iter::repeat_with(StageEvidence::default).take(trial.groups()).collect(),
            shadow: Levels::default(),
        }
    }

    /// Evaluates if there are enough new requests. Returns the weightiest finding of all groups; among
    /// equals the first, which is everybody's.
    fn find(
        &mut self,
        trial: &Trial,
        share: Share,
        tallies: Option<&Tallies>,
        now_ms: u64,
    ) -> Option<Finding> {
        let elapsed_ms = now_ms.saturating_sub(self.evaluated_at);
        let tallies = tallies.filter(|tallies| tallies.stage == self.stage);
        let all = |tallies: &Tallies| {
            tallies.groups.first().map_or(0, |group| group.requests.exposures())
        };
        let added = tallies.map_or(0, all).saturating_sub(all(&self.seen));
        let shadowed = tallies.map_or(0, |tallies| tallies.shadow.exposures);
        let compared = shadowed.saturating_sub(self.seen.shadow.exposures);
        if added < Self::MIN_REQUESTS && compared < Self::MIN_REQUESTS {
            return (elapsed_ms >= Self::PATIENCE_MS)
                .then(|| Finding::silence(trial.gate().settings(), added, elapsed_ms));
        }
        let tallies = tallies?;
        let mut worst: Option<Finding> = None;
        let groups = self.groups.iter_mut().zip(&tallies.groups).zip(&self.seen.groups);
        for (index, ((stage, now), before)) in groups.enumerate() {
            let finding = observe(trial, index, stage, Step { now, before, share, elapsed_ms });
            // A cohort may stop the stage; that it is fine, or quiet, says nothing of the others.
            if index > 0 && finding.judgement.cause == Cause::TooLittleTraffic {
                continue;
            }
            let heavier = worst.as_ref().is_none_or(|worst| {
                let weight = weigh(finding.judgement.verdict);
                weight > weigh(worst.judgement.verdict) && weight > 1
            });
            if heavier {
                worst = Some(finding);
            }
        }
        if let Some(finding) = self.shadow(trial, tallies.shadow) {
            worst = Some(finding);
        }
        self.evaluated_at = now_ms;
        self.seen = tallies.clone();
        worst
    }

    fn shadow(&mut self, trial: &Trial, now: Tally) -> Option<Finding> {
        let divergence = trial.divergence()?;
        let before = self.shadow;
        let added = Tally {
            exposures: now.exposures.saturating_sub(self.seen.shadow.exposures),
            events: now.events.saturating_sub(self.seen.shadow.events),
        };
        divergence.observe(&mut self.shadow, added);
        divergence.crossed(&self.shadow)?;
        Some(Finding::divergence(divergence, before, added, self.shadow))
    }

    /// The memory as bytes, for [`Monitor::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// Reads what [`Monitor::to_bytes`] has written; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Monitor> {
        Monitor::decode(bytes)
    }
}

/// What a group has come to, before and now.
struct Step<'a> {
    now: &'a GroupTally,
    before: &'a GroupTally,
    share: Share,
    elapsed_ms: u64,
}

fn observe(trial: &Trial, group: usize, stage: &mut StageEvidence, step: Step<'_>) -> Finding {
    let Step { now, before, share, elapsed_ms } = step;
    let latency = [0, 1].map(|arm: usize| {
        let (now, before) = (now.latency.get(arm), before.latency.get(arm));
        now.zip(before).map(|(now, before)| now.since(before)).unwrap_or_default()
    });
    let batch = ObservationRecord {
        elapsed_ms,
        requests: now.requests.since(before.requests),
        buckets: now.errors.first_errors(&before.errors, share),
        kpi: now.kpi_counters().since(before.kpi_counters()),
        latency,
    };
    let earlier = stage.clone();
    trial.gate().observe(stage, &batch.look());
    let evidence = trial.gate().evidence(stage);
    let group = trial.group(group).map(Into::into);
    Finding {
        group,
        judgement: evidence.judgement,
        before: earlier,
        batch: Some(batch),
        evidence: Some(evidence),
        shadow: None,
        quiet: None,
    }
}

fn weigh(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Continue => 0,
        Verdict::Promotable => 1,
        Verdict::Pause => 2,
        Verdict::Abort => 3,
    }
}

impl Finding {
    /// Too few requests for a look, for too long.
    fn silence(settings: &GateSettings, requests: u64, elapsed_ms: u64) -> Finding {
        let judgement = settings.judge_silence(requests, elapsed_ms);
        Finding { judgement, quiet: Some([requests, elapsed_ms]), ..Finding::nothing() }
    }
}

impl GateSettings {
    /// Judges a stage that had too few requests for an evaluation: `requests` in `elapsed_ms`. Below
    /// [`GateSettings::min_per_minute`] the stage has to wait.
    pub fn judge_silence(&self, requests: u64, elapsed_ms: u64) -> Judgement {
        if (Pace { elapsed_ms, requests }).is_below(self.min_per_minute) {
            Judgement { verdict: Verdict::Pause, cause: Cause::TooLittleTraffic }
        } else {
            Judgement { verdict: Verdict::Continue, cause: Cause::TooFewSamples }
        }
    }
}
