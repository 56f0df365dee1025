//! The roster of an idle set: which workers sleep, how many search, and what the searches owe.
//!
//! It is one [`Head`], and for each worker two bits, in rows of places. A worker whose *asleep* bit is set sleeps, or looks for
//! the last time before it does. A place whose *vacant* bit is set has no worker; in a set that grows, an announcement may start
//! one there. A thread that clears the bit of another worker, or of a vacant place, has *claimed* it.
//!
//! | step | by | head | bits, and then |
//! | --- | --- | --- | --- |
//! | [`is_quiet`](Roster::is_quiet) | an announcement | read | fence before it |
//! | [`announce`](Roster::announce) | `wake_one` | idle is 0: nothing. Searches: debt + 1. Else searches + 1 | `pass` |
//! | [`add_search`](Roster::add_search) | `wake` | searches + 1 | `pass` |
//! | [`claim`](Roster::claim) | `wake_worker`, `close` | neither bit is set: as `announce`. Else searches + 1 | clear the bit; `pass` if it is gone by then |
//! | [`pass`](Roster::pass) | the owner of a search | | clear the first asleep bit (see [`choose`](Roster::choose)), or else the first vacant bit: its worker has the search now |
//! | `pass` finds no bit | the owner of a search | the last search, with a debt: take the debt, and read the bits again. Else searches - 1 | give the debt back before a bit is cleared |
//! | [`sign`](Roster::sign) | a worker without work | after the bit: idle + 1 | set the asleep bit; fence after the head |
//! | [`end_search`](Roster::end_search) | a searching worker without work | after the bit: searches - 1, debt + 1 if others search. The last search, with a debt: take the debt, and keep the search | set the asleep bit; fence after the head; clear the bit again if the search was kept |
//! | [`retract`](Roster::retract) | a signed worker | idle - 1, if it was not claimed | clear the asleep bit, if it is still set |
//! | [`leave`](Roster::leave) | a searching worker with work | idle - 1. A debt: pay one piece, and keep the search. Else searches - 1, and the others must look again | `pass`, with the search that was kept |
//! | [`stop`](Roster::stop) | a searching worker that stops without work, or with work from before it was claimed | idle - 1 | `pass` |
//! | [`give_up`](Roster::give_up) | a signed worker that was idle for long | | exchange the asleep bit for the vacant bit |
//! | [`vacate`](Roster::vacate) | a worker that is dropped | idle + 1, in a set that grows | set the vacant bit |
//! | [`enter`](Roster::enter) | a thread that takes a vacant place | idle - 1, in a set that grows | clear the vacant bit |
//! | [`fail_start`](Roster::fail_start) | a started worker that did not run | at the end: debt + 1 | set the vacant bit; `pass`, to sleepers only |
//!
//! # Orderings
//!
//! Two `SeqCst` fences decide between an announcement and a worker that falls asleep: an announcement has one between
//! the work and its first read of the head, a worker has one between its step on the head and its last look. The fences
//! release and acquire too. Every change is a read-modify-write, so that the head and each row is one release sequence. What
//! needs no more than that is Relaxed.
//!
//! The owner of a search must find the bit of every worker for which an announcement relied on that search. If such a
//! worker's fence came first, it was counted in the head when the announcement read it, so a later step of the owner on the
//! head reads that count or a later value. So a worker sets its bit before it releases the count, and `pass` acquires the head
//! before it reads each row. `give_up` needs no count: the place stays claimable, as one exchange moves its bit.
//!
//! With several rows, an owner may find a bit cleared that another owner has claimed meanwhile. It must then find each bit that
//! the other one could have claimed instead. So all read the bits in one order, all asleep bits before all vacant bits, each owner
//! acquires between two rows, and claims release.
//!
//! Acquire stands where a worker learns from its bit that it was claimed. In `take_back`, as there is no fence between that and the
//! last look, which must see the work that the worker was claimed for. And in `was_claimed` too, as the worker must see the
//! search counted before it counts it back. So the steps that clear the bit of another worker release, as the search was
//! counted before. Models cannot show the second reason: there, a read-modify-write always reads the newest value.
//!
//! `close` releases and `is_closed` acquires: a worker that reads it before its last look finds in that look what was visible
//! before `close`. `close` also acquires, and then reads the bits: it changes the head as a worker that signs does, so one of the two
//! comes first, and sees the other.

