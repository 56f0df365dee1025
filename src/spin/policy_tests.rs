//! The policy on made-up waits: a sleep priced at the limit.

use super::*;

const S: u32 = 3_500;
const LONG: u32 = 1_000_000;

/// What waits cost.
struct Run {
    policy: Policy,
    spun: u64,
    sleeps: u32,
    waits: u32,
}

impl Run {
    fn new(policy: Policy) -> Self {
        Self { policy, spun: 0, sleeps: 0, waits: 0 }
    }

    fn adaptive() -> Self {
        Self::new(Policy::Adaptive(Adaptive::new(S)))
    }

    fn state(&self) -> Adaptive {
        match self.policy {
            Policy::Adaptive(adaptive) => adaptive,
            _ => panic!("it is not adaptive"),
        }
    }

    /// One wait in which the token comes after `came`; `None`: from the same CPU, once this thread sleeps. Returns for how
    /// long it spun, and whether it slept.
    fn wait(&mut self, came: Option<u32>) -> (u32, bool) {
        self.waits += 1;
        if self.policy.skips() {
            self.sleeps += 1;
            return (0, true);
        }
        let budget = self.policy.spins_for();
        assert_eq!(budget > 0, self.policy.spins());
        let (spun, end) = match came {
            Some(came) if came <= budget && budget > 0 => (came, End::Found),
            Some(came) => (budget, End::Came(came - budget)),
            None => (budget, End::SameCpu),
        };
        self.policy.learn(spun, end);
        self.spun += u64::from(spun);
        self.sleeps += u32::from(end != End::Found);
        (spun, end != End::Found)
    }

    /// The cost against sleeping at once, if a sleep costs `price`.
    fn ratio_at(&self, price: u32) -> f64 {
        (self.spun as f64 + f64::from(self.sleeps) * f64::from(price)) / (f64::from(self.waits) * f64::from(price))
    }

    /// For each price of a sleep that the docs name. The waits are so many that the constant is below 0.01.
    fn assert_at_most_twice(&self, name: &str) {
        for (price, most) in [(S, 1.72), (3_000, 1.9), (8_000, 1.72)] {
            let ratio = self.ratio_at(price);
            assert!(ratio <= most, "{name}, at {price}: {ratio}");
        }
    }

    /// Whether none of the next waits sleeps.
    fn has_settled(&mut self, came: u32) -> bool {
        (0..100).all(|_| !self.wait(Some(came)).1)
    }
}

/// Sequences of waits by name, for each seed.
fn sequences(seed: u64) -> Vec<(&'static str, Vec<Option<u32>>)> {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = move |bound: u32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % u64::from(bound)) as u32
    };
    type Draw<'a> = dyn FnMut(u32) -> u32 + 'a;
    let mut of = |f: &mut dyn FnMut(usize, &mut Draw<'_>) -> Option<u32>| {
        (0..20_000).map(|number| f(number, &mut draw)).collect::<Vec<_>>()
    };
    vec![
        ("short", of(&mut |_, _| Some(1_000))),
        ("just short", of(&mut |_, _| Some(S))),
        ("just long", of(&mut |_, _| Some(S + 1))),
        ("near", of(&mut |_, _| Some(30_000))),
        ("long", of(&mut |_, _| Some(LONG))),
        ("same CPU", of(&mut |_, _| None)),
        ("in turn", of(&mut |number, _| Some(if number % 2 == 0 { 2_000 } else { LONG }))),
        ("three short, one long", of(&mut |number, _| Some(if number % 4 < 3 { S } else { LONG }))),
        ("two short, two long", of(&mut |number, _| Some(if number % 4 < 2 { S } else { LONG }))),
        ("phases of 50", of(&mut |number, _| Some(if number / 50 % 2 == 0 { 2_000 } else { LONG }))),
        ("uniform", of(&mut |_, draw| Some(draw(2 * S)))),
        ("coins", of(&mut |_, draw| Some(if draw(2) == 0 { S } else { LONG }))),
        ("mixed", of(&mut |_, draw| [None, Some(draw(S)), Some(30_000), Some(LONG)][draw(4) as usize])),
    ]
}

#[test]
fn the_state_is_small() {
    assert!(std::mem::size_of::<Policy>() <= 16, "{}", std::mem::size_of::<Policy>());
}

#[test]
fn no_sequence_costs_more_than_twice_what_sleeping_costs() {
    for seed in 0..20 {
        for (name, waits) in sequences(seed) {
            let mut run = Run::adaptive();
            waits.into_iter().for_each(|came| {
                run.wait(came);
            });
            run.assert_at_most_twice(name);
        }
    }
}

