//! A multi-threaded executor that sleeps by this crate. It counts the lines, words and bytes of every file
//! under a folder, one async task a file.
//!
//! `cargo run --release --example executor -- --help`
//!
//! It shows how little code an executor needs if [`atomic_parker::idle`] puts its workers to sleep and wakes them.
//! `executor.rs` is the code to copy, `count.rs` has the tasks, and this file has the command line.
//!
//! The last lines report the number of pushes that woke a worker, most of them by a system call. Any other push costs a fence,
//! a few loads, and at most one exchange. Good figures: at most one push in ten wakes a worker, with 2 workers as with 8. For
//! example, on two idle cores and a `target` folder, three runs each: of 4,004 pushes 40 to 72 woke one of 2 workers, and 32 to
//! 206 one of 8.
//! At most one push in a hundred wakes a worker for the rest of a batch.

mod count;
mod executor;

use async_task::Task;
use atomic_parker::block_on;
use count::{count, Counts, Report};
use executor::Executor;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;
use walkdir::WalkDir;

const USAGE: &str = "\
Counts the lines, words and bytes of every file under PATH, on an executor that sleeps on atomic-parker.

Usage: cargo run --release --example executor -- [--workers N] [PATH]

  PATH         a folder or a file (default: the folder of this crate, or the current one if that is gone)
  --workers N  how many threads run tasks (default: as many as there are CPUs)
  --help       prints this

Hidden folders below PATH, such as .git, are left out. Symbolic links below PATH are not followed: they count as skipped, as does all else that is not a file or a folder.
What can't be read counts as failed, and the rest goes on.

Exit code: 0, or 1 if PATH can't be read, or 2 if the arguments make no sense.
";

/// The maximum number of tasks at a time. It limits the memory and the open files.
const IN_FLIGHT: usize = 128;

struct Options {
    path: PathBuf,
    workers: usize,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return print(USAGE),
        Err(error) => {
            eprint!("executor: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(text) => print(&text),
        Err(error) => {
            eprintln!("executor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
    let mut path = None;
    let mut workers = None;
    while let Some(argument) = arguments.next() {
        match &*argument.to_string_lossy() {
            "--help" | "-h" => return Ok(None),
            "--workers" => {
                let number = arguments.next().and_then(|number| number.to_str()?.parse::<NonZeroUsize>().ok());
                workers = Some(number.ok_or("--workers needs a number, at least 1")?);
            }
            option if option.starts_with('-') => return Err(format!("unknown argument `{option}`")),
            _ if path.is_none() => path = Some(PathBuf::from(argument)),
            second => return Err(format!("one PATH only: what is `{second}`?")),
        }
    }
    let workers = workers.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    Ok(Some(Options { path: path.unwrap_or_else(default_path), workers }))
}

fn default_path() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    if crate_folder.is_dir() { crate_folder } else { Path::new(".") }.to_owned()
}

/// As `print!`, but does not panic if the reader closes the pipe, as `head` does.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("executor: stdout: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn run(options: &Options) -> Result<String, String> {
    let path = &options.path;
    check(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let start = Instant::now();
    let executor = Executor::new(options.workers).map_err(|error| format!("{} workers: {error}", options.workers))?;
    let report = count_all(path, &executor);
    let figures = executor.figures();
    drop(executor);
    Ok(format!(
        "{report}; {time:.3} s with {workers} workers\n\n\
         pushes     {pushes:>10}: {woke} woke a worker, {free} found all awake, or one on its way to a look\n\
         batches    {batches:>10}: workers that were woken for the rest of a batch\n\
         sleeps     {sleeps:>10}: {wakes} wakes, and {noops} looks after one that found nothing\n",
        report = report.to_text(),
        time = start.elapsed().as_secs_f64(),
        workers = options.workers,
        pushes = figures.pushes,
        woke = figures.pushes_that_woke,
        free = figures.pushes - figures.pushes_that_woke,
        batches = figures.woken_for_batches,
        sleeps = figures.workers.park_count,
        wakes = figures.workers.wake_count,
        noops = figures.workers.noop_count,
    ))
}

/// Returns an error if PATH itself can't be read.
fn check(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        fs::read_dir(path).map(drop)
    } else if kind.is_file() {
        File::open(path).map(drop)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "neither a folder nor a file"))
    }
}

/// Spawns a task for each file, and collects the results in the same order.
fn count_all(path: &Path, executor: &Executor) -> Report {
    let mut report = Report::default();
    let mut in_flight: VecDeque<(PathBuf, Task<io::Result<Counts>>)> = VecDeque::new();

    let finish_oldest = |report: &mut Report, in_flight: &mut VecDeque<_>| {
        let (path, task): (PathBuf, Task<_>) = in_flight.pop_front()?;
        match block_on(task.fallible()) {
            Some(Ok(counts)) => report.counted(&path, counts),
            Some(Err(error)) => report.failed(&format!("{}: {error}", path.display())),
            None => report.failed(&format!("{}: the task panicked", path.display())),
        }
        Some(())
    };

    let mut walk = WalkDir::new(path).into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // The error's text names the path.
                report.failed(&error.to_string());
                continue;
            }
        };
        // PATH itself may be a link, or hidden.
        let asked_for = entry.depth() == 0;
        let kind = if asked_for { fs::metadata(path).map(|m| m.file_type()) } else { Ok(entry.file_type()) };
        match kind {
            Ok(kind) if kind.is_dir() => {
                if !asked_for && entry.file_name().to_string_lossy().starts_with('.') {
                    walk.skip_current_dir();
                    report.hidden += 1;
                }
            }
            Ok(kind) if kind.is_file() => {
                if in_flight.len() == IN_FLIGHT {
                    finish_oldest(&mut report, &mut in_flight);
                }
                let path = entry.into_path();
                in_flight.push_back((path.clone(), executor.spawn(count(path))));
            }
            Ok(kind) => {
                let what = if kind.is_symlink() { "a symbolic link" } else { "neither a folder nor a file" };
                report.skipped(&format!("{}: {what}", entry.path().display()));
            }
            Err(error) => report.failed(&format!("{}: {error}", entry.path().display())),
        }
    }
    while finish_oldest(&mut report, &mut in_flight).is_some() {}
    report
}
