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
    round_trip_after::<C>(place, &[(count / 10, work)], (count, work), count)
}

/// The same with a pause of a millisecond, which does not count, after so many.
pub fn round_trip_in_bursts<C: Contender>(place: Place, count: u32, burst: u32) -> f64 {
    round_trip_after::<C>(place, &[(count / 10, Duration::ZERO)], (count, Duration::ZERO), burst)
}

/// The same after 1,000 round trips with 30 µs of work on each side: there, spins are too long to be worth it, and a parker of
/// ours spends what it has saved for them. It saves 0.1 µs by a sleep, and explores with 300 µs, that is, 3,000 waits later at
/// most. So 8,000 round trips in between do not count, as it may have to explore twice.
pub fn round_trip_after_far_waits<C: Contender>(place: Place) -> f64 {
    let before = [(1_000, Duration::from_micros(30)), (8_000, Duration::ZERO)];
    round_trip_after::<C>(place, &before, (2_000, Duration::ZERO), 2_000)
}

/// A number of round trips, and the work on each side.
type Phase = (u32, Duration);

/// The time of a round trip of the last phase, with a pause after each burst.
fn round_trip_after<C: Contender>(place: Place, before: &[Phase], last: Phase, burst: u32) -> f64 {
    let be_busy = |work: Duration| {
        if !work.is_zero() {
            let start = Instant::now();
            while start.elapsed() < work {}
        }
    };
    let (count, work) = last;
    let time = place.run(
        C::pair_anywhere,
        |parker, peer| {
            let round_trips = |(count, work)| {
                let start = Instant::now();
                for _ in 0..count {
                    be_busy(work);
                    C::signal(&peer);
                    C::wait(&parker);
                }
                start.elapsed()
            };
            for phase in before {
                round_trips(*phase);
            }
            let mut time = round_trips((burst, work));
            for _ in 1..count / burst {
                thread::sleep(Duration::from_millis(1));
                time += round_trips((burst, work));
            }
            time
        },
        |parker, peer| {
            for (count, work) in before.iter().chain([&last]) {
                for _ in 0..*count {
                    C::wait(&parker);
                    be_busy(*work);
                    C::signal(&peer);
                }
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
