//! Random latches.

use super::{Random, START};
use serde_json::{Map, Value, json};

/// Latches for some of a spec's rollouts, in epochs near theirs. No step is held: only the owner of the
/// trial knows that.
pub fn latches(random: &mut Random, spec: &Value) -> Value {
    const MINUTE: u64 = 60_000;
    let rollouts = spec["rollouts"].as_object().map(|rollouts| rollouts.keys().cloned());
    let mut list = Vec::new();
    for rollout in rollouts.into_iter().flatten() {
        if !random.chance(70) {
            continue;
        }
        let mut latch = Map::new();
        latch.insert("rollout".into(), rollout.into());
        latch.insert("epoch".into(), random.between(0, 3).into());
        if random.chance(40) {
            // Some cooldowns end exactly at the time of a request.
            let at = START - *random.pick(&[0, 30, 60]) * MINUTE + *random.pick(&[0, 1]);
            let epoch = random.between(0, 3);
            let abort = json!({"epoch": epoch, "at": at, "digest": "00", "reason": "errors"});
            latch.insert("abort".into(), abort);
        }
        let count = random.below(3);
        let mut steps = random.sample(&[0, 1, 2], count);
        steps.sort_unstable();
        let minutes = [0, 10, 30, 40, 60, 100];
        let left = steps.iter().map(|step| json!([step, START + random.pick(&minutes) * MINUTE]));
        let left: Vec<Value> = left.collect();
        if !left.is_empty() {
            latch.insert("left".into(), left.into());
        }
        list.push(Value::from(latch));
    }
    json!({ "latches": list })
}
