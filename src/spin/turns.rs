//! The spin itself: checks for the token again and again, for as long as the policy says.

use super::process::{cpus, LONG_SPINS};
use super::Policy;
use crate::sync;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// How often a spin without a deadline checks before it reads the clock for the first time: 1 µs or so. A hand-over
/// between two threads that run is over by then, and is spared the clock.
const UNTIMED_TURNS: u32 = 24;

/// The length of these turns, in nanoseconds, as the policy counts it.
const UNTIMED: u32 = 1_000;

/// How often it checks between two readings of the clock after that.
const TIMED_TURNS: u32 = 8;

/// A spin that goes on for longer than this, in nanoseconds, is a long one: long spins leave one CPU free.
const LONG: u32 = 5_000;

/// How a spin ended, after how many nanoseconds.
pub(crate) enum Spun {
    Found(u32),
    Failed(u32),
}

/// Spins for about a microsecond; returns whether it took the token.
///
/// Out of line: unrolled, it would lie in the way of parkers that only sleep.
#[inline(never)]
pub(crate) fn spin_untimed(mut take: impl FnMut() -> bool) -> bool {
    (0..UNTIMED_TURNS).any(|_| turn(&mut take))
}

/// One check and, if the token is not there, a pause.
#[inline]
fn turn(take: &mut impl FnMut() -> bool) -> bool {
    take() || {
        spin_loop();
        false
    }
}

/// Whether a spin can find anything, as far as that is known: not on a single CPU.
fn may_spin(policy: &Policy) -> bool {
    (policy.knows_another_cpu() && sync::cpu().is_some()) || sync::cpus_of_thread().unwrap_or_else(|| cpus(true)) > 1
}

/// Spins for up to the policy's budget. `number` tells parkers apart. Without a deadline, a policy that spins comes here
/// after [`spin_untimed`].
pub(crate) fn spin(policy: &Policy, number: usize, deadline: Option<Instant>, mut take: impl FnMut() -> bool) -> Spun {
    let budget = policy.spins_for();
    if budget == 0 {
        return Spun::Failed(0);
    }
    let before = if deadline.is_none() { UNTIMED } else { 0 };
    if !may_spin(policy) {
        return Spun::Failed(before);
    }
    let start = sync::now();
    let left = deadline.map_or(u32::MAX, |deadline| nanos(deadline.saturating_duration_since(start)));
    let budget = budget.saturating_sub(before).min(left);
    let mut long = None;
    let (mut last, mut round) = (0, 0);
    while last < budget {
        if last >= LONG && long.is_none() {
            let now = sync::clock_micros();
            // A pinned thread asks again now and then.
            let most = if policy.is_adaptive() { cpus(now % 64 == 0).max(2) - 1 } else { u32::MAX };
            long = LONG_SPINS.begin(number, now, now.wrapping_add((budget - last) / 1_000 + 1), most);
            if long.is_none() {
                break;
            }
        }
        if (0..TIMED_TURNS).any(|_| turn(&mut take)) {
            // Another reading of the clock would delay the caller, so this round counts as much as the one before.
            return Spun::Found(before + budget.min(last + round));
        }
        let time = nanos(sync::now() - start);
        (last, round) = (time, time - last);
    }
    Spun::Failed(before + last)
}

