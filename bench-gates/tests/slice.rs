//! A small part of `cargo xtask bench gates`. With few runs, the intervals are wider.

use serin_bench_gates::{Bench, Figure, TABLES, Table};

const BENCH: Bench = Bench { seed: 1, runs: 60 };

#[track_caller]
fn assert_expected(figures: Vec<Figure>) {
    assert!(!figures.is_empty());
    let outside = figures.iter().filter(|figure| !figure.is_expected()).map(Figure::to_string);
    let outside: Vec<String> = outside.collect();
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}

#[track_caller]
fn table(name: &str) -> Vec<Figure> {
    let table = Table::named(name).expect("a table has the name");
    (table.measure)(&BENCH)
}

#[test]
fn names_of_tables_are_unique() {
    let mut names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TABLES.len());
}

#[test]
fn healthy_canaries_are_not_aborted() {
    assert_expected(table("healthy"));
}

#[test]
fn broken_canaries_are_aborted_in_time() {
    assert_expected(table("errors"));
}

#[test]
fn promotion_needs_evidence() {
    assert_expected(table("promotion"));
}

#[test]
fn gates_in_common_use_do_worse() {
    assert_expected(table("other-gates"));
}

#[test]
fn users_that_fail_together_do_not_abort_by_bucket() {
    assert_expected(table("sticky"));
}

#[test]
fn users_that_always_fail_do_not_abort_a_healthy_canary() {
    let few = Bench { runs: 4, ..BENCH };
    let table = Table::named("null-errors").expect("a table has the name");
    assert_expected((table.measure)(&few));
}

#[test]
fn a_mixture_of_alternatives_needs_fewer_requests() {
    let few = Bench { runs: 20, ..BENCH };
    let table = Table::named("proposal-mixture").expect("a table has the name");
    assert_expected((table.measure)(&few));
}

#[test]
fn clients_that_choose_their_ids_steer_a_gate() {
    assert_expected(table("chosen-ids"));
}

#[test]
fn a_limit_for_each_network_aborts_healthy_canaries_or_is_blind() {
    assert_expected(table("networks"));
}

#[test]
fn the_planner_agrees_with_its_formula() {
    assert_expected(table("planner"));
}

#[test]
fn equal_seeds_give_equal_figures() {
    let figures = || table("promotion").iter().map(|figure| figure.value).collect::<Vec<_>>();
    assert_eq!(figures(), figures());
}

#[test]
fn a_figure_outside_its_interval_is_not_expected() {
    let mut figure = table("planner").remove(0);
    assert!(figure.is_expected());
    figure.value *= 1.01;
    assert!(!figure.is_expected());
}
