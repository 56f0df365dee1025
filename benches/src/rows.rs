//! The rows of a comparison: the measured values of each entrant, and the goals.

use crate::stats::{median, Estimate};

/// The kind of an entrant in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The lower bound of the cost: bare swaps, a bare fence and a load, two threads that only spin.
    Floor,
    /// The design that this crate is based on.
    Document,
    /// A library that is in use today.
    Peer,
    /// The same program with a protocol written by hand.
    ByHand,
    Ours,
}

/// The upper limit for one entrant of a row.
#[derive(Clone, Copy)]
pub struct Goal {
    /// The name of the entrant.
    pub of: &'static str,
    pub against: Against,
    pub at_most: f64,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Against {
    /// A ratio to the best entrant of this kind, the one with the lowest median.
    Best(Kind),
    /// The best of all the others but ours and the floor.
    BestOfAll,
    /// The best of these two.
    BestOf([&'static str; 2]),
    /// A ratio to this one.
    One(&'static str),
    /// As `Best`, but only if the floor is within the goal. Otherwise the goal does not apply.
    BestWhereTheFloorIs(Kind),
    /// The figure itself.
    Number,
}

/// At most `at_most` times the best peer.
pub const fn peers(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::Peer), at_most }
}

/// At most `at_most` times the best protocol written by hand.
pub const fn by_hand(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::ByHand), at_most }
}

/// At most `at_most` times the best of all peers and protocols written by hand.
pub const fn all_others(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::BestOfAll, at_most }
}

/// At most `at_most` times the better of two.
pub const fn better_of(two: [&'static str; 2], at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::BestOf(two), at_most }
}

/// At most `at_most` times this one.
pub const fn one(name: &'static str, at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::One(name), at_most }
}

/// At most `at_most` times the floor.
pub const fn floor(at_most: f64) -> Goal {
    Goal { of: "ours", against: Against::Best(Kind::Floor), at_most }
}

/// The figure itself is at most `at_most`.
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

/// A row before the measurement.
#[derive(Clone)]
pub struct Heading {
    pub name: String,
    pub unit: &'static str,
    /// The index of this row's value within the values of a slice.
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
    /// One value for each slice. Values with the same index were measured right after each other.
    pub values: Vec<f64>,
}

impl Entrant {
    /// Whether all values could be measured. Some systems do not report the processor time, and some entrants not all that they do.
    pub fn is_measured(&self) -> bool {
        !self.values.is_empty() && self.values.iter().all(|value| value.is_finite())
    }
}

pub struct Row {
    pub heading: Heading,
    pub entrants: Vec<Entrant>,
}

/// The result for a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval is within the goal.
    Holds,
    /// The median is within the goal, but the upper end of the interval is not.
    Open,
    /// The median is above the goal.
    Above,
    /// The floor is above the goal.
    NotHere,
}

impl Row {
    pub fn named(&self, name: &str) -> Option<&Entrant> {
        self.entrants.iter().find(|entrant| entrant.name == name)
    }

    /// The entrant with the lowest median of those that the goal is against.
    fn best(&self, against: Against) -> Option<&Entrant> {
        let counts = |entrant: &&Entrant| match against {
            Against::Best(kind) | Against::BestWhereTheFloorIs(kind) => entrant.kind == kind,
            Against::BestOfAll => matches!(entrant.kind, Kind::Peer | Kind::ByHand),
            Against::BestOf(names) => names.contains(&entrant.name),
            Against::One(name) => entrant.name == name,
            Against::Number => false,
        };
        let of_kind = self.entrants.iter().filter(counts);
        of_kind.min_by(|a, b| median(&a.values).total_cmp(&median(&b.values)))
    }

    /// The entrant, the one that it is compared with, the figure for the goal, and the verdict.
    pub fn judge(&self, goal: &Goal) -> Option<(&Entrant, Option<&Entrant>, Estimate, Verdict)> {
        let ours = self.named(goal.of)?;
        let (theirs, estimate) = match goal.against {
            Against::Number => (None, Estimate::of(&ours.values)),
            against => {
                let best = self.best(against)?;
                (Some(best), Estimate::of_ratios(&ours.values, &best.values))
            }
        };
        let out_of_reach = match (goal.against, self.best(Against::Best(Kind::Floor)), theirs) {
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
