//! Signals end system calls early (`EINTR`), but they end no park.

use crate::support::{home, pair, rounds, until, Slow};
use atomic_parker::{wait, ParkState};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, SeqCst);
}

/// Installs a handler that counts, without `SA_RESTART`.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: All zeros is a valid `sigaction`; the handler does nothing but add to an atomic.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut())
        };
        assert_eq!(result, 0);
    });
}

/// Sends `signals` to a thread, each after the one before was handled.
fn bother<T>(thread: &JoinHandle<T>, signals: u32) {
    // One test at a time, as the tests share the counter.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..signals {
        let before = HANDLED.load(SeqCst);
        // SAFETY: The thread was not joined, so its handle is valid.
        assert_eq!(unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) }, 0);
        until(|| HANDLED.load(SeqCst) > before);
    }
}

fn no_signal_ends_a_park<W: Slow>() {
    install();
    let (parker, unparker) = pair::<W>();
    let given = Arc::new(AtomicBool::new(false));
    let sleeper = thread::spawn({
        let given = given.clone();
        move || {
            parker.park();
            assert!(given.load(SeqCst), "back without a token");
            given.store(false, SeqCst);
            assert!(parker.park_timeout(Duration::MAX));
            assert!(given.load(SeqCst), "back without a token");
        }
    });
    for _ in 0..2 {
        bother(&sleeper, rounds(300));
        given.store(true, SeqCst);
        assert_ne!(unparker.notify(), ParkState::Notified);
        until(|| !given.load(SeqCst) || sleeper.is_finished());
    }
    home(sleeper);
}

fn no_signal_ends_a_timed_park<W: Slow>() {
    install();
    let (parker, unparker) = pair::<W>();
    let sleeper = thread::spawn(move || {
        for timed_parks in 0.. {
            let deadline = Instant::now() + Duration::from_millis(5);
            if parker.park_deadline(deadline) {
                return timed_parks;
            }
            assert!(Instant::now() >= deadline, "false before the deadline");
        }
        unreachable!()
    });
    bother(&sleeper, rounds(300));
    unparker.unpark();
    home(sleeper);
}

#[test]
fn condvar() {
    no_signal_ends_a_park::<wait::Condvar>();
    no_signal_ends_a_timed_park::<wait::Condvar>();
}

#[cfg(all(feature = "futex", target_os = "linux"))]
#[test]
fn futex() {
    no_signal_ends_a_park::<wait::Futex>();
    no_signal_ends_a_timed_park::<wait::Futex>();
}

#[cfg(feature = "parking_lot")]
#[test]
fn parking_lot() {
    no_signal_ends_a_park::<wait::ParkingLot>();
    no_signal_ends_a_timed_park::<wait::ParkingLot>();
}
