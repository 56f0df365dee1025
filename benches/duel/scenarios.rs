//! What is measured: each scenario once, over any contender, in slices of some milliseconds.

use atomic_parker_benches::contenders::{Contender, Kind};
use atomic_parker_benches::place::Place;
use atomic_parker_benches::usage::thread_cpu;
use hdrhistogram::Histogram;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

pub struct Scenario {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    pub what: What,
    /// The rows of the table, one for each value that a slice gives: a name, and what the ratio of ours to the best
    /// peer should not exceed, if there is such an aim. All values are nanoseconds.
    pub values: &'static [(&'static str, Option<f64>)],
    /// How many slices a round takes: more where they differ more from each other than the contenders do.
    pub slices: usize,
    /// Whether the bare swaps, or two threads that only spin, make sense here.
    pub with_floor: bool,
}

pub enum What {
    Token,
    RoundTrip {
        place: Place,
        count: u32,
        busy_threads: usize,
    },
    /// The waker is busy, or sleeps, for these times in turn before each wake-up.
    WakeUps {
        place: Place,
        waits: &'static [Wait],
        count: usize,
        parks_per_parker: usize,
    },
    /// The waker sleeps for so many nanoseconds before each wake-up; the contenders take turns of [`TURN`] parks, so
    /// often, on one and the same thread. For waits so long that each park is on cold caches, where threads and slices
    /// differ more from each other than contenders do.
    LongWaits {
        place: Place,
        asleep: u64,
        turns: usize,
    },
    Ring,
    FanOut,
}

/// What the waker does before it unparks, for so many nanoseconds.
pub enum Wait {
    Busy(u64),
    Asleep(u64),
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |name, what, with_floor, values| {
        let slices = match what {
            What::Ring | What::RoundTrip { busy_threads: 1.., .. } => 24,
            What::RoundTrip { place: Place::OneCore(_), .. } => 12,
            What::FanOut | What::LongWaits { .. } | What::WakeUps { waits: [Wait::Asleep(_)], .. } => 12,
            _ => 4,
        };
        all.push(Scenario { name, what, values, slices, with_floor });
    };
    let wake_ups = |place, waits, count| What::WakeUps { place, waits, count, parks_per_parker: usize::MAX };

    add("token", What::Token, true, &[("unpark + park, token there", Some(1.02))]);
    for place in Place::all() {
        match place {
            Place::TwoCores(_) => {
                let what = What::RoundTrip { place, count: 2_000, busy_threads: 0 };
                add("round trip, two cores", what, true, &[("round trip, two cores", Some(0.005))]);
                let what = wake_ups(place, &[Wait::Busy(500)], 500);
                add("latency 0.5", what, true, &[("wake-up latency, waker busy for 0.5 µs", Some(0.05))]);
                let what = wake_ups(place, &[Wait::Busy(2_000)], 500);
                add("latency 2", what, true, &[("wake-up latency, waker busy for 2 µs", Some(0.02))]);
                let what = wake_ups(place, &[Wait::Busy(10_000)], 500);
                add("latency 10", what, true, &[("wake-up latency, waker busy for 10 µs", Some(0.02))]);
                let what = wake_ups(place, &[Wait::Busy(2_000), Wait::Asleep(5_000_000)], 60);
                let values = &[
                    ("2 µs and 5 ms in turn: latency after 2 µs", Some(0.5)),
                    ("2 µs and 5 ms in turn: CPU per park", Some(1.1)),
                ];
                add("short and long", what, false, values);
            }
            Place::OneCore(_) => {
                let what = What::RoundTrip { place, count: 5_000, busy_threads: 0 };
                add("round trip, one core", what, false, &[("round trip, one core", Some(1.05))]);
                let what = What::RoundTrip { place, count: 400, busy_threads: 2 };
                add("round trip, busy core", what, false, &[("round trip, one core, two busy threads", Some(1.05))]);
            }
            Place::Free => {
                let what = What::RoundTrip { place, count: 2_000, busy_threads: 0 };
                add("round trip, free", what, true, &[("round trip, free", Some(0.005))]);
                add("ring", What::Ring, false, &[("ring of 8 threads, one token: a hop", Some(1.05))]);
                add("fan out", What::FanOut, false, &[("one wakes 8 and waits for them", Some(1.05))]);
                let what = What::LongWaits { place, asleep: 500_000, turns: 12 };
                let values = &[("every 500 µs: latency", None), ("every 500 µs: CPU per park", Some(1.05))];
                add("every 500", what, false, values);
                let what = What::LongWaits { place, asleep: 5_000_000, turns: 6 };
                add(
                    "every 5 ms",
                    what,
                    false,
                    &[("every 5 ms: latency", None), ("every 5 ms: CPU per park", Some(1.05))],
                );
                let waits = &[Wait::Asleep(500_000)];
                let what = What::WakeUps { place, waits, count: 200, parks_per_parker: 10 };
                let values = &[
                    ("new after 10 parks, 500 µs: latency", None),
                    ("new after 10 parks, 500 µs: CPU per park", Some(1.1)),
                ];
                add("young", what, false, values);
            }
        }
    }
    all
}

