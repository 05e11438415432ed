//! The effects of a change that are no moves by themselves: on aborts, on evidence and on shadows.

use crate::loaded::load;
use serde_json::{Value, json};
use serin_core::Timestamp;
use serin_core::gate::Latches;
use serin_fleet::diff::{self, Comparison, Diff};

/// 2026-11-21T12:00:00Z.
const AT: u64 = 1_795_262_400_000;
const ABORT: u64 = AT - 60_000;
const UNITS: u64 = 2000;

/// Gated steps of 10, 50 and 100 %, a flag that an abort disables, and a flag that requires it.
fn spec() -> Value {
    let flag = |more: Value| {
        let mut flag =
            json!({"kind": "ops", "variants": {"on": 1, "off": 0}, "defaultVariant": "off"});
        for (name, value) in more.as_object().unwrap() {
            flag[name] = value.clone();
        }
        flag
    };
    let pro = json!({"attribute": "header.x-plan", "equals": "pro"});
    json!({
        "formatVersion": 1,
        "revision": 4,
        "units": {"user": [{"header": "x-user-id"}]},
        "cohorts": {"beta": {"attribute": "header.x-beta", "equals": "1"}},
        "flags": {
            "guarded": flag(json!({"rules": [{"when": pro, "serve": "on"}]})),
            "dependent": flag(json!({
                "requires": [{"flag": "guarded", "variant": "on"}],
                "rules": [{"serve": "on"}],
            })),
        },
        "rollouts": {"shop": {
            "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}, "dark": {"target": "v3"}},
            "baseline": "stable",
            "epoch": 3,
            "gates": {},
            "onAbort": {"disable": ["guarded"]},
            "shadow": {"arm": "dark", "percent": 10},
            "canary": {
                "arm": "canary",
                "start": "2026-11-21T09:00:00Z",
                "steps": [
                    {"share": 10, "hold": "10m", "mode": "gate"},
                    {"share": 50, "hold": "10m", "mode": "gate"},
                    {"share": 100},
                ],
            },
        }},
    })
}

fn raised(epoch: u64) -> Value {
    let mut spec = spec();
    spec["rollouts"]["shop"]["epoch"] = json!(epoch);
    spec
}

fn latches(latch: Value) -> Latches {
    Latches::from_json(json!({"latches": [latch]}).to_string().as_bytes()).unwrap()
}

fn aborted() -> Latches {
    latches(json!({"rollout": "shop", "epoch": 3, "left": [[0, AT - 120_000]], "abort":
        {"epoch": 3, "at": ABORT, "digest": "00", "reason": "errors | 2 times"}}))
}

fn compare(old: &Value, new: &Value, latches: Option<&Latches>) -> Diff {
    let (old, new) = (load(old), load(new));
    let mut comparison = Comparison::new(old.side(), new.side(), Timestamp::from_unix_ms(AT));
    if let Some(latches) = latches {
        comparison = comparison.with_latches(latches);
    }
    comparison.units(&diff::made_up_ids(UNITS), true)
}

/// `path: from → to` of each move of the group with an attribute; of everybody without one.
fn moves(diff: &Diff, attribute: Option<&str>) -> Vec<String> {
    let is =
        |group: &&diff::Group| group.attributes.first().map(|(name, _)| name.as_str()) == attribute;
    let group = diff.groups.iter().find(is).unwrap();
    let parts = group.parts.iter();
    let lines = parts.flat_map(|part| {
        part.moves.iter().map(|it| format!("{}: {} → {} {}", part.path, it.from, it.to, it.count))
    });
    lines.collect()
}

fn within(purpose: serin_core::Purpose, percent: u32) -> u64 {
    let bucket = |id: &String| serin_core::Bucket::of(purpose, "shop", id).number();
    let ids = diff::made_up_ids(UNITS);
    ids.iter().filter(|id| bucket(id) < percent * 1000).count() as u64
}

fn in_canary(percent: u32) -> u64 {
    within(serin_core::Purpose::Ramp, percent)
}

