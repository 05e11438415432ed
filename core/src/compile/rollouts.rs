//! The compiler of rollouts and of the routes that they match.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::cost::Uses;
use super::gates::GatesCompiler;
use super::lookup::position;
use super::scope::Scope;
use crate::error::{ErrorKind, Errors, Path, one_of};
use crate::hash::Purpose;
use crate::pin;
use crate::plan::{Arm, ArmId, Flag, Mode, Rollout, RolloutId, RouteIndex, Shadow};
use crate::plan::{Input, Pin, RouteIndexBuilder};
use crate::schedule::Schedule;
use crate::spec::{self, HostMatch, PathMatch, Progress, Spec};
use crate::split;

/// The maximum number of pairs of host and path that one rollout may match.
const MAX_ROUTES: usize = 10_000;

pub(crate) fn rollouts(
    spec: &Spec,
    scope: &Scope<'_>,
    errors: &mut Errors,
) -> (Box<[Rollout]>, RouteIndex) {
    let section = Path::Root.key("rollouts");
    let mut routes = Routes::default();
    let mut rollouts = Vec::with_capacity(spec.rollouts.len());
    for ((name, rollout), number) in spec.rollouts.iter().zip(0_u32..) {
        let path = section.key(name);
        routes.add(name, &rollout.matches, RolloutId(number), &path.key("match"), errors);
        let compiler = RolloutCompiler { name, rollout, scope };
        rollouts.push(compiler.compile(spec, &path, errors));
    }
    (rollouts.into(), routes.builder.finish())
}

/// Lists in each flag the rollouts whose abort turns it off.
pub(crate) fn link_disabled_flags(rollouts: &[Rollout], flags: &mut [Flag]) {
    for (rollout, number) in rollouts.iter().zip(0_u32..) {
        for flag in rollout.abort_policy.disables.iter() {
            if let Some(flag) = flags.get_mut(flag.index()) {
                let mut by = core::mem::take(&mut flag.disabled_by).into_vec();
                by.push(RolloutId(number));
                flag.disabled_by = by.into();
            }
        }
    }
}

/// The routes of all rollouts; refuses a host and path that two rollouts match.
#[derive(Default)]
struct Routes<'s> {
    builder: RouteIndexBuilder,
    /// Names of the rollouts, by id.
    names: Vec<&'s str>,
}

impl<'s> Routes<'s> {
    fn add(
        &mut self,
        name: &'s str,
        matches: &'s spec::RouteMatch,
        rollout: RolloutId,
        path: &Path<'_>,
        errors: &mut Errors,
    ) {
        self.names.push(name);
        if errors.covers(path) {
            return;
        }
        let every_host = [None];
        let every_path = [PathMatch::Prefix("/".into())];
        let hosts: Vec<Option<&HostMatch>> = matches.hosts.iter().map(Some).collect();
        let hosts = if hosts.is_empty() { &every_host[..] } else { &hosts[..] };
        let paths = if matches.paths.is_empty() { &every_path[..] } else { &matches.paths[..] };
        let count = hosts.len().saturating_mul(paths.len());
        if count > MAX_ROUTES {
            errors.add(
                path,
                ErrorKind::Limit,
                &format_args!(
                    "has {count} pairs of host and path, at most {MAX_ROUTES} are allowed"
                ),
            );
            return;
        }
        let mut claimed_by: Option<RolloutId> = None;
        for host in hosts {
            for pattern in paths {
                claimed_by = claimed_by.or(self.builder.add(*host, pattern, rollout));
            }
        }
        if let Some(owner) = claimed_by.and_then(|id| self.names.get(id.index())) {
            errors.add(
                path,
                ErrorKind::Conflict,
                &format_args!("matches the same host and path as rollouts.{owner}"),
            );
        }
    }
}

struct RolloutCompiler<'c> {
    name: &'c str,
    rollout: &'c spec::Rollout,
    scope: &'c Scope<'c>,
}

