//! The words against a plain model of them, one step at a time.

use super::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};

/// What a step is, with the worker that it is about.
#[derive(Clone, Debug)]
enum Step {
    Announce,
    More,
    Claim(usize),
    Sign(usize),
    Retract(usize),
    Leave(usize, bool),
    PassOn(usize, bool),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Busy,
    Signed,
    Searching,
}

struct Model {
    workers: Vec<State>,
    owed: bool,
    again: bool,
}

impl Model {
    fn count(&self, state: State) -> usize {
        self.workers.iter().filter(|&&worker| worker == state).count()
    }

    /// The lowest signed worker gets a search.
    fn send(&mut self) -> Option<usize> {
        let lowest = self.workers.iter().position(|&worker| worker == State::Signed);
        match lowest {
            Some(index) => self.workers[index] = State::Searching,
            // The search ends.
            None => self.at_end(),
        }
        lowest
    }

    /// Without a search, there are no flags.
    fn at_end(&mut self) {
        let searched = self.count(State::Searching) > 0;
        self.owed &= searched;
        self.again &= searched;
    }

    fn request(&mut self) -> Option<usize> {
        if self.count(State::Searching) > 0 {
            self.owed = true;
            return None;
        }
        self.send()
    }

    /// A searching worker is busy; returns whether it was the last one that searched.
    fn end(&mut self, index: usize) -> bool {
        self.workers[index] = State::Busy;
        self.count(State::Searching) == 0
    }
}

impl Arbitrary for Step {
    fn arbitrary(random: &mut Gen) -> Self {
        let (index, owes) = (usize::arbitrary(random), bool::arbitrary(random));
        // Signs are frequent, so that there are idle workers.
        match *random.choose(b"aaamcsssssrllp").unwrap() {
            b'a' => Step::Announce,
            b'm' => Step::More,
            b'c' => Step::Claim(index),
            b's' => Step::Sign(index),
            b'r' => Step::Retract(index),
            b'l' => Step::Leave(index, owes),
            _ => Step::PassOn(index, owes),
        }
    }
}

#[test]
fn words_do_what_the_table_says() {
    fn holds(workers: u8, bits: u8, steps: Vec<Step>) -> bool {
        let workers = 1 + usize::from(workers % 11);
        let bits = 1 + usize::from(bits) % BITS;
        let word = Word::new(workers, bits);
        let mut model = Model { workers: vec![State::Busy; workers], owed: false, again: false };
        for step in steps {
            let of = |index: usize, state| (model.workers[index % workers] == state).then_some(index % workers);
            match step {
                Step::Announce => {
                    let woken = if word.nobody_idle() { None } else { word.request() };
                    assert_eq!(woken, model.request());
                }
                Step::More => assert_eq!(word.request_more(), model.send()),
                Step::Claim(index) => {
                    let index = index % workers;
                    let expected = match model.workers[index] {
                        State::Signed => {
                            model.workers[index] = State::Searching;
                            (true, None)
                        }
                        _ => (false, model.request()),
                    };
                    assert_eq!(word.claim(index), expected);
                }
                Step::Sign(index) => {
                    let index = index % workers;
                    let searching = model.workers[index] == State::Searching;
                    if model.workers[index] != State::Signed {
                        let last = model.count(State::Searching) == 1;
                        let goes_on = searching && last && (model.owed || model.again);
                        if goes_on {
                            (model.owed, model.again) = (false, false);
                        } else {
                            model.workers[index] = State::Signed;
                            model.owed |= searching && !last;
                            model.at_end();
                        }
                        assert_eq!(word.sign(index, searching), !goes_on);
                    }
                }
                Step::Retract(index) => {
                    if let Some(index) = of(index, State::Signed) {
                        model.workers[index] = State::Busy;
                        assert!(!word.retract(index));
                    }
                }
                Step::Leave(index, owes) => {
                    if let Some(index) = of(index, State::Searching) {
                        let last = model.end(index);
                        model.owed |= owes;
                        model.again |= !last;
                        let expected = if last && model.owed { model.send() } else { None };
                        model.at_end();
                        assert!(word.take_back(index), "it was claimed");
                        assert_eq!(word.leave(owes), expected);
                    }
                }
                Step::PassOn(index, owes) => {
                    if let Some(index) = of(index, State::Searching) {
                        let last = model.end(index);
                        model.owed |= owes || !last;
                        let expected = if last { model.send() } else { None };
                        assert_eq!(word.pass_on(owes), expected);
                    }
                }
            }
            let (signed, searching) = (model.count(State::Signed), model.count(State::Searching));
            let owed = if model.owed { OWED } else { 0 };
            let again = if model.again { AGAIN } else { 0 };
            let head = (signed + searching) * IDLE + searching * SEARCH + owed + again;
            assert_eq!(word.head().load(Ordering::Relaxed), head);
            assert_eq!(word.asleep(), signed);
            for (index, &state) in model.workers.iter().enumerate() {
                assert_eq!(word.is_claimed(index), state != State::Signed);
            }
        }
        true
    }
    QuickCheck::new().tests(256).rng(Gen::new(200)).quickcheck(holds as fn(u8, u8, Vec<Step>) -> bool);
}

#[test]
fn the_docs_say_how_many_workers_fit() {
    assert_eq!(MAX_WORKERS, (1 << (if usize::BITS == 64 { 28 } else { 12 })) - 1);
}
