//! The reason for the crate.
//!
//! A library may park too: std's channels, locks and `Once` do. `std::thread::park` has one token a thread, so what the
//! library takes as its own wake-up may be that of the program. Here all happens in one fixed order, without a race.

use crate::support::home;
use atomic_parker::AtomicParker;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A library's blocking call: waits for another thread's answer, which has arrived by the time the caller goes to wait.
/// `meanwhile` is what happens to the program between.
fn library(meanwhile: impl FnOnce()) {
    let answered = Arc::new(AtomicBool::new(false));
    let waiting = thread::current();
    let helper = thread::spawn({
        let answered = answered.clone();
        move || {
            answered.store(true, SeqCst);
            waiting.unpark();
        }
    });
    home(helper);
    meanwhile();
    loop {
        thread::park();
        if answered.load(SeqCst) {
            break;
        }
    }
}

#[test]
fn a_library_that_parks_eats_the_token_of_std() {
    let rescued = Arc::new(AtomicBool::new(false));
    let (returned, came) = channel();
    let program = thread::spawn({
        let rescued = rescued.clone();
        move || {
            let program = thread::current();
            library(|| program.unpark());
            thread::park();
            let by_rescue = rescued.load(SeqCst);
            // Nobody listens any more if it was lost, as it should be.
            let _ = returned.send(());
            by_rescue
        }
    });
    // If the token were still there, it would be back at once. The time is only for how long we look for that.
    assert_eq!(came.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout));
    rescued.store(true, SeqCst);
    program.thread().unpark();
    assert!(home(program), "it was not its own token that released it: that one was eaten");
}

#[test]
fn and_a_private_parker_keeps_its_token() {
    let parker = AtomicParker::new();
    library(|| assert!(parker.unpark()));
    parker.park();
    assert!(!parker.try_park());
}
