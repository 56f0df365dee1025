//! `Spin::set_default`, in its own process, as the default is process-wide. The system counts the sleeps.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]

use atomic_parker::{block_on, Spin};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::thread;

const BATCH: usize = 1_000;

/// The event that one side waits for.
#[derive(Default)]
struct Signal {
    is_set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn set(&self) {
        self.is_set.store(true, SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait(&self) {
        block_on(poll_fn(|context| {
            *self.waker.lock().unwrap() = Some(context.waker().clone());
            match self.is_set.swap(false, SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }
}

/// The number of voluntary context switches of this thread.
fn sleeps() -> usize {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

/// Pins the calling thread to a CPU: on a shared CPU, a pair does not spin.
fn pin(number: usize) {
    // Read once, as a thread that a pinned thread starts inherits the one CPU.
    static CORES: OnceLock<Vec<core_affinity::CoreId>> = OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap());
    assert!(core_affinity::set_for_current(cores[number]));
}

#[test]
fn the_default_reaches_block_on() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        eprintln!("not tested: needs two CPUs");
        return;
    }
    pin(0);
    let [here, there] = [(); 2].map(|()| Arc::<Signal>::default());
    let is_over = Arc::new(AtomicBool::new(false));
    let other = {
        let (here, there, is_over) = (here.clone(), there.clone(), is_over.clone());
        thread::spawn(move || {
            pin(1);
            loop {
                there.wait();
                if is_over.load(SeqCst) {
                    return;
                }
                here.set();
            }
        })
    };
    let batch = || {
        let before = sleeps();
        (0..BATCH).for_each(|_| {
            there.set();
            here.wait();
        });
        sleeps() - before
    };
    // Both threads keep the parker of their first call.
    for _ in 0..2 {
        Spin::set_default(Spin::adaptive());
        assert!((0..1_000).any(|_| batch() < BATCH / 10), "block_on never spins");
        Spin::set_default(Spin::off());
        // Not in each batch: beside other programs, the answer often comes before the sleep.
        assert!((0..1_000).any(|_| batch() > BATCH / 2), "block_on still spins");
    }
    is_over.store(true, SeqCst);
    there.set();
    other.join().unwrap();

    assert_eq!(Spin::default(), Spin::off());
}
