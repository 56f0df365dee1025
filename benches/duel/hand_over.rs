//! The token on one thread, and round trips of two threads.

use atomic_parker_benches::contenders::Contender;
use atomic_parker_benches::place::Place;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub fn nanos_each(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count)
}

pub fn token<C: Contender>() -> f64 {
    const COUNT: u32 = 200_000;
    // Not for each operation: `black_box` stores its argument, and the next locked instruction would wait for it.
    let (parker, unparker) = black_box(C::pair_anywhere());
    let start = Instant::now();
    for _ in 0..COUNT {
        C::unpark(&unparker);
        C::park(&parker);
    }
    nanos_each(start.elapsed(), COUNT)
}

/// The time of a round trip, after a warm-up. Each side is busy for `work` before it hands over.
pub fn round_trip<C: Contender>(place: Place, count: u32, work: Duration) -> f64 {
    round_trip_in_bursts::<C>(place, count, work, count)
}

/// The same with a pause of a millisecond, which does not count, after so many.
pub fn round_trip_in_bursts<C: Contender>(place: Place, count: u32, work: Duration, burst: u32) -> f64 {
    let work = || {
        if !work.is_zero() {
            let start = Instant::now();
            while start.elapsed() < work {}
        }
    };
    let warm_up = count / 10;
    let time = place.run(
        C::pair_anywhere,
        |parker, peer| {
            let round_trips = |count| {
                let start = Instant::now();
                for _ in 0..count {
                    work();
                    C::signal(&peer);
                    C::wait(&parker);
                }
                start.elapsed()
            };
            round_trips(warm_up);
            let mut time = round_trips(burst);
            for _ in 1..count / burst {
                thread::sleep(Duration::from_millis(1));
                time += round_trips(burst);
            }
            time
        },
        |parker, peer| {
            for _ in 0..warm_up + count {
                C::wait(&parker);
                work();
                C::signal(&peer);
            }
        },
    );
    nanos_each(time, count)
}

/// Runs a function while `count` threads are busy on the first core of a place.
pub fn beside_busy_threads<R>(place: Place, count: usize, f: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..count {
            let done = &done;
            scope.spawn(move || {
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

/// Keeps all cores busy for the given time. A hypervisor may move the cores of a machine after that.
pub fn load(time: Duration) {
    let end = Instant::now() + time;
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(move || while Instant::now() < end {});
        }
    });
}
