use crate::pair::Parker;
use crate::spin::Spin;
use crate::sync;
use crate::wait::Wait;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::mem::ManuallyDrop;
use std::pin::{pin, Pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Runs a future to completion on this thread, which sleeps while the future has nothing to do.
///
/// The parker and its waker belong to the thread and are kept for the next call. The first call on a thread at each
/// depth of nesting allocates. So does a call in a thread-local's destructor, if the thread's parkers are dropped by
/// then.
///
/// The thread spins before it sleeps as [`Spin::default`](crate::Spin::default) says at that time.
///
/// It may be called within the poll of another call. Each depth of nesting has its own parker, so the inner call takes
/// no wake-up of the outer one, and does not make it poll again.
///
/// A waker may outlive the call. Waking it then is harmless: at most, one later call on this thread polls its future
/// once more than needed.
///
/// # Memory ordering
///
/// What came before a wake of the future happens-before the poll that follows from it.
///
/// # Cost
///
/// If the future is ready, or is woken while it is polled, the call takes no lock, makes no system call and, except for
/// the first call, allocates nothing. Otherwise the thread sleeps as in [`Parker::park`], without a limit. For a limit,
/// see [`block_on_timeout`].
///
/// # Panics
///
/// Only if the future does. The thread can go on to call this function.
///
/// # Examples
///
/// ```
/// let sum = atomic_parker::block_on(async { 1 + 2 });
/// assert_eq!(sum, 3);
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let lent = Lent::take();
    let pair = lent.pair();
    run(&pair.waker, future, || pair.parker.park_by_default())
}

/// Runs a future on this thread until it is ready or `timeout` is over.
///
/// As [`block_on`], with a limit that counts from the call. A future that is not ready by then is dropped. A poll is
/// never interrupted: if one is running at the end of that time, the call returns after it.
///
/// # Timeouts
///
/// A zero `timeout` polls once and never sleeps. One that is too large for the clock, such as `Duration::MAX`, never
/// ends. If a wake-up has arrived by the deadline, the future is polled once more before [`TimedOut`] is returned. The
/// limit also holds for a future that wakes itself in every poll.
///
/// # Memory ordering
///
/// What came before a wake of the future happens-before the poll that follows from it. [`TimedOut`] orders nothing.
///
/// # Cost
///
/// As [`block_on`]; besides, it reads the clock when it is called, before each sleep and after each wake-up.
///
/// # Panics
///
/// Only if the future does. The thread can go on to call this function.
///
/// # Examples
///
/// ```
/// use atomic_parker::{block_on_timeout, TimedOut};
/// use std::future::{pending, ready};
/// use std::time::Duration;
///
/// assert_eq!(block_on_timeout(ready(1), Duration::ZERO), Ok(1));
/// assert_eq!(block_on_timeout(pending::<i32>(), Duration::from_millis(1)), Err(TimedOut));
/// ```
pub fn block_on_timeout<F: IntoFuture>(future: F, timeout: Duration) -> Result<F::Output, TimedOut> {
    let lent = Lent::take();
    let pair = lent.pair();
    pair.parker.set_spin(Spin::default());
    run_timeout(&pair.parker, &pair.waker, future, timeout)
}

impl<W: Wait + Send + Sync + 'static> Parker<W> {
    /// Runs a future to completion on this thread, which sleeps on this parker meanwhile.
    ///
    /// As [`block_on`], with your choice of slow path and [`Spin`](crate::Spin).
    ///
    /// The future's wakers are this parker's [`unparker`](Parker::unparker): a token from another source, also one that
    /// is left from before, costs one needless poll. Do not park on this parker, or call `block_on` on it, within the
    /// poll: that takes the token of this call, which may then sleep for ever. Use the free function there.
    ///
    /// # Memory ordering
    ///
    /// What came before an `unpark` or a wake happens-before the poll that follows from it.
    ///
    /// # Cost
    ///
    /// Counts one reference, allocates nothing. Lock-free and without a system call for a future that is ready, or that
    /// is woken while it is polled. Otherwise it sleeps as in [`park`](Parker::park), without a limit.
    ///
    /// # Panics
    ///
    /// Only if the future or the slow path does. The parker stays usable.
    ///
    /// # Examples
    ///
    /// ```
    /// let parker = atomic_parker::Parker::new();
    /// assert_eq!(parker.block_on(async { 1 + 2 }), 3);
    /// ```
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        run(&Waker::from(self.unparker()), future, || self.park())
    }

    /// Runs a future on this parker until it is ready or `timeout` is over, but never interrupts a poll.
    ///
    /// As [`Parker::block_on`], with the limit of [`block_on_timeout`], where timeouts are described.
    ///
    /// # Memory ordering
    ///
    /// What came before an `unpark` or a wake happens-before the poll that follows from it. [`TimedOut`] orders nothing.
    ///
    /// # Cost
    ///
    /// As [`Parker::block_on`]; besides, it reads the clock when it is called, before each sleep and after each wake-up.
    ///
    /// # Panics
    ///
    /// Only if the future or the slow path does. The parker stays usable.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, TimedOut};
    /// use std::future::{pending, ready};
    /// use std::time::Duration;
    ///
    /// let parker = Parker::new();
    /// assert_eq!(parker.block_on_timeout(ready(1), Duration::ZERO), Ok(1));
    /// assert_eq!(parker.block_on_timeout(pending::<()>(), Duration::from_millis(1)), Err(TimedOut));
    /// ```
    pub fn block_on_timeout<F: IntoFuture>(&self, future: F, timeout: Duration) -> Result<F::Output, TimedOut> {
        run_timeout(self, &Waker::from(self.unparker()), future, timeout)
    }
}

