/// What an announcement has done: the result of [`Idle::wake_one`](super::Idle::wake_one) and
/// [`Idle::wake_worker`](super::Idle::wake_worker).
///
/// In a set that has a worker or starts one, nobody has to look at it: the work is taken care of in all cases but [`Closed`](Announced::Closed) and
/// [`NoSuchWorker`](Announced::NoSuchWorker), and, until the next announcement, [`StartFailed`](Announced::StartFailed).
///
/// # Examples
///
/// ```
/// use atomic_parker::idle::{Announced, Idle};
///
/// let (idle, _workers) = Idle::new(4);
/// // The workers are busy: none of them has gone to sleep yet.
/// assert_eq!(idle.wake_one(), Announced::NoneAsleep);
/// assert!(!idle.wake_one().woke());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Announced {
    /// A sleeping worker was woken.
    Woke,
    /// No worker slept, and one was started in a vacant place; see [`Builder::start`](super::Builder::start).
    Started,
    /// No worker slept, and the start of one failed: the next announcement makes up for it, or any worker that looks.
    StartFailed,
    /// A worker that was woken before, and has not finished its look, takes the work or wakes another worker.
    Searching,
    /// No worker sleeps: each one looks again before it does.
    NoneAsleep,
    /// The worker is awake, and looks again before it sleeps: only from [`Idle::wake_worker`](super::Idle::wake_worker).
    Awake,
    /// The set has no worker with this index, and does not start one. Perhaps it was dropped, and [`Idle::enter`](super::Idle::enter) has
    /// not filled its place yet. Only from [`Idle::wake_worker`](super::Idle::wake_worker).
    NoSuchWorker,
    /// The set is closed: perhaps no worker will look again.
    Closed,
}

impl Announced {
    /// Returns whether a worker was woken or started: by `wake_worker`, that very worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::Announced;
    ///
    /// assert!(Announced::Woke.woke() && Announced::Started.woke());
    /// assert!(!Announced::Searching.woke());
    /// ```
    #[must_use]
    pub const fn woke(self) -> bool {
        matches!(self, Announced::Woke | Announced::Started)
    }
}
