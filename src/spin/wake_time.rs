//! What a waker tells the sleeper: when its token came.
//!
//! # Orderings
//!
//! All Relaxed: no memory is reached through the answer.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where a sleeper asks for the time of its wake, and the waker answers with that, or that it is on the same CPU.
///
/// Not of the model checkers' types: nothing that is promised depends on it. An answer that comes too late may be taken
/// for one to the next question.
pub(crate) struct WakeTime(AtomicU32);

/// What a sleeper is told of its wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Unknown,
    /// It came at this time.
    At(u32),
    /// It came from the CPU that the sleeper had asked on.
    SameCpu,
}

impl WakeTime {
    const NO_QUESTION: u32 = 0;
    /// Set in each question; the rest of it is the CPU.
    const QUESTION: u32 = 1;
    /// Set in each answer that is a time, in place of its two lowest bits: it is wrong by 3 ns at most.
    const TIME: u32 = 2;
    const SAME_CPU: u32 = 4;
    /// For a sleeper that does not know its CPU: no waker is on it.
    const NO_CPU: u32 = u32::MAX / 2;

    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(Self::NO_QUESTION))
    }

    // Relaxed, in all three: no memory is reached through the time.
    pub(crate) fn ask(&self, cpu: Option<u32>) {
        self.0.store(cpu.unwrap_or(Self::NO_CPU) * 2 + Self::QUESTION, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn answer(&self, cpu: impl FnOnce() -> Option<u32>, clock: impl FnOnce() -> u32) {
        let question = self.0.load(Ordering::Relaxed);
        if question & Self::QUESTION != 0 {
            let same = cpu() == Some(question / 2);
            let answer = if same { Self::SAME_CPU } else { clock() / 4 * 4 + Self::TIME };
            self.0.store(answer, Ordering::Relaxed);
        }
    }

    /// Returns the answer, if there is one, and asks no longer.
    pub(crate) fn take(&self) -> Wake {
        let answer = self.0.load(Ordering::Relaxed);
        self.0.store(Self::NO_QUESTION, Ordering::Relaxed);
        match answer {
            Self::SAME_CPU => Wake::SameCpu,
            _ if answer & 3 == Self::TIME => Wake::At(answer),
            _ => Wake::Unknown,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once() {
        let time = WakeTime::new();
        let (here, nobody) = (|| Some(7), || unreachable!("nobody has asked"));
        time.answer(|| unreachable!("nobody has asked"), nobody);
        assert_eq!(time.take(), Wake::Unknown);
        time.ask(Some(6));
        time.answer(here, || 0);
        time.answer(|| unreachable!("answered already"), nobody);
        assert_eq!(time.take(), Wake::At(2));
        assert_eq!(time.take(), Wake::Unknown);
        for waker in [None, Some(0), Some(1)] {
            time.ask(None);
            time.answer(|| waker, || 1003);
            assert_eq!(time.take(), Wake::At(1002));
        }
        time.ask(Some(7));
        time.answer(here, || 1003);
        time.answer(|| unreachable!("answered already"), nobody);
        assert_eq!(time.take(), Wake::SameCpu);
        time.ask(Some(6));
        assert_eq!(time.take(), Wake::Unknown);
        time.answer(|| unreachable!("no longer asked"), nobody);
    }
}
