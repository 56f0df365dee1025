//! Runs the scenarios of a bench: all entrants in turn, in short slices, in a new order each time.
//!
//! On a shared machine absolute times drift by tens of per cent within minutes. So a table shows the median of the
//! ratios within the slices.
//!
//! Options, after `--`: names of scenarios, or parts of names, `--rounds N` for more slices, `--list`, `--out DIR` for the
//! figures and the chart.

use crate::rows::{Entrant, Heading, Kind, Row};
use crate::{chart, report};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// One slice of every entrant: the number of an entrant, and its values. All entrants appear equally often.
pub type Slice = Box<dyn FnMut(&mut fastrand::Rng) -> Vec<(usize, Vec<f64>)>>;

pub struct Scenario {
    /// Selects the scenario on the command line.
    pub name: String,
    pub rows: Vec<Heading>,
    pub entrants: Vec<(&'static str, Kind)>,
    /// The number of slices in a round: more if slices differ more than entrants do.
    pub slices: usize,
    /// The setup before the first slice: starts threads for all slices, or load.
    pub start: Box<dyn FnOnce() -> Slice>,
}

/// An entrant with its own function for a slice.
pub struct Turn {
    pub name: &'static str,
    pub kind: Kind,
    pub slice: Box<dyn FnMut() -> Vec<f64>>,
}

/// Runs them in a random order: the entrant before may affect a slice, as it can leave shared code in the caches.
pub fn in_turn(mut turns: Vec<Turn>) -> Slice {
    Box::new(move |random| {
        shuffled(turns.len(), random).into_iter().map(|number| (number, (turns[number].slice)())).collect()
    })
}

/// Starts all entrants again after so many slices: a pool may be faster or slower than others of its kind for as long as it lives.
pub fn started_again(slices_a_start: usize, start: impl Fn(&mut fastrand::Rng) -> Slice + 'static) -> Slice {
    let mut current: Option<Slice> = None;
    let mut count = 0;
    Box::new(move |random| {
        if count % slices_a_start == 0 {
            current = None; // ends the threads
        }
        count += 1;
        current.get_or_insert_with(|| start(random))(random)
    })
}

/// Starts them in a random order, as the first one to start may be faster or slower than a later one of its kind.
pub fn start_all(count: usize, random: &mut fastrand::Rng, start: impl FnMut(usize) -> Turn) -> Slice {
    let order = shuffled(count, random);
    let mut turns: Vec<_> = order.iter().copied().zip(order.iter().copied().map(start)).collect();
    turns.sort_by_key(|&(number, _)| number);
    in_turn(turns.into_iter().map(|(_, turn)| turn).collect())
}

pub fn shuffled(count: usize, random: &mut fastrand::Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    random.shuffle(&mut order);
    order
}

struct Options {
    names: Vec<String>,
    rounds: usize,
    /// Runs one slice only, as a test.
    is_test: bool,
    list: bool,
    out: PathBuf,
}

fn options(bench: &str) -> Result<Options, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")));
    let mut options = Options { names: Vec::new(), rounds: 1, is_test: false, list: false, out: target.join(bench) };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => {
                options.rounds = match value()?.parse() {
                    Ok(rounds) if rounds > 0 => rounds,
                    _ => return Err("--rounds takes a number from 1".into()),
                }
            }
            "--out" => options.out = value()?.into(),
            "--list" => options.list = true,
            // Passed by cargo.
            "--bench" => {}
            "--test" => options.is_test = true,
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ => options.names.push(arg),
        }
    }
    Ok(options)
}

fn run(bench: &str, mut scenarios: Vec<Scenario>) -> Result<(), String> {
    let options = options(bench)?;
    if !options.names.is_empty() {
        let all: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        scenarios.retain(|scenario| {
            // The name of a scenario may be a part of another one's.
            let is_meant =
                |name: &String| scenario.name == *name || !all.contains(name) && scenario.name.contains(name);
            options.names.iter().any(is_meant)
        });
    }
    if scenarios.is_empty() {
        return Err("no scenario matches: --list shows all names".into());
    }
    if options.list {
        scenarios.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(());
    }
    let mut rows = Vec::new();
    let mut random = fastrand::Rng::new();
    for scenario in scenarios {
        let begin = Instant::now();
        let mut slice = (scenario.start)();
        let entrants = |_| {
            let entrant = |&(name, kind)| Entrant { name, kind, values: Vec::new() };
            scenario.entrants.iter().map(entrant).collect::<Vec<_>>()
        };
        let mut own: Vec<Row> =
            scenario.rows.into_iter().map(|heading| Row { heading, entrants: entrants(()) }).collect();
        let slices = if options.is_test { 1 } else { scenario.slices * options.rounds };
        for _ in 0..slices {
            for (number, values) in slice(&mut random) {
                for row in &mut own {
                    row.entrants[number].values.push(values[row.heading.value]);
                }
            }
        }
        eprintln!("{}: {:.1} s", scenario.name, begin.elapsed().as_secs_f64());
        rows.extend(own);
    }
    rows.retain_mut(|row: &mut Row| {
        row.entrants.retain(Entrant::is_measured);
        if row.entrants.is_empty() {
            eprintln!("left out, as this system does not report it: {}", row.heading.name);
        }
        !row.entrants.is_empty()
    });
    report::print(&rows);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&options.out)?;
        std::fs::write(options.out.join("figures.json"), report::json(&rows))?;
        std::fs::write(options.out.join("chart.svg"), chart::svg(&rows))
    };
    write().map_err(|error| format!("can't write to {}: {error}", options.out.display()))?;
    eprintln!("figures and chart: {}", options.out.display());
    Ok(())
}

/// The `main` of a bench.
pub fn main(bench: &str, scenarios: Vec<Scenario>) -> ExitCode {
    match run(bench, scenarios) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{bench}: {message}");
            ExitCode::FAILURE
        }
    }
}
