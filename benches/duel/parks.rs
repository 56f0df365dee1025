//! Wake-ups one after the other, on two threads for each slice. The contenders take turns of some parks.
//!
//! Threads differ more from each other than contenders do, so all contenders park on the same thread. The waker waits
//! until the sleeper has returned, then for the next gap, and wakes it again. It spins while it waits, so only its calls
//! of `unpark` are counted, by the clock.

use atomic_parker_benches::contenders::Contender;
use atomic_parker_benches::place::Place;
use atomic_parker_benches::rows::Kind;
use atomic_parker_benches::runner::shuffled;
use atomic_parker_benches::stats::median;
use atomic_parker_benches::usage::thread_cpu;
use crossbeam_utils::CachePadded;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The values of a turn: the median of the latencies, the sleeper's processor time a park, and the same together with the
/// time of a call of `unpark`.
pub const LATENCY: usize = 0;
pub const CPU: usize = 1;
pub const CPU_OF_BOTH: usize = 2;

/// How long the waker waits before each wake-up, in nanoseconds.
#[derive(Clone, Copy)]
pub enum Gaps {
    Regular(u64),
    /// Independent random gaps with this mean.
    Poisson(u64),
    /// The waker sleeps too, so that the caches are cold.
    Asleep(u64),
    /// In turn the first, spinning, and the second, asleep. Only latencies after the first count.
    InTurn(u64, u64),
}

#[derive(Clone, Copy)]
pub struct Parks {
    pub place: Place,
    pub gaps: Gaps,
    /// The number of parks in a turn. Large enough that reading the thread's clock, a system call, does not matter.
    pub a_turn: usize,
    /// The number of turns of each contender in a slice.
    pub turns: usize,
    /// Whether each turn has a new parker. Otherwise a contender has one parker for the slice, and its first turn does
    /// not count.
    pub fresh: bool,
    /// Whether they wait by `park_timeout`.
    pub timed: bool,
}

/// A contender with an erased type.
pub struct Erased {
    pub name: &'static str,
    pub kind: Kind,
    pair: fn() -> (WaitSide, SignalSide),
}

type WaitSide = Box<dyn Fn()>;
type SignalSide = Box<dyn Fn() + Send>;

impl Erased {
    pub fn new<C: Contender>() -> Self {
        let pair = || -> (WaitSide, SignalSide) {
            let (parker, unparker) = C::pair_anywhere();
            // On cache lines of their own: both boxes come from one thread, so they may lie side by side.
            let (parker, unparker) = (CachePadded::new(parker), CachePadded::new(unparker));
            (Box::new(move || C::wait(&parker)), Box::new(move || C::signal(&unparker)))
        };
        Self { name: C::NAME, kind: C::KIND, pair }
    }
}

/// Shared by the two threads.
struct Link {
    begin: Instant,
    sent: AtomicU64,
    received: AtomicUsize,
}

impl Link {
    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// Returns the nanoseconds from the wake-up to the return of `wait`.
    fn receive(&self, wait: impl FnOnce()) -> f64 {
        wait();
        // Acquire: pairs with the release store of `send`, so the time is the one of this wake-up.
        let latency = self.now().saturating_sub(self.sent.load(Ordering::Acquire));
        // Release: all that this thread did before happens before a load of the new count.
        self.received.fetch_add(1, Ordering::Release);
        latency as f64
    }

    /// Returns the duration of the signal in nanoseconds.
    fn send(&self, gap: Gap, signal: impl FnOnce()) -> u64 {
        let received = self.received.load(Ordering::Acquire);
        match gap {
            Gap::Asleep(nanos) => thread::sleep(Duration::from_nanos(nanos)),
            Gap::Spin(nanos) => {
                let end = self.now() + nanos;
                while self.now() < end {
                    spin_loop();
                }
            }
        }
        let sent = self.now();
        self.sent.store(sent, Ordering::Release);
        signal();
        let spent = self.now() - sent;
        while self.received.load(Ordering::Acquire) == received {
            spin_loop();
        }
        spent
    }
}

#[derive(Clone, Copy)]
enum Gap {
    Spin(u64),
    Asleep(u64),
}

impl Gaps {
    fn next(self, number: usize, random: &mut fastrand::Rng) -> Gap {
        match self {
            Self::Regular(nanos) => Gap::Spin(nanos),
            Self::Poisson(mean) => Gap::Spin((-(1.0 - random.f64()).ln() * mean as f64) as u64),
            Self::Asleep(nanos) => Gap::Asleep(nanos),
            Self::InTurn(nanos, _) if number.is_multiple_of(2) => Gap::Spin(nanos),
            Self::InTurn(_, nanos) => Gap::Asleep(nanos),
        }
    }

    fn counts(self, number: usize) -> bool {
        !matches!(self, Self::InTurn(..)) || number.is_multiple_of(2)
    }
}

impl Parks {
    /// A slice of all contenders: their numbers, and the values of a turn.
    pub fn slice(self, contenders: &[Erased], random: &mut fastrand::Rng) -> Vec<(usize, Vec<f64>)> {
        let warm_up = usize::from(!self.fresh);
        let order: Vec<Vec<usize>> = (0..self.turns + warm_up).map(|_| shuffled(contenders.len(), random)).collect();
        // The same gaps for all contenders.
        let seeds: Vec<u64> = order.iter().map(|_| random.u64(..)).collect();
        let turns: Vec<(usize, u64)> =
            order.iter().zip(&seeds).flat_map(|(all, seed)| all.iter().map(move |number| (*number, *seed))).collect();
        // The number of the pair of each turn.
        let pairs: Vec<usize> =
            if self.fresh { (0..turns.len()).collect() } else { turns.iter().map(|t| t.0).collect() };
        let made: Vec<usize> =
            if self.fresh { turns.iter().map(|t| t.0).collect() } else { (0..contenders.len()).collect() };

        let link = Link { begin: Instant::now(), sent: AtomicU64::new(0), received: AtomicUsize::new(0) };
        let spent: Vec<AtomicU64> = turns.iter().map(|_| AtomicU64::new(0)).collect();
        let values: Vec<(f64, f64)> = self.place.run(
            || made.iter().map(|number| (contenders[*number].pair)()).unzip::<_, _, Vec<_>, Vec<_>>(),
            |waits, _| {
                let turn = |pair: &usize| {
                    let cpu = thread_cpu();
                    let latencies = (0..self.a_turn).map(|number| (number, link.receive(&waits[*pair])));
                    let latencies: Vec<f64> =
                        latencies.filter(|(number, _)| self.gaps.counts(*number)).map(|l| l.1).collect();
                    let cpu = thread_cpu().zip(cpu).map_or(f64::NAN, |(end, begin)| end - begin);
                    (median(&latencies), cpu / self.a_turn as f64)
                };
                pairs.iter().map(turn).collect()
            },
            |_, signals| {
                for ((pair, turn), spent) in pairs.iter().zip(&turns).zip(&spent) {
                    let mut random = fastrand::Rng::with_seed(turn.1);
                    let sum = (0..self.a_turn)
                        .map(|number| link.send(self.gaps.next(number, &mut random), &signals[*pair]))
                        .sum();
                    // Relaxed: it is read after the threads have ended.
                    spent.store(sum, Ordering::Relaxed);
                }
            },
        );
        let all = turns.iter().zip(values).zip(spent).map(|((turn, (latency, cpu)), spent)| {
            let unpark = spent.into_inner() as f64 / self.a_turn as f64;
            (turn.0, vec![latency, cpu, cpu + unpark])
        });
        all.skip(warm_up * contenders.len()).collect()
    }
}
