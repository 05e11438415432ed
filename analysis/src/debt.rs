//! Flag debt: what each flag costs whoever looks after it, and which of them decide nothing any more.

use serin_core::spec::{Flag, FlagState, Progress, RuleAction, Spec};
use serin_core::{Share, Timestamp};

const DAY_MS: u64 = 86_400_000;

/// How long a flag has until its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The spec does not say when.
    Never,
    /// It goes in this many days, rounded up.
    In(u64),
    /// It should have been gone for this many days, rounded up.
    Past(u64),
}

/// A flag, and how far it is on its way out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Debt<'s> {
    /// The flag's name.
    pub name: &'s str,
    /// The flag.
    pub flag: &'s Flag,
    /// When it is to go.
    pub expiry: Expiry,
    /// The variant that everybody has already, if that is so: the flag decides nothing any more.
    pub decided: Option<&'s str>,
    /// When its first steps began, if it has steps that have begun.
    pub begun: Option<Timestamp>,
}

/// Every flag at `now`, in the order of names.
pub fn debt(spec: &Spec, now: Timestamp) -> Vec<Debt<'_>> {
    spec.flags
        .iter()
        .map(|(name, flag)| Debt {
            name,
            flag,
            expiry: expiry_of(flag, now),
            decided: decided(flag, now),
            begun: begun(flag, now),
        })
        .collect()
}

/// A plain date counts to its end in UTC, a timestamp to itself.
pub(crate) fn expiry_of(flag: &Flag, now: Timestamp) -> Expiry {
    let Some(text) = flag.expires.as_deref() else { return Expiry::Never };
    let Some(moment) = Timestamp::parse(text) else { return Expiry::Never };
    let whole_day = if text.contains(['T', 't']) { 0 } else { DAY_MS };
    let end = moment.unix_ms().saturating_add(whole_day);
    let days = |ms: u64| ms.div_ceil(DAY_MS);
    if now.unix_ms() < end {
        return Expiry::In(days(end.saturating_sub(now.unix_ms())));
    }
    Expiry::Past(days(now.unix_ms().saturating_sub(end)).max(1))
}

/// The variant that everybody has: without rules the default, else what the first rule gives if
/// nobody passes it.
fn decided(flag: &Flag, now: Timestamp) -> Option<&str> {
    if flag.state == FlagState::Disabled || flag.rules.is_empty() {
        return Some(&flag.default_variant);
    }
    // Rules before it do no harm where they give the same.
    let mut given: Option<&str> = None;
    for rule in &flag.rules {
        let (variant, everybody) = match &rule.action {
            RuleAction::Serve(variant) => (variant.as_str(), true),
            RuleAction::Ramp { variant, progress, .. } => {
                let share = progress.share_at(now);
                (variant.as_str(), share == Share::ALL)
            }
            RuleAction::Split { weights, .. } => {
                let all = weights.now.iter().find(|(_, weight)| *weight == Share::ALL);
                (all?.0.as_str(), true)
            }
        };
        if given.is_some_and(|given| given != variant) {
            return None;
        }
        given = Some(variant);
        if everybody && rule.when.is_none() && rule.layer.is_none() {
            return given;
        }
    }
    given.filter(|given| *given == flag.default_variant)
}

fn begun(flag: &Flag, now: Timestamp) -> Option<Timestamp> {
    let starts = flag.rules.iter().filter_map(|rule| match &rule.action {
        RuleAction::Ramp { progress: Progress::Steps { start, .. }, .. } => *start,
        _ => None,
    });
    starts.filter(|start| *start <= now).min()
}
