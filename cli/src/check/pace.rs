//! The traffic that somebody expects, from the command line.

use super::report::Report;
use crate::{CheckArgs, Failure};
use serin_analysis::planner::{Rate, Traffic};

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

/// Reads a rate in per cent.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn parse_rate(text: &str) -> Result<Rate, String> {
    let given: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    let ppm = (given * 10_000.0).round();
    let rate = (1.0..=1e6).contains(&ppm).then_some(ppm as u32).and_then(Rate::from_ppm);
    rate.ok_or_else(|| format!("{text} is not from 0.0001 to 100 per cent"))
}

/// What is expected of a rollout.
pub(super) fn of(args: &CheckArgs, rollout: &str) -> Option<Traffic> {
    let named = args.rps.iter().rfind(|pace| pace.rollout.as_deref() == Some(rollout));
    let pace = named.or_else(|| args.rps.iter().rfind(|pace| pace.rollout.is_none()))?;
    Some(Traffic { per_minute: pace.per_minute, errors: args.error_rate, kpi: args.kpi_rate })
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

    #[test]
    fn rates_are_per_cent() {
        assert_eq!(parse_rate("0.1").map(Rate::ppm), Ok(1000));
        assert_eq!(parse_rate("100").map(Rate::ppm), Ok(1_000_000));
        for bad in ["0", "0.00001", "101", "x", "NaN"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
