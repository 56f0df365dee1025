//! What is measured: each scenario once, over any contender, in slices of some milliseconds.

use crate::contenders::place::Place;
use crate::contenders::Contender;
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
            // On cores that were idle for long, all caches are cold, and no two wake-ups alike.
            What::WakeUps { waits: [Wait::Asleep(5_000_000)], .. } => 24,
            What::FanOut | What::WakeUps { waits: [Wait::Asleep(_)], .. } => 12,
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
                let what = wake_ups(place, &[Wait::Asleep(500_000)], 200);
                let values = &[("every 500 µs: latency", None), ("every 500 µs: CPU per park", Some(1.05))];
                add("every 500", what, false, values);
                let what = wake_ups(place, &[Wait::Asleep(5_000_000)], 30);
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

/// Measures one slice; returns one value for each of the scenario's.
pub fn slice<C: Contender>(what: &What) -> Vec<f64> {
    match *what {
        What::Token => vec![token::<C>()],
        What::RoundTrip { place, count, busy_threads } => {
            beside_busy_threads(place, busy_threads, || vec![round_trip::<C>(place, count)])
        }
        What::WakeUps { place, waits, count, parks_per_parker } => {
            let (latency, cpu) = wake_ups::<C>(place, waits, count, parks_per_parker);
            vec![latency, cpu]
        }
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

/// Returns the median of the latencies after the first wait of the pattern, and the CPU time per park.
fn wake_ups<C: Contender>(place: Place, waits: &'static [Wait], count: usize, parks_per_parker: usize) -> (f64, f64) {
    let begin = Instant::now();
    let sent = AtomicU64::new(0);
    let received = AtomicUsize::new(0);
    let mut total_cpu = 0.0;
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("the bounds are in order");
    let mut done = 0;
    while done < count {
        let parks = parks_per_parker.min(count - done);
        received.store(0, Ordering::Relaxed);
        let cpu = place.run(
            C::pair,
            |parker, _| {
                let cpu = thread_cpu_nanos();
                for number in 0..parks {
                    C::wait(&parker);
                    let now = begin.elapsed().as_nanos() as u64;
                    let latency = now.saturating_sub(sent.load(Ordering::Acquire));
                    if number % waits.len() == 0 {
                        latencies.saturating_record(latency.max(1));
                    }
                    received.store(number + 1, Ordering::Release);
                }
                thread_cpu_nanos() - cpu
            },
            |_, peer| {
                for number in 0..parks {
                    match waits[number % waits.len()] {
                        Wait::Asleep(nanos) => thread::sleep(Duration::from_nanos(nanos)),
                        Wait::Busy(nanos) => {
                            let start = Instant::now();
                            while start.elapsed() < Duration::from_nanos(nanos) {
                                spin_loop();
                            }
                        }
                    }
                    sent.store(begin.elapsed().as_nanos() as u64, Ordering::Release);
                    C::signal(&peer);
                    while received.load(Ordering::Acquire) <= number {
                        spin_loop();
                    }
                }
            },
        );
        total_cpu += cpu;
        done += parks;
    }
    (latencies.value_at_quantile(0.5) as f64, total_cpu / count as f64)
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

/// The CPU time that the calling thread has used.
fn thread_cpu_nanos() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "no clock for the CPU time of a thread");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
