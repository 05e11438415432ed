//! A small part of `cargo xtask bench gates`. With few runs, the intervals are wider.

use serin_bench_gates::{Bench, Figure, TABLES, planner};

const BENCH: Bench = Bench { seed: 1, runs: 60 };

#[track_caller]
fn assert_expected(figures: Vec<Figure>) {
    assert!(!figures.is_empty());
    let outside = figures.iter().filter(|figure| !figure.is_expected()).map(Figure::to_string);
    let outside: Vec<String> = outside.collect();
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}

/// Measures the only table whose title starts with `title`.
#[track_caller]
fn table(title: &str) -> Vec<Figure> {
    let mut found = TABLES.iter().filter(|(known, _)| known.starts_with(title));
    let (_, table) = found.next().expect("a table has the title");
    assert!(found.next().is_none(), "several titles start with {title}");
    table(&BENCH)
}

#[test]
fn healthy_canaries_are_not_aborted() {
    assert_expected(table("healthy canaries"));
}

#[test]
fn broken_canaries_are_aborted_in_time() {
    assert_expected(table("canary requests until abort"));
}

#[test]
fn promotion_needs_evidence() {
    assert_expected(table("promotion"));
}

#[test]
fn gates_in_common_use_do_worse() {
    assert_expected(table("the same traffic"));
}

#[test]
fn users_that_fail_together_do_not_abort_by_bucket() {
    assert_expected(table("users that fail together"));
}

#[test]
fn clients_that_choose_their_ids_steer_a_gate() {
    assert_expected(table("ids that clients choose"));
}

#[test]
fn a_limit_for_each_network_aborts_healthy_canaries_or_is_blind() {
    assert_expected(table("a limit of 5 % for each network"));
}

#[test]
fn the_planner_agrees_with_its_formula() {
    assert_expected(planner());
}

#[test]
fn equal_seeds_give_equal_figures() {
    let figures = || table("promotion").iter().map(|figure| figure.value).collect::<Vec<_>>();
    assert_eq!(figures(), figures());
}

#[test]
fn a_figure_outside_its_interval_is_not_expected() {
    let mut figure = planner().remove(0);
    assert!(figure.is_expected());
    figure.value *= 1.01;
    assert!(!figure.is_expected());
}
