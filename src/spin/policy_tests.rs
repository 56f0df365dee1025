//! The policy on made-up waits: the parker's own step, a sleep priced at the limit.

use super::*;
use std::time::Duration;

const S: u32 = 4_000;
const LONG: u32 = 1_000_000;
const OTHER: Option<u32> = Some(0);

/// What waits cost.
struct Run {
    policy: Policy,
    spun: u64,
    sleeps: u32,
    waits: u32,
    /// Whether the thread wakes a sleeper before each wait.
    wakes: bool,
}

impl Run {
    fn new(spin: Spin, seed: u16) -> Self {
        Self { policy: Policy::new(spin, seed), spun: 0, sleeps: 0, waits: 0, wakes: true }
    }

    fn adaptive(seed: u16) -> Self {
        Self::new(Spin::adaptive(), seed)
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
        let (spun, end) = match came {
            Some(came) if came <= budget && budget > 0 => (came, End::Found),
            Some(came) => (budget, End::Came(came - budget)),
            None => (budget, End::SameCpu),
        };
        self.policy.step(spun, end, self.wakes);
        self.spun += u64::from(spun);
        self.sleeps += u32::from(end != End::Found);
        (spun, end != End::Found)
    }

    /// The cost against sleeping at once.
    fn ratio(&self) -> f64 {
        self.ratio_at(S)
    }

    /// The same, if a sleep costs `price`.
    fn ratio_at(&self, price: u32) -> f64 {
        (self.spun as f64 + f64::from(self.sleeps) * f64::from(price)) / (f64::from(self.waits) * f64::from(price))
    }

