//! A library that parks can take the program's token of `std::thread::park`: std has one token for each thread. std's
//! channels, locks and `Once` park too. A parker has its own token.
//!
//! These tests have a fixed order of events, without a race.

use crate::support::home;
use atomic_parker::AtomicParker;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A library's blocking call: parks until another thread has answered. Calls `meanwhile` after the answer, before the
/// park.
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
fn a_library_that_parks_takes_the_token_of_std() {
    let rescued = Arc::new(AtomicBool::new(false));
    let (returned, came) = channel();
    let program = thread::spawn({
        let rescued = rescued.clone();
        move || {
            let program = thread::current();
            library(|| program.unpark());
            thread::park();
            let by_rescue = rescued.load(SeqCst);
            // Fails if the receiver is gone.
            let _ = returned.send(());
            by_rescue
        }
    });
    // With its token, the program would return at once. So the timeout does not affect a correct result.
    assert_eq!(came.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout));
    rescued.store(true, SeqCst);
    program.thread().unpark();
    assert!(home(program), "the library did not take the program's token");
}

#[test]
fn a_private_parker_keeps_its_token() {
    let parker = AtomicParker::new();
    library(|| assert!(parker.unpark()));
    parker.park();
    assert!(!parker.try_park());
}
