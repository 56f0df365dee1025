//! Tests of the parker's spinning.

use super::*;
use std::sync::mpsc;
use std::thread;

/// Two threads that hand over at once, `rounds` times. `place` is called on each, and `see` on one, after each park.
fn hand_over(
    parkers: [&mut Parker; 2],
    rounds: usize,
    place: impl Fn(usize) + Sync,
    mut see: impl FnMut(&Parker) -> bool,
) -> bool {
    let [one, two] = parkers;
    let (wake_one, wake_two) = (one.unparker(), two.unparker());
    let (stop, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let place = &place;
        scope.spawn(move || {
            place(1);
            loop {
                two.park();
                if is_over.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                    return;
                }
                wake_one.unpark();
            }
        });
        place(0);
        let seen = (0..rounds).any(|_| {
            wake_two.unpark();
            one.park();
            see(one)
        });
        drop(stop);
        wake_two.unpark();
        seen
    })
}

fn adaptive() -> Parker {
    Parker::new().with_spin(Spin::adaptive())
}

fn spins(parker: &Parker) -> bool {
    parker.policy.get().spins()
}

/// Puts threads on two CPUs: under load, the system may put both on one, where they do not spin. `None` if there is only one.
fn on_two_cpus() -> Option<impl Fn(usize) + Sync> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    // Where no CPU can be asked for, a pinned thread sees only its own, unless another thread has asked for their number.
    let fixed = Parker::new().with_spin(Spin::bounded(Duration::from_micros(10)));
    assert!(!fixed.park_timeout(Duration::from_micros(100)));
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    Some(move |number: usize| {
        cores.get(number).copied().map(core_affinity::set_for_current);
    })
}

#[test]
fn a_parker_changes_with_its_waits() {
    let Some(place) = on_two_cpus() else { return };
    let (mut one, mut two) = (adaptive(), adaptive());
    for _ in 0..3 {
        assert!(hand_over([&mut one, &mut two], 1_000_000, &place, spins));
        for _ in 0..100 {
            assert!(!one.park_timeout(Duration::from_micros(100)));
        }
        assert!(!spins(&one));
    }
}

#[test]
fn two_that_hand_over_explore() {
    let Some(place) = on_two_cpus() else { return };
    // Some find each other before they explore.
    let explores =
        |parker: &Parker| Duration::from_nanos(parker.policy.get().spins_for().into()) > Duration::from_micros(4);
    assert!((0..1_000).any(|_| hand_over([&mut adaptive(), &mut adaptive()], 1_000, &place, explores)));
}

#[test]
fn a_token_that_came_before_the_sleep_gives_no_credit() {
    let parker = adaptive();
    parker.unpark();
    assert_eq!(parker.sleep_and_ask(None, false), End::Unknown);
    parker.learn(0, End::Unknown);
    assert!(!spins(&parker));
}

#[test]
#[cfg(all(target_os = "linux", not(atomic_parker_no_cpu)))]
fn on_one_cpu_no_parker_spins() {
    let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.first().copied()) else {
        return;
    };
    if sync::cpu().is_none() {
        return;
    }
    let place = move |_| assert!(core_affinity::set_for_current(core));
    // On a new thread, as it stays pinned.
    let pinned = thread::spawn(move || {
        // Before the other thread starts, which inherits the CPU.
        place(0);
        let (mut one, mut two) = (adaptive(), adaptive());
        assert!(!hand_over([&mut one, &mut two], 5_000, place, spins));
        // A parker with a long fixed spin stops too.
        let mut bounded = [1, 2].map(|_| Parker::new().with_spin(Spin::bounded(Duration::from_micros(500))));
        let [one, two] = &mut bounded;
        let stops = |parker: &Parker| !spins(parker);
        assert!(hand_over([one, two], 5_000, place, stops));
    });
    pinned.join().unwrap();
}

/// Besides, std reads it once in its condition variable: four in all.
#[test]
fn a_timed_park_that_is_woken_reads_the_clock_three_times() {
    let reads = |park: fn(&Parker, Duration) -> bool| {
        let parker = adaptive();
        let shared = parker.shared.clone();
        let before = sync::CLOCK_READS.get();
        thread::scope(|scope| {
            scope.spawn(move || {
                while shared.parker().state() != ParkState::Parked {
                    thread::yield_now();
                }
                shared.notify();
            });
            assert!(park(&parker, Duration::from_secs(60)));
        });
        sync::CLOCK_READS.get() - before
    };
    // A sleep that ends for no reason takes another one.
    assert!((0..3).any(|_| reads(Parker::park_timeout) == 3));
    assert!((0..3).any(|_| reads(|parker, timeout| parker.park_deadline(Instant::now() + timeout)) == 3));
}
