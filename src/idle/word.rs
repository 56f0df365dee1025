//! The words of the idle set: which workers sleep, how many search, and whether a searcher owes a wake.
//!
//! The *head* holds two counts and two flags. The other words hold one bit for each worker. A worker whose bit is set
//! sleeps, or looks for the last time before it does. A thread that clears the bit of another worker has *claimed* that worker.
//! One word more counts the claimed workers that look.
//!
//! | part of the head | meaning |
//! | --- | --- |
//! | idle | workers that sleep or search; a worker sets its bit before it is counted |
//! | searching | *searches*: claimed workers that have not finished their look, and callers that are choosing a worker |
//! | OWED | more work may wait than there are searches: a search that ends with work goes on to another worker, and the last one that finds nothing looks again |
//! | AGAIN | a search ended with work while others went on: the last one must look again if it finds nothing |
//!
//! | transition | by | head | bits, and then |
//! | --- | --- | --- | --- |
//! | `nobody_idle` | an announcement | read | fence before it |
//! | `request` | an announcement | idle is 0: nothing. Searches, and a claimed worker looks, or there are as many as idle workers, or three more than active workers, if there are any: set OWED. Else searching + 1 | `send` |
//! | `send` | the owner of a search | | clear the lowest bit: that worker has the search now |
//! | `send` finds no bit | the owner of a search | the last one, OWED: clear OWED and try again, which sets OWED again before it clears a bit. Else searching - 1 | |
//! | `request_more` | `wake` | searching + 1 | `send` |
//! | `claim` | `wake_worker`, `close` | bit clear: as `request`, but any search is enough. Else searching + 1 | clear a certain bit; `send` if it is gone by then |
//! | `sign` | a worker without work | after the bit. Busy: idle + 1. Searching: searching - 1, set OWED if others search; but the last one with a flag clears both and keeps its search | set the bit; fence after the head; clear the bit again if the search was kept |
//! | `retract` | a signed worker | idle - 1, if it was not claimed | clear its bit, if it is still set |
//! | `leave` | a searching worker with work | idle - 1; with OWED, or if it owes, it keeps its search. Else searching - 1, set AGAIN if others search | `send`, with the search that was kept |
//! | `pass_on` | a claimed worker that has not searched, or stops without work | idle - 1 | `send`, with its search |
//!
//! A worker that has cleared the flags in `sign` *owes* a search: `leave` and `pass_on` set OWED again.
//!
//! **Invariant.** There are at least as many searches as pieces of work that wait, or OWED is set, or a searching worker owes a
//! search. A flag is set only while a search is counted. `docs/idle.md` shows that each step keeps this, and how it gives the guarantee of the set.
//! In `request`, both choices keep it while searches go on, so the count of workers that look may be out of date.
//!
//! # Orderings
//!
//! Two `SeqCst` fences decide between an announcement and a worker that falls asleep: an announcement has one between
//! the work and its first read of the head, a worker has one between its step on the head and its last look. The fences
//! release and acquire too. Every change is a read-modify-write, so that each word is one release sequence. What needs no
//! more than that is Relaxed.
//!
//! The owner of a search must find the bit of every worker for which an announcement relied on that search. If such a
//! worker's fence came first, it was counted in the head when the announcement read it, so a later step of the owner on the
//! head reads that count or a later value. So `sign` sets the bit before it releases the count, and `send` acquires the head before it reads the bits.
//!
//! With several words, an owner may find the bit of a worker cleared that another owner has claimed meanwhile. It must then find
//! each bit that the other one could have claimed instead. So all read the words in one order, each owner acquires between two of
//! them, and claims release.
//!
//! Acquire stands where a worker learns from its bit that it was claimed: in `take_back` and `looks_if_claimed`. There is no
//! fence between that and its next look, which must see the work that it was claimed for. And the worker must see the
//! search counted before it counts it back. So the steps that clear the bit of another worker release, as the search was
//! counted before. Models cannot show the second reason: there, a read-modify-write always reads the newest value.

