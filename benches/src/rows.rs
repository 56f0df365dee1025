//! The rows of a comparison: what was measured, for whom, and what it is held against.

use crate::stats::{median, Estimate};

/// What an entrant is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The least that it can cost: bare swaps, a bare fence and a load, two threads that only spin.
    Floor,
    /// The design that the project started from.
    Document,
    /// What is in use today.
    Peer,
    /// The same program with a protocol that is written by hand.
    ByHand,
    Ours,
}

/// What one entrant of a row should not exceed.
#[derive(Clone, Copy)]
pub struct Goal {
    /// The name of the entrant.
    pub of: &'static str,
    pub against: Against,
    pub at_most: f64,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Against {
    /// A ratio to the best of this kind: the one with the lowest median.
    Best(Kind),
    /// As above, where the floor is as low as that; elsewhere the goal says nothing.
    BestWhereTheFloorIs(Kind),
    /// The figure itself.
    Number,
}

/// At most so much of the best peer.
pub const fn peers(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::Peer), at_most }
}

/// At most so much of the best protocol that is written by hand.
pub const fn by_hand(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::ByHand), at_most }
}

/// At most so much of the floor.
pub const fn floor(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::Floor), at_most }
}

/// The figure itself is at most that.
pub const fn number(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Number, at_most }
}

impl Goal {
    /// The same goal for another entrant.
    pub const fn of(self, of: &'static str) -> Self {
        Self { of, ..self }
    }

    pub const fn where_the_floor_is(self) -> Self {
        let against = match self.against {
            Against::Best(kind) => Against::BestWhereTheFloorIs(kind),
            other => other,
        };
        Self { against, ..self }
    }
}

/// What is measured, before it is.
#[derive(Clone)]
pub struct Heading {
    pub name: String,
    pub unit: &'static str,
    /// Which of the values of a slice this row is made of.
    pub value: usize,
    pub goals: Vec<Goal>,
    pub in_chart: bool,
}

impl Heading {
    pub fn in_chart(self) -> Self {
        Self { in_chart: true, ..self }
    }

    pub fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }
}

pub fn row(name: impl Into<String>, value: usize, goals: &[Goal]) -> Heading {
    Heading { name: name.into(), unit: "ns", value, goals: goals.to_vec(), in_chart: false }
}

pub struct Entrant {
    pub name: &'static str,
    pub kind: Kind,
    /// One for each slice. Those of the same number were measured right after each other.
    pub values: Vec<f64>,
}

pub struct Row {
    pub heading: Heading,
    pub entrants: Vec<Entrant>,
}

/// How it stands with a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of the interval is within the goal.
    Holds,
    /// The median is within the goal, the end of the interval is not.
    Open,
    /// The median is above the goal.
    Above,
    /// The floor itself is above it.
    NotHere,
}

impl Row {
    pub fn named(&self, name: &str) -> Option<&Entrant> {
        self.entrants.iter().find(|entrant| entrant.name == name)
    }

    /// The one with the lowest median.
    pub fn best(&self, kind: Kind) -> Option<&Entrant> {
        let of_kind = self.entrants.iter().filter(|entrant| entrant.kind == kind);
        of_kind.min_by(|a, b| median(&a.values).total_cmp(&median(&b.values)))
    }

    /// Not everything can be measured everywhere: processor time on some systems not.
    pub fn is_measured(&self) -> bool {
        self.entrants.iter().all(|entrant| !entrant.values.is_empty() && entrant.values.iter().all(|v| v.is_finite()))
    }

    /// The entrant, what it is held against, the figure that the goal speaks of, and how it stands.
    pub fn judge(&self, goal: &Goal) -> Option<(&Entrant, Option<&Entrant>, Estimate, Verdict)> {
        let ours = self.named(goal.of)?;
        let (theirs, estimate) = match goal.against {
            Against::Number => (None, Estimate::of(&ours.values)),
            Against::Best(kind) | Against::BestWhereTheFloorIs(kind) => {
                let best = self.best(kind)?;
                (Some(best), Estimate::of_ratios(&ours.values, &best.values))
            }
        };
        let out_of_reach = match (goal.against, self.best(Kind::Floor), theirs) {
            (Against::BestWhereTheFloorIs(_), Some(floor), Some(theirs)) => {
                Estimate::of_ratios(&floor.values, &theirs.values).median > goal.at_most
            }
            _ => false,
        };
        let verdict = match () {
            _ if estimate.high <= goal.at_most => Verdict::Holds,
            _ if out_of_reach => Verdict::NotHere,
            _ if estimate.median <= goal.at_most => Verdict::Open,
            _ => Verdict::Above,
        };
        Some((ours, theirs, estimate, verdict))
    }
}
