//! A test that hangs fails: it ends its process with a message. `tests/hang.sh` shows it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long a test may go without a call of [`watch`]. Only a broken build or a stopped machine takes so long.
const LOST: Duration = Duration::from_secs(50);

thread_local!(static WATCH: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) });

/// Ends the process if this thread neither ends nor calls this function again within `LOST`, and prints `state` then.
///
/// With `--test-threads=1`, the tests share a thread, and the next call is that of another test.
pub fn watch(state: impl Debug + Send + 'static) {
    let (sender, ends) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test's thread").to_owned();
    // Replaces the watch before. The end of the thread drops the sender too.
    WATCH.with(|watch| *watch.borrow_mut() = Some(sender));
    thread::spawn(move || {
        if ends.recv_timeout(LOST) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which a test's threads write to a buffer that is lost here.
            let _ = writeln!(std::io::stderr(), "WATCHDOG: {test} hangs: a wake-up is lost; state: {state:#?}");
            std::process::exit(101);
        }
    });
}
