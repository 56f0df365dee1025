//! Hooks for the models of this crate.

use super::Idle;
use crate::wait::Wait;
use std::cell::Cell;

thread_local!(static PLACES_IN_ROW: Cell<usize> = const { Cell::new(1) });

/// Sets how many places share a row in the idle sets that this thread creates from now on: 1 at first, so that two workers need
/// two rows.
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
