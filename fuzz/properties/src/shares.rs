//! A share contains the units whose bucket is below it: none at 0 %, all at 100 %. When it is raised by an
//! edit or by the clock, no unit leaves. This holds for flags and for rollouts.
//!
//! The bytes are the choices for a salt, shares, holds, and units with any string as id.

use serde_json::{Value, json};
use serin_conformance::random::{Random, START, percent};
use serin_core::{Bucket, Decision, Facts, FixedHost, Plan, Purpose, decide};

pub(crate) fn holds(bytes: &[u8]) {
    let mut random = Random::from_bytes(bytes);
    let salt = ["s", "Größe", "", "new-checkout"][random.below(4)];
    let mut shares: Vec<u32> = (0..random.between(1, 6)).map(|_| random.share()).collect();
    shares.extend([0, 100_000]);
    shares.sort_unstable();
    let fixed: Vec<(u32, Plan)> = shares
        .iter()
        .map(|share| (*share, plan(salt, json!({"share": percent(*share)}))))
        .collect();
    let (steps, times) = schedule(&mut random, &shares);
    let stepped = plan(salt, json!({"start": "2026-11-21T09:00:00Z", "steps": steps}));
    for _ in 0..8 {
        let length = random.between(1, 40);
        let unit = String::from_utf8_lossy(&random.bytes(length + 1)).into_owned();
        let id = unit.trim();
        if id.is_empty() || id.bytes().any(|byte| byte.is_ascii_control()) {
            continue;
        }
        let edits: Vec<bool> =
            fixed.iter().map(|(share, plan)| is_in(plan, salt, id, START, *share)).collect();
        assert!(edits.is_sorted(), "{id:?} left the ramp by an edit");
        let by_clock: Vec<bool> =
            times.iter().map(|(now, share)| is_in(&stepped, salt, id, *now, *share)).collect();
        assert!(by_clock.is_sorted(), "{id:?} left the ramp by the clock");
    }
}

/// Steps of growing shares, and times around the start of each step with the share at that time.
fn schedule(random: &mut Random, shares: &[u32]) -> (Vec<Value>, Vec<(u64, u32)>) {
    let (mut steps, mut times) = (Vec::new(), Vec::new());
    let (mut start, mut previous) = (START, 0);
    for share in shares {
        let hold = random.between(1, 100_000_000) as u64;
        steps.push(json!({"share": percent(*share), "hold": format!("{hold}ms")}));
        times.extend([(start - 1, previous), (start, *share)]);
        start += hold;
        previous = *share;
    }
    times.push((start, previous));
    (steps, times)
}

/// A plan with a flag's ramp and a rollout's canary that have the same salt and progress.
fn plan(salt: &str, progress: Value) -> Plan {
    let (mut ramp, mut canary) = (progress.clone(), progress);
    ramp["variant"] = "on".into();
    canary["arm"] = "canary".into();
    let mut rollout = json!({
        "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}},
        "baseline": "stable",
        "canary": canary,
    });
    if !salt.is_empty() {
        ramp["salt"] = salt.into();
        rollout["salt"] = salt.into();
    }
    crate::plan(&json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "u"}]},
        "flags": {"f": {
            "kind": "ops",
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "rules": [{"ramp": ramp}],
        }},
        // The default salt is the name, so the flag and the rollout have the same name.
        "rollouts": {"f": rollout},
    }))
}

/// Whether a unit is in the ramp. Asserts that the flag and the rollout agree with its bucket.
fn is_in(plan: &Plan, salt: &str, unit: &str, now: u64, share: u32) -> bool {
    let pairs = [(&b":path"[..], &b"/"[..]), (b"u", unit.as_bytes())];
    let facts = Facts::of_request(plan, pairs, &mut FixedHost::at(now));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let salt = if salt.is_empty() { "f" } else { salt };
    let expected = Bucket::of(Purpose::Ramp, salt, unit).number() < share;
    let flag = decision.flags()[0].rule.is_some();
    let (_, arm) = decision.arm(plan).expect("the rollout matches");
    assert_eq!((flag, arm == "canary"), (expected, expected), "{unit:?} at {now}, {share}");
    expected
}
