//! A storm of signals over timed parks: the handler interrupts the sleeping thread itself, and unparks it.
//!
//! On `Futex` only. The other slow paths take a lock that the interrupted thread may hold.

use crate::support::{home, rounds, until};
use atomic_parker::wait::Futex;
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The number of signals in a storm.
const SIGNALS: u32 = 200_000;

/// The handler unparks this `Unparker`, or `PARKER` if it is null. It lives as long as signals come.
static UNPARKER: AtomicPtr<Unparker<Futex>> = AtomicPtr::new(std::ptr::null_mut());
static PARKER: AtomicParker<Futex> = AtomicParker::with_wait(Futex::new());
static HANDLED: AtomicU32 = AtomicU32::new(0);
/// The number of `unpark`s of the handler that set a new token.
static NEW: AtomicU32 = AtomicU32::new(0);

extern "C" fn unpark(_: libc::c_int) {
    let unparker = UNPARKER.load(SeqCst);
    // SAFETY: Not null only while the test keeps the unparker alive. `storm` waits until each signal is handled.
    let new = match unsafe { unparker.as_ref() } {
        Some(unparker) => unparker.unpark(),
        None => PARKER.unpark(),
    };
    NEW.fetch_add(u32::from(new), SeqCst);
    HANDLED.fetch_add(1, SeqCst);
}

/// Calls `park` repeatedly until all signals are sent. Returns the number of parks that took a token.
fn storm(park: impl Fn(Duration) -> bool + Send + 'static) -> u32 {
    // SAFETY: All zeros is a valid `sigaction`. The handler's calls are async-signal-safe, which this tests.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = unpark as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut())
    };
    assert_eq!(result, 0);
    HANDLED.store(0, SeqCst);
    NEW.store(0, SeqCst);
    let over = Arc::new(AtomicBool::new(false));
    let sleeper = thread::spawn({
        let over = over.clone();
        move || {
            let mut taken = 0;
            while !over.load(SeqCst) {
                taken += u32::from(park(Duration::from_micros(20)));
            }
            taken
        }
    });
    for sent in 1..=rounds(SIGNALS) {
        // SAFETY: The thread was not joined, so its handle is valid.
        assert_eq!(unsafe { libc::pthread_kill(sleeper.as_pthread_t(), libc::SIGUSR2) }, 0);
        until(|| HANDLED.load(SeqCst) == sent);
    }
    over.store(true, SeqCst);
    home(sleeper)
}

/// Runs one storm at a time, as the tests share the handler.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_handler_unparks_the_parker_that_it_interrupts() {
    let _alone = alone();
    let parker = Parker::with_wait(Futex::new());
    let unparker = Box::into_raw(Box::new(parker.unparker()));
    UNPARKER.store(unparker, SeqCst);
    // Sends whether a token is left when the sleeper drops the parker.
    let (send, left) = std::sync::mpsc::channel();
    struct Last(Parker<Futex>, std::sync::mpsc::Sender<bool>);
    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.1.send(self.0.try_park());
        }
    }
    let last = Last(parker, send);
    let taken = storm(move |timeout| last.0.park_timeout(timeout));
    UNPARKER.store(std::ptr::null_mut(), SeqCst);
    // SAFETY: From `Box::into_raw` above. Every signal was handled, so no handler uses it.
    drop(unsafe { Box::from_raw(unparker) });
    assert_eq!(taken + u32::from(left.recv().unwrap()), NEW.load(SeqCst));
}

#[test]
fn a_handler_unparks_the_atomic_parker_that_it_interrupts() {
    let _alone = alone();
    let taken = storm(|timeout| PARKER.park_timeout(timeout));
    assert_eq!(taken + u32::from(PARKER.try_park()), NEW.load(SeqCst));
}
