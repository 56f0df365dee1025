//! The tables on standard output, and the figures as JSON.

use crate::rows::{Against, Goal, Kind, Row, Verdict};
use crate::stats::{median, short, Estimate};
use serde_json::json;

impl Against {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "in number",
            Self::BestOfAll => "best of all",
            Self::BestOf(_) => "better of two",
            Self::One(name) => name,
            Self::Best(kind) | Self::BestWhereTheFloorIs(kind) => match kind {
                Kind::Floor => "floor",
                Kind::Document => "document",
                Kind::Peer => "best peer",
                Kind::ByHand => "by hand",
                Kind::Ours => "ours",
            },
        }
    }
}

pub fn print(rows: &[Row]) {
    print_goals(rows);
    print_all(rows);
    let above: Vec<_> = lines(rows).filter(|(_, _, _, verdict)| *verdict == Verdict::Above).collect();
    println!("\nAbove their goal: {} of {}", above.len(), lines(rows).count());
    for (row, goal, estimate, _) in above {
        println!("- {}, {}: {} > {}", row.heading.name, goal.against.name(), short(estimate.median), goal.at_most);
    }
}

fn lines(rows: &[Row]) -> impl Iterator<Item = (&Row, &Goal, Estimate, Verdict)> {
    rows.iter().flat_map(|row| {
        let judge = move |goal| row.judge(goal).map(|(_, _, estimate, verdict)| (row, goal, estimate, verdict));
        row.heading.goals.iter().filter_map(judge)
    })
}

fn print_goals(rows: &[Row]) {
    println!("| scenario | ours | against | its figure | ratio (95 %) | goal | |");
    println!("| --- | ---: | --- | ---: | --- | ---: | --- |");
    for (row, goal, estimate, verdict) in lines(rows) {
        let (ours, theirs, ..) = row.judge(goal).expect("judged above");
        let unit = row.heading.unit;
        let entrant = if goal.of == "ours" { String::new() } else { format!(" ({})", goal.of) };
        let (against, figure) = match theirs {
            Some(theirs) => (theirs.name, format!("{} {unit}", short(median(&theirs.values)))),
            None => (goal.against.name(), "–".into()),
        };
        let verdict = match verdict {
            Verdict::Holds => "holds",
            Verdict::Open => "holds, interval above",
            Verdict::Above => "**ABOVE**",
            Verdict::NotHere => "the floor is above it",
        };
        println!(
            "| {}{entrant} | {} {unit} | {against} | {figure} | {} ({}–{}) | {} | {verdict} |",
            row.heading.name,
            short(median(&ours.values)),
            short(estimate.median),
            short(estimate.low),
            short(estimate.high),
            goal.at_most,
        );
    }
}

/// The median of each entrant, one table for each set of entrants.
fn print_all(rows: &[Row]) {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let of_row: Vec<&str> = row.entrants.iter().map(|entrant| entrant.name).collect();
        if of_row != names {
            println!("\n| medians | {} |\n| --- |{}", of_row.join(" | "), " ---: |".repeat(of_row.len()));
            names = of_row;
        }
        let values: Vec<String> = row.entrants.iter().map(|entrant| short(median(&entrant.values))).collect();
        println!("| {}, {} | {} |", row.heading.name, row.heading.unit, values.join(" | "));
    }
}

pub fn json(rows: &[Row]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let entrants: Vec<_> = row
                .entrants
                .iter()
                .map(|entrant| json!({ "name": entrant.name, "median": median(&entrant.values), "slices": entrant.values }))
                .collect();
            json!({ "scenario": row.heading.name, "unit": row.heading.unit, "entrants": entrants })
        })
        .collect();
    serde_json::to_string(&rows).expect("all keys are strings")
}
