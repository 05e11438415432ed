//! The moves by an edit, compared with the decisions of both plans.

mod util;

use serin_analysis::moves::{Change, Moves, moves};
use serin_core::{Plan, Spec};

use util::{NOW, read, with};

/// The moves of a split, compared with both plans' decisions for many users.
#[test]
fn moves_agree_with_the_decisions_for_many_users() {
    let split = |weights: &str| {
        with(&format!(
            r#""flags": {{ "f": {{ "variants": {{ "a": 1, "b": 2, "c": 3 }}, "defaultVariant": "a",
                 "rules": [ {{ "split": {weights}, "unit": "user" }} ] }} }}"#
        ))
    };
    let old = read(&split(r#"{ "a": 50, "b": 25, "c": 25 }"#));
    let new = read(&split(r#"{ "a": 40, "b": 25, "c": 35 }"#));
    let found = moves((&old.0, &old.1), (&new.0, &new.1), NOW);
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.change, Change::Moved);
    let listed: Vec<(&str, &str, u64)> =
        found.list.iter().map(|moved| (&*moved.from, &*moved.to, moved.share / 100_000)).collect();
    assert_eq!(listed, [("a", "b", 10_000), ("b", "c", 10_000)]);
    let past = "past: [ { a: 50, b: 25, c: 25 } ]";
    assert_eq!(found.past, Some((1_000_000_000, past.to_owned())));
    let variant = |plan: &Plan, user: &str| {
        let headers: [(&[u8], &[u8]); 4] = [
            (b":method", b"GET"),
            (b":authority", b"x"),
            (b":path", b"/"),
            (b"x-user", user.as_bytes()),
        ];
        let facts = serin_core::Facts::gather(plan, headers);
        let flag = plan.flag_named("f").unwrap();
        let decision = serin_core::evaluate_flag(plan, &facts, flag);
        plan.flag(flag).unwrap().variant(decision.variant).unwrap().name().to_owned()
    };
    const USERS: u32 = 20_000;
    let mut seen = std::collections::BTreeMap::new();
    for user in 0..USERS {
        let user = format!("user-{user}");
        let (before, after) = (variant(&old.1, &user), variant(&new.1, &user));
        *seen.entry((before, after)).or_insert(0_u32) += 1;
    }
    seen.retain(|(before, after), _| before != after);
    let pairs: Vec<(&str, &str)> = seen.keys().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(pairs, [("a", "b"), ("b", "c")], "nobody moves otherwise");
    for count in seen.values() {
        // 10 % of 20,000, six standard deviations.
        assert!(count.abs_diff(USERS / 10) < 6 * 43, "{count}");
    }
}

#[test]
fn rules_are_paired_by_name_and_redrawn_ones_are_reported() {
    let rules = |rules: &str, kind: &str| {
        read(&with(&format!(
            r#""flags": {{ "f": {{ "kind": "{kind}", "variants": {{ "on": 1, "off": 2 }}, "defaultVariant": "off", "rules": [ {rules} ] }} }}"#
        )))
    };
    let ramp = |name: &str, share: u32, unit: &str| {
        format!(
            r#"{{ "name": "{name}", "ramp": {{ "variant": "on", "share": {share}, "unit": "{unit}" }} }}"#
        )
    };
    let found = |old: &(Spec, Plan), new: &(Spec, Plan)| {
        let found = moves((&old.0, &old.1), (&new.0, &new.1), NOW);
        let line = |moves: &Moves| {
            format!(
                "{} {:?} {} {:?}",
                moves.path,
                moves.change,
                moves.total() / 100_000,
                moves.notes
            )
        };
        found.iter().map(line).collect::<Vec<_>>()
    };
    let (a5, a6, b) = (ramp("a", 5, "user"), ramp("a", 6, "user"), ramp("b", 20, "user"));
    let old = rules(&format!("{a5}, {a6}, {b}"), "ops");
    assert_eq!(found(&old, &old), [""; 0], "rules of one name are kept apart");
    assert_eq!(
        found(&old, &rules(&format!("{b}, {a5}"), "ops")),
        [
            r#"flags.f.rules[0] Nobody 0 ["its position in the list of rules has changed"]"#,
            r#"flags.f.rules[1] Nobody 0 ["its position in the list of rules has changed"]"#,
            "flags.f.rules[1] Removed 0 []",
        ]
    );
    let tenants = rules(&format!("{a5}, {a6}, {}", ramp("b", 30, "tenant")), "permission");
    // 20 % × 70 % leave, 80 % × 30 % come.
    assert_eq!(found(&old, &tenants), ["flags.f.rules[2] Redrawn 38000 []"]);
    let mut other = with(r#""flags": {}"#);
    other = other.replace("x-user", "x-user-id");
    let (spec, plan) = read(&other);
    assert_eq!(found(&(spec, plan), &old), ["flags.f Added 0 []"]);
}
