//! The CPUs that the two threads of a hand-off run on.

use core_affinity::CoreId;
use std::sync::mpsc;
use std::thread;

/// A place for two threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each thread is pinned to its own core.
    TwoCores([CoreId; 2]),
    /// Both threads are pinned to the same core.
    OneCore(CoreId),
    /// The system places the threads.
    Free,
}

impl Place {
    /// The places that this machine has. Prints the names of the others on stderr.
    pub fn all() -> Vec<Self> {
        // On a new thread, so that the caller is not pinned.
        let cores = thread::spawn(|| {
            let mut cores = core_affinity::get_core_ids().unwrap_or_default();
            cores.retain(|core| core_affinity::set_for_current(*core));
            cores
        });
        let cores = cores.join().unwrap_or_default();

        let mut places = Vec::new();
        match cores[..] {
            [first, second, ..] => places.push(Self::TwoCores([first, second])),
            _ => eprintln!("skipped: pinned to two cores (can pin to {} here)", cores.len()),
        }
        match cores[..] {
            [first, ..] => places.push(Self::OneCore(first)),
            _ => eprintln!("skipped: pinned to one core (can't pin here)"),
        }
        places.push(Self::Free);
        places
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::TwoCores(_) => "two cores",
            Self::OneCore(_) => "one core",
            Self::Free => "free",
        }
    }

    /// Whether both threads can run at the same time. If not, a spinning thread uses up its time slice.
    pub fn is_parallel(self) -> bool {
        match self {
            Self::TwoCores(_) => true,
            Self::OneCore(_) => false,
            Self::Free => thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
        }
    }

    /// Places the calling thread, as number 0 or 1 of the two.
    pub fn enter(self, number: usize) {
        let pinned = match self {
            Self::TwoCores(cores) => core_affinity::set_for_current(cores[number]),
            Self::OneCore(core) => core_affinity::set_for_current(core),
            Self::Free => true,
        };
        assert!(pinned, "can't pin thread {number} any more");
    }

    /// Runs two functions in this place, each on a new thread, and returns the result of the first.
    ///
    /// Each thread first calls `introduce`. It keeps the first part of the result. The other thread gets the second.
    pub fn run<Own, Given: Send, R: Send>(
        self,
        introduce: impl Fn() -> (Own, Given) + Sync,
        first: impl FnOnce(Own, Given) -> R + Send,
        second: impl FnOnce(Own, Given) + Send,
    ) -> R {
        let (to_first, from_second) = mpsc::channel();
        let (to_second, from_first) = mpsc::channel();
        let introduce = &introduce;
        thread::scope(|scope| {
            scope.spawn(move || {
                self.enter(1);
                let (own, given) = introduce();
                to_first.send(given).unwrap();
                second(own, from_first.recv().unwrap());
            });
            let first = scope.spawn(move || {
                self.enter(0);
                let (own, given) = introduce();
                to_second.send(given).unwrap();
                first(own, from_second.recv().unwrap())
            });
            first.join().unwrap()
        })
    }
}
