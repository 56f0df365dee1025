//! What the benches share: the contenders, the places that threads run at, and what a thread has used.

pub mod contenders;
pub mod place;
pub mod usage;
