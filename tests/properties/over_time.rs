//! Shares that change by steps and by edits: who is in at any moment.

use super::{flag, plan, spec_with};
use proptest::prelude::*;
use serde_json::{Value, json};
use serin_conformance::random::{START, percent};
use serin_core::{Bucket, Decision, Facts, FixedHost, Plan, Purpose, decide};

/// Share and for how many ms it holds; `None` is a manual hold.
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

/// The share at a moment, worked out once more: by walking, from the description.
fn share_at(steps: &Steps, now: u64) -> u32 {
    let mut share = 0;
    let mut begins = START;
    for (of, hold) in steps {
        if now < begins {
            return share;
        }
        share = *of;
        match hold {
            Some(ms) => begins += u64::from(*ms),
            None => return share,
        }
    }
    share
}

/// Moments that matter: the ends of steps, and whatever else comes up.
fn moments(steps: &Steps, others: &[u32]) -> Vec<u64> {
    let mut moments: Vec<u64> =
        others.iter().map(|ms| START - 1_000_000 + u64::from(*ms)).collect();
    let mut begins = START;
    for (_, hold) in steps {
        moments.extend([begins - 1, begins, begins + 1]);
        begins += u64::from(hold.unwrap_or(1));
    }
    moments.sort_unstable();
    moments
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

    /// At every moment exactly those are in whose bucket is below the share of that moment, so that
    /// whenever the share shrinks, those go who came last.
    #[test]
    fn membership_is_the_bucket_below_the_share_of_the_moment(
        steps in steps(), units in units(), others in prop::collection::vec(0u32..80_000_000, 0..8)
    ) {
        let plan = scheduled(&steps);
        for unit in &units {
            let bucket = Bucket::of(Purpose::Ramp, "f", unit).number();
            for now in moments(&steps, &others) {
                let share = share_at(&steps, now);
                prop_assert_eq!(is_in(&plan, unit, now), bucket < share, "{} at {}", unit, now);
            }
        }
    }

    /// While steps only grow, whoever is in once stays in for good.
    #[test]
    fn growing_steps_throw_nobody_out(
        steps in steps(), units in units(), others in prop::collection::vec(0u32..80_000_000, 0..8)
    ) {
        let mut shares: Vec<u32> = steps.iter().map(|(share, _)| *share).collect();
        shares.sort_unstable();
        let growing: Steps = shares.into_iter().zip(steps.iter().map(|(_, hold)| *hold)).collect();
        let plan = scheduled(&growing);
        for unit in &units {
            let inside: Vec<bool> =
                moments(&growing, &others).into_iter().map(|now| is_in(&plan, unit, now)).collect();
            prop_assert!(inside.is_sorted(), "{} was thrown out", unit);
        }
    }

    /// Any edits of a share, one after another: last in, first out. Whoever is in after an edit that
    /// takes units out came in no later than anybody who went.
    #[test]
    fn edits_of_a_share_are_last_in_first_out(
        shares in prop::collection::vec(0u32..=100_000, 2..10), units in units()
    ) {
        let mut since: Vec<Option<usize>> = vec![None; units.len()];
        for (edit, share) in shares.iter().enumerate() {
            let ramp = json!({"variant": "a", "share": percent(*share), "unit": "user"});
            let plan = plan(&spec_with(json!({"f": flag(json!({"ramp": ramp}))})));
            let (mut first_gone, mut last_kept) = (usize::MAX, 0);
            for (unit, since) in units.iter().zip(&mut since) {
                match (is_in(&plan, unit, START), *since) {
                    (true, Some(from)) => last_kept = last_kept.max(from),
                    (true, None) => *since = Some(edit),
                    (false, Some(from)) => {
                        first_gone = first_gone.min(from);
                        *since = None;
                    }
                    (false, None) => {}
                }
            }
            prop_assert!(last_kept <= first_gone);
        }
    }
}