/// A contender, with its type taken away.
pub struct Measured {
    pub name: &'static str,
    pub kind: Kind,
    slice: fn(&What) -> Vec<f64>,
    sides: fn() -> (WaitSide, SignalSide),
}

type WaitSide = Box<dyn Fn()>;
type SignalSide = Box<dyn Fn() + Send>;

impl Measured {
    pub fn new<C: Contender>() -> Self {
        let sides = || -> (WaitSide, SignalSide) {
            let (parker, unparker) = C::pair();
            (Box::new(move || C::wait(&parker)), Box::new(move || C::signal(&unparker)))
        };
        Self { name: C::NAME, kind: C::KIND, slice: slice::<C>, sides }
    }
}

/// Measures all contenders in a new order. What comes before a slice may matter: one that shares code with it leaves it
/// in the caches.
///
/// Returns the number of a contender and one value for each of the scenario's, as often for each.
pub fn measure(what: &What, contenders: &[Measured], random: &mut fastrand::Rng) -> Vec<(usize, Vec<f64>)> {
    let mut shuffled = || {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        random.shuffle(&mut order);
        order
    };
    match *what {
        What::LongWaits { place, asleep, turns } => {
            let order: Vec<usize> = (0..turns).flat_map(|_| shuffled()).collect();
            long_waits(place, &Wait::Asleep(asleep), contenders, &order)
        }
        _ => shuffled().into_iter().map(|number| (number, (contenders[number].slice)(what))).collect(),
    }
}

/// Measures one slice; returns one value for each of the scenario's.
fn slice<C: Contender>(what: &What) -> Vec<f64> {
    match *what {
        What::Token => vec![token::<C>()],
        What::RoundTrip { place, count, busy_threads } => {
            beside_busy_threads(place, busy_threads, || vec![round_trip::<C>(place, count)])
        }
        What::WakeUps { place, waits, count, parks_per_parker } => wake_ups::<C>(place, waits, count, parks_per_parker),
        What::LongWaits { .. } => unreachable!("not in slices of one contender"),
        What::Ring => vec![ring::<C>()],
        What::FanOut => vec![fan_out::<C>()],
    }
}

fn nanos_each(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count)
}

fn token<C: Contender>() -> f64 {
    const COUNT: u32 = 200_000;
    // Once, and not for each operation: it stores what it is given, and the next locked instruction would wait for that.
    let (parker, unparker) = black_box(C::pair());
    let start = Instant::now();
    for _ in 0..COUNT {
        C::unpark(&unparker);
        C::park(&parker);
    }
    nanos_each(start.elapsed(), COUNT)
}

fn beside_busy_threads<R>(place: Place, count: usize, f: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..count {
            let done = &done;
            scope.spawn(move || {
                // All on the one core, where they are in the way.
                place.enter(number % 2);
                while !done.load(Ordering::Relaxed) {
                    black_box(number);
                }
            });
        }
        let result = f();
        done.store(true, Ordering::Relaxed);
        result
    })
}

fn round_trip<C: Contender>(place: Place, count: u32) -> f64 {
    let warm_up = count / 10;
    let time = place.run(
        C::pair,
        |parker, peer| {
            let round_trip = || {
                C::signal(&peer);
                C::wait(&parker);
            };
            (0..warm_up).for_each(|_| round_trip());
            let start = Instant::now();
            (0..count).for_each(|_| round_trip());
            start.elapsed()
        },
        |parker, peer| {
            for _ in 0..warm_up + count {
                C::wait(&parker);
                C::signal(&peer);
            }
        },
    );
    nanos_each(time, count)
}

/// Wake-ups, one after the other: the next begins when the sleeper has returned from the last.
struct WakeUps {
    begin: Instant,
    sent: AtomicU64,
    received: AtomicUsize,
}

impl WakeUps {
    fn new() -> Self {
        Self { begin: Instant::now(), sent: AtomicU64::new(0), received: AtomicUsize::new(0) }
    }

    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// Returns how many nanoseconds after the wake-up `wait` returned.
    fn receive(&self, wait: impl FnOnce()) -> u64 {
        wait();
        let latency = self.now().saturating_sub(self.sent.load(Ordering::Acquire));
        self.received.fetch_add(1, Ordering::Release);
        latency
    }

    fn send(&self, before: &Wait, signal: impl FnOnce()) {
        let received = self.received.load(Ordering::Acquire);
        match *before {
            Wait::Asleep(nanos) => thread::sleep(Duration::from_nanos(nanos)),
            Wait::Busy(nanos) => {
                let start = Instant::now();
                while start.elapsed() < Duration::from_nanos(nanos) {
                    spin_loop();
                }
            }
        }
        self.sent.store(self.now(), Ordering::Release);
        signal();
        while self.received.load(Ordering::Acquire) == received {
            spin_loop();
        }
    }
}

struct Latencies(Histogram<u64>);

impl Latencies {
    fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("the bounds are in order"))
    }

    fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    fn median(&self) -> f64 {
        self.0.value_at_quantile(0.5) as f64
    }
}

