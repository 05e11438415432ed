//! Flag debt: the expiry of each flag, and the flags that have the same variant for everybody.

use serin_core::spec::{Flag, FlagState, Progress, RuleAction, Spec};
use serin_core::{Share, Timestamp};

const DAY_MS: u64 = 86_400_000;

/// The time until or since a flag's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The spec has no expiry.
    Never,
    /// The flag expires in this number of days, rounded up.
    In(u64),
    /// The flag expired this number of days ago, rounded up.
    Past(u64),
}

/// The debt of one flag.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Debt<'s> {
    /// The flag's name.
    pub name: &'s str,
    /// The flag in the spec.
    pub flag: &'s Flag,
    /// The time until or since its expiry.
    pub expiry: Expiry,
    /// The variant that everybody gets; `None` if the flag still decides between variants.
    pub decided: Option<&'s str>,
    /// The earliest start of its ramps that have started.
    pub begun: Option<Timestamp>,
}

/// The debt of every flag at `now`, sorted by name.
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

/// A flag's expiry. A date expires at its end in UTC, a timestamp at that time.
pub(crate) fn expiry_of(flag: &Flag, now: Timestamp) -> Expiry {
    let Some(text) = flag.expires.as_deref() else { return Expiry::Never };
    let Some(expires) = Timestamp::parse(text) else { return Expiry::Never };
    let whole_day = if text.contains(['T', 't']) { 0 } else { DAY_MS };
    let end = expires.unix_ms().saturating_add(whole_day);
    let days = |ms: u64| ms.div_ceil(DAY_MS);
    if now.unix_ms() < end {
        return Expiry::In(days(end.saturating_sub(now.unix_ms())));
    }
    Expiry::Past(days(now.unix_ms().saturating_sub(end)).max(1))
}

/// The variant that everybody gets: the default of a flag without rules, or the variant that every rule up
/// to one for everybody serves.
fn decided(flag: &Flag, now: Timestamp) -> Option<&str> {
    if flag.state == FlagState::Disabled || flag.rules.is_empty() {
        return Some(&flag.default_variant);
    }
    let mut served: Option<&str> = None;
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
        if served.is_some_and(|served| served != variant) {
            return None;
        }
        served = Some(variant);
        if everybody && rule.when.is_none() && rule.layer.is_none() {
            return served;
        }
    }
    served.filter(|served| *served == flag.default_variant)
}

fn begun(flag: &Flag, now: Timestamp) -> Option<Timestamp> {
    let starts = flag.rules.iter().filter_map(|rule| match &rule.action {
        RuleAction::Ramp { progress: Progress::Steps { start, .. }, .. } => *start,
        _ => None,
    });
    starts.filter(|start| *start <= now).min()
}
