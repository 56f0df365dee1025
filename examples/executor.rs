//! A multi-threaded executor that sleeps on this crate, at work: it counts the lines, words and bytes of every file
//! under a folder, one async task a file.
//!
//! `cargo run --release --example executor -- [PATH]`
//!
//! The part to look at is [`Shared::schedule`] and [`Shared::work`]: how a task finds a worker that sleeps, and why no
//! wake-up is lost. No list of idle workers is kept, since `notify` says what it found.

use async_task::{Runnable, Task};
use atomic_parker::{ParkState, Parker, Unparker};
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, ErrorKind, IsTerminal, Read, Write as _};
use std::ops::AddAssign;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use walkdir::WalkDir;

// ---------------------------------------------------------------------------------------------- the executor

/// What the workers share with each other and with the wakers of their tasks.
struct Shared {
    injector: Injector<Runnable>,
    stealers: Vec<Stealer<Runnable>>,
    unparkers: Vec<Unparker>,
    closing: AtomicBool,
    figures: Figures,
}

/// How often the parkers did what.
#[derive(Default)]
struct Figures {
    /// Parks that found no token. Some then saw it come while they looked, others slept: see `woken`.
    waited: AtomicU64,
    found_token: AtomicU64,
    woken: AtomicU64,
    free: AtomicU64,
}

impl Figures {
    fn count(figure: &AtomicU64) {
        figure.fetch_add(1, Ordering::Relaxed);
    }

    /// Parks, and counts it. A token that comes between the two looks counts as waited for.
    fn park(&self, parker: &Parker) {
        if parker.try_park() {
            Self::count(&self.found_token);
        } else {
            Self::count(&self.waited);
            parker.park();
        }
    }

    /// Sets the token, and says whether that has really woken a thread.
    fn notify(&self, unparker: &Unparker) -> bool {
        // Parked is the one answer behind which there is a system call.
        let woken = unparker.notify() == ParkState::Parked;
        Self::count(if woken { &self.woken } else { &self.free });
        woken
    }
}

impl Shared {
    fn schedule(&self, task: Runnable) {
        self.injector.push(task);
        self.wake_one();
    }

    /// Wakes one worker that sleeps, if any does. The others on the way to it get a token each.
    ///
    /// That is the whole protocol. A worker parks only after it has looked at every queue. If it looked too early to
    /// see the task, its token is not taken before it parks, and then the park returns at once and it looks again,
    /// and sees it: what came before the token happens-before the return of the park that takes it. So either a
    /// worker was asleep, and is awake now, or all of them are awake, and none will sleep before it has looked again.
    fn wake_one(&self) {
        let _ = self.unparkers.iter().any(|unparker| self.figures.notify(unparker));
    }

    /// The next task for a worker: its own first, then a share of the new ones, then one of another worker's.
    fn next_task(&self, own: &Worker<Runnable>) -> Option<Runnable> {
        if let Some(task) = own.pop() {
            return Some(task);
        }
        loop {
            let batch = self.injector.steal_batch_and_pop(own);
            match batch.or_else(|| self.stealers.iter().map(Stealer::steal).collect()) {
                Steal::Success(task) => {
                    if !own.is_empty() {
                        // Nobody could see the batch while it was on its way here: a worker may have gone to sleep.
                        self.wake_one();
                    }
                    return Some(task);
                }
                Steal::Retry => {}
                Steal::Empty => return None,
            }
        }
    }

    fn work(&self, own: &Worker<Runnable>, parker: &Parker) {
        loop {
            while let Some(task) = self.next_task(own) {
                // A task that panics is closed and dropped by `async-task`, and its handle says so. The worker goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
            }
            if self.closing.load(Ordering::Acquire) {
                return;
            }
            self.figures.park(parker);
        }
    }
}

struct Executor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Executor {
    fn new(workers: usize) -> io::Result<Self> {
        // First in, first out, so that a task that yields waits until the others have had their turn.
        let queues: Vec<Worker<Runnable>> = (0..workers).map(|_| Worker::new_fifo()).collect();
        let parkers: Vec<Parker> = (0..workers).map(|_| Parker::new()).collect();
        let shared = Arc::new(Shared {
            injector: Injector::new(),
            stealers: queues.iter().map(Worker::stealer).collect(),
            unparkers: parkers.iter().map(Parker::unparker).collect(),
            closing: AtomicBool::new(false),
            figures: Figures::default(),
        });
        // Made before its threads: if one can't be started, the drop of this ends those before it.
        let mut executor = Self { shared, threads: Vec::with_capacity(workers) };
        for (number, (own, parker)) in queues.into_iter().zip(parkers).enumerate() {
            let shared = executor.shared.clone();
            let thread = thread::Builder::new().name(format!("worker {number}"));
            executor.threads.push(thread.spawn(move || shared.work(&own, &parker))?);
        }
        Ok(executor)
    }

    fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let shared = self.shared.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| shared.schedule(runnable));
        runnable.schedule();
        task
    }
}

impl Drop for Executor {
    /// Lets the workers finish what is scheduled, and waits for them.
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        for unparker in &self.shared.unparkers {
            self.shared.figures.notify(unparker);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Waits on this thread for a future. `atomic_parker::block_on` does the same; this one counts.
struct Waiter {
    parker: Parker,
    waker: Waker,
    shared: Arc<Shared>,
}

struct CountingWaker {
    unparker: Unparker,
    shared: Arc<Shared>,
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.figures.notify(&self.unparker);
    }
}

impl Waiter {
    fn new(executor: &Executor) -> Self {
        let parker = Parker::new();
        let shared = executor.shared.clone();
        let waker = Waker::from(Arc::new(CountingWaker { unparker: parker.unparker(), shared: shared.clone() }));
        Self { parker, waker, shared }
    }

    fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(&self.waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => self.shared.figures.park(&self.parker),
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- the tasks

/// What was counted in one file, or in all of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
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

/// Counts one file as `wc` does for text: bytes, so any encoding will do, and words between ASCII white space.
async fn count(path: PathBuf) -> io::Result<Counts> {
    let mut file = File::open(path)?;
    let mut counts = Counts { files: 1, ..Counts::default() };
    let mut in_word = false;
    while count_piece(&mut file, &mut counts, &mut in_word)? {
        // A large file lets the others have their turn.
        futures_lite::future::yield_now().await;
    }
    Ok(counts)
}

/// Counts the next piece; returns false at the end of the file.
fn count_piece(file: &mut File, counts: &mut Counts, in_word: &mut bool) -> io::Result<bool> {
    // Here, and not in the task: one a worker will do, however many files are open.
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

// ---------------------------------------------------------------------------------------------- the program

const USAGE: &str = "\
Counts the lines, words and bytes of every file under PATH, on an executor that sleeps on atomic-parker.

Usage: cargo run --release --example executor -- [PATH]

PATH is a folder or a file; the default is the folder of this crate, or the current one if that is gone.
Symbolic links below PATH are not followed. They, and all else that is not a file or a folder, are named
and counted as skipped. What can't be read is named and counted as failed, and the rest goes on.

Exit code: 0, or 1 if PATH can't be read, or 2 if the arguments make no sense.
";

/// How many tasks there are at a time: a folder of any size takes so much memory, and so many open files.
const IN_FLIGHT: usize = 128;

/// How many types the table shows before it takes the rest together.
const MAX_ROWS: usize = 30;

#[derive(Default)]
struct Report {
    types: HashMap<String, Counts>,
    total: Counts,
    skipped: u64,
    failed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return print(USAGE);
    }
    let path = match &arguments[..] {
        [] => default_path(),
        [path] if !path.to_string_lossy().starts_with('-') => PathBuf::from(path),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&path) {
        Ok(text) => print(&text),
        Err(error) => {
            eprintln!("executor: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn default_path() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    if crate_folder.is_dir() { crate_folder } else { Path::new(".") }.to_owned()
}

/// As `print!`, but for one who has stopped reading, as `head` does: that is no reason to panic.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("executor: stdout: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says why PATH itself can't be read, before all else.
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

fn run(path: &Path) -> io::Result<String> {
    check(path)?;
    let start = Instant::now();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let executor = Executor::new(workers)?;
    let report = count_all(path, &executor);
    let shared = executor.shared.clone();
    drop(executor);
    Ok(report.to_text(&shared.figures, workers, start.elapsed()))
}

fn count_all(path: &Path, executor: &Executor) -> Report {
    let waiter = Waiter::new(executor);
    let bar = progress_bar();
    let mut report = Report::default();
    let mut in_flight: VecDeque<(PathBuf, Task<io::Result<Counts>>)> = VecDeque::new();

    let finish_oldest = |report: &mut Report, in_flight: &mut VecDeque<_>| {
        let (path, task): (PathBuf, Task<_>) = in_flight.pop_front()?;
        match waiter.wait_for(task.fallible()) {
            Some(Ok(counts)) => {
                *report.types.entry(file_type(&path)).or_default() += counts;
                report.total += counts;
                bar.set_message(HumanBytes(report.total.bytes).to_string());
            }
            Some(Err(error)) => report.failed(&bar, &format!("{}: {error}", path.display())),
            None => report.failed(&bar, &format!("{}: the task panicked", path.display())),
        }
        bar.inc(1);
        Some(())
    };

    for entry in WalkDir::new(path) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // Its text names the path.
                report.failed(&bar, &error.to_string());
                continue;
            }
        };
        // PATH itself may be a link: it was asked for.
        let kind = if entry.depth() == 0 { fs::metadata(path).map(|m| m.file_type()) } else { Ok(entry.file_type()) };
        match kind {
            Ok(kind) if kind.is_dir() => {}
            Ok(kind) if kind.is_file() => {
                if in_flight.len() == IN_FLIGHT {
                    finish_oldest(&mut report, &mut in_flight);
                }
                let path = entry.into_path();
                in_flight.push_back((path.clone(), executor.spawn(count(path))));
            }
            Ok(kind) => {
                let what = if kind.is_symlink() { "a symbolic link" } else { "neither a folder nor a file" };
                report.skipped(&bar, &format!("{}: {what}", entry.path().display()));
            }
            Err(error) => report.failed(&bar, &format!("{}: {error}", entry.path().display())),
        }
    }
    while finish_oldest(&mut report, &mut in_flight).is_some() {}
    bar.finish_and_clear();
    report
}

/// On a terminal only.
fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} files, {msg} in {elapsed}");
    let bar = ProgressBar::new_spinner().with_style(style.expect("the template is a constant"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn file_type(path: &Path) -> String {
    /// Longer ones are no types, and would only widen the table.
    const MAX_WIDTH: usize = 20;
    let Some(extension) = path.extension() else { return "(none)".to_owned() };
    // Escaped: whatever stands in a file's name, the table keeps its lines.
    let mut name: String = extension.to_string_lossy().escape_debug().collect();
    if name.chars().count() > MAX_WIDTH {
        name = name.chars().take(MAX_WIDTH - 1).chain(['…']).collect();
    }
    name
}

impl Report {
    fn skipped(&mut self, bar: &ProgressBar, what: &str) {
        self.skipped += 1;
        bar.suspend(|| eprintln!("executor: skipped: {what}"));
    }

    fn failed(&mut self, bar: &ProgressBar, what: &str) {
        self.failed += 1;
        bar.suspend(|| eprintln!("executor: failed: {what}"));
    }

    fn to_text(&self, figures: &Figures, workers: usize, time: Duration) -> String {
        let mut rows: Vec<(String, Counts)> = self.types.iter().map(|(name, counts)| (name.clone(), *counts)).collect();
        // By size, and by name where that does not decide, so that the table is always the same.
        rows.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
        if rows.len() > MAX_ROWS {
            let rest = rows.split_off(MAX_ROWS);
            let name = format!("({} more types)", rest.len());
            let mut sum = Counts::default();
            rest.iter().for_each(|row| sum += row.1);
            rows.push((name, sum));
        }
        rows.push(("total".to_owned(), self.total));

        let table = table(&rows);
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        format!(
            "{table}\n\
             {skipped} skipped, {failed} failed; {time:.3} s with {workers} workers\n\n\
             parks      {parks:>10}: {waited} had to wait, {found} found the token there\n\
             wake-ups   {wakes:>10}: {woken} cost a system call, {free} were free\n",
            skipped = self.skipped,
            failed = self.failed,
            time = time.as_secs_f64(),
            parks = load(&figures.waited) + load(&figures.found_token),
            waited = load(&figures.waited),
            found = load(&figures.found_token),
            wakes = load(&figures.woken) + load(&figures.free),
            woken = load(&figures.woken),
            free = load(&figures.free),
        )
    }
}

/// Names to the left, numbers to the right, each column as wide as it must be.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_task_and_nothing_else() {
        let executor = Executor::new(2).unwrap();
        let waiter = Waiter::new(&executor);
        for round in 0..1_000 {
            let failing = executor.spawn(async { panic!("on purpose") });
            let fine = executor.spawn(async move { round });
            assert_eq!(waiter.wait_for(failing.fallible()), None::<()>);
            assert_eq!(waiter.wait_for(fine), round);
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        let executor = Executor::new(4).unwrap();
        let waiter = Waiter::new(&executor);
        for _ in 0..20_000 {
            let tasks: Vec<_> = (0..3).map(|_| executor.spawn(futures_lite::future::yield_now())).collect();
            tasks.into_iter().for_each(|task| waiter.wait_for(task));
        }
    }
}
