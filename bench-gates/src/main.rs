//! The command behind `cargo xtask bench gates`: runs every table and checks its figures.

use serin_bench_gates::{Bench, Figure, TABLES, Table};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
Simulates canaries, and checks how the gates judge them

Usage: cargo xtask bench gates [--table NAME]... [--runs N] [--seed N]
       cargo xtask bench gates --list

  --table NAME  measure this table only; may be given several times [default: every table]
  --list        print the name and the title of each table
  --runs N      runs of an ordinary experiment; expensive ones take a third or less [default: 3000]
  --seed N      seed of the random numbers; equal seeds give equal figures [default: 20261121]

Exit codes: 0 all figures are in their intervals, 1 a figure is not, 2 wrong arguments
";

const INTERVALS: &str = "\
Each line: the figure ± its standard error, runs; the interval that it must lie in, and its origin:
  bound      a probability that theory bounds (Ville), plus three standard errors
  design     an independent simulation of 3,000 runs with a known share, plus or minus three
             standard errors of both; means another 5 %, shares another 0.1 %
  magnitude  the same, of a population known only in part: the order of magnitude
  formula    a formula
  before     a figure of this bench before a change that may only improve it";

/// What the command was asked to do.
enum Task {
    Help,
    List,
    Measure { bench: Bench, tables: Vec<&'static Table> },
}

fn main() -> ExitCode {
    match task(std::env::args().skip(1)) {
        Ok(Task::Measure { bench, tables }) => return run(&bench, &tables),
        Ok(Task::Help) => print!("{HELP}"),
        Ok(Task::List) => print!("{}", list()),
        Err(why) => {
            eprintln!("bench gates: {why}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn task(mut args: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut bench = Bench { seed: 20_261_121, runs: 3000 };
    let mut tables: Vec<&Table> = Vec::new();
    while let Some(arg) = args.next() {
        let field = match arg.as_str() {
            "--runs" => &mut bench.runs,
            "--seed" => &mut bench.seed,
            "--table" => {
                tables.push(table(args.next())?);
                continue;
            }
            "--list" => return Ok(Task::List),
            "--help" | "-h" => return Ok(Task::Help),
            other => return Err(format!("unknown option '{other}'; --help lists the options")),
        };
        let value = args.next().unwrap_or_default();
        *field = value.parse().map_err(|_| format!("{arg}: '{value}' is not a whole number"))?;
    }
    if tables.is_empty() {
        tables = TABLES.iter().collect();
    }
    Ok(Task::Measure { bench, tables })
}

fn table(name: Option<String>) -> Result<&'static Table, String> {
    let Some(name) = name else {
        return Err("--table needs a name; --list prints the names".to_owned());
    };
    Table::named(&name)
        .ok_or_else(|| format!("--table: no table is named '{name}'; --list prints the names"))
}

fn list() -> String {
    TABLES.iter().map(|table| format!("{:<16} {}\n", table.name, table.title)).collect()
}

fn run(bench: &Bench, tables: &[&Table]) -> ExitCode {
    println!("seed {}, {} runs of an ordinary experiment\n{INTERVALS}", bench.seed, bench.runs);
    let start = Instant::now();
    let mut all = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let seconds = start.elapsed().as_secs();
        eprintln!("[{}/{}: {}, {seconds} s]", index + 1, tables.len(), table.name);
        all.extend(print_table(table.title, (table.measure)(bench)));
    }
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
