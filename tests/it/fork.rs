//! After `fork`, a parker that the child creates works as in a fresh process. Not on `ParkingLot`, which is not tested here.
//!
//! The child goes on after the fork and starts threads, which glibc allows. It ends by `_exit`, so that the test
//! harness does not run there. `alarm` ends a child that hangs.

use crate::spin::{can_spin, hand_over, spins, Way};
use crate::support::{home, rounds, until, Slow};
use atomic_parker::{block_on, pair, wait, AtomicParker, Parker, Spin, Unparker};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Two threads hand a token back and forth.
fn round_trips(first: Parker<impl Slow>, second: Parker<impl Slow>) {
    let (to_first, to_second) = (first.unparker(), second.unparker());
    let peer = thread::spawn(move || {
        for _ in 0..rounds(1000) {
            second.park();
            to_first.unpark();
        }
    });
    for _ in 0..rounds(1000) {
        to_second.unpark();
        first.park();
    }
    peer.join().unwrap();
}

/// Threads that sleep on one parker.
fn several_threads_park<W: Slow, const N: usize>() {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let sleepers = [(); N].map(|()| {
        let parker = parker.clone();
        thread::spawn(move || parker.park())
    });
    for sleeper in sleepers {
        while !sleeper.is_finished() {
            parker.unpark();
            thread::yield_now();
        }
        sleeper.join().unwrap();
    }
}

/// Sleeps in every way, on new parkers.
fn all_parkers_work<W: Slow>() {
    let new = || Parker::with_wait(W::default());
    round_trips(new(), new());
    assert!(!new().park_timeout(Duration::from_millis(1)));

    several_threads_park::<W, 2>();

    let mut woken = false;
    block_on(poll_fn(|context| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        let waker = context.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    }));
}

/// Starts a child that runs `child` and ends.
fn fork(child: fn()) -> libc::pid_t {
    // SAFETY: The child waits for no thread of the parent: it uses neither output nor the harness.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: Plain system calls.
        unsafe { libc::alarm(100) };
        let code = match std::panic::catch_unwind(child) {
            Ok(()) => 0,
            Err(_) => 1,
        };
        // SAFETY: As above.
        unsafe { libc::_exit(code) };
    }
    assert!(pid > 0, "fork failed");
    pid
}

fn succeeds(child: libc::pid_t) {
    let mut status = -1;
    // SAFETY: `status` is valid for the call, and the child is this process's own.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child hung (14), crashed or panicked (256)");
}

/// Forks while other threads of this process spin, sleep and wake up, and runs `all_parkers_work` in the child.
fn works_in_a_child<W: Slow>() {
    let stop = Arc::new(AtomicBool::new(false));
    let (asleep, wake): (Parker, Unparker) = pair();
    let sleeper = thread::spawn(move || asleep.park());
    let busy = thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Relaxed) {
                round_trips(Parker::with_wait(wait::Condvar::new()), Parker::with_wait(wait::Condvar::new()));
            }
        }
    });
    // The child inherits this thread's parker for `block_on`.
    block_on(async {});
    for _ in 0..5 {
        succeeds(fork(all_parkers_work::<W>));
    }
    stop.store(true, Relaxed);
    busy.join().unwrap();
    wake.unpark();
    sleeper.join().unwrap();
}

/// The child inherits what the slow paths of sixteen sleeping threads left in memory, and none of the threads.
fn works_beside_sleepers<W: Slow>() {
    let parkers: Vec<_> = (0..16).map(|_| Parker::with_wait(W::default()).with_spin(Spin::off())).collect();
    let unparkers: Vec<_> = parkers.iter().map(Parker::unparker).collect();
    let sleepers: Vec<_> = parkers.into_iter().map(|parker| thread::spawn(move || parker.park())).collect();
    let is_asleep = |unparker: &Unparker<W>| format!("{unparker:?}").contains("Parked");
    until(|| unparkers.iter().all(is_asleep));
    for _ in 0..100 {
        succeeds(fork(several_threads_park::<W, 4>));
    }
    unparkers.iter().for_each(|unparker| assert!(unparker.unpark()));
    sleepers.into_iter().for_each(home);
}

/// Each wait is longer than a short spin, which needs no free CPU.
fn a_pair_spins_for_long() {
    let work: Way = |unparker| {
        Box::new(move || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(20) {}
            unparker.unpark();
        })
    };
    let batches = hand_over(Some(Spin::adaptive_up_to(Duration::from_micros(50))), work, |_| {}, spins);
    assert!(spins(&batches));
}

#[test]
fn a_child_spins_for_long_although_its_parent_did_at_the_fork() {
    if !can_spin() {
        return;
    }
    let parker = Parker::new().with_spin(Spin::bounded(Duration::from_millis(200)));
    let unparker = parker.unparker();
    let about_to_park = Arc::new(AtomicBool::new(false));
    let spinner = thread::spawn({
        let about_to_park = about_to_park.clone();
        move || {
            about_to_park.store(true, Relaxed);
            parker.park();
        }
    });
    until(|| about_to_park.load(Relaxed));
    // Its spin is a long one after 5 µs.
    let start = Instant::now();
    until(|| start.elapsed() > Duration::from_millis(1));
    let child = fork(a_pair_spins_for_long);
    unparker.unpark();
    home(spinner);
    succeeds(child);
}

#[test]
fn condvar() {
    works_in_a_child::<wait::Condvar>();
    works_beside_sleepers::<wait::Condvar>();
}

#[cfg(feature = "futex")]
#[test]
fn futex() {
    works_in_a_child::<wait::Futex>();
    works_beside_sleepers::<wait::Futex>();
}
