//! Shared by the benches: the contenders, the placement of threads, the usage of processor time, and the comparison and
//! display of figures.

pub mod block_on;
pub mod chart;
pub mod contenders;
pub mod place;
pub mod report;
pub mod rows;
pub mod runner;
pub mod stats;
pub mod usage;
pub mod work;
