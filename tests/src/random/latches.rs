//! What a host may know of a spec's rollouts, by chance.

use super::{Random, START};
use serde_json::{Map, Value, json};

/// Latches for some of a spec's rollouts, in epochs around theirs; no step is held, for that is its
/// owner's alone.
pub fn latches(random: &mut Random, spec: &Value) -> Value {
    const MINUTE: u64 = 60_000;
    let rollouts = spec["rollouts"].as_object().map(|rollouts| rollouts.keys().cloned());
    let mut list = Vec::new();
    for rollout in rollouts.into_iter().flatten() {
        if !random.percent(70) {
            continue;
        }
        let mut latch = Map::new();
        latch.insert("rollout".into(), rollout.into());
        latch.insert("epoch".into(), random.between(0, 3).into());
        if random.percent(40) {
            // So that some cooldowns are over in the very moment of a request.
            let at = START - *random.pick(&[0, 30, 60]) * MINUTE + *random.pick(&[0, 1]);
            let epoch = random.between(0, 3);
            let abort = json!({"epoch": epoch, "at": at, "digest": "00", "reason": "errors"});
            latch.insert("abort".into(), abort);
        }
        let count = random.below(3);
        let mut steps = random.some(&[0, 1, 2], count);
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
