//! Splits over all of the 100,000 buckets.

use super::{plan, spec_with};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use serin_conformance::random::{Random, percent};
use serin_core::{Bucket, Facts, Plan, Purpose, evaluate_flag};
use std::sync::OnceLock;

const BUCKETS: usize = 100_000;
const SALT: &str = "s";

/// The names of the variants, sorted.
const NAMES: [&str; 8] = ["B", "a", "b", "c", "d", "e", "f", "g"];

/// A unit for each bucket of the salt.
fn units() -> &'static [String] {
    static UNITS: OnceLock<Vec<String>> = OnceLock::new();
    UNITS.get_or_init(|| {
        let mut units = vec![String::new(); BUCKETS];
        let mut missing = BUCKETS;
        for number in 0_u32.. {
            let unit = number.to_string();
            let slot = &mut units[Bucket::of(Purpose::Split, SALT, &unit).number() as usize];
            if slot.is_empty() {
                *slot = unit;
                missing -= 1;
            }
            if missing == 0 {
                break;
            }
        }
        units
    })
}

/// The weights of the variants in units of 0.001 %; an absent variant has `None`.
type Weights = Vec<Option<u32>>;

fn object(weights: &Weights) -> Value {
    let named = NAMES.iter().zip(weights);
    let entry =
        |(name, weight): (&&str, &Option<u32>)| Some((name.to_string(), percent((*weight)?)));
    named.filter_map(entry).collect::<Map<_, _>>().into()
}

/// A plan with a flag for each edit, all with one salt; with a past, each has the weights of the
/// previous edits.
fn edits(chain: &[Weights], with_past: bool) -> Plan {
    let mut flags = Map::new();
    for (at, weights) in chain.iter().enumerate() {
        let mut rule = json!({"split": object(weights), "unit": "user", "salt": SALT});
        if with_past && at > 0 {
            rule["past"] = chain[..at].iter().map(object).collect();
        }
        let variants: Map<String, Value> =
            NAMES.iter().map(|name| ((*name).into(), json!(name))).collect();
        let flag =
            json!({"kind": "ops", "variants": variants, "defaultVariant": "a", "rules": [rule]});
        flags.insert(format!("edit-{at:02}"), flag);
    }
    plan(&spec_with(flags.into()))
}

/// For each bucket, the index of its variant in each of the plan's flags.
fn owners(plan: &Plan) -> Vec<Vec<usize>> {
    let count = plan.flags().len();
    let flags: Vec<_> = (0..count)
        .map(|at| plan.flag_named(&format!("edit-{at:02}")).expect("the flag is there"))
        .collect();
    let owners = |unit: &String| {
        let facts = Facts::gather(plan, [(&b"u"[..], unit.as_bytes())]);
        flags.iter().map(|flag| evaluate_flag(plan, &facts, *flag).variant.index()).collect()
    };
    units().iter().map(owners).collect()
}

fn weight(weights: &Weights, variant: usize) -> i64 {
    weights[variant].unwrap_or(0).into()
}

fn assert_exact(owners: &[Vec<usize>], chain: &[Weights]) {
    for (edit, weights) in chain.iter().enumerate() {
        let mut counts = [0_i64; NAMES.len()];
        owners.iter().for_each(|owner| counts[owner[edit]] += 1);
        for (variant, count) in counts.iter().enumerate() {
            assert_eq!(*count, weight(weights, variant), "{} in edit {edit}", NAMES[variant]);
        }
    }
}

/// A chain of edits over `count` variants. Names come and go, weights may be 0.
fn chain(random: &mut Random, count: usize) -> Vec<Weights> {
    let all: Vec<usize> = (0..count).collect();
    let length = random.between(2, 7);
    let one = |random: &mut Random| {
        let used = if count > 2 { random.between(2, count) } else { count };
        let used = random.sample(&all, used);
        let mut weights = vec![None; NAMES.len()];
        for (variant, share) in used.iter().zip(random.shares(used.len())) {
            weights[*variant] = Some(share);
        }
        weights
    };
    (0..length).map(|_| one(random)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 14, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Weights are exact in every edit. Exactly the difference moves, only from variants that shrink to
    /// variants that grow.
    #[test]
    fn an_edit_of_a_split_with_its_past_moves_the_minimum(seed in any::<u64>(), count in 2usize..=8) {
        let chain = chain(&mut Random::new(seed), count);
        let owners = owners(&edits(&chain, true));
        assert_exact(&owners, &chain);
        for (edit, pair) in chain.windows(2).enumerate() {
            let change = |variant| weight(&pair[1], variant) - weight(&pair[0], variant);
            let delta: i64 = (0..NAMES.len()).map(|variant| change(variant).max(0)).sum();
            let mut moved = 0;
            for owner in owners.iter().filter(|owner| owner[edit] != owner[edit + 1]) {
                moved += 1;
                prop_assert!(change(owner[edit]) < 0, "{} does not shrink", NAMES[owner[edit]]);
                prop_assert!(change(owner[edit + 1]) > 0, "{} does not grow", NAMES[owner[edit + 1]]);
            }
            prop_assert_eq!(moved, delta, "edit {} of {:?}", edit + 1, chain);
        }
    }

    /// A split in two needs no past: each edit moves its only boundary.
    #[test]
    fn a_split_in_two_has_one_boundary(seed in any::<u64>()) {
        let chain = chain(&mut Random::new(seed), 2);
        let owners = owners(&edits(&chain, false));
        assert_exact(&owners, &chain);
        for (edit, weights) in chain.iter().enumerate() {
            let boundary = weights[0].unwrap_or(0) as usize;
            for (bucket, owner) in owners.iter().enumerate() {
                prop_assert_eq!(owner[edit] == 0, bucket < boundary, "bucket {}", bucket);
            }
        }
    }
}
