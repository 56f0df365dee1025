//! The parkers that the benches compare. This is the only list of them.
//!
//! A bench is generic over the trait [`Contender`], and runs [`for_each_contender!`](crate::for_each_contender).
//!
//! To add a contender: `impl Contender`, or a line in `parkers!`, and its name in the list of `for_each_contender!`.

use crate::rows::Kind;
use atomic_parker::{wait, Spin};
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A parker: one thread owns the `Parker` and parks on it, and any number of threads hold an `Unparker`.
pub trait Contender: 'static {
    const NAME: &'static str;
    const KIND: Kind;

    type Parker;
    type Unparker: Clone + Send + 'static;

    /// A new pair. Must be called on the thread that will park: the token of `std` belongs to the thread.
    fn pair() -> (Self::Parker, Self::Unparker);

    /// As [`pair`](Contender::pair), at a random place in memory. The place can change a result by some per cent, so each slice has
    /// another one.
    fn pair_anywhere() -> (Self::Parker, Self::Unparker) {
        let before: Vec<u8> = black_box(Vec::with_capacity(fastrand::usize(..8192)));
        let pair = Self::pair();
        drop(before);
        pair
    }

    /// The contender's own park: sleeps until the token is set. `std`'s may return without a token.
    fn park(parker: &Self::Parker);

    fn park_timeout(parker: &Self::Parker, timeout: Duration);

    fn unpark(unparker: &Self::Unparker);

    /// Takes the token if it is set. Only some contenders have it.
    const TRY_PARK: Option<fn(&Self::Parker) -> bool> = None;

    /// Makes a waker that unparks. Only some contenders have it.
    const WAKER: Option<fn(Self::Unparker) -> Waker> = None;

    /// Waits until a [`signal`](Contender::signal). `park`, unless that may return without a token.
    fn wait(parker: &Self::Parker) {
        Self::park(parker);
    }

    /// As [`wait`](Contender::wait), with `park_timeout`. The timeout does not end here.
    fn wait_timed(parker: &Self::Parker) {
        Self::park_timeout(parker, MINUTE);
    }

    /// Ends a [`wait`](Contender::wait). `unpark`, unless `wait` needs more.
    fn signal(unparker: &Self::Unparker) {
        Self::unpark(unparker);
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// A contender that waits by `park_timeout`.
pub struct Timed<C>(PhantomData<C>);

impl<C: Contender> Contender for Timed<C> {
    const NAME: &'static str = C::NAME;
    const KIND: Kind = C::KIND;

    type Parker = C::Parker;
    type Unparker = C::Unparker;

    fn pair() -> (Self::Parker, Self::Unparker) {
        C::pair()
    }

    fn park(parker: &Self::Parker) {
        C::park_timeout(parker, MINUTE);
    }

    fn park_timeout(parker: &Self::Parker, timeout: Duration) {
        C::park_timeout(parker, timeout);
    }

    fn unpark(unparker: &Self::Unparker) {
        C::unpark(unparker);
    }

    fn wait(parker: &Self::Parker) {
        C::wait_timed(parker);
    }

    fn signal(unparker: &Self::Unparker) {
        C::signal(unparker);
    }
}

/// Runs an expression once for each contender, with the given name for its type, in the order of the tables:
/// `for_each_contender!(C => println!("{}", C::NAME))`.
///
/// To run the contenders in turn, collect functions: `for_each_contender!(C => runs.push((C::NAME, run::<C>)))`.
#[macro_export]
macro_rules! for_each_contender {
    ($C:ident => $run:expr) => {{
        $crate::for_each_contender!(@ $C => $run; Floor Document Crossbeam Parking Std OursCondvar OursCondvarOff);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        $crate::for_each_contender!(@ $C => $run; OursFutex);
        $crate::for_each_contender!(@ $C => $run; OursParkingLot);
    }};
    (@ $C:ident => $run:expr; $($contender:ident)*) => {{
        $({
            type $C = $crate::contenders::$contender;
            $run;
        })*
    }};
}

/// One swap sets the token, one swap takes it. A wait only spins.
pub struct Floor;

impl Floor {
    fn spin(token: &AtomicBool, give_up: impl Fn() -> bool) {
        while !token.swap(false, Ordering::Acquire) {
            while !token.load(Ordering::Relaxed) {
                if give_up() {
                    return;
                }
                std::hint::spin_loop();
            }
        }
    }
}

impl Contender for Floor {
    const NAME: &'static str = "floor";
    const KIND: Kind = Kind::Floor;

    type Parker = Arc<AtomicBool>;
    type Unparker = Arc<AtomicBool>;

    fn pair() -> (Self::Parker, Self::Unparker) {
        let token = Arc::new(AtomicBool::new(false));
        (token.clone(), token)
    }

    #[inline]
    fn park(token: &Self::Parker) {
        Self::spin(token, || false);
    }

    #[inline]
    fn park_timeout(token: &Self::Parker, timeout: Duration) {
        if !token.swap(false, Ordering::Acquire) {
            let deadline = Instant::now() + timeout;
            Self::spin(token, || Instant::now() >= deadline);
        }
    }

    #[inline]
    fn unpark(token: &Self::Unparker) {
        token.swap(true, Ordering::Release);
    }

    const TRY_PARK: Option<fn(&Self::Parker) -> bool> = Some(|token| token.swap(false, Ordering::Acquire));
}

/// The parker of the document: a flag under a mutex, and a condition variable.
pub struct Document;

#[derive(Default)]
pub struct DocumentParker {
    notified: Mutex<bool>,
    changed: Condvar,
}

impl Contender for Document {
    const NAME: &'static str = "document";
    const KIND: Kind = Kind::Document;

    type Parker = Arc<DocumentParker>;
    type Unparker = Arc<DocumentParker>;

    fn pair() -> (Self::Parker, Self::Unparker) {
        let parker = Arc::<DocumentParker>::default();
        (parker.clone(), parker)
    }

    fn park(parker: &Self::Parker) {
        let mut notified = parker.notified.lock().unwrap();
        while !*notified {
            notified = parker.changed.wait(notified).unwrap();
        }
        *notified = false;
    }

    /// Not in the document. Added for the comparison.
    fn park_timeout(parker: &Self::Parker, timeout: Duration) {
        let notified = parker.notified.lock().unwrap();
        let (mut notified, _) = parker.changed.wait_timeout_while(notified, timeout, |notified| !*notified).unwrap();
        *notified = false;
    }

    fn unpark(parker: &Self::Unparker) {
        let mut notified = parker.notified.lock().unwrap();
        *notified = true;
        parker.changed.notify_one();
    }
}

/// Contenders with the usual method names: the name of the type, its kind, its name in the tables, the types of the
/// pair, an expression that makes a pair, and further methods.
macro_rules! parkers {
    ($($(#[$cfg:meta])? $type:ident: $kind:ident, $name:literal, $parker:ty, $unparker:ty, $pair:expr
        $(, $extra:ident = $can:expr)*;)*) => {$(
        $(#[$cfg])?
        pub struct $type;

        $(#[$cfg])?
        impl Contender for $type {
            const NAME: &'static str = $name;
            const KIND: Kind = Kind::$kind;

            type Parker = $parker;
            type Unparker = $unparker;

            fn pair() -> (Self::Parker, Self::Unparker) {
                $pair
            }

            #[inline]
            fn park(parker: &Self::Parker) {
                parker.park();
            }

            #[inline]
            fn park_timeout(parker: &Self::Parker, timeout: Duration) {
                parker.park_timeout(timeout);
            }

            #[inline]
            fn unpark(unparker: &Self::Unparker) {
                unparker.unpark();
            }

            $(parkers! { @can $extra = $can })*
        }
    )*};
    (@can TRY_PARK = $can:expr) => {
        const TRY_PARK: Option<fn(&Self::Parker) -> bool> = Some($can);
    };
    (@can WAKER = $can:expr) => {
        const WAKER: Option<fn(Self::Unparker) -> Waker> = Some($can);
    };
}

/// The pair of a parker of this crate.
fn ours<W>(parker: Ours<W>) -> (Ours<W>, atomic_parker::Unparker<W>) {
    let unparker = parker.unparker();
    (parker, unparker)
}

type Ours<W = wait::Condvar> = atomic_parker::Parker<W>;

parkers! {
    Crossbeam: Peer, "crossbeam", crossbeam_utils::sync::Parker, crossbeam_utils::sync::Unparker, {
        let parker = crossbeam_utils::sync::Parker::new();
        let unparker = parker.unparker().clone();
        (parker, unparker)
    };
    Parking: Peer, "parking", parking::Parker, parking::Unparker, parking::pair(), WAKER = Waker::from;
    OursCondvar: Ours, "ours", Ours, atomic_parker::Unparker, ours(Ours::new()),
        TRY_PARK = |parker| parker.try_park(), WAKER = Waker::from;
    OursCondvarOff: Ours, "ours, no spin", Ours, atomic_parker::Unparker, ours(Ours::new().with_spin(Spin::off())),
        TRY_PARK = |parker| parker.try_park(), WAKER = Waker::from;
    // Not in `for_each_contender!`.
    OursUpTo50: Ours, "ours, up to 50 µs", Ours, atomic_parker::Unparker,
        ours(Ours::new().with_spin(Spin::adaptive_up_to(Duration::from_micros(50)))),
        TRY_PARK = |parker| parker.try_park(), WAKER = Waker::from;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    OursFutex: Ours, "ours, futex", Ours<wait::Futex>, atomic_parker::Unparker<wait::Futex>,
        ours(Ours::with_wait(Default::default())), TRY_PARK = |parker| parker.try_park(), WAKER = Waker::from;
    OursParkingLot: Ours, "ours, parking_lot", Ours<wait::ParkingLot>, atomic_parker::Unparker<wait::ParkingLot>,
        ours(Ours::with_wait(Default::default())), TRY_PARK = |parker| parker.try_park(), WAKER = Waker::from;
}

/// `std::thread::park`. Its token belongs to the thread, so `wait` also checks a flag of the pair.
pub struct Std;

pub struct StdParker {
    thread: Thread,
    signalled: AtomicBool,
}

impl Contender for Std {
    const NAME: &'static str = "std";
    const KIND: Kind = Kind::Peer;

    // One `Arc`, so that a clone costs as much as a clone of a bare `Thread`.
    type Parker = Arc<StdParker>;
    type Unparker = Arc<StdParker>;

    fn pair() -> (Self::Parker, Self::Unparker) {
        let parker = Arc::new(StdParker { thread: thread::current(), signalled: AtomicBool::new(false) });
        (parker.clone(), parker)
    }

    #[inline]
    fn park(_: &Self::Parker) {
        thread::park();
    }

    #[inline]
    fn park_timeout(_: &Self::Parker, timeout: Duration) {
        thread::park_timeout(timeout);
    }

    #[inline]
    fn unpark(unparker: &Self::Unparker) {
        unparker.thread.unpark();
    }

    fn wait(parker: &Self::Parker) {
        while !parker.signalled.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    fn wait_timed(parker: &Self::Parker) {
        while !parker.signalled.swap(false, Ordering::Acquire) {
            thread::park_timeout(MINUTE);
        }
    }

    fn signal(unparker: &Self::Unparker) {
        unparker.signalled.store(true, Ordering::Release);
        unparker.thread.unpark();
    }
}
