//! Code as users of std, crossbeam, `parking`, pollster and the document write it. It must compile without further type
//! annotations.

#![allow(clippy::unused_unit)]

mod pairs {
    use atomic_parker::{pair, Parker, Unparker};
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::sync::{Arc, LazyLock, Mutex, OnceLock};
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::{Duration, Instant};

    #[derive(Default, Debug)]
    struct Worker {
        parker: Parker,
        name: String,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Handle {
        unparker: Unparker,
    }

    #[test]
    fn made_in_every_way() {
        let parker = Parker::default();
        let unparker = parker.unparker();
        unparker.unpark();
        parker.park();

        let (p, u) = pair();
        assert!(!p.park_timeout(Duration::ZERO));
        assert!(u.unpark());
        assert!(p.park_deadline(Instant::now()));

        let worker = Worker::default();
        assert!(format!("{worker:?}").contains("Parker"));
        let worker = Worker { name: "worker".into(), ..Default::default() };
        let handle = Handle { unparker: worker.parker.unparker() };
        assert_eq!(handle, handle.clone());
        assert_ne!(handle.unparker, Parker::new().unparker());
        assert_eq!(worker.name.len(), 6);
        let boxed: Box<Parker> = Default::default();
        boxed.unpark();
        boxed.park();
    }

