//! Sizes, auto traits, `const` and `Debug`: properties that a change could break while all other tests pass.

use crate::support::{home, until, Sticky};
use atomic_parker::driver::{Driver, DriverOr, EventLoop};
use atomic_parker::idle::{Idle, Worker};
use atomic_parker::wait::{self, Key, Sleeper, Wait};
use atomic_parker::{AtomicParker, ParkState, Parker, Spin, TimedOut, Unparker};
use std::cell::Cell;
use std::mem::size_of;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Whether a type has a trait: an inherent constant takes precedence over the one of the trait `Lacks`.
macro_rules! has {
    ($type:ty: $($bound:tt)+) => {{
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?Sized + $($bound)+> Asked<T> {
            const ANSWER: bool = true;
        }
        #[allow(dead_code)]
        trait Lacks {
            const ANSWER: bool = false;
        }
        impl<T: ?Sized> Lacks for T {}
        <Asked<$type>>::ANSWER
    }};
}

/// `[Send, Sync, UnwindSafe, RefUnwindSafe]`
macro_rules! auto_traits {
    ($type:ty) => {
        [has!($type: Send), has!($type: Sync), has!($type: UnwindSafe), has!($type: RefUnwindSafe)]
    };
}

/// A slow path that has none of these traits.
struct Local(#[allow(dead_code)] *const Cell<()>);

/// A slow path that is `Send` and not `Sync`.
struct Movable(#[allow(dead_code)] Cell<()>);

#[test]
fn auto_traits() {
    let all = [true; 4];
    assert_eq!(auto_traits!(Idle), all);
    assert_eq!(auto_traits!(Worker), [true, false, true, true], "one thread looks for work");
    assert_eq!(auto_traits!(ParkState), all);
    assert_eq!(auto_traits!(Spin), all);
    assert_eq!(auto_traits!(TimedOut), all);
    assert_eq!(auto_traits!(Key<'static>), all);
    assert_eq!(auto_traits!(Driver<Movable>), all, "one thread at a time is in the event loop");
    assert_eq!(auto_traits!(DriverOr<Movable>), all);
    assert_eq!(auto_traits!(Parker<DriverOr<Movable>>), [true, false, true, true]);
    assert_eq!(auto_traits!(Driver<Local>), [false, false, true, true], "an event loop that is not `Send`");
    assert!(has!(Driver<Movable>: Clone) && has!(dyn EventLoop: EventLoop), "object safe");
    assert!(!has!(Sleeper<'static>: Sync), "belongs to one sleeping thread");
    assert!(has!(dyn Wait: Wait), "object safe");
    assert!(has!(Idle: Clone) && has!(Unparker: Clone) && !has!(Parker: Clone) && !has!(AtomicParker: Clone));
}

macro_rules! auto_traits_on {
    ($wait:ty) => {
        assert_eq!(auto_traits!($wait), [true; 4]);
        assert_eq!(auto_traits!(AtomicParker<$wait>), [true; 4]);
        assert_eq!(auto_traits!(Parker<$wait>), [true, false, true, true], "only the owner parks");
        assert_eq!(auto_traits!(Unparker<$wait>), [true; 4]);
    };
}

#[test]
fn auto_traits_on_each_slow_path() {
    auto_traits_on!(wait::Condvar);
    #[cfg(all(feature = "futex", target_os = "linux"))]
    auto_traits_on!(wait::Futex);
    #[cfg(feature = "parking_lot")]
    auto_traits_on!(wait::ParkingLot);
}

/// The handles share the slow path among threads, so they require its `Send` and `Sync`.
#[test]
fn auto_traits_follow_the_slow_path() {
    assert_eq!(auto_traits!(AtomicParker<Local>)[..2], [false, false]);
    assert_eq!(auto_traits!(Parker<Local>)[..2], [false, false]);
    assert_eq!(auto_traits!(Unparker<Local>)[..2], [false, false]);
    assert_eq!(auto_traits!(AtomicParker<Movable>), [true, false, true, false]);
    assert_eq!(auto_traits!(Parker<Movable>), [false; 4]);
    assert_eq!(auto_traits!(Unparker<Movable>)[..3], [false; 3]);
}

#[test]
fn sizes() {
    assert_eq!(size_of::<Unparker>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Unparker>>(), size_of::<usize>());
    assert_eq!(size_of::<ParkState>(), 1);
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    assert_eq!((size_of::<AtomicParker>(), size_of::<Parker>()), (20, 24));
    #[cfg(all(feature = "futex", target_os = "linux"))]
    assert_eq!(size_of::<AtomicParker<wait::Futex>>(), 12);
    #[cfg(feature = "parking_lot")]
    {
        assert_eq!(size_of::<wait::ParkingLot>(), 0);
        assert_eq!(size_of::<AtomicParker<wait::ParkingLot>>(), 1);
        assert_eq!(size_of::<Unparker<wait::ParkingLot>>(), size_of::<usize>());
    }
}

macro_rules! in_a_static {
    ($(#[$meta:meta])* $test:ident: $parker:ty = $new:expr) => {
        $(#[$meta])*
        #[test]
        fn $test() {
            static PARKER: $parker = $new;
            let sleeper = thread::spawn(|| PARKER.park());
            until(|| PARKER.state() == ParkState::Parked);
            let waker = PARKER.waker();
            waker.wake_by_ref();
            home(sleeper);
            waker.wake();
            assert!(PARKER.try_park());
        }
    };
}

in_a_static!(in_a_static: AtomicParker = AtomicParker::new());
in_a_static!(in_a_static_with_wait: AtomicParker<wait::Condvar> = AtomicParker::with_wait(wait::Condvar::new()));
in_a_static!(
    #[cfg(all(feature = "futex", target_os = "linux"))]
    in_a_static_on_a_futex: AtomicParker<wait::Futex> = AtomicParker::with_wait(wait::Futex::new())
);
in_a_static!(
    #[cfg(feature = "parking_lot")]
    in_a_static_of_one_byte: AtomicParker<wait::ParkingLot> = AtomicParker::with_wait(wait::ParkingLot)
);

/// Code of users that must compile without type annotations.
#[test]
fn made_in_every_way() {
    #[derive(Default, Debug)]
    struct Place {
        parker: Parker,
        shared: AtomicParker,
        name: String,
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Handle {
        unparker: Unparker,
    }
    let parker = Parker::default();
    let unparker = parker.unparker();
    assert_ne!(unparker, Parker::new().unparker());
    let place = Place { name: "a place".into(), ..Default::default() };
    let handle = Handle { unparker: place.parker.unparker() };
    assert_eq!(handle, handle.clone());
    let boxed: Box<Parker> = Default::default();
    assert!(boxed.unpark() && place.shared.unpark(), "{}: {place:?}", place.name);
}

/// Code that is generic over the slow path needs no more than `Wait`.
#[test]
fn generics_and_trait_objects() {
    struct Runtime<W: Wait> {
        parker: Parker<W>,
        unparkers: Vec<Unparker<W>>,
    }

    impl<W: Wait> Runtime<W> {
        fn new(wait: W) -> Self {
            let parker = Parker::with_wait(wait).with_spin(Spin::off());
            let unparkers = vec![parker.unparker(); 2];
            Self { parker, unparkers }
        }

        fn turn(&self) {
            self.unparkers[0].unpark();
            self.parker.park();
        }
    }

    fn park_all<'a, W: Wait + 'a>(parkers: impl IntoIterator<Item = &'a AtomicParker<W>>) {
        parkers.into_iter().for_each(|parker| parker.park());
    }

    Runtime::new(wait::Condvar::default()).turn();
    let any: Arc<dyn Wait + Send + Sync> = Arc::new(Sticky::default());
    Runtime::new(any.clone()).turn();
    assert!(!Parker::with_wait(any).park_timeout(Duration::from_millis(1)));
    let parkers: [AtomicParker; 2] = Default::default();
    assert!(parkers.iter().all(|parker| parker.unpark()));
    park_all(&parkers);
}

#[test]
fn debug_shows_the_state() {
    let (parker, unparker) = atomic_parker::pair();
    let atomic = AtomicParker::new();
    let all = || [format!("{parker:?}"), format!("{unparker:?}"), format!("{atomic:?}")];
    for (text, name) in all().iter().zip(["Parker", "Unparker", "AtomicParker"]) {
        assert!(text.starts_with(name) && text.contains("Empty"), "{text}");
    }
    unparker.unpark();
    atomic.unpark();
    for text in all() {
        assert!(text.contains("Notified"), "{text}");
    }
    parker.park();
    let sleeper = thread::spawn(move || parker.park());
    until(|| format!("{unparker:?}").contains("Parked"));
    unparker.unpark();
    home(sleeper);
}

#[test]
fn slow_paths_have_a_debug_form() {
    assert_eq!(format!("{:?}", wait::Condvar::new()), "Condvar { .. }");
    #[cfg(all(feature = "futex", target_os = "linux"))]
    assert_eq!(format!("{:?}", wait::Futex::new()), "Futex { .. }");
}