#[test]
fn raised_epoch_restores_the_canary_and_the_disabled_flags() {
    let found = compare(&spec(), &raised(4), Some(&aborted()));
    let first_step = in_canary(10);
    assert!(first_step > 100);
    assert_eq!(moves(&found, None), [format!("rollouts.shop: stable → canary {first_step}")]);
    // Neither flag has changed in the spec; both are evaluated all the same, because the abort disabled one.
    let pro = moves(&found, Some("header.x-plan"));
    assert!(pro.contains(&format!("flags.guarded: off → on {UNITS}")), "{pro:?}");
    assert!(pro.contains(&format!("flags.dependent: off → on {UNITS}")), "{pro:?}");
    // Without the latches, no abort is known.
    assert_eq!(compare(&spec(), &raised(4), None).max_moved_percent(), 0.0);
    let text = diff::markdown(&found, None);
    let wanted = "- rollout `shop`: the abort of epoch 3 is cleared (since \
                  2026-11-21T11:59:00Z, `errors | 2 times`); evidence starts in `steps[0]`, 10 % \
                  since 2026-11-21T09:00:00Z\n";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn equal_epoch_keeps_the_abort() {
    let mut new = spec();
    new["rollouts"]["shop"]["canary"]["steps"][0]["share"] = json!(40);
    let found = compare(&spec(), &new, Some(&aborted()));
    assert_eq!(found.max_moved_percent(), 0.0);
    assert!(!found.rollouts[0].evidence_restarts());
    let text = diff::markdown(&found, None);
    assert!(text.contains("rollout `shop`: the abort of epoch 3 stays in force (since"), "{text}");
    assert!(text.contains("until its `epoch` is above 3\n"), "{text}");
    assert!(!text.contains("Copied to a shadow"), "{text}");
}

#[test]
fn cooldown_keeps_the_abort_after_a_raised_epoch() {
    let mut new = raised(4);
    new["rollouts"]["shop"]["cooldown"] = json!("30m");
    let text = diff::markdown(&compare(&spec(), &new, Some(&aborted())), None);
    assert!(text.contains("### Serin: none of 2,000 units moves"), "{text}");
    assert!(text.contains("until its cooldown is over at 2026-11-21T12:29:00Z\n"), "{text}");
}

#[test]
fn passed_steps_count_until_the_epoch_is_raised() {
    let passed = latches(json!({"rollout": "shop", "epoch": 3, "left": [[0, AT - 120_000]]}));
    let found = compare(&spec(), &raised(4), Some(&passed));
    let lost = in_canary(50) - in_canary(10);
    assert_eq!(moves(&found, None), [format!("rollouts.shop: canary → stable {lost}")]);
    assert!(found.rollouts[0].evidence_restarts());
    let text = diff::markdown(&found, None);
    let wanted = "evidence restarts in `steps[0]`, 10 % since 2026-11-21T09:00:00Z, it was in \
                  `steps[1]`, 50 % since 2026-11-21T11:58:00Z\n";
    assert!(text.contains(wanted), "{text}");
    let same = diff::markdown(&compare(&spec(), &spec(), Some(&passed)), None);
    assert!(
        same.contains("- rollout `shop`: evidence continues in `steps[1]`, 50 % since"),
        "{same}"
    );
}

#[test]
fn only_an_edit_of_the_rollout_restarts_its_evidence() {
    let restarts = |change: fn(&mut Value)| {
        let mut new = spec();
        change(&mut new);
        compare(&spec(), &new, None).rollouts.iter().any(diff::RolloutEffects::evidence_restarts)
    };
    assert!(!restarts(|_| ()));
    assert!(!restarts(|spec| spec["revision"] = json!(5)));
    assert!(!restarts(|spec| spec["flags"]["guarded"]["rules"] = json!([])));
    assert!(restarts(|spec| spec["rollouts"]["shop"]["epoch"] = json!(4)));
    assert!(restarts(|spec| spec["rollouts"]["shop"]["gates"] = json!({"minSamples": 60})));
    assert!(restarts(|spec| spec["rollouts"]["shop"]["canary"]["steps"][1]["share"] = json!(60)));
    assert!(restarts(|spec| spec["rollouts"]["shop"]["shadow"]["percent"] = json!(11)));
    // A step that has not begun has no evidence.
    let mut later = spec();
    later["rollouts"]["shop"]["canary"]["start"] = json!("2026-11-22T09:00:00Z");
    let mut other = later.clone();
    other["rollouts"]["shop"]["epoch"] = json!(4);
    assert!(compare(&later, &other, None).rollouts.is_empty());
    let text = diff::markdown(&compare(&spec(), &later, None), None);
    assert!(text.contains("evidence restarts with the first step, it was in"), "{text}");
}

/// The copies under the old spec and the new one, of everybody and of the first group.
fn copies(diff: &Diff) -> Vec<[Option<u64>; 2]> {
    let count = |it: &Option<diff::CopyCount>| it.as_ref().map(|it| it.count);
    let of = |group: &diff::Group| group.copies.first().map(|it| [count(&it.old), count(&it.new)]);
    diff.groups.iter().filter_map(of).collect()
}

#[test]
fn copies_are_counted_and_are_no_moves() {
    let mut old = spec();
    old["rollouts"]["shop"].as_object_mut().unwrap().remove("gates");
    old["rollouts"]["shop"]["canary"] = json!({"arm": "canary", "share": 0});
    let mut new = old.clone();
    new["rollouts"]["shop"]["shadow"] =
        json!({"arm": "dark", "percent": 25, "methods": ["POST"], "when": {"cohort": "beta"}});
    let found = compare(&old, &new, None);
    assert_eq!((found.max_moved_percent(), found.groups.len()), (0.0, 2));
    let (few, more) =
        (within(serin_core::Purpose::Shadow, 10), within(serin_core::Purpose::Shadow, 25));
    assert!(few > 100 && more > few + 100);
    assert_eq!(copies(&found), [[Some(few), Some(0)], [Some(few), Some(more)]]);
    let text = diff::markdown(&found, Some(0.0));
    assert!(text.contains(&format!("| rollout `shop` | everybody | `dark`: {few} (")), "{text}");
    assert!(
        text.contains("%) | none |\n| rollout `shop` | `beta` with `header.x-beta: 1` |"),
        "{text}"
    );
    // Without the shadow, and with another target.
    let mut gone = old.clone();
    gone["rollouts"]["shop"].as_object_mut().unwrap().remove("shadow");
    assert_eq!(copies(&compare(&old, &gone, None))[0], [Some(few), None]);
    let mut elsewhere = old.clone();
    elsewhere["rollouts"]["shop"]["arms"]["dark"]["target"] = json!("v4");
    let text = diff::markdown(&compare(&old, &elsewhere, None), None);
    let wanted = format!("everybody | `dark (v3)`: {few} (");
    assert!(text.contains(&wanted) && text.contains("| `dark (v4)`: "), "{text}");
    assert!(!diff::markdown(&compare(&old, &old, None), None).contains("Copied"));
}

#[test]
fn recorded_requests_are_copied_by_their_methods() {
    let mut new = spec();
    new["rollouts"]["shop"]["shadow"] = json!({"arm": "dark", "percent": 100, "methods": ["POST"]});
    let (old, new) = (load(&spec()), load(&new));
    let comparison = Comparison::new(old.side(), new.side(), Timestamp::from_unix_ms(AT));
    let lines = ["POST", "POST", "GET"].map(|method| {
        diff::parse_request(&format!(
            r#"{{"method":"{method}","url":"http://a/","headers":{{"x-user-id":"a"}}}}"#
        ))
    });
    let found = comparison.requests(lines.into_iter()).unwrap();
    let copies = &found.groups[0].copies[0];
    assert_eq!((copies.of, copies.new.as_ref().unwrap().count), (3, 2));
}
