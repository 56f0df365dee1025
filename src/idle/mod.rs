//! The idle set of an executor: decides which worker to wake, so that none sleeps while work waits.

mod handle;
mod word;
mod words;
mod worker;

pub use handle::Idle;
pub use worker::{Next, Worker};

use crate::pair::Parker;
use crate::sync::lock;
use crate::wait::Wait;

impl Idle {
    /// Creates a set of so many workers, on the default slow path.
    #[must_use]
    pub fn new(workers: usize) -> (Idle, Vec<Worker>) {
        Self::with_parkers((0..workers).map(|_| Parker::new()))
    }
}

// Here, so that neither file needs the other one's type.
impl<W: Wait> Idle<W> {
    /// Creates a set with a worker for each of these parkers.
    #[must_use]
    pub fn with_parkers(parkers: impl IntoIterator<Item = Parker<W>>) -> (Idle<W>, Vec<Worker<W>>) {
        let parkers: Vec<Parker<W>> = parkers.into_iter().collect();
        let idle = Self::of(parkers.iter().map(Parker::unparker).collect());
        let worker = |(index, parker)| Worker::new(idle.clone(), index, parker);
        let workers = parkers.into_iter().enumerate().map(worker).collect();
        (idle, workers)
    }

    /// Takes the lowest slot whose worker was dropped.
    #[must_use]
    pub fn enter(&self) -> Option<Worker<W>> {
        let (index, parker) = lock(&self.shared.vacant).pop_first()?;
        Some(Worker::new(self.clone(), index, parker))
    }
}
