//! The roster of an idle set: the steps of its protocol.
//!
//! It is one [`Head`], and two bits for each place, in rows: *asleep* for a worker that sleeps or is about to, *vacant* for a place
//! without a worker. A thread that clears a bit of another worker has claimed it.
//!
//! `docs/idle_protocol.md` has the steps in their order, named as these methods, and shows why no wake-up is lost.
//!
//! # Orderings
//!
//! The page shows what the `SeqCst` fences are for, and how the owner of a search sees the bits of all workers that it must see: a
//! step on the head releases the bit that was set before, a claim releases, and the owner acquires before it reads each row.
//! Each change is a read-modify-write, so that the head and each row is one release sequence.
//!
//! A worker acquires when it reads that a claim has cleared its bit: its next look must see the work that it was claimed for, which
//! the caller's fence releases, and its next step on the head must find its search, which the claim releases. (No model can show the
//! latter: there, a read-modify-write always reads the newest value.)
//!
//! `close` releases and `is_closed` acquires: a worker that reads it before its last look finds in that look what was visible before
//! `close`. What needs none of this is Relaxed.

use super::head::{Debt, Head};
use super::model::{InRow, NEAR};
use crate::driver::Polled;
use crate::sync::atomic::{fence, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::sync::Arc;

/// The asleep bits are the lower half of a row, the vacant bits the upper half.
pub(super) const HALF: u32 = usize::BITS / 2;
const LOWER: usize = (1 << HALF) - 1;

pub(super) struct Roster {
    near: CachePadded<Near>,
    far: Box<[AtomicUsize]>,
    rows: usize,
    in_row: InRow,
    /// Whether an announcement may start a worker in a vacant place. Such places count as idle.
    grows: bool,
    /// For workers that share an event loop.
    polled: Option<Arc<Polled>>,
}

struct Near {
    head: AtomicUsize,
    rows: [AtomicUsize; NEAR],
}

/// What a search was passed to: the caller must unpark or start that worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claimed {
    Sleeper(usize),
    Vacant(usize),
}

/// What [`Roster::announce`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    Claimed(Claimed),
    /// A search that goes on is enough.
    Searching,
    NoneAsleep,
}

impl From<Option<Claimed>> for Request {
    fn from(claimed: Option<Claimed>) -> Self {
        claimed.map_or(Request::NoneAsleep, Request::Claimed)
    }
}

/// A worker that announces within its own look, for other workers only: not for its own bit, and not for its own search.
#[derive(Clone, Copy)]
pub(super) struct Announcer {
    pub(super) index: usize,
    pub(super) searches: bool,
}

/// How many searches an announcement must not rely on.
fn own_searches(by: Option<Announcer>) -> usize {
    usize::from(by.is_some_and(|by| by.searches))
}

/// To which places a search may be passed.
#[derive(Clone, Copy)]
enum To {
    All,
    /// All but this one.
    Others(usize),
    /// Those of sleepers, as a start has failed.
    Sleepers,
}

impl From<Option<Announcer>> for To {
    fn from(by: Option<Announcer>) -> Self {
        by.map_or(To::All, |by| To::Others(by.index))
    }
}

impl Roster {
    /// No worker sleeps. The places of a set that grows are vacant.
    pub(super) fn new(places: usize, grows: bool, audited: bool, polled: Option<Arc<Polled>>) -> Self {
        let in_row = InRow::new();
        let row = |row: usize| {
            let vacant = if grows { places.saturating_sub(row * in_row.places()).min(in_row.places()) } else { 0 };
            AtomicUsize::new(((1 << vacant) - 1) << HALF)
        };
        let head = Head::new(if grows { places } else { 0 }, audited);
        let near = Near { head: AtomicUsize::new(head.0), rows: std::array::from_fn(row) };
        let rows = places.div_ceil(in_row.places());
        Self { near: CachePadded::new(near), far: (NEAR..rows).map(row).collect(), rows, in_row, grows, polled }
    }

    fn row(&self, row: usize) -> &AtomicUsize {
        self.near.rows.get(row).unwrap_or_else(|| &self.far[row - NEAR])
    }

