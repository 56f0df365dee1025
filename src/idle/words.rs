//! The words of one idle set: which worker to wake.
//!
//! # Orderings
//!
//! | place | ordering | reason |
//! | --- | --- | --- |
//! | `wake_one`, `wake`, `wake_worker`, `close` | a `SeqCst` fence | between the work and the look at the words |
//! | `sign` | a `SeqCst` fence | between the bit and the second look at the queues |
//! | the count of idle workers | Relaxed | it stands on the same sides of the two fences as the bits |
//!
//! Each side writes one thing and then reads the other's. Whichever fence comes first, the side of the other one sees
//! what was written before it: the waker sees the bit, or the worker sees the work.

use super::word::{Word, BITS};
use crate::sync::atomic::{fence, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;

/// How many words share a cache line.
const WORDS_OF_A_LINE: usize = 8;

pub(super) struct Words {
    lines: Box<[CachePadded<[Word; WORDS_OF_A_LINE]>]>,
    /// How many words are in use.
    words: usize,
    /// How many workers sleep or search, at least. With several words, it stands for all of them in one load.
    idle: CachePadded<AtomicUsize>,
}

impl Words {
    pub(super) fn new(workers: usize) -> Self {
        let words = workers.div_ceil(BITS);
        let line = |_| CachePadded::new(std::array::from_fn(|_| Word::new()));
        let lines = (0..words.div_ceil(WORDS_OF_A_LINE)).map(line).collect();
        Self { lines, words, idle: CachePadded::new(AtomicUsize::new(0)) }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &Word)> {
        self.lines.iter().flat_map(|line| line.iter()).take(self.words).enumerate()
    }

    fn word(&self, worker: usize) -> (&Word, usize) {
        let word = worker / BITS;
        (&self.lines[word / WORDS_OF_A_LINE][word % WORDS_OF_A_LINE], worker % BITS)
    }

    /// Whether all workers are active; false is a hint.
    #[inline]
    fn all_active(&self) -> bool {
        // Relaxed: the caller's fence comes before it.
        self.words > 1 && self.idle.load(Ordering::Relaxed) == 0
    }

    /// Says that a worker is about to sleep; returns whether it has taken OWED along. It must look once more.
    pub(super) fn sign(&self, worker: usize, searching: bool) -> bool {
        let (word, bit) = self.word(worker);
        if !searching && self.words > 1 {
            // Relaxed: the fence below comes next.
            self.idle.fetch_add(1, Ordering::Relaxed);
        }
        let takes = word.sign(bit, searching);
        // SeqCst: before the second look. Pairs with the fence of the wakers.
        fence(Ordering::SeqCst);
        takes
    }

    /// A worker that has signed stays awake; returns false if it was claimed: then it searches.
    pub(super) fn withdraw(&self, worker: usize) -> bool {
        let (word, bit) = self.word(worker);
        let was_asleep = word.withdraw(bit);
        if was_asleep {
            self.is_active_again();
        }
        was_asleep
    }

    pub(super) fn is_asleep(&self, worker: usize) -> bool {
        let (word, bit) = self.word(worker);
        word.is_asleep(bit)
    }

    /// A searcher found work, or ends; returns whether it has taken OWED along.
    pub(super) fn stop_searching(&self, worker: usize) -> bool {
        let takes = self.word(worker).0.stop_searching();
        self.is_active_again();
        takes
    }

    fn is_active_again(&self) {
        if self.words > 1 {
            // Relaxed: a waker that still counts this worker only reads the words as well.
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Claims the lowest sleeper, unless a worker searches: then the wake is owed.
    ///
    /// `owed`: the wake is one that was owed, and so the next one may be as well.
    #[inline]
    pub(super) fn wake_one(&self, owed: bool, is_closed: impl Fn() -> bool) -> Option<usize> {
        // SeqCst: between the work and the look at the words. Pairs with the fence of `sign`.
        fence(Ordering::SeqCst);
        if self.all_active() {
            return None;
        }
        'again: loop {
            let mut sleeper = None;
            for (number, word) in self.iter() {
                let seen = word.look();
                if seen.searchers() > 0 {
                    if word.owe(seen) {
                        return None;
                    }
                    continue 'again;
                }
                if sleeper.is_none() && seen.asleep() != 0 {
                    sleeper = Some((number, word, seen));
                }
            }
            let (number, word, seen) = sleeper?;
            if is_closed() {
                return None;
            }
            if let Some(bit) = word.claim(seen, owed) {
                return Some(number * BITS + bit);
            }
        }
    }

    /// Claims sleepers for so many pieces of work, less those that search already; calls `unpark` with each.
    pub(super) fn wake(&self, work: usize, unpark: impl FnMut(usize)) -> usize {
        // SeqCst: as in `wake_one`.
        fence(Ordering::SeqCst);
        if self.all_active() {
            return 0;
        }
        let mut searchers = 0;
        for (_, word) in self.iter() {
            let mut seen = word.look();
            // Some of them may go for other work: the last one passes the wake on.
            while seen.searchers() > 0 && !word.owe(seen) {
                seen = word.look();
            }
            searchers += seen.searchers();
        }
        self.claim_many(work.saturating_sub(searchers), unpark)
    }

    /// Claims this worker, if it sleeps.
    pub(super) fn claim_worker(&self, worker: usize) -> bool {
        // SeqCst: as in `wake_one`.
        fence(Ordering::SeqCst);
        let (word, bit) = self.word(worker);
        word.claim_worker(bit)
    }

    /// Claims all sleepers.
    pub(super) fn wake_all(&self, unpark: impl FnMut(usize)) {
        // SeqCst: between the end and the look at the words.
        fence(Ordering::SeqCst);
        self.claim_many(usize::MAX, unpark);
    }

    fn claim_many(&self, most: usize, mut unpark: impl FnMut(usize)) -> usize {
        let mut claimed = 0;
        for (number, word) in self.iter() {
            if claimed == most {
                break;
            }
            let mut bits = word.claim_many(most - claimed);
            while bits != 0 {
                claimed += 1;
                unpark(number * BITS + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        claimed
    }

    pub(super) fn asleep(&self) -> usize {
        self.iter().map(|(_, word)| word.look().asleep().count_ones() as usize).sum()
    }
}
