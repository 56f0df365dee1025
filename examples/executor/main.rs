//! A multi-threaded executor that sleeps by this crate. It counts the lines of every file under a folder, one async task a file.
//!
//! `cargo run --release --example executor -- [--workers N] [PATH]`
//!
//! It shows how little code an executor needs if [`atomic_parker::idle`] puts its workers to sleep and wakes them.
//! `executor.rs` is the code to copy.
//!
//! The last lines report the number of pushes that woke a worker, most of them by a system call. Any other push costs a fence,
//! a few loads, and at most one exchange. Good figures: at most one push in ten wakes a worker, with 2 workers as with 8. For
//! example, on two idle cores and a `target` folder, three runs each: of 4,004 pushes 40 to 72 woke one of 2 workers, and 32 to
//! 206 one of 8.
//! At most one push in a hundred wakes a worker for the rest of a batch.

mod executor;

use async_task::Task;
use atomic_parker::block_on;
use executor::Executor;
use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;
use walkdir::WalkDir;

/// The maximum number of tasks at a time. It limits the memory and the open files.
const IN_FLIGHT: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let mut workers = thread::available_parallelism()?;
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--workers" {
            let number = arguments.next().and_then(|number| number.to_str()?.parse::<NonZeroUsize>().ok());
            workers = number.ok_or("--workers needs a number, at least 1")?;
        } else {
            path = argument.into();
        }
    }
    let start = Instant::now();
    let executor = Executor::new(workers.get())?;
    let Counts { files, lines, failed } = count_all(path, &executor)?;
    let figures = executor.figures();
    drop(executor);
    println!(
        "{lines} lines in {files} files, {failed} failed; {:.3} s with {workers} workers",
        start.elapsed().as_secs_f64()
    );
    let (pushes, woke) = (figures.pushes, figures.pushes_that_woke);
    println!(
        "pushes  {pushes:>10}: {woke} woke a worker, {} found all awake, or one on its way to a look",
        pushes - woke
    );
    println!("batches {:>10}: workers that were woken for the rest of a batch", figures.woken_for_batches);
    let sleeps = figures.workers;
    println!(
        "sleeps  {:>10}: {} wakes, and {} looks after one that found nothing",
        sleeps.park_count, sleeps.wake_count, sleeps.noop_count
    );
    Ok(())
}

#[derive(Default)]
struct Counts {
    files: u64,
    lines: u64,
    failed: u64,
}

/// Spawns a task for each file. Returns an error if the path itself cannot be read.
fn count_all(path: PathBuf, executor: &Executor) -> Result<Counts, walkdir::Error> {
    let (mut counts, mut unread) = (Counts::default(), 0);
    let mut add = |task: Task<io::Result<u64>>| match block_on(task.fallible()) {
        Some(Ok(lines)) => (counts.files, counts.lines) = (counts.files + 1, counts.lines + lines),
        Some(Err(_)) | None => counts.failed += 1, // or it has panicked
    };
    let mut in_flight = VecDeque::new();
    let walk = WalkDir::new(path).into_iter();
    // Without hidden folders, such as .git.
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.'))
    {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                if in_flight.len() == IN_FLIGHT {
                    in_flight.pop_front().map(&mut add);
                }
                in_flight.push_back(executor.spawn(count(entry.into_path())));
            }
            Ok(_) => {}
            Err(error) if error.depth() == 0 => return Err(error),
            Err(_) => unread += 1,
        }
    }
    in_flight.into_iter().for_each(add);
    counts.failed += unread;
    Ok(counts)
}

/// Counts the lines of one file.
async fn count(path: PathBuf) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut lines = 0;
    while let Some(more) = count_piece(&mut file)? {
        lines += more;
        // Lets other tasks run between two pieces of a large file.
        futures_lite::future::yield_now().await;
    }
    Ok(lines)
}

/// Counts the lines of the next piece; `None` at the end of the file.
fn count_piece(file: &mut File) -> io::Result<Option<u64>> {
    // On the stack, so that each worker has one buffer, not each open file.
    let mut buffer = [0; 64 << 10];
    match file.read(&mut buffer) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(buffer[..length].iter().filter(|&&byte| byte == b'\n').count() as u64)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
        Err(error) => Err(error),
    }
}
