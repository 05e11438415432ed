//! From tallies to the latch: who looks, looks with this.
//!
//! One host, one elected worker or one durable object owns a rollout's watch. It is handed the tallies
//! whenever there may be something new, and says what follows. All of its memory is in [`Watch`], which
//! goes to bytes and back, so that another worker can go on where one has stopped.

use alloc::vec::Vec;

use super::audit::{Audit, Batch, Finding};

use super::counters::Tally;
use super::latch::{Abort, Latch};
use super::nats::Nats;
use super::outcome::StageId;
use super::process::{Detector, Levels};
use super::settings::Settings;
use super::stage::{EdgeState, Pace, Stage};
use super::tallies::{Group, Tallies};
use super::verdict::{Cause, Judgement, Verdict};
use super::wire::{Bytes, Reader};
use crate::plan::{Mode, Plan, Rollout, RolloutId, Trial};
use crate::schedule::{InForce, Schedule};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// Requests that a look needs: a batch of a handful says little about its own share.
const LEAST_REQUESTS: u64 = 100;
/// After so many ms without enough requests for a look, traffic itself is judged.
const PATIENCE_MS: u64 = 60_000;

/// The memory of whoever watches a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    stage: StageId,
    /// When it looked last, in ms since 1970; at first, when it began.
    looked: u64,
    /// What it has looked at.
    seen: Tallies,
    /// What came of it, for each group.
    groups: Vec<Stage>,
    shadow: Levels,
}

/// The stage that a rollout is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Which it is.
    pub stage: StageId,
    /// Of how many units.
    pub share: Share,
    /// When the step began; `None` for a fixed share.
    pub since: Option<Timestamp>,
}

impl Rollout {
    /// The stage in force at a moment; `None` without a trial, or before the first step.
    pub fn current(&self, latch: Option<&Latch>, now_ms: u64) -> Option<Current> {
        let (trial, schedule) = (self.guard().trial()?, self.schedule()?);
        let InForce { share, step } = schedule.at(Some(Timestamp::from_unix_ms(now_ms)), latch);
        if step.is_none() && schedule.needs_time() {
            return None;
        }
        let number = step.and_then(|(index, _)| u32::try_from(index).ok()).unwrap_or(0);
        let (epoch, fingerprint) = (self.guard().epoch(), trial.fingerprint());
        let stage = StageId { epoch, step: number, fingerprint };
        Some(Current { stage, share, since: step.map(|(_, since)| since) })
    }

    fn schedule(&self) -> Option<&Schedule> {
        match &self.mode {
            Mode::Canary { schedule, .. } => Some(schedule),
            _ => None,
        }
    }
}

/// Looks at a rollout: at what has been added to `tallies` since the last look, at `now_ms` since 1970.
/// Changes the latch where something follows, and then gives the record of it; everybody who keeps the
/// latch has to be told.
pub fn look(
    plan: &Plan,
    id: RolloutId,
    watch: &mut Watch,
    tallies: Option<&Tallies>,
    latch: &mut Latch,
    now_ms: u64,
) -> Option<Audit> {
    let rollout = plan.rollout(id)?;
    let trial = rollout.guard().trial()?;
    latch.enter(rollout.guard().epoch());
    if latch.stops(rollout.guard().epoch(), rollout.guard().cooldown_ms(), Some(now_ms)) {
        return None;
    }
    let current = rollout.current(Some(latch), now_ms)?;
    if watch.stage != current.stage || watch.groups.len() != trial.groups() {
        *watch = Watch::new(current.stage, trial, now_ms);
    }
    let found = watch.look(trial, current.share, tallies, now_ms)?;
    let step = current.stage.step;
    let held = latch.held == Some(step);
    match found.judgement.verdict {
        Verdict::Abort => latch.abort(Abort {
            epoch: current.stage.epoch,
            at: now_ms,
            digest: plan.digest().into(),
            reason: found.reason(),
        }),
        Verdict::Pause if held => return None,
        Verdict::Pause => latch.held = Some(step),
        verdict => {
            let ends = rollout.may_end(&current, verdict, held, now_ms);
            if !held && !ends {
                return None;
            }
            latch.held = None;
            if ends {
                latch.leave(step, now_ms);
            }
        }
    }
    Some(Audit::new(plan, rollout, &current, now_ms, found))
}

impl Rollout {
    /// Whether a step that is not held any more ends by that: its time is over, and if it waits for the
    /// gate, the gate has shown what it waits for.
    fn may_end(&self, current: &Current, verdict: Verdict, held: bool, now_ms: u64) -> bool {
        let (Some(schedule), Some(since)) = (self.schedule(), current.since) else { return false };
        let step = usize::try_from(current.stage.step).unwrap_or(usize::MAX);
        let gated = schedule.is_gated(step);
        let waits = if gated { verdict != Verdict::Promotable } else { !held };
        !waits && schedule.is_due(step, since, now_ms)
    }
}

impl Watch {
    fn new(stage: StageId, trial: &Trial, now_ms: u64) -> Watch {
        Watch {
            stage,
            looked: now_ms,
            seen: Tallies::new(stage, trial),
            groups: core::iter::repeat_with(Stage::default).take(trial.groups()).collect(),
            shadow: Levels::default(),
        }
    }

