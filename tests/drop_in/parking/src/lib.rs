//! The interface of `parking` 2.2.1, on atomic-parker.
#![forbid(unsafe_code)]

pub use atomic_parker::{pair, Parker, Unparker};