impl RolloutCompiler<'_> {
    fn compile(&self, spec: &Spec, path: &Path<'_>, errors: &mut Errors) -> Rollout {
        let mut uses = Uses::default();
        let baseline_path = path.key("baseline");
        let baseline = self.arm(&self.rollout.baseline, &baseline_path, errors).unwrap_or(ArmId(0));
        let mode = self.mode(baseline, &mut uses, path, errors).unwrap_or(Mode::Fixed(baseline));
        self.schema_epochs(path, errors);
        let shadow = self.rollout.shadow.as_ref();
        let shadow = shadow.and_then(|shadow| self.shadow(shadow, &mut uses, path, errors));
        let (rollout, scope) = (self.rollout, self.scope);
        let abort_policy =
            GatesCompiler { rollout, mode: &mode, spec, scope }.compile(&mut uses, path, errors);
        let arm = |(name, arm): &(alloc::string::String, spec::Arm)| Arm {
            name: name.as_str().into(),
            target: arm.target.as_str().into(),
        };
        Rollout {
            name: self.name.into(),
            arms: self.rollout.arms.iter().map(arm).collect(),
            baseline,
            mode,
            shadow,
            falls_back: self.rollout.falls_back,
            abort_policy,
            needs: self.scope.needs(spec, &uses),
        }
    }

    fn mode(
        &self,
        baseline: ArmId,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Mode> {
        match &self.rollout.mode {
            spec::Mode::Baseline => Some(Mode::Fixed(baseline)),
            spec::Mode::BlueGreen { active, pin_ms } => {
                let here = path.key("blueGreen");
                let active = self.arm(active, &here.key("active"), errors)?;
                Some(match self.pin(*pin_ms) {
                    Some(pin) => Mode::Pinned { active, pin },
                    None => Mode::Fixed(active),
                })
            }
            spec::Mode::Canary { arm, rings, progress } => {
                let here = path.key("canary");
                let arm = self.canary_arm(arm.as_deref(), baseline, &here, errors);
                let rings = self.rings(rings, uses, &here.key("rings"), errors);
                let bucketing = self.canary_bucketing(progress, uses, path, errors);
                let schedule = Schedule::new(progress);
                Some(Mode::Canary { arm: arm?, rings, schedule, bucketing })
            }
            spec::Mode::Split(weights) => {
                let here = path.key("split");
                let bucketing = self.bucketing(Purpose::Split, uses, path, errors);
                let find = |name: &str| self.arm(name, &here.key(name), errors);
                let ranges = split::lay_out(weights, find);
                Some(Mode::Split { ranges, bucketing: bucketing? })
            }
        }
    }

    fn shadow(
        &self,
        shadow: &spec::Shadow,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Shadow> {
        let here = path.key("shadow");
        let arm = self.arm(&shadow.arm, &here.key("arm"), errors);
        let when = shadow.when.as_ref();
        let when = when.map(|when| self.scope.condition(when, uses, &here.key("when"), errors));
        let bucketing = self.bucketing(Purpose::Shadow, uses, path, errors);
        Some(Shadow {
            arm: arm?,
            share: shadow.share,
            when,
            methods: shadow.methods.iter().map(|method| method.as_str().into()).collect(),
            bucketing: bucketing?,
            compare: shadow.compare,
            max_in_flight: shadow.max_in_flight,
        })
    }

    fn pin(&self, ms: u64) -> Option<Pin> {
        let cookie = pin::cookie(self.name);
        let input = self.scope.names.input(&Input::Cookie(cookie.as_str().into()))?;
        (ms > 0).then(|| Pin { cookie: cookie.into(), input, ms })
    }

    /// Refuses an arm that needs a newer schema than the baseline's: a rollback would break it.
    fn schema_epochs(&self, path: &Path<'_>, errors: &mut Errors) {
        let Some(baseline) = self.rollout.arms.get(&self.rollout.baseline) else { return };
        let section = path.key("arms");
        for (name, arm) in &self.rollout.arms {
            let (Some(needed), Some(offered)) = (arm.needs_schema_epoch, baseline.schema_epoch)
            else {
                continue;
            };
            if needed > offered {
                let message =
                    format_args!("is {needed}, but the baseline has schemaEpoch {offered}");
                errors.add(
                    &section.key(name).key("needsSchemaEpoch"),
                    ErrorKind::Conflict,
                    &message,
                );
            }
        }
    }

    fn rings(
        &self,
        rings: &[spec::Condition],
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Box<[crate::plan::Condition]> {
        let ring = |(index, ring)| self.scope.condition(ring, uses, &path.index(index), errors);
        rings.iter().enumerate().map(ring).collect()
    }

    /// The bucketing of a canary; `None` for rings only, which do not bucket and need no unit.
    fn canary_bucketing(
        &self,
        progress: &Progress,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<crate::plan::Bucketing> {
        if *progress == Progress::default() && self.rollout.bucketing.unit.is_none() {
            return None;
        }
        self.bucketing(Purpose::Ramp, uses, path, errors)
    }

    fn bucketing(
        &self,
        purpose: Purpose,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<crate::plan::Bucketing> {
        self.scope.bucketing(&self.rollout.bucketing, purpose, self.name, uses, path, errors)
    }

    /// The canary's arm: the one that the spec names, else the only one beside the baseline, else
    /// the one whose name is `canary`.
    fn canary_arm(
        &self,
        named: Option<&str>,
        baseline: ArmId,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<ArmId> {
        if let Some(name) = named {
            let here = path.key("arm");
            let arm = self.arm(name, &here, errors)?;
            if arm == baseline {
                errors.add(&here, ErrorKind::Conflict, &"is the baseline, name another arm");
            }
            return Some(arm);
        }
        let others = || self.rollout.arms.names().filter(|name| *name != self.rollout.baseline);
        let (first, second) = (others().next(), others().nth(1));
        let chosen = match (first, second) {
            (Some(only), None) => Some(only),
            _ => others().find(|name| *name == "canary"),
        };
        let Some(chosen) = chosen else {
            let is_unreadable = self.rollout.arms.is_empty() || self.rollout.baseline.is_empty();
            if is_unreadable && !errors.is_empty() {
                // The missing arms, or the missing baseline, are reported.
                return None;
            }
            let names: Vec<&str> = others().collect();
            let message = match names.as_slice() {
                [] => "needs an arm other than the baseline".into(),
                names => format!("needs arm to name the canary: {}", one_of(names.iter().copied())),
            };
            errors.add(path, ErrorKind::Missing, &message);
            return None;
        };
        self.arm(chosen, path, errors)
    }

    fn arm(&self, name: &str, path: &Path<'_>, errors: &mut Errors) -> Option<ArmId> {
        position(&self.rollout.arms, "arm", name, path, errors).map(ArmId::new)
    }
}