/// Each spin fails, each sleep would have been spared: what no sequence that is fixed before can do.
#[test]
fn an_adversary_that_sees_the_state_does_not_get_beyond_twice() {
    // How many spins in a row find the token before they fail, after which time; a sleep's token comes after that.
    for found_first in 0..4 {
        for found_after in [S, S + 1, 20_000] {
            for slept in [1, S, FAR] {
                let mut run = Run::adaptive();
                let mut found = 0;
                for _ in 0..20_000 {
                    let budget = run.policy.spins_for();
                    let pays = found < found_first;
                    found = if budget == 0 || !pays { 0 } else { found + 1 };
                    run.wait(Some(match budget {
                        0 => slept,
                        _ if pays => found_after.min(budget),
                        _ => budget + 1,
                    }));
                }
                run.assert_at_most_twice("adversary");
            }
        }
    }
}

/// The argument for the bound, step by step: no wait costs more than 5/3 of a sleep, if a try counts as 1/3, and savings as
/// what they are.
#[test]
fn no_wait_costs_more_than_it_takes_from_tries_and_savings() {
    for (name, waits) in sequences(1) {
        let mut run = Run::adaptive();
        for came in waits {
            let (before, spun, sleeps) = (run.state(), run.spun, run.sleeps);
            run.wait(came);
            let after = run.state();
            let cost = run.spun - spun + u64::from((run.sleeps - sleeps) * S);
            let saved = (1 + after.skip.max(before.skip)) as u64 * u64::from(S / SAVED_PART);
            let worth = |state: Adaptive| u64::from(u32::from(state.tries) * S + 3 * state.savings);
            assert!(
                3 * cost + worth(after) <= u64::from(5 * S) + 3 * saved + worth(before),
                "{name}: {before:?}, then {after:?}"
            );
        }
    }
}

#[test]
fn long_waits_cost_nothing() {
    for came in [Some(LONG), Some(FAR + 1), None] {
        let mut run = Run::adaptive();
        (0..10_000).for_each(|_| assert_eq!(run.wait(came), (0, true)));
    }
}

#[test]
fn few_long_waits_are_learned_from() {
    let mut policy = Policy::Adaptive(Adaptive::new(S));
    let learned = (0..200).filter(|_| {
        let learns = !policy.skips();
        if learns {
            policy.learn(0, End::Came(LONG));
        }
        learns
    });
    assert_eq!(learned.collect::<Vec<_>>(), [0, 1, 4, 11, 26, 57, 88, 119, 150, 181]);
}

#[test]
fn short_waits_are_soon_spun_through() {
    for came in [0, 1_000, S] {
        for long_before in 0..200 {
            let mut run = Run::adaptive();
            (0..long_before).for_each(|_| {
                run.wait(Some(LONG));
            });
            (0..32).for_each(|_| {
                run.wait(Some(came));
            });
            assert!(run.has_settled(came), "after {came} ns and {long_before} long waits");
        }
    }
}

#[test]
fn changes_are_followed_both_ways() {
    let mut run = Run::adaptive();
    for _ in 0..3 {
        (0..200).for_each(|_| {
            run.wait(Some(2_000));
        });
        assert!(run.has_settled(2_000));
        let failed = (0..200).filter(|_| run.wait(Some(LONG)).0 > 0).count();
        assert_eq!(failed, TRIES.into());
    }
}

/// With a period that divides it, a fixed distance between two waits that the parker learns from would show it always the
/// same place of the period.
#[test]
fn short_waits_that_come_regularly_are_noticed() {
    for period in 2..30 {
        let mut run = Run::adaptive();
        (0..1_000).for_each(|_| {
            run.wait(Some(LONG));
        });
        let spins =
            (0..31 * period).any(|number| run.wait(Some(if number % period == 0 { 1_000 } else { LONG })).0 > 0);
        assert!(spins, "one of {period}");
    }
}

#[test]
fn a_short_wait_gives_all_tries_and_a_spin_that_fails_takes_one() {
    for came in [0, 1_000, S] {
        let mut run = Run::adaptive();
        // Asleep, and then by a spin.
        for slept in [true, false] {
            assert_eq!(run.wait(Some(came)), (if slept { 0 } else { came }, slept));
            assert_eq!(run.state().tries, TRIES);
            run.wait(Some(LONG));
            assert_eq!(run.state().tries, TRIES - 1);
        }
        run.wait(None);
        assert_eq!(run.state().tries, 0);
        assert_eq!(run.wait(Some(LONG)), (0, true));
    }
}

#[test]
fn a_spin_that_was_cut_short_has_failed() {
    let mut run = Run::adaptive();
    run.wait(Some(S));
    run.policy.learn(1, End::Came(1));
    assert_eq!(run.state().tries, TRIES - 1);
}