    /// The row of a place, and its asleep bit there.
    fn place(&self, index: usize) -> (&AtomicUsize, usize) {
        (self.row(index / self.in_row.places()), 1 << (index % self.in_row.places()))
    }

    #[inline]
    pub(super) fn head(&self) -> Head {
        Head(self.near.head.load(Ordering::Relaxed))
    }

    /// Changes the head; returns what it was before.
    fn change(&self, change: impl Fn(Head) -> Head) -> Head {
        self.change_if(|head| Some(change(head))).unwrap_or_else(|head| head)
    }

    /// The same, unless there is no change; then it returns the head as an error.
    fn change_if(&self, change: impl Fn(Head) -> Option<Head>) -> Result<Head, Head> {
        let mut head = self.head(); // may be stale
        while let Some(changed) = change(head) {
            debug_assert!(changed.is_sound(self.rows * self.in_row.places(), self.grows), "{head:?}, then {changed:?}");
            // Release: the bit that was set before, for `claim_first`.
            let exchange = (Ordering::Release, Ordering::Relaxed);
            match self.near.head.compare_exchange_weak(head.0, changed.0, exchange.0, exchange.1) {
                Ok(_) => return Ok(head),
                Err(newer) => head = Head(newer),
            }
        }
        Err(head)
    }

