//! Looking before sleeping. What the policy decides is tested in `src/spin.rs`; here, that a parker does as it says.

use crate::support::{home, until, Counting};
use atomic_parker::wait::Condvar;
use atomic_parker::{Parker, Spin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// With one CPU no parker looks, and these tests have nothing to see.
fn can_look() -> bool {
    let can = thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    if !can {
        eprintln!("not tested: there is one CPU only");
    }
    can
}

#[test]
fn a_look_that_finds_the_token_spares_the_sleep() {
    if !can_look() {
        return;
    }
    type Park = fn(&Parker<Counting>);
    let parks: [Park; 3] = [
        |parker| parker.park(),
        |parker| assert!(parker.park_timeout(HOUR)),
        |parker| assert!(parker.park_deadline(Instant::now() + HOUR)),
    ];
    for park in parks {
        let (wait, counts) = Counting::new();
        let parker = Parker::with_wait(wait).with_spin(Spin::bounded(Duration::MAX));
        let unparker = parker.unparker();
        let about_to_park = Arc::new(AtomicBool::new(false));
        let other = {
            let about_to_park = about_to_park.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    until(|| about_to_park.swap(false, SeqCst));
                    unparker.unpark();
                }
            })
        };
        for _ in 0..100 {
            about_to_park.store(true, SeqCst);
            park(&parker);
        }
        home(other);
        assert_eq!(counts.waits(), 0);
    }
}

#[test]
fn a_look_that_fails_ends_in_a_sleep() {
    for spin in [Spin::off(), Spin::bounded(Duration::from_nanos(1)), Spin::adaptive()] {
        for timeout in [HOUR, Duration::MAX] {
            let (wait, counts) = Counting::<Condvar>::new();
            let parker = Parker::with_wait(wait).with_spin(spin);
            let unparker = parker.unparker();
            let sleeper = thread::spawn(move || (0..100).for_each(|_| assert!(parker.park_timeout(timeout))));
            for number in 1..=100 {
                until(|| counts.waits() >= number);
                unparker.unpark();
            }
            home(sleeper);
        }
    }
}

#[test]
fn no_look_goes_past_the_deadline() {
    if !can_look() {
        return;
    }
    // A stall of this thread could bring the token together with the deadline, and then it wins: so more than one try.
    until(|| {
        let parker = Parker::new().with_spin(Spin::bounded(Duration::MAX));
        let unparker = parker.unparker();
        let deadline = Instant::now() + Duration::from_millis(5);
        let other = thread::spawn(move || {
            until(|| Instant::now() > deadline + Duration::from_millis(50));
            unparker.unpark();
        });
        let took = parker.park_deadline(deadline);
        assert!(took || Instant::now() >= deadline);
        home(other);
        !took
    });
}
