//! All operations of one thread, in random order, against the simplest model of a parker: a `bool`.

use crate::support::{rounds, Slow};
use atomic_parker::{ParkState, Parker, Unparker};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::task::Waker;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
enum Step {
    Unpark,
    UnparkByOwner,
    Notify,
    Wake,
    WakeByRef,
    CloneUnparker,
    DropUnparker,
    ThroughRaw,
    State,
    TryPark,
    ParkIfThere,
    ParkTimeout,
    ParkDeadline,
    ParkForEverIfThere,
}

const STEPS: [Step; 14] = [
    Step::Unpark,
    Step::UnparkByOwner,
    Step::Notify,
    Step::Wake,
    Step::WakeByRef,
    Step::CloneUnparker,
    Step::DropUnparker,
    Step::ThroughRaw,
    Step::State,
    Step::TryPark,
    Step::ParkIfThere,
    Step::ParkTimeout,
    Step::ParkDeadline,
    Step::ParkForEverIfThere,
];

struct Subject<W> {
    parker: Parker<W>,
    unparkers: Vec<Unparker<W>>,
    /// The model.
    token: bool,
}

impl<W: Slow> Subject<W> {
    fn unparker(&self) -> Unparker<W> {
        self.unparkers.last().cloned().unwrap_or_else(|| self.parker.unparker())
    }

    fn state(&self) -> ParkState {
        match self.token {
            true => ParkState::Notified,
            false => ParkState::Empty,
        }
    }

    /// Does one step. Returns the actual and the expected result.
    fn step(&mut self, step: Step) -> (ParkState, ParkState) {
        let before = self.state();
        let as_state = |token| if token { ParkState::Notified } else { ParkState::Empty };
        let result = match step {
            Step::Unpark => as_state(!self.unparker().unpark()),
            Step::UnparkByOwner => as_state(!self.parker.unpark()),
            Step::Notify => self.unparker().notify(),
            Step::Wake => {
                Waker::from(self.unparker()).wake();
                before
            }
            Step::WakeByRef => {
                Waker::from(self.unparker()).wake_by_ref();
                before
            }
            Step::CloneUnparker => {
                self.unparkers.push(self.unparker());
                before
            }
            Step::DropUnparker => {
                self.unparkers.pop();
                before
            }
            Step::ThroughRaw => {
                let raw = Unparker::into_raw(self.unparker());
                // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
                self.unparkers.push(unsafe { Unparker::from_raw(raw) });
                before
            }
            Step::State => self.parker.state(),
            Step::TryPark => as_state(self.parker.try_park()),
            Step::ParkTimeout => as_state(self.parker.park_timeout(Duration::ZERO)),
            Step::ParkDeadline => as_state(self.parker.park_deadline(Instant::now())),
            Step::ParkIfThere => {
                if self.token {
                    self.parker.park();
                }
                before
            }
            Step::ParkForEverIfThere => as_state(self.token && self.parker.park_timeout(Duration::MAX)),
        };
        match step {
            Step::Unpark | Step::UnparkByOwner | Step::Notify | Step::Wake | Step::WakeByRef => self.token = true,
            Step::CloneUnparker | Step::DropUnparker | Step::ThroughRaw | Step::State => {}
            Step::TryPark | Step::ParkIfThere | Step::ParkTimeout | Step::ParkDeadline | Step::ParkForEverIfThere => {
                self.token = false
            }
        }
        (result, before)
    }
}

impl Arbitrary for Step {
    fn arbitrary(random: &mut Gen) -> Self {
        *random.choose(&STEPS).unwrap()
    }
}

pub fn agrees<W: Slow>() {
    fn holds<W: Slow>(steps: Vec<Step>) -> bool {
        let mut subject = Subject::<W> { parker: Parker::with_wait(W::default()), unparkers: Vec::new(), token: false };
        for step in steps {
            let (result, expected) = subject.step(step);
            assert_eq!(result, expected, "what {step:?} returned");
            assert_eq!(subject.parker.state(), subject.state(), "after {step:?}");
        }
        true
    }
    QuickCheck::new().tests(u64::from(rounds(200))).rng(Gen::new(60)).quickcheck(holds::<W> as fn(Vec<Step>) -> bool);
}