    #[test]
    fn many_pairs() {
        let parkers: Vec<_> = (0..4).map(|_| Parker::new()).collect();
        let unparkers: Vec<_> = parkers.iter().map(|p| p.unparker()).collect();
        let (more, handles): (Vec<_>, Vec<_>) = (0..4).map(|_| pair()).unzip();
        let threads: Vec<_> = parkers.into_iter().chain(more).map(|p| thread::spawn(move || p.park())).collect();
        unparkers.iter().chain(&handles).for_each(|unparker| {
            unparker.unpark();
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(unparkers.iter().position(|u| *u == unparkers[2]) == Some(2));
        let idle = Mutex::new(VecDeque::from(unparkers));
        while let Some(unparker) = idle.lock().unwrap().pop_front() {
            unparker.unpark();
        }
        assert!(idle.into_inner().unwrap().is_empty());
    }

    #[test]
    fn in_statics_and_thread_locals() {
        static UNPARKER: OnceLock<Unparker> = OnceLock::new();
        static IDLE: LazyLock<Mutex<Vec<Unparker>>> = LazyLock::new(Default::default);
        static PAIR: LazyLock<(Mutex<Parker>, Unparker)> = LazyLock::new(|| {
            let parker = Parker::new();
            let unparker = parker.unparker();
            (Mutex::new(parker), unparker)
        });
        thread_local! {
            static PARKER: Parker = Parker::new();
            static CACHE: RefCell<(Parker, Waker)> = RefCell::new({
                let (parker, unparker) = pair();
                (parker, unparker.into())
            });
        }
        PARKER.with(|parker| {
            IDLE.lock().unwrap().push(parker.unparker());
            UNPARKER.get_or_init(|| parker.unparker()).unpark();
            parker.park();
        });
        CACHE.with(|cache| {
            let (parker, waker) = &*cache.borrow();
            waker.wake_by_ref();
            parker.park();
        });
        PAIR.1.unpark();
        PAIR.0.lock().unwrap().park();
    }

    #[test]
    fn closures_that_unpark() {
        fn notify(wake: impl Fn() + Send + Sync + 'static) {
            thread::spawn(wake).join().unwrap();
        }
        let parker = Parker::new();
        let unparker = parker.unparker();
        // Needs a semicolon, as the closure returns nothing and `unpark` returns a `bool`.
        notify(move || {
            unparker.unpark();
        });
        parker.park();
        let unparker = parker.unparker();
        let thread = thread::spawn(move || unparker.unpark());
        parker.park();
        thread.join().unwrap();
        let on_event: Box<dyn Fn() -> bool + Send> = {
            let unparker = parker.unparker();
            Box::new(move || unparker.unpark())
        };
        on_event();
        parker.park();
    }

    #[test]
    fn a_waker_of_the_users_own() {
        struct Task(Unparker);
        impl Wake for Task {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let parker = Parker::new();
        let waker = Waker::from(Arc::new(Task(parker.unparker())));
        waker.wake();
        parker.park();
        let waker: Waker = parker.unparker().into();
        waker.wake();
        parker.park();
    }

    #[test]
    fn through_raw_pointers() {
        let (parker, unparker) = pair();
        let raw = Unparker::into_raw(unparker);
        // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
        let unparker: Unparker = unsafe { Unparker::from_raw(raw) };
        unparker.unpark();
        let raw = Parker::into_raw(parker);
        // SAFETY: As above.
        let parker = unsafe { <Parker>::from_raw(raw) };
        parker.park();
    }
}

mod slow_paths {
    use atomic_parker::wait::{self, Key, Sleeper, Wait};
    use atomic_parker::{AtomicParker, Parker, Spin, Unparker};
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Duration;

    /// A runtime that is generic over the slow path.
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

    trait Sleep {
        fn sleep(&self);
        fn interrupt(&self);
    }

    impl<W: Wait> Sleep for AtomicParker<W> {
        fn sleep(&self) {
            self.park()
        }

        fn interrupt(&self) {
            self.unpark();
        }
    }

    /// A user's event loop.
    #[derive(Default)]
    struct EventLoop {
        served: Mutex<HashSet<usize>>,
        sleep: wait::Condvar,
    }

    impl Wait for EventLoop {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            self.served.lock().unwrap().insert(sleeper.key().address());
            self.sleep.wait(sleeper);
        }

        fn wake(&self, key: Key<'_>) {
            let keys: HashSet<Key<'_>> = HashSet::from([key]);
            assert!(keys.contains(&key));
            self.sleep.wake(key);
        }
    }

    #[test]
    fn generics_and_trait_objects() {
        Runtime::new(wait::Condvar::default()).turn();
        Runtime::new(Arc::new(EventLoop::default())).turn();
        let parkers: [AtomicParker; 2] = Default::default();
        assert!(parkers.iter().all(|parker| parker.unpark()));
        park_all(&parkers);
        let sleeps: Vec<Arc<dyn Sleep + Send + Sync>> =
            vec![Arc::new(AtomicParker::new()), Arc::new(AtomicParker::with_wait(EventLoop::default()))];
        for sleep in sleeps {
            sleep.interrupt();
            sleep.sleep();
        }
        let any: Arc<dyn Wait + Send + Sync> = Arc::new(EventLoop::default());
        let parker = Parker::with_wait(any.clone());
        assert!(!parker.park_timeout(Duration::from_millis(1)));
    }

    #[test]
    fn slow_path_returns_the_slow_path() {
        let event_loop = Arc::new(EventLoop::default());
        let parker = Parker::with_wait(event_loop.clone());
        let unparker = parker.unparker();
        let sleeps = event_loop.clone();
        let waker = thread::spawn(move || {
            while sleeps.served.lock().unwrap().is_empty() {
                thread::yield_now();
            }
            unparker.unpark()
        });
        parker.park();
        assert!(waker.join().unwrap());
        assert_eq!(parker.slow_path().served.lock().unwrap().len(), 1);
        assert!(AtomicParker::with_wait(event_loop).slow_path().served.lock().is_ok());
        let _: &wait::Condvar = Parker::new().slow_path();
    }
}

mod placed_by_the_user {
    use atomic_parker::AtomicParker;
    use std::sync::{Arc, LazyLock, OnceLock};
    use std::task::Waker;
    use std::thread;

    #[derive(Default, Debug)]
    struct Shared {
        parker: AtomicParker,
        work: Vec<u32>,
    }

    static PARKER: AtomicParker = AtomicParker::new();
    static PARKERS: [AtomicParker; 3] = [const { AtomicParker::new() }; 3];

    #[test]
    fn everywhere() {
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = shared.clone();
            move || shared.parker.park()
        });
        shared.parker.unpark();
        thread.join().unwrap();
        assert!(shared.work.is_empty());

        static LAZY: LazyLock<AtomicParker> = LazyLock::new(AtomicParker::default);
        static ONCE: OnceLock<Arc<AtomicParker>> = OnceLock::new();
        LAZY.unpark();
        LAZY.park();
        let parker = ONCE.get_or_init(Default::default);
        let waker = Waker::from(parker.clone());
        waker.wake();
        parker.park();

        PARKER.waker().wake();
        PARKER.park();
        PARKERS.iter().map(AtomicParker::waker).for_each(Waker::wake);
        PARKERS.iter().for_each(AtomicParker::park);
        thread_local!(static MINE: Arc<AtomicParker> = Arc::default());
        let mine = MINE.with(Arc::clone);
        mine.unpark();
        mine.park();
        static LEAKED: OnceLock<&'static AtomicParker> = OnceLock::new();
        let leaked: &'static AtomicParker = LEAKED.get_or_init(|| Box::leak(Box::default()));
        leaked.waker().wake_by_ref();
        leaked.park();
    }
}

mod futures {
    use atomic_parker::{block_on, block_on_timeout, Parker, TimedOut};
    use std::error::Error;
    use std::time::Duration;