use super::head::{Debt, Head};
use crate::driver::Polled;
use crate::sync::atomic::{fence, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::sync::Arc;

/// How many places a row has: one bit each in the lower and in the upper half of a number.
#[cfg(not(all(loom, feature = "loom")))]
const PLACES: usize = HALF as usize;
const HALF: u32 = usize::BITS / 2;
const LOWER: usize = (1 << HALF) - 1;

/// How many rows lie on the cache line of the head: enough for 224 workers on 64-bit systems.
const NEAR: usize = if cfg!(all(loom, feature = "loom")) { 0 } else { 7 };

pub(super) struct Roster {
    near: CachePadded<Near>,
    far: Box<[AtomicUsize]>,
    rows: usize,
    /// Whether an announcement may start a worker in a vacant place. Such places count as idle.
    grows: bool,
    /// For workers that share an event loop.
    polled: Option<Arc<Polled>>,
    #[cfg(all(loom, feature = "loom"))]
    places: usize,
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

/// A worker that announces within its own look, which shall not make that worker look again.
#[derive(Clone, Copy)]
pub(super) struct Announcer {
    pub(super) index: usize,
    pub(super) searches: bool,
}

/// To whom a search may be passed.
#[derive(Clone, Copy)]
struct Search {
    /// Not to this worker.
    besides: Option<usize>,
    /// Only to sleepers, as a start has failed.
    failed: bool,
}

impl Roster {
    /// No worker sleeps. The places of a set that grows are vacant.
    pub(super) fn new(places: usize, grows: bool, audited: bool, polled: Option<Arc<Polled>>) -> Self {
        #[cfg(all(loom, feature = "loom"))]
        let in_row = super::model::places_in_row();
        #[cfg(not(all(loom, feature = "loom")))]
        let in_row = PLACES;
        let row = |row: usize| {
            let vacant = if grows { places.saturating_sub(row * in_row).min(in_row) } else { 0 };
            AtomicUsize::new(((1 << vacant) - 1) << HALF)
        };
        let head = Head::new(if grows { places } else { 0 }, audited);
        let near = Near { head: AtomicUsize::new(head.0), rows: std::array::from_fn(row) };
        let rows = places.div_ceil(in_row);
        Self {
            near: CachePadded::new(near),
            far: (NEAR..rows).map(row).collect(),
            rows,
            grows,
            polled,
            #[cfg(all(loom, feature = "loom"))]
            places: in_row,
        }
    }

    #[cfg(all(loom, feature = "loom"))]
    fn places_in_row(&self) -> usize {
        self.places
    }

    #[cfg(not(all(loom, feature = "loom")))]
    fn places_in_row(&self) -> usize {
        PLACES
    }

    fn row(&self, row: usize) -> &AtomicUsize {
        self.near.rows.get(row).unwrap_or_else(|| &self.far[row - NEAR])
    }

    /// The row of a place, and its asleep bit there.
    fn place(&self, index: usize) -> (&AtomicUsize, usize) {
        (self.row(index / self.places_in_row()), 1 << (index % self.places_in_row()))
    }

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
            // Release: the bit that was set before, for `pass`.
            let exchange = (Ordering::Release, Ordering::Relaxed);
            match self.near.head.compare_exchange_weak(head.0, changed.0, exchange.0, exchange.1) {
                Ok(_) => return Ok(head),
                Err(newer) => head = Head(newer),
            }
        }
        Err(head)
    }

    /// The first step of an announcement: whether there is nothing more to do.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        fence(Ordering::SeqCst); // between the work and the look at the head; pairs with that in `sign` and `end_search`
        self.head().is_quiet()
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

    /// Asks for a search for one piece of work, after `is_quiet`.
    pub(super) fn announce(&self, by: Option<Announcer>) -> Request {
        let own = usize::from(by.is_some_and(|by| by.searches));
        let before = self.change_if(|head| {
            let changed = head.announced(own);
            (head.idle() > usize::from(by.is_some()) && changed != head).then_some(changed)
        });
        match before {
            Err(head) if head.searches() <= own || head.idle() == 0 => Request::NoneAsleep,
            Ok(head) if head.searches() <= own => self.pass_besides(by).into(),
            Ok(_) | Err(_) => Request::Searching,
        }
    }

    /// Starts one more search, also if others go on.
    pub(super) fn add_search(&self, by: Option<Announcer>) -> Option<Claimed> {
        self.change(Head::with_search);
        self.pass_besides(by)
    }

    fn pass_besides(&self, by: Option<Announcer>) -> Option<Claimed> {
        self.pass(Search { besides: by.map(|by| by.index), failed: false })
    }

    /// Gives the caller's search to the first worker that sleeps, or else to a vacant place.
    ///
    /// If there is none, the search ends; for work that was announced meanwhile it reads the bits once more.
    fn pass(&self, search: Search) -> Option<Claimed> {
        let mut taken = Debt::None;
        loop {
            if let Some(claimed) = self.claim_first(search, &mut taken) {
                return Some(claimed);
            }
            let failed = if search.failed { Debt::One.and(taken) } else { Debt::None };
            let before = self.change(|head| head.found_nobody(failed));
            if !before.reads_again() {
                return None;
            }
            taken = taken.and(before.debt());
        }
    }

    /// Clears the first bit that is set, by the owner of a search; first gives back the debt that it has taken.
    fn claim_first(&self, search: Search, taken: &mut Debt) -> Option<Claimed> {
        let last = if self.grows && !search.failed { HALF } else { 0 };
        for shift in [0, last].into_iter().take(1 + usize::from(last > 0)) {
            for row in 0..self.rows {
                // Acquire, of what the caller's last step on the head has read: the bits of all workers that it counts. And of what the
                // rows before have shown: the bits that other owners saw when they claimed there.
                fence(Ordering::Acquire);
                let bits = self.row(row);
                let first = row * self.places_in_row();
                let besides = search.besides.filter(|index| index / self.places_in_row() == row);
                let besides = besides.map_or(0, |index| 1 << (index - first));
                let mut seen = bits.load(Ordering::Relaxed);
                loop {
                    let candidates = (seen >> shift) & LOWER & !besides;
                    if candidates == 0 {
                        break;
                    }
                    if *taken != Debt::None {
                        // Before the worker is claimed, as it may end the search at once.
                        let debt = std::mem::replace(taken, Debt::None);
                        self.change(|head| head.and_debt(debt));
                    }
                    let place = self.choose(candidates, first);
                    let rest = seen & !(1 << (shift + place));
                    // Release: the claimed worker must find its search in the head. Not seen by models.
                    match bits.compare_exchange_weak(seen, rest, Ordering::Release, Ordering::Relaxed) {
                        Ok(_) if shift == 0 => return Some(Claimed::Sleeper(first + place as usize)),
                        Ok(_) => return Some(Claimed::Vacant(first + place as usize)),
                        Err(newer) => seen = newer,
                    }
                }
            }
        }
        None
    }

    /// Which of the candidates in a row is claimed: the lowest.
    ///
    /// But a worker that delivers events comes first, as it is awake, and one that waits in the event loop comes last, as another
    /// one would have to take its place there. A hint, and among the places of one row: all owners of a search read the rows in one order.
    fn choose(&self, candidates: usize, first: usize) -> u32 {
        let lowest = candidates.trailing_zeros();
        let Some(polling) = self.polled.as_ref().and_then(|polled| polled.polling()) else { return lowest };
        let place = polling.index.checked_sub(first).filter(|&place| place < self.places_in_row());
        let polls = place.map_or(0, |place| candidates & 1 << place);
        let others = candidates & !polls;
        match polls {
            0 => lowest,
            _ if polling.delivers || others == 0 => polls.trailing_zeros(),
            _ => others.trailing_zeros(),
        }
    }

    /// What the set sees of the driver that its workers share.
    pub(super) fn polled(&self) -> Option<&Polled> {
        self.polled.as_deref()
    }

    /// Claims this worker, after `is_quiet`. False: it is awake, and another one may have been asked for a search.
    pub(super) fn claim(&self, index: usize, by: Option<Announcer>) -> (bool, Request) {
        let (bits, asleep) = self.place(index);
        let mask = if self.grows { asleep | (asleep << HALF) } else { asleep };
        if by.is_some_and(|by| by.index == index) || bits.load(Ordering::Relaxed) & mask == 0 {
            return (false, self.announce(by));
        }
        // The search is counted before the claim, as the claimed worker may end it at once.
        self.change(Head::with_search);
        // Release: as in `claim_first`. Not seen by models.
        let before = bits.fetch_and(!mask, Ordering::Release);
        if before & asleep != 0 {
            (true, Request::Claimed(Claimed::Sleeper(index)))
        } else if before & mask != 0 {
            (true, Request::Claimed(Claimed::Vacant(index)))
        } else {
            (false, self.pass_besides(by).into())
        }
    }

    /// The worker is about to sleep, and must look once more.
    pub(super) fn sign(&self, index: usize) {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep, Ordering::Relaxed);
        self.change(Head::with_idle);
        fence(Ordering::SeqCst); // between the head and the next look; pairs with that in `is_quiet`
    }

    /// The same, for a worker whose search, which holds `debt`, has found nothing. Returns a debt if it had the last search, and
    /// must go on searching for what was announced or left meanwhile.
    pub(super) fn end_search(&self, index: usize, debt: Debt) -> Option<Debt> {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep, Ordering::Relaxed);
        let before = self.change(|head| head.found_nothing(debt));
        fence(Ordering::SeqCst); // between the head and the next look; pairs with that in `is_quiet`
        if !before.looks_again() {
            return None;
        }
        let mut held = before.debt().and(debt);
        if self.take_back(index) {
            // It was claimed meanwhile, so it has two searches. The piece of work that the second one is for is owed from now on.
            self.change(Head::without_search);
            held = held.and(Debt::One);
        }
        Some(held)
    }

    /// Clears the worker's own bit; returns whether another thread did that, so that the worker was claimed.
    fn take_back(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        // Acquire: the next look must see the work that the worker was claimed for.
        bits.fetch_and(!asleep, Ordering::Acquire) & asleep == 0
    }

    /// Whether a signed worker was claimed. Then it has a search.
    pub(super) fn was_claimed(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        // Acquire: the worker's search was counted before its bit was cleared, and it counts it back. (If its next look does not
        // see the work yet, the one after the fence of `end_search` does.) Not seen by models.
        bits.load(Ordering::Acquire) & asleep == 0
    }

    /// A signed worker does not sleep. Returns true if it was claimed; then it has a search.
    pub(super) fn retract(&self, index: usize) -> bool {
        let claimed = self.take_back(index);
        if !claimed {
            self.change(Head::without_idle);
        }
        claimed
    }

    /// A searching worker has found work.
    pub(super) fn leave(&self, debt: Debt) -> Option<Claimed> {
        let before = self.change(|head| head.found_work(debt));
        if before.debt().and(debt).is_owed() {
            self.pass_besides(None)
        } else {
            None
        }
    }

    /// A claimed worker that has not searched, or stops without work, gives its search to another one.
    pub(super) fn stop(&self, debt: Debt) -> Option<Claimed> {
        self.change(|head| head.without_idle().and_debt(debt));
        self.pass_besides(None)
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

    /// A started worker was dropped before it ran: its place is vacant again, and its search goes to a sleeper, or is owed by the
    /// next one.
    pub(super) fn fail_start(&self, index: usize) -> Option<Claimed> {
        let (bits, asleep) = self.place(index);
        bits.fetch_or(asleep << HALF, Ordering::Relaxed);
        self.pass(Search { besides: None, failed: true })
    }

    /// Whether the asleep bit of this worker is set at this moment.
    pub(super) fn is_asleep(&self, index: usize) -> bool {
        let (bits, asleep) = self.place(index);
        bits.load(Ordering::Relaxed) & asleep != 0
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
        let asleep = (0..self.rows * self.places_in_row()).filter(|&index| self.is_asleep(index));
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
