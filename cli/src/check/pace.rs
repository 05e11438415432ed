//! The expected pace of traffic, from the command line.

use crate::diagnostics::report::Report;
use crate::failure::Failure;

/// The expected requests a minute, of one rollout or of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    rollout: Option<String>,
    per_minute: u64,
}

/// Parses requests a second: `200`, or `shop=0.5` for one rollout.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn parse_pace(text: &str) -> Result<Pace, String> {
    let (rollout, number) = match text.split_once('=') {
        Some((rollout, number)) => (Some(rollout.to_owned()), number),
        None => (None, text),
    };
    let given: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
    if !(0.02..=1e9).contains(&given) {
        return Err(format!("{number} is not between 0.02 and 1000000000 requests a second"));
    }
    Ok(Pace { rollout, per_minute: (given * 60.0).round() as u64 })
}

/// The expected requests a minute of a rollout: as given for it by name, else as given for all.
pub(super) fn per_minute(paces: &[Pace], rollout: &str) -> Option<u64> {
    let named = paces.iter().rfind(|pace| pace.rollout.as_deref() == Some(rollout));
    let pace = named.or_else(|| paces.iter().rfind(|pace| pace.rollout.is_none()))?;
    Some(pace.per_minute)
}

/// Fails if a pace names a rollout that no spec has. With an erroneous spec this is unknown.
pub(super) fn expect_known(paces: &[Pace], reports: &[Report]) -> Result<(), Failure> {
    let good = || reports.iter().filter_map(|report| report.good.as_ref());
    if good().count() < reports.len() {
        return Ok(());
    }
    let is_there = |name: &str| good().any(|(spec, _)| spec.rollouts.get(name).is_some());
    match paces.iter().filter_map(|pace| pace.rollout.as_deref()).find(|name| !is_there(name)) {
        Some(name) => Err(Failure::trouble(format!("--rps: no spec has a rollout {name:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_for_one_rollout_or_for_all() {
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
