//! The roster against a plain model of it, one step at a time.

use super::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};

/// What a step is, with the worker that it is about.
#[derive(Clone, Debug)]
enum Step {
    Announce,
    AddSearch,
    Claim(usize),
    Sign(usize),
    Retract(usize),
    Leave(usize),
    Stop(usize),
    GiveUp(usize),
    FailStart(usize),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Active,
    Signed,
    Searching(Debt),
    Vacant,
}

struct Model {
    places: Vec<State>,
    debt: Debt,
    grows: bool,
}

impl Model {
    fn searches(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, State::Searching(_))).count()
    }

    fn count(&self, state: State) -> usize {
        self.places.iter().filter(|&&place| place == state).count()
    }

    fn idle(&self) -> usize {
        self.searches() + self.count(State::Signed) + if self.grows { self.count(State::Vacant) } else { 0 }
    }

    /// A search that no place has goes to the first sleeper, or else to a vacant place; otherwise it ends.
    fn pass(&mut self, failed: bool) -> Option<Claimed> {
        let first = |state| self.places.iter().position(|&place| place == state);
        let claimed = match first(State::Signed) {
            Some(index) => Some(Claimed::Sleeper(index)),
            None if self.grows && !failed => first(State::Vacant).map(Claimed::Vacant),
            None => None,
        };
        match claimed {
            Some(Claimed::Sleeper(index) | Claimed::Vacant(index)) => self.places[index] = State::Searching(Debt::None),
            None => {
                let taken =
                    if self.searches() == 0 { std::mem::replace(&mut self.debt, Debt::None) } else { Debt::None };
                let taken = if taken.is_owed() { taken } else { Debt::None };
                if failed {
                    self.debt = self.debt.plus(Debt::One.plus(taken));
                }
            }
        }
        claimed
    }

    fn announce(&mut self) -> Request {
        if self.searches() > 0 {
            self.debt = self.debt.plus(Debt::One);
            Request::Searching
        } else {
            self.pass(false).into()
        }
    }
}

impl Arbitrary for Step {
    fn arbitrary(random: &mut Gen) -> Self {
        let index = usize::arbitrary(random);
        // Signs are frequent, so that there are idle workers.
        match *random.choose(b"aaamcssssssrlllpgf").unwrap() {
            b'a' => Step::Announce,
            b'm' => Step::AddSearch,
            b'c' => Step::Claim(index),
            b's' => Step::Sign(index),
            b'r' => Step::Retract(index),
            b'l' => Step::Leave(index),
            b'p' => Step::Stop(index),
            b'g' => Step::GiveUp(index),
            _ => Step::FailStart(index),
        }
    }
}

#[test]
fn roster_does_what_the_page_says() {
    fn holds(places: u8, grows: bool, steps: Vec<Step>) -> bool {
        let places = 1 + usize::from(places) % 70;
        let roster = Roster::new(places, grows, false, None);
        let state = if grows { State::Vacant } else { State::Active };
        let mut model = Model { places: vec![state; places], debt: Debt::None, grows };
        for step in steps {
            match step {
                Step::Announce => {
                    let quiet = roster.is_quiet();
                    assert_eq!(quiet, model.idle() == 0);
                    if !quiet {
                        assert_eq!(roster.announce(None), model.announce());
                    }
                }
                Step::AddSearch => assert_eq!(roster.add_search(None), model.pass(false)),
                Step::Claim(index) => {
                    let index = index % places;
                    let expected = match model.places[index] {
                        State::Signed => (true, Request::Claimed(Claimed::Sleeper(index))),
                        State::Vacant if grows => (true, Request::Claimed(Claimed::Vacant(index))),
                        _ if model.idle() == 0 => (false, Request::NoneAsleep),
                        _ => (false, model.announce()),
                    };
                    if expected.0 {
                        model.places[index] = State::Searching(Debt::None);
                    }
                    assert_eq!(roster.claim(index, None), expected);
                }
                Step::Sign(index) => match model.places[index % places] {
                    State::Active => {
                        model.places[index % places] = State::Signed;
                        assert_eq!(roster.sign(index % places, None), None);
                    }
                    State::Searching(debt) => {
                        let last = model.searches() == 1;
                        let goes_on = last && model.debt != Debt::None;
                        let expected = goes_on.then(|| model.debt.plus(debt));
                        if goes_on {
                            model.debt = Debt::None;
                            model.places[index % places] = State::Searching(expected.unwrap());
                        } else {
                            model.places[index % places] = State::Signed;
                            if !last {
                                model.debt = model.debt.plus(Debt::One.plus(debt));
                            }
                        }
                        assert_eq!(roster.sign(index % places, Some(debt)), expected);
                    }
                    _ => {}
                },
                Step::Retract(index) => match model.places[index % places] {
                    State::Signed => {
                        model.places[index % places] = State::Active;
                        assert!(!roster.retract(index % places));
                    }
                    State::Searching(_) => assert!(roster.was_claimed(index % places)),
                    _ => {}
                },
                Step::Leave(index) => {
                    if let State::Searching(debt) = model.places[index % places] {
                        model.places[index % places] = State::Active;
                        let owed = model.debt.plus(debt);
                        let others = model.searches() > 0;
                        let expected = if owed.is_owed() {
                            model.debt = if owed == Debt::One { Debt::None } else { owed };
                            model.pass(false)
                        } else {
                            model.debt = if others { Debt::LookAgain } else { Debt::None };
                            None
                        };
                        assert_eq!(roster.leave(debt), expected);
                    }
                }
                Step::Stop(index) => {
                    if let State::Searching(debt) = model.places[index % places] {
                        model.places[index % places] = State::Active;
                        model.debt = model.debt.plus(debt);
                        assert_eq!(roster.stop(debt), model.pass(false));
                    }
                }
                Step::GiveUp(index) => match model.places[index % places] {
                    State::Signed if grows => {
                        model.places[index % places] = State::Vacant;
                        assert!(roster.give_up(index % places));
                    }
                    State::Searching(_) => assert!(!roster.give_up(index % places)),
                    State::Active => {
                        model.places[index % places] = State::Vacant;
                        roster.vacate(index % places);
                    }
                    State::Vacant | State::Signed => {}
                },
                Step::FailStart(index) => match model.places[index % places] {
                    State::Searching(Debt::None) if grows => {
                        model.places[index % places] = State::Vacant;
                        assert_eq!(roster.fail_start(index % places), model.pass(true));
                    }
                    State::Vacant => {
                        model.places[index % places] = State::Active;
                        assert!(roster.enter(index % places));
                    }
                    _ => assert!(!roster.enter(index % places)),
                },
            }
            let head = roster.head();
            assert_eq!((head.idle(), head.searches(), head.debt()), (model.idle(), model.searches(), model.debt));
            assert_eq!((roster.asleep(), roster.vacant()), (model.count(State::Signed), model.count(State::Vacant)));
            for (index, &state) in model.places.iter().enumerate() {
                assert_eq!(roster.is_asleep(index), state == State::Signed);
            }
        }
        true
    }
    QuickCheck::new().tests(256).rng(Gen::new(300)).quickcheck(holds as fn(u8, bool, Vec<Step>) -> bool);
}

#[test]
fn the_docs_say_how_many_workers_fit() {
    assert_eq!(super::super::head::MAX_WORKERS, (1 << (if usize::BITS == 64 { 28 } else { 12 })) - 1);
}
