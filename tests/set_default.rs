//! `Spin::set_default`, in its own process, as the default is process-wide. The system says whether a thread spins or sleeps.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]

#[path = "watchdog/mod.rs"]
mod watchdog;

use atomic_parker::{block_on, Spin};
use std::future::poll_fn;
use std::sync::{mpsc, Arc, OnceLock};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use watchdog::watch;

/// What a thread has done so far.
struct Account {
    /// The number of times that it went to sleep.
    sleeps: u64,
    /// Its processor time, in the system's ticks.
    ticks: u64,
}

impl Account {
    /// `task`: the thread's folder below /proc.
    fn of(task: &str) -> Self {
        let read = |file| std::fs::read_to_string(format!("/proc/{task}/{file}")).unwrap();
        let status = read("status");
        let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        // After the name in parentheses: the state is the third field, user and system time are the 14th and the 15th.
        let stat = read("stat");
        let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
        let ticks = fields[12..14].iter().map(|time| time.parse::<u64>().unwrap()).sum();
        Self { sleeps: sleeps.trim().parse().unwrap(), ticks }
    }
}

/// What the thread of a `block_on` did while its future had nothing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Did {
    Sleep,
    Spin,
}

/// A thread that waits in `block_on`.
struct Request {
    /// Its folder below /proc.
    task: String,
    /// What it had done at the end of its poll.
    before: Arc<OnceLock<Account>>,
    waker: Waker,
}

impl Request {
    /// Wakes the thread as soon as it is certain what it does after its poll.
    fn answer(self) -> Did {
        let did = loop {
            thread::yield_now();
            let now = Account::of(&self.task);
            match self.before.get() {
                Some(before) if now.sleeps > before.sleeps => break Did::Sleep,
                // The way from the poll to the sleep takes no whole tick.
                Some(before) if now.ticks > before.ticks + 1 => break Did::Spin,
                _ => {}
            }
        };
        self.waker.wake();
        did
    }
}

/// Runs a `block_on` that another thread wakes.
fn did(requests: &mpsc::Sender<Request>, answers: &mpsc::Receiver<Did>) -> Did {
    let mut polled = false;
    block_on(poll_fn(|context| {
        if polled {
            return Poll::Ready(());
        }
        polled = true;
        let task = std::fs::read_link("/proc/thread-self").unwrap().into_os_string().into_string().unwrap();
        let before = Arc::<OnceLock<_>>::default();
        let request = Request { task: task.clone(), before: before.clone(), waker: context.waker().clone() };
        requests.send(request).unwrap();
        // Last, as all of the above may sleep.
        assert!(before.set(Account::of(&task)).is_ok());
        Poll::Pending
    }));
    answers.recv().unwrap()
}

#[test]
fn the_default_reaches_block_on() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        eprintln!("not tested: needs two CPUs");
        return;
    }
    watch("`block_on` never does what the default says");
    let (requests, received) = mpsc::channel::<Request>();
    let (send, answers) = mpsc::channel();
    let other = thread::spawn(move || received.iter().for_each(|request| send.send(request.answer()).unwrap()));
    // The thread keeps the parker of its first call. One that is stopped for a whole spin sleeps after it, and one that was
    // stopped on its way to the sleep seems to spin, so not each call shows it.
    for _ in 0..3 {
        Spin::set_default(Spin::bounded(Duration::from_secs(2)));
        while did(&requests, &answers) != Did::Spin {}
        Spin::set_default(Spin::off());
        while did(&requests, &answers) != Did::Sleep {}
    }
    drop(requests);
    other.join().unwrap();

    assert_eq!(Spin::default(), Spin::off());
}