/// Returns the median of the latencies after the first wait of the pattern, and the CPU time per park.
fn wake_ups<C: Contender>(place: Place, waits: &'static [Wait], count: usize, parks_per_parker: usize) -> Vec<f64> {
    let mut total_cpu = 0.0;
    let mut latencies = Latencies::new();
    let mut done = 0;
    while done < count {
        let parks = parks_per_parker.min(count - done);
        let wake_ups = WakeUps::new();
        total_cpu += place.run(
            C::pair,
            |parker, _| {
                let cpu = thread_cpu_nanos();
                for number in 0..parks {
                    let latency = wake_ups.receive(|| C::wait(&parker));
                    if number % waits.len() == 0 {
                        latencies.record(latency);
                    }
                }
                thread_cpu_nanos() - cpu
            },
            |_, peer| {
                for number in 0..parks {
                    wake_ups.send(&waits[number % waits.len()], || C::signal(&peer));
                }
            },
        );
        done += parks;
    }
    vec![latencies.median(), total_cpu / count as f64]
}

/// How many parks of one contender follow each other in [`What::LongWaits`]. Enough that to read the clock of the
/// thread, which is a system call, does not matter.
const TURN: usize = 10;

/// Returns for each turn in `order` the median of the latencies, and the CPU time per park.
fn long_waits(place: Place, before: &Wait, contenders: &[Measured], order: &[usize]) -> Vec<(usize, Vec<f64>)> {
    let wake_ups = WakeUps::new();
    place.run(
        || contenders.iter().map(|contender| (contender.sides)()).unzip::<_, _, Vec<_>, Vec<_>>(),
        |waits, _| {
            // The first park on a thread may have to set up what belongs to the thread.
            waits.iter().for_each(|wait| _ = wake_ups.receive(wait));
            let turn = |&number: &usize| {
                let mut latencies = Latencies::new();
                let cpu = thread_cpu_nanos();
                for _ in 0..TURN {
                    latencies.record(wake_ups.receive(&waits[number]));
                }
                let cpu = thread_cpu_nanos() - cpu;
                (number, vec![latencies.median(), cpu / TURN as f64])
            };
            order.iter().map(turn).collect()
        },
        |_, signals| {
            let all = 0..signals.len();
            let turns = order.iter().flat_map(|&number| [number; TURN]);
            all.chain(turns).for_each(|number| wake_ups.send(before, &signals[number]));
        },
    )
}

/// Starts threads with a pair each, and returns their unparkers: a pair must be made where it is parked on.
fn spawn<C: Contender>(
    count: usize,
    run: impl FnOnce(usize, C::Parker) + Clone + Send + 'static,
) -> (Vec<C::Unparker>, Vec<thread::JoinHandle<()>>) {
    let start = |number| {
        let (sender, receiver) = mpsc::channel();
        let run = run.clone();
        let thread = thread::spawn(move || {
            let (parker, unparker) = C::pair();
            sender.send(unparker).expect("the receiver waits");
            run(number, parker);
        });
        (receiver.recv().expect("the thread sends first"), thread)
    };
    (0..count).map(start).unzip()
}

fn ring<C: Contender>() -> f64 {
    const THREADS: usize = 8;
    const ROUNDS: u32 = 300;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<C::Unparker>()).unzip();
    let receivers: Vec<_> = receivers.into_iter().map(|receiver| Arc::new(std::sync::Mutex::new(receiver))).collect();
    let (unparkers, threads) = spawn::<C>(THREADS, move |number, parker| {
        let next = receivers[number].lock().unwrap().recv().unwrap();
        for _ in 0..ROUNDS {
            C::wait(&parker);
            C::signal(&next);
        }
    });
    for (number, sender) in senders.iter().enumerate() {
        sender.send(unparkers[(number + 1) % THREADS].clone()).unwrap();
    }
    let start = Instant::now();
    C::signal(&unparkers[0]);
    for thread in threads {
        thread.join().unwrap();
    }
    nanos_each(start.elapsed(), ROUNDS * THREADS as u32)
}

fn fan_out<C: Contender>() -> f64 {
    const THREADS: usize = 8;
    const ROUNDS: u32 = 300;
    let (parker, unparker) = C::pair();
    let to_do = Arc::new(AtomicUsize::new(THREADS));
    // In a mutex, as the unparker of a contender need not be `Sync`.
    let unparker_of_main = Arc::new(std::sync::Mutex::new(unparker));
    let (unparkers, threads) = spawn::<C>(THREADS, move |_, parker| {
        let main = unparker_of_main.lock().unwrap().clone();
        for _ in 0..ROUNDS {
            C::wait(&parker);
            if to_do.fetch_sub(1, Ordering::AcqRel) == 1 {
                to_do.store(THREADS, Ordering::Release);
                C::signal(&main);
            }
        }
    });
    let start = Instant::now();
    for _ in 0..ROUNDS {
        unparkers.iter().for_each(C::signal);
        C::wait(&parker);
    }
    let time = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    nanos_each(time, ROUNDS)
}

/// The CPU time that the calling thread has used; where the system does not tell it, there is no figure.
fn thread_cpu_nanos() -> f64 {
    thread_cpu().unwrap_or(f64::NAN)
}
