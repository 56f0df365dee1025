//! The two handles of one parker: [`Parker`] sleeps, [`Unparker`] wakes.

mod parker;
mod shared;
mod unparker;

pub use parker::Parker;
pub use unparker::Unparker;

use std::sync::Arc;

/// Creates a parker and an unparker for it, on the default slow path.
///
/// # Examples
///
/// ```
/// let (parker, unparker) = atomic_parker::pair();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park();
/// # thread.join().unwrap();
/// ```
#[must_use]
pub fn pair() -> (Parker, Unparker) {
    let parker = Parker::new();
    let unparker = parker.unparker();
    (parker, unparker)
}

// Here, so that neither file depends on the other.
impl<W> Unparker<W> {
    /// Returns whether this handle unparks that parker. Wait-free.
    ///
    /// # Examples
    ///
    /// ```
    /// let (parker, unparker) = atomic_parker::pair();
    /// assert!(unparker.will_unpark(&parker));
    /// ```
    #[must_use]
    pub fn will_unpark(&self, parker: &Parker<W>) -> bool {
        Arc::ptr_eq(self.shared(), parker.shared())
    }
}