    /// Looks, if there is enough to look at; the first group that something follows from, or else
    /// everybody.
    fn look(
        &mut self,
        trial: &Trial,
        share: Share,
        tallies: Option<&Tallies>,
        now_ms: u64,
    ) -> Option<Finding> {
        let elapsed_ms = now_ms.saturating_sub(self.looked);
        let tallies = tallies.filter(|tallies| tallies.stage == self.stage);
        let all = |tallies: &Tallies| {
            tallies.groups.first().map_or(0, |group| group.requests.exposures())
        };
        let added = tallies.map_or(0, all).saturating_sub(all(&self.seen));
        let shadowed = tallies.map_or(0, |tallies| tallies.shadow.exposures);
        let compared = shadowed.saturating_sub(self.seen.shadow.exposures);
        if added < LEAST_REQUESTS && compared < LEAST_REQUESTS {
            return (elapsed_ms >= PATIENCE_MS)
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
        self.looked = now_ms;
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

    /// The memory as bytes, for [`Watch::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Bytes::default();
        self.stage.write(&mut out);
        out.number(self.looked);
        self.seen.write(&mut out);
        out.count(self.groups.len());
        for stage in &self.groups {
            stage.write(&mut out);
        }
        self.shadow.write(&mut out);
        out.into_vec()
    }

    /// Reads bytes; `None` if they are none of [`Watch::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Watch> {
        const MOST_GROUPS: usize = 17;
        let mut reader = Reader::new(bytes);
        let stage = StageId::read(&mut reader)?;
        let looked = reader.number()?;
        let seen = Tallies::read(&mut reader)?;
        let count = reader.count(MOST_GROUPS)?;
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            groups.push(Stage::read(&mut reader)?);
        }
        let shadow = Levels::read(&mut reader)?;
        reader.is_at_end().then_some(Watch { stage, looked, seen, groups, shadow })
    }
}

/// What a group has come to, before and now.
struct Step<'a> {
    now: &'a Group,
    before: &'a Group,
    share: Share,
    elapsed_ms: u64,
}

fn observe(trial: &Trial, group: usize, stage: &mut Stage, step: Step<'_>) -> Finding {
    let Step { now, before, share, elapsed_ms } = step;
    let latency = [0, 1].map(|arm: usize| {
        let (now, before) = (now.latency.get(arm), before.latency.get(arm));
        now.zip(before).map(|(now, before)| now.since(before)).unwrap_or_default()
    });
    let batch = Batch {
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
    fn silence(settings: &Settings, requests: u64, elapsed_ms: u64) -> Finding {
        let judgement = judge_silence(settings, requests, elapsed_ms);
        Finding { judgement, quiet: Some([requests, elapsed_ms]), ..Finding::nothing() }
    }
}

/// Whether there were so few requests that the stage has to wait.
pub(super) fn judge_silence(settings: &Settings, requests: u64, elapsed_ms: u64) -> Judgement {
    if (Pace { elapsed_ms, requests }).is_below(settings.min_per_minute) {
        Judgement { verdict: Verdict::Pause, cause: Cause::TooLittleTraffic }
    } else {
        Judgement { verdict: Verdict::Continue, cause: Cause::TooFewSamples }
    }
}

impl Stage {
    fn write(&self, out: &mut Bytes) {
        out.number(self.elapsed_ms);
        for pace in [self.minute, self.since_minute] {
            out.numbers([pace.elapsed_ms, pace.requests]);
        }
        for counters in [self.requests, self.errors, self.kpi] {
            counters.write(out);
        }
        self.error_levels.write(out);
        for detector in &self.late {
            out.signed(detector.level.raw());
            detector.since.write(out);
        }
        out.signed(self.promotion.raw());
        self.kpi_levels.write(out);
        for edge in &self.latency {
            edge.counters.write(out);
            edge.levels.write(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Stage> {
        use super::counters::Counters;
        let mut stage = Stage { elapsed_ms: reader.number()?, ..Stage::default() };
        for pace in [&mut stage.minute, &mut stage.since_minute] {
            let [elapsed_ms, requests] = reader.numbers()?;
            *pace = Pace { elapsed_ms, requests };
        }
        stage.requests = Counters::read(reader)?;
        stage.errors = Counters::read(reader)?;
        stage.kpi = Counters::read(reader)?;
        stage.error_levels = Levels::read(reader)?;
        for detector in &mut stage.late {
            let level = Nats::from_raw(reader.signed()?);
            *detector = Detector { level, since: Counters::read(reader)? };
        }
        stage.promotion = Nats::from_raw(reader.signed()?);
        stage.kpi_levels = Levels::read(reader)?;
        for edge in &mut stage.latency {
            *edge = EdgeState { counters: Counters::read(reader)?, levels: Levels::read(reader)? };
        }
        Some(stage)
    }
}

impl Levels {
    fn write(&self, out: &mut Bytes) {
        self.0.iter().for_each(|level| out.signed(level.raw()));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Levels> {
        let mut levels = Levels::default();
        for level in &mut levels.0 {
            *level = Nats::from_raw(reader.signed()?);
        }
        Some(levels)
    }
}
