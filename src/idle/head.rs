//! The head of an idle set: what it counts, in one number, and how each step of the protocol changes it.
//!
//! | part | meaning |
//! | --- | --- |
//! | idle | workers that sleep or search, and vacant places that an announcement may start |
//! | searches | *searches*: claimed workers that have not finished their look, and callers that are choosing a worker |
//! | debt | what the searches that go on owe: see [`Debt`] |
//! | audited | announcements go through the audit |
//! | closed | the set is closed |
//!
//! **Invariant.** The work that waits is at most as many pieces as there are searches, and pieces in the debt of the head, and
//! in the debts that workers hold. Without a search the debt is [`Debt::None`], but for a start that failed.
//! `docs/idle_protocol.md` shows that each step keeps this, and how the guarantee of the set follows.

use std::fmt;

/// How many bits each of the two counts has.
const COUNT: u32 = usize::BITS / 2 - 2;
const IDLE: usize = 1;
const SEARCH: usize = 1 << COUNT;
const DEBT: usize = 1 << (2 * COUNT);
const AUDITED: usize = 1 << (2 * COUNT + 2);
const CLOSED: usize = 1 << (2 * COUNT + 3);

/// How many workers fit: each may have two searches for a moment, and the rest is for callers that are choosing a worker.
pub(super) const MAX_WORKERS: usize = (SEARCH - 1) / 4;

/// For how many pieces of work no search is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Debt {
    None,
    /// None, but a search ended with work beside others. It may have taken what one of them was for, so the last of them must
    /// look again if it finds nothing.
    LookAgain,
    One,
    /// Any number.
    Many,
}

impl Debt {
    pub(super) fn and(self, other: Debt) -> Debt {
        match (self, other) {
            (Debt::One, Debt::One) => Debt::Many,
            _ => self.max(other),
        }
    }

    /// Whether a search that ends with work goes on to another worker.
    pub(super) fn is_owed(self) -> bool {
        self >= Debt::One
    }

    /// After a search for one of these pieces has begun.
    fn paid(self) -> Debt {
        match self {
            Debt::One => Debt::LookAgain,
            debt => debt,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(pub(super) usize);

impl Head {
    pub(super) const CLOSE: usize = CLOSED;

    /// The head of a set with so many vacant places that an announcement may start.
    pub(super) fn new(idle: usize, audited: bool) -> Self {
        Self((idle * IDLE) | if audited { AUDITED } else { 0 })
    }

    pub(super) fn idle(self) -> usize {
        self.0 % SEARCH
    }

    pub(super) fn searches(self) -> usize {
        self.0 / SEARCH % SEARCH
    }

    pub(super) fn debt(self) -> Debt {
        [Debt::None, Debt::LookAgain, Debt::One, Debt::Many][self.0 / DEBT % 4]
    }

    pub(super) fn is_audited(self) -> bool {
        self.0 & AUDITED != 0
    }

    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an announcement has nothing to do.
    #[inline]
    pub(super) fn is_quiet(self) -> bool {
        self.0 & ((SEARCH - IDLE) | AUDITED | CLOSED) == 0
    }

    fn is_last(self) -> bool {
        self.searches() == 1
    }

    fn with_debt(self, debt: Debt) -> Self {
        Self((self.0 & !(3 * DEBT)) | (debt as usize * DEBT))
    }

    pub(super) fn and_debt(self, debt: Debt) -> Self {
        self.with_debt(self.debt().and(debt))
    }

    pub(super) fn with_idle(self) -> Self {
        debug_assert!(self.idle() < SEARCH - 1, "{self:?}");
        Self(self.0 + IDLE)
    }

    pub(super) fn without_idle(self) -> Self {
        debug_assert!(self.idle() > 0, "{self:?}");
        Self(self.0 - IDLE)
    }

    pub(super) fn with_search(self) -> Self {
        debug_assert!(self.searches() < SEARCH - 1, "{self:?}");
        Self(self.0 + SEARCH)
    }

    /// A search ends; what the last one leaves is not owed any more.
    pub(super) fn without_search(self) -> Self {
        debug_assert!(self.searches() > 0, "{self:?}");
        let head = Self(self.0 - SEARCH);
        if self.is_last() {
            head.with_debt(Debt::None)
        } else {
            head
        }
    }

    /// One piece of work was announced, beside `own` searches that it must not rely on.
    pub(super) fn announced(self, own: usize) -> Self {
        if self.searches() > own {
            self.and_debt(Debt::One)
        } else {
            self.with_search()
        }
    }

    /// Whether the last search must look again instead of its end, and takes the debt.
    pub(super) fn looks_again(self) -> bool {
        self.is_last() && self.debt() != Debt::None
    }

    /// A search that holds `debt` has found nothing. If it looks again, it holds the debt of the head too.
    pub(super) fn found_nothing(self, debt: Debt) -> Self {
        if self.looks_again() {
            self.with_debt(Debt::None)
        } else if self.is_last() {
            self.without_search()
        } else {
            // One of the others may have found what this search was for, and leave its own work behind.
            self.without_search().and_debt(Debt::One.and(debt))
        }
    }

    /// A search that holds `debt` has found work.
    pub(super) fn found_work(self, debt: Debt) -> Self {
        let owed = self.debt().and(debt);
        if owed.is_owed() {
            self.without_idle().with_debt(owed.paid()) // the search goes on
        } else if self.is_last() {
            self.without_idle().without_search()
        } else {
            // If the others find nothing, this search may have taken what one of them was for.
            self.without_idle().without_search().with_debt(Debt::LookAgain)
        }
    }

    /// Whether the last search must read the bits again, as work was announced meanwhile, and takes the debt.
    pub(super) fn reads_again(self) -> bool {
        self.is_last() && self.debt().is_owed()
    }

    /// A search has found no worker to wake; `failed` is what it leaves to the next one.
    pub(super) fn found_nobody(self, failed: Debt) -> Self {
        if self.reads_again() {
            self.with_debt(Debt::None)
        } else {
            self.without_search().and_debt(failed)
        }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("idle", &self.idle())
            .field("searches", &self.searches())
            .field("debt", &self.debt())
            .field("audited", &self.is_audited())
            .field("closed", &self.is_closed())
            .finish()
    }
}
