//! Wakers that know each other: the wakers of one parker have the same data pointer and the same table of functions.
//!
//! `Waker::will_wake` compares these two pointers. The compiler may give each code unit, and each crate, a table of its own for one
//! generic type; std's `Waker::from(Arc<impl Wake>)` has that fault. Rust has no generic `static`. So all counted wakers have one
//! `static` table, which leads to the functions of a type by the [`Header`] in front of the target. A borrowed target has no room for a
//! header, so a type brings its table, which can be a `static` if the type is not generic.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// A waker that borrows its target, and so neither allocates nor counts references.
pub(crate) fn from_static<T: Borrowed>(target: &'static T) -> Waker {
    let data: *const T = target;
    // SAFETY: `data` comes from a `&'static T`, which is what the functions of a `Table<T>` ask for, and `T` is `Sync`,
    // so that any thread may use it. They own nothing and release nothing, so clone and drop need not agree on anything.
    unsafe { Waker::from_raw(borrowed_clone::<T>(data.cast())) }
}

/// What a borrowed waker wakes.
pub(crate) trait Borrowed: Sync + Sized + 'static {
    fn wake(&self);

    /// The table of this type, preferably the same one each time.
    fn table() -> &'static Table<Self>;
}

/// The functions of the wakers that borrow a `T`.
pub(crate) struct Table<T>(RawWakerVTable, PhantomData<fn(T)>);

impl<T: Borrowed> Table<T> {
    pub(crate) const fn new() -> Self {
        let functions = RawWakerVTable::new(borrowed_clone::<T>, borrowed_wake::<T>, borrowed_wake::<T>, |_| {});
        Self(functions, PhantomData)
    }
}

fn borrowed_clone<T: Borrowed>(data: *const ()) -> RawWaker {
    RawWaker::new(data, &T::table().0)
}

/// # Safety
///
/// `data` comes from a `&'static T`.
unsafe fn borrowed_wake<T: Borrowed>(data: *const ()) {
    // SAFETY: The caller's promise.
    let target: &T = unsafe { &*data.cast() };
    target.wake();
}

/// What a counted waker wakes.
///
/// # Safety
///
/// The type is `repr(C)`, and its first field is the `Header::new` of this type.
pub(crate) unsafe trait Counted {
    fn wake(&self);
}

/// The functions of a target's type. Each takes a pointer from `Arc::into_raw` with a reference that was not released.
pub(crate) struct Header {
    retain: unsafe fn(*const ()),
    wake: unsafe fn(*const ()),
    release: unsafe fn(*const ()),
}

impl Header {
    pub(crate) const fn new<T: Counted>() -> Self {
        Self {
            // SAFETY: The caller's promise, so at least one reference exists during the call.
            retain: |data| unsafe { Arc::increment_strong_count(data.cast::<T>()) },
            // SAFETY: As above.
            wake: |data| unsafe { &*data.cast::<T>() }.wake(),
            // SAFETY: The caller's promise. The caller also gives up its reference, so it is released only once.
            release: |data| unsafe { Arc::decrement_strong_count(data.cast::<T>()) },
        }
    }
}

/// A waker that takes over one reference of its target.
pub(crate) fn from_arc<T: Counted + Send + Sync + 'static>(target: Arc<T>) -> Waker {
    let data = Arc::into_raw(target);
    // SAFETY: `data` owns one reference of an `Arc<T>`, with the header of `T` at its front, which is what the functions of `COUNTED`
    // ask for, and `T` is `Send` and `Sync`, so that any thread may use and drop it. `clone` adds a reference for the new waker,
    // `wake` and `drop` release that of the waker that they consume, `wake_by_ref` leaves it.
    unsafe { Waker::from_raw(RawWaker::new(data.cast(), &COUNTED)) }
}

static COUNTED: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// # Safety
///
/// For these five: `data` comes from `Arc::<T>::into_raw` with `T: Counted`, and its reference was not released.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: The caller's promise, and that of `Counted`. The header lives as long as the reference.
    unsafe { &*data.cast() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: The caller's promise.
    unsafe { (header(data).retain)(data) };
    RawWaker::new(data, &COUNTED)
}

unsafe fn wake(data: *const ()) {
    struct Release(*const ());

    impl Drop for Release {
        fn drop(&mut self) {
            // SAFETY: The promise of the caller of `wake`, who gives up the reference.
            unsafe { release(self.0) };
        }
    }

    // If the target panics, the reference is released all the same.
    let this = Release(data);
    // SAFETY: The caller's promise.
    unsafe { wake_by_ref(this.0) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: The caller's promise.
    unsafe { (header(data).wake)(data) };
}

unsafe fn release(data: *const ()) {
    // SAFETY: The caller's promise.
    unsafe { (header(data).release)(data) };
}