    /// For each price of a sleep that the docs name.
    fn assert_at_most_twice(&self, name: &str) {
        for (price, most) in [(S, 1.55), (3_000, 1.9), (8_000, 1.55)] {
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
    assert!(std::mem::size_of::<Policy>() <= 24, "{}", std::mem::size_of::<Policy>());
}

#[test]
fn no_sequence_costs_more_than_twice_what_sleeping_costs() {
    for seed in 0..20 {
        for (name, waits) in sequences(seed) {
            let mut run = Run::adaptive(seed as u16);
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
    for seed in 0..20 {
        for found_first in 0..4 {
            let mut run = Run::adaptive(seed);
            let mut found = 0;
            for _ in 0..20_000 {
                let budget = run.policy.spins_for();
                let pays = found < found_first;
                found = if budget == 0 { 0 } else { found + 1 };
                run.wait(Some(match budget {
                    0 => 1,
                    _ if pays => budget,
                    _ => budget + 1,
                }));
            }
            run.assert_at_most_twice("adversary");
        }
    }
}

#[test]
fn long_waits_cost_nothing() {
    for came in [Some(LONG), None] {
        let mut run = Run::adaptive(1);
        (0..10_000).for_each(|_| assert_eq!(run.wait(came), (0, true)));
    }
}

#[test]
fn few_long_waits_are_learned_from() {
    let looks = |waits: u32, seed| {
        let mut policy = Policy::new(Spin::adaptive(), seed);
        let mut learns = || {
            let learns = !policy.skips();
            if learns {
                policy.step(0, End::Came(LONG), true);
            }
            learns
        };
        (0..waits).filter(|_| learns()).count()
    };
    // The first two, then one in 2.5, one in 8.5, and one in 32.5 on average.
    let of_ten: usize = (0..100).map(|seed| looks(10, seed * 600)).sum();
    assert!((250..400).contains(&of_ten), "{of_ten}");
    let of_many = looks(100_000, 1);
    assert!((3_000..3_200).contains(&of_many), "{of_many}");
}

#[test]
fn short_waits_are_soon_spun_through() {
    for came in [0, 1_000, S - 1] {
        for seed in 0..100 {
            let mut run = Run::adaptive(seed);
            (0..4).for_each(|_| {
                run.wait(Some(came));
            });
            assert!(run.has_settled(came), "after {came} ns, seed {seed}");
        }
    }
}

#[test]
fn changes_are_followed_both_ways() {
    for seed in 0..100 {
        let mut run = Run::adaptive(seed);
        for _ in 0..3 {
            (0..200).for_each(|_| {
                run.wait(Some(2_000));
            });
            assert!(run.has_settled(2_000));
            let spun: u32 = (0..200).map(|_| run.wait(Some(LONG)).0).sum();
            assert!((1..=3 * S + S).contains(&spun), "{spun}");
            assert_eq!((0..200).map(|_| run.wait(Some(LONG)).0).sum::<u32>(), 0);
        }
    }
}

#[test]
fn misses_make_credit_rare() {
    // The spins that follow a short sleep fail.
    let mut run = Run::adaptive(3);
    let mut credits = 0;
    for _ in 0..10_000 {
        let spins = run.policy.spins_for() > 0;
        run.wait(if spins { Some(LONG) } else { Some(1_000) });
        credits += u32::from(!spins && run.policy.spins_for() > 0);
    }
    assert!((50..500).contains(&credits), "{credits}");
}

#[test]
fn a_short_sleep_gives_the_price_of_a_sleep() {
    for came in [0, 1_000, 3_000, S] {
        let mut run = Run::adaptive(1);
        assert_eq!(run.wait(Some(came)), (0, true));
        let spun: u32 = (0..50).map(|_| run.wait(Some(LONG)).0).sum();
        assert_eq!(spun, S, "after {came}");
    }
}

#[test]
fn short_and_long_waits_in_turn_are_told_apart() {
    for came in [0, 1_000, 3_000] {
        for seed in 0..20 {
            let mut run = Run::adaptive(seed);
            let slept = (0..1_000).filter(|_| {
                run.wait(Some(LONG));
                run.wait(Some(came)).1
            });
            assert!(slept.count() < 10, "after {came}");
            assert!(run.ratio() < 0.95, "{} after {came}", run.ratio());
        }
    }
}

#[test]
fn two_that_put_each_other_to_sleep_explore() {
    // While one sleeps, the other waits for as long as a wake-up takes.
    const WAKE_UP: u32 = 20_000;
    for seed in 0..100 {
        let mut both = [Run::adaptive(seed), Run::adaptive(seed + 100)];
        let mut asleep = [true, true];
        for round in 0..100 {
            let (this, other) = (round % 2, 1 - round % 2);
            let came = if asleep[other] { WAKE_UP } else { 200 };
            both[this].wakes = asleep[other];
            asleep[this] = both[this].wait(Some(came)).1;
        }
        assert_eq!(asleep, [false, false], "seed {seed}");
    }
}

#[test]
fn exploring_takes_a_small_share() {
    let mut run = Run::adaptive(7);
    (0..100_000).for_each(|_| {
        run.wait(Some(FAR));
    });
    assert!((1.01..1.04).contains(&run.ratio()), "{}", run.ratio());
    let mut run = Run::adaptive(7);
    (0..100_000).for_each(|_| {
        run.wait(Some(FAR + 1));
    });
    assert_eq!(run.ratio(), 1.0);
}

#[test]
fn a_thread_that_wakes_no_sleeper_does_not_explore() {
    let mut run = Run { wakes: false, ..Run::adaptive(7) };
    (0..10_000).for_each(|_| assert_eq!(run.wait(Some(20_000)), (0, true)));
}

#[test]
fn a_long_wait_ends_exploring() {
    let mut run = Run::adaptive(7);
    run.wait(Some(20_000));
    assert_eq!(run.wait(Some(20_000)), (20_000, false));
    assert_eq!(run.wait(Some(LONG)), (FAR, true));
    assert_eq!(run.wait(Some(20_000)), (0, true));
}

#[test]
fn a_limit_of_the_users_own_is_the_price() {
    let mut run = Run::new(Spin::adaptive_up_to(Duration::from_micros(50)), 1);
    (0..4).for_each(|_| {
        run.wait(Some(40_000));
    });
    assert!(run.has_settled(40_000));
    (0..50).for_each(|_| {
        run.wait(Some(LONG));
    });
    assert_eq!(run.wait(Some(LONG)).0, 0);
}

#[test]
fn off_never_spins() {
    let mut run = Run::new(Spin::off(), 1);
    (0..100).for_each(|_| assert_eq!(run.wait(Some(1)), (0, true)));
}

#[test]
fn a_fixed_spin_stops_only_for_the_same_cpu() {
    let mut run = Run::new(Spin::bounded(Duration::from_micros(4)), 1);
    assert!(!run.policy.other_cpu);
    (0..100).for_each(|_| assert_eq!(run.wait(Some(LONG)), (S, true)));
    assert!(run.policy.other_cpu);
    assert_eq!(run.wait(None), (S, true));
    assert_eq!(run.wait(None), (0, true));
    assert_eq!(run.wait(OTHER), (0, true));
    assert_eq!(run.wait(Some(LONG)), (S, true));
    for end in [End::TimedOut, End::Unknown] {
        run.policy.step(S, end, true);
        assert_eq!(run.wait(Some(S)), (S, false));
    }
}

#[test]
fn credit_is_what_successful_spins_have_saved() {
    let mut policy = Policy::new(Spin::adaptive(), 1);
    // The first wait has a credit of its own, as no short wait came before it. In quarters of `S`.
    let expected = [[7, 0], [7, 7], [7, 10], [7, 12], [7, 12]];
    for credit in expected {
        policy.step(S / 4, End::Found, true);
        assert_eq!([policy.other_credit, policy.credit], credit.map(|quarters| quarters * S / 4));
    }
    policy.step(S / 2, End::Came(LONG), true);
    assert_eq!([policy.credit, policy.other_credit], [7, 10].map(|quarters| quarters * S / 4));
}

#[test]
fn interruptions_do_not_part_two_that_hand_over() {
    const WAKE_UP: u32 = 20_000;
    for seed in 0..100 {
        let mut both = [Run::adaptive(seed), Run::adaptive(seed + 100)];
        let mut asleep = [true, true];
        let mut sleeps = 0;
        for round in 0..20_000 {
            let (this, other) = (round % 2, 1 - round % 2);
            let work = if round % 100 == 99 { 15_000 } else { 1_500 };
            both[this].wakes = asleep[other];
            asleep[this] = both[this].wait(Some(work + if asleep[other] { WAKE_UP } else { 0 })).1;
            sleeps += u32::from(asleep[this]);
        }
        assert!(sleeps < 500, "{sleeps}, seed {seed}");
    }
}

#[test]
fn exploring_spends_savings_and_other_waits_add_to_them() {
    let mut policy = Policy::new(Spin::adaptive(), 1);
    policy.step(0, End::Came(20_000), true);
    policy.step(20_000, End::Found, true);
    policy.step(FAR, End::Came(LONG), true);
    assert_eq!((policy.explores, policy.savings), (false, EXPLORATION - 20_000 - FAR));
    for _ in 0..5 {
        let before = policy.savings;
        policy.step(0, End::Came(LONG), true);
        assert_eq!(policy.savings, before + (1 + u32::from(policy.skip)) * (S / SAVED_PART));
    }
    let before = policy.savings;
    policy.step(S / 4, End::Found, true);
    assert_eq!(policy.savings, before + (S - S / 4) / SPARED_PART);
}

#[test]
fn a_short_wait_that_was_explored_spends_nothing() {
    let mut policy = Policy::new(Spin::adaptive(), 1);
    policy.step(0, End::Came(20_000), true);
    policy.step(20_000, End::Found, true);
    let savings = policy.savings;
    policy.step(S, End::Found, true);
    assert_eq!((policy.explores, policy.savings), (true, savings));
    policy.step(S + 1, End::Found, true);
    assert_eq!((policy.explores, policy.savings), (true, savings - S - 1));
}