/// In nanoseconds, capped so that adding [`UNTIMED`] does not overflow: a thread may be stopped for hours.
fn nanos(duration: Duration) -> u32 {
    duration.as_nanos().min((u32::MAX - UNTIMED).into()) as u32
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::spin::{End, Spin};

    /// A policy that spins at the next wait, for up to `limit`.
    fn about_to_spin(limit: Duration) -> Policy {
        let mut policy = Spin::adaptive_up_to(limit).policy();
        policy.learn(0, End::Came(1));
        assert!(policy.spins());
        policy
    }

    #[test]
    fn a_second_spinner_beside_the_first_sleeps() {
        if cpus(true) == 1 {
            return;
        }
        let policy = about_to_spin(Duration::from_secs(1));
        let now = sync::clock_micros();
        let others: Vec<_> =
            (1..cpus(true) as usize).map(|other| LONG_SPINS.begin(other, now, now + 1_000_000, u32::MAX)).collect();
        // Its budget is a second.
        let Spun::Failed(spun) = spin(&policy, 0, None, || false) else {
            panic!("found what is not there");
        };
        assert!((LONG..500_000_000).contains(&spun), "{spun}");
        drop(others);
        let short = about_to_spin(Duration::from_millis(1));
        // Parkers of other tests may spin meanwhile.
        while !matches!(spin(&short, 0, None, || false), Spun::Failed(900_000..)) {}
    }

    #[test]
    fn a_spin_counts_its_time_without_a_last_reading_of_the_clock() {
        if cpus(true) == 1 {
            return;
        }
        let policy = about_to_spin(Duration::from_micros(100));
        for rounds in 1..4 {
            let start = sync::now();
            let mut checks = rounds * TIMED_TURNS;
            let spun = spin(&policy, 0, None, || {
                checks -= 1;
                checks == 0
            });
            let most = UNTIMED + 2 * nanos(sync::now() - start);
            match spun {
                Spun::Found(spun) if rounds == 1 => assert_eq!(spun, UNTIMED),
                Spun::Found(spun) => assert!((UNTIMED..=most).contains(&spun), "{spun}, {most}"),
                // Interrupted for longer than its budget, or too many others spin.
                Spun::Failed(spun) => assert!(spun >= LONG, "{spun}"),
            }
        }
    }

    #[test]
    fn the_last_round_counts_as_much_as_the_one_before() {
        if cpus(true) == 1 {
            return;
        }
        let policy = about_to_spin(Duration::from_micros(150));
        let spun = loop {
            // Interrupted for longer than its budget, it fails.
            if let Spun::Found(spun) = in_rounds(&policy, [10, 50]) {
                break spun;
            }
        };
        assert!((UNTIMED + 110_000..=150_000).contains(&spun), "{spun}");
    }

    /// Finds the token in the third round. The first two take so many microseconds at least.
    fn in_rounds(policy: &Policy, micros: [u64; 2]) -> Spun {
        let mut checks = 0;
        spin(policy, 0, None, || {
            checks += 1;
            // Only the first check of a round does something.
            if checks % TIMED_TURNS != 1 {
                return false;
            }
            let Some(&micros) = micros.get((checks / TIMED_TURNS) as usize) else {
                return true;
            };
            let start = sync::now();
            while start.elapsed() < Duration::from_micros(micros) {}
            false
        })
    }

    #[test]
    #[cfg(all(target_os = "linux", not(atomic_parker_no_cpu)))]
    fn a_first_fixed_spin_needs_two_cpus() {
        let policy = Spin::bounded(Duration::from_millis(1)).policy();
        if cpus(true) > 1 {
            assert!(matches!(spin(&policy, 0, None, || true), Spun::Found(UNTIMED)));
        }
        let pinned = std::thread::spawn(move || {
            let core = core_affinity::get_core_ids().and_then(|cores| cores.first().copied());
            if !core.is_some_and(core_affinity::set_for_current) {
                return;
            }
            assert!(matches!(spin(&policy, 0, None, || unreachable!("it does not spin")), Spun::Failed(UNTIMED)));
        });
        pinned.join().unwrap();
    }

    #[test]
    fn a_spin_may_be_stopped_for_any_time() {
        assert_eq!(nanos(Duration::MAX) + UNTIMED, u32::MAX);
        assert_eq!(nanos(Duration::from_secs(1)), 1_000_000_000);
    }

    #[test]
    fn a_spin_ends_with_its_budget_or_its_deadline() {
        if cpus(true) == 1 {
            return;
        }
        let policy = about_to_spin(Duration::from_micros(5));
        let mut checks = 0;
        let spun = spin(&policy, 0, None, || {
            checks += 1;
            false
        });
        assert!(matches!(spun, Spun::Failed(5_000..)) && checks > 0);
        let past = Some(sync::now());
        assert!(matches!(spin(&policy, 0, past, || false), Spun::Failed(0)));
        let asleep = Spin::adaptive().policy();
        assert!(matches!(spin(&asleep, 0, None, || unreachable!("it does not spin")), Spun::Failed(0)));
        assert!(spin_untimed(|| true) && !spin_untimed(|| false));
    }
}
