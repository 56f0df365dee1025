//! Where the two threads of a hand-off run.

use core_affinity::CoreId;
use std::sync::mpsc;
use std::thread;

/// A place for two threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each pinned to a core of its own.
    TwoCores([CoreId; 2]),
    /// Both pinned to the same core.
    OneCore(CoreId),
    /// Wherever the system puts them.
    Free,
}

impl Place {
    /// The places that this machine has. Those that it has not are named on stderr.
    pub fn all() -> Vec<Self> {
        // In a thread of its own, so that the caller stays free.
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

    /// Whether both threads can run at the same time. If not, one that only spins waits for its time slice to end.
    pub fn is_parallel(self) -> bool {
        match self {
            Self::TwoCores(_) => true,
            Self::OneCore(_) => false,
            Self::Free => thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
        }
    }

    /// Puts the calling thread there, as number 0 or 1 of the two.
    pub fn enter(self, number: usize) {
        let pinned = match self {
            Self::TwoCores(cores) => core_affinity::set_for_current(cores[number]),
            Self::OneCore(core) => core_affinity::set_for_current(core),
            Self::Free => true,
        };
        assert!(pinned, "can't pin thread {number} any more");
    }

    /// Runs two functions there, each on a new thread, and returns what the first one returns.
    ///
    /// Each side begins with `introduce`, on its own thread: it keeps the first part, the other side gets the second.
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
