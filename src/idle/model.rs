//! Hooks for the models of this crate: few places share a row of bits, so that two workers need two rows.

#[cfg(all(loom, feature = "loom"))]
pub use in_models::{assert_at_rest, set_places_in_row};

/// How many rows lie on the cache line of the head: enough for 224 workers on 64-bit systems.
pub(super) const NEAR: usize = if cfg!(all(loom, feature = "loom")) { 0 } else { 7 };

/// How many places share a row: outside of models, a constant.
#[derive(Clone, Copy)]
pub(super) struct InRow(#[cfg(all(loom, feature = "loom"))] usize);

#[cfg(not(all(loom, feature = "loom")))]
impl InRow {
    pub(super) fn new() -> Self {
        Self()
    }

    pub(super) fn places(self) -> usize {
        super::roster::HALF as usize
    }
}

#[cfg(all(loom, feature = "loom"))]
impl InRow {
    pub(super) fn new() -> Self {
        Self(in_models::places_in_row())
    }

    pub(super) fn places(self) -> usize {
        self.0
    }
}

#[cfg(all(loom, feature = "loom"))]
mod in_models {
    use crate::idle::Idle;
    use crate::wait::Wait;
    use std::cell::Cell;

    thread_local!(static PLACES_IN_ROW: Cell<usize> = const { Cell::new(1) });

    /// Sets how many places share a row in the idle sets that this thread creates from now on; 1 at first.
    pub fn set_places_in_row(places: usize) {
        PLACES_IN_ROW.with(|in_row| in_row.set(places));
    }

    pub(super) fn places_in_row() -> usize {
        PLACES_IN_ROW.with(Cell::get)
    }

    /// For models whose workers have all ended: none is counted any more, and no search.
    pub fn assert_at_rest<W: Wait>(idle: &Idle<W>) {
        let head = idle.shared.roster.head();
        assert_eq!(
            (head.idle(), head.searches()),
            (idle.shared.roster.vacant() * usize::from(idle.shared.growth.is_some()), 0),
            "{head:?}"
        );
    }
}