/// Time was up before the future was ready: the error of [`block_on_timeout`] and [`Parker::block_on_timeout`].
///
/// # Examples
///
/// ```
/// assert_eq!(atomic_parker::TimedOut.to_string(), "the future was not ready in time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the future was not ready in time")
    }
}

impl Error for TimedOut {}

#[inline]
fn run<F: IntoFuture>(waker: &Waker, future: F, park: impl Fn()) -> F::Output {
    let park = || {
        park();
        Ok::<(), Infallible>(())
    };
    match drive(waker, pin!(future.into_future()), park) {
        Ok(output) => output,
        Err(never) => match never {},
    }
}

#[inline]
fn run_timeout<W: Wait, F: IntoFuture>(
    parker: &Parker<W>,
    waker: &Waker,
    future: F,
    timeout: Duration,
) -> Result<F::Output, TimedOut> {
    let mut expired = timeout.is_zero();
    let deadline = if expired { None } else { sync::deadline_after(timeout) };
    let park = || {
        let park = |deadline| match deadline {
            Some(deadline) => parker.park_deadline(deadline),
            None => {
                parker.park();
                true
            }
        };
        if expired || !park(deadline) {
            return Err(TimedOut);
        }
        // Read even after a token: the future may wake itself in every poll.
        expired = sync::has_passed(deadline);
        Ok(())
    };
    drive(waker, pin!(future.into_future()), park)
}

/// Polls until the future is ready; while it is not, `park` says when to poll again, or not to any more.
#[inline]
fn drive<F: Future, E>(
    waker: &Waker,
    mut future: Pin<&mut F>,
    mut park: impl FnMut() -> Result<(), E>,
) -> Result<F::Output, E> {
    let mut context = Context::from_waker(waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        park()?;
    }
}

/// What one call needs: a parker, and the waker for it.
struct Pair {
    parker: Parker,
    waker: Waker,
    /// Whether the thread keeps it for the next call. Not if the thread's pairs are destroyed.
    is_kept: bool,
}

impl Pair {
    fn new(is_kept: bool) -> Box<Self> {
        let parker = Parker::new();
        let waker = Waker::from(parker.unparker());
        Box::new(Self { parker, waker, is_kept })
    }
}

sync::local! {
    /// The top of the thread's stack of unused pairs. It is empty while a call uses what was there, and no other call has ended.
    ///
    /// Without a destructor, so that a call need not check whether that has run: the one of `BELOW` drops it.
    static TOP: ManuallyDrop<Cell<Option<Box<Pair>>>> = ManuallyDrop::new(Cell::new(None));

    /// The rest of the stack. A call returns its pair before the call around it does, so the next call at the same depth
    /// gets the same pair.
    static BELOW: Below = Below(RefCell::new(Vec::new()));
}

// In boxes, as they move between here, `TOP` and the calls.
#[allow(clippy::vec_box)]
struct Below(RefCell<Vec<Box<Pair>>>);

impl Drop for Below {
    fn drop(&mut self) {
        if sync::model_unwinds() {
            return;
        }
        // Where the system itself destroys variables without a destructor, `TOP` may be gone, and then its pair leaks.
        let _ = TOP.try_with(|top| drop(top.take()));
    }
}

/// A pair that is one call's own until the call returns or unwinds. It is there until the drop.
struct Lent(Option<Box<Pair>>);

impl Lent {
    #[inline]
    fn take() -> Self {
        let top = TOP.try_with(|top| top.take()).ok().flatten();
        Self(Some(top.unwrap_or_else(Self::take_below)))
    }

    #[cold]
    fn take_below() -> Box<Pair> {
        // In the destructor of a thread-local, the thread's pairs may be destroyed.
        match BELOW.try_with(|below| below.0.borrow_mut().pop()) {
            Ok(pair) => pair.unwrap_or_else(|| Pair::new(true)),
            Err(_) => Pair::new(false),
        }
    }

    #[inline]
    fn pair(&self) -> &Pair {
        self.0.as_deref().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        if sync::model_unwinds() {
            return;
        }
        if let Some(pair) = self.0.take_if(|pair| pair.is_kept) {
            if let Ok(Some(displaced)) = TOP.try_with(|top| top.replace(Some(pair))) {
                put_below(displaced);
            }
        }
    }
}

/// Out of line: only a call with calls within it comes here.
#[cold]
fn put_below(pair: Box<Pair>) {
    let _ = BELOW.try_with(|below| below.0.borrow_mut().push(pair));
}