use crate::sync::atomic::{fence, AtomicUsize, Ordering};
use crate::sync::is_enough;
use crossbeam_utils::CachePadded;

/// Once workers are active, `wake_one` claims no more than this many more than are active. Without a limit, bursts of tasks
/// take longer; with a lower one, tasks that wait for each other begin later.
const MORE_THAN_ACTIVE: usize = 3;

/// How many words of bits lie on the cache line of the head: enough for 384 workers where a word has 64 bits.
const NEAR: usize = if cfg!(all(loom, feature = "loom")) { 0 } else { 6 };

/// How many workers a word has bits for.
#[cfg_attr(all(loom, feature = "loom"), allow(dead_code))]
pub(super) const BITS: usize = usize::BITS as usize;

/// One worker more in the low half of the head: it sleeps or searches.
const IDLE: usize = 1;
const IDLE_MASK: usize = SEARCH - 1;
/// One search more in the high half of the head, below the flags.
const SEARCH: usize = 1 << (usize::BITS / 2);
const SEARCH_MASK: usize = AGAIN - SEARCH;
const AGAIN: usize = 1 << (usize::BITS - 2);
const OWED: usize = 1 << (usize::BITS - 1);
const FLAGS: usize = OWED | AGAIN;

/// How many workers fit: each may have two searches for a moment, and the rest is for callers that are choosing a worker.
pub(super) const MAX_WORKERS: usize = (SEARCH_MASK / SEARCH) / 4;

pub(super) struct Word {
    near: CachePadded<Near>,
    far: Box<[AtomicUsize]>,
    workers: usize,
    words: usize,
    bits: usize,
}

struct Near {
    head: AtomicUsize,
    /// Claimed workers that have started to look, and have not found work nor signed since. It may be out of date.
    looking: AtomicUsize,
    words: [AtomicUsize; NEAR],
}

