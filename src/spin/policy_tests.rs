//! Tests of the policy.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

/// What wake-ups take here, and what a sleep costs then.
const WAKE_UP: u16 = 10_000;
const COST: u32 = 20_000;
const S: u64 = COST as u64;

fn newborn(prior: Levels, seed: u32) -> Learner {
    Learner::new(Spin::adaptive(), prior, WAKE_UP, seed)
}

fn adult(doubt: u8, ease: u8, seed: u32) -> Learner {
    newborn(Levels { doubts: [doubt; HISTORIES], ease }, seed)
}

/// What a sequence of waits costs: us, always sleeping, always looking for `S`.
#[derive(Default, Debug)]
struct Costs {
    ours: u64,
    sleeping: u64,
    looking: u64,
}

fn play(learner: &Learner, waits: impl IntoIterator<Item = u32>) -> Costs {
    let mut costs = Costs::default();
    for wait in waits {
        costs.sleeping += S;
        costs.looking += if wait <= COST { u64::from(wait) } else { 2 * S };
        if learner.is_calm() {
            costs.ours += S;
            continue;
        }
        let budget = learner.next_look();
        // Who does not look does not find, however short the wait is.
        let found = budget > 0 && wait <= budget;
        let look = budget.min(wait);
        costs.ours += u64::from(look);
        if found && !learner.learns_from_success() {
            continue;
        }
        if budget > 0 {
            learner.looked(look, found);
        }
        let mut sleep = Sleep::Spared;
        if !found {
            costs.ours += S;
            sleep = Sleep::Took(wait - look);
        }
        learner.waited((budget > 0).then_some(look), sleep);
    }
    costs
}

