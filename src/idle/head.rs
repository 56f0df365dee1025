//! The head of an idle set: two counts and a debt in one number, and what each step of the protocol makes of them.
//!
//! `docs/idle_protocol.md` says what they mean, and has the invariant that each step keeps. Two more bits say that announcements go
//! through the audit, and that the set is closed.

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

/// For how many pieces of announced work no search is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Debt {
    None,
    /// None, but the last search looks again if it finds nothing: one that ended with work may have taken what another was for.
    LookAgain,
    One,
    /// Any number.
    Many,
}

impl Debt {
    pub(super) fn plus(self, other: Debt) -> Debt {
        match (self, other) {
            (Debt::One, Debt::One) => Debt::Many,
            _ => self.max(other),
        }
    }

    /// Whether a search that finds work goes on to another worker.
    pub(super) fn is_owed(self) -> bool {
        self >= Debt::One
    }

    /// What is left when a search goes on for one of these pieces. It is not `LookAgain`: that search sets it when it ends.
    fn paid(self) -> Debt {
        match self {
            Debt::One => Debt::None,
            debt => debt,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(pub(super) usize);

impl Head {
    pub(super) const CLOSE: usize = CLOSED;

    /// No search goes on, and so many places are idle.
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

    /// Whether no announced work waits, if a worker sleeps.
    pub(super) fn is_settled(self) -> bool {
        self.searches() == 0 && self.debt() == Debt::None
    }

    /// Whether an announcement has nothing to do.
    #[inline]
    pub(super) fn is_quiet(self) -> bool {
        self.0 & ((SEARCH - IDLE) | AUDITED | CLOSED) == 0
    }

    /// Whether one more announcement beside `own` searches changes nothing: the others owe many pieces already.
    #[inline]
    pub(super) fn owes_enough(self, own: usize) -> bool {
        const MANY: usize = Debt::Many as usize * DEBT;
        self.0 & (MANY | AUDITED | CLOSED) == MANY && self.searches() > own
    }

    fn is_last(self) -> bool {
        self.searches() == 1
    }

    fn with_debt(self, debt: Debt) -> Self {
        Self((self.0 & !(3 * DEBT)) | (debt as usize * DEBT))
    }

    pub(super) fn plus_debt(self, debt: Debt) -> Self {
        self.with_debt(self.debt().plus(debt))
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

    /// When the last search ends, so does the debt.
    pub(super) fn without_search(self) -> Self {
        debug_assert!(self.searches() > 0, "{self:?}");
        let head = Self(self.0 - SEARCH);
        if self.is_last() {
            head.with_debt(Debt::None)
        } else {
            head
        }
    }

    /// What holds after each step: without a search there is no debt, unless a start has failed.
    pub(super) fn is_sound(self, places: usize, grows: bool) -> bool {
        self.idle() <= places && (self.searches() > 0 || self.debt() == Debt::None || grows)
    }

    /// One piece of work was announced, beside `own` searches that it must not rely on.
    pub(super) fn announced(self, own: usize) -> Self {
        if self.searches() > own {
            self.plus_debt(Debt::One)
        } else {
            self.with_search()
        }
    }

    /// Whether a search that finds no bit takes the debt and reads the bits again.
    pub(super) fn reads_again(self) -> bool {
        self.is_last() && self.debt().is_owed()
    }

    /// A search has found no bit. If it ends, it leaves this debt: that of a start that has failed.
    pub(super) fn found_no_bit(self, failed: Debt) -> Self {
        if self.reads_again() {
            self.with_debt(Debt::None)
        } else {
            self.without_search().plus_debt(failed)
        }
    }

    /// A search whose worker holds `debt` has found work.
    pub(super) fn found_work(self, debt: Debt) -> Self {
        let owed = self.debt().plus(debt);
        if owed.is_owed() {
            self.without_idle().with_debt(owed.paid()) // the search goes on
        } else if self.is_last() {
            self.without_idle().without_search()
        } else {
            // It may have taken what another search was for.
            self.without_idle().without_search().with_debt(Debt::LookAgain)
        }
    }

    /// Whether a search that finds no work takes the debt and looks again.
    pub(super) fn looks_again(self) -> bool {
        self.is_last() && self.debt() != Debt::None
    }

    /// A search whose worker holds `debt` has found nothing.
    pub(super) fn found_nothing(self, debt: Debt) -> Self {
        if self.looks_again() {
            self.with_debt(Debt::None)
        } else if self.is_last() {
            self.without_search()
        } else {
            // Another search may have taken what this one was for, and leave its own work behind.
            self.without_search().plus_debt(Debt::One.plus(debt))
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
