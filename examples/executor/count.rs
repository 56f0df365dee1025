//! The tasks of the example: they count, and a report adds the counts up.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// The counts of one file, or of all files of one type.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    files: u64,
    lines: u64,
    words: u64,
    bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// Counts one file as `wc` does for text: bytes, so every encoding is fine, and words between ASCII white space.
pub async fn count(path: PathBuf) -> io::Result<Counts> {
    let mut file = File::open(path)?;
    let mut counts = Counts { files: 1, ..Counts::default() };
    let mut in_word = false;
    while count_piece(&mut file, &mut counts, &mut in_word)? {
        // Lets other tasks run between two pieces of a large file.
        futures_lite::future::yield_now().await;
    }
    Ok(counts)
}

/// Counts the next piece; returns false at the end of the file.
fn count_piece(file: &mut File, counts: &mut Counts, in_word: &mut bool) -> io::Result<bool> {
    // On the stack, so that each worker has one buffer, not each open file.
    let mut buffer = [0; 64 << 10];
    let length = match file.read(&mut buffer) {
        Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
        result => result?,
    };
    counts.bytes += length as u64;
    for &byte in &buffer[..length] {
        counts.lines += u64::from(byte == b'\n');
        let was_in_word = std::mem::replace(in_word, !matches!(byte, b' ' | b'\t'..=b'\r'));
        counts.words += u64::from(*in_word && !was_in_word);
    }
    Ok(length > 0)
}

/// The number of types in the table. The others are added up.
const MAX_ROWS: usize = 30;

/// The number of skipped entries that are printed by name.
const MAX_NAMED: u64 = 10;

#[derive(Default)]
pub struct Report {
    types: HashMap<String, Counts>,
    total: Counts,
    skipped: u64,
    failed: u64,
    /// Hidden folders that were left out.
    pub hidden: u64,
}

impl Report {
    pub fn counted(&mut self, path: &Path, counts: Counts) {
        *self.types.entry(file_type(path)).or_default() += counts;
        self.total += counts;
    }

    pub fn skipped(&mut self, what: &str) {
        self.skipped += 1;
        match self.skipped {
            ..=MAX_NAMED => eprintln!("executor: skipped: {what}"),
            n if n == MAX_NAMED + 1 => eprintln!("executor: skipped: more, which are counted only"),
            _ => {}
        }
    }

    pub fn failed(&mut self, what: &str) {
        self.failed += 1;
        eprintln!("executor: failed: {what}");
    }

    /// A table of the types, and how many entries are not in it.
    pub fn to_text(&self) -> String {
        let mut rows: Vec<(String, Counts)> = self.types.iter().map(|(name, counts)| (name.clone(), *counts)).collect();
        // By size, then by name, so that the table is always the same.
        rows.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
        if rows.len() > MAX_ROWS {
            let rest = rows.split_off(MAX_ROWS);
            let name = format!("({} more types)", rest.len());
            let mut sum = Counts::default();
            rest.iter().for_each(|row| sum += row.1);
            rows.push((name, sum));
        }
        rows.push(("total".to_owned(), self.total));
        let Self { skipped, failed, hidden, .. } = self;
        format!("{}\n{skipped} skipped, {failed} failed, {hidden} hidden folders left out", table(&rows))
    }
}

fn file_type(path: &Path) -> String {
    /// Longer extensions are not types, and would widen the table.
    const MAX_WIDTH: usize = 20;
    let Some(extension) = path.extension() else { return "(none)".to_owned() };
    // Escaped, so that a line break in a file's name does not break the table.
    let mut name: String = extension.to_string_lossy().escape_debug().collect();
    if name.chars().count() > MAX_WIDTH {
        name = name.chars().take(MAX_WIDTH - 1).chain(['…']).collect();
    }
    name
}

/// Lays out the rows: names to the left, numbers to the right, each column as wide as its widest cell.
fn table(rows: &[(String, Counts)]) -> String {
    let heads = ["type", "files", "lines", "words", "bytes"].map(str::to_owned);
    let cells: Vec<[String; 5]> = std::iter::once(heads)
        .chain(rows.iter().map(|(name, c)| {
            let [files, lines, words, bytes] = [c.files, c.lines, c.words, c.bytes].map(|count| count.to_string());
            [name.clone(), files, lines, words, bytes]
        }))
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [w0, w1, w2, w3, w4] = [0, 1, 2, 3, 4].map(width);
    cells.iter().fold(String::new(), |mut text, [name, files, lines, words, bytes]| {
        let _ = writeln!(text, "{name:<w0$}  {files:>w1$}  {lines:>w2$}  {words:>w3$}  {bytes:>w4$}");
        text
    })
}