/// A pattern of runs of equal waits: near, at and beyond each of the policy's limits.
fn pattern() -> impl Strategy<Value = Vec<(u32, usize)>> {
    let wait = prop_oneof![0..COST / 4, COST / 2..COST * 2, Just(COST), Just(COST + 1), COST..u32::MAX / 2,];
    let length = prop_oneof![3 => 1..8usize, 1 => 8..200usize, 1 => 200..4000usize];
    prop::collection::vec((wait, length), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn at_most_twice_the_best_choice_in_hindsight(pattern in pattern(), seed: u32, doubt in 0..=MAX_DOUBT, ease in 0..=MAX_EASE) {
        let learner = adult(doubt, ease, seed);
        let waits = pattern.iter().flat_map(|&(wait, times)| std::iter::repeat(wait).take(times));
        let rounds = 200_000 / waits.clone().count() + 1;
        let costs = play(&learner, std::iter::repeat(waits).take(rounds).flatten());
        let warm_up = (HISTORIES as u64 * S) << (MAX_DOUBT + 2);
        prop_assert!(costs.ours <= 2 * costs.sleeping, "{costs:?}");
        prop_assert!(costs.ours <= 2 * costs.looking + warm_up, "{costs:?}");
    }

    #[test]
    fn long_waits_cost_no_more_than_sleeping(waits in prop::collection::vec(COST + 1..u32::MAX / 2, 1..100), seed: u32, doubt in 0..=MAX_DOUBT, ease in 0..=MAX_EASE) {
        let costs = play(&adult(doubt, ease, seed), waits.iter().copied().cycle().take(20_000));
        prop_assert_eq!(costs.ours, costs.sleeping);
    }
}

#[test]
fn a_parker_that_was_idle_notices_a_burst() {
    for seed in 0..100 {
        let learner = adult(0, 0, seed);
        play(&learner, std::iter::repeat(5_000_000).take(10_000));
        let burst = play(&learner, std::iter::repeat(1_000).take(1_000));
        assert!(burst.ours < burst.looking + 100 * S, "{burst:?}");
    }
}

#[test]
fn a_young_parker_notices_a_burst_sooner_the_younger_it_is() {
    for seed in 0..100 {
        for long_waits in 0..10 {
            let learner = adult(0, 0, seed << 25);
            play(&learner, std::iter::repeat(5_000_000).take(long_waits));
            let short = play(&learner, std::iter::repeat(1_000).take(1_000));
            assert!(short.ours <= short.looking + (5 + 2 * long_waits as u64) * S, "{long_waits}: {short:?}");
        }
    }
}

#[test]
fn waits_that_alternate_are_told_apart() {
    for pattern in [&[2_000, 5_000_000][..], &[5_000, 5_000, 1_000_000], &[1_000, 300_000, 300_000]] {
        for seed in 0..100 {
            let learner = adult(0, 0, seed);
            play(&learner, std::iter::repeat(5_000_000).take(10_000));
            play(&learner, pattern.iter().copied().cycle().take(300));
            let costs = play(&learner, pattern.iter().copied().cycle().take(30_000));
            let best: u64 = pattern.iter().map(|wait| S.min((*wait).into())).sum();
            let best = best * 30_000 / pattern.len() as u64;
            assert!(costs.ours * 100 <= best * 102, "{costs:?}, the best is {best}");
        }
    }
}

const NOVICE: Lesson = Lesson { doubt: 0, hint: None, reach: MAX_COST, credit: 0 };

const SOON: Sleep = Sleep::Took(20_000);
const LONG: Sleep = Sleep::Took(1_000_000);

fn adaptive(history: u8, lesson: Lesson) -> Learner {
    let learner = newborn(Levels::default(), 0);
    learner.history.set(history);
    learner.lesson().set(lesson);
    learner
}

/// The lesson after something was learned, and whatever the draw was, what all draws have in common.
fn after<R>(lesson: Lesson, learn: impl FnOnce(&Learner) -> R) -> Lesson {
    let learner = adaptive(0, lesson);
    let lesson = learner.lesson();
    learn(&learner);
    lesson.get()
}

/// All that a draw can lead to.
fn outcomes<R: Ord>(draw: impl Fn(&Learner) -> R) -> std::collections::BTreeSet<R> {
    let draws = (0..u32::MAX).step_by(1 << 22).map(|seed| {
        let learner = adaptive(0, NOVICE);
        learner.random.set(seed);
        draw(&learner)
    });
    draws.collect()
}

#[test]
fn a_look_that_finds_the_token_earns_credit_and_clears_all_doubt() {
    let before = Lesson { doubt: 2, hint: Some(0), reach: 5_000, ..NOVICE };
    let found = after(before, |learner| {
        learner.ease.set(3);
        learner.looked(4_000, true);
        assert_eq!(learner.ease.get(), 0);
    });
    assert_eq!(found, Lesson { reach: 9_000, credit: 36_000, ..NOVICE });
    let found = after(found, |learner| learner.looked(0, true));
    assert_eq!(found, Lesson { reach: 9_000, credit: 56_000, ..NOVICE });
    let found = after(found, |learner| learner.looked(20_000, true));
    assert_eq!(found, Lesson { reach: 20_000, credit: 56_000, ..NOVICE });
    let found = after(found, |learner| learner.looked(0, true));
    assert_eq!(found, Lesson { reach: 20_000, credit: 60_000, ..NOVICE });
}

#[test]
fn a_look_that_fails_spends_credit() {
    let rich = Lesson { doubt: 3, reach: 5_000, credit: 9_000, ..NOVICE };
    let failed = after(rich, |learner| learner.looked(5_000, false));
    assert_eq!(failed, Lesson { credit: 4_000, ..rich });
    let poor = Lesson { doubt: 3, ..NOVICE };
    // The same for one that was preempted, if it found the token or not.
    assert_eq!(after(rich, |learner| learner.looked(20_001, true)), poor);
    for credit in [0, 5_000] {
        assert_eq!(after(Lesson { credit, ..rich }, |learner| learner.looked(5_000, false)), poor);
    }
}

#[test]
fn a_hint_that_led_astray_adds_to_the_doubt() {
    for (doubt, more) in [(3, 4), (MAX_DOUBT, MAX_DOUBT)] {
        let hinted = Lesson { doubt, hint: Some(0), ..NOVICE };
        let failed = after(hinted, |learner| learner.looked(20_000, false));
        assert_eq!(failed, Lesson { doubt: more, ..NOVICE });
    }
}

#[test]
fn a_near_miss_leads_to_a_trial() {
    let near_miss = |doubt| {
        let learner = adaptive(3, Lesson { doubt, hint: Some(0), ..NOVICE });
        learner.looked(20_000, false);
        learner.waited(Some(20_000), SOON);
        learner
    };
    let learner = near_miss(2);
    // The wait is not over within `S`: the next one has another history.
    assert_eq!((learner.history.get(), learner.next_look()), (2, 500_000));
    // Found, but late.
    learner.looked(440_000, true);
    learner.waited(Some(440_000), Sleep::Spared);
    assert_eq!((learner.history.get(), learner.next_look()), (0, 60_000));
    learner.looked(20_001, true);
    assert_eq!(learner.next_look(), 39_999);
    learner.looked(40_000, true);
    assert_eq!(learner.next_look(), 0);
    assert_eq!(learner.lessons().iter().map(|lesson| lesson.get().doubt).sum::<u8>(), 3);

    let ends = |learn: fn(&Learner)| {
        let learner = near_miss(2);
        learn(&learner);
        learner.trial.get() == 0
    };
    assert!(ends(|learner| learner.looked(500_000, false)));
    assert!(ends(|learner| (0..16).for_each(|_| learner.looked(20_000, true))));
    assert!(!ends(|learner| (0..15).for_each(|_| learner.looked(20_000, true))));
    assert!(ends(|learner| _ = learner.waited(Some(100_000), Sleep::Took(20_001))));
    assert!(ends(|learner| _ = learner.waited(Some(100_000), Sleep::GaveWay)));
    assert!(!ends(|learner| _ = learner.waited(Some(100_000), SOON)));

    let begins = |doubt, savings| {
        let learner = adaptive(3, Lesson { doubt, hint: Some(0), ..NOVICE });
        learner.savings.set(savings);
        learner.looked(20_000, false);
        assert_eq!(learner.trial.get(), 0);
        learner.waited(Some(20_000), SOON);
        let began = learner.trial.get() > 0;
        // The sleep has saved some, too.
        assert_eq!((learner.trial.get(), learner.savings.get()), if began { (TRIAL, 1_250) } else { (0, TRIAL) });
        began
    };
    let all = |savings| [0, 1, 2, 3, MAX_DOUBT].map(|doubt| begins(doubt, savings));
    assert_eq!(all(500_000), [false, false, true, true, true]);
    assert_eq!(all(499_999), [false; 5]);
    let savings = |doubts, sleeps| {
        let learner = newborn(Levels { doubts, ease: 0 }, 0);
        (0..sleeps).for_each(|_| _ = learner.waited(None, SOON));
        learner.savings.get()
    };
    assert_eq!(savings([1; 4], 0), 500_000);
    assert_eq!(
        [0, 1, 399, 400, 401].map(|sleeps| savings([0, 2, 0, 0], sleeps)),
        [0, 1_250, 498_750, 500_000, 500_000]
    );
    // Nor is there one after other ends of the wait, without a look, or with credit left.
    for (credit, looked, sleep) in [
        (0, Some(20_000), LONG),
        (0, Some(20_000), Sleep::GaveWay),
        (0, Some(20_000), Sleep::Spared),
        (0, None, SOON),
        (1, Some(20_000), SOON),
    ] {
        let learner = adaptive(3, Lesson { doubt: 3, credit, ..NOVICE });
        learner.waited(looked, sleep);
        assert_eq!(learner.trial.get(), 0, "{sleep:?}");
    }
    // Who has credit looks for as long as that says.
    let learner = near_miss(2);
    learner.lesson().set(Lesson { credit: 5_000, reach: 4_000, ..NOVICE });
    assert_eq!(learner.next_look(), 4_000);
    learner.looked(4_000, false);
    assert_eq!((learner.lesson().get().credit, learner.trial.get()), (1_000, 500_000));
    learner.looked(4_000, false);
    assert_eq!((learner.lesson().get().credit, learner.trial.get()), (0, 500_000));
}

#[test]
fn a_look_that_was_cut_short_spends_its_length() {
    let hinted = Lesson { doubt: 2, hint: Some(0), credit: 9_000, ..NOVICE };
    let cut = after(hinted, |learner| {
        learner.trial.set(10_000);
        learner.eager.set(true);
        learner.was_cut_short(5_000);
        assert_eq!((learner.trial.get(), learner.is_eager()), (5_000, false));
    });
    assert_eq!(cut, Lesson { credit: 4_000, ..hinted });
    assert_eq!(after(cut, |learner| learner.was_cut_short(5_000)).credit, 0);
}

#[test]
fn who_has_credit_or_a_trial_does_not_calm_down() {
    for (credit, trial) in [(1, 0), (0, 1)] {
        let learner = adaptive(0, Lesson { credit, ..NOVICE });
        learner.ease.set(6);
        learner.trial.set(trial);
        assert!(!learner.waited(None, LONG));
        assert_eq!((learner.calm.get(), learner.trial.get()), (0, 0));
        assert_eq!(after(Lesson { credit: 1, ..NOVICE }, |learner| learner.waited(None, SOON)).hint, None);
    }
}

#[test]
fn a_token_from_the_cpu_that_was_left_is_no_hint() {
    let learner = adaptive(3, NOVICE);
    learner.waited(None, Sleep::GaveWay);
    assert_eq!((learner.history.get(), learner.lessons()[3].get()), (2, NOVICE));
    learner.waited(None, Sleep::GaveWay);
    assert!(learner.waited(None, Sleep::GaveWay));
    assert_eq!(learner.ease.get(), 1);
}

#[test]
fn who_has_neither_credit_nor_a_hint_does_not_look() {
    let looks = |lesson| {
        let learner = adaptive(0, lesson);
        [(); 4].map(|()| learner.next_look())
    };
    assert_eq!(looks(NOVICE), [0; 4]);
    assert_eq!(looks(Lesson { credit: 1, ..NOVICE }), [20_000; 4]);
    assert_eq!(looks(Lesson { credit: 1, reach: 7_000, ..NOVICE }), [7_000; 4]);
    assert_eq!(looks(Lesson { hint: Some(2), reach: 7_000, ..NOVICE }), [0, 0, 7_000, 7_000]);
    let learner = adaptive(0, Lesson { hint: Some(0), ..NOVICE });
    learner.wake_up.set(8_000);
    assert_eq!(learner.next_look(), 16_000);
}

#[test]
fn a_history_is_two_waits_long() {
    let soon = Sleep::Took(20_000);
    let long = Sleep::Took(20_001);
    for (waits, history) in [
        ([(None, long), (None, long)], 0b00),
        ([(None, long), (None, soon)], 0b01),
        ([(None, soon), (Some(1), soon)], 0b10),
        ([(None, soon), (None, soon)], 0b11),
        ([(Some(1), Sleep::Spared), (None, soon)], 0b11),
        ([(Some(20_001), Sleep::Spared), (Some(20_000), Sleep::Spared)], 0b01),
        ([(None, soon), (None, Sleep::TimedOut(20_001))], 0b10),
        ([(Some(10_001), Sleep::TimedOut(10_000)), (None, soon)], 0b01),
    ] {
        for before in 0..HISTORIES as u8 {
            let learner = adaptive(before, NOVICE);
            for &(looked, sleep) in &waits {
                learner.waited(looked, sleep);
            }
            assert_eq!(learner.history.get(), history, "{waits:?}");
        }
    }
}

#[test]
fn time_that_was_up_soon_says_nothing() {
    let lesson = Lesson { reach: 5_000, credit: 9_000, ..NOVICE };
    for looked in [None, Some(5_000)] {
        let learner = adaptive(3, lesson);
        assert!(!learner.waited(looked, Sleep::TimedOut(15_000)));
        assert_eq!((learner.history.get(), learner.lesson().get()), (3, lesson));
    }
}

/// For how many waits one may calm down after a wait.
fn calms(history: u8, lesson: Lesson, next: Lesson, ease: u8, sleep: Sleep) -> std::collections::BTreeSet<u16> {
    outcomes(|learner| {
        learner.lessons().iter().for_each(|lesson| lesson.set(next));
        learner.history.set(history);
        learner.lesson().set(lesson);
        learner.ease.set(ease);
        learner.waited(None, sleep);
        learner.calm.get()
    })
}

#[test]
fn parkers_calm_down_while_all_waits_are_long() {
    for (ease, calm) in [(0, 0..1), (1, 1..3), (2, 2..6), (3, 4..12), (4, 8..24), (5, 16..48), (6, 32..96)] {
        assert_eq!(calms(0, NOVICE, NOVICE, ease, LONG), calm.collect());
    }
    let hinted = Lesson { hint: Some(1), ..NOVICE };
    for (history, lesson, sleep) in [(1, NOVICE, LONG), (2, NOVICE, LONG), (0, hinted, LONG), (0, NOVICE, SOON)] {
        assert_eq!(calms(history, lesson, NOVICE, 6, sleep), [0].into());
    }

    let learner = adaptive(0, NOVICE);
    let news = [(); 8].map(|()| learner.waited(None, LONG));
    assert_eq!(news, [true, true, true, true, true, true, false, false]);
    assert_eq!(learner.ease.get(), 6);
    learner.waited(Some(1), LONG);
    assert_eq!(learner.ease.get(), 6);
    learner.waited(None, SOON);
    assert_eq!(learner.ease.get(), 0);
}

#[test]
fn who_has_no_other_cpu_rests() {
    let learner = adaptive(0, NOVICE);
    learner.rest();
    assert_eq!((0..100).take_while(|_| learner.is_calm()).count(), 64);
    assert!(fixed(Spin::off()).is_calm());
}

#[test]
fn a_parker_becomes_eager_when_looks_pay_time_after_time() {
    let learner = adaptive(0, NOVICE);
    let pay = || {
        learner.looked(1_000, true);
        learner.waited(Some(1_000), Sleep::Spared);
        assert_eq!(learner.learns_from_success(), !learner.is_eager());
        learner.is_eager()
    };
    assert_eq!([(); 5].map(|()| pay()), [false, false, false, true, true]);
    let lesson = learner.lesson().get();
    assert_eq!((learner.history.get(), lesson.credit), (3, 60_000));
    learner.looked(5_000, false);
    learner.waited(Some(5_000), Sleep::Took(1_000));
    assert!(!learner.is_eager());
    assert!(pay());
    learner.waited(None, LONG);
    assert_eq!([(); 2].map(|()| pay()), [false, true]);

    // Where short waits come in twos, the one that follows on them is not one to look in.
    let learner = adaptive(1, Lesson { credit: 60_000, ..NOVICE });
    learner.looked(1_000, true);
    learner.waited(Some(1_000), Sleep::Spared);
    assert_eq!((learner.history.get(), learner.is_eager()), (3, false));
}

#[test]
fn a_look_that_is_refused_counts_as_one_that_failed() {
    let refused = |lesson| {
        let learner = adaptive(0, lesson);
        learner.eager.set(true);
        let cell = learner.lesson();
        learner.was_refused();
        assert!(!learner.is_eager());
        cell.get()
    };
    let rich = Lesson { reach: 5_000, credit: 50_000, ..NOVICE };
    assert_eq!(refused(rich), Lesson { credit: 30_000, ..rich });
    let hinted = Lesson { doubt: 2, hint: Some(0), ..NOVICE };
    assert_eq!(refused(hinted), Lesson { doubt: 3, ..NOVICE });
}

#[test]
fn what_a_wake_up_takes_says_what_a_sleep_costs() {
    let learner = adaptive(0, NOVICE);
    for (known, delay, wake_up) in
        [(16_000, 2_000, 14_000), (16_000, 15_000, 15_000), (16_000, 17_000, 17_000), (16_000, u32::MAX, 17_001)]
    {
        assert_eq!(learner.woke_up(known, 3_000, delay), Some(wake_up));
        assert_eq!(learner.wake_up.get(), wake_up);
        // Who knows whether that one was asleep.
        assert_eq!(learner.woke_up(known, 2_999, delay), None);
        assert_eq!(learner.wake_up.get(), known);
    }
    for (known, delay, wake_up) in [(9_000, 9_000, 9_000), (640, 630, 630), (640, 650, 650), (0, 0, 0)] {
        assert_eq!(learner.woke_up(known, 3_000, delay), None);
        assert_eq!(learner.wake_up.get(), wake_up);
    }
    for (wake_up, cost) in [(0, 12_000), (6_000, 12_000), (10_000, 20_000), (30_001, 60_000), (u16::MAX, 60_000)] {
        let learner = adaptive(0, NOVICE);
        learner.wake_up.set(wake_up);
        assert_eq!(learner.cost(), cost);
    }
}

#[test]
fn a_sleep_after_a_look_says_how_far_to_look() {
    let reach = |reach, credit, looked, sleep| {
        after(Lesson { reach, credit, ..NOVICE }, |learner| learner.waited(looked, sleep)).reach
    };
    assert_eq!(reach(5_000, 1, Some(5_000), Sleep::Took(15_000)), 10_000);
    assert_eq!(reach(15_000, 1, Some(15_000), Sleep::Took(5_000)), 20_000);
    assert_eq!(reach(8_000, 1, Some(8_000), Sleep::Took(12_001)), 6_000);
    assert_eq!(reach(1_001, 1, Some(1_001), LONG), 1_000);
    assert_eq!(reach(5_000, 0, Some(5_000), Sleep::Took(15_000)), 5_000);
    assert_eq!(reach(5_000, 1, None, Sleep::Took(15_000)), 5_000);
}

#[test]
fn a_token_that_came_soon_is_a_hint() {
    let hints = |doubt, hint, looked, sleep| {
        outcomes(move |learner| {
            learner.history.set(3);
            let cell = learner.lesson();
            cell.set(Lesson { doubt, hint, ..NOVICE });
            learner.waited(looked, sleep);
            let lesson = cell.get();
            assert_eq!(lesson, Lesson { doubt, hint: lesson.hint, ..NOVICE });
            lesson.hint
        })
    };
    assert_eq!(hints(0, None, None, SOON), [Some(0), Some(1)].into());
    assert_eq!(hints(1, None, None, SOON), [None, Some(0), Some(1)].into());
    assert_eq!(hints(0, Some(7), None, SOON), [Some(7)].into());
    assert_eq!(hints(0, None, Some(1), SOON), [None].into());
    assert_eq!(hints(0, None, None, Sleep::Took(20_001)), [None].into());

    let believed = |doubt, came| {
        let learner = adaptive(3, NOVICE);
        let believed = |_: &u32| {
            learner.history.set(3);
            learner.lesson().set(Lesson { doubt, ..NOVICE });
            learner.waited(None, Sleep::Took(came));
            learner.lessons()[3].get().hint.is_some()
        };
        (0..100_000).filter(believed).count()
    };
    for (doubt, came, least, most) in [
        (2, 20_000, 24_000, 26_000),
        (5, 1_001, 2_900, 3_350),
        (0, 1_000, 100_000, 100_001),
        (1, 1_000, 49_000, 51_000),
        (5, 1_000, 49_000, 51_000),
    ] {
        let count = believed(doubt, came);
        assert!((least..most).contains(&count), "{doubt}, {came} ns: {count}");
    }
}

/// Between two threads, of which each puts the other one to sleep or finds it awake. On some virtual machines, a look
/// delays the wake-up that it waits for: by up to a time slice of the hypervisor, which had put both CPUs on one.
#[test]
fn two_that_put_each_other_to_sleep_find_out() {
    for (wake_up, delay) in [(5_000, 0), (20_000, 0), (40_000, 0), (55_000, 0), (25_000, 100_000), (40_000, 100_000)] {
        for (doubt, ease, by) in [
            (0, 0, if delay > 0 { 2_000 } else { 60 }),
            (0, MAX_EASE, 4_000),
            (MAX_DOUBT, 0, 6_000),
            (MAX_DOUBT, MAX_EASE, 8_000),
        ] {
            for seed in 0..100 {
                let pair = [seed, !seed].map(|seed| (adult(doubt, ease, seed), Cell::new(true)));
                pair.iter().for_each(|(learner, _)| learner.wake_up.set(FIRST_WAKE_UP));
                let mut known = FIRST_WAKE_UP;
                let mut last_sleep = 0;
                for turn in 0..2 * by {
                    let (learner, asleep) = &pair[turn % 2];
                    let calm = learner.is_calm();
                    let budget = if calm { 0 } else { learner.next_look() };
                    let wait = 200 + if pair[1 - turn % 2].1.get() { wake_up + budget.min(delay) } else { 0 };
                    let found = budget > 0 && wait <= budget;
                    asleep.set(!found);
                    let looked = (budget > 0).then_some(wait.min(budget));
                    if let Some(look) = looked {
                        learner.looked(look, found);
                    }
                    if !calm {
                        let slept = wait - looked.unwrap_or(0);
                        if !found && slept <= LONGEST_LOOK {
                            known = learner.woke_up(known, slept, wake_up).unwrap_or(known);
                        }
                        learner.waited(looked, if found { Sleep::Spared } else { Sleep::Took(slept) });
                    }
                    last_sleep = if found { last_sleep } else { turn };
                }
                assert!(last_sleep < by, "{wake_up} ns, doubt {doubt}, ease {ease}, seed {seed}: {last_sleep}");
            }
        }
    }
}

#[test]
fn a_new_parker_starts_where_the_process_stands_and_teaches_it() {
    let prior = Levels { doubts: [1, 2, 3, 12], ease: 4 };
    let learner = Learner::new(Spin::adaptive(), prior, 25_000, 17);
    assert_eq!([0, 1, 2, 3].map(|history| learner.lessons()[history].get().doubt), prior.doubts);
    assert_eq!((learner.ease.get(), learner.cost()), (4, 50_000));
    for (ease, calm) in [(0, 0..1), (1, 0..2), (4, 0..16), (6, 0..64)] {
        let prior = Levels { ease, ..prior };
        assert_eq!(outcomes(|learner| newborn(prior, learner.random.get()).calm.get()), calm.collect());
    }

    let learner = adaptive(2, NOVICE);
    learner.ease.set(3);
    assert_eq!(learner.teach(prior), Levels { doubts: [1, 2, 2, 12], ease: 3 });
    assert_eq!(learner.teach(Levels::default()), Levels { doubts: [0; 4], ease: 1 });
}

fn fixed(spin: Spin) -> Learner {
    Learner::new(spin, Levels { ease: MAX_EASE, ..Levels::default() }, WAKE_UP, 0)
}

#[test]
fn fixed_policies_do_not_learn() {
    for (spin, nanos) in [
        (Spin::off(), 0),
        (Spin::bounded(Duration::from_micros(5)), 5_000),
        (Spin::bounded(Duration::from_secs(4)), 4_000_000_000),
        (Spin::bounded(Duration::from_secs(5)), u32::MAX),
        (Spin::bounded(Duration::MAX), u32::MAX),
    ] {
        let learner = fixed(spin);
        assert!(!learner.learns() && !learner.learns_from_success());
        assert_eq!(learner.calm.get(), 0);
        for found in [true, false] {
            learner.looked(1, found);
            assert!(!learner.waited(Some(1), Sleep::Took(1)));
            assert_eq!(learner.history.get(), 0);
            assert_eq!(learner.next_look(), nanos);
        }
    }
}

#[test]
fn levels_survive_their_bits() {
    for ease in 0..=MAX_EASE {
        for doubt in 0..=MAX_DOUBT {
            let levels = Levels { doubts: [doubt, 0, 3, MAX_DOUBT - doubt], ease };
            assert_eq!(Levels::from_bits(levels.to_bits()), levels);
        }
    }
    let most = Levels { doubts: [MAX_DOUBT; HISTORIES], ease: MAX_EASE };
    assert_eq!(Levels::from_bits(u32::MAX), most);
}

#[test]
fn a_step_goes_one_further() {
    assert_eq!([0, 4, 5, 6, 12].map(|to| step(5, to)), [4, 4, 5, 6, 6]);
}
