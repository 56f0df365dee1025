//! What stands twice, in the README and elsewhere, says the same.

const README: &str = include_str!("../../README.md");
const LIB: &str = include_str!("../../src/lib.rs");
const WAIT: &str = include_str!("../../src/wait/mod.rs");
const BENCHMARKS: &str = include_str!("../../BENCHMARKS.md");

/// The lines from this heading to the next one, without the marks of a doc comment.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines =
        text.lines().map(|line| line.strip_prefix("//!").map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest)));
    let section = lines.skip_while(|line| *line != heading).skip(1);
    let section: Vec<_> = section.take_while(|line| !line.starts_with('#')).collect();
    assert!(!section.is_empty(), "no section {heading}");
    section
}

fn is_numbered(line: &str) -> bool {
    line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[test]
fn the_readme_lists_all_guarantees() {
    let headlines: Vec<_> = section(README, "## Guarantees").into_iter().filter(|line| is_numbered(line)).collect();
    let in_full = section(LIB, "# Guarantees");
    let in_full: Vec<_> = in_full
        .iter()
        .filter(|line| is_numbered(line))
        .map(|line| line.splitn(3, "**").take(2).collect::<String>())
        .collect();
    assert!(in_full.len() >= 11);
    assert_eq!(headlines, in_full);
}

/// The rows of the first table after `start`, without links and the names of modules.
fn table(text: &str, start: &str) -> Vec<String> {
    let rows = text.lines().map(|line| line.trim_start_matches("//! "));
    let rows = rows.skip_while(|line| !line.starts_with(start)).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.replace(['[', ']'], "")).collect()
}

#[test]
fn the_tables_of_slow_paths_agree() {
    let rows = table(README, "| slow path |");
    assert_eq!(rows.len(), 6);
    assert_eq!(rows, table(WAIT, "| slow path |"));
    if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
        let size = |row: usize| rows[row].split('|').nth(2).unwrap().trim().to_owned();
        assert_eq!(size(2), format!("{} bytes", size_of::<atomic_parker::AtomicParker>()));
        #[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
        assert_eq!(size(3), format!("{} bytes", size_of::<atomic_parker::AtomicParker<atomic_parker::wait::Futex>>()));
        #[cfg(feature = "parking_lot")]
        assert_eq!(
            size(4),
            format!("{} byte", size_of::<atomic_parker::AtomicParker<atomic_parker::wait::ParkingLot>>())
        );
    }
}

#[test]
fn the_readme_names_the_minimum_rust_version() {
    let claim = format!("The library needs Rust {};", env!("CARGO_PKG_RUST_VERSION"));
    assert!(README.contains(&claim), "{claim}");
}

/// Ratios with their intervals, such as "1.02 (1.01–1.05)".
#[test]
fn the_figures_of_the_readme_are_in_the_table_of_all_rows() {
    let figures: Vec<_> = section(README, "## Measured")
        .into_iter()
        .filter(|line| line.ends_with(") |"))
        .map(|row| row.split('|').nth(3).unwrap().trim())
        .collect();
    assert!(figures.len() >= 8);
    let missing: Vec<_> = figures.into_iter().filter(|figure| !BENCHMARKS.contains(figure)).collect();
    assert!(missing.is_empty(), "not in BENCHMARKS.md: {missing:?}");
}

const MANIFEST: &str = include_str!("../../Cargo.toml");
const MANIFEST_OF_COPIES: &str = include_str!("../copy/library.toml");

/// The lines from this heading to the next one, without comments.
fn part<'a>(manifest: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn the_manifest_of_copies_is_that_of_the_library() {
    let headings = MANIFEST_OF_COPIES.lines().filter(|line| line.starts_with('['));
    let repeated = headings.filter(|heading| !["[package]", "[lib]", "[workspace]"].contains(heading));
    let mut count = 0;
    for heading in repeated {
        assert_eq!(part(MANIFEST, heading), part(MANIFEST_OF_COPIES, heading), "{heading}");
        count += 1;
    }
    let dependencies = |manifest: &str| manifest.lines().filter(|line| line.ends_with("dependencies]")).count();
    assert_eq!((count, dependencies(MANIFEST_OF_COPIES)), (8, 4));
    for field in ["version", "edition", "rust-version"] {
        let line = |manifest| *part(manifest, "[package]").iter().find(|line| line.starts_with(field)).unwrap();
        assert_eq!(line(MANIFEST), line(MANIFEST_OF_COPIES));
    }
}
