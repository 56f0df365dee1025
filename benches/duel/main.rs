//! All contenders in turn, in short slices, round after round: `cargo bench -p atomic-parker-benches --bench duel`.
//!
//! On a shared machine absolute times drift by tens of per cent within minutes. So each round takes slices of every
//! contender in turn, ratios are taken within a round, and the table shows their median and quartiles. A ratio is
//! against the best peer of its row: the one of crossbeam, `parking` and std whose median is the lowest.
//!
//! Options, after `--`: names of scenarios (parts of them do), `--rounds N`, `--out DIR` for `duel.json` and
//! `duel.svg`.

mod report;
mod scenarios;

use atomic_parker_benches::contenders::{Contender, Kind};
use atomic_parker_benches::for_each_contender;
use scenarios::{scenarios, Measured, Scenario};
use std::path::PathBuf;
use std::process::ExitCode;

/// One line of the table: what one scenario measures, in nanoseconds, round by round, for each contender.
pub struct Row {
    pub name: &'static str,
    /// What the ratio of ours to the best peer should not exceed, if there is an aim.
    pub aim: Option<f64>,
    /// The name, the kind and the value of each round.
    pub contenders: Vec<(&'static str, Kind, Vec<f64>)>,
}

struct Options {
    names: Vec<String>,
    rounds: usize,
    out: PathBuf,
}

fn options() -> Result<Options, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut options = Options { names: Vec::new(), rounds: 5, out: target.join("duel") };
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
            // From cargo.
            "--bench" => {}
            "--test" => options.rounds = 1,
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ => options.names.push(arg),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let mut chosen: Vec<Scenario> = scenarios();
    if !options.names.is_empty() {
        chosen.retain(|scenario| options.names.iter().any(|name| scenario.name.contains(name.as_str())));
    }
    if chosen.is_empty() {
        return Err("no scenario has such a name".into());
    }
    let slices: usize = chosen.iter().map(|scenario| scenario.slices).sum();
    let bar = report::progress_bar(slices * options.rounds);
    let mut rows: Vec<Row> = Vec::new();
    let mut random = fastrand::Rng::new();
    for scenario in &chosen {
        bar.set_message(scenario.name);
        let begin = rows.len();
        rows.extend(scenario.values.iter().map(|&(name, aim)| Row { name, aim, contenders: Vec::new() }));
        let mut contenders: Vec<Measured> = Vec::new();
        for_each_contender!(C => if C::KIND != Kind::Floor || scenario.with_floor {
            contenders.push(Measured::new::<C>());
        });
        for row in &mut rows[begin..] {
            row.contenders.extend(contenders.iter().map(|contender| (contender.name, contender.kind, Vec::new())));
        }
        for _ in 0..options.rounds * scenario.slices {
            for (number, values) in scenarios::measure(&scenario.what, &contenders, &mut random) {
                for (row, value) in rows[begin..].iter_mut().zip(values) {
                    row.contenders[number].2.push(value);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    report::print_table(&rows);
    report::print_gain(&rows);
    let write = || -> Result<(), Box<dyn std::error::Error>> {
        std::fs::create_dir_all(&options.out)?;
        report::write_json(&rows, &options.out.join("duel.json"))?;
        report::draw_chart(&rows, &options.out.join("duel.svg"))
    };
    write().map_err(|error| format!("can't write to {}: {error}", options.out.display()))?;
    eprintln!("figures and chart: {}", options.out.display());
    Ok(())
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("duel: {message}");
            ExitCode::FAILURE
        }
    }
}
