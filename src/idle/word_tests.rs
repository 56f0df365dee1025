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
    Look(usize),
    Retract(usize),
    Leave(usize, bool),
    PassOn(usize, bool),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Busy,
    Signed,
    Claimed,
    Looking,
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

    fn searches(&self) -> usize {
        self.count(State::Claimed) + self.count(State::Looking)
    }

    /// The lowest signed worker gets a search.
    fn send(&mut self) -> Option<usize> {
        let lowest = self.workers.iter().position(|&worker| worker == State::Signed);
        match lowest {
            Some(index) => self.workers[index] = State::Claimed,
            // The search ends.
            None => self.at_end(),
        }
        lowest
    }

    /// Without a search, there are no flags.
    fn at_end(&mut self) {
        let searched = self.searches() > 0;
        self.owed &= searched;
        self.again &= searched;
    }

    fn request(&mut self, any_search_is_enough: bool) -> Option<usize> {
        let active = self.count(State::Busy);
        let many = active > 0 && self.searches() >= active + 3;
        let enough = self.count(State::Looking) > 0 || self.count(State::Signed) == 0 || many;
        if self.searches() > 0 && (any_search_is_enough || enough) {
            self.owed = true;
            return None;
        }
        self.send()
    }

    /// A searching worker is busy, and gives its search to another one, or it ends.
    fn end(&mut self, index: usize, passes_on: bool) -> Option<usize> {
        self.workers[index] = State::Busy;
        let next = if passes_on { self.send() } else { None };
        self.again |= !passes_on;
        self.at_end();
        next
    }
}

impl Arbitrary for Step {
    fn arbitrary(random: &mut Gen) -> Self {
        let (index, owes) = (usize::arbitrary(random), bool::arbitrary(random));
        // Signs are frequent, so that there are idle workers.
        match *random.choose(b"aaamcssssskkrllp").unwrap() {
            b'a' => Step::Announce,
            b'm' => Step::More,
            b'c' => Step::Claim(index),
            b's' => Step::Sign(index),
            b'k' => Step::Look(index),
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
                    assert_eq!(woken, model.request(false));
                }
                Step::More => assert_eq!(word.request_more(), model.send()),
                Step::Claim(index) => {
                    let index = index % workers;
                    let expected = match model.workers[index] {
                        State::Signed => {
                            model.workers[index] = State::Claimed;
                            (true, None)
                        }
                        _ => (false, model.request(true)),
                    };
                    assert_eq!(word.claim(index), expected);
                }
                Step::Sign(index) => {
                    let index = index % workers;
                    let searching = model.workers[index] == State::Looking;
                    if searching || model.workers[index] == State::Busy {
                        let last = model.searches() == 1;
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
                Step::Look(index) => {
                    let index = index % workers;
                    let claimed = model.workers[index] == State::Claimed;
                    if claimed || model.workers[index] == State::Signed {
                        assert_eq!(word.looks_if_claimed(index), claimed);
                    }
                    if claimed {
                        model.workers[index] = State::Looking;
                    }
                }
                Step::Retract(index) => {
                    if let Some(index) = of(index, State::Signed) {
                        model.workers[index] = State::Busy;
                        assert!(!word.retract(index));
                    } else if let Some(index) = of(index, State::Claimed) {
                        model.workers[index] = State::Looking;
                        assert!(word.retract(index));
                    }
                }
                Step::Leave(index, owes) => {
                    if let Some(index) = of(index, State::Looking) {
                        model.owed |= owes;
                        let passes_on = model.owed;
                        assert_eq!(word.leave(owes), model.end(index, passes_on));
                    }
                }
                Step::PassOn(index, owes) => {
                    if let Some(index) = of(index, State::Looking) {
                        model.owed |= owes;
                        assert_eq!(word.pass_on(owes), model.end(index, true));
                    }
                }
            }
            let (signed, searching) = (model.count(State::Signed), model.searches());
            let owed = if model.owed { OWED } else { 0 };
            let again = if model.again { AGAIN } else { 0 };
            let head = (signed + searching) * IDLE + searching * SEARCH + owed + again;
            assert_eq!(word.head().load(Ordering::Relaxed), head);
            assert_eq!(word.asleep(), signed);
            assert_eq!(word.near.looking.load(Ordering::Relaxed), model.count(State::Looking));
            for (index, &state) in model.workers.iter().enumerate() {
                let (bits, bit) = word.place(index);
                assert_eq!(bits.load(Ordering::Relaxed) & bit != 0, state == State::Signed);
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