    /// The first steps of an announcement: whether these are all.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        fence(Ordering::SeqCst); // between the work and the look at the head; pairs with that in `sign`
        self.head().is_quiet()
    }

    /// After `is_quiet`: whether `announce` would change nothing, and there is nothing else to do.
    #[inline]
    pub(super) fn owes_enough(&self, by: Option<Announcer>) -> bool {
        self.polled.is_none() && self.head().owes_enough(own_searches(by))
    }

    /// Asks for a search for one piece of work, after `is_quiet`.
    pub(super) fn announce(&self, by: Option<Announcer>) -> Request {
        let own = own_searches(by);
        let before = self.change_if(|head| {
            let changed = head.announced(own);
            (head.idle() > 0 && changed != head).then_some(changed)
        });
        match before {
            Ok(head) if head.searches() <= own => self.pass(by.into()).into(), // the search that was counted
            Err(head) if head.searches() <= own || head.idle() == 0 => Request::NoneAsleep,
            Ok(_) | Err(_) => Request::Searching, // it owes a piece more, or many already
        }
    }

    /// Counts a search and passes it, also if others go on.
    pub(super) fn add_search(&self, by: Option<Announcer>) -> Option<Claimed> {
        self.change(Head::with_search);
        self.pass(by.into())
    }

    /// Claims this place, after `is_quiet`. False: its worker is awake, and another one may have been asked for a search.
    pub(super) fn claim(&self, index: usize, by: Option<Announcer>) -> (bool, Request) {
        let (bits, asleep) = self.place(index);
        let mask = if self.grows { asleep | (asleep << HALF) } else { asleep };
        if by.is_some_and(|by| by.index == index) || bits.load(Ordering::Relaxed) & mask == 0 {
            return (false, self.announce(by));
        }
        // Before the claim, as the claimed worker may end its search at once.
        self.change(Head::with_search);
        // Release: the claimed worker must find its search in the head. Not seen by models.
        let before = bits.fetch_and(!mask, Ordering::Release);
        if before & asleep != 0 {
            (true, Request::Claimed(Claimed::Sleeper(index)))
        } else if before & mask != 0 {
            (true, Request::Claimed(Claimed::Vacant(index)))
        } else {
            (false, self.pass(by.into()).into())
        }
    }

    /// Gives the caller's search to the first worker that sleeps, or else to a vacant place; ends it if there is none.
    fn pass(&self, mut to: To) -> Option<Claimed> {
        let mut taken = Debt::None;
        loop {
            if let Some(claimed) = self.claim_first(to, &mut taken) {
                return Some(claimed);
            }
            // No worker sleeps, so each one looks for what was taken. But work that a start has failed for waits for a search.
            let left = if let To::Sleepers = to { Debt::One.plus(taken) } else { Debt::None };
            let before = self.change(|head| head.found_no_bit(left));
            if !before.reads_again() {
                return None;
            }
            taken = taken.plus(before.debt());
            if let To::Others(_) = to {
                to = To::All; // for what another caller has announced
            }
        }
    }

    /// Clears the first bit that is set; before that, gives back the debt that was taken.
    fn claim_first(&self, to: To, taken: &mut Debt) -> Option<Claimed> {
        let halves: &[u32] = if self.grows && !matches!(to, To::Sleepers) { &[0, HALF] } else { &[0] };
        for &half in halves {
            // All owners of a search read the rows in this order.
            for row in 0..self.rows {
                // Acquire: the bits of all workers that the head counted at the caller's last step, and those that other owners saw
                // when they claimed in the rows before.
                fence(Ordering::Acquire);
                if let Some(index) = self.clear_first(row, half, to, taken) {
                    return Some(if half == 0 { Claimed::Sleeper(index) } else { Claimed::Vacant(index) });
                }
            }
        }
        None
    }

    /// The same in one half of a row; returns the index of the place.
    fn clear_first(&self, row: usize, half: u32, to: To, taken: &mut Debt) -> Option<usize> {
        let (bits, first) = (self.row(row), row * self.in_row.places());
        let besides = match to {
            To::Others(index) if index / self.in_row.places() == row => 1 << (index - first),
            _ => 0,
        };
        let mut seen = bits.load(Ordering::Relaxed);
        loop {
            let candidates = (seen >> half) & LOWER & !besides;
            if candidates == 0 {
                return None;
            }
            if *taken != Debt::None {
                // Before the claim, as the claimed worker may end its search at once.
                let debt = std::mem::replace(taken, Debt::None);
                self.change(|head| head.plus_debt(debt));
            }
            let place = self.choose(candidates, first);
            let rest = seen & !(1 << (half + place));
            // Release: as in `claim`; and the bits of the later rows, for other owners. Not seen by models.
            match bits.compare_exchange_weak(seen, rest, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(first + place as usize),
                Err(newer) => seen = newer,
            }
        }
    }

    /// Which of the candidates in a row is claimed: the lowest.
    ///
    /// But a worker that delivers events comes first, as it is awake, and one that waits in the event loop comes last, as another
    /// one would have to take its place there. This is a hint.
    fn choose(&self, candidates: usize, first: usize) -> u32 {
        let lowest = candidates.trailing_zeros();
        let Some(polling) = self.polled.as_ref().and_then(|polled| polled.polling()) else { return lowest };
        let place = polling.index.checked_sub(first).filter(|&place| place < self.in_row.places());
        let polls = place.map_or(0, |place| candidates & 1 << place);
        let others = candidates & !polls;
        match polls {
            0 => lowest,
            _ if polling.delivers || others == 0 => polls.trailing_zeros(),
            _ => others.trailing_zeros(),
        }
    }

    /// A worker is about to sleep, and must look once more. A worker that searches has found nothing, and holds the debt `search`.
    ///
    /// Returns what it holds from now on if it has to search on: it had the last search, and there was a debt.
    pub(super) fn sign(&self, index: usize, search: Option<Debt>) -> Option<Debt> {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep, Ordering::Relaxed);
        let before = self.change(|head| match search {
            None => head.with_idle(),
            Some(debt) => head.found_nothing(debt),
        });
        fence(Ordering::SeqCst); // between the head and the next look; pairs with that in `is_quiet`
        let held = search.filter(|_| before.looks_again())?.plus(before.debt());
        if !self.take_back(index) {
            return Some(held);
        }
        // It was claimed meanwhile, so it has two searches.
        self.change(Head::without_search);
        Some(held.plus(Debt::One))
    }

    /// Whether a signed worker was claimed. Then it searches.
    pub(super) fn was_claimed(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        // Acquire: the worker finds its search in the head. (If its next look does not see the work yet, the one after `sign` does.)
        // Not seen by models.
        bits.load(Ordering::Acquire) & asleep == 0
    }

    /// A signed worker does not sleep. Returns whether it was claimed; then it searches.
    pub(super) fn retract(&self, index: usize) -> bool {
        let claimed = self.take_back(index);
        if !claimed {
            self.change(Head::without_idle);
        }
        claimed
    }

    /// Clears the worker's own bit; returns whether a claim has done that.
    fn take_back(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        // Acquire: the next look must see the work that the worker was claimed for.
        bits.fetch_and(!asleep, Ordering::Acquire) & asleep == 0
    }

    /// A searching worker that holds `debt` has found work.
    pub(super) fn leave(&self, debt: Debt) -> Option<Claimed> {
        let before = self.change(|head| head.found_work(debt));
        if before.debt().plus(debt).is_owed() {
            self.pass(To::All)
        } else {
            None
        }
    }

    /// A searching worker that holds `debt` does something else: its search goes to another one.
    pub(super) fn stop(&self, debt: Debt) -> Option<Claimed> {
        self.change(|head| head.without_idle().plus_debt(debt));
        self.pass(To::All)
    }

    /// A signed worker leaves its place vacant; false if it was claimed instead.
    pub(super) fn give_up(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        let mut seen = bits.load(Ordering::Relaxed);
        while seen & asleep != 0 {
            // Relaxed: the place stays claimable, and a lock guards its parker.
            let vacant = seen & !asleep | (asleep << HALF);
            match bits.compare_exchange_weak(seen, vacant, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
        false
    }

    /// A worker that does not sleep leaves its place.
    pub(super) fn vacate(&self, index: usize) {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep << HALF, Ordering::Relaxed);
        if self.grows {
            self.change(Head::with_idle);
        }
    }

    /// Takes this place, if it is vacant, for a worker that does not sleep.
    pub(super) fn enter(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        let vacant = asleep << HALF;
        // Relaxed: a lock guards the parker of the place.
        let entered = bits.fetch_and(!vacant, Ordering::Relaxed) & vacant != 0;
        if entered && self.grows {
            self.change(Head::without_idle);
        }
        entered
    }

    /// A started worker was dropped before it ran: its place is vacant again, and its search goes to a sleeper, or leaves a debt.
    pub(super) fn fail_start(&self, index: usize) -> Option<Claimed> {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep << HALF, Ordering::Relaxed);
        self.pass(To::Sleepers)
    }

    pub(super) fn close(&self) {
        // Release: see `is_closed`. Acquire: the bit of each worker that was counted before; one that signs later reads the flag
        // before its last look, as it has changed the head after this.
        self.near.head.fetch_or(Head::CLOSE, Ordering::AcqRel);
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: a worker that ends by it must see, in its last look, the work from before `close`.
        Head(self.near.head.load(Ordering::Acquire)).is_closed()
    }

    /// What the set sees of the driver that its workers share.
    pub(super) fn polled(&self) -> Option<&Polled> {
        self.polled.as_deref()
    }

    /// Whether the asleep bit of this worker is set at this moment.
    pub(super) fn is_asleep(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        bits.load(Ordering::Relaxed) & asleep != 0
    }

    /// Whether the vacant bit of this place is set at this moment.
    pub(super) fn is_vacant(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        bits.load(Ordering::Relaxed) & (asleep << HALF) != 0
    }

    /// How many asleep bits are set at this moment: a hint.
    pub(super) fn asleep(&self) -> usize {
        self.count(|row| row & LOWER)
    }

    /// How many vacant bits are set at this moment: a hint.
    pub(super) fn vacant(&self) -> usize {
        self.count(|row| row >> HALF)
    }

    fn count(&self, half: impl Fn(usize) -> usize) -> usize {
        (0..self.rows).map(|row| half(self.row(row).load(Ordering::Relaxed)).count_ones() as usize).sum()
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asleep = (0..self.rows * self.in_row.places()).filter(|&index| self.is_asleep(index));
        f.debug_struct("Roster")
            .field("head", &self.head())
            .field("asleep", &asleep.collect::<Vec<_>>())
            .field("vacant", &self.vacant())
            .finish()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "roster_tests.rs"]
mod tests;
