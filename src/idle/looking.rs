//! Which worker is in its own `find` on this thread, so that its announcements go to others.

use super::roster::Announcer;
use crate::sync;
use std::cell::Cell;

/// A worker in its own look before a sleep, or after a wake.
#[derive(Clone, Copy)]
struct Looking {
    /// The address of the set.
    set: usize,
    by: Announcer,
    /// How many looks in a row have announced before, and found nothing.
    announced_before: u8,
    announced: bool,
}

sync::local! {
    static LOOKING: Cell<Option<Looking>> = Cell::new(None);
}

/// So many looks in a row may announce and make the same worker look again.
const MOST: u8 = 4;

#[inline]
fn of(set: usize) -> Option<Looking> {
    LOOKING.try_with(Cell::get).ok().flatten().filter(|looking| looking.set == set)
}

/// Whether a worker of this set looks on this thread.
pub(super) fn is_looking(set: usize) -> bool {
    of(set).is_some()
}

/// The worker that announces to this set from within its own look, if its last looks have done so too.
///
/// An announcement may make that worker look again, as any other, up to a limit. From then on it is only for other workers: else
/// a worker whose every look announces, and finds nothing, would never sleep.
#[inline]
pub(super) fn announcer(set: usize) -> Option<Announcer> {
    let looking = of(set)?;
    let _ = LOOKING.try_with(|cell| cell.set(Some(Looking { announced: true, ..looking })));
    (looking.announced_before >= MOST).then_some(looking.by)
}

/// Calls `find`; returns what it has found, and whether it has announced.
pub(super) fn look<T>(set: usize, by: Announcer, announced_before: u8, find: impl FnOnce() -> T) -> (T, bool) {
    struct Restore(Option<Looking>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = LOOKING.try_with(|looking| looking.set(self.0));
        }
    }
    let this = Looking { set, by, announced_before, announced: false };
    let _restore = Restore(LOOKING.try_with(|looking| looking.replace(Some(this))).ok().flatten());
    let found = find();
    let announced = LOOKING.try_with(Cell::get).ok().flatten().is_some_and(|looking| looking.announced);
    (found, announced)
}
