//! The chart: one line for each row, with a point and its interval on a logarithmic axis. A vertical line marks ratio 1.
//!
//! A row is faster or slower if its whole interval is.
//!
//! The SVG is written by hand, as it needs its own style sheet to follow the reader's light or dark theme.

use crate::rows::{Against, Row};
use crate::stats::{short, Estimate};
use std::fmt::Write;

const STYLE: &str = "<style>\
text{font:15px sans-serif;fill:#1b1f24}.title{font-weight:bold}.small{font-size:13px}\
.grid{stroke:#d0d7de}.one{stroke:#1b1f24;stroke-width:2}.interval{stroke:#0550ae;stroke-width:3}\
.faster{fill:#0550ae;stroke:#0550ae;stroke-width:2}.equal,.slower{fill:#fff;stroke:#0550ae;stroke-width:2}.back{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}.one{stroke:#e6edf3}\
.interval{stroke:#79c0ff}.faster{fill:#79c0ff;stroke:#79c0ff}.equal,.slower{fill:#0d1117;stroke:#79c0ff}.back{fill:#0d1117}}\
</style>";

const WIDTH: f64 = 940.0;
const LINE: f64 = 26.0;
/// The start and the end of the axis.
const AXIS: (f64, f64) = (400.0, 750.0);

struct Point<'a> {
    name: &'a str,
    peer: &'a str,
    ratio: Estimate,
}

/// The rows that are marked for the chart, each with its ratio to the best peer.
pub fn svg(rows: &[Row]) -> String {
    let points: Vec<Point<'_>> = rows.iter().filter(|row| row.heading.in_chart).filter_map(point).collect();
    let (mut faster, rest): (Vec<_>, Vec<_>) = points.into_iter().partition(|point| point.ratio.high < 1.0);
    let (mut equal, mut slower): (Vec<_>, Vec<_>) = rest.into_iter().partition(|point| point.ratio.low <= 1.0);
    for group in [&mut faster, &mut equal, &mut slower] {
        group.sort_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
    }
    let all = || faster.iter().chain(&equal).chain(&slower);
    let least = all().map(|point| point.ratio.low).fold(0.5, f64::min).log10().floor();
    let most = all().map(|point| point.ratio.high).fold(1.5, f64::max).log10();
    let x = move |ratio: f64| AXIS.0 + (AXIS.1 - AXIS.0) * (ratio.log10() - least) / (most - least);

    let mut body = String::new();
    let mut y = 46.0;
    for (title, group, class) in
        [("Faster", &faster, "faster"), ("No slower", &equal, "equal"), ("Slower", &slower, "slower")]
    {
        if group.is_empty() {
            continue;
        }
        text(&mut body, 12.0, y, "title", title);
        y += LINE;
        for point in group {
            draw(&mut body, point, y, class, x);
            y += LINE;
        }
        y += 8.0;
    }
    let (top, bottom) = (30.0, y - LINE + 6.0);
    let mut axis = String::new();
    for power in least as i32..=0 {
        let at = 10f64.powi(power);
        let class = if power == 0 { "one" } else { "grid" };
        write!(axis, r#"<line class="{class}" x1="{0:.1}" x2="{0:.1}" y1="{top}" y2="{bottom}"/>"#, x(at)).unwrap();
        write!(axis, r#"<text class="small" text-anchor="middle" x="{:.1}" y="{}">{at}</text>"#, x(at), bottom + 18.0)
            .unwrap();
    }
    let height = bottom + 30.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">"#
    );
    svg.push_str(STYLE);
    write!(svg, r#"<rect class="back" width="{WIDTH}" height="{height}"/>"#).unwrap();
    text(
        &mut svg,
        12.0,
        20.0,
        "title",
        "This crate's time divided by the best peer's (logarithmic; left of the line is faster)",
    );
    svg + &axis + &body + "</svg>\n"
}

fn point(row: &Row) -> Option<Point<'_>> {
    let goal = row.heading.goals.iter().find(|goal| goal.against != Against::Number)?;
    let (_, peer, ratio, _) = row.judge(goal)?;
    Some(Point { name: &row.heading.name, peer: peer?.name, ratio })
}

fn draw(out: &mut String, point: &Point<'_>, y: f64, class: &str, x: impl Fn(f64) -> f64) {
    let Estimate { median, low, high } = point.ratio;
    let middle = y - 5.0;
    text(out, 24.0, y, "", point.name);
    write!(out, r#"<line class="interval" x1="{:.1}" x2="{:.1}" y1="{middle}" y2="{middle}"/>"#, x(low), x(high))
        .unwrap();
    for end in [low, high] {
        write!(
            out,
            r#"<line class="interval" x1="{0:.1}" x2="{0:.1}" y1="{1}" y2="{2}"/>"#,
            x(end),
            middle - 4.0,
            middle + 4.0
        )
        .unwrap();
    }
    let x = x(median);
    match class {
        "slower" => {
            let (left, right, top, bottom) = (x - 6.0, x + 6.0, middle - 6.0, middle + 6.0);
            write!(
                out,
                r#"<path class="{class}" d="M{left:.1} {middle}L{x:.1} {top}L{right:.1} {middle}L{x:.1} {bottom}Z"/>"#
            )
        }
        _ => write!(out, r#"<circle class="{class}" cx="{x:.1}" cy="{middle}" r="5"/>"#),
    }
    .unwrap();
    text(out, AXIS.1 + 16.0, y, "small", &format!("{} of {}", short(median), point.peer));
}

fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    write!(out, r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#).unwrap();
}
