//! A futex as the model checkers see it: a queue for each word, whose lock is held while the word is read.
//!
//! # Orderings
//!
//! Relaxed: the lock of the queue orders what comes before the load, as the lock of the kernel does.

use super::atomic::{AtomicU32, Ordering};
use super::deadline_after;
use super::parking_lot_core::{park, unpark_all, unpark_one, DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN};
use std::num::TryFromIntError;
use std::time::Duration;

pub(crate) struct Timespec(Duration);

impl TryFrom<Duration> for Timespec {
    type Error = TryFromIntError;

    fn try_from(duration: Duration) -> Result<Self, TryFromIntError> {
        Ok(Self(duration))
    }
}

pub(crate) struct Flags;

impl Flags {
    pub(crate) const PRIVATE: Self = Self;
}

fn key(word: &AtomicU32) -> usize {
    word as *const AtomicU32 as usize
}

/// Reads the word, as the kernel does before it puts a thread to sleep.
fn look_at(word: &AtomicU32) -> u32 {
    // Relaxed: the lock in the kernel, or in the model, orders earlier accesses.
    word.load(Ordering::Relaxed)
}

pub(crate) fn wait(word: &AtomicU32, _: Flags, expected: u32, timeout: Option<&Timespec>) -> Result<(), ()> {
    let deadline = timeout.and_then(|timeout| deadline_after(timeout.0));
    park(key(word), || look_at(word) == expected, || {}, |_, _| {}, DEFAULT_PARK_TOKEN, deadline);
    Ok(())
}

/// Wakes one or all, which is what this crate asks for.
pub(crate) fn wake(word: &AtomicU32, _: Flags, sleepers: u32) -> Result<(), ()> {
    if sleepers == 1 {
        unpark_one(key(word), |_| DEFAULT_UNPARK_TOKEN);
    } else {
        unpark_all(key(word));
    }
    Ok(())
}