#[test]
fn short_and_long_waits_in_turn_spin_through_the_short_ones() {
    for came in [0, 1_000, 3_000] {
        let mut run = Run::adaptive();
        let slept = (0..1_000).filter(|_| {
            run.wait(Some(LONG));
            run.wait(Some(came)).1
        });
        assert!(slept.count() < 3, "after {came}");
    }
}

/// Two threads that hand over in turn, after `work`. While one sleeps, the other waits for as long as a wake-up takes.
/// Returns how often they slept, and whether they did at last.
fn hand_over(rounds: usize, work: impl Fn(usize) -> u32) -> (usize, [bool; 2]) {
    const WAKE_UP: u32 = 20_000;
    let mut both = [Run::adaptive(), Run::adaptive()];
    let mut asleep = [true, true];
    let mut sleeps = 0;
    for round in 0..rounds {
        let (this, other) = (round % 2, 1 - round % 2);
        asleep[this] = both[this].wait(Some(work(round) + if asleep[other] { WAKE_UP } else { 0 })).1;
        sleeps += usize::from(asleep[this]);
    }
    (sleeps, asleep)
}

#[test]
fn two_that_put_each_other_to_sleep_explore() {
    assert_eq!(hand_over(100, |_| 200).1, [false, false]);
}

#[test]
fn interruptions_do_not_part_two_that_hand_over() {
    let (sleeps, _) = hand_over(20_000, |round| if round % 100 == 99 { 15_000 } else { 1_500 });
    assert!(sleeps < 500, "{sleeps}");
}

#[test]
fn exploring_takes_a_small_share() {
    let mut run = Run::adaptive();
    (0..100_000).for_each(|_| {
        run.wait(Some(FAR));
    });
    assert!((1.01..1.04).contains(&run.ratio_at(S)), "{}", run.ratio_at(S));
}

#[test]
fn far_spins_spend_savings_and_other_waits_add_to_them() {
    let mut run = Run::adaptive();
    run.wait(Some(20_000));
    let mut savings = FULL;
    for came in [20_000, S + 1, FAR] {
        assert_eq!(run.wait(Some(came)), (came, false));
        savings -= came - S;
        assert_eq!((run.state().tries, run.state().savings), (TRIES, savings));
    }
    assert_eq!(run.wait(Some(S / 4)), (S / 4, false));
    savings += (S - S / 4) / SPARED_PART;
    assert_eq!(run.state().savings, savings);
    for _ in 0..TRIES {
        assert_eq!(run.wait(Some(LONG)), (FAR, true));
        savings -= FAR - S;
        assert_eq!(run.state().savings, savings);
    }
    for _ in 0..5 {
        run.policy.learn(0, End::Came(20_000));
        savings += (1 + u32::from(run.state().skip)) * (S / SAVED_PART);
        assert_eq!((run.state().tries, run.state().savings), (0, savings));
    }
}

#[test]
fn without_savings_for_it_no_spin_is_far() {
    let mut run = Run::adaptive();
    run.wait(Some(FAR));
    let far = (0..100).filter(|_| run.wait(Some(FAR)) == (FAR, false)).count();
    assert_eq!(far, ((FULL - FAR) / (FAR - S) + 1) as usize);
    assert!(run.state().savings < FAR);
}

#[test]
fn a_limit_of_the_users_own_is_the_price() {
    for limit in [50_000, u32::MAX / 2] {
        let mut run = Run::new(Policy::Adaptive(Adaptive::new(limit)));
        (0..4).for_each(|_| {
            run.wait(Some(40_000));
        });
        assert!(run.has_settled(40_000));
        let failed = (0..50).filter(|_| run.wait(None).0 >= limit).count();
        assert_eq!(failed, TRIES.into());
        assert_eq!(run.wait(None).0, 0);
    }
}

#[test]
fn off_never_spins() {
    let mut run = Run::new(Policy::Off);
    (0..100).for_each(|_| assert_eq!(run.wait(Some(1)), (0, true)));
}

#[test]
fn a_fixed_spin_stops_only_for_the_same_cpu() {
    let mut run = Run::new(Policy::Fixed(Fixed::new(S)));
    assert!(!run.policy.knows_another_cpu());
    (0..100).for_each(|_| assert_eq!(run.wait(Some(LONG)), (S, true)));
    assert!(run.policy.knows_another_cpu());
    assert_eq!(run.wait(None), (S, true));
    assert_eq!(run.wait(None), (0, true));
    assert_eq!(run.wait(Some(0)), (0, true));
    assert_eq!(run.wait(Some(LONG)), (S, true));
    for end in [End::TimedOut, End::Unknown] {
        run.policy.learn(S, end);
        assert_eq!(run.wait(Some(S)), (S, false));
    }
}
