//! Ramps over time, by steps and by edits: which units they contain at any time.

use super::{flag, plan, spec_with};
use proptest::prelude::*;
use serde_json::{Value, json};
use serin_conformance::random::{START, percent};
use serin_core::{Bucket, Decision, Facts, FixedHost, Plan, Purpose, decide};

/// Each step's share and its hold in ms; `None` is a manual hold.
type Steps = Vec<(u32, Option<u32>)>;

fn steps() -> impl Strategy<Value = Steps> {
    let hold = prop_oneof![
        4 => (1u32..10_000_000).prop_map(Some),
        1 => Just(None),
    ];
    prop::collection::vec((0u32..=100_000, hold), 1..8)
}

fn scheduled(steps: &Steps) -> Plan {
    let step = |(share, hold): &(u32, Option<u32>)| {
        let hold = hold.map_or("manual".into(), |ms| format!("{ms}ms"));
        json!({"share": percent(*share), "hold": hold})
    };
    let steps: Vec<Value> = steps.iter().map(step).collect();
    let ramp =
        json!({"variant": "a", "unit": "user", "start": "2026-11-21T09:00:00Z", "steps": steps});
    plan(&spec_with(json!({"f": flag(json!({"ramp": ramp}))})))
}

/// The share at a time. A second implementation, from the description in `docs/spec.md`.
fn share_at(steps: &Steps, now: u64) -> u32 {
    let mut share = 0;
    let mut start = START;
    for (step_share, hold) in steps {
        if now < start {
            return share;
        }
        share = *step_share;
        match hold {
            Some(ms) => start += u64::from(*ms),
            None => return share,
        }
    }
    share
}

/// Times to test, sorted: around the start of each step, and others.
fn times(steps: &Steps, others: &[u32]) -> Vec<u64> {
    let mut times: Vec<u64> = others.iter().map(|ms| START - 1_000_000 + u64::from(*ms)).collect();
    let mut start = START;
    for (_, hold) in steps {
        times.extend([start - 1, start, start + 1]);
        start += u64::from(hold.unwrap_or(1));
    }
    times.sort_unstable();
    times
}

fn is_in(plan: &Plan, unit: &str, now: u64) -> bool {
    let pairs = [(&b":path"[..], &b"/"[..]), (b"u", unit.as_bytes())];
    let facts = Facts::of_request(plan, pairs, &mut FixedHost::at(now));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    decision.flags()[0].rule.is_some()
}

fn units() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z0-9é]{1,16}", 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// At any time a ramp contains exactly the units whose bucket is below the current share.
    #[test]
    fn a_unit_is_in_if_its_bucket_is_below_the_current_share(
        steps in steps(), units in units(), others in prop::collection::vec(0u32..80_000_000, 0..8)
    ) {
        let plan = scheduled(&steps);
        for unit in &units {
            let bucket = Bucket::of(Purpose::Ramp, "f", unit).number();
            for now in times(&steps, &others) {
                let share = share_at(&steps, now);
                prop_assert_eq!(is_in(&plan, unit, now), bucket < share, "{} at {}", unit, now);
            }
        }
    }

    /// While steps grow, no unit leaves the ramp.
    #[test]
    fn growing_steps_keep_every_unit(
        steps in steps(), units in units(), others in prop::collection::vec(0u32..80_000_000, 0..8)
    ) {
        let mut shares: Vec<u32> = steps.iter().map(|(share, _)| *share).collect();
        shares.sort_unstable();
        let growing: Steps = shares.into_iter().zip(steps.iter().map(|(_, hold)| *hold)).collect();
        let plan = scheduled(&growing);
        for unit in &units {
            let inside: Vec<bool> =
                times(&growing, &others).into_iter().map(|now| is_in(&plan, unit, now)).collect();
            prop_assert!(inside.is_sorted(), "{} left the ramp", unit);
        }
    }

    /// Edits of a share are last in, first out: a unit that stays entered no later than any that leaves.
    #[test]
    fn edits_of_a_share_are_last_in_first_out(
        shares in prop::collection::vec(0u32..=100_000, 2..10), units in units()
    ) {
        let mut entered: Vec<Option<usize>> = vec![None; units.len()];
        for (edit, share) in shares.iter().enumerate() {
            let ramp = json!({"variant": "a", "share": percent(*share), "unit": "user"});
            let plan = plan(&spec_with(json!({"f": flag(json!({"ramp": ramp}))})));
            let (mut first_that_left, mut last_that_stayed) = (usize::MAX, 0);
            for (unit, entered) in units.iter().zip(&mut entered) {
                match (is_in(&plan, unit, START), *entered) {
                    (true, Some(at)) => last_that_stayed = last_that_stayed.max(at),
                    (true, None) => *entered = Some(edit),
                    (false, Some(at)) => {
                        first_that_left = first_that_left.min(at);
                        *entered = None;
                    }
                    (false, None) => {}
                }
            }
            prop_assert!(last_that_stayed <= first_that_left);
        }
    }
}
