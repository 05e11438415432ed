//! A small slice of `cargo xtask bench gates`, with intervals as wide as so few runs need.

use serin_bench_gates::{Bench, Figure, TABLES, planner};

const BENCH: Bench = Bench { seed: 1, runs: 60 };

#[track_caller]
fn all_good(figures: Vec<Figure>) {
    assert!(!figures.is_empty());
    let outside = figures.iter().filter(|figure| !figure.is_good()).map(Figure::to_string);
    let outside: Vec<String> = outside.collect();
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}

/// The one table whose title begins so.
#[track_caller]
fn table(title: &str) -> Vec<Figure> {
    let mut found = TABLES.iter().filter(|(known, _)| known.starts_with(title));
    let (_, table) = found.next().expect("a table");
    assert!(found.next().is_none(), "{title} is the beginning of several titles");
    table(&BENCH)
}

#[test]
fn healthy_canaries_go_through() {
    all_good(table("healthy canaries"));
}

#[test]
fn broken_canaries_are_seen_in_time() {
    all_good(table("canary requests until abort"));
}

#[test]
fn promotion_takes_evidence() {
    all_good(table("promotion"));
}

#[test]
fn gates_in_common_use_do_worse() {
    all_good(table("the same traffic"));
}

#[test]
fn users_that_fail_together_are_no_alarm() {
    all_good(table("users that fail together"));
}

#[test]
fn the_planner_agrees_with_its_formula() {
    all_good(planner());
}

#[test]
fn equal_seeds_give_equal_figures() {
    let figures = || table("promotion").iter().map(|figure| figure.value).collect::<Vec<_>>();
    assert_eq!(figures(), figures());
}

#[test]
fn a_figure_outside_its_interval_is_not_good() {
    let mut figure = planner().remove(0);
    assert!(figure.is_good());
    figure.value *= 1.01;
    assert!(!figure.is_good());
}
