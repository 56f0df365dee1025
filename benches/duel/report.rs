//! The table, the figures as JSON, and the chart.

use crate::Row;
use atomic_parker_benches::contenders::Kind;
use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use serde_json::json;
use std::error::Error;
use std::path::Path;

pub fn progress_bar(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").expect("the template is well-formed");
    // Draws on a terminal only.
    ProgressBar::new(length as u64).with_style(style)
}

/// The value below which the given share of all lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Median and quartiles of the ratios, round by round.
fn ratios(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    [0.5, 0.25, 0.75].map(|share| quantile(&ratios, share))
}

impl Row {
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&'static str, &[f64])> {
        self.contenders.iter().filter(move |c| c.1 == kind).map(|(name, _, rounds)| (*name, &rounds[..]))
    }

    fn named(&self, name: &str) -> Option<&[f64]> {
        self.contenders.iter().find(|contender| contender.0 == name).map(|(_, _, rounds)| &rounds[..])
    }

    fn best_peer(&self) -> (&'static str, &[f64]) {
        let by_median = |a: &(_, &[f64]), b: &(_, &[f64])| median(a.1).total_cmp(&median(b.1));
        self.of_kind(Kind::Peer).min_by(by_median).expect("there are peers")
    }
}

pub fn print_table(rows: &[Row]) {
    println!("| scenario | ours | median | best peer | median | ratio (quartiles) | aim | to the floor |");
    println!("| --- | --- | ---: | --- | ---: | --- | ---: | ---: |");
    for row in rows {
        let (peer, theirs) = row.best_peer();
        for (name, ours) in row.of_kind(Kind::Ours) {
            let [ratio, low, high] = ratios(ours, theirs);
            let floor = row.of_kind(Kind::Floor).next();
            let floor = floor.map_or("–".into(), |(_, floor)| format!("{:.2}", ratios(ours, floor)[0]));
            println!(
                "| {} | {name} | {} ns | {peer} | {} ns | {} ({}–{}) | {} | {floor} |",
                row.name,
                short(median(ours)),
                short(median(theirs)),
                short(ratio),
                short(low),
                short(high),
                row.aim.map_or("–".into(), |aim| aim.to_string()),
            );
        }
    }
}

/// What looking gains or costs: each slow path against itself without spinning, in all slices.
pub fn print_gain(rows: &[Row]) {
    println!("\n| scenario | ours : ours without spinning (quartiles) |\n| --- | --- |");
    for row in rows {
        let mut all = Vec::new();
        for name in ["ours", "ours, futex", "ours, parking_lot"] {
            if let (Some(ours), Some(off)) = (row.named(name), row.named(&format!("{name}, no spin"))) {
                all.extend(ours.iter().zip(off).map(|(ours, off)| ours / off));
            }
        }
        let [median, low, high] = [0.5, 0.25, 0.75].map(|share| short(quantile(&all, share)));
        println!("| {} | {median} ({low}–{high}) |", row.name);
    }
}

/// Three significant digits.
fn short(value: f64) -> String {
    let digits = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 6) as usize;
    format!("{value:.digits$}")
}

pub fn write_json(rows: &[Row], path: &Path) -> Result<(), Box<dyn Error>> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let contenders: Vec<_> = row
                .contenders
                .iter()
                .map(|(name, _, rounds)| {
                    let quartiles = [0.25, 0.75].map(|share| quantile(rounds, share));
                    json!({ "name": name, "median": median(rounds), "quartiles": quartiles, "rounds": rounds })
                })
                .collect();
            json!({ "scenario": row.name, "unit": "ns", "best_peer": row.best_peer().0, "contenders": contenders })
        })
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

/// A bar for each row: how many times faster ours is than the best peer, on a logarithmic scale.
pub fn draw_chart(rows: &[Row], path: &Path) -> Result<(), Box<dyn Error>> {
    let bars: Vec<(String, f64)> = rows
        .iter()
        .filter_map(|row| {
            let (peer, theirs) = row.best_peer();
            let ours = row.named("ours")?;
            Some((format!("{} (against {peer})", row.name), 1.0 / ratios(ours, theirs)[0]))
        })
        .collect();
    const LINE: i32 = 26;
    const LABELS: i32 = 430;
    const WIDTH: i32 = 900;
    let height = LINE * bars.len() as i32 + 70;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = ("sans-serif", 14).into_font();
    area.draw(&Text::new("Times faster than the best peer (logarithmic)", (10, 12), ("sans-serif", 17).into_font()))?;
    let most = bars.iter().map(|bar| bar.1).fold(10.0, f64::max);
    let scale = f64::from(WIDTH - LABELS - 70) / most.log10();
    for (line, (label, times)) in bars.iter().enumerate() {
        let top = 42 + LINE * line as i32;
        let end = LABELS + (times.max(1.0).log10() * scale) as i32 + 2;
        area.draw(&Text::new(label.clone(), (10, top + 3), text.clone()))?;
        area.draw(&Rectangle::new([(LABELS, top), (end, top + LINE - 8)], RGBColor(46, 94, 170).filled()))?;
        area.draw(&Text::new(format!("{}×", short(*times)), (end + 6, top + 3), text.clone()))?;
    }
    area.present()?;
    Ok(())
}
