//! `will_wake` holds for any two wakers of one `Parker`, and of one static `AtomicParker` on a slow path of this crate, wherever they
//! were made, with and without optimization.
//!
//! The functions below are in several modules, some inlined and some not, so that an optimized build places them in
//! several codegen units.

use crate::support::Sticky;
use atomic_parker::wait::{Condvar, Wait};
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::cell::Cell;
use std::future::{poll_fn, Future};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

mod here {
    use super::*;

    #[inline(never)]
    pub fn waker<W: Wait + Send + Sync + 'static>(unparker: Unparker<W>) -> Waker {
        unparker.into()
    }

    #[inline(never)]
    pub fn static_waker<W: Wait + Send + Sync + 'static>(parker: &'static AtomicParker<W>) -> Waker {
        parker.waker()
    }
}

mod there {
    use super::*;

    #[inline(always)]
    pub fn waker<W: Wait + Send + Sync + 'static>(unparker: Unparker<W>) -> Waker {
        Waker::from(unparker)
    }

    #[inline(always)]
    pub fn static_waker<W: Wait + Send + Sync + 'static>(parker: &'static AtomicParker<W>) -> Waker {
        parker.waker()
    }
}

#[inline(never)]
fn clone(waker: &Waker) -> Waker {
    waker.clone()
}

#[track_caller]
fn assert_all_equal(wakers: &[Waker], stranger: &Waker) {
    for one in wakers {
        for other in wakers {
            assert!(one.will_wake(other) && other.will_wake(one));
            assert!(clone(one).will_wake(other) && one.clone().will_wake(&clone(other)));
        }
        assert!(!one.will_wake(stranger) && !stranger.will_wake(one));
    }
}

fn of_a_parker<W: Wait + Default + Send + Sync + 'static>() {
    let new = || Parker::with_wait(W::default());
    let parker = new();
    let of_block_on = parker.block_on(poll_fn(|context| Poll::Ready(context.waker().clone())));
    let of_a_thread = {
        let unparker = parker.unparker();
        std::thread::spawn(move || here::waker(unparker)).join().unwrap()
    };
    let wakers = [
        of_block_on,
        of_a_thread,
        Waker::from(parker.unparker()),
        here::waker(parker.unparker()),
        there::waker(parker.unparker()),
    ];
    assert_all_equal(&wakers, &there::waker(new().unparker()));
}

fn of_a_static<W: Wait + Send + Sync + 'static>(parker: &'static AtomicParker<W>, other: &'static AtomicParker<W>) {
    let wakers = [parker.waker(), here::static_waker(parker), there::static_waker(parker)];
    assert_all_equal(&wakers, &other.waker());
}

macro_rules! wakers_of_one_parker_are_equal {
    ($($(#[$meta:meta])* $test:ident: $wait:ty;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $test() {
            of_a_parker::<$wait>();
        }
    )*};
}

wakers_of_one_parker_are_equal! {
    condvar: Condvar;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    futex: atomic_parker::wait::Futex;
    #[cfg(feature = "parking_lot")]
    parking_lot: atomic_parker::wait::ParkingLot;
    sticky: Sticky;
}

macro_rules! wakers_of_a_static_are_equal {
    ($($(#[$meta:meta])* $test:ident: $wait:ty;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $test() {
            static PARKERS: LazyLock<[AtomicParker<$wait>; 2]> =
                LazyLock::new(|| [(); 2].map(|()| AtomicParker::with_wait(<$wait>::default())));
            of_a_static(&PARKERS[0], &PARKERS[1]);
        }
    )*};
}

// Not on a slow path of the user's: its table may be repeated.
wakers_of_a_static_are_equal! {
    of_a_static_condvar: Condvar;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    of_a_static_futex: atomic_parker::wait::Futex;
    #[cfg(feature = "parking_lot")]
    of_a_static_parking_lot: atomic_parker::wait::ParkingLot;
}

#[test]
fn a_future_that_compares_wakers_clones_once() {
    let parker = Parker::new();
    let mut kept: Option<Waker> = None;
    let clones = Cell::new(0);
    let mut future = pin!(poll_fn(|context| {
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(context.waker())) {
            kept = Some(context.waker().clone());
            clones.set(clones.get() + 1);
        }
        Poll::<()>::Pending
    }));
    for waker in [Waker::from(parker.unparker()), here::waker(parker.unparker()), there::waker(parker.unparker())] {
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(clones.get(), 1);
}
