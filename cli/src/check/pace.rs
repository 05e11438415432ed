//! The traffic that somebody expects, from the command line.

use crate::diagnostics::report::Report;
use crate::failure::Failure;

/// Requests a minute, of one rollout or of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    rollout: Option<String>,
    per_minute: u64,
}

/// Reads `200` or `shop=0.5`: requests a second.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn parse_pace(text: &str) -> Result<Pace, String> {
    let (rollout, number) = match text.split_once('=') {
        Some((rollout, number)) => (Some(rollout.to_owned()), number),
        None => (None, text),
    };
    let given: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
    if !(0.02..=1e9).contains(&given) {
        return Err(format!("{number} is not from 0.02 to 1000000000 requests a second"));
    }
    Ok(Pace { rollout, per_minute: (given * 60.0).round() as u64 })
}

/// Requests a minute that are expected of a rollout: as given with its name, else as given for all.
pub(super) fn of(paces: &[Pace], rollout: &str) -> Option<u64> {
    let named = paces.iter().rfind(|pace| pace.rollout.as_deref() == Some(rollout));
    let pace = named.or_else(|| paces.iter().rfind(|pace| pace.rollout.is_none()))?;
    Some(pace.per_minute)
}

/// A name that no spec has is a slip of the fingers.
pub(super) fn known(paces: &[Pace], reports: &[Report]) -> Result<(), Failure> {
    let good = || reports.iter().filter_map(|report| report.good.as_ref());
    if good().count() < reports.len() {
        return Ok(());
    }
    let is_there = |name: &str| good().any(|(spec, _)| spec.rollouts.get(name).is_some());
    match paces.iter().filter_map(|pace| pace.rollout.as_deref()).find(|name| !is_there(name)) {
        Some(name) => Err(Failure::trouble(format!("--rps: there is no rollout {name:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_of_one_or_of_each() {
        let pace = |rollout: Option<&str>, per_minute| {
            Ok(Pace { rollout: rollout.map(str::to_owned), per_minute })
        };
        assert_eq!(parse_pace("200"), pace(None, 12_000));
        assert_eq!(parse_pace("shop=0.5"), pace(Some("shop"), 30));
        for bad in ["", "0", "-1", "x", "shop=", "NaN", "1e10"] {
            assert!(parse_pace(bad).is_err(), "{bad}");
        }
    }
}
