//! What the benches share: the contenders, the places that threads run at, what a thread has used, and how figures are
//! compared and shown.

pub mod block_on;
pub mod chart;
pub mod contenders;
pub mod place;
pub mod report;
pub mod rows;
pub mod runner;
pub mod stats;
pub mod usage;