    async fn answer() -> u32 {
        42
    }

    #[test]
    fn run() -> Result<(), Box<dyn Error>> {
        assert_eq!(block_on(answer()), 42);
        assert_eq!(block_on(async { answer().await + block_on(answer()) }), 84);
        assert_eq!(block_on(Box::pin(answer())), 42);
        assert_eq!(block_on_timeout(answer(), Duration::from_secs(5))?, 42);
        let parker = Parker::new();
        assert_eq!(parker.block_on(answer()), 42);
        assert_eq!(parker.block_on_timeout(answer(), Duration::MAX)?, 42);
        let never = std::future::pending::<()>();
        assert_eq!(parker.block_on_timeout(never, Duration::from_millis(1)), Err(TimedOut));
        Ok(())
    }
}

/// The lines of the README's table "Moving over" that are no doc tests of `docs/moving_over.md`.
mod moving_over {
    mod from_std {
        use atomic_parker::Parker;
        use std::time::Duration;

        #[test]
        fn the_parker_is_in_a_thread_local() {
            thread_local!(static PARKER: Parker = Parker::new());
            fn park() {
                PARKER.with(|parker| parker.park());
            }
            let unparker = PARKER.with(|parker| parker.unparker());
            unparker.unpark();
            park();
            assert!(!PARKER.with(|parker| parker.park_timeout(Duration::from_millis(1))));
        }
    }

    mod from_crossbeam {
        use atomic_parker::{Parker, Unparker};
        use std::sync::Arc;
        use std::task::{Wake, Waker};
        use std::time::{Duration, Instant};

        struct Wakes(Unparker);

        impl Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.unpark(); // the semicolon is new
            }
        }

        fn park(parker: &Parker, deadline: Option<Instant>) {
            match deadline {
                Some(deadline) => {
                    parker.park_deadline(deadline); // braces and the semicolon are new
                }
                None => parker.park(),
            }
        }

        #[test]
        fn what_changes() {
            let parker = Parker::new();
            let unparkers: Vec<_> = [&parker].map(|parker| parker.unparker()).into_iter().collect(); // `.cloned()` is gone
            unparkers[0].unpark();
            park(&parker, None);
            Waker::from(Arc::new(Wakes(parker.unparker()))).wake();
            park(&parker, Some(Instant::now() + Duration::from_secs(5)));
            // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
            let unparker: Unparker = unsafe { Unparker::from_raw(Unparker::into_raw(parker.unparker())) }; // the type is new
            unparker.unpark();
            assert!(parker.park_timeout(Duration::from_secs(5)));
        }

        #[test]
        fn what_stays_the_same() {
            let p = Parker::new();
            let u = p.unparker().clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(1));
                u.unpark();
            });
            p.park();
            p.park_timeout(Duration::from_millis(1));
            p.park_deadline(Instant::now());
        }
    }

    /// Stands for a crate `parking`, so that its users' imports compile.
    mod parking {
        pub use atomic_parker::{pair, Parker, Unparker};
    }

    mod from_parking {
        use super::parking::{self, Parker, Unparker};
        use std::task::Waker;
        use std::time::{Duration, Instant};

        #[test]
        fn nothing_changes() {
            let (p, u) = parking::pair();
            assert!(u.unpark());
            assert!(!u.unpark());
            assert!(p.park_timeout(Duration::ZERO));
            assert!(!p.park_timeout(Duration::ZERO));
            assert!(!p.park_deadline(Instant::now()));
            assert!(u.will_unpark(&p) && u.same_parker(&p.unparker()));
            let p = Parker::default();
            let waker: Waker = p.unparker().into();
            waker.wake();
            p.park();
            assert!(p.unpark());
            p.park();
            fn takes(_: Unparker) {}
            takes(p.unparker());
        }
    }

    mod from_pollster {
        use atomic_parker as pollster;

        #[test]
        fn the_function_stays() {
            // Replaces `FutureExt::block_on` and `#[pollster::main]`, which have no counterpart.
            let value = pollster::block_on(async { 1 + 2 });
            assert_eq!(value, 3);
        }
    }
}
