//! Wakers that know each other: all wakers that this file makes for one parker have the same data pointer and the same
//! table of functions.
//!
//! `Waker::will_wake` compares two pointers, that to the data and that to the table. The compiler may give each code
//! unit, and each crate, a table of its own for one generic type; std's `Waker::from(Arc<impl Wake>)` has that fault.
//! Rust has no generic `static`. So the first table that is asked for with a type is kept in [`TABLES`], with the type's
//! [`TypeId`], and every waker of that type gets this one, clones included.
//!
//! `wake` and `drop` go through the table only, so they never look anything up. A new waker and a clone compare a pointer or
//! two. That takes no lock: a child of `fork`, where the lock's owner may not exist, makes wakers too.

#![allow(unsafe_code)]

use once_cell::race::{OnceBox, OnceRef};
use std::any::TypeId;
use std::ptr;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What a waker of this crate wakes.
pub(crate) trait Target: Sync + 'static {
    fn wake(&self);
}

/// A waker that borrows its target, and so neither allocates nor counts references.
pub(crate) fn from_static<T: Target>(target: &'static T) -> Waker {
    let data: *const T = target;
    // SAFETY: `data` comes from a `&'static T`, which is what the functions of `Borrowed<T>` ask for, and `T` is `Sync`,
    // so that any thread may use it. They own nothing and release nothing, so clone and drop need not agree on anything.
    unsafe { Waker::from_raw(raw_waker::<Borrowed<T>>(data.cast())) }
}

/// A waker that takes over one reference of its target.
pub(crate) fn from_arc<T: Target + Send>(target: Arc<T>) -> Waker {
    let data = Arc::into_raw(target);
    // SAFETY: `data` owns one reference of an `Arc<T>`, which is what the functions of `Counted<T>` ask for, and `T` is
    // `Send` and `Sync`, so that any thread may use and drop it. `clone` adds a reference for the new waker, `wake` and
    // `drop` release that of the waker that they consume, `wake_by_ref` leaves it.
    unsafe { Waker::from_raw(raw_waker::<Counted<T>>(data.cast())) }
}

/// A way to hold a target, and the functions for that.
trait Held: 'static {
    const TABLE: &'static Table;
}

/// The functions of a waker, and for which type they are.
struct Table {
    id: fn() -> TypeId,
    functions: RawWakerVTable,
}

struct Borrowed<T: 'static>(&'static T);
struct Counted<T>(Arc<T>);

fn raw_waker<H: Held>(data: *const ()) -> RawWaker {
    RawWaker::new(data, &TABLES.find_or_add(H::TABLE).functions)
}

impl<T: Target> Held for Borrowed<T> {
    const TABLE: &'static Table = &Table {
        id: TypeId::of::<Self>,
        functions: RawWakerVTable::new(raw_waker::<Self>, Self::wake, Self::wake, |_| {}),
    };
}

impl<T: Target> Borrowed<T> {
    /// # Safety
    ///
    /// `data` comes from a `&'static T`.
    unsafe fn wake(data: *const ()) {
        // SAFETY: The caller's promise.
        let this = Self(unsafe { &*data.cast() });
        this.0.wake();
    }
}

impl<T: Target + Send> Held for Counted<T> {
    const TABLE: &'static Table = &Table {
        id: TypeId::of::<Self>,
        functions: RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::release),
    };
}

/// # Safety
///
/// For all of these: `data` comes from `Arc::<T>::into_raw`, and its reference was not released.
impl<T: Target + Send> Counted<T> {
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: The caller's promise, so at least one reference exists during the call.
        unsafe { Arc::increment_strong_count(data.cast::<T>()) };
        raw_waker::<Self>(data)
    }

    /// Gives up the reference that `data` owns.
    unsafe fn take(data: *const ()) -> Self {
        // SAFETY: The caller's promise. The caller also gives up its reference, so it is released only once.
        Self(unsafe { Arc::from_raw(data.cast()) })
    }

    unsafe fn wake(data: *const ()) {
        // SAFETY: The caller's promise. If the target panics, the reference is released all the same.
        let this = unsafe { Self::take(data) };
        this.0.wake();
    }

    unsafe fn release(data: *const ()) {
        // SAFETY: The caller's promise.
        drop(unsafe { Self::take(data) });
    }

    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: The caller's promise, and the caller keeps its reference for the time of the call.
        let target: &T = unsafe { &*data.cast() };
        target.wake();
    }
}

/// The tables of this process, one for each type.
static TABLES: Tables = Tables::new();

/// As many types as have room without an allocation.
const ROOM: usize = 8;

/// Places that are filled from the front, and never emptied.
struct Tables {
    places: [OnceRef<'static, Table>; ROOM],
    more: OnceBox<Tables>,
}

impl Tables {
    const fn new() -> Self {
        Self { places: [const { OnceRef::new() }; ROOM], more: OnceBox::new() }
    }

    /// Returns the table that is kept for the type of `own`; the first call for a type keeps its `own`.
    fn find_or_add(&self, own: &'static Table) -> &'static Table {
        let mut kept = self.places.iter().map(|place| place.get_or_init(|| own));
        match kept.find(|kept| ptr::eq(*kept, own) || (kept.id)() == (own.id)()) {
            Some(kept) => kept,
            None => self.more.get_or_init(|| Box::new(Self::new())).find_or_add(own),
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn nothing(_: *const ()) {}

    /// Each table has its own address.
    fn table<T: 'static>() -> &'static Table {
        let functions = RawWakerVTable::new(|_| unreachable!("it is not cloned"), nothing, nothing, nothing);
        Box::leak(Box::new(Table { id: TypeId::of::<T>, functions }))
    }

    #[test]
    fn the_first_table_of_a_type_is_kept() {
        struct Type<const N: usize>;
        macro_rules! tables {
            ($($number:literal)*) => { [$(table::<Type<$number>>()),*] };
        }
        let all = || tables!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        let (tables, kept) = (Tables::new(), all());
        for _ in 0..2 {
            for own in kept {
                assert!(ptr::eq(tables.find_or_add(own), own));
            }
        }
        for (own, later) in kept.into_iter().zip(all()) {
            assert!(ptr::eq(tables.find_or_add(later), own), "a later table of the same type");
        }
    }

    #[test]
    fn threads_agree_on_the_first_table() {
        struct Type<const N: usize>;
        let other = table::<u8>();
        for _ in 0..100 {
            let tables = Tables::new();
            // There is one place left, and then there are more.
            tables.places[1..].iter().for_each(|place| place.set(other).unwrap());
            let find = || [tables.find_or_add(table::<Type<0>>()), tables.find_or_add(table::<Type<1>>())];
            let [first, second] =
                std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(find)).map(|thread| thread.join().unwrap()));
            assert!((0..2).all(|number| ptr::eq(first[number], second[number])));
        }
    }
}
