//! The command behind `cargo xtask bench gates`: runs every table and checks its figures.

use serin_bench_gates::{Bench, Figure, TABLES, planner};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
Simulates canaries, and checks how the gates judge them

Usage: cargo xtask bench gates [--runs N] [--seed N]

  --runs N   runs of an ordinary experiment; expensive ones take a third or less [default: 3000]
  --seed N   seed of the random numbers; equal seeds give equal figures [default: 20261121]

Exit codes: 0 all figures are in their intervals, 1 a figure is not, 2 wrong arguments
";

const INTERVALS: &str = "\
Each line: the figure ± its standard error, runs; the interval that it must lie in, and its origin:
  bound      a probability that theory bounds (Ville), plus three standard errors
  design     an independent simulation of 3,000 runs with a known share, plus or minus three
             standard errors of both; means another 5 %, shares another 0.1 %
  magnitude  the same, of a population known only in part: the order of magnitude
  formula    a formula";

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Ok(Some(bench)) => run(&bench),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bench gates: {why}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut args: impl Iterator<Item = String>) -> Result<Option<Bench>, String> {
    let mut bench = Bench { seed: 20_261_121, runs: 3000 };
    while let Some(arg) = args.next() {
        let field = match arg.as_str() {
            "--runs" => &mut bench.runs,
            "--seed" => &mut bench.seed,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown option '{other}'; --help lists the options")),
        };
        let value = args.next().unwrap_or_default();
        *field = value.parse().map_err(|_| format!("{arg}: '{value}' is not a whole number"))?;
    }
    Ok(Some(bench))
}

fn run(bench: &Bench) -> ExitCode {
    println!("seed {}, {} runs of an ordinary experiment\n{INTERVALS}", bench.seed, bench.runs);
    let start = Instant::now();
    let mut all = Vec::new();
    for (index, (title, table)) in TABLES.iter().enumerate() {
        eprintln!("[{}/{}, {} s]", index + 1, TABLES.len(), start.elapsed().as_secs());
        all.extend(print_table(title, table(bench)));
    }
    all.extend(print_table("the planner: canary requests needed, w = 5 %", planner()));
    let outside: Vec<&Figure> = all.iter().filter(|figure| !figure.is_expected()).collect();
    println!();
    if outside.is_empty() {
        let checked = all.iter().filter(|figure| figure.expected.is_some()).count();
        println!("bench gates: {checked} figures, all in their intervals");
        return ExitCode::SUCCESS;
    }
    println!(
        "bench gates: {} of {} figures are outside their intervals:",
        outside.len(),
        all.len()
    );
    for figure in outside {
        println!("{figure}");
    }
    ExitCode::FAILURE
}

fn print_table(title: &str, figures: Vec<Figure>) -> Vec<Figure> {
    println!("\n== {title}");
    for figure in &figures {
        println!("{figure}");
    }
    figures
}
