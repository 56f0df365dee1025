//! A futex as the model checkers see it: a queue for each word, and a look at the word under its lock.

use super::atomic::AtomicU32;
use super::deadline_after;
use super::parking_lot_core::{park, unpark_one, DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN};
use crate::state::look_at;
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

pub(crate) fn wait(word: &AtomicU32, _: Flags, expected: u32, timeout: Option<&Timespec>) -> Result<(), ()> {
    let deadline = timeout.and_then(|timeout| deadline_after(timeout.0));
    park(key(word), || look_at(word) == expected, || {}, |_, _| {}, DEFAULT_PARK_TOKEN, deadline);
    Ok(())
}

/// Wakes one, which is how many this crate asks for.
pub(crate) fn wake(word: &AtomicU32, _: Flags, _: u32) -> Result<(), ()> {
    unpark_one(key(word), |_| DEFAULT_UNPARK_TOKEN);
    Ok(())
}
