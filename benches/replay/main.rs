//! Plays recorded waits to the spin policy, and prints what they cost: `benches/replay/ablation.sh` runs it once for each
//! mechanism that it takes away.
//!
//! The recordings are in `waits/`, one file for each program, made by `benches/replay/record.sh` with spinning off. A line
//! is one wait: the number of its parker, and after how many nanoseconds the token came, or `same` if it came from the same
//! CPU, or `out` if the time ran out.
//!
//! Costs are in sleeps: 1 is to sleep at once, always. A sleep costs `S`, the 3.5 µs of `Spin::adaptive`. To learn from a sleep costs a
//! reading of the clock on cold caches, `LEARN`, if the wait was longer than 100 µs. Three columns are not recordings but two
//! policies that play against each other, as the waits of each depend on what the other one does.

#[allow(dead_code)]
#[path = "../../src/spin/policy.rs"]
mod policy;

use policy::{Adaptive, End, Policy};
use std::collections::BTreeMap;

const S: u32 = 3_500;
const LEARN: u32 = 1_000;
const REPEATS: u64 = 10;
/// A thread that was asleep runs on so much later, in the three columns that are played.
const WAKE_UP: u32 = 20_000;

#[derive(Clone, Copy)]
enum Wait {
    Came(u32),
    SameCpu,
    TimedOut,
}

impl Wait {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "same" => Some(Self::SameCpu),
            "out" => Some(Self::TimedOut),
            _ => text.parse().ok().map(Self::Came),
        }
    }

    /// What this wait costs a parker that spins for up to `budget` first.
    fn cost(self, budget: u32) -> u32 {
        match self {
            Self::Came(came) if budget > 0 && came <= budget => came,
            _ => budget + S,
        }
    }
}

/// One parker with the policy.
struct Player {
    policy: Policy,
    cost: u64,
    waits: u32,
}

impl Player {
    fn new() -> Self {
        Self { policy: Policy::Adaptive(Adaptive::new(S)), cost: 0, waits: 0 }
    }

    /// Returns whether the parker slept.
    fn wait(&mut self, wait: Wait) -> bool {
        self.waits += 1;
        if self.policy.skips() {
            self.cost += u64::from(S);
            return true;
        }
        let budget = self.policy.spins_for();
        let cost = wait.cost(budget);
        let slept = cost >= budget + S;
        let (spun, end) = match wait {
            Wait::Came(came) if !slept => (came, End::Found),
            Wait::Came(came) => (budget, End::Came(came.saturating_sub(budget))),
            Wait::SameCpu => (budget, End::SameCpu),
            Wait::TimedOut => (budget, End::TimedOut),
        };
        self.policy.learn(spun, end);
        let cold = slept && !matches!(wait, Wait::Came(..=100_000));
        self.cost += u64::from(cost + if cold { LEARN } else { 0 });
        slept
    }
}

/// Costs in sleeps: the policy, always spinning for `S`, and the best in hindsight.
fn costs(waits: &[(usize, Wait)]) -> [f64; 3] {
    let mut players = BTreeMap::new();
    let (mut always, mut best) = (0, 0);
    // Several times, as a parker lives longer than a recording.
    for _ in 0..REPEATS {
        for &(parker, wait) in waits {
            players.entry(parker).or_insert_with(Player::new).wait(wait);
        }
    }
    for &(_, wait) in waits {
        always += u64::from(wait.cost(S));
        best += u64::from(wait.cost(0).min(wait.cost(u32::MAX - S)).min(S));
    }
    let policy = players.values().map(|player| player.cost).sum::<u64>() / REPEATS;
    [policy, always, best].map(|cost| cost as f64 / (waits.len().max(1) as f64 * f64::from(S)))
}

/// Two threads that hand over after `work` nanoseconds, in turn.
fn pair(work: impl Fn(u32) -> u32) -> f64 {
    let mut both = [Player::new(), Player::new()];
    let mut asleep = [true; 2];
    for round in 0..100_000 {
        let (this, other) = (round as usize % 2, 1 - round as usize % 2);
        let came = work(round) + if asleep[other] { WAKE_UP } else { 0 };
        asleep[this] = both[this].wait(Wait::Came(came));
    }
    let sum = |of: fn(&Player) -> u64| both.iter().map(of).sum::<u64>() as f64;
    sum(|player| player.cost) / sum(|player| u64::from(player.waits) * u64::from(S))
}

fn main() {
    let folder = std::env::var("WAITS").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/replay/waits").into());
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect(&folder).map(|file| file.unwrap().path()).collect();
    files.sort();
    let only_policy = std::env::args().any(|argument| argument == "policy");
    let mut rows = [("policy", vec![]), ("always spin for S", vec![]), ("best in hindsight", vec![])];
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let parse = |line: &str| {
            let mut words = line.split(' ');
            let mut next = || words.next().unwrap();
            (next().parse().unwrap(), Wait::parse(next()).unwrap())
        };
        let waits: Vec<_> = text.lines().map(parse).collect();
        for (row, cost) in rows.iter_mut().zip(costs(&waits)) {
            row.1.push((file.file_stem().unwrap().to_string_lossy().into_owned(), format!("{cost:.2}")));
        }
    }
    let played = [
        ("pair", pair(|_| 300)),
        ("pair with pauses", pair(|round| if round % 100 == 0 { 1_000_000 } else { 300 })),
        ("pair after far waits", pair(|round| if round < 1_000 { 30_000 } else { 300 })),
    ];
    for (name, cost) in played {
        for (row, cell) in rows.iter_mut().zip([&format!("{cost:.2}"), "–", "–"]) {
            row.1.push((name.into(), cell.into()));
        }
    }
    if !only_policy {
        println!("| | {} |", rows[0].1.iter().map(|cell| cell.0.clone()).collect::<Vec<_>>().join(" | "));
        println!("| --- |{}", " ---: |".repeat(rows[0].1.len()));
    }
    for (name, cells) in rows.iter().take(if only_policy { 1 } else { 3 }) {
        println!("| {name} | {} |", cells.iter().map(|cell| cell.1.clone()).collect::<Vec<_>>().join(" | "));
    }
}