impl Word {
    /// No worker sleeps. `bits` of each word are used: all of them, but in models.
    pub(super) fn new(workers: usize, bits: usize) -> Self {
        let words = workers.div_ceil(bits);
        let near = Near {
            head: AtomicUsize::new(0),
            looking: AtomicUsize::new(0),
            words: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        let far = (NEAR..words).map(|_| AtomicUsize::new(0)).collect();
        Self { near: CachePadded::new(near), far, workers, words, bits }
    }

    #[inline]
    fn head(&self) -> &AtomicUsize {
        &self.near.head
    }

    fn word(&self, word: usize) -> &AtomicUsize {
        self.near.words.get(word).unwrap_or_else(|| &self.far[word - NEAR])
    }

    fn place(&self, index: usize) -> (&AtomicUsize, usize) {
        (self.word(index / self.bits), 1 << (index % self.bits))
    }

    /// Changes the head; returns what it was before.
    fn change(&self, change: impl Fn(usize) -> usize) -> usize {
        let mut head = self.head().load(Ordering::Relaxed); // may be stale
        loop {
            // Release: the bit that `sign` has set, for `send`.
            match self.head().compare_exchange_weak(head, change(head), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head,
                Err(newer) => head = newer,
            }
        }
    }

    /// The first step of an announcement: whether there is nobody to wake.
    #[inline]
    pub(super) fn nobody_idle(&self) -> bool {
        fence(Ordering::SeqCst); // between the work and the look at the head; pairs with that in `sign`
        self.head().load(Ordering::Relaxed) & IDLE_MASK == 0
    }

    /// Asks for a search, after `nobody_idle`, unless a claimed worker looks or enough are claimed; returns the worker to unpark.
    pub(super) fn request(&self) -> Option<usize> {
        self.request_unless(|head| {
            let idle = head & IDLE_MASK;
            let limit = match self.workers.saturating_sub(idle) {
                0 => idle,
                active => idle.min(active + MORE_THAN_ACTIVE),
            };
            // Relaxed: either answer is correct.
            is_enough((head & SEARCH_MASK) / SEARCH >= limit || self.near.looking.load(Ordering::Relaxed) > 0)
        })
    }

    /// Asks for a search, unless one goes on that is enough.
    fn request_unless(&self, enough: impl Fn(usize) -> bool) -> Option<usize> {
        let mut head = self.head().load(Ordering::Relaxed);
        loop {
            let searched = head & SEARCH_MASK != 0 && enough(head);
            let wanted = if searched { head | OWED } else { head + SEARCH };
            if head & IDLE_MASK == 0 || wanted == head {
                return None;
            }
            match self.head().compare_exchange_weak(head, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if searched => return None,
                Ok(_) => return self.send(),
                Err(newer) => head = newer,
            }
        }
    }

    /// Starts one more search, even if others go on; returns the worker to unpark.
    pub(super) fn request_more(&self) -> Option<usize> {
        self.head().fetch_add(SEARCH, Ordering::Relaxed);
        self.send()
    }

    /// Gives the caller's search to the sleeping worker with the lowest index, which the caller must unpark.
    ///
    /// If no worker sleeps, the search ends; for work that was announced meanwhile it looks for a sleeper once more.
    fn send(&self) -> Option<usize> {
        let mut owed = false;
        loop {
            // Acquire, of what the caller's last step on the head has read: the bits of all workers that it counts.
            fence(Ordering::Acquire);
            if let Some(index) = self.take_lowest(owed) {
                return Some(index);
            }
            let before = self.change(|head| if is_last_and_owes(head) { head & !OWED } else { without_search(head) });
            if !is_last_and_owes(before) {
                return None;
            }
            owed = true; // how many pieces of work it stands for is not known
        }
    }

    /// Clears the lowest bit that is set, by the owner of a search; first sets OWED if it is `owed`.
    fn take_lowest(&self, owed: bool) -> Option<usize> {
        for word in 0..self.words {
            if word > 0 {
                // Acquire, of what the words before have shown: the bits that other owners saw when they claimed there.
                fence(Ordering::Acquire);
            }
            let bits = self.word(word);
            let mut seen = bits.load(Ordering::Relaxed);
            while seen != 0 {
                if owed {
                    // Before the worker is claimed, as it may end the search at once.
                    self.head().fetch_or(OWED, Ordering::Relaxed);
                }
                // Release: the claimed worker must find its search in the head. Not seen by models.
                match bits.compare_exchange_weak(seen, seen & (seen - 1), Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return Some(word * self.bits + seen.trailing_zeros() as usize),
                    Err(newer) => seen = newer,
                }
            }
        }
        None
    }

    /// Claims this worker, after `nobody_idle`, and returns true; or asks for a search by another one.
    pub(super) fn claim(&self, index: usize) -> (bool, Option<usize>) {
        let (bits, bit) = self.place(index);
        if bits.load(Ordering::Relaxed) & bit == 0 {
            return (false, self.request_unless(|_| true));
        }
        // The search is counted before the claim, as the claimed worker may end it at once.
        self.head().fetch_add(SEARCH, Ordering::Relaxed);
        // Release: as in `take_lowest`. Not seen by models.
        if bits.fetch_and(!bit, Ordering::Release) & bit != 0 {
            return (true, None);
        }
        (false, self.send())
    }

    /// Claims each worker whose bit is set, once, and has each unparked. After a fence.
    pub(super) fn claim_all(&self, unpark: impl Fn(usize)) {
        for index in 0..self.words * self.bits {
            let (bits, bit) = self.place(index);
            if bits.load(Ordering::Relaxed) & bit != 0 {
                let (claimed, other) = self.claim(index);
                claimed.then_some(index).into_iter().chain(other).for_each(&unpark);
            }
        }
    }

    /// The worker is about to sleep, and must look once more. False: it was the last one that searched, so it must go on
    /// searching for what was announced or left meanwhile.
    pub(super) fn sign(&self, index: usize, searching: bool) -> bool {
        let goes_on = |head| searching && is_last(head) && head & FLAGS != 0;
        let (bits, bit) = self.place(index);
        bits.fetch_or(bit, Ordering::Relaxed);
        let before = self.change(|head| match searching {
            true if goes_on(head) => head & !FLAGS,
            true if is_last(head) => without_search(head),
            // One of the others may have found what this worker was claimed for, and leave its own work behind.
            true => without_search(head) | OWED,
            false => head + IDLE,
        });
        fence(Ordering::SeqCst); // between the head and the next look; pairs with that in `nobody_idle`
        if !goes_on(before) {
            if searching {
                self.ends_look();
            }
            return true;
        }
        if self.take_back(index) {
            // It was claimed meanwhile, so it has two searches.
            self.head().fetch_sub(SEARCH, Ordering::Relaxed);
        }
        false
    }

    /// Clears the worker's own bit; returns whether another thread did that, so that the worker was claimed.
    fn take_back(&self, index: usize) -> bool {
        let (bits, bit) = self.place(index);
        // Acquire: the next look must see the work that the worker was claimed for.
        bits.fetch_and(!bit, Ordering::Acquire) & bit == 0
    }

    /// Whether a signed worker was claimed. Then its search starts.
    pub(super) fn looks_if_claimed(&self, index: usize) -> bool {
        let (bits, bit) = self.place(index);
        // Acquire: the next look must see the work that the worker was claimed for.
        let claimed = bits.load(Ordering::Acquire) & bit == 0;
        if claimed {
            self.starts_look();
        }
        claimed
    }

    /// A signed worker does not sleep. Returns true if it was claimed; then its search starts.
    pub(super) fn retract(&self, index: usize) -> bool {
        let claimed = self.take_back(index);
        if claimed {
            self.starts_look();
        } else {
            self.head().fetch_sub(IDLE, Ordering::Relaxed);
        }
        claimed
    }

    fn starts_look(&self) {
        self.near.looking.fetch_add(1, Ordering::Relaxed);
    }

    fn ends_look(&self) {
        self.near.looking.fetch_sub(1, Ordering::Relaxed);
    }

    /// A searching worker has finished its look, and does not sleep; returns the worker to unpark.
    pub(super) fn leave(&self, owes: bool) -> Option<usize> {
        self.end_search(false, owes)
    }

    /// A claimed worker that has not searched, or stops without work, gives its search to another one; returns the worker to
    /// unpark.
    pub(super) fn pass_on(&self, owes: bool) -> Option<usize> {
        self.end_search(true, owes)
    }

    fn end_search(&self, always: bool, owes: bool) -> Option<usize> {
        let owed = if owes { OWED } else { 0 };
        let passes_on = |head| always || (head | owed) & OWED != 0;
        self.ends_look();
        let before = self.change(|head| match passes_on(head) {
            true => (head - IDLE) | owed,
            false if is_last(head) => without_search(head) - IDLE,
            // If the others find nothing, this worker may have taken what one of them was claimed for.
            false => (without_search(head) - IDLE) | AGAIN,
        });
        if passes_on(before) {
            self.send()
        } else {
            None
        }
    }

    /// Whether no worker is counted and no search, for models.
    #[cfg(all(loom, feature = "loom"))]
    pub(super) fn is_at_rest(&self) -> bool {
        self.head().load(Ordering::Relaxed) == 0 && self.near.looking.load(Ordering::Relaxed) == 0
    }

    /// How many bits are set at this moment: a hint.
    pub(super) fn asleep(&self) -> usize {
        (0..self.words).map(|word| self.word(word).load(Ordering::Relaxed).count_ones() as usize).sum()
    }
}

/// One search less, by its owner.
fn without_search(head: usize) -> usize {
    // Checked in models only: they may read a stale head if an ordering is missing.
    assert!(!cfg!(all(loom, feature = "loom")) || head & SEARCH_MASK != 0, "a search is not counted");
    (head - SEARCH) & if is_last(head) { !AGAIN } else { !0 }
}

fn is_last(head: usize) -> bool {
    head & SEARCH_MASK == SEARCH
}

fn is_last_and_owes(head: usize) -> bool {
    is_last(head) && head & OWED != 0
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "word_tests.rs"]
mod tests;
